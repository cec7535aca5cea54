"""Why a loss may be large beside an accuracy."""

from __future__ import annotations

import math

import numpy as np

from mien.studies.measures.ran import Ran, answers_to, losses, mean, means, share
from mien.studies.result import Quantity


def loss(ran: Ran, part: str) -> dict[str, Quantity]:
    """Take the log loss of a part apart.

    The bundle's probabilities hold a temperature T that was fitted on validation; the network's own are
    softmax(T · log p), which is what a framework prints a loss of. Rows that the part repeats count as often as they
    occur. Intervals are percentile bootstrap over faces, 1000 draws; ``n`` is the number of different faces.

    Returns:
        - ``log_loss``: of the network's own probabilities, nats; ``right`` and ``wrong``: its mean over the faces that
          are answered rightly, and over the others;
        - ``accuracy``;
        - ``confidence`` and ``confidence_wrong``: mean largest own probability, over all faces and over those answered
          wrongly;
        - ``temperature``: T; ``cooled``: the log loss of the bundle's probabilities;
        - ``expected``: a yardstick, not a measurement: the log loss of a network that is right as often, as sure of
          each answer as it is right (a), and spreads the rest evenly over the other K - 1 classes,
          -a ln a - (1 - a) ln((1 - a) / (K - 1)). One that knows which faces are hard, or which classes are alike,
          stays under it; one that is over-confident may be far above.
    """
    found = answers_to(ran, part)
    own, times, right = losses(found.own, found.labels), found.times, found.right
    sure = found.own.max(axis=1)
    over = means(
        {
            "log_loss": (own, times),
            "right": (own, times * right),
            "wrong": (own, times * ~right),
            "accuracy": (right, times),
            "confidence": (sure, times),
            "confidence_wrong": (sure, times * ~right),
            "cooled": (losses(found.given, found.labels), times),
        }
    )
    sureness = ("confidence", "confidence_wrong")
    named = {name: mean(one, "share" if name in sureness else "number") for name, one in over.items()}
    named["accuracy"] = share(over["accuracy"])
    named["temperature"] = Quantity("number", round(found.temperature, 6))
    expected = expected_loss(float(np.average(right, weights=times)), len(found.vocabulary))
    named["expected"] = Quantity("number", round(expected, 6), n=len(found.rows))
    return named


def expected_loss(accuracy: float, classes: int) -> float:
    """Log loss of answers that all have the confidence ``accuracy``, and are right as often; nats."""
    rest = 1 - accuracy
    of_right = -accuracy * math.log(accuracy) if accuracy else 0.0
    return of_right - (rest * math.log(rest / (classes - 1)) if rest else 0.0)
