"""The only preprocessing there is, pixel by pixel."""

from __future__ import annotations

import json
import math
from importlib.resources import files

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien import faces
from mien.errors import ImageError
from mien.faces import SIZE, CropGeometry, Frame, anchor_of, crop, frame_of, geometry, measured, to_gray, whole

NOISE = np.random.default_rng(0).integers(0, 256, (120, 160), dtype=np.uint8)


def smooth(height: int, width: int) -> np.ndarray:
    """A picture without edges: bright to the right and downwards."""
    y, x = np.mgrid[0:height, 0:width]
    return np.round(40 + 90 * x / width + 80 * y / height).astype(np.uint8)


def centred(x: int, y: int, side: int = SIZE, angle: float = 0.0) -> Frame:
    """The frame whose upper left pixel is (x, y)."""
    return Frame(x + side / 2, y + side / 2, side, angle)


# ---- crop


def test_networks_see_faces_of_48_pixels() -> None:
    assert SIZE == 48


def test_an_aligned_frame_at_native_size_is_cut_out_pixel_for_pixel() -> None:
    assert np.array_equal(crop(NOISE, centred(30, 20)), NOISE[20:68, 30:78])


def test_a_frame_around_a_whole_face_returns_it_unchanged() -> None:
    face = NOISE[:48, :48]
    assert np.array_equal(crop(face, Frame(24, 24, 48)), face)


@pytest.mark.parametrize(("x", "y"), [(0, 0), (1, 0), (0, 1), (112, 72), (57, 33)])
def test_moving_the_frame_moves_the_cut_by_as_many_pixels(x: int, y: int) -> None:
    assert np.array_equal(crop(NOISE, centred(x, y)), NOISE[y : y + 48, x : x + 48])


def test_half_a_pixel_is_the_mean_of_two() -> None:
    cut = crop(NOISE, Frame(30.5 + 24, 20 + 24, 48)).astype(int)
    between = (NOISE[20:68, 30:78].astype(int) + NOISE[20:68, 31:79]) / 2
    assert np.abs(cut - between).max() <= 1


@pytest.mark.parametrize(("angle", "quarter_turns"), [(90, 1), (180, 2), (270, 3), (-90, 3), (360, 0)])
def test_a_frame_turned_clockwise_turns_the_face_back(angle: float, quarter_turns: int) -> None:
    assert np.array_equal(crop(NOISE, centred(30, 20, angle=angle)), np.rot90(NOISE[20:68, 30:78], quarter_turns))


def test_a_tilted_face_comes_out_upright() -> None:
    blurred = cv2.GaussianBlur(NOISE, (0, 0), 4).astype(float)
    upright = np.interp(blurred, (blurred.min(), blurred.max()), (0, 255)).astype(np.uint8)
    turn = cv2.getRotationMatrix2D((79.5, 59.5), -20, 1)  # OpenCV's positive angle is counter-clockwise
    tilted = cv2.warpAffine(upright, turn, (160, 120), flags=cv2.INTER_CUBIC)
    cut = crop(tilted, Frame(80, 60, 48, 20)).astype(int)
    assert np.abs(cut - crop(upright, Frame(80, 60, 48))).mean() < 2
    assert np.abs(cut - crop(upright, Frame(80, 60, 48, 20))).mean() > 10


@pytest.mark.parametrize("factor", [2, 3, 10])
def test_a_whole_multiple_is_averaged_block_by_block(factor: int) -> None:
    picture = np.random.default_rng(1).integers(0, 256, (48 * factor, 48 * factor), dtype=np.uint8)
    blocks = picture.reshape(48, factor, 48, factor).mean(axis=(1, 3))
    assert np.abs(crop(picture, Frame(24 * factor, 24 * factor, 48 * factor)) - blocks).max() <= 1


