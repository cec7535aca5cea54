"""Anyone's network: the input that its description asks for, the labels it means, and errors that say what is off."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from mien.data import FaceSet, save
from mien.errors import BundleError
from mien.evaluation.calibration import softmax
from mien.evaluation.description import Input, describe
from mien.evaluation.files import read_predictions
from mien.evaluation.rival import Rival
from mien.expressions import FER2013, FERPLUS
from mien.files import sha256

RIVALS = Path(__file__).resolve().parents[2] / "benchmarks" / "rivals"
SIZE = 8
DESCRIPTION = """
name = "theirs"
file = "theirs.onnx"
labels = "fer2013"
[input]
size = 8
colour = "gray"
layout = "nhwc"
[output]
kind = "logits"
"""


def weights(values: int, k: int = 7) -> np.ndarray:
    """Of the networks below, (values, k)."""
    return np.random.default_rng(values).normal(0, 1 / values, (values, k)).astype(np.float32)


def network(
    folder: Path,
    shape: tuple[int, int, int] = (SIZE, SIZE, 1),
    k: int = 7,
    batch: int | str = "n",
    kind: str = "float32",
    bias: float = 0.0,
) -> Path:
    """A real ONNX file: flatten, one product with ``weights``; ``logits`` and their softmax, ``chances``."""
    from onnx import TensorProto, helper, numpy_helper

    node, values = helper.make_node, int(np.prod(shape))
    nodes = [
        node("Cast", ["pictures"], ["float"], to=TensorProto.FLOAT),
        node("Flatten", ["float"], ["flat"]),
        node("Gemm", ["flat", "weight", "bias"], ["logits"]),
        node("Softmax", ["logits"], ["chances"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "theirs",
        [helper.make_tensor_value_info("pictures", helper.np_dtype_to_tensor_dtype(np.dtype(kind)), [batch, *shape])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, k]) for name in ("logits", "chances")],
        [
            numpy_helper.from_array(weights(values, k), "weight"),
            numpy_helper.from_array(np.full(k, bias, np.float32), "bias"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = folder / "theirs.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def described(folder: Path, text: str = DESCRIPTION, *changes: tuple[str, str]) -> Path:
    """A description's file, with some of its text replaced."""
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = folder / "theirs.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def faces() -> np.ndarray:
    """10 pictures of the networks' size."""
    return np.random.default_rng(1).integers(0, 256, (10, SIZE, SIZE), dtype=np.uint8)


def expected(values: np.ndarray, k: int = 7) -> np.ndarray:
    """What ``network`` says of inputs (n, …)."""
    flat = values.reshape(len(values), -1).astype(np.float32)
    return softmax((flat @ weights(flat.shape[1], k)).astype(np.float64))


# ---- what goes in


@pytest.mark.parametrize(
    ("fields", "black", "white"),
    [
        ({}, 0, 255),
        ({"range": [0.0, 1.0]}, 0, 1),
        ({"range": [-1.0, 1.0]}, -1, 1),
        ({"scale": 0.5, "offset": -10.0}, -10, 117.5),
        ({"offset": 3.0}, 3, 258),
        ({"mean": [0.5], "std": [0.25]}, -2, 2),
    ],
)
def test_pictures_are_scaled_as_described(fields: dict[str, Any], black: float, white: float) -> None:
    face = np.array([[[0, 255], [51, 0]]], np.uint8).repeat(4, axis=1).repeat(4, axis=2)
    found = Input(8, "gray", "nhwc", **fields).prepare(face)
    assert found.shape == (1, 8, 8, 1) and found.dtype == np.float32
    assert found[0, 0, 0, 0] == black and found[0, 0, 7, 0] == white
    assert found[0, 7, 0, 0] == pytest.approx(black + (white - black) / 5)


def test_colours_are_the_gray_picture_three_times_each_with_its_own_mean() -> None:
    face = np.random.default_rng(0).integers(0, 256, (2, 8, 8), dtype=np.uint8)
    last = Input(8, "rgb", "nhwc", mean=[0.1, 0.2, 0.3], std=[1.0, 2.0, 4.0]).prepare(face)
    first = Input(8, "bgr", "nchw", mean=[0.1, 0.2, 0.3], std=[1.0, 2.0, 4.0]).prepare(face)
    assert last.shape == (2, 8, 8, 3) and first.shape == (2, 3, 8, 8)
    np.testing.assert_array_equal(first, last.transpose(0, 3, 1, 2))
    for channel, (mean, std) in enumerate(((0.1, 1), (0.2, 2), (0.3, 4))):
        np.testing.assert_allclose(first[:, channel], (face / 255 - mean) / std, rtol=1e-6)


