"""Faces to the forms that other programs read. ``sources`` reads each of them back, to the same set."""

from __future__ import annotations

import csv
import json
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote_from_bytes

import cv2
import numpy as np

from mien.data.listing import VOTES, Description, batches, column_header, fields
from mien.data.splits import Split
from mien.data.store import USAGES, FaceSet
from mien.errors import DataError, MissingExtraError, OutputError
from mien.expressions import FER2013
from mien.files import staged_file, staged_folder

_NUMBERS = tuple(map(str, range(256)))
# What a folder's name cannot hold on one system or another; a dot is escaped only where it leads or ends.
_NOT_IN_NAMES = frozenset('/\\<>:"|?*%\x7f') | frozenset(map(chr, range(32)))


@dataclass(frozen=True)
class _Chosen:
    """What is to be written.

    Attributes:
        faces: The whole set.
        at: (n,) positions in it, rising.
        usage: (n,) uint8, index into ``usages``.
        usages: The set's own, or the parts of a split.
    """

    faces: FaceSet
    at: np.ndarray
    usage: np.ndarray
    usages: tuple[str, ...]

    @property
    def about(self) -> Description:
        return Description(self.faces.size, self.faces.vocabulary, self.usages)

    @cached_property
    def voted(self) -> bool:
        return bool(self.faces.votes[self.at].any())

    def parts(self) -> Iterator[FaceSet]:
        """A few faces at a time: they may be memory-mapped, and more than memory holds."""
        for part in batches(len(self.at), self.faces.size):
            yield replace(self.faces.take(self.at[part]), usage=self.usage[part], usages=self.usages)


def export(faces: FaceSet, target: Path, form: str, split: Split | None = None) -> None:
    """Write faces in a form that other programs read, whole or not at all.

    ``csv`` is Kaggle's ``emotion,pixels,Usage`` where that says all there is: FER2013's labels and usages, 48×48,
    rows from 0 on, and no votes, paths, subjects or further columns. Else it is a table of its own, with labels and
    usages by name and the pixels as numbers in the last column, and a description in ``TARGET.json``.

    ``folders`` is ``TARGET/<usage>/<label>/<row>.png``, with ``labels.csv`` and a description in ``mien.json``. A name
    that cannot be a folder's is percent-encoded (see ``folder_name``).

    ``parquet`` is the Hugging Face layout: ``image`` is a struct of PNG ``bytes`` and ``path``, ``label`` a number with
    its names in the metadata, so that ``datasets.load_dataset`` shows them.

    Args:
        faces: What to write.
        target: File or folder to make; must not exist.
        form: Key of ``FORMS``.
        split: Write the faces of its parts only, and the part as the usage. A row that was repeated to balance the
            classes is written once.

    Raises:
        DataError: No such form; ``target`` exists; the split belongs to other data, or is leaked; a text in the set
            cannot be written in UTF-8.
        OutputError: The disk is full, or ``target`` cannot be written. Nothing is left there then.
        MissingExtraError: Parquet without pyarrow.
    """
    if form not in FORMS:
        raise DataError(f"there is no form named {form!r}", f"one of {', '.join(FORMS)}")
    if target.exists():
        raise DataError(f"{target} exists already", "a new name", "Remove it or name another.")
    chosen = _chosen(faces, split)
    _check_names(chosen)
    try:
        FORMS[form](chosen, target)
    except OSError as error:
        raise OutputError(
            f"{target} cannot be written ({error.strerror or error})",
            "room on the disk and a folder you may write to",
            "Nothing was left behind: make room or name another place, and export again.",
        ) from error


def _chosen(faces: FaceSet, split: Split | None) -> _Chosen:
    if split is None:
        return _Chosen(faces, np.arange(len(faces)), faces.usage, faces.usages)
    split.check(faces)
    if split.leaked:
        raise DataError(
            f"the split {split.name!r} is leaked: {split.leaked}",
            "a sound one",
            "It is not written out: what is read from there could not be told from a sound one.",
        )
    once = [np.unique(rows) for rows in split.parts.values()]
    part = np.repeat(np.arange(len(once), dtype=np.uint8), [len(rows) for rows in once])
    at = faces.positions(np.concatenate(once))
    order = np.argsort(at)
    return _Chosen(faces, at[order], part[order], tuple(split.parts))


