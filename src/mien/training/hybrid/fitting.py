"""Features of a network → a classifier, its setting chosen by cross-validation and its probabilities calibrated."""

from __future__ import annotations

import hashlib
import queue
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.pipeline import Pipeline

from mien.bundle import Bundle
from mien.data import FaceSet, Split
from mien.errors import BundleError, DataError
from mien.recipe import HeadSection
from mien.training.hybrid import tuning
from mien.training.hybrid.heads import Library, Setting, first, library, phrase, pipeline, stopped
from mien.training.hybrid.tuning import Candidate, Estimate, Progress, Report, Rows

_BATCH = 128
# Rows of the split that are not looked at: FER2013's last test set is left alone until a model is final.
_NOT_SCORED = ("train", "private_test")


@dataclass(frozen=True)
class Part:
    """Faces that are scored.

    Attributes:
        at: (n,) positions in the set.
        labels: (n,) int64.
        features: (n, F) float32.
    """

    at: np.ndarray
    labels: np.ndarray
    features: np.ndarray


@dataclass(frozen=True)
class Fitted:
    """A fitted hybrid.

    Attributes:
        network: Bundle whose features it takes.
        faces: The set it was fitted on; its vocabulary is the hybrid's.
        split: Its parts.
        section: The head as asked for.
        seed: Of the draw of rows, the candidates and the folds.
        rows: What it was fitted on.
        raw: (N, F) float32, the features of ``rows`` as the network gave them.
        setting: Parameters of the classifier.
        search: The candidates, the best first; empty where nothing was searched.
        pipeline: Fitted steps ``scaler`` and ``head``, on (n, F) float64 features. Its classes are the label indices.
        scored: Part → faces that it is scored on, ``validation`` among them.
        decides: Share of the validation faces for which the SVM's own decision, by votes and without probabilities, is
            right; None for another head.
        notes: What a reader should know, a sentence each.
        library: Whose classifiers, with the version.
        seconds: Time of search and fit.
    """

    network: Bundle
    faces: FaceSet
    split: Split
    section: HeadSection
    seed: int
    rows: Rows
    raw: np.ndarray
    setting: Setting
    search: tuple[Candidate, ...]
    pipeline: Pipeline
    scored: dict[str, Part]
    decides: float | None
    notes: tuple[str, ...]
    library: str
    seconds: float

    def phrase(self) -> str:
        """The classifier and its setting, in words."""
        return phrase(self.section.kind, self.setting)


def fit(
    network: Path,
    faces: FaceSet,
    split: Split,
    section: HeadSection,
    seed: int = 0,
    report: Report | None = None,
    intelex: bool = True,
) -> Fitted:
    """Fit a classifier on the features of a network.

    Probabilities of the SVM are Platt's (1999), a sigmoid for each class against the rest, fitted on cross-validated
    decisions; one SVM, fitted on all rows, makes the decisions. A split's class weights are weights of the rows, in the
    sigmoids too, so that both see the same classes.

    Args:
        network: Folder of a bundle with the output ``features``.
        faces: Faces of the network's size, in any vocabulary.
        split: With the parts ``train``, whose repeated rows count as often as they are there, and ``validation``.
        section: Which classifier, and what to search over.
        seed: Of the draw of rows, the candidates and the folds.
        report: Called with the progress, in the caller's thread; what it raises ends the work.
        intelex: Use scikit-learn-intelex where it is installed.

    Raises:
        BundleError: No bundle, or one without features.
        DataError: The faces are not of the network's size, the split is of another set or lacks a part, a class has no
            training row or too few, or there are more neighbours than rows.
    """
    bundle, own = _checked(network, faces, split), library(intelex)
    parts = {p: faces.positions(np.unique(rows)) for p, rows in split.parts.items() if p not in _NOT_SCORED}
    rows, raw, others = _rows(bundle, faces, split, section, seed, parts, report)
    began = time.perf_counter()
    if report is not None:
        about = tuning.estimate(rows, section, seed, own)
        report(Progress("search" if section.candidates else "fit", 0, max(about.candidates * section.folds, 1), about))
    search = tuning.search(rows, section, seed, own, report) if section.candidates else ()
    setting = search[0].setting if search else first(section)
    fitted = _last_fit(rows, section, setting, seed, own, report)
    scored = {
        part: Part(at, faces.labels[at].astype(np.int64), values)
        for (part, at), values in zip(parts.items(), others, strict=True)
    }
    return Fitted(
        bundle,
        faces,
        split,
        section,
        seed,
        rows,
        raw,
        setting,
        search,
        fitted,
        scored,
        _decides(fitted, scored["validation"]),
        tuple(_notes(fitted, section, setting, search, split, own)),
        own.name,
        time.perf_counter() - began,
    )


