"""The tables of a study's page."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from mien.evaluation.measures import METRICS
from mien.report.blocks import Cell, Row, Table
from mien.report.numbers import NOTHING, chance, count, duration, interval, number, points, share
from mien.report.tables import estimate
from mien.studies.compared import Compared, titles
from mien.studies.gather import Gathered
from mien.studies.manifest import System
from mien.studies.result import PartResult, Quantity, Result, Training
from mien.studies.wording import ends, plainly

# Parts that a run draws itself; what a source names so is its own, and a leaked split leaves it alone.
_DRAWN = ("train", "validation", "test")
_PARTS = {"public_test": "PublicTest", "private_test": "PrivateTest", "test": "test", "validation": "validation"}
_SHOWN = ("accuracy", "balanced_accuracy", "macro_f1", "log_loss")
_HISTORY = {
    "loss": "loss",
    "accuracy": "accuracy",
    "val_loss": "validation loss",
    "val_accuracy": "validation accuracy",
}
_LONG = re.compile(r"\b([0-9a-f]{7})[0-9a-f]+\b")  # a commit, of which so many letters are shown


def part_title(part: str) -> str:
    """A part as its set's authors write it."""
    return _PARTS.get(part, part)


def is_leaked(result: Result, part: str) -> bool:
    """Whether the scores on a part are worth nothing, since the split gave away its faces."""
    return result.training is not None and bool(result.training.leaked) and part in _DRAWN


def believe(gathered: Sequence[Gathered]) -> Table:
    """A row for each paper: its headline, which is the study's first finding, and what to believe."""
    rows = []
    for one in gathered:
        first = next(iter(one.study.finding), None)
        claim, measured = (first.claim, one.said(first.measured)) if first else (NOTHING, NOTHING)
        paper = Cell(one.study.title, one.study.source)
        rows.append(Row([paper, Cell(claim), Cell(measured), Cell(one.said(one.study.believe))]))
    heads = ["paper", "it prints", "measured here", "what to believe"]
    return Table("believe", "What can be believed", heads, rows, words=frozenset({1, 2, 3}))


def systems(of: Gathered) -> Table:
    """A row for each system: what the paper prints, what was measured, how it was run."""
    parts = list(dict.fromkeys(part for system in of.study.system for part in system.parts))
    rows = [_system(of, system, parts) for system in of.study.system]
    heads = ["system", "the paper", *(f"accuracy, {part_title(part)}" for part in parts)]
    heads += ["epochs", "parameters", "training"]
    notes = ["Under each accuracy stand its 95% interval and the number of faces, each counted once."]
    if any(r.training is not None and r.training.leaked for r in of.results.values()):
        notes.append("LEAKED: faces of that part, or copies of them, were trained on; the number is worth nothing.")
    if any(r.training is not None and r.training.misscaled for r in of.results.values()):
        notes.append("MISSCALED: on purpose, to show what the mistake does.")
    if any(r.training is not None and r.training.shortened for r in of.results.values()):
        notes.append("SHORTENED: trained for less than the recipe says; a full run may score otherwise.")
    if of.outdated:
        notes.append("OUTDATED: the study asks for another recipe, part or measure by now; mien study run has it anew.")
    words = frozenset({1, len(heads) - 3, len(heads) - 1})
    return Table(f"{of.name}-systems", f"The systems of {of.name}", heads, rows, notes, words)


def _system(of: Gathered, system: System, parts: Sequence[str]) -> Row:
    result, claim = of.results.get(system.name), Cell(system.claim or NOTHING)
    empty = [Cell(NOTHING)] * len(parts)
    if result is None or result.training is None:
        why = "not run yet"
        if system.name in of.damaged:
            why = f"its result cannot be read: {of.damaged[system.name]}"
        elif result is not None:
            why = f"could not be run: {result.unavailable}"
            why += f"; OUTDATED: {of.outdated[system.name]}" if system.name in of.outdated else ""
        blank = Cell(NOTHING)
        return Row([Cell(system.title, f"{system.name}: {why}"), claim, *empty, blank, blank, blank])
    training = result.training
    marks = [system.name]
    marks += [f"LEAKED: {training.leaked}"] if training.leaked else []
    marks += [f"MISSCALED: {training.misscaled}"] if training.misscaled else []
    marks += [f"OUTDATED: {of.outdated[system.name]}"] if system.name in of.outdated else []
    accuracies = [_accuracy(result, part) for part in parts]
    ran_on = f"{training.hardware}, {training.threads} {'thread' if training.threads == 1 else 'threads'}"
    ran = f"{duration(training.seconds)} on {ran_on}; seed {training.seed}; commit {_commit(training.commit)}"
    return Row(
        [
            Cell(system.title, "; ".join(marks)),
            claim,
            *accuracies,
            Cell(epochs(training)),
            Cell(count(result.parameters)),
            Cell(ran),
        ]
    )