@pytest.mark.parametrize("side", [5, 20, 47, 48.5, 49, 75, 96, 100, 333.3, 1000])
def test_any_size_keeps_the_mean(side: float) -> None:
    picture = smooth(1200, 1400)
    x, y = 700, 600
    half = side / 2
    inside = picture[round(y - half) : round(y + half), round(x - half) : round(x + half)]
    cut = crop(picture, Frame(x, y, side))
    assert cut.shape == (48, 48)
    assert cut.mean() == pytest.approx(inside.mean(), abs=1)


@pytest.mark.parametrize("side", [48, 60, 97, 150, 400])
def test_fine_stripes_become_grey_and_no_coarser_stripes(side: int) -> None:
    stripes = np.zeros((600, 600), np.uint8)
    stripes[:, ::2] = 254
    cut = crop(stripes, Frame(300, 300, side)).astype(float)
    if side == 48:
        assert cut.std() == 127  # at native size they are there
    elif side >= 96:
        assert cut.std() < 32


@pytest.mark.parametrize("size", [24, 48, 96])
def test_the_cut_has_the_size_asked_for(size: int) -> None:
    cut = crop(NOISE, Frame(80, 60, 100), size)
    assert cut.shape == (size, size)
    assert cut.dtype == np.uint8


def test_outside_the_picture_its_border_is_repeated() -> None:
    cut = crop(NOISE, Frame(0, 0, 48))
    assert np.array_equal(cut[24:, 24:], NOISE[:24, :24])
    assert (cut[:24, :24] == NOISE[0, 0]).all()
    assert np.array_equal(cut[:24, 24:], np.repeat(NOISE[:1, :24], 24, axis=0))
    assert np.array_equal(cut[24:, :24], np.repeat(NOISE[:24, :1], 24, axis=1))


def test_a_frame_wholly_outside_is_the_border() -> None:
    assert (crop(NOISE, Frame(-500, -500, 60)) == NOISE[0, 0]).all()


def test_a_mirrored_view_of_an_array_is_cut_by_its_values() -> None:
    assert np.array_equal(crop(NOISE[:, ::-1], centred(30, 20)), NOISE[:, ::-1][20:68, 30:78])


def test_cutting_changes_nothing_in_the_picture() -> None:
    before = NOISE.copy()
    crop(NOISE, Frame(80, 60, 97, 33))
    assert np.array_equal(NOISE, before)


@given(st.floats(-200, 400), st.floats(-200, 400), st.floats(1, 500), st.floats(-360, 360))
def test_a_flat_picture_stays_flat_wherever_it_is_cut(x: float, y: float, side: float, angle: float) -> None:
    assert (crop(np.full((90, 70), 137, np.uint8), Frame(x, y, side, angle)) == 137).all()


# ---- whole


def test_a_face_of_48_pixels_is_returned_unchanged() -> None:
    assert np.array_equal(whole(NOISE[:48, :48]), NOISE[:48, :48])


@pytest.mark.parametrize(("height", "width"), [(48, 160), (120, 48), (100, 160), (12, 16), (480, 640)])
def test_another_picture_gives_its_middle_square(height: int, width: int) -> None:
    picture = cv2.resize(NOISE, (width, height), interpolation=cv2.INTER_LINEAR)
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = picture[top : top + side, left : left + side]
    edge = 48 // side + 1  # there, what lies beside the square shines in
    assert np.array_equal(whole(picture)[edge:-edge, edge:-edge], whole(square)[edge:-edge, edge:-edge])


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 90), (7, 10), (3000, 5)])
def test_a_picture_of_any_shape_gives_a_face_of_48_pixels(height: int, width: int) -> None:
    found = whole(np.full((height, width), 9, np.uint8))
    assert found.shape == (48, 48)
    assert (found == 9).all()


# ---- grey


def test_a_colour_picture_is_read_in_bgr_order() -> None:
    blue, green, red = np.eye(3, dtype=np.uint8) * 255
    assert to_gray(np.stack([blue, green, red])[None]).tolist() == [[29, 150, 76]]


