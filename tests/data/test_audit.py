"""The audit of a set of faces."""

from __future__ import annotations

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from mien.data import FaceSet, Provenance, Split
from mien.data.audit import audit
from mien.data.duplicates import Nearness
from mien.data.findings import IDENTICAL, MIRRORED, NEAR, Audit, NearDuplicates
from mien.errors import DataError
from mien.expressions import FER2013, FERPLUS_VOTES, VALENCE


def jpeg(face: np.ndarray) -> np.ndarray:
    data = cv2.imencode(".jpg", np.ascontiguousarray(face), [cv2.IMWRITE_JPEG_QUALITY, 80])[1]
    return cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)


def planted() -> FaceSet:
    """40 faces, row ids 100 + 2 × position: 30 Training, then 10 PublicTest.

    By position: 3 = 5; 6 = 7 with other labels; 1 = 21 = 31, across; 32 is 2 encoded again, 33 is 4 mirrored, both
    across; 9 is 8 encoded again, with another label; 10, 11 and 34 are blank; 12 and 35 are no faces by votes, 13 has
    just half of the votes.
    """
    rng = np.random.default_rng(5)
    coarse = rng.integers(0, 256, (40, 7, 7), dtype=np.uint8)
    faces = np.stack([cv2.resize(c, (48, 48), interpolation=cv2.INTER_CUBIC) for c in coarse])
    labels = (np.arange(40) % 7).astype(np.int8)
    for copy, original in ((5, 3), (7, 6), (21, 1), (31, 1)):
        faces[copy], labels[copy] = faces[original], labels[original]
    labels[7] = (labels[6] + 1) % 7
    faces[32], faces[33], faces[9] = jpeg(faces[2]), jpeg(faces[4][:, ::-1]), jpeg(faces[8])
    labels[32], labels[33], labels[9] = labels[2], labels[4], (labels[8] + 3) % 7
    for i, level in ((10, 0), (11, 90), (34, 91)):
        faces[i] = level + rng.integers(0, 3, (48, 48))
    votes = np.zeros((40, len(FERPLUS_VOTES)), np.uint8)
    votes[:30, 0] = 10
    votes[12], votes[35], votes[13] = 0, 0, 0
    votes[12, [0, 9]], votes[35, 9], votes[13, [0, 9]] = (4, 6), 10, (5, 5)
    return FaceSet(
        faces,
        labels,
        votes,
        (100 + 2 * np.arange(40)).astype(np.int32),
        (np.arange(40) >= 30).astype(np.uint8),
        Provenance("made up", "planted.csv", "a" * 64),
    )


def lists(groups: tuple[np.ndarray, ...]) -> list[list[int]]:
    return [group.tolist() for group in groups]


def near(found: Audit) -> list[tuple[int, int, bool, bool, bool]]:
    n = found.near
    columns = (*n.rows.T, n.mirrored, n.crosses, n.contradictory)
    return list(zip(*(c.tolist() for c in columns), strict=True))


# ---- FER2013


@pytest.fixture(scope="session")
def audited(fer2013: FaceSet) -> Audit:
    return audit(fer2013)


def test_fer2013_has_its_known_copies(audited: Audit) -> None:
    assert audited.n == 32239 and audited.parts == ("Training", "PublicTest")
    assert len(audited.identical) == 1269
    assert audited.surplus == 1516
    assert len(audited.contradictory) == 46
    training, public = audited.crossing(IDENTICAL, "Training", "PublicTest")
    assert (len(training), len(public)) == (339, 278)
    assert audited.blank.tolist() == [31127]  # black but for a spot
    assert audited.non_faces.tolist() == [10657, 13839]
    assert audited.agreement is not None and audited.agreement.share == pytest.approx(0.676, abs=0.001)
    assert audited.counts.sum() == 32239 and audited.counts[0, FER2013.index("disgust")] == 435
    np.testing.assert_allclose(audited.effective_classes, 6.11, atol=0.01)
    assert not len(audited.several) and not audited.repeated and not audited.subjects


