"""A finished run becomes a ``Result``: evaluated on each part, measured, described."""

from __future__ import annotations

import datetime
import json
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mien.bundle import read_card
from mien.errors import StudyError
from mien.evaluation.evaluate import Evaluated, Options, evaluate
from mien.evaluation.measures import COPIES, METRICS, NO_COPY, Estimate, Scores
from mien.evaluation.plan import plan
from mien.files import sha256
from mien.machine import commit, hardware
from mien.studies.manifest import System, recipe_of
from mien.studies.measures import MEASURES, Ran
from mien.studies.result import Made, PartResult, Quantity, Result, Training, packed, rows_hash

if TYPE_CHECKING:
    from mien.training.run import Run

_HISTORY = ("epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds")


def measured(study: Path, system: System, run: Run, data: Path, draws: int = 1000, command: str = "") -> Result:
    """Evaluate a finished run on the parts that a study asks for, and take its measures.

    Args:
        study: The study's folder.
        system: What is asked for.
        run: Finished, with its bundle.
        data: Its data set.
        draws: Bootstrap resamples.
        command: What to type to have the numbers again.

    Raises:
        StudyError: The run's split has no such part.
        DataError: As ``evaluate``.
    """
    from mien.training.progress import read_log

    began = time.perf_counter()
    for part in system.parts:
        if part not in run.split.parts:
            raise StudyError(
                f"{system.name} is to be evaluated on {part}, and its split has {', '.join(run.split.parts)}",
                "parts of its split",
            )
    options = Options(draws=draws, command=command)
    evaluated = {part: evaluate(plan(str(run.folder), data, part=part), options) for part in system.parts}
    ran = Ran(run.folder, study, system, run.recipe, run.faces, run.split, evaluated)
    measures = {}
    for name in system.measures:
        measure, _, part = name.partition(":")
        measures[name] = MEASURES[measure](ran, part or system.parts[0])
    log = read_log(run.folder / "log.csv")
    card = read_card(run.folder / "bundle")
    return Result(
        study.name,
        system.name,
        (run.folder / "recipe.toml").read_text(encoding="utf-8"),
        Made(
            datetime.date.today().isoformat(),
            version("mien"),
            commit(),
            hardware(),
            round(time.perf_counter() - began, 1),
            command,
        ),
        _training(run, log, recipe_of(study, system).training.epochs),
        card.parameters,
        [{key: row[key] for key in _HISTORY if key in row} for row in log],
        {part: part_result(found) for part, found in evaluated.items()},
        measures,
    )


def part_result(found: Evaluated) -> PartResult:
    """The numbers of an evaluation that a study keeps: those of its first protocol."""
    evaluation = found.evaluation
    protocol = evaluation.protocols[0].name
    scores = evaluation.scores(protocol)
    assert scores is not None
    truth, answers = found.answers[protocol]
    order = np.argsort(truth.rows)
    counted = order[truth.labels[order] >= 0]
    right = answers.probabilities.argmax(axis=1)[counted] == truth.labels[counted]
    return PartResult(
        len(counted),
        list(scores.labels),
        scores.confusion,
        _quantities(found, scores),
        list(evaluation.warnings),
        packed(right),
        rows_hash(truth.rows[counted]),
    )


def _quantities(found: Evaluated, scores: Scores) -> dict[str, Quantity]:
    named = {name: _quantity(estimate, METRICS[name].share) for name, estimate in scores.headline.items()}
    named["majority"] = Quantity("share", scores.baselines["majority class"]["accuracy"], n=scores.n)
    fresh, copies = (found.evaluation.scores(subset=subset) for subset in (NO_COPY, COPIES))
    if fresh is not None:
        named["no_copy"] = _quantity(fresh.headline["accuracy"], share=True)
    if found.evaluation.data.copies:
        named["copies"] = Quantity("share", 0.0 if copies is None else copies.n / scores.n, n=scores.n)
    for one in scores.classes:
        named[f"recall {one.label}"] = _quantity(one.recall, share=True)
        named[f"f1 {one.label}"] = _quantity(one.f1, share=True)
    return named


def _quantity(estimate: Estimate, share: bool) -> Quantity:
    rounded = (None if v is None else round(v, 6) for v in (estimate.value, estimate.low, estimate.high))
    value, low, high = rounded
    return Quantity("share" if share else "number", value, low, high, estimate.n)


def _training(run: Run, log: list[dict[str, float]], planned: int) -> Training:
    from mien.training.environment import commits_of, hardware_of
    from mien.training.remeasure import kept_epoch

    environment = json.loads((run.folder / "environment.json").read_text(encoding="utf-8"))
    card = read_card(run.folder / "bundle").training
    begun = Path(environment.get("recipe_folder", ""))
    section = run.recipe.network
    return Training(
        len(log),
        planned,
        run.kept or kept_epoch(log, run.recipe),
        run.stopped or (_stopped(run, log) if len(log) < run.recipe.training.epochs else ""),
        run.shortened,
        card.leaked,
        card.misscaled,
        len(run.rows("train")),
        run.split.name,
        round(sum(row["seconds"] for row in log), 2),
        hardware_of(environment),
        environment["threads"],
        run.recipe.seed,
        commits_of(environment),
        run.faces.provenance.source,
        run.faces.provenance.sha256,
        sha256(run.folder / "weights.safetensors"),
        sha256(begun / str(section.weights)) if section.own_weights and begun.is_dir() else "",
    )


def _stopped(run: Run, log: list[dict[str, float]]) -> str:
    from mien.training.remeasure import best_epoch

    training = run.recipe.training
    best = best_epoch(log, run.recipe)
    return f"{training.monitor} was best in epoch {best}, {training.patience} epochs earlier"
