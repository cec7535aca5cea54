"""The most confident mistakes as a grid of faces, and what the network saw in them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from mien.errors import DataError
from mien.plots.chart import MARGIN, heading, names, shortened
from mien.plots.page import DIM, INK, Page, colours, require, settings, shown, width_of, wrapped, write

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FACE, _BESIDE, _APART = 96, 4, 24  # side of a face, near enough; to its evidence; to the next; pixels
_WIDEST = 170  # of the words below a face without evidence
_ACROSS = 980  # width that rows of faces are broken at
_LINE, _SMALL = 16, 8.5
_LEGEND = "At the right of a face: light and yellow where the network sees evidence for its answer, dark elsewhere."
_EVIDENCE = (237, 176, 33)  # RGB, laid over the face where it speaks for the answer


@dataclass(frozen=True)
class Mistake:
    """A face that was answered wrongly.

    Attributes:
        face: (s, s) uint8 gray, 0 black to 255 white.
        row: Its row id.
        truth: What it is.
        said: What was said.
        confidence: Of what was said, 0 to 1.
        evidence: (h, w) 0 to 1, what speaks for the answer, over the face at any resolution; None where there is none.

    Raises:
        DataError: The face is not a square of uint8, or the evidence is no such map.
    """

    face: np.ndarray
    row: int
    truth: str
    said: str
    confidence: float
    evidence: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.face.ndim != 2 or self.face.shape[0] != self.face.shape[1] or self.face.dtype != np.uint8:
            raise DataError(f"a face of {self.face.shape}, {self.face.dtype}, in row {self.row}", "(s, s) uint8")
        given = self.evidence
        if given is not None and (given.ndim != 2 or not given.size or not 0 <= given.min() <= given.max() <= 1):
            raise DataError(f"evidence of {given.shape} in row {self.row}", "(h, w) from 0 to 1")


@dataclass(frozen=True)
class Mistakes:
    """What the picture says.

    Attributes:
        title: Model and data.
        facts: Lines under it, such as the number of faces, of mistakes and the protocol.
        labels: All classes, so that each has its colour.
        mistakes: Those to show, in any order, with faces of one size; none says so.
        alarm: Why the picture is not to be believed; empty where nothing is wrong.

    Raises:
        DataError: Faces of several sizes, or a class that is not one of the labels.
    """

    title: str
    facts: tuple[str, ...]
    labels: tuple[str, ...]
    mistakes: tuple[Mistake, ...]
    alarm: str = ""

    def __post_init__(self) -> None:
        if len(sizes := {one.face.shape for one in self.mistakes}) > 1:
            raise DataError(f"faces of sizes {sorted(sizes)} in one picture", "one size")
        for name in (name for one in self.mistakes for name in (one.truth, one.said)):
            if name not in self.labels:
                raise DataError(f"a face that is or was said to be {name!r}", f"one of {', '.join(self.labels)}")


def save(path: Path, given: Mistakes) -> None:
    """Write the picture through a temporary name; equal ones give equal files.

    Args:
        path: Ends in .png, .pdf or .svg.
        given: What it shows.

    Raises:
        OutputError: Another suffix, a page too long to draw, or a file that cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    require(path, "The picture of mistakes")
    write(path, draw(given))


def draw(given: Mistakes) -> Figure:
    """Faces from the most confident mistake on, by a whole factor and without smoothing; evidence beside them.

    100 pixels an inch; it needs matplotlib.

    Raises:
        OutputError: The page is too long to draw.
    """
    with settings():
        order = sorted(given.mistakes, key=lambda one: (-one.confidence, one.row))
        explained = any(one.evidence is not None for one in order)
        side = shown(order[0].face[None], _FACE).shape[-1] if order else _FACE
        called = dict(zip(given.labels, names(given.labels), strict=True))
        written = max((width_of(_said(one, called), _SMALL, bold=True) for one in order), default=0)
        wide = 2 * side + _BESIDE if explained else max(side, min(round(written) + 18, _WIDEST))
        columns = max(1, (_ACROSS - 2 * MARGIN + _APART) // (wide + _APART))
        page = Page(2 * MARGIN + columns * (wide + _APART) - _APART)
        y = heading(page, given.title, given.facts, given.alarm) + 10
        if not order:
            page.text(MARGIN, y + 10, "Nothing to show: no face was answered wrongly.", 11, DIM)
            return page.cut(y + 50)
        pictures = shown(np.stack([one.face for one in order]), _FACE)
        palette = dict(zip(given.labels, colours(given.labels), strict=True))
        laid = []
        for k, (one, picture) in enumerate(zip(order, pictures, strict=True)):
            x, top = MARGIN + (k % columns) * (wide + _APART), y + (k // columns) * (side + 3 * _LINE + 22)
            page.picture(x, top, picture)
            if one.evidence is not None:
                laid.append((x + side + _BESIDE, top, _laid(picture, one.evidence)))
            _words(page, one, called, palette, (x, top + side + 12), wide)
        y += -(-len(order) // columns) * (side + 3 * _LINE + 22)
        if explained:
            for line in wrapped(_LEGEND, 8.5, page.width - 2 * MARGIN):
                page.text(MARGIN, y + 8, line, 8.5, DIM)
                y += 16
        figure = page.cut(y + MARGIN - 18)
        for x, top, picture in laid:
            extent = (x, x + side, top + side, top)
            figure.axes[0].imshow(picture, extent=extent, aspect="auto", interpolation="none", origin="upper")
        return figure


def _said(one: Mistake, called: dict[str, str]) -> str:
    return f"said {max(called[one.said], called[one.truth], key=len)} {_sure(one.confidence)}"


def _laid(face: np.ndarray, evidence: np.ndarray) -> np.ndarray:
    """(s, s) face, (h, w) evidence → (s, s, 3) uint8 RGB: the face, dim where there is none and tinted where there is.

    Light and dark say the same as the hue, so that it can be read in gray.
    """
    side = face.shape[0]
    weight = cv2.resize(evidence.astype(np.float32), (side, side), interpolation=cv2.INTER_LINEAR)[:, :, None]
    gray = face.astype(np.float32)[:, :, None]
    bright = 0.55 * gray + 0.45 * np.array(_EVIDENCE, np.float32)
    return np.asarray(np.rint((1 - weight) * 0.35 * gray + weight * bright), dtype=np.uint8)


def _words(
    page: Page, one: Mistake, called: dict[str, str], palette: dict[str, str], at: tuple[int, int], wide: int
) -> None:
    """What it is, what was said, and which row, under the face."""
    x, y = at
    number = f" {_sure(one.confidence)}"
    for word, label, after in (("is ", one.truth, ""), ("said ", one.said, number)):
        page.dot(x + 4, y, palette[label], 6.5)
        start = x + 12 + width_of(word, _SMALL)
        page.text(x + 12, y, word, _SMALL, DIM)
        room = x + wide - start - width_of(after, _SMALL, bold=True)
        text = shortened(called[label], _SMALL, room, bold=True) + after
        page.text(start, y, text, _SMALL, INK, bold=True)
        y += _LINE
    page.text(x + 12, y, f"row {one.row}", 7.5, DIM)


def _sure(confidence: float) -> str:
    """A confidence in whole per cent that never says 100% of less."""
    return f"{confidence:.0%}" if confidence < 0.995 or confidence == 1 else ">99%"
