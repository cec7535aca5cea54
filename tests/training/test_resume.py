"""Runs that are broken off: killed at any moment, interrupted, diverged, on a full disk."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from mien.errors import RecipeError, TrainingError
from mien.expressions import FER2013
from mien.recipe import changed, load, to_toml
from mien.training import checkpoint, run
from mien.training.holding import LOCK, held
from mien.training.progress import COLUMNS, Reporter

# For each line a child begins a run and kills itself with signal 9 where asked: at a step, while a checkpoint is being
# written, between two files. Or it may not write large files from the third epoch on. So torch is imported once.
BEGUN = """
import json, os, resource, signal, sys
from pathlib import Path
from mien.errors import TrainingError
from mien.files import staged_file
from mien.training import checkpoint, loop, run

where, count = "", 0
def die():
    os.kill(os.getpid(), signal.SIGKILL)

def report(state):
    if where == "at a step" and state.epoch == 3 and state.step == 2:
        die()
    if where == "a full disk" and state.epoch == 2:
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))

def put(path, body, honest=checkpoint._put):
    global count
    count += path.name == "last.ckpt"
    if where == "within a checkpoint" and count == 4:
        with staged_file(path) as stage:
            stage.write_bytes(body[: len(body) // 2])
            die()
    if where == "before the first checkpoint":
        die()
    honest(path, body)
    if where == "after the best weights" and path.name == "best.safetensors":
        die()

def log(path, rows, honest=loop.write_log):
    if where == "before the log" and len(rows) == 4 or where == "before the last log" and len(rows) == 5:
        die()
    honest(path, rows)

checkpoint._put, loop.write_log = put, log
for line in sys.stdin:
    if (child := os.fork()) == 0:
        recipe, folder, where = json.loads(line)
        try:
            run.start(Path(recipe), Path(folder), None, report)
        except TrainingError as error:
            Path(folder, "said.txt").write_text(str(error))
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""

# Everything that has a state of its own.
MUCH = {
    "training.optimizer": "muon",
    "training.schedule": "plateau",
    "training.plateau_patience": 1,
    "training.keep": "best",
    "training.monitor": "val_accuracy",
    "training.patience": 4,
    "training.accumulate": 2,
    "augment.mixup": 0.4,
    "augment.cutmix": 0.4,
}


def written(folder: Path) -> tuple[dict[str, torch.Tensor], list[list[str]]]:
    """Weights, and the log but for its times."""
    with (folder / "log.csv").open(newline="") as stream:
        log = [[row[c] for c in COLUMNS[:-2]] for row in csv.DictReader(stream)]
    return load_file(folder / "weights.safetensors"), log


def assert_equal(a: Path, b: Path) -> None:
    (one, log), (two, other) = written(a), written(b)
    assert one.keys() == two.keys()
    for name in one:
        assert torch.equal(one[name], two[name]), name
    assert log == other


@pytest.fixture
def much_recipe(quick_recipe: Path) -> Path:
    quick_recipe.write_text(to_toml(changed(load(quick_recipe), MUCH)))
    return quick_recipe


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Path, Path, str], int]]:
    """Begin a run of a recipe in a folder, in a process that is broken off somewhere; how it ended."""
    environment = {**os.environ, "MIEN_CACHE": str(tmp_path_factory.mktemp("cache"))}
    with subprocess.Popen(
        [sys.executable, "-c", BEGUN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:

        def begin(recipe: Path, folder: Path, where: str) -> int:
            assert process.stdin is not None and process.stdout is not None
            print(json.dumps([str(recipe), str(folder), where]), file=process.stdin, flush=True)
            return int(process.stdout.readline())

        yield begin


@pytest.fixture
def kill(begun: Callable[[Path, Path, str], int]) -> Callable[[Path, Path, str], None]:
    def end(recipe: Path, folder: Path, where: str) -> None:
        assert begun(recipe, folder, where) == -signal.SIGKILL
        assert not (folder / "weights.safetensors").exists()

    return end


@pytest.mark.parametrize(
    "where",
    [
        "at a step",
        "within a checkpoint",
        "before the first checkpoint",
        "after the best weights",
        "before the log",
        "before the last log",
    ],
)
def test_a_killed_run_ends_as_an_unbroken_one(
    much_recipe: Path, tmp_path: Path, kill: Callable[[Path, Path, str], None], where: str
) -> None:
    run.start(much_recipe, tmp_path / "unbroken", None)
    rates = [row[COLUMNS.index("learning_rate")] for row in written(tmp_path / "unbroken")[1]]
    assert len(set(rates[:4])) > 1, "the plateau was reached before the run is broken off"
    kill(much_recipe, tmp_path / "killed", where)
    run.resume(tmp_path / "killed")
    assert_equal(tmp_path / "unbroken", tmp_path / "killed")


def test_one_process_at_a_time_goes_on_with_a_run(
    quick_recipe: Path, tmp_path: Path, kill: Callable[[Path, Path, str], None]
) -> None:
    kill(quick_recipe, tmp_path / "run", "at a step")
    before = (tmp_path / "run" / "log.csv").read_bytes()
    with held(tmp_path / "run"), pytest.raises(TrainingError, match="another process is training in .*run"):
        run.resume(tmp_path / "run")
    assert (tmp_path / "run" / "log.csv").read_bytes() == before
    assert "resumed" not in json.loads((tmp_path / "run" / "environment.json").read_text())
    told: list[str] = []

    def report(state: Reporter) -> None:
        if not told:  # while it trains, nothing else may
            with pytest.raises(TrainingError) as caught:
                run.resume(tmp_path / "run")
            told.append(str(caught.value))

    run.resume(tmp_path / "run", None, report)
    assert len(told) == 1 and (tmp_path / "run" / "weights.safetensors").is_file()
    with held(tmp_path / "run"):
        pass


def test_a_folder_that_cannot_be_locked_is_named(tmp_path: Path) -> None:
    (tmp_path / LOCK).mkdir()
    with pytest.raises(TrainingError, match="cannot be written to"), held(tmp_path):
        pass


def test_weights_and_map_of_the_recipes_folder_are_found_again(
    quick_recipe: Path, tmp_path: Path, kill: Callable[[Path, Path, str], None]
) -> None:
    """Also where the run was killed before there was a checkpoint that holds them."""
    run.start(quick_recipe, tmp_path / "earlier", None)
    shutil.copy(tmp_path / "earlier" / "weights.safetensors", tmp_path / "begin.safetensors")
    labels = [*FER2013.labels]
    (tmp_path / "mine.toml").write_text(
        'source = "fer2013"\ntarget = ["bad", "good"]\ndropped = []\n[map]\n'
        + "".join(f'{name} = "{"good" if name == "happy" else "bad"}"\n' for name in labels)
    )
    fields = {"data.map": "mine.toml", "network.weights": "begin.safetensors", "loss.votes": 0.0}
    quick_recipe.write_text(to_toml(changed(load(quick_recipe), fields)))
    run.start(quick_recipe, tmp_path / "unbroken", None)
    kill(quick_recipe, tmp_path / "killed", "before the first checkpoint")
    run.resume(tmp_path / "killed")
    assert_equal(tmp_path / "unbroken", tmp_path / "killed")
    assert run.finished(tmp_path / "killed").faces.vocabulary.labels == ("bad", "good")


def test_a_run_with_an_average_and_half_precision_resumes_too(
    quick_recipe: Path, tmp_path: Path, kill: Callable[[Path, Path, str], None]
) -> None:
    run.start(quick_recipe, tmp_path / "unbroken", None)
    kill(quick_recipe, tmp_path / "killed", "at a step")
    run.resume(tmp_path / "killed")
    assert_equal(tmp_path / "unbroken", tmp_path / "killed")


@pytest.mark.parametrize("kind", ["quick_recipe", "much_recipe"])
def test_an_interrupt_finishes_the_step_and_saves(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    recipe: Path = request.getfixturevalue(kind)
    before = signal.getsignal(signal.SIGINT)
    run.start(recipe, tmp_path / "unbroken", None)

    def interrupt(state: Reporter) -> None:
        if state.epoch == 2 and state.step == 1:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run.start(recipe, tmp_path / "broken", None, interrupt)
    state = checkpoint.read(tmp_path / "broken" / "checkpoints" / "last.ckpt")
    assert (state["course"]["epoch"], state["course"]["step"]) == (2, 2), "the step that was under way is whole"
    assert signal.getsignal(signal.SIGINT) is before
    told: list[tuple[int, int]] = []
    run.resume(tmp_path / "broken", report=lambda s: told.append((s.epoch, s.step)))
    assert told[0] == (2, 3), "no step is repeated"
    assert_equal(tmp_path / "unbroken", tmp_path / "broken")


def test_a_long_epoch_is_saved_within(quick_recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = changed(load(quick_recipe), {"training.checkpoint_minutes": 1e-6, "training.epochs": 1})
    steps: list[int] = []
    honest = checkpoint.write
    monkeypatch.setattr(checkpoint, "write", lambda p, s: (steps.append(s["course"]["step"]), honest(p, s)))
    run.start(recipe, tmp_path / "run", tmp_path / "tiny.store")
    assert steps == [0, 1, 2, 3, 4, 0]


def test_resuming_a_finished_run_changes_nothing(quick_recipe: Path, tmp_path: Path) -> None:
    run.start(quick_recipe, tmp_path / "run", None)
    before = load_file(tmp_path / "run" / "weights.safetensors")
    (tmp_path / "run" / "weights.safetensors").unlink()  # as if killed between the last epoch and the last write
    run.resume(tmp_path / "run")
    after = load_file(tmp_path / "run" / "weights.safetensors")
    assert all(torch.equal(before[k], after[k]) for k in before)


def test_a_rate_that_diverges_stops_and_says_where(quick_recipe: Path, tmp_path: Path) -> None:
    fields = {
        "training.optimizer": "sgd",
        "training.schedule": "constant",
        "training.ema": 0.0,
        "training.precision": "32-true",
    }
    good = changed(load(quick_recipe), {**fields, "training.learning_rate": 1e-3})

    def explode(state: Reporter) -> None:
        if state.epoch == 1 and state.step == 1:
            for group in seen[0].param_groups:
                group["peak"] = 1e30

    seen: list[torch.optim.Optimizer] = []
    honest = run.Learner.__init__

    def note(self: run.Learner, *arguments: object) -> None:
        honest(self, *arguments)  # type: ignore[arg-type]
        seen.append(self.schedule.optimizer)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run.Learner, "__init__", note)
        with pytest.raises(TrainingError, match=r"diverged at step [78] \(epoch 2, step [23] of 4\), with the") as told:
            run.start(good, tmp_path / "run", tmp_path / "tiny.store", explode)
    assert "last.ckpt" in str(told.value) and "learning_rate" in str(told.value)
    state = checkpoint.read(tmp_path / "run" / "checkpoints" / "last.ckpt")
    assert state["course"]["epoch"] == 1 and state["course"]["step"] == 0
    assert all(torch.isfinite(v).all() for v in state["learner"]["network"].values())
    run.resume(tmp_path / "run")  # the rate in the recipe was not to blame here


def test_the_earlier_checkpoint_survives_a_full_disk(
    quick_recipe: Path, tmp_path: Path, begun: Callable[[Path, Path, str], int]
) -> None:
    """A limit on the size of files is refused by the kernel in the same place as a full disk."""
    run.start(quick_recipe, tmp_path / "unbroken", None)
    assert begun(quick_recipe, tmp_path / "full", "a full disk") == 0
    said = (tmp_path / "full" / "said.txt").read_text()
    assert "last.ckpt cannot be written" in said
    assert "the earlier one is whole" in said and f"mien train --resume {tmp_path / 'full'}" in said
    state = checkpoint.read(tmp_path / "full" / "checkpoints" / "last.ckpt")
    assert state["course"]["epoch"] == 2
    assert [p.name for p in (tmp_path / "full" / "checkpoints").iterdir()] == ["last.ckpt"]
    run.resume(tmp_path / "full")
    assert_equal(tmp_path / "unbroken", tmp_path / "full")


def test_checkpoints_unpickle_nothing_but_tensors_and_plain_values(quick_recipe: Path, tmp_path: Path) -> None:
    run.start(quick_recipe, tmp_path / "run", None)
    last = tmp_path / "run" / "checkpoints" / "last.ckpt"
    (tmp_path / "run" / "weights.safetensors").unlink()
    marker = tmp_path / "ran"

    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (os.system, (f"touch {marker}",))

    torch.save({"learner": Trap()}, last)
    with pytest.raises(RecipeError, match=r"last\.ckpt is damaged"):
        run.resume(tmp_path / "run")
    assert not marker.exists()
    last.write_bytes(b"cut off")
    with pytest.raises(RecipeError, match=r"last\.ckpt is damaged"):
        run.resume(tmp_path / "run")


def test_weights_of_another_shape_are_named(quick_recipe: Path, tmp_path: Path) -> None:
    run.start(quick_recipe, tmp_path / "run", None)
    recipe = tmp_path / "run" / "recipe.toml"
    recipe.write_text(recipe.read_text().replace("widths = [8, 12]", "widths = [8, 16]"))
    with pytest.raises(RecipeError, match=r"weights\.safetensors does not fit the recipe's network: size mismatch for"):
        run.finished(tmp_path / "run")
    (tmp_path / "run" / "weights.safetensors").write_bytes(b"nothing")
    with pytest.raises(RecipeError, match=r"weights\.safetensors cannot be read"):
        run.finished(tmp_path / "run")
