"""The packed store: a folder of plain ``.npy`` files, written once and memory-mapped from then on.

STORE/faces.npy     (N, size, size) uint8 gray, memory-mapped
STORE/labels.npy    (N,) int8, index into the vocabulary
STORE/votes.npy     (N, 10) uint8, FER+ tagger votes in the order of FERPLUS_VOTES; all zero where unknown
STORE/rows.npy      (N,) int32, row ids
STORE/usage.npy     (N,) uint8, index into the usages
STORE/paths.npy     (N,) text, file of each face inside the source; only where it has files
STORE/subjects.npy  (N,) text, who is in the picture; only where the source says
STORE/column_*.npy  (N,) float64, further numbers of the source, such as AffectNet-HQ's relFCs
STORE/store.json    format number, counts, vocabulary, usages and provenance; written last: a folder without it is no
                    store
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from mien.errors import DataError
from mien.expressions import FER2013, FERPLUS_VOTES, Vocabulary
from mien.files import staged_folder

USAGES = ("Training", "PublicTest", "PrivateTest")
FORMAT = 2
_ARRAYS = ("faces", "labels", "votes", "rows", "usage")
_TEXTS = ("paths", "subjects")
_COLUMN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Provenance:
    """Where a set of faces came from.

    Attributes:
        reader: Name of the reader that produced it, a key of ``SOURCES``.
        source: File or folder name of the source, without the folders above it.
        sha256: Hash of the source file. Of a folder: the hash of a list of its files that were read, a line
            ``<sha256>  <path>`` each, sorted by path.
        joined: File name → sha256 of what was joined in, such as FER+'s ``fer2013new.csv``.
        vocabulary_map: Name of the map that the labels went through; empty where they are the source's own.
    """

    reader: str
    source: str
    sha256: str
    joined: dict[str, str] = field(default_factory=dict)
    vocabulary_map: str = ""


@dataclass(frozen=True)
class FaceSet:
    """Labelled faces, validated: what a reader returns, what the store holds and what every split indexes.

    Attributes:
        faces: (N, size, size) uint8 gray, 0 black to 255 white.
        labels: (N,) int8, index into ``vocabulary``.
        votes: (N, 10) uint8, FER+ votes in the order of ``expressions.FERPLUS_VOTES``; all zero where unknown.
        rows: (N,) int32, unique, not negative; the row of the source's own file (0 is the first row after the header),
            or the place in the sorted list of its files.
        usage: (N,) uint8, index into ``usages``.
        provenance: The source.
        vocabulary: What the labels mean.
        usages: Names of the source's own splits, in its spelling; ``("all",)`` where it has none.
        paths: (N,) str, file of each face relative to the source, with forward slashes; None where it has no files.
        subjects: (N,) str, identifier of the person, empty where unknown; None where the source has none.
        columns: Name → (N,) float64, further numbers of the source; a name is letters, digits and underscores.

    Raises:
        DataError: An array has the wrong shape or type, or a value is out of range; names source and row.
    """

    faces: np.ndarray
    labels: np.ndarray
    votes: np.ndarray
    rows: np.ndarray
    usage: np.ndarray
    provenance: Provenance
    vocabulary: Vocabulary = FER2013
    usages: tuple[str, ...] = USAGES
    paths: np.ndarray | None = None
    subjects: np.ndarray | None = None
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n, name = len(self.faces), self.provenance.source
        self._check_arrays(n, name)
        if n == 0:
            raise DataError(f"{name}: no faces", "at least one row", "Check that this is the right file.")
        for what, limit in (("labels", len(self.vocabulary)), ("usage", len(self.usages))):
            values = getattr(self, what)
            bad = np.flatnonzero((values < 0) | (values >= limit))
            if len(bad):
                raise DataError(
                    f"{name}, row {self.rows[bad[0]]}: {what} is {values[bad[0]]}",
                    f"0 to {limit - 1}",
                    "Correct the row in the source file.",
                )
        if self.rows.min() < 0:
            raise DataError(f"{name}: a row id is {self.rows.min()}", "0 or more")
        ordered = np.sort(self.rows)  # np.unique imports numpy.ma at its first use, which takes longer
        if (ordered[1:] == ordered[:-1]).any():
            raise DataError(f"{name}: row ids repeat", "one id per face")

    def _check_arrays(self, n: int, name: str) -> None:
        side = self.faces.shape[-1]
        for what, shape, dtype in (
            ("faces", (n, side, side), np.uint8),
            ("labels", (n,), np.int8),
            ("votes", (n, len(FERPLUS_VOTES)), np.uint8),
            ("rows", (n,), np.int32),
            ("usage", (n,), np.uint8),
        ):
            found = getattr(self, what)
            if found.shape != shape or found.dtype != dtype:
                raise DataError(f"{name}: {what} is {found.shape} {found.dtype}", f"{shape} {np.dtype(dtype).name}")
        for what in _TEXTS:
            text = getattr(self, what)
            if text is not None and (text.shape != (n,) or text.dtype.kind != "U"):
                raise DataError(f"{name}: {what} is {text.shape} {text.dtype}", f"({n},) str")
        for what, column in self.columns.items():
            if not _COLUMN.fullmatch(what) or column.shape != (n,) or column.dtype != np.float64:
                raise DataError(
                    f"{name}: the column {what!r} is {column.shape} {column.dtype}",
                    f"({n},) float64 under a name of letters, digits and underscores",
                )

    def __len__(self) -> int:
        return len(self.faces)

    @property
    def size(self) -> int:
        """Side of the faces, pixels."""
        return int(self.faces.shape[1])

    def where(self, usage: str) -> np.ndarray:
        """Positions, not row ids, of the faces with this usage; DataError if the set has none."""
        at = self.usages.index(usage) if usage in self.usages else -1
        found = np.flatnonzero(self.usage == at)
        if not len(found):
            present = ", ".join(u for i, u in enumerate(self.usages) if (self.usage == i).any())
            raise DataError(
                f"{self.provenance.source}: the split {usage} is empty",
                f"rows with usage {usage}",
                f"This source holds {present} only: use the full one.",
            )
        return found

    def positions(self, rows: np.ndarray) -> np.ndarray:
        """Positions of these row ids, in their order; DataError naming the first that is absent."""
        order = np.argsort(self.rows)
        rows = np.asarray(rows)
        at = np.minimum(np.searchsorted(self.rows[order], rows), len(order) - 1)
        found = order[at]
        missing = np.flatnonzero(self.rows[found] != rows)
        if len(missing):
            raise DataError(
                f"{self.provenance.source}: row {rows[missing[0]]} of the split is not in this set",
                "the data set the split was made from",
                f"{len(missing)} of {len(rows)} rows are absent.",
            )
        return found

    def take(self, positions: np.ndarray) -> FaceSet:
        """The faces at these positions (not row ids; none twice), as a set of its own in memory.

        Raises:
            DataError: No position is left, or one is given twice.
        """
        at = np.asarray(positions, np.int64)
        return FaceSet(
            self.faces[at],
            self.labels[at],
            self.votes[at],
            self.rows[at],
            self.usage[at],
            self.provenance,
            self.vocabulary,
            self.usages,
            None if self.paths is None else self.paths[at],
            None if self.subjects is None else self.subjects[at],
            {k: v[at] for k, v in self.columns.items()},
        )


def save(faces: FaceSet, folder: Path) -> None:
    """Write a store, whole or not at all.

    Args:
        faces: What to write.
        folder: The store's folder; must not exist.

    Raises:
        DataError: ``folder`` exists.
        OSError: The disk is full, or the folder cannot be written.
    """
    refuse_existing(folder)
    with staged_folder(folder) as stage:
        np.save(stage / "faces.npy", np.ascontiguousarray(faces.faces))
        finish(stage, faces)


def refuse_existing(folder: Path) -> None:
    """DataError if there is something of this name already."""
    if folder.exists():
        raise DataError(f"{folder} exists already", "a new folder", "Remove it or name another.")


def finish(stage: Path, faces: FaceSet) -> None:
    """Write everything of a store but ``faces.npy``, which lies in ``stage`` already; ``store.json`` comes last."""
    for what in (*_ARRAYS[1:], *_TEXTS):
        if (array := getattr(faces, what)) is not None:
            np.save(stage / f"{what}.npy", np.ascontiguousarray(array))
    for what, column in faces.columns.items():
        np.save(stage / f"column_{what}.npy", column)
    about = {
        "format": FORMAT,
        "n": len(faces),
        "size": faces.size,
        "vocabulary": {"name": faces.vocabulary.name, "labels": list(faces.vocabulary.labels)},
        "usages": list(faces.usages),
        "columns": list(faces.columns),
        "provenance": asdict(faces.provenance),
    }
    (stage / "store.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")


def load(folder: Path) -> FaceSet:
    """Open a store; the faces stay on disk until they are touched.

    Raises:
        DataError: ``folder`` is not a whole store of this format.
    """
    about_file = folder / "store.json"
    if not about_file.is_file():
        raise DataError(
            f"{folder} is not a store: it has no store.json",
            "a folder written by mien data import",
            f"Make one with: mien data import SOURCE {folder}",
        )
    try:
        about = json.loads(about_file.read_text(encoding="utf-8"))
        if about["format"] != FORMAT:
            raise DataError(
                f"{folder} is a store of format {about['format']}",
                f"format {FORMAT}",
                "Import the source again with this version of mien.",
            )
        arrays = {f: np.array(_mapped(folder, f)) for f in _ARRAYS if f != "faces"}
        texts = {f: np.array(_mapped(folder, f)) for f in _TEXTS if (folder / f"{f}.npy").is_file()}
        faces = FaceSet(
            faces=_mapped(folder, "faces"),
            **arrays,
            **texts,
            provenance=Provenance(**about["provenance"]),
            vocabulary=Vocabulary(about["vocabulary"]["name"], tuple(about["vocabulary"]["labels"])),
            usages=tuple(about["usages"]),
            columns={c: np.array(_mapped(folder, f"column_{c}")) for c in about["columns"]},
        )
        count = int(about["n"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{folder}: the store is damaged ({error})",
            "the files mien data import wrote",
            "Delete the folder and import the source again.",
        ) from error
    if len(faces) != count:
        raise DataError(
            f"{folder}: store.json says {count} faces, the arrays hold {len(faces)}",
            "the same number",
            "Delete the folder and import the source again.",
        )
    return faces


def _mapped(folder: Path, name: str) -> np.ndarray:
    return np.lib.format.open_memmap(folder / f"{name}.npy", mode="r")
