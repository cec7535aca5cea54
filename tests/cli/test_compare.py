"""``mien compare``: evaluations paired by row id, a table with intervals, and verdicts."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner, Result

from mien.cli import compare
from mien.errors import DataError, MienError, OutputError
from mien.evaluation import metrics
from mien.evaluation.comparison import mcnemar
from mien.evaluation.document import DataFacts, Evaluation, Made, ModelFacts, load
from mien.evaluation.files import write_labels, write_predictions
from mien.evaluation.measures import ALL, SINGLE, ProtocolFacts, Section
from mien.evaluation.protocols import MAJORITY, TITLES, Truth
from mien.evaluation.scores import Predictions
from mien.expressions import FER2013, FERPLUS, Vocabulary
from mien.report.gather import gather

app = typer.Typer()
app.command("compare")(compare.compare)
HASH = "ab" * 32
N = 300


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)


def refused(*arguments: object) -> str:
    with pytest.raises(MienError) as error:
        run(*arguments, "--draws", 100)
    return str(error.value)


def said(labels: np.ndarray, share: float, seed: int, vocabulary: Vocabulary) -> np.ndarray:
    """Probabilities of a model that has this share right, and says anything elsewhere."""
    rng = np.random.default_rng(seed)
    answers = np.where(rng.random(len(labels)) < share, labels, rng.integers(0, len(vocabulary), len(labels)))
    blurred = 0.6 * np.eye(len(vocabulary))[answers] + 0.4 * rng.dirichlet(np.full(len(vocabulary), 1.0), len(labels))
    return np.asarray(blurred)


def truth_of(vocabulary: Vocabulary, protocol: str, rows: np.ndarray) -> Truth:
    """The same labels for the same row, wherever it is; FER+ does not count every eleventh row."""
    labels = (rows * 2654435761 >> 7) % len(vocabulary)
    if protocol == MAJORITY:
        labels = np.where(rows % 11 == 0, -1, labels)
    return Truth(protocol, TITLES.get(protocol, f"{protocol} labels, every face"), vocabulary, rows, labels)


def evaluated(
    folder: Path,
    name: str,
    share: float = 0.7,
    seed: int = 1,
    rows: np.ndarray | None = None,
    vocabulary: Vocabulary = FER2013,
    ferplus: bool = True,
    **about: Any,
) -> Path:
    """The folder of an evaluation, as ``mien evaluate`` writes it; ``about`` has further facts."""
    rows = np.arange(3, 3 + 2 * N, 2) if rows is None else rows
    truths = [truth_of(vocabulary, vocabulary.name, rows)]
    truths += [truth_of(FERPLUS, MAJORITY, rows)] if ferplus else []
    given = [
        Predictions(t.vocabulary, rows, said(np.maximum(t.labels, 0), share, seed + i, t.vocabulary))
        for i, t in enumerate(truths)
    ]
    sections = []
    for truth, one in zip(truths, given, strict=True):
        at = truth.labels >= 0
        found = metrics.scores(truth.labels[at], one.probabilities[at], truth.vocabulary.labels, draws=100)
        sections.append(Section(truth.protocol, SINGLE, ALL, found))
    model = ModelFacts(name, "bundle", folder.name, "0" * 64, "", None, caveats=about.get("caveats", []))
    data = DataFacts(
        "set.csv", about.get("sha256", HASH), vocabulary.name, about.get("part", "test"), "", len(rows), {}
    )
    protocols = [ProtocolFacts(t.protocol, t.title, t.n, len(rows)) for t in truths]
    made = Made("2025-01-01", "0", "", "", 0, 100, 0.0, "")
    folder.mkdir(parents=True)
    Evaluation(model, data, made, protocols, sections, [], about.get("warnings", [])).save(folder)
    write_predictions(folder / "predictions.csv", given, data.sha256)
    write_labels(folder / "labels.csv", truths, data.part, {})
    return folder


@pytest.fixture
def three(tmp_path: Path) -> list[Path]:
    """Evaluations of a good model, a bad one, and one as good as the first; the first in the folder of its run."""
    return [
        evaluated(tmp_path / "run" / "evaluation", "good", 0.8).parent,
        evaluated(tmp_path / "bad", "bad", 0.5, 11),
        evaluated(tmp_path / "other", "other", 0.8, 21),
    ]


def answers_of(folder: Path, vocabulary: Vocabulary, prefix: str = "p_") -> dict[int, str]:
    """Row id → answer, by a reader of the test's own."""
    with (folder / "predictions.csv").open(encoding="utf-8") as stream:
        return {
            int(line["row"]): max(vocabulary.labels, key=lambda label: float(line[prefix + label]))
            for line in csv.DictReader(stream)
        }


