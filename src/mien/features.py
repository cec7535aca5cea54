"""mien's features inside any scikit-learn pipeline.

>>> from sklearn.pipeline import make_pipeline  # doctest: +SKIP
>>> from sklearn.svm import LinearSVC  # doctest: +SKIP
>>> make_pipeline(mien.FaceFeatures(), StandardScaler(), LinearSVC()).fit(faces, labels)  # doctest: +SKIP
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mien import bundle
from mien.errors import DataError, ImageError, MissingExtraError
from mien.faces import to_gray, whole
from mien.images import read_image

try:
    from sklearn.base import BaseEstimator, TransformerMixin
except ModuleNotFoundError as error:
    raise MissingExtraError("scikit-learn", "hybrid", "mien.FaceFeatures") from error


class FaceFeatures(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Faces → what a model says about them, as a scikit-learn transformer.

    It learns nothing: ``fit`` only checks, and ``transform`` works without it. Copies and pickles hold the name of the
    model, not the model, so it must be installed where they are used.

    Args:
        model: Name of an installed bundle, or the folder of one.
        outputs: One of the model's outputs, or several, whose columns are put side by side: ``features``,
            ``fer2013_probabilities`` and so on. Maps (``fer2013_evidence``) are laid out as columns.
        batch_size: Faces scored at once.
        threads: Threads of ONNX Runtime; 0 lets it choose. With ``n_jobs`` of a search, 1 is best.

    Attributes:
        n_features_in_: Pixels of a face, size × size, after ``fit`` on an array.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] = bundle.DEFAULT,
        outputs: str | Sequence[str] = "features",
        batch_size: int = 128,
        threads: int = 0,
    ) -> None:
        self.model = model
        self.outputs = outputs
        self.batch_size = batch_size
        self.threads = threads

    def fit(self, X: Any, y: Any = None) -> FaceFeatures:  # noqa: N803  # scikit-learn's name
        """Check that the model has these outputs, and that it takes these faces.

        Args:
            X: As for ``transform``.
            y: Not looked at.

        Raises:
            BundleError: No such model, or it lacks an output.
            ImageError: Faces of another shape or type.
            DataError: A parameter is impossible.
        """
        self._widths()
        found = self._given(X)
        if found.ndim > 1:
            self.n_features_in_ = self._model().card.input.size ** 2
        return self

    def transform(self, X: Any) -> np.ndarray:  # noqa: N803
        """Score faces.

        Args:
            X: (N, size, size) uint8 gray faces, 0 black to 255 white, or (N, size × size) of them laid out row by row,
                of the size that the model takes; or paths of N image files, each of which is one face: its middle
                square is brought to that size.

        Returns:
            (N, columns) float32.

        Raises:
            BundleError, ImageError, DataError: As for ``fit``; or a file cannot be read.
        """
        names, size = list(self._widths()), self._model().card.input.size
        found = self._given(X)
        chunks = []
        for i in range(0, len(found), self.batch_size):
            part = found[i : i + self.batch_size]
            faces = np.stack([_read(p, size) for p in part]) if part.ndim == 1 else part.reshape(-1, size, size)
            scores = self._model().score(np.ascontiguousarray(faces), names)
            chunks.append(np.concatenate([scores[name].reshape(len(faces), -1) for name in names], axis=1))
        return np.asarray(np.concatenate(chunks), np.float32)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the columns: ``features_0`` and on; with the label instead of the number for probabilities.

        Args:
            input_features: Not looked at.
        """
        columns: list[str] = []
        vocabularies = self._model().card.vocabularies
        for name, width in self._widths().items():
            labels = vocabularies.get(name.rpartition("_")[0], [])
            columns += [f"{name}_{part}" for part in (labels if len(labels) == width else range(width))]
        return np.array(columns, object)

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.three_d_array = True
        tags.input_tags.string = True
        tags.transformer_tags.preserves_dtype = []
        return tags

    def __getstate__(self) -> dict[str, Any]:
        # A session of ONNX Runtime cannot be pickled; it is made anew where it is needed.
        return {k: v for k, v in super().__getstate__().items() if k not in ("_bundle", "_found")}

    def _model(self) -> bundle.Bundle:
        """The model, loaded when first needed, and anew when a parameter was changed."""
        wanted = (str(self.model), self.threads)
        if getattr(self, "_found", None) != wanted:
            self._bundle = bundle.Bundle(bundle.find(self.model), self.threads)
            self._found = wanted
        return self._bundle

    def _widths(self) -> dict[str, int]:
        """Columns of each output."""
        if isinstance(self.batch_size, bool) or not isinstance(self.batch_size, int) or self.batch_size < 1:
            raise DataError(f"batch_size is {self.batch_size!r}", "a whole number of 1 or more")
        names = [self.outputs] if isinstance(self.outputs, str) else list(self.outputs)
        if not names or len(set(names)) < len(names):
            raise DataError(f"outputs is {self.outputs!r}", "the name of an output, or different names")
        size = self._model().card.input.size
        scores = self._model().score(np.zeros((1, size, size), np.uint8), names)
        return {name: scores[name].size for name in names}

    def _given(self, X: Any) -> np.ndarray:  # noqa: N803
        """(N, size, size) or (N, size × size) uint8, or (N,) paths."""
        size = self._model().card.input.size
        found = np.asarray(X)
        if found.ndim == 1 and len(found) and all(isinstance(p, str | os.PathLike) for p in found):
            return found
        if found.dtype != np.uint8 or not len(found) or found.shape[1:] not in ((size, size), (size * size,)):
            raise ImageError(
                f"faces of shape {found.shape} and type {found.dtype}",
                f"(N, {size}, {size}) or (N, {size * size}) uint8, at least one, or the paths of image files",
                "Cut them with mien.faces.crop.",
            )
        return found


def _read(path: str | os.PathLike[str], size: int) -> np.ndarray:
    return whole(to_gray(read_image(Path(path), str(path))), size)
