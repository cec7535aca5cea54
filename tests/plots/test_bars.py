"""Bars of scores and of classes: as long as their numbers, with whiskers and baselines to scale."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from hypothesis import given, settings
from hypothesis import strategies as st

from mien.errors import DataError
from mien.plots.bars import Bar, Bars, Histogram, draw, draw_histogram, save, save_histogram
from mien.plots.page import colours, tint
from plots_support import (
    ALARM,
    FACTS,
    LABELS,
    SEVEN,
    TITLE,
    assert_headed,
    assert_readable,
    assert_written,
    boxes,
    place,
    said,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLUE = "#437FDA"
MODELS = (
    Bar("mine", 0.7, (0.65, 0.75), 3584, 0.25, "own labels"),
    Bar("another", 0.6, (0.55, 0.65), 3584, 0.25, "own labels"),
    Bar("mine again", 0.8, (0.78, 0.82), 3196, 0.34, "FER+ majority"),
    Bar("copied", 0.95, (0.9, 1.0), 3196, 0.34, "FER+ majority", "leaked: nine in ten"),
    Bar("silent", None, None, None, None, "FER+ majority"),
)
SCORES = Bars(TITLE, FACTS, "accuracy", MODELS, "always the commonest class", alarm=ALARM)


def upright(figure: Figure, width: float) -> list[tuple[float, float]]:
    """Upright lines of the page by their width in points: where, and the middle."""
    lines = [one for one in figure.axes[0].lines if one.get_linewidth() == width and len(set(one.get_xdata())) == 1]
    return [(float(one.get_xdata()[0]), float(np.mean(one.get_ydata()))) for one in lines]  # type: ignore[index]


def test_a_bar_is_as_long_as_its_score_with_whiskers_and_baseline_on_the_same_scale() -> None:
    figure = draw(SCORES)
    drawn = boxes(figure, BLUE)
    start, unit = drawn[0].get_x(), drawn[0].get_width() / 0.7
    assert [(one.get_x(), one.get_width() / unit) for one in drawn] == [
        (start, pytest.approx(value)) for value in (0.7, 0.6, 0.8)
    ]
    ends = [(x - start) / unit for x, _ in upright(figure, 1.5)]
    assert ends == pytest.approx([0.65, 0.75, 0.55, 0.65, 0.78, 0.82, 0.9, 1.0])
    assert [(x - start) / unit for x, _ in upright(figure, 1.3)] == pytest.approx([0.25, 0.25, 0.34, 0.34])
    tick = place(figure, "50%")[0]
    assert (tick - start) / unit == pytest.approx(0.5, abs=0.01)


def test_each_name_stands_beside_its_bar_and_its_numbers() -> None:
    figure = draw(SCORES)
    for bar, one in zip((MODELS[0], MODELS[1], MODELS[2]), boxes(figure, BLUE), strict=True):
        middle = one.get_y() + one.get_height() / 2
        assert abs(place(figure, bar.name)[1] - middle) < 3
    assert abs(place(figure, "80.0% (78.0 to 82.0)")[1] - place(figure, "mine again")[1]) < 5
    heights = [place(figure, text)[1] for text in ("own labels", "mine", "another", "FER+ majority", "mine again")]
    assert heights == sorted(heights), "headings above their bars"
    assert said(figure).count("n = 3,584") == 2 and said(figure).count("not defined") == 1
    (legend,) = [line for line in said(figure) if line.startswith("accuracy")]
    assert "dashed: always the commonest class" in legend and "95% interval" in legend and "hollow" in legend


def test_what_is_not_to_be_believed_is_hollow_and_red() -> None:
    figure = draw(SCORES)
    (pale,) = boxes(figure, tint("#B3261E", 0.88))
    assert pale.get_width() == pytest.approx(boxes(figure, BLUE)[0].get_width() * 0.95 / 0.7)
    written = {t.get_text(): t.get_color() for t in figure.axes[0].texts}
    assert written["leaked: nine in ten"] == written["95.0% (90.0 to 100.0)"] == "#B3261E"
    assert written["70.0% (65.0 to 75.0)"] != "#B3261E"


def test_nothing_is_said_of_what_is_not_there() -> None:
    figure = draw(Bars("t", (), "recall", (Bar("a", 0.5),)))
    assert "recall" in said(figure) and "50.0%" in said(figure)
    assert not upright(figure, 1.5) and not upright(figure, 1.3)


@settings(max_examples=15)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=5))
def test_no_bar_leaves_its_scale(values: list[float]) -> None:
    figure = draw(Bars("t", (), "accuracy", tuple(Bar(f"m{i}", value) for i, value in enumerate(values))))
    ticks = [t for t in figure.axes[0].texts if t.get_text().endswith("%") and t.get_fontsize() == 8]
    assert len(ticks) >= 4 and ticks[0].get_text() == "0%"
    left = boxes(figure, BLUE)[0].get_x()
    assert max(one.get_width() for one in boxes(figure, BLUE)) <= 430.001
    shown = [(t.get_position()[0] - left, float(t.get_text()[:-1]) / 100) for t in ticks[1:]]
    unit = shown[-1][0] / shown[-1][1]
    for one, value in zip(boxes(figure, BLUE), values, strict=True):
        assert one.get_width() == pytest.approx(value * unit, abs=0.01)


@LABELS
def test_classes_have_their_colours_and_any_labels_can_be_read(labels: tuple[str, ...]) -> None:
    bars = tuple(Bar(name, 0.5 + i / 100, (0.4, 0.9), 100 + i, 0.1) for i, name in enumerate(labels))
    figure = draw(Bars(TITLE, FACTS, "recall", bars, "chance", classes=True, alarm=ALARM))
    for i, colour in enumerate(colours(labels)):
        width = boxes(figure, colours(labels)[0])[0].get_width()
        assert any(one.get_width() == pytest.approx(width * (0.5 + i / 100) / 0.5) for one in boxes(figure, colour))
    assert_readable(figure)
    assert_headed(figure)


# ---- the class histogram

COUNTS = np.array([[10, 30, 60], [50, 0, 150]])


def histogram(counts: np.ndarray = COUNTS, labels: tuple[str, ...] = ("sad", "x", "happy")) -> Histogram:
    parts = ("Training", "PublicTest", "a part with a very long name, longer than any part should have", "d", "e")
    return Histogram(TITLE, FACTS, labels, parts[: len(counts)], counts, ALARM)


def test_a_class_has_a_bar_for_its_share_of_each_part() -> None:
    figure = draw_histogram(histogram())
    full = [boxes(figure, colour) for colour in colours(("sad", "x", "happy"))]
    pale = [boxes(figure, tint(colour, 0.35)) for colour in colours(("sad", "x", "happy"))]
    unit = full[2][0].get_width() / 0.6
    assert [one[0].get_width() / unit for one in full] == pytest.approx([0.1, 0.3, 0.6])
    assert [one[0].get_width() / unit for one in pale] == pytest.approx([0.25, 0, 0.75])
    assert all(a[0].get_y() < b[0].get_y() for a, b in zip(full, pale, strict=True)), "in the order of the key"
    assert {"10.0%  10", "30.0%  30", "25.0%  50", "0.0%  0", "75.0%  150"} <= set(said(figure))
    assert {"Training: 100 faces", "PublicTest: 200 faces"} <= set(said(figure))
    assert abs(place(figure, "75.0%  150")[1] - place(figure, "happy")[1]) < 20


@pytest.mark.parametrize("parts", [1, 2, 5])
@LABELS
def test_any_classes_of_any_parts_can_be_read(labels: tuple[str, ...], parts: int) -> None:
    counts = np.random.default_rng(0).integers(0, 99_999, (parts, len(labels)))
    counts[-1] = 0
    figure = draw_histogram(histogram(counts, labels))
    assert_readable(figure)
    assert_headed(figure)


def test_equal_pictures_are_equal_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    assert_written(tmp_path / "a", save, SCORES, "The picture of scores", monkeypatch)
    monkeypatch.undo()
    assert_written(tmp_path / "b", save_histogram, histogram(), "The class histogram", monkeypatch)


def test_what_has_nothing_to_show_is_refused() -> None:
    with pytest.raises(DataError):
        replace(SCORES, bars=())
    for wrong in (COUNTS[:1], COUNTS[:, :2], COUNTS[0]):
        with pytest.raises(DataError):
            replace(histogram(), counts=wrong)
    assert len(SEVEN) == 7
