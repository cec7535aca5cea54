"""Scores by a column: groups, their order, and the warning where there are too few faces."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.evaluation.calibration import softmax
from mien.evaluation.grouped import UNKNOWN, by_column, column_values
from mien.evaluation.measures import Group


def simulated(n: int, seed: int = 0, sure: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, n)
    return labels, softmax(rng.normal(0, 1.5, (n, 4)) + sure * np.eye(4)[labels])


def groups(values: np.ndarray, labels: np.ndarray, p: np.ndarray, draws: int = 300) -> list[Group]:
    return by_column("subject", values, labels, p, "abcd", draws)


# ---- scores


def test_each_group_is_scored_by_its_own_faces() -> None:
    sk = pytest.importorskip("sklearn.metrics")
    labels, p = simulated(600)
    values = np.random.default_rng(1).choice(["left", "right", ""], 600, p=[0.2, 0.7, 0.1])
    found = groups(values, labels, p)
    assert [group.value for group in found] == ["left", "right", UNKNOWN]
    answers = p.argmax(axis=1)
    for group, value in zip(found, ("left", "right", ""), strict=True):
        its = values == value
        assert group.column == "subject"
        assert group.n == group.accuracy.n == group.macro_f1.n == its.sum()
        assert group.accuracy.value == pytest.approx(sk.accuracy_score(labels[its], answers[its]))
        f1 = sk.f1_score(labels[its], answers[its], labels=np.unique(labels[its]), average="macro")
        assert group.macro_f1.value == pytest.approx(f1)
        for one in (group.accuracy, group.macro_f1):
            assert one.low is not None and one.high is not None and one.low < (one.value or 0) < one.high


def test_macro_f1_is_over_the_classes_that_the_group_has() -> None:
    labels, p = np.array([0, 0, 1, 1]), np.eye(4)[[0, 2, 1, 1]]
    (only,) = groups(np.full(4, "x"), labels, p)
    assert only.macro_f1.value == pytest.approx((2 / 3 + 1) / 2)  # c, of which there is no face, does not count


@given(st.integers(1, 80), st.integers(0, 1000))
def test_the_order_of_the_faces_changes_nothing(n: int, seed: int) -> None:
    labels, p = simulated(n, seed)
    rng = np.random.default_rng(seed)
    values, mixed = rng.choice(["u", "v", ""], n), rng.permutation(n)
    assert groups(values, labels, p, 20) == groups(values[mixed], labels[mixed], p[mixed], 20)


def test_groups_stand_in_the_order_of_their_values() -> None:
    values = np.array(["b", "10.5 to 12.0", "s10", "", "-3 to 2", "s9", "2.5 to 10.0", "a", "10.0 to 10.5", "x²"])
    labels, p = simulated(len(values))
    assert [group.value for group in groups(values, labels, p, 5)] == [
        *("-3 to 2", "2.5 to 10.0", "10.0 to 10.5", "10.5 to 12.0", "a", "b", "s9", "s10", "x²", UNKNOWN),
    ]


# ---- warnings


def test_a_small_group_is_said_to_be_small_and_how_many_would_do() -> None:
    labels = np.zeros(12, int)
    (found,) = groups(np.full(12, "x"), labels, np.eye(4)[[0] * 7 + [1] * 5])
    said = re.fullmatch(r"n = 12: the interval is (\d+) points wide; about (\d+) faces would give ±10", found.warning)
    assert said is not None
    low, high = found.accuracy.low, found.accuracy.high
    assert low is not None and high is not None
    assert int(said[1]) == round(100 * (high - low)) > 40
    enough = int(said[2])
    right = round(enough * 7 / 12)
    (larger,) = groups(np.full(enough, "x"), np.zeros(enough, int), np.eye(4)[[0] * right + [1] * (enough - right)])
    low, high = larger.accuracy.low, larger.accuracy.high
    assert low is not None and high is not None and high - low == pytest.approx(0.2, abs=0.02)


def test_the_warning_is_for_few_faces_or_a_wide_interval() -> None:
    def warning(n: int, right: int) -> str:
        (found,) = groups(np.full(n, "x"), np.zeros(n, int), np.eye(4)[[0] * right + [1] * (n - right)], 1000)
        return found.warning

    assert warning(29, 29) == "n = 29: fewer than 30 faces"  # Wilson's interval is 12 points wide
    assert warning(30, 30) == ""
    assert warning(60, 30).startswith("n = 60: the interval is 2")
    assert warning(400, 200) == ""
    assert warning(1, 0).startswith("n = 1: the interval is 79 points wide")


# ---- values of a column


def test_numbers_of_many_values_are_cut_at_their_quartiles() -> None:
    column = np.random.default_rng(0).permutation(np.linspace(0, 3, 101))
    found = column_values(column)
    assert np.unique(found).tolist() == ["0.00 to 0.75", "0.78 to 1.50", "1.53 to 2.25", "2.28 to 3.00"]
    for name in np.unique(found).tolist():
        low, high = map(float, name.split(" to "))
        assert (found == name).sum() in (25, 26)
        assert column[found == name].min() == pytest.approx(low) and column[found == name].max() == pytest.approx(high)


@given(
    st.lists(st.one_of(st.just(float("nan")), st.floats(-1e6, 1e6), st.integers(-30, 30).map(float)), max_size=80),
)
def test_every_number_is_in_a_group_that_says_so(numbers: list[float]) -> None:
    column = np.array(numbers, float)
    found = column_values(column)
    assert found.shape == column.shape and ((found == "") == np.isnan(column)).all()
    assert len(np.unique(found[found != ""])) <= 12
    for number, name in zip(column, found.tolist(), strict=True):
        if name:
            ends = [float(end) for end in name.split(" to ")]
            assert min(ends) - 0.01 <= number <= max(ends) + 0.01


def test_few_values_are_groups_of_their_own() -> None:
    assert column_values(np.array([1.0, 2.5, np.nan, 1.0])).tolist() == ["1", "2.5", "", "1"]
    assert column_values(np.array([True, False])).tolist() == ["True", "False"]
    assert column_values(np.arange(12)).tolist() == [str(i) for i in range(12)]


def test_whole_numbers_have_no_decimals_and_ties_are_not_divided() -> None:
    assert np.unique(column_values(np.arange(100))).tolist() == ["0 to 24", "25 to 49", "50 to 74", "75 to 99"]
    half = np.append(np.zeros(60, int), np.arange(1, 41))
    found = column_values(half)
    assert set(found.tolist()) == {"0", "1 to 15", "16 to 40"}
    assert (found[:60] == "0").all()


def test_close_numbers_are_told_apart() -> None:
    found = np.unique(column_values(1 + np.arange(40) / 10_000)).tolist()
    assert found == ["1.0000 to 1.0009", "1.0010 to 1.0019", "1.0020 to 1.0029", "1.0030 to 1.0039"]


def test_text_is_itself_and_numbers_as_text_are_numbers() -> None:
    assert column_values(np.array(["", " a ", "b"])).tolist() == ["", "a", "b"]
    assert column_values(np.array([None, "a", 3], object)).tolist() == ["", "a", "3"]
    assert set(column_values(np.array([str(i) for i in range(40)])).tolist()) == {
        *("0 to 9", "10 to 19", "20 to 29", "30 to 39"),
    }
    names = [f"{i:03d}" for i in range(40)]  # of subjects, not numbers
    assert column_values(np.array(names)).tolist() == names
    assert len(set(column_values(np.array([f"s{i}" for i in range(40)])).tolist())) == 40
