"""A report as one HTML page: nothing else is needed to read it, and nothing is fetched or run."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterator
from html import escape
from itertools import count as counting
from typing import assert_never

from mien.report.blocks import (
    Block,
    Cell,
    Document,
    Folded,
    Link,
    Links,
    Listing,
    Paragraph,
    Part,
    Picture,
    Row,
    Table,
    Term,
    Terms,
    Warnings,
)
from mien.report.style import CSS

_SHADES = 10
# Columns from which a table may have to be pushed sideways on a telephone, and above which it needs a wide page.
_WIDE, _MANY = 5, 18


def html(document: Document) -> str:
    """The whole page."""
    # Only this style sheet applies and only embedded pictures load, whatever text a file has brought into the page.
    digest = b64encode(hashlib.sha256(CSS.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    numbers = counting(1)
    top = "\n".join(_block(block, numbers) for block in document.blocks)
    parts = "\n".join(_part(part, 2, numbers) for part in document.parts)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="mien {_text(document.version)}">
<title>{_text(document.title)}</title>
<link rel="icon" href="data:,">
<style>{CSS}</style>
</head>
<body>
<a class="skip" href="#report">To the report</a>
<header>
<h1>{_text(document.title)}</h1>
<p class="subtitle">{_text(document.subtitle)}</p>
</header>
{_directory(document)}
<main id="report">
<section id="summary" aria-label="Summary">
{top}
</section>
{parts}
</main>
<footer><p>Written by mien {_text(document.version)}.</p></footer>
</body>
</html>
"""


def _directory(document: Document) -> str:
    items = "".join(
        f'<li><a href="#{part.name}">{_text(part.title)}</a>'
        + (f"<ul>{''.join(_link(inner) for inner in part.parts)}</ul>" if part.parts else "")
        + "</li>"
        for part in document.parts
    )
    return f'<nav aria-label="Contents"><ul><li><a href="#summary">Summary</a></li>{items}</ul></nav>'


def _link(part: Part) -> str:
    return f'<li><a href="#{part.name}">{_text(part.title)}</a></li>'


def _part(part: Part, level: int, numbers: Iterator[int]) -> str:
    inner = "\n".join([*(_block(b, numbers) for b in part.blocks), *(_part(p, level + 1, numbers) for p in part.parts)])
    head = f'<h{level} id="{part.name}-head">{_text(part.title)}</h{level}>'
    return f'<section id="{part.name}" aria-labelledby="{part.name}-head">\n{head}\n{inner}\n</section>'


def _block(block: Block, numbers: Iterator[int]) -> str:
    match block:
        case Paragraph():
            return f"<p>{_text(block.text)}</p>"
        case Warnings():
            return _warnings(block)
        case Table():
            return _table(block, next(numbers))
        case Picture():
            return _picture(block)
        case Listing():
            return f'<pre tabindex="0"><code class="{escape(block.language)}">{_text(block.text)}</code></pre>'
        case Terms():
            return f"<dl>{''.join(_term(term) for term in block.items)}</dl>"
        case Links():
            return f"<p>{' · '.join(map(_out, block.items))}</p>" if block.items else ""
        case Folded():
            inner = "\n".join(_block(b, numbers) for b in block.blocks)
            return f"<details>\n<summary>{_text(block.title)}</summary>\n{inner}\n</details>"
        case _:
            assert_never(block)


def _warnings(block: Warnings) -> str:
    if not block.items:
        return '<p class="clear">No warnings: the checks of this evaluation found nothing wrong with its numbers.</p>'
    items = "".join(f"<li>{f'<b>{_text(of)}:</b> ' if of else ''}{_text(text)}</li>" for of, text in block.items)
    many = f"{len(block.items)} warnings" if len(block.items) > 1 else "Warning"
    return (
        f'<section class="warnings" aria-labelledby="warnings-head">\n<h2 id="warnings-head">{many}: read before the '
        f"numbers</h2>\n<ul>{items}</ul>\n</section>"
    )


