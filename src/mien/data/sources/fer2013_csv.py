"""Kaggle's ``fer2013.csv``: the columns ``emotion``, ``pixels`` (2,304 numbers separated by spaces) and ``Usage``.

The file is read in blocks of whole lines. Those that are exactly as Kaggle writes them are decoded at once, several at
a time (``plain_rows``); any other goes row by row through Python's CSV reader. A quoted cell may hold line ends, so
from the first quote on all the rest of the file does.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from io import RawIOBase
from itertools import chain
from pathlib import Path

import numpy as np

from mien.data.pool import threads
from mien.data.reading import Chunk, Faults, Reading
from mien.data.sources import plain_rows
from mien.data.store import USAGES
from mien.errors import DataError
from mien.expressions import FER2013

SIZE = 48
ABOUT = "Kaggle's fer2013.csv or icml_face_data.csv: columns emotion, pixels, Usage"
_COLUMNS = ("emotion", "pixels", "Usage")
_KNOWN = tuple(name.lower() for name in _COLUMNS)
_LABELS = tuple(str(i) for i in range(len(FER2013)))
_USAGES = {usage.encode(): i for i, usage in enumerate(USAGES)}
_WORKERS = 4  # more would have nothing to do: reading and hashing are not shared out
_BATCH = 64  # faces of rows that were read one by one, in a chunk

_Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]  # faces, labels, usages


def recognise(path: Path) -> str | None:
    """Whether the first line names the columns, or at least the name ends in .csv."""
    names = column_names(path)
    if names is None:
        return None
    return "it has the columns emotion, pixels and Usage" if names.issuperset(_KNOWN) else "its name ends in .csv"


def column_names(path: Path) -> set[str] | None:
    """Names in the first line of a .csv file, in lower case; None where it is another file or cannot be read."""
    if path.suffix.lower() != ".csv" or not path.is_file():
        return None
    try:
        with path.open("rb") as stream:
            line = stream.readline(1000)
    except OSError:
        return None
    return {name.strip().decode("utf-8", "replace") for name in line.removeprefix(codecs.BOM_UTF8).lower().split(b",")}


def read(path: Path, size: int | None, faults: Faults) -> Reading:
    """Begin to read ``fer2013.csv``.

    Header names may carry spaces and come in any order (``icml_face_data.csv`` has both); further columns are ignored.
    The file is opened when the first chunk is asked for, and all errors come then or later.

    Args:
        path: The file; UTF-8 or ASCII, with or without a byte order mark.
        size: Side of the faces to give; 48, as in the file, where None.
        faults: Where a row is noted that is short, has a number out of range, or an unknown label or usage.

    Returns:
        The faces in the order of the file; it has no votes. A row id is the row of the file, 0 the first after the
        header, whether or not rows before it are skipped.

    Raises:
        DataError: The file cannot be read or is no text, a column is missing, there are no rows; or the first fault.
    """
    digest = hashlib.sha256()
    return Reading(
        "fer2013-csv", path.name, FER2013, USAGES, _opened(path, size or SIZE, faults, digest.update), digest.hexdigest
    )


def _opened(path: Path, size: int, faults: Faults, hashed: Callable[[memoryview], None]) -> Iterator[Chunk]:
    try:
        with path.open("rb", buffering=0) as stream:
            yield from _chunks(path, stream, size, faults, hashed)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error})", "a file that you may read") from error


def _chunks(
    path: Path, stream: RawIOBase, size: int, faults: Faults, hashed: Callable[[memoryview], None]
) -> Iterator[Chunk]:
    # glibc gives freed memory back to the system, which hands it out again page by page, until it has seen a larger
    # block freed. Arrays of some hundred kilobytes come and go here: after this it keeps them, and all goes faster.
    np.empty(1 << 24, np.uint8)
    blocks = plain_rows.blocks(path, stream, hashed)
    first = next(blocks, memoryview(b""))
    names, lines = _header(path, bytes(first))
    rows = _Rows(path, _places(path, names, bytes(first)), size, faults, line=len(lines))
    first = first[sum(map(len, lines)) :]
    order = rows.columns if len(names) == len(_COLUMNS) else None
    workers = min(_WORKERS, os.cpu_count() or 1)
    with threads(workers) as pool:
        ahead = _ahead(pool, workers, chain([first] if first else [], blocks), order, size)
        for block, decoded in ahead:
            if plain := decoded.result():
                yield rows.plain(*plain)
            elif b'"' not in bytes(block):
                yield from rows.careful(_lines([block]))
            else:
                yield from rows.careful(_lines(chain([block], (later for later, _ in ahead))))
    if not rows.row:
        raise DataError(f"{path} has no rows", "a header and at least one row", "Download it again.")


def _ahead(
    pool: ThreadPoolExecutor, most: int, blocks: Iterable[memoryview], order: tuple[int, int, int] | None, size: int
) -> Iterator[tuple[memoryview, Future[_Arrays | None]]]:
    """The blocks in their order, with what they hold, of which so many are being decoded meanwhile."""
    waiting: deque[tuple[memoryview, Future[_Arrays | None]]] = deque()
    for block in blocks:
        waiting.append((block, pool.submit(_decode, block, order, size)))
        if len(waiting) > most:
            yield waiting.popleft()
    while waiting:
        yield waiting.popleft()


def _decode(block: memoryview, order: tuple[int, int, int] | None, size: int) -> _Arrays | None:
    """What a block holds, if it is plain."""
    found = plain_rows.decode(block, order, len(FER2013), _USAGES) if order else None
    return None if found is None else (_sized(found[0], size), *found[1:])


def _lines(blocks: Iterable[memoryview]) -> Iterator[bytes]:
    for block in blocks:
        yield from bytes(block).splitlines(True)


def _header(path: Path, first: bytes) -> tuple[list[str], list[bytes]]:
    """The cells of the header, and the lines of the file's first block that it takes: one, unless it is quoted."""
    lines = first.splitlines(True)
    reader = csv.reader(line.decode("utf-8-sig" if i == 0 else "utf-8") for i, line in enumerate(lines))
    try:
        cells = next(reader, [])
    except UnicodeDecodeError as error:
        raise _no_text(path, str(error)) from error
    except csv.Error as error:
        wrong = _broken(error)
        raise DataError(f"{path}: {wrong.came}", wrong.expected, wrong.remedy) from error
    return cells, lines[: reader.line_num]


