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
