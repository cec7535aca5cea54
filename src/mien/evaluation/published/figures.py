"""What a paper printed about an evaluation, read from a small TOML file, and what a check can say about it."""

from __future__ import annotations

import difflib
import re
import tomllib
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, ValidationError, field_validator, model_validator

from mien.errors import DataError
from mien.evaluation.published.background import History, PublishedLayer, PublishedShares
from mien.evaluation.published.fields import (
    MOST,
    MOST_CLASSES,
    Cell,
    Count,
    Names,
    Positive,
    Share,
    ShareOrNone,
    Size,
    Table,
)

FAULT, DOUBT, FINE = "fault", "doubt", "fine"
_CELLS = ("TN", "FP", "FN", "TP")
_SHOWN = 5  # problems of one file


@dataclass(frozen=True)
class Finding:
    """What a check of published figures found.

    Attributes:
        result: Name of the result that it is about; empty for an evaluation of one's own.
        check: ``figures``, ``cells``, ``independence``, ``one class``, ``guessing``, ``difference``, ``training``,
            ``claims`` or ``layers``.
        severity: ``fault``, the figures cannot be right or cannot carry what is claimed; ``doubt``, they may be right
            and show little; ``fine``.
        what: What was found, in a phrase.
        arithmetic: How it was found, with the numbers.
        reading: What the correct reading would be; empty where nothing is wrong.
    """

    result: str
    check: str
    severity: str
    what: str
    arithmetic: str
    reading: str = ""

    @property
    def sentence(self) -> str:
        """What was found and how."""
        return f"{self.what}: {self.arithmetic}"


class Confusion(Table):
    truth: Literal["rows", "columns"] | None = None
    """Where the true classes stand, if the paper says so; taken to be the rows if it does not."""
    cells: list[list[Cell]] | None = None
    """Counts, row by row as printed."""
    TN: Cell | None = None
    """For two classes, the first of which is the negative one, the four cells as they are named in print."""
    FP: Cell | None = None
    FN: Cell | None = None
    TP: Cell | None = None

    @model_validator(mode="after")
    def _one_form(self) -> Confusion:
        named = [name for name in _CELLS if getattr(self, name) is not None]
        if self.cells is not None and named:
            raise ValueError(f"has both cells and {named[0]}, expected one of the two forms")
        if self.cells is not None and len({len(self.cells), *map(len, self.cells)}) != 1:
            rows = ", ".join(str(len(row)) for row in self.cells)
            raise ValueError(f"has {len(self.cells)} rows of {rows} cells, expected as many columns as rows")
        if self.cells is None and len(named) < len(_CELLS):
            raise ValueError(f"has {', '.join(named) or 'no counts'}, expected cells, or TN, FP, FN and TP")
        if self.cells is None and self.truth is not None:
            raise ValueError("has truth beside TN, FP, FN and TP, expected it beside cells: their names say it")
        if not 0 < self.table().sum() < MOST or not 2 <= len(self.table()) <= MOST_CLASSES:
            raise ValueError(f"is empty or too large, expected 2 to {MOST_CLASSES} classes and a count above 0")
        return self

    def table(self) -> np.ndarray:
        """(K, K) int64 counts; a row is the true class, a column the answer, if all is as the paper says."""
        if self.cells is None:
            return np.array([[self.TN, self.FP], [self.FN, self.TP]], np.int64)
        cells = np.array(self.cells, np.int64)
        return cells.T if self.truth == "columns" else cells


class Averages(Table):
    precision: Share | None = None
    """Mean precision of the classes."""
    recall: Share | None = None
    """Mean recall."""
    f1: Share | None = None
    """Mean F1."""


class Report(Table):
    precision: list[ShareOrNone] | None = None
    """Of each class, in their order; nan where none is printed."""
    recall: list[ShareOrNone] | None = None
    """The same."""
    f1: list[ShareOrNone] | None = None
    """The same."""
    support: list[Count] | None = None
    """Images of each class."""
    macro: Averages = Averages()
    """Means over the classes."""
    weighted: Averages = Averages()
    """Means weighted by support."""


class Claims(Table):
    majority: Share | None = None
    """Share of the commonest class of this set."""
    shares: list[Share] | None = None
    """Share of each class of this set."""
    baseline: Share | None = None
    """An accuracy that this one is said to beat."""
    same: list[Share] = Field(default=[])
    """Other values printed for this accuracy."""
    differ: dict[str, Share] = Field(default={})
    """Accuracies on this set, by name, that are said to differ."""