def _check_names(chosen: _Chosen) -> None:
    """DataError for what the description or UTF-8 cannot say, so that what is read back is what was written."""
    faces = chosen.faces
    try:
        texts = [*chosen.about.vocabulary.labels, *chosen.usages]
    except ValueError as error:
        raise DataError(f"{faces.provenance.source}: {error}", "1 to 128 labels and usages that differ") from error
    for text in ("\n".join(t) for t in (texts, faces.paths, faces.subjects) if t is not None):
        try:
            same = text.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape") == text
        except UnicodeEncodeError:
            same = False
        if not same:
            raise DataError(
                f"{faces.provenance.source}: a label, usage, path or subject is no text that UTF-8 can say",
                "whole characters, or the bytes of a file name",
                "Rename it in the source, and import that again.",
            )


# ---- CSV


def _csv(chosen: _Chosen, target: Path) -> None:
    if _is_kaggle(chosen):
        with staged_file(target) as stage, stage.open("w", encoding="ascii", newline="") as stream:
            stream.write("emotion,pixels,Usage\r\n")
            for part in chosen.parts():
                for face, label, usage in zip(part.faces, part.labels.tolist(), part.usage.tolist(), strict=True):
                    stream.write(f"{label},{_pixels(face)},{USAGES[usage]}\r\n")
        return
    beside = target.with_name(f"{target.name}.json")
    if beside.exists():
        raise DataError(f"{beside} exists already", "a new name: it goes with the CSV", "Remove it or name another.")
    with _removed_on_failure(beside), staged_file(target) as stage, staged_file(beside) as about:
        with stage.open("w", encoding="utf-8", errors="surrogateescape", newline="") as stream:
            _write_table(stream, chosen, "pixels", lambda part: map(_pixels, part.faces))
        about.write_text(chosen.about.to_json() + "\n", encoding="ascii")


def _is_kaggle(chosen: _Chosen) -> bool:
    """Whether Kaggle's three columns say all there is."""
    faces = chosen.faces
    return (
        (faces.vocabulary, faces.size, chosen.usages) == (FER2013, 48, USAGES)
        and np.array_equal(faces.rows[chosen.at], np.arange(len(chosen.at)))
        and not (chosen.voted or faces.columns)
        and faces.paths is None
        and faces.subjects is None
    )


def _pixels(face: np.ndarray) -> str:
    return " ".join(map(_NUMBERS.__getitem__, face.ravel().tolist()))


@contextmanager
def _removed_on_failure(path: Path) -> Iterator[None]:
    """A file that is there already when the last step fails goes too."""
    try:
        yield
    except BaseException:
        with suppress(OSError):
            path.unlink()
        raise


def _write_table(
    stream: IO[str], chosen: _Chosen, picture: str, cells: Callable[[FaceSet], Iterator[str]], second: bool = False
) -> None:
    """Header and rows of the table.

    Args:
        stream: Where to.
        chosen: What.
        picture: Name of the column that stands for the picture.
        cells: Gives that column of a few faces.
        second: Whether it is the second column; else it is the last.
    """
    writer = csv.writer(stream)
    for number, part in enumerate(chosen.parts()):
        table = fields(part, chosen.voted)
        names, values = list(table), list(table.values())
        at = 1 if second else len(names)
        names.insert(at, picture)
        values.insert(at, list(cells(part)))
        if not number:
            writer.writerow(names)
        writer.writerows(zip(*values, strict=True))


# ---- folders


def _folders(chosen: _Chosen, target: Path) -> None:
    usages = [folder_name(name, chosen.usages[:i]) for i, name in enumerate(chosen.usages)]
    every = chosen.faces.vocabulary.labels
    labels = [folder_name(name, every[:i]) for i, name in enumerate(every)]
    with staged_folder(target) as stage:
        for usage in np.unique(chosen.usage):
            for label in labels:
                (stage / usages[usage] / label).mkdir(parents=True)

        def write(part: FaceSet) -> Iterator[str]:
            for face, row, label, usage in zip(part.faces, part.rows, part.labels, part.usage, strict=True):
                name = f"{usages[usage]}/{labels[label]}/{row:07d}.png"
                (stage / name).write_bytes(_png(face))
                yield name

        with (stage / "labels.csv").open("w", encoding="utf-8", errors="surrogateescape", newline="") as stream:
            _write_table(stream, chosen, "file", write, second=True)
        (stage / "mien.json").write_text(chosen.about.to_json() + "\n", encoding="ascii")


