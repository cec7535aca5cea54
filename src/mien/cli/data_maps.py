"""``mien data maps``."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mien.expressions import Vocabulary, VocabularyMap


def maps(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME|FILE]", help="Show this map; list all that ship if left out.")
    ] = None,
) -> None:
    """List the maps between label vocabularies, or show one. A map file of your own has the same form."""
    from mien.expressions import MAPS, find_map

    if name is None:
        _list([find_map(one) for one in MAPS])
    else:
        _show(find_map(name))


def _list(found: list[VocabularyMap]) -> None:
    rows = [(m.name, f"{_size(m.source)} → {_size(m.target)}", m.note.split(". ")[0].rstrip(".")) for m in found]
    widths = [max(len(row[i]) for row in rows) for i in range(2)]
    for row in rows:
        typer.echo(f"{row[0].ljust(widths[0])}   {row[1].ljust(widths[1])}   {row[2]}.")
    typer.echo("Labels and reasons: mien data maps NAME   To use one: mien data import SOURCE STORE --map NAME")


def _size(vocabulary: Vocabulary) -> str:
    return f"{vocabulary.name} ({len(vocabulary)})"


def _show(mapping: VocabularyMap) -> None:
    typer.echo(f"{mapping.name}: {_size(mapping.source)} → {_size(mapping.target)}")
    width = max(map(len, mapping.source.labels))
    for label, to in mapping.pairs:
        typer.echo(f"  {label.ljust(width)}   {'dropped' if to is None else f'→ {to}'}")
    reached = {to for _, to in mapping.pairs}
    if empty := [label for label in mapping.target.labels if label not in reached]:
        typer.echo(f"no face becomes {' or '.join(empty)}")
    if mapping.note:
        typer.echo("\n" + textwrap.fill(mapping.note, 100))
