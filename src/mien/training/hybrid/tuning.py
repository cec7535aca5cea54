"""Choosing a setting: folds, the time it will take, and the search itself."""

from __future__ import annotations

import csv
import io
import queue
import threading
import time
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import joblib
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import PredefinedSplit, RandomizedSearchCV
from threadpoolctl import threadpool_limits

from mien.data.grouping import deal
from mien.errors import DataError
from mien.files import write_text
from mien.recipe import HeadSection
from mien.training.hybrid.heads import ORDER, Library, Setting, drawn, first, most, pipeline, ranges, stopped

T = TypeVar("T")

# Rows that the fits behind the time estimate are made on: enough to show how time grows, few enough to take seconds.
_TRIAL_ROWS = 2000
_TRIALS = 30  # candidates that are timed


@dataclass(frozen=True)
class Rows:
    """What is fitted on.

    Attributes:
        features: (N, F) float64.
        labels: (N,) int64.
        group: (N,) int64; rows of one number are the same face, and stay in one fold.
        weights: (N,) float64 weight of each row; None where all count alike, or the classifier takes none.
        names: Labels by index.
    """

    features: np.ndarray
    labels: np.ndarray
    group: np.ndarray
    weights: np.ndarray | None
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, at: np.ndarray) -> Rows:
        """Some of the rows."""
        weights = None if self.weights is None else self.weights[at]
        return Rows(self.features[at], self.labels[at], self.group[at], weights, self.names)


@dataclass(frozen=True)
class Candidate:
    """One setting of the search.

    Attributes:
        setting: Parameters, by scikit-learn's names.
        accuracy: Mean over the folds.
        deviation: Standard deviation over the folds.
        seconds: Mean time of a fit.
        stopped: Fits that ran into the bound on iterations.
    """

    setting: Setting
    accuracy: float
    deviation: float
    seconds: float
    stopped: int


@dataclass(frozen=True)
class Progress:
    """How far a hybrid is.

    Attributes:
        stage: ``features``, ``search`` or ``fit``.
        done: Faces or fits done.
        total: Of how many.
        about: How long search and fit will take; given once, before they start.
    """

    stage: str
    done: int
    total: int
    about: Estimate | None = None


Report = Callable[[Progress], None]


@dataclass(frozen=True)
class Estimate:
    """What fitting will take, before it starts; printed as a sentence.

    Attributes:
        seconds: Of the search and the last fit.
        candidates: Settings compared; 0 where nothing is searched.
        folds: Of the cross-validation.
        rows: Training rows.
        columns: Features.
        at_once: Fits that run at once.
        growth: By kernel, or the head's kind, the power of the rows that time was found to grow with.
    """

    seconds: float
    candidates: int
    folds: int
    rows: int
    columns: int
    at_once: int
    growth: dict[str, float]

    def __str__(self) -> str:
        size = f"{self.rows:,} rows of {self.columns:,} features"
        at_once = f", {self.at_once} at once" if self.at_once > 1 else ""
        if not self.candidates:
            return f"about {_duration(self.seconds)} (one setting on {size})"
        return f"about {_duration(self.seconds)} ({self.candidates} candidates × {self.folds} folds on {size}{at_once})"


def _duration(seconds: float) -> str:
    for limit, unit, of in ((90, "second", 1), (5400, "minute", 60), (float("inf"), "hour", 3600)):
        if seconds < limit:
            count = max(1, round(seconds / of))
            return f"{count} {unit}{'s' if count > 1 else ''}"
    raise AssertionError


def cores() -> int:
    """Cores that this process may use."""
    return int(joblib.cpu_count())


