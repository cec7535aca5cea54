"""Threads of a generator."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator

import pytest

from mien.data.pool import threads
from tests_support import threads_end


def test_a_generator_that_is_given_up_is_not_waited_for() -> None:
    """The garbage collector may give it up in a thread that its own threads, or others, wait for."""
    before, go_on, begun = threading.active_count(), threading.Event(), []

    def results() -> Iterator[int]:
        with threads(1) as pool:
            waiting = pool.submit(go_on.wait)
            later = pool.submit(begun.append, 1)
            yield 1
            waiting.result()
            later.result()

    for give_up in ("close", "forget"):
        reading = results()
        next(reading)
        if give_up == "close":
            reading.close()  # type: ignore[attr-defined]
        del reading
        gc.collect()
        assert not go_on.is_set()  # and still we are here
    go_on.set()
    assert threads_end(before)
    assert begun == [], "what had not begun is dropped"


def test_otherwise_threads_are_waited_for() -> None:
    before, done = threading.active_count(), []
    with threads(2) as pool:
        for i in range(5):
            pool.submit(done.append, i)
    assert sorted(done) == [0, 1, 2, 3, 4] and threading.active_count() == before

    def fails() -> None:
        with threads(2) as pool:
            pool.submit(done.append, 5)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert threading.active_count() == before
