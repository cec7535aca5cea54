"""Readers: what is right is read exactly, what is wrong is named with its file and row."""

from __future__ import annotations

import csv
import io
import re
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.data import USAGES, FaceSet, open_faces, read
from mien.errors import DataError, MissingExtraError
from mien.expressions import FERPLUS_VOTES
from mien.files import sha256

FACES = np.random.default_rng(11).integers(0, 256, (6, 48, 48), dtype=np.uint8)
FACES[0] = np.arange(48 * 48).reshape(48, 48) % 256  # every value, and rows that differ from columns
LABELS = [3, 0, 6, 1, 5, 2]
USAGE = ["Training", "Training", "PublicTest", "Training", "PrivateTest", "PublicTest"]


def pixels(face: np.ndarray) -> str:
    return " ".join(map(str, face.ravel().tolist()))


def csv_text(rows: list[list[Any]] | None = None, header: str = "emotion,pixels,Usage") -> str:
    rows = [[e, pixels(f), u] for e, f, u in zip(LABELS, FACES, USAGE, strict=True)] if rows is None else rows
    return "\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n"


def with_row(label: Any = 4, cell: str | None = None, usage: str = "Training") -> str:
    """Two good rows and a third that may not be."""
    good = [[LABELS[i], pixels(FACES[i]), USAGE[i]] for i in range(2)]
    return csv_text([*good, [label, pixels(FACES[2]) if cell is None else cell, usage]])


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str | bytes], Path]:
    def write(content: str | bytes) -> Path:
        path = tmp_path / "fer2013.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


# ---- fer2013.csv


def test_a_csv_is_read_exactly(write: Callable[[str], Path]) -> None:
    path = write(csv_text())
    found = read(path)
    assert (found.faces == FACES).all()
    assert found.faces.dtype == np.uint8
    assert found.labels.tolist() == LABELS
    assert [USAGES[u] for u in found.usage] == USAGE
    assert found.rows.tolist() == [0, 1, 2, 3, 4, 5]
    assert found.votes.shape == (6, 10)
    assert not found.votes.any()
    assert (found.provenance.reader, found.provenance.source) == ("fer2013-csv", "fer2013.csv")
    assert found.provenance.sha256 == sha256(path)


def test_header_names_with_spaces_in_another_order_are_understood(write: Callable[[str], Path]) -> None:
    rows = [[e, f" {u}", f" {pixels(f)}"] for e, f, u in zip(LABELS, FACES, USAGE, strict=True)]
    found = read(write(csv_text(rows, "emotion, Usage, pixels")))
    assert (found.faces == FACES).all()
    assert found.labels.tolist() == LABELS
    assert [USAGES[u] for u in found.usage] == USAGE


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.rstrip("\n"),
        lambda text: "\ufeff" + text,
        lambda text: re.sub(r",([\d ]+),", r',"\1",', text),
        lambda text: re.sub(r"(?m)$", ",more", text.strip()),
    ],
    ids=["Windows line ends", "no last line end", "byte order mark", "quoted pixels", "a further column"],
)
def test_harmless_differences_change_nothing(write: Callable[[str], Path], change: Callable[[str], str]) -> None:
    text = change(csv_text())
    assert text != csv_text()
    found = read(write(text))
    assert (found.faces == FACES).all()
    assert found.labels.tolist() == LABELS


