"""The networks of Chang 2022, "Deep Learning: Facial Emotion Detection": Models 1, 2 and 3."""

from __future__ import annotations

from torch import nn

from mien.models import keras
from mien.models.network import Body, Scaling
from mien.recipe import ModelThreeSection, PaperSection

# Model 2's layout, chosen here: widths of the 2×2 convolutions and of the dense layers before the classifier.
MODEL_TWO = ((256, 128, 64, 32), (512, 128))
# Model 3's, likewise: one convolution a block.
MODEL_THREE = ((64, 128, 512, 512, 128), (256, 512))


def model_1(section: PaperSection, size: int, scaling: Scaling) -> Body:
    """Three 2×2 convolutions, flattened to 1,152 at 48×48, and a dense layer of 512: 605,060 parameters for four."""
    return _plain(((64, 32, 32), (512,)), section, size, scaling)


def model_2(section: PaperSection, size: int, scaling: Scaling) -> Body:
    """Four 2×2 convolutions and, with the classifier, three dense layers; no dropout: 830,052 parameters for four.

    The paper's 830,928 cannot be reached: every layer's count is a multiple of 8 where widths are, but for a four-way
    classifier's four biases. The layout 256-128-64-32 / 512-128 is the nearest (0.1% less) with filters that halve from
    layer to layer; it has Model 1's kernels, and as there three poolings lead to 6·6·32 = 1,152 values.
    """
    return _plain(MODEL_TWO, section, size, scaling)


def model_3(section: ModelThreeSection, size: int, scaling: Scaling) -> Body:
    """Five blocks of convolution, batch norm, LeakyReLU, max-pool and dropout; three dense layers with batch norm.

    The paper gives the order of the layers and the kernels it compares, 3×3 and 2×2. Widths (64-128-512-512-128 /
    256-512), the slope of 0.1 and the dropout of 0.2 are chosen here. At 48×48 with a four-way head 3,785,476
    parameters learn with 3×3 kernels and 1,778,116 with 2×2: the paper's grid compares sizes at once with kernels.
    """
    share = 0.2 if section.dropout is None else section.dropout
    filters, widths = MODEL_THREE
    layers: list[nn.Module] = []
    channels = 1
    for width in filters:
        layers += [
            *keras.convolution(channels, width, section.kernel, same=True),
            keras.batch_norm(width),
            nn.LeakyReLU(0.1),  # it would commute with the pooling; a layer of its own in Keras, it keeps its place
            nn.MaxPool2d(2),
            keras.Dropout(share),
        ]
        channels = width
    features = keras.flattened(layers, size)
    layers.append(nn.Flatten())
    for at, width in enumerate(widths):
        # The last dropout stands before the heads, in the body's own.
        dropout = [keras.Dropout(share)] if at < len(widths) - 1 else []
        layers += [nn.Linear(features, width), keras.batch_norm_of_features(width), nn.ReLU(), *dropout]
        features = width
    body = nn.Sequential(*layers)
    keras.start(body)
    return Body(body, features, scaling, dropout=share, glorot=True)


def _plain(layout: tuple[tuple[int, ...], ...], section: PaperSection, size: int, scaling: Scaling) -> Body:
    """2×2 convolutions, the first three with max-pooling, then dense layers."""
    filters, widths = layout
    layers: list[nn.Module] = []
    channels = 1
    for at, width in enumerate(filters):
        pooling = [nn.MaxPool2d(2)] if at < 3 else []  # before the ReLU, with which it commutes
        layers += [*keras.convolution(channels, width, 2, same=True), *pooling, nn.ReLU()]
        channels = width
    features = keras.flattened(layers, size)
    layers.append(nn.Flatten())
    for width in widths:
        layers += [nn.Linear(features, width), nn.ReLU()]
        features = width
    body = nn.Sequential(*layers)
    keras.start(body)
    return Body(body, features, scaling, dropout=section.dropout or 0.0, glorot=True)
