"""A study of two small networks, for tests."""

from __future__ import annotations

STUDY = """\
title = "A paper"
source = "Someone, 2020"
data = "tiny.store"
believe = "Nothing."

[[system]]
name = "first"
title = "The first"
claim = "99%"
parts = ["test", "public_test"]
measures = ["loss:test"]

[[system]]
name = "second"
title = "The second, on the weights of the first"
needs = ["first"]
"""

FIRST = """\
name = "first"
[data]
source = "tiny.store"
validation = 0.2
test = 0.2
[network]
name = "residual"
stem = 4
widths = [8]
blocks = [1]
[training]
epochs = 2
batch_size = 16
learning_rate = 1e-2
"""

SECOND = """\
extends = "../first/recipe.toml"
name = "second"
[network]
weights = "first.safetensors"
"""
