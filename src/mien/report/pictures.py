"""Every picture of an evaluation, drawn from its numbers into its folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mien.evaluation import curves
from mien.evaluation.document import PICTURES, Evaluation
from mien.evaluation.embedding import fitting_perplexity, tsne
from mien.evaluation.evaluate import Evaluated
from mien.evaluation.measures import Certainty, Estimate, Scores
from mien.evaluation.protocols import Truth
from mien.evaluation.robustness import CORRUPTIONS, STRENGTHS, samples
from mien.evaluation.scores import Predictions
from mien.plots import bars, confusion, discrimination, embedding, groups, mistakes, reliability
from mien.plots import robustness as disturbed
from mien.report.numbers import count, number, said
from mien.results import Explanation

_SHOWN = 24  # mistakes
_CHUNK = 256


@dataclass(frozen=True)
class _Sitter:
    """What every picture of the primary protocol is drawn from.

    Attributes:
        done: The evaluation and what it was made from.
        truth: The right answers.
        answers: The predictions, of the same rows.
        at: (N,) bool, which of them are counted.
        title: Model and data.
        alarm: What spoils every number; empty where nothing does.
    """

    done: Evaluated
    truth: Truth
    answers: Predictions
    at: np.ndarray
    title: str
    alarm: str

    @property
    def evaluation(self) -> Evaluation:
        return self.done.evaluation

    @property
    def labels(self) -> np.ndarray:
        """(n,) right answers of the faces that are counted."""
        return np.asarray(self.truth.labels[self.at])

    @property
    def probabilities(self) -> np.ndarray:
        """(n, K) of the same faces."""
        return np.asarray(self.answers.probabilities[self.at])

    @property
    def scores(self) -> Scores:
        found = self.evaluation.scores()
        assert found is not None  # every evaluation has this section
        return found

    @property
    def certainty(self) -> Certainty:
        return self.evaluation.certainty[0]

    def titled(self, what: str) -> str:
        """A picture's heading."""
        return f"{what}: {self.title}"

    def facts(self, *further: str) -> tuple[str, ...]:
        """Lines under the title."""
        mapped = self.evaluation.protocols[0].mapped
        through = (f"answers mapped by {mapped}",) if mapped else ()
        return (f"{count(self.truth.n)} faces, {self.truth.title}", *through, *further)


def draw(
    done: Evaluated, folder: Path, seed: int, with_tsne: bool, tell: Callable[[str, float], None]
) -> dict[str, str]:
    """Draw what there are numbers for.

    Args:
        done: From ``evaluate``.
        folder: Of the evaluation; pictures lie in a folder inside it.
        seed: Of t-SNE.
        with_tsne: Whether the features are drawn in the plane.
        tell: Called with what is being done and the share of it that is done.

    Returns:
        Name → file, relative to ``folder``.
    """
    truth, answers = next(iter(done.answers.values()))
    data = done.evaluation.data
    title = f"{done.evaluation.model.name} on {data.source}, {data.part}"
    sitter = _Sitter(done, truth, answers, truth.labels >= 0, title, done.alarm)
    drawers: dict[str, Callable[[_Sitter, Path], bool]] = {
        "confusion": _confusion,
        "roc": _roc,
        "precision_recall": _precision_recall,
        "reliability": _reliability,
        "selective": _selective,
        "recall": _recall,
        "scores": _bars,
        "classes": _classes,
        "mistakes": _mistakes,
        "curves": _curves,
        "groups": _groups,
        "robustness": _robustness,
        "disturbances": _disturbances,
    }
    if with_tsne:
        drawers["tsne"] = lambda s, path: _tsne(s, path, seed)
    found = {}
    for i, (name, drawer) in enumerate(drawers.items()):
        tell("t-SNE of the features" if name == "tsne" else "pictures", i / len(drawers))
        if drawer(sitter, folder / PICTURES / f"{name}.png"):
            found[name] = f"{PICTURES}/{name}.png"
    return found


def _ends(estimate: Estimate) -> tuple[float, float] | None:
    return None if estimate.low is None or estimate.high is None else (estimate.low, estimate.high)


def _confusion(s: _Sitter, path: Path) -> bool:
    accuracy = s.scores.headline["accuracy"]
    fact = f"accuracy {said(accuracy)}"
    labels = s.truth.vocabulary.labels
    confusion.save(
        path,
        confusion.Confusion(s.titled("Confusion matrix"), s.facts(fact), labels, np.array(s.scores.confusion), s.alarm),
    )
    return True


