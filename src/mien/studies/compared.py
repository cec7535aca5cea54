"""Systems of a study against each other on the same faces: on all of them, and on as few as the paper had."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations

import numpy as np

from mien.evaluation import comparison as paired
from mien.evaluation.intervals import Z, share_estimate
from mien.evaluation.measures import Estimate
from mien.evaluation.protocols import Truth
from mien.evaluation.scores import Predictions
from mien.expressions import Vocabulary
from mien.studies.manifest import Comparison, Study
from mien.studies.result import PartResult, Quantity, Result

DRAWS, SEED = 2000, 0
_CELLS = 2**20  # random numbers at once
_ANSWERS = Vocabulary("answers", ("right", "wrong"))

# What a comparison measures, by name; those of POINTS are differences of two shares.
VALUES: dict[str, str] = {
    "n": "faces",
    "systems": "systems compared",
    "pairs": "pairs of them",
    "apart": "pairs that can be told apart on all faces",
    "winner": "title of the system with the highest accuracy",
    "second": "title of the next",
    "margin": "winner minus second, with its interval",
    "spread": "highest accuracy minus lowest",
    "half_width": "half the width of the interval of the winner's accuracy",
    "verdicts": "a sentence for each pair",
    "least_parameters": "weights of the smallest system",
    "most_parameters": "weights of the largest",
    "sample": "faces that the paper had",
    "half_width_sample": "as half_width, on so many faces",
    "difference_half_width_sample": "half the width of the interval of a difference of two systems, mean over pairs",
    "winner_share": "share of the draws of so many faces in which the winner is first",
    "apart_sample": "mean number of pairs told apart in a draw",
    "none_apart_share": "share of the draws in which no pair is told apart",
}
POINTS = frozenset({"margin", "spread", "half_width", "half_width_sample", "difference_half_width_sample"})


@dataclass(frozen=True)
class Unmeasured:
    """What a number or a sentence still waits for.

    Attributes:
        missing: Systems without a result, or numbers that a result does not have.
    """

    missing: tuple[str, ...]

    def __str__(self) -> str:
        return f"not measured yet: needs {', '.join(self.missing)}"


@dataclass(frozen=True)
class Standing:
    """A system on the faces that are compared.

    Attributes:
        system: Its name.
        accuracy: With Wilson's interval.
        sampled: The same share on ``sample`` faces; None without a sample.
        first: Share of the draws in which it is first; where some tie, each has its part. None without a sample.
        parameters: Number of weights.
    """

    system: str
    accuracy: Estimate
    sampled: Estimate | None
    first: float | None
    parameters: int


@dataclass(frozen=True)
class Drawn:
    """What draws of as many faces as the paper had would have shown.

    Attributes:
        sample: Faces of a draw.
        first: (S,) share of the draws in which each system is first.
        told: (P,) share of the draws in which each pair, in the order of the systems, is told apart.
        none: Share of the draws in which no pair is.
        half_width: Half the width of a difference's 95% interval on so many faces, mean over pairs.
    """

    sample: int
    first: np.ndarray
    told: np.ndarray
    none: float
    half_width: float


@dataclass(frozen=True)
class Compared:
    """A comparison of a study, as far as it was measured.

    Attributes:
        asked: What the study asks for.
        n: Faces.
        standings: A row for each system that has a result, in the study's order.
        pairs: Each two of them, with p by McNemar's test, corrected by Holm's method.
        drawn: Those draws; None without a sample.
        missing: Systems that have no result yet.
        unavailable: Systems that could not be run.
    """

    asked: Comparison
    n: int
    standings: list[Standing]
    pairs: list[paired.Pair]
    drawn: Drawn | None
    missing: tuple[str, ...]
    unavailable: tuple[str, ...]

    def ranked(self) -> list[Standing]:
        """Highest accuracy first; of equal ones, the one that the study names first."""
        return sorted(self.standings, key=lambda s: -(s.accuracy.value or 0.0))


def compare(asked: Comparison, results: Mapping[str, Result]) -> Compared | Unmeasured:
    """Compare systems on the faces of a part.

    Pairs are judged as ``mien compare`` does it (``evaluation.comparison``). How far ``sample`` faces carry is measured
    by drawing so many of the faces 2,000 times, none twice in a draw, and judging each draw in the same way.

    Args:
        asked: Which systems, on which part.
        results: Those that there are, by system.

    Returns:
        The comparison of those systems that have a result; what is missing where there are fewer than two, or where
        they were not evaluated on the same faces.
    """
    there = {name: results[name] for name in asked.systems if name in results}
    unavailable = tuple(name for name, result in there.items() if result.unavailable)
    parts = {name: result.parts[asked.part] for name, result in there.items() if asked.part in result.parts}
    missing = tuple(name for name in asked.systems if name not in parts and name not in unavailable)
    if len(parts) < 2:
        return Unmeasured(missing or unavailable)
    if other := _of_other_faces(parts):
        return Unmeasured((f"the same faces for all of {', '.join(other)}",))
    hits = np.stack([part.hits() for part in parts.values()])
    n = hits.shape[1]
    drawn = None if asked.sample is None or asked.sample >= n else draw(hits, asked.sample)
    standings = [
        Standing(
            name,
            share_estimate(int(right.sum()), n),
            None if drawn is None else share_estimate(round(float(right.mean()) * drawn.sample), drawn.sample),
            None if drawn is None else float(drawn.first[i]),
            there[name].parameters,
        )
        for i, (name, right) in enumerate(zip(parts, hits, strict=True))
    ]
    return Compared(asked, n, standings, judged(list(parts), hits), drawn, missing, unavailable)


def judged(names: Sequence[str], hits: np.ndarray) -> list[paired.Pair]:
    """Each two of some systems: McNemar's test, corrected by Holm's method, and the difference with its interval.

    Args:
        names: Of the systems.
        hits: (S, n) bool, whether each answers each face rightly.
    """
    rows = np.arange(hits.shape[1])
    truth = Truth(_ANSWERS.name, "", _ANSWERS, rows, np.zeros(len(rows), np.int64))
    models = [
        paired.Compared(
            name,
            Predictions(_ANSWERS, rows, np.stack([right, ~right], axis=1).astype(np.float64)),
            truth,
            {paired.ACCURACY: share_estimate(int(right.sum()), len(right))},
        )
        for name, right in zip(names, hits, strict=True)
    ]
    return paired.compare(models, draws=DRAWS, seed=SEED).pairs


def draw(hits: np.ndarray, sample: int) -> Drawn:
    """Draw faces as a small test set would have them, and judge each draw.

    Args:
        hits: (S, n) bool, whether each system answers each face rightly.
        sample: Faces of a draw, fewer than n.
    """
    couples = list(combinations(range(len(hits)), 2))
    mcnemar = cache(paired.mcnemar)
    first, told, none = np.zeros(len(hits)), np.zeros(len(couples)), 0
    for rows in _draws(hits.shape[1], sample):
        taken = hits[:, rows]  # (S, d, sample)
        best = taken.sum(axis=2) == taken.sum(axis=2).max(axis=0)
        first += (best / best.sum(axis=0)).sum(axis=1)
        alone = [((taken[i] & ~taken[j]).sum(axis=1), (taken[j] & ~taken[i]).sum(axis=1)) for i, j in couples]
        for counts in np.array(alone).transpose(2, 0, 1):  # (P, 2) of each draw
            apart = np.array(paired.holm([mcnemar(int(a), int(b)) for a, b in counts])) < paired.LEVEL
            told += apart
            none += not apart.any()
    widths = [Z * float(np.std(hits[i].astype(float) - hits[j])) / np.sqrt(sample) for i, j in couples]
    return Drawn(sample, first / DRAWS, told / DRAWS, none / DRAWS, float(np.mean(widths)))


def first_of_a_draw(n: int, sample: int) -> np.ndarray:
    """(sample,) positions of the faces of the first draw, ascending."""
    return np.sort(next(_draws(n, sample))[0])


def values(found: Compared, called: Mapping[str, str]) -> dict[str, Quantity]:
    """The numbers of a comparison by the names of ``VALUES``; those of a sample only where there is one.

    Args:
        found: The comparison.
        called: Titles of the systems, by name.
    """
    best, second, *rest = found.ranked()
    last = rest[-1] if rest else second
    sizes = [s.parameters for s in found.standings]
    named = {
        "n": _count(found.n),
        "systems": _count(len(found.standings)),
        "pairs": _count(len(found.pairs)),
        "apart": _count(sum(bool(pair.better) for pair in found.pairs)),
        "winner": Quantity("text", text=called[best.system]),
        "second": Quantity("text", text=called[second.system]),
        "margin": _margin(found, best.system, second.system),
        "spread": Quantity("share", _value(best) - _value(last), n=found.n),
        "half_width": Quantity("share", _half(best.accuracy), n=found.n),
        "verdicts": Quantity("text", text="; ".join(pair.verdict for pair in found.pairs)),
        "least_parameters": _count(min(sizes)),
        "most_parameters": _count(max(sizes)),
    }
    if found.drawn is not None and best.sampled is not None:
        named |= {
            "sample": _count(found.drawn.sample),
            "half_width_sample": Quantity("share", _half(best.sampled), n=found.drawn.sample),
            "difference_half_width_sample": Quantity("share", found.drawn.half_width, n=found.drawn.sample),
            "winner_share": Quantity("share", best.first),
            "apart_sample": Quantity("number", float(found.drawn.told.sum())),
            "none_apart_share": Quantity("share", found.drawn.none),
        }
    return named


def titles(study: Study) -> dict[str, str]:
    """Titles of a study's systems by name; their names where two have the same title."""
    given = [system.title for system in study.system]
    return {s.name: s.title if given.count(s.title) == 1 else s.name for s in study.system}


