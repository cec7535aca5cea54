"""Check published figures: do they agree with each other, and do they show what they are said to show?

Nothing is looked up and no opinion is held about what accuracy is credible: every finding is arithmetic on the printed
numbers, each of which stands for all that rounds to it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from decimal import Decimal

from mien.evaluation.published.chance import knowledge
from mien.evaluation.published.claims import claims, whole
from mien.evaluation.published.figures import DOUBT, FAULT, FINE, Finding, Published, Result, span, unit
from mien.evaluation.published.rearranged import macro_f1_of_means, read
from mien.evaluation.published.tables import tables

_NEAR = 64  # images by which n may be off: a batch
_SELDOM = 0.02  # of numbers of images that a share of so many digits fits, for one that fits to say something
Ends = tuple[float, float]


def check(published: Published) -> list[Finding]:
    """Check everything in a description of published figures.

    Args:
        published: From ``published.load`` or ``published.parse``.

    Returns:
        For each result what is wrong, what is doubtful and what was found to be fine, in its order; then the same of
        the lists of layers and classes.
    """
    return [*(found for result in published.result for found in _check(result)), *tables(published)]


def _check(result: Result) -> list[Finding]:
    cells, found = read(result)
    figures = [] if cells is not None else list(_figures(result))
    every = [*found, *figures, *knowledge(result, cells), *claims(result)]
    none = Finding(
        result.name, "figures", FINE, "Nothing can be checked", "the numbers given say nothing of each other"
    )
    return every or [none]


def _figures(result: Result) -> Iterator[Finding]:
    """Whether the numbers of a report agree without a matrix, each standing for an interval."""
    checks = (_supports, _shares, _harmonic, _counts, _means, _accuracy, _answers)
    problems = [found for one in checks for found in one(result)]
    yield from problems
    if not problems and result.report.recall is not None:
        yield Finding(result.name, "figures", FINE, "The report agrees with itself", _looked_at(result))


def _looked_at(result: Result) -> str:
    names = ", ".join(n for n in ("precision", "recall", "f1", "support") if getattr(result.report, n) is not None)
    return f"{names} of {len(result.labels)} classes" + ("" if result.images is None else f", n = {result.images:,}")


def _fault(result: Result, what: str, how: str, reading: str) -> Finding:
    return Finding(result.name, "figures", FAULT, what, how, reading)


def _supports(result: Result) -> Iterator[Finding]:
    support, n = result.report.support, result.n
    if support and n is not None and sum(support) != n:
        how = f"{' + '.join(map(str, support))} = {sum(support):,}, and n is {n:,}"
        reading = f"A support or n is mistyped, or a class of {n - sum(support):,} is missing."
        if sum(support) > n:
            reading = f"A support or n is mistyped: the supports are {sum(support) - n:,} too many."
        yield _fault(result, "The supports do not sum to n", how, reading)


def _shares(result: Result) -> Iterator[Finding]:
    """Whether a printed share can be a whole number of images (the GRIM test, Brown & Heathers 2017)."""
    named = [("accuracy", result.accuracy, result.images)]
    named += [(f"accuracy of {k}", v, result.images) for k, v in result.claims.differ.items()]
    named += [("training accuracy", result.train_accuracy, result.train_n)]
    counted = result.report.support is not None or result.confusion is not None
    for name, printed, n in named:
        if n is not None and printed is not None and (problem := _not_whole(name, printed, n)):
            cut, what, how, reading = problem
            # Without a count of the images it may as well be a mean over folds or batches, which is no share of n.
            yield _severity(result, cut or not counted or name == "training accuracy", what, how, reading)


def _severity(result: Result, cut: bool, what: str, how: str, reading: str) -> Finding:
    return Finding(result.name, "figures", DOUBT if cut else FAULT, what, how, reading)


def _not_whole(name: str, printed: Decimal, n: int) -> tuple[bool, str, str, str] | None:
    low, high = whole(printed, n)
    if low <= high:
        return None
    digits = len(str(printed).partition(".")[2])
    how = f"{printed} of {n:,} is {float(printed) * n:,.2f}: {high:,} would print {high / n:.{digits}f}"
    how += f", {low:,} {low / n:.{digits}f}"
    if math.ceil(float(printed) * n - 1e-9) < (float(printed) + unit(printed)) * n:
        return True, f"The {name} is cut off, not rounded", how, f"It stands for {low:,} of {n:,}."
    fits = ""
    if unit(printed) * n < _SELDOM:
        others = (m for d in range(1, _NEAR) for m in (n - d, n + d) if m > 0)
        near = next((m for m in others if whole(printed, m)[0] <= whole(printed, m)[1]), None)
        fits = f"; the nearest number that fits is {near:,}, with {whole(printed, near)[0]:,} right" if near else ""
    reading = f"It was taken on another number of images{fits}; or it is a mean over folds or batches."
    return False, f"The {name} is not a share of {n:,} images", how, reading


def _harmonic(result: Result) -> Iterator[Finding]:
    """F1 from precision and recall."""
    report = result.report
    if report.precision is None or report.recall is None or report.f1 is None:
        return
    for label, p, r, f in zip(result.labels, report.precision, report.recall, report.f1, strict=True):
        (p_low, p_high), (r_low, r_high) = span(p), span(r)
        yield from _compare(
            result, f"F1 of {label}", f, (_f1(p_low, r_low), _f1(p_high, r_high)), f"2·{p}·{r}/({p} + {r})"
        )


def _f1(precision: float, recall: float) -> float:
    return 0.0 if precision <= 0 or recall <= 0 else 2 * precision * recall / (precision + recall)


def _compare(result: Result, name: str, printed: Decimal, ends: Ends, formula: str) -> Iterator[Finding]:
    """A printed number against the ends of what others make it."""
    low, high = span(printed)
    if high < ends[0] or ends[1] < low:
        how = f"it is printed {printed}, and {formula} is {_between(ends)}"
        cut = float(printed) <= ends[1] and ends[0] < float(printed) + unit(printed)
        reading = f"{name[0].upper()}{name[1:]} is {_between(ends)}, or one of the numbers it is made of is wrong."
        yield _severity(result, cut, f"The {name} does not follow from the other numbers", how, reading)


def _between(ends: Ends) -> str:
    low, high = f"{ends[0]:.4f}", f"{ends[1]:.4f}"
    return low if low == high else f"{low} to {high}"


def _counts(result: Result) -> Iterator[Finding]:
    """Whether recall · support is a whole number."""
    for label, recall, support in zip(
        result.labels, result.report.recall or (), result.report.support or (), strict=False
    ):
        if support and not recall.is_nan() and (problem := _not_whole(f"recall of {label}", recall, support)):
            cut, what, how, reading = problem
            yield _severity(result, cut, what, how, reading if cut else "The recall or the support is wrong.")


def _means(result: Result) -> Iterator[Finding]:
    """Macro and weighted averages from the classes'."""
    report = result.report
    for average, weights in (("macro", [1] * len(result.labels)), ("weighted", report.support)):
        for name in ("precision", "recall", "f1"):
            printed, values = getattr(getattr(report, average), name), getattr(report, name)
            if printed is None or values is None or not weights or not sum(weights):
                continue
            ends = _mean([span(v) for v in values], weights)
            title = "F1" if name == "f1" else name
            found = list(_compare(result, f"{average} {title}", printed, ends, "the mean of the classes'"))
            if found and (average, name) == ("macro", "f1") and _of_means(printed, result):
                how = f"{found[0].arithmetic}; 2·P·R/(P + R) of macro precision and recall fits"
                found = [macro_f1_of_means(result, how)]
            yield from found


