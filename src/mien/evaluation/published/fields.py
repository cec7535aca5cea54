"""What a field of published figures may hold: shares with the digits they were printed with, counts, names."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, PlainValidator

MOST_CLASSES = 100
MOST = 10**9  # images: more than any test set has, and less than the sampling of tables can count to


def _share(value: object) -> object:
    """A share as printed; a Decimal keeps the zeros at its end, which say how it was rounded."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError(f"is {value!r}, expected a number such as 0.75")
    if value in (0, 1) and isinstance(value, int):
        raise ValueError(f"is {value}, expected the decimals that are printed, such as {value}.00")
    if not Decimal(value).is_finite():
        raise ValueError(f"is {value}, expected a number such as 0.75")
    if 1 < value <= 100:
        raise ValueError(f"is {value}, expected a share: {Decimal(value) / 100}, not {value}")
    if not 0 <= value <= 1:
        raise ValueError(f"is {value}, expected a share from 0 to 1")
    return value


def _share_or_nan(value: object) -> object:
    return value if isinstance(value, Decimal) and value.is_nan() else _share(value)


def _count(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"is {value if isinstance(value, Decimal) else repr(value)}, expected a whole number")
    if not 0 <= value < MOST:
        raise ValueError(f"is {value}, expected a count from 0 to {MOST - 1}")
    return value


def _cell(value: object) -> object:
    if isinstance(value, Decimal):
        raise ValueError(f"is {value}, expected a count; of a matrix of shares give the diagonal as report.recall")
    return _count(value)


def _positive(value: object) -> object:
    if _count(value) == 0:
        raise ValueError("is 0, expected at least one image")
    return value


def _size(value: object) -> object:
    if _count(value) == 0:
        raise ValueError("is 0, expected 1 or more")
    return value


def _loss(value: object) -> object:
    """A number as printed, 0 or more; unlike a share it may be whole."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or not Decimal(value).is_finite():
        raise ValueError(f"is {value if isinstance(value, Decimal) else repr(value)}, expected a number such as 1.796")
    if not 0 <= value < MOST:
        raise ValueError(f"is {value}, expected a number from 0 to {MOST - 1}")
    return Decimal(value)


def _names(value: object) -> object:
    """Class names; a number of classes gives them names."""
    if isinstance(value, int) and not isinstance(value, bool) and 2 <= value <= MOST_CLASSES:
        return [f"class {i + 1}" for i in range(value)]
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise ValueError(f"is {value!r}, expected a list of names, or their number (2 to {MOST_CLASSES})")
    if len(value) < 2 or len(set(value)) < len(value):
        raise ValueError(f"is {value!r}, expected two different names or more")
    return value


Share = Annotated[Decimal, PlainValidator(_share)]
ShareOrNone = Annotated[Decimal, PlainValidator(_share_or_nan)]
Count = Annotated[int, PlainValidator(_count)]
Cell = Annotated[int, PlainValidator(_cell)]
Positive = Annotated[int, PlainValidator(_positive)]
Size = Annotated[int, PlainValidator(_size)]
Loss = Annotated[Decimal, PlainValidator(_loss)]
Names = Annotated[list[str], PlainValidator(_names)]


class Table(BaseModel):
    """A table of the file; a field that it does not have is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, strict=True)
