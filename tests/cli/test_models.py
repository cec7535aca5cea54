"""``mien models``."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mien.bundle import DEFAULT, Bundle, save
from mien.cli import models, train
from mien.expressions import FERPLUS, VALENCE
from mien.files import cache_folder
from tests_support import MOODS, card, network


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


def test_a_model_of_other_labels_is_listed_with_the_score_and_the_name_of_its_own(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, vocabularies, part in (
        ("toy-valence", {"valence": VALENCE.labels, "ferplus": FERPLUS.labels}, "validation"),
        ("toy-moods", {"moods": MOODS}, "session 3"),
        ("toy-unscored", {"[red]": MOODS}, ""),
    ):
        body = card(vocabularies)
        (score,) = body["scores"]
        votes = {**score, "protocol": "ferplus majority: single votes dropped", "part": "public_test", "value": 0.62}
        body["scores"] = [{**score, "part": "train", "value": 0.99}, {**score, "part": part}] if part else []
        body["scores"] += [votes] if "ferplus" in vocabularies else []
        body["scores"].sort(key=lambda s: s["part"] == "train")
        body["training"]["shortened"] = "2 of 100 epochs" if name == "toy-moods" else ""
        body["training"]["misscaled"] = "byte pixels" if name == "toy-unscored" else ""
        save(cache_folder() / "models" / name, network(vocabularies), body)
    rows = {str(r["model"]): r for r in listed()}
    assert [rows[n]["vocabulary"] for n in ("toy-valence", "toy-moods", DEFAULT)] == ["valence", "moods", "fer2013"]
    assert rows["toy-moods"]["shortened"] == "2 of 100 epochs" and rows[DEFAULT]["shortened"] == ""
    monkeypatch.setenv("COLUMNS", "200")
    models._print_table(list(rows.values()))
    lines = capsys.readouterr().out.splitlines()
    shown = {line.split()[0]: line for line in lines if " cache " in line or " shipped " in line}
    assert "valence: 14.0% (10.0% to 20.0%, n = 100, validation)" in shown["toy-valence"]
    assert "62.0% (10.0% to 20.0%, n = 100)" in shown["toy-valence"]
    assert "moods: 14.0% (10.0% to 20.0%, n = 100, session 3)" in shown["toy-moods"]
    assert "[red]: –" in shown["toy-unscored"]
    assert "fer2013" not in shown[DEFAULT] and "n = 3,584)" in shown[DEFAULT]
    assert [name for name, line in shown.items() if "SHORTENED" in line] == ["toy-moods"]
    assert rows["toy-unscored"]["misscaled"] == "byte pixels"
    assert [name for name, line in shown.items() if "MISSCALED" in line] == ["toy-unscored"]
    assert "toy-moods: the run was shortened (2 of 100 epochs)" in lines


def test_a_leaked_card_is_told_before_its_scores(toy_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    card = Bundle(toy_bundle).card
    leaked = dataclasses.replace(card, training=dataclasses.replace(card.training, leaked="copies on both sides"))
    train._told(leaked, toy_bundle)
    assert capsys.readouterr().out.startswith("LEAKED, the scores below are worth nothing: copies on both sides\n")
    train._told(card, toy_bundle)
    out = capsys.readouterr().out
    assert "LEAKED" not in out and "MISSCALED" not in out
    train._told(dataclasses.replace(card, training=dataclasses.replace(card.training, misscaled="byte")), toy_bundle)
    assert capsys.readouterr().out.startswith("MISSCALED on purpose, not to be used: byte\n")
