"""Evaluations made of drawn answers, as ``mien evaluate`` would write them: for the tests of reports."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from mien.evaluation.calibration import assess
from mien.evaluation.document import LABELS, PICTURES, PREDICTIONS, DataFacts, Evaluation, Made, ModelFacts
from mien.evaluation.files import write_labels, write_predictions
from mien.evaluation.grouped import by_column
from mien.evaluation.measures import (
    ALL,
    COPIES,
    NO_COPY,
    NO_IDENTICAL,
    SINGLE,
    Disturbed,
    Estimate,
    ProtocolFacts,
    Section,
)
from mien.evaluation.metrics import scores
from mien.evaluation.protocols import MAJORITY, TITLES, Truth
from mien.evaluation.scores import Predictions
from mien.evaluation.votes import against_votes
from mien.expressions import FER2013, FERPLUS, Vocabulary

N, DRAWS = 400, 60
SHA256 = "0123456789abcdef" * 4
# Every picture has a colour of its own (BGR), so that a screenshot shows whether it is there.
COLOURS = {
    "classes": (40, 120, 200),
    "confusion": (200, 80, 20),
    "roc": (30, 160, 30),
    "precision_recall": (160, 30, 160),
    "reliability": (20, 200, 220),
    "selective": (120, 120, 10),
    "recall": (90, 40, 240),
    "curves": (250, 160, 60),
    "mistakes": (60, 60, 60),
    "evidence": (10, 90, 160),
    "tsne": (200, 200, 40),
    "robustness": (140, 200, 140),
    "groups": (180, 130, 220),
    "my own": (100, 220, 250),
}
RECIPE = """\
name = "mien-small"
seed = 1

[data]
source = "fer2013.parquet"

