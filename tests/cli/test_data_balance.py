"""``mien data balance``: the training part, the leak that is refused, and the leak that is asked for."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner, Result

from mien.cli import data_balance
from mien.data import FaceSet, Split, official, save
from mien.data.balance import balance, reproduce_leak
from mien.errors import DataError, OutputError

app = typer.Typer()
app.command()(data_balance.balance)


@pytest.fixture
def here(tmp_path: Path, tiny_faces: FaceSet, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with ``tiny.store`` and its official split ``splits/tiny.split.json``."""
    monkeypatch.chdir(tmp_path)
    save(tiny_faces, tmp_path / "tiny.store")
    official(tiny_faces, 0.2, 0).save(tmp_path / "splits" / "tiny.split.json")
    return tmp_path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)))


def fine(*arguments: object) -> str:
    result = run(*arguments)
    assert result.exit_code == 0, result.output + repr(result.exception)
    return result.output


def same(file: Path, expected: Split) -> bool:
    found = Split.load(file)
    return found.name == expected.name and all(
        np.array_equal(rows, expected.parts[part]) for part, rows in found.parts.items()
    )


def row(output: str, label: str) -> list[str]:
    return next(line.split()[1:] for line in output.splitlines() if line.split()[:1] == [label])


@pytest.mark.parametrize("how", ["over", "under"])
def test_counts_are_shown_before_and_after(here: Path, tiny_faces: FaceSet, how: str) -> None:
    output = fine("tiny.store", "--split", "splits/tiny.split.json", "--how", how, "--seed", 4)
    before = official(tiny_faces, 0.2, 0)
    made = balance(tiny_faces, before, how, 4)
    assert same(here / "splits" / f"tiny.{how}.split.json", made)
    counts = [np.bincount(tiny_faces.labels[tiny_faces.positions(s.parts["train"])]).tolist() for s in (before, made)]
    for i, label in enumerate(tiny_faces.vocabulary.labels):
        shown = row(output, label)
        assert [shown[0], shown[2]] == [str(counts[0][i]), str(counts[1][i])]
        assert shown[3] == "14.3%"
    assert row(output, "train") == ["before", "after"]
    assert output.startswith(f"official, {how}-sampled (seed 4)\n")
    assert output.endswith(f"written to splits/tiny.{how}.split.json\n")
    assert ("under-sampled\n" in output) == (how == "under")
    assert "LEAKED" not in output


def test_weights_are_shown(here: Path, tiny_faces: FaceSet) -> None:
    output = fine("tiny.store", "--split", "splits/tiny.split.json", "--how", "weights", "--out", "w.json")
    weights = Split.load(here / "w.json").class_weights
    assert f"weight in the loss: angry {weights['angry']:.3f}, disgust {weights['disgust']:.3f}" in output
    assert "after" not in output


def test_the_sampler_is_told(here: Path) -> None:
    output = fine("tiny.store", "--split", "splits/tiny.split.json", "--how", "sampler")
    assert "training will draw every class as often" in output
    assert Split.load(here / "splits" / "tiny.sampler.split.json").balance == "sampler"


@pytest.mark.parametrize("how", ["over", "under", "weights", "sampler"])
def test_balancing_before_splitting_is_an_error_that_explains_the_leak(
    here: Path, tiny_faces: FaceSet, how: str
) -> None:
    labels = np.where(np.arange(120) < 4, 1, 3 + np.arange(120) % 2).astype(np.int8)
    labels[4:64] = 3
    save(dataclasses.replace(tiny_faces, labels=labels), here / "odd.store")
    error = run("odd.store", "--how", how).exception
    assert isinstance(error, DataError)
    happy = int((labels == 3).sum())
    text = str(error)
    assert "balancing comes after splitting; expected --split FILE" in text
    assert f"each of the 4 faces of disgust would be there about {happy / 4:.1f} times" in text
    assert f"to match the {happy} of happy" in text and "copies of one face on both sides" in text
    assert "mien data split odd.store --out my.split.json && mien data balance odd.store --split my.split.json" in text
    assert f"--how {how} " in text and "--reproduce-leak" in text
    assert sorted(p.name for p in here.iterdir()) == ["odd.store", "splits", "tiny.store"]


def test_the_leak_is_made_when_it_is_asked_for_and_marked(here: Path, tiny_faces: FaceSet) -> None:
    output = fine("tiny.store", "--how", "over", "--reproduce-leak", "--seed", 1)
    expected = reproduce_leak(tiny_faces, "over", 0.2, 0.2, 1)
    assert same(here / "tiny.leaked-over.split.json", expected)
    assert Split.load(here / "tiny.leaked-over.split.json").leaked == expected.leaked
    assert f"LEAKED for good: {expected.leaked}. Scores made with this split are worth nothing." in output
    fine("tiny.store", "--how", "under", "--reproduce-leak", "--test", 0.5, "--validation", 0, "--out", "u.json")
    assert same(here / "u.json", reproduce_leak(tiny_faces, "under", 0.5, 0, 0))


def test_balancing_a_leaked_split_says_so_again(here: Path, tiny_faces: FaceSet) -> None:
    dataclasses.replace(official(tiny_faces, 0.2, 0), leaked="by hand").save(here / "bad.json")
    assert "LEAKED for good: by hand." in fine("tiny.store", "--split", "bad.json", "--how", "sampler")
    assert Split.load(here / "bad.sampler.split.json").leaked == "by hand"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--how", "smote"), "no way 'smote'"),
        ((), "--how"),
        (("--how", "over", "--split", "s.json", "--reproduce-leak"), "leave out --split"),
        (("--how", "over", "--split", "s.json", "--test", 0.2), "--test and --validation go with --reproduce-leak"),
        (("--how", "over", "--validation", 0.2), "--test and --validation go with --reproduce-leak"),
    ],
)
def test_options_that_do_not_go_together_are_refused(here: Path, arguments: tuple[object, ...], complaint: str) -> None:
    result = run("tiny.store", *arguments)
    assert result.exit_code == 2
    assert complaint in " ".join(result.output.replace("│", " ").split())


def test_nothing_is_overwritten(here: Path) -> None:
    for arguments, name in (
        (("--split", "splits/tiny.split.json"), "splits/tiny.over.split.json"),
        (("--reproduce-leak",), "tiny.leaked-over.split.json"),
    ):
        (here / name).write_text("mine")
        refused = run("tiny.store", "--how", "over", *arguments).exception
        assert isinstance(refused, OutputError) and f"{name} exists already" in str(refused)
        assert (here / name).read_text() == "mine"
