"""Milliseconds per face and seconds per epoch, on this machine.

Absolute times belong to the machine. What several networks cost against each other is measured in turns, so that other
work on the machine falls on all of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

_TURNS = 5
_STEPS = 3  # to warm up, and at least to count
_PATIENCE = 10


@dataclass(frozen=True)
class Contender:
    """A network that is timed.

    Attributes:
        session: ONNX Runtime's, made with the threads that it is to have.
        outputs: Names to ask for.
        side: Of its faces, pixels.
    """

    session: Any
    outputs: tuple[str, ...]
    side: int


def milliseconds_per_face(contenders: Sequence[Contender], batch: int, seconds: float) -> list[float]:
    """Time batches of all contenders in turns.

    Args:
        contenders: Any number.
        batch: Faces at a time.
        seconds: Time for each contender, in all its turns.

    Returns:
        For each contender, the median time of a batch over its faces. The first run of a turn is not counted: it warms
        the caches, and the threads of the one before have gone to sleep by its end.
    """
    times: list[list[float]] = [[] for _ in contenders]
    for _ in range(_TURNS):
        for one, found in zip(contenders, times, strict=True):
            faces = np.random.default_rng(0).integers(0, 256, (batch, one.side, one.side), dtype=np.uint8)
            names = list(one.outputs)
            one.session.run(names, {"faces": faces})
            until = time.perf_counter() + seconds / _TURNS
            while True:
                began = time.perf_counter()
                one.session.run(names, {"faces": faces})
                ended = time.perf_counter()
                found.append(ended - began)
                if ended >= until:
                    break
    return [median(found) / batch * 1000 for found in times]


def steps_timed(step: Callable[[int], None], seconds: float) -> list[float]:
    """Time training steps.

    Args:
        step: Does the step of that number, and waits for its end.
        seconds: Time for the steps that are counted. The first three are not, or fewer where they take longer.

    Returns:
        Seconds of each step that is counted: three at least, or what ten times ``seconds`` suffice for, which is one at
        least.
    """
    at, began = 0, time.perf_counter()
    while at < _STEPS and (not at or time.perf_counter() - began < seconds):
        step(at)
        at += 1
    times: list[float] = []
    while not times or (sum(times) < seconds if len(times) >= _STEPS else sum(times) < _PATIENCE * seconds):
        start = time.perf_counter()
        step(at)
        times.append(time.perf_counter() - start)
        at += 1
    return times
