"""What ``splits`` is made of: the source's own parts, which faces must stay together, and who goes where."""

from __future__ import annotations

import re

import numpy as np

from mien.data.store import FaceSet
from mien.errors import DataError

COPIES = "identical to a test face"
VALIDATION_COPIES = "identical to a validation face"


def by_usage(faces: FaceSet, pool: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Divide by the source's own split.

    Args:
        faces: The set.
        pool: (n,) positions to divide.

    Returns:
        Positions of the training rows, and part → those of the others, validation first.

    Raises:
        DataError: The source has no split of its own, or no training rows, or none beside them.
    """
    part_of = [part_name(usage) for usage in faces.usages]
    other = [usage for usage, part in zip(faces.usages, part_of, strict=True) if part != "train"]
    if len(other) == len(faces.usages) or not other:
        raise DataError(
            f"{faces.provenance.source} brings no split: its faces are of {', '.join(faces.usages)}",
            "a source with training rows and others",
            "Draw one with: mien data split STORE --kind stratified",
        )
    for usage in (faces.usages[part_of.index("train")], other[0]):
        faces.where(usage)  # says what is empty
    part = np.array(part_of)[faces.usage[pool]]
    found = {p: pool[part == p] for p in dict.fromkeys(part_of) if (part == p).any()}
    return found.pop("train", pool[:0]), dict(sorted(found.items(), key=lambda item: item[0] != "validation"))


def part_name(usage: str) -> str:
    words = "_".join(re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[^\W_A-Z]+", usage)).lower() or usage
    for part, names in (
        ("train", ("train", "training")),
        ("validation", ("val", "valid", "validation", "dev")),
        ("test", ("test", "testing")),
    ):
        if words in names:
            return part
    return words


def without_copies(
    group: np.ndarray, pool: np.ndarray, others: dict[str, np.ndarray]
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Leave out the faces that are in another part too.

    Args:
        group: (N,) number of each face of the set; equal numbers mean equal faces.
        pool: (n,) positions.
        others: Part → its positions.

    Returns:
        What is left of ``pool``, and reason → what was left out of it.
    """
    excluded = {}
    for reason, parts in (
        (COPIES, [at for part, at in others.items() if part != "validation"]),
        (VALIDATION_COPIES, [at for part, at in others.items() if part == "validation"]),
    ):
        if parts:
            copy = np.isin(group[pool], group[np.concatenate(parts)])
            pool, excluded[reason] = pool[~copy], pool[copy]
    return pool, excluded


def draw(labels: np.ndarray, group: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Draw a share of the rows of every label, groups whole.

    Args:
        labels: (n,) integers.
        group: (n,) integers.
        share: From 0 to 1.
        rng: What to draw with.

    Returns:
        (n,) bool, which rows are drawn.
    """
    chosen: list[np.ndarray] = []
    # A group's class is its first member's: 46 groups of FER2013 carry contradictory labels.
    groups, first, size = np.unique(group, return_index=True, return_counts=True)
    group_label = labels[first]
    for label in np.unique(group_label):
        members = rng.permutation(np.flatnonzero(group_label == label))
        wanted = round(share * size[members].sum())
        chosen.append(members[: int(np.searchsorted(np.cumsum(size[members]), wanted)) + 1] if wanted else members[:0])
    return np.isin(group, groups[np.concatenate(chosen)]) if chosen else np.zeros(len(group), bool)


def together(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Join two groupings.

    Args:
        first: (n,) integers or text.
        second: (n,) integers or text.

    Returns:
        (n,) int64 from 0: two rows have one number if a chain of common values in either connects them.
    """
    chains = [np.unique(values, return_inverse=True)[1] for values in (first, second)]
    unit = np.arange(len(first))
    while True:
        before = unit
        for chain in chains:
            least = np.full(len(unit), len(unit))
            np.minimum.at(least, chain, unit)
            unit = least[chain]
        if (unit == before).all():
            return np.unique(unit, return_inverse=True)[1]


def deal(unit: np.ndarray, labels: np.ndarray, shares: list[float], rng: np.random.Generator) -> np.ndarray:
    """Give whole units out to parts, so that each gets its share of every label as nearly as units allow.

    Greedy, as scikit-learn's StratifiedGroupKFold: the largest unit first, each to the part that lacks most of the
    unit's labels, relative to its share. Of parts that lack the same, the one with the larger share gets it, and of
    equal shares the one that lacks most rows.

    Args:
        unit: (n,) int64 from 0, the unit of each row.
        labels: (n,) integers from 0.
        shares: Share of each part, more than 0.
        rng: What to draw the order of equal units with.

    Returns:
        (n,) int64, the part of each row.
    """
    counts = np.zeros((unit.max(initial=-1) + 1, labels.max(initial=-1) + 1))
    np.add.at(counts, (unit, labels.astype(np.int64)), 1)
    target = np.outer(shares, counts.sum(axis=0))
    missing, scale = target.copy(), 1 / np.maximum(target, 1e-9)
    size, total = counts.sum(axis=1), target.sum(axis=1)
    lean, total_scale = 1e-3 * np.array(shares), 1e-6 / np.maximum(total, 1e-9)  # break ties, in this order
    part = np.zeros(len(counts), np.int64)
    order = rng.permutation(len(counts))
    for one in order[np.argsort(-size[order], kind="stable")]:
        to = part[one] = ((missing * scale) @ counts[one] + lean + total * total_scale).argmax()
        missing[to] -= counts[one]
        total[to] -= size[one]
    return np.asarray(part[unit])
