"""``mien train`` and ``mien export``."""

from __future__ import annotations

import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.hybrid import fit_head
from mien.cli.options import RecipeData, SplitFile, data_for, need_hybrid_extra, need_train_extra, recipe_file

if TYPE_CHECKING:
    from mien.card import Card
    from mien.training.progress import Reporter
    from mien.training.run import Run


Recipe = Annotated[
    str | None,
    typer.Argument(
        metavar="RECIPE", help="A recipe file, or the name of one that ships with mien, such as mien-small."
    ),
]
Resume = Annotated[
    Path | None,
    typer.Option("--resume", metavar="RUN", help="Continue this run after a kill; it ends as an unbroken run would."),
]
Epochs = Annotated[
    int | None,
    typer.Option("--epochs", min=1, help="Epochs in place of the recipe's; with fewer the run is marked shortened."),
]
Limit = Annotated[
    int | None, typer.Option("--limit", min=1, help="Only so many faces of each part; the run is marked shortened.")
]
Devices = Annotated[
    int | None,
    typer.Option("--devices", min=1, help="GPUs, or processes on a CPU. On several machines start it with torchrun."),
]


def train(
    recipe: Recipe = None,
    data: RecipeData = None,
    split: SplitFile = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="RUN", help="Run folder; runs/NAME by default.")] = None,
    resume: Resume = None,
    epochs: Epochs = None,
    limit: Limit = None,
    devices: Devices = None,
) -> None:
    """Train a network by a recipe, and export it as a model bundle."""
    if (recipe is None) == (resume is None):
        raise typer.BadParameter("give either a RECIPE or --resume RUN")
    for name, value in (("--split", split), ("--out", out), ("--epochs", epochs), ("--limit", limit)):
        if value is not None and resume is not None:
            raise typer.BadParameter(f"a run that is resumed stays as it was begun; leave out {name}")
    file = None if recipe is None else recipe_file(recipe)  # a slip of the pen is told before torch is loaded
    need_train_extra("mien train")
    if _has_head(file or Path(str(resume)) / "recipe.toml"):
        need_hybrid_extra("mien train")
    data = data if file is None else data_for(file, data)
    from mien.training import run as runs

    folder = resume or out or Path("runs") / Path(str(file)).stem
    show = Progress()
    try:
        if file is None:
            run = runs.resume(folder, data, show, devices)
        else:
            run = runs.start(file, folder, data, show, split, runs.Shortening(epochs, limit), devices)
    except KeyboardInterrupt:
        show.close()
        if (folder / "checkpoints" / "last.ckpt").is_file():
            typer.echo(f"interrupted; go on after the last whole step with: mien train --resume {folder}", err=True)
        else:
            typer.echo("interrupted before the first step; nothing was trained", err=True)
        raise typer.Exit(130) from None
    finally:
        show.close()
    if run.first:
        _finish(run)


def export(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    out: Annotated[Path, typer.Argument(help="Folder of the bundle to make.")],
    data: Annotated[Path | None, typer.Option("--data", help="Where the run's data set is now.")] = None,
    description: Annotated[str, typer.Option("--description", help="A sentence for the card.")] = "",
    error_rate: Annotated[
        float,
        typer.Option("--error-rate", metavar="RATE", help="Share of wrong answers among those that are not uncertain."),
    ] = 0.2,
) -> None:
    """Turn a finished run into a model bundle; refused if ONNX and torch disagree."""
    if not 0 < error_rate < 1:
        raise typer.BadParameter(f"--error-rate is {error_rate:g}, not between 0 and 1")
    need_train_extra("mien export")
    from mien.training import export as exporter
    from mien.training import run as runs

    _told(exporter.export(runs.finished(run, data), out, description, error_rate), out)


def _has_head(file: Path) -> bool:
    from mien.recipe import load

    return file.is_file() and load(file).head is not None


def _finish(run: Run) -> None:
    """What follows training: curves, the classifier of a recipe's ``[head]``, the bundle, and what to do with it."""
    from mien.training import export as exporter

    _draw(run)
    bundle = run.folder / "bundle"
    if bundle.exists():
        typer.echo(f"{bundle} exists already; export anew with: mien export {run.folder} FOLDER")
        return
    if run.stopped:
        typer.echo(f"stopped early: {run.stopped}")
    if run.recipe.head is None:
        _told(exporter.export(run, bundle), bundle)
    else:
        network = run.folder / "network"
        if not network.exists():
            _told(exporter.export(run, network), network)
        fit_head(run.folder, network, run.faces, run.split, run.recipe)
    typer.echo(f"measure it with: mien evaluate {run.folder}")


