"""Scores on faces that were disturbed: eleven disturbances at five strengths.

After Hendrycks & Dietterich 2019 (arXiv 1903.12261), with amounts for faces: strength 1 can hardly be seen, at 5 people
have trouble too. Lengths are shares of the frame's side, and a low resolution is that of the whole frame, so that a
strength means the same at any size; noise and JPEG act on the pixels that there are. What is drawn at random is keyed
by the seed and the row id, not by the strength: a face has the same noise and the same direction at all five, and in a
batch of any order. What is covered is a band of the frame; a face that looks aside may have its mouth elsewhere.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from mien.errors import DataError
from mien.evaluation import metrics
from mien.evaluation.measures import Disturbed

STRENGTHS = (1, 2, 3, 4, 5)
_CHUNK = 256

# Where FER2013's frame has the eyes and the mouth, shares of the side from the left and the top. Measured on the mean
# of the Training faces: less its own blur (sigma 7 px of 48) it is darkest in row 17 (eyes) and rows 37 to 38 (mouth),
# and dark from column 10 to 38 (eyes) and 16 to 31 (mouth). The bands reach five pixels further, since faces differ.
_EYES = (0.1, 0.9, 0.365)  # left, right, middle of the height
_MOUTH = (0.23, 0.77, 0.79)


@dataclass(frozen=True)
class Corruption:
    """A disturbance.

    Attributes:
        description: What it does, in a phrase.
        wording: Of an amount with its unit, for ``str.format``.
        amounts: For strengths 1 to 5.
        apply: (s, s) uint8 face, amount, generator of the face's own → (s, s) uint8.
    """

    description: str
    wording: str
    amounts: tuple[float, float, float, float, float]
    apply: Callable[[np.ndarray, float, np.random.Generator], np.ndarray]

    def amount(self, strength: int) -> str:
        """What a strength (1 to 5) does, with its unit."""
        return self.wording.format(self.amounts[strength - 1])


def corrupt(faces: np.ndarray, rows: np.ndarray, name: str, strength: int, seed: int = 0) -> np.ndarray:
    """Disturb faces.

    Args:
        faces: (N, s, s) uint8 gray.
        rows: (N,) row ids, integers; each face is disturbed in a way of its own.
        name: Of ``CORRUPTIONS``.
        strength: 1 to 5.
        seed: Of what is drawn at random.

    Returns:
        (N, s, s) uint8; the given faces are left as they are.

    Raises:
        DataError: Another name or strength, faces of another shape or type, or not one row id for each.
    """
    if name not in CORRUPTIONS or strength not in STRENGTHS:
        raise DataError(
            f"the disturbance {name!r} at strength {strength}", f"one of {', '.join(CORRUPTIONS)}, strength 1 to 5"
        )
    if faces.dtype != np.uint8 or faces.ndim != 3 or faces.shape[1] != faces.shape[2]:
        raise DataError(f"faces of shape {faces.shape} and type {faces.dtype}", "(N, s, s) uint8")
    if np.shape(rows) != (len(faces),):
        raise DataError(f"row ids of shape {np.shape(rows)}", f"({len(faces)},): one for each face")
    chosen, disturbed = CORRUPTIONS[name], np.empty_like(faces)
    for i, (face, row) in enumerate(zip(faces, rows, strict=True)):
        disturbed[i] = chosen.apply(face, chosen.amounts[strength - 1], _generator(seed, int(row), name))
    return disturbed


def samples(face: np.ndarray, row: int, seed: int = 0) -> dict[str, np.ndarray]:
    """One (s, s) uint8 face under everything: by name of the disturbance, (5, s, s) uint8."""
    return {
        name: np.concatenate([corrupt(face[None], np.array([row]), name, k, seed) for k in STRENGTHS])
        for name in CORRUPTIONS
    }


def measure(
    score: Callable[[np.ndarray], np.ndarray],
    faces: np.ndarray,
    rows: np.ndarray,
    labels: np.ndarray,
    draws: int = 2000,
    seed: int = 0,
    progress: Callable[[float], None] | None = None,
    names: Sequence[str] = (),
) -> list[Disturbed]:
    """Score a model on disturbed faces, 256 at a time.

    Args:
        score: (n, s, s) uint8 faces → (n, K) probabilities.
        faces: (N, s, s) uint8 gray; may be memory-mapped.
        rows: (N,) row ids.
        labels: (N,) label indices, under K; a face with a negative one is left out.
        draws: Bootstrap resamples; the same for every disturbance, so that they can be compared.
        seed: Of the disturbances and of the resamples.
        progress: Called with the share of it that is done.
        names: Of ``CORRUPTIONS``; all where there are none.

    Returns:
        For each disturbance its five strengths, in the order of ``names``.

    Raises:
        DataError: Faces, rows and labels differ in number, no face has a label, or as ``corrupt``.
    """
    if not len(faces) == len(rows) == len(labels):
        raise DataError(f"{len(faces)} faces, {len(rows)} row ids and {len(labels)} labels", "as many of each")
    counted = np.flatnonzero(labels >= 0)
    if not len(counted):
        raise DataError("no face has a label under this protocol", "at least one labelled face")
    todo = [(name, strength) for name in names or CORRUPTIONS for strength in STRENGTHS]
    found = []
    for step, (name, strength) in enumerate(todo):
        answers: list[np.ndarray] = []
        for at in range(0, len(counted), _CHUNK):
            chunk = counted[at : at + _CHUNK]
            probabilities = score(corrupt(faces[chunk], rows[chunk], name, strength, seed))
            answers.append(probabilities.argmax(axis=1))
            if progress is not None:
                progress((step + (at + len(chunk)) / len(counted)) / len(todo))
        k = probabilities.shape[1]
        of = metrics.counted(labels[counted].astype(np.int64), np.concatenate(answers), k, draws, seed)
        amount = CORRUPTIONS[name].amount(strength)
        found.append(Disturbed(name, strength, amount, of["accuracy"], of["balanced_accuracy"]))
    return found


def _generator(seed: int, row: int, name: str) -> np.random.Generator:
    return np.random.default_rng((seed, row & 0xFFFFFFFF, zlib.crc32(name.encode())))


def _bytes(grey: np.ndarray) -> np.ndarray:
    return np.asarray(np.clip(np.rint(grey), 0, 255).astype(np.uint8))


def _blur(face: np.ndarray, sigma: float, _: np.random.Generator) -> np.ndarray:
    exact = face.astype(np.float32)  # in uint8 OpenCV's weights are coarse, and a narrow blur does nothing
    return _bytes(cv2.GaussianBlur(exact, (0, 0), sigma * len(face), borderType=cv2.BORDER_REPLICATE))


def _noise(face: np.ndarray, deviation: float, generator: np.random.Generator) -> np.ndarray:
    return _bytes(face + deviation * generator.standard_normal(face.shape, np.float32))


def _jpeg(face: np.ndarray, quality: float, _: np.random.Generator) -> np.ndarray:
    packed = cv2.imencode(".jpg", face, [cv2.IMWRITE_JPEG_QUALITY, int(quality)])[1]
    return np.asarray(cv2.imdecode(packed, cv2.IMREAD_GRAYSCALE))


def _exposed(face: np.ndarray, factor: float, _: np.random.Generator) -> np.ndarray:
    return _bytes(face * np.float32(factor))


def _flattened(face: np.ndarray, factor: float, _: np.random.Generator) -> np.ndarray:
    mean = face.mean(dtype=np.float32)
    return _bytes(mean + (face - mean) * np.float32(factor))


def _coarse(face: np.ndarray, across: float, _: np.random.Generator) -> np.ndarray:
    side = len(face)
    small = min(side, int(across))
    less = cv2.resize(face, (small, small), interpolation=cv2.INTER_AREA)
    return cv2.resize(less, (side, side), interpolation=cv2.INTER_LINEAR)


def _covered(face: np.ndarray, place: tuple[float, float, float], height: float) -> np.ndarray:
    """A band in the face's own mean grey; a pixel that it covers in part is covered in part."""
    left, right, middle = (share * len(face) for share in place)
    half = height * len(face) / 2
    edges = np.arange(len(face), dtype=np.float32)
    across = np.clip(np.minimum(edges + 1, right) - np.maximum(edges, left), 0, 1)
    down = np.clip(np.minimum(edges + 1, middle + half) - np.maximum(edges, middle - half), 0, 1)
    cover = np.outer(down, across)
    return _bytes(face * (1 - cover) + face.mean() * cover)


