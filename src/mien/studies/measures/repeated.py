"""The score of a part as a study counts it whose split repeats rows and has them on both sides."""

from __future__ import annotations

import numpy as np

from mien.studies.measures.ran import (
    Ran,
    answers_to,
    count,
    evaluated_on,
    losses,
    mean,
    means,
    occurrences,
    share,
)
from mien.studies.result import Quantity

DRAWN = ("train", "validation", "test")  # parts that are drawn from the training rows of a source


def repeats(ran: Ran, part: str) -> dict[str, Quantity]:
    """Count each row of a part as often as it is there, and apart by whether its face was trained on.

    Intervals are percentile bootstrap over faces, 1000 draws: copies of a face are drawn together. ``n`` is the number
    of different faces.

    Returns:
        - ``accuracy`` and ``log_loss`` over rows, the latter of the network's own probabilities (temperature 1), nats;
        - ``rows`` and ``faces`` (different row ids) of the part;
        - ``seen``: share of the rows whose row id was trained on; ``seen_copy``: of those that were, or whose face has
          an identical, nearly identical or mirrored copy among the training part, as the evaluation finds them (no
          value where it did not look);
        - ``accuracy_seen``, ``accuracy_unseen``: over the rows whose row id was trained on, and the others;
        - ``by_heart``: what ``accuracy`` would be if every row whose row id was trained on were answered rightly;
        - ``copies LABEL``: rows of the class in train, validation and test over its different faces there, so that 1 is
          a class without copies. The source's own test parts do not count.
    """
    found, evaluated = answers_to(ran, part), evaluated_on(ran, part)
    seen = np.isin(found.rows, trained_rows(ran))
    copied = np.isin(found.rows, list(evaluated.copies))  # a row that was trained on is one of them
    times, right = found.times, found.right
    over = means(
        {
            "accuracy": (right, times),
            "log_loss": (losses(found.own, found.labels), times),
            "seen": (seen, times),
            "seen_copy": (copied, times),
            "accuracy_seen": (right, times * seen),
            "accuracy_unseen": (right, times * ~seen),
            "by_heart": (right | seen, times),
        }
    )
    named = {name: mean(one) if name == "log_loss" else share(one) for name, one in over.items()}
    if not evaluated.evaluation.data.copies:
        named["seen_copy"] = Quantity("share")
    named["rows"] = count(times.sum(), len(found.rows))
    named["faces"] = count(len(found.rows), len(found.rows))
    return named | _copies(ran)


def trained_rows(ran: Ran) -> np.ndarray:
    """Row ids of the training part that the run learnt from: all, or what the recipe's limit leaves."""
    rows, limit = ran.split.parts["train"], ran.recipe.data.limit
    if limit is None:
        return rows
    from mien.training.batches import limited

    return np.asarray(rows[limited(ran.faces.labels[ran.faces.positions(rows)], limit)])


def _copies(ran: Ran) -> dict[str, Quantity]:
    """By ``copies LABEL``, how often a face of the class occurs on average."""
    rows, names = np.concatenate([ran.split.parts[p] for p in DRAWN if p in ran.split.parts]), ran.faces.vocabulary
    faces = np.unique(rows)
    labels, times = ran.faces.labels[ran.faces.positions(faces)], occurrences(rows, faces)
    named = {}
    for k, label in enumerate(names.labels):
        of_class = times[labels == k]
        times_each = round(float(of_class.mean()), 6) if len(of_class) else None
        named[f"copies {label}"] = Quantity("number", times_each, n=len(of_class))
    return named
