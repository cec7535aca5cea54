"""Accuracy on disturbed faces: curves of one or several models, and a sheet of what was done to a face."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mien.plots.chart import MARGIN, heading, in_per_cent, legible, panel, shortened
from mien.plots.page import DIM, INK, Page, require, settings, shown, write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Colour, line and marker of a model: apart by each of the three, so also in print and in any colour blindness.
_STYLES = (
    ("#1F5FA8", "-", "o"),
    ("#E08214", (0, (5, 2)), "s"),
    ("#4D9221", (0, (1, 1.2)), "^"),
    ("#8E3C90", (0, (6, 1.5, 1, 1.5)), "D"),
    ("#6A727C", (0, (3, 1, 1, 1, 1, 1)), "v"),
    ("#B3261E", (0, (9, 2)), "P"),
)
_MAJORITY = (0, (2, 2))
_PANEL, _TALL, _BETWEEN, _ABOVE, _BELOW, _TICKS = 220, 140, 26, 48, 24, 30  # pixels of a panel, and around it
_ACROSS, _FEWEST = 4, 3  # panels side by side
_LINE, _SAMPLE = 19, 34  # of the key
_FACE, _APART, _NAME = 96, 4, 150  # of the sheet


@dataclass(frozen=True)
class Point:
    """Accuracy at one strength.

    Attributes:
        amount: What was done, with its unit, such as ``sigma 1.0% of the side``.
        value: Share right.
        low: Lower end of its 95% interval; equal to ``value`` where there is none.
        high: Upper end.
    """

    amount: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Model:
    """One model's curves.

    Attributes:
        name: Of the model.
        undisturbed: Share right on the faces as they are.
        curves: Disturbance → a point for each strength, the least first.
    """

    name: str
    undisturbed: float
    curves: Mapping[str, Sequence[Point]]


@dataclass(frozen=True)
class Robustness:
    """What the picture of the curves says.

    Attributes:
        title: Its heading.
        facts: Lines under it.
        models: At most six, with the same disturbances at the same amounts.
        majority: Share of the commonest class, which an answer without a look at the face would reach; None where it
            is not known.
        alarm: Why the scores are worth less than they seem; empty where nothing is wrong.
    """

    title: str
    facts: Sequence[str]
    models: Sequence[Model]
    majority: float | None = None
    alarm: str = ""

    def __post_init__(self) -> None:
        if not self.models or not self.models[0].curves or len(self.models) > len(_STYLES):
            raise ValueError(f"{len(self.models)} models, not 1 to {len(_STYLES)} with a curve each")
        done = [{name: [p.amount for p in curve] for name, curve in model.curves.items()} for model in self.models]
        if any(one != done[0] for one in done) or not all(done[0].values()):
            raise ValueError("the models were not tried with the same disturbances at the same amounts")


@dataclass(frozen=True)
class Sheet:
    """What the sheet of samples shows.

    Attributes:
        title: Its heading.
        facts: Lines under it.
        original: (s, s) uint8, the face as it is.
        disturbed: Disturbance → (n, s, s) uint8, the same face at each strength.
        amounts: Disturbance → n amounts with their unit.
    """

    title: str
    facts: Sequence[str]
    original: np.ndarray
    disturbed: Mapping[str, np.ndarray]
    amounts: Mapping[str, Sequence[str]]

    def __post_init__(self) -> None:
        if not self.disturbed or any(len(p) != len(self.amounts.get(k, ())) for k, p in self.disturbed.items()):
            raise ValueError("disturbances and amounts differ, or there are none")


def save(path: Path, robustness: Robustness) -> None:
    """Draw the curves into a ``.png``, ``.pdf`` or ``.svg`` file.

    Raises:
        OutputError: Another suffix, or the file cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    require(path, "The picture of a model's robustness")
    with settings():
        write(path, draw(robustness))


