"""A report as a file: the suffix of its name says in which format."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from urllib.parse import quote

from mien.errors import OutputError
from mien.evaluation.comparison import Comparison
from mien.evaluation.document import refuse_own
from mien.files import staged_file, write_text
from mien.report.appendix import markdown
from mien.report.comparing import comparisons
from mien.report.contents import document
from mien.report.gather import Subject
from mien.report.latex import latex
from mien.report.page import html

SUFFIXES = (".html", ".md", ".tex", ".json")
FORMAT = 1  # of the JSON file


def require(path: Path) -> None:
    """Say at once that a report cannot be written.

    Raises:
        OutputError: The suffix is none of ``SUFFIXES``, or ``path`` is a folder.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise OutputError(f"--out {path}: no such format", f"a name ending in {', '.join(SUFFIXES)}")
    if path.is_dir():
        raise OutputError(f"--out {path} is a folder", "the name of a file")
    refuse_own(path)


def write(path: Path, subjects: Sequence[Subject], title: str = "") -> list[Path]:
    """Write a report, each file through a temporary name.

    Args:
        path: Ends in ``.html`` (one page, pictures embedded), ``.md`` (pictures in ``NAME-pictures`` beside it),
            ``.tex`` (tables only) or ``.json`` (everything that was measured).
        subjects: At least one model.
        title: In place of the models' and the data's names.

    Returns:
        The files written, the report first.

    Raises:
        OutputError: As ``require``; or a file cannot be written.
    """
    require(path)
    compared, failed = comparisons(subjects) if len(subjects) > 1 else ([], [])
    pictures: dict[str, bytes] = {}
    folder = path.with_name(f"{path.stem}-pictures")
    kind = path.suffix.lower()
    if kind == ".json":
        text = _json(subjects, compared)
    else:
        report = document(subjects, title, (compared, failed))
        if kind == ".html":
            text = html(report)
        elif kind == ".tex":
            text = latex(report)
        else:
            text, pictures = markdown(report, quote(folder.name))
    try:
        for name, data in pictures.items():
            with staged_file(folder / name) as stage:
                stage.write_bytes(data)
        write_text(path, text)
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written ({error.strerror or error})", "room on the disk and a folder you may write to"
        ) from error
    return [path, *(folder / name for name in pictures)]


def _json(subjects: Sequence[Subject], compared: Sequence[Comparison]) -> str:
    body = {
        "format": FORMAT,
        "evaluations": [{"title": s.title, **asdict(s.evaluation)} for s in subjects],
        "comparisons": [
            {**asdict(one), "pairs": [{**asdict(pair), "verdict": pair.verdict} for pair in one.pairs]}
            for one in compared
        ],
    }
    return json.dumps(body, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
