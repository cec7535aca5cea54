"""Pictures from files, and files from the paths, folders and patterns that people type.

This is the only place where pictures are decoded. ``headers`` looks at the bytes first.
"""

from __future__ import annotations

import ctypes
import fnmatch
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from mien.errors import ImageError
from mien.inference.headers import COPY_AGAIN, FORMATS, MAX_PIXELS, Header, format_of, read_header

__all__ = ["FORMATS", "MAX_BYTES", "MAX_PIXELS", "SUFFIXES", "Found", "find_images", "read_image"]

# What 120 megapixels in 16 bits with alpha take, uncompressed. A file is not read further than this.
MAX_BYTES = 1 << 30
# File names that are taken for pictures in a folder, in lower case.
SUFFIXES = frozenset(
    {
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".png",
        ".gif",
        ".bmp",
        ".dib",
        ".webp",
        ".tif",
        ".tiff",
        ".avif",
        ".pbm",
        ".pgm",
        ".ppm",
        ".pnm",
    }
)


def read_image(source: str | os.PathLike[str] | bytes, name: str | None = None) -> np.ndarray:
    """Read a picture and turn it upright.

    EXIF orientation is applied. Of an animation the first frame is taken, of several pages the first. 16-bit pictures
    are divided by 257, so that white stays white. What is transparent is laid on white, except in BMP, AVIF and gray
    TIFF, where OpenCV gives no usable alpha and it is ignored.

    Args:
        source: Path of a file, or the contents of one.
        name: What error messages call it; the path where it is not given.

    Returns:
        (h, w, 3) uint8 in **BGR** order.

    Raises:
        ImageError: It cannot be read, is no picture, is cut off or damaged, or declares more than ``MAX_PIXELS``.
    """
    if name is None:
        name = "the picture" if isinstance(source, bytes) else os.fsdecode(source)
    try:
        data = source if isinstance(source, bytes) else _contents(Path(source))
        return _decoded(read_header(data))
    except ImageError as error:
        raise ImageError(f"{name}: {error.came}", error.expected, error.remedy) from error.__cause__


def _contents(path: Path) -> bytes:
    """Bytes of a file that begins like a picture. OpenCV's own reader fails on some names on Windows."""
    try:
        with path.open("rb") as stream:
            head = stream.read(64)
            format_of(head)
            data = head + stream.read(MAX_BYTES)
    except FileNotFoundError:
        raise ImageError("there is no such file", "a picture", "Check the spelling.") from None
    except IsADirectoryError:
        raise ImageError("this is a folder", "a picture", "Give a folder to: mien analyze FOLDER") from None
    except PermissionError as error:
        what = "this is a folder" if path.is_dir() else "reading it is not permitted"  # Windows mixes them up
        raise ImageError(what, "a picture that can be read", "Change its permissions.") from error
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        raise ImageError(f"it cannot be read ({error})", "a picture", "Copy it to a local disk first.") from error
    if len(data) > MAX_BYTES:
        raise ImageError(f"the file is larger than {MAX_BYTES:,} bytes", "a picture", "Make the picture smaller first.")
    return data


def _decoded(header: Header) -> np.ndarray:
    # UNCHANGED keeps 16 bits and alpha, and leaves the orientation alone. It would not bring AVIF of 10 bits to a known
    # range, and the fourth channel of a BMP is more often padding than alpha.
    whole = header.format in ("PNG", "GIF", "WebP", "TIFF", "PNM")
    flags = cv2.IMREAD_UNCHANGED if whole else cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    pixels: np.ndarray | None = None
    reason = ""
    with _silence():
        try:
            pixels = cv2.imdecode(np.frombuffer(header.content, np.uint8), flags)
        except cv2.error as error:
            reason = f" ({error.err or error})"
    if pixels is None:
        raise ImageError(
            f"OpenCV {cv2.__version__} cannot decode this {header.format} of {header.width}×"
            f"{header.height} pixels{reason}",
            "a whole, ordinary picture",
            f"It may be cut off or damaged: {COPY_AGAIN[0].lower()}{COPY_AGAIN[1:-1]}, or convert it to JPEG or PNG.",
        )
    bgr = _to_bgr(pixels, header)
    return np.ascontiguousarray(_upright(bgr, header.orientation))


