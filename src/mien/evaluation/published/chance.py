"""Is a score what answers give that know nothing of the face: one class for all, guessing, or labels out of order?"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np

from mien.errors import DataError
from mien.evaluation.published.figures import DOUBT, FAULT, FINE, Finding, Result, span, unit

LITTLE, MUCH = 0.1, 0.5  # of Cohen's kappa: under the first nothing is recognised, under the second perhaps nothing
_Z, _Z_ONE_SIDED, _Z_ALL = 1.959964, 1.644854, 3.3  # 95%; 95% to one side; 99.9%, for a class out of many
_CLEAR = 20.0  # standard deviations beyond which tables need not be drawn
_DRAWS = 999
_FEW, _ONE_IN_20 = 2, 49  # of so many tables and the one at hand: p of 0.003 or more, of 0.05 or more
_SELDOM, _RARE = 0.05, 0.001


def at_most(k: int, n: int, p: float) -> float:
    """Chance of ``k`` or fewer of ``n`` independent events of chance ``p`` each: the binomial distribution."""
    if k < 0:
        return 0.0
    if k >= n or p <= 0:
        return 1.0
    if p >= 1:
        return 0.0
    if k > n * p:
        return 1.0 - at_most(n - k - 1, n, 1 - p)  # the smaller tail has the fewer terms
    log = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) + k * math.log(p) + (n - k) * math.log1p(-p)
    total, term = 0.0, 1.0
    for i in range(k, -1, -1):
        total += term
        if term < 1e-16 * total:
            break
        term *= i * (1 - p) / ((n - i + 1) * p)
    return math.exp(log) * total


def exact_interval(k: int, n: int) -> tuple[float, float]:
    """95% interval of a share, ``k`` of ``n``, by the binomial tails themselves (Clopper & Pearson 1934)."""
    low = 0.0 if k == 0 else _crossing(lambda p: 1 - at_most(k - 1, n, p) < 0.025)
    high = 1.0 if k == n else _crossing(lambda p: at_most(k, n, p) > 0.025)
    return low, high


def _crossing(below: Callable[[float], bool]) -> float:
    """The chance at which a tail crosses its limit, by halving."""
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if below(middle) else (low, middle)
    return (low + high) / 2


@dataclass(frozen=True)
class Chance:
    """Agreement of two lists of classes, one of which is shuffled.

    Attributes:
        agreement: Share expected to agree: Σ share among labels · share among answers.
        deviation: Its standard deviation over shuffles.
    """

    agreement: float
    deviation: float

    def kappa(self, accuracy: float) -> float:
        """Cohen's kappa (1960): what of the agreement beyond chance is reached."""
        return (accuracy - self.agreement) / (1 - self.agreement)

    def kappa_at_most(self, accuracy: float) -> float:
        """Upper end of its one-sided 95% interval, as wide as it is without any skill."""
        return self.kappa(accuracy) + _Z_ONE_SIDED * self.deviation / (1 - self.agreement)


def chance(support: np.ndarray, answered: np.ndarray) -> Chance:
    """What shuffled labels would give.

    Args:
        support: (K,) images of each class.
        answered: (K,) answers of each class, the same sum; two classes or more in each.
    """
    n = support.sum()
    both = np.asarray(support, np.float64) * answered
    apart = (both * (1 - support / n) * (1 - answered / n)).sum() + (both.sum() ** 2 - (both**2).sum()) / n**2
    return Chance(float(both.sum() / n**2), float(math.sqrt(apart / (n - 1)) / n))


