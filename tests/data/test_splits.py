"""Splits: no face on two sides, the same rows for the same seed, and written down."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.data import FaceSet, Provenance, Split, identical_groups, official
from mien.data.grouping import COPIES, VALIDATION_COPIES
from mien.data.splits import SHARED_SUBJECT, UNKNOWN, by_subject, folds, stratified
from mien.errors import DataError


@pytest.fixture
def many_faces() -> FaceSet:
    """1,000 random faces in 7 uneven classes; each tenth is the copy of the one before."""
    rng = np.random.default_rng(11)
    faces = rng.integers(0, 256, (1000, 8, 8), dtype=np.uint8)
    labels = rng.choice(7, 1000, p=[0.3, 0.2, 0.2, 0.1, 0.1, 0.05, 0.05]).astype(np.int8)
    faces[9::10], labels[9::10] = faces[8::10], labels[8::10]
    return FaceSet(
        faces,
        labels,
        np.zeros((1000, 10), np.uint8),
        np.arange(5, 5005, 5, dtype=np.int32),
        np.zeros(1000, np.uint8),
        Provenance("made up", "many.csv", "0" * 64),
        usages=("all",),
    )


@pytest.fixture
def people() -> FaceSet:
    """600 random faces of 60 persons, P0 to P59, with 4 to 16 pictures each; the first 400 rows are training rows."""
    rng = np.random.default_rng(12)
    share = rng.uniform(0.4, 1.6, 60)
    return FaceSet(
        rng.integers(0, 256, (600, 8, 8), dtype=np.uint8),
        rng.integers(0, 7, 600).astype(np.int8),
        np.zeros((600, 10), np.uint8),
        np.arange(600, dtype=np.int32),
        (np.arange(600) >= 400).astype(np.uint8),
        Provenance("made up", "people.csv", "0" * 64),
        subjects=np.array([f"P{i}" for i in rng.choice(60, 600, p=share / share.sum())]),
    )


def sides_of_groups(faces: FaceSet, split: Split) -> dict[int, set[str]]:
    """For each group of identical faces, the parts that hold some of it."""
    group, sides = identical_groups(faces.faces), {}
    for part, rows in split.parts.items():
        for number in group[faces.positions(rows)]:
            sides.setdefault(int(number), set()).add(part)
    return sides


def assert_same(a: Split, b: Split) -> None:
    for field in ("name", "seed", "source_sha256", "balance", "class_weights", "leaked"):
        assert getattr(a, field) == getattr(b, field)
    for left, right in ((a.parts, b.parts), (a.excluded, b.excluded)):
        assert list(left) == list(right)
        assert all(np.array_equal(left[k], right[k]) and left[k].dtype == right[k].dtype for k in left)


# ---- identical faces


def test_equal_bytes_have_equal_numbers_and_other_bytes_have_others(tiny_faces: FaceSet) -> None:
    group = identical_groups(tiny_faces.faces)
    same = {(i, j) for i in range(120) for j in range(i) if (tiny_faces.faces[i] == tiny_faces.faces[j]).all()}
    assert same == {(12, 5), (14, 6), (21, 6), (21, 14), (95, 30), (96, 31), (97, 31), (97, 96)}
    assert {(i, j) for i in range(120) for j in range(i) if group[i] == group[j]} == same


def test_a_difference_of_one_grey_level_is_a_difference() -> None:
    faces = np.zeros((3, 48, 48), np.uint8)
    faces[2, 47, 47] = 1
    group = identical_groups(faces)
    assert group[0] == group[1] != group[2]


# ---- the official split


@pytest.mark.parametrize("seed", range(20))
def test_identical_faces_stay_on_one_side(tiny_faces: FaceSet, seed: int) -> None:
    split = official(tiny_faces, 0.3, seed)
    beyond_test = {number: parts for number, parts in sides_of_groups(tiny_faces, split).items() if len(parts) > 1}
    assert beyond_test == {}


def test_training_copies_of_test_faces_are_left_out(tiny_faces: FaceSet) -> None:
    split = official(tiny_faces, 0.2, 0)
    assert split.excluded.keys() == {COPIES}
    assert split.excluded[COPIES].tolist() == [1000 + 3 * 30, 1000 + 3 * 31]


def test_every_row_is_in_one_part_or_left_out(tiny_faces: FaceSet) -> None:
    split = official(tiny_faces, 0.2, 0)
    every = np.concatenate([*split.parts.values(), *split.excluded.values()])
    assert sorted(every.tolist()) == tiny_faces.rows.tolist()
    assert list(split.parts) == ["train", "validation", "public_test"]
    assert split.parts["public_test"].tolist() == tiny_faces.rows[90:].tolist()
    assert all((np.diff(rows) > 0).all() and rows.dtype == np.int32 for rows in split.parts.values())


def test_private_test_rows_are_a_part_of_their_own_and_their_copies_are_left_out(tiny_faces: FaceSet) -> None:
    usage = tiny_faces.usage.copy()
    usage[100:] = 2
    faces = tiny_faces.faces.copy()
    faces[40] = faces[110]
    split = official(dataclasses.replace(tiny_faces, usage=usage, faces=faces), 0.2, 0)
    assert split.parts["private_test"].tolist() == tiny_faces.rows[100:].tolist()
    assert split.parts["public_test"].tolist() == tiny_faces.rows[90:100].tolist()
    assert split.excluded[COPIES].tolist() == tiny_faces.rows[[30, 31, 40]].tolist()


def test_the_same_seed_gives_the_same_split(tiny_faces: FaceSet) -> None:
    assert_same(official(tiny_faces, 0.2, 5), official(tiny_faces, 0.2, 5))


def test_another_seed_gives_another_split(tiny_faces: FaceSet) -> None:
    drawn = {tuple(official(tiny_faces, 0.2, seed).parts["validation"].tolist()) for seed in range(5)}
    assert len(drawn) == 5


def test_the_split_does_not_depend_on_the_order_of_the_test_rows(tiny_faces: FaceSet) -> None:
    order = np.concatenate([np.arange(90), 90 + np.random.default_rng(0).permutation(30)])
    moved = dataclasses.replace(
        tiny_faces,
        faces=tiny_faces.faces[order],
        labels=tiny_faces.labels[order],
        votes=tiny_faces.votes[order],
        rows=tiny_faces.rows[order],
    )
    assert (official(moved, 0.2, 0).parts["public_test"] == official(tiny_faces, 0.2, 0).parts["public_test"]).all()


def test_validation_has_its_share_of_every_label(tiny_faces: FaceSet) -> None:
    split = official(tiny_faces, 0.2, 0)
    kept = tiny_faces.labels[tiny_faces.positions(np.concatenate([split.parts["train"], split.parts["validation"]]))]
    held = tiny_faces.labels[tiny_faces.positions(split.parts["validation"])]
    for label in range(7):  # a group of up to three identical faces moves as one
        assert (held == label).any()
        assert abs((held == label).sum() - 0.2 * (kept == label).sum()) <= 3


@pytest.mark.parametrize("share", [-0.1, 0.51, 1.0, float("nan")])
def test_a_share_out_of_range_is_refused(tiny_faces: FaceSet, share: float) -> None:
    with pytest.raises(DataError, match=r"validation share .*; expected from 0 \(no validation part\) to 0\.5"):
        official(tiny_faces, share, 0)


def test_a_share_of_nothing_draws_no_validation_part(tiny_faces: FaceSet) -> None:
    split = official(tiny_faces, 0, 0)
    assert list(split.parts) == ["train", "public_test"]
    assert len(split.parts["train"]) == 88 and len(split.excluded[COPIES]) == 2


@pytest.mark.parametrize(("usage", "named"), [(0, "PublicTest"), (1, "Training"), (2, "Training")])
def test_a_set_without_a_usage_says_which_is_empty(tiny_faces: FaceSet, usage: int, named: str) -> None:
    with pytest.raises(DataError, match=f"the split {named} is empty"):
        official(dataclasses.replace(tiny_faces, usage=np.full(120, usage, np.uint8)), 0.2, 0)


def test_a_share_too_small_for_a_single_row_names_the_empty_part(tiny_faces: FaceSet) -> None:
    with pytest.raises(DataError, match="the part validation is empty; expected at least one row"):
        official(tiny_faces, 0.001, 0)


def test_the_draw_is_the_one_that_shipped_models_were_trained_on(tiny_faces: FaceSet) -> None:
    held = [4, 6, 7, 8, 9, 14, 15, 19, 21, 26, 39, 44, 48, 49, 54, 64, 67, 73, 83, 87]
    assert official(tiny_faces, 0.2, 0).parts["validation"].tolist() == [1000 + 3 * i for i in held]


def test_a_set_whose_training_rows_are_all_copies_names_the_empty_part(tiny_faces: FaceSet) -> None:
    faces = tiny_faces.faces.copy()
    faces[:90] = faces[np.arange(90) % 30 + 90]
    with pytest.raises(DataError, match="the part train is empty"):
        official(dataclasses.replace(tiny_faces, faces=faces), 0.2, 0)


@given(st.data())
def test_no_drawing_puts_a_face_on_two_sides(data: st.DataObject) -> None:
    n = data.draw(st.integers(4, 40))
    kinds = np.array(data.draw(st.lists(st.integers(0, 12), min_size=n, max_size=n)), np.uint8)
    labels = np.array(data.draw(st.lists(st.integers(0, 6), min_size=n, max_size=n)), np.int8)
    usage = np.array(data.draw(st.lists(st.integers(0, 2), min_size=n, max_size=n)), np.uint8)
    faces = FaceSet(
        np.broadcast_to(kinds[:, None, None], (n, 2, 2)).copy(),
        labels,
        np.zeros((n, 10), np.uint8),
        np.arange(n, dtype=np.int32),
        usage,
        Provenance("made up", "drawn.csv", "0" * 64),
    )
    try:
        split = official(faces, data.draw(st.floats(0.05, 0.5)), data.draw(st.integers(0, 99)))
    except DataError as error:
        assert "is empty" in str(error)  # noqa: PT017 (a split is as good)
        return
    assert all(
        len(parts) == 1 or parts == {"public_test", "private_test"} for parts in sides_of_groups(faces, split).values()
    )
    assert sum(map(len, split.parts.values())) + len(split.excluded[COPIES]) == n


@given(st.data())
def test_no_draw_by_label_or_person_puts_what_belongs_together_on_two_sides(data: st.DataObject) -> None:
    n = data.draw(st.integers(6, 40))

    def some(most: int) -> np.ndarray:
        return np.array(data.draw(st.lists(st.integers(0, most), min_size=n, max_size=n)))

    faces = FaceSet(
        np.broadcast_to(some(15).astype(np.uint8)[:, None, None], (n, 2, 2)).copy(),
        some(6).astype(np.int8),
        np.zeros((n, 10), np.uint8),
        np.arange(n, dtype=np.int32),
        np.zeros(n, np.uint8),
        Provenance("made up", "drawn.csv", "0" * 64),
        usages=("all",),
        subjects=np.array([f"P{i}" for i in some(9)]),
    )
    seed, test, validation = (data.draw(s) for s in (st.integers(0, 99), st.floats(0.1, 0.9), st.floats(0, 0.5)))
    for draw in (
        lambda: [stratified(faces, test, validation, seed)],
        lambda: [by_subject(faces, test, validation, seed)],
        lambda: folds(faces, 2, seed),
        lambda: folds(faces, 2, seed, subjects=True),
    ):
        try:
            made = draw()
        except DataError as error:
            assert "is empty" in str(error) or "folds" in str(error)  # noqa: PT017 (a split is as good)
            continue
        for split in made:
            assert_whole(faces, split)
            if "subject" in split.name:
                assert all(len(parts) == 1 for parts in sides_of_subjects(faces, split).values())


# ---- at full size


def test_at_full_size_339_training_rows_are_left_out(fer2013: FaceSet) -> None:
    split = official(fer2013, 0.06, 0)
    assert len(split.excluded[COPIES]) == 339
    assert len(split.parts["train"]) + len(split.parts["validation"]) == 28655 - 339
    assert len(split.parts["public_test"]) == 3584
    assert "private_test" not in split.parts
    group = identical_groups(fer2013.faces)
    tested = np.isin(group, group[fer2013.positions(split.excluded[COPIES])]) & (fer2013.usage == 1)
    assert tested.sum() == 278


def test_at_full_size_no_face_is_on_two_sides(fer2013: FaceSet) -> None:
    split = official(fer2013, 0.06, 0)
    assert {frozenset(parts) for parts in sides_of_groups(fer2013, split).values()} == {
        frozenset({"train"}),
        frozenset({"validation"}),
        frozenset({"public_test"}),
    }


def test_at_full_size_validation_has_its_share_of_every_label(fer2013: FaceSet) -> None:
    split = official(fer2013, 0.06, 0)
    kept = fer2013.labels[fer2013.positions(np.concatenate([split.parts["train"], split.parts["validation"]]))]
    held = fer2013.labels[fer2013.positions(split.parts["validation"])]
    assert np.abs(np.bincount(held, minlength=7) - 0.06 * np.bincount(kept, minlength=7)).max() <= 5


def test_at_full_size_the_draw_is_the_one_that_shipped_models_were_trained_on(fer2013: FaceSet) -> None:
    split = official(fer2013, 0.06, 0)
    found = {k: hashlib.sha256(v.astype("<i4").tobytes()).hexdigest()[:16] for k, v in split.parts.items()}
    assert found == {
        "train": "a8ff22a1ef4b2158",
        "validation": "f1cc5ed025e13a56",
        "public_test": "fe87f494f922d3b7",
    }


def test_at_full_size_folds_are_even_to_a_face_or_two(fer2013: FaceSet) -> None:
    made = folds(fer2013, 5, 0)
    tested = np.array([np.bincount(fer2013.labels[fer2013.positions(f.parts["test"])]) for f in made])
    assert tested.sum(axis=0).tolist() == np.bincount(fer2013.labels).tolist()
    assert np.ptp(tested, axis=0).max() <= 2
    assert all(len(parts) == 1 for parts in sides_of_groups(fer2013, made[2]).values())


# ---- the official split of other sources


def with_usages(faces: FaceSet, usage: list[int] | np.ndarray, *usages: str) -> FaceSet:
    return dataclasses.replace(faces, usage=np.array(usage, np.uint8), usages=usages)


@pytest.mark.parametrize(
    ("usage", "part"),
    [
        ("test", "test"),
        ("Testing", "test"),
        ("TEST", "test"),
        ("PrivateTest", "private_test"),
        ("privateTest", "private_test"),
        ("hold out", "hold_out"),
        ("Fold-3", "fold_3"),
        ("val", "validation"),
        ("Valid", "validation"),
        ("VALIDATION", "validation"),
        ("dev", "validation"),
    ],
)
def test_a_usage_becomes_a_part(tiny_faces: FaceSet, usage: str, part: str) -> None:
    faces = with_usages(tiny_faces, np.arange(120) >= 90, "Train", usage)
    split = official(faces, 0, 0)
    assert list(split.parts) == ["train", part]
    assert split.parts[part].tolist() == tiny_faces.rows[90:].tolist()


@pytest.mark.parametrize("training", ["train", "Training", "TRAIN"])
def test_the_training_rows_go_by_several_names(tiny_faces: FaceSet, training: str) -> None:
    faces = with_usages(tiny_faces, np.arange(120) < 90, "test", training)
    assert_same(official(faces, 0.2, 3), official(with_usages(faces, faces.usage ^ 1, "train", "test"), 0.2, 3))


def test_a_source_with_validation_rows_keeps_them(tiny_faces: FaceSet) -> None:
    usage = np.repeat([0, 1, 2], [80, 30, 10])  # 30 = 95 are train and test, 31 = 96 = 97 too
    usage[14] = 2  # 6 = 14 = 21
    faces = with_usages(tiny_faces, usage, "train", "test", "validation")
    split = official(faces, 0.2, 0)
    assert list(split.parts) == ["train", "validation", "test"]
    assert split.parts["validation"].tolist() == tiny_faces.rows[[14, *range(110, 120)]].tolist()
    assert split.excluded[COPIES].tolist() == tiny_faces.rows[[30, 31]].tolist()
    assert split.excluded[VALIDATION_COPIES].tolist() == tiny_faces.rows[[6, 21]].tolist()
    assert len(split.parts["train"]) == 79 - 4


def test_two_usages_of_one_meaning_are_one_part(tiny_faces: FaceSet) -> None:
    faces = with_usages(tiny_faces, np.arange(120) % 3, "train", "val", "dev")
    assert official(faces, 0.2, 0).parts["validation"].tolist() == tiny_faces.rows[np.arange(120) % 3 > 0].tolist()


@pytest.mark.parametrize("usages", [("all",), ("train",), ("left", "right")])
def test_a_source_without_a_split_says_how_to_draw_one(tiny_faces: FaceSet, usages: tuple[str, ...]) -> None:
    faces = with_usages(tiny_faces, np.zeros(120), *usages)
    with pytest.raises(DataError, match=f"tiny.csv brings no split.*{usages[-1]}.*--kind stratified"):
        official(faces, 0.2, 0)


# ---- drawn by label


def assert_whole(faces: FaceSet, split: Split, positions: np.ndarray | None = None) -> None:
    """Every row is once in a part or left out; rows are sorted, and no face is in two parts."""
    every = np.concatenate([*split.parts.values(), *split.excluded.values()])
    assert sorted(every.tolist()) == sorted((faces.rows if positions is None else faces.rows[positions]).tolist())
    assert all((np.diff(rows) > 0).all() and rows.dtype == np.int32 for rows in split.parts.values())
    assert all(len(parts) == 1 for parts in sides_of_groups(faces, split).values())


def shares(faces: FaceSet, split: Split) -> dict[str, np.ndarray]:
    """For each part, its share of the faces of every label."""
    n = np.bincount(faces.labels, minlength=7)
    return {k: np.bincount(faces.labels[faces.positions(v)], minlength=7) / n for k, v in split.parts.items()}


@pytest.mark.parametrize("seed", range(5))
def test_stratified_parts_have_their_share_of_every_label(many_faces: FaceSet, seed: int) -> None:
    split = stratified(many_faces, 0.2, 0.25, seed)
    assert list(split.parts) == ["train", "validation", "test"]
    assert_whole(many_faces, split)
    n = np.bincount(many_faces.labels)
    for part in ("test", "validation"):
        assert np.abs(shares(many_faces, split)[part] * n - 0.2 * n).max() <= 2
    assert (split.seed, split.source_sha256) == (seed, many_faces.provenance.sha256)
    assert split.name == "stratified, test 0.2, validation 0.25"


def test_stratified_parts_do_not_heed_the_sources_own_split(tiny_faces: FaceSet) -> None:
    other = with_usages(tiny_faces, np.zeros(120), "all")
    assert_same(stratified(other, 0.2, 0.2, 1), stratified(tiny_faces, 0.2, 0.2, 1))


def test_a_part_with_a_share_of_nothing_is_not_drawn(tiny_faces: FaceSet) -> None:
    assert list(stratified(tiny_faces, 0.2, 0).parts) == ["train", "test"]
    assert list(stratified(tiny_faces, 0, 0.2).parts) == ["train", "validation"]
    with pytest.raises(DataError, match="neither a test nor a validation part"):
        stratified(tiny_faces, 0, 0)


@pytest.mark.parametrize(
    ("test", "validation", "named"),
    [(-0.1, 0.2, "test share -0.1"), (0.91, 0.2, "test share 0.91"), (0.2, 0.51, "validation share 0.51")],
)
def test_stratified_shares_out_of_range_are_refused(
    tiny_faces: FaceSet, test: float, validation: float, named: str
) -> None:
    with pytest.raises(DataError, match=named):
        stratified(tiny_faces, test, validation)


def test_the_largest_shares_are_allowed(many_faces: FaceSet) -> None:
    sizes = {part: len(rows) for part, rows in stratified(many_faces, 0.9, 0.5).parts.items()}
    assert sizes["test"] == pytest.approx(900, abs=10) and sizes["validation"] == pytest.approx(50, abs=5)


def test_every_kind_of_split_depends_on_its_seed_and_on_nothing_else(people: FaceSet) -> None:
    for draw in (stratified, by_subject, lambda f, seed: folds(f, 4, seed)[1]):
        rows = {tuple(draw(people, seed=seed).parts["test"].tolist()) for seed in (0, 1, 2, 3, 3)}
        assert len(rows) == 4
        with pytest.raises(DataError, match="seed -1; expected 0 or more"):
            draw(people, seed=-1)


# ---- folds


@pytest.mark.parametrize("k", [2, 3, 5, 10])
def test_folds_test_every_row_once_with_even_labels(many_faces: FaceSet, k: int) -> None:
    made = folds(many_faces, k, 4)
    assert len(made) == k
    for i, fold in enumerate(made, 1):
        assert list(fold.parts) == ["train", "test"]
        assert_whole(many_faces, fold)
        assert (fold.name, fold.seed) == (f"fold {i} of {k}", 4)
    tested = np.concatenate([fold.parts["test"] for fold in made])
    assert sorted(tested.tolist()) == many_faces.rows.tolist()
    counts = [np.bincount(many_faces.labels[many_faces.positions(f.parts["test"])], minlength=7) for f in made]
    assert np.ptp(counts, axis=0).max() <= 2
    assert np.ptp(np.sum(counts, axis=1)) <= 3


@pytest.mark.parametrize("k", [0, 1, 115])
def test_a_number_of_folds_that_cannot_be_is_refused(tiny_faces: FaceSet, k: int) -> None:
    with pytest.raises(DataError, match=f"{k} folds; expected from 2 to the number of different faces, 114"):
        folds(tiny_faces, k)


# ---- by subject


def sides_of_subjects(faces: FaceSet, split: Split) -> dict[str, set[str]]:
    assert faces.subjects is not None
    sides: dict[str, set[str]] = {}
    for part, rows in split.parts.items():
        for who in faces.subjects[faces.positions(rows)]:
            sides.setdefault(str(who), set()).add(part)
    return sides


@pytest.mark.parametrize("seed", range(5))
def test_no_subject_is_in_two_parts_and_the_labels_are_about_even(people: FaceSet, seed: int) -> None:
    split = by_subject(people, 0.2, 0.25, seed)
    assert list(split.parts) == ["train", "validation", "test"]
    assert_whole(people, split)
    assert all(len(parts) == 1 for parts in sides_of_subjects(people, split).values())
    found = shares(people, split)
    assert np.abs(found["test"] - 0.2).max() <= 0.06
    assert np.abs(found["validation"] - 0.2).max() <= 0.06
    assert split.name == "by subject, test 0.2, validation 0.25"


def test_no_subject_is_in_two_folds(people: FaceSet) -> None:
    made = folds(people, 4, 0, subjects=True)
    for fold in made:
        assert_whole(people, fold)
        assert all(len(parts) == 1 for parts in sides_of_subjects(people, fold).values())
    assert sorted(np.concatenate([f.parts["test"] for f in made]).tolist()) == people.rows.tolist()
    assert np.abs(np.array([shares(people, f)["test"] for f in made]) - 0.25).max() <= 0.06
    assert made[0].name == "fold 1 of 4 by subject"
    with pytest.raises(DataError, match="expected from 2 to the number of subjects, 60"):
        folds(people, 61, subjects=True)


def test_identical_faces_under_two_names_keep_both_people_together(people: FaceSet) -> None:
    faces = people.faces.copy()
    at = [int(np.flatnonzero(people.subjects == f"P{i}")[0]) for i in (1, 2, 3)]
    faces[at[1]], faces[at[2]] = faces[at[0]], faces[at[0]]
    same = dataclasses.replace(people, faces=faces)
    for seed in range(12):
        sides = sides_of_subjects(same, by_subject(same, seed=seed))
        assert sides["P1"] == sides["P2"] == sides["P3"]


def test_the_only_person_with_a_label_goes_to_train(people: FaceSet) -> None:
    labels = np.where(people.subjects == "P7", 1, np.where(people.labels == 1, 0, people.labels)).astype(np.int8)
    for seed in range(5):
        split = by_subject(dataclasses.replace(people, labels=labels), seed=seed)
        assert sides_of_subjects(people, split)["P7"] == {"train"}


def test_faces_without_a_known_subject_are_an_error_or_left_out(people: FaceSet) -> None:
    assert people.subjects is not None
    some = dataclasses.replace(people, subjects=np.where(np.arange(len(people)) % 40 == 3, "", people.subjects))
    with pytest.raises(DataError, match=r"15 of 600 faces have no known subject.*--skip-unknown"):
        by_subject(some)
    for split in (by_subject(some, skip_unknown=True), folds(some, 3, subjects=True, skip_unknown=True)[0]):
        assert split.excluded[UNKNOWN].tolist() == people.rows[3::40].tolist()
        assert "" not in sides_of_subjects(some, split)


def test_a_set_without_subjects_cannot_be_split_by_them(tiny_faces: FaceSet, people: FaceSet) -> None:
    for faces in (tiny_faces, dataclasses.replace(people, subjects=np.full(600, ""))):
        with pytest.raises(DataError, match="does not say who is in its pictures.*CK.48.*--kind stratified"):
            by_subject(faces, skip_unknown=True)


# ---- within an earlier split

KINDS: dict[str, Callable[[FaceSet, Split], Split]] = {
    "official": lambda faces, within: official(faces, 0.2, 0, within),
    "stratified": lambda faces, within: stratified(faces, 0.2, 0.2, 0, within),
    "by subject": lambda faces, within: by_subject(faces, 0.2, 0.2, 0, within=within),
    "folds": lambda faces, within: folds(faces, 3, 0, within=within)[1],
    "folds by subject": lambda faces, within: folds(faces, 3, 0, subjects=True, within=within)[1],
}


@pytest.fixture
def cleaned(people: FaceSet) -> Split:
    """Training rows 0 to 399 but each tenth, and 400 to 599 as public_test."""
    at = np.arange(400)
    return Split(
        "cleaned",
        0,
        people.provenance.sha256,
        {"train": people.rows[at[at % 10 > 0]], "public_test": people.rows[400:]},
        {"blurred": people.rows[at[at % 10 == 0]]},
    )


@pytest.mark.parametrize("kind", KINDS)
def test_drawing_within_a_split_leaves_all_else_as_it_is(people: FaceSet, cleaned: Split, kind: str) -> None:
    split = KINDS[kind](people, cleaned)
    assert split.parts["public_test"].tolist() == cleaned.parts["public_test"].tolist()
    assert split.excluded["blurred"].tolist() == cleaned.excluded["blurred"].tolist()
    drawn = [rows for part, rows in split.parts.items() if part != "public_test"]
    left_out = [rows for reason, rows in split.excluded.items() if reason != "blurred"]
    assert sorted(np.concatenate([*drawn, *left_out]).tolist()) == cleaned.parts["train"].tolist()
    assert split.name.endswith(", within 'cleaned'") and split.leaked == ""
    assert all(len(parts) == 1 for parts in sides_of_groups(people, split).values())
    if "subject" in kind:
        assert all(len(parts) == 1 for parts in sides_of_subjects(people, split).values())
        assert len(split.excluded[SHARED_SUBJECT]) > 0


@pytest.mark.parametrize("kind", KINDS)
def test_faces_that_are_in_a_part_that_stays_are_left_out(people: FaceSet, cleaned: Split, kind: str) -> None:
    faces = people.faces.copy()
    faces[[1, 2]] = faces[500]
    assert people.subjects is not None
    subjects = np.where(np.arange(600) < 400, people.subjects, "Q")  # so that these two are not left out as shared
    split = KINDS[kind](dataclasses.replace(people, faces=faces, subjects=subjects), cleaned)
    assert split.excluded[COPIES].tolist() == people.rows[[1, 2]].tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_a_leak_is_handed_on(people: FaceSet, cleaned: Split, kind: str) -> None:
    assert KINDS[kind](people, dataclasses.replace(cleaned, leaked="by hand")).leaked == "by hand"


@pytest.mark.parametrize("kind", KINDS)
def test_an_earlier_split_of_another_source_is_refused(people: FaceSet, cleaned: Split, kind: str) -> None:
    with pytest.raises(DataError, match="'cleaned' was made from a source with sha256 abababab.*people.csv has 00000"):
        KINDS[kind](people, dataclasses.replace(cleaned, source_sha256="ab" * 32))


@pytest.mark.parametrize("kind", KINDS)
def test_an_earlier_split_without_train_is_refused(people: FaceSet, cleaned: Split, kind: str) -> None:
    parts = {"test": cleaned.parts["public_test"]}
    with pytest.raises(DataError, match="'cleaned' has no part train; it has test"):
        KINDS[kind](people, dataclasses.replace(cleaned, parts=parts))


@pytest.mark.parametrize("part", ["test", "validation"])
def test_a_part_that_is_there_is_not_drawn_twice(people: FaceSet, cleaned: Split, part: str) -> None:
    earlier = dataclasses.replace(cleaned, parts={"train": cleaned.parts["train"], part: cleaned.parts["public_test"]})
    for draw in (stratified, by_subject):
        with pytest.raises(DataError, match=f"has a part {part} already.*--{part} 0"):
            draw(people, within=earlier)
        shares = {"test": 0.2, "validation": 0.2, part: 0.0}
        split = draw(people, **shares, within=earlier)
        assert set(split.parts) == {"train", "validation", "test"}
        assert split.parts[part].tolist() == cleaned.parts["public_test"].tolist()


def test_folds_within_a_split_with_a_test_part_change_the_validation_part(people: FaceSet, cleaned: Split) -> None:
    parts = {"train": cleaned.parts["train"], "test": cleaned.parts["public_test"]}
    earlier = dataclasses.replace(cleaned, parts=parts)
    made = folds(people, 3, within=earlier)
    assert [list(f.parts) for f in made] == [["train", "validation", "test"]] * 3
    held = np.concatenate([f.parts["validation"] for f in made])
    assert sorted(held.tolist()) == parts["train"].tolist()
    with pytest.raises(DataError, match="has a part validation already"):
        folds(people, 3, within=made[0])


def test_an_earlier_split_stands_in_for_the_sources_own(people: FaceSet, cleaned: Split) -> None:
    plain = with_usages(people, np.zeros(600), "all")
    split = official(plain, 0.2, 0, cleaned)
    assert list(split.parts) == ["train", "validation", "public_test"]
    assert len(split.parts["validation"]) == pytest.approx(72, abs=7)
    again = official(plain, 0.3, 1, split)
    assert again.parts["validation"].tolist() == split.parts["validation"].tolist()


def test_an_earlier_split_with_train_only_chooses_rows_of_the_sources_own(tiny_faces: FaceSet) -> None:
    earlier = Split("odd", 0, "0" * 64, {"train": tiny_faces.rows[1::2]}, {"even": tiny_faces.rows[::2]})
    split = official(tiny_faces, 0.2, 0, earlier)
    assert split.parts["public_test"].tolist() == tiny_faces.rows[91::2].tolist()
    assert set(tiny_faces.positions(split.parts["train"]) % 2) == {1}
    assert_whole(tiny_faces, split)


def test_rows_of_an_over_sampled_split_are_drawn_once(people: FaceSet, cleaned: Split) -> None:
    train = np.sort(np.concatenate([cleaned.parts["train"], cleaned.parts["train"][:50]]))
    earlier = dataclasses.replace(cleaned, parts={**cleaned.parts, "train": train}, balance="over")
    split = stratified(people, within=earlier)
    assert split.balance == ""
    assert_same(dataclasses.replace(split, name=""), dataclasses.replace(stratified(people, within=cleaned), name=""))


def test_the_same_reason_to_leave_out_is_given_once(people: FaceSet, cleaned: Split) -> None:
    faces = people.faces.copy()
    faces[1] = faces[500]
    earlier = dataclasses.replace(cleaned, excluded={COPIES: cleaned.excluded["blurred"]})
    split = stratified(dataclasses.replace(people, faces=faces), within=earlier)
    assert split.excluded[COPIES].tolist() == sorted([people.rows[1], *cleaned.excluded["blurred"].tolist()])


# ---- saved splits


def test_a_saved_split_is_the_same_split(tiny_faces: FaceSet, tmp_path: Path) -> None:
    split = official(tiny_faces, 0.2, 3)
    split.save(tmp_path / "split.json")
    assert_same(Split.load(tmp_path / "split.json"), split)
    assert [p.name for p in tmp_path.iterdir()] == ["split.json"]


@pytest.mark.parametrize(
    "changed",
    [
        {"balance": "weights", "class_weights": {"angry": 0.5, "happy": 2.25}},
        {"balance": "sampler"},
        {"leaked": "by hand"},
    ],
)
def test_what_a_split_says_beyond_its_parts_is_saved(
    tiny_faces: FaceSet, tmp_path: Path, changed: dict[str, Any]
) -> None:
    split = dataclasses.replace(official(tiny_faces, 0.2, 3), **changed)
    split.save(tmp_path / "split.json")
    assert_same(Split.load(tmp_path / "split.json"), split)


def test_a_leak_cannot_be_struck_from_the_file(tiny_faces: FaceSet, tmp_path: Path) -> None:
    whole = official(tiny_faces, 0.2, 0)
    shared = {**whole.parts, "train": np.union1d(whole.parts["train"], whole.parts["public_test"][:3])}
    path = tmp_path / "split.json"
    dataclasses.replace(whole, parts=shared, leaked="3 test rows are in train").save(path)
    assert Split.load(path).leaked == "3 test rows are in train"
    body = json.loads(path.read_text())
    for without in ({k: v for k, v in body.items() if k != "leaked"}, {**body, "leaked": ""}):
        path.write_text(json.dumps(without))
        with pytest.raises(DataError, match="a row is in two parts"):
            Split.load(path)


@pytest.mark.parametrize(
    ("balance", "weights"),
    [
        ("weights", {}),
        ("over", {"angry": 1.0}),
        ("", {"angry": 1.0}),
        ("weights", {"angry": 0.0}),
        ("weights", {"angry": -1.0}),
        ("weights", {"angry": float("nan")}),
        ("weights", {"angry": float("inf")}),
    ],
)
def test_class_weights_go_with_their_balance(tiny_faces: FaceSet, balance: str, weights: dict[str, float]) -> None:
    with pytest.raises(DataError, match="positive class weights where the balance is 'weights'"):
        dataclasses.replace(official(tiny_faces, 0.2, 0), balance=balance, class_weights=weights)


def test_a_split_is_checked_against_the_set_it_is_used_with(tiny_faces: FaceSet) -> None:
    split = official(tiny_faces, 0.2, 0)
    split.check(tiny_faces)
    other = dataclasses.replace(tiny_faces, provenance=Provenance("made up", "other.csv", "f" * 64))
    with pytest.raises(
        DataError, match=r"'official' .* sha256 0000000000000000…, and other\.csv has ffffffffffffffff…"
    ):
        split.check(other)


def test_a_split_belongs_to_its_source(tiny_faces: FaceSet) -> None:
    assert official(tiny_faces, 0.2, 0).source_sha256 == tiny_faces.provenance.sha256


def parts(**changed: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda body: {**body, "parts": {**body["parts"], **changed}}


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda body: {k: v for k, v in body.items() if k != "parts"}, "not a split"),
        (lambda body: {k: v for k, v in body.items() if k != "excluded"}, "not a split"),
        (lambda body: {**body, "parts": [1, 2]}, "not a split"),
        (lambda body: {**body, "parts": {}, "excluded": {}}, "not a split"),
        (lambda body: [body], "not a split"),
        (parts(train=7), "not a split"),
        (parts(train=None), "not a split"),
        (parts(train=[1, "two"]), "not a split .*a row id is not a whole number"),
        (parts(train=[1.5]), "not a split .*a row id is not a whole number"),
        (parts(train=[True]), "not a split .*a row id is not a whole number"),
        (parts(train=[[1, 2]]), "not a split .*a row id is not a whole number"),
        (parts(train=[None]), "not a split .*a row id is not a whole number"),
        (parts(train=[-1]), "not a split .*a row id is not a whole number"),
        (parts(train=[2**40]), "not a split .*a row id is not a whole number"),
        (parts(train=[]), "the part train is empty"),
        (parts(train=[1, 1]), "a row is in two parts"),
        (
            lambda body: {**body, "parts": {**body["parts"], "train": body["parts"]["validation"]}},
            "a row is in two parts",
        ),
        (lambda body: {**body, "excluded": {"why": body["parts"]["train"][:1]}}, "in a part and excluded"),
    ],
)
def test_a_damaged_split_is_refused(
    tiny_faces: FaceSet, tmp_path: Path, damage: Callable[[Any], Any], complaint: str
) -> None:
    path = tmp_path / "split.json"
    official(tiny_faces, 0.2, 0).save(path)
    path.write_text(json.dumps(damage(json.loads(path.read_text()))))
    with pytest.raises(DataError, match=complaint):
        Split.load(path)


@pytest.mark.parametrize("content", [b"", b'{"name": "off', b"\xff\xfe"], ids=["empty", "cut", "bytes"])
def test_what_is_no_json_is_not_a_split(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "split.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"split\.json: not a split"):
        Split.load(path)


def test_a_split_that_is_not_there_is_named_with_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no file .*split\.json; expected a split\. .*mien data split STORE"):
        Split.load(tmp_path / "split.json")
