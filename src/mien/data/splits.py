"""Which rows train, which validate, which test; always written down as row ids with the seed."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mien.data.store import FaceSet
from mien.errors import DataError
from mien.files import write_text


@dataclass(frozen=True)
class Split:
    """A division of a data set, as row ids.

    Attributes:
        name: What kind of split.
        seed: Seed it was drawn with.
        source_sha256: Hash of the source file it belongs to.
        parts: Part name → (n,) int32 row ids, sorted; no row is in two parts.
        excluded: Reason → (n,) int32 row ids that are in no part.
    """

    name: str
    seed: int
    source_sha256: str
    parts: dict[str, np.ndarray]
    excluded: dict[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        every = np.concatenate([*self.parts.values(), *self.excluded.values()])
        if len(np.unique(every)) != len(every):
            raise DataError(f"split {self.name}: a row is in two parts, or in a part and excluded", "disjoint parts")
        for part, rows in self.parts.items():
            if not len(rows):
                raise DataError(
                    f"split {self.name}: the part {part} is empty",
                    "at least one row in each part",
                    "Use more data or another fraction.",
                )

    def save(self, path: Path) -> None:
        """Write as JSON, through a temporary name."""
        body = {
            "name": self.name,
            "seed": self.seed,
            "source_sha256": self.source_sha256,
            "parts": {k: v.tolist() for k, v in self.parts.items()},
            "excluded": {k: v.tolist() for k, v in self.excluded.items()},
        }
        write_text(path, json.dumps(body) + "\n")

    @staticmethod
    def load(path: Path) -> Split:
        """Read what ``save`` wrote."""
        try:
            body = json.loads(path.read_text(encoding="utf-8"))
            return Split(
                body["name"],
                body["seed"],
                body["source_sha256"],
                {k: _row_ids(v) for k, v in body["parts"].items()},
                {k: _row_ids(v) for k, v in body["excluded"].items()},
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{path}: not a split ({error})", "a file written by mien") from error


def _row_ids(values: list[int]) -> np.ndarray:
    if not all(type(v) is int and 0 <= v < 2**31 for v in values):
        raise ValueError("a row id is not a whole number from 0 to 2147483647")
    return np.array(values, np.int32)


def identical_groups(faces: np.ndarray) -> np.ndarray:
    """Group byte-identical faces.

    Args:
        faces: (N, h, w) uint8.

    Returns:
        (N,) int64 group number; equal numbers mean equal bytes.
    """
    flat = np.ascontiguousarray(faces).reshape(len(faces), -1)
    return np.unique(flat.view(np.dtype((np.void, flat.shape[1]))).ravel(), return_inverse=True)[1].ravel()


def official(faces: FaceSet, validation: float, seed: int) -> Split:
    """FER2013's own split, with validation taken from Training and copies of test faces removed.

    Training rows that are byte-identical to any test row are excluded. Groups of identical Training faces stay on one
    side. Validation is stratified by label.

    Args:
        faces: A set with usages Training and PublicTest.
        validation: Share of the remaining Training rows, between 0 and 0.5.
        seed: Seed of the draw.

    Returns:
        Parts ``train``, ``validation``, ``public_test`` and, where the set has it, ``private_test``.

    Raises:
        DataError: A part would be empty, or ``validation`` is out of range.
    """
    if not 0 < validation <= 0.5:
        raise DataError(f"validation share {validation}", "more than 0 and at most 0.5")
    training, public = faces.where("Training"), faces.where("PublicTest")
    group = identical_groups(faces.faces)
    tested = np.unique(group[np.setdiff1d(np.arange(len(faces)), training)])
    copy = np.isin(group[training], tested)
    kept = training[~copy]

    rng = np.random.default_rng(seed)
    chosen: list[np.ndarray] = []
    # A group's class is its first member's: 46 groups of FER2013 carry contradictory labels.
    groups, first, size = np.unique(group[kept], return_index=True, return_counts=True)
    group_label = faces.labels[kept[first]]
    for label in np.unique(group_label):
        members = rng.permutation(np.flatnonzero(group_label == label))
        wanted = round(validation * size[members].sum())
        chosen.append(members[: int(np.searchsorted(np.cumsum(size[members]), wanted)) + 1] if wanted else members[:0])
    held = np.isin(group[kept], groups[np.concatenate(chosen)]) if chosen else np.zeros(len(kept), bool)
    parts = {"train": kept[~held], "validation": kept[held], "public_test": public}
    private = np.setdiff1d(np.arange(len(faces)), np.concatenate([training, public]))
    if len(private):
        parts["private_test"] = private
    return Split(
        "official",
        seed,
        faces.provenance.sha256,
        {k: np.sort(faces.rows[v]) for k, v in parts.items()},
        {"identical to a test face": np.sort(faces.rows[training[copy]])},
    )
