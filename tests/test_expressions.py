"""Vocabularies and maps."""

from __future__ import annotations

import numpy as np
import pytest

from mien.expressions import (
    FER2013,
    FER2013_TO_FERPLUS,
    FERPLUS,
    FERPLUS_TO_FER2013,
    FERPLUS_VOTES,
    VOCABULARIES,
    Vocabulary,
    VocabularyMap,
)

MAPS = [FER2013_TO_FERPLUS, FERPLUS_TO_FER2013]
MAP_NAMES = ["fer2013 to ferplus", "ferplus to fer2013"]


def test_fer2013_has_the_seven_labels_of_the_emotion_column_in_order() -> None:
    assert FER2013.labels == ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
    assert len(FER2013) == 7


def test_ferplus_has_the_eight_labels_of_fer2013new_in_order() -> None:
    assert FERPLUS.labels == ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")
    assert len(FERPLUS) == 8


def test_ferplus_votes_are_the_ten_columns_of_fer2013new_in_order() -> None:
    assert FERPLUS_VOTES[:8] == FERPLUS.labels
    assert FERPLUS_VOTES[8:] == ("unknown", "nonface")


def test_vocabularies_are_listed_under_their_own_names() -> None:
    assert VOCABULARIES == {"fer2013": FER2013, "ferplus": FERPLUS}


def test_index_is_the_place_in_the_order() -> None:
    assert [FER2013.index(label) for label in FER2013.labels] == list(range(7))


def test_index_of_an_unknown_label_names_the_known_ones() -> None:
    with pytest.raises(KeyError, match=r"'joy' is not a label of fer2013; it has angry, disgust, fear"):
        FER2013.index("joy")


def test_a_vocabulary_that_repeats_a_label_is_refused() -> None:
    with pytest.raises(ValueError, match="repeats a label"):
        Vocabulary("twice", ("happy", "sad", "happy"))


@pytest.mark.parametrize("mapping", MAPS, ids=MAP_NAMES)
def test_a_map_names_every_source_label_once_and_only_target_labels(mapping: VocabularyMap) -> None:
    assert tuple(source for source, _ in mapping.pairs) == mapping.source.labels
    assert {target for _, target in mapping.pairs} <= {*mapping.target.labels, None}


def test_contempt_is_the_only_label_that_is_dropped() -> None:
    assert [a for m in MAPS for a, b in m.pairs if b is None] == ["contempt"]


def test_there_and_back_is_the_same_label() -> None:
    labels = np.arange(len(FER2013))
    assert (FERPLUS_TO_FER2013.labels(FER2013_TO_FERPLUS.labels(labels)) == labels).all()


def test_labels_map_to_the_target_index_and_dropped_ones_to_minus_one() -> None:
    assert FER2013_TO_FERPLUS.labels(np.arange(7)).tolist() == [4, 5, 6, 1, 3, 2, 0]
    assert FERPLUS_TO_FER2013.labels(np.arange(8)).tolist() == [6, 3, 5, 4, 0, 1, 2, -1]


@pytest.mark.parametrize("label", [-1, 7, 8])
def test_a_label_outside_the_source_vocabulary_is_an_error_and_not_another_label(label: int) -> None:
    with pytest.raises(ValueError, match="fer2013 has 0 to 6"):
        FER2013_TO_FERPLUS.labels(np.array([0, label, 3]))


@pytest.mark.parametrize("mapping", MAPS, ids=MAP_NAMES)
def test_mapped_probabilities_sum_to_one(mapping: VocabularyMap) -> None:
    rows = np.random.default_rng(0).dirichlet(np.ones(len(mapping.source)), 50)
    mapped = mapping.probabilities(rows)
    assert mapped.shape == (50, len(mapping.target))
    assert mapped.sum(axis=1) == pytest.approx(np.ones(50))


def test_mapped_probabilities_follow_their_labels() -> None:
    mapped = FER2013_TO_FERPLUS.probabilities(np.eye(7))
    assert (mapped.argmax(axis=1) == FER2013_TO_FERPLUS.labels(np.arange(7))).all()
    assert mapped[:, FERPLUS.index("contempt")].max() == 0


def test_dropped_mass_is_shared_out_in_proportion() -> None:
    row = np.zeros((1, 8))
    row[0, [FERPLUS.index("happiness"), FERPLUS.index("anger"), FERPLUS.index("contempt")]] = 0.3, 0.1, 0.6
    mapped = FERPLUS_TO_FER2013.probabilities(row)[0]
    assert mapped[FER2013.index("happy")] == pytest.approx(0.75)
    assert mapped[FER2013.index("angry")] == pytest.approx(0.25)


def test_a_row_whose_whole_mass_is_dropped_becomes_zero_without_a_warning(recwarn: pytest.WarningsRecorder) -> None:
    only_contempt = np.eye(8)[[FERPLUS.index("contempt")]]
    assert (FERPLUS_TO_FER2013.probabilities(only_contempt) == 0).all()
    assert not recwarn.list


def test_a_map_that_leaves_a_label_out_is_refused() -> None:
    with pytest.raises(ValueError, match="must list"):
        VocabularyMap(FER2013, FERPLUS, FER2013_TO_FERPLUS.pairs[:-1])


def test_a_map_in_another_order_is_refused() -> None:
    with pytest.raises(ValueError, match="in order"):
        VocabularyMap(FER2013, FERPLUS, FER2013_TO_FERPLUS.pairs[::-1])


def test_a_map_to_an_unknown_label_is_refused() -> None:
    pairs = (("angry", "rage"), *FER2013_TO_FERPLUS.pairs[1:])
    with pytest.raises(KeyError, match="'rage' is not a label of ferplus"):
        VocabularyMap(FER2013, FERPLUS, pairs)
