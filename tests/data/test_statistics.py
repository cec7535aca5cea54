"""Counts, grey levels and warnings, against plain numpy in float64."""

from __future__ import annotations

import json
import time
import tracemalloc
from collections import Counter
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.data import FaceSet, Split, load, save
from mien.data.agreement import agreement
from mien.data.statistics import GreyLevel, drawn, statistics
from mien.errors import DataError
from mien.expressions import FER2013, FOUR, VALENCE


def level_of(faces: np.ndarray) -> GreyLevel:
    plain = faces.astype(np.float64)
    return GreyLevel(pytest.approx(plain.mean(), rel=1e-12), pytest.approx(plain.std(), rel=1e-12))


def split_of(faces: FaceSet, parts: dict[str, list[int]], **further: object) -> Split:
    """A split with these positions."""
    return Split(
        "made up",
        3,
        faces.provenance.sha256,
        {k: faces.rows[np.array(v)] for k, v in parts.items()},
        **further,  # type: ignore[arg-type]
    )


# ---- counts


def test_faces_are_counted_per_part_and_label(tiny_faces: FaceSet) -> None:
    found = statistics(tiny_faces)
    assert found.n == found.distinct == 120 and found.size == 48
    assert found.parts == ("Training", "PublicTest")  # PrivateTest has no face
    by_hand = Counter((u, a) for u, a in zip(tiny_faces.usage.tolist(), tiny_faces.labels.tolist(), strict=True))
    assert {(u, a): n for (u, a), n in np.ndenumerate(found.counts)} == {
        (u, a): by_hand[u, a] for u in (0, 1) for a in range(7)
    }
    assert found.shares[1, 2] == by_hand[1, 2] / 30
    assert found.shares.sum(axis=1) == pytest.approx([1, 1])
    assert found.voted == sum(any(v) for v in tiny_faces.votes.tolist()) == 109
    assert found.left_out == {} and found.subjects is None and found.paths is False


def test_labels_without_a_face_are_counted_too(tiny_faces: FaceSet) -> None:
    some = tiny_faces.take(np.flatnonzero(tiny_faces.labels != 4))
    found = statistics(some)
    assert found.per_label[4] == 0 and found.label_levels[4] is None
    assert np.isnan(found.mean_faces[4]).all() and not np.isnan(np.delete(found.mean_faces, 4, axis=0)).any()
    assert found.to_dict()["grey_level_per_label"]["sad"] is None


def test_persons_files_and_columns_are_told(tiny_faces: FaceSet) -> None:
    who = np.array([["", "S1", "S2", "S1"][i % 4] for i in range(120)])
    told = replace(tiny_faces, subjects=who, paths=who, columns={"relFCs": np.zeros(120)})
    found = statistics(told)
    assert found.subjects == 2 and found.paths is True and found.columns == ("relFCs",)
    assert statistics(told, split_of(told, {"train": [1, 3, 5]})).subjects == 1


def test_fer2013_has_its_known_numbers(shared: Path, fer2013: FaceSet) -> None:
    import pyarrow.parquet as pq

    found = statistics(fer2013)
    assert dict(zip(found.parts, found.counts.sum(axis=1).tolist(), strict=True)) == {
        "Training": 28655,
        "PublicTest": 3584,
    }
    table = pq.read_table(shared / "data" / "fer2013.parquet", columns=["emotion", "usage", "image"])
    by_hand = Counter(zip(table["usage"].to_pylist(), table["emotion"].to_pylist(), strict=True))
    body = found.to_dict()["parts"]
    assert {(u, FER2013.index(a)): n for u in body for a, n in body[u]["counts"].items()} == by_hand
    disgust = table.filter(np.array(table["emotion"].to_pylist()) == 1)["image"].to_pylist()
    pictures = [cv2.imdecode(np.frombuffer(i["bytes"], np.uint8), cv2.IMREAD_GRAYSCALE) for i in disgust]
    assert found.label_levels[1] == level_of(np.stack(pictures))
    assert found.level.mean == pytest.approx(129.386, abs=1e-3)
    assert found.level.std == pytest.approx(64.929, abs=1e-3)


# ---- grey levels


def test_grey_levels_and_mean_faces_are_those_of_plain_numpy(tiny_faces: FaceSet) -> None:
    found = statistics(tiny_faces)
    assert found.level == level_of(tiny_faces.faces)
    for label in range(7):
        faces = tiny_faces.faces[tiny_faces.labels == label]
        assert found.label_levels[label] == level_of(faces)
        np.testing.assert_allclose(found.mean_faces[label], faces.mean(axis=0), rtol=1e-7)
    for part in range(2):
        assert found.part_levels[part] == level_of(tiny_faces.faces[tiny_faces.usage == part])
    assert found.mean_faces.dtype == np.float32


