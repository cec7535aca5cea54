"""Picture files decoded, brought to one size and hashed, on several cores and in bounded memory.

Threads help where decoding takes long. Of a small picture nearly half the time is Python's own, which threads do not
share: two are little quicker than one, and four slower. Processes do, and start in milliseconds where they can be
forked.
"""

from __future__ import annotations

import gc
import hashlib
import os
import pickle
import select
import signal
import sys
import warnings
from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from threading import Event
from typing import NamedTuple, NoReturn

import numpy as np

from mien.data.pool import threads
from mien.errors import ImageError
from mien.faces import whole
from mien.images import contents, decode_gray, silence

# From so many small pictures on, forking is worth it.
_MANY = 4096
# Mean size of files, in bytes, that take so long to decode that threads are as good.
_LARGE = 1 << 14
# A child that is silent for so long, in milliseconds, hangs: what it was to read is then read here.
_PATIENCE = 60_000
_WORD = 8  # bytes of a number in a pipe


class Batch(NamedTuple):
    """Pictures that were read.

    Attributes:
        faces: (n, size, size) uint8; what is at an unreadable picture means nothing.
        hashes: sha256 of each file, as text; empty for an unreadable picture.
        errors: Place → why the picture there is unreadable.
    """

    faces: np.ndarray
    hashes: list[str]
    errors: dict[int, ImageError]


