"""A network as a recipe would begin with it, without data: what is measured of a network that has no bundle yet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from lightning.fabric import Fabric
from torch import Tensor

from mien.errors import RecipeError
from mien.expressions import FER2013, FERPLUS_VOTES, VOCABULARIES, Vocabulary
from mien.models import Network, build
from mien.recipe import Recipe, validated
from mien.training.export import Deployed, to_onnx
from mien.training.learner import Learner
from mien.training.losses import vocabularies

_STEPS = 10_000  # of the run that a step belongs to: a schedule must not end while steps are measured
# What is trained by where a network is named without a recipe.
_PLAIN = {"epochs": 100, "batch_size": 128, "learning_rate": 1e-3}


@dataclass(frozen=True)
class Untrained:
    """A recipe's network before training.

    Attributes:
        recipe: Its network, training, loss and augmentation count.
        side: Of the faces that come in, pixels.
        classes: Number of classes; that of the recipe's own label set if None.
    """

    recipe: Recipe
    side: int
    classes: int | None = None

    @property
    def labels(self) -> Vocabulary:
        """What the labels would be: the recipe's set, else FER2013's, else numbered classes."""
        own = VOCABULARIES.get(self.recipe.data.labels or FER2013.name, FER2013)
        if self.classes in (None, len(own)):
            return own
        return Vocabulary(f"classes-{self.classes}", tuple(f"class {i}" for i in range(self.classes or 0)))

    def network(self) -> Network:
        """Build it on the CPU, with weights drawn at random; pre-trained ones would cost the same.

        Raises:
            RecipeError: It cannot be built so.
        """
        section = self.recipe.network
        if getattr(section, "weights", None) is not None:
            section = section.model_copy(update={"weights": None, "weights_file": None})
        return build(section, self.side, vocabularies(self.labels, self.recipe.loss), (0.5, 0.25))

    def batch(self, n: int) -> dict[str, Tensor]:
        """n faces of noise with labels and votes drawn at random, as the training hands them out."""
        generator = torch.Generator().manual_seed(0)
        faces = torch.randint(256, (n, 1, self.side, self.side), generator=generator)
        return {
            "faces": faces.to(torch.uint8),
            "labels": torch.randint(len(self.labels), (n,), generator=generator),
            "votes": torch.randint(3, (n, len(FERPLUS_VOTES)), generator=generator).to(torch.uint8),
            "rows": torch.arange(n),
        }

    def trainer(self, n: int) -> Callable[[int], None]:
        """A step of the recipe's training on a batch of n faces, to be called with its number; it waits for the device.

        Raises:
            RecipeError: The network cannot be built so.
        """
        training = self.recipe.training
        fabric = Fabric(accelerator="auto", devices=1, precision=training.precision)
        learner = Learner(self.recipe, self.network(), _STEPS, fabric=fabric, labels=self.labels)
        batch = {name: values.to(fabric.device) for name, values in self.batch(n).items()}

        def step(at: int) -> None:
            learner.step(batch, 0, at).item()

        return step


def named(network: str) -> Recipe:
    """A plain recipe around a network: AdamW, float32, no augmentation, one cross-entropy.

    Raises:
        RecipeError: The network has options without a default.
    """
    values = {
        "name": network,
        "data": {"source": "none", "validation": 0.1},
        "network": {"name": network},
        "training": _PLAIN,
    }
    try:
        return validated(values, f"the network {network} alone")
    except RecipeError as error:
        raise RecipeError(
            error.came, "a recipe that says it", "Name one that ships with mien, such as mien-small.toml, or a file."
        ) from error


def write_onnx(network: Network, side: int, file: Path) -> tuple[str, ...]:
    """Write the network as a bundle would hold it.

    Args:
        network: Any.
        side: Of the faces, pixels.
        file: To write.

    Returns:
        Names of its probabilities.
    """
    deployed = Deployed(network, {v.name: 1.0 for v in network.vocabularies}).eval()
    file.write_bytes(to_onnx(deployed, side))
    return tuple(f"{v.name}_probabilities" for v in network.vocabularies)
