"""Networks of torchvision and timm from scratch: counts, channels, freezing and rates."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from mien.errors import MissingExtraError, RecipeError
from mien.expressions import FER2013, FERPLUS
from mien.models import BUILDERS, Network, backbones, build, layer_table
from mien.recipe import BackboneSection

# Name → parameters as the library gives them for 1,000 classes on colour, those of its classifier, and features.
COUNTS = {
    "vgg16": (138_357_544, 123_642_856, 512),
    "resnetv2": (25_549_352, 2_049_000, 2048),
    "efficientnet": (5_288_548, 1_281_000, 1280),
    "mobilenetv2": (3_504_872, 1_281_000, 1280),
    "shufflenetv2": (2_278_604, 1_025_000, 1024),
    "resnet18": (11_689_512, 513_000, 512),
}


def made(name: str, size: int = 64, on: str = "meta", **options: Any) -> Network:
    with torch.device(on):
        return build(BackboneSection.model_validate({"name": name, **options}), size, [FER2013], (0.5, 0.25))


@pytest.mark.parametrize("name", COUNTS)
def test_everything_but_the_classifier_is_the_librarys(name: str) -> None:
    whole, classifier, width = COUNTS[name]
    network = made(name, channels=3)
    assert network.backbone is not None and network.pooled and network.width == width
    assert sum(p.numel() for p in network.backbone.parameters()) == whole - classifier
    assert (network.channels, network.order) == (3, "RGB")
    gray = made(name)
    assert (gray.channels, gray.order) == (1, "gray")
    first = next(p for p in network.parameters() if p.ndim == 4)
    assert sum(p.numel() for p in network.parameters()) - sum(p.numel() for p in gray.parameters()) == (
        2 * first[:, :1].numel()
    )
    table = layer_table(gray)
    assert sum(layer.trainable for layer in table) == sum(p.numel() for p in gray.parameters())
    assert [(layer.kind, layer.shape) for layer in table[-2:]] == [
        ("GlobalAveragePooling2D", (None, width)),
        ("Dense", (None, 7)),
    ]


def test_the_counts_above_are_torchvisions_own() -> None:
    from torchvision.models import get_model_weights

    for name, (theirs, _) in backbones.TORCHVISION.items():
        assert get_model_weights(theirs).DEFAULT.meta["num_params"] == COUNTS[name][0]


@pytest.mark.parametrize("channels", [1, 3])
def test_gray_faces_of_any_side_give_logits_and_maps(channels: int) -> None:
    network = made("shufflenetv2", 64, "cpu", channels=channels).eval()
    faces = torch.rand(2, 1, 48, 48)
    assert network(faces)["fer2013"].shape == (2, 7)
    assert network.maps(faces).shape == (2, 1024, 2, 2)
    assert torch.allclose(network.maps(faces).mean(dim=(2, 3)), network.features(faces))
    assert torch.equal(network.prepare(torch.full((1, 1, 64, 64), 0.75)), torch.ones(1, channels, 64, 64))


def test_new_dense_layers_stand_before_the_classifier() -> None:
    network = made("resnet18", hidden=[96, 32], dropout=0.25)
    assert (network.width, network.pooled, network.dropout.p) == (32, False, 0.25)
    assert [(layer.name, layer.shape) for layer in layer_table(network)[-5:]] == [
        ("global_average_pooling2d", (None, 512)),
        ("dense", (None, 96)),
        ("dense_1", (None, 32)),
        ("dropout", (None, 32)),
        ("dense_2", (None, 7)),
    ]


def trained(network: Network, steps: int = 3) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The network's state before and after some steps of plain gradient descent, group by group."""
    before = copy.deepcopy(network.state_dict())
    optimizer = torch.optim.SGD([{"params": p, "lr": 1e-3 * rate} for rate, p in network.groups()])
    network.train()
    faces, labels = torch.rand(4, 1, 32, 32), torch.tensor([0, 1, 2, 3])
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(faces)["fer2013"], labels).backward()
        optimizer.step()
    return before, network.state_dict()


def moved(before: dict[str, Tensor], after: dict[str, Tensor], part: str) -> float:
    names = [n for n in before if n.startswith(part) and before[n].dtype.is_floating_point]
    return float(sum((after[n] - before[n]).abs().sum() for n in names))


def test_a_frozen_backbone_does_not_move_and_neither_do_its_statistics() -> None:
    torch.manual_seed(0)
    network = made("shufflenetv2", 32, "cpu", backbone_rate=0.0, hidden=[16])
    before, after = trained(network)
    frozen = [n for n in before if n.startswith("layers.0.")]
    assert len(frozen) > 300 and any("running_var" in n for n in frozen)
    assert all(torch.equal(before[n], after[n]) for n in frozen)
    assert moved(before, after, "layers.2.") > 0 and moved(before, after, "heads.") > 0
    table = layer_table(network)
    assert sum(layer.trainable for layer in table) == 1024 * 16 + 16 + 16 * 7 + 7
    assert network.training and not network.backbone.training  # type: ignore[union-attr]


def test_a_fine_tuned_backbone_moves_by_its_share_of_the_rate() -> None:
    distances = {}
    for rate in (1.0, 0.1):
        torch.manual_seed(0)
        network = made("shufflenetv2", 32, "cpu", backbone_rate=rate)
        assert network.backbone is not None
        before, after = trained(network, 1)
        names = [f"layers.{n}" for n, _ in network.backbone.named_parameters()]
        distances[rate] = sum(float((after[n] - before[n]).abs().sum()) for n in names)
        assert moved(before, after, "heads.") > 0
        counts = [sum(p.numel() for p in group) for _, group in network.groups()]
        assert sum(counts) == sum(p.numel() for p in network.parameters()) and len(counts) == 2
    assert distances[0.1] == pytest.approx(0.1 * distances[1.0], rel=0.02)
    assert distances[0.1] > 0


def test_a_side_too_small_is_named_with_one_that_works() -> None:
    with pytest.raises(RecipeError, match="vgg16 cannot see pictures of 24×24.*at least 32.*network.side = 32"):
        made("vgg16", 24)
    made("vgg16", 24, side=32)


def test_a_missing_library_is_told_with_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(backbones, "import_module", absent)
    with pytest.raises(MissingExtraError, match=r"resnetv2 needs the package timm.*mien\[train\]"):
        made("resnetv2")
    with pytest.raises(MissingExtraError, match="package torchvision"):
        made("vgg16")


def test_several_heads_share_a_backbone() -> None:
    section = BackboneSection(name="mobilenetv2")
    with torch.device("meta"):
        network = build(section, 64, [FER2013, FERPLUS])
    assert [layer.shape for layer in layer_table(network)[-2:]] == [(None, 7), (None, 8)]
    assert BUILDERS["mobilenetv2"].scaling == "standard"
