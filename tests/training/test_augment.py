"""Batch augmentation: keyed by row, within its limits, in the stated units."""

from __future__ import annotations

import math
from importlib.resources import files
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch.nn import functional

from mien.recipe import AugmentSection, load
from mien.training.augment import Number, augment, changed, keyed_uniform

# Each change alone, strong enough to be seen.
ALONE = {
    "flip": 1.0,
    "rotation": 20.0,
    "shift": 0.1,
    "zoom": 0.2,
    "shear": 15.0,
    "shear_share": 0.3,
    "crop": 0.3,
    "brightness": 0.2,
    "gain": 0.3,
    "contrast": 0.3,
    "erasing": 1.0,
}


def picture() -> torch.Tensor:
    """(1, 1, 48, 48) with a bright bar left of the middle and a bright dot at the top."""
    face = torch.full((1, 1, 48, 48), 0.25)
    face[:, :, 8:40, 10:14] = 1.0
    face[:, :, 4:8, 22:26] = 1.0
    return face


def many(section: AugmentSection, n: int = 400, epoch: int = 0) -> torch.Tensor:
    return augment(picture().expand(n, -1, -1, -1), torch.arange(n), epoch, 0, section)


def test_numbers_are_uniform_and_independent_of_batch_order() -> None:
    rows = torch.arange(20000)
    u = keyed_uniform(3, 5, rows, 4)
    assert u.min() >= 0 and u.max() < 1
    assert (u.mean(0) - 0.5).abs().max() < 0.01
    assert (u.std(0) - 12**-0.5).abs().max() < 0.01
    correlation = torch.corrcoef(torch.cat([u[1:], u[:-1]], dim=1).T)
    assert (correlation - torch.eye(8)).abs().max() < 0.04
    back = torch.flip(rows, [0])
    assert torch.equal(keyed_uniform(3, 5, back, 4), torch.flip(u, [0]))
    for other in (keyed_uniform(4, 5, rows, 4), keyed_uniform(3, 6, rows, 4)):
        assert torch.corrcoef(torch.stack([other[:, 0], u[:, 0]]))[0, 1].abs() < 0.03


def test_a_face_changes_the_same_way_in_any_batch_and_anew_each_epoch() -> None:
    section = AugmentSection(flip=0.5, rotation=20, shift=0.1, zoom=0.2, brightness=0.2, erasing=0.5)
    faces = torch.rand(12, 1, 48, 48)
    rows = torch.arange(12) * 7
    whole = augment(faces, rows, 2, 9, section)
    parts = torch.cat([augment(faces[i : i + 5], rows[i : i + 5], 2, 9, section) for i in (0, 5, 10)])
    torch.testing.assert_close(whole, parts, rtol=0, atol=1e-6)
    assert not torch.allclose(whole, augment(faces, rows, 3, 9, section))


def test_no_limits_change_nothing() -> None:
    faces = torch.rand(4, 1, 48, 48)
    for section in (AugmentSection(), AugmentSection(fill="reflect", zoom_apart=True, mixup=0.2, cutmix=1.0)):
        assert torch.equal(augment(faces, torch.arange(4), 0, 0, section), faces)


def test_the_numbers_are_those_of_earlier_versions() -> None:
    rows = torch.tensor([0, 7, 32212, 7 + (1 << 32)])
    for count in (13, len(Number)):
        found = (keyed_uniform(1, 3, rows, count)[:, [0, 5, 12]] * 2**24).long()
        assert found.tolist() == [
            [11272424, 11038037, 15306353],
            [14159480, 3504960, 16595855],
            [16682720, 830245, 6622724],
            [4901431, 15455293, 10265482],
        ]


def test_the_shipped_recipe_shows_the_pictures_that_it_was_trained_on() -> None:
    at = torch.arange(48.0)
    face = ((at[:, None] * 3 + at[None] ** 2 / 12) % 50 / 50)[None, None].expand(6, -1, -1, -1)
    section = load(Path(str(files("mien"))) / "recipes" / "mien-small.toml").augment
    out = augment(face, torch.arange(6) * 1000, 3, 1, section)
    expected = [
        [0.5022, 0.1868, 0.4362],
        [0.7548, 0.5639, 0.3944],
        [1.0, 0.5711, 1.0],
        [0.4671, 0.1859, 0.4205],
        [0.2333, 0.3138, 0.5941],
        [0.5461, 0.1927, 0.2069],
    ]
    torch.testing.assert_close(out[:, 0, [5, 20, 40], [40, 22, 9]], torch.tensor(expected), rtol=0, atol=2e-3)


