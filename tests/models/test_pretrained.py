"""Weights to start from. Nothing here goes to a network: the hub's cache is filled by hand, or the way is blocked."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision.models import get_model, get_model_weights

from mien.errors import FetchError, RecipeError
from mien.expressions import FER2013, FERPLUS
from mien.models import Network, build, pretrained
from mien.models.backbones import TORCHVISION
from mien.recipe import BackboneSection, PaperSection, ResidualSection, parse

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]  # of the weights for colour, as torchvision gives them


def section(name: str, **options: Any) -> BackboneSection:
    return BackboneSection.model_validate({"name": name, **options})


def random_weights(name: str) -> dict[str, Tensor]:
    """A state as torchvision publishes it, with numbers of our own and no classifier."""
    torch.manual_seed(5)
    whole = get_model(TORCHVISION[name][0], weights=None)
    for m in whole.modules():
        if isinstance(m, nn.BatchNorm2d):
            nn.init.uniform_(m.weight, 0.5, 1.5)
            nn.init.normal_(m.bias, 0, 0.2)
            nn.init.normal_(m.running_mean, 0, 0.2)  # type: ignore[arg-type]
            nn.init.uniform_(m.running_var, 0.5, 1.5)  # type: ignore[arg-type]
    return {k: v for k, v in whole.state_dict().items() if not k.startswith(("fc", "classifier"))}


def cached(name: str, folder: Path, weights: str = "DEFAULT") -> dict[str, Tensor]:
    """Put random weights where torch's hub looks for the published ones."""
    state = random_weights(name)
    url = get_model_weights(TORCHVISION[name][0])[weights].url
    place = folder / "hub" / "checkpoints" / url.rpartition("/")[2]
    place.parent.mkdir(parents=True, exist_ok=True)
    torch.save(state, place)
    return state


@pytest.fixture(autouse=True)
def _no_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)


def parameters_of(network: Network) -> dict[str, Tensor]:
    assert network.backbone is not None
    return network.backbone.state_dict()


# ---- a library's weights


def test_the_librarys_weights_come_from_its_cache_with_their_scaling(tmp_path: Path) -> None:
    state = cached("shufflenetv2", tmp_path / "torch")
    for name in ("imagenet", "IMAGENET1K_V1", "ShuffleNet_V2_X1_0_Weights.IMAGENET1K_V1"):
        network = build(section("shufflenetv2", weights=name), 64, [FER2013], (0.9, 0.9))
        assert (network.channels, network.order) == (3, "RGB")
        assert network.mean.flatten().tolist() == pytest.approx(MEAN)
        assert network.std.flatten().tolist() == pytest.approx(STD)
        loaded = parameters_of(network)
        assert loaded.keys() == state.keys() and all(torch.equal(loaded[n], state[n]) for n in state)


def test_each_of_a_librarys_weights_has_its_own_scaling(tmp_path: Path) -> None:
    unusual = build(section("vgg16", weights="IMAGENET1K_FEATURES"), 64, [FER2013], load=False)
    assert unusual.std.flatten().tolist() == pytest.approx([1 / 255] * 3)
    assert unusual.mean.flatten().tolist() == pytest.approx([0.48235, 0.45882, 0.40784])
    usual = build(section("resnetv2", weights="imagenet"), 64, [FER2013], load=False)
    assert usual.mean.flatten().tolist() == usual.std.flatten().tolist() == [0.5] * 3


@pytest.mark.parametrize("name", ["shufflenetv2", "mobilenetv2"])
def test_gray_filters_answer_as_colour_filters_do_to_repeated_gray(name: str, tmp_path: Path) -> None:
    cached(name, tmp_path / "torch")
    colour = build(section(name, weights="imagenet"), 64, [FER2013]).eval()
    gray = build(section(name, weights="imagenet", channels=1), 64, [FER2013]).eval()
    assert (gray.channels, gray.order) == (1, "gray")
    assert len(list(gray.parameters())) == len(list(colour.parameters()))  # no layer was added
    faces = torch.rand(2, 1, 64, 64)

    def early(network: Network) -> Tensor:
        assert isinstance(network.layers, nn.Sequential)
        first = network.layers[0]
        block = first[0] if name == "mobilenetv2" else first  # type: ignore[index]  # convolution, batch norm, ReLU
        out: Tensor = block(network.prepare(faces))
        return out

    one, three = early(gray), early(colour)
    assert float(three.detach().std()) > 0.1
    inside = (slice(None), slice(None), slice(1, -1), slice(1, -1))
    assert torch.allclose(one[inside], three[inside], atol=1e-4)
    assert not torch.allclose(one, three, atol=1e-4)  # the border, where padding is another gray in each channel
    plain = build(section(name, weights="imagenet"), 64, [FER2013]).eval()
    assert torch.equal(early(plain), three)


