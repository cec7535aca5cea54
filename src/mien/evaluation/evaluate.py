"""One evaluation, from a model and a data set to ``evaluation.json``; the same for ours and anyone's."""

from __future__ import annotations

import datetime
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np

from mien.data.findings import IDENTICAL
from mien.errors import DataError
from mien.evaluation import calibration, grouped, metrics, robustness, votes
from mien.evaluation.alarms import alarms, leaks, miscalibrated
from mien.evaluation.copies import KINDS, find_copies
from mien.evaluation.document import DataFacts, Evaluation, Made, ModelFacts
from mien.evaluation.files import read_groups
from mien.evaluation.measures import (
    ALL,
    COPIES,
    NO_COPY,
    NO_IDENTICAL,
    SINGLE,
    Certainty,
    Disturbed,
    Group,
    ProtocolFacts,
    Scores,
    Section,
    VoteScores,
)
from mien.evaluation.plan import Plan
from mien.evaluation.protocols import Truth, truths, vote_shares
from mien.evaluation.scores import Predictions
from mien.evaluation.subject import Progress, answering
from mien.expressions import FERPLUS
from mien.machine import commit, hardware

ERROR_RATES = (0.05, 0.1, 0.15, 0.2)
FOLDER_COLUMN = "folder"


@dataclass(frozen=True)
class Options:
    """What is measured besides the scores.

    Attributes:
        views: Averages over several looks at each face, of ``views.VIEWS``.
        copies: Whether copies of the faces are looked for among those trained on.
        disturbed: Whether the faces are disturbed.
        by: Columns of the data to group by: ``subject``, ``usage``, ``folder``, or the name of a further column.
        groups: A CSV file with ``row`` and further columns to group by.
        error_rates: For which thresholds are fitted.
        draws: Bootstrap resamples.
        seed: Of the bootstrap.
        command: What to type to have the numbers again.
    """

    views: tuple[str, ...] = ()
    copies: bool = True
    disturbed: bool = False
    by: tuple[str, ...] = ()
    groups: Path | None = None
    error_rates: tuple[float, ...] = ERROR_RATES
    draws: int = 1000
    seed: int = 0
    command: str = ""


@dataclass(frozen=True)
class Evaluated:
    """An evaluation with what it was made from.

    Attributes:
        evaluation: The numbers.
        plan: What was evaluated on what.
        predictions: The model's own, single view, one for each vocabulary.
        answers: By protocol, the right answers and the predictions in their vocabulary, rows in the same order.
        copies: Row id → kind of copy among the faces trained on.
        alarm: What spoils every number, the first of it; empty where nothing does.
    """

    evaluation: Evaluation
    plan: Plan
    predictions: list[Predictions]
    answers: dict[str, tuple[Truth, Predictions]]
    copies: dict[int, str]
    alarm: str = ""


@dataclass(frozen=True)
class _Counted:
    """The faces that a protocol counts.

    Attributes:
        truth: All right answers of the part.
        answers: The predictions in the truth's vocabulary, of the same rows.
        at: (n,) which of them are counted.
        mapped: Name of the map that the predictions went through; may be empty.
    """

    truth: Truth
    answers: Predictions
    at: np.ndarray
    mapped: str

    @property
    def labels(self) -> np.ndarray:
        return np.asarray(self.truth.labels[self.at])

    @property
    def probabilities(self) -> np.ndarray:
        return np.asarray(self.answers.probabilities[self.at])


def evaluate(wanted: Plan, options: Options | None = None, progress: Progress | None = None) -> Evaluated:
    """Measure a model.

    Args:
        wanted: What on what, from ``plan.plan``.
        options: What is measured.
        progress: Called with what is being done and the share of it that is done, 0 to 1.

    Raises:
        DataError: The model answers in labels that the data's cannot be compared with; a column that there is not.
        BundleError: The model cannot be loaded.
    """
    began, chosen = time.perf_counter(), options or Options()
    tell = progress or (lambda what, share: None)
    subject, faces, at = wanted.subject, wanted.faces, wanted.at
    columns = _columns(wanted, chosen)  # what is wrong with a name is said before an hour's work
    predictions, seconds = _timed(wanted, tell)
    counted = _counted(truths(faces, at), predictions, subject.facts.name)
    copies = find_copies(wanted.whole, faces.rows[at], wanted.trained, tell) if chosen.copies else {}
    sections = _sections(counted, copies if chosen.copies and len(wanted.trained) else None, chosen, tell)
    for view in chosen.views:
        looked = _counted(truths(faces, at), subject.predict(faces, at, view, tell), subject.facts.name)
        sections += _sections(looked, None, chosen, tell, view)
    order = [c.truth.protocol for c in counted]
    sections.sort(key=lambda s: order.index(s.protocol))
    certainty = _certainty(wanted, counted, chosen, tell)
    serious = [*wanted.warnings, *alarms(sections)]
    evaluation = Evaluation(
        _model(wanted, seconds),
        _data(wanted, copies if chosen.copies and len(wanted.trained) else None),
        Made(
            datetime.date.today().isoformat(),
            version("mien"),
            commit(),
            hardware(),
            chosen.seed,
            chosen.draws,
            0.0,
            chosen.command,
        ),
        [ProtocolFacts(c.truth.protocol, c.truth.title, c.truth.n, len(at), c.mapped) for c in counted],
        sections,
        certainty,
        [*serious, *leaks(sections), *miscalibrated(certainty)],
        _votes(wanted, predictions, chosen),
        _groups(counted[0], columns, chosen),
        _disturbed(wanted, counted[0], chosen, tell) if chosen.disturbed else [],
    )
    seconds = round(time.perf_counter() - began, 1)
    evaluation = replace(evaluation, made=replace(evaluation.made, seconds=seconds))
    answers = {c.truth.protocol: (c.truth, c.answers) for c in counted}
    return Evaluated(evaluation, wanted, predictions, answers, copies, next(iter(serious), ""))


