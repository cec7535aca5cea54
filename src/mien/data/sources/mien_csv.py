"""The CSV that ``mien data export`` writes: labels and usages by name, pixels as numbers, a description beside it."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO

import numpy as np

from mien.data.listing import Row, Table, read_description, rows_at_once
from mien.data.reading import Chunk, Faults, Reading
from mien.errors import DataError
from mien.faces import whole
from mien.files import sha256

ABOUT = "the CSV that mien data export wrote, with its .json beside it"
_NUMBERS = {str(i): i for i in range(256)}
_MOST = 1 << 20  # characters of a row besides its pixels
_CORRECT = "Correct or delete that row."


def recognise(path: Path) -> str | None:
    """Whether the first line begins with row,label,usage and ends with pixels."""
    if path.suffix.lower() != ".csv" or not path.is_file():
        return None
    try:
        with path.open("rb") as stream:
            line = stream.readline(1 << 16).removeprefix(b"\xef\xbb\xbf").replace(b'"', b"").strip()
    except OSError:
        return None
    ours = line.startswith(b"row,label,usage,") and line.endswith(b",pixels")
    return "its header begins with row,label,usage and ends with pixels" if ours else None


def read(path: Path, size: int | None, faults: Faults) -> Reading:
    """Read an exported CSV row by row.

    Args:
        path: The file; ``PATH.json`` beside it says what its cells mean.
        size: Side of the faces, pixels; as they were exported where None.
        faults: Where wrong rows are noted.

    Raises:
        DataError: The description is absent or damaged; a column is missing; the file is no CSV.
    """
    about = read_description(path.with_name(f"{path.name}.json"))
    with _opened(path) as stream:
        header = next(_records(stream, path, _MOST), None)
    if header is None:
        raise DataError(f"{path} has no rows", "a header and at least one row", "Export the data again.")
    names = [*header[1], header[2]]
    table = Table(path, names, about, faults, "pixels")
    if names[-1] != "pixels":
        raise DataError(f"{path}: the last column is {names[-1]}", "pixels", "Put the pixels last.")
    return Reading(
        "mien-csv",
        path.name,
        about.vocabulary,
        about.usages,
        _chunks(path, table, size or about.size),
        partial(sha256, path),
    )


def _opened(path: Path) -> IO[str]:
    return path.open(newline="", encoding="utf-8-sig", errors="surrogateescape")


def _chunks(path: Path, table: Table, size: int) -> Iterator[Chunk]:
    faces: list[np.ndarray] = []
    rows: list[Row] = []
    longest = _MOST + 5 * table.about.size**2
    with _opened(path) as stream:
        records = _records(stream, path, longest)
        next(records)
        for number, (line, cells, pixels) in enumerate(records):
            where = f"row {number} (line {line})"
            if (row := table.row(where, [*cells, pixels])) is None or (face := _face(where, pixels, table)) is None:
                continue
            faces.append(whole(face, size))
            rows.append(row)
            if len(rows) == rows_at_once(size):
                yield table.chunk(faces, rows)
                faces, rows = [], []
    if rows:
        yield table.chunk(faces, rows)


def _records(stream: IO[str], path: Path, longest: int) -> Iterator[tuple[int, list[str], str]]:
    """Line, cells and last cell of each row.

    The pixels are cut off before the csv module sees a row: its limit on the length of a cell, 131,072 characters, is
    one for the whole process, and is the pixels of a face of 181×181.
    """
    held, open_quote, start = "", False, 1
    for number, line in enumerate(iter(partial(stream.readline, longest + 1), ""), 1):
        held += line
        open_quote ^= line.count('"') % 2 == 1
        if len(held) > longest:
            raise DataError(
                f"{path}, line {start}: broken CSV (a row of more than {longest:,} characters)",
                "rows as mien data export writes them",
                "A quote may be missing; export the data again.",
            )
        if not open_quote:
            if held.strip():
                yield _record(held, start)
            held, start = "", number + 1
    if held:
        yield _record(held, start)


def _record(text: str, line: int) -> tuple[int, list[str], str]:
    head, _, last = text.rstrip("\r\n").rpartition(",")
    try:
        return line, next(csv.reader([head]), []), last.strip('"')
    except csv.Error:  # a cell that is too long, or a line end in the middle of one
        return line, [], last


def _face(where: str, text: str, table: Table) -> np.ndarray | None:
    """The pixels as a face; None where they are wrong, which is noted."""
    size, cells = table.about.size, text.split()
    if len(cells) != size * size:
        wrong, expected = f"{len(cells)} pixels", f"{size * size} ({size}×{size})"
    else:
        try:
            return np.frombuffer(bytes(map(_NUMBERS.__getitem__, cells)), np.uint8).reshape(size, size)
        except KeyError as error:
            wrong, expected = f"a pixel is {error.args[0][:40]!r}", "a whole number from 0 to 255"
    table.faults.add(table.source, where, wrong, expected, _CORRECT)
    return None