def _draw(run: Run) -> None:
    """``curves.png`` in the run folder, where matplotlib is installed."""
    if find_spec("matplotlib") is None:
        return
    from mien.errors import OutputError
    from mien.plots import curves
    from mien.training.progress import read_log

    rows = read_log(run.folder / "log.csv")
    held, recipe = run.rows("validation"), run.recipe
    facts = (
        f"network {recipe.network.name} · {len(run.rows('train')):,} faces to learn from, {len(held):,} to validate on"
        f" · seed {recipe.seed}",
        f"{recipe.training.optimizer}, {recipe.training.schedule} rate from {recipe.training.learning_rate:g}, "
        f"batch {recipe.training.batch_size} · {sum(r['seconds'] for r in rows):,.0f} s",
    )
    alarm = f"Shortened: {run.shortened}." if run.shortened else ""
    alarm += f" Leaked: {run.split.leaked}." if run.split.leaked else ""
    alarm += f" Misscaled to {recipe.network.misscaled} on purpose." if recipe.network.misscaled else ""
    try:
        curves.save(run.folder / "curves.png", curves.Curves(recipe.name, facts, rows, run.kept, alarm.strip()))
    except OutputError as error:  # the training is worth more than its picture
        typer.echo(f"no learning curves: {error}", err=True)


def _told(card: Card, folder: Path) -> None:
    if card.training.leaked:
        typer.echo(f"LEAKED, the scores below are worth nothing: {card.training.leaked}")
    if card.training.shortened:
        typer.echo(f"shortened ({card.training.shortened}): the scores below are not those of the whole recipe")
    if card.training.misscaled:
        typer.echo(f"MISSCALED on purpose, not to be used: {card.training.misscaled}")
    for s in card.scores:
        typer.echo(f"{s.part}, {s.protocol}: {s.value:.2%} (95% interval {s.low:.2%} to {s.high:.2%}, n = {s.n})")
    sure = card.calibration
    kept = "" if sure.reached else f": no confidence keeps an error rate of {sure.error_rate:.1%}, these are the surest"
    typer.echo(
        f"certain from a confidence of {sure.uncertain_below:.1%} on: {sure.share_certain:.1%} of the {sure.n:,} "
        f"held-out faces, and {sure.accuracy_when_certain:.1%} of these are right{kept}"
    )
    typer.echo(f"bundle in {folder}; use it with: mien analyze PATH --model {folder}")


class Progress:
    """A bar on a terminal, a line per epoch anywhere."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._console = Console(stderr=True, highlight=False)
        self._told = -1
        self._began, self._first = time.perf_counter(), 0
        self._bar = Progress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("loss {task.fields[loss]}{task.fields[score]}  {task.fields[speed]} images/s"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not sys.stderr.isatty(),
        )
        self._task = self._bar.add_task("", epoch="", loss="", score="", speed="", total=None)

    def __call__(self, state: Reporter) -> None:
        done = state.epoch * state.steps + state.step
        if self._told < 0:
            self._bar.start()  # not before: of several processes only the first reports
            self._told, self._first, self._began = state.epoch, done, time.perf_counter()
        seconds = max(time.perf_counter() - self._began, 1e-6)
        speed = (done - self._first) * state.batch_size / seconds
        last = state.rows[-1].get("val_accuracy") if state.rows else None
        self._bar.update(
            self._task,
            completed=done,
            total=state.epochs * state.steps,
            loss=f"{state.loss:.3f}",
            score="" if last is None else f"  val_accuracy {last:.3f}",
            epoch=f"{min(state.epoch + 1, state.epochs)}/{state.epochs}",
            speed=f"{speed:.0f}",
        )
        for row in state.rows[self._told :]:
            parts = [
                f"{k} {row[k]:.4f}" for k in ("loss", "accuracy", "val_loss", "val_accuracy", "val_ferplus") if k in row
            ]
            self._console.print(
                f"epoch {row['epoch']:>3}  {'  '.join(parts)}  {row['seconds']:.0f} s  "
                f"{row['images_per_second']:.0f} images/s",
                soft_wrap=True,
            )
        self._told = max(self._told, len(state.rows))

    def close(self) -> None:
        """Remove the bar."""
        self._bar.stop()
