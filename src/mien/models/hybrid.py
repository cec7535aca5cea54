"""The two networks of "Emotion Recognition from Facial Expression using Deep Learning" (2023), which feed an SVM."""

from __future__ import annotations

from torch import nn

from mien.models import keras
from mien.models.network import Body, Scaling
from mien.recipe import PaperSection


def hybrid_1(section: PaperSection, size: int, scaling: Scaling) -> Body:
    """Three blocks of convolution, convolution, batch norm and max-pool, then the layer of 256 that feeds the SVM.

    The paper does not give the filters: 32, 64 and 128 of 3×3, "same", is the usual reading. At 224×224 the dense layer
    then has 128·28·28·256 + 256 = 25,690,368 of the 25,980,589 parameters that learn (thirteen-way head), which is what
    the description says and a reason why it may not have learnt.
    """
    layers: list[nn.Module] = []
    for channels_in, channels_out in ((1, 32), (32, 64), (64, 128)):
        layers += [
            *keras.convolution(channels_in, channels_out, same=True),
            nn.ReLU(),
            *keras.convolution(channels_out, channels_out, same=True),
            nn.ReLU(),
            keras.batch_norm(channels_out),
            nn.MaxPool2d(2),  # after the batch norm, which may turn a map's order round
        ]
    return _with_dense(layers, 256, section, size, scaling)


def hybrid_2(section: PaperSection, size: int, scaling: Scaling) -> Body:
    """Two convolutions of 64, each with max-pooling, and a dense layer of 128.

    The paper gives the convolutions and the pooling; the padding ("same", as in the first network) and the width of the
    dense layer are chosen here. At 224×224 with a two-way head: 25,728,066 parameters.
    """
    layers = [
        *keras.convolution(1, 64, same=True),
        nn.MaxPool2d(2),  # before the ReLU, with which it commutes: a quarter of the work
        nn.ReLU(),
        *keras.convolution(64, 64, same=True),
        nn.MaxPool2d(2),
        nn.ReLU(),
    ]
    return _with_dense(layers, 128, section, size, scaling)


def _with_dense(layers: list[nn.Module], width: int, section: PaperSection, size: int, scaling: Scaling) -> Body:
    dense = nn.Linear(keras.flattened(layers, size), width)
    body = nn.Sequential(*layers, nn.Flatten(), dense, nn.ReLU())
    keras.start(body)
    return Body(body, width, scaling, dropout=section.dropout or 0.0, glorot=True)
