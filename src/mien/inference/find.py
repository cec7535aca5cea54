"""Files from the paths, folders and patterns that people type."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mien.images import SUFFIXES


@dataclass(frozen=True, slots=True)
class Found:
    """One file to read, or one thing that led to none.

    Attributes:
        path: The file; or the folder, path or pattern that led to none.
        error: Why there is no file; None where there is one.
    """

    path: Path
    error: str | None = None


def find_images(paths: Sequence[str | os.PathLike[str]]) -> Iterator[Found]:
    """Expand files, folders and patterns, in the order given, without yielding a path twice.

    A file is yielded whatever its name. Of a folder, the files with a suffix in ``SUFFIXES`` (in either case) are
    yielded, sorted, and then those of its sub-folders; names that begin with a dot are left out, and a folder that was
    walked already is not walked again, so links may form loops. A pattern (``*``, ``?``, ``[…]``, and ``**`` for any
    number of folders) stands for the folders and files that it matches: those with a suffix in ``SUFFIXES``, unless it
    spells out a suffix itself (``*.dat``). A path that exists is never read as a pattern. What leads to no file is
    yielded with an error.

    Held in memory are the names in one folder at a time, and the files that were given or matched one by one.
    """
    search = _Search(set(), set())
    for given in paths:
        text = os.fspath(given)
        if not text:
            yield Found(Path(text), "an empty path; expected a file, a folder or a pattern")
        elif os.path.lexists(text):
            yield from search.expand(Path(text))
        elif _has_wildcard(text):
            yield from search.expand_pattern(Path(text))
        else:
            yield Found(Path(text), f"{text}: there is no such file or folder")


# Device and number of a folder, links followed; None where it cannot be asked.
_Identity = tuple[int, int] | None


@dataclass
class _Search:
    """What was met so far.

    Attributes:
        files: Files that were given or matched, by folder and name.
        folders: Folders that were walked.
    """

    files: set[tuple[_Identity, str]]
    folders: set[_Identity]

    def expand(self, path: Path) -> Iterator[Found]:
        """A path that exists."""
        if not _is_folder(path):
            yield from self.file(path)
            return
        empty = True
        for found in self.walk(path):
            empty = False
            if found is not None:
                yield found
        if empty:
            yield Found(
                path,
                f"{path}: there are no pictures in this folder; expected files named {', '.join(sorted(SUFFIXES))}",
            )

    def expand_pattern(self, pattern: Path) -> Iterator[Found]:
        """A path with wildcards in it."""
        spelt_out = bool(pattern.suffix) and not _has_wildcard(pattern.suffix)
        anchor = Path(pattern.anchor)
        empty = True
        for path in _matches(anchor, pattern.relative_to(anchor).parts):
            if _is_folder(path):
                for found in self.walk(path):
                    empty = False
                    if found is not None:
                        yield found
            elif spelt_out or path.suffix.lower() in SUFFIXES:
                empty = False
                yield from self.file(path)
        if empty:
            yield Found(pattern, f"{pattern}: this pattern matches no picture")

    def file(self, path: Path) -> Iterator[Found]:
        """A file, unless it was met."""
        folder = _identity(path.parent)
        key = (folder, path.name if folder else str(path))
        if key not in self.files and not (folder in self.folders and _is_picture(path.name)):
            self.files.add(key)
            yield Found(path)

    def walk(self, top: Path) -> Iterator[Found | None]:
        """Pictures in a folder and below; None stands for one, or for a folder, that was met before."""
        pending = [top]
        while pending:
            folder = pending.pop()
            identity = _identity(folder)
            if identity in self.folders:
                yield None
                continue
            try:
                folders, names = _listed(folder)
            except OSError as error:
                yield Found(folder, f"{folder}: the folder cannot be read ({error.strerror})")
                continue
            if identity:
                self.folders.add(identity)
            for name in names:
                yield None if (identity, name) in self.files else Found(folder / name)
            pending += [folder / name for name in reversed(folders)]


def _has_wildcard(text: str) -> bool:
    return any(c in text for c in "*?[")


def _is_picture(name: str) -> bool:
    return not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES


def _is_folder(entry: Path | os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself, or one to where reading is not permitted
        return False


def _identity(folder: Path) -> _Identity:
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _listed(folder: Path) -> tuple[list[str], list[str]]:
    """Names of sub-folders and of pictures in a folder, each sorted; a dead link counts as a file."""
    folders, names = [], []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if _is_folder(entry):
                folders.append(entry.name)
            elif _is_picture(entry.name) and (entry.is_symlink() or entry.is_file()):
                names.append(entry.name)
    return sorted(folders), sorted(names)


def _matches(folder: Path, parts: tuple[str, ...]) -> Iterator[Path]:
    """Paths under a folder that match the parts of a pattern, sorted folder by folder; ``**`` follows no links."""
    if not parts:
        yield folder
        return
    part, rest = parts[0], parts[1:]
    if not _has_wildcard(part):
        if os.path.lexists(folder / part):
            yield from _matches(folder / part, rest)
        return
    try:
        with os.scandir(folder) as entries:
            found = sorted(
                (e.name, _is_folder(e), e.is_symlink())
                for e in entries
                if part.startswith(".") or not e.name.startswith(".")
            )
    except OSError:
        return
    if part == "**":
        yield from _matches(folder, rest)
        for name, is_folder, is_link in found:
            if is_folder and not is_link:
                yield from _matches(folder / name, parts)
        return
    for name, is_folder, _ in found:
        if fnmatch.fnmatch(name, part) and (is_folder or not rest):
            yield from _matches(folder / name, rest)
