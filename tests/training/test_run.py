"""Runs: what they write, how they resume, and what they refuse."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from mien.data import FaceSet, Split
from mien.errors import MienError, RecipeError
from mien.recipe import load
from mien.training import run
from mien.training.batches import EpochOrder, FaceRows, scoring_loader
from mien.training.progress import COLUMNS, Reporter

KILLED = """
import os, signal, sys
from pathlib import Path
from mien.training import run

def report(state):
    if state.epoch == 3 and state.step == 2:
        os.kill(os.getpid(), signal.SIGKILL)

run.start(Path(sys.argv[1]), Path(sys.argv[2]), None, report)
"""


def test_a_run_folder_holds_what_it_should(quick_recipe: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    finished = run.start(quick_recipe, tmp_path / "run", None, lambda s: told.append((s.epoch, s.step)))
    folder = tmp_path / "run"
    assert (folder / "recipe.toml").read_text() == quick_recipe.read_text()
    with (folder / "log.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert tuple(rows[0]) == COLUMNS
    assert [r["epoch"] for r in rows] == ["1", "2", "3", "4", "5"]
    assert all(float(r["val_loss"]) > 0 and float(r["seconds"]) > 0 for r in rows)
    split = Split.load(folder / "split.json")
    assert {k: v.tolist() for k, v in split.parts.items()} == {k: v.tolist() for k, v in finished.split.parts.items()}
    environment = json.loads((folder / "environment.json").read_text())
    assert environment["packages"]["torch"] == torch.__version__.split("+")[0]
    weights = load_file(folder / "weights.safetensors")
    for name, value in finished.task.network.state_dict().items():
        assert torch.equal(weights[name], value), name
    steps = (90 - 3 - 2) * 8 // 10 // 16  # less 2 copies of test faces; at least this many
    assert told[-1] == (5, 0) and max(s for _, s in told) >= steps


def test_a_killed_run_ends_as_an_unbroken_one(quick_recipe: Path, tmp_path: Path) -> None:
    run.start(quick_recipe, tmp_path / "unbroken", None)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(quick_recipe), str(tmp_path / "killed")],
        capture_output=True,
        text=True,
        env=dict(os.environ),
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not (tmp_path / "killed" / "weights.safetensors").exists()
    run.resume(tmp_path / "killed")
    a, b = (load_file(tmp_path / name / "weights.safetensors") for name in ("unbroken", "killed"))
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name

    def log(name: str) -> list[list[str]]:
        with (tmp_path / name / "log.csv").open(newline="") as stream:
            return [[row[c] for c in COLUMNS[:6]] for row in csv.DictReader(stream)]

    assert log("unbroken") == log("killed")


def test_resuming_a_finished_run_changes_nothing(quick_recipe: Path, tmp_path: Path) -> None:
    run.start(quick_recipe, tmp_path / "run", None)
    before = load_file(tmp_path / "run" / "weights.safetensors")
    (tmp_path / "run" / "weights.safetensors").unlink()  # as if killed between the last epoch and the last write
    run.resume(tmp_path / "run")
    after = load_file(tmp_path / "run" / "weights.safetensors")
    assert all(torch.equal(before[k], after[k]) for k in before)


def test_the_average_is_what_is_validated_and_kept(quick_recipe: Path, tmp_path: Path) -> None:
    finished = run.start(quick_recipe, tmp_path / "run", None)
    checkpoint = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)
    averaged = {k.removeprefix("network."): v for k, v in checkpoint["state_dict"].items()}
    current = {k.removeprefix("network."): v for k, v in checkpoint["current_model_state"].items()}
    kept = finished.task.network.state_dict()
    moved = [k for k in kept if kept[k].is_floating_point() and not torch.equal(kept[k], current[k])]
    assert all(torch.equal(kept[k], averaged[k]) for k in kept)
    assert any("running_mean" in k for k in moved) and any("conv1.weight" in k for k in moved)


def test_the_average_follows_its_definition(
    quick_recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights and buffers: average ← 0.9 average + 0.1 current, after every step, from the first one on."""
    from mien.training.task import ExpressionTask

    history: list[dict[str, torch.Tensor]] = []

    def note(self: ExpressionTask, *_: object) -> None:
        history.append({k: v.clone() for k, v in self.network.state_dict().items() if v.is_floating_point()})

    monkeypatch.setattr(ExpressionTask, "on_train_batch_end", note, raising=False)
    finished = run.start(quick_recipe, tmp_path / "run", None)
    expected = history[0]
    for step in history[1:]:
        expected = {k: 0.9 * v + 0.1 * step[k] for k, v in expected.items()}
    kept = finished.task.network.state_dict()
    for name, value in expected.items():
        torch.testing.assert_close(kept[name], value, rtol=1e-4, atol=1e-5, msg=name)


