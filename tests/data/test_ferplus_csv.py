"""FER+ votes are joined by row, and files that do not line up are refused."""

from __future__ import annotations

import csv
import io
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.data import FaceSet, Faults, begin, gather, pack, read, recognise
from mien.data.reading import Chunk, Reading
from mien.data.sources.ferplus_csv import join
from mien.data.store import USAGES
from mien.errors import DataError
from mien.expressions import FER2013
from mien.files import sha256

HEADER = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
USAGE = ["Training", "Training", "Training", "Training", "PublicTest", "PublicTest", "PrivateTest"]
VOTES = np.random.default_rng(5).multinomial(10, np.full(10, 0.1), len(USAGE))
VOTES[3] = 0


def cells_of(i: int) -> list[str]:
    name = "" if i in (2, 3) else f"fer{max(0, i - 2):07d}.png"  # names skip rows: they do not say which row it is
    return [USAGE[i], name, *map(str, VOTES[i])]


def votes_text(rows: list[list[str]] | None = None, header: str = HEADER) -> str:
    rows = [cells_of(i) for i in range(len(USAGE))] if rows is None else rows
    return "\n".join([header, *(",".join(row) for row in rows)]) + "\n"


def changed(i: int, at: int, cell: str) -> str:
    """The votes, with one cell of row i another."""
    rows = [cells_of(j) for j in range(len(USAGE))]
    rows[i][at] = cell
    return votes_text(rows)


def fer2013_text(usage: list[str]) -> str:
    return "emotion,pixels,Usage\n" + "".join(f"{i % 7},{' '.join([str(i)] * 2304)},{u}\n" for i, u in enumerate(usage))


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., tuple[Path, Path]]:
    """FER2013 and its votes."""

    def write(votes: str | bytes, usage: list[str] = USAGE) -> tuple[Path, Path]:
        (tmp_path / "fer2013.csv").write_text(fer2013_text(usage))
        path = tmp_path / "fer2013new.csv"
        path.write_bytes(votes if isinstance(votes, bytes) else votes.encode())
        return tmp_path / "fer2013.csv", path

    return write


def joined(paths: tuple[Path, Path], faults: Faults | None = None) -> FaceSet:
    faults = faults or Faults()
    return gather(join(begin(paths[0], faults=faults), paths[1], faults))


def reading_of(rows: list[int], usage: list[str], reader: str = "parquet", **more: Any) -> Reading:
    """A reading in chunks of three."""

    def chunks() -> Iterator[Chunk]:
        for at in range(0, len(rows), 3):
            ids = np.array(rows[at : at + 3], np.int32)
            n = len(ids)
            faces = np.repeat(ids.astype(np.uint8), 64).reshape(n, 8, 8)
            use = np.array([USAGES.index(u) for u in usage[at : at + 3]], np.uint8)
            extra = {k: v[at : at + 3] for k, v in more.items()}
            column = {"row_again": ids.astype(np.float64)}
            yield Chunk(faces, np.zeros(n, np.int8), ids, use, columns=column, **extra)

    return Reading(reader, "some.file", FER2013, USAGES, chunks(), lambda: "0" * 64, {"other": "1" * 64})


# ---- what is right


def test_votes_are_joined_by_row(write: Callable[..., tuple[Path, Path]]) -> None:
    paths = write(votes_text())
    found = joined(paths)
    assert found.votes.dtype == np.uint8 and (found.votes == VOTES).all()
    assert found.rows.tolist() == list(range(7))
    assert (found.faces[:, 0, 0] == found.rows).all()
    assert found.provenance.reader == "fer2013-csv"
    assert found.provenance.sha256 == sha256(paths[0])
    assert found.provenance.joined == {"fer2013new.csv": sha256(paths[1])}


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.rstrip("\n"),
        lambda text: text + "\n\r\n",
        lambda text: "\ufeff" + text,
        lambda text: text.replace(HEADER, HEADER.upper().replace(",", " , ")),
        lambda text: re.sub(r"(?m)^(\w+),", r'"\1", ', text),
        lambda text: re.sub(r"(?m)$", ',"a, b"', text.strip()),
        lambda text: re.sub(r"(?m)^(.*?),(.*)$", r"\2,\1", text),
    ],
    ids=[
        "Windows line ends",
        "no last line end",
        "empty lines at the end",
        "byte order mark",
        "header in capitals with spaces",
        "quotes and spaces",
        "a further column",
        "another order",
    ],
)
def test_harmless_differences_change_nothing(
    write: Callable[..., tuple[Path, Path]], change: Callable[[str], str]
) -> None:
    text = change(votes_text())
    assert text != votes_text()
    assert (joined(write(text)).votes == VOTES).all()


