"""Curves over strengths, and the sheet of samples: what is drawn is what was measured."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("matplotlib")

from matplotlib.figure import Figure

from mien.errors import OutputError
from mien.plots.robustness import Model, Point, Robustness, Sheet, draw, draw_sheet, save, save_sheet

AMOUNTS = {
    "blur": [f"sigma {v:.1%} of the side" for v in (0.01, 0.02, 0.03, 0.04, 0.05)],
    "eyes covered": [f"band of {v}% of the side" for v in (5, 10, 15, 20, 30)],
    "rotation": [f"{v} degrees" for v in (5, 10, 18, 28, 40)],
}


def model(name: str, undisturbed: float) -> Model:
    def point(amount: str, k: int, i: int) -> Point:
        value = undisturbed - 0.05 * k - 0.01 * i
        return Point(amount, value, value - 0.02, value + 0.03)

    curves = {
        name: [point(amount, k, i) for k, amount in enumerate(amounts)]
        for i, (name, amounts) in enumerate(AMOUNTS.items())
    }
    return Model(name, undisturbed, curves)


def words(figure: Figure) -> list[str]:
    return [t.get_text() for axes in figure.axes for t in axes.texts]


def panels(figure: Figure) -> list:
    return [axes for axes in figure.axes if axes.get_xticklabels() and axes.collections]


def test_each_disturbance_has_a_panel_with_every_model_s_curve_and_band() -> None:
    models = [model("mine", 0.7), model("theirs", 0.6)]
    figure = draw(Robustness("title", ("a fact",), models, 0.25, "Leaked."))
    assert {"title", "a fact", "Leaked.", *AMOUNTS} <= set(words(figure))
    drawn = panels(figure)
    assert len(drawn) == len(AMOUNTS)
    for axes, name in zip(drawn, AMOUNTS, strict=True):
        lines = [(list(map(float, line.get_xdata())), list(map(float, line.get_ydata()))) for line in axes.get_lines()]
        bands = [c.get_paths()[0].vertices for c in axes.collections]
        for one, band in zip(models, bands, strict=True):
            points = one.curves[name]
            assert ([1, 2, 3, 4, 5], [p.value for p in points]) in lines
            for k, p in enumerate(points, 1):
                ends = sorted({round(float(y), 6) for x, y in band if x == k})
                assert ends == [round(p.low, 6), round(p.high, 6)]
            assert ([0, 1], [one.undisturbed] * 2) in lines
        assert ([0, 1], [0.25] * 2) in lines
        low, high = axes.get_ylim()
        assert low == 0 and high > 0.73


def test_amounts_stand_below_and_what_they_share_above() -> None:
    figure = draw(Robustness("t", (), [model("mine", 0.7)], None))
    ticks = [[t.get_text() for t in axes.get_xticklabels()] for axes in panels(figure)]
    assert ticks == [
        ["1.0%", "2.0%", "3.0%", "4.0%", "5.0%"],
        ["5%", "10%", "15%", "20%", "30%"],
        ["5", "10", "18", "28", "40"],
    ]
    assert {"sigma … of the side", "band of … of the side", "… degrees"} <= set(words(figure))


@pytest.mark.parametrize("amounts", [["off", "half on", "on"], ["1 of 2", "2 of 3", "3 of 4"]])
def test_amounts_that_share_no_words_are_ticks_as_they_are(amounts: list[str]) -> None:
    curve = {"x": [Point(a, 0.5, 0.4, 0.6) for a in amounts]}
    (axes,) = panels(draw(Robustness("t", (), [Model("m", 0.5, curve)])))
    assert [t.get_text() for t in axes.get_xticklabels()] == amounts


def test_models_differ_in_colour_line_and_marker_and_the_key_names_them() -> None:
    models = [model(f"model {i}", 0.7 - 0.05 * i) for i in range(6)]
    figure = draw(Robustness("t", (), models, 0.2))
    said = words(figure)
    for one in models:
        assert sum(text.startswith(f"{one.name}: {one.undisturbed:.1%}") for text in said) == 1
    assert any("commonest class: 20.0%" in text for text in said)
    (axes, *_) = panels(figure)
    curves = [line for line in axes.get_lines() if list(line.get_xdata()) == [1, 2, 3, 4, 5]]
    dashes, marks = curves[::2], curves[1::2]
    assert len({line.get_color() for line in dashes}) == len({str(line._unscaled_dash_pattern) for line in dashes}) == 6
    assert len({line.get_marker() for line in marks}) == 6
    assert [a.get_color() for a in dashes] == [b.get_color() for b in marks]
    without = words(draw(Robustness("t", (), models)))
    assert not any("commonest" in text for text in without)


def test_the_key_is_level_with_what_it_names() -> None:
    """A line of the key has the model's own colour, at the height of its words."""
    figure = draw(Robustness("t", (), [model("a", 0.7), model("b", 0.5)], 0.2))
    (key,) = [axes for axes in figure.axes if any("(thin line)" in t.get_text() for t in axes.texts)]
    (axes, *_) = panels(figure)
    for name, undisturbed in (("a", 0.7), ("b", 0.5)):
        (text,) = [t for t in key.texts if t.get_text().startswith(f"{name}: ")]
        colour = {x.get_color() for x in key.get_lines() if x.get_ydata()[0] == text.get_position()[1]}
        assert colour == {x.get_color() for x in axes.get_lines() if list(x.get_ydata()) == [undisturbed] * 2}


