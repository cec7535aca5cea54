"""Tables for LaTeX: numbers with their warnings, and text that stays text."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.report.blocks import Cell, Document, Folded, Row, Table, Warnings
from mien.report.contents import document
from mien.report.gather import gather
from mien.report.latex import latex
from report import samples

NASTY = r"""\end{table} & % $x_1^2$ #1 ~ {a} <b> "q" ''r'' --- [c] `d` | * ? – … “s” """ + "1\u202f000 × \u22121"


def everywhere(text: str) -> Document:
    rows = [Row([Cell(text)], heading=True), Row([Cell(text, text), Cell(text), Cell(text, text)])]
    table = Table("t", text, [text, text, text], rows, [text], frozenset({1}))
    return Document(text, "", [Warnings([(text, text)]), Folded("", [table])], [], text)


def test_a_table_is_in_the_style_of_booktabs() -> None:
    rows = [
        Row([Cell("one")], heading=True),
        Row([Cell("a"), Cell("w"), Cell("69.2%", "67.7 to 70.7")]),
        Row([Cell("two")], heading=True),
    ]
    table = Table("the-name", "What", ["", "words", "n"], rows, ["Note."], frozenset({1}))
    text = latex(Document("t", "", [table], [], "0"))
    body = text[text.index(r"\begin{table}") :]
    for line in (
        r"\caption{What.}\label{tab:the-name}",
        r"\sbox{\mienbox}{\begin{tabular}{@{}llr@{}}",
        r"\toprule",
        " & words & n \\\\\n\\midrule",
        "\\midrule\n\\multicolumn{3}{@{}l@{}}{\\mienrows{one}} \\\\",
        r"a & w & \mienestimate{69.2\%}{67.7 to 70.7} \\",
        "\\addlinespace\n\\multicolumn{3}{@{}l@{}}{\\mienrows{two}} \\\\\n\\bottomrule",
        "Note.",
    ):
        assert line in body, line
    assert "Warning" not in body
    assert r"\usepackage{booktabs,graphicx}" in text


def test_the_numbers_do_not_travel_without_the_warnings() -> None:
    one = Table("a", "", ["", "n"], [])
    text = latex(Document("t", "", [Warnings([("mien", "Leaked 50%."), ("", "Worse.")]), one, one], [], "0"))
    first, second = text.split(r"\end{table}")[:2]
    assert r"\textbf{Warning, mien:} Leaked 50\%." in first and r"\textbf{Warning:} Worse." in first
    assert "Warning" not in second
    assert r"\label{tab:a}" in first and r"\label{tab:a-2}" in second


def test_every_special_letter_is_escaped() -> None:
    text = latex(Document("", "", [Table("t", NASTY, ["", "n"], [])], [], "0"))
    (caption,) = re.findall(r"\\caption\{(.*)\}\\label", text)
    assert caption == (
        r"\textbackslash{}end\{table\} \& \% \$x\_1\textasciicircum{}2\$ \#1 \textasciitilde{} \{a\} "
        r"\textless{}b\textgreater{} {\char34}q{\char34} '{}'r'{}' -{}-{}- {[}c{]} \textasciigrave{}d\textasciigrave{} "
        r"\textbar{} {*} ? \textendash{} \ldots{} \textquotedblleft{}s\textquotedblright{} 1\,000 $\times$ $-$1."
    )


@given(st.text(alphabet="\\{}$&%#_^~ab\n\x00\u2028", min_size=1))
@settings(max_examples=60)
def test_no_text_is_a_command(text: str) -> None:
    """Braces and environments stay in pairs, and there are no more columns, rows or lines than there were."""
    written, plain = (bare(latex(everywhere(one))) for one in (text, "x"))
    assert len(written.split("\n")) == len(plain.split("\n"))
    for letter in "&$#_^~{":
        # The braces around what stands for a letter come in pairs.
        more = written.count(letter) - plain.count(letter)
        assert more == (written.count("}") - plain.count("}") if letter == "{" else 0), letter
    assert written.count("\\end") == plain.count("\\end") and written.count("%") == plain.count("%")


def bare(text: str) -> str:
    """Without comments, escaped letters, and the commands that stand for a letter."""
    lines = [line for line in text.split("\n") if not line.startswith("%")]
    found = re.sub(r"\\text(backslash|asciicircum|asciitilde)\{\}", "", "\n".join(lines))
    return re.sub(r"\\[{}$&%#_]", "", found)


def test_facts_in_words_are_left_out_and_all_else_is_there(tmp_path: Path) -> None:
    samples.save(tmp_path / "run", samples.evaluation())
    report = document(gather([tmp_path / "run"]))
    names = [b.name for b in report.all_blocks() if isinstance(b, Table) and not b.facts]
    assert re.findall(r"\\label\{tab:(.*?)\}", latex(report)) == names
    assert "m1-made" not in names and "m1-confusion-ferplus-majority" in names
    assert r"\rotatebox{90}{contempt}" in latex(report) and samples.SHA256 not in latex(report)


def test_it_compiles(tmp_path: Path) -> None:
    engine = shutil.which("pdflatex")
    styles = shutil.which("kpsewhich")
    if engine is None or styles is None or not subprocess.run([styles, "booktabs.sty"], capture_output=True).stdout:
        pytest.skip("there is no pdflatex with booktabs")
    samples.save(tmp_path / "run", samples.evaluation())
    (tmp_path / "real.tex").write_text(latex(document(gather([tmp_path / "run"]))), encoding="utf-8")
    (tmp_path / "nasty.tex").write_text(latex(everywhere(NASTY)), encoding="utf-8")
    (tmp_path / "all.tex").write_text(
        r"\documentclass{article}\usepackage{booktabs,graphicx}\begin{document}"
        r"\input{real.tex}\clearpage\input{nasty.tex}\end{document}",
        encoding="utf-8",
    )
    command = [engine, "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull \\hbox" not in done.stdout and "Missing character" not in done.stdout
