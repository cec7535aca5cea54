"""From a detected box to the picture a network sees: the only preprocessing there is.

Training, Python, the command line and every server use these functions, and nothing else crops or resizes faces.
A detector's box is not the frame that FER2013's faces were cut with. How far they differ was measured
(``benchmarks/crop_geometry.py``) and is kept as data in ``crop_geometry.json``, with the numbers it came from.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import cv2
import numpy as np

from mien.card import CropGeometry
from mien.errors import ImageError

__all__ = ["SIZE", "CropGeometry", "Frame", "anchor_of", "crop", "frame_of", "geometry", "measured", "to_gray", "whole"]

SIZE = 48


@dataclass(frozen=True)
class Frame:
    """A square in a picture, possibly turned.

    Attributes:
        x: Centre, pixels from the left edge.
        y: Centre, pixels from the top edge.
        side: Side, pixels.
        angle: Clockwise turn on the screen, degrees.
    """

    x: float
    y: float
    side: float
    angle: float = 0.0

    def __post_init__(self) -> None:
        if not (all(map(math.isfinite, (self.x, self.y, self.angle))) and 0 < self.side < math.inf):
            raise ValueError(f"{self} is no place in a picture: it needs finite numbers and a positive side")


@cache
def measured() -> dict[str, Any]:
    """The measurement: by detector name, the geometry under ``geometry`` and the numbers it came from."""
    return dict(json.loads(files("mien").joinpath("crop_geometry.json").read_text(encoding="utf-8")))


def geometry(detector: str) -> CropGeometry:
    """Measured geometry of a detector; KeyError if it was not measured."""
    return CropGeometry(**measured()["detectors"][detector]["geometry"])


def anchor_of(box: np.ndarray, landmarks: np.ndarray | None, anchor: str) -> Frame:
    """The detector's own square: its anchor point, scale and turn, before any geometry is applied.

    Args:
        box: (4,) xyxy in pixels.
        landmarks: (5, 2) right eye, left eye, nose, right and left mouth corner (the subject's right and left), in
            pixels; needed where ``anchor`` is ``eyes``.
        anchor: ``box`` or ``eyes``.
    """
    if anchor == "eyes":
        if landmarks is None:
            raise ValueError("the anchor 'eyes' needs landmarks")
        eyes, mouth = landmarks[:2].mean(axis=0), landmarks[3:5].mean(axis=0)
        across = landmarks[1] - landmarks[0]
        return Frame(
            float(eyes[0]),
            float(eyes[1]),
            max(float(np.linalg.norm(mouth - eyes)), 1.0),
            math.degrees(math.atan2(float(across[1]), float(across[0]))),
        )
    x1, y1, x2, y2 = (float(v) for v in box)
    return Frame((x1 + x2) / 2, (y1 + y2) / 2, max(math.sqrt(max(x2 - x1, 0) * max(y2 - y1, 0)), 1.0))


def frame_of(box: np.ndarray, landmarks: np.ndarray | None, shape: CropGeometry) -> Frame:
    """FER2013's frame for a detected face.

    Args:
        box: (4,) xyxy in pixels.
        landmarks: As in ``anchor_of``.
        shape: The detector's geometry.
    """
    own = anchor_of(box, landmarks, shape.anchor)
    cos, sin = math.cos(math.radians(own.angle)), math.sin(math.radians(own.angle))
    return Frame(
        own.x + own.side * (shape.dx * cos - shape.dy * sin),
        own.y + own.side * (shape.dx * sin + shape.dy * cos),
        own.side * shape.side,
        own.angle,
    )


def to_gray(image: np.ndarray) -> np.ndarray:
    """Luma of a picture.

    Args:
        image: (h, w) gray or (h, w, 3) in **BGR** order, uint8.

    Returns:
        (h, w) uint8: 0.299 R + 0.587 G + 0.114 B.

    Raises:
        ImageError: Another shape or type.
    """
    wrong = image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] != 3)
    if wrong or image.dtype != np.uint8 or not image.size:
        raise ImageError(
            f"an array of shape {image.shape} and type {image.dtype}",
            "(h, w) gray or (h, w, 3) BGR, uint8",
            "Convert it first, for example with .astype('uint8').",
        )
    return image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)


def crop(gray: np.ndarray, frame: Frame, size: int = SIZE) -> np.ndarray:
    """Cut a frame out and bring it to the network's size.

    What lies outside the picture repeats its border. A large frame is sampled at a whole multiple of ``size`` and then
    averaged, so that nothing is aliased.

    Args:
        gray: (h, w) uint8.
        frame: Where.
        size: Side of the result.

    Returns:
        (size, size) uint8.
    """
    part, frame = _around(gray, frame, size)
    factor = max(1, math.ceil(frame.side / size))
    fine = size * factor
    step = frame.side / fine
    cos, sin = math.cos(math.radians(frame.angle)) * step, math.sin(math.radians(frame.angle)) * step
    middle = (fine - 1) / 2
    # Pixel centres are at whole numbers, so a frame centred on x has its middle sample at x - 0.5.
    place = np.array(
        [
            [cos, -sin, frame.x - 0.5 - middle * (cos - sin)],
            [sin, cos, frame.y - 0.5 - middle * (sin + cos)],
        ]
    )
    cut = cv2.warpAffine(
        part,
        place,
        (fine, fine),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return cut if factor == 1 else cv2.resize(cut, (size, size), interpolation=cv2.INTER_AREA)


def _around(gray: np.ndarray, frame: Frame, size: int) -> tuple[np.ndarray, Frame]:
    """The part of the picture that a frame needs, and the frame in that part's pixels.

    OpenCV warps no picture with a side over 32,767 pixels, and a very large frame would need a very large
    intermediate: a frame of more than 20 times ``size`` is reduced first, by averaging.
    """
    height, width = gray.shape
    turn = math.radians(frame.angle)
    reach = frame.side * (abs(math.cos(turn)) + abs(math.sin(turn))) / 2 + 2
    # At least one pixel of the nearest border is kept, for a frame that lies outside.
    x1, y1 = (min(max(math.floor(c - reach), 0), n - 1) for c, n in ((frame.x, width), (frame.y, height)))
    x2, y2 = (min(max(math.ceil(c + reach), 1), n) for c, n in ((frame.x, width), (frame.y, height)))
    part = gray[y1 : max(y2, y1 + 1), x1 : max(x2, x1 + 1)]
    moved = Frame(frame.x - x1, frame.y - y1, frame.side, frame.angle)
    if frame.side <= 20 * size:
        return part, moved
    less = 20 * size / frame.side
    wide, tall = (max(1, round(n * less)) for n in (part.shape[1], part.shape[0]))
    small = cv2.resize(part, (wide, tall), interpolation=cv2.INTER_AREA)
    by_x, by_y = wide / part.shape[1], tall / part.shape[0]
    return small, Frame(moved.x * by_x, moved.y * by_y, 20.0 * size, frame.angle)


def whole(gray: np.ndarray, size: int = SIZE) -> np.ndarray:
    """The whole picture as one face: its middle square, brought to the network's size.

    Args:
        gray: (h, w) uint8.

    Returns:
        (size, size) uint8; a picture of that size already is returned unchanged.
    """
    height, width = gray.shape
    return crop(gray, Frame(width / 2, height / 2, min(width, height)), size)
