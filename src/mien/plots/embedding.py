"""The features of faces on a plane, such as t-SNE lays them out: each class with its colour, marker and middle."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mien.errors import DataError
from mien.plots.chart import MARGIN, draw_marker, heading, marker_size, markers, names, panel, shortened
from mien.plots.page import DIM, FAINT, INK, PAPER, Page, require, settings, width_of, wrapped, write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDE, _TALL, _KEY, _NAME, _LINE = 720, 640, 30, 200, 22
_TURNS = 8  # the classes are drawn in turns, so that the last does not cover the others
_APART = 0.032  # height of a name, of that of the panel
_MARK = (0.024, 0.027)  # width and height of a marker at a mean place, of those of the panel


@dataclass(frozen=True)
class Embedding:
    """What the picture says.

    Attributes:
        title: Model and data.
        facts: Lines under it, such as the number of faces and the protocol.
        labels: The classes.
        points: (N, 2) places; only the distances between near ones mean something.
        classes: (N,) int, what each face is, index into ``labels``.
        method: How the places were found, with seed and perplexity.
        wrong: (N,) bool, which were answered wrongly: they are ringed; None leaves the rings out.
        alarm: Why the picture is not to be believed; empty where nothing is wrong.

    Raises:
        DataError: The arrays do not line up, a place is not finite, or a class is not one of the labels.
    """

    title: str
    facts: tuple[str, ...]
    labels: tuple[str, ...]
    points: np.ndarray
    classes: np.ndarray
    method: str
    wrong: np.ndarray | None = None
    alarm: str = ""

    def __post_init__(self) -> None:
        n = len(self.classes)
        if not n or self.points.shape != (n, 2) or (self.wrong is not None and self.wrong.shape != (n,)):
            raise DataError(
                f"places of {self.points.shape} for {n} faces", "(N, 2), with a class for each, N at least 1"
            )
        if not np.isfinite(self.points).all():
            raise DataError("places that are not finite", "numbers")
        if not 0 <= self.classes.min() <= self.classes.max() < len(self.labels):
            raise DataError(
                f"classes {self.classes.min()} to {self.classes.max()}", f"0 to {len(self.labels) - 1}, as labels"
            )


def save(path: Path, embedding: Embedding) -> None:
    """Write the picture through a temporary name; equal ones give equal files.

    Args:
        path: Ends in .png, .pdf or .svg.
        embedding: What it shows.

    Raises:
        OutputError: Another suffix, or a file that cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    require(path, "The picture of an embedding")
    write(path, draw(embedding))


def draw(embedding: Embedding) -> Figure:
    """Draw the picture, 100 pixels an inch. It needs matplotlib.

    A large marker stands at the mean place of each class, with its name beside it; one that must stand further away,
    because others are there, has a line to its marker.
    """
    with settings():
        labels = names(embedding.labels)
        shown = [shortened(label, 9, _NAME) for label in labels]
        key = MARGIN + _WIDE + _KEY
        named = max(width_of(text, 9) for text in (*shown, "class"))
        numbers = key + 18 + named + 70
        page = Page(round(numbers + (70 if embedding.wrong is not None else 0) + MARGIN))
        top = heading(page, embedding.title, embedding.facts, embedding.alarm) + 14
        end = top + max(_TALL, _LINE * (len(labels) + 1) + 10)
        said = (
            f"{embedding.method} · Only what lies near each other is alike: axes, distances between groups and their "
        )
        said += "sizes mean nothing." + (" Ringed: answered wrongly." if embedding.wrong is not None else "")
        lines = wrapped(said, 8.5, page.width - 2 * MARGIN)
        for k, line in enumerate(lines):
            page.text(MARGIN, end + 22 + 16 * k, line, 8.5, DIM)
        figure = page.cut(round(end + 22 + 16 * len(lines) + MARGIN - 14))
        marks = markers(embedding.labels)
        axes = panel(figure, MARGIN, top, _WIDE, _TALL)
        _points(axes, embedding, marks)
        _middles(axes, embedding, labels, marks)
        ground = figure.axes[0]
        page.text(numbers, top + 8, "faces", 8.5, DIM, at="right")
        if embedding.wrong is not None:
            page.text(numbers + 70, top + 8, "wrong", 8.5, DIM, at="right")
        for k, (text, mark) in enumerate(zip(shown, marks, strict=True)):
            y, there = top + 8 + _LINE * (k + 1), embedding.classes == k
            draw_marker(ground, key + 4, y, mark, 8)
            page.text(key + 18, y, text, 9)
            page.text(numbers, y, f"{there.sum():,}", 9, DIM, at="right")
            if embedding.wrong is not None and there.any():
                page.text(numbers + 70, y, f"{embedding.wrong[there].mean():.0%}", 9, DIM, at="right")
        return figure


