"""From the folders of several evaluations to what can be compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mien.errors import DataError
from mien.evaluation.comparison import Compared
from mien.evaluation.document import LABELS, PREDICTIONS, Evaluation
from mien.evaluation.files import read_labels, read_predictions
from mien.evaluation.protocols import Truth
from mien.evaluation.scores import Predictions
from mien.evaluation.subject import answering
from mien.expressions import VOCABULARIES, Vocabulary

_AGAIN = "Evaluate the model again."


@dataclass(frozen=True)
class Folder:
    """An evaluation and where it lies.

    Attributes:
        name: What the model is called in a comparison.
        path: The folder, with the evaluation's predictions and labels.
        evaluation: What ``evaluation.json`` says.
    """

    name: str
    path: Path
    evaluation: Evaluation


def shared_protocols(folders: Sequence[Folder]) -> list[str]:
    """Names of the protocols that all models were evaluated under, in the order of the first one.

    Raises:
        DataError: They were evaluated on different data or parts, or share no protocol.
    """
    first = folders[0]
    for other in folders[1:]:
        for what in ("sha256", "part"):
            ours, theirs = getattr(first.evaluation.data, what), getattr(other.evaluation.data, what)
            if ours != theirs:
                raise DataError(
                    f"{first.name} was evaluated on {_data(first)}, {other.name} on {_data(other)}",
                    "the same part of the same data set",
                    "Evaluate both on the same faces.",
                )
    names = [[p.name for p in f.evaluation.protocols] for f in folders]
    shared = [name for name in names[0] if all(name in others for others in names)]
    if not shared:
        raise DataError(
            "; ".join(f"{f.name}: {', '.join(own)}" for f, own in zip(folders, names, strict=True)),
            "a protocol that all models were evaluated under",
        )
    return shared


def read_compared(folders: Sequence[Folder], protocol: str) -> list[Compared]:
    """Read predictions and labels of one protocol.

    Args:
        folders: One for each model.
        protocol: One of ``shared_protocols(folders)``.

    Raises:
        DataError: A file is missing or damaged, or says something else than its evaluation.
    """
    return [_read(folder, protocol) for folder in folders]


def _read(folder: Folder, protocol: str) -> Compared:
    evaluation, path = folder.evaluation, folder.path
    vocabularies = {p.name: _vocabulary(evaluation, p.name) for p in evaluation.protocols}
    own = vocabularies[protocol]
    given = read_predictions(path / PREDICTIONS, vocabularies[evaluation.protocols[0].name], evaluation.data.sha256)
    truth = read_labels(path / LABELS, vocabularies).get(protocol)
    reached = answering(list(given.values()), own)
    if truth is None or reached is None:
        raise DataError(f"{path} has no {'labels' if truth is None else 'answers'} for {protocol}", "both", _AGAIN)
    predictions, scores = reached[0], evaluation.scores(protocol)
    _refuse_unlike(folder, protocol, predictions, truth)
    return Compared(folder.name, predictions, truth, {} if scores is None else scores.headline)


def _refuse_unlike(folder: Folder, protocol: str, predictions: Predictions, truth: Truth) -> None:
    """DataError where the files are not those that the evaluation's numbers were made from."""
    scores = folder.evaluation.scores(protocol)
    said = None if scores is None else scores.headline["accuracy"].value
    if scores is None or said is None:
        return
    counted = truth.labels >= 0
    right = predictions.aligned(truth.rows)[counted].argmax(axis=1) == truth.labels[counted]
    # Two faces are allowed to differ: seven digits may tie where a model's own numbers do not.
    if scores.n != len(right) or abs(float(np.sum(right)) - said * scores.n) > 2:
        raise DataError(
            f"{folder.path}: {np.sum(right):,} of {len(right):,} right by {PREDICTIONS}, "
            f"{said * scores.n:,.0f} of {scores.n:,} by the evaluation ({protocol})",
            "files of one evaluation",
            _AGAIN,
        )


def _vocabulary(evaluation: Evaluation, protocol: str) -> Vocabulary:
    """What the labels of a protocol mean: one of mien's vocabularies, or the data's own."""
    scores = evaluation.scores(protocol)
    labels = tuple(scores.labels) if scores is not None else ()
    known = next((v for v in VOCABULARIES.values() if v.labels == labels), None)
    return known or VOCABULARIES.get(protocol) or Vocabulary(evaluation.data.vocabulary, labels)


def _data(folder: Folder) -> str:
    data = folder.evaluation.data
    return f"{data.part} of {data.source} (sha256 {data.sha256[:16]}…)"
