"""The page about the studies: every row says what is wrong with it, every link leads somewhere."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import cv2
import numpy as np
import pytest
from markdown_it import MarkdownIt  # comes with rich

from mien.errors import OutputError, StudyError
from mien.plots import bars, curves
from mien.records import record
from mien.report.appendix import markdown
from mien.report.blocks import Block, Document, Folded, Link, Links, Listing, Paragraph, Part, Picture, Table
from mien.report.latex import latex
from mien.report.page import html
from mien.studies.gather import gather
from mien.studies.manifest import load_study
from mien.studies.page import document
from mien.studies.pictures import pictures
from mien.studies.result import Result
from mien.studies.wording import check_wording
from mien.studies.writing import write
from report.browser import browser, required
from report.test_page import PAPER, TOO_WIDE, Outline
from studies import samples

STUDIES = Path(__file__).resolve().parents[2] / "studies"


def page(folder: Path) -> Document:
    return document([gather(folder)], folder.parent, {})


def table(of: Document, name: str) -> Table:
    (found,) = [b for b in of.all_blocks() if isinstance(b, Table) and b.name == name]
    return found


def row(of: Table, head: str) -> list[str]:
    """The cells of the row whose first cell begins so, with what stands under each."""
    (found,) = [r for r in of.rows if r.cells[0].text.startswith(head) and not r.heading]
    return [f"{cell.text} ({cell.detail})" if cell.detail else cell.text for cell in found.cells]


# ---- the systems


def test_each_system_says_what_it_scored_and_how_it_was_run(tmp_path: Path) -> None:
    found = table(page(samples.write(tmp_path / "paper")), "paper-systems")
    assert [r.cells[0].text for r in found.rows] == [s.title for s in load_study(tmp_path / "paper").system]
    plain = dict(zip(found.columns, row(found, "As it should be"), strict=True))
    assert plain == {
        "system": "As it should be (plain)",
        "the paper": "–",
        "accuracy, test": "62.7% (58.7 to 66.4, n\u00a0=\u00a0600)",
        "accuracy, PublicTest": "58.0% (54.0 to 61.9, n\u00a0=\u00a0600)",
        "epochs": "4 of 32, stopped: val_loss was best in epoch 3",
        "parameters": "605,060",
        "training": "4\u202fmin 6\u202fs on A Processor, 2 cores, 2 threads; seed 1234; commit 0123456+changes",
    }


def test_a_row_says_what_is_wrong_with_it(tmp_path: Path) -> None:
    found = table(page(samples.write(tmp_path / "paper")), "paper-systems")
    name, claim, test, public, *_ = row(found, "Over-sample")
    assert name.endswith("(leaked; LEAKED: copies of 300 faces on both sides)") and claim == "83.0% on test images"
    assert test.startswith("LEAKED 9") and public.startswith("51.7%")  # what the source held out itself is sound
    assert row(found, "Shortened")[4] == "SHORTENED: 3 of 32 epochs"
    assert "MISSCALED: unit pixels for weights" in row(found, "Wrong input")[0]
    assert row(found, "Weights that")[0].endswith("(absent: could not be run: weights.bin cannot be fetched)")
    assert row(found, "Not run yet")[0].endswith("(later: not run yet)")
    for head in ("Weights that", "Not run yet"):
        assert set(row(found, head)[1:]) == {"–"}
    assert [note.split(":")[0] for note in found.notes[1:]] == ["LEAKED", "MISSCALED", "SHORTENED"]


@pytest.mark.parametrize(
    ("commit", "shown"),
    [
        ("35662cabe736, then b2c713833411", "35662ca, then b2c7138"),
        ("35662cabe736+changes, then b2c713833411", "35662ca+changes, then b2c7138"),
        ("", "not known"),
    ],
)
def test_every_commit_of_a_run_that_was_gone_on_with_is_shown(tmp_path: Path, commit: str, shown: str) -> None:
    one = samples.results()["plain"]
    assert one.training is not None
    folder = samples.write(
        tmp_path / "paper", given={"plain": replace(one, training=replace(one.training, commit=commit))}
    )
    assert row(table(page(folder), "paper-systems"), "As it should be")[-1].endswith(f"commit {shown}")


def test_what_does_not_occur_is_not_explained(tmp_path: Path) -> None:
    given = {name: one for name, one in samples.results().items() if name == "plain"}
    document_ = page(samples.write(tmp_path / "paper", given=given))
    assert len(table(document_, "paper-systems").notes) == 1
    top = document_.blocks[0]
    assert isinstance(top, Paragraph) and top.text.endswith("here. 1 of 6 systems were run.")


def test_the_top_counts_what_was_run(tmp_path: Path) -> None:
    top = page(samples.write(tmp_path / "paper")).blocks[0]
    assert isinstance(top, Paragraph)
    assert "4 of 6 systems were run; 1 of them shortened, which their rows say; 1 could not be run here" in top.text


def test_a_damaged_result_costs_its_own_row(tmp_path: Path) -> None:
    folder = samples.write(tmp_path / "paper")
    (folder / "short" / "result.json").write_text("{", encoding="utf-8")
    found = table(page(folder), "paper-systems")
    assert "short: its result cannot be read: " in row(found, "Shortened")[0] and "is damaged" in row(found, "Sh")[0]
    assert row(found, "As it should be")[2].startswith("62.7%")


def test_a_result_of_another_recipe_says_so(tmp_path: Path) -> None:
    folder = samples.write(tmp_path / "paper")
    assert not any(note.startswith("OUTDATED") for note in table(page(folder), "paper-systems").notes)
    recipe = folder / "plain" / "recipe.toml"
    recipe.write_text(samples.RECIPE.replace("1e-3", "2e-3"), encoding="utf-8")
    (folder / "leaked" / "recipe.toml").write_text(samples.RECIPE.replace("= 32\nb", "= 33\nb"), encoding="utf-8")
    (folder / "short" / "recipe.toml").write_text("[", encoding="utf-8")
    (folder / "absent" / "recipe.toml").write_text(samples.RECIPE.replace("0.2", "0.3"), encoding="utf-8")
    found = table(page(folder), "paper-systems")
    for head in ("As it", "Over-sample", "Weights that"):
        assert row(found, head)[0].endswith("OUTDATED: its recipe was changed since)"), head
    assert "OUTDATED: its recipe cannot be read: " in row(found, "Shortened")[0]
    assert "OUTDATED" not in row(found, "Wrong input")[0] and found.notes[-1].startswith("OUTDATED: ")
    lines: list[str] = []
    write(tmp_path / "page.json", [folder], lines.append)
    assert len(lines) == 4 and "paper/plain: its result is out of date: its recipe was changed since" in lines
    # The words of a recipe do not matter, only what they say.
    recipe.write_text("# A comment.\n" + samples.RECIPE.replace("1e-3", "0.001"), encoding="utf-8")
    assert "plain" not in gather(folder).outdated


def test_a_result_without_what_is_asked_for_by_now_says_so(tmp_path: Path) -> None:
    toml = samples.STUDY.replace('measures = ["loss:test", "shares"]', 'measures = ["loss:test", "shares", "repeats"]')
    found = gather(samples.write(tmp_path / "paper", toml))
    assert found.outdated == {"plain": "asked for since: repeats"}


def test_a_sentence_that_cannot_be_filled_costs_its_own_row(tmp_path: Path) -> None:
    toml = samples.STUDY.replace("{plain/loss:test/log_loss:short}", "{plain/loss:test/los}")
    folder, lines = samples.write(tmp_path / "paper", toml), list[str]()
    findings = table(page(folder), "paper-findings")
    said = row(findings, "83.0%")
    assert said[1].startswith("58.0%") and said[2].startswith("This sentence cannot be filled: {plain/loss:test/los}")
    assert row(findings, "More.")[1].startswith("Not measured yet")
    write(tmp_path / "page.json", [folder], lines.append)
    assert len(lines) == 1 and lines[0].startswith("paper, finding 'The headline', explanation: {plain/loss:test/los}")


# ---- claims


def test_the_claim_stands_beside_what_was_measured_and_why(tmp_path: Path) -> None:
    found = page(samples.write(tmp_path / "paper"))
    findings = table(found, "paper-findings")
    assert [r.cells[0].text for r in findings.rows if r.heading] == ["The headline", "What is to come"]
    claim, measured, why = row(findings, "83.0%")
    assert measured.startswith("58.0% (95% interval 54.0 to 61.9") and "−6.3 points" in measured
    assert claim == "83.0% test accuracy." and why == "The leak: a loss of 0.812 on 22,968 faces."
    # What was not measured has no explanation.
    assert row(findings, "More.") == ["More.", "Not measured yet: needs later.", "–"]
    assert row(table(found, "believe"), "A paper") == [
        "A paper on <b>faces</b> (Someone 2020)",
        claim,
        measured,
        "Believe 58.0% (95% interval 54.0 to 61.9, n\u00a0=\u00a0600), not 83%.",
    ]


def test_a_number_of_a_shortened_run_says_so_once(tmp_path: Path) -> None:
    toml = samples.STUDY.replace('"{later/public_test/accuracy}"', '"{short/public_test/accuracy:short}"')
    toml = toml.replace('"Because."', '"{short/parameters}"').replace("Believe {plain/", "Believe {short/")
    found = page(samples.write(tmp_path / "paper", toml))
    assert row(table(found, "paper-findings"), "More.")[1:] == [
        "31.5% (SHORTENED: short, 3 of 32 epochs.)",
        "605,060",
    ]
    assert row(table(found, "believe"), "A paper")[3].endswith("not 83%. (SHORTENED: short, 3 of 32 epochs.)")


# ---- comparisons, and what the paper prints


def test_a_comparison_shows_how_far_few_faces_carry(tmp_path: Path) -> None:
    found = page(samples.write(tmp_path / "paper"))
    standings = table(found, "paper-grid")
    assert standings.columns[2:4] == ["interval, n\u00a0=\u00a060", "share of draws it leads"]
    name, accuracy, few, first, parameters = row(standings, "As it should be")
    assert (name, accuracy, parameters) == ("As it should be (plain)", "58.0% (54.0 to 61.9)", "605,060")
    low, high = map(float, few.split(" to "))
    assert high - low > 20 and 50 < float(first.rstrip("%")) < 100
    assert row(standings, "Wrong")[0].endswith("(wrong-input; MISSCALED)")
    pairs = table(found, "paper-grid-pairs")
    assert len(pairs.rows) == 3
    pair = row(pairs, "plain against leaked")
    assert (pair[1], pair[5]) == ("+6.3 (0.3 to 12.2)", "plain is better")
    texts = [b.text for b in found.all_blocks() if isinstance(b, Paragraph)]
    assert "With one to come: not measured yet: needs later." in texts
    assert any(re.search(r"^3 of the 3 pairs .* on 600 faces\. On 60 .* none .* \d+\.\d% of 2,000", t) for t in texts)


def test_the_papers_epochs_stand_beside_ours(tmp_path: Path) -> None:
    found = page(samples.write(tmp_path / "paper"))
    beside = table(found, "paper-plain-beside")
    assert row(beside, "1")[:5] == ["1", "1.900", "2.000", "25.0%", "20.0%"]  # its epoch 0
    assert row(beside, "4")[5:] == ["1.000", "0.525", "65.0%", "72.0%"]
    assert len(table(found, "paper-plain-history").rows) == 4
    layers = table(found, "paper-layers")
    assert row(layers, "Conv2D") == ["Conv2D (conv2d)", "48 × 48 × 32", "320"] and row(layers, "sum")[2] == "419"
    shares = table(found, "paper-shares-1")
    assert row(shares, "happy") == ["happy", "about 300", "75.0%", "40.0%"] and row(shares, "sad")[3] == "–"


def test_an_epoch_that_was_not_run_is_a_dash(tmp_path: Path) -> None:
    results = samples.results()
    results["plain"] = replace(results["plain"], history=results["plain"].history[:2])
    beside = table(page(samples.write(tmp_path / "paper", given=results)), "paper-plain-beside")
    assert row(beside, "4")[1:5] == ["0.900", "–", "70.0%", "–"]


def test_a_study_without_results_is_a_page(tmp_path: Path) -> None:
    found = page(samples.write(tmp_path / "paper", given={}))
    assert all("not run yet" in r.cells[0].detail for r in table(found, "paper-systems").rows)
    assert "Not measured yet: needs plain." in html(found)


# ---- how it was run


def links(of: list[Block]) -> list[Link]:
    return [link for block in of if isinstance(block, Links) for link in block.items]


def test_links_lead_to_files(tmp_path: Path) -> None:
    folder = samples.write(tmp_path / "stu dies" / "paper")
    place = tmp_path / "docs" / "deep"
    found = document([gather(folder)], place, {})
    targets = {link.text: (place / unquote(link.address)).resolve() for link in links(list(found.all_blocks()))}
    assert targets.pop("notes") == folder / "NOTES.md" and targets.pop("what was asked for") == folder / "study.toml"
    assert targets.pop("the paper's figures") == folder / "published.toml"
    assert targets == {name: folder / name / "result.json" for name in samples.results()}
    (folder / "NOTES.md").unlink()
    assert "notes" not in {link.text for link in links(list(document([gather(folder)], place, {}).all_blocks()))}


def test_it_says_how_to_have_it_again(tmp_path: Path) -> None:
    found = page(samples.write(tmp_path / "paper"))
    listed = [b.text for b in found.all_blocks() if isinstance(b, Listing)]
    assert listed == ["mien study run paper\nmien study run paper --only short --epochs 3"]
    made = row(table(found, "paper-made"), "plain")
    assert made[1:4] == ["faces.parquet, sha256 abababababab", "the source's own, test 0.2", "22,968"]
    assert made[5] == "2026-01-02, mien 0.1.0, commit fedcba9"


BAD = ["javascript:alert(1)", "java\nscript:a", " javascript:a", "http://example.org", "//example.org", "/etc/passwd"]
BAD += ["data:text/html,x", "file:///x", "a b", 'a"b', "a>b", "a\\b", "\\\\host", "", "ä"]


@pytest.mark.parametrize("address", BAD)
def test_a_link_leads_nowhere_else(address: str) -> None:
    with pytest.raises(ValueError, match="not relative or of https"):
        Link("x", address)
    if address:
        with pytest.raises(ValueError, match="not relative or of https"):
            Picture("p", b"", "png", 1, 1, "", "", address)


def test_links_are_written_in_every_format() -> None:
    block = Links([Link("<b>[a](b)", "a/b%20c.md"), Link("there", "https://example.org/?a=1&b=(2)")])
    found = Document("t", "", [], [Part("p", "p", [block, Folded("f", [Links([])])])], "0")
    written = Outline(html(found))
    assert [a["href"] for a in written.all("a")][-2:] == ["a/b%20c.md", "https://example.org/?a=1&b=(2)"]
    assert ("a", "<b>[a](b)") in written.text and html(found).count("<p></p>") == 0
    text, _ = markdown(found, "x")
    inline = [c for t in MarkdownIt().parse(text) for c in t.children or []]
    assert [c.attrs["href"] for c in inline if c.type == "link_open"] == [
        "a/b%20c.md",
        "https://example.org/?a=1&b=(2)",
    ]
    assert "<b>[a](b)" in "".join(c.content for c in inline)
    assert "example.org" not in latex(found)


# ---- pictures


class Seen:
    """What was asked of the drawing of pictures."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bars: list[bars.Bars] = []
        self.curves: list[curves.Curves] = []
        draw, course = bars.save, curves.save
        monkeypatch.setattr(bars, "save", lambda path, given: (self.bars.append(given), draw(path, given)))
        monkeypatch.setattr(curves, "save", lambda path, given: (self.curves.append(given), course(path, given)))


