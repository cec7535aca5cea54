"""Scores from predictions and labels. The same code for our bundles and anyone's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mien.errors import DataError
from mien.expressions import Vocabulary


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
    order, other = np.argsort(predictions.rows), np.argsort(rows)
    if len(order) != len(other) or (predictions.rows[order] != np.asarray(rows)[other]).any():
        raise DataError(
            "predictions and labels are of different rows",
            "the same row ids on both sides",
            "Score the rows that were predicted.",
        )
    labels = np.asarray(labels)
    if labels.shape != (len(other),) or (labels >= len(predictions.vocabulary)).any():
        raise DataError(
            f"labels of shape {labels.shape} up to {labels.max(initial=-1)}",
            f"({len(other)},): one per row id, under {len(predictions.vocabulary)}",
        )
    truth = labels[other]
    named = truth >= 0
    if not named.any():
        raise DataError("no face has a label under this protocol", "at least one labelled face")
    truth, answer = truth[named], predictions.probabilities[order][named].argmax(axis=1)
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
