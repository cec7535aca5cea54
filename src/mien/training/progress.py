"""What a run says while it goes: a CSV line per epoch, and a report that the command line draws."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightning.pytorch as pl

from mien.files import write_text

COLUMNS = ("epoch", "loss", "val_loss", "val_accuracy", "val_ferplus", "learning_rate", "seconds", "images_per_second")


@dataclass
class Reporter:
    """The state of a run.

    Attributes:
        epochs: Epochs of the whole run.
        steps: Steps of one epoch.
        batch_size: Faces of one step.
        epoch: Epochs finished.
        step: Steps finished in the epoch that is under way.
        loss: Loss of the latest step.
        rows: A dict of COLUMNS for each finished epoch.
    """

    epochs: int
    steps: int
    batch_size: int
    epoch: int = 0
    step: int = 0
    loss: float = float("nan")
    rows: list[dict[str, Any]] = field(default_factory=list)


class EpochLog(pl.Callback):
    """Writes ``log.csv`` after every epoch and calls ``report`` after every step.

    Its rows are part of the checkpoint, so a resumed run's log has each epoch once.
    """

    def __init__(self, path: Path, state: Reporter, report: Callable[[Reporter], None] | None) -> None:
        self.path, self.state, self.report = path, state, report
        self._began = 0.0

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.state.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.state.rows = list(state_dict["rows"])
        self.state.epoch = len(self.state.rows)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._began = time.perf_counter()
        self.state.step = 0

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.state.step = batch_idx + 1
        if self.report:  # reading the loss waits for the device
            self.state.loss = float(outputs["loss"])
            self.report(self.state)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        seconds = time.perf_counter() - self._began
        seen = self.state.steps * self.state.batch_size
        values: dict[str, Any] = {k: float(v) for k, v in trainer.callback_metrics.items() if k in COLUMNS}
        values |= {
            "epoch": trainer.current_epoch + 1,
            "learning_rate": trainer.optimizers[0].param_groups[0]["lr"],
            "seconds": seconds,
            "images_per_second": seen / seconds,
        }
        self.state.rows.append(values)
        self.state.epoch, self.state.step = len(self.state.rows), 0
        out = io.StringIO()
        writer = csv.DictWriter(out, COLUMNS, restval="")
        writer.writeheader()
        writer.writerows(
            {k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()} for row in self.state.rows
        )
        write_text(self.path, out.getvalue())
        if self.report:
            self.report(self.state)
