"""A typed, torch-free view of a training recipe (TOML). A field's docstring is its help text."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mien.errors import RecipeError


class _Section(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, strict=True, allow_inf_nan=False
    )


Share = Annotated[float, Field(ge=0, le=1)]
Amount = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


class DataSection(_Section):
    source: str
    """Store folder, fer2013.csv or fer2013.parquet; relative to the recipe. ``--data`` overrules it."""
    validation: Annotated[float, Field(gt=0, le=0.5)]
    """Share of Training rows held out for validation, where no split is given."""
    split_seed: Seed = 0
    """Seed of the validation draw, apart from the training seed so that runs with other seeds share a split."""
    split: str | None = None
    """Split file written by mien data, in place of the official one; relative to the recipe. ``--split`` overrules."""
    limit: Count | None = None
    """Use only the first rows of each part; for trials."""


class NetworkSection(_Section):
    name: str
    """Key of ``mien.models.BUILDERS``."""
    stem: Count = 32
    """Channels of the first convolution, at full resolution."""
    widths: Annotated[list[Count], Field(min_length=1)]
    """Channels of each stage; every stage but the first halves the resolution."""
    blocks: list[Count]
    """Residual blocks in each stage."""
    dropout: Share = 0.0
    """Share of pooled features dropped while training."""


class AugmentSection(_Section):
    flip: Share = 0.0
    """Chance of a horizontal mirror."""
    rotation: Amount = 0.0
    """Largest turn either way, degrees."""
    shift: Share = 0.0
    """Largest shift either way, share of the side, each axis."""
    zoom: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Largest change of size either way, share."""
    shear: Amount = 0.0
    """Largest shear either way, degrees."""
    brightness: Share = 0.0
    """Largest change of brightness either way, share of full scale."""
    contrast: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Largest change of contrast either way, share."""
    erasing: Share = 0.0
    """Chance that a rectangle is replaced by the set's mean gray (Zhong et al. 2017, arXiv 1708.04896)."""


class TrainingSection(_Section):
    epochs: Count
    """Passes over the training rows."""
    batch_size: Count
    """Faces per optimizer step; the last, short batch of an epoch is left out."""
    learning_rate: Positive
    """Peak of the one-cycle schedule."""
    weight_decay: Amount = 0.0
    """AdamW's decoupled weight decay; not applied to biases and batch norm."""
    warmup: Annotated[float, Field(gt=0, lt=1)] = 0.3
    """Share of all steps spent rising to the peak (Smith & Topin 2017, arXiv 1708.07120)."""
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Decay per step of the moving average of weights and buffers; the average is what is validated and exported."""
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    """Lightning's name of the arithmetic."""
    gradient_clip: Amount = 0.0
    """Largest gradient norm; 0 is no limit."""


class LossSection(_Section):
    fer2013: Positive = 1.0
    """Weight of the cross-entropy with FER2013 labels."""
    ferplus: Amount = 1.0
    """Weight of the cross-entropy with the FER+ vote distribution."""
    label_smoothing: Share = 0.0
    """Share of the FER2013 target spread evenly over the classes."""


class Recipe(_Section):
    name: str
    """Name of the bundle."""
    seed: Seed = 0
    """Seed of initialisation, order, dropout and augmentation."""
    data: DataSection
    network: NetworkSection
    training: TrainingSection
    loss: LossSection = LossSection()
    augment: AugmentSection = AugmentSection()


def load(path: Path) -> Recipe:
    """Read and validate a recipe.

    Raises:
        RecipeError: Not TOML, an unknown or missing field, a wrong type or an impossible value; lists all of them.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} cannot be read ({error})", "a recipe in TOML") from error
    return parse(text, str(path))


def parse(text: str, where: str) -> Recipe:
    """Validate a recipe's text; ``where`` names it in errors."""
    try:
        return Recipe.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{where} is not TOML ({error})", "a recipe in TOML") from error
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(str, e['loc']))}: {e['msg'].lower()} (came {e['input']!r})"
            if e["type"] not in ("missing", "extra_forbidden")
            else f"{'.'.join(map(str, e['loc']))}: {'missing' if e['type'] == 'missing' else 'no such field'}"
            for e in error.errors()
        ]
        raise RecipeError(
            f"{where}: " + "; ".join(problems), remedy="The fields and their meaning are in mien/recipe.py."
        ) from error
