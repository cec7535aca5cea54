"""Scores of the faces with each value of a column, as dots with intervals around the score of all."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from mien.errors import DataError
from mien.plots.chart import ALARM, MARGIN, PLAIN, Interval, Scale, heading, legible, names, per_cent, shortened
from mien.plots.page import DIM, INK, PAPER, Page, require, settings, tint, width_of, wrapped, write

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NAME, _LEAST, _AXIS = 220, 110, 430  # widest and least width of names, length of the axis; pixels
_PITCH, _HEAD = 26, 34


@dataclass(frozen=True)
class Group:
    """The faces with one value of a column.

    Attributes:
        column: Name of the column.
        value: As text.
        n: Faces.
        score: 0 to 1; None where it is not defined.
        interval: Its 95% interval, if there is one.
        small: Whether there are too few faces to say anything.
    """

    column: str
    value: str
    n: int
    score: float | None
    interval: Interval | None = None
    small: bool = False


@dataclass(frozen=True)
class Groups:
    """What the picture says.

    Attributes:
        title: Model and data.
        facts: Lines under it, such as the number of faces and the protocol.
        measure: What the score is, such as ``accuracy``.
        overall: The score of all faces.
        groups: From top to bottom; those of one column follow each other.
        alarm: Why the numbers are not to be believed; empty where nothing is wrong.

    Raises:
        DataError: There are no groups.
    """

    title: str
    facts: tuple[str, ...]
    measure: str
    overall: float
    groups: tuple[Group, ...]
    alarm: str = ""

    def __post_init__(self) -> None:
        if not self.groups:
            raise DataError("a picture of no groups", "at least one")


def save(path: Path, given: Groups) -> None:
    """Write the picture through a temporary name; equal ones give equal files.

    Args:
        path: Ends in .png, .pdf or .svg.
        given: What it shows.

    Raises:
        OutputError: Another suffix, a page too long to draw, or a file that cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    require(path, "The picture of groups")
    write(path, draw(given))


def draw(given: Groups) -> Figure:
    """Draw the picture, 100 pixels an inch. It needs matplotlib.

    Raises:
        OutputError: The page is too long to draw.
    """
    with settings():
        values = [shortened(name, 9.5, _NAME) for name in names([group.value for group in given.groups], "value")]
        left = MARGIN + max(_LEAST, *(width_of(value, 9.5) for value in values)) + 16
        right = left + _AXIS
        numbers = max(width_of(per_cent(group.score, group.interval), 9) for group in given.groups)
        counts = max(width_of(_count(group), 9) for group in given.groups)
        page = Page(round(right + 18 + numbers + 22 + counts + MARGIN))
        y: float = heading(page, given.title, given.facts, given.alarm) + 10
        scale = _scale(given, left, right)
        page.text(right + 18, y, "95% interval" if any(g.interval for g in given.groups) else "", 8.5, DIM)
        page.text(page.width - MARGIN, y, "faces", 8.5, DIM, at="right")
        page.text(scale.at(given.overall), y, f"all {given.overall:.1%}", 9, bold=True, at="center")
        top, shown = y + 12, iter(values)
        y = top
        rows: list[tuple[Group, str, float]] = []
        for column, members in groupby(given.groups, key=lambda group: group.column):
            page.text(MARGIN, y + 18, shortened(legible(column), 10.5, right - MARGIN, bold=True), 10.5, bold=True)
            y += _HEAD
            for group in members:
                rows.append((group, next(shown), y + _PITCH / 2))
                y += _PITCH
        scale.draw(page, top, y + 4)
        page.line(scale.at(given.overall), top, scale.at(given.overall), y + 4, INK, 1.3, "--")
        for group, value, at in rows:
            _row(page, group, value, at, scale)
        said = f"{given.measure} · dashed: all faces"
        said += " · hollow and *: too few faces to say" if any(g.small for g in given.groups) else ""
        said += " · arrow: beyond the axis" if any(_beyond(g, scale) for g in given.groups) else ""
        y += 40
        for line in wrapped(legible(said), 8.5, page.width - 2 * MARGIN):
            page.text(MARGIN, y, line, 8.5, DIM)
            y += 16
        return page.cut(round(y + MARGIN - 24))


def _scale(given: Groups, left: float, right: float) -> Scale:
    """For the groups that say something, whose intervals are short; for all where there are none."""
    telling = [group for group in given.groups if not group.small] or list(given.groups)
    ends = [v for group in telling for v in (group.score, *(group.interval or ())) if v is not None]
    return Scale.around([given.overall, *ends], left, right)


def _count(group: Group) -> str:
    return f"{group.n:,}{'*' if group.small else ''}"


def _beyond(group: Group, scale: Scale) -> bool:
    """Whether something of a group that is too small lies outside the axis, which is made for the others."""
    ends = [v for v in (group.score, *(group.interval or ())) if v is not None]
    return bool(ends) and (min(ends) < scale.low or max(ends) > scale.high)


def _row(page: Page, group: Group, value: str, y: float, scale: Scale) -> None:
    ink, colour = (DIM, tint(PLAIN, 0.35)) if group.small else (INK, PLAIN)
    page.text(MARGIN, y, value, 9.5, ink)
    page.text(scale.right + 18, y, per_cent(group.score, group.interval), 9, ink)
    page.text(page.width - MARGIN, y, _count(group), 9, ALARM if group.small else DIM, at="right")
    if group.interval is not None:
        low, high = (min(max(end, scale.low), scale.high) for end in group.interval)
        if low < high:
            page.line(scale.at(low), y, scale.at(high), y, colour, 1.8, ":" if group.small else "-")
        for end in group.interval:
            _end(page, end, y, scale, colour)
    if group.score is None:
        return
    if not scale.low <= group.score <= scale.high:
        _end(page, group.score, y, scale, colour)
    else:
        page.dot(scale.at(group.score), y, colour, 10)
        if group.small:
            page.dot(scale.at(group.score), y, PAPER, 6.5)


def _end(page: Page, end: float, y: float, scale: Scale, colour: str) -> None:
    """The end of an interval: a stroke, or an arrow where it lies outside."""
    if scale.low <= end <= scale.high:
        page.line(scale.at(end), y - 4, scale.at(end), y + 4, colour, 1.8)
        return
    x, back = (scale.left, 6) if end < scale.low else (scale.right, -6)
    for side in (-4, 4):
        page.line(x, y, x + back, y + side, colour, 1.8)
