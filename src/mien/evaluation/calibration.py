"""How far a probability can be believed: temperature scaling, calibration error, and when to say "uncertain"."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mien.errors import DataError


def softmax(logits: np.ndarray) -> np.ndarray:
    """Rows of logits → rows that sum to 1; (N, K) float."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """Temperature T that makes softmax(logits / T) likeliest (Guo et al. 2017, arXiv 1706.04599).

    Args:
        logits: (N, K) of faces that were not trained on.
        labels: (N,) label indices.

    Returns:
        T, between 0.05 and 20; the likelihood has one maximum in 1 / T, found by golden-section search over log T.
    """
    if not len(labels):
        raise DataError("no faces to fit a temperature on", "a validation part with labels")
    logits = np.asarray(logits, dtype=np.float64)
    at = np.arange(len(labels))

    def loss(log_t: float) -> float:
        scaled = logits / np.exp(log_t)
        top = scaled.max(axis=1)
        return float((top + np.log(np.exp(scaled - top[:, None]).sum(axis=1)) - scaled[at, labels]).mean())

    low, high, ratio = np.log(0.05), np.log(20.0), (np.sqrt(5) - 1) / 2
    for _ in range(60):
        a, b = high - ratio * (high - low), low + ratio * (high - low)
        low, high = (low, b) if loss(a) < loss(b) else (a, high)
    return float(np.exp((low + high) / 2))


def expected_calibration_error(probabilities: np.ndarray, labels: np.ndarray, bins: int = 15) -> float:
    """Mean distance of confidence and accuracy over bins of equal width, weighted by their faces (Guo et al. 2017).

    Args:
        probabilities: (N, K).
        labels: (N,) label indices.
        bins: Number of bins over 0 to 1.
    """
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = np.bincount(which, confidence - right, bins)
    return float(np.abs(gaps).sum() / len(labels))


@dataclass(frozen=True)
class Threshold:
    """A confidence under which to say "uncertain".

    Attributes:
        confidence: The threshold.
        accuracy: Share right at or above it.
        share: Share of faces at or above it.
    """

    confidence: float
    accuracy: float
    share: float


def certainty_threshold(probabilities: np.ndarray, labels: np.ndarray, accuracy: float = 0.8) -> Threshold:
    """Lowest confidence above which at least this share is right (selective classification, Geifman & El-Yaniv 2017).

    Args:
        probabilities: (N, K) of faces that were not trained on.
        labels: (N,) label indices.
        accuracy: Share wanted.

    Returns:
        The threshold; where no threshold reaches ``accuracy``, the one of the most confident face.
    """
    confidence = probabilities.max(axis=1)
    order = np.argsort(-confidence, kind="stable")
    right = (probabilities.argmax(axis=1) == labels)[order]
    share_right = np.cumsum(right) / np.arange(1, len(right) + 1)
    enough = np.flatnonzero(share_right >= accuracy)
    last = int(enough[-1]) if len(enough) else 0
    return Threshold(float(confidence[order[last]]), float(share_right[last]), (last + 1) / len(right))