def folder_name(name: str, earlier: tuple[str, ...] = ()) -> str:
    """A folder's name for a label or usage: the name itself where it can be one, else percent-encoded.

    What cannot stand in a folder's name becomes ``%XX``, the hexadecimal bytes of its UTF-8; so does a leading dot, a
    dot or space at the end, and the whole of a name that differs from an earlier one in case only, which some file
    systems take for the same. The empty name is ``%``. ``urllib.parse.unquote`` gives the name back.

    Args:
        name: The label or usage.
        earlier: Those before it.
    """
    same = _folded(name) in map(_folded, earlier)
    last = len(name) - 1

    def wrong(i: int, c: str) -> bool:
        return c in _NOT_IN_NAMES or "\ud800" <= c <= "\udfff" or (i == 0 and c == ".") or (i == last and c in ". ")

    return "".join(_escaped(c) if same or wrong(i, c) else c for i, c in enumerate(name)) or "%"


def _folded(name: str) -> str:
    """The same for names that a file system may take for one: in case, or in how an accent is put together."""
    return unicodedata.normalize("NFC", name.casefold())


def _escaped(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogateescape"))


def _png(face: np.ndarray) -> bytes:
    return cv2.imencode(".png", face)[1].tobytes()


# ---- parquet


def _parquet(chosen: _Chosen, target: Path) -> None:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise MissingExtraError("pyarrow", "table", "Writing .parquet files") from None
    faces = chosen.faces
    fixed = {
        "row": pa.int32(),
        "image": pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
        "label": pa.int64(),
        "usage": pa.string(),
        **({} if faces.subjects is None else {"subject": pa.string()}),
        **(dict.fromkeys(VOTES, pa.uint8()) if chosen.voted else {}),
    }
    schema = pa.schema({**fixed, **{column_header(name): pa.float64() for name in faces.columns}})
    escaped = _escaped_texts(chosen)
    # What the package datasets reads; its ClassLabel is a number whose names are here.
    features: dict[str, object] = {
        name: {"dtype": {"double": "float64"}.get(str(kind), str(kind)), "_type": "Value"}
        for name, kind in zip(schema.names, schema.types, strict=True)
    }
    features["image"] = {"_type": "Image"}
    features["label"] = {"names": list(faces.vocabulary.labels), "_type": "ClassLabel"}
    about = {**json.loads(chosen.about.to_json()), "escaped": escaped}
    schema = schema.with_metadata(
        {"huggingface": json.dumps({"info": {"features": features}}), "mien": json.dumps(about)}
    )
    with staged_file(target) as stage, stage.open("wb") as stream, pq.ParquetWriter(stream, schema) as writer:
        for part in chosen.parts():
            writer.write_table(pa.table(_arrays(part, chosen.voted, escaped, schema), schema=schema))


def _arrays(part: FaceSet, voted: bool, escaped: list[str], schema: Any) -> dict[str, Any]:
    """Columns of a few faces, as pyarrow's arrays."""
    import pyarrow as pa

    table = fields(part, voted)
    for name in escaped:
        table[name] = [_escaped_text(str(text)) for text in table[name]]
    pictures = pa.array([_png(face) for face in part.faces], pa.binary())
    paths = pa.array(table.get("path", [None] * len(part)), pa.string())
    image = pa.StructArray.from_arrays([pictures, paths], names=["bytes", "path"])
    table["label"] = part.labels.tolist()
    return {n: image if n == "image" else pa.array(table[n], schema.field(n).type) for n in schema.names}


def _escaped_texts(chosen: _Chosen) -> list[str]:
    """Names of the columns in which a text holds bytes that are no UTF-8: parquet has no other text."""
    faces = chosen.faces
    texts = {"usage": chosen.usages, "path": faces.paths, "subject": faces.subjects}
    return [n for n, t in texts.items() if t is not None and any("\udc80" <= c <= "\udcff" for c in "".join(t))]


def _escaped_text(text: str) -> str:
    return quote_from_bytes(text.encode("utf-8", "surrogateescape"), safe="/ ")


FORMS: dict[str, Callable[[_Chosen, Path], None]] = {"csv": _csv, "folders": _folders, "parquet": _parquet}
