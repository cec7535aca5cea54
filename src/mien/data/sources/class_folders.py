"""Any tree with a folder for each class, in folders for splits or not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mien.data.reading import Faults, Reading
from mien.data.sources.folders import Listing, has_pictures, is_text, labels_by_name, relative, source_name, subfolders
from mien.data.sources.pictures import listed, reading
from mien.errors import DataError
from mien.expressions import VOCABULARIES, Vocabulary

ABOUT = "any tree with a folder for each class, such as happy/*.jpg or train/happy/*.jpg"
# What folders of splits are called, in the order in which usages are given.
_SPLITS = ("train", "training", "val", "valid", "validation", "dev", "test", "testing")
_MOST_CLASSES = 127  # labels are int8
_MOST_SPLITS = 256  # usages are uint8


@dataclass(frozen=True)
class _Tree:
    """Class folders of a source.

    Attributes:
        top: The folder that holds them or the splits.
        splits: Names of the folders of splits; empty where there are none.
        classes: Names of the class folders, each once, sorted.
        strays: Folders beside the splits that are none.
    """

    top: Path
    splits: tuple[str, ...]
    classes: tuple[str, ...]
    strays: tuple[str, ...] = ()


def recognise(path: Path) -> str | None:
    """Whether it holds at least two class folders, and one of them pictures; in known classes also deeper ones."""
    tree = _tree(path)
    if tree is None or len(tree.classes) < 2:
        return None
    depth = 2 if _known(tree.classes) else 0  # else a folder of several data sets would be one
    if not any(has_pictures(folder, depth) for folder, _, _ in _folders(tree)[:20]):
        return None
    some = f"{', '.join(tree.classes[:8])}{' …' if len(tree.classes) > 8 else ''}"
    where = f"{', '.join(tree.splits[:4])}{' …' if len(tree.splits) > 4 else ''}" or "it"
    return f"{where} {'hold' if len(tree.splits) > 1 else 'holds'} {len(tree.classes)} class folders: {some}"


def _tree(path: Path, wrapped: bool = True) -> _Tree | None:
    """The class folders; None where there are no folders.

    Folders named like splits are splits if there are folders in them. So are folders of any names that hold the same
    folders and no pictures, unless they are named like expressions. A folder that holds nothing but one other is looked
    through, if that holds several.
    """
    names = subfolders(path)
    splits = [name for name in names if name.lower() in _SPLITS and subfolders(path / name)]
    if not splits and len(names) > 1 and not _known(names) and not any(has_pictures(path / name) for name in names):
        inside = [subfolders(path / name) for name in names]
        splits = names if inside[0] and all(folders == inside[0] for folders in inside) else []
    if splits:
        splits.sort(key=lambda name: (_SPLITS.index(name.lower()) if name.lower() in _SPLITS else 0, name))
        classes = sorted({name for split in splits for name in subfolders(path / split)})
        return _Tree(path, tuple(splits), tuple(classes), tuple(name for name in names if name not in splits))
    inner = _tree(path / names[0], wrapped=False) if len(names) == 1 and wrapped else None
    if inner and (inner.splits or len(inner.classes) > 1):
        return inner
    return _Tree(path, (), tuple(names)) if names else None


def _known(names: Iterable[str]) -> Vocabulary | None:
    """The vocabulary of mien's with these labels, in either case and any order."""
    labels = {name.lower() for name in names}
    return next((v for v in VOCABULARIES.values() if labels == {label.lower() for label in v.labels}), None)


def _folders(tree: _Tree) -> list[tuple[Path, int, int]]:
    """The class folders, each with its place in the classes and in the splits."""
    tops = [tree.top / split for split in tree.splits] or [tree.top]
    return [(top / name, tree.classes.index(name), usage) for usage, top in enumerate(tops) for name in subfolders(top)]


def read(path: Path, size: int | None, faults: Faults) -> Reading:
    """Read ``<class>/*`` or ``<split>/<class>/*``, and what lies deeper in a class folder.

    Hidden files and folders, files with another suffix than a picture's, and pictures beside the class folders are
    left out. A class may be missing from a split.

    Args:
        path: The folder; or one that holds nothing but it.
        size: Side of the faces, pixels; 48 where None.
        faults: Where unreadable pictures, empty folders, and folders beside the splits are noted.

    Returns:
        The vocabulary is mien's own where its labels are the folders in any order and either case; else the names of
        the folders, sorted, under the name of the source. A class without any picture is then left out. The usages are
        the names of the splits; ``all`` where there are none.

    Raises:
        DataError: There are no class folders, over 127, or two whose names differ in case only; or something is wrong
            with a picture, unless faults are skipped.
    """
    tree = _tree(path)
    if tree is None:
        raise DataError(
            f"{path} {'is a file' if path.is_file() else 'has no folders in it'}",
            "a folder for each class, or for each split with those inside",
            "Sort the pictures into folders named after their classes.",
        )
    _check(path, tree)
    for name in tree.strays:
        faults.add(
            path,
            f"{relative(tree.top, path)}{name}/",
            f"the folder is no split with class folders, as {tree.splits[0]} is",
            "splits only",
            "Move it elsewhere.",
        )
    listing = Listing(path, faults)
    filled = listing.add(_folders(tree))
    names = [name for label, name in enumerate(tree.classes) if label in filled]
    vocabulary = _known(tree.classes) or _known(names) or Vocabulary(_own_name(path), tuple(names))
    labels = labels_by_name(vocabulary)
    listing.marks = [(labels.get(tree.classes[label].lower(), 0), usage) for label, usage in listing.marks]
    return reading("class-folders", path, listed(listing), vocabulary, tree.splits or ("all",), size, faults)


def _own_name(path: Path) -> str:
    """Name of a vocabulary of the user's own: that of the folder, unless it is one of mien's with other labels."""
    name = source_name(path)
    return f"{name}-folders" if name in VOCABULARIES else name


def _check(path: Path, tree: _Tree) -> None:
    for name in (*tree.splits, *tree.classes):
        if not is_text(name):
            raise DataError(f"{path}: the name of the folder {name!r} is no text", "a name in UTF-8", "Rename it.")
    if len(tree.classes) > _MOST_CLASSES:
        raise DataError(
            f"{path} has {len(tree.classes)} class folders", f"at most {_MOST_CLASSES}", "Name the folder above them."
        )
    if len(tree.splits) > _MOST_SPLITS:
        raise DataError(f"{path} has {len(tree.splits)} splits", f"at most {_MOST_SPLITS}")
    by_case: dict[str, str] = {}
    for name in tree.classes if _known(tree.classes) is None else ():
        if other := by_case.get(name.lower()):
            raise DataError(
                f"{path}: the class folders {other} and {name} differ in case only", "one spelling", "Rename one."
            )
        by_case[name.lower()] = name
