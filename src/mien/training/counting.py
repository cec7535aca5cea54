"""Multiply-adds of a network, counted from the shapes of its operations.

One multiply-add is two floating-point operations (FLOPs); papers print either under the name of FLOPs. Counted are
convolutions and products of matrices, with what stands for them in a classical classifier: support vectors, linear
coefficients and pairwise distances. Not counted are additions of a bias, activations, normalisation, pooling,
resampling and whatever else takes each value a few times, as is usual.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import onnx
import torch
from onnx import helper, inliner, shape_inference
from torch.utils.flop_counter import FlopCounterMode

from mien.errors import BundleError, RecipeError
from mien.models import Network

# They multiply matrices too, in ways that are not counted here; a count of a graph that has one is too low.
_UNCOUNTED = frozenset(
    {"Attention", "Einsum", "GRU", "If", "LSTM", "Loop", "MultiHeadAttention", "RNN", "Scan", "SequenceMap"}
)


@dataclass(frozen=True)
class Count:
    """What was counted, for one face.

    Attributes:
        multiply_adds: Multiplications with an addition each.
        missing: Operations of the graph that multiply and are not counted; the count is too low where there are any.
    """

    multiply_adds: int
    missing: tuple[str, ...] = ()

    @property
    def flops(self) -> int:
        """Floating-point operations: two for a multiply-add."""
        return 2 * self.multiply_adds


def of_network(network: Network, side: int) -> Count:
    """Count one forward pass in evaluation mode, as torch runs it.

    Args:
        network: On the CPU.
        side: Of the face that comes in, pixels.

    Raises:
        RecipeError: The network cannot take a face of that side.
    """
    mode = network.training
    network.eval()
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            network(torch.zeros(1, 1, side, side))
    except (RuntimeError, ValueError) as error:
        raise RecipeError(
            f"a face of {side}×{side} does not go through the network: {error}", "a side it can take", "Try --side 224."
        ) from error
    finally:
        network.train(mode)
    return Count(counter.get_total_flops() // 2)


def of_graph(model: onnx.ModelProto) -> Count:
    """Count one run of an ONNX graph at batch 1, from shapes that are inferred and not from running it.

    The first dimension of every input is taken for the batch.

    Raises:
        BundleError: The shape of a product could not be inferred.
    """
    graph = _with_shapes(model).graph
    values = (*graph.value_info, *graph.input, *graph.output)
    shapes = {v.name: _shape(v) for v in values if v.type.tensor_type.HasField("shape")}
    shapes |= {t.name: tuple(t.dims) for t in graph.initializer}
    total = 0
    for node in graph.node:
        if node.op_type not in _RULES:
            continue
        try:
            total += _RULES[node.op_type](node, shapes)
        except (KeyError, TypeError, IndexError) as error:  # a name without a shape, or a dimension without a number
            raise BundleError(
                f"the shape at {node.op_type} {node.name or node.output[0]!r} cannot be inferred", "fixed shapes"
            ) from error
    return Count(total, tuple(sorted({n.op_type for n in graph.node} & _UNCOUNTED)))


_Shapes = dict[str, tuple[int | None, ...]]


def _with_shapes(given: onnx.ModelProto) -> onnx.ModelProto:
    """A copy at batch 1, functions unfolded, with every shape that follows."""
    model = onnx.ModelProto()
    model.CopyFrom(given)
    del model.graph.value_info[:]  # they hold the batch as a name
    for value in model.graph.input:
        value.type.tensor_type.shape.dim[0].dim_value = 1
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")
    if model.functions:
        model = inliner.inline_local_functions(model)
    return shape_inference.infer_shapes(model, data_prop=True)


def _shape(value: onnx.ValueInfoProto) -> tuple[int | None, ...]:
    return tuple(d.dim_value if d.HasField("dim_value") else None for d in value.type.tensor_type.shape.dim)


def _product(shape: tuple[int | None, ...]) -> int:
    """Number of values; TypeError where a dimension is not known."""
    return math.prod(_known(d) for d in shape)


def _known(dimension: int | None) -> int:
    """The dimension; TypeError where it is not known."""
    if dimension is None:
        raise TypeError("a dimension without a number")
    return dimension


def _convolution(weights: int) -> Callable[[Any, _Shapes], int]:
    """Every output value takes one multiply-add for each weight of its filter; ``weights`` is that input's position."""

    def count(node: Any, shapes: _Shapes) -> int:
        return _product(shapes[node.output[0]]) * _product(shapes[node.input[weights]][1:])

    return count


def _transposed_convolution(node: Any, shapes: _Shapes) -> int:
    """Every input value goes through each weight of its filters."""
    return _product(shapes[node.input[0]]) * _product(shapes[node.input[1]][1:])


def _matrices(node: Any, shapes: _Shapes) -> int:
    """Every output value takes one multiply-add for each of the inner dimension, the last of the left matrix."""
    return _product(shapes[node.output[0]]) * _known(shapes[node.input[0]][-1])


def _general_product(node: Any, shapes: _Shapes) -> int:
    turned = next((a.i for a in node.attribute if a.name == "transB"), 0)
    return _product(shapes[node.input[0]]) * _known(shapes[node.input[1]][0 if turned else 1])


def _distances(node: Any, shapes: _Shapes) -> int:
    """A difference squared and added, for every pair of rows and every column."""
    return _product(shapes[node.input[0]]) * _known(shapes[node.input[1]][0])


def _coefficients(node: Any, shapes: _Shapes) -> int:
    """Numbers of a classical model that a row is multiplied with: support vectors, and coefficients."""
    counted = {"support_vectors", "coefficients"}
    return sum(len(helper.get_attribute_value(a)) for a in node.attribute if a.name in counted)


_RULES: dict[str, Callable[[Any, _Shapes], int]] = {
    "Conv": _convolution(1),
    "ConvInteger": _convolution(1),
    "QLinearConv": _convolution(3),
    "ConvTranspose": _transposed_convolution,
    "MatMul": _matrices,
    "MatMulInteger": _matrices,
    "QLinearMatMul": _matrices,
    "Gemm": _general_product,
    "CDist": _distances,
    "LinearClassifier": _coefficients,
    "LinearRegressor": _coefficients,
    "SVMClassifier": _coefficients,
    "SVMRegressor": _coefficients,
}
