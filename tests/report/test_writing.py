"""A report is written in the format that its name says, with the models compared."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mien.errors import OutputError
from mien.evaluation.comparison import Comparison, Pair, compare
from mien.evaluation.document import LABELS, PREDICTIONS, Evaluation
from mien.evaluation.folders import Folder, read_compared
from mien.evaluation.measures import Estimate
from mien.records import record
from mien.report import comparing
from mien.report.gather import Subject, gather
from mien.report.writing import SUFFIXES, write
from report import samples


@pytest.fixture
def two(tmp_path: Path) -> list[Subject]:
    samples.save(tmp_path / "a" / "evaluation", samples.evaluation())
    samples.save(tmp_path / "b" / "evaluation", samples.evaluation("other", 2.6, 1), 2.6, 1)
    return gather([tmp_path / "a", tmp_path / "b"])


def test_the_suffix_is_the_format(two: list[Subject], tmp_path: Path) -> None:
    out = tmp_path / "new folder"
    for suffix, start in ((".HTML", "<!doctype html>"), (".md", "# mien-small and other"), (".tex", "% Tables")):
        files = write(out / f"r{suffix}", two)
        assert files[0] == out / f"r{suffix}" and files[0].read_text(encoding="utf-8").startswith(start)
        assert len(files) == (1 + 2 * len(samples.COLOURS) - 1 if suffix == ".md" else 1)
        assert all(path.is_file() and path.parent == out / "r-pictures" for path in files[1:])
    assert sorted(p.name for p in out.iterdir()) == ["r-pictures", "r.HTML", "r.md", "r.tex"]
    assert write(out / "r.md", two)  # again, over what is there


def test_json_has_everything_that_was_measured(two: list[Subject], tmp_path: Path) -> None:
    write(tmp_path / "r.json", two)
    body = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert [one.pop("title") for one in body["evaluations"]] == ["mien-small", "other"]
    assert [record(Evaluation, one, "it") for one in body["evaluations"]] == [s.evaluation for s in two]
    assert [one["protocol"] for one in body["comparisons"]] == ["fer2013", "ferplus-majority"]
    assert body["comparisons"][0]["pairs"][0]["verdict"] == "other is better than mien-small"


def test_a_title_takes_the_place_of_the_names(two: list[Subject], tmp_path: Path) -> None:
    write(tmp_path / "r.html", two, "Ours & theirs")
    assert "<h1>Ours &amp; theirs</h1>" in (tmp_path / "r.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["report.pdf", "report", ".html"])
def test_another_format_is_refused(name: str, two: list[Subject], tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="no such format"):
        write(tmp_path / name, two)
    (tmp_path / "folder.html").mkdir(exist_ok=True)
    with pytest.raises(OutputError, match="is a folder"):
        write(tmp_path / "folder.html", two)
    assert ".html" in SUFFIXES


def test_what_cannot_be_written_leaves_nothing(two: list[Subject], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        write(tmp_path / "file" / "r.html", two)
    (tmp_path / "r-pictures").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        write(tmp_path / "r.md", two)
    assert not (tmp_path / "r.md").exists()


# ---- comparison


def test_models_are_compared_on_the_same_rows(two: list[Subject], tmp_path: Path) -> None:
    found, failed = comparing.comparisons(two)
    assert failed == [] and [one.protocol for one in found] == ["fer2013", "ferplus-majority"]
    folders = [Folder(s.title, s.folder, s.evaluation) for s in two]
    assert found[0] == compare(read_compared(folders, "fer2013"), draws=samples.DRAWS, seed=0)
    text = write(tmp_path / "r.html", two)[0].read_text(encoding="utf-8")
    summary = text[text.index('id="summary"') : text.index('id="counted"')]
    assert "Under fer2013: other is better than mien-small." in summary
    assert 'id="comparison"' in text and "mien-small against other" in text


def test_what_cannot_be_compared_is_said(two: list[Subject], tmp_path: Path) -> None:
    (two[1].folder / PREDICTIONS).unlink()
    (two[0].folder / LABELS).write_text("row,part,copy,fer2013\n")
    found, failed = comparing.comparisons(two)
    assert found == [] and len(failed) == 2 and "Under fer2013 the models cannot be compared" in failed[0]
    text = write(tmp_path / "r.html", two)[0].read_text(encoding="utf-8")
    assert "Under ferplus-majority the models cannot be compared" in text
    other = replace(two[1].evaluation, data=replace(two[1].evaluation.data, sha256="9" * 64))
    found, failed = comparing.comparisons([two[0], replace(two[1], evaluation=other)])
    assert found == [] and "was evaluated on" in failed[0]


def pair(first: str, second: str, better: str, p: float) -> Pair:
    difference = Estimate(-0.0123, -0.03, 0.005, 100)
    return Pair(first, second, 100, 60, 7, 9, 24, difference, p, min(1.0, 3 * p), better, None if better else 5000)


def test_pairs_are_a_table_with_verdicts() -> None:
    pairs = [pair("a", "b", "b", 0.0001), pair("a", "c", "", 0.4), pair("b", "c", "", 0.5)]
    found = Comparison("own", "", 100, "accuracy", "mcnemar", "holm", 2000, 0, [], pairs)
    table = comparing.pairs(found)
    first, second = table.rows[:2]
    assert [cell.text for cell in first.cells] == [
        *("a against b", "\u22121.2", "7", "9", "60", "24", "<\u202f0.001", "<\u202f0.001")
    ]
    assert (first.cells[0].detail, second.cells[0].detail) == ("b is better", "cannot be told apart")
    assert first.cells[1].detail == "\u22123.0 to 0.5" and second.cells[7].text == "1.000"
    assert "McNemar" in table.notes[0] and "Holm" in table.notes[0]
    alone = comparing.pairs(replace(found, pairs=pairs[:1]))
    assert alone.columns[-1] == "p" and "Holm" not in alone.notes[0] and len(alone.rows[0].cells) == 7
    assert comparing.verdicts(found)[1].startswith("Under own: a and c cannot be told apart")


def test_faces_that_are_not_compared_are_counted(two: list[Subject]) -> None:
    for subject, kept in ((two[0], slice(0, -2)), (two[1], slice(0, None))):
        for name in (PREDICTIONS, LABELS):
            lines = (subject.folder / name).read_text(encoding="utf-8").splitlines()
            (subject.folder / name).write_text("\n".join(lines[kept]) + "\n", encoding="utf-8")
    scores = two[0].evaluation.sections[0].scores
    cut = replace(two[0].evaluation.sections[0], scores=replace(scores, n=scores.n - 2))
    evaluation = replace(two[0].evaluation, sections=[cut, *two[0].evaluation.sections[1:]])
    found, _ = comparing.comparisons([replace(two[0], evaluation=evaluation), two[1]])
    own = next(one for one in found if one.protocol == "fer2013")
    assert own.n == samples.N - 2
    assert "other: 2 of its faces are not compared" in comparing.pairs(own).notes[-1]
    assert (
        "other: 2 of its faces"
        in comparing.standings(own, [Folder(s.title, s.folder, s.evaluation) for s in two]).notes[0]
    )
