"""How mien writes files (whole or not at all), hashes them, and where it keeps what it cached."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def cache_folder() -> Path:
    """Folder for what mien fetched or built: ``$MIEN_CACHE``, else ``$XDG_CACHE_HOME/mien``, else ``~/.cache/mien``.

    It is not created here.
    """
    if own := os.environ.get("MIEN_CACHE"):
        return Path(own)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "mien"


def sha256(path: Path) -> str:
    """Hash of a file, as 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def staged_file(path: Path) -> Iterator[Path]:
    """A temporary name beside ``path`` that takes its place only if the block succeeds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}.", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    stage = Path(name)
    try:
        yield stage
        stage.chmod(0o644)
        stage.replace(path)
    except BaseException:
        with suppress(OSError):
            stage.unlink()
        raise


@contextmanager
def staged_folder(folder: Path) -> Iterator[Path]:
    """A temporary sibling folder that takes the final name only if the block succeeds."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    stage = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        yield stage
        stage.chmod(0o755)
        stage.replace(folder)
    except BaseException:
        shutil.rmtree(stage, ignore_errors=True)
        raise


@contextmanager
def replaced_folder(folder: Path) -> Iterator[Path]:
    """The same, where a folder of that name may exist: it goes once the new one is whole."""
    folder = folder.resolve()  # what a link leads to is replaced, not the link
    aside = folder.with_name(f".{folder.name}.{os.getpid()}.old")
    try:
        with staged_folder(folder) as stage:
            yield stage
            if folder.exists():
                folder.replace(aside)
    except BaseException:
        if aside.exists():
            aside.replace(folder)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text through a temporary name."""
    with staged_file(path) as stage:
        stage.write_text(text, encoding="utf-8")
