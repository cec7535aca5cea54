"""Rows to files."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from mien.cli.output import RowWriter
from mien.errors import MissingExtraError, OutputError

COLUMNS = {"name": str, "n": int, "x": float, "sure": bool}
ROWS = [
    {"name": 'a,"b"\nü', "n": 1, "x": 0.25, "sure": True},
    {"name": None, "n": None, "x": None, "sure": None},
    {"name": "c", "n": -3, "x": 1e-6, "sure": False},
]


def read(path: Path) -> list[dict[str, object]]:
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    if path.suffix == ".csv":
        with path.open(newline="", encoding="utf-8") as stream:
            found = list(csv.DictReader(stream))
        kinds = {str: str, int: int, float: float, bool: {"true": True, "false": False}.__getitem__}
        return [{k: None if v == "" else kinds[COLUMNS[k]](v) for k, v in row.items()} for row in found]
    return list(pq.read_table(path).to_pylist())


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet", ".CSV"])
def test_every_format_gives_the_rows_back(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / "sub" / f"out{suffix}"
    with RowWriter(path, COLUMNS) as writer:
        writer.write(ROWS[:1])
        assert not path.exists()
        writer.write(ROWS[1:])
    assert read(path.rename(path.with_suffix(suffix.lower()))) == ROWS
    assert len(list(path.parent.iterdir())) == 1


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_rows_written_before_an_error_are_kept(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    with pytest.raises(KeyboardInterrupt), RowWriter(path, COLUMNS) as writer:  # noqa: PT012
        writer.write(ROWS)
        raise KeyboardInterrupt
    assert read(path) == ROWS


def test_no_rows_still_make_a_file_with_the_columns(tmp_path: Path) -> None:
    for suffix in (".csv", ".parquet"):
        with RowWriter(tmp_path / f"out{suffix}", COLUMNS):
            pass
    assert (tmp_path / "out.csv").read_text().strip() == "name,n,x,sure"
    assert pq.read_schema(tmp_path / "out.parquet").names == list(COLUMNS)


def test_many_parquet_rows_stay_in_order(tmp_path: Path) -> None:
    with RowWriter(tmp_path / "out.parquet", {"n": int}) as writer:
        for i in range(5001):
            writer.write([{"n": i}])
    assert pq.read_table(tmp_path / "out.parquet")["n"].to_pylist() == list(range(5001))


def test_bad_names_are_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OutputError, match=r"out\.xlsx.*\.jsonl, \.csv, \.parquet"):
        RowWriter(tmp_path / "out.xlsx", COLUMNS)
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        RowWriter(tmp_path / "folder.csv", COLUMNS)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        RowWriter(tmp_path / "file" / "out.csv", COLUMNS)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'mien\[table\]'"):
        RowWriter(tmp_path / "out.parquet", COLUMNS)


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_a_disk_that_fills_up_at_the_end_is_one_clear_error(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = RowWriter(tmp_path / f"out{suffix}", COLUMNS)
    honest = writer._format.close

    def full() -> None:
        honest()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writer._format, "close", full)
    with pytest.raises(OutputError, match=r"cannot be written \(No space left.*What was written until then"), writer:
        writer.write(ROWS)
    assert read(tmp_path / f"out{suffix}") == ROWS
