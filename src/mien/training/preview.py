"""What training shows of some faces, as plain arrays: the augmented versions, each change at its limits, mixtures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mien.recipe import AugmentSection, Recipe
from mien.training.augment import ERASED_AREA, Number, augment, changed
from mien.training.mixing import mix


@dataclass(frozen=True)
class Limits:
    """One change alone, as far as it goes either way.

    Attributes:
        title: Its name and limit in its unit.
        pictures: (2, s, s) uint8.
        captions: Two, what each picture shows.
    """

    title: str
    pictures: np.ndarray
    captions: tuple[str, str]


@dataclass(frozen=True)
class Mixtures:
    """One face of each of some batches, mixed.

    Attributes:
        title: The method and its alpha.
        pictures: (k, s, s) uint8.
        own: (k,) places of the faces.
        partner: (k,) places of those mixed in.
        share: (k,) share of each face's own, 0 to 1.
    """

    title: str
    pictures: np.ndarray
    own: np.ndarray
    partner: np.ndarray
    share: np.ndarray


def versions(faces: np.ndarray, rows: np.ndarray, recipe: Recipe, epochs: int) -> np.ndarray:
    """What training by a recipe shows of some faces in its first epochs, before mixing.

    Args:
        faces: (n, s, s) uint8 gray.
        rows: (n,) their row ids, by which training keys the changes.
        recipe: Its seed and augmentation count.
        epochs: How many.

    Returns:
        (epochs, n, s, s) uint8.
    """
    shown = [_bytes(_augmented(faces, rows, recipe, epoch)) for epoch in range(epochs)]
    return np.stack(shown) if shown else np.empty((0, *faces.shape), np.uint8)


def mixtures(faces: np.ndarray, rows: np.ndarray, recipe: Recipe, batches: int) -> list[Mixtures]:
    """The faces as batches of their own, one an epoch, mixed by each method that the recipe uses.

    Args:
        faces: (n, s, s) uint8 gray.
        rows: (n,) their row ids.
        recipe: Its seed and augmentation count.
        batches: How many.

    Returns:
        For mixup and for CutMix, where in use, a face of each batch: the k-th of the k-th, or the next with a partner
        other than itself.
    """
    return [
        _mixed(faces, rows, recipe, batches, method, float(getattr(recipe.augment, method)))
        for method in ("mixup", "cutmix")
        if getattr(recipe.augment, method)
    ]


def _mixed(faces: np.ndarray, rows: np.ndarray, recipe: Recipe, batches: int, method: str, alpha: float) -> Mixtures:
    section = recipe.augment.model_copy(update={"mixup": 0.0, "cutmix": 0.0, method: alpha})
    pictures, own, partners, shares = [], [], [], []
    for k in range(batches):
        mixed, partner, share = mix(_augmented(faces, rows, recipe, k), (recipe.seed, k, 0), section)
        order = np.roll(np.arange(len(faces)), -k)
        at = next((int(i) for i in order if partner[i] != i), int(order[0]))
        pictures.append(_bytes(mixed[at : at + 1])[0])
        own.append(at)
        partners.append(int(partner[at]))
        shares.append(float(share[at]))
    name = {"mixup": "mixup", "cutmix": "CutMix"}[method]
    return Mixtures(f"{name}, alpha {alpha:g}", np.stack(pictures), np.array(own), np.array(partners), np.array(shares))


def limits(face: np.ndarray, section: AugmentSection) -> list[Limits]:
    """Each active change of a face alone, at its two limits.

    Args:
        face: (s, s) uint8 gray.
        section: The augmentation.

    Returns:
        A change each; shift and ``zoom_apart`` give one for each axis.
    """
    found = []
    for limit, title, *ends in _ends(section, face.shape[-1]):
        if not limit:
            continue
        numbers = torch.tensor([[({**_NEUTRAL, **given}).get(n, 0.5) for n in Number] for _, given in ends])
        pictures = changed(_floats(face[None]).expand(2, -1, -1, -1), numbers, section)
        found.append(Limits(title, _bytes(pictures), (ends[0][0], ends[1][0])))
    return found


# What changes nothing, where that is not the middle.
_NEUTRAL = {Number.FLIP: 1.0, Number.ERASING: 1.0, Number.CROP: 0.0}
_End = tuple[str, dict[Number, float]]  # a caption, and the numbers that differ from those that change nothing


def _ends(section: AugmentSection, side: int) -> list[tuple[float, str, _End, _End]]:
    """Limit, title and both ends of every change, in the order in which they are made."""
    n, percent = Number, _percent
    cut, turn, apart = section.crop, section.rotation, section.zoom if section.zoom_apart else 0.0
    angle = np.degrees(np.arctan(section.shear_share))
    moved = f"{section.shift * side:.1f} px"
    least, most = ERASED_AREA
    erased = (f"{percent(least)} of the area", f"{percent(most)} of the area")
    level = f"{section.brightness * 255:.0f} of 255"

    def either(number: Number, low: str, high: str, low_at: float = 0.0) -> tuple[_End, _End]:
        return (low, {number: low_at}), (high, {number: 1 - low_at})

    def times(number: Number, limit: float) -> tuple[_End, _End]:
        return either(number, f"× {1 - limit:g}", f"× {1 + limit:g}")

    corners: tuple[_End, _End] = (
        ("top left", {n.CROP: 1, n.CROP_X: 0, n.CROP_Y: 0}),
        ("bottom right", {n.CROP: 1, n.CROP_X: 1, n.CROP_Y: 1}),
    )
    boxes: tuple[_End, _End] = (
        (erased[0], {n.ERASING: 0, n.ERASED_AREA: 0}),
        (erased[1], {n.ERASING: 0, n.ERASED_AREA: 1}),
    )
    return [
        (cut, f"crop, up to {percent(cut)}", *corners),
        (section.flip, f"flip, chance {percent(section.flip)}", ("as it is", {}), ("mirrored", {n.FLIP: 0})),
        (turn, f"rotation ±{turn:g}°", *either(n.ROTATION, f"−{turn:g}°", f"+{turn:g}°")),
        (section.shear, f"shear ±{section.shear:g}°", *either(n.SHEAR, f"−{section.shear:g}°", f"+{section.shear:g}°")),
        (
            section.shear_share,
            f"shear ±{percent(section.shear_share)}",
            *either(n.SHEAR, f"−{angle:.1f}°", f"+{angle:.1f}°"),
        ),
        (section.zoom - apart, f"zoom ±{percent(section.zoom)}", *times(n.ZOOM, section.zoom)),
        (apart, f"zoom, width ±{percent(apart)}", *times(n.ZOOM, apart)),
        (apart, f"zoom, height ±{percent(apart)}", *times(n.ZOOM_HEIGHT, apart)),
        # A larger number reads further right, and the face moves left.
        (
            section.shift,
            f"shift across ±{percent(section.shift)}",
            *either(n.SHIFT_X, f"left {moved}", f"right {moved}", 1),
        ),
        (section.shift, f"shift down ±{percent(section.shift)}", *either(n.SHIFT_Y, f"up {moved}", f"down {moved}", 1)),
        (section.contrast, f"contrast ±{percent(section.contrast)}", *times(n.CONTRAST, section.contrast)),
        (section.gain, f"gain ±{percent(section.gain)}", *times(n.GAIN, section.gain)),
        (
            section.brightness,
            f"brightness ±{percent(section.brightness)}",
            *either(n.BRIGHTNESS, f"−{level}", f"+{level}"),
        ),
        (section.erasing, f"erasing, chance {percent(section.erasing)}", *boxes),
    ]


def _percent(share: float) -> str:
    return f"{100 * share:.3g}%"


def _augmented(faces: np.ndarray, rows: np.ndarray, recipe: Recipe, epoch: int) -> Tensor:
    keys = torch.from_numpy(rows.astype(np.int64))
    return augment(_floats(faces), keys, epoch, recipe.seed, recipe.augment)


def _floats(faces: np.ndarray) -> Tensor:
    """(n, s, s) uint8 → (n, 1, s, s) float32, 0 to 1, as training makes them."""
    return torch.from_numpy(np.ascontiguousarray(faces))[:, None].float() / 255


def _bytes(faces: Tensor) -> np.ndarray:
    """(n, 1, s, s) float32, 0 to 1 → (n, s, s) uint8."""
    return np.asarray((faces[:, 0] * 255).round().clamp(0, 255).to(torch.uint8))