def _roc(s: _Sitter, path: Path) -> bool:
    own = [
        discrimination.Curve(
            one.label, *curves.roc(s.labels, s.probabilities, k), one.roc_auc.value, _ends(one.roc_auc), one.support
        )
        for k, one in enumerate(s.scores.classes)
    ]
    averages = []
    for name, points in (
        ("macro", curves.roc_macro(s.labels, s.probabilities)),
        ("micro", curves.roc_micro(s.labels, s.probabilities)),
    ):
        area = s.scores.headline[f"roc_auc_{name}"]
        averages.append(discrimination.Curve(f"{name} average", *points, area.value, _ends(area), None))
    given = discrimination.Discrimination(
        s.titled("ROC, each class against the rest"), s.facts(), s.scores.n, tuple(own), tuple(averages), s.alarm
    )
    discrimination.save_roc(path, given)
    return True


def _precision_recall(s: _Sitter, path: Path) -> bool:
    own = [
        discrimination.Curve(
            one.label,
            *curves.precision_recall(s.labels, s.probabilities, k),
            one.average_precision.value,
            _ends(one.average_precision),
            one.support,
        )
        for k, one in enumerate(s.scores.classes)
    ]
    given = discrimination.Discrimination(
        s.titled("Precision and recall"), s.facts(), s.scores.n, tuple(own), (), s.alarm
    )
    discrimination.save_precision_recall(path, given)
    return True


def _reliability(s: _Sitter, path: Path) -> bool:
    found, diagrams = s.certainty, []
    fitted = f"temperature {number(found.temperature, 2)}, fitted on {count(found.fitted_n)} faces of {found.fitted_on}"
    for title, notes, one in (("as the model gives them", (), found.given), ("scaled", (fitted,), found.scaled)):
        if one is not None:
            bins = tuple(reliability.Bin(b.low, b.high, b.n, b.confidence, b.accuracy) for b in one.bins)
            diagrams.append(reliability.Diagram(title, bins, one.error.value, _ends(one.error), notes))
    reliability.save_reliability(
        path, reliability.Reliability(s.titled("Reliability"), s.facts(), tuple(diagrams), s.alarm)
    )
    return True


def _selective(s: _Sitter, path: Path) -> bool:
    found = s.certainty
    chosen = [f"thresholds chosen on {count(found.fitted_n)} faces of {found.fitted_on}"] if found.points else []
    points = [
        reliability.Point(
            p.error_rate, p.confidence, p.reached, p.share.value or 0.0, p.accuracy.value, _ends(p.accuracy)
        )
        for p in found.points
    ]
    area = found.risk_area
    reliability.save_selective(
        path,
        reliability.Selective(
            s.titled("Selective accuracy"),
            s.facts(*chosen),
            np.array(found.share),
            np.array(found.accuracy),
            tuple(points),
            _ends(s.scores.headline["accuracy"]),
            None if area.value is None else (area.value, _ends(area)),
            s.alarm,
        ),
    )
    return True


def _recall(s: _Sitter, path: Path) -> bool:
    own = [bars.Bar(c.label, c.recall.value, _ends(c.recall), c.support) for c in s.scores.classes]
    fact = "recall: share of the faces of a class that were said to be of it"
    bars.save(path, bars.Bars(s.titled("Recall"), s.facts(fact), "recall", tuple(own), classes=True, alarm=s.alarm))
    return True


def _bars(s: _Sitter, path: Path) -> bool:
    found = []
    for section in s.evaluation.sections:
        accuracy = section.scores.headline["accuracy"]
        names = [x for x in (section.view, section.subset) if x not in ("single", "all")]
        base = section.scores.baselines["majority class"]["accuracy"]
        found.append(
            bars.Bar(
                ", ".join(names) or "all faces",
                accuracy.value,
                _ends(accuracy),
                section.scores.n,
                base,
                section.protocol,
            )
        )
    given = bars.Bars(s.titled("Accuracy"), (), "accuracy", tuple(found), "always the commonest class", alarm=s.alarm)
    bars.save(path, given)
    return True


def _classes(s: _Sitter, path: Path) -> bool:
    faces, plan = s.done.plan.faces, s.done.plan
    parts, k = {plan.part: plan.at}, len(faces.vocabulary)
    if len(plan.trained):  # of those that a map has left
        parts = {"training": np.flatnonzero(np.isin(faces.rows, plan.trained)), **parts}
    counts = np.stack([np.bincount(faces.labels[at], minlength=k) for at in parts.values()])
    title = f"Classes: {s.evaluation.data.source}"
    bars.save_histogram(path, bars.Histogram(title, (), faces.vocabulary.labels, tuple(parts), counts))
    return True


def _mistakes(s: _Sitter, path: Path) -> bool:
    sure = np.where(s.at, s.answers.probabilities.max(axis=1), -1)
    said = s.answers.probabilities.argmax(axis=1)
    wrong = np.flatnonzero(s.at & (said != s.truth.labels))
    worst = wrong[np.argsort(-sure[wrong], kind="stable")][:_SHOWN]
    if not len(worst):
        return False
    plan, names = s.done.plan, s.truth.vocabulary.labels
    at = plan.faces.positions(s.truth.rows[worst])
    shown = np.ascontiguousarray(plan.faces.faces[at])
    maps = _evidence(s, shown, said[worst])
    found = [
        mistakes.Mistake(
            shown[i],
            int(s.truth.rows[w]),
            names[s.truth.labels[w]],
            names[said[w]],
            float(sure[w]),
            None if maps is None else maps[i],
        )
        for i, w in enumerate(worst)
    ]
    fact = f"the {len(found)} surest of {count(len(wrong))} wrong answers"
    mistakes.save(path, mistakes.Mistakes(s.titled("Surest mistakes"), s.facts(fact), names, tuple(found), s.alarm))
    return True


