"""Where in a face the evidence for an expression lies, drawn over it. OpenCV's own strokes: no matplotlib is needed."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from mien.plots.annotate import fitted, letters
from mien.results import Explanation, Face, ImageResult

# BGR. Orange and blue are apart in every kind of colour blindness; in grey print the lines tell them apart.
FOR, AGAINST = (20, 145, 245), (150, 70, 15)
_MOST_COVER = 0.75  # of the face, by the strongest colour
_INK, _DIM, _PAPER = (36, 31, 27), (110, 104, 96), (255, 255, 255)
_FONT, _LETTERS, _SMALL = cv2.FONT_HERSHEY_SIMPLEX, 0.5, 0.42
_SIDE, _GAP, _MARGIN = 240, 16, 20
_HEAD, _TITLE, _SCALE = 98, 44, 84  # height above all faces, height above each; width of a scale
_DASH = 5  # pixels
_PHRASE = "evidence for "
_MOST_FACES = 40  # fewer than 16,384 pixels down, which is what WebP can hold


def over(
    face: np.ndarray, evidence: np.ndarray, limit: float | None = None, side: int = _SIDE, outlined: bool = True
) -> np.ndarray:
    """Evidence laid over a face: orange speaks for, blue against, and where there is none the face is left grey.

    Args:
        face: (s, s) uint8 gray, the face as the network saw it.
        evidence: (h, w), of any unit; 0 is neutral. ``Explanation.of`` gives it.
        limit: Evidence of the strongest colour, more looks the same; the largest there is where none is given.
        side: Of the result, pixels.
        outlined: Draw a line where there is half of the limit, solid for and dashed against, which print shows too.

    Returns:
        (side, side, 3) uint8 in BGR order. The map is enlarged by cubic interpolation, within its own range.
    """
    size = (side, side)
    smooth = cv2.resize(evidence.astype(np.float32), size, interpolation=cv2.INTER_CUBIC)
    smooth = np.clip(smooth, evidence.min(), evidence.max())
    most = limit or limit_of([evidence])
    mixed = _mixed(cv2.resize(face, size, interpolation=cv2.INTER_CUBIC), smooth / most)
    if outlined:
        _outline(mixed, smooth > most / 2, dashed=False)
        _outline(mixed, smooth < -most / 2, dashed=True)
    return mixed


def _outline(canvas: np.ndarray, inside: np.ndarray, dashed: bool) -> None:
    """White lines with a dark edge, which are seen on any grey, around what is inside; none along the border."""
    tall, wide = inside.shape
    for contour in cv2.findContours(inside.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)[0]:
        points = contour[:, 0]
        kept = (points > 0).all(axis=1) & (points[:, 0] < wide - 1) & (points[:, 1] < tall - 1)
        if dashed:
            kept &= np.arange(len(points)) // _DASH % 2 == 0
        pairs = np.flatnonzero(kept & np.roll(kept, -1))
        for colour, thick in ((_INK, 2), (_PAPER, 1)):
            for i in pairs:
                a, b = points[i], points[(i + 1) % len(points)]
                cv2.line(canvas, (int(a[0]), int(a[1])), (int(b[0]), int(b[1])), colour, thick, cv2.LINE_AA)


def limit_of(maps: Sequence[np.ndarray]) -> float:
    """A round number that no evidence in these maps exceeds, on either side of 0."""
    most = max(float(np.abs(one).max()) for one in maps)
    if not (math.isfinite(most) and most > 0):
        return 1.0
    power = 10.0 ** math.floor(math.log10(most))
    return next(step * power for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if step * power >= most * (1 - 1e-6))


def explain(result: ImageResult) -> np.ndarray:
    """One picture for an image that was analysed with ``explain``.

    A row for each face: what the network saw, the evidence for the answer over it, the evidence for the next likeliest
    expression, and the scale of both. Of more than 40 faces the 40 largest are shown.

    Args:
        result: Of an ``Analyzer`` that explains; with at least one face.

    Returns:
        (h, w, 3) uint8 in BGR order.

    Raises:
        ValueError: There is no face, or no explanation.
    """
    explained = [(i, face, face.explanation) for i, face in enumerate(result.faces) if face.explanation is not None]
    if not explained:
        raise ValueError(f"{result.source} has no explained face: there is nothing to draw")
    largest = sorted(explained, key=lambda item: -_area(item[1]))[:_MOST_FACES]
    width = 3 * _SIDE + 3 * _GAP + _SCALE + 2 * _MARGIN
    row = _TITLE + _SIDE + _GAP
    canvas = np.full((_HEAD + row * len(largest) + _MARGIN - _GAP, width, 3), _PAPER, np.uint8)
    _heading(canvas, result, len(largest), largest[0][2].evidence.shape[1:])
    for k, (i, face, explanation) in enumerate(sorted(largest, key=lambda item: item[0])):
        _row(canvas, _HEAD + row * k, f"face {i}", face, explanation)
    return canvas


def _area(face: Face) -> float:
    return (face.box[2] - face.box[0]) * (face.box[3] - face.box[1])


def _heading(canvas: np.ndarray, result: ImageResult, shown: int, places: Sequence[int]) -> None:
    few = "" if shown == len(result.faces) else f"; the {shown} largest of {len(result.faces)} faces"
    _write(canvas, f"Where {result.model} finds its evidence{few}", _MARGIN, 30, 0.62, _INK)
    y = 56
    x = _sample(canvas, FOR, "speaks for the expression", _MARGIN, y)
    x = _sample(canvas, AGAINST, "speaks against it", x, y)
    _write(canvas, "no colour: neither", x, y, _SMALL, _DIM)
    size = " x ".join(map(str, places))
    text = "lines: half of the scale, solid for and dashed against"
    _write(canvas, f"{text}; {size} places, each takes in what lies around it", _MARGIN, y + 20, _SMALL, _DIM)


def _sample(canvas: np.ndarray, colour: tuple[int, int, int], text: str, x: int, y: int) -> int:
    cv2.rectangle(canvas, (x, y - 11), (x + 12, y + 1), colour, cv2.FILLED)
    _write(canvas, text, x + 20, y, _SMALL, _DIM)
    return x + 44 + int(cv2.getTextSize(text, _FONT, _SMALL, 1)[0][0])


def _row(canvas: np.ndarray, top: int, name: str, face: Face, explanation: Explanation) -> None:
    """A face: the crop, two maps and their scale, each under two lines of words."""
    labels = explanation.labels
    others = [label for label in labels if label != face.expression]
    asked = [face.expression, max(others, key=lambda label: face.probabilities[label])]
    maps = [explanation.of(label) for label in asked]
    limit = limit_of(maps)
    pictures = [cv2.cvtColor(_enlarged(explanation.crop), cv2.COLOR_GRAY2BGR)]
    pictures += [over(explanation.crop, one, limit) for one in maps]
    words = [(name, "what the network saw")]
    for place, label in enumerate(asked):
        before = "next: " if place else "answer: " if face.certain else "uncertain: "
        after = f" {face.probabilities[label]:.0%}"
        plain = letters(label, labels)
        words.append((before + _fit(plain, before + after, _LETTERS) + after, _PHRASE + _fit(plain, _PHRASE, _SMALL)))
    for k, (picture, (first, second)) in enumerate(zip(pictures, words, strict=True)):
        x = _MARGIN + k * (_SIDE + _GAP)
        _write(canvas, first, x, top + 16, _LETTERS, _INK)
        _write(canvas, second, x, top + 34, _SMALL, _DIM)
        canvas[top + _TITLE : top + _TITLE + _SIDE, x : x + _SIDE] = picture
    _scale(canvas, _MARGIN + 3 * (_SIDE + _GAP), top + _TITLE, limit)


def _fit(label: str, beside: str, scale: float) -> str:
    """A label cut off to the room that other words leave above a picture."""
    return fitted(label, _SIDE - cv2.getTextSize(beside, _FONT, scale, 1)[0][0], scale, 1)


def _scale(canvas: np.ndarray, x: int, top: int, limit: float) -> None:
    """The colours over middle grey, with numbers: evidence is a difference of logits, natural logarithms of odds."""
    ramp = np.linspace(1, -1, _SIDE, dtype=np.float32)[:, None].repeat(18, axis=1)
    bar = _mixed(np.full(ramp.shape, 128, np.uint8), ramp)
    _outline(bar, ramp > 0.5, dashed=False)
    _outline(bar, ramp < -0.5, dashed=True)
    canvas[top : top + _SIDE, x : x + 18] = bar
    _write(canvas, "logits", x, top - 10, _SMALL, _DIM)
    for share in (1, 0.5, 0, -0.5, -1):
        y = top + round((1 - share) / 2 * (_SIDE - 1))
        cv2.line(canvas, (x + 18, y), (x + 22, y), _DIM, 1)
        text = f"{share * limit:+g}" if share else "0"
        _write(canvas, text, x + 27, min(max(y + 5, top + 10), top + _SIDE - 1), _SMALL, _INK)


def _enlarged(face: np.ndarray) -> np.ndarray:
    return cv2.resize(face, (_SIDE, _SIDE), interpolation=cv2.INTER_CUBIC)


def _mixed(grey: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Grey under a colour that covers it the more, the further a share is from 0; at -1 and 1 most of it."""
    cover = np.clip(np.abs(share), 0, 1)[:, :, None] * _MOST_COVER
    colour = np.where(share[:, :, None] > 0, np.array(FOR, np.float32), np.array(AGAINST, np.float32))
    return np.asarray(np.rint(grey[:, :, None] * (1 - cover) + colour * cover).astype(np.uint8))


def _write(canvas: np.ndarray, text: str, x: int, y: int, scale: float, colour: tuple[int, int, int]) -> None:
    plain = text.encode("ascii", "replace").decode()
    cv2.putText(canvas, plain, (x, y), _FONT, scale, colour, 1, cv2.LINE_AA)
