"""A split cleaned of what an audit found."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from mien.data import FaceSet, Provenance, Split
from mien.data.audit import audit
from mien.data.cleaning import BLANK, CONTRADICTORY, NON_FACE, SURPLUS, fix, is_test
from mien.data.findings import IDENTICAL
from mien.errors import DataError


def jpeg(face: np.ndarray) -> np.ndarray:
    data = cv2.imencode(".jpg", np.ascontiguousarray(face), [cv2.IMWRITE_JPEG_QUALITY, 80])[1]
    return cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)


def planted(usages: tuple[str, ...] = ("Training", "PublicTest", "PrivateTest")) -> FaceSet:
    """60 faces, row ids 100 + 2 × position, all different: 40 of the first usage, 10 of the second, 10 of the third."""
    rng = np.random.default_rng(11)
    coarse = rng.integers(0, 256, (60, 7, 7), dtype=np.uint8)
    faces = np.stack([cv2.resize(c, (48, 48), interpolation=cv2.INTER_CUBIC) for c in coarse])
    return FaceSet(
        faces,
        (np.arange(60) % 7).astype(np.int8),
        np.zeros((60, 10), np.uint8),
        (100 + 2 * np.arange(60)).astype(np.int32),
        np.repeat(np.arange(3), (40, 10, 10)).astype(np.uint8),
        Provenance("made up", "planted.csv", "a" * 64),
        usages=usages,
    )


def with_faults() -> FaceSet:
    faces = planted()
    pixels, labels, votes = faces.faces, faces.labels, faces.votes
    pixels[45], labels[45] = pixels[1], labels[1]  # 1: identical to a test face,
    pixels[2], labels[2] = pixels[1], (labels[1] + 1) % 7  # and 2 too, with another label
    pixels[55] = jpeg(pixels[3])  # near-identical
    pixels[46] = jpeg(pixels[4][:, ::-1])  # mirrored
    pixels[6], labels[6] = pixels[5], (labels[5] + 1) % 7  # contradictory
    pixels[7] = 30  # blank
    votes[8, 9], votes[9, 9] = 10, 10  # no faces
    pixels[9] = 31  # blank and no face
    pixels[11] = pixels[12] = pixels[10]  # surplus
    labels[11] = labels[12] = labels[10]
    pixels[14] = jpeg(pixels[13])  # near-identical in training
    pixels[56], labels[56] = pixels[47], labels[47]  # two test faces
    pixels[48] = 7  # a blank test face
    return faces


def rows(split: Split) -> dict[str, list[int]]:
    return {reason: [(row - 100) // 2 for row in given.tolist()] for reason, given in split.excluded.items()}


def everything(split: Split) -> list[int]:
    return sorted(np.concatenate([*split.parts.values(), *split.excluded.values()]).tolist())


def split_of(faces: FaceSet, **parts: list[int] | range) -> Split:
    return Split("made", 3, faces.provenance.sha256, {p: np.sort(faces.rows[list(at)]) for p, at in parts.items()})


def test_each_row_goes_under_the_first_reason_that_holds() -> None:
    faces = with_faults()
    cleaned = fix(faces, audit(faces))
    assert rows(cleaned) == {
        "identical to a test face": [1, 2],
        "near-identical to a test face": [3],
        "mirror image of a test face": [4],
        CONTRADICTORY: [5, 6],
        BLANK: [7, 9],
        NON_FACE: [8],
        SURPLUS: [11, 12],
    }
    assert everything(cleaned) == faces.rows.tolist()
    assert list(cleaned.parts) == ["train", "public_test", "private_test"]
    assert np.array_equal(cleaned.parts["public_test"], faces.rows[40:50])
    assert np.array_equal(cleaned.parts["private_test"], faces.rows[50:])
    assert cleaned.source_sha256 == "a" * 64 and not cleaned.leaked and not cleaned.balance
    assert cleaned.name == "the usages of the source, cleaned"


def test_a_cleaned_split_has_no_leak_left() -> None:
    faces = with_faults()
    found = audit(faces)
    assert found.crossings
    again = audit(faces, fix(faces, found))
    # What is left is a copy within the test parts.
    assert [(c.parts, c.kind) for c in again.crossings] == [(("public_test", "private_test"), IDENTICAL)]
    assert [len(g) for g in again.identical] == [2] and not again.contradictory
    assert again.blank.tolist() == [196]
    cleaned = fix(faces, again)
    assert {p: r.tolist() for p, r in cleaned.parts.items()} == {p: r.tolist() for p, r in again.split.parts.items()}  # type: ignore[union-attr]


def test_of_real_faces_no_copy_is_left_across_parts(fer2013: FaceSet) -> None:
    # Rows from all over, so that the parts share faces as they do in the whole set.
    at = np.concatenate([fer2013.where("Training")[::4], fer2013.where("PublicTest")])
    faces = fer2013.take(at)
    found = audit(faces)
    assert {c.kind for c in found.crossings} == {"identical", "near-identical", "mirrored"}
    cleaned = fix(faces, found)
    assert everything(cleaned) == sorted(faces.rows.tolist())
    assert np.array_equal(cleaned.parts["public_test"], np.sort(faces.rows[faces.usage == 1]))
    again = audit(faces, cleaned)
    assert not again.crossings and not again.near.crosses.any()
    test = cleaned.parts["public_test"]
    assert all(np.isin(group, test).all() for group in again.identical)


def test_a_split_is_cleaned_and_keeps_what_it_had_left_out() -> None:
    faces = with_faults()
    given = split_of(faces, train=range(5, 30), validation=range(30, 40), test=range(40, 50))
    given = replace(given, excluded={BLANK: faces.rows[[0]], "too dark": faces.rows[[1]]}, seed=9)
    cleaned = fix(faces, audit(faces, given))
    assert rows(cleaned) == {BLANK: [0, 7, 9], "too dark": [1], CONTRADICTORY: [5, 6], NON_FACE: [8], SURPLUS: [11, 12]}
    assert cleaned.seed == 9 and cleaned.name == "made, cleaned"
    assert everything(cleaned) == sorted(faces.rows[[0, 1, *range(5, 50)]].tolist())


def test_copies_of_validation_faces_leave_training_and_validation_loses_those_of_test() -> None:
    faces = planted()
    pixels, labels = faces.faces, faces.labels
    pixels[30], labels[30] = pixels[0], labels[0]  # train 0 = validation 30
    pixels[31] = jpeg(pixels[1])
    pixels[32] = jpeg(pixels[2][:, ::-1])
    pixels[40], labels[40] = pixels[33], labels[33]  # test 40 = validation 33,
    pixels[3] = jpeg(pixels[33])  # train 3 is near both: test comes first
    pixels[34], labels[34] = pixels[35], labels[35]  # twice in validation
    given = split_of(faces, train=range(30), validation=range(30, 40), test=range(40, 50))
    cleaned = fix(faces, audit(faces, given))
    assert rows(cleaned) == {
        "identical to a test face": [33],
        "near-identical to a test face": [3],
        "identical to a validation face": [0],
        "near-identical to a validation face": [1],
        "mirror image of a validation face": [2],
        SURPLUS: [35],
    }
    assert not audit(faces, cleaned).crossings


def test_a_face_that_validation_lost_does_not_cost_training_one() -> None:
    faces = planted()
    faces.faces[30], faces.labels[30] = faces.faces[0], faces.labels[0]
    faces.votes[30, 9] = 10
    given = split_of(faces, train=range(30), validation=range(30, 40), test=range(40, 50))
    assert rows(fix(faces, audit(faces, given))) == {NON_FACE: [30]}


def test_it_does_not_matter_which_part_comes_first_in_the_set() -> None:
    faces = planted()
    faces.faces[30], faces.faces[31] = jpeg(faces.faces[0]), jpeg(faces.faces[1][:, ::-1])
    faces.faces[32], faces.faces[2] = jpeg(faces.faces[3]), faces.faces[33]
    faces.labels[2] = faces.labels[33]
    given = split_of(faces, test=[0, 3, 2], validation=[1], train=range(30, 40))
    assert rows(fix(faces, audit(faces, given))) == {
        "identical to a test face": [33],
        "near-identical to a test face": [30, 32],
        "mirror image of a validation face": [31],
    }


def test_of_other_parts_the_earlier_keeps_a_face_and_train_comes_last() -> None:
    faces = planted()
    for copy, original in ((10, 20), (11, 0)):
        faces.faces[copy], faces.labels[copy] = faces.faces[original], faces.labels[original]
    given = split_of(faces, train=range(10), one=range(10, 20), two=range(20, 30))
    assert rows(fix(faces, audit(faces, given))) == {
        "identical to a face of one": [0, 20],
    }


def test_parts_are_named_as_the_official_split_names_them() -> None:
    for usages, names in (
        (("train", "val", "test"), ["train", "validation", "test"]),
        (("PublicTest", "Training", "extra"), ["public_test", "train", "extra"]),
    ):
        faces = planted(usages)
        assert list(fix(faces, audit(faces)).parts) == names
    single = replace(planted(), usages=("all",), usage=np.zeros(60, np.uint8))
    assert list(fix(single, audit(single)).parts) == ["train"]
    test = replace(single, usages=("test",))
    assert list(fix(test, audit(test)).parts) == ["test"]
    assert is_test("PrivateTest") and is_test("public_test") and not is_test("train")


def test_validation_is_cleaned_before_train_whatever_their_order() -> None:
    faces = planted(("Training", "val", "test"))
    faces.faces[0], faces.labels[0] = faces.faces[40], faces.labels[40]
    assert rows(fix(faces, audit(faces))) == {"identical to a validation face": [0]}


def test_leaked_and_balanced_splits_are_refused() -> None:
    faces = planted()
    given = split_of(faces, train=range(30), test=range(40, 50))
    with pytest.raises(DataError, match=r"is leaked \(copies\).*Clean the source's own split"):
        fix(faces, audit(faces, replace(given, leaked="copies")))
    with pytest.raises(DataError, match=r"is balanced \(under\)"):
        fix(faces, audit(faces, replace(given, balance="under")))
    other = replace(faces, provenance=Provenance("made up", "other.csv", "b" * 64))
    with pytest.raises(DataError, match=r"the audit is of planted\.csv, the faces are of other\.csv"):
        fix(other, audit(faces))


def test_a_part_that_would_be_empty_is_named() -> None:
    faces = planted()
    faces.faces[0] = 3
    with pytest.raises(DataError, match="the part train is empty"):
        fix(faces, audit(faces, split_of(faces, train=[0], test=range(40, 50))))
