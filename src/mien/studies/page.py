"""One page about all studies: which of the papers' numbers to believe, and how that was found."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from mien import __version__
from mien.report.blocks import Block, Document, Folded, Link, Links, Listing, Paragraph, Part, Picture, Table
from mien.report.numbers import count, share
from mien.report.tables import slug
from mien.studies import tables
from mien.studies.compared import Compared, Unmeasured
from mien.studies.gather import Gathered
from mien.studies.manifest import FILE, NOTES, PUBLISHED, RESULT

TITLE = "The papers, run and explained"


def document(
    gathered: Sequence[Gathered], place: Path, pictures: Mapping[str, Sequence[Picture]], missing: str = ""
) -> Document:
    """The page.

    Args:
        gathered: The studies, at least one.
        place: Folder in which the page will lie: links are relative to it.
        pictures: Of the studies, by name.
        missing: Why there are no pictures; empty where there are.
    """
    top: list[Block] = [Paragraph(_intended(gathered)), tables.believe(gathered), Paragraph(missing)]
    parts = [_study(one, place, pictures.get(one.name, ())) for one in gathered]
    names = ", ".join(one.name for one in gathered)
    return Document(TITLE, names, [b for b in top if b != Paragraph("")], parts, __version__)


def _intended(gathered: Sequence[Gathered]) -> str:
    """What the page is, and how much of it was run."""
    systems = [(one, system) for one in gathered for system in one.study.system]
    results = [one.results[system.name] for one, system in systems if system.name in one.results]
    trained = [r.training for r in results if r.training is not None]
    shortened = sum(bool(t.shortened) for t in trained)
    unavailable = sum(bool(r.unavailable) for r in results)
    text = (
        "The systems of these papers, each trained by a recipe: beside the paper's figure stands what was measured "
        f"here. {count(len(trained))} of {count(len(systems))} systems were run"
    )
    told = [f"{count(shortened)} of them shortened, which their rows say"] if shortened else []
    told += [f"{count(unavailable)} could not be run here, which theirs say"] if unavailable else []
    return f"{text}{''.join(f'; {one}' for one in told)}."


def _study(of: Gathered, place: Path, pictures: Sequence[Picture]) -> Part:
    blocks: list[Block] = [
        Paragraph(f"{of.study.source}. {of.said(of.study.believe)}"),
        tables.systems(of),
        *pictures,
        *_folded(("Further scores", tables.scores(of)), ("Further measurements", tables.measures(of))),
    ]
    found = tables.findings(of)
    name = slug(of.name)
    parts = [
        Part("What the paper claims, and what was found", f"{name}-findings", [found] if found else []),
        Part("Systems compared", f"{name}-compared", _compared(of)),
        Part("The paper's own tables", f"{name}-printed", _printed(of)),
        Part("How it was run", f"{name}-made", _made(of, place)),
    ]
    return Part(of.study.title, name, blocks, [part for part in parts if part.blocks])


def _folded(*given: tuple[str, Table | None]) -> list[Block]:
    return [Folded(title, [table]) for title, table in given if table is not None]


def _compared(of: Gathered) -> list[Block]:
    blocks: list[Block] = []
    for asked in of.study.comparison:
        found = of.compared[asked.name]
        if isinstance(found, Unmeasured):
            blocks.append(Paragraph(f"{asked.title}: {found}."))
            continue
        blocks += [
            tables.standings(of, found),
            Paragraph(verdict(found)),
            *_folded(("Each pair", tables.pairs(of, found))),
        ]
    return blocks


def verdict(found: Compared) -> str:
    """How much a comparison can tell, on all faces and on as many as the paper had."""
    if len(found.pairs) == 1:
        text = f"{found.pairs[0].verdict}."
    else:
        apart = sum(bool(pair.better) for pair in found.pairs)
        text = f"{count(apart)} of the {count(len(found.pairs))} pairs can be told apart on {count(found.n)} faces."
    if found.drawn is None:
        return text
    return (
        f"{text} On {count(found.drawn.sample)} of these faces, drawn at random, none could be told apart in "
        f"{share(found.drawn.none)} of 2,000 draws."
    )


def _printed(of: Gathered) -> list[Block]:
    """What the paper prints besides its results, beside ours where there is something of ours."""
    names = dict.fromkeys(name for p in of.study.picture if p.kind == "history" for name in p.systems)
    blocks: list[Block] = []
    for system in map(of.study.named, names):
        beside = tables.history(of, system)
        blocks += [beside] if beside is not None else []
        blocks += _folded((f"Every epoch of {system.name}", tables.whole_history(of, system)))
    blocks += _folded(("The network's layers", tables.layers(of)))
    return blocks + list(tables.shares(of))


def _made(of: Gathered, place: Path) -> list[Block]:
    """The commands, the data, the environment, and the files."""
    short = [r.made.command for r in of.results.values() if r.training is not None and r.training.shortened]
    commands = [f"mien study run {of.name}", *dict.fromkeys(short)]  # the first runs all in full
    blocks: list[Block] = [Listing("\n".join(commands), "sh")] if of.results else []
    made = tables.made(of)
    blocks += [made] if made is not None else []
    files = {"notes": NOTES, "what was asked for": FILE, "the paper's figures": PUBLISHED}
    links = [
        Link(text, address(of.folder / file, place)) for text, file in files.items() if (of.folder / file).is_file()
    ]
    blocks.append(Links(links))
    results = [
        Link(name, address(of.folder / name / RESULT, place))
        for name in of.results
        if (of.folder / name / RESULT).is_file()
    ]
    if results:
        blocks += [Paragraph("Everything that was measured, system by system:"), Links(results)]
    return blocks


def address(file: Path, place: Path) -> str:
    """A file as seen from a folder, for a link."""
    return quote(os.path.relpath(file.resolve(), place.resolve()).replace(os.sep, "/"))
