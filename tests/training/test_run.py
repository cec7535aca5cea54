"""Runs: what they write, what they keep, when they stop, and what they refuse."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from mien import data
from mien.data import FaceSet, Split
from mien.errors import MienError, RecipeError
from mien.expressions import FER2013, FOUR, Vocabulary
from mien.models import build
from mien.recipe import changed, load
from mien.training import run
from mien.training.learner import Learner
from mien.training.progress import COLUMNS, Reporter


@pytest.fixture
def go(quick_recipe: Path, tmp_path: Path) -> Callable[..., run.Run]:
    """Train the quick recipe with other values into a folder."""

    def train(folder: str = "run", /, report: Callable[[Reporter], None] | None = None, **fields: object) -> run.Run:
        recipe = changed(load(quick_recipe), {k.replace("__", "."): v for k, v in fields.items()})
        return run.start(recipe, tmp_path / folder, tmp_path / "tiny.store", report)

    return train


def test_a_run_folder_holds_what_it_should(quick_recipe: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    finished = run.start(quick_recipe, tmp_path / "run", None, lambda s: told.append((s.epoch, s.step)))
    folder = tmp_path / "run"
    assert (folder / "recipe.toml").read_text() == quick_recipe.read_text()
    with (folder / "log.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert tuple(rows[0]) == COLUMNS
    assert [r["epoch"] for r in rows] == ["1", "2", "3", "4", "5"]
    assert all(float(r[c]) > 0 for r in rows for c in ("val_loss", "seconds", "images_per_second", "learning_rate"))
    assert all(0 <= float(r[c]) <= 1 for r in rows for c in COLUMNS[4:8]) and rows[0]["accuracy"]
    split = Split.load(folder / "split.json")
    assert {k: v.tolist() for k, v in split.parts.items()} == {k: v.tolist() for k, v in finished.split.parts.items()}
    environment = json.loads((folder / "environment.json").read_text())
    assert environment["packages"]["torch"] == torch.__version__.split("+")[0]
    assert environment["shortened"] == "" and environment["processes"] == 1
    weights = load_file(folder / "weights.safetensors")
    for name, value in finished.network.state_dict().items():
        assert torch.equal(weights[name], value), name
    steps = (90 - 3 - 2) * 8 // 10 // 16  # less 2 copies of test faces; at least this many
    assert told[-1] == (5, 0) and max(s for _, s in told) >= steps


def test_scores_in_the_log_are_those_of_the_whole_validation_part(go: Callable[..., run.Run]) -> None:
    from sklearn.metrics import balanced_accuracy_score, f1_score

    states: list[Reporter] = []
    finished = go(report=states.append, training__precision="32-true")
    at = finished.faces.positions(finished.rows("validation"))
    with torch.inference_mode():
        out = finished.network(torch.from_numpy(finished.faces.faces[at])[:, None].float() / 255)["fer2013"]
    answer, right = out.argmax(1).numpy(), finished.faces.labels[at]
    row = states[-1].rows[-1]
    assert row["val_accuracy"] == pytest.approx((answer == right).mean())
    assert row["val_balanced_accuracy"] == pytest.approx(balanced_accuracy_score(right, answer))
    there = np.unique(right)
    assert row["val_macro_f1"] == pytest.approx(f1_score(right, answer, labels=there, average="macro", zero_division=0))


def test_the_average_follows_its_definition(go: Callable[..., run.Run], monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights and buffers: average ← 0.9 average + 0.1 current, after every step, from the first one on."""
    history: list[dict[str, torch.Tensor]] = []
    step = Learner.step

    def note(self: Learner, *arguments: object) -> torch.Tensor:
        loss = step(self, *arguments)  # type: ignore[arg-type]
        history.append({k: v.clone() for k, v in self.network.state_dict().items() if v.is_floating_point()})
        return loss

    monkeypatch.setattr(Learner, "step", note)
    kept = go().network.state_dict()
    expected = history[0]
    for step_ in history[1:]:
        expected = {k: 0.9 * v + 0.1 * step_[k] for k, v in expected.items()}
    for name, value in expected.items():
        torch.testing.assert_close(kept[name], value, rtol=1e-4, atol=1e-5, msg=name)
    assert any(not torch.equal(kept[k], history[-1][k]) for k in kept if "running_mean" in k)


