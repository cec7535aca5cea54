"""A few hundred faces of a data set, on which a study runs from end to end in seconds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from mien.data import FaceSet, open_faces
from mien.data.store import save

# Faces of each class: of the usage to train on, and of each other. Enough for a test, a validation and a training part.
TRAINED, OTHERS = 56, 16
EPOCHS = 1
DRAWS = 100  # of the bootstrap


def quick_faces(faces: FaceSet) -> FaceSet:
    """The first faces of each class and usage, with their row ids; a source of its own by its hash.

    Args:
        faces: A set with usages of its own, the training faces' first.
    """
    chosen = []
    for usage in range(len(faces.usages)):
        for label in range(len(faces.vocabulary)):
            at = np.flatnonzero((faces.usage == usage) & (faces.labels == label))
            chosen.append(at[: TRAINED if usage == 0 else OTHERS])
    taken = faces.take(np.sort(np.concatenate(chosen)))
    digest = taken.provenance.sha256[:48] + f"{len(taken):016x}"  # splits of the whole set do not fit it
    return replace(taken, provenance=replace(taken.provenance, sha256=digest))


def quick_store(source: Path, runs: Path) -> Path:
    """Write the store of a quick run, where it is not there yet.

    Args:
        source: The whole data set.
        runs: Folder to put it in; its name tells of which set it is.
    """
    faces = quick_faces(open_faces(source))
    folder = runs / f"faces-{faces.provenance.sha256[:8]}.store"
    if not folder.exists():
        save(faces, folder)
    return folder