def test_pictures_show_the_numbers_and_doubt_those_that_are_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = Seen(monkeypatch)
    found = pictures(gather(samples.write(tmp_path / "paper")))
    assert [p.name for p in found] == ["paper-scores", "paper-history"]
    for one in found:
        image = cv2.imdecode(np.frombuffer(one.data, np.uint8), cv2.IMREAD_COLOR)
        assert image is not None and image.shape[:2] == (one.height, one.width)
    (given,) = seen.bars
    shown = {(b.group.split(" ")[0], b.name.split(" ")[0]): b for b in given.bars}
    assert list(shown) == [
        *(("test", "As"), ("test", "Over-sample,")),
        *(("PublicTest", name) for name in ("As", "Over-sample,", "Shortened", "Wrong")),
        *(("60", "As"), ("60", "Over-sample,")),
    ]
    doubts = {key: bar.doubt.split(":")[0].split(",")[0] for key, bar in shown.items() if bar.doubt}
    assert doubts == {
        ("test", "Over-sample,"): "leaked",
        ("PublicTest", "Shortened"): "shortened",
        ("PublicTest", "Wrong"): "misscaled",
        ("60", "Over-sample,"): "leaked",
    }
    plain, few = shown["PublicTest", "As"], shown["60", "As"]
    assert (plain.value, plain.n, plain.baseline) == (pytest.approx(0.58), 600, 0.4)
    assert few.n == 60 and few.interval is not None and plain.interval is not None
    assert few.interval[1] - few.interval[0] > 2 * (plain.interval[1] - plain.interval[0])
    assert "Shortened, PublicTest 31.5% (shortened: 3 of 32 epochs)" in found[0].alt
    (course,) = seen.curves
    assert [r["epoch"] for r in course.published] == [1, 4] and course.kept == 3 and len(course.rows) == 4
    assert found[1].alt == "After epoch 4: training accuracy 80.0%, validation accuracy 72.0%."


