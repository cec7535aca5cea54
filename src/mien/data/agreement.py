"""How far FER2013's labels agree with the FER+ votes for the same faces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mien.errors import DataError
from mien.expressions import FER2013, FERPLUS, ferplus_majority, find_map

NO_MAJORITY = "no majority"
PROTOCOL = (
    "FER+ label by the official majority protocol: single votes are dropped, and the label is the column with more "
    "than half of the rest. No majority: there is no such column, or it is 'unknown' or 'not a face'. Faces without "
    "votes are left out. The share is of the faces with a FER+ label; contempt, which FER2013 lacks, counts as "
    "disagreement."
)


@dataclass(frozen=True)
class Agreement:
    """FER2013's labels against FER+'s votes for the same faces, by ``PROTOCOL``.

    Attributes:
        rows: Labels of FER2013.
        columns: Labels of FER+, those that map to a label of FER2013 in the order of ``rows``, then ``contempt``, then
            ``NO_MAJORITY``.
        counts: (7, 9) int64 faces.
        same: (7, 9) bool, which FER+ labels map to which label.

    Raises:
        DataError: The arrays have other shapes.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    counts: np.ndarray
    same: np.ndarray

    def __post_init__(self) -> None:
        shape = (len(self.rows), len(self.columns))
        if self.counts.shape != shape or self.same.shape != shape:
            raise DataError(f"an agreement matrix of {self.counts.shape}, agreeing by {self.same.shape}", f"{shape}")

    @property
    def agreeing(self) -> np.ndarray:
        """(7,) int64, faces of each row whose FER+ label maps to the row's label."""
        return np.asarray(np.where(self.same, self.counts, 0).sum(axis=1))

    @property
    def labelled(self) -> np.ndarray:
        """(7,) int64, faces of each row with a FER+ label."""
        return np.asarray(self.counts[:, [c != NO_MAJORITY for c in self.columns]].sum(axis=1))

    @property
    def share(self) -> float | None:
        """Share of the faces with a FER+ label that keep their label; None where no face has one."""
        of = int(self.labelled.sum())
        return int(self.agreeing.sum()) / of if of else None

    def to_dict(self) -> dict[str, Any]:
        """For JSON; ``counts`` is label → FER+ label → faces."""
        return {
            "protocol": PROTOCOL,
            "counts": {
                a: dict(zip(self.columns, row, strict=True))
                for a, row in zip(self.rows, self.counts.tolist(), strict=True)
            },
            "agreeing": dict(zip(self.rows, self.agreeing.tolist(), strict=True)),
            "labelled": dict(zip(self.rows, self.labelled.tolist(), strict=True)),
            "share": self.share,
        }


def agreement(labels: np.ndarray, votes: np.ndarray, times: np.ndarray | None = None) -> Agreement:
    """Count labels against votes. Faces without votes are left out.

    Args:
        labels: (N,) integers, index into ``FER2013``.
        votes: (N, 10) FER+ votes of the same faces, in the order of ``FERPLUS_VOTES``.
        times: (N,) how often each face counts; once where None.
    """
    to = find_map("ferplus-to-fer2013").labels(np.arange(len(FERPLUS)))  # FER+ label → FER2013 label, -1 for contempt
    order = np.argsort(np.where(to < 0, len(FER2013), to), kind="stable")
    counts = np.zeros((len(FER2013), len(FERPLUS) + 1), np.int64)
    voted = votes.any(axis=1)
    found = ferplus_majority(votes[voted])  # -1, no majority, is the last column
    np.add.at(counts, (labels[voted].astype(np.int64), found), 1 if times is None else times[voted])
    columns = [*order, len(FERPLUS)]
    return Agreement(
        FER2013.labels,
        (*(FERPLUS.labels[i] for i in order), NO_MAJORITY),
        counts[:, columns],
        np.append(to, -1)[columns] == np.arange(len(FER2013))[:, None],
    )