@pytest.mark.parametrize("faces_at_once", [1, 7, 119])
def test_blocks_do_not_change_the_numbers(
    tiny_faces: FaceSet, monkeypatch: pytest.MonkeyPatch, faces_at_once: int
) -> None:
    whole = statistics(tiny_faces)
    module = import_module("mien.data.statistics")  # the package's attribute of that name is the function
    monkeypatch.setattr(module, "_BLOCK_PIXELS", faces_at_once * 48 * 48)
    again = statistics(tiny_faces)
    assert again.to_dict() == whole.to_dict()
    np.testing.assert_allclose(again.mean_faces, whole.mean_faces, rtol=0)


def test_a_grey_level_near_white_does_not_cancel(tiny_faces: FaceSet) -> None:
    faces = np.full_like(tiny_faces.faces, 255)
    faces[0, 0, 0] = 254
    found = statistics(replace(tiny_faces, faces=faces)).level
    n = faces.size
    assert found.std == pytest.approx(((n - 1) / n**2) ** 0.5, rel=1e-12)
    assert statistics(replace(tiny_faces, faces=np.full_like(faces, 255))).level == GreyLevel(255, 0)


def test_the_unit_scale_is_the_same_level(tiny_faces: FaceSet) -> None:
    body = statistics(tiny_faces).to_dict()["all"]["grey_level"]
    unit = tiny_faces.faces / 255
    assert body["unit_mean"] == pytest.approx(unit.mean(), rel=1e-12)
    assert body["unit_std"] == pytest.approx(unit.std(), rel=1e-12)


def test_a_mapped_set_is_never_in_memory_as_a_whole(fer2013: FaceSet) -> None:
    tracemalloc.start()
    try:
        statistics(fer2013)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < fer2013.faces.nbytes / 3  # 74 MB; as float64 it would be 594


def test_fer2013_takes_less_than_a_second(fer2013: FaceSet) -> None:
    def seconds() -> float:
        began = time.process_time()  # cores may be shared with whatever else runs
        statistics(fer2013)
        return time.process_time() - began

    assert min(seconds() for _ in range(3)) < 1


# ---- splits


def test_the_parts_of_a_split_take_the_place_of_usages(tiny_faces: FaceSet) -> None:
    parts = {"train": [*range(60)], "test": [*range(100, 120)]}
    excluded = {"identical to a test face": tiny_faces.rows[[60, 61, 62]]}
    found = statistics(tiny_faces, split_of(tiny_faces, parts, excluded=excluded))
    assert found.parts == ("train", "test") and found.n == 80
    assert found.left_out == {"identical to a test face": 3, "in no part": 37}
    for k, at in enumerate(parts.values()):
        assert found.counts[k].tolist() == np.bincount(tiny_faces.labels[at], minlength=7).tolist()
        assert found.part_levels[k] == level_of(tiny_faces.faces[at])
    held = [at for part in parts.values() for at in part]
    assert found.level == level_of(tiny_faces.faces[held])
    assert found.voted == int(tiny_faces.votes[held].any(axis=1).sum())
    assert found.agreement is not None and found.agreement.counts.sum() == found.voted


def test_repeated_rows_count_as_often_as_they_occur(tiny_faces: FaceSet) -> None:
    train = [*range(1, 40), 1, 1, 1, 9]
    found = statistics(tiny_faces, split_of(tiny_faces, {"train": train, "test": [80, 81]}, balance="over"))
    held = [*train, 80, 81]
    assert found.n == 45 and found.distinct == 41 and found.left_out == {"in no part": 79}
    assert found.counts[0].tolist() == np.bincount(tiny_faces.labels[train], minlength=7).tolist()
    assert found.level == level_of(tiny_faces.faces[held])
    assert found.part_levels[0] == level_of(tiny_faces.faces[train])
    ones = [at for at in held if tiny_faces.labels[at] == 1]
    assert found.label_levels[1] == level_of(tiny_faces.faces[ones])
    np.testing.assert_allclose(found.mean_faces[1], tiny_faces.faces[ones].mean(axis=0), rtol=1e-7)
    assert found.voted == int(tiny_faces.votes[held].any(axis=1).sum())
    expected = agreement(tiny_faces.labels[held], tiny_faces.votes[held])
    assert found.agreement is not None and np.array_equal(found.agreement.counts, expected.counts)


def test_what_a_leaked_split_both_excludes_and_holds_is_not_left_out(tiny_faces: FaceSet) -> None:
    split = split_of(
        tiny_faces, {"train": [*range(110)]}, excluded={"a copy": tiny_faces.rows[[5, 110, 111]]}, leaked="kept copies"
    )
    assert statistics(tiny_faces, split).left_out == {"a copy": 2, "in no part": 8}


def test_a_split_of_other_data_is_refused(tiny_faces: FaceSet) -> None:
    other = replace(split_of(tiny_faces, {"train": [0]}), source_sha256="1" * 64)
    with pytest.raises(DataError, match=r"tiny\.csv"):
        statistics(tiny_faces, other)
    with pytest.raises(DataError, match=r"tiny\.csv"):
        drawn(tiny_faces, other, 1, 0)


# ---- agreement


