"""A store as a source."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mien import data, faces
from mien.data import FaceSet
from mien.data.sources import packed
from tests_support import assert_same


@pytest.fixture
def store(tiny_faces: FaceSet, tmp_path: Path) -> Path:
    data.save(tiny_faces, tmp_path / "store")
    return tmp_path / "store"


def test_a_store_is_recognised_and_read_as_it_is(store: Path, tiny_faces: FaceSet) -> None:
    assert data.recognise(store).name == "store"
    assert_same(data.read(store), tiny_faces)


def test_a_store_of_many_chunks_keeps_its_order(
    store: Path, tiny_faces: FaceSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed, "_CHUNK", 7)
    assert_same(data.read(store), tiny_faces)


def test_a_store_is_brought_to_another_size(store: Path, tiny_faces: FaceSet) -> None:
    smaller = data.read(store, size=32)
    assert smaller.size == 32
    assert np.array_equal(smaller.faces[5], faces.whole(tiny_faces.faces[5], 32))
    assert_same(smaller, tiny_faces, but=frozenset({"faces"}))
