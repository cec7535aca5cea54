"""Disturbances: what each does, that chance is keyed by the row, and what is measured under them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.data import FaceSet
from mien.errors import DataError
from mien.evaluation import metrics
from mien.evaluation.robustness import CORRUPTIONS, STRENGTHS, corrupt, measure, samples

DRAWN = {"noise", "rotation", "shift"}  # at random, for each face
MOVED = {"rotation", "shift"}
ROWS = np.array([7, 3, 900, -2])


def smooth(n: int = 4, side: int = 48, seed: int = 0) -> np.ndarray:
    """(n, side, side) faces with waves of several lengths, 30 to 220."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] / side
    waves = [
        sum(np.sin(2 * np.pi * (a * x + b * y) + c) for a, b, c in zip(*rng.uniform(-4, 4, (3, 6)), strict=True))
        for _ in range(n)
    ]
    found = np.stack(waves)
    low, high = found.min((1, 2), keepdims=True), found.max((1, 2), keepdims=True)
    return np.rint(30 + 190 * (found - low) / (high - low)).astype(np.uint8)


def change(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Root of the mean squared difference of each face."""
    return np.sqrt(((a.astype(float) - b) ** 2).mean((1, 2)))


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("side", [48, 41, 96])
def test_the_stronger_the_further_from_the_face_at_any_size(name: str, side: int) -> None:
    faces = smooth(side=side)
    kept = faces.copy()
    far = np.stack([change(corrupt(faces, ROWS, name, k), faces) for k in STRENGTHS])
    assert (faces == kept).all()
    assert (far.mean(1) > 0).all() and (name in MOVED or (np.diff(far.mean(1)) > 0).all())
    one = corrupt(faces, ROWS, name, 5)
    assert one.shape == faces.shape and one.dtype == np.uint8


@pytest.mark.parametrize("name", sorted(CORRUPTIONS.keys() - {"noise", "JPEG"}))
def test_strengths_mean_the_same_at_another_size(name: str) -> None:
    """Lengths are shares of the side: a face twice as large is disturbed as the small one, but larger."""
    small, large = smooth(side=48), smooth(side=96)
    near = np.stack([large[:, i::2, j::2] for i in (0, 1) for j in (0, 1)]).mean(0)
    for k in (2, 4):
        done = corrupt(large, ROWS, name, k)
        reduced = np.stack([done[:, i::2, j::2] for i in (0, 1) for j in (0, 1)]).astype(float).mean(0)
        times = change(corrupt(small, ROWS, name, k), small) / change(reduced, near)
        assert (times > 0.85).all() and (times < 1.15).all(), name


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_face_is_disturbed_the_same_in_any_company(name: str) -> None:
    faces, order = smooth(), np.array([2, 0, 3, 1])
    whole = corrupt(faces, ROWS, name, 3, 5)
    np.testing.assert_array_equal(corrupt(faces[order], ROWS[order], name, 3, 5), whole[order])
    np.testing.assert_array_equal(corrupt(faces[1:2], ROWS[1:2], name, 3, 5), whole[1:2])
    other_seed, other_row = corrupt(faces, ROWS, name, 3, 6), corrupt(faces, ROWS + 1, name, 3, 5)
    assert (other_seed != whole).any() == (other_row != whole).any() == (name in DRAWN)


@settings(max_examples=25)
@given(st.sampled_from(sorted(CORRUPTIONS)), st.sampled_from(STRENGTHS), st.integers(1, 40), st.integers(0, 2**31 - 1))
def test_any_face_can_be_disturbed(name: str, strength: int, side: int, row: int) -> None:
    faces = np.random.default_rng(row).integers(0, 256, (2, side, side), dtype=np.uint8)
    for given_faces in (faces, np.zeros_like(faces), np.full_like(faces, 255)):
        done = corrupt(given_faces, np.array([row, row]), name, strength, row)
        assert done.shape == faces.shape and done.dtype == np.uint8


def test_a_face_keeps_its_noise_and_its_direction_at_all_strengths() -> None:
    """The curve of a face is then that of the strength alone."""
    grey = np.full((4, 48, 48), 128, np.uint8)
    weak, strong = (corrupt(grey, ROWS, "noise", k).astype(float) - 128 for k in (2, 3))
    assert all(np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.99 for a, b in zip(weak, strong, strict=True))
    assert weak.std() == pytest.approx(CORRUPTIONS["noise"].amounts[1], rel=0.05)
    assert abs(weak.mean()) < 0.5


def test_faces_turn_and_move_to_either_side() -> None:
    dot = np.zeros((200, 48, 48), np.uint8)
    dot[:, 22:26, 33:37] = 255  # 11 pixels right of the middle
    place = np.mgrid[:48, :48]

    def middle(faces: np.ndarray) -> np.ndarray:
        weight = faces / faces.sum((1, 2), keepdims=True)
        return np.stack([(weight * axis).sum((1, 2)) for axis in place], axis=1) - 23.5

    for k in STRENGTHS:
        turned, moved = (corrupt(dot, np.arange(200), name, k) for name in ("rotation", "shift"))
        angle = np.degrees(np.arctan2(*middle(turned).T))
        assert np.abs(np.abs(angle) - CORRUPTIONS["rotation"].amounts[k - 1]).max() < 1.5
        assert 70 < (angle > 0).sum() < 130
        step = (middle(moved) - [0, 11])[moved[:, :, -1].sum(1) == 0]  # without those that the border stretches
        far = 48 * CORRUPTIONS["shift"].amounts[k - 1]
        assert np.abs(np.hypot(*step.T) - far).max() < 0.5
        assert len(step) > 100 and (step.min(0) < -0.9 * far).all() and (step.max(0) > 0.7 * far).all()


def test_light_and_contrast_do_what_they_say() -> None:
    face = np.array([[[0, 40], [100, 200]]], np.uint8)
    row = np.array([1])
    assert corrupt(face, row, "darker", 2).ravel().tolist() == [0, 24, 60, 120]
    assert corrupt(face, row, "brighter", 2).ravel().tolist() == [0, 54, 135, 255]
    assert corrupt(face, row, "low contrast", 2).ravel().tolist() == [42, 62, 92, 142]  # towards 85


def test_blur_and_low_resolution_take_the_detail_and_leave_the_rest() -> None:
    fine = np.indices((48, 48)).sum(0) % 2 * 255
    step = np.where(np.arange(48) < 24, 40, 200)[None].repeat(48, 0)
    faces = np.stack([fine, step]).astype(np.uint8)
    for name in ("blur", "low resolution"):
        done = corrupt(faces, ROWS[:2], name, 4).astype(float)
        assert done[0].std() < 30 and abs(done[0].mean() - 127.5) < 2
        assert abs(done[1][:, :12].mean() - 40) < 3 and abs(done[1][:, -12:].mean() - 200) < 3


def test_a_face_of_lower_resolution_stays_as_it_is() -> None:
    faces = smooth(side=20)
    for k, same in ((1, True), (2, True), (3, False)):  # 38, 24 and 17 pixels across
        assert (corrupt(faces, ROWS, "low resolution", k) == faces).all() == same


def test_bands_lie_on_the_eyes_and_on_the_mouth(fer2013: FaceSet) -> None:
    """The mean face is darkest, less its own blur, where the eyes and the mouth are: the bands grow around there."""
    mean = np.asarray(fer2013.faces[:3000], np.float32).mean(0)
    dark = mean - cv2.GaussianBlur(mean, (0, 0), 7)
    lowest = [8 + dark[8:30, 10:38].mean(1).argmin(), 30 + dark[30:44, 18:30].mean(1).argmin()]
    for name, at in zip(("eyes covered", "mouth covered"), lowest, strict=True):
        covered = [corrupt(mean[None].astype(np.uint8), ROWS[:1], name, k)[0] != mean.astype(np.uint8) for k in (1, 5)]
        for found in covered:
            rows, columns = np.flatnonzero(found.any(1)), np.flatnonzero(found.any(0))
            assert rows.min() <= at <= rows.max() and columns.min() < 20 and columns.max() > 28
            assert abs(rows.mean() - at) < 1.1 and abs(columns.mean() - 23.5) < 1.5
        assert 2 <= covered[0].any(1).sum() <= 4 and 14 <= covered[1].any(1).sum() <= 16
    eyes = corrupt(mean[None].astype(np.uint8), ROWS[:1], "eyes covered", 5)[0]
    assert (eyes[14:20, 8:40] == round(float(mean.astype(np.uint8).mean()))).all()


def test_strengths_one_and_five_are_mild_and_severe(fer2013: FaceSet) -> None:
    """In correlation with the face as it was, place by place; light has no say in it."""
    faces = np.asarray(fer2013.faces[:60])
    faces = faces[faces.std((1, 2)) > 20]
    for name in CORRUPTIONS.keys() - {"darker", "low contrast"} - MOVED:
        alike = [
            np.mean(
                [
                    np.corrcoef(a.ravel(), b.ravel())[0, 1]
                    for a, b in zip(corrupt(faces, np.arange(len(faces)), name, k), faces, strict=True)
                ]
            )
            for k in (1, 5)
        ]
        assert alike[0] > 0.93 and alike[1] < 0.97 and alike[1] < alike[0] - 0.02, name


def test_amounts_are_words_with_units() -> None:
    assert CORRUPTIONS["blur"].amount(1) == "sigma 1.0% of the side"
    assert CORRUPTIONS["rotation"].amount(5) == "40 degrees"
    said = [c.amount(k) for c in CORRUPTIONS.values() for k in STRENGTHS]
    assert all(any(ch.isdigit() for ch in text) and " " in text for text in said)
    assert all(len({c.amount(k) for k in STRENGTHS}) == 5 for c in CORRUPTIONS.values())


@pytest.mark.parametrize(
    ("faces", "rows", "name", "strength", "text"),
    [
        (np.zeros((1, 4, 4), np.uint8), np.zeros(1, int), "fog", 1, "'fog' at strength 1.*one of blur, noise"),
        (np.zeros((1, 4, 4), np.uint8), np.zeros(1, int), "blur", 0, "strength 0"),
        (np.zeros((1, 4, 4), np.uint8), np.zeros(1, int), "blur", 6, "strength 6"),
        (np.zeros((1, 4, 4)), np.zeros(1, int), "blur", 1, "float64"),
        (np.zeros((1, 4, 5), np.uint8), np.zeros(1, int), "blur", 1, "4, 5"),
        (np.zeros((2, 4, 4), np.uint8), np.zeros(1, int), "blur", 1, "one for each face"),
    ],
)
def test_what_cannot_be_disturbed_is_named(
    faces: np.ndarray, rows: np.ndarray, name: str, strength: int, text: str
) -> None:
    with pytest.raises(DataError, match=text):
        corrupt(faces, rows, name, strength)


def by_brightness(faces: np.ndarray) -> np.ndarray:
    """A model of two classes that knows dark faces from bright ones."""
    bright = faces.mean((1, 2)) / 255
    return np.stack([1 - bright, bright], axis=1)


def test_what_is_measured_is_the_score_of_the_disturbed_faces() -> None:
    rng = np.random.default_rng(1)
    n = 600
    faces = rng.integers(0, 256, (n, 1, 1), dtype=np.uint8).repeat(12, 1).repeat(12, 2)
    labels = (faces[:, 0, 0] > 127).astype(np.int64)
    labels[::7] = 1 - labels[::7]
    labels[::10] = -1
    rows, told = 5 * np.arange(n) + 2, []
    names = ["rotation", "darker", "noise"]
    found = measure(by_brightness, faces, rows, labels, 200, 3, told.append, names=names)
    assert [(d.corruption, d.strength) for d in found] == [(c, k) for c in names for k in STRENGTHS]
    counted = labels >= 0
    for d in found:
        assert d.amount == CORRUPTIONS[d.corruption].amount(d.strength)
        answers = by_brightness(corrupt(faces, rows, d.corruption, d.strength, 3)).argmax(1)[counted]
        expected = metrics.counted(labels[counted], answers, 2, 200, 3)
        assert d.accuracy == expected["accuracy"] and d.balanced_accuracy == expected["balanced_accuracy"]
        assert d.accuracy.n == counted.sum()
        assert d.accuracy.value == pytest.approx((answers == labels[counted]).mean())
    assert len({d.accuracy.value for d in found[:5]}) == 1  # a grey face does not turn
    assert found[9].accuracy.value < found[5].accuracy.value < 0.87
    assert told == sorted(told) and told[-1] == 1 and len(told) == 3 * 5 * 3  # 540 counted faces, 256 at a time


def test_faces_are_scored_in_small_batches_and_each_once() -> None:
    sizes: list[int] = []

    def score(faces: np.ndarray) -> np.ndarray:
        sizes.append(len(faces))
        return by_brightness(faces)

    n = 700
    measure(score, np.zeros((n, 2, 2), np.uint8), np.arange(n), np.zeros(n, np.int8), 10, 0, names=["blur"])
    assert max(sizes) == 256 and sum(sizes) == 5 * n


def test_rows_that_do_not_line_up_and_no_labels_are_refused() -> None:
    faces = np.zeros((3, 4, 4), np.uint8)
    with pytest.raises(DataError, match="3 faces, 2 row ids and 3 labels"):
        measure(by_brightness, faces, np.arange(2), np.zeros(3, int))
    with pytest.raises(DataError, match="no face has a label"):
        measure(by_brightness, faces, np.arange(3), np.full(3, -1))
    with pytest.raises(DataError, match="'fog'"):
        measure(by_brightness, faces, np.arange(3), np.zeros(3, int), names=["fog"])


def test_samples_are_what_the_models_see() -> None:
    face = smooth(1)[0]
    shown = samples(face, 77, 4)
    assert list(shown) == list(CORRUPTIONS)
    for name, pictures in shown.items():
        for k in STRENGTHS:
            np.testing.assert_array_equal(pictures[k - 1], corrupt(face[None], np.array([77]), name, k, 4)[0])
