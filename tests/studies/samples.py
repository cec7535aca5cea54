"""A made-up study with made-up results: for the tests of its wording, comparisons and page."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mien.evaluation.intervals import share_estimate
from mien.studies.manifest import Study, load_study
from mien.studies.result import Made, PartResult, Quantity, Result, Training, packed, rows_hash

N = 600
LABELS = ["happy", "sad", "neutral"]
PUBLISHED = """\
title = "A paper"
history = [
    { epoch = 0, loss = 1.9, accuracy = 0.25, val_loss = 1.8, val_accuracy = 0.3 },
    { epoch = 3, loss = 0.9, accuracy = 0.70, val_loss = 1.0, val_accuracy = 0.65 },
]
layer = [
    { name = "conv2d", kind = "Conv2D", shape = [48, 48, 32], parameters = 320 },
    { name = "dense", kind = "Dense", shape = [3], parameters = 99 },
]
[shares."figure 2"]
approximate = true
note = "Read from the picture."
counts = { happy = 300, sad = 100 }
[[result]]
accuracy = 0.83
"""
RECIPE = """\
name = "faces"
[data]
source = "faces.parquet"
validation = 0.1
test = 0.2
[network]
name = "model-1"
[training]
epochs = 32
batch_size = 32
learning_rate = 1e-3
"""
STUDY = """\
title = "A paper on <b>faces</b>"
source = "Someone 2020"
data = "faces.parquet"
believe = "Believe {plain/public_test/accuracy}, not 83%."

[[system]]
name = "plain"
title = "As it should be"
parts = ["test", "public_test"]
measures = ["loss:test", "shares"]

[[system]]
name = "leaked"
title = "Over-sample, then split"
claim = "83.0% on test images"
parts = ["test", "public_test"]

[[system]]
name = "short"
title = "Shortened"

[[system]]
name = "wrong-input"
title = "Wrong input"

[[system]]
name = "absent"
title = "Weights that are not to be had"

[[system]]
name = "later"
title = "Not run yet"

[[finding]]
title = "The headline"
claim = "83.0% test accuracy."
measured = "{plain/public_test/accuracy}; {leaked/public_test/accuracy - plain/public_test/accuracy} after the leak."
explanation = "The leak: a loss of {plain/loss:test/log_loss:short} on {plain/training/faces} faces."

[[finding]]
title = "What is to come"
claim = "More."
measured = "{later/public_test/accuracy}"
explanation = "Because."

[[comparison]]
name = "grid"
title = "All of them"
systems = ["plain", "leaked", "wrong-input"]
sample = 60

[[comparison]]
name = "open"
title = "With one to come"
systems = ["later", "short"]

[[picture]]
name = "scores"
kind = "bars"
title = "Scores of a paper"
systems = ["plain", "leaked", "short", "wrong-input", "later"]
parts = ["test", "public_test"]
sample = 60

[[picture]]
name = "history"
kind = "history"
title = "A history"
systems = ["plain"]
"""


def part(accuracy: float, seed: int, n: int = N, first_row: int = 0, warnings: list[str] | None = None) -> PartResult:
    """Scores on a part: a share of faces is right, each on its own."""
    right = np.random.default_rng(seed).random(n) < accuracy
    found = share_estimate(int(right.sum()), n)
    scores = {
        "accuracy": Quantity("share", found.value, found.low, found.high, n),
        "balanced_accuracy": Quantity("share", accuracy - 0.05, accuracy - 0.1, accuracy, n),
        "macro_f1": Quantity("share", accuracy - 0.06, accuracy - 0.11, accuracy, n),
        "log_loss": Quantity("number", 1 - accuracy, 0.9 - accuracy, 1.1 - accuracy, n),
        "majority": Quantity("share", 0.4, n=n),
        "recall sad": Quantity("share", 0.5, 0.45, 0.55, 200),
    }
    rows = rows_hash(np.arange(first_row, first_row + n))
    cells = [[n // 9] * 3 for _ in LABELS]
    return PartResult(n, LABELS, cells, scores, warnings or [], packed(right), rows)


def result(
    system: str,
    parts: dict[str, PartResult],
    parameters: int = 605_060,
    *,
    shortened: str = "",
    leaked: str = "",
    misscaled: str = "",
    measures: dict[str, dict[str, Quantity]] | None = None,
) -> Result:
    """Of a system that was run."""
    history = [
        {"epoch": e, "loss": 2 / e, "accuracy": 0.2 * e, "val_loss": 2.1 / e, "val_accuracy": 0.18 * e, "seconds": 61.5}
        for e in (1.0, 2.0, 3.0, 4.0)
    ]
    training = Training(
        *(4, 32, 3, "val_loss was best in epoch 3" if not shortened else "", shortened, leaked, misscaled),
        *(22_968, "the source's own, test 0.2", 246.0, "A Processor, 2 cores", 2, 1234),
        *("0123456789ab+changes", "faces.parquet", "ab" * 32),
    )
    return Result("paper", system, RECIPE, _made(), training, parameters, history, parts, measures=measures or {})


def _made() -> Made:
    command = "mien study run paper --only short --epochs 3"
    return Made("2026-01-02", "0.1.0", "fedcba987654", "A Processor, 2 cores", 12.3, command)


def results() -> dict[str, Result]:
    """One of each kind; of ``later`` there is none."""
    measures = {
        "loss:test": {"log_loss": Quantity("number", 0.8123, 0.75, 0.87, N), "why": Quantity("text", text="So.")},
        "shares": {"share happy": Quantity("share", 0.4, n=N)},
    }
    plain = {"test": part(0.62, 1), "public_test": part(0.6, 2, first_row=5000)}
    leaked = {"test": part(0.9, 3, 900), "public_test": part(0.55, 4, first_row=5000)}
    return {
        "plain": result("plain", plain, measures=measures),
        "leaked": result("leaked", leaked, leaked="copies of 300 faces on both sides"),
        "short": result("short", {"public_test": part(0.3, 5, first_row=5000)}, shortened="3 of 32 epochs"),
        "wrong-input": result(
            "wrong-input", {"public_test": part(0.4, 6, first_row=5000)}, 1_000, misscaled="unit pixels for weights"
        ),
        "absent": Result("paper", "absent", RECIPE, _made(), unavailable="weights.bin cannot be fetched"),
    }


def write(folder: Path, toml: str = STUDY, given: dict[str, Result] | None = None) -> Path:
    """A study's folder with these results."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "study.toml").write_text(toml, encoding="utf-8")
    (folder / "published.toml").write_text(PUBLISHED, encoding="utf-8")
    (folder / "NOTES.md").write_text("Notes.\n", encoding="utf-8")
    for name, one in (results() if given is None else given).items():
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "recipe.toml").write_text(RECIPE, encoding="utf-8")
        one.save(folder / name)
    return folder


def study(folder: Path, toml: str = STUDY) -> Study:
    """A study without results."""
    return load_study(write(folder, toml, {}))
