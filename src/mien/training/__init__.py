"""Training: recipe → run folder → bundle. Needs the ``train`` extra (torch, lightning, onnx)."""
