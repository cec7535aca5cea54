"""The most confident mistakes: every face whole and in its place, with what was said of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("matplotlib")

from mien.errors import DataError
from mien.plots.mistakes import Mistake, Mistakes, draw, save
from plots_support import ALARM, FACTS, LABELS, SEVEN, TITLE, assert_headed, assert_readable, assert_written, said


def mistake(level: int, confidence: float, evidence: np.ndarray | None = None, side: int = 48) -> Mistake:
    face = np.full((side, side), level, np.uint8)
    return Mistake(face, 1000 + level, SEVEN[level % 7], SEVEN[(level + 1) % 7], confidence, evidence)


def mistakes(*given: Mistake, labels: tuple[str, ...] = SEVEN) -> Mistakes:
    return Mistakes(TITLE, FACTS, labels, given, ALARM)


def drawn(path: Path, given: Mistakes) -> np.ndarray:
    save(path, given)
    picture = cv2.imread(str(path))
    assert picture is not None
    return picture


def place(picture: np.ndarray, level: int) -> tuple[int, int, int, int]:
    """Left, top, width and height of the one square of this level."""
    mask = (picture == level).all(axis=2).astype(np.uint8)
    found = cv2.connectedComponentsWithStats(mask, connectivity=4)[2][1:, :4]
    ((x, y, wide, high),) = [box for box in found.tolist() if box[2] >= 20 and box[3] >= 20]
    return x, y, wide, high


def test_the_surest_come_first_row_by_row_with_their_pixels_whole(tmp_path: Path) -> None:
    picture = drawn(tmp_path / "a.png", mistakes(*(mistake(40 + i, 0.3 + i / 100) for i in range(8))))
    boxes = [place(picture, 40 + i) for i in range(8)]
    assert all((wide, high) == (96, 96) for _, _, wide, high in boxes)  # 48 pixels, twice
    order = sorted(range(8), key=lambda i: (boxes[i][1], boxes[i][0]))
    assert order == [7, 6, 5, 4, 3, 2, 1, 0]
    assert len({y for _, y, _, _ in boxes}) == 2


def test_equally_sure_ones_come_by_row_whatever_their_order(tmp_path: Path) -> None:
    some = [mistake(40 + i, 0.5) for i in range(3)]
    save(tmp_path / "a.png", mistakes(*some))
    save(tmp_path / "b.png", mistakes(*some[::-1]))
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_what_it_is_what_was_said_and_its_row_stand_under_each() -> None:
    figure = draw(mistakes(mistake(42, 0.98), mistake(44, 0.9971), mistake(45, 1.0)))
    lines = said(figure)
    assert {"is ", "angry", "said ", "disgust 98%", "row 1042", "fear", "happy >99%", "sad 100%"} <= set(lines)
    where = {t.get_text(): t.get_position() for t in figure.axes[0].texts}
    assert where["angry"][1] < where["disgust 98%"][1] < where["row 1042"][1]
    assert where["row 1042"][0] > where["row 1044"][0] > where["row 1045"][0], "the less sure further right"


def test_evidence_lies_beside_its_face_light_where_it_is() -> None:
    """The top left speaks for the answer, the top right a little."""
    evidence = np.array([[1.0, 0.4], [0.0, 0.0]])
    figure = draw(mistakes(mistake(120, 0.9, evidence), mistake(121, 0.8)))
    laid = [image for image in figure.axes[0].images if np.ptp(np.asarray(image.get_array())[..., :3], axis=2).any()]
    plain = [image for image in figure.axes[0].images if image not in laid]
    assert (len(laid), len(plain)) == (1, 2)
    left, right, bottom, top = laid[0].get_extent()
    beside = next(image for image in plain if int(np.asarray(image.get_array())[0, 0, 0]) == 120)
    assert beside.get_extent()[1] + 4 == left and tuple(beside.get_extent())[2:] == (bottom, top) and right - left == 96
    light = cv2.cvtColor(np.asarray(laid[0].get_array()), cv2.COLOR_RGB2GRAY).astype(float)
    assert light[:20, :20].mean() > 120 > 60 > light[-20:, -20:].mean()
    assert light[:20, :20].mean() > light[:20, -20:].mean() + 30 > light[-20:, :20].mean() + 45
    assert "evidence" in " ".join(said(figure)) and "evidence" not in " ".join(said(draw(mistakes(mistake(40, 0.5)))))


@pytest.mark.parametrize(("side", "shown"), [(24, 96), (64, 64), (224, 112)])
def test_faces_of_any_size_have_room(tmp_path: Path, side: int, shown: int) -> None:
    ones = [mistake(40 + i, 0.5, np.full((6, 6), 0.5), side) for i in range(3)]
    picture = drawn(tmp_path / "a.png", mistakes(*ones))
    assert [place(picture, 40 + i)[2:] for i in range(3)] == [(shown, shown)] * 3


@LABELS
@pytest.mark.parametrize("explained", [False, True])
def test_any_labels_can_be_read(labels: tuple[str, ...], explained: bool) -> None:
    rng = np.random.default_rng(0)
    some = [
        Mistake(
            rng.integers(0, 256, (48, 48), dtype=np.uint8),
            10**8 + i,
            labels[i % len(labels)],
            labels[(i + 1) % len(labels)],
            0.999,
            np.ones((3, 3)) if explained else None,
        )
        for i in range(13)
    ]
    figure = draw(mistakes(*some, labels=labels))
    assert_readable(figure)
    assert_headed(figure)


def test_no_mistakes_are_said() -> None:
    assert "Nothing to show: no face was answered wrongly." in said(draw(mistakes()))


def test_equal_pictures_are_equal_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    some = mistakes(mistake(240, 0.5, np.ones((2, 3))))
    assert_written(tmp_path, save, some, "The picture of mistakes", monkeypatch)


def test_what_is_no_face_and_no_evidence_is_refused() -> None:
    good = mistake(40, 0.5)
    for wrong in (
        {"face": good.face[:-1]},
        {"face": good.face.astype(float)},
        {"face": good.face[None]},
        {"evidence": np.zeros(6)},
        {"evidence": np.full((6, 6), 1.1)},
        {"evidence": np.full((6, 6), np.nan)},
        {"evidence": np.zeros((0, 6))},
    ):
        with pytest.raises(DataError):
            replace(good, **wrong)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="one size"):
        mistakes(good, mistake(41, 0.5, side=64))
    with pytest.raises(DataError, match="'odd'"):
        mistakes(replace(good, said="odd"))
