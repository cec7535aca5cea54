"""The papers' networks: exact counts, layer tables, and what Keras does otherwise than torch."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from torch import nn

from mien.errors import RecipeError
from mien.expressions import FER2013, FOUR, VALENCE, Vocabulary
from mien.models import BUILDERS, Network, build, keras, layer_table
from mien.recipe import ModelThreeSection, PaperSection

THIRTEEN = Vocabulary("thirteen", tuple(f"class {n}" for n in range(13)))


def made(name: str, vocabulary: Vocabulary = FER2013, side: int | None = None, **options: float) -> Network:
    """A paper's network without memory: on torch's meta device."""
    kind = ModelThreeSection if name == "model-3" else PaperSection
    with torch.device("meta"):
        return build(kind.model_validate({"name": name, **options}), side or BUILDERS[name].side, [vocabulary])


def rows(network: Network) -> list[tuple[str, tuple[int | None, ...], int]]:
    return [(layer.name, layer.shape[1:], layer.parameters) for layer in layer_table(network)]


@pytest.mark.parametrize(
    ("name", "vocabulary", "width", "count"),
    [
        ("convrelu-ann", FER2013, 512, 2_489_095),  # the paper's own count
        ("model-1", FOUR, 512, 605_060),  # the paper's own count
        ("model-2", FOUR, 128, 830_052),
        ("balanced-cnn", FER2013, 200, 689_223),
        ("hybrid-1", THIRTEEN, 256, 25_980_589),
        ("hybrid-2", VALENCE, 128, 25_728_066),
    ],
)
def test_the_parameters_are_counted_exactly(name: str, vocabulary: Vocabulary, width: int, count: int) -> None:
    network = made(name, vocabulary)
    assert sum(p.numel() for p in network.parameters()) == count
    assert network.width == width and network.channels == 1
    assert sum(layer.trainable for layer in layer_table(network)) == count


@pytest.mark.parametrize(("kernel", "count"), [(3, 3_785_476), (2, 1_778_116)])
def test_model_3_has_five_blocks_and_its_kernel_is_an_option(kernel: int, count: int) -> None:
    table = rows(made("model-3", FOUR, kernel=kernel))
    assert sum(p.numel() for p in made("model-3", FOUR, kernel=kernel).parameters()) == count
    kinds = [re.sub(r"_\d+$", "", name) for name, _, _ in table]
    block = ["conv2d", "batch_normalization", "leaky_re_lu", "max_pooling2d", "dropout"]
    dense = ["dense", "batch_normalization", "dropout"]
    assert kinds == [*block * 5, "flatten", *dense * 2, "dense"]
    assert table[0] == ("conv2d", (48, 48, 64), kernel * kernel * 64 + 64)


# Table 2 of the paper: name, output shape without the batch, parameters.
CONVRELU_ANN = [
    ("conv2d", (48, 48, 32), 320),
    ("conv2d_1", (46, 46, 64), 18496),
    ("max_pooling2d", (23, 23, 64), 0),
    ("dropout", (23, 23, 64), 0),
    ("conv2d_2", (21, 21, 128), 73856),
    ("max_pooling2d_1", (10, 10, 128), 0),
    ("dropout_1", (10, 10, 128), 0),
    ("conv2d_3", (8, 8, 256), 295168),
    ("max_pooling2d_2", (4, 4, 256), 0),
    ("dropout_2", (4, 4, 256), 0),
    ("flatten", (4096,), 0),
    ("dense", (512,), 2097664),
    ("dropout_3", (512,), 0),
    ("dense_1", (7,), 3591),
]


def test_the_table_of_convrelu_ann_is_the_papers() -> None:
    network = made("convrelu-ann")
    assert rows(network) == CONVRELU_ANN
    assert {layer.shape[0] for layer in layer_table(network)} == {None}


def test_the_table_above_is_what_the_paper_prints(shared: Path) -> None:
    paper = shared / "papers" / "convrelu-ann.txt"
    if not paper.is_file():
        pytest.skip(f"there is no {paper}")
    text = paper.read_text(encoding="utf-8")
    counts = re.findall(r"^(?:\S.*)?\t\((?:N|n)one, [\d, ]+\)?\t(\d+)", text, re.MULTILINE)
    assert [int(n) for n in counts] == [n for _, _, n in CONVRELU_ANN]


def test_the_shapes_of_balanced_cnn_are_the_papers() -> None:
    table = [(n, shape) for n, shape, _ in rows(made("balanced-cnn")) if not n.startswith(("batch", "dropout"))]
    assert table == [
        ("conv2d", (46, 46, 32)),
        ("conv2d_1", (46, 46, 64)),
        ("max_pooling2d", (23, 23, 64)),
        ("conv2d_2", (21, 21, 64)),
        ("conv2d_3", (21, 21, 128)),
        ("max_pooling2d_1", (10, 10, 128)),
        ("conv2d_4", (8, 8, 128)),
        ("max_pooling2d_2", (4, 4, 128)),
        ("flatten", (2048,)),
        ("dense", (200,)),
        ("dense_1", (7,)),
    ]


def test_the_hybrid_networks_are_the_papers() -> None:
    first = [(re.sub(r"_\d+$", "", name), shape) for name, shape, _ in rows(made("hybrid-1", THIRTEEN))]
    block = ["conv2d", "conv2d", "batch_normalization", "max_pooling2d"]
    assert [name for name, _ in first] == [*block * 3, "flatten", "dense", "dense"]
    assert [shape for name, shape in first if name in ("max_pooling2d", "flatten", "dense")] == [
        *((112, 112, 32), (56, 56, 64), (28, 28, 128)),
        *((100_352,), (256,), (13,)),
    ]
    second = rows(made("hybrid-2", VALENCE))
    assert [(shape, n) for name, shape, n in second if name.startswith("conv2d")] == [
        ((224, 224, 64), 640),
        ((112, 112, 64), 36_928),
    ]
    assert [name for name, _, _ in second].count("max_pooling2d_1") == 1


def test_the_networks_begin_as_keras_begins_them() -> None:
    torch.manual_seed(0)
    network = build(PaperSection(name="convrelu-ann"), 48, [FER2013])
    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert len(layers) == 6  # the head is one of them
    for layer in layers:
        fan_in, fan_out = nn.init._calculate_fan_in_and_fan_out(layer.weight)
        limit = (6 / (fan_in + fan_out)) ** 0.5
        assert 0.9 * limit < float(layer.weight.detach().abs().max()) <= limit
        assert layer.bias is not None and not layer.bias.any()
    norms = [m for m in made("balanced-cnn").modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(norms) == 5 and all(n.eps == 1e-3 and n.momentum == 0.01 for n in norms)


def test_an_even_kernel_pads_right_and_below() -> None:
    layers = nn.Sequential(*keras.convolution(1, 1, 2, same=True))
    nn.init.ones_(layers[-1].weight)  # type: ignore[arg-type]
    nn.init.zeros_(layers[-1].bias)  # type: ignore[arg-type]
    picture = torch.arange(9.0).view(1, 1, 3, 3)
    # TensorFlow's conv2d of arange(9) with four ones and padding="SAME".
    assert layers(picture)[0, 0].tolist() == [[8, 12, 7], [20, 24, 13], [13, 15, 8]]


def test_the_scaling_is_unit_unless_the_recipe_says_otherwise() -> None:
    faces = torch.rand(2, 1, 48, 48)
    plain = build(PaperSection(name="model-1"), 48, [FOUR], (0.5, 0.25))
    assert torch.equal(plain.prepare(faces), faces)
    other = build(PaperSection(name="model-1", scaling="standard"), 48, [FOUR], (0.5, 0.25))
    assert torch.equal(other.prepare(faces), (faces - 0.5) / 0.25)


def test_dropout_of_the_paper_can_be_replaced() -> None:
    def shares(name: str, **options: float) -> list[float]:
        return [m.p for m in made(name, **options).modules() if isinstance(m, nn.Dropout)]

    assert shares("convrelu-ann") == [0.1, 0.1, 0.1, 0.2]
    assert shares("convrelu-ann", dropout=0.5) == [0.5] * 4
    assert shares("balanced-cnn") == [0.6] and shares("balanced-cnn", dropout=0.0) == [0.0]
    assert shares("model-3") == [0.2] * 7
    assert shares("model-1") == [0.0] and shares("model-1", dropout=0.3) == [0.3]  # before the classifier


def test_another_side_works_where_the_layout_allows() -> None:
    network = build(PaperSection(name="convrelu-ann", side=64), 48, [FER2013]).eval()
    assert rows(network)[10:12] == [("flatten", (6 * 6 * 256,), 0), ("dense", (512,), 6 * 6 * 256 * 512 + 512)]
    assert network(torch.rand(2, 1, 48, 48))["fer2013"].shape == (2, 7)
    with pytest.raises(RecipeError, match="cannot see pictures of 17×17.*at least 22.*network.side = 22") as caught:
        build(PaperSection(name="convrelu-ann"), 17, [FER2013])
    assert "sizes" not in str(caught.value)
    build(PaperSection(name="convrelu-ann"), 22, [FER2013])
    with pytest.raises(RecipeError, match="21×21.*at least 22"):
        build(PaperSection(name="convrelu-ann"), 21, [FER2013])


def test_the_table_leaves_the_network_as_it_was() -> None:
    network = build(PaperSection(name="balanced-cnn"), 48, [FER2013]).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    layer_table(network)
    assert all(m.training for m in network.modules())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not any(m._forward_hooks for m in network.modules())


def test_batch_norms_moving_statistics_count_as_keras_counts_them() -> None:
    table = layer_table(made("balanced-cnn"))
    assert sum(layer.parameters for layer in table) - sum(layer.trainable for layer in table) == 832
    norm = next(layer for layer in table if layer.kind == "BatchNormalization")
    assert (norm.parameters, norm.trainable) == (128, 64)


def test_every_network_that_a_recipe_can_name_has_a_builder() -> None:
    from mien.recipe import network_names

    assert list(BUILDERS) == network_names()
