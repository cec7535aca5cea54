"""Which faces a model is evaluated on, which were held out for fitting, and which it was trained on."""

from __future__ import annotations

import json
import tomllib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from mien.card import TrainingCard
from mien.data import FaceSet, Split, official, open_faces, own_split, relabel
from mien.errors import DataError, MissingExtraError
from mien.evaluation.subject import Subject, open_subject
from mien.expressions import find_map
from mien.recipe import DataSection, Recipe, load

# Parts that are no result: what was trained on, what was chosen on, and what nobody looks at by default.
_NOT_BY_DEFAULT = ("train", "validation", "private_test")
EVERY_FACE = "all"


@dataclass(frozen=True)
class Plan:
    """An evaluation to be made.

    Attributes:
        subject: The model.
        faces: The set, in the labels that count.
        split: In words; empty where the set was not split.
        part: Name of the part that is evaluated; ``all`` where the set was not split.
        at: (n,) positions of its faces.
        held: (h,) positions of faces held out of training, for temperature and thresholds; empty where there are none.
        trained: (t,) row ids trained on, each once; empty where nothing is known and the set has no training rows.
        whole: The set before a map left faces out, in which copies of ``trained`` are looked for.
        trained_on: What these are, in a phrase; empty where there are none.
        warnings: What is wrong with this choice, a sentence each.
    """

    subject: Subject
    faces: FaceSet
    split: str
    part: str
    at: np.ndarray
    held: np.ndarray
    trained: np.ndarray
    whole: FaceSet
    trained_on: str
    warnings: tuple[str, ...] = ()


def plan(
    model: str,
    data: Path | None = None,
    *,
    split: Path | None = None,
    part: str | None = None,
    labels_map: str | None = None,
    threads: int = 0,
) -> Plan:
    """Decide what is evaluated on what.

    A run is evaluated on its own split, a bundle that was trained on this very set on the split that its recipe tells,
    anything else on the set's own split or, where it has none, on every face.

    Args:
        model: As ``subject.open_subject``.
        data: Store or source; a run's own if None.
        split: File of a split of that data.
        part: Part to evaluate; the first that is neither for training nor for choosing, and not ``private_test``.
        labels_map: A map that the data's labels go through; a run's or bundle's own where None.
        threads: Threads of ONNX Runtime; 0 lets it choose.

    Raises:
        DataError: No data set is named, it has no such part, or the split is of another set.
        BundleError: No such model.
    """
    run = Path(model) if (Path(model) / "recipe.toml").is_file() else None
    if data is None:
        if run is None:
            raise DataError(f"no data set to evaluate {model} on", "a store or a source", f"mien evaluate {model} DATA")
        data = Path(_environment(run)["data"])
    whole = open_faces(data)
    subject = open_subject(model, whole, threads)
    faces = _labelled(subject, whole, labels_map)
    own = _own_split(subject, whole, faces, labels_map)
    if split is not None:
        division: Split | None = Split.load(split)
    else:
        division = _division(faces, part) if own is None else own
    if division is not None:
        division.check(faces)
    name, at = _part(division, faces, part)
    trained, phrase = _trained(subject, whole, division, own, split is not None)
    known = np.empty(0, np.int32) if own is None else trained
    return Plan(
        subject,
        faces,
        "" if division is None else division.name,
        name,
        at,
        _held(subject, faces, division, at, known),
        trained,
        whole,
        phrase,
        tuple(_warnings(subject, faces, division, name, at, trained, own)),
    )


def _environment(run: Path) -> dict[str, str]:
    try:
        body = json.loads((run / "environment.json").read_text(encoding="utf-8"))
        return {"data": str(body["data"]), "recipe_folder": str(body.get("recipe_folder", run))}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{run / 'environment.json'} is missing or damaged ({error})",
            "what mien train wrote",
            f"Name the data set: mien evaluate {run} DATA",
        ) from error


