"""What a number was measured on: the processor and the commit of the code."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path


def hardware() -> str:
    """Processor and cores, such as ``Intel(R) Xeon(R) Processor, 2 cores``."""
    return f"{processor()}, {os.cpu_count()} cores"


def processor() -> str:
    """Name of the processor, as the system gives it."""
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