@pytest.mark.parametrize("column", ["emotion", "pixels", "Usage"])
def test_a_missing_column_is_named(write: Callable[[str], Path], column: str) -> None:
    header = ",".join(c for c in ("emotion", "pixels", "Usage") if c != column)
    with pytest.raises(DataError, match=rf"fer2013\.csv: the column {column} is missing; the header has"):
        read(write(csv_text(header=header)))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (with_row(cell=pixels(FACES[2]).rpartition(" ")[0]), "2303 pixels; expected 2304"),
        (with_row(cell=pixels(FACES[2]) + " 7"), "2305 pixels; expected 2304"),
        (with_row(cell=""), "0 pixels; expected 2304"),
        (with_row(cell="300 " + pixels(FACES[2]).partition(" ")[2]), r"pixels from \d+ to 300; expected 0 to 255"),
        (with_row(cell="256 " + pixels(FACES[2]).partition(" ")[2]), r"pixels from \d+ to 256; expected 0 to 255"),
        (with_row(cell="-1 " + pixels(FACES[2]).partition(" ")[2]), r"pixels from -1 to \d+; expected 0 to 255"),
        (with_row(cell="grey " + pixels(FACES[2]).partition(" ")[2]), "a pixel is not a whole number"),
        (with_row(cell="1.5 " + pixels(FACES[2]).partition(" ")[2]), "a pixel is not a whole number"),
        (with_row(cell="1_0 " + pixels(FACES[2]).partition(" ")[2]), "a pixel is not a whole number"),
        (with_row(cell="٣ " + pixels(FACES[2]).partition(" ")[2]), "a pixel is not a whole number"),
        (with_row(cell="9" * 30 + " " + pixels(FACES[2]).partition(" ")[2]), "a pixel is not a whole number"),
        (with_row(label=7), "emotion is '7'; expected 0 to 6"),
        (with_row(label=-1), "emotion is '-1'; expected 0 to 6"),
        (with_row(label="x"), "emotion is 'x'; expected 0 to 6"),
        (with_row(label=""), "emotion is ''; expected 0 to 6"),
        (with_row(label="1.0"), r"emotion is '1\.0'; expected 0 to 6"),
        (with_row(label="9" * 5000), "emotion is '9+'; expected 0 to 6"),
        (with_row(usage="Test"), "Usage is 'Test'; expected Training or PublicTest or PrivateTest"),
        (with_row(usage=""), "Usage is ''; expected Training"),
        (csv_text([[LABELS[0], pixels(FACES[0]), USAGE[0]], [1, pixels(FACES[1]), "Training"], [4]]), "1 cells"),
    ],
    ids=[
        "pixel short",
        "pixel long",
        "no pixels",
        "300",
        "256",
        "-1",
        "word",
        "fraction",
        "underscore",
        "other digits",
        "huge",
        "label 7",
        "label -1",
        "label x",
        "no label",
        "label 1.0",
        "label of 5000 digits",
        "usage",
        "no usage",
        "one cell",
    ],
)
def test_what_is_wrong_in_a_row_is_named_with_file_row_and_line(
    write: Callable[[str], Path], content: str, complaint: str
) -> None:
    path = write(content)
    with pytest.raises(DataError, match=complaint) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}, row 2 (line 4): ")
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("cut", ["in the pixels", "after the pixels", "in the usage", "in the label"])
def test_a_file_that_was_cut_off_in_a_row_is_refused_with_the_row(write: Callable[[str], Path], cut: str) -> None:
    text = csv_text().rstrip("\n")
    last = text.rindex("\n") + 1
    end = {
        "in the pixels": last + 3000,
        "after the pixels": text.rindex(","),
        "in the usage": len(text) - 3,
        "in the label": last + 1,
    }[cut]
    with pytest.raises(DataError, match=r"row 5 \(line 7\)"):
        read(write(text[:end]))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "the column emotion is missing; the header has nothing"),
        ("emotion,pixels,Usage\n", "has no rows"),
        ("emotion,pixels,Usage", "has no rows"),
        (b"\xff\xfe\x00\x01" * 50, "is not text"),
        (csv_text().encode("utf-16"), "is not text"),
        (b"PK\x03\x04" + bytes(range(256)), "is not text"),
        ('emotion,pixels,Usage\n3,"' + "1 " * 100_000, "broken CSV"),
    ],
    ids=["empty", "header only", "header without line end", "bytes", "UTF-16", "zip", "endless quote"],
)
def test_a_file_without_rows_or_text_is_refused(
    write: Callable[[str | bytes], Path], content: str | bytes, complaint: str
) -> None:
    path = write(content)
    with pytest.raises(DataError, match=complaint) as caught:
        read(path)
    assert str(path) in str(caught.value)


def test_a_file_that_does_not_exist_is_named(tmp_path: Path) -> None:
    for opener in (read, open_faces):
        with pytest.raises(DataError, match=r"absent\.csv does not exist"):
            opener(tmp_path / "absent.csv")


