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
from mien.errors import DataError, MissingExtraError, OutputError, RecipeError
from mien.plots import augmented, dataset
from mien.plots.augmented import Augmented
from mien.plots.dataset import Overview
from tests_support import QUICK


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


# ---- --augment


@pytest.fixture
def recipe(store: Path) -> Path:
    file = store.parent / "quick.toml"
    file.write_text(QUICK, encoding="utf-8")
    return file


@pytest.fixture
def shown_augmented(monkeypatch: pytest.MonkeyPatch) -> list[Augmented]:
    """What was drawn; nothing is written."""
    found: list[Augmented] = []
    monkeypatch.setattr(augmented, "save", lambda path, given: found.append(given))
    return found


def test_an_augmentation_is_drawn_under_a_name_of_its_own(store: Path, recipe: Path) -> None:
    done = run(store, "--augment", recipe)
    assert done.exit_code == 0, done.exception
    assert done.stdout == "tiny-augmented.png: 8 faces, as quick changes them\n"
    assert cv2.imread("tiny-augmented.png").shape[1] > 1000 and not Path("tiny.png").exists()


def test_a_recipe_that_ships_goes_by_its_name_and_a_seed_draws_other_faces(
    store: Path, shown_augmented: list[Augmented]
) -> None:
    for seed in (1, 1, 2):
        done = run(store, "a.pdf", "--augment", "mien-small", "--seed", seed, "--samples", 2)
        assert done.stdout == "a.pdf: 2 faces, as mien-small changes them\n"
    first, again, other = (found.rows for found in shown_augmented)
    assert first == again != other


def test_the_versions_are_those_that_training_sees(
    store: Path, recipe: Path, tiny_faces: FaceSet, shown_augmented: list[Augmented]
) -> None:
    import torch

    from mien.recipe import load
    from mien.training.augment import augment

    assert run(store, "--augment", recipe, "--samples", 9, "--seed", 4).exit_code == 0
    (found,) = shown_augmented
    assert found.versions.shape == (9, 9, 48, 48) and len(set(found.rows)) == 9
    assert found.names[:7] == tiny_faces.vocabulary.labels and found.names[7:] == tiny_faces.vocabulary.labels[:2]
    at = tiny_faces.positions(np.array(found.rows))
    assert [tiny_faces.vocabulary.labels[label] for label in tiny_faces.labels[at]] == list(found.names)
    assert np.array_equal(found.originals, tiny_faces.faces[at]) and (tiny_faces.usage[at] == 0).all()
    faces, rows = torch.from_numpy(found.originals)[:, None].float() / 255, torch.tensor(found.rows)
    for epoch in range(9):
        trained = augment(faces, rows, epoch, 5, load(recipe).augment)[:, 0].numpy() * 255
        assert np.abs(trained - found.versions[epoch]).max() <= 0.501
    assert found.title == "Augmentation of quick" and found.mixed == ()
    assert found.facts[0] == "flip 0.5 · rotation 10 · shift 0.05 · erasing 0.3 · fill nearest"
    assert "9 of 120 faces of tiny.csv" in found.facts[1] and "seed 4" in found.facts[1] and "seed 5" in found.facts[2]
    titles = [change.title for change in found.changes]
    assert titles[:2] == ["flip, chance 50%", "rotation ±10°"] and len(titles) == 5
    change = found.changes[0]
    assert np.array_equal(change.pictures[0], found.originals[found.changed]) and change.captions[0] == "as it is"


def test_mixtures_name_the_labels_in_their_shares(store: Path, recipe: Path, shown_augmented: list[Augmented]) -> None:
    recipe.write_text(QUICK + "mixup = 0.4\ncutmix = 1.0\n", encoding="utf-8")
    assert run(store, "--augment", recipe, "--samples", 7).exit_code == 0
    (found,) = shown_augmented
    assert [one.title for one in found.mixed] == ["mixup, alpha 0.4", "CutMix, alpha 1"]
    assert found.facts[2].endswith("before it mixes them")
    for one in found.mixed:
        for first, second in one.captions:
            (own, share), (partner, rest) = first.split(), second.split()
            assert {own, partner} <= set(found.names) and own != partner
            assert int(share[:-1]) + int(rest[:-1]) == pytest.approx(100, abs=1)
    assert run(store, "--augment", recipe, "--samples", 1).exit_code == 0
    assert all(one.captions[0][0].endswith("100%") for one in shown_augmented[1].mixed)


def test_faces_come_from_the_training_part_of_a_split(
    store: Path, recipe: Path, tiny_faces: FaceSet, tmp_path: Path, shown_augmented: list[Augmented]
) -> None:
    rows = {"train": tiny_faces.rows[60:75], "test": tiny_faces.rows[:60]}
    Split("by hand", 9, tiny_faces.provenance.sha256, rows).save(tmp_path / "split.json")
    assert run(store, "--augment", recipe, "--split", tmp_path / "split.json", "--samples", 50).exit_code == 0
    assert sorted(shown_augmented[0].rows) == tiny_faces.rows[60:75].tolist()


def test_a_set_without_a_split_of_its_own_is_drawn_from_all(
    tiny_faces: FaceSet, tmp_path: Path, recipe: Path, shown_augmented: list[Augmented]
) -> None:
    whole = replace(tiny_faces, usage=np.zeros_like(tiny_faces.usage), usages=("all",))
    save(whole, tmp_path / "whole")
    assert run(tmp_path / "whole", "--augment", recipe, "--samples", 100).exit_code == 0
    assert max(shown_augmented[0].rows) > tiny_faces.rows[95]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (QUICK[: QUICK.index("[augment]")], "the recipe quick changes no pictures; expected an [augment] table"),
        (QUICK[: QUICK.index("flip =")] + 'fill = "reflect"\n', "changes no pictures"),
        (QUICK + "rotations = 3\n", "augment.rotations: no such field"),
        (QUICK + "shear = 5\nshear_share = 0.1\n", "shear gives the same in degrees; keep one of the two"),
        (QUICK + 'fill = "wrap"\n', "augment.fill"),
    ],
)
def test_what_is_wrong_with_the_recipe_is_told_before_torch_is_loaded(
    store: Path, recipe: Path, monkeypatch: pytest.MonkeyPatch, text: str, complaint: str
) -> None:
    recipe.write_text(text, encoding="utf-8")
    monkeypatch.setitem(sys.modules, "torch", None)
    done = run(store, "--augment", recipe)
    assert isinstance(done.exception, RecipeError) and complaint in str(done.exception)


@pytest.mark.parametrize(("package", "extra"), [("torch", "train"), ("matplotlib", "plot")])
def test_an_augmentation_needs_both_extras(
    store: Path, recipe: Path, monkeypatch: pytest.MonkeyPatch, package: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    done = run(store, "--augment", recipe)
    assert isinstance(done.exception, MissingExtraError)
    assert f"needs the package {package}" in str(done.exception)
    assert f"pip install 'mien[{extra}]'" in str(done.exception)


def test_an_augmentation_of_nothing_there_is_named(store: Path, recipe: Path, tmp_path: Path) -> None:
    assert isinstance(run(tmp_path / "absent", "--augment", recipe).exception, DataError)
    assert isinstance(run(store, "a.jpg", "--augment", recipe).exception, OutputError)
    done = run(store, "--augment", "mien-smal")
    assert isinstance(done.exception, RecipeError) and "mien-small" in str(done.exception)