def test_bytes_stay_bytes() -> None:
    face = np.random.default_rng(0).integers(0, 256, (2, 8, 8), dtype=np.uint8)
    found = Input(8, "gray", "nchw", "uint8").prepare(face)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found[:, 0], face)
    assert Input(8, "gray", "nchw", "float16").prepare(face).dtype == np.float16


def test_pictures_are_resized_as_opencv_does_it() -> None:
    face = np.random.default_rng(0).integers(0, 256, (1, 48, 48), dtype=np.uint8)
    larger, smaller = (Input(s, "gray", "nhwc", "uint8").prepare(face)[0, :, :, 0] for s in (64, 20))
    np.testing.assert_array_equal(larger, cv2.resize(face[0], (64, 64), interpolation=cv2.INTER_LINEAR))
    np.testing.assert_array_equal(smaller, cv2.resize(face[0], (20, 20), interpolation=cv2.INTER_AREA))


# ---- what comes out


def test_a_network_is_scored(tmp_path: Path, faces: np.ndarray) -> None:
    file = network(tmp_path)
    rival = Rival.load(described(tmp_path, DESCRIPTION, ('"nhwc"', '"nhwc"\nrange = [-1.0, 1.0]')))
    found = rival.score(faces)
    np.testing.assert_allclose(found, expected(faces / 127.5 - 1), atol=1e-5)
    assert found.sum(axis=1) == pytest.approx(1, abs=1e-12)
    assert (rival.name, rival.vocabulary, rival.sha256) == ("theirs", FER2013, sha256(file))
    assert rival.score(faces[:0]).shape == (0, 7)


def test_the_layout_reaches_the_network(tmp_path: Path, faces: np.ndarray) -> None:
    network(tmp_path, (3, SIZE, SIZE))
    path = described(tmp_path, DESCRIPTION, ('"gray"', '"rgb"'), ('"nhwc"', '"nchw"\nmean = 0.5\nstd = 0.25'))
    channels = np.repeat((faces[:, None] / 255 - 0.5) / 0.25, 3, axis=1)
    np.testing.assert_allclose(Rival.load(path).score(faces), expected(channels), atol=1e-5)


@pytest.mark.parametrize("batch", [1, 4])
def test_a_network_of_one_batch_size_scores_any_number(tmp_path: Path, faces: np.ndarray, batch: int) -> None:
    network(tmp_path, batch=batch)
    np.testing.assert_allclose(Rival.load(described(tmp_path)).score(faces), expected(faces), atol=1e-5)


@pytest.mark.parametrize("which", ['name = "chances"', "index = 1"])
def test_the_output_is_chosen_and_probabilities_are_kept(tmp_path: Path, faces: np.ndarray, which: str) -> None:
    network(tmp_path)
    path = described(tmp_path, DESCRIPTION, ('"logits"', f'"probabilities"\n{which}'))
    np.testing.assert_allclose(Rival.load(path).score(faces), expected(faces), atol=1e-5)


def test_labels_in_another_order_are_put_into_ours(tmp_path: Path, faces: np.ndarray) -> None:
    network(tmp_path)
    theirs = ["neutral", "happy", "angry", "sad", "surprise", "fear", "disgust"]
    found = Rival.load(described(tmp_path, DESCRIPTION, ('"fer2013"', str(theirs)))).score(faces)
    for i, label in enumerate(theirs):
        np.testing.assert_allclose(found[:, FER2013.index(label)], expected(faces)[:, i], atol=1e-5)


def test_labels_of_other_names_are_mapped(tmp_path: Path, faces: np.ndarray) -> None:
    network(tmp_path, k=8)
    theirs = ["neutral", "happiness", "surprise", "sadness", "rage", "disgust", "fear", "scorn"]
    text = DESCRIPTION + '[map]\nrage = "anger"\nscorn = "contempt"\n'
    rival = Rival.load(described(tmp_path, text, ('"fer2013"', str(theirs))))
    assert rival.vocabulary == FERPLUS
    np.testing.assert_allclose(rival.score(faces), expected(faces, 8), atol=1e-5)


def test_labels_of_ones_own_need_a_name(tmp_path: Path, faces: np.ndarray) -> None:
    network(tmp_path, k=2)
    labels = ('labels = "fer2013"', 'labels = ["calm", "wild"]\nvocabulary = "moods"')
    rival = Rival.load(described(tmp_path, DESCRIPTION, labels))
    assert (rival.vocabulary.name, rival.vocabulary.labels) == ("moods", ("calm", "wild"))
    np.testing.assert_allclose(rival.score(faces), expected(faces, 2), atol=1e-5)


