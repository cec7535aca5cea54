"""What an audit finds, and its machine-readable form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from mien.data.agreement import Agreement
from mien.data.duplicates import Nearness
from mien.data.splits import Split
from mien.data.store import Provenance
from mien.errors import DataError
from mien.expressions import Vocabulary

# Of FER2013 this finds the pictures of one grey level, and one more that is black but for a spot. The faintest picture
# that shows a face has a standard deviation of 9.
BLANK_BELOW = 5.0
NON_FACE_ABOVE = 0.5
IDENTICAL, NEAR, MIRRORED = "identical", "near-identical", "mirrored"


@dataclass(frozen=True)
class NearDuplicates:
    """Pairs of different images that are the same photograph. An image of several rows stands for all of them.

    Attributes:
        rows: (P, 2) int32 row ids, the lower first: the first two rows of the images in different parts, if possible
            with different labels; else the first of each.
        mirrored: (P,) bool, whether one is like the mirror image of the other.
        similarity: (P,) float64, structural similarity, at most 1.
        crosses: (P,) bool, whether rows of the two images lie in different parts.
        contradictory: (P,) bool, whether not all rows of the two images have the same label.
        faces: (F,) int32 row ids of all images that are in a pair, sorted.
        left_out: At least so many pairs that may be near-identical were not compared, since there were too many.

    Raises:
        DataError: The arrays differ in length.
    """

    rows: np.ndarray
    mirrored: np.ndarray
    similarity: np.ndarray
    crosses: np.ndarray
    contradictory: np.ndarray
    faces: np.ndarray
    left_out: int = 0

    def __post_init__(self) -> None:
        count = len(self.rows)
        if self.rows.shape != (count, 2) or any(
            len(a) != count for a in (self.mirrored, self.similarity, self.crosses, self.contradictory)
        ):
            raise DataError(f"{count} near-duplicate pairs with arrays of other lengths", "one length")

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class Crossing:
    """Faces of two parts that are copies of each other.

    Attributes:
        parts: The two parts.
        kind: ``IDENTICAL``, ``NEAR`` or ``MIRRORED``; a face counts once, under the first that applies.
        rows: Row ids in the first part with a copy in the second, and the other way round; sorted.
    """

    parts: tuple[str, str]
    kind: str
    rows: tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Audit:
    """What an audit found. Faces are named by row id throughout.

    Attributes:
        provenance: The source.
        vocabulary: What the labels mean.
        split: The split whose parts were looked at; None where they are the source's own usages.
        nearness: When two faces counted as near-identical.
        n: Number of different rows looked at: those in a part.
        parts: Names of the parts (P) that have rows.
        counts: (P, L) int64 faces per part and label; a repeated row counts as often as it occurs.
        identical: Groups of rows with the same bytes, sorted; each of two rows or more.
        contradictory: Those of ``identical`` in which labels differ.
        near: Near-identical pairs.
        crossings: Copies across parts.
        several: Row ids that are in more than one part, sorted.
        repeated: Part → row ids that occur more than once in it, sorted; only parts that have such.
        blank: Row ids of faces whose grey levels have a standard deviation below ``BLANK_BELOW``, sorted.
        non_faces: Row ids of faces for which more than half of the FER+ votes say "not a face", sorted.
        agreement: Labels against FER+ votes; None unless the vocabulary is FER2013's and there are votes.
        subjects: Person → the parts he or she is in; only persons in more than one.
        paths: Row id → file, of all rows that are named here; empty where the source has no files.

    Raises:
        DataError: A group has fewer than two rows, or one is contradictory and not identical.
    """

    provenance: Provenance
    vocabulary: Vocabulary
    split: Split | None
    nearness: Nearness
    n: int
    parts: tuple[str, ...]
    counts: np.ndarray
    identical: tuple[np.ndarray, ...]
    contradictory: tuple[np.ndarray, ...]
    near: NearDuplicates
    crossings: tuple[Crossing, ...]
    several: np.ndarray
    repeated: Mapping[str, np.ndarray]
    blank: np.ndarray
    non_faces: np.ndarray
    agreement: Agreement | None
    subjects: Mapping[str, tuple[str, ...]]
    paths: Mapping[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.counts.shape != (len(self.parts), len(self.vocabulary)):
            raise DataError(f"counts of {self.counts.shape}", f"{(len(self.parts), len(self.vocabulary))}")
        firsts = {int(group[0]) for group in self.identical}
        if any(len(group) < 2 for group in self.identical) or len(firsts) != len(self.identical):
            raise DataError("a group of identical faces with fewer than two, or two groups in one", "two faces or more")
        if not firsts.issuperset(int(group[0]) for group in self.contradictory):
            raise DataError("a contradictory group that is not one of the identical ones", "one of them")

    @property
    def surplus(self) -> int:
        """Rows that repeat another row's image: of each group all but one."""
        return sum(len(group) - 1 for group in self.identical)

    @property
    def named(self) -> np.ndarray:
        """Row ids of all faces that are named in a finding, sorted, each once."""
        groups = [*self.identical, self.near.rows.ravel(), self.near.faces, self.several, *self.repeated.values()]
        groups += [rows for found in self.crossings for rows in found.rows]
        return np.unique(np.concatenate([*groups, self.blank, self.non_faces]))

    @property
    def effective_classes(self) -> np.ndarray:
        """(P,) float64, exponential of the entropy of a part's labels: so many equally large classes are as diverse."""
        shares = self.counts / np.maximum(self.counts.sum(axis=1, keepdims=True), 1)
        logarithm = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
        return np.asarray(np.exp(-(shares * logarithm).sum(axis=1)))

    @property
    def leaks(self) -> bool:
        """Whether any face has a copy in another part."""
        return bool(self.crossings)

    def crossing(self, kind: str, first: str, second: str) -> tuple[np.ndarray, np.ndarray]:
        """Row ids of ``first`` with a copy of this kind in ``second``, and the other way round."""
        for found in self.crossings:
            if found.kind == kind and set(found.parts) == {first, second}:
                return found.rows if found.parts[0] == first else (found.rows[1], found.rows[0])
        return np.empty(0, np.int32), np.empty(0, np.int32)

    def occurrences(self, part: str, rows: np.ndarray) -> int:
        """How many faces of a part these rows are: a row that is repeated there counts as often as it occurs."""
        return len(rows) if self.split is None else int(np.isin(self.split.parts[part], rows).sum())

    def to_dict(self) -> dict[str, Any]:
        """For JSON: counts, thresholds and all row ids."""
        about, split = self.provenance, self.split
        return {
            "source": about.source,
            "reader": about.reader,
            "sha256": about.sha256,
            "joined": dict(about.joined),
            "vocabulary": {"name": self.vocabulary.name, "labels": list(self.vocabulary.labels)},
            "split": None if split is None else {"name": split.name, "seed": split.seed, "leaked": split.leaked},
            "n": self.n,
            "settings": {
                "near_identical": asdict(self.nearness),
                "blank_below_standard_deviation": BLANK_BELOW,
                "non_face_above_share_of_votes": NON_FACE_ABOVE,
            },
            "parts": self._parts(),
            "identical": {
                "groups": len(self.identical),
                "faces": self.surplus + len(self.identical),
                "surplus": self.surplus,
                "rows": [group.tolist() for group in self.identical],
            },
            "contradictory": {
                "groups": len(self.contradictory),
                "faces": sum(map(len, self.contradictory)),
                "rows": [group.tolist() for group in self.contradictory],
            },
            "near_identical": self._near(),
            "across_parts": [
                {
                    "parts": list(found.parts),
                    "kind": found.kind,
                    "faces": [self.occurrences(p, rows) for p, rows in zip(found.parts, found.rows, strict=True)],
                    "rows": [rows.tolist() for rows in found.rows],
                }
                for found in self.crossings
            ],
            "resampled": {
                "in_several_parts": _listed(self.several),
                "repeated": {part: _listed(rows) for part, rows in self.repeated.items()},
            },
            "blank": _listed(self.blank),
            "non_faces": _listed(self.non_faces),
            "ferplus_agreement": None if self.agreement is None else self.agreement.to_dict(),
            "subjects_in_several_parts": {who: list(parts) for who, parts in self.subjects.items()},
            "paths": {str(row): path for row, path in self.paths.items()},
        }

    def _parts(self) -> dict[str, Any]:
        labels = self.vocabulary.labels
        return {
            part: {
                "n": int(counts.sum()),
                "counts": dict(zip(labels, counts.tolist(), strict=True)),
                "largest_to_smallest": int(counts.max()) / int(counts.min()) if counts.min() else None,
                "effective_classes": float(effective),
                "normalised_entropy": float(np.log(effective) / np.log(len(labels))) if len(labels) > 1 else None,
            }
            for part, counts, effective in zip(self.parts, self.counts, self.effective_classes, strict=True)
        }

    def _near(self) -> dict[str, Any]:
        near = self.near
        columns = near.rows, near.mirrored, near.similarity.round(4), near.crosses, near.contradictory
        return {
            "pairs": len(near),
            "plain": int((~near.mirrored).sum()),
            "mirrored": int(near.mirrored.sum()),
            "faces": len(near.faces),
            "across_parts": int(near.crosses.sum()),
            "share_across_parts": float(near.crosses.mean()) if len(near) else None,
            "contradictory": int(near.contradictory.sum()),
            "not_compared": near.left_out,
            "rows": [
                {"rows": rows, "mirrored": flip, "similarity": alike, "crosses": crosses, "contradictory": differ}
                for rows, flip, alike, crosses, differ in zip(*(c.tolist() for c in columns), strict=True)
            ],
        }


def _listed(rows: np.ndarray) -> dict[str, Any]:
    return {"count": len(rows), "rows": rows.tolist()}
