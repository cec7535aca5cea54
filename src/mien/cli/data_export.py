"""``mien data export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def export(
    store: Annotated[Path, typer.Argument(help="Folder that mien data import wrote; or a source.")],
    target: Annotated[Path, typer.Argument(help="File or folder to make.")],
    form: Annotated[
        str | None,
        typer.Option(
            "--as",
            metavar="csv|folders|parquet",
            help="Form of the data; by default csv or parquet where TARGET ends so, else folders.",
        ),
    ] = None,
    split: Annotated[
        Path | None,
        typer.Option(
            "--split", metavar="FILE", help="Write the parts of this split, each face with its part as usage."
        ),
    ] = None,
) -> None:
    """Write faces out for other programs, as CSV, folders of pictures or parquet; mien reads each of them back."""
    from mien import data
    from mien.data.export import export as write

    form = form or {".csv": "csv", ".parquet": "parquet"}.get(target.suffix.lower(), "folders")
    division = None if split is None else data.Split.load(split)
    faces = data.open_faces(store)
    write(faces, target, form, division)
    count = len(faces) if division is None else len({r for rows in division.parts.values() for r in rows.tolist()})
    beside = target.with_name(f"{target.name}.json")
    described = form == "csv" and beside.exists()
    files = [f for f in target.rglob("*") if f.is_file()] if target.is_dir() else [target]
    typer.echo(
        f"{target}: {count:,} faces as {form}, {sum(f.stat().st_size for f in files) / 1e6:,.1f} MB"
        f"{f'; what its cells mean is in {beside}' if described else ''}"
    )
