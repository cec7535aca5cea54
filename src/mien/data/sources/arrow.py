"""Parquet files through pyarrow: batches of rows, and pyarrow's arrays as NumPy's and Python's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np

from mien.errors import DataError


@contextmanager
def damage(path: Path) -> Iterator[None]:
    """What pyarrow raises over a damaged file becomes a DataError."""
    import pyarrow as pa

    try:
        yield
    except (
        pa.ArrowException,
        OSError,
        ValueError,
        LookupError,
        TypeError,
        ArithmeticError,
        RuntimeError,
    ) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise DataError(
            f"{path} cannot be read as parquet ({reason})", "a whole parquet file", "Download it again."
        ) from error


def batches(path: Path, columns: list[str], rows: int) -> Iterator[Any]:
    """Record batches of a file.

    Args:
        path: The file.
        columns: The columns to read; ``image.path`` is the field of a struct.
        rows: Rows in a batch, at most.

    Raises:
        DataError: The file is damaged.
    """
    import pyarrow.parquet as pq

    # Buffered in advance, all that is asked for would be read at once.
    with (
        damage(path),
        path.open("rb") as stream,
        pq.ParquetFile(stream, buffer_size=1 << 20, pre_buffer=False) as found,
    ):
        yield from found.iter_batches(rows, columns=columns)


def field(column: Any, name: str) -> Any:
    """A field of a struct, null where the struct is."""
    import pyarrow.compute as pc

    return pc.struct_field(column, name)


def texts(column: Any, escaped: bool = False) -> list[str | None]:
    """Texts; bytes that are no UTF-8 are kept as Python keeps them in file names."""
    import pyarrow as pa

    values = column.cast(pa.large_binary()).to_pylist()
    texts = [None if v is None else v.decode("utf-8", "surrogateescape") for v in values]
    return [None if t is None else unquote(t, errors="surrogateescape") for t in texts] if escaped else texts


def integers(column: Any) -> np.ndarray:
    """(n,) int64, -1 for null; what is too large for it becomes negative."""
    import pyarrow as pa

    return np.asarray(column.cast(pa.int64(), safe=False).fill_null(-1).to_numpy(zero_copy_only=False))


def floats(column: Any) -> np.ndarray:
    """(n,) float64, NaN for null."""
    import pyarrow as pa

    return np.asarray(column.cast(pa.float64(), safe=False).fill_null(float("nan")).to_numpy(zero_copy_only=False))


def shown(value: Any) -> str:
    """A cell for an error message."""
    try:
        return repr(value.as_py())[:60]
    except ValueError:  # bytes that are no text
        return "text that is not UTF-8"
