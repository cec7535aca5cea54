"""ROC and precision-recall curves as points to draw."""

from __future__ import annotations

import numpy as np

MOST = 400  # points of a curve: more cannot be seen
_EMPTY = np.empty(0)


def roc(labels: np.ndarray, probabilities: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """ROC curve of one class against the rest.

    Args:
        labels: (N,) label indices.
        probabilities: (N, K).
        k: The class.

    Returns:
        False positive rate and true positive rate, (M,) each, from (0, 0) to (1, 1), at most ``MOST``; both empty where
        the class, or the rest, has no faces.
    """
    return _roc(labels == k, probabilities[:, k])


def roc_micro(labels: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same over all pairs of face and class."""
    return _roc((labels[:, None] == np.arange(probabilities.shape[1])).ravel(), probabilities.ravel())


def roc_macro(labels: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean over classes of the true positive rate at the same false positive rate (Fawcett 2006, vertical averaging).

    Returns:
        As ``roc``; classes without faces are left out, and both are empty where no class has a curve.
    """
    curves = [_roc(labels == k, probabilities[:, k], None) for k in range(probabilities.shape[1])]
    curves = [curve for curve in curves if len(curve[0])]
    if not curves:
        return _EMPTY, _EMPTY
    grid = np.unique(np.concatenate([x for x, _ in curves]))
    # Where a curve rises at one rate, np.interp takes its upper end there; from the right, its lower one.
    upper = np.mean([np.interp(grid, x, y) for x, y in curves], axis=0)
    lower = np.mean([np.interp(-grid, -x[::-1], y[::-1]) for x, y in curves], axis=0)
    return _thinned(grid.repeat(2), np.column_stack([lower, upper]).ravel())


def precision_recall(labels: np.ndarray, probabilities: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Precision-recall curve of one class against the rest, one point per step of recall.

    To be drawn as steps, each point's precision holding from the recall before it: the area under them is the average
    precision.

    Args:
        labels: (N,) label indices.
        probabilities: (N, K).
        k: The class.

    Returns:
        Recall, rising from 0 to 1, and precision, (M,) each, at most ``MOST``; the first point is the precision of the
        most probable faces at recall 0. Both empty where the class has no faces.
    """
    hits, misses = _counts(labels == k, probabilities[:, k])
    if hits[-1] == 0:
        return _EMPTY, _EMPTY
    rises = np.flatnonzero(np.diff(hits)) + 1
    recall, precision = hits[rises] / hits[-1], hits[rises] / (hits[rises] + misses[rises])
    return _thinned(np.append(0, recall), np.append(precision[0], precision))


def _counts(own: np.ndarray, probability: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Faces of the class, and others, at or above each distinct probability, falling; both begin with 0."""
    order = np.argsort(-probability, kind="stable")
    last = np.append(np.flatnonzero(np.diff(probability[order])), len(order) - 1) if len(order) else np.empty(0, int)
    return np.append(0, np.cumsum(own[order])[last]), np.append(0, np.cumsum(~own[order])[last])


def _roc(own: np.ndarray, probability: np.ndarray, most: int | None = MOST) -> tuple[np.ndarray, np.ndarray]:
    hits, misses = _counts(own, probability)
    if hits[-1] == 0 or misses[-1] == 0:
        return _EMPTY, _EMPTY
    x, y = misses / misses[-1], hits / hits[-1]
    return (x, y) if most is None else _thinned(x, y)


def _thinned(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """At most ``MOST`` of the points, the ends among them, at like distances along the curve."""
    if len(x) <= MOST:
        return x, y
    along = np.append(0, np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y))))
    kept = np.unique(np.searchsorted(along, np.linspace(0, along[-1], MOST)))
    return x[kept], y[kept]
