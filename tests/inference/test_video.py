"""Frames from files and cameras, and the promise of always working on the newest one."""

from __future__ import annotations

import gc
import os
import queue
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.errors import VideoError
from mien.inference import video
from mien.inference.video import Capture, Frame, Newest, Tally, analyse, columns, mirrored, rows
from mien.results import COLUMN_TYPES, COLUMNS, Face, ImageResult

FPS, COUNT = 20, 30


def write_video(path: Path, count: int = COUNT, fps: float = FPS, size_wh: tuple[int, int] = (96, 64)) -> Path:
    """Motion JPEG; frame i is blue 7·i, green 0, red 40, so that frames and colour order can be told apart."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), fps, size_wh)
    for i in range(count):
        writer.write(np.full((size_wh[1], size_wh[0], 3), (7 * i % 256, 0, 40), np.uint8))
    writer.release()
    return path


@pytest.fixture(scope="module")
def avi(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("video") / "short.avi")


def blank(i: int, seconds: float = 0.0) -> Frame:
    return Frame(i, seconds, np.zeros((4, 4, 3), np.uint8))


def no_face(image: np.ndarray, source: str) -> ImageResult:
    return ImageResult(source, image.shape[1], image.shape[0], "fake", "fake")


class Device:
    """Stands for ``cv2.VideoCapture`` of a camera: so many reads succeed, then none."""

    reads = 5
    opened = True

    def __init__(self, source: int | str) -> None:
        self.left = self.reads

    def isOpened(self) -> bool:  # noqa: N802
        return self.opened

    def read(self) -> tuple[bool, np.ndarray | None]:
        self.left -= 1
        return (True, np.zeros((4, 4, 3), np.uint8)) if self.left >= 0 else (False, None)

    def get(self, what: int) -> float:
        return 0.0

    def release(self) -> None:
        self.left = 0


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> type[Device]:
    """A class whose attributes set how the only camera behaves."""
    kind = type("OneDevice", (Device,), {})
    monkeypatch.setattr(cv2, "VideoCapture", kind)
    monkeypatch.setattr(sys, "platform", "darwin")  # no /dev/video0 is looked for
    return kind


class TestFile:
    def test_gives_every_frame_in_order_with_its_time(self, avi: Path) -> None:
        with Capture(avi) as capture:
            frames = list(capture)
        assert [f.index for f in frames] == list(range(COUNT))
        np.testing.assert_allclose([f.seconds for f in frames], np.arange(COUNT) / FPS, atol=1e-6)
        assert (capture.fps, capture.duration, capture.read) == (FPS, COUNT / FPS, COUNT)
        assert capture.ended
        assert capture.cut_off is None

    def test_images_are_bgr(self, avi: Path) -> None:
        with Capture(avi) as capture:
            *_, last = capture
        assert last.image.dtype == np.uint8
        assert last.image.shape == (64, 96, 3)
        np.testing.assert_allclose(last.image.mean((0, 1)), (7 * (COUNT - 1), 0, 40), atol=6)

    def test_the_real_clip(self, shared: Path) -> None:
        with Capture(shared / "data" / "media" / "clip.mp4") as capture:
            seconds = [frame.seconds for frame in capture]
        assert len(seconds) == 115
        assert (np.diff(seconds) > 0).all()
        assert 4 < seconds[-1] < 5
        assert capture.cut_off is None

    def test_a_file_named_like_a_number_is_reached_through_its_folder(
        self, avi: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "0").write_bytes(avi.read_bytes())
        monkeypatch.chdir(tmp_path)
        with Capture("./0") as capture:
            assert not capture.is_camera
            assert len(list(capture)) == COUNT

    def test_times_rise_where_the_file_has_none(self, device: type[Device], tmp_path: Path) -> None:
        (tmp_path / "x.avi").touch()
        with Capture(tmp_path / "x.avi") as capture:
            np.testing.assert_allclose([f.seconds for f in capture], np.arange(5) / video.USUAL_FPS)
        assert capture.duration is None

    def test_a_file_that_is_cut_off_is_noticed(self, avi: Path, tmp_path: Path) -> None:
        half = tmp_path / "half.avi"
        half.write_bytes(avi.read_bytes()[: avi.stat().st_size // 2])
        with Capture(half) as capture:
            assert capture.cut_off is None  # not before its end
            assert 0 < len(list(capture)) < COUNT
        assert "1.5 s" in (capture.cut_off or "")

    def test_closing_ends_it(self, avi: Path) -> None:
        capture = Capture(avi)
        assert capture.next() is not None
        capture.close()
        capture.close()
        assert capture.next() is None
        assert not capture.ended


class TestWhatCannotBeOpened:
    @pytest.mark.parametrize("name", ["text.mp4", "empty.mp4", "none.mp4", "folder"])
    def test_not_a_video(self, tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]) -> None:
        (tmp_path / "text.mp4").write_text("hello\n" * 100)
        (tmp_path / "empty.mp4").touch()
        (tmp_path / "folder").mkdir()
        why = {"none.mp4": "no such file", "folder": "is not a file"}.get(name, "cannot be opened as a video")
        with pytest.raises(VideoError, match=why) as caught:
            Capture(tmp_path / name)
        assert name in caught.value.came
        assert caught.value.expected
        assert "mien live" in caught.value.remedy or "ffmpeg" in caught.value.remedy
        assert "WARN" not in capfd.readouterr().err  # OpenCV's own words stay out of it

    def test_a_file_without_pictures(self, device: type[Device], tmp_path: Path) -> None:
        device.reads = 0
        (tmp_path / "x.avi").touch()
        with pytest.raises(VideoError, match="no picture that can be decoded"):
            Capture(tmp_path / "x.avi")

    def test_a_file_that_may_not_be_read(self, avi: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may read everything
        with pytest.raises(VideoError, match="no permission"):
            Capture(avi)

    def test_an_absent_camera(self) -> None:
        with pytest.raises(VideoError, match="camera 63"):
            Capture(63)

    def test_a_camera_without_permission(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "platform", "linux")
        monkeypatch.setattr(Path, "exists", lambda path: True)
        monkeypatch.setattr(os, "access", lambda path, mode: False)
        with pytest.raises(VideoError, match="no permission to use /dev/video0") as caught:
            Capture("0")
        assert "usermod" in caught.value.remedy

    def test_a_camera_that_does_not_open(self, device: type[Device]) -> None:
        device.opened = False
        with pytest.raises(VideoError, match="camera 0 cannot be opened"):
            Capture(0)

    def test_a_camera_in_use(self, device: type[Device]) -> None:
        device.reads = 0
        with pytest.raises(VideoError, match=r"gives no picture.*no other program"):
            Capture(0)

    def test_a_camera_that_is_unplugged(self, device: type[Device]) -> None:
        with Capture(0) as capture:
            seen = []
            with pytest.raises(VideoError, match="stopped giving pictures after 4 frames"):
                seen += [f.index for f in iter(capture.next, None)]
            assert capture.read == 4  # one of the five was the trial at opening
        assert capture.is_camera
        assert capture.name == "camera 0"


class Feed:
    """Frames that appear when the test says so."""

    def __init__(self) -> None:
        self.queue: queue.Queue[Frame | Exception | None] = queue.Queue()

    def __iter__(self) -> Iterator[Frame]:
        while (item := self.queue.get(timeout=10)) is not None:
            if isinstance(item, Exception):
                raise item
            yield item

    def put(self, *indices: int) -> None:
        for i in indices:
            self.queue.put(blank(i))


def wait_for(newest: Newest, read: int) -> None:
    end = time.monotonic() + 10
    while newest.read < read:
        assert time.monotonic() < end, f"only {newest.read} of {read} frames were read"
        time.sleep(0.001)


class TestNewest:
    def test_only_the_newest_frame_is_handed_out(self) -> None:
        feed = Feed()
        with Newest(feed) as newest:
            frames = iter(newest)
            feed.put(0)
            assert next(frames).index == 0
            feed.put(1, 2, 3, 4)  # while frame 0 is analysed
            wait_for(newest, 5)
            assert next(frames).index == 4
            feed.put(5)  # none is older: it is waited for
            assert next(frames).index == 5
            feed.put(6, 7)
            feed.queue.put(None)
            assert [f.index for f in frames][-1] == 7  # the last frame is never lost
        assert newest.read == 8
        assert newest.dropped >= 3

    def test_an_error_comes_after_the_last_good_frame(self) -> None:
        feed = Feed()
        with Newest(feed) as newest:
            feed.put(0)
            feed.queue.put(VideoError("unplugged"))
            frames = iter(newest)
            assert next(frames).index == 0
            with pytest.raises(VideoError, match="unplugged"):
                next(frames)

    def test_stop_ends_a_wait_at_once_and_the_thread_with_it(self) -> None:
        stop = threading.Event()
        with Newest((blank(i, 3600.0 * i) for i in range(9)), paced=True, stop=stop) as newest:
            frames = iter(newest)
            assert next(frames).index == 0
            threading.Timer(0.05, stop.set).start()
            began = time.monotonic()
            assert list(frames) == []  # the next frame is due in an hour
            assert time.monotonic() - began < 1.5
        assert not any(t.name == "mien-newest" for t in threading.enumerate())

    def test_a_device_that_hangs_does_not_hang_the_program(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(video, "PATIENCE", 0.1)
        release = threading.Event()

        def hanging() -> Iterator[Frame]:
            yield blank(0)
            release.wait(10)

        with Newest(hanging()) as newest:
            assert next(iter(newest)).index == 0
        release.set()

    def test_slow_analysis_of_a_file_in_real_time_drops_frames_and_never_falls_behind(self, avi: Path) -> None:
        done: list[int] = []
        lags: list[float] = []
        began: list[float] = []
        with Capture(avi) as capture, Newest(capture, paced=True) as newest:
            for frame in newest:
                now = time.monotonic()
                began = began or [now - frame.seconds]
                lags.append(now - began[0] - frame.seconds)
                done.append(frame.index)
                time.sleep(0.2)  # four frames' worth
        assert (np.diff(done) > 0).all()
        assert newest.dropped > COUNT / 2
        assert len(done) + newest.dropped == newest.read == COUNT
        assert done[-1] == COUNT - 1
        # Each frame was at most one interval old when it was taken; working through them all would have ended
        # 30 × 0.2 - 1.5 = 4.5 s behind. The rest is room for a busy machine.
        assert max(lags) < 1 / FPS + 0.25

    def test_fast_analysis_of_a_file_takes_as_long_as_the_file(self, avi: Path) -> None:
        with Capture(avi) as capture, Newest(capture, paced=True) as newest:
            began = time.monotonic()
            count = sum(1 for _ in newest)
            assert time.monotonic() - began >= (COUNT - 1) / FPS - 0.05
        assert count + newest.dropped == COUNT

    def test_memory_is_flat(self) -> None:
        alive: weakref.WeakSet[Frame] = weakref.WeakSet()
        most = 0

        def many() -> Iterator[Frame]:
            nonlocal most
            for i in range(2000):
                frame = blank(i)
                alive.add(frame)
                most = max(most, len(alive))
                yield frame

        gc.collect()
        with Newest(many()) as newest:
            for _ in newest:
                time.sleep(0.0005)
        assert newest.read == 2000
        assert most <= 4  # being made, waiting, being analysed, about to be let go


class TestAnalyse:
    def test_every_frame_of_a_file(self, avi: Path) -> None:
        tally = Tally()
        with Capture(avi) as capture:
            done = [(f.index, r.source) for f, r in analyse(capture, no_face, capture.name, tally, threading.Event())]
        assert done == [(i, str(avi)) for i in range(COUNT)]
        assert (tally.analysed, tally.faces) == (COUNT, 0)
        assert tally.fps > 0
        assert tally.summary(30, 0).startswith("frames: 30 read, 30 analysed, 0 dropped; 0 faces found; ")

    @pytest.mark.parametrize(
        ("limit", "expected"), [({"max_frames": 7}, 7), ({"seconds": 0.5}, 10), ({"max_frames": 7, "seconds": 0.1}, 2)]
    )
    def test_limits(self, avi: Path, limit: dict[str, float], expected: int) -> None:
        with Capture(avi) as capture:
            assert len(list(analyse(capture, no_face, "", Tally(), threading.Event(), **limit))) == expected

    def test_stop(self) -> None:
        stop = threading.Event()
        for frame, _ in analyse((blank(i) for i in range(9)), no_face, "", Tally(), stop):
            if frame.index == 3:
                stop.set()
        assert frame.index == 3

    def test_tally_before_any_frame(self) -> None:
        assert (Tally().fps, Tally().overall_fps) == (0.0, 0.0)


def test_rows_say_where_in_the_stream_even_without_a_face() -> None:
    image = np.zeros((4, 6, 3), np.uint8)
    (row,) = rows(Frame(12, 0.48049, image), no_face(image, "camera 0"))
    assert tuple(row) == tuple(columns(COLUMN_TYPES)) == ("frame", "seconds", *COLUMNS)
    assert (row["frame"], row["seconds"], row["source"], row["status"]) == (12, 0.48, "camera 0", "no face")


def test_a_mirror_moves_the_boxes_with_the_picture() -> None:
    image = np.zeros((10, 100, 3), np.uint8)
    image[2:6, 10:30] = 255
    left = Face((10.0, 2.0, 30.0, 6.0), 1.0, "happy", 1.0, True, {})
    right = Face((50.0, 2.0, 90.0, 6.0), 1.0, "sad", 1.0, True, {})
    flipped, result = mirrored(image, ImageResult("x", 100, 10, "fake", "fake", [left, right]))
    assert [(f.expression, f.box) for f in result.faces] == [
        ("sad", (10.0, 2.0, 50.0, 6.0)),
        ("happy", (70.0, 2.0, 90.0, 6.0)),
    ]
    assert flipped[2:6, 70:90].min() == 255
    assert flipped.sum() == image.sum()
    assert flipped.flags.c_contiguous
    assert image[3, 15, 0] == 255  # the true picture is left alone
