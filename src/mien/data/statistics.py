"""What is in a set of faces: counts, grey levels, mean faces, and how far its labels agree with FER+ votes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from mien.data.agreement import Agreement, agreement
from mien.data.splits import Split
from mien.data.store import FaceSet, Provenance
from mien.errors import DataError
from mien.expressions import FER2013, Vocabulary

SCARCE = 0.02
_BLOCK_PIXELS = 1 << 20


@dataclass(frozen=True)
class GreyLevel:
    """Level of all pixels of some faces, 0 black to 255 white.

    Attributes:
        mean: Mean, 0 to 255.
        std: Standard deviation around it (of the population), 0 to 127.5.
    """

    mean: float
    std: float

    def to_dict(self) -> dict[str, float]:
        """For JSON; ``unit_mean`` and ``unit_std`` are the same on the scale from 0 to 1."""
        return {"mean": self.mean, "std": self.std, "unit_mean": self.mean / 255, "unit_std": self.std / 255}


@dataclass(frozen=True)
class Statistics:
    """What is in a set, or in the parts of a split of it. A row that a part repeats counts as often as it occurs.

    Attributes:
        provenance: Where the faces came from.
        vocabulary: What the labels mean.
        size: Side of the faces, pixels.
        split: The split whose parts these are; None where they are the source's own usages.
        left_out: Reason → faces of the set that are in no part.
        parts: Names of the parts (P) that have faces.
        counts: (P, L) int64 faces per part and label of the vocabulary.
        distinct: Number of different rows.
        level: Grey level over everything.
        part_levels: P grey levels.
        label_levels: L grey levels, None where a label has no face.
        mean_faces: (L, size, size) float32, 0 to 255; nan where a label has no face.
        voted: Faces with FER+ votes.
        agreement: None unless the vocabulary is FER2013's and there are votes.
        subjects: Number of persons that are told apart; None where the source does not say.
        paths: Whether the faces have files in the source.
        columns: Names of further columns.

    Raises:
        DataError: The arrays have other shapes, or numbers contradict one another.
    """

    provenance: Provenance
    vocabulary: Vocabulary
    size: int
    split: Split | None
    left_out: dict[str, int]
    parts: tuple[str, ...]
    counts: np.ndarray
    distinct: int
    level: GreyLevel
    part_levels: tuple[GreyLevel, ...]
    label_levels: tuple[GreyLevel | None, ...]
    mean_faces: np.ndarray
    voted: int
    agreement: Agreement | None
    subjects: int | None
    paths: bool
    columns: tuple[str, ...]

    def __post_init__(self) -> None:
        p, labels = len(self.parts), len(self.vocabulary)
        shapes = (self.counts.shape, len(self.part_levels), len(self.label_levels), self.mean_faces.shape)
        expected = ((p, labels), p, labels, (labels, self.size, self.size))
        if shapes != expected:
            raise DataError(f"statistics of the shapes {shapes}", str(expected))
        if [level is None for level in self.label_levels] != (self.per_label == 0).tolist():
            raise DataError("a label has a grey level and no face, or a face and no grey level", "both or neither")
        if not 1 <= self.distinct <= self.n or not 0 <= self.voted <= self.n:
            raise DataError(f"{self.distinct} distinct rows and {self.voted} with votes of {self.n}", "at most all")
        if self.agreement is not None and self.agreement.counts.sum() != self.voted:
            raise DataError(f"{self.agreement.counts.sum()} faces in the agreement matrix", f"{self.voted}")

    @property
    def n(self) -> int:
        """Number of faces, repeated ones as often as they occur."""
        return int(self.counts.sum())

    @property
    def per_label(self) -> np.ndarray:
        """(L,) int64 faces per label over all parts."""
        return np.asarray(self.counts.sum(axis=0))

    @property
    def shares(self) -> np.ndarray:
        """(P, L) float64, share of each label in its part; rows sum to 1."""
        return np.asarray(self.counts / self.counts.sum(axis=1, keepdims=True))

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a user should know before training on this, a sentence each; a leak comes first."""
        found: list[str] = []
        if self.split is not None and self.split.leaked:
            reason = self.split.leaked.rstrip(".")
            found.append(f"THIS SPLIT LEAKS: {reason}. Scores made with it are worth nothing.")
        total = self.per_label.tolist()
        for label, count in zip(self.vocabulary.labels, total, strict=True):
            if count == 0:
                found.append(f"The class {label} has no face.")
            elif count < SCARCE * self.n:
                found.append(
                    f"The class {label} is {count / self.n:.1%} of all faces ({count:,} of {self.n:,}), "
                    f"less than {SCARCE:.0%}."
                )
        for part, row in zip(self.parts, self.counts.tolist(), strict=True):
            absent = [
                a for a, here, count in zip(self.vocabulary.labels, row, total, strict=True) if count and not here
            ]
            if absent:
                found.append(f"The part {part} has no face of {_listed(absent)}.")
        if 0 < self.voted < self.n:
            found.append(f"FER+ votes are missing for {self.n - self.voted:,} of {self.n:,} faces.")
        return tuple(found)

    def to_dict(self) -> dict[str, Any]:
        """For JSON: everything but the mean faces."""
        about = self.provenance
        return {
            "source": about.source,
            "reader": about.reader,
            "sha256": about.sha256,
            "vocabulary": {"name": self.vocabulary.name, "labels": list(self.vocabulary.labels)},
            "vocabulary_map": about.vocabulary_map,
            "joined": dict(about.joined),
            "size": self.size,
            "n": self.n,
            "distinct": self.distinct,
            "split": None if self.split is None else _about(self.split),
            "left_out": dict(self.left_out),
            "all": self._part(self.per_label, self.level),
            "parts": {
                part: self._part(row, level)
                for part, row, level in zip(self.parts, self.counts, self.part_levels, strict=True)
            },
            "grey_level_per_label": {
                label: None if level is None else level.to_dict()
                for label, level in zip(self.vocabulary.labels, self.label_levels, strict=True)
            },
            "ferplus": {"voted": self.voted, "agreement": None if self.agreement is None else self.agreement.to_dict()},
            "subjects": self.subjects,
            "paths": self.paths,
            "columns": list(self.columns),
            "warnings": list(self.warnings),
        }

    def _part(self, counts: np.ndarray, level: GreyLevel) -> dict[str, Any]:
        labels, n = self.vocabulary.labels, int(counts.sum())
        return {
            "n": n,
            "counts": dict(zip(labels, counts.tolist(), strict=True)),
            "shares": dict(zip(labels, (counts / n).tolist(), strict=True)),
            "grey_level": level.to_dict(),
        }