def folds(rows: Rows, count: int, seed: int) -> PredefinedSplit:
    """Folds with even shares of every label, in which no face is on both sides, though its row be repeated.

    Raises:
        DataError: In some fold nothing would be left of a class to fit on.
    """
    unit = np.unique(rows.group, return_inverse=True)[1]
    side = deal(unit, rows.labels, [1 / count] * count, np.random.default_rng(seed))
    for fold in range(count):
        left = np.bincount(rows.labels[side != fold], minlength=len(rows.names))
        if not left.all() or not (side == fold).any():
            label = rows.names[int(left.argmin())]
            different = len(np.unique(unit[rows.labels == rows.names.index(label)]))
            raise DataError(
                f"the training part has {different} different face{'s' if different != 1 else ''} of {label}",
                f"enough for {count} folds: at least 2 of each class, and {count} in all",
                "Use more rows or fewer folds, or map the labels to a vocabulary without this class: mien data maps.",
            )
    return PredefinedSplit(side)


def subset(labels: np.ndarray, wanted: int, seed: int) -> np.ndarray:
    """Places of about so many rows, drawn at random: of every class its share, and at least 2 where it has them."""
    if wanted >= len(labels):
        return np.arange(len(labels))
    rng = np.random.default_rng(seed)
    kept = []
    for label in np.unique(labels):
        at = rng.permutation(np.flatnonzero(labels == label))
        kept.append(at[: max(2, round(len(at) * wanted / len(labels)))])
    return np.sort(np.concatenate(kept))


