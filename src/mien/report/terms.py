"""Words that not every reader of a report knows, each explained in a sentence."""

from __future__ import annotations

from collections.abc import Sequence

from mien.evaluation.document import Evaluation
from mien.evaluation.measures import METRICS
from mien.report.blocks import Term, Terms
from mien.report.numbers import count

# By the headline number that they explain.
_METRICS = {
    "accuracy": Term("accuracy", "Share of the faces whose answer is the label."),
    "balanced_accuracy": Term(
        "balanced accuracy", "Mean of the classes' recalls, so that a rare class weighs as much as a common one."
    ),
    "macro_precision": Term(
        "precision, recall, F1",
        "Precision is the share right of the answers that name a class, recall the share found of the faces that are "
        "of it, F1 their harmonic mean.",
    ),
    "macro_f1": Term(
        "macro, weighted", "Macro is the plain mean over classes; weighted counts each class by its number of faces."
    ),
    "top2_accuracy": Term("top-2 accuracy", "Share of the faces whose label is among the two likeliest answers."),
    "kappa": Term(
        "Cohen's kappa",
        "Agreement of answers and labels beyond what two independent draws with the same class shares would reach: 0 "
        "is no better than that, 1 is full agreement.",
        "Cohen 1960",
        "https://doi.org/10.1177/001316446002000104",
    ),
    "roc_auc_macro": Term(
        "ROC AUC",
        "The chance that a face of the class gets a higher probability for it than a face of another class: 0.5 is "
        "guessing, 1 is perfect.",
        "Fawcett 2006",
        "https://doi.org/10.1016/j.patrec.2005.10.010",
    ),
    "average_precision_macro": Term(
        "average precision",
        "Mean precision as one goes down the faces from the likeliest of the class; guessing gives the share of the "
        "class.",
    ),
    "log_loss": Term(
        "log loss",
        "Mean of −ln of the probability that was given to the label: 0 is perfect, and to give each of K classes the "
        "same probability costs ln K (1.95 for seven).",
    ),
    "calibration_error": Term(
        "expected calibration error (ECE)",
        "How far confidence and share right lie apart, on average over faces of like confidence: 0.05 means five "
        "percentage points.",
        "Guo et al. 2017",
        "https://arxiv.org/abs/1706.04599",
    ),
}
_BASELINES = Term(
    "baselines",
    "What can be had without looking: majority class always gives the commonest label, prior guessing draws answers by "
    "the class shares.",
)
_COPIES = Term(
    "copies",
    "Faces of which an identical, nearly identical or mirrored picture was among those trained on: the model may have "
    "learnt them by heart, so scores are also given without them.",
)
_TEMPERATURE = Term(
    "temperature",
    "What the network's outputs are divided by before they become probabilities: a fitted value above 1 says that the "
    "model was too sure of itself, below 1 that it was not sure enough.",
    "Guo et al. 2017",
    "https://arxiv.org/abs/1706.04599",
)
_SELECTIVE = Term(
    "selective accuracy, risk-coverage area",
    "How much is right where only the surest faces are answered; the area is the mean share of wrong answers over all "
    "shares answered, and less is better.",
    "Geifman and El-Yaniv 2017",
    "https://arxiv.org/abs/1705.08500",
)
_POINTS = Term(
    "operating point",
    "A confidence under which the model says “uncertain” instead of answering, chosen on other faces so that at most "
    "the given share of its remaining answers is wrong.",
)
_VOTES = Term(
    "cross-entropy, divergence, total variation",
    "Three ways to measure how far the probabilities lie from the shares of the taggers' votes; 0 divergence or "
    "distance means equal.",
    "Barsoum et al. 2016",
    "https://arxiv.org/abs/1608.01041",
)


def terms(evaluations: Sequence[Evaluation]) -> Terms:
    """The words that these evaluations use, in the order of the tables."""
    names = {name for e in evaluations for s in e.sections for name in s.scores.headline}
    certain = [one for e in evaluations for one in e.certainty]
    found = [_interval(evaluations)]
    found += [_METRICS[name] for name in METRICS if name in names and name in _METRICS]
    optional = (
        (_BASELINES, any(s.scores.baselines for e in evaluations for s in e.sections)),
        (_COPIES, any(e.data.copies for e in evaluations)),
        (_TEMPERATURE, any(one.temperature is not None for one in certain)),
        (_SELECTIVE, bool(certain)),
        (_POINTS, any(one.points for one in certain)),
        (_VOTES, any(e.votes is not None for e in evaluations)),
    )
    return Terms(found + [term for term, used in optional if used])


def _interval(evaluations: Sequence[Evaluation]) -> Term:
    draws = sorted({e.made.draws for e in evaluations})
    times = " or ".join(map(count, draws))
    return Term(
        "95% interval",
        f"The faces were drawn anew {times} times, with replacement, and the middle 95% of the numbers kept "
        "(percentile bootstrap): so far would the number move with other faces of the same kind; of faces of another "
        "kind it says nothing.",
        "Efron 1979",
        "https://doi.org/10.1214/aos/1176344552",
    )
