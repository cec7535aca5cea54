"""Probabilities against the distribution of the taggers' votes."""

from __future__ import annotations

import numpy as np

from mien.evaluation.intervals import mean_estimate
from mien.evaluation.measures import VoteScores

_LEAST = np.finfo(np.float64).eps  # of a probability under a logarithm, as for the log loss


def against_votes(shares: np.ndarray, probabilities: np.ndarray, draws: int = 2000, seed: int = 0) -> VoteScores | None:
    """How far probabilities are from the shares of the votes.

    Args:
        shares: (N, K) shares of each face's votes, rows that sum to 1; a row of zeros, a face without votes for an
            expression, is left out.
        probabilities: (N, K), rows sum to 1.
        draws: Bootstrap resamples.
        seed: Their seed.

    Returns:
        None where no face has votes. The baseline says the mean shares of these faces of each.
    """
    voted = shares.any(axis=1)
    if not voted.any():
        return None
    shares, probabilities = shares[voted], probabilities[voted].astype(np.float64)
    cross_entropy, divergence, distance = _distances(shares, probabilities)
    mean = np.broadcast_to(shares.mean(axis=0), shares.shape)
    baseline = zip(("cross_entropy", "divergence", "distance"), _distances(shares, mean), strict=True)
    chosen = shares[np.arange(len(shares)), probabilities.argmax(axis=1)]
    return VoteScores(
        n=len(shares),
        cross_entropy=mean_estimate(cross_entropy, draws, seed),
        divergence=mean_estimate(divergence, draws, seed),
        distance=mean_estimate(distance, draws, seed),
        baseline={name: float(values.mean()) for name, values in baseline},
        expected_agreement=mean_estimate(chosen, draws, seed),
        best_agreement=mean_estimate(shares.max(axis=1), draws, seed),
    )


def _distances(shares: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cross-entropy and divergence in nats, total variation distance; (N,) each."""
    cross_entropy = -(shares * np.log(np.maximum(probabilities, _LEAST))).sum(axis=1)
    entropy = -(shares * np.log(np.where(shares > 0, shares, 1))).sum(axis=1)
    return cross_entropy, cross_entropy - entropy, np.abs(shares - probabilities).sum(axis=1) / 2
