"""Pictures from files or bytes. This is the only place where they are decoded; ``headers`` looks at the bytes first."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from mien.errors import ImageError
from mien.faces import to_gray
from mien.headers import COPY_AGAIN, FORMATS, MAX_PIXELS, Header, format_of, read_header

__all__ = [
    "FORMATS",
    "MAX_BYTES",
    "MAX_PIXELS",
    "SUFFIXES",
    "contents",
    "decode_gray",
    "read_gray",
    "read_image",
    "silence",
]

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
    return _read(source, name, _decode_bgr)


def read_gray(source: str | os.PathLike[str] | bytes, name: str | None = None) -> np.ndarray:
    """Read a picture in gray: ``to_gray(read_image(source))``, but quicker where it is stored so.

    Args:
        source: As in ``read_image``.
        name: As in ``read_image``.

    Returns:
        (h, w) uint8 luma.

    Raises:
        ImageError: As in ``read_image``.
    """
    return _read(source, name, decode_gray)


def decode_gray(data: bytes) -> np.ndarray:
    """``read_gray`` of the contents of a file, for many files within one ``silence``.

    Raises:
        ImageError: As in ``read_image``, with a text that does not name the file.
    """
    image = _upright(*_pixels(data, gray=True))
    return image if image.ndim == 2 else to_gray(image)


def _decode_bgr(data: bytes) -> np.ndarray:
    pixels, orientation = _pixels(data)
    bgr = cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR) if pixels.ndim == 2 else pixels
    return np.ascontiguousarray(_upright(bgr, orientation))


def _read(
    source: str | os.PathLike[str] | bytes, name: str | None, decode: Callable[[bytes], np.ndarray]
) -> np.ndarray:
    try:
        data = source if isinstance(source, bytes) else contents(source)
        with silence():
            return decode(data)
    except ImageError as error:
        if name is None:
            name = "the picture" if isinstance(source, bytes) else os.fsdecode(source)
        raise ImageError(f"{name}: {error.came}", error.expected, error.remedy) from error.__cause__


def contents(path: str | os.PathLike[str]) -> bytes:
    """Bytes of a file that begins like a picture.

    Raises:
        ImageError: There is no such file, it cannot be read, is no picture, or is larger than ``MAX_BYTES``; with a
            text that does not name it.
    """
    # OpenCV's own reader fails on some names on Windows, and Python's takes three times as long for a small file.
    try:
        file = os.open(path, _READ)
        try:
            data = os.read(file, _FIRST_BYTES)
            if more := os.read(file, _FIRST_BYTES):
                data = _all_of(file, data, more)
        finally:
            os.close(file)
    except FileNotFoundError:
        raise ImageError("there is no such file", "a picture", "Check the spelling.") from None
    except IsADirectoryError:
        raise ImageError("this is a folder", "a picture", "Give a folder to: mien analyze FOLDER") from None
    except PermissionError as error:
        what = "this is a folder" if Path(path).is_dir() else "reading it is not permitted"  # Windows mixes them up
        raise ImageError(what, "a picture that can be read", "Change its permissions.") from error
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        raise ImageError(f"it cannot be read ({error})", "a picture", "Copy it to a local disk first.") from error
    if len(data) > MAX_BYTES:
        raise ImageError(f"the file is larger than {MAX_BYTES:,} bytes", "a picture", "Make the picture smaller first.")
    return data


# Enough for most small pictures, and little enough to allocate for each.
_FIRST_BYTES = 1 << 15
_READ = os.O_RDONLY | getattr(os, "O_BINARY", 0)  # Windows would read text


def _all_of(file: int, first: bytes, more: bytes) -> bytes:
    """What is in an open file, up to a little more than ``MAX_BYTES``; what is no picture is not read further."""
    parts, length, known = [first], len(first), False
    while more and length <= MAX_BYTES:
        parts.append(more)
        length += len(more)
        if not known and length >= 64:  # a pipe may give a few bytes at a time
            format_of(b"".join(parts))
            known = True
        more = os.read(file, 1 << 20)
    return b"".join(parts)


_BYTE = np.dtype(np.uint8)  # comparing with the type itself takes ten times as long


def _pixels(data: bytes, gray: bool = False) -> tuple[np.ndarray, int]:
    """What is stored: (h, w) gray or (h, w, 3) BGR, uint8; and the EXIF orientation that is still to be undone.

    Args:
        data: The whole file.
        gray: Gray is enough where that is how it is stored, and gives the same values.
    """
    header = read_header(data)
    pixels = _decoded(header, gray and header.gray)
    if pixels.ndim == 2 and pixels.dtype == _BYTE and not header.peak:  # small gray files come by the thousand
        return pixels, header.orientation
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    if pixels.dtype not in (np.uint8, np.uint16) or channels not in (1, 3, 4):
        raise ImageError(
            f"the {header.format} has {channels} channels of type {pixels.dtype}",
            "gray or colour in 8 or 16 bits",
            "Convert it to JPEG or PNG.",
        )
    # libtiff multiplies the colours of 8-bit TIFF pictures by their alpha, and no others.
    premultiplied = header.format == "TIFF" and pixels.dtype == np.uint8
    full = 255 if pixels.dtype == np.uint8 else 65535
    peak = header.peak if header.peak and header.peak <= full else full
    if full != 255 or peak != 255:
        pixels = cv2.convertScaleAbs(pixels, alpha=255 / peak)
    return _on_white(pixels, premultiplied) if channels == 4 else pixels, header.orientation


_GRAY = cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION
_COLOUR = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
_UNCHANGED = frozenset({"PNG", "GIF", "WebP", "TIFF", "PNM"})


def _decoded(header: Header, gray: bool) -> np.ndarray:
    # UNCHANGED keeps 16 bits and alpha, and leaves the orientation alone. It would not bring AVIF of 10 bits to a known
    # range, and the fourth channel of a BMP is more often padding than alpha.
    flags = _GRAY if gray else cv2.IMREAD_UNCHANGED if header.format in _UNCHANGED else _COLOUR
    pixels: np.ndarray | None = None
    reason = ""
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
    return pixels


def _on_white(pixels: np.ndarray, premultiplied: bool) -> np.ndarray:
    """(h, w, 4) uint8 BGRA → (h, w, 3) BGR."""
    bgr, alpha = pixels[..., :3], pixels[..., 3:]
    if premultiplied:
        return cv2.add(bgr, np.repeat(255 - alpha, 3, axis=2))
    if alpha.min() == 255:
        return bgr
    wide = alpha.astype(np.uint16)
    return ((bgr * wide + 255 * (255 - wide) + 127) // 255).astype(np.uint8)  # at most 255² + 127: fits 16 bits


def _upright(image: np.ndarray, orientation: int) -> np.ndarray:
    """Undo an EXIF orientation, 1 to 8."""
    if orientation == 1:
        return image
    if orientation >= 5:
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
def silence() -> Iterator[None]:
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
