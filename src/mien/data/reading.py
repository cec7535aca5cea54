"""What a reader gives: faces in chunks, so that a large source never has to fit in memory, and what was wrong in it."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from mien.data.store import FaceSet, Provenance, finish, load, refuse_existing
from mien.errors import DataError, OutputError
from mien.expressions import FERPLUS_VOTES, Vocabulary
from mien.files import staged_folder, write_text

SIZE = 48
SKIP_HINT = "To leave out what is wrong and go on: --skip-bad."


@dataclass(frozen=True)
class Chunk:
    """Some faces of a source, in its order. All chunks of one reading have the same fields filled.

    Attributes:
        faces: (n, size, size) uint8 gray.
        labels: (n,) int8.
        rows: (n,) int32 row ids.
        usage: (n,) uint8, index into the reading's usages.
        votes: (n, 10) uint8, FER+ votes; None where the source has none.
        paths: n files relative to the source, with forward slashes; None where it has no files.
        subjects: n identifiers of persons, empty where unknown; None where the source has none.
        columns: Name → (n,) float64.
    """

    faces: np.ndarray
    labels: np.ndarray
    rows: np.ndarray
    usage: np.ndarray
    votes: np.ndarray | None = None
    paths: list[str] | None = None
    subjects: list[str] | None = None
    columns: dict[str, np.ndarray] = field(default_factory=dict)

    def take(self, at: np.ndarray) -> Chunk:
        """The faces at these (m,) places."""
        return Chunk(
            self.faces[at],
            self.labels[at],
            self.rows[at],
            self.usage[at],
            None if self.votes is None else self.votes[at],
            None if self.paths is None else [self.paths[i] for i in at],
            None if self.subjects is None else [self.subjects[i] for i in at],
            {name: column[at] for name, column in self.columns.items()},
        )


@dataclass(frozen=True)
class Reading:
    """A source that is being read.

    Attributes:
        reader: Key of ``SOURCES``.
        source: File or folder name of the source.
        vocabulary: What the labels mean.
        usages: What the usages mean.
        chunks: The faces; to be gone through once. Each chunk is small enough to hold several in memory.
        sha256: Hash of the source, as in ``Provenance``; to be called after the last chunk.
        joined: As in ``Provenance``.
        vocabulary_map: As in ``Provenance``.
    """

    reader: str
    source: str
    vocabulary: Vocabulary
    usages: tuple[str, ...]
    chunks: Iterator[Chunk]
    sha256: Callable[[], str]
    joined: dict[str, str] = field(default_factory=dict)
    vocabulary_map: str = ""


@dataclass(frozen=True)
class Fault:
    """A row of a source that was skipped.

    Attributes:
        where: Row, or file inside the source.
        reason: What is wrong with it, in a sentence.
    """

    where: str
    reason: str


class Faults:
    """What is wrong in a source: the first fault stops the reading, or each costs its own row.

    Args:
        skip: Go on after a fault, and keep it in ``found``.
    """

    def __init__(self, skip: bool = False) -> None:
        self.skip = skip
        self.found: list[Fault] = []

    def add(self, source: Path, where: str, came: str, expected: str = "", remedy: str = "") -> None:
        """Note a fault.

        Args:
            source: The source, as it was given.
            where: Row (``row 12 (line 14)``) or file inside the source.
            came: What is wrong there.
            expected: What would be right.
            remedy: What to do; that ``--skip-bad`` leaves such rows out is added here.

        Raises:
            DataError: Unless faults are skipped.
        """
        if not self.skip:
            hint = f"{remedy} {SKIP_HINT}".strip()
            raise DataError(f"{source}, {where}: {came}", expected, hint)
        self.found.append(Fault(where, f"{came}; expected {expected}" if expected else came))


class Reader(Protocol):
    """What ``read`` of a module in ``sources`` is."""

    def __call__(self, path: Path, size: int | None, faults: Faults) -> Reading:
        """Begin to read a source.

        Args:
            path: The source.
            size: Side of the faces to give, pixels; where None, the source's own if it states one, else 48.
            faults: Where to note what is wrong with a row.

        Raises:
            DataError: Something is wrong with the source as a whole, or with a row unless faults are skipped.
        """


def gather(reading: Reading) -> FaceSet:
    """Read to the end, in memory."""
    with ending(reading.chunks):
        chunks = [c for c in reading.chunks if len(c.faces)]
    if not chunks:
        raise _empty(reading)
    return _face_set(reading, chunks, np.concatenate([c.faces for c in chunks]))


def pack(reading: Reading, folder: Path, faults: Faults) -> FaceSet:
    """Read to the end into a new store; the faces are never in memory all at once.

    Args:
        reading: A source that is being read.
        folder: The store's folder; must not exist.
        faults: What the reading notes its faults in. Where they are skipped they are written to ``FOLDER.skipped.csv``,
            with the columns ``where`` and ``reason``.

    Returns:
        The set, memory-mapped.

    Raises:
        DataError: As the reader raises; or ``folder`` exists. No store is left then.
        OutputError: The disk is full, or the folder cannot be written. No store is left then.
    """
    refuse_existing(folder)
    try:
        with staged_folder(folder) as stage:
            rest: list[Chunk] = []
            with (stage / "faces.npy").open("wb") as stream, ending(reading.chunks):
                count = 0
                for chunk in reading.chunks:
                    if not len(chunk.faces):
                        continue
                    if not count:
                        size = chunk.faces.shape[-1]
                        stream.write(_npy_header(0, size))
                    stream.write(np.ascontiguousarray(chunk.faces).data)
                    count += len(chunk.faces)
                    rest.append(_without_faces(chunk))
                if not count:
                    raise _empty(reading)
                stream.seek(0)
                stream.write(_npy_header(count, size))
            faces = np.lib.format.open_memmap(stage / "faces.npy", mode="r")
            finish(stage, _face_set(reading, rest, faces))
            if faults.skip:
                write_text(skipped_file(folder), _table(faults.found))
    except OSError as error:
        raise OutputError(
            f"{folder} cannot be written ({error.strerror or error})",
            "room on the disk and a folder you may write to",
            "Nothing was left behind: make room or name another folder, and import again.",
        ) from error
    return load(folder)


@contextmanager
def ending(chunks: Iterator[Chunk]) -> Iterator[None]:
    """End a reader's threads, processes and files at once, whatever ends the reading."""
    try:
        yield
    finally:
        if isinstance(chunks, Generator):
            chunks.close()


