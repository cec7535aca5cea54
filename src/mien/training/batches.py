"""The whole data set in memory, handed out in batches whose order is a function of (seed, epoch)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from mien.data import FaceSet
from mien.data.balance import balanced_order

Batch = dict[str, Tensor]


class FaceRows(Dataset[Batch]):
    """Faces at some positions of a set; indexed by a list, it returns a batch.

    A batch holds ``faces`` (N, 1, s, s) uint8, ``labels`` (N,) int64, ``votes`` (N, 10) uint8 and ``rows`` (N,) int64:
    what the augmentation is keyed by, the row id plus 2³² for each time that the row occurred before (over-sampling),
    so that copies of a face are not augmented alike.
    """

    def __init__(self, faces: FaceSet, positions: np.ndarray) -> None:
        self.faces = torch.from_numpy(faces.faces[positions])[:, None]
        self.labels = torch.from_numpy(faces.labels[positions].astype(np.int64))
        self.votes = torch.from_numpy(faces.votes[positions])
        self.rows = torch.from_numpy(faces.rows[positions].astype(np.int64) + (_occurrence(positions) << 32))

    def __len__(self) -> int:
        return len(self.faces)

    def __getitem__(self, index: list[int]) -> Batch:
        at = torch.as_tensor(index)
        return {"faces": self.faces[at], "labels": self.labels[at], "votes": self.votes[at], "rows": self.rows[at]}


def _occurrence(positions: np.ndarray) -> np.ndarray:
    """(N,) int64: how often each position occurred before."""
    order = np.argsort(positions, kind="stable")
    ranked = np.asarray(positions)[order]
    _, first, count = np.unique(ranked, return_index=True, return_counts=True)
    found = np.empty(len(order), np.int64)
    found[order] = np.arange(len(order)) - np.repeat(first, count)
    return found


class EpochOrder(Sampler[list[int]]):
    """Batches of positions in an order drawn from (seed, epoch); Lightning calls ``set_epoch``.

    Args:
        n: Number of rows.
        batch_size: Rows a batch.
        seed: Seed of the run.
        labels: (n,) labels, to draw every class as often; each row once an epoch where None.
    """

    def __init__(self, n: int, batch_size: int, seed: int, labels: np.ndarray | None = None) -> None:
        self.n, self.batch_size, self.seed, self.labels, self.epoch = n, min(batch_size, n), seed, labels, 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return self.n // self.batch_size

    def __iter__(self) -> Iterator[list[int]]:
        if self.labels is None:
            order = np.random.default_rng([self.seed, self.epoch]).permutation(self.n)
        else:
            order = balanced_order(self.labels, self.n, self.seed, self.epoch)
        for i in range(len(self)):
            yield order[i * self.batch_size : (i + 1) * self.batch_size].tolist()


def training_loader(rows: FaceRows, batch_size: int, seed: int, balanced: bool = False) -> DataLoader[Batch]:
    """Shuffled whole batches; with ``balanced`` every class is drawn as often."""
    labels = rows.labels.numpy() if balanced else None
    return DataLoader(rows, sampler=EpochOrder(len(rows), batch_size, seed, labels), batch_size=None)


def scoring_loader(rows: FaceRows, batch_size: int = 256) -> DataLoader[Batch]:
    """Every row once, in order."""
    chunks = [list(range(i, min(i + batch_size, len(rows)))) for i in range(0, len(rows), batch_size)]
    return DataLoader(rows, sampler=chunks, batch_size=None)
