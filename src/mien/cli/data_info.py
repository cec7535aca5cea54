"""``mien data info``: what is in a data set."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from mien.data import Split
    from mien.data.agreement import Agreement
    from mien.data.statistics import GreyLevel, Statistics

_PIPE_WIDTH = 80
_GAP = 2
_WIDEST = 30  # a longer name is folded
_BAR = 24


def info(
    store: Annotated[Path, typer.Argument(metavar="STORE", help="A store, or a source file.")],
    split: Annotated[
        Path | None, typer.Option("--split", metavar="FILE", help="Count the parts of this split instead.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write all numbers as JSON.")] = False,
) -> None:
    """Say what is in a data set: classes, shares, grey levels, agreement with FER+, and what to beware of."""
    from mien.data import Split, open_faces
    from mien.data.statistics import statistics

    found = statistics(open_faces(store), None if split is None else Split.load(split))
    if as_json:
        typer.echo(json.dumps(found.to_dict(), indent=2, ensure_ascii=False))
        return
    from rich.console import Console

    console = Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH)
    _header(console, found)
    if found.warnings:
        console.print()
    for sentence in found.warnings:
        leak = found.split is not None and found.split.leaked and sentence == found.warnings[0]
        _line(console, f"{'!!' if leak else '!'} {sentence}", "bold white on red" if leak else "yellow")
    _counts(console, found)
    _levels(console, found)
    if found.agreement is not None:
        _agreement(console, found.agreement)


def _header(console: Console, found: Statistics) -> None:
    from rich.text import Text

    about, split = found.provenance, found.split
    repeated = "" if found.distinct == found.n else f" ({found.distinct:,} different ones; the rest are repeated)"
    entries = {
        "source": f"{about.source} ({about.reader}, sha256 {about.sha256[:16]})",
        "faces": f"{found.n:,}{repeated}, {found.size}×{found.size} grey",
        "classes": f"{len(found.vocabulary)}, vocabulary {found.vocabulary.name}"
        + (f", mapped by {about.vocabulary_map}" if about.vocabulary_map else ", the source's own labels"),
        "joined": ", ".join(f"{name} (sha256 {hash_[:16]})" for name, hash_ in about.joined.items()),
        "split": "" if split is None else f"{split.name}, seed {split.seed}",
        "balance": "" if split is None else _balance(split),
        "left out": "; ".join(f"{n:,} {why}" for why, n in found.left_out.items()),
        "FER+ votes": f"{found.voted:,} faces" if found.voted else "none",
        "persons": "not told apart" if found.subjects is None else f"{found.subjects:,}",
        "files": "a path for each face" if found.paths else "no path per face",
        "columns": ", ".join(found.columns),
    }
    width = max(map(len, entries)) + _GAP
    for name, value in entries.items():
        if value:
            lines = Text(value, "bold" if name == "source" else "").wrap(console, console.width - width)
            for i, line in enumerate(lines):
                console.print(Text.assemble(((name if i == 0 else "").ljust(width), "dim"), line), soft_wrap=True)


def _balance(split: Split) -> str:
    weights = ", ".join(f"{label} {weight:.3g}" for label, weight in split.class_weights.items())
    return split.balance + (f": {weights}" if weights else "")


def _counts(console: Console, found: Statistics) -> None:
    """Faces per class and part, and a bar of the whole where there is room."""
    parts = [*found.parts] if len(found.parts) > 1 else []
    columns = [*found.counts, found.per_label] if parts else [found.per_label]
    most = found.per_label.max()
    head = ["class", *parts, "all"]
    rows = [
        [label, *(f"{c[i]:,} {c[i] / c.sum():>6.1%}" for c in columns)]
        for i, label in enumerate(found.vocabulary.labels)
    ]
    last = ["all", *(f"{c.sum():,} {1:>6.0%}" for c in columns)]
    bars = ["", *("█" * round(_BAR * n / most) for n in found.per_label), ""]
    _heading(console, "Faces per class" + (" and part" if parts else ""))
    _table(console, [head, *rows, last], bars)


def _levels(console: Console, found: Statistics) -> None:
    def row(name: str, level: GreyLevel | None) -> list[str]:
        if level is None:
            return [name, *["–"] * 4]
        unit = level.to_dict()
        numbers = (f"{level.mean:.2f}", f"{level.std:.2f}", f"{unit['unit_mean']:.4f}", f"{unit['unit_std']:.4f}")
        return [name, *numbers]

    rows = [row(label, level) for label, level in zip(found.vocabulary.labels, found.label_levels, strict=True)]
    if len(found.parts) > 1:
        rows += [row(part, level) for part, level in zip(found.parts, found.part_levels, strict=True)]
    _heading(console, "Grey level of the pixels, 0 to 255 and 0 to 1")
    _table(console, [["", "mean", "std", "mean / 255", "std / 255"], *rows, row("all", found.level)])


def _agreement(console: Console, found: Agreement) -> None:
    """A row per FER+ label, which is the narrower way."""
    from mien.data.agreement import PROTOCOL

    share = [f"{a / n:.1%}" if n else "–" for a, n in zip(found.agreeing, found.labelled, strict=True)]
    rows = [[column, *(f"{n:,}" for n in counts)] for column, counts in zip(found.columns, found.counts.T, strict=True)]
    _heading(console, "Labels (columns) against the FER+ majority (rows)")
    _table(console, [["", *found.rows], *rows, ["agreeing", *share]])
    if found.share is not None:
        agreeing, labelled = int(found.agreeing.sum()), int(found.labelled.sum())
        _line(console, f"{found.share:.1%} agree ({agreeing:,} of {labelled:,}).", "bold")
    _line(console, PROTOCOL, "dim")


def _line(console: Console, text: str, style: str) -> None:
    from rich.text import Text

    console.print(Text(text, style))


def _heading(console: Console, text: str) -> None:
    console.print()
    _line(console, text, "bold")


def _table(console: Console, rows: Sequence[Sequence[str]], bars: Sequence[str] = ()) -> None:
    """Print aligned columns under their heads; what is wider than the page goes on below, the first column repeated.

    Args:
        console: Where to.
        rows: Head, body, and a last row of totals.
        bars: A further cell for each row, for terminals with room for it.
    """
    from rich.table import Table
    from rich.text import Text

    width = [min(_WIDEST, max(map(len, column))) for column in zip(*rows, strict=True)]
    groups: list[list[int]] = [[]]
    for i in range(1, len(width)):
        if groups[-1] and sum(width[j] + _GAP for j in groups[-1]) + width[i] + _GAP + width[0] > console.width:
            groups.append([])
        groups[-1].append(i)
    for number, group in enumerate(groups):
        table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
        for i in (0, *group):
            table.add_column(
                Text(rows[0][i]), justify="right" if i else "left", max_width=width[i], overflow="fold", no_wrap=False
            )
        used = sum(width[i] + _GAP for i in (0, *group))
        drawn = bool(bars) and console.is_terminal and len(groups) == 1 and console.width >= used + _BAR
        if drawn:
            table.add_column("", style="cyan", no_wrap=True)
        for k, row in enumerate(rows[1:], 1):
            cells = [Text(row[i]) for i in (0, *group)] + ([Text(bars[k])] if drawn else [])
            table.add_row(*cells, style="bold" if k == len(rows) - 1 else "")
        if number:
            console.print()
        console.print(table)
