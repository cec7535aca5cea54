"""A study is run system by system: what it writes, what it does not do twice, and what one failure costs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mien import data
from mien.data import FaceSet
from mien.errors import StudyError
from mien.studies import engine
from mien.studies.engine import Order, run_study
from mien.studies.result import Result, load_result
from mien.training import run as runs
from mien.training.progress import Reporter
from small_study import FIRST


def quiet(line: str) -> None:
    assert "\n" not in line


def result(order: Order, name: str) -> Result:
    found = load_result(order.results / name)
    assert found is not None
    return found


def states(order: Order) -> dict[str, str]:
    return {o.system: o.state for o in run_study(order, quiet)}


def test_a_study_is_run_measured_and_written_down(order: Order) -> None:
    lines: list[str] = []
    outcomes = run_study(order, lines.append)
    assert [(o.system, o.state) for o in outcomes] == [("first", "done"), ("second", "done")]
    assert any(line.startswith("first: training for 2 epochs") for line in lines)
    first = result(order, "first")
    assert (first.study, first.system, first.made.command) == ("paper", "first", "mien study run paper --only first")
    training = first.training
    assert training is not None and (training.epochs, training.planned, training.kept) == (2, 2, 2)
    assert training.shortened == training.leaked == training.misscaled == training.stopped == ""
    assert training.seconds > 0 and training.threads >= 1 and training.hardware and training.data == "tiny.csv"
    assert [row["epoch"] for row in first.history] == [1, 2] and first.history[0]["loss"] > 0
    assert list(first.parts) == ["test", "public_test"] and list(first.measures) == ["loss:test"]
    card = json.loads((order.out / "first" / "bundle" / "card.json").read_text())
    assert first.parameters == card["parameters"] > 0


def test_the_numbers_are_those_of_an_evaluation(order: Order) -> None:
    from mien.evaluation.evaluate import Options, evaluate
    from mien.evaluation.plan import plan

    run_study(replace(order, only=("first",)), quiet)
    found = evaluate(plan(str(order.out / "first"), order.data, part="public_test"), Options(draws=100))
    scores, part = found.evaluation.sections[0].scores, result(order, "first").parts["public_test"]
    assert part.n == scores.n and part.confusion == scores.confusion and part.labels == scores.labels
    assert part.scores["accuracy"].value == pytest.approx(scores.headline["accuracy"].value, abs=1e-6)
    assert part.scores["log_loss"].kind == "number" and part.scores["accuracy"].kind == "share"
    assert part.scores["majority"].value == pytest.approx(scores.baselines["majority class"]["accuracy"])
    truth, answers = found.answers["fer2013"] if "fer2013" in found.answers else next(iter(found.answers.values()))
    order_ = np.argsort(truth.rows)
    right = (answers.probabilities.argmax(1) == truth.labels)[order_]
    assert part.hits().tolist() == right.tolist()
    assert part.hits().mean() == pytest.approx(part.scores["accuracy"].value, abs=1e-6)


def test_what_has_a_result_is_not_run_again(order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    run_study(order, quiet)
    before = (order.results / "first" / "result.json").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(runs, "start", None)
        patch.setattr(engine, "measured", None)
        assert states(order) == {"first": "kept", "second": "kept"}
    assert (order.results / "first" / "result.json").read_bytes() == before


def test_again_measures_a_trained_run_anew(order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    run_study(replace(order, only=("first",)), quiet)
    (order.results / "first" / "result.json").unlink()
    monkeypatch.setattr(runs, "start", None)  # the run is there
    assert states(replace(order, only=("first",))) == {"first": "done"}
    assert states(replace(order, only=("first",), again=True)) == {"first": "done"}


def test_another_recipe_is_run_anew_and_not_in_the_old_run(order: Order) -> None:
    run_study(replace(order, only=("first",)), quiet)
    file = order.folder / "first" / "recipe.toml"
    file.write_text(FIRST.replace("1e-2", "2e-2"))
    outcome = run_study(replace(order, only=("first",)), quiet)[0]
    assert outcome.state == "failed" and "another recipe" in outcome.text and "--out" in outcome.text
    assert states(replace(order, only=("first",), out=order.out.with_name("new"))) == {"first": "done"}
    assert "0.02" in result(order, "first").recipe


def test_a_shortened_run_is_marked_and_never_replaces_a_whole_one(order: Order) -> None:
    short = replace(order, only=("first",), epochs=1, options="--epochs 1")
    assert states(short) == {"first": "done"}
    found = result(order, "first")
    assert found.training is not None and found.training.shortened == "1 of 2 epochs"
    assert (found.training.epochs, found.training.planned) == (1, 2)
    assert found.made.command == "mien study run paper --only first --epochs 1"
    assert states(short) == {"first": "kept"}
    assert states(replace(order, only=("first",))) == {"first": "done"}  # in the same folder of runs
    whole = result(order, "first").training
    assert whole is not None and (whole.epochs, whole.shortened) == (2, "")
    assert {p.name for p in order.out.iterdir()} == {".recipes", "first", "first-epochs-1"}
    before = (order.results / "first" / "result.json").read_bytes()
    assert states(short) == {"first": "kept"}
    assert states(replace(short, again=True)) == {"first": "kept"}
    assert (order.results / "first" / "result.json").read_bytes() == before


def test_more_epochs_than_the_recipe_has_are_no_other_run(order: Order) -> None:
    assert states(replace(order, only=("first",), epochs=5)) == {"first": "done"}
    training = result(order, "first").training
    assert training is not None and (training.epochs, training.planned, training.shortened) == (2, 2, "")


def test_a_recipe_that_got_longer_is_run_again(order: Order) -> None:
    run_study(replace(order, only=("first",)), quiet)
    (order.folder / "first" / "recipe.toml").write_text(FIRST.replace("epochs = 2", "epochs = 3"))
    assert states(replace(order, only=("first",))) == {"first": "failed"}  # its run folder holds the shorter one
    again = replace(order, only=("first",), out=order.out.with_name("longer"))
    assert states(again) == {"first": "done"} and len(result(order, "first").history) == 3


def test_a_result_of_other_data_is_not_taken_for_one_of_these(order: Order, tiny_faces: FaceSet) -> None:
    run_study(replace(order, only=("first",)), quiet)
    other = replace(tiny_faces, provenance=replace(tiny_faces.provenance, sha256="1" * 64))
    data.save(other, order.data.with_name("other.store"))
    theirs = replace(order, only=("first",), data=order.data.with_name("other.store"), out=order.out.with_name("o"))
    assert states(theirs) == {"first": "done"}
    training = result(order, "first").training
    assert training is not None and training.sha256 == "1" * 64


def test_it_is_noted_which_weights_a_system_began_with(order: Order) -> None:
    run_study(order, quiet)
    first, second = (result(order, name).training for name in ("first", "second"))
    assert first is not None and second is not None
    assert second.began_with == first.weights != second.weights and first.began_with == ""


def test_needed_weights_that_were_removed_are_made_again(order: Order) -> None:
    run_study(replace(order, epochs=1), quiet)
    run_study(replace(order, only=("first",)), quiet)
    shutil.rmtree(order.out)
    assert states(order) == {"first": "done", "second": "done"}  # the first has a result, but no weights


def test_what_a_resumed_run_was_trained_with_is_all_there(order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    one = replace(order, only=("first",))

    def stop() -> Callable[[Reporter], None]:
        def report(state: Reporter) -> None:
            if state.epoch == 1:
                raise KeyboardInterrupt

        return report

    with pytest.raises(KeyboardInterrupt):
        run_study(one, quiet, stop)
    monkeypatch.setattr("mien.training.environment.commit", lambda: "fedcba")
    run_study(one, quiet)
    training = result(order, "first").training
    assert training is not None and training.commit.endswith(", then fedcba") and ", then" not in training.hardware


def test_a_folder_that_cannot_be_written_costs_its_system(order: Order) -> None:
    (order.results / "first" / "result.json").mkdir()
    outcomes = run_study(replace(order, only=("first",)), quiet)
    assert outcomes[0].state == "failed" and "result.json" in outcomes[0].text


def test_a_run_that_was_stopped_goes_on(order: Order) -> None:
    one = replace(order, only=("first",))

    def stop_in_the_second_epoch() -> Callable[[Reporter], None]:
        def report(state: Reporter) -> None:
            if state.epoch == 1 and state.step == 1:
                raise KeyboardInterrupt

        return report

    with pytest.raises(KeyboardInterrupt):
        run_study(one, quiet, stop_in_the_second_epoch)
    assert load_result(order.results / "first") is None
    lines: list[str] = []
    assert run_study(one, lines.append)[0].state == "done"
    assert any("going on" in line for line in lines)
    assert len(result(order, "first").history) == 2


def test_weights_that_are_needed_are_made_first(order: Order) -> None:
    assert states(replace(order, only=("second",))) == {"first": "done", "second": "done"}
    recipe = result(order, "second").recipe
    assert 'weights = "first.safetensors"' in recipe and str(order.out) not in recipe


def test_a_failure_costs_its_own_system_and_those_that_need_it(order: Order) -> None:
    (order.folder / "first" / "recipe.toml").write_text(FIRST.replace("residual", "residul"))
    outcomes = run_study(order, quiet)
    assert [o.state for o in outcomes] == ["failed", "failed"]
    (order.folder / "second" / "recipe.toml").write_text(FIRST.replace('"first"', '"second"'))
    study = (order.folder / "study.toml").read_text().replace('needs = ["first"]\n', "")
    (order.folder / "study.toml").write_text(study)
    assert states(order) == {"first": "failed", "second": "done"}


def test_weights_that_cannot_be_fetched_are_noted_and_cost_nothing_else(
    order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mien.errors import FetchError

    start = runs.start

    def refuse(recipe: Path, *rest: object, **more: object) -> object:
        if "first" in str(recipe):
            raise FetchError("the weights X cannot be loaded from https://example.org/x: no route", "a connection")
        return start(recipe, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(runs, "start", refuse)
    (order.folder / "second" / "recipe.toml").write_text(FIRST.replace('"first"', '"second"'))
    study = (order.folder / "study.toml").read_text().replace('needs = ["first"]\n', "")
    (order.folder / "study.toml").write_text(study)
    assert states(order) == {"first": "unavailable", "second": "done"}
    noted = result(order, "first")
    assert noted.unavailable == "the weights X cannot be loaded; it takes a connection"
    assert noted.training is None and noted.rank == 0
    monkeypatch.undo()
    assert states(replace(order, only=("first",))) == {"first": "done"}  # as soon as they are there


def test_a_part_that_is_not_there_and_a_system_that_is_not_there_are_named(order: Order) -> None:
    with pytest.raises(StudyError, match="no system 'third'"):
        run_study(replace(order, only=("third",)), quiet)
    text = (order.folder / "study.toml").read_text()
    (order.folder / "study.toml").write_text(
        text.replace('parts = ["test", "public_test"]', 'parts = ["test", "private_test"]')
    )
    outcome = run_study(replace(order, only=("first",)), quiet)[0]
    assert outcome.state == "failed" and "private_test" in outcome.text and "public_test" in outcome.text


def test_a_damaged_result_is_named(order: Order) -> None:
    run_study(replace(order, only=("first",)), quiet)
    file = order.results / "first" / "result.json"
    body = json.loads(file.read_text())
    body["parts"]["test"]["n"] = "many"
    file.write_text(json.dumps(body))
    with pytest.raises(StudyError, match=r"result\.json is damaged \(parts\.test\.n"):
        load_result(order.results / "first")


def test_a_result_of_another_system_is_not_taken_for_its_own(order: Order) -> None:
    run_study(replace(order, only=("first",)), quiet)
    shutil.copy(order.results / "first" / "result.json", order.results / "second" / "result.json")
    with pytest.raises(StudyError, match="it is of paper/first"):
        load_result(order.results / "second")
    with pytest.raises(StudyError, match="it is of paper/first"):
        load_result(order.results / "first", "another")
    outcome = run_study(replace(order, only=("second",)), quiet)[0]
    assert outcome.state == "failed" and "it is of paper/first" in outcome.text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda body: body.update(parts={}), "parts is not one or more"),
        (lambda body: body["parts"]["test"]["scores"].pop("accuracy"), "not of accuracy"),
        (lambda body: body["parts"]["test"].update(right="zz"), "right is not"),
        (lambda body: body.update(unavailable="gone"), "training is given"),
    ],
)
def test_a_result_that_lacks_something_is_damaged(
    order: Order, change: Callable[[dict[str, Any]], object], said: str
) -> None:
    run_study(replace(order, only=("first",)), quiet)
    file = order.results / "first" / "result.json"
    body = json.loads(file.read_text())
    change(body)
    file.write_text(json.dumps(body))
    with pytest.raises(StudyError, match=said):
        load_result(order.results / "first")


def test_a_measure_that_the_study_asks_for_by_now_is_taken(order: Order) -> None:
    run_study(replace(order, only=("first",)), quiet)
    file = order.folder / "study.toml"
    file.write_text(file.read_text().replace('["loss:test"]', '["loss:test", "shares"]'))
    assert states(replace(order, only=("first",))) == {"first": "done"}
    assert list(result(order, "first").measures) == ["loss:test", "shares"]
    shutil.rmtree(order.out)
    outcome = run_study(replace(order, only=("first",)), quiet)[0]
    assert outcome.state == "kept" and "its run folder is gone" in outcome.text


def test_a_run_folder_that_was_tampered_with_costs_its_system(order: Order) -> None:
    run_study(replace(order, only=("first",)), quiet)
    (order.out / "first" / "environment.json").write_text("{")
    outcome = run_study(replace(order, only=("first",), again=True), quiet)[0]
    assert outcome.state == "failed" and "damaged" in outcome.text and "remove it" in outcome.text