def _recipe(subject: Subject) -> Recipe | None:
    return None if subject.run is None else load(subject.run / "recipe.toml")


def _labelled(subject: Subject, faces: FaceSet, labels_map: str | None) -> FaceSet:
    """The faces in the labels that count: through a map that is given, or the one that the model was trained with."""
    if labels_map is not None:
        return relabel(faces, find_map(labels_map))
    if any(v.labels == faces.vocabulary.labels for v in subject.vocabularies):
        return faces
    if subject.run is not None:
        recipe = _recipe(subject)
        base = Path(_environment(subject.run)["recipe_folder"])
        return faces if recipe is None else mapped_as(recipe, faces, base)
    name = None if subject.card is None else _in_recipe(subject.card.training, "map")
    if isinstance(name, str):
        with suppress(DataError):  # a map file of the one who trained it
            return _through(faces, name, Path())
    return faces


def mapped_as(recipe: Recipe, faces: FaceSet, base: Path) -> FaceSet:
    """The faces through the map of a recipe, where they are in its source labels.

    Args:
        recipe: Its data section names the map.
        faces: The set.
        base: Folder that a map file is relative to.
    """
    if recipe.data.map is None or faces.vocabulary.name == recipe.data.labels:
        return faces
    return _through(faces, recipe.data.map, base)


def _through(faces: FaceSet, name: str, base: Path) -> FaceSet:
    mapping = find_map(str(base / name) if (base / name).is_file() else name)
    return relabel(faces, mapping) if set(mapping.source.labels) == set(faces.vocabulary.labels) else faces


def _in_recipe(training: TrainingCard, field: str) -> object:
    """A field of the data section of the recipe on a card, of whatever version that is; None where there is none."""
    with suppress(tomllib.TOMLDecodeError, KeyError, TypeError):
        return tomllib.loads(training.recipe)["data"][field]
    return None


def _own_split(subject: Subject, whole: FaceSet, faces: FaceSet, labels_map: str | None) -> Split | None:
    """The split that the model was trained with, where this is its set and that is known."""
    if subject.run is not None:
        own = Split.load(subject.run / "split.json")
        if own.source_sha256 == faces.provenance.sha256:
            return own
    if subject.card is None:
        return None
    # It is drawn by label: by those of the training, whatever map is asked for now.
    return trained_split(subject.card.training, faces if labels_map is None else _labelled(subject, whole, None))


def _division(faces: FaceSet, part: str | None) -> Split | None:
    """The set's own split, if it has one; where that lacks a part, it does not matter for every face."""
    if len(np.unique(faces.usage)) == 1:
        return None
    try:
        return official(faces, 0.1, 0)
    except DataError as error:
        if part == EVERY_FACE:
            return None
        raise DataError(
            error.came,
            error.expected,
            f"Evaluate every face with --part {EVERY_FACE}, or name a split made by mien data split with --split.",
        ) from error


def asked_split(faces: FaceSet, section: DataSection) -> Split:
    """The split that a recipe's ``[data]`` table asks for, where it names no file; DataError as ``own_split``."""
    return own_split(
        faces,
        section.validation,
        section.split_seed,
        test=section.test,
        how=section.balance,
        leak=section.reproduce_leak,
    )


def trained_split(training: TrainingCard, faces: FaceSet) -> Split | None:
    """The split that a card's recipe tells without a file, if it has as many training faces as the card says.

    Args:
        training: What the card says of the training.
        faces: The set, in the labels that it was trained with; None is returned where they are others.
    """
    if training.sha256 != faces.provenance.sha256:
        return None
    try:
        section = DataSection.model_validate({"source": "", **tomllib.loads(training.recipe)["data"]})
        if section.split is not None or section.labels not in (None, faces.vocabulary.name):
            return None
        found = asked_split(faces, section)
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValidationError, DataError, MissingExtraError):
        return None  # of another version, or of a split that was named; nothing is known then
    return found if len(found.parts["train"]) == training.n else None


