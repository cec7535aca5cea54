"""What can be measured of a model's answers, as plain records.

A number that is not defined, such as the recall of a class without faces, is None; shares are 0 to 1 throughout.
"""

from __future__ import annotations

from dataclasses import dataclass

SINGLE = "single"  # the view of a model as it answers: one look at the face as it is
ALL, NO_IDENTICAL, NO_COPY, COPIES = "all", "no identical copy", "no copy", "copies"


@dataclass(frozen=True)
class Metric:
    """How a headline number is written.

    Attributes:
        title: In words.
        share: Whether it is a share, written in per cent.
        higher: Whether more is better.
    """

    title: str
    share: bool = True
    higher: bool = True


# The headline numbers, by their name in ``Scores.headline``, in the order of every table.
METRICS: dict[str, Metric] = {
    "accuracy": Metric("accuracy"),
    "balanced_accuracy": Metric("balanced accuracy"),
    "macro_precision": Metric("precision, macro"),
    "macro_recall": Metric("recall, macro"),
    "macro_f1": Metric("F1, macro"),
    "weighted_precision": Metric("precision, weighted"),
    "weighted_recall": Metric("recall, weighted"),
    "weighted_f1": Metric("F1, weighted"),
    "top2_accuracy": Metric("top-2 accuracy"),
    "kappa": Metric("Cohen's kappa", share=False),
    "roc_auc_macro": Metric("ROC AUC, one against rest, macro", share=False),
    "roc_auc_micro": Metric("ROC AUC, one against rest, micro", share=False),
    "average_precision_macro": Metric("average precision, macro", share=False),
    "log_loss": Metric("log loss, nats", share=False, higher=False),
    "calibration_error": Metric("expected calibration error", share=False, higher=False),
}