def estimate(
    network: Path,
    faces: FaceSet,
    split: Split,
    section: HeadSection,
    seed: int = 0,
    report: Report | None = None,
    intelex: bool = True,
) -> Estimate:
    """How long ``fit`` would take, without the features; same arguments, same errors."""
    bundle = _checked(network, faces, split)
    rows, _, _ = _rows(bundle, faces, split, section, seed, {}, report)
    if section.kind == "svm" or section.candidates:
        tuning.folds(rows, section.folds, seed)  # what is wrong with them is told now
    return tuning.estimate(rows, section, seed, library(intelex))


def _checked(network: Path, faces: FaceSet, split: Split) -> Bundle:
    bundle = Bundle(network)
    size = bundle.card.input.size
    if "features" not in bundle.card.outputs:
        raise BundleError(
            f"{bundle.card.name} gives {', '.join(bundle.card.outputs)}", "a model with the output features"
        )
    if faces.size != size:
        raise DataError(
            f"{faces.provenance.source} holds faces of {faces.size}×{faces.size}",
            f"{size}×{size}, as {bundle.card.name} takes them",
            f"Import the source again with: mien data import SOURCE STORE --size {size}",
        )
    split.check(faces)
    for part in ("train", "validation"):
        if part not in split.parts:
            raise DataError(
                f"the split {split.name!r} has the parts {', '.join(split.parts)}",
                f"a part {part}",
                "Draw one with: mien data split STORE",
            )
    return bundle