class Result(Table):
    name: str = ""
    """What was measured on what."""
    classes: Names | None = None
    """Names of the classes, in the order of the tables; or their number."""
    n: Positive | None = None
    """Images."""
    accuracy: Share | None = None
    """As printed."""
    train_accuracy: Share | None = None
    """Of the same model on what it was trained on."""
    train_n: Positive | None = None
    """Images trained on."""
    confusion: Confusion | None = None
    report: Report = Report()
    claims: Claims = Claims()

    @model_validator(mode="after")
    def _as_many_classes_everywhere(self) -> Result:
        lengths = self._lengths()
        if len(set(lengths.values())) > 1:
            first, *rest = lengths.items()
            other = next(item for item in rest if item[1] != first[1])
            raise ValueError(f"{other[0]} has {other[1]} classes, expected {first[1]}, as {first[0]} has")
        return self

    @model_validator(mode="after")
    def _something_to_check(self) -> Result:
        printed = (self.accuracy, self.confusion, *self.report.model_fields_set, *self.claims.model_fields_set)
        if all(value is None for value in printed):
            raise ValueError("there is nothing to check, expected an accuracy, a confusion matrix, a report or claims")
        return self

    def _lengths(self) -> dict[str, int]:
        """Where a number of classes can be read off → that number."""
        lists: dict[str, Any] = {"classes": self.classes}
        if self.confusion is not None:
            lists["confusion"] = self.confusion.table()
        lists |= {f"report.{name}": getattr(self.report, name) for name in ("precision", "recall", "f1", "support")}
        lists["claims.shares"] = self.claims.shares
        return {name: len(value) for name, value in lists.items() if value is not None}

    @property
    def labels(self) -> list[str]:
        """Names of the classes; empty where not even their number is known."""
        k = next(iter(self._lengths().values()), 0)
        return self.classes or [f"class {i + 1}" for i in range(k)]

    @property
    def images(self) -> int | None:
        """Images: as printed, else the sum of the supports or of the cells; None where unknown."""
        if self.n is not None:
            return self.n
        if self.report.support:
            return sum(self.report.support) or None
        return None if self.confusion is None else int(self.confusion.table().sum())


class Published(Table):
    title: str = ""
    """Of the paper."""
    result: list[Result] = Field(min_length=1)
    """One for each table or number; a file with one result may leave ``[[result]]`` out."""
    history: list[History] = Field(default=[])
    """Rows of the training, epochs ascending."""
    layer: list[PublishedLayer] = Field(default=[])
    """Rows of the network's table, in the order of the layers."""
    parameters: dict[str, Size] = Field(default={})
    """Of each network, by its name in the paper."""
    images: dict[str, Positive] = Field(default={})
    """Of each part of the set."""
    shares: dict[str, PublishedShares] = Field(default={})
    """Images of each class, by the name of the list or histogram."""

    @field_validator("history")
    @classmethod
    def _ascending(cls, history: list[History]) -> list[History]:
        for at, (before, row) in enumerate(pairwise(history), 2):
            if row.epoch <= before.epoch:
                raise ValueError(f"has epoch {row.epoch} in row {at} after {before.epoch}, expected ascending epochs")
        return history


_TABLES: dict[str, type[Table]] = {
    "": Result,
    "confusion": Confusion,
    "report": Report,
    "report.macro": Averages,
    "report.weighted": Averages,
    "claims": Claims,
}


_LISTED = ("result", "history", "layer")
_BESIDE: dict[str, type[Table]] = {"history": History, "layer": PublishedLayer, "shares": PublishedShares}
_EXPECTED = {  # by pydantic's kind of error
    **dict.fromkeys(("dict_type", "model_type"), "a table"),
    **{"list_type": "a list", "string_type": "text", "bool_type": "true or false", "too_short": "one value or more"},
}


def span(printed: Decimal) -> tuple[float, float]:
    """Ends of what rounds to a printed share: half a unit of its last digit to either side; 0 and 1 where it is nan."""
    if printed.is_nan():
        return 0.0, 1.0
    half = unit(printed) / 2 + 1e-12
    return float(printed) - half, float(printed) + half


def unit(printed: Decimal) -> float:
    """A unit of the last digit of a printed share."""
    exponent = printed.as_tuple().exponent
    return float(10.0 ** min(exponent, 0)) if isinstance(exponent, int) else 1.0


