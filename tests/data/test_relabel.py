"""Labels through a map: whole sets, and sources that are being read."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mien.data import FaceSet, Provenance, Reading, gather, load, save
from mien.data.reading import Chunk
from mien.data.relabel import relabel, relabelled
from mien.errors import DataError
from mien.expressions import FER2013, FOUR, Vocabulary, VocabularyMap, find_map
from tests_support import assert_same


@pytest.fixture
def rich(tiny_faces: FaceSet) -> FaceSet:
    """``tiny_faces`` with every optional field."""
    return dataclasses.replace(
        tiny_faces,
        paths=np.array([f"f/{i}.png" for i in range(120)]),
        subjects=np.array([f"P{i % 9}" for i in range(120)]),
        columns={"relFCs": np.arange(120) / 7},
    )


def reading_of(faces: FaceSet, size: int = 25) -> Reading:
    def chunks() -> Iterator[Chunk]:
        assert faces.paths is not None and faces.subjects is not None
        for start in range(0, len(faces), size):
            at = slice(start, start + size)
            yield Chunk(
                faces.faces[at],
                faces.labels[at],
                faces.rows[at],
                faces.usage[at],
                faces.votes[at],
                faces.paths[at].tolist(),
                faces.subjects[at].tolist(),
                {k: v[at] for k, v in faces.columns.items()},
            )

    p = faces.provenance
    return Reading(
        p.reader, p.source, faces.vocabulary, faces.usages, chunks(), lambda: p.sha256, p.joined, p.vocabulary_map
    )


def test_labels_follow_the_map_and_all_else_stays(rich: FaceSet) -> None:
    mapped = relabel(rich, find_map("fer2013-to-ferplus"))
    assert mapped.labels.tolist() == [[4, 5, 6, 1, 3, 2, 0][i] for i in rich.labels]
    assert mapped.labels.dtype == np.int8
    assert mapped.vocabulary.name == "ferplus"
    assert mapped.provenance == dataclasses.replace(rich.provenance, vocabulary_map="fer2013-to-ferplus")
    assert_same(mapped, rich, but=frozenset({"labels", "vocabulary", "provenance"}))


def test_dropped_rows_leave_the_set_with_everything_they_have(rich: FaceSet) -> None:
    mapped = relabel(rich, find_map("fer2013-to-four"))
    kept = np.flatnonzero(np.isin(rich.labels, [3, 4, 5, 6]))
    assert mapped.vocabulary is FOUR
    names = [FER2013.labels[i] for i in rich.labels[kept]]
    assert [FOUR.labels[i] for i in mapped.labels] == names
    assert_same(mapped, rich.take(kept), but=frozenset({"labels", "vocabulary", "provenance"}))
    assert mapped.votes.any()


def test_classes_can_be_merged_and_may_stay_empty(rich: FaceSet) -> None:
    pairs = tuple((label, "bad" if label in ("angry", "sad") else "good") for label in FER2013.labels)
    mapping = VocabularyMap("moods", FER2013, Vocabulary("moods", ("good", "bad", "none")), pairs)
    mapped = relabel(rich, mapping)
    assert len(mapped) == 120
    assert ((mapped.labels == 1) == np.isin(rich.labels, [0, 4])).all()
    assert set(mapped.labels.tolist()) == {0, 1}


def test_labels_are_matched_by_name_and_not_by_place(rich: FaceSet) -> None:
    turned = Vocabulary("mine", FER2013.labels[::-1])
    own = dataclasses.replace(rich, vocabulary=turned, labels=(6 - rich.labels).astype(np.int8))
    a, b = (relabel(faces, find_map("fer2013-to-four")) for faces in (own, rich))
    assert_same(a, b)


def test_a_set_remembers_every_map_it_went_through(rich: FaceSet) -> None:
    there = relabel(rich, find_map("fer2013-to-ferplus"))
    back = relabel(there, find_map("ferplus-to-fer2013"))
    assert back.provenance.vocabulary_map == "fer2013-to-ferplus, ferplus-to-fer2013"
    assert_same(back, rich, but=frozenset({"provenance"}))
    assert relabelled(reading_of(there), find_map("ferplus-to-fer2013")).vocabulary_map == (
        "fer2013-to-ferplus, ferplus-to-fer2013"
    )


@pytest.mark.parametrize("size", [7, 25, 200])
def test_a_reading_gives_what_the_whole_set_gives(rich: FaceSet, size: int) -> None:
    mapping = find_map("fer2013-to-three")
    assert_same(gather(relabelled(reading_of(rich, size), mapping)), relabel(rich, mapping))


def test_a_chunk_may_come_out_empty(rich: FaceSet) -> None:
    ordered = rich.take(np.argsort(rich.labels, kind="stable"))
    mapping = find_map("fer2013-to-three")
    sizes = [len(c.rows) for c in relabelled(reading_of(ordered, 10), mapping).chunks]
    assert sizes[0] == 0 and sum(sizes) == np.isin(rich.labels, [3, 5, 6]).sum()
    assert_same(gather(relabelled(reading_of(ordered, 10), mapping)), relabel(ordered, mapping))


def test_fields_that_a_source_lacks_stay_absent(tiny_faces: FaceSet) -> None:
    chunk = Chunk(tiny_faces.faces, tiny_faces.labels, tiny_faces.rows, tiny_faces.usage)
    reading = Reading("made up", "x", FER2013, tiny_faces.usages, iter([chunk]), lambda: "0" * 64)
    (mapped,) = relabelled(reading, find_map("fer2013-to-four")).chunks
    assert (mapped.votes, mapped.paths, mapped.subjects, mapped.columns) == (None, None, None, {})
    assert relabel(tiny_faces, find_map("fer2013-to-four")).subjects is None


def test_a_mapped_set_is_stored_with_its_vocabulary(rich: FaceSet, tmp_path: Path) -> None:
    folder = tmp_path / "four.store"
    mapped = relabel(rich, find_map("fer2013-to-four"))
    save(mapped, folder)
    assert_same(load(folder), mapped)


@pytest.mark.parametrize("streaming", [False, True])
def test_a_map_for_other_labels_says_which_do_not_fit(rich: FaceSet, streaming: bool) -> None:
    own = dataclasses.replace(rich, vocabulary=Vocabulary("mine", ("anger", *FER2013.labels[1:])))

    def map_it(name: str) -> None:
        if streaming:
            relabelled(reading_of(own), find_map(name))
        else:
            relabel(own, find_map(name))

    with pytest.raises(
        DataError,
        match=r"fer2013-to-four does not fit tiny\.csv: 'anger' is not in it \(it has 'angry'\); "
        r"'angry' is no label of the set; expected a map from anger, disgust, fear, .*mien data maps lists",
    ):
        map_it("fer2013-to-four")
    with pytest.raises(DataError, match="'angry' is not in it; 'happiness' is no label|'disgust'|'happy' is not in it"):
        map_it("ferplus-to-fer2013")


def test_a_map_that_has_a_label_less_or_more_does_not_fit(rich: FaceSet) -> None:
    six = Vocabulary("six", FER2013.labels[:6])
    mapping = VocabularyMap("six-to-six", six, six, tuple((label, label) for label in six.labels))
    with pytest.raises(DataError, match="'neutral' is not in it; expected"):
        relabel(rich, mapping)
    few = rich.take(np.flatnonzero(rich.labels < 6))
    with pytest.raises(DataError, match="fits? .*: 'neutral' is no label of the set"):
        relabel(dataclasses.replace(few, vocabulary=six), find_map("fer2013-to-four"))


def test_a_map_that_drops_every_face_says_so(rich: FaceSet) -> None:
    angry = rich.take(np.flatnonzero(rich.labels == 0))
    with pytest.raises(DataError, match=r"the map fer2013-to-four drops every face of tiny\.csv"):
        relabel(angry, find_map("fer2013-to-four"))


def test_provenance_is_that_of_the_source(tiny_faces: FaceSet) -> None:
    joined = Provenance("r", "s", "1" * 64, {"votes.csv": "2" * 64})
    mapped = relabel(dataclasses.replace(tiny_faces, provenance=joined), find_map("fer2013-to-four"))
    assert mapped.provenance == Provenance("r", "s", "1" * 64, {"votes.csv": "2" * 64}, "fer2013-to-four")
