"""Temperature, calibration error and the threshold of certainty, on data whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from mien.errors import DataError
from mien.evaluation.calibration import certainty_threshold, expected_calibration_error, fit_temperature, softmax


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
    assert (found.confidence, found.accuracy, found.share) == (0.9, 0.0, 0.5)


def test_nothing_to_fit_on_is_an_error() -> None:
    with pytest.raises(DataError, match="no faces"):
        fit_temperature(np.zeros((0, 7)), np.zeros(0, int))
