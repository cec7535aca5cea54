"""The studies as a file: the suffix of its name says in which format."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from mien.errors import MissingExtraError, OutputError, StudyError
from mien.files import write_text
from mien.report.appendix import markdown
from mien.report.blocks import Picture
from mien.report.page import html
from mien.studies.compared import Compared
from mien.studies.gather import Gathered, gather
from mien.studies.page import address, document
from mien.studies.pictures import pictures, write_pictures

SUFFIXES = (".html", ".md", ".json")
FORMAT = 1  # of the JSON file


def write(path: Path, folders: Sequence[Path], warn: Callable[[str], None] | None = None) -> list[Path]:
    """Write all that is known of some studies, each file through a temporary name.

    Args:
        path: Ends in ``.html`` (one page, pictures embedded), ``.md`` (pictures in ``pictures`` of each study's folder,
            and shown there) or ``.json`` (every result and comparison).
        folders: Of the studies, in this order; at least one.
        warn: Called with a line about each result that is damaged or out of date, and each sentence that cannot be
            filled: the page says so too, but where it is easily overlooked.

    Returns:
        The files written, the page first.

    Raises:
        StudyError: No study; or one is damaged.
        OutputError: Another suffix, or a file cannot be written.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise OutputError(f"--out {path}: no such format", f"a name ending in {', '.join(SUFFIXES)}")
    if path.is_dir():
        raise OutputError(f"--out {path} is a folder", "the name of a file")
    if not folders:
        raise StudyError("no study to write about", "the folder of a study, or several")
    gathered = [gather(folder) for folder in folders]
    if warn is not None:
        for line in (line for one in gathered for line in one.warnings()):
            warn(line)
    files: list[Path] = []
    if path.suffix.lower() == ".json":
        text = _json(gathered)
    else:
        text, files = _page(path, gathered)
    try:
        write_text(path, text)
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written ({error.strerror or error})", "room on the disk and a folder you may write to"
        ) from error
    return [path, *files]


def _page(path: Path, gathered: Sequence[Gathered]) -> tuple[str, list[Path]]:
    """The text, and the pictures that were written beside it; a page without matplotlib has none, and says so."""
    shown: dict[str, list[Picture]] = {}
    files: list[Path] = []
    missing = ""
    try:
        for one in gathered:
            if path.suffix.lower() == ".html":
                shown[one.name] = pictures(one)
                continue
            drawn = write_pictures(one)
            files += drawn
            shown[one.name] = [replace(p, address=address(file, path.parent)) for file, p in drawn.items()]
    except MissingExtraError as error:
        missing = f"There are no pictures here. {error}"
    page = document(gathered, path.parent, shown, missing)
    return (html(page) if path.suffix.lower() == ".html" else markdown(page, "pictures")[0]), files


def _json(gathered: Sequence[Gathered]) -> str:
    body = {
        "format": FORMAT,
        "studies": [
            {
                "name": one.name,
                "title": one.study.title,
                "source": one.study.source,
                "believe": one.said(one.study.believe),
                "findings": [
                    {
                        "title": finding.title,
                        "claim": finding.claim,
                        "measured": one.said(finding.measured, finding.explanation),
                        "explanation": one.explained(finding),
                    }
                    for finding in one.study.finding
                ],
                "systems": {
                    system.name: {
                        "title": system.title,
                        "claim": system.claim,
                        "result": asdict(one.results[system.name]) if system.name in one.results else None,
                    }
                    for system in one.study.system
                },
                "comparisons": [_comparison(found) for found in one.compared.values() if isinstance(found, Compared)],
            }
            for one in gathered
        ],
    }
    return json.dumps(body, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _comparison(found: Compared) -> dict[str, object]:
    drawn = found.drawn
    return {
        "name": found.asked.name,
        "part": found.asked.part,
        "n": found.n,
        "standings": [asdict(one) for one in found.standings],
        "pairs": [{**asdict(pair), "verdict": pair.verdict} for pair in found.pairs],
        "drawn": None
        if drawn is None
        else {**asdict(drawn), "first": drawn.first.tolist(), "told": drawn.told.tolist()},
    }
