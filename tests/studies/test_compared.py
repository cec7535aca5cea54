"""Systems against each other: the test is the right one, and draws of few faces say how little few faces carry."""

from __future__ import annotations

from dataclasses import replace
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.evaluation.comparison import holm, mcnemar
from mien.evaluation.intervals import Z, share_estimate
from mien.studies.compared import (
    DRAWS,
    POINTS,
    VALUES,
    Compared,
    Unmeasured,
    compare,
    difference,
    draw,
    first_of_a_draw,
    values,
)
from mien.studies.manifest import Comparison
from mien.studies.result import Result, packed
from studies import samples

PART = "public_test"


def of(hits: dict[str, np.ndarray]) -> dict[str, Result]:
    """Results of systems that answer these faces rightly."""
    found = {}
    for name, right in hits.items():
        base = samples.part(0.5, 0, len(right))
        found[name] = samples.result(name, {PART: replace(base, right=packed(right))}, 100 + len(found))
    return found


def asked(systems: list[str], sample: int | None = None) -> Comparison:
    return Comparison(name="all", title="All", systems=systems, part=PART, sample=sample)


def compared(hits: dict[str, np.ndarray], sample: int | None = None) -> Compared:
    found = compare(asked(list(hits), sample), of(hits))
    assert isinstance(found, Compared)
    return found


def drawn_hits(n: int, **shares: float) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    return {name: rng.random(n) < share for name, share in shares.items()}


def test_pairs_are_judged_by_mcnemar_and_holm() -> None:
    hits = drawn_hits(500, a=0.5, b=0.55, c=0.7)
    found = compared(hits)
    expected = []
    for pair, (i, j) in zip(found.pairs, (("a", "b"), ("a", "c"), ("b", "c")), strict=True):
        assert (pair.first, pair.second, pair.n) == (i, j, 500)
        assert pair.only_first == (hits[i] & ~hits[j]).sum() and pair.only_second == (hits[j] & ~hits[i]).sum()
        assert pair.difference.value == pytest.approx(hits[i].mean() - hits[j].mean())
        assert pair.p == mcnemar(pair.only_first, pair.only_second)
        expected.append(pair.p)
    assert [pair.corrected for pair in found.pairs] == holm(expected)
    assert [pair.better for pair in found.pairs] == ["", "c", "c"]


def test_accuracies_have_wilsons_interval_and_weights_their_number() -> None:
    hits = drawn_hits(400, a=0.3, b=0.6)
    found = compared(hits, 128)
    for at, (one, (name, right)) in enumerate(zip(found.standings, hits.items(), strict=True)):
        assert one.system == name and one.parameters == 100 + at
        assert one.accuracy == share_estimate(int(right.sum()), 400)
        assert one.sampled == share_estimate(round(128 * right.mean()), 128)
    assert [one.system for one in found.ranked()] == ["b", "a"]


def test_without_a_sample_nothing_is_drawn() -> None:
    hits = drawn_hits(100, a=0.3, b=0.6)
    for sample in (None, 100, 128):
        found = compared(hits, sample)
        assert found.drawn is None and all(one.sampled is one.first is None for one in found.standings)
        assert {"sample", "winner_share", "none_apart_share"}.isdisjoint(values(found, {"a": "A", "b": "B"}))


def test_draws_of_systems_that_are_known_through_and_through() -> None:
    right, wrong = np.ones(300, bool), np.zeros(300, bool)
    found = draw(np.stack([right, wrong, wrong]), 40)
    assert found.first.tolist() == [1, 0, 0] and found.none == 0
    assert found.told.tolist() == [1, 1, 0] and found.half_width == 0
    same = np.random.default_rng(0).random(300) < 0.5
    found = draw(np.stack([same, same]), 40)
    assert found.first.tolist() == [0.5, 0.5] and found.told.tolist() == [0] and found.none == 1


def test_the_winners_share_is_that_of_all_draws_there_can_be() -> None:
    """Of 40 faces, 12 are answered rightly by the first alone, 8 by the second alone; 10 are drawn."""
    first, second = np.zeros(40, bool), np.zeros(40, bool)
    first[:12], second[12:20] = True, True
    chance = 0.0
    for a in range(11):
        for b in range(11 - a):
            ways = comb(12, a) * comb(8, b) * comb(20, 10 - a - b) / comb(40, 10)
            chance += ways * (1.0 if a > b else 0.5 if a == b else 0.0)
    found = draw(np.stack([first, second]), 10)
    assert found.first[0] == pytest.approx(chance, abs=3.5 * np.sqrt(chance * (1 - chance) / DRAWS))
    assert found.first.sum() == pytest.approx(1)
    spread = np.sqrt(20 / 40 - (4 / 40) ** 2)
    assert found.half_width == pytest.approx(Z * spread / np.sqrt(10))


def test_few_faces_tell_fewer_pairs_apart() -> None:
    hits = np.stack(list(drawn_hits(2000, a=0.6, b=0.68, c=0.7).values()))
    few, many = draw(hits, 50), draw(hits, 800)
    assert (many.told[:2] > few.told[:2] + 0.5).all() and many.told[2] < 0.1  # b and c are much alike here
    assert few.none > many.none and few.half_width == pytest.approx(4 * many.half_width)


