"""Recipes are data: each that ships is parsed here, and what is wrong with one is named."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import pytest

from mien.errors import RecipeError
from mien.recipe import changed, extends, field_names, load, parse, to_toml
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
        ("blocks = [1, 1]", 'blocks = [1, 1]\nscaling = "unsigned"', "network.scaling"),
        ("blocks = [1, 1]", 'blocks = [1, 1]\nmisscaled = "byte"', "network.misscaled: only weights that were trained"),
        ("validation = 0.1", "validation = 0.1\ntest = 0.95", "data.test"),
        ("validation = 0.1", "validation = 0.1\nreproduce_leak = true", "data.reproduce_leak: a leak needs a test"),
        (
            "validation = 0.1",
            'validation = 0.1\ntest = 0.2\nbalance = "weights"\nreproduce_leak = true',
            "data.reproduce_leak: a leak needs a test share of more than 0, and balance over or under",
        ),
        (
            "validation = 0.1",
            'validation = 0.1\ntest = 0.2\nbalance = "over"\nsplit = "s.json"\nreproduce_leak = true',
            "data.reproduce_leak: a split that is given is taken as it is",
        ),
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
        ('name = "least"', 'name = "least"\nextend = "model-1"', "extend: no such field, did you mean extends?"),
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


def test_a_leak_and_a_wrong_scaling_can_be_asked_for() -> None:
    text = SMALLEST.replace("validation = 0.1", 'validation = 0.1\ntest = 0.2\nbalance = "over"\nreproduce_leak = true')
    text = text.replace("blocks = [1, 1]", 'blocks = [1, 1]\nweights = "w.safetensors"\nmisscaled = "byte"')
    recipe = parse(text, "x.toml")
    assert (recipe.data.test, recipe.data.reproduce_leak, recipe.network.misscaled) == (0.2, True, "byte")
    with pytest.raises(RecipeError, match="reproduce_leak"):
        changed(recipe, {"data.test": 0.0})


# ---- recipes that begin with another


def write(folder: Path, **texts: str) -> Path:
    """Recipes by name, the last one's file."""
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        file = folder / f"{name}.toml"
        file.write_text(text, encoding="utf-8")
    return file


def test_only_what_differs_is_said(tmp_path: Path) -> None:
    mine = 'extends = "least.toml"\nseed = 3\n[training]\nepochs = 9\noptimizer = "rmsprop"\n[loss]\nvotes = 1.0\n'
    recipe = load(write(tmp_path, least=SMALLEST, mine=mine))
    told = {"seed": 3, "training.epochs": 9, "training.optimizer": "rmsprop", "loss.votes": 1.0}
    assert recipe == changed(parse(SMALLEST, "x"), told)
    assert recipe.training.learning_rate == 0.01 and recipe.name == "least"
    assert extends(mine) and not extends(to_toml(recipe)) and parse(to_toml(recipe), "again") == recipe


def test_a_shipped_recipe_is_extended_by_its_name_and_from_any_folder(tmp_path: Path) -> None:
    file = write(tmp_path, mine='extends = "convrelu-ann"\nname = "mine"\n[augment]\nflip = 0.25\n')
    shipped = next(load(p) for p in SHIPPED if p.stem == "convrelu-ann")
    assert load(file) == changed(shipped, {"name": "mine", "augment.flip": 0.25})
    assert load(file).data.source == "fer2013.parquet"  # not one in the package


def test_the_nearest_recipe_of_a_chain_counts(tmp_path: Path) -> None:
    second = 'extends = "least.toml"\n[training]\nepochs = 2\nbatch_size = 2\n'
    third = 'extends = "second.toml"\n[training]\nepochs = 3\n'
    found = load(write(tmp_path, least=SMALLEST, second=second, third=third)).training
    assert (found.epochs, found.batch_size, found.learning_rate) == (3, 2, 0.01)


def test_a_table_without_a_field_goes_back_to_the_defaults(tmp_path: Path) -> None:
    below = SMALLEST + "[augment]\nflip = 0.5\n[loss]\nvotes = 1.0\n"
    found = load(write(tmp_path, below=below, mine='extends = "below.toml"\naugment = {}\n'))
    assert found.augment == parse(SMALLEST, "x").augment and found.loss.votes == 1.0


