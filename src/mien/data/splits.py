"""Which rows train, which validate, which test; always written down as row ids with the seed."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mien.data.store import FaceSet
from mien.errors import DataError
from mien.files import write_text

BALANCES = ("", "over", "under", "weights", "sampler")


@dataclass(frozen=True)
class Split:
    """A division of a data set, as row ids.

    Attributes:
        name: What kind of split, with its settings, in a phrase.
        seed: Seed it was drawn with.
        source_sha256: Hash of the source it belongs to.
        parts: Part name → (n,) int32 row ids, sorted. No row is in two places, unless ``leaked`` says why, and none
            twice in a part, but in ``train`` where that was over-sampled.
        excluded: Reason → (n,) int32 row ids that are in no part.
        balance: How ``train`` is balanced, of ``BALANCES``: not at all, by rows that are repeated (``over``) or left
            out (``under``), by weights in the loss, or by drawing every class as often (``sampler``).
        class_weights: Label → weight in the loss; filled where ``balance`` is ``weights``.
        leaked: Why scores made with this split are worth nothing, such as copies of a face on both sides; empty where
            nothing is wrong. Whatever is derived from a leaked split is leaked too.

    Raises:
        DataError: A part is empty, or a row is in two places though nothing is said to be leaked.
    """

    name: str
    seed: int
    source_sha256: str
    parts: dict[str, np.ndarray]
    excluded: dict[str, np.ndarray] = field(default_factory=dict)
    balance: str = ""
    class_weights: dict[str, float] = field(default_factory=dict)
    leaked: str = ""

    def __post_init__(self) -> None:
        if self.balance not in BALANCES:
            raise DataError(f"split {self.name}: balance {self.balance!r}", f"one of {', '.join(BALANCES)}")
        once = {k: np.unique(v) if k == "train" and self.balance == "over" else v for k, v in self.parts.items()}
        every = np.concatenate([*once.values(), *self.excluded.values()])
        if len(np.unique(every)) != len(every) and not self.leaked:
            raise DataError(f"split {self.name}: a row is in two parts, or in a part and excluded", "disjoint parts")
        for part, rows in self.parts.items():
            if not len(rows):
                raise DataError(
                    f"split {self.name}: the part {part} is empty",
                    "at least one row in each part",
                    "Use more data or another fraction.",
                )

    def save(self, path: Path) -> None:
        """Write as JSON, through a temporary name; what is empty is left out."""
        body = {
            "name": self.name,
            "seed": self.seed,
            "source_sha256": self.source_sha256,
            "parts": {k: v.tolist() for k, v in self.parts.items()},
            "excluded": {k: v.tolist() for k, v in self.excluded.items()},
        }
        further = {"balance": self.balance, "class_weights": self.class_weights, "leaked": self.leaked}
        write_text(path, json.dumps(body | {k: v for k, v in further.items() if v}) + "\n")

    @staticmethod
    def load(path: Path) -> Split:
        """Read what ``save`` wrote; DataError where it is something else."""
        try:
            body = json.loads(path.read_text(encoding="utf-8"))
            return Split(
                body["name"],
                body["seed"],
                body["source_sha256"],
                {k: _row_ids(v) for k, v in body["parts"].items()},
                {k: _row_ids(v) for k, v in body["excluded"].items()},
                body.get("balance", ""),
                {k: float(v) for k, v in body.get("class_weights", {}).items()},
                body.get("leaked", ""),
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
