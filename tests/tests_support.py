"""What tests of several rooms import."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager
from io import TextIOWrapper
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np

from mien import bundle
from mien.cli import main
from mien.data import FaceSet


def mien_process(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does, in a process of its own: for what the process itself does, or imports.

    One that needs torch takes five seconds to begin.
    """
    command = [sys.executable, "-m", "mien", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=300)


def mien(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the command in this process, from its entry point on; what it and its children say goes to no terminal.

    An exception that a user would see as a traceback is raised. Warnings are said as an interpreter says them.
    """
    command = ["mien", *map(str, arguments)]
    kept = sys.argv, sys.excepthook, signal.getsignal(signal.SIGTERM)  # the command sets some of them
    sys.argv = command
    code: Any = 0
    with TemporaryFile() as out, TemporaryFile() as err:
        try:
            with chdir(cwd), _taken("stdout", 1, out), _taken("stderr", 2, err), _usual_warnings():
                main()
        except SystemExit as exit:
            code = exit.code or 0
        finally:
            sys.argv, sys.excepthook = kept[:2]
            signal.signal(signal.SIGTERM, kept[2])
        said = [TextIOWrapper(file, encoding="utf-8").read() for file in (out, err)]
    return subprocess.CompletedProcess(command, code, *said)


@contextmanager
def _taken(name: str, descriptor: int, file: Any) -> Iterator[None]:
    """What is written to ``sys.stdout`` or ``sys.stderr``, by libraries and by processes too, goes to the file."""
    before, there = getattr(sys, name), os.dup(descriptor)
    before.flush()
    os.dup2(file.fileno(), descriptor)
    setattr(sys, name, os.fdopen(descriptor, "w", encoding="utf-8", closefd=False))
    try:
        yield
    finally:
        getattr(sys, name).close()
        setattr(sys, name, before)
        os.dup2(there, descriptor)
        os.close(there)
        file.seek(0)


@contextmanager
def _usual_warnings() -> Iterator[None]:
    """As outside of pytest, which collects them."""
    with warnings.catch_warnings():
        warnings.resetwarnings()
        for kind in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
            warnings.simplefilter("ignore", kind)
        warnings.showwarning = lambda *said: print(warnings.formatwarning(*said[:4]), end="", file=sys.stderr)
        yield


def assert_same(a: FaceSet, b: FaceSet, *, but: frozenset[str] = frozenset()) -> None:
    """Two sets are equal in every field, types of arrays included, but for the fields named."""
    for field in dataclasses.fields(FaceSet):
        left, right = getattr(a, field.name), getattr(b, field.name)
        if field.name in but:
            continue
        if field.name == "columns":
            assert list(left) == list(right)
            for name in left:
                np.testing.assert_array_equal(left[name], right[name])
        elif isinstance(left, np.ndarray):
            assert left.dtype.kind == right.dtype.kind and (left.dtype == right.dtype or left.dtype.kind == "U")
            assert np.array_equal(left, right), field.name
        else:
            assert left == right, field.name


def threads_end(before: int) -> bool:
    """Whether so many threads are left in the end; those of a generator that was given up are not waited for."""
    until = time.monotonic() + 20
    while threading.active_count() > before and time.monotonic() < until:
        time.sleep(0.005)
    return threading.active_count() == before


def hear_interrupts() -> None:
    """For ``preexec_fn``: a test run that was started in the background ignores Ctrl-C, and its children with it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


# A recipe that trains in seconds.
QUICK = """\
name = "quick"
seed = 5
[data]
source = "tiny.store"
validation = 0.2
[network]
name = "residual"
stem = 4
widths = [8, 12]
blocks = [1, 1]
dropout = 0.3
[training]
epochs = 5
batch_size = 16
learning_rate = 2e-2
weight_decay = 0.05
schedule = "one-cycle"
ema = 0.9
precision = "bf16-mixed"
[loss]
votes = 1.0
label_smoothing = 0.1
[augment]
flip = 0.5
rotation = 10
shift = 0.05
erasing = 0.3
"""


# Of the toy's vocabularies; another has 1.
TOY_TEMPERATURE = {"fer2013": 1.5, "ferplus": 0.8}
# What ``toy`` is tried with beside FER2013: a user's own classes, with what a table or a picture might stumble over.
MOODS = ("so-so, maybe", "très bien 😀", "[red]", "快乐", "expression")


def network(vocabularies: Mapping[str, Sequence[str]], size: int = 48, only_probabilities: bool = False) -> bytes:
    """A real ONNX network with a bundle's input and outputs, and fixed weights; it knows nothing about faces.

    uint8 (N, size, size) → one 8×8 convolution with stride 8 → (N, 5, size/8, size/8) maps → mean → a linear head per
    vocabulary, with logits and evidence; or, as of a hybrid with a classifier that has neither, one operation of
    ``ai.onnx.ml`` that gives probabilities.
    """
    from onnx import TensorProto, checker, helper, numpy_helper

    rng = np.random.default_rng(3)
    constants: dict[str, np.ndarray] = {
        "one": np.array([1], np.int64),
        "full": np.array(255, np.float32),
        "filters": rng.normal(0, 0.3, (5, 1, 8, 8)).astype(np.float32),
    }
    node = helper.make_node
    nodes = [
        node("Cast", ["faces"], ["float"], to=TensorProto.FLOAT),
        node("Div", ["float", "full"], ["scaled"]),
        node("Unsqueeze", ["scaled", "one"], ["image"]),
        node("Conv", ["image", "filters"], ["convolved"], strides=[8, 8]),
        node("Relu", ["convolved"], ["maps"]),
        node("GlobalAveragePool", ["maps"], ["pooled"]),
        node("Flatten", ["pooled"], ["features"]),
    ]
    outputs: dict[str, list[Any]] = {} if only_probabilities else {"features": ["n", 5]}
    for v, labels in ((v, len(names)) for v, names in vocabularies.items()):
        weight = rng.normal(0, 1.5, (labels, 5)).astype(np.float32)
        bias = rng.normal(0, 0.2, labels).astype(np.float32)
        outputs[f"{v}_probabilities"] = ["n", labels]
        if only_probabilities:
            settings = {"coefficients": weight.ravel().tolist(), "intercepts": bias.tolist(), "multi_class": 1}
            settings |= {"classlabels_ints": list(range(labels)), "post_transform": "SOFTMAX"}
            made = [f"{v}_label", f"{v}_probabilities"]
            nodes.append(node("LinearClassifier", ["features"], made, domain="ai.onnx.ml", **settings))
            continue
        constants |= {
            f"{v}_weight": weight,
            f"{v}_filters": weight[:, :, None, None],
            f"{v}_bias": bias,
            f"{v}_temperature": np.array(TOY_TEMPERATURE.get(v, 1), np.float32),
        }
        nodes += [
            node("Gemm", ["features", f"{v}_weight", f"{v}_bias"], [f"{v}_logits"], transB=1),
            node("Div", [f"{v}_logits", f"{v}_temperature"], [f"{v}_calibrated"]),
            node("Softmax", [f"{v}_calibrated"], [f"{v}_probabilities"], axis=1),
            node("Conv", ["maps", f"{v}_filters", f"{v}_bias"], [f"{v}_evidence"]),
        ]
        outputs |= {f"{v}_logits": ["n", labels], f"{v}_evidence": ["n", labels, size // 8, size // 8]}
    graph = helper.make_graph(
        nodes,
        "toy",
        [helper.make_tensor_value_info("faces", TensorProto.UINT8, ["n", size, size])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    domains = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(graph, opset_imports=domains, ir_version=8)
    checker.check_model(model)
    return model.SerializeToString()


def card(vocabularies: Mapping[str, Sequence[str]], size: int = 48, only_probabilities: bool = False) -> dict[str, Any]:
    """What ``bundle.save`` takes besides what ``network`` makes of the same arguments."""
    frame = {"anchor": "box", "dx": 0.0, "dy": 0.05, "side": 1.1}
    kinds = ("probabilities",) if only_probabilities else ("logits", "probabilities", "evidence")
    names = [f"{v}_{kind}" for v in vocabularies for kind in kinds]
    primary = next(iter(vocabularies))
    return {
        "name": "toy",
        "description": "Fixed random weights, for tests.",
        "licence": "Apache-2.0",
        "created": "2025-01-01",
        "parameters": 0,
        "input": {"size": size},
        "vocabularies": {v: list(labels) for v, labels in vocabularies.items()},
        "outputs": names if only_probabilities else [*names, "features"],
        "crop": {"haar": frame, "yunet": frame},
        "training": {
            "data": "none",
            "sha256": "0" * 64,
            "n": 0,
            "recipe": "",
            "seed": 0,
            "epochs": 0,
            "hardware": "none",
            "seconds": 0.0,
            "commit": "",
        },
        "calibration": {
            "fitted_on": "nothing",
            "n": 0,
            "temperature": {} if only_probabilities else {v: TOY_TEMPERATURE.get(v, 1.0) for v in vocabularies},
            "expected_error": dict.fromkeys(vocabularies, 0.0),
            "uncertain_below": 0.4,
            "accuracy_when_certain": 0.5,
            "share_certain": 0.5,
        },
        "scores": [
            {
                "data": "none",
                "part": "PublicTest",
                "protocol": f"{primary} labels, every face",
                "value": 0.14,
                "low": 0.1,
                "high": 0.2,
                "n": 100,
            }
        ],
        "parity": 0.0,
    }


def toy(
    folder: Path, vocabularies: Mapping[str, Sequence[str]], size: int = 48, only_probabilities: bool = False
) -> Path:
    """A whole bundle in any vocabularies, the first the primary one."""
    bundle.save(folder, network(vocabularies, size, only_probabilities), card(vocabularies, size, only_probabilities))
    return folder
