"""What networks cost: parameters, multiply-adds, bytes, memory and time, of anything that mien can name.

A bundle is measured as it is. A network without one is built with random weights and exported for the measuring: then
all of them are timed in ONNX Runtime and can be compared.
"""

from __future__ import annotations

import csv
import difflib
import json
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
from safetensors.torch import save

from mien import bundle
from mien.errors import BundleError, MienError, RecipeError
from mien.models import BUILDERS
from mien.recipe import Recipe, load, to_toml
from mien.training import counting, trial
from mien.training.environment import environment
from mien.training.timing import Contender, milliseconds_per_face
from mien.training.untrained import Untrained, named, write_onnx

BATCH = 32  # faces at a time, where there are many


@dataclass(frozen=True)
class Request:
    """What is measured, where a model does not say it itself.

    Attributes:
        side: Of the faces, pixels. A bundle has its own.
        classes: Number of classes of a network without a bundle; its recipe's if None.
        faces: Of a training epoch.
        batch: Faces of a training step; the recipe's if None.
        seconds: Time for each timing of each model.
    """

    side: int = 48
    classes: int | None = None
    faces: int = 28_655
    batch: int | None = None
    seconds: float = 1.0


@dataclass(frozen=True)
class Cost:
    """What one model costs. A value is None where it does not apply or could not be measured; ``note`` says why.

    Attributes:
        model: As it was named.
        kind: ``bundle``, ``run``, ``network`` or ``recipe``.
        error: Why nothing could be measured.
        side: Of its faces, pixels.
        seen_side: What the network resamples them to, pixels; None for a file, which does not say.
        parameters: Weights, without buffers.
        multiply_adds: For one face, counted as ``counting`` says.
        flops: Floating-point operations, two for each multiply-add.
        bytes: On disk.
        file: What the bytes are of: ``model.onnx``, or ``weights.safetensors`` as it would be, in float32.
        memory_bytes: Most that scoring batches of ``BATCH`` faces adds to a process with ONNX Runtime, on one thread.
        training_memory_bytes: Most that training adds to a process with torch; on a GPU, what is allocated there.
        training_batch: Faces of the training step.
        ms_per_face: In ONNX Runtime, one face at a time on one thread.
        ms_per_face_batched: The same, ``BATCH`` faces at a time on all cores.
        relative: ``ms_per_face`` over that of the first model that has it.
        seconds_per_epoch: Of training.
        epoch_faces: Faces of that epoch.
        epoch_source: ``measured`` (training steps scaled to the epoch) or ``recorded`` (by the run that made it).
        epoch_steps: Steps measured.
        epoch_hardware: What the epoch's time belongs to.
        vocabulary: Labels that the accuracy is about.
        accuracy: On PublicTest, 0 to 1, from the card.
        accuracy_low: Lower end of its 95% interval.
        accuracy_high: Upper end.
        accuracy_n: Its faces.
        leaked: Why the accuracy is worth nothing; empty where nothing is wrong with the split.
        hardware: What all other times belong to.
        note: What could not be measured or counted.
    """

    model: str
    kind: str | None = None
    error: str | None = None
    side: int | None = None
    seen_side: int | None = None
    parameters: int | None = None
    multiply_adds: int | None = None
    flops: int | None = None
    bytes: int | None = None
    file: str | None = None
    memory_bytes: int | None = None
    training_memory_bytes: int | None = None
    training_batch: int | None = None
    ms_per_face: float | None = None
    ms_per_face_batched: float | None = None
    relative: float | None = None
    seconds_per_epoch: float | None = None
    epoch_faces: int | None = None
    epoch_source: str | None = None
    epoch_steps: int | None = None
    epoch_hardware: str | None = None
    vocabulary: str | None = None
    accuracy: float | None = None
    accuracy_low: float | None = None
    accuracy_high: float | None = None
    accuracy_n: int | None = None
    leaked: str = ""
    hardware: str = ""
    note: str = ""


