"""A source of picture files: which there are, and reading them into chunks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mien.data.listing import listing_sha256
from mien.data.reading import SIZE, Chunk, Faults, Reading
from mien.data.sources.decoding import Batch, decoded
from mien.data.sources.folders import Listing, source_name
from mien.expressions import Vocabulary
from mien.files import sha256

# Pictures in a chunk: at this number of 48×48, one fits into a pipe, so that a process never waits in its middle.
_AT_ONCE = 256


@dataclass(frozen=True)
class Pictures:
    """Pictures to read, one entry each in every field.

    Attributes:
        paths: Files, from the source on, with forward slashes; sorted.
        rows: (n,) int32 row ids.
        labels: (n,) int8.
        usage: (n,) uint8.
        subjects: Identifiers of the persons; None where the source has none.
        columns: Name → (n,) float64.
    """

    paths: list[str]
    rows: np.ndarray
    labels: np.ndarray
    usage: np.ndarray
    subjects: list[str] | None = None
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)

    def take(self, places: np.ndarray) -> Pictures:
        """The pictures at these places, with the row ids that they have."""
        return Pictures(
            [self.paths[i] for i in places],
            self.rows[places],
            self.labels[places],
            self.usage[places],
            None if self.subjects is None else [self.subjects[i] for i in places],
            {name: column[places] for name, column in self.columns.items()},
        )


def listed(listing: Listing) -> Pictures:
    """The pictures of a listing, with its labels and usages; row ids are the places in the sorted list of paths."""
    paths = sorted(listing.files)
    folder = np.fromiter(map(listing.files.__getitem__, paths), np.int64, len(paths))
    marks = np.array(listing.marks, np.int64).reshape(-1, 2)[folder]
    rows = np.arange(len(paths), dtype=np.int32)
    return Pictures(paths, rows, marks[:, 0].astype(np.int8), marks[:, 1].astype(np.uint8))


def reading(
    reader: str,
    source: Path,
    pictures: Pictures,
    vocabulary: Vocabulary,
    usages: tuple[str, ...],
    size: int | None,
    faults: Faults,
    lists: Sequence[str] = (),
) -> Reading:
    """A source of picture files that is being read.

    Args:
        reader: Key of ``SOURCES``.
        source: Folder of the source.
        pictures: What to read.
        vocabulary: What the labels mean.
        usages: What the usages mean.
        size: Side of the faces, pixels; 48 where None.
        faults: Where unreadable pictures are noted.
        lists: Files of the source, relative to it, that say what is in it: they are hashed too.
    """
    hashes = {path: sha256(source / path) for path in lists}
    return Reading(
        reader,
        source_name(source),
        vocabulary,
        usages,
        _chunks(source, pictures, size or SIZE, faults, hashes),
        lambda: listing_sha256(hashes),
    )


def _chunks(source: Path, pictures: Pictures, size: int, faults: Faults, hashes: dict[str, str]) -> Iterator[Chunk]:
    step = max(1, min(_AT_ONCE, (4 << 20) // size**2))
    paths = pictures.paths
    with closing(decoded(source, [paths[i : i + step] for i in range(0, len(paths), step)], size)) as batches:
        for number, batch in enumerate(batches):
            part = np.arange(number * step, number * step + len(batch.faces))
            yield _chunk(source, pictures.take(part), batch, faults, hashes)


def _chunk(source: Path, asked: Pictures, batch: Batch, faults: Faults, hashes: dict[str, str]) -> Chunk:
    """Note what is wrong with any picture, and give the others."""
    for i, error in batch.errors.items():
        faults.add(source, asked.paths[i], error.came, error.expected, error.remedy)
    hashes.update((path, digest) for path, digest in zip(asked.paths, batch.hashes, strict=True) if digest)
    chunk = Chunk(
        batch.faces,
        asked.labels,
        asked.rows,
        asked.usage,
        paths=asked.paths,
        subjects=asked.subjects,
        columns=dict(asked.columns),
    )
    good = [i for i in range(len(batch.faces)) if i not in batch.errors]
    return chunk.take(np.array(good, np.int64)) if batch.errors else chunk
