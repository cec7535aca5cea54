"""What tests of several rooms import."""

# A recipe that trains in seconds.
QUICK = """\
name = "quick"
seed = 5
[data]
source = "tiny.store"
validation = 0.2
[network]
name = "residual"
stem = 4
widths = [8, 12]
blocks = [1, 1]
dropout = 0.3
[training]
epochs = 5
batch_size = 16
learning_rate = 2e-2
weight_decay = 0.05
ema = 0.9
precision = "bf16-mixed"
[loss]
label_smoothing = 0.1
[augment]
flip = 0.5
rotation = 10
shift = 0.05
erasing = 0.3
"""
