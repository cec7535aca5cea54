"""A search becomes a folder of runs, one a trial. Reads top to bottom.

OUT/study.toml       the search as run
OUT/recipe.toml      the recipe as given
OUT/study.db         the trials, unless another database was named
OUT/trials/NNNN/     a run folder each
OUT/trials.csv       a line for each trial
OUT/best.toml        the recipe with the best values, with all its epochs and faces
OUT/worker-N.log     what each of several workers said
"""

from __future__ import annotations

import csv
import io
import math
import multiprocessing
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna

from mien.data import open_faces
from mien.errors import DataError, MienError, MissingExtraError, RecipeError
from mien.files import write_text
from mien.recipe import SCORES, Recipe, changed, load, to_toml
from mien.recipe.search import Search, Value
from mien.recipe.search import to_toml as search_to_toml
from mien.training.database import hidden
from mien.training.progress import Report, Reporter
from mien.training.study import Outcome, Plan, Study, Taken, Trial

Train = Callable[["Tuning", Recipe, Path, Report], int]
"""Trains a recipe in a folder, going on where there is a run of it; gives the number of validation faces."""

Look = Callable[[list[Trial]], None]
"""Is shown every trial."""

_OFTEN = 1.0  # seconds between two looks at the trials
_NO_MEMORY = ("out of memory", "can't allocate memory", "alloc_cpu")


@dataclass(frozen=True)
class Tuning:
    """A search that was checked and may be run; the same for every worker on this machine.

    Attributes:
        folder: The study folder.
        plan: What is tried. The recipe in it names its files by their whole path.
        base: Folder that the searched values' paths are relative to.
        epochs: For every trial in place of the recipe's.
        limit: Faces of each part, for every trial in place of all.
    """

    folder: Path
    plan: Plan
    base: Path
    epochs: int | None = None
    limit: int | None = None

    def recipe(self, values: Mapping[str, Value]) -> Recipe:
        """The recipe with other values."""
        return _anchored(changed(self.plan.recipe, values), self.base)

    def trial_folder(self, number: int) -> Path:
        """The run folder of a trial."""
        return self.folder / "trials" / f"{number:04}"


def prepare(
    recipe_file: Path,
    search: Search,
    folder: Path,
    data: Path | None = None,
    split_file: Path | None = None,
    epochs: int | None = None,
    limit: int | None = None,
    storage: str | None = None,
) -> Tuning:
    """Check a search and write down what it is about, or find that in its folder.

    Args:
        recipe_file: The recipe.
        search: Fields and values.
        folder: The study folder; where it holds this study, that is gone on with.
        data: Store or source file, in place of the recipe's.
        split_file: Split in place of the recipe's.
        epochs: As in ``Tuning``.
        limit: As in ``Tuning``.
        storage: URL of the database; a file of SQLite in the folder if None.

    Raises:
        RecipeError: Something is wrong with the recipe or the search, the folder holds another study, or the database
            cannot be opened.
        DataError: The data set cannot be read, or is not the one the study was begun with.
    """
    given, base = load(recipe_file), recipe_file.parent.resolve()
    options = {"data.source": data, "data.split": split_file, "training.epochs": epochs, "data.limit": limit}
    for field, option in options.items():
        if option is not None and field in search.fields:
            raise RecipeError(f"{field} is searched over, and given by an option too", "one of both")
    search.check(given)
    about, texts = _about(search, epochs, limit, storage), to_toml(given)
    _need_same(folder, texts, about)
    changes: dict[str, Any] = {f: str(p.resolve()) for f, p in options.items() if isinstance(p, Path)}
    if search.search.monitor is not None:
        changes["training.monitor"] = search.search.monitor
    recipe = _anchored(changed(given, changes), base)
    source = Path(recipe.data.source)
    sha256 = "varied" if "data.source" in search.fields else open_faces(source).provenance.sha256
    url = storage or f"sqlite:///{(folder / 'study.db').resolve()}"
    plan = Plan(folder.resolve().name, recipe, search, url, texts + _but_for_trials(about))
    if (begun := Study(plan).remember("data", sha256)) != sha256:
        raise DataError(
            f"{source} has the sha256 {sha256[:16]}…",
            f"the data set that the study was begun with, {begun[:16]}…",
            "Name that with --data, or another folder with --out.",
        )
    write_text(folder / "recipe.toml", texts)
    write_text(folder / "study.toml", about)
    return Tuning(folder, plan, base, epochs, limit)


