"""The picture of a data set: what stands in it, where, and that the faces are those of the class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from mien.errors import DataError, OutputError
from mien.expressions import FER2013, FER_TINY
from mien.plots.dataset import Matrix, Overview, draw, save
from mien.plots.page import colours

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox

LONG = ("a very_long-class name that goes on/and on without any mercy at all", "Donaudampfschifffahrtskapitänsmütze")


def an_overview(
    labels: Sequence[str] = FER2013.labels, parts: int = 2, samples: int = 3, size: int = 48, matrix: bool = False
) -> Overview:
    """Face number 10·class + k is all of grey level 10·class + k but for a white corner."""
    rows = len(labels)

    def face(level: int) -> np.ndarray:
        pixels = np.full((size, size), level % 256, np.uint8)
        pixels[0, 0] = 255
        return pixels

    return Overview(
        title="set.csv",
        facts=("a fact", "another"),
        alarm="",
        labels=tuple(labels),
        parts=tuple(f"part {k}" for k in range(parts)),
        counts=np.arange(rows * parts).reshape(parts, rows) * 7 + 100,
        levels=np.array([(100.0 + i, 20.0 + i) for i in range(rows)]),
        level=(111.0, 33.0),
        mean_faces=np.stack([np.full((size, size), 5 + 10 * i % 250, np.float32) for i in range(rows)]),
        samples=tuple(np.stack([face(10 * i + k) for k in range(samples)]) for i in range(rows)),
        drawn="faces drawn at random, seed 0",
        matrix=a_matrix(rows) if matrix else None,
    )


def a_matrix(rows: int) -> Matrix:
    counts = np.arange(rows * 9).reshape(rows, 9) * 11
    same = np.eye(rows, 9, dtype=bool)
    columns = tuple(f"opinion {j}" for j in range(8))
    share = np.linspace(0, 1, rows)
    return Matrix("these against those", (*columns, "no majority"), counts, share, same, 0.625, "5 of 8", "a protocol")


def texts(figure: Figure) -> list[str]:
    return [t.get_text().replace("\n", " ") for t in figure.axes[0].texts]


def size_of(figure: Figure) -> tuple[int, int]:
    wide, tall = figure.get_size_inches() * figure.dpi
    return round(wide), round(tall)


def places(figure: Figure) -> dict[str, list[Bbox]]:
    """Where texts and pictures are, pixels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    pen: Any = FigureCanvasAgg(figure).get_renderer()
    axes = figure.axes[0]
    return {
        "texts": [t.get_window_extent(pen) for t in axes.texts],
        "pictures": [i.get_window_extent(pen) for i in axes.images],
    }


def overlap(a: Bbox, b: Bbox) -> bool:
    return a.x0 < b.x1 - 1 and b.x0 < a.x1 - 1 and a.y0 < b.y1 - 1 and b.y0 < a.y1 - 1


# ---- what stands in it


def test_everything_that_is_given_is_in_the_picture() -> None:
    overview = an_overview(matrix=True)
    found = texts(draw(overview))
    assert {"set.csv", "a fact", "another", "faces drawn at random, seed 0", *FER2013.labels} <= {*found}
    for k, part in enumerate(overview.parts):
        assert f"{part}  {overview.counts[k].sum():,}" in found
        for i in range(7):
            share = overview.counts[k, i] / overview.counts[k].sum()
            assert f"{share:.1%}  {overview.counts[k, i]:,}" in found
    for mean, std in (*overview.levels.tolist(), overview.level):
        assert f"{mean:.1f} ± {std:.1f}" in found
    matrix = overview.matrix
    assert matrix is not None
    assert {matrix.title, *matrix.columns, "62.5%", "5 of 8", "a protocol", "0%", "50%", "100%"} <= {*found}
    assert {f"{n:,}" for n in matrix.counts.ravel()} <= {*found}


@pytest.mark.parametrize("labels", [FER2013.labels, FER_TINY.labels, LONG, ("a$x$", "b_{2}^"), ("only",)])
def test_every_class_is_named(labels: tuple[str, ...]) -> None:
    found = [t.replace(" ", "") for t in texts(draw(an_overview(labels)))]
    assert {label.replace(" ", "") for label in labels} <= {*found}


