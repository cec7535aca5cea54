"""Bars: scores of models or classes with their intervals and baseline, and how many faces each class has."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mien.errors import DataError
from mien.plots.chart import ALARM, MARGIN, PLAIN, Interval, Scale, broken, heading, legible, names, per_cent, shortened
from mien.plots.page import DIM, FAINT, INK, PAPER, Page, colours, require, settings, tint, width_of, wrapped, write

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NAME, _BAR, _LEAST = 240, 430, 120  # widest name, length of the longest bar, least width of names; pixels
_PITCH, _THICK, _HEAD, _LINE = 34, 16, 30, 17
_PART = 18  # height of a part's bar in a class histogram


@dataclass(frozen=True)
class Bar:
    """One score.

    Attributes:
        name: Of the model, section or class.
        value: 0 to 1; None where it is not defined.
        interval: Its 95% interval, if there is one.
        n: Faces; None leaves it out.
        baseline: What knows nothing of the face reaches; None leaves it out.
        group: A heading above the bars that follow each other with it; may be empty.
        doubt: Why the score is in doubt, in a few words; empty where it is not.
    """

    name: str
    value: float | None
    interval: Interval | None = None
    n: int | None = None
    baseline: float | None = None
    group: str = ""
    doubt: str = ""


@dataclass(frozen=True)
class Bars:
    """What the picture of scores says.

    Attributes:
        title: What is compared, on which data.
        facts: Lines under it, such as the protocol.
        measure: What a bar is, such as ``accuracy``.
        bars: From top to bottom.
        baseline: What the baseline is, such as ``always the commonest class``; empty where there is none.
        classes: Whether the names are classes, each with its colour.
        alarm: Why the numbers are not to be believed; empty where nothing is wrong.

    Raises:
        DataError: There are no bars.
    """

    title: str
    facts: tuple[str, ...]
    measure: str
    bars: tuple[Bar, ...]
    baseline: str = ""
    classes: bool = False
    alarm: str = ""

    def __post_init__(self) -> None:
        if not self.bars:
            raise DataError("a picture of no scores", "at least one")


@dataclass(frozen=True)
class Histogram:
    """What the picture of class counts says.

    Attributes:
        title: Name of the data.
        facts: Lines under it.
        labels: The classes (K).
        parts: Names of the parts (P).
        counts: (P, K) faces.
        alarm: What is wrong with the data; empty where nothing is.

    Raises:
        DataError: The counts have another shape.
    """

    title: str
    facts: tuple[str, ...]
    labels: tuple[str, ...]
    parts: tuple[str, ...]
    counts: np.ndarray
    alarm: str = ""

    def __post_init__(self) -> None:
        if not self.labels or not self.parts or self.counts.shape != (len(self.parts), len(self.labels)):
            raise DataError(
                f"class counts of {self.counts.shape}", f"({len(self.parts)}, {len(self.labels)}): parts, classes"
            )


def save(path: Path, given: Bars) -> None:
    """Write bars of scores through a temporary name; equal ones give equal files.

    Args:
        path: Ends in .png, .pdf or .svg.
        given: The scores.

    Raises:
        OutputError: Another suffix, or a file that cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    require(path, "The picture of scores")
    write(path, draw(given))


def save_histogram(path: Path, given: Histogram) -> None:
    """Write the class histogram of the parts, as ``save``."""
    require(path, "The class histogram")
    write(path, draw_histogram(given))


def draw(given: Bars) -> Figure:
    """Bars from zero with their intervals, the numbers beside them, and a dashed line at the baseline.

    100 pixels an inch; it needs matplotlib.
    """
    with settings():
        shown = names([bar.name for bar in given.bars]) if given.classes else [legible(b.name) for b in given.bars]
        rows = [broken(name, 10, _NAME, 3) for name in shown]
        named = max(_LEAST, *(width_of(line, 10) for lines in rows for line in lines))
        named = max(named, *(min(width_of(legible(bar.doubt), 8.5), _NAME) for bar in given.bars))
        left = MARGIN + named + 16
        right = left + _BAR
        numbers = max(width_of(per_cent(bar.value, bar.interval), 9.5) for bar in given.bars)
        counts = max(width_of(_count(bar), 9) for bar in given.bars)
        page = Page(round(right + 18 + numbers + (counts + 18 if counts else 0) + MARGIN))
        top = heading(page, given.title, given.facts, given.alarm) + 6
        scale = _scale(given, left, right)
        places, bottom = _places(page, given, rows, top + 22)
        scale.draw(page, top + 14, bottom)
        palette = colours([bar.name for bar in given.bars]) if given.classes else [PLAIN] * len(rows)
        for bar, lines, (y, tall), colour in zip(given.bars, rows, places, palette, strict=True):
            _names(page, lines, legible(bar.doubt), y)
            _bar(page, bar, scale, y, tall, colour)
            page.text(right + 18, y, per_cent(bar.value, bar.interval), 9.5, ALARM if bar.doubt else INK)
            page.text(page.width - MARGIN, y, _count(bar), 9, DIM, at="right")
        for k, line in enumerate(wrapped(_legend(given), 8.5, page.width - 2 * MARGIN)):
            page.text(MARGIN, bottom + 38 + 16 * k, line, 8.5, DIM)
            end = bottom + 38 + 16 * k
        return page.cut(round(end + MARGIN - 8))


def _count(bar: Bar) -> str:
    return "" if bar.n is None else f"n = {bar.n:,}"


