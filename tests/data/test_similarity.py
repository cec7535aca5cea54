"""Measures of how alike two faces are."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from mien.data import FaceSet
from mien.data.similarity import (
    Window,
    aligned,
    correlated,
    hashes,
    mirrored_spectrum,
    spectrum,
    structural_similarity,
)

WHOLE = Window(0, 0, 48)


def made_up(n: int, seed: int = 0, side: int = 48) -> np.ndarray:
    """(n, side, side) smooth pictures with some grain, no two alike."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (n, 7, 7), dtype=np.uint8)
    smooth = np.stack([cv2.resize(c, (side, side), interpolation=cv2.INTER_CUBIC) for c in coarse]).astype(int)
    return np.clip(smooth + rng.normal(0, 4, smooth.shape), 0, 255).astype(np.uint8)


# ---- structural similarity


@pytest.mark.parametrize("side", [11, 48, 64])
def test_structural_similarity_is_that_of_scikit_image(side: int) -> None:
    metrics = pytest.importorskip("skimage.metrics")
    a = made_up(40, 1, side)
    b = np.concatenate([made_up(20, 2, side), np.clip(a[20:].astype(int) + 9, 0, 255).astype(np.uint8)])
    a[0], b[1] = 0, 255  # flat ones
    expected = [
        metrics.structural_similarity(
            x, y, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        for x, y in zip(a, b, strict=True)
    ]
    np.testing.assert_allclose(structural_similarity(a, b), expected, atol=2e-6)


def test_structural_similarity_of_real_faces_is_that_of_scikit_image(fer2013: FaceSet) -> None:
    metrics = pytest.importorskip("skimage.metrics")
    a, b = fer2013.faces[:100], fer2013.faces[100:200]
    given = {"data_range": 255, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    expected = [metrics.structural_similarity(x, y, **given) for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(structural_similarity(a, b), expected, atol=2e-6)


def test_a_face_is_wholly_similar_to_itself_and_neighbours_in_the_batch_do_not_matter() -> None:
    faces, others = made_up(5), made_up(5, 9)
    np.testing.assert_allclose(structural_similarity(faces, faces), 1, atol=1e-6)
    together = structural_similarity(faces, others)
    alone = [structural_similarity(faces[i : i + 1], others[i : i + 1])[0] for i in range(5)]
    np.testing.assert_allclose(together, alone, atol=1e-7)
    assert together.max() < 0.5
    np.testing.assert_allclose(together, structural_similarity(others, faces), atol=1e-6)


# ---- low frequencies and hashes


def test_the_spectrum_is_the_cosine_transform_of_opencv() -> None:
    faces, window = made_up(3), Window(4, 1, 42)
    expected = np.stack([cv2.dct(f[4:46, 1:43].astype(np.float64))[:12, :12] for f in faces])
    scale = np.sqrt(np.where(np.arange(12) == 0, 1, 2) / 42)  # OpenCV's is orthonormal
    np.testing.assert_allclose(spectrum(faces, window) * np.outer(scale, scale), expected, rtol=1e-4, atol=0.01)


def test_the_spectrum_of_a_mirror_image_is_made_of_that_of_the_face() -> None:
    faces = made_up(20)
    for window in (WHOLE, Window(3, 3, 42)):
        turned = spectrum(faces[:, :, ::-1], window)
        np.testing.assert_allclose(mirrored_spectrum(spectrum(faces, window)), turned, rtol=1e-4, atol=0.5)
        assert np.array_equal(hashes(mirrored_spectrum(spectrum(faces, window))), hashes(turned))


def test_a_hash_has_a_bit_for_each_low_frequency_above_the_median() -> None:
    low = np.zeros((1, 12, 12), np.float32)
    low[0, 0, :], low[0, :, 0], low[0, 9:, :] = 1e6, -1e6, 1e6  # not looked at
    values = np.random.default_rng(1).permutation(64).astype(np.float32).reshape(8, 8)
    low[0, 1:9, 1:9] = values
    bits = np.unpackbits(hashes(low).view(np.uint8))
    assert np.array_equal(bits, (values > 31.5).ravel())
    assert bits.sum() == 32


def test_hashes_outlast_jpeg_and_brightness_and_tell_faces_apart() -> None:
    faces = made_up(200)
    encoded = [cv2.imencode(".jpg", f, [cv2.IMWRITE_JPEG_QUALITY, 60])[1] for f in faces]
    again = np.stack([cv2.imdecode(e, cv2.IMREAD_GRAYSCALE) for e in encoded])
    darker = (faces // 2).astype(np.uint8)
    plain = hashes(spectrum(faces, WHOLE))
    for copy in (again, darker):
        assert np.bitwise_count(plain ^ hashes(spectrum(copy, WHOLE))).max() <= 10
    others = np.bitwise_count(plain[:, None] ^ plain)[~np.eye(200, dtype=bool)]
    assert others.min() >= 10 and 30 < others.mean() < 34


def test_correlation_is_of_the_low_frequencies_without_the_mean() -> None:
    faces = made_up(2)
    a, lighter, negative = (
        correlated(spectrum(f, WHOLE))[0] for f in (faces[:1], faces[:1] // 2 + 90, 255 - faces[:1])
    )
    assert a.shape == (143,) and a @ a == pytest.approx(1, abs=1e-5)
    assert a @ lighter == pytest.approx(1, abs=1e-3)
    assert a @ negative == pytest.approx(-1, abs=1e-3)
    flat = correlated(spectrum(np.full((1, 48, 48), 77, np.uint8), WHOLE))
    assert np.isfinite(flat).all()


# ---- alignment


def moved(face: np.ndarray, scale: float, dx: float, dy: float) -> np.ndarray:
    """What lies at p in the result lies at scale * p + (dx, dy) in the face."""
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    move = np.array([[scale, 0, dx], [0, scale, dy]])
    return cv2.warpAffine(face, move, face.shape[::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)


@pytest.mark.parametrize(("scale", "dx", "dy"), [(1, 1.6, -2.3), (0.92, 3, 1), (1.09, -2, -3)])
def test_a_moved_face_is_laid_on_the_original(scale: float, dx: float, dy: float) -> None:
    first = made_up(1)[0].astype(np.float32)
    second = moved(first, scale, dx, dy)
    before = structural_similarity(first[None], second[None])[0]
    middle = Window(3, 3, 42)
    laid = aligned(first, second, middle, middle)
    assert laid is not None
    assert before < 0.85 < 0.93 < structural_similarity(first[None], laid[None])[0]


def test_alignment_begins_where_the_hash_found_the_face() -> None:
    # A grating looks the same a period further on: without the first guess it is laid there.
    x = np.arange(60)
    grating = 128 + 60 * np.cos(2 * np.pi * x / 8) + 1.2 * x
    picture = np.tile(grating, (60, 1)) + 60 * np.sin(2 * np.pi * np.arange(60) / 9)[:, None]
    first, second = picture[4:52, 4:52].astype(np.float32), picture[4:52, 9:57].astype(np.float32)
    middle = Window(3, 3, 42)
    from_guess = aligned(first, second, Window(3, 8, 42), middle)
    assert from_guess is not None
    inner = slice(8, 40)
    assert np.abs(from_guess[inner, inner] - first[inner, inner]).mean() < 2
    without = aligned(first, second, middle, middle)
    assert without is None or np.abs(without[inner, inner] - first[inner, inner]).mean() > 3


def test_what_does_not_fit_is_not_laid_on() -> None:
    face, flat = made_up(1)[0].astype(np.float32), np.full((48, 48), 90, np.float32)
    middle = Window(3, 3, 42)
    assert aligned(flat, flat, middle, middle) is None
    far = np.roll(face, 20, axis=1)
    assert aligned(face, far, Window(3, 0, 42), Window(3, 20, 42)) is None  # a corner moves by 20 of 48 pixels
