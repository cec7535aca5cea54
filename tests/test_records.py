"""Plain dataclasses from JSON: what fits comes back, what does not is named by its path."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

import pytest

from mien.records import record


@dataclass(frozen=True)
class Inner:
    n: int
    share: float | None
    good: bool = True

    def __post_init__(self) -> None:
        if self.n < 0:
            raise ValueError(f"n is {self.n}, not at least 0")


@dataclass(frozen=True)
class Outer:
    name: str
    one: Inner
    several: list[Inner] = field(default_factory=list)
    named: dict[str, float] = field(default_factory=dict)
    perhaps: Inner | None = None


WHOLE = Outer("x", Inner(1, None), [Inner(2, 0.5, False)], {"a": 1.0}, Inner(3, 2.0))


def test_a_record_comes_back() -> None:
    assert record(Outer, json.loads(json.dumps(asdict(WHOLE))), "the record") == WHOLE
    assert record(Outer, {"name": "y", "one": {"n": 0, "share": 1}}, "the record") == Outer("y", Inner(0, 1.0))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"several": [{"n": "2", "share": None}]}, "several.0.n is '2', not int"),
        ({"several": [{"n": True, "share": None}]}, "several.0.n is True, not int"),
        ({"one": {"n": 1, "share": None, "good": 1}}, "one.good is 1, not bool"),
        ({"one": {"n": 1, "share": "half"}}, "one.share is 'half', not float"),
        ({"one": {"n": 1, "share": float("inf")}}, "one.share is inf, not float"),
        ({"one": {"n": 1}}, "one.share is missing"),
        ({"one": {"n": -1, "share": None}}, "one.n is -1, not at least 0"),
        ({"one": [1]}, r"one is \[1\], not an object"),
        ({"perhaps": {"n": 1, "share": None, "more": 2}}, "perhaps.more: no such field"),
        ({"named": {"a": None}}, "named.a is None, not float"),
        ({"several": {}}, r"several is {}, not list"),
    ],
)
def test_what_does_not_fit_is_named(change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        record(Outer, {**asdict(WHOLE), **change}, "the record")


def test_the_whole_has_a_name() -> None:
    with pytest.raises(ValueError, match="the card is 3, not an object"):
        record(Outer, 3, "the card")
