"""The picture of a search, read back from matplotlib's own objects."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mien.errors import DataError, OutputError
from mien.plots.tuning import Field, Trials, draw, save

RATES = (0.1, 0.01, 0.001, 0.0001)


def trials(*fields: Field, scores: tuple[float, ...], complete: tuple[bool, ...] | None = None, **more: Any) -> Trials:
    done = [not math.isnan(s) for s in scores] if complete is None else complete
    given = {"title": "a study", "facts": ("574 validation faces",), "score": "val_accuracy", "higher": True, **more}
    return Trials(fields=fields, scores=np.array(scores), complete=np.array(done), **given)


def texts(figure: Any) -> list[str]:
    found = [text.get_text() for text in figure.texts]
    return [*found, *(text.get_text() for axes in figure.axes for text in axes.texts)]


def dots(axes: Any, marker: str, colour: str | None = None) -> list[tuple[float, float]]:
    lines = [line for line in axes.lines if line.get_marker() == marker]
    lines = [line for line in lines if colour is None or line.get_color() == colour]
    return [(float(x), float(y)) for line in lines for x, y in line.get_xydata()]


def test_one_field_is_dots_on_a_logarithmic_axis() -> None:
    shown = trials(
        Field("training.learning_rate", RATES, log=True),
        scores=(math.nan, 0.4, 0.53, 0.2),
        complete=(False, True, True, False),
        error=0.02,
    )
    (axes,) = (figure := draw(shown)).axes
    assert axes.get_xscale() == "log" and axes.get_xlabel() == "training.learning_rate"
    assert axes.get_ylabel() == "val_accuracy"
    assert dots(axes, "o", "#437FDA") == [(0.01, 0.4), (0.001, 0.53)], "those that went to their end"
    assert dots(axes, "o", "#FFFFFF") == [(0.0001, 0.2)], "the pruned one is hollow"
    assert dots(axes, "o", "#B3261E") == [(0.001, 0.53)], "the best"
    ((x, y),) = dots(axes, "x")
    assert x == 0.1 and y == axes.get_ylim()[0], "the failed one lies on the floor"
    low, high = axes.patches[0].get_y(), axes.patches[0].get_y() + axes.patches[0].get_height()
    assert (low, high) == pytest.approx((0.51, 0.55))
    said = texts(figure)
    assert said[:2] == ["a study", "574 validation faces"] and "0.53" in said
    assert "hollow: pruned" in said[2] and "×: failed" in said[2] and "one standard error" in said[2]


def test_values_that_were_drawn_leave_the_axis_its_round_ones() -> None:
    figure = draw(trials(Field("a", (0.00058591, 0.0164147, 0.0044303), log=True), scores=(0.1, 0.2, 0.3)))
    figure.canvas.draw()
    assert [t.get_text() for t in figure.axes[0].get_xticklabels()] == ["0.0001", "0.001", "0.01", "0.1"]


def test_less_may_be_better_and_pruned_trials_are_never_the_best() -> None:
    shown = trials(Field("a", (1, 2, 3)), scores=(0.3, 0.2, 0.1), complete=(True, True, False), higher=False)
    assert shown.best == 1
    assert trials(Field("a", (1, 2, 3)), scores=(0.3, 0.2, 0.9), complete=(True, True, False)).best == 0
    assert trials(Field("a", (1,)), scores=(math.nan,)).best is None
    draw(trials(Field("a", (1,)), scores=(math.nan,)))


def test_two_fields_are_a_grid_with_numbers() -> None:
    kernel, rate = (2, 2, 3, 3, 3), (0.001, 0.003, 0.001, 0.003, 0.003)
    shown = trials(
        Field("network.kernel", kernel), Field("training.learning_rate", rate), scores=(0.77, math.nan, 0.75, 0.7, 0.72)
    )
    (axes,) = draw(shown).axes
    cells = {tuple(round(v) for v in text.get_position()): text.get_text() for text in axes.texts if text.get_text()}
    large = {(0, 0): "0.77", (1, 0): "failed", (0, 1): "0.75"}
    assert {k: v for k, v in cells.items() if k in large} == large
    assert "0.71" in texts(draw(shown)) and "mean of 2" in texts(draw(shown))
    assert [t.get_text() for t in axes.get_xticklabels()] == ["0.001", "0.003"]
    assert [t.get_text() for t in axes.get_yticklabels()] == ["2", "3"]
    shades = {
        (round(p.get_x() + 0.48), round(p.get_y() + 0.46)): p.get_facecolor() for p in axes.patches if p.get_fill()
    }
    assert sum(shades[0, 0][:3]) < sum(shades[0, 1][:3]) < sum(shades[1, 1][:3]), "the better, the darker"
    framed = [p for p in axes.patches if not p.get_fill()]
    assert [(round(p.get_x() + 0.48), round(p.get_y() + 0.46)) for p in framed] == [(0, 0)]


def test_more_fields_are_a_panel_each_with_one_scale_of_scores() -> None:
    values = np.random.default_rng(1).uniform(0, 1, 20)
    fields = (
        Field("augment.flip", tuple(values.tolist())),
        Field("training.optimizer", ("adam", "sgd") * 10),
        Field("network.kernel", (2, 2, 3, 3) * 5),
        Field("seed", tuple(range(20))),
    )
    figure = draw(trials(*fields, scores=tuple((values / 2).tolist())))
    assert [axes.get_xlabel() for axes in figure.axes] == [f.name for f in fields]
    assert len({axes.get_ylim() for axes in figure.axes}) == 1
    assert [t.get_text() for t in figure.axes[1].get_xticklabels()] == ["adam", "sgd"]
    assert all(len(dots(axes, "o", "#437FDA")) == 20 for axes in figure.axes)


def test_two_fields_with_many_values_are_panels_too() -> None:
    many = tuple(float(v) for v in range(1, 21))
    assert len(draw(trials(Field("a", many), Field("b", many), scores=many)).axes) == 2


@pytest.mark.parametrize("kind", ["one", "two", "three"])
def test_nothing_hangs_over_the_page(kind: str) -> None:
    long = Field("training.learning_rate", RATES, log=True)
    more = {"one": (), "two": (Field("network.kernel", (2, 3, 2, 3)),), "three": (Field("x", RATES), Field("y", RATES))}
    figure = draw(trials(long, *more[kind], scores=(0.1, 0.2, 0.3, 0.4), facts=("a fact that is rather long " * 8,)))
    figure.canvas.draw()
    width, height = figure.bbox.width, figure.bbox.height
    boxes = [text.get_window_extent() for text in figure.texts]
    boxes += [axes.get_tightbbox() for axes in figure.axes]
    assert all(b.x0 >= 0 and b.y0 >= 0 and b.x1 <= width and b.y1 <= height for b in boxes)
    lowest = min(text.get_window_extent().y0 for text in figure.texts)
    assert all(axes.get_window_extent().y1 < lowest for axes in figure.axes), "the head lies above"


def test_equal_trials_give_equal_files(tmp_path: Path) -> None:
    shown = trials(Field("a", RATES, log=True), scores=(0.1, 0.2, 0.3, 0.4))
    for name in ("a.svg", "b.svg"):
        save(tmp_path / name, shown)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    with pytest.raises(OutputError):
        save(tmp_path / "a.gif", shown)


def test_lengths_that_differ_are_an_error() -> None:
    with pytest.raises(DataError):
        trials(Field("a", (1, 2)), scores=(0.1,))
    with pytest.raises(DataError):
        trials(scores=(0.1,))