def decoded(source: Path, batches: Sequence[list[str]], size: int) -> Generator[Batch, None, None]:
    """Read pictures, batch by batch, in order.

    Whoever stops early is to close the generator; it stops what is under way.

    Args:
        source: Folder that the paths start at.
        batches: Paths of pictures, with forward slashes.
        size: Side of the faces, pixels.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if _are_large(source, batches):
        return _by_threads(source, batches, size, min(4, cores))
    if cores > 1 and sys.platform == "linux" and sum(map(len, batches)) >= _MANY:
        return _by_processes(source, batches, size, min(8, cores))
    return _by_threads(source, batches, size, min(2, cores))


def _are_large(source: Path, batches: Sequence[list[str]]) -> bool:
    sizes = []
    for batch in batches[:: max(1, len(batches) // 16)]:
        with suppress(OSError):
            sizes.append((source / batch[0]).stat().st_size)
    return sum(sizes) >= _LARGE * max(1, len(sizes))


def _read(source: Path, paths: list[str], size: int, stop: Event | None = None) -> Batch:
    """Read pictures one after another, until told to stop."""
    prefix = f"{source}{os.sep}"  # a Path for each picture would take as long as reading it
    faces, hashes, errors = np.empty((len(paths), size, size), np.uint8), [""] * len(paths), {}
    right = (size, size)
    with silence():
        for i, path in enumerate(paths):
            if stop is not None and stop.is_set():
                break
            try:
                data = contents(prefix + path)
                gray = decode_gray(data)
            except ImageError as error:
                errors[i] = error
                continue
            faces[i] = gray if gray.shape == right else whole(gray, size)
            hashes[i] = hashlib.sha256(data).hexdigest()
    return Batch(faces, hashes, errors)


def _by_threads(source: Path, batches: Sequence[list[str]], size: int, count: int) -> Generator[Batch, None, None]:
    stop = Event()
    pending: deque[Future[Batch]] = deque()
    with threads(count, "mien-pictures") as pool:
        try:
            for paths in batches:
                pending.append(pool.submit(_read, source, paths, size, stop))
                if len(pending) > 2 * count:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            stop.set()  # each thread ends with the picture in hand


def _by_processes(source: Path, batches: Sequence[list[str]], size: int, count: int) -> Generator[Batch, None, None]:
    """Who is done with a batch gets another, so that a core that is busy elsewhere does not hold up the rest."""
    children: list[_Child] = []
    done: dict[int, Batch] = {}
    given = 0
    try:
        for _ in range(count):
            with suppress(OSError):  # too many processes: then fewer do
                _fork(source, batches, size, children)
        for wanted in range(len(batches)):
            while wanted not in done:
                given = _hand_out(children, given, min(len(batches), wanted + 4 * count))
                if given == wanted:  # nobody took it
                    done[given] = _read(source, batches[given], size)
                    given += 1
                    break
                for child in _reporting(children):
                    number = child.given.popleft()
                    batch = child.receive(len(batches[number]), size)
                    done[number] = _read(source, batches[number], size) if batch is None else batch
            yield done.pop(wanted)
    finally:
        for child in children:
            child.end()


class _Child:
    """A process that reads the batches whose numbers it is given.

    Args:
        pid: Its number.
        orders: The pipe that takes the numbers.
        results: The pipe that gives the batches.

    Attributes:
        given: Numbers of the batches that it has not given yet, in its order.
        alive: Whether it can be expected to.
    """

    def __init__(self, pid: int, orders: int, results: int) -> None:
        self.pid, self.orders, self.results = pid, orders, results
        self.given: deque[int] = deque()
        self.alive = True

    def take(self, number: int) -> bool:
        """Give it a batch to read; False where it died."""
        try:
            os.write(self.orders, number.to_bytes(_WORD, "little"))
        except BrokenPipeError:
            self.alive = False
            return False
        self.given.append(number)
        return True

    def receive(self, n: int, size: int) -> Batch | None:
        """The next batch, of n pictures; None where it died or hangs, as one that was killed for memory does."""
        faces = np.empty((n, size, size), np.uint8)
        length = bytearray(_WORD)
        if not self._fill(memoryview(length)):
            return None
        rest = bytearray(int.from_bytes(length, "little"))
        if not (self._fill(memoryview(rest)) and self._fill(faces.data.cast("B"))):
            return None
        return Batch(faces, *pickle.loads(rest))

    def _fill(self, buffer: memoryview) -> bool:
        poll = select.poll()
        poll.register(self.results, select.POLLIN)
        while self.alive and len(buffer):
            read = os.readv(self.results, [buffer]) if poll.poll(_PATIENCE) else 0
            self.alive = read > 0
            buffer = buffer[read:]
        return self.alive

    def end(self) -> None:
        """Stop it, wherever it is."""
        os.close(self.orders)
        os.close(self.results)
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)


def _hand_out(children: Sequence[_Child], number: int, limit: int) -> int:
    """Give every child two batches, so that it never waits for one; the number of the next after these."""
    for child in children:
        while child.alive and len(child.given) < 2 and number < limit and child.take(number):
            number += 1
    return number


def _reporting(children: Sequence[_Child]) -> list[_Child]:
    """Children that have a batch to give, or that died with some in hand."""
    working = {child.results: child for child in children if child.given}
    if dead := [child for child in working.values() if not child.alive]:
        return dead
    poll = select.poll()
    for pipe in working:
        poll.register(pipe, select.POLLIN)
    if ready := poll.poll(_PATIENCE):
        return [working[pipe] for pipe, _ in ready]
    for child in working.values():
        child.alive = False
    return list(working.values())


def _fork(source: Path, batches: Sequence[list[str]], size: int, children: list[_Child]) -> None:
    """Start a child and add it to the others."""
    orders, results = os.pipe(), os.pipe()
    # Until the child is known: else Ctrl-C could become an exception in it, and unwind a copy of the parent's stack.
    # The child stays deaf. It ends when the parent does, since that closes its pipes, or killed.
    hearing = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        with warnings.catch_warnings():
            # Python warns of locks that other threads may hold. The child reads, hashes and decodes, nothing else; and
            # should it wait for such a lock, the parent does not wait for it.
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
        if not pid:
            # The parent is to have the only other ends of its pipes, and of the other children's.
            others = [pipe for child in children for pipe in (child.orders, child.results)]
            _serve(orders[0], results[1], [orders[1], results[0], *others], source, batches, size)
        children.append(_Child(pid, orders[1], results[0]))
    except OSError:
        os.close(orders[1])
        os.close(results[0])
        raise
    finally:
        os.close(orders[0])
        os.close(results[1])
        signal.pthread_sigmask(signal.SIG_SETMASK, hearing)


def _serve(
    orders: int, results: int, others: Sequence[int], source: Path, batches: Sequence[list[str]], size: int
) -> NoReturn:
    """What a child does."""
    import fcntl  # not everywhere

    try:
        gc.disable()  # the parent's garbage is the parent's to finalise
        for pipe in others:
            os.close(pipe)
        with suppress(OSError):
            fcntl.fcntl(results, fcntl.F_SETPIPE_SZ, 1 << 20)  # a batch of small faces goes in whole
        while number := os.read(orders, _WORD):
            _send(results, _read(source, batches[int.from_bytes(number, "little")], size))
    finally:
        os._exit(0)


def _send(pipe: int, batch: Batch) -> None:
    rest = pickle.dumps((batch.hashes, batch.errors))
    for view in (memoryview(len(rest).to_bytes(_WORD, "little") + rest), batch.faces.data.cast("B")):
        while len(view):
            view = view[os.write(pipe, view) :]
