"""Drawing on pictures."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.errors import OutputError
from mien.expressions import FER2013, FER_TINY
from mien.plots import annotate as room
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


def test_bars_do_not_cover_a_neighbour_s_answer() -> None:
    """The left face's strip, wide as it is, lies where the right face's bars would go."""
    picture = np.full((480, 640, 3), 128, np.uint8)
    left, right = face((100, 170, 150, 320), False), face((380, 120, 630, 320))
    alone, both = annotate(picture, result(left)), annotate(picture, result(left, right))
    strip = (slice(146, 169), slice(100, 260))
    assert (alone[strip] != 128).any(axis=2).all()
    np.testing.assert_array_equal(both[strip], alone[strip])


def drawn_texts(monkeypatch: pytest.MonkeyPatch, labels: tuple[str, ...], width: int = 640) -> list[tuple[str, int]]:
    """What is written on a picture of a face with these labels, and where each text ends; the first is the answer."""
    texts: list[tuple[str, int]] = []
    honest = cv2.putText

    def put(canvas: np.ndarray, text: str, at: tuple[int, int], *style: object) -> np.ndarray:
        texts.append((text, at[0] + cv2.getTextSize(text, style[0], style[1], style[3])[0][0]))  # type: ignore[call-overload]
        return honest(canvas, text, at, *style)  # type: ignore[call-overload,no-any-return]

    monkeypatch.setattr(room.cv2, "putText", put)
    rest = 0.4 / (len(labels) - 1)
    p = {label: 0.6 if i == 0 else rest - i / 1000 for i, label in enumerate(labels)}
    annotate(np.full((480, width, 3), 128, np.uint8), result(Face((200, 150, 300, 250), 1.0, labels[0], 0.6, False, p)))
    return texts


@pytest.mark.parametrize(
    ("labels", "shown"),
    [
        (FER_TINY.labels, ["admiration", "amazement", "angry"]),
        (("negative", "positive"), ["negative", "positive"]),
        (("très bien 😀", "Übermut", "快乐", "x"), ["tres bien", "Ubermut", "label 3"]),
        (("печаль", "straße", "a\nb"), ["label 1", "stra?e", "label 3"]),
        (("😀", "🙂", "🙁", "x"), ["label 1", "label 2", "label 3"]),
    ],
    ids=["thirteen", "two", "accents", "scripts", "symbols"],
)
def test_any_labels_are_drawn_in_letters_that_can_be_read(
    monkeypatch: pytest.MonkeyPatch, labels: tuple[str, ...], shown: list[str]
) -> None:
    texts = [text for text, _ in drawn_texts(monkeypatch, labels)]
    assert texts == [f"uncertain: {shown[0]} 60%", *shown]


@pytest.mark.parametrize("width", [640, 230])
def test_a_long_label_is_cut_off_and_its_bars_are_drawn(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    labels = tuple(f"{name} is the name of a class of this user" for name in "abcdefghijklm")
    answer, *bars = drawn_texts(monkeypatch, labels, width)
    assert answer[0].startswith("uncertain: a is the") and answer[0].endswith(".. 60%")
    assert len(bars) == 3 and [text[:4] for text, _ in bars] == ["a is", "b is", "c is"]
    assert all(text.endswith("..") for text, _ in bars)
    assert max(end for _, end in (answer, *bars)) <= width


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
