"""Recipes are data: each that ships is parsed here, and what is wrong with one is named."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest

from mien.errors import RecipeError
from mien.recipe import changed, field_names, load, parse, to_toml
from mien.recipe.fields import fields

SHIPPED = sorted(Path(str(files("mien"))).glob("recipes/*.toml"))

SMALLEST = """\
name = "least"
[data]
source = "fer2013.csv"
validation = 0.1
[network]
name = "residual"
widths = [8, 16]
blocks = [1, 1]
[training]
epochs = 1
batch_size = 32
learning_rate = 0.01
"""


def test_recipes_ship_with_the_package() -> None:
    assert "mien-small" in [p.stem for p in SHIPPED]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_a_shipped_recipe_is_valid_and_bears_the_name_of_its_file(path: Path) -> None:
    assert load(path).name == path.stem


def test_fields_have_the_values_of_the_file_and_defaults_elsewhere() -> None:
    recipe = parse(SMALLEST, "x.toml")
    assert recipe.network.widths == [8, 16]
    assert recipe.training.learning_rate == 0.01
    assert (recipe.seed, recipe.data.split_seed, recipe.data.limit) == (0, 0, None)
    assert (recipe.loss.labels, recipe.loss.votes, recipe.augment.flip) == (1.0, 0.0, 0.0)


def test_a_whole_number_will_do_for_an_amount() -> None:
    assert parse(SMALLEST + "[augment]\nrotation = 12\nflip = 1\n", "x.toml").augment.rotation == 12.0


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("epochs = 1", "epochs = 1\nepoch = 2", "training.epoch: no such field"),
        ('name = "least"', 'name = "least"\n[extra]\na = 1', "extra: no such field"),
        ("batch_size = 32\n", "", "training.batch_size: missing"),
        ("[network]", "[networks]", "network: missing"),
        ("epochs = 1", 'epochs = "1"', "training.epochs"),
        ("epochs = 1", "epochs = 1.5", "training.epochs"),
        ("epochs = 1", "epochs = true", "training.epochs"),
        ("widths = [8, 16]", "widths = [8, 'wide']", "network.widths.1"),
        ("widths = [8, 16]", "widths = 8", "network.widths"),
        ('source = "fer2013.csv"', "source = 3", "data.source"),
        ("learning_rate = 0.01", 'learning_rate = "0.01"', "training.learning_rate"),
        ("learning_rate = 0.01", "learning_rate = true", "training.learning_rate"),
        ("epochs = 1", "epochs = 0", "training.epochs"),
        ("batch_size = 32", "batch_size = -32", "training.batch_size"),
        ("learning_rate = 0.01", "learning_rate = 0", "training.learning_rate"),
        ("learning_rate = 0.01", "learning_rate = inf", "training.learning_rate"),
        ("learning_rate = 0.01", "learning_rate = nan", "training.learning_rate"),
        ("validation = 0.1", "validation = 0.0", "data.validation"),
        ("validation = 0.1", "validation = 0.6", "data.validation"),
        ("validation = 0.1", "validation = 0.1\nlimit = 0", "data.limit"),
        ("validation = 0.1", "validation = 0.1\nsplit_seed = -1", "data.split_seed"),
        ('name = "least"', 'name = "least"\nseed = -1', "seed"),
        ("blocks = [1, 1]", "blocks = [1, 0]", "network.blocks.1"),
        ("blocks = [1, 1]", "blocks = [1, 1]\ndropout = 1.5", "network.dropout"),
        ("epochs = 1", "epochs = 1\nema = 1.0", "training.ema"),
        ("epochs = 1", "epochs = 1\nwarmup = 1.0", "training.warmup"),
        ("epochs = 1", 'epochs = 1\nprecision = "64"', "training.precision"),
        ("[training]", "[augment]\nflip = 1.1\n[training]", "augment.flip"),
        ("[training]", "[augment]\nrotation = -1\n[training]", "augment.rotation"),
        ("[training]", '[augment]\nerasing = "0.4"\n[training]', "augment.erasing"),
        ("[training]", "[loss]\nlabels = -1\n[training]", "loss.labels"),
        ("[training]", "[loss]\nlabel_smoothing = 2\n[training]", "loss.label_smoothing"),
    ],
)
def test_what_is_wrong_is_named_with_its_field_and_file(tmp_path: Path, old: str, new: str, field: str) -> None:
    path = tmp_path / "mine.toml"
    assert old in SMALLEST
    path.write_text(SMALLEST.replace(old, new), encoding="utf-8")
    with pytest.raises(RecipeError) as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert field in str(caught.value)


def test_every_problem_is_listed_at_once() -> None:
    text = SMALLEST.replace("epochs = 1", "epochs = 0").replace("batch_size = 32", "batch_sise = 32")
    with pytest.raises(RecipeError) as caught:
        parse(text, "mine.toml")
    for field in ("training.epochs", "training.batch_size: missing", "training.batch_sise: no such field"):
        assert field in str(caught.value)


def test_the_value_that_came_is_shown() -> None:
    with pytest.raises(RecipeError, match=r"training\.epochs: .*came -7"):
        parse(SMALLEST.replace("epochs = 1", "epochs = -7"), "mine.toml")


@pytest.mark.parametrize(
    "content",
    [b"name = \n", b"just words", b"[data\n", b'name = "a"\nname = "b"\n'],
    ids=["no value", "no key", "open table", "key twice"],
)
def test_what_is_not_toml_is_named_with_its_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(content)
    with pytest.raises(RecipeError, match=r"mine\.toml is not TOML"):
        load(path)


@pytest.mark.parametrize("kind", ["absent", "folder", "not UTF-8"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "mine.toml"
    if kind == "folder":
        path.mkdir()
    elif kind == "not UTF-8":
        path.write_bytes(b'name = "\xff\xfe"')
    with pytest.raises(RecipeError, match=r"mine\.toml cannot be read"):
        load(path)


def test_a_recipe_cannot_be_changed_after_it_was_checked() -> None:
    recipe = parse(SMALLEST, "x.toml")
    with pytest.raises(ValueError, match="frozen"):
        recipe.training.epochs = -1  # type: ignore[misc]


def test_every_field_says_what_it_means() -> None:
    found = fields()
    assert len(found) > 60 and {f.name for f in found} >= {"name", "training.epochs", "network.kernel", "head.C"}
    assert [f.name for f in found if not f.help] == []
    assert {f.name for f in found} == set(field_names())


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("epochs = 1", "epoch = 1", "training.epoch: no such field, did you mean training.epochs?"),
        ("widths = [8, 16]", "width = [8, 16]", "network.width: no such field, did you mean network.widths?"),
        ("widths = [8, 16]", "kernel = 3", "network.kernel: no such field; the network residual has network.side"),
        ("[training]", "[trainig]", "trainig: no such field, did you mean training?"),
        ('"residual"', '"convrelu"', "there is no network 'convrelu', did you mean convrelu-ann?"),
        ('"residual"', '"residul"', "there is no network 'residul', did you mean residual?"),
        ('"residual"', '"zzz"', "there is no network 'zzz'; there are residual, hybrid-1"),
        ('name = "residual"\n', "", "network.name: missing"),
    ],
)
def test_the_nearest_name_is_told(old: str, new: str, text: str) -> None:
    assert old in SMALLEST
    with pytest.raises(RecipeError) as caught:
        parse(SMALLEST.replace(old, new), "x.toml")
    assert text in str(caught.value) and "mien networks --fields" in str(caught.value)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_a_recipe_survives_being_written(path: Path) -> None:
    recipe = load(path)
    assert parse(to_toml(recipe), "again") == recipe


def test_changes_are_checked_as_a_file_is() -> None:
    recipe = parse(SMALLEST, "x.toml")
    other = changed(recipe, {"training.learning_rate": 0.5, "augment.flip": 0.25, "seed": 9})
    assert (other.training.learning_rate, other.augment.flip, other.seed) == (0.5, 0.25, 9)
    assert recipe.training.learning_rate == 0.01 and other.network == recipe.network
    for wrong in ({"training.rate": 1}, {"training.epochs": 0}, {"nothing.at.all": 1}, {"seed.x": 1}):
        with pytest.raises(RecipeError):
            changed(recipe, wrong)
