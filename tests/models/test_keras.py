"""Layers as Keras makes them."""

from __future__ import annotations

import pytest
import torch

from mien.models.keras import Dropout


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("share", [0.1, 0.6])
def test_dropout_drops_its_share_of_single_values_and_keeps_the_mean(share: float, layout: torch.memory_format) -> None:
    x = torch.rand(20, 30, 21, 21).contiguous(memory_format=layout).requires_grad_()
    torch.manual_seed(3)
    layer = Dropout(share)
    y = layer(x)
    dropped = y == 0
    assert dropped.float().mean() == pytest.approx(share, abs=0.004)
    for axis in range(4):  # single values, not whole maps, rows or columns
        others = [a for a in range(4) if a != axis]
        assert dropped.float().mean(others).sub(share).abs().max() < 0.03
    torch.testing.assert_close(y[~dropped], x[~dropped] / (1 - share), rtol=1e-4, atol=0)
    (gradient,) = torch.autograd.grad(y.sum(), x)
    assert torch.equal(gradient == 0, dropped)
    neighbours = torch.corrcoef(torch.stack([dropped[..., 1:].flatten(), dropped[..., :-1].flatten()]).float())[0, 1]
    assert abs(float(neighbours)) < 0.01
    torch.manual_seed(3)
    assert torch.equal(layer(x), y)
    assert not torch.equal(layer(x), y)


def test_dropout_is_off_in_evaluation_and_keeps_the_type() -> None:
    x = torch.rand(3, 50).bfloat16()
    assert Dropout(0.5).eval()(x) is x and Dropout(0.0)(x) is x
    assert Dropout(0.5)(x).dtype == torch.bfloat16
    assert (Dropout(1.0)(x) == 0).all()
    assert Dropout(0.3)(torch.rand(6, 40).T).shape == (40, 6)