def difference(first: PartResult, second: PartResult) -> Estimate:
    """First accuracy minus second, with its 95% interval.

    On the same faces it is the paired bootstrap's. On others it is made of the two Wilson intervals (Newcombe 1998,
    Statistics in Medicine 17:873, method 10), as if no face were in both.
    """
    if first.rows == second.rows:
        (pair,) = judged(("first", "second"), np.stack([first.hits(), second.hits()]))
        return pair.difference
    a, b = (share_estimate(int(part.hits().sum()), part.n) for part in (first, second))
    if a.value is None or b.value is None or None in (a.low, a.high, b.low, b.high):
        return Estimate(None, None, None, 0)
    down = np.hypot(a.value - (a.low or 0.0), (b.high or 0.0) - b.value)
    up = np.hypot((a.high or 0.0) - a.value, b.value - (b.low or 0.0))
    change = a.value - b.value
    return Estimate(change, float(change - down), float(change + up), 0)


def _draws(n: int, sample: int) -> Iterator[np.ndarray]:
    """(d, sample) positions in chunks, DRAWS in all: of each draw none twice, since a test set has no face twice."""
    rng = np.random.default_rng(SEED)
    most = max(1, _CELLS // n)
    for start in range(0, DRAWS, most):
        keys = rng.random((min(most, DRAWS - start), n))
        yield np.argpartition(keys, sample, axis=1)[:, :sample]


def _of_other_faces(parts: Mapping[str, PartResult]) -> list[str]:
    """The systems, if they were not all evaluated on the same faces."""
    return list(parts) if len({part.rows for part in parts.values()}) > 1 else []


def _margin(found: Compared, best: str, second: str) -> Quantity:
    pair = next(p for p in found.pairs if {p.first, p.second} == {best, second})
    value, low, high = pair.difference.value, pair.difference.low, pair.difference.high
    if pair.first == second and value is not None:
        value, low, high = -value, None if high is None else -high, None if low is None else -low
    return Quantity("share", value, low, high, found.n)


def _count(value: int) -> Quantity:
    return Quantity("count", float(value))


def _value(standing: Standing) -> float:
    return standing.accuracy.value or 0.0


def _half(estimate: Estimate) -> float | None:
    return None if estimate.low is None or estimate.high is None else (estimate.high - estimate.low) / 2
