"""``mien evaluate``: how well a model does on a data set, and how far the numbers can be trusted."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mien.evaluation.document import Evaluation
    from mien.evaluation.evaluate import Evaluated, Options
    from mien.evaluation.plan import Plan

_By = typer.Option(
    "--by", metavar="COLUMN", help="Scores by this column too: subject, usage, folder or a column of the store."
)
_Groups = typer.Option("--groups", metavar="FILE", help="Scores by columns of your own: a .csv with row and columns.")
_Robust = typer.Option("--robustness", help="Scores on faces disturbed in eleven ways too; takes a while.")
_Map = typer.Option("--map", metavar="NAME|FILE", help="Map the data's labels first; see mien data maps.")
_Part = typer.Option("--part", metavar="NAME", help="Part of the split; its test part if absent, all for every face.")
_Errors = typer.Option("--error-rate", metavar="SHARE", help="Fit a threshold for this share of wrong answers.")
_Out = typer.Option("--out", metavar="FOLDER", help="RUN/evaluation, or evaluations/MODEL-PART, if absent.")
_Copies = typer.Option(help="Look for copies of the faces among those trained on, and score without them too.")


def evaluate(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="A run folder, a model or bundle, a predictions file (.csv), or a rival (.toml)."
        ),
    ],
    data: Annotated[Path | None, typer.Argument(metavar="DATA", help="Store or source; a run's own if absent.")] = None,
    split: Annotated[Path | None, typer.Option("--split", metavar="FILE", help="A split written by mien data.")] = None,
    part: Annotated[str | None, _Part] = None,
    labels_map: Annotated[str | None, _Map] = None,
    out: Annotated[Path | None, _Out] = None,
    flip: Annotated[bool, typer.Option("--flip", help="Score the mean over face and mirror image too.")] = False,
    crops: Annotated[bool, typer.Option("--crops", help="Score the mean over ten crops too.")] = False,
    robust: Annotated[bool, _Robust] = False,
    tsne: Annotated[bool, typer.Option("--tsne", help="Draw the features by t-SNE too; takes a while.")] = False,
    by: Annotated[list[str] | None, _By] = None,
    groups: Annotated[Path | None, _Groups] = None,
    error_rate: Annotated[list[float] | None, _Errors] = None,
    copies: Annotated[bool, _Copies] = True,
    pictures: Annotated[bool, typer.Option(help="Draw pictures, where matplotlib is installed.")] = True,
    draws: Annotated[int, typer.Option("--draws", min=100, max=1_000_000, help="Resamples of the bootstrap.")] = 1000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the bootstrap and of t-SNE.")] = 0,
    threads: Annotated[int, typer.Option("--threads", min=0, help="Threads of the network; 0 lets it choose.")] = 0,
) -> None:
    """Score a model on a data set, with intervals, baselines, calibration and a look for leaks.

    Writes evaluation.json, predictions.csv and labels.csv (each row under its row id) and pictures into a folder, for
    mien compare and mien report.
    """
    from mien.evaluation.evaluate import ERROR_RATES, Options
    from mien.evaluation.evaluate import evaluate as measure
    from mien.evaluation.plan import plan

    rates = tuple(sorted(set(error_rate or ERROR_RATES)))
    _check(rates, tsne, pictures)
    views = (*(("flip",) if flip else ()), *(("crops",) if crops else ()))
    command = shlex.join(["mien", *sys.argv[1:]])
    options = Options(views, copies, robust, tuple(by or ()), groups, rates, draws, seed, command)
    wanted = plan(model, data, split=split, part=part, labels_map=labels_map, threads=threads)
    folder = out or _folder(wanted, part, split)
    _need_ours(folder, None if out else wanted)
    with _progress() as tell:
        done = measure(wanted, options, tell)
        kept = _keep(done, folder, options, pictures, tsne, tell)
    _print(kept, folder)
    if pictures and find_spec("matplotlib") is None:
        typer.echo("note: no pictures: matplotlib is not installed (pip install 'mien[evaluate]')", err=True)
    elif tsne and "tsne" not in kept.pictures:
        typer.echo(f"note: no t-SNE: {kept.model.name} gives no features", err=True)


def _check(rates: tuple[float, ...], tsne: bool, pictures: bool) -> None:
    from mien.errors import DataError, MissingExtraError, OutputError

    for rate in rates:
        if not 0 < rate < 1:
            raise DataError(f"--error-rate {rate:g}", "a share of wrong answers between 0 and 1, such as 0.1")
    if tsne and not pictures:
        raise OutputError("--tsne with --no-pictures", "one of the two: t-SNE is a picture")
    if tsne:
        for module, package in (("sklearn", "scikit-learn"), ("matplotlib", "matplotlib")):
            if find_spec(module) is None:
                raise MissingExtraError(package, "evaluate", "mien evaluate --tsne")


def _folder(wanted: Plan, part: str | None, split: Path | None) -> Path:
    """RUN/evaluation for a run's own test part; a name with model and part for everything else."""
    subject, card = wanted.subject, wanted.subject.card
    if subject.run is not None and split is None and card and card.training.sha256 == wanted.whole.provenance.sha256:
        return subject.run / ("evaluation" if part is None else f"evaluation-{_safe(wanted.part)}")
    return Path("evaluations") / _safe(f"{subject.facts.name}-{wanted.part}")


