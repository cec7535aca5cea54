"""The split that a recipe asks for without a file: the source's own, with parts held out of its training rows."""

from __future__ import annotations

from mien.data.balance import balance, reproduce_leak
from mien.data.splits import Split, official, stratified
from mien.data.store import FaceSet
from mien.errors import DataError


def own_split(
    faces: FaceSet,
    validation: float,
    seed: int = 0,
    *,
    test: float = 0.0,
    how: str = "",
    leak: bool = False,
) -> Split:
    """Split a set along its usages, hold parts out of its training rows, and balance what is left of them.

    Args:
        faces: A set with usages of its own.
        validation: Share of the training rows that ``test`` leaves, more than 0 and at most 0.5; the source's own part
            stands in for it.
        seed: Seed of every draw.
        test: Share of the training rows for a part ``test`` besides the source's own; none if 0.
        how: As for ``balance``; empty for not at all.
        leak: Balance before ``test`` and ``validation`` are drawn, as ``reproduce_leak`` does.

    Returns:
        Parts ``train``, ``validation``, ``test`` where one was asked for, and the source's own. Neither a face of the
        source's own parts nor one identical to it is in another part, after a leak neither; nearly identical ones may
        be.

    Raises:
        DataError: As ``official``, ``stratified`` and ``balance``; a leak without a test part or without balance; or a
            test part is asked for, and the source brings one.
        MissingExtraError: Over- or under-sampling without imbalanced-learn.
    """
    if leak and (not test or how not in ("over", "under")):
        raise DataError(
            f"a leak to be reproduced with balance {how!r} and a test share of {test:g}",
            "balance over or under, and a test share of more than 0",
        )
    split = official(faces, 0.0 if test else validation, seed)
    if test:
        if "test" in split.parts:
            raise DataError(
                f"a test share of {test:g}, and {faces.provenance.source} has a part test of its own",
                "a share of 0 where the source brings that part",
                "Leave test out of the recipe's table [data].",
            )
        drawn = 0.0 if "validation" in split.parts else validation
        if leak:
            return reproduce_leak(faces, how, test, drawn, seed, split)
        split = stratified(faces, test, drawn, seed, split)
    return balance(faces, split, how, seed) if how else split