def statistics(faces: FaceSet, split: Split | None = None) -> Statistics:
    """Count and measure.

    Grey levels are exact: whole numbers are summed over every pixel, a block of faces at a time, so that a
    memory-mapped set may be larger than memory.

    Args:
        faces: The set.
        split: A split of it; where None the parts are the source's own usages.

    Raises:
        DataError: The split is of other data.
    """
    parts = _parts(faces, split)
    times = np.bincount(np.concatenate(list(parts.values())), minlength=len(faces))
    first, second, mean_faces = _pixel_sums(faces, times)
    labels = range(len(faces.vocabulary))
    of_label = [np.flatnonzero((faces.labels == label) & (times > 0)) for label in labels]
    held = np.flatnonzero(times)
    voted = held[faces.votes[held].any(axis=1)]
    known = faces.subjects[held] if faces.subjects is not None else None
    pixels = faces.size**2
    return Statistics(
        faces.provenance,
        faces.vocabulary,
        faces.size,
        split,
        _left_out(faces, split, int((times == 0).sum())),
        tuple(parts),
        np.stack([np.bincount(faces.labels[at], minlength=len(faces.vocabulary)) for at in parts.values()]),
        len(held),
        _level(first, second, times, held, pixels),
        tuple(_level(first, second, np.bincount(at, minlength=len(faces)), at, pixels) for at in parts.values()),
        tuple(_level(first, second, times, at, pixels) if len(at) else None for at in of_label),
        mean_faces,
        int(times[voted].sum()),
        agreement(faces.labels[held], faces.votes[held], times[held])
        if len(voted) and faces.vocabulary == FER2013
        else None,
        None if known is None else len(np.unique(known[known != ""])),
        faces.paths is not None,
        tuple(faces.columns),
    )