def _of_means(printed: Decimal, result: Result) -> bool:
    """Whether it may be the F1 of the mean precision and the mean recall, as these are printed or of the classes'."""
    report, ends = result.report, []
    for mean, values in ((report.macro.precision, report.precision), (report.macro.recall, report.recall)):
        if mean is not None:
            ends.append(span(mean))
        elif values is not None:
            ends.append(_mean([span(v) for v in values], [1] * len(values)))
        else:
            return False
    (p_low, p_high), (r_low, r_high) = ends
    low, high = span(printed)
    return low <= _f1(p_high, r_high) and _f1(p_low, r_low) <= high


def _mean(spans: Sequence[Ends], weights: Sequence[int]) -> Ends:
    low, high = (sum(w * s[i] for s, w in zip(spans, weights, strict=True)) / sum(weights) for i in (0, 1))
    return low, high


def _accuracy(result: Result) -> Iterator[Finding]:
    """Accuracy is the recall weighted by support; so is the weighted recall."""
    report = result.report
    if report.recall is not None and report.support and sum(report.support) and result.accuracy is not None:
        ends = _mean([span(r) for r in report.recall], report.support)
        yield from _compare(result, "accuracy", result.accuracy, ends, "Σ recall · support / n")
    if report.weighted.recall is not None and result.accuracy is not None:
        ends = span(report.weighted.recall)
        yield from _compare(result, "accuracy", result.accuracy, ends, "the weighted recall")


def _answers(result: Result) -> Iterator[Finding]:
    """Whether the answers that precision and recall imply are as many as the images."""
    report = result.report
    if report.precision is None or report.recall is None or not report.support or not sum(report.support):
        return
    least = most = 0.0
    for precision, recall, support in zip(report.precision, report.recall, report.support, strict=True):
        (p_low, p_high), (low, high) = span(precision), whole(recall, support) if not recall.is_nan() else (0, support)
        if low > high:
            return  # said by another check
        least += low / p_high
        most += math.inf if p_low <= 0 or precision.is_nan() else high / p_low
    n = sum(report.support)
    if most < n or n < least:
        how = f"recall · support / precision sums to {least:,.0f} to {most:,.0f} answers for {n:,} images"
        reading = "A precision, a recall or a support is wrong, or precision and recall are swapped."
        yield _fault(result, "Precision and recall imply another number of answers than there are images", how, reading)
