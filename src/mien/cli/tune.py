"""``mien tune``."""

from __future__ import annotations

import math
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.options import RecipeData, SplitFile, data_for, need_train_extra, recipe_file

if TYPE_CHECKING:
    from mien.plots.tuning import Field
    from mien.recipe.search import Search
    from mien.training.study import Trial
    from mien.training.tune import Tuning

_SHOWN = 5  # trials in the table at the end
_WIDE = 20  # how many times its smallest value the largest is, for a list to be shown in its logarithm


_Recipe = Annotated[
    str, typer.Argument(metavar="RECIPE", help="A recipe file, or the name of one that ships with mien.")
]
_SearchName = Annotated[
    str | None,
    typer.Option("--search", metavar="FILE|NAME", help="A search file, or one that ships: learning-rate, kernel-rate."),
]
_Vary = Annotated[
    list[str] | None,
    typer.Option(
        "--vary",
        metavar="FIELD=VALUES",
        help="In place of a file: training.learning_rate=0.1,0.01 or training.learning_rate=1e-5..1e-1 (drawn "
        "evenly in the logarithm). Once for each field.",
    ),
]
_Out = Annotated[
    Path | None, typer.Option("--out", metavar="FOLDER", help="Study folder; tunes/RECIPE-SEARCH by default.")
]
_Trials = Annotated[
    int | None, typer.Option("--trials", min=1, help="Number of trials in all, in place of the search's.")
]
_Workers = Annotated[
    int,
    typer.Option(
        "--workers",
        min=1,
        help="Processes that share the trials. On several GPUs start a mien tune for each instead.",
    ),
]
_Storage = Annotated[
    str | None,
    typer.Option(
        "--storage",
        metavar="URL",
        help="Database that other machines reach too: postgresql+psycopg://HOST/DATABASE or "
        "journal:///FILE. By default a file of SQLite in the folder.",
    ),
]
_Epochs = Annotated[int | None, typer.Option("--epochs", min=1, help="Epochs of each trial, in place of the recipe's.")]
_Limit = Annotated[int | None, typer.Option("--limit", min=1, help="Only so many faces of each part, in each trial.")]


def tune(
    recipe: _Recipe,
    search: _SearchName = None,
    vary: _Vary = None,
    data: RecipeData = None,
    split: SplitFile = None,
    out: _Out = None,
    trials: _Trials = None,
    workers: _Workers = 1,
    storage: _Storage = None,
    epochs: _Epochs = None,
    limit: _Limit = None,
) -> None:
    """Try a recipe with other values, and say which were best on the validation faces.

    Trials that are finished stay: the same command goes on where it was stopped or killed, and started a second time
    it shares the work.
    """
    from mien.errors import MissingExtraError

    if (search is None) == (not vary):
        raise typer.BadParameter("give either --search or --vary")
    file, (name, asked) = recipe_file(recipe), _search(search, vary or [])
    if trials is not None:
        asked = asked.model_copy(update={"search": asked.search.model_copy(update={"trials": trials})})
    need_train_extra("mien tune")
    if find_spec("optuna") is None:
        raise MissingExtraError("optuna", "tune", "mien tune")
    from mien.training.crew import tune as run
    from mien.training.tune import prepare

    folder = out or Path("tunes") / f"{file.stem}-{name}"
    tuning = prepare(file, asked, folder, data_for(file, data), split, epochs, limit, storage)
    if moved := asked.moves_the_faces():
        typer.echo(f"{', '.join(moved)}: trials are scored on different faces, and differ for that alone", err=True)
    show = _Progress(tuning)
    try:
        found = run(tuning, workers, show)
    except (KeyboardInterrupt, SystemExit):
        show.close()
        typer.echo("interrupted; what is finished is kept. Go on with the same command.", err=True)
        raise typer.Exit(130) from None
    finally:
        show.close()
    _tell(tuning, found)