def _marks(result: Result, part: str) -> list[str]:
    """What is wrong with a score, a word each."""
    training = result.training
    wrong = {
        "LEAKED": is_leaked(result, part),
        "MISSCALED": training is not None and bool(training.misscaled),
        "SHORTENED": training is not None and bool(training.shortened),
    }
    return [mark for mark, is_so in wrong.items() if is_so]


def _commit(full: str) -> str:
    """The first letters of a commit, or of all that a run was gone on with, with what stands behind them."""
    return _LONG.sub(r"\1", full) or "not known"


def epochs(training: Training) -> str:
    """How long a run was: ``32 of 32``, with why it ended before; or in what it was shortened."""
    if training.shortened:
        return f"SHORTENED: {training.shortened}"
    ended = f", stopped: {training.stopped}" if training.stopped else ""
    return f"{training.epochs} of {training.planned}{ended}"


def _accuracy(result: Result, part: str) -> Cell:
    if part not in result.parts:
        return Cell(NOTHING)
    accuracy = result.parts[part].scores.get("accuracy", Quantity("share"))
    mark = "LEAKED " if is_leaked(result, part) else ""
    return Cell(mark + plainly(accuracy), _under(accuracy, result.parts[part].n))


def _under(quantity: Quantity, n: int) -> str:
    return ", ".join(filter(None, (ends(quantity), f"n\u00a0=\u00a0{count(n)}")))


def findings(of: Gathered) -> Table | None:
    """Each claim of the paper, what was measured, and why its number came out as it did; None where there are none."""
    rows: list[Row] = []
    for one in of.study.finding:
        rows.append(Row([Cell(one.title)], heading=True))
        measured = of.said(one.measured, one.explanation)
        rows.append(Row([Cell(one.claim), Cell(measured), Cell(of.explained(one))]))
    heads = ["the paper", "measured here", "why"]
    caption = f"Claims of the paper and what was found for {of.name}"
    return Table(f"{of.name}-findings", caption, heads, rows, words=frozenset({1, 2})) if rows else None


def scores(of: Gathered) -> Table | None:
    """Further scores of every system on every part; None where nothing was run."""
    rows = []
    for system in of.study.system:
        result = of.results.get(system.name)
        for part, found in result.parts.items() if result is not None else ():
            mark = "LEAKED, " if result is not None and is_leaked(result, part) else ""
            rows.append(_scores(system, mark + part_title(part), found))
    heads = ["system", "part", "n", *(METRICS[name].title for name in _SHOWN)]
    heads += ["always the commonest class", "accuracy without copies", "faces with a copy in training"]
    caption = f"Scores of the systems of {of.name}, each face counted once, with 95% intervals"
    return Table(f"{of.name}-scores", caption, heads, rows, words=frozenset({1})) if rows else None


def _scores(system: System, part: str, found: PartResult) -> Row:
    named = found.scores
    shown = [_number(named.get(name)) for name in (*_SHOWN, "majority", "no_copy", "copies")]
    return Row([Cell(system.name), Cell(part), Cell(count(found.n)), *shown])


def _number(quantity: Quantity | None) -> Cell:
    return Cell(NOTHING) if quantity is None else Cell(plainly(quantity), ends(quantity))


