"""What a benchmark's output says about where and when it ran."""

from __future__ import annotations

import datetime
import json
import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mien.data import FaceSet, Split, official
from mien.recipe import load

ROOT = Path(__file__).resolve().parents[1]


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()


def machine() -> dict[str, Any]:
    """Date, processor, cores, versions and commit; no path or host name."""
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    commit = _git("rev-parse", "--short=12", "HEAD")
    # What the benchmarks of this round have written already is no change to what is measured.
    changed = _git(
        "status", "--porcelain", "--", ".", ":!benchmarks/results", ":!*.md", ":!src/mien/crop_geometry.json"
    )
    return {
        "date": datetime.date.today().isoformat(),
        "processor": model,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "commit": commit + ("+changes" if changed else ""),
        "packages": {p: version(p) for p in ("mien", "numpy", "onnxruntime", "opencv-python-headless")},
    }


def shipped_split(stored: FaceSet) -> Split:
    """The split that the shipped network was trained on."""
    section = load(ROOT / "src" / "mien" / "recipes" / "mien-small.toml").data
    return official(stored, section.validation, section.split_seed)


def keep(name: str, result: dict[str, Any]) -> None:
    """Print a result and keep it as benchmarks/results/NAME.json."""
    text = json.dumps({"machine": machine(), **result}, indent=2) + "\n"
    print(text)
    target = ROOT / "benchmarks" / "results" / f"{name}.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(text, encoding="utf-8")