def test_row_ids_with_gaps_find_their_votes(write: Callable[..., tuple[Path, Path]]) -> None:
    _, votes = write(votes_text())
    rows = [5, 0, 3, 6]
    reading = reading_of(rows, [USAGE[r] for r in rows])
    found = gather(join(reading, votes, Faults()))
    assert found.rows.tolist() == rows
    assert (found.votes == VOTES[rows]).all()
    assert found.provenance.joined == {"other": "1" * 64, "fer2013new.csv": sha256(votes)}


def test_known_votes_are_replaced(write: Callable[..., tuple[Path, Path]]) -> None:
    _, path = write(votes_text())
    reading = reading_of([0, 1], USAGE[:2], votes=np.full((2, 10), 9, np.uint8))
    assert (gather(join(reading, path, Faults())).votes == VOTES[:2]).all()


def test_the_files_people_have_give_the_votes_of_the_parquet(shared: Path, fer2013: FaceSet, tmp_path: Path) -> None:
    script = shared / "tools" / "make_datasets.py"
    command = [sys.executable, script, tmp_path, "--limit", "300", "--only", "kaggle-csv", "ferplus"]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    found = joined((tmp_path / "kaggle-csv" / "fer2013.csv", tmp_path / "ferplus" / "fer2013new.csv"))
    same = np.concatenate([fer2013.where("Training")[:300], fer2013.where("PublicTest")[:300]])
    assert (found.votes == fer2013.votes[same]).all() and found.votes.any()
    assert (found.faces == fer2013.faces[same]).all()


def test_votes_of_the_whole_csv_are_joined_to_a_parquet_with_a_part_of_its_rows(
    shared: Path, fer2013: FaceSet, tmp_path: Path
) -> None:
    """The votes file of 35,887 rows; the parquet's votes are the same, so joining changes nothing."""
    lines = [["Training"] * 28709, ["PublicTest"] * 3589, ["PrivateTest"] * 3589]
    rows = [[u, "", *["0"] * 10] for part in lines for u in part]
    for row, votes in zip(fer2013.rows.tolist(), fer2013.votes.tolist(), strict=True):
        rows[row][2:] = map(str, votes)
    path = tmp_path / "fer2013new.csv"
    path.write_text(votes_text(rows))
    first = fer2013.take(np.arange(0, len(fer2013), 40))
    usage = [fer2013.usages[u] for u in first.usage]
    found = gather(join(reading_of(first.rows.tolist(), usage), path, Faults()))
    assert (found.votes == first.votes).all()
    del rows[28000]
    path.write_text(votes_text(rows))
    with pytest.raises(DataError, match="Usage is PublicTest, in some.file it is Training: the two files do not line"):
        gather(join(reading_of(fer2013.rows.tolist(), [fer2013.usages[u] for u in fer2013.usage]), path, Faults(True)))


# ---- a votes file is no source of faces


def test_a_votes_file_is_recognised_and_refused_with_what_to_type(write: Callable[..., tuple[Path, Path]]) -> None:
    _, path = write(votes_text())
    found = recognise(path)
    assert found.name == "ferplus-csv" and "Image name" in found.reason
    with pytest.raises(
        DataError, match=f"{path} holds FER\\+ votes and no faces.*import fer2013.csv STORE --votes {path}"
    ):
        read(path)


