"""A recipe becomes a run folder. Reads top to bottom.

RUN/recipe.toml          the recipe as run
RUN/environment.json     versions, hardware, commit
RUN/split.json           row ids of every part
RUN/log.csv              a line per epoch
RUN/checkpoints/         last.ckpt, to resume from
RUN/weights.safetensors  the averaged weights at the end
RUN/bundle/              model.onnx and card.json
"""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import ModelCheckpoint, WeightAveraging
from safetensors.torch import load_file, save_file
from torch.optim.swa_utils import get_ema_multi_avg_fn

from mien.data import FaceSet, Split, official, open_faces
from mien.errors import RecipeError
from mien.expressions import FER2013
from mien.files import staged_file, write_text
from mien.models import build
from mien.recipe import Recipe, load
from mien.training.batches import FaceRows, scoring_loader, training_loader
from mien.training.environment import environment
from mien.training.progress import EpochLog, Reporter
from mien.training.task import ExpressionTask


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        folder: Its folder.
        recipe: The recipe as run.
        faces: The data set.
        split: Its parts.
        task: The network with the averaged weights, in evaluation mode.
    """

    folder: Path
    recipe: Recipe
    faces: FaceSet
    split: Split
    task: ExpressionTask


def start(
    recipe_file: Path,
    folder: Path,
    data: Path | None,
    report: Callable[[Reporter], None] | None = None,
    split_file: Path | None = None,
) -> Run:
    """Begin a run in a new folder.

    Args:
        recipe_file: The recipe.
        folder: Run folder; must not hold a run.
        data: Store or source file, in place of the recipe's.
        report: Called after every step and epoch with the state so far.
        split_file: Split in place of the recipe's; it needs the parts ``train`` and ``validation``.

    Raises:
        RecipeError: The recipe is wrong, ``folder`` already holds a run, or the labels are not the network's.
        DataError: As the data room raises.
    """
    recipe = load(recipe_file)
    if (folder / "recipe.toml").exists():
        raise RecipeError(
            f"{folder} already holds a run",
            "a new folder",
            f"Continue it with: mien train --resume {folder}   or name another with --out",
        )
    source = (data or recipe_file.parent / recipe.data.source).resolve()
    build(recipe.network)  # an impossible network is found before anything is written
    faces = open_faces(source)
    _need_labels(faces, recipe)
    if split_file is None and recipe.data.split is not None:
        split_file = recipe_file.parent / recipe.data.split
    if split_file is None:
        split = official(faces, recipe.data.validation, recipe.data.split_seed)
    else:
        split = _given(split_file, faces)
    folder.mkdir(parents=True, exist_ok=True)
    split.save(folder / "split.json")
    write_text(folder / "environment.json", json.dumps({**environment(), "data": str(source)}, indent=2) + "\n")
    write_text(folder / "recipe.toml", recipe_file.read_text(encoding="utf-8"))
    return _fit(folder, recipe, faces, split, None, report)


def resume(folder: Path, data: Path | None = None, report: Callable[[Reporter], None] | None = None) -> Run:
    """Continue a run from its last whole epoch; it ends as an unbroken run would.

    Raises:
        RecipeError: ``folder`` holds no run, or the data set is not the one it began with.
    """
    if not (folder / "recipe.toml").is_file():
        raise RecipeError(
            f"{folder} holds no run: it has no recipe.toml",
            "a folder written by mien train",
            "Begin one with: mien train RECIPE",
        )
    recipe, split, faces = _reopen(folder, data)
    checkpoint = folder / "checkpoints" / "last.ckpt"
    return _fit(folder, recipe, faces, split, checkpoint if checkpoint.is_file() else None, report)


def _need_labels(faces: FaceSet, recipe: Recipe) -> None:
    if faces.vocabulary.labels != FER2013.labels:
        raise RecipeError(
            f"{faces.provenance.source} has labels of {faces.vocabulary.name}: {', '.join(faces.vocabulary.labels)}",
            f"those the network {recipe.network.name} answers with: {', '.join(FER2013.labels)}",
            "Map them: mien data maps lists the maps there are, mien data import --map NAME uses one.",
        )


def _given(file: Path, faces: FaceSet) -> Split:
    split = Split.load(file)
    split.check(faces)
    for part in ("train", "validation"):
        if part not in split.parts:
            raise RecipeError(
                f"{file}: the split has no part {part}; it has {', '.join(split.parts)}",
                "the parts train and validation",
                f"Draw one from its training rows with: mien data split STORE --from {file} --validation 0.1",
            )
    return split


def _fit(
    folder: Path,
    recipe: Recipe,
    faces: FaceSet,
    split: Split,
    checkpoint: Path | None,
    report: Callable[[Reporter], None] | None,
) -> Run:
    limit = recipe.data.limit
    train = FaceRows(faces, faces.positions(split.parts["train"][:limit]))
    validation = FaceRows(faces, faces.positions(split.parts["validation"][:limit]))
    batches = training_loader(train, recipe.training.batch_size, recipe.seed, split.balance == "sampler")

    state = Reporter(recipe.training.epochs, len(batches), min(recipe.training.batch_size, len(train)))

    torch.manual_seed(recipe.seed)
    task = ExpressionTask(recipe, recipe.training.epochs * len(batches), split.class_weights)
    callbacks: list[pl.Callback] = [EpochLog(folder / "log.csv", state, report)]
    if recipe.training.ema:
        callbacks.append(
            WeightAveraging(multi_avg_fn=get_ema_multi_avg_fn(recipe.training.ema))  # type: ignore[no-untyped-call]
        )
    callbacks.append(
        ModelCheckpoint(
            folder / "checkpoints",
            filename="last",
            every_n_epochs=1,
            save_top_k=1,
            enable_version_counter=False,
            save_on_train_epoch_end=True,
        )
    )
    _quiet()
    trainer = pl.Trainer(
        max_epochs=recipe.training.epochs,
        accelerator="auto",
        devices=1,
        precision=recipe.training.precision,
        gradient_clip_val=recipe.training.gradient_clip or None,
        callbacks=callbacks,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
    )
    trainer.fit(task, batches, scoring_loader(validation), ckpt_path=checkpoint, weights_only=True)

    # The checkpoint holds the averaged weights, also where the run was killed between its last epoch and this line.
    state_dict = torch.load(folder / "checkpoints" / "last.ckpt", map_location="cpu", weights_only=True)["state_dict"]
    task.cpu().load_state_dict(state_dict)
    task.eval()
    with staged_file(folder / "weights.safetensors") as stage:
        save_file({k: v.contiguous() for k, v in task.network.state_dict().items()}, stage)
    return Run(folder, recipe, faces, split, task)


def _quiet() -> None:
    """Lightning's advice about loggers, workers and its cloud is not for our reader."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in (
        "The 'train_dataloader' does not have many workers",
        "The 'val_dataloader' does not have many",
        "Checkpoint directory .* exists",
        "The number of training batches",
        "Detected call of",
        ".*isinstance.treespec, LeafSpec",
    ):
        warnings.filterwarnings("ignore", message)


def finished(folder: Path, data: Path | None = None) -> Run:
    """Open a finished run, to export it again.

    Raises:
        RecipeError: ``folder`` holds no finished run.
    """
    if not (folder / "weights.safetensors").is_file():
        raise RecipeError(
            f"{folder} holds no finished run",
            "a run folder with weights.safetensors",
            f"Finish it with: mien train --resume {folder}",
        )
    recipe, split, faces = _reopen(folder, data)
    task = ExpressionTask(recipe, 1)
    task.network.load_state_dict(load_file(folder / "weights.safetensors"))
    return Run(folder, recipe, faces, split, task.eval())


def _reopen(folder: Path, data: Path | None) -> tuple[Recipe, Split, FaceSet]:
    recipe, split = load(folder / "recipe.toml"), Split.load(folder / "split.json")
    begun = json.loads((folder / "environment.json").read_text(encoding="utf-8"))
    faces = open_faces(data or Path(begun["data"]))
    if faces.provenance.sha256 != split.source_sha256:
        raise RecipeError(
            f"{folder} was begun with other data than {faces.provenance.source}",
            f"the source with sha256 {split.source_sha256[:16]}…",
            "Name it with --data.",
        )
    return recipe, split, faces
