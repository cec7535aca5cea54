"""The trials of a search, shared by any number of workers through one database: who takes which, and what came of it.

Every trial is put in the database before any is run, so that taking one is a change of its state and the number of
trials is the total, however many workers there are and however often the command is run. A trial whose worker was
killed is closed and put in anew under the same number.
"""

from __future__ import annotations

import json
import os
import platform
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from mien.errors import RecipeError
from mien.recipe import SCORES, Recipe
from mien.recipe.search import Range, Search, Value
from mien.training.database import UNANSWERED, hidden, opened, opening

State = Literal["waiting", "running", "complete", "pruned", "failed"]

_BEAT, _SILENT = 30.0, 300.0  # seconds between signs of life, and after how many a worker elsewhere is given up
_UNNAMED = 60.0  # seconds that a worker may take to say who it is
_MOST_KILLS = 5  # a trial that ends every worker, for want of memory perhaps, is not begun for ever
_NAMES: dict[TrialState, State] = {
    TrialState.WAITING: "waiting",
    TrialState.RUNNING: "running",
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}


@dataclass(frozen=True)
class Plan:
    """What a study is about; the same for all its workers.

    Attributes:
        name: Its name in the database.
        recipe: What the values go into, with the paths as they are on this machine.
        search: Fields and values.
        storage: URL of the database.
        asked: The recipe and the search as they were given, but for the number of trials: a study is gone on with
            only where they are the same.
    """

    name: str
    recipe: Recipe
    search: Search
    storage: str
    asked: str

    @property
    def monitor(self) -> str:
        """The score that is compared."""
        return self.search.search.monitor or self.recipe.training.monitor


@dataclass(frozen=True)
class Outcome:
    """What a trial says about itself when it ends.

    Attributes:
        score: The monitored score; that of its last epoch where it was pruned. None where it failed.
        epochs: Epochs trained.
        seconds: Time they took.
        faces: Validation faces, 0 where not known.
        accuracy: Share of them that was right, 0 to 1; None where not known.
        reason: Why it failed, or where it was pruned.
    """

    score: float | None = None
    epochs: int = 0
    seconds: float = 0.0
    faces: int = 0
    accuracy: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class Trial:
    """A trial as it stands in the database.

    Attributes:
        number: Counted from 0.
        state: What has become of it.
        values: Of each field; empty where they are not drawn yet.
        outcome: What came of it.
        host: Machine that ran it; empty where none has yet.
    """

    number: int
    state: State
    values: dict[str, Value]
    outcome: Outcome
    host: str = ""