def measures(of: Gathered) -> Table | None:
    """What else was measured; None where nothing was."""
    rows: list[Row] = []
    for system in of.study.system:
        result = of.results.get(system.name)
        for name, found in result.measures.items() if result is not None else ():
            rows.append(Row([Cell(f"{system.name}: {name}")], heading=True))
            rows += [
                Row([Cell(key), Cell(plainly(q), ends(q)), Cell(count(q.n) if q.n else NOTHING)])
                for key, q in found.items()
            ]
    caption = f"Further numbers of {of.name}, with 95% intervals where there are some"
    return Table(f"{of.name}-measures", caption, ["", "", "n"], rows, words=frozenset({1})) if rows else None


def standings(of: Gathered, found: Compared) -> Table:
    """The systems of a comparison: on all faces, and on as many as the paper had."""
    called = titles(of.study)
    heads = ["system", f"accuracy, n\u00a0=\u00a0{count(found.n)}"]
    if found.drawn is not None:
        heads += [f"interval, n\u00a0=\u00a0{count(found.drawn.sample)}", "share of draws it leads"]
    rows = []
    for one in found.standings:
        name = [one.system] if called[one.system] != one.system else []
        marks = "; ".join([*name, *_marks(of.results[one.system], found.asked.part)])
        cells = [Cell(called[one.system], marks), estimate(one.accuracy)]
        if one.sampled is not None:
            cells += [Cell(interval(one.sampled.low, one.sampled.high)), Cell(share(one.first))]
        rows.append(Row([*cells, Cell(count(one.parameters))]))
    notes = ["Intervals are 95%, by Wilson's method (Wilson 1927)."]
    if found.drawn is not None:
        notes.append(
            f"First in so many draws: of 2,000 draws of {count(found.drawn.sample)} of these faces, the share in which "
            "the system has the highest accuracy; where some tie, each has its part."
        )
    notes += [f"Not run yet: {', '.join(found.missing)}."] if found.missing else []
    notes += [f"Could not be run: {', '.join(found.unavailable)}."] if found.unavailable else []
    caption = f"{found.asked.title}: {part_title(found.asked.part)}, the same {count(found.n)} faces for all"
    return Table(f"{of.name}-{found.asked.name}", caption, [*heads, "parameters"], rows, notes)


def pairs(of: Gathered, found: Compared) -> Table:
    """Each two systems of a comparison."""
    drawn = found.drawn
    heads = ["", "difference", "only the first right", "only the second right", "p, corrected", ""]
    rows = []
    for at, pair in enumerate(found.pairs):
        difference = pair.difference
        rows.append(
            Row(
                [
                    Cell(f"{pair.first} against {pair.second}"),
                    Cell(points(difference.value), interval(difference.low, difference.high)),
                    Cell(count(pair.only_first)),
                    Cell(count(pair.only_second)),
                    Cell(chance(pair.corrected)),
                    Cell(f"{pair.better} is better" if pair.better else "cannot be told apart"),
                    *([Cell(share(float(drawn.told[at])))] if drawn is not None else []),
                ]
            )
        )
    heads += [f"told apart in draws of {count(drawn.sample)}"] if drawn is not None else []
    note = (
        "Differences of accuracy in points, with the 95% interval of the paired bootstrap (2,000 resamples, seed 0). "
        "p: McNemar's test, mid-p (McNemar 1947; Fagerland et al. 2013), corrected by Holm's method (Holm 1979) for "
        f"{'1 pair' if len(found.pairs) == 1 else f'{count(len(found.pairs))} pairs'}; "
        "a system is called better where it is under 0.05."
    )
    caption = f"{found.asked.title}: each two of the systems"
    return Table(f"{of.name}-{found.asked.name}-pairs", caption, heads, rows, [note], frozenset({5}))


