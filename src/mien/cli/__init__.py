"""The command line. Each command imports what it needs when it runs, so that ``mien --help`` is quick."""

from __future__ import annotations

import signal
import sys

import typer

from mien.cli import (
    analyze,
    audit_report,
    compare,
    cost,
    data,
    demo,
    evaluate,
    fetch,
    hybrid,
    live,
    models,
    networks,
    report,
    study,
    train,
    tune,
)
from mien.errors import MienError

app = typer.Typer(
    name="mien",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    help="Recognise facial expressions in pictures, video and cameras; train and measure the networks that do it.",
)
app.command("demo")(demo.demo)
app.command("analyze")(analyze.analyze)
app.command("live")(live.live)
app.command("models")(models.models)
app.command("fetch")(fetch.fetch)
app.command("train")(train.train)
app.command("export")(train.export)
app.command("tune")(tune.tune)
app.command("hybrid")(hybrid.hybrid)
app.command("evaluate")(evaluate.evaluate)
app.command("compare")(compare.compare)
app.command("report")(report.report)
app.command("audit-report")(audit_report.audit_report)
app.command("networks")(networks.networks)
app.command("cost")(cost.cost)
app.add_typer(data.app, name="data")
app.add_typer(study.app, name="study")


def _version(show: bool) -> None:
    if show:
        from mien import __version__

        typer.echo(f"mien {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version and exit."
    ),
) -> None:
    pass


def main() -> None:
    """Entry point: mien's own errors become one line on standard error and exit status 1."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a path may hold characters that the terminal's encoding lacks
            stream.reconfigure(errors="backslashreplace")
    # The same way out as Ctrl-C, so that files which are being written are closed and kept.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        app()
    except MienError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
