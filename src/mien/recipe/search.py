"""A typed, torch-free view of a search over recipes (TOML): which fields, which values, in what order.

[search]                                     [fields]
sampler = "grid"                             network.kernel = [2, 3]
pruner = "none"                              training.learning_rate = {low = 1e-5, high = 0.1, log = true}
"""

from __future__ import annotations

import difflib
import itertools
import json
import math
import random
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from mien.errors import RecipeError
from mien.recipe import Recipe, changed, field_names
from mien.recipe.section import Count, Section, Seed

Value = bool | int | float | str | list[Any]
"""What a field of a recipe may hold."""

_MOST_CORNERS = 4096  # of which every one is built, to find values that do not go together
_AS_MANY = 20  # trials, where a search does not say how many
# Fields that change what val_loss measures: a smaller one is then no better one.
_OF_THE_LOSS = ("loss.labels", "loss.votes", "loss.label_smoothing", "loss.class_weights")
# Fields that change which faces are held out for validation, or what is asked about them.
_OF_THE_FACES = (
    *("data.source", "data.labels", "data.map", "data.split", "data.validation", "data.split_seed", "data.limit"),
    *("data.test", "data.reproduce_leak"),
)


class Range(Section):
    """Numbers between two ends, both included; whole numbers where both ends are written as such."""

    low: int | float
    """Smallest."""
    high: int | float
    """Largest."""
    log: bool = False
    """Drawn evenly in the logarithm."""
    step: Annotated[int | float, Field(gt=0)] | None = None
    """Only low, low + step, low + 2 step, and so on."""

    @property
    def whole(self) -> bool:
        """Whether only whole numbers are meant."""
        return isinstance(self.low, int) and isinstance(self.high, int) and not isinstance(self.step, float)

    def stepped(self) -> list[int | float]:
        """The values of a range with a step."""
        assert self.step is not None
        count = math.floor((self.high - self.low) / self.step + 1e-9) + 1
        return [self.low + i * self.step for i in range(count)]

    def drawn(self, generator: random.Random) -> int | float:
        """A value drawn at random."""
        if self.step is not None:
            return generator.choice(self.stepped())
        if self.whole and not self.log:
            return generator.randint(int(self.low), int(self.high))
        if not self.log:
            return generator.uniform(self.low, self.high)
        # Whole numbers each own the interval half a unit either way, so that the ends are not drawn less often.
        around = 0.5 if self.whole else 0.0
        value = math.exp(generator.uniform(math.log(self.low - around), math.log(self.high + around)))
        return round(value) if self.whole else min(max(value, self.low), self.high)


class SearchSection(Section):
    sampler: Literal["grid", "random", "tpe"] = "grid"
    """Every combination; drawn at random (Bergstra & Bengio 2012); or a tree-structured Parzen estimator, which learns
    from the trials before (Bergstra et al. 2011)."""
    trials: Count | None = None
    """How many; of a grid all if absent, else 20. ``--trials`` overrules."""
    seed: Seed = 0
    """Of the draws; the recipe's own seed stays."""
    monitor: Literal["val_loss", "val_accuracy", "val_balanced_accuracy", "val_macro_f1", "val_ferplus"] | None = None
    """Score that is compared; the recipe's ``training.monitor`` if absent."""
    pruner: Literal["none", "median", "halving"] = "none"
    """Stop a trial that is worse than the median of those before it at the same epoch, or than the best third
    (successive halving, Li et al. 2020)."""
    prune_after_trials: Annotated[int, Field(ge=0)] = 4
    """Trials that end before ``median`` stops any."""
    prune_after_epochs: Annotated[int, Field(ge=0)] = 1
    """Epochs that every trial is given."""


