"""Near-identical faces: perceptual hashes propose pairs, structural similarity decides.

Each step is dearer for a pair than the one before, and is left fewer pairs: Hamming distance of the hashes, correlation
of the low frequencies, structural similarity of the faces as they are and with one laid on the other.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple, TypeVar

import cv2
import numpy as np

from mien.data.pool import threads
from mien.data.similarity import (
    Window,
    aligned,
    correlated,
    hashes,
    mirrored_spectrum,
    spectrum,
    structural_similarity,
)
from mien.errors import DataError

SIDE = 48  # faces of another size are brought to this one: windows and thresholds were chosen at it

# The middle of one face is looked for in these places of the other, so that a copy which was shifted, zoomed or cropped
# a little is proposed as well. Of the pairs in FER2013 that are shown to be one photograph by aligning all two million
# with alike low frequencies, this search finds 93%; the first place alone proposes 54%.
_MIDDLE = Window(3, 3, 42)
_PLACES = (
    _MIDDLE,
    *(Window(3 + y, 3 + x, 42) for y, x in ((-2, 0), (2, 0), (0, -2), (0, 2))),
    *(Window(5 + y, 5 + x, 38) for y in (-1, 1) for x in (-1, 1)),
    *(Window(1 + y, 1 + x, 46) for y in (-1, 1) for x in (-1, 1)),
)

# Bounds on work and memory, for sets in which everything is alike, such as all frames of a video. What is over is left
# out, the least alike first, and counted.
_PROPOSED_PER_FACE, _COMPARED_PER_FACE, _COMPARED_AT_LEAST, _PARTNERS = 100, 4, 50_000, 20

_BLOCK_ROWS, _BLOCK_COLUMNS, _BLOCK_PAIRS = 64, 4096, 256  # 2 MB of differences fit a core's cache

Progress = Callable[[str, float], None]
_Found = tuple[np.ndarray, np.ndarray, np.ndarray]  # pairs and their distances
_NOTHING: _Found = np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.uint8)
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Nearness:
    """When two faces are near-identical: the same photograph, whatever was done to the file.

    Attributes:
        distance: Most bits of 64 in which the hashes of a pair may differ.
        correlation: Least correlation of the low frequencies of a pair.
        similarity: Least structural similarity of a near-identical pair, at most 1.

    Raises:
        DataError: A threshold is out of range.
    """

    # Chosen by looking at FER2013, where similarity tells them apart well: of the pairs that are compared, 6,000 lie
    # above 0.85, most of them above 0.95; 25,000 lie below 0.7; and only about twenty in each hundredth from 0.75 to
    # 0.85. The 180 lowest pairs above 0.85 and all mirrored ones were looked at: each is one photograph, cropped
    # otherwise, lighter, darker, or with another agency's mark on it. So are nine in ten from 0.80 to 0.85; the others
    # are two shots of one person or two people in one pose, which become the most below 0.73.
    distance: int = 14
    correlation: float = 0.85
    similarity: float = 0.85

    def __post_init__(self) -> None:
        for what, value, most in (
            ("distance", self.distance, 64),
            ("correlation", self.correlation, 1),
            ("similarity", self.similarity, 1),
        ):
            if not 0 <= value <= most:
                raise DataError(f"{what} {value}", f"0 to {most}")


@dataclass(frozen=True)
class NearPairs:
    """Pairs of faces that are the same photograph, sorted by ``first``, then ``second``; no pair twice.

    Attributes:
        first: (P,) int64 positions.
        second: (P,) int64 positions, each larger than ``first``.
        mirrored: (P,) bool, whether the first is like the mirror image of the second.
        similarity: (P,) float64, structural similarity, at most 1.
        left_out: At least so many pairs were proposed but not compared, since there were too many.

    Raises:
        DataError: The arrays differ in length, or a pair is not in order.
    """

    first: np.ndarray
    second: np.ndarray
    mirrored: np.ndarray
    similarity: np.ndarray
    left_out: int = 0

    def __post_init__(self) -> None:
        lengths = {len(a) for a in (self.first, self.second, self.mirrored, self.similarity)}
        if len(lengths) != 1 or (self.first >= self.second).any():
            raise DataError(f"near pairs of lengths {sorted(lengths)}", "one length, the first before the second")

    def __len__(self) -> int:
        return len(self.first)


class _Pairs(NamedTuple):
    """Pairs to compare: positions, window of the first that is like the middle of the second, which way round."""

    first: np.ndarray
    second: np.ndarray
    window: np.ndarray
    mirrored: np.ndarray


def near_pairs(faces: np.ndarray, nearness: Nearness | None = None, progress: Progress | None = None) -> NearPairs:
    """Find the pairs of faces that are the same photograph, mirrored ones included.

    Flat faces look like one another: leave them out. Where very many are alike, pairs are left out, the least alike
    first: those over 100 that are proposed for a place, and those over 4 that are compared, for each face on average;
    ``left_out`` tells of them.

    Args:
        faces: (N, s, s) uint8 gray, all different.
        nearness: Thresholds.
        progress: Called with what is being done and the share that is done, 0 to 1.

    Returns:
        The pairs. One that is alike both ways round has the way with the higher similarity.
    """
    wanted, tell = nearness or Nearness(), progress or _silent
    small = _at_side(faces)
    # One of two faces is looked for in the other. Which one is told by their pixels, so that a pair is found or not
    # whatever else is in the set and in whatever order: else a set that was cleaned would show new pairs.
    order = np.argsort(_as_text(small), kind="stable")
    small = small[order]
    plain, over = _proposed(small, wanted, tell, mirrored=False)
    mirrored, over_mirrored = _proposed(small, wanted, tell, mirrored=True)
    pairs = _Pairs(*(np.concatenate(arrays) for arrays in zip(plain, mirrored, strict=True)))
    similarity = _compared(small, pairs, lambda done: tell("structural similarity", done))
    near = similarity >= wanted.similarity
    pairs, similarity = _Pairs(*(a[near] for a in pairs)), similarity[near]
    further, over_further = _partners(pairs)
    of_further = _compared(small, further, lambda done: tell("copies of copies", done))
    near = of_further >= wanted.similarity
    pairs = _Pairs(*(np.concatenate((a, b[near])) for a, b in zip(pairs, further, strict=True)))
    similarity = np.concatenate((similarity, of_further[near]))
    ends = np.sort(order[np.stack([pairs.first, pairs.second])], axis=0)
    kept = _best_of_each(ends[0] * len(faces) + ends[1], similarity)
    return NearPairs(
        ends[0, kept], ends[1, kept], pairs.mirrored[kept], similarity[kept], over + over_mirrored + over_further
    )


def _silent(step: str, share: float) -> None:
    pass


def _as_text(faces: np.ndarray) -> np.ndarray:
    """(N,) the bytes of each face, to be compared."""
    pixels = faces.shape[1] * faces.shape[2]
    return np.ascontiguousarray(faces).reshape(len(faces), pixels).view(np.dtype((np.void, pixels))).ravel()


def _at_side(faces: np.ndarray) -> np.ndarray:
    side = faces.shape[-1]
    if side == SIDE or not len(faces):
        return np.asarray(faces)
    how = cv2.INTER_AREA if side > SIDE else cv2.INTER_CUBIC
    return np.stack([cv2.resize(face, (SIDE, SIDE), interpolation=how) for face in faces])


def _proposed(faces: np.ndarray, wanted: Nearness, tell: Progress, *, mirrored: bool) -> tuple[_Pairs, int]:
    """Pairs worth comparing, each once, and how many were left out."""
    count = len(faces)
    middle = spectrum(faces, _MIDDLE)
    middle = mirrored_spectrum(middle) if mirrored else middle
    other, other_hash = correlated(middle), hashes(middle)
    pair, window, alike = [np.empty(0, np.int64)], [np.empty(0, np.int64)], [np.empty(0, np.float32)]
    left_out = 0
    what = "hashes of mirrored copies" if mirrored else "hashes of copies"
    for number, place in enumerate(_PLACES):
        low = spectrum(faces, place)
        first, second, over = _close(hashes(low), other_hash, wanted.distance)
        unit, correlation = correlated(low), np.empty(len(first), np.float32)
        for start in range(0, len(first), 1 << 14):
            at = slice(start, start + (1 << 14))
            correlation[at] = np.einsum("ij,ij->i", unit[first[at]], other[second[at]])
        kept = correlation >= wanted.correlation
        pair.append(first[kept].astype(np.int64) * count + second[kept])
        window.append(np.full(int(kept.sum()), number))
        alike.append(correlation[kept])
        left_out = max(left_out, over)  # mostly the same pairs for each place
        tell(what, (number + 1) / len(_PLACES))
    pairs, windows, correlations = np.concatenate(pair), np.concatenate(window), np.concatenate(alike)
    kept = _best_of_each(pairs, correlations)
    most = max(_COMPARED_AT_LEAST, _COMPARED_PER_FACE * count)
    if len(kept) > most:
        left_out += len(kept) - most
        kept = np.sort(kept[np.argsort(-correlations[kept], kind="stable")[:most]])
    first, second = np.divmod(pairs[kept], max(1, count))
    return _Pairs(first, second, windows[kept], np.full(len(kept), mirrored)), left_out


def _best_of_each(pair: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Of each pair the place with the largest value (of equal ones the first), in the order of the pairs."""
    order = np.lexsort((-value, pair))
    return np.asarray(order[np.append(True, np.diff(pair[order]) > 0)] if len(order) else order)


