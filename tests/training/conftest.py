"""A recipe that trains in seconds."""

from __future__ import annotations

from pathlib import Path

import pytest

from mien import data
from mien.data import FaceSet
from tests_support import QUICK


@pytest.fixture
def quick_recipe(tmp_path: Path, tiny_faces: FaceSet) -> Path:
    """Recipe file with its store beside it."""
    data.save(tiny_faces, tmp_path / "tiny.store")
    file = tmp_path / "quick.toml"
    file.write_text(QUICK, encoding="utf-8")
    return file