class Study:
    """A plan's trials in their database, made where it is not there yet.

    Raises:
        RecipeError: The database cannot be opened, or holds a study of the same name that is about something else.
    """

    def __init__(self, plan: Plan) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.plan = plan
        better = StudyDirection.MAXIMIZE if SCORES[plan.monitor] else StudyDirection.MINIMIZE
        with opening(plan.storage):
            self._storage = opened(plan.storage)
            self._study = optuna.create_study(
                storage=self._storage, study_name=plan.name, direction=better, load_if_exists=True, pruner=_pruner(plan)
            )
            there = self._study.user_attrs.get("asked")
            if there is None:
                self._study.set_user_attr("asked", plan.asked)
        if there not in (None, plan.asked):
            raise RecipeError(
                f"the study {plan.name} in {hidden(plan.storage)} is another: {_difference(there, plan.asked)}",
                "the recipe and the search it was begun with",
                "Name another folder with --out to begin another.",
            )

    def trials(self) -> list[Trial]:
        """Every trial, by number; attempts that were broken off are left out."""
        standing = {_number(t): t for t in reversed(self._all()) if not _broken_off(t)}
        return [self._read(number, standing[number]) for number in sorted(standing)]

    def fill(self) -> None:
        """Put in the trials that are not there yet; give up workers that are silent."""
        before = self._all()
        for trial in before:
            if trial.state == TrialState.RUNNING and _lost(trial):
                kills = sum(_number(t) == _number(trial) and t.user_attrs.get("ended") == "killed" for t in before)
                often = kills + 1 >= _MOST_KILLS
                reason = vars(Outcome(reason=f"its worker was killed {_MOST_KILLS} times"))
                self._close(trial.number, TrialState.FAIL, {"outcome": reason} if often else {"ended": "killed"})
        there = self._all()
        standing = {_number(t) for t in there if not _broken_off(t)}
        drawn = {_number(t): t.params for t in there if t.params.keys() == self.plan.search.fields.keys()}
        for number in range(self.plan.search.total):
            if number not in standing:
                point = self.plan.search.point(number)
                params = drawn.get(number) or {f: _plain(v) for f, v in (point or {}).items()}
                self._study.enqueue_trial(params, user_attrs={"number": number})

    def take(self) -> Taken | None:
        """The next trial that nobody has taken; None where there is none left."""
        self.fill()
        queue = (t for t in self._all() if t.state == TrialState.WAITING)
        for waiting in sorted(queue, key=_number):  # one that was put back comes before those after it
            if _number(waiting) >= self.plan.search.total:
                continue
            trial_id = self._trial_id(waiting.number)
            try:
                if not self._storage.set_trial_state_values(trial_id, TrialState.RUNNING):
                    continue
            except optuna.exceptions.UpdateFinishedTrialError:
                continue
            if self._is_double(waiting):
                self._close(waiting.number, TrialState.FAIL, {"ended": "double"})
                continue
            self._study.sampler = self._sampler(waiting)
            trial = optuna.Trial(self._study, trial_id)
            self.beat(trial)
            return Taken(self, trial, _number(waiting), self._suggested(trial))
        return None

    def remember(self, key: str, value: str) -> str:
        """Note something about the study, unless that is done already; what is noted then."""
        there = self._study.user_attrs.get(key)
        if there is None:
            self._study.set_user_attr(key, value)
        return str(there or value)

    def _all(self) -> list[FrozenTrial]:
        return [t for t in self._study.get_trials(deepcopy=False) if "number" in t.user_attrs]

    def _trial_id(self, number: int) -> int:
        study_id = self._storage.get_study_id_from_name(self.plan.name)
        return self._storage.get_trial_id_from_study_id_trial_number(study_id, number)

    def _is_double(self, trial: FrozenTrial) -> bool:
        """Whether two processes put the trial in at once, and this is the later one."""
        others = (t for t in self._all() if _number(t) == _number(trial) and not _broken_off(t))
        return any(other.number < trial.number for other in others)

    def _sampler(self, trial: FrozenTrial) -> optuna.samplers.BaseSampler:
        """Seeded for each trial, so that a study that is gone on with draws as an unbroken one would."""
        seed = (self.plan.search.search.seed + 7919 * _number(trial)) % 2**32
        if self.plan.search.search.sampler == "tpe":
            return optuna.samplers.TPESampler(seed=seed)
        return optuna.samplers.RandomSampler(seed=seed)  # has nothing to draw, every value is given

    def _suggested(self, trial: optuna.Trial) -> dict[str, Value]:
        found: dict[str, Value] = {}
        for field, values in self.plan.search.fields.items():
            kind = _distribution(values)
            if isinstance(kind, CategoricalDistribution):
                found[field] = _meant(trial.suggest_categorical(field, kind.choices), values)
            elif isinstance(kind, IntDistribution):
                found[field] = trial.suggest_int(field, kind.low, kind.high, log=kind.log, step=kind.step)
            elif isinstance(kind, FloatDistribution):
                found[field] = trial.suggest_float(field, kind.low, kind.high, log=kind.log, step=kind.step)
        return found

    def beat(self, trial: optuna.Trial) -> None:
        """Give a sign of life."""
        worker = {"host": platform.node(), "process": os.getpid(), "alive": time.time()}
        self._storage.set_trial_user_attr(self._trial_id(trial.number), "worker", worker)

    def end(self, trial: optuna.Trial, state: TrialState, outcome: Outcome) -> None:
        """Close a trial that went to its end, one way or another."""
        told = {"outcome": vars(outcome)}
        self._close(trial.number, state, told, None if outcome.score is None else [outcome.score])

    def give_back(self, trial: optuna.Trial) -> None:
        """Close a trial that is to be run again."""
        self._close(trial.number, TrialState.FAIL, {"ended": "interrupted"})
        self.fill()

    def _close(self, number: int, state: TrialState, told: Mapping[str, Any], score: list[float] | None = None) -> None:
        """Note what came of a trial and end it; nothing happens where another process has done so before."""
        trial_id = self._trial_id(number)
        with suppress(optuna.exceptions.UpdateFinishedTrialError):
            for key, value in told.items():
                self._storage.set_trial_user_attr(trial_id, key, value)
            self._storage.set_trial_state_values(trial_id, state, score)

    def _read(self, number: int, trial: FrozenTrial) -> Trial:
        fields, notes = self.plan.search.fields, trial.user_attrs
        there = trial.params or trial.system_attrs.get("fixed_params", {})
        values = {field: _meant(there[field], fields[field]) for field in fields if field in there}
        host = notes.get("worker", {}).get("host", "")
        return Trial(number, _NAMES[trial.state], values, Outcome(**notes.get("outcome", {})), host)


