"""``mien tune`` as a user runs it, with training itself."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mien.data import FaceSet, save
from mien.recipe.search import varied
from mien.training.study import Study
from mien.training.tune import prepare
from tests_support import QUICK, hear_interrupts, mien

RATES = ("--vary", "training.learning_rate=0.02,0.002,1e30", "--out", "out")


@pytest.fixture
def folder(tmp_path: Path, tiny_faces: FaceSet, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a recipe and its store."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    save(tiny_faces, tmp_path / "tiny.store")
    (tmp_path / "quick.toml").write_text(QUICK)
    return tmp_path


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "trials.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def begun(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "mien", "tune", *arguments]
    return subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True, preexec_fn=hear_interrupts)


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + 120
    while not path.exists():
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.01)


def test_a_search_from_start_to_bundle_and_again(folder: Path) -> None:
    done = mien("tune", "quick.toml", *RATES, "--epochs", 2, "--limit", 60, cwd=folder)
    assert done.returncode == 0, done.stderr
    table = rows(folder / "out")
    assert [row["state"] for row in table] == ["complete", "complete", "failed"] and "diverged" in table[2]["reason"]
    best = min(table[:2], key=lambda row: float(row["score"]))
    first = done.stdout.splitlines()[1].split()
    assert first[:3] == [best["number"], f"{float(best['score']):.4f}", best["training.learning_rate"]]
    said = " ".join(done.stdout.split())
    log = (folder / "out" / "trials" / "0000" / "split.json").read_text()
    assert len(json.loads(log)["parts"]["validation"]) and "validation faces, never on a test part" in said
    assert "3 trials: 2 complete, 1 failed" in said and "cannot be told apart" in said
    assert "(the trials had --epochs 2 --limit 60) with: mien train out/best.toml --out runs/out-best" in said
    bundles = [path.parent.name for path in (folder / "out" / "trials").glob("*/bundle")]
    assert bundles == [f"{int(best['number']):04}"]
    assert (folder / "out" / "tuning.png").stat().st_size > 5000
    assert done.stderr.count("trial ") == 3 and "3/3" in done.stderr and "failed: the training diverged" in done.stderr
    changed = (folder / "out" / "study.db").stat().st_mtime_ns
    again = mien("tune", "quick.toml", *RATES, "--epochs", 2, "--limit", 60, cwd=folder)
    assert again.returncode == 0 and again.stdout == done.stdout
    assert again.stderr.split("\n")[0] == "3 of 3 trials are there already" and "trial 0:" not in again.stderr
    assert (folder / "out" / "study.db").stat().st_mtime_ns == changed, "nothing was run"


def test_killed_in_a_trial_it_goes_on_there(folder: Path) -> None:
    """kill -9 in the second of two trials; the first is not repeated, the second goes on from its checkpoint."""
    (folder / "quick.toml").write_text(QUICK.replace("epochs = 5", "epochs = 12"))
    arguments = ("quick.toml", "--vary", "seed=1,2", "--out", "out")
    with begun(folder, *arguments) as process:
        wait_for(folder / "out" / "trials" / "0001" / "log.csv", process)
        process.kill()
    first = (folder / "out" / "trials" / "0000" / "weights.safetensors").stat().st_mtime_ns
    half = len((folder / "out" / "trials" / "0001" / "log.csv").read_text().splitlines()) - 1
    assert 0 < half < 12 and rows(folder / "out")[0]["state"] == "complete"
    begun_with = (folder / "out" / "trials" / "0001" / "split.json").stat().st_mtime_ns
    done = mien("tune", *arguments, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert [(row["state"], row["epochs"]) for row in rows(folder / "out")] == [("complete", "12")] * 2
    assert (folder / "out" / "trials" / "0000" / "weights.safetensors").stat().st_mtime_ns == first
    assert (folder / "out" / "trials" / "0001" / "split.json").stat().st_mtime_ns == begun_with, "it went on"
    noted = json.loads((folder / "out" / "trials" / "0001" / "environment.json").read_text())
    assert len(noted["resumed"]) == 1 and noted["resumed"][0]["commit"] == noted["commit"]
    log = (folder / "out" / "trials" / "0001" / "log.csv").read_text().splitlines()[1:]
    assert [int(line.split(",")[0]) for line in log] == list(range(1, 13)), "each epoch once"


def test_ctrl_c_stops_the_workers_and_says_how_to_go_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "quick.toml").write_text(QUICK.replace("epochs = 5", "epochs = 2000"))
    with begun(folder, "quick.toml", "--vary", "seed=1,2,3", "--workers", "2", "--out", "out") as process:
        wait_for(folder / "out" / "trials" / "0000" / "log.csv", process)
        wait_for(folder / "out" / "trials" / "0001" / "log.csv", process)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=120)[1]
    assert process.returncode == 130 and "Go on with the same command" in said and "Traceback" not in said, said
    assert [row["state"] for row in rows(folder / "out")] == ["running", "running", "waiting"]
    monkeypatch.chdir(folder)
    plan = prepare(Path("quick.toml"), varied(["seed=1,2,3"]), Path("out")).plan
    assert [t.state for t in Study(plan).trials()] == ["waiting"] * 3, "the workers put their trials back"
    for number in (1, 2):
        assert (folder / "out" / f"worker-{number}.log").read_text() == ""


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("quick.toml",), "give either --search or --vary"),
        (("quick.toml", "--vary", "seed=1", "--search", "x"), "give either --search or --vary"),
        (("absent", "--vary", "seed=1"), "no recipe 'absent'"),
        (("quick.toml", "--search", "absent"), "one of kernel-rate, learning-rate"),
        (("quick.toml", "--search", "kernel-rate"), "network.kernel: no such field"),
        (("quick.toml", "--vary", "training.learning_rat=1"), "did you mean training.learning_rate?"),
        (("quick.toml", "--vary", "training.epochs=1,2", "--epochs", "1"), "given by an option too"),
        (("quick.toml", "--vary", "seed=1", "--data", "absent"), "absent"),
        (("quick.toml", "--vary", "seed=1", "--storage", "postgresql://a:b@localhost/x"), "psycopg"),
    ],
)
def test_mistakes_are_one_clear_message(folder: Path, arguments: tuple[str, ...], text: str) -> None:
    done = mien("tune", *arguments, cwd=folder)
    assert done.returncode in (1, 2) and text in " ".join(done.stderr.replace("│", " ").split()), done.stderr
    assert "Traceback" not in done.stderr and not (folder / "tunes").exists()


@pytest.mark.parametrize(("package", "extra"), [("torch", "train"), ("optuna", "tune")])
def test_without_an_extra_it_says_what_to_install(folder: Path, package: str, extra: str) -> None:
    blocked = f"import sys; sys.modules[{package!r}] = None; sys.argv[0] = 'mien'; from mien.cli import main; main()"
    command = [sys.executable, "-c", blocked, "tune", "quick.toml", "--vary", "seed=1"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and f"pip install 'mien[{extra}]'" in done.stderr, done.stderr


def test_when_every_trial_fails_it_says_why(folder: Path) -> None:
    done = mien("tune", "quick.toml", "--vary", "training.learning_rate=1e30", "--out", "out", cwd=folder)
    assert done.returncode == 1 and "none of 1 trials went to its end: the training diverged" in done.stderr
    assert not (folder / "out" / "best.toml").exists()
