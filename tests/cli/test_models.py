"""``mien models``."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from mien.bundle import DEFAULT
from mien.files import cache_folder


def listed() -> list[dict[str, object]]:
    done = subprocess.run([sys.executable, "-m", "mien", "models"], capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_shipped_model_is_listed_with_its_scores() -> None:
    rows = listed()
    assert [r["model"] for r in rows] == [DEFAULT]
    row = rows[0]
    assert row["where"] == "shipped" and row["default"] is True and row["error"] is None
    scores = row["scores"]
    assert isinstance(scores, dict)
    assert scores["fer2013"]["n"] == 3584 and scores["ferplus"]["n"] == 3196
    for score in scores.values():
        assert score["low"] < score["value"] < score["high"]


def test_cached_models_are_listed_and_a_damaged_one_does_not_hide_the_rest(toy_bundle: Path) -> None:
    for name in ("toy", "toy-broken"):
        shutil.copytree(toy_bundle, cache_folder() / "models" / name)
    (cache_folder() / "models" / "toy-broken" / "model.onnx").write_bytes(b"x")
    rows = {r["model"]: r for r in listed()}
    assert set(rows) == {DEFAULT, "toy", "toy-broken"}
    assert rows["toy"]["where"] == "cache" and rows["toy"]["error"] is None
    assert "sha256" in str(rows["toy-broken"]["error"])
