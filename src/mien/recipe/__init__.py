"""A typed, torch-free view of a training recipe (TOML). A field's docstring is its help text.

A new network's options are a class in ``networks``; the tables themselves are in the module of their name.
"""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from mien.errors import RecipeError
from mien.recipe.augment import AugmentSection
from mien.recipe.extending import KEY, extends, whole
from mien.recipe.head import HeadSection
from mien.recipe.networks import (
    BackboneSection,
    ModelThreeSection,
    NetworkSection,
    PaperSection,
    ResidualSection,
)
from mien.recipe.section import Section, Seed
from mien.recipe.training import SCORES, DataSection, LossSection, TrainingSection

__all__ = [
    "SCORES",
    "AugmentSection",
    "BackboneSection",
    "DataSection",
    "HeadSection",
    "LossSection",
    "ModelThreeSection",
    "NetworkSection",
    "PaperSection",
    "Recipe",
    "ResidualSection",
    "TrainingSection",
    "changed",
    "extends",
    "field_names",
    "load",
    "network_names",
    "parse",
    "to_toml",
]


class Recipe(Section):
    name: str
    """Name of the bundle."""
    seed: Seed = 0
    """Seed of initialisation, order, dropout and augmentation."""
    data: DataSection
    network: NetworkSection
    training: TrainingSection
    loss: LossSection = LossSection()
    augment: AugmentSection = AugmentSection()
    head: HeadSection | None = None


def load(path: Path) -> Recipe:
    """Read and validate a recipe.

    Raises:
        RecipeError: Not TOML, an unknown or missing field, a wrong type or an impossible value; lists all of them.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} cannot be read ({error})", "a recipe in TOML") from error
    return parse(text, str(path), path.parent)


def parse(text: str, where: str, base: Path | None = None) -> Recipe:
    """Validate a recipe's text.

    Args:
        text: TOML; with ``extends`` only what differs from another recipe.
        where: Its name in errors.
        base: Folder that a recipe that it extends is relative to; the current one if None.

    Raises:
        RecipeError: As ``load``.
    """
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{where} is not TOML ({error})", "a recipe in TOML") from error
    named = f"{where} (extends {values[KEY]})" if KEY in values else where
    return validated(whole(values, where, base), named)


def validated(values: Mapping[str, Any], where: str) -> Recipe:
    """A recipe from the tables of its file; RecipeError as ``load`` raises it."""
    try:
        return Recipe.model_validate(dict(values))
    except ValidationError as error:
        problems = [_problem(e) for e in error.errors()]
        raise RecipeError(
            f"{where}: " + "; ".join(problems), remedy="The fields and their meaning: mien networks --fields"
        ) from error


def changed(recipe: Recipe, changes: Mapping[str, Any], where: str = "the recipe") -> Recipe:
    """A recipe with other values, checked as a file is.

    Args:
        recipe: Any.
        changes: Dotted field, such as ``training.learning_rate``, → value.
        where: What to call the result in errors.

    Raises:
        RecipeError: No such field, or an impossible value.
    """
    values = recipe.model_dump(exclude_unset=True)
    for field, value in changes.items():
        *tables, name = field.split(".")
        table = values
        for one in tables:
            table = table.setdefault(one, {})
            if not isinstance(table, dict):
                raise RecipeError(f"{where}: {field}: no such field", f"one of {', '.join(field_names())}")
        table[name] = value
    return validated(values, where)


def to_toml(recipe: Recipe) -> str:
    """The recipe as a file, with the fields that were set."""
    values = recipe.model_dump(exclude_unset=True, exclude_none=True)
    lines = [f"{key} = {json.dumps(v)}" for key, v in values.items() if not isinstance(v, dict)]
    for name, table in values.items():
        if isinstance(table, dict):
            # JSON's spelling of strings, numbers, booleans and lists of them is TOML's too.
            lines += ["", f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in table.items())]
    return "\n".join(lines) + "\n"


def _instead(path: list[str], location: tuple[Any, ...]) -> str:
    """What an unknown field may have been meant to be; for a network's, else what it has."""
    table = ".".join(path[:-1])
    if path[0] == "network":
        known = [f"network.{f}" for f in _network_class(str(location[1])).model_fields]
    else:
        known = [n for n in (*field_names(), *Recipe.model_fields, KEY) if n.rpartition(".")[0] == table]
    ends = {n.rpartition(".")[2]: n for n in known}
    if near := difflib.get_close_matches(path[-1], ends, 1, 0.6):
        return f", did you mean {ends[near[0]]}?"
    return f"; the network {location[1]} has {', '.join(known)}" if path[0] == "network" else ""


def _network_class(name: str) -> type[Section]:
    return next(k for k in _sections(Recipe.model_fields["network"].annotation) if name in _names_of(k))


def _names_of(kind: type[Section]) -> tuple[str, ...]:
    return get_args(kind.model_fields["name"].annotation)


def network_names() -> list[str]:
    """Every network that a recipe can name."""
    return [name for kind in _sections(Recipe.model_fields["network"].annotation) for name in _names_of(kind)]


def field_names() -> list[str]:
    """Dotted names of all fields of any recipe, in order."""
    found: list[str] = []
    for name, field in Recipe.model_fields.items():
        kinds = _sections(field.annotation)
        found += [name] if not kinds else dict.fromkeys(f"{name}.{f}" for k in kinds for f in k.model_fields)
    return found


def _sections(annotation: Any) -> list[type[Section]]:
    """The section classes that a field's type names."""
    if isinstance(annotation, type):
        return [annotation] if issubclass(annotation, Section) else []
    inner = getattr(annotation, "__args__", ())
    return [kind for one in inner for kind in _sections(one)]


def _problem(error: Any) -> str:
    """One of pydantic's errors in a phrase, with the nearest name where one is unknown."""
    # The location of a network's field holds the tag by which its class was chosen: network.residual.widths.
    path = [str(p) for p in error["loc"]]
    if path[0] == "network" and len(path) > 2:
        del path[1]
    where = ".".join(path)
    if error["type"] == "missing":
        return f"{where}: missing"
    if error["type"] == "union_tag_not_found":
        return f"{where}.name: missing"
    if error["type"] == "extra_forbidden":
        return f"{where}: no such field{_instead(path, error['loc'])}"
    if error["type"] == "union_tag_invalid":
        names = [t.strip(" '") for t in error["ctx"]["expected_tags"].split(",")]
        near = difflib.get_close_matches(error["ctx"]["tag"], names, 1, 0.4)
        hint = f", did you mean {near[0]}?" if near else f"; there are {', '.join(names)}"
        return f"network.name: there is no network {error['ctx']['tag']!r}{hint}"
    return f"{where}: {error['msg'].lower().removeprefix('value error, ')} (came {error['input']!r})"