def _eyes(face: np.ndarray, height: float, _: np.random.Generator) -> np.ndarray:
    return _covered(face, _EYES, height)


def _mouth(face: np.ndarray, height: float, _: np.random.Generator) -> np.ndarray:
    return _covered(face, _MOUTH, height)


def _turned(face: np.ndarray, degrees: float, generator: np.random.Generator) -> np.ndarray:
    middle = (len(face) - 1) / 2
    angle = degrees if generator.random() < 0.5 else -degrees
    return _warped(face, cv2.getRotationMatrix2D((middle, middle), angle, 1))


def _moved(face: np.ndarray, share: float, generator: np.random.Generator) -> np.ndarray:
    direction = 2 * np.pi * generator.random()
    x, y = share * len(face) * np.cos(direction), share * len(face) * np.sin(direction)
    return _warped(face, np.array([[1, 0, x], [0, 1, y]]))


def _warped(face: np.ndarray, place: np.ndarray) -> np.ndarray:
    size = (len(face), len(face))
    return cv2.warpAffine(face, place, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


# By name, in the order of every table.
CORRUPTIONS: dict[str, Corruption] = {
    "blur": Corruption("Gaussian blur", "sigma {:.1%} of the side", (0.01, 0.017, 0.025, 0.037, 0.055), _blur),
    "noise": Corruption(
        "Gaussian noise on every pixel, of 255 grey levels", "sigma {:g} grey levels", (4, 9, 16, 28, 45), _noise
    ),
    "JPEG": Corruption("JPEG and back", "quality {:g}", (60, 35, 20, 11, 5), _jpeg),
    "darker": Corruption("less exposure", "grey levels × {:g}", (0.8, 0.6, 0.4, 0.25, 0.15), _exposed),
    "brighter": Corruption(
        "more exposure, cut off at white", "grey levels × {:g}", (1.15, 1.35, 1.6, 1.9, 2.3), _exposed
    ),
    "low contrast": Corruption(
        "towards the face's mean grey", "contrast × {:g}", (0.75, 0.5, 0.3, 0.17, 0.08), _flattened
    ),
    "low resolution": Corruption(
        "averaged down, and up again by interpolation", "{:g} px across the face", (38, 24, 17, 12, 8), _coarse
    ),
    "eyes covered": Corruption(
        "a band over both eyes", "band of {:.0%} of the side", (0.05, 0.1, 0.15, 0.22, 0.3), _eyes
    ),
    "mouth covered": Corruption(
        "a band over the mouth", "band of {:.0%} of the side", (0.05, 0.1, 0.15, 0.22, 0.3), _mouth
    ),
    "rotation": Corruption("a turn, to either side", "{:g} degrees", (5, 10, 18, 28, 40), _turned),
    "shift": Corruption("moved, in any direction", "{:.0%} of the side", (0.03, 0.06, 0.1, 0.16, 0.24), _moved),
}
