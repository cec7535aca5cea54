"""What a page is made of: colours, letters, faces and the file."""

from __future__ import annotations

import sys
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.errors import MissingExtraError, OutputError
from mien.expressions import AFFECTNET, FER2013, FER_TINY, FERPLUS
from mien.plots.page import Page, colours, is_dark, require, settings, shown, tint, width_of, wrapped, write

# Machado, Oliveira & Fernandes 2009, severity 1; on linear RGB.
SEEN = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}


def lab(colour: str, seen: str) -> np.ndarray:
    """CIE L*a*b* of a colour as someone sees it."""
    rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    linear = np.clip(np.array(SEEN[seen]) @ linear, 0, 1).astype(np.float32)
    rgb = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055).astype(np.float32)
    return cv2.cvtColor(rgb.reshape(1, 1, 3), cv2.COLOR_RGB2LAB).ravel()


# ---- colours


@pytest.mark.parametrize("seen", SEEN)
def test_thirteen_classes_have_colours_that_everyone_can_tell_apart(seen: str) -> None:
    palette = colours([*FERPLUS.labels, *"abcde"])
    assert len(set(palette)) == 13
    assert min(np.linalg.norm(lab(a, seen) - lab(b, seen)) for a, b in combinations(palette, 2)) > 19


@pytest.mark.parametrize("vocabulary", [FER2013, FERPLUS, AFFECTNET, FER_TINY])
def test_no_two_classes_of_a_vocabulary_share_a_colour(vocabulary: object) -> None:
    labels = vocabulary.labels  # type: ignore[attr-defined]
    assert len(set(colours(labels))) == len(labels)


def test_an_expression_has_the_same_colour_in_every_vocabulary() -> None:
    a, b = colours(FER2013.labels), colours(FERPLUS.labels)
    assert a[FER2013.index("happy")] == b[FERPLUS.index("happiness")]
    assert a[FER2013.index("angry")] == b[FERPLUS.index("anger")]
    assert colours(["Sad", "x"])[0] == a[FER2013.index("sad")] != colours(["Sad", "x"])[1]


def test_two_spellings_of_one_expression_in_one_set_stay_apart() -> None:
    assert len(set(colours(["happy", "joy", "happiness"]))) == 3


def test_there_is_a_colour_for_each_of_very_many_classes() -> None:
    assert len(colours([f"class {i}" for i in range(100)])) == 100
    assert len(colours([*FERPLUS.labels, *(f"class {i}" for i in range(100))])) == 108


def test_a_tint_goes_from_the_colour_to_white() -> None:
    assert tint("#204060", 0) == "#204060" and tint("#204060", 1) == "#FFFFFF" and tint("#000000", 0.5) == "#808080"


def test_letters_contrast_with_what_they_stand_on() -> None:
    assert is_dark("#000000") and is_dark("#123F6D") and not is_dark("#FFFFFF") and not is_dark("#EDB021")


# ---- faces