def test_gray_filters_are_exact_to_the_border_where_the_channels_are_scaled_alike(tmp_path: Path) -> None:
    import timm

    torch.manual_seed(1)
    file = tmp_path / "resnetv2.safetensors"
    save_file(timm.create_model("resnetv2_50", num_classes=0).state_dict(), file)
    options = {"weights": "imagenet", "weights_file": file.name}
    colour, gray = (
        build(section("resnetv2", **options, channels=n), 32, [FER2013], base=tmp_path).eval() for n in (3, 1)
    )
    faces = torch.rand(2, 1, 32, 32)
    a, b = gray.features(faces), colour.features(faces)
    assert torch.allclose(a, b, atol=1e-3 * float(b.detach().abs().max()))


def test_timm_loads_its_weights_by_its_own_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import timm
    from huggingface_hub import constants

    torch.manual_seed(2)
    state = timm.create_model("resnetv2_50").state_dict()
    place = tmp_path / "hub" / "models--timm--resnetv2_50.a1h_in1k"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text("0" * 40)
    (place / "snapshots" / ("0" * 40)).mkdir(parents=True)
    save_file(state, place / "snapshots" / ("0" * 40) / "model.safetensors")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    network = build(section("resnetv2", weights="imagenet"), 64, [FER2013])
    loaded = parameters_of(network)
    assert len(loaded) > 200 and all(torch.equal(value, state[name]) for name, value in loaded.items())
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "nothing"))
    with pytest.raises(FetchError, match=r"resnetv2_50.a1h_in1k cannot be loaded.*weights_file"):
        build(section("resnetv2", weights="a1h_in1k"), 64, [FER2013])


def test_a_hub_out_of_reach_says_how_to_give_a_local_file() -> None:
    with pytest.raises(FetchError, match=r"cannot be loaded from https://download.*weights_file = \"PATH\""):
        build(section("resnet18", weights="imagenet"), 64, [FER2013])


def test_weights_that_do_not_exist_are_told_with_those_that_do() -> None:
    with pytest.raises(RecipeError, match=r"'IMAGENET22K' of mobilenet_v2.*IMAGENET1K_V1, IMAGENET1K_V2"):
        build(section("mobilenetv2", weights="IMAGENET22K"), 64, [FER2013])
    with pytest.raises(RecipeError, match=r"'a2h' of resnetv2_50.*a1h_in1k"):
        build(section("resnetv2", weights="a2h"), 64, [FER2013])


def test_nothing_is_read_where_a_state_follows() -> None:
    network = build(section("shufflenetv2", weights="imagenet"), 64, [FER2013], load=False)
    assert network.mean.flatten().tolist() == pytest.approx(MEAN)
    build(section("shufflenetv2", weights="there-is-none.safetensors"), 64, [FER2013], load=False)


# ---- a copy of a library's file


def local(tmp_path: Path, state: dict[str, Any] | bytes, name: str = "copy.pth") -> BackboneSection:
    if isinstance(state, bytes):
        (tmp_path / name).write_bytes(state)
    else:
        torch.save(state, tmp_path / name)
    return section("shufflenetv2", weights="imagenet", weights_file=name)


def test_a_copy_of_the_librarys_file_is_taken_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = random_weights("shufflenetv2")
    chosen = local(tmp_path, {**state, "fc.weight": torch.zeros(1000, 1024), "fc.bias": torch.zeros(1000)})
    with pytest.raises(RecipeError, match=r"copy.pth is not the file of ShuffleNet.*expected 5666bf0f80, the file at"):
        build(chosen, 64, [FER2013], base=tmp_path)
    monkeypatch.setattr(pretrained, "sha256", lambda path: "5666bf0f80" + "0" * 54)
    network = build(chosen, 64, [FER2013], base=tmp_path)
    assert all(torch.equal(value, state[name]) for name, value in parameters_of(network).items())
    assert network.std.flatten().tolist() == pytest.approx(STD)


class Trap:
    def __reduce__(self) -> Any:
        return os.mkdir, ("sprung",)