def _close(first: np.ndarray, second: np.ndarray, distance: int) -> tuple[np.ndarray, np.ndarray, int]:
    """All i < j with ``first[i]`` and ``second[j]`` at most ``distance`` bits apart, and how many more there were.

    Where there are more than 100 for each face, the distance is lowered until there are not; of those at distance 0,
    the last are dropped.
    """
    count, most = len(first), _PROPOSED_PER_FACE * len(first)
    limit, seen = distance, np.zeros(65, np.int64)

    def search(start: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        rows = first[start : start + _BLOCK_ROWS, None]
        found = [_NOTHING]
        different = np.empty((len(rows), _BLOCK_COLUMNS), np.uint64)
        apart = np.empty((len(rows), _BLOCK_COLUMNS), np.uint8)
        counts = np.zeros(65, np.int64)
        for column in range(start // _BLOCK_COLUMNS * _BLOCK_COLUMNS, count, _BLOCK_COLUMNS):
            columns = second[None, column : column + _BLOCK_COLUMNS]
            width = columns.shape[1]
            np.bitwise_xor(rows, columns, out=different[:, :width])
            near = np.bitwise_count(different[:, :width], out=apart[:, :width])
            i, j = np.divmod(np.flatnonzero(near <= distance), width)  # three times as fast as nonzero
            later = j + column > i + start
            i, j = i[later], j[later]
            d = near[i, j]
            counts += np.bincount(d, minlength=65)
            kept = d <= limit
            found.append(((i[kept] + start).astype(np.int32), (j[kept] + column).astype(np.int32), d[kept]))
        return *_joined(found), counts

    # What was seen only grows, so the limit in the end does not depend on when the threads look at it.
    found = [_NOTHING]
    for i, j, d, counts in _in_threads(search, range(0, count, _BLOCK_ROWS)):
        before, seen = seen, seen + counts
        if limit == 0 and before[0] >= most:
            continue
        found.append((i, j, d))
        if limit > 0 and seen[: limit + 1].sum() > most:
            while limit > 0 and seen[: limit + 1].sum() > most:
                limit -= 1
            found = [(i[near], j[near], d[near]) for i, j, d in found for near in [d <= limit]]
    i, j, d = _joined(found)
    kept = np.flatnonzero(d <= limit)[:most]
    return i[kept], j[kept], int(seen.sum()) - len(kept)


def _joined(found: list[_Found]) -> _Found:
    i, j, d = (np.concatenate(arrays) for arrays in zip(*found, strict=True))
    return i, j, d


def _compared(faces: np.ndarray, pairs: _Pairs, tell: Callable[[float], None]) -> np.ndarray:
    """(P,) structural similarity of each pair, as it is or aligned, whichever is higher."""

    def block(start: int) -> np.ndarray:
        first, second, window, mirrored = (a[start : start + _BLOCK_PAIRS] for a in pairs)
        a, b = faces[first].astype(np.float32), faces[second].astype(np.float32)
        b[mirrored] = b[mirrored, :, ::-1]
        found = structural_similarity(a, b)
        moved = [aligned(x, y, _PLACES[w], _MIDDLE) for x, y, w in zip(a, b, window, strict=True)]
        fits = np.array([face is not None for face in moved])
        if fits.any():
            better = structural_similarity(a[fits], np.stack([face for face in moved if face is not None]))
            found[fits] = np.maximum(found[fits], better)
        return found

    starts = range(0, len(pairs.first), _BLOCK_PAIRS)
    found = [np.empty(0)]
    for done, similarity in enumerate(_in_threads(block, starts), 1):
        found.append(similarity)
        tell(done / len(starts))
    return np.concatenate(found)


def _partners(pairs: _Pairs) -> tuple[_Pairs, int]:
    """Pairs that are not there, but whose two are among the 20 first partners of a third; how many were left out."""
    partners: dict[int, dict[int, bool]] = {}
    for i, j, mirrored in zip(*(a.tolist() for a in (pairs.first, pairs.second, pairs.mirrored)), strict=True):
        partners.setdefault(i, {})[j] = mirrored
        partners.setdefault(j, {})[i] = mirrored
    further: dict[tuple[int, int], bool] = {}
    for known in partners.values():
        for i, j in combinations(sorted(known)[:_PARTNERS], 2):
            if j not in partners[i]:
                further.setdefault((i, j), known[i] != known[j])
    ends = np.array(sorted(further)[:_COMPARED_AT_LEAST], np.int64).reshape(-1, 2)
    flips = np.array([further[i, j] for i, j in ends.tolist()], bool)
    return _Pairs(ends[:, 0], ends[:, 1], np.zeros(len(ends), np.int64), flips), len(further) - len(ends)


def _in_threads(work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """The results in order; NumPy and OpenCV let other threads run meanwhile."""
    with threads(os.cpu_count()) as pool:
        yield from pool.map(work, items)
