"""What the pictures of an evaluation show, in numbers: for those who do not see them."""

from __future__ import annotations

from collections.abc import Callable

from mien.evaluation.document import Evaluation
from mien.evaluation.measures import Certainty, Estimate, Scores
from mien.report.numbers import count, number, said, share

# What a picture is, by its name in the evaluation; a name may go on after a hyphen: confusion-ferplus-majority.
CAPTIONS: dict[str, str] = {
    "classes": "Faces of each class.",
    "scores": "Accuracy under each protocol, with 95% intervals.",
    "recall": "Share found of each class.",
    "confusion": "Confusion matrix: a row is what a face is, a column what was said.",
    "roc": "ROC curves, each class against the rest.",
    "precision_recall": "Precision and recall, each class against the rest.",
    "reliability": "Reliability diagram: share right against confidence.",
    "selective": "Selective accuracy: share right against share answered.",
    "groups": "Scores by columns of the data.",
    "robustness": "Accuracy on disturbed faces.",
    "disturbances": "What the disturbances do to a face.",
    "mistakes": "The most confident mistakes.",
    "evidence": "Where in the face the evidence lies for what was said (class activation mapping).",
    "tsne": "The network's features in two dimensions (t-SNE); distances between far groups mean nothing.",
    "curves": "Learning curves.",
}


def base(name: str) -> str:
    """The known name that a picture's name begins with, or the name itself."""
    stem = name.partition("-")[0]
    return stem if stem in CAPTIONS else name


def caption(name: str, evaluation: Evaluation) -> str:
    """A sentence that says what a picture is, and under which protocol."""
    known = base(name)
    text = CAPTIONS.get(known, f"{name}.")
    rest = name.removeprefix(known).removeprefix("-")
    return (
        f"{text[:-1]}, {rest.replace('-', ' ') if protocol_of(name, evaluation) != rest else rest}." if rest else text
    )


def protocol_of(name: str, evaluation: Evaluation) -> str:
    """The protocol that a picture's name ends in, or the primary one."""
    rest = name.removeprefix(base(name)).removeprefix("-")
    return rest if rest in {p.name for p in evaluation.protocols} else evaluation.protocols[0].name


def alt(name: str, evaluation: Evaluation) -> str:
    """What a picture shows, in numbers."""
    protocol = protocol_of(name, evaluation)
    start = CAPTIONS.get(base(name), f"Picture: {name}.")
    scores = evaluation.scores(protocol)
    certain = next((one for one in evaluation.certainty if one.protocol == protocol), None)
    text = ""
    if scores is not None and (of_scores := _OF_SCORES.get(base(name))):
        text = of_scores(scores)
    elif certain is not None and (of_certainty := _OF_CERTAINTY.get(base(name))):
        text = of_certainty(certain)
    elif of_evaluation := _OF_EVALUATION.get(base(name)):
        text = of_evaluation(evaluation)
    return f"{start} {text}".strip()


def _confusion(scores: Scores) -> str:
    found = [
        (counts[column], label, scores.labels[column])
        for row, (label, counts) in enumerate(zip(scores.labels, scores.confusion, strict=True))
        for column in range(len(counts))
        if row != column and counts[column]
    ]
    often = [f"{count(n)} {truth} said to be {answer}" for n, truth, answer in sorted(found, key=lambda x: -x[0])[:3]]
    most = f" Most often confused: {', '.join(often)}." if often else ""
    return f"{count(scores.n)} faces. {_recall(scores)}{most}"


def _recall(scores: Scores) -> str:
    return f"Share found: {', '.join(f'{c.label} {share(c.recall.value)}' for c in scores.classes)}."


def _roc(scores: Scores) -> str:
    areas = ", ".join(f"{c.label} {number(c.roc_auc.value)}" for c in scores.classes)
    return f"Area under the curve: {areas}; mean {said(scores.headline.get('roc_auc_macro'), 'roc_auc_macro')}."


def _precision_recall(scores: Scores) -> str:
    areas = ", ".join(f"{c.label} {number(c.average_precision.value)}" for c in scores.classes)
    mean = said(scores.headline.get("average_precision_macro"), "average_precision_macro")
    return f"Average precision: {areas}; mean {mean}."


def _accuracy(scores: Scores) -> str:
    return f"Accuracy {said(scores.headline.get('accuracy'))}, n = {count(scores.n)}."


def _reliability(one: Certainty) -> str:
    filled = [b for b in one.given.bins if b.confidence is not None and b.accuracy is not None]
    worst = max(filled, key=lambda b: abs((b.confidence or 0) - (b.accuracy or 0)), default=None)
    error = f"Expected calibration error {said(one.given.error, 'calibration_error')}."
    if worst is None:
        return error
    gap = f"{count(worst.n)} faces with a mean confidence of {share(worst.confidence)}, {share(worst.accuracy)} right"
    return f"{error} Widest gap: {gap}."


def _selective(one: Certainty) -> str:
    return selective_sentence(one)


def selective_sentence(one: Certainty) -> str:
    """How much more is right where only the surest faces are answered; empty where it is not known."""
    found = []
    for wanted in (0.25, 0.5, 0.75):
        at = next((i for i, answered in enumerate(one.share) if answered >= wanted - 1e-9), None)
        if at is not None:
            found.append(f"{share(one.accuracy[at])} of the surest {one.share[at]:.0%}")
    if one.accuracy:
        found.append(f"{share(one.accuracy[-1])} of all answers")
    return f"Right are {', '.join(found)}." if found else ""


def _classes(evaluation: Evaluation) -> str:
    return f"{', '.join(f'{label} {count(n)}' for label, n in evaluation.data.counts.items())}."


def _groups(evaluation: Evaluation) -> str:
    return "; ".join(f"{g.column} {g.value}: {said(g.accuracy)}, n = {count(g.n)}" for g in evaluation.groups)


def _robustness(evaluation: Evaluation) -> str:
    found = []
    for name in dict.fromkeys(one.corruption for one in evaluation.disturbed):
        hardest = max((d for d in evaluation.disturbed if d.corruption == name), key=lambda d: d.strength)
        found.append(f"{name} {share(hardest.accuracy.value)}")
    scores = evaluation.scores()
    undisturbed = _value(scores.headline.get("accuracy")) if scores else None
    return f"Undisturbed {share(undisturbed)}; at the highest strength: {', '.join(found)}." if found else ""


def _value(estimate: Estimate | None) -> float | None:
    return None if estimate is None else estimate.value


def _curves(evaluation: Evaluation) -> str:
    return " ".join(f"{name}: {text}." for name, text in evaluation.model.training.items() if "epoch" in name)


_OF_SCORES: dict[str, Callable[[Scores], str]] = {
    "confusion": _confusion,
    "recall": _recall,
    "roc": _roc,
    "precision_recall": _precision_recall,
    "scores": _accuracy,
}
_OF_CERTAINTY: dict[str, Callable[[Certainty], str]] = {"reliability": _reliability, "selective": _selective}
_OF_EVALUATION: dict[str, Callable[[Evaluation], str]] = {
    "classes": _classes,
    "groups": _groups,
    "robustness": _robustness,
    "curves": _curves,
}
