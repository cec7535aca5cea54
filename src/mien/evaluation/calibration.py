"""How far a probability can be believed: temperature, calibration error, and when to say "uncertain"."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mien.errors import DataError
from mien.evaluation.intervals import distance_estimate, estimate, face_order, share_estimate, weights
from mien.evaluation.measures import Bin, Certainty, OperatingPoint, Reliability

BINS = 15  # of the calibration error, of equal width, as in Guo et al. 2017
_CURVE_POINTS = 101
# Rates are decimal fractions and shares are quotients of counts: 1 - 0.7 is a little more than 3 / 10.
_ROUNDING = 1e-9


def softmax(logits: np.ndarray) -> np.ndarray:
    """Rows of logits → rows that sum to 1; (N, K) float."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def log_probabilities(probabilities: np.ndarray) -> np.ndarray:
    """(N, K) float64 natural logarithms, of zero the least that a float can tell from one.

    They equal the logits up to a constant for each row, so that temperature scaling works on anyone's probabilities.
    """
    p = np.asarray(probabilities, np.float64)
    return np.log(np.clip(p, np.finfo(np.float64).eps, None))


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


def expected_calibration_error(probabilities: np.ndarray, labels: np.ndarray, bins: int = BINS) -> float:
    """Mean distance of confidence and accuracy over bins of equal width, weighted by their faces (Guo et al. 2017).

    Args:
        probabilities: (N, K).
        labels: (N,) label indices.
        bins: Number of bins over 0 to 1.
    """
    return float(np.abs(binned_gaps(probabilities, labels, bins).sum(axis=0)).sum() / len(labels))


def binned_gaps(probabilities: np.ndarray, labels: np.ndarray, bins: int = BINS) -> np.ndarray:
    """(N, bins) confidence less 1 where right, else confidence, in the column of each face's bin; zero elsewhere."""
    confidence, right = _answers(probabilities, labels)
    found: np.ndarray = np.zeros((len(right), bins))
    found[np.arange(len(right)), _bin(confidence, bins)] = confidence - right
    return found


def _answers(probabilities: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N,) confidence of each answer, and whether it is right."""
    return probabilities.max(axis=1), probabilities.argmax(axis=1) == labels


def _bin(confidence: np.ndarray, bins: int) -> np.ndarray:
    return np.asarray(np.minimum((confidence * bins).astype(int), bins - 1))


@dataclass(frozen=True)
class Threshold:
    """A confidence under which to say "uncertain".

    Attributes:
        confidence: The threshold.
        accuracy: Share right at or above it.
        share: Share of faces at or above it.
        reached: Whether ``accuracy`` is what was wanted.
    """

    confidence: float
    accuracy: float
    share: float
    reached: bool


def certainty_threshold(probabilities: np.ndarray, labels: np.ndarray, accuracy: float = 0.8) -> Threshold:
    """Lowest confidence above which at least this share is right (selective classification, Geifman & El-Yaniv 2017).

    Faces of equal confidence are answered together: a threshold cannot part them.

    Args:
        probabilities: (N, K) of faces that were not trained on.
        labels: (N,) label indices.
        accuracy: Share wanted.

    Returns:
        The threshold; where none reaches ``accuracy``, that of the most confident faces.

    Raises:
        DataError: There are no faces.
    """
    if not len(labels):
        raise DataError("no faces to choose a threshold on", "a validation part with labels")
    confidence, right = _answers(probabilities, labels)
    order, ends = _falling(confidence)
    share_right = np.cumsum(right[order])[ends] / (ends + 1)
    enough = np.flatnonzero(share_right >= accuracy - _ROUNDING)
    last = int(enough[-1]) if len(enough) else 0
    return Threshold(
        float(confidence[order[ends[last]]]),
        float(share_right[last]),
        float((ends[last] + 1) / len(right)),
        bool(len(enough)),
    )


def check_error_rates(error_rates: Iterable[float]) -> None:
    """DataError if one is no share between 0 and 1."""
    for rate in error_rates:
        if not 0 < rate < 1:
            raise DataError(f"the error rate {rate:g}", "a share between 0 and 1, such as 0.1 for one wrong in ten")


def _falling(confidence: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Order of falling confidence, and the last place in it of each confidence that occurs."""
    order = np.argsort(-confidence, kind="stable")
    falling = confidence[order]
    return order, np.flatnonzero(np.append(falling[1:] != falling[:-1], True))