def save_sheet(path: Path, sheet: Sheet) -> None:
    """Draw the sheet of samples into a ``.png``, ``.pdf`` or ``.svg`` file.

    Raises:
        OutputError: Another suffix, or the file cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    require(path, "The sheet of disturbed faces")
    with settings():
        write(path, draw_sheet(sheet))


def draw(robustness: Robustness) -> Figure:
    """The figure: a panel for each disturbance, accuracy against strength, all on one scale."""
    with settings():
        names = list(robustness.models[0].curves)
        across = min(_ACROSS, max(len(names), _FEWEST))
        page = Page(2 * MARGIN + _TICKS + across * (_PANEL + _BETWEEN) - _BETWEEN)
        key = heading(page, robustness.title, robustness.facts, robustness.alarm) + 4
        top = key + _LINE * (len(robustness.models) + 1 + (robustness.majority is not None))
        parts = {name: _parted([p.amount for p in robustness.models[0].curves[name]]) for name in names}
        places: dict[str, tuple[int, int]] = {}
        for k, name in enumerate(names):
            x = MARGIN + _TICKS + (k % across) * (_PANEL + _BETWEEN)
            y = top + _ABOVE + k // across * (_ABOVE + _TALL + _BELOW)
            places[name] = x, y
            page.text(x, y - 28, shortened(legible(name), 10, _PANEL, bold=True), 10, bold=True)
            page.text(x, y - 12, shortened(legible(parts[name][0]), 8, _PANEL), 8, DIM)
        figure = page.cut(max(y for _, y in places.values()) + _TALL + _BELOW + 8)
        _key(panel(figure, MARGIN, key, page.width - 2 * MARGIN, top - key), robustness)
        for k, (name, (x, y)) in enumerate(places.items()):
            axes = panel(figure, x, y, _PANEL, _TALL)
            _curves(axes, robustness, name, parts[name][1])
            axes.tick_params(labelleft=k % across == 0)
    return figure


def draw_sheet(sheet: Sheet) -> Figure:
    """The figure: a row for each disturbance, its strengths from left to right after the face as it is.

    Raises:
        OutputError: The page is too long to draw.
    """
    with settings():
        face = shown(sheet.original[None], _FACE).shape[-1]
        most = max(len(pictures) for pictures in sheet.disturbed.values())
        left = MARGIN + _NAME
        page = Page(left + (most + 1) * (face + _APART) + 12 + MARGIN)
        y = heading(page, sheet.title, sheet.facts, "") + 10
        columns = [left, *(left + 12 + k * (face + _APART) for k in range(1, most + 1))]
        for k, x in enumerate(columns):
            page.text(x, y, f"strength {k}" if k else "as it is", 8, DIM)
        y += 10
        for name, pictures in sheet.disturbed.items():
            unit, ticks = _parted(sheet.amounts[name])
            page.text(MARGIN, y + face / 2 - 8, shortened(legible(name), 10, _NAME - 8, bold=True), 10, bold=True)
            page.text(MARGIN, y + face / 2 + 9, shortened(legible(unit), 7.5, _NAME - 8), 7.5, DIM)
            page.picture(columns[0], y, shown(sheet.original[None], _FACE)[0])
            for x, picture, tick in zip(columns[1:], shown(pictures, _FACE), ticks, strict=False):
                page.picture(x, y, picture)
                page.text(x, y + face + 8, shortened(legible(tick), 7.5, face), 7.5, DIM)
            y += face + 22
        return page.cut(y + 14)


def _key(axes: Axes, robustness: Robustness) -> None:
    """A line for each model with what it reaches on faces as they are; then what else is drawn."""
    tall, wide = (float(side) for side in axes.get_window_extent().size[::-1])
    axes.set_axis_off()
    axes.set(xlim=(0, wide), ylim=(tall, 0))
    y = _LINE / 2
    for model, (colour, style, marker) in zip(robustness.models, _STYLES, strict=False):
        axes.plot([0, _SAMPLE], [y, y], color=colour, linestyle=style, linewidth=1.8)
        axes.plot([_SAMPLE / 2], [y], marker, color=colour, markersize=5)
        text = f"{shortened(legible(model.name), 9, 400)}: {model.undisturbed:.1%} on faces as they are (thin line)"
        axes.text(_SAMPLE + 10, y, text, fontsize=9, color=INK, va="center_baseline")
        y += _LINE
    if robustness.majority is not None:
        axes.plot([0, _SAMPLE], [y, y], color=DIM, linewidth=1, linestyle=_MAJORITY)
        text = f"always the commonest class: {robustness.majority:.1%}"
        axes.text(_SAMPLE + 10, y, text, fontsize=9, color=INK, va="center_baseline")
        y += _LINE
    text = "Accuracy, from the least strength to the greatest; the bands are 95% intervals."
    axes.text(0, y, text, fontsize=9, color=DIM, va="center_baseline")


def _curves(axes: Axes, robustness: Robustness, name: str, ticks: Sequence[str]) -> None:
    """One panel."""
    at = range(1, len(ticks) + 1)
    for model, (colour, style, marker) in zip(robustness.models, _STYLES, strict=False):
        points = model.curves[name]
        axes.axhline(model.undisturbed, color=colour, linewidth=0.8, zorder=1.5)
        axes.fill_between(at, [p.low for p in points], [p.high for p in points], color=colour, alpha=0.16, linewidth=0)
        axes.plot(at, [p.value for p in points], color=colour, linestyle=style, linewidth=1.8)
        axes.plot(at, [p.value for p in points], marker, color=colour, markersize=4)
    if robustness.majority is not None:
        axes.axhline(robustness.majority, color=DIM, linewidth=1, linestyle=_MAJORITY)
    reached = [p.high for m in robustness.models for curve in m.curves.values() for p in curve]
    top = max(*reached, *(m.undisturbed for m in robustness.models))
    axes.set(xlim=(0.6, len(ticks) + 0.4), ylim=(0, min(1.02, top + 0.06)))
    axes.set_xticks(list(at), [legible(tick) for tick in ticks])
    axes.grid(visible=False, axis="x")
    in_per_cent(axes, x=False)


def _parted(amounts: Sequence[str]) -> tuple[str, list[str]]:
    """Amounts without the words that all of them share, and those words: ``sigma … px`` and ``1``, ``2``."""
    words = [amount.split() for amount in amounts]
    if len({len(one) for one in words}) > 1:
        return "", list(amounts)
    same = [len(set(at)) == 1 for at in zip(*words, strict=True)]
    if sum(same) != len(same) - 1:
        return "", list(amounts)
    at = same.index(False)
    unit = " ".join("…" if i == at else word for i, word in enumerate(words[0]))
    return unit, [one[at] for one in words]
