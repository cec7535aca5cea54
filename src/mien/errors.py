"""The exception tree. Every error that mien raises on purpose is one of these.

    MienError
    ├── ImageError        a picture that cannot be read: unreadable, truncated, too large, wrong shape
    ├── VideoError        a camera, a video file or a window that cannot be opened
    ├── DataError         a data set with something wrong in it; names the file and the row
    ├── RecipeError       a recipe with an unknown field, a wrong type or an impossible value
    ├── TrainingError     a training that cannot go on: it diverged, or its checkpoint cannot be written
    ├── BundleError       a model bundle that is missing, damaged, altered, or made for other labels
    ├── ExportError       a network whose ONNX scores differ from torch's
    ├── StudyError        a study that is missing or damaged, or names what there is not
    ├── OutputError       a result file that cannot be written
    ├── FetchError        a download that failed or has the wrong contents
    └── MissingExtraError a package of an optional extra is needed and absent

Each message has three parts: what came, what was expected, and what to do about it.
"""

from __future__ import annotations


class MienError(Exception):
    """Base of mien's errors.

    Args:
        came: What was found, naming the file, row or value.
        expected: What would have been right; optional.
        remedy: What the reader can do or type; optional.
    """

    def __init__(self, came: str, expected: str = "", remedy: str = "") -> None:
        self.came, self.expected, self.remedy = came, expected, remedy
        parts = [came] + ([f"expected {expected}"] if expected else [])
        super().__init__("; ".join(parts) + (f". {remedy}" if remedy else ""))

    def __reduce__(self) -> tuple[type[MienError], tuple[str, str, str]]:
        """Keep the three parts when an error crosses to another process."""
        return type(self), (self.came, self.expected, self.remedy)


class ImageError(MienError):
    """A picture that cannot be read."""


class VideoError(MienError):
    """A camera, a video file or a window that cannot be opened."""


class DataError(MienError):
    """A data set with something wrong in it."""


class RecipeError(MienError):
    """A recipe that cannot be run as written."""


class TrainingError(MienError):
    """A training that cannot go on; its last checkpoint is whole."""


class BundleError(MienError):
    """A model bundle that cannot be trusted or used."""


class ExportError(MienError):
    """A network that cannot be turned into a bundle."""


class StudyError(MienError):
    """A study that cannot be run or shown as written."""


class OutputError(MienError):
    """A result file that cannot be written."""


class FetchError(MienError):
    """A download that failed or has the wrong contents."""


class MissingExtraError(MienError):
    """A package of an optional extra is needed and absent.

    Args:
        package: The import that failed, for example ``pyarrow``.
        extra: The extra that brings it, for example ``table``.
        purpose: What it was needed for.
    """

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        self.package, self.extra, self.purpose = package, extra, purpose
        super().__init__(
            f"{purpose} needs the package {package}, which is not installed",
            remedy=f"Install it with: pip install 'mien[{extra}]'",
        )

    def __reduce__(self):  # type: ignore[no-untyped-def]
        return type(self), (self.package, self.extra, self.purpose)
