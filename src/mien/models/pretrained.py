"""Weights to start from: a library's, from its hub or a copy of its file, and those of mien's own runs.

Weights bring their input scaling with them. A library's name stands for weights and scaling at once, a copy of its file
is recognised by its hash where the library publishes one (torchvision does), and mien's own files hold theirs.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mien.errors import FetchError, RecipeError
from mien.files import sha256
from mien.models.backbones import TIMM, TORCHVISION, first_convolution, library
from mien.models.network import Network, Scaling
from mien.recipe import BackboneSection, NetworkSection

# Mean and deviation of channels that are scaled alike, by whatever.
_ALIKE = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)


def scaling(section: BackboneSection) -> Scaling:
    """How the library's weights that a section names want their input; nothing is loaded.

    Gray input (one channel) is scaled by the averages of the three channels' numbers; ``load`` fits the weights to it.

    Raises:
        RecipeError: The library has no such weights.
    """
    mean, std = _numbers(section)
    if section.input_channels == 3:
        return Scaling(mean, std, "RGB")
    return Scaling((sum(mean) / 3,), (sum(std) / 3,))


def load(network: Network, section: NetworkSection, base: Path) -> None:
    """Put the weights that a section names into a network built from it. Its heads stay as they are.

    Args:
        network: Changed in place.
        section: Its ``[network]`` table, with ``weights``.
        base: Folder that paths are relative to.

    Raises:
        RecipeError: No such weights or file, or weights of another network.
        FetchError: The library's hub cannot be reached, or sent something else.
    """
    if section.own_weights:
        assert section.weights is not None
        _load_own(network, section, base / section.weights)
        return
    assert isinstance(section, BackboneSection)  # no other takes a library's name
    assert network.backbone is not None
    if section.weights_file is not None:
        path = base / section.weights_file
        state, where = _read(path), str(path)
    else:
        path, (state, where) = None, _from_hub(section)
    trunk = network.backbone
    wanted = trunk.state_dict()
    # What belongs to the classifier is left out; everything else must be there and fit.
    kept = {name: value for name, value in state.items() if name.partition(".")[0] not in ("fc", "classifier", "head")}
    remedy = f"The recipe asks for the weights {section.weights} of the network {section.name}."
    first = first_convolution(trunk)[0] + ".weight"
    _compare(kept, {**wanted, first: _of_three(wanted[first])}, where, remedy)
    if path is not None:
        _check_copy(path, section)
    if network.channels == 1:
        # Misscaled, all three channels get the same numbers, and so do the filters that are folded for them.
        _fold(kept, trunk, *(_numbers(section) if section.misscaled is None else _ALIKE))
    trunk.load_state_dict(kept, strict=False)


def _of_three(weight: Tensor) -> Tensor:
    return weight.expand(-1, 3, -1, -1)


def _torchvision_weights(section: BackboneSection) -> Any:
    theirs = TORCHVISION[section.name][0]
    found = library(section.name).get_model_weights(theirs)
    names = {"imagenet": found.DEFAULT, **{w.name: w for w in found}, **{str(w): w for w in found}}
    if section.weights not in names:
        raise RecipeError(
            f"network.weights: torchvision has no weights {section.weights!r} of {theirs}",
            f"imagenet or one of {', '.join(w.name for w in found)}, or a weights.safetensors written by mien",
        )
    return names[section.weights]


def _timm_tag(section: BackboneSection) -> str:
    """The full name that timm knows the weights by, such as resnetv2_50.a1h_in1k."""
    theirs = TIMM[section.name]
    timm = library(section.name)
    tags = [t.partition(".")[2] for t in timm.list_pretrained(f"{theirs}.*")]
    usual = section.weights == "imagenet"
    wanted = timm.get_pretrained_cfg(theirs).tag if usual else str(section.weights).removeprefix(f"{theirs}.")
    if wanted not in tags:
        raise RecipeError(
            f"network.weights: timm has no weights {section.weights!r} of {theirs}",
            f"imagenet or one of {', '.join(tags)}, or a weights.safetensors written by mien",
        )
    return f"{theirs}.{wanted}"


def _numbers(section: BackboneSection) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of the three channels, from the library's description of the weights."""
    if section.name in TIMM:
        described = library(section.name).get_pretrained_cfg(_timm_tag(section))
        return tuple(described.mean), tuple(described.std)
    transforms = _torchvision_weights(section).transforms()
    return tuple(transforms.mean), tuple(transforms.std)


