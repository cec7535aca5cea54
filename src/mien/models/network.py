"""What every network is: input scaling, a body, features, and a linear head for each vocabulary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from mien.expressions import Vocabulary


@dataclass(frozen=True)
class Scaling:
    """How a body wants its input: (pixel / 255 - mean) / std for each channel.

    Attributes:
        mean: Of each input channel, 0 to 1.
        std: The same, more than 0.
        order: ``gray`` for one channel; ``RGB`` or ``BGR``, what the channels of the body mean.
    """

    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    order: str = "gray"

    def __post_init__(self) -> None:
        if len(self.mean) != len(self.order if self.order != "gray" else "g") or len(self.std) != len(self.mean):
            raise ValueError(f"scaling with means {self.mean} and deviations {self.std} of {self.order}")
        if not all(s > 0 for s in self.std):
            raise ValueError(f"deviations {self.std}, not all more than 0")


@dataclass(frozen=True)
class Body:
    """What a builder returns: everything of a network but its heads.

    Attributes:
        layers: (N, channels, side, side) float, scaled → features (N, width), or maps (N, width, h, w) where
            ``pooled``.
        width: Number of features.
        scaling: Of its input. The number of channels is that of its means.
        pooled: Whether the features are the global average of ``layers``' maps: then each class has an evidence map
            (class activation mapping, Zhou et al. 2015, arXiv 1512.04150).
        dropout: Share of the features dropped before the heads while training.
        backbone: Part of ``layers`` that learns at ``backbone_rate``; None where all learns alike.
        backbone_rate: Learning rate of ``backbone`` as a share of the rest's; 0 is frozen.
        glorot: Whether the heads begin with uniform weights by Glorot & Bengio (2010) and biases of 0, as Keras's do.
    """

    layers: nn.Module
    width: int
    scaling: Scaling = Scaling()
    pooled: bool = False
    dropout: float = 0.0
    backbone: nn.Module | None = None
    backbone_rate: float = 1.0
    glorot: bool = False


class Network(nn.Module):
    """Faces → logits by vocabulary.

    Its state holds the input scaling, so that weights cannot be loaded without it.

    Args:
        body: Everything but the heads.
        vocabularies: One head each; the first is the one that counts where only one answer is wanted.
        side: Side that the body sees; faces of another side are resampled (bilinear, antialiased where smaller).
    """

    mean: Tensor
    std: Tensor

    def __init__(self, body: Body, vocabularies: Sequence[Vocabulary], side: int) -> None:
        super().__init__()
        self.side, self.width, self.pooled = side, body.width, body.pooled
        self.channels, self.order = len(body.scaling.mean), body.scaling.order
        self.register_buffer("mean", torch.tensor(body.scaling.mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(body.scaling.std).view(1, -1, 1, 1))
        self.layers = body.layers
        self.dropout = nn.Dropout(body.dropout)
        self.vocabularies = tuple(vocabularies)
        self.heads = nn.ModuleList(nn.Linear(body.width, len(v)) for v in vocabularies)
        if body.glorot:
            for head in self.heads:
                nn.init.xavier_uniform_(head.weight)  # type: ignore[arg-type]
                nn.init.zeros_(head.bias)  # type: ignore[arg-type]
        self._backbone, self._rate = ([body.backbone] if body.backbone is not None else []), body.backbone_rate
        if self._backbone and self._rate == 0:
            self._backbone[0].requires_grad_(False)

    @property
    def backbone(self) -> nn.Module | None:
        """The part that learns at a rate of its own, and that a library's weights are for."""
        return self._backbone[0] if self._backbone else None

    def prepare(self, faces: Tensor) -> Tensor:
        """(N, 1, s, s) float, 0 to 1 → (N, channels, side, side), scaled as the body wants it."""
        if faces.shape[-1] != self.side:
            smaller = faces.shape[-1] > self.side
            faces = functional.interpolate(faces, (self.side, self.side), mode="bilinear", antialias=smaller)
        scaled: Tensor = (faces - self.mean) / self.std  # one gray channel against each channel's numbers
        return scaled

    def maps(self, faces: Tensor) -> Tensor:
        """What the body says: (N, width, h, w) maps where ``pooled``, else (N, width) features."""
        found: Tensor = self.layers(self.prepare(faces).contiguous(memory_format=torch.channels_last))
        return found

    def features(self, faces: Tensor) -> Tensor:
        """(N, 1, s, s) float, 0 to 1 → (N, width)."""
        found = self.maps(faces)
        return found.mean(dim=(2, 3)) if self.pooled else found

    def forward(self, faces: Tensor) -> dict[str, Tensor]:
        """Logits by vocabulary name: (N, 1, s, s) float, 0 to 1 → (N, len(vocabulary)) each."""
        return self.answer(self.dropout(self.features(faces)))

    def answer(self, features: Tensor) -> dict[str, Tensor]:
        """(N, width) features → logits by vocabulary name."""
        return {v.name: head(features) for v, head in zip(self.vocabularies, self.heads, strict=True)}

    def head(self, vocabulary: str) -> nn.Linear:
        """The linear head of a vocabulary."""
        at = [v.name for v in self.vocabularies].index(vocabulary)
        found: nn.Linear = self.heads[at]  # type: ignore[assignment]
        return found

    def train(self, mode: bool = True) -> Network:
        """As ``nn.Module.train``; a frozen backbone stays in evaluation mode, its batch norm included."""
        super().train(mode)
        if mode and self._backbone and self._rate == 0:
            self._backbone[0].eval()
        return self

    def groups(self) -> list[tuple[float, list[nn.Parameter]]]:
        """Parameters that learn, by their share of the learning rate."""
        slow = {id(p) for b in self._backbone for p in b.parameters()}
        rest = [p for p in self.parameters() if id(p) not in slow]
        if not self._backbone or self._rate == 0:
            return [(1.0, rest)]
        return [(self._rate, list(self._backbone[0].parameters())), (1.0, rest)]
