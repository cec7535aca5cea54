"""Balancing: the training part only, and the leak that balancing first makes."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.data import FaceSet, Split, official
from mien.data.balance import DROPPED, balance, balanced_order, reproduce_leak
from mien.data.splits import by_subject, folds, stratified
from mien.errors import DataError, MissingExtraError
from mien.expressions import FER2013, Vocabulary


@pytest.fixture
def uneven(tiny_faces: FaceSet) -> FaceSet:
    """``tiny_faces`` with about 60, 20, 12, 10, 8, 6 and 4 faces a label."""
    labels = np.repeat(np.arange(7), [60, 20, 12, 10, 8, 6, 4])
    return dataclasses.replace(tiny_faces, labels=np.random.default_rng(1).permutation(labels).astype(np.int8))


def counts(faces: FaceSet, split: Split, part: str = "train") -> list[int]:
    return np.bincount(faces.labels[faces.positions(split.parts[part])], minlength=7).tolist()


# ---- the training part


def test_over_sampling_repeats_rows_of_every_class_up_to_the_largest(uneven: FaceSet) -> None:
    split = official(uneven, 0.2, 0)
    largest = max(counts(uneven, split))
    over = balance(uneven, split, "over", 3)
    assert counts(uneven, over) == [largest] * 7
    rows = over.parts["train"]
    assert (np.diff(rows) >= 0).all() and rows.dtype == np.int32
    assert set(rows.tolist()) == set(split.parts["train"].tolist())  # nothing is lost
    assert (over.balance, over.name) == ("over", "official, over-sampled (seed 3)")


def test_under_sampling_leaves_rows_out_down_to_the_smallest(uneven: FaceSet) -> None:
    split = official(uneven, 0.2, 0)
    under = balance(uneven, split, "under", 3)
    assert counts(uneven, under) == [min(counts(uneven, split))] * 7
    kept, dropped = under.parts["train"], under.excluded[DROPPED]
    assert sorted([*kept.tolist(), *dropped.tolist()]) == split.parts["train"].tolist()
    assert all((np.diff(rows) > 0).all() and rows.dtype == np.int32 for rows in (kept, dropped))
    assert (under.balance, under.name) == ("under", "official, under-sampled (seed 3)")


def test_class_weights_are_those_of_scikit_learn_and_one_on_average(uneven: FaceSet) -> None:
    from sklearn.utils.class_weight import compute_class_weight

    split = official(uneven, 0.2, 0)
    weighted = balance(uneven, split, "weights")
    labels = uneven.labels[uneven.positions(split.parts["train"])]
    expected = compute_class_weight("balanced", classes=np.arange(7), y=labels)
    assert weighted.class_weights == pytest.approx(dict(zip(FER2013.labels, expected, strict=True)))
    assert np.mean([weighted.class_weights[FER2013.labels[i]] for i in labels]) == pytest.approx(1)
    assert weighted.parts["train"].tolist() == split.parts["train"].tolist()
    assert (weighted.balance, weighted.name) == ("weights", "official, weighted")


def test_the_sampler_marks_the_split_and_changes_no_row(uneven: FaceSet) -> None:
    split = official(uneven, 0.2, 0)
    marked = balance(uneven, split, "sampler")
    assert marked.parts["train"].tolist() == split.parts["train"].tolist()
    assert (marked.balance, marked.name, marked.class_weights) == ("sampler", "official, sampled evenly", {})


@pytest.mark.parametrize("how", ["over", "under", "weights", "sampler"])
def test_all_else_of_a_split_stays(uneven: FaceSet, tmp_path: Path, how: str) -> None:
    split = dataclasses.replace(official(uneven, 0.2, 7), leaked="by hand")
    made = balance(uneven, split, how)
    assert list(made.parts) == list(split.parts)
    for part in ("validation", "public_test"):
        assert made.parts[part].tolist() == split.parts[part].tolist()
    for reason, rows in split.excluded.items():
        assert made.excluded[reason].tolist() == rows.tolist()
    assert (made.seed, made.source_sha256, made.leaked) == (7, split.source_sha256, "by hand")
    made.save(tmp_path / "made.json")
    again = Split.load(tmp_path / "made.json")
    assert again.parts["train"].tolist() == made.parts["train"].tolist()
    assert (again.balance, again.class_weights, again.leaked) == (how, made.class_weights, "by hand")


@pytest.mark.parametrize("how", ["over", "under"])
def test_a_draw_depends_on_its_seed_and_on_nothing_else(uneven: FaceSet, how: str) -> None:
    split = official(uneven, 0.2, 0)
    drawn = {tuple(balance(uneven, split, how, seed).parts["train"].tolist()) for seed in (0, 1, 2, 2)}
    assert len(drawn) == 3


@pytest.mark.parametrize("how", ["over", "under", "weights", "sampler"])
@pytest.mark.parametrize("before", ["over", "weights"])
def test_a_split_is_balanced_once(uneven: FaceSet, how: str, before: str) -> None:
    balanced = balance(uneven, official(uneven, 0.2, 0), before)
    with pytest.raises(
        DataError, match=f"balanced already \\({before}\\); expected one that is not. Balance the split"
    ):
        balance(uneven, balanced, how)


@pytest.mark.parametrize("how", ["over", "under", "weights", "sampler"])
def test_a_class_without_a_training_face_is_named(uneven: FaceSet, how: str) -> None:
    split = official(uneven, 0.2, 0)
    rows = split.parts["train"]
    gone = np.isin(uneven.labels[uneven.positions(rows)], [1, 3])
    split = dataclasses.replace(split, parts={**split.parts, "train": rows[~gone]})
    with pytest.raises(
        DataError, match=r"training part of 'official' has no face of disgust, happy; expected at least"
    ):
        balance(uneven, split, how)


def test_what_cannot_be_balanced_is_refused(uneven: FaceSet) -> None:
    split = official(uneven, 0.2, 0)
    with pytest.raises(DataError, match="balance 'smote'; expected one of over, under, weights, sampler"):
        balance(uneven, split, "smote")
    with pytest.raises(DataError, match="sha256 9999"):
        balance(uneven, dataclasses.replace(split, source_sha256="9" * 64), "weights")
    parts = {k: v for k, v in split.parts.items() if k != "train"}
    with pytest.raises(DataError, match="has no part train; it has validation, public_test"):
        balance(uneven, dataclasses.replace(split, parts=parts), "weights")


def test_a_single_class_is_balanced_as_it_is(uneven: FaceSet) -> None:
    one = dataclasses.replace(uneven, labels=np.zeros(120, np.int8), vocabulary=Vocabulary("one", ("happy",)))
    split = official(one, 0.2, 0)
    assert balance(one, split, "over").parts["train"].tolist() == split.parts["train"].tolist()


def test_without_imbalanced_learn_the_error_names_the_extra(uneven: FaceSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "imblearn.over_sampling", None)
    split = official(uneven, 0.2, 0)
    for how in ("over", "under"):
        with pytest.raises(MissingExtraError, match=rf"by {how}-sampling needs the package imblearn.*'mien\[data\]'"):
            balance(uneven, split, how)
    assert balance(uneven, split, "weights").class_weights and balance(uneven, split, "sampler")


def test_weights_and_sampler_work_in_the_base_install() -> None:
    code = "import sys, mien.data.balance; print(sorted({'imblearn', 'sklearn', 'scipy'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.strip() == "[]", done.stderr


# ---- the order of a balanced sampler


@given(st.data())
def test_every_prefix_of_a_balanced_order_is_balanced(data: st.DataObject) -> None:
    labels = np.array(data.draw(st.lists(st.integers(0, 5), min_size=1, max_size=60)))
    n, seed, epoch = (data.draw(st.integers(0, most)) for most in (150, 9, 9))
    order = balanced_order(labels, n, seed, epoch)
    assert order.shape == (n,) and order.dtype == np.int64
    classes = np.unique(labels)
    for end in range(n + 1):
        assert np.ptp([(labels[order[:end]] == c).sum() for c in classes]) <= 1
    for c in classes:  # no face comes again before all of its class have come
        drawn = order[labels[order] == c].tolist()
        size = int((labels == c).sum())
        for start in range(0, len(drawn), size):
            assert len(set(drawn[start : start + size])) == len(drawn[start : start + size])


def test_a_balanced_order_is_another_in_each_epoch_and_seed() -> None:
    labels = np.repeat([0, 1, 2], [50, 20, 5])
    drawn = {tuple(balanced_order(labels, 75, seed, epoch)) for seed in (0, 1) for epoch in (0, 1, 1)}
    assert len(drawn) == 4


def test_classes_do_not_come_in_a_fixed_order() -> None:
    labels = np.repeat([0, 1, 2], 30)
    rounds = labels[balanced_order(labels, 90, 0, 0)].reshape(30, 3)
    assert len({tuple(r) for r in rounds.tolist()}) == 6
    assert {r[0] for r in rounds.tolist()} == {0, 1, 2}


def test_one_epoch_goes_through_the_smallest_class_again_and_again() -> None:
    labels = np.repeat([0, 1], [90, 10])
    order = balanced_order(labels, 100, 0, 0)
    times = Counter(order.tolist())
    assert [times[i] for i in range(90, 100)] == [5] * 10
    assert sum(times[i] for i in range(90)) == 50 and max(times[i] for i in range(90)) == 1
    passes = order[order >= 90].reshape(5, 10)
    assert len({tuple(p) for p in passes.tolist()}) == 5  # each time in another order


# ---- the leak


def test_over_sampling_before_the_split_puts_faces_on_both_sides(uneven: FaceSet) -> None:
    split = reproduce_leak(uneven, "over", 0.2, 0.25, 1)
    sizes = {part: len(rows) for part, rows in split.parts.items()}
    assert sizes == {"train": 252, "validation": 84, "test": 84}  # of 7 × 60
    every = np.concatenate([*split.parts.values()])
    assert np.bincount(uneven.labels[uneven.positions(every)]).tolist() == [60] * 7
    assert set(every.tolist()) == set(uneven.rows.tolist())
    train = set(split.parts["train"].tolist())
    twins = sum(row in train for row in split.parts["test"].tolist())
    assert 40 < twins < 84
    assert split.leaked == (
        f"over-sampled before the split: {twins} of 84 test rows ({twins / 84:.0%}) are also in train"
    )
    assert split.name == "over-sampled, then split at random, test 0.2, validation 0.25"
    assert (split.balance, split.seed, split.excluded) == ("over", 1, {})


def test_under_sampling_before_the_split_chooses_the_test_rows_by_label(uneven: FaceSet) -> None:
    split = reproduce_leak(uneven, "under", 0.25, 0, 1)
    assert {part: len(rows) for part, rows in split.parts.items()} == {"train": 21, "test": 7}  # of 7 × 4
    every = np.concatenate([*split.parts.values()])
    assert np.bincount(uneven.labels[uneven.positions(every)]).tolist() == [4] * 7
    assert sorted([*every.tolist(), *split.excluded[DROPPED].tolist()]) == uneven.rows.tolist()
    assert split.leaked.startswith(
        "under-sampled before the split: the test rows were chosen by label (4 faces of each class kept of up to 60)"
    )
    assert split.balance == "under"


def test_the_random_split_is_no_stratified_one(uneven: FaceSet) -> None:
    found = {tuple(counts(uneven, reproduce_leak(uneven, "over", seed=seed), "test")) for seed in range(4)}
    assert len(found) == 4
    assert all(np.ptp(c) > 2 for c in found)


@pytest.mark.parametrize(
    ("how", "test", "validation", "complaint"),
    [
        ("weights", 0.2, 0.2, "balance 'weights'; expected one of over, under"),
        ("sampler", 0.2, 0.2, "balance 'sampler'; expected one of over, under"),
        ("over", 0, 0.2, "test share 0; expected more than 0 and at most 0.9"),
        ("over", 0.95, 0.2, "test share 0.95"),
        ("over", 0.2, -0.1, "validation share -0.1; expected from 0"),
        ("over", 0.2, 0.6, "validation share 0.6"),
        ("over", float("nan"), 0.2, "test share nan"),
        ("over", 0.2, float("nan"), "validation share nan"),
        ("over", 0.001, 0.2, "the part test is empty"),
    ],
)
def test_a_leak_that_cannot_be_made_is_refused(
    uneven: FaceSet, how: str, test: float, validation: float, complaint: str
) -> None:
    with pytest.raises(DataError, match=complaint):
        reproduce_leak(uneven, how, test, validation)


@pytest.mark.parametrize("how", ["over", "under"])
def test_a_leak_within_a_split_stays_among_its_training_rows(uneven: FaceSet, tmp_path: Path, how: str) -> None:
    whole = official(uneven, 0, 0)
    split = reproduce_leak(uneven, how, 0.25, 0.2, 1, whole)
    assert list(split.parts) == ["train", "validation", "test", "public_test"]
    assert split.parts["public_test"].tolist() == whole.parts["public_test"].tolist()
    drawn = np.concatenate([split.parts[part] for part in ("train", "validation", "test")])
    dropped = split.excluded.get(DROPPED, drawn[:0])
    assert {*drawn.tolist(), *dropped.tolist()} == set(whole.parts["train"].tolist())
    assert len(np.unique(np.bincount(uneven.labels[uneven.positions(drawn)]))) == 1  # all of them are balanced
    assert len(split.parts["test"]) == round(0.25 * len(drawn))
    for reason, rows in whole.excluded.items():
        assert split.excluded[reason].tolist() == rows.tolist() and len(rows)
    assert split.name.endswith(", test 0.25, validation 0.2, within 'official'")
    assert split.balance == how and split.leaked.startswith(f"{how}-sampled before the split")
    assert all(rows.dtype == np.int32 for rows in [*split.parts.values(), *split.excluded.values()])
    split.save(tmp_path / "s.json")
    assert Split.load(tmp_path / "s.json").leaked == split.leaked


def test_a_leak_within_keeps_what_was_wrong_and_left_out_before(uneven: FaceSet) -> None:
    under = dataclasses.replace(balance(uneven, official(uneven, 0, 0), "under"), leaked="by hand")
    again = reproduce_leak(uneven, "under", 0.25, 0, 1, under)
    assert again.excluded[DROPPED].tolist() == under.excluded[DROPPED].tolist()  # nothing more to leave out
    assert again.leaked.startswith("by hand; under-sampled before the split")
    over = balance(uneven, official(uneven, 0, 0), "over")  # repeats rows, which are taken once
    once, twice = (reproduce_leak(uneven, "over", 0.25, 0, 1, w) for w in (official(uneven, 0, 0), over))
    assert once.parts["test"].tolist() == twice.parts["test"].tolist()


def test_a_leak_within_needs_a_training_part_and_room(uneven: FaceSet) -> None:
    taken = "has the parts train, validation, public_test; expected a part train, and no part validation or test"
    with pytest.raises(DataError, match=taken):
        reproduce_leak(uneven, "over", 0.2, 0.2, 0, official(uneven, 0.2, 0))
    kept = reproduce_leak(uneven, "over", 0.2, 0, 0, official(uneven, 0.2, 0))
    assert kept.parts["validation"].tolist() == official(uneven, 0.2, 0).parts["validation"].tolist()
    split = official(uneven, 0, 0)
    headless = dataclasses.replace(split, parts={"public_test": split.parts["public_test"]})
    with pytest.raises(DataError, match="has the parts public_test; expected a part train"):
        reproduce_leak(uneven, "over", within=headless)
    with pytest.raises(DataError, match="sha256 9999"):
        reproduce_leak(uneven, "over", within=dataclasses.replace(split, source_sha256="9" * 64))
    rows = split.parts["train"]
    happy = uneven.labels[uneven.positions(rows)] == 3
    unhappy = dataclasses.replace(split, parts={**split.parts, "train": rows[~happy]})
    with pytest.raises(DataError, match="the training part of 'official' has no face of happy"):
        reproduce_leak(uneven, "over", within=unhappy)


def test_a_set_without_a_face_of_a_class_cannot_be_balanced_first(uneven: FaceSet) -> None:
    labels = np.where(uneven.labels == 6, 0, uneven.labels).astype(np.int8)
    with pytest.raises(DataError, match=r"tiny\.csv has no face of neutral"):
        reproduce_leak(dataclasses.replace(uneven, labels=labels), "over")


def test_a_leak_is_for_good(uneven: FaceSet, tmp_path: Path) -> None:
    uneven = dataclasses.replace(uneven, subjects=np.array([f"P{i % 30}" for i in range(120)]))
    leaked = reproduce_leak(uneven, "over", 0.2, 0)
    leaked.save(tmp_path / "leaked.json")
    loaded = Split.load(tmp_path / "leaked.json")
    assert loaded.leaked == leaked.leaked != ""
    assert loaded.parts["test"].tolist() == leaked.parts["test"].tolist()
    body = json.loads((tmp_path / "leaked.json").read_text())
    del body["leaked"]
    (tmp_path / "struck.json").write_text(json.dumps(body))
    with pytest.raises(DataError, match="a row is in two parts"):
        Split.load(tmp_path / "struck.json")
    # A leaked test part leaves few rows to draw from, but whatever is drawn stays leaked.
    sound = dataclasses.replace(stratified(uneven, 0.2, 0), leaked=loaded.leaked)
    drawn = [
        official(uneven, 0.2, 0, sound),
        stratified(uneven, 0, 0.2, 0, sound),
        by_subject(uneven, 0, 0.2, 0, within=dataclasses.replace(sound, parts={"train": sound.parts["train"]})),
        *folds(uneven, 2, 0, within=sound),
    ]
    for split in [sound, *drawn]:
        split.save(tmp_path / "drawn.json")
        for how in ("over", "under", "weights", "sampler"):
            assert balance(uneven, Split.load(tmp_path / "drawn.json"), how).leaked == leaked.leaked
    with pytest.raises(DataError, match="balanced already"):
        balance(uneven, loaded, "under")


def test_rows_under_sampled_twice_are_all_left_out(uneven: FaceSet) -> None:
    once = balance(uneven, official(uneven, 0, 0), "under")
    again = balance(uneven, official(uneven, 0.3, 0, once), "under", 1)
    assert set(once.excluded[DROPPED].tolist()) <= set(again.excluded[DROPPED].tolist())
    every = np.concatenate([*again.parts.values(), *again.excluded.values()])
    assert sorted(every.tolist()) == uneven.rows.tolist()


# ---- at full size


def test_at_full_size_over_sampling_first_leaks_half_of_the_test_rows(fer2013: FaceSet) -> None:
    split = reproduce_leak(fer2013, "over", 0.2, 0, 0)
    assert sum(map(len, split.parts.values())) == 7 * 8104
    twins = np.isin(split.parts["test"], split.parts["train"]).mean()
    assert 0.5 < twins < 0.7
    disgust = split.parts["test"][fer2013.labels[fer2013.positions(split.parts["test"])] == 1]
    assert np.isin(disgust, split.parts["train"]).mean() > 0.99


def test_at_full_size_over_sampling_after_the_split_leaks_nothing(fer2013: FaceSet) -> None:
    split = balance(fer2013, official(fer2013, 0.06, 0), "over")
    assert counts(fer2013, split) == [6746] * 7
    assert all(not np.isin(a, b).any() for a, b in pairwise([*split.parts.values(), *split.excluded.values()]))
    assert split.leaked == ""
