"""Splits: no face on two sides, the same rows for the same seed, and written down."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.data import FaceSet, Provenance, Split, identical_groups, official
from mien.errors import DataError

COPIES = "identical to a test face"


def sides_of_groups(faces: FaceSet, split: Split) -> dict[int, set[str]]:
    """For each group of identical faces, the parts that hold some of it."""
    group, sides = identical_groups(faces.faces), {}
    for part, rows in split.parts.items():
        for number in group[faces.positions(rows)]:
            sides.setdefault(int(number), set()).add(part)
    return sides


def assert_same(a: Split, b: Split) -> None:
    assert (a.name, a.seed, a.source_sha256) == (b.name, b.seed, b.source_sha256)
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


@pytest.mark.parametrize("share", [0, -0.1, 0.51, 1.0, float("nan")])
def test_a_share_out_of_range_is_refused(tiny_faces: FaceSet, share: float) -> None:
    with pytest.raises(DataError, match=r"validation share .*; expected more than 0 and at most 0\.5"):
        official(tiny_faces, share, 0)


@pytest.mark.parametrize(("usage", "named"), [(0, "PublicTest"), (1, "Training"), (2, "Training")])
def test_a_set_without_a_usage_says_which_is_empty(tiny_faces: FaceSet, usage: int, named: str) -> None:
    with pytest.raises(DataError, match=f"the split {named} is empty"):
        official(dataclasses.replace(tiny_faces, usage=np.full(120, usage, np.uint8)), 0.2, 0)


def test_a_share_too_small_for_a_single_row_names_the_empty_part(tiny_faces: FaceSet) -> None:
    with pytest.raises(DataError, match="the part validation is empty; expected at least one row"):
        official(tiny_faces, 0.001, 0)


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


# ---- saved splits


def test_a_saved_split_is_the_same_split(tiny_faces: FaceSet, tmp_path: Path) -> None:
    split = official(tiny_faces, 0.2, 3)
    split.save(tmp_path / "split.json")
    assert_same(Split.load(tmp_path / "split.json"), split)
    assert [p.name for p in tmp_path.iterdir()] == ["split.json"]


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


@pytest.mark.parametrize("content", [b"", b'{"name": "off', b"\xff\xfe", None], ids=["empty", "cut", "bytes", "absent"])
def test_what_is_no_json_is_not_a_split(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "split.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"split\.json: not a split"):
        Split.load(path)
