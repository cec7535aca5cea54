"""The contact sheet of an audit."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.errors import DataError, MissingExtraError, OutputError
from mien.expressions import FER2013
from mien.plots.contact_sheet import Cell, Section, Sheet, Tile, draw, save, spread

pytest.importorskip("matplotlib")


def tile(level: int, row: int = 1, label: str = "happy", side: int = 48, part: str = "Training") -> Tile:
    return Tile(np.full((side, side), level, np.uint8), row, part, label)


def sheet(*sections: Section) -> Sheet:
    return Sheet("Audit of x.csv", ("10 faces",), (("3", "copies"), ("12%", "of them")), FER2013.labels, sections)


def pairs(n: int, note: str = "similarity 0.9", labels: tuple[str, str] = ("sad", "sad")) -> tuple[Cell, ...]:
    return tuple(Cell((tile(40 + i, i, labels[0]), tile(150 + i, 100 + i, labels[1])), note) for i in range(n))


def drawn(path: Path, given: Sheet) -> np.ndarray:
    save(path, given)
    picture = cv2.imread(str(path))
    assert picture is not None
    return picture


def squares(picture: np.ndarray, level: int) -> list[tuple[int, int, int, int]]:
    """Left, top, width and height of what has just this grey level and is at least 20 pixels wide."""
    mask = (picture == level).all(axis=2).astype(np.uint8)
    found = cv2.connectedComponentsWithStats(mask, connectivity=4)[2][1:, :4]
    return sorted(tuple(int(v) for v in box) for box in found if box[2] >= 20)  # type: ignore[misc]


def test_pairs_stand_side_by_side_with_their_pixels_whole(tmp_path: Path) -> None:
    picture = drawn(tmp_path / "a.png", sheet(Section("Copies", "Byte for byte.", pairs(8))))
    for i in range(8):
        ((x, y, w, h),) = squares(picture, 40 + i)
        ((x2, y2, w2, h2),) = squares(picture, 150 + i)
        assert (w, h, w2, h2) == (96, 96, 96, 96)  # 48 pixels, twice
        assert y2 == y and x2 == x + 100
    first, last_of_row, next_row = (squares(picture, 40 + i)[0] for i in (0, 5, 6))
    assert last_of_row[1] == first[1] and next_row[0] == first[0] and next_row[1] > first[1] + 96
    assert last_of_row[0] + 196 <= picture.shape[1] - 40


def test_each_tile_has_its_own_pixels_in_order(tmp_path: Path) -> None:
    face = np.zeros((48, 48), np.uint8)
    face[:24, :24], face[24:, 24:] = 200, 90
    picture = drawn(tmp_path / "a.png", sheet(Section("Copies", "", (Cell((Tile(face, 3, "Training", "sad"),)),))))
    (bright,), (grey,) = squares(picture, 200), squares(picture, 90)
    assert grey[0] == bright[0] + 48 and grey[1] == bright[1] + 48


def test_single_faces_stand_twelve_in_a_row(tmp_path: Path) -> None:
    cells = tuple(Cell((tile(30 + i, i),)) for i in range(13))
    picture = drawn(tmp_path / "a.png", sheet(Section("Blank", "", cells)))
    places = [squares(picture, 30 + i)[0] for i in range(13)]
    assert len({y for _, y, _, _ in places[:12]}) == 1 and places[12][1] > places[0][1]
    assert all(b[0] >= a[0] + 96 for a, b in pairwise(places[:12]))
    assert places[11][0] + 96 <= picture.shape[1] - 30


def ink(picture: np.ndarray, colour: tuple[int, int, int]) -> int:
    """Pixels near a colour, BGR."""
    return int((np.abs(picture.astype(int) - colour).max(axis=2) < 40).sum())


def test_labels_that_differ_are_marked(tmp_path: Path) -> None:
    same = drawn(tmp_path / "a.png", sheet(Section("Copies", "", pairs(3))))
    differ = drawn(tmp_path / "b.png", sheet(Section("Copies", "", pairs(3, labels=("sad", "fear")))))
    red = (0x1E, 0x26, 0xB3)
    assert ink(same, red) == 0 < ink(differ, red)
    sad, fear = (0xDA, 0x7F, 0x43), (0x7F, 0x38, 0x51)
    assert ink(same, sad) > ink(differ, sad) > 0 and ink(differ, fear) > 0


def texts(given: Sheet) -> list[str]:
    return [t.get_text() for t in draw(given).axes[0].texts]


def test_what_is_said_is_there() -> None:
    said = texts(sheet(Section("Copies: 2 of 9", "Byte for byte.", pairs(2))))
    for text in ("Audit of x.csv", "10 faces", "3", "copies", "12%", "Copies: 2 of 9", "Byte for byte.", "row 0"):
        assert text in said
    assert said.count("similarity 0.9") == 2 and said.count("Training") == 4 and said.count("sad") == 4
    assert {"row 1", "row 100", "row 101"} <= set(said)


def test_long_names_are_cut_and_odd_ones_are_taken_as_they_are() -> None:
    cell = Cell((tile(9, 2**31 - 1, "an expression of some length", part="PublicTest of the second release"),))
    said = texts(replace(sheet(Section("$a_b$", "", (cell,))), title="a" * 300, labels=("$x$",)))
    assert "$a_b$" in said and "2147483647" in said
    assert any(t.startswith("PublicTest o") and t.endswith("…") for t in said)
    assert any(t.startswith("an expr") and t.endswith("…") for t in said)
    assert sum(t.startswith("aaa") for t in said) > 1


def test_sections_without_findings_are_left_out_and_an_empty_sheet_says_so(tmp_path: Path) -> None:
    said = texts(sheet(Section("Copies", "", pairs(1)), Section("Blank", "", ())))
    assert "Copies" in said and "Blank" not in said
    assert any("none of this was found" in t for t in texts(sheet(Section("Blank", "", ()))))
    assert drawn(tmp_path / "a.png", replace(sheet(), figures=(), facts=())).shape[0] < 200


@pytest.mark.parametrize(("side", "shown"), [(24, 96), (48, 96), (64, 64), (100, 96), (224, 96)])
def test_faces_of_any_size_have_room(tmp_path: Path, side: int, shown: int) -> None:
    cells = tuple(Cell((tile(40 + i, side=side), tile(150 + i, side=side))) for i in range(6))
    picture = drawn(tmp_path / "a.png", sheet(Section("Copies", "", cells)))
    for i in range(6):
        assert [box[2:] for box in squares(picture, 40 + i)] == [(shown, shown)]
        assert [box[2:] for box in squares(picture, 150 + i)] == [(shown, shown)]


def test_equal_sheets_give_equal_files(tmp_path: Path) -> None:
    given = sheet(Section("Copies", "", pairs(3)))
    for suffix in ("png", "pdf", "svg"):
        save(tmp_path / f"a.{suffix}", given)
        save(tmp_path / f"b.{suffix}", given)
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()


def test_what_is_shown_is_spread_over_the_range() -> None:
    values = np.array([1.0] * 90 + [0.95] * 5 + [0.9] * 4 + [0.85])
    assert values[spread(values, 4)].tolist() == [1.0, 0.95, 0.9, 0.85]
    assert spread(values, 200).tolist() == list(range(100))
    assert spread(np.ones(100), 4).tolist() == [0, 33, 66, 99]
    assert spread(np.array([]), 4).tolist() == []
    many = spread(np.linspace(1, 0.85, 1000), 12)
    assert len(set(many.tolist())) == 12 and many[0] == 0 and many[-1] == 999
    crowded = spread(np.array([1.0, 0.5, 0.5, 0.5, 0.0]), 4)
    assert crowded.tolist() == sorted(set(crowded.tolist())) and len(crowded) == 4 and {0, 4} <= set(crowded.tolist())


def test_findings_must_be_of_one_or_two_faces() -> None:
    with pytest.raises(DataError, match="one or two"):
        Cell(())
    with pytest.raises(DataError, match="one or two"):
        Cell((tile(1), tile(2), tile(3)))
    with pytest.raises(DataError, match="of one face and of two"):
        Section("Mixed", "", (Cell((tile(1),)), Cell((tile(1), tile(2)))))
    with pytest.raises(DataError, match="at most 5"):
        replace(sheet(), figures=(("1", "x"),) * 6)


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OutputError, match=r"a\.gif: no such format"):
        save(tmp_path / "a.gif", sheet())
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match="contact sheet"):
        save(tmp_path / "a.png", sheet())