def work(tuning: Tuning, look: Look | None = None, train: Train | None = None) -> None:
    """Run one trial after another, until there is none that nobody has taken.

    Args:
        tuning: The search.
        look: Called about once a second and after each trial.
        train: ``trained`` if None.

    Raises:
        MienError: Something is wrong with more than one trial; the one under way is put back.
        KeyboardInterrupt: Likewise.
    """
    study = Study(tuning.plan)
    while (taken := study.take()) is not None:
        _run(tuning, taken, _Course(taken, tuning, look), train or trained)
        if look is not None:
            look(study.trials())


def trained(tuning: Tuning, recipe: Recipe, folder: Path, report: Report) -> int:
    """Train a trial's recipe in its run folder, or go on with the run that a killed worker left there."""
    from mien.training import run as runs

    shortening = runs.Shortening(tuning.epochs, tuning.limit)
    if folder.exists():
        with suppress(RecipeError, OSError):  # it was killed while the first files were written
            if (folder / "recipe.toml").read_text(encoding="utf-8") == to_toml(shortening.apply(recipe)[0]):
                return len(runs.resume(folder, None, report).rows("validation"))
        shutil.rmtree(folder)
    return len(runs.start(recipe, folder, None, report, None, shortening).rows("validation"))


def _run(tuning: Tuning, taken: Taken, course: _Course, train: Train) -> None:
    """Run a trial and note what came of it; put it back where that is nothing."""
    try:
        recipe = tuning.recipe(taken.values)
        with taken.living():
            faces = train(tuning, recipe, tuning.trial_folder(taken.number), course)
    except optuna.TrialPruned:
        taken.prune(course.outcome(course.rows[-1], reason=f"pruned after epoch {len(course.rows)}"))
    except Exception as error:
        if (reason := _own_fault(error)) is None:
            taken.give_back()
            raise
        taken.fail(course.outcome(None, reason=reason))
    except BaseException:
        taken.give_back()
        raise
    else:
        row = course.kept(recipe.training.keep)
        outcome = course.outcome(row, faces)
        if outcome.score is None or not math.isfinite(outcome.score):
            taken.fail(course.outcome(None, faces, f"{course.monitor} is not a number"))
        else:
            taken.complete(outcome)


def _own_fault(error: Exception) -> str | None:
    """Why a trial failed, where that comes of its values; None where others would fail alike."""
    if isinstance(error, MienError):
        others = isinstance(error, RecipeError | DataError | MissingExtraError) or isinstance(error.__cause__, OSError)
        return None if others else error.came
    if isinstance(error, MemoryError) or any(text in str(error).lower() for text in _NO_MEMORY):
        return f"there was not enough memory: {(str(error).splitlines() or ['MemoryError'])[0]}"
    return None


class _Course:
    """What a run reports, handed on to the study."""

    def __init__(self, taken: Taken, tuning: Tuning, look: Look | None) -> None:
        self.monitor, self.rows = tuning.plan.monitor, list[dict[str, Any]]()
        self._taken, self._look, self._looked = taken, look, time.monotonic()

    def __call__(self, state: Reporter) -> None:
        for row in state.rows[len(self.rows) :]:
            self.rows.append(row)
            hopeless = self._taken.report(row[self.monitor], len(self.rows))
            if hopeless and len(self.rows) < state.epochs:
                raise optuna.TrialPruned
        if time.monotonic() - self._looked < _OFTEN:
            return
        self._looked = time.monotonic()
        if self._look is not None:
            self._look(self._taken.study.trials())
        parent = multiprocessing.parent_process()
        if parent is not None and not parent.is_alive():  # mien tune itself was killed
            raise KeyboardInterrupt

    def kept(self, keep: str) -> dict[str, Any] | None:
        """The epoch whose weights the run keeps."""
        if keep == "last" or not self.rows:
            return self.rows[-1] if self.rows else None
        best = max if SCORES[self.monitor] else min
        return best(self.rows, key=lambda row: float(row[self.monitor]))

    def outcome(self, row: dict[str, Any] | None, faces: int = 0, reason: str = "") -> Outcome:
        """The trial's, with the scores of this epoch."""
        seconds = sum(float(r["seconds"]) for r in self.rows)
        scores = row or {}
        return Outcome(
            scores.get(self.monitor), len(self.rows), round(seconds, 3), faces, scores.get("val_accuracy"), reason
        )


