"""Training accuracy, measured again: what is switched, what is not, and which faces are counted."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mien.data import FaceSet, Split
from mien.errors import RecipeError
from mien.expressions import FER2013
from mien.models import keras
from mien.models.network import Body, Network
from mien.recipe import Recipe, changed, load
from mien.studies.manifest import System
from mien.studies.measures import MEASURES, Ran
from mien.training import run as runs
from mien.training.augment import augment
from mien.training.remeasure import kept_epoch, opened, remeasure, switch
from mien.training.run import Run

Going = Callable[..., Run]


@pytest.fixture
def go(quick_recipe: Path, tmp_path: Path) -> Going:
    """Train the quick recipe with other values, in 32 bits unless told otherwise."""

    def train(split_file: Path | None = None, **fields: object) -> Run:
        usual = {"training.precision": "32-true", "training.epochs": 2}
        recipe = changed(load(quick_recipe), usual | {k.replace("__", "."): v for k, v in fields.items()})
        return runs.start(recipe, tmp_path / "run", tmp_path / "tiny.store", split_file=split_file)

    return train


def answers(run: Run, faces: Tensor) -> np.ndarray:
    with torch.inference_mode():
        return run.network.eval()(faces)[run.faces.vocabulary.name].argmax(1).numpy()


def training_faces(run: Run) -> tuple[np.ndarray, Tensor, np.ndarray]:
    """Row ids each once, faces from 0 to 1, labels."""
    rows = np.unique(run.rows("train"))
    at = run.faces.positions(rows)
    return rows, torch.from_numpy(run.faces.faces[at])[:, None].float() / 255, run.faces.labels[at]


def log(run: Run) -> list[dict[str, str]]:
    with (run.folder / "log.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_the_four_ways(go: Going) -> None:
    """A flip and a turn that every face gets differ from the faces as they are; the key is (seed, epoch, row),
    of an epoch that the run did not have."""
    run = go(training__epochs=3, augment__rotation=90.0, augment__flip=1.0, network__dropout=0.6)
    found = remeasure(run)
    rows, faces, labels = training_faces(run)
    assert found.n == len(rows) and found.epoch == 3
    assert found.plain == (answers(run, faces) == labels).sum()
    changed_ = augment(faces, torch.from_numpy(rows.astype(np.int64)), 3, run.recipe.seed, run.recipe.augment)
    assert found.augmented == (answers(run, changed_) == labels).sum()
    assert found.log == pytest.approx(float(log(run)[-1]["accuracy"]))
    assert remeasure(run) == found  # masks and amounts are drawn from seeds
    assert not any(m.training for m in run.network.modules())
    assert len({found.plain, found.augmented, found.dropout, found.both}) > 2


def outputs(run: Run, **arguments: int) -> list[list[Tensor]]:
    """Logits of each of the four passes, by batch."""
    seen: list[Tensor] = []
    hook = run.network.register_forward_hook(lambda m, i, out: seen.append(out["fer2013"].detach().clone().float()))
    remeasure(run, **arguments)
    hook.remove()
    quarter = len(seen) // 4
    return [seen[i * quarter : (i + 1) * quarter] for i in range(4)]


def test_batch_norm_and_the_faces_stay_where_dropout_alone_is_switched(go: Going) -> None:
    """Without dropout, "on" is bit for bit what "off" is: batch norm has not moved, nor used the batch's own level."""
    run = go(network__dropout=0.0)
    before = {k: v.clone() for k, v in run.network.state_dict().items()}
    plain, dropout, augmented, both = (torch.cat(o) for o in outputs(run))
    assert torch.equal(plain, dropout) and torch.equal(augmented, both) and not torch.equal(plain, augmented)
    assert all(torch.equal(v, before[k]) for k, v in run.network.state_dict().items())


def test_dropout_is_on_in_the_second_and_the_fourth_pass(go: Going) -> None:
    run = go(network__dropout=0.5, augment__flip=0.0, augment__rotation=0.0, augment__shift=0.0, augment__erasing=0.0)
    plain, dropout, augmented, both = (torch.cat(o) for o in outputs(run))
    assert torch.equal(plain, augmented)  # nothing is augmented
    assert not torch.equal(plain, dropout) and torch.equal(dropout, both)  # the same masks, from the run's seed
    torch.manual_seed(1)
    assert torch.equal(torch.cat(outputs(run)[1]), dropout)
    assert torch.initial_seed() == 1  # the global generator is as it was


def test_the_batches_do_not_matter_where_nothing_is_drawn(go: Going) -> None:
    run = go()
    one, many = remeasure(run), remeasure(run, batch=7)
    assert (one.n, one.plain, one.augmented) == (many.n, many.plain, many.augmented)
    assert [len(b) for b in outputs(run, batch=7)[0]][:3] == [7, 7, 7]


def test_the_arithmetic_is_the_recipes(go: Going) -> None:
    run = go(training__precision="bf16-mixed")
    kinds: set[torch.dtype] = set()
    first = next(m for m in run.network.modules() if isinstance(m, nn.Conv2d))
    first.register_forward_hook(lambda m, i, out: kinds.add(out.dtype))
    remeasure(run)
    assert kinds == {torch.bfloat16}