def _counted(every: Sequence[Truth], predictions: Sequence[Predictions], model: str) -> list[_Counted]:
    """The protocols that the model can be scored under, the data's own labels first."""
    found = []
    for truth in every:
        reached = answering(predictions, truth.vocabulary)
        if reached is None:
            continue
        answers, mapped = reached
        aligned = Predictions(answers.vocabulary, truth.rows, answers.aligned(truth.rows))
        found.append(_Counted(truth, aligned, truth.labels >= 0, mapped))
    if not found:
        own = predictions[0].vocabulary
        raise DataError(
            f"{model} answers in {own.name} ({', '.join(own.labels)}), and the labels are "
            + "; ".join(f"{t.vocabulary.name} ({', '.join(t.vocabulary.labels)})" for t in every[:1]),
            "a model and data with the same labels, or a map between them",
            "Map the data's labels with --map; see mien data maps.",
        )
    return found


def _sections(
    counted: Sequence[_Counted], copies: dict[int, str] | None, options: Options, tell: Progress, view: str = SINGLE
) -> list[Section]:
    """Scores under each protocol, of all faces and, where copies were looked for, with and without them."""
    found: list[Section] = []
    for i, c in enumerate(counted):
        tell("scores and their intervals" + ("" if view == SINGLE else f", {view}"), i / len(counted))
        every = Section(c.truth.protocol, view, ALL, _scores(c, np.ones(len(c.labels), bool), options))
        found.append(every)
        for subset, inside in _subsets(c, copies).items():
            if inside.all():
                found.append(replace(every, subset=subset))  # the same faces once more
            elif inside.any():
                found.append(replace(every, subset=subset, scores=_scores(c, inside, options)))
    tell("scores and their intervals", 1.0)
    return found


def _scores(c: _Counted, inside: np.ndarray, options: Options) -> Scores:
    names = c.truth.vocabulary.labels
    return metrics.scores(c.labels[inside], c.probabilities[inside], names, options.draws, options.seed)


def _subsets(c: _Counted, copies: dict[int, str] | None) -> dict[str, np.ndarray]:
    """By name, (n,) bool of the faces that are counted; none where copies were not looked for."""
    if copies is None:
        return {}
    rows = c.truth.rows[c.at]
    any_copy = np.isin(rows, list(copies))
    identical = np.isin(rows, [row for row, kind in copies.items() if kind == IDENTICAL])
    return {NO_IDENTICAL: ~identical, NO_COPY: ~any_copy, COPIES: any_copy}


def _certainty(wanted: Plan, counted: Sequence[_Counted], options: Options, tell: Progress) -> list[Certainty]:
    held: dict[str, _Counted] = {}
    if len(wanted.held):
        given = wanted.subject.predict(wanted.faces, wanted.held, progress=tell)
        every = truths(wanted.faces, wanted.held)
        if any(answering(given, t.vocabulary) for t in every):
            held = {c.truth.protocol: c for c in _counted(every, given, wanted.subject.facts.name)}
    found = []
    for i, c in enumerate(counted):
        tell("how sure", i / len(counted))
        fit = held.get(c.truth.protocol)
        found.append(
            calibration.assess(
                c.truth.protocol,
                c.labels,
                c.probabilities,
                None if fit is None else (fit.labels, fit.probabilities),
                "" if fit is None else "validation",
                options.error_rates,
                options.draws,
                options.seed,
            )
        )
    return found


def _votes(wanted: Plan, predictions: Sequence[Predictions], options: Options) -> VoteScores | None:
    cast = wanted.faces.votes[wanted.at]
    reached = answering(predictions, FERPLUS) if cast.any() else None
    if reached is None:
        return None
    answers = reached[0].aligned(wanted.faces.rows[wanted.at])
    return votes.against_votes(vote_shares(cast), answers, options.draws, options.seed)