def test_fer2013_has_thousands_of_near_identical_faces_and_they_cross_its_parts(audited: Audit) -> None:
    # Exact numbers may differ by a few with another build of OpenCV.
    found = audited.near
    assert len(found) == pytest.approx(6270, abs=60)
    assert found.mirrored.sum() == pytest.approx(97, abs=5)
    assert found.crosses.mean() == pytest.approx(0.231, abs=0.005)
    assert found.contradictory.mean() == pytest.approx(0.2, abs=0.005)
    assert len(found.faces) == pytest.approx(6198, abs=60)
    assert found.left_out == 0
    training, public = audited.crossing(NEAR, "Training", "PublicTest")
    assert len(training) == pytest.approx(1262, abs=15) and len(public) == pytest.approx(562, abs=8)
    training, public = audited.crossing(MIRRORED, "Training", "PublicTest")
    assert len(training) == pytest.approx(17, abs=3) and len(public) == pytest.approx(6, abs=3)
    # Looked at: one photograph each, cropped otherwise, with another mark, lighter, mirrored.
    pairs = {(a, b): flip for a, b, flip, _, _ in near(audited)}
    for pair in ((11449, 30735), (2329, 30939), (12425, 31594), (24126, 31668), (14860, 32059)):
        assert pairs[pair] is False
    for pair in ((4351, 10978), (1509, 30321), (8980, 12740)):
        assert pairs[pair] is True
    # Two people in one pose, or one person twice.
    assert not pairs.keys() & {(6378, 7138), (16618, 29791), (13756, 24309), (3139, 5186), (1893, 17990)}


def test_near_identical_pairs_are_of_different_images_in_order(audited: Audit, fer2013: FaceSet) -> None:
    rows = audited.near.rows
    assert (rows[:, 0] < rows[:, 1]).all()
    assert len(np.unique(rows, axis=0)) == len(rows)
    a, b = (fer2013.faces[fer2013.positions(rows[:, k])] for k in (0, 1))
    assert (a != b).any(axis=(1, 2)).all()
    part = fer2013.usage[fer2013.positions(rows.ravel())].reshape(-1, 2)
    assert np.array_equal(part[:, 0] != part[:, 1], audited.near.crosses)


def test_rows_of_fer2013_are_named_with_their_files(audited: Audit, fer2013: FaceSet) -> None:
    if fer2013.paths is None:
        assert not audited.paths
        return
    assert set(audited.paths) == set(audited.named.tolist())
    assert audited.paths[31127] == fer2013.paths[fer2013.positions(np.array([31127]))[0]]


# ---- each finding


def test_everything_planted_is_found_and_nothing_else() -> None:
    found = audit(planted())
    assert found.n == 40 and found.parts == ("Training", "PublicTest")
    assert lists(found.identical) == [[102, 142, 162], [106, 110], [112, 114]]
    assert found.surplus == 4
    assert lists(found.contradictory) == [[112, 114]]
    assert near(found) == [
        (104, 164, False, True, False),
        (108, 166, True, True, False),
        (116, 118, False, False, True),
    ]
    assert found.near.faces.tolist() == [104, 108, 116, 118, 164, 166]
    assert [(c.parts, c.kind, *lists(c.rows)) for c in found.crossings] == [
        (("Training", "PublicTest"), IDENTICAL, [102, 142], [162]),
        (("Training", "PublicTest"), NEAR, [104], [164]),
        (("Training", "PublicTest"), MIRRORED, [108], [166]),
    ]
    assert found.blank.tolist() == [120, 122, 168]
    assert found.non_faces.tolist() == [124, 170]
    assert found.leaks and not audit(planted().take(np.arange(30))).leaks


def test_crossings_are_read_from_either_side() -> None:
    found = audit(planted())
    assert lists(found.crossing(IDENTICAL, "PublicTest", "Training")) == [[162], [102, 142]]
    assert lists(found.crossing(NEAR, "Training", "nowhere")) == [[], []]


def test_a_face_with_copies_of_several_kinds_counts_once() -> None:
    faces = planted()
    faces.faces[36] = jpeg(faces.faces[1])  # near-identical to 1 and 21, which are identical to 31
    found = audit(faces)
    training, public = found.crossing(NEAR, "Training", "PublicTest")
    assert public.tolist() == [164, 172]
    assert training.tolist() == [104]  # 102 and 142 are there as identical already
    pairs = [pair for pair in near(found) if 172 in pair]
    assert pairs == [(102, 172, False, True, False)]  # one pair for the image of three rows, and the rows that cross
    assert {102, 142, 162, 172} <= set(found.near.faces.tolist())


def test_an_image_of_several_rows_shows_those_that_cross() -> None:
    faces = planted()
    faces.faces[37] = jpeg(faces.faces[1])
    usage = faces.usage.copy()
    usage[[1, 37]], usage[21] = 0, 1
    found = audit(replace(faces, usage=usage))
    assert [pair[:2] for pair in near(found) if 174 in pair] == [(142, 174)]
    assert [pair[3] for pair in near(found) if 174 in pair] == [True]


def test_rows_that_are_shown_have_different_labels_where_there_are_such() -> None:
    faces = planted()
    faces.faces[22] = faces.faces[8]  # 8 = 22 are near 9
    labels = faces.labels.copy()
    labels[9] = labels[8]
    labels[22] = (labels[8] + 1) % 7
    found = audit(replace(faces, labels=labels))
    assert [pair for pair in near(found) if 118 in pair] == [(118, 144, False, False, True)]


