"""A page for pictures made of small pictures: everything is placed in pixels, so that faces keep theirs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from mien.errors import MissingExtraError, OutputError
from mien.files import staged_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = (".png", ".pdf", ".svg")
INK, DIM, FAINT, PAPER = "#1B1F24", "#6A727C", "#DFE2E6", "#FFFFFF"
_DPI = 100
_MIDDLE = 0.36  # of a line above its baseline, in sizes of the letters: so that neighbours stand on one line
_MOST_PIXELS = 1 << 16  # of a side, what Agg can draw

# Apart by at least 19 (CIE 1976 ΔE) under simulated protanopia, deuteranopia and tritanopia (Machado et al. 2009).
_OF_LABEL = {
    "#DF2A62": ("angry", "anger"),
    "#1A5733": ("disgust", "disgusted"),
    "#51387F": ("fear", "fearful"),
    "#EDB021": ("happy", "happiness", "joy"),
    "#437FDA": ("sad", "sadness", "negative"),
    "#43C8F2": ("surprise", "surprised"),
    "#B8B8B8": ("neutral",),
    "#80550A": ("contempt",),
}
_FURTHER = ("#6CB34F", "#AD81B5", "#DDBE93", "#5A22E0", "#481B3B")


def colours(labels: Sequence[str]) -> list[str]:
    """A colour for each class, ``#RRGGBB``: an expression has the same one in every picture, other names what is left.

    Thirteen are distinct; from then on they come again.
    """
    of_name = {name: colour for colour, names in _OF_LABEL.items() for name in names}
    found: dict[str, str] = {}
    for label in labels:
        colour = of_name.get(label.casefold())
        if colour is not None and colour not in found.values():
            found[label] = colour
    rest = [c for c in (*_FURTHER, *_OF_LABEL) if c not in found.values()] or list(_FURTHER)
    others = [label for label in labels if label not in found]
    return [found[label] if label in found else rest[others.index(label) % len(rest)] for label in labels]


def tint(colour: str, whiteness: float) -> str:
    """A colour mixed with white: 0 leaves it, 1 is white."""
    mixed = (round(int(colour[i : i + 2], 16) * (1 - whiteness) + 255 * whiteness) for i in (1, 3, 5))
    return "#" + "".join(f"{value:02X}" for value in mixed)


def is_dark(colour: str) -> bool:
    """Whether white letters read better on it than ``INK``: by relative luminance, as in WCAG 2."""
    channels = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722))) < 0.2


def require(path: Path, what: str) -> None:
    """Say at once that a picture cannot be written.

    Args:
        path: Where to.
        what: What is to be drawn, for the message: ``The picture of a data set``.

    Raises:
        OutputError: The suffix is none of ``FORMATS``, or ``path`` is a folder.
        MissingExtraError: matplotlib is not installed.
    """
    if path.suffix.lower() not in FORMATS:
        raise OutputError(f"{path}: no such format", f"a name ending in {', '.join(FORMATS)}")
    if path.is_dir():
        raise OutputError(f"{path} is a folder", "the name of a file")
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise MissingExtraError("matplotlib", "plot", what) from None


def settings() -> AbstractContextManager[None]:
    """matplotlib's settings that a picture depends on, so that a user's own do not change it."""
    import matplotlib

    fixed: Any = {
        "font.family": "DejaVu Sans",
        "text.usetex": False,
        "text.parse_math": False,  # a class may be named a$b
        "savefig.bbox": None,
        "savefig.facecolor": PAPER,
        "svg.hashsalt": "mien",
        "path.sketch": None,
    }
    return matplotlib.rc_context(fixed)


def write(path: Path, figure: Figure) -> None:
    """Write a figure through a temporary name; equal figures give equal files.

    Raises:
        OutputError: As ``require``; or the file cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    require(path, "Writing a picture")
    kind = path.suffix.lower()[1:]
    undated = {"png": {}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}[kind]
    try:
        with settings(), staged_file(path) as stage:
            figure.savefig(stage, format=kind, dpi=_DPI, metadata=undated)
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written ({error.strerror or error})", "room on the disk and a folder you may write to"
        ) from error