def test_draws_are_corrected_for_the_number_of_pairs() -> None:
    """Ten faces against two: p is 0.02, which three pairs make 0.07."""
    first, second = np.zeros(400, bool), np.zeros(400, bool)
    first[:10], second[10:12] = True, True
    found = draw(np.stack([first, second, second]), 399)
    assert mcnemar(10, 2) < 0.03 and found.told.max() < 0.05 and found.none > 0.9
    assert draw(np.stack([first, second]), 399).told[0] > 0.95


@given(st.integers(2, 300), st.data())
@settings(max_examples=15)
def test_a_draw_has_no_face_twice(n: int, data: st.DataObject) -> None:
    sample = data.draw(st.integers(1, n - 1))
    rows = first_of_a_draw(n, sample)
    assert rows.shape == (sample,) and len(np.unique(rows)) == sample and 0 <= rows.min() <= rows.max() < n
    assert rows.tolist() == first_of_a_draw(n, sample).tolist() == sorted(rows)


def test_systems_without_a_result_are_named() -> None:
    results = samples.results()
    found = compare(asked(["later", "plain", "short", "absent"]), results)
    assert isinstance(found, Compared)
    assert (found.missing, found.unavailable) == (("later",), ("absent",))
    assert [one.system for one in found.standings] == ["plain", "short"]
    assert compare(asked(["later", "plain"]), results) == Unmeasured(("later",))
    assert compare(asked(["absent", "plain"]), results) == Unmeasured(("absent",))
    elsewhere = Comparison(name="all", title="All", systems=["plain", "short"], part="test")
    assert compare(elsewhere, results) == Unmeasured(("short",))


def test_systems_on_other_faces_are_not_compared() -> None:
    results = samples.results()
    results["short"] = samples.result("short", {PART: samples.part(0.5, 1, first_row=5001)})
    found = compare(asked(["plain", "short"]), results)
    assert found == Unmeasured(("the same faces for all of plain, short",))


@pytest.mark.parametrize("order", [["a", "b", "c"], ["c", "b", "a"], ["b", "a", "c"]])
def test_values_do_not_depend_on_the_order_of_the_systems(order: list[str]) -> None:
    hits = drawn_hits(500, a=0.5, b=0.58, c=0.7)
    found = compared({name: hits[name] for name in order}, 60)
    named = values(found, {"a": "A", "b": "B", "c": "C"})
    assert named.keys() == VALUES.keys() > POINTS
    assert (named["winner"].text, named["second"].text) == ("C", "B")
    margin = named["margin"]
    assert margin.value == pytest.approx(hits["c"].mean() - hits["b"].mean())
    assert margin.low is not None and margin.high is not None and 0 < margin.low < margin.value < margin.high
    assert named["spread"].value == pytest.approx(hits["c"].mean() - hits["a"].mean())
    assert (named["pairs"].value, named["systems"].value, named["n"].value) == (3, 3, 500)
    assert named["apart"].value == sum(bool(pair.better) for pair in found.pairs) == 2
    assert (named["least_parameters"].value, named["most_parameters"].value) == (100, 102)
    wide = share_estimate(round(60 * hits["c"].mean()), 60)
    assert named["half_width_sample"].value == pytest.approx(((wide.high or 0) - (wide.low or 0)) / 2)
    assert (named["half_width"].value or 0) < 0.4 * (named["half_width_sample"].value or 0)
    assert found.drawn is not None
    assert named["winner_share"].value == found.drawn.first[order.index("c")] > 0.7
    assert named["apart_sample"].value == pytest.approx(found.drawn.told.sum())
    assert len(named["verdicts"].text.split("; ")) == 3


def test_the_difference_on_other_faces_is_newcombes() -> None:
    """His example (a) of method 10, page 876: 56 of 70 and 48 of 80, 0.0524 to 0.3339."""
    first = replace(samples.part(0.5, 0, 70), right=packed(np.arange(70) < 56))
    second = replace(samples.part(0.5, 0, 80, 1000), right=packed(np.arange(80) < 48))
    found = difference(first, second)
    assert found.value == pytest.approx(0.2)
    assert (found.low, found.high) == (pytest.approx(0.0524, abs=5e-5), pytest.approx(0.3339, abs=5e-5))
    back = difference(second, first)
    assert (back.low, back.high) == (pytest.approx(-0.3339, abs=5e-5), pytest.approx(-0.0524, abs=5e-5))


def test_the_difference_on_the_same_faces_is_paired() -> None:
    rng = np.random.default_rng(2)
    right = rng.random(600) < 0.6
    nearly = right ^ (rng.random(600) < 0.03)
    base = samples.part(0.5, 0)
    same = difference(replace(base, right=packed(right)), replace(base, right=packed(nearly)))
    apart = difference(replace(base, right=packed(right)), replace(samples.part(0.5, 0, 600, 9), right=packed(nearly)))
    assert same.value == pytest.approx(apart.value) and same.n == 600
    assert (same.high or 0) - (same.low or 0) < 0.5 * ((apart.high or 0) - (apart.low or 0))
