"""Is memory flat? Peak of ``mien analyze FOLDER`` for 200 and for 2,000 images.

    python benchmarks/memory.py one-face.jpg

The images are copies of one photograph, each with its own brightness, so that nothing can be cached. The peak for
2,000 must be within 15% of that for 200.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from machine import keep

LIMIT = 1.15


def peak(picture: np.ndarray, n: int) -> tuple[float, float]:
    """Peak resident MiB and seconds of analysing a folder of ``n`` images."""
    with tempfile.TemporaryDirectory() as folder:
        for i in range(n):
            cv2.imwrite(f"{folder}/{i:05}.jpg", cv2.convertScaleAbs(picture, alpha=0.6 + 0.4 * i / n))
        command = [
            str(Path(sys.executable).parent / "mien"),
            "analyze",
            folder,
            "--detector",
            "haar",
            "--out",
            f"{folder}/rows.jsonl",
        ]
        start = time.perf_counter()
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            _, status, usage = os.wait4(process.pid, 0)  # this process's own peak, not the largest so far
            process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - start
        assert process.returncode == 0
        with Path(folder, "rows.jsonl").open(encoding="utf-8") as rows:
            assert sum(1 for _ in rows) >= n
    return usage.ru_maxrss / 1024, seconds


def main() -> None:
    """Small folder, then large."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", type=Path)
    picture = cv2.imread(str(parser.parse_args().picture))
    small, _ = peak(picture, 200)
    large, seconds = peak(picture, 2000)
    keep(
        "memory",
        {
            "picture": list(picture.shape),
            "peak_mib_200": small,
            "peak_mib_2000": large,
            "ratio": large / small,
            "limit": LIMIT,
            "seconds_2000": seconds,
        },
    )
    assert large <= LIMIT * small


if __name__ == "__main__":
    main()
