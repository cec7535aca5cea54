"""The scatter of what networks cost: where marks stand, how large they are, and that names can be read."""

from __future__ import annotations

import itertools
import math
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mien.errors import DataError, OutputError
from mien.plots.cost import Point, Scatter, amount, draw, save

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.transforms import Bbox

NAMES = (
    "vgg16", "resnetv2", "efficientnet", "mobilenetv2", "shufflenetv2", "resnet18", "convrelu-ann", "balanced-cnn",
    "model-1", "model-2", "model-3", "hybrid-1", "hybrid-2", "mien-small",
)  # fmt: skip
EDGES = (
    Point("a-long-name-at-the-left-edge-of-the-picture", 1, 2_000_000),
    Point("another-long-name-at-the-right-edge-of-it", 9, 3_000_000),
)
TWO = (
    Point("mien-small", 127e6, 1_464_719, 0.692, (0.677, 0.707)),
    Point("convrelu-ann", 93e6, 2_489_095, 0.655, (0.639, 0.671)),
)
SIX = (
    *TWO,
    Point("copied", 130e6, 1_600_000, 0.95, (0.94, 0.96), leaked=True),
    Point("resnet18", 1.73e9, 11_200_000),
    Point("mobilenetv2", 0.29e9, 2_200_000),
    Point("shufflenetv2", 0.14e9, 1_260_000),
)


def many(spread: float, seed: int = 1) -> tuple[Point, ...]:
    """Fourteen models, as far from each other as ``spread`` says."""
    rng = random.Random(seed)
    found = []
    for name in NAMES:
        accuracy = 0.66 + spread * rng.uniform(-0.06, 0.06)
        x, parameters = 10 ** (1 + spread * rng.uniform(-1, 1)), int(10 ** (6.5 + spread * rng.uniform(-1, 1)))
        found.append(Point(name, x, parameters, accuracy, (accuracy - 0.015, accuracy + 0.015)))
    return tuple(found)


def drawn(*points: Point) -> Figure:
    return draw(Scatter("multiply-adds", points, "PublicTest accuracy, fer2013", "a machine"))


def texts(figure: Figure) -> list[str]:
    return [t.get_text() for t in figure.axes[0].texts]