def test_what_is_no_weights_file_is_refused_and_never_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for content in (b"", b"hello", b"\x80\x02."):
        with pytest.raises(RecipeError, match=r"copy.pth cannot be read as weights"):
            build(local(tmp_path, content), 64, [FER2013], base=tmp_path)
    with pytest.raises(RecipeError, match=r"copy.pth cannot be read as weights"):
        build(local(tmp_path, {"conv1.0.weight": Trap()}), 64, [FER2013], base=tmp_path)
    assert not (tmp_path / "sprung").exists()
    with pytest.raises(RecipeError, match="copy.pth does not hold weights by layer"):
        build(local(tmp_path, {"epoch": 3}), 64, [FER2013], base=tmp_path)
    with pytest.raises(RecipeError, match=r"there is no weights file .*absent.pth"):
        build(section("vgg16", weights="imagenet", weights_file="absent.pth"), 64, [FER2013], base=tmp_path)


def test_weights_of_another_shape_are_told_by_the_first_layer_that_differs(tmp_path: Path) -> None:
    state = random_weights("shufflenetv2")
    wide = {**state, "conv5.0.weight": torch.zeros(2048, 464, 1, 1), "conv5.1.weight": torch.zeros(2048)}
    with pytest.raises(RecipeError, match=r"conv5.0.weight has the shape 2048×464×1×1; expected 1024×464×1×1"):
        build(local(tmp_path, wide), 64, [FER2013], base=tmp_path)
    del state["stage3.0.branch1.0.weight"]
    with pytest.raises(RecipeError, match=r"copy.pth has no stage3.0.branch1.0.weight"):
        build(local(tmp_path, state), 64, [FER2013], base=tmp_path)
    more = {**random_weights("shufflenetv2"), "stage5.0.weight": torch.zeros(3)}
    with pytest.raises(RecipeError, match=r"copy.pth has stage5.0.weight, which the network has not"):
        build(local(tmp_path, more), 64, [FER2013], base=tmp_path)


# ---- weights of mien's own runs


def written(network: Network, chosen: Any, path: Path) -> Path:
    about = {
        "mien": "1",
        "network": json.dumps(chosen.model_dump(exclude_unset=True)),
        "side": str(network.side),
        "order": network.order,
        "vocabularies": json.dumps({v.name: list(v.labels) for v in network.vocabularies}),
    }
    save_file({k: v.contiguous() for k, v in network.state_dict().items()}, path, about)
    return path


def test_a_network_starts_from_a_run_of_mien_with_its_scaling_but_not_its_heads(tmp_path: Path) -> None:
    first = ResidualSection(name="residual", widths=[8, 16], blocks=[1, 1])
    theirs = build(first, 48, [FER2013], (0.4, 0.3))
    written(theirs, first, tmp_path / "weights.safetensors")
    again = first.model_copy(update={"weights": "weights.safetensors"})
    ours = build(again, 48, [FERPLUS], (0.6, 0.2), base=tmp_path)
    assert (float(ours.mean), float(ours.std)) == (pytest.approx(0.4), pytest.approx(0.3))
    assert all(torch.equal(v, theirs.layers.state_dict()[n]) for n, v in ours.layers.state_dict().items())
    assert ours.heads[0].weight.shape == (8, 16)
    same = build(again, 48, [FER2013], (0.6, 0.2), base=tmp_path)
    assert not torch.equal(same.heads[0].weight, theirs.heads[0].weight)  # type: ignore[arg-type]


def test_a_fine_tuned_backbone_can_be_tuned_again(tmp_path: Path) -> None:
    cached("shufflenetv2", tmp_path / "torch")
    for channels in (1, 3):
        first = section("shufflenetv2", weights="imagenet", channels=channels)
        theirs = build(first, 64, [FER2013])
        path = written(theirs, first, tmp_path / f"{channels}.safetensors")
        ours = build(section("shufflenetv2", weights=str(path), channels=channels), 64, [FERPLUS], (0.1, 0.9))
        faces = torch.rand(1, 1, 64, 64)
        assert torch.equal(ours.eval().features(faces), theirs.eval().features(faces))
        assert ours.order == theirs.order
    with pytest.raises(RecipeError, match=r"mean has the shape 1×3×1×1; expected 1×1×1×1 here.*channels = 3"):
        build(section("shufflenetv2", weights=str(path)), 64, [FER2013])


