"""How sure the answers are: reliability diagrams, and accuracy against the share of faces answered."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mien.errors import DataError
from mien.plots.chart import (
    ALARM,
    MARGIN,
    PLAIN,
    Interval,
    decimal,
    heading,
    in_per_cent,
    legible,
    panel,
    per_cent,
    shortened,
)
from mien.plots.page import DIM, INK, PAPER, Page, require, settings, tint, width_of, wrapped, write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SIDE, _LEFT, _LOW, _BETWEEN = 340, 58, 110, 44  # panel, its axis, the histogram below it, between two panels; pixels
_WIDE, _TALL, _LINE = 520, 400, 20
_FEW = 30  # faces under which a share says little
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True)
class Bin:
    """Faces of like confidence.

    Attributes:
        low: Least confidence.
        high: Largest.
        n: Faces.
        confidence: Their mean confidence; None in an empty bin.
        accuracy: Share right; None in an empty bin.
    """

    low: float
    high: float
    n: int
    confidence: float | None
    accuracy: float | None


@dataclass(frozen=True)
class Diagram:
    """One set of probabilities.

    Attributes:
        title: Which, such as ``as the model gives them``.
        bins: By confidence, ascending.
        error: Expected calibration error; None where it is not defined.
        interval: Its 95% interval, if there is one.
        notes: Further lines under the title.
    """

    title: str
    bins: tuple[Bin, ...]
    error: float | None
    interval: Interval | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reliability:
    """What the reliability picture says.

    Attributes:
        title: Model and data.
        facts: Lines under it, such as the number of faces and the protocol.
        diagrams: One to three, such as before and after temperature.
        alarm: Why the numbers are not to be believed; empty where nothing is wrong.

    Raises:
        DataError: Another number of diagrams, or one without bins.
    """

    title: str
    facts: tuple[str, ...]
    diagrams: tuple[Diagram, ...]
    alarm: str = ""

    def __post_init__(self) -> None:
        if not 1 <= len(self.diagrams) <= 3:
            raise DataError(f"{len(self.diagrams)} reliability diagrams in one picture", "one to three")
        if not all(diagram.bins for diagram in self.diagrams):
            raise DataError("a reliability diagram without bins", "at least one")


@dataclass(frozen=True)
class Point:
    """A confidence under which nothing is answered.

    Attributes:
        error_rate: Share of wrong answers that was asked for.
        confidence: The threshold.
        reached: Whether any threshold gives that where it was chosen; what does not is listed and not drawn.
        share: Share of the faces answered.
        accuracy: Share right among them; None where none is answered.
        interval: Its 95% interval, if there is one.
    """

    error_rate: float
    confidence: float
    reached: bool
    share: float
    accuracy: float | None
    interval: Interval | None = None


@dataclass(frozen=True)
class Selective:
    """What the picture of selective accuracy says.

    Attributes:
        title: Model and data.
        facts: Lines under it, such as the number of faces, the protocol and what thresholds were chosen on.
        share: (m,) shares of faces answered, in the order of falling confidence, ascending; the last is 1.
        accuracy: (m,) share right among them.
        points: Thresholds for several error rates.
        interval: 95% interval of the accuracy where all are answered, if there is one.
        risk_area: Mean error over all shares, and its interval; None leaves it out.
        alarm: Why the numbers are not to be believed; empty where nothing is wrong.

    Raises:
        DataError: The two arrays are empty or do not line up.
    """

    title: str
    facts: tuple[str, ...]
    share: np.ndarray
    accuracy: np.ndarray
    points: tuple[Point, ...] = ()
    interval: Interval | None = None
    risk_area: tuple[float | None, Interval | None] | None = None
    alarm: str = ""

    def __post_init__(self) -> None:
        if self.share.ndim != 1 or not len(self.share) or self.share.shape != self.accuracy.shape:
            raise DataError(f"shares of {self.share.shape}, accuracies of {self.accuracy.shape}", "as many, not none")
        if len(self.points) > len(_LETTERS):
            raise DataError(f"{len(self.points)} points in one picture", f"at most {len(_LETTERS)}")


def save_reliability(path: Path, given: Reliability) -> None:
    """Write reliability diagrams through a temporary name; equal ones give equal files.

    Args:
        path: Ends in .png, .pdf or .svg.
        given: What they show.

    Raises:
        OutputError: Another suffix, or a file that cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    require(path, "The reliability diagram")
    write(path, draw_reliability(given))