@dataclass(frozen=True)
class Taken:
    """A trial that this process runs.

    Attributes:
        study: It is part of.
        trial: optuna's.
        number: Of the trial in the search.
        values: Of each field.
    """

    study: Study
    trial: optuna.Trial
    number: int
    values: dict[str, Value]

    @contextmanager
    def living(self) -> Iterator[None]:
        """Give signs of life from a thread, by which others tell that the trial is under way."""
        over = threading.Event()

        def beat() -> None:
            while not over.wait(_BEAT):
                with suppress(*UNANSWERED):
                    self.study.beat(self.trial)

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def report(self, score: float, epoch: int) -> bool:
        """Note the score of an epoch, counted from 1; whether the trial is to be pruned."""
        self.trial.report(score, epoch)
        return self.trial.should_prune()

    def complete(self, outcome: Outcome) -> None:
        """It went to its end."""
        self.study.end(self.trial, TrialState.COMPLETE, outcome)

    def prune(self, outcome: Outcome) -> None:
        """It was not worth going on with."""
        self.study.end(self.trial, TrialState.PRUNED, outcome)

    def fail(self, outcome: Outcome) -> None:
        """It cannot be trained with these values."""
        self.study.end(self.trial, TrialState.FAIL, outcome)

    def give_back(self) -> None:
        """It was interrupted, and is to be run again."""
        self.study.give_back(self.trial)


def _number(trial: FrozenTrial) -> int:
    return int(trial.user_attrs["number"])


def _broken_off(trial: FrozenTrial) -> bool:
    return trial.state == TrialState.FAIL and "ended" in trial.user_attrs


def _lost(trial: FrozenTrial) -> bool:
    """Whether the process that runs a trial is no more."""
    worker = trial.user_attrs.get("worker")
    begun = trial.datetime_start.timestamp() if isinstance(trial.datetime_start, datetime) else 0.0
    if worker is None:
        return time.time() - begun > _UNNAMED
    # On Windows signal 0 would be Ctrl-C; there, as from other machines, only silence tells.
    if worker["host"] == platform.node() and os.name == "posix" and not _exists(worker["process"]):
        return True
    return time.time() - float(worker["alive"]) > _SILENT


def _exists(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _distribution(values: list[Any] | Range) -> BaseDistribution:
    if not isinstance(values, Range):
        return CategoricalDistribution([_plain(value) for value in values])
    high = values.high if values.step is None else values.stepped()[-1]
    if values.whole:
        return IntDistribution(int(values.low), int(high), values.log, int(values.step or 1))
    return FloatDistribution(values.low, high, values.log, values.step)


def _plain(value: Any) -> Any:
    """What a database can hold: a list becomes its text."""
    return json.dumps(value) if isinstance(value, list) else value


def _meant(stored: Any, values: list[Any] | Range) -> Any:
    """The other way round; the type is the search's own, where the database knows only one kind of number."""
    if isinstance(values, Range):
        return stored
    return next((value for value in values if _plain(value) == stored), stored)


def _pruner(plan: Plan) -> optuna.pruners.BasePruner:
    section = plan.search.search
    if section.pruner == "median":
        return optuna.pruners.MedianPruner(section.prune_after_trials, section.prune_after_epochs)
    if section.pruner == "halving":
        return optuna.pruners.SuccessiveHalvingPruner(
            min_resource=max(section.prune_after_epochs, 1), reduction_factor=3
        )
    return optuna.pruners.NopPruner()


def _difference(there: str, asked: str) -> str:
    old, new = there.splitlines(), asked.splitlines()
    gone = [line for line in old if line and line not in new]
    come = [line for line in new if line and line not in old]
    both = (f"there {'; '.join(gone)}" if gone else "", f"asked for is {'; '.join(come)}" if come else "")
    return ", ".join(text for text in both if text)