def labels_of(folder: Path, protocol: str) -> dict[int, str]:
    with (folder / "labels.csv").open(encoding="utf-8") as stream:
        return {int(line["row"]): line[protocol] for line in csv.DictReader(stream) if line[protocol]}


# ---- what is printed


def test_a_table_and_a_verdict_for_each_pair(three: list[Path]) -> None:
    done = run(*three)
    lines = done.stdout.splitlines()
    assert lines[0] == "set.csv, test, 300 faces: fer2013 labels, every face."
    assert "accuracy" in done.stdout and "F1, macro" in done.stdout and "balanced accuracy" in done.stdout
    assert 80 < max(map(len, lines)) <= 120 and "\x1b" not in done.stdout
    assert "good is better than bad." in lines
    assert "other is better than bad." in lines
    assert any(line.startswith("good and other cannot be told apart: a difference of") for line in lines)
    assert "corrected by Holm's method (Holm 1979) for 3 pairs" in done.stdout and "McNemar" in done.stdout
    scores = load(three[1]).scores()
    assert scores is not None
    accuracy = scores.headline["accuracy"]
    assert accuracy.value is not None and accuracy.low is not None and accuracy.high is not None
    row = next(i for i, line in enumerate(lines) if line.startswith("bad  "))
    assert f"{accuracy.value:.1%}" in lines[row]
    assert f"{100 * accuracy.low:.1f} to {100 * accuracy.high:.1f}" in lines[row + 1]


def test_the_numbers_are_those_of_the_files(three: list[Path], tmp_path: Path) -> None:
    run(*three[:2], "--out", tmp_path / "out.json")
    body = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    good, bad = answers_of(three[0] / "evaluation", FER2013), answers_of(three[1], FER2013)
    truth = labels_of(three[1], "fer2013")
    only_first = sum(good[r] == truth[r] != bad[r] for r in truth)
    only_second = sum(good[r] != truth[r] == bad[r] for r in truth)
    (pair,) = body["pairs"]
    assert (pair["only_first"], pair["only_second"]) == (only_first, only_second)
    assert pair["difference"]["value"] == pytest.approx((only_first - only_second) / N)
    assert pair["p"] == pytest.approx(mcnemar(only_first, only_second))
    assert (pair["better"], pair["verdict"]) == ("good", "good is better than bad")
    assert (body["n"], body["protocol"], body["test"], body["data"]["sha256"]) == (N, "fer2013", "mcnemar", HASH)
    assert [m["name"] for m in body["models"]] == ["good", "bad"]


def test_another_protocol_counts_its_own_faces(three: list[Path], tmp_path: Path) -> None:
    done = run(*three[:2], "--protocol", MAJORITY, "--out", tmp_path / "out.json")
    body = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    truth = labels_of(three[1], MAJORITY)
    good = answers_of(three[0] / "evaluation", FERPLUS, "ferplus_")
    assert body["n"] == len(truth) < N and "FER+ official majority" in done.stdout
    assert body["models"][0]["estimates"]["accuracy"]["value"] == pytest.approx(
        np.mean([good[r] == truth[r] for r in truth])
    )
    assert "--protocol valence; expected one that all models share: fer2013, ferplus-majority" in refused(
        *three[:2], "--protocol", "valence"
    )


def test_another_metric_is_compared_by_the_bootstrap(three: list[Path], tmp_path: Path) -> None:
    done = run(*three[:2], "--metric", "macro_f1", "--out", tmp_path / "out.json", "--draws", 200, "--seed", 3)
    body = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert (body["metric"], body["test"], body["draws"], body["seed"]) == ("macro_f1", "bootstrap", 400, 3)
    values = [m["estimates"]["macro_f1"]["value"] for m in body["models"]]
    assert body["pairs"][0]["difference"]["value"] == pytest.approx(values[0] - values[1])
    written = " ".join(done.stdout.split())
    assert "two-sided, by the paired bootstrap" in written and "(400 resamples of the faces, seed 3)" in written
    assert "McNemar" not in done.stdout
    assert "the test 'mcnemar' of macro_f1" in refused(*three[:2], "--metric", "macro_f1", "--test", "mcnemar")


def test_many_models_can_be_told_apart_by_the_bootstrap(tmp_path: Path) -> None:
    rows = np.arange(60)
    folders = [evaluated(tmp_path / "good", "good", 1.0, rows=rows, ferplus=False)]
    folders += [evaluated(tmp_path / f"bad{i}", f"bad {i}", 0.0, i, rows=rows, ferplus=False) for i in range(5)]
    printed = run(*folders, "--metric", "macro_f1", "--draws", 100, "--out", tmp_path / "out.json").stdout
    assert all(f"good is better than bad {i}." in printed for i in range(5))
    body = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert body["draws"] == 6000 and "6,000 resamples" in printed  # of 15 pairs


