"""The network of Kumar & Reddy, "Facial Emotion Recognition using Machine Learning" (FER2013, over-sampled)."""

from __future__ import annotations

from torch import nn

from mien.models import keras
from mien.models.network import Body, Scaling
from mien.recipe import PaperSection


def balanced_cnn(section: PaperSection, size: int, scaling: Scaling) -> Body:
    """Five convolutions, flattened to 2,048 at 48×48, and a dense layer of 200.

    The paper's table has neither its batch norm nor its dropout of 60%. Here every convolution is followed by batch
    norm, before the ReLU as in Ioffe & Szegedy (2015, arXiv 1502.03167), and the 200 features are dropped: 689,223
    parameters that learn with a seven-way head, 688,391 of them in the layers of the table.
    """

    def conv(channels_in: int, channels_out: int, *, same: bool, pool: bool = False) -> list[nn.Module]:
        # The ReLU last: it commutes with the pooling, which leaves a quarter to do.
        pooling = [nn.MaxPool2d(2)] if pool else []
        return [
            *keras.convolution(channels_in, channels_out, same=same),
            keras.batch_norm(channels_out),
            *pooling,
            nn.ReLU(),
        ]

    layers = [
        *conv(1, 32, same=False),
        *conv(32, 64, same=True, pool=True),
        *conv(64, 64, same=False),
        *conv(64, 128, same=True, pool=True),
        *conv(128, 128, same=False, pool=True),
    ]
    dense = nn.Linear(keras.flattened(layers, size), 200)
    body = nn.Sequential(*layers, nn.Flatten(), dense, nn.ReLU())
    keras.start(body)
    return Body(body, 200, scaling, dropout=0.6 if section.dropout is None else section.dropout, glorot=True)
