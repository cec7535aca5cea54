"""The confusion matrix: every number in its cell, dark by its share."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from matplotlib.patches import Rectangle

from mien.errors import DataError
from mien.plots.confusion import Confusion, draw, save
from plots_support import ALARM, FACTS, LABELS, TITLE, assert_headed, assert_readable, assert_written, place, said

# No two numbers are equal, nor are two shares, so that each is found by what it says.
COUNTS = np.array([[53, 40, 7], [21, 160, 19], [0, 1, 399]])


def confusion(counts: np.ndarray = COUNTS, labels: tuple[str, ...] = ("left", "middle", "right")) -> Confusion:
    return Confusion(TITLE, FACTS, labels, counts, ALARM)


def many(labels: tuple[str, ...]) -> Confusion:
    k = len(labels)
    counts = np.random.default_rng(0).integers(0, 9, (k, k)) + np.diag(np.arange(k) * 900)
    return confusion(counts, labels)


def test_a_row_is_what_it_is_and_a_column_what_was_said() -> None:
    figure = draw(confusion())
    rows = [place(figure, f"{n}")[1] for n in (100, 200, 400)]  # the support, left of each row
    columns = [place(figure, f"{n}")[0] for n in (74, 201, 425)]  # what was said, below each column
    assert rows == sorted(rows) and columns == sorted(columns)
    for text, i, j in (
        ("40%", 0, 1),
        ("53", 0, 0),
        ("21", 1, 0),
        ("19", 1, 2),
        ("0", 2, 0),
        ("<1%", 2, 1),
        ("160", 1, 1),
    ):
        x, y = place(figure, text)
        assert abs(x - columns[j]) < 3 and abs(y - rows[i]) < 16, text


def test_recall_precision_and_accuracy_stand_in_the_margins() -> None:
    counts = np.array([[30, 10], [15, 45]])
    figure = draw(confusion(counts, ("left", "right")))
    recall = [t for t in figure.axes[0].texts if t.get_text() == "75%"]
    assert len(recall) == 4 + 1, "recall of both rows and their cells, and accuracy"
    assert abs(place(figure, "67%")[0] - place(figure, "30")[0]) < 3, "precision, below what was said"
    assert abs(place(figure, "82%")[0] - place(figure, "10")[0]) < 3
    assert place(figure, "82%")[1] > place(figure, "15")[1] + 40
    assert "recall" in said(figure) and "precision" in said(figure)


def test_cells_are_dark_by_their_share_and_right_answers_are_framed() -> None:
    figure = draw(replace(confusion(), alarm=""))
    boxes = [p for p in figure.axes[0].patches if isinstance(p, Rectangle)]
    filled = [p for p in boxes if p.get_facecolor()[3] > 0]
    frames = [p for p in boxes if p.get_facecolor()[3] == 0]
    assert len(filled) == 9 and len(frames) == 3
    light = np.array([sum(p.get_facecolor()[:3]) for p in filled]).reshape(3, 3)
    shares = COUNTS / COUNTS.sum(axis=1, keepdims=True)
    assert (np.argsort(-light.ravel(), kind="stable") == np.argsort(shares.ravel(), kind="stable")).all()
    assert [p.get_xy() for p in frames] == [filled[k].get_xy() for k in (0, 4, 8)]
    letters = {t.get_text(): t.get_color() for t in figure.axes[0].texts}
    assert letters["399"] == "#FFFFFF" and letters["7"] != "#FFFFFF"


def test_what_has_no_faces_has_no_share() -> None:
    figure = draw(confusion(np.array([[5, 0], [0, 0]]), ("left", "right")))
    assert said(figure).count("–") == 2 and said(figure).count("100%") == 4


def test_shares_near_the_ends_do_not_look_like_them() -> None:
    lines = said(draw(confusion(np.array([[1, 999], [3, 997]]), ("left", "right"))))
    assert "<1%" in lines and ">99%" in lines and "0%" not in lines and lines.count("100%") == 0


@LABELS
def test_any_labels_can_be_read(labels: tuple[str, ...]) -> None:
    figure = draw(many(labels))
    assert_readable(figure)
    assert_headed(figure)
    cells = [t.get_text() for t in figure.axes[0].texts if t.get_text().endswith("%")]
    counted = len(labels) <= 16
    assert len(cells) >= (3 if counted else 2) * len(labels)
    assert ("and faces" in " ".join(said(figure))) == counted


def test_equal_pictures_are_equal_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_written(tmp_path, save, confusion(), "The picture of a confusion matrix", monkeypatch)


def test_counts_that_do_not_fit_are_refused() -> None:
    for counts in (COUNTS[:2], COUNTS[:, :2], -COUNTS, COUNTS[0]):
        with pytest.raises(DataError):
            confusion(counts)
    with pytest.raises(DataError):
        confusion(np.zeros((0, 0), int), ())
