"""The quick way through a CSV says what the careful one says, or gives up."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mien.data.sources import fer2013_csv, plain_rows
from mien.data.sources.plain_rows import PlainRows
from mien.data.store import USAGES
from mien.errors import DataError

COLUMNS = ("emotion", "pixels", "Usage")
RNG = np.random.default_rng(0)
FACES = np.concatenate([RNG.integers(0, limit, (3, 48, 48)) for limit in (10, 100, 256, 2)])
LABELS = RNG.integers(0, 7, len(FACES))
USAGE = [USAGES[i % 3] for i in range(len(FACES))]


def text_of(order: tuple[int, ...] = (0, 1, 2), end: str = "\n") -> str:
    rows = [[str(e), " ".join(map(str, f.ravel())), u] for e, f, u in zip(LABELS, FACES, USAGE, strict=True)]
    return end.join(",".join(cells[i] for i in order) for cells in [list(COLUMNS), *rows]) + end


def plain(path: Path) -> PlainRows | None:
    return plain_rows.read_plain(path, ("emotion", "pixels", "usage"), 7, USAGES)


def same(one: PlainRows, other: PlainRows) -> bool:
    arrays = ((one.faces, other.faces), (one.labels, other.labels), (one.usage, other.usage))
    return one.sha256 == other.sha256 and all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in arrays)


def assert_left_alone_or_read_alike(path: Path) -> None:
    """The quick way gives up wherever the careful one refuses, and may elsewhere; what it does read is the same."""
    quick = plain(path)
    try:
        careful = fer2013_csv._read_carefully(path)
    except DataError:
        assert quick is None
    else:
        assert quick is None or same(quick, careful)


@pytest.fixture
def write(tmp_path: Path) -> Callable[[bytes], Path]:
    def written(content: bytes) -> Path:
        (tmp_path / "fer2013.csv").write_bytes(content)
        return tmp_path / "fer2013.csv"

    return written


@pytest.mark.parametrize("block", [1 << 12, 1 << 19], ids=["rows over several blocks", "one block"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_plain_files_are_read_the_quick_way_and_exactly(
    write: Callable[[bytes], Path], order: tuple[int, ...], end: str, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plain_rows, "_BLOCK", block)
    content = text_of(order, end).encode()
    for variant in (content, content.removesuffix(end.encode()), b"\xef\xbb\xbf" + content):
        found = plain(write(variant))
        assert found is not None
        assert np.array_equal(found.faces, FACES) and np.array_equal(found.labels, LABELS)
        assert [USAGES[i] for i in found.usage] == USAGE
        assert found.sha256 == hashlib.sha256(variant).hexdigest()
        assert same(found, fer2013_csv._read_carefully(write(variant)))


def test_every_value_of_a_pixel_is_read(write: Callable[[bytes], Path]) -> None:
    values = np.arange(2304) % 256
    found = plain(write(b"emotion,pixels,Usage\n3," + " ".join(map(str, values)).encode() + b",Training\n"))
    assert found is not None and np.array_equal(found.faces.ravel(), values)


@pytest.mark.parametrize(
    ("old", "new"),
    [("Training", "Trainink"), ("Training", " Training"), (" ", "  "), (" ", ""), (" ", " 256 "), (" ", " 1000 "),
     (" ", " -1 "), (" ", " 1.5 "), (" ", "\t"), (",", ", "), (",", ',"'), ("\n", "\n\n"), ("\n", "\nx"), (",", ",,"),
     (" ", " 0"), (" ", "\r")],
)  # fmt: skip
def test_what_is_not_plain_is_left_to_the_careful_way(write: Callable[[bytes], Path], old: str, new: str) -> None:
    head, body = text_of().split("\n", 1)
    spot = body.index(old, len(body) // 2)
    path = write((head + "\n" + body[:spot] + new + body[spot + len(old) :]).encode())
    assert_left_alone_or_read_alike(path)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 10**6), st.binary(min_size=0, max_size=3), st.integers(0, 3)), max_size=3))
def test_any_damage_is_left_to_the_careful_way_or_read_alike(
    write: Callable[[bytes], Path], edits: list[tuple[int, bytes, int]]
) -> None:
    content = text_of().encode()
    for at, new, gone in edits:
        at = at % len(content)
        content = content[:at] + new + content[at + gone :]
    path = write(content)
    assert_left_alone_or_read_alike(path)
