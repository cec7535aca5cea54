"""Data sets: readers, the packed store, splits. Nothing here needs torch."""

from mien.data.reading import Fault, Faults, Reading, gather, pack, skipped_file
from mien.data.sources import SOURCES, begin, open_faces, read, recognise
from mien.data.splits import Split, identical_groups, official
from mien.data.store import USAGES, FaceSet, Provenance, load, save

__all__ = [
    "SOURCES",
    "USAGES",
    "FaceSet",
    "Fault",
    "Faults",
    "Provenance",
    "Reading",
    "Split",
    "begin",
    "gather",
    "identical_groups",
    "load",
    "official",
    "open_faces",
    "pack",
    "read",
    "recognise",
    "save",
    "skipped_file",
]