def shuffled(confusion: np.ndarray) -> Finding | None:
    """Whether answers are independent of the labels, as they are when rows are out of order.

    The statistic is chi-square's; its distribution is that of tables with the same margins, drawn until enough are as
    far from independence (Besag & Clifford 1991), so that rare classes do no harm.

    Args:
        confusion: (K, K) counts; a row is the true class, a column the answer.

    Returns:
        A fault where the matrix rules out a kappa of 0.1 and does not rule out independence (p of 0.003 or more, so
        that hardly any shuffle is missed). A doubt where a kappa of 0.1 to 0.5 is possible, chi-square's p is 0.05 or
        more, and the accuracy is within 1.96 standard deviations of chance agreement. Else None: the answers depend on
        the labels, are all of one class, or are too few to say.

    Raises:
        DataError: Not a square matrix of counts.
    """
    if confusion.ndim != 2 or confusion.shape[0] != confusion.shape[1] or confusion.min(initial=0) < 0:
        raise DataError(f"a confusion matrix of shape {confusion.shape}", "(K, K) counts, 0 or more")
    cells = confusion.astype(np.int64)
    support, answered, n = cells.sum(axis=1), cells.sum(axis=0), int(cells.sum())
    if (support > 0).sum() < 2 or (answered > 0).sum() < 2:
        return None
    by_chance, accuracy = chance(support, answered), float(np.trace(cells) / n)
    high = by_chance.kappa_at_most(accuracy)
    far, enough = (_Z, _ONE_IN_20) if high >= LITTLE else (_CLEAR, _FEW)
    if high >= MUCH or abs(accuracy - by_chance.agreement) > far * by_chance.deviation:
        return None
    if not _independent(cells, enough):
        return None
    return _shuffled("", high, f"{accuracy:.4f} of {n:,} agree, and {_interval(by_chance)} would by chance")


def _shuffled(result: str, high: float, how: str) -> Finding:
    if high >= LITTLE:
        what = "The answers cannot be told from ones that are independent of the labels"
        reading = "Too few images were answered, or too few rightly, to show that anything is recognised."
        return Finding(result, "independence", DOUBT, what, how, reading)
    what = "The answers are independent of the labels, so rows are probably out of order"
    reading = (
        "This is no score of the model. Either answers were compared with the labels of other images, as when a "
        "shuffled iterator is scored against labels in file order, or it recognises nothing: pair them by row id."
    )
    return Finding(result, "independence", FAULT, what, how, reading)


def _interval(by_chance: Chance) -> str:
    low, high = (max(0.0, by_chance.agreement + z * by_chance.deviation) for z in (-_Z, _Z))
    return f"{by_chance.agreement:.4f} ({low:.4f} to {high:.4f})"


def _independent(cells: np.ndarray, enough: int) -> bool:
    """Whether so many of the tables drawn with these margins are as far from independence."""
    cells = cells[np.ix_(cells.sum(axis=1) > 0, cells.sum(axis=0) > 0)]
    support, answered = cells.sum(axis=1), cells.sum(axis=0)
    expected = np.outer(support, answered) / cells.sum()
    rng, here, as_far = np.random.default_rng(0), _chi_square(cells, expected), 0
    for _ in range(_DRAWS):
        left, drawn = answered.copy(), np.empty_like(cells)
        for k, size in enumerate(support):
            drawn[k] = rng.multivariate_hypergeometric(left, size)
            left -= drawn[k]
        as_far += _chi_square(drawn, expected) >= here - 1e-9
        if as_far >= enough:
            return True
    return False


def _chi_square(cells: np.ndarray, expected: np.ndarray) -> float:
    return float(((cells - expected) ** 2 / expected).sum())


def knowledge(result: Result, cells: np.ndarray | None) -> list[Finding]:
    """Whether a result shows that anything is recognised at all.

    Args:
        result: What was printed.
        cells: Its matrix, read so that it fits, a row being the true class; None where there is none.
    """
    found: list[Finding] = []
    for look in (_one_class, _out_of_order, _none_right, _guessing):
        one = look(result, cells)
        if one is not None:
            found.append(replace(one, result=result.name))
        if one is not None and one.severity == FAULT:
            break  # the others would say it again; a doubt hides nothing
    return found


def _out_of_order(result: Result, cells: np.ndarray | None) -> Finding | None:
    return _shuffled_report(result) if cells is None else shuffled(cells)


def _one_class(result: Result, cells: np.ndarray | None) -> Finding | None:
    """Every answer is the same class, by the matrix, by the recalls, or by an accuracy that is the share of one."""
    if cells is None:
        return _one_recall(result) if result.report.recall is not None else _one_share(result)
    answered = np.flatnonzero(cells.sum(axis=0))
    if len(answered) != 1 or (cells.sum(axis=1) > 0).sum() < 2:
        return None
    return _collapsed(result, f"all {cells.sum():,} answers are {result.labels[answered[0]]}")