@pytest.mark.parametrize(("side", "cell"), [(8, 96), (32, 96), (48, 96), (64, 64), (96, 96), (128, 128), (224, 112)])
def test_faces_are_shown_by_a_whole_factor(side: int, cell: int) -> None:
    faces = np.random.default_rng(0).integers(0, 256, (2, side, side), dtype=np.uint8)
    big = shown(faces, 96)
    assert big.shape == (2, cell, cell)
    if cell >= side:
        assert np.array_equal(big, np.kron(faces, np.ones((1, cell // side, cell // side), np.uint8)))
    else:
        blocks = faces.reshape(2, cell, side // cell, cell, side // cell).mean(axis=(2, 4))
        assert np.abs(big - blocks).max() <= 0.5


def test_no_size_of_face_becomes_unwieldy() -> None:
    for side in range(8, 1025):
        assert 49 <= shown(np.zeros((1, side, side), np.uint8), 96).shape[-1] <= 128
    assert shown(np.zeros((0, 300, 300), np.uint8), 96).shape[0] == 0


# ---- letters


def test_text_is_broken_to_fit_and_nothing_is_lost() -> None:
    text = "a very_long-class name/that goes on and on and Donaudampfschifffahrtsgesellschaftskapitän"
    lines = wrapped(text, 11, 120, bold=True)
    assert len(lines) > 3 and all(width_of(line, 11, bold=True) <= 120 for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert wrapped("short", 11, 120) == ["short"] and wrapped("", 11, 120) == [""]
    assert lines[0] == "a very_long-"  # broken where it may be


def test_bold_and_larger_letters_are_wider() -> None:
    assert width_of("name", 9) < width_of("name", 9, bold=True) < width_of("name", 12, bold=True)
    assert width_of("a\nlonger", 9) == width_of("longer", 9)


# ---- the file


def a_page() -> Page:
    page = Page(200)
    page.text(10, 20, "$x_{2}$ a&b")
    page.picture(30, 40, np.arange(256, dtype=np.uint8).reshape(16, 16))
    page.picture(30, 60, np.array([[0.4, 44.999, 254.6]] * 2))
    page.box(100, 40, 20, 10, "#DF2A62")
    return page


def test_a_pixel_of_a_face_is_a_pixel_of_the_page(tmp_path: Path) -> None:
    write(tmp_path / "a.png", a_page().cut(80))
    picture = cv2.imread(str(tmp_path / "a.png"))
    assert picture.shape == (80, 200, 3)
    assert np.array_equal(picture[40:56, 30:46, 1], np.arange(256).reshape(16, 16))
    assert np.array_equal(picture[60:62, 30:33, 1], [[0, 45, 255]] * 2)  # rounded, not cut off
    assert picture[45, 110].tolist() == [0x62, 0x2A, 0xDF] and picture[45, 121].tolist() == [255] * 3
    assert (picture[10:30, 8:120] < 128).any()  # the letters


@pytest.mark.parametrize(("suffix", "start"), [(".png", b"\x89PNG"), (".pdf", b"%PDF"), (".SVG", b"<?xml")])
def test_each_format_is_written_and_equal_figures_give_equal_files(tmp_path: Path, suffix: str, start: bytes) -> None:
    for name in "ab":
        with settings():
            write(tmp_path / f"{name}{suffix}", a_page().cut(80))
    first, second = ((tmp_path / f"{name}{suffix}").read_bytes() for name in "ab")
    assert first.startswith(start) and first == second
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"a{suffix}", f"b{suffix}"]


@pytest.mark.parametrize(("suffix", "date"), [(".pdf", b"CreationDate"), (".svg", b"<dc:date>")])
def test_files_bear_no_date(tmp_path: Path, suffix: str, date: bytes) -> None:
    write(tmp_path / f"a{suffix}", a_page().cut(80))
    assert date not in (tmp_path / f"a{suffix}").read_bytes()


def test_a_dollar_is_a_dollar(tmp_path: Path) -> None:
    with settings():
        page = a_page()
    assert [t.get_parse_math() for t in page.cut(80).axes[0].texts] == [False]


def test_a_users_own_settings_change_nothing(tmp_path: Path) -> None:
    import matplotlib

    with settings():
        write(tmp_path / "a.png", a_page().cut(80))
    own = {"font.family": "serif", "savefig.bbox": "tight", "savefig.facecolor": "black", "text.parse_math": True}
    with matplotlib.rc_context(own):
        with settings():
            page = a_page()
        write(tmp_path / "b.png", page.cut(80))
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


@pytest.mark.parametrize("name", ["a.jpg", "a", "a.png.txt"])
def test_another_format_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(OutputError, match=r"no such format; expected a name ending in \.png, \.pdf, \.svg"):
        require(tmp_path / name, "A picture")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        require(tmp_path / "a.png", "A picture")


def test_without_matplotlib_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"A picture needs the package matplotlib.*pip install 'mien\[plot\]'"):
        require(tmp_path / "a.png", "A picture")


def test_what_cannot_be_written_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"a\.png cannot be written"):
        write(tmp_path / "file" / "a.png", a_page().cut(80))
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_page_too_long_to_draw_is_refused() -> None:
    with pytest.raises(OutputError, match="a picture of 200×65536 pixels"):
        Page(200).cut(1 << 16)