def test_grey_is_returned_as_it_is_and_white_stays_white() -> None:
    assert to_gray(NOISE) is NOISE
    assert (to_gray(np.full((4, 5, 3), 255, np.uint8)) == 255).all()
    assert to_gray(np.zeros((4, 5, 3), np.uint8)).shape == (4, 5)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4), np.float32),
        np.zeros((4, 4, 3), np.int64),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 1), np.uint8),
        np.zeros(16, np.uint8),
        np.zeros((1, 4, 4, 3), np.uint8),
        np.zeros((4, 4), bool),
    ],
    ids=lambda image: f"{image.shape} {image.dtype}",
)
def test_another_shape_or_type_is_refused_with_what_came(image: np.ndarray) -> None:
    with pytest.raises(ImageError) as caught:
        to_gray(image)
    assert str(image.shape) in str(caught.value)
    assert str(image.dtype) in str(caught.value)
    assert "(h, w) gray or (h, w, 3) BGR, uint8" in str(caught.value)


# ---- frames


def test_a_box_is_anchored_at_its_centre_with_the_root_of_its_area() -> None:
    assert anchor_of(np.array([10, 20, 50, 110]), None, "box") == Frame(30, 65, 60, 0)


def test_eyes_are_anchored_between_them_with_the_distance_to_the_mouth() -> None:
    # The subject's right eye is on the left of the picture.
    level = np.array([[40, 50], [80, 50], [60, 75], [45, 100], [75, 100]], np.float32)
    assert anchor_of(np.zeros(4), level, "eyes") == Frame(60, 50, 50, 0)


def test_an_eye_line_that_falls_to_the_right_is_a_clockwise_turn() -> None:
    angle = math.radians(30)
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    level = np.array([[-20, 0], [20, 0], [0, 25], [-15, 50], [15, 50]])
    found = anchor_of(np.zeros(4), level @ turn + (200, 100), "eyes")
    assert (found.x, found.y, found.side, found.angle) == pytest.approx((200, 100, 50, 30))


def test_the_geometry_of_a_box_shifts_and_scales_by_its_side() -> None:
    frame = frame_of(np.array([100, 100, 140, 140]), None, CropGeometry("box", 0.1, -0.25, 1.5))
    assert (frame.x, frame.y, frame.side, frame.angle) == pytest.approx((124, 110, 60, 0))


def test_the_geometry_of_the_eyes_turns_with_them() -> None:
    upside_down = np.array([[220, 100], [180, 100], [200, 75], [215, 50], [185, 50]], float)
    frame = frame_of(np.zeros(4), upside_down, CropGeometry("eyes", 0.1, 0.4, 2))
    assert (frame.x, frame.y, frame.side) == pytest.approx((195, 80, 100))
    assert abs(frame.angle) == pytest.approx(180)


def test_the_offset_of_a_quarter_turned_face_is_along_its_own_axes() -> None:
    # Clockwise by 90°: the face's right is down in the picture, its down is left.
    lying = np.array([[200, 80], [200, 120], [175, 100], [150, 85], [150, 115]], float)
    frame = frame_of(np.zeros(4), lying, CropGeometry("eyes", 0.1, 0.4, 2))
    assert (frame.x, frame.y, frame.side, frame.angle) == pytest.approx((180, 105, 100, 90))


def test_a_face_found_by_its_eyes_comes_out_level() -> None:
    picture = np.zeros((300, 300), np.uint8)
    eyes = [(170, 110), (130, 190)]  # a face lying on its side: the eye line falls steeply
    for eye in eyes:
        cv2.circle(picture, eye, 6, 255, -1)
    landmarks = np.array([eyes[0], eyes[1], (105, 130), (90, 95), (70, 135)], np.float32)
    cut = crop(picture, frame_of(np.zeros(4), landmarks, CropGeometry("eyes", 0, 0, 2)))
    columns = np.flatnonzero(cut.max(axis=0) > 128)
    rows = np.flatnonzero(cut.max(axis=1) > 128)
    assert np.ptp(rows) < np.ptp(columns) / 3
    assert (rows.min() + rows.max()) / 2 == pytest.approx(23.5, abs=1.5)


