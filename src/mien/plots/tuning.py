"""The trials of a search in one picture: score over one field, over two, or over each of several."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mien.errors import DataError
from mien.plots.page import DIM, FAINT, INK, PAPER, is_dark, require, settings, tint, wrapped, write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Number = int | float
_DOT, _BEST, _HEAT = "#437FDA", "#B3261E", "#123F6D"
_DPI = 100
_MARGIN, _LINE, _BELOW = 28, 19, 60  # pixels
_PANEL, _CELL = (330, 290), (100, 62)
_LONGEST = 6  # letters of a number that is named
_MOST_TICKS = 12  # values of a field that are each named, and rows or columns of a grid


@dataclass(frozen=True)
class Field:
    """What was varied.

    Attributes:
        name: Such as ``training.learning_rate``.
        values: Of each trial: numbers, or names. Truth values are names.
        log: Show numbers in their logarithm; all are above 0 then.
    """

    name: str
    values: tuple[Number | str, ...]
    log: bool = False

    @property
    def numeric(self) -> bool:
        """Whether the values lie on an axis of numbers."""
        return all(isinstance(v, int | float) and not isinstance(v, bool) for v in self.values)

    def distinct(self) -> list[Number | str]:
        """The different values: numbers by size, names as they came."""
        different = list(dict.fromkeys(self.values))
        return sorted(different, key=float) if self.numeric else different


@dataclass(frozen=True)
class Trials:
    """What the picture of a search shows.

    Attributes:
        title: Name of the study.
        facts: Further facts, a line each.
        score: Name of the score.
        higher: Whether more of it is better.
        fields: What was varied, with the values of each trial (n).
        scores: (n,) nan where a trial failed.
        complete: (n,) bool; a score of a trial that is not is that of the epoch it was pruned at.
        error: One standard error of the best score, in its units; nan where there is none.

    Raises:
        DataError: Nothing was varied, or something has another length than there are trials.
    """

    title: str
    facts: tuple[str, ...]
    score: str
    higher: bool
    fields: tuple[Field, ...]
    scores: np.ndarray
    complete: np.ndarray
    error: float = math.nan

    def __post_init__(self) -> None:
        lengths = {len(self.scores), len(self.complete), *(len(f.values) for f in self.fields)}
        if len(lengths) != 1 or not self.fields:
            raise DataError(f"a picture of {len(self.fields)} fields with lengths {sorted(lengths)}")

    @property
    def best(self) -> int | None:
        """The trial with the best score of those that went to their end; the first of equal ones."""
        scores = np.where(self.complete, self.scores, np.nan)
        if np.isnan(scores).all():
            return None
        return int(np.nanargmax(scores) if self.higher else np.nanargmin(scores))


def draw(trials: Trials) -> Figure:
    """The picture: dots over one field, a grid over two with few values, else a panel of dots for each field."""
    from matplotlib.figure import Figure

    with settings():
        grid = _is_grid(trials.fields)
        panels = 1 if grid else len(trials.fields)
        columns = min(panels, 3)
        rows = -(-panels // columns)
        width, height = (620, 360) if panels == 1 else _PANEL
        if grid:
            across, down = (len(f.distinct()) for f in _turned(trials.fields))
            width, height = max(600, 120 + _CELL[0] * across), 90 + _CELL[1] * down
        page = 2 * _MARGIN + columns * width
        lines = [
            line for fact in (*trials.facts, _legend(trials, grid)) for line in wrapped(fact, 9, page - 2 * _MARGIN)
        ]
        head = _MARGIN + 28 + _LINE * len(lines)
        total = (page, head + rows * height + 20)
        figure = Figure((total[0] / _DPI, total[1] / _DPI), dpi=_DPI, facecolor=PAPER)
        for at in range(panels):
            left = _MARGIN + (at % columns) * width
            top = head + (at // columns) * height
            inner = (left + 62, total[1] - top - height + _BELOW, width - 78, height - _BELOW - 22)
            if grid:
                inner = (left + 80, inner[1], _CELL[0] * across, _CELL[1] * down)
            box = (inner[0] / total[0], inner[1] / total[1], inner[2] / total[0], inner[3] / total[1])
            axes = figure.add_axes(box)
            if grid:
                _draw_grid(axes, trials)
            else:
                _draw_dots(axes, trials, trials.fields[at], named=at % columns == 0, marked=at == 0)
        _head(figure, trials.title, lines, total)
    return figure


def save(path: Path, trials: Trials) -> None:
    """Write the picture; equal trials give equal files.

    Raises:
        OutputError: Another suffix than .png, .pdf or .svg, or the file cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    require(path, "The picture of a search")
    write(path, draw(trials))


