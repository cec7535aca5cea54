"""How alike two faces are: low frequencies, perceptual hashes, structural similarity, alignment."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

_LOW = 12  # frequencies each way; the hash is of eight of them
_HASHED = slice(1, 9)


class Window(NamedTuple):
    """A square part of a face; pixels."""

    top: int
    left: int
    side: int


def spectrum(faces: np.ndarray, window: Window) -> np.ndarray:
    """Low frequencies of a part of each face: a type II discrete cosine transform.

    Args:
        faces: (N, s, s) uint8 gray.
        window: The part; inside the faces.

    Returns:
        (N, 12, 12) float32, by vertical, then horizontal frequency.
    """
    top, left, side = window
    frequency, at = np.arange(_LOW)[:, None], np.arange(side)
    basis = np.cos(np.pi * frequency * (2 * at + 1) / (2 * side)).astype(np.float32)
    found = np.empty((len(faces), _LOW, _LOW), np.float32)
    for start in range(0, len(faces), 1024):
        part = faces[start : start + 1024, top : top + side, left : left + side]
        found[start : start + 1024] = basis @ part.astype(np.float32) @ basis.T
    return found


def mirrored_spectrum(low: np.ndarray) -> np.ndarray:
    """``spectrum`` of the mirror image: odd horizontal frequencies are odd functions, and change their sign."""
    return np.asarray(low * np.where(np.arange(_LOW) % 2, np.float32(-1), np.float32(1)))


def hashes(low: np.ndarray) -> np.ndarray:
    """Perceptual hashes.

    The DCT hash of Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions" (2010): a bit for each
    of 8×8 low frequencies, without the lowest row and column, set where it is above their median. The transform is of
    the face as it is, where Zauner's is of a smoothed 32×32 copy: 48×48 needs no smoothing for its lowest frequencies.

    Args:
        low: (N, 12, 12) of ``spectrum``.

    Returns:
        (N,) uint64.
    """
    flat = low[:, _HASHED, _HASHED].reshape(len(low), 64)
    return np.packbits(flat > np.median(flat, axis=1, keepdims=True), axis=1).view(np.uint64).ravel()


def correlated(low: np.ndarray) -> np.ndarray:
    """``spectrum`` without the mean grey, and of length 1: the product of two is their correlation.

    Args:
        low: (N, 12, 12).

    Returns:
        (N, 143) float32; of a flat face, shorter than 1.
    """
    flat = low.reshape(len(low), _LOW * _LOW)[:, 1:]
    return np.asarray(flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-3), np.float32)


def structural_similarity(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Structural similarity of pairs: Wang, Bovik, Sheikh & Simoncelli, "Image Quality Assessment" (2004).

    Gaussian window of 11×11 pixels with a standard deviation of 1.5, K1 = 0.01, K2 = 0.03; the mean over all windows
    that lie wholly inside the face.

    Args:
        first: (P, s, s) uint8 or float, 0 to 255; s is at least 11.
        second: The same for the other face of each pair.

    Returns:
        (P,) float64, at most 1; exact to about 1e-6, since it is summed in float32.
    """
    count, side = len(first), first.shape[-1]
    offset = np.arange(-5, 6)
    gauss = np.exp(-(offset**2) / (2 * 1.5**2))
    gauss /= gauss.sum()
    # Less the middle grey, so that squares stay small: a variance is the difference of two of them.
    a, b = (faces.reshape(-1, side).astype(np.float32) - 128 for faces in (first, second))

    def mean(stack: np.ndarray) -> np.ndarray:
        """All faces as one tall picture: what runs over from face to face is cut off with the border."""
        smooth = cv2.sepFilter2D(stack, cv2.CV_32F, gauss, gauss)
        return smooth.reshape(count, side, side)[:, 5 : side - 5, 5 : side - 5]

    mean_a, mean_b = mean(a), mean(b)
    variances = mean(a * a) + mean(b * b) - mean_a**2 - mean_b**2
    covariance = mean(a * b) - mean_a * mean_b
    mean_a, mean_b = mean_a + 128, mean_b + 128
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    rest = (2 * covariance + c2) / (variances + c2)
    return np.asarray((luminance * rest).mean(axis=(1, 2), dtype=np.float64))


def aligned(first: np.ndarray, second: np.ndarray, place: Window, middle: Window) -> np.ndarray | None:
    """Lay one face on another: shifted, scaled, sheared and turned until they correlate best.

    Evangelidis & Psarakis, "Parametric Image Alignment Using Enhanced Correlation Coefficient Maximization" (2008).

    Args:
        first: (s, s) float32, 0 to 255.
        second: The same; what is moved.
        place: The part of the first that seems to be the same as
        middle: this part of the second.

    Returns:
        (s, s) float32, the second face as it lies on the first, its edge repeated where it does not reach; None where
        they do not fit, or a corner would have to move by more than a quarter of the side.
    """
    side, scale = first.shape[0], middle.side / place.side
    # From a point of the first to one of the second. Centres of pixels lie half a pixel inside of them.
    x, y = (to - 0.5 + (0.5 - at) * scale for at, to in ((place.left, middle.left), (place.top, middle.top)))
    guess = np.array([[scale, 0, x], [0, scale, y]], np.float32)
    everywhere = np.ones(first.shape, np.uint8)
    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 20, 1e-2)  # 1e-4 finds no more copies, in thrice the time
    try:
        move = cv2.findTransformECC(first, second, guess, cv2.MOTION_AFFINE, stop, everywhere, 1)[1]
    except cv2.error:  # no convergence
        return None
    last = side - 1
    corners = np.array([[0, 0, 1], [last, 0, 1], [0, last, 1], [last, last, 1]])
    if np.hypot(*(corners @ move.T - corners[:, :2]).T).max() > side / 4:
        return None
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(second, move, (side, side), flags=flags, borderMode=cv2.BORDER_REPLICATE)
