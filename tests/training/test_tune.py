"""A study: every trial once, whatever is killed and however many work on it. Training itself is stood in for."""

from __future__ import annotations

import csv
import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import standing_in
from mien.errors import DataError, RecipeError, TrainingError
from mien.recipe import load, parse
from mien.recipe.search import Search
from mien.training import study as studies
from mien.training.crew import tune
from mien.training.study import Study, Trial
from mien.training.tune import Tuning, prepare, ranked, standard_error

RATES = [0.1, 0.01, 0.001]


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Worker processes find the stand-ins; pytest's own way of importing tests leaves them no other."""
    tests = str(Path(standing_in.__file__).parent)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([tests, os.environ.get("PYTHONPATH", "")]))


def search(table: dict[str, Any] | None = None, **fields: Any) -> Search:
    """``training__learning_rate`` is ``training.learning_rate``."""
    dotted = {name.replace("__", "."): values for name, values in fields.items()}
    return Search.model_validate({"search": {"monitor": "val_accuracy", **(table or {})}, "fields": dotted})


GRID = {"training__learning_rate": RATES, "network__dropout": [0.0, 0.5]}


def states(trials: list[Trial]) -> list[str]:
    return [trial.state for trial in trials]


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "trials.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def numbers(folder: Path) -> list[str]:
    return [number for number, _ in standing_in.began(folder)]


# ---- what a study does and leaves


def test_a_grid_runs_every_point_once_and_leaves_the_best(quick_recipe: Path, tmp_path: Path) -> None:
    out, shown = tmp_path / "out", []
    tuning = prepare(quick_recipe, search(**GRID), out, epochs=2, limit=30)
    trials = tune(tuning, look=lambda found: shown.append(states(found)), train=standing_in.quick)
    assert states(trials) == ["complete"] * 6 and numbers(out) == [f"{k:04}" for k in range(6)]
    assert [tuple(t.values.values()) for t in trials] == [(r, d) for r in RATES for d in (0.0, 0.5)]
    assert [t.outcome.score for t in trials] == pytest.approx([0.3, 0.35, 0.8, 0.85, 0.7, 0.75])
    assert [t.number for t in ranked(trials, "val_accuracy")] == [3, 2, 5, 4, 1, 0]
    table = rows(out)
    assert [row["score"] for row in table][2:4] == ["0.8", "0.85"] and table[3]["network.dropout"] == "0.5"
    assert {(row["state"], row["epochs"], row["seconds"]) for row in table} == {("complete", "2", "1.0")}
    best = load(out / "best.toml")
    assert (best.training.learning_rate, best.network.dropout, best.name) == (0.01, 0.5, "quick-tuned")
    assert (best.training.epochs, best.data.limit) == (5, None), "in full"
    assert best.data.source == str(tmp_path / "tiny.store") and best.training.monitor == "val_accuracy"
    assert shown[0] == ["waiting"] * 6 and shown[-1] == ["complete"] * 6 and len(shown) >= 8
    assert standard_error(trials[3]) == pytest.approx((0.85 * 0.15 / 400) ** 0.5)


def test_less_loss_is_better_and_the_kept_epoch_is_scored(quick_recipe: Path, tmp_path: Path) -> None:
    grid = search({"monitor": "val_loss"}, training__learning_rate=RATES, training__keep=["last", "best"])
    trials = tune(prepare(quick_recipe, grid, tmp_path / "out"), train=standing_in.peaking)
    assert [t.outcome.score for t in trials] == pytest.approx([0.835, 0.67, 0.585, 0.17, 0.635, 0.27])
    assert [t.number for t in ranked(trials, "val_loss")] == [3, 5, 2, 4, 1, 0]
    assert trials[3].outcome.accuracy == pytest.approx(0.83)
    grid = search(training__learning_rate=[0.01], training__keep=["last", "best"])
    trials = tune(prepare(quick_recipe, grid, tmp_path / "more"), train=standing_in.peaking)
    assert [t.outcome.score for t in trials] == pytest.approx([0.415, 0.83]), "more accuracy is better"


