"""FER2013 as parquet in the Hugging Face layout: ``image`` is a struct of encoded ``bytes`` and ``path``.

Columns: ``image``, ``emotion`` (0 to 6), ``usage``; optionally ``row`` (row of the original CSV) and the ten FER+
columns ``votes_neutral`` to ``votes_nonface``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mien.data.reading import Chunk, Faults, Reading
from mien.data.store import USAGES
from mien.errors import DataError, MissingExtraError
from mien.expressions import FER2013, FERPLUS_VOTES
from mien.files import sha256

SIZE = 48
_COLUMNS = ("image", "emotion", "usage")
_BATCH = 2048


ABOUT = "FER2013 as parquet, in the Hugging Face layout"


def recognise(path: Path) -> str | None:
    """Whether its name ends in .parquet."""
    return "its name ends in .parquet" if path.suffix.lower() == ".parquet" and path.is_file() else None


def read(path: Path, size: int, faults: Faults) -> Reading:
    """Read the parquet file in batches.

    Args:
        path: The file.

    Returns:
        Faces of 48×48, with FER+ votes where the file has them.

    Raises:
        MissingExtraError: pyarrow is absent.
        DataError: A column is missing, an image cannot be decoded or is not 48×48, a label or usage is unknown, a
            row id or a vote is not a whole number.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise MissingExtraError("pyarrow", "table", f"Reading {path.name}") from None
    try:
        source = pq.ParquetFile(path)
        names = source.schema_arrow.names
        missing = [c for c in _COLUMNS if c not in names]
        if missing:
            raise DataError(
                f"{path}: the column {missing[0]} is missing; it has {', '.join(names)}",
                "the columns image, emotion and usage",
                "Check that this is FER2013 as parquet.",
            )
        votes = [f"votes_{v}" for v in FERPLUS_VOTES if f"votes_{v}" in names]
        if votes and len(votes) != len(FERPLUS_VOTES):
            raise DataError(f"{path}: {len(votes)} votes columns", f"all {len(FERPLUS_VOTES)} or none")
        parts: list[tuple[np.ndarray, ...]] = []
        at = 0
        for batch in source.iter_batches(_BATCH, columns=[*_COLUMNS, *votes, *(["row"] if "row" in names else [])]):
            columns = {name: batch.column(name).to_pylist() for name in batch.schema.names}
            parts.append(_batch(path, at, columns, votes))
            at += batch.num_rows
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise DataError(
            f"{path} cannot be read as parquet ({error})", "a whole parquet file", "Download it again."
        ) from error
    if not parts:
        raise DataError(f"{path} has no rows", "at least one row", "Download it again.")
    faces, labels, vote, rows, usage = (np.concatenate(column) for column in zip(*parts, strict=True))
    chunk = Chunk(faces, labels, rows, usage, vote)
    return Reading("fer2013-parquet", path.name, FER2013, USAGES, iter([chunk]), lambda: sha256(path))


def _batch(path: Path, at: int, columns: dict[str, list[Any]], votes: list[str]) -> tuple[np.ndarray, ...]:
    n = len(columns["emotion"])
    ids = columns.get("row", list(range(at, at + n)))
    faces = np.empty((n, SIZE, SIZE), np.uint8)
    for i in range(n):
        where = f"{path}, row {ids[i]}"
        label, use = columns["emotion"][i], columns["usage"][i]
        for name, limit in (("row", 2**31), *((v, 256) for v in votes)):
            value = columns[name][i] if name in columns else 0
            if not (isinstance(value, int) and 0 <= value < limit):
                raise DataError(
                    f"{where}: {name} is {value!r}",
                    f"a whole number from 0 to {limit - 1}",
                    "Correct or drop that row.",
                )
        if not (isinstance(label, int) and 0 <= label < len(FER2013)):
            raise DataError(f"{where}: emotion is {label!r}", f"0 to {len(FER2013) - 1}", "Correct or drop that row.")
        if use not in USAGES:
            raise DataError(f"{where}: usage is {use!r}", " or ".join(USAGES), "Correct or drop that row.")
        image = columns["image"][i]
        face = _decode(image.get("bytes") if isinstance(image, dict) else None)
        if face is None:
            raise DataError(
                f"{where}: the image cannot be decoded",
                "a struct with PNG or JPEG in its field bytes",
                "Drop that row or download the file again.",
            )
        if face.shape != (SIZE, SIZE):
            raise DataError(
                f"{where}: the image is {face.shape[1]}×{face.shape[0]}",
                f"{SIZE}×{SIZE}",
                "Check that this is FER2013.",
            )
        faces[i] = face
    counts = np.array([columns[v] for v in votes], np.uint8).T if votes else np.zeros((n, len(FERPLUS_VOTES)), np.uint8)
    return (
        faces,
        np.array(columns["emotion"], np.int8),
        counts,
        np.array(ids, np.int32),
        np.array([USAGES.index(u) for u in columns["usage"]], np.uint8),
    )


def _decode(data: object) -> np.ndarray | None:
    """Gray picture in encoded bytes, or None where there is none."""
    if not isinstance(data, bytes) or not data:
        return None
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    except cv2.error:  # a header that claims an absurd size
        return None