def _head(figure: Figure, title: str, lines: list[str], total: tuple[int, int]) -> None:
    x, y = _MARGIN / total[0], 1 - _MARGIN / total[1]
    figure.text(x, y, title, fontsize=13, weight="bold", color=INK, va="top")
    for line, text in enumerate(lines):
        figure.text(x, y - (28 + _LINE * line) / total[1], text, fontsize=9, color=DIM, va="top")


def _legend(trials: Trials, grid: bool) -> str:
    there = ~np.isnan(trials.scores)
    said = ["red: the best"] if trials.best is not None else []
    if grid:
        return " · ".join([*said, f"{trials.score}, dark is better"])
    said += ["hollow: pruned, at its last epoch"] if (there & ~trials.complete).any() else []
    said += ["×: failed"] if not there.all() else []
    said += ["band: one standard error either way"] if not math.isnan(trials.error) else []
    return " · ".join(said)


def _is_grid(fields: Sequence[Field]) -> bool:
    return len(fields) == 2 and all(len(f.distinct()) <= _MOST_TICKS for f in fields)


def _turned(fields: Sequence[Field]) -> tuple[Field, Field]:
    """The field across, which has more values, and the one down."""
    first, second = fields
    return (second, first) if len(second.distinct()) >= len(first.distinct()) else (first, second)


