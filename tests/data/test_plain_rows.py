"""The quick way through a CSV reads plain rows exactly, and anything else not at all."""

from __future__ import annotations

import io
import itertools
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.data.sources import plain_rows
from mien.errors import DataError

USAGES = {b"Training": 0, b"PublicTest": 1, b"PrivateTest": 2}
RNG = np.random.default_rng(0)
FACES = np.concatenate([RNG.integers(0, limit, (3, 48, 48)) for limit in (10, 100, 256, 2)])
LABELS = RNG.integers(0, 7, len(FACES)).tolist()
USAGE = [i % 3 for i in range(len(FACES))]
ORDERS = list(itertools.permutations(range(3)))
PATH = Path("fer2013.csv")


def text_of(order: tuple[int, ...] = (0, 1, 2), end: bytes = b"\n") -> bytes:
    """The rows, each with its label, pixels and usage as its cells number ``order``."""
    names = list(USAGES)
    rows = []
    for label, face, usage in zip(LABELS, FACES, USAGE, strict=True):
        cells = dict(zip(order, (str(label), " ".join(map(str, face.ravel())), names[usage].decode()), strict=True))
        rows.append(",".join(cells[i] for i in range(3)).encode() + end)
    return b"".join(rows)


def decoded(block: bytes, order: tuple[int, ...] = (0, 1, 2)) -> Any:
    a, b, c = order
    return plain_rows.decode(block, (a, b, c), 7, USAGES)


def with_cell(cell: str) -> bytes:
    """Three rows; the pixels of the middle one begin with another number."""
    row = b"3," + b" ".join([b"7"] * 2303) + b" %s,Training\n"
    return row % b"7" + (f"3,{cell} ").encode() + b" ".join([b"7"] * 2303) + b",Training\n" + row % b"255"


# ---- decode


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("order", ORDERS)
def test_plain_rows_are_read_exactly(order: tuple[int, ...], end: bytes) -> None:
    block = text_of(order, end)
    for variant in (block, bytearray(block), block.removesuffix(end), b"".join(block.splitlines(True)[1:2])):
        found = decoded(variant, order)
        assert found is not None
        faces, labels, usage = found
        n = slice(None) if len(faces) > 1 else slice(1, 2)
        assert faces.dtype == np.uint8 and np.array_equal(faces, FACES[n])
        assert labels.dtype == np.int8 and labels.tolist() == LABELS[n]
        assert usage.dtype == np.uint8 and usage.tolist() == USAGE[n]


def test_every_value_of_a_pixel_is_read() -> None:
    values = np.arange(2304) % 256
    for lead in ("", " "):  # the numbers once begin at even bytes and once at odd ones
        text = f"{lead}3,{' '.join(map(str, values))},Training\n".encode()[len(lead) :]
        found = decoded(text)
        assert found is not None and np.array_equal(found[0].ravel(), values)


@pytest.mark.parametrize("cell", ["256", "260", "299", "300", "355", "399", "400", "500", "512", "768", "999",
                                  "1000", "0007", "2550", "65536", "-1", "+1", "1.5", "", "a", "1 ", " 1", "1\t",
                                  "1 2", "1\r", "1;", "/", ":", "\x00", "\x1a", "é", "1,1"])  # fmt: skip
def test_a_pixel_that_is_not_plain_is_left_alone(cell: str) -> None:
    assert decoded(with_cell(cell)) is None