def test_what_cannot_be_trained_is_recorded_and_the_study_goes_on(quick_recipe: Path, tmp_path: Path) -> None:
    grid = search(training__learning_rate=[100.0, 1000.0, 10000.0, 0.01])
    tuning = prepare(quick_recipe, grid, tmp_path / "out")
    trials = tune(tuning, train=standing_in.diverging)
    assert states(trials) == ["failed", "failed", "failed", "complete"]
    reasons = [t.outcome.reason for t in trials[:3]]
    assert reasons[0] == "the training diverged" and "CUDA out of memory" in reasons[1]
    assert reasons[2] == "val_accuracy is not a number"
    assert rows(tmp_path / "out")[1]["reason"] == reasons[1]
    assert states(tune(tuning, train=standing_in.quick)) == states(trials), "a failed trial is finished"


def test_a_wrong_recipe_stops_the_study_and_its_trial_is_not_lost(quick_recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    tuning = prepare(quick_recipe, search(**GRID), out)
    with pytest.raises(RecipeError, match="does not fit the data"):
        tune(tuning, train=standing_in.wrong)
    assert states(Study(tuning.plan).trials()) == ["complete", *["waiting"] * 5]
    (out / "mended").touch()
    assert states(tune(tuning, train=standing_in.wrong)) == ["complete"] * 6


@pytest.mark.parametrize("pruner", ["median", "halving"])
def test_hopeless_trials_are_pruned_and_never_chosen(quick_recipe: Path, tmp_path: Path, pruner: str) -> None:
    table = {"pruner": pruner, "prune_after_trials": 2, "sampler": "grid"}
    grid = search(table, training__learning_rate=[0.01, 0.001, 0.2, 0.1, 0.3])
    trials = tune(prepare(quick_recipe, grid, tmp_path / "out"), train=standing_in.quick)
    assert states(trials)[:2] == ["complete", "complete" if pruner == "median" else "pruned"]
    assert states(trials)[2:] == ["pruned"] * 3
    assert all(t.outcome.epochs < 5 and t.outcome.score == pytest.approx(0.066 * t.outcome.epochs) for t in trials[2:])
    assert [t.number for t in ranked(trials, "val_accuracy")] == [0, 1][: states(trials).count("complete")]


def test_without_a_pruner_nothing_is_pruned(quick_recipe: Path, tmp_path: Path) -> None:
    grid = search(training__learning_rate=[0.01, 0.001, 0.2, 0.1, 0.3, 0.4, 0.5])
    assert states(tune(prepare(quick_recipe, grid, tmp_path / "out"), train=standing_in.quick)) == ["complete"] * 7


def test_lists_names_and_paths_reach_the_recipe(quick_recipe: Path, tmp_path: Path) -> None:
    grid = search(network__widths=[[4], [4, 8]], network__blocks=[[1, 1]], data__source=["tiny.store"])
    with pytest.raises(RecipeError, match="data.source is searched over"):
        prepare(quick_recipe, grid, tmp_path / "out", data=tmp_path / "tiny.store")
    tuning = prepare(quick_recipe, grid, tmp_path / "out")
    trials = tune(tuning, train=standing_in.quick)
    assert [t.values["network.widths"] for t in trials] == [[4], [4, 8]]
    assert tuning.recipe(trials[1].values).network.widths == [4, 8]  # type: ignore[union-attr]
    assert tuning.recipe(trials[1].values).data.source == str(tmp_path / "tiny.store")


# ---- going on


def test_the_same_command_again_repeats_nothing_and_more_trials_are_added(quick_recipe: Path, tmp_path: Path) -> None:
    out, drawn = tmp_path / "out", {"training__learning_rate": {"low": 1e-4, "high": 0.1, "log": True}}
    first = tune(
        prepare(quick_recipe, search({"sampler": "random", "trials": 3}, **drawn), out), train=standing_in.quick
    )
    again = tune(
        prepare(quick_recipe, search({"sampler": "random", "trials": 3}, **drawn), out), train=standing_in.quick
    )
    assert again == first and numbers(out) == ["0000", "0001", "0002"]
    more = tune(
        prepare(quick_recipe, search({"sampler": "random", "trials": 5}, **drawn), out), train=standing_in.quick
    )
    assert more[:3] == first and len(more) == 5 and len(numbers(out)) == 5
    assert len({t.values["training.learning_rate"] for t in more}) == 5


@pytest.mark.parametrize(("sampler", "total"), [("tpe", 12), ("random", 4)])  # tpe draws at random ten times first
def test_an_interrupted_study_ends_as_an_unbroken_one(
    quick_recipe: Path, tmp_path: Path, sampler: str, total: int
) -> None:
    fields = {"training__learning_rate": {"low": 1e-4, "high": 0.1, "log": True}, "network__dropout": [0.0, 0.5]}
    asked = search({"sampler": sampler, "trials": total, "seed": 3}, **fields)
    whole = tune(prepare(quick_recipe, asked, tmp_path / "whole"), train=standing_in.quick)
    broken = prepare(quick_recipe, asked, tmp_path / "broken")
    with pytest.raises(KeyboardInterrupt):
        tune(broken, train=standing_in.interrupted)
    assert states(Study(broken.plan).trials()) == ["complete"] * 2 + ["waiting"] * (total - 2)
    ended = tune(broken, train=standing_in.quick)
    assert [t.values for t in ended] == [t.values for t in whole] and numbers(tmp_path / "broken")[2] == "0002"
    assert len({t.values["training.learning_rate"] for t in whole}) == total


def test_a_trial_whose_process_was_killed_is_repeated(quick_recipe: Path, tmp_path: Path) -> None:
    """kill -9 in the third trial of the only worker, then the same command."""
    out = tmp_path / "out"
    code = f"""
from pathlib import Path
import standing_in
from test_values import grid
from mien.training.crew import tune
from mien.training.tune import prepare
tune(prepare(Path({str(quick_recipe)!r}), grid, Path({str(out)!r})), train=standing_in.killed)
"""
    grid = search(**GRID)
    text = f"from mien.recipe.search import Search\ngrid = Search.model_validate({grid.model_dump()!r})\n"
    (tmp_path / "test_values.py").write_text(text)
    path = os.pathsep.join([str(tmp_path), os.environ["PYTHONPATH"]])
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path}, check=False)
    assert done.returncode == -9
    tuning = prepare(quick_recipe, grid, out)
    assert states(Study(tuning.plan).trials()) == ["complete"] * 2 + ["running"] + ["waiting"] * 3
    trials = tune(tuning, train=standing_in.killed)
    assert states(trials) == ["complete"] * 6 and [t.number for t in trials] == list(range(6))
    assert numbers(out) == ["0000", "0001", "0002", "0002", "0003", "0004", "0005"]
    assert len(rows(out)) == 6


