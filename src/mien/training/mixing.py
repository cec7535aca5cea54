"""Mixing of two faces and of their labels: mixup and CutMix."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from mien.recipe import AugmentSection
from mien.training.augment import keyed_uniform

_STREAM = 1  # keeps these draws apart from others of (seed, epoch, step); not 0, which numpy takes for none


def mix(faces: Tensor, key: tuple[int, int, int], section: AugmentSection) -> tuple[Tensor, Tensor, Tensor]:
    """Mix each face of a batch with another of it.

    mixup (Zhang et al. 2018, arXiv 1710.09412) adds up two faces in shares from Beta(alpha, alpha); CutMix (Yun et al.
    2019, arXiv 1905.04899) puts a rectangle of one into the other. As in the papers, a batch has one share, one
    rectangle and one permutation, and the rectangle is cut off at the border. With both, each batch is dealt one.

    Args:
        faces: (N, 1, s, s) float, 0 to 1.
        key: (seed of the run, epoch, step), each at least 0. Equal keys mix alike on every device; the global
            generator has no part in it.
        section: The two alphas; where both are 0 the faces come back as they are.

    Returns:
        - (N, 1, s, s) mixed faces,
        - (N,) int64, the place in the batch of each face's partner, which may be itself,
        - (N,) float32, 0 to 1, the share of its own: targets become share × own + (1 − share) × the partner's. For
          CutMix it is the true share of pixels.
        All on the device of the faces.
    """
    n, device = len(faces), faces.device
    if not (section.mixup or section.cutmix):
        return faces, torch.arange(n, device=device), torch.ones(n, device=device)
    seed, epoch, step = key
    draws = np.random.default_rng((seed, epoch, step, _STREAM))
    # Hashed on the device, which need not be waited for then; row ids are never negative.
    partner = keyed_uniform(seed, epoch, torch.full((1,), -1 - step, device=device), n)[0].argsort(stable=True)
    by_mixup = not section.cutmix or (section.mixup > 0 and draws.random() < 0.5)
    if by_mixup:
        share = float(draws.beta(section.mixup, section.mixup))
        mixed = share * faces + (1 - share) * faces[partner]
    else:
        mixed, share = _cut_in(faces, partner, float(draws.beta(section.cutmix, section.cutmix)), draws)
    return mixed, partner, torch.full((n,), share, device=device)


def _cut_in(faces: Tensor, partner: Tensor, share: float, draws: np.random.Generator) -> tuple[Tensor, float]:
    """Replace a rectangle around a random place; returns the share of pixels that stay, too."""
    high, wide = faces.shape[-2:]
    side = math.sqrt(1 - share)
    cut_high, cut_wide = int(high * side), int(wide * side)
    top, left = int(draws.integers(high)) - cut_high // 2, int(draws.integers(wide)) - cut_wide // 2
    y = slice(max(top, 0), min(top + cut_high, high))
    x = slice(max(left, 0), min(left + cut_wide, wide))
    mixed = faces.clone()
    mixed[..., y, x] = faces[..., y, x][partner]
    return mixed, 1 - (y.stop - y.start) * (x.stop - x.start) / (high * wide)
