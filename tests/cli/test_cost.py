"""``mien cost`` as a user runs it."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import cv2
import pytest

from mien.bundle import DEFAULT
from mien.cli import cost
from mien.training.cost import BATCH, Cost
from tests_support import mien, mien_process

QUICKLY = ("--seconds", "0.02", "--faces", "64", "--batch", "8")
MEASURED = Cost(
    "runs/[odd]", "run", None, 48, None, 1_464_719, 127_175_424, 254_350_848, 5_877_856, "model.onnx", 55_664_640,
    None, None, 1.257, 1.768, 1.0, 56.78, 26_615, "recorded", None, "A Machine", "fer2013", 0.692, 0.677, 0.707, 3584,
    hardware="This Machine",
)  # fmt: skip
NETWORK = Cost(
    "resnet18", "network", None, 48, 224, 11_200_000, 1_734_888_960, 3_469_777_920, 44_700_000, "weights.safetensors",
    167e6, 1_234_000_000, 128, 23.4, 12.3, 18.6, 3498.0, 28_655, "measured", 1, "This Machine", hardware="This Machine",
    note="scoring memory: its process was killed",
)  # fmt: skip


def test_a_pipe_gets_json_a_file_the_same_columns_and_a_wrong_name_costs_itself(tmp_path: Path) -> None:
    names = (DEFAULT, "mien-smal", "model-1")
    done = mien("cost", *names, *QUICKLY, "--out", "cost.csv", "--plot", "cost.png", "--x", "ms", cwd=tmp_path)
    assert done.returncode == 1 and "error: mien-smal: no model 'mien-smal', did you mean mien-small?" in done.stderr
    assert "Traceback" not in done.stderr and "cost.png: 2 models" in done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["model"] for row in rows] == [*names] and [bool(row["error"]) for row in rows] == [False, True, False]
    assert rows[2]["multiply_adds"] > 0 and rows[2]["relative"] == rows[2]["ms_per_face"] / rows[0]["ms_per_face"]
    with (tmp_path / "cost.csv").open(newline="", encoding="utf-8") as stream:
        table = list(csv.DictReader(stream))
    assert list(table[0]) == list(rows[0]) == [f.name for f in fields(Cost)]
    assert [row["flops"] for row in table] == [str(row["flops"] or "") for row in rows]
    assert cv2.imread(str(tmp_path / "cost.png")) is not None


def test_a_table_can_be_parquet(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    done = mien_process("cost", DEFAULT, "--seconds", "0.02", "--out", "cost.parquet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert parquet.read_table(tmp_path / "cost.parquet").to_pylist() == [json.loads(done.stdout)]


@pytest.mark.parametrize("columns", [60, 80, 140])
def test_the_table_has_every_number_with_what_it_belongs_to(
    columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    cost._print_table([MEASURED, NETWORK, Cost("absent", error="no model")])
    out = capsys.readouterr().out
    said = " ".join(out.split())
    assert ("…" in out) is False and max(map(len, out.splitlines())) <= columns
    for text in ("1.46 M", "127 M", "1.73 G", "5.88 MB", "55.7 MB", "1.23 GB", "1.26", "18.6", "56.8", "3498", "69.2%"):
        assert text in said, text
    for text in ("67.7 to 70.7", "recorded", "1 step", "step of 128", "network, 48 → 224 px", "runs/[odd] 1.46 M"):
        assert text in said, text
    for text in (
        "1 multiply-add = 2 FLOPs", "Measured on This Machine", f"batches of {BATCH}", "over that of runs/[odd]",
        "as recorded in training, on A Machine", "resnet18: scoring memory: its process was killed", "95% interval",
    ):  # fmt: skip
        assert text in said, text
    assert "absent" not in said


def test_a_leaked_model_is_marked(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    cost._print_table([replace(MEASURED, leaked="copies on both sides")])
    out = " ".join(capsys.readouterr().out.split())
    assert out.count("LEAKED") == 2 and "worth nothing: copies on both sides" in out
    assert cost._point(replace(MEASURED, leaked="copies"), 1.0).leaked


@pytest.mark.parametrize(
    ("value", "text"), [(None, "–"), (0, "0"), (999.6e3, "1.00 M"), (94.3e6, "94.3 M"), (1.8e9, "1.80 G"), (12, "12")]
)
def test_amounts_have_three_digits(value: float | None, text: str) -> None:
    assert cost.amount(value) == text


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("cost",), "Missing argument"),
        (("cost", DEFAULT, "--plot", "a.bmp"), "no such format"),
        (("cost", DEFAULT, "--out", "a.txt"), "no such format"),
        (("cost", DEFAULT, "--x", "colour"), "'colour' is not one of"),
        (("cost", "model-1", "--side", "4", "--seconds", "0.02"), "4×4"),
        (("cost", "model-1", "--faces", "5", "--seconds", "0.02"), "an epoch of 5 faces in batches of 128"),
    ],
)
def test_mistakes_are_one_clear_message(tmp_path: Path, arguments: tuple[str, ...], text: str) -> None:
    done = mien(*arguments, cwd=tmp_path)
    assert done.returncode in (1, 2) and text in " ".join(done.stderr.replace("│", " ").split()), done.stderr
    assert "Traceback" not in done.stderr


def test_without_the_train_extra_it_says_what_to_install(tmp_path: Path) -> None:
    blocked = "import sys; sys.modules['onnx'] = None; sys.argv[0] = 'mien'; from mien.cli import main; main()"
    command = [sys.executable, "-c", blocked, "cost", DEFAULT]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "mien cost needs the package onnx" in done.stderr
    assert "pip install 'mien[train]'" in done.stderr
