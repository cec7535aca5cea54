"""What to know of anyone's network before it can be scored: its input, its output and its labels, as a small file."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mien.errors import BundleError
from mien.evaluation.calibration import softmax
from mien.expressions import VOCABULARIES, Vocabulary
from mien.files import sha256
from mien.records import record

REMEDY = "benchmarks/rivals/README.md names the fields of a description."
_FORM = (
    "TOML with name, file and labels; under [input] size, colour and layout; under [output] kind, "
    "which is probabilities or logits"
)
_COLOURS, _LAYOUTS = ("gray", "rgb", "bgr"), ("nhwc", "nchw")
_DTYPES = ("float32", "float16", "float64", "uint8")
_KINDS = ("probabilities", "logits")


@dataclass(frozen=True)
class Input:
    """What a network takes. At most one of ``range``, ``scale`` with ``offset``, and ``mean`` with ``std`` is given.

    Attributes:
        size: Side of its pictures, pixels.
        colour: ``gray`` (one channel), or ``rgb`` or ``bgr`` (the gray picture three times).
        layout: ``nhwc`` (channels last) or ``nchw``.
        dtype: ``float32``, ``float16``, ``float64`` or ``uint8``.
        range: [low, high], what black and white become.
        scale: value = gray · scale + offset, gray from 0 to 255.
        offset: See ``scale``.
        mean: value = (gray / 255 - mean) / std, a number for each channel.
        std: See ``mean``.
    """

    size: int
    colour: str
    layout: str
    dtype: str = "float32"
    range: list[float] = field(default_factory=list)
    scale: float | None = None
    offset: float | None = None
    mean: list[float] = field(default_factory=list)
    std: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not 8 <= self.size <= 1024:
            raise ValueError(f"size is {self.size}, not 8 to 1024")
        for name, known in (("colour", _COLOURS), ("layout", _LAYOUTS), ("dtype", _DTYPES)):
            _one_of(name, getattr(self, name), known)
        ways = [bool(self.range), self.scale is not None or self.offset is not None, bool(self.mean or self.std)]
        if sum(ways) > 1 or (any(ways) and self.dtype == "uint8"):
            raise ValueError(
                "range, scale with offset, and mean with std are three ways to say the same: give one, and none for "
                "the dtype uint8"
            )
        if self.range and len(self.range) != 2:
            raise ValueError(f"range is {self.range}, not [low, high]")
        for name in ("mean", "std"):
            if (self.mean or self.std) and len(getattr(self, name)) != self.channels:
                raise ValueError(f"{name} is {getattr(self, name)}, not {self.channels} numbers, one for each channel")
        if not all(value > 0 for value in self.std):
            raise ValueError(f"std is {self.std}, not positive")

    @property
    def channels(self) -> int:
        """1 or 3."""
        return 1 if self.colour == "gray" else 3

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of one picture, as the network takes it."""
        side = (self.size, self.size)
        return (self.channels, *side) if self.layout == "nchw" else (*side, self.channels)

    def prepare(self, faces: np.ndarray) -> np.ndarray:
        """Pictures as the network takes them: resized (bilinear, or averaged over areas to a smaller side), scaled.

        Args:
            faces: (N, s, s) uint8 gray.

        Returns:
            (N, *shape) of ``dtype``.
        """
        if faces.ndim != 3 or faces.shape[1] != faces.shape[2] or faces.dtype != np.uint8:
            raise BundleError(f"faces of shape {faces.shape} and type {faces.dtype}", "(N, s, s) uint8")
        if faces.shape[1] != self.size:
            how = cv2.INTER_LINEAR if faces.shape[1] < self.size else cv2.INTER_AREA
            side = (self.size, self.size)
            faces = np.stack([cv2.resize(np.asarray(face), side, interpolation=how) for face in faces])
        values = np.repeat(faces[..., None], self.channels, axis=3)
        if self.dtype != "uint8":
            values = self._scaled(values.astype(np.float64)).astype(self.dtype)
        return np.ascontiguousarray(values.transpose(0, 3, 1, 2) if self.layout == "nchw" else values)

    def _scaled(self, values: np.ndarray) -> np.ndarray:
        if self.range:
            low, high = self.range
            return np.asarray(low + values / 255 * (high - low))
        if self.mean:
            return np.asarray((values / 255 - np.array(self.mean)) / np.array(self.std))
        return np.asarray(values * (1.0 if self.scale is None else self.scale) + (self.offset or 0.0))


@dataclass(frozen=True)
class Output:
    """Where a network's answers are.

    Attributes:
        kind: ``probabilities`` or ``logits``.
        name: Of the output; the one at ``index`` where empty.
        index: Its place among the outputs.
    """

    kind: str
    name: str = ""
    index: int = 0

    def __post_init__(self) -> None:
        _one_of("kind", self.kind, _KINDS)
        if self.index < 0:
            raise ValueError(f"index is {self.index}, not 0 or more")