def test_fer2013_and_its_other_headers_are_not_taken_for_votes(write: Callable[..., tuple[Path, Path]]) -> None:
    faces, votes = write(votes_text(header="\ufeff" + HEADER.replace(",", ", ")))
    assert recognise(faces).name == "fer2013-csv"
    assert recognise(votes).name == "ferplus-csv"


# ---- what is wrong as a whole


@pytest.mark.parametrize("column", HEADER.split(","))
def test_a_missing_column_is_named(write: Callable[..., tuple[Path, Path]], column: str) -> None:
    paths = write(votes_text(header=",".join("x" if c == column else c for c in HEADER.split(","))))
    with pytest.raises(DataError, match=rf"fer2013new\.csv: the column {column} is missing; the header has"):
        joined(paths, Faults(skip=True))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "the column Usage is missing; the header has nothing"),
        (HEADER.encode() + b"\n\n", "has no rows"),
        (votes_text().encode("utf-16"), "is not text"),
    ],
)
def test_a_votes_file_without_rows_or_text_is_refused(
    write: Callable[..., tuple[Path, Path]], content: bytes, complaint: str
) -> None:
    paths = write(content)
    with pytest.raises(DataError, match=complaint) as caught:
        joined(paths, Faults(skip=True))
    assert str(caught.value).startswith(str(paths[1]))


def test_a_votes_file_that_is_not_there_is_named(write: Callable[..., tuple[Path, Path]], tmp_path: Path) -> None:
    faces, _ = write(votes_text())
    for path in (tmp_path / "absent.csv", tmp_path):
        with pytest.raises(DataError, match=f"{path} cannot be read"):
            joined((faces, path))


def test_a_reading_with_other_usages_is_refused(write: Callable[..., tuple[Path, Path]]) -> None:
    _, votes = write(votes_text())
    other = replace(reading_of([0], ["Training"]), usages=("Training", "test", "PrivateTest"))
    with pytest.raises(DataError, match=r"cannot be joined to some.file \(parquet; Training, test, PrivateTest\)"):
        join(other, votes, Faults(skip=True))


def test_a_reading_of_folders_is_refused(write: Callable[..., tuple[Path, Path]]) -> None:
    """Its row ids are places in a list of files."""
    _, votes = write(votes_text())
    with pytest.raises(DataError, match=r"cannot be joined to some.file \(image-folders; .*not those of fer2013.csv"):
        join(reading_of([0], ["Training"], "image-folders"), votes, Faults(skip=True))


@pytest.mark.parametrize("skip", [False, True])
def test_a_shifted_votes_file_is_refused_even_where_rows_are_skipped(
    write: Callable[..., tuple[Path, Path]], skip: bool
) -> None:
    rows = [cells_of(i) for i in range(7)]
    paths = write(votes_text(rows[1:] + rows[-1:]))
    complaint = (
        rf"{paths[1]}, row 3 \(line 5\): Usage is PublicTest, in fer2013\.csv it is Training: "
        r"the two files do not line up"
    )
    with pytest.raises(DataError, match=complaint):
        joined(paths, Faults(skip))


@pytest.mark.parametrize("skip", [False, True])
def test_a_votes_file_that_ends_too_early_is_refused(write: Callable[..., tuple[Path, Path]], skip: bool) -> None:
    paths = write(votes_text([cells_of(i) for i in range(6)]))
    with pytest.raises(DataError, match=rf"{paths[1]} has 6 rows and fer2013\.csv has a row 6: .* do not line up"):
        joined(paths, Faults(skip))


@pytest.mark.parametrize("skip", [False, True])
def test_a_votes_file_with_more_rows_than_the_csv_is_refused(
    write: Callable[..., tuple[Path, Path]], skip: bool
) -> None:
    paths = write(votes_text([*(cells_of(i) for i in range(7)), cells_of(6)]))
    with pytest.raises(DataError, match=rf"{paths[1]} has 8 rows and fer2013\.csv has 7: the two files do not line up"):
        joined(paths, Faults(skip))
    bad = write(changed(0, 3, "x") + ",".join(cells_of(6)))
    with pytest.raises(DataError, match="has 8 rows" if skip else "happiness is 'x'"):  # its own faults excuse nothing
        joined(bad, Faults(skip))


