"""Learning curves: what is drawn is what the log says."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest

pytest.importorskip("matplotlib")

from mien.errors import OutputError
from mien.plots.curves import Curves, draw, save

COLUMNS = {"loss": 2.0, "val_loss": 2.2, "accuracy": 0.1, "val_accuracy": 0.08, "val_macro_f1": 0.07}
ROWS = [{"epoch": float(i), **{name: value * i for name, value in COLUMNS.items()}} for i in range(1, 9)]


def test_every_column_of_the_log_is_a_line() -> None:
    figure = draw(Curves("mine", ("a fact",), ROWS, 6, "Shortened: 8 of 9 epochs."))
    loss, score = figure.axes
    lines = {line.get_label(): list(line.get_ydata()) for axes in (loss, score) for line in axes.get_lines()}
    assert lines["training"] == [r["loss"] for r in ROWS] and lines["training, augmented"] == [
        r["accuracy"] for r in ROWS
    ]
    assert lines["validation, macro F1"] == [r["val_macro_f1"] for r in ROWS]
    assert "validation, FER+ majority" not in lines and "validation, balanced" not in lines
    assert [list(line.get_ydata()) for line in loss.get_lines()][1] == [r["val_loss"] for r in ROWS]
    said = {t.get_text() for t in figure.texts}
    assert {"mine", "a fact", "Shortened: 8 of 9 epochs."} <= said
    kept = [line for line in loss.get_lines() if line.get_xdata()[0] == line.get_xdata()[-1] == 6]
    assert len(kept) == 1 and any(t.get_text() == "kept" for t in loss.texts)


def test_the_last_epoch_is_not_marked_and_whole_epochs_are_ticked() -> None:
    figure = draw(Curves("one", (), ROWS[:1], 1))
    figure.canvas.draw()
    assert not figure.axes[0].texts
    assert [t.get_text() for t in figure.axes[0].get_xticklabels() if 0.5 <= t.get_position()[0] <= 1.5] == ["1"]


def test_a_picture_is_written(tmp_path: Path) -> None:
    save(tmp_path / "curves.png", Curves("mine", ("a fact",), ROWS, 8))
    found = cv2.imread(str(tmp_path / "curves.png"))
    assert found is not None and found.shape == (560, 1100, 3)
    with pytest.raises(OutputError):
        save(tmp_path / "curves.jpg", Curves("mine", (), ROWS, 8))
    with pytest.raises(ValueError, match="no epoch"):
        Curves("mine", (), [], 0)


PUBLISHED = [
    {"epoch": 1.0, "loss": 2.5, "accuracy": 0.2, "val_loss": 2.4, "val_accuracy": 0.3},
    {"epoch": 40.0, "val_loss": 0.9, "val_accuracy": 0.6},
]


def test_published_epochs_are_hollow_marks_beside_the_lines() -> None:
    loss, score = draw(Curves("mine", (), ROWS, 8, published=PUBLISHED, published_name="A. Author")).axes
    for axes, training, validation in ((loss, "loss", "val_loss"), (score, "accuracy", "val_accuracy")):
        lines = {line.get_label(): line for line in axes.get_lines()}
        mine = next(line for name, line in lines.items() if name.startswith("training") and "Author" not in name)
        ours, theirs = mine, lines["training, A. Author"]
        assert list(ours.get_ydata()) == [r[training] for r in ROWS] and list(ours.get_xdata())[-1] == 8
        assert list(theirs.get_xydata()[0]) == [1, PUBLISHED[0][training]] and len(theirs.get_xydata()) == 1
        assert theirs.get_markeredgecolor() == ours.get_color() and theirs.get_markerfacecolor() == "#FFFFFF"
        ours, others = lines["validation"], lines["validation, A. Author"]
        assert [list(point) for point in others.get_xydata()] == [[r["epoch"], r[validation]] for r in PUBLISHED]
        assert others.get_markeredgecolor() == ours.get_color() and others.get_markerfacecolor() == "#FFFFFF"
        assert others.get_linestyle() == theirs.get_linestyle() == "None"  # nothing was printed between them
        assert others.get_marker() != theirs.get_marker()  # apart without colour too
        said = [text.get_text() for text in axes.get_legend().get_texts()]
        assert {"training, A. Author", "validation, A. Author"} <= set(said) and len(said) == len(set(said))
        assert axes.get_xlim() == (0.5, 40.5)  # theirs is longer, and no mark is cut in half
        assert not theirs.get_clip_on() and axes.get_lines()[0].get_marker() == "None"


def test_what_was_not_published_has_no_entry_and_a_longer_run_keeps_its_length() -> None:
    loss, score = draw(Curves("mine", (), ROWS, 8, published=[{"epoch": 4.0, "val_accuracy": 0.83}])).axes
    assert all("published" not in str(line.get_label()) for line in loss.get_lines())
    assert [line.get_label() for line in score.get_lines()][-1] == "validation, published"
    assert loss.get_xlim() == (0.5, 8.5) and loss.get_lines()[0].get_marker() == "o"
    with pytest.raises(ValueError, match="counted from 1"):
        Curves("mine", (), ROWS, 8, published=[{"epoch": 0.0, "loss": 1.8}])
