"""Reading pictures: every kind of file that people have, and every kind of damage, gives BGR or an ImageError."""

from __future__ import annotations

import io
import os
import struct
import threading
import time
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from mien import images
from mien.errors import ImageError
from mien.faces import to_gray
from mien.headers import read_header
from mien.images import MAX_PIXELS, contents, decode_gray, read_gray, read_image, silence

WIDTH, HEIGHT = 40, 32
RED, BGR_RED = (200, 30, 60), [60, 30, 200]


def smooth(width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    """Random colours without sharp edges, so that JPEG keeps them."""
    coarse = np.random.default_rng(0).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    return Image.fromarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC))


def encode(picture: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def bgr_of(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture.convert("RGB"))[..., ::-1]


def png_of(pixels: np.ndarray) -> bytes:
    """Through OpenCV, for what Pillow cannot write: 16 bits with colour."""
    return bytes(cv2.imencode(".png", pixels)[1])


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def first_pixel(data: bytes) -> list[int]:
    return [int(v) for v in read_image(data)[0, 0]]


def assert_nothing_printed(capfd: pytest.CaptureFixture[str]) -> None:
    """Where C's ``stderr`` cannot be set (other than the GNU C library), libjpeg's warnings are known to pass."""
    printed = capfd.readouterr()
    assert printed == ("", "") or images._c_streams() is None


# A whole file of each kind.
WHOLE: dict[str, bytes] = {
    "jpeg": encode(smooth(), "JPEG", quality=95),
    "jpeg progressive": encode(smooth(), "JPEG", quality=95, progressive=True),
    "jpeg gray": encode(smooth().convert("L"), "JPEG", quality=95),
    "png": encode(smooth(), "PNG"),
    "png palette": encode(smooth().quantize(), "PNG"),
    "gif": encode(smooth().quantize(), "GIF"),
    "gif animated": encode(smooth().quantize(), "GIF", save_all=True, append_images=[smooth().rotate(90).quantize()]),
    "bmp": encode(smooth(), "BMP"),
    "webp": encode(smooth(), "WEBP", quality=95),
    "webp lossless": encode(smooth(), "WEBP", lossless=True),
    "webp animated": encode(smooth(), "WEBP", lossless=True, save_all=True, append_images=[smooth().rotate(90)]),
    "tiff": encode(smooth(), "TIFF"),
    "tiff lzw": encode(smooth(), "TIFF", compression="tiff_lzw"),
    "tiff big": encode(smooth(), "TIFF", big_tiff=True),
    "avif": encode(smooth(), "AVIF", quality=95),
    "ppm": encode(smooth(), "PPM"),
    "pgm": encode(smooth().convert("L"), "PPM"),
    "pbm": encode(smooth().convert("1"), "PPM"),
}


@pytest.mark.parametrize("kind", WHOLE)
def test_formats(kind: str, capfd: pytest.CaptureFixture[str]) -> None:
    image = read_image(WHOLE[kind])
    assert image.shape == (HEIGHT, WIDTH, 3)
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    difference = np.abs(image.astype(int) - bgr_of(Image.open(io.BytesIO(WHOLE[kind])))).mean()
    assert difference < 3  # lossy decoders differ a little
    assert_nothing_printed(capfd)


def test_channel_order_is_bgr() -> None:
    assert first_pixel(encode(Image.new("RGB", (4, 4), RED), "PNG")) == BGR_RED


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "AVIF", "PPM"])
def test_one_pixel(kind: str) -> None:
    assert read_image(encode(Image.new("RGB", (1, 1), RED), kind)).shape == (1, 1, 3)


