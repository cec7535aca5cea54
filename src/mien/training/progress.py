"""What a run says while it goes: a CSV line per epoch, and a report that the command line draws."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mien.files import write_text

COLUMNS = (
    "epoch",
    "loss",
    "accuracy",
    "val_loss",
    "val_accuracy",
    "val_balanced_accuracy",
    "val_macro_f1",
    "val_ferplus",
    "learning_rate",
    "seconds",
    "images_per_second",
)


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
        rows: A dict of COLUMNS for each finished epoch; a score that there is none of is absent. ``accuracy`` is that
            of the faces as they were trained on, augmented and with dropout.
        best: Epoch with the best monitored score so far, counted from 1; 0 before there is one.
        stopped: Why the run ended before its last epoch; empty where it did not.
    """

    epochs: int
    steps: int
    batch_size: int
    epoch: int = 0
    step: int = 0
    loss: float = float("nan")
    rows: list[dict[str, Any]] = field(default_factory=list)
    best: int = 0
    stopped: str = ""


Report = Callable[[Reporter], None]


def write_log(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write ``log.csv``."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, restval="")
    writer.writeheader()
    writer.writerows({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()} for row in rows)
    write_text(path, out.getvalue())


def read_log(path: Path) -> list[dict[str, float]]:
    """The rows of a ``log.csv``; scores that there are none of are absent."""
    with path.open(newline="", encoding="utf-8") as stream:
        return [{k: float(v) for k, v in row.items() if v} for row in csv.DictReader(stream)]
