"""The faces of a part, handed out in batches whose order is a function of (seed, epoch)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from mien.data import FaceSet
from mien.data.balance import balanced_order

Batch = dict[str, Tensor]


class FaceRows:
    """Faces at some positions of a set.

    A batch holds ``faces`` (N, 1, s, s) uint8, ``labels`` (N,) int64, ``votes`` (N, 10) uint8 and ``rows`` (N,) int64:
    what the augmentation is keyed by, the row id plus 2³² for each time that the row occurred before (over-sampling),
    so that copies of a face are not augmented alike.

    Args:
        faces: The set; its faces may lie on disk, and are read as they are asked for.
        positions: (N,) positions in it, in any order, also several times.
        device: Where batches go to. On a GPU the whole part is laid once, where a quarter of its free memory suffices.
    """

    def __init__(self, faces: FaceSet, positions: np.ndarray, device: torch.device | None = None) -> None:
        self.device = device or torch.device("cpu")
        self._faces, self._positions = faces.faces, np.asarray(positions)
        self.labels = torch.from_numpy(faces.labels[positions].astype(np.int64))
        self.votes = torch.from_numpy(faces.votes[positions])
        self.rows = torch.from_numpy(faces.rows[positions].astype(np.int64) + (_occurrence(positions) << 32))
        self._resident: Tensor | None = None
        if self.device.type == "cuda":
            free = torch.cuda.mem_get_info(self.device)[0]
            if len(positions) * faces.size**2 < free // 4:
                self._resident = torch.from_numpy(faces.faces[positions])[:, None].to(self.device)
                self.labels, self.votes, self.rows = (t.to(self.device) for t in (self.labels, self.votes, self.rows))

    def __len__(self) -> int:
        return len(self._positions)

    def batch(self, index: np.ndarray) -> Batch:
        """The faces at these places of the part, on the device."""
        at = torch.from_numpy(np.asarray(index))
        if self._resident is not None:
            at = at.to(self.device)
            faces = self._resident[at]
        else:
            faces = torch.from_numpy(self._faces[self._positions[index]])[:, None]
        found = {"faces": faces, "labels": self.labels[at], "votes": self.votes[at], "rows": self.rows[at]}
        return found if self._resident is not None else {k: v.to(self.device) for k, v in found.items()}


def _occurrence(positions: np.ndarray) -> np.ndarray:
    """(N,) int64: how often each position occurred before."""
    order = np.argsort(positions, kind="stable")
    ranked = np.asarray(positions)[order]
    _, first, count = np.unique(ranked, return_index=True, return_counts=True)
    found = np.empty(len(order), np.int64)
    found[order] = np.arange(len(order)) - np.repeat(first, count)
    return found


class EpochOrder:
    """Which faces each step of an epoch takes.

    Args:
        n: Number of faces.
        batch_size: Faces a step, over all processes.
        seed: Seed of the run.
        labels: (n,) labels, to draw every class as often; each face once an epoch where None.
    """

    def __init__(self, n: int, batch_size: int, seed: int, labels: np.ndarray | None = None) -> None:
        self.n, self.batch_size, self.seed, self.labels = n, min(batch_size, n), seed, labels

    def __len__(self) -> int:
        return self.n // self.batch_size

    def epoch(self, epoch: int, start: int = 0, rank: int = 0, processes: int = 1) -> Iterator[np.ndarray]:
        """The places each step takes, from step ``start`` on; of several processes each takes every so many-th."""
        if self.labels is None:
            order = np.random.default_rng([self.seed, epoch]).permutation(self.n)
        else:
            order = balanced_order(self.labels, self.n, self.seed, epoch)
        for i in range(start, len(self)):
            yield order[i * self.batch_size : (i + 1) * self.batch_size][rank::processes]


def chunks(n: int, size: int = 256, rank: int = 0, processes: int = 1) -> Iterator[np.ndarray]:
    """Every place once, in order; of several processes each takes every so many-th."""
    mine = np.arange(rank, n, processes)
    for i in range(0, len(mine), size):
        yield mine[i : i + size]


def limited(labels: np.ndarray, limit: int | None) -> np.ndarray:
    """Places of about ``limit`` faces: the first of each class, in its share, at least one; all where None."""
    n = len(labels)
    if limit is None or limit >= n:
        return np.arange(n)
    kept: list[np.ndarray] = []
    for label in np.unique(labels):
        at = np.flatnonzero(labels == label)
        kept.append(at[: max(1, round(len(at) * limit / n))])
    return np.sort(np.concatenate(kept))
