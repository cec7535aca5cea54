"""A system that was run, the answers of its network to a part, and how numbers of them are written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mien.data import FaceSet, Split
from mien.errors import StudyError
from mien.evaluation.calibration import softmax
from mien.evaluation.evaluate import Evaluated
from mien.evaluation.intervals import estimate, share_estimate, weights
from mien.evaluation.measures import Estimate
from mien.evaluation.scores import Predictions
from mien.evaluation.subject import answering
from mien.expressions import Vocabulary
from mien.recipe import Recipe
from mien.studies.manifest import System
from mien.studies.result import Quantity

DRAWS, SEED = 1000, 0  # of the bootstrap
_DIGITS = 6  # of a number in a result


@dataclass(frozen=True)
class Ran:
    """A system that was run and evaluated.

    Attributes:
        folder: Its run folder: ``recipe.toml``, ``split.json``, ``bundle``, ``weights.safetensors``.
        study: Folder of the study, with ``published.toml``.
        system: As the study names it.
        recipe: As run.
        faces: The data set, in the labels that it was trained on.
        split: As trained.
        evaluated: By part, its evaluation.
    """

    folder: Path
    study: Path
    system: System
    recipe: Recipe
    faces: FaceSet
    split: Split
    evaluated: dict[str, Evaluated]


Measure = Callable[[Ran, str], dict[str, Quantity]]


@dataclass(frozen=True)
class Answers:
    """What a network said to the faces of a part, each face once, row ids ascending.

    Attributes:
        vocabulary: What the labels mean: those of the evaluation's first protocol.
        rows: (n,) row ids.
        labels: (n,) right answers, indices into the vocabulary.
        given: (n, K) probabilities as the bundle gives them, its temperature included.
        own: (n, K) the network's own: with the temperature taken out again.
        times: (n,) how often the row is in the part of the run's split; 1 but for a part with repeated rows.
        temperature: The bundle's; 1 where it has none.
    """

    vocabulary: Vocabulary
    rows: np.ndarray
    labels: np.ndarray
    given: np.ndarray
    own: np.ndarray
    times: np.ndarray
    temperature: float

    @property
    def answers(self) -> np.ndarray:
        """(n,) what was said, indices into the vocabulary."""
        return np.asarray(self.given.argmax(axis=1))

    @property
    def right(self) -> np.ndarray:
        """(n,) bool."""
        return np.asarray(self.answers == self.labels)


def evaluated_on(ran: Ran, part: str) -> Evaluated:
    """The evaluation on a part; StudyError where the system was not evaluated on it."""
    if part not in ran.evaluated:
        raise StudyError(
            f"a measure of {ran.system.name} on {part}, which it is not evaluated on",
            f"one of {', '.join(ran.evaluated) or 'no part at all'}",
            f"Add {part} to the parts of that system in study.toml.",
        )
    return ran.evaluated[part]


def answers_to(ran: Ran, part: str) -> Answers:
    """The answers to the faces of a part that the evaluation's first protocol counts.

    Raises:
        StudyError: The system was not evaluated on the part.
    """
    found = evaluated_on(ran, part)
    truth, given = found.answers[found.evaluation.protocols[0].name]
    order = np.argsort(truth.rows)
    order = order[truth.labels[order] >= 0]
    rows = truth.rows[order]
    said, temperature = _said(found, truth.vocabulary)
    hot = Predictions(said.vocabulary, said.rows, heated(said.probabilities, temperature))
    reached = answering([hot], truth.vocabulary)
    assert reached is not None  # the evaluation came the same way
    own = reached[0].take(rows).probabilities
    return Answers(
        truth.vocabulary,
        rows,
        truth.labels[order],
        given.probabilities[order],
        own,
        _times(ran.split, part, rows),
        temperature,
    )


def _said(found: Evaluated, asked: Vocabulary) -> tuple[Predictions, float]:
    """What the network said in the vocabulary that answers for ``asked``, and the temperature in it."""
    direct = [p for p in found.predictions if set(p.vocabulary.labels) == set(asked.labels)]
    said = next(p for p in direct or found.predictions if answering([p], asked) is not None)
    card = found.plan.subject.card
    return said, 1.0 if card is None else card.calibration.temperature.get(said.vocabulary.name, 1.0)


def heated(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Take a temperature out of probabilities: softmax(logits / T) → softmax(logits), which is softmax(T · log p).

    Args:
        probabilities: (n, K), rows sum to 1. One that is 0 counts as the least number of 32 bits that is more.
        temperature: T.

    Returns:
        (n, K) float64.
    """
    least = float(np.finfo(np.float32).smallest_subnormal)
    return softmax(temperature * np.log(np.clip(probabilities.astype(np.float64), least, None)))


