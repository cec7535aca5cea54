"""What analysis returns: one flat, typed result per image, and the rows it becomes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mien.errors import MissingExtraError
from mien.expressions import FER2013, FERPLUS

if TYPE_CHECKING:
    import numpy as np
    import pandas

Row = dict[str, Any]

# What every table says of an image, a face and its answer.
_LEADING: dict[str, type] = {
    "source": str,
    "status": str,
    "error": str,
    "width": int,
    "height": int,
    "faces": int,
    "face": int,
    "x1": float,
    "y1": float,
    "x2": float,
    "y2": float,
    "detection_score": float,
    "expression": str,
    "confidence": float,
    "certain": bool,
}


def columns(vocabularies: Mapping[str, Sequence[str]]) -> dict[str, type]:
    """The columns of the tables that mien writes with a model, in order, and their types, whatever the file format.

    Args:
        vocabularies: Those of the model, as on its card: name → labels, the primary one first.

    Returns:
        Column → ``str``, ``int``, ``float`` or ``bool``. The probability of a label of the primary vocabulary is
        ``p_LABEL``. FER+ columns follow for a model with a FER+ head beside the primary one; for a FER2013 model
        always, so that the tables of all such models are alike.
    """
    primary = next(iter(vocabularies))
    voted = primary == FER2013.name or (primary != FERPLUS.name and FERPLUS.name in vocabularies)
    return {
        **_LEADING,
        **{f"p_{label}": float for label in vocabularies[primary]},
        **({"ferplus_expression": str, **{f"ferplus_{label}": float for label in FERPLUS.labels}} if voted else {}),
        "detector": str,
        "model": str,
    }


# Those of every FER2013 model.
COLUMN_TYPES: dict[str, type] = columns({FER2013.name: FER2013.labels})
COLUMNS: tuple[str, ...] = tuple(COLUMN_TYPES)


@dataclass(frozen=True, eq=False)
class Explanation:
    """Where in a face a model found what it answered: class activation mapping (Zhou et al. 2015, arXiv 1512.04150).

    Attributes:
        crop: (s, s) uint8 gray, the face as the network saw it.
        labels: Those of the model's primary vocabulary (K).
        evidence: (K, h, w) float32, the network's last layer applied at each place of its last maps. The mean over the
            places is each label's logit, before the temperature.
    """

    crop: np.ndarray
    labels: tuple[str, ...]
    evidence: np.ndarray

    def of(self, label: str) -> np.ndarray:
        """Evidence for a label less that for the others, each of them weighted by how likely it is among them.

        Adding the same to every logit changes no probability, so that only a difference says anything; and this is the
        one that moves the odds of the label, to first order. Against the plain mean over the labels, every place of a
        face would speak for every likely one.

        Returns:
            (h, w) float32: above 0 the place speaks for the label, below 0 for what else the face might show.
        """
        import numpy as np

        chosen = self.labels.index(label)
        logits = self.evidence.mean(axis=(1, 2))
        others = np.arange(len(logits)) != chosen
        weights = np.exp(logits[others] - logits[others].max())
        found: np.ndarray = self.evidence[chosen] - np.tensordot(weights / weights.sum(), self.evidence[others], 1)
        return found


@dataclass(frozen=True)
class Face:
    """One face.

    Attributes:
        box: Detector's box ``xyxy`` in pixels of the upright image: x1, y1, x2, y2.
        detection_score: The detector's own score; larger is surer, scales differ between detectors. None where there
            was no detection (``detector="none"``).
        expression: Label of the model's primary vocabulary (FER2013's seven labels with the model that ships) with
            the largest probability.
        confidence: That probability, calibrated on held-out faces.
        certain: False where the confidence is under the model's threshold: treat the answer as "uncertain".
        probabilities: Label of the primary vocabulary → calibrated probability; sums to 1.
        ferplus: FER+ label → calibrated probability; sums to 1. Empty for a model without FER+ outputs beside those
            of its primary vocabulary.
        explanation: Where in the face the answer comes from; None unless it was asked for. No part of the rows.
    """

    box: tuple[float, float, float, float]
    detection_score: float | None
    expression: str
    confidence: float
    certain: bool
    probabilities: dict[str, float]
    ferplus: dict[str, float] = field(default_factory=dict)
    explanation: Explanation | None = field(default=None, repr=False, compare=False)

    @property
    def ferplus_expression(self) -> str | None:
        """FER+ label with the largest probability."""
        return max(self.ferplus, key=self.ferplus.__getitem__) if self.ferplus else None


@dataclass(frozen=True)
class ImageResult:
    """One image.

    Attributes:
        source: Path as given, or ``array 0``, ``bytes 0`` for what had no name.
        width: Of the upright image, pixels; 0 where it could not be read.
        height: The same.
        detector: Name of the detector that looked for faces.
        model: Name of the bundle that scored them.
        faces: Left to right by box; empty where there is none.
        error: Why the image could not be read; None where it could.
        columns: Names of the columns of its rows, as ``columns`` gives them for the model.
    """

    source: str
    width: int
    height: int
    detector: str
    model: str
    faces: list[Face] = field(default_factory=list)
    error: str | None = None
    columns: tuple[str, ...] = field(default=COLUMNS, repr=False)

    @property
    def status(self) -> str:
        """``ok``, ``no face`` or ``error``."""
        return "error" if self.error else "ok" if self.faces else "no face"

    def rows(self) -> list[Row]:
        """One row per face, or one that says why there is none; keys are ``columns``.

        Raises:
            ValueError: A face has probabilities of labels that are not among ``columns``.
        """
        base: Row = dict.fromkeys(self.columns)
        base |= {
            "source": self.source,
            "status": self.status,
            "error": self.error,
            "width": self.width or None,
            "height": self.height or None,
            "faces": len(self.faces),
            "detector": self.detector,
            "model": self.model,
        }
        rows = []
        for i, face in enumerate(self.faces):
            x1, y1, x2, y2 = (round(v, 1) for v in face.box)
            row = {
                **base,
                "face": i,
                "x1": x1,
                "y1": y1,
                "x2": x2,
                "y2": y2,
                "detection_score": None if face.detection_score is None else round(face.detection_score, 4),
                "expression": face.expression,
                "confidence": face.confidence,
                "certain": face.certain,
                **{f"p_{k}": v for k, v in face.probabilities.items()},
            }
            if face.ferplus:
                row |= {
                    "ferplus_expression": face.ferplus_expression,
                    **{f"ferplus_{k}": v for k, v in face.ferplus.items()},
                }
            if len(row) > len(base):
                raise ValueError(f"{', '.join(k for k in row if k not in base)}: not among the columns of {self.model}")
            rows.append(row)
        return rows or [base]

    def to_json(self) -> str:
        """The rows as a JSON array."""
        return json.dumps(self.rows(), ensure_ascii=False)

    def to_frame(self) -> pandas.DataFrame:
        """The rows as a pandas frame; needs the ``table`` extra."""
        return _frame(self.rows(), self.columns)


class Results(list[ImageResult]):
    """Results of several images, in the order they were given.

    Args:
        results: The results.
        columns: Names of the columns of their rows, which an empty list has too.
    """

    def __init__(self, results: Iterable[ImageResult] = (), columns: Sequence[str] = COLUMNS) -> None:
        super().__init__(results)
        self.columns = tuple(columns)

    def rows(self) -> list[Row]:
        """All rows."""
        return [row for result in self for row in result.rows()]

    def to_json(self) -> str:
        """All rows as a JSON array."""
        return json.dumps(self.rows(), ensure_ascii=False)

    def to_frame(self) -> pandas.DataFrame:
        """All rows as a pandas frame; needs the ``table`` extra."""
        every = dict.fromkeys(column for result in self for column in result.columns)
        return _frame(self.rows(), tuple(every) or self.columns)


def _frame(rows: list[Row], columns: tuple[str, ...]) -> pandas.DataFrame:
    try:
        import pandas
    except ImportError:
        raise MissingExtraError("pandas", "table", "to_frame()") from None
    return pandas.DataFrame(rows, columns=list(columns))
