"""What the columns of a parquet file are, from its schema alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from mien.data.listing import VOTES, Description, column_name
from mien.errors import DataError
from mien.expressions import FER2013, VOCABULARIES, Vocabulary

_WORDS = {
    "label": "the label column",
    "names": "the names of the labels",
    "row": "having row ids",
    "usage": "having usages",
    "subject": "having subjects",
    "path": "having paths",
    "votes": "having votes",
    "numbers": "the number columns",
    "about": "mien's description",
}
MOST_LABELS = 128  # a label is an int8
_LABELS = ("label", "labels", "emotion")
_NO_NAMES = (
    "text labels, or the names of the numbers as ClassLabel in the metadata of the file",
    "Write the names out as text, for example with df['label'] = df['label'].map(dict(enumerate(names))).",
)


@dataclass(frozen=True)
class Layout:
    """What is where.

    Attributes:
        label: Name of the label column.
        names: Names of the labels, which are numbers; None where they are text.
        fer2013: Whether it is FER2013 as it was first laid out: ``emotion`` from 0 to 6, usages in Kaggle's spelling.
        row: Whether there are row ids.
        usage: Whether there are usages.
        subject: Whether there are subjects.
        path: Whether pictures may have paths.
        votes: Whether there are FER+ votes.
        numbers: Names of the further number columns.
        about: mien's own description; None where another program wrote the file.
        escaped: Names of the text columns that are percent-encoded.
    """

    label: str
    names: tuple[str, ...] | None
    fer2013: bool
    row: bool
    usage: bool
    subject: bool
    path: bool
    votes: bool
    numbers: tuple[str, ...]
    about: Description | None
    escaped: tuple[str, ...]

    @property
    def columns(self) -> list[str]:
        """Names of the columns to read."""
        optional = {"row": self.row, "usage": self.usage, "subject": self.subject, **dict.fromkeys(VOTES, self.votes)}
        return ["image", self.label, *(name for name, there in optional.items() if there), *self.numbers]

    def number_name(self, column: str) -> str:
        """What a number column is called in the set."""
        return column_name(column) if self.about else column


def layout_of(schema: Any, name: str) -> Layout:
    """Understand a schema.

    Args:
        schema: A ``pyarrow.Schema``.
        name: The file, for error messages.

    Raises:
        DataError: A column is missing, there twice or of another kind; the labels have no names; mien's own description
            is damaged.
    """
    import pyarrow as pa

    kinds = dict(zip(schema.names, schema.types, strict=True))
    if twice := [c for c in kinds if schema.names.count(c) > 1]:
        raise DataError(f"{name}: the column {twice[0]} is there twice", "each column once", "Rename one of them.")
    label = next((c for c in _LABELS if c in kinds), None)
    for column, found in (("image", "image" in kinds), ("label", label)):
        if not found:
            raise DataError(
                f"{name}: the column {column} is missing; it has {', '.join(map(str, kinds))}",
                "the columns image and label (or labels, or emotion)",
                "Rename the column, or check that these are labelled pictures.",
            )
    assert label is not None
    picture = _picture_fields(kinds["image"], name)
    about, escaped = _own(schema, name)
    names = _names(schema, kinds, label, about, name)
    voted = [v for v in VOTES if v in kinds]
    if voted and len(voted) != len(VOTES):
        raise DataError(f"{name}: {len(voted)} votes columns", f"all {len(VOTES)} or none")
    for column in ("row", *voted):
        if column in kinds and not pa.types.is_integer(kinds[column]):
            raise DataError(f"{name}: the column {column} is {kinds[column]}", "whole numbers", "Convert the column.")
    usage, subject = (column in kinds and _is_text(kinds[column]) for column in ("usage", "subject"))
    fer2013 = label == "emotion" and names == FER2013.labels and about is None
    if fer2013 and "usage" in kinds and not usage:
        raise DataError(f"{name}: the column usage is {kinds['usage']}", "text", "Convert the column.")
    taken = {"image", label, "row", *VOTES, *(["usage"] if usage else []), *(["subject"] if subject else [])}
    numbers = tuple(c for c, kind in kinds.items() if c not in taken and _is_number(c, kind))
    return Layout(
        label, names, fer2013, "row" in kinds, usage, subject, "path" in picture, bool(voted), numbers, about, escaped
    )


def check_same(first: Layout, other: Layout, files: tuple[str, str]) -> None:
    """DataError naming both files where they are not laid out alike."""
    for what in (f.name for f in fields(Layout)):
        a, b = getattr(first, what), getattr(other, what)
        if a != b:
            raise DataError(
                f"{files[0]} and {files[1]} differ in {_WORDS.get(what, what)}: {a!s:.150} and {b!s:.150}",
                "the same columns and labels in every file of a folder",
                "Import them one by one.",
            )


def vocabulary_of(labels: Sequence[str], name: str) -> tuple[Vocabulary, list[int]]:
    """A vocabulary for label names, and for each name its index there.

    Names that are a known vocabulary's, in any order and case, give that one; others one of their own.

    Args:
        labels: The names, in their own order.
        name: What a vocabulary of their own is called.
    """
    folded = [label.casefold() for label in labels]
    for known in VOCABULARIES.values():
        order = [label.casefold() for label in known.labels]
        if sorted(order) == sorted(folded):
            return known, [order.index(label) for label in folded]
    return Vocabulary(name, tuple(labels)), list(range(len(labels)))


def check_labels(labels: Sequence[str], name: str) -> None:
    """DataError where names are too many, too few, or repeat."""
    if not labels:
        raise DataError(f"{name}: there are no labels", "at least one", "Check that this is the file with the labels.")
    if len(labels) > MOST_LABELS:
        raise DataError(f"{name}: {len(labels):,} labels", f"at most {MOST_LABELS} classes", "Check the label column.")
    if len(set(labels)) != len(labels):
        raise DataError(f"{name}: two labels have one name: {', '.join(labels)[:200]}", "a name for each label")


def _picture_fields(kind: Any, name: str) -> list[str]:
    """Fields of the image column that are there and right."""
    import pyarrow as pa

    inner = {kind.field(i).name: kind.field(i).type for i in range(kind.num_fields)} if pa.types.is_struct(kind) else {}
    binary = inner.get("bytes")
    if binary is None or not (pa.types.is_binary(binary) or pa.types.is_large_binary(binary)):
        raise DataError(
            f"{name}: the column image is {kind}",
            "a struct with encoded pictures (PNG, JPEG, …) in its field bytes",
            "Save the data set with the package datasets, which embeds the pictures.",
        )
    return ["bytes", *(["path"] if "path" in inner and _is_text(inner["path"]) else [])]


def _own(schema: Any, name: str) -> tuple[Description | None, tuple[str, ...]]:
    """mien's description in the metadata, and which columns are percent-encoded."""
    text = (schema.metadata or {}).get(b"mien")
    if text is None:
        return None, ()
    about = Description.from_json(text, f"{name}: mien's description")
    escaped = json.loads(text).get("escaped")
    if not isinstance(escaped, list) or not set(map(str, escaped)) <= {"usage", "path", "subject"}:
        raise DataError(f"{name}: mien's description is damaged (escaped is {escaped!r:.100})", "names of text columns")
    return about, tuple(escaped)


