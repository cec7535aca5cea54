"""Vocabularies and maps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mien
from mien.data import FaceSet
from mien.errors import DataError
from mien.expressions import (
    FER2013,
    FER_TINY,
    FERPLUS,
    FERPLUS_VOTES,
    FOUR,
    MAPS,
    VALENCE,
    VOCABULARIES,
    Vocabulary,
    VocabularyMap,
    ferplus_majority,
    find_map,
    load_map,
)

FER2013_TO_FERPLUS, FERPLUS_TO_FER2013 = find_map("fer2013-to-ferplus"), find_map("ferplus-to-fer2013")


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


# ---- the maps that ship


def test_the_maps_that_ship_are_those_in_the_folder() -> None:
    folder = Path(mien.__file__).parent / "maps"
    assert sorted(p.name for p in folder.iterdir()) == sorted(f"{name}.toml" for name in MAPS)
    assert list(MAPS) == sorted(MAPS)


@pytest.mark.parametrize("name", MAPS)
def test_a_map_names_every_source_label_once_and_only_target_labels(name: str) -> None:
    mapping = find_map(name)
    assert mapping.name == name
    assert tuple(source for source, _ in mapping.pairs) == mapping.source.labels
    assert {target for _, target in mapping.pairs} <= {*mapping.target.labels, None}
    assert mapping.source is VOCABULARIES[mapping.source.name] and mapping.target is VOCABULARIES[mapping.target.name]
    assert len(mapping.note) > 50 and "\n" not in mapping.note
    assert name == f"{mapping.source.name}-to-{mapping.target.name}"


DROPPED = {
    "affectnet-to-fer2013": {"contempt"},
    "ck+-to-fer2013": {"contempt"},
    "fer-tiny-to-fer2013": {"admiration", "vigilance"},
    "fer-tiny-to-valence": {"surprise"},
    "fer2013-to-four": {"angry", "disgust", "fear"},
    "fer2013-to-three": {"angry", "disgust", "fear", "sad"},
    "ferplus-to-fer2013": {"contempt"},
}
NOT_REACHED = {
    "ck+-to-fer2013": {"neutral"},
    "fer-tiny-to-fer2013": {"neutral"},
    "fer2013-to-affectnet": {"contempt"},
    "fer2013-to-ferplus": {"contempt"},
}


@pytest.mark.parametrize("name", MAPS)
def test_what_is_dropped_or_not_reached_is_meant(name: str) -> None:
    mapping = find_map(name)
    assert {a for a, b in mapping.pairs if b is None} == DROPPED.get(name, set())
    reached = {b for _, b in mapping.pairs if b is not None}
    assert set(mapping.target.labels) - reached == NOT_REACHED.get(name, set())


@pytest.mark.parametrize("name", [n for n in MAPS if not n.startswith("fer-tiny")])
def test_labels_map_to_the_same_expression_under_another_name(name: str) -> None:
    stems = {"angry": "anger", "happiness": "happy", "sadness": "sad"}
    for a, b in find_map(name).pairs:
        assert b is None or stems.get(a, a) == stems.get(b, b)


def test_thirteen_classes_become_two_as_near_to_the_papers_counts_as_whole_classes_can() -> None:
    images, train, spare = 42_468, 2_500, 9_837 + 131
    negative, positive = 20_004 + 4_967, 10_176 + 2_577
    assert 13 * train + spare == images
    assert 11 * train + spare < negative + positive  # two classes cannot have been left out, so one was

    def unevenness(n: int) -> float:
        """Spread of the test and validation images a class, where n classes are negative and 12 - n positive."""
        beyond = (negative - train * n) / n, (positive - train * (12 - n)) / (12 - n)
        return abs(beyond[0] - beyond[1]) if min(beyond) >= 0 else float("inf")

    best = min(range(1, 12), key=unevenness)
    assert best == 8
    target = [b for _, b in find_map("fer-tiny-to-valence").pairs]
    assert [target.count(label) for label in ("negative", "positive", None)] == [best, 12 - best, 1]
    note = find_map("fer-tiny-to-valence").note
    for number in ("42,468", "24,971", "12,753", "4,744", "4,971 / 8 = 621", "2,753 / 4 = 688", "9,968 / 13 = 767"):
        assert number in note
    assert (negative, positive, images - negative - positive) == (24_971, 12_753, 4_744)
    assert (negative - 8 * train, positive - 4 * train) == (4_971, 2_753)


def test_the_two_classes_follow_the_feeling() -> None:
    mapping = dict(find_map("fer-tiny-to-valence").pairs)
    assert {a for a, b in mapping.items() if b == "positive"} == {"admiration", "amazement", "ecstacy", "joy"}
    assert FER_TINY.labels == tuple(mapping) and VALENCE.labels == ("negative", "positive")


def test_four_and_three_classes_are_those_of_their_reports() -> None:
    assert find_map("fer2013-to-four").target.labels == ("happy", "neutral", "sad", "surprise")
    assert find_map("fer2013-to-three").target.labels == ("happy", "neutral", "surprise")
    assert find_map("fer2013-to-three").labels(np.arange(7)).tolist() == [-1, -1, -1, 0, -1, 2, 1]


# ---- a map of one's own

GOOD = """
source = ["calm", "tense", "asleep"]
target = ["at rest", "not"]
dropped = ["asleep"]
note = \"\"\"
Two words
on two lines.\"\"\"
[map]
tense = "not"
calm = "at rest"
"""


def written(folder: Path, text: str) -> Path:
    (folder / "mine.toml").write_text(text, encoding="utf-8")
    return folder / "mine.toml"


def test_a_map_of_ones_own_is_read(tmp_path: Path) -> None:
    mapping = load_map(written(tmp_path, GOOD))
    assert mapping.name == "mine"
    assert mapping.source == Vocabulary("mine-source", ("calm", "tense", "asleep"))
    assert mapping.target == Vocabulary("mine", ("at rest", "not"))
    assert mapping.pairs == (("calm", "at rest"), ("tense", "not"), ("asleep", None))
    assert mapping.note == "Two words on two lines."
    assert find_map(str(tmp_path / "mine.toml")) == mapping


def test_a_map_may_name_itself_and_vocabularies_of_miens(tmp_path: Path) -> None:
    text = 'name = "moods"\nsource = "valence"\ntarget = "four"\n[map]\nnegative = "sad"\npositive = "happy"\n'
    mapping = load_map(written(tmp_path, text))
    assert (mapping.name, mapping.source, mapping.target) == ("moods", VALENCE, FOUR)
    assert mapping.note == ""
    listed = text.replace('"four"', '["happy", "neutral", "sad", "surprise"]')
    assert load_map(written(tmp_path, listed)).target is FOUR  # the same labels are the same vocabulary
    turned = load_map(written(tmp_path, text.replace('"four"', '["sad", "happy"]')))
    assert turned.target == Vocabulary("moods", ("sad", "happy"))


def test_a_vocabulary_of_ones_own_can_be_named(tmp_path: Path) -> None:
    text = 'source = "office"\ntarget = "valence"\ndropped = ["away"]\n[map]\nglad = "positive"\ncross = "negative"\n'
    mapping = load_map(written(tmp_path, text))
    assert mapping.source == Vocabulary("office", ("glad", "cross", "away"))


BASE = 'source = ["a", "b"]\ntarget = ["x", "y"]\n'
WRONG = {
    'source = ["a"': "not a map",
    "\x00": "not a map",
    "": "source is missing; target is missing; map is missing",
    BASE: "map is missing; expected each source label once",
    BASE + "map = 3": "map is no table",
    BASE + 'drop = ["a"]\n[map]\na = "x"\nb = "y"': r"'drop' is not a field of a map \(did you mean 'dropped'\?\)",
    BASE + 'zzz = 1\n[map]\na = "x"\nb = "y"': "'zzz' is not a field of a map;",
    BASE + 'name = 3\n[map]\na = "x"\nb = "y"': "name is no text",
    BASE + 'note = ["n"]\n[map]\na = "x"\nb = "y"': "note is no text",
    BASE + 'name = "a b"\n[map]\na = "x"\nb = "y"': "the name 'a b' is not of letters",
    BASE
    + 'name = "fer2013-to-four"\n[map]\na = "x"\nb = "y"': "the name 'fer2013-to-four' is that of a map that ships",
    BASE + 'dropped = "b"\n[map]\na = "x"': "dropped is no list of labels",
    BASE + '[map]\na = "x"\ndropped = ["b"]': r"dropped stands under \[map\]: put it above",
    BASE + '[map]\na = "x"\nb = 3': "'b' is mapped to 3, which is no label",
    BASE + '[map]\na = "x"': "'b' is neither mapped nor dropped",
    BASE + 'dropped = ["a"]\n[map]\na = "x"\nb = "y"': "'a' is both mapped and dropped",
    BASE + 'dropped = ["b", "b"]\n[map]\na = "x"': "dropped lists 'b' twice",
    BASE + '[map]\na = "x"\na = "y"\nb = "y"': "not a map .*overwrite",
    BASE + 'dropped = ["c"]\n[map]\na = "x"\nb = "y"': "'c' is no label of the source",
    BASE + '[map]\na = "x"\nb = "z"': "'b' is mapped to 'z', which is no label of the target",
    'source = "fer2013"\ntarget = "valenze"\n[map]\n': r"'valenze' to map to \(did you mean 'valence'\?\)",
    'source = "fer2013"\ntarget = "nothing"\n[map]\n': r"no vocabulary 'nothing' to map to \(there are fer2013, ",
    'source = ["a", "a"]\ntarget = ["x"]\n[map]\na = "x"': "source lists 'a' twice",
    'source = ["a"]\ntarget = ["x", "x"]\n[map]\na = "x"': "target lists 'x' twice",
    'source = []\ntarget = ["x"]\n[map]\n': "source lists no label",
    'source = ["a"]\ntarget = []\ndropped = ["a"]\n[map]\n': "target lists no label",
    'source = [3]\ntarget = ["x"]\n[map]\n': "source is no vocabulary name or list of labels",
    'source = ["a"]\ntarget = 7\n[map]\na = "x"': "target is no vocabulary name or list of labels",
}


@pytest.mark.parametrize(("text", "complaint"), WRONG.items())
def test_what_is_wrong_in_a_map_is_said(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(DataError, match=rf"mine\.toml: .*{complaint}"):
        load_map(written(tmp_path, text))


def test_all_that_is_wrong_is_said_at_once_with_the_nearest_spelling(tmp_path: Path) -> None:
    text = 'source = "fer2013"\ntarget = "valence"\ndropped = ["fear", "neutrall"]\n[map]\n'
    text += 'angry = "negativ"\nfear = "negative"\nhapy = "positive"\nsad = "negative"\n'
    with pytest.raises(DataError) as caught:
        load_map(written(tmp_path, text))
    assert caught.value.came.partition(": ")[2].split("; ") == [
        "'fear' is both mapped and dropped",
        "'hapy' is no label of the source (did you mean 'happy'?)",
        "'neutrall' is no label of the source (did you mean 'neutral'?)",
        "'disgust' is neither mapped nor dropped",
        "'happy' is neither mapped nor dropped",
        "'surprise' is neither mapped nor dropped",
        "'neutral' is neither mapped nor dropped",
        "'angry' is mapped to 'negativ', which is no label of the target (did you mean 'negative'?)",
    ]
    assert "mien data maps NAME" in caught.value.remedy


def test_a_map_that_is_not_there_is_named_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"no map 'ferplus-to-fer2031' \(did you mean 'ferplus-to-fer2013'\?\); expected a"
    ):
        find_map("ferplus-to-fer2031")
    with pytest.raises(DataError, match=r"there is no map '.*nothing\.toml'; expected a map file, or one of affectnet"):
        find_map(str(tmp_path / "nothing.toml"))
    with pytest.raises(DataError, match="not a map"):
        load_map(tmp_path)


# ---- what a map does


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


@pytest.mark.parametrize("name", MAPS)
def test_mapped_probabilities_sum_to_one(name: str) -> None:
    mapping = find_map(name)
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
        VocabularyMap("m", FER2013, FERPLUS, FER2013_TO_FERPLUS.pairs[:-1])


def test_a_map_in_another_order_is_refused() -> None:
    with pytest.raises(ValueError, match="in order"):
        VocabularyMap("m", FER2013, FERPLUS, FER2013_TO_FERPLUS.pairs[::-1])


def test_a_map_to_an_unknown_label_is_refused() -> None:
    pairs = (("angry", "rage"), *FER2013_TO_FERPLUS.pairs[1:])
    with pytest.raises(KeyError, match="'rage' is not a label of ferplus"):
        VocabularyMap("m", FER2013, FERPLUS, pairs)


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
