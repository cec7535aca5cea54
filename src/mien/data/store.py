"""The packed store: a folder of plain ``.npy`` files, written once and memory-mapped from then on.

STORE/faces.npy   (N, size, size) uint8 gray, memory-mapped
STORE/labels.npy  (N,) int8, index into FER2013
STORE/votes.npy   (N, 10) uint8, FER+ tagger votes in the order of FERPLUS_VOTES; all zero where unknown
STORE/rows.npy    (N,) int32, row of the source's own file
STORE/usage.npy   (N,) uint8, index into USAGES
STORE/store.json  format number, counts and provenance; written last, so a folder without it is not a store
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from mien.errors import DataError
from mien.expressions import FER2013, FERPLUS_VOTES
from mien.files import staged_folder

USAGES = ("Training", "PublicTest", "PrivateTest")
FORMAT = 1
_ARRAYS = ("faces", "labels", "votes", "rows", "usage")


@dataclass(frozen=True)
class Provenance:
    """Where a set of faces came from.

    Attributes:
        reader: Name of the reader that produced it.
        source: File name of the source, without its folder.
        sha256: Hash of the source file.
    """

    reader: str
    source: str
    sha256: str


@dataclass(frozen=True)
class FaceSet:
    """Labelled faces, validated: what a reader returns, what the store holds and what every split indexes.

    Attributes:
        faces: (N, size, size) uint8 gray, 0 black to 255 white.
        labels: (N,) int8, index into ``expressions.FER2013``.
        votes: (N, 10) uint8, FER+ votes in the order of ``expressions.FERPLUS_VOTES``; all zero where unknown.
        rows: (N,) int32, unique; the row of the source's own file (0 is the first row after the header).
        usage: (N,) uint8, index into ``USAGES``.
        provenance: The source.

    Raises:
        DataError: An array has the wrong shape or type, or a value is out of range; names source and row.
    """

    faces: np.ndarray
    labels: np.ndarray
    votes: np.ndarray
    rows: np.ndarray
    usage: np.ndarray
    provenance: Provenance

    def __post_init__(self) -> None:
        n, name = len(self.faces), self.provenance.source
        side = self.faces.shape[-1]
        for field, shape, dtype in (
            ("faces", (n, side, side), np.uint8),
            ("labels", (n,), np.int8),
            ("votes", (n, len(FERPLUS_VOTES)), np.uint8),
            ("rows", (n,), np.int32),
            ("usage", (n,), np.uint8),
        ):
            found = getattr(self, field)
            if found.shape != shape or found.dtype != dtype:
                raise DataError(f"{name}: {field} is {found.shape} {found.dtype}", f"{shape} {np.dtype(dtype).name}")
        if n == 0:
            raise DataError(f"{name}: no faces", "at least one row", "Check that this is the right file.")
        for field, limit in (("labels", len(FER2013)), ("usage", len(USAGES))):
            values = getattr(self, field)
            bad = np.flatnonzero((values < 0) | (values >= limit))
            if len(bad):
                raise DataError(
                    f"{name}, row {self.rows[bad[0]]}: {field} is {values[bad[0]]}",
                    f"0 to {limit - 1}",
                    "Correct the row in the source file.",
                )
        if len(np.unique(self.rows)) != n:
            raise DataError(f"{name}: row ids repeat", "one id per face")

    def __len__(self) -> int:
        return len(self.faces)

    def where(self, usage: str) -> np.ndarray:
        """Positions, not row ids, of the faces with this usage; DataError if the set has none."""
        found = np.flatnonzero(self.usage == USAGES.index(usage))
        if not len(found):
            present = ", ".join(u for i, u in enumerate(USAGES) if (self.usage == i).any())
            raise DataError(
                f"{self.provenance.source}: the split {usage} is empty",
                f"rows with usage {usage}",
                f"This file holds {present} only: use the full one.",
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


def save(faces: FaceSet, folder: Path) -> None:
    """Write a store, whole or not at all.

    Args:
        faces: What to write.
        folder: The store's folder; must not exist.

    Raises:
        DataError: ``folder`` exists.
    """
    if folder.exists():
        raise DataError(f"{folder} exists already", "a new folder", "Remove it or name another.")
    with staged_folder(folder) as stage:
        for field in _ARRAYS:
            np.save(stage / f"{field}.npy", np.ascontiguousarray(getattr(faces, field)))
        about = {
            "format": FORMAT,
            "n": len(faces),
            "size": int(faces.faces.shape[1]),
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
            f"Make one with: mien data import fer2013.csv {folder}",
        )
    try:
        about = json.loads(about_file.read_text(encoding="utf-8"))
        if about["format"] != FORMAT:
            raise DataError(
                f"{folder} is a store of format {about['format']}",
                f"format {FORMAT}",
                "Import the source again with this version of mien.",
            )
        mapped = {f: np.lib.format.open_memmap(folder / f"{f}.npy", mode="r") for f in _ARRAYS}
        arrays = {f: array if f == "faces" else np.array(array) for f, array in mapped.items()}
        faces = FaceSet(**arrays, provenance=Provenance(**about["provenance"]))
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
