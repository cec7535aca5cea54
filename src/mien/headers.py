"""What a picture file says about itself, read from its bytes before anything is decoded.

A decoder cannot be trusted with these questions: some return a half-gray picture for a file that was cut off, and all
of them first allocate what the header declares. So the declared size, the end of the file and the orientation are read
here, and only bytes that passed go on to ``images``.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable, Iterator
from types import MappingProxyType
from typing import NamedTuple

from mien.errors import ImageError

# Pixels that a header may declare. Lets the cameras of 102 and 108 megapixels through; 360 MB as 8-bit BGR.
MAX_PIXELS = 120_000_000
# libjpeg-turbo's own advice against progressive files made to take hours.
MAX_SCANS = 500
FORMATS = "JPEG, PNG, GIF, BMP, WebP, TIFF, AVIF or PNM"
COPY_AGAIN = "Copy or download the file again."

_WIDTH, _HEIGHT, _ORIENTATION = 256, 257, 274  # tags of TIFF and EXIF


class Header(NamedTuple):
    """A picture before decoding.

    Attributes:
        format: For example ``JPEG``.
        width: As stored, before it is turned upright.
        height: The same.
        content: The bytes to decode: what is not needed for the pixels may be left out.
        orientation: EXIF number 1 to 8 that is still to be applied after decoding.
        peak: Value of white in the decoded pixels where it is not the largest of their type.
        gray: Known to have one channel, without alpha. Not said of every picture that has.
    """

    format: str
    width: int
    height: int
    content: bytes
    orientation: int = 1
    peak: int | None = None
    gray: bool = False


def read_header(data: bytes) -> Header:
    """Read the header and, where the format allows it, check that the file is whole.

    Args:
        data: The whole file.

    Raises:
        ImageError: Not a format that mien reads, cut off, damaged, or larger than ``MAX_PIXELS``. Its text does not
            name the file, which is not known here.
    """
    name = format_of(data)
    try:
        return _PARSERS[name](data)
    except (struct.error, IndexError):
        raise ImageError(f"the {name} header is cut off or damaged", "a whole file", COPY_AGAIN) from None


def format_of(head: bytes) -> str:
    """Name of the format, from at least the first 16 bytes of the file.

    Raises:
        ImageError: Not a format that mien reads.
    """
    if not head:
        raise ImageError("the file is empty (0 bytes)", "a picture", COPY_AGAIN)
    for name, pattern in _SIGNATURES.items():
        if pattern.match(head):
            return name
    if re.match(rb"....ftyp(hei|hev|mif1|msf1)", head, re.DOTALL):
        raise ImageError("this is a HEIC picture", FORMATS, "Convert it to JPEG; phones can also be set to save JPEG.")
    raise ImageError(
        f"not a picture that mien reads: it begins with {head[:16]!r}", FORMATS, "Convert it, or leave it out."
    )


_SIGNATURES = MappingProxyType(
    {
        "JPEG": re.compile(rb"\xff\xd8\xff"),
        "PNG": re.compile(rb"\x89PNG\r\n\x1a\n"),
        "GIF": re.compile(rb"GIF8[79]a"),
        "BMP": re.compile(rb"BM.{12}[\x0c-\x7c]\0", re.DOTALL),
        "WebP": re.compile(rb"RIFF....WEBP", re.DOTALL),
        "TIFF": re.compile(rb"II[*+]\0|MM\0[*+]"),
        "AVIF": re.compile(rb"....ftypavi[fs]", re.DOTALL),
        "PNM": re.compile(rb"P[1-6][\s#]"),
    }
)


def _checked(width: int, height: int) -> tuple[int, int]:
    if width < 1 or height < 1:
        raise ImageError(f"the header declares {width}×{height} pixels", "at least 1×1", COPY_AGAIN)
    if width * height > MAX_PIXELS:
        raise ImageError(
            f"the header declares {width}×{height} pixels ({width * height / 1e6:,.0f} megapixels)",
            f"at most {MAX_PIXELS / 1e6:,.0f} megapixels",
            "Make the picture smaller first.",
        )
    return width, height


def _cut_off(name: str, missing: str) -> ImageError:
    return ImageError(f"the {name} is cut off: {missing}", "a whole file", COPY_AGAIN)


def _jpeg(data: bytes) -> Header:
    """Walk from segment to segment to the end marker.

    Thumbnails lie inside a segment and so do not count, and neither does what follows the end (further pictures, which
    some cameras append).
    """
    at, scans, orientation, gray = 2, 0, 0, False
    size: tuple[int, int] | None = None
    last = len(data) - 1  # thousands of small pictures pass here: no search where the last segment ended at a marker
    while True:
        code = data[at + 1] if at < last and data[at] == 0xFF else 0
        if code not in _SEGMENTS:
            if (found := _MARKER.search(data, at)) is None:
                raise _cut_off("JPEG", "it has no end marker")
            at = found.start()
            code = data[at + 1]
            if code == 0xD9:
                break
            if code not in _SEGMENTS:  # stands alone, without a length
                at += 2
                continue
        end = at + 2 + (data[at + 2] << 8 | data[at + 3])
        if end > last + 1:
            raise _cut_off("JPEG", "it ends inside a segment")
        if code in _FRAMES:
            height, width = struct.unpack_from(">HH", data, at + 5)
            gray = data[at + 9] == 1 and (gray or size is None)
            size = _checked(width, height)
        elif code == 0xE1 and not orientation and data.startswith(b"Exif\0\0", at + 4):
            orientation = _orientation(data[at + 10 : end])
        elif code == 0xDA and (scans := scans + 1) > MAX_SCANS:
            raise ImageError(f"the JPEG has more than {MAX_SCANS} scans", "a photograph", "Leave it out.")
        at = end
    if size is None or not scans:
        raise ImageError("the JPEG has no picture in it", "a whole file", COPY_AGAIN)
    return Header("JPEG", size[0], size[1], data[: at + 2], orientation or 1, None, gray)


# The next JPEG marker; stuffed zeros, fill bytes and restart markers belong to the picture's data.
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
# Markers with a length after them, and those of them that declare the picture's size.
_SEGMENTS = frozenset(range(0x02, 0xFF)) - frozenset(range(0xD0, 0xDA))
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def _png(data: bytes) -> Header:
    """Walk and check all chunks; keep those that hold the picture.

    Colour profiles, texts and the frames of an animation are dropped: mien does not use them, and libpng prints
    warnings about many of them.
    """
    at, kind, orientation = 8, b"", 1
    kept = [data[:8]]
    size: tuple[int, int] | None = None
    view = memoryview(data)
    while kind != b"IEND":
        if at + 12 > len(data):
            raise _cut_off("PNG", "it has no end chunk")
        length, kind = _PNG_CHUNK(data, at)
        end = at + 12 + length
        if end > len(data):
            raise _cut_off("PNG", "it ends inside a chunk")
        if zlib.crc32(view[at + 4 : end - 4]).to_bytes(4, "big") != data[end - 4 : end]:
            raise ImageError("the PNG is damaged: a checksum does not match", "a whole file", COPY_AGAIN)
        if kind == b"IHDR":
            size = _checked(*struct.unpack_from(">II", data, at + 8))
        elif kind == b"eXIf":
            orientation = _orientation(data[at + 8 : end - 4])
        if kind in _PNG_KEPT:
            kept.append(data[at:end])
        at = end
    if size is None:
        raise ImageError("the PNG has no header chunk", "a whole file", COPY_AGAIN)
    return Header("PNG", *size, b"".join(kept), orientation)


_PNG_CHUNK = struct.Struct(">I4s").unpack_from
_PNG_KEPT = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})


def _gif(data: bytes) -> Header:
    return Header("GIF", *_checked(*struct.unpack_from("<HH", data, 6)), data)


def _bmp(data: bytes) -> Header:
    old = data[14] == 12  # OS/2
    width, height = struct.unpack_from("<HH" if old else "<ii", data, 18)
    return Header("BMP", *_checked(width, abs(height)), data)  # a negative height means top row first


def _webp(data: bytes) -> Header:
    (length,) = struct.unpack_from("<I", data, 4)
    if length + 8 > len(data):
        raise _cut_off("WebP", f"{len(data):,} of {length + 8:,} bytes are there")
    at, orientation = 12, 1
    size: tuple[int, int] | None = None
    while at + 8 <= length + 8:
        kind, span = struct.unpack_from("<4sI", data, at)
        found: tuple[int, int] | None = None
        if kind == b"VP8X":
            found = (
                1 + int.from_bytes(data[at + 12 : at + 15], "little"),
                1 + int.from_bytes(data[at + 15 : at + 18], "little"),
            )
        elif kind == b"VP8 ":
            width, height = struct.unpack_from("<HH", data, at + 14)
            found = width & 0x3FFF, height & 0x3FFF
        elif kind == b"VP8L":
            (bits,) = struct.unpack_from("<I", data, at + 9)
            found = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        elif kind == b"EXIF":
            orientation = _orientation(data[at + 8 : at + 8 + span].removeprefix(b"Exif\0\0"))
        if found:  # the first is the canvas, where there is one
            found = _checked(*found)
            size = size or found
        at += 8 + span + span % 2
    if size is None:
        raise ImageError("the WebP has no picture in it", "a whole file", COPY_AGAIN)
    return Header("WebP", *size, data, orientation)


def _tiff(data: bytes) -> Header:
    """The first page. OpenCV turns TIFF pictures upright itself, whatever it is asked."""
    tags = _tags(data)
    if _WIDTH not in tags or _HEIGHT not in tags:
        raise ImageError("the TIFF declares no size", "a whole file", COPY_AGAIN)
    return Header("TIFF", *_checked(tags[_WIDTH], tags[_HEIGHT]), data)


def _tags(tiff: bytes) -> dict[int, int]:
    """Whole-number tags of the first directory of a TIFF file or an EXIF block; as many as can be read.

    Of a tag that comes twice, the larger value counts, so that a second one cannot hide a size.
    """
    found: dict[int, int] = {}
    order = "<" if tiff.startswith(b"II") else ">"
    try:
        (version,) = struct.unpack_from(f"{order}H", tiff, 2)
        wide = version == 43  # BigTIFF
        (at,) = struct.unpack_from(f"{order}{'Q' if wide else 'I'}", tiff, 8 if wide else 4)
        (entries,) = struct.unpack_from(f"{order}{'Q' if wide else 'H'}", tiff, at)
        at += 8 if wide else 2
        for _ in range(min(entries, 4096)):
            tag, kind = struct.unpack_from(f"{order}HH", tiff, at)
            if code := _WHOLE_NUMBERS.get(kind):
                (value,) = struct.unpack_from(f"{order}{code}", tiff, at + (12 if wide else 8))
                found[tag] = max(value, found.get(tag, 0))
            at += 20 if wide else 12
    except (struct.error, OverflowError):
        pass
    return found


# Signed types are read as unsigned: a negative size is then refused as too large.
_WHOLE_NUMBERS = MappingProxyType({1: "B", 3: "H", 4: "I", 6: "B", 8: "H", 9: "I", 16: "Q", 17: "Q"})


def _orientation(exif: bytes) -> int:
    """EXIF orientation, 1 (as stored) where there is none or it makes no sense."""
    value = _tags(exif).get(_ORIENTATION, 1) if exif[:2] in (b"II", b"MM") else 1
    return value if 1 <= value <= 8 else 1


def _avif(data: bytes) -> Header:
    """AVIF has its own turn and mirror, which OpenCV does not apply; its EXIF orientation is to be ignored."""
    size: tuple[int, int] | None = None
    turn, mirror = 0, None
    for kind, at in _properties(data):
        if kind == b"ispe":  # one for each part of the picture: the largest is the whole
            found = _checked(*struct.unpack_from(">II", data, at + 4))
            size = max(size or found, found)
        elif kind == b"irot":
            turn = data[at] & 3
        elif kind == b"imir":
            mirror = data[at] & 1
    if size is None:
        raise ImageError("the AVIF declares no size", "a whole file", COPY_AGAIN)
    return Header("AVIF", *size, data, _AVIF_ORIENTATIONS[turn, mirror])


# (quarter turns to the left, mirror: 0 top and bottom, 1 left and right) → the same as an EXIF number.
_AVIF_ORIENTATIONS = MappingProxyType(
    {
        (0, None): 1,
        (1, None): 8,
        (2, None): 3,
        (3, None): 6,
        (0, 0): 4,
        (1, 0): 5,
        (2, 0): 2,
        (3, 0): 7,
        (0, 1): 2,
        (1, 1): 7,
        (2, 1): 4,
        (3, 1): 5,
    }
)


def _properties(data: bytes) -> Iterator[tuple[bytes, int]]:
    """Kind and start of each property of an AVIF picture: the boxes within meta, iprp, ipco."""
    at, end = 0, len(data)
    for wanted, skip in ((b"meta", 4), (b"iprp", 0), (b"ipco", 0)):
        inner = next(((a, b) for kind, a, b in _boxes(data, at, end) if kind == wanted), None)
        if inner is None:
            return
        at, end = inner[0] + skip, inner[1]
    for kind, start, _ in _boxes(data, at, end):
        yield kind, start


def _boxes(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of the contents of the boxes between two places."""
    while at + 8 <= end:
        length, kind = struct.unpack_from(">I4s", data, at)
        if length < 8:  # 0: to the end of the file; 1: longer than 4 GB; others make no sense
            return
        yield kind, at + 8, min(at + length, end)
        at += length


def _pnm(data: bytes) -> Header:
    """Portable bit, gray and pixel maps. OpenCV brings only the 8-bit ASCII ones and bit maps to the full range."""
    numbers = 2 if data[1:2] in b"14" else 3
    match = re.match(rb"P[1-6]" + rb"(?:\s|#[^\n]*\n)+(\d{1,9})" * numbers + rb"\s", data)
    if match is None:
        raise ImageError("the PNM header is cut off or damaged", "width, height and largest value", COPY_AGAIN)
    values = [int(v) for v in match.groups()]
    peak = values[2] if numbers == 3 and (data[1:2] in b"56" or values[2] > 255) else 255
    if not 1 <= peak <= 65535:
        raise ImageError(f"the PNM header gives {peak} as largest value", "1 to 65535", COPY_AGAIN)
    return Header("PNM", *_checked(values[0], values[1]), data, peak=peak)


_PARSERS: MappingProxyType[str, Callable[[bytes], Header]] = MappingProxyType(
    {
        "JPEG": _jpeg,
        "PNG": _png,
        "GIF": _gif,
        "BMP": _bmp,
        "WebP": _webp,
        "TIFF": _tiff,
        "AVIF": _avif,
        "PNM": _pnm,
    }
)
