"""``mien models``."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mien.bundle import DEFAULT, Bundle
from mien.cli import models, train
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


def test_a_model_that_was_trained_on_a_leaked_split_is_marked(
    toy_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = cache_folder() / "models" / "toy"
    shutil.copytree(toy_bundle, folder)
    card = json.loads((folder / "card.json").read_text())
    card["training"]["leaked"] = "over-sampled before the split"
    (folder / "card.json").write_text(json.dumps(card))
    rows = {str(r["model"]): r for r in listed()}
    assert rows["toy"]["leaked"] == "over-sampled before the split" and rows[DEFAULT]["leaked"] == ""
    models._print_table([rows["toy"], rows[DEFAULT]])
    lines = capsys.readouterr().out.splitlines()
    assert [name for line in lines for name in ("toy", DEFAULT) if line.startswith(name) and "LEAKED" in line] == [
        "toy"
    ]


def test_a_leaked_card_is_told_before_its_scores(toy_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    card = Bundle(toy_bundle).card
    leaked = dataclasses.replace(card, training=dataclasses.replace(card.training, leaked="copies on both sides"))
    train._told(leaked, toy_bundle)
    assert capsys.readouterr().out.startswith("LEAKED, the scores below are worth nothing: copies on both sides\n")
    train._told(card, toy_bundle)
    assert "LEAKED" not in capsys.readouterr().out
