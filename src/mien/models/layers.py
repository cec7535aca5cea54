"""What a network's layers put out, and its table of layers as Keras and the papers print it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor, nn
from torch.func import functional_call

from mien.models.network import Network


class GlobalAverage(nn.Module):
    """(N, C, h, w) maps → (N, C), the mean of each."""

    def forward(self, maps: Tensor) -> Tensor:
        return maps.mean(dim=(2, 3))


# torch's layer → Keras's name and class. A layer that is not listed has no row unless it has parameters: Keras counts
# activations and padding to the layer they belong to.
KINDS: dict[type[nn.Module], tuple[str, str]] = {
    nn.Conv2d: ("conv2d", "Conv2D"),
    nn.BatchNorm2d: ("batch_normalization", "BatchNormalization"),
    nn.BatchNorm1d: ("batch_normalization", "BatchNormalization"),
    nn.LeakyReLU: ("leaky_re_lu", "LeakyReLU"),
    nn.MaxPool2d: ("max_pooling2d", "MaxPooling2D"),
    nn.AvgPool2d: ("average_pooling2d", "AveragePooling2D"),
    GlobalAverage: ("global_average_pooling2d", "GlobalAveragePooling2D"),
    nn.Dropout: ("dropout", "Dropout"),
    nn.Flatten: ("flatten", "Flatten"),
    nn.Linear: ("dense", "Dense"),
}
DEPTHWISE = ("depthwise_conv2d", "DepthwiseConv2D")


@dataclass(frozen=True)
class Layer:
    """A row of the table.

    Attributes:
        name: As Keras numbers them: conv2d, conv2d_1, …
        kind: Keras's name of the class.
        shape: Of the output, channels last; None stands for the batch.
        parameters: Weights, biases and batch norm's moving statistics.
        trainable: Those of them that an optimizer changes.
    """

    name: str
    kind: str
    shape: tuple[int | None, ...]
    parameters: int
    trainable: int


def shape_of(layers: nn.Module, channels: int, side: int) -> tuple[int, ...]:
    """Shape of what comes out for one picture, without the batch; nothing is computed.

    Raises:
        RuntimeError: torch's, where the picture is too small for the layers.
    """
    out = _dry_run(layers, torch.zeros(1, channels, side, side, device="meta"))
    return tuple(out.shape[1:])


def layer_table(network: Network) -> list[Layer]:
    """A row for each layer, in the order in which they work on a picture of ``network.side``."""
    rows: list[Layer] = []
    seen: dict[str, int] = {}

    def add(kind: tuple[str, str], shape: torch.Size, module: nn.Module | None) -> None:
        number = seen[kind[0]] = seen.get(kind[0], -1) + 1
        _, *rest = shape
        last = (*rest[1:], rest[0]) if len(rest) == 3 else tuple(rest)
        trainable, fixed = _counts(module)
        name = f"{kind[0]}_{number}" if number else kind[0]
        rows.append(Layer(name, kind[1], (None, *last), trainable + fixed, trainable))

    def hook(module: nn.Module, _: object, out: Tensor) -> None:
        if (kind := _kind(module)) is not None:
            add(kind, out.shape, module)
        if module is network.layers and network.pooled:
            add(KINDS[GlobalAverage], out.shape[:2], None)

    handles = [m.register_forward_hook(hook) for m in network.modules()]
    try:
        _dry_run(network, torch.zeros(1, 1, network.side, network.side, device="meta"))
    finally:
        for handle in handles:
            handle.remove()
    return rows


def _kind(module: nn.Module) -> tuple[str, str] | None:
    if isinstance(module, nn.Dropout) and module.p == 0:
        return None
    if isinstance(module, nn.Conv2d) and module.groups == module.in_channels > 1:
        return DEPTHWISE
    for kind, names in KINDS.items():
        if isinstance(module, kind):
            return names
    own = next(module.parameters(recurse=False), None)
    return None if own is None else (type(module).__name__.lower(), type(module).__name__)


def _counts(module: nn.Module | None) -> tuple[int, int]:
    """Parameters that learn, and those that do not."""
    if module is None:
        return 0, 0
    own = list(module.parameters(recurse=False))
    learning = sum(p.numel() for p in own if p.requires_grad)
    moving = [b for name, b in module.named_buffers(recurse=False) if name in ("running_mean", "running_var")]
    return learning, sum(p.numel() for p in own) - learning + sum(b.numel() for b in moving)


def _dry_run(module: nn.Module, picture: Tensor) -> Tensor:
    """Shapes alone go through: every tensor is on torch's meta device."""
    state = {name: t.to("meta") for name, t in chain(module.named_parameters(), module.named_buffers())}
    with torch.no_grad(), _evaluating(module):
        out: Tensor = functional_call(module, state, (picture,))
    return out


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    """Batch norm of one value per channel is an error while training."""
    before = [(m, m.training) for m in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for one, mode in before:
            one.training = mode
