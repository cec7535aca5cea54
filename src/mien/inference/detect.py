"""Face detectors: OpenCV's Haar cascade, which is embedded; YuNet, once it is cached; or none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from mien.errors import BundleError
from mien.inference import releases

# A larger picture is reduced to this long side first. Haar's time grows with the area; YuNet finds faces of
# about 10 to 300 pixels, so a portrait that fills a large photograph needs the reduction to be found at all.
HAAR_LONG_SIDE = 1000
YUNET_LONG_SIDE = 800
_YUNET_LEAST = 64


@dataclass(frozen=True)
class Detection:
    """One detected face.

    Attributes:
        box: (4,) float32 ``xyxy``, pixels of the picture.
        score: The detector's own score, larger is surer; None where nothing was detected but assumed.
        landmarks: (5, 2) float32 or None: right eye, left eye, nose, right and left mouth corner of the subject.
    """

    box: np.ndarray
    score: float | None
    landmarks: np.ndarray | None = None


class Detector(Protocol):
    """Finds faces."""

    name: str

    def detect(self, bgr: np.ndarray, gray: np.ndarray) -> list[Detection]:
        """Faces of one picture, left to right.

        Args:
            bgr: (h, w, 3) uint8 in BGR order.
            gray: (h, w) uint8, the same picture.
        """
        ...


class Haar:
    """OpenCV's frontal-face cascade (Viola & Jones 2001; Lienhart & Maydt 2002). The score is its stage weight."""

    name = "haar"

    def __init__(self) -> None:
        file = Path(cv2.__file__).parent / "data" / "haarcascade_frontalface_default.xml"
        self._cascade = cv2.CascadeClassifier(str(file))

    def detect(self, bgr: np.ndarray, gray: np.ndarray) -> list[Detection]:
        """As ``Detector.detect``."""
        small, scale = _reduce(gray, HAAR_LONG_SIDE)
        if min(small.shape) < 24:  # the cascade's window
            return []
        # Under a twentieth of the short side, what the cascade finds in a photograph is mostly no face.
        least = max(24, min(small.shape) // 20)
        boxes, _, weights = self._cascade.detectMultiScale3(
            small, scaleFactor=1.1, minNeighbors=5, minSize=(least, least), outputRejectLevels=True
        )
        found = [
            Detection(np.array([x, y, x + w, y + h], np.float32) * scale, float(np.ravel(s)[0]))
            for (x, y, w, h), s in zip(boxes, weights, strict=True)
        ]
        return sorted(found, key=lambda d: float(d.box[0]))


class YuNet:
    """YuNet (Wu, Peng & Yu 2023, 10.1007/s11633-023-1423-y), with landmarks. The score is its confidence, 0 to 1.

    Args:
        file: The ONNX file; by default the newest known release in the cache.

    Raises:
        BundleError: It is not cached.
        FetchError: The cached file was altered.
    """

    name = "yunet"

    def __init__(self, file: Path | None = None) -> None:
        file = file or releases.cached("yunet")
        if file is None:
            raise BundleError(
                "the detector yunet is not installed",
                "a cached release",
                "Download it with: mien fetch yunet   or install a local copy: mien fetch yunet --from FILE",
            )
        self._detector = cv2.FaceDetectorYN.create(str(file), "", (320, 320), score_threshold=0.7)

    def detect(self, bgr: np.ndarray, gray: np.ndarray) -> list[Detection]:
        """As ``Detector.detect``."""
        small, scale = _reduce(bgr, YUNET_LONG_SIDE)
        height, width = small.shape[:2]
        if min(height, width) < 10:
            return []
        # Up to 32 pixels OpenCV reads memory that nobody has written, and answers with faces of all kinds.
        below, beside = (max(0, _YUNET_LEAST - side) for side in (height, width))
        padded = cv2.copyMakeBorder(small, 0, below, 0, beside, cv2.BORDER_CONSTANT) if below or beside else small
        self._detector.setInputSize(padded.shape[1::-1])
        rows = self._detector.detect(padded)[1]
        found = []
        for row in rows if rows is not None else ():
            if not np.isfinite(row).all():
                continue
            x, y, w, h = row[:4] * scale
            box = np.array([x, y, x + w, y + h], np.float32)
            # On very narrow pictures the network's sizes overflow; a face has pixels of the picture in its box.
            seen = np.minimum(box[2:], bgr.shape[1::-1]) - np.maximum(box[:2], 0)
            if max(w, h) > 2 * max(bgr.shape[:2]) or seen.min() < 1:
                continue
            found.append(Detection(box, float(row[14]), (row[4:14] * scale).reshape(5, 2)))
        return sorted(found, key=lambda d: float(d.box[0]))


class Whole:
    """No detection: the whole picture is the face."""

    name = "none"

    def detect(self, bgr: np.ndarray, gray: np.ndarray) -> list[Detection]:
        """One face, the middle square of the picture."""
        height, width = gray.shape
        side = min(height, width)
        x, y = (width - side) / 2, (height - side) / 2
        return [Detection(np.array([x, y, x + side, y + side], np.float32), None)]


DETECTORS: dict[str, Callable[[], Detector]] = {"haar": Haar, "yunet": YuNet, "none": Whole}


def detector(name: str) -> Detector:
    """A detector by name; ``auto`` is YuNet where it is cached, else Haar.

    Raises:
        BundleError: An unknown name, or a detector that is not installed.
        FetchError: A cached detector was altered.
    """
    if name == "auto":
        name = "yunet" if releases.cached("yunet") else "haar"
    if name not in DETECTORS:
        raise BundleError(f"no detector {name!r}", f"auto, {', '.join(DETECTORS)}")
    return DETECTORS[name]()


def _reduce(image: np.ndarray, long_side: int) -> tuple[np.ndarray, float]:
    """The picture at no more than this long side, and the factor back to its own pixels."""
    height, width = image.shape[:2]
    scale = max(height, width) / long_side
    if scale <= 1:
        return image, 1.0
    return cv2.resize(
        image, (max(1, round(width / scale)), max(1, round(height / scale))), interpolation=cv2.INTER_AREA
    ), scale
