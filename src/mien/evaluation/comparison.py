"""Whether one model is better than another: paired tests on the same faces, corrected for many comparisons."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from statistics import NormalDist

import numpy as np

from mien.errors import DataError
from mien.evaluation.intervals import estimate, weights
from mien.evaluation.measures import Estimate
from mien.evaluation.metrics import by_cell, confusion, counted, from_confusion
from mien.evaluation.protocols import Truth
from mien.evaluation.scores import Predictions

ACCURACY, MCNEMAR, BOOTSTRAP, HOLM = "accuracy", "mcnemar", "bootstrap", "holm"
COMPARED_BY, TESTS, CORRECTIONS = (ACCURACY, "balanced_accuracy", "macro_f1"), (MCNEMAR, BOOTSTRAP), (HOLM, "none")
LEVEL, POWER = 0.05, 0.8  # of the tests, and of the number of faces that would be needed
_FINE = 10  # times the draws that the least p of a bootstrap needs to be LEVEL once corrected


@dataclass(frozen=True)
class Compared:
    """A model's answers to faces, and the right ones under one protocol.

    Attributes:
        name: Of the model; no two in a comparison have the same.
        predictions: In the vocabulary of ``truth``, for the same row ids.
        truth: What is right, and which rows are counted.
        known: Its headline estimates on all counted rows, where an evaluation has them already.
    """

    name: str
    predictions: Predictions
    truth: Truth
    known: dict[str, Estimate] = field(default_factory=dict)


@dataclass(frozen=True)
class Standing:
    """How a model does on the faces that are compared.

    Attributes:
        name: Of the model.
        estimates: Headline numbers, among them ``COMPARED_BY``.
        left_out: Its counted faces that are not compared, because another model lacks them.
    """

    name: str
    estimates: dict[str, Estimate]
    left_out: int


@dataclass(frozen=True)
class Pair:
    """Two models on the same faces.

    Attributes:
        first: Name of a model.
        second: Name of the other.
        n: Faces.
        both_right: Faces that both have right.
        only_first: That the first alone has right.
        only_second: That the second alone has right.
        neither: That neither has right.
        difference: First minus second in what is compared by, with the paired bootstrap's interval, not corrected.
        p: Two-sided.
        corrected: The same, corrected for the number of pairs.
        better: Name of the model that is better; empty where they cannot be told apart.
        needed: About how many faces would tell a difference of this size (5% level, 80% power); None where they are
            told apart, where there is no difference, or where resamples do not move it.
    """

    first: str
    second: str
    n: int
    both_right: int
    only_first: int
    only_second: int
    neither: int
    difference: Estimate
    p: float
    corrected: float
    better: str
    needed: int | None

    @property
    def verdict(self) -> str:
        """In a sentence without a full stop."""
        if self.better:
            return f"{self.better} is better than {self.second if self.better == self.first else self.first}"
        apart = f"{self.first} and {self.second} cannot be told apart"
        if not self.difference.value:
            return f"{apart}: there is no difference on these {self.n:,} faces"
        points = 100 * abs(self.difference.value)
        written = f"{points:.2g}" if points < 10 else f"{points:.0f}"
        if self.needed is None:
            return f"{apart}: a difference of {written} points on {self.n:,} faces says too little"
        return f"{apart}: a difference of {written} points would need about {self.needed:,} faces, here are {self.n:,}"


@dataclass(frozen=True)
class Comparison:
    """Models on the same faces.

    Attributes:
        protocol: Under which answers were counted.
        title: The protocol in a sentence.
        n: Faces.
        metric: One of ``COMPARED_BY``: what the pairs are compared by.
        test: One of ``TESTS``.
        correction: One of ``CORRECTIONS``.
        draws: Bootstrap resamples that were taken.
        seed: Their seed.
        models: In the order given.
        pairs: Each two of them.
    """

    protocol: str
    title: str
    n: int
    metric: str
    test: str
    correction: str
    draws: int
    seed: int
    models: list[Standing]
    pairs: list[Pair] = field(default_factory=list)


def compare(
    models: Sequence[Compared],
    metric: str = ACCURACY,
    test: str | None = None,
    correction: str = HOLM,
    common: bool = False,
    draws: int = 2000,
    seed: int = 0,
) -> Comparison:
    """Compare models in pairs.

    The faces are resampled once for all models, so that intervals of differences are paired. ``bootstrap`` takes
    its p from the same resamples: twice the smaller share of them in which the difference is not above, or not below, 0
    (Efron & Tibshirani 1993, chapter 15), so that it and the interval agree. That p is never under 2 / (draws + 1):
    where more resamples than asked for are needed to bring it, corrected, to a tenth of 5%, those are taken.

    Args:
        models: Two or more.
        metric: One of ``COMPARED_BY``.
        test: One of ``TESTS``; ``mcnemar`` is for accuracy alone, and taken for it if None.
        correction: One of ``CORRECTIONS``: Holm's, or none.
        common: Compare on the rows that all have, where they do not have the same.
        draws: Bootstrap resamples; more are taken where the p of ``bootstrap`` needs them.
        seed: Their seed.

    Raises:
        DataError: Fewer than two models, or two of one name; models under different protocols, of different rows
            (without ``common``) or with different labels for a row; McNemar's test of another metric than accuracy.
    """
    test = _checked(models, metric, test, correction)
    rows = _rows(models, common)
    truth = _labels(models, rows)
    answers = [m.predictions.take(rows).probabilities.argmax(axis=1) for m in models]
    rights = [a == truth for a in answers]
    k = len(models[0].truth.vocabulary)
    values = [float(from_confusion(confusion(truth, a, k)[None])[metric][0]) for a in answers]
    couples = list(combinations(range(len(models)), 2))
    level = LEVEL / len(couples) if correction == HOLM else LEVEL
    if test == BOOTSTRAP:
        draws = max(draws, round(_FINE * 2 / level))
    drawn = _resampled(truth, answers, k, metric, draws, seed)
    pairs, spreads = [], []
    for i, j in couples:
        changes = drawn[i] - drawn[j]
        difference = estimate(values[i] - values[j], changes, len(rows))
        pair = _pair(models[i].name, models[j].name, rights[i], rights[j], difference)
        p = mcnemar(pair.only_first, pair.only_second) if test == MCNEMAR else _bootstrap_p(changes)
        pairs.append(replace(pair, p=p))
        spreads.append(float(changes.std()) if draws else 0.0)
    ps = [pair.p for pair in pairs]
    corrected = holm(ps) if correction == HOLM else ps
    judged = [_judged(*each, level) for each in zip(pairs, corrected, spreads, strict=True)]
    standings = [_standing(m, truth, a, draws, seed) for m, a in zip(models, answers, strict=True)]
    first, n = models[0].truth, len(rows)
    return Comparison(first.protocol, first.title, n, metric, test, correction, draws, seed, standings, judged)


def mcnemar(only_first: int, only_second: int) -> float:
    """Two-sided p of McNemar's test (McNemar 1947) for the faces that one of two models alone has right.

    The mid-p of the exact binomial test, whatever the number of such faces: unlike the exact test and the chi-square
    with continuity correction (Edwards 1948) it is not too cautious, and it keeps its level where the plain chi-square
    does not (Fagerland, Lydersen & Laake 2013, BMC Medical Research Methodology 13:91). 1 where there is no such face.
    """
    n, least = only_first + only_second, min(only_first, only_second)
    if n == 0:
        return 1.0
    # Logarithm of the binomial coefficients, by the ratio of each to the one before.
    steps = np.arange(1, least + 1)
    logs = np.concatenate([[0.0], np.cumsum(np.log((n - steps + 1) / steps))]) - n * math.log(2)
    chances = np.exp(logs)
    at = float(chances[-1])
    return 1 - at / 2 if only_first == only_second else min(1.0, 2 * float(chances.sum()) - at)


def holm(p: Sequence[float]) -> list[float]:
    """p values corrected for their number by Holm's step-down procedure (Holm 1979), in the order given."""
    corrected, largest = [0.0] * len(p), 0.0
    for rank, at in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        largest = max(largest, min(1.0, (len(p) - rank) * p[at]))
        corrected[at] = largest
    return corrected


