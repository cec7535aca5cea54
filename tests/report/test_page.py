"""The page: whole, still, and readable on a screen, a telephone and paper."""

from __future__ import annotations

import base64
import re
import string
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.report.blocks import Cell, Document, Listing, Paragraph, Part, Picture, Row, Table, Term, Terms, Warnings
from mien.report.contents import document
from mien.report.gather import gather
from mien.report.page import html
from mien.report.writing import write
from report import samples
from report.browser import browser, required

NASTY = '<script>document.title="run"</script><img src=x onerror="document.title=1">&amp; "\'</table></style>'
VOID = {"meta", "link", "img"}


class Outline(HTMLParser):
    """What is in a page; fails where tags are not closed in their order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text: list[tuple[str, str]] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.text.append((self.open[-1] if self.open else "", data))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def full(tmp_path: Path) -> Path:
    samples.save(tmp_path / "a" / "evaluation", samples.evaluation())
    write(tmp_path / "full.html", gather([tmp_path / "a"]))
    return tmp_path / "full.html"


def test_the_page_is_well_formed_and_says_what_is_what(tmp_path: Path) -> None:
    page = Outline(full(tmp_path).read_text(encoding="utf-8"))
    assert page.all("html") == [{"lang": "en"}] and len(page.all("h1")) == len(page.all("main")) == 1
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h\d", tag)]
    assert all(b <= a + 1 for a, b in pairwise(levels)) and levels[0] == 1
    names = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(names) == len(set(names))
    targets = [a["href"][1:] for a in page.all("a") if (a["href"] or "").startswith("#")]
    assert targets and set(targets) <= set(names)
    labelled = [a["aria-labelledby"] for _, a in page.tags if "aria-labelledby" in a]
    assert labelled and set(labelled) <= set(names)
    assert len(page.all("caption")) == len(page.all("table")) > 15
    assert all(cell["scope"] in ("col", "row", "rowgroup") for cell in page.all("th"))
    pictures = page.all("img")
    assert len(pictures) == len(samples.COLOURS) and all(picture["alt"] for picture in pictures)
    for picture in pictures:
        kind, data = (picture["src"] or "").split(",")
        assert kind == "data:image/png;base64" and base64.b64decode(data).startswith(b"\x89PNG")
        assert (picture["width"], picture["height"]) == ("900", "420")


def test_nothing_is_fetched_and_nothing_is_run(tmp_path: Path) -> None:
    text = full(tmp_path).read_text(encoding="utf-8")
    page = Outline(text)
    assert not page.all("script") and not page.all("iframe")
    assert not any(name.startswith("on") or name == "style" for _, a in page.tags for name in a)
    addresses = [a[name] for _, a in page.tags for name in ("src", "srcset", "data") if name in a]
    assert all((address or "").startswith("data:") for address in addresses)
    assert [link["href"] for link in page.all("link")] == ["data:,"]
    assert "url(" not in text and "@import" not in text
    (policy,) = (m["content"] for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-") and "unsafe" not in policy


def everywhere(text: str) -> Document:
    """A report with a text wherever there can be one."""
    blocks = [
        Warnings([(text, text)]),
        Table("t", text, [text, text], [Row([Cell(text)], heading=True), Row([Cell(text, text), Cell(text, text)])]),
        Paragraph(text),
        Picture("p", b"", "png", 1, 1, text, text),
        Listing(text, "toml"),
        Terms([Term(text, text, text, "https://example.org")]),
    ]
    return Document(text, text, [], [Part(text, "part", blocks)], text)


@pytest.mark.parametrize("text", [NASTY, "\x00\x1b[31m", "a\u202eb", "]]>", "<!--", "&lt;"])
def test_text_from_files_stays_text(text: str) -> None:
    page, plain = Outline(html(everywhere(text))), Outline(html(everywhere("plain")))
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in plain.tags]
    shown = "".join(c if c >= " " else "\ufffd" for c in text)
    assert [a["alt"] for a in page.all("img")] == [shown]
    assert sum(shown in data for _, data in page.text) == sum("plain" in data for _, data in plain.text) > 10


@given(st.text(alphabet=st.one_of(st.sampled_from("<>&\"'\\/="), st.sampled_from(string.ascii_letters)), min_size=1))
@settings(max_examples=40)
def test_no_text_adds_a_tag(text: str) -> None:
    assert [t for t, _ in Outline(html(everywhere(text))).tags] == [t for t, _ in Outline(html(everywhere("x"))).tags]


def test_a_page_without_warnings_says_so_and_one_with_them_has_a_box() -> None:
    calm = html(Document("", "", [Warnings([])], [], "0"))
    assert "No warnings" in calm and 'class="warnings"' not in calm
    loud = html(Document("", "", [Warnings([("mien", "Leaked."), ("", "Worse.")])], [], "0"))
    assert "2 warnings: read before the numbers" in loud and "<b>mien:</b> Leaked." in loud and "Worse." in loud
    assert 'class="warnings"' in loud and "No warnings" not in loud


def test_a_table_tells_words_numbers_groups_and_shades_apart() -> None:
    rows = [Row([Cell("one")], heading=True), Row([Cell("a"), Cell("b"), Cell("7", "6 to 8", 0.52)])]
    page = html(Document("", "", [Table("t", "c", ["", "words", "n"], rows, ["Note."], frozenset({1}))], [], "0"))
    body = page[page.index("<table>") :]
    assert '<td class="w"></td><th scope="col" class="w">words</th><th scope="col">n</th>' in body
    assert '<tr class="group"><th scope="rowgroup" colspan="3">one</th></tr>' in body
    assert '<th scope="row" class="w">a</th><td class="w">b</td><td class="s5">7 <small>6 to 8</small></td>' in body
    assert '<p class="note">Note.</p>' in body and "<b>Table 1.</b> c." in body


# What lies outside the page's width, unless it can be pushed sideways within a table or a listing.
TOO_WIDE = """[...document.querySelectorAll("body *")]
    .filter(e => !e.closest(".scroll > *, pre > *, .skip"))
    .filter(e => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
    .map(e => e.outerHTML.slice(0, 80))"""
PAPER = 673  # pixels of A4 between the margins
# Tables, listings and pictures that reach beyond their place on paper, where nothing can be pushed.
CUT = """[...document.querySelectorAll(".scroll, pre, img")]
    .filter(e => !e.querySelector(".many"))
    .filter(e => e.scrollWidth > e.clientWidth + 1
        || e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
    .map(e => e.textContent.slice(0, 80))"""
FOLDED = "[...document.querySelectorAll('details')].map(e => e.offsetHeight)"  # their heights, pixels


def test_in_a_browser(tmp_path: Path) -> None:
    found = required()
    page = full(tmp_path)
    nasty = [f"{NASTY} {i}" for i in range(13)]
    samples.save(tmp_path / "b", samples.of_classes(nasty, texts=NASTY))
    write(tmp_path / "nasty.html", gather([tmp_path / "b"]))
    with browser(found, tmp_path / "profile") as chromium:
        for path in (page, tmp_path / "nasty.html"):
            chromium.open(path)
            for width in (1200, 400):
                chromium.show(width)
                assert chromium.value("document.documentElement.scrollWidth <= innerWidth")
                assert chromium.value(TOO_WIDE) == [], (path.name, width)
            chromium.show(PAPER, media="print", scheme="dark")
            assert chromium.value(CUT) == [], path.name
            title = document(gather([tmp_path / ("a" if path == page else "b")])).title
            assert chromium.value("document.title") == title  # a script would have changed it
        assert chromium.requests == [page.as_uri(), (tmp_path / "nasty.html").as_uri()]
        assert chromium.complaints == []

        chromium.open(page)
        widths = chromium.value("[...document.images].map(i => i.complete && i.naturalWidth)")
        assert widths == [900] * len(samples.COLOURS)
        shown = "getComputedStyle(document.body).backgroundColor"
        chromium.show(1200)
        assert chromium.value(shown) == "rgb(255, 255, 255)"
        assert max(chromium.value(FOLDED)) < 60
        chromium.show(1200, scheme="dark")
        assert max(map(int, re.findall(r"\d+", chromium.value(shown)))) < 40
        chromium.show(PAPER, media="print", scheme="dark")
        assert chromium.value(shown) == "rgb(255, 255, 255)"
        assert min(chromium.value(FOLDED)) > 100
        chromium.show(1200, media="")
        printed = base64.b64decode(chromium.call("Page.printToPDF", printBackground=False)["data"])
        assert 8 <= len(re.findall(rb"/Type /Page\b", printed)) <= 24
