"""What tests of several pictures look at: the texts of a figure, and that a picture is written as it should be."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from mien.errors import MissingExtraError, OutputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle
    from matplotlib.text import Text
    from matplotlib.transforms import Bbox

TITLE, FACTS = "a title of model $m$ on [data]", ("n = 1,234 faces · a protocol", "another fact")
ALARM = "Leaked: the numbers are worth less than they seem."
TWO = ("negative", "positive")
SEVEN = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
THIRTEEN = (
    "admiration", "Übermut <b>", "angry", "a very long name of a class_with-parts/of it, and then some more of that",
    "[red]", "a$b$", "快乐", "печаль", "two\nlines", "Donaudampfschifffahrtsgesellschaftskapitänsmütze", "fear",
    "happiness", " ",
)  # fmt: skip
TWENTY_SIX = tuple(f"class {chr(65 + i)}" for i in range(26))
LABELS = pytest.mark.parametrize("labels", [TWO, SEVEN, THIRTEEN, TWENTY_SIX], ids=len)


def written(figure: Figure) -> list[Text]:
    """Texts that are drawn, on the page and in the panels, the ticks' among them."""
    found: list[Text] = []
    for axes in figure.axes:
        found += [*axes.texts, axes.title, axes.xaxis.label, axes.yaxis.label] if axes.axison else [*axes.texts]
        for axis, (low, high) in ((axes.xaxis, sorted(axes.get_xlim())), (axes.yaxis, sorted(axes.get_ylim()))):
            if axes.axison:
                found += [tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
    return [text for text in found if text.get_text().strip() and text.get_visible()]


def extent(text: Text) -> Bbox:
    """Where a text is, pixels from the bottom left of its figure."""
    from matplotlib.backends.backend_agg import RendererAgg

    pen: Any = RendererAgg(1, 1, 100)  # type: ignore[no-untyped-call]
    return text.get_window_extent(pen)


def said(figure: Figure) -> list[str]:
    """What is written."""
    return [text.get_text() for text in written(figure)]


def place(figure: Figure, text: str) -> tuple[float, float]:
    """Middle of the only place where this is written on the page, pixels from its top left."""
    (found,) = [t for t in written(figure) if t.get_text() == text and t.axes is figure.axes[0]]
    box = extent(found)
    return (box.x0 + box.x1) / 2, float(figure.bbox.height) - (box.y0 + box.y1) / 2


def boxes(figure: Figure, colour: str) -> list[Rectangle]:
    """Filled boxes of the page in this colour, as they were drawn."""
    from matplotlib.colors import to_rgba
    from matplotlib.patches import Rectangle

    found = [patch for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]
    return [box for box in found if box.get_facecolor() == to_rgba(colour)]


def assert_readable(figure: Figure) -> None:
    """No text leaves the figure, and no two lie over each other; upright ones are compared."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure).draw()  # which places the names of the axes
    found = [(text, extent(text)) for text in written(figure)]
    for text, box in found:
        inside = box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.bbox.x1 + 1 and box.y1 <= figure.bbox.y1 + 1
        assert inside, f"{text.get_text()!r} leaves the picture"
    upright = [(text.get_text(), *box.extents) for text, box in found if text.get_rotation() == 0]
    left, top, right, bottom = np.array([box for _, *box in upright]).T
    across = np.minimum.outer(right, right) - np.maximum.outer(left, left)
    down = np.minimum.outer(bottom, bottom) - np.maximum.outer(top, top)
    over = np.argwhere(np.triu((across > 1) & (down > 3), 1))
    covered = [(upright[i][0], upright[j][0], f"{down[i, j]:.1f} pixels") for i, j in over]
    assert not covered, str(covered)


def assert_headed(figure: Figure) -> None:
    """Title, facts and the alarm are there, the alarm in red with a bar of red at its left."""
    lines = said(figure)
    assert {TITLE, *FACTS} <= set(lines)
    (alarm,) = [text for text in written(figure) if text.get_text() == ALARM]
    assert alarm.get_color() == "#B3261E"
    assert any(box.get_width() == 5 for box in boxes(figure, "#B3261E"))
    assert not any(text.get_parse_math() for text in written(figure) if text.axes is figure.axes[0])


def assert_written(
    folder: Path, save: Callable[[Path, Any], None], thing: Any, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Equal things are equal files of each kind; another kind and a missing matplotlib are said."""
    for suffix in (".png", ".svg", ".pdf"):
        for name in "ab":
            save(folder / f"{name}{suffix}", thing)
        assert (folder / f"a{suffix}").read_bytes() == (folder / f"b{suffix}").read_bytes()
    picture = cv2.imread(str(folder / "a.png"))
    assert picture is not None and picture.min() < 60 and np.median(picture) > 200
    with pytest.raises(OutputError, match="no such format"):
        save(folder / "a.jpg", thing)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=f"{what} needs the package matplotlib"):
        save(folder / "c.png", thing)
    assert sorted(p.suffix for p in folder.iterdir()) == sorted([".png", ".svg", ".pdf"] * 2)
