"""Stand-ins for training, which worker processes import by name. Each writes down that it began, and in which process.

The score of a trial is a function of its values, so that a test knows which is the best.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from mien.errors import RecipeError, TrainingError
from mien.recipe import Recipe
from mien.training.progress import Report, Reporter
from mien.training.tune import Tuning

FACES = 400


def began(folder: Path) -> list[tuple[str, int]]:
    """The trials that were begun in a study folder, in order, each with its process."""
    lines = (folder / "began.txt").read_text().splitlines()
    return [(line.split()[0], int(line.split()[1])) for line in lines]


def curve(recipe: Recipe, epochs: int) -> list[float]:
    """The accuracy after each epoch: best with a rate of 0.01 and the most dropout."""
    dropout = getattr(recipe.network, "dropout", 0.0)
    top = {0.01: 0.8, 0.001: 0.7}.get(recipe.training.learning_rate, 0.3) + 0.1 * dropout
    return [top * (epoch + 1) / epochs for epoch in range(epochs)]


def quick(tuning: Tuning, recipe: Recipe, folder: Path, report: Report) -> int:
    """Every epoch in no time."""
    folder.mkdir(parents=True, exist_ok=True)
    with (tuning.folder / "began.txt").open("a") as stream:
        stream.write(f"{folder.name} {os.getpid()}\n")
    epochs = tuning.epochs or recipe.training.epochs
    state = Reporter(epochs, 1, 1)
    report(state)
    for accuracy in curve(recipe, epochs):
        state.epoch += 1
        state.rows.append({"epoch": state.epoch, "val_accuracy": accuracy, "val_loss": 1 - accuracy, "seconds": 0.5})
        report(state)
    return FACES


def peaking(tuning: Tuning, recipe: Recipe, folder: Path, report: Report) -> int:
    """As ``quick``, but its last epoch is half as good as the one before."""
    state = Reporter(3, 1, 1)
    top = curve(recipe, 1)[0]
    for accuracy in (top / 2, top, top / 2):
        state.rows.append({"val_accuracy": accuracy, "val_loss": 1 - accuracy, "seconds": 0.5})
        report(state)
    return FACES


def diverging(tuning: Tuning, recipe: Recipe, folder: Path, report: Report) -> int:
    """As ``quick``, but high rates fail in three ways and one is not a number."""
    rate = recipe.training.learning_rate
    if rate == 100:
        raise TrainingError("the training diverged", "a loss that stays finite")
    if rate == 1000:
        raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
    if rate == 10000:
        report(Reporter(1, 1, 1, rows=[{"val_accuracy": float("nan"), "val_loss": float("nan"), "seconds": 0.5}]))
        return FACES
    return quick(tuning, recipe, folder, report)


def wrong(tuning: Tuning, recipe: Recipe, folder: Path, report: Report) -> int:
    """The second trial finds that the recipe is wrong."""
    if folder.name == "0001" and not (tuning.folder / "mended").exists():
        raise RecipeError("the network does not fit the data")
    return quick(tuning, recipe, folder, report)


def interrupted(tuning: Tuning, recipe: Recipe, folder: Path, report: Report) -> int:
    """The third trial is interrupted."""
    if folder.name == "0002":
        raise KeyboardInterrupt
    return quick(tuning, recipe, folder, report)


def killed(tuning: Tuning, recipe: Recipe, folder: Path, report: Report) -> int:
    """The process of the third trial is killed in it, the first time."""
    if folder.name == "0002" and not folder.exists():
        quick(tuning, recipe, folder, lambda state: None)
        os.kill(os.getpid(), signal.SIGKILL)
    return quick(tuning, recipe, folder, report)


def deadly(tuning: Tuning, recipe: Recipe, folder: Path, report: Report) -> int:
    """The process of the first trial is killed in it, every time."""
    if folder.name == "0000":
        os.kill(os.getpid(), signal.SIGKILL)
    return quick(tuning, recipe, folder, report)


def shared(tuning: Tuning, recipe: Recipe, folder: Path, report: Report) -> int:
    """As ``quick``, but nobody goes on before two processes have begun a trial."""
    faces = quick(tuning, recipe, folder, report)
    until = time.monotonic() + 60
    while len({process for _, process in began(tuning.folder)}) < 2 and time.monotonic() < until:
        time.sleep(0.02)
    return faces
