"""The system behind a face detector, as a paper deploys it."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from mien.evaluation.scores import Predictions
from mien.evaluation.subject import answering
from mien.expressions import Vocabulary
from mien.inference.analyze import Analyzer
from mien.results import Face
from mien.studies.measures.ran import SEED, Ran, answers_to, count, share_of
from mien.studies.result import Quantity

MOST = 1000  # faces
DETECTOR = "haar"
_SIDES = (60, 300)  # pixels of a face in its picture
_WIDE = (1.4, 2.6)  # sides of the picture in sides of the face
_MARGIN = 0.1  # least distance of the face from the border, in sides of the face


def deployment(ran: Ran, part: str) -> dict[str, Quantity]:
    """Lay faces of a part on larger even pictures, and have the run's bundle find and name them as ``mien analyze``.

    A face is enlarged to 60 to 300 pixels and laid at a random place, seed 0, on a picture of its own mean gray. It is
    found if the centre of what Haar's cascade detects lies inside it; of several, the surest counts. Each face is
    taken once; of more than 1,000 at most so many, the first of each class in its share.

    Returns:
        ``n``: faces tried; ``found``: share of them that is found; ``accuracy_found``: share of the found ones that is
        named rightly; ``accuracy_direct``: the same for the same faces given to the network as they are in the data
        set. Shares have Wilson's interval.
    """
    from mien.training.batches import limited

    answers = answers_to(ran, part)
    at = limited(answers.labels, MOST)[:MOST]  # shares that are rounded up may sum to more
    faces = ran.faces.faces[ran.faces.positions(answers.rows[at])]
    analyzer = Analyzer(ran.folder / "bundle", DETECTOR)
    found: list[int] = []
    said: list[Face] = []
    for i, (picture, corner, side) in zip(at, grounds(faces), strict=True):
        inside = [f for f in analyzer.frame(picture, "").faces if _is_on(f, corner, side)]
        if inside:
            found.append(int(i))
            said.append(max(inside, key=lambda f: f.detection_score or 0.0))
    labels = answers.labels[found]
    right = _named(said, analyzer, answers.vocabulary) == labels
    return {
        "n": count(len(at), len(at)),
        "found": share_of(len(found), len(at)),
        "accuracy_found": share_of(right.sum(), len(found)),
        "accuracy_direct": share_of(answers.right[found].sum(), len(found)),
    }


def grounds(faces: np.ndarray) -> Iterator[tuple[np.ndarray, tuple[int, int], int]]:
    """Lay each face at a random place on a larger even picture; the same places for as many faces.

    Args:
        faces: (n, s, s) uint8 gray.

    Yields:
        The picture, (h, w) uint8 gray; the face's upper left corner in it, (x, y); its side, pixels.
    """
    rng = np.random.default_rng(SEED)
    for face in faces:
        side = int(rng.integers(_SIDES[0], _SIDES[1] + 1))
        h, w = (int(side * rng.uniform(*_WIDE)) for _ in range(2))
        x, y = (int(rng.integers(int(_MARGIN * side), int(n - (1 + _MARGIN) * side))) for n in (w, h))
        picture = np.full((h, w), int(face.mean()), np.uint8)
        how = cv2.INTER_CUBIC if side >= len(face) else cv2.INTER_AREA
        picture[y : y + side, x : x + side] = cv2.resize(face, (side, side), interpolation=how)
        yield picture, (x, y), side


def _is_on(face: Face, corner: tuple[int, int], side: int) -> bool:
    """Whether the centre of a detected face lies on the one that was laid there."""
    x1, y1, x2, y2 = face.box
    (x, y), middle = corner, ((x1 + x2) / 2, (y1 + y2) / 2)
    return x <= middle[0] < x + side and y <= middle[1] < y + side


def _named(faces: list[Face], analyzer: Analyzer, asked: Vocabulary) -> np.ndarray:
    """(n,) what detected faces are said to show, indices into the vocabulary that is asked for."""
    if not faces:
        return np.empty(0, np.int64)
    primary = analyzer.card.primary
    vocabulary = Vocabulary(primary, tuple(analyzer.card.vocabularies[primary]))
    probabilities = np.array([[face.probabilities[label] for label in vocabulary.labels] for face in faces])
    reached = answering([Predictions(vocabulary, np.arange(len(faces)), probabilities)], asked)
    assert reached is not None  # the evaluation came the same way
    return np.asarray(reached[0].probabilities.argmax(axis=1))
