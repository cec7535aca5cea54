"""``mien data plot``: that the picture of a set is drawn from the set."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import typer
from typer.testing import CliRunner, Result

from mien.cli import data_plot
from mien.data import FaceSet, Split, save
from mien.data.statistics import statistics
from mien.errors import DataError, MissingExtraError, OutputError
from mien.plots import dataset
from mien.plots.dataset import Overview


def run(*arguments: object) -> Result:
    app = typer.Typer()
    app.command()(data_plot.plot)
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture
def store(tiny_faces: FaceSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    save(tiny_faces, tmp_path / "tiny")
    return tmp_path / "tiny"


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[Overview]:
    """What was drawn; nothing is written."""
    found: list[Overview] = []
    monkeypatch.setattr(dataset, "save", lambda path, overview: found.append(overview))
    return found


def split_file(faces: FaceSet, folder: Path, leaked: str = "") -> Path:
    rows = {"train": faces.rows[:80], "test": faces.rows[70 if leaked else 80 : 99]}
    Split("by hand", 9, faces.provenance.sha256, rows, leaked=leaked).save(folder / "split.json")
    return folder / "split.json"


@pytest.mark.parametrize(("name", "start"), [("a.png", b"\x89PNG"), ("new/a.pdf", b"%PDF"), ("a.svg", b"<?xml")])
def test_a_picture_is_written(store: Path, name: str, start: bytes) -> None:
    done = run(store, name)
    assert done.exit_code == 0 and done.stdout == f"{name}: 120 faces, 7 classes\n"
    assert (store.parent / name).read_bytes().startswith(start)


def test_the_picture_is_named_after_the_store(store: Path) -> None:
    assert run(store).exit_code == 0
    assert cv2.imread("tiny.png").shape[1] > 1000


def test_equal_seeds_give_equal_files(store: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert run(store, f"{name}.png", "--seed", seed).exit_code == 0
    a, b, c = (Path(f"{name}.png").read_bytes() for name in "abc")
    assert a == b != c


def test_another_seed_draws_other_faces_and_is_named(store: Path, shown: list[Overview]) -> None:
    for seed in (1, 1, 2):
        assert run(store, "--seed", seed).exit_code == 0
    first, again, other = ([f.tobytes() for faces in o.samples for f in faces] for o in shown)
    assert first == again != other
    assert "seed 1" in shown[0].drawn and "seed 2" in shown[2].drawn


def test_the_numbers_are_those_of_the_statistics(store: Path, tiny_faces: FaceSet, shown: list[Overview]) -> None:
    assert run(store).exit_code == 0
    (found,), known = shown, statistics(tiny_faces)
    assert found.title == "tiny.csv" and found.labels == tiny_faces.vocabulary.labels and found.alarm == ""
    assert found.parts == ("Training", "PublicTest") and np.array_equal(found.counts, known.counts)
    assert found.level == (known.level.mean, known.level.std)
    assert found.levels.tolist() == [[v.mean, v.std] for v in known.label_levels if v]
    assert np.array_equal(found.mean_faces, known.mean_faces)
    assert found.facts[0] == "120 faces · 48×48 grey · 7 classes (fer2013)"
    matrix, other = found.matrix, known.agreement
    assert matrix is not None and other is not None
    assert np.array_equal(matrix.counts, other.counts) and matrix.columns == other.columns
    assert matrix.share == other.share and np.array_equal(matrix.same, other.same)
    assert matrix.agreeing == pytest.approx(other.agreeing / other.labelled, nan_ok=True)
    assert matrix.meaning.startswith(f"{other.agreeing.sum()} of {other.labelled.sum()} faces")


def test_the_faces_shown_are_of_their_class(store: Path, tiny_faces: FaceSet, shown: list[Overview]) -> None:
    assert run(store, "--samples", 4).exit_code == 0
    for label, faces in enumerate(shown[0].samples):
        own = {f.tobytes() for f in tiny_faces.faces[tiny_faces.labels == label]}
        assert faces.shape == (4, 48, 48) and all(f.tobytes() in own for f in faces)
    assert run(store).exit_code == 0
    assert [len(faces) for faces in shown[1].samples] == [8] * 7


def test_a_split_takes_the_place_of_usages(
    store: Path, tiny_faces: FaceSet, tmp_path: Path, shown: list[Overview]
) -> None:
    assert run(store, "--split", split_file(tiny_faces, tmp_path)).exit_code == 0
    assert shown[0].parts == ("train", "test") and shown[0].counts.sum(axis=1).tolist() == [80, 19]
    assert shown[0].facts[-1] == "split by hand, seed 9 · left out: 21 in no part"
    own = {f.tobytes() for f in tiny_faces.faces[:99]}
    assert all(f.tobytes() in own for faces in shown[0].samples for f in faces)
    assert shown[0].alarm == ""


def test_a_leaked_split_is_an_alarm(store: Path, tiny_faces: FaceSet, tmp_path: Path, shown: list[Overview]) -> None:
    assert run(store, "--split", split_file(tiny_faces, tmp_path, "copies on both sides")).exit_code == 0
    assert shown[0].alarm.startswith("THIS SPLIT LEAKS: copies on both sides.")
    assert shown[0].facts[0].startswith("109 faces, 99 of them different")


def test_a_set_without_votes_and_with_an_empty_class_is_drawn(tiny_faces: FaceSet, tmp_path: Path) -> None:
    some = tiny_faces.take(np.flatnonzero(tiny_faces.labels > 2))
    save(replace(some, votes=np.zeros_like(some.votes)), tmp_path / "s")
    assert run(tmp_path / "s", tmp_path / "a.png").exit_code == 0
    assert (tmp_path / "a.png").is_file()


def test_another_format_is_an_error_before_the_set_is_read(tmp_path: Path) -> None:
    done = run(tmp_path / "absent", tmp_path / "a.jpg")
    assert isinstance(done.exception, OutputError) and "a.jpg: no such format" in str(done.exception)
    assert isinstance(run(tmp_path / "absent", tmp_path / "a.png").exception, DataError)


def test_without_matplotlib_the_extra_is_named(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    done = run(store)
    assert isinstance(done.exception, MissingExtraError)
    assert "The picture of a data set needs the package matplotlib" in str(done.exception)
    assert "pip install 'mien[plot]'" in str(done.exception)
