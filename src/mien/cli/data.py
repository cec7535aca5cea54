"""``mien data``: data sets, from the download to a checked split."""

from __future__ import annotations

import typer

from mien.cli.data_audit import audit
from mien.cli.data_balance import balance
from mien.cli.data_export import export
from mien.cli.data_import import import_
from mien.cli.data_info import info
from mien.cli.data_maps import maps
from mien.cli.data_plot import plot
from mien.cli.data_split import split

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Bring data sets in, look at them, check them, split them, and write them out in other forms.",
)
app.command("import")(import_)
app.command("info")(info)
app.command("plot")(plot)
app.command("audit")(audit)
app.command("split")(split)
app.command("balance")(balance)
app.command("export")(export)
app.command("maps")(maps)