def _columns(wanted: Plan, options: Options) -> dict[str, np.ndarray]:
    """Column → (n,) text of the faces that are evaluated; empty where unknown."""
    faces, at = wanted.faces, wanted.at
    known = {"usage": np.array(faces.usages)[faces.usage[at]]}
    if faces.subjects is not None:
        known["subject"] = faces.subjects[at]
    if faces.paths is not None:
        known[FOLDER_COLUMN] = np.array([path.rpartition("/")[0] for path in faces.paths[at].tolist()])
    known |= {name: grouped.column_values(column[at]) for name, column in faces.columns.items()}
    if options.groups is not None:
        rows, columns = read_groups(options.groups)
        place = {row: i for i, row in enumerate(rows.tolist())}
        where = np.array([place.get(row, -1) for row in faces.rows[at].tolist()])
        if (where < 0).all():
            raise DataError(f"{options.groups} names no face of {wanted.part}", "row ids of the data set")
        own = {k: grouped.column_values(np.where(where < 0, "", v[where])) for k, v in columns.items()}
        if twice := known.keys() & own.keys():
            raise DataError(
                f"the column {min(twice)!r} is in {options.groups} and in {faces.provenance.source}",
                "columns of other names",
                "Rename yours.",
            )
        known |= own
    absent = [name for name in options.by if name not in known]
    if absent:
        raise DataError(
            f"{faces.provenance.source} has no column {absent[0]!r} to group by",
            f"one of {', '.join(known)}",
            "Columns of your own: --groups FILE.csv, with row and a column of text each.",
        )
    chosen = [*options.by, *(own if options.groups is not None else ())]
    return {name: known[name] for name in dict.fromkeys(chosen)}


def _groups(c: _Counted, columns: dict[str, np.ndarray], options: Options) -> list[Group]:
    return [
        group
        for name, values in columns.items()
        for group in grouped.by_column(
            name,
            values[c.at],
            c.labels,
            c.probabilities,
            c.truth.vocabulary.labels,
            options.draws,
            options.seed,
        )
    ]


def _disturbed(wanted: Plan, c: _Counted, options: Options, tell: Progress) -> list[Disturbed]:
    subject = wanted.subject
    if subject.score is None:
        raise DataError(
            f"{subject.facts.name} is a predictions file: it cannot look at disturbed faces",
            "a run, a bundle or a rival's description",
        )
    rows, at = c.truth.rows[c.at], wanted.at[c.at]
    score = partial(_score, wanted, c.truth)
    return robustness.measure(
        score, wanted.faces.faces[at], rows, c.labels, options.draws, options.seed, partial(tell, "disturbed faces")
    )


def _score(wanted: Plan, truth: Truth, faces: np.ndarray) -> np.ndarray:
    """(n, s, s) uint8 faces → (n, K) probabilities in the labels that count."""
    rows = np.arange(len(faces))
    given = wanted.subject.answers(faces)
    reached = answering([Predictions(v, rows, given[v.name]) for v in wanted.subject.vocabularies], truth.vocabulary)
    assert reached is not None
    return reached[0].probabilities


def _timed(wanted: Plan, tell: Progress) -> tuple[list[Predictions], float]:
    """The predictions, and the seconds that they took, without what the first ones take to begin with."""
    if wanted.subject.score is not None:
        wanted.subject.predict(wanted.faces, wanted.at[:1])
    began = time.perf_counter()
    found = wanted.subject.predict(wanted.faces, wanted.at, progress=tell)
    return found, time.perf_counter() - began


def _model(wanted: Plan, seconds: float) -> ModelFacts:
    subject, facts, caveats = wanted.subject, wanted.subject.facts, list(wanted.subject.facts.caveats)
    training = None if subject.card is None else subject.card.training
    if training is not None and training.sha256 != wanted.whole.provenance.sha256:
        caveats.append(
            f"it was trained on another file, {training.data}: whether that holds faces of this set, those among them "
            "that thresholds are fitted on too, is not known"
        )
    if subject.size not in (None, wanted.faces.size):
        caveats.append(f"the faces of {wanted.faces.size} pixels were brought to the {subject.size} that it takes")
    cost = dict(facts.cost)
    if subject.score is not None:
        cost["time of a face"] = f"{1000 * seconds / len(wanted.at):.2f} ms in batches, on {hardware()}"
    return replace(facts, caveats=caveats, cost=cost)


def _data(wanted: Plan, copies: dict[int, str] | None) -> DataFacts:
    faces, at = wanted.faces, wanted.at
    counts = np.bincount(faces.labels[at], minlength=len(faces.vocabulary))
    found = {} if copies is None else {kind: sum(k == kind for k in copies.values()) for kind in KINDS}
    return DataFacts(
        faces.provenance.source,
        faces.provenance.sha256,
        faces.vocabulary.name,
        wanted.part,
        wanted.split,
        len(at),
        dict(zip(faces.vocabulary.labels, counts.tolist(), strict=True)),
        "" if copies is None else wanted.trained_on,
        found,
    )
