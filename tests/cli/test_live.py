"""``mien live``: rows without a window, and the window on a real (virtual) screen."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import typer
from typer.testing import CliRunner, Result

from mien import bundle, results
from mien.card import build
from mien.cli.live import live
from mien.errors import BundleError, OutputError, VideoError
from mien.expressions import FER2013
from mien.inference import video, window
from mien.inference.video import Capture, columns
from mien.inference.window import Window
from mien.results import COLUMN_TYPES, Face, ImageResult
from tests_support import MOODS, card, network

COUNT, FPS = 24, 12
SCREEN = (1280, 800)  # of the virtual screen, width and height


class FakeAnalyzer:
    """Sees a face on every bright frame, after ``delay`` seconds; ``before`` is called with each frame's number."""

    detector_name, model_name, columns = "fake", "toy", COLUMN_TYPES
    card = build(card({"fer2013": FER2013.labels}) | {"sha256": "0" * 64})
    delay = 0.0
    before: Callable[[int], None] = staticmethod(lambda i: None)

    def __init__(self, model: str, detector: str, threads: int, error_rate: float | None = None) -> None:
        if model == "absent":
            raise BundleError("no model 'absent'")
        self.seen = 0

    def frame(self, bgr: np.ndarray, source: str) -> ImageResult:
        type(self).before(self.seen)
        self.seen += 1
        time.sleep(self.delay)
        rest = dict.fromkeys(FER2013.labels, 0.05) | {"happy": 0.7}
        faces = [Face((10.0, 20.0, 60.0, 70.0), 1.0, "happy", 0.7, True, rest)] if bgr.mean() > 100 else []
        return ImageResult(source, bgr.shape[1], bgr.shape[0], "fake", "toy", faces)


@pytest.fixture
def analyzer(monkeypatch: pytest.MonkeyPatch) -> type[FakeAnalyzer]:
    kind = type("OneAnalyzer", (FakeAnalyzer,), {})
    monkeypatch.setattr("mien.inference.analyze.Analyzer", kind)
    return kind