def easy(faces: FaceSet, folder: Path) -> None:
    """A store whose faces' brightness tells the label."""
    level = (faces.labels.astype(int) * 36 + 10).astype(np.uint8)
    noise = np.random.default_rng(0).integers(0, 6, faces.faces.shape, dtype=np.uint8)
    data.save(replace(faces, faces=np.broadcast_to(level[:, None, None], noise.shape) + noise), folder)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"training__optimizer": "muon"},
        {"training__optimizer": "sgd", "training__learning_rate": 0.1, "training__gradient_clip": 5.0},
        {"training__optimizer": "adam", "training__schedule": "cosine", "training__precision": "32-true"},
        {"augment__mixup": 0.2, "augment__cutmix": 0.2, "training__schedule": "constant", "training__accumulate": 2},
    ],
    ids=lambda f: ", ".join(str(v) for v in f.values()) or "as it is",
)
def test_a_run_learns_what_can_be_learnt(
    quick_recipe: Path, tmp_path: Path, tiny_faces: FaceSet, fields: dict[str, object]
) -> None:
    """Brightness tells the label: a network that trains at all finds it."""
    easy(tiny_faces, tmp_path / "easy.store")
    quick_recipe.write_text(quick_recipe.read_text().split("[augment]")[0])
    values = {"training.epochs": 40} | {k.replace("__", "."): v for k, v in fields.items()}
    states: list[Reporter] = []
    run.start(changed(load(quick_recipe), values), tmp_path / "run", tmp_path / "easy.store", states.append)
    assert max(r["val_accuracy"] for r in states[-1].rows[-5:]) >= 0.5  # 1 in 7 by chance


def test_equal_seeds_give_equal_weights_bit_for_bit(go: Callable[..., run.Run]) -> None:
    one, two = (go(name, training__deterministic=True).network.state_dict() for name in ("a", "b"))
    other = go("c", seed=6).network.state_dict()
    assert all(torch.equal(one[k], two[k]) for k in one)
    assert not all(torch.equal(one[k], other[k]) for k in one)