class Search(Section):
    """A search: the table ``[search]``, and the table ``[fields]`` with a list of values or a range for each field."""

    search: SearchSection = SearchSection()
    fields: dict[str, list[Any] | Range]

    @property
    def total(self) -> int:
        """Number of trials; of a grid never more than it has points."""
        if self.search.sampler != "grid":
            return self.search.trials or _AS_MANY
        points = math.prod(len(values) for values in self._listed().values())
        return min(points, self.search.trials or points)

    def point(self, number: int) -> dict[str, Value] | None:
        """The values of a trial, counted from 0; None where they depend on the trials before it (``tpe``).

        They are a function of the search and the number alone, so it is the same on every machine.
        """
        if self.search.sampler == "tpe":
            return None
        if self.search.sampler == "grid":
            listed = self._listed()
            at = next(itertools.islice(itertools.product(*listed.values()), number, None))
            return dict(zip(listed, at, strict=True))
        generator = random.Random(f"{self.search.seed}/{number}")
        return {
            field: values.drawn(generator) if isinstance(values, Range) else generator.choice(values)
            for field, values in self.fields.items()
        }

    def check(self, recipe: Recipe, where: str = "the search") -> None:
        """Find what cannot be run, before anything is.

        Args:
            recipe: What the values go into.
            where: What to call the search in errors.

        Raises:
            RecipeError: An unknown field, an impossible value, values that do not go together, a range in a grid, or
                a score that the fields themselves change.
        """
        for field in self.fields:
            _known(field, where)
        self._listed()
        monitor = self.search.monitor or recipe.training.monitor
        moving = [f for f in (*_OF_THE_LOSS, "training.monitor") if f in self.fields]
        if "training.monitor" in self.fields or (monitor == "val_loss" and moving):
            raise RecipeError(
                f"{where}: {moving[0]} changes what {monitor} measures, so that trials cannot be compared by it",
                "a score that means the same in every trial",
                'Add to its table [search]: monitor = "val_accuracy"',
            )
        for values in self._corners():
            told = ", ".join(f"{field} = {value}" for field, value in values.items())
            changed(recipe, values, f"{where}, at {told}")

    def moves_the_faces(self) -> list[str]:
        """Fields with which trials are scored on different faces, so that their scores differ for that alone."""
        return [field for field in self.fields if field in _OF_THE_FACES]

    def _listed(self) -> dict[str, list[Any]]:
        """Every field's values, for a grid."""
        if self.search.sampler != "grid":
            return {}
        for field, values in self.fields.items():
            if isinstance(values, Range) and values.step is None:
                raise RecipeError(
                    f"{field}: a range has no end of values for a grid",
                    "a list of values, or a range with a step",
                    'Or draw from it: sampler = "random" or "tpe"',
                )
        return {f: v.stepped() if isinstance(v, Range) else v for f, v in self.fields.items()}

    def _corners(self) -> Iterator[dict[str, Value]]:
        ends = {f: [v.low, v.high] if isinstance(v, Range) else v for f, v in self.fields.items()}
        if math.prod(len(values) for values in ends.values()) <= _MOST_CORNERS:
            yield from (dict(zip(ends, at, strict=True)) for at in itertools.product(*ends.values()))
            return
        first = {field: values[0] for field, values in ends.items()}
        for field, values in ends.items():
            yield from ({**first, field: value} for value in values)


