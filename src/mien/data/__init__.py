"""Data sets: readers, the packed store, splits. Nothing here needs torch."""

from mien.data.sources import open_faces, read
from mien.data.splits import Split, identical_groups, official
from mien.data.store import USAGES, FaceSet, Provenance, load, save

__all__ = [
    "USAGES",
    "FaceSet",
    "Provenance",
    "Split",
    "identical_groups",
    "load",
    "official",
    "open_faces",
    "read",
    "save",
]
