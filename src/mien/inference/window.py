"""A window for live pictures, with tkinter: the headless OpenCV that mien installs has none.

Pictures come from a worker thread through ``show``; tkinter is touched by the main thread alone. So the window stays
responsive however slow the analysis is, and a picture that was not shown in time is replaced, never queued.
"""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import cv2
import numpy as np

from mien.errors import MienError, VideoError

if TYPE_CHECKING:
    import tkinter

POLL_MS = 10
NOTICE_SECONDS = 3.0  # how long "saved" stays
CLOSING_SECONDS = 1.5  # how long the last picture stays after the end of the stream
SCREEN_SHARE = 0.85  # of the screen's width and height that a large picture may fill
SMALLEST = (640, 240)  # pixels: narrower, and the status line does not fit
INK, PAPER, QUIET = "#f2f2f2", "#1b1d21", "#9aa0a8"
KEYS = "s save    q quit"
INSTEAD = "do without a window: mien live --headless --out rows.csv"


@dataclass(frozen=True, eq=False)
class _View:
    image: np.ndarray  # (H, W, 3) uint8 BGR, full size
    ppm: bytes  # the same, RGB, at the size of the window
    status: str


class Window:
    """A window that shows the newest picture it was given, above a line of text.

    ``q``, Escape and the window's own button close it; ``s`` saves the picture shown, at full size. Make it, ``run``
    it and leave its ``with`` in the main thread; ``show`` and ``finish`` may be called from any.

    Args:
        title: Of the window.
        save: Writes a BGR picture to a path and returns the path it took; called by ``s`` with a name in the current
            folder.

    Raises:
        VideoError: Python has no tkinter, or there is no display.
    """

    def __init__(self, title: str, save: Callable[[Path, np.ndarray], Path]) -> None:
        try:
            import tkinter
        except ImportError as error:
            raise VideoError(
                f"this Python has no tkinter ({error})",
                "tkinter, which draws the window",
                "Type: apt install python3-tk (Debian, Ubuntu), dnf install python3-tkinter (Fedora) or "
                f"brew install python-tk (macOS); or {INSTEAD}",
            ) from error
        try:
            self._root = tkinter.Tk(className="Mien")
        except tkinter.TclError as error:
            raise VideoError(
                f"no display for a window ({error})",
                "a desktop, or DISPLAY set to one",
                f"Set DISPLAY (over SSH: ssh -X), or {INSTEAD}",
            ) from error
        self._save = save
        self._lock = threading.Lock()  # guards what both threads touch: _pending, _end, _area_wh
        self._pending: _View | None = None
        self._end: tuple[str, BaseException | None] | None = None
        self._area_wh: tuple[int, int] | None = None  # None until the first picture has given the window its size
        self._shown: _View | None = None
        self._notice, self._notice_until = "", 0.0
        self._closing_at: float | None = None
        self._error: BaseException | None = None
        self._closed = False
        self._screen_wh = (
            int(self._root.winfo_screenwidth() * SCREEN_SHARE),
            int(self._root.winfo_screenheight() * SCREEN_SHARE),
        )
        self._build(title)

    def _build(self, title: str) -> None:
        import tkinter

        root = self._root
        root.withdraw()  # until there is a picture
        root.title(title)
        root.configure(background=PAPER)
        root.protocol("WM_DELETE_WINDOW", self.close)
        root.bind("<Key>", self._key)
        root.report_callback_exception = self._failed
        bar = tkinter.Frame(root, background=PAPER, padx=10, pady=6)
        bar.pack(side="bottom", fill="x")
        tkinter.Label(bar, text=KEYS, background=PAPER, foreground=QUIET).pack(side="right")
        self._status = tkinter.Label(bar, background=PAPER, foreground=INK, anchor="w", width=1)
        self._status.pack(side="left", fill="x", expand=True)
        # On a canvas the window decides how large the picture is, not the picture, so the user may resize it.
        self._area = tkinter.Canvas(root, background="black", highlightthickness=0)
        self._area.pack(side="top", fill="both", expand=True)
        self._photo = tkinter.PhotoImage(master=root)
        self._item = self._area.create_image(0, 0, image=self._photo)

    def show(self, image: np.ndarray, status: str) -> None:
        """Show a picture in place of any that still waits; for the worker thread.

        Args:
            image: (H, W, 3) uint8 BGR. It is kept until the next one, so hand over a copy.
            status: The line under it.
        """
        with self._lock:
            area = self._area_wh or self._first_area(image)
        view = _View(image, _ppm(image, area), status)
        with self._lock:
            self._pending = view

    def finish(self, message: str, error: BaseException | None = None) -> None:
        """Say that no more pictures come; for the worker thread.

        Args:
            message: Shown for a moment before the window closes.
            error: Closes the window at once and is raised by ``run``.
        """
        with self._lock:
            self._end = message, error

    def run(self, stop: threading.Event) -> None:
        """Show pictures until the window is closed, ``stop`` is set, or the stream has finished.

        Raises:
            BaseException: What ``finish`` was given, or what went wrong in the window itself.
        """
        self._poll(stop)
        if not self._closed:
            self._root.mainloop()
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Close the window; ``run`` returns. For the main thread."""
        self._closed = True
        self._root.quit()

    def _poll(self, stop: threading.Event) -> None:
        now = time.monotonic()
        with self._lock:
            view, self._pending = self._pending, None
            end = self._end
        if view is not None:
            self._display(view)
        if end is not None and self._closing_at is None:
            self._error = end[1]
            self._closing_at = now + CLOSING_SECONDS if self._shown is not None and end[1] is None else now
        notice = self._notice if now < self._notice_until else end[0] if end else ""
        self._status["text"] = notice or (self._shown.status if self._shown else "")
        if stop.is_set() or (self._closing_at is not None and now >= self._closing_at):
            self.close()
        else:
            self._root.after(POLL_MS, self._poll, stop)

    def _display(self, view: _View) -> None:
        if self._shown is None:
            width, height = self._first_area(view.image)
            self._area.configure(width=width, height=height)
            self._area.coords(self._item, width // 2, height // 2)
            self._area.bind("<Configure>", self._resized)
            self._root.minsize(*SMALLEST)
            self._root.deiconify()
        self._photo.configure(data=view.ppm, format="PPM")
        self._shown = view

    def _first_area(self, image: np.ndarray) -> tuple[int, int]:
        """Size of the picture's area for a first picture: its own where the screen has the room, and not tiny."""
        height, width = image.shape[:2]
        scale = min(max(1.0, SMALLEST[0] / width), self._screen_wh[0] / width, self._screen_wh[1] / height)
        return max(1, round(width * scale)), max(1, round(height * scale))

    def _resized(self, event: tkinter.Event[tkinter.Canvas]) -> None:
        self._area.coords(self._item, event.width // 2, event.height // 2)
        with self._lock:
            self._area_wh = max(1, event.width), max(1, event.height)

    def _key(self, event: tkinter.Event[tkinter.Misc]) -> None:
        if event.keysym in ("q", "Q", "Escape"):
            self.close()
        elif event.keysym in ("s", "S") and self._shown is not None:
            self._keep(self._shown.image)

    def _keep(self, image: np.ndarray) -> None:
        """Save the picture shown; a failure is a line in the window, not the end of the session."""
        try:
            path = self._save(Path(f"mien-{datetime.now():%Y%m%d-%H%M%S-%f}.png"), image)
            self._notice = f"Saved {path}"
        except (MienError, OSError) as error:
            self._notice = f"Not saved: {error}"
        self._notice_until = time.monotonic() + NOTICE_SECONDS

    def _failed(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        """What tkinter calls for an exception in a callback; its own way is to print it and go on."""
        self._error = error
        self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._root.destroy()
        # tkinter objects refer to each other in circles, and Tcl aborts the process if the collector happens to free
        # its interpreter from another thread. So let go of them here.
        del self._root, self._status, self._area, self._photo
        gc.collect()


def _ppm(image: np.ndarray, area_wh: tuple[int, int]) -> bytes:
    """A BGR picture, fitted into an area, in the one format that tkinter reads fast without another package."""
    height, width = image.shape[:2]
    scale = min(area_wh[0] / width, area_wh[1] / height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    if size != (width, height):
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    rgb = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    return b"P6 %d %d 255\n" % size + rgb.tobytes()
