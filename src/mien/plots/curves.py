"""Learning curves: loss and scores over the epochs of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien.plots.page import DIM, FAINT, INK, PAPER, settings, write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Column of the log → its name in the picture, colour and line: told apart by both, also without colour.
_LOSSES = {
    "loss": ("training", "#E08214", "-"),
    "val_loss": ("validation", "#1F5FA8", "-"),
}
_SCORES = {
    "accuracy": ("training, augmented", "#E08214", "-"),
    "val_accuracy": ("validation", "#1F5FA8", "-"),
    "val_balanced_accuracy": ("validation, balanced", "#1F5FA8", "--"),
    "val_macro_f1": ("validation, macro F1", "#1F5FA8", ":"),
    "val_ferplus": ("validation, FER+ majority", "#4D9221", "-"),
}


@dataclass(frozen=True)
class Curves:
    """What the picture says.

    Attributes:
        title: Name of the run.
        facts: Lines under it.
        rows: For each epoch a value by column of the log; a score that there is none of is absent.
        kept: Epoch whose weights were kept, counted from 1.
        alarm: Why the scores are worth less than they seem; empty where nothing is wrong.
    """

    title: str
    facts: Sequence[str]
    rows: Sequence[Mapping[str, float]]
    kept: int
    alarm: str = ""

    def __post_init__(self) -> None:
        if not self.rows:
            raise ValueError("no epoch has ended: there is nothing to draw")


def save(path: Path, curves: Curves) -> None:
    """Draw learning curves into a ``.png``, ``.pdf`` or ``.svg`` file.

    Raises:
        OutputError: Another suffix, or the file cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    with settings():
        write(path, draw(curves))


def draw(curves: Curves) -> Figure:
    """The figure: loss at the left, scores at the right."""
    from matplotlib.figure import Figure

    figure = Figure((11, 5.6), dpi=100, facecolor=PAPER)
    figure.text(0.06, 0.945, curves.title, fontsize=14, weight="bold", color=INK)
    lines = [*curves.facts, *([curves.alarm] if curves.alarm else [])]
    for i, line in enumerate(lines):
        alarm = bool(curves.alarm) and i == len(lines) - 1
        figure.text(0.06, 0.9 - 0.036 * i, line, fontsize=9, color="#B3261E" if alarm else DIM)
    top = 0.9 - 0.036 * len(lines) - 0.05
    epochs = [row["epoch"] for row in curves.rows]
    for k, (name, columns) in enumerate((("Loss", _LOSSES), ("Score", _SCORES))):
        axes = figure.add_axes((0.06 + 0.48 * k, 0.1, 0.43, top - 0.1))
        present = [c for c in columns if any(c in row for row in curves.rows)]
        for column in present:
            label, colour, style = columns[column]
            values = [row.get(column, float("nan")) for row in curves.rows]
            dots: dict[str, Any] = {"marker": "o", "markersize": 4} if len(epochs) <= 12 else {}
            axes.plot(epochs, values, style, color=colour, linewidth=1.8, label=label, **dots)
        _dress(axes, name, epochs, curves.kept)
        if k == 1:
            axes.set_ylim(0, 1)
            axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        else:
            axes.set_ylim(bottom=0)
        axes.legend(loc="best", frameon=False, fontsize=8.5, labelcolor=INK)
    return figure


def _dress(axes: Axes, name: str, epochs: Sequence[float], kept: int) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_title(name, loc="left", fontsize=10, color=INK, weight="bold")
    axes.set_xlabel("epoch", fontsize=9, color=DIM)
    axes.set_xlim(min(epochs) - 0.5, max(epochs) + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=10, integer=True, min_n_ticks=1))
    axes.tick_params(colors=DIM, labelsize=8.5, length=0)
    axes.grid(axis="y", color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(FAINT)
    if kept and kept != max(epochs):
        axes.axvline(kept, color=DIM, linewidth=1, linestyle=(0, (2, 2)))
        axes.text(
            kept, 1.0, "kept", fontsize=8.5, color=DIM, va="bottom", ha="center", transform=axes.get_xaxis_transform()
        )