@pytest.mark.parametrize("cell", ["0", "9", "10", "99", "100", "199", "200", "249", "250", "255", "00", "007", "010"])
def test_a_pixel_that_is_plain_is_read(cell: str) -> None:
    found = decoded(with_cell(cell))
    assert found is not None
    assert found[0][:, 0, 0].tolist() == [7, int(cell), 7] and found[0][:, -1, -1].tolist() == [7, 7, 255]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    ("old", "new"),
    [(b"Training", b"Trainink"), (b"Training", b" Training"), (b"Training", b"Training "), (b"Training", b""),
     (b" ", b"  "), (b" ", b""), (b" ", b" 7 "), (b" ", b"\t"), (b" ", b"\n"), (b" ", b"\r"), (b" ", b","),
     (b",", b", "), (b",", b" ,"), (b",", b',"'), (b",", b",,"), (b",", b""), (b",", b"\n"), (b",", b" "),
     (b"\n", b"\n\n"), (b"\n", b"\nx"), (b"\n", b""), (b"\n", b" "), (b"\n", b","), (b"\n", b"\r\r\n"), (b"\n", b",\n"),
     (b"\n", b"\xff\n")],
)  # fmt: skip
def test_a_row_that_is_not_plain_is_left_alone(order: tuple[int, ...], old: bytes, new: bytes) -> None:
    block = text_of(order)
    for spot in (block.index(old), block.index(old, len(block) // 2), block.rindex(old, 0, -1)):
        assert decoded(block[:spot] + new + block[spot + len(old) :], order) is None


@pytest.mark.parametrize("order", ORDERS)
def test_a_pixel_moved_to_another_row_is_noticed(order: tuple[int, ...]) -> None:
    """The block then has as many numbers, spaces and commas as it should."""
    rows = text_of(order).splitlines(True)
    for one, other in ((2, 3), (3, 2), (0, 5)):
        at = order[1]
        cells = [row.rstrip().split(b",") for row in rows]
        given, cells[one][at] = cells[one][at].split(b" ", 1)
        cells[other][at] += b" " + given
        assert decoded(b"".join(b",".join(c) + b"\n" for c in cells), order) is None


@pytest.mark.parametrize("label", [b"7", b"9", b"-", b"x", b" ", b"", b"10", b"03", b"/", b":"])
def test_an_unknown_label_is_left_alone(label: bytes) -> None:
    rows = text_of().splitlines(True)
    rows[4] = label + rows[4][1:]
    assert decoded(b"".join(rows)) is None


@pytest.mark.parametrize("block", [b"\n", b"", b"\r\n", b",", b",,\n", b"3,,Training\n", b"\n\n\n", b",\n,,,\n"])
def test_what_has_no_pixels_is_left_alone(block: bytes) -> None:
    assert decoded(block) is None


EDIT = st.tuples(st.integers(0, 10**6), st.binary(min_size=0, max_size=3), st.integers(0, 3))


@given(st.lists(EDIT, max_size=3), st.sampled_from(ORDERS))
def test_what_is_read_is_what_the_rows_say(edits: list[tuple[int, bytes, int]], order: tuple[int, ...]) -> None:
    block = text_of(order)
    for at, new, gone in edits:
        at = at % len(block)
        block = block[:at] + new + block[at + gone :]
    found = decoded(block, order)
    if found is None:
        return
    rows = [line.rstrip(b"\r\n").split(b",") for line in block.removesuffix(b"\n").split(b"\n")]
    assert len(rows) == len(found[0]) == len(found[1]) == len(found[2])
    for cells, face, label, usage in zip(rows, *found, strict=True):
        assert len(cells) == 3
        assert cells[order[0]] == str(label).encode()
        assert USAGES[cells[order[2]]] == usage
        assert re.fullmatch(rb"(\d{1,3} ){2303}\d{1,3}", cells[order[1]])
        assert [int(p) for p in cells[order[1]].split(b" ")] == face.ravel().tolist()


# ---- blocks


def split(content: bytes) -> tuple[list[bytes], bytes]:
    """Blocks, and what was hashed."""
    seen: list[bytes] = []
    stream = io.BytesIO(content)
    found = [bytes(b) for b in plain_rows.blocks(PATH, stream, lambda b: seen.append(bytes(b)))]  # type: ignore[arg-type]
    return found, b"".join(seen)


LINES = st.lists(st.tuples(st.sampled_from([0, 1, 3, 9, 40]), st.sampled_from([b"\n", b"\r\n", b"\r"])), max_size=12)


@given(LINES, st.integers(0, 5), st.integers(1, 12), st.sampled_from([1, 2, 5, 1 << 15]))
def test_blocks_are_whole_lines_and_together_the_file(
    lines: list[tuple[int, bytes]], last: int, block: int, tail: int
) -> None:
    content = b"".join(b"x" * n + end for n, end in lines) + b"y" * last
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plain_rows, "_BLOCK", block)
        patch.setattr(plain_rows, "_TAIL", tail)
        found, hashed = split(content)
    assert b"".join(found) == hashed == content
    assert all(found)
    assert [line for b in found for line in b.splitlines(True)] == content.splitlines(True)


def test_a_block_holds_about_as_many_bytes_as_it_should(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain_rows, "_BLOCK", 1000)
    monkeypatch.setattr(plain_rows, "_TAIL", 1)
    for end in (b"\n", b"\r\n", b"\r"):
        found, _ = split((b"x" * 97 + end) * 200)
        assert max(map(len, found)) < 1200 and len(found) >= 17


def test_what_has_no_lines_at_all_is_refused_before_it_fills_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain_rows, "_BLOCK", 1 << 18)
    monkeypatch.setattr(plain_rows, "_LONGEST", 1 << 20)
    stream = io.BytesIO(bytes(1 << 23))
    with pytest.raises(DataError, match=r"fer2013\.csv: a line of more than 1 MiB; expected rows of about 8 kB"):
        list(plain_rows.blocks(PATH, stream, lambda _: None))  # type: ignore[arg-type]
    assert stream.tell() < 1 << 21
