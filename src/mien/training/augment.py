"""Batch augmentation on the device, with parameters of its own for every face.

The parameters are a hash of (seed, epoch, row id), not draws from a generator: a face is changed the same way whatever
batch, process or device it lands on, so a resumed run and a run on several devices see the same pictures.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from mien.recipe import AugmentSection

_PARAMETERS = 13
_GOLDEN = 0x9E3779B97F4A7C15 - (1 << 64)
_MIX1 = 0xBF58476D1CE4E5B9 - (1 << 64)
_MIX2 = 0x94D049BB133111EB - (1 << 64)


def keyed_uniform(seed: int, epoch: int, rows: Tensor, count: int) -> Tensor:
    """Uniform numbers in [0, 1) that depend on nothing but their key (SplitMix64, Steele et al. 2014).

    Args:
        seed: Seed of the run.
        epoch: Epoch number.
        rows: (N,) int64 row ids.
        count: Numbers per row.

    Returns:
        (N, count) float32 on the device of ``rows``.
    """
    column = torch.arange(count, device=rows.device)
    state = _mix(_mix(torch.tensor(seed, device=rows.device)) + epoch)
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
        faces: (N, 1, s, s) float, 0 to 1.
        rows: (N,) row ids, the key of each face's amounts.
        epoch: Epoch number, part of the key.
        seed: Seed of the run, part of the key.
        section: Limits of the amounts; a limit of 0 leaves that change out.

    Returns:
        (N, 1, s, s) float, 0 to 1. What moves in from outside the picture repeats its border.
    """
    u = keyed_uniform(seed, epoch, rows, _PARAMETERS)
    either = 2 * u - 1  # -1 to 1
    out = _warp(faces, u, either, section)
    if section.contrast:
        mean = out.mean(dim=(1, 2, 3), keepdim=True)
        out = mean + (out - mean) * (1 + section.contrast * either[:, 6]).view(-1, 1, 1, 1)
    if section.brightness:
        out = out + (section.brightness * either[:, 7]).view(-1, 1, 1, 1)
    out = out.clamp(0, 1)
    return _erase(out, u, section.erasing) if section.erasing else out


def _warp(faces: Tensor, u: Tensor, either: Tensor, section: AugmentSection) -> Tensor:
    """Flip, rotation, shear, zoom and shift as one bilinear resampling."""
    n = len(faces)
    angle = torch.deg2rad(section.rotation * either[:, 0])
    shear = torch.tan(torch.deg2rad(section.shear * either[:, 1]))
    scale = 1 + section.zoom * either[:, 2]
    mirror = torch.where(u[:, 3] < section.flip, -1.0, 1.0)
    cos, sin = torch.cos(angle) / scale, torch.sin(angle) / scale
    # Rows map output coordinates (-1 to 1) to input coordinates; 2 × shift because the side is 2 long there.
    theta = torch.zeros(n, 2, 3, device=faces.device)
    theta[:, 0, 0], theta[:, 0, 1] = mirror * cos, mirror * (cos * shear - sin)
    theta[:, 1, 0], theta[:, 1, 1] = sin, sin * shear + cos
    theta[:, :, 2] = 2 * section.shift * either[:, 4:6]
    grid = functional.affine_grid(theta, list(faces.shape), align_corners=False)
    return functional.grid_sample(faces, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _erase(faces: Tensor, u: Tensor, chance: float) -> Tensor:
    """Replace a rectangle of 2% to 25% of the area, with sides in a ratio from 1:2 to 2:1, by the face's mean."""
    size = faces.shape[-1]
    area = 0.02 + 0.23 * u[:, 9]
    ratio = torch.exp((2 * u[:, 10] - 1) * 0.6931)
    half_w, half_h = torch.sqrt(area * ratio) / 2, torch.sqrt(area / ratio) / 2
    at = (torch.arange(size, device=faces.device) + 0.5) / size
    across = (at[None] - u[:, 11, None]).abs() < half_w[:, None]
    down = (at[None] - u[:, 12, None]).abs() < half_h[:, None]
    hit = (across[:, None, :] & down[:, :, None] & (u[:, 8, None, None] < chance))[:, None]
    return torch.where(hit, faces.mean(dim=(1, 2, 3), keepdim=True), faces)