def _times(split: Split, part: str, rows: np.ndarray) -> np.ndarray:
    """(n,) how often each of these row ids is in a part of the split; 1 where the split has no such part."""
    if part not in split.parts:
        return np.ones(len(rows), np.int64)
    return occurrences(split.parts[part], rows)


def occurrences(among: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """(n,) int64: how often each of ``rows`` is among others."""
    known, counts = np.unique(among, return_counts=True)
    at = np.minimum(np.searchsorted(known, rows), len(known) - 1)
    return np.asarray(np.where(known[at] == rows, counts[at], 0))


def losses(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(n,) log loss of each face, nats; a probability under 2.2e-16 counts as that, as in every evaluation."""
    of_truth = probabilities[np.arange(len(labels)), labels]
    return np.asarray(-np.log(np.clip(of_truth, np.finfo(np.float64).eps, 1)))


def means(columns: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> dict[str, Estimate]:
    """Weighted means with percentile bootstrap intervals over faces (Efron 1979).

    A face that is in a part several times is drawn with all its rows, or not at all: rows of one face are no
    independent draws.

    Args:
        columns: By name, (n,) a number for each face and (n,) its weight; all of the same faces.

    Returns:
        By name; ``n`` is the number of faces with a weight. Not defined where none has one.
    """
    value = np.stack([np.asarray(v, np.float64) for v, _ in columns.values()], axis=1)
    weight = np.stack([np.asarray(w, np.float64) for _, w in columns.values()], axis=1)
    drawn = []
    with np.errstate(invalid="ignore"):
        whole = (value * weight).sum(axis=0) / weight.sum(axis=0)
        for chunk in weights(len(value), DRAWS, SEED):
            times = chunk.astype(np.float64)
            drawn.append((times @ (value * weight)) / (times @ weight))
    every = np.concatenate(drawn)
    return {
        name: estimate(float(whole[k]), every[:, k], int((weight[:, k] > 0).sum())) for k, name in enumerate(columns)
    }


def share(found: Estimate) -> Quantity:
    """A share of faces; Wilson's interval (1927) where all or none count, for which resamples have no width."""
    if found.n and found.value in (0.0, 1.0):
        found = share_estimate(found.n if found.value else 0, found.n)
    return _quantity("share", found)


def share_of(right: int | np.integer, n: int | np.integer) -> Quantity:
    """A plain share of faces, with Wilson's interval; not defined of no faces."""
    return _quantity("share", share_estimate(int(right), int(n)))


def mean(found: Estimate, kind: str = "number") -> Quantity:
    """A mean over faces, with its interval."""
    return _quantity(kind, found)


def count(value: int | np.integer, n: int = 0) -> Quantity:
    """A count."""
    return Quantity("count", float(value), n=n)


def text(sentence: str) -> Quantity:
    """A sentence."""
    return Quantity("text", text=sentence)


def _quantity(kind: str, found: Estimate) -> Quantity:
    value, low, high = (None if v is None else round(v, _DIGITS) for v in (found.value, found.low, found.high))
    return Quantity(kind, value, low, high, found.n)