@pytest.mark.parametrize(("theirs", "ours"), [([], [6]), ([6], []), ([6], [5, 4])], ids=str)
def test_a_backbone_is_taken_without_the_dense_layers_behind_it(
    tmp_path: Path, theirs: list[int], ours: list[int]
) -> None:
    first = section("shufflenetv2", hidden=theirs, scaling="byte")
    before = build(first, 64, [FERPLUS])
    for buffer in parameters_of(before).values():
        if buffer.is_floating_point():
            buffer.uniform_(0.5, 1.5)
    written(before, first, tmp_path / "w.safetensors")
    torch.manual_seed(0)
    fresh = build(section("shufflenetv2", hidden=ours), 64, [FER2013])
    torch.manual_seed(0)
    after = build(section("shufflenetv2", hidden=ours, weights="w.safetensors"), 64, [FER2013], base=tmp_path)
    trunk = parameters_of(before)
    assert all(torch.equal(value, trunk[name]) for name, value in parameters_of(after).items())
    assert (float(after.mean), float(after.std)) == (0, pytest.approx(1 / 255))
    backbone = {id(p) for p in after.backbone.parameters()}  # type: ignore[union-attr]
    new = [(a, b) for a, b in zip(after.parameters(), fresh.parameters(), strict=True) if id(a) not in backbone]
    assert len(new) == 2 * len(ours) + 2 and all(torch.equal(a, b) for a, b in new)  # as from scratch


def test_dense_layers_of_the_same_widths_come_along(tmp_path: Path) -> None:
    first = section("shufflenetv2", hidden=[6])
    before = build(first, 64, [FER2013])
    written(before, first, tmp_path / "w.safetensors")
    after = build(section("shufflenetv2", hidden=[6], weights="w.safetensors"), 64, [FER2013], base=tmp_path)
    assert all(torch.equal(v, after.layers.state_dict()[n]) for n, v in before.layers.state_dict().items())


# ---- input scalings, right and wrong


@pytest.mark.parametrize(("name", "ends"), [("unit", (0, 1)), ("signed", (-1, 1)), ("byte", (0, 255))])
def test_a_fixed_scaling_has_the_ends_it_says(name: str, ends: tuple[float, float]) -> None:
    pixels = torch.tensor([0.0, 1.0]).view(2, 1, 1, 1).expand(2, 1, 48, 48)
    for chosen in (
        ResidualSection(name="residual", widths=[4], blocks=[1], scaling=name),
        section("shufflenetv2", channels=3, scaling=name),
    ):
        prepared = build(chosen, 48, [FER2013], (0.3, 0.7)).prepare(pixels)
        assert float(prepared[0].min()) == float(prepared[0].max()) == pytest.approx(ends[0])
        assert float(prepared[1].min()) == float(prepared[1].max()) == pytest.approx(ends[1])


@pytest.mark.parametrize("channels", [1, 3])
def test_a_librarys_weights_are_given_other_input_only_where_asked(channels: int, tmp_path: Path) -> None:
    state = cached("shufflenetv2", tmp_path / "torch")
    network = build(section("shufflenetv2", weights="imagenet", channels=channels, misscaled="byte"), 64, [FER2013])
    assert network.mean.flatten().tolist() == [0] * channels
    assert network.std.flatten().tolist() == pytest.approx([1 / 255] * channels)
    loaded = parameters_of(network)
    assert all(torch.equal(loaded[n], state[n]) for n in state if n != "conv1.0.weight")
    kernel = state["conv1.0.weight"]
    wanted = kernel if channels == 3 else kernel.sum(1, keepdim=True)
    torch.testing.assert_close(loaded["conv1.0.weight"], wanted)


@pytest.mark.parametrize("wrong", ["unit", "byte"])
def test_misscaled_gray_filters_answer_as_misscaled_colour_filters_do(wrong: str, tmp_path: Path) -> None:
    cached("shufflenetv2", tmp_path / "torch")
    gray, colour = (
        build(section("shufflenetv2", weights="imagenet", channels=n, misscaled=wrong), 64, [FER2013]).eval()
        for n in (1, 3)
    )
    faces = torch.rand(2, 1, 64, 64)
    a, b = gray.features(faces).detach(), colour.features(faces).detach()
    torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3 * float(b.abs().max()))  # to the border: padding is one gray
    right = build(section("shufflenetv2", weights="imagenet"), 64, [FER2013]).eval()
    assert not torch.allclose(right.features(faces), b, rtol=0.05)


def test_a_copy_of_a_librarys_file_can_be_misscaled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = local(tmp_path, random_weights("shufflenetv2")).model_copy(update={"misscaled": "unit"})
    monkeypatch.setattr(pretrained, "sha256", lambda path: "5666bf0f80" + "0" * 54)
    network = build(chosen, 64, [FER2013], base=tmp_path)
    assert network.mean.flatten().tolist() == [0] * 3 and network.std.flatten().tolist() == [1] * 3


