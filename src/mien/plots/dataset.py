"""A data set in one picture: a row for each class with shares, grey levels and faces; agreement with FER+."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mien.errors import DataError
from mien.plots.page import (
    DIM,
    FAINT,
    INK,
    PAPER,
    Page,
    colours,
    is_dark,
    require,
    settings,
    shown,
    tint,
    width_of,
    wrapped,
    write,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MARGIN, _GAP = 36, 28
_FACE, _SMALL_FACE, _MANY = 96, 48, 16  # sides of a face, near enough; the small one from so many classes on
_NAME, _NAME_SIZE = (70, 190), 11
_BAR, _LEVEL, _FIGURES = 120, 160, 92  # widths
_LEAST_WIDTH = 1000
_CELL = (80, 34)
_HEAT, _ALARM = "#123F6D", "#B3261E"


@dataclass(frozen=True)
class Matrix:
    """Labels against a second opinion.

    Attributes:
        title: What is compared, in a phrase.
        columns: Names of the second opinions.
        counts: (L, C) faces.
        agreeing: (L,) share of each class that agrees, 0 to 1; nan where there is none.
        same: (L, C) bool, which columns agree with which class.
        share: Share of all that agrees, 0 to 1; nan where there is none.
        meaning: What ``share`` is a share of.
        protocol: How it was counted.
    """

    title: str
    columns: tuple[str, ...]
    counts: np.ndarray
    agreeing: np.ndarray
    same: np.ndarray
    share: float
    meaning: str
    protocol: str


@dataclass(frozen=True)
class Overview:
    """What the picture of a data set shows.

    Attributes:
        title: Name of the set.
        facts: Further facts, a line each.
        alarm: What makes the set worthless, such as a leak; empty where nothing does.
        labels: The classes (L).
        parts: Names of the parts (P).
        counts: (P, L) faces.
        levels: (L, 2) mean and standard deviation of the grey level of each class, 0 to 255; nan where it is empty.
        level: The same over everything.
        mean_faces: (L, s, s), 0 black to 255 white.
        samples: For each class (k, s, s) uint8 gray faces.
        drawn: How the samples were drawn, in a phrase.
        matrix: Agreement with a second opinion, if there is one.

    Raises:
        DataError: Something has another length than there are classes or parts.
    """

    title: str
    facts: tuple[str, ...]
    alarm: str
    labels: tuple[str, ...]
    parts: tuple[str, ...]
    counts: np.ndarray
    levels: np.ndarray
    level: tuple[float, float]
    mean_faces: np.ndarray
    samples: tuple[np.ndarray, ...]
    drawn: str
    matrix: Matrix | None

    def __post_init__(self) -> None:
        rows = len(self.labels)
        lengths = (self.counts.shape, len(self.levels), len(self.mean_faces), len(self.samples))
        if lengths != ((len(self.parts), rows), rows, rows, rows):
            raise DataError(f"a picture of {rows} classes and {len(self.parts)} parts with arrays of {lengths}")
        if self.matrix is not None and self.matrix.counts.shape != (rows, len(self.matrix.columns)):
            raise DataError(f"an agreement matrix of {self.matrix.counts.shape}", f"{rows} classes")


@dataclass(frozen=True)
class _Columns:
    """Left edges of the columns, and what else the width of the page follows from; pixels."""

    names: tuple[str, ...]  # the classes, broken into lines
    shares: int
    levels: int
    mean: int
    samples: int
    face: int
    width: int

    @property
    def pitch(self) -> int:
        """From one class to the next."""
        return self.face + 8


def save(path: Path, overview: Overview) -> None:
    """Write the picture through a temporary name; equal overviews give equal files.

    Args:
        path: Ends in .png, .pdf or .svg.
        overview: What it shows.

    Raises:
        OutputError: Another suffix, a page too long to draw, or a file that cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    require(path, "The picture of a data set")
    write(path, draw(overview))