def _draw_dots(axes: Axes, trials: Trials, field: Field, *, named: bool, marked: bool) -> None:
    places = _places(field)
    there, best = ~np.isnan(trials.scores), trials.best
    pruned = there & ~trials.complete
    _scale(axes, trials, field, places)
    if best is not None and not math.isnan(trials.error):
        top = trials.scores[best]
        axes.axhspan(top - trials.error, top + trials.error, color=tint(_BEST, 0.9), linewidth=0, zorder=0)
    done = there & trials.complete
    floor = np.full(len(places), axes.get_ylim()[0])
    for which, heights, marker, colour, edge in (
        (done, trials.scores, "o", _DOT, PAPER),
        (pruned, trials.scores, "o", PAPER, _DOT),
        (~there, floor, "x", DIM, DIM),
    ):
        if which.any():
            axes.plot(
                places[which], heights[which], marker, color=colour, markersize=7, markeredgecolor=edge, clip_on=False
            )
    if best is not None:
        at, score = places[best], trials.scores[best]
        axes.plot([at], [score], "o", color=_BEST, markersize=9, markeredgecolor=PAPER, zorder=5)
        beside: dict[str, Any] = {"xytext": (0, 8), "textcoords": "offset points", "ha": "center"}
        if marked:
            axes.annotate(f"{score:.4g}", (at, score), fontsize=9, color=_BEST, zorder=6, **beside)
    axes.set_xlabel(field.name, fontsize=9, color=INK)
    if named:
        axes.set_ylabel(trials.score, fontsize=9, color=INK)
    axes.grid(axis="y", color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(labelsize=8, colors=DIM, which="both")


def _places(field: Field) -> np.ndarray:
    """(n,) where the trials lie on the axis."""
    if field.numeric:
        return np.array(field.values, float)
    names = field.distinct()
    return np.array([names.index(value) for value in field.values], float)


def _scale(axes: Axes, trials: Trials, field: Field, places: np.ndarray) -> None:
    named = field.distinct()
    if field.log:
        axes.set_xscale("log")
        axes.minorticks_off()
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        room = (places.max() / places.min()) ** 0.06 or 1.0
        axes.set_xlim(places.min() / max(room, 1.1), places.max() * max(room, 1.1))
    else:
        room = 0.08 * (places.max() - places.min()) or 0.5
        axes.set_xlim(places.min() - room, places.max() + room)
    labels = [_named(value) for value in named]
    drawn = field.numeric and max(map(len, labels)) > _LONGEST  # at random, so that its values are no round ones
    if len(named) <= _MOST_TICKS and not drawn:
        crowded = sum(len(label) for label in labels) > 32
        axes.set_xticks(
            [float(v) for v in named] if field.numeric else list(range(len(named))),
            labels,
            rotation=30 if crowded else 0,
            ha="right" if crowded else "center",
        )
    scores = trials.scores[~np.isnan(trials.scores)]
    low, high = (scores.min(), scores.max()) if len(scores) else (0.0, 1.0)
    if not math.isnan(trials.error):
        low, high = low - trials.error, high + trials.error
    air = 0.12 * (high - low) or 0.1
    axes.set_ylim(low - air, high + air)


def _draw_grid(axes: Axes, trials: Trials) -> None:
    across, down = _turned(trials.fields)
    columns, rows = across.distinct(), down.distinct()
    scores = trials.scores[~np.isnan(trials.scores)]
    low, high = (scores.min(), scores.max()) if len(scores) else (0.0, 1.0)
    best = trials.best
    axes.set(xlim=(-0.5, len(columns) - 0.5), ylim=(len(rows) - 0.5, -0.5))
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            here = [k for k, at in enumerate(zip(down.values, across.values, strict=True)) if at == (row, column)]
            text, note, score = _cell(trials, here)
            worth = 0.0 if math.isnan(score) or high == low else (score - low) / (high - low)
            colour = tint(_HEAT, 0.94 - 0.84 * (worth if trials.higher else 1 - worth))
            _fill(axes, j, i, FAINT if math.isnan(score) else colour, best is not None and best in here)
            ink = PAPER if not math.isnan(score) and is_dark(colour) else INK
            axes.text(j, i - (0.12 if note else 0), text, ha="center", va="center", fontsize=11, color=ink)
            axes.text(j, i + 0.24, note, ha="center", va="center", fontsize=7.5, color=ink)
    axes.set_xticks(range(len(columns)), [_named(v) for v in columns], fontsize=9, color=INK)
    axes.set_yticks(range(len(rows)), [_named(v) for v in rows], fontsize=9, color=INK)
    axes.set_xlabel(across.name, fontsize=9, color=INK)
    axes.set_ylabel(down.name, fontsize=9, color=INK)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _cell(trials: Trials, here: list[int]) -> tuple[str, str, float]:
    """What a cell of the grid says, in large and in small, and the score of its colour."""
    if not here:
        return "", "", math.nan
    done = [k for k in here if trials.complete[k] and not math.isnan(trials.scores[k])]
    if done:
        several = f"mean of {len(done)}" if len(done) > 1 else ""
        score = float(trials.scores[done].mean())
        return f"{score:.4g}", several, score
    pruned = [k for k in here if not math.isnan(trials.scores[k])]
    if pruned:
        score = float(trials.scores[pruned].mean())
        return f"{score:.4g}", "pruned", score
    return "failed", "", math.nan


def _fill(axes: Axes, x: int, y: int, colour: str, best: bool) -> None:
    from matplotlib.patches import Rectangle

    axes.add_patch(Rectangle((x - 0.48, y - 0.46), 0.96, 0.92, facecolor=colour, linewidth=0))
    if best:
        frame = Rectangle((x - 0.48, y - 0.46), 0.96, 0.92, fill=False, edgecolor=_BEST, linewidth=2.2, zorder=3)
        frame.set_clip_on(False)
        axes.add_patch(frame)


def _named(value: Number | str) -> str:
    return value if isinstance(value, str) else f"{value:g}"
