"""The classifiers by name: pipelines of scikit-learn, and the ranges that are searched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import numpy as np
from scipy.stats import loguniform
from sklearn.base import ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import ParameterSampler
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from mien.recipe import HeadSection

Setting = Mapping[str, Any]
"""Parameters of one candidate, by scikit-learn's names: ``kernel``, ``C``, ``gamma``, ``degree``, ``n_neighbors``."""

ORDER = ("kernel", "C", "gamma", "degree", "n_neighbors")
NAMES = {"svm": "support vector machine", "knn": "k nearest neighbours", "logistic": "logistic regression"}


@dataclass(frozen=True)
class Library:
    """Whose classifiers are fitted.

    Attributes:
        name: With its version.
        svc: Class of the support vector machine.
        knn: Class of k nearest neighbours.
        logistic: Class of logistic regression.
        fits_at_once: Whether several fits gain from running at once; otherwise one fit uses all cores by itself.
        step: What one of the SVM's iterations counts for. scikit-learn-intelex solves for up to 1,024 rows in one
            (Wen et al. 2018, ThunderSVM), libsvm for two.
        note: Why it is not scikit-learn-intelex though that is installed; empty otherwise.
    """

    name: str
    svc: type[Any]
    knn: type[Any]
    logistic: type[Any]
    fits_at_once: bool
    step: int = 1
    note: str = ""


def library(intelex: bool = True) -> Library:
    """scikit-learn-intelex where it is installed, wanted and works; else scikit-learn.

    Nothing is patched: its classes stand in for scikit-learn's here and nowhere else.
    """
    note = ""
    if intelex and find_spec("sklearnex") is not None:
        try:
            from sklearnex import linear_model, neighbors, svm

            return Library(
                f"scikit-learn-intelex {version('scikit-learn-intelex')}",
                svm.SVC,
                neighbors.KNeighborsClassifier,
                linear_model.LogisticRegression,
                fits_at_once=False,
                step=1000,
            )
        except Exception as error:  # what breaks with another version of scikit-learn is not foreseeable
            note = (
                f"scikit-learn-intelex {version('scikit-learn-intelex')} does not work with scikit-learn "
                f"{version('scikit-learn')} ({error}), so scikit-learn's own classifiers were used"
            )
    plain = f"scikit-learn {version('scikit-learn')}"
    return Library(plain, SVC, KNeighborsClassifier, LogisticRegression, fits_at_once=True, note=note)


def pipeline(section: HeadSection, setting: Setting, own: Library) -> Pipeline:
    """Features scaled to mean 0 and standard deviation 1, then the classifier: steps ``scaler`` and ``head``.

    Args:
        section: Its kind and the bound on iterations count.
        setting: Parameters of the classifier.
        own: Whose classes to take.
    """
    return Pipeline([("scaler", StandardScaler()), ("head", _classifier(section, own).set_params(**setting))])


def _classifier(section: HeadSection, own: Library) -> ClassifierMixin:
    if section.kind == "knn":
        # Brute force: a tree is slower in 256 dimensions, and answers otherwise where distances are equal.
        return own.knn(algorithm="brute")
    if section.kind == "logistic":
        return own.logistic(max_iter=section.iterations)
    # SVC for the linear kernel too, as the literature has it: one against one, hinge loss, intercept not regularised.
    # LinearSVC is another problem (squared hinge, one against the rest), and gives other answers.
    return own.svc(max_iter=max(1, section.iterations // own.step))


def ranges(section: HeadSection) -> list[dict[str, Any]]:
    """What is searched over, as ``RandomizedSearchCV`` takes it.

    A table for each kernel, so that no two candidates differ in nothing but what their kernel does not use.
    """
    c, gamma = _values(section.C), _values(section.gamma) or ["scale"]
    if section.kind == "knn":
        return [{"n_neighbors": section.neighbours}]
    if section.kind == "logistic":
        return [{"C": c}]
    further: dict[str, dict[str, Any]] = {
        "linear": {},
        "poly": {"degree": section.degree, "gamma": gamma},
        "rbf": {"gamma": gamma},
    }
    return [{"kernel": [kernel], "C": c, **further[kernel]} for kernel in dict.fromkeys(section.kernel)]


def _values(given: list[float]) -> Any:
    return loguniform(*given) if len(given) == 2 else given


def first(section: HeadSection) -> Setting:
    """The first value of each range."""
    table = ranges(section)[0]
    return {k: v[0] if isinstance(v, list) else float(v.support()[0]) for k, v in table.items()}


def drawn(section: HeadSection, seed: int) -> list[Setting]:
    """The settings that are compared: the same that ``RandomizedSearchCV`` draws with this seed."""
    return list(ParameterSampler(ranges(section), most(section), random_state=seed))


def most(section: HeadSection) -> int:
    """Number of candidates; no more than there are, where all ranges are lists."""
    tables = ranges(section)
    if any(not isinstance(values, list) for table in tables for values in table.values()):
        return section.candidates
    return min(section.candidates, sum(int(np.prod([len(v) for v in table.values()])) for table in tables))


def stopped(classifier: Any) -> bool:
    """Whether a fitted classifier ran into its bound on iterations."""
    return bool(np.max(getattr(classifier, "n_iter_", 0)) >= getattr(classifier, "max_iter", np.inf))


def phrase(kind: str, setting: Setting) -> str:
    """A classifier in words, such as ``support vector machine (rbf kernel, C = 3.2, gamma = 0.01)``."""
    parts = [_part(name, setting[name]) for name in ORDER if name in setting]
    return f"{NAMES[kind]} ({', '.join(parts)})"


def _part(name: str, value: Any) -> str:
    if name == "kernel":
        return f"{value} kernel"
    if name == "n_neighbors":
        return f"k = {value}"
    return f"{name} = {value:.3g}" if isinstance(value, float) else f"{name} = {value}"