def test_a_model_and_its_copy_have_no_interval(tmp_path: Path) -> None:
    folders = [evaluated(tmp_path / name, name) for name in "ab"]
    printed = run(*folders, "--draws", 100, "--out", tmp_path / "out.csv").stdout
    assert "a and b cannot be told apart: there is no difference on these 300 faces." in printed
    assert "0.0 points; right alone on 0 and 0 faces" in printed and "()" not in printed
    assert ",0.0,,," in (tmp_path / "out.csv").read_text(encoding="utf-8")


def spoilt(body: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The same with another value at a path such as ``sections.0.scores.labels``."""
    *above, last = path.split(".")
    at: Any = body
    for step in above:
        at = at[int(step)] if step.isdecimal() else at[step]
    at[last] = value
    return body


@pytest.mark.parametrize(
    ("path", "value", "complaint"),
    [
        ("sections.0.scores.labels", [], "sections.0.scores.labels is [], not at least one"),
        ("sections.0.scores.confusion", [[5]], "sections.0.scores.confusion is not 7 rows of 7 numbers"),
        ("sections.0.scores.confusion", [[5]] * 7, "sections.0.scores.confusion is not 7 rows of 7 numbers"),
        ("sections.0.scores.classes", [], "sections.0.scores.classes is of 0, not of 7"),
        ("sections.1.scores.headline", {}, "sections.1.scores.headline is of nothing, not of accuracy"),
        ("made.seed", -1, "made.seed is -1, not at least 0"),
        ("made.draws", -1, "made.draws is -1, not 0 to 1000000"),
        ("made.draws", 10**12, "made.draws is 1000000000000, not 0 to 1000000"),
    ],
)
def test_a_damaged_evaluation_is_refused(three: list[Path], path: str, value: Any, complaint: str) -> None:
    file = three[1] / "evaluation.json"
    file.write_text(json.dumps(spoilt(json.loads(file.read_text(encoding="utf-8")), path, value)), encoding="utf-8")
    assert f"is damaged ({complaint}" in refused(three[0], three[1])
    with pytest.raises(DataError, match="is damaged"):  # as mien report reads it
        gather(three[:2])


def test_without_correction_that_is_said(three: list[Path]) -> None:
    assert "p is not corrected for 3 pairs" in run(*three, "--correction", "none", "--draws", 100).stdout


def test_warnings_and_caveats_are_not_lost(tmp_path: Path) -> None:
    first = evaluated(tmp_path / "a", "a", warnings=["it is [bold] late", f"{MAJORITY}: not here"])
    second = evaluated(tmp_path / "b", "b", seed=5, caveats=["this model was trained on a leaked split"])
    printed = run(first, second, "--draws", 100).stdout
    assert "a: it is [bold] late" in printed and "b: this model was trained on a leaked split" in printed
    assert "not here" not in printed
    assert "not here" in run(first, second, "--draws", 100, "--protocol", MAJORITY).stdout


def test_answers_in_other_labels_are_mapped_and_that_is_said(tmp_path: Path) -> None:
    rows = np.arange(3, 203)
    plus = truth_of(FERPLUS, MAJORITY, rows)
    first = evaluated(tmp_path / "a", "a", rows=rows)
    second = evaluated(tmp_path / "b", "b", rows=rows, seed=5)
    # As of a model that knows FER2013's labels alone: its FER+ answers come from a map.
    with (second / "predictions.csv").open(encoding="utf-8") as stream:
        lines = list(csv.DictReader(stream))
    with (second / "predictions.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, [c for c in lines[0] if not c.startswith("ferplus_")], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(lines)
    evaluation = load(second)
    names = dict(zip(FER2013.labels, (4, 5, 6, 1, 3, 2, 0), strict=True))
    answers = np.array([names[a] for a in answers_of(second, FER2013).values()])
    at = plus.labels >= 0
    scores = metrics.scores(plus.labels[at], np.eye(8)[answers[at]], FERPLUS.labels, draws=100)
    replace(
        evaluation,
        protocols=[evaluation.protocols[0], replace(evaluation.protocols[1], mapped="fer2013-to-ferplus")],
        sections=[evaluation.sections[0], replace(evaluation.sections[1], scores=scores)],
    ).save(second)
    printed = run(first, second, "--protocol", MAJORITY, "--draws", 100).stdout
    assert "b: answers mapped by fer2013-to-ferplus." in printed
    assert "a: answers" not in printed and "a is better than b." in printed


# ---- rows


def test_other_rows_are_an_error_unless_those_in_common_are_asked_for(tmp_path: Path) -> None:
    first = evaluated(tmp_path / "a", "a", rows=np.arange(100, 300))
    second = evaluated(tmp_path / "b", "b", rows=np.arange(299, 150, -1), seed=5)
    message = refused(first, second)
    assert "a has 51 of its 200 that others lack, such as row 100" in message
    assert "--common compares on the 149 rows that all have" in message
    printed = run(first, second, "--common", "--draws", 100).stdout
    assert "a: 51 of its faces are not compared" in printed and not re.search("^b: ", printed, re.M)
    assert "149 faces" in printed


def test_other_data_or_another_part_cannot_be_compared(tmp_path: Path, three: list[Path]) -> None:
    data = evaluated(tmp_path / "x", "x", sha256="cd" * 32)
    part = evaluated(tmp_path / "y", "y", part="validation")
    for other in (data, part):
        assert "expected the same part of the same data set" in refused(three[1], other, "--common")
    own = evaluated(tmp_path / "z", "z", vocabulary=FERPLUS, ferplus=False)
    assert "expected a protocol that all models were evaluated under" in refused(three[1], own)


def test_files_of_another_evaluation_are_found_out(three: list[Path]) -> None:
    (three[1] / "predictions.csv").write_bytes((three[2] / "predictions.csv").read_bytes())
    assert "right by predictions.csv" in refused(three[1], three[2])
    text = (three[1] / "predictions.csv").read_text(encoding="utf-8")
    (three[1] / "predictions.csv").write_text(text.replace(HASH[:16], "0" * 16), encoding="utf-8")
    assert "predictions of a data set with sha256 0000000000000000" in refused(three[1], three[2])


def test_labels_of_ones_own_are_compared(tmp_path: Path) -> None:
    moods = Vocabulary("moods", ("so-so, maybe", "[red]", "快乐"))
    folders = [evaluated(tmp_path / n, n, 0.5 + i / 3, i, vocabulary=moods, ferplus=False) for i, n in enumerate("ab")]
    printed = run(*folders, "--draws", 100).stdout
    assert "b is better than a." in printed and "moods labels" in printed


# ---- names


def test_models_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    folders = [evaluated(tmp_path / n / "evaluation", "same", 0.6, i).parent for i, n in enumerate(("one", "two"))]
    assert "same (one)" in run(*folders, "--draws", 100).stdout
    with pytest.raises(DataError, match="the same evaluation"):
        run(folders[0], folders[0] / "evaluation")


def test_too_few_models_and_folders_without_an_evaluation_are_refused(tmp_path: Path, three: list[Path]) -> None:
    assert run(three[0]).exit_code == 2
    (tmp_path / "empty").mkdir()
    assert "mien evaluate" in refused(three[0], tmp_path / "empty")


# ---- files


def test_a_table_of_pairs(three: list[Path], tmp_path: Path) -> None:
    run(*three, "--out", tmp_path / "out.csv", "--draws", 100)
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(r["first"], r["second"]) for r in rows] == [("good", "bad"), ("good", "other"), ("bad", "other")]
    assert [r["better"] for r in rows] == ["good", "", "other"]
    for row in rows:
        four = [int(row[k]) for k in ("both_right", "only_first", "only_second", "neither")]
        assert sum(four) == int(row["n"]) == N
        assert float(row["first_value"]) == pytest.approx((four[0] + four[1]) / N)
        assert float(row["corrected"]) >= float(row["p"])


def test_tables_for_a_paper(three: list[Path], tmp_path: Path) -> None:
    for suffix in (".md", ".tex"):
        run(*three, "--out", tmp_path / f"out{suffix}", "--draws", 100)
    markdown = (tmp_path / "out.md").read_text(encoding="utf-8")
    assert re.search(r"^\| bad \| \d\d\.\d% \(", markdown, re.M) and "good is better than bad." in markdown
    latex = (tmp_path / "out.tex").read_text(encoding="utf-8")
    assert latex.count(r"\toprule") == 2 and "cannot be told apart" in latex


def test_a_file_of_no_known_form_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"ending in \.json, \.csv, \.md, \.tex"):
        run(tmp_path, tmp_path, "--out", tmp_path / "out.pdf")
    with pytest.raises(OutputError):
        run(tmp_path, tmp_path, "--plot", tmp_path / "out.txt")


def test_a_picture_of_the_models(three: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mien.plots import bars

    drawn: list[bars.Bars] = []
    monkeypatch.setattr(bars, "save", lambda path, given: drawn.append(given))
    run(*three, "--plot", tmp_path / "out.png", "--draws", 100)
    (one,) = drawn
    scores = [load(f).scores() for f in (three[0] / "evaluation", *three[1:])]
    assert [b.name for b in one.bars] == ["good", "bad", "other"]
    assert [b.value for b in one.bars] == [s.headline["accuracy"].value for s in scores if s is not None]
    assert all(b.interval is not None and b.interval[0] < (b.value or 0) < b.interval[1] for b in one.bars)
    assert scores[0] is not None
    assert {b.baseline for b in one.bars} == {scores[0].baselines["majority class"]["accuracy"]}
    assert "good is better than bad." in one.facts
