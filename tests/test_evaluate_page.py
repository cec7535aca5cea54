"""docs/evaluate.md: its commands run in order, and its description of a rival is one."""

from __future__ import annotations

import dataclasses
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from typer.testing import CliRunner

from mien import bundle, data
from mien.cli import app
from mien.data import FaceSet
from mien.evaluation import document
from mien.evaluation.files import write_predictions
from mien.evaluation.scores import Predictions
from mien.expressions import FER2013

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "evaluate.md").read_text(encoding="utf-8")
TYPED = re.findall(r"^    (mien .*)$", PAGE, re.MULTILINE)


def block(kind: str) -> str:
    found = re.search(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)
    assert found
    return found[1]


def their_network() -> bytes:
    """An ONNX network of someone else: float32 (n, 1, 48, 48) → (n, 7) logits."""
    from onnx import TensorProto, helper, numpy_helper

    weight = np.random.default_rng(0).normal(0, 0.05, (7, 48 * 48)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["picture"], ["flat"]),
            helper.make_node("Gemm", ["flat", "weight"], ["logits"], transB=1),
        ],
        "theirs",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, ["n", 1, 48, 48])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 7])],
        [numpy_helper.from_array(weight, "weight")],
    )
    return onnx.helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


@pytest.fixture
def desk(tmp_path: Path, shared: Path, tiny_faces: FaceSet, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the page speaks of."""
    cast = np.zeros((120, 10), np.uint8)
    cast[np.arange(120), np.arange(120) % 8] = 10
    data.save(dataclasses.replace(tiny_faces, votes=cast), tmp_path / "fer.store")
    test = tiny_faces.rows[90:]
    answers = np.random.default_rng(0).dirichlet(np.ones(7), 30)
    write_predictions(tmp_path / "mine.csv", [Predictions(FER2013, test, answers)], "0" * 64)
    lines = [f"{row},{'old' if i % 3 else 'young'}" for i, row in enumerate(test)]
    (tmp_path / "people.csv").write_text("\n".join(["row,age", *lines]) + "\n")
    (tmp_path / "theirs.toml").write_text(block("toml"))
    (tmp_path / "theirs.onnx").write_bytes(their_network())
    shutil.copy(shared / "data" / "media" / "one-face.jpg", tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_commands_of_the_page_run_in_order(desk: Path) -> None:
    assert len(TYPED) == 8
    for command in TYPED:
        quick = ("--draws", "100") if "mien evaluate" in command else ()
        done = CliRunner().invoke(app, [*shlex.split(command)[1:], *quick])
        assert done.exit_code == 0, (command, done.output, done.exception)
        assert done.output, command
    first = desk / "evaluations" / "mien-small-public_test"
    told = re.findall(r"^\| `([^`]+?)/?` \|", PAGE, re.MULTILINE)
    assert set(told) == {p.name for p in first.iterdir()}
    assert "it was trained on another file" in document.load(first).data.trained_on
    assert {s.view for s in document.load(desk / "evaluations" / "more").sections} == {"single", "flip"}
    assert {g.column for g in document.load(desk / "evaluations" / "more").groups} == {"usage", "age"}
    assert document.load(desk / "evaluations" / "theirs").model.kind == "rival"
    assert (desk / "report.html").read_text(encoding="utf-8").count("data:image/png") >= 8
    assert (desk / "maps" / "photo.jpg").is_file()


def test_the_example_in_python_runs(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(block("python"), "docs/evaluate.md", "exec"), {})
    assert capsys.readouterr().out.startswith("30 Estimate(value=0.")
    assert document.load(desk / "measured").made.draws == 200


def test_what_the_page_says_of_error_rates_is_so() -> None:
    """At most one answer in ten was wrong on held-out faces."""
    card = bundle.read_card(bundle.find(bundle.DEFAULT))
    assert card.threshold(0.1).accuracy >= 0.9 and card.threshold(0.1).confidence > card.calibration.uncertain_below
