"""Network and classifier as one ONNX graph.

skl2onnx converts the pipeline: scaler, calibration, logistic regression. The decisions of the SVM and the neighbours
are written out here instead, in float64: the converter's ``SVMClassifier`` sums over the support vectors in float32,
where the terms of a linear kernel cancel. A vote that then falls on the wrong side of 0 moves a probability by 0.03 and
more, seen with C = 1 and seven classes.

The training rows that the decision needs are kept as the network's own float32 features and scaled inside the graph,
which gives the very numbers that scikit-learn has, at half the size of float64. A linear SVM keeps none: its weights
are one vector for each pair of classes.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, compose, helper, numpy_helper, version_converter
from onnx.utils import Extractor
from skl2onnx import __max_supported_opset__, convert_sklearn
from skl2onnx.common.data_types import DoubleTensorType
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from mien.errors import ExportError

_PREFIX = "head/"
_LEAST_OPSET = 13  # from which on the axes of a sum are an input


def joined(network: onnx.ModelProto, head: onnx.ModelProto, output: str) -> onnx.ModelProto:
    """The network down to its features, and the head on them.

    Args:
        network: With the input ``faces`` and the output ``features``; its other outputs, and what only they need, are
            left out.
        head: Input ``features``, and one output.
        output: Name for that output.

    Returns:
        Outputs ``output`` and ``features``; opset and IR version of the network.
    """
    trunk = Extractor(network).extract_model(["faces"], ["features"])
    named = compose.add_prefix(head, _PREFIX)
    named.ir_version = trunk.ir_version
    known = {o.domain: o.version for o in trunk.opset_import}
    for domain in named.opset_import:  # of ai.onnx.ml it uses ArrayFeatureExtractor alone, the same in every version
        domain.version = known.get(domain.domain, domain.version)
    made = named.graph.output[0].name
    both = compose.merge_models(
        trunk, named, [("features", f"{_PREFIX}features")], outputs=["features", made], producer_name="mien"
    )
    for node in both.graph.node:
        node.output[:] = [output if name == made else name for name in node.output]
    for value in both.graph.output:
        value.name = output if value.name == made else value.name
    both.graph.name = "hybrid"
    del both.graph.value_info[:]
    onnx.checker.check_model(both, full_check=True)
    return both


def head_of(fitted: Pipeline, raw: np.ndarray, labels: np.ndarray, opset: int) -> onnx.ModelProto:
    """A fitted pipeline as ONNX: ``features`` (n, F) float32 → ``probabilities`` (n, K) float32, float64 inside.

    Args:
        fitted: Steps ``scaler`` and ``head``.
        raw: (N, F) float32, the features that it was fitted on, before the scaler.
        labels: (N,) int64 of the same rows.
        opset: Of the default domain.

    Raises:
        ExportError: ``opset`` is too old.
    """
    if opset < _LEAST_OPSET:
        raise ExportError(
            f"the network is of ONNX opset {opset}", f"{_LEAST_OPSET} or more", "Export it again with mien export."
        )
    width, plain = raw.shape[1], _plain(fitted)
    rows = _TrainingRows(raw, labels, fitted["scaler"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # it reads SVC.probA_, which scikit-learn is about to drop
        model = convert_sklearn(
            plain,
            initial_types=[("wide", DoubleTensorType([None, width]))],
            target_opset={"": min(opset, __max_supported_opset__), "ai.onnx.ml": 3},
            options={id(plain): {"zipmap": False}, id(plain["head"]): {"zipmap": False}},
            custom_conversion_functions={SVC: rows.svm, KNeighborsClassifier: rows.neighbours},
        )
    _float32_outside(model, width, len(plain["head"].classes_), opset)
    return model if opset <= __max_supported_opset__ else version_converter.convert_version(model, opset)


def _float32_outside(model: onnx.ModelProto, width: int, classes: int, opset: int) -> None:
    """Cast the features on the way in and the probabilities on the way out; drop the label and what is not needed."""
    graph = model.graph
    made = graph.output[1].name
    nodes = [
        helper.make_node("Cast", ["features"], ["wide"], to=TensorProto.DOUBLE),
        *graph.node,
        helper.make_node("Cast", [made], ["float_probabilities"], to=TensorProto.FLOAT),
    ]
    whole = helper.make_graph(
        nodes,
        "head",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", width])],
        [helper.make_tensor_value_info("float_probabilities", TensorProto.FLOAT, ["n", classes])],
        list(graph.initializer),
    )
    domains = {o.domain: o.version for o in model.opset_import} | {"": min(opset, __max_supported_opset__)}
    tidy = helper.make_model(whole, opset_imports=[helper.make_opsetid(d, v) for d, v in domains.items()])
    tidy = Extractor(tidy).extract_model(["features"], ["float_probabilities"])
    model.CopyFrom(tidy)


def _plain(fitted: Pipeline) -> Pipeline:
    """The pipeline in scikit-learn's own classes, which are those that skl2onnx knows."""
    head = fitted["head"]
    if isinstance(head, CalibratedClassifierCV):
        calibrated = copy.copy(head.calibrated_classifiers_[0])
        calibrated.estimator = _own(calibrated.estimator)
        head = copy.copy(head)
        head.calibrated_classifiers_ = [calibrated]
    else:
        head = _own(head)
    return Pipeline([("scaler", fitted["scaler"]), ("head", head)])