def test_a_set_without_parts_and_matrix_has_no_traces_of_them() -> None:
    found = texts(draw(an_overview(parts=1)))
    assert "share" in found and "part 0" not in " ".join(found) and "agreeing" not in found
    assert "100" in found and "11.8%" in found  # of the first class, the count and the share


def test_an_alarm_is_drawn_on_red() -> None:
    quiet, loud = draw(an_overview()), draw(replace(an_overview(), alarm="THIS SPLIT LEAKS: copies."))
    assert "THIS SPLIT LEAKS: copies." in texts(loud) and not any("LEAKS" in t for t in texts(quiet))
    assert size_of(loud)[1] > size_of(quiet)[1]


def test_an_empty_class_says_so() -> None:
    overview = an_overview()
    levels, means, samples = overview.levels.copy(), overview.mean_faces.copy(), [*overview.samples]
    levels[2], means[2], samples[2] = np.nan, np.nan, samples[2][:0]
    overview.counts[:, 2] = 0
    figure = draw(replace(overview, levels=levels, mean_faces=means, samples=tuple(samples)))
    assert texts(figure).count("no faces") == 1 and "nan" not in " ".join(texts(figure))
    assert len(figure.axes[0].images) == 6 * 4 + 1  # means, samples, and the ramp of grey levels


# ---- the faces


def test_the_faces_of_a_class_stand_in_its_row(tmp_path: Path) -> None:
    overview = an_overview()
    figure = draw(overview)
    centre = {t.get_text(): t.get_position()[1] for t in figure.axes[0].texts}
    save(tmp_path / "a.png", overview)
    picture = cv2.imread(str(tmp_path / "a.png"), cv2.IMREAD_GRAYSCALE)
    rows = []
    for image in figure.axes[0].images:
        x0, x1, y1, y0 = (round(v) for v in image.get_extent())
        if y1 - y0 == 96:
            rows.append((y0, x0, picture[y0:y1, x0:x1]))
    rows.sort(key=lambda row: row[:2])
    assert len(rows) == 7 * 4
    for i, label in enumerate(FER2013.labels):
        mean, *samples = rows[4 * i : 4 * i + 4]
        assert abs(mean[0] + 48 - centre[label]) < 20
        assert np.array_equal(mean[2], np.full((96, 96), round(overview.mean_faces[i, 0, 0])))
        for k, (_, _, drawn) in enumerate(samples):  # each pixel of a face is two by two of the page, unchanged
            assert np.array_equal(drawn, overview.samples[i][k].repeat(2, axis=0).repeat(2, axis=1))


@pytest.mark.parametrize(("size", "labels", "side"), [(224, 3, 112), (48, 16, 96), (48, 17, 48)])
def test_large_faces_and_many_classes_are_shown_smaller(size: int, labels: int, side: int) -> None:
    images = draw(an_overview([f"c{i}" for i in range(labels)], size=size, samples=2)).axes[0].images
    sides = [round(i.get_extent()[1] - i.get_extent()[0]) for i in images]
    assert sides.count(side) == labels * 3


# ---- the drawing


def bars(figure: Figure, colour: str) -> list[tuple[float, float]]:
    """Left edge and width of the boxes filled with a colour, without the stripes at the margin."""
    from matplotlib.colors import to_hex
    from matplotlib.patches import Rectangle

    found = [p for p in figure.axes[0].patches if isinstance(p, Rectangle) and p.get_width() != 5]
    return [(p.get_x(), p.get_width()) for p in found if to_hex(p.get_facecolor()).upper() == colour]


def test_bars_are_as_long_as_the_shares() -> None:
    overview = an_overview()
    figure = draw(overview)
    shares = overview.counts[0] / overview.counts[0].sum()
    lengths = [bars(figure, colour)[0][1] for colour in colours(overview.labels)]
    np.testing.assert_allclose(np.array(lengths) / lengths[0], shares / shares[0])
    longest = (overview.counts / overview.counts.sum(axis=1, keepdims=True)).max()
    np.testing.assert_allclose(lengths[0], 120 * shares[0] / longest)


