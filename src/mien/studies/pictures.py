"""The pictures that a study names, drawn from its results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from mien.evaluation.intervals import share_estimate
from mien.headers import read_header
from mien.plots import bars, curves
from mien.plots.page import require
from mien.report.blocks import Picture as Shown
from mien.report.numbers import count, share
from mien.studies.compared import first_of_a_draw, titles
from mien.studies.gather import Gathered
from mien.studies.manifest import Picture
from mien.studies.result import PartResult, Result
from mien.studies.tables import epochs, is_leaked, part_title

FOLDER = "pictures"  # of a study
_PRINTED = "; hollow marks are the epochs that the paper prints"
_DOUBTFUL = "; hollow bars are in doubt, for the reason given"
_COURSE = {"accuracy": "training accuracy", "val_accuracy": "validation accuracy"}


def pictures(of: Gathered) -> list[Shown]:
    """Draw what a study names, as far as it was measured, for a page that holds its pictures itself.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    with TemporaryDirectory() as folder:
        return list(_drawn(of, Path(folder)).values())


def write_pictures(of: Gathered) -> dict[Path, Shown]:
    """Draw the same into ``pictures`` in the study's folder, each file through a temporary name.

    Returns:
        The files, each with what a page shows of it.

    Raises:
        MissingExtraError: matplotlib is not installed.
        OutputError: A file cannot be written.
    """
    return _drawn(of, of.folder / FOLDER)


def _drawn(of: Gathered, folder: Path) -> dict[Path, Shown]:
    found: dict[Path, Shown] = {}
    for wanted in of.study.picture:
        require(folder / f"{wanted.name}.png", "The pictures of a study")
        if wanted.kind == "bars":
            found |= _scores(of, wanted, folder)
        else:
            found |= _histories(of, wanted, folder)
    return found


def _shown(of: Gathered, path: Path, alt: str, caption: str) -> dict[Path, Shown]:
    data = path.read_bytes()
    header = read_header(data)
    return {path: Shown(f"{of.name}-{path.stem}", data, "png", header.width, header.height, alt, f"{caption}.")}


# ---- scores


def _scores(of: Gathered, wanted: Picture, folder: Path) -> dict[Path, Shown]:
    """Bars for each part, and one group more for a draw of as few faces as the paper had."""
    found = _bars(of, wanted)
    if not found:
        return {}
    path = folder / f"{wanted.name}.png"
    bars.save(path, bars.Bars(wanted.title, (), "accuracy", tuple(found), "always the commonest class"))
    told = "; ".join(map(_in_words, found))
    doubtful = any(bar.doubt for bar in found)
    return _shown(of, path, f"Accuracy: {told}.", wanted.title + (_DOUBTFUL if doubtful else ""))


def _in_words(bar: bars.Bar) -> str:
    where = f", {bar.group}" if bar.group else ""
    return f"{bar.name}{where} {share(bar.value)}{f' ({bar.doubt})' if bar.doubt else ''}"


def _bars(of: Gathered, wanted: Picture) -> list[bars.Bar]:
    parts = wanted.parts or list(dict.fromkeys(of.study.named(name).parts[0] for name in wanted.systems))
    groups = {part: part_title(part) if len(parts) > 1 or wanted.sample is not None else "" for part in parts}
    found = []
    for part, group in groups.items():
        found += [_bar(of, name, part, group) for name in _there(of, wanted, part)]
    if wanted.sample is not None:
        group = f"{count(wanted.sample)} faces drawn from {part_title(parts[0])}, as many as the paper had"
        for name in _there(of, wanted, parts[0]):
            part_result = of.results[name].parts[parts[0]]
            if part_result.n > wanted.sample:
                found.append(_sampled(_bar(of, name, parts[0], group), part_result, wanted.sample))
    return found


def _there(of: Gathered, wanted: Picture, part: str) -> list[str]:
    """The systems that were evaluated on a part, or on it first where the picture names no parts."""
    return [
        name
        for name in wanted.systems
        if name in of.results
        and part in (of.results[name].parts if wanted.parts else of.study.named(name).parts[:1])
        and part in of.results[name].parts
    ]


def _bar(of: Gathered, name: str, part: str, group: str) -> bars.Bar:
    result = of.results[name]
    found = result.parts[part]
    accuracy = found.scores["accuracy"]
    ends = None if accuracy.low is None or accuracy.high is None else (accuracy.low, accuracy.high)
    majority = found.scores.get("majority")
    baseline = None if majority is None else majority.value
    title = titles(of.study)[name]
    return bars.Bar(title, accuracy.value, ends, found.n, baseline, group, _doubt(result, part))


def _sampled(bar: bars.Bar, found: PartResult, sample: int) -> bars.Bar:
    """The same on the faces of one draw."""
    right = int(found.hits()[first_of_a_draw(found.n, sample)].sum())
    drawn = share_estimate(right, sample)
    ends = None if drawn.low is None or drawn.high is None else (drawn.low, drawn.high)
    return replace(bar, value=drawn.value, interval=ends, n=sample)


def _doubt(result: Result, part: str) -> str:
    if is_leaked(result, part):
        return "leaked: trained on these faces"
    training = result.training
    if training is None:
        return ""
    if training.misscaled:
        return "misscaled, on purpose"
    return f"shortened: {training.shortened.partition(',')[0]}" if training.shortened else ""


# ---- histories


def _histories(of: Gathered, wanted: Picture, folder: Path) -> dict[Path, Shown]:
    """The course of each system's training, with the epochs that the paper prints."""
    found: dict[Path, Shown] = {}
    printed = [row.row() for row in of.published.history] if of.published is not None else []
    for name in wanted.systems:
        result = of.results.get(name)
        if result is None or result.training is None or not result.history:
            continue
        alone = len(wanted.systems) == 1
        title = wanted.title if alone else f"{wanted.title}: {titles(of.study)[name]}"
        path = folder / f"{wanted.name if alone else f'{wanted.name}-{name}'}.png"
        training = result.training
        facts = [
            f"epochs: {epochs(training)}; {count(training.faces)} faces; {training.hardware}; seed {training.seed}"
        ]
        alarm = f"Leaked: {training.leaked}" if training.leaked else ""
        curves.save(path, curves.Curves(title, facts, result.history, training.kept, alarm, printed, "the paper"))
        found |= _shown(of, path, _course(result.history), title + (_PRINTED if printed else ""))
    return found


def _course(history: Sequence[Mapping[str, float]]) -> str:
    last = history[-1]
    told = [f"{title} {share(last[name])}" for name, title in _COURSE.items() if name in last]
    return f"After epoch {round(last['epoch'])}: {', '.join(told)}."
