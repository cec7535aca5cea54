"""Reading what a report is made of: evaluations and their pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mien.errors import DataError, ImageError
from mien.evaluation.document import FILE, Evaluation, load
from mien.headers import read_header

FOLDER = "evaluation"  # of a run
_KINDS = {"PNG": "png", "JPEG": "jpeg"}  # what every browser shows


@dataclass(frozen=True)
class Drawn:
    """A picture of an evaluation.

    Attributes:
        data: The file's bytes.
        kind: ``png`` or ``jpeg``.
        width: Pixels.
        height: Pixels.
    """

    data: bytes
    kind: str
    width: int
    height: int


@dataclass(frozen=True)
class Subject:
    """A model of a report.

    Attributes:
        title: What it is called there, unique in the report.
        folder: Of its evaluation.
        evaluation: What was measured.
        pictures: By the name in the evaluation.
        missing: A sentence for each picture that the evaluation names and that cannot be shown.
    """

    title: str
    folder: Path
    evaluation: Evaluation
    pictures: dict[str, Drawn] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)


def locate(given: Path) -> Path:
    """The folder of an evaluation.

    Args:
        given: That folder, or the folder of a run with an evaluation in it.

    Raises:
        DataError: It holds no evaluation.
    """
    for folder in (given, given / FOLDER):
        if (folder / FILE).is_file():
            return folder
    if not given.is_dir():
        raise DataError(f"{given}: no such folder", "the folder of a run or of an evaluation")
    raise DataError(f"{given} holds no evaluation", f"{FOLDER}/{FILE} in it", f"Make one with: mien evaluate {given}")


def gather(given: Sequence[Path], *, pictures: bool = True) -> list[Subject]:
    """Read the models of a report.

    Args:
        given: Folders of runs or of evaluations.
        pictures: Whether to read their pictures.

    Raises:
        DataError: A folder holds no evaluation, is named twice, or its evaluation is damaged. A picture that is absent
            or damaged costs only itself.
    """
    folders = [locate(one) for one in given]
    found: dict[Path, Path] = {}
    for name, folder in zip(given, folders, strict=True):
        if (other := found.setdefault(folder.resolve(), name)) is not name:
            raise DataError(f"{name} is the same evaluation as {other}", "each one once")
    evaluations = [load(folder) for folder in folders]
    subjects = []
    for title, folder, evaluation in zip(_titles(folders, evaluations), folders, evaluations, strict=True):
        drawn, missing = _pictures(folder, evaluation) if pictures else ({}, [])
        subjects.append(Subject(title, folder, evaluation, drawn, missing))
    return subjects


def _titles(folders: Sequence[Path], evaluations: Sequence[Evaluation]) -> list[str]:
    """The models' names; where two are alike, with the folder, and where these are alike too, with a number."""
    names = [e.model.name for e in evaluations]
    places = [(f.resolve().parent if f.resolve().name == FOLDER else f.resolve()).name for f in folders]
    titles = [f"{n} ({p})" if names.count(n) > 1 and p != n else n for n, p in zip(names, places, strict=True)]
    return [t if titles.count(t) == 1 else f"{t}, {titles[: i + 1].count(t)}" for i, t in enumerate(titles)]


def _pictures(folder: Path, evaluation: Evaluation) -> tuple[dict[str, Drawn], list[str]]:
    found: dict[str, Drawn] = {}
    missing = []
    for name, file in evaluation.pictures.items():
        path = folder / file.replace("\0", "")
        # An evaluation may come from elsewhere: it does not choose which files of this machine go into a page.
        if not path.resolve().is_relative_to(folder.resolve()):
            missing.append(f"The picture {name} lies outside the evaluation's folder ({file}) and is left out.")
            continue
        try:
            header = read_header(path.read_bytes())
        except (OSError, ImageError) as error:
            why = (error.strerror or "unreadable") if isinstance(error, OSError) else error.came
            missing.append(f"The picture {name} cannot be shown: {file}: {why}.")
            continue
        if header.format not in _KINDS:
            missing.append(f"The picture {name} cannot be shown: {file} is {header.format}, not PNG or JPEG.")
            continue
        found[name] = Drawn(header.content, _KINDS[header.format], header.width, header.height)
    return found, missing