def faces_needed(n: int, difference: float, spread: float, level: float = LEVEL) -> int | None:
    """About how many faces tell a difference of this size apart from none, with a power of 80%.

    By the normal approximation: the standard error falls as the root of the number of faces.

    Args:
        n: Faces on which the two others were found.
        difference: Between two models.
        spread: Standard error of the difference.
        level: Of the test, two-sided.

    Returns:
        A number over ``n``, of two digits and zeros; None where there is no difference, or no spread.
    """
    if difference == 0 or spread == 0:
        return None
    normal = NormalDist()
    wanted = n * ((normal.inv_cdf(1 - level / 2) + normal.inv_cdf(POWER)) * spread / difference) ** 2
    unit = int(10 ** max(0, math.floor(math.log10(max(wanted, 10))) - 1))
    return max(math.ceil(wanted / unit) * unit, n + 1)


def _resampled(
    truth: np.ndarray, answers: Sequence[np.ndarray], k: int, metric: str, draws: int, seed: int
) -> list[np.ndarray]:
    """(draws,) values of every model, on the same resamples of the faces."""
    cells = [truth * k + a for a in answers]  # of the confusion matrix
    orders = [np.argsort(c, kind="stable") for c in cells]
    found: list[list[np.ndarray]] = [[] for _ in answers]
    for chunk in weights(len(truth), draws, seed):
        for cell, order, values in zip(cells, orders, found, strict=True):
            tables = by_cell(chunk[:, order], cell[order], k * k)
            values.append(from_confusion(tables.reshape(-1, k, k))[metric])
    return [np.concatenate([np.empty(0), *values]) for values in found]


