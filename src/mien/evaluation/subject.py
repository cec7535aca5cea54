"""What is evaluated: a run, a bundle, a predictions file or a rival, all of which give probabilities by row id."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from mien import bundle
from mien.bundle import Bundle
from mien.card import Card
from mien.data import FaceSet
from mien.errors import BundleError, DataError
from mien.evaluation.document import ModelFacts
from mien.evaluation.files import read_predictions
from mien.evaluation.measures import SINGLE
from mien.evaluation.rival import Rival
from mien.evaluation.scores import Predictions
from mien.evaluation.views import VIEWS
from mien.expressions import MAPS, Vocabulary, VocabularyMap, find_map
from mien.faces import whole
from mien.files import sha256

Progress = Callable[[str, float], None]
_CHUNK = 256
_UNKNOWN_TRAINING = (
    "what it was trained on is not known: it may know the faces that it is evaluated on, or those that temperature "
    "and thresholds are fitted on"
)


@dataclass(frozen=True)
class Subject:
    """A model, as far as an evaluation needs it.

    Attributes:
        facts: What the evaluation says of it.
        vocabularies: What it answers in, the primary one first.
        size: Side of the faces that it takes, pixels; None for a predictions file, and for a rival, which resizes them
            itself.
        score: (n, s, s) uint8 gray faces, of ``size`` if there is one → by name of the vocabulary, (n, labels)
            probabilities; None for a predictions file.
        given: Predictions by name of the vocabulary; empty but for a predictions file.
        bundle: For features and evidence; None for a rival or a predictions file.
        run: The run folder; None where it is none.
    """

    facts: ModelFacts
    vocabularies: tuple[Vocabulary, ...]
    size: int | None = None
    score: Callable[[np.ndarray], dict[str, np.ndarray]] | None = None
    given: dict[str, Predictions] = field(default_factory=dict)
    bundle: Bundle | None = None
    run: Path | None = None

    @property
    def card(self) -> Card | None:
        """The card of a run's model or of a bundle."""
        return None if self.bundle is None else self.bundle.card

    def predict(
        self, faces: FaceSet, positions: np.ndarray, view: str = SINGLE, progress: Progress | None = None
    ) -> list[Predictions]:
        """Probabilities for some faces of a set, one ``Predictions`` for each vocabulary.

        Args:
            faces: The set; faces of another size are brought to the model's by ``mien.faces.whole``.
            positions: (n,) positions, not row ids.
            view: Of ``views.VIEWS``; their probabilities are averaged.
            progress: Called with what is being done and the share of it that is done.

        Raises:
            DataError: A predictions file lacks a face, or another view than the single one is asked of it.
        """
        rows = faces.rows[positions]
        if self.score is None:
            if view != SINGLE:
                raise DataError(
                    f"the view {view!r} of a predictions file", "a model", "It holds the answers to one view only."
                )
            return [self._given(v, rows) for v in self.vocabularies]
        found: dict[str, list[np.ndarray]] = {v.name: [] for v in self.vocabularies}
        for at in range(0, len(positions), _CHUNK):
            answers = self.answers(np.ascontiguousarray(faces.faces[positions[at : at + _CHUNK]]), view)
            for name, parts in found.items():
                parts.append(answers[name])
            if progress is not None:
                progress("scoring" if view == SINGLE else f"scoring, {view}", (at + _CHUNK) / len(positions))
        return [Predictions(v, rows, np.concatenate(found[v.name])) for v in self.vocabularies]

    def _given(self, vocabulary: Vocabulary, rows: np.ndarray) -> Predictions:
        given = self.given[vocabulary.name]
        missing = np.setdiff1d(rows, given.rows)
        if len(missing):
            raise DataError(
                f"{self.facts.source} lacks {len(missing):,} of {len(rows):,} faces, such as row {missing[0]}",
                "a prediction for each face of the part",
                "Predict those too, or name the part that was predicted with --part.",
            )
        return given.take(rows)

    def answers(self, faces: np.ndarray, view: str = SINGLE) -> dict[str, np.ndarray]:
        """(n, s, s) uint8 gray faces → by name of the vocabulary, (n, labels) float64 probabilities."""
        assert self.score is not None
        looks = [self.score(self.fitted(looked)) for looked in VIEWS[view](faces)]
        return {k: np.mean([np.asarray(look[k], np.float64) for look in looks], axis=0) for k in looks[0]}

    def fitted(self, faces: np.ndarray) -> np.ndarray:
        """(n, s, s) uint8 gray faces in the model's own size."""
        if self.size is None or faces.shape[1] == self.size:
            return faces
        return np.stack([whole(face, self.size) for face in faces])


