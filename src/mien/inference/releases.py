"""Detector files that mien can fetch: facts about them, the cache that holds them, and the download.

Nothing else in mien touches the network, and this does only when ``mien fetch`` is run.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from mien.errors import FetchError
from mien.files import cache_folder, staged_file


@dataclass(frozen=True)
class Release:
    """One file that a detector can be built from.

    Attributes:
        name: Of the detector, as ``mien fetch`` takes it.
        file: Its name in the cache.
        size: Bytes.
        sha256: Of its contents, 64 hexadecimal digits.
        url: Where it is downloaded from; None where it can only be installed from a copy.
        licence: SPDX identifier.
        note: Where it comes from.
    """

    name: str
    file: str
    size: int
    sha256: str
    url: str | None
    licence: str
    note: str


# Of each detector, oldest first: the last one that is in the cache is used.
RELEASES: tuple[Release, ...] = (
    # The repository keeps its networks in Git LFS: other addresses of the file deliver a pointer, not the contents.
    Release(
        "yunet",
        "face_detection_yunet_2023mar.onnx",
        232_589,
        "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
        "https://media.githubusercontent.com/media/opencv/opencv_zoo/main/models/face_detection_yunet/"
        "face_detection_yunet_2023mar.onnx",
        "MIT",
        "OpenCV Zoo, models/face_detection_yunet",
    ),
    Release(
        "yunet",
        "face_detection_yunet_2026may.onnx",
        229_738,
        "ebafce4e3c118d6554634be5c27ab333b4c047a9a8c3faf1d7cf93101c22f0f0",
        None,
        "MIT",
        "OpenCV Zoo, models/face_detection_yunet",
    ),
)

TIMEOUT = 30.0
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"


def known(name: str) -> list[Release]:
    """Releases of a detector, oldest first.

    Raises:
        FetchError: There is none; lists the names.
    """
    found = [release for release in RELEASES if release.name == name]
    if not found:
        raise FetchError(
            f"mien knows no download named {name!r}",
            f"one of {', '.join(sorted({release.name for release in RELEASES}))}",
        )
    return found


def cached(name: str = "yunet") -> Path | None:
    """The newest release of a detector in the cache, checked by its hash; None where there is none.

    The files are small: hashing one takes less than a millisecond, so it is done each time.

    Raises:
        FetchError: The name is not known, or the file was altered.
    """
    for release in reversed(known(name)):
        path = _place(release)
        if not path.is_file():
            continue
        try:
            came = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            raise FetchError(
                f"{path} cannot be read ({error})", "a file that can be read", f"Delete it and run: mien fetch {name}"
            ) from error
        if came != release.sha256:
            raise FetchError(
                f"{path} has sha256 {came}",
                release.sha256,
                f"The file was altered or cut off: delete it and run: mien fetch {name}",
            )
        return path
    return None


def fetch(
    name: str,
    source: Path | None = None,
    url: str | None = None,
    progress: Callable[[str], None] = lambda line: None,
    timeout: float = TIMEOUT,
) -> Path:
    """Put a detector's file into the cache, unless it is there.

    Args:
        name: Of the detector.
        source: A copy to install instead of downloading; any known release, whatever the file is called.
        url: Another address to download from; any known release.
        progress: Called with each line that tells the user what happens.
        timeout: Seconds to wait for the server to answer, and for each part of the answer; the whole download may
            take ten times as long.

    Returns:
        Where the file is.

    Raises:
        FetchError: The name is not known, the copy cannot be read, the download failed, or the contents are not a
            known release. Nothing is cached then.
    """
    releases = known(name)
    if source is not None and url is not None:
        raise FetchError("both a copy and an address were given", "one of --from and --url")
    if source is not None:
        return _install(_read(source, releases), str(source), releases, progress)
    if (path := cached(name)) and url is None:
        progress(f"{path} is there already: nothing to do")
        return path
    if url is None:
        # Only what the default address is meant to deliver is accepted from it.
        releases = [release for release in releases if release.url][-1:]
        if not releases:
            raise FetchError(f"{name} cannot be downloaded", "a copy of it", _by_hand(name))
        url = str(releases[0].url)
        progress(f"downloading {url} ({releases[0].size:,} bytes, licence {releases[0].licence})")
    else:
        progress(f"downloading {url}")
    return _install(_download(url, releases, timeout), url, releases, progress)


def _place(release: Release) -> Path:
    return cache_folder() / "detectors" / release.file


def _by_hand(name: str) -> str:
    return f"To install a copy that you have: mien fetch {name} --from FILE"


def _read(source: Path, releases: list[Release]) -> bytes:
    try:
        with source.open("rb") as stream:
            return stream.read(_limit(releases))
    except (OSError, ValueError) as error:
        raise FetchError(f"{source} cannot be read ({error})", f"a copy of {releases[-1].file}") from error


def _limit(releases: list[Release]) -> int:
    """Bytes after which nothing more is read: one more than the largest release has."""
    return max(release.size for release in releases) + 1


def _download(url: str, releases: list[Release], timeout: float) -> bytes:
    # Here, because they take longer to import than OpenCV does, and an analysis that needs no network needs not them.
    import http.client
    import urllib.error
    import urllib.request

    name = releases[0].name
    if not url.lower().startswith(("http://", "https://")):
        raise FetchError(f"the address {url}", "one that begins with https:// or http://", _by_hand(name))
    deadline = time.monotonic() + 10 * timeout
    limit, contents = _limit(releases), b""
    try:
        request = urllib.request.Request(url, headers={"User-Agent": "mien"})
        with urllib.request.urlopen(request, timeout=timeout) as response:
            while len(contents) < limit and (part := response.read1(limit - len(contents))):
                contents += part
                if time.monotonic() > deadline:
                    raise TimeoutError(f"only {len(contents):,} bytes came in {10 * timeout:.0f} s")
    except (OSError, http.client.HTTPException, ValueError) as error:  # URLError and HTTPError are OSErrors
        reason = error.reason if type(error) is urllib.error.URLError else error
        raise FetchError(
            f"downloading {url} failed ({reason or type(error).__name__})",
            "an answer from the server",
            f"Check the connection and try again. {_by_hand(name)}",
        ) from error
    return contents


def _install(contents: bytes, origin: str, releases: list[Release], progress: Callable[[str], None]) -> Path:
    """Recognise a release by its hash and write it to the cache.

    Args:
        contents: The whole file, or the first ``_limit`` bytes of a larger one.
        origin: Path or address that it came from.
        releases: What it may be.
        progress: As in ``fetch``.
    """
    came = hashlib.sha256(contents).hexdigest()
    release = next((release for release in releases if release.sha256 == came), None)
    if release is None:
        _refuse(contents, came, origin, releases)
    path = _place(release)
    if path.is_file() and path.read_bytes() == contents:
        progress(f"{path} is there already: nothing to do")
        return path
    try:
        with staged_file(path) as stage:
            stage.write_bytes(contents)
    except OSError as error:
        raise FetchError(
            f"{path} cannot be written ({error})",
            "a folder to write to",
            "Free space, or name another folder in the environment variable MIEN_CACHE.",
        ) from error
    progress(f"installed {path} ({release.size:,} bytes, licence {release.licence}, {release.note})")
    return path


def _refuse(contents: bytes, came: str, origin: str, releases: list[Release]) -> NoReturn:
    expected = " or ".join(f"{r.size:,} bytes with sha256 {r.sha256} ({r.file})" for r in releases)
    name = releases[0].name
    if contents.startswith(_LFS_POINTER):
        raise FetchError(
            f"{origin} is a Git LFS pointer, a text of {len(contents)} bytes that stands for the file, not the file",
            expected,
            f"In a clone of its repository, run: git lfs pull. {_by_hand(name)}",
        )
    if len(contents) == _limit(releases):
        raise FetchError(f"{origin} is larger than any known release", expected, _by_hand(name))
    raise FetchError(
        f"{origin} has {len(contents):,} bytes with sha256 {came}",
        expected,
        f"It was cut off, altered, or is another file. {_by_hand(name)}",
    )
