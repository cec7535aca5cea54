"""What is learnt: for each face and vocabulary a weighted distribution, and the cross-entropy with it.

Every target is an unnormalised distribution, weight × share of each class. The loss is linear in it and a mean over
faces, so that mixing faces, working a batch off in pieces and spreading it over processes change nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from mien.expressions import FERPLUS, Vocabulary, ferplus_majority
from mien.recipe import LossSection
from mien.training.batches import Batch


def vocabularies(labels: Vocabulary, section: LossSection) -> tuple[Vocabulary, ...]:
    """The heads that a recipe asks for: the labels' own vocabulary, then FER+ for the votes."""
    wanted = [labels] if section.labels else []
    if section.votes and FERPLUS.name not in [v.name for v in wanted]:
        wanted.append(FERPLUS)
    return tuple(wanted)


def vote_distribution(votes: Tensor) -> tuple[Tensor, Tensor]:
    """FER+ votes as soft targets (Barsoum et al. 2016, "probability" scheme without outlier removal).

    Args:
        votes: (N, 10) counts in the order of ``FERPLUS_VOTES``.

    Returns:
        (N, 8) distribution over expressions, and (N,) weight: the share of votes that named an expression, 0 where
        there were no votes or most of them said "not a face".
    """
    named = votes[:, : len(FERPLUS)].float()
    total = votes.float().sum(1)
    share = named.sum(1)
    weight = torch.where((total > 0) & (2 * votes[:, -1] <= total), share / total.clamp(min=1), 0.0)
    return named / share.clamp(min=1)[:, None], weight


def targets(
    batch: Batch, labels: Vocabulary, section: LossSection, class_weights: Tensor | None = None
) -> dict[str, Tensor]:
    """What each head is to learn.

    Args:
        batch: Its ``labels`` and ``votes`` are used.
        labels: What the labels mean.
        section: Weights and smoothing.
        class_weights: (len(labels),) weight of each label; votes are not weighted. As in Keras, the loss of a face is
            multiplied by it and the mean is over faces.

    Returns:
        By vocabulary name, (N, len(vocabulary)) weight × share of each class.
    """
    found: dict[str, Tensor] = {}
    if section.labels:
        k, smoothing = len(labels), section.label_smoothing
        hard = functional.one_hot(batch["labels"], k).float() * (1 - smoothing) + smoothing / k
        weight = 1.0 if class_weights is None else class_weights[batch["labels"]][:, None]
        found[labels.name] = section.labels * weight * hard
    if section.votes:
        distribution, weight = vote_distribution(batch["votes"])
        soft = section.votes * weight[:, None] * distribution
        found[FERPLUS.name] = found[FERPLUS.name] + soft if FERPLUS.name in found else soft
    return found


def cross_entropy(logits: dict[str, Tensor], wanted: dict[str, Tensor]) -> Tensor:
    """Sum over the heads of the cross-entropy with what ``targets`` gave, a mean over faces."""
    terms = [
        -(target * functional.log_softmax(logits[name].float(), dim=1)).sum(1).mean() for name, target in wanted.items()
    ]
    return torch.stack(terms).sum()


def truth(votes: np.ndarray, labels: np.ndarray, own: Vocabulary, asked: Vocabulary) -> np.ndarray:
    """(N,) int64 right answers in a vocabulary: the labels in their own, FER+'s majority in FER+; -1 where unknown."""
    return labels.astype(np.int64) if asked.name == own.name else np.asarray(ferplus_majority(votes), np.int64)


def balanced_weights(labels: np.ndarray, classes: int) -> Tensor:
    """(classes,) float: n / (classes × faces of the class), as scikit-learn's ``balanced``."""
    count = np.bincount(labels, minlength=classes)
    return torch.tensor(len(labels) / (classes * np.maximum(count, 1)), dtype=torch.float32)


def named_weights(weights: dict[str, float], labels: Sequence[str]) -> Tensor | None:
    """A split's class weights in the order of the labels; None where it has none."""
    return torch.tensor([weights[label] for label in labels]) if weights else None