def _places(path: Path, header: list[str], first: bytes) -> tuple[int, int, int]:
    """Which cells of a row are the label, the pixels and the usage."""
    names = [name.strip().lower() for name in header]
    missing = [shown for shown, name in zip(_COLUMNS, _KNOWN, strict=True) if name not in names]
    if missing and b"\0" in first:
        raise _no_text(path, "it holds zero bytes")
    if missing:
        raise DataError(
            f"{path}: the column {missing[0]} is missing; the header has {', '.join(header)[:300] or 'nothing'}",
            "the columns emotion, pixels and Usage",
            "Check that this is Kaggle's fer2013.csv.",
        )
    label, pixels, usage = (names.index(name) for name in _KNOWN)
    return label, pixels, usage


def _no_text(path: Path, why: str) -> DataError:
    return DataError(f"{path} is not text ({why})", "a CSV file in UTF-8", "Download it again.")


def _broken(error: csv.Error) -> DataError:
    return DataError(f"broken CSV ({error})", "the columns emotion, pixels, Usage", "Download it again.")


def _sized(faces: np.ndarray, size: int) -> np.ndarray:
    if size == SIZE:
        return faces
    from mien.faces import whole

    return np.stack([whole(face, size) for face in faces])


class _Lines:
    """Lines for ``csv.reader``, which can go back.

    Attributes:
        taken: Those given out since it was emptied last.
    """

    def __init__(self, lines: Iterable[bytes]) -> None:
        self._lines = iter(lines)
        self._again: deque[bytes] = deque()
        self.taken: list[bytes] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._lines)
        self.taken.append(line)
        return line.decode("utf-8", "surrogateescape")  # so that bytes which are no UTF-8 cost their own row

    def back(self) -> None:
        """Give out again what was taken after the first line."""
        self._again.extendleft(reversed(self.taken[1:]))
        del self.taken[1:]


