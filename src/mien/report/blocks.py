"""What a report is made of. The formats are different ways to write the same blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: What stands in it.
        detail: What stands under it, smaller: an interval, an amount.
        shade: How strongly its ground is tinted, 0 to 1.
    """

    text: str
    detail: str = ""
    shade: float = 0.0


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Attributes:
        cells: One for each column; of a heading one, over all columns.
        heading: Whether it heads the rows that follow.
    """

    cells: list[Cell]
    heading: bool = False


@dataclass(frozen=True)
class Table:
    """A table. Its first column says what a row is.

    Attributes:
        name: Unique among the tables; letters, digits and hyphens.
        caption: What it shows, a sentence.
        columns: Their heads.
        rows: The rows.
        notes: Sentences under it.
        words: Columns that hold words, not numbers; the first one always does.
        facts: Whether it says facts in words, which a table of a paper has no room for.
        upright: Whether the heads stand upright, since there are many of them.
    """

    name: str
    caption: str
    columns: list[str]
    rows: list[Row]
    notes: list[str] = field(default_factory=list)
    words: frozenset[int] = frozenset()
    facts: bool = False
    upright: bool = False

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row.cells) != (1 if row.heading else len(self.columns)):
                raise ValueError(f"a row of {len(row.cells)} cells in table {self.name} of {len(self.columns)} columns")


@dataclass(frozen=True)
class Paragraph:
    """A paragraph; empty ones are not written."""

    text: str


@dataclass(frozen=True)
class Warnings:
    """What is wrong with the numbers.

    Attributes:
        items: What it is about (a model; may be empty), and a sentence. Where there are none, that is said.
    """

    items: list[tuple[str, str]]


@dataclass(frozen=True)
class Picture:
    """A picture.

    Attributes:
        name: Unique among the pictures; letters, digits and hyphens.
        data: The file's bytes.
        kind: ``png`` or ``jpeg``.
        width: Pixels.
        height: Pixels.
        alt: What it shows, in numbers, for those who do not see it.
        caption: What it is, a sentence.
        address: Where its file lies already, as of a ``Link``: Markdown shows it there; empty where it lies nowhere.
    """

    name: str
    data: bytes
    kind: str
    width: int
    height: int
    alt: str
    caption: str
    address: str = ""

    def __post_init__(self) -> None:
        if self.address:
            _check_address(self.address)


@dataclass(frozen=True)
class Listing:
    """Text to be kept as it is, such as a command.

    Attributes:
        text: The text.
        language: ``sh`` or ``toml``.
    """

    text: str
    language: str


@dataclass(frozen=True)
class Term:
    """A word and what it means.

    Attributes:
        word: The word.
        meaning: A sentence.
        source: Author and year of the source; empty where it is common knowledge.
        address: Where that can be read.
    """

    word: str
    meaning: str
    source: str = ""
    address: str = ""


@dataclass(frozen=True)
class Terms:
    """A list of words with what they mean."""

    items: list[Term]


@dataclass(frozen=True)
class Link:
    """A link.

    Attributes:
        text: What is shown.
        address: A relative address or one of ``https``, percent-encoded.

    Raises:
        ValueError: Another address.
    """

    text: str
    address: str

    def __post_init__(self) -> None:
        _check_address(self.address)


@dataclass(frozen=True)
class Links:
    """Links beside each other; a table of a paper has none.

    Attributes:
        items: The links; where there are none, nothing is written.
    """

    items: list[Link]


@dataclass(frozen=True)
class Folded:
    """What not every reader needs: closed on a screen at first, open in print.

    Attributes:
        title: What is in it.
        blocks: That.
    """

    title: str
    blocks: list[Block]


Block = Paragraph | Warnings | Table | Picture | Listing | Terms | Links | Folded


@dataclass(frozen=True)
class Part:
    """A part of a report under a heading.

    Attributes:
        title: The heading.
        name: Unique among the parts; letters, digits and hyphens.
        blocks: What stands in it.
        parts: Parts of it.
    """

    title: str
    name: str
    blocks: list[Block]
    parts: list[Part] = field(default_factory=list)


@dataclass(frozen=True)
class Document:
    """A whole report.

    Attributes:
        title: Models and data.
        subtitle: Faces and dates.
        blocks: What stands at the top.
        parts: The rest.
        version: Of mien.
    """

    title: str
    subtitle: str
    blocks: list[Block]
    parts: list[Part]
    version: str

    def all_blocks(self) -> Iterator[Block]:
        """Every block in the order in which it is read, folded ones and what is in them included."""
        yield from _walk(self.blocks)
        for part in self.parts:
            yield from _walk_part(part)


def _walk(blocks: list[Block]) -> Iterator[Block]:
    for block in blocks:
        yield block
        if isinstance(block, Folded):
            yield from _walk(block.blocks)


def _walk_part(part: Part) -> Iterator[Block]:
    yield from _walk(part.blocks)
    for inner in part.parts:
        yield from _walk_part(inner)


def _check_address(address: str) -> None:
    """That a link leads to a file beside the report or to ``https``, and cannot run anything."""
    encoded = bool(re.fullmatch(r"[!-~]+", address)) and not set(address) & set('\\"<>`')
    elsewhere = address.startswith("/") or re.match(r"[A-Za-z][A-Za-z0-9+.\-]*:", address)
    if not encoded or (elsewhere and not address.startswith("https://")):
        raise ValueError(f"address is {address!r}, not relative or of https, and percent-encoded")
