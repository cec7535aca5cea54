"""``mien models``: what is installed, and how well it scores."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from mien.card import Card, ScoreCard

# Parts of a split by how much a score on them is worth; others come after these.
_PARTS = ("public_test", "test", "validation")


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
        scores = {v: _best(card, v) for v in card.vocabularies}
        rows.append(
            {
                **row,
                "error": None,
                "parameters": card.parameters,
                "bytes": (folder / "model.onnx").stat().st_size,
                "licence": card.licence,
                "leaked": card.training.leaked,
                "shortened": card.training.shortened,
                "misscaled": card.training.misscaled,
                "vocabulary": card.primary,
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


def _best(card: Card, vocabulary: str) -> ScoreCard | None:
    parts = (*_PARTS, *(score.part for score in card.scores))
    return next((found for part in parts if (found := card.score(part, vocabulary))), None)


def _print_table(rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    if not rows:
        typer.echo("no model is installed")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("model", "where", "parameters", "MB", "accuracy", "FER+", "licence"):
        table.add_column(name)
    for row in rows:
        if row["error"]:
            table.add_row(row["model"], row["where"], f"[red]{escape(row['error'])}[/red]")
            continue
        table.add_row(
            escape(row["model"])
            + (" (default)" if row["default"] else "")
            + (" [red]LEAKED[/red]" if row["leaked"] else "")
            + (" [yellow]SHORTENED[/yellow]" if row["shortened"] else "")
            + (" [red]MISSCALED[/red]" if row["misscaled"] else ""),
            row["where"],
            f"{row['parameters']:,}",
            f"{row['bytes'] / 1e6:.1f}",
            ("" if row["vocabulary"] == "fer2013" else f"{escape(row['vocabulary'])}: ")
            + _score(row["scores"][row["vocabulary"]]),
            _score(row["scores"].get("ferplus") if row["vocabulary"] != "ferplus" else None),
            escape(row["licence"]),
        )
    console = Console(emoji=False)
    console.print(table)
    for row in rows:
        if row.get("shortened"):
            console.print(f"{escape(row['model'])}: the run was shortened ({escape(row['shortened'])})")
    console.print(
        "Accuracy with its 95% interval and number of faces, under FER2013's labels and on PublicTest where nothing "
        "else is said; FER+ by the official majority protocol.",
        style="dim",
    )


def _score(score: dict[str, Any] | None) -> str:
    if score is None:
        return "–"
    part = "" if score["part"] == "public_test" else f", {score['part']}"
    return f"{score['value']:.1%} ({score['low']:.1%} to {score['high']:.1%}, n = {score['n']:,}{part})"
