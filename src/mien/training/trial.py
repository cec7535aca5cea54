"""What scoring and training take, tried in a process of its own: ``python -m mien.training.trial``.

The process says how much it held resident at most (on Linux its status, elsewhere getrusage). The interpreter, the
imports and the libraries' first use come before the model and are taken off. On Linux getrusage would not do: a process
begins there with the peak of the one that started it, and a model smaller than its caller would seem to take nothing.
A training that the memory is too small for ends its own process, and no other.
"""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Trial:
    """What was measured.

    Attributes:
        peak: Bytes that the process held at most, over what it held before the model; None where it failed.
        step_seconds: Median time of a training step; None for scoring.
        steps: Training steps timed.
        trouble: Why it failed; empty where it did not.
    """

    peak: int | None
    step_seconds: float | None = None
    steps: int = 0
    trouble: str = ""


def scoring(file: Path, outputs: Sequence[str], side: int, batch: int) -> Trial:
    """Load an ONNX file in a new process and score batches of gray faces, on one thread.

    Args:
        file: ``model.onnx``, or any whose input is ``faces`` (N, side, side) uint8.
        outputs: Names to ask for.
        side: Of the faces, pixels.
        batch: Faces at a time.
    """
    return _tried({"file": str(file.resolve()), "outputs": list(outputs), "side": side, "batch": batch})


def training(recipe: str, side: int, classes: int | None, batch: int, seconds: float) -> Trial:
    """Build a recipe's network in a new process and train it on faces of noise.

    On a GPU the peak is what torch allocates there.

    Args:
        recipe: Its text.
        side: Of the faces, pixels.
        classes: Number of classes; the recipe's own if None.
        batch: Faces of a step.
        seconds: Time for the steps that are counted; one is, however long it takes.
    """
    return _tried({"recipe": recipe, "side": side, "classes": classes, "batch": batch, "seconds": seconds})


def _tried(task: dict[str, Any]) -> Trial:
    # -P: a module that lies in the current folder is not ours.
    command = [sys.executable, "-P", "-m", "mien.training.trial"]
    done = subprocess.run(command, input=json.dumps(task), capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    if done.returncode == 0 and lines:
        return Trial(**json.loads(lines[-1]))
    if done.returncode < 0:
        return Trial(None, trouble="its process was killed, as happens where the memory ends")
    return Trial(None, trouble=(done.stderr.strip().splitlines() or ["its process ended"])[-1])


def peak_bytes() -> int:
    """Most bytes that this process has held resident at once, since it began or since ``mark``."""
    with suppress(OSError):
        for line in _STATUS.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def mark() -> int:
    """Forget the peak so far, where the system can, and return the one that is left: what to take off."""
    gc.collect()
    with suppress(OSError):
        _RESET.write_text("5", encoding="ascii")  # proc(5): the peak becomes what is held now
    return peak_bytes()


def _score(task: dict[str, Any]) -> Trial:
    import numpy as np
    import onnxruntime

    faces = np.zeros((task["batch"], task["side"], task["side"]), np.uint8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    before = mark()
    session = onnxruntime.InferenceSession(task["file"], options, providers=["CPUExecutionProvider"])
    for _ in range(3):
        session.run(task["outputs"], {"faces": faces})
    return Trial(peak_bytes() - before)


def _train(task: dict[str, Any]) -> Trial:
    from mien.recipe import ResidualSection, parse

    recipe = parse(task["recipe"], "the recipe")

    import torch

    from mien.training.timing import steps_timed
    from mien.training.untrained import Untrained

    small = ResidualSection(name="residual", stem=2, widths=[2], blocks=[1])
    first = Untrained(recipe.model_copy(update={"network": small}), 16, task["classes"]).trainer(2)
    first(0)  # what libraries load when they are first used is not the network's
    del first
    before = mark()
    step = Untrained(recipe, task["side"], task["classes"]).trainer(task["batch"])
    times = steps_timed(step, task["seconds"])
    # The optimizer makes its moments in the first step: only the second, which there always is, meets all at once.
    peak = int(torch.cuda.max_memory_allocated()) if torch.cuda.is_available() else peak_bytes() - before
    return Trial(peak, sorted(times)[len(times) // 2], len(times))


if __name__ == "__main__":
    with suppress(OSError):  # proc(5): where the memory ends, this is the process to end
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    given = json.load(sys.stdin)
    print(json.dumps(asdict(_train(given) if "recipe" in given else _score(given))))
