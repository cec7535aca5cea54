"""What export writes on a card: which labels count, on which faces, and the table of thresholds."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from mien import bundle
from mien.card import Calibration, CardThreshold
from mien.data import FaceSet
from mien.errors import DataError
from mien.evaluation import cards
from mien.evaluation.calibration import certainty_threshold, expected_calibration_error
from mien.evaluation.scores import Predictions
from mien.expressions import FER2013, FERPLUS, ferplus_majority
from mien.records import record


def test_answers_are_those_of_the_bundle_for_the_faces_asked(toy_bundle: Path, tiny_faces: FaceSet) -> None:
    at = np.random.default_rng(0).choice(120, 300)  # more than a batch, in any order, some twice
    names = ["ferplus_probabilities", "fer2013_logits"]
    network = cards.opened((toy_bundle / "model.onnx").read_bytes())
    found = cards.answers(network, names, tiny_faces, at)
    wanted = bundle.Bundle(toy_bundle).score(np.ascontiguousarray(tiny_faces.faces[at]), names)
    assert list(found) == names
    for name in names:
        np.testing.assert_allclose(found[name], wanted[name], atol=1e-6)


def test_what_counts_are_the_own_labels_and_the_official_majority(tiny_faces: FaceSet) -> None:
    at = np.arange(3, 60)
    found = cards.right_answers(tiny_faces, at)
    assert list(found) == ["fer2013", "ferplus"]
    np.testing.assert_array_equal(found["fer2013"].labels, tiny_faces.labels[at])
    np.testing.assert_array_equal(found["ferplus"].labels, ferplus_majority(tiny_faces.votes[at]))
    np.testing.assert_array_equal(found["ferplus"].rows, tiny_faces.rows[at])
    without = dataclasses.replace(tiny_faces, votes=np.zeros_like(tiny_faces.votes))
    assert list(cards.right_answers(without, at)) == ["fer2013"]


def test_labels_in_the_vocabulary_of_the_votes_go_before_them(tiny_faces: FaceSet) -> None:
    own = dataclasses.replace(tiny_faces, vocabulary=FERPLUS)
    found = cards.right_answers(own, np.arange(60))
    assert list(found) == ["ferplus"]
    np.testing.assert_array_equal(found["ferplus"].labels, own.labels[:60])


def test_a_score_says_how_it_was_counted(tiny_faces: FaceSet) -> None:
    at = np.arange(90, 120)
    for name, truth in cards.right_answers(tiny_faces, at).items():
        answers = np.eye(len(truth.vocabulary))[np.where(truth.labels == 1, 0, truth.labels)]  # 1 is taken for 0
        found = cards.score(tiny_faces, "public_test", Predictions(truth.vocabulary, truth.rows, answers), truth)
        counted = truth.labels[truth.labels >= 0]
        assert found["data"] == "tiny.csv" and found["part"] == "public_test"
        assert found["n"] == len(counted)
        assert found["value"] == pytest.approx((counted != 1).mean())
        labels = truth.vocabulary.labels
        assert found["recall"][labels[0]] in (1.0, None)
        assert found["recall"][labels[1]] == (0.0 if (counted == 1).any() else None)
        assert found["protocol"].startswith(f"{name} ")
    assert cards.protocol(FER2013, FER2013) == "fer2013 labels, every face"
    assert cards.protocol(FERPLUS, FER2013) == "ferplus majority: single votes dropped, more than half required"


def made(n: int = 400) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Probabilities of two classes that mean what they say, and a second vocabulary in which half have a label."""
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.5, 1, n)
    p = np.column_stack([confidence, 1 - confidence])
    labels = (rng.random(n) > confidence).astype(int)
    return {"moods": p, "ferplus": p}, {"moods": labels, "ferplus": np.where(np.arange(n) % 2, labels, -1)}


def test_a_card_has_a_threshold_for_each_error_rate() -> None:
    p, labels = made()
    found = record(Calibration, cards.calibration(p, labels, "moods") | {"temperature": {}}, "it")
    assert (found.fitted_on, found.n, found.error_rate, found.reached) == ("validation", 400, 0.2, True)
    assert [t.error_rate for t in found.thresholds] == [0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3]
    for t in found.thresholds:
        chosen = certainty_threshold(p["moods"], labels["moods"], 1 - t.error_rate)
        assert t == CardThreshold(t.error_rate, chosen.confidence, chosen.accuracy, chosen.share, chosen.reached)
    default = found.thresholds[4]
    assert (found.uncertain_below, found.accuracy_when_certain, found.share_certain) == (
        default.confidence,
        default.accuracy,
        default.share,
    )
    assert found.expected_error["moods"] == pytest.approx(expected_calibration_error(p["moods"], labels["moods"]))
    named = np.arange(400) % 2 == 1
    assert found.expected_error["ferplus"] == pytest.approx(
        expected_calibration_error(p["ferplus"][named], labels["ferplus"][named])
    )


def test_another_error_rate_becomes_the_card_s_own_and_joins_the_table() -> None:
    p, labels = made()
    found = cards.calibration(p, labels, "ferplus", 0.12)
    assert found["error_rate"] == 0.12 and found["n"] == 200
    assert [t["error_rate"] for t in found["thresholds"]] == [0.02, 0.05, 0.1, 0.12, 0.15, 0.2, 0.25, 0.3]
    (own,) = (t for t in found["thresholds"] if t["error_rate"] == 0.12)
    assert (found["uncertain_below"], found["accuracy_when_certain"]) == (own["confidence"], own["accuracy"])
    assert own["confidence"] > found["thresholds"][5]["confidence"]
    assert len(cards.calibration(p, labels, "moods", 0.1)["thresholds"]) == 7


def test_a_card_says_where_an_error_rate_is_not_kept() -> None:
    p = {"moods": np.array([[0.9, 0.1], [0.7, 0.3], [0.6, 0.4]])}
    found = record(
        Calibration, cards.calibration(p, {"moods": np.array([1, 0, 0])}, "moods") | {"temperature": {}}, "it"
    )
    assert not found.reached and [t.reached for t in found.thresholds] == [False] * 7
    assert found.uncertain_below == 0.9 and found.accuracy_when_certain == 0


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.1, 20.0])
def test_an_error_rate_that_is_no_share_is_refused(rate: float) -> None:
    p, labels = made(20)
    with pytest.raises(DataError, match="a share between 0 and 1"):
        cards.calibration(p, labels, "moods", rate)
