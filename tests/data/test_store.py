"""The packed store: what goes in comes out, whole or not at all, and quickly."""

from __future__ import annotations

import dataclasses
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mien.data import USAGES, FaceSet, Faults, Provenance, Reading, load, open_faces, save
from mien.data.sources import fer2013_csv
from mien.errors import DataError, OutputError
from mien.expressions import FER2013, Vocabulary
from mien.files import sha256
from tests_support import assert_same


def whole_set(faces: FaceSet) -> FaceSet:
    """The same with every optional field filled, in a vocabulary and with usages of its own."""
    n = len(faces)
    return dataclasses.replace(
        faces,
        provenance=Provenance("made up", "tiny", "1" * 64, {"votes.csv": "2" * 64}, "to-mood"),
        vocabulary=Vocabulary("mood", ("grumpy", "so-so", "bright", "a", "b", "c", "d")),
        usages=("train", "été\udcff"),
        paths=np.array([f"train/mood {i}/\u00fc\udcff.png" for i in range(n)]),
        subjects=np.array([f"S{i % 9:03d}" if i % 5 else "" for i in range(n)]),
        columns={"relFCs": np.linspace(0, 1, n), "age": np.full(n, np.nan)},
    )


@pytest.fixture
def store(tiny_faces: FaceSet, tmp_path: Path) -> Path:
    save(tiny_faces, tmp_path / "store")
    return tmp_path / "store"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A small fer2013.csv."""
    faces = np.random.default_rng(2).integers(0, 256, (8, 48 * 48))
    lines = [f"{i % 7},{' '.join(map(str, face))},{USAGES[i % 2]}" for i, face in enumerate(faces.tolist())]
    path = tmp_path / "small.csv"
    path.write_text("\n".join(["emotion,pixels,Usage", *lines, ""]))
    return path


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Sources that the CSV reader has read so far in this test."""
    seen: list[Path] = []
    reader = fer2013_csv.read

    def counted(path: Path, size: int, faults: Faults) -> Reading:
        seen.append(path)
        return reader(path, size, faults)

    monkeypatch.setattr(fer2013_csv, "read", counted)
    return seen


