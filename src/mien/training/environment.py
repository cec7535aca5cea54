"""What a run was made with: versions, hardware, commit."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from importlib.metadata import version
from typing import Any

from mien.machine import commit, processor


def environment() -> dict[str, Any]:
    """Facts that a result must carry; names of packages and parts, no paths or host names."""
    packages, device, threads = ["mien", "numpy", "onnx"], processor(), os.cpu_count()
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


def commits_of(facts: dict[str, Any]) -> str:
    """Commits that a run was trained with, in order: of its beginning, and of each time that it was gone on with."""
    return _each(facts, "commit")


def hardware_of(facts: dict[str, Any]) -> str:
    """The same of the hardware."""
    return _each(facts, "hardware")


def _each(facts: dict[str, Any], name: str) -> str:
    sessions = [facts, *facts.get("resumed", [])]
    return ", then ".join(dict.fromkeys(str(one[name]) for one in sessions))
