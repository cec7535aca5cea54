"""Fixtures that several rooms' tests use. No test reads or writes the user's cache."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import settings

from mien import bundle
from mien.data import FaceSet, Provenance, open_faces
from mien.expressions import FER2013, FERPLUS

# Two cores are shared with whatever else runs: an example that takes long is not a failure.
settings.register_profile("mien", deadline=None, derandomize=True)
settings.load_profile("mien")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new, empty cache folder for each test; subprocesses inherit it."""
    monkeypatch.setenv("MIEN_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of ``data/fer2013.parquet`` and ``tools/``: ``$MIEN_SHARED``, else ``shared`` beside the checkout."""
    given = os.environ.get("MIEN_SHARED")
    folder = Path(given) if given else Path(__file__).resolve().parents[2] / "shared"
    if not (folder / "data" / "fer2013.parquet").is_file():
        reason = (
            f"there is no data/fer2013.parquet in {folder}; set MIEN_SHARED to a folder that has it, or put one "
            "named shared beside the checkout"
        )
        if os.environ.get("CI") == "true":
            pytest.fail(f"{reason} (this must run, not skip, in CI)")
        pytest.skip(reason)
    return folder


@pytest.fixture(scope="session")
def fer2013_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache folder in which ``fer2013`` builds its store."""
    return tmp_path_factory.mktemp("fer2013-cache")


@pytest.fixture(scope="session")
def fer2013(shared: Path, fer2013_cache: Path) -> FaceSet:
    """FER2013 at full size, memory-mapped."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MIEN_CACHE", str(fer2013_cache))
        return open_faces(shared / "data" / "fer2013.parquet")


@pytest.fixture
def tiny_faces() -> FaceSet:
    """120 smooth random faces: 90 Training, 30 PublicTest, labels in turn, row ids that are not positions.

    By position, 5 = 12 (both Training, labels 5), 6 = 14 = 21 (Training, labels 6, 0, 0), 30 = 95 and 31 = 96 = 97
    (Training and PublicTest) are identical.
    """
    rng = np.random.default_rng(7)
    n = 120
    coarse = rng.integers(0, 256, (n, 6, 6), dtype=np.uint8)
    faces = np.stack([cv2.resize(c, (48, 48), interpolation=cv2.INTER_CUBIC) for c in coarse])
    for copy, original in ((12, 5), (14, 6), (21, 6), (95, 30), (96, 31), (97, 31)):
        faces[copy] = faces[original]
    votes = rng.multinomial(10, np.full(10, 0.1), size=n).astype(np.uint8)
    votes[::11] = 0
    return FaceSet(
        faces,
        (np.arange(n) % len(FER2013)).astype(np.int8),
        votes,
        (1000 + 3 * np.arange(n)).astype(np.int32),
        (np.arange(n) >= 90).astype(np.uint8),
        Provenance("made up", "tiny.csv", "0" * 64),
    )


TOY_TEMPERATURE = {"fer2013": 1.5, "ferplus": 0.8}


@pytest.fixture(scope="session")
def toy_network() -> bytes:
    """A real ONNX network with a bundle's input and outputs, and fixed weights; it knows nothing about faces.

    uint8 (N, 48, 48) → one 8×8 convolution with stride 8 → (N, 5, 6, 6) maps → mean → a linear head per vocabulary.
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
    outputs = {"features": ["n", 5]}
    for vocabulary in (FER2013, FERPLUS):
        v, labels = vocabulary.name, len(vocabulary)
        weight = rng.normal(0, 1.5, (labels, 5)).astype(np.float32)
        constants |= {
            f"{v}_weight": weight,
            f"{v}_filters": weight[:, :, None, None],
            f"{v}_bias": rng.normal(0, 0.2, labels).astype(np.float32),
            f"{v}_temperature": np.array(TOY_TEMPERATURE[v], np.float32),
        }
        nodes += [
            node("Gemm", ["features", f"{v}_weight", f"{v}_bias"], [f"{v}_logits"], transB=1),
            node("Div", [f"{v}_logits", f"{v}_temperature"], [f"{v}_calibrated"]),
            node("Softmax", [f"{v}_calibrated"], [f"{v}_probabilities"], axis=1),
            node("Conv", ["maps", f"{v}_filters", f"{v}_bias"], [f"{v}_evidence"]),
        ]
        outputs |= {
            f"{v}_logits": ["n", labels],
            f"{v}_probabilities": ["n", labels],
            f"{v}_evidence": ["n", labels, 6, 6],
        }
    graph = helper.make_graph(
        nodes,
        "toy",
        [helper.make_tensor_value_info("faces", TensorProto.UINT8, ["n", 48, 48])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model)
    return model.SerializeToString()


@pytest.fixture
def toy_card() -> dict[str, Any]:
    """What ``bundle.save`` takes besides the network, for ``toy_network``."""
    frame = {"anchor": "box", "dx": 0.0, "dy": 0.05, "side": 1.1}
    names = [f"{v}_{kind}" for v in ("fer2013", "ferplus") for kind in ("logits", "probabilities", "evidence")]
    return {
        "name": "toy",
        "description": "Fixed random weights, for tests.",
        "licence": "Apache-2.0",
        "created": "2025-01-01",
        "parameters": 0,
        "input": {"size": 48},
        "vocabularies": {v.name: list(v.labels) for v in (FER2013, FERPLUS)},
        "outputs": [*names, "features"],
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
            "temperature": TOY_TEMPERATURE,
            "expected_error": {"fer2013": 0.0, "ferplus": 0.0},
            "uncertain_below": 0.4,
            "accuracy_when_certain": 0.5,
            "share_certain": 0.5,
        },
        "scores": [
            {
                "data": "none",
                "part": "PublicTest",
                "protocol": "fer2013: every face",
                "value": 0.14,
                "low": 0.1,
                "high": 0.2,
                "n": 100,
            }
        ],
        "parity": 0.0,
    }


@pytest.fixture
def toy_bundle(tmp_path: Path, toy_network: bytes, toy_card: dict[str, Any]) -> Path:
    """Folder of a whole bundle around ``toy_network``, named ``toy``, in a folder of its own."""
    folder = tmp_path / "bundles" / "toy"
    bundle.save(folder, toy_network, toy_card)
    return folder
