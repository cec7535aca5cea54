"""What is measured of a system besides its scores; a new measure is a module and a row of ``MEASURES``."""

from __future__ import annotations

from mien.studies.measures.classes import shares
from mien.studies.measures.deployed import deployment
from mien.studies.measures.layer_table import layers
from mien.studies.measures.loss_parts import loss
from mien.studies.measures.ran import Measure, Ran
from mien.studies.measures.repeated import repeats
from mien.studies.measures.shuffling import shuffled
from mien.studies.measures.trained import training_accuracy

__all__ = ["MEASURES", "Measure", "Ran"]

MEASURES: dict[str, Measure] = {
    "training-accuracy": training_accuracy,
    "repeats": repeats,
    "loss": loss,
    "shuffled": shuffled,
    "shares": shares,
    "layers": layers,
    "deployment": deployment,
}