def test_a_silent_worker_elsewhere_is_given_up_and_a_living_one_is_not(quick_recipe: Path, tmp_path: Path) -> None:
    tuning = prepare(quick_recipe, search(**GRID), tmp_path / "out")
    study = Study(tuning.plan)
    study.fill()
    for silent in (False, True):
        taken = study.take()
        assert taken is not None
        alive = time.time() - (1000 if silent else 100)
        taken.trial.set_user_attr("worker", {"host": "elsewhere", "process": 1, "alive": alive})
    study.fill()
    assert states(study.trials()) == ["running", "waiting", *["waiting"] * 4]
    trials = tune(tuning, train=standing_in.quick)
    assert states(trials) == ["running", *["complete"] * 5], "another worker still has the first"


def test_a_trial_gives_signs_of_life(quick_recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(studies, "_BEAT", 0.02)
    study = Study(prepare(quick_recipe, search(**GRID), tmp_path / "out").plan)
    taken = study.take()
    assert taken is not None
    began, seen = time.time(), 0.0
    with taken.living():
        while seen <= began and time.time() < began + 20:
            seen = study._all()[0].user_attrs["worker"]["alive"]
    assert seen > began


# ---- several workers


def test_two_workers_share_a_grid_and_repeat_nothing(quick_recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    trials = tune(prepare(quick_recipe, search(**GRID), out), workers=2, train=standing_in.shared)
    assert states(trials) == ["complete"] * 6
    assert sorted(numbers(out)) == [f"{k:04}" for k in range(6)]
    assert len({process for _, process in standing_in.began(out)} - {os.getpid()}) == 2
    assert len(rows(out)) == 6 and (out / "worker-1.log").read_text() == ""


def test_a_killed_worker_is_replaced_and_its_trial_repeated(quick_recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    trials = tune(prepare(quick_recipe, search(**GRID), out), workers=2, train=standing_in.killed)
    assert states(trials) == ["complete"] * 6
    assert sorted(numbers(out)) == ["0000", "0001", "0002", "0002", "0003", "0004", "0005"]


def test_a_trial_that_ends_every_worker_is_given_up(
    quick_recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(studies, "_MOST_KILLS", 2)
    grid = search(training__learning_rate=[0.1, 0.01])
    tuning = prepare(quick_recipe, grid, tmp_path / "out")
    tune(tuning, workers=2, train=standing_in.deadly)
    trials = Study(tuning.plan).trials()
    assert states(trials) == ["failed", "complete"] and "killed 2 times" in trials[0].outcome.reason


def test_an_error_of_a_worker_ends_the_others_and_arrives(quick_recipe: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="does not fit the data"):
        tune(prepare(quick_recipe, search(**GRID), tmp_path / "out"), workers=2, train=standing_in.wrong)


def _take_all(tuning: Tuning, ready: Any, found: Any) -> None:
    study = Study(tuning.plan)
    ready.wait()
    numbers = []
    while (taken := study.take()) is not None:
        numbers.append(taken.number)
        taken.complete(studies.Outcome(0.5))
    found.put(numbers)


@pytest.mark.parametrize("storage", [None, "journal"])
def test_processes_that_take_trials_at_once_never_take_the_same(
    quick_recipe: Path, tmp_path: Path, storage: str | None
) -> None:
    url = None if storage is None else f"journal:///{tmp_path / 'log' / 'study.log'}"
    tuning = prepare(quick_recipe, search(seed=list(range(24))), tmp_path / "out", storage=url)
    Study(tuning.plan).fill()
    context = multiprocessing.get_context("fork")
    ready, found = context.Barrier(3), context.SimpleQueue()
    processes = [context.Process(target=_take_all, args=(tuning, ready, found)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(100)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    numbers = sorted(number for _ in processes for number in found.get())
    assert numbers == list(range(24))
    assert states(Study(tuning.plan).trials()) == ["complete"] * 24


def _prepare_at_once(recipe: Path, out: Path, ready: Any, found: Any) -> None:
    ready.wait()
    found.put(states(tune(prepare(recipe, search(**GRID), out), train=standing_in.quick)))


def test_two_commands_that_begin_one_study_at_once_share_it(quick_recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    context = multiprocessing.get_context("fork")
    ready, found = context.Barrier(2), context.SimpleQueue()
    processes = [context.Process(target=_prepare_at_once, args=(quick_recipe, out, ready, found)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(100)
    assert [process.exitcode for process in processes] == [0, 0]
    assert sorted(numbers(out)) == [f"{k:04}" for k in range(6)]


def test_a_trial_that_two_put_in_is_run_once(quick_recipe: Path, tmp_path: Path) -> None:
    """As where two commands begin one study at the same moment."""
    tuning = prepare(quick_recipe, search(**GRID), tmp_path / "out")
    study = Study(tuning.plan)
    study.fill()
    for number in (0, 3):
        study._study.enqueue_trial({}, user_attrs={"number": number})
    trials = tune(tuning, train=standing_in.quick)
    assert states(trials) == ["complete"] * 6 and trials == Study(tuning.plan).trials()
    assert sorted(numbers(tmp_path / "out")) == [f"{k:04}" for k in range(6)]


# ---- what is refused


def test_a_folder_keeps_to_its_recipe_its_search_and_its_data(quick_recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    prepare(quick_recipe, search(**GRID), out)
    before = (out / "study.toml").read_text()
    with pytest.raises(RecipeError, match="another search"):
        prepare(quick_recipe, search(training__learning_rate=[0.1]), out)
    with pytest.raises(RecipeError, match="another search"):
        prepare(quick_recipe, search(**GRID), out, epochs=1)
    other = tmp_path / "other.toml"
    other.write_text(quick_recipe.read_text().replace("seed = 5", "seed = 6"))
    with pytest.raises(RecipeError, match="another recipe"):
        prepare(other, search(**GRID), out)
    assert (out / "study.toml").read_text() == before
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "recipe.toml").touch()
    with pytest.raises(RecipeError, match="no study folder"):
        prepare(quick_recipe, search(**GRID), tmp_path / "run")


def test_a_database_keeps_to_them_too(quick_recipe: Path, tmp_path: Path) -> None:
    """As on another machine, whose folder is empty."""
    url = f"journal:///{tmp_path / 'study.log'}"
    prepare(quick_recipe, search(**GRID), tmp_path / "a" / "out", storage=url)
    with pytest.raises(RecipeError, match=r"there training.learning_rate = \[0.1, 0.01, 0.001\]"):
        prepare(quick_recipe, search(training__learning_rate=[0.1]), tmp_path / "b" / "out", storage=url)
    assert not (tmp_path / "b" / "out" / "study.toml").exists()
    from mien import data

    faces = data.load(tmp_path / "tiny.store")
    import dataclasses

    provenance = dataclasses.replace(faces.provenance, sha256="1" * 64)
    data.save(dataclasses.replace(faces, provenance=provenance), tmp_path / "other.store")
    with pytest.raises(DataError, match="begun with"):
        prepare(quick_recipe, search(**GRID), tmp_path / "c" / "out", tmp_path / "other.store", storage=url)


@pytest.mark.parametrize(
    ("url", "part"),
    [
        ("postgresql://me:secret@localhost:1/x", "pip install 'psycopg[binary]'"),
        ("nonsense", "cannot be opened"),
        ("nonsense://x", "cannot be opened"),
        ("journal:////proc/none/x.log", "cannot be opened"),
    ],
)
def test_a_database_that_cannot_be_used_is_named_without_its_password(
    quick_recipe: Path, tmp_path: Path, url: str, part: str
) -> None:
    with pytest.raises(RecipeError) as caught:
        prepare(quick_recipe, search(**GRID), tmp_path / "out", storage=url)
    assert part in str(caught.value) and "secret" not in str(caught.value) and "--storage" in str(caught.value)


def test_a_path_of_any_letters_will_do(quick_recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "a {b} ?c=d%20 #e"
    assert states(tune(prepare(quick_recipe, search(seed=[1]), out), train=standing_in.quick)) == ["complete"]
    assert (out / "study.db").stat().st_size > 0


def test_a_database_that_stops_answering_is_an_error_of_one_line(
    quick_recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tuning = prepare(quick_recipe, search(**GRID), tmp_path / "out")

    def broken(*arguments: object) -> int:
        (tmp_path / "out" / "study.db").write_bytes(b"not a database" * 100)
        return standing_in.quick(*arguments)  # type: ignore[arg-type]

    with pytest.raises(TrainingError, match="does not answer"):
        tune(tuning, train=broken)


# ---- with training itself


def test_a_trial_is_an_ordinary_run_and_goes_on_from_its_checkpoint(quick_recipe: Path, tmp_path: Path) -> None:
    from mien.training import run as runs
    from mien.training.tune import trained

    grid = search(training__learning_rate=[0.02, 1e30])
    tuning = prepare(quick_recipe, grid, tmp_path / "out", epochs=3, limit=60)
    recipe, folder = tuning.recipe({"training.learning_rate": 0.02}), tuning.trial_folder(0)

    def stop(state: Any) -> None:
        if state.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(tuning, recipe, folder, stop)
    seen: list[int] = []
    trials = tune(
        tuning,
        look=None,
        train=lambda t, r, f, report: trained(t, r, f, lambda s: (seen.append(s.epoch), report(s))[1]),
    )
    assert states(trials) == ["complete", "failed"] and "diverged" in trials[1].outcome.reason
    assert min(seen[:1]) == 2, "from its checkpoint, not from the beginning"
    run = runs.finished(folder)
    assert run.shortened and run.recipe.training.epochs == 3 and trials[0].outcome.faces == len(run.rows("validation"))
    assert trials[0].outcome.epochs == 3 and not (folder / "bundle").exists()
    whole = runs.start(recipe, tmp_path / "whole", shortening=runs.Shortening(3, 60))
    assert all(
        bool((a == b).all())
        for a, b in zip(whole.network.state_dict().values(), run.network.state_dict().values(), strict=True)
    )
    assert parse((tmp_path / "out" / "best.toml").read_text(), "best").training.epochs == 5
