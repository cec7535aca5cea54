"""Learning curves: loss and scores over the epochs of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien.plots.page import DIM, FAINT, INK, PAPER, require, settings, write

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
# The same of what others published: hollow, in the colour of our line, and told apart without colour by their form.
_PUBLISHED = {
    "loss": ("training", "#E08214", "o"),
    "val_loss": ("validation", "#1F5FA8", "s"),
    "accuracy": ("training", "#E08214", "o"),
    "val_accuracy": ("validation", "#1F5FA8", "s"),
}
_FEW = 12  # epochs that are marked one by one


@dataclass(frozen=True)
class Curves:
    """What the picture says.

    Attributes:
        title: Name of the run.
        facts: Lines under it.
        rows: For each epoch a value by column of the log; a score that there is none of is absent.
        kept: Epoch whose weights were kept, counted from 1.
        alarm: Why the scores are worth less than they seem; empty where nothing is wrong.
        published: Epochs that a paper printed, with ``epoch`` counted from 1 and ``loss``, ``accuracy``, ``val_loss``
            and ``val_accuracy`` or some of them; marks beside the lines.
        published_name: Whose they are, for the legend.
    """

    title: str
    facts: Sequence[str]
    rows: Sequence[Mapping[str, float]]
    kept: int
    alarm: str = ""
    published: Sequence[Mapping[str, float]] = ()
    published_name: str = "published"

    def __post_init__(self) -> None:
        if not self.rows:
            raise ValueError("no epoch has ended: there is nothing to draw")
        if any(row["epoch"] < 1 for row in self.published):
            raise ValueError("a published epoch is below 1: epochs are counted from 1 here, and from 0 by Keras")


def save(path: Path, curves: Curves) -> None:
    """Draw learning curves into a ``.png``, ``.pdf`` or ``.svg`` file.

    Raises:
        OutputError: Another suffix, or the file cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    require(path, "The picture of learning curves")
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
    for k, (name, columns) in enumerate((("Loss", _LOSSES), ("Score", _SCORES))):
        axes = figure.add_axes((0.06 + 0.48 * k, 0.1, 0.43, top - 0.1))
        _lines(axes, curves, columns)
        _marks(axes, curves, columns)
        _dress(axes, name, curves)
        if k == 1:
            axes.set_ylim(0, 1)
            axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        else:
            axes.set_ylim(bottom=0)
        axes.legend(loc="best", frameon=False, fontsize=8.5, labelcolor=INK)
    return figure


def _lines(axes: Axes, curves: Curves, columns: Mapping[str, tuple[str, str, str]]) -> None:
    """The run's own epochs."""
    epochs = [row["epoch"] for row in curves.rows]
    dots: dict[str, Any] = {"marker": "o", "markersize": 4} if _last(curves) <= _FEW or len(epochs) == 1 else {}
    for column in (c for c in columns if any(c in row for row in curves.rows)):
        label, colour, style = columns[column]
        values = [row.get(column, float("nan")) for row in curves.rows]
        axes.plot(epochs, values, style, color=colour, linewidth=1.8, label=label, **dots)


def _marks(axes: Axes, curves: Curves, columns: Mapping[str, tuple[str, str, str]]) -> None:
    """The epochs that were published: not joined, since what lies between them was not printed."""
    for column in (c for c in columns if c in _PUBLISHED):
        label, colour, form = _PUBLISHED[column]
        printed = [row for row in curves.published if column in row]
        if printed:
            axes.plot(
                [row["epoch"] for row in printed],
                [row[column] for row in printed],
                form,
                markersize=4.5,
                markerfacecolor=PAPER,
                markeredgecolor=colour,
                markeredgewidth=1.2,
                label=f"{label}, {curves.published_name}",
                clip_on=False,
                zorder=3,
            )


def _last(curves: Curves) -> float:
    """Last epoch of the picture: of the run, or published."""
    return max(row["epoch"] for row in (*curves.rows, *curves.published))


def _dress(axes: Axes, name: str, curves: Curves) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_title(name, loc="left", fontsize=10, color=INK, weight="bold")
    axes.set_xlabel("epoch", fontsize=9, color=DIM)
    epochs, kept = [row["epoch"] for row in curves.rows], curves.kept
    first = min(row["epoch"] for row in (*curves.rows, *curves.published))
    axes.set_xlim(first - 0.5, _last(curves) + 0.5)
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
