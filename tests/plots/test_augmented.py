"""The picture of an augmentation: every face where it belongs, pixel by pixel, and everything said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.errors import DataError, MissingExtraError, OutputError
from mien.expressions import FER2013
from mien.plots.augmented import Augmented, Change, Mixed, draw, save

pytest.importorskip("matplotlib")


def level(value: int, side: int = 48) -> np.ndarray:
    return np.full((side, side), value, np.uint8)


def example(n: int = 2, epochs: int = 3, side: int = 48) -> Augmented:
    """Originals of level 10 and 11, versions 20, 21, 22 and 30, 31, 32, changes from 100 on, mixtures from 150 on."""
    return Augmented(
        title="Augmentation of x",
        facts=("flip 0.5", "2 faces"),
        labels=FER2013.labels,
        names=FER2013.labels[:n],
        rows=tuple(range(1000, 1000 + n)),
        originals=np.stack([level(10 + i, side) for i in range(n)]),
        versions=np.stack([[level(20 + 10 * i + k, side) for i in range(n)] for k in range(epochs)]),
        changes=tuple(
            Change(f"change {c}", np.stack([level(100 + 2 * c, side), level(101 + 2 * c, side)]), (f"−{c}°", f"+{c}°"))
            for c in range(5)
        ),
        changed=n - 1,
        mixed=(
            Mixed(
                "mixup, alpha 0.2",
                np.stack([level(150 + k, side) for k in range(epochs)]),
                tuple((f"angry {k}%", f"sad {100 - k}%") for k in range(epochs)),
            ),
        ),
    )


def drawn(path: Path, given: Augmented) -> np.ndarray:
    save(path, given)
    picture = cv2.imread(str(path))
    assert picture is not None
    return picture


def place(picture: np.ndarray, value: int) -> tuple[int, int, int, int]:
    """Left, top, width and height of the one square of this level."""
    mask = (picture == value).all(axis=2).astype(np.uint8)
    found = cv2.connectedComponentsWithStats(mask, connectivity=4)[2][1:, :4]
    ((x, y, wide, high),) = [box for box in found.tolist() if box[2] >= 20 and box[3] >= 20]
    return x, y, wide, high


def test_each_face_is_a_row_with_the_original_first_and_its_epochs_in_order(tmp_path: Path) -> None:
    picture = drawn(tmp_path / "a.png", example())
    for i in range(2):
        x, y, wide, high = place(picture, 10 + i)
        assert (wide, high) == (96, 96)  # 48 pixels, twice
        for k in range(3):
            at, line, *_ = place(picture, 20 + 10 * i + k)
            assert line == y and at > x + 96
            x = at
    assert place(picture, 11)[1] > place(picture, 10)[1] + 96


def test_changes_come_in_pairs_and_mixtures_under_their_epochs(tmp_path: Path) -> None:
    picture = drawn(tmp_path / "a.png", example())
    for c in range(5):
        (x, y, *_), (other, line, *_) = place(picture, 100 + 2 * c), place(picture, 101 + 2 * c)
        assert line == y and other == x + 100
        assert other + 96 <= picture.shape[1] - 30
        if c < 4 and place(picture, 102 + 2 * c)[1] == y:
            assert place(picture, 102 + 2 * c)[0] >= other + 96 + 16
    assert place(picture, 102)[1] == place(picture, 100)[1] < place(picture, 108)[1]
    for k in range(3):
        x, y, *_ = place(picture, 150 + k)
        assert x == place(picture, 20 + k)[0] and place(picture, 11)[1] < y < place(picture, 100)[1]


def texts(given: Augmented) -> list[str]:
    return [t.get_text() for t in draw(given).axes[0].texts]


def test_what_is_said_is_there() -> None:
    said = texts(example())
    for text in ("Augmentation of x", "flip 0.5", "2 faces", "original", "epoch 1", "epoch 3", "angry", "disgust"):
        assert text in said
    for text in ("row 1000", "row 1001", "change 0", "change 4", "−2°", "+2°", "mixup, alpha 0.2", "sad 98%"):
        assert text in said
    assert "epoch 4" not in said
    assert "Each change alone, at its limits, of row 1001" in said


def test_what_is_not_active_leaves_no_heading() -> None:
    said = " ".join(texts(replace(example(), changes=(), mixed=())))
    assert "alone" not in said and "mixed" not in said and "angry" in said


def test_no_two_texts_overlap_however_long() -> None:
    long = "an expression with a very long name_that goes-on/and on"
    given = replace(
        example(),
        title="t" * 200,
        labels=(long, "$b$"),
        names=(long, "$b$"),
        mixed=(Mixed("mixup, alpha 0.2", np.stack([level(150)]), ((f"{long} 50%", "$b$ 50%"),)),),
    )
    figure = draw(given)
    figure.canvas.draw()
    boxes = [t.get_window_extent() for t in figure.axes[0].texts if t.get_text()]
    for i, a in enumerate(boxes):
        assert a.x0 >= 0 and a.x1 <= figure.bbox.x1 and a.y0 >= 0, a
        for b in boxes[:i]:
            across, down = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
            assert across <= 0 or down <= 3


@pytest.mark.parametrize(("side", "shown"), [(24, 96), (64, 64), (224, 112)])
def test_faces_of_any_size_have_room(tmp_path: Path, side: int, shown: int) -> None:
    picture = drawn(tmp_path / "a.png", example(side=side))
    assert [place(picture, value)[2:] for value in (10, 22, 109, 152)] == [(shown, shown)] * 4


def test_equal_pictures_give_equal_files(tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "a.pdf", "b.pdf"):
        save(tmp_path / name, example(1, 1))
    for kind in ("png", "pdf"):
        assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()


def test_lengths_that_do_not_fit_are_refused() -> None:
    given = example()
    for wrong in (
        {"rows": (1,)},
        {"originals": given.originals[:1]},
        {"versions": given.versions[:, :1]},
        {"versions": given.versions[:2]},
        {"changed": 2},
        {"mixed": (replace(given.mixed[0], captions=()),)},
        {"names": (), "rows": (), "originals": given.originals[:0], "versions": given.versions[:, :0]},
    ):
        with pytest.raises(DataError):
            replace(given, **wrong)  # type: ignore[arg-type]


def test_another_format_is_refused_and_matplotlib_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OutputError, match="no such format"):
        save(tmp_path / "a.jpg", example())
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match="The picture of an augmentation needs the package matplotlib"):
        save(tmp_path / "a.png", example())
