"""Accuracy of a bundle on PublicTest, single view, under both protocols.

    python benchmarks/score_model.py fer2013.parquet [--model NAME|PATH]

FER2013 labels, every face; FER+ by the official majority protocol (single votes dropped, more than half required).
Fails where the shipped model is under its floor.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

import numpy as np

from machine import keep
from mien import bundle
from mien.data import audit, identical_groups, open_faces
from mien.evaluation.scores import Predictions, accuracy
from mien.expressions import FER2013, FERPLUS, ferplus_majority

FLOORS = {"fer2013": 0.680, "ferplus": 0.855}


def main() -> None:
    """Score, print, keep, and compare with the floors."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", default=bundle.DEFAULT)
    options = parser.parse_args()
    model, stored = bundle.Bundle(bundle.find(options.model)), open_faces(options.data)
    at = stored.where("PublicTest")
    rows = stored.rows[at]
    faces = np.ascontiguousarray(stored.faces[at])
    names = [f"{v.name}_probabilities" for v in (FER2013, FERPLUS)]
    parts = [model.score(faces[i : i + 256], names) for i in range(0, len(faces), 256)]
    group = identical_groups(stored.faces)
    seen = np.isin(group[at], group[stored.where("Training")])
    crossings = [c.rows[1] for c in audit(stored).crossings if c.parts == ("Training", "PublicTest")]
    alike = np.isin(rows, np.concatenate(crossings))
    scores = {}
    for vocabulary, labels in (
        (FER2013, stored.labels[at].astype(np.int64)),
        (FERPLUS, ferplus_majority(stored.votes[at])),
    ):
        predicted = Predictions(
            vocabulary, rows, np.concatenate([p[f"{vocabulary.name}_probabilities"] for p in parts])
        )
        scores[vocabulary.name] = asdict(accuracy(predicted, rows, labels))
        # Identical copies were left out of the training; near-identical ones were not known then.
        for which, left_out in (("no copy", seen), ("no copy and no near-identical face", alike)):
            apart = np.where(left_out, -1, labels)
            scores[f"{vocabulary.name}, faces with {which} in Training"] = asdict(accuracy(predicted, rows, apart))
    keep(
        "score_model",
        {
            "model": model.card.name,
            "model_sha256": model.card.sha256,
            "seed": model.card.training.seed,
            "data": stored.provenance.source,
            "data_sha256": stored.provenance.sha256,
            "part": "PublicTest",
            "views": 1,
            "floors": FLOORS,
            "scores": scores,
        },
    )
    for name, floor in FLOORS.items():
        assert scores[name]["value"] >= floor, f"{name}: {scores[name]['value']:.4f} is under {floor}"


if __name__ == "__main__":
    main()
