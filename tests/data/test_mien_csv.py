"""The exported CSV read again: what was changed in it is named."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.data import FaceSet, Faults, Provenance, begin, read, recognise
from mien.data.export import export
from mien.errors import DataError
from mien.expressions import Vocabulary
from mien.files import sha256

N = 5
MOODS = Vocabulary("moods", ("glum", "so-so", "glad"))
FACES = FaceSet(
    np.random.default_rng(3).integers(0, 256, (N, 8, 8), dtype=np.uint8),
    np.array([0, 1, 2, 1, 0], np.int8),
    np.tile(np.arange(10, dtype=np.uint8), (N, 1)),
    np.array([4, 7, 20, 21, 2**31 - 1], np.int32),
    np.array([0, 1, 0, 1, 0], np.uint8),
    Provenance("made up", "tiny", "0" * 64),
    MOODS,
    ("train", "test"),
    np.array([f"{i}, and\nmore.png" for i in range(N)]),
    None,
    {"age": np.array([1.5, np.nan, 3, 4, 5])},
)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    export(FACES, tmp_path / "faces.csv", "csv")
    return tmp_path / "faces.csv"


def change(path: Path, old: str, new: str) -> None:
    text = path.read_bytes().decode()
    assert text.count(old) == 1, text.count(old)
    path.write_bytes(text.replace(old, new).encode())


def pixels(at: int) -> str:
    return " ".join(map(str, FACES.faces[at].ravel().tolist()))


VOTES = ",".join(map(str, range(10)))


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("\r\n20,", "\r\nx20,", "row is 'x20'; expected a whole number from 0 to 2147483647"),
        ("\r\n20,", "\r\n2147483648,", "row is '2147483648'"),
        ("\r\n20,", "\r\n٢,", "row is '٢'"),
        ("\r\n20,", "\r\n-1,", "row is '-1'"),
        ("\r\n20,", "\r\n7,", "row 7 is there twice; expected each row id once"),
        (f"\r\n20,{MOODS.labels[2]},", "\r\n20,Bored,", f"label is 'Bored'; expected one of {', '.join(MOODS.labels)}"),
        (f"\r\n20,{MOODS.labels[2]},train", f"\r\n20,{MOODS.labels[2]},x", "usage is 'x'; expected one of train, test"),
        (
            f'"2, and\nmore.png",{VOTES}',
            f'"2, and\nmore.png",{VOTES[:-1]}256',
            "votes_nonface is '256'; expected a whole",
        ),
        (f'"2, and\nmore.png",{VOTES}', f'"2, and\nmore.png",x{VOTES}', "votes_neutral is 'x0'; expected a whole"),
        (",3.0,", ",old,", "age is 'old'; expected a number"),
        (",3.0,", ",1_0,", "age is '1_0'; expected a number"),
        (pixels(2), pixels(2) + " 7", "65 pixels; expected 64 (8×8)"),
        (pixels(2), pixels(2).rpartition(" ")[0], "63 pixels; expected 64 (8×8)"),
        (pixels(2), "", "0 pixels; expected 64"),
        (pixels(2), "256 " + pixels(2).partition(" ")[2], "a pixel is '256'; expected a whole number from 0 to 255"),
        (pixels(2), "-1 " + pixels(2).partition(" ")[2], "a pixel is '-1'"),
        (pixels(2), "1_0 " + pixels(2).partition(" ")[2], "a pixel is '1_0'"),
        (f",{pixels(2)}", "", "15 cells; expected 16, one for each column"),
        (",3.0,", ",3.0,more,", "17 cells; expected 16"),
        ('"2, and\nmore.png"', "2, and more.png", "17 cells; expected 16"),
        ('"2, and\nmore.png"', "x" * 200_000, "1 cells; expected 16"),
    ],
)
def test_a_wrong_row_is_named_and_costs_only_itself(table: Path, old: str, new: str, complaint: str) -> None:
    change(table, old, new)
    with pytest.raises(DataError) as caught:
        read(table)
    assert str(caught.value).startswith(f"{table}, row 2 (line 6): {complaint}")
    faults = Faults(skip=True)
    rest = read(table, size=8, faults=faults)
    assert [f.where for f in faults.found] == ["row 2 (line 6)"]
    good = [0, 1, 3, 4]
    assert rest.rows.tolist() == FACES.rows[good].tolist()
    assert (rest.faces == FACES.faces[good]).all()
    assert rest.paths is not None and rest.paths.tolist() == [f"{i}, and\nmore.png" for i in good]


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("row,label", "id,label", r"the column row is missing; the header has id, label, usage"),
        (",usage,", ",split,", "the column usage is missing"),
        (",path,", ",row,", "the column row is there twice"),
        (",votes_fear,", ",fear,", "9 votes columns; expected all 10 or none"),
        (",age,", ",age (years),", r"a column is called 'age \(years\)'; expected letters, digits and underscores"),
        (",age,pixels", ",pixels,age", "the last column is age; expected pixels"),
    ],
)
def test_a_wrong_header_is_refused(table: Path, old: str, new: str, complaint: str) -> None:
    change(table, old, new)
    with pytest.raises(DataError, match=rf"faces\.csv: {complaint}"):
        read(table, kind="mien-csv")


def test_an_empty_file_is_refused(table: Path) -> None:
    table.write_bytes(b"")
    with pytest.raises(DataError, match=r"faces\.csv has no rows"):
        read(table, kind="mien-csv")


def test_a_file_that_was_cut_off_loses_one_row(table: Path) -> None:
    whole = table.read_bytes()
    last = whole.rindex(b"\r\n2147483647,") + 2
    for end in range(last + 1, len(whole) - 3, 7):
        table.write_bytes(whole[:end])
        faults = Faults(skip=True)
        assert read(table, faults=faults).rows.tolist() == FACES.rows[:4].tolist()
        assert [f.where for f in faults.found] == ["row 4 (line 10)"], end


def test_a_quote_that_is_never_closed_does_not_fill_the_memory(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mien.data.sources.mien_csv._MOST", 500)
    change(table, '4, and\nmore.png"', "4, and")
    with table.open("ab") as stream:
        stream.write(b"and so on\r\n" * 100)
    for faults in (Faults(), Faults(skip=True)):
        with pytest.raises(DataError, match=r"faces\.csv, line 10: broken CSV \(a row of more than 820 characters\)"):
            read(table, faults=faults)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_line_ends_blank_lines_and_a_byte_order_mark_change_nothing(table: Path, end: str) -> None:
    text = table.read_bytes().decode().replace("\r\n", end)
    table.write_bytes(f"\ufeff{text}{end}{end}".encode())
    assert recognise(table).name == "mien-csv"
    found = read(table, size=8)
    assert (found.faces == FACES.faces).all()
    assert found.paths is not None and found.paths.tolist() == [f"{i}, and\nmore.png" for i in range(N)]


def test_it_is_recognised_by_its_header(table: Path) -> None:
    assert recognise(table) == ("mien-csv", "its header begins with row,label,usage and ends with pixels")
    found = read(table)
    assert (found.provenance.reader, found.provenance.source) == ("mien-csv", "faces.csv")
    assert found.provenance.sha256 == sha256(table)


def test_a_description_that_is_absent_is_asked_for(table: Path) -> None:
    table.with_name("faces.csv.json").unlink()
    with pytest.raises(DataError, match=r"faces\.csv\.json cannot be read .*Put it back, or export the data again"):
        read(table)


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"size": "8"},
        {"size": 0},
        {"size": True},
        {"vocabulary": {"name": "x", "labels": []}},
        {"vocabulary": {"name": "x", "labels": ["a", "a"]}},
        {"vocabulary": {"name": 3, "labels": ["a"]}},
        {"vocabulary": {"labels": ["a"]}},
        {"vocabulary": None},
        {"usages": []},
        {"usages": ["a", "a"]},
        {"usages": [1]},
        {"usages": [str(i) for i in range(257)]},
    ],
    ids=str,
)
def test_a_description_that_is_damaged_is_refused(table: Path, change: dict[str, object]) -> None:
    beside = table.with_name("faces.csv.json")
    beside.write_text(json.dumps(json.loads(beside.read_text()) | change))
    with pytest.raises(DataError, match=r"faces\.csv\.json is (damaged|of format 2; expected format 1)"):
        read(table)


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b"7", b"[" * 100_000])
def test_a_description_that_is_something_else_is_refused(table: Path, content: bytes) -> None:
    table.with_name("faces.csv.json").write_bytes(content)
    with pytest.raises(DataError, match=r"faces\.csv\.json is damaged"):
        read(table)


def test_it_is_read_a_few_rows_at_a_time(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mien.data.sources.mien_csv.rows_at_once", lambda size: 2)
    assert [len(c.faces) for c in begin(table).chunks] == [2, 2, 1]


PIECES = st.one_of(st.binary(max_size=3), st.sampled_from([b'"', b",", b"\n", b"\r", b"\x00", b"999", b"\xff"]))
EDITS = st.lists(st.tuples(st.floats(0, 1), st.sampled_from([0, 0, 1, 1, 4, 300]), PIECES), min_size=1, max_size=4)


@given(edits=EDITS)
def test_any_damage_gives_faces_or_a_data_error_and_nothing_else(
    edits: list[tuple[float, int, bytes]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp() / "mien-csv"
    if not folder.exists():
        export(FACES, folder / "whole.csv", "csv")
        (folder / "faces.csv.json").write_bytes((folder / "whole.csv.json").read_bytes())
    damaged = (folder / "whole.csv").read_bytes()
    for share, removed, inserted in edits:
        place = int(share * len(damaged))
        damaged = damaged[:place] + inserted + damaged[place + removed :]
    path = folder / "faces.csv"
    path.write_bytes(damaged)
    for skip in (False, True):
        try:
            assert isinstance(read(path, kind="mien-csv", faults=Faults(skip)), FaceSet)
        except DataError as error:
            assert "faces.csv" in str(error)  # noqa: PT017 (an accepted file is as good)