def _search(name: str | None, vary: list[str]) -> tuple[str, Search]:
    """The search and what to call it."""
    from importlib.resources import files

    from mien.errors import RecipeError
    from mien.recipe.search import load, varied

    if name is None:
        asked = varied(vary)
        return "-".join(field.rpartition(".")[2] for field in asked.fields), asked
    if Path(name).is_file():
        return Path(name).stem, load(Path(name))
    shipped = {p.stem: p for p in Path(str(files("mien"))).joinpath("searches").glob("*.toml")}
    if name not in shipped:
        raise RecipeError(f"no search {name!r}", f"a .toml file, or one of {', '.join(sorted(shipped))}")
    return name, load(shipped[name])


def _tell(tuning: Tuning, trials: list[Trial]) -> None:
    """The end: the best trials, how much a difference is worth, and what to type next."""
    from mien.errors import TrainingError
    from mien.training.tune import ranked, standard_error

    plan, left = tuning.plan, [t for t in trials if t.state in ("waiting", "running")]
    best = ranked(trials, plan.monitor)
    if left:
        typer.echo(f"{len(left)} of {len(trials)} trials are still run by other workers; these are the results so far")
    if not best:
        reasons = {t.outcome.reason for t in trials if t.state == "failed"}
        if left and not reasons:
            return
        raise TrainingError(
            f"none of {len(trials)} trials went to its end: {'; '.join(sorted(reasons)[:3])}",
            remedy=f"Every trial is in {tuning.folder / 'trials.csv'}.",
        )
    _table(tuning, best[:_SHOWN])
    typer.echo(f"{_counted(trials)}; all of them in {tuning.folder / 'trials.csv'}")
    n, error = best[0].outcome.faces, standard_error(best[0])
    typer.echo(f"chosen by {plan.monitor} on {n:,} validation faces, never on a test part")
    if error is not None:
        typer.echo(
            f"on so few, differences of accuracy under {100 * error:.1f} points cannot be told apart (one standard "
            f"error, √(p(1-p)/n)); and the best of {len(best)} is flattered by having been chosen"
        )
    if picture := _picture(tuning, trials):
        typer.echo(f"picture in {picture}")
    if not left:
        _export(tuning, best[0])
    short = [f"--{name} {value}" for name, value in (("epochs", tuning.epochs), ("limit", tuning.limit)) if value]
    full = f" (the trials had {' '.join(short)})" if short else ""
    typer.echo(
        f"train the best in full{full} with: mien train {tuning.folder / 'best.toml'} --out runs/{plan.name}-best"
    )


def _counted(trials: list[Trial]) -> str:
    states = [trial.state for trial in trials]
    parts = [f"{states.count(s)} {s}" for s in ("complete", "pruned", "failed", "running", "waiting") if s in states]
    return f"{len(trials)} trial{'s' if len(trials) > 1 else ''}: {', '.join(parts)}"


