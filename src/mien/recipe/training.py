"""The ``[data]``, ``[training]`` and ``[loss]`` tables of a recipe."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from mien.recipe.section import Amount, Count, Positive, Section, Seed, Share

# What can be watched, and whether more of it is better.
SCORES = {
    "val_loss": False,
    "val_accuracy": True,
    "val_balanced_accuracy": True,
    "val_macro_f1": True,
    "val_ferplus": True,
}


class DataSection(Section):
    source: str
    """Store folder or source file; relative to the recipe. ``--data`` overrules it."""
    labels: str | None = None
    """Vocabulary that the recipe is for, such as fer2013; any if absent."""
    map: str | None = None
    """Label map, by name or file, that the labels go through where they are not those of ``labels`` yet."""
    validation: Annotated[float, Field(gt=0, le=0.5)]
    """Share of Training rows, less those of ``test``, held out for validation where no split is given."""
    test: Annotated[float, Field(ge=0, le=0.9)] = 0.0
    """Share of Training rows held out as a test part of the run's own, besides the source's, where no split is given;
    none if 0."""
    split_seed: Seed = 0
    """Seed of the draws of ``validation``, ``test`` and ``balance``, apart from the training seed so that runs with
    other seeds share a split."""
    split: str | None = None
    """Split file written by mien data, in place of the official one; relative to the recipe. ``--split`` overrules."""
    balance: Literal["", "over", "under", "weights", "sampler"] = ""
    """How the training part is balanced, after it was split: rows repeated, rows left out, weights in the loss, or
    every class drawn as often. Not at all if empty, or if the split is balanced already."""
    reproduce_leak: bool = False
    """Balance the Training rows before ``test`` and ``validation`` are drawn from them, to measure that mistake: with
    ``over`` copies of a face come to lie on both sides. It needs ``test``, and ``balance`` over or under. Whatever is
    made of the run is marked as leaked."""
    limit: Count | None = None
    """Use only so many rows of each part, every class in its share and none left out; for trials. ``--limit``
    overrules."""

    @field_validator("reproduce_leak")
    @classmethod
    def _a_leak_that_can_be(cls, leak: bool, info: ValidationInfo) -> bool:
        if not leak or not {"test", "split", "balance"} <= info.data.keys():  # one of them is wrong itself
            return leak
        if info.data["split"] is not None:
            raise ValueError("a split that is given is taken as it is; leave out split, or reproduce_leak")
        if not info.data["test"] or info.data["balance"] not in ("over", "under"):
            raise ValueError("a leak needs a test share of more than 0, and balance over or under")
        return leak


class TrainingSection(Section):
    epochs: Count
    """Passes over the training rows. ``--epochs`` overrules."""
    batch_size: Count
    """Faces per optimizer step, over all devices; the last, short batch of an epoch is left out."""
    accumulate: Count = 1
    """Pieces that a batch is worked off in, for networks that do not fit the memory otherwise."""
    learning_rate: Positive
    """Its highest value."""
    optimizer: Literal["adam", "adamw", "sgd", "rmsprop", "muon"] = "adamw"
    """Adam (Kingma & Ba 2015), AdamW (Loshchilov & Hutter 2019), SGD with momentum, RMSprop without it (Hinton
    2012), or Muon (Jordan 2024) for convolutions and matrices with AdamW for the rest."""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Of SGD (Nesterov's) and Muon."""
    weight_decay: Amount = 0.0
    """Not applied to biases and batch norm. Decoupled in AdamW and Muon, in the gradient in Adam, SGD and
    RMSprop."""
    schedule: Literal["constant", "cosine", "one-cycle", "plateau"] = "constant"
    """Of the learning rate, over steps: constant; half a cosine to 0; up and down (Smith & Topin 2017, arXiv
    1708.07120); or lowered where ``monitor`` stands still."""
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of all steps spent rising to the highest rate."""
    plateau_factor: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """What the rate is multiplied by, under ``plateau``."""
    plateau_patience: Count = 5
    """Epochs without a better score before it is, under ``plateau``."""
    monitor: Literal["val_loss", "val_accuracy", "val_balanced_accuracy", "val_macro_f1", "val_ferplus"] = "val_loss"
    """Score that stopping, ``plateau`` and ``keep`` go by."""
    patience: Annotated[int, Field(ge=0)] = 0
    """Epochs without a better score before training stops; 0 never stops early."""
    keep: Literal["last", "best"] = "last"
    """Weights that are exported: those at the end, or those of the epoch with the best score."""
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Decay per step of the moving average of weights and buffers; the average is what is validated and exported."""
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    """Lightning's name of the arithmetic. On a CPU ``16-mixed`` is computed as ``bf16-mixed``."""
    gradient_clip: Amount = 0.0
    """Largest gradient norm; 0 is no limit."""
    deterministic: bool = False
    """Refuse operations whose result varies from run to run; slower on a GPU. On a CPU runs repeat bit for bit anyway,
    with the same number of threads."""
    checkpoint_minutes: Positive = 10.0
    """A checkpoint is written after every epoch, and within one that takes longer than this."""


class LossSection(Section):
    labels: Amount = 1.0
    """Weight of the cross-entropy with the labels; 0 leaves their classifier out."""
    votes: Amount = 0.0
    """Weight of the cross-entropy with the FER+ vote distribution; 0 leaves its classifier out."""
    label_smoothing: Share = 0.0
    """Share of the labels' target spread evenly over the classes."""
    class_weights: bool = False
    """Weigh every class alike: a label's loss is multiplied by n / (classes × its faces) of the training part."""