def test_every_field_changes_faces_and_no_two_alike() -> None:
    fields = set(AugmentSection.model_fields) - {"zoom_apart", "fill", "mixup", "cutmix"}
    assert set(ALONE) == fields
    found = {name: many(AugmentSection.model_validate({name: limit}), 6) for name, limit in ALONE.items()}
    found["zoom apart"] = many(AugmentSection(zoom=0.2, zoom_apart=True), 6)
    found["nothing"] = picture().expand(6, -1, -1, -1)
    names = list(found)
    for i, a in enumerate(names):
        for b in names[:i]:
            assert (found[a] - found[b]).abs().max() > 0.05, (a, b)
        assert found[a].dtype == torch.float32 and found[a].min() >= 0 and found[a].max() <= 1


def test_nothing_waits_for_the_device() -> None:
    # Tensors on the meta device have no values: whatever looked at one would fail.
    faces, rows = torch.empty(4, 1, 48, 48, device="meta"), torch.empty(4, dtype=torch.int64, device="meta")
    section = AugmentSection.model_validate({**ALONE, "shear_share": 0.0, "zoom_apart": True})
    assert augment(faces, rows, 0, 0, section).shape == faces.shape
    assert augment(faces, rows, 0, 0, AugmentSection(flip=0.5)).device.type == "meta"


def numbers(n: int = 1, **given: float) -> torch.Tensor:
    """(n, 18), all in the middle but those given; neither crop nor flip nor erasing."""
    middle = {Number.FLIP: 1.0, Number.ERASING: 1.0, Number.CROP: 0.0}
    middle |= {Number[name.upper()]: value for name, value in given.items()}
    return torch.tensor([[middle.get(number, 0.5) for number in Number]]).expand(n, -1)


def test_flip_happens_with_its_chance_and_mirrors() -> None:
    out = many(AugmentSection(flip=0.3))
    mirrored = torch.flip(picture(), [3])
    share = sum(torch.allclose(o, mirrored[0], atol=1e-4) for o in out) / len(out)
    kept = sum(torch.allclose(o, picture()[0], atol=1e-4) for o in out) / len(out)
    assert share == pytest.approx(0.3, abs=0.07)
    assert share + kept == 1


def test_a_flip_alone_moves_no_pixel_and_neither_does_light() -> None:
    faces = torch.rand(50, 1, 33, 33)
    out = augment(faces, torch.arange(50), 0, 0, AugmentSection(flip=0.5))
    kept = (out == faces).all(3).all(2)[:, 0]
    assert 0 < kept.sum() < 50
    assert torch.equal(torch.where(kept[:, None, None, None], faces, faces.flip(3)), out)
    lit = augment(faces, torch.arange(50), 0, 0, AugmentSection(flip=1.0, brightness=0.2))
    change = lit - faces.flip(3)
    inside = (lit > 0) & (lit < 1)
    for one, within in zip(change, inside, strict=True):
        assert one[within].max() - one[within].min() < 1e-6


def test_a_flip_beside_other_changes_is_a_flip_before_them() -> None:
    faces = torch.rand(1, 1, 48, 48)
    section = AugmentSection(flip=0.5, rotation=20, shear=10, zoom=0.2, zoom_apart=True)
    given = {"rotation": 0.9, "shear": 0.8, "zoom": 0.1, "zoom_height": 0.7}
    flipped = changed(faces, numbers(**given, flip=0.0), section)
    torch.testing.assert_close(flipped, changed(faces.flip(3), numbers(**given), section), rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("fill", "border"),
    [
        ("nearest", cv2.BORDER_REPLICATE),
        ("border", cv2.BORDER_REPLICATE),
        ("reflect", cv2.BORDER_REFLECT),
        ("constant", cv2.BORDER_CONSTANT),
    ],
)
def test_what_moves_in_is_what_opencv_puts_around_a_picture(fill: str, border: int) -> None:
    face = np.random.default_rng(0).random((10, 10)).astype(np.float32)
    section = AugmentSection.model_validate({"shift": 0.3, "fill": fill})
    around = cv2.copyMakeBorder(face, 3, 3, 3, 3, border, value=0)
    for x, y in ((0, 0), (0, 1), (1, 0), (1, 1)):  # 0 moves the face right and down, 1 left and up, by 3 pixels
        out = changed(torch.from_numpy(face)[None, None], numbers(shift_x=x, shift_y=y), section)
        np.testing.assert_allclose(out[0, 0], around[6 * y : 6 * y + 10, 6 * x : 6 * x + 10], atol=1e-5)


