"""Numbers in the sentences of a study: ``{SYSTEM/GROUP/NAME}`` becomes what was measured.

A placeholder names one number, or the difference of two with `` - `` between them:

    {SYSTEM/PART/NAME}        a score on a part: accuracy, majority, no_copy, recall LABEL …
    {SYSTEM/MEASURE/NAME}     of a measure, named as in the study's ``measures``, such as loss:test
    {SYSTEM/training/NAME}    a field of ``result.Training``: epochs, seconds, hardware …
    {SYSTEM/parameters}       number of weights
    {COMPARISON/NAME}         one of ``compared.VALUES``

``:short`` at its end leaves interval and n out; ``:points`` writes a share, or a difference without its sign, in
percentage points. Where the sentence goes on with "points" after a number in points, the word is not written twice.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields

from mien.errors import StudyError
from mien.evaluation.measures import METRICS
from mien.report.numbers import NOTHING, count, duration, interval, number, points, share
from mien.studies.compared import POINTS, VALUES, Compared, Unmeasured, difference, titles, values
from mien.studies.manifest import Study, System
from mien.studies.result import Quantity, Result, Training

SHORT, IN_POINTS = "short", "points"
_SCORES = frozenset({*METRICS, "majority", "no_copy", "copies"})
_TRAINING = {field.name: str(field.type) for field in fields(Training)}
_TEXTS = frozenset({"seed"})  # whole numbers that count nothing
_BRACES = re.compile(r"\{([^{}]*)\}")
_FILLED = re.compile(r"\{([^{}]*)\}(\s+points?\b)?")
_MINUS = " - "
_LARGE = 10  # a number from which one decimal says enough
_NUMBER = re.compile(r"([a-z0-9-]+)/(?:([^/{}]+)/)?([^/{}:]*[^/{}:\s])")
_FORM = "{SYSTEM/GROUP/NAME}, {SYSTEM/parameters} or {COMPARISON/NAME}, or two with ' - ' between; :short or :points"


@dataclass(frozen=True)
class Reference:
    """One number of a study.

    Attributes:
        of: Name of a system or of a comparison.
        group: A part, a measure or ``training``; empty for ``parameters`` and of a comparison.
        name: Of the number.
    """

    of: str
    group: str
    name: str

    def __str__(self) -> str:
        return "/".join(filter(None, (self.of, self.group, self.name)))


@dataclass(frozen=True)
class Placeholder:
    """What stands between braces.

    Attributes:
        first: The number.
        second: What is subtracted from it; None where nothing is.
        form: ``short``, ``points`` or empty.
    """

    first: Reference
    second: Reference | None
    form: str


@dataclass(frozen=True)
class Known:
    """What was measured for a study.

    Attributes:
        study: What it asks for.
        results: Those that there are, by system.
        compared: Its comparisons, by name.
    """

    study: Study
    results: Mapping[str, Result]
    compared: Mapping[str, Compared | Unmeasured]


def check_wording(study: Study) -> None:
    """Check every placeholder of a study, before anything was measured.

    Raises:
        StudyError: One is not written as a placeholder, or names a system, group or number that cannot be; names all.
    """
    problems = [f"{where}: {problem}" for where, text in _texts(study).items() for problem in _problems(text, study)]
    if problems:
        raise StudyError("; ".join(problems), "numbers of this study", f"A number is named as {_FORM}.")


def unsayable(known: Known) -> list[str]:
    """What is wrong with the sentences of a study, seen beside its results: where it stands, and why, each on a line.

    ``check_wording`` cannot know it: what a measure gives, and of what kind, is known when it was taken.
    """
    found = []
    for where, text in _texts(known.study).items():
        try:
            fill(text, known)
        except StudyError as error:
            found.append(f"{where}: {error}")
    return found


def _texts(study: Study) -> dict[str, str]:
    """The sentences of a study, by where they stand."""
    texts = {"believe": study.believe}
    for finding in study.finding:
        texts[f"finding {finding.title!r}, measured"] = finding.measured
        texts[f"finding {finding.title!r}, explanation"] = finding.explanation
    return texts


def fill(text: str, known: Known) -> str | Unmeasured:
    """A sentence with its numbers, on one line.

    Args:
        text: With placeholders that ``check_wording`` has nothing to say about.
        known: What was measured.

    Returns:
        The sentence; where one of its numbers is missing, which.

    Raises:
        StudyError: A number that its result does not have, in points what is no share, or a difference of numbers of
            different kinds.
    """
    missing: list[str] = []

    def put(match: re.Match[str]) -> str:
        found = _written(_parsed(match[1]), known)
        if isinstance(found, Unmeasured):
            missing.extend(found.missing)
            return ""
        return found if match[2] is None or " points" in found else found + match[2]

    filled = _FILLED.sub(put, re.sub(r"\s*\n\s*", " ", text.strip()))
    return Unmeasured(tuple(dict.fromkeys(missing))) if missing else filled


def systems_in(text: str, study: Study) -> list[str]:
    """Names of the systems that a sentence's numbers are of, those of a comparison included, in the study's order."""
    placeholders = [_parsed(content) for content in _BRACES.findall(text)]
    named = {one.of for p in placeholders for one in (p.first, p.second) if one is not None}
    named |= {name for c in study.comparison if c.name in named for name in c.systems}
    return [system.name for system in study.system if system.name in named]


def written(quantity: Quantity, form: str = "", *, signed: bool = False) -> str:
    """A measured number in a sentence: ``63.1% (95% interval 61.5 to 64.6, n = 3,584)``.

    Args:
        quantity: The number.
        form: ``short`` without the bracket, ``points`` a share in points without its sign; else empty.
        signed: Whether it is a difference, which is written with its sign and, of shares, in points.

    Raises:
        StudyError: ``points`` of what is not a share.
    """
    if form == IN_POINTS and quantity.kind != "share":
        raise StudyError(f"a {quantity.kind} is to be written in points", "a share, or a difference of two")
    if quantity.kind == "text":
        return quantity.text
    if quantity.value is None:
        return "not defined"
    if form == IN_POINTS:
        return f"{number(abs(100 * quantity.value), 1)} points"
    plain = _signed(quantity) if signed else plainly(quantity)
    return plain if form == SHORT else plain + _bracket(quantity)


def plainly(quantity: Quantity) -> str:
    """A measured number without interval and n; a dash where it is not defined."""
    if quantity.kind == "text":
        return quantity.text or NOTHING
    if quantity.value is None:
        return NOTHING
    match quantity.kind:
        case "share":
            return share(quantity.value)
        case "seconds":
            return duration(quantity.value)
        case "count":
            return count(round(quantity.value))
        case _:
            return number(quantity.value, 1 if abs(quantity.value) >= _LARGE else 3)


def ends(quantity: Quantity) -> str:
    """Its interval, such as ``61.5 to 64.6``; empty where there is none."""
    return interval(quantity.low, quantity.high, shares=quantity.kind == "share")


def _signed(difference: Quantity) -> str:
    value = difference.value or 0.0
    if difference.kind == "share":
        return f"{points(value)} points"
    return f"+{plainly(difference)}" if value > 0 else plainly(difference)


def _bracket(quantity: Quantity) -> str:
    said = [f"95% interval {ends(quantity)}"] if ends(quantity) else []
    said += [f"n\u00a0=\u00a0{count(quantity.n)}"] if quantity.n else []
    return f" ({', '.join(said)})" if said else ""


def _parsed(content: str) -> Placeholder:
    """What stands between braces; StudyError where it is no placeholder."""
    numbers, colon, form = content, "", ""
    if content.rfind(":") > content.rfind("/"):  # one before it is part of a measure's name
        numbers, colon, form = content.rpartition(":")
    found = [_NUMBER.fullmatch(one) for one in numbers.split(_MINUS)]
    if len(found) > 2 or (colon and form not in (SHORT, IN_POINTS)):
        found = [None]
    named = [Reference(one[1], one[2] or "", one[3]) for one in found if one is not None]
    if len(named) < len(found):
        raise StudyError(f"{{{content}}} is no number of a study", _FORM)
    return Placeholder(named[0], named[1] if len(named) > 1 else None, form)


def _problems(text: str, study: Study) -> list[str]:
    found = []
    if set(_BRACES.sub("", text)) & set("{}"):
        found.append("a brace stands alone")
    for content in _BRACES.findall(text):
        try:
            placeholder = _parsed(content)
        except StudyError as error:
            found.append(error.came)
            continue
        named = [one for one in (placeholder.first, placeholder.second) if one is not None]
        found += [f"{{{content}}}: {problem}" for one in named if (problem := _impossible(one, study))]
    return found


def _impossible(one: Reference, study: Study) -> str:
    """Why a study cannot have such a number; empty where it can."""
    if one.of in {c.name for c in study.comparison}:
        known = not one.group and one.name in VALUES
        sampled = known and next(c for c in study.comparison if c.name == one.of).sample is not None
        if known and (sampled or not _of_a_sample(one.name)):
            return ""
        return f"the comparison {one.of} has no sample" if known else f"a comparison has {', '.join(VALUES)}"
    system = next((s for s in study.system if s.name == one.of), None)
    if system is None:
        return f"there is no system and no comparison {one.of!r}"
    if not one.group:
        return "" if one.name == "parameters" else "of a system alone there is parameters"
    return _impossible_of_system(one, system)


def _impossible_of_system(one: Reference, system: System) -> str:
    if one.group == "training":
        return "" if one.name in _TRAINING else f"training has {', '.join(_TRAINING)}"
    if one.group in system.parts:
        fits = one.name in _SCORES or re.fullmatch(r"(recall|f1) .+", one.name)
        return "" if fits else f"a part has {', '.join(sorted(_SCORES))}, recall LABEL, f1 LABEL"
    if one.group in system.measures:
        return ""  # what a measure gives is known when it was taken
    groups = ("training", *system.parts, *system.measures)
    return f"{system.name} has no {one.group!r}, but {', '.join(groups)}"


def _of_a_sample(name: str) -> bool:
    return "sample" in name or name in ("winner_share", "none_apart_share")


def _written(placeholder: Placeholder, known: Known) -> str | Unmeasured:
    first = _looked_up(placeholder.first, known)
    if placeholder.second is None:
        if isinstance(first, Unmeasured):
            return first
        of_two = placeholder.first.of in known.compared and placeholder.first.name in POINTS
        width = of_two and first.low is None  # a width has no sign
        return written(first, IN_POINTS if width else placeholder.form, signed=of_two)
    second = _looked_up(placeholder.second, known)
    if isinstance(first, Unmeasured) or isinstance(second, Unmeasured):
        return Unmeasured(tuple(m for one in (first, second) if isinstance(one, Unmeasured) for m in one.missing))
    if first.kind != second.kind or first.kind == "text":
        raise StudyError(
            f"{{{placeholder.first} - {placeholder.second}}} is of a {first.kind} and a {second.kind}",
            "two numbers of one kind",
        )
    return written(_change(placeholder.first, placeholder.second, first, second, known), placeholder.form, signed=True)


def _change(one: Reference, other: Reference, first: Quantity, second: Quantity, known: Known) -> Quantity:
    """The difference of two numbers; of two accuracies on parts it has an interval."""
    if first.value is None or second.value is None:
        return Quantity(first.kind)
    parts = [known.results[r.of].parts.get(r.group) for r in (one, other) if r.of in known.results]
    if one.name == other.name == "accuracy" and len(parts) == 2 and parts[0] is not None and parts[1] is not None:
        found = difference(parts[0], parts[1])
        return Quantity("share", first.value - second.value, found.low, found.high, found.n)
    return Quantity(first.kind, first.value - second.value)


def _looked_up(one: Reference, known: Known) -> Quantity | Unmeasured:
    if one.of in {c.name for c in known.study.comparison}:
        found = known.compared[one.of]
        if isinstance(found, Unmeasured):
            return found
        if found.missing:
            return Unmeasured(found.missing)
        named = values(found, titles(known.study))
        return named[one.name] if one.name in named else Unmeasured((f"{one.name} of {one.of}",))
    result = known.results.get(one.of)
    if result is None:
        return Unmeasured((one.of,))
    if result.training is None:
        return Unmeasured((f"{one.of}, which could not be run",))
    if not one.group:
        return Quantity("count", float(result.parameters))
    if one.group == "training":
        return _of_training(one.name, result.training)
    part = result.parts.get(one.group)
    if part is None and one.group not in result.measures:  # the study asks for more than when it was run
        return Unmeasured((f"{one.group} of {one.of}",))
    named = result.measures[one.group] if part is None else part.scores
    if one.name not in named:
        near = difflib.get_close_matches(one.name, named, 1)
        raise StudyError(f"{{{one}}} is not in the result", near[0] if near else f"one of {', '.join(named)}")
    return named[one.name]


def _of_training(name: str, training: Training) -> Quantity:
    value, kind = getattr(training, name), _TRAINING[name]
    if kind == "str" or name in _TEXTS:
        return Quantity("text", text=str(value))
    return Quantity("seconds" if kind == "float" else "count", float(value))
