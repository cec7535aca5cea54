"""Training on a split that the user made: its parts, its balance, its leak."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from mien.data import FaceSet, Split
from mien.errors import DataError, RecipeError
from mien.expressions import FER2013
from mien.training import export, run
from mien.training.batches import EpochOrder
from mien.training.learner import Learner


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
    # Faces are repeated in each part, as they are where a set is over-sampled before it is split.
    parts = {
        "train": rows[:70],
        "validation": np.sort([*rows[70:95], *rows[70:75]]),
        "test": np.sort([*rows[60:], rows[61]]),
    }
    a_split(tiny_faces, parts=parts, leaked="10 rows on both sides").save(tmp_path / "leaked.json")
    finished = run.start(quick_recipe, tmp_path / "run", None, split_file=tmp_path / "leaked.json")
    export.export(finished, tmp_path / "made")
    card = json.loads((tmp_path / "made" / "card.json").read_text())
    assert card["training"]["leaked"] == "10 rows on both sides" and card["calibration"]["n"] == 25
    assert {s["n"] for s in card["scores"] if s["protocol"].startswith("fer2013")} == {25, 60}
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


def test_a_balanced_split_reaches_the_order_and_the_loss(
    quick_recipe: Path, tmp_path: Path, tiny_faces: FaceSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = {label: 0.5 + i for i, label in enumerate(FER2013.labels)}
    orders: list[np.ndarray | None] = []
    losses: list[torch.Tensor | None] = []
    order, learner = EpochOrder.__init__, Learner.__init__

    def note_order(self: EpochOrder, n: int, size: int, seed: int, labels: np.ndarray | None = None) -> None:
        orders.append(labels)
        order(self, n, size, seed, labels)

    def note_loss(self: Learner, recipe: object, network: object, steps: int, given: object, *rest: object) -> None:
        losses.append(given)  # type: ignore[arg-type]
        learner(self, recipe, network, steps, given, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(EpochOrder, "__init__", note_order)
    monkeypatch.setattr(Learner, "__init__", note_loss)
    a_split(tiny_faces, balance="sampler").save(tmp_path / "sampler.json")
    run.start(quick_recipe, tmp_path / "a", None, split_file=tmp_path / "sampler.json")
    a_split(tiny_faces, balance="weights", class_weights=weights).save(tmp_path / "weights.json")
    run.start(quick_recipe, tmp_path / "b", None, split_file=tmp_path / "weights.json")
    assert orders[0] is not None and len(orders[0]) == 70 and orders[1] is None
    assert losses[0] is None and losses[1] is not None
    assert losses[1].tolist() == pytest.approx([weights[label] for label in FER2013.labels])
