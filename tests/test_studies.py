"""The studies that are here: each can be read, its recipes are valid, its words name what is measured, and it runs."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from mien.evaluation import published
from mien.recipe import parse
from mien.studies.manifest import MEASURE_NAMES, NOTES, PUBLISHED, RECIPE, load_study, recipe_of, timeless
from mien.studies.measures import MEASURES
from mien.studies.result import load_result
from mien.studies.wording import check_wording
from tests_support import mien

ROOT = Path(__file__).resolve().parents[1] / "studies"
STUDIES = sorted(p.parent for p in ROOT.glob("*/study.toml"))
RESULTS = sorted(ROOT.glob("*/*/result.json"))


def test_the_papers_that_work_on_fer2013_at_48_pixels_are_there() -> None:
    assert {"convrelu-ann", "balanced-cnn", "model-zoo"} <= {p.name for p in STUDIES}
    assert set(MEASURES) == set(MEASURE_NAMES)


@pytest.mark.parametrize("folder", STUDIES, ids=lambda p: p.name)
def test_a_study_is_whole(folder: Path) -> None:
    study = load_study(folder)
    published.load(folder / PUBLISHED)
    check_wording(study)
    for system in study.system:
        recipe = recipe_of(folder, system)
        for needed in system.needs:
            assert recipe.network.weights == f"{needed}.safetensors"
    with_recipe = {p.parent.name for p in folder.glob(f"*/{RECIPE}")}
    assert with_recipe == {s.name for s in study.system}
    assert len((folder / NOTES).read_text(encoding="utf-8")) > 1000
    scripts = [p for p in folder.rglob("*") if p.suffix in (".py", ".sh", ".ipynb")]
    assert scripts == []


@pytest.mark.parametrize("path", RESULTS, ids=lambda p: f"{p.parts[-3]}/{p.parts[-2]}")
def test_a_result_is_of_its_system_and_says_how_it_was_made(path: Path) -> None:
    result = load_result(path.parent)
    assert result is not None
    assert (result.study, result.system) == path.parts[-3:-1]
    system = load_study(path.parents[1]).named(result.system)
    recipe = recipe_of(path.parents[1], system)
    assert timeless(parse(result.recipe, "the result's recipe")) == timeless(recipe)
    text = path.read_text(encoding="utf-8")
    assert re.findall(r"(?<![\w:/.…])/\w+/\S*", text) == []  # no folder of the machine that it was run on
    if result.training is None:
        return
    training = result.training
    assert training.hardware and training.threads and training.seconds > 0 and training.seed == recipe.seed
    assert training.commit and "+changes" not in training.commit + result.made.commit and result.made.command
    if system.needs and training.began_with:
        begun = [load_result(path.parents[1] / name) for name in system.needs]
        assert training.began_with in [r.training.weights for r in begun if r is not None and r.training is not None]
    assert training.planned == recipe.training.epochs and len(result.history) == training.epochs
    assert training.shortened or training.stopped or training.epochs == training.planned
    assert bool(training.leaked) == recipe.data.reproduce_leak
    assert bool(training.misscaled) == (recipe.network.misscaled is not None)
    assert list(result.parts) == system.parts and list(result.measures) == system.measures
    for part in result.parts.values():
        counts = np.array(part.confusion)
        accuracy = part.scores["accuracy"]
        assert counts.sum() == part.n == accuracy.n
        assert np.trace(counts) == part.hits().sum() == round((accuracy.value or 0) * part.n)
        assert accuracy.value is not None and accuracy.low is not None and accuracy.high is not None
        assert accuracy.low <= accuracy.value <= accuracy.high


@pytest.mark.parametrize("folder", STUDIES, ids=lambda p: p.name)
def test_a_study_runs_end_to_end_on_a_few_hundred_faces(folder: Path, shared: Path, tmp_path: Path) -> None:
    data = shared / "data" / "fer2013.parquet"
    done = mien("study", "run", folder.name, "--quick", "--studies", ROOT, "--data", data, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    results = tmp_path / "runs" / f"{folder.name}-quick" / "results"
    for system in load_study(folder).system:
        body = json.loads((results / system.name / "result.json").read_text(encoding="utf-8"))
        section = recipe_of(folder, system).network
        if section.weights and not section.own_weights:
            assert "quick run fetches nothing" in body["unavailable"]
            continue
        assert body["training"]["shortened"].startswith("1 of ")
        assert list(body["parts"]) == system.parts and list(body["measures"]) == system.measures
        assert all(numbers for numbers in body["measures"].values())
    if folder.name == "convrelu-ann":
        deploy(tmp_path, shared / "data" / "media")


def deploy(desk: Path, media: Path) -> None:
    """The run's own bundle behind Haar, on a picture and on a video, as the paper deploys it."""
    behind = ("--model", "runs/convrelu-ann-quick/as-published-epochs-1/bundle", "--detector", "haar")
    seen = mien("analyze", media / "one-face.jpg", *behind, "--out", "faces.jsonl", cwd=desk)
    assert seen.returncode == 0, seen.stderr
    rows = [json.loads(line) for line in (desk / "faces.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 1 and rows[0]["detector"] == "haar" and rows[0]["model"] == "convrelu-ann"
    live = mien("live", media / "clip.mp4", "--headless", "--max-frames", "3", *behind, "--out", "live.csv", cwd=desk)
    assert live.returncode == 0, live.stderr
    assert "convrelu-ann" in (desk / "live.csv").read_text(encoding="utf-8")
    assert "shortened" in live.stderr  # the bundle says what it is


def test_the_page_of_results_is_of_these_results(tmp_path: Path) -> None:
    shutil.copytree(ROOT, tmp_path / "studies")
    (tmp_path / "docs").mkdir()
    done = mien("study", "report", "--out", "docs/studies-results.md", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    written = (tmp_path / "docs" / "studies-results.md").read_text(encoding="utf-8")
    kept = (ROOT.parent / "docs" / "studies-results.md").read_text(encoding="utf-8")
    assert written == kept, "write it anew: mien study report --out docs/studies-results.md"
    drawn = {p.relative_to(tmp_path / "studies") for p in (tmp_path / "studies").glob("*/pictures/*")}
    assert drawn == {p.relative_to(ROOT) for p in ROOT.glob("*/pictures/*")}
