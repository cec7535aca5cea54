"""What ``mien evaluate`` prints: scores with their intervals, classes, certainty, warnings."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from mien.evaluation.measures import ALL, METRICS, SINGLE, Certainty, Section
from mien.report.numbers import count, interval, number, share

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from mien.evaluation.document import Evaluation
    from mien.evaluation.measures import Estimate, Group, Scores

_PIPE_WIDTH = 160  # more than any table takes
# By how much they are missed where a terminal has no room for all.
_SHOWN = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced",
    "macro_f1": "macro F1",
    "kappa": "kappa",
    "log_loss": "log loss",
    "top2_accuracy": "top-2",
}
_NAMES, _WIDE = 28, 16  # columns of characters: names and faces; a number with its interval under it


def show(evaluation: Evaluation) -> None:
    """Print an evaluation to standard output, and its warnings to standard error."""
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH, highlight=False, emoji=False, markup=False)
    model, data = evaluation.model, evaluation.data
    split = f", {data.split} split" if data.split else ""
    console.print(f"{model.name} ({model.kind}) on {data.source}, {data.part}: {count(data.n)} faces{split}")
    console.print(_scores(evaluation, max(1, (console.width - _NAMES) // _WIDE)))
    for protocol in evaluation.protocols:
        mapped = f"; answers mapped by {protocol.mapped}" if protocol.mapped else ""
        faces = f"{count(protocol.n)} of {count(protocol.of)} faces"
        console.print(f"{protocol.name}: {protocol.title}{mapped}; {faces}")
    _print_copies(console, evaluation)
    own = evaluation.scores()
    assert own is not None  # every evaluation has this section
    console.print(_classes(evaluation.protocols[0].name, own, console.width))
    console.print(_calibration(evaluation.certainty))
    if any(certainty.points for certainty in evaluation.certainty):
        console.print(_thresholds(evaluation.certainty))
    if evaluation.votes is not None:
        votes = evaluation.votes
        console.print(
            f"votes: a tagger drawn at random agrees with {_short(votes.expected_agreement)} of the answers; the best "
            f"possible is {share(votes.best_agreement.value)}. Divergence from the votes {_number(votes.divergence)} "
            f"nats, {number(votes.baseline['divergence'])} for their mean"
        )
    if evaluation.groups:
        console.print(_groups(evaluation.groups))
    if evaluation.disturbed:
        console.print(_disturbed(evaluation))
    for warning in [*evaluation.warnings, *model.caveats]:
        typer.echo(f"warning: {warning}", err=True)


def _table(title: str, *heads: str, words: int = 1) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    for i, head in enumerate(heads):
        table.add_column(head, justify="left" if i < words else "right", no_wrap=True)
    return table


def _scores(evaluation: Evaluation, most: int) -> Table:
    """A row for each section; as many numbers as there is room for."""
    shown = dict(list(_SHOWN.items())[:most])
    table = _table("scores, with 95% intervals", "counted by", "faces", *shown.values())
    for section in evaluation.sections:
        found = [_cell(section.scores.headline.get(name), name) for name in shown]
        table.add_row(_which(section), count(section.scores.n), *found)
        if (section.view, section.subset) == (SINGLE, ALL):
            for name, values in section.scores.baselines.items():
                table.add_row(f"  {name}", "", *(_plain(values.get(m), m) for m in shown), style="dim")
    return table


def _which(section: Section) -> str:
    further = [x for x in (section.view if section.view != SINGLE else "", section.subset) if x not in ("", ALL)]
    return f"  {', '.join(further)}" if further else section.protocol


def _cell(value: Estimate | None, metric: str) -> str:
    if value is None or value.value is None:
        return "–"
    ends = interval(value.low, value.high, shares=METRICS[metric].share)
    return f"{_plain(value.value, metric)}\n{ends}" if ends else _plain(value.value, metric)


def _plain(value: float | None, metric: str) -> str:
    return share(value) if METRICS[metric].share else number(value)


def _number(value: Estimate, apart: str = " ") -> str:
    ends = interval(value.low, value.high, shares=False)
    return f"{number(value.value)}{apart}({ends})" if ends else number(value.value)


def _print_copies(console: Console, evaluation: Evaluation) -> None:
    data = evaluation.data
    if data.trained_on:
        kinds = ", ".join(f"{count(n)} {kind}" for kind, n in data.copies.items() if n) or "none"
        console.print(f"copies of these faces among {data.trained_on}: {kinds}")


def _classes(protocol: str, scores: Scores, width: int) -> Table:
    """A row for each class; where there is little room intervals go under their numbers, and areas are left out."""
    wide, apart = width >= 112, " " if width >= 112 else "\n"
    areas = ("ROC AUC", "avg prec") if wide else ()
    table = _table(f"classes, {protocol}", "label", "faces", "answered", "precision", "recall", "F1", *areas)
    for one in scores.classes:
        shares = [_short(e, apart) for e in (one.precision, one.recall, one.f1)]
        further = [number(e.value) for e in (one.roc_auc, one.average_precision)][: len(areas)]
        table.add_row(one.label, count(one.support), count(one.answered), *shares, *further)
    return table


def _short(value: Estimate, apart: str = " ") -> str:
    ends = interval(value.low, value.high)
    return f"{share(value.value)}{apart}({ends})" if ends else share(value.value)


def _calibration(found: list[Certainty]) -> Table:
    table = _table(
        "expected calibration error, as the model answers and with a temperature",
        "counted by",
        "as it is",
        "temperature",
        "with it",
        "fitted on",
    )
    for one in found:
        scaled = "–" if one.scaled is None else _number(one.scaled.error, "\n")
        faces = f"{count(one.fitted_n)}\n{one.fitted_on}" if one.fitted_on else "nothing"
        table.add_row(one.protocol, _number(one.given.error, "\n"), number(one.temperature, 2), scaled, faces)
    return table


def _thresholds(found: list[Certainty]) -> Table:
    table = _table(
        "when to answer: thresholds for a share of errors, chosen on held-out faces",
        "counted by",
        "errors",
        "answer from",
        "answered here",
        "right of these",
    )
    for one in found:
        for i, point in enumerate(one.points):
            reached = (number(point.confidence), _short(point.share, "\n"), _short(point.accuracy, "\n"))
            cells = reached if point.reached else ("none reaches it", "–", "–")
            table.add_row("" if i else one.protocol, share(point.error_rate), *cells)
    return table


def _groups(groups: list[Group]) -> Table:
    table = _table("by group", "column", "value", "faces", "accuracy", "macro F1", "", words=2)
    for group in groups:
        scores = [_short(e, "\n") for e in (group.accuracy, group.macro_f1)]
        table.add_row(group.column, group.value, count(group.n), *scores, group.warning)
    for column in (table.columns[1], table.columns[-1]):
        column.no_wrap, column.justify = False, "left"
    return table


def _disturbed(evaluation: Evaluation) -> Table:
    strengths = sorted({d.strength for d in evaluation.disturbed})
    table = _table("accuracy on disturbed faces, by strength", "disturbance", *map(str, strengths))
    for name in dict.fromkeys(d.corruption for d in evaluation.disturbed):
        of = {d.strength: d for d in evaluation.disturbed if d.corruption == name}
        table.add_row(name, *(f"{share(of[s].accuracy.value)}" for s in strengths))
    return table
