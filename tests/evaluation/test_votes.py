"""Probabilities against votes, by hand and by what must hold."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.evaluation.votes import against_votes


def drawn(n: int, seed: int = 0, k: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Shares of ten votes, and probabilities."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(10, rng.dirichlet(np.ones(k), n)) / 10, rng.dirichlet(np.ones(k), n)


def test_numbers_are_those_counted_by_hand() -> None:
    shares = np.array([[0.8, 0.2, 0], [0, 0.5, 0.5], [0, 0, 0]])
    p = np.array([[0.5, 0.25, 0.25], [0.5, 0.4, 0.1], [0.1, 0.1, 0.8]])
    found = against_votes(shares, p, draws=10)
    assert found is not None and found.n == found.distance.n == 2
    first, second = -(0.8 * math.log(0.5) + 0.2 * math.log(0.25)), -0.5 * math.log(0.4 * 0.1)
    own = (-(0.8 * math.log(0.8) + 0.2 * math.log(0.2)), math.log(2))
    assert found.cross_entropy.value == pytest.approx((first + second) / 2)
    assert found.divergence.value == pytest.approx((first - own[0] + second - own[1]) / 2)
    assert found.distance.value == pytest.approx((0.3 + 0.5) / 2)
    assert found.expected_agreement.value == pytest.approx((0.8 + 0) / 2)
    assert found.best_agreement.value == pytest.approx((0.8 + 0.5) / 2)
    mean = (0.4, 0.35, 0.25)
    entropy = -sum(m * math.log(m) for m in mean)
    assert found.baseline == pytest.approx(
        {
            "cross_entropy": entropy,
            "divergence": entropy - sum(own) / 2,
            "distance": (0.4 + 0.4) / 2,
        }
    )


@given(st.integers(1, 60), st.integers(0, 1000))
def test_what_must_hold(n: int, seed: int) -> None:
    shares, p = drawn(n, seed)
    found, perfect = against_votes(shares, p, draws=20), against_votes(shares, shares, draws=20)
    assert found is not None and perfect is not None
    assert perfect.divergence.value == pytest.approx(0, abs=1e-12) and perfect.distance.value == 0
    assert perfect.expected_agreement == perfect.best_agreement == found.best_agreement
    numbers = [e.value for e in (found.divergence, found.distance, found.expected_agreement, found.best_agreement)]
    divergence, distance, expected, best = (value or 0.0 for value in numbers)
    assert divergence >= 2 * distance**2 - 1e-9  # Pinsker's inequality, and Jensen's
    assert 0 <= expected <= best <= 1
    assert perfect.baseline == found.baseline
    for one in (found.cross_entropy, found.distance, found.expected_agreement):
        assert one.n == n
        if one.low is None or one.high is None:  # resamples of one face, or of equal ones, are all the same
            assert one.low is one.high is None and (n == 1 or one is found.expected_agreement)
        else:
            assert one.low < one.high


def test_a_sure_mistake_costs_a_finite_number_of_nats() -> None:
    found = against_votes(np.array([[0.0, 1.0]]), np.array([[1.0, 0.0]], dtype=np.float32), draws=5)
    assert found is not None and found.cross_entropy.value == pytest.approx(-math.log(np.finfo(np.float64).eps))


def test_faces_without_votes_are_left_out() -> None:
    shares, p = drawn(40)
    more = np.concatenate([shares[:20], np.zeros((7, 8)), shares[20:]])
    assert against_votes(more, np.concatenate([p[:20], p[:7], p[20:]]), 30) == against_votes(shares, p, 30)
    assert against_votes(np.zeros((5, 8)), p[:5]) is None
    assert against_votes(np.zeros((0, 8)), p[:0]) is None


def test_the_order_of_the_faces_changes_nothing() -> None:
    shares, p = drawn(90)
    mixed = np.random.default_rng(3).permutation(90)
    one, other = against_votes(shares, p, 50, seed=2), against_votes(shares[mixed], p[mixed], 50, seed=2)
    assert one is not None and other is not None
    assert one.baseline == pytest.approx(other.baseline)
    for name in ("cross_entropy", "divergence", "distance", "expected_agreement", "best_agreement"):
        assert getattr(one, name) == getattr(other, name)
    assert one != against_votes(shares, p, 50, seed=3)
