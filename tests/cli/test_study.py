"""``mien study``, as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mien import data
from mien.data import FaceSet
from mien.studies.found import study_folders
from small_study import FIRST, SECOND, STUDY
from tests_support import mien


@pytest.fixture
def desk(tmp_path: Path, tiny_faces: FaceSet) -> Path:
    """A folder with a study and its data."""
    data.save(tiny_faces, tmp_path / "tiny.store")
    for name, recipe in (("first", FIRST), ("second", SECOND)):
        (tmp_path / "studies" / "paper" / name).mkdir(parents=True)
        (tmp_path / "studies" / "paper" / name / "recipe.toml").write_text(recipe)
    (tmp_path / "studies" / "paper" / "study.toml").write_text(STUDY)
    return tmp_path


def test_a_study_is_run_listed_and_reported(desk: Path) -> None:
    before = mien("study", "list", cwd=desk)
    assert before.returncode == 0 and before.stdout.count("not run yet") == 2 and "A paper" in before.stdout
    done = mien("study", "run", "paper", "--only", "first", cwd=desk)
    assert done.returncode == 0, done.stderr
    assert "paper/first: training for 2 epochs, in runs/paper/first" in done.stdout
    assert "epoch   2" in done.stderr and "paper/first: done" in done.stdout
    assert "mien study report" in done.stdout
    body = json.loads((desk / "studies" / "paper" / "first" / "result.json").read_text())
    assert body["made"]["command"] == "mien study run paper --only first" and body["training"]["shortened"] == ""
    after = mien("study", "list", cwd=desk)
    assert after.stdout.count("not run yet") == 1 and "2 epochs" in after.stdout
    accuracy = body["parts"]["test"]["scores"]["accuracy"]["value"]
    assert f"{accuracy:.1%} test" in after.stdout
    page = mien("study", "report", "--out", "page.html", cwd=desk)
    assert page.returncode == 0, page.stderr
    assert f"{accuracy:.1%}" in (desk / "page.html").read_text(encoding="utf-8") and "1 study" in page.stdout


def test_a_shortened_run_says_so(desk: Path) -> None:
    done = mien("study", "run", "paper", "--only", "first", "--epochs", "1", "--limit", "40", cwd=desk)
    assert done.returncode == 0, done.stderr
    assert "SHORTENED: 1 of 2 epochs, about 40 faces of each part" in mien("study", "list", cwd=desk).stdout


def test_a_leaked_score_is_listed_as_such(desk: Path) -> None:
    file = desk / "studies" / "paper" / "first" / "recipe.toml"
    file.write_text(FIRST.replace("test = 0.2", 'test = 0.2\nbalance = "over"\nreproduce_leak = true'))
    done = mien("study", "run", "paper", "--only", "first", cwd=desk)
    assert done.returncode == 0, done.stderr
    listed = mien("study", "list", cwd=desk).stdout
    assert listed.count("LEAKED") == 1 and "% test" in listed


def test_a_quick_run_leaves_the_study_alone(desk: Path) -> None:
    done = mien("study", "run", "--quick", cwd=desk)
    assert done.returncode == 0, done.stderr
    assert "its numbers mean nothing" in done.stdout
    assert not list((desk / "studies").rglob("result.json"))
    results = desk / "runs" / "paper-quick" / "results"
    assert {p.parent.name for p in results.rglob("result.json")} == {"first", "second"}


def test_a_failure_is_told_and_the_rest_is_done(desk: Path) -> None:
    (desk / "studies" / "paper" / "second" / "recipe.toml").write_text(SECOND.replace("first.saf", "third.saf"))
    done = mien("study", "run", "paper", "--quick", cwd=desk)
    assert done.returncode == 1
    assert "error: paper/second: " in done.stderr and "third.safetensors" in done.stderr
    assert "1 system failed" in done.stderr and "Traceback" not in done.stderr
    assert (desk / "runs" / "paper-quick" / "results" / "first" / "result.json").is_file()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "papr"], "no study 'papr', did you mean paper?"),
        (["run"], "name a study"),
        (["run", "paper", "--quick", "--epochs", "1"], "--quick says how short"),
        (["run", "paper", "--only", "third"], "no system 'third'"),
        (["run", "paper", "--data", "nothing.csv"], "there is no nothing.csv here"),
        (["report", "nothing"], "no study 'nothing'"),
        (["report", "--out", "page.pdf"], "page.pdf"),
        (["list", "--studies", "elsewhere"], "no study in elsewhere"),
    ],
)
def test_what_is_wrong_is_said(desk: Path, words: list[str], said: str) -> None:
    done = mien("study", *words, cwd=desk)
    assert done.returncode != 0 and "Traceback" not in done.stderr
    assert said in " ".join(done.stderr.replace("│", " ").split())


def test_the_studies_of_the_current_folder_come_before_those_of_the_checkout(
    desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(desk)
    assert list(study_folders()) == ["paper"]
    monkeypatch.chdir(desk / "studies" / "paper")
    assert "convrelu-ann" in study_folders()


def test_a_damaged_study_is_named(desk: Path) -> None:
    file = desk / "studies" / "paper" / "study.toml"
    file.write_text(STUDY.replace('needs = ["first"]', 'needs = ["zero"]'))
    done = mien("study", "list", cwd=desk)
    assert done.returncode == 1 and "second needs zero, which is no system before it" in done.stderr
    file.write_text(STUDY.replace('measures = ["loss:test"]', 'measures = ["los"]'))
    done = mien("study", "run", "paper", cwd=desk)
    assert done.returncode == 1 and "there is no measure 'los'" in done.stderr
    file.write_text(STUDY.replace('measures = ["loss:test"]', 'measures = ["loss:nowhere"]'))
    assert "add nowhere to its parts" in mien("study", "list", cwd=desk).stderr


def test_what_a_study_calls_by_a_wrong_name_is_told_with_its_place(desk: Path) -> None:
    file = desk / "studies" / "paper" / "study.toml"
    file.write_text(STUDY.replace("measures =", "measure ="))
    said = mien("study", "list", cwd=desk).stderr
    assert "system 1 (first): no such field measure, did you mean measures?" in " ".join(said.split())
    file.write_text(STUDY.replace('title = "The first"\n', "").replace("believe", "beleive"))
    said = " ".join(mien("study", "list", cwd=desk).stderr.split())
    assert "system 1 (first): title is missing" in said and "no such field beleive, did you mean believe?" in said


def test_a_result_of_another_recipe_is_listed_and_warned_of(desk: Path) -> None:
    assert mien("study", "run", "paper", "--only", "first", cwd=desk).returncode == 0
    assert "OUTDATED" not in mien("study", "list", cwd=desk).stdout
    recipe = desk / "studies" / "paper" / "first" / "recipe.toml"
    recipe.write_text(FIRST.replace("1e-2", "2e-2"))
    assert "2 epochs; OUTDATED: its recipe was changed since" in mien("study", "list", cwd=desk).stdout
    told = mien("study", "report", "--out", "page.json", cwd=desk)
    assert told.returncode == 0
    assert "warning: paper/first: its result is out of date: its recipe was changed since" in told.stderr


def test_one_damaged_result_costs_its_own_line(desk: Path) -> None:
    (desk / "studies" / "paper" / "first" / "result.json").write_text("{")
    done = mien("study", "list", cwd=desk)
    assert done.returncode == 0 and "damaged" in done.stdout and "not run yet" in done.stdout
