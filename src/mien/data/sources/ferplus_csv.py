"""FER+'s ``fer2013new.csv``: ten taggers' votes for the faces of FER2013, a row for each row of ``fer2013.csv``.

Barsoum et al. 2016, arXiv 1608.01041. It holds no faces: it is joined to a reading of FER2013, by row. The image names
cannot serve for that: rows that FER+ does not use have none.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mien.data.reading import Chunk, Faults, Reading, ending
from mien.data.sources.fer2013_csv import column_names
from mien.data.store import USAGES
from mien.errors import DataError
from mien.expressions import FERPLUS_VOTES

ABOUT = "FER+'s fer2013new.csv: votes for the rows of fer2013.csv, no faces"
_COLUMNS = ("Usage", "Image name", *FERPLUS_VOTES[:-1], "NF")
_KNOWN = tuple(name.lower() for name in _COLUMNS)
_NUMBERS = {str(i): i for i in range(256)}
# Readers whose row ids are those of fer2013.csv if they read FER2013; elsewhere they are places in a list of files.
_BY_ROW = ("fer2013-csv", "parquet", "mien-csv", "mien-folders")


def recognise(path: Path) -> str | None:
    """Whether the first line names the columns."""
    names = column_names(path) or set()
    return "it has the columns Usage, Image name and FER+'s ten votes" if names.issuperset(_KNOWN) else None


def read(path: Path, size: int | None, faults: Faults) -> Reading:
    """Refuse: there are no faces to read.

    Raises:
        DataError: Always; says how to join the votes to faces.
    """
    raise DataError(
        f"{path} holds FER+ votes and no faces",
        "FER2013, with these votes joined to it",
        f"Type: mien data import fer2013.csv STORE --votes {path}",
    )


def join(reading: Reading, votes: Path, faults: Faults) -> Reading:
    """Join FER+ votes to a reading of FER2013: row i of the votes, 0 the first after the header, is for row id i.

    Args:
        reading: FER2013, with row ids that are rows of ``fer2013.csv``.
        votes: ``fer2013new.csv``.
        faults: The reading's. A row of votes that is wrong is noted here, and costs its face.

    Returns:
        The reading with votes, and the hash of ``votes`` in ``joined``. Where no votes are known (the row has neither
        an image name nor a vote) they are all zero.

    Raises:
        DataError: ``votes`` cannot be read, or the reading has no rows of ``fer2013.csv``. While going through the
            chunks: the first fault; and, whether or not faults are skipped, two files that do not line up.
    """
    if reading.reader not in _BY_ROW or not set(reading.usages) <= set(USAGES):
        raise DataError(
            f"FER+ votes cannot be joined to {reading.source} ({reading.reader}; {', '.join(reading.usages)}): "
            "its rows are not those of fer2013.csv",
            f"FER2013 as CSV or parquet, with the usages {', '.join(USAGES)}",
            "Import it without --votes.",
        )
    try:
        with votes.open("rb") as stream:
            first = stream.readline(1 << 16)
            names = _names(votes, first)  # before the rest is read: it may be any file, of any size
            content = first + stream.read()
    except OSError as error:
        raise DataError(
            f"{votes} cannot be read ({error.strerror or error})", "FER+'s fer2013new.csv", "Check the name."
        ) from error
    joined = {**reading.joined, votes.name: hashlib.sha256(content).hexdigest()}
    return replace(reading, chunks=_joined(reading, _table(votes, names, content), faults), joined=joined)


@dataclass(frozen=True)
class _Table:
    """The votes file, its rows not looked at yet.

    Attributes:
        path: The file.
        lines: One for each row.
        width: Number of cells of a row.
        usage: Which of them is the usage.
        name: Which is the image name.
        counts: Which are the votes, in the order of ``FERPLUS_VOTES``.
    """

    path: Path
    lines: list[bytes]
    width: int
    usage: int
    name: int
    counts: tuple[int, ...]

    def row(self, i: int) -> tuple[str, list[int]]:
        """Usage and votes of a row; DataError without file and row where it is wrong."""
        text, file = self.lines[i].decode("utf-8", "replace"), self.path.name
        cells = [cell.strip() for cell in (_cells(text) if '"' in text else text.split(","))]
        if len(cells) != self.width:
            raise DataError(f"{len(cells)} cells in {file}", f"{self.width}, as in its header")
        if cells[self.usage] not in USAGES:
            raise DataError(f"Usage is {cells[self.usage][:40]!r} in {file}", " or ".join(USAGES))
        counts = [_NUMBERS.get(cells[at], -1) for at in self.counts]
        if -1 in counts:
            i = counts.index(-1)
            raise DataError(
                f"{_COLUMNS[2 + i]} is {cells[self.counts[i]][:40]!r} in {file}", "a whole number from 0 to 255"
            )
        if cells[self.name] and not any(counts):
            raise DataError(
                f"the votes sum to zero in {file}",
                f"at least one vote, as the row has an image name ({cells[self.name][:40]})",
            )
        return cells[self.usage], counts


def _names(path: Path, first: bytes) -> list[str]:
    """The columns of the votes file, in lower case."""
    try:
        header = next(iter(first.decode("utf-8-sig").splitlines()), "")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not text ({error})", "a CSV file in UTF-8", "Download it again.") from error
    shown = [name.strip() for name in _cells(header)]
    names = [name.lower() for name in shown]
    missing = [column for column, name in zip(_COLUMNS, _KNOWN, strict=True) if name not in names]
    if missing:
        raise DataError(
            f"{path}: the column {missing[0]} is missing; the header has {', '.join(shown)[:300] or 'nothing'}",
            f"the columns {', '.join(_COLUMNS)}",
            "Check that this is FER+'s fer2013new.csv.",
        )
    return names


def _table(path: Path, names: list[str], content: bytes) -> _Table:
    lines = content.splitlines()
    while len(lines) > 1 and not lines[-1].strip():
        lines.pop()
    if len(lines) < 2:
        raise DataError(f"{path} has no rows", "a header and a row for each row of fer2013.csv", "Download it again.")
    usage, name, *counts = (names.index(known) for known in _KNOWN)
    return _Table(path, lines[1:], len(names), usage, name, tuple(counts))


def _cells(line: str) -> list[str]:
    """The cells of a line with quotes in it. Nothing here may hold a line end, so a stray quote costs one row."""
    try:
        return next(csv.reader([line]), [])
    except csv.Error:
        return []


def _joined(reading: Reading, table: _Table, faults: Faults) -> Iterator[Chunk]:
    total = len(table.lines)
    count, last, own = 0, -1, 0
    with ending(reading.chunks):
        for chunk in reading.chunks:
            votes = np.zeros((len(chunk.rows), len(FERPLUS_VOTES)), np.uint8)
            kept: list[int] = []
            for i, (row, at) in enumerate(zip(chunk.rows.tolist(), chunk.usage.tolist(), strict=True)):
                if row >= total:
                    raise _out_of_line(f"{table.path} has {total:,} rows and {reading.source} has a row {row}")
                where, usage = f"row {row} (line {row + 2})", reading.usages[at]
                try:
                    said, votes[i] = table.row(row)
                except DataError as error:
                    wrong = error
                else:
                    if said != usage:
                        raise _out_of_line(f"{table.path}, {where}: Usage is {said}, in {reading.source} it is {usage}")
                    kept.append(i)
                    continue
                faults.add(
                    table.path, where, wrong.came, wrong.expected, "Correct that row, or download the file again."
                )
                own += 1
            count, last = count + len(chunk.rows), max(last, int(chunk.rows.max(initial=-1)))
            chunk = replace(chunk, votes=votes)
            yield chunk if len(kept) == len(votes) else chunk.take(np.array(kept, np.int64))
    # A file of which rows were skipped may have lost its last ones. Parquet may hold a part of the rows.
    whole = reading.reader == "fer2013-csv" and len(faults.found) == own and count == last + 1
    if whole and count < total:
        raise _out_of_line(f"{table.path} has {total:,} rows and {reading.source} has {count:,}")


def _out_of_line(came: str) -> DataError:
    return DataError(
        f"{came}: the two files do not line up",
        "a row of votes for each row of fer2013.csv, in its order",
        "Use fer2013new.csv and FER2013 as they were downloaded.",
    )
