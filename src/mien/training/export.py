"""A finished run becomes a bundle: temperature fitted, network exported, compared with torch, scored, described."""

from __future__ import annotations

import csv
import datetime
import json
import logging
import tempfile
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import nn

from mien import bundle, faces
from mien.data import FaceSet, Split
from mien.errors import ExportError
from mien.evaluation.calibration import certainty_threshold, expected_calibration_error, fit_temperature, softmax
from mien.evaluation.scores import Predictions, accuracy
from mien.expressions import FER2013, FERPLUS, VOCABULARIES, Vocabulary, ferplus_majority
from mien.training.run import Run
from mien.training.task import Deployed

TOLERANCE = 1e-4
LICENCE = "Apache-2.0"
# How a card's scores are counted, by vocabulary.
PROTOCOLS = {
    FER2013.name: "fer2013 labels, every face",
    FERPLUS.name: "ferplus majority: single votes dropped, more than half required",
}


def export(run: Run, folder: Path, description: str = "") -> bundle.Card:
    """Write the bundle of a run.

    Args:
        run: A finished run.
        folder: The bundle's folder; must not exist.
        description: A sentence for the card.

    Returns:
        The card.

    Raises:
        ExportError: ONNX and torch differ by more than ``TOLERANCE`` in probability.
        BundleError: ``folder`` exists.
    """
    network = run.task.network.eval()
    limit = run.recipe.data.limit
    held = run.faces.positions(run.split.parts["validation"][:limit])
    heads = _trained_heads(run)
    logits = _logits(network, heads, run.faces.faces[held])
    truth = {
        FER2013.name: run.faces.labels[held].astype(np.int64),
        FERPLUS.name: ferplus_majority(run.faces.votes[held]),
    }
    temperatures = {
        v.name: fit_temperature(logits[v.name][named], truth[v.name][named])
        for v in heads
        if (named := truth[v.name] >= 0).any()
    }
    deployed = Deployed(network, temperatures).eval()
    size = int(run.faces.faces.shape[1])
    body = to_onnx(deployed, size)
    parity = largest_difference(deployed, body, np.asarray(run.faces.faces[held[:256]]))
    if not parity <= TOLERANCE:
        raise ExportError(
            f"{run.recipe.name}: ONNX and torch differ by {parity:.2e} in probability",
            f"at most {TOLERANCE:.0e}",
            "This network cannot be shipped as exported.",
        )
    card = {
        "name": run.recipe.name,
        "description": description or _describe(run),
        "licence": LICENCE,
        "created": datetime.date.today().isoformat(),
        "parameters": sum(p.numel() for p in network.parameters()),
        "input": {"size": size},
        "vocabularies": {v: list(VOCABULARIES[v].labels) for v in temperatures},
        "outputs": deployed.output_names,
        "crop": {k: asdict(faces.geometry(k)) for k in faces.measured()["detectors"]},
        "training": _training(run),
        "calibration": _calibration(logits, truth, temperatures),
        "scores": _scores(body, list(temperatures), run.faces, run.split, limit),
        "parity": parity,
    }
    return bundle.save(folder, body, card)


def to_onnx(deployed: Deployed, size: int) -> bytes:
    """The network as an ONNX file: input ``faces`` (N, size, size) uint8, outputs by name."""
    example = torch.zeros(2, size, size, dtype=torch.uint8)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file = Path(folder) / "model.onnx"
        torch.onnx.export(
            deployed.to(memory_format=torch.contiguous_format),
            (example,),
            file,
            dynamo=True,
            verbose=False,
            input_names=["faces"],
            output_names=deployed.output_names,
            external_data=False,
            dynamic_shapes={"faces": {0: torch.export.Dim("n", min=1)}},
        )
        model = onnx.load(file)
    # The exporter notes the source path of every operation; a shipped file must not carry the machine's folders.
    for node in model.graph.node:
        del node.metadata_props[:]
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output, *model.graph.initializer):
        del value.metadata_props[:]
    del model.graph.metadata_props[:], model.metadata_props[:]
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def largest_difference(deployed: Deployed, body: bytes, sample: np.ndarray) -> float:
    """Largest difference in any probability between torch and ONNX Runtime over (N, s, s) uint8 faces."""
    with torch.inference_mode():
        wanted = dict(zip(deployed.output_names, deployed(torch.from_numpy(np.array(sample))), strict=True))
    names = [n for n in deployed.output_names if n.endswith("_probabilities")]
    got = _session(body).run(names, {"faces": np.ascontiguousarray(sample)})
    # np.max, not max: a NaN must win, so that a network that answers NaN is refused.
    return float(np.max([np.abs(wanted[n].numpy() - g).max() for n, g in zip(names, got, strict=True)]))


