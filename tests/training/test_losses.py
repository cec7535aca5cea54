"""Targets and their cross-entropy, against the definition written out in numpy."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.utils.class_weight import compute_class_weight

from mien.expressions import FER2013, FERPLUS, Vocabulary
from mien.recipe import LossSection
from mien.training.losses import balanced_weights, cross_entropy, targets, vocabularies, vote_distribution

VOTES = np.array(
    [
        [10, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        [3, 3, 0, 0, 2, 0, 0, 0, 2, 0],
        [0] * 10,
        [1, 0, 0, 0, 0, 0, 0, 0, 0, 9],
        [0, 5, 0, 0, 0, 0, 0, 0, 0, 5],
    ]
)
LABELS = np.array([0, 6, 3, 2, 5])


def batch() -> dict[str, torch.Tensor]:
    return {"labels": torch.tensor(LABELS), "votes": torch.tensor(VOTES, dtype=torch.uint8)}


def log_softmax(x: np.ndarray) -> np.ndarray:
    return np.asarray(x - np.log(np.exp(x).sum(1, keepdims=True)))


def test_loss_is_its_definition() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(5, 7)), rng.normal(size=(5, 8))
    weights = np.linspace(0.5, 2, 7)
    target = np.full((5, 7), 0.1 / 7)
    target[np.arange(5), LABELS] += 0.9
    hard = (-(target * log_softmax(a)).sum(1) * weights[LABELS]).mean()
    named = VOTES[:, :8] / np.maximum(VOTES[:, :8].sum(1, keepdims=True), 1)
    share = np.array([1, 0.8, 0, 0, 0.5])  # no votes; mostly "not a face"; exactly half is not most
    soft = (-(named * log_softmax(b)).sum(1) * share).mean()
    section = LossSection(labels=2, votes=3, label_smoothing=0.1)
    wanted = targets(batch(), FER2013, section, torch.tensor(weights))
    got = cross_entropy({"fer2013": torch.tensor(a), "ferplus": torch.tensor(b)}, wanted)
    np.testing.assert_allclose(float(got), 2 * hard + 3 * soft, rtol=1e-5)


def test_labels_and_votes_of_one_vocabulary_share_a_head() -> None:
    section = LossSection(labels=1, votes=0.5)
    assert [v.name for v in vocabularies(FERPLUS, section)] == ["ferplus"]
    wanted = targets(batch(), FERPLUS, section)
    assert list(wanted) == ["ferplus"] and wanted["ferplus"].shape == (5, 8)
    torch.testing.assert_close(wanted["ferplus"].sum(1), torch.tensor([1.5, 1.4, 1.0, 1.0, 1.25]))


def test_heads_are_those_that_something_is_learnt_for() -> None:
    moods = Vocabulary("moods", ("a", "b"))
    assert [v.name for v in vocabularies(moods, LossSection())] == ["moods"]
    assert [v.name for v in vocabularies(FER2013, LossSection(votes=1))] == ["fer2013", "ferplus"]
    assert [v.name for v in vocabularies(FER2013, LossSection(labels=0, votes=1))] == ["ferplus"]


def test_vote_distributions_sum_to_one_where_they_weigh() -> None:
    votes = torch.randint(0, 6, (200, 10), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    target, weight = vote_distribution(votes)
    torch.testing.assert_close(target[weight > 0].sum(1), torch.ones(int((weight > 0).sum())))
    assert weight.min() >= 0 and weight.max() <= 1


def test_balanced_weights_are_scikit_learns() -> None:
    labels = np.random.default_rng(0).choice(4, 500, p=[0.1, 0.2, 0.3, 0.4])
    expected = compute_class_weight("balanced", classes=np.arange(4), y=labels)
    np.testing.assert_allclose(balanced_weights(labels, 4).numpy(), expected, rtol=1e-6)