def layers() -> Iterator[nn.Module]:
    yield from (nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), keras.Dropout(0.5), nn.ReLU(), nn.Dropout2d(0.5), nn.Flatten())


def test_only_dropout_is_switched_and_that_of_a_frozen_backbone_stays_off() -> None:
    frozen = nn.Sequential(nn.Conv2d(1, 1, 1), nn.Dropout(0.5), nn.BatchNorm2d(1))
    body = nn.Sequential(frozen, *layers())
    network = Network(Body(body, 4 * 46 * 46, dropout=0.5, backbone=frozen, backbone_rate=0), [FER2013], 48)
    on = {"layers.3", "layers.5", "dropout"}
    switch(network, True)
    assert {name for name, m in network.named_modules() if m.training} == on
    switch(network, False)
    assert not any(m.training for m in network.modules())


def test_each_face_counts_once_however_often_it_is_trained_on(go: Going, tiny_faces: FaceSet, tmp_path: Path) -> None:
    rows = np.sort(tiny_faces.rows)
    parts = {"train": np.sort([*rows[:60], *rows[:30], *rows[:9]]), "validation": rows[50:80], "test": rows[40:]}
    split = Split("leaked", 0, tiny_faces.provenance.sha256, parts, balance="over", leaked="on purpose")
    split.save(tmp_path / "leaked.json")
    run = go(tmp_path / "leaked.json")
    assert len(run.rows("train")) == 99
    found = remeasure(run)
    _, faces, labels = training_faces(run)
    assert found.n == 60 and found.plain == (answers(run, faces) == labels).sum()


def test_a_limited_run_is_measured_on_what_it_was_trained_on(go: Going) -> None:
    run = go(data__limit=28)
    assert remeasure(run).n == len(run.rows("train")) < 30


def test_of_many_faces_so_many_are_drawn(go: Going) -> None:
    run = go()
    found = remeasure(run, most=20)
    rows = training_faces(run)[0]
    drawn = np.isin(rows, np.random.default_rng(0).choice(rows, 20, replace=False))
    _, faces, labels = training_faces(run)
    assert found.n == 20 and found.plain == (answers(run, faces[drawn]) == labels[drawn]).sum()


def test_the_kept_epoch() -> None:
    rows = [{"val_loss": v, "val_accuracy": a} for v, a in ((1.0, 0.2), (0.5, 0.6), (0.7, 0.8), (0.5, 0.8))]
    tables = {"data": {"source": "x", "validation": 0.1}, "network": {"name": "model-1"}}
    training = {"epochs": 4, "batch_size": 2, "learning_rate": 0.1}
    base = Recipe.model_validate({"name": "x", **tables, "training": training})
    assert kept_epoch(rows, base) == 4
    assert kept_epoch(rows, changed(base, {"training.keep": "best"})) == 2
    assert kept_epoch(rows, changed(base, {"training.keep": "best", "training.monitor": "val_accuracy"})) == 3


def test_the_log_of_the_best_epoch_is_read(go: Going) -> None:
    run = go(training__keep="best", training__epochs=3, training__monitor="val_accuracy")
    best = max(log(run), key=lambda row: float(row["val_accuracy"]))
    found = remeasure(run)
    assert str(found.epoch) == best["epoch"] != "3" and found.log == pytest.approx(float(best["accuracy"]))


def test_a_run_is_opened_with_the_weights_that_it_kept(go: Going, tmp_path: Path) -> None:
    run = go(training__keep="best")
    other = opened(run.folder, run.recipe, run.faces, run.split)
    for name, value in run.network.state_dict().items():
        assert torch.equal(other.network.state_dict()[name], value), name
    assert not other.network.training
    (run.folder / "weights.safetensors").unlink()
    with pytest.raises(RecipeError, match="weights.safetensors cannot be read"):
        opened(run.folder, run.recipe, run.faces, run.split)


def test_a_network_of_votes_alone_is_refused(go: Going) -> None:
    run = go(loss__labels=0.0)
    with pytest.raises(RecipeError, match="quick answers in ferplus, and not in the labels; .* head for fer2013"):
        remeasure(run)


def test_the_measure_of_a_study(go: Going, tmp_path: Path) -> None:
    run = go(network__dropout=0.6)
    ran = Ran(run.folder, tmp_path, System(name="a", title="A"), run.recipe, run.faces, run.split, {})
    found, expected = MEASURES["training-accuracy"](ran, "public_test"), remeasure(run)
    for name in ("plain", "dropout", "augmented", "both"):
        one = found[name]
        assert one.value == pytest.approx(getattr(expected, name) / expected.n, abs=1e-6) and one.n == expected.n
        assert one.kind == "share" and one.low is not None and one.low < (one.value or 0) < (one.high or 0)
    assert found["log"].value == expected.log and list(found) == ["plain", "dropout", "augmented", "both", "log"]
    assert len({found[name].value for name in found}) > 2
