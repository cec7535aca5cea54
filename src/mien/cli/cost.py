"""``mien cost``: what networks take, in one table and one picture."""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from dataclasses import asdict, fields
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args, get_type_hints

import typer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mien.plots.cost import Point
    from mien.training.cost import Cost, Request


BATCH = 32  # as in mien.training.cost, which needs torch
_WIDE = 118  # columns of a terminal that the whole table fits
_HALF = 6  # columns beside the names, of the first half where it does not


class Across(StrEnum):
    """What the picture compares the models by."""

    FLOPS = "flops"
    MS = "ms"
    PARAMETERS = "parameters"


def cost(
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL...",
            help="An installed model, a network such as convrelu-ann, a recipe that ships (with .toml where a model or "
            "a network is called the same), or the path of a bundle, a run or a recipe.",
            show_default=False,
        ),
    ],
    side: Annotated[
        int, typer.Option("--side", min=1, metavar="PIXELS", help="Side of the faces; a bundle has its own.")
    ] = 48,
    classes: Annotated[
        int | None, typer.Option("--classes", min=2, help="Classes of networks and recipes; 7 unless a recipe says.")
    ] = None,
    faces: Annotated[int, typer.Option("--faces", min=1, help="Faces of a training epoch.")] = 28_655,
    batch: Annotated[
        int | None, typer.Option("--batch", min=1, help="Faces of a training step; the recipe's, or 128.")
    ] = None,
    seconds: Annotated[
        float, typer.Option("--seconds", min=0.01, help="Time for each timing of each model; three times it to train.")
    ] = 1.0,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write the table: .csv, .jsonl or .parquet.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="PICTURE", help="Draw a scatter: .png, .pdf or .svg.")
    ] = None,
    x: Annotated[Across, typer.Option("--x", help="What the scatter goes by, from left to right.")] = Across.FLOPS,
) -> None:
    """Measure what networks cost: parameters, multiply-adds, size, memory, and time to train and to score.

    A table on a terminal, JSON Lines in a pipe. Times and memory are measured on this machine; a bundle's or a run's
    seconds per epoch are those it recorded. The column "relative" compares the models in the same run.
    """
    _ready(plot)
    from mien.cli.output import RowWriter
    from mien.training.cost import Cost, Request

    request = Request(side, classes, faces, batch, seconds)
    with nullcontext() if out is None else RowWriter(out, _columns(Cost)) as writer:
        rows = _measured(models, request)
        if writer is not None:
            writer.write([asdict(row) for row in rows])
    if sys.stdout.isatty():
        _print_table(rows)
    else:
        for row in rows:
            typer.echo(json.dumps(asdict(row), ensure_ascii=False))
    for row in rows:
        if row.error:
            typer.echo(f"error: {row.model}: {row.error}", err=True)
    if plot is not None:
        _draw(plot, rows, x)
    if any(row.error for row in rows):
        raise typer.Exit(1)


def _ready(plot: Path | None) -> None:
    """Say what is missing before anything is measured."""
    for package in ("torch", "lightning", "onnx"):
        if find_spec(package) is None:
            from mien.errors import MissingExtraError

            raise MissingExtraError(package, "train", "mien cost")
    if plot is not None:
        from mien.plots import page

        page.require(plot, "The picture of what networks cost")


def _columns(kind: type[Cost]) -> dict[str, type]:
    """The columns of the table with their types; any may be empty."""
    hints = get_type_hints(kind)
    return {f.name: (get_args(hints[f.name]) or (hints[f.name],))[0] for f in fields(kind)}


def _measured(models: list[str], request: Request) -> list[Cost]:
    from rich.console import Console

    from mien.training.cost import costs

    console = Console(stderr=True)
    if not console.is_terminal:
        return costs(models, request)
    with console.status("") as status:
        tell: Callable[[str], None] = status.update
        return costs(models, request, tell)


def _draw(path: Path, rows: Sequence[Cost], across: Across) -> None:
    from mien.plots import cost as picture

    attribute, axis = {
        Across.FLOPS: ("multiply_adds", "multiply-adds for one face (1 multiply-add = 2 FLOPs)"),
        Across.MS: ("ms_per_face", "milliseconds for one face, ONNX Runtime on one thread"),
        Across.PARAMETERS: ("parameters", "parameters"),
    }[across]
    points = [_point(row, getattr(row, attribute)) for row in rows if getattr(row, attribute) and row.parameters]
    if not points:
        typer.echo(f"{path}: not drawn, no model has {axis}", err=True)
        return
    vocabularies = sorted({row.vocabulary or "" for row in rows if row.accuracy is not None})
    accuracy = f"PublicTest accuracy, {', '.join(vocabularies)}"
    picture.save(path, picture.Scatter(axis, tuple(points), accuracy, rows[0].hardware))
    typer.echo(f"{path}: {len(points)} models", err=True)


def _point(row: Cost, x: float) -> Point:
    from mien.plots.cost import Point

    interval = None
    if row.accuracy is not None and row.accuracy_low is not None and row.accuracy_high is not None:
        interval = (row.accuracy_low, row.accuracy_high)
    return Point(_short(row.model), x, row.parameters or 0, row.accuracy, interval, bool(row.leaked))


