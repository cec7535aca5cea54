"""Scores by any column of the data, with a warning where there are too few faces to say."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np

from mien.evaluation.intervals import Z, estimate, resampled_share
from mien.evaluation.measures import Estimate, Group
from mien.evaluation.metrics import confusion, from_confusion, mean_over, resampled_confusion

UNKNOWN = "(unknown)"  # the value of faces whose column is empty
FEW, WIDE = 30, 0.2  # fewer faces, or a wider interval of accuracy, say too little
_DISTINCT = 12  # values of a number that are groups of their own
_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")  # 007 is a name
_PIECE = re.compile(r"^-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|\d+|\D+")


def by_column(
    name: str,
    values: np.ndarray,
    labels: np.ndarray,
    probabilities: np.ndarray,
    names: Sequence[str],
    draws: int = 2000,
    seed: int = 0,
) -> list[Group]:
    """Scores of the faces with each value of a column.

    Args:
        name: Of the column.
        values: (N,) text, such as ``column_values`` gives; faces with an empty one are the group ``UNKNOWN``.
        labels: (N,) label indices, 0 to K - 1.
        probabilities: (N, K), rows sum to 1.
        names: The classes (K).
        draws: Bootstrap resamples, of the faces of a group.
        seed: Their seed.

    Returns:
        One for each value, numbers in their order before text, ``UNKNOWN`` last. Macro F1 is the mean over the classes
        that faces of the group are of. It has a warning where it has fewer than 30 faces or its accuracy an interval of
        more than 20 points.
    """
    values, answers = np.asarray(values).astype(str), probabilities.argmax(axis=1)
    groups = []
    for value in sorted(np.unique(values).tolist(), key=_place):
        its = values == value
        accuracy, macro_f1 = _scores(labels[its], answers[its], len(names), draws, seed)
        n = int(its.sum())
        groups.append(Group(name, value or UNKNOWN, n, accuracy, macro_f1, _warning(accuracy)))
    return groups


def column_values(column: np.ndarray) -> np.ndarray:
    """A column of any kind as text to group by.

    Numbers, also as text, of more than 12 different values are cut at their quartiles; the names say from where to
    where, such as ``1.50 to 2.25``. All else is its text.

    Args:
        column: (N,) numbers, text, or objects.

    Returns:
        (N,) text; empty where the value is missing: nan, None or blank.
    """
    text = np.array([_text(value) for value in np.asarray(column).tolist()], dtype=str)
    known = text != ""
    distinct = np.unique(text[known])
    if len(distinct) <= _DISTINCT or not all(_NUMBER.fullmatch(value) for value in distinct.tolist()):
        return text
    numbers = text[known].astype(np.float64)
    # A value that many faces have is not divided: between two equal quartiles there is nothing.
    which = np.searchsorted(np.quantile(numbers, (0.25, 0.5, 0.75)), numbers)
    ends = [(numbers[which == i].min(), numbers[which == i].max()) for i in np.unique(which)]
    names = dict(zip(np.unique(which).tolist(), _spans(ends), strict=True))
    found = text.astype(object)
    found[known] = [names[i] for i in which.tolist()]
    return found.astype(str)


def _text(value: object) -> str:
    if value is None or value != value:  # nan
        return ""
    if isinstance(value, float):
        return f"{value:.15g}"
    return str(value).strip()


def _spans(ends: list[tuple[float, float]]) -> list[str]:
    """Names of ranges, with as many decimals as tell them apart: none for whole numbers, else two at least."""
    numbers = sorted({end for pair in ends for end in pair})
    whole = all(number == round(number) for number in numbers)
    for decimals in [0] if whole else range(2, 12):
        if len({f"{number:.{decimals}f}" for number in numbers}) == len(numbers):
            break
    return [
        f"{low:.{decimals}f}" if low == high else f"{low:.{decimals}f} to {high:.{decimals}f}" for low, high in ends
    ]


def _scores(labels: np.ndarray, answers: np.ndarray, k: int, draws: int, seed: int) -> tuple[Estimate, Estimate]:
    """Accuracy, and the mean F1 over the classes that there are."""
    table, n = confusion(labels, answers, k), len(labels)
    tables = np.concatenate([table[None], resampled_confusion(labels, answers, k, draws, seed)])
    found = from_confusion(tables)
    f1 = mean_over(found["f1"], tables.sum(axis=2) > 0)
    return (
        resampled_share(int(np.trace(table)), n, found["accuracy"][1:]),
        estimate(float(f1[0]), f1[1:], n),
    )


def _warning(accuracy: Estimate) -> str:
    """Why a group says too little, and how many faces would do; empty where it does not."""
    if accuracy.value is None or accuracy.low is None or accuracy.high is None:
        return f"n = {accuracy.n}: there is no interval"
    n, width = accuracy.n, accuracy.high - accuracy.low
    if width <= WIDE:
        return f"n = {n}: fewer than {FEW} faces" if n < FEW else ""
    # The interval of a share p is Z √(p (1 - p) / n) to either side; four faces more, half of them right, keep p
    # from 0 and 1 (Agresti & Coull 1998).
    p = (accuracy.value * n + 2) / (n + 4)
    needed = max(n + 1, math.ceil(Z**2 * p * (1 - p) / (WIDE / 2) ** 2))
    return f"n = {n}: the interval is {width * 100:.0f} points wide; about {needed} faces would give ±{WIDE * 50:.0f}"


def _place(value: str) -> tuple[bool, list[tuple[bool, float, str]]]:
    """Sorts numbers as numbers, also within text, and the unknown last."""
    pieces = [m.group() for m in _PIECE.finditer(value)]
    return not value, [(False, float(p), "") if p[-1].isdecimal() else (True, 0.0, p) for p in pieces]
