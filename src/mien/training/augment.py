"""Batch augmentation on the device, with parameters of its own for every face.

The parameters are a hash of (seed, epoch, row id), not draws from a generator: a face is changed the same way whatever
batch, process or device it lands on, so a resumed run and a run on several devices see the same pictures.
"""

from __future__ import annotations

from enum import IntEnum

import torch
from torch import Tensor
from torch.nn import functional

from mien.recipe import AugmentSection

_GOLDEN = 0x9E3779B97F4A7C15 - (1 << 64)
_MIX1 = 0xBF58476D1CE4E5B9 - (1 << 64)
_MIX2 = 0x94D049BB133111EB - (1 << 64)

_PADDING = {"nearest": "border", "border": "border", "reflect": "reflection", "constant": "zeros"}
ERASED_AREA = (0.02, 0.25)  # shares of the picture
_ERASED_LOG_RATIO = 0.6931


class Number(IntEnum):
    """What each of a face's numbers decides. New ones are appended: another order would change what old runs saw."""

    ROTATION = 0
    SHEAR = 1
    ZOOM = 2
    FLIP = 3
    SHIFT_X = 4
    SHIFT_Y = 5
    CONTRAST = 6
    BRIGHTNESS = 7
    ERASING = 8
    ERASED_AREA = 9
    ERASED_RATIO = 10
    ERASED_X = 11
    ERASED_Y = 12
    ZOOM_HEIGHT = 13
    CROP = 14
    CROP_X = 15
    CROP_Y = 16
    GAIN = 17


def keyed_uniform(seed: int, epoch: int, rows: Tensor, count: int) -> Tensor:
    """Uniform numbers in [0, 1) that depend on nothing but their key (SplitMix64, Steele et al. 2014).

    Args:
        seed: Seed of the run.
        epoch: Epoch number.
        rows: (N,) int64 row ids.
        count: Numbers per row; asking for more leaves the first as they are.

    Returns:
        (N, count) float32 on the device of ``rows``.
    """
    column = torch.arange(count, device=rows.device)
    # The seed is filled in on the device, not copied there, which would wait for the device's other work.
    state = _mix(_mix(torch.full((), seed, dtype=torch.int64, device=rows.device)) + epoch)
    state = _mix(_mix(state + rows.long()[:, None]) + column)
    return ((state >> 40) & 0xFFFFFF).float() / float(1 << 24)


def _mix(z: Tensor) -> Tensor:
    z = z + _GOLDEN  # int64 arithmetic wraps, as the algorithm wants
    z = (z ^ _shift(z, 30)) * _MIX1
    z = (z ^ _shift(z, 27)) * _MIX2
    return z ^ _shift(z, 31)


def _shift(z: Tensor, bits: int) -> Tensor:
    """Logical right shift of int64."""
    return (z >> bits) & ((1 << (64 - bits)) - 1)


def augment(faces: Tensor, rows: Tensor, epoch: int, seed: int, section: AugmentSection) -> Tensor:
    """Change each face by its own random amounts.

    Args:
        faces: (N, 1, s, s) float32, 0 to 1.
        rows: (N,) row ids, the key of each face's amounts; on the device of the faces.
        epoch: Epoch number, part of the key.
        seed: Seed of the run, part of the key.
        section: Limits of the amounts; a limit of 0 leaves that change out.

    Returns:
        (N, 1, s, s) float32, 0 to 1. Without a change of geometry no pixel is resampled, and a flip alone is exact;
        without any change it is ``faces`` itself.
    """
    if not (_is_warped(section) or _is_lit(section) or section.flip or section.erasing):
        return faces
    return changed(faces, keyed_uniform(seed, epoch, rows, len(Number)), section)


