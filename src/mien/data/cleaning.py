"""A cleaned split: what an audit found is left out of training and validation."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mien.data.findings import Audit
from mien.data.grouping import part_name
from mien.data.splits import Split
from mien.data.store import FaceSet
from mien.errors import DataError

CONTRADICTORY = "identical faces with different labels"
BLANK = "blank"
NON_FACE = "not a face by FER+ votes"
SURPLUS = "surplus copy of a face in its part"


def fix(faces: FaceSet, audit: Audit) -> Split:
    """Leave out of training and validation what makes scores or labels worthless.

    Test parts, which are all with "test" in their name, stay as they are, so that scores stay comparable with published
    ones; copies inside and among them are reported by the audit and not changed. Of the others a row is left out for
    the first of these reasons that holds:

    1. it is identical to a test face, near-identical to one, or the mirror image of one;
    2. it is one of identical faces with different labels; it is blank; it is not a face by FER+ votes;
    3. it is identical to, near-identical to or the mirror image of a face that is kept in a part above its own:
       validation is above the others, and ``train`` is below all;
    4. an identical face comes earlier in its part.

    Near-identical faces of one part stay.

    Args:
        faces: The set that was audited.
        audit: What was found in it, or in a split of it.

    Returns:
        The same parts with fewer rows. Of an audit without a split they are the source's own usages under the names
        that ``official`` gives them; a single usage becomes ``train``. What the split had excluded stays so. No
        validation is drawn.

    Raises:
        DataError: The audit is of another source; its split is leaked or balanced; or a part would be empty.
    """
    _check(faces, audit)
    parts = _parts(faces, audit.split)
    kept, out = _sifted(faces, audit, parts)
    split = audit.split
    earlier = {} if split is None else split.excluded
    excluded = {reason: np.sort(faces.rows[at]) for reason, at in out.items() if len(at)}
    excluded = {r: np.union1d(earlier[r], rows) if r in earlier else rows for r, rows in excluded.items()}
    return Split(
        f"{'the usages of the source' if split is None else split.name}, cleaned",
        0 if split is None else split.seed,
        faces.provenance.sha256,
        {part: np.sort(faces.rows[kept[part]]) for part in parts},
        {**earlier, **excluded},
    )


def _sifted(
    faces: FaceSet, audit: Audit, parts: dict[str, np.ndarray]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Part → positions that stay, and reason → positions that do not."""
    image, contradictory = _images(faces, audit)
    pairs = image[faces.positions(audit.near.rows.ravel())].reshape(-1, 2)
    plain, mirrored = pairs[~audit.near.mirrored], pairs[audit.near.mirrored]
    faulty = {
        CONTRADICTORY: contradictory,
        BLANK: np.isin(faces.rows, audit.blank),
        NON_FACE: np.isin(faces.rows, audit.non_faces),
    }
    kept = {part: at for part, at in parts.items() if is_test(part)}
    tests = np.concatenate([np.empty(0, np.int64), *kept.values()])
    above: dict[str, np.ndarray] = {}
    out: dict[str, list[np.ndarray]] = {}
    for part in sorted(parts.keys() - kept.keys(), key=lambda p: (_rank(p), list(parts).index(p))):
        pool = parts[part]
        reasons = (
            *_copies(image, plain, mirrored, "a test face", tests),
            *faulty.items(),
            *(r for name, at in above.items() for r in _copies(image, plain, mirrored, name, at)),
        )
        for reason, bad in reasons:
            out.setdefault(reason, []).append(pool[bad[pool]])
            pool = pool[~bad[pool]]
        first = np.unique(image[pool], return_index=True)[1]
        out.setdefault(SURPLUS, []).append(np.delete(pool, first))
        kept[part] = pool[first]
        above["a validation face" if part == "validation" else f"a face of {part}"] = kept[part]
    return kept, {reason: np.concatenate(at) for reason, at in out.items()}


def is_test(part: str) -> bool:
    """Whether a part is for testing: by its name, as in ``public_test`` or ``PrivateTest``."""
    return "test" in part.lower()


def _rank(part: str) -> int:
    return {"validation": 0, "train": 2}.get(part, 1)


def _check(faces: FaceSet, audit: Audit) -> None:
    if audit.provenance.sha256 != faces.provenance.sha256:
        raise DataError(
            f"the audit is of {audit.provenance.source}, the faces are of {faces.provenance.source}", "one source"
        )
    split = audit.split
    if split is None:
        return
    if split.leaked:
        raise DataError(
            f"the split {split.name!r} cannot be cleaned: it is leaked ({split.leaked})",
            "a split that was made before anything was balanced",
            "Clean the source's own split by leaving out --split, and balance afterwards: mien data balance",
        )
    if split.balance:
        raise DataError(
            f"the split {split.name!r} is balanced ({split.balance}), which leaving rows out would undo",
            "a split that is not balanced yet",
            "Clean the split it was made from, and balance afterwards: mien data balance",
        )


def _parts(faces: FaceSet, split: Split | None) -> dict[str, np.ndarray]:
    """Part → positions, ascending."""
    if split is not None:
        return {part: np.sort(faces.positions(rows)) for part, rows in split.parts.items()}
    present = [(i, usage) for i, usage in enumerate(faces.usages) if (faces.usage == i).any()]
    if len(present) == 1 and not is_test(present[0][1]):
        return {"train": np.arange(len(faces))}
    found: dict[str, np.ndarray] = {}
    for i, usage in present:
        name = part_name(usage)
        found[name] = np.sort(np.append(found.get(name, np.empty(0, np.int64)), np.flatnonzero(faces.usage == i)))
    return found


def _images(faces: FaceSet, audit: Audit) -> tuple[np.ndarray, np.ndarray]:
    """(N,) position of one of the faces with the same bytes, for each face; and whether these have different labels."""
    image = np.arange(len(faces))
    if audit.identical:
        rows = np.concatenate(audit.identical)
        firsts = np.repeat([group[0] for group in audit.identical], [len(group) for group in audit.identical])
        image[faces.positions(rows)] = faces.positions(firsts)
    differing = np.array([group[0] for group in audit.contradictory], np.int32)
    return image, np.isin(image, faces.positions(differing))


def _copies(
    image: np.ndarray, plain: np.ndarray, mirrored: np.ndarray, of: str, at: np.ndarray
) -> Iterator[tuple[str, np.ndarray]]:
    """Reason → (N,) bool, which faces are copies of those at these positions."""
    there = image[at]
    yield f"identical to {of}", np.isin(image, there)
    for reason, pairs in ((f"near-identical to {of}", plain), (f"mirror image of {of}", mirrored)):
        reached = [pairs[np.isin(pairs[:, k], there), 1 - k] for k in (0, 1)]
        yield reason, np.isin(image, np.concatenate(reached))
