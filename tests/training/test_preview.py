"""The preview shows what training does, and each change at its limits."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mien.recipe import Recipe, changed, parse
from mien.training import preview
from mien.training.augment import augment
from mien.training.mixing import mix
from tests_support import QUICK


def recipe(**augmentation: object) -> Recipe:
    plain = parse(QUICK[: QUICK.index("[augment]")], "quick.toml")
    return changed(plain, {f"augment.{field}": value for field, value in augmentation.items()})


def faces(n: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, 48, 48), dtype=np.uint8)


def test_the_versions_are_those_of_training() -> None:
    given, rows = faces(4), np.array([9, 100, 3, 7], np.int32)
    made = recipe(rotation=20.0, flip=0.5, gain=0.3, fill="reflect")
    shown = preview.versions(given, rows, made, 3)
    assert shown.shape == (3, 4, 48, 48) and shown.dtype == np.uint8
    for epoch in range(3):
        out = augment(
            torch.from_numpy(given)[:, None].float() / 255, torch.from_numpy(rows).long(), epoch, 5, made.augment
        )
        assert np.abs(out[:, 0].numpy() * 255 - shown[epoch]).max() <= 0.501
    assert np.array_equal(preview.versions(given, rows, recipe(mixup=0.2), 2), np.stack([given, given]))


SECTION = {
    "crop": (["crop, up to 25%"], 0.25),
    "flip": (["flip, chance 40%"], 0.4),
    "rotation": (["rotation ±12.5°"], 12.5),
    "shear": (["shear ±6°"], 6.0),
    "shear_share": (["shear ±20%"], 0.2),
    "zoom": (["zoom ±15%"], 0.15),
    "shift": (["shift across ±12.5%", "shift down ±12.5%"], 0.125),
    "contrast": (["contrast ±30%"], 0.3),
    "gain": (["gain ±20%"], 0.2),
    "brightness": (["brightness ±10%"], 0.1),
    "erasing": (["erasing, chance 40%"], 0.4),
}


@pytest.mark.parametrize("field", SECTION)
def test_each_active_change_is_shown_alone_with_its_unit(field: str) -> None:
    titles, limit = SECTION[field]
    face = faces(1)[0]
    found = preview.limits(face, recipe(**{field: limit}).augment)
    assert [one.title for one in found] == titles
    for one in found:
        low, high = one.pictures.astype(int)
        assert one.pictures.shape == (2, 48, 48) and one.pictures.dtype == np.uint8
        assert (low != high).any() and (high != face).any() and one.captions[0] != one.captions[1]


def test_the_changes_stay_alone_where_all_are_active() -> None:
    face, limits = faces(1)[0], {field: limit for field, (_, limit) in SECTION.items() if field != "shear_share"}
    every = {one.title: one for one in preview.limits(face, recipe(**limits).augment)}
    assert list(every) == [title for field in limits for title in SECTION[field][0]]
    for field, limit in limits.items():
        for one in preview.limits(face, recipe(**{field: limit}).augment):
            # Within a level: pixels that another change leaves in place are resampled all the same.
            assert np.abs(every[one.title].pictures.astype(int) - one.pictures).max() <= 1, field


def test_the_captions_say_what_is_seen() -> None:
    face = np.zeros((48, 48), np.uint8)
    face[20:28, 20:28] = 200
    made = recipe(shift=0.125, zoom=0.25, zoom_apart=True, brightness=0.1, shear_share=0.2, erasing=1.0).augment
    found = {one.title: one for one in preview.limits(face, made)}
    assert np.array_equal(found["shift across ±12.5%"].pictures, [np.roll(face, -6, 1), np.roll(face, 6, 1)])
    assert found["shift across ±12.5%"].captions == ("left 6.0 px", "right 6.0 px")
    assert np.array_equal(found["shift down ±12.5%"].pictures, [np.roll(face, -6, 0), np.roll(face, 6, 0)])
    assert found["shift down ±12.5%"].captions == ("up 6.0 px", "down 6.0 px")
    assert found["brightness ±10%"].captions == ("−26 of 255", "+26 of 255")
    assert found["shear ±20%"].captions == ("−11.3°", "+11.3°")
    for axis, title in ((0, "zoom, width ±25%"), (1, "zoom, height ±25%")):
        small, large = (picture.astype(float).sum(axis=axis) for picture in found[title].pictures)
        assert found[title].captions == ("× 0.75", "× 1.25")
        assert [(line > 0.5 * line.max()).sum() for line in (small, large)] == [6, 10]
        other = found[title].pictures.astype(float).sum(axis=2 - axis)
        assert [(line > 0.5 * line.max()).sum() for line in other] == [8, 8]
    small, large = ((picture != face).sum() for picture in found["erasing, chance 100%"].pictures)
    assert small < 0.05 * 48**2 and 0.2 * 48**2 < large < 0.27 * 48**2


def test_nothing_active_has_no_limits() -> None:
    assert preview.limits(faces(1)[0], recipe(fill="reflect", mixup=0.2).augment) == []


def test_mixtures_are_those_of_a_batch_of_these_faces() -> None:
    given, rows = faces(5), np.arange(5)
    assert preview.mixtures(given, rows, recipe(flip=0.5), 3) == []
    found = preview.mixtures(given, rows, recipe(mixup=0.4, cutmix=1.0), 20)
    assert [one.title for one in found] == ["mixup, alpha 0.4", "CutMix, alpha 1"]
    for one, alone in zip(found, ({"mixup": 0.4}, {"cutmix": 1.0}), strict=True):
        batch = torch.from_numpy(given)[:, None].float() / 255
        assert one.pictures.shape == (20, 48, 48) and len(set(one.own.tolist())) > 2
        for k in range(20):
            mixed, partner, share = mix(batch, (5, k, 0), recipe(**alone).augment)
            at = int(one.own[k])
            assert one.partner[k] == partner[at] != at and one.share[k] == pytest.approx(float(share[at]))
            assert np.abs(mixed[at, 0].numpy() * 255 - one.pictures[k]).max() <= 0.501
    (single,) = preview.mixtures(given[:1], rows[:1], recipe(mixup=0.4), 2)
    assert single.own.tolist() == single.partner.tolist() == [0, 0]


def test_mixtures_are_of_augmented_faces() -> None:
    given, rows = faces(4), np.arange(4)
    (plain,), (dark,) = (
        preview.mixtures(given, rows, recipe(mixup=0.4, **more), 3) for more in ({}, {"gain": 0.5, "flip": 1.0})
    )
    assert plain.own.tolist() == dark.own.tolist() and (plain.pictures != dark.pictures).mean() > 0.9
