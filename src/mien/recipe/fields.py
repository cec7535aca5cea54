"""The fields of a recipe with their types, defaults and help texts, read from the sections' classes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from mien.recipe import Recipe, network_names
from mien.recipe.section import Section


@dataclass(frozen=True)
class RecipeField:
    """One field.

    Attributes:
        name: Dotted, such as ``training.epochs``.
        networks: The networks that have it, where not all have.
        kind: What it takes, in words.
        required: Whether a recipe must give it.
        default: What it is otherwise; None where it is then left out.
        help: What it means.
    """

    name: str
    networks: tuple[str, ...]
    kind: str
    required: bool
    default: Any
    help: str


def fields() -> list[RecipeField]:
    """All fields of all recipes, in order. A field that networks have alike is listed once for them."""
    found: list[RecipeField] = []
    for table, info in Recipe.model_fields.items():
        kinds = _sections(info.annotation)
        if not kinds:
            found.append(_field(table, info, ()))
        for kind in kinds:
            networks = get_args(kind.model_fields["name"].annotation) if len(kinds) > 1 else ()
            for name, one in kind.model_fields.items():
                _add(found, _field(f"{table}.{name}", one, networks))
    return [replace(f, networks=()) if f.networks == tuple(network_names()) else f for f in found]


def _add(found: list[RecipeField], new: RecipeField) -> None:
    """Append, or join with a field that differs in its networks alone."""
    for at, old in enumerate(found):
        if replace(old, networks=()) == replace(new, networks=()):
            found[at] = replace(old, networks=(*old.networks, *new.networks))
            return
    found.append(new)


def _field(name: str, info: FieldInfo, networks: tuple[str, ...]) -> RecipeField:
    required = info.is_required()
    default = None if required else info.get_default(call_default_factory=True, validated_data={})
    text = " ".join((info.description or "").split()).replace("``", "`")
    return RecipeField(name, networks, _kind(info.annotation, info.metadata), required, default, text)


def _sections(annotation: Any) -> list[type[Section]]:
    """The section classes that a field's type names."""
    if isinstance(annotation, type):
        return [annotation] if issubclass(annotation, Section) else []
    return [kind for one in getattr(annotation, "__args__", ()) for kind in _sections(one)]


def _kind(annotation: Any, limits: Iterable[Any] = ()) -> str:
    """A type in words: ``whole number, at least 1``."""
    origin, inside = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        more = [limit for one in inside[1:] for limit in (one.metadata if isinstance(one, FieldInfo) else [one])]
        return _kind(inside[0], [*more, *limits])
    if origin is Literal:
        return " or ".join(json.dumps(value) for value in inside)
    if origin in (Union, UnionType):
        return " or ".join(_kind(one, limits) for one in inside if one is not type(None))
    if origin is list:
        least = next((limit.min_length for limit in limits if hasattr(limit, "min_length")), 0)
        return f"list, each {_kind(inside[0])}" + ("; not empty" if least else "")
    plain = {bool: "true or false", int: "whole number", float: "number", str: "text"}
    return ", ".join([plain.get(annotation, str(annotation)), *_range(limits)])


def _range(limits: Iterable[Any]) -> list[str]:
    words = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
    return [
        f"{text} {getattr(limit, sign)}" for limit in limits for sign, text in words.items() if hasattr(limit, sign)
    ]
