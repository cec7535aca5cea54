"""ROC and precision-recall curves: each class against the rest, and averages."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mien.errors import DataError
from mien.plots.chart import (
    MARGIN,
    Interval,
    decimal,
    draw_marker,
    heading,
    in_per_cent,
    marker_size,
    markers,
    names,
    panel,
    shortened,
)
from mien.plots.page import DIM, FAINT, INK, Page, require, settings, width_of, write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SIDE, _LEFT, _KEY = 470, 62, 34  # side of the panel, its axis, its distance to the key; pixels
_NAME, _LINE = 220, 21
_AVERAGES = ("-", (0, (5, 2)), (0, (1, 1.2)), (0, (6, 2, 1, 2)))  # lines, all in ink


@dataclass(frozen=True)
class Curve:
    """One class against the rest, or an average over classes.

    Attributes:
        label: The class, or what average it is.
        x: (m,) false positive rate of a ROC curve, recall of a precision-recall curve, 0 to 1, sorted either way; empty
            where the curve is not defined.
        y: (m,) true positive rate, or precision.
        area: Under it: ROC AUC, or average precision; None where it is not defined.
        interval: Its 95% interval, if there is one.
        n: Faces of the class; None for an average.
    """

    label: str
    x: np.ndarray
    y: np.ndarray
    area: float | None
    interval: Interval | None = None
    n: int | None = None


@dataclass(frozen=True)
class Discrimination:
    """What the picture says.

    Attributes:
        title: Model and data.
        facts: Lines under it, such as the protocol.
        n: Faces in all, so that the share of a class is known.
        curves: One for each class, in the order of the labels.
        averages: Macro and micro, at most four.
        alarm: Why the numbers are not to be believed; empty where nothing is wrong.

    Raises:
        DataError: No curves, too many averages, or a curve whose coordinates do not line up.
    """

    title: str
    facts: tuple[str, ...]
    n: int
    curves: tuple[Curve, ...]
    averages: tuple[Curve, ...] = ()
    alarm: str = ""

    def __post_init__(self) -> None:
        if not self.curves:
            raise DataError("a picture of no curves", "at least one")
        if len(self.averages) > len(_AVERAGES):
            raise DataError(f"{len(self.averages)} averages in one picture", f"at most {len(_AVERAGES)}")
        for curve in (*self.curves, *self.averages):
            if curve.x.ndim != 1 or curve.x.shape != curve.y.shape:
                raise DataError(f"curve {curve.label} of {curve.x.shape} and {curve.y.shape}", "two of one length")


@dataclass(frozen=True)
class _Kind:
    """What tells the two pictures apart."""

    x: str
    y: str
    area: str
    chance: str
    line: dict[str, Any] = field(default_factory=dict)


_ROC = _Kind(
    "false positive rate: share of the other faces said to be of the class",
    "true positive rate: share of the class found",
    "AUC",
    "Dotted diagonal: chance, AUC 0.5.",
)
_PR = _Kind(
    "recall: share of the class found",
    "precision: share right of what was said",
    "AP",
    "Tick at the right: share of the class, the precision of chance.",
    {"drawstyle": "steps-pre"},  # average precision is a sum of such steps
)


def save_roc(path: Path, given: Discrimination) -> None:
    """Write ROC curves through a temporary name; equal ones give equal files.

    Args:
        path: Ends in .png, .pdf or .svg.
        given: False and true positive rates with the areas under them.

    Raises:
        OutputError: Another suffix, or a file that cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    require(path, "The picture of ROC curves")
    write(path, draw_roc(given))


def save_precision_recall(path: Path, given: Discrimination) -> None:
    """Write precision-recall curves, as ``save_roc``; their areas are average precisions."""
    require(path, "The picture of precision-recall curves")
    write(path, draw_precision_recall(given))


def draw_roc(given: Discrimination) -> Figure:
    """ROC curves with the diagonal of chance, 100 pixels an inch. It needs matplotlib."""
    return _draw(given, _ROC)


def draw_precision_recall(given: Discrimination) -> Figure:
    """Precision-recall curves; the share of each class is marked at the right, 100 pixels an inch."""
    return _draw(given, _PR)


