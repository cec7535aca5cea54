"""README: its commands run, and its numbers are the measured ones."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.data import FaceSet, export
from tests_support import mien

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
# Indented lines are what a reader types.
TYPED = [m[1] for m in re.finditer(r"^    ((?:pip|mien) .*)$", README, re.MULTILINE)]


def run(command: str, folder: Path, **extra: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", command], cwd=folder, capture_output=True, text=True, check=False, timeout=600,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", **extra},
    )  # fmt: skip


@pytest.fixture
def desk(tmp_path: Path, shared: Path, tiny_faces: FaceSet) -> Path:
    """A folder with the files that the README speaks of."""
    numbered = dataclasses.replace(tiny_faces, rows=np.arange(120, dtype=np.int32), votes=np.zeros((120, 10), np.uint8))
    export(numbered, tmp_path / "fer2013.csv", "csv")
    media = shared / "data" / "media"
    shutil.copy(media / "one-face.jpg", tmp_path / "photo.jpg")
    shutil.copy(media / "clip.mp4", tmp_path / "clip.mp4")
    (tmp_path / "photos").mkdir()
    shutil.copy(media / "no-faces.jpg", tmp_path / "photos" / "a.jpg")
    (tmp_path / "more" / "deep").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "more" / "deep" / "b.png"), cv2.imread(str(media / "one-face.jpg")))
    (tmp_path / "clip.txt").write_text("not a picture")
    return tmp_path


def test_every_command_of_the_readme_is_known_here() -> None:
    """So that one that is added is tested too."""
    assert TYPED == [
        "pip install -c constraints.txt '.[plot]' && mien demo",
        "mien analyze photo.jpg",
        "mien analyze photos 'more/**/*.png' --out faces.csv --annotate drawn",
        "mien live clip.mp4 --headless --out clip.jsonl",
        "mien models",
        "mien data import fer2013.csv fer.store",
        "mien data info fer.store",
        "mien data audit fer.store --report audit.json",
        "mien evaluate mien-small fer.store --out measured",
        "pip install -c constraints.txt '.[train]'",
        "mien train mien-small --data fer2013.csv",
        "mien study list",
        "mien study report --out studies.html",
        "pip install -c constraints.txt -e '.[dev]' && pytest",
    ]


def test_the_commands_on_data_run_in_order(desk: Path) -> None:
    commands = [c for c in TYPED if re.match("mien (data|evaluate)", c)]
    assert len(commands) == 4
    said = [run(command, desk) for command in commands]
    assert [done.returncode for done in said] == [0, 0, 0, 0], said
    assert "120 faces" in said[0].stdout and "surprise" in said[1].stdout and "groups of identical" in said[2].stdout
    assert "scores, with 95% intervals" in said[3].stdout and (desk / "measured" / "evaluation.json").is_file()


@pytest.mark.parametrize("command", [c for c in TYPED if re.match("mien (?!train|data|evaluate)", c)])
def test_commands_run(command: str, desk: Path) -> None:
    done = run(command, desk)
    assert done.returncode == 0, done.stderr
    if "--out" in command:
        name = command.split("--out ")[1].split()[0]
        text = (desk / name).read_text().splitlines()
        if name == "faces.csv":
            assert len(text) == 3
        elif name == "studies.html":
            assert text[0] == "<!doctype html>" and text[-1] == "</html>"
        else:
            rows = [json.loads(line) for line in text]
            assert {row["frame"] for row in rows} == set(range(115))
            assert sum(row["status"] == "ok" for row in rows) > 100
    else:
        assert done.stdout


def test_the_training_command_finds_its_recipe_and_asks_for_its_data(tmp_path: Path) -> None:
    done = mien(*next(c for c in TYPED if c.startswith("mien train")).split()[1:], cwd=tmp_path)
    assert done.returncode == 1 and "fer2013.csv does not exist" in done.stderr


def test_the_python_example_runs(desk: Path) -> None:
    code = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert code
    done = subprocess.run([sys.executable, "-c", code[1]], cwd=desk, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "happy" in done.stdout and "['ok', 'error']" in done.stdout


def test_the_first_command_works_on_a_fresh_machine(tmp_path: Path) -> None:
    """In a copy of the checkout and a clean virtual environment, to the letter."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (tmp_path / "mien" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tmp_path / "mien" / name)
    home = tmp_path / "venv"
    venv.create(home, with_pip=True)
    done = run(TYPED[0], tmp_path / "mien", PATH=f"{home / 'bin'}:{os.environ['PATH']}", VIRTUAL_ENV=str(home))
    assert done.returncode == 0, done.stderr
    assert "grace_hopper.jpg" in done.stdout and (tmp_path / "mien" / "mien-demo.jpg").stat().st_size > 10000
    installed = {p.name.lower() for p in next(home.glob("lib/python*/site-packages")).iterdir()}
    assert not installed & {"torch", "tensorflow", "pandas", "pyarrow", "sklearn"}


def test_ci_calls_the_second_command() -> None:
    assert TYPED[-1].replace("pip install", "pip install -q") in (ROOT / ".ci" / "run").read_text()


def test_numbers_are_the_measured_ones() -> None:
    """README and model card are made from benchmarks/results and card.json; the demo is run again."""
    command = [sys.executable, "benchmarks/document.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
