"""Importing a folder of small pictures, against a loop over them with OpenCV, in one run.

    python benchmarks/import_images.py folders tiny

A folder is ``<split>/<class>/*``. mien: read, check, hash and write the store. OpenCV: one thread, ``cv2.imread`` in
gray, ``cv2.resize`` to 48×48, ``np.stack`` and ``np.save``. In turn, seven times each, after one round that is not
counted and fills the page cache; each way in a process of its own, its start and its imports not counted.
Quote the ratios, the seconds are this machine's.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from machine import keep

ROUNDS = 7
TIMED = """
import sys, time
{imports}
start = time.perf_counter()
{code}
print(time.perf_counter() - start)
"""
WAYS = {
    "mien": (
        "from pathlib import Path; from mien import data; from mien.data.reading import Faults",
        "faults = Faults(); data.pack(data.begin(Path(sys.argv[1]), faults=faults), Path(sys.argv[2]), faults)",
    ),
    "opencv_loop": (
        "import os; import cv2, numpy",
        """
faces, labels = [], []
for split in sorted(os.listdir(sys.argv[1])):
    for label, name in enumerate(sorted(os.listdir(os.path.join(sys.argv[1], split)))):
        folder = os.path.join(sys.argv[1], split, name)
        for file in sorted(os.listdir(folder)):
            image = cv2.imread(os.path.join(folder, file), cv2.IMREAD_GRAYSCALE)
            faces.append(cv2.resize(image, (48, 48)))
            labels.append(label)
numpy.save(sys.argv[2] + ".npy", numpy.stack(faces))
numpy.save(sys.argv[2] + "-labels.npy", numpy.array(labels))
""",
    ),
}


def seconds(way: str, source: Path) -> float:
    """How long a way takes in a process of its own."""
    imports, code = WAYS[way]
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", TIMED.format(imports=imports, code=code), str(source), f"{folder}/store"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return float(done.stdout)


def measured(source: Path) -> dict[str, object]:
    """The ways in turn over one folder."""
    files = [path for path in source.rglob("*.*") if path.is_file()]
    runs = [{way: seconds(way, source) for way in WAYS} for _ in range(ROUNDS + 1)][1:]
    ratios = sorted(run["opencv_loop"] / run["mien"] for run in runs)
    return {
        "files": len(files),
        "suffixes": sorted({path.suffix for path in files}),
        "bytes": sum(path.stat().st_size for path in files),
        "runs": len(runs),
        "seconds": {way: statistics.median(run[way] for run in runs) for way in WAYS},
        "times_as_fast": {"median": statistics.median(ratios), "least": ratios[0], "most": ratios[-1]},
    }


def main() -> None:
    """Time the ways over each folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, nargs="+")
    keep("import_images", {source.resolve().name: measured(source) for source in parser.parse_args().source})


if __name__ == "__main__":
    main()