def test_reflect_is_that_of_keras_with_the_border_pixel_twice() -> None:
    row = torch.tensor([0.1, 0.2, 0.3, 0.4]).expand(1, 1, 4, 4)
    moved = {
        f: changed(row, numbers(shift_x=0), AugmentSection(shift=0.5, fill=f))[0, 0, 0] for f in ("reflect", "nearest")
    }
    torch.testing.assert_close(moved["reflect"], torch.tensor([0.2, 0.1, 0.1, 0.2]))  # d c b a | a b c d | d c b a
    torch.testing.assert_close(moved["nearest"], torch.tensor([0.1, 0.1, 0.1, 0.2]))
    whole = changed(row, numbers(shift_x=0), AugmentSection(shift=1.0, fill="reflect"))
    torch.testing.assert_close(whole[0, 0, 0], row[0, 0, 0].flip(0))


def centre_of_mass(faces: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    weight = (faces[:, 0] - 0.25).clamp(min=0)
    at = torch.arange(48.0)
    total = weight.sum((1, 2))
    return (weight.sum(1) * at).sum(1) / total, (weight.sum(2) * at).sum(1) / total


def test_shift_reaches_its_limit_in_pixels_and_no_further() -> None:
    x, y = centre_of_mass(many(AugmentSection(shift=0.1)))
    x0, y0 = centre_of_mass(picture())
    for moved in ((x - x0).abs(), (y - y0).abs()):
        assert 4.3 < moved.max() < 4.9  # 10% of 48 pixels


@pytest.mark.parametrize("limit", [10.0, 30.0])
def test_rotation_reaches_its_limit_in_degrees(limit: float) -> None:
    bar = torch.zeros(1, 1, 49, 49)
    bar[:, :, 24, 14:35] = 1.0
    out = augment(bar.expand(400, -1, -1, -1), torch.arange(400), 0, 0, AugmentSection(rotation=limit))
    at = torch.arange(49.0) - 24
    xy = (out[:, 0] * at[None, :, None] * at[None, None, :]).sum((1, 2))
    xx = (out[:, 0] * at[None, None, :] ** 2).sum((1, 2))
    yy = (out[:, 0] * at[None, :, None] ** 2).sum((1, 2))
    angles = torch.rad2deg(0.5 * torch.atan2(2 * xy, xx - yy))
    assert limit * 0.97 < angles.max() < limit * 1.03
    assert -limit * 1.03 < angles.min() < -limit * 0.97


def test_brightness_and_contrast_stay_in_range() -> None:
    flat = torch.full((300, 1, 48, 48), 0.5)
    out = augment(flat, torch.arange(300), 0, 0, AugmentSection(brightness=0.2, contrast=0.5))
    assert out.min() >= 0.3 - 1e-4 and out.max() <= 0.7 + 1e-4
    assert out.mean((1, 2, 3)).max() > 0.69
    both = many(AugmentSection(brightness=1.0, contrast=0.9))
    assert both.min() >= 0 and both.max() <= 1


def test_erasing_happens_with_its_chance_and_fills_with_the_mean() -> None:
    faces = torch.rand(500, 1, 48, 48, generator=torch.Generator().manual_seed(0))
    out = augment(faces, torch.arange(500), 0, 0, AugmentSection(erasing=0.4))
    changed = (out - faces).abs() > 1e-4
    area = changed.float().mean((1, 2, 3))
    assert (area > 0).float().mean() == pytest.approx(0.4, abs=0.07)
    assert area.max() < 0.28
    i = int(area.argmax())
    values = out[i][changed[i]]
    assert (values - values[0]).abs().max() < 1e-4
    assert values[0] == pytest.approx(float(faces[i].mean()), abs=1e-3)


def spread(faces: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Standard deviation of the bright pixels across and down, pixels."""
    weight = (faces[:, 0] - 0.25).clamp(min=0)
    at = torch.arange(float(weight.shape[-1]))
    found = []
    for along in (weight.sum(1), weight.sum(2)):
        share = along / along.sum(1, keepdim=True)
        middle = (share * at).sum(1, keepdim=True)
        found.append((share * (at - middle) ** 2).sum(1).sqrt())
    return found[0], found[1]


def block(n: int) -> torch.Tensor:
    """(n, 1, 64, 64) with a bright square of 24 in the middle."""
    face = torch.full((n, 1, 64, 64), 0.25)
    face[:, :, 20:44, 20:44] = 1.0
    return face


# The numbers that each change goes by, alone.
GOES_BY = {
    "flip": {"FLIP"},
    "rotation": {"ROTATION"},
    "shift": {"SHIFT_X", "SHIFT_Y"},
    "zoom": {"ZOOM"},
    "shear": {"SHEAR"},
    "shear_share": {"SHEAR"},
    "crop": {"CROP", "CROP_X", "CROP_Y"},
    "brightness": {"BRIGHTNESS"},
    "gain": {"GAIN"},
    "contrast": {"CONTRAST"},
    "erasing": {"ERASED_AREA", "ERASED_RATIO", "ERASED_X", "ERASED_Y"},
}


@pytest.mark.parametrize("field", [*ALONE, "zoom_apart"])
def test_a_change_goes_by_numbers_of_its_own(field: str) -> None:
    values = {"zoom": 0.2, "zoom_apart": True} if field == "zoom_apart" else {field: min(ALONE[field], 30)}
    section = AugmentSection.model_validate(values | ({"flip": 0.5} if field == "flip" else {}))
    faces, base = torch.rand(1, 1, 24, 24), torch.full((1, len(Number)), 0.6)
    before = changed(faces, base, section)
    found = set()
    for number in Number:
        other = base.clone()
        other[:, number] = 0.1
        if not torch.equal(changed(faces, other, section), before):
            found.add(number.name)
    assert found == ({"ZOOM", "ZOOM_HEIGHT"} if field == "zoom_apart" else GOES_BY[field])


def test_zoom_apart_is_of_the_width_and_height_as_they_are_seen() -> None:
    section = AugmentSection(rotation=90, zoom=0.5, zoom_apart=True)
    for turned in (0.0, 0.5, 1.0):
        wide, high = spread(changed(block(1), numbers(rotation=turned, zoom_height=1), section))
        assert float(wide) == pytest.approx(float(spread(block(1))[0]), rel=0.02)
        assert float(high) == pytest.approx(1.5 * float(spread(block(1))[1]), rel=0.02)


def test_zoom_scales_both_axes_alike_unless_apart() -> None:
    rows = torch.arange(400)
    for apart in (False, True):
        wide, high = spread(augment(block(400), rows, 0, 0, AugmentSection(zoom=0.2, zoom_apart=apart)))
        for side in (wide / spread(block(1))[0], high / spread(block(1))[1]):
            assert 0.79 < side.min() < 0.82 and 1.18 < side.max() < 1.21
        together = float(torch.corrcoef(torch.stack((wide, high)))[0, 1])
        assert abs(together) < 0.15 if apart else together > 0.999


def lean(faces: torch.Tensor) -> torch.Tensor:
    """(N,) how far the middle of the bright pixels moves right from one line to the line above, pixels."""
    weight = (faces[:, 0] - 0.25).clamp(min=0)
    at = torch.arange(64.0)
    middle = (weight * at).sum(2) / weight.sum(2).clamp(min=1e-6)
    return (middle[:, 26] - middle[:, 37]) / 11


def test_a_shear_as_a_share_is_the_tangent_of_that_in_degrees() -> None:
    rows = torch.arange(300)
    share = lean(augment(block(300), rows, 0, 0, AugmentSection(shear_share=0.2)))
    assert 0.19 < share.max() < 0.21 and -0.21 < share.min() < -0.19
    degrees = lean(augment(block(300), rows, 0, 0, AugmentSection(shear=math.degrees(math.atan(0.2)))))
    assert float(degrees.max()) == pytest.approx(float(share.max()), abs=0.005)
    assert lean(augment(block(300), rows, 0, 0, AugmentSection(shear=0.2))).abs().max() < 0.01  # 0.2 degrees: nothing


def test_a_shear_in_two_units_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"shear_share\n.*shear gives the same in degrees"):
        AugmentSection(shear=5.0, shear_share=0.1)


def test_the_directions_are_the_documented_ones() -> None:
    section = AugmentSection(rotation=10, shear_share=0.2, zoom=0.2, shift=0.1)
    x0, y0 = middle_of(block(1))
    for at, sign in ((0.0, 1), (1.0, -1)):
        x, y = middle_of(changed(block(1), numbers(shift_x=at, shift_y=at), section))
        assert x - x0 == pytest.approx(sign * 6.4, abs=0.1) and y - y0 == pytest.approx(sign * 6.4, abs=0.1)
        assert sign * lean(changed(block(1), numbers(shear=at), section)) < -0.15
        assert sign * (spread(changed(block(1), numbers(zoom=at), section))[0] - spread(block(1))[0]) < -1
        bar = torch.full((1, 1, 64, 64), 0.25)
        bar[:, :, 20:44, 30:34] = 1.0  # upright; turned clockwise its top leans to the right
        assert sign * lean(changed(bar, numbers(rotation=at), section)) > 0.15


def middle_of(faces: torch.Tensor) -> tuple[float, float]:
    weight, at = faces[0, 0] - 0.25, torch.arange(64.0)
    return float((weight.sum(0) * at).sum() / weight.sum()), float((weight.sum(1) * at).sum() / weight.sum())


@pytest.mark.parametrize("corner", [(0, 0), (0, 1), (1, 1)])
def test_a_crop_enlarges_a_window_that_lies_in_the_picture(corner: tuple[int, int]) -> None:
    faces = torch.rand(1, 1, 48, 48)
    x, y = corner
    out = changed(faces, numbers(crop=1, crop_x=x, crop_y=y), AugmentSection(crop=0.25))
    window = faces[:, :, 12 * y : 12 * y + 36, 12 * x : 12 * x + 36]
    enlarged = functional.interpolate(window, size=(48, 48), mode="bilinear", align_corners=False)
    torch.testing.assert_close(out[:, :, 1:-1, 1:-1], enlarged[:, :, 1:-1, 1:-1], rtol=0, atol=1e-4)
    half = changed(faces, numbers(crop=0.5, crop_x=x, crop_y=y), AugmentSection(crop=0.5))
    torch.testing.assert_close(half, out, rtol=0, atol=1e-4)


def test_crops_are_of_any_size_up_to_the_limit_and_lie_anywhere() -> None:
    # On a ramp, the first and the last pixel say where the window begins and ends.
    at = (torch.arange(100.0) + 0.5) / 100
    ramp = torch.stack((at.expand(100, 100), at[:, None].expand(100, 100)))[:, None]
    rows = torch.arange(500).repeat_interleave(2)
    out = augment(ramp.repeat(500, 1, 1, 1), rows, 0, 0, AugmentSection(crop=0.4))
    across, down = out[0::2, 0, 50], out[1::2, 0, :, 50]
    for line in (across, down):
        side = (line[:, -2] - line[:, 1]) * 100 / 97
        left = line[:, 1] - 1.5 * side / 100
        assert 0.59 < side.min() < 0.62 and 0.98 < side.max() < 1.005 and side.mean() == pytest.approx(0.8, abs=0.02)
        place = (left / (1 - side).clamp(min=1e-3))[side < 0.9]
        assert -0.03 < place.min() < 0.05 and 0.95 < place.max() < 1.03 and place.mean() == pytest.approx(0.5, abs=0.05)
    torch.testing.assert_close(across[:, -2] - across[:, 1], down[:, -2] - down[:, 1], rtol=0, atol=1e-4)


def test_what_turns_into_a_crop_from_beside_it_is_the_picture() -> None:
    faces = torch.full((1, 1, 48, 48), 0.5)
    section = AugmentSection(crop=0.5, shift=0.2, fill="constant")
    middle = changed(faces, numbers(crop=1, shift_x=0), section)
    assert torch.equal(middle, faces)
    corner = changed(faces, numbers(crop=1, crop_x=0, shift_x=0), section)
    assert corner[0, 0, 24, 0] == 0 and corner[0, 0, 24, 12] == 0.5


def test_gain_multiplies_contrast_spreads_and_brightness_adds() -> None:
    faces = torch.tensor([0.1, 0.3]).repeat(8, 4)[None, None]  # mean 0.2

    def levels(section: AugmentSection, **given: float) -> list[float]:
        return changed(faces, numbers(**given), section)[0, 0, 0, :2].tolist()

    every = AugmentSection(gain=0.5, contrast=0.5, brightness=0.1)
    assert levels(every, gain=1) == pytest.approx([0.15, 0.45])
    assert levels(every, gain=0) == pytest.approx([0.05, 0.15])
    assert levels(every, contrast=1) == pytest.approx([0.05, 0.35])
    assert levels(every, brightness=1) == pytest.approx([0.2, 0.4])
    assert levels(every, gain=1, contrast=1, brightness=1) == pytest.approx([0.175, 0.625])
    assert levels(AugmentSection(gain=0.9, brightness=1.0), gain=1, brightness=1) == [1.0, 1.0]


def test_gain_reaches_its_limits() -> None:
    out = augment(torch.full((400, 1, 8, 8), 0.5), torch.arange(400), 0, 0, AugmentSection(gain=0.2)).mean((1, 2, 3))
    assert 0.4 <= out.min() < 0.405 and 0.595 < out.max() <= 0.6
