"""The tables of one model: what every format of a report shares."""

from __future__ import annotations

from collections.abc import Sequence

from mien.evaluation.document import Evaluation
from mien.evaluation.measures import (
    ALL,
    COPIES,
    METRICS,
    NO_COPY,
    NO_IDENTICAL,
    SINGLE,
    Certainty,
    Disturbed,
    Estimate,
    Group,
    ProtocolFacts,
    Scores,
    VoteScores,
)
from mien.evaluation.views import TITLES
from mien.report.blocks import Cell, Row, Table
from mien.report.numbers import NOTHING, count, interval, number, share

SUBSETS = {ALL: "all faces", NO_IDENTICAL: "without identical copies", NO_COPY: "without any copy", COPIES: "copies"}
_MANY = 7  # columns of classes whose heads no longer stand side by side


def estimate(value: Estimate | None, *, shares: bool = True) -> Cell:
    """A cell with a number and its interval under it."""
    if value is None or value.value is None:
        return Cell(NOTHING)
    written = share(value.value) if shares else number(value.value)
    return Cell(written, interval(value.low, value.high, shares=shares))


def headline(scores: Scores, metric: str) -> Cell:
    """A cell with a headline number."""
    return estimate(scores.headline.get(metric), shares=METRICS[metric].share)


def scores_by_subset(of: str, evaluation: Evaluation, protocol: ProtocolFacts) -> Table | None:
    """All headline numbers under a protocol: a column for all faces and for those without copies, then baselines."""
    found = {subset: evaluation.scores(protocol.name, SINGLE, subset) for subset in SUBSETS}
    columns = {subset: scores for subset, scores in found.items() if scores is not None}
    if not columns:
        return None
    first = next(iter(columns.values()))
    heads = [f"{SUBSETS[subset]}, n{_EQUALS}{count(scores.n)}" for subset, scores in columns.items()]
    rows = [
        Row(
            [
                Cell(metric.title),
                *(headline(scores, name) for scores in columns.values()),
                *(_baseline(known.get(name), shares=metric.share) for known in first.baselines.values()),
            ]
        )
        for name, metric in METRICS.items()
        if any(name in scores.headline for scores in columns.values())
    ]
    notes = []
    if first.baselines:
        notes.append("The baselines know nothing of the face; they are computed on the faces of the first column.")
    return Table(
        f"{of}-scores-{slug(protocol.name)}",
        f"Scores under {protocol.name}, single look, with 95% intervals",
        ["", *heads, *first.baselines],
        rows,
        notes,
    )


_EQUALS = "\u00a0=\u00a0"


def _baseline(value: float | None, *, shares: bool) -> Cell:
    return Cell(share(value) if shares else number(value))


def scores_by_view(of: str, evaluation: Evaluation) -> Table | None:
    """Averages over several looks at each face, beside the single one; None where there are none."""
    views = list(dict.fromkeys(s.view for s in evaluation.sections if s.view != SINGLE))
    rows: list[Row] = []
    shown = ("accuracy", "balanced_accuracy", "macro_f1", "log_loss", "calibration_error")
    for protocol in evaluation.protocols:
        found = {view: evaluation.scores(protocol.name, view) for view in [SINGLE, *views]}
        if all(found[view] is None for view in views):
            continue
        rows.append(Row([Cell(protocol.name)], heading=True))
        rows += [
            Row([Cell(TITLES.get(view, view)), Cell(count(scores.n)), *(headline(scores, name) for name in shown)])
            for view, scores in found.items()
            if scores is not None
        ]
    if not rows:
        return None
    return Table(
        f"{of}-views",
        "Averages over several looks at each face, beside the single look",
        ["", "n", *(METRICS[name].title for name in shown)],
        rows,
        [
            "All other numbers of this report are of the single look. An average over several looks costs as many "
            "times the computation: it must not be compared with a single look of another model."
        ],
    )


