"""Networks of torchvision and timm, less their classifiers."""

from __future__ import annotations

from collections import OrderedDict
from importlib import import_module
from typing import Any

from torch import nn

from mien.errors import MissingExtraError
from mien.models.layers import GlobalAverage, shape_of
from mien.models.network import Body, Scaling
from mien.recipe import BackboneSection

# Name in a recipe → torchvision's, and the parts that come before its global average and its classifier.
TORCHVISION: dict[str, tuple[str, tuple[str, ...]]] = {
    "vgg16": ("vgg16", ("features",)),
    "efficientnet": ("efficientnet_b0", ("features",)),
    "mobilenetv2": ("mobilenet_v2", ("features",)),
    "shufflenetv2": ("shufflenet_v2_x1_0", ("conv1", "maxpool", "stage2", "stage3", "stage4", "conv5")),
    "resnet18": ("resnet18", ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4")),
}
TIMM: dict[str, str] = {"resnetv2": "resnetv2_50"}


def backbone(section: BackboneSection, size: int, scaling: Scaling) -> Body:
    """A library's network from scratch, with global average pooling and new dense layers if any.

    VGG16 (Simonyan & Zisserman 2014, arXiv 1409.1556), ResNet-50 v2 (He et al. 2016, 1603.05027), EfficientNet-B0 (Tan
    & Le 2019, 1905.11946), MobileNetV2 (Sandler et al. 2018, 1801.04381), ShuffleNetV2 ×1.0 (Ma et al. 2018,
    1807.11164), ResNet-18 (He et al. 2015, 1512.03385). VGG16's own three dense layers go with its classifier: its 512
    maps are averaged, as is usual where it gets a new head. Without ``hidden`` the features are averages of maps, and
    every class has an evidence map.

    Raises:
        MissingExtraError: torchvision or timm is not installed.
        RuntimeError: torch's, where ``size`` is too small for the network.
    """
    trunk = _timm(section.name) if section.name in TIMM else _torchvision(section.name)
    if len(scaling.mean) == 1:
        see_gray(trunk)
    width = shape_of(trunk, len(scaling.mean), size)[0]
    layers = trunk
    if section.hidden:
        dense: list[nn.Module] = [GlobalAverage()]
        for wanted in section.hidden:
            dense += [nn.Linear(width, wanted), nn.ReLU()]
            width = wanted
        layers = nn.Sequential(trunk, *dense)
    return Body(
        layers,
        width,
        scaling,
        pooled=not section.hidden,
        dropout=section.dropout,
        backbone=trunk,
        backbone_rate=section.backbone_rate,
    )


def library(name: str) -> Any:
    """The module ``torchvision.models`` or ``timm``, whichever has the network."""
    package = "timm" if name in TIMM else "torchvision"
    try:
        return import_module("timm" if name in TIMM else "torchvision.models")
    except ImportError as error:
        raise MissingExtraError(package, "train", f"the network {name}") from error


def first_convolution(trunk: nn.Module) -> tuple[str, nn.Conv2d]:
    """The layer that sees the picture, with its name."""
    return next((name, m) for name, m in trunk.named_modules() if isinstance(m, nn.Conv2d))


def see_gray(trunk: nn.Module) -> None:
    """Give the first convolution one input channel, with the filters that the first of three began with."""
    name, old = first_convolution(trunk)
    new = nn.Conv2d(
        1,
        old.out_channels,
        old.kernel_size,  # type: ignore[arg-type]
        old.stride,  # type: ignore[arg-type]
        old.padding,  # type: ignore[arg-type]
        bias=old.bias is not None,
    )
    new.weight = nn.Parameter(old.weight.detach()[:, :1].clone())
    if old.bias is not None:
        new.bias = nn.Parameter(old.bias.detach().clone())
    trunk.set_submodule(name, new)


def _torchvision(name: str) -> nn.Module:
    theirs, parts = TORCHVISION[name]
    whole = library(name).get_model(theirs, weights=None)
    return nn.Sequential(OrderedDict((part, getattr(whole, part)) for part in parts))


def _timm(name: str) -> nn.Module:
    whole: nn.Module = library(name).create_model(TIMM[name], pretrained=False, num_classes=0, global_pool="")
    return whole