def test_a_csv_of_which_rows_were_skipped_may_have_lost_its_last_ones(
    write: Callable[..., tuple[Path, Path]],
) -> None:
    faces, votes = write(votes_text())
    text = faces.read_text()
    faces.write_text(text[: text.rindex("5 5 5")])
    faults = Faults(skip=True)
    found = joined((faces, votes), faults)
    assert found.rows.tolist() == [0, 1, 2, 3, 4] and (found.votes == VOTES[:5]).all()
    assert [f.where for f in faults.found] == ["row 5 (line 7)"]


def test_a_store_of_a_csv_may_lack_rows_that_were_skipped_before(write: Callable[..., tuple[Path, Path]]) -> None:
    _, votes = write(votes_text())
    rows = [0, 2, 3]
    found = gather(join(reading_of(rows, [USAGE[r] for r in rows], "fer2013-csv"), votes, Faults()))
    assert (found.votes == VOTES[rows]).all()


def test_rows_after_a_skipped_one_keep_their_votes(write: Callable[..., tuple[Path, Path]]) -> None:
    faces, votes = write(votes_text())
    faces.write_text(faces.read_text().replace("1,1 1", '1,"1 1', 1))
    found = joined((faces, votes), Faults(skip=True))
    assert found.rows.tolist() == [0, 2, 3, 4, 5, 6] and (found.votes == VOTES[found.rows]).all()


# ---- what is wrong in a row


