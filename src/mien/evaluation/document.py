"""What an evaluation says, as data: the fields of ``evaluation.json``, which tables and reports are made of."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from mien.errors import DataError, OutputError
from mien.evaluation.measures import (
    ALL,
    SINGLE,
    Certainty,
    Disturbed,
    Group,
    ProtocolFacts,
    Scores,
    Section,
    VoteScores,
)
from mien.files import write_text
from mien.records import record

FORMAT = 1
FILE, PREDICTIONS, LABELS, PICTURES = "evaluation.json", "predictions.csv", "labels.csv", "pictures"
MOST_DRAWS = 1_000_000  # of a bootstrap; a file that says more is damaged


@dataclass(frozen=True)
class ModelFacts:
    """What was evaluated.

    Attributes:
        name: Of the model.
        kind: ``run``, ``bundle``, ``predictions`` or ``rival``.
        source: Name of the file or folder, without those above it.
        sha256: Of the network, or of the predictions file.
        description: In a sentence; may be empty.
        parameters: Number of weights; None where unknown.
        recipe: TOML of the recipe as run; empty where there is none.
        training: Facts about its training, in words, by name; empty where unknown.
        caveats: What a reader should know before the numbers are believed, a sentence each.
        cost: What it takes, in words, by name: its size on disk, the time of a face; empty where unknown.
    """

    name: str
    kind: str
    source: str
    sha256: str
    description: str
    parameters: int | None
    recipe: str = ""
    training: dict[str, str] = field(default_factory=dict)
    caveats: list[str] = field(default_factory=list)
    cost: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DataFacts:
    """What it was evaluated on.

    Attributes:
        source: File or folder name of the source.
        sha256: Its hash.
        vocabulary: Name of the labels.
        part: Part of the split, such as ``public_test``.
        split: What kind of split, in a phrase.
        n: Faces of the part.
        counts: Label → faces of the part.
        trained_on: What copies were looked for in, in a phrase; empty where it is unknown what was trained on.
        copies: ``identical``, ``near-identical``, ``mirrored`` → faces of the part with such a copy, each counted once,
            under the first; empty where they were not looked for.
    """

    source: str
    sha256: str
    vocabulary: str
    part: str
    split: str
    n: int
    counts: dict[str, int]
    trained_on: str = ""
    copies: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Made:
    """How the numbers were made.

    Attributes:
        date: ISO 8601.
        version: Of mien.
        commit: Of its code; empty for an installed copy.
        hardware: Processor and cores.
        seed: Of the bootstrap; at least 0.
        draws: Bootstrap resamples; 0 to ``MOST_DRAWS``.
        seconds: Of the whole evaluation.
        command: What to type to have them again.
    """

    date: str
    version: str
    commit: str
    hardware: str
    seed: int
    draws: int
    seconds: float
    command: str

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError(f"seed is {self.seed}, not at least 0")
        if not 0 <= self.draws <= MOST_DRAWS:
            raise ValueError(f"draws is {self.draws}, not 0 to {MOST_DRAWS}")


@dataclass(frozen=True)
class Evaluation:
    """Everything that was measured of one model on one part of one data set.

    Attributes:
        model: What was evaluated.
        data: On what.
        made: How.
        protocols: How answers were counted; the first is the primary one.
        sections: Scores; each protocol has one of the single view on all faces.
        certainty: For each protocol.
        warnings: What is wrong with the numbers, a sentence each; empty where nothing was found.
        votes: Against the taggers' votes; None where there are none.
        groups: By columns of the data.
        disturbed: Under disturbances.
        pictures: Name → file in the evaluation's folder.
        format: Of this file.
    """

    model: ModelFacts
    data: DataFacts
    made: Made
    protocols: list[ProtocolFacts]
    sections: list[Section]
    certainty: list[Certainty]
    warnings: list[str] = field(default_factory=list)
    votes: VoteScores | None = None
    groups: list[Group] = field(default_factory=list)
    disturbed: list[Disturbed] = field(default_factory=list)
    pictures: dict[str, str] = field(default_factory=dict)
    format: int = FORMAT

    def __post_init__(self) -> None:
        if self.format != FORMAT:
            raise ValueError(f"format is {self.format}, not {FORMAT}")
        if not self.protocols:
            raise ValueError("protocols is [], not at least one")

    def scores(self, protocol: str | None = None, view: str = SINGLE, subset: str = ALL) -> Scores | None:
        """Scores of a section, of the primary protocol if none is named; None where there is no such section."""
        name = protocol or self.protocols[0].name
        found = (s.scores for s in self.sections if (s.protocol, s.view, s.subset) == (name, view, subset))
        return next(found, None)

    def save(self, folder: Path) -> None:
        """Write ``evaluation.json`` into a folder, through a temporary name."""
        text = json.dumps(asdict(self), indent=1, ensure_ascii=False, allow_nan=False)
        write_text(folder / FILE, text + "\n")


def load(folder: Path) -> Evaluation:
    """Read an evaluation from its folder.

    Raises:
        DataError: There is none, or it is damaged.
    """
    path = folder / FILE
    if not path.is_file():
        raise DataError(
            f"{folder} holds no evaluation", f"a folder with {FILE}", f"Make one with: mien evaluate {folder}"
        )
    try:
        return record(Evaluation, json.loads(path.read_bytes()), "the evaluation")
    except (ValueError, RecursionError, OSError) as error:
        raise DataError(
            f"{path} is damaged ({error})", f"an evaluation of format {FORMAT}", "Evaluate the model again."
        ) from error


def refuse_own(path: Path) -> None:
    """OutputError where a file would take the place of an evaluation's own."""
    if path.name in (FILE, PREDICTIONS, LABELS) and (path.parent / FILE).is_file():
        raise OutputError(f"{path} is a file of the evaluation in {path.parent}", "another name")
