"""What in the numbers of an evaluation should not be believed, in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from mien.evaluation.measures import ALL, COPIES, NO_COPY, SINGLE, Certainty, Reliability, Scores, Section
from mien.evaluation.published import shuffled
from mien.evaluation.published.figures import FAULT

_WIDE = 0.1  # of an interval: a difference of five points to either side cannot be seen
_FEW = 30  # Fewer faces say nothing of copies, of one answer to everything, or of confidence.
_TOLERATED_ERROR = 0.05  # of calibration


def alarms(sections: Sequence[Section]) -> list[str]:
    """Look for answers that have nothing to do with the labels, and for too few faces: what spoils every number.

    Args:
        sections: Scores; those of the single view on all faces are looked at.
    """
    return [f"{name}: {sentence}" for name, of in _by_protocol(sections) for sentence in _of_scores(of[ALL])]


def leaks(sections: Sequence[Section]) -> list[str]:
    """Look for scores that are better on faces with a copy among the training faces than on the others."""
    return [
        f"{name}: {sentence}"
        for name, of in _by_protocol(sections)
        if COPIES in of and NO_COPY in of
        for sentence in _leak(of[ALL], of[NO_COPY], of[COPIES])
    ]


def miscalibrated(certainty: Sequence[Certainty]) -> list[str]:
    """Look for confidence without reason, and for too little of it."""
    return [f"{c.protocol}: {sentence}" for c in certainty for sentence in _confidence(c)]


def _by_protocol(sections: Sequence[Section]) -> list[tuple[str, dict[str, Scores]]]:
    """Protocol, and by subset the scores of the single view."""
    single = [s for s in sections if s.view == SINGLE]
    names = dict.fromkeys(s.protocol for s in single)
    return [(name, {s.subset: s.scores for s in single if s.protocol == name}) for name in names]


def _of_scores(scores: Scores) -> Iterator[str]:
    counts = np.array(scores.confusion)
    accuracy, majority = scores.headline["accuracy"], scores.baselines["majority class"]["accuracy"]
    if accuracy.value is None or accuracy.low is None or accuracy.high is None:
        return
    said = np.flatnonzero(counts.sum(axis=0))
    independent = shuffled(counts)
    if len(said) == 1 and scores.n >= _FEW and majority < 1:
        yield f"it answers {scores.labels[said[0]]} whatever it sees"
    elif independent is not None:
        yield independent.sentence
    hidden = len(said) == 1 or (independent is not None and independent.severity == FAULT)
    if accuracy.low <= majority and not hidden:
        against = "is worse than" if accuracy.high < majority else "cannot be told from"
        yield (
            f"an accuracy of {accuracy.value:.1%} ({accuracy.low:.1%} to {accuracy.high:.1%}) {against} "
            f"always answering the commonest class, {majority:.1%}"
        )
    if accuracy.high - accuracy.low > _WIDE:
        few = "1 face is" if scores.n == 1 else f"{scores.n:,} faces are"
        yield (
            f"{few} few: the accuracy lies between {accuracy.low:.1%} and {accuracy.high:.1%}, so models that differ "
            "by less cannot be told apart"
        )


def _leak(every: Scores, new: Scores, copies: Scores) -> Iterator[str]:
    all_of, fresh, seen = (s.headline["accuracy"] for s in (every, new, copies))
    if copies.n < _FEW or None in (all_of.value, fresh.value, fresh.high, seen.value, seen.low):
        return
    assert all_of.value is not None
    assert fresh.value is not None
    assert fresh.high is not None
    assert seen.low is not None
    if seen.low > fresh.high:
        yield (
            f"{seen.value:.1%} of the {copies.n:,} faces with a copy among the training faces are right, and "
            f"{fresh.value:.1%} of the {new.n:,} others: the accuracy over all faces is "
            f"{100 * (all_of.value - fresh.value):.1f} points higher than on new ones"
        )


def _confidence(certainty: Certainty) -> Iterator[str]:
    given = certainty.given
    error = given.error
    if error.value is None or error.low is None or error.low <= _TOLERATED_ERROR or error.n < _FEW:
        return
    confidence, accuracy = _means(given)
    way = "over-confident" if confidence > accuracy else "under-confident"
    yield (
        f"it is {way}: its mean confidence is {confidence:.1%} and {accuracy:.1%} are right "
        f"(expected calibration error {error.value:.3f})"
    )


def _means(given: Reliability) -> tuple[float, float]:
    """Mean confidence, and share right."""
    full = [b for b in given.bins if b.confidence is not None and b.accuracy is not None]
    n = sum(b.n for b in full)
    return sum(b.n * (b.confidence or 0) for b in full) / n, sum(b.n * (b.accuracy or 0) for b in full) / n
