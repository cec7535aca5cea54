"""``mien live``: a camera or a video file, in a window or as rows."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.options import DetectorName, ErrorRate, Model, Threads
from mien.weights import DEFAULT

if TYPE_CHECKING:
    from mien.card import Card
    from mien.inference.analyze import Analyzer
    from mien.inference.video import Capture, Frame, Newest
    from mien.inference.window import Window
    from mien.results import ImageResult, Row

_PROGRESS_SECONDS = 0.5


def live(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="Number of a camera, or a video file.")] = "0",
    headless: Annotated[
        bool,
        typer.Option("--headless", help="Open no window. Without --out, rows go to standard output as JSON Lines."),
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write rows to a .jsonl, .csv or .parquet file.")
    ] = None,
    mirror: Annotated[
        bool | None,
        typer.Option(
            "--mirror/--no-mirror", show_default="cameras only", help="Show the window's picture as in a mirror."
        ),
    ] = None,
    max_frames: Annotated[
        int | None, typer.Option("--max-frames", min=1, metavar="N", help="End after N analysed frames.")
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option("--seconds", min=0, metavar="S", help="End after S seconds of the camera or the file."),
    ] = None,
    model: Model = DEFAULT,
    detector: DetectorName = "auto",
    threads: Threads = 0,
    error_rate: ErrorRate = None,
) -> None:
    """Watch a camera or play a video file, and say what the faces express.

    The window shows boxes, expressions and frames per second, always of the newest frame: what could not be analysed in
    time is dropped. In it, q or Escape ends and s saves the picture. With --headless, every frame of a file is
    analysed and has its rows, those without a face too; of a camera, the newest frame is. Ctrl-C ends and keeps the
    rows written so far.
    """
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # mien's own message says more than the decoder's
    from mien.cli.output import RowWriter
    from mien.inference.analyze import Analyzer
    from mien.inference.video import Capture, columns

    stop = threading.Event()
    with interrupts(stop), ExitStack() as stack:
        capture = stack.enter_context(Capture(source))
        window = None if headless else stack.enter_context(_window(capture.name))
        analyzer = Analyzer(model, detector, threads, error_rate=error_rate)
        note_caveats(analyzer.card)
        write = _nowhere if out is None else stack.enter_context(RowWriter(out, columns(analyzer.columns))).write
        if headless and out is None:
            write = _StandardOutput(stop).write
        show = _Show(
            capture, analyzer, write, stop, max_frames, seconds, capture.is_camera if mirror is None else mirror
        )
        try:
            if window is None:
                show.headless()
            else:
                show.windowed(window)
        finally:
            show.report(out)


@dataclass
class _Show:
    """One run: what it reads, what it does with it, when it ends."""

    capture: Capture
    analyzer: Analyzer
    write: Callable[[list[Row]], None]
    stop: threading.Event
    max_frames: int | None
    seconds: float | None
    mirror: bool
    newest: Newest | None = None

    def __post_init__(self) -> None:
        from mien.inference.video import Tally

        self.tally = Tally()

    def headless(self) -> None:
        """Rows only: every frame of a file, the newest frame of a camera."""
        from mien.inference.video import Newest

        with ExitStack() as stack:
            if self.capture.is_camera:
                self.newest = stack.enter_context(Newest(self.capture, stop=self.stop))
            progress = _Progress()
            for frame, _ in self._results():
                progress.update(f"{self.tally.analysed} frames, {frame.seconds:.1f} s, {self.tally.fps:.1f} a second")
            progress.clear()

    def windowed(self, window: Window) -> None:
        """Show the newest frame; analysis runs in a thread of its own so that the window stays responsive."""
        from mien.inference.video import Newest

        with Newest(self.capture, paced=not self.capture.is_camera, stop=self.stop) as self.newest:
            worker = threading.Thread(target=self._fill, args=(window,), name="mien-analysis", daemon=True)
            worker.start()
            try:
                window.run(self.stop)
            finally:
                self.stop.set()
                worker.join()

    def _fill(self, window: Window) -> None:
        from mien.inference.video import mirrored
        from mien.plots.annotate import annotate

        try:
            for frame, result in self._results():
                image = frame.image
                if self.mirror:
                    image, result = mirrored(image, result)
                window.show(annotate(image, result), self._status(result))
        except BaseException as error:  # it is raised again in the main thread
            window.finish("", error)
        else:
            window.finish(f"End of {Path(self.capture.name).name}" if self.capture.ended else "Finished")

    def _results(self) -> Iterator[tuple[Frame, ImageResult]]:
        from mien.inference.video import analyse, rows

        for frame, result in analyse(
            self.newest or self.capture,
            self.analyzer.frame,
            self.capture.name,
            self.tally,
            self.stop,
            max_frames=self.max_frames,
            seconds=self.seconds,
        ):
            self.write(rows(frame, result))
            yield frame, result

    def _status(self, result: ImageResult) -> str:
        faces = len(result.faces)
        count = "no face" if not faces else "1 face" if faces == 1 else f"{faces} faces"
        dropped, read = (self.newest.dropped, self.newest.read) if self.newest else (0, self.capture.read)
        return (
            f"{self.tally.fps:.1f} fps  ·  {count}  ·  {result.detector}, {result.model}  ·  "
            f"{dropped} of {read} frames dropped"
        )

    def report(self, out: Path | None) -> None:
        """One line on standard error about the whole run, and another if the file ended early."""
        read, dropped = (self.newest.read, self.newest.dropped) if self.newest else (self.capture.read, 0)
        text = self.tally.summary(read, dropped)
        typer.echo(f"{self.capture.name}: {text}" + (f"; rows in {out}" if out else ""), err=True)
        if cut_off := self.capture.cut_off:
            typer.echo(f"note: {cut_off}", err=True)


class _StandardOutput:
    """Rows as JSON Lines, each frame's at once; a reader that goes away (``| head``) ends the run without an error."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop

    def write(self, rows: list[Row]) -> None:
        try:
            for row in rows:
                sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")
            sys.stdout.flush()
        except BrokenPipeError:
            self._stop.set()
            # What is left in the buffer has nowhere to go, and Python would complain about it at its exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Progress:
    """A line on standard error that replaces itself, where that is a terminal."""

    def __init__(self) -> None:
        self._wanted, self._next = sys.stderr.isatty(), time.monotonic() + _PROGRESS_SECONDS

    def update(self, text: str) -> None:
        if self._wanted and time.monotonic() >= self._next:
            self._next = time.monotonic() + _PROGRESS_SECONDS
            sys.stderr.write(f"\r\x1b[K{text}")
            sys.stderr.flush()

    def clear(self) -> None:
        if self._wanted:
            sys.stderr.write("\r\x1b[K")


def _nowhere(rows: list[Row]) -> None:
    """For a window without --out."""


def _window(name: str) -> Window:
    from mien.inference.window import Window
    from mien.plots.annotate import write_picture

    return Window(f"mien – {Path(name).name}", write_picture)


def note_caveats(card: Card) -> None:
    """Say on standard error what a user of the model should know of its training."""
    for caveat in card.training.caveats():
        typer.echo(f"note: {caveat}", err=True)


@contextmanager
def interrupts(stop: threading.Event) -> Iterator[None]:
    """Ctrl-C and SIGTERM set ``stop``, which ends a run between two pictures, so that rows stay whole; a second one
    ends it at once."""
    if threading.current_thread() is not threading.main_thread():  # Python allows handlers in the main thread only
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def handle(number: int, frame: FrameType | None) -> None:
        stop.set()
        restore()

    for number in before:
        signal.signal(number, handle)
    try:
        yield
    finally:
        restore()
