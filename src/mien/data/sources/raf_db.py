"""RAF-DB's basic set: a list file with a number for each picture, and the aligned pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mien.data.reading import Faults, Reading
from mien.data.sources.folders import Listing, subfolders
from mien.data.sources.pictures import listed, reading
from mien.errors import DataError
from mien.expressions import RAFDB

ABOUT = "RAF-DB's basic set: EmoLabel/list_patition_label.txt and Image/aligned"
# The first spelling is the release's.
_LISTS = tuple(
    f"{top}{name}.txt" for top in ("EmoLabel/", "") for name in ("list_patition_label", "list_partition_label")
)
_FOLDERS = ("Image/aligned", "aligned")
_USAGES = ("train", "test")
_NUMBERS = {str(i + 1): i for i in range(len(RAFDB))}


class _Place(NamedTuple):
    """Where the set is: both from the source on, with forward slashes."""

    list: str
    pictures: str


def recognise(path: Path) -> str | None:
    """Whether it, its folder ``basic``, or the one folder in it, has the list and the pictures."""
    place = _find(path)
    return f"it has {place.list} and {place.pictures}" if place else None


def _find(path: Path) -> _Place | None:
    inside = subfolders(path)
    tops = [path, path / "basic", *([path / inside[0], path / inside[0] / "basic"] if len(inside) == 1 else [])]
    for top in tops:
        lists = [top / name for name in _LISTS if (top / name).is_file()]
        folders = [top / name for name in _FOLDERS if (top / name).is_dir()]
        if lists and folders:
            return _Place(lists[0].relative_to(path).as_posix(), folders[0].relative_to(path).as_posix())
    return None


def read(path: Path, size: int | None, faults: Faults) -> Reading:
    """Read the pictures that the list names: ``train_00001.jpg 5`` is ``train_00001_aligned.jpg``, or the name itself.

    Args:
        path: The folder that holds ``EmoLabel`` and ``Image``; or the one above it.
        size: Side of the faces, pixels; 48 where None.
        faults: Where wrong lines, and pictures that are listed twice, absent, unlisted or unreadable, are noted.

    Returns:
        The usages are ``train`` and ``test``, from the names.

    Raises:
        DataError: The list or the pictures are not there; or something is wrong, unless faults are skipped.
    """
    place = _find(path)
    if place is None:
        raise DataError(
            f"{path} {'is a file' if path.is_file() else 'does not hold the list and the aligned pictures of RAF-DB'}",
            f"{_LISTS[0]} and {_FOLDERS[0]}",
            "Name the folder that holds EmoLabel and Image, and unpack Image/aligned.zip.",
        )
    listing = Listing(path, faults)
    listing.add([(path / place.pictures, 0, 0)])
    pictures = listed(listing)
    labels, usage = _labels(path, place, pictures.paths, faults)
    good = replace(pictures, labels=labels, usage=usage).take(np.flatnonzero(labels >= 0))
    return reading("raf-db", path, good, RAFDB, _USAGES, size, faults, (place.list,))


def _labels(source: Path, place: _Place, paths: list[str], faults: Faults) -> tuple[np.ndarray, np.ndarray]:
    """Label and usage of each picture; the label of one that has no right line in the list is -1."""
    labels, usage = np.full(len(paths), -1, np.int8), np.zeros(len(paths), np.uint8)
    at = {path: i for i, path in enumerate(paths)}
    lines: dict[int, str] = {}
    for number, line in enumerate(_lines(source / place.list), 1):
        where = f"{place.list}, line {number}"
        cells = line.split()
        split = cells[0].partition("_")[0] if cells else ""
        if not cells:
            continue
        if len(cells) != 2 or split not in _USAGES:
            faults.add(source, where, f"it is {line[:60]!r}", "a line like train_00001.jpg 5", "Correct the line.")
            continue
        name = Path(cells[0])
        names = (f"{place.pictures}/{name.stem}_aligned{name.suffix}", f"{place.pictures}/{name}")
        i = next((at[n] for n in names if n in at), -1)
        if i < 0:
            faults.add(
                source, where, f"{names[0]} is not there", "a picture that is", "Unpack Image/aligned.zip again."
            )
        elif i in lines:
            faults.add(source, where, f"{name} is there twice, first in {lines[i]}", "each once", "Delete one line.")
        else:
            lines[i] = where
            if cells[1] in _NUMBERS:
                labels[i], usage[i] = _NUMBERS[cells[1]], _USAGES.index(split)
            else:
                numbers = f"1 to {len(RAFDB)} ({', '.join(RAFDB.labels)})"
                faults.add(source, where, f"the label of {name} is {cells[1][:40]!r}", numbers, "Correct the line.")
    for i, path in enumerate(paths):
        if i not in lines:
            faults.add(
                source, path, f"it is not in {place.list}", "a line for each picture", "Delete it, or add a line."
            )
    return labels, usage


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig", errors="surrogateescape").splitlines()
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror})", "a text file", "Change its permissions."
        ) from error
