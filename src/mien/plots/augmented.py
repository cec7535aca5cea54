"""An augmentation in one picture: faces as training shows them, each change at its limits, and mixtures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mien.errors import DataError
from mien.plots.page import DIM, FAINT, Page, colours, require, settings, shown, width_of, wrapped, write

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MARGIN, _GAP, _FACE, _APART = 36, 22, 96, 4
_NAMES = (90, 160)  # least and greatest width of what stands left of a row
_NAME_SIZE, _SMALL, _LINE = 10, 8, 15
_LEAST_WIDTH = 640


@dataclass(frozen=True)
class Change:
    """One change alone.

    Attributes:
        title: Its name and limit, in its unit.
        pictures: (2, s, s) uint8, at its two limits.
        captions: What each shows.
    """

    title: str
    pictures: np.ndarray
    captions: tuple[str, str]


@dataclass(frozen=True)
class Mixed:
    """Faces that were mixed with others.

    Attributes:
        title: How.
        pictures: (k, s, s) uint8.
        captions: What is in each, a line each.
    """

    title: str
    pictures: np.ndarray
    captions: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Augmented:
    """What the picture of an augmentation shows.

    Attributes:
        title: Its heading.
        facts: Further facts, a line each.
        labels: All classes, so that each has its colour.
        names: The class of each face shown (n).
        rows: Its row id.
        originals: (n, s, s) uint8.
        versions: (epochs, n, s, s) uint8, the same faces in each epoch.
        changes: Each change alone.
        changed: Which of the faces they are shown on.
        mixed: A row of mixtures for each method, at most as many as there are epochs.

    Raises:
        DataError: There are no faces, or something has another length.
    """

    title: str
    facts: tuple[str, ...]
    labels: tuple[str, ...]
    names: tuple[str, ...]
    rows: tuple[int, ...]
    originals: np.ndarray
    versions: np.ndarray
    changes: tuple[Change, ...]
    changed: int
    mixed: tuple[Mixed, ...]

    def __post_init__(self) -> None:
        n = len(self.names)
        if not n:
            raise DataError("a picture of an augmentation with no faces", "at least one")
        if (len(self.rows), len(self.originals), self.versions.shape[1]) != (n, n, n):
            raise DataError(f"{n} faces with {len(self.originals)} pictures and versions of {self.versions.shape[1]}")
        if not 0 <= self.changed < n:
            raise DataError(f"changes shown on face {self.changed}", f"one of {n} faces, counted from 0")
        for one in self.mixed:
            if not len(one.pictures) == len(one.captions) <= len(self.versions):
                raise DataError(f"{one.title}: {len(one.pictures)} mixtures", f"captions, and {len(self.versions)}")


@dataclass(frozen=True)
class _Columns:
    """Left edges and sides, pixels."""

    original: int
    versions: int
    face: int
    width: int

    def version(self, k: int) -> int:
        return self.versions + k * (self.face + _APART)


def save(path: Path, augmented: Augmented) -> None:
    """Write the picture through a temporary name; equal ones give equal files.

    Args:
        path: Ends in .png, .pdf or .svg.
        augmented: What it shows.

    Raises:
        OutputError: Another suffix, a page too long to draw, or a file that cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    require(path, "The picture of an augmentation")
    write(path, draw(augmented))


def draw(augmented: Augmented) -> Figure:
    """Draw the picture, 100 pixels an inch; faces by a whole factor, without smoothing. It needs matplotlib.

    Raises:
        OutputError: The page is too long to draw.
    """
    with settings():
        columns = _columns(augmented)
        page = Page(columns.width)
        y = _heading(page, augmented)
        y = _versions(page, augmented, columns, y)
        if augmented.mixed:
            y = _mixtures(page, augmented, columns, y + 8)
        if augmented.changes:
            y = _changes(page, augmented, columns, y + 8)
        return page.cut(y + 14)


def _columns(augmented: Augmented) -> _Columns:
    face = shown(augmented.originals[:1], _FACE).shape[-1]
    widest = max(
        width_of(name, _NAME_SIZE, bold=True) for name in (*augmented.names, *(m.title for m in augmented.mixed))
    )
    original = _MARGIN + 14 + min(max(_NAMES[0], round(widest)), _NAMES[1]) + _GAP
    versions = original + face + _GAP
    width = versions + len(augmented.versions) * (face + _APART) - _APART + _MARGIN
    return _Columns(original, versions, face, max(width, _LEAST_WIDTH))


