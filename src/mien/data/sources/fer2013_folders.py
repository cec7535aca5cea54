"""FER2013 as Kaggle's folders of pictures: ``train`` and ``test``, and in each a folder for each class."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from mien.data.reading import Faults, Reading
from mien.data.sources.folders import Listing, as_spelt, class_folders, misfit, unwrapped, unwrapped_splits
from mien.data.sources.pictures import listed, reading
from mien.data.store import USAGES
from mien.expressions import FER2013

ABOUT = "FER2013 as folders: train and test with the 7 class folders"
_SPLITS = ("train", "test")
# The release puts PublicTest and PrivateTest together into its folder test.
_PLACES = {usage: i for i, usage in enumerate(USAGES)}


def recognise(path: Path) -> str | None:
    """Whether it, or the one folder in it, holds the splits and they the class folders."""
    found = unwrapped(path, lambda folder: misfit(folder, _SPLITS, FER2013) is None)
    return "train and test hold the 7 class folders of FER2013" if found else None


def read(path: Path, size: int | None, faults: Faults) -> Reading:
    """Read ``{train,test}/<class>/*``; folder names in either case.

    Where every file in ``test`` has a name that begins with ``Training_``, ``PublicTest_`` or ``PrivateTest_``, as in
    the release, that is its usage, and a file in ``train`` is Training. Else the usages are the names of the folders.

    Args:
        path: The folder that holds ``train`` and ``test``, or a folder that holds nothing but that one.
        size: Side of the faces, pixels; 48 where None.
        faults: Where pictures that are unreadable or in the wrong folder, and empty folders, are noted.

    Raises:
        DataError: The folders are other ones; or something is wrong with a picture, unless faults are skipped.
    """
    top = unwrapped_splits(path, _SPLITS, FER2013)
    splits = as_spelt(top, _SPLITS)
    listing = Listing(path, faults)
    listing.add(class_folders(top, splits, FER2013))
    pictures = listed(listing)
    # Place in USAGES of what each file name begins with; -1 where that is something else.
    begin = [_PLACES.get(file.rpartition("/")[2].partition("_")[0], -1) for file in pictures.paths]
    named = np.array(begin, np.int64)
    train = pictures.usage == 0
    wrong = (named >= 0) & ((named == 0) != train)
    for i in np.flatnonzero(wrong):
        faults.add(
            path,
            pictures.paths[i],
            f"by its name it is {USAGES[named[i]]}, but it lies in {splits[pictures.usage[i]]}",
            "Training in train, PublicTest and PrivateTest in test",
            "Unpack the archive again, or delete the file.",
        )
    usages: tuple[str, ...] = splits
    if not train.all() and (named[~train] >= 0).all():
        usages = USAGES
        pictures = replace(pictures, usage=np.where(train, 0, named).astype(np.uint8))
    if wrong.any():
        pictures = pictures.take(np.flatnonzero(~wrong))
    return reading("fer2013-folders", path, pictures, FER2013, usages, size, faults)
