"""Curves: scikit-learn's points, and the same area after thinning."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.evaluation.calibration import softmax
from mien.evaluation.curves import MOST, precision_recall, roc, roc_macro, roc_micro
from mien.evaluation.metrics import scores


def simulated(n: int, k: int = 4, seed: int = 0, steps: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.choice(k, n, p=np.arange(1, k + 1) / np.arange(1, k + 1).sum())
    p = softmax(rng.normal(0, 1.5, (n, k)) + 1.5 * np.eye(k)[labels])
    return labels, p if steps is None else np.round(p * steps) / steps


def stairs(x: np.ndarray, y: np.ndarray) -> float:
    """Area of steps whose height is that of the point at their right."""
    return float((np.diff(x) * y[1:]).sum())


@given(st.integers(2, 99), st.integers(0, 1000), st.sampled_from([None, 3, 10]))
@settings(max_examples=20)
def test_points_are_those_of_scikit_learn(n: int, seed: int, steps: int | None) -> None:
    sk = pytest.importorskip("sklearn.metrics")
    labels, p = simulated(n, seed=seed, steps=steps)
    for k in range(4):
        own = labels == k
        x, y = roc(labels, p, k)
        if own.all() or not own.any():
            assert len(x) == len(y) == 0
        else:
            wanted = sk.roc_curve(own, p[:, k], drop_intermediate=False)[:2]
            assert (x, y) == (pytest.approx(wanted[0]), pytest.approx(wanted[1]))
        recall, precision = precision_recall(labels, p, k)
        if not own.any():
            assert len(recall) == len(precision) == 0
            continue
        assert stairs(recall, precision) == pytest.approx(sk.average_precision_score(own, p[:, k]))
        theirs = {(round(a, 9), round(b, 9)) for b, a, _ in zip(*sk.precision_recall_curve(own, p[:, k]), strict=False)}
        assert {(round(a, 9), round(b, 9)) for a, b in zip(recall[1:], precision[1:], strict=True)} <= theirs
        assert (recall[0], precision[0]) == (0, precision[1]) and recall[-1] == 1 and (np.diff(recall) > 0).all()
    own = labels[:, None] == np.arange(4)
    x, y = roc_micro(labels, p)
    wanted = sk.roc_curve(own.ravel(), p.ravel(), drop_intermediate=False)[:2]
    assert (x, y) == (pytest.approx(wanted[0]), pytest.approx(wanted[1]))


@pytest.mark.parametrize("steps", [None, 20])
@pytest.mark.parametrize("n", [60, 3584])
def test_curves_are_short_and_keep_their_area(n: int, steps: int | None) -> None:
    labels, p = simulated(n, 8, steps=steps)
    found = scores(labels, p, "abcdefgh", draws=0)
    for k in range(8):
        x, y = roc(labels, p, k)
        recall, precision = precision_recall(labels, p, k)
        assert len(x) == len(y) <= MOST and len(recall) == len(precision) <= MOST
        assert np.trapezoid(y, x) == pytest.approx(found.classes[k].roc_auc.value, abs=0.001)
        assert stairs(recall, precision) == pytest.approx(found.classes[k].average_precision.value, abs=0.004)
    for name, (x, y) in (("micro", roc_micro(labels, p)), ("macro", roc_macro(labels, p))):
        assert len(x) == len(y) <= MOST
        assert (x[0], y[0], x[-1], y[-1]) == (0, 0, 1, 1)
        assert (np.diff(x) >= 0).all() and (np.diff(y) > -1e-12).all()
        assert np.trapezoid(y, x) == pytest.approx(found.headline[f"roc_auc_{name}"].value, abs=0.001)


def test_the_macro_curve_is_the_mean_of_the_classes_curves() -> None:
    labels, p = simulated(80)
    x, y = roc_macro(labels, p)
    at = np.array([0.011, 0.203, 0.507, 0.811])  # no curve rises there
    curves = [roc(labels, p, k) for k in range(4)]
    assert np.interp(at, x, y) == pytest.approx(np.mean([np.interp(at, *curve) for curve in curves], axis=0))


def test_classes_without_faces_are_left_out_of_the_macro_curve() -> None:
    labels, p = simulated(80)
    labels[labels == 1] = 2
    x, y = roc_macro(labels, p)
    found = scores(labels, p, "abcd", draws=0)
    assert np.trapezoid(y, x) == pytest.approx(found.headline["roc_auc_macro"].value)


def test_faces_of_one_class_have_no_roc_curve() -> None:
    labels, p = np.zeros(5, int), np.full((5, 2), 0.5)
    assert [len(a) for a in (*roc(labels, p, 0), *roc(labels, p, 1), *roc_macro(labels, p))] == [0] * 6
    assert precision_recall(labels, p, 0)[1].tolist() == [1, 1]
