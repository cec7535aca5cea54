"""What tests of several rooms import."""

from __future__ import annotations

import dataclasses
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np

from mien.data import FaceSet


def mien(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does, in a process of its own."""
    command = [sys.executable, "-m", "mien", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=300)


def assert_same(a: FaceSet, b: FaceSet, *, but: frozenset[str] = frozenset()) -> None:
    """Two sets are equal in every field, types of arrays included, but for the fields named."""
    for field in dataclasses.fields(FaceSet):
        left, right = getattr(a, field.name), getattr(b, field.name)
        if field.name in but:
            continue
        if field.name == "columns":
            assert list(left) == list(right)
            for name in left:
                np.testing.assert_array_equal(left[name], right[name])
        elif isinstance(left, np.ndarray):
            assert left.dtype.kind == right.dtype.kind and (left.dtype == right.dtype or left.dtype.kind == "U")
            assert np.array_equal(left, right), field.name
        else:
            assert left == right, field.name


def threads_end(before: int) -> bool:
    """Whether so many threads are left in the end; those of a generator that was given up are not waited for."""
    until = time.monotonic() + 20
    while threading.active_count() > before and time.monotonic() < until:
        time.sleep(0.005)
    return threading.active_count() == before


def hear_interrupts() -> None:
    """For ``preexec_fn``: a test run that was started in the background ignores Ctrl-C, and its children with it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


# A recipe that trains in seconds.
QUICK = """\
name = "quick"
seed = 5
[data]
source = "tiny.store"
validation = 0.2
[network]
name = "residual"
stem = 4
widths = [8, 12]
blocks = [1, 1]
dropout = 0.3
[training]
epochs = 5
batch_size = 16
learning_rate = 2e-2
weight_decay = 0.05
ema = 0.9
precision = "bf16-mixed"
[loss]
label_smoothing = 0.1
[augment]
flip = 0.5
rotation = 10
shift = 0.05
erasing = 0.3
"""
