"""``mien data split``: the table, the file, and what is refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner, Result

from mien.cli import data_split
from mien.data import FaceSet, Split, official, save
from mien.errors import DataError, OutputError

app = typer.Typer()
app.command()(data_split.split)


@pytest.fixture
def here(tmp_path: Path, tiny_faces: FaceSet, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with the store ``tiny.store``."""
    monkeypatch.chdir(tmp_path)
    save(tiny_faces, tmp_path / "tiny.store")
    return tmp_path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)))


def fine(*arguments: object) -> str:
    result = run(*arguments)
    assert result.exit_code == 0, result.output + repr(result.exception)
    return result.output


def table(output: str) -> dict[str, list[str]]:
    lines = [line.split() for line in output.splitlines()]
    return {line[0]: line[1:] for line in lines if line}


def test_the_official_split_is_shown_and_written(here: Path, tiny_faces: FaceSet) -> None:
    output = fine("tiny.store", "--validation", 0.25, "--seed", 3)
    split, expected = Split.load(here / "tiny.official.split.json"), official(tiny_faces, 0.25, 3)
    assert {k: v.tolist() for k, v in split.parts.items()} == {k: v.tolist() for k, v in expected.parts.items()}
    shown = table(output)
    assert output.startswith("official, seed 3\n")
    assert shown["train"] == ["validation", "public_test"]
    labels = tiny_faces.labels[tiny_faces.positions(split.parts["train"])]
    assert shown["happy"][:2] == [str((labels == 3).sum()), f"{(labels == 3).mean():.1%}"]
    assert shown["all"] == [str(len(v)) for v in split.parts.values()]
    assert "left out: 2 identical to a test face\n" in output
    assert output.endswith("written to tiny.official.split.json\n")


def test_the_columns_stand_under_their_names(here: Path) -> None:
    lines = fine("tiny.store").splitlines()[1:9]
    ends = [line.rfind("%") for line in lines[1:]]
    assert len(set(ends)) == 1
    assert lines[0].endswith("public_test") and len(lines[0]) == ends[0] + 1


def test_a_draw_by_label_and_its_shares(here: Path) -> None:
    output = fine("tiny.store", "--kind", "stratified", "--test", 0.3, "--validation", 0, "--out", "deep/mine.json")
    split = Split.load(here / "deep" / "mine.json")
    assert list(split.parts) == ["train", "test"] and split.name == "stratified, test 0.3, validation 0"
    assert "left out" not in output
    fine("tiny.store", "--kind", "stratified")
    assert list(Split.load(here / "tiny.stratified.split.json").parts) == ["train", "validation", "test"]


def test_folds_are_written_to_a_folder(here: Path) -> None:
    output = fine("tiny.store", "--kind", "folds", "--folds", 3, "--seed", 2)
    folder = here / "tiny.folds.splits"
    assert sorted(p.name for p in folder.iterdir()) == [f"fold-{i}.split.json" for i in (1, 2, 3)]
    made = [Split.load(folder / f"fold-{i}.split.json") for i in (1, 2, 3)]
    assert [s.name for s in made] == ["fold 1 of 3", "fold 2 of 3", "fold 3 of 3"]
    assert output.startswith("3 folds, seed 2; faces of each label in test\n")
    assert table(output)["all"] == [str(len(s.parts["test"])) for s in made]
    assert "written to tiny.folds.splits: fold-1.split.json to fold-3.split.json" in output
    assert "%" not in output
    fine("tiny.store", "--kind", "folds", "--out", "five")
    assert len(list((here / "five").iterdir())) == 5


def test_by_subject_and_folds_by_subject(here: Path, tiny_faces: FaceSet) -> None:
    subjects = np.array([f"P{i % 20}" if i % 30 else "" for i in range(120)])
    people = dataclasses.replace(tiny_faces, subjects=subjects, faces=np.random.default_rng(0).integers(
        0, 256, (120, 8, 8), dtype=np.uint8
    ))  # fmt: skip
    save(people, here / "people.store")
    refused = run("people.store", "--kind", "subject").exception
    assert isinstance(refused, DataError) and "--skip-unknown" in str(refused)
    output = fine("people.store", "--kind", "subject", "--skip-unknown")
    assert "left out: 4 no known subject" in output
    fine("people.store", "--kind", "folds", "--by-subject", "--skip-unknown", "--folds", 4)
    for file in (here / "people.subject.split.json", here / "people.folds.splits" / "fold-2.split.json"):
        split = Split.load(file)
        sides = [set(subjects[people.positions(rows)]) for rows in split.parts.values()]
        assert sum(map(len, sides)) == len(set().union(*sides)) == 20