def _points(axes: Axes, embedding: Embedding, marks: list[tuple[str, str]]) -> None:
    """All faces, small where there are many."""
    n = len(embedding.classes)
    size = float(np.clip(9 - np.log2(max(n / 100, 1)) * 0.85, 2.5, 9))
    for turn in range(_TURNS):
        for k, (colour, marker) in enumerate(marks):
            here = np.flatnonzero(embedding.classes == k)[turn::_TURNS]
            if not len(here):
                continue
            x, y = embedding.points[here].T
            large = marker_size(marker, size)
            axes.plot(x, y, marker, color=colour, markersize=large, markeredgecolor=PAPER, markeredgewidth=0.25)
            if embedding.wrong is not None and embedding.wrong[here].any():
                ring = here[embedding.wrong[here]]
                axes.plot(
                    *embedding.points[ring].T,
                    "o",
                    markersize=size + 2.5,
                    fillstyle="none",
                    color=INK,
                    markeredgewidth=0.5,
                )
    axes.set(xticks=[], yticks=[])
    axes.margins(0.03)
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set_color(FAINT)


def _middles(axes: Axes, embedding: Embedding, labels: list[str], marks: list[tuple[str, str]]) -> None:
    """A marker at the mean place of each class, and its name."""
    from matplotlib.patheffects import withStroke

    present = [k for k in range(len(labels)) if (embedding.classes == k).any()]
    places = np.stack([embedding.points[embedding.classes == k].mean(axis=0) for k in present])
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    spans = np.array([right - left, high - low])
    names_ = [shortened(labels[k], 10.5, 160, bold=True) for k in present]
    widths = [width_of(name, 10.5, bold=True) / _WIDE for name in names_]
    moved = placed((places - [left, low]) / spans, np.array(widths)) * spans + [left, low]
    for k, name, (x, y), middle in zip(present, names_, moved, places, strict=True):
        colour, marker = marks[k]
        large = marker_size(marker, 11)
        axes.plot(*middle, marker, color=PAPER, markersize=large + 4, zorder=4)
        axes.plot(*middle, marker, color=colour, markersize=large, markeredgecolor=INK, markeredgewidth=1, zorder=4)
        if abs(y - middle[1]) > 1.5 * _APART * spans[1]:
            axes.plot([middle[0], x], [middle[1], y], color=INK, linewidth=0.8, zorder=5)
        text = axes.text(x, y, name, fontsize=10.5, weight="bold", color=INK, ha="center", va="center", zorder=6)
        text.set_path_effects([withStroke(linewidth=3.5, foreground=PAPER)])


def placed(middles: np.ndarray, widths: np.ndarray) -> np.ndarray:
    """Places for the names of classes: in the panel, by its marker, on no marker and no other name where that can be.

    Args:
        middles: (K, 2) where the markers are, as shares of the panel, from the bottom left.
        widths: (K,) of the names, as shares of the panel's width.

    Returns:
        (K, 2) the middle of each name.
    """
    taken = [(x, y, *_MARK) for x, y in middles.tolist()]
    found = []
    for (x, y), wide in zip(middles.tolist(), widths.tolist(), strict=True):
        aside = wide / 2 + _MARK[0]
        steps = [(0.0, 1.0), (0.0, -1.0), (aside, 0.0), (-aside, 0.0)]
        steps += [(0.0, float(sign * far)) for far in range(2, 30) for sign in (1, -1)]
        options = [(_within(x + dx, wide), _within(y + dy * _APART, _APART)) for dx, dy in steps]
        least = min(options, key=lambda at: _covered((*at, wide, _APART), taken))  # the first of equal ones
        taken.append((*least, wide, _APART))
        found.append(least)
    return np.array(found)


def _within(middle: float, size: float) -> float:
    """The middle of something of this size, moved into the panel."""
    return min(max(middle, size / 2), 1 - size / 2)


def _covered(box: tuple[float, float, float, float], taken: list[tuple[float, float, float, float]]) -> float:
    """How much of others a box of middle, width and height covers."""
    x, y, wide, tall = box
    area = 0.0
    for other_x, other_y, other_wide, other_tall in taken:
        across = min(x + wide / 2, other_x + other_wide / 2) - max(x - wide / 2, other_x - other_wide / 2)
        down = min(y + tall / 2, other_y + other_tall / 2) - max(y - tall / 2, other_y - other_tall / 2)
        area += across * down if across > 1e-9 and down > 1e-9 else 0.0
    return area