def _bootstrap_p(changes: np.ndarray) -> float:
    """Two-sided p of a difference from its resamples; the one more is the sample itself, so that none is 0."""
    fewer = min((changes <= 0).sum(), (changes >= 0).sum())
    return float(min(1.0, 2 * (1 + fewer) / (1 + len(changes))))


def _pair(first: str, second: str, right: np.ndarray, other: np.ndarray, difference: Estimate) -> Pair:
    """A pair that is not judged yet."""
    counts = ((right, other), (right, ~other), (~right, other), (~right, ~other))
    both, only_first, only_second, neither = (int((a & b).sum()) for a, b in counts)
    return Pair(
        first, second, len(right), both, only_first, only_second, neither, difference, 1.0, 1.0, better="", needed=None
    )


def _judged(pair: Pair, corrected: float, spread: float, level: float) -> Pair:
    value = pair.difference.value or 0.0
    if corrected < LEVEL and value != 0:
        return replace(pair, corrected=corrected, better=pair.first if value > 0 else pair.second)
    return replace(pair, corrected=corrected, needed=faces_needed(pair.n, value, spread, level))


def _standing(model: Compared, truth: np.ndarray, answers: np.ndarray, draws: int, seed: int) -> Standing:
    left_out = model.truth.n - len(truth)
    known = {} if left_out else model.known
    return Standing(model.name, known or counted(truth, answers, len(model.truth.vocabulary), draws, seed), left_out)


def _checked(models: Sequence[Compared], metric: str, test: str | None, correction: str) -> str:
    """The test to take; DataError where the models or what is asked of them do not go together."""
    names = [m.name for m in models]
    if len(models) < 2 or len(set(names)) < len(names):
        raise DataError(f"models to compare: {', '.join(names) or 'none'}", "two or more, each with a name of its own")
    for what, given, known in (("metric", metric, COMPARED_BY), ("correction", correction, CORRECTIONS)):
        if given not in known:
            raise DataError(f"the {what} {given!r}", f"one of {', '.join(known)}")
    test = test or (MCNEMAR if metric == ACCURACY else BOOTSTRAP)
    if test not in TESTS or (test == MCNEMAR and metric != ACCURACY):
        raise DataError(
            f"the test {test!r} of {metric}", "mcnemar or bootstrap of accuracy, bootstrap of anything else"
        )
    first = models[0]
    for m in models:
        if (m.truth.protocol, m.truth.vocabulary) != (first.truth.protocol, first.truth.vocabulary):
            raise DataError(
                f"{first.name} is counted by {first.truth.protocol}, {m.name} by {m.truth.protocol}",
                "the same labels for all models",
            )
        if m.predictions.vocabulary.labels != m.truth.vocabulary.labels:
            raise DataError(
                f"{m.name} answers in {m.predictions.vocabulary.name}", f"{m.truth.vocabulary.name}, as the labels are"
            )
        if set(m.predictions.rows.tolist()) != set(m.truth.rows.tolist()):
            raise DataError(f"{m.name}: predictions and labels are of different rows", "the same row ids on both sides")
    return test


def _rows(models: Sequence[Compared], common: bool) -> np.ndarray:
    """Row ids, ascending, that are compared: those that every model is counted on."""
    own = [m.truth.rows[m.truth.labels >= 0] for m in models]
    shared = np.array(sorted(set.intersection(*(set(rows.tolist()) for rows in own))), dtype=np.int64)
    if not len(shared):
        raise DataError("the models have no row in common", "the same faces for all", "Evaluate them on the same part.")
    unlike = [(m, rows) for m, rows in zip(models, own, strict=True) if len(rows) != len(shared)]
    if unlike and not common:
        told = (
            f"{m.name} has {len(rows) - len(shared):,} of its {len(rows):,} that others lack, such as row "
            f"{np.setdiff1d(rows, shared)[0]}"
            for m, rows in unlike
        )
        raise DataError(
            f"the models do not have the same rows: {'; '.join(told)}",
            "the same faces for all",
            f"--common compares on the {len(shared):,} rows that all have.",
        )
    return shared


def _labels(models: Sequence[Compared], rows: np.ndarray) -> np.ndarray:
    """(n,) labels of the rows; DataError where models do not have the same."""
    first = models[0]
    labels: np.ndarray = first.truth.labels[_places(first.truth.rows, rows)]
    for m in models[1:]:
        own = m.truth.labels[_places(m.truth.rows, rows)]
        other = np.flatnonzero(own != labels)
        if len(other):
            at, names = other[0], m.truth.vocabulary.labels
            raise DataError(
                f"row {rows[at]} is {names[labels[at]]} for {first.name} and {names[own[at]]} for {m.name}; "
                f"{len(other):,} of {len(rows):,} rows differ",
                "the same label for the same row",
                "Evaluate both on the same data set.",
            )
    return labels


def _places(rows: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Where the row ids that are wanted stand among others, all of which are there."""
    order: np.ndarray = np.argsort(rows, kind="stable")
    found: np.ndarray = order[np.searchsorted(rows[order], wanted)]
    return found
