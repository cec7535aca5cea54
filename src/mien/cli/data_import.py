"""``mien data import``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mien.data import FaceSet, Reading
    from mien.data.reading import Chunk


def import_(
    source: Annotated[Path, typer.Argument(help="A download: CSV, parquet, folders of pictures; or a store.")],
    store: Annotated[Path, typer.Argument(help="Folder to make.")],
    kind: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="What the source is, where it is recognised wrongly.")
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(
            "--size",
            metavar="PIXELS",
            help="Side of the stored faces, 48 unless the source states one; pictures of any size are brought to it.",
        ),
    ] = None,
    votes: Annotated[
        Path | None,
        typer.Option("--votes", metavar="FILE", help="FER+'s fer2013new.csv, joined to FER2013 row by row."),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option("--map", metavar="NAME|FILE", help="Map the labels to another vocabulary; see: mien data maps."),
    ] = None,
    skip_bad: Annotated[
        bool,
        typer.Option("--skip-bad", help="Leave out what is wrong, and list it with reasons in STORE.skipped.csv."),
    ] = False,
) -> None:
    """Read a data set once, check every row, and pack it into a folder that opens at once."""
    from mien import data
    from mien.expressions import find_map

    if kind is None:
        found = data.recognise(source)
        kind = found.name
        typer.echo(f"{source} is read as {found.name}: {found.reason}", err=True)
    mapping = None if labels is None else find_map(labels)
    faults = data.Faults(skip_bad)
    reading = data.begin(source, kind=kind, size=size, faults=faults)
    if votes is not None:
        reading = data.join(reading, votes, faults)
    if mapping is not None:
        reading = data.relabelled(reading, mapping)
    faces = data.pack(_shown(reading), store, faults)
    typer.echo(f"{store}: {_summary(faces)}")
    if skip_bad:
        listed = f", listed in {data.skipped_file(store)}" if faults.found else ""
        typer.echo(f"{len(faults.found):,} skipped{listed}", err=bool(faults.found))


def _shown(reading: Reading) -> Reading:
    """The same reading, with a count of its faces on a terminal."""
    if not sys.stderr.isatty():
        return reading
    return replace(reading, chunks=_counted(reading.chunks))


def _counted(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from mien.data.reading import ending

    columns = SpinnerColumn(), TextColumn("{task.completed:,.0f} faces"), TimeElapsedColumn()
    with ending(chunks), Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=None)
        for chunk in chunks:
            yield chunk
            progress.advance(task, len(chunk.rows))


def _summary(faces: FaceSet) -> str:
    counts = [(u, int((faces.usage == i).sum())) for i, u in enumerate(faces.usages)]
    parts = ", ".join(f"{n:,} {u}" for u, n in counts if n) if len(faces.usages) > 1 else ""
    voted = int((faces.votes.sum(axis=1) > 0).sum())
    inside = "; ".join(p for p in (parts, f"{voted:,} with FER+ votes" if voted else "") if p)
    origin = faces.provenance
    return (
        f"{len(faces):,} faces of {faces.size}×{faces.size}{f' ({inside})' if inside else ''}, "
        f"{len(faces.vocabulary)} classes, from {origin.source}, sha256 {origin.sha256[:16]}…"
    )
