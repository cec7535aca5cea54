"""A report as Markdown, for the appendix of a paper; its pictures lie beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count as counting
from typing import assert_never

from mien.report.blocks import (
    Block,
    Cell,
    Document,
    Folded,
    Links,
    Listing,
    Paragraph,
    Part,
    Picture,
    Row,
    Table,
    Terms,
    Warnings,
)


def markdown(document: Document, folder: str) -> tuple[str, dict[str, bytes]]:
    """The text, and the pictures it shows.

    Args:
        document: The report.
        folder: Name of the pictures' folder, as seen from the text.

    Returns:
        The text, and file names in that folder with their contents.
    """
    numbers = counting(1)
    files: dict[str, bytes] = {}
    pieces = [f"# {_text(document.title)}", _text(document.subtitle)]
    pieces += [text for block in document.blocks for text in _block(block, 2, folder, numbers, files)]
    pieces += [text for part in document.parts for text in _part(part, 2, folder, numbers, files)]
    pieces.append(f"Written by mien {_text(document.version)}.")
    return "\n\n".join(piece for piece in pieces if piece) + "\n", files


def _part(part: Part, level: int, folder: str, numbers: Iterator[int], files: dict[str, bytes]) -> Iterator[str]:
    yield f"{'#' * level} {_text(part.title)}"
    for block in part.blocks:
        yield from _block(block, level + 1, folder, numbers, files)
    for inner in part.parts:
        yield from _part(inner, level + 1, folder, numbers, files)


def _block(block: Block, level: int, folder: str, numbers: Iterator[int], files: dict[str, bytes]) -> Iterator[str]:
    match block:
        case Paragraph():
            yield _text(block.text)
        case Warnings():
            yield _warnings(block)
        case Table():
            yield f"**Table {next(numbers)}.** {_text(block.caption)}."
            yield _table(block)
            yield from map(_text, block.notes)
        case Picture():
            place = block.address
            if not place:
                file = f"{len(files) + 1:02d}-{block.name}.{block.kind}"
                files[file] = block.data
                place = f"{folder}/{file}"
            yield f"![{_text(block.alt)}]({_address(place)})"
            yield f"*{_text(block.caption)}*"
        case Listing():
            fence = "`" * max(3, 1 + max(map(len, re.findall("`+", block.text)), default=0))
            yield f"{fence}{block.language}\n{block.text}\n{fence}"
        case Terms():
            yield "\n".join(
                f"- **{_text(term.word)}**: {_text(term.meaning)}"
                + (f" [{_text(term.source)}]({term.address})" if term.source else "")
                for term in block.items
            )
        case Links():
            yield " · ".join(f"[{_text(link.text)}]({_address(link.address)})" for link in block.items)
        case Folded():
            yield f"{'#' * level} {_text(block.title)}"
            for inner in block.blocks:
                yield from _block(inner, level + 1, folder, numbers, files)
        case _:
            assert_never(block)


def _warnings(block: Warnings) -> str:
    if not block.items:
        return "No warnings: the checks of this evaluation found nothing wrong with its numbers."
    lines = [f"> - {f'**{_text(of)}:** ' if of else ''}{_text(text)}" for of, text in block.items]
    return "\n".join(["> **WARNING: read before the numbers**", ">", *lines])


def _table(table: Table) -> str:
    words = table.words | {0}
    marks = ["---" if i in words else "---:" for i in range(len(table.columns))]
    lines = [_line([_text(c) or " " for c in table.columns]), _line(marks)]
    lines += [_line(_cells(row, len(table.columns))) for row in table.rows]
    return "\n".join(lines)


def _cells(row: Row, columns: int) -> list[str]:
    if row.heading:
        return [f"**{_text(row.cells[0].text)}**", *[" "] * (columns - 1)]
    return [_cell(cell) for cell in row.cells]


def _cell(cell: Cell) -> str:
    return _text(cell.text) + (f" ({_text(cell.detail)})" if cell.detail else "")


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _text(text: str) -> str:
    """Text from a file as text on one line: nothing in it is mark-up, neither Markdown's nor HTML's."""
    flat = " ".join("".join(c if c.isprintable() or c.isspace() else "\ufffd" for c in text).split(" "))
    flat = re.sub(r"[\r\n\t\v\f\x1c-\x1e\x85\u2028\u2029]+", " ", flat).strip(" ")
    flat = flat.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    flat = re.sub(r"([\\`*_\[\]|~$])", r"\\\1", flat)
    # At the beginning of a line these would make a heading, a list or a rule.
    return re.sub(r"^(#|[+\-=](?=[\s=\-]|$)|\d+[.)](?=\s|$))", lambda m: f"{m[1][:-1]}\\{m[1][-1]}", flat)


def _address(path: str) -> str:
    """A path as the target of a link."""
    return f"<{path.replace('<', '%3C').replace('>', '%3E')}>"
