"""The scatter of what networks cost against how well they do."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mien.errors import DataError
from mien.plots.page import DIM, FAINT, INK, PAPER, Page, require, settings, width_of, wrapped, write

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WIDTH, _MARGIN = 980, 36
_LEFT, _RIGHT = 96, 940  # of the panels
_TALL, _BETWEEN = 400, 62
_MARK, _ALARM = "#437FDA", "#C4001A"
_LARGEST, _SMALLEST = 26.0, 4.0  # radius of a mark, pixels
_SIZE, _LINE = 9.0, 17.0  # of a name: letters in points, line in pixels
_PIXEL = 0.72  # points
_PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


@dataclass(frozen=True)
class Point:
    """A model in the picture.

    Attributes:
        name: Its label.
        x: What it is compared by, more than 0.
        parameters: Its weights, more than 0: the area of its mark.
        accuracy: 0 to 1; None where there is no score.
        interval: Lower and upper end of the accuracy's 95% interval, if there is one.
        leaked: Whether the accuracy is worth nothing.
    """

    name: str
    x: float
    parameters: int
    accuracy: float | None = None
    interval: tuple[float, float] | None = None
    leaked: bool = False


@dataclass(frozen=True)
class Scatter:
    """All that stands in the picture.

    Attributes:
        axis: What ``x`` is, with its unit.
        points: The models, at least one.
        accuracy: What the accuracies are of.
        hardware: What was measured on.

    Raises:
        DataError: No points, or one without a place on a logarithmic axis.
    """

    axis: str
    points: tuple[Point, ...]
    accuracy: str
    hardware: str

    def __post_init__(self) -> None:
        if not self.points:
            raise DataError("a picture of no models", "at least one")
        for p in self.points:
            if not (p.x > 0 and math.isfinite(p.x) and p.parameters > 0):
                raise DataError(f"{p.name} at {p.x} with {p.parameters} parameters", "finite numbers more than 0")


@dataclass(frozen=True)
class _Box:
    """A rectangle in pixels, y downwards."""

    left: float
    top: float
    right: float
    bottom: float

    def overlap(self, other: _Box) -> float:
        """Area of what both cover."""
        wide = min(self.right, other.right) - max(self.left, other.left)
        tall = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(wide, 0.0) * max(tall, 0.0)

    def nearest(self, x: float, y: float) -> tuple[float, float]:
        """The place inside that is nearest to another."""
        return min(max(x, self.left), self.right), min(max(y, self.top), self.bottom)

    def holds(self, other: _Box) -> bool:
        """Whether the other lies wholly inside."""
        return self.overlap(other) >= (other.right - other.left) * (other.bottom - other.top) - 1e-6


@dataclass(frozen=True)
class _Mark:
    """A point on the page."""

    point: Point
    x: float
    y: float
    radius: float
    ends: tuple[float, float] | None  # of the interval, from top to bottom

    @property
    def name(self) -> str:
        return self.point.name + (" LEAKED" if self.point.leaked else "")

    @property
    def boxes(self) -> list[_Box]:
        """What a name must not cover."""
        r = self.radius + 1
        found = [_Box(self.x - r, self.y - r, self.x + r, self.y + r)]
        if self.ends is not None:
            found.append(_Box(self.x - 5, self.ends[0], self.x + 5, self.ends[1]))
        return found


def save(path: Path, scatter: Scatter) -> None:
    """Write the picture through a temporary name; equal scatters give equal files.

    Args:
        path: Ends in .png, .pdf or .svg.
        scatter: What it shows.

    Raises:
        OutputError: Another suffix, or a file that cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    require(path, "The picture of what networks cost")
    write(path, draw(scatter))


def draw(scatter: Scatter) -> Figure:
    """Draw the picture, 100 pixels an inch. It needs matplotlib.

    Models with an accuracy stand by it; those without, in a panel of their own, by their parameters. The panels share
    the axis from left to right, which is logarithmic.
    """
    scored = [p for p in scatter.points if p.accuracy is not None]
    others = [p for p in scatter.points if p.accuracy is None]
    with settings():
        page = Page(_WIDTH)
        top = _heading(page, scatter)
        across = _Axis.logarithmic([p.x for p in scatter.points], _LEFT, _RIGHT)
        for points, title in (
            (scored, f"{scatter.accuracy}, with its 95% interval"),
            (others, "models without a score: parameters; logarithmic"),
        ):
            if not points:
                continue
            page.text(_LEFT - 60, top, title, 9, DIM)
            _panel(page, points, across, top + 20, scatter.points)
            top += 20 + _TALL + _BETWEEN
        page.text((_LEFT + _RIGHT) / 2, top - _BETWEEN + 40, f"{scatter.axis}; logarithmic", 9.5, at="center")
        return page.cut(round(top + 4))