@dataclass(frozen=True)
class _Measured:
    """A model, and how it is scored while it is timed."""

    cost: Cost
    file: Path | None = None
    outputs: tuple[str, ...] = ()

    def contender(self, threads: int) -> Contender:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = threads, 3
        session = onnxruntime.InferenceSession(str(self.file), options, providers=["CPUExecutionProvider"])
        return Contender(session, self.outputs, self.cost.side or 0)


def costs(models: Sequence[str], request: Request, report: Callable[[str], None] | None = None) -> list[Cost]:
    """Measure models, one after another, and time their scoring in turns.

    Args:
        models: Installed bundles by name, networks by name, recipes that ship by name (with ``.toml`` where a bundle or
            a network is called the same), or paths: of a bundle, a run or a recipe.
        request: What the models do not say themselves.
        report: Told what is being done.

    Returns:
        A row for each, in order. A model that is wrong has ``error`` and nothing else; it does not cost the others.
    """
    tell = report or (lambda _: None)
    hardware = str(environment()["hardware"])
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        found = [_one(name, request, scratch / f"{i}.onnx", hardware, tell) for i, name in enumerate(models)]
        scored = [i for i, one in enumerate(found) if one.file is not None]
        tell(f"timing the scoring of {len(scored)} in turns")
        alone = milliseconds_per_face([found[i].contender(1) for i in scored], 1, request.seconds)
        together = milliseconds_per_face([found[i].contender(0) for i in scored], BATCH, request.seconds)
    rows = [one.cost for one in found]
    for i, single, batched in zip(scored, alone, together, strict=True):
        rows[i] = replace(rows[i], ms_per_face=single, ms_per_face_batched=batched, relative=single / alone[0])
    return rows


def _one(name: str, request: Request, scratch: Path, hardware: str, tell: Callable[[str], None]) -> _Measured:
    """Everything of a model but the times of its scoring."""
    try:
        kind, found = _find(name)
        start = Cost(name, kind, hardware=hardware)
        if isinstance(found, Recipe):
            return _of_recipe(start, found, request, scratch, tell)
        return _of_bundle(start, found, tell)
    except MienError as error:
        return _Measured(Cost(name, error=str(error), hardware=hardware))


def _shipped() -> dict[str, Path]:
    return {p.name: p for p in sorted((Path(str(files("mien"))) / "recipes").glob("*.toml"))}


def _find(name: str) -> tuple[str, Path | Recipe]:
    """What a name means: its kind, with a folder that holds a bundle or a recipe."""
    installed, recipes, path = bundle.available(), _shipped(), Path(name)
    if name in installed:
        return "bundle", installed[name]
    if name in BUILDERS:
        return "network", named(name)
    if path.is_file():
        return "recipe", load(path)
    if (path / "recipe.toml").is_file():
        return "run", path
    if path.is_dir():
        return "bundle", path
    for shipped in (name, f"{name}.toml"):
        if shipped in recipes:
            return "recipe", load(recipes[shipped])
    near = difflib.get_close_matches(name, [*installed, *BUILDERS, *recipes, *(Path(r).stem for r in recipes)], 1, 0.5)
    raise BundleError(
        f"no model {name!r}{f', did you mean {near[0]}?' if near else ''}",
        f"an installed model ({', '.join(installed) or 'there is none'}), a network ({', '.join(BUILDERS)}), a recipe "
        f"({', '.join(recipes)}), or the path of a bundle, a run or a recipe",
    )


