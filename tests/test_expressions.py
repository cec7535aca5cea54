"""Vocabularies and maps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.data import FaceSet
from mien.expressions import (
    FER2013,
    FER2013_TO_FERPLUS,
    FERPLUS,
    FERPLUS_TO_FER2013,
    FERPLUS_VOTES,
    VOCABULARIES,
    Vocabulary,
    VocabularyMap,
    ferplus_majority,
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
    assert all(v.name == name for name, v in VOCABULARIES.items())
    assert VOCABULARIES["fer2013"] is FER2013 and VOCABULARIES["ferplus"] is FERPLUS


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


# ---- the FER+ protocol


def official_rule(votes: list[int]) -> int:
    """The published code of Barsoum et al. 2016, mode "majority", re-stated line by line; -1 for what it leaves out."""
    emotion_raw = [float(v) for v in votes]
    size = len(emotion_raw)
    emotion_unknown = [0.0] * size
    emotion_unknown[-2] = 1.0
    # remove emotions with a single vote (outlier removal)
    for i in range(size):
        if emotion_raw[i] < 1.0 + 1e-9:
            emotion_raw[i] = 0.0
    sum_list = sum(emotion_raw)
    emotion = [0.0] * size
    # find the peak value of the emo_raw list
    maxval = max(emotion_raw)
    if maxval > 0.5 * sum_list:
        emotion[emotion_raw.index(maxval)] = maxval / sum_list
    else:
        emotion = emotion_unknown  # force setting as unknown
    index = emotion.index(max(emotion))
    return index if index < 8 else -1  # neither unknown nor non-face


@given(st.lists(st.integers(0, 10), min_size=10, max_size=10))
def test_majority_labels_follow_the_official_rule(votes: list[int]) -> None:
    assert ferplus_majority(np.array([votes], np.uint8)).tolist() == [official_rule(votes)]


def test_majority_labels_follow_the_official_rule_on_ten_votes() -> None:
    rng = np.random.default_rng(6)
    votes = np.concatenate(
        [rng.multinomial(10, rng.dirichlet(np.full(10, alpha)), 1) for alpha in (0.1, 0.3, 1.0) for _ in range(700)]
    ).astype(np.uint8)
    found = ferplus_majority(votes)
    assert found.tolist() == [official_rule(v) for v in votes.tolist()]
    assert set(found.tolist()) == set(range(-1, 8))


@pytest.mark.parametrize(
    ("votes", "label"),
    [
        ({"happiness": 10}, "happiness"),
        ({"happiness": 6, "neutral": 4}, "happiness"),
        ({"happiness": 5, "neutral": 5}, None),
        ({"happiness": 4, "neutral": 3, "fear": 3}, None),
        ({"happiness": 5, "neutral": 4, "fear": 1}, "happiness"),
        ({"contempt": 8, "unknown": 2}, "contempt"),
        ({"unknown": 6, "sadness": 4}, None),
        ({"nonface": 10}, None),
        ({"sadness": 4, "unknown": 4, "nonface": 2}, None),
        ({"happiness": 1, "neutral": 1, "fear": 1}, None),
        ({}, None),
    ],
)
def test_majority_labels_in_words(votes: dict[str, int], label: str | None) -> None:
    row = np.array([[votes.get(name, 0) for name in FERPLUS_VOTES]], np.uint8)
    assert ferplus_majority(row)[0] == (-1 if label is None else FERPLUS.index(label))


def test_votes_of_one_byte_do_not_overflow() -> None:
    votes = np.zeros((1, 10), np.uint8)
    votes[0, [0, 1]] = 130, 131  # 2 × 131 and the sum are more than a byte holds
    assert ferplus_majority(votes).tolist() == [1]


def test_on_public_test_the_majority_protocol_counts_3196_faces(fer2013: FaceSet) -> None:
    votes = fer2013.votes[fer2013.where("PublicTest")]
    assert (ferplus_majority(votes) >= 0).sum() == 3196
