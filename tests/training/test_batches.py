"""Batches: their order, what they hold, and how few faces of each class are drawn."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch

from mien.data import FaceSet
from mien.training.batches import EpochOrder, FaceRows, chunks, limited


def test_batches_cover_the_set_in_an_order_of_seed_and_epoch() -> None:
    order = EpochOrder(50, 16, 3)
    first = [b.tolist() for b in order.epoch(0)]
    assert [len(b) for b in first] == [16, 16, 16] and len(order) == 3
    assert len({i for b in first for i in b}) == 48
    assert [b.tolist() for b in order.epoch(1)] != first
    assert [b.tolist() for b in order.epoch(0)] == first
    assert [b.tolist() for b in order.epoch(0, 2)] == first[2:]
    assert [b.tolist() for b in EpochOrder(50, 16, 4).epoch(0)] != first


@pytest.mark.parametrize("processes", [2, 4])
def test_processes_share_each_step(processes: int) -> None:
    order = EpochOrder(64, 16, 3)
    shares = [[b.tolist() for b in order.epoch(1, 0, rank, processes)] for rank in range(processes)]
    for step, whole in enumerate(order.epoch(1)):
        mine = [share[step] for share in shares]
        assert {len(m) for m in mine} == {16 // processes}
        assert sorted(i for m in mine for i in m) == sorted(whole.tolist())


def test_scoring_visits_every_face_once() -> None:
    assert np.concatenate(list(chunks(23, 5))).tolist() == list(range(23))
    parts = [np.concatenate(list(chunks(23, 5, rank, 3))) for rank in range(3)]
    assert sorted(np.concatenate(parts).tolist()) == list(range(23))


def test_a_batch_holds_the_faces_of_its_places(tiny_faces: FaceSet) -> None:
    positions = np.array([4, 9, 4, 80, 2])
    rows = FaceRows(tiny_faces, positions)
    got = rows.batch(np.array([3, 0]))
    assert torch.equal(got["faces"], torch.from_numpy(tiny_faces.faces[[80, 4]])[:, None])
    assert got["labels"].tolist() == tiny_faces.labels[[80, 4]].tolist()
    assert got["rows"].tolist() == tiny_faces.rows[[80, 4]].tolist()
    assert got["votes"].shape == (2, 10)


def test_copies_of_a_row_are_not_augmented_alike(tiny_faces: FaceSet) -> None:
    keys = FaceRows(tiny_faces, np.array([4, 9, 4, 4, 2])).rows.tolist()
    assert len(set(keys)) == 5
    assert [k % 2**32 for k in keys] == tiny_faces.rows[[4, 9, 4, 4, 2]].tolist()
    assert keys[0] < 2**32 <= keys[2] < keys[3]


def test_a_balanced_order_draws_every_class_as_often() -> None:
    labels = np.array([0] * 60 + [1] * 30 + [2] * 3)
    seen = Counter(labels[np.concatenate(list(EpochOrder(93, 31, 2, labels).epoch(0)))].tolist())
    assert set(seen.values()) == {31}
    assert Counter(labels[np.concatenate(list(EpochOrder(93, 31, 2).epoch(0)))].tolist())[2] == 3


def test_a_limit_leaves_every_class_in_its_share() -> None:
    labels = np.array([0] * 600 + [1] * 395 + [2] * 5)
    kept = limited(labels, 100)
    assert Counter(labels[kept].tolist()) == {0: 60, 1: 40, 2: 1}
    assert kept[:60].tolist() == list(range(60)), "the first of each class"
    assert limited(labels, None).tolist() == limited(labels, 5000).tolist() == list(range(1000))
