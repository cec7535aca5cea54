"""Numbers are written the same way everywhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.evaluation.measures import Estimate
from mien.report.numbers import chance, count, duration, interval, number, points, said, share

THIN = "\u202f"
MINUS = "\u2212"


@pytest.mark.parametrize(
    ("written", "text"),
    [
        (share(0.6919), "69.2%"),
        (share(0.0), "0.0%"),
        (share(1.0), "100.0%"),
        (share(None), "–"),
        (share(-0.00001), "0.0%"),
        (number(0.6424), "0.642"),
        (number(-0.1), f"{MINUS}0.100"),
        (number(-0.0001), "0.000"),
        (number(1.234, 2), "1.23"),
        (number(None), "–"),
        (count(999), "999"),
        (count(3584), "3,584"),
        (count(1464719), "1,464,719"),
        (count(None), "–"),
        (interval(0.6772, 0.7069), "67.7 to 70.7"),
        (interval(0.6294, 0.6641, shares=False), "0.629 to 0.664"),
        (interval(None, 0.7), ""),
        (interval(0.7, None), ""),
        (points(0.0123), "+1.2"),
        (points(-0.0123), f"{MINUS}1.2"),
        (points(0.0), "0.0"),
        (points(0.0001), "0.0"),
        (points(-0.0001), "0.0"),
        (points(None), "–"),
        (chance(0.0123), "0.012"),
        (chance(0.005), "0.005"),
        (chance(0.0009), f"<{THIN}0.001"),
        (chance(None), "–"),
        (duration(4.24), f"4.2{THIN}s"),
        (duration(59.97), f"1{THIN}min 0{THIN}s"),
        (duration(200), f"3{THIN}min 20{THIN}s"),
        (duration(7500), f"2{THIN}h 5{THIN}min"),
        (said(Estimate(0.6919, 0.6772, 0.7069, 3584)), "69.2% (95% interval 67.7 to 70.7)"),
        (said(Estimate(0.642, None, None, 3584), "kappa"), "0.642"),
        (said(Estimate(None, None, None, 0)), "not defined"),
        (said(None), "not defined"),
    ],
)
def test_a_number_is_written_so(written: str, text: str) -> None:
    assert written == text


@given(st.integers(min_value=0, max_value=10**15))
def test_a_count_can_be_read_back(value: int) -> None:
    groups = count(value).split(",")
    assert int("".join(groups)) == value and all(len(group) == 3 for group in groups[1:]) and 1 <= len(groups[0]) <= 3
