"""Reliability diagrams and selective accuracy: bars, gaps, points and what is said of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from mien.errors import DataError
from mien.plots.reliability import (
    Bin,
    Diagram,
    Point,
    Reliability,
    Selective,
    draw_reliability,
    draw_selective,
    save_reliability,
    save_selective,
)
from plots_support import ALARM, FACTS, TITLE, assert_headed, assert_readable, assert_written, place, said, written

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BINS = (
    Bin(0, 0.25, 0, None, None),
    Bin(0.25, 0.5, 29, 0.4, 0.3),
    Bin(0.5, 0.75, 300, 0.6, 0.5),  # over-confident
    Bin(0.75, 1, 500, 0.8, 0.95),  # under-confident
)
GIVEN = Diagram("as the model gives them", BINS, 0.1234, (0.1, 0.15), ("a note",))
SCALED = Diagram("after temperature 1.3", BINS[:3], 0.0321, None, ("fitted on validation", "another note"))
POINTS = (
    Point(0.05, 0.9, True, 0.2, 0.96, (0.94, 0.98)),
    Point(0.01, 1.0, False, 0.0, None),
    Point(0.2, 0.6, True, 0.7, 0.79, None),
)


def diagrams(*given: Diagram) -> Reliability:
    return Reliability(TITLE, FACTS, given, ALARM)


def selective() -> Selective:
    share = np.linspace(0.1, 1, 10)
    return Selective(TITLE, FACTS, share, 1 - share / 3, POINTS, (0.64, 0.69), (0.18, (0.17, 0.19)), ALARM)


def rectangles(axes: Axes) -> list[Rectangle]:
    return [patch for patch in axes.patches if isinstance(patch, Rectangle)]


def test_a_bar_is_as_high_as_its_faces_are_right() -> None:
    upper = draw_reliability(diagrams(GIVEN)).axes[1]
    bars = [one for one in rectangles(upper) if one.get_fill()]
    assert [one.get_height() for one in bars] == [0.3, 0.5, 0.95] and [one.get_y() for one in bars] == [0, 0, 0]
    for bar, one in zip(bars, BINS[1:], strict=True):
        assert one.low < bar.get_x() < bar.get_x() + bar.get_width() < one.high
    few, many, _ = (to_hex(bar.get_facecolor()) for bar in bars)
    assert few != many, "fewer than thirty faces are paler"
    (equal,) = upper.lines
    assert list(equal.get_xdata()) == list(equal.get_ydata()) == [0, 1]


def test_the_gap_to_the_confidence_is_hatched_and_says_which_way() -> None:
    hatched = [one for one in rectangles(draw_reliability(diagrams(GIVEN)).axes[1]) if one.get_hatch()]
    assert [(one.get_y(), round(one.get_height(), 9)) for one in hatched] == [(0.3, 0.1), (0.5, 0.1), (0.8, 0.15)]
    _, over, under = (to_hex(one.get_edgecolor()) for one in hatched)
    assert over == "#b3261e" and under == "#ffffff"


def test_the_histogram_has_the_faces_of_each_bin() -> None:
    figure = draw_reliability(diagrams(GIVEN, SCALED))
    assert [bar.get_height() for bar in rectangles(figure.axes[2])] == [0, 29, 300, 500]
    assert [bar.get_height() for bar in rectangles(figure.axes[4])] == [0, 29, 300]
    assert figure.axes[2].get_ylim() == figure.axes[4].get_ylim(), "to be compared"
    assert figure.axes[2].get_ylim()[1] > 500


def test_each_diagram_says_its_error_and_notes() -> None:
    figure = draw_reliability(diagrams(GIVEN, SCALED))
    lines = said(figure)
    assert "expected calibration error 12.3% (10.0 to 15.0)" in lines and "expected calibration error 3.2%" in lines
    assert {"a note", "fitted on validation", "another note"} <= set(lines)
    assert place(figure, "as the model gives them")[0] < place(figure, "after temperature 1.3")[0]
    assert "not defined" in " ".join(said(draw_reliability(diagrams(replace(GIVEN, error=None, interval=None)))))


@pytest.mark.parametrize("given", [(GIVEN,), (GIVEN, SCALED), (GIVEN, SCALED, replace(GIVEN, title="long " * 20))])
def test_diagrams_can_be_read(given: tuple[Diagram, ...]) -> None:
    figure = draw_reliability(diagrams(*given))
    assert_readable(figure)
    assert_headed(figure)


def test_the_curve_is_accuracy_over_share_and_ends_where_all_are_answered() -> None:
    given = selective()
    axes = draw_selective(given).axes[1]
    curve = axes.lines[0]
    np.testing.assert_array_equal(curve.get_xdata(), given.share)
    np.testing.assert_array_equal(curve.get_ydata(), given.accuracy)
    (end,) = [one for one in axes.lines if one.get_marker() == "o"]
    assert (list(end.get_xdata()), list(end.get_ydata())) == ([1.0], [pytest.approx(2 / 3)])


def test_thresholds_are_lettered_where_they_are_and_listed() -> None:
    figure = draw_selective(selective())
    axes = figure.axes[1]
    letters = {t.get_text(): t.xy for t in axes.texts}  # type: ignore[attr-defined]
    assert letters == {"A": (0.2, 0.96), "C": (0.7, 0.79)}, "what was not reached has no place"
    upright = {(*one.get_xdata(), *one.get_ydata()) for one in axes.lines if len(set(one.get_xdata())) == 1}
    assert (0.2, 0.2, 0.94, 0.98) in upright and (1.0, 1.0, 0.64, 0.69) in upright
    asked = [one.get_ydata()[0] for one in axes.lines if one.get_linestyle() == ":"]  # type: ignore[index]
    assert asked == pytest.approx([0.95, 0.8])
    lines = said(figure)
    for text in ("at most 5% wrong", "confidence 0.900 or more: 20.0% answered", "right 96.0% (94.0 to 98.0)"):
        assert text in lines
    assert abs(place(figure, "A")[1] - place(figure, "at most 5% wrong")[1]) < 5
    assert abs(place(figure, "C")[1] - place(figure, "at most 20% wrong")[1]) < 5
    assert place(figure, "not reached by any confidence")[1] > place(figure, "at most 1% wrong")[1]
    assert "right 66.7% (64.0 to 69.0)" in lines and "0.180 (0.170 to 0.190)" in lines


def test_everything_drawn_lies_in_the_panel() -> None:
    low = Point(0.5, 0.5, True, 0.9, 0.35, (0.2, 0.5))
    for given in (selective(), replace(selective(), points=(low,)), replace(selective(), points=(), interval=None)):
        figure = draw_selective(given)
        axes = figure.axes[1]
        (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
        for one in axes.lines:
            if one.get_linestyle() != ":":
                assert left <= min(one.get_xdata()) and max(one.get_xdata()) <= right
                assert bottom <= min(one.get_ydata()) and max(one.get_ydata()) <= top
        assert_readable(figure)
        assert_headed(figure)
        assert len(written(figure)) > 10


def test_equal_pictures_are_equal_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    assert_written(tmp_path / "a", save_reliability, diagrams(GIVEN), "The reliability diagram", monkeypatch)
    monkeypatch.undo()
    assert_written(tmp_path / "b", save_selective, selective(), "The picture of selective accuracy", monkeypatch)


def test_what_does_not_line_up_is_refused() -> None:
    for given in ((), (GIVEN,) * 4, (replace(GIVEN, bins=()),)):
        with pytest.raises(DataError):
            diagrams(*given)
    for wrong in ({"share": np.empty(0), "accuracy": np.empty(0)}, {"share": np.ones(3)}, {"points": POINTS * 9}):
        with pytest.raises(DataError):
            replace(selective(), **wrong)  # type: ignore[arg-type]
