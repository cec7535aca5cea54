"""Evidence over a face: it lies where the network found it, on a scale that can be read."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.expressions import FER2013
from mien.plots import evidence as room
from mien.plots.evidence import AGAINST, FOR, explain, limit_of, over
from mien.results import Explanation, Face, ImageResult

SIDE = 240


def orange(bgr: np.ndarray) -> np.ndarray:
    """How much more red than blue: above 0 is for, below 0 against, 0 grey."""
    return bgr[:, :, 2].astype(int) - bgr[:, :, 0]


def one_place(row: int, column: int, value: float, side: int = 6) -> np.ndarray:
    found = np.zeros((side, side), np.float32)
    found[row, column] = value
    return found


@pytest.mark.parametrize(("row", "column"), [(1, 4), (5, 0), (2, 2)])
@pytest.mark.parametrize("value", [3.0, -3.0])
def test_colour_lies_where_the_evidence_does(row: int, column: int, value: float) -> None:
    face = np.full((48, 48), 128, np.uint8)
    drawn = over(face, one_place(row, column, value), outlined=False)
    assert drawn.shape == (SIDE, SIDE, 3) and drawn.dtype == np.uint8
    strength = orange(drawn) * np.sign(value)
    cell = SIDE // 6
    y, x = np.unravel_index(strength.argmax(), strength.shape)
    assert (y // cell, x // cell) == (row, column)
    around = np.zeros((SIDE, SIDE), bool)
    around[max(0, row - 1) * cell : (row + 2) * cell, max(0, column - 1) * cell : (column + 2) * cell] = True
    assert strength.min() >= 0 and strength.max() > 60
    assert strength[~around].max() <= 0.02 * strength.max()  # what is neutral stays grey


def test_the_face_is_seen_where_there_is_no_evidence() -> None:
    face = np.random.default_rng(0).integers(0, 256, (48, 48), dtype=np.uint8)
    drawn = over(face, np.zeros((6, 6)), side=48)
    np.testing.assert_array_equal(drawn, face[:, :, None].repeat(3, axis=2))


def test_more_evidence_is_more_colour_up_to_the_limit() -> None:
    face = np.full((48, 48), 128, np.uint8)
    shades = [orange(over(face, np.full((6, 6), v), limit=4.0, outlined=False))[0, 0] for v in (-9, -4, -2, 0, 2, 4, 9)]
    assert shades == sorted(shades) and shades[0] == shades[1] and shades[-2] == shades[-1]
    assert shades[3] == 0 and shades[4] == pytest.approx(shades[5] / 2, abs=1)
    strongest = over(face, np.full((6, 6), 4.0), limit=4.0, outlined=False)[0, 0].astype(float)
    assert np.abs(strongest - (0.75 * np.array(FOR) + 0.25 * 128)).max() <= 1
    strongest = over(face, np.full((6, 6), -4.0), limit=4.0, outlined=False)[0, 0].astype(float)
    assert np.abs(strongest - (0.75 * np.array(AGAINST) + 0.25 * 128)).max() <= 1


def test_smoothing_invents_no_evidence() -> None:
    """Cubic interpolation swings beyond steps: what is all for has nothing against."""
    face = np.full((48, 48), 128, np.uint8)
    step = np.zeros((6, 6), np.float32)
    step[:, 3:] = 5
    assert orange(over(face, step, outlined=False)).min() == 0
    assert orange(over(face, -step, outlined=False)).max() == 0


def test_lines_tell_for_from_against_without_colour() -> None:
    """Solid around what speaks for, dashed around what speaks against, at half of the scale."""
    face = np.full((48, 48), 128, np.uint8)
    whites = []
    for sign in (1, -1):
        lines = over(face, one_place(2, 3, sign * 4.0), limit=4.0)
        white = (lines > 200).all(axis=2)
        y, x = np.nonzero(white)
        assert y.min() >= 75 and y.max() < 125 and x.min() >= 115 and x.max() < 165  # around the place
        whites.append(int(white.sum()))
        assert not (over(face, one_place(2, 3, sign * 1.9), limit=4.0) > 200).all(axis=2).any()
    assert 0.3 < whites[1] / whites[0] < 0.75


@given(st.floats(1e-6, 1e6), st.booleans())
def test_the_limit_is_round_and_no_larger_than_needed(value: float, negative: bool) -> None:
    limit = limit_of([np.array([[0.0, -value if negative else value]]), np.zeros((1, 1))])
    assert value * (1 - 1e-5) <= limit <= 2 * value
    assert len(f"{limit:.6e}".split("e")[0].rstrip("0").replace(".", "")) <= 2


@pytest.mark.parametrize(("values", "limit"), [([23.2], 30), ([10.0, -20], 20), ([0.0123], 0.015), ([0.0], 1)])
def test_limits(values: list[float], limit: float) -> None:
    assert limit_of([np.array([[v]]) for v in values]) == pytest.approx(limit)


# ---- a picture


def explained(
    labels: tuple[str, ...], answer: int, following: int, certain: bool = True, box: float = 100, seed: int = 0
) -> Face:
    rng = np.random.default_rng(seed)
    evidence = rng.normal(0, 1, (len(labels), 6, 6)).astype(np.float32)
    evidence[answer] += 3
    crop = rng.integers(0, 256, (48, 48), dtype=np.uint8)
    p = dict.fromkeys(labels, 0.0) | {labels[following]: 0.24, labels[answer]: 0.75}
    return Face(
        (0, 0, box, box), 1.0, labels[answer], 0.75, certain, p, explanation=Explanation(crop, labels, evidence)
    )


def result(*faces: Face) -> ImageResult:
    return ImageResult("x.jpg", 640, 480, "haar", "toy", list(faces))


@pytest.fixture
def texts(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, int]]:
    """What is written, and where in the picture each text begins and ends."""
    found: list[tuple[str, int, int]] = []
    honest = cv2.putText

    def put(canvas: np.ndarray, text: str, at: tuple[int, int], *style: object) -> np.ndarray:
        found.append((text, at[0], at[0] + cv2.getTextSize(text, style[0], style[1], style[3])[0][0]))  # type: ignore[call-overload]
        return honest(canvas, text, at, *style)  # type: ignore[call-overload,no-any-return]

    monkeypatch.setattr(room.cv2, "putText", put)
    return found


def test_a_row_says_what_it_shows(texts: list[tuple[str, int, int]]) -> None:
    explain(result(explained(FER2013.labels, 3, 6), explained(FER2013.labels, 4, 0, certain=False)))
    said = [text for text, _, _ in texts]
    for text in ("face 0", "answer: happy 75%", "evidence for happy", "next: neutral 24%", "evidence for neutral"):
        assert said.count(text) == 1, text
    for text in ("face 1", "uncertain: sad 75%", "evidence for sad", "next: angry 24%", "Where toy finds its evidence"):
        assert said.count(text) == 1, text
    numbers = [float(text) for text in said if text.lstrip("+-").replace(".", "").isdigit()]
    first, second = numbers[:5], numbers[5:]
    for scale in (first, second):
        assert scale == [scale[0], scale[0] / 2, 0, -scale[0] / 2, -scale[0]] and scale[0] > 0


def test_the_panels_are_the_crop_and_the_two_maps_on_one_scale() -> None:
    face = explained(FER2013.labels, 3, 6)
    assert face.explanation is not None
    face.explanation.evidence[3] = 5 * face.explanation.evidence[3] - 25  # so that one map is much the stronger
    picture = explain(result(face))
    maps = [face.explanation.of(label) for label in ("happy", "neutral")]
    limit = limit_of(maps)
    assert limit > 2 * min(limit_of([one]) for one in maps)
    panels = [over(face.explanation.crop, one, limit) for one in maps]
    crop = cv2.resize(face.explanation.crop, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    panels.insert(0, crop[:, :, None].repeat(3, axis=2))
    places = []
    for panel in panels:
        match = cv2.matchTemplate(picture, panel, cv2.TM_SQDIFF)
        _, _, at, _ = cv2.minMaxLoc(match)
        places.append(at)
        np.testing.assert_array_equal(picture[at[1] : at[1] + SIDE, at[0] : at[0] + SIDE], panel)
    assert len({y for _, y in places}) == 1 and places == sorted(places)
    # The scale right of them has orange at the top, grey in the middle and blue at the bottom.
    beside = orange(picture[places[-1][1] :][:SIDE, places[-1][0] + SIDE :])
    column = beside[:, np.flatnonzero(np.abs(beside[:10]).max(axis=0) > 60)[0]]
    assert column[0] > 60 and column[-1] < -60 and abs(column[SIDE // 2]) < 3


def test_faces_are_rows_from_left_to_right_and_of_very_many_the_largest_are_shown(
    texts: list[tuple[str, int, int]],
) -> None:
    assert explain(result(explained(FER2013.labels, 3, 6))).shape[0] < 420
    crowd = [explained(FER2013.labels, 3, 6, box=10 + (i * 37) % 60, seed=i) for i in range(60)]
    picture = explain(result(*crowd))
    assert picture.shape[0] < 16384 and picture.shape[1] < 1000
    numbers = [int(text.split()[1]) for text, _, _ in texts if text.startswith("face ")][1:]
    largest = sorted(range(60), key=lambda i: -crowd[i].box[2])[:40]
    assert numbers == sorted(largest)
    assert any("the 40 largest of 60 faces" in text for text, _, _ in texts)


@pytest.mark.parametrize(
    ("labels", "first", "second"),
    [
        (("très bien 😀", "Übermut", "x"), "answer: tres bien 75%", "next: Ubermut 24%"),
        (("快乐", "печаль", "x"), "answer: label 1 75%", "next: label 2 24%"),
        (("no", "yes"), "answer: no 75%", "next: yes 24%"),
    ],
)
def test_any_labels_are_drawn(
    texts: list[tuple[str, int, int]], labels: tuple[str, ...], first: str, second: str
) -> None:
    explain(result(explained(labels, 0, 1)))
    assert {first, second} <= {text for text, _, _ in texts}


def test_long_labels_stay_above_their_picture(texts: list[tuple[str, int, int]]) -> None:
    labels = tuple(f"{name} is the name of a class of this user, and long" for name in "abc")
    width = explain(result(explained(labels, 0, 1, certain=False))).shape[1]
    above = [(text, end - start) for text, start, end in texts if " is the" in text]
    assert len(above) == 4 and all(wide <= SIDE and ".." in text for text, wide in above)
    assert max(end for _, _, end in texts) <= width


def test_maps_of_one_place_and_of_no_evidence_can_be_drawn() -> None:
    """A network may average a single place; and two labels may be told by nothing."""
    flat = Explanation(np.zeros((48, 48), np.uint8), ("a", "b"), np.zeros((2, 1, 1), np.float32))
    picture = explain(result(Face((0, 0, 9, 9), None, "a", 0.5, True, {"a": 0.5, "b": 0.5}, explanation=flat)))
    assert picture.dtype == np.uint8


def test_without_an_explanation_there_is_nothing_to_draw() -> None:
    plain = Face((0, 0, 9, 9), None, "a", 0.5, True, {"a": 0.5, "b": 0.5})
    for nothing in (result(), result(plain)):
        with pytest.raises(ValueError, match=r"x\.jpg has no explained face"):
            explain(nothing)
