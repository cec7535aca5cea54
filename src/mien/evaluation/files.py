"""Predictions and right answers as CSV files, each row under its row id.

``predictions.csv`` has the columns ``row``, ``data`` (the first 16 hexadecimal digits of the source's sha256; may be
left out), ``p_LABEL`` for each label of the model's primary vocabulary, and ``NAME_LABEL`` for those of further ones,
such as ``ferplus_neutral``. ``labels.csv`` has ``row``, ``part``, ``copy`` and a column of label names for each
protocol, empty where the protocol does not count the face.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from mien.errors import DataError
from mien.evaluation.protocols import MAJORITY, PLURALITY, TITLES, Truth
from mien.evaluation.scores import Predictions
from mien.expressions import FERPLUS, VOCABULARIES, Vocabulary
from mien.files import staged_file

_PRIMARY = "p_"
_DIGITS = 16
_FORM = "a CSV file with the columns row and p_LABEL for each label, such as mien evaluate writes"


def write_predictions(path: Path, predictions: Sequence[Predictions], source_sha256: str) -> None:
    """Write predictions of the same rows, the primary vocabulary first, through a temporary name.

    Args:
        path: The file.
        predictions: One for each vocabulary.
        source_sha256: Hash of the data set that the row ids belong to.
    """
    first = predictions[0]
    prefixes = [_PRIMARY, *(f"{p.vocabulary.name}_" for p in predictions[1:])]
    header = [f"{x}{label}" for x, p in zip(prefixes, predictions, strict=True) for label in p.vocabulary.labels]
    values = np.concatenate([p.aligned(first.rows) for p in predictions], axis=1)
    with staged_file(path) as stage, stage.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["row", "data", *header])
        for row, found in zip(first.rows.tolist(), values.tolist(), strict=True):
            # Seven digits are what a 32-bit float holds.
            writer.writerow([row, source_sha256[:_DIGITS], *(f"{v:.7g}" for v in found)])


def read_predictions(
    path: Path, own: Vocabulary | None = None, source_sha256: str | None = None
) -> dict[str, Predictions]:
    """Read predictions, by the name of their vocabulary, the primary one first.

    Args:
        path: The file.
        own: A vocabulary to try before those that mien knows, such as the data's own.
        source_sha256: Hash of the data set that the row ids should belong to; not checked where None.

    Raises:
        DataError: No such file or another form; a row id that is no number or comes twice; a probability that is no
            number, or a row of them that does not sum to 1; labels of no known vocabulary; predictions of another data
            set.
    """
    with _table(path) as (header, lines):
        places = _places(path, header, own)
        rows, data, values = _read(path, header, lines, [c for columns in places.values() for c in columns.values()])
    other = sorted({d for d in data if d} - {source_sha256[:_DIGITS]}) if source_sha256 else []
    if other:
        raise DataError(
            f"{path}: predictions of a data set with sha256 {other[0]}…",
            f"{source_sha256[:_DIGITS] if source_sha256 else ''}…, the data set that was named",
            "Name the data set that was predicted: row ids of one say nothing of another.",
        )
    found, at = {}, 0
    for name, columns in places.items():
        labels = _vocabulary(name, own)
        block = values[:, at : at + len(columns)]
        at += len(columns)
        order = [list(columns).index(label) for label in labels.labels]
        found[name] = _predictions(path, labels, rows, block[:, order])
    return found


def write_labels(path: Path, truths: Sequence[Truth], part: str, copies: Mapping[int, str]) -> None:
    """Write the right answers of the same rows under each protocol, through a temporary name.

    Args:
        path: The file.
        truths: One for each protocol, rows in the same order.
        part: Name of the part.
        copies: Row id → what kind of copy the face has among those trained on.
    """
    names = [[*t.vocabulary.labels, ""] for t in truths]  # -1 is the last one
    with staged_file(path) as stage, stage.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["row", "part", "copy", *(t.protocol for t in truths)])
        for i, row in enumerate(truths[0].rows.tolist()):
            answers = (labels[t.labels[i]] for labels, t in zip(names, truths, strict=True))
            writer.writerow([row, part, copies.get(row, ""), *answers])


def read_labels(path: Path, vocabularies: Mapping[str, Vocabulary] | None = None) -> dict[str, Truth]:
    """Read what ``write_labels`` wrote, by the name of the protocol.

    Args:
        path: The file.
        vocabularies: Protocol → vocabulary, for those that mien does not know.

    Raises:
        DataError: No such file, another form, a row id that is no number or comes twice, or an unknown label.
    """
    with _table(path) as (header, lines):
        if header[:3] != ["row", "part", "copy"] or len(header) < 4:
            raise DataError(f"{path}: the columns {', '.join(header)}", "row, part, copy and a protocol each")
        rows, texts = [], []
        for number, line in lines:
            rows.append(_row_id(path, number, line[0]))
            texts.append(line[3:])
    ids, found = _unique(path, rows), {}
    for column, protocol in enumerate(header[3:]):
        labels = (vocabularies or {}).get(protocol) or _of_protocol(path, protocol)
        index = {"": -1, **{label: i for i, label in enumerate(labels.labels)}}
        unknown = sorted({t[column] for t in texts} - index.keys())
        if unknown:
            raise DataError(f"{path}: {protocol} has {unknown[0]!r}", f"one of {', '.join(labels.labels)}, or nothing")
        answers = np.array([index[t[column]] for t in texts], np.int64)
        found[protocol] = Truth(protocol, TITLES.get(protocol, f"{protocol} labels, every face"), labels, ids, answers)
    return found


def read_groups(path: Path) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """A user's own columns for scores by group.

    Args:
        path: A CSV file with ``row`` and further columns of text.

    Returns:
        (N,) int64 row ids, and column → (N,) text.

    Raises:
        DataError: No such file, no ``row``, no further column, or a row id that is no number or comes twice.
    """
    with _table(path, "a CSV file with the column row and columns to group by") as (header, lines):
        if "row" not in header or len(header) < 2:
            raise DataError(f"{path}: the columns {', '.join(header)}", "row and at least one column to group by")
        at, rows, texts = header.index("row"), [], []
        for number, line in lines:
            rows.append(_row_id(path, number, line[at]))
            texts.append(line)
    columns = {name: np.array([t[i] for t in texts], dtype=str) for i, name in enumerate(header) if i != at}
    return _unique(path, rows), columns


@contextmanager
def _table(path: Path, form: str = _FORM) -> Iterator[tuple[list[str], Iterator[tuple[int, list[str]]]]]:
    """Header and numbered lines of a CSV file with as many cells in every line."""
    if path.suffix.lower() != ".csv":
        raise DataError(f"{path} is no .csv file", form)
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream)
            header = [name.strip() for name in next(reader, [])]
            twice = next((name for i, name in enumerate(header) if name in header[:i]), None)
            if not header or twice is not None:
                raise DataError(f"{path}: {'nothing in it' if not header else f'the column {twice} twice'}", form)
            yield header, _lines(path, reader, len(header))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read ({error})", form) from error


def _lines(path: Path, reader: Iterator[list[str]], cells: int) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(reader, 2):
        if not line:
            continue
        if len(line) != cells:
            raise DataError(f"{path}, line {number}: {len(line)} cells", f"{cells}, as in the header")
        yield number, line


def _places(path: Path, header: list[str], own: Vocabulary | None) -> dict[str, dict[str, int]]:
    """Vocabulary name → label → column, the primary vocabulary first."""
    if "row" not in header:
        raise DataError(
            f"{path}: no column row among {', '.join(header[:6])}",
            "the row id of each prediction",
            "Without it nobody can tell whether predictions and labels are in the same order.",
        )
    primary = {name.removeprefix(_PRIMARY): i for i, name in enumerate(header) if name.startswith(_PRIMARY)}
    known = [*([own] if own else []), *VOCABULARIES.values()]
    named = next((v for v in known if set(v.labels) == set(primary)), None)
    if named is None:
        raise DataError(
            f"{path}: probabilities for {', '.join(primary) or 'no label'}",
            "p_LABEL for each label of the data's vocabulary, or of one that mien knows",
            "mien data maps lists them.",
        )
    found = {named.name: primary}
    for v in known:
        columns = {label: header.index(f"{v.name}_{label}") for label in v.labels if f"{v.name}_{label}" in header}
        if v.name not in found and len(columns) == len(v):
            found[v.name] = columns
    return found


def _read(
    path: Path, header: list[str], lines: Iterator[tuple[int, list[str]]], columns: list[int]
) -> tuple[np.ndarray, list[str], np.ndarray]:
    at, data_at = header.index("row"), header.index("data") if "data" in header else None
    rows, data, values = [], [], []
    for number, line in lines:
        rows.append(_row_id(path, number, line[at]))
        data.append("" if data_at is None else line[data_at].strip())
        try:
            values.append([float(line[c]) for c in columns])
        except ValueError:
            bad = next(line[c] for c in columns if not _is_number(line[c]))
            raise DataError(f"{path}, line {number}: the probability {bad!r}", "a number from 0 to 1") from None
    if not rows:
        raise DataError(f"{path}: no predictions", "a line for each face")
    return _unique(path, rows), data, np.array(values, np.float64)


def _predictions(path: Path, labels: Vocabulary, rows: np.ndarray, values: np.ndarray) -> Predictions:
    sums = values.sum(axis=1)
    # A NaN is neither of the two, so what is right is asked for.
    good = (values >= 0).all(axis=1) & (np.abs(sums - 1) <= 1e-3)
    if not good.all():
        bad = int(np.flatnonzero(~good)[0])
        raise DataError(
            f"{path}, row {rows[bad]}: probabilities that sum to {sums[bad]:.4g}, the least {values[bad].min():.4g}",
            "numbers from 0 to 1 that sum to 1",
            "Logits become probabilities by a softmax.",
        )
    return Predictions(labels, rows, values / sums[:, None])


def _vocabulary(name: str, own: Vocabulary | None) -> Vocabulary:
    return own if own is not None and own.name == name else VOCABULARIES[name]


def _of_protocol(path: Path, protocol: str) -> Vocabulary:
    found = FERPLUS if protocol in (MAJORITY, PLURALITY) else VOCABULARIES.get(protocol)
    if found is None:
        raise DataError(
            f"{path}: the protocol {protocol!r}", f"one of {', '.join((*VOCABULARIES, MAJORITY, PLURALITY))}"
        )
    return found


def _row_id(path: Path, number: int, text: str) -> int:
    digits = text.strip()
    # No longer than a row id can be, before it is read as a number; isdecimal takes other scripts' digits, as int does.
    if not digits.isdecimal() or len(digits) > 10 or int(digits) >= 2**31:
        raise DataError(f"{path}, line {number}: the row id {text[:40]!r}", "a whole number under 2147483648")
    return int(digits)


def _unique(path: Path, rows: list[int]) -> np.ndarray:
    ids = np.array(rows, np.int64)
    values, counts = np.unique(ids, return_counts=True)
    if (counts > 1).any():
        raise DataError(f"{path}: row {values[counts > 1][0]} comes {counts.max()} times", "each row once")
    return ids


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
