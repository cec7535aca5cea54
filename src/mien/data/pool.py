"""Threads that a generator may start."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager


@contextmanager
def threads(count: int | None, name: str = "") -> Iterator[ThreadPoolExecutor]:
    """Threads that end with the block; what has not begun by then is dropped.

    They are waited for, unless the block is a generator's and that is given up. The garbage collector may be what gives
    it up, in any thread: in one that another waits for, waiting would never end.

    Args:
        count: How many at most; None for Python's own choice.
        name: What they are called.
    """
    pool = ThreadPoolExecutor(count, name)
    try:
        yield pool
    except GeneratorExit:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    except BaseException:
        pool.shutdown(cancel_futures=True)
        raise
    pool.shutdown()
