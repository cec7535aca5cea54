"""A finished run becomes a bundle: temperature fitted, network exported, compared with torch, scored, described."""

from __future__ import annotations

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
from torch import Tensor, nn

from mien import bundle, faces
from mien.errors import ExportError
from mien.evaluation import cards
from mien.evaluation.calibration import fit_temperature, softmax
from mien.evaluation.scores import Predictions
from mien.expressions import FERPLUS, Vocabulary
from mien.models import Network
from mien.training.environment import commits_of, hardware_of
from mien.training.progress import read_log
from mien.training.run import Run

TOLERANCE = 1e-4
LICENCE = "Apache-2.0"
_CHUNK = 256  # faces that torch and ONNX are compared on


class Deployed(nn.Module):
    """A trained network as the bundle holds it: uint8 in, named outputs out, scaling and temperature inside.

    Args:
        network: The trained network.
        temperatures: By vocabulary name; probabilities are softmax(logits / temperature).
    """

    def __init__(self, network: Network, temperatures: dict[str, float]) -> None:
        super().__init__()
        self.network, self.temperatures = network, temperatures

    @property
    def output_names(self) -> list[str]:
        """Names of what ``forward`` returns, in order."""
        kinds = ("logits", "probabilities", *(("evidence",) if self.network.pooled else ()))
        return [*(f"{v}_{kind}" for v in self.temperatures for kind in kinds), "features"]

    def forward(self, faces: Tensor) -> tuple[Tensor, ...]:
        """(N, s, s) uint8 → for each vocabulary logits, probabilities and evidence; then features.

        Evidence is (N, len(vocabulary), s', s'): each head applied at every place of the last feature map, so that its
        mean over places is the logits (class activation mapping, Zhou et al. 2015, arXiv 1512.04150). A network whose
        features are not a mean over places has none.
        """
        found = self.network.maps(faces.float()[:, None] / 255)  # (N, C, s', s'), or (N, C)
        features = found.mean(dim=(2, 3)) if self.network.pooled else found
        outputs = []
        for name, temperature in self.temperatures.items():
            head = self.network.head(name)
            logits = head(features)
            outputs += [logits, torch.softmax(logits / temperature, dim=1)]
            if self.network.pooled:
                outputs.append(nn.functional.conv2d(found, head.weight[:, :, None, None], head.bias))
        return (*outputs, features)


def export(run: Run, folder: Path, description: str = "", error_rate: float = cards.ERROR_RATE) -> bundle.Card:
    """Write the bundle of a run.

    Args:
        run: A finished run.
        folder: The bundle's folder; must not exist.
        description: A sentence for the card.
        error_rate: Share of wrong answers, between 0 and 1, that the threshold of certainty is chosen for.

    Returns:
        The card.

    Raises:
        ExportError: ONNX and torch differ by more than ``TOLERANCE`` in probability.
        BundleError: ``folder`` exists.
    """
    network = run.network.eval()
    held = run.faces.positions(np.unique(run.rows("validation")))  # a leaked split may repeat faces
    heads = _trained_heads(run)
    logits = _logits(network, heads, run.faces.faces, held)
    right = {name: truth.labels for name, truth in cards.right_answers(run.faces, held).items()}
    temperatures = {
        v.name: fit_temperature(logits[v.name][named := right[v.name] >= 0], right[v.name][named])
        for v in heads
        if v.name in right
    }
    kept = [v for v in heads if v.name in temperatures]
    deployed = Deployed(network, temperatures).eval()
    body = to_onnx(deployed, run.faces.size)
    parity = largest_difference(deployed, body, np.asarray(run.faces.faces[held[:_CHUNK]]))
    if not parity <= TOLERANCE:
        raise ExportError(
            f"{run.recipe.name}: ONNX and torch differ by {parity:.2e} in probability",
            f"at most {TOLERANCE:.0e}",
            "This network cannot be shipped as exported.",
        )
    probabilities = {v.name: softmax(logits[v.name] / temperatures[v.name]) for v in kept}
    card = {
        "description": description or _describe(run, kept),
        "parameters": sum(p.numel() for p in network.parameters()),
        "outputs": deployed.output_names,
        "calibration": {
            **cards.calibration(probabilities, right, kept[0].name, error_rate),
            "temperature": temperatures,
        },
        "scores": scores(body, kept, run),
        "parity": parity,
    }
    return bundle.save(folder, body, {**about(run, kept), **card})


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
    return serialised(model)


