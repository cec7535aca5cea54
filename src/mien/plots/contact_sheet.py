"""The worst of what an audit found, side by side, to be judged by eye."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from mien.errors import DataError
from mien.plots.page import DIM, FAINT, INK, Page, colours, require, settings, shown, width_of, wrapped, write

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MARGIN, _FACE, _PAIR_GAP = 40, 96, 4
_PAIRS, _SINGLES = 6, 12  # in a row
_PITCH = 2 * _FACE + _PAIR_GAP + 22  # from pair to pair
_LINE, _SMALL, _TITLE = 15, 8, 12.5
_ALARM = "#B3261E"


@dataclass(frozen=True)
class Tile:
    """A face and what is said under it.

    Attributes:
        face: (s, s) uint8 gray.
        row: Its row id.
        part: Where it belongs, such as ``Training``.
        label: Its class.
    """

    face: np.ndarray
    row: int
    part: str
    label: str


@dataclass(frozen=True)
class Cell:
    """One finding: a face, or two that belong together.

    Attributes:
        tiles: One or two.
        note: What is said above them, such as how similar they are; may be empty.

    Raises:
        DataError: There are no tiles, or more than two.
    """

    tiles: tuple[Tile, ...]
    note: str = ""

    def __post_init__(self) -> None:
        if not 1 <= len(self.tiles) <= 2:
            raise DataError(f"a finding with {len(self.tiles)} faces", "one or two")


@dataclass(frozen=True)
class Section:
    """Findings of one kind.

    Attributes:
        title: What they are.
        text: What they mean, in a sentence or two.
        cells: Those to show, all of one face or all of two; none leaves the section out.

    Raises:
        DataError: Some have one face, some two.
    """

    title: str
    text: str
    cells: tuple[Cell, ...]

    def __post_init__(self) -> None:
        if len({len(cell.tiles) for cell in self.cells}) > 1:
            raise DataError(f"{self.title}: findings of one face and of two", "one kind in a section")


@dataclass(frozen=True)
class Sheet:
    """What a contact sheet shows.

    Attributes:
        title: Its heading.
        facts: Further facts, a line each.
        figures: What it comes to: a number and what it counts, at most five.
        labels: All classes, so that each has its colour.
        sections: The findings.

    Raises:
        DataError: More than five figures.
    """

    title: str
    facts: tuple[str, ...]
    figures: tuple[tuple[str, str], ...]
    labels: tuple[str, ...]
    sections: tuple[Section, ...]

    def __post_init__(self) -> None:
        if len(self.figures) > 5:
            raise DataError(f"{len(self.figures)} figures at the top of a sheet", "at most 5")


def spread(values: np.ndarray, most: int) -> np.ndarray:
    """Places of some values, evenly from the first to the last: by value, or by place where all are equal.

    Args:
        values: (n,) numbers in descending order.
        most: How many at most.

    Returns:
        min(n, most) places, ascending, none twice.
    """
    count = len(values)
    if count <= most:
        return np.arange(count)
    if values[0] == values[-1]:
        return np.linspace(0, count - 1, most).round().astype(np.int64)
    free, chosen = np.ones(count, bool), []
    for level in np.linspace(values[0], values[-1], most):
        place = int(np.where(free, np.abs(values - level), np.inf).argmin())
        free[place] = False
        chosen.append(place)
    return np.sort(chosen)


def save(path: Path, sheet: Sheet) -> None:
    """Write the sheet through a temporary name; equal sheets give equal files.

    Args:
        path: Ends in .png, .pdf or .svg.
        sheet: What it shows.

    Raises:
        OutputError: Another suffix, or a file that cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    require(path, "The contact sheet of an audit")
    write(path, draw(sheet))


def draw(sheet: Sheet) -> Figure:
    """Draw the sheet."""
    with settings():
        page = Page(2 * _MARGIN + _PAIRS * _PITCH - (_PITCH - 2 * _FACE - _PAIR_GAP))
        y = _heading(page, sheet)
        palette = dict(zip(sheet.labels, colours(sheet.labels), strict=True))
        for section in sheet.sections:
            if section.cells:
                y = _section(page, section, y, palette)
        if not any(section.cells for section in sheet.sections):
            page.text(_MARGIN, y + 10, "Nothing to show: none of this was found.", 11, DIM)
            y += 40
        return page.cut(round(y))


