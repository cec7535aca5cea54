"""What the pictures of an evaluation share: heading, names, numbers with intervals, panels, marks of classes."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from mien.plots.page import DIM, FAINT, INK, PAPER, Page, colours, width_of, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ALARM, PLAIN = "#B3261E", "#437FDA"
MARGIN = 36
Interval = tuple[float, float]  # lower and upper end, of 95% confidence

_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
_LIGHT = {"X": 1.1, "P": 1.1, "*": 1.35, "^": 1.1, "v": 1.1, "D": 0.85, "s": 0.9}  # so that all look as large


# ---- words


def legible(text: str) -> str:
    """A text in one line, without what cannot be drawn: a letter that the font lacks becomes ``?``."""
    line = " ".join("".join(" " if unicodedata.category(c) == "Cc" else c for c in text).split())
    return "".join(c if _has(c) else "?" for c in line)


def names(labels: Sequence[str], what: str = "label") -> list[str]:
    """Labels as they can be drawn; one in a script that the font lacks becomes ``label 3``, its place from 1."""
    found = [legible(label) for label in labels]
    lost = [sum(not _has(c) for c in label) for label in labels]
    return [
        name if name and 2 * lost[i] < max(len(labels[i]), 1) else f"{what} {i + 1}" for i, name in enumerate(found)
    ]


@cache
def _has(letter: str) -> bool:
    from matplotlib.font_manager import FontProperties, findfont, get_font

    font = get_font(findfont(FontProperties(family="DejaVu Sans")))
    return letter.isspace() or font.get_char_index(ord(letter)) != 0


def shortened(text: str, size: float, room: float, *, bold: bool = False) -> str:
    """What fits into so many pixels, with an ellipsis where that is not all."""
    if (wide := width_of(text, size, bold=bold)) <= room:
        return text
    fits = min(len(text), int(1.5 * len(text) * max(room, 0) / wide) + 1)
    while fits > 1 and width_of(text[:fits].rstrip() + "…", size, bold=bold) > room:
        fits -= 1
    return text[:fits].rstrip() + "…"


def broken(text: str, size: float, room: float, most: int) -> list[str]:
    """Lines of at most so many pixels; where there are more than ``most`` the last ends in an ellipsis."""
    lines = wrapped(text, size, room)
    return lines if len(lines) <= most else [*lines[: most - 1], shortened(lines[most - 1] + " …", size, room)]


def per_cent(value: float | None, interval: Interval | None = None) -> str:
    """A share in words: ``69.2% (67.7 to 70.7)``."""
    if value is None:
        return "not defined"
    return f"{value:.1%}" + ("" if interval is None else f" ({100 * interval[0]:.1f} to {100 * interval[1]:.1f})")


def decimal(value: float | None, interval: Interval | None = None) -> str:
    """A number in words: ``0.931 (0.922 to 0.940)``."""
    if value is None:
        return "not defined"
    return f"{value:.3f}" + ("" if interval is None else f" ({interval[0]:.3f} to {interval[1]:.3f})")


# ---- the page


def heading(page: Page, title: str, facts: Sequence[str], alarm: str) -> int:
    """Title, facts and what is wrong, which has a bar at its left besides its colour; returns where they end."""
    y, room = MARGIN + 4, page.width - 2 * MARGIN
    for line in wrapped(legible(title), 16, room, bold=True):
        page.text(MARGIN, y, line, 16, bold=True)
        y += 28
    for fact in facts:
        for line in wrapped(legible(fact), 9.5, room):
            page.text(MARGIN, y, line, 9.5, DIM)
            y += 18
    if alarm:
        lines = wrapped(legible(alarm), 10, room - 16, bold=True)
        page.box(MARGIN, y - 4, 5, 19 * len(lines) + 2, ALARM)
        for line in lines:
            page.text(MARGIN + 16, y + 6, line, 10, ALARM, bold=True)
            y += 19
        y += 8
    return y + 4


def panel(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Axes at a place in pixels from the top left of a page that was cut, with a grid and no frame."""
    wide, tall = (float(side) * figure.get_dpi() for side in figure.get_size_inches())
    axes = figure.add_axes((left / wide, 1 - (top + height) / tall, width / wide, height / tall))
    axes.tick_params(colors=DIM, labelsize=8.5, length=0, pad=6)
    axes.grid(color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_facecolor(PAPER)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(DIM)
    return axes


def in_per_cent(axes: Axes, *, x: bool = True, y: bool = True) -> None:
    """Write shares on the axes as ``20%``."""
    for wanted, axis in ((x, axes.xaxis), (y, axes.yaxis)):
        if wanted:
            axis.set_major_formatter(lambda value, _: f"{100 * value:.4g}%")


# ---- classes


def markers(labels: Sequence[str]) -> list[tuple[str, str]]:
    """Colour and marker of each class, the same in every picture of these labels; up to 48 classes no two are equal."""
    found: list[tuple[str, str]] = []
    for i, colour in enumerate(colours(labels)):
        options = [(colour, _MARKERS[(i + k) % len(_MARKERS)]) for k in range(len(_MARKERS))]
        found.append(next((option for option in options if option not in found), options[0]))
    return found


def marker_size(marker: str, size: float) -> float:
    """Size at which a marker looks as large as a dot of ``size`` points."""
    return size * _LIGHT.get(marker, 1.0)


def draw_marker(ground: Axes, x: float, y: float, mark: tuple[str, str], size: float = 7) -> None:
    """A marker of a key on the page."""
    colour, marker = mark
    large = marker_size(marker, size)
    ground.plot([x], [y], marker, color=colour, markersize=large, markeredgecolor=INK, markeredgewidth=0.5, zorder=4)


# ---- a scale from left to right


@dataclass(frozen=True)
class Scale:
    """Shares to pixels.

    Attributes:
        low: Share at ``left``.
        high: Share at ``right``.
        left: Pixels.
        right: Pixels.
    """

    low: float
    high: float
    left: float
    right: float

    @classmethod
    def around(cls, values: Sequence[float], left: float, right: float) -> Scale:
        """A scale on which these have some room, within 0 to 1 unless they are not."""
        low, high = min(values), max(values)
        room = max(0.06 * (high - low), 0.01)
        return cls(max(low - room, min(low, 0.0)), min(high + room, max(high, 1.0)), left, right)

    def at(self, share: float) -> float:
        """Where a share stands."""
        return self.left + (share - self.low) / (self.high - self.low) * (self.right - self.left)

    def ticks(self) -> list[float]:
        """Round shares, three to ten of them."""
        step = next(s for s in (0.5, 0.25, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002) if (self.high - self.low) / s >= 4)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [i * step for i in range(first, last + 1)]

    def draw(self, page: Page, top: float, bottom: float) -> None:
        """Grid lines with their shares below."""
        for tick in self.ticks():
            page.box(self.at(tick) - 0.5, top, 1, bottom - top, FAINT)  # a line would lie over bars
            page.text(self.at(tick), bottom + 12, f"{100 * tick:.3g}%", 8, DIM, at="center")
