"""Resamples, and intervals that hold the truth as often as they say."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.evaluation.calibration import expected_calibration_error, softmax
from mien.evaluation.intervals import (
    distance_estimate,
    estimate,
    face_order,
    mean_estimate,
    resampled_share,
    share_estimate,
    weights,
)
from mien.evaluation.measures import Estimate
from mien.evaluation.metrics import scores


def ends(found: Estimate) -> tuple[float, float]:
    assert found.low is not None and found.high is not None
    return found.low, found.high


# ---- weights


@given(st.integers(0, 300), st.integers(0, 50), st.integers(0, 100))
def test_each_resample_has_as_many_faces(n: int, draws: int, seed: int) -> None:
    drawn = list(weights(n, draws, seed))
    assert sum(len(chunk) for chunk in drawn) == draws
    assert all(chunk.shape[1] == n and (chunk.sum(axis=1) == n).all() for chunk in drawn)
    assert all(np.issubdtype(chunk.dtype, np.integer) and (chunk >= 0).all() for chunk in drawn)


def test_weights_are_multinomial() -> None:
    drawn = np.concatenate([*weights(50, 20_000, 0)])
    assert drawn.mean(axis=0) == pytest.approx(np.ones(50), abs=0.04)
    covariance = np.cov(drawn.T)
    assert np.diag(covariance) == pytest.approx(np.full(50, 49 / 50), abs=0.06)
    assert covariance[~np.eye(50, dtype=bool)].mean() == pytest.approx(-1 / 50, abs=0.001)


def test_chunks_are_small_and_do_not_repeat_each_other() -> None:
    chunks = [*weights(100_000, 12, 0)]
    assert len(chunks) > 1 and max(chunk.nbytes for chunk in chunks) <= 5e6
    assert len({row.tobytes() for chunk in chunks for row in chunk}) == 12


# ---- an order of the faces' own


@given(st.integers(1, 60), st.integers(2, 5), st.integers(0, 1000))
def test_the_order_of_faces_is_their_own(n: int, k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels, p, mixed = rng.integers(0, k, n), rng.multinomial(3, np.full(k, 1 / k), n) / 3, rng.permutation(n)
    one, other = face_order(labels, p), mixed[face_order(labels[mixed], p[mixed])]
    assert (labels[one] == labels[other]).all() and (p[one] == p[other]).all()
    assert (np.diff(labels[one] * k + p[one].argmax(axis=1)) >= 0).all()


# ---- estimates


def test_an_interval_is_of_the_draws_that_are_defined() -> None:
    drawn = np.append(np.arange(1001) / 1000, [np.nan, np.nan])
    found = estimate(0.4, drawn, 17)
    assert (found.value, found.n) == (0.4, 17)
    assert ends(found) == pytest.approx((0.025, 0.975))


def test_what_is_not_defined_is_none() -> None:
    assert estimate(math.nan, np.ones(5), 3) == Estimate(None, None, None, 3)
    assert estimate(0.5, np.full(5, np.nan), 3) == Estimate(0.5, None, None, 3)
    assert mean_estimate(np.empty(0)) == share_estimate(0, 0) == Estimate(None, None, None, 0)


def test_an_interval_without_width_is_none() -> None:
    assert estimate(1.0, np.append(np.ones(50), np.nan), 12) == Estimate(1.0, None, None, 12)
    assert mean_estimate(np.full(13, 0.1)) == Estimate(pytest.approx(0.1), None, None, 13)  # equal but for rounding
    assert mean_estimate(np.zeros(13)) == Estimate(0.0, None, None, 13)
    narrow = estimate(1.0, 1 + np.linspace(-1e-9, 1e-9, 50), 12)
    assert narrow.low is not None and narrow.high is not None and narrow.low < 1 < narrow.high
    assert distance_estimate(np.zeros(15), np.zeros((50, 15)), 12) == Estimate(0.0, None, None, 12)


def test_the_interval_of_a_mean_is_that_of_its_standard_error() -> None:
    values = np.random.default_rng(0).normal(3, 2, 2000)
    found = mean_estimate(values)
    assert found.value == pytest.approx(values.mean()) and found.n == 2000
    wanted = values.mean() + 1.96 * np.array([-1, 1]) * values.std() / math.sqrt(2000)
    assert ends(found) == pytest.approx(tuple(wanted), abs=0.008)


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=40), st.randoms(use_true_random=False))
def test_the_order_of_the_values_changes_nothing(values: list[float], random: object) -> None:
    mixed = list(values)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    assert mean_estimate(np.array(values), 30) == mean_estimate(np.array(mixed), 30)


# ---- shares


@given(st.integers(1, 5000), st.floats(0, 1))
def test_wilsons_ends_are_the_shares_that_are_1_96_standard_errors_away(n: int, share: float) -> None:
    right = round(share * n)
    found = share_estimate(right, n)
    low, high = ends(found)
    assert 0 <= low <= right / n <= high <= 1 and found.n == n
    for end in {low, high} - {0.0, 1.0}:
        assert abs(right / n - end) == pytest.approx(1.959964 * math.sqrt(end * (1 - end) / n), rel=1e-4)


def test_wilsons_interval_of_eight_in_ten() -> None:
    assert ends(share_estimate(8, 10)) == pytest.approx((0.4902, 0.9433), abs=1e-4)  # as R's prop.test gives it


def test_all_or_none_right_has_an_interval_all_the_same() -> None:
    assert ends(share_estimate(20, 20)) == pytest.approx((0.8389, 1), abs=1e-4)
    assert ends(share_estimate(0, 20)) == pytest.approx((0, 0.1611), abs=1e-4)


def test_wilsons_interval_holds_the_truth_for_few_faces() -> None:
    held = []
    for n in (10, 20, 29):
        for share in np.linspace(0.05, 0.95, 19):
            chances = [math.comb(n, right) * share**right * (1 - share) ** (n - right) for right in range(n + 1)]
            inside = [low <= share <= high for low, high in (ends(share_estimate(r, n)) for r in range(n + 1))]
            held.append(np.dot(chances, inside))
    assert np.mean(held) == pytest.approx(0.95, abs=0.01) and min(held) > 0.83


def test_a_share_is_resampled_where_that_says_enough() -> None:
    drawn = np.linspace(0.4, 0.6, 201)
    assert ends(resampled_share(50, 100, drawn)) == pytest.approx((0.405, 0.595))
    assert resampled_share(100, 100, np.ones(9)) == share_estimate(100, 100)
    assert resampled_share(0, 100, np.zeros(9)) == share_estimate(0, 100)
    assert resampled_share(14, 29, drawn) == share_estimate(14, 29)
    assert ends(resampled_share(15, 30, drawn)) == pytest.approx((0.405, 0.595))


# ---- sums of absolute values


@pytest.mark.parametrize("sharpened", [1.0, 1.15, 2.0])
def test_a_calibration_error_has_its_truth_in_the_interval(sharpened: float) -> None:
    def drawn(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(seed)
        logits = rng.normal(0, 1.2, (n, 5))
        labels = (softmax(logits).cumsum(axis=1) > rng.random(n)[:, None]).argmax(axis=1)
        return labels, softmax(sharpened * logits)

    labels, p = drawn(300_000, 10**6)
    truth = expected_calibration_error(p, labels)
    held = 0
    for seed in range(150):
        found = scores(*drawn(400, seed), "abcde", draws=150, seed=seed).headline["calibration_error"]
        low, high = ends(found)
        assert low <= (found.value or 0) <= high
        held += low <= truth <= high
    assert 0.91 <= held / 150 <= 0.99


def test_a_distance_that_chance_explains_reaches_down_to_zero() -> None:
    rng = np.random.default_rng(0)
    moved = rng.normal(0, 0.02, (500, 10))
    assert distance_estimate(moved[0], moved[0] + moved, 9).low == 0
    low, high = ends(distance_estimate(np.full(10, 0.1), 0.1 + moved, 9))
    assert 0.8 < low < 1 < high < 1.2 and high - 1 == pytest.approx(1 - low)
    assert distance_estimate(np.array([0.1, -0.2]), np.empty((0, 2)), 9) == Estimate(pytest.approx(0.3), None, None, 9)
