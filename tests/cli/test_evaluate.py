"""``mien evaluate`` as a user types it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from mien import data
from mien.cli import app
from mien.cli.evaluation_table import show
from mien.data import FaceSet
from mien.errors import MienError
from mien.evaluation import document
from mien.evaluation.files import read_labels, read_predictions
from mien.expressions import FER2013, FERPLUS
from tests_support import toy

FEW = ("--draws", "100", "--no-pictures")


@pytest.fixture
def desk(tmp_path: Path, tiny_faces: FaceSet, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a store and a bundle that was trained on something else."""
    data.save(tiny_faces, tmp_path / "tiny.store")
    toy(tmp_path / "toy", {v.name: v.labels for v in (FER2013, FERPLUS)})
    monkeypatch.chdir(tmp_path)
    return tmp_path


def evaluate(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["evaluate", *arguments])
    if isinstance(done.exception, MienError):
        raise done.exception
    assert done.exit_code == 0, (done.output, done.exception)
    return done.output


def test_it_writes_numbers_predictions_and_labels(desk: Path, tiny_faces: FaceSet) -> None:
    said = evaluate("toy", "tiny.store", *FEW)
    folder = desk / "evaluations" / "toy-public_test"
    found = document.load(folder)
    rows = tiny_faces.rows[90:].tolist()
    predictions, truths = read_predictions(folder / "predictions.csv"), read_labels(folder / "labels.csv")
    assert list(predictions) == ["fer2013", "ferplus"] and predictions["fer2013"].rows.tolist() == rows
    assert (
        truths["fer2013"].rows.tolist() == rows and truths["fer2013"].labels.tolist() == tiny_faces.labels[90:].tolist()
    )
    right = predictions["fer2013"].probabilities.argmax(axis=1) == truths["fer2013"].labels
    scores = found.scores()
    assert scores is not None and scores.headline["accuracy"].value == pytest.approx(right.mean())
    assert f"{right.mean():.1%}" in said and "toy (bundle) on tiny.csv, public_test: 30 faces" in said
    assert "30 faces are few" in said and "majority class" in said and found.pictures == {}
    assert [p.name for p in folder.iterdir() if p.name.startswith(".")] == [] == list(desk.glob("evaluations/.*"))


def test_it_is_repeated_by_the_command_it_wrote(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["mien", "evaluate", "toy", "tiny.store", "--out", "a b"])
    evaluate("toy", "tiny.store", *FEW, "--out", "a b")
    assert document.load(desk / "a b").made.command == "mien evaluate toy tiny.store --out 'a b'"


def test_the_same_seed_gives_the_same_numbers(desk: Path) -> None:
    found = []
    for name, seed in (("a", "3"), ("b", "3"), ("c", "4")):
        evaluate("toy", "tiny.store", *FEW, "--seed", seed, "--out", name)
        body = json.loads((desk / name / "evaluation.json").read_text())
        found.append(json.dumps(body["sections"]))
    assert found[0] == found[1] != found[2]


def test_pictures_are_drawn_and_named(desk: Path) -> None:
    said = evaluate("toy", "tiny.store", "--draws", "100", "--tsne", "--by", "usage")
    folder = desk / "evaluations" / "toy-public_test"
    pictures = document.load(folder).pictures
    assert set(pictures) >= {"confusion", "roc", "precision_recall", "reliability", "selective", "recall", "scores"}
    assert set(pictures) >= {"classes", "mistakes", "tsne", "groups"} and "curves" not in pictures
    assert all((folder / file).read_bytes().startswith(b"\x89PNG") for file in pictures.values())
    assert f"{len(pictures)} pictures" in said


def test_an_earlier_evaluation_is_replaced_and_nothing_else(desk: Path) -> None:
    evaluate("toy", "tiny.store", *FEW, "--out", "mine")
    evaluate("toy", "tiny.store", *FEW, "--out", "mine", "--part", "all")
    assert document.load(desk / "mine").data.part == "all"
    (desk / "mine" / "notes.txt").write_text("precious")
    with pytest.raises(MienError, match="mine holds notes.txt beside an evaluation"):
        evaluate("toy", "tiny.store", *FEW, "--out", "mine")
    assert (desk / "mine" / "notes.txt").read_text() == "precious"
    (desk / "yours").mkdir()
    (desk / "yours" / "thesis.txt").write_text("precious")
    with pytest.raises(MienError, match="yours exists and holds no evaluation"):
        evaluate("toy", "tiny.store", *FEW, "--out", "yours")
    assert (desk / "yours" / "thesis.txt").read_text() == "precious"


def test_a_name_that_others_gave_stays_here(desk: Path) -> None:
    body = json.loads((desk / "toy" / "card.json").read_text())
    (desk / "toy" / "card.json").write_text(json.dumps({**body, "name": "../../é t/x"}))
    evaluate("toy", "tiny.store", *FEW)
    assert [p.name for p in (desk / "evaluations").iterdir()] == ["é-t-x-public_test"]


