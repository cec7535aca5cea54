"""A fitted hybrid becomes a bundle: joined, compared with scikit-learn, scored, described."""

from __future__ import annotations

import datetime
import json
import tomllib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from mien import bundle
from mien.errors import ExportError, RecipeError
from mien.evaluation import cards
from mien.evaluation.scores import Predictions
from mien.recipe import parse, to_toml, validated
from mien.training.hybrid.fitting import Fitted
from mien.training.hybrid.graph import head_of, joined

# Everything after the features is float64 in the graph, as in scikit-learn, so what is left is the rounding of the
# probabilities to float32 (1e-7) and the network's own features, which differ in their last digit with the batch.
TOLERANCE = 1e-4


def export(fitted: Fitted, folder: Path, name: str = "", description: str = "") -> bundle.Card:
    """Write the bundle of a hybrid: outputs ``VOCABULARY_probabilities`` and ``features``.

    Args:
        fitted: What ``fit`` gave.
        folder: The bundle's folder; must not exist.
        name: Of the bundle; the network's name and the head's kind if empty.
        description: Sentences for the card; what the head is and what its fit left open if empty.

    Returns:
        The card.

    Raises:
        ExportError: ONNX and scikit-learn differ by more than ``TOLERANCE`` in a probability of the validation faces,
            or the network's ONNX opset is too old.
        BundleError: ``folder`` exists.
    """
    output = f"{fitted.faces.vocabulary.name}_probabilities"
    network = onnx.load(fitted.network.folder / "model.onnx")
    opset = next(o.version for o in network.opset_import if o.domain in ("", "ai.onnx"))
    model = joined(network, head_of(fitted.pipeline, fitted.raw, fitted.rows.labels, opset), output)
    body = model.SerializeToString()
    answers = _answers(body, output, fitted)
    held = fitted.scored["validation"]
    wanted = fitted.pipeline.predict_proba(held.features.astype(np.float64))
    # np.max, not max: a NaN must win, so that a head that answers NaN is refused.
    parity = float(np.max(np.abs(answers["validation"] - wanted)))
    if not parity <= TOLERANCE:
        raise ExportError(
            f"{fitted.phrase()}: ONNX and scikit-learn differ by {parity:.2e} in a probability",
            f"at most {TOLERANCE:.0e}",
            "For k nearest neighbours, faces that are the same and bear different labels do this: "
            "see mien data audit. Otherwise choose another setting.",
        )
    return bundle.save(folder, body, _card(fitted, answers, parity, model, output, name, description))


def _answers(body: bytes, output: str, fitted: Fitted) -> dict[str, np.ndarray]:
    """(n, K) probabilities of each part's faces, by the graph that is shipped."""
    network = cards.opened(body)
    return {
        part: cards.answers(network, [output], fitted.faces, scored.at)[output]
        for part, scored in fitted.scored.items()
    }


def _card(
    fitted: Fitted,
    answers: dict[str, np.ndarray],
    parity: float,
    model: onnx.ModelProto,
    output: str,
    name: str,
    description: str,
) -> dict[str, Any]:
    network, vocabulary = fitted.network.card, fitted.faces.vocabulary
    return {
        "name": name or f"{network.name}-{fitted.section.kind}",
        "description": description or _describe(fitted),
        "licence": network.licence,
        "created": datetime.date.today().isoformat(),
        "parameters": sum(
            int(np.prod(c.dims)) for c in model.graph.initializer if c.data_type in _NUMBERS and len(c.dims)
        ),
        "input": asdict(network.input),
        "vocabularies": {vocabulary.name: list(vocabulary.labels)},
        "outputs": [output, "features"],
        "crop": {k: asdict(v) for k, v in network.crop.items()},
        "training": _training(fitted),
        "calibration": _calibration(fitted, answers["validation"]),
        "scores": [_score(fitted, part, answers[part]) for part in fitted.scored],
        "parity": parity,
    }


_NUMBERS = (onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE, onnx.TensorProto.FLOAT16)


def _score(fitted: Fitted, part: str, answers: np.ndarray) -> dict[str, Any]:
    at, vocabulary = fitted.scored[part].at, fitted.faces.vocabulary
    predictions = Predictions(vocabulary, fitted.faces.rows[at], answers)
    return cards.score(fitted.faces, part, predictions, cards.right_answers(fitted.faces, at)[vocabulary.name])


def _calibration(fitted: Fitted, answers: np.ndarray) -> dict[str, Any]:
    name, labels = fitted.faces.vocabulary.name, fitted.scored["validation"].labels
    return {**cards.calibration({name: answers}, {name: labels}, name), "temperature": {}}


def _training(fitted: Fitted) -> dict[str, Any]:
    from mien.training.environment import environment  # it looks at the accelerator, which the rest does not need

    here, network = environment(), fitted.network.card.training
    leaks = [
        fitted.split.leaked,
        f"the network {fitted.network.card.name}: {network.leaked}" if network.leaked else "",
    ]
    return {
        "data": fitted.faces.provenance.source,
        "sha256": fitted.faces.provenance.sha256,
        "n": len(fitted.rows),
        "recipe": _recipe(fitted),
        "seed": fitted.seed,
        "epochs": 0,
        "hardware": here["hardware"],
        "seconds": round(fitted.seconds, 3),
        "commit": here["commit"],
        "excluded": {k: len(v) for k, v in fitted.split.excluded.items()},
        "split": fitted.split.name,
        "leaked": "; ".join(filter(None, leaks)),
        "shortened": network.shortened,
        "misscaled": network.misscaled,
    }


def _recipe(fitted: Fitted) -> str:
    """The network's recipe, with the head as it was fitted in place of its own."""
    head = fitted.section.model_dump(exclude_unset=True, exclude_none=True)
    table = "[head]\n" + "".join(f"{name} = {json.dumps(value)}\n" for name, value in head.items())
    text = fitted.network.card.training.recipe
    try:
        if "head" not in tomllib.loads(text):  # of whatever version: no field is looked at
            return f"{text.rstrip()}\n\n{table}".lstrip()
        values = parse(text, "the network's card").model_dump(exclude_unset=True)
        return to_toml(validated({**values, "head": head}, "the network's card"))
    except (tomllib.TOMLDecodeError, RecipeError):
        return table


def _describe(fitted: Fitted) -> str:
    network, section = fitted.network.card, fitted.section
    about = fitted.phrase()
    sentences = [
        f"{about[0].upper()}{about[1:]} on the {fitted.raw.shape[1]:,} features of {network.name}, which was trained "
        f"on {network.training.data}.",
        f"Fitted with {fitted.library}.",
    ]
    if fitted.search:
        sentences.append(
            f"The best of {len(fitted.search)} settings by {section.folds}-fold cross-validation inside the training "
            f"rows, where it scored {fitted.search[0].accuracy:.2%}."
        )
    if fitted.decides is not None:
        sentences.append(
            f"Its votes, before they become probabilities, are right for {fitted.decides:.2%} of the validation faces."
        )
    return " ".join([*sentences, *fitted.notes])
