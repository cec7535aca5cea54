"""The tables of a report for a paper in LaTeX, in the style of booktabs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mien.report.blocks import Cell, Document, Row, Table, Warnings
from mien.report.tables import slug

# Defined once, wherever the file is read in: a number over its interval, words over a detail, long words, and a box
# that measures a table, so that none is wider than the text.
_HEAD = r"""% Tables written by mien VERSION.
% In the preamble: \usepackage{booktabs,graphicx}; in the text: \input{this file}
% Letters of other scripts than Latin need LuaLaTeX or XeLaTeX and a font that has them.
\providecommand{\mienestimate}[2]{\begin{tabular}[t]{@{}r@{}}#1\\[-0.3ex]{\scriptsize #2}\end{tabular}}
\providecommand{\mienwords}[1]{\parbox[t]{15em}{\raggedright #1\strut}}
\providecommand{\mienrows}[1]{\parbox[t]{0.95\linewidth}{\raggedright\bfseries #1\strut}}
\providecommand{\mienhead}[1]{\parbox[b]{5.5em}{\raggedleft #1\strut}}
\providecommand{\miendetail}[2]{\mienwords{#1\par{\scriptsize #2\par}}}
\ifdefined\mienbox\else\newsavebox{\mienbox}\fi
"""

# Characters of words, and of the head of a column of numbers, from which they are broken into lines.
_LONG, _LONG_HEAD = 40, 12
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "%": r"\%",
    "#": r"\#",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"{\char34}",
    "`": r"\textasciigrave{}",
    "[": r"{[}",  # none of these is taken for an option of the \\ before it
    "]": r"{]}",
    "*": r"{*}",
    "\u202f": r"\,",
    "\u00a0": r"~",
    "\u2212": r"$-$",
    "–": r"\textendash{}",
    "—": r"\textemdash{}",
    "…": r"\ldots{}",
    "“": r"\textquotedblleft{}",
    "”": r"\textquotedblright{}",
    "‘": r"\textquoteleft{}",
    "’": r"\textquoteright{}",
    "×": r"$\times$",
    "→": r"$\rightarrow$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "±": r"$\pm$",
    "°": r"$^\circ$",
    "·": r"$\cdot$",
    "Σ": r"$\Sigma$",
    "σ": r"$\sigma$",
    "µ": r"$\mu$",
    "μ": r"$\mu$",
}


def latex(document: Document) -> str:
    """All tables of numbers, each a float, and the warnings under the first: the numbers do not travel without."""
    blocks = list(document.all_blocks())
    warnings = [_warning(of, text) for block in blocks if isinstance(block, Warnings) for of, text in block.items]
    seen: dict[str, int] = {}
    pieces = [_HEAD.replace("VERSION", _comment(document.version)), f"% {_comment(document.title)}\n"]
    for table in (block for block in blocks if isinstance(block, Table) and not block.facts):
        seen[table.name] = seen.get(table.name, 0) + 1
        name = table.name if seen[table.name] == 1 else f"{table.name}-{seen[table.name]}"
        pieces.append("\n".join(_table(table, name, warnings)) + "\n")
        warnings = []
    return "\n".join(pieces)


def _warning(of: str, text: str) -> str:
    return rf"\textbf{{Warning{f', {_text(of)}' if of else ''}:}} {_text(text)}"


def _table(table: Table, name: str, warnings: list[str]) -> Iterator[str]:
    words = table.words | {0}
    kinds = "".join("l" if i in words else "r" for i in range(len(table.columns)))
    yield r"\begin{table}[htbp]"
    yield r"\centering\small\setlength{\tabcolsep}{4pt}"
    yield rf"\caption{{{_text(table.caption)}.}}\label{{tab:{slug(name)}}}"
    yield rf"\sbox{{\mienbox}}{{\begin{{tabular}}{{@{{}}{kinds}@{{}}}}"
    yield r"\toprule"
    heads = [_head(text, table, i in words) for i, text in enumerate(table.columns)]
    yield f"{' & '.join(heads)} \\\\"
    yield r"\midrule"
    for at, row in enumerate(table.rows):
        if row.heading and at:
            yield r"\addlinespace"
        yield f"{_row(row, words, len(table.columns))} \\\\"
    yield r"\bottomrule"
    yield r"\end{tabular}}%"
    yield r"\ifdim\wd\mienbox>\linewidth\resizebox{\linewidth}{!}{\usebox{\mienbox}}\else\usebox{\mienbox}\fi"
    if notes := [*warnings, *map(_text, table.notes)]:
        yield r"\par\medskip\begin{minipage}{\linewidth}\footnotesize\raggedright"
        yield "\\par\n".join(notes)
        yield r"\end{minipage}"
    yield r"\end{table}"


def _head(text: str, table: Table, word: bool) -> str:
    written = _text(text)
    if table.upright and written:
        return rf"\rotatebox{{90}}{{{written}}}"
    return rf"\mienhead{{{written}}}" if len(text) > _LONG_HEAD and not word else written


def _row(row: Row, words: frozenset[int], columns: int) -> str:
    if row.heading:
        return rf"\multicolumn{{{columns}}}{{@{{}}l@{{}}}}{{\mienrows{{{_text(row.cells[0].text)}}}}}"
    return " & ".join(_cell(cell, i in words) for i, cell in enumerate(row.cells))


def _cell(cell: Cell, word: bool) -> str:
    if not cell.detail:
        return rf"\mienwords{{{_text(cell.text)}}}" if len(cell.text) > _LONG else _text(cell.text)
    macro = r"\miendetail" if word else r"\mienestimate"
    return f"{macro}{{{_text(cell.text)}}}{{{_text(cell.detail)}}}"


def _text(text: str) -> str:
    """Text from a file as text: nothing in it is a command."""
    written = "".join(_SPECIAL.get(c, c) for c in _flat(text))
    return re.sub("([-',])(?=\\1)", r"\1{}", written)  # two of these would become a dash or a quotation mark


def _comment(text: str) -> str:
    """Text for a comment, which ends with the line."""
    return _flat(text)


def _flat(text: str) -> str:
    spaced = "".join(" " if c in "\n\r\t\v\f\x1c\x1d\x1e\x85\u2028\u2029" else c for c in text)
    return "".join(c for c in spaced if c.isprintable() or c in "\u00a0\u202f")
