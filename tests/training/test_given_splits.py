"""Training on a split that the user made: its parts, its balance, its leak."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from mien import data
from mien.data import FaceSet, Split
from mien.errors import DataError, RecipeError
from mien.expressions import FER2013, Vocabulary
from mien.recipe import LossSection
from mien.training import export, run
from mien.training.batches import FaceRows, training_loader
from mien.training.losses import two_headed_loss


def a_split(faces: FaceSet, **changed: object) -> Split:
    rows = np.sort(faces.rows)
    values = {
        "name": "by hand",
        "seed": 1,
        "source_sha256": faces.provenance.sha256,
        "parts": {"train": rows[:70], "validation": rows[70:95], "test": rows[95:]},
    }
    return Split(**(values | changed))  # type: ignore[arg-type]


def test_a_run_uses_the_split_it_is_given(quick_recipe: Path, tmp_path: Path, tiny_faces: FaceSet) -> None:
    split = a_split(tiny_faces)
    split.save(tmp_path / "mine.json")
    finished = run.start(quick_recipe, tmp_path / "run", None, split_file=tmp_path / "mine.json")
    assert {k: v.tolist() for k, v in finished.split.parts.items()} == {k: v.tolist() for k, v in split.parts.items()}
    assert Split.load(tmp_path / "run" / "split.json").name == "by hand"
    card = export.export(finished, tmp_path / "made")
    assert (card.training.n, card.training.split, card.training.leaked) == (70, "by hand", "")
    assert {s.part for s in card.scores} == {"validation", "test"}


def test_the_recipe_may_name_the_split_and_the_command_overrules_it(
    quick_recipe: Path, tmp_path: Path, tiny_faces: FaceSet
) -> None:
    a_split(tiny_faces, name="the recipe's").save(tmp_path / "recipe.json")
    a_split(tiny_faces, name="the command's").save(tmp_path / "command.json")
    text = quick_recipe.read_text().replace("epochs = 5", "epochs = 1")
    quick_recipe.write_text(text.replace("validation = 0.2", 'validation = 0.2\nsplit = "recipe.json"'))
    assert run.start(quick_recipe, tmp_path / "a", None).split.name == "the recipe's"
    given = run.start(quick_recipe, tmp_path / "b", None, split_file=tmp_path / "command.json")
    assert given.split.name == "the command's"


def test_a_leaked_split_marks_the_card_for_good(quick_recipe: Path, tmp_path: Path, tiny_faces: FaceSet) -> None:
    rows = np.sort(tiny_faces.rows)
    parts = {"train": rows[:70], "validation": rows[70:95], "test": rows[60:]}
    a_split(tiny_faces, parts=parts, leaked="10 rows on both sides").save(tmp_path / "leaked.json")
    finished = run.start(quick_recipe, tmp_path / "run", None, split_file=tmp_path / "leaked.json")
    export.export(finished, tmp_path / "made")
    assert json.loads((tmp_path / "made" / "card.json").read_text())["training"]["leaked"] == "10 rows on both sides"
    assert run.finished(tmp_path / "run").split.leaked == "10 rows on both sides"


def test_splits_that_do_not_fit_are_refused(quick_recipe: Path, tmp_path: Path, tiny_faces: FaceSet) -> None:
    rows = np.sort(tiny_faces.rows)
    a_split(tiny_faces, parts={"train": rows[:70], "test": rows[70:]}).save(tmp_path / "short.json")
    with pytest.raises(RecipeError, match=r"no part validation; it has train, test.*mien data split"):
        run.start(quick_recipe, tmp_path / "run", None, split_file=tmp_path / "short.json")
    a_split(tiny_faces, source_sha256="9" * 64).save(tmp_path / "other.json")
    with pytest.raises(DataError, match="9999"):
        run.start(quick_recipe, tmp_path / "run", None, split_file=tmp_path / "other.json")
    assert not (tmp_path / "run").exists()


def test_labels_that_the_network_does_not_have_are_refused(
    quick_recipe: Path, tmp_path: Path, tiny_faces: FaceSet
) -> None:
    moods = dataclasses.replace(tiny_faces, vocabulary=Vocabulary("moods", tuple("abcdefg")))
    data.save(moods, tmp_path / "moods.store")
    with pytest.raises(RecipeError, match=r"has labels of moods: a, b, .*expected .*angry.*mien data maps"):
        run.start(quick_recipe, tmp_path / "run", tmp_path / "moods.store")


def test_copies_of_a_row_are_not_augmented_alike(tiny_faces: FaceSet) -> None:
    rows = FaceRows(tiny_faces, np.array([4, 9, 4, 4, 2]))
    keys = rows.rows.tolist()
    assert len(set(keys)) == 5
    assert [k % 2**32 for k in keys] == tiny_faces.rows[[4, 9, 4, 4, 2]].tolist()
    assert keys[0] < 2**32 <= keys[2] < keys[3]


def test_the_balanced_sampler_draws_every_class_as_often(tiny_faces: FaceSet) -> None:
    positions = np.concatenate(
        [np.flatnonzero(tiny_faces.labels != 3)[:60], np.flatnonzero(tiny_faces.labels == 3)[:3]]
    )
    rows = FaceRows(tiny_faces, positions)
    seen = Counter(int(x) for b in training_loader(rows, 21, seed=2, balanced=True) for x in b["labels"])
    assert set(seen) == set(range(7)) and set(seen.values()) == {9}
    plain = Counter(int(x) for b in training_loader(rows, 21, seed=2) for x in b["labels"])
    assert plain[3] == 3


def test_a_balanced_split_reaches_the_sampler_and_the_loss(
    quick_recipe: Path, tmp_path: Path, tiny_faces: FaceSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = {label: 0.5 + i for i, label in enumerate(FER2013.labels)}
    asked: list[bool] = []

    def loader(rows: FaceRows, batch_size: int, seed: int, balanced: bool = False) -> object:
        asked.append(balanced)
        return training_loader(rows, batch_size, seed, balanced)

    monkeypatch.setattr(run, "training_loader", loader)
    a_split(tiny_faces, balance="sampler").save(tmp_path / "sampler.json")
    run.start(quick_recipe, tmp_path / "a", None, split_file=tmp_path / "sampler.json")
    a_split(tiny_faces, balance="weights", class_weights=weights).save(tmp_path / "weights.json")
    finished = run.start(quick_recipe, tmp_path / "b", None, split_file=tmp_path / "weights.json")
    assert asked == [True, False]
    assert finished.task.class_weights is not None
    assert finished.task.class_weights.tolist() == pytest.approx([weights[label] for label in FER2013.labels])


def test_class_weights_weigh_the_fer2013_labels(tiny_faces: FaceSet) -> None:
    rng = torch.Generator().manual_seed(0)
    logits = {"fer2013": torch.randn(9, 7, generator=rng), "ferplus": torch.randn(9, 8, generator=rng)}
    labels = torch.arange(9) % 7
    weights = torch.arange(1.0, 8.0)
    section = LossSection(fer2013=2.0, ferplus=0.0)
    found = two_headed_loss(logits, labels, torch.zeros(9, 10, dtype=torch.uint8), section, weights)
    each = functional.cross_entropy(logits["fer2013"], labels, reduction="none")
    expected = 2 * (each * weights[labels]).sum() / weights[labels].sum()
    torch.testing.assert_close(found, expected)
