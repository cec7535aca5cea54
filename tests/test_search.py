"""Search files are data: what they mean, what they draw, and what is wrong with one."""

from __future__ import annotations

import itertools
import math
from importlib.resources import files
from pathlib import Path

import pytest

from mien.errors import RecipeError
from mien.recipe import parse
from mien.recipe.search import Range, Search, load, to_toml, varied

SHIPPED = Path(str(files("mien"))) / "searches"

RECIPE = """\
name = "least"
[data]
source = "fer2013.csv"
validation = 0.1
[network]
name = "model-3"
[training]
epochs = 1
batch_size = 32
learning_rate = 0.01
"""


def search(text: str, tmp_path: Path) -> Search:
    file = tmp_path / "mine.toml"
    file.write_text(text, encoding="utf-8")
    return load(file)


def points(found: Search) -> list[dict[str, object]]:
    return [point for number in range(found.total) if (point := found.point(number)) is not None]


def test_the_grid_of_the_model_zoo_ships() -> None:
    found = load(SHIPPED / "kernel-rate.toml")
    found.check(parse(RECIPE, "x"))
    assert points(found) == [
        {"network.kernel": kernel, "training.learning_rate": rate} for kernel in (2, 3) for rate in (0.001, 0.003)
    ]


def test_the_learning_rates_of_the_three_data_sets_ship() -> None:
    found = load(SHIPPED / "learning-rate.toml")
    found.check(parse(RECIPE, "x"))
    rates = [point["training.learning_rate"] for point in points(found)]
    assert rates == pytest.approx([10.0**-k for k in range(1, 10)], rel=1e-12)


def test_every_search_that_ships_is_tried_above() -> None:
    assert sorted(p.stem for p in SHIPPED.glob("*.toml")) == ["kernel-rate", "learning-rate"]


@pytest.mark.parametrize("name", ["network.kernel", '"network.kernel"'])
def test_a_field_may_be_written_with_and_without_quotes(tmp_path: Path, name: str) -> None:
    found = search(
        f"[fields]\n{name} = [2, 3]\n'training.learning_rate' = {{low = 1e-4, high = 0.1, step = 1e-3}}", tmp_path
    )
    assert found.fields["network.kernel"] == [2, 3]
    assert found.fields["training.learning_rate"] == Range(low=1e-4, high=0.1, step=1e-3)


def test_a_grid_is_every_combination_once_and_trials_cut_it(tmp_path: Path) -> None:
    text = "[fields]\ntraining.batch_size = [8, 16]\naugment.rotation = {low = 0, high = 10, step = 5}\n"
    found = search(text, tmp_path)
    there = [tuple(point.values()) for point in points(found)]
    assert there == list(itertools.product((8, 16), (0, 5, 10)))
    assert search("[search]\ntrials = 4\n" + text, tmp_path).total == 4
    assert search("[search]\ntrials = 40\n" + text, tmp_path).total == 6


def test_draws_are_a_function_of_seed_and_number(tmp_path: Path) -> None:
    text = """[search]
sampler = "random"
trials = 400
seed = 3
[fields]
training.learning_rate = {low = 1e-5, high = 0.1, log = true}
training.batch_size = {low = 1, high = 4}
training.warmup = {low = 0.0, high = 0.5, step = 0.25}
network.dropout = {low = 0.0, high = 1.0}
training.optimizer = ["adam", "sgd"]
"""
    found = search(text, tmp_path)
    drawn = points(found)
    assert drawn == points(search(text, tmp_path)) and len(drawn) == 400
    assert found.point(7) == drawn[7] and search(text.replace("seed = 3", "seed = 4"), tmp_path).point(7) != drawn[7]
    rates = [math.log10(float(str(p["training.learning_rate"]))) for p in drawn]
    assert all(-5 <= r <= -1 for r in rates) and abs(sum(rates) / 400 + 3) < 0.2, "even in the logarithm"
    assert {p["training.batch_size"] for p in drawn} == {1, 2, 3, 4}
    assert {p["training.warmup"] for p in drawn} == {0.0, 0.25, 0.5}
    assert {p["training.optimizer"] for p in drawn} == {"adam", "sgd"}
    assert 0.4 < sum(float(str(p["network.dropout"])) for p in drawn) / 400 < 0.6


