"""What is planted in the numbers is found, and sound numbers raise no alarm."""

from __future__ import annotations

import numpy as np
import pytest

from mien.evaluation import calibration, metrics
from mien.evaluation.alarms import alarms, leaks, miscalibrated
from mien.evaluation.measures import ALL, COPIES, NO_COPY, SINGLE, Section

NAMES = ("angry", "happy", "sad", "neutral")
K = len(NAMES)


def simulated(
    n: int, skill: float = 1.6, seed: int = 0, shares: tuple[float, ...] = (0.2, 0.4, 0.2, 0.2)
) -> tuple[np.ndarray, np.ndarray]:
    """Labels and calibrated probabilities: labels are drawn from the probabilities themselves."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, skill, (n, K)) + np.log(shares)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (rng.random(n)[:, None] > probabilities.cumsum(axis=1)).sum(axis=1)
    return labels, probabilities


def section(labels: np.ndarray, probabilities: np.ndarray, subset: str = ALL) -> Section:
    return Section("fer2013", SINGLE, subset, metrics.scores(labels, probabilities, NAMES, 300, 0))


def found(labels: np.ndarray, probabilities: np.ndarray) -> list[str]:
    certainty = calibration.assess("fer2013", labels, probabilities, None, "", (0.1,), 300, 0)
    return [*alarms([section(labels, probabilities)]), *miscalibrated([certainty])]


@pytest.mark.parametrize("seed", range(5))
def test_sound_answers_raise_no_alarm(seed: int) -> None:
    assert found(*simulated(2000, seed=seed)) == []


@pytest.mark.parametrize("seed", range(5))
def test_a_planted_shuffle_is_found(seed: int) -> None:
    labels, probabilities = simulated(2000, 3.0, seed)
    order = np.random.default_rng(seed).permutation(2000)
    said = found(labels[order], probabilities)
    assert any("independent" in s for s in said), said


def test_one_answer_to_everything_is_found() -> None:
    labels, _ = simulated(500)
    constant = np.tile([0.1, 0.7, 0.1, 0.1], (500, 1))
    assert "fer2013: it answers happy whatever it sees" in found(labels, constant)


def test_no_better_than_the_commonest_class_is_found() -> None:
    labels, _ = simulated(400)
    # Right where it says "sad", but that is all it can do.
    said = np.where((labels == 2) & (np.arange(400) % 9 == 0), 2, 1)
    assert any("cannot be told from always answering" in s for s in found(labels, np.eye(K)[said] * 0.6 + 0.1))


def test_a_doubt_does_not_hide_the_commonest_class() -> None:
    few = np.repeat(np.arange(2), 24), np.eye(K)[np.tile([0, 1], 24)] * 0.6 + 0.1
    said = found(*few)
    assert any("cannot be told from ones that are independent" in s for s in said), said
    assert any("cannot be told from always answering" in s for s in said), said
    many = found(*(np.repeat(part, 100, axis=0) for part in few))
    assert any("probably out of order" in s for s in many)
    assert not any("always answering" in s for s in many)  # the fault says it


def test_65_of_100_right_raise_no_doubt_about_their_order() -> None:
    labels = np.repeat([0, 1], 50)
    answers = np.repeat([0, 1, 0, 1], [33, 17, 18, 32])
    said = found(labels, np.eye(K)[answers] * 0.6 + 0.1)
    assert not any("independent" in s or "always answering" in s for s in said), said


def test_worse_than_the_commonest_class_is_said_to_be_worse() -> None:
    labels = np.zeros(200, int)
    labels[:5] = 1
    said = np.where(np.arange(200) % 4 == 0, 2, labels)
    (first, *_) = found(labels, np.eye(K)[said] * 0.6 + 0.1)
    assert "is worse than always answering the commonest class, 97.5%" in first


def test_a_single_face_is_said_to_be_few_and_nothing_else() -> None:
    assert [s.split(":")[1] for s in found(np.array([1]), np.array([[0.1, 0.7, 0.1, 0.1]]))] == [" 1 face is few"]


def test_few_faces_are_said_to_be_few() -> None:
    assert any("128 faces are few" in s for s in found(*simulated(128, 3.0)))


@pytest.mark.parametrize(("sharper", "word"), [(3.0, "over-confident"), (0.3, "under-confident")])
def test_planted_miscalibration_is_found(sharper: float, word: str) -> None:
    labels, probabilities = simulated(3000)
    bent = probabilities**sharper
    bent /= bent.sum(axis=1, keepdims=True)
    said = found(labels, bent)
    assert len(said) == 1 and f"fer2013: it is {word}" in said[0]


def test_a_planted_leak_is_found() -> None:
    labels, probabilities = simulated(2000)
    copies = np.arange(2000) % 4 == 0
    knows = np.where(copies[:, None], np.eye(K)[labels], probabilities)
    sections = [
        section(labels, knows),
        section(labels[~copies], knows[~copies], NO_COPY),
        section(labels[copies], knows[copies], COPIES),
    ]
    (said,) = leaks(sections)
    assert said.startswith("fer2013: 100.0% of the 500 faces with a copy among the training faces are right")
    gain = (knows.argmax(1) == labels).mean() - (knows[~copies].argmax(1) == labels[~copies]).mean()
    assert f"{100 * gain:.1f} points higher than on new ones" in said
    # The same faces without the knowledge.
    sections = [
        section(labels, probabilities),
        section(labels[~copies], probabilities[~copies], NO_COPY),
        section(labels[copies], probabilities[copies], COPIES),
    ]
    assert leaks(sections) == []
