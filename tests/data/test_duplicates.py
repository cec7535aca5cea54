"""The search for near-identical faces."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from mien.data import FaceSet, duplicates
from mien.data.duplicates import Nearness, NearPairs, near_pairs
from mien.data.splits import identical_groups
from mien.errors import DataError


def made_up(n: int, seed: int = 0, side: int = 48) -> np.ndarray:
    """(n, side, side) smooth pictures with some grain, no two alike."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (n, 7, 7), dtype=np.uint8)
    smooth = np.stack([cv2.resize(c, (side, side), interpolation=cv2.INTER_CUBIC) for c in coarse]).astype(int)
    return np.clip(smooth + rng.normal(0, 4, smooth.shape), 0, 255).astype(np.uint8)


def jpeg(face: np.ndarray, quality: int) -> np.ndarray:
    data = cv2.imencode(".jpg", face, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)


def resized(face: np.ndarray, side: int) -> np.ndarray:
    there = cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA)
    return cv2.resize(there, face.shape[::-1], interpolation=cv2.INTER_AREA)


def changed(face: np.ndarray, gain: float, offset: float) -> np.ndarray:
    return np.clip((face.astype(float) - 128) * gain + 128 + offset, 0, 255).astype(np.uint8)


def found(pairs: NearPairs) -> set[tuple[int, int, bool]]:
    return set(zip(pairs.first.tolist(), pairs.second.tolist(), pairs.mirrored.tolist(), strict=True))


WAYS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], float]] = {
    "jpeg 60": (lambda f: jpeg(f, 60), 0.99),
    "jpeg 95": (lambda f: jpeg(f, 95), 1),
    "48 to 32 to 48": (lambda f: resized(f, 32), 0.99),
    "48 to 96 to 48": (lambda f: resized(f, 96), 1),
    "shifted by 1 pixel across": (lambda f: np.roll(f, 1, axis=1), 0.99),
    "shifted by 2 pixels up": (lambda f: np.roll(f, -2, axis=0), 0.97),
    "lighter": (lambda f: changed(f, 1, 20), 0.95),
    "darker": (lambda f: changed(f, 1, -20), 0.93),
    "less contrast": (lambda f: changed(f, 0.7, 0), 0.93),
    "cropped": (lambda f: cv2.resize(f[2:46, 2:46], (48, 48), interpolation=cv2.INTER_CUBIC), 0.97),
    "mirrored": (lambda f: f[:, ::-1], 0.99),
    "mirrored, shifted, jpeg 75": (lambda f: jpeg(np.roll(f[:, ::-1], 1, axis=1), 75), 0.98),
}


@pytest.mark.parametrize("way", WAYS)
def test_copies_of_real_faces_are_found(fer2013: FaceSet, way: str) -> None:
    copy, least = WAYS[way]
    faces = fer2013.faces[:300]
    faces = faces[np.unique(identical_groups(faces), return_index=True)[1]]
    n = len(faces)
    pairs = near_pairs(np.concatenate([faces, np.stack([copy(f) for f in faces])]))
    expected = {(i, n + i, way.startswith("mirrored")) for i in range(n)}
    assert len(found(pairs) & expected) >= least * n
    assert pairs.left_out == 0


@pytest.mark.parametrize("side", [24, 48, 64, 112])
def test_faces_of_any_size_are_compared(side: int) -> None:
    faces = made_up(40, 3, side)
    copies = np.stack(
        [jpeg(f, 80) for f in faces[:6]] + [jpeg(np.ascontiguousarray(f[:, ::-1]), 80) for f in faces[6:9]]
    )
    pairs = near_pairs(np.concatenate([faces, copies]))
    assert found(pairs) == {(i, 40 + i, i >= 6) for i in range(9)}
    assert (pairs.similarity > 0.9).all() and (pairs.similarity <= 1).all()


def test_different_faces_are_not_paired() -> None:
    assert len(near_pairs(made_up(1500, 4))) == 0


