"""Many pictures at once: the same whoever reads them, in order, and nothing is left running."""

from __future__ import annotations

import gc
import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from mien.data import begin, pack
from mien.data.reading import Faults
from mien.data.sources import decoding
from mien.data.sources import pictures as module
from mien.data.sources.decoding import Batch, decoded
from mien.errors import DataError, ImageError
from mien.faces import to_gray, whole
from mien.files import sha256
from tests_support import assert_same, hear_interrupts, threads_end

forks = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux only")
N, STEP = 90, 8
BAD = {0: "empty", 11: "not a picture", 40: "cut off", 41: "no such file", 89: "megapixels"}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """90 small pictures of several formats, sizes and colours, some of them damaged, and a class folder beside."""
    top = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(2)
    (top / "cat").mkdir()
    for i in range(N):
        side = 48 if i % 3 else int(rng.integers(20, 90))
        picture = rng.integers(0, 256, (side, side + i % 2, 3) if i % 5 == 0 else (side, side), dtype=np.uint8)
        data = bytes(cv2.imencode((".png", ".jpg")[i % 2], picture)[1])
        bad = {"empty": b"", "not a picture": b"hello", "cut off": data[:-20], "megapixels": b"P5 30000 30000 255\n "}
        if BAD.get(i) != "no such file":
            (top / name(i)).write_bytes(bad[BAD[i]] if i in BAD else data)
    return top


def name(i: int) -> str:
    return f"cat/{i:03d}.png"


def batches(n: int = N) -> list[list[str]]:
    return [[name(i) for i in range(at, min(at + STEP, n))] for at in range(0, n, STEP)]


def by_threads(top: Path, size: int = 48, threads: int = 2) -> Iterator[Batch]:
    return decoding._by_threads(top, batches(), size, threads)


def by_processes(top: Path, size: int = 48, count: int = 2) -> Iterator[Batch]:
    return decoding._by_processes(top, batches(), size, count)


