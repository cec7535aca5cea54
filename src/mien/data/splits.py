"""Which rows train, which validate, which test; always written down as row ids with the seed."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mien.data.grouping import by_usage, deal, draw, together, without_copies
from mien.data.store import FaceSet
from mien.errors import DataError
from mien.files import write_text

BALANCES = ("", "over", "under", "weights", "sampler")
UNKNOWN = "no known subject"
SHARED_SUBJECT = "of a subject in another part"


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
        if (self.balance == "weights") != bool(self.class_weights) or not all(
            0 < weight < math.inf for weight in self.class_weights.values()
        ):
            raise DataError(
                f"split {self.name}: balance {self.balance!r} with class weights {self.class_weights}",
                "positive class weights where the balance is 'weights', and none otherwise",
            )
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

    def check(self, faces: FaceSet) -> None:
        """DataError where the split was made from another source than these faces."""
        found = faces.provenance
        if self.source_sha256 != found.sha256:
            raise DataError(
                f"the split {self.name!r} was made from a source with sha256 {self.source_sha256[:16]}…, "
                f"and {found.source} has {found.sha256[:16]}…",
                "the data set that the split was made from",
                "Name that set, or draw a split of this one with: mien data split STORE",
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
        if not path.is_file():
            raise DataError(f"there is no file {path}", "a split", f"Make one with: mien data split STORE --out {path}")
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


def official(faces: FaceSet, validation: float, seed: int, within: Split | None = None) -> Split:
    """The source's own split. Validation is drawn from its training rows where it brings none.

    Training rows that are byte-identical to a face of another part are excluded. What is drawn is stratified by label,
    and groups of identical faces stay on one side.

    Args:
        faces: A set with usages of its own: one whose name says training, and at least one more.
        validation: Share of the remaining training rows, from 0 (no such part is drawn) to 0.5.
        seed: Seed of the draw.
        within: An earlier split. Where it has parts besides ``train`` it stands in for the source's own: they stay, and
            validation is drawn from its ``train`` if it is missing. Otherwise only the rows in its ``train`` are used.

    Returns:
        Parts ``train``, ``validation`` and one for each further usage: ``test``, or its name in lower case, such as
        FER2013's ``public_test`` and ``private_test``.

    Raises:
        DataError: The source has no split of its own, a part would be empty, or ``validation`` is out of range.
    """
    _need_share("validation", validation, 0.5)
    rng, pool, others = _generator(seed), *_pool(faces, within)
    if within is None or not others:
        pool, others = by_usage(faces, pool)
    group = identical_groups(faces.faces)
    train, excluded = without_copies(group, pool, others)
    parts = {"train": train}
    if "validation" not in others and validation:
        held = draw(faces.labels[train], group[train], validation, rng)
        parts = {"train": train[~held], "validation": train[held]}
    return _split("official", seed, faces, parts, others, excluded, within)


def stratified(
    faces: FaceSet, test: float = 0.2, validation: float = 0.2, seed: int = 0, within: Split | None = None
) -> Split:
    """Parts drawn at random with the same share of every label; the source's own split is not looked at.

    Groups of byte-identical faces stay on one side.

    Args:
        faces: Any set.
        test: Share of all rows, from 0 (no such part) to 0.9.
        validation: Share of the rest, from 0 (no such part) to 0.5.
        seed: Seed of the draw.
        within: Draw from ``train`` of this earlier split only. Its other parts stay, and rows identical to a face in
            them are excluded.

    Returns:
        Parts ``train``, ``validation`` and ``test``, and those of ``within`` besides ``train``.

    Raises:
        DataError: A share is out of range, a part would be empty, or ``within`` has a part of the same name already.
    """
    rng, pool, others = _generator(seed), *_pool(faces, within)
    shares = _need_shares(test, validation, within)
    group = identical_groups(faces.faces)
    rest, excluded = without_copies(group, pool, others)
    parts: dict[str, np.ndarray] = {}
    for part, share in (("test", test), ("validation", validation)):
        if share:
            held = draw(faces.labels[rest], group[rest], share, rng)
            rest, parts[part] = rest[~held], rest[held]
    parts = {"train": rest, **{part: parts[part] for part in ("validation", "test") if part in parts}}
    return _split(f"stratified{shares}", seed, faces, parts, others, excluded, within)


def by_subject(
    faces: FaceSet,
    test: float = 0.2,
    validation: float = 0.2,
    seed: int = 0,
    *,
    skip_unknown: bool = False,
    within: Split | None = None,
) -> Split:
    """Parts without a subject in common, with shares of every label as even as whole subjects allow.

    Subjects are given out largest first, each to the part that lacks most of its labels; the only subject of a label
    goes to ``train``. Where byte-identical faces carry two subjects, both go to one part.

    Args:
        faces: A set with subjects.
        test: Share of all rows, from 0 (no such part) to 0.9.
        validation: Share of the rest, from 0 (no such part) to 0.5.
        seed: Seed of the draw.
        skip_unknown: Exclude faces without a known subject; otherwise they are an error.
        within: As for ``stratified``; subjects in its other parts are excluded too.

    Returns:
        Parts ``train``, ``validation`` and ``test``, and those of ``within`` besides ``train``.

    Raises:
        DataError: As for ``stratified``; or no subjects, or some are unknown.
    """
    rng, pool, others = _generator(seed), *_pool(faces, within)
    shares = _need_shares(test, validation, within)
    pool, unit, excluded = _people(faces, pool, others, skip_unknown)
    share = {"train": (1 - test) * (1 - validation), "test": test, "validation": (1 - test) * validation}
    names = [part for part in share if share[part]]
    side = deal(unit, faces.labels[pool], [share[part] for part in names], rng)
    drawn = {part: pool[side == i] for i, part in enumerate(names)}
    parts: dict[str, np.ndarray] = {p: drawn[p] for p in ("train", "validation", "test") if p in drawn}
    return _split(f"by subject{shares}", seed, faces, parts, others, excluded, within)


def folds(
    faces: FaceSet,
    k: int = 5,
    seed: int = 0,
    *,
    subjects: bool = False,
    skip_unknown: bool = False,
    within: Split | None = None,
) -> list[Split]:
    """Splits for k-fold cross-validation: each row is in the test part of one, with even shares of every label.

    Args:
        faces: Any set.
        k: Number of folds, 2 or more.
        seed: Seed of the draw.
        subjects: Keep each subject in one fold, as ``by_subject`` does; otherwise groups of identical faces.
        skip_unknown: As for ``by_subject``.
        within: As for ``stratified``.

    Returns:
        k splits with the parts ``train`` and ``test``, and those of ``within`` besides ``train``. Where one of these is
        ``test``, the part that changes is named ``validation``.

    Raises:
        DataError: As for ``stratified`` and ``by_subject``; or there are fewer groups than folds.
    """
    rng, pool, others = _generator(seed), *_pool(faces, within)
    if subjects:
        pool, unit, excluded = _people(faces, pool, others, skip_unknown)
    else:
        group = identical_groups(faces.faces)
        pool, excluded = without_copies(group, pool, others)
        unit = np.unique(group[pool], return_inverse=True)[1]
    if not 2 <= k <= len(np.unique(unit)):
        what = "subjects" if subjects else "different faces"
        raise DataError(f"{k} folds", f"from 2 to the number of {what}, {len(np.unique(unit)):,}")
    tested = "validation" if "test" in others else "test"
    _need_free(within, (tested,), "Draw within a split without it: one made with --validation 0.")
    side = deal(unit, faces.labels[pool], [1 / k] * k, rng)
    return [
        _split(
            f"fold {i + 1} of {k}{' by subject' if subjects else ''}",
            seed,
            faces,
            {"train": pool[side != i], tested: pool[side == i]},
            others,
            excluded,
            within,
        )
        for i in range(k)
    ]


def _generator(seed: int) -> np.random.Generator:
    if seed < 0:
        raise DataError(f"seed {seed}", "0 or more")
    return np.random.default_rng(seed)


def _need_share(part: str, share: float, most: float) -> None:
    if not 0 <= share <= most:
        raise DataError(f"{part} share {share}", f"from 0 (no {part} part) to {most}")


def _need_shares(test: float, validation: float, within: Split | None) -> str:
    """Check both, and that the parts are free in ``within``; the settings in a phrase."""
    _need_share("test", test, 0.9)
    _need_share("validation", validation, 0.5)
    wanted = tuple(part for part, share in (("test", test), ("validation", validation)) if share)
    if not wanted:
        raise DataError("neither a test nor a validation part is wanted", "a share of more than 0 for one of them")
    _need_free(within, wanted, "The part that is there stays if you draw none: " + "{} 0")
    return f", test {test:g}, validation {validation:g}"


def _need_free(within: Split | None, wanted: tuple[str, ...], remedy: str) -> None:
    for part in wanted:
        if within is not None and part in within.parts:
            raise DataError(
                f"the earlier split {within.name!r} has a part {part} already",
                "a split without it",
                remedy.format(f"--{part}"),
            )


def _pool(faces: FaceSet, within: Split | None) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Positions to draw from, and those of the parts that stay."""
    if within is None:
        return np.arange(len(faces)), {}
    within.check(faces)
    if "train" not in within.parts:
        raise DataError(
            f"the earlier split {within.name!r} has no part train; it has {', '.join(within.parts)}",
            "a part train to draw from",
        )
    at = {part: np.sort(faces.positions(rows)) for part, rows in within.parts.items()}
    return np.unique(at.pop("train")), at  # once each, though it was over-sampled


