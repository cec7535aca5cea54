"""The two-headed loss, against the definition written out in numpy."""

from __future__ import annotations

import numpy as np
import torch

from mien.recipe import LossSection
from mien.training.losses import two_headed_loss, vote_distribution


def log_softmax(x: np.ndarray) -> np.ndarray:
    return np.asarray(x - np.log(np.exp(x).sum(1, keepdims=True)))


def test_loss_is_its_definition() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(5, 7)), rng.normal(size=(5, 8))
    labels = np.array([0, 6, 3, 2, 5])
    votes = np.array(
        [
            [10, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            [3, 3, 0, 0, 2, 0, 0, 0, 2, 0],
            [0] * 10,
            [1, 0, 0, 0, 0, 0, 0, 0, 0, 9],
            [0, 5, 0, 0, 0, 0, 0, 0, 0, 5],
        ]
    )
    target = np.full((5, 7), 0.1 / 7)
    target[np.arange(5), labels] += 0.9
    hard = -(target * log_softmax(a)).sum(1).mean()
    named = votes[:, :8] / np.maximum(votes[:, :8].sum(1, keepdims=True), 1)
    weight = np.array([1, 0.8, 0, 0, 0.5])  # no votes; mostly "not a face"; exactly half is not most
    soft = (-(named * log_softmax(b)).sum(1) * weight).mean()
    got = two_headed_loss(
        {"fer2013": torch.tensor(a), "ferplus": torch.tensor(b)},
        torch.tensor(labels),
        torch.tensor(votes, dtype=torch.uint8),
        LossSection(fer2013=2, ferplus=3, label_smoothing=0.1),
    )
    np.testing.assert_allclose(float(got), 2 * hard + 3 * soft, rtol=1e-5)


def test_vote_distributions_sum_to_one_where_they_weigh() -> None:
    votes = torch.randint(0, 6, (200, 10), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    target, weight = vote_distribution(votes)
    torch.testing.assert_close(target[weight > 0].sum(1), torch.ones(int((weight > 0).sum())))
    assert weight.min() >= 0 and weight.max() <= 1
