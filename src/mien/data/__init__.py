"""Data sets: readers, the packed store, statistics, splits, balance, audit, export. Nothing here needs torch."""

from mien.data.agreement import Agreement, agreement
from mien.data.audit import audit
from mien.data.balance import balance, balanced_order, reproduce_leak
from mien.data.cleaning import fix
from mien.data.duplicates import Nearness
from mien.data.export import FORMS, export
from mien.data.findings import Audit
from mien.data.own import own_split
from mien.data.reading import Chunk, Fault, Faults, Reading, gather, pack, skipped_file
from mien.data.relabel import relabel, relabelled
from mien.data.sources import SOURCES, begin, open_faces, read, recognise
from mien.data.sources.ferplus_csv import join
from mien.data.splits import Split, by_subject, folds, identical_groups, official, stratified
from mien.data.statistics import Statistics, statistics
from mien.data.store import USAGES, FaceSet, Provenance, load, save

__all__ = [
    "FORMS",
    "SOURCES",
    "USAGES",
    "Agreement",
    "Audit",
    "Chunk",
    "FaceSet",
    "Fault",
    "Faults",
    "Nearness",
    "Provenance",
    "Reading",
    "Split",
    "Statistics",
    "agreement",
    "audit",
    "balance",
    "balanced_order",
    "begin",
    "by_subject",
    "export",
    "fix",
    "folds",
    "gather",
    "identical_groups",
    "join",
    "load",
    "official",
    "open_faces",
    "own_split",
    "pack",
    "read",
    "recognise",
    "relabel",
    "relabelled",
    "reproduce_leak",
    "save",
    "skipped_file",
    "statistics",
    "stratified",
]
