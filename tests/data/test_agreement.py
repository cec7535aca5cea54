"""FER2013's labels against FER+ votes, counted again by hand."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from mien.data import FaceSet
from mien.data.agreement import NO_MAJORITY, Agreement, agreement
from mien.errors import DataError
from mien.expressions import FER2013, FERPLUS, FERPLUS_VOTES

SAME = {
    "angry": "anger",
    "disgust": "disgust",
    "fear": "fear",
    "happy": "happiness",
    "sad": "sadness",
    "surprise": "surprise",
    "neutral": "neutral",
}


def votes(**given: int) -> list[int]:
    return [given.get(name, 0) for name in FERPLUS_VOTES]


def majority(given: list[int]) -> str:
    """The official protocol, in plain words: forget single votes; more than half of the rest, if an expression."""
    kept = [v if v > 1 else 0 for v in given]
    for name, v in zip(FERPLUS.labels, kept, strict=False):
        if 2 * v > sum(kept):
            return name
    return NO_MAJORITY


def test_each_kind_of_vote_lands_in_its_cell() -> None:
    cases = [
        ("happy", votes(happiness=10), "happiness"),
        ("happy", votes(happiness=8, neutral=1, sadness=1), "happiness"),
        ("sad", votes(neutral=7, sadness=3), "neutral"),
        ("angry", votes(anger=5, fear=5), NO_MAJORITY),
        ("fear", votes(nonface=10), NO_MAJORITY),
        ("fear", votes(unknown=6, fear=4), NO_MAJORITY),
        ("disgust", votes(contempt=9), "contempt"),
        ("angry", votes(anger=6, contempt=4), "anger"),
        ("neutral", votes(), None),
    ]
    labels = np.array([FER2013.index(a) for a, _, _ in cases], np.int8)
    found = agreement(labels, np.array([v for _, v, _ in cases], np.uint8))
    expected = Counter((a, b) for a, _, b in cases if b is not None)
    for i, a in enumerate(found.rows):
        for j, b in enumerate(found.columns):
            assert found.counts[i, j] == expected[a, b], (a, b)
    assert dict(zip(found.rows, found.agreeing.tolist(), strict=True)) == {
        **dict.fromkeys(FER2013.labels, 0),
        "happy": 2,
        "angry": 1,
    }
    assert found.labelled.sum() == 5  # the three without a majority, and the one without votes, are not
    assert found.share == 3 / 5


def test_columns_line_up_with_the_rows_they_agree_with() -> None:
    found = agreement(np.zeros(1, np.int8), np.array([votes(anger=10)], np.uint8))
    assert found.rows == FER2013.labels
    assert found.columns == (*(SAME[a] for a in found.rows), "contempt", NO_MAJORITY)
    assert np.array_equal(found.same, np.eye(7, 9, dtype=bool))


def test_faces_count_as_often_as_they_are_said_to() -> None:
    labels, given = np.array([3, 3], np.int8), np.array([votes(happiness=10), votes(neutral=10)], np.uint8)
    found = agreement(labels, given, np.array([5, 2]))
    assert found.counts.sum() == 7
    assert found.share == 5 / 7


def test_without_any_majority_there_is_no_share() -> None:
    assert agreement(np.zeros(1, np.int8), np.array([votes(anger=5, fear=5)], np.uint8)).share is None


def test_a_matrix_of_another_shape_is_refused() -> None:
    with pytest.raises(DataError, match="agreement matrix of"):
        Agreement(("a",), ("b", "c"), np.zeros((1, 3), np.int64), np.zeros((1, 2), bool))


def test_fer2013_agrees_as_a_count_by_hand_says(shared: Path, fer2013: FaceSet) -> None:
    import pyarrow.parquet as pq

    columns = ["emotion", *(f"votes_{name}" for name in FERPLUS_VOTES)]
    table = pq.read_table(shared / "data" / "fer2013.parquet", columns=columns).to_pydict()
    names = FER2013.labels
    by_hand: Counter[tuple[str, str]] = Counter()
    for emotion, *given in zip(*(table[c] for c in columns), strict=True):
        if any(given):
            by_hand[names[emotion], majority(given)] += 1
    found = agreement(fer2013.labels, fer2013.votes)
    assert {(a, b): n for a, row in found.to_dict()["counts"].items() for b, n in row.items() if n} == by_hand
    of = sum(n for (_, b), n in by_hand.items() if b != NO_MAJORITY)
    assert found.share == sum(by_hand[a, b] for a, b in SAME.items()) / of
    assert found.counts.sum() == 32118 and of == 28238