def test_whole_numbers_of_a_logarithmic_range_are_all_drawn(tmp_path: Path) -> None:
    text = '[search]\nsampler = "random"\ntrials = 300\n[fields]\ntraining.batch_size = {low = 1, high = 4, log = true}'
    count = [p["training.batch_size"] for p in points(search(text, tmp_path))]
    share = [count.count(k) / 300 for k in (1, 2, 3, 4)]
    expected = [math.log((k + 0.5) / (k - 0.5)) / math.log(9) for k in (1, 2, 3, 4)]
    assert share == pytest.approx(expected, abs=0.08)


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        ("training.learning_rate=0.001,0.01", {"training.learning_rate": [0.001, 0.01]}),
        ("training.learning_rate = 1e-5..1e-1", {"training.learning_rate": Range(low=1e-5, high=0.1, log=True)}),
        ("augment.flip=0..0.5", {"augment.flip": Range(low=0, high=0.5)}),
        ("training.batch_size=8..64", {"training.batch_size": Range(low=8, high=64, log=True)}),
        ("training.optimizer=adam,sgd", {"training.optimizer": ["adam", "sgd"]}),
        ('training.optimizer="adam"', {"training.optimizer": ["adam"]}),
        ("network.widths=[8,16],[16,32]", {"network.widths": [[8, 16], [16, 32]]}),
        ("loss.class_weights=true,false", {"loss.class_weights": [True, False]}),
        ("data.split=a/../b.json", {"data.split": ["a/../b.json"]}),
    ],
)
def test_the_command_line_says_the_same_in_short(given: str, fields: dict[str, object]) -> None:
    found = varied([given])
    assert found.fields == fields
    assert found.search.sampler == ("tpe" if isinstance(next(iter(fields.values())), Range) else "grid")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("[fields]\ntraining.learning_rat = [1]", "did you mean training.learning_rate?"),
        ("[fields]\ntraining = [1]", "training: no such field"),
        ('[fields]\nname = ["a"]', "a recipe's name is no setting"),
        ("[fields]\nseed = []", "the list is empty"),
        ("[fields]\nseed = [1, 2, 1]", "a value is there twice"),
        ("[fields]\nseed = 1", "seed = 1; expected a list of values"),
        ("[fields]\nseed = {low = 1}", "a range without two ends"),
        ("[fields]\nseed = {low = 2, high = 1}", "low 2 is not below high 1"),
        ("[fields]\naugment.flip = {low = 0, high = 1, log = true}", "begins above 0"),
        ("[fields]\nseed = {low = 1, high = 2, most = 3}", "most"),
        ('[search]\nsampler = "grit"\n[fields]\nseed = [1]', "search.sampler"),
        ("[search]\nprune = true\n[fields]\nseed = [1]", "search.prune"),
        ("[search]\ntrials = 0\n[fields]\nseed = [1]", "search.trials"),
        ("[other]\n[fields]\nseed = [1]", "there is no table other"),
        ("[search]\ntrials = 3", "there are no fields"),
        ("just words", "is not TOML"),
    ],
)
def test_what_is_wrong_with_a_file_is_named(tmp_path: Path, text: str, part: str) -> None:
    with pytest.raises(RecipeError) as caught:
        search(text, tmp_path)
    assert part in str(caught.value) and str(tmp_path / "mine.toml") in str(caught.value)


@pytest.mark.parametrize("text", ["seed", "seed=", "=1"])
def test_what_is_wrong_with_an_option_is_shown(text: str) -> None:
    with pytest.raises(RecipeError, match="--vary"):
        varied([text])
    with pytest.raises(RecipeError, match="seed is there twice"):
        varied(["seed=1", "seed=2"])


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ("training.learning_rate = [0.1, -1.0]", "training.learning_rate"),
        ("training.learning_rate = {low = -0.1, high = 0.1, step = 0.1}", "training.learning_rate = -0.1"),
        ("network.kernel = [3, 4]", "network.kernel = 4"),
        ("network.stem = [8]", "network.stem: no such field"),
        ('network.name = ["model-3", "residual"]', "network.widths"),
        ("training.batch_size = [8.5]", "training.batch_size"),
        ("training.learning_rate = {low = 0.01, high = 0.1}", "a range has no end of values for a grid"),
        ("loss.label_smoothing = [0.0, 0.1]", "loss.label_smoothing changes what val_loss measures"),
        ('training.monitor = ["val_loss", "val_accuracy"]', "training.monitor changes what"),
    ],
)
def test_what_cannot_be_run_is_found_before_anything_is(tmp_path: Path, fields: str, part: str) -> None:
    with pytest.raises(RecipeError) as caught:
        search("[fields]\n" + fields, tmp_path).check(parse(RECIPE, "x"), "mine.toml")
    assert part in str(caught.value)


def test_values_that_only_go_together_badly_are_found(tmp_path: Path) -> None:
    fields = 'training.batch_size = [8, 16]\nnetwork.name = ["model-3", "model-1"]\nnetwork.kernel = [2]'
    with pytest.raises(RecipeError, match="model-1"):
        search("[fields]\n" + fields, tmp_path).check(parse(RECIPE, "x"))


def test_a_large_search_is_checked_field_by_field(tmp_path: Path) -> None:
    many = f"seed = {list(range(3000))}\ntraining.batch_size = [1, 2, 0]"
    with pytest.raises(RecipeError, match="training.batch_size"):
        search("[fields]\n" + many, tmp_path).check(parse(RECIPE, "x"))


def test_another_score_makes_loss_fields_comparable_and_moved_faces_are_named(tmp_path: Path) -> None:
    text = '[search]\nmonitor = "val_accuracy"\n[fields]\nloss.label_smoothing = [0.0, 0.1]\ndata.split_seed = [0, 1]'
    found = search(text, tmp_path)
    found.check(parse(RECIPE, "x"))
    assert found.moves_the_faces() == ["data.split_seed"]


def test_a_search_survives_being_written(tmp_path: Path) -> None:
    text = """[search]
sampler = "tpe"
trials = 7
pruner = "median"
[fields]
training.learning_rate = {low = 1e-5, high = 0.1, log = true}
network.widths = [[8], [8, 16]]
training.optimizer = ["adam"]
"""
    found = search(text, tmp_path)
    assert search(to_toml(found), tmp_path) == found