def _from_hub(section: BackboneSection) -> tuple[dict[str, Tensor], str]:
    """The weights as the library's own code fetches and caches them, and what to call them."""
    if section.name in TIMM:
        tag = _timm_tag(section)
        name, source = tag, f"https://huggingface.co/timm/{tag}"
    else:
        weights = _torchvision_weights(section)
        name, source = str(weights), weights.url
    try:
        if section.name in TIMM:
            state = library(section.name).create_model(name, pretrained=True, num_classes=0).state_dict()
        else:
            state = weights.get_state_dict(progress=sys.stderr.isatty(), check_hash=True)
    except Exception as error:  # whatever their downloaders raise: it is their hub, their cache or the way there
        reason = str(error).strip().splitlines()
        raise FetchError(
            f"the weights {name} cannot be loaded from {source}: {reason[0] if reason else type(error).__name__}",
            "a connection, or the file in the library's cache",
            'Fetch that file elsewhere and name it in the recipe: weights_file = "PATH", beside weights.',
        ) from error
    return dict(state), name


def _check_copy(path: Path, section: BackboneSection) -> None:
    """Other weights of the same shape may want other input, which would go unnoticed."""
    if section.name in TIMM:
        return  # timm publishes no hash
    weights = _torchvision_weights(section)
    published = weights.url.rpartition("-")[2].removesuffix(".pth")
    if not (came := sha256(path)).startswith(published):
        raise RecipeError(
            f"{path} is not the file of {weights}: its sha256 begins with {came[: len(published)]}",
            f"{published}, the file at {weights.url}",
            "Weights that were trained otherwise may want another input scaling, which nothing in the file tells. "
            'Those of a run of mien go into weights = "RUN/weights.safetensors".',
        )


def _read(path: Path) -> dict[str, Tensor]:
    """Tensors by name, of a .safetensors or a torch file; nothing in it is run."""
    from safetensors.torch import load_file

    if not path.is_file():
        raise RecipeError(f"there is no weights file {path}", "the path of one, relative to the recipe")
    try:
        found = (
            load_file(path)
            if path.suffix == ".safetensors"
            else torch.load(path, map_location="cpu", weights_only=True)
        )
    except Exception as error:  # zip, pickle and header errors of many kinds
        reason = str(error).strip().splitlines()
        raise RecipeError(
            f"{path} cannot be read as weights: {reason[0] if reason else type(error).__name__}",
            "a .pth or .safetensors file with a tensor for each layer",
        ) from error
    if not isinstance(found, Mapping) or not all(isinstance(v, Tensor) for v in found.values()) or not found:
        raise RecipeError(f"{path} does not hold weights by layer", "a state dict: a tensor for each layer's weights")
    return dict(found)


def _load_own(network: Network, section: NetworkSection, path: Path) -> None:
    about = _about(path)
    theirs = json.loads(about["network"])
    if theirs["name"] != section.name:
        raise RecipeError(
            f"{path} holds weights of the network {theirs['name']}",
            f"those of {section.name}",
            f'Set network.name = "{theirs["name"]}", or leave weights out.',
        )
    if theirs.get("misscaled") is not None:
        raise RecipeError(
            f"{path} holds weights of a run that was misscaled on purpose ({theirs['misscaled']})",
            "weights with the scaling that they were trained with",
            "Name the weights that that run began with.",
        )
    kept = {name: value for name, value in _read(path).items() if not name.startswith("heads.")}
    wanted = {name: value for name, value in network.state_dict().items() if not name.startswith("heads.")}
    if isinstance(section, BackboneSection) and section.hidden != theirs.get("hidden", []):
        # The dense layers are new, as the heads are: what counts is the backbone and its input.
        kept = _backbone_alone(kept, bool(theirs.get("hidden")), bool(section.hidden))
        wanted = _backbone_alone(wanted, bool(section.hidden), bool(section.hidden))
    made = ", ".join(
        f"{k} = {json.dumps(v)}" for k, v in theirs.items() if v is not None and not k.startswith("weights")
    )
    _compare(kept, wanted, str(path), f"It was written by a run at {about['side']}×{about['side']} with {made}")
    network.load_state_dict(kept, strict=False)  # the scaling is part of it
    network.order = about["order"]


