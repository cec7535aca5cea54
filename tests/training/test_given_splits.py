"""Training on a split that the user made, or that the recipe asks for: its parts, its balance, its leak."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mien import data
from mien.data import FaceSet, Split
from mien.errors import DataError, RecipeError
from mien.evaluation.plan import trained_split
from mien.expressions import FER2013
from mien.recipe import load, parse
from mien.training import export, run
from mien.training.batches import EpochOrder
from mien.training.learner import Learner
from mien.training.progress import Reporter


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


@pytest.fixture
def pretrained(quick_recipe: Path, tmp_path: Path) -> Path:
    """The quick recipe, beside it ``first``, a run of an epoch by it, and ``uneven.store``, of which half is angry."""
    faces = data.load(tmp_path / "tiny.store")
    labels = np.where(np.arange(120) % 2, 0, faces.labels).astype(np.int8)
    data.save(replace(faces, labels=labels), tmp_path / "uneven.store")
    run.start(quick_recipe, tmp_path / "first", shortening=run.Shortening(epochs=1))
    return quick_recipe


WRONG = """\
extends = "../quick.toml"
name = "wrong"
[data]
source = "../uneven.store"
split_seed = 3
test = 0.25
balance = "over"
reproduce_leak = true
[network]
weights = "../first/weights.safetensors"
misscaled = "byte"
"""


def test_mistakes_that_a_recipe_asks_for_are_told_by_the_run_and_its_card(pretrained: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "wrong.toml").write_text(WRONG)
    finished = run.start(tmp_path / "other" / "wrong.toml", tmp_path / "run", shortening=run.Shortening(epochs=1))
    split = finished.split
    assert list(split.parts) == ["train", "validation", "test", "public_test"]
    assert np.isin(split.parts["test"], split.parts["train"]).any() and split.balance == "over"
    group = dict(zip(finished.faces.rows.tolist(), data.identical_groups(finished.faces.faces).tolist(), strict=True))
    seen = {part: {group[row] for row in rows.tolist()} for part, rows in split.parts.items()}
    assert len(split.parts["public_test"]) == 30
    assert not seen["public_test"] & (seen["train"] | seen["validation"] | seen["test"])
    assert finished.network.std.tolist() == [[[[pytest.approx(1 / 255)]]]] and not finished.network.mean.any()

    training = export.export(finished, tmp_path / "made").training
    assert training.leaked == split.leaked and training.leaked.startswith("over-sampled before the split")
    assert training.misscaled == (
        "byte pixels for weights from ../first/weights.safetensors that were trained with others"
    )
    assert len(training.caveats()) == 3  # it was shortened, too
    assert (training.recipe, training.n) == ((tmp_path / "run" / "recipe.toml").read_text(), len(split.parts["train"]))
    assert parse(training.recipe, "card") == finished.recipe and "extends" not in training.recipe
    again = trained_split(training, finished.faces)
    assert again is not None and again.leaked == split.leaked
    assert {k: v.tolist() for k, v in again.parts.items()} == {k: v.tolist() for k, v in split.parts.items()}


def test_a_misscaled_run_that_is_resumed_stays_so(pretrained: Path, tmp_path: Path) -> None:
    text = 'extends = "quick.toml"\n[network]\nweights = "first/weights.safetensors"\nmisscaled = "unit"\n'
    (tmp_path / "wrong.toml").write_text(text)

    def stop(state: Reporter) -> None:
        if state.epoch == 2:
            raise RecipeError("stopped")

    with pytest.raises(RecipeError, match="stopped"):
        run.start(tmp_path / "wrong.toml", tmp_path / "broken", report=stop)
    assert (tmp_path / "broken" / "checkpoints" / "last.ckpt").is_file()
    resumed = run.resume(tmp_path / "broken")
    whole = run.start(tmp_path / "wrong.toml", tmp_path / "whole")
    assert load(tmp_path / "broken" / "recipe.toml") == load(tmp_path / "wrong.toml")
    assert not resumed.network.mean.any() and float(resumed.network.std) == 1
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, resumed.network.state_dict()[name]), name


def test_a_recipe_that_extends_another_is_written_out_whole(quick_recipe: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('extends = "quick.toml"\n[training]\nepochs = 1\n')
    run.start(tmp_path / "mine.toml", tmp_path / "run")
    quick_recipe.unlink()
    written = load(tmp_path / "run" / "recipe.toml")
    assert written.training.epochs == 1 and written.network.name == "residual"


def test_a_leak_is_not_reproduced_on_a_split_that_is_given(pretrained: Path, tmp_path: Path) -> None:
    (tmp_path / "wrong.toml").write_text(WRONG.replace("../", ""))
    a_split(data.load(tmp_path / "uneven.store")).save(tmp_path / "mine.json")
    with pytest.raises(RecipeError, match=r"mine.json is given as the split, and the recipe is to reproduce a leak"):
        run.start(tmp_path / "wrong.toml", tmp_path / "run", split_file=tmp_path / "mine.json")
    assert not (tmp_path / "run").exists()


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