@dataclass
class _Rows:
    """How far the reading has come, and the way of going on row by row.

    Attributes:
        path: The file.
        columns: Which cells of a row are the label, the pixels and the usage.
        size: Side of the faces to give.
        faults: Where to note what is wrong with a row.
        line: Number of lines before the next row.
        row: Id of the next row.
    """

    path: Path
    columns: tuple[int, int, int]
    size: int
    faults: Faults
    line: int
    row: int = 0

    def plain(self, faces: np.ndarray, labels: np.ndarray, usage: np.ndarray) -> Chunk:
        """The faces of a block of plain rows, which is next."""
        rows = np.arange(self.row, self.row + len(faces), dtype=np.int32)
        self.row, self.line = self.row + len(faces), self.line + len(faces)
        return Chunk(faces, labels, rows, usage)

    def careful(self, lines: Iterable[bytes]) -> Iterator[Chunk]:
        """The faces of the next lines: takes quotes and further columns, and says what is wrong with which row.

        Where a row is wrong and takes several lines, the quote that joined them may be what is wrong with it: only its
        first line is given up.
        """
        source = _Lines(lines)
        reader = csv.reader(source)
        good: list[tuple[np.ndarray, int, int, int]] = []
        while True:
            source.taken.clear()
            found: tuple[np.ndarray, int, int] | DataError
            try:
                found = self._row(next(reader))
            except StopIteration:
                break
            except csv.Error as error:
                found = _broken(error)
            except DataError as wrong:
                found = wrong
            if isinstance(found, DataError):
                where = f"row {self.row} (line {self.line + 1})"
                self.faults.add(self.path, where, found.came, found.expected, found.remedy)
                source.back()
            else:
                good.append((*found, self.row))
            self.row, self.line = self.row + 1, self.line + len(source.taken)
            if len(good) == _BATCH:
                yield self._chunk(good)
                good = []
        if good:
            yield self._chunk(good)

    def _row(self, cells: list[str]) -> tuple[np.ndarray, int, int]:
        """Face, label and usage of a row; DataError without file and row where it is wrong."""
        if not all(cell.isascii() for cell in cells):
            try:
                "".join(cells).encode()
            except UnicodeEncodeError as error:
                byte = ord(error.object[error.start]) - 0xDC00
                raise DataError(
                    f"the byte {byte:#04x} is not text", "a CSV file in UTF-8", "Correct or delete that row."
                ) from None
        if len(cells) <= max(self.columns):
            raise DataError(
                f"{len(cells)} cells",
                "one for each column of the header",
                "The file may have been cut off; download it again.",
            )
        label, pixels, usage = (cells[i] for i in self.columns)
        label, usage = label.strip(), usage.strip()
        if label not in _LABELS:
            raise DataError(
                f"emotion is {cells[self.columns[0]][:40]!r}",
                f"0 to {len(FER2013) - 1} ({', '.join(FER2013.labels)})",
                "Correct or delete that row.",
            )
        if usage not in USAGES:
            raise DataError(
                f"Usage is {cells[self.columns[2]][:40]!r}", " or ".join(USAGES), "Correct or delete that row."
            )
        return _pixels(pixels), int(label), USAGES.index(usage)

    def _chunk(self, good: list[tuple[np.ndarray, int, int, int]]) -> Chunk:
        faces, labels, usage, rows = zip(*good, strict=True)
        return Chunk(
            _sized(np.stack(faces), self.size),
            np.array(labels, np.int8),
            np.array(rows, np.int32),
            np.array(usage, np.uint8),
        )


def _pixels(text: str) -> np.ndarray:
    # int() reads "1_0" as 10 and takes any script's digits: here both are damage.
    numbers = text.split() if text.isascii() and "_" not in text else ["?"]
    try:
        values = np.array([int(number) for number in numbers], np.int32)
    except (ValueError, OverflowError):
        raise DataError(
            "a pixel is not a whole number", f"{SIZE * SIZE} numbers, 0 to 255", "Correct or delete that row."
        ) from None
    if len(values) != SIZE * SIZE:
        raise DataError(
            f"{len(values)} pixels",
            f"{SIZE * SIZE} ({SIZE}×{SIZE})",
            "The file may have been cut off; delete that row or download the file again.",
        )
    if values.min() < 0 or values.max() > 255:
        raise DataError(f"pixels from {values.min()} to {values.max()}", "0 to 255", "Correct or delete that row.")
    return values.astype(np.uint8).reshape(SIZE, SIZE)
