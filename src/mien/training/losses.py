"""The two-headed loss."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from mien.expressions import FER2013, FERPLUS
from mien.recipe import LossSection


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


def two_headed_loss(
    logits: dict[str, Tensor], labels: Tensor, votes: Tensor, section: LossSection, class_weights: Tensor | None = None
) -> Tensor:
    """Weighted sum of both cross-entropies, a mean over the batch.

    Args:
        logits: By vocabulary name, (N, len(vocabulary)).
        labels: (N,) FER2013 labels.
        votes: (N, 10) FER+ votes.
        section: Weights and smoothing.
        class_weights: (7,) weight of each FER2013 label in its cross-entropy; votes are not weighted.
    """
    hard = functional.cross_entropy(
        logits[FER2013.name].float(), labels, weight=class_weights, label_smoothing=section.label_smoothing
    )
    target, weight = vote_distribution(votes)
    soft = functional.cross_entropy(logits[FERPLUS.name].float(), target, reduction="none")
    return section.fer2013 * hard + section.ferplus * (soft * weight).mean()
