"""Drawing on pictures."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.errors import OutputError
from mien.expressions import FER2013
from mien.plots.annotate import annotate, write_picture
from mien.results import Face, ImageResult


def face(box: tuple[float, float, float, float], certain: bool = True) -> Face:
    p = dict.fromkeys(FER2013.labels, 0.05) | {"happy": 0.7}
    return Face(box, 1.0, "happy", 0.7, certain, p)


def result(*faces: Face) -> ImageResult:
    return ImageResult("x", 640, 480, "haar", "m", list(faces))


def test_the_box_is_drawn_where_the_face_is_and_the_original_is_left_alone() -> None:
    picture = np.full((480, 640, 3), 128, np.uint8)
    drawn = annotate(picture, result(face((200, 150, 300, 250))))
    assert (picture == 128).all()
    assert drawn.shape == picture.shape
    changed = (drawn != 128).any(axis=2)
    assert changed[150, 200:300].all() and changed[250, 200:300].all()
    assert changed[150:250, 200].all() and changed[150:250, 300].all()
    assert not changed[160:240, 210:290].any()
    assert not changed[300:, :].any()


def test_sure_and_unsure_differ_without_colour() -> None:
    picture = np.full((480, 640, 3), 128, np.uint8)
    sure, unsure = (annotate(picture, result(face((200, 150, 300, 250), c))) for c in (True, False))
    line = slice(200, 300)
    assert (sure[250, line] != 128).any(axis=1).all()
    share = (unsure[250, line] != 128).any(axis=1).mean()
    assert 0.3 < share < 0.8  # dashed


def test_bars_do_not_cover_a_neighbour() -> None:
    picture = np.full((480, 640, 3), 128, np.uint8)
    left, right = face((200, 150, 300, 250)), face((310, 150, 410, 250))
    drawn = annotate(picture, result(left, right))
    assert (drawn[170:230, 320:400] == 128).all()


@pytest.mark.parametrize("shape", [(1, 1, 3), (20, 3000, 3), (30, 30, 3)])
@pytest.mark.parametrize("certain", [True, False])
def test_any_picture_can_be_drawn_on(shape: tuple[int, int, int], certain: bool) -> None:
    drawn = annotate(np.zeros(shape, np.uint8), result(face((-5, -5, 25, 25), certain)))
    assert drawn.shape == shape


def test_pictures_are_written_whole_in_the_format_of_their_name(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    path = write_picture(tmp_path / "sub" / "bild ü.png", picture)
    np.testing.assert_array_equal(cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), 1), picture)
    assert write_picture(tmp_path / "a.gif", picture).name == "a.gif.png"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.gif.png", "sub"]
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        write_picture(tmp_path / "file" / "a.png", picture)