def load(path: Path) -> Search:
    """Read and validate a search file.

    Raises:
        RecipeError: Not TOML, an unknown field, a wrong type or an impossible value.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} cannot be read ({error})", "a search in TOML") from error
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{path} is not TOML ({error})", "a search in TOML") from error
    return _validated(values.get("search", {}), values.get("fields", {}), str(path), values.keys())


def varied(given: Sequence[str]) -> Search:
    """A search from the command line: ``FIELD=VALUE,VALUE`` or ``FIELD=LOW..HIGH``, one text a field.

    A range is drawn from evenly in the logarithm, or evenly where it begins at 0 or below. Lists alone are a grid,
    with a range ``tpe`` is the sampler.

    Raises:
        RecipeError: As ``load``, or a text of another form.
    """
    fields: dict[str, Any] = {}
    for text in given:
        field, equals, values = (part.strip() for part in text.partition("="))
        if not equals or not values or field in fields:
            raise RecipeError(
                f"--vary {text!r}" + (f": {field} is there twice" if field in fields else ""),
                "FIELD=VALUE,VALUE or FIELD=LOW..HIGH, once a field",
                'For instance: --vary "training.learning_rate=0.01,0.001"',
            )
        fields[field] = _range_of(values) or _list_of(values)
    ranges = any(isinstance(values, dict) for values in fields.values())
    return _validated({"sampler": "tpe" if ranges else "grid"}, fields, "--vary", ())


def to_toml(search: Search) -> str:
    """The search as a file."""
    table = search.search.model_dump(exclude_none=True)
    lines = ["[search]", *(f"{name} = {json.dumps(value)}" for name, value in table.items()), "", "[fields]"]
    for field, values in search.fields.items():
        if isinstance(values, Range):
            inner = values.model_dump(exclude_none=True)
            lines.append(f"{field} = {{{', '.join(f'{k} = {json.dumps(v)}' for k, v in inner.items())}}}")
        else:
            lines.append(f"{field} = {json.dumps(values)}")
    return "\n".join(lines) + "\n"


def _validated(table: Any, fields: Any, where: str, tables: Any) -> Search:
    unknown = [name for name in tables if name not in ("search", "fields")]
    if unknown or not isinstance(table, dict) or not isinstance(fields, dict) or not fields:
        came = f"there is no table {unknown[0]}" if unknown else "there are no fields to search over"
        raise RecipeError(f"{where}: {came}", "the tables [search] and [fields]")
    flat = dict(_flat(fields, ""))
    for field, values in flat.items():
        _known(field, where)
        _possible(field, values, where)
    try:
        return Search.model_validate({"search": table, "fields": flat})
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg'].lower()}" for e in error.errors())
        raise RecipeError(
            f"{where}: {problems}", f"in [search] {', '.join(SearchSection.model_fields)}; in [fields] lists and ranges"
        ) from error


def _flat(table: Mapping[str, Any], before: str) -> Iterator[tuple[str, Any]]:
    """Dotted field → what is given for it. TOML makes tables of the parts of ``network.kernel``."""
    for name, inner in table.items():
        if isinstance(inner, dict) and not inner.keys() & Range.model_fields.keys():
            yield from _flat(inner, f"{before}{name}.")
        else:
            yield before + name, inner


def _known(field: str, where: str) -> None:
    if field not in (names := field_names()):
        near = difflib.get_close_matches(field, names, 1, 0.5)
        raise RecipeError(
            f"{where}: {field}: no such field{f', did you mean {near[0]}?' if near else ''}",
            "a field of a recipe, such as training.learning_rate",
            "The fields and their meaning: mien networks --fields",
        )
    if field == "name":
        raise RecipeError(f"{where}: name: a recipe's name is no setting", "another field")


def _possible(field: str, values: Any, where: str) -> None:
    wanted = "a list of values, such as [0.01, 0.001], or {low = 1e-5, high = 0.1, log = true}"
    if isinstance(values, list):
        texts = [json.dumps(value, default=str) for value in values]
        if not values:
            raise RecipeError(f"{where}: {field}: the list is empty", wanted)
        if len(set(texts)) < len(texts):
            raise RecipeError(f"{where}: {field}: a value is there twice in {', '.join(texts)}", wanted)
        return
    if not isinstance(values, dict):
        raise RecipeError(f"{where}: {field} = {values!r}", wanted)
    low, high = values.get("low"), values.get("high")
    if not all(isinstance(end, int | float) and math.isfinite(end) for end in (low, high)):
        raise RecipeError(f"{where}: {field}: a range without two ends", wanted)
    if not low < high:  # type: ignore[operator]
        raise RecipeError(f"{where}: {field}: low {low} is not below high {high}", wanted)
    if values.get("log") and (low <= 0 or values.get("step") is not None):  # type: ignore[operator]
        raise RecipeError(f"{where}: {field}: a logarithmic range begins above 0 and has no step", wanted)


def _range_of(text: str) -> dict[str, Any] | None:
    low, dots, high = text.partition("..")
    if not dots:
        return None
    try:
        ends = tomllib.loads(f"low = {low}\nhigh = {high}")
        return {**ends, "log": ends["low"] > 0}
    except (tomllib.TOMLDecodeError, TypeError):
        return None  # a path, perhaps


def _list_of(text: str) -> list[Any]:
    try:
        return list(tomllib.loads(f"values = [{text}]")["values"])
    except tomllib.TOMLDecodeError:  # bare words
        return [_list_of_one(part.strip()) for part in text.split(",")]


def _list_of_one(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
