"""Frames from a camera or a video file, and their analysis: every frame in order, or always the newest one.

A measurement wants every frame of a file; a window and a camera want the present moment. So ``Capture`` yields frames
in order, and ``Newest`` puts a thread in front of it that forgets all but the last frame. Neither ever holds a list of
frames, so memory stays flat however long the stream is.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np

from mien.errors import VideoError
from mien.inference.devices import open_camera, open_file
from mien.results import ImageResult, Row

# A BGR frame (H, W, 3) uint8 and the name of its source → what is on it; ``Analyzer.frame`` is one.
Score = Callable[[np.ndarray, str], ImageResult]

USUAL_FPS = 25.0  # for a file that does not state its rate
PATIENCE = 2.0  # seconds to wait for a device that is stuck in a read before leaving it behind


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame of a stream.

    Attributes:
        index: Its number in the stream from 0, dropped frames counted.
        seconds: Its time in the stream. File: its position. Camera: time since the first frame. Always rising.
        image: (H, W, 3) uint8 BGR.
    """

    index: int
    seconds: float
    image: np.ndarray


class Capture:
    """An open camera or video file; iterate over it for its frames, in order. Close it, or use it in a ``with``.

    Args:
        source: Number of a camera (``0`` or ``"0"``) or path of a video file. A file whose name is a number needs its
            folder: ``./0``.

    Attributes:
        name: ``camera 0``, or the path as given.
        is_camera: Whether it is one.
        fps: Frames a second as the file or the driver states it; 25 where it does not.
        duration: Seconds as the file states it; None for cameras and where it does not.
        read: Frames read so far.
        ended: Whether the end of the file was reached.

    Raises:
        VideoError: No such file or camera, not a video, no permission, or in use.
    """

    def __init__(self, source: str | int | os.PathLike[str]) -> None:
        text = str(source)
        self.is_camera = text.isdecimal()
        self.name = f"camera {int(text)}" if self.is_camera else text
        self.read, self.ended = 0, False
        self._lock = threading.Lock()  # OpenCV crashes when a capture is released during a read
        self._start = self._last = 0.0
        with _silent():
            self._video: cv2.VideoCapture | None = open_camera(int(text)) if self.is_camera else open_file(Path(text))
            ok, image = self._video.read()
        if not ok:
            self.close()
            if self.is_camera:
                raise VideoError(
                    f"{self.name} opens but gives no picture",
                    "a camera that no other program uses",
                    "Close the programs that use it, or try another number: mien live 1",
                )
            raise VideoError(
                f"{text} has no picture that can be decoded",
                "a video file",
                "Is it damaged or of a rare format? Try: ffmpeg -i FILE new.mp4",
            )
        # A camera's first picture would be stale by the time that it is asked for; a file's belongs to the stream.
        self._first: np.ndarray | None = None if self.is_camera else image
        fps = self._video.get(cv2.CAP_PROP_FPS)
        count = self._video.get(cv2.CAP_PROP_FRAME_COUNT)
        self.fps = fps if np.isfinite(fps) and fps > 0 else USUAL_FPS
        self.duration = count / self.fps if count > 0 and fps > 0 and not self.is_camera else None

    def __iter__(self) -> Iterator[Frame]:
        """The frames that are left.

        Raises:
            VideoError: A camera that stopped giving pictures.
        """
        while (frame := self.next()) is not None:
            yield frame

    def next(self) -> Frame | None:
        """The next frame; None at the end of a file or when closed.

        Raises:
            VideoError: A camera that stopped giving pictures.
        """
        with self._lock:
            if self._video is None:
                return None
            image, self._first = self._first, None
            if image is None:
                ok, image = self._video.read()
                if not ok:
                    if self.is_camera:
                        raise VideoError(
                            f"{self.name} stopped giving pictures after {self.read} frames",
                            "a camera that stays connected",
                            "Check its cable and start again.",
                        )
                    self.ended = True
                    return None
            frame = Frame(self.read, self._seconds(self._video), image)
            self.read, self._last = self.read + 1, frame.seconds
            return frame

    def _seconds(self, video: cv2.VideoCapture) -> float:
        """Stream time of the frame just read."""
        if self.is_camera:
            now = time.monotonic()
            self._start = now if self.read == 0 else self._start
            return now - self._start
        position = max(0.0, video.get(cv2.CAP_PROP_POS_MSEC) / 1000)
        # Some containers carry no times or repeat them; then the rate has to do.
        return position if self.read == 0 or position > self._last else self._last + 1 / self.fps

    @property
    def cut_off(self) -> str | None:
        """A sentence, if a file ended well before its stated length; else None."""
        if not self.ended or self.duration is None or self._last + 1 / self.fps >= 0.9 * self.duration:
            return None
        return (
            f"{self.name} ended at {self._last:.1f} s although it states {self.duration:.1f} s: "
            "it may be damaged or cut off"
        )

    def close(self) -> None:
        """Release the device or file; harmless when repeated."""
        if self._lock.acquire(timeout=PATIENCE):
            try:
                if self._video is not None:
                    self._video.release()
                    self._video = None
            finally:
                self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Newest:
    """Reads frames in a thread and hands out only the newest one; use it in a ``with`` and iterate.

    Each turn of the loop gets the newest frame that it has not had yet, waiting for one if need be. The last frame of
    a stream is always handed out.

    Args:
        frames: Frames in order, a ``Capture`` as a rule. It is read from the thread only.
        paced: Give frames at their own ``seconds`` rather than as fast as they come: plays a file in real time.
        stop: Set it to end the loop; made if not given.

    Attributes:
        read: Frames read.
        dropped: Frames that a newer one replaced before they were asked for.
    """

    def __init__(self, frames: Iterable[Frame], *, paced: bool = False, stop: threading.Event | None = None) -> None:
        self.read = self.dropped = 0
        self.stop = stop or threading.Event()
        self._frames, self._paced = frames, paced
        self._changed = threading.Condition()
        self._frame: Frame | None = None
        self._ended = False
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._read, name="mien-newest", daemon=True)

    def _read(self) -> None:
        start: float | None = None
        try:
            for frame in self._frames:
                if start is None:
                    start = time.monotonic() - frame.seconds
                if self._paced:
                    self.stop.wait(max(0.0, start + frame.seconds - time.monotonic()))
                if self.stop.is_set():
                    break
                with self._changed:
                    self.read += 1
                    self.dropped += self._frame is not None
                    self._frame = frame
                    self._changed.notify_all()
        except Exception as error:  # it is raised again in the thread that asks for frames
            self._error = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def __iter__(self) -> Iterator[Frame]:
        """Newest frames until the stream ends or ``stop`` is set.

        Raises:
            Exception: Whatever reading raised, after the last good frame.
        """
        while (frame := self._next()) is not None:
            yield frame

    def _next(self) -> Frame | None:
        with self._changed:
            # The wait is cut into pieces because nobody notifies when ``stop`` is set, as by a signal handler.
            while self._frame is None and not self._ended and not self.stop.is_set():
                self._changed.wait(0.1)
            if self.stop.is_set():
                return None
            frame, self._frame = self._frame, None
            if frame is None and self._error is not None:
                raise self._error
            return frame

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop.set()
        self._thread.join(PATIENCE)


