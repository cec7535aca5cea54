"""Fixtures that several rooms' tests use. No test reads or writes the user's cache."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import settings

from mien import bundle
from mien.data import FaceSet, Provenance, open_faces
from mien.expressions import FER2013, FERPLUS
from tests_support import card, network

# Two cores are shared with whatever else runs: an example that takes long is not a failure.
settings.register_profile("mien", deadline=None, derandomize=True)
settings.load_profile("mien")


def pytest_configure(config: pytest.Config) -> None:
    """Several processes of tests have a thread each: two threads in each would wait for one another's turn."""
    if config.getoption("numprocesses", None):
        os.environ.setdefault("OMP_NUM_THREADS", "1")  # before they begin


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new, empty cache folder for each test; subprocesses inherit it."""
    monkeypatch.setenv("MIEN_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of ``data/fer2013.parquet`` and ``tools/``: ``$MIEN_SHARED``, else ``shared`` beside the checkout."""
    given = os.environ.get("MIEN_SHARED")
    folder = Path(given) if given else Path(__file__).resolve().parents[2] / "shared"
    if not (folder / "data" / "fer2013.parquet").is_file():
        reason = (
            f"there is no data/fer2013.parquet in {folder}; set MIEN_SHARED to a folder that has it, or put one "
            "named shared beside the checkout"
        )
        if os.environ.get("CI") == "true":
            pytest.fail(f"{reason} (this must run, not skip, in CI)")
        pytest.skip(reason)
    return folder


@pytest.fixture(scope="session")
def fer2013_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache folder in which ``fer2013`` builds its store."""
    return tmp_path_factory.mktemp("fer2013-cache")


@pytest.fixture(scope="session")
def fer2013(shared: Path, fer2013_cache: Path) -> FaceSet:
    """FER2013 at full size, memory-mapped."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MIEN_CACHE", str(fer2013_cache))
        return open_faces(shared / "data" / "fer2013.parquet")


@pytest.fixture
def tiny_faces() -> FaceSet:
    """120 smooth random faces: 90 Training, 30 PublicTest, labels in turn, row ids that are not positions.

    By position, 5 = 12 (both Training, labels 5), 6 = 14 = 21 (Training, labels 6, 0, 0), 30 = 95 and 31 = 96 = 97
    (Training and PublicTest) are identical.
    """
    rng = np.random.default_rng(7)
    n = 120
    coarse = rng.integers(0, 256, (n, 6, 6), dtype=np.uint8)
    faces = np.stack([cv2.resize(c, (48, 48), interpolation=cv2.INTER_CUBIC) for c in coarse])
    for copy, original in ((12, 5), (14, 6), (21, 6), (95, 30), (96, 31), (97, 31)):
        faces[copy] = faces[original]
    votes = rng.multinomial(10, np.full(10, 0.1), size=n).astype(np.uint8)
    votes[::11] = 0
    return FaceSet(
        faces,
        (np.arange(n) % len(FER2013)).astype(np.int8),
        votes,
        (1000 + 3 * np.arange(n)).astype(np.int32),
        (np.arange(n) >= 90).astype(np.uint8),
        Provenance("made up", "tiny.csv", "0" * 64),
    )


@pytest.fixture(scope="session")
def toy_network() -> bytes:
    """``tests_support.network`` with FER2013's and FER+'s heads: 48×48 faces, logits and evidence."""
    return network({v.name: v.labels for v in (FER2013, FERPLUS)})


@pytest.fixture
def toy_card() -> dict[str, Any]:
    """What ``bundle.save`` takes besides the network, for ``toy_network``."""
    return card({v.name: v.labels for v in (FER2013, FERPLUS)})


@pytest.fixture
def toy_bundle(tmp_path: Path, toy_network: bytes, toy_card: dict[str, Any]) -> Path:
    """Folder of a whole bundle around ``toy_network``, named ``toy``, in a folder of its own."""
    folder = tmp_path / "bundles" / "toy"
    bundle.save(folder, toy_network, toy_card)
    return folder
