"""The folders that ``mien data export`` writes: a picture for each face, ``labels.csv`` and ``mien.json``."""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain
from pathlib import Path, PurePath

import numpy as np

from mien.data.listing import Row, Table, listing_sha256, read_description, rows_at_once
from mien.data.pool import threads
from mien.data.reading import Chunk, Faults, Reading
from mien.data.sources.folders import source_name
from mien.errors import DataError, ImageError
from mien.faces import whole
from mien.files import sha256
from mien.images import contents, decode_gray, silence

ABOUT = "the folders that mien data export wrote, with labels.csv and mien.json"
_ABOUT_FILE, _LISTING = "mien.json", "labels.csv"
_WORKERS = 4
_JOB = 32  # pictures for a thread at once: one by one the threads would mostly wait for each other


def recognise(path: Path) -> str | None:
    """Whether it has a mien.json and a labels.csv."""
    ours = all((path / name).is_file() for name in (_ABOUT_FILE, _LISTING))
    return f"it has {_ABOUT_FILE} and {_LISTING}" if ours else None


def read(path: Path, size: int | None, faults: Faults) -> Reading:
    """Read exported folders, in the order of ``labels.csv``.

    What counts is the row in ``labels.csv``, not the folder that a picture lies in. A picture that has no row is
    noted as wrong.

    Args:
        path: The folder.
        size: Side of the faces, pixels; as they were exported where None.
        faults: Where wrong rows are noted.

    Raises:
        DataError: ``mien.json`` or ``labels.csv`` is absent or damaged.
    """
    about = read_description(path / _ABOUT_FILE)
    header = next(_records(path), None)
    if header is None:
        raise DataError(f"{path / _LISTING} has no rows", "a header and at least one row", "Export the data again.")
    table = Table(path, header[1], about, faults, "file")
    digests: dict[str, str] = {}
    chunks = _chunks(path, table, size or about.size, digests)
    return Reading(
        "mien-folders",
        source_name(path),
        about.vocabulary,
        about.usages,
        chunks,
        partial(_folder_sha256, path, digests),
    )


def _folder_sha256(folder: Path, digests: dict[str, str]) -> str:
    return listing_sha256(digests | {name: sha256(folder / name) for name in (_ABOUT_FILE, _LISTING)})


def _records(folder: Path) -> Iterator[tuple[int, list[str]]]:
    """Line and cells of each row of ``labels.csv``."""
    path = folder / _LISTING
    try:
        with path.open(newline="", encoding="utf-8-sig", errors="surrogateescape") as stream:
            reader = csv.reader(stream)
            line = 1
            for cells in reader:
                if cells:
                    yield line, cells
                line = reader.line_num + 1
    except (csv.Error, OSError) as error:
        raise DataError(f"{path} cannot be read ({error})", "a CSV file", "Export the data again.") from error


def _chunks(folder: Path, table: Table, size: int, digests: dict[str, str]) -> Iterator[Chunk]:
    named: set[str] = set()
    records = _records(folder)
    next(records)
    with threads(_WORKERS) as pool:
        waiting: list[tuple[str, Row]] = []
        for number, (line, cells) in enumerate(records):
            where = f"{_LISTING}, row {number} (line {line})"
            if (row := table.row(where, cells)) is None:
                named |= set(cells)
                continue
            file = cells[table.header.index("file")]
            if file in named:
                table.faults.add(folder, where, f"{file} is there twice", "each file once", "Delete one of the rows.")
                continue
            named.add(file)
            waiting.append((file, row))
            if len(waiting) == rows_at_once(size):
                yield from _decoded(folder, waiting, table, size, digests, pool)
                waiting = []
        yield from _decoded(folder, waiting, table, size, digests, pool)
    _note_unlisted(folder, named, table.faults)


def _decoded(
    folder: Path,
    waiting: list[tuple[str, Row]],
    table: Table,
    size: int,
    digests: dict[str, str],
    pool: ThreadPoolExecutor,
) -> Iterator[Chunk]:
    """The pictures of some rows as a chunk; none where there is no good one."""
    faces: list[np.ndarray] = []
    rows: list[Row] = []
    jobs = [[file for file, _ in waiting[at : at + _JOB]] for at in range(0, len(waiting), _JOB)]
    with silence():
        found = list(chain.from_iterable(pool.map(partial(_pictures, folder, size), jobs)))
    for (file, row), (face, digest) in zip(waiting, found, strict=True):
        if isinstance(face, ImageError):
            table.faults.add(folder, file, face.came, face.expected, face.remedy)
            continue
        digests[file] = digest
        faces.append(face)
        rows.append(row)
    if rows:
        yield table.chunk(faces, rows)


def _pictures(folder: Path, size: int, files: list[str]) -> list[tuple[np.ndarray | ImageError, str]]:
    return [_picture(folder, size, file) for file in files]


def _picture(folder: Path, size: int, file: str) -> tuple[np.ndarray | ImageError, str]:
    """A picture as a face, with the hash of its file; or what is wrong with it."""
    name = PurePath(file)
    if not file or name.is_absolute() or name.drive or ".." in name.parts:
        return ImageError("this is no file of the folder", "a path below it", "Correct labels.csv."), ""
    try:
        data = contents(folder / name)
        gray = decode_gray(data)
    except ImageError as error:
        return error, ""
    return gray if gray.shape == (size, size) else whole(gray, size), hashlib.sha256(data).hexdigest()


def _note_unlisted(folder: Path, named: set[str], faults: Faults) -> None:
    """A picture that someone added would be left out without a word."""
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            file = (Path(place) / name).relative_to(folder).as_posix()
            if name.lower().endswith(".png") and file not in named:
                faults.add(
                    folder, file, "it is not in labels.csv", "a row for each picture", "Add a row, or remove it."
                )
