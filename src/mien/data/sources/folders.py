"""What lies in the folders of a data set: names only, nothing is opened."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mien.data.reading import Faults
from mien.errors import DataError
from mien.expressions import Vocabulary
from mien.images import SUFFIXES

# What macOS adds to an archive.
_NO_DATA = "__MACOSX"


def source_name(path: Path) -> str:
    """Name of a source folder, also where it was given as ``.``."""
    return path.name or path.resolve().name or str(path)


def subfolders(folder: Path) -> list[str]:
    """Names of the folders in a folder, sorted, without hidden ones; none where it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            return sorted(e.name for e in entries if _is_visible_folder(e))
    except OSError:
        return []


def has_pictures(folder: Path, depth: int = 0) -> bool:
    """Whether a picture is in a folder, or down to so many folders below; unreadable ones have none."""
    try:
        with os.scandir(folder) as entries:
            if any(is_picture(e.name) for e in entries):
                return True
    except OSError:
        return False
    return depth > 0 and any(has_pictures(folder / name, depth - 1) for name in subfolders(folder))


def is_picture(name: str) -> bool:
    """Whether a file of this name is taken for a picture."""
    return name[name.rfind(".") :].lower() in SUFFIXES and name[0] != "."


def is_text(name: str) -> bool:
    """Whether a name can be written down; on some disks any bytes are a name."""
    return name.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in name)


def unwrapped(path: Path, fits: Callable[[Path], bool]) -> Path | None:
    """The folder itself if it fits; else its only sub-folder, as archives make it, if that does."""
    if fits(path):
        return path
    inside = subfolders(path)
    return path / inside[0] if len(inside) == 1 and fits(path / inside[0]) else None


def relative(path: Path, top: Path) -> str:
    """What to put before the name of a file in ``path`` to name it from ``top``: empty, or ends with a slash."""
    name = path.relative_to(top).as_posix()
    return "" if name == "." else f"{name}/"


def labels_by_name(vocabulary: Vocabulary) -> dict[str, int]:
    """Label of each folder name, in lower case."""
    return {name.lower(): i for i, name in enumerate(vocabulary.labels)}


def misfit(folder: Path, splits: Sequence[str], vocabulary: Vocabulary) -> str | None:
    """Why a folder does not hold these splits and they the class folders, in either case; None where it does.

    A class may be missing from a split, but not from all; what belongs to neither is a misfit.
    """
    names = subfolders(folder)
    if missing := [s for s in splits if s not in (n.lower() for n in names)]:
        return f"there is no folder {missing[0]}"
    if len(names) > len(splits):
        extra = next((n for n in names if n.lower() not in splits), names[0])
        return f"the folder {extra} is no split, or is there twice"
    known = set(labels_by_name(vocabulary))
    classes = {f"{name}/{c}": c.lower() for name in names for c in subfolders(folder / name)}
    if unknown := [path for path, c in classes.items() if c not in known]:
        return f"the folder {unknown[0]} is no class of {vocabulary.name}"
    if missing := sorted(known - set(classes.values())):
        return f"no split has the class folder {missing[0]}"
    return None


def unwrapped_splits(path: Path, splits: Sequence[str], vocabulary: Vocabulary) -> Path:
    """The folder that holds the splits: the source or its only sub-folder.

    Raises:
        DataError: Neither does; says why.
    """
    if top := unwrapped(path, lambda folder: misfit(folder, splits, vocabulary) is None):
        return top
    inside = subfolders(path)
    why = misfit(path / inside[0] if len(inside) == 1 else path, splits, vocabulary)
    raise DataError(
        f"{path}: {'this is a file' if path.is_file() else why}",
        f"the folders {', '.join(splits)}, and in them {', '.join(vocabulary.labels)}",
        "If it is another tree with a folder for each class: --as class-folders.",
    )


def as_spelt(folder: Path, splits: Sequence[str]) -> tuple[str, ...]:
    """Names of the folders of these splits, in this order."""
    names = {name.lower(): name for name in subfolders(folder)}
    return tuple(names[split] for split in splits)


def class_folders(top: Path, splits: Sequence[str], vocabulary: Vocabulary) -> Iterator[tuple[Path, int, int]]:
    """The class folders in split folders, each with its label and the place of its split."""
    labels = labels_by_name(vocabulary)
    for usage, split in enumerate(splits):
        yield from ((top / split / c, labels[c.lower()], usage) for c in subfolders(top / split))


@dataclass
class Listing:
    """Picture files of a source, by class folder.

    Attributes:
        source: The source.
        faults: Where a folder that is empty or cannot be read is noted.
        files: Path from the source, with forward slashes → place in ``marks`` of its class folder.
        marks: Label and usage of each class folder.
    """

    source: Path
    faults: Faults
    files: dict[str, int] = field(default_factory=dict)
    marks: list[tuple[int, int]] = field(default_factory=list)
    _walked: set[tuple[int, int]] = field(default_factory=set)

    def add(self, folders: Iterable[tuple[Path, int, int]]) -> set[int]:
        """List the pictures in class folders and below.

        Links to folders are followed; none is walked twice, nor one of these folders and those above them.

        Args:
            folders: Each with its label and its usage.

        Returns:
            The labels that have pictures. Noted as wrong is every folder without any.
        """
        folders, labels = list(folders), set()
        inside = {f for folder, _, _ in folders for f in (folder, *folder.parents) if f.is_relative_to(self.source)}
        self._walked.update(map(_identity, inside))
        for folder, label, usage in folders:
            prefix, count, noted = relative(folder, self.source), len(self.files), len(self.faults.found)
            self.files.update(dict.fromkeys(self._walk(folder, prefix), len(self.marks)))
            self.marks.append((label, usage))
            if len(self.files) > count:
                labels.add(label)
            elif len(self.faults.found) == noted:  # else it could not be read
                self.faults.add(
                    self.source,
                    prefix,
                    "there are no pictures in this folder",
                    "pictures in every class folder",
                    "Remove the folder, or unpack the archive again.",
                )
        return labels

    def _walk(self, folder: Path, prefix: str) -> list[str]:
        found: list[str] = []
        inside: list[str] = []
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    name = entry.name
                    if is_picture(name) and _is_file(entry):
                        if is_text(name) or self._note_name(prefix, name):
                            found.append(prefix + name)
                    elif _is_visible_folder(entry) and (is_text(name) or self._note_name(prefix, f"{name}/")):
                        inside.append(name)
        except OSError as error:
            self.faults.add(
                self.source,
                prefix,
                f"the folder cannot be read ({error.strerror})",
                "a folder that can be read",
                "Change its permissions.",
            )
        for name in sorted(inside):
            if (identity := _identity(folder / name)) not in self._walked:
                self._walked.add(identity)
                found += self._walk(folder / name, f"{prefix}{name}/")
        return found

    def _note_name(self, prefix: str, name: str) -> bool:
        where = prefix + name.encode("utf-8", "backslashreplace").decode()
        self.faults.add(self.source, where, "the name is no text", "a name in UTF-8", "Rename it.")
        return False


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _is_visible_folder(entry: os.DirEntry[str]) -> bool:
    if entry.name.startswith(".") or entry.name == _NO_DATA:
        return False
    try:
        return entry.is_dir()
    except OSError:  # a link to itself, or one to where reading is not permitted
        return False


def _is_file(entry: os.DirEntry[str]) -> bool:
    """Also a link that leads nowhere: it is named as unreadable later, not left out without a word."""
    try:
        return entry.is_file() or (entry.is_symlink() and not Path(entry.path).exists())
    except OSError:
        return True