def _short(model: str) -> str:
    """A model's name, without the folders that it lies in."""
    return Path(model).name.removesuffix(".toml") or model


def _print_table(rows: Sequence[Cost]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(emoji=False, highlight=False)
    good = [row for row in rows if not row.error]
    cells = [_cells(row) for row in good]
    heads = list(cells[0]) if cells else []
    for part in [heads] if console.width >= _WIDE else [heads[:_HALF], heads[_HALF:]]:
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("model", vertical="top")
        for head in part:
            table.add_column(head, justify="right", vertical="top")
        for row, cell in zip(good, cells, strict=True):
            side = f"{row.side}" + (f" → {row.seen_side}" if row.seen_side not in (None, row.side) else "")
            name = f"{escape(row.model)}\n[dim]{row.kind}, {side} px[/dim]"
            table.add_row(name + ("\n[red]LEAKED[/red]" if row.leaked else ""), *(cell[head] for head in part))
        if good:
            console.print(table, end="\n\n")
    for line in _caption(good):
        console.print(escape(line), style="dim")


def _cells(row: Cost) -> dict[str, str]:
    """What stands in the table, by the head of its column."""
    of = f"\n[dim]step of {row.training_batch}[/dim]" if row.training_memory_bytes is not None else ""
    return {
        "para-\nmeters": amount(row.parameters),
        "multiply-\nadds": amount(row.multiply_adds),
        "disk": amount(row.bytes, "B"),
        "ms a\nface": _figures(row.ms_per_face),
        "ms in\nbatch": _figures(row.ms_per_face_batched),
        "rela-\ntive": _figures(row.relative),
        "memory\nscoring": amount(row.memory_bytes, "B"),
        "memory\ntraining": amount(row.training_memory_bytes, "B") + of,
        "s an\nepoch": _epoch(row),
        "accuracy": _accuracy(row),
    }


def amount(value: float | None, unit: str = "") -> str:
    """Three digits and a prefix, such as ``1.46 M``; a dash where there is no value."""
    if value is None:
        return "–"
    for size, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= 0.9995 * size:
            return f"{_figures(value / size)} {prefix}{unit}"
    return f"{value:.0f} {unit}".rstrip()


def _figures(value: float | None) -> str:
    """At least three digits, never an exponent."""
    if value is None:
        return "–"
    return next(f"{value:.{digits}f}" for least, digits in ((99.95, 0), (9.995, 1), (0, 2)) if value >= least)


def _epoch(row: Cost) -> str:
    if row.seconds_per_epoch is None:
        return "–"
    how = "recorded" if row.epoch_source == "recorded" else f"{row.epoch_steps} step{'s' * (row.epoch_steps != 1)}"
    return f"{_figures(row.seconds_per_epoch)}\n[dim]{how}[/dim]"


def _accuracy(row: Cost) -> str:
    if row.accuracy is None:
        return "–"
    if row.accuracy_low is None or row.accuracy_high is None:
        return f"{row.accuracy:.1%}"
    return f"{row.accuracy:.1%}\n[dim]{100 * row.accuracy_low:.1f} to {100 * row.accuracy_high:.1f}[/dim]"


def _caption(good: Sequence[Cost]) -> list[str]:
    """What the numbers are, and what each belongs to."""
    if not good:
        return []
    lines = [
        "1 multiply-add = 2 FLOPs, for one face: convolutions and products of matrices are counted; biases, "
        "activations, normalisation, pooling and resampling are not.",
        f"Measured on {good[0].hardware}, in ONNX Runtime. ms a face: one on one thread; in batches of {BATCH} on all "
        "cores. Memory: what the model adds at most, scoring such a batch on one thread.",
    ]
    first = next((row.model for row in good if row.relative is not None), None)
    if first is not None and len(good) > 1:
        lines.append(f"relative: ms a face over that of {first}, timed in turns.")
    if any(row.kind in ("network", "recipe") for row in good):
        lines.append(
            "Networks and recipes have random weights, exported for this. Disk is weights.safetensors in float32, as "
            "it would be; of others it is model.onnx."
        )
    lines += dict.fromkeys(
        f"Seconds an epoch, measured: the median training step times the steps of {row.epoch_faces:,} faces, without "
        f"validation; {row.epoch_hardware}."
        for row in good
        if row.epoch_source == "measured"
    )
    lines += [
        f"{row.model}: seconds an epoch of {row.epoch_faces:,} faces as recorded in training, on {row.epoch_hardware}."
        for row in good
        if row.epoch_source == "recorded"
    ]
    lines += dict.fromkeys(
        f"Accuracy: PublicTest, {row.vocabulary}, with its 95% interval." for row in good if row.accuracy is not None
    )
    lines += [f"{row.model}: LEAKED, its accuracy is worth nothing: {row.leaked}" for row in good if row.leaked]
    return lines + [f"{row.model}: {row.note}" for row in good if row.note]