def save_selective(path: Path, given: Selective) -> None:
    """Write the curve of accuracy against share answered, as ``save_reliability``."""
    require(path, "The picture of selective accuracy")
    write(path, draw_selective(given))


def draw_reliability(given: Reliability) -> Figure:
    """Accuracy against confidence in bins, with the gap hatched, and below how many faces there are in each.

    100 pixels an inch; it needs matplotlib. The diagrams are those of Guo et al. 2017, arXiv 1706.04599.
    """
    with settings():
        pitch = _LEFT + _SIDE + _BETWEEN
        page = Page(max(2 * MARGIN + pitch * len(given.diagrams) - _BETWEEN + 12, 620))
        top = heading(page, given.title, given.facts, given.alarm) + 14
        said = [_said(diagram) for diagram in given.diagrams]
        over = 24 + 18 * max(len(lines) for lines in said)
        height = top + over + _SIDE + 30 + _LOW + 42
        legend = "Bar: share right. Hatched: from there to the mean confidence, over-confident above the bar (red), "
        legend += "under-confident below its top (white). Dashed: where both are equal. "
        legend += f"Paler: fewer than {_FEW} faces."
        lines = wrapped(legend, 8.5, page.width - 2 * MARGIN)
        for k, (diagram, notes) in enumerate(zip(given.diagrams, said, strict=True)):
            left = MARGIN + k * pitch
            title = shortened(legible(diagram.title), 11, _LEFT + _SIDE, bold=True)
            page.text(left, top + 4, title, 11, bold=True)
            for i, line in enumerate(notes):
                page.text(left, top + 26 + 18 * i, line, 9, INK if i == 0 else DIM)
        for i, line in enumerate(lines):
            page.text(MARGIN, height + 18 + 16 * i, line, 8.5, DIM)
        figure = page.cut(round(height + 18 + 16 * len(lines) + MARGIN - 10))
        most = max(b.n for d in given.diagrams for b in d.bins)
        for k, diagram in enumerate(given.diagrams):
            left = MARGIN + _LEFT + k * pitch
            upper = panel(figure, left, top + over, _SIDE, _SIDE)
            _diagram(upper, diagram, named=k == 0)
            lower = panel(figure, left, top + over + _SIDE + 30, _SIDE, _LOW)
            _histogram(lower, diagram, most, named=k == 0)
        return figure


def _said(diagram: Diagram) -> list[str]:
    error = f"expected calibration error {per_cent(diagram.error, diagram.interval)}"
    return [line for text in (error, *diagram.notes) for line in wrapped(legible(text), 9, _LEFT + _SIDE)]


def _diagram(axes: Axes, diagram: Diagram, *, named: bool) -> None:
    from matplotlib.patches import Rectangle

    for one in diagram.bins:
        if one.accuracy is None or one.confidence is None:
            continue
        air = 0.06 * (one.high - one.low)
        left, wide = one.low + air, one.high - one.low - 2 * air
        colour = PLAIN if one.n >= _FEW else tint(PLAIN, 0.6)
        axes.add_patch(Rectangle((left, 0), wide, one.accuracy, facecolor=colour, linewidth=0, zorder=2))
        bottom, tall = min(one.accuracy, one.confidence), abs(one.accuracy - one.confidence)
        edge = PAPER if one.confidence <= one.accuracy else ALARM if one.n >= _FEW else tint(ALARM, 0.5)
        # The hatching is its edge's colour, so that the frame is a second rectangle.
        axes.add_patch(
            Rectangle((left, bottom), wide, tall, fill=False, hatch="////", edgecolor=edge, linewidth=0, zorder=3)
        )
        axes.add_patch(Rectangle((left, bottom), wide, tall, fill=False, edgecolor=edge, linewidth=1, zorder=3))
    axes.plot([0, 1], [0, 1], "--", color=INK, linewidth=1.2, zorder=4)
    axes.set(xlim=(0, 1), ylim=(0, 1.005))
    in_per_cent(axes)
    if named:
        axes.set_ylabel("share right", fontsize=9, color=INK)


def _histogram(axes: Axes, diagram: Diagram, most: int, *, named: bool) -> None:
    few = len(diagram.bins) <= 10
    for one in diagram.bins:
        axes.bar(one.low, one.n, one.high - one.low, align="edge", color=tint(INK, 0.45), edgecolor=PAPER, linewidth=1)
        if few and one.n:
            middle = (one.low + one.high) / 2
            axes.text(middle, one.n + 0.03 * most, f"{one.n:,}", fontsize=7, color=DIM, ha="center", va="bottom")
    axes.set(xlim=(0, 1), ylim=(0, 1.18 * max(most, 1)))
    axes.locator_params(axis="y", nbins=3)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    in_per_cent(axes, y=False)
    axes.set_xlabel("confidence: probability of the answer", fontsize=9, color=INK)
    if named:
        axes.set_ylabel("faces", fontsize=9, color=INK)