# ---- what is wrong with a description


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("labels =", "lables =", "lables: no such field (did you mean 'labels'?)"),
        ("layout =", "lay_out =", "input.lay_out: no such field (did you mean 'layout'?)"),
        ("kind =", "kinds =", "output.kinds: no such field (did you mean 'kind'?)"),
        ('name = "theirs"\n', "", "name is missing"),
        ('name = "theirs"', 'name = " "', "name is empty"),
        ("size = 8", "", "input.size is missing"),
        ("size = 8", 'size = "8"', "input.size is '8', not int"),
        ("size = 8", "size = 4", "input.size is 4, not 8 to 1024"),
        ('"gray"', '"grey"', "input.colour is 'grey' (did you mean 'gray'?), not gray or rgb or bgr"),
        ('"nhwc"', '"hwc"', "input.layout is 'hwc' (did you mean 'nhwc'?)"),
        ('"nhwc"', '"nhwc"\ndtype = "int8"', "input.dtype is 'int8'"),
        ('"nhwc"', '"nhwc"\nrange = [0.0, 1.0]\nscale = 2.0', "give one"),
        ('"nhwc"', '"nhwc"\nrange = [0.0, 1.0]\ndtype = "uint8"', "none for the dtype uint8"),
        ('"nhwc"', '"nhwc"\nrange = [1.0]', "input.range is [1.0], not [low, high]"),
        ('"nhwc"', '"nhwc"\nmean = [0.1, 0.2]\nstd = 1.0', "input.mean is [0.1, 0.2], not 1 numbers"),
        ('"nhwc"', '"nhwc"\nmean = 0.1', "input.std is [], not 1 numbers"),
        ('"nhwc"', '"nhwc"\nmean = 0.1\nstd = 0.0', "input.std is [0.0], not positive"),
        ('"logits"', '"logit"', "output.kind is 'logit' (did you mean 'logits'?)"),
        ('"logits"', '"logits"\nindex = -1', "output.index is -1"),
        ('"fer2013"', '"fer2012"', "labels is 'fer2012' (did you mean 'fer2013'?)"),
        ('"fer2013"', '["angry", "happy"]', "labels are angry, happy, not those of any vocabulary of mien"),
        ('"fer2013"', '["angry", "angry"]', "not two or more that differ"),
        ('"fer2013"', '"fer2013"\nvocabulary = "affectnet"', "the labels are those of fer2013"),
        ('"fer2013"', '["a", "b"]\nvocabulary = "affectnet"', "not those of affectnet"),
        ('"logits"', '"logits"\n[map]\nangri = "angry"', "map: 'angri' is no label (did you mean 'angry'?)"),
        ("[input]", "[input", "not the description of a network"),
        ('"theirs.onnx"', "[" * 5000, "not the description of a network (maximum recursion depth exceeded"),
        ("size = 8", "size = " + "9" * 5000, "not the description of a network (Exceeds the limit"),
        ('"nhwc"', '"nhwc"\nmean = 1' + "0" * 400 + "\nstd = 1", "not the description of a network (int too large"),
    ],
)
def test_a_wrong_description_is_refused(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    network(tmp_path)
    with pytest.raises(BundleError) as refused:
        Rival.load(described(tmp_path, DESCRIPTION, (old, new)))
    assert complaint in str(refused.value)
    assert "theirs.toml" in str(refused.value) and "README.md" in str(refused.value)


def test_a_description_that_is_absent_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="not the description"):
        Rival.load(tmp_path / "none.toml")


# ---- what is wrong with a network


def test_a_file_that_is_absent_or_another_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"theirs: there is no file .*theirs\.onnx"):
        Rival.load(described(tmp_path))
    file = network(tmp_path)
    named = ('labels = "fer2013"', f'labels = "fer2013"\nsha256 = "{sha256(file).upper()}"')
    assert Rival.load(described(tmp_path, DESCRIPTION, named)).sha256 == sha256(file)
    file.write_bytes(file.read_bytes() + b"\0")
    with pytest.raises(BundleError, match=r"has sha256 \w{16}….*as its description says"):
        Rival.load(described(tmp_path, DESCRIPTION, named))