def _heading(page: Page, sheet: Sheet) -> float:
    y = _MARGIN + 6
    for line in wrapped(sheet.title, 18, page.width - 2 * _MARGIN, bold=True):
        page.text(_MARGIN, y, line, 18, bold=True)
        y += 30
    for fact in sheet.facts:
        for line in wrapped(fact, 9.5, page.width - 2 * _MARGIN):
            page.text(_MARGIN, y, line, 9.5, DIM)
            y += 18
    if not sheet.figures:
        return y + 16
    y += 20
    pitch = (page.width - 2 * _MARGIN) / len(sheet.figures)
    lowest = y
    for k, (number, what) in enumerate(sheet.figures):
        x, below = _MARGIN + k * pitch, y + 34
        page.text(x, y + 8, number, 24, bold=True)
        for line in wrapped(what, 9, pitch - 24):
            page.text(x, below, line, 9, DIM)
            below += 16
        lowest = max(lowest, below)
    return lowest + 18


def _section(page: Page, section: Section, y: float, palette: dict[str, str]) -> float:
    """Draw a section from ``y`` on; returns where it ends."""
    page.line(_MARGIN, y, page.width - _MARGIN, y, FAINT)
    y += 24
    page.text(_MARGIN, y, section.title, _TITLE, bold=True)
    y += 22
    for line in wrapped(section.text, 9, page.width - 2 * _MARGIN) if section.text else []:
        page.text(_MARGIN, y, line, 9, DIM)
        y += 16
    y += 4
    single = len(section.cells[0].tiles) == 1
    columns = _SINGLES if single else _PAIRS
    pitch = (page.width - 2 * _MARGIN - _FACE) // (_SINGLES - 1) if single else _PITCH
    noted = _LINE + 2 if any(cell.note for cell in section.cells) else 0
    for start in range(0, len(section.cells), columns):
        for k, cell in enumerate(section.cells[start : start + columns]):
            _cell(page, cell, _MARGIN + k * pitch, y, noted, palette)
        y += noted + _FACE + 3 * _LINE + 22
    return y + 4


def _cell(page: Page, cell: Cell, x: int, y: float, noted: int, palette: dict[str, str]) -> None:
    if cell.note:
        page.text(x, y + _LINE / 2, cell.note, _SMALL, DIM)
    differ = len({tile.label for tile in cell.tiles}) > 1
    for tile in cell.tiles:
        page.picture(x, round(y) + noted, _picture(tile.face))
        under = y + noted + _FACE + 11
        page.text(x, under, f"row {tile.row}" if tile.row < 10**8 else str(tile.row), _SMALL, bold=True)
        page.text(x, under + _LINE, _cut(tile.part, _SMALL), _SMALL, DIM)
        page.dot(x + 4, under + 2 * _LINE, palette.get(tile.label, DIM), 6.5)
        colour = _ALARM if differ else INK
        page.text(x + 12, under + 2 * _LINE, _cut(tile.label, _SMALL, 12, bold=differ), _SMALL, colour, bold=differ)
        x += _FACE + _PAIR_GAP


def _picture(face: np.ndarray) -> np.ndarray:
    """As large as there is room for, with whole pixels where the face is small."""
    if face.shape[0] > _FACE:
        return np.asarray(cv2.resize(face, (_FACE, _FACE), interpolation=cv2.INTER_AREA))
    return np.asarray(shown(face[None], _FACE)[0])


def _cut(text: str, size: float, taken: int = 0, *, bold: bool = False) -> str:
    """What fits under a face, with an ellipsis where that is not all."""
    room = _FACE - taken - 2
    if width_of(text, size, bold=bold) <= room:
        return text
    fits = len(text)
    while fits > 1 and width_of(text[:fits].rstrip() + "…", size, bold=bold) > room:
        fits -= 1
    return text[:fits].rstrip() + "…"