def _rows(
    bundle: Bundle,
    faces: FaceSet,
    split: Split,
    section: HeadSection,
    seed: int,
    parts: dict[str, np.ndarray],
    report: Report | None,
) -> tuple[Rows, np.ndarray, list[np.ndarray]]:
    """Training rows, their features as float32, and the features of the other parts."""
    train = faces.positions(split.parts["train"])
    labels = faces.labels[train].astype(np.int64)
    names = faces.vocabulary.labels
    absent = [name for name, n in zip(names, np.bincount(labels, minlength=len(names)), strict=True) if not n]
    if absent:
        raise DataError(
            f"{faces.provenance.source}: the training part has no face of {', '.join(absent)}",
            f"at least one of each class of {faces.vocabulary.name}",
            "Draw another split (mien data split), or map the labels to a vocabulary without it (mien data maps).",
        )
    if section.rows is not None:
        kept = tuning.subset(labels, section.rows, seed)
        train, labels = train[kept], labels[kept]
    most = max(section.neighbours)
    fitted_on = len(train) - (-(-len(train) // section.folds) if section.candidates else 0)
    if section.kind == "knn" and most > fitted_on:
        raise DataError(f"{most} neighbours", f"at most the {fitted_on:,} rows that a fit has")
    values, group = _features(bundle, faces, [train, *parts.values()], report)
    weights = None if section.kind == "knn" else _weights(split, names, labels)
    rows = Rows(values[0].astype(np.float64), labels, group[0], weights, names)
    return rows, values[0], values[1:]


def _features(
    bundle: Bundle, faces: FaceSet, wanted: Sequence[np.ndarray], report: Report | None
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Features (n, F) float32 and identity (n,) int64 of each face, for each list of positions; a face is scored once.

    Equal identities mean equal pixels: 8 bytes of their hash.
    """
    at, place = np.unique(np.concatenate(wanted), return_inverse=True)
    chunks, identity = [], []
    for i in range(0, len(at), _BATCH):
        batch = np.ascontiguousarray(faces.faces[at[i : i + _BATCH]])
        chunks.append(bundle.score(batch, ["features"])["features"])
        identity += [hashlib.blake2b(face.tobytes(), digest_size=8).digest() for face in batch]
        if report is not None:
            report(Progress("features", min(i + _BATCH, len(at)), len(at)))
    values = np.concatenate(chunks).reshape(len(at), -1).astype(np.float32, copy=False)
    if not np.isfinite(values).all():
        raise BundleError(f"{bundle.card.name} gives features that are not finite", "numbers", "Train it again.")
    group = np.frombuffer(b"".join(identity), np.int64)
    ends = np.cumsum([len(w) for w in wanted])[:-1]
    return [values[p] for p in np.split(place, ends)], [group[p] for p in np.split(place, ends)]


def _weights(split: Split, names: Sequence[str], labels: np.ndarray) -> np.ndarray | None:
    """Weight of each row, where the split weighs its classes or draws them alike often."""
    if split.balance == "weights":
        return np.asarray(np.array([split.class_weights[name] for name in names])[labels])
    if split.balance == "sampler":
        return np.asarray((len(labels) / (len(names) * np.bincount(labels, minlength=len(names))))[labels])
    return None


def _last_fit(
    rows: Rows, section: HeadSection, setting: Setting, seed: int, own: Library, report: Report | None
) -> Pipeline:
    """The classifier on all rows."""
    fitted = pipeline(section, setting, own)
    if section.kind == "svm":
        # One SVM and not one a fold, as SVC(probability=True) had it: a fifth of the size, and the same answers as its
        # search. Platt's sigmoid and not one temperature: of two parameters a class, one moves the decision, which
        # matters where classes are of unequal size.
        parts = tuning.folds(rows, section.folds, seed)
        fitted.set_params(head=CalibratedClassifierCV(fitted["head"], method="sigmoid", cv=parts, ensemble=False))
    weights = {} if rows.weights is None else {"head__sample_weight": rows.weights}
    ticks: queue.SimpleQueue[bool] = queue.SimpleQueue()

    def run() -> None:
        tuning.at_once(own, lambda: fitted.fit(rows.features, rows.labels, **weights))
        ticks.put(True)

    def told(done: int) -> None:
        if report is not None:
            report(Progress("fit", done, 1))

    if report is not None:
        report(Progress("fit", 0, 1))
    tuning.watched(run, ticks, threading.Event(), told)
    return fitted


def classifier_of(fitted: Pipeline) -> object:
    """The classifier inside the pipeline, without what calibrates it."""
    head = fitted["head"]
    return head.calibrated_classifiers_[0].estimator if isinstance(head, CalibratedClassifierCV) else head


def _decides(fitted: Pipeline, validation: Part) -> float | None:
    if not isinstance(fitted["head"], CalibratedClassifierCV):
        return None
    scaled = fitted["scaler"].transform(validation.features.astype(np.float64))
    return float((classifier_of(fitted).predict(scaled) == validation.labels).mean())  # type: ignore[attr-defined]


def _notes(
    fitted: Pipeline,
    section: HeadSection,
    setting: Setting,
    search: tuple[Candidate, ...],
    split: Split,
    own: Library,
) -> list[str]:
    """What a reader should know, a sentence each."""
    notes = [f"{own.note}."] if own.note else []
    if stopped(classifier_of(fitted)):
        notes.append(
            f"The fit stopped at its bound of {section.iterations:,} iterations, before it converged: "
            f"{phrase(section.kind, setting)}."
        )
    cut = sum(c.stopped for c in search)
    if cut:
        notes.append(
            f"{cut} of the {len(search) * section.folds} fits of the search stopped at the bound of "
            f"{section.iterations:,} iterations."
        )
    if section.kind == "knn" and split.balance in ("weights", "sampler"):
        notes.append("The split weighs its classes, which k nearest neighbours cannot: all rows count alike.")
    return notes
