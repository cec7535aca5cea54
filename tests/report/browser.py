"""A Chromium without a window, driven through its own protocol over two pipes."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


def program() -> str | None:
    """Path of a Chromium, if there is one."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def required() -> str:
    """The same; skips the test where there is none, and fails it in CI."""
    if (found := program()) is not None:
        return found
    reason = "there is no Chromium: apt-get install chromium"
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason} (this must run, not skip, in CI)")
    pytest.skip(reason)


class Browser:
    """One page.

    Attributes:
        requests: Addresses that were asked for, data URIs left out.
        complaints: What the console and the log said.
    """

    def __init__(self, to: BinaryIO, back: BinaryIO) -> None:
        self._to, self._back, self._last, self._session = to, back, 0, ""
        self.requests: list[str] = []
        self.complaints: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """A command's result."""
        self._last += 1
        body = {"id": self._last, "method": method, "params": parameters}
        self._to.write(json.dumps(body | ({"sessionId": self._session} if self._session else {})).encode() + b"\0")
        self._to.flush()
        while (said := self._next()).get("id") != self._last:
            self._hear(said)
        assert "error" not in said, said["error"]
        return said["result"]

    def open(self, path: Path) -> None:
        """Load a page and wait until everything in it is there."""
        self.call("Page.navigate", url=path.resolve().as_uri())
        while (said := self._next()).get("method") != "Page.loadEventFired":
            self._hear(said)

    def value(self, expression: str) -> Any:
        """What a JavaScript expression gives; a promise is waited for."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def show(self, width: int, *, media: str = "screen", scheme: str = "light", height: int = 900) -> None:
        """Set the window's width and what it pretends to be."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme_is = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", media=media, features=scheme_is)

    def _next(self) -> dict[str, Any]:
        text = bytearray()
        while (byte := self._back.read(1)) != b"\0":
            assert byte, "Chromium has gone"
            text += byte
        return json.loads(text)

    def _hear(self, said: dict[str, Any]) -> None:
        parameters = said.get("params", {})
        match said.get("method"):
            case "Network.requestWillBeSent" if not parameters["request"]["url"].startswith("data:"):
                self.requests.append(parameters["request"]["url"])
            case "Log.entryAdded":
                self.complaints.append(parameters["entry"]["text"])
            case "Runtime.consoleAPICalled" | "Runtime.exceptionThrown":
                self.complaints.append(json.dumps(parameters))


@contextmanager
def browser(found: str, folder: Path) -> Iterator[Browser]:
    """A running browser, with its profile in ``folder``; it is ended in the end."""
    # It reads commands from descriptor 3 and answers on 4: copies with large numbers are not in their way.
    read, ours = os.pipe()
    back, write = os.pipe()
    high = [fcntl.fcntl(one, fcntl.F_DUPFD_CLOEXEC, 100) for one in (read, write)]

    def connect() -> None:
        os.dup2(high[0], 3)
        os.dup2(high[1], 4)

    process = subprocess.Popen(
        [
            *(found, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
            *(f"--user-data-dir={folder}", "--remote-debugging-pipe"),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=connect,
        close_fds=False,
    )
    for one in (read, write, *high):
        os.close(one)
    with os.fdopen(ours, "wb") as to, os.fdopen(back, "rb") as answers:
        try:
            page = Browser(to, answers)
            yield page
        finally:
            process.terminate()
            process.wait(timeout=30)
