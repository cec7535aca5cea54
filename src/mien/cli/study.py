"""``mien study``: the papers' systems, run and explained."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mien.studies.engine import Order, Outcome
    from mien.studies.manifest import System

app = typer.Typer(no_args_is_help=True, help="Run the papers' systems, and say which of their numbers to believe.")

_Studies = Annotated[
    Path | None,
    typer.Option("--studies", metavar="FOLDER", help="Folder of the studies; ./studies, or that of mien's checkout."),
]
_Names = Annotated[list[str] | None, typer.Argument(metavar="NAME...", help="Studies; see mien study list.")]
_Only = typer.Option("--only", metavar="SYSTEM", help="Only this system, and those whose weights it begins with.")
_Data = typer.Option("--data", metavar="STORE", help="Store or source file, in place of the study's.")
_Out = typer.Option("--out", metavar="FOLDER", help="Folder of the runs; runs/NAME if absent. --quick adds -quick.")
_Quick = typer.Option("--quick", help="One epoch on a few hundred faces, to see it run; results stay with the runs.")
_Epochs = typer.Option(
    "--epochs", min=1, help="At most so many epochs; fewer than a recipe's mark its result as shortened."
)
_Limit = typer.Option("--limit", min=1, help="Only so many faces of each part; results are marked as shortened.")
_Again = typer.Option("--again", help="Evaluate and measure anew what has a result already.")


@app.command("list")
def list_(studies: _Studies = None) -> None:
    """List the studies and their systems, with what has been run."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table as Grid

    from mien.studies.found import study_folders
    from mien.studies.manifest import load_study

    console = Console(highlight=False, emoji=False, width=None if sys.stdout.isatty() else 240)
    for name, folder in study_folders(studies).items():
        study = load_study(folder)
        console.print(f"[bold]{escape(name)}[/bold]  {escape(study.title)} ({escape(study.source)})")
        grid = Grid(box=None, pad_edge=False, header_style="dim")
        grid.add_column("system", no_wrap=True, overflow="fold")
        grid.add_column("")
        grid.add_column("accuracy", justify="right", no_wrap=True)
        grid.add_column("run")
        for system in study.system:
            grid.add_row(f"  {escape(system.name)}", escape(system.title), *map(escape, _standing(folder, system)))
        console.print(grid)
        console.print()
    typer.echo("run one with: mien study run NAME [--only SYSTEM]   read all with: mien study report")


def _standing(folder: Path, system: System) -> tuple[str, str]:
    """Accuracy of a system on its first part, and how it was run."""
    from mien.errors import StudyError
    from mien.report.numbers import share
    from mien.studies.result import load_result, out_of_date
    from mien.studies.tables import is_leaked

    try:
        result = load_result(folder / system.name, folder.name)
    except StudyError as error:
        return "", f"damaged: {error}"
    if result is None:
        return "", "not run yet"
    if result.training is None:
        return "", f"cannot be run: {result.unavailable}"
    part, scores = next(iter(result.parts.items()))
    marks = ["LEAKED"] * is_leaked(result, part) + ["MISSCALED"] * bool(result.training.misscaled)
    said = " ".join([*marks, share(scores.scores["accuracy"].value), part])
    shortened, outdated = result.training.shortened, out_of_date(folder, system, result)
    ran = f"SHORTENED: {shortened}" if shortened else f"{result.training.epochs} epochs"
    return said, f"{ran}; OUTDATED: {outdated}" if outdated else ran


