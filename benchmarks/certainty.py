"""From which confidence the shipped model answers, for several error rates.

    python benchmarks/certainty.py fer2013.parquet [--write]

Thresholds are chosen on the validation part of the split that the network was trained on, whose faces it has not seen,
and tried on PublicTest. ``--write`` replaces those on its card. FER2013 labels, every face, single view.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from machine import keep, shipped_split
from mien import bundle
from mien.data import FaceSet, open_faces
from mien.evaluation import cards
from mien.evaluation.calibration import assess
from mien.expressions import FER2013, FERPLUS
from mien.files import write_text

SEED, DRAWS = 0, 2000


def main() -> None:
    """Score both parts, choose and try the thresholds, keep them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    model, stored = bundle.Bundle(bundle.find(bundle.DEFAULT)), open_faces(options.data)
    card, split = model.card, shipped_split(stored)
    assert card.training.sha256 == stored.provenance.sha256, "the network was trained on another file"
    assert card.training.n == len(split.parts["train"]), "the network was trained on another split"
    held, held_labels = scored(model, stored, split.parts["validation"])
    found, labels = scored(model, stored, split.parts["public_test"])
    measured = cards.calibration(held, held_labels, card.primary)
    name = card.primary
    tried = assess(
        f"{name} labels, every face", labels[name], found[name], (held_labels[name], held[name]), "validation",
        cards.ERROR_RATES, DRAWS, SEED,
    )  # fmt: skip
    keep(
        "certainty",
        {
            "model": card.name,
            "model_sha256": card.sha256,
            "data": stored.provenance.source,
            "data_sha256": stored.provenance.sha256,
            "protocol": tried.protocol,
            "views": 1,
            "seed": SEED,
            "draws": DRAWS,
            "chosen_on": {"part": "validation", **measured},
            "tried_on": {
                "part": "PublicTest",
                "n": len(labels[name]),
                "temperature_still_wanted": tried.temperature,
                "calibration_error": asdict(tried.given.error),
                "risk_area": asdict(tried.risk_area),
                "points": [asdict(p) for p in tried.points],
            },
        },
    )
    file = model.folder / "card.json"
    written = json.loads(file.read_text(encoding="utf-8"))
    before = dict(written["calibration"])
    written["calibration"] |= measured
    if options.write:
        write_text(file, json.dumps(written, indent=2, ensure_ascii=False) + "\n")
    for key in ("n", "expected_error", "uncertain_below", "accuracy_when_certain", "share_certain"):
        print(f"{key}: {before[key]} on the card, {measured[key]} measured")


def scored(model: bundle.Bundle, stored: FaceSet, rows: np.ndarray) -> tuple[dict[str, Any], dict[str, Any]]:
    """Probabilities and labels of a part, by vocabulary."""
    at = stored.positions(rows)
    names = {v.name: f"{v.name}_probabilities" for v in (FER2013, FERPLUS)}
    answers = cards.answers(model.session, list(names.values()), stored, at)
    right = cards.right_answers(stored, at)
    return {v: answers[name] for v, name in names.items()}, {v: right[v].labels for v in names}


if __name__ == "__main__":
    main()
