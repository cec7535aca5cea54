"""Facial expression recognition that installs light, works offline and can prove its numbers.

>>> import mien  # doctest: +SKIP
>>> mien.analyze("portrait.jpg").faces[0].expression  # doctest: +SKIP
'happy'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mien.bundle import Bundle
    from mien.errors import MienError
    from mien.features import FaceFeatures
    from mien.inference.analyze import Analyzer, analyze
    from mien.results import Face, ImageResult, Results

__version__ = "0.1.0"
__all__ = ["Analyzer", "Bundle", "Face", "FaceFeatures", "ImageResult", "MienError", "Results", "analyze"]

# Importing mien must be quick and must not import numpy, OpenCV or ONNX Runtime: a name is loaded when it is used.
_WHERE = {
    "Analyzer": "mien.inference.analyze",
    "analyze": "mien.inference.analyze",
    "Bundle": "mien.bundle",
    "Face": "mien.results",
    "FaceFeatures": "mien.features",
    "ImageResult": "mien.results",
    "Results": "mien.results",
    "MienError": "mien.errors",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'mien' has no attribute {name!r}; it has {', '.join(__all__)}")
    value = getattr(import_module(_WHERE[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
