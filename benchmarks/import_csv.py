"""Importing Kaggle's fer2013.csv, against the two ways of every tutorial, in one run.

    python benchmarks/import_csv.py fer2013.csv

mien: read, check, hash and write the store. The others only read: pandas ``read_csv``, then ``split`` and ``int`` per
number; and pandas ``read_csv``, then ``np.fromstring`` per row. In turn, five times each; each way in a process of its
own, its start included, with the bytecode in place that an installed package has: a turn before these leaves it. Quote
the ratios (the median over the turns), the seconds are this machine's.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import keep

WAYS = {
    "mien": "from pathlib import Path; from mien import data; "
    "data.pack(data.begin(Path(sys.argv[1])), Path(sys.argv[2]), data.Faults())",
    "split_and_int": "import pandas, numpy; table = pandas.read_csv(sys.argv[1]); "
    "numpy.array([[int(p) for p in row.split()] for row in table['pixels']], numpy.uint8)",
    "fromstring": "import pandas, numpy; table = pandas.read_csv(sys.argv[1]); "
    "numpy.stack([numpy.fromstring(row, numpy.uint8, sep=' ') for row in table['pixels']])",
}


def timed(code: str, source: Path) -> tuple[float, float]:
    """Seconds and peak MiB of a process."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", f"import sys; {code}", str(source), f"{folder}/store"]
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
        start = time.perf_counter()
        with subprocess.Popen(command, env=environment) as process:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        return time.perf_counter() - start, usage.ru_maxrss / 1024


def main() -> None:
    """Time the ways in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    source = parser.parse_args().source
    for code in WAYS.values():
        timed(code, source)
    runs = [{name: timed(code, source) for name, code in WAYS.items()} for _ in range(5)]
    keep(
        "import_csv",
        {
            "bytes": source.stat().st_size,
            "runs": len(runs),
            "seconds": {w: statistics.median(r[w][0] for r in runs) for w in WAYS},
            "peak_mib": {w: max(r[w][1] for r in runs) for w in WAYS},
            "times_as_fast": {w: statistics.median(r[w][0] / r["mien"][0] for r in runs) for w in WAYS if w != "mien"},
        },
    )


if __name__ == "__main__":
    main()
