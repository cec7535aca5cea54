"""What a report says of answers that were compared with the labels of other faces, and what mien says to it."""

from __future__ import annotations

import csv
import tempfile
from pathlib import Path

import numpy as np

from mien.errors import DataError
from mien.evaluation import published
from mien.evaluation.files import read_predictions
from mien.evaluation.metrics import confusion
from mien.evaluation.published.chance import chance
from mien.evaluation.scores import Predictions, accuracy
from mien.studies.measures.ran import SEED, Answers, Ran, answers_to, share_of, text
from mien.studies.result import Quantity

NO_ALARM = "no alarm: the answers are too few, or too much alike, to show that they are out of order"
NO_REFUSAL = "no refusal: the row ids of these faces happen to be their places"


def shuffled(ran: Ran, part: str) -> dict[str, Quantity]:
    """Report on the answers to a part as if they came from a shuffled iterator and the labels in file order.

    Each face is counted once, whatever the split repeats. The shuffle is drawn with seed 0.

    Returns:
        - ``accuracy``, ``precision LABEL``, ``recall LABEL``: of the shuffled answers, shares with Wilson's interval;
        - ``expected``: the share that agrees by chance, Σ share among labels · share among answers;
        - ``share LABEL``: of the faces, what the precision of a class then comes to;
        - ``real``: the accuracy of the very same shuffled answers when each is scored under its row id;
        - ``alarm``: what mien says of the report's confusion matrix;
        - ``refusal``: what mien says when the shuffled answers are numbered 0, 1, … as they came, and are scored;
        - ``refusal_without_rows``: what it says to a predictions file of them that has no row ids.
    """
    found = answers_to(ran, part)
    n, labels = len(found.rows), found.labels
    order = np.random.default_rng(SEED).permutation(n)
    cells = confusion(labels, found.answers[order], len(found.vocabulary))
    support, answered, hits = cells.sum(axis=1), cells.sum(axis=0), np.diag(cells)
    came = Predictions(found.vocabulary, found.rows[order], found.given[order])
    finding = published.shuffled(cells)
    named = {
        "accuracy": share_of(hits.sum(), n),
        "expected": Quantity("share", round(chance(support, answered).agreement, 6) if n > 1 else None, n=n),
        "real": share_of(round(accuracy(came, found.rows, labels).value * n), n),
    }
    for k, label in enumerate(found.vocabulary.labels):
        named[f"precision {label}"] = share_of(hits[k], answered[k])
        named[f"recall {label}"] = share_of(hits[k], support[k])
        named[f"share {label}"] = Quantity("share", round(float(support[k] / n), 6), n=n)
    return named | {
        "alarm": text(NO_ALARM if finding is None else finding.sentence),
        "refusal": text(_misnumbered(came, found)),
        "refusal_without_rows": text(_without_rows(came)),
    }


def _misnumbered(came: Predictions, found: Answers) -> str:
    """The error where answers are numbered in the order in which they came."""
    numbered = Predictions(came.vocabulary, np.arange(len(came.rows)), came.probabilities)
    try:
        accuracy(numbered, found.rows, found.labels)
    except DataError as error:
        return str(error)
    return NO_REFUSAL


def _without_rows(came: Predictions) -> str:
    """The error where answers are handed over in a file without row ids."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "predictions.csv"
        with file.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow([f"p_{label}" for label in came.vocabulary.labels])
            writer.writerows(came.probabilities.tolist())
        try:
            read_predictions(file, came.vocabulary)
        except DataError as error:
            return str(error).replace(str(file), file.name)  # a result names no folder of the machine
    raise AssertionError("predictions without row ids were read")