def changed(faces: Tensor, numbers: Tensor, section: AugmentSection) -> Tensor:
    """Change each face by given amounts, in this order: crop, flip, rotation, shear, zoom and shift as one bilinear
    resampling; contrast, gain, brightness; erasing.

    Args:
        faces: (N, 1, s, s) float32, 0 to 1.
        numbers: (N, 18) float32, 0 to 1, a column for each ``Number``. 0.5 is the middle of what goes either way: at 0
            a face is turned clockwise, its top is pushed left, it is smaller, further right and further down, darker
            and flatter, each by the whole limit. At 0 there is no crop, but a flip and an erased rectangle.
        section: Limits of the amounts.

    Returns:
        (N, 1, s, s) float32, 0 to 1.
    """
    either = 2 * numbers - 1  # -1 to 1
    out = faces
    if _is_warped(section):
        out = _warp(faces, numbers, either, section)
    elif section.flip:
        out = torch.where((numbers[:, Number.FLIP] < section.flip).view(-1, 1, 1, 1), faces.flip(-1), faces)
    if section.contrast:
        mean = out.mean(dim=(1, 2, 3), keepdim=True)
        out = mean + (out - mean) * (1 + section.contrast * either[:, Number.CONTRAST]).view(-1, 1, 1, 1)
    if section.gain:
        out = out * (1 + section.gain * either[:, Number.GAIN]).view(-1, 1, 1, 1)
    if section.brightness:
        out = out + (section.brightness * either[:, Number.BRIGHTNESS]).view(-1, 1, 1, 1)
    if _is_warped(section) or _is_lit(section):
        out = out.clamp(0, 1)
    return _erase(out, numbers, section.erasing) if section.erasing else out


def _is_warped(section: AugmentSection) -> bool:
    """Whether pixels come to lie between pixels."""
    limits = (section.rotation, section.shift, section.zoom, section.shear, section.shear_share, section.crop)
    return any(limits)


def _is_lit(section: AugmentSection) -> bool:
    return any((section.contrast, section.gain, section.brightness))


def _warp(faces: Tensor, u: Tensor, either: Tensor, section: AugmentSection) -> Tensor:
    """Crop, flip, rotation, shear, zoom and shift as one bilinear resampling."""
    angle = torch.deg2rad(section.rotation * either[:, Number.ROTATION])
    if section.shear_share:
        shear = section.shear_share * either[:, Number.SHEAR]
    else:
        shear = torch.tan(torch.deg2rad(section.shear * either[:, Number.SHEAR]))
    wide = high = 1 + section.zoom * either[:, Number.ZOOM]
    if section.zoom_apart:
        high = 1 + section.zoom * either[:, Number.ZOOM_HEIGHT]
    mirror = torch.where(u[:, Number.FLIP] < section.flip, -1.0, 1.0)
    cos, sin = torch.cos(angle), torch.sin(angle)
    # Rows map output coordinates (-1 to 1) to input coordinates; 2 × shift because the side is 2 long there.
    across = torch.stack((mirror * (cos / wide), mirror * (cos / high * shear - sin / high)), dim=1)
    down = torch.stack((sin / wide, sin / high * shear + cos / high), dim=1)
    linear = torch.stack((across, down), dim=1)
    moved = 2 * section.shift * either[:, Number.SHIFT_X : Number.SHIFT_Y + 1]
    if section.crop:
        # The window is cut first, so that what turns or moves into it from beside it is the picture, not a filling.
        cut = section.crop * u[:, Number.CROP, None]
        linear = linear * (1 - cut)[:, :, None]
        moved = moved * (1 - cut) + cut * either[:, Number.CROP_X : Number.CROP_Y + 1]
    grid = functional.affine_grid(torch.cat((linear, moved[:, :, None]), dim=2), list(faces.shape), align_corners=False)
    # Without align_corners a reflection repeats the pixel at the border, as Keras's does.
    return functional.grid_sample(
        faces, grid, mode="bilinear", padding_mode=_PADDING[section.fill], align_corners=False
    )


def _erase(faces: Tensor, u: Tensor, chance: float) -> Tensor:
    """Replace a rectangle of 2% to 25% of the area, with sides in a ratio from 1:2 to 2:1, by the face's mean."""
    size = faces.shape[-1]
    least, most = ERASED_AREA
    area = least + (most - least) * u[:, Number.ERASED_AREA]
    ratio = torch.exp((2 * u[:, Number.ERASED_RATIO] - 1) * _ERASED_LOG_RATIO)
    half_w, half_h = torch.sqrt(area * ratio) / 2, torch.sqrt(area / ratio) / 2
    at = (torch.arange(size, device=faces.device) + 0.5) / size
    across = (at[None] - u[:, Number.ERASED_X, None]).abs() < half_w[:, None]
    down = (at[None] - u[:, Number.ERASED_Y, None]).abs() < half_h[:, None]
    hit = (across[:, None, :] & down[:, :, None] & (u[:, Number.ERASING, None, None] < chance))[:, None]
    return torch.where(hit, faces.mean(dim=(1, 2, 3), keepdim=True), faces)
