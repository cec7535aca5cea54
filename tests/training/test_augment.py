"""Batch augmentation: keyed by row, within its limits, in the stated units."""

from __future__ import annotations

import pytest
import torch

from mien.recipe import AugmentSection
from mien.training.augment import augment, keyed_uniform


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
    torch.testing.assert_close(augment(faces, torch.arange(4), 0, 0, AugmentSection()), faces, rtol=0, atol=1e-5)


def test_flip_happens_with_its_chance_and_mirrors() -> None:
    out = many(AugmentSection(flip=0.3))
    mirrored = torch.flip(picture(), [3])
    share = sum(torch.allclose(o, mirrored[0], atol=1e-4) for o in out) / len(out)
    kept = sum(torch.allclose(o, picture()[0], atol=1e-4) for o in out) / len(out)
    assert share == pytest.approx(0.3, abs=0.07)
    assert share + kept == 1


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