@pytest.fixture(scope="module")
def avi(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds; the first half is dark, so without a face for ``FakeAnalyzer``, the second bright and bluish."""
    path = tmp_path_factory.mktemp("live") / "half.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), FPS, (320, 240))
    for i in range(COUNT):
        writer.write(np.full((240, 320, 3), (250, 150, 100) if i >= COUNT / 2 else (40, 30, 20), np.uint8))
    writer.release()
    return path


def run(*arguments: object) -> Result:
    """The command in this process; its errors are raised."""
    app = typer.Typer()
    app.command()(live)
    return CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)


class TestHeadless:
    def test_json_csv_and_parquet_say_the_same(self, analyzer: type[FakeAnalyzer], avi: Path, tmp_path: Path) -> None:
        parquet = pytest.importorskip("pyarrow.parquet")
        for suffix in ("jsonl", "csv", "parquet"):
            result = run(avi, "--headless", "--out", tmp_path / f"rows.{suffix}")
            assert result.exit_code == 0
            assert result.stdout == ""
            assert "24 read, 24 analysed, 0 dropped; 12 faces found" in result.stderr
        lines = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
        table = parquet.read_table(tmp_path / "rows.parquet")
        with (tmp_path / "rows.csv").open(newline="") as stream:
            cells = list(csv.DictReader(stream))
        assert list(lines[0]) == list(cells[0]) == table.column_names == list(columns(COLUMN_TYPES))
        assert table.to_pylist() == lines
        assert [row["frame"] for row in lines] == [int(row["frame"]) for row in cells] == list(range(COUNT))
        assert (np.diff([row["seconds"] for row in lines]) > 0).all()
        assert [row["status"] for row in lines] == ["no face"] * 12 + ["ok"] * 12
        assert {row["source"] for row in lines} == {str(avi)}
        assert sorted(p.name for p in tmp_path.iterdir()) == ["rows.csv", "rows.jsonl", "rows.parquet"]

    def test_rows_go_to_standard_output_without_out(self, analyzer: type[FakeAnalyzer], avi: Path) -> None:
        result = run(avi, "--headless", "--max-frames", 5)
        assert [json.loads(line)["frame"] for line in result.stdout.splitlines()] == [0, 1, 2, 3, 4]

    def test_seconds(self, analyzer: type[FakeAnalyzer], avi: Path) -> None:
        assert len(run(avi, "--headless", "--seconds", "0.5").stdout.splitlines()) == 6

    def test_slow_analysis_of_a_file_drops_nothing(self, analyzer: type[FakeAnalyzer], avi: Path) -> None:
        analyzer.delay = 0.1  # a file plays at 12 frames a second, but nobody is watching
        assert len(run(avi, "--headless").stdout.splitlines()) == COUNT

    def test_the_clip_with_the_whole_analysis(self, shared: Path, toy_bundle: Path) -> None:
        clip = shared / "data" / "media" / "clip.mp4"
        # To its end it is played in test_readme.
        result = run(clip, "--headless", "--model", toy_bundle, "--detector", "haar", "--max-frames", 30)
        rows = [json.loads(line) for line in result.stdout.splitlines()]
        assert sorted({row["frame"] for row in rows}) == list(range(30))
        assert sum(row["status"] == "ok" for row in rows) > 25
        assert {row["model"] for row in rows} == {"toy"}

    @pytest.mark.parametrize("suffix", ["jsonl", "csv"])
    def test_a_model_of_other_labels(self, avi: Path, tmp_path: Path, suffix: str) -> None:
        body = card({"moods": MOODS}, 32, only_probabilities=True)
        body["training"]["shortened"] = "2 of 100 epochs"
        bundle.save(tmp_path / "toy", network({"moods": MOODS}, 32, only_probabilities=True), body)
        out = tmp_path / f"rows.{suffix}"
        options = ("--headless", "--model", tmp_path / "toy", "--detector", "none", "--max-frames", 3)
        result = run(avi, *options, "--out", out)
        assert result.stderr.count("shortened run (2 of 100 epochs)") == 1
        with out.open(newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream)) if suffix == "csv" else [json.loads(line) for line in stream]
        expected = list(columns(results.columns({"moods": MOODS})))
        assert [list(row) for row in rows] == [expected] * 3
        assert {row["expression"] for row in rows} <= set(MOODS)
        printed = [json.loads(line) for line in run(avi, *options).stdout.splitlines()]
        assert [list(row) for row in printed] == [expected] * 3

    def test_ctrl_c_keeps_whole_rows(self, analyzer: type[FakeAnalyzer], avi: Path, tmp_path: Path) -> None:
        def interrupt(i: int) -> None:
            if i == 5:
                signal.raise_signal(signal.SIGINT)

        analyzer.before = staticmethod(interrupt)
        before = signal.getsignal(signal.SIGINT)
        result = run(avi, "--headless", "--out", tmp_path / "rows.csv")
        assert result.exit_code == 0
        assert len((tmp_path / "rows.csv").read_text().splitlines()) == 1 + 6  # frame 5 was finished
        assert "6 analysed" in result.stderr
        assert signal.getsignal(signal.SIGINT) is before

    def test_ctrl_c_in_a_pipe_leaves_whole_lines(self, avi: Path, toy_bundle: Path, tmp_path: Path) -> None:
        long = tmp_path / "long.avi"
        writer = cv2.VideoWriter(str(long), cv2.VideoWriter.fourcc(*"MJPG"), FPS, (64, 64))
        for _ in range(1000):  # many times what fits into a pipe
            writer.write(np.zeros((64, 64, 3), np.uint8))
        writer.release()
        command = [
            sys.executable,
            "-m",
            "mien",
            "live",
            long,
            "--headless",
            "--detector",
            "none",
            "--model",
            toy_bundle,
        ]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            first = process.stdout.readline()
            process.send_signal(signal.SIGINT)
            lines = [first, *process.stdout]
            error = process.stderr.read()
        assert process.returncode == 0
        assert [json.loads(line)["frame"] for line in lines] == list(range(len(lines)))
        assert 1 <= len(lines) < 1000
        assert f"{len(lines)} analysed" in error

    def test_a_cut_off_file_is_told(self, analyzer: type[FakeAnalyzer], avi: Path, tmp_path: Path) -> None:
        half = tmp_path / "cut.avi"
        half.write_bytes(avi.read_bytes()[: avi.stat().st_size // 2])
        assert "it may be damaged or cut off" in run(half, "--headless").stderr

    def test_a_reader_that_goes_away_is_no_error(self, avi: Path, toy_bundle: Path) -> None:
        command = [sys.executable, "-m", "mien", "live", avi, "--headless", "--model", toy_bundle, "--detector", "none"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            assert json.loads(process.stdout.readline())["frame"] == 0
            process.stdout.close()
            error = process.stderr.read()
        assert process.returncode == 0
        assert "Traceback" not in error
        assert "BrokenPipe" not in error

    def test_errors(self, analyzer: type[FakeAnalyzer], avi: Path, tmp_path: Path) -> None:
        out = tmp_path / "rows.csv"
        out.write_text("older rows")
        with pytest.raises(VideoError, match="no such file"):
            run(tmp_path / "none.mp4", "--headless", "--out", out)
        with pytest.raises(VideoError, match="camera 63"):
            run(63, "--headless", "--out", out)
        with pytest.raises(BundleError):
            run(avi, "--headless", "--out", out, "--model", "absent")
        assert out.read_text() == "older rows"  # nothing was read, nothing is replaced
        with pytest.raises(OutputError):
            run(avi, "--headless", "--out", tmp_path / "rows.txt")


class Camera(Capture):
    """A file that behaves like a camera: in real time, and unplugged where the file ends."""

    def __init__(self, source: str, path: Path) -> None:
        super().__init__(path)
        self.is_camera, self.name = True, f"camera {source}"
        self._first = None

    def next(self) -> video.Frame | None:
        time.sleep(1 / FPS)
        return super().next()


class TestCamera:
    @pytest.fixture(autouse=True)
    def _camera(self, monkeypatch: pytest.MonkeyPatch, avi: Path) -> None:
        monkeypatch.setattr(video, "Capture", lambda source: Camera(source, avi))

    def test_headless_works_on_the_newest_frame(self, analyzer: type[FakeAnalyzer]) -> None:
        analyzer.delay = 4 / FPS
        result = run("--headless", "--seconds", 1)
        frames = [json.loads(line)["frame"] for line in result.stdout.splitlines()]
        assert 2 <= len(frames) <= 5
        assert (np.diff(frames) > 0).all()
        assert frames[-1] > len(frames)
        assert "camera 0: frames:" in result.stderr
        assert " 0 dropped" not in result.stderr

    def test_rows_outlive_a_camera_that_is_unplugged(self, analyzer: type[FakeAnalyzer], tmp_path: Path) -> None:
        with pytest.raises(VideoError, match="camera 0 stopped giving pictures after 23 frames"):
            run("0", "--headless", "--out", tmp_path / "rows.jsonl")
        rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
        assert rows[-1]["frame"] == 22


class TestNoWindow:
    def test_without_tkinter(self, analyzer: type[FakeAnalyzer], avi: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "tkinter", None)
        with pytest.raises(VideoError, match="no tkinter") as caught:
            run(avi)
        for words in ("apt install python3-tk", "brew install python-tk", "--headless --out"):
            assert words in caught.value.remedy

    @pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems need no DISPLAY")
    @pytest.mark.parametrize("display", [None, ":4711"])
    def test_without_display(
        self, analyzer: type[FakeAnalyzer], avi: Path, monkeypatch: pytest.MonkeyPatch, display: str | None
    ) -> None:
        pytest.importorskip("tkinter")
        monkeypatch.delenv("DISPLAY", raising=False)
        if display:
            monkeypatch.setenv("DISPLAY", display)
        with pytest.raises(VideoError, match="no display") as caught:
            run(avi)
        assert "Set DISPLAY" in caught.value.remedy
        assert "--headless --out" in caught.value.remedy


class Screen:
    """A virtual screen whose picture is a file: ``Xvfb -fbdir``."""

    def __init__(self, display: str, folder: Path) -> None:
        self.display, self._file = display, folder / "Xvfb_screen0"

    def picture(self) -> np.ndarray:
        """What is on it, (800, 1280, 3) uint8 BGR."""
        data = self._file.read_bytes()  # the X window dump format: a header, a colour table, 4 bytes a pixel
        header = struct.unpack(">25I", data[:100])
        start = header[0] + header[19] * 12
        return np.frombuffer(data, np.uint8)[start:].reshape(SCREEN[1], SCREEN[0], 4)[:, :, :3]

    def wait(self, condition: Callable[[np.ndarray], bool], what: str) -> np.ndarray:
        end = time.monotonic() + 20
        while not condition(picture := self.picture()):
            assert time.monotonic() < end, f"not on the screen within 20 s: {what}"
            time.sleep(0.05)
        return picture


@pytest.fixture(scope="module")
def xvfb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Screen]:
    pytest.importorskip("tkinter", reason="no tkinter: apt install python3-tk")
    if shutil.which("Xvfb") is None:
        absent = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        absent("no Xvfb: apt install xvfb")
    folder = tmp_path_factory.mktemp("screen")
    command = [
        "Xvfb",
        "-displayfd",
        "1",
        "-screen",
        "0",
        f"{SCREEN[0]}x{SCREEN[1]}x24",
        "-fbdir",
        str(folder),
        "-nolisten",
        "tcp",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        number = process.stdout.readline().strip()
        assert number, "Xvfb did not start"
        yield Screen(f":{number}", folder)
        process.terminate()


@pytest.fixture
def screen(xvfb: Screen, monkeypatch: pytest.MonkeyPatch) -> Screen:
    monkeypatch.setenv("DISPLAY", xvfb.display)
    xvfb.wait(lambda picture: not picture.any(), "the end of the window before")
    return xvfb


def type_key(window: Window, key: str) -> Callable[[], None]:
    return lambda: window._root.event_generate(f"<Key-{key}>")


BLUE = np.full((120, 240, 3), (200, 60, 10), np.uint8)  # BGR


class TestWindow:
    def show(self, act: Callable[[Window], object], image: np.ndarray = BLUE, **arguments: Any) -> Window:
        """A window that shows ``image`` and is acted on in its own thread after 0.5 s; it ends after 10 s at most."""
        saved: Callable[[Path, np.ndarray], Path] = arguments.get("save", lambda path, image: path)
        with Window("test", saved) as win:
            win.show(image, "status")
            win._root.after(500, act, win)
            began = time.monotonic()
            win._root.after(10_000, win.close)
            win._root.focus_force()
            win.run(threading.Event())
            assert time.monotonic() - began < 8, "nothing closed it"
        return win

    @pytest.mark.parametrize("key", ["q", "Q", "Escape"])
    def test_keys_close_it(self, screen: Screen, key: str) -> None:
        self.show(lambda w: type_key(w, key)())

    def test_its_own_button_closes_it(self, screen: Screen) -> None:
        self.show(lambda w: w._root.tk.call(w._root.protocol("WM_DELETE_WINDOW")))

    def test_the_picture_is_on_the_screen_in_its_own_colours(self, screen: Screen) -> None:
        seen: list[np.ndarray] = []

        def look(win: Window) -> None:
            seen.append(screen.picture().copy())
            win.close()

        self.show(look)
        np.testing.assert_array_equal(seen[0][100, 300], BLUE[0, 0])
        assert (seen[0][:, :640] == BLUE[0, 0]).all(2).sum() == 640 * 320  # twice 240×120 and more: tiny is enlarged

    def test_a_large_picture_is_fitted_to_the_screen(self, screen: Screen) -> None:
        sizes: list[tuple[int, int]] = []

        def look(win: Window) -> None:
            sizes.append((win._area.winfo_width(), win._area.winfo_height()))
            win.close()

        self.show(look, np.zeros((2160, 3840, 3), np.uint8))
        ((width, height),) = sizes
        assert width <= SCREEN[0] * window.SCREEN_SHARE
        assert width / height == pytest.approx(16 / 9, abs=0.01)

    def test_resizing_resizes_the_picture(self, screen: Screen) -> None:
        seen: list[np.ndarray] = []

        def enlarge(win: Window) -> None:
            win._root.geometry("900x600")
            win._root.after(300, lambda: win.show(BLUE, "larger"))
            win._root.after(600, lambda: (seen.append(screen.picture().copy()), win.close()))

        self.show(enlarge)
        blue = (seen[0] == BLUE[0, 0]).all(2)
        assert blue.any(0).sum() == 900
        assert blue.any(1).sum() == 450

    def test_s_saves_the_picture_at_full_size(
        self, screen: Screen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from mien.plots.annotate import write_picture

        monkeypatch.chdir(tmp_path)
        status: list[str] = []

        def press(win: Window) -> None:
            type_key(win, "s")()
            win._root.after(100, lambda: (status.append(win._status["text"]), win.close()))

        self.show(press, save=write_picture)
        (file,) = tmp_path.iterdir()
        assert status == [f"Saved {file.name}"]
        np.testing.assert_array_equal(cv2.imread(str(file)), BLUE)

    def test_a_picture_that_cannot_be_saved_is_a_line_in_the_window(self, screen: Screen) -> None:
        status: list[str] = []

        def refuse(path: Path, image: np.ndarray) -> Path:
            raise OutputError("the disk is full")

        def press(win: Window) -> None:
            type_key(win, "s")()
            win._root.after(100, lambda: (status.append(win._status["text"]), win.close()))

        self.show(press, save=refuse)
        assert status == ["Not saved: the disk is full"]

    def test_the_end_of_the_stream_is_said_and_closes_it(self, screen: Screen) -> None:
        status: list[str] = []

        def end(win: Window) -> None:
            win.finish("End of x")
            win._root.after(200, lambda: status.append(win._status["text"]))

        self.show(end)
        assert status == ["End of x"]

    def test_errors_of_either_thread_end_it_and_are_raised(self, screen: Screen) -> None:
        with pytest.raises(VideoError, match="unplugged"):
            self.show(lambda w: w.finish("", VideoError("unplugged")))

        def wrong(win: Window) -> None:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            self.show(wrong)


class TestLiveInAWindow:
    def test_slow_analysis_drops_frames_and_the_window_ends_with_the_file(
        self, screen: Screen, analyzer: type[FakeAnalyzer], avi: Path, tmp_path: Path
    ) -> None:
        analyzer.delay = 0.25
        result = run(avi, "--out", tmp_path / "rows.jsonl")
        rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
        frames = [row["frame"] for row in rows]
        assert (np.diff(frames) > 0).all()
        assert frames[-1] == COUNT - 1
        assert 4 <= len(frames) < COUNT  # it played in real time, two seconds, rather than rushing to its end
        assert f"{COUNT} read, {len(frames)} analysed, {COUNT - len(frames)} dropped" in result.stderr

    def test_an_error_in_the_analysis_reaches_the_caller(
        self, screen: Screen, analyzer: type[FakeAnalyzer], avi: Path
    ) -> None:
        def fail(i: int) -> None:
            if i == 2:
                raise BundleError("broken")

        analyzer.before = staticmethod(fail)
        with pytest.raises(BundleError, match="broken"):
            run(avi)

    def test_the_clip_is_on_the_screen_and_q_ends_it(self, screen: Screen, shared: Path, toy_bundle: Path) -> None:
        clip = shared / "data" / "media" / "clip.mp4"
        with Capture(clip) as capture:
            frames = [cv2.resize(f.image, (640, 361), interpolation=cv2.INTER_LINEAR).astype(int) for f in capture]

        def distance(picture: np.ndarray) -> float:
            rough = picture[:361:4, :640:4]  # a sixteenth, so that looking takes little of the clip's own time
            return min(float(np.abs(f[::4, ::4] - rough).mean()) for f in frames[::2])

        command = [sys.executable, "-m", "mien", "live", clip, "--model", toy_bundle, "--detector", "haar"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            picture = screen.wait(lambda p: bool(p.any()) and distance(p) < 8, "a frame of the clip").copy()
            if shutil.which("xdotool"):  # at once: what follows takes a while, and the clip does not wait
                subprocess.run(["xdotool", "mousemove", "300", "200", "key", "q"], check=True)
            assert distance(picture[:, :, ::-1]) > 2 * distance(picture)  # the colours are in the right order
            box = (
                np.abs(
                    picture[:361, :640].astype(int)
                    - min(frames, key=lambda f: float(np.abs(f - picture[:361, :640]).mean()))
                ).max(2)
                > 60
            )
            assert box.sum() > 500  # and something is drawn on it
            status = picture[362:395, :640]
            assert status.max() > 150  # bright letters
            assert np.median(status) < 60  # on a dark line
            assert process.stderr is not None
            error = process.stderr.read()
        assert process.returncode == 0
        assert "frames:" in error
        assert "Traceback" not in error
        if shutil.which("xdotool"):
            assert "115 read" not in error  # it did not run to its end