def test_a_pair_does_not_depend_on_what_else_is_there_nor_on_the_order(fer2013: FaceSet) -> None:
    faces = fer2013.faces[:4000]
    faces = np.concatenate([faces, np.roll(faces[:40, :, ::-1], 1, axis=1)])
    faces = faces[np.sort(np.unique(identical_groups(faces), return_index=True)[1])]
    whole = found(near_pairs(faces))
    assert len(whole) > 40 and any(flip for _, _, flip in whole)
    rng = np.random.default_rng(0)
    order = rng.permutation(len(faces))
    turned = near_pairs(faces[order])
    assert {(*sorted((int(order[i]), int(order[j]))), f) for i, j, f in found(turned)} == whole
    kept = np.flatnonzero(rng.random(len(faces)) < 0.8)
    place = {int(k): i for i, k in enumerate(kept)}
    rest = {(place[i], place[j], f) for i, j, f in whole if i in place and j in place}
    again = found(near_pairs(faces[kept]))
    assert again <= rest and len(rest - again) <= 2  # two may have been found only through a third that is gone
    assert found(near_pairs(faces)) == whole


def test_a_face_that_is_alike_both_ways_round_is_paired_once() -> None:
    half = made_up(1, 5)[0][:, :24]
    face = np.concatenate([half, half[:, ::-1]], axis=1)
    pairs = near_pairs(np.stack([face, jpeg(face, 90), *made_up(10, 6)]))
    assert [(int(i), int(j)) for i, j in zip(pairs.first, pairs.second, strict=True)] == [(0, 1)]


@pytest.mark.parametrize("n", [0, 1, 2])
def test_few_faces_are_no_trouble(n: int) -> None:
    assert len(near_pairs(made_up(max(n, 1))[:n])) == 0


def test_thresholds_are_obeyed() -> None:
    faces = made_up(30)
    both = np.concatenate([faces, np.stack([jpeg(f, 50) for f in faces])])
    everything = near_pairs(both)
    assert len(everything) == 30
    middle = float(np.median(everything.similarity))
    assert len(near_pairs(both, Nearness(similarity=middle))) == 15
    assert len(near_pairs(both, Nearness(correlation=1.0))) == 0
    assert len(near_pairs(both, Nearness(distance=0))) < 30
    for wrong in ({"distance": 65}, {"similarity": 1.1}, {"correlation": -0.1}):
        with pytest.raises(DataError, match=next(iter(wrong))):
            Nearness(**wrong)  # type: ignore[arg-type]


def test_progress_is_told_up_to_the_end() -> None:
    told: list[tuple[str, float]] = []
    faces = made_up(30)
    near_pairs(np.concatenate([faces, np.roll(faces, 1, axis=1)]), progress=lambda *step: told.append(step))
    steps = list(dict.fromkeys(name for name, _ in told))
    assert steps == ["hashes of copies", "hashes of mirrored copies", "structural similarity"]
    assert [share for name, share in told if name == "hashes of copies"][-1] == 1
    assert all(0 < share <= 1 for _, share in told)


# ---- bounds


def test_hashes_are_searched_exhaustively() -> None:
    rng = np.random.default_rng(2)
    # 64 bits of which few vary, so that all distances occur; more than a block each way
    first, second = (rng.integers(0, 2**14, 5000, dtype=np.uint64) for _ in range(2))
    i, j, left_out = duplicates._close(first, second, 1)
    apart = np.bitwise_count(first[:, None] ^ second[None])
    a, b = np.nonzero(np.triu(apart <= 1, k=1))
    assert left_out == 0
    assert set(zip(i.tolist(), j.tolist(), strict=True)) == set(zip(a.tolist(), b.tolist(), strict=True))
    assert len(i) == len(a) > 1000