def test_pictures_are_written_and_equal_ones_are_equal_files(tmp_path: Path) -> None:
    what = Robustness("mine", ("a fact",), [model("mine", 0.7)], 0.25)
    for name in ("a.png", "b.png", "c.pdf", "d.svg"):
        save(tmp_path / name, what)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    found = cv2.imread(str(tmp_path / "a.png"))
    assert found is not None and found.shape[1] > 700 and (found != 255).any()
    with pytest.raises(OutputError, match="no such format"):
        save(tmp_path / "a.jpg", what)


def test_what_cannot_be_compared_is_refused() -> None:
    other = Model("other", 0.6, {name: model("x", 0.6).curves[name] for name in ("blur", "rotation")})
    stronger = model("stronger", 0.6)
    stronger = Model("s", 0.6, {**stronger.curves, "rotation": [Point("1 degrees", 0.5, 0.5, 0.5)] * 5})
    for second in (other, stronger):
        with pytest.raises(ValueError, match="same disturbances"):
            Robustness("t", (), [model("mine", 0.7), second])
    for models in ([], [Model("m", 0.5, {})], [model(str(i), 0.5) for i in range(7)]):
        with pytest.raises(ValueError, match="not 1 to 6"):
            Robustness("t", (), models)


# ---- the sheet


def sheet() -> Sheet:
    rng = np.random.default_rng(0)
    disturbed = {name: rng.integers(0, 256, (5, 48, 48), dtype=np.uint8) for name in AMOUNTS}
    return Sheet("samples", ("row 3",), rng.integers(0, 256, (48, 48), dtype=np.uint8), disturbed, AMOUNTS)


def test_the_sheet_shows_each_strength_in_its_row(tmp_path: Path) -> None:
    what = sheet()
    save_sheet(tmp_path / "s.png", what)
    page = cv2.imread(str(tmp_path / "s.png"), cv2.IMREAD_GRAYSCALE)

    def place(face: np.ndarray) -> tuple[int, int]:
        match = cv2.matchTemplate(page, face.repeat(2, axis=0).repeat(2, axis=1), cv2.TM_SQDIFF)
        worst, _, (x, y), _ = cv2.minMaxLoc(match)
        assert worst / face.size < 4  # exactly there
        return x, y

    left, _ = place(what.original)
    corners = np.array([[place(face) for face in faces] for faces in what.disturbed.values()])
    assert (corners[:, :, 0] == corners[0, :, 0]).all() and (corners[:, :, 1] == corners[:, :1, 1]).all()
    assert (np.diff(corners[0, :, 0]) > 95).all() and (np.diff(corners[:, 0, 1]) > 95).all()
    assert left < corners[0, 0, 0]


def test_the_sheet_says_what_was_done() -> None:
    figure = draw_sheet(sheet())
    said = words(figure)
    assert {"samples", "row 3", "as it is", "strength 1", "strength 5", *AMOUNTS, "… degrees"} <= set(said)
    assert said.index("1.0%") < said.index("5.0%") < said.index("28")


def test_a_sheet_whose_parts_do_not_fit_is_refused(tmp_path: Path) -> None:
    what = sheet()
    for amounts in ({}, {**AMOUNTS, "blur": ["1"]}):
        with pytest.raises(ValueError, match="differ"):
            Sheet("t", (), what.original, what.disturbed, amounts)
    with pytest.raises(ValueError, match="none"):
        Sheet("t", (), what.original, {}, {})
    with pytest.raises(OutputError):
        save_sheet(tmp_path / "s.jpg", what)
