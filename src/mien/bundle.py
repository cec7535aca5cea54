"""A model on disk: ``model.onnx`` and ``card.json`` in one folder.

The network takes uint8 faces and holds its own normalisation and temperature, so a bundle needs nothing but ONNX
Runtime. The card says what the outputs mean, what the network was trained on and how well it scores, and carries the
sha256 of the network: a bundle whose file was altered is not loaded.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mien.card import Card, build, parse
from mien.errors import BundleError
from mien.expressions import VOCABULARIES
from mien.files import cache_folder, sha256, staged_folder, write_text
from mien.weights import DEFAULT

__all__ = ["DEFAULT", "Bundle", "Card", "available", "find", "read_card", "save"]

if TYPE_CHECKING:
    import onnxruntime


class Bundle:
    """A verified model.

    Args:
        folder: Folder with ``model.onnx`` and ``card.json``.
        threads: Threads of ONNX Runtime; 0 lets it choose.

    Raises:
        BundleError: A file is missing or damaged, the hash does not match, or the card is not one of a model.
    """

    def __init__(self, folder: Path, threads: int = 0) -> None:
        self.folder, self.threads = folder, threads
        self._session: onnxruntime.InferenceSession | None = None
        self._lock = threading.Lock()
        self.card = read_card(folder)
        found = sha256(folder / "model.onnx")
        if found != self.card.sha256:
            raise BundleError(
                f"{folder / 'model.onnx'} has sha256 {found[:16]}…",
                f"{self.card.sha256[:16]}…, as its card says",
                "The file was altered or cut off: install the bundle again.",
            )

    @property
    def session(self) -> onnxruntime.InferenceSession:
        """The ONNX Runtime session, made when first used; BundleError if the network cannot be loaded."""
        with self._lock:
            if self._session is None:
                self._session = self._load()
            return self._session

    def prepare(self) -> None:
        """Begin to make the session in a thread, while the caller reads pictures and looks for faces."""

        def make() -> None:
            with suppress(BundleError):  # raised again where the session is used
                _ = self.session

        threading.Thread(target=make, name="mien-session").start()

    def _load(self) -> onnxruntime.InferenceSession:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.log_severity_level = 3
        try:
            session = onnxruntime.InferenceSession(
                str(self.folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime's own errors share no base class
            raise BundleError(
                f"{self.folder / 'model.onnx'} cannot be loaded ({error})",
                "an ONNX network",
                "Install the bundle again.",
            ) from error
        self._check(session)
        return session

    def _check(self, session: onnxruntime.InferenceSession) -> None:
        """Refuse a network whose input or outputs are not what its card says."""
        path, side = self.folder / "model.onnx", self.card.input.size
        inputs = [(i.name, i.type, *(s for s in i.shape[1:] if isinstance(s, int))) for i in session.get_inputs()]
        if inputs != [("faces", "tensor(uint8)", side, side)]:
            raise BundleError(
                f"{path} takes {', '.join(f'{i.name}: {i.type} {i.shape}' for i in session.get_inputs())}",
                f"faces: tensor(uint8) ['n', {side}, {side}], as its card says",
                "Export the bundle again.",
            )
        shapes = {o.name: list(o.shape) for o in session.get_outputs()}
        missing = set(self.card.outputs) - set(shapes)
        if missing:
            raise BundleError(
                f"{path} lacks the outputs {', '.join(sorted(missing))}",
                "all outputs its card names",
                "Export the bundle again.",
            )
        for vocabulary, labels in self.card.vocabularies.items():
            name = f"{vocabulary}_probabilities"
            # A shape that the file leaves open is empty, and an open length no number: ``score`` looks at what comes.
            fits = len(shapes[name]) == 2 and (shapes[name][1] == len(labels) or not isinstance(shapes[name][1], int))
            if shapes[name] and not fits:
                raise self._misfit(name, shapes[name], labels)

    def _misfit(self, name: str, shape: Sequence[object], labels: Sequence[str]) -> BundleError:
        return BundleError(
            f"{self.folder / 'model.onnx'}: {name} has the shape ({', '.join(map(str, shape))})",
            f"(n, {len(labels)}), for the labels {', '.join(labels)}",
            "Export the bundle again.",
        )

    def score(self, faces: np.ndarray, outputs: Sequence[str]) -> dict[str, np.ndarray]:
        """Score faces as one batch.

        Args:
            faces: (N, size, size) uint8 gray, cut by ``mien.faces``.
            outputs: Names from ``card.outputs``: of each vocabulary, such as ``fer2013``, ``fer2013_probabilities``;
                and where the model has them ``fer2013_logits``, ``fer2013_evidence`` and ``features``. A support
                vector machine has neither logits nor evidence.

        Returns:
            By name, float32 arrays whose first axis is N: logits and probabilities (N, labels), evidence
            (N, labels, h, w), features (N, channels).

        Raises:
            BundleError: An output the bundle does not have, or faces of another shape or type.
        """
        size = self.card.input.size
        if faces.dtype != np.uint8 or faces.ndim != 3 or faces.shape[1:] != (size, size):
            raise BundleError(
                f"faces of shape {faces.shape} and type {faces.dtype}",
                f"(N, {size}, {size}) uint8",
                "Cut them with mien.faces.crop.",
            )
        unknown = [name for name in outputs if name not in self.card.outputs]
        if unknown:
            raise BundleError(
                f"the output {unknown[0]!r} of {self.card.name}", f"one of {', '.join(self.card.outputs)}"
            )
        if not len(faces):
            raise BundleError("no faces to score", "at least one")
        found = dict(zip(outputs, self.session.run(list(outputs), {"faces": faces}), strict=True))
        for vocabulary, labels in self.card.vocabularies.items():
            name = f"{vocabulary}_probabilities"
            if name in found and np.shape(found[name]) != (len(faces), len(labels)):
                raise self._misfit(name, np.shape(found[name]), labels)
        return found


def read_card(folder: Path) -> Card:
    """Read and validate a card, without touching the network.

    Raises:
        BundleError: Not a bundle, a damaged card, other labels than mien's under a name that mien knows, labels that
            cannot be told apart, or a vocabulary without probabilities.
    """
    path = folder / "card.json"
    if not path.is_file() or not (folder / "model.onnx").is_file():
        raise BundleError(
            f"{folder} is not a model bundle",
            "a folder with model.onnx and card.json",
            "See what is installed with: mien models",
        )
    try:
        card = parse(path.read_bytes())
    except (ValueError, RecursionError, OSError) as error:
        raise BundleError(
            f"{path} is damaged ({error})",
            "a card of format 1",
            "Install the bundle again, or export it with this version of mien.",
        ) from error
    for name, labels in card.vocabularies.items():
        _check_labels(path, name, labels)
        if f"{name}_probabilities" not in card.outputs:
            raise BundleError(
                f"{path}: no {name}_probabilities among the outputs",
                "probabilities for each vocabulary",
                "Export the bundle again.",
            )
    return card


def _check_labels(path: Path, name: str, labels: list[str]) -> None:
    """Refuse a label set that no answer can be given in; one whose name mien does not know is the user's own."""
    known = VOCABULARIES.get(name)
    if known is not None and tuple(labels) != known.labels:
        expected = ", ".join(known.labels)
    elif not name.strip() or len(labels) < 2 or len(set(labels)) < len(labels) or not all(map(_is_label, labels)):
        expected = "a name, and two or more labels that differ and are not empty"
    else:
        return
    raise BundleError(
        f"{path}: the bundle answers in the label set {name!r} ({', '.join(labels)})".encode(errors="replace").decode(),
        expected,
        "Use a bundle made for these labels." if known else "Export the bundle again.",
    )


