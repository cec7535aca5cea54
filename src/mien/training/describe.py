"""Networks described without being trained: which there are, and their layers as the papers print them."""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import torch

from mien.errors import MissingExtraError, RecipeError
from mien.expressions import FER2013, VOCABULARIES, Vocabulary
from mien.models import BUILDERS, Layer, build, layer_table
from mien.recipe import NetworkSection, Recipe, changed, load, network_names
from mien.training.losses import vocabularies

__all__ = ["Described", "Layer", "described", "of_recipe", "overview", "recipe_of"]


@dataclass(frozen=True)
class Described:
    """A network and its layers.

    Attributes:
        name: As recipes name it.
        source: Paper, or library and its name there.
        side: Of the pictures it sees, pixels.
        channels: Of its input.
        layers: In the order in which they work.
    """

    name: str
    source: str
    side: int
    channels: int
    layers: tuple[Layer, ...]

    @property
    def total(self) -> int:
        """Weights, biases and batch norm's moving statistics, which Keras counts too."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def trainable(self) -> int:
        """Those that an optimizer changes."""
        return sum(layer.trainable for layer in self.layers)

    def text(self) -> str:
        """The table as Keras and the papers print it."""
        rows = [(f"{layer.name} ({layer.kind})", _shape(layer), f"{layer.parameters:,}") for layer in self.layers]
        head = ("Layer (type)", "Output Shape", "Param #")
        first, second, third = (max(len(row[at]) for row in [head, *rows]) for at in range(3))
        lines = [f"{a:<{first}}  {b:<{second}}  {c:>{third}}" for a, b, c in [head, *rows]]
        wide = len(lines[0])
        colour = "gray" if self.channels == 1 else "RGB"
        return "\n".join(
            [
                f'Model: "{self.name}", {colour} {self.side}×{self.side}',
                self.source,
                "",
                lines[0],
                "=" * wide,
                *lines[1:],
                "=" * wide,
                f"Total params: {self.total:,}",
                f"Trainable params: {self.trainable:,}",
                f"Non-trainable params: {self.total - self.trainable:,}",
            ]
        )


@dataclass(frozen=True)
class Overview:
    """A line about a network.

    Attributes:
        name: As recipes name it.
        source: Paper, or library and its name there.
        side: That its source uses, pixels.
        parameters: That an optimizer changes, with seven classes; None where the library is not installed.
        error: Why.
    """

    name: str
    source: str
    side: int
    parameters: int | None
    error: str | None


def overview() -> list[Overview]:
    """All networks; those whose size is an option as ``recipe_of`` gives them."""
    found = []
    for name, builder in BUILDERS.items():
        parameters, problem = None, None
        try:
            parameters = described(recipe_of(name).network, (FER2013,), builder.side).trainable
        except MissingExtraError as error:
            problem = str(error)
        found.append(Overview(name, builder.source, builder.side, parameters, problem))
    return found


def recipe_of(name: str) -> Recipe:
    """A recipe around a network by its name, with its usual options; the residual one as in mien-small.

    Raises:
        RecipeError: There is no such network.
    """
    if name not in network_names():
        near = difflib.get_close_matches(name, network_names(), 1, 0.4)
        raise RecipeError(
            f"there is no network {name!r}{f', did you mean {near[0]}?' if near else ''}",
            f"one of {', '.join(network_names())}, or a recipe file",
        )
    shipped = load(Path(str(files("mien"))) / "recipes" / "mien-small.toml")
    if name == shipped.network.name:
        return changed(shipped, {"loss.votes": 0.0})
    plain = shipped.model_dump(exclude_unset=True, exclude={"network": True, "loss": True})
    return Recipe.model_validate({**plain, "network": {"name": name}})


def of_recipe(recipe: Recipe, classes: int | None = None) -> Described:
    """The network of a recipe.

    Args:
        recipe: Any; its weights are not looked at.
        classes: Number of labels; those of the recipe's vocabulary if None, and seven where it names none.
    """
    labels = VOCABULARIES.get(recipe.data.labels or "", FER2013)
    if classes is not None:
        labels = Vocabulary("labels", tuple(str(n) for n in range(classes)))
    usual = BUILDERS[recipe.network.name].side
    return described(recipe.network, vocabularies(labels, recipe.loss), usual)


def described(section: NetworkSection, heads: Sequence[Vocabulary], size: int) -> Described:
    """A network with a head for each vocabulary. It takes no memory and reads no weights.

    Raises:
        RecipeError: The side does not suit it.
        MissingExtraError: The library of the network is not installed.
    """
    with torch.device("meta"):
        network = build(section, size, heads, load=False)
    source = BUILDERS[section.name].source
    return Described(section.name, source, network.side, network.channels, tuple(layer_table(network)))


def _shape(layer: Layer) -> str:
    return f"({', '.join('None' if n is None else json.dumps(n) for n in layer.shape)})"
