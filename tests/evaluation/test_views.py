"""The looks at a face that are averaged."""

from __future__ import annotations

import numpy as np

from mien.evaluation.views import TITLES, VIEWS


def faces() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (2, 48, 48), dtype=np.uint8)


def test_each_view_has_a_title() -> None:
    assert VIEWS.keys() == TITLES.keys()


def test_the_flip_is_the_face_and_its_mirror_image() -> None:
    given = faces()
    (same,) = VIEWS["single"](given)
    assert same is given
    one, other = VIEWS["flip"](given)
    assert np.array_equal(one, given) and np.array_equal(other[:, :, ::-1], given)


def test_ten_crops_of_eleven_twelfths() -> None:
    given = faces()
    looks = list(VIEWS["crops"](given))
    assert len(looks) == 10 and all(look.shape == given.shape and look.dtype == np.uint8 for look in looks)
    # A corner of the face is a corner of one crop and its mirror image only.
    for x, y, number in ((0, 0, 0), (47, 0, 2), (0, 47, 4), (47, 47, 6)):
        assert np.array_equal(looks[number][:, y, x], given[:, y, x])
        assert np.array_equal(looks[number + 1][:, y, 47 - x], given[:, y, x])
    flat = np.full((1, 48, 48), 7, np.uint8)
    assert all((look == 7).all() for look in VIEWS["crops"](flat))
