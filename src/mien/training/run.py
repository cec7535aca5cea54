"""A recipe becomes a run folder. Reads top to bottom.

RUN/recipe.toml          the recipe as run
RUN/environment.json     versions, hardware, commit, data, and why the run was shortened, if it was
RUN/split.json           row ids of every part
RUN/log.csv              a line per epoch
RUN/.lock                held by the process that trains in it
RUN/checkpoints/         last.ckpt, to resume from; best.safetensors where the recipe keeps the best
RUN/weights.safetensors  the weights that were kept, at the end
RUN/bundle/              model.onnx and card.json
"""

from __future__ import annotations

import json
import logging
import os
import warnings
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from lightning.fabric import Fabric

from mien.data import FaceSet, Split, balance, open_faces, relabel
from mien.errors import RecipeError
from mien.evaluation.plan import asked_split
from mien.expressions import find_map
from mien.files import write_text
from mien.models import BUILDERS, Network, build
from mien.recipe import Recipe, changed, extends, load, to_toml
from mien.training import checkpoint
from mien.training.batches import EpochOrder, FaceRows, limited
from mien.training.environment import environment
from mien.training.holding import held
from mien.training.learner import Learner
from mien.training.loop import Loop
from mien.training.losses import balanced_weights, named_weights, vocabularies
from mien.training.progress import Report


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        folder: Its folder.
        recipe: The recipe as run.
        faces: The data set, with the labels that were trained on.
        split: Its parts.
        network: With the weights that were kept, in evaluation mode, on the CPU.
        shortened: Why the run was shorter than its recipe says; empty where it was not.
        kept: Epoch whose weights they are, counted from 1; 0 where it is not known.
        stopped: Why training ended before the recipe's last epoch; empty where it did not.
        first: Whether this is the first of the processes that trained; only that one writes.
    """

    folder: Path
    recipe: Recipe
    faces: FaceSet
    split: Split
    network: Network
    shortened: str = ""
    kept: int = 0
    stopped: str = ""
    first: bool = True

    def rows(self, part: str) -> np.ndarray:
        """Row ids of a part, as many of them as the recipe's limit leaves."""
        return _rows(self.faces, self.split, part, self.recipe.data.limit)


@dataclass(frozen=True)
class Shortening:
    """How a run is made shorter than its recipe, for a trial.

    Attributes:
        epochs: Epochs in place of the recipe's.
        limit: Faces of each part in place of all.
    """

    epochs: int | None = None
    limit: int | None = None

    def apply(self, recipe: Recipe) -> tuple[Recipe, str]:
        """The recipe as it is run, and in what it is shorter."""
        changes: dict[str, int] = {}
        what: list[str] = []
        if self.epochs is not None and self.epochs != recipe.training.epochs:
            changes["training.epochs"] = self.epochs
            if self.epochs < recipe.training.epochs:
                what.append(f"{self.epochs} of {recipe.training.epochs} epochs")
        if self.limit is not None:
            changes["data.limit"] = self.limit
        if (limit := self.limit or recipe.data.limit) is not None:
            what.append(f"about {limit} faces of each part")
        return (changed(recipe, changes) if changes else recipe), ", ".join(what)


def start(
    recipe: Path | Recipe,
    folder: Path,
    data: Path | None = None,
    report: Report | None = None,
    split_file: Path | None = None,
    shortening: Shortening | None = None,
    devices: int | None = None,
) -> Run:
    """Begin a run in a new folder.

    Args:
        recipe: The recipe, or its file; what it names is relative to the file's folder, else to the current one.
        folder: Run folder; must not hold a run.
        data: Store or source file, in place of the recipe's.
        report: Called after every step and epoch with the state so far; an exception that it raises ends the run.
        split_file: Split in place of the recipe's; it needs the parts ``train`` and ``validation``.
        shortening: Fewer epochs or faces, for a trial; the run and its bundle say so.
        devices: Processes or GPUs on this machine; under ``torchrun`` what it says.

    Raises:
        RecipeError: The recipe is wrong, ``folder`` already holds a run, or the data does not fit the recipe.
        DataError: As the data room raises.
        TrainingError: The training diverged, or a checkpoint could not be written.
    """
    base = recipe.parent if isinstance(recipe, Path) else Path()
    text = recipe.read_text(encoding="utf-8") if isinstance(recipe, Path) and recipe.is_file() else None
    given = load(recipe) if isinstance(recipe, Path) else recipe
    used, shortened = (shortening or Shortening()).apply(given)
    fabric = _fabric(used, devices)
    if fabric.is_global_zero and (folder / "recipe.toml").exists():
        raise RecipeError(
            f"{folder} already holds a run",
            "a new folder",
            f"Continue it with: mien train --resume {folder}   or name another with --out",
        )
    fabric.barrier()
    source = (data or base / used.data.source).resolve()
    faces = _labelled(open_faces(source), used, base)
    if split_file is None and used.data.split is not None:
        split_file = base / used.data.split
    split = asked_split(faces, used.data) if split_file is None else _given(split_file, faces, used)
    if used.data.balance and not split.balance:
        split = balance(faces, split, used.data.balance, used.data.split_seed)
    _need_every_class(faces, split, used)
    network = _network(used, faces, split, base)
    if fabric.is_global_zero:
        folder.mkdir(parents=True, exist_ok=True)
        split.save(folder / "split.json")
        facts = {**environment(), "processes": fabric.world_size, "data": str(source), "shortened": shortened}
        facts["recipe_folder"] = str(base.resolve())  # what a map or weights in the recipe are relative to
        write_text(folder / "environment.json", json.dumps(facts, indent=2) + "\n")
        write_text(folder / "recipe.toml", _written(text, given, used))
    fabric.barrier()
    with held(folder) if fabric.is_global_zero else nullcontext():
        return _fit(fabric, Run(folder, used, faces, split, network, shortened), report)