def _evidence(s: _Sitter, faces: np.ndarray, said: np.ndarray) -> np.ndarray | None:
    """(n, h, w) evidence for what was said, 0 to 1, where it speaks for it; None where the model has none."""
    subject, labels = s.done.plan.subject, s.truth.vocabulary.labels
    name = f"{s.truth.vocabulary.name}_evidence"
    if subject.bundle is None or name not in subject.bundle.card.outputs:
        return None
    crops = subject.fitted(faces)
    maps = subject.bundle.score(crops, [name])[name]
    own = [Explanation(crops[i], labels, maps[i]).of(labels[k]) for i, k in enumerate(said)]
    shown = np.maximum(own, 0)
    return np.asarray(shown / np.maximum(shown.max(axis=(1, 2), keepdims=True), 1e-9))


def _curves(s: _Sitter, path: Path) -> bool:
    """The learning curves that training drew."""
    run = s.done.plan.subject.run
    if run is None or not (run / "curves.png").is_file():
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((run / "curves.png").read_bytes())
    return True


def _groups(s: _Sitter, path: Path) -> bool:
    found = [
        groups.Group(g.column, g.value, g.n, g.accuracy.value, _ends(g.accuracy), bool(g.warning))
        for g in s.evaluation.groups
    ]
    if not found:
        return False
    overall = s.scores.headline["accuracy"].value or 0.0
    groups.save(
        path, groups.Groups(s.titled("Accuracy by group"), s.facts(), "accuracy", overall, tuple(found), s.alarm)
    )
    return True


def _robustness(s: _Sitter, path: Path) -> bool:
    found: dict[str, list[disturbed.Point]] = {}
    for d in s.evaluation.disturbed:
        low, high = _ends(d.accuracy) or (d.accuracy.value or 0.0,) * 2
        found.setdefault(d.corruption, []).append(disturbed.Point(d.amount, d.accuracy.value or 0.0, low, high))
    if not found:
        return False
    undisturbed = s.scores.headline["accuracy"].value or 0.0
    majority = s.scores.baselines["majority class"]["accuracy"]
    model = disturbed.Model(s.evaluation.model.name, undisturbed, found)
    disturbed.save(path, disturbed.Robustness(s.titled("Robustness"), s.facts(), [model], majority, s.alarm))
    return True


def _disturbances(s: _Sitter, path: Path) -> bool:
    """One face under each of them: of those that the model recognises, the one most like their mean, since the bands
    over eyes and mouth lie where a face usually has them.
    """
    if not s.evaluation.disturbed:
        return False
    right = s.truth.rows[s.at][s.probabilities.argmax(axis=1) == s.labels]
    faces = s.done.plan.faces
    rows = right if len(right) else s.truth.rows[s.at]
    shown = faces.faces[faces.positions(rows)].reshape(len(rows), -1).astype(np.float32)
    shown = (shown - shown.mean(axis=1, keepdims=True)) / np.maximum(shown.std(axis=1, keepdims=True), 1)
    row = int(rows[(shown @ shown.mean(axis=0)).argmax()])
    face = np.array(faces.faces[faces.positions(np.array([row]))[0]])
    amounts = {name: [kind.amount(k) for k in STRENGTHS] for name, kind in CORRUPTIONS.items()}
    seed = s.evaluation.made.seed
    sheet = disturbed.Sheet(s.titled("Disturbances"), [f"row {row}"], face, samples(face, row, seed), amounts)
    disturbed.save_sheet(path, sheet)
    return True


def _tsne(s: _Sitter, path: Path, seed: int) -> bool:
    plan = s.done.plan
    opened = plan.subject.bundle
    if opened is None or "features" not in opened.card.outputs:
        return False
    at = plan.faces.positions(s.truth.rows[s.at])
    features = [
        opened.score(plan.subject.fitted(np.ascontiguousarray(plan.faces.faces[at[i : i + _CHUNK]])), ["features"])[
            "features"
        ]
        for i in range(0, len(at), _CHUNK)
    ]
    points = tsne(np.concatenate(features), seed)
    method = f"t-SNE, perplexity {fitting_perplexity(len(points)):.3g}, seed {seed}"
    wrong = s.probabilities.argmax(axis=1) != s.labels
    given = embedding.Embedding(
        s.titled("Features"), s.facts(), s.truth.vocabulary.labels, points, s.labels, method, wrong, s.alarm
    )
    embedding.save(path, given)
    return True