def _one_recall(result: Result) -> Finding | None:
    """A recall of 1, all others 0; proved where the supports leave the others no image that is right."""
    recall, support = result.report.recall or [], result.report.support
    if sorted(recall, key=float) != [*[0] * (len(recall) - 1), 1]:
        return None
    alone = [float(r) for r in recall].index(1.0)
    if _recognised(result) - {alone}:
        return None
    how = f"as printed, the recall of {result.labels[alone]} is 1 and that of every other class 0"
    if support is None:
        how += ", which is printed for small shares too"
        return _perhaps_collapsed(result, how, "Print the supports: they say how many images that leaves open.")
    some = any(span(r)[1] * s >= 1 for k, (r, s) in enumerate(zip(recall, support, strict=True)) if k != alone)
    return None if some or sum(s > 0 for s in support) < 2 else _collapsed(result, how)


def _one_share(result: Result) -> Finding | None:
    """An accuracy that is the share of a class, which is seldom so by chance."""
    accuracy, support = result.accuracy, result.report.support
    if accuracy is None or not support or sum(support) != result.images or sum(s > 0 for s in support) < 2:
        return None
    n, (low, high), recognised = sum(support), span(accuracy), _recognised(result)
    alone = next((k for k, s in enumerate(support) if low <= s / n <= high and recognised <= {k}), None)
    if alone is None:
        return None
    s, step = support[alone], max(unit(accuracy), 1e-12)
    printed = {round(other / n / step) for other in support if other}  # a hit on any share would have been noticed
    seldom = sum(_within((one - 0.5) * step - 1e-12, (one + 0.5) * step + 1e-12, n, s / n) for one in printed)
    if seldom > _SELDOM:
        return None
    even = len(set(support)) == 1
    how = (
        f"an accuracy of {accuracy} is the share of {'each class' if even else result.labels[alone]}, {s:,} of {n:,} = "
        f"{s / n:.6f}; guessing at that rate would come so near {'it' if even else 'the share of a class'} in "
        f"{100 * seldom:.2g}% of cases"
    )
    # On an even set this is the accuracy of chance itself; on another one a working model may come to it.
    if even or seldom <= _RARE:
        return _collapsed(result, how)
    reading = "Print the recalls: one class for all has a recall of 1 for that class and of 0 for the others."
    return _perhaps_collapsed(result, how, reading)


def _recognised(result: Result) -> set[int]:
    """Classes of which an image is right by their precision or F1."""
    report = result.report
    return {k for values in (report.precision, report.f1) for k, v in enumerate(values or ()) if float(v) > 0}


def _collapsed(result: Result, how: str) -> Finding:
    reading = "The network has collapsed, or its features and labels do not belong together. Nothing was recognised."
    return Finding(result.name, "one class", FAULT, "It answers one class only", how, reading)


def _perhaps_collapsed(result: Result, how: str, reading: str) -> Finding:
    return Finding(result.name, "one class", DOUBT, "It may answer one class only", how, reading)


def _within(low: float, high: float, n: int, p: float) -> float:
    """Chance that a share of ``n`` events is between two ends."""
    return at_most(math.floor(high * n), n, p) - at_most(math.ceil(low * n) - 1, n, p)


