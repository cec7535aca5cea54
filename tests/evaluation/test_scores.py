"""Scores: right numbers, rows that line up, and an interval that holds what it says."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.errors import DataError
from mien.evaluation.scores import Predictions, Score, accuracy
from mien.expressions import FER2013, Vocabulary, find_map

N = 400


def one_hot(answers: np.ndarray, vocabulary: Vocabulary = FER2013) -> np.ndarray:
    return np.eye(len(vocabulary))[answers]


@pytest.fixture
def predictions() -> Predictions:
    """Random probabilities for 400 rows whose ids are neither sorted nor without gaps."""
    rng = np.random.default_rng(1)
    return Predictions(FER2013, rng.permutation(5 * N)[:N], rng.dirichlet(np.full(7, 0.3), N))


@pytest.fixture
def labels(predictions: Predictions) -> np.ndarray:
    """Right for about 60% of the rows; no fear at all."""
    rng = np.random.default_rng(2)
    answers = predictions.probabilities.argmax(axis=1)
    truth = np.where(rng.random(N) < 0.6, answers, rng.integers(0, 7, N))
    return np.where(truth == FER2013.index("fear"), FER2013.index("sad"), truth)


# ---- accuracy, recall, support


def test_accuracy_is_the_share_of_right_answers_counted_by_hand(predictions: Predictions, labels: np.ndarray) -> None:
    right = sum(int(p.argmax() == label) for p, label in zip(predictions.probabilities, labels, strict=True))
    score = accuracy(predictions, predictions.rows, labels)
    assert score.value == pytest.approx(right / N)
    assert score.n == N


def test_recall_and_support_are_counted_per_label(predictions: Predictions, labels: np.ndarray) -> None:
    score = accuracy(predictions, predictions.rows, labels)
    answers = predictions.probabilities.argmax(axis=1)
    for i, name in enumerate(FER2013.labels):
        assert score.support[name] == (labels == i).sum()
        if name != "fear":
            assert score.recall[name] == pytest.approx((answers[labels == i] == i).mean())
    assert score.support["fear"] == 0
    assert math.isnan(score.recall["fear"])
    assert list(score.recall) == list(score.support) == list(FER2013.labels)
    assert sum(score.support.values()) == N


def test_scores_agree_with_scikit_learn(predictions: Predictions, labels: np.ndarray) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    answers = predictions.probabilities.argmax(axis=1)
    score = accuracy(predictions, predictions.rows, labels)
    assert score.value == pytest.approx(metrics.accuracy_score(labels, answers))
    named = [name for name in FER2013.labels if name != "fear"]
    recall = metrics.recall_score(labels, answers, average=None, labels=[FER2013.index(n) for n in named])
    assert [score.recall[name] for name in named] == pytest.approx(list(recall))


def test_faces_that_a_protocol_does_not_name_are_left_out(predictions: Predictions, labels: np.ndarray) -> None:
    named = np.arange(N) % 3 > 0
    score = accuracy(predictions, predictions.rows, np.where(named, labels, -1))
    kept = Predictions(FER2013, predictions.rows[named], predictions.probabilities[named])
    assert score.n == named.sum()
    assert score.value == accuracy(kept, kept.rows, labels[named]).value
    assert score.support == accuracy(kept, kept.rows, labels[named]).support


# ---- rows


def same(a: Score, b: Score) -> bool:
    return repr(a) == repr(b)  # nan is not equal to itself


@given(st.randoms(use_true_random=False))
def test_the_order_of_the_rows_changes_nothing(random: object) -> None:
    rng = np.random.default_rng(random.randrange(2**32))  # type: ignore[attr-defined]
    rows, probabilities, truth = rng.permutation(60)[:30], rng.dirichlet(np.ones(7), 30), rng.integers(-1, 7, 30)
    truth[0] = 0
    mine, theirs = rng.permutation(30), rng.permutation(30)
    assert same(
        accuracy(Predictions(FER2013, rows, probabilities), rows, truth, draws=50),
        accuracy(Predictions(FER2013, rows[mine], probabilities[mine]), rows[theirs], truth[theirs], draws=50),
    )


@pytest.mark.parametrize("change", ["one other row", "one row less", "one row more", "a row twice"])
def test_rows_that_do_not_line_up_are_refused(predictions: Predictions, labels: np.ndarray, change: str) -> None:
    rows = predictions.rows.copy()
    if change == "one other row":
        rows[7] = 10**6
    elif change == "one row less":
        rows, labels = rows[:-1], labels[:-1]
    elif change == "one row more":
        rows, labels = np.append(rows, 10**6), np.append(labels, 0)
    else:
        rows[7] = rows[8]
    lacking, extra = predictions.rows[7], r"1 row predicted but not to score \(such as {}\)"
    said = {
        "one other row": r"different rows: 1 row to score without a prediction \(such as 1000000\) and "
        + extra.format(lacking),
        "one row less": f"different rows: {extra.format(predictions.rows[-1])}; expected the same row ids",
        "one row more": r"different rows: 1 row to score without a prediction \(such as 1000000\); expected the same",
        "a row twice": "a row id appears twice among those to score",
    }
    with pytest.raises(DataError, match=said[change]):
        accuracy(predictions, rows, labels)


@pytest.mark.parametrize("wrong", ["short", "long", "out of the vocabulary"])
def test_labels_that_do_not_fit_the_rows_or_the_vocabulary_are_refused(
    predictions: Predictions, labels: np.ndarray, wrong: str
) -> None:
    changed = {"short": labels[:-1], "long": np.append(labels, 0), "out of the vocabulary": np.append(labels[:-1], 7)}
    with pytest.raises(DataError, match="labels of shape"):
        accuracy(predictions, predictions.rows, changed[wrong])


def test_labels_that_name_no_face_are_refused(predictions: Predictions) -> None:
    with pytest.raises(DataError, match="no face has a label under this protocol"):
        accuracy(predictions, predictions.rows, np.full(N, -1))


@pytest.mark.parametrize(
    ("rows", "probabilities", "complaint"),
    [
        (np.arange(3), np.full((3, 8), 1 / 8), r"probabilities are \(3, 8\); expected \(3, 7\)"),
        (np.arange(3), np.full((2, 7), 1 / 7), r"probabilities are \(2, 7\); expected \(3, 7\)"),
        (np.array([1, 2, 1]), np.full((3, 7), 1 / 7), "a row id appears twice"),
        (np.arange(3), np.full((3, 7), 0.2), "do not sum to 1"),
        (np.arange(3), np.full((3, 7), np.nan), "do not sum to 1"),
    ],
)
def test_predictions_check_themselves(rows: np.ndarray, probabilities: np.ndarray, complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        Predictions(FER2013, rows, probabilities)


def test_probabilities_come_in_the_order_of_other_rows(predictions: Predictions) -> None:
    mixed = np.random.default_rng(3).permutation(N)
    assert (predictions.aligned(predictions.rows[mixed]) == predictions.probabilities[mixed]).all()
    assert (
        predictions.aligned(np.sort(predictions.rows)) == predictions.probabilities[predictions.rows.argsort()]
    ).all()


def test_all_rows_that_do_not_line_up_are_counted(predictions: Predictions) -> None:
    rows = np.append(predictions.rows[3:], [10**6, 10**6 + 1])
    with pytest.raises(DataError) as caught:
        predictions.aligned(rows)
    assert "2 rows to score without a prediction (such as 1000000)" in str(caught.value)
    example = min(predictions.rows[:3])
    assert f"3 rows predicted but not to score (such as {example})" in str(caught.value)


def test_some_rows_are_taken_in_their_order(predictions: Predictions) -> None:
    at = np.random.default_rng(3).permutation(N)[:50]
    taken = predictions.take(predictions.rows[at])
    assert taken.vocabulary is predictions.vocabulary
    assert (taken.rows == predictions.rows[at]).all()
    assert (taken.probabilities == predictions.probabilities[at]).all()
    assert len(predictions.take(predictions.rows[:0]).rows) == 0


def test_a_row_that_is_not_there_cannot_be_taken(predictions: Predictions) -> None:
    with pytest.raises(DataError, match=r"predictions lack 2 rows asked for \(such as 1000000\)"):
        predictions.take(np.append(predictions.rows[:2], [10**6 + 1, 10**6]))
    with pytest.raises(DataError, match="a row id appears twice"):
        predictions.take(predictions.rows[[0, 1, 0]])
    with pytest.raises(DataError, match="lack 1 row asked for"):
        Predictions(FER2013, np.empty(0, int), np.empty((0, 7))).take(np.array([4]))


# ---- other vocabularies


def test_predictions_go_through_a_map(predictions: Predictions) -> None:
    mapping = find_map("fer2013-to-three")
    mapped = predictions.mapped(mapping)
    assert mapped.vocabulary is mapping.target
    assert (mapped.rows == predictions.rows).all()
    kept = predictions.probabilities[:, [FER2013.index(label) for label in ("happy", "neutral", "surprise")]]
    order = [("happy", "neutral", "surprise").index(label) for label in mapping.target.labels]
    assert mapped.probabilities == pytest.approx((kept / kept.sum(axis=1, keepdims=True))[:, order])


def test_a_row_whose_whole_mass_is_dropped_becomes_uniform() -> None:
    sure = Predictions(FER2013, np.arange(2), one_hot(np.array([FER2013.index("fear"), FER2013.index("happy")])))
    mapped = sure.mapped(find_map("fer2013-to-three"))
    assert mapped.probabilities[0] == pytest.approx(1 / 3)
    assert mapped.probabilities[1].tolist() == [float(label == "happy") for label in mapped.vocabulary.labels]


def test_a_map_from_other_labels_is_refused(predictions: Predictions) -> None:
    with pytest.raises(DataError, match="for the map ferplus-to-fer2013"):
        predictions.mapped(find_map("ferplus-to-fer2013"))


# ---- the interval


def test_the_interval_holds_the_truth_about_95_times_in_a_hundred() -> None:
    n, truth, trials = 300, 0.7, 2000
    rng, rows = np.random.default_rng(4), np.arange(n)
    labels = np.zeros(n, np.int64)
    held = 0
    for trial in range(trials):
        answers = np.where(rng.random(n) < truth, 0, 1)
        score = accuracy(Predictions(FER2013, rows, one_hot(answers)), rows, labels, draws=500, seed=trial)
        held += score.low <= truth <= score.high
    assert 0.92 <= held / trials <= 0.97


def test_the_interval_is_that_of_resampled_faces(predictions: Predictions, labels: np.ndarray) -> None:
    right = predictions.probabilities.argmax(axis=1) == labels
    rng = np.random.default_rng(0)
    drawn = [right[rng.integers(0, N, N)].mean() for _ in range(4000)]
    score = accuracy(predictions, predictions.rows, labels, draws=4000)
    assert (score.low, score.high) == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])), abs=0.008)
    assert score.low < score.value < score.high


def test_the_interval_is_the_same_each_time(predictions: Predictions, labels: np.ndarray) -> None:
    assert same(accuracy(predictions, predictions.rows, labels), accuracy(predictions, predictions.rows, labels))


def test_four_times_the_faces_halve_the_interval() -> None:
    widths = []
    for n in (1000, 4000):
        answers = (np.arange(n) % 4 == 0).astype(int)
        score = accuracy(Predictions(FER2013, np.arange(n), one_hot(answers)), np.arange(n), np.zeros(n, int))
        widths.append(score.high - score.low)
    assert widths[0] / widths[1] == pytest.approx(2, rel=0.15)