@dataclass(frozen=True)
class Description:
    """A network of someone else's, as its description says.

    Attributes:
        name: What to call it.
        file: The network's file, relative to the description.
        labels: Names in the order of the output.
        input: What it takes.
        output: What it gives.
        sha256: Hash of the file; not checked where empty.
        description: In a sentence.
        parameters: Number of weights; None where not stated.
        map: Label as the network has it → label of the vocabulary.
        vocabulary: Name of the labels, where they are none of mien's vocabularies.
        caveats: What a reader should know before the numbers are believed, a sentence each.
    """

    name: str
    file: str
    labels: list[str]
    input: Input
    output: Output
    sha256: str = ""
    description: str = ""
    parameters: int | None = None
    map: dict[str, str] = field(default_factory=dict)
    vocabulary: str = ""
    caveats: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise ValueError("name is empty")
        for label in self.map:
            if label not in self.labels:
                raise ValueError(f"map: {label!r} is no label{nearest(label, self.labels)}")
        _ = self.meaning

    @property
    def meaning(self) -> Vocabulary:
        """What the outputs mean, in their order in mien's vocabulary of these labels, or in the description's own."""
        own = tuple(self.map.get(label, label) for label in self.labels)
        if len(own) < 2 or len(set(own)) < len(own):
            raise ValueError(f"labels are {', '.join(own)}, not two or more that differ")
        known = next((v for v in VOCABULARIES.values() if set(v.labels) == set(own)), None)
        if known is not None and self.vocabulary in ("", known.name):
            return known
        if known is not None:
            raise ValueError(f"vocabulary is {self.vocabulary!r}, but the labels are those of {known.name}")
        if not self.vocabulary or self.vocabulary in VOCABULARIES:
            raise ValueError(
                f"labels are {', '.join(own)}, not those of {self.vocabulary or 'any vocabulary of mien'}: rename them "
                "in [map], or name a vocabulary of your own"
            )
        return Vocabulary(self.vocabulary, own)

    def answers(self, raw: np.ndarray) -> np.ndarray:
        """Probabilities from what the network gave.

        Args:
            raw: (N, K) probabilities or logits, in the order of ``labels``.

        Returns:
            (N, K) float64 in the order of ``meaning``, rows sum to 1.

        Raises:
            BundleError: Another shape, a value that is not finite, or probabilities that do not sum to 1.
        """
        if raw.ndim != 2 or raw.shape[1] != len(self.labels):
            raise BundleError(f"{self.name}: an output of shape {raw.shape}", f"(n, {len(self.labels)})", REMEDY)
        values = np.asarray(raw, np.float64)
        if bad := int((~np.isfinite(values)).any(axis=1).sum()):
            raise BundleError(
                f"{self.name}: an output that is not finite, for {bad} of {len(values)} faces",
                "finite numbers",
                "Check the scaling of the input in its description.",
            )
        if self.output.kind == "logits":
            values = softmax(values)
        elif (values < -1e-4).any() or (np.abs(values.sum(axis=1) - 1) > 1e-2).any():
            sums = values.sum(axis=1)
            raise BundleError(
                f"{self.name}: outputs from {values.min():.3g} to {values.max():.3g} that sum to "
                f"{sums.min():.3g} to {sums.max():.3g}",
                "probabilities, which sum to 1",
                'If they are logits, say kind = "logits" under [output].',
            )
        values = np.clip(values, 0, None)
        own = [self.map.get(label, label) for label in self.labels]
        order = [own.index(label) for label in self.meaning.labels]
        return np.asarray((values / values.sum(axis=1, keepdims=True))[:, order])


def describe(path: Path) -> Description:
    """Read a description.

    Args:
        path: TOML file. ``labels`` is a list of names in the order of the output, or the name of a vocabulary; ``mean``
            and ``std`` may be one number for all channels.

    Raises:
        BundleError: Not TOML, or a field is unknown, missing or impossible.
    """
    try:
        body = tomllib.loads(path.read_text(encoding="utf-8"))
        _known(body, Description, "")
        for name, kind in (("input", Input), ("output", Output)):
            if isinstance(body.get(name), dict):
                _known(body[name], kind, f"{name}.")
        return record(Description, _spelled_out(body), "the description")
    except (OSError, ValueError, ArithmeticError, RecursionError) as error:
        raise BundleError(f"{path}: not the description of a network ({error})", _FORM, REMEDY) from error


def checked(about: Description, file: Path) -> str:
    """Hash of a network's file; BundleError where it is absent, or not the one that was described."""
    if not file.is_file():
        raise BundleError(f"{about.name}: there is no file {file}", "the network, beside its description", REMEDY)
    found = sha256(file)
    if about.sha256 and found != about.sha256.lower():
        raise BundleError(
            f"{file} has sha256 {found[:16]}…",
            f"{about.sha256[:16]}…, as its description says",
            "Get the file again, or correct the description.",
        )
    return found


def _spelled_out(body: Mapping[str, Any]) -> dict[str, Any]:
    """A description with what may be said in short written in full."""
    full = dict(body)
    labels, given = body.get("labels"), body.get("input")
    if isinstance(labels, str):
        if labels not in VOCABULARIES:
            near = nearest(labels, tuple(VOCABULARIES))
            raise ValueError(f"labels is {labels!r}{near}, not a list or one of {', '.join(VOCABULARIES)}")
        full["labels"] = list(VOCABULARIES[labels].labels)
    if isinstance(given, dict):
        channels = 1 if given.get("colour") == "gray" else 3
        plain = {k: [v] * channels for k, v in given.items() if k in ("mean", "std") and isinstance(v, int | float)}
        full["input"] = {**given, **plain}
    return full


def _known(table: Mapping[str, Any], kind: type, where: str) -> None:
    names = [f.name for f in fields(kind)]
    for name in table:
        if name not in names:
            raise ValueError(f"{where}{name}: no such field{nearest(name, names)}")


def _one_of(name: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise ValueError(f"{name} is {value!r}{nearest(value, known)}, not {' or '.join(known)}")


def nearest(word: str, known: Sequence[str]) -> str:
    """A hint at the known word that may have been meant; empty where none is like it."""
    found = difflib.get_close_matches(word, known, 1)
    return f" (did you mean {found[0]!r}?)" if found else ""
