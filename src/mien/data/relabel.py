"""Other labels for a set: through a map from its vocabulary to another."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from mien.data.reading import Chunk, Reading, ending
from mien.data.store import FaceSet
from mien.errors import DataError
from mien.expressions import Vocabulary, VocabularyMap


def relabel(faces: FaceSet, mapping: VocabularyMap) -> FaceSet:
    """Map the labels of a set; faces of a dropped label leave it. Votes stay as they are.

    Args:
        faces: A set whose labels are the map's source labels, in any order.
        mapping: The map.

    Returns:
        A set in memory, with the map's target as vocabulary and its name in the provenance. A label may be without
        faces.

    Raises:
        DataError: The map is for other labels, or drops every face.
    """
    table = _table(faces.vocabulary, mapping, faces.provenance.source)
    labels = table[faces.labels]
    kept = np.flatnonzero(labels >= 0)
    if not len(kept):
        raise DataError(
            f"the map {mapping.name} drops every face of {faces.provenance.source}", "a map that keeps some"
        )
    provenance = replace(faces.provenance, vocabulary_map=_passed(faces.provenance.vocabulary_map, mapping))
    return replace(
        faces.take(kept) if len(kept) < len(faces) else faces,
        labels=labels[kept].astype(np.int8),
        vocabulary=mapping.target,
        provenance=provenance,
    )


def relabelled(reading: Reading, mapping: VocabularyMap) -> Reading:
    """Map the labels of a source that is being read; faces of a dropped label leave it.

    Args:
        reading: A source whose labels are the map's source labels, in any order.
        mapping: The map.

    Returns:
        The reading with the map's target as vocabulary; a chunk may come out empty.

    Raises:
        DataError: The map is for other labels.
    """
    table = _table(reading.vocabulary, mapping, reading.source)
    return replace(
        reading,
        vocabulary=mapping.target,
        vocabulary_map=_passed(reading.vocabulary_map, mapping),
        chunks=_mapped(reading.chunks, table),
    )


def _mapped(chunks: Iterator[Chunk], table: np.ndarray) -> Iterator[Chunk]:
    with ending(chunks):
        for chunk in chunks:
            labels = table[chunk.labels]
            kept = np.flatnonzero(labels >= 0)
            yield replace(chunk.take(kept), labels=labels[kept].astype(np.int8))


def _passed(before: str, mapping: VocabularyMap) -> str:
    return f"{before}, {mapping.name}" if before else mapping.name


def _table(vocabulary: Vocabulary, mapping: VocabularyMap, source: str) -> np.ndarray:
    """(labels of the set,) int64 target index of each, -1 where it is dropped."""
    to = dict(mapping.pairs)
    unmapped = [label for label in vocabulary.labels if label not in to]
    unknown = [label for label in to if label not in vocabulary.labels]
    if unmapped or unknown:
        said = [_said(label, unknown) for label in unmapped] + [
            f"{label!r} is no label of the set" for label in unknown
        ]
        raise DataError(
            f"the map {mapping.name} does not fit {source}: {'; '.join(said)}",
            f"a map from {', '.join(vocabulary.labels)}",
            "mien data maps lists the maps there are, and what each is for.",
        )
    own = mapping.labels(np.arange(len(mapping.source)))
    return np.asarray(own[[mapping.source.index(label) for label in vocabulary.labels]])


def _said(label: str, unknown: list[str]) -> str:
    near = difflib.get_close_matches(label, unknown, 1)
    return f"{label!r} is not in it{f' (it has {near[0]!r})' if near else ''}"