def test_a_file_of_another_kind_is_refused_with_the_kinds_there_are(tmp_path: Path) -> None:
    (tmp_path / "faces.xlsx").write_bytes(b"x")
    with pytest.raises(DataError, match=r"no kind that mien recognises; expected .*fer2013-csv \(Kaggle.*--as NAME"):
        read(tmp_path / "faces.xlsx")


def test_the_suffix_may_be_in_capitals(tmp_path: Path) -> None:
    (tmp_path / "FER2013.CSV").write_text(csv_text())
    assert len(read(tmp_path / "FER2013.CSV")) == 6


SMALL = csv_text([[LABELS[i], pixels(FACES[i]), USAGE[i]] for i in range(2)]).encode()
# Half of all edits fall on what is not pixels.
PLACES = st.one_of(
    st.integers(0, len(SMALL)),
    st.integers(0, 40),
    st.integers(len(SMALL) - 40, len(SMALL)),
    st.sampled_from([m.start() for m in re.finditer(rb"[,\n]", SMALL)]),
)
PIECES = st.one_of(
    st.binary(max_size=4),
    st.sampled_from(
        [b",", b"\n", b"\r", b'"', b" ", b"-", b"_", b"\x00", b"7", b"999", b"0", b"Training", "é".encode()]
    ),
)
EDITS = st.lists(st.tuples(PLACES, st.sampled_from([0, 0, 1, 1, 3, 200, 10**6]), PIECES), min_size=1, max_size=4)


