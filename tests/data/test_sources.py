"""Readers: what is right is read exactly, what is wrong is named with its file and row."""

from __future__ import annotations

from pathlib import Path

import pytest

from mien.data import open_faces, read
from mien.errors import DataError


def test_a_file_that_does_not_exist_is_named(tmp_path: Path) -> None:
    for opener in (read, open_faces):
        with pytest.raises(DataError, match=r"absent\.csv does not exist"):
            opener(tmp_path / "absent.csv")


def test_a_file_of_another_kind_is_refused_with_the_kinds_there_are(tmp_path: Path) -> None:
    (tmp_path / "faces.xlsx").write_bytes(b"x")
    with pytest.raises(DataError, match=r"no kind that mien recognises; expected .*fer2013-csv \(Kaggle.*--as NAME"):
        read(tmp_path / "faces.xlsx")


def test_the_suffix_may_be_in_capitals(tmp_path: Path) -> None:
    (tmp_path / "FER2013.CSV").write_text(f"emotion,pixels,Usage\n3,{' '.join(['7'] * 2304)},Training\n")
    assert len(read(tmp_path / "FER2013.CSV")) == 1
