"""One epoch of convrelu-ann in Keras on TensorFlow, as the paper ran it; called by training_speed.py.

    python benchmarks/keras_convrelu_ann.py FACES.npy LABELS.npy BATCH {arrays,generator} [FACES]

Prints JSON: seconds of one epoch after a short one that warms up, and versions. ``arrays`` feeds float faces that lie
in memory; ``generator`` the paper's ImageDataGenerator with rotation, zoom and flip.
"""

from __future__ import annotations

import json
import os
import sys
import time

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
import tensorflow
from keras import layers


def network() -> keras.Sequential:
    """The paper's layer table: 2,489,095 parameters."""
    model = keras.Sequential(
        [
            layers.Input((48, 48, 1)),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Dropout(0.1),
            layers.Conv2D(128, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Dropout(0.1),
            layers.Conv2D(256, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Dropout(0.1),
            layers.Flatten(),
            layers.Dense(512, activation="relu"),
            layers.Dropout(0.2),
            layers.Dense(7, activation="softmax"),
        ]
    )
    assert model.count_params() == 2_489_095
    model.compile(keras.optimizers.Adam(1e-4), "categorical_crossentropy", metrics=["accuracy"])
    return model


def main() -> None:
    """Warm up on 20 batches, then time an epoch."""
    faces, labels, batch, way = np.load(sys.argv[1]), np.load(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    if len(sys.argv) > 5:
        faces, labels = faces[: int(sys.argv[5])], labels[: int(sys.argv[5])]
    x, y = faces[..., None].astype(np.float32) / 255, np.eye(7, dtype=np.float32)[labels]
    keras.utils.set_random_seed(0)
    model = network()
    model.fit(x[: 20 * batch], y[: 20 * batch], batch_size=batch, verbose=0)
    if way == "generator":
        from keras.src.legacy.preprocessing.image import ImageDataGenerator

        source = ImageDataGenerator(rotation_range=10, zoom_range=0.1, horizontal_flip=True).flow(
            x, y, batch_size=batch
        )
        start = time.perf_counter()
        model.fit(source, verbose=0)
    else:
        start = time.perf_counter()
        model.fit(x, y, batch_size=batch, verbose=0)
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "tensorflow": tensorflow.__version__, "keras": keras.__version__}))


if __name__ == "__main__":
    main()
