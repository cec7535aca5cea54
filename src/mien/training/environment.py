"""What a run was made with: versions, hardware, commit."""

from __future__ import annotations

import os
import platform
import subprocess
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any


def environment() -> dict[str, Any]:
    """Facts that a result must carry; names of packages and parts, no paths or host names."""
    packages, device, threads = ["mien", "numpy", "onnx"], _processor(), os.cpu_count()
    with suppress(ModuleNotFoundError):  # a hybrid is fitted without it
        import torch

        packages += ["torch", "lightning"]
        device = torch.cuda.get_device_name() if torch.cuda.is_available() else device
        threads = torch.get_num_threads()
    return {
        "python": platform.python_version(),
        "system": platform.system(),
        "packages": {name: version(name) for name in packages},
        "hardware": f"{device}, {os.cpu_count()} cores",
        "threads": threads,
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
