"""Scores by a column: dots and intervals where their numbers are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from mien.errors import DataError
from mien.plots.groups import Group, Groups, draw, save
from mien.plots.page import tint
from plots_support import ALARM, FACTS, LABELS, TITLE, assert_headed, assert_readable, assert_written, place, said

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLUE, PALE = "#437FDA", tint("#437FDA", 0.35)
GROUPS = Groups(
    TITLE,
    FACTS,
    "accuracy",
    0.7,
    (
        Group("source", "film", 2000, 0.75, (0.7, 0.8)),
        Group("source", "web", 500, 0.55, (0.5, 0.6)),
        Group("age", "under 20", 60, 0.6, (0.5, 0.7), small=True),
        Group("age", "above", 4, 0.25, (0.0, 0.65), small=True),
        Group("age", "none", 0, None, None, small=True),
    ),
    ALARM,
)


def dots(figure: Figure, colour: str) -> list[tuple[float, float]]:
    """Where dots of this colour are; y runs downwards."""
    found = [one for one in figure.axes[0].lines if one.get_marker() == "o" and one.get_color() == colour]
    return [(float(one.get_xdata()[0]), float(one.get_ydata()[0])) for one in found]  # type: ignore[index]


def overall(figure: Figure) -> float:
    (line,) = [one for one in figure.axes[0].lines if one.get_linestyle() == "--"]
    return float(line.get_xdata()[0])  # type: ignore[index]


def test_dots_and_intervals_stand_on_one_scale_around_the_score_of_all() -> None:
    figure = draw(GROUPS)
    (film, high), (web, low) = dots(figure, BLUE)
    unit = (film - web) / 0.2
    assert film - overall(figure) == pytest.approx(0.05 * unit) and high < low
    level = [one for one in figure.axes[0].lines if one.get_linewidth() == 1.8 and one.get_color() == BLUE]
    spans = [np.ptp(one.get_xdata()) / unit for one in level if len(set(one.get_xdata())) == 2]
    assert spans == pytest.approx([0.1, 0.1])
    ends = sorted(float(one.get_xdata()[0]) for one in level if len(set(one.get_xdata())) == 1)  # type: ignore[index]
    assert [(x - overall(figure)) / unit for x in ends] == pytest.approx([-0.2, -0.1, 0, 0.1])
    assert "all 70.0%" in said(figure)
    assert (place(figure, "60%")[0] - overall(figure)) / unit == pytest.approx(-0.1, abs=0.005)


def test_what_is_too_small_is_hollow_and_marked() -> None:
    figure = draw(GROUPS)
    assert len(dots(figure, PALE)) == 1 and dots(figure, "#FFFFFF") == dots(figure, PALE)
    texts = {t.get_text(): t.get_color() for t in figure.axes[0].texts}
    assert texts["60*"] == texts["4*"] == "#B3261E" != texts["2,000"]
    legend = " ".join(said(figure))
    assert "hollow and *: too few faces to say" in legend and "arrow: beyond the axis" in legend
    assert "hollow" not in " ".join(said(draw(replace(GROUPS, groups=GROUPS.groups[:2]))))


def test_a_small_group_does_not_stretch_the_axis_and_its_arrow_stays_on_it() -> None:
    full, telling = draw(GROUPS), draw(replace(GROUPS, groups=GROUPS.groups[:2]))
    widths = [np.ptp([x for x, _ in dots(figure, BLUE)]) for figure in (full, telling)]
    assert widths[0] == pytest.approx(widths[1])
    xs = [x for one in full.axes[0].lines if one.get_color() == PALE for x in one.get_xdata()]
    assert full.axes[0].get_xlim()[0] + 150 < min(xs) and max(xs) < place(full, "95% interval")[0]
    alone = draw(replace(GROUPS, groups=GROUPS.groups[3:]))
    assert len(dots(alone, PALE)) == 1, "where there are none but small ones, the axis is theirs"
    outside = draw(replace(GROUPS, groups=(GROUPS.groups[0], Group("age", "x", 1, 0.0, None, small=True))))
    assert not dots(outside, PALE)
    arrow = [x for one in outside.axes[0].lines if one.get_color() == PALE for x in one.get_xdata()]
    assert max(arrow) < overall(outside), "an arrow at the left end"


def test_values_stand_under_their_column_beside_their_numbers() -> None:
    figure = draw(GROUPS)
    heights = [place(figure, text)[1] for text in ("source", "film", "web", "age", "under 20", "above", "none")]
    assert heights == sorted(heights)
    for value, numbers, n in (("film", "75.0% (70.0 to 80.0)", "2,000"), ("none", "not defined", "0*")):
        assert abs(place(figure, value)[1] - place(figure, numbers)[1]) < 5
        assert abs(place(figure, value)[1] - place(figure, n)[1]) < 5
    assert abs(place(figure, "film")[1] - dots(figure, BLUE)[0][1]) < 4


@LABELS
def test_any_values_can_be_read(labels: tuple[str, ...]) -> None:
    members = tuple(
        Group(f"column {i // 4} {'long ' * 30}", value, 10**i, i / len(labels), (0, 1), i % 3 == 0)
        for i, value in enumerate(labels)
    )
    figure = draw(replace(GROUPS, groups=members))
    assert_readable(figure)
    assert_headed(figure)


@pytest.mark.parametrize("score", [0.0, 0.5, 1.0])
def test_equal_scores_still_have_an_axis(score: float) -> None:
    figure = draw(replace(GROUPS, overall=score, groups=(Group("a", "b", 50, score, (score, score)),)))
    assert dots(figure, BLUE)[0][0] == pytest.approx(overall(figure))


def test_equal_pictures_are_equal_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_written(tmp_path, save, GROUPS, "The picture of groups", monkeypatch)
    with pytest.raises(DataError):
        replace(GROUPS, groups=())
