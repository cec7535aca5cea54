"""Do printed accuracies carry what is claimed of them: a difference, an advantage, one number in two places?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import combinations

from mien.evaluation.published.chance import at_most, exact_interval
from mien.evaluation.published.figures import DOUBT, FAULT, FINE, Finding, Result, span, unit

_LEVEL = 0.05
_FEWEST = 6  # images that only one of two models has right, for McNemar's exact p < 0.05
_SEEN = (1.959964 + 0.841621) ** 2  # two-sided 5%, found with a chance of 80%


def whole(printed: Decimal, n: int) -> tuple[int, int]:
    """Least and most images of ``n`` that a printed share can stand for; the first is the larger where none can."""
    low, high = span(printed)
    return max(0, math.ceil(low * n)), min(n, math.floor(high * n))


def exact_mcnemar(first: int, second: int) -> float:
    """Exact two-sided p of McNemar's test (1947), from the images that only one of two models has right.

    The exact one, not the mid-p by which ``evaluation.comparison`` compares answers that it has: here the most
    favourable overlap is assumed already.

    Args:
        first: Images that only the first has right.
        second: Only the second.
    """
    return min(1.0, 2 * at_most(min(first, second), first + second, 0.5))


def bounds(least: int, most: int, n: int) -> tuple[float, float]:
    """McNemar's p for two numbers of right answers, at best and at worst.

    Args:
        least: Right answers of the worse model.
        most: Of the better one.
        n: Images.

    Returns:
        p if all that the worse has right the better has too; p if they share as few as they can.
    """
    shared = max(0, least + most - n)
    return exact_mcnemar(most - least, 0), exact_mcnemar(most - shared, least - shared)


def claims(result: Result) -> list[Finding]:
    """What is claimed of the accuracies of a result, checked."""
    checks = (_differ(result), _baseline(result), _training(result), *_same(result))
    return [found for found in checks if found is not None]


def _differ(result: Result) -> Finding | None:
    """Whether accuracies on the same images can be told apart."""
    named, n = result.claims.differ, result.n or result.images
    if n is None or len(named) < 2:
        return None
    best, worst = max(named, key=named.__getitem__), min(named, key=named.__getitem__)
    low, high = sorted(whole(named[worst], n)), sorted(whole(named[best], n))
    gap = round(float(named[best] - named[worst]), 12)
    listed = "; ".join(f"{name}: {value} ({_ends(value, n)})" for name, value in named.items())
    at_best, _ = bounds(low[0], max(high[1], low[0]), n)
    _, at_worst = bounds(min(low[1], high[0]), high[0], n)
    how = f"at n = {n:,}: {listed}. {best} has {_images(high)} right, {worst} {_images(low)}"
    how += f"; McNemar's p is {_p(at_best)} if their answers overlap most, {_p(at_worst)} if least"
    if at_worst < _LEVEL:
        alike = [pair for pair in combinations(named, 2) if not _apart(named[pair[0]], named[pair[1]], n)]
        if not alike:
            return Finding(result.name, "difference", FINE, "The accuracies differ", how)
        what = f"{len(alike)} of {math.comb(len(named), 2)} differences may be chance"
        reading = (
            "Say so of " + "; ".join(f"{a} and {b}" for a, b in alike[:4]) + (" and others." if len(alike) > 4 else ".")
        )
        return Finding(result.name, "difference", DOUBT, what, how, reading)
    need = f"{math.ceil(_FEWEST / gap):,} images at the very least" if gap else "more images than can be said"
    p, q = float(named[best]), float(named[worst])
    if gap:
        need += f", {math.ceil(_SEEN * (p * (1 - p) + q * (1 - q)) / gap**2):,} where the two err independently"
    if at_best >= _LEVEL:
        what = f"{n:,} images are too few for the claimed differences: none of them can be told from chance"
        reading = f"The accuracies are the same within their intervals. To tell {best} from {worst} takes {need}."
        return Finding(result.name, "difference", FAULT, what, how, reading)
    reading = f"Test the pairs of answers, image by image. Without them: {need}."
    return Finding(result.name, "difference", DOUBT, f"{best} and {worst} may differ by chance", how, reading)


def _apart(a: Decimal, b: Decimal, n: int) -> bool:
    """Whether two accuracies differ however their answers overlap."""
    least, most = sorted((sorted(whole(a, n)), sorted(whole(b, n))))
    return bounds(min(least[1], most[0]), most[0], n)[1] < _LEVEL


def _images(ends: Sequence[int]) -> str:
    low, high = ends
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _ends(printed: Decimal, n: int) -> str:
    low, high = exact_interval(round(float(printed) * n), n)
    return f"{low:.3f} to {high:.3f}"


def _p(p: float) -> str:
    return f"{p:.2g}" if p >= 0.001 else "below 0.001"


def _baseline(result: Result) -> Finding | None:
    accuracy, rival = result.accuracy, result.claims.baseline
    if accuracy is None or rival is None:
        return None
    n = result.images
    low = float(accuracy) if n is None else exact_interval(round(float(accuracy) * n), n)[0]
    of = f"{accuracy} against {rival}" + ("" if n is None else f"; the interval at n = {n:,} begins at {low:.4f}")
    if accuracy <= rival:
        reading = "The baseline is as good or better."
        return Finding(result.name, "difference", FAULT, "It does not beat its baseline", of, reading)
    if low <= float(rival):
        reading = "The advantage may be chance: test the pairs of answers, image by image."
        return Finding(result.name, "difference", DOUBT, "Cannot be told from its baseline", of, reading)
    return Finding(result.name, "difference", FINE, "Better than its baseline", of)


def _training(result: Result) -> Finding | None:
    """Whether images that were not trained on are recognised better than those that were."""
    accuracy, trained = result.accuracy, result.train_accuracy
    if accuracy is None or trained is None:
        return None
    p, q, gap = float(accuracy), float(trained), float(accuracy - trained)
    of = f"{accuracy} against {trained} on the images trained on"
    if gap <= (unit(accuracy) + unit(trained)) / 2:
        return Finding(result.name, "training", FINE, "No better than on the images trained on", of)
    if result.images is not None:
        n, m = result.images, result.train_n or math.inf
        error = 1.959964 * math.sqrt(p * (1 - p) / n + q * (1 - q) / m)
        of += f": {100 * gap:.2f} points, of which chance explains {100 * error:.2f}"
        if gap <= error:
            return Finding(result.name, "training", FINE, "As good as on the images trained on", of)
    reading = (
        "The training accuracy was taken under other conditions (augmented, with dropout), or the sets are not alike."
    )
    return Finding(result.name, "training", DOUBT, "Better on new images than on those trained on", of, reading)


def _same(result: Result) -> Iterator[Finding]:
    """Whether one accuracy is printed alike wherever it is printed."""
    values = [*([] if result.accuracy is None else [result.accuracy]), *result.claims.same]
    for a, b in ((values[0], other) for other in dict.fromkeys(values[1:])):
        low, high = max(span(a)[0], span(b)[0]), min(span(a)[1], span(b)[1])
        if low <= high:
            continue
        coarse, fine = sorted((a, b), key=unit, reverse=True)
        how = f"{a} and {b} are printed for the same accuracy, {100 * abs(float(a - b)):.2f} points apart"
        if coarse <= fine < float(coarse) + unit(coarse):
            what, severity = "One accuracy is cut off, not rounded", DOUBT
            reading = f"{coarse} stands for {fine}."
        else:
            what, severity = "One accuracy has two values", FAULT
            reading = "Two models, two sets or two ways to measure: say of each number which it is."
        yield Finding(result.name, "claims", severity, what, how, reading)
