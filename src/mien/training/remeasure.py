"""Accuracy over the faces that a finished run was trained on, with and without dropout and augmentation."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from lightning.fabric import Fabric
from torch import nn

from mien.data import FaceSet, Split
from mien.errors import RecipeError
from mien.models import Network, build
from mien.recipe import SCORES, AugmentSection, Recipe
from mien.training import checkpoint
from mien.training.augment import augment
from mien.training.batches import FaceRows, chunks
from mien.training.losses import vocabularies
from mien.training.progress import read_log
from mien.training.run import Run

MOST = 30_000  # faces
DROPOUT = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)


@dataclass(frozen=True)
class TrainingAccuracy:
    """How many of the training faces a network has right.

    Attributes:
        n: Faces, each counted once.
        plain: Right ones with dropout off, faces as they are.
        dropout: With dropout on, faces as they are.
        augmented: With dropout off, faces augmented by the recipe, in a way that they were not learnt in.
        both: With dropout on, faces augmented.
        epoch: The kept one, counted from 1.
        log: Accuracy of that epoch in ``log.csv``, counted while learning; None where it has none.
    """

    n: int
    plain: int
    dropout: int
    augmented: int
    both: int
    epoch: int
    log: float | None


def opened(folder: Path, recipe: Recipe, faces: FaceSet, split: Split) -> Run:
    """A finished run with its kept weights, of a data set that is open already.

    Args:
        folder: Run folder, with ``weights.safetensors``.
        recipe: As run.
        faces: Its data set, in the labels that it was trained on.
        split: As trained.

    Raises:
        RecipeError: The weights are missing, damaged or another network's.
    """
    network = build(recipe.network, faces.size, vocabularies(faces.vocabulary, recipe.loss), load=False)
    checkpoint.read_weights(folder / "weights.safetensors", network)
    return Run(folder, recipe, faces, split, network.eval())


def remeasure(run: Run, most: int = MOST, batch: int = 256) -> TrainingAccuracy:
    """Count the training faces that the kept weights have right, four ways.

    Only dropout is switched, in the modules that had it on in training: batch norm keeps to its moving statistics
    throughout. Faces are augmented by the recipe's limits with amounts of an epoch after its last one, for those of the
    epochs before were learnt; they are not mixed with each other. Amounts and dropout masks are drawn from the run's
    seed. Arithmetic is of the recipe's precision.

    Args:
        run: Finished. Its network is in evaluation mode afterwards.
        most: Faces; of more, so many are drawn with seed 0.
        batch: Faces at a time.

    Raises:
        RecipeError: The network was trained on votes alone, and does not answer in the labels.
    """
    labels, recipe, network = run.faces.vocabulary, run.recipe, run.network
    if labels.name not in {v.name for v in network.vocabularies}:
        raise RecipeError(
            f"{recipe.name} answers in {', '.join(v.name for v in network.vocabularies)}, and not in the labels",
            f"a network with a head for {labels.name}",
            "Set loss.labels to more than 0.",
        )
    rows = np.unique(run.rows("train"))
    if len(rows) > most:
        rows = np.sort(np.random.default_rng(0).choice(rows, most, replace=False))
    log = read_log(run.folder / "log.csv")
    epoch = kept_epoch(log, recipe)
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    fabric = Fabric(accelerator="auto", devices=1, precision=recipe.training.precision)
    network.to(fabric.device).to(memory_format=torch.channels_last)
    train = FaceRows(run.faces, run.faces.positions(rows), fabric.device)

    def right(section: AugmentSection, dropout: bool) -> int:
        return _right(run, train, fabric, section, dropout, batch)

    as_they_are, both = AugmentSection(), recipe.augment
    counts = (right(as_they_are, False), right(as_they_are, True), right(both, False), right(both, True))
    network.cpu().to(memory_format=torch.contiguous_format).eval()
    return TrainingAccuracy(len(rows), *counts, epoch, log[epoch - 1].get("accuracy"))


def kept_epoch(log: Sequence[dict[str, float]], recipe: Recipe) -> int:
    """Epoch whose weights a finished run kept, counted from 1.

    Args:
        log: Rows of its ``log.csv``.
        recipe: As run.
    """
    return len(log) if recipe.training.keep == "last" else best_epoch(log, recipe)


def best_epoch(log: Sequence[dict[str, float]], recipe: Recipe) -> int:
    """The first epoch, counted from 1, with the best value of what the recipe monitors."""
    watched = [row[recipe.training.monitor] for row in log]
    return watched.index(max(watched) if SCORES[recipe.training.monitor] else min(watched)) + 1


def _right(run: Run, train: FaceRows, fabric: Fabric, section: AugmentSection, dropout: bool, batch: int) -> int:
    """How many faces are answered rightly."""
    network, name, seed = run.network, run.faces.vocabulary.name, run.recipe.seed
    unseen = run.recipe.training.epochs  # epochs are counted from 0 here
    switch(network, dropout)
    right = torch.zeros((), dtype=torch.int64, device=fabric.device)
    with torch.random.fork_rng(), torch.inference_mode():
        torch.manual_seed(seed)
        for index in chunks(len(train), batch):
            rows = train.batch(index)
            faces = augment(rows["faces"].float() / 255, rows["rows"], unseen, seed, section)
            with fabric.autocast():  # not around the augmentation, which is of 32 bits while learning too
                logits = network(faces)[name]
            right += (logits.argmax(1) == rows["labels"]).sum()
    return int(right)


def switch(network: Network, dropout: bool) -> None:
    """Put a network in evaluation mode but for its dropout, which is on or off; a frozen backbone's stays off."""
    network.train(dropout)
    for module in network.modules():
        if not isinstance(module, DROPOUT):
            module.training = False
