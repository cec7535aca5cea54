"""Published figures: that they are read strictly, that what is wrong in them is found, and that nothing else is."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien import bundle
from mien.data import FaceSet
from mien.errors import DataError
from mien.evaluation.published.chance import at_most, chance, exact_interval, shuffled
from mien.evaluation.published.claims import bounds, exact_mcnemar
from mien.evaluation.published.consistency import check
from mien.evaluation.published.figures import (
    DOUBT,
    FAULT,
    FINE,
    Averages,
    Claims,
    Confusion,
    Finding,
    Report,
    Result,
    load,
    parse,
)

ROOT = Path(__file__).resolve().parents[2]
STUDIES = ROOT / "studies"
PAGE = (ROOT / "docs" / "audit-report.md").read_text(encoding="utf-8")


# ---- figures from a matrix, as a paper prints them


def figures(cells: np.ndarray, digits: int = 4) -> dict[str, str]:
    """Lines of a file, by field: the report that scikit-learn would print of a matrix, and its accuracy and n."""
    support, answered, hits = cells.sum(axis=1), cells.sum(axis=0), np.diag(cells)
    scores = {
        "precision": hits / np.maximum(answered, 1),
        "recall": hits / np.maximum(support, 1),
        "f1": 2 * hits / np.maximum(support + answered, 1),
    }

    def listed(values: Sequence[float] | np.ndarray) -> str:
        return f"[{', '.join(f'{v:.{digits}f}' for v in values)}]"

    def mean(weights: np.ndarray) -> str:
        means = ((name, np.average(values, weights=weights)) for name, values in scores.items())
        return f"{{ {', '.join(f'{name} = {value:.{digits}f}' for name, value in means)} }}"

    return {
        "n": str(cells.sum()),
        "accuracy": f"{hits.sum() / cells.sum():.{digits}f}",
        **{f"report.{name}": listed(values) for name, values in scores.items()},
        "report.support": str(support.tolist()),
        "report.macro": mean(np.ones(len(cells))),
        "report.weighted": mean(support),
    }


def findings(lines: dict[str, str], cells: np.ndarray | None = None, truth: str = "") -> list[Finding]:
    """What is found in figures, with a matrix beside them."""
    lines = dict(lines)
    if cells is not None:
        lines["confusion.cells"] = str(cells.tolist())
    if truth:
        lines["confusion.truth"] = f'"{truth}"'
    return check(parse("".join(f"{name} = {value}\n" for name, value in lines.items()), "paper.toml"))


def wrong(found: list[Finding]) -> list[tuple[str, str]]:
    return [(one.check, one.severity) for one in found if one.severity != FINE]


@st.composite
def skilled(draw: st.DrawFn, least: int = 2) -> np.ndarray:
    """Matrices of classifiers that recognise something."""
    k = draw(st.integers(least, 7))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    cells = np.zeros((k, k), np.int64)
    for i in range(k):
        errors = rng.dirichlet(np.ones(k))
        errors[i] = 0
        recall = rng.uniform(0.75, 0.95)
        cells[i] = rng.multinomial(rng.integers(150, 250), errors / errors.sum() * (1 - recall) + recall * np.eye(k)[i])
    return cells


def shuffled_cells(rng: np.random.Generator, shares: Sequence[float], said: Sequence[float], n: int) -> np.ndarray:
    """The matrix of answers that are drawn without a look at the labels."""
    k = len(shares)
    truth, answers = rng.choice(k, n, p=shares), rng.choice(k, n, p=said)
    return np.bincount(truth * k + answers, minlength=k * k).reshape(k, k)


SHARES = (0.14, 0.02, 0.14, 0.25, 0.17, 0.17, 0.11)
SAID = (0.15, 0.01, 0.10, 0.30, 0.20, 0.14, 0.10)


# ---- correct figures


@settings(max_examples=60)
@given(
    st.integers(2, 6).flatmap(
        lambda k: st.lists(st.lists(st.integers(0, 60), min_size=k, max_size=k), min_size=k, max_size=k)
    ),
    st.integers(2, 6),
    st.booleans(),
)
def test_a_report_agrees_with_the_matrix_it_was_made_of(cells: list[list[int]], digits: int, beside: bool) -> None:
    matrix = np.array(cells)
    matrix[0, 0] += 1  # not empty
    found = findings(figures(matrix, digits), matrix if beside else None)
    assert [f for f in found if f.check in ("cells", "figures") and f.severity != FINE] == []


@settings(max_examples=40)
@given(skilled(), st.integers(2, 6), st.booleans())
def test_nothing_is_wrong_in_a_correct_report_of_a_working_model(cells: np.ndarray, digits: int, beside: bool) -> None:
    found = findings(figures(cells, digits), cells if beside else None)
    assert wrong(found) == [] and len(found) >= 2  # what is fine is said too
    assert shuffled(cells) is None


def test_nothing_is_wrong_in_ours(fer2013: FaceSet) -> None:
    at = fer2013.where("PublicTest")[:600]
    model = bundle.Bundle(bundle.find(bundle.DEFAULT), threads=2)
    answers = np.concatenate(
        [
            model.score(np.ascontiguousarray(fer2013.faces[at[i : i + 200]]), ["fer2013_probabilities"])[
                "fer2013_probabilities"
            ].argmax(axis=1)
            for i in range(0, len(at), 200)
        ]
    )
    cells = np.bincount(fer2013.labels[at].astype(np.int64) * 7 + answers, minlength=49).reshape(7, 7)
    for digits in (2, 4):
        assert wrong(findings(figures(cells, digits), cells)) == wrong(findings(figures(cells, digits))) == []


def test_scores_that_were_cut_off_are_doubted_not_refused() -> None:
    cells = np.array([[90, 11], [20, 86]])
    lines = figures(cells) | {"accuracy": "0.8502"}  # 176 / 207 = 0.85024
    assert wrong(findings(lines, cells)) == []
    recall = "[0.8910, 0.8113]"  # 90 / 101 = 0.89109 would print 0.8911
    found = [f for f in findings(lines | {"report.recall": recall}, cells) if f.severity != FINE]
    assert [(f.check, f.severity) for f in found] == [("figures", DOUBT)]
    assert "recall of class 1 is printed 0.8910 and comes to 0.89109" in found[0].arithmetic


def test_a_class_that_is_never_answered_has_a_precision_of_0_or_none() -> None:
    cells = np.array([[50, 5, 0], [4, 60, 0], [6, 5, 0]])
    assert wrong(findings(figures(cells), cells)) == []
    lines = figures(cells) | {"report.precision": re.sub(r"0\.0000", "nan", figures(cells)["report.precision"])}
    assert "nan" in lines["report.precision"]
    del lines["report.macro"], lines["report.weighted"]
    assert wrong(findings(lines, cells)) == wrong(findings(lines)) == []


# ---- planted errors


@settings(max_examples=40)
@given(skilled(), st.data())
def test_two_swapped_cells_are_found_and_named(cells: np.ndarray, data: st.DataObject) -> None:
    k = len(cells)
    a, b = data.draw(st.lists(st.integers(0, k * k - 1), min_size=2, max_size=2, unique=True))
    printed = cells.copy()
    printed.flat[a], printed.flat[b] = cells.flat[b], cells.flat[a]
    if cells.flat[a] == cells.flat[b]:
        return
    found = findings(figures(cells), printed, "rows")
    [one] = [f for f in found if f.check == "cells"]
    assert one.severity == FAULT
    if k > 2 and "arrangements" not in one.arithmetic:
        for i in (a, b):
            assert f"class {i // k + 1} answered class {i % k + 1} {cells.flat[i]:,}" in one.reading


@settings(max_examples=30)
@given(skilled())
def test_swapped_rows_and_columns_are_found(cells: np.ndarray) -> None:
    if (cells == cells.T).all():
        return
    for truth, severity in (("rows", FAULT), ("", DOUBT)):
        found = findings(figures(cells), cells.T, truth)
        assert wrong(found) == [("cells", severity)]
        assert found[0].what == "Rows and columns are swapped"
        assert found[0].reading == "The columns are the true classes, the rows the answers."
    assert wrong(findings(figures(cells), cells.T, "columns")) == []


@pytest.mark.parametrize("order", list(itertools.permutations(range(4)))[1:])
def test_every_way_to_misname_four_cells_is_found(order: tuple[int, ...]) -> None:
    cells, names = [701, 55, 123, 342], ("TN", "FP", "FN", "TP")
    lines = figures(np.array(cells).reshape(2, 2))
    lines |= {f"confusion.{name}": str(cells[i]) for name, i in zip(names, order, strict=True)}
    found = findings(lines)
    assert wrong(found) == [("cells", FAULT)]
    assert found[0].reading == "TN 701, FP 55, FN 123, TP 342, class 2 being the positive class."
    moved = {f"printed {name} is {names[i]}" for name, i in zip(names, order, strict=True) if name != names[i]}
    assert set(found[0].what.removeprefix("Cells carry wrong names: ").split(", ")) == moved


def test_classes_in_another_order_are_found() -> None:
    cells = np.array([[80, 5, 3], [4, 60, 2], [1, 7, 33]])
    order = [2, 0, 1]
    [one] = [f for f in findings(figures(cells), cells[np.ix_(order, order)]) if f.severity != FINE]
    assert "another order" in one.what and one.reading == "Rows and columns stand for class 3, class 1, class 2."


def test_an_accuracy_alone_does_not_name_the_cells_that_are_wrong() -> None:
    cells = np.array([[50, 3, 2], [4, 40, 5], [1, 6, 30]])
    lines = {"accuracy": f"{(3 + 40 + 30) / 141:.4f}"}  # as if the first two cells were swapped
    assert findings(lines, cells)[0].what == "The matrix and the scores contradict each other"
    found = findings(lines | {"report.support": "[55, 49, 37]"}, cells)
    assert found[0].what == "Two cells are swapped: class 1 answered class 1 and class 1 answered class 2"


@settings(max_examples=40)
@given(skilled(), st.data())
def test_a_changed_support_is_found_beside_a_matrix_and_alone(cells: np.ndarray, data: st.DataObject) -> None:
    support = cells.sum(axis=1)
    i = data.draw(st.integers(0, len(cells) - 1))
    support[i] += data.draw(st.sampled_from([-20, -1, 1, 9, 100]))
    lines = figures(cells) | {"report.support": str(support.tolist())}
    [one] = [f for f in findings(lines, cells) if f.check == "cells"]
    assert one.severity == FAULT
    assert f"support of class {i + 1} is printed {support[i]:,} and comes to {cells[i].sum():,}" in one.arithmetic
    assert ("figures", FAULT) in wrong(findings(lines))
    assert any(f.what == "The supports do not sum to n" for f in findings(lines))


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("report.f1", "[0.8510, 0.9000]", "The F1 of class 2 does not follow"),
        ("report.recall", "[0.8912, 0.8113]", "The recall of class 1 is not a share of 101 images"),
        ("report.macro", "{ recall = 0.8612 }", "The macro recall does not follow"),
        ("report.macro", "{ f1 = 0.8602 }", "The macro F1 does not follow"),
        ("report.weighted", "{ precision = 0.8412 }", "The weighted precision does not follow"),
        ("accuracy", "0.8600", "The accuracy does not follow"),
        ("accuracy", "0.8513", "The accuracy is not a share of 207 images"),
        ("n", "208", "The supports do not sum to n"),
        ("report.precision", "[0.5182, 0.8866]", "Precision and recall imply another number of answers"),
    ],
)
def test_a_report_that_contradicts_itself_is_found_without_a_matrix(field: str, value: str, said: str) -> None:
    cells = np.array([[90, 11], [20, 86]])
    assert wrong(findings(figures(cells))) == []
    found = findings(figures(cells) | {field: value})
    assert said in " ".join(f.what for f in found if f.severity == FAULT), found
    beside = [f for f in findings(figures(cells) | {field: value}, cells) if f.severity == FAULT]
    assert beside and beside[0].what == "The matrix and the scores contradict each other"


@settings(max_examples=30)
@given(skilled(), st.booleans())
def test_a_macro_f1_of_the_means_is_another_definition_and_keeps_the_matrix(cells: np.ndarray, beside: bool) -> None:
    cells[0] += cells.sum() // 3  # so that the definitions differ
    support, answered, hits = cells.sum(axis=1), cells.sum(axis=0), np.diag(cells)
    precision, recall = (hits / answered).mean(), (hits / support).mean()
    printed, own = 2 * precision * recall / (precision + recall), (2 * hits / (support + answered)).mean()
    lines = figures(cells)
    assert printed > own - 1e-12
    if printed < own + 3e-4:
        return
    lines["report.macro"] = f"{{ f1 = {printed:.4f} }}"
    found = findings(lines, cells if beside else None)
    [one] = [f for f in found if f.check == "figures" and f.severity != FINE]
    assert one.severity == DOUBT and one.what == "The macro F1 is that of the mean precision and recall"
    assert f"{printed:.4f}" in one.arithmetic and "Opitz" in one.reading
    assert "cells" not in [f.check for f in found]
    wronger = findings(lines | {"report.macro": f"{{ f1 = {printed + 0.01:.4f} }}"}, cells if beside else None)
    assert FAULT in [f.severity for f in wronger]


def test_the_matrix_beside_a_macro_f1_of_the_means_is_checked_further() -> None:
    cells = np.array([[450, 50], [450, 50]])  # of the means: 0.5; the mean of the classes' is 0.4048
    assert wrong(findings({"report.macro": "{ f1 = 0.5000 }"}, cells)) == [("figures", DOUBT), ("independence", FAULT)]
    assert wrong(findings({"report.macro": "{ f1 = 0.4048 }"}, cells)) == [("independence", FAULT)]
    both = {"report.macro": "{ precision = 0.5000, f1 = 0.5000 }", "accuracy": "0.4999"}
    assert ("cells", FAULT) in wrong(findings(both, cells))


def test_the_means_of_a_macro_f1_are_the_printed_ones_where_there_are_some() -> None:
    lines = {"report.macro": "{ precision = 0.60, recall = 0.50, f1 = 0.545 }", "report.f1": "[0.60, 0.45]"}
    assert wrong(findings(lines)) == [("figures", DOUBT)]  # without the classes' precision and recall
    assert wrong(findings(lines | {"report.macro": "{ precision = 0.60, f1 = 0.545 }"})) == [("figures", FAULT)]
    others = {"report.precision": "[0.90, 0.90]", "report.recall": "[0.90, 0.90]"}
    assert ("figures", DOUBT) in wrong(findings(lines | others))
    weighted = {"report.weighted": "{ precision = 0.60, recall = 0.50, f1 = 0.545 }", "report.support": "[50, 50]"}
    macro = {"report.macro": "{ precision = 0.60, recall = 0.50, f1 = 0.525 }"}
    assert wrong(findings(lines | macro | {"report.support": "[50, 50]"})) == []
    assert wrong(findings(lines | macro | weighted)) == [("figures", FAULT)]


def test_a_share_of_no_whole_number_is_a_fault_only_where_the_images_are_counted() -> None:
    one = {"accuracy": "0.653599", "n": "7178"}
    assert wrong(findings(one)) == [("figures", DOUBT)]
    assert "a mean over folds or batches" in findings(one)[0].reading
    assert ("figures", FAULT) in wrong(findings(one | {"report.support": "[3178, 4000]"}))
    assert wrong(findings(one, np.array([[4000, 178], [1000, 2000]])))[:2] == [("cells", FAULT), ("figures", FAULT)]
    named = {"claims.differ": "{ a = 0.7412, b = 0.5120 }", "n": "1000"}
    assert [f.severity for f in findings(named) if f.check == "figures"] == [DOUBT]
    counted = findings(named | {"report.support": "[500, 500]"})
    assert [f.severity for f in counted if f.check == "figures"] == [FAULT]
    trained = {"accuracy": "0.5000", "train_accuracy": "0.5123", "train_n": "1000", "report.support": "[70, 30]"}
    assert [f.severity for f in findings(trained) if f.check == "figures"] == [DOUBT]  # those supports are others'


# ---- answers that know nothing


@pytest.mark.parametrize("said", [SHARES, SAID])
def test_shuffled_labels_are_found_in_a_matrix_and_in_a_report(said: Sequence[float]) -> None:
    rng = np.random.default_rng(0)
    for _ in range(10):
        cells = shuffled_cells(rng, SHARES, said, 5000)
        own = shuffled(cells)
        assert own is not None and own.severity == FAULT and "rows are probably out of order" in own.sentence
        for digits in (2, 4):
            assert wrong(findings(figures(cells, digits), cells)) == [("independence", FAULT)]
            found = findings(figures(cells, digits))
            assert wrong(found) == [("independence", FAULT)]
            assert "precision of every class is its share" in found[-1].arithmetic


def test_hardly_any_shuffle_is_missed_and_weak_skill_is_not_called_a_shuffle() -> None:
    rng = np.random.default_rng(1)
    assert sum(shuffled(shuffled_cells(rng, SHARES, SAID, 3000)) is not None for _ in range(60)) >= 59
    for _ in range(5):
        weak = shuffled_cells(rng, SHARES, SAID, 4750) + np.diag(rng.multinomial(250, SHARES))  # 1 in 20 is known
        assert shuffled(weak) is None
        assert "independence" not in [f.check for f in findings(figures(weak)) if f.severity != FINE]
        # The diagonal is as by chance, but the answers say what the label is.
        numbered = np.roll(np.diag(rng.multinomial(1000, np.full(7, 1 / 7))), 1, axis=1)
        numbered += shuffled_cells(rng, SHARES, SAID, 1000)
        assert shuffled(numbered) is None
        kappa = {"accuracy": f"{chance(numbered.sum(axis=1), numbered.sum(axis=0)).agreement:.4f}"}
        assert "independence" not in [f.check for f in findings(figures(numbered) | kappa)]


def test_skill_that_no_class_shows_by_itself_is_seen_in_the_accuracy() -> None:
    rng = np.random.default_rng(2)
    for _ in range(5):
        weak = shuffled_cells(rng, SHARES, SAID, 6825) + np.diag(rng.multinomial(175, SHARES))  # 1 in 40 is known
        own = chance(weak.sum(axis=1), weak.sum(axis=0))
        assert np.trace(weak) / weak.sum() > own.agreement + 4 * own.deviation
        assert "independence" not in [f.check for f in findings(figures(weak))]


def test_few_answers_are_doubted_and_very_few_say_nothing() -> None:
    independent = np.array([[6, 6], [6, 6]])
    found = shuffled(independent * 2)
    assert found is not None and found.severity == DOUBT and "cannot be told" in found.what
    assert shuffled(independent * 100).severity == FAULT  # type: ignore[union-attr]
    assert shuffled(np.array([[2, 1], [1, 2]])) is None
    assert shuffled(np.array([[0, 9], [0, 9]])) is None  # one class: that is said elsewhere
    assert shuffled(np.zeros((3, 3), np.int64)) is None
    with pytest.raises(DataError, match=r"\(K, K\)"):
        shuffled(np.ones((2, 3), np.int64))


@pytest.mark.parametrize("n", [100, 200, 300])
@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.66, 0.34), (1 / 7,) * 7, tuple(s / sum(SHARES) for s in SHARES)])
def test_models_that_beat_the_commonest_class_are_not_doubted_and_shuffles_are_found(
    shares: tuple[float, ...], n: int
) -> None:
    rng, better, doubted, missed, missed_in_print = np.random.default_rng(n), 0, 0, 0, 0
    for known in np.linspace(0, 0.6, 40):
        cells = shuffled_cells(rng, shares, shares, n)
        missed += shuffled(cells) is None
        missed_in_print += "independence" not in [f.check for f in findings(figures(cells))]
        right = round(known * n)
        cells = shuffled_cells(rng, shares, shares, n - right) + np.diag(rng.multinomial(right, shares))
        if exact_interval(int(np.trace(cells)), n)[0] > cells.sum(axis=1).max() / n:
            better += 1
            printed = [f for f in findings(figures(cells, 2)) if f.check == "independence"]
            doubted += shuffled(cells) is not None or bool(printed)
    assert better >= 10 and doubted <= 1 and missed <= 6 and missed_in_print <= 6


def test_65_of_100_right_are_no_shuffle() -> None:
    cells = np.array([[33, 17], [18, 32]])
    assert shuffled(cells) is None and wrong(findings(figures(cells))) == []
    # The accuracy is that of chance, but chi-square's p is 0.017: the answers do depend on the labels.
    turned = np.array([[8, 4, 12], [12, 8, 4], [4, 12, 8]])
    assert shuffled(turned) is None
    assert shuffled(np.array([[8, 6, 10], [10, 8, 6], [6, 10, 8]])).severity == DOUBT  # type: ignore[union-attr]
    # No cell is far from what independence gives, but the accuracy is, by 3.2 standard deviations.
    diagonal = np.full((7, 7), 2) + 2 * np.eye(7, dtype=np.int64)
    assert shuffled(diagonal) is None
    assert "independence" not in [f.check for f in findings(figures(diagonal))]


def test_a_doubt_hides_nothing() -> None:
    few = np.array([[12, 12], [12, 12]])
    assert wrong(findings(figures(few), few)) == [("independence", DOUBT), ("guessing", DOUBT)]
    assert wrong(findings(figures(few * 100), few * 100)) == [("independence", FAULT)]


def test_one_class_is_found_in_a_matrix_a_report_and_an_accuracy() -> None:
    cells = np.zeros((4, 4), np.int64)
    cells[:, 2] = [40, 50, 60, 70]
    for found in (findings(figures(cells), cells), findings(figures(cells, 2))):
        assert wrong(found) == [("one class", FAULT)] and "class 3" in found[-1].arithmetic
    alone = {"accuracy": "0.23842", "report.support": "[4000, 5000, 6000, 10166]", "n": "25166"}
    assert wrong(findings(alone)) == [("one class", DOUBT), ("guessing", DOUBT)]
    assert "6,000 of 25,166" in findings(alone)[0].arithmetic and "in 0.59% of cases" in findings(alone)[0].arithmetic
    assert wrong(findings(alone | {"accuracy": "0.24"})) == [("guessing", DOUBT)]  # so many could come to that
    assert wrong(findings(alone | {"accuracy": "0.23850"})) == [("guessing", DOUBT)]
    many = {"accuracy": "0.3000000", "report.support": "[3000000, 7000000]"}  # 1 of 3,600 comes to it
    assert wrong(findings(many)) == [("one class", FAULT)]


def test_zeros_that_are_rounded_are_no_proof_of_one_class() -> None:
    recall, both = {"report.recall": "[1.00, 0.00]"}, "[1000, 1000]"
    rounded = np.array([[1000, 0], [996, 4]])
    assert wrong(findings(figures(rounded, 2))) == [("guessing", DOUBT)]
    assert figures(rounded, 2)["report.recall"] == recall["report.recall"]
    assert wrong(findings(recall | {"report.support": both})) == []  # up to 4 of 1,000 may be right
    for support in ("[1000, 100]", "[1000, 199]"):
        assert wrong(findings(recall | {"report.support": support})) == [("one class", FAULT)]
    assert wrong(findings(recall | {"report.support": "[1000, 200]"})) == []
    assert wrong(findings(recall | {"report.support": "[1000, 0]"})) == []  # there is but one class to answer
    [unknown] = [f for f in findings(recall) if f.severity != FINE]
    assert unknown.severity == DOUBT and unknown.what == "It may answer one class only"
    for proof in ({"report.precision": "[0.50, 1.00]"}, {"report.f1": "[0.67, 0.01]"}):
        assert "one class" not in [f.check for f in findings(recall | proof)]
    for none in ("[0.50, 0.00]", "[0.50, nan]"):
        assert ("one class", DOUBT) in wrong(findings(recall | {"report.precision": none}))


def test_an_accuracy_that_is_a_share_by_chance_is_no_fault() -> None:
    some = {"accuracy": "0.4000", "report.support": "[400, 200, 200, 200]"}
    assert wrong(findings(some)) == [("one class", DOUBT), ("guessing", DOUBT)]
    for name in ("precision", "f1"):
        shown = findings(some | {f"report.{name}": "[0.55, 0.31, 0.36, 0.34]"})
        assert "one class" not in [f.check for f in shown] and FAULT not in [f.severity for f in shown]
    named = some | {"report.f1": "[0.57, 0.00, 0.00, 0.00]"}  # as it is where that class is all that is answered
    assert ("one class", DOUBT) in wrong(findings(named))
    assert "one class" not in [f.check for f in findings(some | {"report.f1": "[0.00, 0.57, 0.00, 0.00]"})]
    # Each share that might have been hit counts: with many of them, one is hit more often.
    shares = {"accuracy": "0.4000", "report.support": "[400, 399, 201]"}
    assert "one class" not in [f.check for f in findings(shares)]
    even = {"accuracy": "0.2500", "report.support": "[1000, 1000, 1000, 1000]"}
    assert wrong(findings(even)) == [("one class", FAULT)]
    assert wrong(findings(even | {"accuracy": "0.25"})) == [("guessing", DOUBT)]


def test_an_accuracy_is_held_against_the_commonest_class() -> None:
    base = {"n": "400", "classes": "4"}
    assert wrong(findings(base | {"accuracy": "0.3250"})) == []
    assert wrong(findings(base | {"accuracy": "0.2800"})) == [("guessing", DOUBT)]
    assert wrong(findings(base | {"accuracy": "0.3250", "claims.majority": "0.30"})) == [("guessing", DOUBT)]
    assert wrong(findings(base | {"accuracy": "0.3250", "claims.shares": "[0.30, 0.30, 0.20, 0.20]"})) != []
    assert wrong(findings({"accuracy": "0.60", "claims.majority": "0.66"})) == [("guessing", DOUBT)]
    [worse] = findings(base | {"accuracy": "0.5000", "claims.majority": "0.66"})
    assert worse.what == "Worse than always answering the commonest class"
    [none] = findings({"n": "131", "classes": "13", "accuracy": "0.0000"})
    assert none.severity == FAULT and "3e-05" in none.arithmetic and "about 10" in none.reading
    assert wrong(findings({"n": "5", "classes": "13", "accuracy": "0.0000"})) == [("guessing", DOUBT)]


# ---- claims


def test_a_difference_needs_images() -> None:
    close = {"claims.differ": '{ a = 0.77, b = 0.79, "c d" = 0.75 }', "n": "128"}
    [few] = findings(close)
    assert few.severity == FAULT and "128 images are too few" in few.what
    [many] = [f for f in findings(close | {"n": "100000"}) if f.check == "difference"]
    assert many.severity == FINE
    [unpaired] = [f for f in findings(close | {"n": "1000"}) if f.check == "difference"]
    assert unpaired.severity == DOUBT and "Test the pairs" in unpaired.reading
    some = {"claims.differ": "{ a = 0.770, b = 0.771, c = 0.600 }", "n": "2000"}
    [partly] = findings(some)
    assert partly.severity == DOUBT and partly.what == "1 of 3 differences may be chance"
    assert partly.reading == "Say so of a and b."
    [rounded] = findings({"claims.differ": "{ a = 0.50, b = 0.52 }", "n": "300"})  # 149 and 157 at the most
    assert rounded.severity == DOUBT and "a 149 to 151" in rounded.arithmetic and "0.0078" in rounded.arithmetic
    [equal] = findings({"claims.differ": "{ a = 0.50, b = 0.50 }", "n": "100"})
    assert equal.severity == FAULT


def test_a_baseline_training_and_one_number_in_two_places() -> None:
    one = {"accuracy": "0.750", "n": "400"}
    assert wrong(findings(one | {"claims.baseline": "0.600"})) == []
    assert wrong(findings(one | {"claims.baseline": "0.740"})) == [("difference", DOUBT)]
    assert wrong(findings(one | {"claims.baseline": "0.760"})) == [("difference", FAULT)]
    assert wrong(findings(one | {"train_accuracy": "0.900"})) == []
    assert wrong(findings(one | {"train_accuracy": "0.735", "train_n": "4000"})) == []
    assert wrong(findings(one | {"train_accuracy": "0.650", "train_n": "4000"})) == [("training", DOUBT)]
    assert wrong(findings({"accuracy": "0.75", "train_accuracy": "0.75"})) == []
    assert wrong(findings({"claims.same": "[0.7683, 0.7187]"})) == [("claims", FAULT)]
    assert wrong(findings({"claims.same": "[0.7683, 0.768, 0.77]"})) == []
    assert wrong(findings({"accuracy": "0.5880", "claims.same": "[0.58]"})) == [("claims", DOUBT)]
    [impossible] = [f for f in findings({"accuracy": "0.653599", "n": "7178"}) if f.severity != FINE]
    assert "nearest number that fits is 7,168, with 4,685 right" in impossible.reading
    assert f"{4685 / 7168:.6f}" == "0.653599"
    assert "4,691 would print 0.653525, 4,692 0.653664" in impossible.arithmetic


# ---- the papers


def of(study: str, name: str) -> list[Finding]:
    found = [f for f in check(load(STUDIES / study / "published.toml")) if f.result == name]
    assert found, name
    return found


def test_the_mislabelled_cells_of_the_hybrid_paper_are_found() -> None:
    true = {
        "training": "TN 18,533, FP 1,471, FN 7,183, TP 2,993",
        "validation": "TN 4,607, FP 360, FN 1,531, TP 1,046",
    }
    for part, cells in true.items():
        found = [f for f in of("hybrid-cnn-svm", f"tuned SVM on 2 classes, {part} images") if f.severity == FAULT]
        assert [f.check for f in found] == ["cells"]
        assert found[0].what == "Cells carry wrong names: printed TP is FP, printed FP is FN, printed FN is TP"
        assert found[0].reading.startswith(cells)


def test_the_collapsed_first_net_of_the_hybrid_paper_is_found() -> None:
    [one] = of("hybrid-cnn-svm", "SVM on 13 classes, training images")
    assert (one.check, one.severity) == ("one class", FAULT) and "2,500 of 32,500 = 0.076923" in one.arithmetic
    [test] = of("hybrid-cnn-svm", "SVM on 13 classes, test images")
    assert (test.check, test.severity) == ("guessing", DOUBT) and "501 of 9,837" in test.reading
    cnn = of("hybrid-cnn-svm", "CNN on 13 classes, validation images")
    assert cnn[0].what == "No answer is right" and cnn[0].severity == FAULT
    assert wrong(of("hybrid-cnn-svm", "SVM on 2 classes")) == [("training", DOUBT)]


@pytest.mark.parametrize(("part", "agree"), [("training", "0.1760"), ("validation", "0.1727")])
def test_the_shuffled_labels_of_convrelu_ann_are_found(part: str, agree: str) -> None:
    found = of("convrelu-ann", f"classification report, {part} images")
    [one] = [f for f in found if f.check == "independence"]
    assert one.severity == FAULT and f"agree {agree}" in one.arithmetic
    assert all(label in one.arithmetic for label in ("angry 0.14 and 0.1", "disgust 0.01 and 0.015", "surprise 0.1"))
    low, high = map(float, re.findall(r"agree 0\.\d+ \((0\.\d+) to (0\.\d+)\)", one.arithmetic)[0])
    assert low < 0.185 and high > 0.175  # what is printed as 0.18
    assert wrong(found) == [("independence", FAULT), ("claims", FAULT)]
    assert ("figures", FINE) in [(f.check, f.severity) for f in found]  # the report itself was copied correctly


def test_the_history_of_convrelu_ann_was_taken_on_7168_images() -> None:
    found = of("convrelu-ann", "history, epoch 99, validation images")
    assert wrong(found) == [("figures", DOUBT), ("claims", FAULT)]
    assert "7,168, with 4,685 right; or it is a mean over folds or batches" in found[0].reading


def test_the_128_images_of_model_zoo_are_found() -> None:
    [grid] = of("model-zoo", "model 3, kernel and learning rate")
    assert grid.severity == FAULT and "128 images are too few" in grid.what
    assert "has 101 right, 2×2, 0.003 96; McNemar's p is 0.062" in grid.arithmetic
    assert "154 images at the very least" in grid.reading
    for name in ("ResNet v2, frozen", "EfficientNet, frozen"):
        [frozen] = of("model-zoo", name)
        assert (frozen.check, frozen.severity) == ("guessing", DOUBT) and "0.2500" in frozen.arithmetic


def test_the_other_papers_are_read_too() -> None:
    assert wrong(of("balanced-cnn", "FER2013 as listed")) == [("figures", FAULT)]
    assert "4,002 is missing" in of("balanced-cnn", "FER2013 as listed")[0].reading
    assert wrong(of("three-datasets", "AffectNet-HQ, 8 classes")) == []
    assert wrong(of("three-datasets", "FER2013, 3 classes, ResNet18")) == [("claims", FAULT)]
    for name in ("FER2013, 3 classes", "FER Tiny, 13 classes"):
        assert wrong(of("three-datasets", name)) == [("figures", DOUBT)] * 3 + [("difference", DOUBT)]
    assert {p.parent.name for p in STUDIES.glob("*/published.toml")} >= {
        "hybrid-cnn-svm", "convrelu-ann", "model-zoo", "balanced-cnn", "three-datasets",
    }  # fmt: skip


# ---- the statistics themselves


@settings(max_examples=60)
@given(st.integers(0, 60), st.integers(1, 60), st.integers(0, 20))
def test_the_binomial_tail_is_the_sum_of_its_terms(k: int, n: int, twentieths: int) -> None:
    p = Fraction(twentieths, 20)
    exact = sum(math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(min(k, n) + 1))
    assert at_most(k, n, float(p)) == pytest.approx(float(exact), rel=1e-9, abs=1e-15)


def test_the_exact_interval_is_the_known_one() -> None:
    for (k, n), ends in {
        (0, 10): (0, 0.3085),
        (5, 10): (0.1871, 0.8129),
        (10, 10): (0.6915, 1),
        (96, 128): (0.6658, 0.8223),
    }.items():
        assert exact_interval(k, n) == pytest.approx(ends, abs=6e-5)
    low, high = exact_interval(2_500_000, 10_000_000)
    assert high - low == pytest.approx(2 * 1.96 * math.sqrt(0.25 * 0.75 / 1e7), rel=0.01)


def test_chance_agreement_is_that_of_all_shuffles() -> None:
    labels, answers = np.array([0, 0, 0, 1, 1, 2, 2]), np.array([0, 0, 1, 1, 1, 1, 2])
    agree = [(labels == np.array(order)).mean() for order in itertools.permutations(answers)]
    found = chance(np.bincount(labels), np.bincount(answers))
    assert found.agreement == pytest.approx(np.mean(agree)) and found.deviation == pytest.approx(np.std(agree))
    assert found.kappa(1.0) == 1 and found.kappa(found.agreement) == 0


def test_mcnemar_is_the_sign_test_and_its_bounds_are_those_of_all_overlaps() -> None:
    assert (
        exact_mcnemar(5, 0) == pytest.approx(0.0625)
        and exact_mcnemar(0, 6) == pytest.approx(0.03125)
        and exact_mcnemar(7, 7) == 1
    )
    assert exact_mcnemar(10, 2) == pytest.approx(2 * (1 + 12 + 66) / 4096)
    for n, least, most in ((20, 9, 15), (30, 25, 28), (12, 3, 3)):
        every = [exact_mcnemar(most - both, least - both) for both in range(max(0, least + most - n), least + 1)]
        assert bounds(least, most, n) == pytest.approx((min(every), max(every)))


# ---- reading


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("accuracy = 75", "accuracy is 75, expected a share: 0.75, not 75"),
        ("accuracy = 74.93", "0.7493, not 74.93"),
        ("accuracy = -0.1", "accuracy is -0.1, expected a share from 0 to 1"),
        ("accuracy = 1", "such as 1.00"),
        ('accuracy = "0.75"', "accuracy is '0.75', expected a number such as 0.75"),
        ("accuracy = true", "accuracy is True, expected a number"),
        ("accuracy = nan", "accuracy is NaN, expected a number"),
        ("acuracy = 0.75", "acuracy: no such field, did you mean accuracy?"),
        ("[report]\nprecison = [0.50, 0.50]", "report.precison: no such field, did you mean report.precision?"),
        ("[report.macro]\nF1 = 0.5", "did you mean report.macro.f1?"),
        ("[confusion]\nsupport = [1, 2]", "confusion.support: no such field, did you mean report.support?"),
        ("[confusion]\nxyz = 3", "there are confusion.truth, confusion.cells"),
        ("classes = 3\n[[result]]\nn = 3", "classes belongs below [[result]]"),
        ("[[reslt]]\nn = 3", "reslt: no such field, did you mean result?"),
        ("[result]\naccuracy = 0.5", "expected one table or more, each headed [[result]]"),
        ("result = []", "each headed [[result]]"),
        ("[confusion]\ncells = [[1, 2], [3]]", "confusion has 2 rows of 2, 1 cells, expected as many columns as rows"),
        ("[confusion]\ncells = [[1, 2, 3], [3, 4, 5]]", "2 rows of 3, 3 cells"),
        ("[confusion]\ncells = [[1, -2], [3, 4]]", "confusion.cells (row 1, column 2) is -2, expected a count"),
        ("[confusion]\ncells = [[0.5, 0.5], [0.1, 0.9]]", "of a matrix of shares give the diagonal as report.recall"),
        ('[confusion]\ncells = [[1, "b"], [3, 4]]', "(row 1, column 2) is 'b', expected a whole number"),
        ("[confusion]\ncells = [[0, 0], [0, 0]]", "confusion is empty or too large"),
        ("[confusion]\ncells = [[5]]", "confusion is empty or too large"),
        ("[confusion]\ncells = [[1, 2], [3, 4]]\nTN = 1", "has both cells and TN"),
        ("[confusion]\nTN = 1\nFP = 2", "has TN, FP, expected cells, or TN, FP, FN and TP"),
        ('[confusion]\ntruth = "row"\ncells = [[1, 2], [3, 4]]', "truth is 'row', expected 'rows' or 'columns'"),
        ("[report]\nsupport = [1, 2.5]", "report.support (value 2) is 2.5, expected a whole number"),
        ("classes = 3\n[report]\nsupport = [1, 2]", "report.support has 2 classes, expected 3, as classes has"),
        ('classes = ["a", "a"]\naccuracy = 0.5', "expected two different names or more"),
        ("classes = 1\naccuracy = 0.5", "classes is 1, expected a list of names, or their number"),
        ("n = 0\naccuracy = 0.5", "n is 0, expected at least one image"),
        ("report = 3", "report is 3, expected a table"),
        ("[report]\nrecall = 0.5", "report.recall is 0.5, expected a list"),
        ("[[result]]\naccuracy = 0.5\n[[result]]\naccuracy = 5", "result 2, accuracy is 5"),
        ("", "there is nothing to check"),
        ("n = 5", "there is nothing to check"),
        ("a = [", "is not TOML"),
    ],
)  # fmt: skip
def test_a_bad_file_says_what_came_and_what_was_expected(text: str, said: str) -> None:
    with pytest.raises(DataError) as error:
        parse(text, "paper.toml")
    assert said in str(error.value) and str(error.value).startswith("paper.toml")


def test_all_problems_are_listed_but_not_without_end() -> None:
    with pytest.raises(DataError) as error:
        parse(f"[report]\nsupport = {[-1] * 50}", "paper.toml")
    assert str(error.value).count("expected a count") == 5 and "and 45 more" in str(error.value)


@pytest.mark.parametrize(
    "text",
    [
        "n = " + "9" * 5000,
        "accuracy = 0x" + "f" * 5000,
        "classes = 0x" + "f" * 5000 + "\naccuracy = 0.5",
        "a = " + "[" * 5000,
        "report." + "a." * 2000 + "b = 1",
        "accuracy = 0e" + "9" * 40,
    ],
)
def test_numbers_without_end_and_tables_within_tables_are_errors(text: str) -> None:
    with pytest.raises(DataError, match=r"^paper\.toml") as error:
        parse(text, "paper.toml")
    assert len(str(error.value)) < 400


def test_exponents_out_of_range_are_shares_all_the_same() -> None:
    lines = {"n": "100", "report.support": "[50, 50]"}
    for odd in ("0e400", "1e-400", "1e-200", "0.5" + "0" * 400):
        assert findings(lines | {"accuracy": odd})
    assert findings({"claims.differ": "{ a = 0e9, b = 1e-200 }", "n": "100"})[0].severity == FAULT


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.toml cannot be read"):
        load(tmp_path / "none.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match=r"bytes\.toml cannot be read"):
        load(tmp_path / "bytes.toml")


def test_the_zeros_at_the_end_of_a_number_are_kept() -> None:
    assert [str(v) for v in parse("claims.same = [0.50, 0.5, 0.500]", "a").result[0].claims.same] == [
        "0.50",
        "0.5",
        "0.500",
    ]
    assert wrong(findings({"accuracy": "0.54", "claims.same": "[0.5]"})) == []
    assert wrong(findings({"accuracy": "0.54", "claims.same": "[0.50]"})) != []


def test_a_single_result_needs_no_heading_and_gets_a_name() -> None:
    one = parse('accuracy = 0.5\ntitle = "T"', "paper.toml")
    assert (one.title, one.result[0].name) == ("T", "result 1")
    two = parse('[[result]]\naccuracy = 0.5\n[[result]]\naccuracy = 0.5\nname = "b"', "folder/paper.toml")
    assert (two.title, [r.name for r in two.result]) == ("paper", ["result 1", "b"])


# ---- the page


def test_the_page_names_every_field_and_its_example_is_the_hybrid_papers() -> None:
    code = re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert code
    found = check(parse(code[1], "paper.toml"))
    assert found[0].reading.startswith("TN 4,607, FP 360, FN 1,531, TP 1,046")
    named = set(re.findall(r"`(?:\w+\.)?(\w+)`", PAGE))
    for table in (Result, Confusion, Report, Averages, Claims):
        assert set(table.model_fields) - {"confusion", "report", "claims"} <= named, table
    for file in re.findall(r"studies/[\w-]+/published\.toml", PAGE):
        assert (ROOT / file).is_file()
