"""Which answers are right under FER+, and that labels keep their row ids."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from mien.data import FaceSet
from mien.errors import DataError
from mien.evaluation.protocols import MAJORITY, PLURALITY, Truth, plurality, truths, vote_shares
from mien.expressions import FER2013, FERPLUS


def votes(**of: int) -> np.ndarray:
    columns = (*FERPLUS.labels, "unknown", "nonface")
    found = np.zeros((1, 10), np.uint8)
    for name, count in of.items():
        found[0, columns.index(name)] = count
    return found


@pytest.mark.parametrize(
    ("cast", "label"),
    [
        (votes(fear=4, surprise=3, sadness=3), "fear"),
        (votes(surprise=5, fear=5), "surprise"),  # a tie: the first in the order of FER+
        (votes(neutral=1, contempt=9), "contempt"),
        (votes(happiness=4, unknown=6), None),
        (votes(happiness=4, nonface=6), None),
        (votes(happiness=5, unknown=5), "happiness"),
        (votes(), None),
    ],
)
def test_plurality_is_the_commonest_vote_that_names_an_expression(cast: np.ndarray, label: str | None) -> None:
    assert plurality(cast).tolist() == [-1 if label is None else FERPLUS.index(label)]


def test_vote_shares_leave_out_what_is_no_expression() -> None:
    cast = np.concatenate([votes(happiness=3, neutral=1, unknown=4), votes(nonface=10), votes()])
    shares = vote_shares(cast)
    assert shares[0, FERPLUS.index("happiness")] == 0.75 and shares[0, FERPLUS.index("neutral")] == 0.25
    assert shares[0].sum() == 1 and not shares[1:].any()


def test_every_protocol_of_a_set(tiny_faces: FaceSet) -> None:
    at = np.array([5, 3, 11])
    cast = np.zeros((120, 10), np.uint8)
    cast[5, 1], cast[3, :2] = 10, 5
    found = {t.protocol: t for t in truths(dataclasses.replace(tiny_faces, votes=cast), at)}
    assert list(found) == ["fer2013", MAJORITY, PLURALITY]
    for truth in found.values():
        assert truth.rows.tolist() == tiny_faces.rows[at].tolist()
    assert found["fer2013"].vocabulary == FER2013 and found["fer2013"].labels.tolist() == [5, 3, 4]
    assert found[MAJORITY].labels.tolist() == [1, -1, -1] and found[PLURALITY].labels.tolist() == [1, 0, -1]
    assert (found[MAJORITY].n, found[PLURALITY].n) == (1, 2)


def test_a_set_without_votes_has_its_own_protocol_only(tiny_faces: FaceSet) -> None:
    unknown = dataclasses.replace(tiny_faces, votes=np.zeros((120, 10), np.uint8))
    assert [t.protocol for t in truths(unknown, np.arange(9))] == ["fer2013"]


def test_the_counts_of_fer2013(fer2013: FaceSet) -> None:
    counts = {t.protocol: t.n for t in truths(fer2013, fer2013.where("PublicTest"))}
    assert counts == {"fer2013": 3584, MAJORITY: 3196, PLURALITY: 3550}


@pytest.mark.parametrize("labels", [[0, 7], [-2, 0], [0]])
def test_a_truth_refuses_what_does_not_fit(labels: list[int]) -> None:
    with pytest.raises(DataError):
        Truth("fer2013", "", FER2013, np.array([1, 2]), np.array(labels))
