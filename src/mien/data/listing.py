"""The table of exported faces: its columns, its cells, and the description that goes with it.

``export`` writes it; ``sources.mien_csv`` and ``sources.mien_folders`` read it. Parquet has the same columns and the
same description, in its metadata.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mien.data.reading import Chunk, Faults
from mien.data.store import FaceSet
from mien.errors import DataError
from mien.expressions import FERPLUS_VOTES, Vocabulary

FORMAT = 1
VOTES = tuple(f"votes_{name}" for name in FERPLUS_VOTES)
# What a further column cannot be called in a file: it is written as column_NAME there.
_TAKEN = frozenset({"row", "file", "label", "labels", "emotion", "usage", "subject", "path", "pixels", "image", *VOTES})
_PREFIX = "column_"
_CORRECT = "Correct or delete that row."


@dataclass(frozen=True)
class Description:
    """What the cells mean.

    Attributes:
        size: Side of the faces, pixels.
        vocabulary: The labels.
        usages: The usages.

    Raises:
        ValueError: A size under 1, no labels or more than 128, or usages that are none, over 256 or repeat.
    """

    size: int
    vocabulary: Vocabulary
    usages: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.size < 1 or not 1 <= len(self.vocabulary) <= 128:
            raise ValueError(f"{self.size} pixels, {len(self.vocabulary)} labels")
        if not 1 <= len(self.usages) <= 256 or len(set(self.usages)) != len(self.usages):
            raise ValueError(f"the usages {self.usages}")

    def to_json(self) -> str:
        """As text; in ASCII, so that bytes of a file name that are no text are kept too."""
        return json.dumps(
            {
                "format": FORMAT,
                "size": self.size,
                "vocabulary": {"name": self.vocabulary.name, "labels": list(self.vocabulary.labels)},
                "usages": list(self.usages),
            },
            indent=2,
        )

    @staticmethod
    def from_json(text: str | bytes, name: str) -> Description:
        """What ``to_json`` wrote; DataError naming ``name`` where it is something else."""
        try:
            about = json.loads(text)
            if about["format"] != FORMAT:
                raise DataError(
                    f"{name} is of format {about['format']}",
                    f"format {FORMAT}",
                    "Export again with this version of mien.",
                )
            labels, usages = about["vocabulary"]["labels"], about["usages"]
            names = [about["vocabulary"]["name"], *labels, *usages]
            if type(about["size"]) is not int or not all(isinstance(n, str) for n in names):
                raise ValueError("a size that is no whole number, or a name that is no text")
            return Description(about["size"], Vocabulary(names[0], tuple(labels)), tuple(usages))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise DataError(
                f"{name} is damaged ({str(error)[:200]})", "what mien data export wrote", "Export the data again."
            ) from error


def read_description(path: Path) -> Description:
    """The description in a file; DataError where it is absent or something else."""
    try:
        return Description.from_json(path.read_bytes(), str(path))
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror or error})",
            "the file that mien data export wrote with the data",
            "Put it back, or export the data again.",
        ) from error


def column_header(name: str) -> str:
    """What a further column of the set is called in a file."""
    return _PREFIX + name if name in _TAKEN or name.startswith(_PREFIX) else name


def column_name(header: str) -> str:
    """Undo ``column_header``."""
    return header.removeprefix(_PREFIX)


def fields(faces: FaceSet, votes: bool) -> dict[str, list[object]]:
    """Columns of the table, without pictures: header → a value for each face.

    Args:
        faces: Some faces of a set.
        votes: Whether to write the votes.
    """
    label, usage = faces.vocabulary.labels, faces.usages
    found: dict[str, list[object]] = {
        "row": faces.rows.tolist(),
        "label": [label[i] for i in faces.labels.tolist()],
        "usage": [usage[i] for i in faces.usage.tolist()],
    }
    if faces.subjects is not None:
        found["subject"] = faces.subjects.tolist()
    if faces.paths is not None:
        found["path"] = faces.paths.tolist()
    if votes:
        found |= {name: faces.votes[:, i].tolist() for i, name in enumerate(VOTES)}
    return found | {column_header(name): values.tolist() for name, values in faces.columns.items()}


class Row(NamedTuple):
    """One row of the table. What the table has no column for is empty."""

    row: int
    label: int
    usage: int
    votes: tuple[int, ...]
    path: str
    subject: str
    numbers: tuple[float, ...]


class Table:
    """Reads the cells.

    Args:
        source: The source, as it was given.
        header: Names of the columns.
        about: What the cells mean.
        faults: Where wrong cells are noted.
        picture: Name of the column that stands for the picture, ``pixels`` or ``file``.

    Raises:
        DataError: A column is missing or there twice, or has a name that cannot be one.
    """

    def __init__(self, source: Path, header: list[str], about: Description, faults: Faults, picture: str) -> None:
        self.source, self.header, self.about, self.faults = source, header, about, faults
        self._labels = {name: i for i, name in enumerate(about.vocabulary.labels)}
        self._usages = {name: i for i, name in enumerate(about.usages)}
        self._seen: set[int] = set()
        for name in ("row", "label", "usage", picture):
            if name not in header:
                raise DataError(
                    f"{source}: the column {name} is missing; the header has {', '.join(header)}",
                    "the columns that mien data export writes",
                    "Put it back, or export the data again.",
                )
        if twice := [name for name in header if header.count(name) > 1]:
            raise DataError(
                f"{source}: the column {twice[0]} is there twice", "each column once", "Delete one of them."
            )
        voted = [name for name in VOTES if name in header]
        if voted and len(voted) != len(VOTES):
            raise DataError(f"{source}: {len(voted)} votes columns", f"all {len(VOTES)} or none")
        self._votes = [header.index(name) for name in voted]
        known = {"row", "label", "usage", "path", "subject", picture, *VOTES}
        self._numbers = {column_name(name): i for i, name in enumerate(header) if name not in known}
        for name in self._numbers:
            if not (name.isascii() and name.isidentifier()):
                raise DataError(
                    f"{source}: a column is called {name!r}", "letters, digits and underscores", "Rename or delete it."
                )

    def row(self, where: str, cells: Sequence[str]) -> Row | None:
        """Read the cells of one row; None where one is wrong, which is noted."""
        if len(cells) != len(self.header):
            came, expected = f"{len(cells)} cells", f"{len(self.header)}, one for each column of the header"
            self.faults.add(self.source, where, came, expected, "The file may have been cut off: export again.")
            return None
        named = dict(zip(self.header, cells, strict=True))
        row, votes = _whole(named["row"], 2**31), [_whole(cells[i], 256) for i in self._votes]
        numbers = [_number(cells[i]) for i in self._numbers.values()]
        label, usage = self._labels.get(named["label"]), self._usages.get(named["usage"])
        wrong: tuple[str, str] | None = None
        if row is None:
            wrong = f"row is {named['row'][:40]!r}", f"a whole number from 0 to {2**31 - 1}"
        elif row in self._seen:
            wrong = f"row {row} is there twice", "each row id once"
        elif label is None:
            wrong = f"label is {named['label'][:40]!r}", listed(self.about.vocabulary.labels)
        elif usage is None:
            wrong = f"usage is {named['usage'][:40]!r}", listed(self.about.usages)
        elif None in votes:
            at = self._votes[votes.index(None)]
            wrong = f"{self.header[at]} is {cells[at][:40]!r}", "a whole number from 0 to 255"
        elif None in numbers:
            at = list(self._numbers.values())[numbers.index(None)]
            wrong = f"{self.header[at]} is {cells[at][:40]!r}", "a number"
        if wrong or row is None or label is None or usage is None:
            self.faults.add(self.source, where, *(wrong or ("", "")), _CORRECT)
            return None
        self._seen.add(row)
        return Row(
            row,
            label,
            usage,
            tuple(v for v in votes if v is not None),
            named.get("path", ""),
            named.get("subject", ""),
            tuple(v for v in numbers if v is not None),
        )

    def chunk(self, faces: list[np.ndarray], rows: list[Row]) -> Chunk:
        """Faces, and the row of each, as a chunk.

        Args:
            faces: (size, size) uint8 each; at least one.
            rows: As many rows.
        """
        return Chunk(
            np.stack(faces),
            np.array([r.label for r in rows], np.int8),
            np.array([r.row for r in rows], np.int32),
            np.array([r.usage for r in rows], np.uint8),
            np.array([r.votes for r in rows], np.uint8) if self._votes else None,
            [r.path for r in rows] if "path" in self.header else None,
            [r.subject for r in rows] if "subject" in self.header else None,
            {name: np.array([r.numbers[i] for r in rows], np.float64) for i, name in enumerate(self._numbers)},
        )


def listing_sha256(digests: Mapping[str, str]) -> str:
    """Hash of a folder, as ``Provenance`` says: file name → hash of each file that was read."""
    lines = "".join(f"{digests[name]}  {name}\n" for name in sorted(digests))
    return hashlib.sha256(lines.encode("utf-8", "surrogateescape")).hexdigest()


def listed(names: Sequence[str], most: int = 15) -> str:
    """Names for an error message: ``one of a, b, c``; of many, the first."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"one of {', '.join(names[:most])}{more}"


def rows_at_once(size: int) -> int:
    """How many faces of this side a chunk may hold: at most 1,024, and about 16 MB."""
    return max(1, min(1024, (16 << 20) // size**2))


def batches(count: int, size: int) -> Iterator[slice]:
    """Slices of ``rows_at_once``."""
    step = rows_at_once(size)
    return (slice(start, start + step) for start in range(0, count, step))


def _whole(text: str, limit: int) -> int | None:
    """A whole number under the limit; None for anything else."""
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        return None
    return value if (value := int(text)) < limit else None


def _number(text: str) -> float | None:
    """A number, NaN where the cell is empty; None for anything else."""
    try:  # Python takes "1_0" and any script's digits: here both are damage
        return float(text or "nan") if text.isascii() and "_" not in text else None
    except ValueError:
        return None