def _of_bundle(start: Cost, folder: Path, tell: Callable[[str], None]) -> _Measured:
    run = folder if start.kind == "run" else None
    if run is not None:
        folder = run / "bundle"
        if not folder.is_dir():
            raise BundleError(f"{run} has no bundle", "a finished run", f"Finish it with: mien train --resume {run}")
    tell(f"{start.model}: counting and scoring")
    opened = bundle.Bundle(folder, threads=1)
    _ = opened.session  # whether it can be loaded at all
    card, file = opened.card, folder / "model.onnx"
    outputs = tuple(f"{v}_probabilities" for v in card.vocabularies)
    tried = trial.scoring(file, outputs, card.input.size, BATCH)
    score = card.score("public_test", card.primary)
    cost = replace(
        start,
        side=card.input.size,
        parameters=card.parameters,
        bytes=file.stat().st_size,
        file=file.name,
        memory_bytes=tried.peak,
        vocabulary=card.primary,
        leaked=card.training.leaked,
        note=_noted("scoring memory", tried.trouble),
    )
    if score is not None:
        cost = replace(cost, accuracy=score.value, accuracy_low=score.low, accuracy_high=score.high, accuracy_n=score.n)
    cost = _counted(cost, onnx.load(file))
    seconds, hardware = _recorded(run) if run is not None else (None, "")
    if seconds is None and card.training.epochs and card.training.seconds:
        seconds, hardware = card.training.seconds / card.training.epochs, card.training.hardware
    if seconds is not None:
        cost = replace(
            cost,
            seconds_per_epoch=seconds,
            epoch_faces=card.training.n,
            epoch_source="recorded",
            epoch_hardware=hardware,
        )
    return _Measured(cost, file, outputs)


def _counted(cost: Cost, graph: onnx.ModelProto) -> Cost:
    """With what was counted; a graph that cannot be counted is still timed."""
    try:
        count = counting.of_graph(graph)
    except BundleError as error:
        return replace(cost, note=_joined(cost.note, _noted("multiply-adds", str(error))))
    note = f"multiply-adds without those in {', '.join(count.missing)}" if count.missing else ""
    return replace(cost, multiply_adds=count.multiply_adds, flops=count.flops, note=_joined(cost.note, note))


def _recorded(run: Path) -> tuple[float | None, str]:
    """Seconds per epoch that a run wrote down, and on what; None where it did not."""
    try:
        with (run / "log.csv").open(newline="", encoding="utf-8") as stream:
            seconds = [float(row["seconds"]) for row in csv.DictReader(stream)]
        hardware = str(json.loads((run / "environment.json").read_text(encoding="utf-8"))["hardware"])
    except (OSError, ValueError, KeyError, TypeError):
        return None, ""
    return (sum(seconds) / len(seconds), hardware) if seconds else (None, "")


def _of_recipe(start: Cost, recipe: Recipe, request: Request, scratch: Path, tell: Callable[[str], None]) -> _Measured:
    tell(f"{start.model}: building and counting")
    untrained = Untrained(recipe, request.side, request.classes)
    network = untrained.network()
    count = counting.of_network(network, request.side)
    batch = request.batch or recipe.training.batch_size
    steps = request.faces // batch
    if not steps:
        raise RecipeError(f"an epoch of {request.faces} faces in batches of {batch}", "at least one batch")
    tell(f"{start.model}: exporting and scoring")
    outputs = write_onnx(network, request.side, scratch)
    scored = trial.scoring(scratch, outputs, request.side, BATCH)
    tell(f"{start.model}: training")
    trained = trial.training(to_toml(recipe), request.side, request.classes, batch, 3 * request.seconds)
    measured: dict[str, Any] = {}
    if trained.step_seconds is not None:
        measured = {
            "seconds_per_epoch": trained.step_seconds * steps,
            "epoch_faces": request.faces,
            "epoch_source": "measured",
            "epoch_steps": trained.steps,
            "epoch_hardware": start.hardware,
        }
    cost = replace(
        start,
        side=request.side,
        seen_side=network.side,
        parameters=sum(p.numel() for p in network.parameters()),
        multiply_adds=count.multiply_adds,
        flops=count.flops,
        bytes=len(save({k: v.contiguous() for k, v in network.state_dict().items()})),
        file="weights.safetensors",
        memory_bytes=scored.peak,
        training_memory_bytes=trained.peak,
        training_batch=batch,
        note=_joined(
            "without its [head], which is fitted to data" if recipe.head is not None else "",
            _noted("scoring memory", scored.trouble),
            _noted("training", trained.trouble),
        ),
        **measured,
    )
    return _Measured(cost, scratch, outputs)


def _noted(what: str, trouble: str) -> str:
    return f"{what}: {trouble}" if trouble else ""


def _joined(*notes: str) -> str:
    return "; ".join(note for note in notes if note)