def _is_label(text: str) -> bool:
    try:
        return bool(text.strip() and text.encode())
    except UnicodeEncodeError:  # half a surrogate pair, which no result file can hold
        return False


def save(folder: Path, network: bytes, card: dict[str, Any]) -> Card:
    """Write a bundle, whole or not at all; the card's ``sha256`` is filled in here.

    Args:
        folder: Its folder; must not exist.
        network: Contents of model.onnx.
        card: Fields of ``Card`` without ``sha256``.

    Raises:
        BundleError: ``folder`` exists, or the card does not validate.
    """
    if folder.exists():
        raise BundleError(f"{folder} exists already", "a new folder", "Remove it or name another.")
    with staged_folder(folder) as stage:
        (stage / "model.onnx").write_bytes(network)
        try:
            whole = build({**card, "sha256": sha256(stage / "model.onnx")})
            write_text(stage / "card.json", whole.to_json())
        except ValueError as error:
            raise BundleError(f"the card of {folder.name} is wrong: {error}") from error
        read_card(stage)
    return whole


def available() -> dict[str, Path]:
    """Folders of the installed bundles by name: those shipped in the package, then those in the cache."""
    found: dict[str, Path] = {}
    for root in (Path(str(files("mien"))) / "weights", cache_folder() / "models"):
        if root.is_dir():
            for folder in sorted(root.iterdir()):
                # A name with a dot first is a stage folder that a killed process left behind.
                if not folder.name.startswith(".") and (folder / "card.json").is_file():
                    found.setdefault(folder.name, folder)
    return found


def find(model: str | os.PathLike[str]) -> Path:
    """Folder of a bundle by installed name or by path.

    Raises:
        BundleError: There is none; lists the installed names.
    """
    installed = available()
    if str(model) in installed:
        return installed[str(model)]
    path = Path(model)
    if path.is_dir():
        return path
    raise BundleError(
        f"no model {str(model)!r}",
        f"an installed name ({', '.join(installed) or 'none is installed'}) or the folder of a bundle",
        "See: mien models",
    )