def shown(faces: np.ndarray, target: int) -> np.ndarray:
    """Bring faces to a size for looking at, by a whole factor: pixels are repeated, or averaged where there are many.

    Args:
        faces: (n, s, s) uint8 or float.
        target: Side to come near to.

    Returns:
        (n, s', s') with s' at most ``target`` where s is, else between 0.67 and 1.33 times as much.
    """
    side = faces.shape[-1]
    if side <= target:
        zoom = target // side
        return faces.repeat(zoom, axis=1).repeat(zoom, axis=2)
    factor = -(-3 * side // (4 * target))
    small = side // factor
    if factor == 1 or not len(faces):
        return faces[:, :small, :small]
    return np.stack([cv2.resize(face, (small, small), interpolation=cv2.INTER_AREA) for face in faces])


class Page:
    """A figure with one pair of axes over all of it, in pixels from the top left.

    Args:
        width: Pixels.
    """

    def __init__(self, width: int) -> None:
        from matplotlib.figure import Figure

        self.width = width
        self._figure = Figure((width / _DPI, 1), dpi=_DPI, facecolor=PAPER)
        self._axes = self._figure.add_axes((0, 0, 1, 1))
        self._axes.set_axis_off()
        self._axes.set_autoscale_on(False)

    def cut(self, height: int) -> Figure:
        """End the page, ``height`` pixels from its top.

        Raises:
            OutputError: A side is longer than can be drawn.
        """
        if max(self.width, height) >= _MOST_PIXELS:
            raise OutputError(
                f"a picture of {self.width}×{height} pixels", f"less than {_MOST_PIXELS} a side", "Show fewer faces."
            )
        self._figure.set_size_inches(self.width / _DPI, height / _DPI)
        self._axes.set(xlim=(0, self.width), ylim=(height, 0))
        return self._figure

    def text(
        self, x: float, y: float, text: str, size: float = 9, colour: str = INK, *, bold: bool = False, at: str = "left"
    ) -> None:
        """Letters of ``size`` points, centred on ``y``; ``x`` is their left, center or right, as ``at`` says."""
        weight = "bold" if bold else "normal"
        many = "\n" in text
        self._axes.text(
            x,
            y if many else y + _MIDDLE * size * _DPI / 72,
            text,
            fontsize=size,
            color=colour,
            weight=weight,
            ha=at,
            va="center" if many else "baseline",
            linespacing=1.3,
        )

    def box(self, x: float, y: float, width: float, height: float, colour: str, edge: str | None = None) -> None:
        """A filled box from its top left corner; with an edge it is not filled."""
        from matplotlib.patches import Rectangle

        face, line = ("none", edge) if edge else (colour, "none")
        self._axes.add_patch(
            Rectangle((x, y), width, height, facecolor=face, edgecolor=line, linewidth=1.4 if edge else 0)
        )

    def line(self, x1: float, y1: float, x2: float, y2: float, colour: str, width: float = 1, style: str = "-") -> None:
        """A straight line; ``width`` in points."""
        self._axes.plot([x1, x2], [y1, y2], style, color=colour, linewidth=width, solid_capstyle="butt")

    def dot(self, x: float, y: float, colour: str, diameter: float) -> None:
        """A dot with a white rim; ``diameter`` in points."""
        self._axes.plot(
            [x], [y], "o", color=colour, markersize=diameter, markeredgecolor=PAPER, markeredgewidth=1.2, zorder=3
        )

    def picture(self, x: int, y: int, grey: np.ndarray) -> None:
        """A grey picture, 0 black to 255 white, one of its pixels to one of the page's, from its top left corner."""
        tall, wide = grey.shape
        self._axes.imshow(
            np.rint(grey).astype(np.uint8)[:, :, None].repeat(3, axis=2),  # a colour map would round some levels down
            extent=(x, x + wide, y + tall, y),
            aspect="auto",
            interpolation="none",
            origin="upper",
        )


def width_of(text: str, size: float, *, bold: bool = False) -> float:
    """Pixels of the widest line of a text of ``size`` points."""
    from matplotlib.backends.backend_agg import RendererAgg
    from matplotlib.font_manager import FontProperties

    font = FontProperties(family="DejaVu Sans", size=size, weight="bold" if bold else "normal")
    pen: Any = RendererAgg(1, 1, _DPI)  # type: ignore[no-untyped-call]
    return max(float(pen.get_text_width_height_descent(line, font, False)[0]) for line in text.split("\n"))


def wrapped(text: str, size: float, most: float, *, bold: bool = False) -> list[str]:
    """Break into lines of at most ``most`` pixels: after a space, ``_``, ``-`` or ``/``, else within a word."""
    lines, line = [], ""
    for piece in re.findall(r"[^ _\-/]*[ _\-/]?", text)[:-1]:
        if line and width_of((line + piece).rstrip(), size, bold=bold) > most:
            lines.append(line.rstrip())
            line = ""
        while piece and width_of(piece.rstrip(), size, bold=bold) > most:
            fits = 1
            while width_of(piece[: fits + 1], size, bold=bold) <= most:
                fits += 1
            lines.append(piece[:fits])
            piece = piece[fits:]
        line += piece
    return [*lines, line.rstrip()]