def draw(overview: Overview) -> Figure:
    """Draw the picture, 100 pixels an inch. It needs matplotlib.

    A class has the same colour everywhere. Faces are shown by a whole factor, without smoothing.

    Raises:
        OutputError: The page is too long to draw.
    """
    with settings():
        columns = _columns(overview)
        page = Page(columns.width)
        palette = colours(overview.labels)
        top = _heads(page, overview, columns, _title(page, overview))
        bottom = top + columns.pitch * len(overview.labels)
        _names(page, overview, columns, top, palette)
        _shares(page, overview, columns, top, palette)
        _levels(page, overview, columns, top, palette)
        _faces(page, overview, columns, top)
        end = bottom + 30
        if overview.matrix is not None:
            end = _matrix(page, overview, overview.matrix, bottom + 44, palette)
        return page.cut(end + 20)


def _columns(overview: Overview) -> _Columns:
    names = tuple("\n".join(wrapped(label, _NAME_SIZE, _NAME[1], bold=True)) for label in overview.labels)
    widest = max(
        _NAME[0],
        *(width_of(name, _NAME_SIZE, bold=True) for name in names),
        *(width_of(total, 8.5) for total in _totals(overview)),
    )
    face = shown(overview.mean_faces[:1], _FACE if len(names) <= _MANY else _SMALL_FACE).shape[-1]
    shares = _MARGIN + 16 + round(widest) + _GAP
    levels = shares + _BAR + _FIGURES + _GAP
    mean = levels + _LEVEL + _FIGURES + _GAP
    samples = mean + face + _GAP
    most = max(1, *(len(faces) for faces in overview.samples))
    width = max(_LEAST_WIDTH, samples + most * (face + 4) - 4 + _MARGIN)
    return _Columns(names, shares, levels, mean, samples, face, width)


def _title(page: Page, overview: Overview) -> int:
    """The lines above everything; returns where they end."""
    y, room = _MARGIN + 8, page.width - 2 * _MARGIN
    for line in wrapped(overview.title, 22, room, bold=True):
        page.text(_MARGIN, y, line, 22, bold=True)
        y += 40
    for fact in overview.facts:
        for line in wrapped(fact, 9.5, room):
            page.text(_MARGIN, y, line, 9.5, DIM)
            y += 20
    if overview.alarm:
        lines = wrapped(overview.alarm, 11, room - 24, bold=True)
        page.box(_MARGIN, y, room, 20 * len(lines) + 12, _ALARM)
        for line in lines:
            page.text(_MARGIN + 12, y + 16, line, 11, PAPER, bold=True)
            y += 20
        y += 26
    if len(overview.parts) > 1:
        y = _parts(page, overview, y + 4)
    return y


def _parts(page: Page, overview: Overview, y: int) -> int:
    """Which shade is which part, and its size."""
    x = float(_MARGIN)
    for k, (part, counts) in enumerate(zip(overview.parts, overview.counts, strict=True)):
        text = f"{part}  {counts.sum():,}"
        wide = 18 + width_of(text, 9.5)
        if x > _MARGIN and x + wide > page.width - _MARGIN:
            x, y = float(_MARGIN), y + 20
        page.box(x, y - 6, 12, 12, _shade(INK, k, len(overview.parts)))
        page.text(x + 18, y, text, 9.5)
        x += wide + 22
    return y + 20


def _shade(colour: str, k: int, parts: int) -> str:
    """The colour of a class for its k-th part: the first is the fullest."""
    return tint(colour, 0.7 * k / max(parts - 1, 2))


def _heads(page: Page, overview: Overview, columns: _Columns, y: int) -> int:
    """The heads of the columns and a rule; returns where the first class begins."""
    y += 16
    shares = "share of each part" if len(overview.parts) > 1 else "share"
    for x, head in (
        (_MARGIN, "class"),
        (columns.shares, shares),
        (columns.levels, "grey level of pixels"),
        (columns.levels + _LEVEL + 10, "mean ± std"),
        (columns.mean, "mean face"),
        (columns.samples, overview.drawn),
    ):
        page.text(x, y, head, 8.5, DIM)
    page.line(_MARGIN, y + 16, page.width - _MARGIN, y + 16, FAINT)
    return y + 16 + 12


