"""Check the tables beside a paper's results: do layers make the network, classes the set, epochs one set of images?"""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise

from mien.evaluation.published.background import PublishedLayer, PublishedShares
from mien.evaluation.published.claims import whole
from mien.evaluation.published.figures import DOUBT, FAULT, FINE, Finding, Published, unit

HISTORY, LAYERS = "history", "layers"  # the names that findings about them have in place of a result's
_NEAR = 64  # images by which the epochs' may differ from those printed: a batch
_CHANCE = 0.001  # number of sets that epochs may fit by chance for a fit to say something


def tables(published: Published) -> Iterator[Finding]:
    """What is wrong, doubtful or fine in the history, in the list of layers and in the lists of classes."""
    for column in ("accuracy", "val_accuracy"):
        yield from _history(published, column)
    yield from _layers(published)
    for name, shares in published.shares.items():
        yield from _shares(name, shares)


def _history(published: Published, column: str) -> Iterator[Finding]:
    """Whether the accuracies of all epochs are shares of the same images (the GRIM test, Brown & Heathers 2017)."""
    values = {row.epoch: getattr(row, column) for row in published.history}
    printed: dict[int, Decimal] = {epoch: v for epoch, v in values.items() if v is not None and 0 < v < 1}
    if not printed:
        return
    stated = {*published.images.values(), *(r.n for r in published.result if r.n), *_trained_on(published)}
    near = {n + d for n in stated for d in range(-_NEAR, _NEAR + 1) if n + d > 0}
    sets = sorted(near, key=lambda n: min(abs(n - m) for m in stated))
    fitting = {n: [epoch for epoch, value in printed.items() if _fits(value, n)] for n in sets}
    n = max(sets, key=lambda n: len(fitting[n]), default=0)  # the nearest of them
    if not n or not _says_something(set(printed.values()), {printed[epoch] for epoch in fitting[n]}, n, len(sets)):
        return
    of = f"{len(fitting[n])} of {len(printed)} epochs are a whole number of {n:,} images"
    if n in stated:
        yield Finding(HISTORY, "figures", FINE, f"The {column} is of {n:,} images", of)
    else:
        said = min(stated, key=lambda m: abs(m - n))
        of += f", {sum(_fits(value, said) for value in printed.values())} of the {said:,} printed"
        reading = "Images were left out or came twice, as happens with incomplete batches."
        yield Finding(HISTORY, "figures", DOUBT, f"The {column} is of {n:,} images", of, reading)
    for epoch, value in printed.items():
        if epoch not in fitting[n]:
            digits, right = len(str(value).partition(".")[2]), round(float(value) * n)
            what = f"The {column} of epoch {epoch} is not a share of {n:,} images"
            how = f"{value} of {n:,} is {float(value) * n:,.2f}: {right:,} would print {right / n:.{digits}f}"
            yield Finding(HISTORY, "figures", DOUBT, what, how, "It is mistyped, as those of most epochs fit.")


def _trained_on(published: Published) -> set[int]:
    return {result.train_n for result in published.result if result.train_n is not None}


def _fits(printed: Decimal, n: int) -> bool:
    low, high = whole(printed, n)
    return low <= high


def _says_something(printed: set[Decimal], fitting: set[Decimal], n: int, sets: int) -> bool:
    """Whether so many of the accuracies, and most of them, would hardly fit any of the sets tried by chance."""
    one = max(unit(value) for value in printed) * n  # chance that an accuracy fits n images
    by_chance = sets * math.comb(len(printed), len(fitting)) * one ** len(fitting)
    return 2 * len(fitting) > len(printed) and by_chance < _CHANCE


def _layers(published: Published) -> Iterator[Finding]:
    problems = [found for pair in pairwise(published.layer) for found in _follows(*pair)]
    yield from problems
    counts = [layer.parameters for layer in published.layer if layer.parameters is not None]
    if not counts or len(counts) < len(published.layer) or not published.parameters:
        return
    terms = " + ".join(f"{count:,}" for count in counts if count) or "0"
    printed = ", ".join(f"{count:,} for {name}" for name, count in published.parameters.items())
    if sum(counts) in published.parameters.values():
        if not problems:
            how = f"{terms} = {sum(counts):,}, as printed"
            yield Finding(LAYERS, LAYERS, FINE, "The layers have as many parameters as the network", how)
        return
    what, how = "The layers do not sum to the network", f"{terms} = {sum(counts):,}, and printed are {printed}"
    reading = "A count of parameters is mistyped, or a layer is missing."
    yield Finding(LAYERS, LAYERS, FAULT, what, how, reading)


def _follows(before: PublishedLayer, layer: PublishedLayer) -> Iterator[Finding]:
    """Whether a flattening or a dense layer fits the row before, on which it works unless the network branches."""
    name = layer.name or layer.kind
    here = f"{before.name or before.kind} before it puts out {_times(before.shape)}"
    if layer.kind == "Flatten" and layer.shape != [math.prod(before.shape)]:
        how = f"{here} = {math.prod(before.shape):,}, and it {_times(layer.shape)}"
        yield _unlike(f"The shape of {name} does not follow from the row before", how)
    if layer.kind == "Dense" and layer.parameters is not None and len(before.shape) == len(layer.shape) == 1:
        weights = before.shape[0] * layer.shape[0]
        if layer.parameters not in (weights, weights + layer.shape[0]):  # without and with biases
            how = f"{here}: ({before.shape[0]:,} + 1) · {layer.shape[0]:,} = {weights + layer.shape[0]:,}"
            how += f", and printed are {layer.parameters:,}"
            yield _unlike(f"The parameters of {name} do not follow from the shapes", how)


def _unlike(what: str, how: str) -> Finding:
    reading = "A number is mistyped or a row is missing, unless the layer works on another row than the one before."
    return Finding(LAYERS, LAYERS, DOUBT, what, how, reading)


def _times(shape: list[int]) -> str:
    return " × ".join(f"{side:,}" for side in shape)


def _shares(name: str, shares: PublishedShares) -> Iterator[Finding]:
    total, n = sum(shares.counts.values()), shares.n
    if n is None or shares.approximate:
        return
    how = " + ".join(f"{count:,}" for count in shares.counts.values()) + f" = {total:,}"
    if total == n:
        yield Finding(name, "figures", FINE, "The classes sum to the set", f"{how}, as printed")
        return
    gap = f"a class of {n - total:,} is missing" if total < n else f"the counts are {total - n:,} too many"
    reading = f"A count or n is mistyped, or {gap}."
    yield Finding(name, "figures", FAULT, "The classes do not sum to n", f"{how}, and n is {n:,}", reading)
