"""Anyone's network, scored by the same code as ours, from a small description of its input and output."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mien.errors import BundleError
from mien.evaluation.description import REMEDY, Description, checked, describe, nearest

if TYPE_CHECKING:
    import onnxruntime

_CHUNK = 64
_FOREIGN = {".keras": "Keras", ".h5": "Keras", ".hdf5": "Keras", ".tflite": "TensorFlow Lite"}
_TYPES = {"float32": "float", "float16": "float16", "float64": "double", "uint8": "uint8"}  # as ONNX Runtime says them


class Rival:
    """A network in ONNX format that is not ours.

    Attributes:
        about: Its description.
        vocabulary: What the columns of ``score`` mean.
        sha256: Hash of the network's file.
    """

    def __init__(self, about: Description, file: Path, threads: int = 0) -> None:
        self.about, self.vocabulary = about, about.meaning
        self.sha256 = checked(about, file)
        if kind := _FOREIGN.get(file.suffix.lower()):
            raise BundleError(
                f"{file} is a {kind} file, which needs TensorFlow, and mien does not use that",
                "an ONNX file",
                "Write its predictions in an environment that has TensorFlow, and evaluate those: python "
                "benchmarks/rivals/predict.py DESCRIPTION DATA OUT.csv",
            )
        self._session = _session(file, threads)
        self._check(file)

    @staticmethod
    def load(path: Path, threads: int = 0) -> Rival:
        """Open a rival by its description.

        Args:
            path: TOML file with the fields of ``Description``.
            threads: Threads of ONNX Runtime; 0 lets it choose.

        Raises:
            BundleError: The description is wrong, the network's file is absent or altered, is no ONNX file, or does
                not fit the description.
        """
        about = describe(path)
        return Rival(about, path.parent / about.file, threads)

    @property
    def name(self) -> str:
        """What to call it."""
        return self.about.name

    @property
    def description(self) -> str:
        """In a sentence; may be empty."""
        return self.about.description

    @property
    def parameters(self) -> int | None:
        """Number of weights; None where its description does not say."""
        return self.about.parameters

    @property
    def caveats(self) -> list[str]:
        """What a reader should know before the numbers are believed, a sentence each."""
        return self.about.caveats

    def score(self, faces: np.ndarray) -> np.ndarray:
        """Score faces.

        Args:
            faces: (N, s, s) uint8 gray, of any side.

        Returns:
            (N, len(vocabulary)) float64, rows sum to 1.

        Raises:
            BundleError: The network fails, or gives something else than probabilities or logits.
        """
        if not len(faces):
            return np.zeros((0, len(self.vocabulary)))
        fixed = self._session.get_inputs()[0].shape[0]
        step = fixed if isinstance(fixed, int) and fixed > 0 else _CHUNK
        found = []
        for at in range(0, len(faces), step):
            batch = self.about.input.prepare(faces[at : at + step])
            n = len(batch)
            if isinstance(fixed, int) and n < step:  # a network of one batch size: filled up, and cut off again
                batch = np.concatenate([batch, np.repeat(batch[:1], step - n, axis=0)])
            found.append(self._run(batch)[:n])
        return self.about.answers(np.concatenate(found))

    def _run(self, batch: np.ndarray) -> np.ndarray:
        try:
            (raw,) = self._session.run([self._output], {self._session.get_inputs()[0].name: batch})
        except Exception as error:  # ONNX Runtime's own errors share no base class
            raise BundleError(f"{self.name} fails on a batch of shape {batch.shape} ({error})", "", REMEDY) from error
        return np.asarray(raw).reshape(len(batch), -1) if np.size(raw) % len(batch) == 0 else np.asarray(raw)

    def _check(self, file: Path) -> None:
        """Refuse a network whose input or output is not as described."""
        inputs, outputs = self._session.get_inputs(), [o.name for o in self._session.get_outputs()]
        about, takes = self.about, ", ".join(f"{i.name}: {i.type} {i.shape}" for i in inputs)
        wanted = about.input.shape
        shape = inputs[0].shape[1:] if len(inputs) == 1 else []
        fits = len(shape) == 3 and all(not isinstance(a, int) or a == b for a, b in zip(shape, wanted, strict=True))
        if not fits or inputs[0].type != f"tensor({_TYPES[about.input.dtype]})":
            raise BundleError(
                f"{file} takes {takes}", f"one input of {about.input.dtype} (n, {', '.join(map(str, wanted))})", REMEDY
            )
        name = about.output.name
        if name not in outputs if name else about.output.index >= len(outputs):
            raise BundleError(
                f"{file} has no output {name or about.output.index}{nearest(name, outputs)}",
                f"one of {', '.join(outputs)}",
                REMEDY,
            )
        self._output = name or outputs[about.output.index]
        given = self._session.get_outputs()[outputs.index(self._output)].shape
        if given and isinstance(given[-1], int) and given[-1] != len(about.labels):
            raise BundleError(
                f"{file}: the output {self._output} is of shape {given}", f"(n, {len(about.labels)})", REMEDY
            )


def _session(file: Path, threads: int) -> onnxruntime.InferenceSession:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's own errors share no base class
        raise BundleError(f"{file} cannot be loaded ({error})", "an ONNX network", REMEDY) from error
