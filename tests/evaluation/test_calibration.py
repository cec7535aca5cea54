"""Temperature, calibration error and the threshold of certainty, on data whose truth is known."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.errors import DataError
from mien.evaluation.calibration import (
    assess,
    certainty_threshold,
    expected_calibration_error,
    fit_temperature,
    log_probabilities,
    selective_accuracy,
    softmax,
)
from mien.evaluation.measures import Certainty, Estimate


def drawn(n: int, sharpness: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits whose softmax is the true distribution, and labels drawn from it."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, sharpness, (n, 7))
    labels = (softmax(logits).cumsum(axis=1) > rng.random(n)[:, None]).argmax(axis=1)
    return logits, labels


@pytest.mark.parametrize("planted", [0.5, 1.0, 2.5])
def test_a_planted_temperature_is_found(planted: float) -> None:
    logits, labels = drawn(20000, 2.0)
    assert fit_temperature(logits * planted, labels) == pytest.approx(planted, rel=0.04)


def test_the_temperature_is_the_likeliest() -> None:
    logits, labels = drawn(500, 1.0)
    logits = logits * 1.7

    def likelihood(t: float) -> float:
        return float(np.log(softmax(logits / t)[np.arange(500), labels]).mean())

    best = fit_temperature(logits, labels)
    assert all(likelihood(best) >= likelihood(best * f) for f in (0.9, 0.99, 1.01, 1.1))


def test_calibration_error_is_small_when_calibrated_and_found_when_not() -> None:
    logits, labels = drawn(20000, 2.0)
    assert expected_calibration_error(softmax(logits), labels) < 0.015
    assert expected_calibration_error(softmax(logits * 4), labels) > 0.1


def test_calibration_error_by_hand() -> None:
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.4, 0.6]])
    labels = np.array([0, 1, 0, 1])
    # bin of 0.9: 2 faces, 1 right; bin of 0.6: 2 faces, both right
    assert expected_calibration_error(probabilities, labels, 10) == pytest.approx(0.5 * 0.4 + 0.5 * 0.4)
    assert expected_calibration_error(np.array([[1.0, 0.0]]), np.array([0])) == 0


def test_the_threshold_is_the_lowest_that_keeps_the_promise() -> None:
    logits, labels = drawn(3000, 1.5)
    p = softmax(logits)
    found = certainty_threshold(p, labels, 0.8)
    confidence, right = p.max(1), p.argmax(1) == labels
    above = confidence >= found.confidence
    assert right[above].mean() == pytest.approx(found.accuracy) and found.accuracy >= 0.8
    assert above.mean() == pytest.approx(found.share)
    for lower in np.unique(confidence[~above]):
        assert right[confidence >= lower].mean() < 0.8


def test_an_impossible_promise_gives_the_most_confident_face() -> None:
    p = np.array([[0.7, 0.3], [0.9, 0.1]])
    found = certainty_threshold(p, np.array([1, 1]), 0.8)
    assert (found.confidence, found.accuracy, found.share, found.reached) == (0.9, 0.0, 0.5, False)


def test_nothing_to_fit_on_is_an_error() -> None:
    with pytest.raises(DataError, match="no faces"):
        fit_temperature(np.zeros((0, 7)), np.zeros(0, int))
    with pytest.raises(DataError, match="no faces"):
        certainty_threshold(np.zeros((0, 7)), np.zeros(0, int))


def sure(*confidences: float) -> np.ndarray:
    """Probabilities of two classes, the first answered with these confidences."""
    return np.array([[c, 1 - c] for c in confidences])


def test_a_threshold_does_not_part_faces_of_equal_confidence() -> None:
    """In order: right; right, right, wrong at the same 0.8; cut within these, 0.9 would be reached with three faces."""
    p, labels = sure(0.9, 0.8, 0.8, 0.8, 0.6), np.array([0, 0, 0, 1, 1])
    found = certainty_threshold(p, labels, 0.9)
    assert (found.confidence, found.accuracy, found.share, found.reached) == (0.9, 1.0, 0.2, True)
    found = certainty_threshold(p, labels, 0.75)
    assert (found.confidence, found.accuracy, found.share, found.reached) == (0.8, 0.75, 0.8, True)
    # three of ten are right, which is an error rate of 0.7, though 1 - 0.7 is a little more than 3 / 10
    assert certainty_threshold(sure(*[0.8] * 10), np.array([0] * 3 + [1] * 7), 1 - 0.7).reached


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(50, 60), st.booleans()), min_size=1, max_size=60),
    st.sampled_from([0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9]),
)
def test_a_threshold_says_what_is_true_of_the_faces_at_or_above_it(faces: list[tuple[int, bool]], rate: float) -> None:
    p, labels = sure(*(c / 100 + 0.001 for c, _ in faces)), np.array([0 if right else 1 for _, right in faces])
    found, confidence = certainty_threshold(p, labels, 1 - rate), p[:, 0]

    def accuracy(threshold: float) -> tuple[int, int]:
        return int((labels[confidence >= threshold] == 0).sum()), int((confidence >= threshold).sum())

    right, n = accuracy(found.confidence)
    assert found.accuracy == right / n and found.share == n / len(faces)
    good = [c for c in np.unique(confidence) if accuracy(c)[0] / accuracy(c)[1] >= 1 - rate - 1e-9]
    assert found.reached == bool(good)
    assert found.confidence == (min(good) if good else confidence.max())


# ---- selective accuracy


def test_selective_accuracy_by_hand() -> None:
    share, accuracy = selective_accuracy(sure(0.6, 0.9, 0.8, 0.8), np.array([1, 0, 0, 1]))
    assert share.tolist() == [0.25, 0.75, 1.0]  # the two of 0.8 are answered together
    assert accuracy == pytest.approx([1, 2 / 3, 0.5])


def test_selective_accuracy_of_many_faces_has_a_point_for_each_hundredth() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.5, 1, 5003)
    labels = (rng.random(5003) > confidence).astype(int)
    share, accuracy = selective_accuracy(sure(*confidence), labels)
    assert len(share) == 101 and share[0] == 1 / 5003 and share[-1] == 1 and (np.diff(share) > 0).all()
    assert np.abs(share[1:] - np.arange(1, 101) / 100).max() < 1 / 5003 + 1e-9
    assert accuracy[-1] == (labels == 0).mean() and accuracy[10] > accuracy[50] > accuracy[-1]
    for s, a in zip(share, accuracy, strict=True):
        certain = confidence >= np.sort(confidence)[::-1][round(s * 5003) - 1]
        assert a == pytest.approx((labels[certain] == 0).mean())


def measured(p: np.ndarray, labels: np.ndarray, draws: int = 200) -> Certainty:
    return assess("mine", labels, p, None, "", [], draws)


def test_faces_that_are_all_right_or_all_wrong_or_one() -> None:
    rng = np.random.default_rng(0)
    p = sure(*rng.uniform(0.5, 1, 50))
    for labels, area in ((np.zeros(50, int), 0.0), (np.ones(50, int), 1.0)):
        found = measured(p, labels)
        assert set(found.accuracy) == {1 - area}
        assert found.risk_area == Estimate(area, None, None, 50)
    one = measured(sure(0.7), np.array([0]))
    assert (one.share, one.accuracy) == ([1.0], [1.0])
    assert one.risk_area.value == 0 and one.given.error.value == pytest.approx(0.3)
    assert one.given.log_loss.value == pytest.approx(-np.log(0.7))


def test_the_area_is_the_mean_error_over_the_shares_answered() -> None:
    # in order of confidence: right, wrong, right, wrong
    found = measured(sure(0.9, 0.8, 0.7, 0.6), np.array([0, 1, 0, 1]))
    assert found.risk_area.value == pytest.approx((0 + 1 / 2 + 1 / 3 + 1 / 2) / 4)
    assert measured(sure(0.6, 0.7, 0.8, 0.9), np.array([0, 1, 0, 1])).risk_area.value == pytest.approx(
        (1 + 1 / 2 + 2 / 3 + 1 / 2) / 4
    )
    # all of one confidence: nothing tells them apart, so the mean is over the same error
    assert measured(sure(0.7, 0.7, 0.7, 0.7), np.array([0, 0, 0, 1])).risk_area.value == pytest.approx(0.25)


# ---- everything together

RATES = (0.02, 0.05, 0.1, 0.2, 0.3)


def test_a_planted_overconfidence_is_found_measured_and_mended() -> None:
    planted = 2.0
    logits, labels = drawn(12000, 1.5)
    true, said = softmax(logits), softmax(logits * planted)
    held, at = slice(0, 6000), slice(6000, None)
    found = assess("mine", labels[at], said[at], (labels[held], said[held]), "validation", RATES, 500)
    assert found.temperature == pytest.approx(planted, rel=0.05)
    assert (found.protocol, found.fitted_on, found.fitted_n) == ("mine", "validation", 6000)
    # what the error is without the chance of the draw: confidence less the true probability of what is answered
    confidence, answer = said[at].max(axis=1), said[at].argmax(axis=1)
    gap = confidence - true[at][np.arange(6000), answer]
    expected = np.abs(np.bincount((confidence * 15).astype(int).clip(max=14), gap)).sum() / 6000
    error, scaled = found.given.error, found.scaled
    assert scaled is not None
    assert error.low is not None and error.high is not None and scaled.error.value is not None
    assert expected > 0.1 and error.low < expected < error.high < error.low + 0.05
    assert error.value == pytest.approx(expected_calibration_error(said[at], labels[at]), abs=1e-9)
    assert scaled.error.value < 0.025 and scaled.error.low == 0
    assert scaled.error.value == pytest.approx(
        expected_calibration_error(softmax(logits[at] * planted / found.temperature), labels[at]), abs=1e-9
    )
    before, after = found.given.log_loss, scaled.log_loss
    assert before.low is not None and after.value is not None and after.high is not None
    assert after.high < before.low
    best = -np.log(true[at][np.arange(6000), labels[at]]).mean()
    assert after.value == pytest.approx(best, abs=0.002)


def test_calibrated_probabilities_are_not_said_to_be_miscalibrated() -> None:
    """Chance alone makes an error; its size is known by simulation, and the interval reaches from it to 0."""
    logits, labels = drawn(2000, 1.5)
    p, rng = softmax(logits), np.random.default_rng(1)
    chance = [
        expected_calibration_error(p, (p.cumsum(axis=1) > rng.random(2000)[:, None]).argmax(axis=1)) for _ in range(50)
    ]
    found = assess("mine", labels, p, (labels, p), "validation", [], 300).given.error
    assert found.value is not None and found.low is not None and found.high is not None
    assert min(chance) <= found.value <= max(chance)
    assert found.low == 0 and found.high < 2 * max(chance)


def test_bins_are_the_faces_of_like_confidence() -> None:
    logits, labels = drawn(3000, 1.5)
    p = softmax(logits)
    found = measured(p, labels).given
    assert len(found.bins) == 15 and sum(b.n for b in found.bins) == 3000
    confidence, right = p.max(axis=1), p.argmax(axis=1) == labels
    for b in found.bins:
        inside = (confidence >= b.low) & (confidence < b.high)
        assert inside.sum() == b.n
        if b.n:
            assert b.confidence == pytest.approx(confidence[inside].mean())
            assert b.accuracy == pytest.approx(right[inside].mean())
        else:
            assert b.confidence is None and b.accuracy is None
    assert found.error.value == pytest.approx(
        sum(b.n * abs((b.confidence or 0) - (b.accuracy or 0)) for b in found.bins) / 3000
    )
    last = measured(np.array([[1.0, 0.0]]), np.array([0])).given.bins[-1]
    assert (last.n, last.confidence, last.accuracy) == (1, 1.0, 1.0)


def test_thresholds_are_chosen_on_the_held_out_faces_and_tried_on_the_others() -> None:
    logits, labels = drawn(6000, 1.5)
    p = softmax(logits)
    held, at = slice(0, 2000), slice(2000, None)
    found = assess("mine", labels[at], p[at], (labels[held], p[held]), "validation", RATES, 100)
    assert [point.error_rate for point in found.points] == list(RATES)
    for point in found.points:
        chosen = certainty_threshold(p[held], labels[held], 1 - point.error_rate)
        assert (point.confidence, point.held_accuracy) == (chosen.confidence, chosen.accuracy)
        assert (point.held_share, point.reached) == (chosen.share, True)
        certain = p[at].max(axis=1) >= chosen.confidence
        right = (p[at].argmax(axis=1) == labels[at])[certain]
        assert point.accuracy.value == pytest.approx(right.mean()) and point.accuracy.n == len(right)
        assert point.share.value == pytest.approx(certain.mean()) and point.share.n == 4000
        assert point.accuracy.low is not None and point.accuracy.high is not None
        assert point.accuracy.low < 1 - point.error_rate < point.accuracy.high + 0.03
    shares = [point.held_share for point in found.points]
    assert shares == sorted(shares) and shares[0] < shares[-1]


def test_a_threshold_that_no_face_reaches_has_no_accuracy() -> None:
    p, labels = sure(0.6, 0.7), np.array([0, 0])
    found = assess("mine", labels, p, (np.array([1, 0]), sure(0.95, 0.6)), "validation", [0.1], 50)
    (point,) = found.points
    at = assess("mine", labels, p, (labels, p), "validation", [0.1], 50).points[0]
    assert (at.confidence, at.share.value) == (0.6, 1.0)  # a face of the threshold's own confidence is answered
    assert (point.confidence, point.reached, point.held_accuracy, point.held_share) == (0.95, False, 0.0, 0.5)
    assert (point.accuracy.value, point.accuracy.n, point.share.value) == (None, 0, 0.0)


def test_without_held_out_faces_nothing_is_fitted() -> None:
    logits, labels = drawn(200, 1.5)
    none = (np.zeros(0, int), np.zeros((0, 7)))
    for held in (None, none):
        found = assess("mine", labels, softmax(logits), held, "validation", RATES, 50)
        assert (found.fitted_on, found.fitted_n, found.temperature, found.scaled, found.points) == (
            "",
            0,
            None,
            None,
            [],
        )


def test_the_temperature_of_probabilities_is_that_of_their_logits() -> None:
    logits, labels = drawn(800, 2.0)
    logits = logits * 1.6 + np.linspace(-5, 5, 800)[:, None]  # a constant per row says nothing
    assert fit_temperature(log_probabilities(softmax(logits)), labels) == pytest.approx(fit_temperature(logits, labels))


def test_probabilities_of_nothing_and_of_one_have_a_temperature_and_a_loss() -> None:
    certain = np.eye(3)[[0, 1, 2, 0]]
    found = assess("mine", np.array([0, 1, 2, 1]), certain, (np.array([0, 1, 2, 1]), certain), "validation", [0.1], 20)
    assert found.temperature is not None and 1 < found.temperature < 20
    assert found.given.log_loss.value == pytest.approx(-np.log(np.finfo(float).eps) / 4)


def test_the_temperature_is_that_of_the_held_out_faces() -> None:
    logits, labels = drawn(8000, 1.5)
    found = assess(
        "mine", labels[4000:], softmax(logits[4000:]), (labels[:4000], softmax(3 * logits[:4000])), "test", [], 20
    )
    assert found.temperature == pytest.approx(3, rel=0.05) and found.fitted_on == "test"


def test_the_order_of_the_faces_changes_nothing() -> None:
    logits, labels = drawn(400, 1.5)
    p = softmax(logits).round(2) + 1e-4  # with ties
    order = np.random.default_rng(5).permutation(400)
    one = assess("mine", labels, p, (labels, p), "validation", RATES, 60, seed=3)
    other = assess("mine", labels[order], p[order], (labels[order], p[order]), "validation", RATES, 60, seed=3)
    assert one == other
    assert one != assess("mine", labels, p, (labels, p), "validation", RATES, 60, seed=4)


@pytest.mark.parametrize(
    ("labels", "probabilities", "rates", "said"),
    [
        ([], np.zeros((0, 2)), [0.1], "no faces are evaluated"),
        ([0, 1], sure(0.9), [0.1], r"labels of shape \(2,\) and probabilities of shape \(1, 2\)"),
        ([-1], sure(0.9), [0.1], "labels from -1 to -1 of the faces evaluated; expected 0 to 1"),
        ([2], sure(0.9), [0.1], "labels from 2 to 2"),
        ([0], sure(np.nan), [0.1], "probabilities of the faces evaluated that are no numbers"),
        ([0], sure(0.9), [0.1, 1.0], "the error rate 1; expected a share between 0 and 1"),
        ([0], sure(0.9), [0.0], "the error rate 0;"),
    ],
)
def test_what_cannot_be_assessed_is_refused(
    labels: list[int], probabilities: np.ndarray, rates: list[float], said: str
) -> None:
    with pytest.raises(DataError, match=said):
        assess("mine", np.array(labels, int), probabilities, None, "", rates)


def test_a_public_test_is_assessed_in_seconds() -> None:
    logits, labels = drawn(3584, 1.5)
    p, start = softmax(logits), time.process_time()
    assess("mine", labels, p, (labels, p), "validation", RATES, 2000)
    assert time.process_time() - start < 3