def _names(
    schema: Any, kinds: dict[str, Any], label: str, about: Description | None, name: str
) -> tuple[str, ...] | None:
    import pyarrow as pa

    if _is_text(kinds[label]):
        return None
    if not pa.types.is_integer(kinds[label]):
        raise DataError(f"{name}: the column {label} is {kinds[label]}", "whole numbers or text", "Convert the column.")
    if about is not None:
        return about.vocabulary.labels
    names = _class_names(schema, label)
    if names is None and label == "emotion":
        return FER2013.labels
    if names is None:
        raise DataError(f"{name}: the column {label} holds numbers without names", *_NO_NAMES)
    check_labels(names, name)
    return names


def _class_names(schema: Any, label: str) -> tuple[str, ...] | None:
    """Names that the package datasets keeps in the metadata; None where there are none."""
    try:
        feature = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"][label]
        names = feature["names"] if feature["_type"] == "ClassLabel" else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return tuple(names) if isinstance(names, list) and all(isinstance(n, str) for n in names) else None


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_number(column: str, kind: Any) -> bool:
    """Whether it is a further number column; the index that pandas adds is none."""
    import pyarrow as pa

    named = column.isascii() and column.isidentifier() and not column.startswith("__index_level_")
    return bool(named and (pa.types.is_integer(kind) or pa.types.is_floating(kind)))