def skipped_file(folder: Path) -> Path:
    """Where the skipped rows of a store are listed: beside it."""
    return folder.with_name(f"{folder.name}.skipped.csv")


def _table(found: list[Fault]) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(("where", "reason"))
    writer.writerows((f.where, f.reason) for f in found)
    return text.getvalue()


def _npy_header(n: int, size: int) -> bytes:
    """Header of a ``.npy`` file of (n, size, size) uint8, always 128 bytes: n is known only at the end."""
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({n}, {size}, {size}), }}"
    return b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little") + text.ljust(117).encode() + b"\n"


def _without_faces(chunk: Chunk) -> Chunk:
    return replace(chunk, faces=np.empty((0, 0, 0), np.uint8))


def _face_set(reading: Reading, chunks: list[Chunk], faces: np.ndarray) -> FaceSet:
    first = chunks[0]
    votes = np.concatenate(
        [np.zeros((len(c.rows), len(FERPLUS_VOTES)), np.uint8) if c.votes is None else c.votes for c in chunks]
    )
    return FaceSet(
        faces,
        np.concatenate([c.labels for c in chunks]),
        votes,
        np.concatenate([c.rows for c in chunks]),
        np.concatenate([c.usage for c in chunks]),
        Provenance(reading.reader, reading.source, reading.sha256(), reading.joined, reading.vocabulary_map),
        reading.vocabulary,
        reading.usages,
        None if first.paths is None else np.array([p for c in chunks for p in c.paths or ()], np.str_),
        None if first.subjects is None else np.array([s for c in chunks for s in c.subjects or ()], np.str_),
        {name: np.concatenate([c.columns[name] for c in chunks]) for name in first.columns},
    )


def _empty(reading: Reading) -> DataError:
    return DataError(
        f"{reading.source}: no faces could be read", "at least one row that is right", "Check that this is the source."
    )