def resume(folder: Path, data: Path | None = None, report: Report | None = None, devices: int | None = None) -> Run:
    """Continue a run from its last checkpoint; it ends as an unbroken run would.

    Raises:
        RecipeError: ``folder`` holds no run, or the data set is not the one it began with.
        TrainingError: As ``start``, or another process is training in ``folder``.
    """
    if not (folder / "recipe.toml").is_file():
        raise RecipeError(
            f"{folder} holds no run: it has no recipe.toml",
            "a folder written by mien train",
            "Begin one with: mien train RECIPE",
        )
    run = _reopen(folder, data)
    fabric = _fabric(run.recipe, devices)
    with held(folder) if fabric.is_global_zero else nullcontext():
        if fabric.is_global_zero and not (folder / "weights.safetensors").is_file():
            _note_resumed(folder)
        return _fit(fabric, run, report)


def _note_resumed(folder: Path) -> None:
    """Add to ``environment.json`` what the rest of a run is trained with."""
    file = folder / "environment.json"
    facts = json.loads(file.read_text(encoding="utf-8"))
    write_text(file, json.dumps({**facts, "resumed": [*facts.get("resumed", []), environment()]}, indent=2) + "\n")


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
    run = _reopen(folder, data)
    checkpoint.read_weights(folder / "weights.safetensors", run.network)
    run.network.eval()
    return run


def _fit(fabric: Fabric, run: Run, report: Report | None) -> Run:
    recipe, faces, folder = run.recipe, run.faces, run.folder
    train = FaceRows(faces, faces.positions(run.rows("train")), fabric.device)
    validation = FaceRows(faces, faces.positions(run.rows("validation")), fabric.device)
    labels = train.labels.cpu().numpy()
    order = EpochOrder(
        len(train), recipe.training.batch_size, recipe.seed, labels if run.split.balance == "sampler" else None
    )
    if order.batch_size % fabric.world_size:
        raise RecipeError(
            f"{order.batch_size} faces a step on {fabric.world_size} processes",
            "a batch_size that they can share evenly",
        )
    weights = named_weights(run.split.class_weights, faces.vocabulary.labels)
    if weights is None and recipe.loss.class_weights:
        weights = balanced_weights(labels, len(faces.vocabulary))
    learner = Learner(recipe, run.network, recipe.training.epochs * len(order), weights, fabric, faces.vocabulary)
    loop = Loop(folder, recipe, learner, train, validation, order, report)
    if loop.last.is_file():
        loop.resume()
    loop.run()

    kept = learner.judged
    if recipe.training.keep == "best":
        checkpoint.read_weights(folder / "checkpoints" / "best.safetensors", kept)
    kept = kept.cpu().to(memory_format=torch.contiguous_format).eval()
    if fabric.is_global_zero:
        checkpoint.write_weights(folder / "weights.safetensors", kept, recipe.network.model_dump(exclude_unset=True))
    fabric.barrier()
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()  # gloo's threads would abort a process that ends with them
    course = loop.course
    at = course.best_epoch if recipe.training.keep == "best" else course.epoch
    return replace(run, network=kept, kept=at, stopped=course.stopped, first=fabric.is_global_zero)


def _fabric(recipe: Recipe, devices: int | None) -> Fabric:
    """Device, precision and processes; all that torchrun started, or ``devices`` on this machine."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", ".*isinstance.treespec, LeafSpec")
    if recipe.training.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(recipe.training.deterministic)
    processes, here = int(os.environ.get("WORLD_SIZE", 1)), int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    launched = "TORCHELASTIC_RUN_ID" in os.environ
    count = here if launched else (devices or 1)
    several = processes > 1 if launched else count > 1
    fabric = Fabric(
        accelerator="auto",
        devices=count,
        num_nodes=processes // here if launched else 1,
        strategy="ddp" if several else "auto",
        precision=recipe.training.precision,
    )
    fabric.launch()
    return fabric


def _network(recipe: Recipe, faces: FaceSet, split: Split, base: Path, load: bool = True) -> Network:
    """The network as it begins; without ``load`` a state follows that has its weights and scaling."""
    section = recipe.network
    standard = (0.0, 1.0)
    if load and not section.weights and (section.scaling or BUILDERS[section.name].scaling) == "standard":
        rows = _rows(faces, split, "train", recipe.data.limit)
        standard = _level(faces.faces, np.unique(faces.positions(rows)))
    torch.manual_seed(recipe.seed)
    heads = vocabularies(faces.vocabulary, recipe.loss)
    return build(section, faces.size, heads, standard, base=base, load=load)


def _level(faces: np.ndarray, positions: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation of the pixels, 0 to 1, exactly: from a histogram."""
    count = np.zeros(256, np.int64)
    for i in range(0, len(positions), 512):
        count += np.bincount(faces[positions[i : i + 512]].ravel(), minlength=256)
    grey = np.arange(256) / 255
    mean = float((count * grey).sum() / count.sum())
    return mean, float(max(np.sqrt((count * (grey - mean) ** 2).sum() / count.sum()), 1 / 255))


