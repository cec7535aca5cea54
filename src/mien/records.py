"""Plain dataclasses from JSON, checked.

A small reader of our own: pydantic builds its models anew in each process, which a user of ``mien analyze`` would wait
for.
"""

from __future__ import annotations

import math
from dataclasses import MISSING, fields, is_dataclass
from types import NoneType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

T = TypeVar("T")


def record(kind: type[T], values: Any, whole: str) -> T:
    """A dataclass from plain values, nested dataclasses, lists and dicts included.

    Args:
        kind: The dataclass; its annotations say what each field may hold.
        values: As ``json.loads`` gave them.
        whole: What the whole is called in errors: ``the card``.

    Raises:
        ValueError: A field is missing, unknown, or of another kind; names it by its path, such as ``scores.0.n``.
    """
    if not isinstance(values, dict):
        raise ValueError(f"{whole} is {_shown(values)}, not an object")
    return _record(kind, values, "")


def _record(kind: type[T], values: Any, where: str) -> T:
    if not isinstance(values, dict):
        raise ValueError(f"{where} is {_shown(values)}, not an object")
    hints = get_type_hints(kind)
    known = {f.name: f for f in fields(kind)}  # type: ignore[arg-type]
    path = f"{where}." if where else ""
    for name in values:
        if name not in known:
            raise ValueError(f"{path}{name}: no such field")
    for name, one in known.items():
        if name not in values and one.default is MISSING and one.default_factory is MISSING:
            raise ValueError(f"{path}{name} is missing")
    made = {name: _value(hints[name], value, path + name) for name, value in values.items()}
    try:
        return kind(**made)
    except ValueError as error:  # from its __post_init__, which begins with the field's name
        raise ValueError(f"{path}{error}") from error


def _value(kind: Any, value: Any, where: str) -> Any:
    """A value of the kind that a field declares; whole numbers pass for floats, nothing else is converted."""
    origin, inner = get_origin(kind), get_args(kind)
    if is_dataclass(kind) and isinstance(kind, type):
        return _record(kind, value, where)
    if origin is list and isinstance(value, list):
        return [_value(inner[0], v, f"{where}.{i}") for i, v in enumerate(value)]
    if origin is dict and isinstance(value, dict):
        return {k: _value(inner[1], v, f"{where}.{k}") for k, v in value.items()}
    if NoneType in inner:
        return None if value is None else _value(inner[0], value, where)
    if kind is float and type(value) in (int, float) and math.isfinite(value):
        return float(value)
    if kind in (str, int, bool) and type(value) is kind:
        return value
    raise ValueError(f"{where} is {_shown(value)}, not {getattr(kind, '__name__', kind)}")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"