def test_there_is_no_agreement_without_votes_or_with_other_labels(tiny_faces: FaceSet) -> None:
    assert statistics(tiny_faces).agreement is not None
    assert statistics(replace(tiny_faces, votes=np.zeros_like(tiny_faces.votes))).agreement is None
    mapped = replace(tiny_faces, labels=(tiny_faces.labels % 4).astype(np.int8), vocabulary=FOUR)
    assert statistics(mapped).agreement is None


# ---- warnings


def test_a_sound_set_warns_of_nothing(tiny_faces: FaceSet) -> None:
    assert statistics(replace(tiny_faces, votes=np.zeros_like(tiny_faces.votes))).warnings == ()


def test_empty_and_scarce_classes_are_warned_of(tiny_faces: FaceSet) -> None:
    at = np.arange(100)
    labels = np.where(at < 98, 0, 1).astype(np.int8)  # exactly 2% is not yet scarce
    some = replace(tiny_faces.take(at), labels=labels, votes=np.zeros((100, 10), np.uint8), vocabulary=VALENCE)
    some = replace(some, usage=np.zeros(100, np.uint8))
    assert statistics(some).warnings == ()
    labels[98] = 0
    assert statistics(some).warnings == ("The class positive is 1.0% of all faces (1 of 100), less than 2%.",)
    labels[99] = 0
    assert statistics(some).warnings == ("The class positive has no face.",)


def test_a_class_that_a_part_lacks_is_warned_of(tiny_faces: FaceSet) -> None:
    faces = replace(tiny_faces, votes=np.zeros_like(tiny_faces.votes))
    split = split_of(faces, {"train": [*range(70)], "test": [70, 71, 72, 73]})  # labels 0, 1, 2, 3
    assert statistics(faces, split).warnings == ("The part test has no face of sad, surprise and neutral.",)


def test_missing_votes_are_warned_of(tiny_faces: FaceSet) -> None:
    assert statistics(tiny_faces).warnings == ("FER+ votes are missing for 11 of 120 faces.",)


def test_a_leak_comes_first_and_loud(tiny_faces: FaceSet) -> None:
    split = split_of(tiny_faces, {"train": [*range(70)], "test": [*range(60, 75)]}, leaked="copies on both sides.")
    found = statistics(tiny_faces, split)
    assert found.warnings[0] == ("THIS SPLIT LEAKS: copies on both sides. Scores made with it are worth nothing.")
    assert len(found.warnings) == 2
    body = found.to_dict()
    assert body["warnings"] == list(found.warnings) and body["split"]["leaked"] == "copies on both sides."


# ---- as a whole


def test_the_dictionary_is_plain_json(tiny_faces: FaceSet) -> None:
    weights = dict.fromkeys(FER2013.labels, 1.0)
    split = split_of(tiny_faces, {"train": [*range(10)], "test": [11]}, balance="weights", class_weights=weights)
    for found in (statistics(tiny_faces), statistics(tiny_faces, split)):
        body = found.to_dict()
        assert json.loads(json.dumps(body, allow_nan=False)) == body
    assert body["split"] == {"name": "made up", "seed": 3, "balance": "weights", "class_weights": weights, "leaked": ""}
    assert body["source"] == "tiny.csv" and body["sha256"] == "0" * 64 and body["vocabulary"]["name"] == "fer2013"
    assert body["parts"]["test"]["n"] == 1 and body["parts"]["test"]["shares"]["sad"] == 1


def test_a_store_gives_the_same_numbers_as_memory(tiny_faces: FaceSet, tmp_path: Path) -> None:
    save(tiny_faces, tmp_path / "store")
    assert statistics(load(tmp_path / "store")).to_dict() == statistics(tiny_faces).to_dict()


@pytest.mark.parametrize(
    "wrong",
    [
        {"counts": np.ones((1, 7), np.int64)},
        {"label_levels": (None,) * 7},
        {"label_levels": ()},
        {"mean_faces": np.zeros((7, 48, 47), np.float32)},
        {"distinct": 121},
        {"voted": 121},
        {"voted": 7},
    ],
)
def test_contradictory_statistics_are_refused(tiny_faces: FaceSet, wrong: dict[str, object]) -> None:
    with pytest.raises(DataError):
        replace(statistics(tiny_faces), **wrong)  # type: ignore[arg-type]


# ---- drawing


def test_drawn_faces_belong_to_their_label_and_none_comes_twice(tiny_faces: FaceSet) -> None:
    chosen = drawn(tiny_faces, None, 5, 0)
    assert [len(at) for at in chosen] == [5] * 7
    for label, at in enumerate(chosen):
        assert (tiny_faces.labels[at] == label).all() and len(set(at.tolist())) == 5


def test_the_seed_decides_what_is_drawn(tiny_faces: FaceSet) -> None:
    first, again, other = (drawn(tiny_faces, None, 5, seed) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_drawn_faces_are_of_the_split_and_repeated_rows_are_drawn_once(tiny_faces: FaceSet) -> None:
    split = split_of(tiny_faces, {"train": [0, 7, 7, 7, 1], "test": [14]}, balance="over")
    chosen = drawn(tiny_faces, split, 10, 0)
    assert [sorted(at.tolist()) for at in chosen] == [[0, 7, 14], [1], [], [], [], [], []]