def drawn(faces: FaceSet, split: Split | None, per_label: int, seed: int) -> list[np.ndarray]:
    """Draw some faces of each label.

    Args:
        faces: The set.
        split: Draw from the parts of this split; from all faces where None.
        per_label: At most so many of each label; all where it has fewer.
        seed: Seed of the draw.

    Returns:
        For each label of the vocabulary, positions in the order drawn, none twice.

    Raises:
        DataError: The split is of other data.
    """
    held = np.unique(np.concatenate(list(_parts(faces, split).values())))
    given = faces.labels[held]
    return [
        np.random.default_rng((seed, label)).permutation(held[given == label])[:per_label]
        for label in range(len(faces.vocabulary))
    ]


def _parts(faces: FaceSet, split: Split | None) -> dict[str, np.ndarray]:
    """Part → positions; those of a split as often as it has them."""
    if split is None:
        return {u: at for i, u in enumerate(faces.usages) if len(at := np.flatnonzero(faces.usage == i))}
    split.check(faces)
    return {part: faces.positions(rows) for part, rows in split.parts.items()}


def _left_out(faces: FaceSet, split: Split | None, count: int) -> dict[str, int]:
    """Reason → faces in no part; the rest without a reason comes last."""
    if split is None:
        return {}
    used = np.concatenate(list(split.parts.values()))
    present = {
        why: int((np.isin(rows, faces.rows) & ~np.isin(rows, used)).sum()) for why, rows in split.excluded.items()
    }
    rest = count - sum(present.values())
    return {why: n for why, n in {**present, "in no part": rest}.items() if n > 0}


def _pixel_sums(faces: FaceSet, times: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Go through the faces once.

    Args:
        faces: The set.
        times: (N,) how often each face counts; one that counts 0 times is not looked at.

    Returns:
        (N,) int64 sums of the pixels of each face, (N,) int64 sums of their squares, and (L, size, size) float32 mean
        faces.
    """
    n, pixels, labels = len(faces), faces.size**2, len(faces.vocabulary)
    first, second = np.zeros(n, np.int64), np.zeros(n, np.int64)
    total = np.zeros((labels, pixels), np.int64)
    step = max(1, _BLOCK_PIXELS // pixels)
    for start in range(0, n, step):
        at = start + np.flatnonzero(times[start : start + step])
        if not len(at):
            continue
        block = np.asarray(faces.faces[at[0] : at[-1] + 1]).reshape(-1, pixels)[at - at[0]]
        first[at] = block.sum(axis=1, dtype=np.int64)
        second[at] = np.square(block, dtype=np.uint16).sum(axis=1, dtype=np.int64)
        for label in np.unique(faces.labels[at]):
            here = faces.labels[at] == label
            # Not a matrix product: its threads take many times as long where the cores are busy.
            total[label] += np.einsum("i,ij->j", times[at][here], block[here], dtype=np.int64)
    count = np.bincount(faces.labels, times, labels)[:, None]
    mean = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return first, second, mean.astype(np.float32).reshape(labels, faces.size, faces.size)


def _level(first: np.ndarray, second: np.ndarray, times: np.ndarray, at: np.ndarray, pixels: int) -> GreyLevel:
    """Grey level of the faces at these positions, each counted ``times``; exact, from whole numbers."""
    at = np.unique(at)
    n, s, q = (int(np.dot(times[at], values[at])) for values in (np.full_like(first, pixels), first, second))
    return GreyLevel(s / n, math.sqrt((n * q - s * s) / (n * n)))


def _about(split: Split) -> dict[str, Any]:
    return {
        "name": split.name,
        "seed": split.seed,
        "balance": split.balance,
        "class_weights": dict(split.class_weights),
        "leaked": split.leaked,
    }


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
