"""t-SNE: neighbours stay neighbours, and the same seed gives the same picture."""

from __future__ import annotations

import numpy as np
import pytest

from mien.errors import DataError
from mien.evaluation.embedding import fitting_perplexity, tsne


def three_heaps(n: int = 60, channels: int = 80) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    heap = np.repeat(np.arange(3), n // 3)
    return (rng.normal(0, 8, (3, channels))[heap] + rng.normal(0, 1, (n, channels))).astype(np.float32), heap


def test_heaps_stay_apart() -> None:
    features, heap = three_heaps()
    points = tsne(features, seed=0, perplexity=10)
    assert points.shape == (60, 2)
    distance = np.linalg.norm(points[:, None] - points[None], axis=2) + np.eye(60) * 1e9
    assert (heap[distance.argmin(axis=1)] == heap).all()


def test_the_same_seed_gives_the_same_points() -> None:
    features, _ = three_heaps()
    assert np.array_equal(tsne(features, seed=1, perplexity=5), tsne(features, seed=1, perplexity=5))


def test_few_faces_lower_the_perplexity() -> None:
    assert tsne(np.random.default_rng(0).normal(size=(7, 3))).shape == (7, 2)
    assert (fitting_perplexity(7), fitting_perplexity(91), fitting_perplexity(5000)) == (2, 30, 30)
    assert fitting_perplexity(90) < 30 and fitting_perplexity(90, 5) == 5
    with pytest.raises(DataError, match="t-SNE of 3 faces"):
        tsne(np.zeros((3, 3)))