def _rows(faces: FaceSet, split: Split, part: str, limit: int | None) -> np.ndarray:
    rows = split.parts[part]
    return np.asarray(rows[limited(faces.labels[faces.positions(rows)], limit)])


def _labelled(faces: FaceSet, recipe: Recipe, base: Path) -> FaceSet:
    """The set with the labels that the recipe is for."""
    section = recipe.data
    if section.map is not None and (section.labels is None or faces.vocabulary.name != section.labels):
        file = base / section.map
        faces = relabel(faces, find_map(str(file) if file.is_file() else section.map))
    if section.labels is not None and faces.vocabulary.name != section.labels:
        raise RecipeError(
            f"{faces.provenance.source} has labels of {faces.vocabulary.name}: {', '.join(faces.vocabulary.labels)}",
            f"those of {section.labels}, which the recipe is for",
            "Map them: mien data maps lists the maps there are; name one in the recipe as data.map, or import the "
            "source again with mien data import --map NAME.",
        )
    return faces


def _need_every_class(faces: FaceSet, split: Split, recipe: Recipe) -> None:
    """The training part must show each class, and what is watched must exist."""
    train = faces.positions(split.parts["train"])
    present = np.bincount(faces.labels[train], minlength=len(faces.vocabulary)) > 0
    absent = [label for label, there in zip(faces.vocabulary.labels, present, strict=True) if not there]
    if absent and recipe.loss.labels:
        raise RecipeError(
            f"{faces.provenance.source}: the training part has no face of {', '.join(absent)}",
            f"at least one of each class of {faces.vocabulary.name}",
            "Draw another split (mien data split), or map the labels to a vocabulary without it (mien data maps).",
        )
    if not vocabularies(faces.vocabulary, recipe.loss):
        raise RecipeError("loss.labels and loss.votes are both 0", "a weight of more than 0 for one of them")
    votes = bool(faces.votes[train].any())
    if not votes and (recipe.training.monitor == "val_ferplus" or not recipe.loss.labels):
        what = "training.monitor is val_ferplus" if recipe.loss.labels else "loss.labels is 0"
        raise RecipeError(
            f"{what}, and {faces.provenance.source} has no FER+ votes",
            "a set with votes",
            "Join them with: mien data import SOURCE STORE --votes fer2013new.csv",
        )
    if recipe.training.monitor == "val_ferplus" and not (recipe.loss.votes and recipe.loss.labels):
        raise RecipeError("training.monitor is val_ferplus", "loss.votes and loss.labels of more than 0")


def _written(text: str | None, given: Recipe, used: Recipe) -> str:
    """The recipe for the run's folder: the file as it was, where it is the whole of what was run."""
    whole = text is not None and used is given and not extends(text)
    return text if whole and text is not None else to_toml(used)


def _given(file: Path, faces: FaceSet, recipe: Recipe) -> Split:
    if recipe.data.reproduce_leak:
        raise RecipeError(
            f"{file} is given as the split, and the recipe is to reproduce a leak",
            "one of both",
            "Leave out --split, or data.reproduce_leak; mien data balance writes a leaked split to a file.",
        )
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


def _reopen(folder: Path, data: Path | None) -> Run:
    recipe, split = load(folder / "recipe.toml"), Split.load(folder / "split.json")
    begun = json.loads((folder / "environment.json").read_text(encoding="utf-8"))
    faces = open_faces(data or Path(begun["data"]))
    if faces.provenance.sha256 != split.source_sha256:
        raise RecipeError(
            f"{folder} was begun with other data than {faces.provenance.source}",
            f"the source with sha256 {split.source_sha256[:16]}…",
            "Name it with --data.",
        )
    base = Path(begun.get("recipe_folder", folder))  # runs of earlier versions do not tell it
    faces = _labelled(faces, recipe, base)
    # A run that was killed before its first checkpoint begins as it was begun, with the weights its recipe names.
    state = (folder / "checkpoints" / "last.ckpt").is_file()
    return Run(
        folder, recipe, faces, split, _network(recipe, faces, split, base, not state), begun.get("shortened", "")
    )