def _heading(page: Page, scatter: Scatter) -> float:
    """Title, hardware and the key to the marks' areas; returns where they end."""
    page.text(_MARGIN, 34, "What networks cost", 18, bold=True)
    y = 66.0
    for line in wrapped(f"measured on {scatter.hardware}", _SIZE, 560):
        page.text(_MARGIN, y, line, _SIZE, DIM)
        y += 18
    most = max(p.parameters for p in scatter.points)
    x = float(_RIGHT)
    for share in (1.0, 0.1):
        about = _round(most * share)
        text = amount(about)
        x -= width_of(text, _SIZE)
        page.text(x, 50, text, _SIZE)
        x -= 8 + _radius(about, most)
        page.dot(x, 50, FAINT, 2 * _radius(about, most) * _PIXEL)
        x -= _radius(about, most) + 18
    page.text(x, 50, "area: parameters", _SIZE, DIM, at="right")
    return max(y, 84) + 22


def _radius(parameters: float, most: float) -> float:
    return max(_LARGEST * math.sqrt(parameters / most), _SMALLEST)


def _round(value: float) -> float:
    """The nearest number below with one digit."""
    step = 10.0 ** math.floor(math.log10(value))
    return math.floor(value / step + 1e-9) * step


def amount(value: float) -> str:
    """A number with at most three digits and a prefix: ``1.46 M``."""
    for size, prefix in _PREFIXES:
        if value >= 0.9995 * size:
            return f"{value / size:.3g} {prefix}"
    return f"{value:.3g}"


@dataclass(frozen=True)
class _Axis:
    """Values to pixels.

    Attributes:
        low: Value at ``start``.
        high: Value at ``end``.
        start: Pixels.
        end: Pixels.
        log: Whether it is logarithmic.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool

    @classmethod
    def logarithmic(cls, values: Sequence[float], start: float, end: float) -> _Axis:
        """An axis on which these have room to their sides."""
        low, high = math.log10(min(values)), math.log10(max(values))
        room = max(0.1 * (high - low), 0.15)
        return cls(10 ** (low - room), 10 ** (high + room), start, end, log=True)

    @classmethod
    def linear(cls, values: Sequence[float], start: float, end: float) -> _Axis:
        """The same, of shares: it does not leave 0 to 1."""
        low, high = min(values), max(values)
        room = max(0.14 * (high - low), 0.01)
        return cls(max(low - room, 0.0), min(high + room, 1.0), start, end, log=False)

    def at(self, value: float) -> float:
        """Where a value stands, pixels."""
        scale: Callable[[float], float] = math.log10 if self.log else float
        share = (scale(value) - scale(self.low)) / (scale(self.high) - scale(self.low))
        return self.start + share * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Round values, three to nine where they can be had."""
        if self.log:
            decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            for digits in ((1,), (1, 3), (1, 2, 5)):
                found = [d * 10.0**e for e in decades for d in digits if self.low <= d * 10.0**e <= self.high]
                if len(found) >= 3:
                    return found
            # Less than a decade: values at equal steps, as on a linear axis.
        step = 10.0 ** math.floor(math.log10(self.high - self.low))
        step *= next(m for m in (1, 0.5, 0.2, 0.1) if (self.high - self.low) / (m * step) >= 4)
        first = math.ceil(self.low / step - 1e-9)
        return [i * step for i in range(first, math.floor(self.high / step + 1e-9) + 1)]


def _panel(page: Page, points: Sequence[Point], across: _Axis, top: float, everything: Sequence[Point]) -> None:
    """Grid, marks and names of one panel, from its top edge."""
    bottom = top + _TALL
    most = max(p.parameters for p in everything)
    scored = points[0].accuracy is not None
    if scored:
        ends = [v for p in points for v in (p.accuracy or 0.0, *(p.interval or ()))]
        up = _Axis.linear(ends, bottom, top)
    else:
        up = _Axis.logarithmic([p.parameters for p in points], bottom, top)
    for tick in up.ticks():
        page.line(_LEFT, up.at(tick), _RIGHT, up.at(tick), FAINT)
        page.text(_LEFT - 8, up.at(tick), f"{100 * tick:.3g}%" if scored else amount(tick), 8.5, DIM, at="right")
    for tick in across.ticks():
        page.line(across.at(tick), top, across.at(tick), bottom, FAINT)
        page.text(across.at(tick), bottom + 14, amount(tick), 8.5, DIM, at="center")
    page.line(_LEFT, bottom, _RIGHT, bottom, DIM)
    marks = [_mark(p, across, up, most) for p in points]
    marks.sort(key=lambda mark: -mark.radius)  # the small ones on top
    for mark in marks:
        _draw_mark(page, mark)
    room = _Box(_LEFT + 2, top + 1, _WIDTH - 6, bottom - 2)
    for mark, box in zip(marks, placed(marks, room), strict=True):
        _draw_name(page, mark, box)


