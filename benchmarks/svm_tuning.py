"""Tuning an SVM on a network's features: 20 candidates × 5 folds, with and without scikit-learn-intelex.

    python benchmarks/svm_tuning.py fer2013.parquet

The rows are drawn from the training part of FER2013, of every class its share, and their 256 features come from the
shipped network. The search is that of ``mien hybrid``: linear, polynomial and rbf kernels, the same candidates and
folds for both libraries. Smaller numbers of rows come first, so that the growth is seen: the exponent p of
seconds ~ rows^p, fitted by least squares over the logarithms. The estimate that mien gives beforehand is kept beside
what it then took.
``--rows 600`` tries it in a minute. A search that the growth so far would take beyond ``--minutes`` is not run, and
said to be so. Quote the ratio and the exponent, the minutes are this machine's.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from machine import keep, shipped_split
from mien import bundle
from mien.bundle import Bundle
from mien.data import FaceSet, open_faces
from mien.recipe.head import HeadSection, head_section
from mien.training.hybrid.heads import Library, library
from mien.training.hybrid.tuning import Rows, estimate, search, subset

SEED = 0
SECTION: dict[str, Any] = {
    "kernel": ["linear", "poly", "rbf"],
    "C": [0.1, 100.0],
    "gamma": [1e-4, 1e-1],
    "degree": [2, 3],
    "candidates": 20,
    "folds": 5,
}


def rows_of(stored: FaceSet, count: int) -> Rows:
    """Features and labels of so many training faces."""
    train = stored.positions(shipped_split(stored).parts["train"])
    at = train[subset(stored.labels[train], count, SEED)]
    model = Bundle(bundle.find(bundle.DEFAULT))
    batches = [np.ascontiguousarray(stored.faces[at[i : i + 128]]) for i in range(0, len(at), 128)]
    features = np.concatenate([model.score(batch, ["features"])["features"] for batch in batches])
    labels = stored.labels[at].astype(np.int64)
    return Rows(features.astype(np.float64), labels, np.arange(len(at)), None, stored.vocabulary.labels)


def timed(rows: Rows, section: HeadSection, own: Library) -> dict[str, Any]:
    """One search, and what was said of it beforehand."""
    beforehand = estimate(rows, section, SEED, own)
    began = time.perf_counter()
    found = search(rows, section, SEED, own)
    seconds = time.perf_counter() - began
    print(f"{own.name}, {len(rows)} rows: {seconds:.1f} s; beforehand: {beforehand}", flush=True)
    return {
        "rows": len(rows),
        "seconds": seconds,
        "minutes": seconds / 60,
        "estimated_seconds_with_the_last_fit": beforehand.seconds,
        "fits_at_once": beforehand.at_once,
        "best": {"setting": dict(found[0].setting), "accuracy": found[0].accuracy},
        "fits_stopped_at_the_bound": sum(c.stopped for c in found),
        "mean_fit_seconds_by_kernel": {
            kernel: float(np.mean([c.seconds for c in found if c.setting["kernel"] == kernel]))
            for kernel in SECTION["kernel"]
            if any(c.setting["kernel"] == kernel for c in found)
        },
    }


def growth(runs: list[dict[str, Any]]) -> float:
    """The power of the rows that seconds grow with."""
    rows, seconds = (np.log([run[what] for run in runs]) for what in ("rows", "seconds"))
    return float(np.polyfit(rows, seconds, 1)[0])


def ascending(
    rows: Rows, steps: list[np.ndarray], section: HeadSection, own: Library, minutes: float
) -> Iterator[tuple[dict[str, Any] | None, str]]:
    """Searches on more and more rows; None, and why, in place of one that would take too long."""
    runs: list[dict[str, Any]] = []
    for at in steps:
        if runs:
            power = growth(runs) if len(runs) > 1 else 2.0
            expected = runs[-1]["seconds"] * (len(at) / runs[-1]["rows"]) ** power / 60
            if expected > minutes:
                yield None, f"{len(at):,} rows were not run: about {expected:.0f} minutes by the growth so far"
                return
        runs.append(timed(rows.take(at), section, own))
        yield runs[-1], ""


def main() -> None:
    """Time the searches and write benchmarks/results/svm_tuning.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="FER2013: a store, fer2013.csv or fer2013.parquet")
    parser.add_argument("--rows", type=int, default=10_000, help="of the largest search; the others have 1/2, 1/4, 1/8")
    parser.add_argument("--minutes", type=float, default=60.0, help="most for one search")
    given = parser.parse_args()
    section = head_section(SECTION, "the benchmark")
    rows = rows_of(open_faces(given.data), given.rows)
    ways = {"scikit_learn": library(intelex=False)}
    if find_spec("sklearnex") is not None:
        ways["intelex"] = library()
    steps = [subset(rows.labels, given.rows // part, SEED) for part in (8, 4, 2, 1)]
    runs: dict[str, list[dict[str, Any]]] = {way: [] for way in ways}
    left_out = dict.fromkeys(ways, "")
    for way, own in ways.items():
        for run, why in ascending(rows, steps, section, own, given.minutes):
            runs[way] += [run] if run else []
            left_out[way] = why
            write(ways, rows, runs, left_out)  # after each, so that a benchmark that is stopped leaves what it has


def write(
    ways: dict[str, Library], rows: Rows, runs: dict[str, list[dict[str, Any]]], left_out: dict[str, str]
) -> None:
    """Keep what was measured so far."""
    both = min(len(found) for found in runs.values()) - 1
    last = {way: found[both]["seconds"] for way, found in runs.items()} if both >= 0 else {}
    keep(
        "svm_tuning",
        {
            "libraries": {way: own.name for way, own in ways.items()} | {"joblib": version("joblib")},
            "model": bundle.DEFAULT,
            "features": rows.features.shape[1],
            "section": SECTION,
            "seed": SEED,
            "searches": runs,
            "not_run": left_out,
            "growth": {way: growth(found) for way, found in runs.items() if len(found) > 1},
            "rows_of_the_comparison": runs["scikit_learn"][both]["rows"] if both >= 0 else None,
            "times_as_fast_with_intelex": last["scikit_learn"] / last["intelex"] if "intelex" in last else None,
        },
    )


if __name__ == "__main__":
    main()
