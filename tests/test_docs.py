"""docs/bring-your-data.md: its commands run in order, on small files of the same kinds, and so does its example."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.data import FaceSet, Split, load
from mien.expressions import CKPLUS, FER_TINY, FERPLUS_VOTES
from tests_support import mien, mien_process

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "bring-your-data.md").read_text(encoding="utf-8")
# Indented lines are what a reader types.
TYPED = re.findall(r"^    ((?:pip|mien) .*)$", PAGE, re.MULTILINE)
TRAINS = [c for c in TYPED if c.startswith(("mien train", "mien analyze"))]


def picture(path: Path, seed: int, size: int = 60) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(seed).integers(0, 256, (7, 7, 3), dtype=np.uint8)
    cv2.imwrite(str(path), cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC))


@pytest.fixture
def desk(tmp_path: Path, tiny_faces: FaceSet) -> Path:
    """A folder with the files that the page speaks of."""
    names = ("Training", "PublicTest")
    rows = [
        [int(label), " ".join(map(str, face.ravel().tolist())), names[usage]]
        for face, label, usage in zip(tiny_faces.faces, tiny_faces.labels, tiny_faces.usage, strict=True)
    ]
    tables = {
        "fer2013.csv": [["emotion", "pixels", "Usage"], *rows],
        "damaged.csv": [["emotion", "pixels", "Usage"], *rows[:5], [9, rows[5][1], "Training"], *rows[6:]],
        "fer2013new.csv": [
            ["Usage", "Image name", *FERPLUS_VOTES[:-1], "NF"],
            *(
                [row[2], f"fer{i:07d}.png" if votes.any() else "", *votes]
                for i, (row, votes) in enumerate(zip(rows, tiny_faces.votes, strict=True))
            ),
        ],
    }
    for name, table in tables.items():
        with (tmp_path / name).open("w", newline="") as stream:
            csv.writer(stream).writerows(table)
    for i in range(30):
        picture(tmp_path / "my-faces" / ("calm", "cross", "glad")[i % 3] / f"{i}.jpg", i)
        picture(tmp_path / "CK+48" / CKPLUS.labels[i % 7] / f"S{i // 3:03d}_001_{i:08d}.png", 100 + i)
    for i, label in enumerate(FER_TINY.labels):
        for j, part in enumerate(("train", "test", "validation")):
            picture(tmp_path / "tiny" / part / label / f"{i}.png", 200 + 3 * i + j, 48)
    code = re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert code
    (tmp_path / "mood.toml").write_text(code[1])
    return tmp_path


def test_the_page_leads_from_a_download_to_a_model(desk: Path) -> None:
    kinds = set()
    for command in TYPED:
        if command in TRAINS or command.startswith("pip"):
            continue
        words = command.split()[1:]
        # Each kind once in a process of its own, where nothing is imported yet.
        done = (mien if words[1] in kinds else mien_process)(*words, cwd=desk)
        kinds.add(words[1])
        assert done.returncode == 0, (command, done.stderr)
        assert done.stdout, command
    assert len(kinds) == 8
    identical = json.loads((desk / "audit.json").read_text())["identical"]
    assert (identical["groups"], identical["surplus"]) == (4, 6)
    clean = Split.load(desk / "clean.json")
    assert set(clean.parts) == {"train", "validation", "public_test"} and not clean.leaked
    assert len(load(desk / "damaged.store")) == 119
    assert "row 5 (line 7),emotion is '9'" in (desk / "damaged.store.skipped.csv").read_text().replace('"', "")
    assert load(desk / "mood.store").vocabulary.labels == ("bad", "good")
    assert load(desk / "voted.store").votes.any() and not load(desk / "fer.store").votes.any()
    assert load(desk / "mine.store").size == 96
    again = load(desk / "fer.store")
    assert (desk / "fer-again.csv").read_bytes() == (desk / "fer2013.csv").read_bytes()
    assert len(again) == 120 and (desk / "fer.png").stat().st_size > 20_000
    assert Split.load(desk / "balanced.json").balance == "over"


def test_the_training_commands_exist_as_typed(desk: Path) -> None:
    assert [c.split()[1] for c in TRAINS] == ["train", "analyze"]
    done = mien(*TRAINS[0].split()[1:], cwd=desk)
    assert done.returncode == 1 and "fer.store" in done.stderr  # it gets as far as opening the store


def test_the_python_example_runs(desk: Path) -> None:
    code = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert code
    done = subprocess.run([sys.executable, "-c", code[1]], cwd=desk, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "48, 48) ('angry'" in done.stdout


def test_every_kind_of_source_is_in_the_table() -> None:
    from mien.data import SOURCES

    said = PAGE[PAGE.index("## What can be imported") : PAGE.index("## When rows are wrong")].lower()
    words = {
        "store": "a store",
        "mien-csv": "mien data export",
        "mien-folders": "mien data export",
        "ferplus-csv": "fer2013new.csv",
        "fer2013-csv": "fer2013.csv",
        "parquet": "parquet",
        "fer2013-folders": "fer2013 image folders",
        "fer-tiny": "fer tiny",
        "affectnet-hq": "affectnet-hq",
        "ck+48": "ck+48",
        "raf-db": "raf-db",
        "class-folders": "folder per class",
    }
    assert set(words) == set(SOURCES)
    assert [name for name, word in words.items() if word not in said] == []
