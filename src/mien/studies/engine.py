"""Run a study: each system is trained by its recipe, evaluated as ``mien evaluate`` does it, measured, written down."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mien.errors import FetchError, MienError, MissingExtraError, StudyError
from mien.recipe import Recipe, load, to_toml
from mien.studies.manifest import RECIPE, Study, System, load_study, recipe_of
from mien.studies.measured import measured
from mien.studies.result import Made, Result, load_result, replaces

if TYPE_CHECKING:  # training needs torch, and what lists studies does not
    from mien.training.progress import Report
    from mien.training.run import Run, Shortening

DONE, KEPT, UNAVAILABLE, FAILED = "done", "kept", "unavailable", "failed"
WEIGHTS = "weights.safetensors"
_PREPARED = ".recipes"


@dataclass(frozen=True)
class Order:
    """What is to be run.

    Attributes:
        folder: The study's folder.
        data: Store or source file of the data set.
        out: Folder of the run folders, one for each system.
        results: Folder that holds the systems' folders with their ``result.json``; the study's own, or another.
        only: Systems to run; all if empty. Those whose weights they begin with are run too, if need be.
        shortening: Fewer epochs or faces than the recipes say.
        again: Evaluate and measure anew what has a result already.
        fetch: Whether a library's weights may be fetched from its hub.
        draws: Bootstrap resamples.
        options: What else was typed, such as ``--epochs 3``; results tell how to have them again.
    """

    folder: Path
    data: Path
    out: Path
    results: Path
    only: tuple[str, ...] = ()
    shortening: Shortening | None = None
    again: bool = False
    fetch: bool = True
    draws: int = 1000
    options: str = ""

    def command(self, system: str) -> str:
        """What to type to have the result of a system again, where the data set lies in the current folder."""
        return " ".join(filter(None, ["mien study run", self.folder.name, f"--only {system}", self.options]))


@dataclass(frozen=True)
class Outcome:
    """What became of a system.

    Attributes:
        system: Its name.
        state: ``done``, ``kept`` (it had a result), ``unavailable`` (weights or a package are not to be had) or
            ``failed``.
        text: What there is to say about it.
        result: Its result; None where it failed.
    """

    system: str
    state: str
    text: str
    result: Result | None = None


Tell = Callable[[str], None]


def run_study(order: Order, tell: Tell, progress: Callable[[], Report] | None = None) -> list[Outcome]:
    """Run the systems of a study, one after another; a result is written as soon as its system is done.

    A run that was stopped goes on where it was. What is wrong with one system costs that system, and those that begin
    with its weights.

    Args:
        order: What is to be run.
        tell: Called with a line about each thing that is begun or done.
        progress: Makes what a training reports to.

    Raises:
        StudyError: The study is damaged, or has no such system.
        KeyboardInterrupt: Asked to stop; everything finished is written.
    """
    study = load_study(order.folder)
    outcomes: list[Outcome] = []
    for system in _wanted(study, order):
        try:
            outcome = _one(order, system, tell, progress)
        except (FetchError, MissingExtraError) as error:
            outcome = _unavailable(order, system, error)
        except MienError as error:
            outcome = Outcome(system.name, FAILED, str(error))
        tell(f"{system.name}: {outcome.state}{f', {outcome.text}' if outcome.text else ''}")
        outcomes.append(outcome)
    return outcomes


def _wanted(study: Study, order: Order) -> list[System]:
    """The systems to run, in the study's order, with those whose weights they need and that are not there."""
    names = {s.name for s in study.system}
    for name in order.only:
        if name not in names:
            raise StudyError(f"{order.folder.name} has no system {name!r}", f"one of {', '.join(sorted(names))}")
    wanted = set(order.only) or names
    for system in reversed(study.system):
        if system.name in wanted:
            wanted |= {n for n in system.needs if not (order.out / n / WEIGHTS).is_file()}
    return [s for s in study.system if s.name in wanted]


def _one(order: Order, system: System, tell: Tell, progress: Callable[[], Report] | None) -> Outcome:
    from mien.training import export as exporter

    recipe = recipe_of(order.folder, system)
    planned = "" if order.shortening is None else order.shortening.apply(recipe)[1]
    old = load_result(order.results / system.name)
    folder = order.out / system.name
    enough = old is not None and not order.again and old.rank >= (1 if planned else 2) and _same(old, recipe)
    if old is not None and enough and ((folder / WEIGHTS).is_file() or not _needed(order, system)):
        return Outcome(system.name, KEPT, f"it has a result of {old.made.date}", old)
    section = recipe.network
    if not order.fetch and section.weights and not section.own_weights and not getattr(section, "weights_file", None):
        raise FetchError(f"the weights {section.weights} of {section.name}: a quick run fetches nothing from a hub")
    run = _trained(order, system, recipe, tell, progress)
    if not (folder / "bundle" / "card.json").is_file():
        exporter.export(run, folder / "bundle")
    tell(f"{system.name}: evaluating")
    new = measured(order.folder, system, run, order.data, order.draws, order.command(system.name))
    if not replaces(new, old):
        return Outcome(system.name, KEPT, "its result is of a longer run than this one", old)
    new.save(order.results / system.name)
    return Outcome(system.name, DONE, new.training.shortened if new.training else "", new)