@pytest.mark.parametrize(
    ("suffix", "kind"),
    [(".keras", "Keras"), (".h5", "Keras"), (".hdf5", "Keras"), (".tflite", "TensorFlow Lite")],
)
def test_a_file_that_needs_tensorflow_says_what_to_run(tmp_path: Path, suffix: str, kind: str) -> None:
    (tmp_path / f"theirs{suffix}").write_bytes(b"x")
    with pytest.raises(BundleError, match=f"a {kind} file, which needs TensorFlow.*rivals/predict.py"):
        Rival.load(described(tmp_path, DESCRIPTION, (".onnx", suffix)))


def test_a_file_that_is_no_network_is_refused(tmp_path: Path) -> None:
    (tmp_path / "theirs.onnx").write_bytes(b"no network")
    with pytest.raises(BundleError, match="cannot be loaded"):
        Rival.load(described(tmp_path))


@pytest.mark.parametrize(
    ("made", "change", "complaint"),
    [
        ({}, ("size = 8", "size = 16"), "one input of float32 (n, 16, 16, 1)"),
        ({}, ('"nhwc"', '"nchw"'), "one input of float32 (n, 1, 8, 8)"),
        ({}, ('"gray"', '"rgb"'), "one input of float32 (n, 8, 8, 3)"),
        ({"kind": "uint8"}, ("size = 8", "size = 8"), "takes pictures: tensor(uint8)"),
        ({"k": 8}, ("size = 8", "size = 8"), "the output logits is of shape ['n', 8]; expected (n, 7)"),
        ({}, ('"logits"', '"logits"\nname = "logit"'), "no output logit (did you mean 'logits'?)"),
        ({}, ('"logits"', '"logits"\nindex = 2'), "no output 2; expected one of logits, chances"),
    ],
)
def test_a_network_that_does_not_fit_is_refused(
    tmp_path: Path, made: dict[str, Any], change: tuple[str, str], complaint: str
) -> None:
    network(tmp_path, **made)
    with pytest.raises(BundleError) as refused:
        Rival.load(described(tmp_path, DESCRIPTION, change))
    assert complaint in str(refused.value)


def test_logits_are_not_taken_for_probabilities(tmp_path: Path, faces: np.ndarray) -> None:
    network(tmp_path)
    rival = Rival.load(described(tmp_path, DESCRIPTION, ('kind = "logits"', 'kind = "probabilities"')))
    with pytest.raises(BundleError, match='say kind = "logits"'):
        rival.score(faces)


def test_an_output_that_is_not_finite_is_an_error(tmp_path: Path, faces: np.ndarray) -> None:
    network(tmp_path, bias=float("nan"))
    rival = Rival.load(described(tmp_path))
    with pytest.raises(BundleError, match="not finite, for 10 of 10 faces"):
        rival.score(faces)


def test_faces_of_another_kind_are_refused(tmp_path: Path) -> None:
    network(tmp_path)
    rival = Rival.load(described(tmp_path))
    for wrong in (np.zeros((2, 8, 8)), np.zeros((2, 8, 9), np.uint8), np.zeros((8, 8), np.uint8)):
        with pytest.raises(BundleError, match=r"expected \(N, s, s\) uint8"):
            rival.score(wrong)


# ---- the rivals that are measured


@pytest.mark.parametrize("name", ["fer.toml", "fer-tflite.toml"])
def test_fer_is_described_as_its_package_calls_it(name: str) -> None:
    about = describe(RIVALS / name)
    assert about.meaning == FER2013 and tuple(about.labels) == FER2013.labels
    assert about.input.shape == (64, 64, 1) and about.caveats and len(about.sha256) == 64
    gray = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    side = Input(16, "gray", "nhwc", range=about.input.range).prepare(gray)
    np.testing.assert_allclose(side[0, :, :, 0], (gray[0] / 255 - 0.5) * 2, atol=1e-5)


def test_predictions_are_written_for_what_mien_cannot_run(
    tmp_path: Path, tiny_faces: FaceSet, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store, out = tmp_path / "tiny.store", tmp_path / "out.csv"
    save(tiny_faces, store)
    network(tmp_path)
    arguments = [str(described(tmp_path)), str(store), str(out), "--part", "PublicTest"]
    monkeypatch.setattr(sys, "argv", ["predict.py", *arguments])
    spec = importlib.util.spec_from_file_location("predict", RIVALS / "predict.py")
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    script.main()
    assert capsys.readouterr().out == '{"faces": 30}\n'
    at = tiny_faces.where("PublicTest")
    found = read_predictions(out, source_sha256=tiny_faces.provenance.sha256)["fer2013"]
    np.testing.assert_array_equal(found.rows, tiny_faces.rows[at])
    direct = Rival.load(described(tmp_path)).score(tiny_faces.faces[at])
    np.testing.assert_allclose(found.probabilities, direct, atol=1e-5)
