"""AffectNet-HQ: a folder for each class, and ``labels.csv`` with the columns ``pth``, ``label`` and ``relFCs``."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from mien.data.reading import Faults, Reading
from mien.data.sources.folders import Listing, labels_by_name, relative, subfolders, unwrapped
from mien.data.sources.pictures import listed, reading
from mien.errors import DataError
from mien.expressions import AFFECTNET

ABOUT = "AffectNet-HQ: class folders and labels.csv with pth, label and relFCs"
_LIST = "labels.csv"
_COLUMNS = ("pth", "label", "relfcs")


def recognise(path: Path) -> str | None:
    """Whether it, or the one folder in it, has a ``labels.csv`` with the columns."""
    return "it has a labels.csv with the columns pth, label and relFCs" if unwrapped(path, _has_list) else None


def _has_list(folder: Path) -> bool:
    try:
        with (folder / _LIST).open("rb") as stream:
            line = stream.readline(1000).removeprefix(b"\xef\xbb\xbf").lower()
    except OSError:
        return False
    return set(_COLUMNS) <= {name.strip(' \t\r\n"') for name in line.decode("utf-8", "replace").split(",")}


def read(path: Path, size: int | None, faults: Faults) -> Reading:
    """Read the pictures that ``labels.csv`` lists.

    The label is the one in ``labels.csv``. The release re-labelled many pictures with a model and left them in the
    folder of their old class, so the two differ; the folder is not looked at.

    Args:
        path: The folder that holds ``labels.csv``, or a folder that holds nothing but that one.
        size: Side of the faces, pixels; 48 where None.
        faults: Where wrong lines, pictures that are listed twice, absent, unlisted or unreadable, and empty folders are
            noted.

    Returns:
        The column ``relFCs`` is kept; the one usage is ``all``.

    Raises:
        DataError: There is no ``labels.csv`` with these columns; or something is wrong, unless faults are skipped.
    """
    top = unwrapped(path, _has_list)
    if top is None:
        raise DataError(
            f"{path} {'is a file' if path.is_file() else 'has no labels.csv with the columns pth, label and relFCs'}",
            "a folder that has one, and the class folders beside it",
            "Name the folder that the archive was unpacked to.",
        )
    listing = Listing(path, faults)
    listing.add((top / name, 0, 0) for name in subfolders(top))
    pictures = listed(listing)
    prefix = relative(top, path)
    labels, columns = _labels(path, prefix, pictures.paths, faults)
    pictures = replace(pictures, labels=labels, columns={"relFCs": columns})
    good = pictures.take(np.flatnonzero(labels >= 0))
    return reading("affectnet-hq", path, good, AFFECTNET, ("all",), size, faults, (f"{prefix}{_LIST}",))


def _labels(source: Path, prefix: str, paths: list[str], faults: Faults) -> tuple[np.ndarray, np.ndarray]:
    """Label and relFCs of each picture; the label of one that has no right line in the list is -1."""
    labels, relfcs = np.full(len(paths), -1, np.int8), np.zeros(len(paths))
    known = labels_by_name(AFFECTNET)
    exact = {path: place for place, path in enumerate(paths)}
    loose = {_any_case(path, prefix): place for place, path in enumerate(paths)}
    lines: dict[int, str] = {}
    for where, file, label, number in _lines(source, prefix, faults):
        path = prefix + file
        place = exact.get(path, loose.get(_any_case(path, prefix), -1))
        if place < 0:
            faults.add(source, where, f"{file} is not there", "a picture that is", "Unpack the archive again.")
        elif place in lines:
            faults.add(
                source,
                where,
                f"{file} is there twice, first in {lines[place]}",
                "each picture once",
                "Delete one line.",
            )
        else:
            lines[place] = where
            value = _number(number)
            if label.lower() not in known:
                faults.add(
                    source,
                    where,
                    f"the label of {file} is {label[:40]!r}",
                    f"one of {', '.join(known)}",
                    "Correct the line.",
                )
            elif value is None:
                faults.add(source, where, f"relFCs of {file} is {number[:40]!r}", "a number", "Correct the line.")
            else:
                labels[place], relfcs[place] = known[label.lower()], value
    for place, path in enumerate(paths):
        if place not in lines:
            faults.add(source, path, f"it is not in {_LIST}", "a line for each picture", "Delete it, or add a line.")
    return labels, relfcs


def _any_case(path: str, prefix: str) -> str:
    """The path with its class folder in lower case."""
    folder, slash, rest = path[len(prefix) :].partition("/")
    return f"{prefix}{folder.lower()}{slash}{rest}"


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _lines(source: Path, prefix: str, faults: Faults) -> Iterator[tuple[str, str, str, str]]:
    """Place, picture, label and relFCs of each line of the list."""
    name = f"{prefix}{_LIST}"
    try:
        with (source / name).open(newline="", encoding="utf-8-sig", errors="surrogateescape") as stream:
            lines = csv.reader(stream)
            header = [cell.strip().lower() for cell in next(lines, [])]
            at = [header.index(column) for column in _COLUMNS]
            for cells in lines:
                where = f"{name}, line {lines.line_num}"
                if cells and len(cells) <= max(at):
                    faults.add(
                        source,
                        where,
                        f"{len(cells)} cells",
                        f"{len(header)}",
                        "The file may be cut off: download it again.",
                    )
                elif cells:
                    file, label, number = (cells[i].strip() for i in at)
                    yield where, file.replace("\\", "/").removeprefix("./"), label, number
    except (csv.Error, OSError) as error:
        raise DataError(f"{source / name} cannot be read ({error})", "a CSV file", "Download it again.") from error