def _same(old: Result, recipe: Recipe) -> bool:
    """Whether a result is of this recipe."""
    from mien.recipe import parse

    with suppress(MienError):
        known = parse(old.recipe, "the result's recipe")
        return _timeless(known) == _timeless(recipe)
    return False


def _timeless(recipe: Recipe) -> dict[str, object]:
    """A recipe without what shortens it, and where its data lies."""
    values = recipe.model_dump()
    values["training"].pop("epochs")
    for field in ("limit", "source"):
        values["data"].pop(field)
    return values


def _needed(order: Order, system: System) -> bool:
    """Whether another system that is run now begins with its weights."""
    study = load_study(order.folder)
    chosen = {s.name for s in study.system if not order.only or s.name in order.only}
    return any(system.name in s.needs for s in study.system if s.name in chosen and not _has_result(order, s))


def _has_result(order: Order, system: System) -> bool:
    old = load_result(order.results / system.name)
    return old is not None and old.rank > 0 and not order.again


def _trained(order: Order, system: System, recipe: Recipe, tell: Tell, progress: Callable[[], Report] | None) -> Run:
    """The finished run, begun or gone on with where it is not finished yet."""
    from mien.training import run as runs

    folder, report = order.out / system.name, None if progress is None else progress()
    wanted = recipe if order.shortening is None else order.shortening.apply(recipe)[0]
    if (folder / RECIPE).is_file():
        if _timeless(load(folder / RECIPE)) != _timeless(wanted):
            raise StudyError(
                f"{folder} holds a run of another recipe than {system.name}'s",
                "a run of this recipe, or none",
                "Remove that folder, or name another for the runs with --out.",
            )
        if (folder / WEIGHTS).is_file():
            tell(f"{system.name}: trained already, in {folder}")
            return runs.finished(folder, order.data)
        tell(f"{system.name}: going on with {folder}")
        return runs.resume(folder, order.data, report)
    tell(f"{system.name}: training for {wanted.training.epochs} epochs, in {folder}")
    prepared = _prepared(order, system, recipe)
    return runs.start(prepared, folder, order.data, report, shortening=order.shortening)


def _prepared(order: Order, system: System, recipe: Recipe) -> Path:
    """A folder with the recipe in full, the files that it names, and the weights that it begins with."""
    place = order.out / _PREPARED / system.name
    if place.exists():
        shutil.rmtree(place)
    place.mkdir(parents=True)
    for path in (order.folder / system.name).iterdir():
        if path.is_file() and path.suffix == ".toml":
            shutil.copy(path, place / path.name)
    for needed in system.needs:
        weights = order.out / needed / WEIGHTS
        if not weights.is_file():
            raise StudyError(f"{system.name} begins with the weights of {needed}", f"{weights}, which is not there")
        try:
            os.link(weights, place / f"{needed}.safetensors")
        except OSError:  # another file system
            shutil.copy(weights, place / f"{needed}.safetensors")
    file = place / RECIPE
    file.write_text(to_toml(recipe), encoding="utf-8")
    return file


def _unavailable(order: Order, system: System, error: MienError) -> Outcome:
    """Note why a system could not be run, unless it has been before."""
    import datetime
    from importlib.metadata import version

    from mien.machine import commit, hardware

    old = load_result(order.results / system.name)
    today, command = datetime.date.today().isoformat(), order.command(system.name)
    made = Made(today, version("mien"), commit(), hardware(), 0.0, command)
    reason = f"{error.came.partition(' from http')[0]}; it takes {error.expected}" if error.expected else error.came
    new = Result(order.folder.name, system.name, to_toml(recipe_of(order.folder, system)), made, unavailable=reason)
    if replaces(new, old):
        new.save(order.results / system.name)
        return Outcome(system.name, UNAVAILABLE, str(error), new)
    return Outcome(system.name, KEPT, f"it cannot be run here ({reason}), and has a result already", old)


def failures(outcomes: Sequence[Outcome]) -> int:
    """How many systems failed; those that are not available here do not count."""
    return sum(outcome.state == FAILED for outcome in outcomes)
