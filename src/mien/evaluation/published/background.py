"""What a paper prints besides its results: the course of a training, the network's layers, the set's classes.

A study shows it beside its own runs; ``tables`` checks what of it can be checked.
"""

from __future__ import annotations

from pydantic import Field, model_validator

from mien.evaluation.published.fields import Count, Loss, Positive, Share, Size, Table

_COLUMNS = ("loss", "accuracy", "val_loss", "val_accuracy")


class History(Table):
    """One epoch of a training, as Keras names its columns; what is not printed is None."""

    epoch: Count
    """Counted from 0, as Keras prints it."""
    loss: Loss | None = None
    """On the images learnt from, mean over the epoch."""
    accuracy: Share | None = None
    """The same."""
    val_loss: Loss | None = None
    """On the images the paper validates on."""
    val_accuracy: Share | None = None
    """The same."""

    @model_validator(mode="after")
    def _something(self) -> History:
        if all(getattr(self, name) is None for name in _COLUMNS):
            raise ValueError(f"has an epoch only, expected one of {', '.join(_COLUMNS)} beside it")
        return self

    def row(self) -> dict[str, float]:
        """The epoch as a row of a run's log: ``epoch`` counted from 1, and those columns that are printed."""
        printed = {name: getattr(self, name) for name in _COLUMNS}
        return {"epoch": self.epoch + 1.0, **{name: float(v) for name, v in printed.items() if v is not None}}


class PublishedLayer(Table):
    """A layer of the network's table."""

    name: str = ""
    """As Keras numbers them, such as conv2d_1; empty where none is printed."""
    kind: str
    """Keras's class, such as Conv2D."""
    shape: list[Size] = Field(min_length=1)
    """Of the output, channels last, without the batch."""
    parameters: Count | None = None
    """Weights and biases; None where they are not printed."""


class PublishedShares(Table):
    """How many images each class has, from a list or a histogram."""

    counts: dict[str, Count] = Field(min_length=1)
    """Images by class, in the paper's order."""
    n: Positive | None = None
    """Their sum, if the paper prints one."""
    approximate: bool = False
    """Whether the counts were read from a picture or are said to be rough; their sum is then not checked."""
    note: str = ""
    """Where the counts stand, and what is odd about them."""