def classes(of: str, protocol: str, scores: Scores) -> Table:
    """One row for each class."""
    rows = [
        Row(
            [
                Cell(one.label),
                Cell(count(one.support)),
                Cell(count(one.answered)),
                estimate(one.precision),
                estimate(one.recall),
                estimate(one.f1),
                estimate(one.roc_auc, shares=False),
                estimate(one.average_precision, shares=False),
            ]
        )
        for one in scores.classes
    ]
    return Table(
        f"{of}-classes-{slug(protocol)}",
        f"Each class against the rest under {protocol}, with 95% intervals",
        ["class", "faces", "answers", "precision", "recall", "F1", "ROC AUC", "average precision"],
        rows,
    )


def confusion(of: str, protocol: str, scores: Scores) -> Table:
    """The confusion matrix: faces, under them the share of the row."""
    rows = []
    for label, counts in zip(scores.labels, scores.confusion, strict=True):
        total = sum(counts)
        shares = [value / total if total else None for value in counts]
        cells = [Cell(count(v), share(s), s or 0.0) for v, s in zip(counts, shares, strict=True)]
        rows.append(Row([Cell(label), *cells, Cell(count(total))]))
    answers = [sum(column) for column in zip(*scores.confusion, strict=True)]
    rows.append(Row([Cell("answers"), *(Cell(count(v)) for v in answers), Cell(count(scores.n))]))
    return Table(
        f"{of}-confusion-{slug(protocol)}",
        f"Confusion matrix under {protocol}: a row is what a face is, a column what was said; under each number of "
        "faces its share of the row",
        ["", *scores.labels, "faces"],
        rows,
        upright=len(scores.labels) > _MANY,
    )


def certainty(of: str, found: Sequence[Certainty]) -> Table:
    """How far the probabilities can be believed, for each protocol."""
    rows = []
    for one in found:
        scaled = one.scaled
        rows.append(
            Row(
                [
                    Cell(one.protocol),
                    estimate(one.given.error, shares=False),
                    estimate(one.given.log_loss, shares=False),
                    Cell(number(one.temperature, 2)),
                    estimate(scaled.error if scaled else None, shares=False),
                    estimate(scaled.log_loss if scaled else None, shares=False),
                    estimate(one.risk_area, shares=False),
                ]
            )
        )
    parts = dict.fromkeys(one.fitted_on for one in found if one.fitted_on)
    sizes = {part: dict.fromkeys(count(one.fitted_n) for one in found if one.fitted_on == part) for part in parts}
    fitted = [f"{part}, {' or '.join(counts)} faces" for part, counts in sizes.items()]
    note = (
        f"The temperature was fitted on other faces than those evaluated ({'; '.join(fitted)}), for this table only: "
        "all other numbers are of the probabilities as the model gives them."
        if fitted
        else "No temperature was fitted, since no faces were held out for it."
    )
    return Table(
        f"{of}-certainty",
        "Calibration as the model is, and with a temperature fitted anew, with 95% intervals",
        [
            "protocol",
            "calibration error",
            "log loss",
            "temperature",
            "calibration error, scaled",
            "log loss, scaled",
            "risk-coverage area",
        ],
        rows,
        [note],
    )


def operating_points(of: str, one: Certainty) -> Table | None:
    """Thresholds for several error rates; None where nothing was held out."""
    if not one.points:
        return None
    rows = [
        Row(
            [
                Cell(share(point.error_rate) if point.reached else f"{share(point.error_rate)} *"),
                Cell(share(point.confidence)),
                Cell(share(point.held_accuracy)),
                Cell(share(point.held_share)),
                estimate(point.accuracy),
                estimate(point.share),
            ]
        )
        for point in one.points
    ]
    notes = [f"Thresholds were chosen on {one.fitted_on} ({count(one.fitted_n)} faces), then tried on those evaluated."]
    if not all(point.reached for point in one.points):
        notes.append("* No threshold keeps this error rate on the held-out faces.")
    return Table(
        f"{of}-operating-{slug(one.protocol)}",
        f"Operating points under {one.protocol}: the confidence under which to say “uncertain”",
        [
            "wrong answers allowed",
            "least confidence",
            "held out: right",
            "held out: answered",
            "evaluated: right",
            "evaluated: answered",
        ],
        rows,
        notes,
    )


