"""What a run was made with: versions, hardware, commit."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch


def environment() -> dict[str, Any]:
    """Facts that a result must carry; names of packages and parts, no paths or host names."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else _processor()
    return {
        "python": platform.python_version(),
        "system": platform.system(),
        "packages": {name: version(name) for name in ("mien", "torch", "lightning", "numpy", "onnx")},
        "hardware": f"{device}, {os.cpu_count()} cores",
        "threads": torch.get_num_threads(),
        "commit": commit(),
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def commit() -> str:
    """Commit of the checkout this file is in, with ``+changes`` if it was edited; empty for an installed copy."""
    try:
        folder = Path(__file__).parent
        described = subprocess.run(
            ["git", "describe", "--always", "--abbrev=12", "--exclude=*", "--dirty=+changes"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return described.stdout.strip()
