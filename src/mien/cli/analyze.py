"""``mien analyze``: pictures in, a row per face out."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.options import DetectorName, ErrorRate, Model, Threads
from mien.weights import DEFAULT

if TYPE_CHECKING:
    from mien.inference.analyze import Analyzer
    from mien.inference.find import Found
    from mien.results import ImageResult, Row

_TABLE_ROWS = 200


def analyze(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH...", help="Image files, folders (searched through) or patterns such as 'photos/**/*.jpg'."
        ),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write rows to a .jsonl, .csv or .parquet file.")
    ] = None,
    annotate: Annotated[
        Path | None, typer.Option("--annotate", metavar="DIR", help="Write pictures with the faces drawn on them here.")
    ] = None,
    explain: Annotated[
        Path | None,
        typer.Option(
            "--explain", metavar="DIR", help="Write pictures here that show where in each face the answer comes from."
        ),
    ] = None,
    model: Model = DEFAULT,
    detector: DetectorName = "auto",
    threads: Threads = 0,
    error_rate: ErrorRate = None,
) -> None:
    """Find faces and say what they express, and how sure that is.

    Prints a table on a terminal and JSON Lines in a pipe. An image without a face has a row that says so; one that
    cannot be read has a row with the error, and makes the exit status 1 at the end.
    """
    from mien.cli.live import interrupts, note_caveats
    from mien.cli.output import RowWriter
    from mien.inference.analyze import Analyzer
    from mien.inference.find import find_images

    _refuse_one_folder(annotate, explain)
    with ExitStack() as stack:
        analyzer = Analyzer(model, detector, threads, explain is not None, error_rate)
        show: Callable[[list[Row]], None]
        table: list[Row] = []
        if out is not None:
            show = stack.enter_context(RowWriter(out, analyzer.columns)).write
        elif sys.stdout.isatty():
            show = table.extend
        else:
            show = _print_json
        note_caveats(analyzer.card)
        found = list(find_images(paths))
        copies = _copies(found, annotate, explain)
        tally = _Tally(len(found))
        with interrupts(tally.stop):
            for item in _progress(found):
                result = _one(analyzer, item, *copies.get(item.path, (None, None)))
                tally.add(result)
                show(result.rows())
                del table[_TABLE_ROWS + 1 :]
                if tally.interrupted:
                    break
    if table:
        _print_table(table)
    _conclude(tally, analyzer, out)


@dataclass
class _Tally:
    """What was done of ``total`` images."""

    total: int
    faces: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def interrupted(self) -> bool:
        return self.stop.is_set()

    def add(self, result: ImageResult) -> None:
        self.counts[result.status] += 1
        self.faces += len(result.faces)

    def __str__(self) -> str:
        done = f"interrupted after {self.counts.total()} of {self.total}" if self.interrupted else f"{self.total}"
        return (
            f"{done} images: {self.faces} faces in {self.counts['ok']}, no face in {self.counts['no face']}, "
            f"{self.counts['error']} could not be read"
        )


def _conclude(tally: _Tally, analyzer: Analyzer, out: Path | None) -> None:
    """What was done, in a line, and the exit status where that is not 0."""
    if tally.interrupted or out is not None or sys.stdout.isatty():
        typer.echo(
            f"{tally}; detector {analyzer.detector_name}, model {analyzer.model_name}"
            + (f"; rows in {out}" if out else ""),
            err=True,
        )
    if tally.interrupted or tally.counts["error"]:
        raise typer.Exit(130 if tally.interrupted else 1)


def _one(analyzer: Analyzer, item: Found, annotated: Path | None, explained: Path | None) -> ImageResult:
    """The result of an image, and its pictures; one without a face has nothing that could be explained."""
    from mien.errors import ImageError
    from mien.images import read_image

    source = str(item.path)
    if item.error:
        return analyzer.failure(source, item.error)
    try:
        image = read_image(item.path)
        result = analyzer.frame(image, source)
        if annotated is not None:
            from mien.plots.annotate import annotate, write_picture

            write_picture(annotated, annotate(image, result))
        if explained is not None and result.faces:
            from mien.plots.annotate import write_picture
            from mien.plots.evidence import explain

            write_picture(explained, explain(result))
    except ImageError as error:  # what cannot be written is no fault of this image, and stops the run
        return analyzer.failure(source, str(error))
    return result


def _common_folder(paths: list[Path]) -> str:
    """Deepest folder that holds every picture, so that what is drawn keeps its subfolders and never collides."""
    try:
        return os.path.commonpath([os.path.dirname(os.path.abspath(p)) for p in paths])  # noqa: PTH100, PTH120
    except ValueError:
        return str(Path.cwd())


def _refuse_one_folder(annotate: Path | None, explain: Path | None) -> None:
    from mien.errors import OutputError

    if annotate is None or explain is None:
        return
    first, second = annotate.resolve(), explain.resolve()
    if first.is_relative_to(second) or second.is_relative_to(first):
        raise OutputError(
            f"--annotate {annotate} and --explain {explain} lie in one another",
            "two folders, so that no picture takes another's place",
            "Name them apart, such as --annotate drawn --explain explained",
        )


def _copies(
    found: list[Found], annotate: Path | None, explain: Path | None
) -> dict[Path, tuple[Path | None, Path | None]]:
    """Where what is drawn of each picture goes; OutputError if that is one of the pictures themselves."""
    if annotate is None and explain is None:
        return {}
    root = _common_folder([f.path for f in found])
    originals = {f.path.resolve() for f in found}
    return {
        f.path: (
            _copy_of(f.path, annotate, root, "--annotate", originals),
            _copy_of(f.path, explain, root, "--explain", originals),
        )
        for f in found
    }


def _copy_of(picture: Path, folder: Path | None, root: str, option: str, originals: set[Path]) -> Path | None:
    from mien.errors import OutputError

    if folder is None:
        return None
    copy = folder / os.path.relpath(picture, root)
    if (taken := copy.resolve()) in originals:
        its = "it" if taken == picture.resolve() else str(picture)
        raise OutputError(
            f"{option} {folder} would overwrite {copy} with what is drawn of {its}",
            "another folder than the pictures' own",
            f"Name one that does not exist yet, such as {option} drawn",
        )
    return copy


def _progress(found: list[Found]) -> Iterator[Found]:
    """The items, with a bar on standard error where that is a terminal and the work is long."""
    if len(found) < 5 or not sys.stderr.isatty():
        yield from found
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    with Progress(
        TextColumn("analysing"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        yield from bar.track(found, total=len(found))


def _print_json(rows: list[Row]) -> None:
    for row in rows:
        sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def _print_table(rows: list[Row]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("image", "face", "expression", "confidence", "next", "box"):
        table.add_column(name, justify="right" if name in ("face", "confidence") else "left", overflow="fold")
    for row in rows[:_TABLE_ROWS]:
        if row["status"] != "ok":
            text = (
                "no face"
                if row["status"] == "no face"
                else f"[red]{escape(row['error'].removeprefix(row['source'] + ': '))}[/red]"
            )
            table.add_row(escape(row["source"]), "–", text)
            continue
        answer = escape(row["expression"])
        # Not by rank: where two labels are equally likely, the other one comes next.
        others = ((v, k[2:]) for k, v in row.items() if k.startswith("p_") and k[2:] != row["expression"])
        value, following = max(others, key=lambda other: other[0])
        table.add_row(
            escape(row["source"]),
            str(row["face"]),
            answer if row["certain"] else f"[yellow]uncertain[/yellow] ({answer}?)",
            f"{row['confidence']:.0%}",
            f"{escape(following)} {value:.0%}",
            ", ".join(f"{row[k]:.0f}" for k in ("x1", "y1", "x2", "y2")),
        )
    Console(emoji=False).print(table)  # a label may be :+1:
    if len(rows) > _TABLE_ROWS:
        typer.echo(f"… the first {_TABLE_ROWS} rows are shown; write all of them with --out FILE")