@dataclass
class Tally:
    """What an analysis has done so far.

    Attributes:
        analysed: Frames.
        faces: Faces on them.
        recent: Times at which the last frames were done, for the present speed.
    """

    analysed: int = 0
    faces: int = 0
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=30))
    _begun: float = 0.0
    _ended: float = 0.0

    def begin(self) -> None:
        """Start the clock, at the first frame."""
        self._begun = self._begun or time.monotonic()

    def add(self, result: ImageResult) -> None:
        """Count a frame that is done."""
        self._ended = time.monotonic()
        self.analysed += 1
        self.faces += len(result.faces)
        self.recent.append(self._ended)

    @property
    def fps(self) -> float:
        """Frames a second over the last 30 frames; 0 before the second frame."""
        span = self.recent[-1] - self.recent[0] if len(self.recent) > 1 else 0.0
        return (len(self.recent) - 1) / span if span > 0 else 0.0

    @property
    def overall_fps(self) -> float:
        """Frames a second since the beginning; 0 before the first frame."""
        span = self._ended - self._begun
        return self.analysed / span if span > 0 else 0.0

    def summary(self, read: int, dropped: int) -> str:
        """One line about the whole run."""
        return (
            f"frames: {read} read, {self.analysed} analysed, {dropped} dropped; {self.faces} "
            f"face{'' if self.faces == 1 else 's'} found; {self.overall_fps:.1f} frames a second"
        )


def analyse(
    frames: Iterable[Frame],
    score: Score,
    name: str,
    tally: Tally,
    stop: threading.Event,
    *,
    max_frames: int | None = None,
    seconds: float | None = None,
) -> Iterator[tuple[Frame, ImageResult]]:
    """Analyse frames as they come.

    Args:
        frames: A ``Capture`` for every frame, a ``Newest`` for the present one.
        score: Analyses one BGR frame.
        name: Of the stream; becomes the results' ``source``.
        tally: Counted up here.
        stop: Ends the loop between two frames.
        max_frames: End after so many analysed frames.
        seconds: End at this time of the stream.

    Yields:
        Each analysed frame with its result.
    """
    for frame in frames:
        if stop.is_set() or (seconds is not None and frame.seconds >= seconds):
            return
        tally.begin()
        result = score(frame.image, name)
        tally.add(result)
        yield frame, result
        if max_frames is not None and tally.analysed >= max_frames:
            return


def columns(table: Mapping[str, type]) -> dict[str, type]:
    """The columns of a table about a stream, and their types: where in the stream, then those of any table."""
    return {"frame": int, "seconds": float, **table}


def rows(frame: Frame, result: ImageResult) -> list[Row]:
    """A row per face, or one that says that there is none; keys are ``columns`` of the result's."""
    return [{"frame": frame.index, "seconds": round(frame.seconds, 3), **row} for row in result.rows()]


def mirrored(image: np.ndarray, result: ImageResult) -> tuple[np.ndarray, ImageResult]:
    """Picture and boxes as in a mirror, the way people expect to see themselves.

    Args:
        image: (H, W, 3) uint8 BGR.
        result: Its result; the expressions stay as they were found on the true picture.

    Returns:
        A flipped copy, contiguous, and a result whose faces again run from left to right.
    """
    width = image.shape[1]
    faces = [replace(f, box=(width - f.box[2], f.box[1], width - f.box[0], f.box[3])) for f in reversed(result.faces)]
    return cv2.flip(image, 1), replace(result, faces=faces)


@contextmanager
def _silent() -> Iterator[None]:
    """Keeps OpenCV's own warnings about a source off the terminal; mien raises a better one."""
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(level)
