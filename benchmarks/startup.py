"""How long a user waits: ``mien analyze`` of one photograph as a whole process, ``import mien``, and one face.

    python benchmarks/startup.py one-face.jpg

Warm disk, median of 15 processes, and of 5 × 200 calls of the network on one thread. The bare imports that no command
can do without (numpy, OpenCV, ONNX Runtime) are timed in the same run: quote the ratio, the seconds are this machine's.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from machine import keep
from mien import bundle

LIMITS = {"analyze_seconds": 0.6, "import_seconds": 0.05, "face_ms": 2.0}
IMPORT = "import time; t = time.perf_counter(); import mien; print(time.perf_counter() - t)"


def seconds(command: list[str]) -> float:
    """Wall time of a whole process."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def face_ms(threads: int) -> float:
    """Median milliseconds for one face; the lowest of five rounds, as other work on the machine only adds."""
    model = bundle.Bundle(bundle.find(bundle.DEFAULT), threads)
    face = np.random.default_rng(0).integers(0, 256, (1, 48, 48), dtype=np.uint8)
    rounds = []
    for _ in range(5):
        times = []
        for _ in range(200):
            start = time.perf_counter()
            model.score(face, ["fer2013_probabilities"])
            times.append(time.perf_counter() - start)
        rounds.append(statistics.median(times) * 1e3)
    return min(rounds)


def main() -> None:
    """Time everything in one run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", type=Path)
    options = parser.parse_args()
    analyze = [str(Path(sys.executable).parent / "mien"), "analyze", str(options.picture), "--detector", "haar"]
    bare = [sys.executable, "-c", "import numpy, cv2, onnxruntime"]
    pairs = [(seconds(analyze), seconds(bare)) for _ in range(16)][1:]
    imports = [
        float(subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True).stdout)
        for _ in range(11)
    ][1:]
    measured = {
        "analyze_seconds": statistics.median(a for a, _ in pairs),
        "import_seconds": statistics.median(imports),
        "face_ms": face_ms(1),
    }
    keep(
        "startup",
        {
            **measured,
            "limits": LIMITS,
            "runs": len(pairs),
            "bare_imports_seconds": statistics.median(b for _, b in pairs),
            "analyze_over_bare_imports": statistics.median(a / b for a, b in pairs),
        },
    )
    for name, limit in LIMITS.items():
        assert measured[name] <= limit, f"{name} is {measured[name]:.3f}, over {limit}"


if __name__ == "__main__":
    main()