[training]
epochs = 60  # <b>not bold</b>
"""


def drawn(vocabulary: Vocabulary, skill: float, seed: int, n: int = N) -> tuple[np.ndarray, np.ndarray]:
    """(n,) labels, the same for every skill, and (n, K) probabilities that know of them."""
    k = len(vocabulary)
    labels = np.random.default_rng(3).integers(0, k, n) % max(1, k - 1)  # the first class is twice as common
    labels[:k] = np.arange(k)
    logits = np.random.default_rng(seed).normal(0, 1, (n, k))
    logits[np.arange(n), labels] += skill
    shares = np.exp(logits)
    return labels, shares / shares.sum(axis=1, keepdims=True)


@cache
def evaluation(name: str = "mien-small", skill: float = 2.0, seed: int = 0) -> Evaluation:
    """One with every part."""
    sections, certainty, facts = [], [], []
    subsets = {ALL: slice(None), NO_IDENTICAL: slice(0, 380), NO_COPY: slice(0, 370), COPIES: slice(370, None)}
    for protocol, vocabulary, counted in ((FER2013.name, FER2013, N), (MAJORITY, FERPLUS, N - 40)):
        labels, probabilities = (values[:counted] for values in drawn(vocabulary, skill, seed))
        for view, sharper in ((SINGLE, 1.0), ("flip", 1.1)):
            for subset, part in subsets.items() if view == SINGLE and counted == N else [(ALL, slice(None))]:
                p = probabilities[part] ** sharper
                p = p / p.sum(axis=1, keepdims=True)
                found = scores(labels[part], p, vocabulary.labels, DRAWS, 0)
                sections.append(Section(protocol, view, subset, found))
        held = drawn(vocabulary, skill, seed + 100)
        certainty.append(assess(protocol, labels, probabilities, held, "validation", (0.05, 0.1, 0.2), DRAWS))
        facts.append(ProtocolFacts(protocol, TITLES.get(protocol, f"{protocol} labels, every face"), counted, N))
    labels, probabilities = drawn(FER2013, skill, seed)
    ages = np.array(["under 30"] * 250 + ["30 to 60"] * 140 + ["over 60"] * 10)
    plus = drawn(FERPLUS, skill, seed)
    counts = np.bincount(labels, minlength=len(FER2013)).tolist()
    return Evaluation(
        ModelFacts(
            name,
            "run",
            "mien-small",
            "f" * 64,
            "A small residual network",
            1_464_719,
            RECIPE,
            {"data": "fer2013.parquet, 26,615 faces", "epochs": "60 of 60", "time": "57 min on a Machine, 2 cores"},
            ["the split has no persons: one person may be on both sides"],
            {"size on disk": "5.6 MB", "time of a face": "1.20 ms in batches, on a Machine, 2 cores"},
        ),
        DataFacts(
            "fer2013.parquet",
            SHA256,
            FER2013.name,
            "public_test",
            "the source's own",
            N,
            dict(zip(FER2013.labels, counts, strict=True)),
            "26,615 faces of the training part",
            {"identical": 20, "near-identical": 7, "mirrored": 3},
        ),
        Made("2025-06-01", "0.1.0", "abc1234", "A Machine, 2 cores", 0, DRAWS, 83.2, "mien evaluate runs/mien-small"),
        facts,
        sections,
        certainty,
        ["fer2013: 80.0% of the 30 faces with a copy among those trained on are right, and 68.4% of the 370 others"],
        against_votes(np.eye(len(FERPLUS))[plus[0]] * 0.7 + 0.3 / len(FERPLUS), plus[1], DRAWS),
        by_column("age <group>", ages, labels, probabilities, FER2013.labels, DRAWS),
        [
            Disturbed(what, strength, f"{unit} {strength * 0.5}", *(2 * [Estimate(0.7 - strength / 10, 0.1, 0.8, N)]))
            for what, unit in (("blur", "sigma, px"), ("noise", "sigma"), ("mouth hidden", "share"))
            for strength in range(1, 6)
        ],
        {name: f"{PICTURES}/{name}.png" for name in COLOURS},
    )


def of_classes(labels: Sequence[str], *, skill: float = 1.5, texts: str = "") -> Evaluation:
    """One with these classes, one protocol, and nothing that can be missing; ``texts`` stands in every text."""
    vocabulary = Vocabulary("own", tuple(labels))
    truth, probabilities = drawn(vocabulary, skill, 5)
    found = scores(truth, probabilities, vocabulary.labels, DRAWS, 0)
    counts = dict.fromkeys(labels, N // len(labels))
    text = texts or "plain"
    return Evaluation(
        ModelFacts(
            text, "predictions", text, "e" * 64, texts, None, texts, {text: text} if texts else {}, [text], {text: text}
        ),
        DataFacts(text, SHA256, text, text, text, N, counts),
        Made(text, text, "", text, 0, DRAWS, 4.0, texts),
        [ProtocolFacts("own", text, N, N)],
        [Section("own", SINGLE, ALL, found)],
        [assess("own", truth, probabilities, None, "", (0.1,), DRAWS)],
        [text] if texts else [],
    )


def picture(colour: tuple[int, int, int], width: int = 900, height: int = 420) -> bytes:
    """A PNG: white, with a frame and a broad bar of a colour (BGR)."""
    pixels = np.full((height, width, 3), 255, np.uint8)
    cv2.rectangle(pixels, (0, 0), (width - 1, height - 1), (200, 200, 200), 2)
    cv2.rectangle(pixels, (width // 5, height // 4), (4 * width // 5, 3 * height // 4), colour, -1)
    return cv2.imencode(".png", pixels)[1].tobytes()


def save(folder: Path, given: Evaluation, skill: float = 2.0, seed: int = 0) -> Path:
    """Write an evaluation into a folder, with its pictures, and the predictions and labels that it was made of."""
    folder.mkdir(parents=True)
    given.save(folder)
    for name, file in given.pictures.items():
        (folder / file).parent.mkdir(exist_ok=True)
        (folder / file).write_bytes(picture(COLOURS.get(name, (9, 9, 9))))
    if [p.name for p in given.protocols] == [FER2013.name, MAJORITY]:
        rows = 1000 + np.arange(N)
        predictions, truths = [], []
        for protocol, vocabulary in ((FER2013.name, FER2013), (MAJORITY, FERPLUS)):
            labels, probabilities = drawn(vocabulary, skill, seed)
            counted = next(p.n for p in given.protocols if p.name == protocol)
            predictions.append(Predictions(vocabulary, rows, probabilities))
            truths.append(Truth(protocol, "", vocabulary, rows, np.where(np.arange(N) < counted, labels, -1)))
        write_predictions(folder / PREDICTIONS, predictions, given.data.sha256)
        write_labels(folder / LABELS, truths, given.data.part, {})
    return folder
