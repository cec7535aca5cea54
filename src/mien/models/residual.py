"""mien's own small residual network (He et al. 2015, arXiv 1512.03385)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from mien.errors import RecipeError
from mien.models.network import Body, Scaling
from mien.recipe import ResidualSection


class Block(nn.Module):
    """Two 3×3 convolutions and a shortcut; a halving shortcut averages before its 1×1 (He et al. 2018, 1812.01187)."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels_out)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels_out:
            self.shortcut = nn.Sequential(
                nn.AvgPool2d(2) if stride == 2 else nn.Identity(),
                nn.Conv2d(channels_in, channels_out, 1, bias=False),
                nn.BatchNorm2d(channels_out),
            )

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.norm1(self.conv1(x)))
        return functional.relu(self.norm2(self.conv2(y)) + self.shortcut(x))


def residual(section: ResidualSection, size: int, scaling: Scaling) -> Body:
    """Stem, stages of blocks, and global average pooling.

    Raises:
        RecipeError: ``widths`` and ``blocks`` are of different lengths.
    """
    if len(section.widths) != len(section.blocks):
        raise RecipeError(
            f"network.widths has {len(section.widths)} stages, network.blocks {len(section.blocks)}",
            "the same number",
        )
    layers: list[nn.Module] = [
        nn.Conv2d(1, section.stem, 3, 1, 1, bias=False),
        nn.BatchNorm2d(section.stem),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, 1),
    ]
    channels = section.stem
    for stage, (width, blocks) in enumerate(zip(section.widths, section.blocks, strict=True)):
        for block in range(blocks):
            layers.append(Block(channels, width, 2 if stage and not block else 1))
            channels = width
    body = nn.Sequential(*layers)
    for module in body.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        # A block starts as its shortcut (Goyal et al. 2017, arXiv 1706.02677, section 5.1).
        elif isinstance(module, Block):
            nn.init.zeros_(module.norm2.weight)
    return Body(body, channels, scaling, pooled=True, dropout=section.dropout)