WRONG = {
    "short": (votes_text([[*cells_of(0)], cells_of(1)[:-1], *(cells_of(i) for i in range(2, 7))]), "11 cells in"),
    "long": (changed(1, 11, "0,0"), "13 cells in"),
    "empty": (votes_text([cells_of(0), [], *(cells_of(i) for i in range(2, 7))]), "1 cells in"),
    "usage": (changed(1, 0, "Train"), "Usage is 'Train' in fer2013new.csv; expected Training or PublicTest or Private"),
    "word": (changed(1, 2, "x"), "neutral is 'x' in fer2013new.csv; expected a whole number from 0 to 255"),
    "fraction": (changed(1, 3, "1.0"), r"happiness is '1\.0' in"),
    "negative": (changed(1, 4, "-1"), "surprise is '-1' in"),
    "256": (changed(1, 5, "256"), "sadness is '256' in"),
    "no count": (changed(1, 9, ""), "contempt is '' in"),
    "other digits": (changed(1, 10, "٣"), "unknown is '٣' in"),
    "huge": (changed(1, 11, "9" * 5000), "NF is '9{40}' in"),
    "bytes": (changed(1, 11, "é").encode("latin-1"), "NF is '\ufffd' in"),
    "no votes": (changed(1, 0, "Training").replace(",".join(cells_of(1)), "Training,fer1.png" + ",0" * 10),
                 r"the votes sum to zero in fer2013new.csv; expected at least one vote, as .* an image name \(fer1"),
    "open quote": (changed(1, 1, '"fer0'), "2 cells in"),
    "endless cell": (changed(1, 1, '"' + "x" * 140_000), "0 cells in"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "complaint"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_in_a_row_is_named_with_file_row_and_line(
    write: Callable[..., tuple[Path, Path]], content: str | bytes, complaint: str
) -> None:
    paths = write(content)
    with pytest.raises(DataError, match=complaint) as caught:
        joined(paths)
    assert str(caught.value).startswith(f"{paths[1]}, row 1 (line 3): ")
    assert str(caught.value).endswith("--skip-bad.") and len(str(caught.value)) < 500


@pytest.mark.parametrize(("content", "complaint"), WRONG.values(), ids=WRONG.keys())
def test_where_bad_rows_are_skipped_a_row_of_votes_costs_its_face(
    write: Callable[..., tuple[Path, Path]], content: str | bytes, complaint: str, tmp_path: Path
) -> None:
    faults = Faults(skip=True)
    paths = write(content)
    found = pack(join(begin(paths[0], faults=faults), paths[1], faults), tmp_path / "store", faults)
    assert found.rows.tolist() == [0, 2, 3, 4, 5, 6]
    assert (found.faces[:, 0, 0] == found.rows).all()
    assert (found.votes == VOTES[found.rows]).all()
    assert [f.where for f in faults.found] == ["row 1 (line 3)"]
    assert re.search(complaint, faults.found[0].reason)


def test_what_else_a_chunk_holds_stays_with_its_face(write: Callable[..., tuple[Path, Path]]) -> None:
    _, votes = write(changed(1, 2, "x"))
    names = [f"{i}.png" for i in range(6)]
    reading = reading_of([*range(6)], USAGE[:6], paths=names, subjects=[n[0] for n in names])
    found = gather(join(reading, votes, Faults(skip=True)))
    assert found.rows.tolist() == found.columns["row_again"].tolist() == [0, 2, 3, 4, 5]
    assert found.paths is not None and found.paths.tolist() == [n for n in names if n != "1.png"]
    assert found.subjects is not None and found.subjects.tolist() == ["0", "2", "3", "4", "5"]
    assert (found.faces[:, 0, 0] == found.rows).all()


# ---- any damage


TEXT = votes_text().encode()
PLACES = st.one_of(st.integers(len(HEADER), len(TEXT)), st.integers(0, len(TEXT)))
PIECES = st.one_of(st.binary(max_size=3), st.sampled_from([b",", b"\n", b"\r", b'"', b" ", b"0", b"99", b"Training"]))
EDITS = st.lists(st.tuples(PLACES, st.sampled_from([0, 0, 1, 1, 3, 40, 10**6]), PIECES), min_size=1, max_size=3)


def right(line: bytes, names: list[str]) -> list[str] | None:
    """Usage, image name and votes of a right row."""
    cells = [c.strip() for c in next(csv.reader(io.StringIO(line.decode("utf-8", "replace"), newline="")), [])]
    if len(cells) != len(names):
        return None
    usage, name, *votes = (cells[names.index(c)] for c in HEADER.lower().split(","))
    numbers = all(re.fullmatch("[0-9]{1,3}", v) and str(int(v)) == v and int(v) < 256 for v in votes)
    if usage not in USAGES or not numbers or (name and not any(map(int, votes))):
        return None
    return [usage, name, *votes]


@given(edits=EDITS, skip=st.booleans())
def test_any_damage_gives_the_votes_of_right_rows_or_a_data_error_and_nothing_else(
    edits: list[tuple[int, int, bytes]], skip: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    damaged = TEXT
    for place, removed, inserted in edits:
        damaged = damaged[:place] + inserted + damaged[place + removed :]
    path = tmp_path_factory.getbasetemp() / "votes.csv"
    path.write_bytes(damaged)
    faults = Faults(skip)
    try:
        found = gather(join(reading_of([*range(7)], USAGE), path, faults))
    except DataError as error:
        # A reading of parquet may lack rows: that it ends before the votes do is no error.
        assert "votes.csv" in str(error) or "no faces could be read" in str(error)  # noqa: PT017
        return
    lines = damaged.removeprefix(b"\xef\xbb\xbf").splitlines()
    names = [c.strip().lower() for c in next(csv.reader([lines[0].decode()]))]
    said = [right(line, names) for line in lines[1:8]]
    assert found.rows.tolist() == [i for i, row in enumerate(said) if row]
    assert [f.where for f in faults.found] == [f"row {i} (line {i + 2})" for i, row in enumerate(said) if not row]
    for row, votes in zip(found.rows.tolist(), found.votes.tolist(), strict=True):
        wanted = said[row]
        assert wanted is not None and wanted[0] == USAGE[row] and [int(v) for v in wanted[2:]] == votes
