"""The layers of the network beside those that the paper prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from mien.evaluation import published
from mien.studies.manifest import PUBLISHED
from mien.studies.measures.ran import Ran, count, text
from mien.studies.result import Quantity

INPUT = "InputLayer"  # Keras's row for the picture itself, which computes nothing


@dataclass(frozen=True)
class Row:
    """A row of a table of layers.

    Attributes:
        kind: Keras's class, such as ``Conv2D``.
        shape: Of the output, channels last, without the batch.
        parameters: Weights, biases and batch norm's moving statistics; None where they are not printed.
    """

    kind: str
    shape: tuple[int, ...]
    parameters: int | None

    def fits(self, other: Row) -> bool:
        """Whether both may be the same layer: what one does not say does not matter."""
        known = None not in (self.parameters, other.parameters)
        return (self.kind, self.shape) == (other.kind, other.shape) and (
            self.parameters == other.parameters or not known
        )

    def __str__(self) -> str:
        shape = " × ".join(map(str, self.shape))
        return f"{self.kind} {shape}" + ("" if self.parameters is None else f" with {self.parameters:,} parameters")


def layers(ran: Ran, part: str) -> dict[str, Quantity]:
    """Compare the network with the layers in the study's ``published.toml``. The part plays no role.

    A printed row for the input is passed over.

    Returns:
        ``layers``: how many rows its table has; ``parameters``: weights, biases and batch norm's moving statistics,
        as Keras counts them; ``same``: whether it is the printed network, or the first difference, in a sentence.

    Raises:
        DataError: The study has no ``published.toml``, or it is damaged.
    """
    from mien.training.describe import described
    from mien.training.losses import vocabularies

    heads = vocabularies(ran.faces.vocabulary, ran.recipe.loss)
    network = described(ran.recipe.network, heads, ran.faces.size)
    own = [Row(one.kind, tuple(n for n in one.shape if n is not None), one.parameters) for one in network.layers]
    table = published.load(ran.study / PUBLISHED).layer
    printed = [Row(row.kind, tuple(row.shape), row.parameters) for row in table if row.kind != INPUT]
    return {"layers": count(len(own)), "parameters": count(network.total), "same": text(compared(own, printed))}


def compared(own: Sequence[Row], printed: Sequence[Row]) -> str:
    """Whether a network is the printed one, in a phrase.

    Args:
        own: Its layers.
        printed: The paper's; empty where it prints none.
    """
    if not printed:
        return "the paper prints no table of layers"
    what = "shapes" if any(row.parameters is None for row in printed) else "shapes and parameters"
    if len(own) == len(printed) and all(map(Row.fits, own, printed)):
        return f"all {len(own)} layers, {what} as printed"
    further, left = [], list(own)
    for row in printed:
        while left and not left[0].fits(row):
            further.append(left.pop(0))
        if not left:
            return _first_difference(own, printed)
        left.pop(0)
    kinds = Counter(row.kind for row in [*further, *left])
    besides = ", ".join(f"{n} {kind}" for kind, n in kinds.items())
    return f"all {len(printed)} printed layers are there, {what} as printed; besides them it has {besides}"


def _first_difference(own: Sequence[Row], printed: Sequence[Row]) -> str:
    for at, (mine, theirs) in enumerate(zip(own, printed, strict=False), 1):
        if not mine.fits(theirs):
            return f"layer {at} is {mine}, and printed is {theirs}"
    return f"it has {len(own)} layers, and printed are {len(printed)}"
