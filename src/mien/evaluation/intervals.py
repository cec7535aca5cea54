"""95% intervals: the percentile bootstrap over faces, and Wilson's for a plain share."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mien.evaluation.measures import Estimate

Z = 1.959963984540054  # 97.5% of a normal distribution lies below
_ENDS = (0.025, 0.975)
_CELLS = 2**19  # of a chunk of weights: 4 MB
_ROUNDING = 1e-12  # Resamples of equal numbers differ by less.
_FEW = 30  # Under so many faces the bootstrap of a share is too narrow.


def weights(n: int, draws: int, seed: int) -> Iterator[np.ndarray]:
    """How often each face is in each resample of the bootstrap (Efron 1979), in chunks.

    A number of the faces that is written with weights gives its bootstrap distribution with these, and itself with
    weights of one. The same ``n`` and ``seed`` give the same weights: which face has which weight depends on the order
    of the faces, so sort them where another order must not change the interval.

    Args:
        n: Faces.
        draws: Resamples, each of ``n`` faces with replacement.
        seed: Of the draw.

    Yields:
        (d, n) int64, each row sums to ``n``; the d of all chunks sum to ``draws``.
    """
    rng = np.random.default_rng(seed)
    most = max(1, _CELLS // max(n, 1))
    for start in range(0, draws, most):
        d = min(most, draws - start)
        if n == 0:
            yield np.zeros((d, 0), np.int64)
            continue
        faces = rng.integers(0, n, (d, n)) + n * np.arange(d)[:, None]
        yield np.bincount(faces.ravel(), minlength=d * n).reshape(d, n)


def face_order(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Positions that put faces in an order of their own, whatever order they come in; only equal faces may swap.

    By label and answer first: numbers that need no more than those have the same intervals with and without the rest.

    Args:
        labels: (N,) label indices.
        probabilities: (N, K).
    """
    cells = labels.astype(np.int64) * probabilities.shape[1] + probabilities.argmax(axis=1)
    return np.lexsort((*probabilities.T, cells))


def estimate(value: float, drawn: np.ndarray, n: int) -> Estimate:
    """A number with its percentile bootstrap interval.

    There is no interval where resamples do not move the number, such as the macro F1 of answers that are all right: one
    without width would say that the number is known exactly, on however few faces.

    Args:
        value: On the faces themselves; nan where it is not defined.
        drawn: (D,) on the resamples; those in which it is not defined (nan) are left out.
        n: Faces it is about.
    """
    if not np.isfinite(value):
        return Estimate(None, None, None, n)
    defined = drawn[np.isfinite(drawn)]
    if not len(defined):
        return Estimate(float(value), None, None, n)
    low, high = np.quantile(defined, _ENDS)
    return _between(float(value), float(low), float(high), n)


def _between(value: float, low: float, high: float, n: int) -> Estimate:
    """A number with these ends, or without where they are one."""
    if high - low <= _ROUNDING * max(1.0, abs(value)):
        return Estimate(value, None, None, n)
    return Estimate(value, low, high, n)


def mean_estimate(values: np.ndarray, draws: int = 2000, seed: int = 0) -> Estimate:
    """Mean over faces with its percentile bootstrap interval.

    Args:
        values: (N,) a finite number per face; their order changes nothing.
        draws: Bootstrap resamples.
        seed: Their seed.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    n = len(ordered)
    if not n:
        return Estimate(None, None, None, 0)
    drawn = [chunk @ ordered / n for chunk in weights(n, draws, seed)]
    return estimate(float(ordered.mean()), np.concatenate([np.empty(0), *drawn]), n)


def share_estimate(right: int, n: int) -> Estimate:
    """A share of faces with Wilson's score interval (Wilson 1927), which holds for few faces and for all or none right.

    Args:
        right: Faces that count, 0 to ``n``.
        n: All faces; with none the share is not defined.
    """
    if not n:
        return Estimate(None, None, None, 0)
    share, weight = right / n, Z**2 / n
    middle = (share + weight / 2) / (1 + weight)
    half = np.sqrt(weight * share * (1 - share) + weight**2 / 4) / (1 + weight)
    # All or none right: the end is exactly 1 or 0, which rounding may miss.
    low = 0.0 if right == 0 else float(middle - half)
    high = 1.0 if right == n else float(middle + half)
    return Estimate(share, low, high, n)


def resampled_share(right: int, n: int, drawn: np.ndarray) -> Estimate:
    """A share of faces with its percentile bootstrap interval, or Wilson's where resamples say too little.

    Resamples of faces that are all right, or all wrong, are so too: their interval has no width. That of fewer than 30
    faces is too narrow. Wilson's is neither.

    Args:
        right: Faces that count, 0 to ``n``.
        n: All faces.
        drawn: (D,) the share on the resamples; nan where it is not defined.
    """
    if n < _FEW or right in (0, n):
        return share_estimate(right, n)
    return estimate(right / n, drawn, n)


def distance_estimate(gaps: np.ndarray, drawn: np.ndarray, n: int) -> Estimate:
    """A sum of absolute values, such as a calibration error over bins, with an interval that allows for its bias.

    Chance adds to a sum of absolute values, to that of a resample once more: the percentile interval lies too high, and
    above the truth where that is near 0. So the lower end is as far below the value as the upper is above it, and 0
    where the gaps are within what resampling moves them by. There is none where nothing moves, as in ``estimate``.

    Args:
        gaps: (M,) on the faces themselves.
        drawn: (D, M) on the resamples.
        n: Faces it is about.
    """
    value = float(np.abs(gaps).sum())
    if not len(drawn):
        return Estimate(value, None, None, n)
    # The value itself is the least that the upper end can be: resamples are at or above it but for chance.
    high = max(value, float(np.quantile(np.abs(drawn).sum(axis=1), _ENDS[1])))
    moved = float(np.quantile(np.abs(drawn - gaps).sum(axis=1), _ENDS[1]))
    return _between(value, 0.0 if value <= moved else max(0.0, 2 * value - high), high, n)