def test_a_split_within_another_draws_what_that_lacks(here: Path, tiny_faces: FaceSet) -> None:
    Split(
        "cleaned",
        0,
        tiny_faces.provenance.sha256,
        {"train": tiny_faces.rows[:80], "test": tiny_faces.rows[100:]},
        {"blank": tiny_faces.rows[80:100]},
        leaked="by hand",
    ).save(here / "clean.json")
    output = fine("tiny.store", "--from", "clean.json")
    assert "left out: 20 blank" in output
    assert "LEAKED for good: by hand. Scores made with this split are worth nothing." in output
    split = Split.load(here / "tiny.official.split.json")
    assert list(split.parts) == ["train", "validation", "test"] and split.leaked == "by hand"
    fine("tiny.store", "--from", "clean.json", "--kind", "stratified")
    again = Split.load(here / "tiny.stratified.split.json")
    assert again.parts["test"].tolist() == tiny_faces.rows[100:].tolist()
    assert again.name == "stratified, test 0, validation 0.2, within 'cleaned'"
    fine("tiny.store", "--from", "tiny.official.split.json", "--out", "same.json")
    assert Split.load(here / "same.json").parts["validation"].tolist() == split.parts["validation"].tolist()
    official(tiny_faces, 0.2, 0).save(here / "held.json")
    fine("tiny.store", "--from", "held.json", "--kind", "stratified", "--out", "tested.json")
    tested = Split.load(here / "tested.json")
    assert tested.name == "stratified, test 0.2, validation 0, within 'official'"
    assert list(tested.parts) == ["train", "test", "validation", "public_test"]
    asked = run("tiny.store", "--from", "clean.json", "--kind", "stratified", "--test", 0.1, "--out", "x.json")
    assert "has a part test already" in str(asked.exception)


def test_nothing_is_overwritten(here: Path) -> None:
    (here / "tiny.official.split.json").write_text("mine")
    refused = run("tiny.store").exception
    assert isinstance(refused, OutputError)
    assert str(refused) == (
        "tiny.official.split.json exists already; expected a new name. Remove it, or name another with --out."
    )
    assert (here / "tiny.official.split.json").read_text() == "mine"
    (here / "tiny.folds.splits").mkdir()
    assert isinstance(run("tiny.store", "--kind", "folds").exception, OutputError)


def test_a_folder_that_cannot_be_written_is_an_error_with_a_remedy(here: Path) -> None:
    (here / "file").write_text("")
    for more in ((), ("--kind", "folds")):
        refused = run("tiny.store", "--out", "file/split", *more).exception
        assert isinstance(refused, OutputError)
        assert "file/split cannot be written" in str(refused) and "--out" in refused.remedy


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--kind", "random"), "no kind 'random'"),
        (("--test", 0.2), "--test goes with --kind stratified or subject, not with official"),
        (("--kind", "folds", "--test", 0.2), "not with folds"),
        (("--kind", "folds", "--validation", 0.2), "--validation goes with --kind official or stratified or subject"),
        (("--folds", 3), "--folds goes with --kind folds"),
        (("--by-subject",), "--by-subject goes with --kind folds"),
        (("--kind", "folds", "--skip-unknown"), "--skip-unknown goes with --kind subject, not with folds"),
        (("--kind", "stratified", "--skip-unknown"), "--skip-unknown goes with --kind subject"),
        (("--seed", -1), "greater than or equal to 0"),
    ],
)
def test_an_option_that_would_not_be_heeded_is_refused(
    here: Path, arguments: tuple[object, ...], complaint: str
) -> None:
    result = run("tiny.store", *arguments)
    assert result.exit_code == 2
    assert complaint in " ".join(result.output.replace("│", " ").split())
    assert [p.name for p in here.iterdir()] == ["tiny.store"]


def test_zero_folds_are_not_five(here: Path) -> None:
    assert "0 folds" in str(run("tiny.store", "--kind", "folds", "--folds", 0).exception)


def test_a_source_file_is_as_good_as_a_store(here: Path, shared: Path) -> None:
    assert "fer2013.parquet" in str(run(shared / "data" / "fer2013.parquet", "--kind", "subject").exception)
