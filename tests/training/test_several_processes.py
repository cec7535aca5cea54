"""Two processes (gloo) train as one does with the same global batch, on a network without batch norm and dropout."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests_support import mien

RECIPE = """\
name = "two"
seed = 3
[data]
source = "tiny.store"
validation = 0.2
[network]
name = "model-1"
[training]
epochs = 2
batch_size = 16
learning_rate = 0.05
optimizer = "sgd"  # Adam would blow rounding up where a gradient is near 0
schedule = "one-cycle"
gradient_clip = 1.0
ema = 0.9
[loss]
votes = 0.5
label_smoothing = 0.1
class_weights = true
[augment]
flip = 0.5
rotation = 15
shift = 0.1
zoom = 0.1
erasing = 0.3
"""


def train(folder: Path, out: str, *launcher: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *launcher, "-m", "mien", "train", "two.toml", "--out", out]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=300, env=environment
    )


def log(folder: Path) -> list[dict[str, float]]:
    with (folder / "log.csv").open(newline="") as stream:
        return [{k: float(v) for k, v in row.items() if v} for row in csv.DictReader(stream)]


@pytest.fixture
def recipe(quick_recipe: Path) -> Path:
    file = quick_recipe.with_name("two.toml")
    file.write_text(RECIPE)
    return file


TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


def test_two_processes_end_as_one_does(recipe: Path) -> None:
    folder = recipe.parent
    one, two = mien("train", "two.toml", "--out", "one", cwd=folder), train(folder, "two", *TORCHRUN)
    assert one.returncode == 0, one.stderr
    assert two.returncode == 0, two.stderr
    assert two.stderr.count("epoch ") == 2, "only the first process speaks"
    assert two.stdout.count("bundle in two/bundle") == 1
    a, b = (load_file(folder / name / "weights.safetensors") for name in ("one", "two"))
    for name in a:
        torch.testing.assert_close(a[name], b[name], rtol=1e-3, atol=2e-5, msg=name)
    for row, other in zip(log(folder / "one"), log(folder / "two"), strict=True):
        for column in ("loss", "accuracy", "val_loss", "val_accuracy", "val_macro_f1", "val_ferplus", "learning_rate"):
            assert other[column] == pytest.approx(row[column], rel=1e-4), column
    assert '"processes": 2' in (folder / "two" / "environment.json").read_text()


def test_the_command_starts_the_processes_itself(recipe: Path) -> None:
    recipe.write_text(RECIPE.replace("epochs = 2", "epochs = 1"))
    command = [sys.executable, "-m", "mien", "train", "two.toml", "--out", "two", "--devices", "2"]
    done = subprocess.run(command, cwd=recipe.parent, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("epoch ") == 1
    assert '"processes": 2' in (recipe.parent / "two" / "environment.json").read_text()


def test_a_batch_that_cannot_be_shared_is_refused(recipe: Path) -> None:
    recipe.write_text(RECIPE.replace("batch_size = 16", "batch_size = 15"))
    done = train(recipe.parent, "odd", *TORCHRUN)
    assert done.returncode != 0 and "15 faces a step on 2 processes" in done.stderr
