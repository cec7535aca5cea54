"""Label vocabularies, and the explicit maps between them.

A vocabulary is an ordered tuple of names: a label is an index into it, a probability vector has its length.
A map is total: every source label is either mapped to one target label or explicitly dropped (``None``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Vocabulary:
    """An ordered set of expression labels.

    Attributes:
        name: Short identifier, used in file formats and as a prefix of network outputs.
        labels: Label names in index order.
    """

    name: str
    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(set(self.labels)) != len(self.labels):
            raise ValueError(f"vocabulary {self.name} repeats a label: {self.labels}")

    def __len__(self) -> int:
        return len(self.labels)

    def index(self, label: str) -> int:
        """Index of ``label``; KeyError naming the known labels if there is none."""
        try:
            return self.labels.index(label)
        except ValueError:
            raise KeyError(f"{label!r} is not a label of {self.name}; it has {', '.join(self.labels)}") from None


@dataclass(frozen=True)
class VocabularyMap:
    """A total map from one vocabulary to another.

    Attributes:
        source: Vocabulary mapped from.
        target: Vocabulary mapped to.
        pairs: For every source label, in order, its target label, or ``None`` where it is dropped.
    """

    source: Vocabulary
    target: Vocabulary
    pairs: tuple[tuple[str, str | None], ...]

    def __post_init__(self) -> None:
        named = tuple(a for a, _ in self.pairs)
        if named != self.source.labels:
            raise ValueError(
                f"the map {self.source.name} → {self.target.name} must list {self.source.labels} "
                f"in order; it lists {named}"
            )
        for _, b in self.pairs:
            if b is not None:
                self.target.index(b)

    def labels(self, labels: np.ndarray) -> np.ndarray:
        """Map label indices.

        Args:
            labels: (N,) integers in ``[0, len(source))``.

        Returns:
            (N,) int64 target indices, -1 where the source label is dropped.

        Raises:
            ValueError: A label is out of range; -1 is, so that "no label" cannot turn into the last one.
        """
        import numpy as np

        given = np.asarray(labels)
        if ((given < 0) | (given >= len(self.source))).any():
            raise ValueError(
                f"labels from {given.min()} to {given.max()}: {self.source.name} has 0 to {len(self.source) - 1}"
            )
        table = np.array([-1 if b is None else self.target.index(b) for _, b in self.pairs])
        return np.asarray(table[given])

    def probabilities(self, probabilities: np.ndarray) -> np.ndarray:
        """Map probability vectors: dropped mass is removed and the rest renormalised.

        Args:
            probabilities: (N, len(source)) rows that sum to 1.

        Returns:
            (N, len(target)) rows that sum to 1; all zero where the whole mass was dropped.
        """
        import numpy as np

        matrix = np.zeros((len(self.source), len(self.target)), dtype=np.float64)
        for i, (_, b) in enumerate(self.pairs):
            if b is not None:
                matrix[i, self.target.index(b)] = 1.0
        mapped = np.asarray(probabilities, dtype=np.float64) @ matrix
        total = mapped.sum(axis=1, keepdims=True)
        return np.asarray(np.divide(mapped, total, out=np.zeros_like(mapped), where=total > 0))


# Goodfellow et al. 2013, arXiv 1307.0414; the order is the ``emotion`` column of fer2013.csv.
FER2013 = Vocabulary("fer2013", ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"))
# Barsoum et al. 2016, arXiv 1608.01041; the order is the columns of fer2013new.csv.
FERPLUS = Vocabulary("ferplus", ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt"))
# The ten columns of fer2013new.csv: what taggers could vote for. The last two are not expressions.
FERPLUS_VOTES = (*FERPLUS.labels, "unknown", "nonface")

FER2013_TO_FERPLUS = VocabularyMap(
    FER2013,
    FERPLUS,
    (
        ("angry", "anger"),
        ("disgust", "disgust"),
        ("fear", "fear"),
        ("happy", "happiness"),
        ("sad", "sadness"),
        ("surprise", "surprise"),
        ("neutral", "neutral"),
    ),
)
# FER2013 has no contempt, and FER+ contempt was labelled as several different things there: it is dropped.
FERPLUS_TO_FER2013 = VocabularyMap(
    FERPLUS,
    FER2013,
    (
        ("neutral", "neutral"),
        ("happiness", "happy"),
        ("surprise", "surprise"),
        ("sadness", "sad"),
        ("anger", "angry"),
        ("disgust", "disgust"),
        ("fear", "fear"),
        ("contempt", None),
    ),
)

# "Facial Emotion Recognition Tiny"; the spellings are the release's folders.
FER_TINY = Vocabulary(
    "fer-tiny",
    (
        "admiration",
        "amazement",
        "angry",
        "ecstacy",
        "fear",
        "grief",
        "joy",
        "loathing",
        "rage",
        "sad",
        "surprise",
        "terror",
        "vigilance",
    ),
)
# Mollahosseini et al. 2017, arXiv 1708.03985: its label numbers 0 to 7, spelt as AffectNet-HQ's folders.
AFFECTNET = Vocabulary("affectnet", ("neutral", "happy", "sad", "surprise", "fear", "disgust", "anger", "contempt"))
# Lucey et al. 2010: its label numbers 1 to 7, spelt as the folders of the CK+48 release.
CKPLUS = Vocabulary("ck+", ("anger", "contempt", "disgust", "fear", "happy", "sadness", "surprise"))
# Li, Deng & Du 2017: its label numbers 1 to 7.
RAFDB = Vocabulary("raf-db", ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral"))
VALENCE = Vocabulary("valence", ("negative", "positive"))
# The four classes of Chang 2022 ("Deep Learning: Facial Emotion Detection").
FOUR = Vocabulary("four", ("happy", "neutral", "sad", "surprise"))
THREE = Vocabulary("three", ("happy", "neutral", "sad"))

VOCABULARIES: dict[str, Vocabulary] = {
    v.name: v for v in (FER2013, FERPLUS, FER_TINY, AFFECTNET, CKPLUS, RAFDB, VALENCE, FOUR, THREE)
}


def ferplus_majority(votes: np.ndarray) -> np.ndarray:
    """Labels of the official FER+ majority protocol (Barsoum et al. 2016, and their published code).

    Single votes are dropped as outliers; the label is the column with more than half of what remains, if it is an
    expression.

    Args:
        votes: (N, 10) counts in the order of ``FERPLUS_VOTES``.

    Returns:
        (N,) int64 index into ``FERPLUS``, -1 where the protocol gives no label.
    """
    import numpy as np

    kept = np.where(votes > 1, votes, 0).astype(np.int64)
    top = kept.argmax(axis=1)
    clear = 2 * kept.max(axis=1) > kept.sum(axis=1)
    return np.where(clear & (top < len(FERPLUS)), top, -1)