WAYS: dict[str, Callable[..., Iterator[Batch]]] = {"threads": by_threads}
if sys.platform == "linux":
    WAYS["processes"] = by_processes


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of the processes that were started."""
    found: list[int] = []
    real = os.fork

    def fork() -> int:
        pid = real()
        found.append(pid)
        return pid

    monkeypatch.setattr(os, "fork", fork)
    return found


def assert_gone(pids: list[int]) -> None:
    """Ended, and waited for."""
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


# ---- what is read


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("size", [48, 30])
@pytest.mark.parametrize("workers", [1, 2, 5, 20])
def test_every_picture_is_read_in_order(way: str, size: int, workers: int, pictures: Path) -> None:
    found = list(WAYS[way](pictures, size, workers))
    assert [len(batch.faces) for batch in found] == [len(paths) for paths in batches()]
    errors = {at * STEP + i: error for at, batch in enumerate(found) for i, error in batch.errors.items()}
    assert list(errors) == list(BAD)
    for i, error in errors.items():
        assert isinstance(error, ImageError)
        assert BAD[i] in str(error) and str(pictures) not in str(error)
        assert error.expected and error.remedy
    faces = np.concatenate([batch.faces for batch in found])
    hashes = [digest for batch in found for digest in batch.hashes]
    assert faces.shape == (N, size, size) and faces.dtype == np.uint8
    for i in range(N):
        if i in BAD:
            assert hashes[i] == ""
        else:
            picture = cv2.imdecode(np.fromfile(pictures / name(i), np.uint8), cv2.IMREAD_UNCHANGED)
            np.testing.assert_array_equal(faces[i], whole(to_gray(picture), size))
            assert hashes[i] == sha256(pictures / name(i))


def test_the_way_depends_on_how_many_there_are_and_how_large(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int]] = []
    for way in ("threads", "processes"):
        monkeypatch.setattr(
            decoding, f"_by_{way}", lambda source, batches, size, n, way=way: asked.append((way, n)) or iter([])
        )
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    decoded(pictures, batches(), 48)
    monkeypatch.setattr(decoding, "_MANY", N)
    decoded(pictures, batches(), 48)
    monkeypatch.setattr(decoding, "_LARGE", 1000)
    decoded(pictures, batches(), 48)
    monkeypatch.setattr(decoding, "_LARGE", 1 << 14)
    monkeypatch.setattr(sys, "platform", "darwin")
    decoded(pictures, batches(), 48)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3})
    decoded(pictures, batches(), 48)
    assert asked == [("threads", 2), ("processes", 8), ("threads", 4), ("threads", 2), ("threads", 1)]


def test_nothing_to_read_is_no_error(tmp_path: Path) -> None:
    assert list(decoded(tmp_path, [], 48)) == []


# ---- what is left behind


@forks
def test_processes_end_with_the_reading(pictures: Path, children: list[int]) -> None:
    before = open_files()
    list(by_processes(pictures, count=3))
    assert len(children) == 3
    assert_gone(children)
    assert open_files() == before


@forks
@pytest.mark.parametrize("how", ["closed", "forgotten", "broken"])
def test_processes_end_when_the_reading_is_abandoned(
    pictures: Path, children: list[int], how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = open_files()
    reading = by_processes(pictures, 400)  # a batch is larger than a pipe: they wait in its middle
    next(reading)
    assert len(children) == 2
    if how == "closed":
        reading.close()
    elif how == "broken":
        monkeypatch.setattr(decoding._Child, "receive", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            next(reading)
    del reading
    gc.collect()
    assert_gone(children)
    assert open_files() == before


@pytest.mark.parametrize("how", ["closed", "forgotten"])
def test_threads_end_when_the_reading_is_abandoned(pictures: Path, how: str) -> None:
    before = threading.active_count()
    reading = by_threads(pictures)
    next(reading)
    assert threading.active_count() > before
    if how == "closed":
        reading.close()
    del reading
    gc.collect()
    assert threads_end(before)


def test_abandoned_threads_do_not_finish_what_they_were_to_read(
    pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    started = threading.Event()

    def slowly(path: str) -> bytes:
        read.append(path)
        started.set()
        time.sleep(0.02)
        return b""

    monkeypatch.setattr(decoding, "contents", slowly)
    before = threading.active_count()
    reading = decoding._by_threads(pictures, [[name(0)], *batches()[:1] * 20], 48, 1)
    next(reading)
    started.wait()
    reading.close()
    assert threads_end(before)
    assert len(read) < STEP


def test_threads_do_not_run_far_ahead_of_the_reader(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    monkeypatch.setattr(decoding, "_read", lambda *_: read.append(1))
    reading = decoding._by_threads(pictures, batches() * 10, 48, 2)
    for taken in range(1, 4):
        next(reading)
        time.sleep(0.05)
        assert len(read) <= taken + 4
    reading.close()


@forks
def test_a_process_that_dies_costs_nothing_but_time(pictures: Path, children: list[int]) -> None:
    expected = list(by_threads(pictures))
    reading = by_processes(pictures, 48, 2)
    found = [next(reading)]
    os.kill(children[0], signal.SIGKILL)
    found += reading
    for a, b in zip(found, expected, strict=True):
        good = [i for i in range(len(a.faces)) if i not in a.errors]
        np.testing.assert_array_equal(a.faces[good], b.faces[good])
        assert a.hashes == b.hashes
        assert list(a.errors) == list(b.errors)
    assert_gone(children)


@forks
def test_a_process_that_hangs_is_not_waited_for(
    pictures: Path, children: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "_send", lambda *_: time.sleep(60))
    monkeypatch.setattr(decoding, "_PATIENCE", 50)
    start = time.monotonic()
    assert [batch.hashes for batch in by_processes(pictures)] == [batch.hashes for batch in by_threads(pictures)]
    assert_gone(children)
    assert time.monotonic() - start < 30


@forks
@pytest.mark.parametrize("what", [signal.SIGINT, signal.SIGTERM])
def test_processes_are_deaf_to_interrupts(
    pictures: Path, children: list[int], monkeypatch: pytest.MonkeyPatch, what: signal.Signals
) -> None:
    reading = by_processes(pictures, 400)  # a batch is larger than a pipe: they wait in its middle
    found = [next(reading)]
    for pid in children:
        os.kill(pid, what)
    monkeypatch.setattr(decoding, "_read", lambda *_: 1 / 0)  # what a dead one leaves would be read here
    found += reading
    monkeypatch.undo()
    for a, b in zip(found, by_threads(pictures, 400), strict=True):
        good = [i for i in range(len(a.faces)) if i not in a.errors]
        np.testing.assert_array_equal(a.faces[good], b.faces[good])


@forks
def test_a_process_that_is_held_up_holds_up_neither_the_others_nor_memory(
    pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[tuple[int, int]] = []
    take, fork, stopped = decoding._Child.take, decoding._fork, []

    def stop_the_first(*arguments: Any) -> None:
        fork(*arguments)
        children = arguments[-1]
        if len(children) == 1:
            os.kill(children[0].pid, signal.SIGSTOP)
            stopped.append(children[0].pid)

    def note(child: Any, number: int) -> bool:
        taken.append((child.pid, number))
        return take(child, number)

    monkeypatch.setattr(decoding, "_fork", stop_the_first)
    monkeypatch.setattr(decoding._Child, "take", note)
    monkeypatch.setattr(decoding, "_PATIENCE", 2000)
    reading = by_processes(pictures, 48, 2)
    found = [next(reading)]
    assert sorted(number for pid, number in taken if pid in stopped) == [0, 1]
    assert sorted(number for pid, number in taken if pid not in stopped) == [2, 3, 4, 5, 6, 7]
    found += reading
    assert [batch.hashes for batch in found] == [batch.hashes for batch in by_threads(pictures)]


@forks
def test_a_process_that_died_takes_no_more() -> None:
    orders, results = os.pipe(), os.pipe()
    os.close(orders[0])
    child = decoding._Child(os.getpid(), orders[1], results[0])
    assert not child.take(3)
    assert not child.alive and not child.given
    os.close(results[1])
    child.alive = True
    assert child.receive(2, 48) is None
    assert not child.alive
    os.close(orders[1])
    os.close(results[0])


@forks
@pytest.mark.parametrize("started", [0, 1])
def test_where_no_process_can_be_started_the_pictures_are_read_here(
    pictures: Path, started: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = open_files()
    real, calls = os.fork, []

    def fork() -> int:
        calls.append(1)
        if len(calls) > started:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        return real()

    monkeypatch.setattr(os, "fork", fork)
    found = list(by_processes(pictures, 48, 3))
    assert len(calls) == 3
    assert [batch.hashes for batch in found] == [batch.hashes for batch in by_threads(pictures)]
    assert open_files() == before


@forks
def test_an_error_of_our_own_in_a_process_is_raised_here(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(data: bytes) -> Any:
        raise RuntimeError("a mistake")

    monkeypatch.setattr(decoding, "decode_gray", broken)
    with pytest.raises(RuntimeError, match="a mistake"):
        list(by_processes(pictures))


@forks
def test_signals_are_heard_again_after_processes_were_started(pictures: Path) -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    reading = by_processes(pictures)
    next(reading)
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before
    reading.close()


@forks
def test_processes_run_no_code_of_the_parents_at_their_end(pictures: Path, tmp_path: Path) -> None:
    code = f"""