def test_the_best_weights_are_kept_where_the_recipe_says_so(
    go: Callable[..., run.Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = iter([0.3, 0.6, 0.5, 0.6, 0.4])
    seen: list[torch.Tensor] = []

    def validate(self: object) -> dict[str, float]:
        seen.append(self.learner.judged.heads[0].weight.detach().clone())  # type: ignore[attr-defined]
        return {"val_loss": 1.0, "val_accuracy": next(told)}

    monkeypatch.setattr("mien.training.loop.Loop.validate", validate)
    finished = go(training__monitor="val_accuracy", training__keep="best")
    assert finished.kept == 2 and len(seen) == 5
    assert torch.equal(finished.network.heads[0].weight, seen[1])
    assert torch.equal(load_file(finished.folder / "weights.safetensors")["heads.0.weight"], seen[1])


def test_early_stopping_waits_for_its_patience(go: Callable[..., run.Run], monkeypatch: pytest.MonkeyPatch) -> None:
    told = iter([1.0, 0.8, 0.9, 0.7, 0.75, 0.72, 0.71, 0.5])
    monkeypatch.setattr("mien.training.loop.Loop.validate", lambda self: {"val_loss": next(told)})
    finished = go(training__patience=3, training__epochs=8)
    assert len((finished.folder / "log.csv").read_text().splitlines()) == 1 + 7
    assert finished.stopped == "val_loss was best in epoch 4, 3 epochs earlier" and finished.kept == 7


def test_pieces_of_a_batch_learn_what_the_whole_does(quick_recipe: Path, tiny_faces: FaceSet) -> None:
    """Without dropout and batch norm; class weights and votes included, and pieces of unequal size."""
    fields = {"training.precision": "32-true", "augment.erasing": 0.0, "training.ema": 0.0}
    recipe = changed(load(quick_recipe), fields)
    weights = torch.linspace(0.5, 2, 7)
    states = []
    for pieces in (1, 3):
        torch.manual_seed(0)
        network = build(recipe.network, 48, [FER2013, *run.vocabularies(FER2013, recipe.loss)[1:]])
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.forward = lambda x: x  # type: ignore[method-assign]
        network.dropout.p = 0
        learner = Learner(changed(recipe, {"training.accumulate": pieces}), network, 10, weights)
        rows = run.FaceRows(tiny_faces, np.arange(32))
        losses = [float(learner.step(rows.batch(np.arange(i, i + 16)), 0, i)) for i in range(3)]
        states.append((losses, network.state_dict()))
    assert states[0][0] == pytest.approx(states[1][0], rel=1e-5)
    for name, value in states[0][1].items():
        torch.testing.assert_close(value, states[1][1][name], rtol=1e-3, atol=1e-5, msg=name)


def test_class_weights_are_those_of_the_training_part(
    go: Callable[..., run.Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[torch.Tensor | None] = []
    init = Learner.__init__

    def note(self: Learner, recipe: object, network: object, steps: int, weights: object, *rest: object) -> None:
        given.append(weights)  # type: ignore[arg-type]
        init(self, recipe, network, steps, weights, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Learner, "__init__", note)
    finished = go(loss__class_weights=True, training__epochs=1)
    labels = finished.faces.labels[finished.faces.positions(finished.rows("train"))]
    expected = len(labels) / (7 * np.bincount(labels, minlength=7))
    assert given[0] is not None
    np.testing.assert_allclose(given[0].numpy(), expected, rtol=1e-6)


def test_any_vocabulary_is_learnt(quick_recipe: Path, tmp_path: Path, tiny_faces: FaceSet) -> None:
    moods = Vocabulary("moods", tuple("abcdefg"))
    data.save(replace(tiny_faces, vocabulary=moods, votes=np.zeros_like(tiny_faces.votes)), tmp_path / "moods.store")
    recipe = changed(load(quick_recipe), {"loss.votes": 0.0})
    finished = run.start(recipe, tmp_path / "run", tmp_path / "moods.store")
    assert [v.labels for v in finished.network.vocabularies] == [moods.labels]


def test_the_recipes_map_is_used_where_labels_are_others(
    quick_recipe: Path, tmp_path: Path, tiny_faces: FaceSet
) -> None:
    fields = {"data.labels": "four", "data.map": "fer2013-to-four", "loss.votes": 0.0, "training.epochs": 1}
    recipe = changed(load(quick_recipe), fields)
    finished = run.start(recipe, tmp_path / "run", tmp_path / "tiny.store")
    assert finished.faces.vocabulary == FOUR and len(finished.faces) < len(tiny_faces)
    again = run.finished(tmp_path / "run")
    assert again.faces.vocabulary == FOUR
    data.save(finished.faces, tmp_path / "four.store")
    assert run.start(recipe, tmp_path / "mapped", tmp_path / "four.store").faces.vocabulary == FOUR


def test_a_shortened_run_says_so(quick_recipe: Path, tmp_path: Path) -> None:
    finished = run.start(quick_recipe, tmp_path / "run", None, shortening=run.Shortening(2, 20))
    assert finished.shortened == "2 of 5 epochs, about 20 faces of each part"
    assert json.loads((tmp_path / "run" / "environment.json").read_text())["shortened"] == finished.shortened
    again = run.finished(tmp_path / "run")
    assert again.shortened == finished.shortened and again.recipe.training.epochs == 2
    assert 15 <= len(again.rows("train")) <= 25 and again.rows("train").tolist() == finished.rows("train").tolist()
    assert set(again.faces.labels[again.faces.positions(again.rows("train"))]) == set(range(7))
    assert run.Shortening(9, None).apply(load(quick_recipe))[1] == ""


def test_what_a_run_refuses(quick_recipe: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "recipe.toml").write_text("")
    with pytest.raises(RecipeError, match=r"already holds a run.*--resume"):
        run.start(quick_recipe, tmp_path / "run", None)
    with pytest.raises(RecipeError, match=r"holds no run.*mien train RECIPE"):
        run.resume(tmp_path / "nothing")
    with pytest.raises(RecipeError, match="no finished run"):
        run.finished(tmp_path / "run")
    with pytest.raises(MienError, match="does not exist"):
        run.start(quick_recipe, tmp_path / "other", tmp_path / "absent.csv")
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"data.labels": "ferplus"}, r"labels of fer2013: angry.*those of ferplus.*mien data maps"),
        ({"loss.labels": 0.0, "loss.votes": 0.0}, "both 0"),
        ({"training.monitor": "val_ferplus", "loss.votes": 0.0}, r"val_ferplus; expected loss\.votes"),
        ({"network.blocks": [1, 1, 1]}, "2 stages, network.blocks 3"),
        ({"data.split": "absent.json"}, r"absent\.json"),
    ],
)
def test_a_recipe_that_does_not_fit_is_refused_before_anything_is_written(
    quick_recipe: Path, tmp_path: Path, fields: dict[str, object], text: str
) -> None:
    with pytest.raises(MienError, match=text):
        run.start(changed(load(quick_recipe), fields), tmp_path / "run", tmp_path / "tiny.store")
    assert not (tmp_path / "run").exists()


