"""What splits are made of: joined groupings, and units that are given out."""

from __future__ import annotations

import numpy as np
import pytest

from mien.data.grouping import deal, draw, together, without_copies


def test_chains_of_common_values_join_rows() -> None:
    people = np.array(["a", "a", "b", "c", "c", "d", "e"])
    faces = np.array([1, 2, 2, 3, 4, 4, 5])
    assert together(people, faces).tolist() == [0, 0, 0, 1, 1, 1, 2]


def test_a_long_chain_is_one_unit_whatever_its_order() -> None:
    order = np.random.default_rng(0).permutation(60)
    assert set(together(order // 2, (order + 1) // 2).tolist()) == {0}


def test_units_fill_parts_by_their_shares() -> None:
    unit = np.repeat(np.arange(100), 3)
    side = deal(unit, np.tile([0, 1, 2], 100), [0.64, 0.2, 0.16], np.random.default_rng(0))
    assert np.bincount(side).tolist() == [192, 60, 48]
    assert all(len(set(side[unit == i])) == 1 for i in range(100))


def test_a_unit_goes_where_its_labels_are_missing() -> None:
    unit = np.array([0, 0, 0, 1, 1, 2, 2, 3])
    labels = np.array([0, 0, 0, 1, 1, 0, 0, 0])
    side = deal(unit, labels, [0.5, 0.5], np.random.default_rng(0))
    parts = [side[unit == i][0] for i in range(4)]
    assert parts[0] != parts[2] == parts[3]  # three faces of label 0 on one side, three on the other
    assert len(set(parts)) == 2


def test_where_labels_leave_it_open_the_smaller_part_gets_the_unit() -> None:
    labels = np.arange(40)  # one face a label: any part would do
    assert np.bincount(deal(np.arange(40), labels, [0.25] * 4, np.random.default_rng(0))).tolist() == [10] * 4


def test_equal_units_are_given_out_in_an_order_that_is_drawn() -> None:
    sides = {tuple(deal(np.arange(8), np.zeros(8, int), [0.5, 0.5], np.random.default_rng(i))) for i in range(6)}
    assert len(sides) > 3


def test_no_rows_are_given_out_without_complaint(recwarn: pytest.WarningsRecorder) -> None:
    none = np.empty(0, np.int64)
    assert len(deal(none, none, [0.5, 0.5], np.random.default_rng(0))) == 0
    assert not draw(none, none, 0.5, np.random.default_rng(0)).any()
    assert not recwarn.list


def test_a_draw_takes_groups_whole_until_it_has_its_share() -> None:
    group = np.repeat(np.arange(10), 2)
    held = draw(np.zeros(20, int), group, 0.3, np.random.default_rng(0))
    assert held.sum() == 6 and all(len(set(held[group == i])) == 1 for i in range(10))


def test_copies_are_told_apart_by_the_part_that_has_the_other() -> None:
    group = np.array([0, 1, 2, 3, 0, 1])
    left, why = without_copies(group, np.arange(4), {"validation": np.array([4]), "test": np.array([5])})
    assert left.tolist() == [2, 3]
    assert {k: v.tolist() for k, v in why.items()} == {
        "identical to a test face": [1],
        "identical to a validation face": [0],
    }
    assert without_copies(group, np.arange(4), {})[1] == {}
