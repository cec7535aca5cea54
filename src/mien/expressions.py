"""Label vocabularies, and the explicit maps between them.

A vocabulary is an ordered tuple of names: a label is an index into it, a probability vector has its length.
A map is total: every source label is either mapped to one target label or explicitly dropped (``None``). Maps are data:
``maps/NAME.toml`` for those that ship, and a file of the same form for a user's own.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien.errors import DataError

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
        name: Short identifier; what ``Provenance.vocabulary_map`` says of a set that went through it.
        source: Vocabulary mapped from.
        target: Vocabulary mapped to.
        pairs: For every source label, in order, its target label, or ``None`` where it is dropped.
        note: Where the map comes from, and what in it is a choice.
    """

    name: str
    source: Vocabulary
    target: Vocabulary
    pairs: tuple[tuple[str, str | None], ...]
    note: str = ""

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
# The three that the "three datasets" report took of FER2013; maps/fer2013-to-three.toml says how that is known.
THREE = Vocabulary("three", ("happy", "neutral", "surprise"))

VOCABULARIES: dict[str, Vocabulary] = {
    v.name: v for v in (FER2013, FERPLUS, FER_TINY, AFFECTNET, CKPLUS, RAFDB, VALENCE, FOUR, THREE)
}

# The maps that ship with mien: files in the folder ``maps`` of this package.
MAPS = (
    "affectnet-to-fer2013",
    "ck+-to-fer2013",
    "fer-tiny-to-fer2013",
    "fer-tiny-to-valence",
    "fer2013-to-affectnet",
    "fer2013-to-ferplus",
    "fer2013-to-four",
    "fer2013-to-three",
    "ferplus-to-fer2013",
    "raf-db-to-fer2013",
)
_MAP_KEYS = ("name", "source", "target", "note", "dropped", "map")
_MAP_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]*")


def find_map(name: str) -> VocabularyMap:
    """Open a map that ships, or a user's own.

    Args:
        name: One of ``MAPS``, or the path of a map file.

    Raises:
        DataError: There is no such map or file; or the file is wrong, as ``load_map`` says.
    """
    if name in MAPS:
        return load_map(_shipped(name))
    if Path(name).is_file():
        return load_map(Path(name))
    raise DataError(
        f"there is no map {name!r}{_nearest(name, MAPS)}",
        f"a map file, or one of {', '.join(MAPS)}",
        "mien data maps NAME shows one of them: a file of your own has the same form.",
    )


def load_map(path: Path) -> VocabularyMap:
    """Read a map file.

    A TOML file with ``source``, a vocabulary's name or its labels in order; ``target``, the same; ``dropped``, the
    source labels that have no counterpart; the table ``[map]``, a target label for each other source label; and, if
    wanted, ``name`` (that of the file if absent) and ``note``. Where ``source`` is the name of a vocabulary of the
    user's own, its labels are those that are mapped or dropped.

    Raises:
        DataError: The file cannot be read; or a label is unknown, missing, or both mapped and dropped. All that is
            wrong is named at once.
    """
    try:
        body = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a map ({error})", "a TOML file with source, target, dropped and [map]") from error
    wrong = _misshapen(body)
    if not wrong:
        name = body.get("name", path.stem)
        given, dropped = body["map"], body.get("dropped", [])
        source = _labels_of(body["source"], (*given, *dropped))
        target = _labels_of(body["target"], ())
        wrong = _mismatches(path, name, body, source, target)
    if wrong:
        raise DataError(
            f"{path}: {'; '.join(wrong)}",
            "each source label once, under [map] or in dropped",
            "mien data maps NAME shows a map that ships: yours has the same form.",
        )
    return VocabularyMap(
        name,
        _vocabulary(f"{name}-source", body["source"], source),
        _vocabulary(name, body["target"], target),
        tuple((label, given.get(label)) for label in source),
        " ".join(body.get("note", "").split()),
    )


def _shipped(name: str) -> Path:
    return Path(__file__).parent / "maps" / f"{name}.toml"


def _misshapen(body: dict[str, Any]) -> list[str]:
    """What in a map file is not of its form."""
    wrong = [f"{key!r} is not a field of a map{_nearest(key, _MAP_KEYS)}" for key in body if key not in _MAP_KEYS]
    wrong += [f"{key} is missing" for key in ("source", "target", "map") if key not in body]
    wrong += [f"{key} is no text" for key in ("name", "note") if not isinstance(body.get(key, ""), str)]
    for key in ("source", "target", "dropped"):
        value = body.get(key, [])
        named = key != "dropped" and isinstance(value, str)
        if not named and not (isinstance(value, list) and all(isinstance(label, str) for label in value)):
            wrong.append(f"{key} is no {'list of labels' if key == 'dropped' else 'vocabulary name or list of labels'}")
    given = body.get("map", {})
    if not isinstance(given, dict):
        return [*wrong, "map is no table"]
    for label, to in given.items():
        if label in _MAP_KEYS and not isinstance(to, str):
            wrong.append(f"{label} stands under [map]: put it above")
        elif not isinstance(to, str):
            wrong.append(f"{label!r} is mapped to {to!r}, which is no label")
    return wrong


def _mismatches(
    path: Path, name: str, body: dict[str, Any], source: tuple[str, ...], target: tuple[str, ...]
) -> list[str]:
    """What in a map of the right form does not fit its vocabularies."""
    given, dropped = body["map"], body.get("dropped", [])
    wrong = []
    if not _MAP_NAME.fullmatch(name):
        wrong.append(f"the name {name!r} is not of letters, digits, +, -, . and _")
    elif name in MAPS and path != _shipped(name):
        wrong.append(f"the name {name!r} is that of a map that ships with mien")
    if isinstance(body["target"], str) and not target:
        known = _nearest(body["target"], tuple(VOCABULARIES)) or f" (there are {', '.join(VOCABULARIES)})"
        wrong.append(f"there is no vocabulary {body['target']!r} to map to{known}")
    for where, labels in (("source", body["source"]), ("target", body["target"]), ("dropped", dropped)):
        if isinstance(labels, list):
            wrong += [f"{where} lists {label!r} twice" for label, n in Counter(labels).items() if n > 1]
            wrong += [f"{where} lists no label"] if not labels and where != "dropped" else []
    wrong += [f"{label!r} is both mapped and dropped" for label in given if label in dropped]
    wrong += [
        f"{label!r} is no label of the source{_nearest(label, source)}"
        for label in dict.fromkeys((*given, *dropped))
        if label not in source
    ]
    wrong += [f"{label!r} is neither mapped nor dropped" for label in source if label not in {*given, *dropped}]
    wrong += [
        f"{label!r} is mapped to {to!r}, which is no label of the target{_nearest(to, target)}"
        for label, to in given.items()
        if target and to not in target
    ]
    return wrong


def _labels_of(named: str | list[str], own: tuple[str, ...]) -> tuple[str, ...]:
    if isinstance(named, list):
        return tuple(dict.fromkeys(named))
    return VOCABULARIES[named].labels if named in VOCABULARIES else tuple(dict.fromkeys(own))


def _vocabulary(name: str, named: str | list[str], labels: tuple[str, ...]) -> Vocabulary:
    """One of mien's where it has these labels, else one of the user's own."""
    known = next((v for v in VOCABULARIES.values() if v.labels == labels), None)
    return known or Vocabulary(named if isinstance(named, str) else name, labels)


def _nearest(word: str, known: tuple[str, ...]) -> str:
    found = difflib.get_close_matches(word, known, 1)
    return f" (did you mean {found[0]!r}?)" if found else ""


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
