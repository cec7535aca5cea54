"""The sample picture that comes with matplotlib."""

from __future__ import annotations

from pathlib import Path

from mien.errors import MissingExtraError


def portrait() -> Path:
    """Matplotlib's ``grace_hopper.jpg``: Rear Admiral Grace Hopper, official US Navy portrait, public domain.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        import matplotlib
    except ImportError:
        raise MissingExtraError("matplotlib", "plot", "The sample portrait (it comes with matplotlib)") from None
    return Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
