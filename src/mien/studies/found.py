"""Where the studies are: folders with a ``study.toml``."""

from __future__ import annotations

import difflib
from pathlib import Path

from mien.errors import StudyError
from mien.studies.manifest import FILE

_CHECKOUT = Path(__file__).resolve().parents[3] / "studies"


def study_folders(root: Path | None = None) -> dict[str, Path]:
    """Every study, by the name of its folder.

    Args:
        root: Folder that holds them. If None, ``studies`` in the current folder, else that of mien's own checkout.

    Raises:
        StudyError: There is none.
    """
    places = [root] if root is not None else [Path("studies"), _CHECKOUT]
    for place in places:
        found = {path.parent.name: path.parent for path in sorted(place.glob(f"*/{FILE}"))}
        if found:
            return found
    raise StudyError(
        f"no study in {' or '.join(map(str, places[:1]))}",
        f"folders with a {FILE}",
        "The studies come with mien's source; go to its checkout, or name their folder with --studies FOLDER.",
    )


def study_folder(name: str, root: Path | None = None) -> Path:
    """The folder of a study; StudyError naming the nearest where there is none."""
    folders = study_folders(root)
    if name not in folders:
        near = difflib.get_close_matches(name, folders, 1, 0.4)
        hint = f", did you mean {near[0]}?" if near else ""
        raise StudyError(f"no study {name!r}{hint}", f"one of {', '.join(folders)}")
    return folders[name]
