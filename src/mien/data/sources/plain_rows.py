"""The quick way through ``fer2013.csv``: blocks of plain rows, decoded with whole-array arithmetic.

It reads what is exactly as Kaggle writes it, and gives up on anything else (quotes, a further column, a pixel too
many), so that ``fer2013_csv`` can go through the file carefully and say what is wrong with which row.
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SIZE = 48
_BLOCK = 1 << 19  # bytes: about 60 rows, whose intermediate arrays stay in the processor's cache
_ZERO, _SPACE, _COMMA, _LINE, _RETURN = (ord(c) for c in "0 ,\n\r")


@dataclass(frozen=True)
class PlainRows:
    """What a whole file holds.

    Attributes:
        faces: (N, 48, 48) uint8.
        labels: (N,) int8, 0 to 6.
        usage: (N,) uint8, index into the usages.
        sha256: Hash of the file.
    """

    faces: np.ndarray
    labels: np.ndarray
    usage: np.ndarray
    sha256: str


def read_plain(path: Path, columns: tuple[str, str, str], labels: int, usages: tuple[str, ...]) -> PlainRows | None:
    """Read a file of plain rows.

    Args:
        path: The file.
        columns: Names of the label, pixel and usage columns in lower case; the header may have them in any order.
        labels: Number of labels, at most 10.
        usages: The usages, no two of the same length.

    Returns:
        The rows, or None where the file is not plain throughout.
    """
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    digest = hashlib.sha256()
    with path.open("rb") as stream, ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        header = stream.readline(1000)
        digest.update(header)
        names = [name.strip() for name in header.removeprefix(b"\xef\xbb\xbf").lower().split(b",")]
        if sorted(names) != sorted(name.encode() for name in columns):
            return None
        order = tuple(names.index(name.encode()) for name in columns)
        waiting: deque[Future[tuple[np.ndarray, np.ndarray, np.ndarray] | None]] = deque()
        for block in _blocks(stream):
            waiting.append(pool.submit(_decode, block, order, labels, usages))
            digest.update(block)
            if len(waiting) > (os.cpu_count() or 1) and not _take(waiting, parts):
                break
        while waiting and _take(waiting, parts):
            pass
        if waiting or not parts:
            pool.shutdown(cancel_futures=True)
            return None
    faces, label, usage = (np.concatenate(column) for column in zip(*parts, strict=True))
    return PlainRows(faces, label, usage, digest.hexdigest())


def _blocks(stream: object) -> Iterator[bytes]:
    """Whole lines, about ``_BLOCK`` bytes at a time; the last one is given a line end if it has none."""
    rest = b""
    while chunk := stream.read(_BLOCK):  # type: ignore[attr-defined]
        cut = chunk.rfind(b"\n") + 1
        if cut:
            yield rest + chunk[:cut]
            rest = chunk[cut:]
        else:
            rest += chunk
    if rest:
        yield rest


def _take(
    waiting: deque[Future[tuple[np.ndarray, np.ndarray, np.ndarray] | None]],
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]],
) -> bool:
    """Move the oldest result to ``parts``; False, leaving it, if it is none."""
    found = waiting[0].result()
    if found is None:
        return False
    parts.append(found)
    waiting.popleft()
    return True


def _decode(
    block: bytes, order: tuple[int, ...], labels: int, usages: tuple[str, ...]
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Faces, labels and usages of a block, or None where a row is not plain."""
    text = np.frombuffer(block if block.endswith(b"\n") else block + b"\n", np.uint8)
    ends = np.flatnonzero(text == _LINE)
    starts = np.concatenate(([0], ends[:-1] + 1))
    stops = ends - (text[ends - 1] == _RETURN)
    every = np.flatnonzero(text == _COMMA)
    if len(every) != 2 * len(ends):
        return None
    commas = every.reshape(-1, 2)
    if (commas[:, 0] < starts).any() or (commas[:, 1] >= stops).any():
        return None
    # Bounds of the three cells of every row, in the file's order.
    lows = np.column_stack((starts, commas[:, 0] + 1, commas[:, 1] + 1))
    highs = np.column_stack((commas[:, 0], commas[:, 1], stops))
    label_at, pixels_at, usage_at = order
    usage = _usages(text, lows[:, usage_at], highs[:, usage_at], usages)
    label = text[lows[:, label_at]] - np.uint8(_ZERO)
    if usage is None or (highs[:, label_at] - lows[:, label_at] != 1).any() or (label >= labels).any():
        return None
    pixels = _numbers(text, lows[:, pixels_at], highs[:, pixels_at])
    return None if pixels is None else (pixels, label.astype(np.int8), usage)


def _usages(text: np.ndarray, low: np.ndarray, high: np.ndarray, usages: tuple[str, ...]) -> np.ndarray | None:
    """Index of the usage in every row's cell; None where one is unknown. Each length means one usage."""
    found = np.full(len(low), 255, np.uint8)
    for i, name in enumerate(usages):
        rows = np.flatnonzero(high - low == len(name))
        letters = text[low[rows, None] + np.arange(len(name))]
        found[rows[(letters == np.frombuffer(name.encode(), np.uint8)).all(axis=1)]] = i
    return None if (found == 255).any() else found


def _numbers(text: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray | None:
    """The 48×48 numbers of every row; None where a cell is not that many numbers of 0 to 255, one space between.

    Values are made at every byte at once, as if a number ended there, in 8 bits because that is quickest, and then
    picked where one does.
    """
    digit = text - np.uint8(_ZERO)
    is_digit = digit < 10  # uint8 wraps: whatever sorts before "0" becomes large
    digit *= is_digit
    last = is_digit.copy()  # a number ends at a digit that no digit follows
    last[:-1] &= ~is_digit[1:]
    two, hundreds = digit.copy(), np.zeros_like(digit)  # the last two digits; the one before them
    two[1:] += 10 * digit[:-1]
    np.multiply(digit[:-2], is_digit[1:-1], out=hundreds[2:])
    value = two + 100 * hundreds
    # Over 255: three digits from 300 on, or a sum that wrapped. Four digits are refused whatever they say.
    over = (hundreds > 2) | (value < two)
    over[3:] |= is_digit[2:-1] & is_digit[1:-2] & is_digit[:-3]
    if (over & last).any():
        return None
    space = text == _SPACE
    for a, b in zip(low.tolist(), high.tolist(), strict=True):
        spaces = np.count_nonzero(space[a:b])
        if (
            np.count_nonzero(last[a:b]) != SIZE * SIZE
            or spaces != SIZE * SIZE - 1  # so, as nothing else is there, one between any two
            or spaces + np.count_nonzero(is_digit[a:b]) != b - a
        ):
            return None
    # The only numbers outside the pixels are the labels, one digit each, in a cell of their own.
    places = np.flatnonzero(last)
    per_row = SIZE * SIZE + 1
    if len(places) != per_row * len(low):
        return None
    rows = value.take(places).reshape(-1, per_row)
    first = 1 if places[0] < low[0] else 0
    return rows[:, first : first + SIZE * SIZE].reshape(-1, SIZE, SIZE)