def _shuffled_report(result: Result) -> Finding | None:
    """Independence from a classification report: each precision is the share of its class."""
    report = result.report
    if not report.support or report.precision is None or sum(s > 0 for s in report.support) < 2:
        return None
    support = np.array(report.support, np.float64)
    n, spans = support.sum(), np.array([span(p) for p in report.precision])
    precision = np.array([float(p) for p in report.precision])
    recall = precision if report.recall is None else np.array([float(r) for r in report.recall])
    known = (precision > 0) & (recall > 0)  # nan is not
    if known.sum() < 2:
        return None
    answered = np.where(known, np.divide(recall * support, precision, where=known, out=np.zeros(len(support))), 0)
    answered = support if report.recall is None else answered * n / answered.sum()
    share, part = support / n, np.minimum(answered / n, 1)
    by_chance = chance(support, answered)
    low, high = _accuracy_span(result, support)
    highest = by_chance.kappa_at_most(high)
    each, overall = _Z_ALL, _Z_ALL
    if highest >= LITTLE:  # for a doubt the accuracy, and all classes together, are within what 95% of shuffles give
        each, overall = NormalDist().inv_cdf(1 - 0.025 / int(known.sum())), _Z
    error = each * np.sqrt(share * (1 - share) * (1 - part) / np.maximum(answered, 1))
    near = (spans[:, 0] - error <= share) & (share <= spans[:, 1] + error)
    wide = overall * by_chance.deviation
    if not near[known].all() or not low - wide <= by_chance.agreement <= high + wide or highest >= MUCH:
        return None
    listed = ", ".join(
        f"{label} {p} and {s:.3f}"
        for label, p, s, k in zip(result.labels, report.precision, share, known, strict=True)
        if k
    )
    how = f"the precision of every class is its share of the labels: {listed}"
    how += f". Two independent draws with these shares agree {_interval(by_chance)}"
    return _shuffled(result.name, highest, f"{how}; the accuracy is {result.accuracy or f'{(low + high) / 2:.4f}'}")


def _accuracy_span(result: Result, support: np.ndarray) -> tuple[float, float]:
    """Ends of the accuracy: as printed, else the mean recall (or precision) weighted by support."""
    if result.accuracy is not None:
        return span(result.accuracy)
    spans = np.array([span(one) for one in result.report.recall or result.report.precision or ()])
    low, high = (spans * support[:, None]).sum(axis=0) / support.sum()
    return float(low), float(high)


def _none_right(result: Result, _: np.ndarray | None) -> Finding | None:
    n, support = result.images, result.report.support
    if result.accuracy is None or n is None or not result.labels or span(result.accuracy)[1] * n >= 1:
        return None
    share = min((s for s in support or () if s), default=0) / n or 1 / len(result.labels)
    seldom = (1 - share) ** n
    if seldom > 0.001:
        return None
    how = f"0 of {n:,}; guessing that is right for 1 in {1 / share:.0f} would be as wrong with a chance of {seldom:.1g}"
    reading = (
        "Outputs and labels are numbered differently, or it answers one class only and this set has no image of it. "
        f"One class for all would have about {n * share:.0f} right on an even set."
    )
    return Finding(result.name, "guessing", FAULT, "No answer is right", how, reading)


def _guessing(result: Result, cells: np.ndarray | None) -> Finding | None:
    """Accuracy against answering one class always, which is at least 1/K."""
    accuracy = result.accuracy and float(result.accuracy)
    support = result.report.support
    if cells is not None:
        support, accuracy = cells.sum(axis=1).tolist(), float(np.trace(cells) / cells.sum())
    shares = [s / sum(support) for s in support] if support and sum(support) else result.claims.shares or []
    majority = float(max(shares, default=result.claims.majority or 0))
    rival, name = (majority, "always answering the commonest class")
    if not majority and result.labels:
        rival, name = 1 / len(result.labels), f"one class for all on an even set of {len(result.labels)} classes"
    if accuracy is None or not rival:
        return None
    n, low, high = result.images, accuracy, accuracy
    if n is not None:
        low, high = exact_interval(round(accuracy * n), n)
    between = f"({low:.4f} to {high:.4f} at n = {n:,})" if n else "(n is not given)"
    of = f"{accuracy:.4f} {between} against {rival:.4f}"
    if low > rival:
        return Finding(result.name, "guessing", FINE, f"Better than {name}", of)
    reading = f"It has not been shown to recognise anything: {name} scores {rival:.4f}."
    if high < rival and not majority and n is not None:
        reading += f" One class for all gives this where that class has {round(accuracy * n):,} of {n:,} images."
    elif high < rival:
        reading = "Accuracy speaks against it; give the mean recall, which one class for all keeps at 1/K."
    what = f"Worse than {name}" if high < rival else f"Cannot be told from {name}"
    return Finding(result.name, "guessing", DOUBT, what, of, reading)
