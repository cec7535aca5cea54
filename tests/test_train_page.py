"""docs/train.md: its recipe trains, its commands run in order, and so does its example."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import cv2

from mien.bundle import read_card
from mien.data import FaceSet
from mien.recipe import load, parse
from tests_support import mien

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "train.md").read_text(encoding="utf-8")
TYPED = re.findall(r"^    (mien .*)$", PAGE, re.MULTILINE)


def block(kind: str) -> str:
    found = re.search(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)
    assert found
    return found[1]


def test_the_page_leads_from_a_download_to_a_model_and_beyond(tmp_path: Path, tiny_faces: FaceSet) -> None:
    names = ("Training", "PublicTest")
    with (tmp_path / "fer2013.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(
            [
                ["emotion", "pixels", "Usage"],
                *(
                    [int(label), " ".join(map(str, face.ravel().tolist())), names[usage]]
                    for face, label, usage in zip(tiny_faces.faces, tiny_faces.labels, tiny_faces.usage, strict=True)
                ),
            ]
        )
    recipes = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    for name, text in zip(re.findall(r"[Ss]aved? (?:it )?as `(\w+\.toml)`", PAGE), recipes, strict=True):
        (tmp_path / name).write_text(text)
    for command in TYPED:
        quick = ("--seconds", "0.05", "--faces", "256") if command.startswith("mien cost") else ()
        done = mien(*_words(command), *quick, cwd=tmp_path)
        assert done.returncode == 0, (command, done.stderr)
        assert done.stdout, command
    run = tmp_path / "runs" / "trial"
    said = ("recipe.toml", "environment.json", "split.json", "log.csv", "curves.png", "weights.safetensors")
    assert all((run / name).is_file() for name in (*said, "checkpoints/last.ckpt")) and all(n in PAGE for n in said)
    assert read_card(run / "bundle").training.shortened.startswith("1 of 100 epochs")
    assert read_card(run / "head" / "bundle").outputs == ["fer2013_probabilities", "features"]
    mine, gentle = load(tmp_path / "mine.toml"), load(tmp_path / "gentle.toml")
    assert gentle.training.learning_rate == 1e-3 and gentle.training.epochs == mine.training.epochs
    assert mine.augment.flip and not gentle.augment.flip
    leak = read_card(tmp_path / "runs" / "leak" / "bundle").training
    assert leak.leaked.startswith("over-sampled before the split") and "extends" not in leak.recipe
    assert {p.name for p in (tmp_path / "tunes").iterdir()} == {"rates", "dropout"}
    for picture in ("augmented.png", "cost.png"):
        assert cv2.imread(str(tmp_path / picture)) is not None
    python = [sys.executable, "-c", block("python")]
    done = subprocess.run(python, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "(3,)\n"


def _words(command: str) -> list[str]:
    return [quoted or plain for quoted, plain in re.findall(r'"([^"]*)"|(\S+)', command)][1:]


def test_every_recipe_that_ships_is_named() -> None:
    shipped = {p.stem for p in Path(str(files("mien"))).glob("recipes/*.toml")} - {"mien-small"}
    table = PAGE[PAGE.index("## The systems of the papers") : PAGE.index("## Tune")]
    told = set(re.findall(r"`([^`]+)`", table))
    grid = {f"{d}-{n}" for d in ("fer2013", "affectnet", "tiny") for n in ("mobilenetv2", "shufflenetv2", "resnet18")}
    assert {"fer2013-", "affectnet-", "tiny-"} <= told
    assert shipped == {t for t in told if not t.endswith("-")} - {"mobilenetv2", "shufflenetv2", "resnet18"} | grid


def test_the_recipe_of_the_page_is_valid() -> None:
    assert json.loads(parse(block("toml"), "mine.toml").model_dump_json())["augment"]["mixup"] == 0.2