@given(edits=EDITS)
def test_any_damage_gives_faces_or_a_data_error_and_nothing_else(
    edits: list[tuple[int, int, bytes]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    damaged = SMALL
    for place, removed, inserted in edits:
        damaged = damaged[:place] + inserted + damaged[place + removed :]
    path = tmp_path_factory.getbasetemp() / "damaged.csv"
    path.write_bytes(damaged)
    try:
        found = read(path)
    except DataError as error:
        assert str(path) in str(error)  # noqa: PT017 (an accepted file is as good)
        return
    # What is accepted is what the file says.
    rows = list(csv.DictReader(io.StringIO(damaged.decode("utf-8-sig"), newline="")))
    said = [next(v for k, v in row.items() if k and k.strip().lower() == "pixels") for row in rows]
    assert len(said) == len(found)
    for text, face in zip(said, found.faces, strict=True):
        assert [int(re.fullmatch(r"[+-]?[0-9]+", p)[0]) for p in text.split()] == face.ravel().tolist()  # type: ignore[index]


# ---- fer2013.parquet


def png(face: np.ndarray) -> bytes:
    return cv2.imencode(".png", face)[1].tobytes()


def png_that_claims(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(bytes(100)))
        + chunk(b"IEND", b"")
    )


VOTES = np.random.default_rng(5).multinomial(10, np.full(10, 0.1), 6)
ROWS = [0, 2, 3, 7, 8, 30000]


def columns(**changed: Any) -> dict[str, Any]:
    """Six good rows by column; a column can be replaced, or dropped by None."""
    whole = {
        "row": ROWS,
        "image": [{"bytes": png(f), "path": f"{r}.png"} for f, r in zip(FACES, ROWS, strict=True)],
        "emotion": LABELS,
        "usage": USAGE,
        **{f"votes_{name}": VOTES[:, i].tolist() for i, name in enumerate(FERPLUS_VOTES)},
    }
    return {name: values for name, values in {**whole, **changed}.items() if values is not None}


@pytest.fixture
def write_parquet(tmp_path: Path) -> Callable[..., Path]:
    def write(**changed: Any) -> Path:
        path = tmp_path / "fer2013.parquet"
        pq.write_table(pa.table(columns(**changed)), path)
        return path

    return write


def one_bad(name: str, value: Any) -> dict[str, list[Any]]:
    """A column whose third value, in row 3 of the source, is another."""
    values = list(columns()[name])
    values[2] = value
    return {name: values}


def image(data: Any) -> dict[str, list[Any]]:
    return one_bad("image", {"bytes": data, "path": "3.png"})


def test_a_parquet_is_read_exactly(write_parquet: Callable[..., Path]) -> None:
    path = write_parquet()
    found = read(path)
    assert (found.faces == FACES).all()
    assert found.labels.tolist() == LABELS
    assert [USAGES[u] for u in found.usage] == USAGE
    assert found.rows.tolist() == ROWS
    assert (found.votes == VOTES).all()
    assert (found.provenance.reader, found.provenance.source) == ("fer2013-parquet", "fer2013.parquet")
    assert found.provenance.sha256 == sha256(path)


def test_without_a_row_column_rows_are_numbered_across_batches(
    write_parquet: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mien.data.sources.fer2013_parquet._BATCH", 4)
    found = read(write_parquet(row=None))
    assert found.rows.tolist() == [0, 1, 2, 3, 4, 5]
    assert (found.faces == FACES).all()


def test_without_votes_columns_votes_are_zero(write_parquet: Callable[..., Path]) -> None:
    found = read(write_parquet(**{f"votes_{name}": None for name in FERPLUS_VOTES}))
    assert found.votes.shape == (6, 10)
    assert not found.votes.any()


def test_columns_in_another_order_and_further_columns_change_nothing(tmp_path: Path) -> None:
    shuffled = dict(reversed(columns().items())) | {"note": ["x"] * 6}
    pq.write_table(pa.table(shuffled), tmp_path / "other.parquet")
    found = read(tmp_path / "other.parquet")
    assert (found.faces == FACES).all()
    assert (found.votes == VOTES).all()


@pytest.mark.parametrize("column", ["image", "emotion", "usage"])
def test_a_missing_parquet_column_is_named(write_parquet: Callable[..., Path], column: str) -> None:
    with pytest.raises(DataError, match=rf"fer2013\.parquet: the column {column} is missing"):
        read(write_parquet(**{column: None}))


def test_some_votes_columns_without_the_others_are_refused(write_parquet: Callable[..., Path]) -> None:
    with pytest.raises(DataError, match="9 votes columns; expected all 10 or none"):
        read(write_parquet(votes_contempt=None))


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        (image(b"no picture at all"), "cannot be decoded"),
        (image(b""), "cannot be decoded"),
        (image(None), "cannot be decoded"),
        (one_bad("image", None), "cannot be decoded"),
        (image(png(FACES[2])[:600]), "cannot be decoded"),
        (image(png_that_claims(100_000, 100_000)), "cannot be decoded"),
        (image(png(np.zeros((64, 48), np.uint8))), "the image is 48×64; expected 48×48"),
        (one_bad("emotion", 9), "emotion is 9; expected 0 to 6"),
        (one_bad("emotion", -1), "emotion is -1; expected 0 to 6"),
        (one_bad("emotion", None), "emotion is None; expected 0 to 6"),
        (one_bad("usage", "Test"), "usage is 'Test'; expected Training or"),
        (one_bad("usage", None), "usage is None; expected Training or"),
        (one_bad("votes_fear", None), "votes_fear is None; expected a whole number"),
        (one_bad("votes_fear", 256), "votes_fear is 256; expected a whole number"),
        (one_bad("votes_fear", -1), "votes_fear is -1; expected a whole number"),
    ],
    ids=[
        "junk",
        "no bytes",
        "null bytes",
        "null",
        "cut off",
        "claims to be huge",
        "64x48",
        "label 9",
        "label -1",
        "no label",
        "usage",
        "no usage",
        "null vote",
        "vote 256",
        "vote -1",
    ],
)
def test_what_is_wrong_in_a_parquet_row_is_named_with_file_and_row(
    write_parquet: Callable[..., Path], changed: dict[str, list[Any]], complaint: str
) -> None:
    path = write_parquet(**changed)
    with pytest.raises(DataError, match=complaint) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}, row 3: ")


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"image": [png(f) for f in FACES]}, "cannot be decoded"),
        ({"image": [{"bytes": "text", "path": ""}] * 6}, "cannot be decoded"),
        ({"image": [{"bytes": 7, "path": ""}] * 6}, "cannot be decoded"),
        ({"emotion": [str(v) for v in LABELS]}, "emotion is '3'"),
        ({"votes_fear": ["many"] * 6}, "votes_fear is 'many'"),
        ({"row": [2**40 + i for i in range(6)]}, "row is 1099511627776"),
        ({"row": ["a", "b", "c", "d", "e", "f"]}, "row is 'a'"),
        ({"row": [None] * 6}, "row is None"),
        ({"row": [-1, 0, 1, 2, 3, 4]}, "row is -1"),
        ({"row": [1] * 6}, "row ids repeat"),
    ],
    ids=[
        "bytes, not a struct",
        "text",
        "number",
        "labels as text",
        "votes as text",
        "rows too large",
        "rows as text",
        "null rows",
        "negative row",
        "one row for all",
    ],
)
def test_a_parquet_column_of_the_wrong_kind_is_refused(
    write_parquet: Callable[..., Path], changed: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(DataError, match=complaint):
        read(write_parquet(**changed))


@pytest.mark.parametrize(
    "content", [b"", b"a,b\n1,2\n", b"PAR1" + bytes(40) + b"PAR1", None], ids=["empty", "CSV", "hollow", "cut off"]
)
def test_what_is_not_a_whole_parquet_file_is_refused(write_parquet: Callable[..., Path], content: bytes | None) -> None:
    path = write_parquet()
    path.write_bytes(path.read_bytes()[:-300] if content is None else content)
    with pytest.raises(DataError, match=r"fer2013\.parquet cannot be read as parquet"):
        read(path)


def test_a_parquet_file_without_rows_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table(columns()).slice(0, 0), tmp_path / "none.parquet")
    with pytest.raises(DataError, match=r"none\.parquet has no rows"):
        read(tmp_path / "none.parquet")


