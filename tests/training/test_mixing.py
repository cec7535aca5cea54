"""mixup and CutMix: shares, partners and rectangles as the papers say, from nothing but the key."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch

from mien.recipe import AugmentSection
from mien.training.mixing import mix

MIXUP, CUTMIX = AugmentSection(mixup=0.4), AugmentSection(cutmix=1.0)


def flat(n: int = 16, side: int = 20) -> torch.Tensor:
    """(n, 1, side, side), each face of one level that no other has."""
    return ((torch.arange(n) + 1.0) / (n + 1)).view(-1, 1, 1, 1).expand(-1, 1, side, side)


def test_without_either_faces_and_targets_stay() -> None:
    faces = torch.rand(5, 1, 8, 8)
    mixed, partner, share = mix(faces, (0, 0, 0), AugmentSection(flip=0.5))
    assert torch.equal(mixed, faces) and partner.tolist() == [0, 1, 2, 3, 4] and share.tolist() == [1.0] * 5
    assert partner.dtype == torch.int64


def test_mixup_adds_two_faces_in_the_shares_it_returns() -> None:
    faces = torch.rand(32, 1, 12, 12)
    before = faces.clone()
    for step in range(5):
        mixed, partner, share = mix(faces, (3, 1, step), MIXUP)
        assert sorted(partner.tolist()) == list(range(32)) and partner.tolist() != list(range(32))
        assert share.shape == (32,) and share.dtype == torch.float32 and len(share.unique()) == 1
        s = share[0]
        torch.testing.assert_close(mixed, s * before + (1 - s) * before[partner])
    assert torch.equal(faces, before)


@pytest.mark.parametrize("alpha", [0.2, 1.0, 8.0])
def test_the_share_of_mixup_is_beta_distributed(alpha: float) -> None:
    shares = torch.stack([mix(flat(2, 2), (0, 0, i), AugmentSection(mixup=alpha))[2][0] for i in range(1500)])
    assert shares.min() >= 0 and shares.max() <= 1
    assert float(shares.mean()) == pytest.approx(0.5, abs=0.04)
    assert float(shares.var()) == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.12)


def box_of(mixed: torch.Tensor, faces: torch.Tensor, partner: torch.Tensor) -> tuple[int, int, int, int] | None:
    """Top, left, height and width of what came from the partners, the same in every face; None where nothing did."""
    other = partner != torch.arange(len(faces))
    own, theirs = mixed[other] == faces[other], mixed[other] == faces[partner][other]
    assert (own ^ theirs).all()
    assert (theirs == theirs[:1]).all()
    if not theirs.any():
        return None
    y, x = (torch.nonzero(theirs[0, 0].any(dim=d))[:, 0] for d in (1, 0))
    assert theirs[0, 0].sum() == len(y) * len(x) and y[-1] - y[0] == len(y) - 1 and x[-1] - x[0] == len(x) - 1
    return int(y[0]), int(x[0]), len(y), len(x)


def test_cutmix_puts_in_a_rectangle_and_its_share_is_that_of_the_pixels() -> None:
    faces, inside, sides, cut_off = flat(), 0, [], 0
    for step in range(300):
        mixed, partner, share = mix(faces, (0, 0, step), CUTMIX)
        assert len(share.unique()) == 1 and sorted(partner.tolist()) == list(range(16))
        box = box_of(mixed, faces, partner)
        if box is None:
            assert share[0] == 1
            continue
        top, left, high, wide = box
        assert float(share[0]) == pytest.approx(1 - high * wide / 400)
        if top > 0 and left > 0 and top + high < 20 and left + wide < 20:
            assert high == wide  # the shape of the picture
            inside += 1
            sides.append(wide)
        cut_off += high != wide
    assert inside > 30 and cut_off > 60 and len(set(sides)) > 8


def test_cutmix_lies_anywhere_and_its_area_is_that_of_the_share_drawn() -> None:
    middles, areas = [], []
    for step in range(1500):
        faces = flat(2, 40)
        mixed, partner, _ = mix(faces, (5, 0, step), CUTMIX)
        if partner[0] == 0 or (box := box_of(mixed, faces, partner)) is None:
            continue
        top, left, high, wide = box
        if max(high, wide) < 12:
            middles.append((top + high / 2, left + wide / 2))
        areas.append(max(high, wide) ** 2 / 1600)
    middle = np.array(middles)
    assert (middle.min(axis=0) < 4).all() and (middle.max(axis=0) > 36).all()
    assert np.abs(middle.mean(axis=0) - 20).max() < 3
    # Beta(1, 1) is uniform, so that a quarter of the areas are below a quarter; the longer side is mostly whole.
    assert np.mean(np.array(areas) < 0.25) == pytest.approx(0.25, abs=0.07)


def test_with_both_each_batch_is_dealt_one() -> None:
    faces, dealt = flat(8, 12), []
    for step in range(200):
        mixed, partner, share = mix(faces, (1, 0, step), AugmentSection(mixup=1.0, cutmix=1.0))
        whole = torch.allclose(mixed, share[0] * faces + (1 - share[0]) * faces[partner], atol=1e-6)
        dealt.append(whole and bool(share[0] < 1))
    assert 0.4 < np.mean(dealt) < 0.6


@pytest.mark.parametrize("section", [MIXUP, CUTMIX], ids=["mixup", "cutmix"])
def test_a_batch_is_mixed_by_its_key_and_by_nothing_else(section: AugmentSection) -> None:
    faces = torch.rand(24, 1, 16, 16)
    torch.manual_seed(0)
    state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].tolist()
    first = mix(faces, (7, 2, 9), section)
    assert torch.equal(torch.get_rng_state(), state) and np.random.get_state()[1].tolist() == numpy_state
    torch.manual_seed(1)
    np.random.seed(1)
    for a, b in zip(first, mix(faces, (7, 2, 9), section), strict=True):
        assert torch.equal(a, b)
    # Nor by what orders the batches of that epoch.
    order = np.random.default_rng((7, 2))
    assert float(mix(faces, (7, 2, 0), AugmentSection(mixup=1.0))[2][0]) != pytest.approx(order.beta(1.0, 1.0))
    keys = [(7, 2, 9), (8, 2, 9), (7, 3, 9), (7, 2, 10), (7, 2, 0), (7, 0, 0), (0, 0, 0), (0, 0, 7)]
    found = [mix(faces, key, section) for key in keys]
    for one, other in combinations(found, 2):
        assert not torch.equal(one[0], other[0]) and not torch.equal(one[1], other[1])


def test_partners_are_spread_evenly() -> None:
    met = torch.zeros(6, 6)
    for step in range(600):
        partner = mix(flat(6, 2), (0, 4, step), MIXUP)[1]
        met[torch.arange(6), partner] += 1
    assert met.min() > 65 and met.max() < 140


def test_nothing_waits_for_the_device() -> None:
    # Tensors on the meta device have no values: whatever looked at one would fail.
    faces = torch.empty(8, 1, 16, 16, device="meta")
    for section in (MIXUP, CUTMIX, AugmentSection()):
        assert [one.device.type for one in mix(faces, (0, 0, 0), section)] == ["meta"] * 3