def test_labels_of_all_rows_of_an_image_count_as_contradiction_of_a_near_pair() -> None:
    faces = planted()
    faces.faces[22] = faces.faces[2]
    labels = faces.labels.copy()
    labels[22] = (labels[2] + 1) % 7
    found = audit(replace(faces, labels=labels))
    assert [pair for pair in near(found) if 164 in pair] == [(144, 164, False, True, True)]


def test_blank_means_a_standard_deviation_below_five_levels() -> None:
    faces = planted()
    faces.faces[20] = np.where(np.arange(48) % 2, 100, 109)[None]  # 4.5
    faces.faces[23] = np.where(np.arange(48) % 2, 100, 111)[None]  # 5.5
    assert audit(faces).blank.tolist() == [120, 122, 140, 168]


def test_blank_faces_are_not_near_identical_to_one_another() -> None:
    faces = planted()
    noise = np.random.default_rng(0).integers(0, 2, (6, 48, 48))
    faint = faces.faces[20].astype(int)
    faces.faces[14:20] = faint + noise
    assert len(audit(faces).near) == 3 + 21  # each of seven with each: they are copies while there is something to see
    faces.faces[14:20] = 120 + faint // 25 + noise
    found = audit(faces)
    assert len(found.blank) == 9 and len(found.near) == 3


def test_votes_and_persons_are_used_where_the_set_has_them() -> None:
    faces = planted()
    subjects = np.array([f"s{i % 15}" if i % 4 else "" for i in range(40)])
    found = audit(replace(faces, subjects=subjects))
    both = set(subjects[:30]) & set(subjects[30:]) - {""}
    assert dict(found.subjects) == dict.fromkeys(sorted(both), ("Training", "PublicTest")) and both
    other = replace(faces, vocabulary=VALENCE, labels=(faces.labels % 2).astype(np.int8))
    assert audit(other).agreement is None and found.agreement is not None
    unvoted = replace(faces, votes=np.zeros_like(faces.votes))
    assert audit(unvoted).agreement is None and not len(audit(unvoted).non_faces)


def test_files_are_given_for_the_rows_that_are_named() -> None:
    faces = planted()
    paths = np.array([f"a/{i}.png" for i in range(40)])
    found = audit(replace(faces, paths=paths))
    assert found.paths[162] == "a/31.png" and found.paths[168] == "a/34.png"
    assert set(found.paths) == set(found.named.tolist()) and 126 not in found.paths


def test_stricter_thresholds_find_less() -> None:
    assert len(audit(planted(), nearness=Nearness(similarity=1.0)).near) == 0


def test_progress_is_told() -> None:
    told: list[str] = []
    audit(planted(), progress=lambda step, share: told.append(step))
    assert told[0] == "identical faces" and "structural similarity" in told


# ---- splits


def split_of(faces: FaceSet, balance: str = "", leaked: str = "", **parts: list[int]) -> Split:
    rows = {part: np.sort(faces.rows[at]) for part, at in parts.items()}
    return Split("made", 3, faces.provenance.sha256, rows, balance=balance, leaked=leaked)


def test_the_parts_of_a_split_are_looked_at_and_nothing_else() -> None:
    faces = planted()
    found = audit(faces, split_of(faces, train=[0, 1, 2, 6, 9, 10], validation=[3, 4, 21], test=[7, 8, 32]))
    assert found.n == 12 and found.parts == ("train", "validation", "test")
    assert lists(found.identical) == [[102, 142], [112, 114]]
    assert [(c.parts, c.kind, *lists(c.rows)) for c in found.crossings] == [
        (("train", "validation"), IDENTICAL, [102], [142]),
        (("train", "test"), IDENTICAL, [112], [114]),
        (("train", "test"), NEAR, [104, 118], [116, 164]),
    ]
    assert found.blank.tolist() == [120]
    assert found.counts.sum(axis=1).tolist() == [6, 3, 3]


def test_resampled_rows_are_found_within_and_across_parts() -> None:
    faces = planted()
    found = audit(
        faces, split_of(faces, "over", "resampled", train=[0, 0, 0, 14, 14, 15, 16], test=[0, 16, 17, 18, 18])
    )
    assert found.several.tolist() == [100, 132]
    assert {part: rows.tolist() for part, rows in found.repeated.items()} == {"train": [100, 128], "test": [136]}
    assert found.n == 6 and not found.identical
    assert [(c.kind, *lists(c.rows)) for c in found.crossings] == [(IDENTICAL, [100, 132], [100, 132])]
    assert found.counts.sum(axis=1).tolist() == [7, 5]
    # A copy counts as a face wherever faces are counted: else shares would mix rows and faces.
    assert [found.occurrences(part, np.array([100, 132])) for part in ("train", "test")] == [4, 2]
    assert found.to_dict()["across_parts"][0]["faces"] == [4, 2]
    assert found.counts[0, faces.labels[0]] >= 3


