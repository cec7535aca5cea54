"""``mien data import``, ``mien train`` and ``mien export`` as a user runs them."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import cv2
import pytest

from mien.data import FaceSet, save
from tests_support import QUICK, hear_interrupts, mien, mien_process


def write_csv(faces: FaceSet, path: Path) -> None:
    usages = ("Training", "PublicTest")
    lines = ["emotion,pixels,Usage"]
    lines += [
        f"{label},{' '.join(map(str, face.ravel().tolist()))},{usages[usage]}"
        for face, label, usage in zip(faces.faces, faces.labels, faces.usage, strict=True)
    ]
    path.write_text("\n".join(lines) + "\n")


def test_from_a_csv_to_rows_about_pictures(tmp_path: Path, tiny_faces: FaceSet) -> None:
    """The whole way: CSV → store → recipe → run → bundle → analysis."""
    write_csv(tiny_faces, tmp_path / "fer2013.csv")
    done = mien("data", "import", "fer2013.csv", "tiny.store", cwd=tmp_path)
    assert done.returncode == 0 and "120 faces of 48×48 (90 Training, 30 PublicTest)" in done.stdout, done
    (tmp_path / "quick.toml").write_text(QUICK)
    done = mien("train", "quick.toml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("epoch ") == 5 and "val_accuracy" in done.stderr
    assert "public_test, fer2013 labels" in done.stdout and "n = 30" in done.stdout
    again = mien("train", "quick.toml", cwd=tmp_path)
    assert again.returncode == 1 and "mien train --resume runs/quick" in again.stderr
    done = mien_process("export", "runs/quick", "made", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    card = json.loads((tmp_path / "made" / "card.json").read_text())
    assert card["name"] == "quick" and card["training"]["epochs"] == 5
    assert list(card["vocabularies"]) == ["fer2013"], "there were no votes, so that head answers at random"
    cv2.imwrite(str(tmp_path / "face.png"), tiny_faces.faces[0])
    done = mien("analyze", "face.png", "--detector", "none", "--model", "made", cwd=tmp_path)
    row = json.loads(done.stdout)
    assert row["model"] == "quick" and row["p_happy"] > 0 and row["ferplus_happiness"] is None


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("train",), "RECIPE or --resume"),
        (("train", "absent"), "no recipe 'absent'"),
        (("train", "mien-smal"), "no recipe 'mien-smal', did you mean mien-small?"),
        (("train", "--resume", "x", "--epochs", "3"), "leave out --epochs"),
        (
            ("train", "mien-small"),
            "there is no fer2013.parquet in this folder; expected a store or a source file. Name",
        ),
        (("tune", "model-3", "--search", "kernel-rate"), "there is no fer2013.parquet in this folder"),
        (("train", "--resume", "absent"), "holds no run"),
        (("export", "absent", "x"), "no finished run"),
        (("data", "import", "absent.csv", "x"), "does not exist"),
    ],
)
def test_mistakes_are_one_clear_message(tmp_path: Path, arguments: tuple[str, ...], text: str) -> None:
    done = mien(*arguments, cwd=tmp_path)
    assert done.returncode in (1, 2) and text in " ".join(done.stderr.replace("│", " ").split()), done.stderr
    assert "Traceback" not in done.stderr


def test_ctrl_c_says_how_to_continue(tmp_path: Path, tiny_faces: FaceSet) -> None:
    save(tiny_faces, tmp_path / "tiny.store")
    (tmp_path / "quick.toml").write_text(QUICK.replace("epochs = 5", "epochs = 2000"))
    command = [sys.executable, "-m", "mien", "train", "quick.toml"]
    with subprocess.Popen(
        command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, preexec_fn=hear_interrupts
    ) as process:
        assert process.stderr is not None
        while "epoch   2" not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)[1]
    assert process.returncode == 130 and "mien train --resume runs/quick" in said and "Traceback" not in said
    assert not (tmp_path / "runs" / "quick" / "weights.safetensors").exists()
    assert (tmp_path / "runs" / "quick" / "checkpoints" / "last.ckpt").is_file()


def test_a_shortened_run_is_marked_wherever_its_scores_are_shown(tmp_path: Path, tiny_faces: FaceSet) -> None:
    save(tiny_faces, tmp_path / "tiny.store")
    (tmp_path / "quick.toml").write_text(QUICK)
    done = mien("train", "quick.toml", "--epochs", 2, "--limit", 30, "--out", "short", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "shortened (2 of 5 epochs, about 30 faces of each part)" in done.stdout
    card = json.loads((tmp_path / "short" / "bundle" / "card.json").read_text())
    assert card["training"]["shortened"] == "2 of 5 epochs, about 30 faces of each part"
    assert card["training"]["epochs"] == 2 and "epochs = 2" in card["training"]["recipe"]
    curves = cv2.imread(str(tmp_path / "short" / "curves.png"))
    assert curves is not None and curves.shape == (560, 1100, 3) and (curves < 128).any()


def test_a_terminal_sees_loss_score_speed_and_time_left(tmp_path: Path, tiny_faces: FaceSet) -> None:
    save(tiny_faces, tmp_path / "tiny.store")
    (tmp_path / "quick.toml").write_text(QUICK.replace("epochs = 5", "epochs = 20"))
    main, terminal = pty.openpty()
    command = [sys.executable, "-m", "mien", "train", "quick.toml"]
    said = b""
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=terminal, env={**os.environ, "COLUMNS": "120"}
    ) as process:
        os.close(terminal)
        with suppress(OSError):  # Linux ends a terminal that nobody holds any more with an error
            while part := os.read(main, 4096):
                said += part
    os.close(main)
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", said.decode())
    assert process.returncode == 0
    assert re.search(
        r"epoch \d+/20 .* \d+/\d+ loss \d\.\d{3}  val_accuracy 0\.\d{3}  \d+ images/s \d:\d\d:\d\d", text
    ), text[-2000:]


def test_without_the_train_extra_it_says_what_to_install(tmp_path: Path) -> None:
    blocked = "import sys; sys.modules['torch'] = None; sys.argv[0] = 'mien'; from mien.cli import main; main()"
    command = [sys.executable, "-c", blocked, "train", "mien-small"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "pip install 'mien[train]'" in done.stderr


def test_a_recipe_with_a_head_ends_in_a_hybrid(tmp_path: Path, tiny_faces: FaceSet) -> None:
    save(tiny_faces, tmp_path / "tiny.store")
    head = '[head]\nkernel = ["linear", "rbf"]\nC = [0.1, 10.0]\ncandidates = 3\nfolds = 2\n'
    (tmp_path / "quick.toml").write_text(QUICK.replace("epochs = 5", "epochs = 1") + head)
    done = mien("train", "quick.toml", "--limit", 60, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "3 candidates × 2 folds on 6" in done.stderr and "best of 3 in runs/quick/head/search.csv" in done.stdout
    run = tmp_path / "runs" / "quick"
    assert len((run / "head" / "search.csv").read_text().splitlines()) == 4
    network, hybrid = (json.loads((run / b / "card.json").read_text()) for b in ("network", "bundle"))
    assert "fer2013_logits" in network["outputs"] and "fer2013_logits" not in hybrid["outputs"]
    assert hybrid["name"] == "quick"
    cv2.imwrite(str(tmp_path / "face.png"), tiny_faces.faces[0])
    done = mien("analyze", "face.png", "--detector", "none", "--model", "runs/quick/bundle", cwd=tmp_path)
    assert done.returncode == 0 and json.loads(done.stdout)["p_happy"] > 0, done.stderr