def test_a_picture_without_parts_is_of_each_systems_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Seen(monkeypatch)
    toml = samples.STUDY.replace('parts = ["test", "public_test"]\nsample = 60\n', "")
    pictures(gather(samples.write(tmp_path / "paper", toml)))
    assert [(b.group, b.name.split(" ")[0]) for b in seen.bars[0].bars] == [
        *(("test", "As"), ("test", "Over-sample,")),
        *(("PublicTest", "Shortened"), ("PublicTest", "Wrong")),
    ]


def test_what_was_not_run_is_not_drawn(tmp_path: Path) -> None:
    assert pictures(gather(samples.write(tmp_path / "paper", given={}))) == []


# ---- files


def test_markdown_shows_the_pictures_where_they_lie(tmp_path: Path) -> None:
    folder = samples.write(tmp_path / "studies" / "paper")
    path = tmp_path / "docs" / "papers.md"
    files = write(path, [folder])
    assert files == [path, folder / "pictures" / "scores.png", folder / "pictures" / "history.png"]
    text = path.read_text(encoding="utf-8")
    shown = re.findall(r"!\[[^\]]*\]\(<([^>]*)>\)", text)
    assert [(path.parent / one).resolve() for one in shown] == files[1:] and all(f.is_file() for f in files)
    assert sorted(p.name for p in path.parent.iterdir()) == ["papers.md"]
    again = [f.read_bytes() for f in files]
    write(path, [folder])
    assert [f.read_bytes() for f in files] == again