import atexit, os, sys
from pathlib import Path
from mien.data.sources import decoding
class Held:
    def __del__(self):
        os.write(1, b"finalised ")
held = Held()
cycle = [Held()]
cycle.append(cycle)
del cycle
atexit.register(os.write, 1, b"exit ")
sys.stdout.write("buffered ")
for batch in decoding._by_processes(Path({str(pictures)!r}), {batches()!r}, 48, 2):
    pass
sys.stdout.flush()
os.write(1, b"end ")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == ""
    # Once each, in one process. The order of the last ones is Python's.
    assert done.stdout.startswith("buffered end ")
    assert sorted(done.stdout.split()) == ["buffered", "end", "exit", "finalised", "finalised"]


# ---- an import that is interrupted

MANY = """
import os, sys
from pathlib import Path
from mien.data import begin, pack
from mien.data.reading import Faults
from mien.data.sources import decoding
decoding._MANY = 1
decoding.os.sched_getaffinity = lambda _: {{0, 1}}
real = os.fork
def fork():
    pid = real()
    if pid:
        print(pid, flush=True)
    return pid
os.fork = fork
read = decoding._read
def slowly(*arguments):
    import time
    time.sleep(0.05)
    return read(*arguments)
decoding._read = slowly
faults = Faults(skip=True)
reading = begin(Path({source!r}), kind="class-folders", size=1024, faults=faults)
chunks = reading.chunks
def told():
    for chunk in chunks:
        print("chunk", flush=True)
        yield chunk
import dataclasses
pack(dataclasses.replace(reading, chunks=told()), Path({store!r}), faults)
print("done", flush=True)
"""


