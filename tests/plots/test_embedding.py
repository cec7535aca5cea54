"""The plane of features: every face in its class's colour and marker, names that can be read."""

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
from mien.plots.chart import markers
from mien.plots.embedding import Embedding, draw, placed, save
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


def embedding(labels: tuple[str, ...] = SEVEN, each: int = 20, apart: float = 20.0) -> Embedding:
    rng = np.random.default_rng(0)
    classes = np.arange(each * len(labels)) % len(labels)
    turn = 2 * np.pi * classes / len(labels)
    points = apart * np.stack([np.cos(turn), np.sin(turn)], axis=1) + rng.normal(size=(len(classes), 2))
    wrong = np.arange(len(classes)) % 5 == 0
    return Embedding(TITLE, FACTS, labels, points, classes, "t-SNE, perplexity 30, seed 7", wrong, ALARM)


def faces(figure: Figure, colour: str, marker: str) -> np.ndarray:
    """(n, 2) where faces of a class are drawn; its larger marker at their mean is left out."""
    lines = [one for one in figure.axes[1].lines if (one.get_color(), one.get_marker()) == (colour, marker)]
    return np.concatenate([np.column_stack(one.get_data()) for one in lines if one.get_zorder() < 4])


def test_every_face_is_drawn_as_its_class() -> None:
    shown = embedding()
    figure = draw(shown)
    for k, mark in enumerate(markers(SEVEN)):
        found, given_ = faces(figure, *mark), shown.points[shown.classes == k]
        np.testing.assert_array_equal(np.unique(found, axis=0), np.unique(given_, axis=0))
        assert len(found) == len(given_)
    assert "t-SNE, perplexity 30, seed 7" in " ".join(said(figure))


def test_wrong_answers_are_ringed_where_they_are_given() -> None:
    shown = embedding()
    rings = [one for one in draw(shown).axes[1].lines if one.get_fillstyle() == "none"]
    found = np.concatenate([np.column_stack(one.get_data()) for one in rings])
    np.testing.assert_array_equal(np.unique(found, axis=0), np.unique(shown.points[shown.wrong], axis=0))
    plain = draw(replace(shown, wrong=None))
    assert not [one for one in plain.axes[1].lines if one.get_fillstyle() == "none"]
    assert "wrong" in said(draw(shown)) and "wrong" not in said(plain)


def test_each_class_is_named_at_its_mean_place() -> None:
    shown = embedding()
    axes = draw(shown).axes[1]
    span = np.ptp(axes.get_ylim())
    for k, (label, (colour, marker)) in enumerate(zip(SEVEN, markers(SEVEN), strict=True)):
        middle = shown.points[shown.classes == k].mean(axis=0)
        (text,) = [t for t in axes.texts if t.get_text() == label]
        assert np.abs(np.array(text.get_position()) - middle).max() < 0.06 * span
        large = [
            one for one in axes.lines if (one.get_color(), one.get_marker(), one.get_zorder()) == (colour, marker, 4)
        ]
        assert [tuple(one.get_data()) for one in large] == [tuple(pytest.approx([v]) for v in middle)]


def test_the_key_counts_faces_and_mistakes() -> None:
    shown = replace(embedding(), wrong=embedding().classes == 3)
    figure = draw(shown)
    assert said(figure).count("20") == 7 and said(figure).count("0%") == 6
    row = next(t for t in figure.axes[0].texts if t.get_text() == "happy").get_position()[1]
    assert abs(place(figure, "100%")[1] - row) < 8


@settings(max_examples=20)
@given(st.integers(0, 10**6), st.integers(2, 13))
def test_names_cover_neither_each_other_nor_a_marker_however_near_their_classes(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    middles, widths = 0.5 + 0.1 * rng.normal(size=(n, 2)), rng.uniform(0.05, 0.2, n)
    found = placed(middles, widths)
    for i, ((x, y), wide) in enumerate(zip(found, widths, strict=True)):
        assert wide / 2 <= x <= 1 - wide / 2 and 0 < y < 1
        for j in range(i):
            apart = abs(x - found[j, 0]) >= (wide + widths[j]) / 2 - 1e-9 or abs(y - found[j, 1]) >= 0.032 - 1e-9
            assert apart
        for j, (mx, my) in enumerate(middles):
            covered = abs(x - mx) < (wide + 0.024) / 2 - 1e-9 and abs(y - my) < (0.032 + 0.027) / 2 - 1e-9
            assert j == i or not covered


def test_names_of_classes_at_the_edge_stay_in_the_panel() -> None:
    middles = np.array([[0.0, 0.0], [1.0, 1.0], [0.0, 1.0], [1.0, 0.0], [0.5, 1.0], [0.02, 0.5]])
    found = placed(middles, np.full(6, 0.2))
    assert (found[:, 1] > 0.015).all() and (found[:, 1] < 0.985).all()
    assert found[4, 1] < 0.97 and found[5].tolist() == pytest.approx([0.1, 0.532])


@LABELS
@pytest.mark.parametrize("apart", [0.5, 30])
def test_any_labels_can_be_read(labels: tuple[str, ...], apart: float) -> None:
    figure = draw(embedding(labels, 10, apart))
    assert_readable(figure)
    assert_headed(figure)


def test_a_class_without_faces_and_a_single_face_are_drawn() -> None:
    shown = embedding(("a", "b"), 1)
    for classes, points in (([0], [[1.0, 2.0]]), ([1, 1], [[0.0, 0.0], [0.0, 0.0]])):
        one = replace(shown, classes=np.array(classes), points=np.array(points), wrong=None)
        figure = draw(one)
        assert [t.get_text() for t in figure.axes[1].texts] == [("a", "b")[classes[0]]]
        assert "0" in said(figure)


def test_equal_pictures_are_equal_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_written(tmp_path, save, embedding(("a", "b"), 5), "The picture of an embedding", monkeypatch)


def test_what_does_not_line_up_is_refused() -> None:
    shown = embedding()
    assert shown.wrong is not None
    for wrong in (
        {"points": shown.points[1:]},
        {"points": shown.points[:, :1]},
        {"points": shown.points * np.nan},
        {"wrong": shown.wrong[1:]},
        {"labels": SEVEN[:6]},
        {"classes": shown.classes - 1},
        {"classes": shown.classes[:0], "points": shown.points[:0], "wrong": None},
    ):
        with pytest.raises(DataError):
            replace(shown, **wrong)  # type: ignore[arg-type]
