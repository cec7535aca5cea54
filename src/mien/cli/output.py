"""Rows to a file: JSON Lines, CSV or Parquet by its suffix, with the same columns in each."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from mien.errors import MissingExtraError, OutputError

Row = Mapping[str, Any]
_PARQUET_ROWS = 2000


class _Format(Protocol):
    def write(self, rows: Sequence[Row]) -> None: ...
    def close(self) -> None: ...


class RowWriter:
    """Writes rows under a temporary name beside ``path`` and takes the final name when it is closed.

    Used as a context manager. Rows written before an error or an interrupt are kept: the file takes its name then too.

    Args:
        path: Ends in ``.jsonl``, ``.csv`` or ``.parquet``; an existing file is replaced at the end.
        columns: Column names in order, with their Python types (``str``, ``int``, ``float`` or ``bool``). A value may
            be None: ``null`` in JSON and Parquet, an empty cell in CSV.

    Raises:
        OutputError: Another suffix, or a folder that cannot be written.
        MissingExtraError: Parquet without pyarrow.
    """

    def __init__(self, path: Path, columns: Mapping[str, type]) -> None:
        self.path = path
        maker = _FORMATS.get(path.suffix.lower())
        if maker is None:
            raise OutputError(f"--out {path}: no such format", f"a name ending in {', '.join(_FORMATS)}")
        if path.is_dir():
            raise OutputError(f"--out {path} is a folder", "the name of a file")
        self._stage = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._format: _Format = maker(self._stage, columns)
        except OSError as error:
            raise OutputError(f"{path} cannot be written ({error.strerror})", "a folder you may write to") from error

    def write(self, rows: Sequence[Row]) -> None:
        """Append rows; each has the columns as its keys."""
        try:
            self._format.write(rows)
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> OutputError:
        return OutputError(
            f"{self.path} cannot be written ({error.strerror or error})",
            "room on the disk",
            f"What was written until then is in {self.path}",
        )

    def __enter__(self) -> RowWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            try:
                self._format.close()
            finally:
                self._stage.replace(self.path)
        except OSError as failed:  # a full disk shows here too, as the last rows are written
            if error is None:
                raise self._unwritable(failed) from failed


class _JsonLines:
    def __init__(self, path: Path, columns: Mapping[str, type]) -> None:
        self._columns, self._stream = tuple(columns), path.open("w", encoding="utf-8")

    def write(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self._stream.write(json.dumps({c: row[c] for c in self._columns}, ensure_ascii=False) + "\n")
        self._stream.flush()  # so that even kill -9 leaves what was done, under the temporary name

    def close(self) -> None:
        self._stream.close()


class _Csv:
    def __init__(self, path: Path, columns: Mapping[str, type]) -> None:
        self._stream = path.open("w", encoding="utf-8", newline="")
        self._writer = csv.DictWriter(self._stream, tuple(columns))
        self._writer.writeheader()

    def write(self, rows: Sequence[Row]) -> None:
        # JSON's spelling of truth, so that every reader agrees on the type of the column.
        self._writer.writerows(
            {k: str(v).lower() if isinstance(v, bool) else v for k, v in row.items()} for row in rows
        )
        self._stream.flush()

    def close(self) -> None:
        self._stream.close()


class _Parquet:
    def __init__(self, path: Path, columns: Mapping[str, type]) -> None:
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ImportError:
            raise MissingExtraError("pyarrow", "table", f"Writing {path.suffix} files") from None
        types = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
        self._table = pa.Table
        self._schema = pa.schema([(name, types[kind]) for name, kind in columns.items()])
        self._writer = pq.ParquetWriter(path, self._schema)
        self._rows: list[Row] = []

    def write(self, rows: Sequence[Row]) -> None:
        self._rows += rows
        if len(self._rows) >= _PARQUET_ROWS:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_table(self._table.from_pylist(self._rows, schema=self._schema))
            self._rows = []

    def close(self) -> None:
        self._flush()
        self._writer.close()


_FORMATS: dict[str, Callable[[Path, Mapping[str, type]], _Format]] = {
    ".jsonl": _JsonLines,
    ".csv": _Csv,
    ".parquet": _Parquet,
}
