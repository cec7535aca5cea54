"""How the classes share out a data set and its parts."""

from __future__ import annotations

import numpy as np

from mien.studies.measures.ran import Ran, count
from mien.studies.measures.repeated import DRAWN
from mien.studies.result import Quantity


def shares(ran: Ran, part: str) -> dict[str, Quantity]:
    """Count the faces of each class, in the labels that the run was trained on. The part plays no role.

    Shares have no interval: they are of all faces, not of a sample.

    Returns:
        - ``count LABEL`` and ``share LABEL``: over train, validation and test (those that the split has), each face
          once; what a paper that splits the training rows itself calls its data;
        - ``set count LABEL`` and ``set share LABEL``: over the whole set;
        - ``PART LABEL``: rows of each part of the split, such as ``train happy``, repeated ones as often as they occur.
    """
    faces, names = ran.faces, ran.faces.vocabulary.labels

    def by_class(rows: np.ndarray) -> np.ndarray:
        return np.bincount(faces.labels[faces.positions(rows)], minlength=len(names))

    drawn = by_class(np.unique(np.concatenate([ran.split.parts[p] for p in DRAWN if p in ran.split.parts])))
    every = np.bincount(faces.labels, minlength=len(names))
    parts = {part: by_class(rows) for part, rows in ran.split.parts.items()}
    named: dict[str, Quantity] = {}
    for k, label in enumerate(names):
        for prefix, counts in (("", drawn), ("set ", every)):
            n = int(counts.sum())
            named[f"{prefix}count {label}"] = count(counts[k], n)
            named[f"{prefix}share {label}"] = Quantity("share", round(float(counts[k] / n), 6), n=n)
        named |= {f"{part} {label}": count(counts[k], int(counts.sum())) for part, counts in parts.items()}
    return named
