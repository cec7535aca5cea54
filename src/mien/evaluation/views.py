"""Several looks at each face, whose probabilities are averaged; always reported apart from the single view."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import cv2
import numpy as np

from mien.evaluation.measures import SINGLE

_SIDE = 11 / 12  # of the frame: 44 of 48 pixels, the crops that FER2013's ten-crop scores in the literature are of


def _single(faces: np.ndarray) -> Iterator[np.ndarray]:
    yield faces


def _flip(faces: np.ndarray) -> Iterator[np.ndarray]:
    yield faces
    yield np.ascontiguousarray(faces[:, :, ::-1])


def _crops(faces: np.ndarray) -> Iterator[np.ndarray]:
    """Four corners and the middle, 11/12 of the side, brought back to it, each as it is and mirrored."""
    side = faces.shape[1]
    cut = round(side * _SIDE)
    rest = side - cut
    for x, y in ((0, 0), (rest, 0), (0, rest), (rest, rest), (rest // 2, rest // 2)):
        part = faces[:, y : y + cut, x : x + cut]
        yield from _flip(np.stack([cv2.resize(p, (side, side), interpolation=cv2.INTER_LINEAR) for p in part]))


# By name: (n, s, s) uint8 gray faces → the looks at them, of the same shape.
VIEWS: dict[str, Callable[[np.ndarray], Iterator[np.ndarray]]] = {SINGLE: _single, "flip": _flip, "crops": _crops}
TITLES = {SINGLE: "single look", "flip": "mean with the mirrored face", "crops": "mean of ten crops"}
