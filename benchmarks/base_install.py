"""How large is the base install? A clean virtual environment, pip and setuptools included, and the shipped weights.

    python benchmarks/base_install.py

Installs the checkout with the versions of constraints.txt and counts the bytes of every file.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from machine import ROOT, keep

LIMITS = {"environment_mb": 370.0, "weights_mb": 8.0}


def size_mb(folder: Path) -> float:
    """Bytes on disk (blocks taken, as ``du`` counts them), in units of 2^20."""
    return sum(p.lstat().st_blocks * 512 for p in folder.rglob("*") if not p.is_symlink()) / 2**20


def main() -> None:
    """Install, run once (which compiles what it imports), measure."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "venv"
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
        subprocess.run([home / "bin" / "pip", "install", "-q", "-c", ROOT / "constraints.txt", ROOT], check=True)
        subprocess.run([home / "bin" / "mien", "models"], check=True)
        package = next(home.glob("lib/python*/site-packages"))
        parts = {p.name: round(size_mb(p), 1) for p in package.iterdir() if p.is_dir() and size_mb(p) > 2}
        measured = {"environment_mb": size_mb(home), "weights_mb": size_mb(package / "mien" / "weights")}
    keep("base_install", {**measured, "limits": LIMITS, "largest_mb": dict(sorted(parts.items(), key=lambda i: -i[1]))})
    for name, limit in LIMITS.items():
        assert measured[name] <= limit, f"{name} is {measured[name]:.1f}, over {limit}"


if __name__ == "__main__":
    main()