def test_a_run_learns_what_can_be_learnt(quick_recipe: Path, tmp_path: Path, tiny_faces: FaceSet) -> None:
    """Brightness tells the label: a network that trains at all finds it."""
    from mien import data

    level = (tiny_faces.labels.astype(int) * 36 + 10).astype(np.uint8)
    faces = np.broadcast_to(level[:, None, None], tiny_faces.faces.shape).copy()
    noise = np.random.default_rng(0).integers(0, 6, faces.shape, dtype=np.uint8)
    easy = FaceSet(
        faces + noise, tiny_faces.labels, tiny_faces.votes, tiny_faces.rows, tiny_faces.usage, tiny_faces.provenance
    )
    data.save(easy, tmp_path / "easy.store")
    text = quick_recipe.read_text().replace("tiny.store", "easy.store").replace("epochs = 5", "epochs = 40")
    quick_recipe.write_text(text.split("[augment]")[0])
    states: list[Reporter] = []
    run.start(quick_recipe, tmp_path / "run", None, states.append)
    assert states[-1].rows[-1]["val_accuracy"] > 0.6  # 1 in 7 by chance


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


def test_unknown_networks_and_layouts_are_named(quick_recipe: Path, tmp_path: Path) -> None:
    from mien.models import build

    good = load(quick_recipe)
    with pytest.raises(RecipeError, match="'resnet'.*residual"):
        build(good.network.model_copy(update={"name": "resnet"}))
    with pytest.raises(RecipeError, match="2 stages"):
        build(good.network.model_copy(update={"blocks": [1, 1, 1]}))
    quick_recipe.write_text(quick_recipe.read_text().replace('name = "residual"', 'name = "resnet"'))
    with pytest.raises(RecipeError, match="'resnet'"):
        run.start(quick_recipe, tmp_path / "run", None)
    assert not (tmp_path / "run").exists()


def test_resume_refuses_other_data(quick_recipe: Path, tmp_path: Path, tiny_faces: FaceSet) -> None:
    from dataclasses import replace

    from mien import data

    run.start(quick_recipe, tmp_path / "run", None)
    other = replace(tiny_faces, provenance=replace(tiny_faces.provenance, sha256="1" * 64))
    data.save(other, tmp_path / "other.store")
    with pytest.raises(RecipeError, match="other data"):
        run.resume(tmp_path / "run", tmp_path / "other.store")


def test_batches_cover_the_set_in_an_order_of_seed_and_epoch(tiny_faces: FaceSet) -> None:
    order = EpochOrder(50, 16, 3)
    first = list(order)
    assert [len(b) for b in first] == [16, 16, 16]
    assert len({i for b in first for i in b}) == 48
    order.set_epoch(1)
    assert list(order) != first
    order.set_epoch(0)
    assert list(order) == first
    rows = FaceRows(tiny_faces, np.arange(60))
    seen = torch.cat([b["rows"] for b in scoring_loader(rows, 25)])
    assert seen.tolist() == tiny_faces.rows[:60].tolist()


def test_the_shipped_recipe_builds_the_network_it_describes() -> None:
    from importlib.resources import files

    from mien.models import build

    recipe = load(Path(str(files("mien"))) / "recipes" / "mien-small.toml")
    network = build(recipe.network).eval()
    assert sum(p.numel() for p in network.parameters()) == 1_464_719
    with torch.inference_mode():
        out = network(torch.zeros(2, 1, 48, 48))
    assert {k: tuple(v.shape) for k, v in out.items()} == {"fer2013": (2, 7), "ferplus": (2, 8)}


def test_normalisation_is_about_that_of_the_training_part(fer2013: FaceSet) -> None:
    from mien.training.task import MEAN, STD

    pixels = fer2013.faces[fer2013.where("Training")] / np.float32(255)
    assert abs(float(pixels.mean(dtype=np.float64)) - MEAN) < 5e-4
    assert abs(float(pixels.std(dtype=np.float64)) - STD) < 5e-4
