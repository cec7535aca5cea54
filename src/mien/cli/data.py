"""``mien data``: data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Bring data sets into mien's store.")


@app.callback()
def _group() -> None:
    pass


@app.command("import")
def import_(
    source: Annotated[Path, typer.Argument(help="fer2013.csv or fer2013.parquet.")],
    store: Annotated[Path, typer.Argument(help="Folder to make.")],
) -> None:
    """Read a data set once and pack it into a folder that opens at once."""
    from mien import data

    faces = data.read(source)
    data.save(faces, store)
    counts = ", ".join(
        f"{(faces.usage == i).sum():,} {u}" for i, u in enumerate(data.USAGES) if (faces.usage == i).any()
    )
    voted = int((faces.votes.sum(axis=1) > 0).sum())
    typer.echo(
        f"{store}: {len(faces):,} faces ({counts}; {voted:,} with FER+ votes) from {source.name}, "
        f"sha256 {faces.provenance.sha256[:16]}…"
    )