def _part(division: Split | None, faces: FaceSet, part: str | None) -> tuple[str, np.ndarray]:
    if division is None:
        if part not in (None, EVERY_FACE):
            raise DataError(
                f"the part {part!r} of {faces.provenance.source}, which has no split",
                "no part: every face is evaluated",
                "Draw a split with mien data split, and name it with --split FILE.",
            )
        return EVERY_FACE, np.arange(len(faces))
    if part == EVERY_FACE:
        return part, np.arange(len(faces))
    by_default = [p for p in division.parts if p not in _NOT_BY_DEFAULT]
    name = part or next(iter([*by_default, "validation"]))
    if name not in division.parts:
        raise DataError(f"the split {division.name!r} has no part {name}", f"one of {', '.join(division.parts)}")
    return name, faces.positions(_kept(faces, np.unique(division.parts[name])))


def _kept(faces: FaceSet, rows: np.ndarray) -> np.ndarray:
    """Those of the rows that the set still has: a map drops faces of labels that it leaves out."""
    return rows[np.isin(rows, faces.rows)] if faces.provenance.vocabulary_map else rows


def _held(subject: Subject, faces: FaceSet, division: Split | None, at: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Positions of faces to fit on: none that is evaluated, none that the model was trained on.

    Of a predictions file, only if it has them all.
    """
    if division is None or "validation" not in division.parts:
        return np.empty(0, np.int64)
    held = np.setdiff1d(faces.positions(_kept(faces, division.parts["validation"])), at)
    held = held[~np.isin(faces.rows[held], known)]
    has = [np.isin(faces.rows[held], given.rows) for given in subject.given.values()]
    return held if np.all(has) else held[:0]


def _trained(
    subject: Subject, faces: FaceSet, division: Split | None, own: Split | None, given: bool
) -> tuple[np.ndarray, str]:
    """Row ids trained on, and what they are. Of a model that tells nothing, the set's training rows are looked at."""
    if own is not None and "train" in own.parts:
        rows = np.unique(own.parts["train"])
        return rows, f"the {len(rows):,} faces of its training part"
    if division is None or "train" not in division.parts:
        return np.empty(0, np.int32), ""
    rows = np.unique(division.parts["train"])
    if not given:  # with those that the split left out for being copies
        usage = faces.usage[faces.positions(rows[:1])[0]]
        rows = np.unique(faces.rows[faces.usage == usage])
    whose = "of the split that was named" if given else "of the set"
    training = None if subject.card is None else subject.card.training
    unknown = "what it was trained on is not known"
    if training is not None and training.sha256 != faces.provenance.sha256:
        unknown = f"it was trained on another file, {training.data}, which may hold some of the same"
    return rows, f"the {len(rows):,} training faces {whose}; {unknown}"


def _warnings(
    subject: Subject,
    faces: FaceSet,
    division: Split | None,
    part: str,
    at: np.ndarray,
    trained: np.ndarray,
    own: Split | None,
) -> list[str]:
    found = []
    shared = int(np.isin(faces.rows[at], trained).sum())
    if shared:
        which = "training faces" if own is None else "among those it was trained on"
        found.append(
            f"{shared:,} of the {len(at):,} faces of {part} are {which}: this is no measure of how it does on new faces"
        )
    chosen_on = {} if own is None else {"validation": own.parts.get("validation", np.empty(0, np.int32))}
    if part == "validation" or any(np.isin(faces.rows[at], rows).any() for rows in chosen_on.values()):
        found.append(
            "validation was used for choosing: epochs, settings and thresholds. Scores on faces of it are too good"
        )
    card = subject.card
    if card is not None and card.training.sha256 == faces.provenance.sha256 and own is None:
        found.append(
            "it was trained on this very data set, by a split that its card does not tell: it may know these faces. "
            "Name that split with --split FILE"
        )
    if division is not None and division.leaked:
        found.append(f"the split is leaked ({division.leaked}): scores made with it are worth nothing")
    return found
