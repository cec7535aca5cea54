"""One module per data set. Each has ``ABOUT``, ``recognise(path)`` and ``read(path, size, faults)``."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Protocol

from mien.data import store
from mien.data.reading import Faults, Reader, Reading, gather, pack
from mien.data.sources import (
    affectnet_hq,
    ck_plus,
    class_folders,
    fer2013_csv,
    fer2013_folders,
    fer_tiny,
    ferplus_csv,
    mien_csv,
    mien_folders,
    packed,
    parquet,
    raf_db,
)
from mien.data.store import FaceSet
from mien.errors import DataError, OutputError
from mien.files import cache_folder, sha256


class Source(Protocol):
    """What a module in this folder has.

    Attributes:
        ABOUT: What it reads, in a line.
        read: Begins to read it.
    """

    ABOUT: str

    @property
    def read(self) -> Reader:
        """Begin to read a source of this kind."""

    def recognise(self, path: Path) -> str | None:
        """Why this is a source of this kind, in a phrase (``it has the columns …``); None where it is not.

        Looks at names and first bytes only, and raises nothing where ``path`` cannot be read.
        """


# Recognised in this order: the particular before the general.
SOURCES: dict[str, Source] = {
    "store": packed,
    "mien-csv": mien_csv,
    "mien-folders": mien_folders,
    "ferplus-csv": ferplus_csv,
    "fer2013-csv": fer2013_csv,
    "fer2013-folders": fer2013_folders,
    "fer-tiny": fer_tiny,
    "affectnet-hq": affectnet_hq,
    "ck+48": ck_plus,
    "raf-db": raf_db,
    "parquet": parquet,
    "class-folders": class_folders,
}


class Recognised(NamedTuple):
    """What a source is.

    Attributes:
        name: Key of ``SOURCES``.
        reason: Why, in a phrase.
    """

    name: str
    reason: str


def recognise(path: Path) -> Recognised:
    """Say what a source is.

    Raises:
        DataError: There is nothing of that name, or nothing that mien reads.
    """
    if not path.exists():
        raise DataError(f"{path} does not exist", "a file or folder of a data set", "Check the spelling.")
    for name, source in SOURCES.items():
        if reason := source.recognise(path):
            return Recognised(name, reason)
    raise DataError(
        f"{path} is of no kind that mien recognises",
        "; ".join(f"{name} ({source.ABOUT})" for name, source in SOURCES.items()),
        "Say which it is with --as NAME.",
    )


def begin(path: Path, *, kind: str | None = None, size: int | None = None, faults: Faults | None = None) -> Reading:
    """Begin to read a source; hand the reading to ``gather`` or ``pack``.

    Args:
        path: The source.
        kind: Key of ``SOURCES``; recognised where None.
        size: Side of the faces, pixels; pictures of any other size and colour are brought to it. Where None, that of a
            store or of what mien exported, else 48.
        faults: Where what is wrong with single rows is noted; where None the first stops the reading.

    Raises:
        DataError: Not a source of that kind; or something wrong in it.
    """
    if size is not None and not 8 <= size <= 1024:
        raise DataError(f"size {size}", "8 to 1024 pixels")
    if kind is None:
        kind = recognise(path).name
    elif kind not in SOURCES:
        raise DataError(f"there is no kind of source named {kind!r}", f"one of {', '.join(SOURCES)}")
    elif not path.exists():
        recognise(path)  # says so
    return SOURCES[kind].read(path, size, faults or Faults())


def read(path: Path, *, kind: str | None = None, size: int | None = None, faults: Faults | None = None) -> FaceSet:
    """Read a source into memory. Arguments and errors are those of ``begin``."""
    return gather(begin(path, kind=kind, size=size, faults=faults))


def open_faces(path: Path) -> FaceSet:
    """Open a store, or a source file through a store in the cache that is built the first time.

    Raises:
        DataError: As ``read`` and ``store.load``.
        OutputError: The cache cannot be written.
    """
    if path.is_dir():
        return store.load(path)
    if not path.exists():
        return read(path)  # says what is wrong
    packed = cache_folder() / "stores" / f"{path.stem}-{sha256(path)[:16]}-{store.FORMAT}"
    if not packed.exists():
        faults = Faults()
        reading = begin(path, faults=faults)
        try:
            pack(reading, packed, faults)
        except (DataError, OutputError):
            if not packed.exists():  # else another process built the same store meanwhile: use that one
                raise
    return store.load(packed)
