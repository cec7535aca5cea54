"""FER Tiny ("Facial Emotion Recognition Tiny"): ``train``, ``test`` and ``validation`` with 13 class folders each."""

from __future__ import annotations

from pathlib import Path

from mien.data.reading import Faults, Reading
from mien.data.sources.folders import Listing, as_spelt, class_folders, misfit, unwrapped, unwrapped_splits
from mien.data.sources.pictures import listed, reading
from mien.expressions import FER_TINY

ABOUT = "FER Tiny: train, test and validation with the 13 class folders"
_SPLITS = ("train", "test", "validation")


def recognise(path: Path) -> str | None:
    """Whether it, or the one folder in it, holds the splits and they the class folders."""
    found = unwrapped(path, lambda folder: misfit(folder, _SPLITS, FER_TINY) is None)
    return "train, test and validation hold the 13 class folders of FER Tiny" if found else None


def read(path: Path, size: int | None, faults: Faults) -> Reading:
    """Read ``{train,test,validation}/<class>/*``; folder names in either case, classes spelt as in the release.

    Args:
        path: The folder that holds the splits, or a folder that holds nothing but that one.
        size: Side of the faces, pixels; 48 where None.
        faults: Where unreadable pictures and empty folders are noted.

    Raises:
        DataError: The folders are other ones; or something is wrong with a picture, unless faults are skipped.
    """
    top = unwrapped_splits(path, _SPLITS, FER_TINY)
    splits = as_spelt(top, _SPLITS)
    listing = Listing(path, faults)
    listing.add(class_folders(top, splits, FER_TINY))
    return reading("fer-tiny", path, listed(listing), FER_TINY, splits, size, faults)