@app.command()
def run(
    names: _Names = None,
    only: Annotated[list[str] | None, _Only] = None,
    data: Annotated[Path | None, _Data] = None,
    out: Annotated[Path | None, _Out] = None,
    quick: Annotated[bool, _Quick] = False,
    epochs: Annotated[int | None, _Epochs] = None,
    limit: Annotated[int | None, _Limit] = None,
    again: Annotated[bool, _Again] = False,
    studies: _Studies = None,
) -> None:
    """Train, evaluate and measure the systems of studies, and write down what came out.

    Systems are run one after another, the cheapest first. What was stopped goes on where it was; what has a result is
    not run again; a shortened run never takes the place of a whole one. A result is written as soon as its system is
    done, as result.json in the study's folder.
    """
    if quick and (epochs is not None or limit is not None):
        raise typer.BadParameter("--quick says how short; leave out --epochs and --limit")
    from mien.cli.options import need_train_extra
    from mien.studies.found import study_folder, study_folders

    chosen = names or (list(study_folders(studies)) if quick else [])
    if not chosen:
        raise typer.BadParameter(f"name a study: one of {', '.join(study_folders(studies))}")
    if only and len(chosen) > 1:
        raise typer.BadParameter("--only names systems of one study; name one study")
    folders = [study_folder(name, studies) for name in chosen]  # a slip of the pen is told before torch is loaded
    need_train_extra("mien study run")
    failed = 0
    for folder in folders:
        runs = (out / folder.name if len(folders) > 1 else out) if out else Path("runs") / folder.name
        failed += _run(_order(folder, runs, tuple(only or ()), data, quick, epochs, limit, again), folder.name)
    if failed:
        typer.echo(f"error: {'1 system' if failed == 1 else f'{failed} systems'} failed", err=True)
        raise typer.Exit(1)
    where = "" if studies is None else f" --studies {shlex.quote(str(studies))}"
    typer.echo(f"a page of it: mien study report{where}" if not quick else "a quick run: its numbers mean nothing")


def _order(
    folder: Path,
    runs: Path,
    only: tuple[str, ...],
    data: Path | None,
    quick: bool,
    epochs: int | None,
    limit: int | None,
    again: bool,
) -> Order:
    from mien.errors import StudyError
    from mien.studies import quick as short
    from mien.studies.engine import Order
    from mien.studies.manifest import load_study

    source = data or Path(load_study(folder).data)
    if not source.exists():
        raise StudyError(
            f"the study {folder.name} needs its data set, and there is no {source} here",
            "a store or a source file",
            "Name it with --data STORE.",
        )
    typed = [f"--{name} {n}" for name, n in (("epochs", epochs), ("limit", limit)) if n]
    typed += [f"--data {shlex.quote(source.name)}"] if source.name != Path(load_study(folder).data).name else []
    if not quick:
        return Order(folder, source, runs, folder, only, epochs, limit, again, options=" ".join(typed))
    runs = runs.with_name(f"{runs.name}-quick")
    store, results = short.quick_store(source, runs), runs / "results"
    return Order(folder, store, runs, results, only, short.EPOCHS, None, again, False, short.DRAWS, "--quick")


def _run(order: Order, name: str) -> int:
    """Run one study; how many of its systems failed."""
    from mien.cli.train import Progress
    from mien.studies.engine import failures, run_study

    shown: list[Progress] = []

    def progress() -> Progress:
        shown.append(Progress())
        return shown[-1]

    def tell(line: str) -> None:
        while shown:
            shown.pop().close()
        typer.echo(f"{name}/{line}")

    try:
        outcomes = run_study(order, tell, progress)
    except KeyboardInterrupt:
        typer.echo(f"interrupted; go on with: {shlex.join(['mien', *sys.argv[1:]])}", err=True)
        raise typer.Exit(130) from None
    finally:
        while shown:
            shown.pop().close()
    _errors(outcomes, name)
    return failures(outcomes)


def _errors(outcomes: Sequence[Outcome], name: str) -> None:
    for outcome in outcomes:
        if outcome.state == "failed":
            typer.echo(f"error: {name}/{outcome.system}: {outcome.text}", err=True)


@app.command()
def report(
    names: _Names = None,
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help=".html, .md or .json; pictures of .md lie in the studies.")
    ] = Path("studies.html"),
    studies: _Studies = None,
) -> None:
    """Write one page: the papers' claims, what was measured here, and why they came out as they did."""
    from mien.studies.found import study_folder, study_folders
    from mien.studies.writing import write

    folders = [study_folder(name, studies) for name in names] if names else list(study_folders(studies).values())
    write(out, folders, lambda line: typer.echo(f"warning: {line}", err=True))
    typer.echo(f"{out}: {len(folders)} {'study' if len(folders) == 1 else 'studies'}")
