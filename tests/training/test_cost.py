"""What networks cost: counted by hand, allocated on purpose, and timed against a clock that is known."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from mien.bundle import DEFAULT, Bundle, find
from mien.errors import BundleError, RecipeError
from mien.recipe import Recipe, changed, to_toml
from mien.training import counting, trial
from mien.training.cost import BATCH, Cost, Request, costs
from mien.training.timing import Contender, milliseconds_per_face, steps_timed
from mien.training.untrained import Untrained, named, write_onnx
from tests_support import QUICK, network, toy

RESIDUAL = changed(
    named("convrelu-ann"), {"network": {"name": "residual", "stem": 8, "widths": [16, 24], "blocks": [1, 2]}}
)
QUICKLY = Request(faces=64, batch=8, seconds=0.02)


def untrained(network: str | Recipe, side: int = 48, classes: int | None = None) -> Untrained:
    return Untrained(named(network) if isinstance(network, str) else network, side, classes)


# ---- counting


def test_a_network_of_a_paper_costs_what_its_layers_say() -> None:
    """Njoku et al.: same, then three valid 3×3 convolutions, halved after each of these; dense 512 and 7."""
    by_hand = (
        48 * 48 * 32 * 9 * 1
        + 46 * 46 * 64 * 9 * 32
        + 21 * 21 * 128 * 9 * 64
        + 8 * 8 * 256 * 9 * 128
        + 4 * 4 * 256 * 512
        + 512 * 7
    )
    count = counting.of_network(untrained("convrelu-ann").network(), 48)
    assert count.multiply_adds == by_hand == 93_154_816 and count.flops == 186_309_632


def test_the_order_of_the_three_data_sets_paper_is_not_what_counting_says() -> None:
    """It gives MobileNetV2 four times the operations of ResNet18; at 224×224 it has a sixth of them."""
    counts = {
        name: counting.of_network(untrained(name, 224).network(), 224).multiply_adds / 1e9
        for name in ("resnet18", "mobilenetv2", "shufflenetv2")
    }
    assert counts["resnet18"] == pytest.approx(1.8, rel=0.05)
    assert counts["mobilenetv2"] == pytest.approx(0.3, rel=0.05)
    assert counts["shufflenetv2"] == pytest.approx(0.15, rel=0.1)


@pytest.mark.parametrize(("name", "side"), [("residual", 48), ("convrelu-ann", 40), ("shufflenetv2", 64)])
def test_torch_and_onnx_are_counted_alike(tmp_path: Path, name: str, side: int) -> None:
    made = untrained(RESIDUAL if name == "residual" else name, side).network()
    write_onnx(made, side, tmp_path / "model.onnx")
    graph = counting.of_graph(onnx.load(tmp_path / "model.onnx"))
    # A bundle of a pooled network has its classifier twice: once more at every place, for the evidence.
    evidence = 0
    if made.pooled:
        shapes = {o.name: o for o in onnx.load(tmp_path / "model.onnx").graph.output}
        _, labels, high, wide = (d.dim_value for d in shapes["fer2013_evidence"].type.tensor_type.shape.dim)
        evidence = labels * high * wide * made.width
        assert evidence > 0
    assert graph == counting.Count(counting.of_network(made, side).multiply_adds + evidence)


def graph_of(nodes: list[Any], constants: dict[str, Any], wide: int = 6, output: str = "y") -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "made",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4, wide, wide])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()],
    )
    domains = [helper.make_opsetid(d, v) for d, v in (("", 17), ("ai.onnx.ml", 3), ("com.microsoft", 1))]
    return helper.make_model(graph, opset_imports=domains, ir_version=8)


FLAT = [helper.make_node("Flatten", ["x"], ["flat"])]  # (n, 144)


@pytest.mark.parametrize(
    ("nodes", "constants", "expected"),
    [
        ([helper.make_node("Conv", ["x", "w"], ["y"], group=2)], {"w": (8, 2, 3, 3)}, 8 * 4 * 4 * 2 * 9),
        ([helper.make_node("Conv", ["x", "w"], ["y"], strides=[2, 2])], {"w": (8, 4, 2, 2)}, 8 * 3 * 3 * 4 * 4),
        ([helper.make_node("ConvTranspose", ["x", "w"], ["y"], strides=[2, 2])], {"w": (4, 5, 2, 2)}, 4 * 36 * 5 * 4),
        ([*FLAT, helper.make_node("Gemm", ["flat", "w"], ["y"], transB=1)], {"w": (10, 144)}, 144 * 10),
        ([*FLAT, helper.make_node("Gemm", ["flat", "w"], ["y"])], {"w": (144, 11)}, 144 * 11),
        ([helper.make_node("MatMul", ["x", "w"], ["y"])], {"w": (6, 7)}, 4 * 6 * 6 * 7),
        ([helper.make_node("MatMul", ["x", "w"], ["y"])], {"w": (3, 1, 1, 6, 7)}, 3 * 4 * 6 * 6 * 7),
        ([helper.make_node("MatMul", ["x", "w"], ["y"])], {"w": (6,)}, 4 * 6 * 6),
        ([*FLAT, helper.make_node("CDist", ["flat", "w"], ["y"], domain="com.microsoft")], {"w": (9, 144)}, 9 * 144),
        ([helper.make_node("Relu", ["x"], ["y"])], {}, 0),
    ],
)  # fmt: skip
def test_products_are_counted_at_one_face(nodes: list[Any], constants: dict[str, Any], expected: int) -> None:
    weights = {name: np.zeros(shape, np.float32) for name, shape in constants.items()}
    assert counting.of_graph(graph_of(nodes, weights)) == counting.Count(expected)


def test_shapes_that_a_file_holds_for_another_batch_are_not_believed() -> None:
    model = graph_of([helper.make_node("Relu", ["x"], ["r"]), helper.make_node("Conv", ["r", "w"], ["y"])], {
        "w": np.zeros((8, 4, 3, 3), np.float32)
    })  # fmt: skip
    model.graph.value_info.append(helper.make_tensor_value_info("r", TensorProto.FLOAT, [5, 4, 6, 6]))
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", TensorProto.FLOAT, [5, 8, 4, 4]))
    assert counting.of_graph(model) == counting.Count(8 * 4 * 4 * 4 * 9)
    assert model.graph.value_info[0].type.tensor_type.shape.dim[0].dim_value == 5, "the caller's is left as it was"


def test_a_classical_classifier_is_counted_from_its_numbers() -> None:
    """Three classes, ten support vectors of 144 features, each in two decisions."""
    settings = {"classlabels_ints": [0, 1, 2], "kernel_type": "RBF", "kernel_params": [0.1, 0.0, 3.0]}
    numbers = {"support_vectors": [0.5] * 1440, "coefficients": [0.1] * 20, "vectors_per_class": [4, 3, 3]}
    machine = helper.make_node(
        "SVMClassifier", ["flat"], ["label", "y"], domain="ai.onnx.ml", rho=[0.0] * 3, **settings, **numbers
    )
    assert counting.of_graph(graph_of([*FLAT, machine], {})) == counting.Count(10 * 144 + 10 * 2)
    regression = onnx.load_from_string(network({"fer2013": "abcdefg"}, only_probabilities=True))
    assert counting.of_graph(regression) == counting.Count(5 * 36 * 64 + 7 * 5)


def test_what_cannot_be_counted_is_said() -> None:
    sums = helper.make_node("Einsum", ["x"], ["y"], equation="nchw->nc")
    assert counting.of_graph(graph_of([sums], {})).missing == ("Einsum",)
    some = helper.make_node("NonZero", ["x"], ["some"])  # as many as there happen to be
    cast = helper.make_node("Cast", ["some"], ["floats"], to=TensorProto.FLOAT)
    product = helper.make_node("MatMul", ["w", "floats"], ["y"])
    with pytest.raises(BundleError, match="the shape at MatMul 'y' cannot be inferred"):
        counting.of_graph(graph_of([some, cast, product], {"w": np.zeros((2, 4), np.float32)}))


def test_a_side_that_a_network_cannot_take_is_an_error() -> None:
    with pytest.raises(RecipeError, match="8×8"):
        untrained("convrelu-ann", 8).network()
    with pytest.raises(RecipeError, match="a face of 0×0 does not go through"):
        counting.of_network(untrained("convrelu-ann").network(), 0)


# ---- memory


def test_a_known_allocation_is_measured_whatever_the_caller_holds() -> None:
    """getrusage would begin with the caller's peak, and find nothing."""
    held = bytearray(b"x") * (400 << 20)
    code = (
        "from mien.training.trial import mark, peak_bytes\n"
        "passing = bytearray(b'x') * (300 << 20); del passing\n"
        "before = mark(); kept = bytearray(b'x') * (150 << 20); print(peak_bytes() - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert len(held) and int(done.stdout) == pytest.approx(150 << 20, rel=0.03)


def test_scoring_takes_the_weights_and_what_is_between_the_layers(tmp_path: Path) -> None:
    """64 MiB of weights, which the loading may hold twice; then 32 faces of 4 MiB of maps each."""
    nodes = [
        helper.make_node("Cast", ["faces"], ["x"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["x"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["y"]),
    ]
    weights = np.ones((1024, 1 << 14), np.float32)
    graph = helper.make_graph(
        nodes,
        "large",
        [helper.make_tensor_value_info("faces", TensorProto.UINT8, ["n", 32, 32])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 1 << 14])],
        [numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (tmp_path / "large.onnx").write_bytes(model.SerializeToString())
    found = trial.scoring(tmp_path / "large.onnx", ["y"], 32, BATCH)
    assert found.trouble == "" and found.peak is not None
    assert 64 << 20 <= found.peak <= 200 << 20
    (tmp_path / "tiny.onnx").write_bytes(network({"fer2013": "abcdefg"}))
    tiny = trial.scoring(tmp_path / "tiny.onnx", ["fer2013_probabilities"], 48, 1)
    assert tiny.peak is not None and tiny.peak < 20 << 20, "ONNX Runtime and numpy are not the model's"
    small = trial.scoring(find(DEFAULT) / "model.onnx", ["fer2013_probabilities"], 48, 1)
    more = trial.scoring(find(DEFAULT) / "model.onnx", ["fer2013_probabilities"], 48, 128)
    assert small.peak is not None and more.peak is not None
    assert more.peak - small.peak > 127 * 48 * 48 * 32 * 4, "the first maps alone"


def test_training_holds_weights_gradients_and_two_moments() -> None:
    recipe = changed(RESIDUAL, {"network.widths": [16, 512], "network.blocks": [1, 2]})
    parameters = sum(p.numel() for p in untrained(recipe, 16).network().parameters())
    found = trial.training(to_toml(recipe), 16, None, 4, 0.01)
    assert found.trouble == "" and found.peak is not None and found.step_seconds is not None
    assert 16 * parameters <= found.peak <= 40 * parameters, "and what the optimizer and the kernels need meanwhile"
    assert found.steps >= 1 and 0 < found.step_seconds < 60


def test_a_trial_that_fails_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    found = trial.training("name = 1", 16, None, 4, 0.01)
    assert found.peak is None and "RecipeError" in found.trouble
    killed: subprocess.CompletedProcess[str] = subprocess.CompletedProcess([], -9, "", "")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: killed)
    assert "killed" in trial.training("name = 1", 16, None, 4, 0.01).trouble


# ---- times


class Sleeper:
    """Stands in for a session: it takes its time, and the first run of a turn longer."""

    def __init__(self, name: str, seconds: float, log: list[str]) -> None:
        self.name, self.seconds, self.log = name, seconds, log

    def run(self, names: list[str], faces: dict[str, np.ndarray]) -> None:
        assert names == ["p"] and faces["faces"].shape == (4, 9, 9)
        cold = not self.log or self.log[-1] != self.name
        self.log.append(self.name)
        time.sleep(self.seconds + (0.05 if cold else 0))


def test_models_are_timed_in_turns_and_what_warms_up_is_left_out() -> None:
    for _ in range(5):  # other work on the machine can only add: one quiet moment is enough
        log: list[str] = []
        contenders = [Contender(Sleeper(name, s, log), ("p",), 9) for name, s in (("a", 0.002), ("b", 0.008))]
        a, b = milliseconds_per_face(contenders, 4, 0.1)
        if a < 1.2 and b < 3.5:
            break
    assert 0.5 <= a < 1.2 and 2.0 <= b < 3.5
    turns = [name for i, name in enumerate(log) if i == 0 or log[i - 1] != name]
    assert turns == ["a", "b"] * 5


def test_training_steps_are_timed_after_warming_up() -> None:
    seen: list[int] = []

    def step(at: int) -> None:
        seen.append(at)
        time.sleep(0.05 if at < 3 else 0.005)

    times = steps_timed(step, 0.2)
    assert seen == [*range(3 + len(times))] and len(times) >= 5
    assert median(times) < 0.05

    slow: list[int] = []
    assert len(steps_timed(lambda at: slow.append(at) or time.sleep(0.06), 0.005)) == 1  # type: ignore[func-returns-value]
    assert slow == [0, 1], "a slow network is not waited for any longer than needed"
    assert len(steps_timed(lambda _: time.sleep(0.02), 0.01)) == 3


# ---- all of it


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """A run of two epochs of 10 and 20 seconds on another machine, with its bundle."""
    folder = tmp_path / "runs" / "quick"
    toy(folder / "bundle", {"fer2013": Bundle(find(DEFAULT)).card.vocabularies["fer2013"]})
    (folder / "recipe.toml").write_text(QUICK)
    (folder / "log.csv").write_text("epoch,loss,seconds\n1,2.0,10\n2,1.5,20\n")
    (folder / "environment.json").write_text(json.dumps({"hardware": "Another Machine, 64 cores"}))
    return folder


def test_whatever_has_a_name_is_a_row(run_folder: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "small.toml"
    recipe.write_text(QUICK)
    told: list[str] = []
    models = [DEFAULT, "mien-smal", str(run_folder), str(recipe)]
    shipped, wrong, run, own = costs(models, QUICKLY, told.append)
    assert [row.kind for row in (shipped, wrong, run, own)] == ["bundle", None, "run", "recipe"]
    card = Bundle(find(DEFAULT)).card
    score = card.score("public_test", "fer2013")
    assert score is not None
    assert (shipped.parameters, shipped.accuracy, shipped.accuracy_n) == (card.parameters, score.value, score.n)
    assert shipped.bytes == (find(DEFAULT) / "model.onnx").stat().st_size and shipped.file == "model.onnx"
    assert shipped.epoch_source == "recorded" and shipped.epoch_hardware == card.training.hardware
    assert shipped.seconds_per_epoch == pytest.approx(card.training.seconds / card.training.epochs)
    assert wrong == Cost("mien-smal", error=wrong.error, hardware=shipped.hardware)
    assert wrong.error is not None and "did you mean mien-small?" in wrong.error and "convrelu-ann" in wrong.error
    assert (run.seconds_per_epoch, run.epoch_hardware, run.epoch_source) == (
        15,
        "Another Machine, 64 cores",
        "recorded",
    )
    assert run.multiply_adds == 5 * 36 * 64 + 2 * 7 * 5 + 7 * 5 * 35, "convolution, head, and evidence at 36 places"
    assert own.epoch_source == "measured" and own.epoch_steps and own.epoch_faces == 64 and own.training_batch == 8
    assert own.seconds_per_epoch and own.training_memory_bytes and own.memory_bytes and own.accuracy is None
    assert own.parameters == sum(p.numel() for p in untrained(recipe_of(recipe)).network().parameters())
    assert own.bytes is not None and own.parameters is not None and own.bytes > 4 * own.parameters
    for row in (shipped, run, own):
        assert row.ms_per_face and row.ms_per_face_batched and shipped.ms_per_face
        assert row.relative == pytest.approx(row.ms_per_face / shipped.ms_per_face)
        assert row.note == "" and row.flops == 2 * (row.multiply_adds or 0)
    assert any(DEFAULT in line for line in told)


def recipe_of(path: Path) -> Recipe:
    from mien.recipe import load

    return load(path)


def test_the_side_and_the_classes_are_the_askers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "training", lambda *_: trial.Trial(7, 0.5, 4))
    asked = dataclasses.replace(QUICKLY, side=40, classes=3)
    (row,) = costs(["convrelu-ann"], asked)
    made = untrained("convrelu-ann", 40, 3).network()
    assert (row.kind, row.side, row.seen_side) == ("network", 40, 40)
    assert row.parameters == sum(p.numel() for p in made.parameters())
    assert row.multiply_adds == counting.of_network(made, 40).multiply_adds
    assert len(made.vocabularies[0]) == 3


def test_an_epoch_is_the_steps_of_its_faces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "training", lambda *_: trial.Trial(7, 0.5, 4))
    (row,) = costs(["model-1"], Request(faces=100, batch=30, seconds=0.01))
    assert (row.seconds_per_epoch, row.epoch_steps, row.training_memory_bytes) == (1.5, 4, 7), "3 whole batches"
    monkeypatch.setattr(trial, "training", lambda *_: trial.Trial(None, trouble="it was killed"))
    (row,) = costs(["model-1"], Request(faces=100, batch=30, seconds=0.01))
    assert row.error is None and row.seconds_per_epoch is None and row.note == "training: it was killed"
    assert row.ms_per_face, "the rest is measured all the same"


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (lambda run: (run / "bundle" / "model.onnx").write_bytes(b"x"), "sha256"),
        (lambda run: (run / "bundle").rename(run / "elsewhere"), "mien train --resume"),
    ],
)
def test_a_damaged_model_costs_its_own_row(run_folder: Path, break_it: Any, said: str) -> None:
    break_it(run_folder)
    wrong, none, right = costs([str(run_folder), "residual", DEFAULT], QUICKLY)
    assert wrong.error is not None and said in wrong.error and wrong.ms_per_face is None
    assert none.error is not None and "mien-small.toml" in none.error, "it has no layout of its own"
    assert right.error is None and right.relative == 1