def test_a_pair_of_a_row_that_is_in_two_parts_crosses_them() -> None:
    faces = planted()
    found = audit(faces, split_of(faces, "over", "resampled", train=[8, 9, 14], test=[9, 15]))
    assert near(found) == [(116, 118, False, True, True)]
    assert [(c.kind, *lists(c.rows)) for c in found.crossings] == [(IDENTICAL, [118], [118]), (NEAR, [116], [])]


def test_a_split_of_other_data_is_refused() -> None:
    faces = planted()
    other = replace(faces, provenance=Provenance("made up", "other.csv", "b" * 64))
    with pytest.raises(DataError, match="other"):
        audit(other, split_of(faces, train=[0], test=[1]))


# ---- the report


def test_the_report_holds_what_was_found() -> None:
    faces = planted()
    found = audit(replace(faces, paths=np.array([f"{i}.png" for i in range(40)])))
    body = json.loads(json.dumps(found.to_dict()))
    assert body["sha256"] == "a" * 64 and body["n"] == 40 and body["split"] is None
    assert body["identical"] == {"groups": 3, "faces": 7, "surplus": 4, "rows": lists(found.identical)}
    assert body["contradictory"] == {"groups": 1, "faces": 2, "rows": [[112, 114]]}
    assert {k: v for k, v in body["near_identical"].items() if k not in ("rows", "share_across_parts")} == {
        "pairs": 3,
        "plain": 2,
        "mirrored": 1,
        "faces": 6,
        "across_parts": 2,
        "contradictory": 1,
        "not_compared": 0,
    }
    assert body["near_identical"]["share_across_parts"] == pytest.approx(2 / 3)
    first = body["near_identical"]["rows"][0]
    assert first["rows"] == [104, 164] and first["crosses"] and not first["mirrored"]
    assert first["similarity"] == pytest.approx(found.near.similarity[0], abs=1e-4)
    assert body["across_parts"][0] == {
        "parts": ["Training", "PublicTest"],
        "kind": "identical",
        "faces": [2, 1],
        "rows": [[102, 142], [162]],
    }
    assert body["blank"] == {"count": 3, "rows": [120, 122, 168]}
    assert body["non_faces"] == {"count": 2, "rows": [124, 170]}
    assert body["resampled"] == {"in_several_parts": {"count": 0, "rows": []}, "repeated": {}}
    assert body["settings"]["near_identical"] == {"distance": 14, "correlation": 0.85, "similarity": 0.85}
    assert body["settings"]["blank_below_standard_deviation"] == 5
    assert body["paths"]["162"] == "31.png"
    assert body["parts"]["Training"]["n"] == 30
    assert body["ferplus_agreement"]["share"] == found.agreement.share  # type: ignore[union-attr]


def test_imbalance_is_counted_per_part() -> None:
    faces = planted().take(np.arange(14, 22))
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1], np.int8)
    found = audit(replace(faces, labels=labels))
    assert found.effective_classes.tolist() == pytest.approx([2.0])
    part = found.to_dict()["parts"]["Training"]
    assert part["largest_to_smallest"] is None and part["counts"]["disgust"] == 4 and part["counts"]["sad"] == 0
    assert part["normalised_entropy"] == pytest.approx(np.log(2) / np.log(7))
    two = audit(replace(faces, labels=np.array([0, 0, 0, 0, 0, 0, 1, 1], np.int8), vocabulary=VALENCE))
    assert two.to_dict()["parts"]["Training"]["largest_to_smallest"] == 3


def test_the_same_set_gives_the_same_report() -> None:
    assert audit(planted()).to_dict() == audit(planted()).to_dict()


def test_findings_that_contradict_themselves_are_refused() -> None:
    found = audit(planted())
    with pytest.raises(DataError, match="fewer than two"):
        replace(found, identical=(np.array([100], np.int32),), contradictory=())
    with pytest.raises(DataError, match="contradictory group"):
        replace(found, identical=found.identical[:1])
    with pytest.raises(DataError, match="counts"):
        replace(found, counts=found.counts[:1])
    with pytest.raises(DataError, match="one length"):
        NearDuplicates(
            found.near.rows,
            found.near.mirrored[:1],
            found.near.similarity,
            found.near.crosses,
            found.near.contradictory,
            found.near.faces,
        )
