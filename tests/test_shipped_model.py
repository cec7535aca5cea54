"""The model in the package: that it scores what it says, fast enough, and what it says about itself."""

from __future__ import annotations

import json
import math
import statistics
import time
from pathlib import Path

import numpy as np
import pytest

from mien import bundle, faces
from mien.data import FaceSet, identical_groups, official
from mien.evaluation.scores import Predictions, Score, accuracy
from mien.expressions import FER2013, FERPLUS, ferplus_majority


@pytest.fixture(scope="module")
def model() -> bundle.Bundle:
    return bundle.Bundle(bundle.find(bundle.DEFAULT), threads=2)


@pytest.fixture(scope="module")
def scores(model: bundle.Bundle, fer2013: FaceSet) -> dict[str, Score]:
    at = fer2013.where("PublicTest")
    names = ["fer2013_probabilities", "ferplus_probabilities"]
    parts = [model.score(np.ascontiguousarray(fer2013.faces[at[i : i + 256]]), names) for i in range(0, len(at), 256)]
    labels = {"fer2013": fer2013.labels[at].astype(np.int64), "ferplus": ferplus_majority(fer2013.votes[at])}
    return {
        v.name: accuracy(
            Predictions(v, fer2013.rows[at], np.concatenate([p[f"{v.name}_probabilities"] for p in parts])),
            fer2013.rows[at],
            labels[v.name],
        )
        for v in (FER2013, FERPLUS)
    }


def test_it_reaches_its_floor_on_public_test(scores: dict[str, Score]) -> None:
    assert scores["fer2013"].n == 3584 and scores["fer2013"].value >= 0.680
    assert scores["ferplus"].n == 3196 and scores["ferplus"].value >= 0.855


def test_the_card_prints_what_the_file_scores(model: bundle.Bundle, scores: dict[str, Score]) -> None:
    for vocabulary, score in scores.items():
        printed = model.card.score("public_test", vocabulary)
        assert printed is not None and printed.n == score.n
        assert printed.value == pytest.approx(score.value, abs=0.0006)  # a face or two may round the other way


def test_it_was_trained_without_the_copies(model: bundle.Bundle, fer2013: FaceSet) -> None:
    training = model.card.training
    assert training.excluded == {"identical to a test face": 339}
    split = official(fer2013, 0.06, 0)
    assert training.n == len(split.parts["train"]) == 26615
    assert training.sha256 == fer2013.provenance.sha256
    group = identical_groups(fer2013.faces)
    train, test = (group[fer2013.positions(split.parts[p])] for p in ("train", "public_test"))
    assert not np.isin(train, test).any()


def test_it_carries_the_measured_geometry(model: bundle.Bundle) -> None:
    for detector in ("haar", "yunet"):
        assert model.card.crop[detector] == faces.geometry(detector)


def test_one_face_takes_at_most_two_milliseconds_on_one_thread() -> None:
    alone = bundle.Bundle(bundle.find(bundle.DEFAULT), threads=1)
    face = np.random.default_rng(0).integers(0, 256, (1, 48, 48), dtype=np.uint8)
    best = math.inf
    for _ in range(40):  # other work on the machine can only add: one quiet moment is enough
        times = []
        for _ in range(60):
            start = time.perf_counter()
            alone.score(face, ["fer2013_probabilities"])
            times.append(time.perf_counter() - start)
        best = min(best, statistics.median(times))
        if best <= 0.002:
            break
    assert best <= 0.002


def test_the_weights_are_small_and_named() -> None:
    folder = bundle.available()[bundle.DEFAULT]
    assert sum(f.stat().st_size for f in folder.iterdir()) <= 8e6
    card = json.loads((folder / "card.json").read_text())
    assert card["licence"] == "Apache-2.0" and card["training"]["commit"] and card["training"]["hardware"]
    assert (folder / "MODEL_CARD.md").is_file()


def test_it_sees_a_smile(shared: Path) -> None:
    import mien

    result = mien.analyze(shared / "data" / "media" / "one-face.jpg", detector="haar")
    assert [f.expression for f in result.faces] == ["happy"]
    assert result.faces[0].ferplus_expression == "happiness"
