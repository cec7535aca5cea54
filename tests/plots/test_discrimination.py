"""ROC and precision-recall curves: every curve where its points are, with its area in words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from mien.errors import DataError
from mien.plots.chart import markers
from mien.plots.discrimination import (
    Curve,
    Discrimination,
    draw_precision_recall,
    draw_roc,
    save_precision_recall,
    save_roc,
)
from plots_support import (
    ALARM,
    FACTS,
    LABELS,
    SEVEN,
    TITLE,
    assert_headed,
    assert_readable,
    assert_written,
    place,
    said,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D


def example(labels: tuple[str, ...] = SEVEN, m: int = 20) -> Discrimination:
    """Curves of different heights, the k-th of 100 + k faces; averages below the last class."""
    x = np.linspace(0, 1, m)
    curves = tuple(
        Curve(label, x, x ** (1 / (k + 2)), 0.9 - k / 1000, (0.8 - k / 1000, 0.95 - k / 1000), 100 + k)
        for k, label in enumerate(labels)
    )
    averages = (Curve("macro average", x, x**0.6, 0.625), Curve("micro average", x, x**0.9, 0.5264, (0.5, 0.55)))
    return Discrimination(TITLE, FACTS, 1000, curves, averages, ALARM)


def line(figure: Figure, colour: str, marker: str) -> Line2D:
    """The curve of a class in the panel."""
    (found,) = [one for one in figure.axes[1].lines if (one.get_color(), one.get_marker()) == (colour, marker)]
    return found


def test_each_class_has_its_curve_in_its_colour_and_marker() -> None:
    given = example()
    figure = draw_roc(given)
    for curve, (colour, marker) in zip(given.curves, markers(SEVEN), strict=True):
        drawn = line(figure, colour, marker)
        np.testing.assert_array_equal(drawn.get_xdata(), curve.x)
        np.testing.assert_array_equal(drawn.get_ydata(), curve.y)
        # In the key, the name stands in the line of its marker and its area.
        (mark,) = [one for one in figure.axes[0].lines if (one.get_color(), one.get_marker()) == (colour, marker)]
        assert abs(float(mark.get_ydata()[0]) - place(figure, curve.label)[1]) < 5  # type: ignore[index]
        area = f"{curve.area:.3f} ({curve.interval[0]:.3f} to {curve.interval[1]:.3f})"  # type: ignore[index]
        assert abs(place(figure, area)[1] - place(figure, curve.label)[1]) < 5
        assert abs(place(figure, str(curve.n))[1] - place(figure, curve.label)[1]) < 5
    assert "AUC (95% interval)" in said(figure)


def test_averages_are_of_ink_and_differ_by_their_line() -> None:
    figure = draw_roc(example())
    own = {colour for colour, _ in markers(SEVEN)}
    macro, micro = [one for one in figure.axes[1].lines if one.get_color() not in own and len(one.get_xdata()) == 20]
    np.testing.assert_allclose(macro.get_ydata(), np.linspace(0, 1, 20) ** 0.6)
    assert macro.is_dashed() != micro.is_dashed()
    assert {"0.625", "0.526 (0.500 to 0.550)"} <= set(said(figure))


def test_chance_is_the_diagonal_of_roc_and_the_share_of_the_class_of_precision() -> None:
    roc, recall = draw_roc(example()), draw_precision_recall(example())

    def straight(figure: Figure) -> list[tuple[list[float], list[float]]]:
        pairs = [one for one in figure.axes[1].lines if len(one.get_xdata()) == 2]
        return [([float(v) for v in one.get_xdata()], [float(v) for v in one.get_ydata()]) for one in pairs]

    assert straight(roc) == [([0.0, 1.0], [0.0, 1.0])]
    ticks = straight(recall)
    assert [y for _, y in ticks] == [[n / 1000] * 2 for n in range(100, 107)]
    assert all(1 < a < b for (a, b), _ in ticks), "outside, at the right"
    assert "diagonal" in " ".join(said(roc)) and "diagonal" not in " ".join(said(recall))
    assert "AP (95% interval)" in said(recall)


@pytest.mark.parametrize("turned", [False, True])
def test_precision_is_drawn_in_the_steps_that_average_precision_sums(turned: bool) -> None:
    """Each precision holds from the recall before it, from whichever end the points come."""
    recall, precision = np.array([0.0, 0.25, 0.5, 1.0]), np.array([1.0, 1.0, 0.5, 0.4])
    area = float(np.sum(np.diff(recall) * precision[1:]))
    curve = Curve("happy", recall[::-1] if turned else recall, precision[::-1] if turned else precision, area, None, 1)
    figure = draw_precision_recall(Discrimination("t", (), 4, (curve,)))
    drawn = line(figure, *markers(("happy",))[0])
    assert drawn.get_drawstyle() == "steps-pre"
    np.testing.assert_array_equal(drawn.get_xdata(), recall)
    x, y = (np.asarray(v) for v in drawn.get_path().vertices.T)  # type: ignore[union-attr]
    assert float(np.sum(np.diff(x) * y[1:])) == pytest.approx(area)


def test_what_is_not_defined_is_said_and_not_drawn() -> None:
    given, none = example(), np.empty(0)
    empty = replace(given.curves[1], x=none, y=none, area=None, interval=None, n=0)
    macro = replace(given.averages[0], x=none, y=none, area=None)
    given = replace(given, curves=(given.curves[0], empty, *given.curves[2:]), averages=(macro,))
    for draw in (draw_roc, draw_precision_recall):
        figure = draw(given)
        assert said(figure).count("not defined") == 2
        assert not [one for one in figure.axes[1].lines if one.get_color() == markers(SEVEN)[1][0]]
        samples = [one for one in figure.axes[0].lines if one.get_linewidth() >= 1.8]
        assert len(samples) == 6, "nor is a line of it in the key"
    assert "AUC" in said(draw_roc(Discrimination("t", (), 4, (replace(given.curves[0], interval=None),))))


@LABELS
def test_any_labels_can_be_read(labels: tuple[str, ...]) -> None:
    for draw in (draw_roc, draw_precision_recall):
        figure = draw(example(labels))
        assert_readable(figure)
        assert_headed(figure)


def test_equal_pictures_are_equal_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "roc").mkdir()
    assert_written(tmp_path / "roc", save_roc, example(("a", "b")), "The picture of ROC curves", monkeypatch)
    monkeypatch.undo()
    (tmp_path / "pr").mkdir()
    what = "The picture of precision-recall curves"
    assert_written(tmp_path / "pr", save_precision_recall, example(("a", "b")), what, monkeypatch)
    assert (tmp_path / "roc" / "a.svg").read_bytes() != (tmp_path / "pr" / "a.svg").read_bytes()


def test_curves_that_do_not_line_up_are_refused() -> None:
    given = example()
    for wrong in (
        {"curves": ()},
        {"curves": (replace(given.curves[0], x=given.curves[0].x[1:]),)},
        {"averages": (replace(given.averages[0], y=np.zeros((20, 1)), x=np.zeros((20, 1))),)},
        {"averages": given.averages * 3},
    ):
        with pytest.raises(DataError):
            replace(given, **wrong)  # type: ignore[arg-type]
