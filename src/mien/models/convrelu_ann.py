"""The network of Njoku et al. 2024, Scope 14(1): "Conv. Relu Features Extraction and ANN Classification"."""

from __future__ import annotations

from torch import nn

from mien.models import keras
from mien.models.network import Body, Scaling
from mien.recipe import PaperSection


def convrelu_ann(section: PaperSection, size: int, scaling: Scaling) -> Body:
    """Four convolutions and a dense layer of 512: 2,489,095 parameters at 48×48 with a seven-way head.

    The paper's text says three convolutions; its table, which this follows, has four.
    """
    small, large = (0.1, 0.2) if section.dropout is None else (section.dropout, section.dropout)

    def step(channels_in: int, channels_out: int) -> list[nn.Module]:
        # The largest of the ReLUs is the ReLU of the largest: pooling first is the same for a quarter of the work.
        valid = keras.convolution(channels_in, channels_out, same=False)
        return [*valid, nn.MaxPool2d(2), nn.ReLU(), keras.Dropout(small)]

    layers = [*keras.convolution(1, 32, same=True), nn.ReLU(), *step(32, 64), *step(64, 128), *step(128, 256)]
    dense = nn.Linear(keras.flattened(layers, size), 512)
    body = nn.Sequential(*layers, nn.Flatten(), dense, nn.ReLU())
    keras.start(body)
    return Body(body, 512, scaling, dropout=large, glorot=True)