def bins(of: str, one: Certainty) -> Table:
    """The numbers of the reliability diagram."""
    rows = [
        Row([Cell(interval(b.low, b.high)), Cell(count(b.n)), Cell(share(b.confidence)), Cell(share(b.accuracy))])
        for b in one.given.bins
        if b.n
    ]
    return Table(
        f"{of}-bins-{slug(one.protocol)}",
        f"Confidence and accuracy under {one.protocol}, as the model is; bins without faces are left out",
        ["confidence, %", "faces", "mean confidence", "right"],
        rows,
    )


def votes(of: str, found: VoteScores) -> Table:
    """Against the taggers' votes, beside the mean distribution."""
    distances = (
        ("cross-entropy, nats", "cross_entropy", found.cross_entropy),
        ("Kullback-Leibler divergence, nats", "divergence", found.divergence),
        ("total variation distance", "distance", found.distance),
    )
    rows = [
        Row([Cell(title), estimate(value, shares=False), Cell(number(found.baseline.get(name)))])
        for title, name, value in distances
    ]
    rows.append(
        Row([Cell("agreement with a tagger drawn at random"), estimate(found.expected_agreement), Cell(NOTHING)])
    )
    rows.append(Row([Cell("the same, of each face's commonest vote"), estimate(found.best_agreement), Cell(NOTHING)]))
    return Table(
        f"{of}-votes",
        f"Probabilities against the taggers' votes, n{_EQUALS}{count(found.n)} faces, with 95% intervals",
        ["", "model", "mean distribution"],
        rows,
        ["Of the three distances less is better. The last row is what could be reached: taggers do not agree."],
    )


def groups(of: str, found: Sequence[Group]) -> list[Table]:
    """A table for each column of the data."""
    tables: list[Table] = []
    for column in dict.fromkeys(group.column for group in found):
        members = [group for group in found if group.column == column]
        rows = [
            Row(
                [
                    Cell(f"{group.value or '(empty)'}{' *' if group.warning else ''}"),
                    Cell(count(group.n)),
                    estimate(group.accuracy),
                    estimate(group.macro_f1),
                ]
            )
            for group in members
        ]
        notes = [f"* {group.value or '(empty)'}: {group.warning}" for group in members if group.warning]
        tables.append(
            Table(
                f"{of}-group-{len(tables) + 1}",
                f"Scores by {column}, with 95% intervals",
                [column, "faces", "accuracy", "F1, macro"],
                rows,
                notes,
            )
        )
    return tables


def robustness(of: str, found: Sequence[Disturbed], undisturbed: Estimate | None) -> Table:
    """Accuracy under each disturbance: five strengths side by side."""
    strengths = sorted({one.strength for one in found})
    rows = []
    for name in dict.fromkeys(one.corruption for one in found):
        at = {one.strength: one for one in found if one.corruption == name}
        cells = [Cell(share(at[s].accuracy.value), at[s].amount) if s in at else Cell(NOTHING) for s in strengths]
        rows.append(Row([Cell(name), *cells]))
    notes = [] if undisturbed is None else [f"Undisturbed: {share(undisturbed.value)}."]
    return Table(
        f"{of}-robustness",
        "Accuracy on disturbed faces, by strength; under it what was done",
        ["disturbance", *(f"strength {s}" for s in strengths)],
        rows,
        notes,
    )


def robustness_in_full(of: str, found: Sequence[Disturbed]) -> Table:
    """Accuracy and balanced accuracy under each disturbance, with intervals."""
    rows: list[Row] = []
    for name in dict.fromkeys(one.corruption for one in found):
        rows.append(Row([Cell(name)], heading=True))
        rows += [
            Row([Cell(f"{one.strength}: {one.amount}"), estimate(one.accuracy), estimate(one.balanced_accuracy)])
            for one in found
            if one.corruption == name
        ]
    return Table(
        f"{of}-robustness-in-full",
        "Scores on disturbed faces, with 95% intervals",
        ["strength and amount", "accuracy", "balanced accuracy"],
        rows,
    )


def slug(text: str) -> str:
    """Lower-case ASCII letters, digits and hyphens only, for names of files and places."""
    kept = "".join(c if c.isascii() and c.isalnum() else "-" for c in text.casefold())
    return "-".join(part for part in kept.split("-") if part) or "x"
