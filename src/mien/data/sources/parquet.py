"""Parquet in the Hugging Face layout: ``image`` is a struct of encoded ``bytes`` and ``path``, with a label beside it.

A file, or a folder of files as the hub lays them out (``data/train-00000-of-00002.parquet``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from mien.data.listing import VOTES, listed, listing_sha256, rows_at_once
from mien.data.pool import threads
from mien.data.reading import SIZE, Chunk, Faults, Reading
from mien.data.sources.arrow import batches, damage, field, floats, integers, shown, texts
from mien.data.sources.folders import source_name
from mien.data.sources.parquet_files import File, file_of, inside, rank
from mien.data.sources.parquet_schema import (
    MOST_LABELS,
    Layout,
    check_labels,
    check_same,
    vocabulary_of,
)
from mien.data.store import USAGES
from mien.errors import DataError, ImageError, MissingExtraError
from mien.expressions import Vocabulary
from mien.faces import whole
from mien.files import sha256
from mien.images import decode_gray, silence

ABOUT = "parquet with the columns image and label, as on the Hugging Face hub: a file, or a folder of them"
_WORKERS = 4
_JOB = 32  # pictures for a thread at once: one by one the threads would mostly wait for each other
_CORRECT = "Correct or drop that row."
_EMBED = "Save the data set with the pictures embedded: a path alone is not followed."


@dataclass(frozen=True)
class _Plan:
    """How to read the rows of all files.

    Attributes:
        source: The source, as it was given.
        layout: The columns.
        vocabulary: The labels.
        codes: Number or text of a label → index into the vocabulary.
        usages: The usages.
        with_paths: Whether every picture has a path.
        size: Side of the faces.
        faults: Where wrong rows are noted.
        seen: Row ids so far.
    """

    source: Path
    layout: Layout
    vocabulary: Vocabulary
    codes: dict[int | str, int]
    usages: tuple[str, ...]
    with_paths: bool
    size: int
    faults: Faults
    seen: set[int] = dataclasses.field(default_factory=set)


def recognise(path: Path) -> str | None:
    """Whether its name ends in .parquet, or it is a folder with such files at most three levels down."""
    if path.is_dir():
        if (path / "store.json").exists():
            return None
        first = next(inside(path), None)
        return None if first is None else f"it holds parquet files ({first.relative_to(path).as_posix()})"
    return "its name ends in .parquet" if path.suffix.lower() == ".parquet" and path.is_file() else None


def read(path: Path, size: int | None, faults: Faults) -> Reading:
    """Read a parquet file, or a folder of them, in batches.

    The columns are ``image`` and ``label`` (or ``labels``, or ``emotion``); optionally ``row`` (row ids), ``usage``,
    ``subject`` and the ten ``votes_neutral`` to ``votes_nonface``. Any other column of numbers becomes a further column
    of the set, with NaN for null. Labels are text, or numbers with ClassLabel names in the metadata; those of
    ``emotion`` are FER2013's without names. Where there is no ``usage`` column, the split in the file's name is the
    usage.

    Args:
        path: The file or folder.
        size: Side of the faces, pixels; where None, that of the set which was exported, else 48.
        faults: Where wrong rows are noted.

    Raises:
        MissingExtraError: pyarrow is absent.
        DataError: A file is damaged; a column is missing or of another kind; files of a folder differ.
    """
    try:
        import pyarrow as pa  # noqa: F401
        import pyarrow.parquet as pq  # noqa: F401
    except ImportError:
        raise MissingExtraError("pyarrow", "table", f"Reading {path.name}") from None
    paths = sorted(inside(path), key=lambda p: p.relative_to(path).as_posix()) if path.is_dir() else [path]
    if not paths:
        raise DataError(f"{path} holds no parquet file", "at least one, at most three levels down")
    files = [file_of(p, path) for p in paths]
    for other in files[1:]:
        check_same(files[0].layout, other.layout, (str(files[0].path), str(other.path)))
    if not sum(f.rows for f in files):
        raise DataError(f"{path} has no rows", "at least one row", "Download it again.")
    plan = _plan(path, files, size, faults)
    digest = partial(sha256, path) if not path.is_dir() else partial(_folder_sha256, path, files)
    return Reading("parquet", source_name(path), plan.vocabulary, plan.usages, _chunks(plan, files), digest)


def _folder_sha256(folder: Path, files: list[File]) -> str:
    return listing_sha256({f.path.relative_to(folder).as_posix(): sha256(f.path) for f in files})


# ---- what the labels, usages and paths are


def _plan(path: Path, files: list[File], size: int | None, faults: Faults) -> _Plan:
    layout = files[0].layout
    about = layout.about
    name = source_name(path) if path.is_dir() else path.stem
    if about is not None:
        labels = about.vocabulary.labels
    elif layout.names is not None:
        labels = layout.names
    else:
        labels = tuple(sorted(_distinct(files, layout.label, MOST_LABELS)))
        check_labels(labels, str(path))
        if layout.label == "emotion" and all(label.isdigit() for label in labels):
            raise DataError(f"{path}: the column emotion holds numbers as text", "numbers", "Convert the column.")
    vocabulary, order = (about.vocabulary, range(len(labels))) if about else vocabulary_of(labels, name)
    keys = labels if layout.names is None else range(len(labels))
    return _Plan(
        path,
        layout,
        vocabulary,
        dict(zip(keys, order, strict=True)),
        _usages(files),
        layout.path and _all_have_paths(files),
        size or (about.size if about else SIZE),
        faults,
    )


def _usages(files: list[File]) -> tuple[str, ...]:
    layout = files[0].layout
    if layout.usage:
        if layout.about:
            return layout.about.usages
        if layout.fer2013:
            return USAGES
        found = _distinct(files, "usage", 256)
        return USAGES if found <= set(USAGES) else tuple(sorted(found))
    splits = {f.split for f in files}
    if "" in splits:
        return ("all",)
    return tuple(sorted(splits, key=lambda split: (rank(split), split)))


def _distinct(files: list[File], column: str, most: int) -> set[str]:
    """Texts of a column; DataError where there are more than ``most``."""
    import pyarrow.compute as pc

    found: set[str] = set()
    for file in files:
        for batch in batches(file.path, [column], 1 << 16):
            with damage(file.path):
                found |= {t for t in texts(pc.unique(batch.column(0))) if t is not None}
            if len(found) > most:
                raise DataError(
                    f"{file.path}: the column {column} has more than {most} different texts",
                    f"at most {most}",
                    "Check that it is the right column.",
                )
    return found


def _all_have_paths(files: list[File]) -> bool:
    for file in files:
        for batch in batches(file.path, ["image.path"], 1 << 16):
            with damage(file.path):
                if field(batch.column(0), "path").null_count:
                    return False
    return True


# ---- the rows


def _chunks(plan: _Plan, files: list[File]) -> Iterator[Chunk]:
    start = 0
    with threads(_WORKERS) as pool:
        for file in files:
            for batch in batches(file.path, plan.layout.columns, min(file.at_once, rows_at_once(plan.size))):
                yield _chunk(plan, file, batch, start, pool)
                start += batch.num_rows


@dataclass(frozen=True)
class _Rows:
    """Some rows, checked but for their pictures.

    Attributes:
        ids: (n,) int64 row ids.
        labels: (n,) int64 index into the vocabulary, negative where wrong; so is ``usage``.
        usage: (n,) int64 index into the usages.
        votes: (n, 10) int64, or None.
        numbers: Name → (n,) float64.
        subjects: n texts, or None.
        paths: n texts, or None.
        encoded: n pictures, None where there is none.
        wrong: Place → what came, what was expected and the remedy.
    """

    ids: np.ndarray
    labels: np.ndarray
    usage: np.ndarray
    votes: np.ndarray | None
    numbers: dict[str, np.ndarray]
    subjects: list[str] | None
    paths: list[str] | None
    encoded: list[bytes | None]
    wrong: dict[int, tuple[str, str, str]] = dataclasses.field(default_factory=dict)

    def note(self, bad: np.ndarray, values: Any, name: str, expected: str) -> None:
        """Note a wrong cell of a column where nothing is noted for its row yet."""
        for i in np.flatnonzero(bad).tolist():
            self.wrong.setdefault(i, (f"{name} is {shown(values[i])}", expected, _CORRECT))


def _chunk(plan: _Plan, file: File, batch: Any, start: int, pool: ThreadPoolExecutor) -> Chunk:
    """Check and decode some rows.

    Args:
        plan: How.
        file: Where they are from.
        batch: The rows.
        start: Rows before them, in all files.
        pool: Decodes pictures.
    """
    with damage(file.path):
        rows = _checked(plan, file, batch, start)
    n, ids, wrong = batch.num_rows, rows.ids, rows.wrong
    faces = np.empty((n, plan.size, plan.size), np.uint8)
    good = [i for i in range(n) if i not in wrong]
    jobs = [[rows.encoded[i] for i in good[at : at + _JOB]] for at in range(0, len(good), _JOB)]
    with silence():
        for i, found in zip(good, chain.from_iterable(pool.map(partial(_faces, plan.size), jobs)), strict=True):
            if isinstance(found, np.ndarray):
                faces[i] = found
            else:
                wrong[i] = found
    for i, row in enumerate(ids.tolist()):
        if i not in wrong and row in plan.seen:
            wrong[i] = f"row {row} is there twice", "each row id once", "Correct the column row, or drop it."
        if i not in wrong:
            plan.seen.add(row)
    for i in sorted(wrong):
        where = f"row {ids[i] if 0 <= ids[i] < 2**31 else start + i}"
        plan.faults.add(plan.source, f"{file.name}, {where}" if file.name else where, *wrong[i])
    keep = [i for i in range(n) if i not in wrong]
    return Chunk(
        faces[keep],
        rows.labels[keep].astype(np.int8),
        ids[keep].astype(np.int32),
        rows.usage[keep].astype(np.uint8),
        None if rows.votes is None else rows.votes[keep].astype(np.uint8),
        None if rows.paths is None else [rows.paths[i] for i in keep],
        None if rows.subjects is None else [rows.subjects[i] for i in keep],
        {name: values[keep] for name, values in rows.numbers.items()},
    )


def _checked(plan: _Plan, file: File, batch: Any, start: int) -> _Rows:
    layout, n = plan.layout, batch.num_rows
    columns = {name: batch.column(name) for name in layout.columns}
    pictures = columns["image"]
    rows = _Rows(
        integers(columns["row"]) if layout.row else np.arange(start, start + n),
        _codes(columns[layout.label], plan.codes, layout.names is None),
        _usage(columns["usage"], layout, plan.usages) if layout.usage else _constant(plan, file, n),
        np.stack([integers(columns[v]) for v in VOTES], axis=1) if layout.votes else None,
        {layout.number_name(c): floats(columns[c]) for c in layout.numbers},
        [t or "" for t in texts(columns["subject"], "subject" in layout.escaped)] if layout.subject else None,
        [t or "" for t in texts(field(pictures, "path"), "path" in layout.escaped)] if plan.with_paths else None,
        field(pictures, "bytes").to_pylist(),
    )
    if layout.row:
        bad = (rows.ids < 0) | (rows.ids >= 2**31)
        rows.note(bad, columns["row"], "row", f"a whole number from 0 to {2**31 - 1}")
    names = layout.names or plan.vocabulary.labels
    meaning = listed(names) if layout.names is None else f"0 to {len(names) - 1} ({', '.join(names)})"
    rows.note(rows.labels < 0, columns[layout.label], layout.label, meaning)
    if layout.usage:
        rows.note(rows.usage < 0, columns["usage"], "usage", " or ".join(plan.usages))
    if rows.votes is not None:
        for name, values in zip(VOTES, rows.votes.T, strict=True):
            rows.note((values < 0) | (values > 255), columns[name], name, "a whole number from 0 to 255")
    return rows


def _faces(size: int, encoded: list[bytes | None]) -> list[np.ndarray | tuple[str, str, str]]:
    return [_face(size, data) for data in encoded]


def _face(size: int, encoded: bytes | None) -> np.ndarray | tuple[str, str, str]:
    """A picture as a face; or what came, what was expected and the remedy."""
    if not encoded:
        return "the image has no bytes", "an encoded picture, such as PNG or JPEG", _EMBED
    try:
        gray = decode_gray(encoded)
    except ImageError as error:
        return error.came, error.expected, error.remedy
    return gray if gray.shape == (size, size) else whole(gray, size)


def _codes(column: Any, codes: dict[int | str, int], text: bool) -> np.ndarray:
    """(n,) int64 index of each label in the vocabulary, -1 where there is none."""
    values: list[Any] = texts(column) if text else integers(column).tolist()
    return np.array([codes.get(v, -1) for v in values], np.int64)


def _usage(column: Any, layout: Layout, usages: tuple[str, ...]) -> np.ndarray:
    """(n,) int64 index of each usage, -1 where there is none."""
    index: dict[str | None, int] = {name: i for i, name in enumerate(usages)}
    return np.array([index.get(t, -1) for t in texts(column, "usage" in layout.escaped)], np.int64)


def _constant(plan: _Plan, file: File, n: int) -> np.ndarray:
    return np.full(n, plan.usages.index(file.split) if file.split in plan.usages else 0, np.int64)