def test_dots_and_whiskers_are_at_mean_and_std() -> None:
    overview = an_overview()
    axes = draw(overview).axes[0]
    ramp = next(i for i in axes.images if i.get_extent()[2] - i.get_extent()[3] == 6)
    left, right = ramp.get_extent()[:2]

    def level(x: float) -> float:
        return (x - left) / (right - left) * 255

    for i, colour in enumerate(colours(overview.labels)):
        mean, std = overview.levels[i]
        lines = [line.get_xdata() for line in axes.lines if line.get_color() == colour]
        ends = next(x for x in lines if len(x) == 2 and x[0] != x[1])
        dot = next(x for x in lines if len(x) == 1)
        assert [level(v) for v in (*dot, *ends)] == pytest.approx([mean, mean - std, mean + std])
    dashed = next(line for line in axes.lines if line.get_linestyle() == "--")
    assert level(dashed.get_xdata()[0]) == pytest.approx(overview.level[0])


def test_agreeing_cells_are_framed_and_dark_ones_have_white_letters() -> None:
    from matplotlib.colors import to_hex
    from matplotlib.patches import Rectangle

    overview = an_overview(matrix=True)
    assert overview.matrix is not None
    counts = np.zeros((7, 9), int)
    counts[0] = [99_001, 1, 1, 1, 1, 1, 1, 1, 1]
    axes = draw(replace(overview, matrix=replace(overview.matrix, counts=counts))).axes[0]
    framed = [p for p in axes.patches if isinstance(p, Rectangle) and p.get_linewidth() > 0]
    assert len(framed) == 7 and len({p.get_x() for p in framed}) == 7
    letters = {t.get_text(): to_hex(t.get_color()) for t in axes.texts}
    assert letters["99,001"] == "#ffffff" and letters["1"] != "#ffffff"


@pytest.mark.parametrize("matrix", [False, True])
@pytest.mark.parametrize("parts", [1, 2, 3, 10])
@pytest.mark.parametrize("labels", [("only",), LONG, FER2013.labels, FER_TINY.labels])
def test_nothing_overlaps_or_leaves_the_page(labels: tuple[str, ...], parts: int, matrix: bool) -> None:
    overview = replace(
        an_overview(labels, parts, samples=2, matrix=matrix),
        title="a title that is long " * 6,
        facts=("a fact that is long " * 12,),
        alarm="an alarm that is long " * 10,
    )
    overview.counts[:] *= 100_000
    figure = draw(overview)
    wide, tall = size_of(figure)
    found = places(figure)
    for box in (*found["texts"], *found["pictures"]):
        assert box.x0 >= 20 and box.y0 >= 10 and box.x1 <= wide - 20 and box.y1 <= tall - 20, box
    clash = [(a, b) for a, b in combinations(found["texts"], 2) if overlap(a, b)]
    clash += [(a, b) for a in found["texts"] for b in found["pictures"] if overlap(a, b)]
    assert clash == []
    axis = figure.axes[0].lines[1].get_xdata()[0]  # where bars begin; the first line is the rule under the heads
    totals = [t for t in found["texts"] if round(t.x0) == 52 and t.x1 < axis + 50]
    assert len(totals) >= 2 * len(labels) and all(t.x1 < axis - 12 for t in totals[: 2 * len(labels)])


def test_the_page_is_as_large_as_its_faces_need(tmp_path: Path) -> None:
    few, more = draw(an_overview(samples=8)), draw(an_overview(samples=10))
    assert size_of(more)[0] - size_of(few)[0] == 2 * 100 and size_of(more)[1] == size_of(few)[1]
    save(tmp_path / "a.png", an_overview(samples=8))
    tall, wide = cv2.imread(str(tmp_path / "a.png")).shape[:2]
    assert (wide, tall) == size_of(few)


# ---- the file


def test_equal_overviews_give_equal_files(tmp_path: Path) -> None:
    for name in "ab":
        save(tmp_path / f"{name}.png", an_overview(matrix=True))
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_another_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"a\.gif: no such format"):
        save(tmp_path / "a.gif", an_overview())
    assert not [*tmp_path.iterdir()]


def test_arrays_of_other_lengths_are_refused() -> None:
    overview = an_overview()
    for wrong in (
        {"counts": overview.counts[:1]},
        {"levels": overview.levels[:6]},
        {"samples": overview.samples[:6]},
        {"matrix": a_matrix(6)},
    ):
        with pytest.raises(DataError):
            replace(overview, **wrong)  # type: ignore[arg-type]