def _backbone_alone(state: dict[str, Tensor], dense: bool, wanted: bool) -> dict[str, Tensor]:
    """Scaling and backbone of a state, named as where there are dense layers behind it, or are none (``wanted``)."""
    here, there = ("layers.0." if has else "layers." for has in (dense, wanted))
    trunk = {there + name.removeprefix(here): value for name, value in state.items() if name.startswith(here)}
    return {name: state[name] for name in ("mean", "std")} | trunk


def _about(path: Path) -> dict[str, str]:
    """What mien wrote about the weights into their file."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise RecipeError(
            f"there is no weights file {path}", "a weights.safetensors written by mien train, relative to the recipe"
        )
    try:
        with safe_open(path, "pt") as file:
            found = dict(file.metadata() or {})
    except SafetensorError as error:
        raise RecipeError(
            f"{path} is not a safetensors file ({error})", "a weights.safetensors written by mien train"
        ) from error
    if not {"mien", "network", "side", "order"} <= found.keys():
        raise RecipeError(
            f"{path} was not written by mien: nothing in it tells the input scaling",
            "a weights.safetensors written by mien train",
            'A copy of a library\'s file goes into weights_file, beside its name: weights = "imagenet".',
        )
    return found


def _compare(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor], where: str, remedy: str) -> None:
    """Raise where a layer is missing, is one too many, or has another shape; the first that does is named."""
    for name, value in wanted.items():
        if name not in found:
            if name.endswith("num_batches_tracked"):  # torch wrote none before 0.4.1, and nothing here reads it
                continue
            raise RecipeError(f"{where} has no {name}", f"shape {_written(value)} there", remedy)
        if found[name].shape != value.shape:
            raise RecipeError(
                f"{where}: {name} has the shape {_written(found[name])}", f"{_written(value)} here", remedy
            )
    if more := [name for name in found if name not in wanted]:
        raise RecipeError(f"{where} has {more[0]}, which the network has not", "its layers and no others", remedy)


def _written(value: Tensor) -> str:
    return "×".join(map(str, value.shape)) or "()"


def _fold(state: dict[str, Tensor], trunk: nn.Module, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
    """Turn the first convolution's filters for R, G and B into one for gray that answers as they do to repeated gray.

    With x = (gray - m) / s, m and s the averages of the channels' numbers, Σ w_c (gray - mean_c) / std_c is
    (s Σ w_c / std_c) x + Σ w_c (m - mean_c) / std_c. The second term does not depend on the picture: it goes into the
    bias, or where there is none into the moving mean of the batch norm behind it (which subtracts it). Exact but at
    the border, where padding is 0 after scaling and so another gray in each channel; exact there too where the three
    means are the same.
    """
    name, _ = first_convolution(trunk)
    weight = state[f"{name}.weight"].double()
    m, s = sum(mean) / 3, sum(std) / 3
    means, deviations = (torch.tensor(v, dtype=torch.float64).view(1, 3, 1, 1) for v in (mean, std))
    shift = (weight * (m - means) / deviations).sum(dim=(1, 2, 3))
    state[f"{name}.weight"] = (s * weight / deviations).sum(dim=1, keepdim=True).float()
    if f"{name}.bias" in state:
        state[f"{name}.bias"] = (state[f"{name}.bias"] + shift).float()
    elif len(set(mean)) > 1:
        behind = next(n for n, module in trunk.named_modules() if isinstance(module, nn.BatchNorm2d))
        state[f"{behind}.running_mean"] = (state[f"{behind}.running_mean"] - shift).float()
