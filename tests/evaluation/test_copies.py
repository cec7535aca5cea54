"""Planted copies are found, whatever kind they are, and the answer is kept."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest

from mien.data import FaceSet
from mien.evaluation import copies
from mien.evaluation.copies import find_copies


@pytest.fixture
def planted(tiny_faces: FaceSet) -> FaceSet:
    """Position 100 is 40 but for its lightness, 101 the mirror image of 41, 102 equal to 42."""
    faces = tiny_faces.faces.copy()
    faces[100] = np.clip(faces[40].astype(int) + 3, 0, 255)
    faces[101] = cv2.flip(faces[41], 1)
    faces[102] = faces[42]
    return dataclasses.replace(tiny_faces, faces=faces)


def test_each_kind_is_found(planted: FaceSet) -> None:
    rows, trained = planted.rows[98:120], planted.rows[35:60]
    found = find_copies(planted, rows, trained)
    at = planted.rows
    assert found == {at[100]: "near-identical", at[101]: "mirrored", at[102]: "identical"}


def test_a_row_that_was_trained_on_is_identical(planted: FaceSet) -> None:
    rows, trained = planted.rows[100:105], planted.rows[[40, 103]]
    assert find_copies(planted, rows, trained) == {planted.rows[100]: "near-identical", planted.rows[103]: "identical"}
    assert find_copies(planted, rows[:1], rows[:1]) == {rows[0]: "identical"}


def test_nothing_trained_on_means_no_copies(planted: FaceSet) -> None:
    assert find_copies(planted, planted.rows[:9], planted.rows[:0]) == {}


def test_the_answer_is_cached_by_both_sides(planted: FaceSet, monkeypatch: pytest.MonkeyPatch) -> None:
    searched = []
    search = copies._search
    monkeypatch.setattr(copies, "_search", lambda *a: searched.append(1) or search(*a))
    rows, trained = planted.rows[98:120], planted.rows[35:60]
    first = find_copies(planted, rows, trained)
    assert find_copies(planted, rows[::-1], trained) == first and len(searched) == 1
    assert find_copies(planted, rows, trained[:4]) == {} and len(searched) == 2
    assert find_copies(planted, rows[:3], trained) != first and len(searched) == 3


def test_the_same_source_in_another_size_is_searched_anew(planted: FaceSet) -> None:
    """In 12 pixels a face may be like another that it is not like in 48."""
    rows, trained = planted.rows[98:120], planted.rows[35:60]
    assert find_copies(planted, rows, trained)
    noise = np.random.default_rng(0).integers(0, 256, (120, 12, 12), dtype=np.uint8)
    assert find_copies(dataclasses.replace(planted, faces=noise), rows, trained) == {}