def _safe(name: str) -> str:
    """A name that others gave, such that it stays one of a folder here."""
    return re.sub(r"[^\w.+-]+", "-", name).strip(".-") or "model"


def _need_ours(folder: Path, wanted: Plan | None) -> None:
    """An earlier evaluation is replaced, anything else is left alone: also, unless the folder was named, an evaluation
    of another model or data set of the same name.
    """
    from mien.errors import OutputError
    from mien.evaluation.document import FILE, LABELS, PICTURES, PREDICTIONS, load

    if folder.exists() and not (folder / FILE).is_file() and (folder.is_file() or any(folder.iterdir())):
        raise OutputError(f"{folder} exists and holds no evaluation", "a new folder", "Name another with --out.")
    if not (folder / FILE).is_file():
        return
    if others := sorted({p.name for p in folder.iterdir()} - {FILE, LABELS, PICTURES, PREDICTIONS}):
        raise OutputError(
            f"{folder} holds {others[0]} beside an evaluation", "a folder of nothing else", "Move it, or name another."
        )
    if wanted is None:
        return
    earlier, facts = load(folder), wanted.subject.facts
    same = (earlier.model.source, earlier.data.sha256) == (facts.source, wanted.faces.provenance.sha256)
    if facts.kind in ("predictions", "rival"):  # a file of some name may be any
        same = same and earlier.model.sha256 == facts.sha256
    if not same:
        raise OutputError(
            f"{folder} holds an evaluation of another model or data set, {earlier.model.source} on "
            f"{earlier.data.source}",
            "a new folder, or an evaluation of the same to be replaced",
            "Name one with --out.",
        )


def _keep(
    done: Evaluated, folder: Path, options: Options, pictures: bool, tsne: bool, tell: Callable[[str, float], None]
) -> Evaluation:
    """Write everything, whole or not at all; the evaluation with the names of its pictures."""
    from dataclasses import replace

    from mien.errors import OutputError
    from mien.evaluation.document import LABELS, PREDICTIONS
    from mien.evaluation.files import write_labels, write_predictions
    from mien.files import replaced_folder

    evaluation, faces = done.evaluation, done.plan.faces
    try:
        with replaced_folder(folder) as stage:
            write_predictions(stage / PREDICTIONS, done.predictions, faces.provenance.sha256)
            truths = [truth for truth, _ in done.answers.values()]
            write_labels(stage / LABELS, truths, done.plan.part, done.copies)
            if pictures and find_spec("matplotlib") is not None:
                from mien.report.pictures import draw

                evaluation = replace(evaluation, pictures=draw(done, stage, options.seed, tsne, tell))
            evaluation.save(stage)
    except OSError as error:
        raise OutputError(
            f"{folder} cannot be written ({error.strerror or error})", "room on the disk and a folder you may write to"
        ) from error
    return evaluation


@contextmanager
def _progress() -> Iterator[Callable[[str, float], None]]:
    """A bar on standard error where that is a terminal; nothing otherwise."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    ) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda what, share: bar.update(task, description=what, completed=min(share, 1.0))


def _print(evaluation: Evaluation, folder: Path) -> None:
    from mien.cli.evaluation_table import show

    show(evaluation)
    drawn = f" and {len(evaluation.pictures)} pictures" if evaluation.pictures else ""
    typer.echo(f"numbers, predictions{drawn} in {folder}, {evaluation.made.seconds:.0f} s")
    typer.echo(f"a page of it: mien report {shlex.quote(str(folder))} --out report.html")