def _middles(overview: Overview, columns: _Columns, top: int) -> list[float]:
    return [top + i * columns.pitch + columns.face / 2 for i in range(len(overview.labels))]


def _totals(overview: Overview) -> list[str]:
    """How many faces each class has; and their share, unless the only part says it."""
    totals, n = overview.counts.sum(axis=0), overview.counts.sum()
    return [f"{t:,} · {t / n:.1%}" if len(overview.parts) > 1 else f"{t:,}" for t in totals]


def _names(page: Page, overview: Overview, columns: _Columns, top: int, palette: list[str]) -> None:
    totals = _totals(overview)
    for i, y in enumerate(_middles(overview, columns, top)):
        page.box(_MARGIN, y - columns.face / 2, 5, columns.face, palette[i])
        lines = columns.names[i].count("\n")
        page.text(_MARGIN + 16, y - 9, columns.names[i], _NAME_SIZE, bold=True)
        page.text(_MARGIN + 16, y + 11 + 9.5 * lines, totals[i], 8.5, DIM)


def _shares(page: Page, overview: Overview, columns: _Columns, top: int, palette: list[str]) -> None:
    """A bar for each part: its share of the class."""
    parts = len(overview.parts)
    shares = overview.counts / overview.counts.sum(axis=1, keepdims=True)
    step = min(24.0, columns.face * 0.8 / parts)
    thick = step - min(4, step / 4)
    for i, y in enumerate(_middles(overview, columns, top)):
        for k in range(parts):
            at = y + (k - (parts - 1) / 2) * step
            long = _BAR * shares[k, i] / shares.max()
            page.box(columns.shares, at - thick / 2, long, thick, _shade(palette[i], k, parts))
            if step >= 14:
                text = f"{shares[k, i]:.1%}" + (f"  {overview.counts[k, i]:,}" if parts > 1 else "")
                page.text(columns.shares + long + 7, at, text, 8.5)
    bottom = top + columns.pitch * len(overview.labels) - 8
    page.line(columns.shares, top, columns.shares, bottom, FAINT)


def _levels(page: Page, overview: Overview, columns: _Columns, top: int, palette: list[str]) -> None:
    """Mean and standard deviation of the pixels of each class, over those of all."""
    bottom = top + columns.pitch * len(overview.labels) - 8

    def x(level: float) -> float:
        return columns.levels + min(max(level, 0), 255) / 255 * _LEVEL

    mean, std = overview.level
    page.box(x(mean - std), top, x(mean + std) - x(mean - std), bottom - top, tint(FAINT, 0.55))
    page.line(x(mean), top, x(mean), bottom, DIM, 1, "--")
    for y, (m, s), colour in zip(_middles(overview, columns, top), overview.levels, palette, strict=True):
        if np.isnan(m):
            continue
        page.line(x(m - s), y, x(m + s), y, colour, 2.2)
        for end in (m - s, m + s):
            page.line(x(end), y - 5, x(end), y + 5, colour, 2.2)
        page.dot(x(m), y, colour, 9)
        page.text(columns.levels + _LEVEL + 10, y, f"{m:.1f} ± {s:.1f}", 8.5)
    ramp = np.tile(np.linspace(0, 255, _LEVEL), (6, 1))
    page.picture(columns.levels, bottom + 6, ramp)
    page.text(columns.levels, bottom + 22, "0 black", 7.5, DIM)
    page.text(columns.levels + _LEVEL, bottom + 22, "white 255", 7.5, DIM, at="right")
    page.text(columns.levels + _LEVEL + 10, bottom + 9, f"{mean:.1f} ± {std:.1f}", 8.5, DIM)
    page.text(columns.levels + _LEVEL + 10, bottom + 22, "all, dashed", 7.5, DIM)


