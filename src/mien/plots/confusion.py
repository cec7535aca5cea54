"""A confusion matrix: what faces are against what was said of them, as shares and counts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mien.errors import DataError
from mien.plots.chart import MARGIN, broken, heading, names, shortened
from mien.plots.page import DIM, INK, PAPER, Page, is_dark, require, settings, tint, width_of, wrapped, write

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_HEAT = "#123F6D"
_NAME, _LEAST_WIDTH, _TURN = 190, 640, 40  # widest name, width of the page, degrees of the names above columns
_GAP = 10  # between the cells and the margins
_COUNTED = 16  # classes up to which counts stand in the cells


@dataclass(frozen=True)
class Confusion:
    """What the picture says.

    Attributes:
        title: Model and data.
        facts: Lines under it, such as the number of faces and the protocol.
        labels: The classes (K).
        counts: (K, K) faces; a row is what a face is, a column what was said.
        alarm: Why the numbers are not to be believed; empty where nothing is wrong.

    Raises:
        DataError: The counts have another shape, or one is negative.
    """

    title: str
    facts: tuple[str, ...]
    labels: tuple[str, ...]
    counts: np.ndarray
    alarm: str = ""

    def __post_init__(self) -> None:
        k = len(self.labels)
        if k < 1 or self.counts.shape != (k, k):
            raise DataError(f"a confusion matrix of {self.counts.shape} for {k} labels", f"({k}, {k})")
        if (self.counts < 0).any():
            raise DataError("a confusion matrix with negative counts", "faces: 0 or more")


@dataclass(frozen=True)
class _Grid:
    """Where the cells are, pixels."""

    left: int
    top: int
    wide: int
    tall: int
    k: int
    size: float  # of the letters in cells, points

    def x(self, j: int) -> float:
        """Middle of column ``j``; k is the margin at the right."""
        return self.left + (j + 0.5) * self.wide + (_GAP if j == self.k else 0)

    def y(self, i: int) -> float:
        """Middle of row ``i``; k and k + 1 are the margins below."""
        if i < self.k:
            return self.top + (i + 0.5) * self.tall
        return self.top + self.k * self.tall + _GAP + 12 + 23 * (i - self.k)


def save(path: Path, confusion: Confusion) -> None:
    """Write the picture through a temporary name; equal ones give equal files.

    Args:
        path: Ends in .png, .pdf or .svg.
        confusion: What it shows.

    Raises:
        OutputError: Another suffix, or a file that cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    require(path, "The picture of a confusion matrix")
    write(path, draw(confusion))


