"""A study of two small systems that run in a second."""

from __future__ import annotations

from pathlib import Path

import pytest

from mien import data
from mien.data import FaceSet
from mien.studies.engine import Order
from small_study import FIRST, SECOND, STUDY


@pytest.fixture
def study(tmp_path: Path, tiny_faces: FaceSet) -> Path:
    """A study of two small systems, with its data beside it."""
    data.save(tiny_faces, tmp_path / "tiny.store")
    folder = tmp_path / "studies" / "paper"
    for name, recipe in (("first", FIRST), ("second", SECOND)):
        (folder / name).mkdir(parents=True)
        (folder / name / "recipe.toml").write_text(recipe)
    (folder / "study.toml").write_text(STUDY)
    return folder


@pytest.fixture
def order(study: Path, tmp_path: Path) -> Order:
    return Order(study, tmp_path / "tiny.store", tmp_path / "runs", study, draws=100)
