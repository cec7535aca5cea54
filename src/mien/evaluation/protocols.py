"""Which labels are right, and which faces are counted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mien.data import FaceSet
from mien.errors import DataError
from mien.expressions import FERPLUS, Vocabulary, ferplus_majority

MAJORITY, PLURALITY = "ferplus-majority", "ferplus-plurality"
TITLES = {
    MAJORITY: "FER+ official majority: single votes dropped, more than half of the rest required (Barsoum et al. 2016)",
    PLURALITY: "FER+ plurality: the commonest of the ten votes, where that is an expression; the first where two tie",
}


@dataclass(frozen=True)
class Truth:
    """The right answers under one protocol; they travel with the row ids they belong to.

    Attributes:
        protocol: Short identifier: the vocabulary's name for a set's own labels, or ``ferplus-majority``,
            ``ferplus-plurality``.
        title: Which labels, and which faces are counted, in a sentence.
        vocabulary: What the labels mean.
        rows: (N,) row ids, unique.
        labels: (N,) int64, index into the vocabulary; -1 for a face that the protocol does not count.

    Raises:
        DataError: The arrays differ in length, or a label is outside the vocabulary.
    """

    protocol: str
    title: str
    vocabulary: Vocabulary
    rows: np.ndarray
    labels: np.ndarray

    def __post_init__(self) -> None:
        if self.labels.shape != (len(self.rows),):
            raise DataError(f"labels of shape {self.labels.shape}", f"({len(self.rows)},): one per row id")
        if len(self.labels) and not -1 <= self.labels.min() <= self.labels.max() < len(self.vocabulary):
            raise DataError(
                f"labels from {self.labels.min()} to {self.labels.max()}",
                f"-1 to {len(self.vocabulary) - 1}, for {self.vocabulary.name}",
            )

    @property
    def n(self) -> int:
        """Faces that are counted."""
        return int((self.labels >= 0).sum())


def truths(faces: FaceSet, positions: np.ndarray) -> list[Truth]:
    """Every protocol that a set has labels for: its own labels, then FER+'s where it has votes.

    Args:
        faces: The set.
        positions: (N,) positions, not row ids, of the faces of a part.
    """
    rows, own, votes = faces.rows[positions], faces.vocabulary, faces.votes[positions]
    found = [Truth(own.name, f"{own.name} labels, every face", own, rows, faces.labels[positions].astype(np.int64))]
    if votes.any():
        found += [
            Truth(MAJORITY, TITLES[MAJORITY], FERPLUS, rows, ferplus_majority(votes)),
            Truth(PLURALITY, TITLES[PLURALITY], FERPLUS, rows, plurality(votes)),
        ]
    return [truth for truth in found if truth.n]


def plurality(votes: np.ndarray) -> np.ndarray:
    """Labels by the commonest vote.

    Args:
        votes: (N, 10) counts in the order of ``FERPLUS_VOTES``.

    Returns:
        (N,) int64 index into ``FERPLUS``, -1 where most votes say "unknown" or "not a face", or there are none. Of two
        columns with as many votes the first one counts.
    """
    top = votes.argmax(axis=1)
    return np.where(votes.any(axis=1) & (top < len(FERPLUS)), top, -1).astype(np.int64)


def vote_shares(votes: np.ndarray) -> np.ndarray:
    """(N, 10) FER+ votes → (N, 8) shares of the votes that name an expression; all zero where none does."""
    named = votes[:, : len(FERPLUS)].astype(np.float64)
    total = named.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(named, total, out=np.zeros_like(named), where=total > 0))