def _session(body: bytes) -> Any:
    import onnxruntime

    return onnxruntime.InferenceSession(body, providers=["CPUExecutionProvider"])


def _trained_heads(run: Run) -> list[Vocabulary]:
    """The vocabularies that the run had targets for: a head without any would answer at random."""
    train = run.faces.positions(run.split.parts["train"][: run.recipe.data.limit])
    voted = run.recipe.loss.ferplus > 0 and run.faces.votes[train, : len(FERPLUS)].any()
    return [FER2013, FERPLUS] if voted else [FER2013]


def _logits(network: nn.Module, heads: list[Vocabulary], stored: np.ndarray) -> dict[str, np.ndarray]:
    plain = Deployed(network, {v.name: 1.0 for v in heads}).eval()
    parts: dict[str, list[np.ndarray]] = {v.name: [] for v in heads}
    with torch.inference_mode():
        for i in range(0, len(stored), 256):
            out = dict(zip(plain.output_names, plain(torch.from_numpy(np.array(stored[i : i + 256]))), strict=True))
            for v in heads:
                parts[v.name].append(out[f"{v.name}_logits"].numpy())
    return {k: np.concatenate(v) for k, v in parts.items()}


def _scores(body: bytes, heads: list[str], stored: FaceSet, split: Split, limit: int | None) -> list[dict[str, Any]]:
    """Single-view accuracy of the exported file on what it was not trained on; PrivateTest is left alone."""
    session, scores = _session(body), []
    for part in (p for p in split.parts if p not in ("train", "private_test")):
        rows = split.parts[part][:limit]
        at = stored.positions(rows)
        names = [f"{v}_probabilities" for v in heads]
        chunks = [
            session.run(names, {"faces": np.ascontiguousarray(stored.faces[at[i : i + 256]])})
            for i in range(0, len(at), 256)
        ]
        targets = {FER2013.name: stored.labels[at].astype(np.int64), FERPLUS.name: ferplus_majority(stored.votes[at])}
        for v, column in zip(heads, zip(*chunks, strict=True), strict=True):
            if not (targets[v] >= 0).any():
                continue
            result = accuracy(Predictions(VOCABULARIES[v], rows, np.concatenate(column)), rows, targets[v])
            recall = {k: None if np.isnan(r) else round(r, 4) for k, r in result.recall.items()}
            scores.append(
                {
                    "data": stored.provenance.source,
                    "part": part,
                    "protocol": PROTOCOLS[v],
                    "value": result.value,
                    "low": result.low,
                    "high": result.high,
                    "n": result.n,
                    "recall": recall,
                }
            )
    return scores


def _calibration(
    logits: dict[str, np.ndarray], truth: dict[str, np.ndarray], temperatures: dict[str, float]
) -> dict[str, Any]:
    error = {}
    for name, temperature in temperatures.items():
        named = truth[name] >= 0
        error[name] = expected_calibration_error(softmax(logits[name][named] / temperature), truth[name][named])
    threshold = certainty_threshold(softmax(logits[FER2013.name] / temperatures[FER2013.name]), truth[FER2013.name])
    return {
        "fitted_on": "validation",
        "n": len(truth[FER2013.name]),
        "temperature": temperatures,
        "expected_error": error,
        "uncertain_below": threshold.confidence,
        "accuracy_when_certain": threshold.accuracy,
        "share_certain": threshold.share,
    }


def _training(run: Run) -> dict[str, Any]:
    environment = json.loads((run.folder / "environment.json").read_text(encoding="utf-8"))
    with (run.folder / "log.csv").open(newline="", encoding="utf-8") as stream:
        log = list(csv.DictReader(stream))
    rows = run.split.parts["train"][: run.recipe.data.limit]
    return {
        "data": run.faces.provenance.source,
        "sha256": run.faces.provenance.sha256,
        "n": len(rows),
        "excluded": {k: len(v) for k, v in run.split.excluded.items()},
        "recipe": (run.folder / "recipe.toml").read_text(encoding="utf-8"),
        "seed": run.recipe.seed,
        "epochs": len(log),
        "hardware": environment["hardware"],
        "seconds": sum(float(r["seconds"]) for r in log),
        "commit": environment["commit"],
        "split": run.split.name,
        "leaked": run.split.leaked,
    }


def _describe(run: Run) -> str:
    return f"Network {run.recipe.network.name!r} with heads for {' and '.join(v.name for v in _trained_heads(run))}."
