"""The exception tree and its messages."""

from __future__ import annotations

import inspect
import pickle
import re

import pytest

from mien import errors
from mien.errors import DataError, MienError, MissingExtraError

CLASSES = [c for c in vars(errors).values() if inspect.isclass(c) and issubclass(c, MienError)]


def drawn_tree() -> dict[str, str | None]:
    """Class → parent, as drawn at the top of errors.py."""
    parents: dict[str, str | None] = {}
    path: list[tuple[int, str]] = []
    for line in inspect.getdoc(errors).splitlines():  # type: ignore[union-attr]
        if found := re.match(r"([ │├└─]*)(\w+Error)\b", line):
            indent, name = len(found[1]), found[2]
            while path and path[-1][0] >= indent:
                path.pop()
            parents[name] = path[-1][1] if path else None
            path.append((indent, name))
    return parents


def test_the_drawn_tree_is_the_real_tree() -> None:
    real = {c.__name__: None if c is MienError else c.__bases__[0].__name__ for c in CLASSES}
    assert drawn_tree() == real


def test_the_root_of_the_tree_is_an_ordinary_exception() -> None:
    assert MienError.__bases__ == (Exception,)


def test_a_message_has_what_came_what_was_expected_and_what_to_do() -> None:
    error = DataError("row 3 has 2303 pixels", "2304", "Download the file again.")
    assert str(error) == "row 3 has 2303 pixels; expected 2304. Download the file again."
    assert (error.came, error.expected, error.remedy) == ("row 3 has 2303 pixels", "2304", "Download the file again.")


@pytest.mark.parametrize(
    ("parts", "message"), [(("a",), "a"), (("a", "b"), "a; expected b"), (("a", "", "Do c."), "a. Do c.")]
)
def test_parts_that_are_left_out_leave_no_punctuation_behind(parts: tuple[str, ...], message: str) -> None:
    assert str(MienError(*parts)) == message


def test_a_missing_extra_says_what_to_type() -> None:
    error = MissingExtraError("pyarrow", "table", "Reading fer2013.parquet")
    assert str(error) == (
        "Reading fer2013.parquet needs the package pyarrow, which is not installed. "
        "Install it with: pip install 'mien[table]'"
    )


@pytest.mark.parametrize("kind", CLASSES, ids=lambda c: c.__name__)
def test_an_error_survives_the_way_to_another_process(kind: type[MienError]) -> None:
    error = kind("one", "two", "three")
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is kind
    assert str(back) == str(error)
    assert vars(back) == vars(error)
