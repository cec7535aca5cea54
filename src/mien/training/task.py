"""What Lightning trains: the network with its loss, optimizer and schedule."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from torch import Tensor, nn

from mien.expressions import FER2013, FERPLUS, ferplus_majority
from mien.models import build
from mien.recipe import Recipe
from mien.training.augment import augment
from mien.training.batches import Batch
from mien.training.losses import two_headed_loss

# About the mean and standard deviation of FER2013's Training pixels, scaled to 0 to 1 (a test compares them). Networks
# are trained with these numbers: others would need a new training.
MEAN, STD = 0.5077, 0.2550


def normalise(faces: Tensor) -> Tensor:
    """(N, 1, s, s) float 0 to 1 → zero mean, unit variance over FER2013."""
    return (faces - MEAN) / STD


class ExpressionTask(pl.LightningModule):
    """A recipe's network and how it is trained.

    Args:
        recipe: The recipe as run.
        steps: Optimizer steps of the whole run.
        class_weights: FER2013 label → weight in the training loss; empty where all weigh the same.
    """

    def __init__(self, recipe: Recipe, steps: int, class_weights: dict[str, float] | None = None) -> None:
        super().__init__()
        self.recipe, self.steps = recipe, steps
        weights = [class_weights[label] for label in FER2013.labels] if class_weights else None
        self.class_weights = None if weights is None else torch.tensor(weights)
        self.network = build(recipe.network).to(memory_format=torch.channels_last)

    def training_step(self, batch: Batch, index: int) -> Tensor:
        # Dropout draws from the global generator: tied to the step, a resumed run draws what an unbroken one would.
        torch.manual_seed(self.recipe.seed * 1_000_003 + self.global_step)
        faces = batch["faces"].float() / 255
        faces = augment(faces, batch["rows"], self.current_epoch, self.recipe.seed, self.recipe.augment)
        logits = self.network(normalise(faces).contiguous(memory_format=torch.channels_last))
        weights = None if self.class_weights is None else self.class_weights.to(self.device)
        loss = two_headed_loss(logits, batch["labels"], batch["votes"], self.recipe.loss, weights)
        self.log("loss", loss, on_step=False, on_epoch=True, batch_size=len(faces))
        return loss

    def validation_step(self, batch: Batch, index: int) -> None:
        faces = normalise(batch["faces"].float() / 255).contiguous(memory_format=torch.channels_last)
        logits = self.network(faces)
        n = len(batch["labels"])
        loss = two_headed_loss(logits, batch["labels"], batch["votes"], self.recipe.loss)
        self.log("val_loss", loss, batch_size=n)
        right = (logits[FER2013.name].argmax(1) == batch["labels"]).float().mean()
        self.log("val_accuracy", right, batch_size=n)
        majority = torch.from_numpy(ferplus_majority(np.asarray(batch["votes"].cpu()))).to(self.device)
        named = majority >= 0
        if named.any():
            plus = (logits[FERPLUS.name].argmax(1)[named] == majority[named]).float().mean()
            self.log("val_ferplus", plus, batch_size=int(named.sum()))

    def configure_optimizers(self) -> Any:
        section = self.recipe.training
        weights = [p for p in self.network.parameters() if p.ndim > 1]
        others = [p for p in self.network.parameters() if p.ndim <= 1]
        optimizer = torch.optim.AdamW(
            [{"params": weights, "weight_decay": section.weight_decay}, {"params": others, "weight_decay": 0.0}],
            lr=section.learning_rate,
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, section.learning_rate, total_steps=self.steps, pct_start=section.warmup
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class Deployed(nn.Module):
    """A trained network as the bundle holds it: uint8 in, named outputs out, normalisation and temperature inside.

    Args:
        network: The trained network.
        temperatures: By vocabulary name; probabilities are softmax(logits / temperature).
    """

    def __init__(self, network: nn.Module, temperatures: dict[str, float]) -> None:
        super().__init__()
        self.network, self.temperatures = network, temperatures

    @property
    def output_names(self) -> list[str]:
        """Names of what ``forward`` returns, in order."""
        kinds = ("logits", "probabilities", "evidence")
        return [*(f"{v}_{kind}" for v in self.temperatures for kind in kinds), "features"]

    def forward(self, faces: Tensor) -> tuple[Tensor, ...]:
        """(N, s, s) uint8 → for each vocabulary logits, probabilities and evidence; then features.

        Evidence is (N, len(vocabulary), s', s'): each head applied at every place of the last feature map, so that its
        mean over places is the logits (class activation mapping, Zhou et al. 2015, arXiv 1512.04150).
        """
        maps = self.network.maps(normalise(faces.float()[:, None] / 255))  # type: ignore[operator]  # (N, C, s', s')
        features = maps.mean(dim=(2, 3))  # (N, C)
        outputs = []
        for name, temperature in self.temperatures.items():
            head: nn.Linear = self.network.heads[name]  # type: ignore[index, assignment]
            logits = head(features)
            evidence = nn.functional.conv2d(maps, head.weight[:, :, None, None], head.bias)
            outputs += [logits, torch.softmax(logits / temperature, dim=1), evidence]
        return (*outputs, features)
