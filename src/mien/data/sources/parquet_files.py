"""The parquet files of a source, and the splits that their names tell."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mien.data.sources.arrow import damage
from mien.data.sources.parquet_schema import Layout, layout_of

_DEPTH = 3  # default/train/0000.parquet
_BATCH = 1024
_BYTES = 32 << 20  # of a batch, about
_SPLITS = re.compile(
    "(?P<train>train(ing)?)|(?P<validation>validation|valid|val|dev)|(?P<test>(public|private)?test(ing)?|eval(uation)?)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class File:
    """One file of the source.

    Attributes:
        path: Where it is.
        name: What errors in its rows begin with; empty where it is the source.
        split: What its name says it is part of; empty where it says nothing.
        layout: Its columns.
        rows: Rows, as its metadata claims.
        at_once: Rows to read at once.
    """

    path: Path
    name: str
    split: str
    layout: Layout
    rows: int
    at_once: int


def inside(folder: Path) -> Iterator[Path]:
    """Parquet files in a folder and below; hidden folders, such as the hub's ``.cache``, are left out."""
    for place, folders, names in os.walk(folder, followlinks=True):
        here = Path(place)
        deep = len(here.relative_to(folder).parts) + 1 >= _DEPTH
        folders[:] = [] if deep else sorted(f for f in folders if not f.startswith("."))
        yield from (here / n for n in sorted(names) if n.lower().endswith(".parquet") and not n.startswith("."))


def file_of(path: Path, source: Path) -> File:
    """Look at a file's metadata.

    Args:
        path: The file.
        source: The source: the file itself, or the folder it lies in or below.

    Raises:
        DataError: It is damaged, or its columns are not those of labelled pictures.
    """
    import pyarrow.parquet as pq

    with damage(path), path.open("rb") as stream, pq.ParquetFile(stream) as found:
        about = found.metadata
        rows = max(0, about.num_rows)
        volume = sum(max(0, about.row_group(i).total_byte_size) for i in range(about.num_row_groups))
        layout = layout_of(found.schema_arrow, str(path))
    at_once = max(1, min(_BATCH, _BYTES * rows // max(1, volume)))
    split = _split_of(path.name)
    if path == source:
        # test.parquet alone is a file for a test as likely as a test split.
        return File(path, "", split if path.name.startswith(f"{split}-") else "", layout, rows, at_once)
    if not split and path.parent != source:
        split = _split_of(path.parent.name)
    return File(path, path.relative_to(source).as_posix(), split, layout, rows, at_once)


def _split_of(name: str) -> str:
    """The split that a file's or folder's name begins with, in its spelling; empty where there is none."""
    word = re.split(r"[-._]", name)[0]
    return word if _SPLITS.fullmatch(word) else ""


def rank(split: str) -> int:
    """0 for a split to train with, 1 for one to validate with, 2 for one to test with."""
    found = _SPLITS.fullmatch(split)
    return next(i for i, kind in enumerate(("train", "validation", "test")) if found and found[kind])
