"""The split of a recipe without a split file: parts held out of the training rows, and the source's own left alone."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mien.data import FaceSet, Split, balance, identical_groups, official, own_split
from mien.data.splits import stratified
from mien.errors import DataError


@pytest.fixture
def uneven(tiny_faces: FaceSet) -> FaceSet:
    """``tiny_faces`` with two labels that are rare."""
    labels = np.where((np.arange(120) % 3 == 0) & np.isin(tiny_faces.labels, [1, 4]), 0, tiny_faces.labels)
    return dataclasses.replace(tiny_faces, labels=labels.astype(np.int8))


def same(a: Split, b: Split) -> bool:
    return a.name == b.name and {k: v.tolist() for k, v in a.parts.items()} == {
        k: v.tolist() for k, v in b.parts.items()
    }


def groups(faces: FaceSet, rows: np.ndarray) -> set[int]:
    return set(identical_groups(faces.faces)[faces.positions(rows)].tolist())


def test_without_a_test_part_it_is_the_official_split(uneven: FaceSet) -> None:
    assert same(own_split(uneven, 0.2, 3), official(uneven, 0.2, 3))
    balanced = own_split(uneven, 0.2, 3, how="over")
    assert same(balanced, balance(uneven, official(uneven, 0.2, 3), "over", 3)) and balanced.balance == "over"


def test_a_test_part_is_held_out_of_the_training_rows_first(uneven: FaceSet) -> None:
    found = own_split(uneven, 0.2, 3, test=0.25)
    assert same(found, stratified(uneven, 0.25, 0.2, 3, official(uneven, 0, 3)))
    assert list(found.parts) == ["train", "validation", "test", "public_test"]
    training = len(official(uneven, 0, 3).parts["train"])
    assert len(found.parts["test"]) == pytest.approx(0.25 * training, abs=4)
    assert len(found.parts["validation"]) == pytest.approx(0.2 * 0.75 * training, abs=4)
    weighted = own_split(uneven, 0.2, 3, test=0.25, how="weights")
    assert weighted.class_weights and weighted.parts["train"].tolist() == found.parts["train"].tolist()


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    test=st.sampled_from([0.0, 0.15, 0.4]),
    validation=st.sampled_from([0.15, 0.4]),
    seed=st.integers(0, 50),
    how=st.sampled_from(["", "over", "under"]),
    leak=st.booleans(),
)
def test_no_part_shares_a_face_with_another_but_in_a_leak_and_the_sources_own_never(
    uneven: FaceSet, test: float, validation: float, seed: int, how: str, leak: bool
) -> None:
    leak = leak and bool(test) and bool(how)
    split = own_split(uneven, validation, seed, test=test, how=how, leak=leak)
    seen = {part: groups(uneven, rows) for part, rows in split.parts.items()}
    assert set(seen) == {"train", "validation", "public_test"} | ({"test"} if test else set())
    assert split.parts["public_test"].tolist() == official(uneven, 0, seed).parts["public_test"].tolist()
    assert not seen["public_test"] & set().union(*(g for part, g in seen.items() if part != "public_test"))
    shared = any(seen[a] & seen[b] for a, b in (("train", "validation"), ("train", "test")) if b in seen)
    assert bool(split.leaked) == leak and (leak or not shared)
    if leak and how == "over" and test == 0.4:
        assert shared
    everything = np.concatenate([*split.parts.values(), *split.excluded.values()])
    assert set(everything.tolist()) == set(uneven.rows.tolist())  # nothing is lost without a word


def test_a_leak_is_made_of_the_training_rows(uneven: FaceSet) -> None:
    found = own_split(uneven, 0.2, 3, test=0.25, how="over", leak=True)
    twins = np.isin(found.parts["test"], found.parts["train"]).sum()
    assert twins > 3 and f"{twins} of {len(found.parts['test'])} test rows" in found.leaked
    assert found.balance == "over" and found.name.endswith("within 'official'")


@pytest.mark.parametrize(("test", "how"), [(0.0, "over"), (0.2, ""), (0.2, "weights"), (0.2, "sampler")])
def test_a_leak_needs_a_test_part_and_rows_that_repeat_or_go(uneven: FaceSet, test: float, how: str) -> None:
    with pytest.raises(
        DataError, match="a leak to be reproduced with balance .* expected balance over or under, and a"
    ):
        own_split(uneven, 0.2, test=test, how=how, leak=True)


@pytest.mark.parametrize("how", ["", "over"])
def test_the_sources_own_validation_part_is_kept(uneven: FaceSet, how: str) -> None:
    faces = dataclasses.replace(uneven, usages=("Training", "Valid"))
    found = own_split(faces, 0.2, test=0.25, how=how, leak=bool(how))
    assert sorted(found.parts) == ["test", "train", "validation"]
    assert found.parts["validation"].tolist() == faces.rows[faces.usage == 1].tolist()


@pytest.mark.parametrize("leak", [False, True])
def test_a_second_test_part_is_refused(uneven: FaceSet, leak: bool) -> None:
    faces = dataclasses.replace(uneven, usages=("Training", "Test"))
    with pytest.raises(
        DataError, match=r"a test share of 0.25, and tiny.csv has a part test of its own.*Leave test out"
    ):
        own_split(faces, 0.2, test=0.25, how="over", leak=leak)
    assert "test" in own_split(faces, 0.2).parts


def test_shares_that_cannot_be_are_refused(uneven: FaceSet) -> None:
    for test in (-0.1, 0.95, float("nan")):
        for leak in (False, True):
            with pytest.raises(DataError, match="test share"):
                own_split(uneven, 0.2, test=test, how="over", leak=leak)
    with pytest.raises(DataError, match="brings no split"):
        own_split(dataclasses.replace(uneven, usage=np.zeros(120, np.uint8), usages=("all",)), 0.2, test=0.2)
