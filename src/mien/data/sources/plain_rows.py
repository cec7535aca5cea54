"""The quick way through ``fer2013.csv``: blocks of plain rows, decoded with whole-array arithmetic.

It decodes what is exactly as Kaggle writes it, and gives up on a block with anything else in it (quotes, a further
column, a pixel too many), so that ``fer2013_csv`` can go through that block carefully and say what is wrong with which
row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import RawIOBase
from pathlib import Path

import numpy as np

from mien.errors import DataError

SIZE = 48
_PIXELS = SIZE * SIZE
_BLOCK = 1 << 20  # bytes: about 125 rows; less costs more in calls than it gains from the cache
_TAIL = 1 << 15  # bytes: the last line nearly always begins in these
_LONGEST = 1 << 24  # bytes: a row has about 8,000
_ZERO, _SPACE, _COMMA, _LINE, _RETURN = (np.uint8(ord(c)) for c in "0 ,\n\r")


def blocks(path: Path, stream: RawIOBase, hashed: Callable[[memoryview], None]) -> Iterator[memoryview]:
    """Whole lines of a file, about ``_BLOCK`` bytes at a time; a line ends where Python's universal newlines say.

    Args:
        path: Name of the file, for the error.
        stream: The file, unbuffered.
        hashed: Called with every block before it is given out.

    Raises:
        DataError: A line is so long that this is no text.
    """
    rest = memoryview(b"")
    while True:
        block = np.empty(len(rest) + _BLOCK, np.uint8).data
        block[: len(rest)] = rest
        got = stream.readinto(block[len(rest) :]) or 0
        block = block[: len(rest) + got]
        if not got:
            break
        cut = _after_last_line(block)
        if not cut and len(block) > _LONGEST:
            raise DataError(
                f"{path}: a line of more than {len(block) >> 20} MiB", "rows of about 8 kB", "Download the file again."
            )
        rest = block[cut:]
        if cut:
            hashed(block[:cut])
            yield block[:cut]
    if block:
        hashed(block)
        yield block


def _after_last_line(block: memoryview) -> int:
    """Where the last line ends; 0 where none does."""
    for start in (max(0, len(block) - _TAIL), 0):  # it is searched as bytes, and these are copied
        text = bytes(block[start:])
        # Without any "\n" it may be an old Mac's file. A last "\r" may be half of "\r\n".
        if cut := text.rfind(b"\n") + 1 or text.rfind(b"\r", 0, -1) + 1:
            return start + cut
    return 0


def decode(
    block: bytes | memoryview, order: tuple[int, int, int], labels: int, usages: dict[bytes, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Decode a block of plain rows.

    Args:
        block: Whole lines; the last may lack its line end.
        order: Which of the three cells of a row is the label, the pixels and the usage.
        labels: Number of labels, at most 10.
        usages: Usage → its index.

    Returns:
        (n, 48, 48) uint8 faces, (n,) int8 labels and (n,) uint8 usages; or None where a row is not plain.
    """
    text = np.frombuffer(block, np.uint8)
    if not len(text) or text[-1] != _LINE:
        text = np.append(text, _LINE)
    digit = text - _ZERO
    is_digit = digit < 10  # uint8 wraps: whatever sorts before "0" becomes large
    is_space = text == _SPACE
    rest = np.flatnonzero(is_digit == is_space)  # neither: nothing is both
    marks = text[rest]
    commas, ends = rest[marks == _COMMA], rest[marks == _LINE]
    if len(commas) != 2 * len(ends):
        return None
    # Bounds of the three cells of every row, in the file's order. Where a row has not two commas of its own, a label or
    # a usage is none.
    starts = np.concatenate(([0], ends[:-1] + 1))
    stops = ends - (text[ends - 1] == _RETURN)
    lows = np.column_stack((starts, commas[::2] + 1, commas[1::2] + 1))
    highs = np.column_stack((commas[::2], commas[1::2], stops))
    label_at, pixels_at, usage_at = order
    cells = zip(lows[:, usage_at].tolist(), highs[:, usage_at].tolist(), strict=True)
    usage = [usages.get(bytes(block[a:b]), -1) for a, b in cells]
    label = digit[lows[:, label_at]]
    if -1 in usage or (highs[:, label_at] - lows[:, label_at] != 1).any() or (label >= labels).any():
        return None
    # The usages hold neither digits nor spaces and the labels one digit each: the others must be in the pixels.
    spaces, inside = np.count_nonzero(is_space), int((highs - lows)[:, pixels_at].sum())
    if spaces != (_PIXELS - 1) * len(ends) or len(text) - len(rest) != inside + len(ends):
        return None
    pixels = _numbers(digit, is_digit, lows[:, label_at], label_at < pixels_at)
    return None if pixels is None else (pixels, label.astype(np.int8), np.array(usage, np.uint8))


def _numbers(digit: np.ndarray, is_digit: np.ndarray, label_at: np.ndarray, label_first: bool) -> np.ndarray | None:
    """The pixels of every row; None where a row does not have that many, or one is over 255.

    Values are made at every byte at once, as if a number ended there, in 8 bits because that is quickest, and then
    picked where one does. Given as many spaces as there are between that many pixels, each is a single one.

    Args:
        digit: (bytes,) uint8, value of each digit, anything elsewhere; overwritten.
        is_digit: (bytes,) bool.
        label_at: (rows,) places of the labels, which are one digit each.
        label_first: Whether a row's label comes before its pixels.
    """
    digit *= is_digit.view(np.uint8)
    even = len(digit) + len(digit) % 2
    last = np.empty(even, bool)  # a number ends at a digit that no digit follows; the block ends with a line end
    np.greater(is_digit[:-1], is_digit[1:], out=last[: len(digit) - 1])
    last[len(digit) - 1 :] = False
    two = is_digit[:-1] & is_digit[1:]
    hundreds = np.empty_like(digit)
    hundreds[:2] = 0
    np.multiply(digit[:-2], two[1:].view(np.uint8), out=hundreds[2:])
    value = np.empty(even, np.uint8)
    total = value[: len(digit)]
    np.multiply(digit, 10, out=total)
    digit[1:] += total[:-1]  # now the last two digits
    np.multiply(hundreds, 100, out=total)
    total += digit
    # Over 255: three digits from 300 on, or a sum that wrapped. Four digits are refused whatever they say.
    if hundreds.max() > 2 or (total < digit).any() or (two[2:] & two[:-2]).any():
        return None
    # Two neighbours cannot both end a number: going by pairs of bytes halves what has to be searched.
    value *= last.view(np.uint8)
    pairs = value.view(np.uint16)
    pairs |= pairs >> 8
    places = np.flatnonzero(last.view(np.uint16) != 0)
    per_row = _PIXELS + 1
    # Each row has its share of numbers if the label is always the first, or the last, of that many.
    first, label = (1, 0) if label_first else (0, _PIXELS)
    if len(places) != per_row * len(label_at) or (places[label::per_row] != label_at // 2).any():
        return None
    rows = pairs.astype(np.uint8).take(places).reshape(-1, per_row)
    return rows[:, first : first + _PIXELS].reshape(-1, SIZE, SIZE)
