"""``mien networks``: what a recipe can name, layer by layer, and the fields that it can set."""

from __future__ import annotations

import json
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from mien.recipe import Recipe


def networks(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NETWORK|RECIPE", help="A network or a recipe, to see its layers; all networks if none."
        ),
    ] = None,
    classes: Annotated[
        int | None, typer.Option("--classes", min=2, help="Number of labels; the recipe's, or 7, by default.")
    ] = None,
    side: Annotated[
        int | None, typer.Option("--side", min=1, help="Side of the pictures, pixels; the paper's by default.")
    ] = None,
    kernel: Annotated[int | None, typer.Option("--kernel", min=2, max=3, help="Of model-3.")] = None,
    fields: Annotated[bool, typer.Option("--fields", help="List every field of a recipe with its meaning.")] = False,
) -> None:
    """List the networks, show the layers of one, or list the fields of a recipe. JSON Lines in a pipe."""
    if fields:
        _fields()
        return
    if name is None and (classes, side, kernel) != (None, None, None):
        raise typer.BadParameter("--classes, --side and --kernel are for one network; name it")
    _need_torch()
    if name is None:
        _overview()
        return
    from mien.recipe import changed
    from mien.training.describe import of_recipe

    options = {"network.side": side, "network.kernel": kernel}
    recipe = _recipe(name)
    if kernel is not None and recipe.network.name != "model-3":
        raise typer.BadParameter(f"--kernel is for model-3, not {recipe.network.name}")
    recipe = changed(recipe, {k: v for k, v in options.items() if v is not None}, name)
    found = of_recipe(recipe, classes)
    if sys.stdout.isatty():
        typer.echo(found.text())
        return
    for layer in found.layers:
        _line({"network": found.name, **vars(layer)})


def _recipe(name: str) -> Recipe:
    from mien.cli.options import recipe_file
    from mien.errors import RecipeError
    from mien.recipe import load, network_names
    from mien.training.describe import recipe_of

    if Path(name).is_file() or Path(name).suffix == ".toml":
        return load(Path(name))
    if name not in network_names():
        try:
            return load(recipe_file(name))
        except RecipeError:  # it speaks of recipes alone
            pass
    return recipe_of(name)


def _need_torch() -> None:
    from mien.errors import MissingExtraError

    if find_spec("torch") is None:
        raise MissingExtraError("torch", "train", "mien networks")


def _line(row: dict[str, Any]) -> None:
    typer.echo(json.dumps(row, ensure_ascii=False))


def _overview() -> None:
    from mien.training.describe import overview

    rows = overview()
    if not sys.stdout.isatty():
        for row in rows:
            _line(vars(row))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("network", no_wrap=True)
    table.add_column("side", justify="right")
    table.add_column("parameters", justify="right")
    table.add_column("from")
    for row in rows:
        count = "–" if row.parameters is None else f"{row.parameters:,}"
        table.add_row(row.name, str(row.side), count, row.source if row.error is None else row.error)
    console = Console(highlight=False)
    console.print(table)
    console.print(
        "Parameters that learn with 7 classes; residual as in mien-small. Layers: mien networks NAME", style="dim"
    )


def _fields() -> None:
    from mien.recipe.fields import fields

    rows = fields()
    if not sys.stdout.isatty():
        for row in rows:
            _line(vars(row))
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.padding import Padding

    console = Console(highlight=False)
    table = None
    for row in rows:
        before, _, name = row.name.rpartition(".")
        if before != table:
            table = before
            console.print(f"\n[bold]{escape(f'[{table}]')}[/bold]" if table else "[bold]at the top[/bold]")
        unset = "required" if row.required else f"{json.dumps(row.default)} if absent"
        if not row.required and row.default is None:
            unset = "may be absent"
        console.print(f"[bold]{name}[/bold]  {escape(row.kind)}  [dim]{escape(unset)}[/dim]")
        if row.networks:
            console.print(Padding(f"of {', '.join(row.networks)}", (0, 0, 0, 4)), style="dim")
        if row.help:
            console.print(Padding(escape(row.help), (0, 0, 0, 4)))
    console.print(
        '\nA recipe may begin with another: extends = "NAME" or "FILE.toml" at its top, then only what differs.',
        style="dim",
        markup=False,
    )
