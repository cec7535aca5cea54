"""The models of a report against each other, on the same faces."""

from __future__ import annotations

from collections.abc import Sequence

from mien.errors import DataError
from mien.evaluation.comparison import BOOTSTRAP, COMPARED_BY, HOLM, LEVEL, MCNEMAR, Comparison, Pair, compare
from mien.evaluation.folders import Folder, read_compared, shared_protocols
from mien.evaluation.measures import METRICS
from mien.report.blocks import Block, Cell, Paragraph, Part, Row, Table
from mien.report.gather import Subject
from mien.report.numbers import chance, count, interval, points
from mien.report.tables import estimate, slug

_TESTS = {
    MCNEMAR: "McNemar's test, mid-p (McNemar 1947; Fagerland et al. 2013)",
    BOOTSTRAP: "the paired bootstrap (Efron and Tibshirani 1993)",
}


def comparisons(subjects: Sequence[Subject]) -> tuple[list[Comparison], list[str]]:
    """The models compared by accuracy under each protocol that all share, on the rows that all have.

    Returns:
        The comparisons, and a sentence for each that could not be made.
    """
    folders = [Folder(s.title, s.folder, s.evaluation) for s in subjects]
    try:
        shared = shared_protocols(folders)
    except DataError as error:
        return [], [f"The models cannot be compared: {error.came}."]
    found, failed = [], []
    made = subjects[0].evaluation.made
    for protocol in shared:
        try:
            models = read_compared(folders, protocol)
            found.append(compare(models, common=True, draws=made.draws, seed=made.seed))
        except DataError as error:
            failed.append(f"Under {protocol} the models cannot be compared: {error.came}.")
    return found, failed


def part(found: Sequence[Comparison], failed: Sequence[str]) -> Part:
    """The part of a report about them."""
    blocks: list[Block] = []
    for one in found:
        blocks += [*map(Paragraph, verdicts(one)), pairs(one)]
    return Part("Comparison", "comparison", [*blocks, *map(Paragraph, failed)])


def verdicts(found: Comparison) -> list[str]:
    """A sentence for each pair."""
    return [f"Under {found.protocol}: {pair.verdict}." for pair in found.pairs]


def method(found: Comparison) -> list[str]:
    """How pairs were judged, a sentence each."""
    notes = [
        "p: how often so large a difference would come about on so many faces if both were equally good; two-sided, by "
        f"{_TESTS.get(found.test, found.test)}."
    ]
    if len(found.pairs) > 1:
        several = f"for {count(len(found.pairs))} pairs"
        corrected = f"p is corrected by Holm's method (Holm 1979) {several}; the intervals are not."
        notes.append(corrected if found.correction == HOLM else f"p is not corrected {several}.")
    resampled = f"{count(found.draws)} resamples of the faces, seed {found.seed}"
    return [
        *notes,
        f"Intervals of differences are 95%, by the paired bootstrap ({resampled}).",
        f"A model is called better where p is under {LEVEL:g}.",
    ]


def standings(found: Comparison, folders: Sequence[Folder]) -> Table:
    """A row for each model: how it does on the faces that are compared.

    Args:
        found: The comparison.
        folders: What was compared, in the same order.
    """
    data = folders[0].evaluation.data
    shown = {name: METRICS[name] for name in (*COMPARED_BY, "kappa")}
    rows = [
        Row([Cell(m.name), *(estimate(m.estimates.get(name), shares=one.share) for name, one in shown.items())])
        for m in found.models
    ]
    mapped = [
        f"{folder.name}: answers mapped by {p.mapped}."
        for folder in folders
        for p in folder.evaluation.protocols
        if p.name == found.protocol and p.mapped
    ]
    return Table(
        f"standings-{slug(found.protocol)}",
        f"{data.source}, {data.part}, {count(found.n)} faces: {found.title}",
        ["model", *(one.title for one in shown.values())],
        rows,
        [*_left_out(found), *mapped, "Intervals are 95%."],
    )


def pairs(found: Comparison) -> Table:
    """A row for each pair of models."""
    corrected = _corrected(found)
    return Table(
        f"comparison-{slug(found.protocol)}",
        f"Pairs of models under {found.protocol} on the same {count(found.n)} faces: difference in "
        f"{METRICS[found.metric].title}, in points, with its 95% interval",
        ["", "difference", "only the first right", "only the second right", "both", "neither", "p"]
        + (["p, corrected"] if corrected else []),
        [_pair(pair, corrected) for pair in found.pairs],
        [" ".join(method(found)), *_left_out(found)],
    )


def _pair(pair: Pair, corrected: bool) -> Row:
    verdict = f"{pair.better} is better" if pair.better else "cannot be told apart"
    difference = pair.difference
    return Row(
        [
            Cell(f"{pair.first} against {pair.second}", verdict),
            Cell(points(difference.value), interval(difference.low, difference.high)),
            *(Cell(count(n)) for n in (pair.only_first, pair.only_second, pair.both_right, pair.neither)),
            Cell(chance(pair.p)),
            *([Cell(chance(pair.corrected))] if corrected else []),
        ]
    )


def _corrected(found: Comparison) -> bool:
    return found.correction == HOLM and len(found.pairs) > 1


def _left_out(found: Comparison) -> list[str]:
    return [
        f"{model.name}: {count(model.left_out)} of its faces are not compared, because another model lacks them."
        for model in found.models
        if model.left_out
    ]
