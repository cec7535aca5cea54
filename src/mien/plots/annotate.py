"""Faces drawn onto the picture they were found in. OpenCV's own strokes: the base install has no matplotlib."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from mien.errors import OutputError
from mien.files import staged_file
from mien.results import Face, ImageResult

# BGR. Sure and unsure differ in lightness and in line style too, not in hue alone.
_SURE, _UNSURE, _INK, _PAPER = (80, 175, 30), (0, 165, 245), (255, 255, 255), (30, 30, 30)
_FONT = cv2.FONT_HERSHEY_SIMPLEX
Box = tuple[float, float, float, float]  # x1, y1, x2, y2
_KEPT_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


def annotate(bgr: np.ndarray, result: ImageResult) -> np.ndarray:
    """Draw boxes, expressions and the three likeliest probabilities.

    OpenCV's letters are ASCII: accents and symbols are left out, a letter that it lacks becomes ``?``, and a label in
    another script ``label 3``, its place in the vocabulary from 1. A long label is cut off.

    Args:
        bgr: (h, w, 3) uint8 in BGR order, the picture that was analysed.
        result: What was found in it, in any vocabulary.

    Returns:
        A drawn copy, same shape and order.
    """
    canvas = np.ascontiguousarray(bgr).copy()
    unit = max(0.75, max(canvas.shape[:2]) / 640)  # line widths and letters grow with the picture
    for face in result.faces:
        _box(canvas, face, unit)
    # Labels after all boxes, so that no box crosses one, and bars after all labels, where they cover none.
    labels = [_label(canvas, face, unit) for face in result.faces]
    for face in result.faces:
        _bars(canvas, face, [*labels, *(other.box for other in result.faces if other is not face)], unit)
    return canvas


def write_picture(path: Path, bgr: np.ndarray) -> Path:
    """Write a picture through a temporary name; a suffix that is not JPEG, PNG or WebP becomes ``.png``.

    Raises:
        OutputError: The folder cannot be written.
    """
    if path.suffix.lower() not in _KEPT_SUFFIXES:
        path = path.with_name(path.name + ".png")
    try:
        data = cv2.imencode(path.suffix, bgr)[1].tobytes()
        with staged_file(path) as stage:
            stage.write_bytes(data)
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error.strerror})", "a folder you may write to") from error
    return path


def _box(canvas: np.ndarray, face: Face, unit: float) -> None:
    x1, y1, x2, y2 = (round(v) for v in face.box)
    width = max(1, round(2 * unit))
    if face.certain:
        cv2.rectangle(canvas, (x1, y1), (x2, y2), _SURE, width, cv2.LINE_AA)
        return
    dash = max(4, round(10 * unit))
    for a, b in (((x1, y1), (x2, y1)), ((x2, y1), (x2, y2)), ((x2, y2), (x1, y2)), ((x1, y2), (x1, y1))):
        length = max(abs(b[0] - a[0]), abs(b[1] - a[1]), 1)
        for start in range(0, length, 2 * dash):
            p, q = start / length, min(start + dash, length) / length
            cv2.line(
                canvas,
                (round(a[0] + (b[0] - a[0]) * p), round(a[1] + (b[1] - a[1]) * p)),
                (round(a[0] + (b[0] - a[0]) * q), round(a[1] + (b[1] - a[1]) * q)),
                _UNSURE,
                width,
                cv2.LINE_AA,
            )


def _label(canvas: np.ndarray, face: Face, unit: float) -> Box:
    """A strip with the answer, above the box where there is room; returns where it is."""
    x1, y1, _, _ = (round(v) for v in face.box)
    scale, thick = 0.55 * unit, max(1, round(unit))
    pad = max(2, round(4 * unit))
    before, after = "" if face.certain else "uncertain: ", f" {face.confidence:.0%}"
    room = canvas.shape[1] - 2 * pad - cv2.getTextSize(before + after, _FONT, scale, thick)[0][0]
    most = min(max(room, 100 * unit), 200 * unit)
    title = before + fitted(letters(face.expression, tuple(face.probabilities)), most, scale, thick) + after
    (wide, tall), base = cv2.getTextSize(title, _FONT, scale, thick)
    top = y1 - tall - base - 2 * pad
    if top < 0:  # no room above: inside the box
        top = max(0, y1)
    left = int(np.clip(x1, 0, max(0, canvas.shape[1] - wide - 2 * pad)))
    right, bottom = left + wide + 2 * pad, top + tall + base + 2 * pad
    cv2.rectangle(canvas, (left, top), (right, bottom), _SURE if face.certain else _UNSURE, cv2.FILLED)
    cv2.putText(
        canvas,
        title,
        (left + pad, top + pad + tall),
        _FONT,
        scale,
        _INK if face.certain else _PAPER,
        thick,
        cv2.LINE_AA,
    )
    return left, top, right, bottom


def _bars(canvas: np.ndarray, face: Face, others: list[Box], unit: float) -> None:
    """The three likeliest expressions as bars: right of the box, left or below, where they cover nothing else."""
    small, line, bar = 0.4 * unit, round(16 * unit), round(60 * unit)
    ranked = [
        (fitted(letters(label, tuple(face.probabilities)), 100 * unit, small, 1), value)
        for label, value in sorted(face.probabilities.items(), key=lambda item: -item[1])[:3]
    ]
    name_width = max(cv2.getTextSize(name, _FONT, small, 1)[0][0] for name, _ in ranked)
    pad = round(4 * unit)
    width, height = name_width + bar + 3 * pad, line * len(ranked) + pad
    x1, y1, x2, y2 = (round(v) for v in face.box)
    places = [(x2 + pad, max(0, y1)), (x1 - pad - width, max(0, y1)), (x1, y2 + pad)]
    free = [
        (x, y)
        for x, y in places
        if x >= 0
        and x + width <= canvas.shape[1]
        and y + height <= canvas.shape[0]
        and not any(x < o[2] and o[0] < x + width and y < o[3] and o[1] < y + height for o in others)
    ]
    if not free:
        return
    x, y = free[0]
    panel = canvas[y : y + height, x : x + width]
    panel[:] = (panel * 0.35 + np.array(_PAPER) * 0.65).astype(np.uint8)
    for i, (name, value) in enumerate(ranked):
        base = y + line * (i + 1) - round(3 * unit)
        cv2.putText(canvas, name, (x + pad, base), _FONT, small, _INK, 1, cv2.LINE_AA)
        start = x + name_width + 2 * pad
        cv2.rectangle(
            canvas,
            (start, base - round(8 * unit)),
            (start + max(1, round(bar * value)), base),
            _SURE if face.certain else _UNSURE,
            cv2.FILLED,
        )


def letters(label: str, labels: Sequence[str]) -> str:
    """A label in the letters that OpenCV has; its place among the labels, from 1, where they are too few for it."""
    apart = unicodedata.normalize("NFKD", label)  # é is now e and an accent
    plain = "".join(c if c.isascii() else "?" if c.isalpha() else "" for c in apart).strip()
    readable = plain.isprintable() and 2 * plain.count("?") < len(plain)
    return plain if readable else f"label {labels.index(label) + 1}"


def fitted(text: str, most: float, scale: float, thick: int) -> str:
    """A text cut off to at most so many pixels."""
    shown = text
    while len(text) > 1 and cv2.getTextSize(shown, _FONT, scale, thick)[0][0] > most:
        text = text[:-1]
        shown = text.rstrip() + ".."
    return shown
