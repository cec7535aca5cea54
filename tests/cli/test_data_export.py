"""``mien data export``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from mien.cli.data_export import export
from mien.data import FaceSet, Split, read, save
from mien.errors import DataError
from tests_support import assert_same

app = typer.Typer()
app.command()(export)


@pytest.fixture
def store(tiny_faces: FaceSet, tmp_path: Path) -> Path:
    save(tiny_faces, tmp_path / "store")
    return tmp_path / "store"


def run(*arguments: object) -> str:
    done = CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize(
    ("name", "form"),
    [("faces.csv", "csv"), ("faces.PARQUET", "parquet"), ("faces", "folders"), ("faces.d", "folders")],
)
def test_the_form_is_told_by_the_name(store: Path, tiny_faces: FaceSet, tmp_path: Path, name: str, form: str) -> None:
    said = run(store, tmp_path / name)
    assert said.startswith(f"{tmp_path / name}: 120 faces as {form}, ")
    assert said.count("\n") == 1
    assert_same(read(tmp_path / name), tiny_faces, but=frozenset({"provenance"}))


def test_the_form_can_be_given(store: Path, tiny_faces: FaceSet, tmp_path: Path) -> None:
    run(store, tmp_path / "faces.csv", "--as", "folders")
    assert_same(read(tmp_path / "faces.csv"), tiny_faces, but=frozenset({"provenance"}))


def test_the_size_is_that_on_disk_and_the_description_is_named(store: Path, tmp_path: Path) -> None:
    said = run(store, tmp_path / "faces.csv")
    size = (tmp_path / "faces.csv").stat().st_size
    assert said.endswith(f"{size / 1e6:.1f} MB; what its cells mean is in {tmp_path / 'faces.csv.json'}\n")
    said = run(store, tmp_path / "faces")
    size = sum(p.stat().st_size for p in (tmp_path / "faces").rglob("*") if p.is_file())
    assert said.endswith(f"{size / 1e6:.1f} MB\n")


def test_the_parts_of_a_split_are_written(store: Path, tiny_faces: FaceSet, tmp_path: Path) -> None:
    train = np.repeat(tiny_faces.rows[:30], 2)
    parts = {"train": train, "test": tiny_faces.rows[100:110]}
    Split("mine", 0, tiny_faces.provenance.sha256, parts, balance="over").save(tmp_path / "split.json")
    said = run(store, tmp_path / "faces", "--split", tmp_path / "split.json")
    assert said.startswith(f"{tmp_path / 'faces'}: 40 faces as folders")
    found = read(tmp_path / "faces")
    assert (found.usages, np.bincount(found.usage).tolist()) == (("train", "test"), [30, 10])


def test_an_unknown_form_is_refused(store: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no form named 'zip'"):
        run(store, tmp_path / "faces", "--as", "zip")
    assert not (tmp_path / "faces").exists()