def _table(table: Table, number: int) -> str:
    name = f"table-{number}"
    words = table.words | {0}
    heads = "".join(
        f'<th scope="col"{_class("w" if i in words else "")}>{_head(text, table)}</th>'
        if text
        else f"<td{_class('w' if i in words else '')}></td>"
        for i, text in enumerate(table.columns)
    )
    head = f"<thead><tr>{heads}</tr></thead>\n" if any(table.columns) else ""
    notes = "".join(f'<p class="note">{_text(note)}</p>' for note in table.notes)
    kinds = {"facts": table.facts, "upright": table.upright, "many": len(table.columns) > _MANY}
    kind = " ".join(k for k, on in kinds.items() if on)
    sideways = len(table.columns) >= _WIDE or len(table.words - {0}) > 1
    wide = ' tabindex="0"' if sideways else ""  # so that arrow keys can push it sideways
    return (
        f'<div class="table">\n<div class="scroll" role="region" aria-labelledby="{name}"{wide}>\n'
        f"<table{_class(kind)}>\n"
        f'<caption id="{name}"><span><b>Table {number}.</b> {_text(table.caption)}.</span></caption>\n{head}'
        f"{_bodies(table, words)}</table>\n</div>\n{notes}</div>"
    )


def _head(text: str, table: Table) -> str:
    return f"<span>{_text(text)}</span>" if table.upright else _text(text)


def _bodies(table: Table, words: frozenset[int]) -> str:
    """Rows in groups: each heading begins one, so that it stays with its rows on paper."""
    written = "<tbody>"
    for at, row in enumerate(table.rows):
        if row.heading:
            start = "</tbody>\n<tbody>" if at else ""
            written += (
                f'{start}<tr class="group"><th scope="rowgroup" colspan="{len(table.columns)}">'
                f"{_text(row.cells[0].text)}</th></tr>\n"
            )
        else:
            written += _row(row, words)
    return written + "</tbody>\n"


def _row(row: Row, words: frozenset[int]) -> str:
    first, *rest = row.cells
    cells = "".join(f"<td{_class(_kind(cell, i in words))}>{_cell(cell)}</td>" for i, cell in enumerate(rest, 1))
    return f'<tr><th scope="row" class="w">{_cell(first)}</th>{cells}</tr>\n'


def _kind(cell: Cell, word: bool) -> str:
    shade = f"s{min(_SHADES, round(_SHADES * cell.shade))}" if round(_SHADES * cell.shade) > 0 else ""
    return " ".join(k for k in ("w" if word else "", shade) if k)


def _cell(cell: Cell) -> str:
    return _text(cell.text) + (f" <small>{_text(cell.detail)}</small>" if cell.detail else "")


def _picture(picture: Picture) -> str:
    source = f"data:image/{picture.kind};base64,{b64encode(picture.data).decode()}"
    return (
        f'<figure id="picture-{picture.name}">\n<img src="{source}" width="{picture.width}" height="{picture.height}" '
        f'alt="{_text(picture.alt)}">\n<figcaption>{_text(picture.caption)}</figcaption>\n</figure>'
    )


def _term(term: Term) -> str:
    source = f' <a href="{_text(term.address)}">{_text(term.source)}</a>' if term.source else ""
    return f"<div><dt>{_text(term.word)}</dt><dd>{_text(term.meaning)}{source}</dd></div>"


def _out(link: Link) -> str:
    return f'<a href="{_text(link.address)}">{_text(link.text)}</a>'


def _class(names: str) -> str:
    return f' class="{names}"' if names else ""


def _text(text: str) -> str:
    """Text from a file as text: no tags; what HTML cannot hold becomes a replacement character."""
    return escape("".join(c if c >= " " or c in "\n\t" else "\ufffd" for c in text), quote=True)
