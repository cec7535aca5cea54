"""Does a printed confusion matrix fit the scores printed beside it, and if not, which arrangement of its cells does?"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np

from mien.evaluation.published.figures import DOUBT, FAULT, FINE, Averages, Finding, Result, span, unit

_BINARY = ("TN", "FP", "FN", "TP")
_MOST_CLASSES = 8  # for which all pairs of cells are tried: 2,016
_SHOWN = 3
CUT, OF_MEANS = "cut", "of means"


@dataclass(frozen=True)
class Misfit:
    """A printed number that another one contradicts.

    Attributes:
        name: What it is, such as ``recall of fear``.
        printed: As printed.
        computed: What it would have been, to as many digits.
        excuse: By what it fits all the same: ``CUT`` if it was cut off where it should have been rounded, ``OF_MEANS``
            if a macro F1 is that of the mean precision and recall; empty if by nothing.
    """

    name: str
    printed: str
    computed: str
    excuse: str = ""

    def __str__(self) -> str:
        return f"{self.name} is printed {self.printed} and comes to {self.computed}"


def misfits(cells: np.ndarray, result: Result) -> list[Misfit]:
    """What of the printed scores does not follow from a matrix.

    Args:
        cells: (K, K) counts; a row is the true class, a column the answer.
        result: What was printed.
    """
    found = [one for one in (_misfit(*pair) for pair in _pairs(cells, result)) if one is not None]
    printed = result.report.macro.f1
    if printed is not None and _misfit("macro F1", printed, _f1_of_means(cells)) is None:
        found = [replace(one, excuse=OF_MEANS) if one.name == "macro F1" else one for one in found]
    return found


def macro_f1_of_means(result: Result, how: str) -> Finding:
    """A doubt: macro F1 has two definitions, and this is the other one."""
    what = "The macro F1 is that of the mean precision and recall"
    reading = (
        "Say which definition it is: the mean of the classes' F1 is the other, and never larger (Opitz & Burst 2019)."
    )
    return Finding(result.name, "figures", DOUBT, what, how, reading)


def _f1_of_means(cells: np.ndarray) -> float:
    hits = np.diag(cells)
    precision, recall = (float((hits / np.maximum(cells.sum(axis=axis), 1)).mean()) for axis in (0, 1))
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _pairs(cells: np.ndarray, result: Result) -> Iterator[tuple[str, Decimal | int, float]]:
    """Every printed number: its name, as printed, as computed."""
    labels, report = result.labels, result.report
    support, answered, hits = cells.sum(axis=1), cells.sum(axis=0), np.diag(cells)
    # 0 where nothing is to be divided by, which is what scikit-learn prints.
    scores = {
        "precision": hits / np.maximum(answered, 1),
        "recall": hits / np.maximum(support, 1),
        "f1": 2 * hits / np.maximum(support + answered, 1),
    }
    n = int(cells.sum())
    if result.n is not None:
        yield "n", result.n, n
    for label, printed, computed in zip(labels, report.support or (), support, strict=False):
        yield f"support of {label}", printed, int(computed)
    for name, values in scores.items():
        title = "F1" if name == "f1" else name
        for label, one, value in zip(labels, getattr(report, name) or (), values, strict=False):
            yield f"{title} of {label}", one, float(value)
        for average, weights in (("macro", np.ones(len(cells))), ("weighted", support)):
            means: Averages = getattr(report, average)
            if (mean := getattr(means, name)) is not None:
                yield f"{average} {title}", mean, float(np.average(values, weights=weights))
    if result.accuracy is not None:
        yield "accuracy", result.accuracy, float(hits.sum() / n)


def _misfit(name: str, printed: Decimal | int, computed: float) -> Misfit | None:
    if isinstance(printed, int):
        return None if printed == computed else Misfit(name, f"{printed:,}", f"{int(computed):,}")
    low, high = span(printed)
    if low <= computed <= high:
        return None
    cut = float(printed) <= computed < float(printed) + unit(printed)
    # One digit more where the difference would not show.
    digits = len(str(printed).partition(".")[2]) + (abs(computed - float(printed)) < unit(printed))
    return Misfit(name, str(printed), f"{computed:.{digits}f}", CUT if cut else "")


def said(found: Sequence[Misfit]) -> str:
    """The first few in a sentence."""
    more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return "; ".join(map(str, found[:_SHOWN])) + more


def read(result: Result) -> tuple[np.ndarray | None, list[Finding]]:
    """Read the matrix of a result so that it fits the printed scores.

    Args:
        result: What was printed.

    Returns:
        (K, K) counts, a row being the true class: as printed if they fit, or rearranged if one rearrangement does;
        None if there is no matrix or none does. And what was found on the way.
    """
    if result.confusion is None:
        return None, []
    cells = result.confusion.table()
    found = misfits(cells, result)
    wrong = [one for one in found if not one.excuse]
    if wrong:
        return _rearranged(cells, result, wrong)
    count = sum(1 for _ in _pairs(cells, result))
    if not found and not count:
        return cells, []
    if not found:
        how = f"{count} printed numbers follow from {len(cells)} × {len(cells)} cells that sum to {cells.sum():,}"
        return cells, [Finding(result.name, "cells", FINE, "The matrix and the scores agree", how)]
    excused = []
    if cut := [one for one in found if one.excuse == CUT]:
        what = "Scores are cut off, not rounded"
        excused.append(Finding(result.name, "figures", DOUBT, what, said(cut), "Round to the nearest last digit."))
    if of_means := [one for one in found if one.excuse == OF_MEANS]:
        how = f"{said(of_means)}; 2·P·R/(P + R) of macro precision and recall is {_f1_of_means(cells):.4f}"
        excused.append(macro_f1_of_means(result, how))
    return cells, excused


def _rearranged(cells: np.ndarray, result: Result, wrong: list[Misfit]) -> tuple[np.ndarray | None, list[Finding]]:
    """The first kind of rearrangement that fits, if only one of that kind does."""
    report = result.report
    # An accuracy alone is fitted by too many arrangements for one of them to mean anything.
    for propose in _PROPOSALS if report.support or report.recall or report.precision else ():
        fitting: dict[bytes, tuple[np.ndarray, str, str]] = {}
        for other, what, reading in propose(cells, result):
            if all(one.excuse for one in misfits(other, result)):
                fitting.setdefault(other.tobytes(), (other, what, reading))
        if len(fitting) == 1:
            other, what, reading = next(iter(fitting.values()))
            unsaid = propose is _transposed and result.confusion is not None and not result.confusion.truth
            severity = DOUBT if unsaid and result.confusion and result.confusion.cells else FAULT
            how = f"As printed, {said(wrong)}. Rearranged, all printed scores fit"
            return other, [Finding(result.name, "cells", severity, what, how, reading)]
        if fitting:
            how = f"{said(wrong)}. {len(fitting)} other arrangements of the cells would fit"
            return None, [Finding(result.name, "cells", FAULT, _UNFIT, how, "Print the supports and recalls as well.")]
    reading = "One of the two is of another model, another set or mistyped; count again from the answers."
    return None, [Finding(result.name, "cells", FAULT, _UNFIT, said(wrong), reading)]


_UNFIT = "The matrix and the scores contradict each other"
_Proposal = tuple[np.ndarray, str, str]


def _transposed(cells: np.ndarray, result: Result) -> Iterator[_Proposal]:
    if result.confusion is not None and result.confusion.cells is None:
        return  # FP and FN have been exchanged: said cell by cell below
    truth = (result.confusion.truth if result.confusion else None) or "rows"
    other = "rows" if truth == "columns" else "columns"
    reading = f"The {other} are the true classes, the {truth} the answers."
    yield np.ascontiguousarray(cells.T), "Rows and columns are swapped", reading


def _binary(cells: np.ndarray, result: Result) -> Iterator[_Proposal]:
    """All ways to give four cells their names, the fewest changes first."""
    if len(cells) != 2:
        return
    flat = cells.ravel()
    orders = sorted(itertools.permutations(range(4)), key=lambda order: sum(i != j for i, j in enumerate(order)))
    for order in orders:
        moved = [f"printed {_BINARY[j]} is {_BINARY[i]}" for i, j in enumerate(order) if i != j]
        true = ", ".join(f"{name} {flat[j]:,}" for name, j in zip(_BINARY, order, strict=True))
        positive = f"{result.labels[1]} being the positive class"
        yield flat[list(order)].reshape(2, 2), f"Cells carry wrong names: {', '.join(moved)}", f"{true}, {positive}."


def _reordered(cells: np.ndarray, result: Result) -> Iterator[_Proposal]:
    """The classes in the order in which their row sums are the printed supports."""
    support, sums = result.report.support or [], cells.sum(axis=1).tolist()
    if sorted(support) != sorted(sums) or len(set(sums)) < len(sums):
        return
    order = [sums.index(one) for one in support]
    where = {k: result.labels[i] for i, k in enumerate(order)}
    reading = f"Rows and columns stand for {', '.join(where[i] for i in range(len(sums)))}."
    yield (
        cells[np.ix_(order, order)],
        "The classes of the matrix are in another order than those of the report",
        reading,
    )


def _swapped(cells: np.ndarray, result: Result) -> Iterator[_Proposal]:
    """All exchanges of two cells."""
    k, labels = len(cells), result.labels
    if not 2 < k <= _MOST_CLASSES:
        return
    support = result.report.support
    for a, b in itertools.combinations(range(k * k), 2):
        if cells.flat[a] == cells.flat[b]:
            continue
        other = cells.copy()
        other.flat[a], other.flat[b] = cells.flat[b], cells.flat[a]
        if support and other.sum(axis=1).tolist() != support:
            continue  # quickly
        names = [f"{labels[i // k]} answered {labels[i % k]}" for i in (a, b)]
        right = ", ".join(f"{name} {other.flat[i]:,}" for name, i in zip(names, (a, b), strict=True))
        yield other, f"Two cells are swapped: {' and '.join(names)}", f"{right}."


_PROPOSALS: tuple[Callable[[np.ndarray, Result], Iterator[_Proposal]], ...] = (
    _transposed,
    _binary,
    _reordered,
    _swapped,
)