def history(of: Gathered, system: System) -> Table | None:
    """The paper's printed epochs beside the run's; None where it prints none, or the system was not run."""
    result = of.results.get(system.name)
    if of.published is None or not of.published.history or result is None or not result.history:
        return None
    own = {round(row["epoch"]): row for row in result.history}
    heads = ["epoch"]
    for title in _HISTORY.values():
        heads += [f"{title}, paper", f"{title}, here"]
    rows = []
    for printed in (row.row() for row in of.published.history):
        epoch = round(printed["epoch"])
        cells = [_epoch(given, name) for name in _HISTORY for given in (printed, own.get(epoch, {}))]
        rows.append(Row([Cell(str(epoch)), *cells]))
    notes = [
        "Epochs are counted from 1. Training numbers are taken while learning: with dropout and augmentation where "
        "there are some, and with weights that change within the epoch.",
        "Validation is of the paper's own faces in its columns, of the run's own validation part in ours.",
    ]
    caption = f"The epochs that the paper prints, and those of {system.name}"
    return Table(f"{of.name}-{system.name}-beside", caption, heads, rows, notes)


def whole_history(of: Gathered, system: System) -> Table | None:
    """Every epoch of a run; None where it was not run."""
    result = of.results.get(system.name)
    if result is None or not result.history:
        return None
    heads = ["epoch", *_HISTORY.values(), "learning rate", "seconds"]
    rows = [
        Row(
            [
                Cell(str(round(row["epoch"]))),
                *(_epoch(row, name) for name in _HISTORY),
                Cell(f"{row['learning_rate']:.3g}" if "learning_rate" in row else NOTHING),
                Cell(number(row.get("seconds"), 1)),
            ]
        )
        for row in result.history
    ]
    return Table(f"{of.name}-{system.name}-history", f"Every epoch of {system.name}", heads, rows)


def _epoch(row: Mapping[str, float], name: str) -> Cell:
    return Cell(share(row.get(name)) if name.endswith("accuracy") else number(row.get(name)))


def layers(of: Gathered) -> Table | None:
    """The network's layers as the paper prints them; None where it does not."""
    if of.published is None or not of.published.layer:
        return None
    rows = [
        Row([Cell(one.kind, one.name), Cell(" × ".join(map(str, one.shape))), Cell(count(one.parameters))])
        for one in of.published.layer
    ]
    known = [one.parameters for one in of.published.layer if one.parameters is not None]
    if len(known) == len(rows):
        rows.append(Row([Cell("sum"), Cell(""), Cell(count(sum(known)))]))
    heads = ["layer", "output", "parameters"]
    return Table(f"{of.name}-layers", "The network's layers as the paper prints them", heads, rows)


def shares(of: Gathered) -> list[Table]:
    """The classes as the paper counts them, each list beside what a run was given, where that was measured."""
    measured = next((found for r in of.results.values() for k, found in r.measures.items() if k == "shares"), {})
    tables = []
    for at, (name, one) in enumerate(of.published.shares.items() if of.published is not None else (), 1):
        total = sum(one.counts.values())
        about = "about " if one.approximate else ""
        heads = ["class", "images, paper", "share, paper", *(["share here"] if measured else [])]
        rows = []
        for label, n in one.counts.items():
            here = measured.get(f"share {label}")
            cells = [Cell(label), Cell(about + count(n)), Cell(share(n / total if total else None))]
            rows.append(Row([*cells, *([Cell(NOTHING if here is None else plainly(here))] if measured else [])]))
        notes = [one.note] if one.note else []
        tables.append(Table(f"{of.name}-shares-{at}", f"Images of each class: {name}", heads, rows, notes))
    return tables


def made(of: Gathered) -> Table | None:
    """How the results of a study came about; None where there are none."""
    rows = []
    for system in of.study.system:
        result = of.results.get(system.name)
        if result is None or result.training is None:
            continue
        one, training = result.made, result.training
        rows.append(
            Row(
                [
                    Cell(system.name),
                    Cell(f"{training.data}, sha256 {training.sha256[:12]}"),
                    Cell(training.split),
                    Cell(count(training.faces)),
                    Cell(count(training.kept)),
                    Cell(f"{one.date}, mien {one.version}, commit {_commit(one.commit)}"),
                    Cell(f"{duration(one.seconds)} on {one.hardware}"),
                ]
            )
        )
    heads = ["system", "data", "split", "faces trained on", "epoch kept", "evaluated", "evaluation took"]
    caption = f"How the numbers of {of.name} were made"
    return Table(f"{of.name}-made", caption, heads, rows, words=frozenset({1, 2, 5, 6})) if rows else None