def test_a_column_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    table = pa.table(columns())
    pq.write_table(table.append_column("emotion", table["emotion"]), tmp_path / "twice.parquet")
    with pytest.raises(DataError, match="emotion"):
        read(tmp_path / "twice.parquet")


@given(st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=6))
def test_any_damage_to_a_parquet_gives_faces_or_a_data_error_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, edits: list[tuple[float, int]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.parquet"
    few = {
        name: values[:2]
        for name, values in columns(image=[{"bytes": png(f[:48] // 255), "path": ""} for f in FACES]).items()
    }
    pq.write_table(pa.table(few), path)
    content = bytearray(path.read_bytes())
    for place, value in edits:
        content[int(place * len(content))] = value
    path.write_bytes(content)
    try:
        found = read(path)
    except DataError as error:
        assert path.name in str(error)  # noqa: PT017 (an accepted file is as good)
    else:
        assert isinstance(found, FaceSet)


@pytest.mark.parametrize("absent", ["pyarrow", "pyarrow.parquet"])
def test_without_pyarrow_the_extra_is_named(
    write_parquet: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, absent: str
) -> None:
    path = write_parquet()
    monkeypatch.setitem(sys.modules, absent, None)
    with pytest.raises(MissingExtraError, match=r"fer2013\.parquet needs the package pyarrow") as caught:
        read(path)
    assert "pip install 'mien[table]'" in str(caught.value)


# ---- at full size


def test_the_parquet_at_full_size_has_all_its_rows(fer2013: FaceSet) -> None:
    assert {u: int((fer2013.usage == i).sum()) for i, u in enumerate(USAGES)} == {
        "Training": 28655,
        "PublicTest": 3584,
        "PrivateTest": 0,
    }
    assert (np.diff(fer2013.rows) > 0).all()
    assert fer2013.rows[-1] < 28709 + 3589
    assert fer2013.votes.sum(axis=1).max() == 10


def test_the_csv_files_people_have_hold_the_same_faces_as_the_parquet(
    shared: Path, fer2013: FaceSet, tmp_path: Path
) -> None:
    subprocess.run(
        [
            sys.executable,
            shared / "tools" / "make_datasets.py",
            tmp_path,
            "--limit",
            "500",
            "--only",
            "kaggle-csv",
            "icml-csv",
        ],
        check=True,
        capture_output=True,
        timeout=120,
    )
    same = np.concatenate([fer2013.where("Training")[:500], fer2013.where("PublicTest")[:500]])
    for file in (tmp_path / "kaggle-csv" / "fer2013.csv", tmp_path / "icml-csv" / "icml_face_data.csv"):
        found = read(file)
        assert (found.faces == fer2013.faces[same]).all()
        assert (found.labels == fer2013.labels[same]).all()
        assert (found.usage == fer2013.usage[same]).all()
