"""What a model says about itself: the fields of ``card.json``, and their check."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from typing import Any

from mien.errors import BundleError
from mien.records import record

FORMAT = 1


@dataclass(frozen=True)
class CropGeometry:
    """Where FER2013's frame lies relative to what a detector reports.

    Lengths are in units of the detector's own scale: the square root of the box's area, or, where ``anchor`` is
    ``eyes``, the distance from the middle of the eyes to the middle of the mouth corners.

    Attributes:
        anchor: ``box`` (centre of the box) or ``eyes`` (middle of the eyes; the frame turns with the eye line).
        dx: Offset of the frame's centre from the anchor, to the right in the picture.
        dy: The same, downwards.
        side: Side of the frame.
    """

    anchor: str
    dx: float
    dy: float
    side: float

    def __post_init__(self) -> None:
        if self.anchor not in ("box", "eyes"):
            raise ValueError(f"anchor is {self.anchor!r}, not 'box' or 'eyes'")
        if not self.side > 0:
            raise ValueError(f"side is {self.side}, not positive")


@dataclass(frozen=True)
class Input:
    """What the network takes.

    Attributes:
        size: Side of a face, pixels.
        colour: ``gray``.
        dtype: ``uint8``; 0 is black, 255 white.
    """

    size: int
    colour: str = "gray"
    dtype: str = "uint8"

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"size is {self.size}, not at least 1")
        for name, only in (("colour", "gray"), ("dtype", "uint8")):
            if getattr(self, name) != only:
                raise ValueError(f"{name} is {getattr(self, name)!r}, not {only!r}")


@dataclass(frozen=True)
class ScoreCard:
    """One score.

    Attributes:
        data: Source file.
        part: Part of the split, such as ``public_test``.
        protocol: Which labels, and which faces are counted; begins with the vocabulary's name and a space.
        value: The score.
        low: Lower end of the 95% interval.
        high: Upper end.
        n: Faces.
        metric: What ``value`` is.
        recall: Share of right answers by label; None where a label has no faces.
    """

    data: str
    part: str
    protocol: str
    value: float
    low: float
    high: float
    n: int
    metric: str = "accuracy"
    recall: dict[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True)
class CardThreshold:
    """A confidence from which a model answers, chosen on held-out faces.

    Attributes:
        error_rate: Share of wrong answers that was asked for, between 0 and 1.
        confidence: Least confidence, in the primary vocabulary.
        accuracy: Share right among the held-out faces at or above it.
        share: Share of the held-out faces at or above it.
        reached: Whether any confidence keeps the error rate on those faces; if not, this is that of the surest.
    """

    error_rate: float
    confidence: float
    accuracy: float
    share: float
    reached: bool

    def __post_init__(self) -> None:
        _check_error_rate(self.error_rate)


def _check_error_rate(error_rate: float) -> None:
    if not 0 < error_rate < 1:
        raise ValueError(f"error_rate is {error_rate}, not between 0 and 1")


@dataclass(frozen=True)
class Calibration:
    """How far the probabilities can be believed.

    Attributes:
        fitted_on: Part of the split.
        n: Its faces.
        temperature: By vocabulary; it is inside the network: probabilities are softmax(logits / temperature). A
            vocabulary without logits has none.
        expected_error: Expected calibration error of the probabilities, 15 bins of equal width, by vocabulary.
        uncertain_below: Confidence in the primary vocabulary under which mien says that it is uncertain.
        accuracy_when_certain: Share right among the faces at or above that confidence.
        share_certain: Share of faces at or above it.
        error_rate: Share of wrong answers that ``uncertain_below`` was chosen for, between 0 and 1.
        thresholds: The same for several error rates, that one among them; empty on a card of an earlier version.
    """

    fitted_on: str
    n: int
    temperature: dict[str, float]
    expected_error: dict[str, float]
    uncertain_below: float
    accuracy_when_certain: float
    share_certain: float
    error_rate: float = 0.2
    thresholds: list[CardThreshold] = field(default_factory=list)

    def __post_init__(self) -> None:
        _check_error_rate(self.error_rate)

    @property
    def reached(self) -> bool:
        """Whether ``uncertain_below`` keeps its error rate; if not, it is the confidence of the surest face."""
        return self.accuracy_when_certain >= 1 - self.error_rate - 1e-9


@dataclass(frozen=True)
class TrainingCard:
    """Where the weights came from.

    Attributes:
        data: Source file.
        sha256: Its hash.
        n: Faces trained on.
        recipe: The recipe as run, TOML.
        seed: Seed of the run.
        epochs: Epochs run.
        hardware: Processor or accelerator, and cores.
        seconds: Time of all epochs.
        commit: Of the code that trained.
        excluded: Reason → rows left out.
        split: What kind of split.
        leaked: Why the scores are worth nothing; empty where nothing is wrong with the split.
        shortened: Why the training was shorter than its recipe says, such as ``2 of 100 epochs``; empty where it was
            run in full.
        misscaled: How its pre-trained weights were given other input than they were trained with; empty where nothing
            is wrong with it.
    """

    data: str
    sha256: str
    n: int
    recipe: str
    seed: int
    epochs: int
    hardware: str
    seconds: float
    commit: str
    excluded: dict[str, int] = field(default_factory=dict)
    split: str = ""
    leaked: str = ""
    shortened: str = ""
    misscaled: str = ""

    def caveats(self) -> list[str]:
        """A sentence for each thing that a user of the model should know before its answers are believed."""
        found = []
        if self.leaked:
            found.append(f"this model was trained on a leaked split ({self.leaked}): its scores are worth nothing")
        if self.shortened:
            found.append(f"this model was trained in a shortened run ({self.shortened}): its recipe may give better")
        if self.misscaled:
            found.append(f"this model's input is misscaled on purpose ({self.misscaled}): do not use it")
        return found


@dataclass(frozen=True)
class Card:
    """A model's card.

    Attributes:
        name: Of the model.
        description: A sentence.
        licence: SPDX identifier.
        created: Date, ISO 8601.
        sha256: Of model.onnx.
        parameters: Number of weights.
        input: What the network takes.
        vocabularies: By name, labels in the order of the outputs. The first is the primary one: what an answer, its
            confidence and its certainty are about.
        outputs: Names that can be asked for: ``NAME_probabilities`` for each vocabulary, and where the model has them
            ``NAME_logits``, ``NAME_evidence`` and ``features``.
        crop: By detector, where the network's frame lies relative to the detector's box.
        training: Where the weights came from.
        calibration: How far the probabilities can be believed.
        scores: On what it was not trained on.
        parity: Largest difference in probability between ONNX and torch when it was exported.
        format: Of the card.
    """

    name: str
    description: str
    licence: str
    created: str
    sha256: str
    parameters: int
    input: Input
    vocabularies: dict[str, list[str]]
    outputs: list[str]
    crop: dict[str, CropGeometry]
    training: TrainingCard
    calibration: Calibration
    scores: list[ScoreCard]
    parity: float
    format: int = FORMAT

    def __post_init__(self) -> None:
        if self.format != FORMAT:
            raise ValueError(f"format is {self.format}, not {FORMAT}")
        if not re.fullmatch("[0-9a-f]{64}", self.sha256):
            raise ValueError(f"sha256 is {self.sha256!r}, not 64 hexadecimal digits")
        if not self.vocabularies:
            raise ValueError("vocabularies is {}, not at least one")

    @property
    def primary(self) -> str:
        """Name of the vocabulary that an answer is given in."""
        return next(iter(self.vocabularies))

    def score(self, part: str, vocabulary: str) -> ScoreCard | None:
        """The accuracy on a part under a vocabulary's labels, if the card has it."""
        return next(
            (
                s
                for s in self.scores
                if s.part == part and s.metric == "accuracy" and self._counted(s.protocol) == vocabulary
            ),
            None,
        )

    def threshold(self, error_rate: float) -> CardThreshold:
        """The lowest confidence on the card from which at most this share of the answers is wrong.

        Args:
            error_rate: Share of wrong answers, between 0 and 1. For one between two of the card's the stricter counts.

        Raises:
            BundleError: It is no such share, the card has no thresholds or none as strict, or no confidence reached it
                on the held-out faces.
        """
        table, asked = self.calibration.thresholds, f"{error_rate:g}"
        if not 0 < error_rate < 1:
            raise BundleError(f"the error rate {asked}", "a share between 0 and 1, such as 0.1 for one wrong in ten")
        if not table:
            raise BundleError(
                f"the card of {self.name} has no thresholds for other error rates",
                "a model exported by this version of mien",
                "Export it again with mien export, or leave the error rate out.",
            )
        strict = [t for t in table if t.error_rate <= error_rate]
        if not strict:
            raise BundleError(
                f"{self.name} has no threshold for an error rate of {asked}",
                f"at least {min(t.error_rate for t in table):g}",
            )
        kept = [t for t in strict if t.reached]
        if not kept:
            least = min((t.error_rate for t in table if t.reached), default=None)
            raise BundleError(
                f"no confidence of {self.name} kept an error rate of {asked} on its held-out faces",
                "a better model" if least is None else f"at least {least:g}, which it kept",
            )
        return min(kept, key=lambda t: t.confidence)

    def _counted(self, protocol: str) -> str | None:
        """The vocabulary of a protocol; the longest name that fits, for a name may begin with another and a space."""
        return max((v for v in self.vocabularies if protocol.startswith(f"{v} ")), key=len, default=None)

    def to_json(self) -> str:
        """The card as indented JSON; ValueError if a number is not finite."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def parse(text: str | bytes) -> Card:
    """Read a card from JSON; ValueError names the field that is wrong."""
    return build(json.loads(text))


def build(values: Any) -> Card:
    """A card from plain values; ValueError names the field that is wrong."""
    return record(Card, values, "the card")
