"""The audit of a whole data set: time, memory, what it finds, and which made copies of faces it finds again.

    python benchmarks/audit.py fer2013.parquet

Three times, each in a process of its own, on all cores. Then 2,000 faces of the set that have no copy in it are copied
in several ways, and the share of copies is counted that the search pairs with their originals. Quote the seconds with
the machine.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from machine import keep
from mien.data import open_faces
from mien.data.audit import audit
from mien.data.duplicates import near_pairs
from mien.data.store import FaceSet

SECONDS, MIB = 90, 2048
CODE = (
    "import sys; from pathlib import Path; from mien.data import open_faces; from mien.data.audit import audit; "
    "audit(open_faces(Path(sys.argv[1])))"
)
RUNS, COPIED = 3, 2000


def jpeg(face: np.ndarray, quality: int) -> np.ndarray:
    """Encoded and decoded."""
    return cv2.imdecode(cv2.imencode(".jpg", face, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_GRAYSCALE)


def resized(face: np.ndarray, side: int) -> np.ndarray:
    """To another side and back."""
    there = cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA if side < len(face) else cv2.INTER_CUBIC)
    return cv2.resize(there, face.shape[::-1], interpolation=cv2.INTER_AREA if side > len(face) else cv2.INTER_CUBIC)


def cropped(face: np.ndarray, left: int, top: int, right: int, bottom: int) -> np.ndarray:
    """Less some pixels on each side, and brought back to its size."""
    side = len(face)
    return cv2.resize(face[top : side - bottom, left : side - right], (side, side), interpolation=cv2.INTER_CUBIC)


def changed(face: np.ndarray, gain: float, offset: float) -> np.ndarray:
    """Other contrast and brightness."""
    return np.clip(np.round((face.astype(np.float32) - 128) * gain + 128 + offset), 0, 255).astype(np.uint8)


WAYS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "jpeg 95": lambda f: jpeg(f, 95),
    "jpeg 75": lambda f: jpeg(f, 75),
    "jpeg 60": lambda f: jpeg(f, 60),
    "48 to 32 to 48": lambda f: resized(f, 32),
    "48 to 96 to 48": lambda f: resized(f, 96),
    "shifted by 1 pixel": lambda f: np.roll(f, 1, axis=1),
    "shifted by 2 pixels": lambda f: np.roll(f, (2, 2), axis=(0, 1)),
    "20 grey levels lighter": lambda f: changed(f, 1, 20),
    "20 grey levels darker": lambda f: changed(f, 1, -20),
    "contrast 0.7": lambda f: changed(f, 0.7, 0),
    "contrast 1.3": lambda f: changed(f, 1.3, 0),
    "cropped by 2 pixels all round": lambda f: cropped(f, 2, 2, 2, 2),
    "cropped by 6 pixels on one side each way": lambda f: cropped(f, 6, 0, 0, 6),
    "mirrored, jpeg 75": lambda f: jpeg(np.ascontiguousarray(f[:, ::-1]), 75),
    "mirrored, shifted by 1 pixel, jpeg 75": lambda f: jpeg(np.roll(f[:, ::-1], 1, axis=0), 75),
}


def found_again(originals: np.ndarray) -> dict[str, float]:
    """Way of copying → share of the copies that are paired with their original, the right way round."""
    shares = {}
    for way, copy in WAYS.items():
        copies = np.stack([copy(face) for face in originals])
        same = (copies == originals).all(axis=(1, 2))
        pairs = near_pairs(np.concatenate([originals[~same], copies[~same]]))
        n = int((~same).sum())
        right = (pairs.second - pairs.first == n) & (pairs.mirrored == way.startswith("mirrored"))
        shares[way] = float(right.sum() / n)
    return shares


def run(source: Path) -> tuple[float, float]:
    """Seconds and peak MiB of one audit."""
    start = time.perf_counter()
    with subprocess.Popen([sys.executable, "-c", CODE, str(source)]) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def findings(stored: FaceSet) -> tuple[dict[str, object], np.ndarray]:
    """What the audit counts, and positions of faces that have no copy."""
    found = audit(stored)
    body = found.to_dict()
    lists = ("identical", "contradictory", "near_identical", "blank", "non_faces")
    counts: dict[str, object] = {name: {k: v for k, v in body[name].items() if k != "rows"} for name in lists}
    counts["across_parts"] = [{k: v for k, v in crossing.items() if k != "rows"} for crossing in body["across_parts"]]
    counts["settings"] = body["settings"]
    counts["parts"] = {name: part["counts"] for name, part in body["parts"].items()}
    return counts, np.flatnonzero(~np.isin(stored.rows, found.named))


def main() -> None:
    """Count, time, copy."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    source = parser.parse_args().source
    stored = open_faces(source)  # so that no run has to pack it
    counts, single = findings(stored)
    originals = stored.faces[np.sort(np.random.default_rng(0).permutation(single)[:COPIED])]
    again = found_again(originals)
    runs = [run(source) for _ in range(RUNS)]
    seconds, peak = statistics.median(r[0] for r in runs), max(r[1] for r in runs)
    keep(
        "audit",
        {
            "n": len(stored),
            "runs": RUNS,
            "seconds": seconds,
            "peak_mib": peak,
            "limit_seconds": SECONDS,
            "limit_mib": MIB,
            "findings": counts,
            "copies": len(originals),
            "found_again": again,
        },
    )
    assert seconds <= SECONDS
    assert peak <= MIB


if __name__ == "__main__":
    main()