def test_another_network_brings_none_of_the_fields_of_the_first(tmp_path: Path) -> None:
    below = SMALLEST.replace("blocks = [1, 1]", "blocks = [1, 1]\nside = 32")
    same = load(write(tmp_path, below=below, same='extends = "below.toml"\n[network]\ndropout = 0.5\n')).network
    assert (same.name, same.side, same.dropout) == ("residual", 32, 0.5)
    again = 'extends = "below.toml"\n[network]\nname = "residual"\ndropout = 0.5\n'
    assert load(write(tmp_path, again=again)).network == same
    other = load(write(tmp_path, other='extends = "below.toml"\n[network]\nname = "model-1"\ndropout = 0.5\n')).network
    assert (other.name, other.side, other.dropout) == ("model-1", None, 0.5)


@pytest.mark.parametrize(
    "texts",
    [
        {"mine": 'extends = "mine.toml"'},
        {"a": 'extends = "b.toml"', "b": 'extends = "a.toml"'},
        {"a": 'extends = "b.toml"', "b": 'extends = "./b.toml"', "c": 'extends = "a.toml"'},
    ],
    ids=["itself", "each other", "further down"],
)
def test_a_circle_is_told(tmp_path: Path, texts: dict[str, str]) -> None:
    with pytest.raises(
        RecipeError, match=r"extend each other in a circle, through .*\.toml; expected a chain with an end"
    ):
        load(write(tmp_path, **texts))


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (
            'extends = "convrelu"',
            r"mine.toml extends 'convrelu'.*no such recipe ships with mien, did you mean convrelu-ann",
        ),
        (
            'extends = "zzz"',
            r"no such recipe ships with mien; expected one of .*, zoo-vgg16, or a file ending in \.toml",
        ),
        ('extends = "gone.toml"', r"mine.toml extends .*gone.toml, and there is no such file"),
        ('extends = "broken.toml"', r"mine.toml extends .*broken.toml, which cannot be read \(.*a recipe in TOML"),
        ("extends = 3", r"mine.toml: extends is 3; expected the name of a recipe"),
        ('extends = ["model-1"]', r"mine.toml: extends is \['model-1'\]"),
    ],
)
def test_what_cannot_be_extended_is_told(tmp_path: Path, line: str, complaint: str) -> None:
    with pytest.raises(RecipeError, match=complaint):
        load(write(tmp_path, broken="name = ", mine=line))


def test_what_is_wrong_in_either_recipe_is_told_with_both(tmp_path: Path) -> None:
    file = write(tmp_path, below=SMALLEST.replace("epochs = 1", "epochs = 0"), mine='extends = "below.toml"')
    with pytest.raises(RecipeError, match=r"mine\.toml \(extends below\.toml\): training\.epochs"):
        load(file)


def test_files_of_the_other_recipe_are_looked_for_beside_this_one_first(tmp_path: Path) -> None:
    below = SMALLEST.replace("validation = 0.1", 'validation = 0.1\nmap = "m.toml"\nsplit = "s.json"')
    below = below.replace("blocks = [1, 1]", 'blocks = [1, 1]\nweights = "w.safetensors"')
    write(tmp_path / "a", below=below)
    for name in ("fer2013.csv", "m.toml", "w.safetensors"):
        (tmp_path / "a" / name).touch()
    middle = write(tmp_path / "b", middle='extends = "../a/below.toml"')
    (tmp_path / "b" / "w.safetensors").touch()
    mine = write(tmp_path / "c", mine='extends = "../b/middle.toml"\n[training]\nepochs = 2\n')

    found = load(middle)
    assert (found.data.source, found.data.map) == ("../a/fer2013.csv", "../a/m.toml")
    assert (found.network.weights, found.data.split) == ("w.safetensors", "s.json")  # here; nowhere
    found = load(mine)
    assert (found.data.source, found.network.weights) == ("../a/fer2013.csv", "../a/w.safetensors")
    absolute = tmp_path / "a" / "fer2013.csv"
    write(tmp_path / "a", below=below.replace('"fer2013.csv"', json.dumps(str(absolute))))
    assert load(mine).data.source == str(absolute)


def test_a_text_without_a_folder_extends_what_is_in_the_current_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, least=SMALLEST)
    monkeypatch.chdir(tmp_path)
    assert parse('extends = "least.toml"', "text").name == "least"