def draw(confusion: Confusion) -> Figure:
    """Draw the picture, 100 pixels an inch. It needs matplotlib.

    Cells are dark by their share of the row. At the right each row's recall, below each column's precision.
    """
    with settings():
        labels, k = names(confusion.labels), len(confusion.labels)
        wide, tall, size = next(cell for most, *cell in _SIZES if k <= most)
        rows = ["\n".join(broken(label, 9.5, _NAME, max(1, round(tall) // 16))) for label in labels]
        support = confusion.counts.sum(axis=1)
        named = max(width_of(text, 9.5) for text in (*rows, "precision"))
        counted = max(width_of(f"{n:,}", 8.5) for n in support)
        left = round(MARGIN + named + 14 + counted + 10)
        columns = [shortened(label, 9.5, 170) for label in labels]
        longest = max(width_of(c, 9.5) for c in columns)
        flat = longest <= wide - 8
        over = 20 if flat else longest * math.sin(math.radians(_TURN)) + 16
        end = left + (k + 1) * wide + _GAP + MARGIN
        slanted = 0 if flat else left + (k - 0.5) * wide + longest * math.cos(math.radians(_TURN)) + MARGIN
        page = Page(round(max(_LEAST_WIDTH, end, slanted)))
        top = heading(page, confusion.title, confusion.facts, confusion.alarm)
        grid = _Grid(left, round(top + 34 + over), round(wide), round(tall), k, size)
        page.text(left, top + 16, "it was said to be →", 8.5, DIM)
        _cells(page, grid, confusion.counts)
        _margins(page, grid, confusion.counts)
        for i in range(k):
            y = grid.y(i)
            page.text(MARGIN, y, rows[i], 9.5)
            page.text(left - 10, y, f"{support[i]:,}", 8.5, DIM, at="right")
        bottom = grid.y(k + 1) + 16
        for line in wrapped(_legend(k), 8.5, page.width - 2 * MARGIN):
            page.text(MARGIN, bottom + 18, line, 8.5, DIM)
            bottom += 16
        figure = page.cut(round(bottom + MARGIN))
        _heads(figure, page, grid, columns, flat=flat)
        return figure


# Classes up to which a cell has this width, height and size of letters.
_SIZES: tuple[tuple[float, float, float, float], ...] = (
    (4, 96, 64, 13),
    (8, 76, 52, 11),
    (13, 62, 44, 9.5),
    (_COUNTED, 54, 38, 9),
    (math.inf, 34, 27, 8),
)


def _legend(k: int) -> str:
    inside = "share of the row, and faces" if k <= _COUNTED else "share of the row in per cent"
    return f"In each cell: {inside}. Dark: large share. Framed: right answers. Left of a row: faces that are of it."


def _heads(figure: Figure, page: Page, grid: _Grid, columns: list[str], *, flat: bool) -> None:
    for j, text in enumerate(columns):
        x, y = grid.x(j), grid.top - 14
        if flat:
            page.text(x, y, text, 9.5, at="center")
        else:
            figure.axes[0].text(
                x, y + 4, text, fontsize=9.5, color=INK, rotation=_TURN, rotation_mode="anchor", va="baseline"
            )


def _cells(page: Page, grid: _Grid, counts: np.ndarray) -> None:
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    for i, j in np.ndindex(counts.shape):
        x, y = grid.x(j), grid.y(i)
        colour = tint(_HEAT, 1 - float(shares[i, j]) ** 0.8)
        left, top = x - grid.wide / 2 + 1, y - grid.tall / 2 + 1
        page.box(left, top, grid.wide - 2, grid.tall - 2, colour)
        if i == j:
            page.box(left, top, grid.wide - 2, grid.tall - 2, "", INK)
        ink = PAPER if is_dark(colour) else INK
        share, few = _share(float(shares[i, j])), not counts[i, j]
        if grid.k > _COUNTED:
            page.text(x, y, "" if few else share.rstrip("%"), grid.size, ink, at="center")
        elif few:
            page.text(x, y, "0", grid.size - 2, DIM, at="center")
        else:
            page.text(x, y - 0.17 * grid.tall, share, grid.size, ink, bold=i == j, at="center")
            page.text(x, y + 0.22 * grid.tall, f"{counts[i, j]:,}", grid.size - 2.5, ink, at="center")


def _share(share: float) -> str:
    """A share in whole per cent; what is not nothing and not all does not look so."""
    if 0 < share < 0.005:
        return "<1%"
    if 0.995 <= share < 1:
        return ">99%"
    return f"{share:.0%}"


def _margins(page: Page, grid: _Grid, counts: np.ndarray) -> None:
    """Recall at the right, faces said and precision below, accuracy in the corner."""
    right, support, answered = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    k, small = grid.k, grid.size - (0 if grid.k <= _COUNTED else 0.5)
    for i in range(k):
        page.text(grid.x(k), grid.y(i), _ratio(right[i], support[i]), small, bold=True, at="center")
        page.text(grid.x(i), grid.y(k), f"{answered[i]:,}", min(small, 8.5), DIM, at="center")
        page.text(grid.x(i), grid.y(k + 1), _ratio(right[i], answered[i]), small, bold=True, at="center")
    page.text(grid.x(k), grid.top - 14, "recall", 8.5, DIM, at="center")
    page.text(MARGIN, grid.y(k), "said", 9.5, DIM)
    page.text(MARGIN, grid.y(k + 1), "precision", 9.5, DIM)
    page.text(grid.x(k), grid.y(k), "accuracy", 8.5 if k <= _COUNTED else 6.5, DIM, at="center")
    page.text(grid.x(k), grid.y(k + 1), _ratio(right.sum(), counts.sum()), small + 0.5, bold=True, at="center")


def _ratio(part: int, whole: int) -> str:
    return _share(float(part / whole)) if whole else "–"
