"""CK+48: the extended Cohn-Kanade faces in seven class folders, with the person in the file name."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np

from mien.data.reading import Faults, Reading
from mien.data.sources.folders import Listing, is_picture, labels_by_name, subfolders, unwrapped
from mien.data.sources.pictures import listed, reading
from mien.errors import DataError
from mien.expressions import CKPLUS

ABOUT = "CK+48: 7 class folders of files like S010_004_00000017.png"
_SUBJECT = re.compile(r"(S\d+)_")


def recognise(path: Path) -> str | None:
    """Whether it, or the one folder in it, has the class folders, and they files named after persons."""
    top = unwrapped(path, _holds_classes)
    if top is None or not _named_after_persons(top / subfolders(top)[0]):
        return None
    return "it has the 7 class folders of CK+48, and files named after a person, such as S010"


def _holds_classes(folder: Path) -> bool:
    return sorted(name.lower() for name in subfolders(folder)) == sorted(CKPLUS.labels)


def _named_after_persons(folder: Path) -> bool:
    try:
        with os.scandir(folder) as entries:
            return any(_SUBJECT.match(e.name) for e in islice(entries, 100) if is_picture(e.name))
    except OSError:
        return False


def read(path: Path, size: int | None, faults: Faults) -> Reading:
    """Read ``<class>/S010_004_00000017.png``; folder names in either case.

    Args:
        path: The folder that holds the class folders, or a folder that holds nothing but that one.
        size: Side of the faces, pixels; 48 where None.
        faults: Where pictures that are unreadable or name no person, and empty folders, are noted.

    Returns:
        Subjects are the part of the file name before the first ``_``, such as ``S010``; the one usage is ``all``.

    Raises:
        DataError: The folders are other ones; or something is wrong with a picture, unless faults are skipped.
    """
    top = unwrapped(path, _holds_classes)
    if top is None:
        raise DataError(
            f"{path} {'is a file' if path.is_file() else 'does not hold the seven folders of CK+48 and no others'}",
            f"the folders {', '.join(CKPLUS.labels)}",
            "If it is another tree with a folder for each class: --as class-folders.",
        )
    listing = Listing(path, faults)
    labels = labels_by_name(CKPLUS)
    listing.add((top / name, labels[name.lower()], 0) for name in subfolders(top))
    pictures = listed(listing)
    found = [_SUBJECT.match(file[file.rfind("/") + 1 :]) for file in pictures.paths]
    for file, match in zip(pictures.paths, found, strict=True):
        if match is None:
            faults.add(
                path,
                file,
                "the name does not begin with a person",
                "a name like S010_004_00000017.png",
                "Rename or delete the file.",
            )
    pictures = replace(pictures, subjects=[match[1] if match else "" for match in found])
    named = np.array([i for i, match in enumerate(found) if match], np.int64)
    return reading("ck+48", path, pictures.take(named), CKPLUS, ("all",), size, faults)
