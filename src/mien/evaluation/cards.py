"""What a card says of a model's scores and certainty, as plain values for ``bundle.save``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import onnxruntime

from mien.card import CardThreshold
from mien.data import FaceSet
from mien.evaluation.calibration import certainty_threshold, check_error_rates, expected_calibration_error
from mien.evaluation.protocols import PLURALITY, Truth, truths
from mien.evaluation.scores import Predictions, accuracy
from mien.expressions import FERPLUS, Vocabulary

ERROR_RATE = 0.2
# Those that a user of a bundle can choose from.
ERROR_RATES = (0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3)
_BATCH = 128


def opened(body: bytes) -> onnxruntime.InferenceSession:
    """A network that is not on disk yet, ready to score."""
    return onnxruntime.InferenceSession(body, providers=["CPUExecutionProvider"])


def answers(
    network: onnxruntime.InferenceSession, outputs: Sequence[str], faces: FaceSet, at: np.ndarray
) -> dict[str, np.ndarray]:
    """Score faces of a set.

    Args:
        network: Of a bundle: takes ``faces``, (N, s, s) uint8.
        outputs: Which of its outputs.
        faces: The set.
        at: (n,) positions, not row ids, at least one.

    Returns:
        By name of the output, n rows.
    """
    parts = [
        network.run(list(outputs), {"faces": np.ascontiguousarray(faces.faces[at[i : i + _BATCH]])})
        for i in range(0, len(at), _BATCH)
    ]
    return {name: np.concatenate(found) for name, found in zip(outputs, zip(*parts, strict=True), strict=True)}


def right_answers(faces: FaceSet, at: np.ndarray) -> dict[str, Truth]:
    """The labels that a card's scores are counted by: the set's own, and FER+'s official majority where it has votes.

    Args:
        faces: The set.
        at: (n,) positions, not row ids.

    Returns:
        By name of the vocabulary. One in which no face has a label is not there.
    """
    found: dict[str, Truth] = {}
    for truth in truths(faces, at):
        if truth.protocol != PLURALITY:
            found.setdefault(truth.vocabulary.name, truth)  # labels in FER+'s own vocabulary go before votes
    return found


def score(faces: FaceSet, part: str, predictions: Predictions, truth: Truth) -> dict[str, Any]:
    """A row of the card's scores: single-view accuracy on a part.

    Args:
        faces: The set.
        part: Its name.
        predictions: Answers for the faces of the part.
        truth: Right answers for the same row ids.

    Raises:
        DataError: The row ids do not line up, or no face has a label.
    """
    result = accuracy(predictions, truth.rows, truth.labels)
    return {
        "data": faces.provenance.source,
        "part": part,
        "protocol": protocol(truth.vocabulary, faces.vocabulary),
        "value": result.value,
        "low": result.low,
        "high": result.high,
        "n": result.n,
        "recall": {k: None if np.isnan(r) else round(r, 4) for k, r in result.recall.items()},
    }


def protocol(asked: Vocabulary, own: Vocabulary) -> str:
    """How a card's scores are counted."""
    if asked.name == own.name:
        return f"{asked.name} labels, every face"
    return f"{FERPLUS.name} majority: single votes dropped, more than half required"


def calibration(
    probabilities: Mapping[str, np.ndarray],
    labels: Mapping[str, np.ndarray],
    primary: str,
    error_rate: float = ERROR_RATE,
) -> dict[str, Any]:
    """How far held-out probabilities can be believed; all of a card's calibration but the temperatures.

    Args:
        probabilities: (n, K) of the validation part, by name of the vocabulary.
        labels: (n,) label indices by the same names; negative ones are left out.
        primary: Name of the vocabulary that certainty is about.
        error_rate: Share of wrong answers to say "uncertain" for.

    Raises:
        DataError: No face has a label, or the error rate is no share between 0 and 1.
    """
    error = {}
    for name, found in probabilities.items():
        named = labels[name] >= 0
        error[name] = expected_calibration_error(found[named], labels[name][named])
    named = labels[primary] >= 0
    table = thresholds(probabilities[primary][named], labels[primary][named], {*ERROR_RATES, error_rate})
    (chosen,) = (t for t in table if t.error_rate == error_rate)
    return {
        "fitted_on": "validation",
        "n": int(named.sum()),
        "expected_error": error,
        "uncertain_below": chosen.confidence,
        "accuracy_when_certain": chosen.accuracy,
        "share_certain": chosen.share,
        "error_rate": error_rate,
        "thresholds": [asdict(t) for t in table],
    }


def thresholds(
    probabilities: np.ndarray, labels: np.ndarray, error_rates: Iterable[float] = ERROR_RATES
) -> list[CardThreshold]:
    """The confidence from which a model answers, for each error rate, ascending.

    Args:
        probabilities: (n, K) of faces that were not trained on.
        labels: (n,) label indices.
        error_rates: Shares of wrong answers, each between 0 and 1.

    Raises:
        DataError: There are no faces, or an error rate is no such share.
    """
    found, wanted = [], sorted(error_rates)
    check_error_rates(wanted)
    for rate in wanted:
        chosen = certainty_threshold(probabilities, labels, 1 - rate)
        found.append(CardThreshold(rate, chosen.confidence, chosen.accuracy, chosen.share, chosen.reached))
    return found