# ---- what cannot be read


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"hello, this is a text\n" * 10, "not a picture"),
        (b"<!DOCTYPE html><html>", "not a picture"),
        (b"\0" * 5000, "not a picture"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC"),
        (b"\xff\xd8\xff", "cut off"),
        (b"\x89PNG\r\n\x1a\n", "cut off"),
        (b"GIF89a", "cut off"),
        (b"II*\0", "declares no size"),
        (b"P6\n2", "cut off"),
    ],
)
def test_not_a_picture(data: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "holiday photo.jpg"
    path.write_bytes(data)
    for source in (path, str(path)):
        with pytest.raises(ImageError, match=words) as caught:
            read_image(source)
        assert str(path) in str(caught.value)
        assert caught.value.expected
        assert caught.value.remedy


def test_name_in_the_message() -> None:
    with pytest.raises(ImageError, match=r"^upload 3: the file is empty"):
        read_image(b"", "upload 3")


def test_missing_folder_and_odd_paths(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no such file"):
        read_image(tmp_path / "none.jpg")
    with pytest.raises(ImageError, match="folder"):
        read_image(tmp_path)
    with pytest.raises(ImageError, match="cannot be read"):
        read_image("a\0b.jpg")


@pytest.mark.skipif(
    os.name == "nt" or (hasattr(os, "geteuid") and os.geteuid() == 0),
    reason="permissions do not bind the administrator; see the next test",
)
def test_permission(tmp_path: Path) -> None:
    path = tmp_path / "private.jpg"
    path.write_bytes(WHOLE["jpeg"])
    path.chmod(0)
    with pytest.raises(ImageError, match=r"private\.jpg: reading it is not permitted"):
        read_image(path)


def test_permission_error_is_an_image_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(ImageError, match="not permitted"):
        read_image(tmp_path / "private.jpg")


@pytest.mark.parametrize("name", ["two words.jpg", "Zoë – 笑顔.jpg", "photo[1].jpg", "no_suffix", "wrong.png"])
def test_file_names(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(WHOLE["jpeg"])
    assert read_image(path).shape == (HEIGHT, WIDTH, 3)


# ---- cut off or damaged


@pytest.mark.parametrize("kind", [k for k in WHOLE if k != "gif animated"])
@pytest.mark.parametrize("share", [0.3, 0.5, 0.9, 0.97])
def test_cut_off(kind: str, share: float, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ImageError):
        read_image(WHOLE[kind][: int(len(WHOLE[kind]) * share)])
    assert_nothing_printed(capfd)


@pytest.mark.parametrize("missing", [1, 2, 3, 50])
def test_jpeg_without_its_end(missing: int) -> None:
    with pytest.raises(ImageError, match="cut off"):
        read_image(WHOLE["jpeg"][:-missing])


def test_jpeg_filled_up_with_zeros() -> None:
    """What a download leaves that reserved its space and stopped."""
    half = WHOLE["jpeg"][: len(WHOLE["jpeg"]) // 2]
    with pytest.raises(ImageError, match="cut off"):
        read_image(half.ljust(len(WHOLE["jpeg"]), b"\0"))


def test_cut_off_jpeg_with_whole_thumbnail() -> None:
    """The thumbnail in the EXIF segment has an end marker of its own."""
    thumbnail = encode(smooth(8, 8), "JPEG")
    segment = b"\xff\xe1" + struct.pack(">H", 2 + 6 + len(thumbnail)) + b"Exif\0\0" + thumbnail
    whole = WHOLE["jpeg"][:2] + segment + WHOLE["jpeg"][2:]
    assert np.array_equal(read_image(whole), read_image(WHOLE["jpeg"]))
    with pytest.raises(ImageError, match="cut off"):
        read_image(whole[: len(whole) * 3 // 4])


def test_bytes_after_the_end() -> None:
    """Cameras append further pictures (MPF) and padding."""
    for kind in ("jpeg", "png"):
        for tail in (b"\0" * 100, b"\xff" * 7, WHOLE["jpeg"], WHOLE["jpeg"][:50]):
            assert np.array_equal(read_image(WHOLE[kind] + tail), read_image(WHOLE[kind]))


def test_damaged_jpeg_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    """libjpeg would print "Corrupt JPEG data" and go on."""
    data = bytearray(WHOLE["jpeg"])
    data[-200:-150] = b"\xff\xd4" * 25
    read_image(bytes(data))
    assert_nothing_printed(capfd)


def test_others_can_print_while_a_picture_is_decoded(capfd: pytest.CaptureFixture[str]) -> None:
    data = encode(smooth(2000, 1500), "PNG")
    reader = threading.Thread(target=lambda: [read_image(data) for _ in range(3)])
    reader.start()
    lines = 0
    while reader.is_alive():
        os.write(2, b"progress\n")
        lines += 1
    assert capfd.readouterr().err == "progress\n" * lines


def test_silence_ends(capfd: pytest.CaptureFixture[str]) -> None:
    level = cv2.utils.logging.getLogLevel()
    threads = [threading.Thread(target=lambda: [read_image(WHOLE["jpeg"]) for _ in range(20)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert cv2.utils.logging.getLogLevel() == level
    assert images._Silenced.running == 0
    capfd.readouterr()
    data = bytearray(WHOLE["jpeg"])
    data[-200:-150] = b"\xff\xd4" * 25
    cv2.imdecode(np.frombuffer(bytes(data), np.uint8), cv2.IMREAD_COLOR)
    assert "Corrupt JPEG data" in capfd.readouterr().err


def test_png_checksum_and_profile(capfd: pytest.CaptureFixture[str]) -> None:
    data = bytearray(WHOLE["png"])
    data[len(data) // 2] ^= 0xFF
    with pytest.raises(ImageError, match="checksum"):
        read_image(bytes(data))
    # A broken colour profile, for which libpng prints a warning.
    profiled = WHOLE["png"][:33] + chunk(b"iCCP", b"x\0\0" + zlib.compress(b"nothing")) + WHOLE["png"][33:]
    assert np.array_equal(read_image(profiled), read_image(WHOLE["png"]))
    # Whole by its checksums, but with too little picture in it.
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 500, 500, 8, 2, 0, 0, 0))
    short = WHOLE["png"][:8] + header + chunk(b"IDAT", zlib.compress(b"\0" * 90)) + chunk(b"IEND", b"")
    with pytest.raises(ImageError):
        read_image(short)
    assert_nothing_printed(capfd)


# ---- size


def huge(kind: str) -> bytes:
    """A whole small file whose header says 30,000 × 30,000."""
    side = 30_000
    small = bytearray(WHOLE[kind])
    if kind == "png":
        rows = zlib.compress(bytes((side // 8 + 1) * 1000))  # a little of a bomb
        return (
            WHOLE["png"][:8]
            + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0))
            + chunk(b"IDAT", rows)
            + chunk(b"IEND", b"")
        )
    if kind.startswith("jpeg"):
        at = small.index(b"\xff\xc2" if "progressive" in kind else b"\xff\xc0")
        struct.pack_into(">HH", small, at + 5, side, side)
    elif kind == "gif":
        struct.pack_into("<HH", small, 6, side, side)
    elif kind == "bmp":
        struct.pack_into("<ii", small, 18, side, -side)
    elif kind == "webp":  # the key frame's header; WebP ends at 16,383
        struct.pack_into("<HH", small, small.index(b"\x9d\x01\x2a") + 3, 16_383, 16_383)
    elif kind == "webp lossless":
        struct.pack_into("<I", small, small.index(b"VP8L") + 9, 0x3FFF | 0x3FFF << 14)
    elif kind == "webp animated":
        at = small.index(b"VP8X") + 12
        small[at : at + 6] = (side - 1).to_bytes(3, "little") * 2
    elif kind.startswith("tiff"):
        return encode_tiff_header(side, big="big" in kind)
    elif kind == "avif":
        struct.pack_into(">II", small, small.index(b"ispe") + 8, side, side)
    elif kind == "ppm":
        return b"P6 # comment\n30000\n30000 255\n" + bytes(100)
    return bytes(small)


def encode_tiff_header(side: int, big: bool) -> bytes:
    entries = [(256, 4, side), (257, 4, side), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 200), (279, 4, 100)]
    if big:
        head = b"II+\0" + struct.pack("<HHQQ", 8, 0, 16, len(entries))
        return head + b"".join(struct.pack("<HHQQ", t, k, 1, v) for t, k, v in entries) + bytes(200)
    head = b"II*\0" + struct.pack("<IH", 8, len(entries))
    return head + b"".join(struct.pack("<HHII", t, k, 1, v) for t, k, v in entries) + bytes(200)


@pytest.mark.parametrize(
    "kind",
    [
        "png",
        "jpeg",
        "jpeg progressive",
        "gif",
        "bmp",
        "webp",
        "webp lossless",
        "webp animated",
        "tiff",
        "tiff big",
        "avif",
        "ppm",
    ],
)
def test_declared_size_is_refused_before_decoding(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def decode(*_: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(cv2, "imdecode", decode)
    with pytest.raises(ImageError, match="megapixels"):
        read_image(huge(kind))


def test_limit() -> None:
    def declared(width: int, height: int) -> bytes:
        return b"P5 %d %d 255\n" % (width, height)

    with pytest.raises(ImageError, match="cannot decode"):
        read_image(declared(12_000, MAX_PIXELS // 12_000))
    with pytest.raises(ImageError, match="megapixels"):
        read_image(declared(12_000, MAX_PIXELS // 12_000 + 1))
    with pytest.raises(ImageError, match="0×5"):
        read_image(declared(0, 5))


def test_file_is_not_read_further_than_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MAX_BYTES", 1000)
    path = tmp_path / "long.jpg"
    path.write_bytes(WHOLE["jpeg"] + bytes(1000))
    with pytest.raises(ImageError, match="larger than 1,000 bytes"):
        read_image(path)


def test_too_many_scans() -> None:
    scan = b"\xff\xda\0\x08\1\1\0\0\x3f\0\0"
    with pytest.raises(ImageError, match="scans"):
        read_image(WHOLE["jpeg"][:-2] + scan * 600 + b"\xff\xd9")


# ---- depth, alpha, colour


def test_sixteen_bits_are_scaled() -> None:
    """÷ 257, rounded: neither cut at 255 nor shifted by 8 bits (which would give 234, 1, 1)."""
    assert first_pixel(png_of(np.full((4, 4, 3), (60_000, 300, 65_535), np.uint16))) == [233, 1, 255]
    assert first_pixel(png_of(np.full((4, 4), 60_000, np.uint16))) == [233] * 3
    tiff = bytes(cv2.imencode(".tiff", np.full((4, 4, 3), (60_000, 300, 65_535), np.uint16))[1])
    assert first_pixel(tiff) == [233, 1, 255]


def test_alpha_is_laid_on_white() -> None:
    half = Image.new("RGBA", (4, 4), (100, 50, 20, 128))
    on_white = [137, 152, 177]
    for data in (encode(half, "PNG"), encode(half, "WEBP", lossless=True), encode(half, "TIFF")):
        assert first_pixel(data) == pytest.approx(on_white, abs=1)
    clear = Image.new("RGBA", (4, 4), (100, 50, 20, 0))
    assert first_pixel(encode(clear, "PNG")) == [255] * 3
    solid = Image.new("RGBA", (4, 4), (100, 50, 20, 255))
    assert first_pixel(encode(solid, "PNG")) == [20, 50, 100]
    for suffix in (".png", ".tiff"):
        sixteen = np.full((4, 4, 4), (20 * 257, 50 * 257, 100 * 257, 128 * 257), np.uint16)
        assert first_pixel(bytes(cv2.imencode(suffix, sixteen)[1])) == pytest.approx(on_white, abs=1)


def test_small_kinds_of_png() -> None:
    assert first_pixel(encode(Image.new("1", (4, 4), 1), "PNG")) == [255] * 3
    assert first_pixel(encode(Image.new("1", (4, 4), 0), "PNG")) == [0] * 3
    assert first_pixel(encode(Image.new("LA", (4, 4), (100, 128)), "PNG")) == pytest.approx([177] * 3, abs=1)
    palette = Image.new("P", (4, 4), 0)
    palette.putpalette([*RED, 0, 0, 0])
    palette.putpixel((0, 0), 1)
    for kind in ("PNG", "GIF"):
        image = read_image(encode(palette, kind, transparency=1))
        assert image[0, 0].tolist() == [255] * 3
        assert image[1, 1].tolist() == BGR_RED


def test_first_frame() -> None:
    frames = [Image.new("RGB", (4, 4), RED), Image.new("RGB", (4, 4), (0, 255, 60))]
    for kind in ("GIF", "PNG", "WEBP"):
        options = {"lossless": True} if kind == "WEBP" else {}
        data = encode(frames[0], kind, save_all=True, append_images=frames[1:], **options)
        assert first_pixel(data) == BGR_RED
    assert first_pixel(encode(frames[0], "TIFF", save_all=True, append_images=frames[1:])) == BGR_RED


@pytest.mark.parametrize("colour", [RED, (255, 255, 255), (0, 0, 0), (10, 200, 90)])
def test_cmyk_is_not_inverted(colour: tuple[int, int, int]) -> None:
    cmyk = Image.new("RGB", (16, 16), colour).convert("CMYK")
    for kind in ("JPEG", "TIFF"):
        options = {"quality": 95} if kind == "JPEG" else {}
        assert first_pixel(encode(cmyk, kind, **options)) == pytest.approx(list(colour[::-1]), abs=3)


def test_pnm_range() -> None:
    assert read_image(b"P5 2 1 1023\n" + struct.pack(">HH", 1023, 512))[0, :, 0].tolist() == [255, 128]
    assert read_image(b"P5\n#c\n2 1 100\n" + bytes([100, 50]))[0, :, 0].tolist() == [255, 128]
    assert read_image(b"P2 2 1 100\n100 50\n")[0, :, 0].tolist() == pytest.approx([255, 127], abs=1)
    assert read_image(b"P1 2 1\n0 1\n")[0, :, 0].tolist() == [255, 0]


def test_floating_point_is_refused() -> None:
    with pytest.raises(ImageError, match="float32"):
        read_image(bytes(cv2.imencode(".tiff", np.full((4, 4), 0.5, np.float32))[1]))


# ---- orientation


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "PNG alpha", "WEBP", "TIFF", "TIFF 16", "AVIF"])
def test_upright(kind: str, orientation: int) -> None:
    picture = smooth()
    exif = Image.Exif()
    exif[0x0112] = orientation
    options: dict[str, Any] = {"exif": exif}
    if kind.startswith("TIFF"):
        options = {"tiffinfo": {0x0112: orientation}}
    elif kind == "PNG alpha":
        picture.putalpha(255)
    elif kind in ("WEBP", "AVIF"):
        options |= {"quality": 95}
    if kind == "TIFF 16":
        picture = Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257)
    data = encode(picture, kind.split()[0], **options)
    tagged = (smooth().convert("L") if kind == "TIFF 16" else smooth()).convert("RGB")
    tagged.getexif()[0x0112] = orientation
    expected = bgr_of(ImageOps.exif_transpose(tagged)).astype(int)
    image = read_image(data)
    assert image.shape == expected.shape
    assert np.abs(image - expected).mean() < 6


@pytest.mark.parametrize("order", ["<", ">"])
def test_exif_byte_order_and_nonsense(order: str) -> None:
    def with_exif(block: bytes) -> bytes:
        segment = b"\xff\xe1" + struct.pack(">H", 8 + len(block)) + b"Exif\0\0" + block
        return WHOLE["jpeg"][:2] + segment + WHOLE["jpeg"][2:]

    def block(value: int) -> bytes:
        mark = b"II" if order == "<" else b"MM"
        return mark + struct.pack(f"{order}HIHHHIHH", 42, 8, 1, 0x0112, 3, 1, value, 0)

    assert read_image(with_exif(block(6))).shape == (WIDTH, HEIGHT, 3)
    for odd in (block(0), block(9), block(65_535), block(6)[:-9], block(6)[:5], b"", b"XX"):
        assert read_image(with_exif(odd)).shape == (HEIGHT, WIDTH, 3)


def test_what_opencv_does_by_itself() -> None:
    """The reason why orientation is applied here: OpenCV's own depends on the flags, and those on alpha and depth."""
    exif = Image.Exif()
    exif[0x0112] = 6
    data = np.frombuffer(encode(smooth(), "JPEG", exif=exif), np.uint8)
    assert cv2.imdecode(data, cv2.IMREAD_COLOR).shape == (WIDTH, HEIGHT, 3)
    assert cv2.imdecode(data, cv2.IMREAD_UNCHANGED).shape == (HEIGHT, WIDTH, 3)


# ---- gray


def oriented(picture: Image.Image, kind: str, orientation: int, **options: Any) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    if kind == "TIFF":
        return encode(picture, kind, tiffinfo={0x0112: orientation}, **options)
    return encode(picture, kind, exif=exif, **options)


def kinds_of_pictures() -> dict[str, bytes]:
    """Whatever the other tests read, and gray of every kind that can be written."""
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16))
    clear = smooth()
    clear.putalpha(Image.fromarray(np.linspace(0, 255, WIDTH * HEIGHT).reshape(HEIGHT, WIDTH).astype(np.uint8)))
    deep = np.random.default_rng(5).integers(0, 65_536, (9, 11, 4), dtype=np.uint16)
    found = dict(WHOLE)
    found |= {f"{kind} of every gray": encode(ramp, kind) for kind in ("PNG", "BMP", "TIFF", "PPM", "GIF")}
    found |= {f"jpeg gray, quality {q}": encode(ramp, "JPEG", quality=q) for q in (5, 60, 100)}
    found |= {f"jpeg, {s}": encode(smooth(), "JPEG", quality=80, subsampling=s) for s in ("4:4:4", "4:2:2", "4:2:0")}
    found["jpeg gray progressive"] = encode(smooth().convert("L"), "JPEG", progressive=True)
    found |= {f"{kind} alpha": encode(clear, kind, lossless=True) for kind in ("PNG", "WEBP")}
    found["TIFF alpha"] = encode(clear, "TIFF")
    found["LA"] = encode(clear.convert("LA"), "PNG")
    found["one bit"] = encode(smooth().convert("1"), "PNG")
    found["two bits"] = encode(smooth().quantize(4), "PNG", bits=2)
    found["palette, transparent"] = encode(smooth().quantize(), "PNG", transparency=3)
    found["gray, transparent"] = encode(ramp, "PNG", transparency=3)
    found |= {f"16 bits, {n}": png_of(deep[..., :n].squeeze()) for n in (1, 3, 4)}
    found |= {f"TIFF 16 bits, {n}": bytes(cv2.imencode(".tiff", deep[..., :n].squeeze())[1]) for n in (1, 3, 4)}
    found |= {f"cmyk {kind}": encode(smooth().convert("CMYK"), kind) for kind in ("JPEG", "TIFF")}
    found |= {
        f"pgm up to {peak}": b"P5 16 16 %d\n" % peak
        + (np.arange(256) % (peak + 1)).astype(">u2" if peak > 255 else "u1").tobytes()
        for peak in (1, 100, 254, 255, 256, 1023, 65_535)
    }
    for orientation in range(1, 9):
        for kind in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF"):
            found[f"{kind} turned {orientation}"] = oriented(smooth(), kind, orientation)
        for kind in ("JPEG", "PNG", "TIFF"):
            found[f"{kind} gray, turned {orientation}"] = oriented(smooth().convert("L"), kind, orientation)
    return found


KINDS = kinds_of_pictures()


@pytest.mark.parametrize("kind", KINDS)
def test_gray_is_the_luma_of_the_picture(kind: str, capfd: pytest.CaptureFixture[str]) -> None:
    expected = to_gray(read_image(KINDS[kind]))
    gray = read_gray(KINDS[kind])
    assert gray.dtype == np.uint8 and gray.ndim == 2
    np.testing.assert_array_equal(gray, expected)
    with silence():
        np.testing.assert_array_equal(decode_gray(KINDS[kind]), expected)
    assert_nothing_printed(capfd)


def test_a_gray_picture_keeps_every_value() -> None:
    every = np.arange(256, dtype=np.uint8).reshape(16, 16)
    for kind in ("PNG", "BMP", "TIFF", "PPM"):
        np.testing.assert_array_equal(read_gray(encode(Image.fromarray(every), kind)), every)


def test_a_jpeg_is_known_to_be_gray_by_its_channels() -> None:
    assert read_header(KINDS["jpeg gray"]).gray
    assert read_header(KINDS["jpeg gray progressive"]).gray
    assert not read_header(KINDS["jpeg"]).gray
    assert not read_header(KINDS["cmyk JPEG"]).gray
    # Two sizes, one of a gray picture: which of them the decoder takes is not for the header to guess.
    frame = b"\xff\xc0\0\x0b\x08\0\x20\0\x28\x01\x01\x11\0"
    both = KINDS["jpeg"][:2] + frame + KINDS["jpeg"][2:]
    assert not read_header(both).gray
    both = KINDS["jpeg gray"].replace(
        b"\xff\xc0", KINDS["jpeg"][(at := KINDS["jpeg"].index(b"\xff\xc0")) : at + 19] + b"\xff\xc0"
    )
    assert not read_header(both).gray


def test_gray_of_a_path_and_its_errors_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "portrait.jpg"
    path.write_bytes(WHOLE["jpeg"])
    np.testing.assert_array_equal(read_gray(path), to_gray(read_image(path)))
    np.testing.assert_array_equal(read_gray(str(path)), to_gray(read_image(path)))
    path.write_bytes(WHOLE["jpeg"][:-50])
    for read in (read_gray, read_image):
        with pytest.raises(ImageError, match=r"portrait\.jpg: the JPEG is cut off"):
            read(path)
    with pytest.raises(ImageError, match=r"^upload 3: the JPEG is cut off"):
        read_gray(path.read_bytes(), "upload 3")
    with pytest.raises(ImageError, match=r"^the JPEG is cut off"), silence():
        decode_gray(path.read_bytes())


@pytest.mark.parametrize("size", [0, 1, 63, 1 << 15, (1 << 15) + 1, 1 << 16, (1 << 16) + 1, (1 << 21) + 7])
def test_the_contents_of_a_file_are_all_of_it(size: int, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    data = (b"\x89PNG\r\n\x1a\n" + np.random.default_rng(1).bytes(size))[:size]
    path.write_bytes(data)
    assert contents(path) == data
    assert contents(str(path)) == data


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_the_contents_of_a_pipe_are_all_of_it_however_they_arrive(tmp_path: Path) -> None:
    path = tmp_path / "pipe.png"
    os.mkfifo(path)
    data = WHOLE["png"]

    def write() -> None:
        with path.open("wb", buffering=0) as stream:
            for at in range(20):
                stream.write(data[at : at + 1])
                time.sleep(0.002)
            stream.write(data[20:])

    writer = threading.Thread(target=write)
    writer.start()
    assert contents(path) == data
    writer.join()


def test_a_long_file_that_is_no_picture_is_not_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "disk.png"
    path.write_bytes(b"not a picture" * 500_000)
    read: list[int] = []
    real = os.read
    monkeypatch.setattr(os, "read", lambda file, n: (data := real(file, n), read.append(len(data)))[0])
    with pytest.raises(ImageError, match="not a picture"):
        contents(path)
    assert sum(read) < 100_000


# ---- anything at all


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(sorted(WHOLE)),
    share=st.floats(0, 1),
    flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), max_size=6),
    keep=st.booleans(),
)
def test_damage_of_any_kind(
    kind: str, share: float, flips: list[tuple[float, int]], keep: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    data = bytearray(WHOLE[kind])
    for place, change in flips:
        data[int(place * len(data))] ^= change
    damaged = bytes(data if keep else data[: int(share * len(data))])
    try:
        image = read_image(damaged)
    except ImageError:
        with pytest.raises(ImageError):
            read_gray(damaged)
    else:
        np.testing.assert_array_equal(read_gray(damaged), to_gray(image))
        assert image.ndim == 3
        assert image.shape[2] == 3
        assert image.size > 0
        assert image.dtype == np.uint8
    assert_nothing_printed(capfd)


@settings(max_examples=100)
@given(head=st.sampled_from([WHOLE[k][:n] for k in WHOLE for n in (4, 16, 40)]), tail=st.binary(max_size=200))
def test_noise_behind_a_signature(head: bytes, tail: bytes) -> None:
    try:
        image = read_image(head + tail)
    except ImageError:
        return
    assert image.ndim == 3
    assert image.shape[2] == 3