def _scale(given: Bars, left: float, right: float) -> Scale:
    """From zero to the next ten per cent above everything that is drawn."""
    ends = [v for b in given.bars for v in (b.value, b.baseline, *(b.interval or ())) if v is not None]
    most = max(ends, default=1.0)
    return Scale(0.0, max(-(-round(most * 1000) // 100) / 10, 0.1), left, right)


def _places(page: Page, given: Bars, rows: list[list[str]], y: float) -> tuple[list[tuple[float, float]], float]:
    """Middle and height of each row, after the headings of the groups, which are drawn; and where they end."""
    places, group = [], ""
    for bar, lines in zip(given.bars, rows, strict=True):
        if bar.group != group:
            group = bar.group
            page.text(MARGIN, y + 14, legible(group), 10.5, bold=True)
            y += _HEAD
        tall = max(_PITCH, _LINE * (len(lines) + bool(bar.doubt)) + 8)
        places.append((y + tall / 2, float(tall)))
        y += tall
    return places, y + 4


def _names(page: Page, lines: list[str], doubt: str, y: float) -> None:
    top = y - _LINE * (len(lines) + bool(doubt) - 1) / 2
    for k, line in enumerate(lines):
        page.text(MARGIN, top + _LINE * k, line, 10)
    if doubt:
        page.text(MARGIN, top + _LINE * len(lines), shortened(doubt, 8.5, _NAME), 8.5, ALARM)


def _bar(page: Page, bar: Bar, scale: Scale, y: float, tall: float, colour: str) -> None:
    start = scale.at(0)
    if bar.value is not None:
        box = (start, y - _THICK / 2, scale.at(bar.value) - start, _THICK)
        if bar.doubt:
            page.box(*box, tint(ALARM, 0.88))
            page.box(*box, "", ALARM)
        else:
            page.box(*box, colour)
    if bar.value is not None and bar.interval is not None:
        low, high = (scale.at(end) for end in bar.interval)
        for colour, width in ((PAPER, 3.5), (INK, 1.5)):  # readable on any bar
            page.line(low, y, high, y, colour, width)
            for end in (low, high):
                page.line(end, y - 5, end, y + 5, colour, width)
    if bar.baseline is not None:
        x = scale.at(bar.baseline)
        page.line(x, y - _THICK / 2, x, y + _THICK / 2, PAPER, 3)
        page.line(x, y - tall / 2, x, y + tall / 2, INK, 1.3, "--")


def _legend(given: Bars) -> str:
    said = [given.measure]
    said += ["whiskers: 95% interval"] if any(bar.interval for bar in given.bars) else []
    there = any(bar.baseline is not None for bar in given.bars)
    said += [f"dashed: {given.baseline or 'baseline'}"] if there else []
    said += ["hollow: in doubt, for the reason given"] if any(bar.doubt for bar in given.bars) else []
    return legible(" · ".join(said))


def draw_histogram(given: Histogram) -> Figure:
    """Shares of each part's faces by class, with counts. 100 pixels an inch; it needs matplotlib."""
    with settings():
        shown, parts = names(given.labels), [legible(part) for part in given.parts]
        rows = [broken(name, 10, _NAME, 3) for name in shown]
        left = MARGIN + max(_LEAST, *(width_of(line, 10) for lines in rows for line in lines)) + 16
        totals = given.counts.sum(axis=1, keepdims=True)
        shares = given.counts / np.maximum(totals, 1)
        scale = Scale(0.0, max(float(shares.max()), 1e-9), left, left + _BAR)
        page = Page(round(left + _BAR + 130 + MARGIN))
        y: float = heading(page, given.title, given.facts, given.alarm) + 10
        y = _key(page, parts, totals[:, 0], y) + 10
        step = min(_PART, max(6, 70 // len(parts)))
        top = y
        for i, (lines, colour) in enumerate(zip(rows, colours(given.labels), strict=True)):
            tall = max(step * len(parts) + 12, _LINE * len(lines) + 8, 30)
            _names(page, lines, "", y + tall / 2)
            for k in range(len(parts)):
                at = y + tall / 2 + (k - (len(parts) - 1) / 2) * step
                long, thick = scale.at(float(shares[k, i])) - left, max(step - 4, 4)
                page.box(left, at - thick / 2, long, thick, _shade(colour, k, len(parts)))
                if step >= 14:
                    page.text(left + long + 7, at, f"{shares[k, i]:.1%}  {given.counts[k, i]:,}", 8.5)
            y += tall
        page.line(left, top, left, y, DIM)
        page.text(MARGIN, y + 20, "share of the faces of each part, and faces", 8.5, DIM)
        return page.cut(round(y + 20 + MARGIN - 10))


def _shade(colour: str, k: int, parts: int) -> str:
    """The colour of a class for its k-th part: the first is the fullest."""
    return tint(colour, 0.7 * k / max(parts - 1, 2))


def _key(page: Page, parts: list[str], totals: np.ndarray, y: float) -> float:
    """Which shade is which part, from top to bottom in each class, and its faces; returns where it ends."""
    x = float(MARGIN)
    for k, (part, total) in enumerate(zip(parts, totals, strict=True)):
        text = f"{part}: {total:,} faces"
        wide = 18 + width_of(text, 9.5)
        if x > MARGIN and x + wide > page.width - MARGIN:
            x, y = float(MARGIN), y + 20
        page.box(x, y - 6, 12, 12, _shade(INK, k, len(parts)))
        page.text(x + 18, y, text, 9.5)
        x += wide + 22
    page.line(MARGIN, y + 18, page.width - MARGIN, y + 18, FAINT)
    return y + 18