def serialised(model: onnx.ModelProto) -> bytes:
    """A checked network as bytes, without the folders of the machine that the exporter notes at every operation."""
    for node in model.graph.node:
        del node.metadata_props[:]
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output, *model.graph.initializer):
        del value.metadata_props[:]
    del model.graph.metadata_props[:], model.metadata_props[:]
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def largest_difference(deployed: Deployed, body: bytes, sample: np.ndarray) -> float:
    """Largest difference in any probability between torch and ONNX Runtime over (N, s, s) uint8 faces."""
    names = [n for n in deployed.output_names if n.endswith("_probabilities")]
    found = []
    for i in range(0, len(sample), 64):
        part = np.ascontiguousarray(sample[i : i + 64])
        with torch.inference_mode():
            wanted = dict(zip(deployed.output_names, deployed(torch.from_numpy(part)), strict=True))
        got = cards.opened(body).run(names, {"faces": part})
        found += [np.abs(wanted[n].numpy() - g).max() for n, g in zip(names, got, strict=True)]
    # np.max, not max: a NaN must win, so that a network that answers NaN is refused.
    return float(np.max(found))


def about(run: Run, heads: list[Vocabulary]) -> dict[str, Any]:
    """What a card says of where a model came from, whatever its last layers are."""
    return {
        "name": run.recipe.name,
        "licence": LICENCE,
        "created": datetime.date.today().isoformat(),
        "input": {"size": run.faces.size},
        "vocabularies": {v.name: list(v.labels) for v in heads},
        "crop": {k: asdict(faces.geometry(k)) for k in faces.measured()["detectors"]},
        "training": _training(run),
    }


def scores(body: bytes, heads: list[Vocabulary], run: Run) -> list[dict[str, Any]]:
    """Single-view accuracy of the exported file on what it was not trained on; PrivateTest is left alone."""
    network, found = cards.opened(body), []
    names = {v.name: f"{v.name}_probabilities" for v in heads}
    for part in (p for p in run.split.parts if p not in ("train", "private_test")):
        rows = np.unique(run.rows(part))
        at = run.faces.positions(rows)
        answers, right = cards.answers(network, list(names.values()), run.faces, at), cards.right_answers(run.faces, at)
        for v in (v for v in heads if v.name in right):
            predictions = Predictions(v, rows, answers[names[v.name]])
            found.append(cards.score(run.faces, part, predictions, right[v.name]))
    return found


def _trained_heads(run: Run) -> list[Vocabulary]:
    """The vocabularies that the run had targets for: a head without any would answer at random."""
    train = run.faces.positions(run.rows("train"))
    voted = run.faces.votes[train, : len(FERPLUS)].any()
    own = run.faces.vocabulary.name
    return [v for v in run.network.vocabularies if v.name == own or voted]


def _logits(network: Network, heads: list[Vocabulary], stored: np.ndarray, at: np.ndarray) -> dict[str, np.ndarray]:
    parts: dict[str, list[np.ndarray]] = {v.name: [] for v in heads}
    with torch.inference_mode():
        for i in range(0, len(at), 64):
            out = network(torch.from_numpy(stored[at[i : i + 64]])[:, None].float() / 255)
            for v in heads:
                parts[v.name].append(out[v.name].numpy())
    return {k: np.concatenate(v) for k, v in parts.items()}


def _training(run: Run) -> dict[str, Any]:
    environment = json.loads((run.folder / "environment.json").read_text(encoding="utf-8"))
    log = read_log(run.folder / "log.csv")
    return {
        "data": run.faces.provenance.source,
        "sha256": run.faces.provenance.sha256,
        "n": len(run.rows("train")),
        "excluded": {k: len(v) for k, v in run.split.excluded.items()},
        "recipe": (run.folder / "recipe.toml").read_text(encoding="utf-8"),
        "seed": run.recipe.seed,
        "epochs": len(log),
        "hardware": hardware_of(environment),
        "seconds": sum(r["seconds"] for r in log),
        "commit": commits_of(environment),
        "split": run.split.name,
        "leaked": run.split.leaked,
        "shortened": run.shortened,
        "misscaled": _misscaled(run),
    }


def _misscaled(run: Run) -> str:
    section = run.recipe.network
    if section.misscaled is None:
        return ""
    return f"{section.misscaled} pixels for weights from {section.weights} that were trained with others"


def _describe(run: Run, heads: list[Vocabulary]) -> str:
    return f"Network {run.recipe.network.name!r} with heads for {' and '.join(v.name for v in heads)}."