def ranked(trials: Sequence[Trial], monitor: str) -> list[Trial]:
    """The trials that went to their end, the best first; of equal ones the first."""
    sign = -1 if SCORES[monitor] else 1
    done = [
        (sign * t.outcome.score, t.number, t) for t in trials if t.state == "complete" and t.outcome.score is not None
    ]
    return [trial for _, _, trial in sorted(done, key=lambda one: one[:2])]


def standard_error(trial: Trial) -> float | None:
    """One standard error of a trial's accuracy, 0 to 1: the square root of p (1 − p) / n.

    Of the differences between two trials less than this is to be made nothing: the rule of one standard error
    (Breiman et al. 1984, Classification and Regression Trees, section 3.4.3). None where the faces are not known.
    """
    p, n = trial.outcome.accuracy, trial.outcome.faces
    return None if p is None or not n else math.sqrt(p * (1 - p) / n)


def write_results(tuning: Tuning, trials: Sequence[Trial]) -> None:
    """Write ``trials.csv``, and ``best.toml`` where a trial went to its end."""
    fields = list(tuning.plan.search.fields)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["number", "state", *fields, "score", "epochs", "seconds", "host", "reason"])
    for trial in trials:
        told = trial.outcome
        score = "" if told.score is None else f"{told.score:.6g}"
        values = [trial.values.get(field, "") for field in fields]
        writer.writerow([trial.number, trial.state, *values, score, told.epochs, told.seconds, trial.host, told.reason])
    write_text(tuning.folder / "trials.csv", out.getvalue())
    if best := ranked(trials, tuning.plan.monitor):
        recipe = tuning.recipe({**best[0].values, "name": f"{tuning.plan.recipe.name}-tuned"})
        score = f"# {tuning.plan.monitor} {best[0].outcome.score:.6g} in trial {best[0].number} of {tuning.plan.name}\n"
        write_text(tuning.folder / "best.toml", score + to_toml(recipe))


def _anchored(recipe: Recipe, base: Path) -> Recipe:
    """The recipe with whole paths, so that it means the same in every folder."""
    found: dict[str, Any] = {"data.source": str((base / recipe.data.source).resolve())}
    if recipe.data.split is not None:
        found["data.split"] = str((base / recipe.data.split).resolve())
    files = {
        "data.map": recipe.data.map,
        "network.weights": getattr(recipe.network, "weights", None),
        "network.weights_file": getattr(recipe.network, "weights_file", None),
    }
    found |= {f: str((base / p).resolve()) for f, p in files.items() if p is not None and (base / p).is_file()}
    return changed(recipe, found)


def _about(search: Search, epochs: int | None, limit: int | None, storage: str | None) -> str:
    """The text of ``study.toml``."""
    options = (("epochs", epochs), ("limit", limit), ("storage", storage and hidden(storage)))
    return "".join(f"# --{name} {value}\n" for name, value in options if value) + search_to_toml(search)


def _but_for_trials(about: str) -> str:
    """What must stay as it is when a study is gone on with; on another machine the way to its database is another."""
    return "\n".join(line for line in about.splitlines() if not line.startswith(("trials = ", "# --storage ")))


def _need_same(folder: Path, recipe: str, about: str) -> None:
    there = [folder / "recipe.toml", folder / "study.toml"]
    if (folder / "study.toml").is_file():
        old = [path.read_text(encoding="utf-8") if path.is_file() else "" for path in there]
        if old[0] == recipe and _but_for_trials(old[1]) == _but_for_trials(about):
            return
        which = "recipe" if old[0] != recipe else "search"
        raise RecipeError(
            f"{folder} holds a study with another {which}",
            f"the {which} in {there[0] if which == 'recipe' else there[1]}",
            "Name another folder with --out.",
        )
    if (folder / "recipe.toml").is_file() or (folder.exists() and not folder.is_dir()):
        raise RecipeError(f"{folder} is no study folder", "a new folder, or that of a study", "Name one with --out.")