def stores(cache: Path) -> list[Path]:
    """Everything in the cache's folder of stores, unfinished ones too."""
    return sorted((cache / "stores").iterdir())


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("MIEN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


# ---- round trip


def test_what_goes_in_comes_out(store: Path, tiny_faces: FaceSet) -> None:
    assert_same(load(store), tiny_faces)


def test_what_only_some_sources_have_comes_out_too(tiny_faces: FaceSet, tmp_path: Path) -> None:
    save(whole_set(tiny_faces), tmp_path / "store")
    assert_same(load(tmp_path / "store"), whole_set(tiny_faces))


def test_some_faces_are_taken_with_all_that_belongs_to_them(tiny_faces: FaceSet) -> None:
    whole = whole_set(tiny_faces)
    some = whole.take(np.array([7, 3]))
    assert some.rows.tolist() == whole.rows[[7, 3]].tolist()
    assert (some.faces == whole.faces[[7, 3]]).all()
    assert some.paths is not None and some.paths.tolist() == [
        "train/mood 7/\u00fc\udcff.png",
        "train/mood 3/\u00fc\udcff.png",
    ]
    assert some.subjects is not None and some.subjects.tolist() == ["S007", "S003"]
    assert some.columns["relFCs"].tolist() == whole.columns["relFCs"][[7, 3]].tolist()
    assert (some.vocabulary, some.usages, some.provenance) == (whole.vocabulary, whole.usages, whole.provenance)
    for wrong in ([], [3, 3]):
        with pytest.raises(DataError):
            whole.take(np.array(wrong, int))


def test_faces_stay_on_the_disk_and_cannot_be_changed_there(store: Path) -> None:
    faces = load(store).faces
    assert isinstance(faces, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        faces[0, 0, 0] = 1


def test_a_store_can_be_saved_again(store: Path, tmp_path: Path, tiny_faces: FaceSet) -> None:
    save(load(store), tmp_path / "again")
    assert_same(load(tmp_path / "again"), tiny_faces)


def test_an_array_that_is_not_contiguous_is_stored_by_its_values(tiny_faces: FaceSet, tmp_path: Path) -> None:
    mirrored = dataclasses.replace(tiny_faces, faces=tiny_faces.faces[:, :, ::-1])
    save(mirrored, tmp_path / "store")
    assert_same(load(tmp_path / "store"), mirrored)


def test_the_store_says_what_it_holds(store: Path, tiny_faces: FaceSet) -> None:
    assert json.loads((store / "store.json").read_text()) == {
        "format": 2,
        "n": 120,
        "size": 48,
        "vocabulary": {"name": "fer2013", "labels": list(FER2013.labels)},
        "usages": ["Training", "PublicTest", "PrivateTest"],
        "columns": [],
        "provenance": dataclasses.asdict(tiny_faces.provenance),
    }


def test_an_existing_folder_is_refused_and_left_alone(tiny_faces: FaceSet, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    with pytest.raises(DataError, match="mine exists already"):
        save(tiny_faces, tmp_path / "mine")
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


# ---- built once


def test_a_source_is_read_once_and_then_opened_from_its_store(source: Path, cache: Path, reads: list[Path]) -> None:
    first, second = open_faces(source), open_faces(source)
    assert reads == [source]
    assert_same(first, second)
    assert [p.name for p in stores(cache)] == [f"small-{sha256(source)[:16]}-2"]


def test_a_source_whose_content_changed_is_read_again(source: Path, cache: Path, reads: list[Path]) -> None:
    open_faces(source)
    source.write_text(source.read_text().replace("\n0,", "\n6,"))
    assert open_faces(source).labels[0] == 6
    assert len(reads) == 2
    assert len(stores(cache)) == 2


def test_a_copy_of_a_source_elsewhere_needs_no_second_store(
    source: Path, cache: Path, reads: list[Path], tmp_path: Path
) -> None:
    open_faces(source)
    (tmp_path / "elsewhere").mkdir()
    open_faces(Path(shutil.copy(source, tmp_path / "elsewhere")))
    assert reads == [source]


def test_a_store_folder_is_opened_as_it_is(store: Path, cache: Path, tiny_faces: FaceSet) -> None:
    assert_same(open_faces(store), tiny_faces)
    assert not cache.exists()


def test_a_source_with_something_wrong_leaves_no_store(source: Path, cache: Path) -> None:
    source.write_text(source.read_text().replace("PublicTest", "Publictest"))
    with pytest.raises(DataError, match="Usage"):
        open_faces(source)
    assert stores(cache) == []


def test_two_processes_that_build_the_same_store_at_once_both_get_it(
    source: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = fer2013_csv.read

    def slow(path: Path, size: int, faults: Faults) -> Reading:
        monkeypatch.setattr(fer2013_csv, "read", reader)
        open_faces(path)  # the other process is done before this one
        return reader(path, size, faults)

    monkeypatch.setattr(fer2013_csv, "read", slow)
    assert len(open_faces(source)) == 8
    assert len(stores(cache)) == 1


def test_a_store_that_takes_its_name_during_the_writing_is_used(
    source: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = np.save

    def slow(*args: Any) -> None:
        monkeypatch.setattr(np, "save", write)
        open_faces(source)
        write(*args)

    monkeypatch.setattr(np, "save", slow)
    assert len(open_faces(source)) == 8
    assert len(stores(cache)) == 1


def test_the_second_opening_at_full_size_takes_under_fifty_milliseconds(
    shared: Path, fer2013: FaceSet, fer2013_cache: Path
) -> None:
    (folder,) = stores(fer2013_cache)
    assert len(fer2013) == 32239
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        load(folder)
        seconds.append(time.perf_counter() - began)
    assert min(seconds) < 0.05


def test_opening_the_source_again_costs_its_hash_and_little_more(
    shared: Path, fer2013: FaceSet, fer2013_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIEN_CACHE", str(fer2013_cache))
    path = shared / "data" / "fer2013.parquet"
    opening, hashing = [], []
    for _ in range(5):
        began = time.perf_counter()
        sha256(path)
        hashed = time.perf_counter()
        open_faces(path)
        opening.append(time.perf_counter() - hashed)
        hashing.append(hashed - began)
    assert min(opening) - min(hashing) < 0.05


# ---- half-written stores


def test_an_error_while_writing_leaves_nothing_behind(
    source: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = np.save

    def failing(file: Path, array: np.ndarray) -> None:
        if file.name == "rows.npy":
            raise OSError(28, "No space left on device")
        write(file, array)

    monkeypatch.setattr(np, "save", failing)
    with pytest.raises(OutputError, match="No space left"):
        open_faces(source)
    assert stores(cache) == []
    monkeypatch.setattr(np, "save", write)
    assert len(open_faces(source)) == 8


KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from mien.data import open_faces

left = int(sys.argv[2])
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
def save(*args, write=np.save):
    global left
    write(*args)
    left -= 1
    if not left:
        die()
np.save = save
if not left:
    Path.replace = die
open_faces(Path(sys.argv[1]))
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL on this system")
@pytest.mark.parametrize("arrays", [1, 4, 0], ids=["after one array", "before store.json", "before it has its name"])
def test_a_store_whose_writing_was_killed_is_never_opened(source: Path, cache: Path, arrays: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, source, str(arrays)], capture_output=True, timeout=60, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    (half,) = stores(cache)
    assert half.name.startswith(".")
    assert len(open_faces(source)) == 8
    assert len(stores(cache)) == 2
    if arrays:
        with pytest.raises(DataError, match=r"not a store: it has no store\.json"):
            load(half)


def test_a_folder_without_store_json_is_not_a_store(store: Path) -> None:
    (store / "store.json").unlink()
    with pytest.raises(DataError, match=r"not a store: it has no store\.json.*mien data import"):
        load(store)


# ---- damaged stores


def change_json(**changed: Any) -> Callable[[Path], None]:
    def change(store: Path) -> None:
        about = json.loads((store / "store.json").read_text()) | changed
        (store / "store.json").write_text(json.dumps(about))

    return change


def cut(name: str, size: int) -> Callable[[Path], None]:
    def change(store: Path) -> None:
        (store / name).write_bytes((store / name).read_bytes()[:size])

    return change


def replace(name: str, array: np.ndarray) -> Callable[[Path], None]:
    return lambda store: np.save(store / name, array)


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (cut("store.json", 40), "store is damaged"),
        (cut("store.json", 0), "store is damaged"),
        (lambda store: (store / "store.json").write_text("[1, 2]"), "store is damaged"),
        (lambda store: (store / "store.json").write_bytes(b"\xff\xfe"), "store is damaged"),
        (change_json(provenance={"reader": "x"}), "store is damaged"),
        (change_json(provenance=None), "store is damaged"),
        (change_json(n="many"), "store is damaged"),
        (change_json(n=119), r"store\.json says 119 faces, the arrays hold 120"),
        (change_json(format=1), r"store of format 1; expected format 2.*Import the source again"),
        (change_json(format=None), "store of format None"),
        (cut("faces.npy", 100_000), "store is damaged"),
        (cut("faces.npy", 60), "store is damaged"),
        (cut("faces.npy", 0), "store is damaged"),
        (cut("labels.npy", 200), "store is damaged"),
        (cut("labels.npy", 0), "store is damaged"),
        (lambda store: (store / "votes.npy").unlink(), "store is damaged"),
        (lambda store: (store / "rows.npy").write_bytes(b"PK\x03\x04 not an archive"), "store is damaged"),
        (lambda store: np.savez((store / "usage.npy").open("wb"), usage=np.zeros(120, np.uint8)), "store is damaged"),
        (replace("labels.npy", np.zeros(119, np.int8)), r"labels is \(119,\) int8; expected \(120,\) int8"),
        (replace("labels.npy", np.full(120, 7, np.int8)), "row 1000: labels is 7; expected 0 to 6"),
        (replace("rows.npy", np.zeros(120, np.int32)), "row ids repeat"),
        (replace("faces.npy", np.zeros((120, 48, 48), np.float32)), "faces is .* float32; expected .* uint8"),
    ],
    ids=[
        "half a json",
        "empty json",
        "json list",
        "json bytes",
        "provenance cut",
        "no provenance",
        "n is a word",
        "n is wrong",
        "other format",
        "no format",
        "faces cut",
        "faces header cut",
        "faces empty",
        "labels cut",
        "labels empty",
        "no votes",
        "rows junk",
        "usage archive",
        "labels short",
        "label 7",
        "rows repeat",
        "faces float",
    ],
)
def test_a_damaged_store_is_refused(store: Path, damage: Callable[[Path], None], complaint: str) -> None:
    damage(store)
    with pytest.raises(DataError, match=complaint):
        load(store)


# ---- FaceSet


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"faces": np.zeros((3, 48, 48), np.float32)}, r"tiny\.csv: faces is \(3, 48, 48\) float32; expected .* uint8"),
        ({"faces": np.zeros((3, 48 * 48), np.uint8)}, "faces is"),
        ({"faces": np.zeros((3, 48, 48, 1), np.uint8)}, "faces is"),
        ({"faces": np.zeros((3, 48, 40), np.uint8)}, "faces is"),
        ({"labels": np.zeros(3, np.int64)}, "labels is"),
        ({"labels": np.zeros(4, np.int8)}, "labels is"),
        ({"labels": np.zeros((3, 1), np.int8)}, "labels is"),
        ({"labels": np.array([0, 1, 7], np.int8)}, r"tiny\.csv, row 30: labels is 7; expected 0 to 6"),
        ({"labels": np.array([0, -1, 7], np.int8)}, r"tiny\.csv, row 20: labels is -1; expected 0 to 6"),
        ({"votes": np.zeros((3, 8), np.uint8)}, "votes is"),
        ({"votes": np.zeros((3, 10), np.float64)}, "votes is"),
        ({"rows": np.arange(3)}, "rows is"),
        ({"rows": np.array([5, 5, 6], np.int32)}, "row ids repeat"),
        ({"usage": np.array([0, 1, 3], np.uint8)}, r"tiny\.csv, row 30: usage is 3; expected 0 to 2"),
        ({"usage": np.zeros(2, np.uint8)}, "usage is"),
        (
            {
                "faces": np.zeros((0, 48, 48), np.uint8),
                "labels": np.zeros(0, np.int8),
                "votes": np.zeros((0, 10), np.uint8),
                "rows": np.zeros(0, np.int32),
                "usage": np.zeros(0, np.uint8),
            },
            r"tiny\.csv: no faces",
        ),
    ],
)
def test_a_face_set_checks_itself(changed: dict[str, np.ndarray], complaint: str) -> None:
    right = {
        "faces": np.zeros((3, 48, 48), np.uint8),
        "labels": np.zeros(3, np.int8),
        "votes": np.zeros((3, 10), np.uint8),
        "rows": np.array([10, 20, 30], np.int32),
        "usage": np.zeros(3, np.uint8),
    }
    provenance = Provenance("made up", "tiny.csv", "0" * 64)
    assert len(FaceSet(**right, provenance=provenance)) == 3
    with pytest.raises(DataError, match=complaint):
        FaceSet(**{**right, **changed}, provenance=provenance)


def test_where_gives_the_positions_of_a_usage(tiny_faces: FaceSet) -> None:
    assert tiny_faces.where("Training").tolist() == list(range(90))
    assert tiny_faces.where("PublicTest").tolist() == list(range(90, 120))


def test_an_empty_usage_is_named_with_those_there_are(tiny_faces: FaceSet) -> None:
    with pytest.raises(DataError, match=r"tiny\.csv: the split PrivateTest is empty.*holds Training, PublicTest only"):
        tiny_faces.where("PrivateTest")


def test_positions_follow_the_order_of_the_rows_asked_for(tiny_faces: FaceSet) -> None:
    assert tiny_faces.positions(np.array([1030, 1000, 1357])).tolist() == [10, 0, 119]
    order = np.random.default_rng(0).permutation(120)
    shuffled = tiny_faces.take(order)
    assert (shuffled.rows[shuffled.positions(tiny_faces.rows)] == tiny_faces.rows).all()


@pytest.mark.parametrize("row", [999, 1001, 1358, -1])
def test_a_row_that_the_set_does_not_have_is_named(tiny_faces: FaceSet, row: int) -> None:
    with pytest.raises(DataError, match=rf"tiny\.csv: row {row} of the split is not in this set.*2 of 3 rows"):
        tiny_faces.positions(np.array([1000, row, 10**6]))