def estimate(rows: Rows, section: HeadSection, seed: int, own: Library) -> Estimate:
    """Time fits of the candidates on a few rows, and how they grow with the rows; takes seconds.

    Args:
        rows: All training rows.
        section: The head.
        seed: Of the candidates and the draw.
        own: Whose classifiers.
    """
    count = most(section)
    candidates = drawn(section, seed)[:_TRIALS] or [first(section)]
    large = subset(rows.labels, _TRIAL_ROWS, seed)
    small = subset(rows.labels, len(large) // 4, seed)
    with threadpool_limits(1 if own.fits_at_once else None), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _seconds(rows.take(small), candidates[0], section, own)  # the first call of a library is slower
        took = [_seconds(rows.take(small), c, section, own) for c in candidates]
        growth, whole = {}, 0.0
        for kind in dict.fromkeys(c.get("kernel", section.kind) for c in candidates):
            same = [(t, i) for i, t in enumerate(took) if candidates[i].get("kernel", section.kind) == kind]
            middle, at = sorted(same)[len(same) // 2]
            again = _seconds(rows.take(large), candidates[at], section, own)
            power = np.log(again / middle) / np.log(len(large) / len(small)) if len(large) > len(small) else 2.0
            growth[kind] = round(float(np.clip(power, 1, 3)), 2)
            # From the larger trial on, whose time is less noise.
            grown = again / middle * (len(rows) / len(large)) ** growth[kind]
            whole += sum(t for t, _ in same) * grown
    mean = whole / len(candidates)
    at_once = min(cores(), section.folds * max(count, 1)) if own.fits_at_once else 1
    # The last fit: one on all rows, and for the SVM one for each fold that its probabilities are fitted on.
    last = mean * (1 + (section.folds / min(at_once, section.folds) if section.kind == "svm" else 0))
    searching = mean * count * section.folds / at_once
    columns = rows.features.shape[1]
    return Estimate(searching + last, count, section.folds, len(rows), columns, at_once, growth)


def _seconds(rows: Rows, setting: Setting, section: HeadSection, own: Library) -> float:
    """Time of one fold: a fit on the rest of the rows, and scoring the fold."""
    held = np.arange(len(rows)) % section.folds == 0
    # A class with few rows must be on the side that is fitted.
    held &= np.isin(np.arange(len(rows)), np.unique(rows.labels, return_index=True)[1], invert=True)
    classifier = pipeline(section, _fitting(setting, int((~held).sum())), own)
    began = time.perf_counter()
    classifier.fit(rows.features[~held], rows.labels[~held])
    classifier.predict(rows.features[held])
    return time.perf_counter() - began


def _fitting(setting: Setting, rows: int) -> Setting:
    """The setting, with no more neighbours than there are rows."""
    return {k: min(v, rows) if k == "n_neighbors" else v for k, v in setting.items()}


def search(
    rows: Rows, section: HeadSection, seed: int, own: Library, report: Report | None = None
) -> tuple[Candidate, ...]:
    """Compare the candidates by cross-validated accuracy; the first returned is the best.

    Args:
        rows: Training rows.
        section: The head.
        seed: Of the candidates and the folds.
        own: Whose classifiers.
        report: Called after each fit, in the caller's thread; what it raises ends the search.

    Returns:
        By accuracy, the highest first, and in the order of their draw where it is the same.
    """
    total = most(section) * section.folds
    counted = _Counted()
    scored = RandomizedSearchCV(
        pipeline(section, {}, own),
        [{f"head__{k}": v for k, v in table.items()} for table in ranges(section)],
        n_iter=most(section),
        scoring=counted,
        refit=False,
        cv=folds(rows, section.folds, seed),
        random_state=seed,
        error_score="raise",
    )
    weights = {} if rows.weights is None else {"head__sample_weight": rows.weights}

    def run() -> None:
        at_once(own, lambda: scored.fit(rows.features, rows.labels, **weights))

    def told(done: int) -> None:
        if report is not None:
            report(Progress("search", done, total))

    watched(run, counted.ticks, counted.ended, told)
    found = scored.cv_results_
    candidates = [
        Candidate(
            {k.removeprefix("head__"): v for k, v in found["params"][i].items()},
            float(found["mean_test_accuracy"][i]),
            float(found["std_test_accuracy"][i]),
            float(found["mean_fit_time"][i]),
            round(float(found["mean_test_stopped"][i]) * section.folds),
        )
        for i in range(len(found["params"]))
    ]
    return tuple(sorted(candidates, key=lambda c: -c.accuracy))


def write_search(candidates: tuple[Candidate, ...], path: Path) -> None:
    """Write every candidate as a row of CSV, the best first."""
    columns = [name for name in ORDER if any(name in c.setting for c in candidates)]
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow([*columns, "accuracy", "deviation", "fit_seconds", "stopped_fits"])
    for c in candidates:
        told = [c.setting.get(name, "") for name in columns]
        table.writerow([*told, f"{c.accuracy:.6f}", f"{c.deviation:.6f}", f"{c.seconds:.4f}", c.stopped])
    write_text(path, out.getvalue())


class _Counted:
    """Scores a fitted pipeline, and counts.

    Attributes:
        ticks: An item for each fit.
        ended: Set when nobody waits for the rest; the next fit to end then ends the search.
    """

    def __init__(self) -> None:
        self.ticks: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self.ended = threading.Event()

    def __call__(self, estimator: Any, features: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        if self.ended.is_set():
            raise RuntimeError("the search was given up")
        accuracy = float((estimator.predict(features) == labels).mean())
        self.ticks.put(True)
        return {"accuracy": accuracy, "stopped": float(stopped(estimator["head"]))}


def at_once(own: Library, work: Callable[[], T]) -> T:
    """Run with as many fits at once as there are cores, in threads, each fit on one core.

    Threads and not processes: the features are not copied, and libsvm does not hold Python's lock. scikit-learn-intelex
    uses all cores for one fit instead. A fit that is stopped at its bound is counted, so its warning is not wanted.
    """
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", ".*Falling back to usage of all available threads")  # which is what is wanted
        if own.fits_at_once:
            stack.enter_context(joblib.parallel_config("threading", n_jobs=cores()))
            stack.enter_context(threadpool_limits(1))
        return work()


def watched(
    work: Callable[[], None],
    ticks: queue.SimpleQueue[bool],
    ended: threading.Event,
    told: Callable[[int], None],
) -> None:
    """Do the work in a thread of its own and count its ticks here.

    A fit is minutes of C that hears no Ctrl-C: the wait for it does.
    """
    trouble: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            trouble.append(error)
        finally:
            ticks.put(False)

    thread = threading.Thread(target=run, name="mien-hybrid", daemon=True)
    thread.start()
    done = 0
    try:
        while ticks.get():
            told(done := done + 1)
    except BaseException:
        ended.set()
        raise
    if trouble:
        raise trouble[0]
