"""``mien data info``: what it prints, plainly and as JSON."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner, Result

from mien.cli import data_info
from mien.data import FaceSet, Split, save
from mien.data.statistics import statistics
from mien.errors import DataError
from mien.expressions import Vocabulary


def run(*arguments: object) -> Result:
    app = typer.Typer()
    app.command()(data_info.info)
    return CliRunner().invoke(app, [str(a) for a in arguments])


def printed(*arguments: object) -> list[str]:
    done = run(*arguments)
    assert done.exit_code == 0, done.output
    return [line.rstrip() for line in done.stdout.splitlines()]


def row(lines: list[str], heading: str, name: str) -> list[str]:
    """Cells of a row of the table under a heading."""
    at = next(i for i, line in enumerate(lines) if line.startswith(heading))
    found = next(line for line in lines[at + 1 :] if line.startswith(f"{name} "))
    return found[len(name) :].split()


@pytest.fixture
def store(tiny_faces: FaceSet, tmp_path: Path) -> Path:
    save(tiny_faces, tmp_path / "tiny.store")
    return tmp_path / "tiny.store"


def split_file(faces: FaceSet, folder: Path, parts: dict[str, range], leaked: str = "", balance: str = "") -> Path:
    rows = {k: faces.rows[np.array(v)] for k, v in parts.items()}
    weights = dict.fromkeys(faces.vocabulary.labels, 0.5) if balance == "weights" else {}
    split = Split("by hand", 9, faces.provenance.sha256, rows, {}, balance, weights, leaked)
    split.save(folder / "split.json")
    return folder / "split.json"


def test_json_is_the_statistics(store: Path, tiny_faces: FaceSet, tmp_path: Path) -> None:
    assert json.loads(run(store, "--json").stdout) == statistics(tiny_faces).to_dict()
    file = split_file(tiny_faces, tmp_path, {"train": range(80), "test": range(80, 99)})
    found = json.loads(run(store, "--split", file, "--json").stdout)
    assert found == statistics(tiny_faces, Split.load(file)).to_dict()
    assert found["parts"]["test"]["n"] == 19


def test_the_text_has_the_counts_the_levels_and_the_agreement(store: Path, tiny_faces: FaceSet) -> None:
    lines, known = printed(store), statistics(tiny_faces)
    head = "\n".join(lines[:8])
    for fact in ("tiny.csv (made up, sha256 0000000000000000)", "120, 48×48", "7, vocabulary fer2013", "109 faces"):
        assert fact in head
    for i, label in enumerate(known.vocabulary.labels):
        a, b = known.counts[:, i]
        assert row(lines, "Faces per class", label) == [
            *(str(a), f"{a / 90:.1%}"),
            *(str(b), f"{b / 30:.1%}"),
            *(str(a + b), f"{(a + b) / 120:.1%}"),
        ]
        level = known.label_levels[i]
        assert level is not None
        expected = [f"{level.mean:.2f}", f"{level.std:.2f}", f"{level.mean / 255:.4f}", f"{level.std / 255:.4f}"]
        assert row(lines, "Grey level", label) == expected
    assert row(lines, "Faces per class", "all") == ["90", "100%", "30", "100%", "120", "100%"]
    assert row(lines, "Grey level", "all")[0] == f"{known.level.mean:.2f}"
    assert row(lines, "Grey level", "PublicTest")[0] == f"{known.part_levels[1].mean:.2f}"
    matrix = known.agreement
    assert matrix is not None and matrix.share is not None
    for column, counts in zip(matrix.columns, matrix.counts.T, strict=True):
        assert row(lines, "Labels (columns)", column) == [str(n) for n in counts]
    shares = [f"{a / n:.1%}" if n else "–" for a, n in zip(matrix.agreeing, matrix.labelled, strict=True)]
    assert row(lines, "Labels (columns)", "agreeing") == shares
    assert f"{matrix.share:.1%} agree ({matrix.agreeing.sum()} of {matrix.labelled.sum()})." in lines
    assert "contempt, which FER2013 lacks, counts as disagreement." in " ".join(lines)


def test_what_the_source_says_is_told(tiny_faces: FaceSet, tmp_path: Path) -> None:
    names = np.array([f"S{i % 3}" for i in range(120)])
    about = replace(tiny_faces.provenance, joined={"fer2013new.csv": "ab" * 32}, vocabulary_map="a-to-b")
    told = replace(tiny_faces, subjects=names, paths=names, columns={"relFCs": np.zeros(120)}, provenance=about)
    save(told, tmp_path / "told")
    head = {line[:12].strip(): line[12:] for line in printed(tmp_path / "told")[:10]}
    assert head["persons"] == "3" and head["files"] == "a path for each face" and head["columns"] == "relFCs"
    assert head["joined"] == "fer2013new.csv (sha256 abababababababab)"
    assert head["classes"].endswith("mapped by a-to-b")
    save(tiny_faces, tmp_path / "untold")
    head = {line[:12].strip(): line[12:] for line in printed(tmp_path / "untold")[:10]}
    assert head["persons"] == "not told apart" and head["files"] == "no path per face" and "joined" not in head


def test_without_votes_there_is_no_matrix(tiny_faces: FaceSet, tmp_path: Path) -> None:
    save(replace(tiny_faces, votes=np.zeros_like(tiny_faces.votes)), tmp_path / "s")
    lines = printed(tmp_path / "s")
    assert "FER+ votes  none" in lines and "majority" not in " ".join(lines)


def test_a_leak_is_told_before_any_number(store: Path, tiny_faces: FaceSet, tmp_path: Path) -> None:
    file = split_file(tiny_faces, tmp_path, {"train": range(80), "test": range(70, 99)}, leaked="copies")
    lines = printed(store, "--split", file)
    leak = lines.index("!! THIS SPLIT LEAKS: copies. Scores made with it are worth nothing.")
    assert leak < next(i for i, line in enumerate(lines) if line.startswith("Faces per class"))
    assert [line for line in lines if line.startswith("! ")]  # the missing votes, less loud
    assert any(line.startswith("faces       109 (99 different ones; the rest are repeated)") for line in lines)


def test_a_split_says_how_it_is_balanced_and_what_it_leaves_out(
    store: Path, tiny_faces: FaceSet, tmp_path: Path
) -> None:
    file = split_file(tiny_faces, tmp_path, {"train": range(80), "test": range(80, 99)}, balance="weights")
    text = " ".join(printed(store, "--split", file)[:14])
    assert "by hand, seed 9" in text and "weights: angry 0.5, disgust 0.5" in text and "21 in no part" in text


def test_piped_text_is_plain_and_at_most_80_wide(tiny_faces: FaceSet, tmp_path: Path) -> None:
    labels = ("ordinary", "a very long class name that goes on and on and on", "b" * 70, "[red]d[/red]", ":smile:")
    some = replace(
        tiny_faces,
        labels=(np.arange(120) % 5).astype(np.int8),
        vocabulary=Vocabulary("own", labels),
        usages=("all",) * 2,
    )
    save(some, tmp_path / "s")
    file = split_file(some, tmp_path, {f"fold-{k}": range(12 * k, 12 * k + 12) for k in range(10)})
    lines = printed(tmp_path / "s", "--split", file)
    assert max(map(len, lines)) <= 80
    assert not re.search("[\x1b─│┃━█]", "\n".join(lines))
    assert any(line.startswith("[red]d[/red] ") for line in lines) and any(":smile:" in line for line in lines)
    for k in range(10):  # wider than the page, so in several tables
        assert f"fold-{k}" in " ".join(lines)
    assert sum(line.startswith("class ") for line in lines) > 1
    assert "".join(line.split(" ")[0] for line in lines if line.startswith("bbb"))[:70] == "b" * 70


def test_a_terminal_also_gets_bars(tiny_faces: FaceSet) -> None:
    found = statistics(tiny_faces.take(np.flatnonzero((tiny_faces.labels != 1) | (np.arange(120) < 60))))
    screen = io.StringIO()
    data_info._counts(Console(file=screen, force_terminal=True, width=120, color_system=None), found)
    bars = {line.split()[0]: line.count("█") for line in screen.getvalue().splitlines() if "█" in line}
    assert bars["angry"] == 24 and bars["disgust"] == round(24 * found.per_label[1] / found.per_label[0]) == 12
    narrow = io.StringIO()
    data_info._counts(Console(file=narrow, force_terminal=True, width=60, color_system=None), found)
    assert "█" not in narrow.getvalue()


def test_a_split_of_other_data_and_no_split_at_all_are_errors(store: Path, tiny_faces: FaceSet, tmp_path: Path) -> None:
    other = replace(tiny_faces, provenance=replace(tiny_faces.provenance, sha256="1" * 64))
    done = run(store, "--split", split_file(other, tmp_path, {"train": range(5)}))
    assert isinstance(done.exception, DataError) and "was made from" in str(done.exception)
    (tmp_path / "bad.json").write_text("{}")
    assert "not a split" in str(run(store, "--split", tmp_path / "bad.json").exception)