def _heading(page: Page, augmented: Augmented) -> int:
    """The lines above everything; returns where they end."""
    y, room = _MARGIN + 6, page.width - 2 * _MARGIN
    for line in wrapped(augmented.title, 18, room, bold=True):
        page.text(_MARGIN, y, line, 18, bold=True)
        y += 32
    for fact in augmented.facts:
        for line in wrapped(fact, 9.5, room):
            page.text(_MARGIN, y, line, 9.5, DIM)
            y += 19
    return y


def _versions(page: Page, augmented: Augmented, columns: _Columns, y: int) -> int:
    """A row for each face; returns where they end."""
    y += 16
    page.text(columns.original, y, "original", _SMALL, DIM)
    for k in range(len(augmented.versions)):
        page.text(columns.version(k), y, f"epoch {k + 1}", _SMALL, DIM)
    page.line(_MARGIN, y + 14, page.width - _MARGIN, y + 14, FAINT)
    y += 14 + 12
    palette = dict(zip(augmented.labels, colours(augmented.labels), strict=True))
    for i, name in enumerate(augmented.names):
        page.box(_MARGIN, y, 5, columns.face, palette.get(name, DIM))
        _label(page, name, f"row {augmented.rows[i]}", y + columns.face / 2)
        pictures = shown(np.concatenate((augmented.originals[i : i + 1], augmented.versions[:, i])), _FACE)
        page.picture(columns.original, y, pictures[0])
        for k, picture in enumerate(pictures[1:]):
            page.picture(columns.version(k), y, picture)
        y += columns.face + 8
    return y


def _label(page: Page, name: str, detail: str, y: float) -> None:
    """Two things said left of a row, around its middle."""
    lines = wrapped(name, _NAME_SIZE, _NAMES[1], bold=True)
    top = y - (len(lines) * 18 + 14) / 2 + 9
    for k, line in enumerate(lines):
        page.text(_MARGIN + 14, top + 18 * k, line, _NAME_SIZE, bold=True)
    page.text(_MARGIN + 14, top + 18 * len(lines), detail, _SMALL, DIM)


def _mixtures(page: Page, augmented: Augmented, columns: _Columns, y: int) -> int:
    """A row for each method with what is in each picture below it; returns where they end."""
    y = _rule(page, y, "The faces above as one batch, mixed; its target is the same mixture of labels")
    for one in augmented.mixed:
        _label(page, one.title, "one face of each batch", y + columns.face / 2)
        lowest = y + columns.face
        for k, picture in enumerate(shown(one.pictures, _FACE)):
            page.picture(columns.version(k), y, picture)
            lowest = max(lowest, _under(page, one.captions[k], columns.version(k), y + columns.face, columns.face))
        y = lowest + 8
    return y


def _changes(page: Page, augmented: Augmented, columns: _Columns, y: int) -> int:
    """Each change alone in a cell of its own, as many in a row as there is room for; returns where they end."""
    y = _rule(page, y, f"Each change alone, at its limits, of row {augmented.rows[augmented.changed]}")
    pair, room = 2 * columns.face + _APART, page.width - 2 * _MARGIN
    across = max(1, (room + _GAP) // (pair + _GAP))
    pitch = (room - pair) // (across - 1) if across > 1 else 0
    for start in range(0, len(augmented.changes), across):
        lowest = y
        for k, change in enumerate(augmented.changes[start : start + across]):
            x = _MARGIN + k * pitch
            page.text(x, y + 6, change.title, 9, bold=True)
            for picture, caption in zip(shown(change.pictures, _FACE), change.captions, strict=True):
                page.picture(x, y + 20, picture)
                lowest = max(lowest, _under(page, (caption,), x, y + 20 + columns.face, columns.face))
                x += columns.face + _APART
        y = lowest + 12
    return y


def _rule(page: Page, y: int, title: str) -> int:
    """A rule and the heading of what comes below it; returns where that begins."""
    page.line(_MARGIN, y, page.width - _MARGIN, y, FAINT)
    for line in wrapped(title, 11, page.width - 2 * _MARGIN, bold=True):
        page.text(_MARGIN, y + 24, line, 11, bold=True)
        y += 20
    return y + 28


def _under(page: Page, lines: tuple[str, ...], x: int, y: int, wide: int) -> int:
    """Small lines below a picture, broken where they are wider than it; returns where they end."""
    y += 12
    for line in (piece for whole in lines for piece in wrapped(whole, _SMALL, wide)):
        page.text(x, y, line, _SMALL, DIM)
        y += _LINE
    return y
