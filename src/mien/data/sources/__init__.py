"""One module per data set. Each has ``read(path) -> FaceSet``; SOURCES lists them by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mien.data import store
from mien.data.sources import fer2013_csv, fer2013_parquet
from mien.data.store import FaceSet
from mien.errors import DataError
from mien.files import cache_folder, sha256

SOURCES: dict[str, Callable[[Path], FaceSet]] = {
    "fer2013-csv": fer2013_csv.read,
    "fer2013-parquet": fer2013_parquet.read,
}
_BY_SUFFIX = {".csv": "fer2013-csv", ".parquet": "fer2013-parquet"}


def read(path: Path) -> FaceSet:
    """Read a source file; its suffix says which reader.

    Raises:
        DataError: No such file, no reader for it, or something wrong in it.
    """
    if not path.exists():
        raise DataError(f"{path} does not exist", "a fer2013.csv or fer2013.parquet file")
    name = _BY_SUFFIX.get(path.suffix.lower())
    if name is None or path.is_dir():
        raise DataError(f"{path} is of no kind that mien reads", f"a file ending in {' or '.join(_BY_SUFFIX)}")
    return SOURCES[name](path)


def open_faces(path: Path) -> FaceSet:
    """Open a store, or a source file through a store in the cache that is built the first time.

    Raises:
        DataError: As ``read`` and ``store.load``.
    """
    if path.is_dir():
        return store.load(path)
    if not path.exists():
        return read(path)  # says what is wrong
    packed = cache_folder() / "stores" / f"{path.stem}-{sha256(path)[:16]}"
    if not packed.exists():
        faces = read(path)
        try:
            store.save(faces, packed)
        except (DataError, OSError):
            if not packed.exists():  # else another process built the same store meanwhile: use that one
                raise
    return store.load(packed)
