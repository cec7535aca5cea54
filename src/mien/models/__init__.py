"""Networks, each built by name from the table BUILDERS.

A builder takes the recipe's network section, the side that the network sees and the input scaling, and returns a
``Body``; ``build`` adds the heads and loads weights. A new network is one file and a row of the table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from mien.errors import RecipeError
from mien.expressions import Vocabulary
from mien.models import pretrained
from mien.models.backbones import backbone
from mien.models.balanced_cnn import balanced_cnn
from mien.models.convrelu_ann import convrelu_ann
from mien.models.hybrid import hybrid_1, hybrid_2
from mien.models.layers import Layer, layer_table, shape_of
from mien.models.model_zoo import model_1, model_2, model_3
from mien.models.network import Body, Network, Scaling
from mien.models.residual import residual
from mien.recipe import BackboneSection, NetworkSection

__all__ = ["BUILDERS", "Body", "Builder", "Layer", "Network", "Scaling", "build", "layer_table"]


class Builder(NamedTuple):
    """How a network is made.

    Attributes:
        body: The recipe's network section, side and scaling → the body, from scratch.
        scaling: From scratch, where the recipe names none: ``unit`` or ``standard``.
        side: That its source uses, pixels.
        source: Paper, or library and its name there.
    """

    body: Callable[[Any, int, Scaling], Body]
    scaling: str
    side: int
    source: str


BUILDERS: dict[str, Builder] = {
    "residual": Builder(residual, "standard", 48, "mien's own"),
    "hybrid-1": Builder(hybrid_1, "unit", 224, "hybrid CNN-SVM (2023), 13 classes"),
    "hybrid-2": Builder(hybrid_2, "unit", 224, "hybrid CNN-SVM (2023), 2 classes"),
    "balanced-cnn": Builder(balanced_cnn, "unit", 48, "Kumar & Reddy, FER2013 over-sampled"),
    "convrelu-ann": Builder(convrelu_ann, "unit", 48, "Njoku et al. 2024, Scope 14(1)"),
    "model-1": Builder(model_1, "unit", 48, "Chang 2022, Model 1"),
    "model-2": Builder(model_2, "unit", 48, "Chang 2022, Model 2 (widths chosen by mien)"),
    "model-3": Builder(model_3, "unit", 48, "Chang 2022, Model 3 (widths chosen by mien)"),
    "vgg16": Builder(backbone, "standard", 224, "torchvision vgg16"),
    "resnetv2": Builder(backbone, "standard", 224, "timm resnetv2_50"),
    "efficientnet": Builder(backbone, "standard", 224, "torchvision efficientnet_b0"),
    "mobilenetv2": Builder(backbone, "standard", 224, "torchvision mobilenet_v2"),
    "shufflenetv2": Builder(backbone, "standard", 224, "torchvision shufflenet_v2_x1_0"),
    "resnet18": Builder(backbone, "standard", 224, "torchvision resnet18"),
}
# Scalings that do not depend on the training pixels: mean and deviation of pixels from 0 to 1.
FIXED = {"unit": (0.0, 1.0), "signed": (0.5, 0.5), "byte": (0.0, 1 / 255)}
LARGEST_SIDE_TRIED = 256


def build(
    section: NetworkSection,
    size: int,
    vocabularies: Sequence[Vocabulary],
    standard: tuple[float, float] = (0.0, 1.0),
    *,
    base: Path = Path(),
    load: bool = True,
) -> Network:
    """Build the network a recipe names.

    Args:
        section: The recipe's ``[network]`` table.
        size: Side of the faces, pixels.
        vocabularies: One head each.
        standard: Mean and standard deviation of the training pixels, 0 to 1; used where the scaling is ``standard``.
        base: The recipe's folder, which its paths are relative to.
        load: Load the weights that the section names. False where a state follows that has them: nothing is then read
            or fetched.

    Raises:
        RecipeError: The network cannot be built so, or its weights are not to be had or are another network's.
        FetchError: A library's hub cannot be reached.
        MissingExtraError: The library of the network is not installed.
    """
    builder = BUILDERS[section.name]
    scaling = _scaling(section, builder.scaling, standard)
    side = section.side or size
    try:
        body = builder.body(section, side, scaling)
        shape_of(body.layers, len(scaling.mean), side)
    except RuntimeError as error:  # torch's own: nothing is left of the picture
        least = _least_side(section, side, scaling)
        raise RecipeError(
            f"the network {section.name} cannot see pictures of {side}×{side}: its layers leave nothing of them",
            f"a side of at least {least}",
            f"Set network.side = {least} or more; faces of {size}×{size} are then enlarged in the network.",
        ) from error
    network = Network(body, vocabularies, side)
    if load and section.weights is not None:
        pretrained.load(network, section, base)
    if section.misscaled is not None:
        _misscale(network, section, load and section.weights is not None)
    return network


def _misscale(network: Network, section: NetworkSection, loaded: bool) -> None:
    """Give a network other input than its weights were trained with; RecipeError where it is the very same."""
    assert section.misscaled is not None
    mean, std = FIXED[section.misscaled]
    new = torch.full_like(network.mean, mean), torch.full_like(network.std, std)
    if loaded and torch.allclose(network.mean, new[0]) and torch.allclose(network.std, new[1]):
        raise RecipeError(
            f"network.misscaled is {section.misscaled}, and with that the weights {section.weights} were trained",
            "a scaling that is wrong for them",
            "Leave misscaled out: the weights bring their scaling with them.",
        )
    network.mean.copy_(new[0])
    network.std.copy_(new[1])


def _scaling(section: NetworkSection, usual: str, standard: tuple[float, float]) -> Scaling:
    if isinstance(section, BackboneSection):
        if section.weights is not None and not section.own_weights:
            return pretrained.scaling(section)
        channels = section.input_channels
    else:
        channels = 1
    # Where mien's own weights follow, their scaling takes the place of this.
    named = section.scaling or usual
    mean, std = standard if named == "standard" else FIXED[named]
    return Scaling((mean,) * channels, (std,) * channels, "gray" if channels == 1 else "RGB")


def _least_side(section: NetworkSection, side: int, scaling: Scaling) -> int:
    """The smallest side above ``side`` that the layers leave something of."""
    for larger in range(side + 1, LARGEST_SIDE_TRIED):
        try:
            with torch.device("meta"):
                body = BUILDERS[section.name].body(section, larger, scaling)
                shape_of(body.layers, len(scaling.mean), larger)
        except RuntimeError:
            continue
        return larger
    return LARGEST_SIDE_TRIED
