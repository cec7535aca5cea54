"""Scores from predictions and labels. The same code for our bundles and anyone's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mien.errors import DataError
from mien.expressions import Vocabulary, VocabularyMap


@dataclass(frozen=True)
class Predictions:
    """Class probabilities that travel with the row ids they belong to.

    Attributes:
        vocabulary: What the columns mean.
        rows: (N,) unique row ids.
        probabilities: (N, len(vocabulary)), each row sums to 1.
    """

    vocabulary: Vocabulary
    rows: np.ndarray
    probabilities: np.ndarray

    def __post_init__(self) -> None:
        if self.probabilities.shape != (len(self.rows), len(self.vocabulary)):
            raise DataError(
                f"probabilities are {self.probabilities.shape}",
                f"({len(self.rows)}, {len(self.vocabulary)}): one row per id, one column per label",
            )
        if len(np.unique(self.rows)) != len(self.rows):
            raise DataError("predictions: a row id appears twice", "one prediction per row")
        if not np.allclose(self.probabilities.sum(axis=1), 1, atol=1e-3):
            raise DataError("predictions: probabilities do not sum to 1", "each row to sum to 1")

    def aligned(self, rows: np.ndarray) -> np.ndarray:
        """Probabilities in the order of other row ids.

        Args:
            rows: (N,) the same row ids, in any order.

        Returns:
            (N, len(vocabulary)), a row per id given.

        Raises:
            DataError: The ids are not the same; says how many each side lacks, and one of them.
        """
        rows = np.asarray(rows)
        if len(np.unique(rows)) != len(rows):
            raise DataError("a row id appears twice among those to score", "one label per row")
        missing, extra = np.setdiff1d(rows, self.rows), np.setdiff1d(self.rows, rows)
        if len(missing) or len(extra):
            sides = (_some(missing, "to score without a prediction"), _some(extra, "predicted but not to score"))
            raise DataError(
                f"predictions and labels are of different rows: {' and '.join(filter(None, sides))}",
                "the same row ids on both sides",
                "Score the rows that were predicted.",
            )
        return self.take(rows).probabilities

    def take(self, rows: np.ndarray) -> Predictions:
        """The predictions of some rows, in their order.

        Args:
            rows: (M,) unique row ids.

        Raises:
            DataError: One is not predicted, or appears twice.
        """
        rows = np.asarray(rows)
        missing = np.setdiff1d(rows, self.rows)
        if len(missing):
            raise DataError(f"predictions lack {_some(missing, 'asked for')}", "a prediction for each")
        order = np.argsort(self.rows)
        at = order[np.searchsorted(self.rows, rows, sorter=order)]
        return Predictions(self.vocabulary, self.rows[at], self.probabilities[at])

    def mapped(self, vocabulary_map: VocabularyMap) -> Predictions:
        """The predictions in another vocabulary: the mass of dropped labels is shared out over the rest.

        A row whose whole mass is on dropped labels says nothing about the others and becomes uniform.

        Args:
            vocabulary_map: From these labels to others.

        Raises:
            DataError: The map is from other labels.
        """
        if vocabulary_map.source.labels != self.vocabulary.labels:
            raise DataError(
                f"predictions of {', '.join(self.vocabulary.labels)} for the map {vocabulary_map.name}",
                f"its labels in order: {', '.join(vocabulary_map.source.labels)}",
            )
        target = vocabulary_map.target
        probabilities = vocabulary_map.probabilities(self.probabilities)
        probabilities[~probabilities.any(axis=1)] = 1 / len(target)
        return Predictions(target, self.rows, probabilities)


@dataclass(frozen=True)
class Score:
    """A share of right answers with its 95% interval.

    Attributes:
        value: Share, 0 to 1.
        low: Lower end of the percentile bootstrap interval over faces.
        high: Upper end.
        n: Number of faces.
        recall: Share of right answers per label; nan where a label has no faces.
        support: Faces per label.
    """

    value: float
    low: float
    high: float
    n: int
    recall: dict[str, float]
    support: dict[str, int]


def accuracy(predictions: Predictions, rows: np.ndarray, labels: np.ndarray, draws: int = 2000, seed: int = 0) -> Score:
    """Accuracy with a bootstrap interval.

    Args:
        predictions: Scored faces.
        rows: (N,) row ids of the labels, the same set as the predictions', in any order.
        labels: (N,) label indices; negative ones are left out (faces that a protocol does not name).
        draws: Bootstrap resamples.
        seed: Their seed.

    Raises:
        DataError: The row ids do not line up, a label is outside the vocabulary, or no face is left.
    """
    probabilities = predictions.aligned(rows)
    labels = np.asarray(labels)
    if labels.shape != (len(rows),) or (labels >= len(predictions.vocabulary)).any():
        raise DataError(
            f"labels of shape {labels.shape} up to {labels.max(initial=-1)}",
            f"({len(rows)},): one per row id, under {len(predictions.vocabulary)}",
        )
    named = labels >= 0
    if not named.any():
        raise DataError("no face has a label under this protocol", "at least one labelled face")
    truth, answer = labels[named], probabilities[named].argmax(axis=1)
    right = answer == truth
    n = len(right)
    # The number right in a resample of n faces is binomial: no need to draw the faces themselves.
    drawn = np.random.default_rng(seed).binomial(n, right.mean(), draws) / n
    low, high = np.quantile(drawn, [0.025, 0.975])
    names = predictions.vocabulary.labels
    support = np.bincount(truth, minlength=len(names))
    hits = np.bincount(truth[right], minlength=len(names))
    return Score(
        float(right.mean()),
        float(low),
        float(high),
        n,
        {k: float(h / s) if s else float("nan") for k, h, s in zip(names, hits, support, strict=True)},
        {k: int(s) for k, s in zip(names, support, strict=True)},
    )


def _some(rows: np.ndarray, what: str) -> str:
    """``2 rows WHAT (such as 17)``; empty for none."""
    return f"{len(rows)} row{'s' * (len(rows) > 1)} {what} (such as {rows[0]})" if len(rows) else ""