def test_eyes_without_landmarks_are_an_error() -> None:
    with pytest.raises(ValueError, match="needs landmarks"):
        frame_of(np.array([0, 0, 10, 10]), None, CropGeometry("eyes", 0, 0, 2))


@pytest.mark.parametrize("box", [[10, 10, 10, 10], [10, 10, 5, 20], [10, 10, 10.2, 10.2]])
def test_a_box_without_area_still_gives_a_frame(box: list[float]) -> None:
    assert frame_of(np.array(box), None, CropGeometry("box", 0, 0, 1)).side == 1


@pytest.mark.parametrize(("anchor", "side"), [("nose", 1.0), ("box", 0.0), ("box", -1.0), ("eyes", math.nan)])
def test_an_impossible_geometry_is_refused(anchor: str, side: float) -> None:
    with pytest.raises(ValueError, match="(anchor|side) is"):
        CropGeometry(anchor, 0, 0, side)


# ---- what was measured


@pytest.mark.parametrize("detector", ["haar", "yunet"])
def test_the_geometry_of_each_detector_was_measured_and_is_plausible(detector: str) -> None:
    found = geometry(detector)
    assert abs(found.dx) < 0.2  # FER2013's faces are in the middle
    assert -1 < found.dy < 1
    assert 0.5 < found.side < 4


def test_the_geometry_is_kept_as_data_in_the_package() -> None:
    assert files("mien").joinpath("crop_geometry.json").is_file()
    kept = json.loads(files("mien").joinpath("crop_geometry.json").read_text(encoding="utf-8"))
    assert measured() == kept
    assert {d: vars(geometry(d)) for d in kept["detectors"]} == {
        d: entry["geometry"] for d, entry in kept["detectors"].items()
    }


def test_a_detector_that_was_not_measured_has_no_geometry() -> None:
    with pytest.raises(KeyError):
        faces.geometry("dowsing rod")


def test_absurd_pictures_and_frames_are_cut_without_an_error() -> None:
    """OpenCV warps no side over 32,767 pixels."""
    wide = np.tile(np.arange(40, dtype=np.uint8)[:, None], (1, 40000))
    assert np.array_equal(crop(wide, centred(39000, -4)), np.tile(np.clip(np.arange(-4, 44), 0, 39)[:, None], (1, 48)))
    assert whole(wide).shape == (48, 48)
    huge = crop(np.full((300, 400), 77, np.uint8), Frame(200, 150, 50000, 30))
    assert (huge == 77).all()
    assert (crop(NOISE, Frame(-5000, 30, 48)) == crop(NOISE, Frame(-5000, 30, 48))[:, :1]).all()


def test_a_large_frame_is_reduced_by_averaging_and_stays_in_place() -> None:
    side = 3000
    picture = np.zeros((side, side), np.uint8)
    picture[: side // 2, side // 4 : side // 2] = 200
    small = crop(picture, Frame(side / 2, side / 2, side)).astype(int)
    assert (small[1:23, 13:23] == 200).all() and (small[25:, :] == 0).all() and (small[:, :11] == 0).all()
    assert small[:24, 12:24].mean() > 195


@pytest.mark.parametrize("bad", [(math.nan, 1, 5), (1, math.inf, 5), (1, 1, 0), (1, 1, math.nan), (1, 1, 5, math.nan)])
def test_a_frame_that_is_no_place_is_refused(bad: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="no place in a picture"):
        Frame(*bad)


def test_an_empty_array_is_no_picture() -> None:
    with pytest.raises(ImageError, match="shape"):
        to_gray(np.zeros((0, 5), np.uint8))
