"""Epoch after epoch: learn, validate, write down, stop. Reads top to bottom."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from lightning.fabric import Fabric
from torch import Tensor

from mien.errors import TrainingError
from mien.expressions import FERPLUS
from mien.recipe import SCORES, Recipe
from mien.training import checkpoint
from mien.training.batches import EpochOrder, FaceRows, chunks
from mien.training.learner import Learner
from mien.training.losses import cross_entropy, targets, truth
from mien.training.progress import Report, Reporter, write_log


@dataclass
class Course:
    """How far a run has come: what a checkpoint holds besides the learner.

    Attributes:
        epoch: Epochs finished.
        step: Steps finished in the epoch that is under way.
        loss: Sum of the losses of these steps.
        seconds: Time they took.
        rows: Log rows of the finished epochs.
        best: Best monitored score, as something of which less is better.
        best_epoch: Its epoch, counted from 1.
        ended: Whether nothing is left to do.
        stopped: Why it ended before the last epoch.
    """

    epoch: int = 0
    step: int = 0
    loss: float = 0.0
    seconds: float = 0.0
    rows: list[dict[str, Any]] = field(default_factory=list)
    best: float = math.inf
    best_epoch: int = 0
    ended: bool = False
    stopped: str = ""


class Loop:
    """A run that is under way.

    Args:
        folder: Run folder.
        recipe: The recipe as run.
        learner: What learns.
        train: Faces to learn from.
        validation: Faces to validate on.
        order: Which faces each step takes.
        report: Called after every step and epoch, in the first process.
    """

    def __init__(
        self,
        folder: Path,
        recipe: Recipe,
        learner: Learner,
        train: FaceRows,
        validation: FaceRows,
        order: EpochOrder,
        report: Report | None,
    ) -> None:
        self.folder, self.recipe, self.learner = folder, recipe, learner
        self.train, self.validation, self.order = train, validation, order
        self.fabric: Fabric = learner.fabric
        self.course = Course()
        self.state = Reporter(recipe.training.epochs, len(order), order.batch_size)
        self.report = report if self.fabric.is_global_zero else None
        self._saved, self._looked = time.monotonic(), -math.inf
        self._bad = torch.full((), -1, dtype=torch.int64, device=self.fabric.device)

    @property
    def last(self) -> Path:
        """The checkpoint to resume from."""
        return self.folder / "checkpoints" / "last.ckpt"

    def resume(self) -> None:
        """Go back to the checkpoint."""
        state = checkpoint.read(self.last)
        self.learner.load_state_dict(state["learner"])
        self.course = Course(**state["course"])
        self.state.rows, self.state.epoch = self.course.rows, self.course.epoch
        self.state.best, self.state.stopped = self.course.best_epoch, self.course.stopped
        if self.course.rows and self.fabric.is_global_zero:
            self._log()  # a run may have been killed before this file

    def run(self) -> None:
        """Train until the end.

        Raises:
            TrainingError: The loss is not a number any more, or a checkpoint cannot be written.
            KeyboardInterrupt: Asked to stop; the step was finished and the checkpoint written.
        """
        if not self.last.is_file():
            self._save()  # so that a run can be resumed from its first step on, whatever it was begun with
        with _stopping() as asked:
            while not self.course.ended:
                self._epoch(asked)
                self._end_epoch()

    def _epoch(self, asked: threading.Event) -> None:
        course, fabric = self.course, self.fabric
        began = time.perf_counter() - course.seconds
        losses = torch.full((), course.loss, dtype=torch.float64, device=fabric.device)
        for index in self.order.epoch(course.epoch, course.step, fabric.global_rank, fabric.world_size):
            step = course.epoch * len(self.order) + course.step
            loss = self.learner.step(self.train.batch(index), course.epoch, step)
            losses += loss
            self._bad = torch.where((self._bad < 0) & ~torch.isfinite(loss), step, self._bad)
            course.step += 1
            self.state.step = course.step
            if self._due():
                self._need_finite()
                self.state.loss = float(loss)
            course.seconds = time.perf_counter() - began
            late = time.monotonic() - self._saved > 60 * self.recipe.training.checkpoint_minutes
            stop = self._any(asked.is_set())
            if stop or (late and fabric.world_size == 1):
                course.loss = float(losses)
                self._save()
            if stop:
                raise KeyboardInterrupt
            if self.report:
                self.report(self.state)
        course.loss, course.seconds = float(losses), time.perf_counter() - began

    def _end_epoch(self) -> None:
        course, training, learner = self.course, self.recipe.training, self.learner
        row: dict[str, Any] = {
            "epoch": course.epoch + 1,
            "loss": self._sum(course.loss) / self.fabric.world_size / len(self.order),
        }
        if learner.labels.name in {v.name for v in learner.network.vocabularies}:
            seen = len(self.order) * self.order.batch_size
            row["accuracy"] = self._sum(float(learner.right)) / seen
        learner.right.zero_()
        row |= self.validate()
        if not math.isfinite(row["val_loss"]):
            self._bad.fill_((course.epoch + 1) * len(self.order) - 1)
        self._need_finite()
        row |= {
            "learning_rate": learner.schedule.optimizer.param_groups[-1]["lr"],
            "seconds": course.seconds,
            "images_per_second": len(self.order) * self.order.batch_size / course.seconds,
        }
        score = -row[training.monitor] if SCORES[training.monitor] else row[training.monitor]
        learner.schedule.epoch_ended(score)
        if score < course.best:
            course.best, course.best_epoch = score, course.epoch + 1
            if self.fabric.is_global_zero and training.keep == "best":
                section = self.recipe.network.model_dump(exclude_unset=True)
                checkpoint.write_weights(self.folder / "checkpoints" / "best.safetensors", learner.judged, section)
        course.rows.append(row)
        course.epoch, course.step, course.loss, course.seconds = course.epoch + 1, 0, 0.0, 0.0
        if training.patience and course.epoch - course.best_epoch >= training.patience:
            course.stopped = (
                f"{training.monitor} was best in epoch {course.best_epoch}, {training.patience} epochs earlier"
            )
        course.ended = bool(course.stopped) or course.epoch >= training.epochs
        self._save()
        self.state.rows, self.state.epoch, self.state.step = course.rows, course.epoch, 0
        self.state.best, self.state.stopped = course.best_epoch, course.stopped
        if self.fabric.is_global_zero:
            self._log()
        if self.report:
            self.report(self.state)

    def _log(self) -> None:
        try:
            write_log(self.folder / "log.csv", self.course.rows)
        except OSError as error:
            raise TrainingError(
                f"{self.folder / 'log.csv'} cannot be written ({error.strerror or error}); the checkpoint is whole",
                "room on the disk",
                f"Make room, then go on with: mien train --resume {self.folder}",
            ) from error

    def validate(self) -> dict[str, float]:
        """Scores of the judged network over the whole validation part, by their names in ``SCORES``."""
        learner, labels = self.learner, self.learner.labels
        heads = learner.network.vocabularies
        confusion = {v.name: np.zeros((len(v), len(v)), np.int64) for v in heads}
        loss = 0.0
        for index in chunks(len(self.validation), 256, self.fabric.global_rank, self.fabric.world_size):
            batch = self.validation.batch(index)
            logits = learner.score(batch)
            loss += float(cross_entropy(logits, targets(batch, labels, self.recipe.loss))) * len(index)
            votes, own = batch["votes"].cpu().numpy(), batch["labels"].cpu().numpy()
            for v in heads:
                right = truth(votes, own, labels, v)
                answer = logits[v.name].argmax(1).cpu().numpy()
                np.add.at(confusion[v.name], (right[right >= 0], answer[right >= 0]), 1)
        total = {k: self._sum(c) for k, c in confusion.items()}
        found = {"val_loss": self._sum(loss) / len(self.validation)} | _scores(total[heads[0].name])
        if FERPLUS.name in total and labels.name != FERPLUS.name and (n := int(total[FERPLUS.name].sum())):
            found["val_ferplus"] = int(total[FERPLUS.name].trace()) / n
        return found

    def _due(self) -> bool:
        """Whether to look at the loss: that waits for a GPU, so there at most ten times a second."""
        now = time.monotonic()
        if self.fabric.device.type != "cpu" and self.fabric.world_size == 1 and now - self._looked < 0.1:
            return False
        self._looked = now
        return True

    def _need_finite(self) -> None:
        """TrainingError if a loss was not a number, in any process."""
        at = int(self._bad)
        if self.fabric.world_size > 1:
            at = int(cast(Tensor, self.fabric.all_reduce(self._bad.clone(), reduce_op="max")))
        if at < 0:
            return
        steps, rate = len(self.order), self.learner.schedule.optimizer.param_groups[-1]["lr"]
        raise TrainingError(
            f"the training diverged at step {at + 1} (epoch {at // steps + 1}, step {at % steps + 1} of {steps}), with "
            f"the learning rate {rate:.3g}: the loss or the weights are not numbers any more",
            "a loss that stays finite",
            f"The last good checkpoint is {self.last}. Use a lower learning_rate, a warmup or gradient_clip.",
        )

    def _save(self) -> None:
        """Write a checkpoint, unless the weights are no numbers any more."""
        self._need_finite()
        if not all(torch.isfinite(v).all() for v in self.learner.judged.state_dict().values()):
            self._bad.fill_(max(self.course.epoch * len(self.order) + self.course.step - 1, 0))
        self._need_finite()
        if self.fabric.is_global_zero:
            checkpoint.write(self.last, {"learner": self.learner.state_dict(), "course": vars(self.course)})
        self.fabric.barrier()
        self._saved = time.monotonic()

    def _sum(self, value: float | np.ndarray) -> Any:
        """Over all processes."""
        if self.fabric.world_size == 1:
            return value
        mine = torch.as_tensor(value, device=self.fabric.device)
        total = cast(Tensor, self.fabric.all_reduce(mine, reduce_op="sum")).cpu()
        return total.numpy() if isinstance(value, np.ndarray) else float(total)

    def _any(self, flag: bool) -> bool:
        """Whether it is so in any process, so that all stop at the same step."""
        return flag if self.fabric.world_size == 1 else self._sum(float(flag)) > 0


def _scores(confusion: np.ndarray) -> dict[str, float]:
    """Accuracy, and recall and F1 as means over the classes that there are faces of; rows are the right answers."""
    hits, of_class, answered = np.diag(confusion), confusion.sum(1), confusion.sum(0)
    there = of_class > 0
    recall = hits[there] / of_class[there]
    f1 = 2 * hits[there] / (of_class[there] + answered[there])
    return {
        "val_accuracy": float(hits.sum() / max(confusion.sum(), 1)),
        "val_balanced_accuracy": float(recall.mean()) if there.any() else math.nan,
        "val_macro_f1": float(f1.mean()) if there.any() else math.nan,
    }


@contextmanager
def _stopping() -> Iterator[threading.Event]:
    """The first Ctrl-C or SIGTERM asks to stop after the step; the second stops at once."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def ask(number: int, frame: Any) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
