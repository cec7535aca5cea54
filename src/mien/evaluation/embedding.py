"""Features of faces in the plane, to be looked at."""

from __future__ import annotations

import numpy as np

from mien.errors import DataError, MissingExtraError

PERPLEXITY = 30.0
_COMPONENTS = 50


def fitting_perplexity(n: int, wanted: float = PERPLEXITY) -> float:
    """The perplexity that ``tsne`` takes for n faces: what is wanted, lowered to (n - 1) / 3 where they are too few."""
    return min(wanted, (n - 1) / 3)


def tsne(features: np.ndarray, seed: int = 0, perplexity: float = PERPLEXITY) -> np.ndarray:
    """t-distributed stochastic neighbour embedding (van der Maaten & Hinton 2008), by scikit-learn.

    Distances between groups and their sizes mean little in it; which faces are neighbours does.

    Args:
        features: (n, C) float; brought to 50 principal components first, where there are more.
        seed: Of the embedding; the same features and seed give the same points on one machine.
        perplexity: About how many neighbours a face has; lowered by ``fitting_perplexity`` where faces are few.

    Returns:
        (n, 2) float32.

    Raises:
        MissingExtraError: scikit-learn is not installed.
        DataError: Fewer than four faces.
    """
    try:
        from sklearn.decomposition import PCA
        from sklearn.manifold import TSNE
    except ImportError:
        raise MissingExtraError("scikit-learn", "evaluate", "The t-SNE of the features") from None
    if len(features) < 4:
        raise DataError(f"t-SNE of {len(features)} faces", "at least 4")
    values = np.asarray(features, np.float32)
    if min(values.shape) > _COMPONENTS:
        values = PCA(_COMPONENTS, svd_solver="randomized", random_state=seed).fit_transform(values)
    fits = fitting_perplexity(len(values), perplexity)
    points = TSNE(perplexity=fits, init="pca", learning_rate="auto", random_state=seed).fit_transform(values)
    return np.asarray(points, np.float32)
