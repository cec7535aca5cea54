"""Layers as Keras makes them, for the networks of the papers, all of which used it.

Where a default of Keras differs from torch's, the paper's network had Keras's: uniform weights by Glorot & Bengio
(2010, "Understanding the difficulty of training deep feedforward neural networks") and biases of 0, batch norm with an
epsilon of 1e-3 whose moving averages keep 0.99 a step, and "same" padding that puts the odd pixel right and below.
Dropout takes single values out of a map, not whole maps.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from mien.models.layers import shape_of


def convolution(channels_in: int, channels_out: int, kernel: int = 3, *, same: bool) -> list[nn.Module]:
    """A convolution with a stride of 1, ``same`` (the picture keeps its size) or valid (it loses its border)."""
    layer = nn.Conv2d(channels_in, channels_out, kernel)
    if not same:
        return [layer]
    before = (kernel - 1) // 2
    after = kernel - 1 - before
    if before == after:
        layer = nn.Conv2d(channels_in, channels_out, kernel, padding=before)
        return [layer]
    return [nn.ZeroPad2d((before, after, before, after)), layer]


def batch_norm(channels: int) -> nn.BatchNorm2d:
    """Batch norm of maps."""
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


def batch_norm_of_features(width: int) -> nn.BatchNorm1d:
    """Batch norm of (N, width)."""
    return nn.BatchNorm1d(width, eps=1e-3, momentum=0.01)


def flattened(layers: Sequence[nn.Module], side: int) -> int:
    """Width of what a gray picture of this side becomes when it has gone through the layers and is flattened.

    Raises:
        RuntimeError: torch's, where the picture is too small for the layers.
    """
    channels, high, wide = shape_of(nn.Sequential(*layers), 1, side)
    return channels * high * wide


class Dropout(nn.Dropout):
    """Dropout of single values (Srivastava et al. 2014), quick on a CPU.

    torch draws a Bernoulli number for each value there, on one core, which takes as long as a small convolution. Here
    16 random bits of the global generator decide, so the share is a multiple of 1/65,536; the values that stay are
    divided by the share that truly stays.
    """

    def forward(self, x: Tensor) -> Tensor:
        """The same shape; unchanged in evaluation mode."""
        dropped = round(self.p * 65536)
        if not self.training or not dropped:
            return x
        if x.device.type != "cpu" or dropped == 65536:
            return functional.dropout(x, self.p)
        words = torch.empty((x.numel() + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
        bits = words.view(torch.int16)[: x.numel()].as_strided(x.shape, x.stride()) if _dense(x) else None
        if bits is None:
            return functional.dropout(x, self.p)
        return x * (bits >= dropped - 32768).to(x.dtype).mul_(65536 / (65536 - dropped))


def _dense(x: Tensor) -> bool:
    """Whether its values lie side by side, in the usual order or with channels last."""
    return x.is_contiguous() or (x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last))


def start(module: nn.Module) -> None:
    """Give convolutions and dense layers the weights that Keras starts with."""
    for one in module.modules():
        if isinstance(one, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(one.weight)
            if one.bias is not None:
                nn.init.zeros_(one.bias)
