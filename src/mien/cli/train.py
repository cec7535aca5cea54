"""``mien train`` and ``mien export``."""

from __future__ import annotations

import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from mien.training.progress import Reporter


def train(
    recipe: Annotated[
        str | None,
        typer.Argument(metavar="RECIPE", help="A recipe file, or the name of one that ships with mien: mien-small."),
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="Store, fer2013.csv or fer2013.parquet, in place of the recipe's.")
    ] = None,
    split: Annotated[
        Path | None,
        typer.Option("--split", metavar="FILE", help="A split written by mien data, in place of the official one."),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="RUN", help="Run folder; runs/NAME by default.")] = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            "--resume", metavar="RUN", help="Continue this run after a kill; it ends as an unbroken run would."
        ),
    ] = None,
) -> None:
    """Train a network by a recipe, and export it as a model bundle."""
    if (recipe is None) == (resume is None):
        raise typer.BadParameter("give either a RECIPE or --resume RUN")
    if split is not None and resume is not None:
        raise typer.BadParameter("a run that is resumed keeps its split; leave out --split")
    file = None if recipe is None else _recipe_file(recipe)  # a slip of the pen is told before torch is loaded
    _need_train_extra("mien train")
    from mien.training import export as exporter
    from mien.training import run as runs

    folder = resume or out or Path("runs") / Path(str(file)).stem
    show = _Progress()
    try:
        run = runs.resume(folder, data, show) if file is None else runs.start(file, folder, data, show, split)
    except (KeyboardInterrupt, SystemExit):  # Lightning turns Ctrl-C into an exit
        typer.echo(f"interrupted; continue after the last whole epoch with: mien train --resume {folder}", err=True)
        raise typer.Exit(130) from None
    finally:
        show.close()
    bundle = run.folder / "bundle"
    if bundle.exists():
        typer.echo(f"{bundle} exists already; export anew with: mien export {run.folder} FOLDER")
        return
    _told(exporter.export(run, bundle), bundle)


def export(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    out: Annotated[Path, typer.Argument(help="Folder of the bundle to make.")],
    data: Annotated[Path | None, typer.Option("--data", help="Where the run's data set is now.")] = None,
    description: Annotated[str, typer.Option("--description", help="A sentence for the card.")] = "",
) -> None:
    """Turn a finished run into a model bundle; refused if ONNX and torch disagree."""
    _need_train_extra("mien export")
    from mien.training import export as exporter
    from mien.training import run as runs

    _told(exporter.export(runs.finished(run, data), out, description), out)


def _need_train_extra(command: str) -> None:
    from mien.errors import MissingExtraError

    for package in ("torch", "lightning", "onnx"):
        if find_spec(package) is None:
            raise MissingExtraError(package, "train", command)


def _recipe_file(name: str) -> Path:
    from importlib.resources import files

    from mien.errors import RecipeError

    if Path(name).is_file():
        return Path(name)
    shipped = {p.stem: p for p in Path(str(files("mien"))).joinpath("recipes").glob("*.toml")}
    if name not in shipped:
        raise RecipeError(f"no recipe {name!r}", f"a .toml file, or one of {', '.join(sorted(shipped))}")
    return shipped[name]


def _told(card: Any, folder: Path) -> None:
    if card.training.leaked:
        typer.echo(f"LEAKED, the scores below are worth nothing: {card.training.leaked}")
    for s in card.scores:
        typer.echo(f"{s.part}, {s.protocol}: {s.value:.2%} (95% interval {s.low:.2%} to {s.high:.2%}, n = {s.n})")
    typer.echo(f"bundle in {folder}; use it with: mien analyze PATH --model {folder}")


class _Progress:
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
            TextColumn("loss {task.fields[loss]}  {task.fields[speed]} images/s"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not sys.stderr.isatty(),
        )
        self._task = self._bar.add_task("", epoch="", loss="", speed="", total=None)
        self._bar.start()

    def __call__(self, state: Reporter) -> None:
        done = state.epoch * state.steps + state.step
        if self._told < 0:
            self._told, self._first, self._began = state.epoch, done, time.perf_counter()
        seconds = max(time.perf_counter() - self._began, 1e-6)
        speed = (done - self._first) * state.batch_size / seconds
        self._bar.update(
            self._task,
            completed=done,
            total=state.epochs * state.steps,
            loss=f"{state.loss:.3f}",
            epoch=f"{min(state.epoch + 1, state.epochs)}/{state.epochs}",
            speed=f"{speed:.0f}",
        )
        for row in state.rows[self._told :]:
            parts = [f"{k} {row[k]:.4f}" for k in ("loss", "val_loss", "val_accuracy", "val_ferplus") if k in row]
            self._console.print(f"epoch {row['epoch']:>3}  " + "  ".join(parts) + f"  {row['seconds']:.0f} s")
        self._told = max(self._told, len(state.rows))

    def close(self) -> None:
        """Remove the bar."""
        self._bar.stop()
