"""Write the predictions of someone else's network, for mien evaluate and mien compare.

    python benchmarks/rivals/predict.py DESCRIPTION DATA OUT.csv [--part PublicTest] [--time]

The description is the TOML file that mien evaluate takes for an ONNX network; here Keras (.keras, .h5, .hdf5) and
TensorFlow Lite (.tflite) files are run too, in an environment that has both mien and TensorFlow (README.md). With
--time it prints, as JSON, the milliseconds that a face takes on one thread, one after the other from 48×48 gray to
probabilities, and those of mien's own model in turns with it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from mien import bundle
from mien.data import open_faces
from mien.errors import BundleError
from mien.evaluation.description import Description, checked, describe
from mien.evaluation.files import write_predictions
from mien.evaluation.rival import Rival
from mien.evaluation.scores import Predictions

Score = Callable[[np.ndarray], np.ndarray]
CHUNK = 64
TURNS, FACES = 9, 40  # of a timing


def opened(path: Path) -> tuple[Description, Score]:
    """A network on one thread: (n, s, s) uint8 gray faces → (n, K) probabilities, in the description's vocabulary."""
    about = describe(path)
    file = path.parent / about.file
    checked(about, file)
    kind = file.suffix.lower()
    if kind not in (".keras", ".h5", ".hdf5", ".tflite"):
        return about, Rival.load(path, threads=1).score
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    run = _lite(about, file, tf) if kind == ".tflite" else _keras(about, file)

    def score(faces: np.ndarray) -> np.ndarray:
        parts = (about.input.prepare(faces[at : at + CHUNK]) for at in range(0, len(faces), CHUNK))
        return about.answers(np.concatenate([run(part) for part in parts]))

    return about, score


def _keras(about: Description, file: Path) -> Score:
    import keras

    model = keras.models.load_model(file, compile=False)
    _need_shape(about, file, tuple(model.input_shape))

    def run(batch: np.ndarray) -> np.ndarray:
        found: Any = model(batch, training=False)
        if isinstance(found, dict):
            found = found[about.output.name] if about.output.name else list(found.values())[about.output.index]
        elif isinstance(found, list | tuple):
            found = found[about.output.index]
        return np.asarray(found).reshape(len(batch), -1)

    return run


def _lite(about: Description, file: Path, tf: Any) -> Score:
    network = tf.lite.Interpreter(model_path=str(file), num_threads=1)
    network.allocate_tensors()
    (taken,), given = network.get_input_details(), network.get_output_details()
    _need_shape(about, file, tuple(taken["shape"]))
    named = [one for one in given if one["name"] == about.output.name]
    place = (named[0] if named else given[about.output.index])["index"]

    def run(batch: np.ndarray) -> np.ndarray:
        found = []
        for one in batch:  # its batch has a fixed size, of one
            network.set_tensor(taken["index"], one[None].astype(taken["dtype"]))
            network.invoke()
            found.append(network.get_tensor(place).reshape(-1).copy())
        return np.stack(found)

    return run


def _need_shape(about: Description, file: Path, shape: tuple[int | None, ...]) -> None:
    wanted = about.input.shape
    if len(shape) != 4 or any(a not in (None, -1, b) for a, b in zip(shape[1:], wanted, strict=True)):
        raise BundleError(f"{file} takes {shape}", f"(n, {', '.join(map(str, wanted))}), as its description says")


def timed(score: Score, faces: np.ndarray) -> dict[str, float]:
    """Milliseconds a face, one after the other on one thread: medians over turns, and of the ratios."""
    own = bundle.Bundle(bundle.find(bundle.DEFAULT), threads=1)
    name = f"{own.card.primary}_probabilities"
    ways: dict[str, Score] = {"ms": score, "mien_ms": lambda one: own.score(one, [name])[name]}
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(TURNS + 1):
        for way, call in ways.items():
            start = time.perf_counter()
            for at in range(FACES):
                call(faces[at : at + 1])
            if turn:  # the first one warms up
                seconds[way].append(time.perf_counter() - start)
    ratios = [a / b for a, b in zip(seconds["ms"], seconds["mien_ms"], strict=True)]
    medians = {way: round(1000 * statistics.median(s) / FACES, 4) for way, s in seconds.items()}
    return {**medians, "ratio": round(statistics.median(ratios), 3)}


def main() -> None:
    """Predict, write, and time if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("description", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--part", default="PublicTest", help="as the source spells it")
    parser.add_argument("--time", action="store_true")
    options = parser.parse_args()
    stored = open_faces(options.data)
    at = stored.where(options.part)
    faces = np.ascontiguousarray(stored.faces[at])
    about, score = opened(options.description)
    predictions = Predictions(about.meaning, stored.rows[at], score(faces))
    write_predictions(options.out, [predictions], stored.provenance.sha256)
    print(json.dumps(timed(score, faces[:FACES]) if options.time else {"faces": len(faces)}))


if __name__ == "__main__":
    main()