def test_html_has_its_pictures_in_itself(tmp_path: Path) -> None:
    folder = samples.write(tmp_path / "paper")
    assert write(tmp_path / "page.html", [folder]) == [tmp_path / "page.html"]
    assert not (folder / "pictures").exists()
    found = Outline((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert [(a["src"] or "")[:22] for a in found.all("img")] == ["data:image/png;base64,"] * 2
    assert not found.all("b") or "faces" not in [t for tag, t in found.text if tag == "b"]
    names = [a["id"] for _, a in found.tags if "id" in a]
    assert len(names) == len(set(names))


def test_json_has_everything(tmp_path: Path) -> None:
    write(tmp_path / "all.json", [samples.write(tmp_path / "paper")])
    body = json.loads((tmp_path / "all.json").read_bytes())
    (study,) = body["studies"]
    read = {k: record(Result, v["result"], "the result") for k, v in study["systems"].items() if v["result"]}
    assert read == samples.results() and study["systems"]["later"]["result"] is None
    assert study["believe"].startswith("Believe 58.0%") and study["findings"][1]["explanation"] == "–"
    (grid,) = study["comparisons"]
    assert grid["pairs"][0]["verdict"] == "plain is better than leaked" and len(grid["drawn"]["told"]) == 3


def test_without_matplotlib_there_is_a_page_that_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toml = re.sub(
        r'name = "scores"\nkind = "bars".*?\n\n',
        'name = "x"\nkind = "history"\ntitle = ""\nsystems = ["plain"]\n',
        samples.STUDY,
        flags=re.S,
    )
    folder = samples.write(tmp_path / "paper", toml)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    write(tmp_path / "page.html", [folder])
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "There are no pictures here. The pictures of a study needs" in text.replace("need the", "needs the")
    assert "<img" not in text and "58.0%" in text


@pytest.mark.parametrize("name", ["page.tex", "page", "folder.html"])
def test_what_cannot_be_written_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(OutputError):
        write(tmp_path / name, [samples.write(tmp_path / "paper")])
    with pytest.raises(StudyError, match="no study"):
        write(tmp_path / "page.html", [])


def test_a_typo_in_a_study_stops_its_page(tmp_path: Path) -> None:
    folder = samples.write(tmp_path / "paper", samples.STUDY.replace("Believe {plain", "Believe {plane"))
    with pytest.raises(StudyError, match="'plane'"):
        write(tmp_path / "page.html", [folder])


@pytest.mark.parametrize("folder", sorted(p.parent.name for p in STUDIES.glob("*/study.toml")))
def test_our_own_studies_name_only_what_there_can_be(folder: str) -> None:
    check_wording(load_study(STUDIES / folder))


def test_in_a_browser(tmp_path: Path) -> None:
    found = required()
    path = tmp_path / "page.html"
    write(path, [samples.write(tmp_path / "paper")])
    with browser(found, tmp_path / "profile") as chromium:
        chromium.open(path)
        for width in (1200, 400):
            chromium.show(width)
            assert chromium.value("document.documentElement.scrollWidth <= innerWidth")
            assert chromium.value(TOO_WIDE) == [], width
        # A sentence is not squeezed into a word a line, and what must be pushed sideways can be by keys.
        narrow = (
            "Math.min(...[...document.querySelectorAll('tbody td.w + td.w')].map(e => e.clientWidth).filter(w => w))"
        )
        assert chromium.value(narrow) >= 170
        chromium.show(PAPER, media="print")
        assert chromium.value("document.documentElement.scrollWidth <= innerWidth")
        assert chromium.requests == [path.as_uri()] and chromium.complaints == []
