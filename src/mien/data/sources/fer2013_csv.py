"""Kaggle's ``fer2013.csv``: the columns ``emotion``, ``pixels`` (2,304 numbers separated by spaces) and ``Usage``."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from mien.data.reading import Chunk, Faults, Reading
from mien.data.sources.plain_rows import PlainRows, read_plain
from mien.data.store import USAGES
from mien.errors import DataError
from mien.expressions import FER2013
from mien.files import sha256

SIZE = 48
_COLUMNS = ("emotion", "pixels", "Usage")
_LABELS = tuple(str(i) for i in range(len(FER2013)))


ABOUT = "Kaggle's fer2013.csv or icml_face_data.csv: columns emotion, pixels, Usage"


def recognise(path: Path) -> str | None:
    """Whether the first line names the columns, or at least the name ends in .csv."""
    if path.suffix.lower() != ".csv" or not path.is_file():
        return None
    with path.open("rb") as stream:
        names = [n.strip() for n in stream.readline(1000).removeprefix(b"\xef\xbb\xbf").lower().split(b",")]
    known = {b"emotion", b"pixels", b"usage"} <= set(names)
    return "it has the columns emotion, pixels and Usage" if known else "its name ends in .csv"


def read(path: Path, size: int, faults: Faults) -> Reading:
    """Read ``fer2013.csv``.

    Header names may carry spaces and come in any order (``icml_face_data.csv`` has both).

    Args:
        path: The file; UTF-8 or ASCII, with or without a byte order mark.

    Returns:
        Faces of 48×48; votes are all zero, the file has none.

    Raises:
        DataError: A column is missing, a pixel row is short or out of range, a label or usage is unknown.
    """
    plain = read_plain(path, ("emotion", "pixels", "usage"), len(FER2013), USAGES)
    if plain is None:
        plain = _read_carefully(path)
    n = len(plain.faces)
    chunk = Chunk(plain.faces, plain.labels, np.arange(n, dtype=np.int32), plain.usage)
    return Reading("fer2013-csv", path.name, FER2013, USAGES, iter([chunk]), lambda: plain.sha256)


def _read_carefully(path: Path) -> PlainRows:
    """Row by row with Python's CSV reader: takes quotes and further columns, and names what is wrong where."""
    faces: list[np.ndarray] = []
    labels: list[int] = []
    usage: list[int] = []
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            lines = csv.reader(stream)
            emotion_at, pixels_at, usage_at = _columns(path, next(lines, []))
            for row, cells in enumerate(lines):
                where = f"{path}, row {row} (line {lines.line_num})"
                if len(cells) <= max(emotion_at, pixels_at, usage_at):
                    raise DataError(
                        f"{where}: {len(cells)} cells",
                        "one for each column of the header",
                        "The file may have been cut off; download it again.",
                    )
                labels.append(_label(where, cells[emotion_at]))
                usage.append(_usage(where, cells[usage_at]))
                faces.append(_pixels(where, cells[pixels_at]))
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not text ({error})", "a CSV file in UTF-8", "Download it again.") from error
    except csv.Error as error:
        raise DataError(
            f"{path}: broken CSV ({error})", "the columns emotion, pixels, Usage", "Download it again."
        ) from error
    if not faces:
        raise DataError(f"{path} has no rows", "a header and at least one row", "Download it again.")
    return PlainRows(np.stack(faces), np.array(labels, np.int8), np.array(usage, np.uint8), sha256(path))


def _columns(path: Path, header: list[str]) -> tuple[int, int, int]:
    names = [name.strip().lower() for name in header]
    missing = [c for c in _COLUMNS if c.lower() not in names]
    if missing:
        raise DataError(
            f"{path}: the column {missing[0]} is missing; the header has {', '.join(header) or 'nothing'}",
            "the columns emotion, pixels and Usage",
            "Check that this is Kaggle's fer2013.csv.",
        )
    a, b, c = (names.index(name.lower()) for name in _COLUMNS)
    return a, b, c


def _label(where: str, text: str) -> int:
    if text.strip() not in _LABELS:
        raise DataError(
            f"{where}: emotion is {text[:40]!r}",
            f"0 to {len(FER2013) - 1} ({', '.join(FER2013.labels)})",
            "Correct or delete that row.",
        )
    return int(text)


def _usage(where: str, text: str) -> int:
    if text.strip() not in USAGES:
        raise DataError(f"{where}: Usage is {text[:40]!r}", " or ".join(USAGES), "Correct or delete that row.")
    return USAGES.index(text.strip())


def _pixels(where: str, text: str) -> np.ndarray:
    try:
        # NumPy reads "1_0" as 10 and takes any script's digits: here both are damage.
        values = np.array(text.split() if text.isascii() and "_" not in text else ["?"], dtype=np.int32)
    except (ValueError, OverflowError):
        raise DataError(
            f"{where}: a pixel is not a whole number", f"{SIZE * SIZE} numbers, 0 to 255", "Correct or delete that row."
        ) from None
    if values.size != SIZE * SIZE:
        raise DataError(
            f"{where}: {values.size} pixels",
            f"{SIZE * SIZE} ({SIZE}×{SIZE})",
            "The file may have been cut off; delete that row or download the file again.",
        )
    if values.min() < 0 or values.max() > 255:
        raise DataError(
            f"{where}: pixels from {values.min()} to {values.max()}", "0 to 255", "Correct or delete that row."
        )
    return values.astype(np.uint8).reshape(SIZE, SIZE)
