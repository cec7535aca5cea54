"""One process at a time trains in a run folder: two would overwrite each other's checkpoints and mix up the log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from mien.errors import TrainingError

LOCK = ".lock"


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep a run folder for this process. The system lets go of it when the process ends, however it ends.

    Args:
        folder: Run folder; must exist.

    Raises:
        TrainingError: Another process trains in it, or nothing can be written there.
    """
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise TrainingError(
            f"another process is training in {folder}",
            "a run that nothing else goes on with",
            "Wait until it is done, or stop it and go on.",
        ) from error
    except OSError as error:
        raise TrainingError(
            f"{folder} cannot be written to ({error.strerror or error})", "a run folder that you may write to"
        ) from error
    except NotImplementedError:  # a file system without locks; that is no reason not to train
        yield
        return
    try:
        yield
    finally:
        lock.release()