@dataclass(frozen=True)
class Estimate:
    """A number with its 95% interval.

    Attributes:
        value: On the faces themselves; None where it is not defined.
        low: Lower end of the interval: of the percentile bootstrap over faces, unless ``evaluation.intervals`` has a
            better one for such a number; None where there is none, or where resamples do not move the number.
        high: Upper end.
        n: Faces it is about.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True)
class ClassScores:
    """One class against the rest.

    Attributes:
        label: The class.
        support: Faces that are of it.
        answered: Faces that were said to be of it.
        precision: Share right of ``answered``.
        recall: Share found of ``support``.
        f1: Harmonic mean of the two.
        roc_auc: Area under the ROC curve of its probability.
        average_precision: Area under the precision-recall curve, as a sum of steps.
    """

    label: str
    support: int
    answered: int
    precision: Estimate
    recall: Estimate
    f1: Estimate
    roc_auc: Estimate
    average_precision: Estimate


@dataclass(frozen=True)
class Scores:
    """All scores of one set of answers.

    Attributes:
        labels: The classes (K).
        n: Faces.
        confusion: (K, K) faces; a row is what a face is, a column what was said.
        headline: By name, in the order of ``METRICS``.
        classes: One for each label.
        baselines: What knows nothing of the face: ``majority class`` (always the commonest) and ``prior guessing``
            (a draw by the class shares), each with the names of headline numbers.
    """

    labels: list[str]
    n: int
    confusion: list[list[int]]
    headline: dict[str, Estimate]
    classes: list[ClassScores]
    baselines: dict[str, dict[str, float]]

    def __post_init__(self) -> None:
        k = len(self.labels)
        if not k:
            raise ValueError("labels is [], not at least one")
        if [len(row) for row in self.confusion] != [k] * k:
            raise ValueError(f"confusion is not {k} rows of {k} numbers, as the labels are")
        if len(self.classes) != k:
            raise ValueError(f"classes is of {len(self.classes)}, not of {k} as the labels are")
        if "accuracy" not in self.headline:
            raise ValueError(f"headline is of {', '.join(self.headline) or 'nothing'}, not of accuracy")


@dataclass(frozen=True)
class Section:
    """Scores under one protocol, of one view, on some of the faces.

    Attributes:
        protocol: Name of one of the evaluation's protocols.
        view: ``single``; or ``flip``, ``crops``, averages over several looks at each face.
        subset: ``all``; ``no identical copy`` and ``no copy``, faces without a copy among those trained on (identical;
            or identical, nearly identical or mirrored); ``copies``, the others.
        scores: The scores.
    """

    protocol: str
    view: str
    subset: str
    scores: Scores


@dataclass(frozen=True)
class ProtocolFacts:
    """Which labels, and which faces are counted.

    Attributes:
        name: Short identifier, such as ``ferplus-majority``.
        title: In a sentence.
        n: Faces it counts.
        of: Faces of the part.
        mapped: Name of the map that the model's answers went through; empty where it answers in these labels.
    """

    name: str
    title: str
    n: int
    of: int
    mapped: str = ""


@dataclass(frozen=True)
class Bin:
    """Faces of like confidence.

    Attributes:
        low: Least confidence.
        high: Largest.
        n: Faces.
        confidence: Their mean confidence; None in an empty bin.
        accuracy: Share right; None in an empty bin.
    """

    low: float
    high: float
    n: int
    confidence: float | None
    accuracy: float | None


@dataclass(frozen=True)
class Reliability:
    """How far probabilities agree with what is right.

    Attributes:
        error: Expected calibration error, bins of equal width (Guo et al. 2017, arXiv 1706.04599).
        log_loss: Mean negative logarithm of the probability of the right class, nats.
        bins: Of equal width, from 0 to 1.
    """

    error: Estimate
    log_loss: Estimate
    bins: list[Bin]


@dataclass(frozen=True)
class OperatingPoint:
    """A confidence under which to say "uncertain", chosen on held-out faces and tried on those evaluated.

    Attributes:
        error_rate: Share of wrong answers that was asked for.
        confidence: The threshold.
        reached: Whether any threshold gives that on the held-out faces.
        held_accuracy: Share right at or above the threshold, held-out faces.
        held_share: Share of held-out faces at or above it.
        accuracy: Share right at or above it, faces evaluated.
        share: Share of them at or above it.
    """

    error_rate: float
    confidence: float
    reached: bool
    held_accuracy: float
    held_share: float
    accuracy: Estimate
    share: Estimate


@dataclass(frozen=True)
class Certainty:
    """How sure the answers are under one protocol, single view, all faces.

    Attributes:
        protocol: Name of one of the evaluation's protocols.
        fitted_on: Part that temperature and thresholds were fitted on; empty where there was none.
        fitted_n: Its faces.
        temperature: What the logits (or logarithms of the probabilities) would have to be divided by for the best
            likelihood on ``fitted_on``; 1 leaves the model as it is. None where it was not fitted.
        given: Reliability of the probabilities as the model gives them.
        scaled: The same after that temperature; None where there is none.
        share: Selective accuracy: shares of faces answered, falling confidence, ascending.
        accuracy: Share right among them.
        risk_area: Mean error over all shares answered (area under the risk-coverage curve, Geifman & El-Yaniv 2017).
        points: Thresholds for several error rates; empty where nothing was held out.
    """

    protocol: str
    fitted_on: str
    fitted_n: int
    temperature: float | None
    given: Reliability
    scaled: Reliability | None
    share: list[float]
    accuracy: list[float]
    risk_area: Estimate
    points: list[OperatingPoint]


@dataclass(frozen=True)
class VoteScores:
    """Probabilities against the distribution of the taggers' votes.

    Attributes:
        n: Faces with votes for an expression.
        cross_entropy: Mean of -Σ share · log probability, nats.
        divergence: The same without the votes' own entropy (Kullback-Leibler), which is what could be gained.
        distance: Mean total variation distance, 0 (equal) to 1.
        baseline: The same three for the mean distribution of these faces: ``cross_entropy``, ``divergence``,
            ``distance``.
        expected_agreement: Chance that a tagger drawn at random would have said what the model says.
        best_agreement: The same for the commonest vote of each face: what could be reached.
    """

    n: int
    cross_entropy: Estimate
    divergence: Estimate
    distance: Estimate
    baseline: dict[str, float]
    expected_agreement: Estimate
    best_agreement: Estimate


@dataclass(frozen=True)
class Group:
    """Scores of the faces with one value of a column.

    Attributes:
        column: Name of the column.
        value: As text.
        n: Faces.
        accuracy: Share right.
        macro_f1: Mean F1 over the classes that the group has.
        warning: Why it is too small to say; empty where it is not.
    """

    column: str
    value: str
    n: int
    accuracy: Estimate
    macro_f1: Estimate
    warning: str


@dataclass(frozen=True)
class Disturbed:
    """Scores on faces that were disturbed.

    Attributes:
        corruption: Name of the disturbance.
        strength: 1 to 5.
        amount: What was done, with its unit, such as ``sigma 1.5 px``.
        accuracy: Share right, primary protocol.
        balanced_accuracy: Mean recall.
    """

    corruption: str
    strength: int
    amount: str
    accuracy: Estimate
    balanced_accuracy: Estimate
