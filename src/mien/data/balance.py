"""Balancing the classes of a training part; and, to show what it does, balancing a whole set before it is split."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mien.data.splits import Split
from mien.data.store import FaceSet
from mien.errors import DataError, MissingExtraError
from mien.expressions import Vocabulary

DONE = {"over": "over-sampled", "under": "under-sampled", "weights": "weighted", "sampler": "sampled evenly"}
DROPPED = "under-sampled"


def balance(faces: FaceSet, split: Split, how: str, seed: int = 0) -> Split:
    """Balance the training part of a split; its other parts stay as they are.

    Args:
        faces: The set that the split belongs to.
        split: A split that is not balanced yet.
        how: ``over`` repeats random rows of each class until it is as large as the largest; ``under`` leaves out random
            rows until it is as small as the smallest; ``weights`` gives each class n / (classes × its faces) in the
            loss, as scikit-learn's "balanced", so that the mean over all training faces is 1; ``sampler`` has training
            draw every class as often, with ``balanced_order``.
        seed: Seed of the draw.

    Returns:
        The split with ``balance`` set. ``train`` holds repeated rows after ``over``; what ``under`` leaves out is in
        ``excluded``. A leak stays noted.

    Raises:
        DataError: Another source's split, one that is balanced already or has no part train, a class without a face in
            train, or an unknown ``how``.
        MissingExtraError: ``over`` or ``under`` without imbalanced-learn.
    """
    _need_way(how, tuple(DONE))
    split.check(faces)
    if split.balance:
        raise DataError(
            f"the split {split.name!r} is balanced already ({split.balance})",
            "one that is not",
            "Balance the split that it was made from.",
        )
    if "train" not in split.parts:
        raise DataError(f"the split {split.name!r} has no part train; it has {', '.join(split.parts)}", "a part train")
    rows = split.parts["train"]
    labels = faces.labels[faces.positions(rows)].astype(np.int64)
    _need_every_class(labels, faces.vocabulary, f"the training part of {split.name!r}")
    parts, excluded, weights = dict(split.parts), dict(split.excluded), {}
    if how == "weights":
        count = np.bincount(labels, minlength=len(faces.vocabulary))
        weights = dict(zip(faces.vocabulary.labels, (len(labels) / (len(count) * count)).tolist(), strict=True))
    elif how in ("over", "under"):
        drawn = _resampled(labels, how, seed)
        parts["train"] = np.sort(rows[drawn])
        if how == "under":
            excluded[DROPPED] = np.union1d(excluded.get(DROPPED, rows[:0]), np.delete(rows, drawn))
    return replace(
        split,
        name=f"{split.name}, {DONE[how]}{f' (seed {seed})' if how in ('over', 'under') else ''}",
        parts=parts,
        excluded=excluded,
        balance=how,
        class_weights=weights,
    )


def reproduce_leak(
    faces: FaceSet,
    how: str,
    test: float = 0.2,
    validation: float = 0.2,
    seed: int = 0,
    within: Split | None = None,
) -> Split:
    """Balance the whole set and split it afterwards, at random: a mistake that is common in print, to measure it.

    Over-sampling first puts copies of a face on both sides. Under-sampling first shares no rows, but chooses the test
    faces by their labels. Both are marked as leaked, and whatever is made of them is leaked too.

    Args:
        faces: Any set.
        how: ``over`` or ``under``.
        test: Share of the balanced rows, more than 0 and at most 0.9.
        validation: Share of the rest, from 0 (no such part) to 0.5.
        seed: Seed of both draws.
        within: Do so with ``train`` of this earlier split only; its other parts stay, and so does what it excludes.

    Returns:
        Parts ``train``, ``validation`` and ``test``, and those of ``within`` besides ``train``. After ``over`` rows
        repeat, within parts and across them.

    Raises:
        DataError: A class without a face, a share out of range, or another ``how``; ``within`` has no part train, has
            a part that is drawn here, or belongs to another source.
        MissingExtraError: imbalanced-learn is not installed.
    """
    _need_way(how, ("over", "under"))
    if not 0 < test <= 0.9:
        raise DataError(f"test share {test}", "more than 0 and at most 0.9")
    if not 0 <= validation <= 0.5:
        raise DataError(f"validation share {validation}", "from 0 (no validation part) to 0.5")
    drawn_parts = ("validation", "test") if validation else ("test",)
    pool, others = (faces.rows, {}) if within is None else _training_rows(faces, within, drawn_parts)
    labels = faces.labels[faces.positions(pool)].astype(np.int64)
    where = faces.provenance.source if within is None else f"the training part of {within.name!r}"
    _need_every_class(labels, faces.vocabulary, where)
    drawn = _resampled(labels, how, seed)
    rows = pool[np.random.default_rng(seed).permutation(drawn)]
    first = round(test * len(rows))
    second = first + round(validation * (len(rows) - first))
    parts = {"train": rows[second:], "validation": rows[first:second], "test": rows[:first]}
    if not validation:
        del parts["validation"]
    excluded = {} if within is None else dict(within.excluded)
    if how == "under":
        excluded[DROPPED] = np.union1d(excluded.get(DROPPED, pool[:0]), np.delete(pool, drawn))
    name = f"{DONE[how]}, then split at random, test {test:g}, validation {validation:g}"
    return Split(
        name if within is None else f"{name}, within {within.name!r}",
        seed,
        faces.provenance.sha256,
        {part: np.sort(at) for part, at in parts.items()} | others,
        excluded,
        how,
        leaked="; ".join(filter(None, ["" if within is None else within.leaked, _leak(faces, how, labels, parts)])),
    )


def _training_rows(faces: FaceSet, within: Split, wanted: tuple[str, ...]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Row ids that an earlier split trains on, each once, and its other parts."""
    within.check(faces)
    others = {part: rows for part, rows in within.parts.items() if part != "train"}
    if "train" not in within.parts or others.keys() & set(wanted):
        raise DataError(
            f"the earlier split {within.name!r} has the parts {', '.join(within.parts)}",
            f"a part train, and no part {' or '.join(wanted)}, which is drawn here",
        )
    return np.unique(within.parts["train"]), others


