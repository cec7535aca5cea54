"""Every recipe that ships runs from its data to a bundle, shortened; each system of the papers is one of them."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import cv2
import numpy as np
import pytest

from mien import bundle
from mien.data import FaceSet, Provenance, save
from mien.expressions import VOCABULARIES, Vocabulary, find_map
from mien.recipe import Recipe, changed, load
from mien.training import export, run

SHIPPED = {p.stem: load(p) for p in sorted(Path(str(files("mien"))).glob("recipes/*.toml"))}
# Recipes that differ in their data only share a network: it is exported once.
EXPORTED = {
    "balanced-cnn",
    "convrelu-ann",
    "fer2013-shufflenetv2",
    "hybrid-13",
    "hybrid-valence",
    "model-1",
    "model-2",
    "model-3",
    "zoo-vgg16",
}


def made_up(vocabulary: Vocabulary, each: int = 24) -> FaceSet:
    """A few smooth faces of each class, two thirds of them for training."""
    n, rng = each * len(vocabulary), np.random.default_rng(1)
    faces = np.stack([cv2.resize(f, (48, 48)) for f in rng.integers(0, 256, (n, 6, 6), dtype=np.uint8)])
    return FaceSet(
        faces,
        (np.arange(n) % len(vocabulary)).astype(np.int8),
        np.zeros((n, 10), np.uint8),
        np.arange(n, dtype=np.int32),
        (np.arange(n) >= 2 * n // 3).astype(np.uint8),
        Provenance("made up", "made up", "2" * 64),
        vocabulary,
    )


def wanted(recipe: Recipe) -> Vocabulary:
    """What the labels of the recipe's own source are."""
    section = recipe.data
    assert section.labels is not None, "a recipe says which labels it is for"
    return find_map(section.map).source if section.map else VOCABULARIES[section.labels]


def test_every_system_of_the_papers_has_a_recipe() -> None:
    networks = {name: r.network.name for name, r in SHIPPED.items()}
    assert networks["hybrid-13"] == "hybrid-1" and networks["hybrid-valence"] == "hybrid-2"
    assert {networks[n] for n in ("model-1", "model-2", "model-3", "balanced-cnn", "convrelu-ann")} <= set(networks)
    assert {n for n in networks if n.startswith("zoo-")} == {"zoo-vgg16", "zoo-resnetv2", "zoo-efficientnet"}
    nine = {f"{d}-{n}" for d in ("fer2013", "affectnet", "tiny") for n in ("mobilenetv2", "shufflenetv2", "resnet18")}
    assert nine | {"fer2013-resnet18-imagenet", "tiny-resnet18-imagenet"} <= set(networks)
    tuned = SHIPPED["hybrid-valence-tuned"].head
    assert tuned is not None and tuned.candidates and tuned.folds == 5


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_recipe_ends_in_a_run_folder(name: str, tmp_path: Path) -> None:
    recipe = SHIPPED[name]
    save(made_up(wanted(recipe)), tmp_path / "store")
    if recipe.network.weights:  # loading them is tested in tests/models; here there is no network to fetch them by
        recipe = changed(recipe, {"network.weights": None})
    if not recipe.network.name.startswith("hybrid") and recipe.network.side == 224:
        recipe = changed(recipe, {"network.side": 64})
    finished = run.start(recipe, tmp_path / "run", tmp_path / "store", shortening=run.Shortening(1, 20))
    assert finished.shortened.startswith(f"1 of {recipe.training.epochs} epochs, about 20 faces")
    assert (tmp_path / "run" / "weights.safetensors").is_file() and (tmp_path / "run" / "log.csv").is_file()
    if name not in EXPORTED:
        return
    card = export.export(finished, tmp_path / "run" / "bundle")
    assert card.training.shortened == finished.shortened
    assert list(card.vocabularies) == [recipe.data.labels]
    model = bundle.Bundle(tmp_path / "run" / "bundle")
    out = model.score(finished.faces.faces[:3], [f"{recipe.data.labels}_probabilities", "features"])
    np.testing.assert_allclose(out[f"{recipe.data.labels}_probabilities"].sum(1), 1, atol=1e-4)
    assert out["features"].shape == (3, finished.network.width)
