"""Which faces of a part have a copy among those that were trained on, by the audit of the data room."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress

import numpy as np

from mien.data import FaceSet, Nearness, Split, audit
from mien.data.findings import IDENTICAL, MIRRORED, NEAR
from mien.evaluation.subject import Progress
from mien.files import cache_folder, write_text

KINDS = (IDENTICAL, NEAR, MIRRORED)
_VERSION = 1  # of the search: another one is not read from the cache


def find_copies(
    faces: FaceSet, rows: np.ndarray, trained: np.ndarray, progress: Progress | None = None
) -> dict[int, str]:
    """Find the faces with a copy among those trained on; the answer is cached.

    Args:
        faces: The set.
        rows: (n,) row ids of the faces that are evaluated.
        trained: (t,) row ids of the faces trained on.
        progress: Called with what is being done and the share of it that is done.

    Returns:
        Row id → ``identical`` (the row itself was trained on, too), ``near-identical`` or ``mirrored``; rows without a
        copy are absent.
    """
    if not len(trained) or not len(rows):
        return {}
    about = f"{_VERSION} {faces.provenance.sha256} {faces.size} {Nearness()}"  # a source is packed in several sizes
    key = hashlib.sha256(about.encode())
    for ids in (np.sort(rows), np.sort(trained)):
        key.update(np.asarray(ids, np.int64).tobytes() + b"|")
    kept = cache_folder() / "copies" / f"{key.hexdigest()}.json"
    with suppress(OSError, ValueError, AttributeError):
        return {int(row): str(kind) for row, kind in json.loads(kept.read_text(encoding="utf-8")).items()}
    found = _search(faces, np.asarray(rows), np.asarray(trained), progress)
    with suppress(OSError):  # a cache that cannot be written costs time, nothing else
        write_text(kept, json.dumps(found))
    return found


def _search(faces: FaceSet, rows: np.ndarray, trained: np.ndarray, progress: Progress | None) -> dict[int, str]:
    known = np.intersect1d(rows, trained)
    found = dict.fromkeys(known.tolist(), IDENTICAL)
    others = np.setdiff1d(rows, known)
    if not len(others):
        return found
    parts = {"train": np.unique(trained).astype(np.int32), "evaluated": others.astype(np.int32)}
    split = Split("trained on and evaluated", 0, faces.provenance.sha256, parts)
    seen = audit(faces, split, progress=progress)
    for kind in reversed(KINDS):  # identical is written last, over what is near-identical as well
        for row in seen.crossing(kind, "evaluated", "train")[0].tolist():
            found[row] = kind
    return found