def balanced_order(labels: np.ndarray, n: int, seed: int, epoch: int) -> np.ndarray:
    """Order of an epoch in which every class comes equally often.

    Rounds of one face of each class, in random order within the round. Each class is gone through in random order, and
    none of its faces comes again before all have come.

    Args:
        labels: (N,) integers.
        n: Number of positions to give.
        seed: Seed of the run.
        epoch: Number of the epoch.

    Returns:
        (n,) int64 positions in ``labels``; how often two classes occur differs by one at most. The same for the same
        arguments.
    """
    rng = np.random.default_rng([seed, epoch])
    classes = np.unique(labels)
    rounds = max(1, -(-n // len(classes)))
    drawn = np.empty((rounds, len(classes)), np.int64)
    for column, label in enumerate(classes):
        members = np.flatnonzero(labels == label)
        times = -(-rounds // len(members))
        drawn[:, column] = np.concatenate([rng.permutation(members) for _ in range(times)])[:rounds]
    return np.asarray(rng.permuted(drawn, axis=1).ravel()[:n])


def _need_way(how: str, ways: tuple[str, ...]) -> None:
    if how not in ways:
        raise DataError(f"balance {how!r}", f"one of {', '.join(ways)}")


def _need_every_class(labels: np.ndarray, vocabulary: Vocabulary, where: str) -> None:
    """A class without a face cannot be repeated or drawn, and its weight would be infinite."""
    count = np.bincount(labels, minlength=len(vocabulary))
    if not count.all():
        absent = [label for label, n in zip(vocabulary.labels, count, strict=True) if not n]
        raise DataError(
            f"{where} has no face of {', '.join(absent)}",
            "at least one of each class",
            "Draw another split, or map the labels to a vocabulary without it: mien data maps.",
        )


def _resampled(labels: np.ndarray, how: str, seed: int) -> np.ndarray:
    """Positions of the balanced set: repeated for ``over``, a part of them for ``under``."""
    try:
        from imblearn.over_sampling import RandomOverSampler
        from imblearn.under_sampling import RandomUnderSampler
    except ImportError:
        raise MissingExtraError("imblearn", "data", f"Balancing by {how}-sampling") from None
    maker = RandomOverSampler if how == "over" else RandomUnderSampler
    if len(np.unique(labels)) < 2:
        return np.arange(len(labels))  # imbalanced-learn refuses a single class, which is balanced
    sampler = maker(sampling_strategy="auto", random_state=seed)
    sampler.fit_resample(np.arange(len(labels))[:, None], labels)
    return np.asarray(sampler.sample_indices_, np.int64)


def _leak(faces: FaceSet, how: str, labels: np.ndarray, parts: dict[str, np.ndarray]) -> str:
    if how == "over":
        twins, n = int(np.isin(parts["test"], parts["train"]).sum()), len(parts["test"])
        return (
            f"over-sampled before the split: {twins:,} of {n:,} test rows ({twins / max(n, 1):.0%}) are also in train"
        )
    count = np.bincount(labels)
    return (
        f"under-sampled before the split: the test rows were chosen by label ({count.min():,} faces of each class kept "
        f"of up to {count.max():,}), so that a score on them is not one on faces as they come"
    )
