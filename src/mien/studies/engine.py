"""Run a study: each system is trained by its recipe, evaluated as ``mien evaluate`` does it, measured, written down."""

from __future__ import annotations

import datetime
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from mien.data import open_faces
from mien.errors import FetchError, MienError, StudyError
from mien.files import write_text
from mien.machine import commit, hardware
from mien.recipe import Recipe, changed, load, parse, to_toml
from mien.recipe.extending import FILES
from mien.studies.manifest import RECIPE, RESULT, Study, System, load_study, recipe_of, timeless
from mien.studies.measured import measured
from mien.studies.result import Made, Result, load_result, out_of_date, replaces

if TYPE_CHECKING:  # training needs torch, and what lists studies does not
    from mien.training.progress import Report
    from mien.training.run import Run

DONE, KEPT, UNAVAILABLE, FAILED = "done", "kept", "unavailable", "failed"
WEIGHTS = "weights.safetensors"
_PREPARED = ".recipes"


@dataclass(frozen=True)
class Order:
    """What is to be run.

    Attributes:
        folder: The study's folder.
        data: Store or source file of the data set.
        out: Folder of the run folders, one for each system; of a shortened run its name says in what.
        results: Folder that holds the systems' folders with their ``result.json``; the study's own, or another.
        only: Systems to run; all if empty. Those whose weights they begin with are run too, if need be.
        epochs: At most so many epochs; those of the recipes if None.
        limit: So many faces of each part; all if None.
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
    epochs: int | None = None
    limit: int | None = None
    again: bool = False
    fetch: bool = True
    draws: int = 1000
    options: str = ""

    def command(self, system: str) -> str:
        """What to type to have the result of a system again, where the data set lies in the current folder."""
        return " ".join(filter(None, ["mien study run", self.folder.name, f"--only {system}", self.options]))

    def recipe(self, system: System) -> Recipe:
        """The recipe of a system as it is run."""
        whole = recipe_of(self.folder, system)
        changes: dict[str, int] = {} if self.limit is None else {"data.limit": self.limit}
        if self.epochs is not None and self.epochs < whole.training.epochs:
            changes["training.epochs"] = self.epochs
        return changed(whole, changes) if changes else whole

    def run(self, system: System) -> Path:
        """Run folder of a system. A shortened run has one of its own, so that the whole one does not go on with it."""
        recipe, whole = self.recipe(system), recipe_of(self.folder, system)
        name = system.name
        if recipe.training.epochs != whole.training.epochs:
            name += f"-epochs-{recipe.training.epochs}"
        if recipe.data.limit != whole.data.limit:
            name += f"-limit-{recipe.data.limit}"
        return self.out / name


@dataclass(frozen=True)
class Outcome:
    """What became of a system.

    Attributes:
        system: Its name.
        state: ``done``, ``kept`` (it had a result), ``unavailable`` (pre-trained weights are not to be had) or
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
        DataError: The data set cannot be read.
        KeyboardInterrupt: Asked to stop; everything finished is written.
    """
    study = load_study(order.folder)
    digest = open_faces(order.data).provenance.sha256
    outcomes: list[Outcome] = []
    for system, old in _wanted(study, order, digest):
        try:
            outcome = _one(study, order, system, tell, progress) if old is None else _kept(order, system, old)
        except FetchError as error:
            outcome = _unavailable(order, system, error)
        except MienError as error:
            outcome = Outcome(system.name, FAILED, str(error))
        except OSError as error:
            outcome = Outcome(system.name, FAILED, f"{error.filename or order.out}: {error.strerror or error}")
        except (ValueError, KeyError, IndexError) as error:  # what a run folder holds was changed by hand
            outcome = Outcome(system.name, FAILED, f"{order.run(system)} is damaged ({error}); remove it and run again")
        told = outcome.text if outcome.state != FAILED else ""  # said at the end, where it is not overlooked
        tell(f"{system.name}: {outcome.state}{f', {told}' if told else ''}")
        outcomes.append(outcome)
    return outcomes


def _wanted(study: Study, order: Order, digest: str) -> list[tuple[System, Result | None]]:
    """The systems to run, in the study's order, with the result of those that need not be run again.

    What is trained begins with weights of others: where these are not there, the others are run, whatever results
    they have.
    """
    names = {s.name for s in study.system}
    for name in order.only:
        if name not in names:
            raise StudyError(f"{order.folder.name} has no system {name!r}", f"one of {', '.join(sorted(names))}")
    chosen = set(order.only) or names
    done = {s.name: old for s in study.system if s.name in chosen and (old := _enough(order, s, digest)) is not None}
    for system in reversed(study.system):
        if system.name in chosen and system.name not in done and not _has_weights(order, system):
            for name in system.needs:
                if not _has_weights(order, study.named(name)):
                    chosen.add(name)
                    done.pop(name, None)
    return [(s, done.get(s.name)) for s in study.system if s.name in chosen]


def _has_weights(order: Order, system: System) -> bool:
    try:
        return (order.run(system) / WEIGHTS).is_file()
    except MienError:
        return False  # its recipe is damaged, which is told when it is run


def _enough(order: Order, system: System, digest: str) -> Result | None:
    """The result of a system, where it is of this recipe and data and no shorter than what is asked for."""
    if order.again:
        return None
    try:
        old = load_result(order.results / system.name, order.folder.name)
        if old is None or old.training is None or old.training.sha256 != digest:
            return None
        if out_of_date(order.folder, system, old):
            return None
        known, recipe = parse(old.recipe, RESULT), order.recipe(system)
    except MienError:
        return None  # what is wrong is told when the system is run
    as_long = (known.training.epochs, known.data.limit) == (recipe.training.epochs, recipe.data.limit)
    return old if as_long or not old.training.shortened else None


def _kept(order: Order, system: System, old: Result) -> Outcome:
    gone = "" if order.run(system).is_dir() else "; its run folder is gone, --again trains it anew"
    return Outcome(system.name, KEPT, f"it has a result of {old.made.date}{gone}", old)


def _one(study: Study, order: Order, system: System, tell: Tell, progress: Callable[[], Report] | None) -> Outcome:
    from mien.training import export as exporter

    old = load_result(order.results / system.name, order.folder.name)  # a damaged one is told before hours of training
    section, folder = order.recipe(system).network, order.run(system)
    if not order.fetch and section.weights and not section.own_weights and not getattr(section, "weights_file", None):
        raise FetchError(f"the weights {section.weights} of {section.name}: a quick run fetches nothing from a hub")
    run = _trained(study, order, system, tell, progress)
    if not (folder / "bundle" / "card.json").is_file():
        exporter.export(run, folder / "bundle")
    tell(f"{system.name}: evaluating")
    new = measured(order.folder, system, run, order.data, order.draws, order.command(system.name))
    if not replaces(new, old):
        return Outcome(system.name, KEPT, "its result is of a longer run than this one", old)
    new.save(order.results / system.name)
    return Outcome(system.name, DONE, new.training.shortened if new.training else "", new)


def _trained(study: Study, order: Order, system: System, tell: Tell, progress: Callable[[], Report] | None) -> Run:
    """The finished run, begun or gone on with where it is not finished yet."""
    from mien.training import run as runs

    folder, report, wanted = order.run(system), None if progress is None else progress(), order.recipe(system)
    if (folder / RECIPE).is_file():
        there = load(folder / RECIPE)
        if timeless(there) != timeless(wanted) or there.training.epochs != wanted.training.epochs:
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
    epochs = "1 epoch" if wanted.training.epochs == 1 else f"{wanted.training.epochs} epochs"
    tell(f"{system.name}: training for {epochs}, in {folder}")
    shortening = runs.Shortening(wanted.training.epochs, order.limit)
    return runs.start(_prepared(study, order, system), folder, order.data, report, shortening=shortening)


def _prepared(study: Study, order: Order, system: System) -> Path:
    """A folder with the recipe in full, the files that it names, and the weights that it begins with."""
    place, own = order.out / _PREPARED / order.run(system).name, order.folder / system.name
    if place.exists():
        shutil.rmtree(place)
    place.mkdir(parents=True)
    recipe = recipe_of(order.folder, system)
    for table, field in FILES:
        named = getattr(getattr(recipe, table), field, None)
        if named is not None and (own / named).is_file():
            shutil.copy(own / named, place / Path(named).name)
            recipe = changed(recipe, {f"{table}.{field}": Path(named).name})
    for name in system.needs:
        weights = order.run(study.named(name)) / WEIGHTS
        if not weights.is_file():
            raise StudyError(f"{system.name} begins with the weights of {name}", f"{weights}, which is not there")
        try:
            os.link(weights, place / f"{name}.safetensors")
        except OSError:  # another file system
            shutil.copy(weights, place / f"{name}.safetensors")
    write_text(place / RECIPE, to_toml(recipe))
    return place / RECIPE


def _unavailable(order: Order, system: System, error: MienError) -> Outcome:
    """Note why a system could not be run, unless it has been before."""
    old = load_result(order.results / system.name, order.folder.name)
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