def _mark(point: Point, across: _Axis, up: _Axis, most: int) -> _Mark:
    ends = None
    if point.interval is not None:
        ends = (up.at(point.interval[1]), up.at(point.interval[0]))
    value = point.parameters if point.accuracy is None else point.accuracy
    return _Mark(point, across.at(point.x), up.at(value), _radius(point.parameters, most), ends)


def _draw_mark(page: Page, mark: _Mark) -> None:
    colour = _ALARM if mark.point.leaked else _MARK
    if mark.ends is not None:
        page.line(mark.x, mark.ends[0], mark.x, mark.ends[1], colour, 1.6)
        for y in mark.ends:
            page.line(mark.x - 4, y, mark.x + 4, y, colour, 1.6)
    page.dot(mark.x, mark.y, colour, 2 * mark.radius * _PIXEL)
    if mark.point.leaked:  # hollow
        page.dot(mark.x, mark.y, PAPER, 2 * max(mark.radius - 2.5, 1) * _PIXEL)


def _draw_name(page: Page, mark: _Mark, box: _Box) -> None:
    x, y = (box.left + box.right) / 2, (box.top + box.bottom) / 2
    near_x, near_y = box.nearest(mark.x, mark.y)
    if _leads(mark, near_x, near_y):
        share = mark.radius / math.hypot(near_x - mark.x, near_y - mark.y)
        page.line(mark.x + share * (near_x - mark.x), mark.y + share * (near_y - mark.y), near_x, near_y, DIM, 0.8)
    page.text(x, y, mark.name, _SIZE, _ALARM if mark.point.leaked else INK, at="center")


def _leads(mark: _Mark, x: float, y: float) -> bool:
    """Whether a name that begins there is too far from its mark to be told whose it is without a line."""
    return math.hypot(x - mark.x, y - mark.y) > mark.radius + 12


def _crossed(mark: _Mark, box: _Box, marks: Sequence[_Mark]) -> int:
    """How many other marks the line to a name goes through."""
    x, y = box.nearest(mark.x, mark.y)
    if not _leads(mark, x, y):
        return 0
    dx, dy = x - mark.x, y - mark.y
    found = 0
    for other in marks:
        along = ((other.x - mark.x) * dx + (other.y - mark.y) * dy) / (dx * dx + dy * dy)
        along = min(max(along, 0.0), 1.0)
        off = math.hypot(other.x - mark.x - along * dx, other.y - mark.y - along * dy)
        found += other is not mark and off < other.radius
    return found


def placed(marks: Sequence[_Mark], room: _Box) -> list[_Box]:
    """A place for the name of each mark: near it, in the room, and on no mark and no other name where that can be."""
    taken = [box for mark in marks for box in mark.boxes]
    found: list[_Box] = []
    for mark in marks:
        wide = width_of(mark.name, _SIZE) + 4
        best, least = None, math.inf
        for box in _around(mark, wide):
            covered = sum(box.overlap(other) for other in taken) + (0 if room.holds(box) else 1e6)
            covered += 10 * _crossed(mark, box, marks)
            if covered < least:
                best, least = box, covered
            if not covered:
                break
        assert best is not None
        taken.append(best)
        found.append(best)
    return found


def _around(mark: _Mark, wide: float) -> Iterator[_Box]:
    """Places for a name, the nearest first: beside, above and below the mark, then further out all around it."""
    for gap in (3, 10, 22, 38, 56, 76, 100, 130, 165):
        r = mark.radius + gap
        for turn in (0, 180, 90, 270, 45, 315, 135, 225, 20, 340, 160, 200):
            dx, dy = math.cos(math.radians(turn)), -math.sin(math.radians(turn))
            # The edge or corner of the name that looks at the mark lies on the ring.
            x = mark.x + r * dx + wide / 2 * max(-1.0, min(1.0, 1.6 * dx))
            y = mark.y + r * dy + _LINE / 2 * max(-1.0, min(1.0, 1.6 * dy))
            yield _Box(x - wide / 2, y - _LINE / 2, x + wide / 2, y + _LINE / 2)