def test_too_many_candidates_lower_the_distance(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    hashed = rng.integers(0, 2**12, 1000, dtype=np.uint64)
    apart = np.bitwise_count(hashed[:, None] ^ hashed[None])
    counts = [int(np.triu(apart <= d, k=1).sum()) for d in range(13)]
    most = (counts[3] + counts[2]) // 2  # room for distance 2, not for 3
    monkeypatch.setattr(duplicates, "_PROPOSED_PER_FACE", most // 1000)
    i, j, left_out = duplicates._close(hashed, hashed, 5)
    assert len(i) == counts[2]
    assert (apart[i, j] <= 2).all() and (i < j).all()
    assert left_out == counts[5] - counts[2]


def test_too_many_equal_hashes_are_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "_PROPOSED_PER_FACE", 2)
    i, j, left_out = duplicates._close(*[np.repeat(np.arange(2, dtype=np.uint64) << np.uint64(32), 500)] * 2, 14)
    assert len(i) == 2000 and (i < j).all()
    # Halves of 500 equal ones, a bit apart.
    assert left_out == 1000 * 999 // 2 - 2000


def test_a_set_in_which_all_is_alike_is_bounded_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    frames = np.clip(made_up(1).astype(int) + rng.integers(-3, 4, (120, 48, 48)), 0, 255).astype(np.uint8)
    assert len(near_pairs(frames)) == 120 * 119 // 2  # below the bounds they are all compared
    monkeypatch.setattr(duplicates, "_COMPARED_AT_LEAST", 100)
    monkeypatch.setattr(duplicates, "_PROPOSED_PER_FACE", 10)
    monkeypatch.setattr(duplicates, "_PARTNERS", 2)
    pairs = near_pairs(frames)
    assert 0 < len(pairs) <= 4 * 120 + 120
    assert pairs.left_out > 5000


def test_the_most_alike_are_compared_where_not_all_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    faces = made_up(60)
    both = np.concatenate(
        [faces, *(np.stack([jpeg(f, q) for f in part]) for q, part in ((95, faces[:30]), (25, faces[30:])))]
    )
    monkeypatch.setattr(duplicates, "_COMPARED_AT_LEAST", 30)
    monkeypatch.setattr(duplicates, "_COMPARED_PER_FACE", 0)
    pairs = near_pairs(both)
    assert pairs.left_out == 30
    assert (pairs.second < 90).mean() > 0.8


# ---- copies of copies


def test_faces_that_share_a_partner_are_compared_too() -> None:
    first, second = np.array([0, 1, 5]), np.array([1, 2, 6])
    flips = np.array([False, True, False])
    further, left_out = duplicates._partners(duplicates._Pairs(first, second, np.zeros(3, int), flips))
    assert (further.first.tolist(), further.second.tolist(), further.mirrored.tolist()) == ([0], [2], [True])
    assert left_out == 0
    known, _ = duplicates._partners(
        duplicates._Pairs(np.array([0, 0, 1]), np.array([1, 2, 2]), np.zeros(3, int), np.zeros(3, bool))
    )
    assert len(known.first) == 0


def test_a_copy_too_far_off_for_the_hash_is_found_through_one_between(monkeypatch: pytest.MonkeyPatch) -> None:
    faces = made_up(30, 8, 60)
    at = [np.ascontiguousarray(faces[:, :48, k : k + 48]) for k in (2, 5, 8)]
    all_three, ends = found(near_pairs(np.concatenate(at))), found(near_pairs(np.concatenate([at[0], at[2]])))
    far = {(i, 60 + i, False) for i in range(30)}
    assert len(ends) < len(all_three & far)


def test_pairs_must_be_in_order() -> None:
    one = np.array([1])
    with pytest.raises(DataError, match="the first before the second"):
        NearPairs(one, one, np.array([False]), np.array([1.0]))
    with pytest.raises(DataError, match="one length"):
        NearPairs(one, one + 1, np.array([False]), np.array([1.0, 1.0]))
