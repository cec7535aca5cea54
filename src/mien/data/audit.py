"""Look at a set of faces before anything is trained on it: copies, leaks, contradictions, blanks, imbalance."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mien.data.agreement import agreement
from mien.data.duplicates import Nearness, NearPairs, Progress, near_pairs
from mien.data.findings import BLANK_BELOW, IDENTICAL, MIRRORED, NEAR, NON_FACE_ABOVE, Audit, Crossing, NearDuplicates
from mien.data.splits import Split, identical_groups
from mien.data.store import FaceSet
from mien.expressions import FER2013, FERPLUS_VOTES

_CHUNK = 1024


@dataclass(frozen=True)
class _Members:
    """The faces that are looked at.

    Attributes:
        at: (n,) positions of the faces, ascending.
        parts: Names of the parts.
        times: (n, P) int64, how often each is in each part.
        image: (n,) int64 from 0; equal numbers mean equal bytes. Numbered in the order of their first faces.
        of_image: I arrays, indices into ``at`` of the faces of each image, ascending.
    """

    at: np.ndarray
    parts: tuple[str, ...]
    times: np.ndarray
    image: np.ndarray
    of_image: list[np.ndarray]

    @property
    def first(self) -> np.ndarray:
        """(I,) index into ``at`` of the first face of each image."""
        return np.array([faces[0] for faces in self.of_image])

    def any_of_image(self, values: np.ndarray) -> np.ndarray:
        """(n, K) bool of faces to (I, K): whether it is so for any face of the image."""
        found = np.zeros((len(self.of_image), values.shape[1]), bool)
        np.logical_or.at(found, self.image, values)
        return found


def audit(
    faces: FaceSet, split: Split | None = None, *, nearness: Nearness | None = None, progress: Progress | None = None
) -> Audit:
    """Look for copies, leaks, contradictions, blank and false faces, and count classes.

    Blank faces are kept out of the search for near-identical ones, since they all look alike.

    Args:
        faces: The set.
        split: A split of it; its parts are looked at, and rows in none of them are not. Where None, the parts are the
            source's own usages.
        nearness: When two faces are near-identical.
        progress: Called with what is being done and the share of it that is done, 0 to 1.

    Raises:
        DataError: The split was made from another source.
    """
    wanted = nearness or Nearness()
    if split is not None:
        split.check(faces)
    if progress is not None:
        progress("identical faces", 0.0)
    members = _members(faces, split)
    at, rows = members.at, faces.rows[members.at]
    labels = np.eye(len(faces.vocabulary), dtype=bool)[faces.labels[at]]
    blank = _blank(faces.faces, at)
    images = np.flatnonzero(~blank[members.first])
    pairs = near_pairs(faces.faces[at[members.first[images]]], wanted, progress)
    edges = np.stack([images[pairs.first], images[pairs.second]], axis=1)
    groups = {i: np.sort(rows[same]) for i, same in enumerate(members.of_image) if len(same) > 1}
    image_labels = members.any_of_image(labels)
    found = Audit(
        faces.provenance,
        faces.vocabulary,
        split,
        wanted,
        len(at),
        members.parts,
        members.times.T @ labels,
        tuple(groups.values()),
        tuple(group for i, group in groups.items() if image_labels[i].sum() > 1),
        _near(members, rows, faces.labels[at], edges, pairs),
        _crossings(members, rows, edges, pairs.mirrored),
        np.sort(rows[(members.times > 0).sum(axis=1) > 1]),
        {
            part: np.sort(rows[times > 1])
            for part, times in zip(members.parts, members.times.T, strict=True)
            if times.max() > 1
        },
        np.sort(rows[blank]),
        np.sort(rows[_non_faces(faces.votes[at])]),
        agreement(faces.labels[at], faces.votes[at]) if faces.vocabulary == FER2013 and faces.votes[at].any() else None,
        _subjects(faces, members),
    )
    return found if faces.paths is None else _with_paths(found, faces, faces.paths)


def _with_paths(found: Audit, faces: FaceSet, paths: np.ndarray) -> Audit:
    named = found.named
    return replace(found, paths=dict(zip(named.tolist(), paths[faces.positions(named)].tolist(), strict=True)))


def _members(faces: FaceSet, split: Split | None) -> _Members:
    if split is None:
        parts = {u: at for i, u in enumerate(faces.usages) if len(at := np.flatnonzero(faces.usage == i))}
    else:
        parts = {part: faces.positions(rows) for part, rows in split.parts.items()}
    times = np.stack([np.bincount(at, minlength=len(faces)) for at in parts.values()], axis=1)
    at = np.flatnonzero(times.any(axis=1))
    group = identical_groups(faces.faces[at])
    _, first, image = np.unique(group, return_index=True, return_inverse=True)
    place = np.empty(len(first), np.int64)
    place[np.argsort(first)] = np.arange(len(first))
    image = place[image]
    of_image = np.split(np.argsort(image, kind="stable"), np.cumsum(np.bincount(image))[:-1])
    return _Members(at, tuple(parts), times[at], image, of_image)


def _blank(faces: np.ndarray, at: np.ndarray) -> np.ndarray:
    parts = np.split(at, range(_CHUNK, len(at), _CHUNK))
    return np.concatenate([faces[p].std(axis=(1, 2), dtype=np.float32) < BLANK_BELOW for p in parts])


def _non_faces(votes: np.ndarray) -> np.ndarray:
    total = votes.sum(axis=1, dtype=np.int64)
    return np.asarray(votes[:, FERPLUS_VOTES.index("nonface")] > NON_FACE_ABOVE * total)


def _near(
    members: _Members, rows: np.ndarray, labels: np.ndarray, edges: np.ndarray, pairs: NearPairs
) -> NearDuplicates:
    image_labels = members.any_of_image(np.eye(labels.max() + 1, dtype=bool)[labels])
    inside = members.any_of_image(members.times > 0)
    a, b = inside[edges[:, 0]].astype(np.int64), inside[edges[:, 1]].astype(np.int64)
    # Two rows lie in different parts if a part of the one differs from a part of the other.
    crosses = a.sum(axis=1) * b.sum(axis=1) > (a * b).sum(axis=1)
    differ = (image_labels[edges[:, 0]] | image_labels[edges[:, 1]]).sum(axis=1) > 1
    shown = members.first[edges]
    for k in np.flatnonzero(crosses | differ).tolist():
        shown[k] = _telling(members.times > 0, labels, *(members.of_image[i] for i in edges[k].tolist()))
    involved = np.isin(members.image, edges)
    return NearDuplicates(
        np.sort(rows[shown].reshape(-1, 2), axis=1),
        pairs.mirrored,
        pairs.similarity,
        crosses,
        differ,
        np.sort(rows[involved]),
        pairs.left_out,
    )


def _telling(inside: np.ndarray, labels: np.ndarray, first: np.ndarray, second: np.ndarray) -> tuple[int, int]:
    """Of the faces ``first`` and ``second`` the first two in different parts, if possible with different labels."""
    a, b = inside[first].astype(np.int64), inside[second].astype(np.int64)
    apart = np.outer(a.sum(axis=1), b.sum(axis=1)) > a @ b.T
    told = 2 * apart + (labels[first, None] != labels[second])
    i, j = np.unravel_index(told.argmax(), told.shape)
    return int(first[i]), int(second[j])


def _crossings(members: _Members, rows: np.ndarray, edges: np.ndarray, mirrored: np.ndarray) -> tuple[Crossing, ...]:
    inside = members.times > 0
    of_image = members.any_of_image(inside)
    reached = {IDENTICAL: of_image}
    for kind, kept in ((NEAR, ~mirrored), (MIRRORED, mirrored)):
        reached[kind] = np.zeros_like(of_image)
        for one, other in (edges[kept].T, edges[kept].T[::-1]):
            np.logical_or.at(reached[kind], one, of_image[other])
    found = []
    for a in range(len(members.parts)):
        for b in range(a + 1, len(members.parts)):
            left = [inside[:, a].copy(), inside[:, b].copy()]  # what has no copy so far
            for kind, reach in reached.items():
                here = [mine & reach[members.image, other] for mine, other in zip(left, (b, a), strict=True)]
                left = [mine & ~hit for mine, hit in zip(left, here, strict=True)]
                if any(hit.any() for hit in here):
                    copies = (np.sort(rows[here[0]]), np.sort(rows[here[1]]))
                    found.append(Crossing((members.parts[a], members.parts[b]), kind, copies))
    return tuple(found)


def _subjects(faces: FaceSet, members: _Members) -> dict[str, tuple[str, ...]]:
    if faces.subjects is None:
        return {}
    who, number = np.unique(faces.subjects[members.at], return_inverse=True)
    inside = np.zeros((len(who), len(members.parts)), bool)
    np.logical_or.at(inside, number, members.times > 0)
    return {
        str(name): tuple(part for part, there in zip(members.parts, row, strict=True) if there)
        for name, row in zip(who, inside, strict=True)
        if name and row.sum() > 1
    }