def _table(tuning: Tuning, best: list[Trial]) -> None:
    fields = list(tuning.plan.search.fields)
    rows = [["trial", tuning.plan.monitor, *fields, "epochs", "seconds"]]
    for t in best:
        values = [_shown(t.values.get(field)) for field in fields]
        rows.append(
            [str(t.number), f"{t.outcome.score:.4f}", *values, str(t.outcome.epochs), f"{t.outcome.seconds:.0f}"]
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        typer.echo("  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True)))


def _shown(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _export(tuning: Tuning, best: Trial) -> None:
    """The bundle of the best trial, where its run is on this machine."""
    folder = tuning.trial_folder(best.number)
    if not (folder / "weights.safetensors").is_file():
        typer.echo(
            f"the run of trial {best.number} is on {best.host or 'another machine'}; no bundle is made of it here"
        )
        return
    if not (folder / "bundle").exists():
        from mien.training import export as exporter
        from mien.training import run as runs

        exporter.export(runs.finished(folder), folder / "bundle")
    typer.echo(f"bundle of trial {best.number}: mien analyze PATH --model {folder / 'bundle'}")


def _picture(tuning: Tuning, trials: list[Trial]) -> Path | None:
    """Draw the trials, where matplotlib is installed."""
    if find_spec("matplotlib") is None:
        return None
    import numpy as np

    from mien.plots import tuning as picture
    from mien.recipe import SCORES
    from mien.training.tune import ranked, standard_error

    plan = tuning.plan
    ended = [t for t in trials if t.state in ("complete", "pruned", "failed") and t.values]
    best = ranked(ended, plan.monitor)[0]
    error = standard_error(best) if plan.monitor == "val_accuracy" else None
    short = [
        f"{value} {name}" for name, value in (("epochs", tuning.epochs), ("faces of each part", tuning.limit)) if value
    ]
    facts = (
        f"{plan.recipe.name} · {_counted(trials)}" + (f" · {', '.join(short)}" if short else ""),
        f"scored on {best.outcome.faces:,} validation faces, never on a test part · seed {plan.recipe.seed} of the "
        f"training, {plan.search.search.seed} of the search",
    )
    path = tuning.folder / "tuning.png"
    shown = picture.Trials(
        title=plan.name,
        facts=facts,
        score=plan.monitor,
        higher=SCORES[plan.monitor],
        fields=tuple(_field(name, plan.search, ended) for name in plan.search.fields),
        scores=np.array([math.nan if t.outcome.score is None else t.outcome.score for t in ended]),
        complete=np.array([t.state == "complete" for t in ended]),
        error=math.nan if error is None else error,
    )
    picture.save(path, shown)
    return path


def _field(name: str, search: Search, trials: list[Trial]) -> Field:
    from mien.plots.tuning import Field
    from mien.recipe.search import Range

    given = search.fields[name]
    values = [trial.values[name] for trial in trials]
    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(numbers) < len(values):
        return Field(name, tuple(str(v) for v in values))
    log = given.log if isinstance(given, Range) else min(numbers) > 0 and max(numbers) >= _WIDE * min(numbers)
    return Field(name, tuple(numbers), log)


class _Progress:
    """One bar over all trials on a terminal, a line for each that ends anywhere."""

    def __init__(self, tuning: Tuning) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._tuning = tuning
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._told: set[int] | None = None
        self._bar = Progress(
            TextColumn("trials"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[under_way]}"),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=self._console,
            disable=not sys.stderr.isatty(),
        )
        self._task = self._bar.add_task("", total=None, under_way="")
        self._bar.start()

    def __call__(self, trials: list[Trial]) -> None:
        from mien.training.tune import ranked

        ended = [t for t in trials if t.state in ("complete", "pruned", "failed")]
        if self._told is None:
            self._told = {t.number for t in ended}
            if ended:
                self._console.print(f"{len(ended)} of {len(trials)} trials are there already")
        for trial in ended:
            if trial.number not in self._told:
                self._told.add(trial.number)
                count = f"{len(self._told)}/{len(trials)}"
                self._console.print(f"{count:>7}  trial {trial.number}: {self._line(trial)}", markup=False)
        best = ranked(trials, self._tuning.plan.monitor)
        told = f"best {best[0].outcome.score:.4f}" if best else "no score yet"
        running = sum(t.state == "running" for t in trials)
        self._bar.update(self._task, completed=len(ended), total=len(trials), under_way=f"{told}  {running} under way")

    def _line(self, trial: Trial) -> str:
        values = "  ".join(f"{field} {_shown(value)}" for field, value in trial.values.items())
        if trial.state == "failed":
            return f"{values}  failed: {trial.outcome.reason}"
        score = f"{self._tuning.plan.monitor} {trial.outcome.score:.4f}"
        pruned = f"  {trial.outcome.reason}" if trial.state == "pruned" else ""
        return f"{score}  {values}  {trial.outcome.seconds:.0f} s{pruned}"

    def close(self) -> None:
        """Remove the bar."""
        self._bar.stop()
