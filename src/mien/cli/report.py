"""``mien report``: evaluations as a page, an appendix, tables for a paper, or data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_Out = typer.Option("--out", metavar="FILE", help=".html, .md (pictures beside it), .tex (tables) or .json.")
_Title = typer.Option("--title", metavar="TEXT", help="In place of the models' and the data's names.")


def report(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN...", help="Folders of evaluated runs, or of evaluations.", show_default=False),
    ],
    out: Annotated[Path, _Out] = Path("report.html"),
    title: Annotated[str, _Title] = "",
    pictures: Annotated[bool, typer.Option(help="Show the evaluation's pictures.")] = True,
) -> None:
    """Write one file about one or several evaluated models.

    The page holds everything: data, protocols, scores with intervals, pictures, recipe, cost, warnings, and the
    commands to have the numbers again. It needs no network and no script, and prints well.
    """
    from mien.report.gather import gather
    from mien.report.writing import require, write

    require(out)  # before anything is read
    subjects = gather(runs, pictures=pictures)
    files = write(out, subjects, title)
    for subject in subjects:
        for problem in subject.missing:
            typer.echo(f"warning: {subject.title}: {problem}", err=True)
    models = "1 model" if len(subjects) == 1 else f"{len(subjects)} models"
    beside = f", {len(files) - 1} pictures in {files[1].parent}" if len(files) > 1 else ""
    typer.echo(f"{out}: {models}{beside}")