def _people(
    faces: FaceSet, pool: np.ndarray, others: dict[str, np.ndarray], skip_unknown: bool
) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Positions that can be drawn, the unit of each that must stay together, and what was left out why."""
    if faces.subjects is None or not (faces.subjects[pool] != "").any():
        raise DataError(
            f"{faces.provenance.source} does not say who is in its pictures",
            "a set with subjects, such as CK+48",
            "Draw by label only with: mien data split STORE --kind stratified",
        )
    known = faces.subjects[pool] != ""
    if not known.all() and not skip_unknown:
        raise DataError(
            f"{(~known).sum():,} of {len(pool):,} faces have no known subject",
            "one for each face",
            "To leave them out and go on: --skip-unknown.",
        )
    excluded = {} if known.all() else {UNKNOWN: pool[~known]}
    pool = pool[known]
    group = identical_groups(faces.faces)
    if others:
        shared = np.isin(faces.subjects[pool], faces.subjects[np.concatenate([*others.values()])])
        pool, excluded[SHARED_SUBJECT] = pool[~shared], pool[shared]
    pool, copies = without_copies(group, pool, others)
    return pool, together(faces.subjects[pool], group[pool]), excluded | copies


def _split(
    name: str,
    seed: int,
    faces: FaceSet,
    parts: dict[str, np.ndarray],
    others: dict[str, np.ndarray],
    excluded: dict[str, np.ndarray],
    within: Split | None,
) -> Split:
    """From positions to row ids. What ``within`` excluded stays so, and its leak is for good."""
    left_out = {reason: np.sort(faces.rows[at]) for reason, at in excluded.items()}
    if within is not None:
        name = f"{name}, within {within.name!r}"
        earlier = within.excluded
        left_out = {
            reason: np.union1d(earlier.get(reason, none), left_out.get(reason, none))
            for none in [np.empty(0, np.int32)]
            for reason in {**earlier, **left_out}
        }
    return Split(
        name,
        seed,
        faces.provenance.sha256,
        {part: np.sort(faces.rows[at]) for part, at in {**parts, **others}.items()},
        left_out,
        leaked="" if within is None else within.leaked,
    )