def boxes(figure: Figure, names: tuple[str, ...]) -> dict[str, Bbox]:
    """Where names are on the page, pixels from the bottom left."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    pen: Any = FigureCanvasAgg(figure).get_renderer()
    return {t.get_text(): t.get_window_extent(pen) for t in figure.axes[0].texts if t.get_text() in names}


def dots(figure: Figure) -> list[Line2D]:
    """The marks, without the two of the key: from the largest to the smallest in each panel."""
    return [line for line in figure.axes[0].lines if line.get_marker() == "o"][2:]


def at(dot: Line2D) -> tuple[float, float]:
    return float(dot.get_xdata()[0]), float(dot.get_ydata()[0])  # type: ignore[index]


def overlap(a: Bbox, b: Bbox) -> bool:
    return bool(a.x0 < b.x1 - 1 and b.x0 < a.x1 - 1 and a.y0 < b.y1 - 1 and b.y0 < a.y1 - 1)


def test_marks_stand_where_their_numbers_are() -> None:
    small, ann = sorted((at(dot) for dot in dots(drawn(*TWO))), reverse=True)
    assert small[0] > ann[0] and small[1] < ann[1], "dearer to the right, better above; y runs downwards"
    three = (Point("a", 1e6, 10, 0.5), Point("b", 1e8, 9, 0.6), Point("c", 1e9, 8, 0.9))
    (ax, ay), (bx, by), (cx, cy) = (at(dot) for dot in dots(drawn(*three)))
    assert (bx - ax) / (cx - ax) == pytest.approx(2 / 3), "logarithmic from left to right"
    assert (by - ay) / (cy - ay) == pytest.approx(1 / 4), "linear from bottom to top"


def test_the_area_of_a_mark_is_its_parameters() -> None:
    large, small = dots(drawn(Point("a", 1, 9_000_000, 0.5), Point("b", 2, 1_000_000, 0.6)))
    assert large.get_markersize() / small.get_markersize() == pytest.approx(3)
    key = [line for line in drawn(*TWO).axes[0].lines if line.get_marker() == "o"][:2]
    assert key[0].get_markersize() / dots(drawn(*TWO))[0].get_markersize() == pytest.approx(math.sqrt(2 / 2.489095))
    assert {"2 M", "200 k"} <= {*texts(drawn(*TWO))}


def test_the_interval_is_drawn_to_scale() -> None:
    figure = drawn(*TWO)
    lines = [line for line in figure.axes[0].lines if line.get_marker() != "o" and line.get_linewidth() == 1.6]
    upright = [line for line in lines if line.get_xdata()[0] == line.get_xdata()[1]]  # type: ignore[index]
    long = [abs(float(line.get_ydata()[1] - line.get_ydata()[0])) for line in upright]  # type: ignore[index,operator]
    (_, ann), (_, small) = (at(dot) for dot in dots(figure))
    assert [p / (ann - small) for p in long] == pytest.approx([0.032 / 0.037, 0.030 / 0.037])


def test_a_model_without_a_score_has_a_place_by_its_parameters() -> None:
    def panels(*points: Point) -> tuple[int, bool, bool]:
        figure = drawn(*points)
        said = " ".join(texts(figure))
        tall = round(float(figure.get_size_inches()[1]) * 100)
        return tall, "PublicTest accuracy" in said, "models without a score: parameters" in said

    both, scored, unscored = panels(*SIX), panels(*TWO), panels(*SIX[3:])
    assert (scored[1:], unscored[1:], both[1:]) == ((True, False), (False, True), (True, True))
    assert both[0] > scored[0] == unscored[0]
    marks = {round(at(dot)[0]): at(dot)[1] for dot in dots(drawn(*SIX))}
    small, mobile, large = (marks[x] for x in sorted(marks)[-3:])
    assert large < mobile < small, "more parameters stand higher"


def test_a_leaked_model_is_marked() -> None:
    figure = drawn(*SIX)
    names = {t.get_text(): t.get_color() for t in figure.axes[0].texts}
    assert names["copied LEAKED"] != names["mien-small"] and "copied" not in names
    assert len(dots(figure)) == len(SIX) + 1, "and hollow"


@pytest.mark.parametrize(
    "points", [TWO, EDGES, SIX[:2] + SIX[3:], many(1.0), many(1.0, 2), many(0.3), many(0.15, 5)], ids=len
)
def test_names_cover_neither_each_other_nor_a_mark(points: tuple[Point, ...]) -> None:
    figure = drawn(*points)
    found = boxes(figure, tuple(p.name for p in points))
    assert len(found) == len(points)
    for a, b in itertools.combinations(found.values(), 2):
        assert not overlap(a, b)
    wide, tall = (float(side) * 100 for side in figure.get_size_inches())
    for name, box in found.items():
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= wide and box.y1 <= tall, name
        for dot in dots(figure):
            x, y, radius = at(dot)[0], tall - at(dot)[1], dot.get_markersize() / 0.72 / 2
            away = math.hypot(x - min(max(x, box.x0), box.x1), y - min(max(y, box.y0), box.y1))
            assert away >= radius - 1, name


@pytest.mark.parametrize("points", [TWO[:1], (TWO[0], TWO[0]), many(0.01), many(1.0), SIX])
def test_every_axis_has_round_ticks_within(points: tuple[Point, ...]) -> None:
    figure = drawn(*points)
    grid = [line for line in figure.axes[0].lines if line.get_marker() != "o" and line.get_linewidth() == 1]
    across = {float(line.get_xdata()[0]) for line in grid if line.get_xdata()[0] == line.get_xdata()[1]}  # type: ignore[index]
    assert 3 <= len(across) <= 12
    assert all(95 <= x <= 941 for x in across)


def test_equal_pictures_are_equal_files_of_any_kind(tmp_path: Path) -> None:
    scatter = Scatter("ms", SIX, "accuracy", "a machine")
    for suffix in (".png", ".svg", ".pdf"):
        for name in ("a", "b"):
            save(tmp_path / f"{name}{suffix}", scatter)
        assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()
    with pytest.raises(OutputError, match="no such format"):
        save(tmp_path / "a.bmp", scatter)


def test_what_has_no_place_is_refused() -> None:
    with pytest.raises(DataError, match="at least one"):
        drawn()
    for point in (Point("a", 0, 5), Point("a", float("inf"), 5), Point("a", 1, 0)):
        with pytest.raises(DataError, match="more than 0"):
            drawn(point)


@pytest.mark.parametrize(
    ("value", "text"),
    [(1_464_719, "1.46 M"), (999.6, "1 k"), (94e6, "94 M"), (1.8e9, "1.8 G"), (0.25, "0.25"), (12, "12")],
)
def test_amounts_are_short(value: float, text: str) -> None:
    assert amount(value) == text
