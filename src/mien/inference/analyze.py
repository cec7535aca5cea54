"""Pictures → faces with expression probabilities."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np

from mien import bundle
from mien.errors import BundleError, ImageError
from mien.expressions import FERPLUS
from mien.faces import crop, frame_of, to_gray, whole
from mien.images import read_image
from mien.inference import detect
from mien.inference.detect import Detection
from mien.results import Explanation, Face, ImageResult, Results, columns

Picture = str | os.PathLike[str] | bytes | np.ndarray
ColourOrder = Literal["BGR", "RGB"]

# Faces scored at once: enough to fill the processor, little enough that a crowd does not cost memory.
_BATCH = 128


class Analyzer:
    """Finds faces and scores their expressions; make one and use it for many pictures. Not for several threads at once.

    Args:
        model: Name of an installed bundle, or the folder of one.
        detector: ``auto`` (YuNet where it is cached, else Haar), ``haar``, ``yunet``, or ``none``: the whole picture
            is the face.
        threads: Threads of ONNX Runtime; 0 lets it choose.
        explain: Give each face its ``explanation``: where in it the evidence for each expression lies.
        error_rate: Share of wrong answers, between 0 and 1, to say "uncertain" for, by the thresholds on the model's
            card; for a rate between two of these the stricter counts. None takes the model's own.

    Attributes:
        card: What the model says about itself.
        columns: Columns of the results' rows, in order, and their types.
        model_name: Name of the bundle.
        detector_name: Name of the detector in use.
        uncertain_below: Confidence under which an answer is not certain.

    Raises:
        BundleError: The model or the detector is missing or damaged, the model cannot explain its answers, or it has
            no threshold for the error rate.
        FetchError: The cached detector was altered.

    Example:
        >>> analyzer = Analyzer(detector="haar")  # doctest: +SKIP
        >>> analyzer("portrait.jpg").faces[0].expression  # doctest: +SKIP
        'happy'
    """

    def __init__(
        self,
        model: str | os.PathLike[str] = bundle.DEFAULT,
        detector: str = "auto",
        threads: int = 0,
        explain: bool = False,
        error_rate: float | None = None,
    ) -> None:
        self._bundle = bundle.Bundle(bundle.find(model), threads)
        card = self._bundle.card
        self.uncertain_below: float = (
            card.calibration.uncertain_below if error_rate is None else card.threshold(error_rate).confidence
        )
        self._evidence = _evidence_of(self._bundle.card) if explain else ""
        self._bundle.prepare()
        self._detector = detect.detector(detector)
        self.card = self._bundle.card
        self.columns: dict[str, type] = columns(self.card.vocabularies)
        self.model_name = self.card.name
        self.detector_name: str = self._detector.name
        self._labels = self.card.vocabularies[self.card.primary]
        self._outputs = [f"{self.card.primary}_probabilities"]
        if FERPLUS.name in self.card.vocabularies and FERPLUS.name != self.card.primary:
            self._outputs.append(f"{FERPLUS.name}_probabilities")
        self._geometry = self.card.crop.get(self.detector_name)

    @overload
    def __call__(self, pictures: Picture, colour_order: ColourOrder = ...) -> ImageResult: ...
    @overload
    def __call__(self, pictures: list[Any] | tuple[Any, ...], colour_order: ColourOrder = ...) -> Results: ...
    def __call__(self, pictures: Any, colour_order: ColourOrder = "BGR") -> ImageResult | Results:
        """Analyse one picture or several.

        Args:
            pictures: A path, the bytes of an image file, or an array; or a list or tuple of these. Arrays are (h, w)
                gray or (h, w, 3) colour, uint8, 0 to 255.
            colour_order: Order of the last axis of colour **arrays**: ``BGR`` as OpenCV gives it, or ``RGB`` as Pillow,
                matplotlib and imageio do. Files and bytes are not affected.

        Returns:
            An ``ImageResult`` for one picture, ``Results`` (a list of them) for a list.

        Raises:
            ImageError: The one picture cannot be read. In a list it becomes a result with ``error`` set instead.
        """
        if isinstance(pictures, list | tuple):
            return Results(self.stream(pictures, colour_order), tuple(self.columns))
        return self._analyse(pictures, 0, colour_order)

    def stream(self, pictures: Iterable[Picture], colour_order: ColourOrder = "BGR") -> Iterator[ImageResult]:
        """Analyse pictures one at a time; memory does not grow with their number.

        A picture that cannot be read gives a result with ``error`` set and does not stop the rest.
        """
        for i, picture in enumerate(pictures):
            try:
                yield self._analyse(picture, i, colour_order)
            except ImageError as error:
                yield self.failure(_name(picture, i), str(error))

    def failure(self, source: str, error: str) -> ImageResult:
        """The result of an image that could not be read."""
        return self._result(source, (0, 0), error=error)

    def frame(self, bgr: np.ndarray, source: str) -> ImageResult:
        """Analyse one picture in memory.

        Args:
            bgr: (h, w, 3) uint8 in BGR order, or (h, w) gray.
            source: What to call it in the result.
        """
        gray = to_gray(bgr)
        if bgr.ndim == 2:
            bgr = np.repeat(gray[:, :, None], 3, axis=2)
        detections = self._detector.detect(bgr, gray)
        faces: list[Face] = []
        for at in range(0, len(detections), _BATCH):
            faces += self._score(gray, detections[at : at + _BATCH])
        return self._result(source, (gray.shape[1], gray.shape[0]), faces)

    def _result(
        self, source: str, size_wh: tuple[int, int], faces: Sequence[Face] = (), error: str | None = None
    ) -> ImageResult:
        return ImageResult(
            source, *size_wh, self.detector_name, self.model_name, list(faces), error, columns=tuple(self.columns)
        )

    def _score(self, gray: np.ndarray, detections: list[Detection]) -> list[Face]:
        size = self.card.input.size
        if self._geometry is None:
            crops = [whole(gray, size) for _ in detections]
        else:
            crops = [crop(gray, frame_of(d.box, d.landmarks, self._geometry), size) for d in detections]
        scores = self._bundle.score(np.stack(crops), self._outputs + ([self._evidence] if self._evidence else []))
        voted = scores[self._outputs[1]] if len(self._outputs) > 1 else None
        evidence = self._checked(scores[self._evidence]) if self._evidence else None
        faces = []
        for i, found in enumerate(detections):
            probabilities = _by_label(self._labels, scores[self._outputs[0]][i])
            best = max(probabilities, key=probabilities.__getitem__)
            x1, y1, x2, y2 = (float(v) for v in found.box)
            faces.append(
                Face(
                    (x1, y1, x2, y2),
                    found.score,
                    best,
                    probabilities[best],
                    # Not the rounded one: many faces may have the very confidence of the threshold.
                    float(scores[self._outputs[0]][i].max()) >= self.uncertain_below,
                    probabilities,
                    {} if voted is None else _by_label(FERPLUS.labels, voted[i]),
                    None if evidence is None else Explanation(crops[i], tuple(self._labels), evidence[i]),
                )
            )
        return faces

    def _checked(self, evidence: np.ndarray) -> np.ndarray:
        if evidence.ndim != 4 or evidence.shape[1] != len(self._labels):
            raise BundleError(
                f"{self.model_name}: {self._evidence} has the shape {evidence.shape}",
                f"(n, {len(self._labels)}, h, w)",
                "Export the bundle again.",
            )
        return evidence

    def _analyse(self, picture: Picture, index: int, colour_order: ColourOrder) -> ImageResult:
        name = _name(picture, index)
        if isinstance(picture, np.ndarray):
            if colour_order not in ("BGR", "RGB"):
                raise ImageError(f"colour_order is {colour_order!r}", "'BGR' or 'RGB'")
            array = (
                np.ascontiguousarray(picture[:, :, ::-1]) if picture.ndim == 3 and colour_order == "RGB" else picture
            )
            if not array.size:
                raise ImageError(f"{name}: an array of shape {array.shape}", "at least one pixel")
            return self.frame(array, name)
        if isinstance(picture, str | os.PathLike | bytes):
            return self.frame(read_image(picture, name), name)
        raise ImageError(
            f"{name}: a {type(picture).__name__}",
            "a path, the bytes of an image file or a numpy array",
            "Pillow images: numpy.asarray(image.convert('RGB')) with colour_order='RGB'.",
        )


@overload
def analyze(
    pictures: Picture,
    model: str | os.PathLike[str] = ...,
    detector: str = ...,
    colour_order: ColourOrder = ...,
    error_rate: float | None = ...,
) -> ImageResult: ...
@overload
def analyze(
    pictures: list[Any] | tuple[Any, ...],
    model: str | os.PathLike[str] = ...,
    detector: str = ...,
    colour_order: ColourOrder = ...,
    error_rate: float | None = ...,
) -> Results: ...
def analyze(
    pictures: Any,
    model: str | os.PathLike[str] = bundle.DEFAULT,
    detector: str = "auto",
    colour_order: ColourOrder = "BGR",
    error_rate: float | None = None,
) -> ImageResult | Results:
    """Find the faces of a picture, or of several, and score their expressions.

    Args:
        pictures: A path, the bytes of an image file or an array; or a list or tuple of these. See
            ``Analyzer.__call__`` for shapes and ranges.
        model: Name or folder of a bundle.
        detector: ``auto``, ``haar``, ``yunet`` or ``none``.
        colour_order: ``BGR`` (OpenCV's, the default) or ``RGB``, of colour arrays.
        error_rate: Share of wrong answers to say "uncertain" for; the model's own if None. See ``Analyzer``.

    Returns:
        An ``ImageResult``, or ``Results`` for a list. ``faces`` is empty where there is no face.

    Raises:
        ImageError: The one picture cannot be read.
        BundleError: The model or the detector is missing or damaged, or it has no threshold for the error rate.
        FetchError: The cached detector was altered.
    """
    results: ImageResult | Results = Analyzer(model, detector, error_rate=error_rate)(pictures, colour_order)
    return results


def _evidence_of(card: bundle.Card) -> str:
    """The output with the evidence for the primary vocabulary.

    Raises:
        BundleError: The model has none.
    """
    if (name := f"{card.primary}_evidence") in card.outputs:
        return name
    able = []
    for folder in bundle.available().values():
        with suppress(BundleError):
            other = bundle.read_card(folder)
            able += [other.name] if f"{other.primary}_evidence" in other.outputs else []
    raise BundleError(
        f"{card.name} cannot show where in a face its evidence lies",
        f"a network that averages its last maps over the face, as {', '.join(able) or 'none that is installed'} does",
        "See what is installed with: mien models",
    )


def _by_label(labels: Sequence[str], values: np.ndarray) -> dict[str, float]:
    return {label: round(float(value), 6) for label, value in zip(labels, values, strict=True)}


def _name(picture: Any, index: int) -> str:
    if isinstance(picture, str | os.PathLike):
        return str(Path(picture))
    return f"{'bytes' if isinstance(picture, bytes) else 'array'} {index}"