def draw_selective(given: Selective) -> Figure:
    """Accuracy of the surest answers, from few to all, with the thresholds lettered and listed beside it.

    100 pixels an inch; it needs matplotlib. The curve is the complement of the risk-coverage curve of Geifman &
    El-Yaniv 2017, arXiv 1705.08500.
    """
    with settings():
        rows = _rows(given)
        key = MARGIN + _LEFT + _WIDE + 34
        wide = max(width_of(text, 9 if k else 9.5, bold=k == 0) for _, lines in rows for k, text in enumerate(lines))
        page = Page(round(key + 24 + wide + MARGIN))
        top = heading(page, given.title, given.facts, given.alarm) + 14
        y = float(top + 8)
        for letter, lines in rows:
            if letter:
                page.text(key, y, letter, 11, bold=True)
            for k, line in enumerate(lines):
                page.text(key + 24, y, line, 9 if k else 9.5, DIM if k else INK, bold=k == 0)
                y += _LINE - 2 * (k > 0)
            y += 10
        below = top + _TALL + 60
        for line in wrapped(_LEGEND, 8.5, _LEFT + _WIDE) if given.points else []:
            page.text(MARGIN, below, line, 8.5, DIM)
            below += 16
        figure = page.cut(round(max(below - 8, y - 10) + MARGIN - 12))
        _curve(panel(figure, MARGIN + _LEFT, top, _WIDE, _TALL), given)
        return figure


_LEGEND = "Letters: thresholds; upright lines: 95% intervals; dotted: the accuracy that was asked for."


def _rows(given: Selective) -> list[tuple[str, list[str]]]:
    """What stands beside the curve: a letter, and lines."""
    found = []
    for letter, point in zip(_LETTERS, given.points, strict=False):
        wanted = f"at most {100 * point.error_rate:.3g}% wrong"
        if not point.reached:
            found.append(("", [wanted, "not reached by any confidence"]))
            continue
        lines = [wanted, f"confidence {point.confidence:.3f} or more: {point.share:.1%} answered"]
        found.append((letter, [*lines, f"right {per_cent(point.accuracy, point.interval)}"]))
    everything = ["all answered", f"right {per_cent(float(given.accuracy[-1]), given.interval)}"]
    found.append(("●", everything))
    if given.risk_area is not None:
        found.append(("", ["mean error over all shares", decimal(*given.risk_area)]))
    return found


def _curve(axes: Axes, given: Selective) -> None:
    axes.plot(given.share, given.accuracy, color=PLAIN, linewidth=2, zorder=3)
    lettered = zip(_LETTERS, given.points, strict=False)
    drawn = [(c, p, p.accuracy) for c, p in lettered if p.reached and p.accuracy is not None]
    lows = [(p.interval or (accuracy,))[0] for _, p, accuracy in drawn]
    low = min(float(given.accuracy.min()), *lows, *(given.interval or (1.0,)))
    axes.set(xlim=(-0.025, 1.025), ylim=(max(low - 0.05, 0), 1.02))
    for letter, point, accuracy in drawn:
        if point.interval is not None:
            axes.plot([point.share] * 2, point.interval, color=INK, linewidth=1.3, zorder=4)
        axes.plot([point.share], [accuracy], "s", color=PAPER, markeredgecolor=INK, markersize=13, zorder=5)
        axes.plot([point.share - 0.06, point.share + 0.06], [1 - point.error_rate] * 2, ":", color=ALARM, linewidth=1.6)
        at = (point.share, accuracy)
        axes.annotate(letter, at, ha="center", va="center_baseline", fontsize=8, weight="bold", zorder=6)
    if given.interval is not None:
        axes.plot([given.share[-1]] * 2, given.interval, color=INK, linewidth=1.3, zorder=4, clip_on=False)
    axes.plot([given.share[-1]], [given.accuracy[-1]], "o", color=INK, markersize=8, zorder=5, clip_on=False)
    in_per_cent(axes)
    axes.set_xlabel("share of faces answered, the surest first", fontsize=9, color=INK)
    axes.set_ylabel("share right among them", fontsize=9, color=INK)
