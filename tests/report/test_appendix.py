"""The appendix: Markdown that says what was meant, whatever the names are."""

from __future__ import annotations

import html
import re
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt  # comes with rich

from mien.report.appendix import markdown
from mien.report.blocks import (
    Cell,
    Document,
    Folded,
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
from mien.report.contents import document
from mien.report.gather import gather
from report import samples

READ = MarkdownIt("commonmark").enable("table")


def everywhere(text: str) -> Document:
    rows = [Row([Cell(text)], heading=True), Row([Cell(text, text), Cell(text)])]
    blocks = [
        Warnings([(text, text)]),
        Table("t", text, [text, text], rows, [text]),
        Paragraph(text),
        Picture("p", b"p", "png", 1, 1, text, text),
        Terms([Term(text, text, text, "https://example.org")]),
        Folded(text, [Paragraph(text)]),
    ]
    return Document(text, text, [], [Part(text, "part", blocks)], text)


def kinds(text: str) -> list[str]:
    found = []
    for token in READ.parse(text):
        found += [token.type, *(child.type for child in token.children or [] if child.type != "text")]
    return found


def shown(text: str) -> str:
    """The text of the page that the Markdown makes, without tags."""
    return html.unescape(re.sub(r"<[^>]*>", "\n", READ.render(text)))


NASTY = "<script>|`*_[a](b)~~$x$~~ # &amp; \\ ![i](j)"


@given(st.text(alphabet="<>&\\`*_[]()|~$#+-=.!0a \n\t", min_size=1).filter(lambda t: t.strip()))
@example(NASTY)
@example("1. a")
@example("# a")
@example("- a")
@example("+")
@example("---")
@example("===")
@example("a\r\n\r\nb")
@example("> a")
@example("12) a")
@settings(max_examples=60)
def test_no_text_becomes_markup(text: str) -> None:
    written, _ = markdown(everywhere(text), "x")
    assert kinds(written) == kinds(markdown(everywhere("plain"), "x")[0])
    flat = " ".join(text.split())
    lines = [" ".join(line.split()) for line in shown(written).split("\n")]
    assert lines[0:4].count(flat) >= 1, lines[:4]


def test_the_warnings_cannot_be_overlooked() -> None:
    loud, _ = markdown(Document("t", "", [Warnings([("mien", "Leaked.")])], [], "0"), "x")
    assert "> **WARNING: read before the numbers**\n>\n> - **mien:** Leaked." in loud
    calm, _ = markdown(Document("t", "", [Warnings([])], [], "0"), "x")
    assert "WARNING" not in calm and "No warnings" in calm


def test_a_table_is_a_table() -> None:
    rows = [Row([Cell("one")], heading=True), Row([Cell("a"), Cell("w"), Cell("69.2%", "67.7 to 70.7")])]
    table = Table("t", "What", ["", "words", "n"], rows, ["Note."], frozenset({1}))
    text, _ = markdown(Document("t", "", [table], [], "0"), "x")
    assert (
        "**Table 1.** What.\n\n|   | words | n |\n| --- | --- | ---: |\n| **one** |   |   |\n"
        "| a | w | 69.2% (67.7 to 70.7) |\n\nNote." in text
    )


def test_a_listing_is_kept_and_its_fence_is_longer_than_any_in_it() -> None:
    text, _ = markdown(Document("t", "", [Listing("a = 1\n````\n<b>", "toml")], [], "0"), "x")
    (fence,) = (token for token in READ.parse(text) if token.type == "fence")
    assert (fence.content, fence.info) == ("a = 1\n````\n<b>\n", "toml")


def test_the_whole_report_with_its_pictures(tmp_path: Path) -> None:
    samples.save(tmp_path / "run", samples.evaluation())
    report = document(gather([tmp_path / "run"]))
    text, files = markdown(report, "app-pictures")
    assert len(files) == len(samples.COLOURS) and all(data.startswith(b"\x89PNG") for data in files.values())
    targets = re.findall(r"\]\(<app-pictures/([^>]*)>\)", text)
    assert targets == list(files) and files["01-m1-classes.png"] == samples.picture(samples.COLOURS["classes"])
    levels = [int(token.tag[1]) for token in READ.parse(text) if token.type == "heading_open"]
    assert levels[0] == 1 and all(b <= a + 1 for a, b in pairwise(levels))
    tables = sum(token.type == "table_open" for token in READ.parse(text))
    assert tables == sum(isinstance(block, Table) for block in report.all_blocks()) > 15
    assert [token.info for token in READ.parse(text) if token.type == "fence"] == ["toml", "sh"]


@pytest.mark.parametrize("folder", ["a b", "a)b", "ä"])
def test_the_folder_may_have_any_name(folder: str) -> None:
    text, _ = markdown(everywhere("x").__class__("t", "", [Picture("p", b"", "png", 1, 1, "a", "c")], [], "0"), folder)
    (image,) = (c for t in READ.parse(text) for c in t.children or [] if c.type == "image")
    assert image.attrs["src"] == READ.normalizeLink(f"{folder}/01-p.png")