def test_another_model_of_the_same_name_does_not_take_an_evaluations_place(desk: Path) -> None:
    evaluate("toy", "tiny.store", *FEW)
    toy(desk / "other", {v.name: v.labels for v in (FER2013, FERPLUS)})
    with pytest.raises(MienError, match="holds an evaluation of another model or data set, toy on tiny.csv"):
        evaluate("other", "tiny.store", *FEW)
    evaluate("toy", "tiny.store", *FEW)
    evaluate("other", "tiny.store", *FEW, "--out", "evaluations/toy-public_test")  # as it was named


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("toy",), "no data set to evaluate toy on"),
        (("nobody", "tiny.store"), "no model 'nobody'"),
        (("toy", "tiny.store", "--part", "exam"), "has no part exam"),
        (("toy", "tiny.store", "--by", "age"), "has no column 'age'"),
        (("toy", "tiny.store", "--error-rate", "10"), "--error-rate 10; expected a share of wrong answers"),
        (("toy", "tiny.store", "--map", "nowhere"), "there is no map 'nowhere'"),
    ],
)
def test_mistakes_are_one_clear_message(desk: Path, arguments: tuple[str, ...], complaint: str) -> None:
    with pytest.raises(MienError, match=re.escape(complaint)):
        evaluate(*arguments, *FEW)
    assert not (desk / "evaluations").exists()


def test_answers_go_through_the_map_that_the_labels_went_through(desk: Path) -> None:
    said = evaluate("toy", "tiny.store", *FEW, "--map", "fer2013-to-four", "--out", "four")
    found = document.load(desk / "four")
    assert found.data.vocabulary == "four" and found.data.n < 30
    assert found.protocols[0].mapped == "fer2013-to-four"
    assert "four: four labels, every face; answers mapped by fer2013-to-four" in said


def test_a_broken_picture_keeps_the_earlier_evaluation(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluate("toy", "tiny.store", *FEW, "--out", "mine")
    before = (desk / "mine" / "evaluation.json").read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mien.report.pictures.draw", full)
    with pytest.raises(MienError, match=r"mine cannot be written \(No space left on device\)"):
        evaluate("toy", "tiny.store", "--draws", "100", "--out", "mine")
    assert (desk / "mine" / "evaluation.json").read_bytes() == before
    assert [p.name for p in desk.iterdir() if p.name.startswith(".")] == []


@pytest.mark.parametrize(("width", "shown"), [(80, 3), (100, 4), (200, 6)])
def test_no_number_is_cut_where_a_terminal_is_narrow(
    desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int, shown: int
) -> None:
    evaluate("toy", "tiny.store", *FEW, "--by", "usage")
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    show(document.load(desk / "evaluations" / "toy-public_test"))
    said = re.sub(r"\x1b\[\d+m", "", capsys.readouterr().out)
    assert "…" not in said and max(map(len, said.splitlines())) <= width
    head = next(line for line in said.splitlines() if "counted by" in line)
    names = ("accuracy", "balanced", "macro F1", "kappa", "log loss", "top-2")
    assert [name in head for name in names] == [i < shown for i in range(6)]


def test_reports_and_comparisons_never_take_an_evaluations_place(desk: Path) -> None:
    evaluate("toy", "tiny.store", *FEW)
    folder = desk / "evaluations" / "toy-public_test"
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    for command in (
        ["report", folder, "--out", folder / "evaluation.json"],
        ["compare", folder, folder, "--out", folder / "labels.csv"],
    ):
        done = CliRunner().invoke(app, [str(word) for word in command])
        assert isinstance(done.exception, MienError) and "is a file of the evaluation in" in str(done.exception)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before


def test_a_picture_that_cannot_be_drawn_is_said(desk: Path) -> None:
    evaluate("toy", "tiny.store", *FEW)
    (desk / "p.csv").write_bytes((desk / "evaluations" / "toy-public_test" / "predictions.csv").read_bytes())
    assert "note: no t-SNE: p gives no features" in evaluate("p.csv", "tiny.store", "--tsne", "--draws", "100")
    with pytest.raises(MienError, match="--tsne with --no-pictures"):
        evaluate("toy", "tiny.store", *FEW, "--tsne")


def test_a_changed_file_of_the_same_name_does_not_take_an_evaluations_place(desk: Path) -> None:
    evaluate("toy", "tiny.store", *FEW)
    lines = (desk / "evaluations" / "toy-public_test" / "predictions.csv").read_text().splitlines()
    (desk / "p.csv").write_text("\n".join(lines))
    evaluate("p.csv", "tiny.store", *FEW)
    evaluate("p.csv", "tiny.store", *FEW)
    (desk / "p.csv").write_text("\n".join([lines[0], *reversed(lines[1:])]))
    with pytest.raises(MienError, match="another model or data set"):
        evaluate("p.csv", "tiny.store", *FEW)


def test_the_numbers_of_the_shipped_model(shared: Path, fer2013_cache: Path, tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    """FER2013's PublicTest, as on the model's card: the official split, the copies that are known, the protocols."""
    monkeypatch.setenv("MIEN_CACHE", str(fer2013_cache))
    monkeypatch.chdir(tmp_path)
    evaluate("mien-small", str(shared / "data" / "fer2013.parquet"), "--out", "e", "--draws", "200", "--no-copies")
    found = document.load(tmp_path / "e")
    assert {p.name: p.n for p in found.protocols} == {
        "fer2013": 3584,
        "ferplus-majority": 3196,
        "ferplus-plurality": 3550,
    }
    from mien.bundle import find, read_card

    card = read_card(find("mien-small"))
    for vocabulary, protocol in (("fer2013", "fer2013"), ("ferplus", "ferplus-majority")):
        on_card, scores = card.score("public_test", vocabulary), found.scores(protocol)
        assert on_card is not None and scores is not None
        assert scores.headline["accuracy"].value == pytest.approx(on_card.value, abs=1e-3)
        assert np.isclose([scores.headline["accuracy"].low or 0], [on_card.low], atol=0.006).all()
    assert found.certainty[0].fitted_on == "validation" and found.certainty[0].fitted_n == 1701
    assert found.certainty[0].temperature == pytest.approx(1, abs=0.02)  # it is in the bundle already
