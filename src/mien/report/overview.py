"""The tables about all models of a report: the summary at its top, and the data they were evaluated on."""

from __future__ import annotations

from collections.abc import Sequence

from mien.evaluation.document import DataFacts
from mien.evaluation.measures import METRICS
from mien.report.blocks import Cell, Row, Table
from mien.report.gather import Subject
from mien.report.numbers import NOTHING, count, share
from mien.report.tables import headline

_SHOWN = ("accuracy", "balanced_accuracy", "macro_f1", "log_loss", "calibration_error")
_BASELINE = "majority class"


def summary(subjects: Sequence[Subject]) -> Table:
    """Every model under every protocol, beside the majority class: single look, all faces."""
    titles = {p.name: p.title for s in subjects for p in s.evaluation.protocols}
    several = len(subjects) > 1
    rows: list[Row] = []
    for name, title in titles.items():
        if several:
            rows.append(Row([Cell(f"{name}: {title}")], heading=True))
        for subject in subjects:
            scores = subject.evaluation.scores(name)
            protocol = next((p for p in subject.evaluation.protocols if p.name == name), None)
            if scores is None or protocol is None:
                continue
            mapped = f"answers mapped by {protocol.mapped}" if protocol.mapped else ""
            first = Cell(subject.title, mapped) if several else Cell(name, f"{title}; {mapped}" if mapped else title)
            known = scores.baselines.get(_BASELINE, {}).get("accuracy")
            cells = [first, Cell(count(scores.n)), *(headline(scores, metric) for metric in _SHOWN), Cell(share(known))]
            rows.append(Row(cells))
    return Table(
        "summary",
        "Scores on all faces, a single look at each, with 95% intervals",
        ["model" if several else "protocol", "n", *(_title(m) for m in _SHOWN), "always the commonest class"],
        rows,
        [
            "The last column is the accuracy of always answering the commonest class. Of log loss and calibration "
            "error less is better, of all others more. Each number is explained under “What the numbers mean”."
        ],
    )


def _title(metric: str) -> str:
    return {"log_loss": "log loss", "calibration_error": "calibration error"}.get(metric, METRICS[metric].title)


def protocols(subjects: Sequence[Subject]) -> Table:
    """Which labels and faces each protocol counts."""
    found = {(p.name, p.title, p.n, p.of): None for s in subjects for p in s.evaluation.protocols}
    return Table(
        "protocols",
        "Protocols: which labels are right, and which faces are counted",
        ["protocol", "labels and faces", "faces counted", "of"],
        [Row([Cell(name), Cell(title), Cell(count(n)), Cell(count(of))]) for name, title, n, of in found],
        words=frozenset({1}),
    )


def data(subjects: Sequence[Subject]) -> list[Table]:
    """For each set of faces that a model was evaluated on: what it is, and its classes."""
    tables: list[Table] = []
    for number, (facts, models) in enumerate(sets_of_faces(subjects), 1):
        whose = "" if len(models) == len(subjects) else f" of {', '.join(models)}"
        tables += [_facts(f"data-{number}", facts, whose), _counts(f"counts-{number}", facts, whose)]
    return tables


def sets_of_faces(subjects: Sequence[Subject]) -> list[tuple[DataFacts, list[str]]]:
    """What was evaluated on, without repeating what is equal, each with the models evaluated on it."""
    found: list[tuple[DataFacts, list[str]]] = []
    for subject in subjects:
        models = next((m for facts, m in found if facts == subject.evaluation.data), None)
        if models is None:
            found.append((subject.evaluation.data, [subject.title]))
        else:
            models.append(subject.title)
    return found


def _facts(name: str, facts: DataFacts, whose: str) -> Table:
    lines = {
        "source": facts.source,
        "sha256": facts.sha256,
        "labels": facts.vocabulary,
        "part": facts.part,
        "split": facts.split,
        "faces": count(facts.n),
        "copies looked for in": facts.trained_on,
    }
    return facts_table(name, f"The data{whose}", {k: v for k, v in lines.items() if v})


def _counts(name: str, facts: DataFacts, whose: str) -> Table:
    total = sum(facts.counts.values())
    rows = [Row([Cell(k), Cell(count(n)), Cell(share(n / total if total else None))]) for k, n in facts.counts.items()]
    if facts.copies:
        rows.append(Row([Cell("with a copy among the faces trained on")], heading=True))
        rows += [
            Row([Cell(k), Cell(count(n)), Cell(share(n / facts.n if facts.n else None))])
            for k, n in facts.copies.items()
        ]
    notes = (
        [] if facts.copies else ["Copies of these faces among those trained on were not looked for; there may be some."]
    )
    return Table(name, f"Faces of each class{whose}", [facts.vocabulary, "faces", "share"], rows, notes)


def facts_table(name: str, caption: str, lines: dict[str, str]) -> Table:
    """Facts in words, by name."""
    rows = [Row([Cell(k), Cell(v or NOTHING)]) for k, v in lines.items()]
    return Table(name, caption, ["", ""], rows, words=frozenset({1}), facts=True)


def mismatches(subjects: Sequence[Subject]) -> list[str]:
    """Why the models' numbers must not be compared; empty where they may."""
    found = []
    if len({(s.evaluation.data.sha256, s.evaluation.data.part, s.evaluation.data.n) for s in subjects}) > 1:
        found.append(
            "The models were not evaluated on the same faces: their numbers say nothing about which one is better."
        )
    shared = set.intersection(*({p.name for p in s.evaluation.protocols} for s in subjects))
    if not shared:
        found.append("The models share no protocol: no two of their numbers are about the same labels.")
    return found


def span(subjects: Sequence[Subject]) -> str:
    """Faces and dates, for under the title."""
    faces = sorted({s.evaluation.data.n for s in subjects})
    dates = sorted({s.evaluation.made.date[:10] for s in subjects})
    many = count(faces[0]) if len(faces) == 1 else f"{count(faces[0])} to {count(faces[-1])}"
    parts = list(dict.fromkeys(s.evaluation.data.part for s in subjects if s.evaluation.data.part))
    when = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    return " · ".join(text for text in (", ".join(parts), f"{many} faces", f"evaluated {when}") if text)
