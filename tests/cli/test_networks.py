"""``mien networks``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from mien.cli import networks
from mien.errors import MissingExtraError, RecipeError
from mien.recipe import field_names, network_names

app = typer.Typer()
app.command("networks")(networks.networks)

RECIPE = """
name = "x"
[data]
source = "x.store"
labels = "four"
validation = 0.1
[network]
name = "shufflenetv2"
weights = "imagenet"
backbone_rate = 0.0
hidden = [10]
[training]
epochs = 1
batch_size = 2
learning_rate = 0.1
"""


def piped(*arguments: str) -> list[dict[str, Any]]:
    done = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in done.stdout.splitlines()]


def shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str | None, **options: Any) -> str:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "dumb")  # no escape codes
    given = {"classes": None, "side": None, "kernel": None, "fields": False, **options}
    networks.networks(name, **given)
    return capsys.readouterr().out


def test_all_networks_are_listed() -> None:
    rows = {row["name"]: row for row in piped()}
    assert list(rows) == network_names()
    assert rows["convrelu-ann"]["parameters"] == 2_489_095 and rows["convrelu-ann"]["side"] == 48
    assert rows["resnet18"]["source"] == "torchvision resnet18"
    assert all(row["error"] is None and row["parameters"] > 500_000 for row in rows.values())


def test_a_table_looks_as_the_papers_do(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    lines = shown(capsys, monkeypatch, "convrelu-ann").splitlines()
    assert lines[0] == 'Model: "convrelu-ann", gray 48×48'
    assert "conv2d_1 (Conv2D)               (None, 46, 46, 64)      18,496" in lines
    assert "flatten (Flatten)               (None, 4096)                 0" in lines
    assert lines[-3:] == ["Total params: 2,489,095", "Trainable params: 2,489,095", "Non-trainable params: 0"]
    assert len({len(line) for line in lines[3:-3]}) == 1  # columns are aligned


def test_the_options_change_the_network() -> None:
    def count(*arguments: str) -> int:
        return sum(row["trainable"] for row in piped(*arguments))

    assert count("model-1", "--classes", "4") == 605_060
    assert count("model-3", "--classes", "4", "--kernel", "2") == 1_778_116
    assert piped("resnet18", "--side", "64")[0]["shape"] == [None, 32, 32, 64]
    assert count("mien-small") == 1_464_719  # both heads of the shipped model, as on its card


def test_a_recipe_is_described_as_it_would_be_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "some.toml"
    file.write_text(RECIPE, encoding="utf-8")
    table = piped(str(file))
    assert table[0]["shape"] == [None, 112, 112, 24] and table[0]["parameters"] == 3 * 24 * 9
    assert [row["shape"] for row in table[-2:]] == [[None, 10], [None, 4]]
    assert sum(row["trainable"] for row in table) == 1024 * 10 + 10 + 10 * 4 + 4  # the backbone is frozen
    assert shown(capsys, monkeypatch, str(file)).startswith('Model: "shufflenetv2", RGB 224×224\n')


def test_a_network_that_there_is_not_is_told_with_the_nearest() -> None:
    with pytest.raises(RecipeError, match="no network 'convrelu', did you mean convrelu-ann.*balanced-cnn"):
        piped("convrelu")
    with pytest.raises(RecipeError, match="gone.toml cannot be read"):
        piped("gone.toml")
    with pytest.raises(RecipeError, match="vgg16 cannot see pictures of 20×20"):
        piped("vgg16", "--side", "20")


def test_options_that_do_not_apply_are_refused() -> None:
    for arguments, complaint in ((["vgg16", "--kernel", "2"], "for model-3, not vgg16"), (["--side", "48"], "name it")):
        done = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})
        assert done.exit_code == 2 and complaint in done.output


def test_every_field_has_its_type_default_and_meaning() -> None:
    rows = piped("--fields")
    assert {row["name"] for row in rows} == set(field_names())
    assert [row["name"] for row in rows if not row["help"]] == []
    by_name = {row["name"]: row for row in rows}
    assert by_name["training.learning_rate"]["kind"] == "number, more than 0"
    assert by_name["training.learning_rate"]["required"] is True
    assert by_name["network.kernel"] | {"help": ""} == {
        "name": "network.kernel",
        "networks": ["model-3"],
        "kind": "whole number, at least 2, at most 3",
        "required": False,
        "default": 3,
        "help": "",
    }
    assert by_name["network.side"]["networks"] == [] and by_name["network.hidden"]["default"] == []
    assert by_name["network.scaling"]["kind"] == '"unit" or "signed" or "byte" or "standard"'
    assert by_name["network.widths"]["kind"] == "list, each whole number, at least 1; not empty"
    assert by_name["training.deterministic"]["kind"] == "true or false"


def test_the_fields_are_readable(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(capsys, monkeypatch, None, fields=True)
    for wanted in ("[network]", "[training]", "[loss]", "[augment]", "[head]", "required", "0.0 if absent"):
        assert wanted in text
    lines = [line.rstrip() for line in text.splitlines()]
    at = lines.index("kernel  whole number, at least 2, at most 3  3 if absent")
    assert lines[at + 1 : at + 3] == [
        "    of model-3",
        "    Side of the convolution kernels; the paper compares 2 and 3.",
    ]


def test_without_torch_the_extra_is_named_and_the_fields_still_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networks, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"mien networks needs the package torch.*mien\[train\]"):
        piped()
    assert len(piped("--fields")) > 50
