"""``mien demo`` with the shipped model."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from rich.cells import cell_len

from mien.errors import MissingExtraError
from mien.expressions import FER_TINY, VALENCE
from mien.plots.samples import portrait
from tests_support import MOODS, mien, toy


def test_the_demo_prints_and_draws(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mien", "demo"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "grace_hopper.jpg: 512×600, 1 face found by haar, scored by mien-small" in done.stdout
    for label in ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"):
        assert label in done.stdout
    assert "certain: " in done.stdout or "uncertain" in done.stdout
    drawn, plain = cv2.imread(str(tmp_path / "mien-demo.jpg")), cv2.imread(str(portrait()))
    assert drawn.shape == plain.shape and (drawn != plain).any()


@pytest.mark.parametrize(
    ("name", "labels"),
    [("valence", VALENCE.labels), ("fer-tiny", FER_TINY.labels), ("moods", (*MOODS, "a name that is longer " * 5))],
)
def test_a_model_of_any_labels_shows_them_all_in_line(tmp_path: Path, name: str, labels: tuple[str, ...]) -> None:
    done = mien("demo", "--model", toy(tmp_path / "toy", {name: labels}, 32), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    bars = [line for line in done.stdout.splitlines() if line.startswith("  ")]
    assert len(bars) == len(labels)
    for label in labels:
        assert sum(line[2:].startswith(f"{label[:30]} ") for line in bars) == 1, label
    assert len({cell_len(line[: line.index("%")]) for line in bars}) == 1
    assert max(map(cell_len, bars)) <= 80


def test_without_matplotlib_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'mien\[plot\]'"):
        portrait()