def selective_accuracy(probabilities: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Accuracy against the share of faces answered, the most confident first (Geifman & El-Yaniv 2017).

    Args:
        probabilities: (N, K).
        labels: (N,) label indices.

    Returns:
        Shares answered, ascending to 1, and the share right among them; at most 101 points. Faces of equal confidence
        are answered together.
    """
    confidence, right = _answers(probabilities, labels)
    order, ends = _falling(confidence)
    n = len(right)
    if len(ends) > _CURVE_POINTS:  # the first point, and the next after each hundredth
        wanted = np.linspace(0, n, _CURVE_POINTS)[1:] - 1 - _ROUNDING
        ends = ends[np.unique(np.append(0, np.searchsorted(ends, wanted)))]
    return (ends + 1) / n, np.cumsum(right[order])[ends] / (ends + 1)


def _risk_areas(counts: np.ndarray, probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(d,) areas under the risk-coverage curve of d resamples.

    The mean over all faces of the share wrong among those that are at least as confident.

    Args:
        counts: (d, N) how often each face is in a resample; ones for the faces themselves.
        probabilities: (N, K).
        labels: (N,) label indices.
    """
    confidence, right = _answers(probabilities, labels)
    order, ends = _falling(confidence)
    drawn = counts[:, order]
    answered = np.cumsum(drawn, axis=1)[:, ends].astype(np.float64)
    wrong = np.cumsum(drawn * ~right[order], axis=1)[:, ends]
    of_this_confidence = np.diff(answered, axis=1, prepend=0)
    return np.asarray((of_this_confidence * wrong / np.maximum(answered, 1)).sum(axis=1) / answered[:, -1])


def assess(
    protocol: str,
    labels: np.ndarray,
    probabilities: np.ndarray,
    held: tuple[np.ndarray, np.ndarray] | None,
    held_name: str,
    error_rates: Sequence[float],
    draws: int = 2000,
    seed: int = 0,
) -> Certainty:
    """How sure the answers are: calibration, selective accuracy and thresholds, with bootstrap intervals over faces.

    Temperature and thresholds are chosen on ``held`` and tried on the faces evaluated. Thresholds, selective accuracy
    and its area are of the probabilities as they are given.

    Args:
        protocol: Its name.
        labels: (n,) label indices of the faces evaluated; the order of the faces changes nothing.
        probabilities: (n, K) of them.
        held: Labels (h,) and probabilities (h, K) of faces held out of training; None, or without faces, if there are
            none.
        held_name: Their part.
        error_rates: Shares of wrong answers to choose thresholds for, each between 0 and 1.
        draws: Bootstrap resamples.
        seed: Their seed.

    Raises:
        DataError: No faces, labels that do not fit the probabilities, or an error rate that is no share.
    """
    check_error_rates(error_rates)
    labels, given = _in_order(labels, probabilities, "evaluated")
    views, temperature, points = [given], None, []
    if held is not None and len(held[0]):
        held_labels, held_given = _in_order(*held, "held out")
        temperature = fit_temperature(log_probabilities(held_given), held_labels)
        views.append(softmax(log_probabilities(given) / temperature))
        points = [_point(r, held_labels, held_given, labels, given) for r in error_rates]
    # Everything that is a mean over faces, as columns: a resample is one row of counts, and all are one product.
    terms = np.hstack([_terms(view, labels) for view in views])
    sums, areas = [], []
    for counts in _chunks(len(labels), draws, seed):
        sums.append(counts @ terms / counts.sum(axis=1, keepdims=True))
        areas.append(_risk_areas(counts, given, labels))
    means = np.vstack(sums).reshape(-1, len(views), BINS + 1)
    reliabilities = [_reliability(view, labels, means[:, i]) for i, view in enumerate(views)]
    area = np.concatenate(areas)
    share, accuracy = selective_accuracy(given, labels)
    return Certainty(
        protocol,
        "" if temperature is None else held_name,
        0 if temperature is None or held is None else len(held[0]),
        temperature,
        reliabilities[0],
        None if temperature is None else reliabilities[1],
        share.tolist(),
        accuracy.tolist(),
        estimate(float(area[0]), area[1:], len(labels)),
        points,
    )


def _chunks(n: int, draws: int, seed: int) -> Iterator[np.ndarray]:
    """The faces themselves, then resamples of them: (d, n) counts."""
    yield np.ones((1, n), np.int64)
    yield from weights(n, draws, seed)


def _in_order(labels: np.ndarray, probabilities: np.ndarray, which: str) -> tuple[np.ndarray, np.ndarray]:
    """Checked, in float64, and in an order of their own: equal faces in another order give equal numbers."""
    labels, probabilities = np.asarray(labels), np.asarray(probabilities, np.float64)
    if not len(labels):
        raise DataError(f"no faces are {which}", "at least one with a label")
    if probabilities.ndim != 2 or labels.shape != probabilities.shape[:1]:
        raise DataError(
            f"labels of shape {labels.shape} and probabilities of shape {probabilities.shape} of the faces {which}",
            "(n,) and (n, K)",
        )
    if not np.isfinite(probabilities).all():
        raise DataError(f"probabilities of the faces {which} that are no numbers", "numbers from 0 to 1")
    if not 0 <= labels.min() <= labels.max() < probabilities.shape[1]:
        raise DataError(
            f"labels from {labels.min()} to {labels.max()} of the faces {which}",
            f"0 to {probabilities.shape[1] - 1}",
            "Leave out the faces that the protocol does not count.",
        )
    order = face_order(labels, probabilities)
    return labels[order], probabilities[order]


def _terms(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(n, BINS + 1): for each face its gap in the column of its bin, then -log of the right class's probability."""
    surprise = -log_probabilities(probabilities)[np.arange(len(labels)), labels]
    return np.column_stack([binned_gaps(probabilities, labels), surprise])


def _reliability(probabilities: np.ndarray, labels: np.ndarray, means: np.ndarray) -> Reliability:
    """From the means of ``_terms``: those of the faces themselves first, then of the resamples."""
    n, gaps, surprise = len(labels), means[:, :BINS], means[:, BINS]
    confidence, right = _answers(probabilities, labels)
    which = _bin(confidence, BINS)
    count, sure, hits = (np.bincount(which, w, BINS) for w in (None, confidence, right))
    bins = [
        Bin(
            i / BINS,
            (i + 1) / BINS,
            int(count[i]),
            float(sure[i] / count[i]) if count[i] else None,
            float(hits[i] / count[i]) if count[i] else None,
        )
        for i in range(BINS)
    ]
    return Reliability(distance_estimate(gaps[0], gaps[1:], n), estimate(float(surprise[0]), surprise[1:], n), bins)


def _point(
    error_rate: float, held_labels: np.ndarray, held: np.ndarray, labels: np.ndarray, given: np.ndarray
) -> OperatingPoint:
    chosen = certainty_threshold(held, held_labels, 1 - error_rate)
    confidence, right = _answers(given, labels)
    certain = confidence >= chosen.confidence
    answered = int(certain.sum())
    return OperatingPoint(
        error_rate,
        chosen.confidence,
        chosen.reached,
        chosen.accuracy,
        chosen.share,
        share_estimate(int(right[certain].sum()), answered),
        share_estimate(answered, len(labels)),
    )
