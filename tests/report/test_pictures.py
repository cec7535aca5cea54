"""What pictures of an evaluation say, without an evaluation."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mien.evaluation.evaluate import Evaluated
from mien.evaluation.protocols import Truth
from mien.evaluation.scores import Predictions
from mien.expressions import FER2013
from mien.plots import embedding
from mien.report.pictures import _Sitter, _tsne


class Faces:
    """As many as there are rows."""

    def __init__(self, n: int) -> None:
        self.faces = np.zeros((n, 48, 48), np.uint8)

    def positions(self, rows: np.ndarray) -> np.ndarray:
        return rows


class Opened:
    """A bundle with features."""

    card = SimpleNamespace(outputs={"features": None})

    def score(self, faces: np.ndarray, outputs: list[str]) -> dict[str, np.ndarray]:
        assert outputs == ["features"]
        return {"features": np.random.default_rng(len(faces)).normal(size=(len(faces), 3))}


@pytest.mark.parametrize(("n", "perplexity"), [(10, "3"), (12, "3.67"), (120, "30")])
def test_the_perplexity_is_the_one_that_was_taken(
    n: int, perplexity: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("sklearn")
    drawn: list[embedding.Embedding] = []
    taken: list[float] = []
    monkeypatch.setattr(embedding, "save", lambda path, given: drawn.append(given))
    monkeypatch.setattr("sklearn.manifold.TSNE", lambda perplexity, **_: taken.append(perplexity) or Flat())
    rows, labels = np.arange(n), np.arange(n) % 7
    truth = Truth("fer2013", "every face", FER2013, rows, labels)
    facts: Any = SimpleNamespace(
        plan=SimpleNamespace(faces=Faces(n), subject=SimpleNamespace(bundle=Opened(), fitted=lambda faces: faces)),
        evaluation=SimpleNamespace(protocols=[SimpleNamespace(mapped="")]),
    )
    done: Evaluated = facts
    sitter = _Sitter(done, truth, Predictions(FER2013, rows, np.eye(7)[labels]), labels >= 0, "mine", "")
    assert _tsne(sitter, tmp_path / "tsne.png", 4)
    assert drawn[0].method == f"t-SNE, perplexity {perplexity}, seed 4"
    assert f"{taken[0]:.3g}" == perplexity


class Flat:
    """Points in a plane, without the work."""

    def fit_transform(self, values: np.ndarray) -> np.ndarray:
        return values[:, :2]
