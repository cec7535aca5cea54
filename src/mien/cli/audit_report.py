"""``mien audit-report``: check figures that were published."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mien.evaluation.published.figures import Finding

_PIPE_WIDTH = 120


def audit_report(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...", help="Published figures in TOML; docs/audit-report.md says how to write one."
        ),
    ],
    out: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write all findings as JSON.")] = None,
) -> None:
    """Check a published confusion matrix, classification report or accuracy for what cannot be right.

    Do supports, recalls and cells agree? Are rows and columns swapped? Is it what shuffled labels or one class for all
    would give? Are there enough images for the difference that is claimed? The exit status is 1 where there is a fault
    or a file cannot be read, and 0 where there is none; a doubt is none.
    """
    from mien.errors import DataError
    from mien.evaluation.published.consistency import check
    from mien.evaluation.published.figures import FAULT, load

    _refuse_folder(out)
    rows: list[dict[str, str]] = []
    failed = False
    for file in files:
        try:
            published = load(file)
        except DataError as error:
            typer.echo(f"error: {error}", err=True)
            failed = True
            continue
        found = check(published)
        _print(published.title, found)
        rows += [{"file": str(file), "title": published.title, **asdict(one)} for one in found]
        failed |= any(one.severity == FAULT for one in found)
    if out is not None:
        _write(out, rows)
    if failed:
        raise typer.Exit(1)


def _refuse_folder(out: Path | None) -> None:
    from mien.errors import OutputError

    if out is not None and out.is_dir():
        raise OutputError(f"--json {out} is a folder", "the name of a file")


def _write(out: Path, rows: list[dict[str, str]]) -> None:
    from mien.errors import OutputError
    from mien.files import write_text

    try:
        write_text(out, json.dumps(rows, indent=1, ensure_ascii=False) + "\n")
    except OSError as error:
        raise OutputError(
            f"{out} cannot be written ({error.strerror or error})", "room on the disk and a folder you may write to"
        ) from error


def _print(title: str, found: list[Finding]) -> None:
    """One block for each result: what was found, how, and what the correct reading is."""
    import textwrap

    from rich.console import Console
    from rich.text import Text

    from mien.evaluation.published.figures import DOUBT, FAULT, FINE

    colours = {FAULT: "bold red", DOUBT: "bold yellow", FINE: "green"}
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH)

    def paragraph(text: str, first: str = " " * 9) -> Text:
        width = max(40, console.width)  # wrapped here, so that a pipe gets no spaces at the ends of lines
        return Text(textwrap.fill(text, width, initial_indent=first, subsequent_indent=" " * 9, break_long_words=False))

    console.print(Text(title, "bold"), soft_wrap=True)
    for name in dict.fromkeys(one.result for one in found):
        console.print(Text(f"\n{name}"), soft_wrap=True)
        for one in (f for f in found if f.result == name):
            heading = paragraph(f"{one.what}.", f"  {one.severity:<7}")
            heading.stylize(colours[one.severity], 2, 2 + len(one.severity))
            console.print(heading, soft_wrap=True)
            console.print(
                paragraph(f"{one.arithmetic}."), soft_wrap=True, style="dim" if one.severity == FINE else None
            )
            if one.reading:
                console.print(paragraph(f"→ {one.reading}"), soft_wrap=True)
    numbers = {severity: sum(one.severity == severity for one in found) for severity in (FAULT, DOUBT)}
    counted = ", ".join(f"{n} {severity}{'' if n == 1 else 's'}" for severity, n in numbers.items() if n)
    console.print(Text(f"\n{counted or 'nothing wrong'}\n", "bold"))