def test_a_class_without_training_faces_is_named(quick_recipe: Path, tmp_path: Path, tiny_faces: FaceSet) -> None:
    rows = tiny_faces.rows
    rest = rows[(tiny_faces.labels != 1) & (tiny_faces.labels != 5)]
    parts = {"train": np.sort(rest[:50]), "validation": np.sort(rest[50:])}
    Split("by hand", 0, tiny_faces.provenance.sha256, parts).save(tmp_path / "short.json")
    with pytest.raises(RecipeError, match=r"training part has no face of disgust, surprise.*mien data"):
        run.start(quick_recipe, tmp_path / "run", None, split_file=tmp_path / "short.json")


def test_votes_are_needed_where_they_are_watched(quick_recipe: Path, tmp_path: Path, tiny_faces: FaceSet) -> None:
    data.save(replace(tiny_faces, votes=np.zeros_like(tiny_faces.votes)), tmp_path / "bare.store")
    recipe = changed(load(quick_recipe), {"training.monitor": "val_ferplus"})
    with pytest.raises(RecipeError, match=r"no FER\+ votes.*--votes"):
        run.start(recipe, tmp_path / "run", tmp_path / "bare.store")


def test_resume_refuses_other_data(quick_recipe: Path, tmp_path: Path, tiny_faces: FaceSet) -> None:
    run.start(quick_recipe, tmp_path / "run", None)
    other = replace(tiny_faces, provenance=replace(tiny_faces.provenance, sha256="1" * 64))
    data.save(other, tmp_path / "other.store")
    with pytest.raises(RecipeError, match="other data"):
        run.resume(tmp_path / "run", tmp_path / "other.store")


def test_the_level_of_the_training_part_is_exact(tiny_faces: FaceSet) -> None:
    at = np.arange(5, 70)
    pixels = tiny_faces.faces[at] / 255
    assert run._level(tiny_faces.faces, at) == pytest.approx((pixels.mean(), pixels.std()))


def test_the_shipped_recipe_builds_the_network_it_describes() -> None:
    from importlib.resources import files

    recipe = load(Path(str(files("mien"))) / "recipes" / "mien-small.toml")
    network = build(recipe.network, 48, run.vocabularies(FER2013, recipe.loss)).eval()
    assert sum(p.numel() for p in network.parameters()) == 1_464_719
    with torch.inference_mode():
        out = network(torch.zeros(2, 1, 48, 48))
    assert {k: tuple(v.shape) for k, v in out.items()} == {"fer2013": (2, 7), "ferplus": (2, 8)}
