"""Comparing models: tests that keep their level, pairs by row id, and no verdict where none can be had."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import comb
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.errors import DataError
from mien.evaluation.comparison import COMPARED_BY, Compared, compare, faces_needed, holm, mcnemar
from mien.evaluation.intervals import mean_estimate
from mien.evaluation.measures import Estimate
from mien.evaluation.protocols import Truth
from mien.evaluation.scores import Predictions
from mien.expressions import FER2013, FERPLUS, FOUR, Vocabulary


def model(
    name: str,
    labels: np.ndarray,
    answers: np.ndarray,
    vocabulary: Vocabulary = FER2013,
    rows: np.ndarray | None = None,
) -> Compared:
    """A model that says this and nothing else."""
    ids = np.arange(len(labels)) if rows is None else rows
    said = Predictions(vocabulary, ids, np.eye(len(vocabulary))[answers])
    return Compared(name, said, Truth(vocabulary.name, "all of them", vocabulary, ids, np.asarray(labels, np.int64)))


def right_on(name: str, right: np.ndarray) -> Compared:
    """A model of four classes that is right on these faces, and says the next class elsewhere."""
    labels = np.arange(len(right)) % 4
    return model(name, labels, np.where(right, labels, (labels + 1) % 4), FOUR)


@pytest.fixture
def pair() -> tuple[Compared, Compared]:
    """Two models of 70% and 60% with seven classes on 500 faces, answering alike on most of them."""
    rng = np.random.default_rng(4)
    labels = rng.choice(7, 500, p=[0.3, 0.02, 0.1, 0.25, 0.13, 0.1, 0.1])
    first = np.where(rng.random(500) < 0.7, labels, rng.integers(0, 7, 500))
    second = np.where(rng.random(500) < 0.8, first, rng.integers(0, 7, 500))
    return model("first", labels, first), model("second", labels, second)


# ---- McNemar's test


def test_mcnemar_gives_the_published_example() -> None:
    # Fagerland et al. 2013, table 1: 1 and 7 discordant pairs; exact 0.0703, mid-p 0.0391.
    assert mcnemar(1, 7) == pytest.approx(0.0391, abs=5e-5)


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_the_mid_p_of_a_fair_coin(b: int, c: int) -> None:
    n = b + c
    chances = [Fraction(comb(n, x), 2**n) for x in range(n + 1)]
    further = sum((p for x, p in enumerate(chances) if abs(2 * x - n) > abs(b - c)), Fraction())
    as_far = sum((p for x, p in enumerate(chances) if abs(2 * x - n) == abs(b - c)), Fraction())
    expected = 1.0 if n == 0 else float(further + as_far / 2)
    assert mcnemar(b, c) == pytest.approx(expected, abs=1e-12)
    assert mcnemar(b, c) == mcnemar(c, b)


def test_mcnemar_of_very_many_pairs_is_the_normal_approximation() -> None:
    two_sided = 2 * NormalDist().cdf(-600 / 100_600**0.5)
    assert mcnemar(50_000, 50_600) == pytest.approx(two_sided, rel=0.01)
    assert mcnemar(0, 5000) == 0.0


def test_mcnemar_keeps_its_level() -> None:
    rng = np.random.default_rng(0)
    for n in (12, 40, 300):
        wrong = np.mean([mcnemar(int(b), n - int(b)) < 0.05 for b in rng.binomial(n, 0.5, 2000)])
        assert 0.02 <= wrong <= 0.065


# ---- Holm's correction


def test_holm_gives_what_r_gives() -> None:
    assert holm([0.01, 0.04, 0.03, 0.02, 0.05]) == pytest.approx([0.05, 0.09, 0.09, 0.08, 0.09])
    assert holm([0.6, 0.5]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_never_lowers_p_and_keeps_their_order(p: list[float]) -> None:
    corrected = holm(p)
    assert all(a <= b <= 1 for a, b in zip(p, corrected, strict=True))
    assert all(corrected[i] <= corrected[j] for i in range(len(p)) for j in range(len(p)) if p[i] < p[j])
    # Rejected are the smallest, as long as each is under its own share of the level.
    ranked, kept = sorted(p), 0
    while kept < len(p) and ranked[kept] * (len(p) - kept) <= 0.05:
        kept += 1
    assert sum(c <= 0.05 for c in corrected) == kept


# ---- a comparison


def test_the_four_counts_and_the_difference_are_those_counted_by_hand() -> None:
    first = np.array([1, 1, 1, 1, 1, 0, 0, 0], bool)
    second = np.array([1, 1, 0, 0, 0, 1, 0, 0], bool)
    found = compare([right_on("a", first), right_on("b", second)])
    (one,) = found.pairs
    assert (one.n, one.both_right, one.only_first, one.only_second, one.neither) == (8, 2, 3, 1, 2)
    assert one.difference.value == pytest.approx(2 / 8)
    assert one.p == one.corrected == mcnemar(3, 1)
    assert (found.test, found.metric, found.n) == ("mcnemar", "accuracy", 8)


def test_the_better_model_is_named_on_either_side(pair: tuple[Compared, Compared]) -> None:
    first, second = pair
    for models in ((first, second), (second, first)):
        (one,) = compare(models).pairs
        assert one.better == "first" and one.needed is None
        assert one.verdict == "first is better than second"
        low, high = one.difference.low, one.difference.high
        assert low is not None and high is not None and low * high > 0


def test_the_interval_is_that_of_the_paired_bootstrap(pair: tuple[Compared, Compared]) -> None:
    labels = pair[0].truth.labels
    right = [m.predictions.probabilities.argmax(axis=1) == labels for m in pair]
    (one,) = compare(pair, draws=4000).pairs
    other = mean_estimate(right[0].astype(float) - right[1], draws=4000, seed=1)
    assert one.difference.value == pytest.approx(other.value)
    assert one.difference.low == pytest.approx(other.low, abs=0.006)
    assert one.difference.high == pytest.approx(other.high, abs=0.006)


@pytest.mark.parametrize("metric", COMPARED_BY)
def test_every_metric_is_scikit_learns(pair: tuple[Compared, Compared], metric: str) -> None:
    from sklearn import metrics

    known = {
        "accuracy": metrics.accuracy_score,
        "balanced_accuracy": metrics.balanced_accuracy_score,
        "macro_f1": lambda a, b: metrics.f1_score(a, b, average="macro"),
    }[metric]
    labels = pair[0].truth.labels
    values = [known(labels, m.predictions.probabilities.argmax(axis=1)) for m in pair]
    found = compare(pair, metric)
    assert found.pairs[0].difference.value == pytest.approx(values[0] - values[1])
    assert [m.estimates[metric].value for m in found.models] == pytest.approx(values)
    assert found.test == ("mcnemar" if metric == "accuracy" else "bootstrap")


def test_the_interval_of_a_metric_is_about_that_metric() -> None:
    rng = np.random.default_rng(9)
    labels = np.repeat([0, 1, 2, 3], [300, 30, 30, 40])
    lazy = np.where(rng.random(400) < 0.5, labels, 0)  # large recall of one class, small of the others
    rare = np.where(labels == 0, rng.integers(0, 4, 400), labels)
    models = [model("rare", labels, rare, FOUR), model("lazy", labels, lazy, FOUR)]
    for metric in COMPARED_BY:
        one = compare(models, metric).pairs[0].difference
        assert one.value is not None and one.low is not None and one.high is not None
        assert one.low < one.value < one.high and one.high - one.low < 0.2
    assert compare(models, "accuracy").pairs[0].better == "lazy"
    assert compare(models, "balanced_accuracy").pairs[0].better == "rare"


def test_the_bootstrap_calls_better_what_its_interval_does() -> None:
    rng = np.random.default_rng(5)
    verdicts = []
    for shift in np.linspace(0, 0.12, 13):
        base, draw = rng.random(400) < 0.6, rng.random((2, 400))
        models = [right_on("a", base | (draw[0] < 0.06 + shift)), right_on("b", base | (draw[1] < 0.06))]
        (one,) = compare(models, test="bootstrap", draws=1000).pairs
        assert one.difference.low is not None and one.difference.high is not None
        if abs(one.p - 0.05) > 0.006:
            assert (one.p < 0.05) == (one.difference.low > 0 or one.difference.high < 0)
        assert one.p == pytest.approx(mcnemar(one.only_first, one.only_second), abs=0.12)
        verdicts.append(one.better)
    assert verdicts[0] == "" and verdicts[-1] == "a"


def test_a_model_and_itself_cannot_be_told_apart(pair: tuple[Compared, Compared]) -> None:
    same = replace(pair[0], name="again")
    for test in ("mcnemar", "bootstrap"):
        (one,) = compare([pair[0], same], test=test).pairs
        assert (one.p, one.better, one.needed) == (1.0, "", None)
        assert one.difference == Estimate(0.0, None, None, 500)
        assert one.verdict == "first and again cannot be told apart: there is no difference on these 500 faces"


def test_the_grid_of_the_model_zoo_paper_cannot_be_told_apart() -> None:
    # Chang 2022: four settings on 128 test images, .77 .773 .789 .75, as many right as that can mean. Most easily told
    # apart are models whose right answers are nested, so that no face speaks for the worse one.
    counts = {".77": 99, ".773": 99, ".789": 101, ".75": 96}
    rng = np.random.default_rng(6)
    nested = [right_on(name, np.arange(128) < k) for name, k in counts.items()]
    apart = [right_on(name, rng.permutation(128) < k) for name, k in counts.items()]
    for models in (nested, apart):
        found = compare(models)
        assert len(found.pairs) == 6
        assert all(not one.better and "cannot be told apart" in one.verdict for one in found.pairs)
    worst = found.pairs[-1]
    assert (worst.first, worst.second) == (".789", ".75")
    assert worst.needed is not None and worst.needed > 1000
    assert f"a difference of 3.9 points would need about {worst.needed:,} faces, here are 128" in worst.verdict


def test_many_comparisons_of_equal_models_rarely_find_a_better_one() -> None:
    rng = np.random.default_rng(7)
    found = {"holm": 0, "none": 0}
    for _ in range(60):
        models = [right_on(str(i), rng.random(200) < 0.7) for i in range(5)]
        for correction in found:
            found[correction] += any(one.better for one in compare(models, correction=correction, draws=20).pairs)
    assert found["holm"] <= 7
    assert found["none"] >= 10  # which is what the correction is for


@pytest.mark.parametrize(("models", "draws", "taken"), [(2, 50, 400), (3, 100, 1200), (8, 2000, 11200), (2, 900, 900)])
def test_the_corrected_p_of_the_bootstrap_can_be_reached(models: int, draws: int, taken: int) -> None:
    right = right_on("right", np.ones(400, bool))
    wrong = [right_on(f"wrong {i}", np.arange(400) == i) for i in range(models - 1)]
    found = compare([right, *wrong], "macro_f1", draws=draws)
    assert found.draws == taken
    against = [one for one in found.pairs if one.first == "right"]
    assert all(one.better == "right" and one.corrected <= 0.005 for one in against)
    plain = compare([right, *wrong], "macro_f1", correction="none", draws=50)
    assert plain.draws == 400 and compare([right, *wrong], draws=50).draws == 50  # McNemar's takes none


def test_a_difference_that_resamples_do_not_move_is_not_called_none() -> None:
    found = compare([right_on("a", np.ones(3, bool)), right_on("b", np.zeros(3, bool))])
    (one,) = found.pairs
    assert (one.difference, one.better, one.needed) == (Estimate(1.0, None, None, 3), "", None)
    assert one.verdict == "a and b cannot be told apart: a difference of 100 points on 3 faces says too little"


def test_mcnemar_needs_no_resamples(pair: tuple[Compared, Compared]) -> None:
    (one,) = compare(pair, draws=0).pairs
    assert one.better == "first" and one.difference.low is None


def test_correction_is_for_the_number_of_pairs(pair: tuple[Compared, Compared]) -> None:
    three = [*pair, replace(pair[1], name="third")]
    found, plain = compare(three), compare(three, correction="none")
    assert [one.p for one in found.pairs] == [one.p for one in plain.pairs]
    assert [one.corrected for one in found.pairs] == holm([one.p for one in found.pairs])
    assert [one.corrected for one in plain.pairs] == [one.p for one in plain.pairs]
    equal = [right_on(name, np.random.default_rng(i).random(300) < 0.6) for i, name in enumerate("abc")]
    for one, other in zip(compare(equal).pairs, compare(equal, correction="none").pairs, strict=True):
        assert one.needed is not None and other.needed is not None and one.needed > other.needed
    assert [(one.first, one.second) for one in found.pairs] == [
        ("first", "second"),
        ("first", "third"),
        ("second", "third"),
    ]


# ---- how many faces would be needed


def test_so_many_faces_do_tell_the_difference_in_four_of_five_cases() -> None:
    rng = np.random.default_rng(8)
    n, only_first, only_second = 500, 0.10, 0.08
    spread = float(np.sqrt((only_first + only_second - 0.02**2) / n))
    needed = faces_needed(n, 0.02, spread)
    assert needed is not None
    # Connor 1987, for paired shares
    psi, d = only_first + only_second, 0.02
    assert needed == pytest.approx((1.96 * np.sqrt(psi) + 0.8416 * np.sqrt(psi - d * d)) ** 2 / d**2, rel=0.02)
    drawn = rng.multinomial(needed, [only_first, only_second, 1 - psi], 600)
    assert 0.75 <= np.mean([mcnemar(int(b), int(c)) < 0.05 for b, c, _ in drawn]) <= 0.85


@given(st.integers(1, 10_000), st.floats(0.001, 0.5), st.floats(0.001, 0.3), st.sampled_from([0.05, 0.005]))
@settings(max_examples=50)
def test_what_is_needed_has_two_digits_and_is_more_than_there_is(n: int, d: float, spread: float, level: float) -> None:
    needed = faces_needed(n, d, spread, level)
    assert needed is not None and needed > n
    assert needed == n + 1 or len(str(needed).rstrip("0")) <= 2
    assert needed == faces_needed(n, -d, spread, level)
    assert faces_needed(n, 0.0, spread) is None
    stricter = faces_needed(n, d, spread, level / 2)
    assert stricter is not None and stricter >= needed


# ---- rows that line up


@given(st.randoms(use_true_random=False))
@settings(max_examples=10)
def test_the_order_of_rows_changes_nothing(random: object) -> None:
    rng = np.random.default_rng(random.randrange(2**32))  # type: ignore[attr-defined]
    labels, first, second = rng.integers(0, 7, (3, 60))
    rows = rng.permutation(1000)[:60]
    models = [model("a", labels, first, rows=rows), model("b", labels, second, rows=rows)]
    order, other = rng.permutation(60), rng.permutation(60)
    shuffled = [
        model("a", labels[order], first[order], rows=rows[order]),
        model("b", labels[other], second[other], rows=rows[other]),
    ]
    assert compare(models, "macro_f1", draws=50) == compare(shuffled, "macro_f1", draws=50)


def test_models_of_other_rows_are_an_error_that_says_which(pair: tuple[Compared, Compared]) -> None:
    labels, answers = pair[1].truth.labels[100:], pair[1].predictions.probabilities[100:].argmax(axis=1)
    fewer = model("fewer", labels, answers, rows=np.arange(100, 500))
    with pytest.raises(DataError, match=r"first has 100 of its 500 that others lack, such as row 0; .*--common .* 400"):
        compare([pair[0], fewer])
    found = compare([pair[0], fewer], common=True)
    assert (found.n, [m.left_out for m in found.models]) == (400, [100, 0])
    assert found.pairs[0].n == found.models[0].estimates["accuracy"].n == 400
    with pytest.raises(DataError, match="no row in common"):
        compare(
            [pair[0], replace(fewer, **vars(model("far", labels, answers, rows=np.arange(900, 1300))))], common=True
        )


def test_faces_that_the_protocol_does_not_count_are_left_out(pair: tuple[Compared, Compared]) -> None:
    labels = np.where(np.arange(500) % 5 == 0, -1, pair[0].truth.labels)
    models = [replace(m, truth=replace(m.truth, labels=labels)) for m in pair]
    assert compare(models).n == 400
    # One protocol that counts other faces for each model is as wrong as other rows are.
    with pytest.raises(DataError, match="do not have the same rows: second has 100 of its 500"):
        compare([models[0], pair[1]])


def test_other_labels_for_the_same_row_are_an_error(pair: tuple[Compared, Compared]) -> None:
    labels = pair[1].truth.labels.copy()
    labels[7] = (labels[7] + 1) % 7
    other = replace(pair[1], truth=replace(pair[1].truth, labels=labels))
    with pytest.raises(DataError, match=r"row 7 is \w+ for first and \w+ for second; 1 of 500 rows differ"):
        compare([pair[0], other])


def test_estimates_that_are_known_are_kept_unless_rows_are_left_out(pair: tuple[Compared, Compared]) -> None:
    known = {"accuracy": Estimate(0.5, 0.4, 0.6, 500)}
    models = [replace(pair[0], known=known), pair[1]]
    assert compare(models).models[0].estimates == known
    shorter = replace(
        pair[1], truth=replace(pair[1].truth, labels=np.where(np.arange(500) < 9, -1, pair[1].truth.labels))
    )
    assert compare([models[0], shorter], common=True).models[0].estimates["accuracy"].n == 491


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"metric": "kappa"}, "the metric 'kappa'; expected one of accuracy, balanced_accuracy, macro_f1"),
        ({"test": "t"}, "the test 't' of accuracy"),
        ({"metric": "macro_f1", "test": "mcnemar"}, "the test 'mcnemar' of macro_f1"),
        ({"correction": "bonferroni"}, "the correction 'bonferroni'; expected one of holm, none"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    pair: tuple[Compared, Compared], change: dict[str, str], complaint: str
) -> None:
    with pytest.raises(DataError) as refused:
        compare(pair, **change)  # type: ignore[arg-type]
    assert complaint in str(refused.value)


def test_models_that_do_not_go_together_are_refused(pair: tuple[Compared, Compared]) -> None:
    first, second = pair
    with pytest.raises(DataError, match="two or more"):
        compare([first])
    with pytest.raises(DataError, match=r"first, first; .* a name of its own"):
        compare([first, replace(second, name="first")])
    plus = model("plus", second.truth.labels, second.truth.labels, FERPLUS)
    with pytest.raises(DataError, match="first is counted by fer2013, plus by ferplus"):
        compare([first, plus])
    with pytest.raises(DataError, match="plus answers in ferplus; expected fer2013"):
        compare([first, replace(plus, truth=first.truth)])
    half = Predictions(FER2013, np.arange(250), second.predictions.probabilities[:250])
    with pytest.raises(DataError, match="second: predictions and labels are of different rows"):
        compare([first, replace(second, predictions=half)])
