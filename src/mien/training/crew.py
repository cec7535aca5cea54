"""Trials by one worker in this process, or by several in their own."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from contextlib import suppress
from multiprocessing.context import SpawnProcess
from multiprocessing.queues import SimpleQueue
from pathlib import Path

from mien.errors import MienError, TrainingError
from mien.training.database import answering
from mien.training.study import State, Study, Trial
from mien.training.tune import Look, Train, Tuning, work, write_results

_OFTEN = 0.5  # seconds between two looks at the workers
_PATIENCE = 60.0  # seconds for a worker to write its checkpoint when it is asked to stop
_MOST_KILLED = 5  # workers that are replaced


def tune(tuning: Tuning, workers: int = 1, look: Look | None = None, train: Train | None = None) -> list[Trial]:
    """Run the trials that are left.

    Args:
        tuning: The search.
        workers: Processes; one is this one.
        look: Shown every trial, about once a second and at the end.
        train: How a trial is trained, a function at the top of a module; ``mien.training.run`` if None.

    Returns:
        Every trial; some are not finished where another ``mien tune`` runs them.

    Raises:
        MienError: A recipe, the data or the database is wrong; finished trials are kept.
        KeyboardInterrupt: Likewise.
    """
    with answering(tuning.plan.storage):
        study = Study(tuning.plan)
        study.fill()
        board = _Board(tuning, look)
        board(study.trials())
        if workers == 1:
            work(tuning, board, train)
        else:
            _Crew(tuning, workers, train).run(study, board)
        trials = study.trials()
        board(trials)
        return trials


class _Board:
    """Writes the results down whenever a trial has ended."""

    def __init__(self, tuning: Tuning, look: Look | None) -> None:
        self._tuning, self._look = tuning, look
        self._written: list[State] | None = None

    def __call__(self, trials: list[Trial]) -> None:
        states = [trial.state for trial in trials]
        if states != self._written:
            write_results(self._tuning, trials)
            self._written = states
        if self._look is not None:
            self._look(trials)


class _Crew:
    """Worker processes of one ``mien tune``."""

    def __init__(self, tuning: Tuning, workers: int, train: Train | None) -> None:
        self._tuning, self._train = tuning, train
        self._context = multiprocessing.get_context("spawn")  # a fork would share what torch has begun
        self._threads = max(1, _cores() // workers)
        self._said: SimpleQueue[MienError] = self._context.SimpleQueue()
        self._killed = 0
        self._processes = {number: self._begun(number) for number in range(1, workers + 1)}

    def run(self, study: Study, board: _Board) -> None:
        """Until every worker has ended."""
        try:
            while self._processes:
                time.sleep(_OFTEN)
                board(study.trials())
                for number, process in list(self._processes.items()):
                    if not process.is_alive():
                        del self._processes[number]
                        self._ended(number, process, study)
        finally:
            for process in self._processes.values():
                process.terminate()
            for process in self._processes.values():
                process.join(_PATIENCE)
                process.kill()

    def _ended(self, number: int, process: SpawnProcess, study: Study) -> None:
        if not self._said.empty():
            raise self._said.get()
        code = process.exitcode or 0
        if code > 0:
            log = _log(self._tuning.folder, number)
            lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            raise TrainingError(
                f"worker {number} ended: {(lines or ['it said nothing'])[-1]}", remedy=f"All it said is in {log}."
            )
        study.fill()
        left = any(trial.state == "waiting" for trial in study.trials())
        if code < 0 and left and self._killed < _MOST_KILLED:
            self._killed += 1
            self._processes[number] = self._begun(number)

    def _begun(self, number: int) -> SpawnProcess:
        process = self._context.Process(
            target=_worker, args=(self._tuning, number, self._threads, self._train, self._said), daemon=True
        )
        process.start()
        return process


def _worker(tuning: Tuning, number: int, threads: int, train: Train | None, said: SimpleQueue[MienError]) -> None:
    # Ctrl-C goes to every process of a terminal, and training takes a second signal for impatience: so only the first
    # process hears it, and passes it on as SIGTERM, once.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "setpgrp"):
        os.setpgrp()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))  # torch reads it when it is imported, which is later
    with _log(tuning.folder, number).open("a", encoding="utf-8", buffering=1) as log, suppress(KeyboardInterrupt):
        os.dup2(log.fileno(), sys.stdout.fileno())
        os.dup2(log.fileno(), sys.stderr.fileno())
        try:
            with answering(tuning.plan.storage):
                work(tuning, None, train)
        except MienError as error:
            said.put(error)


def _log(folder: Path, number: int) -> Path:
    return folder / f"worker-{number}.log"


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