def load(path: Path) -> Published:
    """Read and check a description of published figures.

    Raises:
        DataError: It cannot be read, is not TOML, or has an unknown field, a wrong type or an impossible value; names
            all of them.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read ({error})", "published figures in TOML") from error
    return parse(text, str(path))


def parse(text: str, where: str) -> Published:
    """Published figures from the text of their file; ``where`` names it in errors. Raises as ``load`` does."""
    try:
        values = tomllib.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError, ArithmeticError) as error:
        raise DataError(f"{where} is not TOML ({error})", "published figures in TOML") from error
    several = "result" in values
    if not several:
        outside = {k: v for k, v in values.items() if k in Published.model_fields}
        values = {**outside, "result": [{k: v for k, v in values.items() if k not in outside}]}
    remedy = "The fields and their meaning: docs/audit-report.md"
    try:
        published, problems = _validated(values, several)
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits, or tables within tables
        raise DataError(f"{where} has a value that cannot be shown ({error})", "published figures", remedy) from error
    if published is None:
        raise DataError(f"{where}: {problems}", remedy=remedy)
    named = [r if r.name else r.model_copy(update={"name": f"result {i + 1}"}) for i, r in enumerate(published.result)]
    return published.model_copy(update={"title": published.title or Path(where).stem, "result": named})


def _validated(values: dict[str, Any], several: bool) -> tuple[Published | None, str]:
    """The figures; or None, and all that is wrong in them."""
    try:
        return Published.model_validate(values), ""
    except ValidationError as error:
        problems = [_problem(list(e["loc"]), e, several) for e in error.errors()]
    if len(problems) > _SHOWN:
        problems[_SHOWN:] = [f"and {len(problems) - _SHOWN} more"]
    return None, "; ".join(problems)


def _problem(path: list[str | int], error: Any, several: bool) -> str:
    """One of pydantic's errors in a phrase; a value's own message begins with "is" or "has"."""
    table, where = str(path[0]), _where(path, several)
    kind, came = error["type"], re.sub(r"Decimal\('(.*?)'\)", r"\1", repr(error["input"]))[:60]
    if kind == "extra_forbidden":
        inside = path[2:] if table in _LISTED else path
        return f"{where}: no such field{_instead([str(p) for p in inside], table, several)}"
    if kind == "missing":
        return f"{where} is missing"
    if kind == "value_error":
        message = str(error["ctx"]["error"])
        return (
            f"{where} {message}"
            if where and message.startswith(("is ", "has "))
            else f"{where}: {message}".lstrip(": ")
        )
    if table in _LISTED and len(path) == 1:
        return f"{table} is {came}, expected one table or more, each headed [[{table}]]"
    message = error["msg"].lower().removeprefix("input should be ")
    return f"{where} is {came}, expected {_EXPECTED.get(kind, message)}"


def _where(path: list[str | int], several: bool) -> str:
    """The row that a field is in, counted from 1, and its place in it; a single result is no row."""
    if path[0] not in _LISTED or len(path) == 1:
        return _place(path)
    row = f"{path[0]} {int(path[1]) + 1}" if several or path[0] != "result" else ""
    return ", ".join(filter(None, (row, _place(path[2:]))))


def _place(path: list[str | int]) -> str:
    """A field by its tables and, counted from 1, its position."""
    names, at = [str(p) for p in path if isinstance(p, str)], [p + 1 for p in path if isinstance(p, int)]
    position = (f"row {at[0]}, column {at[1]}" if len(at) > 1 else f"value {at[0]}") if at else ""
    return ".".join(names) + (f" ({position})" if position else "")


def _instead(path: list[str], table: str, several: bool) -> str:
    """What an unknown field may have been meant to be; ``table`` is the one at the top of the file that it is in."""
    if table == "result":
        return _instead_in_result(path, several)
    if table in _BESIDE:
        names = list(_BESIDE[table].model_fields)
        near = difflib.get_close_matches(path[-1].lower(), names, 1)
        return f", did you mean {near[0]}?" if near else f"; there are {', '.join(names)}"
    if path[0] in Result.model_fields:
        return f", {path[0]} belongs below [[result]]"
    near = difflib.get_close_matches(path[0], Published.model_fields, 1)
    return f", did you mean {near[0]}?" if near else ""


def _instead_in_result(path: list[str], several: bool) -> str:
    if several and path[0] in Published.model_fields:
        return f", {path[0]} belongs above the first [[result]]"
    table = ".".join(path[:-1])
    known = {f"{t}.{name}".lstrip("."): name for t, kind in _TABLES.items() for name in kind.model_fields}
    if not several:
        known |= {name: name for name in Published.model_fields}
    here = [full for full in known if full.rpartition(".")[0] == table]
    for names, cutoff in ((here, 0.6), (list(known), 0.75)):  # a name of another table must be nearer
        ends = {known[full].lower(): full for full in reversed(names)}
        if near := difflib.get_close_matches(path[-1].lower(), ends, 1, cutoff):
            return f", did you mean {ends[near[0]]}?"
    return f"; there are {', '.join(here)}" if here else ""
