"""``mien data import`` as a user runs it: what it says, what it refuses, and what it leaves behind."""

from __future__ import annotations

import csv
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.data import FaceSet, export, load
from mien.errors import DataError
from tests_support import hear_interrupts, mien


def write_csv(faces: FaceSet, path: Path, wrong: dict[int, tuple[int, str]] | None = None) -> None:
    """Kaggle's CSV; ``wrong`` is row → column and what to put there."""
    names = ("Training", "PublicTest", "PrivateTest")
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["emotion", "pixels", "Usage"])
        for row, (face, label, usage) in enumerate(zip(faces.faces, faces.labels, faces.usage, strict=True)):
            cells = [str(label), " ".join(map(str, face.ravel().tolist())), names[usage]]
            if row in (wrong or {}):
                at, text = (wrong or {})[row]
                cells[at] = text
            writer.writerow(cells)


def test_it_says_what_the_source_is_and_why_and_what_was_read(tmp_path: Path, tiny_faces: FaceSet) -> None:
    write_csv(tiny_faces, tmp_path / "any name.csv")
    done = mien("data", "import", "any name.csv", "a.store", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "any name.csv is read as fer2013-csv: it has the columns emotion, pixels and Usage" in done.stderr
    assert done.stdout.startswith(
        "a.store: 120 faces of 48×48 (90 Training, 30 PublicTest), 7 classes, from any name.csv"
    )
    assert (load(tmp_path / "a.store").faces == tiny_faces.faces).all()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.store", "any name.csv"]


def test_the_first_wrong_row_stops_it_with_row_and_remedy(tmp_path: Path, tiny_faces: FaceSet) -> None:
    write_csv(tiny_faces, tmp_path / "fer2013.csv", {7: (0, "8"), 9: (1, "1 2 3")})
    done = mien("data", "import", "fer2013.csv", "a.store", cwd=tmp_path)
    assert done.returncode == 1
    assert "error: fer2013.csv, row 7 (line 9): emotion is '8'; expected 0 to 6" in done.stderr
    assert "--skip-bad" in done.stderr and "Traceback" not in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["fer2013.csv"]


def test_skip_bad_goes_on_and_lists_every_skipped_row_beside_the_store(tmp_path: Path, tiny_faces: FaceSet) -> None:
    write_csv(tiny_faces, tmp_path / "fer2013.csv", {7: (0, "8"), 9: (1, "1 2 3"), 119: (2, "Test")})
    done = mien("data", "import", "fer2013.csv", "a.store", "--skip-bad", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "117 faces" in done.stdout and "3 skipped, listed in a.store.skipped.csv" in done.stderr
    with (tmp_path / "a.store.skipped.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [r["where"] for r in rows] == ["row 7 (line 9)", "row 9 (line 11)", "row 119 (line 121)"]
    assert [r["reason"].split(";")[0] for r in rows] == ["emotion is '8'", "3 pixels", "Usage is 'Test'"]
    kept = load(tmp_path / "a.store")
    assert kept.rows.tolist() == [r for r in range(120) if r not in (7, 9, 119)]


def test_skip_bad_writes_the_list_also_where_nothing_was_wrong(tmp_path: Path, tiny_faces: FaceSet) -> None:
    """So that a list from an earlier import cannot be taken for this one's."""
    write_csv(tiny_faces, tmp_path / "fer2013.csv")
    (tmp_path / "a.store.skipped.csv").write_text("where,reason\nrow 1,of another import\n")
    done = mien("data", "import", "fer2013.csv", "a.store", "--skip-bad", cwd=tmp_path)
    assert done.returncode == 0 and "0 skipped" in done.stdout
    assert (tmp_path / "a.store.skipped.csv").read_text().splitlines() == ["where,reason"]


def test_unreadable_pictures_and_mixed_sizes(tmp_path: Path) -> None:
    for i in range(8):
        name = tmp_path / "mine" / ("glad", "cross")[i % 2] / f"{i}.png"
        name.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(name), np.random.default_rng(i).integers(0, 256, (20 + 9 * i, 90, 3), dtype=np.uint8))
    (tmp_path / "mine" / "glad" / "4.png").write_bytes(b"no picture")
    done = mien("data", "import", "mine", "a.store", cwd=tmp_path)
    assert done.returncode == 1 and "mine, glad/4.png: " in done.stderr and "--skip-bad" in done.stderr
    done = mien("data", "import", "mine", "a.store", "--skip-bad", "--size", "64", cwd=tmp_path)
    assert done.returncode == 0 and "7 faces of 64×64, 2 classes" in done.stdout
    assert (tmp_path / "a.store.skipped.csv").read_text().splitlines()[1].startswith("glad/4.png,")


def test_a_kind_given_by_hand_overrules_what_is_recognised(tmp_path: Path, tiny_faces: FaceSet) -> None:
    for part in ("train", "test", "validation"):
        for label in tiny_faces.vocabulary.labels:
            (tmp_path / "tree" / part / label).mkdir(parents=True)
            cv2.imwrite(str(tmp_path / "tree" / part / label / "a.png"), tiny_faces.faces[len(label)])
    done = mien("data", "import", "tree", "a.store", "--as", "class-folders", cwd=tmp_path)
    assert done.returncode == 0 and "is read as" not in done.stderr
    assert load(tmp_path / "a.store").provenance.reader == "class-folders"
    done = mien("data", "import", "tree", "b.store", "--as", "raf-db", cwd=tmp_path)
    assert done.returncode == 1 and "list_patition_label.txt" in done.stderr
    done = mien("data", "import", "tree", "b.store", "--as", "folders", cwd=tmp_path)
    assert done.returncode == 1 and "no kind of source named 'folders'; expected one of" in done.stderr


def test_labels_are_mapped_on_the_way(tmp_path: Path, tiny_faces: FaceSet) -> None:
    write_csv(tiny_faces, tmp_path / "fer2013.csv")
    done = mien("data", "import", "fer2013.csv", "a.store", "--map", "fer2013-to-four", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    mapped = load(tmp_path / "a.store")
    assert mapped.vocabulary.labels == ("happy", "neutral", "sad", "surprise")
    assert mapped.provenance.vocabulary_map == "fer2013-to-four"
    for row, label in zip(mapped.rows, mapped.labels, strict=True):
        assert tiny_faces.vocabulary.labels[tiny_faces.labels[row]] == mapped.vocabulary.labels[label]
    assert len(mapped) == int(np.isin(tiny_faces.labels, [3, 4, 5, 6]).sum())


def test_an_existing_store_is_left_alone(tmp_path: Path, tiny_faces: FaceSet) -> None:
    write_csv(tiny_faces, tmp_path / "fer2013.csv")
    (tmp_path / "a.store").mkdir()
    (tmp_path / "a.store" / "thesis.txt").write_text("precious")
    done = mien("data", "import", "fer2013.csv", "a.store", cwd=tmp_path)
    assert done.returncode == 1 and "a.store exists already" in done.stderr
    assert [p.name for p in (tmp_path / "a.store").iterdir()] == ["thesis.txt"]


def small_disk() -> None:
    """No file may grow over 150,000 bytes."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))


@pytest.mark.parametrize("form", ["csv", "folders", "parquet"])
def test_a_disk_that_fills_up_is_told_and_leaves_nothing(tmp_path: Path, tiny_faces: FaceSet, form: str) -> None:
    export(tiny_faces, tmp_path / "source", form) if form == "folders" else export(
        tiny_faces, tmp_path / f"source.{form}", form
    )
    source = "source" if form == "folders" else f"source.{form}"
    before = sorted(p.name for p in tmp_path.iterdir())
    command = [sys.executable, "-B", "-m", "mien", "data", "import", source, "a.store"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120, preexec_fn=small_disk
    )
    assert done.returncode == 1
    assert "error: a.store cannot be written (File too large); expected room on the disk" in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == before


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_an_import_that_is_stopped_in_its_middle_leaves_no_store(tmp_path: Path, how: signal.Signals) -> None:
    for i in range(40):
        name = tmp_path / "mine" / ("glad", "cross")[i % 2] / f"{i}.png"
        name.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(i).integers(0, 256, (1500, 1500), dtype=np.uint8)
        cv2.imwrite(str(name), noise, [cv2.IMWRITE_PNG_COMPRESSION, 0])
    command = [sys.executable, "-m", "mien", "data", "import", "mine", "a.store", "--size", "1024"]
    running = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, preexec_fn=hear_interrupts)
    while not any(p.stat().st_size for p in tmp_path.glob(".a.store.*/faces.npy")):
        assert running.poll() is None, "it was through before it was stopped: use more pictures"
        time.sleep(0.005)
    running.send_signal(how)
    running.communicate(timeout=60)
    assert running.returncode != 0
    assert not (tmp_path / "a.store").exists()
    for half in tmp_path.glob(".a.store.*"):
        assert how == signal.SIGKILL, "Ctrl-C leaves nothing behind"
        with pytest.raises(DataError, match="not a store"):
            load(half)
    again = mien("data", "import", "mine", "a.store", cwd=tmp_path)
    assert again.returncode == 0 and "40 faces" in again.stdout
