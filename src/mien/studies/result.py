"""What a run of a system measured: ``result.json`` in its folder, and when a new one takes the place of an old one."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from mien.errors import MienError, OutputError, StudyError
from mien.files import write_text
from mien.recipe import parse
from mien.records import record
from mien.studies.manifest import RESULT, System, recipe_of, timeless

FORMAT = 1
KINDS = ("share", "number", "count", "seconds", "text")


@dataclass(frozen=True)
class Quantity:
    """One measured number, or a sentence.

    Attributes:
        kind: ``share`` (0 to 1, written in per cent), ``number``, ``count``, ``seconds`` or ``text``.
        value: The number; None where it is not defined, or is a text.
        low: Lower end of its 95% interval; None where there is none.
        high: Upper end.
        n: Faces it is about; 0 where it is not about faces.
        text: Of a ``text``.
    """

    kind: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0
    text: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind is {self.kind!r}, not one of {', '.join(KINDS)}")


@dataclass(frozen=True)
class Training:
    """How the run was trained.

    Attributes:
        epochs: Epochs run.
        planned: Epochs of the recipe.
        kept: Epoch whose weights were kept, counted from 1.
        stopped: Why training ended before; empty where it did not.
        shortened: In what the run was shorter than its recipe; empty where it was run in full.
        leaked: Why its own scores are worth nothing; empty where nothing is wrong with the split.
        misscaled: How its weights were given other input than theirs; empty where they were not.
        faces: Rows trained on, copies counted as often as they occur.
        split: In words.
        seconds: Of all epochs.
        hardware: Processor or accelerator, and cores.
        threads: Of torch.
        seed: Of the run.
        commit: Of the code.
        data: Name of the source file.
        sha256: Its hash.
        weights: Hash of the weights that were kept.
        began_with: Hash of the file of weights that it began with; empty where it began with none of ours.
    """

    epochs: int
    planned: int
    kept: int
    stopped: str
    shortened: str
    leaked: str
    misscaled: str
    faces: int
    split: str
    seconds: float
    hardware: str
    threads: int
    seed: int
    commit: str
    data: str
    sha256: str
    weights: str = ""
    began_with: str = ""


@dataclass(frozen=True)
class PartResult:
    """Scores on one part, each face counted once.

    Attributes:
        n: Faces.
        labels: The classes.
        confusion: (K, K) faces; a row is what a face is, a column what was said.
        scores: By name: the headline numbers of ``mien evaluate``, ``majority`` (always the commonest class),
            ``no_copy`` (accuracy on faces without a copy among the training faces), ``copies`` (share of faces with
            one), and ``recall LABEL``.
        warnings: What is wrong with them, a sentence each.
        right: Whether each face was answered rightly, a bit each in the order of row ids, as hexadecimal digits.
        rows: Hash of these row ids; systems can be compared face by face where it is the same.
    """

    n: int
    labels: list[str]
    confusion: list[list[int]]
    scores: dict[str, Quantity]
    warnings: list[str]
    right: str
    rows: str

    def __post_init__(self) -> None:
        if "accuracy" not in self.scores:
            raise ValueError(f"scores is of {', '.join(self.scores) or 'nothing'}, not of accuracy")
        if not re.fullmatch("[0-9a-f]*", self.right) or len(self.right) != 2 * ((self.n + 7) // 8):
            raise ValueError(f"right is not {self.n} bits in hexadecimal digits")

    def hits(self) -> np.ndarray:
        """(n,) bool, in the order of row ids."""
        bits = np.unpackbits(np.frombuffer(bytes.fromhex(self.right), np.uint8), count=self.n)
        return bits.astype(bool)


@dataclass(frozen=True)
class Made:
    """How the numbers were made.

    Attributes:
        date: ISO 8601.
        version: Of mien.
        commit: Of its code.
        hardware: Processor and cores.
        seconds: Of evaluation and measures.
        command: What to type to have them again.
    """

    date: str
    version: str
    commit: str
    hardware: str
    seconds: float
    command: str


@dataclass(frozen=True)
class Result:
    """Everything that was measured of one system, or why it could not be run.

    Attributes:
        study: Name of the study.
        system: Name of the system.
        recipe: TOML, as run.
        made: How.
        training: None where it could not be run.
        parameters: Number of weights; 0 where it could not be run.
        history: A row for each epoch: ``epoch`` (from 1), ``loss``, ``accuracy``, ``val_loss``, ``val_accuracy``,
            ``learning_rate``, ``seconds``.
        parts: By name; the first is the result.
        measures: Further numbers, by measure and name.
        unavailable: Why it could not be run; empty where it could.
        format: Of this file.
    """

    study: str
    system: str
    recipe: str
    made: Made
    training: Training | None = None
    parameters: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    parts: dict[str, PartResult] = field(default_factory=dict)
    measures: dict[str, dict[str, Quantity]] = field(default_factory=dict)
    unavailable: str = ""
    format: int = FORMAT

    def __post_init__(self) -> None:
        if self.format != FORMAT:
            raise ValueError(f"format is {self.format}, not {FORMAT}")
        if bool(self.unavailable) == (self.training is not None):
            raise ValueError("training is given where the system could not be run, or missing where it could")
        if bool(self.parts) == bool(self.unavailable):
            raise ValueError("parts is not one or more where the system was run, and none where it could not be")

    @property
    def rank(self) -> int:
        """How much it is worth: nothing could be run, a shortened run, the whole recipe."""
        if self.training is None:
            return 0
        return 1 if self.training.shortened else 2

    def save(self, folder: Path) -> None:
        """Write ``result.json``, through a temporary name."""
        text = json.dumps(asdict(self), indent=1, ensure_ascii=False, allow_nan=False)
        try:
            write_text(folder / RESULT, text + "\n")
        except OSError as error:
            raise OutputError(
                f"{folder / RESULT} cannot be written ({error.strerror or error})",
                "room on the disk and a folder you may write to",
            ) from error


def load_result(folder: Path, study: str | None = None) -> Result | None:
    """The result in a system's folder; None where there is none yet.

    Args:
        folder: Of the system's name.
        study: Name of the study that it must be of; any if None.

    Raises:
        StudyError: It is damaged, or of another system or study.
    """
    path = folder / RESULT
    if not path.is_file():
        return None
    try:
        found = record(Result, json.loads(path.read_bytes()), "the result")
        if found.system != folder.name or study not in (None, found.study):
            raise ValueError(f"it is of {found.study}/{found.system}")
        return found
    except (ValueError, RecursionError, OSError) as error:
        raise StudyError(
            f"{path} is damaged ({error})", f"a result of format {FORMAT}", "Delete it, and run the system again."
        ) from error


def out_of_date(folder: Path, system: System, result: Result) -> str:
    """Why a result is not of what its study asks for now; empty where it is.

    Args:
        folder: Of the study.
        system: The system.
        result: Its result.
    """
    try:
        recipe = recipe_of(folder, system)
        known = parse(result.recipe, RESULT)
    except MienError as error:
        return f"its recipe cannot be read: {error.came}"
    planned = known.training.epochs if result.training is None else result.training.planned
    if timeless(known) != timeless(recipe) or planned != recipe.training.epochs:
        return "its recipe was changed since"
    more = [one for one in system.parts if result.parts and one not in result.parts]
    more += [one for one in system.measures if result.parts and one not in result.measures]
    return f"asked for since: {', '.join(more)}" if more else ""


def replaces(new: Result, old: Result | None) -> bool:
    """Whether a new result is kept in place of an old one: a shortened run never takes the place of a whole one."""
    if old is None or new.rank > old.rank:
        return True
    if new.rank < old.rank:
        return False
    if new.training is not None and old.training is not None and new.rank == 1:
        return new.training.epochs * new.training.faces >= old.training.epochs * old.training.faces
    return True


def packed(right: np.ndarray) -> str:
    """(n,) bool → hexadecimal digits, as ``PartResult.hits`` reads them."""
    return np.packbits(np.asarray(right, bool)).tobytes().hex()


def rows_hash(rows: np.ndarray) -> str:
    """Short hash of row ids."""
    return hashlib.sha256(np.ascontiguousarray(rows, np.int64).tobytes()).hexdigest()[:16]
