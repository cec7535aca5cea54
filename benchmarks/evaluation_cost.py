"""What an evaluation takes: seconds and memory for FER2013's PublicTest, with every score and picture but t-SNE.

    python benchmarks/evaluation_cost.py fer2013.parquet

The command is run in a process of its own, with the store packed and nothing else cached, so that the search for copies
is part of it. The limits of acceptance are 60 s and 1.5 GiB on two cores. Scoring the faces alone is timed in the same
run, to have a ratio.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import machine
from mien import bundle
from mien.data import open_faces
from mien.evaluation import document

LIMIT_SECONDS, LIMIT_MIB = 60, 1536


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    data = parser.parse_args().data
    with tempfile.TemporaryDirectory() as name:
        os.environ["MIEN_CACHE"] = str(Path(name) / "cache")
        faces = open_faces(data)
        test = np.ascontiguousarray(faces.faces[faces.where("PublicTest")])
        folder = Path(name) / "evaluation"
        command = [sys.executable, "-m", "mien", "evaluate", bundle.DEFAULT, str(data), "--out", str(folder)]
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        seconds = time.perf_counter() - began
        mib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        found = document.load(folder)
    model = bundle.Bundle(bundle.find(bundle.DEFAULT))
    outputs = [f"{v}_probabilities" for v in model.card.vocabularies]
    model.score(test[:64], outputs)
    began = time.perf_counter()
    for at in range(0, len(test), 256):
        model.score(test[at : at + 256], outputs)
    alone = time.perf_counter() - began
    machine.keep(
        "evaluation_cost",
        {
            "n": found.data.n,
            "trained": int(found.model.training["faces"].replace(",", "")),
            "draws": found.made.draws,
            "sections": len(found.sections),
            "pictures": sorted(found.pictures),
            "seconds": seconds,
            "seconds_of_scoring_alone": alone,
            "times_scoring_alone": seconds / alone,
            "peak_mib": mib,
            "limit_seconds": LIMIT_SECONDS,
            "limit_mib": LIMIT_MIB,
        },
    )
    if seconds > LIMIT_SECONDS or mib > LIMIT_MIB:
        sys.exit(f"over the limit: {seconds:.0f} s of {LIMIT_SECONDS}, {mib:.0f} MiB of {LIMIT_MIB}")


if __name__ == "__main__":
    main()