def wait_until_gone(pids: list[int]) -> None:
    end = time.monotonic() + 20
    while pids and time.monotonic() < end:
        for pid in list(pids):
            try:
                state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
            except FileNotFoundError:
                state = "Z"
            if state == "Z":  # nobody reaps orphans in some containers
                pids.remove(pid)
        time.sleep(0.02)
    assert pids == []


@forks
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_process_outlives_an_import_that_was_stopped(pictures: Path, tmp_path: Path, how: signal.Signals) -> None:
    code = MANY.format(source=str(pictures), store=str(tmp_path / "store"))
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        preexec_fn=hear_interrupts,
    ) as process:
        assert process.stdout is not None
        pids = [int(process.stdout.readline()), int(process.stdout.readline())]
        assert process.stdout.readline() == "chunk\n"
        process.send_signal(how)
        assert process.wait(30) != 0
    wait_until_gone(pids)
    assert not (tmp_path / "store").exists()
    if how == signal.SIGINT:
        assert list(tmp_path.iterdir()) == []


@forks
def test_ctrl_c_of_the_terminal_reaches_the_parent_only(pictures: Path, tmp_path: Path) -> None:
    code = MANY.format(source=str(pictures), store=str(tmp_path / "store"))
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_interrupts,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        pids = [int(process.stdout.readline()), int(process.stdout.readline())]
        process.stdout.readline()
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    wait_until_gone(pids)
    assert errors.count("Traceback") == 1
    assert errors.rstrip().endswith("KeyboardInterrupt")


# ---- through a source


@forks
def test_an_import_by_processes_is_the_same_as_one_by_threads(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, children: list[int]
) -> None:
    monkeypatch.setattr(module, "_AT_ONCE", 20)
    sets = []
    for many in (10**9, 1):
        monkeypatch.setattr(decoding, "_MANY", many)
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
        faults = Faults(skip=True)
        sets.append(pack(begin(pictures, kind="class-folders", faults=faults), tmp_path / str(many), faults))
        assert len(faults.found) == len(BAD) - 1  # the one that is not there is not listed
    assert len(children) == 2
    assert_same(sets[0], sets[1])
    good = [name(i) for i in range(N) if i not in BAD]
    lines = "".join(f"{sha256(pictures / path)}  {path}\n" for path in good)
    assert sets[0].provenance.sha256 == hashlib.sha256(lines.encode()).hexdigest()
    every = [name(i) for i in range(N) if BAD.get(i) != "no such file"]
    assert sets[0].rows.tolist() == [i for i, path in enumerate(every) if path in good]


@forks
def test_the_first_fault_ends_the_processes(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, children: list[int]
) -> None:
    monkeypatch.setattr(decoding, "_MANY", 1)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    faults = Faults()
    with pytest.raises(DataError, match=r"cat/000\.png: the file is empty"):
        pack(begin(pictures, kind="class-folders", faults=faults), tmp_path / "store", faults)
    assert len(children) == 2
    assert_gone(children)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size", [48, 1024])
def test_chunks_stay_small_whatever_the_size(pictures: Path, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_AT_ONCE", 20)
    sizes = [c.faces.nbytes for c in begin(pictures, kind="class-folders", size=size, faults=Faults(skip=True)).chunks]
    assert max(sizes) == (20 * 48**2 if size == 48 else 4 << 20)
    assert sum(sizes) == (N - len(BAD)) * size**2
