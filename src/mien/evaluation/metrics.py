"""Every score of a set of answers, with 95% intervals.

Each number is written for weighted faces: with weights of one it is the score itself, with the weights of a resample it
is a draw of its bootstrap. Definitions are those of scikit-learn, which is not needed here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mien.errors import DataError
from mien.evaluation.calibration import binned_gaps
from mien.evaluation.intervals import distance_estimate, estimate, face_order, resampled_share, weights
from mien.evaluation.measures import METRICS, ClassScores, Estimate, Scores

_SHARES = ("accuracy", "weighted_recall", "top2_accuracy")  # of right answers among all: whole faces over n


def scores(
    labels: np.ndarray, probabilities: np.ndarray, names: Sequence[str], draws: int = 2000, seed: int = 0
) -> Scores:
    """All scores of one set of answers.

    The answer is the class of largest probability, the first of those where several tie. Top-2 accuracy counts a face
    where under two classes come before the right one: those of larger probability, and those of the same that stand
    before it. Macro precision, recall and F1 are means over the classes that occur in truth or answers, an undefined
    one counting 0; balanced accuracy, macro average precision and macro ROC AUC are over the classes with faces (the
    last with others too). Cohen's kappa is not defined where truth and answers are one and the same class throughout.
    The micro ROC AUC is over all pairs of face and class. Log loss takes a probability under 2.2e-16 as that.
    Average precision is the sum of precision times step of recall over the distinct probabilities.

    Intervals are percentile bootstrap over faces, but Wilson's for shares that it has no width for
    (``resampled_share``), and one of its own for the calibration error (``distance_estimate``). A recall is about the
    faces of the class (the ``n`` of its estimate), a precision about those said to be of it, an F1 about those that are
    or are said to be; all else is about all faces. The order of the faces changes nothing.

    Args:
        labels: (N,) label indices, 0 to K - 1.
        probabilities: (N, K), rows sum to 1.
        names: The classes (K).
        draws: Bootstrap resamples.
        seed: Their seed.

    Raises:
        DataError: There are no faces, or arrays do not fit each other.
    """
    faces = _prepared(*_checked(labels, probabilities, len(names)))
    value = _measured(faces, np.ones((1, faces.n)))
    chunks = [_measured(faces, chunk) for chunk in weights(faces.n, draws, seed)]
    drawn = {name: np.concatenate([v[:0], *(chunk[name] for chunk in chunks)]) for name, v in value.items()}
    table = _confusion(faces, np.ones((1, faces.n)))[0].astype(np.int64)
    return Scores(
        list(names),
        faces.n,
        table.tolist(),
        {name: _headline(name, value, drawn, faces.n) for name in METRICS},
        [_class_scores(k, name, table, value, drawn) for k, name in enumerate(names)],
        baselines(table.sum(axis=1)),
    )


def counted(labels: np.ndarray, answers: np.ndarray, k: int, draws: int = 2000, seed: int = 0) -> dict[str, Estimate]:
    """Headline numbers for which answers are enough: accuracy to Cohen's kappa, without top-2; much cheaper.

    Args:
        labels: (N,) label indices, 0 to k - 1.
        answers: (N,) what was said, the same.
        k: Number of classes.
        draws: Bootstrap resamples.
        seed: Their seed.
    """
    value = from_confusion(confusion(labels, answers, k)[None])
    drawn = from_confusion(resampled_confusion(labels, answers, k, draws, seed))
    return {name: _headline(name, value, drawn, len(labels)) for name in METRICS if name in value}


def confusion(labels: np.ndarray, answers: np.ndarray, k: int) -> np.ndarray:
    """(k, k) int64 faces; a row is what a face is, a column what was said."""
    return np.bincount(labels.astype(np.int64) * k + answers, minlength=k * k).reshape(k, k)


def resampled_confusion(labels: np.ndarray, answers: np.ndarray, k: int, draws: int, seed: int) -> np.ndarray:
    """(draws, k, k) confusion matrices of bootstrap resamples; the order of the faces changes nothing."""
    cells = np.sort(labels.astype(np.int64) * k + answers)
    drawn = [by_cell(chunk, cells, k * k) for chunk in weights(len(cells), draws, seed)]
    return np.concatenate([np.empty((0, k * k), np.int64), *drawn]).reshape(-1, k, k)


def from_confusion(tables: np.ndarray) -> dict[str, np.ndarray]:
    """The scores that confusion matrices tell.

    Args:
        tables: (D, K, K) faces, which may be weighted; a row is what a face is, a column what was said.

    Returns:
        By their names in ``METRICS`` (D,), and each class's ``precision``, ``recall`` and ``f1`` (D, K); nan where not
        defined.
    """
    tables = tables.astype(np.float64)
    right = np.diagonal(tables, axis1=1, axis2=2)
    support, answered = tables.sum(axis=2), tables.sum(axis=1)
    n = support.sum(axis=1)
    found = {
        "precision": _ratio(right, answered),
        "recall": _ratio(right, support),
        "f1": _ratio(2 * right, support + answered),
    }
    accuracy = _ratio(right.sum(axis=1), n)
    by_chance = (support * answered).sum(axis=1)
    macro = {f"macro_{name}": mean_over(np.nan_to_num(v), support + answered > 0) for name, v in found.items()}
    weighted = {f"weighted_{name}": _ratio((np.nan_to_num(v) * support).sum(axis=1), n) for name, v in found.items()}
    return {
        "accuracy": accuracy,
        "balanced_accuracy": mean_over(found["recall"], support > 0),
        **macro,
        **weighted,
        "kappa": _ratio(n * right.sum(axis=1) - by_chance, n**2 - by_chance),
        **found,
    }


def mean_over(values: np.ndarray, which: np.ndarray) -> np.ndarray:
    """Mean of some of the columns.

    Args:
        values: (D, K).
        which: (D, K) bool, the columns that count in each row.

    Returns:
        (D,); nan where no column counts.
    """
    return _ratio(np.where(which, values, 0).sum(axis=1), which.sum(axis=1))


def baselines(support: np.ndarray) -> dict[str, dict[str, float]]:
    """What knows nothing of the face would score, in closed form; a number without one is left out.

    ``majority class`` always says the commonest class, with the next commonest as second guess. ``prior guessing``
    draws each answer by the class shares p, blindly, and its second guess by those of the other classes: accuracy is
    Σp², recall and precision of a class are its p (so are macro and weighted means of it: expected precision and F1 are
    those of many faces). Its log loss is that of giving p as the probabilities. Shares are those of the faces scored.

    Args:
        support: (K,) faces per class, not all 0.
    """
    shares = np.sort(support[support > 0] / support.sum())[::-1]
    k, top, squares = len(shares), shares[0], (shares**2).sum()
    # The second guess j after i: p_i p_j / (1 - p_i).
    after = shares / (1 - shares) if k > 1 else np.zeros(1)
    blind = {"balanced_accuracy": 1 / k, "macro_recall": 1 / k, "average_precision_macro": 1 / k}
    blind |= {"kappa": 0.0, "roc_auc_macro": 0.5} if k > 1 else {}
    majority = blind | {
        "accuracy": top,
        "macro_precision": top / k,
        "macro_f1": 2 * top / (1 + top) / k,
        "weighted_precision": top**2,
        "weighted_recall": top,
        "weighted_f1": 2 * top**2 / (1 + top),
        "top2_accuracy": shares[:2].sum(),
    }
    guessing = blind | {
        **dict.fromkeys(("accuracy", "weighted_precision", "weighted_recall", "weighted_f1"), squares),
        **dict.fromkeys(("macro_precision", "macro_f1"), 1 / k),
        "top2_accuracy": squares + (shares**2 * (after.sum() - after)).sum(),
        "log_loss": -(shares * np.log(shares)).sum(),
    }
    known = {"majority class": majority, "prior guessing": guessing}
    return {who: {name: float(found[name]) for name in METRICS if name in found} for who, found in known.items()}


@dataclass(frozen=True)
class _Ranking:
    """Faces of a class, and the others, each by rising probability of it; P and Q of them.

    Attributes:
        positive: (P,) faces of the class.
        negative: (Q,) the others.
        under: (P,) how many of the others have a smaller probability than a face of the class.
        upto: (P,) the same or a smaller one.
        before: (P,) how many of the class have a smaller one.
    """

    positive: np.ndarray
    negative: np.ndarray
    under: np.ndarray
    upto: np.ndarray
    before: np.ndarray


@dataclass(frozen=True)
class _Faces:
    """The faces in an order that does not depend on the one they came in, and what is measured of each.

    Attributes:
        n: Faces.
        k: Classes.
        cells: (N,) cell of the confusion matrix, row by row; rising.
        top2: (N,) 1 where the right class is among the first two.
        loss: (N,) nats.
        gaps: (N, bins) confidence less whether it is right, in the bin of the confidence.
        rankings: For each class, and for all pairs of face and class.
    """

    n: int
    k: int
    cells: np.ndarray
    top2: np.ndarray
    loss: np.ndarray
    gaps: np.ndarray
    rankings: list[_Ranking]


def _checked(labels: np.ndarray, probabilities: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    labels, probabilities = np.asarray(labels), np.asarray(probabilities, dtype=np.float64)
    if probabilities.shape != (len(labels), k):
        raise DataError(f"probabilities are {probabilities.shape}", f"({len(labels)}, {k}): a row per label")
    if not len(labels):
        raise DataError("no faces to score", "at least one face with a label")
    if labels.min() < 0 or labels.max() >= k:
        raise DataError(f"labels from {labels.min()} to {labels.max()}", f"0 to {k - 1}")
    if not np.isfinite(probabilities).all():
        raise DataError("probabilities that are not finite", "numbers from 0 to 1")
    return labels.astype(np.int64), probabilities


def _prepared(labels: np.ndarray, probabilities: np.ndarray) -> _Faces:
    order = face_order(labels, probabilities)
    labels, probabilities = labels[order], probabilities[order]
    n, k = probabilities.shape
    answers = probabilities.argmax(axis=1)
    of_truth = probabilities[np.arange(n), labels]
    ahead = (probabilities > of_truth[:, None]).sum(axis=1)
    ahead += ((probabilities == of_truth[:, None]) & (np.arange(k) < labels[:, None])).sum(axis=1)
    own = labels[:, None] == np.arange(k)
    rankings = [_ranking(probabilities[:, c], own[:, c], np.arange(n)) for c in range(k)]
    rankings.append(_ranking(probabilities.ravel(), own.ravel(), np.arange(n).repeat(k)))
    return _Faces(
        n=n,
        k=k,
        cells=labels * k + answers,
        top2=(ahead < 2).astype(np.float64),
        loss=-np.log(np.clip(of_truth, np.finfo(np.float64).eps, 1)),
        gaps=binned_gaps(probabilities, labels),
        rankings=rankings,
    )


def _ranking(probability: np.ndarray, own: np.ndarray, faces: np.ndarray) -> _Ranking:
    order = np.argsort(probability, kind="stable")
    positive, negative = order[own[order]], order[~own[order]]
    of_class, of_others = probability[positive], probability[negative]
    return _Ranking(
        faces[positive],
        faces[negative],
        np.searchsorted(of_others, of_class, "left"),
        np.searchsorted(of_others, of_class, "right"),
        np.searchsorted(of_class, of_class, "left"),
    )


def _measured(faces: _Faces, weight: np.ndarray) -> dict[str, np.ndarray]:
    """All numbers, for (D, N) weights: (D,), those of classes (D, K), and the gaps of the calibration error."""
    weight = weight.astype(np.float64)
    areas = [_areas(ranking, weight) for ranking in faces.rankings]
    auc, precision = np.stack(areas[:-1], axis=2)  # (D, K) each
    found = from_confusion(_confusion(faces, weight)) | {"roc_auc": auc, "average_precision": precision}
    return found | {
        "top2_accuracy": weight @ faces.top2 / faces.n,
        "roc_auc_macro": mean_over(auc, np.isfinite(auc)),
        "roc_auc_micro": areas[-1][0],
        "average_precision_macro": mean_over(precision, np.isfinite(precision)),
        "log_loss": weight @ faces.loss / faces.n,
        "calibration_error": _gaps(faces, weight),
    }


def _areas(ranking: _Ranking, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """ROC AUC (D,), as the share of pairs in the right order, ties half (Hanley & McNeil 1982); average precision (D,).

    nan where the class has no faces; the first also where there are no others.
    """
    own = weight[:, ranking.positive]
    mine, others = _running(own), _running(weight[:, ranking.negative])
    under, all_mine, all_others = others[:, ranking.under], mine[:, -1:], others[:, -1:]
    pairs = (own * (under + others[:, ranking.upto])).sum(axis=1) / 2
    # Of the faces of at least this probability, those of the class and those that are not.
    hits, misses = all_mine - mine[:, ranking.before], all_others - under
    precision = np.nan_to_num(_ratio(hits, hits + misses))  # without any, the face itself has no weight
    return _ratio(pairs, (all_mine * all_others)[:, 0]), _ratio((own * precision).sum(axis=1), all_mine[:, 0])


def _running(weight: np.ndarray) -> np.ndarray:
    """(D, M) → (D, M + 1) sum of the first 0 to M columns."""
    total = np.zeros((len(weight), weight.shape[1] + 1))
    np.cumsum(weight, axis=1, out=total[:, 1:])
    return total


def _confusion(faces: _Faces, weight: np.ndarray) -> np.ndarray:
    """(D, N) weights → (D, K, K) weighted faces."""
    return by_cell(weight, faces.cells, faces.k**2).reshape(-1, faces.k, faces.k)


def by_cell(weight: np.ndarray, cells: np.ndarray, size: int) -> np.ndarray:
    """Sums of weights over faces of the same cell of a table.

    Args:
        weight: (D, N).
        cells: (N,) 0 to size - 1, rising.
        size: Cells of the table.

    Returns:
        (D, size), of the type of the weights.
    """
    present, starts = np.unique(cells, return_index=True)
    total = np.zeros((len(weight), size), weight.dtype)
    if len(present):
        total[:, present] = np.add.reduceat(weight, starts, axis=1)
    return total


def _gaps(faces: _Faces, weight: np.ndarray) -> np.ndarray:
    """(D, bins) summed confidence less what was right, over all faces: their absolute values sum to the error."""
    return np.asarray(weight @ faces.gaps / faces.n)


def _ratio(over: np.ndarray, under: np.ndarray) -> np.ndarray:
    """Quotient; nan where the divisor is 0."""
    return np.asarray(np.divide(over, under, out=np.full(np.shape(over), np.nan), where=under != 0))


def _headline(name: str, value: dict[str, np.ndarray], drawn: dict[str, np.ndarray], n: int) -> Estimate:
    if name == "calibration_error":
        return distance_estimate(value[name][0], drawn[name], n)
    if name in _SHARES:
        return resampled_share(round(float(value[name][0]) * n), n, drawn[name])
    return estimate(float(value[name][0]), drawn[name], n)


def _class_scores(
    k: int, label: str, table: np.ndarray, value: dict[str, np.ndarray], drawn: dict[str, np.ndarray]
) -> ClassScores:
    right, support, answered = int(table[k, k]), int(table[k].sum()), int(table[:, k].sum())
    every = int(table.sum())

    def of(name: str, n: int) -> Estimate:
        return estimate(float(value[name][0, k]), drawn[name][:, k], n)

    return ClassScores(
        label=label,
        support=support,
        answered=answered,
        precision=resampled_share(right, answered, drawn["precision"][:, k]),
        recall=resampled_share(right, support, drawn["recall"][:, k]),
        f1=of("f1", support + answered - right),
        roc_auc=of("roc_auc", every),
        average_precision=of("average_precision", every),
    )