def open_subject(model: str, faces: FaceSet | None = None, threads: int = 0) -> Subject:
    """Open what is to be evaluated.

    Args:
        model: A run folder, a predictions file (.csv), the description of a rival (.toml), an installed model, or the
            folder of a bundle.
        faces: The data set, which predictions must belong to; needed for a predictions file.
        threads: Threads of ONNX Runtime; 0 lets it choose.

    Raises:
        BundleError: No such model, or it is damaged; a run without a bundle.
        DataError: The predictions file is damaged, or of another data set.
    """
    path = Path(model)
    if (path / "recipe.toml").is_file():
        if not (path / "bundle" / "card.json").is_file():
            raise BundleError(f"{path} has no bundle", "a finished run", f"Finish it with: mien train --resume {path}")
        found = _of_bundle(path / "bundle", threads)
        return replace(found, run=path, facts=replace(found.facts, kind="run", source=path.resolve().name))
    if path.suffix.lower() == ".csv":
        assert faces is not None
        return _of_file(path, faces)
    if path.suffix.lower() == ".toml":
        return _of_rival(path)
    return _of_bundle(bundle.find(model), threads)


def _of_bundle(folder: Path, threads: int) -> Subject:
    opened = Bundle(folder, threads)
    card, training = opened.card, opened.card.training
    vocabularies = tuple(Vocabulary(name, tuple(labels)) for name, labels in card.vocabularies.items())
    names = [f"{v.name}_probabilities" for v in vocabularies]

    def score(batch: np.ndarray) -> dict[str, np.ndarray]:
        answers = opened.score(batch, names)
        return {v.name: answers[name] for v, name in zip(vocabularies, names, strict=True)}

    about = {
        "data": training.data,
        "sha256": training.sha256,
        "faces": f"{training.n:,}",
        "split": training.split,
        "epochs": str(training.epochs),
        "seed": str(training.seed),
        "hardware": training.hardware,
        "seconds": f"{training.seconds:.0f}",
        "commit": training.commit,
    }
    facts = ModelFacts(
        card.name,
        "bundle",
        folder.resolve().name,
        card.sha256,
        card.description,
        card.parameters,
        training.recipe,
        {k: v for k, v in about.items() if v},
        training.caveats(),
        {"size on disk": f"{(folder / 'model.onnx').stat().st_size / 1e6:.1f} MB"},
    )
    return Subject(facts, vocabularies, card.input.size, score, bundle=opened)


def _of_file(path: Path, faces: FaceSet) -> Subject:
    given = read_predictions(path, faces.vocabulary, faces.provenance.sha256)
    strange = np.setdiff1d(next(iter(given.values())).rows, faces.rows)
    if len(strange):
        raise DataError(
            f"{path}: {len(strange):,} rows that {faces.provenance.source} does not have, such as row {strange[0]}",
            "row ids of the data set",
            "Name the data set that was predicted.",
        )
    facts = ModelFacts(path.stem, "predictions", path.name, sha256(path), "", None, caveats=[_UNKNOWN_TRAINING])
    return Subject(facts, tuple(p.vocabulary for p in given.values()), given=given)


def _of_rival(path: Path) -> Subject:
    rival = Rival.load(path)
    facts = ModelFacts(
        rival.name,
        "rival",
        path.name,
        rival.sha256,
        rival.description,
        rival.parameters,
        caveats=[_UNKNOWN_TRAINING, *rival.caveats],
    )

    def score(batch: np.ndarray) -> dict[str, np.ndarray]:
        return {rival.vocabulary.name: rival.score(batch)}

    return Subject(facts, (rival.vocabulary,), score=score)


def answering(predictions: Sequence[Predictions], asked: Vocabulary) -> tuple[Predictions, str] | None:
    """The predictions in a vocabulary: the model's own, or else through a map that ships with mien.

    Returns:
        The predictions and the map's name, empty where none was needed; None where there is no way.
    """
    for given in predictions:
        if given.vocabulary.labels == asked.labels:
            return given, ""
        if set(given.vocabulary.labels) == set(asked.labels):
            order = [given.vocabulary.index(label) for label in asked.labels]
            return Predictions(asked, given.rows, given.probabilities[:, order]), ""
    for given in predictions:
        for mapping in _maps():
            if mapping.source.labels == given.vocabulary.labels and mapping.target.labels == asked.labels:
                return given.mapped(mapping), mapping.name
    return None


def _maps() -> list[VocabularyMap]:
    return [find_map(name) for name in MAPS]
