"""``mien demo`` with the shipped model."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from mien.errors import MissingExtraError
from mien.plots.samples import portrait


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


def test_without_matplotlib_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'mien\[plot\]'"):
        portrait()