def _to_bgr(pixels: np.ndarray, header: Header) -> np.ndarray:
    """(h, w), (h, w, 3) BGR or (h, w, 4) BGRA of 8 or 16 bits → (h, w, 3) uint8 BGR."""
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    if pixels.dtype not in (np.uint8, np.uint16) or channels not in (1, 3, 4):
        raise ImageError(
            f"the {header.format} has {channels} channels of type {pixels.dtype}",
            "gray or colour in 8 or 16 bits",
            "Convert it to JPEG or PNG.",
        )
    # libtiff multiplies the colours of 8-bit TIFF pictures by their alpha, and no others.
    premultiplied = header.format == "TIFF" and pixels.dtype == np.uint8
    full = int(np.iinfo(pixels.dtype).max)
    peak = header.peak if header.peak and header.peak <= full else full
    if full != 255 or peak != 255:
        pixels = cv2.convertScaleAbs(pixels, alpha=255 / peak)
    if channels == 1:
        return cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR)
    if channels == 3:
        return pixels
    bgr, alpha = pixels[..., :3], pixels[..., 3:]
    if premultiplied:
        return cv2.add(bgr, np.repeat(255 - alpha, 3, axis=2))
    if alpha.min() == 255:
        return bgr
    wide = alpha.astype(np.uint16)
    return ((bgr * wide + 255 * (255 - wide) + 127) // 255).astype(np.uint8)  # at most 255² + 127: fits 16 bits


def _upright(image: np.ndarray, orientation: int) -> np.ndarray:
    """Undo an EXIF orientation, 1 to 8."""
    if orientation in (5, 6, 7, 8):
        image = cv2.transpose(image)
    # After that, what is left of each is a flip: 0 over the horizontal axis, 1 over the vertical, -1 over both.
    flip = {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}.get(orientation)
    return image if flip is None else cv2.flip(image, flip)


class _Silenced:
    """How many decodings are running, and what to put back after the last."""

    lock = threading.Lock()
    running = 0
    level = 0
    stream: int | None = None


@contextmanager
def _silence() -> Iterator[None]:
    """Keep what decoders print from the user: OpenCV's log, and what libjpeg and libpng write to C's ``stderr``.

    Pointing file descriptor 2 elsewhere would also swallow what other threads write meanwhile, such as a progress bar.
    Setting C's variable does not: Python writes to the descriptor. Threads may decode at the same time.
    """
    with _Silenced.lock:
        _Silenced.running += 1
        if _Silenced.running == 1:
            _Silenced.level = cv2.utils.logging.getLogLevel()
            cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
            if streams := _c_streams():
                _Silenced.stream, streams[0].value = streams[0].value, streams[1]
    try:
        yield
    finally:
        with _Silenced.lock:
            _Silenced.running -= 1
            if not _Silenced.running:
                cv2.utils.logging.setLogLevel(_Silenced.level)
                if streams := _c_streams():
                    streams[0].value = _Silenced.stream


@cache
def _c_streams() -> tuple[ctypes.c_void_p, int] | None:
    """C's variable ``stderr`` and an open null device; None where the variable is not known to be writable.

    The GNU C library documents that it may be set. In others (musl) it lies in read-only memory, so there the few
    warnings of libjpeg pass through.
    """
    try:
        if not (os.confstr("CS_GNU_LIBC_VERSION") or "").startswith("glibc"):
            return None
        library = ctypes.CDLL(None)
        library.fopen.restype = ctypes.c_void_p
        null = library.fopen(os.fsencode(os.devnull), b"w")
        return (ctypes.c_void_p.in_dll(library, "stderr"), null) if null else None
    except (AttributeError, ValueError, OSError):  # no confstr on Windows; no such name elsewhere
        return None


@dataclass(frozen=True, slots=True)
class Found:
    """One file to read, or one thing that led to none.

    Attributes:
        path: The file; or the folder, path or pattern that led to none.
        error: Why there is no file; None where there is one.
    """

    path: Path
    error: str | None = None


def find_images(paths: Sequence[str | os.PathLike[str]]) -> Iterator[Found]:
    """Expand files, folders and patterns, in the order given, without yielding a path twice.

    A file is yielded whatever its name. Of a folder, the files with a suffix in ``SUFFIXES`` (in either case) are
    yielded, sorted, and then those of its sub-folders; names that begin with a dot are left out, and a folder that was
    walked already is not walked again, so links may form loops. A pattern (``*``, ``?``, ``[…]``, and ``**`` for any
    number of folders) stands for the folders and files that it matches: those with a suffix in ``SUFFIXES``, unless it
    spells out a suffix itself (``*.dat``). A path that exists is never read as a pattern. What leads to no file is
    yielded with an error.

    Held in memory are the names in one folder at a time, and the files that were given or matched one by one.
    """
    search = _Search(set(), set())
    for given in paths:
        text = os.fspath(given)
        if not text:
            yield Found(Path(text), "an empty path; expected a file, a folder or a pattern")
        elif os.path.lexists(text):
            yield from search.expand(Path(text))
        elif _has_wildcard(text):
            yield from search.expand_pattern(Path(text))
        else:
            yield Found(Path(text), f"{text}: there is no such file or folder")


# Device and number of a folder, links followed; None where it cannot be asked.
_Identity = tuple[int, int] | None


@dataclass
class _Search:
    """What was met so far.

    Attributes:
        files: Files that were given or matched, by folder and name.
        folders: Folders that were walked.
    """

    files: set[tuple[_Identity, str]]
    folders: set[_Identity]

    def expand(self, path: Path) -> Iterator[Found]:
        """A path that exists."""
        if not _is_folder(path):
            yield from self.file(path)
            return
        empty = True
        for found in self.walk(path):
            empty = False
            if found is not None:
                yield found
        if empty:
            yield Found(
                path,
                f"{path}: there are no pictures in this folder; expected files named {', '.join(sorted(SUFFIXES))}",
            )

    def expand_pattern(self, pattern: Path) -> Iterator[Found]:
        """A path with wildcards in it."""
        spelt_out = bool(pattern.suffix) and not _has_wildcard(pattern.suffix)
        anchor = Path(pattern.anchor)
        empty = True
        for path in _matches(anchor, pattern.relative_to(anchor).parts):
            if _is_folder(path):
                for found in self.walk(path):
                    empty = False
                    if found is not None:
                        yield found
            elif spelt_out or path.suffix.lower() in SUFFIXES:
                empty = False
                yield from self.file(path)
        if empty:
            yield Found(pattern, f"{pattern}: this pattern matches no picture")

    def file(self, path: Path) -> Iterator[Found]:
        """A file, unless it was met."""
        folder = _identity(path.parent)
        key = (folder, path.name if folder else str(path))
        if key not in self.files and not (folder in self.folders and _is_picture(path.name)):
            self.files.add(key)
            yield Found(path)

    def walk(self, top: Path) -> Iterator[Found | None]:
        """Pictures in a folder and below; None stands for one, or for a folder, that was met before."""
        pending = [top]
        while pending:
            folder = pending.pop()
            identity = _identity(folder)
            if identity in self.folders:
                yield None
                continue
            try:
                folders, names = _listed(folder)
            except OSError as error:
                yield Found(folder, f"{folder}: the folder cannot be read ({error.strerror})")
                continue
            if identity:
                self.folders.add(identity)
            for name in names:
                yield None if (identity, name) in self.files else Found(folder / name)
            pending += [folder / name for name in reversed(folders)]


def _has_wildcard(text: str) -> bool:
    return any(c in text for c in "*?[")


def _is_picture(name: str) -> bool:
    return not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES


def _is_folder(entry: Path | os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself, or one to where reading is not permitted
        return False


def _identity(folder: Path) -> _Identity:
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _listed(folder: Path) -> tuple[list[str], list[str]]:
    """Names of sub-folders and of pictures in a folder, each sorted; a dead link counts as a file."""
    folders, names = [], []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if _is_folder(entry):
                folders.append(entry.name)
            elif _is_picture(entry.name) and (entry.is_symlink() or entry.is_file()):
                names.append(entry.name)
    return sorted(folders), sorted(names)


def _matches(folder: Path, parts: tuple[str, ...]) -> Iterator[Path]:
    """Paths under a folder that match the parts of a pattern, sorted folder by folder; ``**`` follows no links."""
    if not parts:
        yield folder
        return
    part, rest = parts[0], parts[1:]
    if not _has_wildcard(part):
        if os.path.lexists(folder / part):
            yield from _matches(folder / part, rest)
        return
    try:
        with os.scandir(folder) as entries:
            found = sorted(
                (e.name, _is_folder(e), e.is_symlink())
                for e in entries
                if part.startswith(".") or not e.name.startswith(".")
            )
    except OSError:
        return
    if part == "**":
        yield from _matches(folder, rest)
        for name, is_folder, is_link in found:
            if is_folder and not is_link:
                yield from _matches(folder / name, parts)
        return
    for name, is_folder, _ in found:
        if fnmatch.fnmatch(name, part) and (is_folder or not rest):
            yield from _matches(folder / name, rest)
