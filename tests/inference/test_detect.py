"""The detectors, on real photographs."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.errors import BundleError
from mien.faces import to_gray
from mien.files import cache_folder
from mien.inference.detect import Detection, Detector, Haar, Whole, YuNet, detector

YUNET = "face_detection_yunet_2026may.onnx"


def run(found: Detector, path: Path) -> tuple[list[Detection], np.ndarray]:
    bgr = cv2.imread(str(path))
    return found.detect(bgr, to_gray(bgr)), bgr


@pytest.fixture
def both(shared: Path) -> list[Detector]:
    return [Haar(), YuNet(shared / "data" / "models" / YUNET)]


def test_each_finds_the_faces_that_are_there(both: list[Detector], shared: Path) -> None:
    media = shared / "data" / "media"
    for found in both:
        one, _ = run(found, media / "one-face.jpg")
        assert len(one) == 1, found.name
        x1, y1, x2, y2 = one[0].box
        assert 70 < x1 < 130 and 60 < y1 < 110 and 240 < x2 < 290 and 240 < y2 < 300, (found.name, one[0].box)
        two, _ = run(found, media / "couple.jpg")
        assert len(two) == 2, found.name
        assert two[0].box[0] < two[1].box[0]
        none, _ = run(found, media / "no-faces.jpg")
        assert none == [], found.name


def test_yunet_gives_eyes_where_the_eyes_are(both: list[Detector], shared: Path) -> None:
    found, _ = run(both[1], shared / "data" / "media" / "one-face.jpg")
    points = found[0].landmarks
    assert points is not None and points.shape == (5, 2)
    assert points[0, 0] < points[2, 0] < points[1, 0], "the subject's right eye is on the left of the picture"
    assert points[:2, 1].max() < points[2, 1] < points[3:, 1].min()
    assert found[0].score is not None and 0.7 <= found[0].score <= 1


@pytest.mark.parametrize("shape", [(1, 1), (5, 400), (23, 23), (30, 2000)])
def test_small_and_narrow_pictures_are_no_error(both: list[Detector], shape: tuple[int, int]) -> None:
    for found in [*both, Whole()]:
        for face in found.detect(np.zeros((*shape, 3), np.uint8), np.zeros(shape, np.uint8)):
            x1, y1, x2, y2 = face.box
            assert 0 < x2 - x1 <= 2 * max(shape) and 0 < y2 - y1 <= 2 * max(shape), found.name


def test_yunet_finds_a_face_in_a_low_strip_where_it_is(both: list[Detector], shared: Path) -> None:
    bgr = cv2.imread(str(shared / "data" / "media" / "one-face.jpg"))
    small = cv2.resize(bgr, (50, 50), interpolation=cv2.INTER_AREA)  # its face is some 25 pixels wide
    strip = np.zeros((50, 300, 3), np.uint8)
    strip[:, 200:250] = small
    (found,) = both[1].detect(strip, to_gray(strip))
    x1, y1, x2, y2 = found.box
    assert 205 < x1 < 220 and 5 < y1 < 16 and 230 < x2 < 242 and 28 < y2 < 42


@pytest.mark.parametrize("height", [10, 24, 30, 32])
def test_yunet_sees_no_face_in_a_black_strip(both: list[Detector], height: int) -> None:
    for _ in range(3):
        junk = np.random.default_rng(0).normal(size=2_000_000).astype(np.float32)  # what freed memory may hold
        del junk
        assert both[1].detect(np.zeros((height, 800, 3), np.uint8), np.zeros((height, 800), np.uint8)) == []


@pytest.mark.parametrize(
    ("row", "kept"),
    [
        ((10, 5, 20, 20), True),
        ((-15, 5, 20, 20), True),  # part of it lies outside
        ((-2481.6836, 3, 1e-5, 20), False),  # of no width in 32 bits, and outside
        ((90, 5, 20, 20), True),
        ((110, 5, 20, 20), False),
        ((10, -30, 20, 20), False),
        ((10, 5, 20, 0.5), False),
        ((10, 5, 900, 20), False),
        ((10, 5, np.nan, 20), False),
    ],
)
def test_a_face_of_yunet_has_pixels_of_the_picture_in_its_box(
    both: list[Detector], row: tuple[float, ...], kept: bool
) -> None:
    class Answers:
        def setInputSize(self, size: tuple[int, int]) -> None:  # noqa: N802  # OpenCV's name
            assert size == (100, 64)  # never less: OpenCV would read memory that nobody has written

        def detect(self, picture: np.ndarray) -> tuple[int, np.ndarray]:
            return 1, np.array([[*row, *np.zeros(10), 0.9]], np.float32)

    yunet = both[1]
    yunet._detector = Answers()  # type: ignore[attr-defined]
    found = yunet.detect(np.zeros((40, 100, 3), np.uint8), np.zeros((40, 100), np.uint8))
    assert len(found) == kept
    if kept:
        assert found[0].box.tolist() == [row[0], row[1], row[0] + row[2], row[1] + row[3]]


def test_whole_takes_the_middle_square() -> None:
    found = Whole().detect(np.zeros((100, 300, 3), np.uint8), np.zeros((100, 300), np.uint8))
    assert found[0].box.tolist() == [100, 0, 200, 100]
    assert found[0].score is None


def test_auto_is_yunet_where_it_is_cached_and_haar_elsewhere(shared: Path) -> None:
    assert detector("auto").name == "haar"
    with pytest.raises(BundleError, match="mien fetch yunet"):
        detector("yunet")
    (cache_folder() / "detectors").mkdir(parents=True)
    shutil.copy(shared / "data" / "models" / YUNET, cache_folder() / "detectors" / YUNET)
    assert detector("auto").name == "yunet"
    assert detector("haar").name == "haar"


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(BundleError, match="'mtcnn'.*auto, haar, yunet, none"):
        detector("mtcnn")