def _draw(given: Discrimination, kind: _Kind) -> Figure:
    with settings():
        labels = names([curve.label for curve in given.curves])
        shown = [shortened(label, 9, _NAME) for label in labels]
        named = max(width_of(text, 9) for text in (*shown, *(c.label for c in given.averages)))
        areas = max(width_of(decimal(c.area, c.interval), 9) for c in (*given.curves, *given.averages))
        counts = max(width_of(text, 9) for text in (f"{given.n:,}", "faces"))
        key = MARGIN + _LEFT + _SIDE + _KEY
        columns = (key + 32 + named + 18 + counts, key + 32 + named + 18 + counts + 18)
        page = Page(round(columns[1] + max(areas, 60) + MARGIN))
        top = heading(page, given.title, given.facts, given.alarm) + 14
        rows = len(given.curves) + len(given.averages) + 2
        figure = page.cut(round(top + max(_SIDE + 66, _LINE * rows + 40) + 10))
        axes = panel(figure, MARGIN + _LEFT, top, _SIDE, _SIDE)
        marks = markers([curve.label for curve in given.curves])
        _lines(axes, given, kind, marks)
        page.text(MARGIN, top + _SIDE + 52, kind.chance, 8.5, DIM)
        y = top + 8
        page.text(columns[0], y, "faces", 8.5, DIM, at="right")
        page.text(columns[1], y, f"{kind.area}{_with_interval(given)}", 8.5, DIM)
        ground = figure.axes[0]
        for curve, mark, name in zip(given.curves, marks, shown, strict=True):
            y += _LINE
            if len(curve.x):
                page.line(key, y, key + 24, y, mark[0], 1.8)
            draw_marker(ground, key + 12, y, mark)
            page.text(key + 32, y, name, 9)
            page.text(columns[0], y, "" if curve.n is None else f"{curve.n:,}", 9, DIM, at="right")
            page.text(columns[1], y, decimal(curve.area, curve.interval), 9)
        if given.averages:
            page.line(key, y + 15, page.width - MARGIN, y + 15, FAINT)
        y += 9
        for curve, style in zip(given.averages, _AVERAGES, strict=False):
            y += _LINE
            if len(curve.x):
                ground.plot([key, key + 24], [y, y], color=INK, linewidth=2, linestyle=style)
            page.text(key + 32, y, curve.label, 9)
            page.text(columns[1], y, decimal(curve.area, curve.interval), 9)
        return figure


def _with_interval(given: Discrimination) -> str:
    there = any(c.interval is not None for c in (*given.curves, *given.averages))
    return " (95% interval)" if there else ""


def _lines(axes: Axes, given: Discrimination, kind: _Kind, marks: list[tuple[str, str]]) -> None:
    for i, (curve, (colour, marker)) in enumerate(zip(given.curves, marks, strict=True)):
        x, y = _ascending(curve)
        if kind is _PR and curve.n:
            share = curve.n / given.n
            axes.plot([1.005, 1.035], [share, share], color=colour, linewidth=2.2, clip_on=False)
        if not len(x):
            continue
        axes.plot(
            x,
            y,
            color=colour,
            linewidth=1.6,
            marker=marker,
            markersize=marker_size(marker, 6),
            markeredgecolor=INK,
            markeredgewidth=0.5,
            markevery=(0.06 + 0.017 * (i % 9), 0.16),  # by distance along the curve; not all at one place
            **kind.line,
        )
    for curve, style in zip(given.averages, _AVERAGES, strict=False):
        x, y = _ascending(curve)
        axes.plot(x, y, color=INK, linewidth=2, linestyle=style, zorder=3, **kind.line)
    if kind is _ROC:
        axes.plot([0, 1], [0, 1], ":", color=DIM, linewidth=1.2)
    axes.set(xlim=(-0.005, 1.005), ylim=(-0.005, 1.01))
    in_per_cent(axes)
    axes.set_xlabel(kind.x, fontsize=9, color=INK)
    axes.set_ylabel(kind.y, fontsize=9, color=INK)


def _ascending(curve: Curve) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates from left to right."""
    turned = len(curve.x) > 1 and curve.x[0] > curve.x[-1]
    return (curve.x[::-1], curve.y[::-1]) if turned else (curve.x, curve.y)
