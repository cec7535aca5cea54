"""``mien models``: what is installed, and how well it scores."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from mien.card import ScoreCard


def models() -> None:
    """List the shipped and cached models with their scores. A table on a terminal, JSON Lines in a pipe."""
    from mien import bundle
    from mien.errors import BundleError
    from mien.files import cache_folder

    rows: list[dict[str, Any]] = []
    for name, folder in bundle.available().items():
        row: dict[str, Any] = {
            "model": name,
            "default": name == bundle.DEFAULT,
            "where": "cache" if folder.is_relative_to(cache_folder()) else "shipped",
        }
        try:
            card = bundle.Bundle(folder).card
        except BundleError as error:
            rows.append({**row, "error": str(error)})
            continue
        scores = {v: card.score("public_test", v) for v in card.vocabularies}
        rows.append(
            {
                **row,
                "error": None,
                "parameters": card.parameters,
                "bytes": (folder / "model.onnx").stat().st_size,
                "licence": card.licence,
                "leaked": card.training.leaked,
                "scores": {
                    v: {k: getattr(s, k) for k in ("value", "low", "high", "n", "part", "protocol")} if s else None
                    for v, s in scores.items()
                },
                "folder": str(folder),
            }
        )
    if not sys.stdout.isatty():
        for row in rows:
            typer.echo(json.dumps(row, ensure_ascii=False))
        return
    _print_table(rows)


def _print_table(rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    if not rows:
        typer.echo("no model is installed")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("model", "where", "parameters", "MB", "FER2013", "FER+", "licence"):
        table.add_column(name)
    for row in rows:
        if row["error"]:
            table.add_row(row["model"], row["where"], f"[red]{escape(row['error'])}[/red]")
            continue
        table.add_row(
            row["model"] + (" (default)" if row["default"] else "") + (" [red]LEAKED[/red]" if row["leaked"] else ""),
            row["where"],
            f"{row['parameters']:,}",
            f"{row['bytes'] / 1e6:.1f}",
            *(_score(row["scores"].get(v)) for v in ("fer2013", "ferplus")),
            row["licence"],
        )
    console = Console()
    console.print(table)
    console.print(
        "Accuracy on PublicTest with its 95% interval and number of faces; FER+ by the official majority protocol.",
        style="dim",
    )


def _score(score: dict[str, Any] | ScoreCard | None) -> str:
    if not isinstance(score, dict):
        return "–"
    return f"{score['value']:.1%} ({score['low']:.1%} to {score['high']:.1%}, n = {score['n']:,})"
