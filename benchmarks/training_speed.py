"""Seconds of an epoch of convrelu-ann: mien, the bare network, and Keras on TensorFlow, in one run.

    python benchmarks/training_speed.py fer2013.parquet --keras keras/bin/python [--faces N] [--rounds N]

All train the network of Njoku et al. 2024 with Adam on FER2013's Training part. ``mien`` is a whole run of the shipped
recipe, its epoch as the run's log has it; ``mien, augmented`` with the recipe's augmentation; ``bare`` is the same
network, optimizer and arithmetic in a plain loop over float tensors that lie in memory in the order they are used;
``keras`` gets float arrays, ``keras, generator`` the paper's ImageDataGenerator. In turn, each in a process of its own.
Quote the ratios (the median over the rounds); the seconds are this machine's.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from machine import ROOT, keep
from mien.data import Split, open_faces, save

MIEN = """
import csv, sys
from pathlib import Path
from mien.recipe import changed, load
from mien.training import run
recipe, store, split, out, batch, plain = sys.argv[1:7]
fields = {"training.epochs": 1, "training.batch_size": int(batch)}
given = changed(load(Path(recipe)), fields)
if plain == "plain":
    given = given.model_copy(update={"augment": type(given.augment)()})
run.start(given, Path(out), Path(store), None, Path(split))
with open(out + "/log.csv", newline="") as stream:
    print(list(csv.DictReader(stream))[-1]["seconds"])
"""
BARE = """
import sys, time
from pathlib import Path
import numpy as np, torch
from mien.expressions import FER2013
from mien.models import build
from mien.recipe import load
from mien.training.learner import keep_memory
keep_memory()
faces, labels = (torch.from_numpy(np.load(name)) for name in sys.argv[2:4])
batch = int(sys.argv[4])
recipe = load(Path(sys.argv[1]))
network = build(recipe.network, 48, [FER2013]).to(memory_format=torch.channels_last).train()
adam = torch.optim.Adam(network.parameters(), recipe.training.learning_rate, fused=True)
x = (faces[:, None].float() / 255).contiguous(memory_format=torch.channels_last)
def epoch(n):
    for i in range(0, n - batch + 1, batch):
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(x[i : i + batch])["fer2013"]
        torch.nn.functional.cross_entropy(logits.float(), labels[i : i + batch]).backward()
        adam.step()
        adam.zero_grad()
epoch(20 * batch)
start = time.perf_counter()
epoch(len(x))
print(time.perf_counter() - start)
"""


def seconds(command: list[object]) -> float:
    """The last line that a process prints: seconds, or JSON that has them."""
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{command[0]} failed:\n{done.stderr[-3000:]}")
    last = json.loads(done.stdout.strip().splitlines()[-1])
    return float(last["seconds"] if isinstance(last, dict) else last)


class Contest:
    """The ways to train, on files in a folder."""

    def __init__(self, source: Path, keras: Path | None, faces: int | None, folder: Path) -> None:
        self.keras, self.folder = keras, folder
        stored = open_faces(source)
        at = stored.where("Training")[:faces]
        self.n, self.sha256 = len(at), stored.provenance.sha256
        save(stored.take(at), folder / "store")
        np.save(folder / "faces.npy", stored.faces[at])
        np.save(folder / "labels.npy", stored.labels[at].astype(np.int64))
        rows = np.sort(stored.rows[at])
        parts = {"train": rows, "validation": rows[:: len(rows) // 50][:60]}
        Split("all of Training", 0, self.sha256, parts, leaked="for timing only").save(folder / "split.json")
        self.recipe = ROOT / "src" / "mien" / "recipes" / "convrelu-ann.toml"
        self._runs = 0

    def time(self, way: str, batch: int, faces: int | None = None) -> float:
        """Seconds of an epoch of ``way`` at a batch size; of fewer faces, for a quick look, with Keras."""
        folder = self.folder
        arrays = [folder / "faces.npy", folder / "labels.npy", batch]
        if way.startswith("keras"):
            how = "generator" if "generator" in way else "arrays"
            script = ROOT / "benchmarks" / "keras_convrelu_ann.py"
            return seconds([self.keras, script, *arrays, how, *([faces] if faces else [])])
        if way == "bare":
            return seconds([sys.executable, "-c", BARE, self.recipe, *arrays])
        self._runs += 1
        out, plain = folder / f"run{self._runs}", "augmented" if "augmented" in way else "plain"
        return seconds(
            [sys.executable, "-c", MIEN, self.recipe, folder / "store", folder / "split.json", out, batch, plain]
        )


def main() -> None:
    """Find Keras's best batch on a tenth, then time all ways in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("--keras", type=Path)
    parser.add_argument("--faces", type=int)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        contest = Contest(arguments.source, arguments.keras, arguments.faces, Path(name))
        looked = {}
        if arguments.keras:
            looked = {b: contest.time("keras", b, min(contest.n, 4096)) for b in (32, 64, 128, 256)}
        best = {"keras": min(looked, key=looked.__getitem__, default=32), "mien": 128}
        plans = [("mien", 32), ("mien, augmented", 32), ("bare", 32), ("mien", best["mien"])]
        if arguments.keras:
            plans += [("keras", 32), ("keras, generator", 32)]
            plans += [("keras", best["keras"])] if best["keras"] != 32 else []
        rounds = [{f"{way}, batch {b}": contest.time(way, b) for way, b in plans} for _ in range(arguments.rounds)]
    names = list(rounds[0])

    def ratio(slow: str, quick: str) -> float | None:
        return statistics.median(r[slow] / r[quick] for r in rounds) if slow in names and quick in names else None

    keep(
        "training_speed",
        {
            "network": "convrelu-ann, Adam, bfloat16 autocast in mien and bare, float32 in Keras",
            "faces": contest.n,
            "rounds": rounds,
            "seconds": {n: statistics.median(r[n] for r in rounds) for n in names},
            "keras_batches_tried_seconds_on_4096": looked,
            "keras_over_mien": ratio("keras, batch 32", "mien, batch 32"),
            "keras_over_mien_best_batches": ratio(f"keras, batch {best['keras']}", f"mien, batch {best['mien']}"),
            "keras_generator_over_mien_augmented": ratio("keras, generator, batch 32", "mien, augmented, batch 32"),
            "mien_over_bare": ratio("mien, batch 32", "bare, batch 32"),
            "mien_augmented_over_bare": ratio("mien, augmented, batch 32", "bare, batch 32"),
        },
    )


if __name__ == "__main__":
    main()
