"""A store as a source: to bring it to another size, map its labels, or join votes to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mien import faces
from mien.data import store
from mien.data.reading import Chunk, Faults, Reading

ABOUT = "a store that mien data import wrote"
_CHUNK = 1024


def recognise(path: Path) -> str | None:
    """Whether it has a store.json."""
    return "it has a store.json" if (path / "store.json").is_file() else None


def read(path: Path, size: int | None, faults: Faults) -> Reading:
    """Read a store again; its provenance stays that of the source it was made from.

    Args:
        path: The store's folder.
        size: Side of the faces; the store's own where None.
        faults: Not used: a store has no wrong rows.

    Raises:
        DataError: Not a whole store.
    """
    stored = store.load(path)
    about = stored.provenance
    return Reading(
        about.reader,
        about.source,
        stored.vocabulary,
        stored.usages,
        _chunks(stored, size or stored.size),
        lambda: about.sha256,
        about.joined,
        about.vocabulary_map,
    )


def _chunks(stored: store.FaceSet, size: int) -> Iterator[Chunk]:
    for start in range(0, len(stored), _CHUNK):
        at = slice(start, start + _CHUNK)
        pixels = np.asarray(stored.faces[at])
        if size != stored.size:
            pixels = np.stack([faces.whole(face, size) for face in pixels])
        yield Chunk(
            pixels,
            stored.labels[at],
            stored.rows[at],
            stored.usage[at],
            stored.votes[at],
            None if stored.paths is None else stored.paths[at].tolist(),
            None if stored.subjects is None else stored.subjects[at].tolist(),
            {name: column[at] for name, column in stored.columns.items()},
        )