_FITTED: Mapping[type[Any], tuple[str, ...]] = {
    SVC: ("classes_", "support_", "dual_coef_", "intercept_", "_gamma"),
    KNeighborsClassifier: ("classes_", "n_features_in_"),
    LogisticRegression: ("classes_", "coef_", "intercept_", "n_features_in_"),
}


def _own(classifier: Any) -> Any:
    """A classifier of scikit-learn-intelex as scikit-learn's; one of scikit-learn as it is."""
    for kind, fitted in _FITTED.items():
        if isinstance(classifier, kind) and type(classifier) is not kind:
            plain = kind(**{k: v for k, v in classifier.get_params().items() if k in kind().get_params()})
            for name in fitted:
                setattr(plain, name, np.array(getattr(classifier, name)) if name != "_gamma" else classifier._gamma)
            return plain
    return classifier


class _TrainingRows:
    """Converters, as skl2onnx calls them, of the classifiers that compare a face with the faces they were fitted on."""

    def __init__(self, raw: np.ndarray, labels: np.ndarray, scaler: StandardScaler) -> None:
        self.raw, self.labels, self.scaler = raw, labels, scaler

    def svm(self, scope: Any, operator: Any, container: Any) -> None:
        """Decision of each class: for two [-d, d], for more the votes of all pairs, as ``SVC.decision_function``."""
        machine, nodes = operator.raw_operator, _Nodes(scope, container)
        features, classes = operator.inputs[0].full_name, len(machine.classes_)
        pairs = [(i, j) for i in range(classes) for j in range(i + 1, classes)]
        weights = self._pair_weights(machine, pairs)
        if machine.kernel == "linear":
            scaled = self.scaler.transform(self.raw[machine.support_].astype(np.float64))
            decision = nodes.add("MatMul", features, nodes.constant(scaled.T @ weights))
        else:
            kernel = self._kernel(nodes, features, machine)
            decision = nodes.add("MatMul", kernel, nodes.constant(weights))
        decision = nodes.add("Add", decision, nodes.constant(np.atleast_1d(machine.intercept_)))
        scores = operator.outputs[1].full_name
        if classes == 2:
            nodes.add("MatMul", decision, nodes.constant(np.array([[-1.0, 1.0]])), output=scores)
        else:
            first = np.array([[float(k == i) for k in range(classes)] for i, _ in pairs])
            second = np.array([[float(k == j) for k in range(classes)] for _, j in pairs])
            lost = nodes.add("Less", decision, nodes.constant(np.array(0.0)))
            lost = nodes.add("Cast", lost, to=TensorProto.DOUBLE)
            votes = nodes.add("MatMul", lost, nodes.constant(second - first))
            votes = nodes.add("Add", votes, nodes.constant(first.sum(axis=0)))
            sure = nodes.add("MatMul", decision, nodes.constant(first - second))
            most = nodes.add("Add", nodes.add("Abs", sure), nodes.constant(np.array(1.0)))
            sure = nodes.add("Div", sure, nodes.add("Mul", most, nodes.constant(np.array(3.0))))
            nodes.add("Add", votes, sure, output=scores)
        nodes.add("ArgMax", scores, axis=1, output=operator.outputs[0].full_name)

    def neighbours(self, scope: Any, operator: Any, container: Any) -> None:
        """Share of each class among the nearest rows, by Euclidean distance."""
        machine, nodes = operator.raw_operator, _Nodes(scope, container)
        distance = self._squared_distances(nodes, operator.inputs[0].full_name, np.arange(len(self.raw)))
        count = nodes.constant(np.array([machine.n_neighbors]))
        nearest = nodes.add_two("TopK", distance, count, axis=1, largest=0)[1]
        label = nodes.add("Gather", nodes.constant(self.labels), nearest)
        label = nodes.add("Unsqueeze", label, nodes.constant(np.array([2])))
        is_it = nodes.add("Equal", label, nodes.constant(np.arange(len(machine.classes_))))
        is_it = nodes.add("Cast", is_it, to=TensorProto.DOUBLE)
        votes = nodes.add("ReduceSum", is_it, nodes.constant(np.array([1])), keepdims=0)
        shares, all_of_them = operator.outputs[1].full_name, nodes.constant(np.array(float(machine.n_neighbors)))
        nodes.add("Div", votes, all_of_them, output=shares)
        nodes.add("ArgMax", shares, axis=1, output=operator.outputs[0].full_name)

    def _pair_weights(self, machine: SVC, pairs: list[tuple[int, int]]) -> np.ndarray:
        """(support vectors, pairs) float64: the weight of each in the decision between two classes."""
        dual = np.asarray(machine.dual_coef_)
        if len(pairs) == 1:
            return np.ascontiguousarray(dual.T)
        own, weights = self.labels[machine.support_], np.zeros((dual.shape[1], len(pairs)))
        for p, (i, j) in enumerate(pairs):  # libsvm's order: row j - 1 for the vectors of i, row i for those of j
            weights[own == i, p] = dual[j - 1, own == i]
            weights[own == j, p] = dual[i, own == j]
        return weights

    def _kernel(self, nodes: _Nodes, features: str, machine: SVC) -> str:
        gamma = float(machine._gamma)
        if machine.kernel == "rbf":
            distance = self._squared_distances(nodes, features, machine.support_)
            return nodes.add("Exp", nodes.add("Mul", distance, nodes.constant(np.array(-gamma))))
        product = nodes.add("MatMul", features, nodes.add("Transpose", self._scaled(nodes, machine.support_)))
        inside = nodes.add("Mul", product, nodes.constant(np.array(gamma)))
        inside = nodes.add("Add", inside, nodes.constant(np.array(float(machine.coef0))))
        return nodes.add("Pow", inside, nodes.constant(np.array(float(machine.degree))))

    def _squared_distances(self, nodes: _Nodes, features: str, at: np.ndarray) -> str:
        """(n, rows): |x|² + |row|² - 2 x·row."""
        rows, last = self._scaled(nodes, at), nodes.constant(np.array([1]))
        own = nodes.add("ReduceSum", nodes.add("Mul", features, features), last, keepdims=1)
        other = nodes.add("ReduceSum", nodes.add("Mul", rows, rows), last, keepdims=0)
        product = nodes.add("MatMul", features, nodes.add("Transpose", rows))
        twice = nodes.add("Mul", product, nodes.constant(np.array(2.0)))
        return nodes.add("Sub", nodes.add("Add", own, other), twice)

    def _scaled(self, nodes: _Nodes, at: np.ndarray) -> str:
        """(rows, F) float64 after the scaler, by the operations that scikit-learn does."""
        rows = nodes.add("Cast", nodes.constant(self.raw[at]), to=TensorProto.DOUBLE)
        rows = nodes.add("Sub", rows, nodes.constant(self.scaler.mean_))
        return nodes.add("Div", rows, nodes.constant(self.scaler.scale_))


class _Nodes:
    """Adds nodes and constants to the graph that skl2onnx builds, under names of their own."""

    def __init__(self, scope: Any, container: Any) -> None:
        self.scope, self.container = scope, container

    def constant(self, value: np.ndarray) -> str:
        name = str(self.scope.get_unique_variable_name("constant"))
        self.container.add_initializer(name, None, None, numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def add(self, operation: str, *inputs: str, output: str = "", **attributes: int) -> str:
        """Add a node with one output, and give the output's name."""
        made = output or str(self.scope.get_unique_variable_name(operation.lower()))
        self._node(operation, inputs, [made], attributes)
        return made

    def add_two(self, operation: str, *inputs: str, **attributes: int) -> list[str]:
        """Add a node with two outputs, and give their names."""
        made = [str(self.scope.get_unique_variable_name(operation.lower())) for _ in range(2)]
        self._node(operation, inputs, made, attributes)
        return made

    def _node(self, operation: str, inputs: Sequence[str], outputs: list[str], attributes: Mapping[str, int]) -> None:
        name = self.scope.get_unique_operator_name(operation)
        self.container.add_node(operation, list(inputs), outputs, name=name, **attributes)