def _faces(page: Page, overview: Overview, columns: _Columns, top: int) -> None:
    """Mean face and samples, pixel by pixel."""
    target = _FACE if len(overview.labels) <= _MANY else _SMALL_FACE
    for i, given in enumerate(overview.samples):
        y = top + i * columns.pitch
        if np.isnan(overview.mean_faces[i]).any():
            page.text(columns.mean, y + columns.face / 2, "no faces", 9, DIM)
            continue
        page.picture(columns.mean, y, shown(overview.mean_faces[i : i + 1], target)[0])
        for k, face in enumerate(shown(given, target)):
            page.picture(columns.samples + k * (columns.face + 4), y, face)


def _matrix(page: Page, overview: Overview, matrix: Matrix, y: int, palette: list[str]) -> int:
    """Counts in cells, coloured by their share of the row; the cells that agree are framed. Returns where it ends."""
    page.line(_MARGIN, y, page.width - _MARGIN, y, FAINT)
    page.text(_MARGIN, y + 24, matrix.title, 11, bold=True)
    names = ["\n".join(wrapped(label, 9.5, _NAME[1])) for label in overview.labels]
    left = _MARGIN + 16 + round(max(_NAME[0], *(width_of(name, 9.5) for name in names))) + 14
    top = y + 84
    wide, tall = _CELL[0], max(_CELL[1], 17 * max(name.count("\n") + 1 for name in names))
    for j, column in enumerate(matrix.columns):
        page.text(left + (j + 0.5) * wide, top - 18, "\n".join(wrapped(column, 8.5, wide - 6)), 8.5, at="center")
    right = left + len(matrix.columns) * wide
    page.text(right + 12, top - 18, "agreeing", 8.5, DIM)
    rows = np.maximum(matrix.counts.sum(axis=1, keepdims=True), 1)
    for i, shares in enumerate(matrix.counts / rows):
        middle = top + (i + 0.5) * tall
        page.box(_MARGIN, middle - tall / 2 + 1, 5, tall - 2, palette[i])
        page.text(_MARGIN + 16, middle, names[i], 9.5)
        for j, share in enumerate(shares):
            colour = tint(_HEAT, 1 - share**0.8)
            page.box(left + j * wide + 1, middle - tall / 2 + 1, wide - 2, tall - 2, colour)
            ink = PAPER if is_dark(colour) else INK
            page.text(left + (j + 0.5) * wide, middle, f"{matrix.counts[i, j]:,}", 9, ink, at="center")
        for j in np.flatnonzero(matrix.same[i]).tolist():
            page.box(left + j * wide + 1, middle - tall / 2 + 1, wide - 2, tall - 2, "", INK)
        if not np.isnan(matrix.agreeing[i]):
            page.text(right + 12, middle, f"{matrix.agreeing[i]:.0%}", 9.5, bold=True)
    end = top + len(names) * tall
    beside = page.width - right - 90 - _MARGIN
    said = _said(page, matrix, (right + 90, top, beside) if beside > 260 else (_MARGIN, end + 24, page.width - 72))
    return max(end, said) + 10


def _said(page: Page, matrix: Matrix, room: tuple[int, int, int]) -> int:
    """The agreement in words, in a room of left, top and width; returns where it ends."""
    x, y, wide = room
    wide = min(wide, 560)
    if not np.isnan(matrix.share):
        page.text(x, y + 20, f"{matrix.share:.1%}", 34, bold=True)
        y += 64
    for text, size, colour, step in ((matrix.meaning, 11, INK, 21), (matrix.protocol, 8.5, DIM, 17)):
        for line in wrapped(text, size, wide):
            page.text(x, y, line, size, colour)
            y += step
        y += 8
    return y