def test_a_runs_weights_can_be_misscaled_but_not_those_of_such_a_run(tmp_path: Path) -> None:
    first = ResidualSection(name="residual", widths=[4], blocks=[1], scaling="signed")
    before = build(first, 48, [FER2013])
    written(before, first, tmp_path / "w.safetensors")
    wrong = first.model_copy(update={"scaling": None, "weights": "w.safetensors", "misscaled": "byte"})
    after = build(wrong, 48, [FER2013], base=tmp_path)
    assert (float(after.mean), float(after.std)) == (0, pytest.approx(1 / 255))
    assert all(torch.equal(v, before.layers.state_dict()[n]) for n, v in after.layers.state_dict().items())
    # What the network begins with is no reason to refuse: a state follows, or it is asked what it would cost.
    unit = wrong.model_copy(update={"misscaled": "unit"})
    assert float(build(unit, 48, [FER2013], base=tmp_path / "gone", load=False).std) == 1
    assert float(build(unit.model_copy(update={"weights": None}), 48, [FER2013]).std) == 1
    written(after, wrong, tmp_path / "wrong.safetensors")
    again = wrong.model_copy(update={"weights": "wrong.safetensors", "misscaled": None})
    with pytest.raises(
        RecipeError, match=r"wrong.safetensors holds weights of a run that was misscaled on purpose \(byte"
    ):
        build(again, 48, [FER2013], base=tmp_path)


def test_the_right_scaling_is_not_called_wrong(tmp_path: Path) -> None:
    first = ResidualSection(name="residual", widths=[4], blocks=[1], scaling="byte")
    written(build(first, 48, [FER2013]), first, tmp_path / "w.safetensors")
    wrong = first.model_copy(update={"scaling": None, "weights": "w.safetensors", "misscaled": "byte"})
    with pytest.raises(RecipeError, match="misscaled is byte, and with that the weights w.safetensors were trained"):
        build(wrong, 48, [FER2013], base=tmp_path)


def test_weights_of_a_run_that_do_not_fit_are_told(tmp_path: Path) -> None:
    first = PaperSection(name="model-1")
    path = written(build(first, 48, [FER2013]), first, tmp_path / "w.safetensors")
    with pytest.raises(RecipeError, match=r"holds weights of the network model-1; expected those of model-2"):
        build(PaperSection(name="model-2", weights="w.safetensors"), 48, [FER2013], base=tmp_path)
    with pytest.raises(
        RecipeError, match=r"layers.\d+.weight has the shape 512×1152; expected 512×2048 here.*at 48×48"
    ):
        build(PaperSection(name="model-1", weights="w.safetensors"), 64, [FER2013], base=tmp_path)
    with pytest.raises(RecipeError, match=r"there is no weights file .*gone.safetensors"):
        build(PaperSection(name="model-1", weights="gone.safetensors"), 48, [FER2013], base=tmp_path)
    path.write_bytes(b"hello")
    with pytest.raises(RecipeError, match=r"w.safetensors is not a safetensors file"):
        build(PaperSection(name="model-1", weights="w.safetensors"), 48, [FER2013], base=tmp_path)
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(RecipeError, match=r"was not written by mien: nothing in it tells the input scaling"):
        build(PaperSection(name="model-1", weights="w.safetensors"), 48, [FER2013], base=tmp_path)


# ---- what a recipe cannot say


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        ('name = "resnet18"\nweights = "imagenet"\nscaling = "unit"', "input scaling they were trained with.*leave"),
        ('name = "model-1"\nweights = "w.safetensors"\nscaling = "unit"', "input scaling they were trained with"),
        ('name = "resnet18"\nweights_file = "w.pth"', "name them in weights"),
        ('name = "resnet18"\nweights = "w.safetensors"\nweights_file = "w.pth"', "is a file already"),
        ('name = "resnet18"\nweights = "w.pth"', "goes into weights_file"),
        ('name = "model-1"\nweights = "imagenet"', "no published weights"),
        ('name = "resnet18"\nweights = "imagenet"\norder = "BGR"', "network.order: no such field"),
        ('name = "resnet18"\nweights = "imagenet"\nmean = 0.5', "network.mean: no such field"),
    ],
)
def test_a_mismatch_of_weights_and_input_cannot_be_written_down(lines: str, complaint: str) -> None:
    text = f'name = "x"\n[data]\nsource = "x"\nvalidation = 0.1\n[network]\n{lines}\n[training]\nepochs = 1\n'
    with pytest.raises(RecipeError, match=f"(?i){complaint}"):
        parse(text + "batch_size = 2\nlearning_rate = 0.1\n", "recipe")
