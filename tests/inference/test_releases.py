"""Fetching a detector: only the right bytes are ever cached, and every failure says what to do."""

from __future__ import annotations

import hashlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mien.errors import FetchError
from mien.files import cache_folder
from mien.inference import releases
from mien.inference.releases import RELEASES, cached, fetch

RIGHT = bytes(range(256)) * 40
OTHER = b"another network" * 100
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:8f23\nsize 232589\n"


class Answers(BaseHTTPRequestHandler):
    """A server that goes wrong in the way that the path asks for."""

    def do_GET(self) -> None:
        what = self.path.strip("/")
        if what == "moved":
            self.send_response(302)
            self.send_header("Location", "/right")
            self.end_headers()
            return
        if what == "slow":
            time.sleep(1)
        body = {
            "wrong": OTHER,
            "pointer": POINTER,
            "long": RIGHT * 2,
            "empty": b"",
            "right": RIGHT,
            "slow": RIGHT,
            "cut": RIGHT,
            "drip": RIGHT,
        }.get(what)
        if body is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if what == "drip":
            for i in range(40):
                self.wfile.write(body[i : i + 1])
                time.sleep(0.1)
            return
        self.wfile.write(body[: len(body) // 2] if what == "cut" else body)

    def log_message(self, *_: object) -> None:
        pass

    def handle(self) -> None:
        with suppress(OSError):  # the client gave up, as it should
            super().handle()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _made_up_releases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Two small releases in place of the real ones, the older of which can be downloaded."""
    monkeypatch.setenv("MIEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    if "shared" in request.fixturenames:
        return
    served = "server" in request.fixturenames
    address = f"{request.getfixturevalue('server') if served else 'http://127.0.0.1:9'}/right"
    monkeypatch.setattr(
        releases,
        "RELEASES",
        (
            replace(
                RELEASES[0], file="old.onnx", size=len(RIGHT), sha256=hashlib.sha256(RIGHT).hexdigest(), url=address
            ),
            replace(RELEASES[1], file="new.onnx", size=len(OTHER), sha256=hashlib.sha256(OTHER).hexdigest(), url=None),
        ),
    )


def in_cache() -> list[str]:
    return sorted(p.name for p in cache_folder().rglob("*") if p.is_file())


def test_download(server: str) -> None:
    lines: list[str] = []
    path = fetch("yunet", progress=lines.append)
    assert path == cached() == cache_folder() / "detectors" / "old.onnx"
    assert path.read_bytes() == RIGHT
    assert in_cache() == ["old.onnx"]
    assert f"{server}/right" in lines[0]
    assert "10,240 bytes, licence MIT" in lines[0]
    assert str(path) in lines[1]


def test_nothing_to_do(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = fetch("yunet")
    monkeypatch.setattr(socket, "socket", None)
    lines: list[str] = []
    assert fetch("yunet", progress=lines.append) == path
    assert lines == [f"{path} is there already: nothing to do"]


def test_redirect_and_own_address(server: str) -> None:
    assert fetch("yunet", url=f"{server}/moved").name == "old.onnx"
    assert fetch("yunet", url=f"{server}/wrong").name == "new.onnx"  # a known release too, if asked for by address
    assert str(cached()).endswith("new.onnx")


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("missing", "404"),
        ("cut", r"5,120 bytes .*10,240 bytes"),
        ("empty", "0 bytes"),
        ("pointer", "Git LFS pointer"),
        ("long", "larger than any known release"),
    ],
)
def test_wrong_answers(server: str, what: str, words: str) -> None:
    with pytest.raises(FetchError, match=words) as caught:
        fetch("yunet", url=f"{server}/{what}")
    assert f"{server}/{what}" in str(caught.value)
    assert "mien fetch yunet --from FILE" in str(caught.value)
    assert in_cache() == []
    assert cached() is None


def test_default_address_must_deliver_its_own_release(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = releases.RELEASES
    monkeypatch.setattr(releases, "RELEASES", (replace(old, url=f"{server}/wrong"), new))
    with pytest.raises(FetchError) as caught:
        fetch("yunet")
    assert hashlib.sha256(OTHER).hexdigest() in caught.value.came
    assert old.sha256 in caught.value.expected
    assert new.sha256 not in caught.value.expected
    assert in_cache() == []


@pytest.mark.parametrize("what", ["slow", "drip"])
def test_timeouts(server: str, what: str) -> None:
    started = time.monotonic()
    with pytest.raises(FetchError, match="failed"):
        fetch("yunet", url=f"{server}/{what}", timeout=0.15)
    assert time.monotonic() - started < 4
    assert in_cache() == []


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/hostname",
        "ftp://127.0.0.1/x",
        "yunet.onnx",
        "http://",
        "http://[::",
        "http://127.0.0.1:9/x",
        "http://name.invalid/x",
    ],
)
def test_no_connection(url: str) -> None:
    with pytest.raises(FetchError, match="--from FILE") as caught:
        fetch("yunet", url=url, timeout=2)
    assert url in str(caught.value)
    assert in_cache() == []


def test_copy(tmp_path: Path) -> None:
    copy = tmp_path / "downloaded (1)"
    copy.write_bytes(OTHER)
    lines: list[str] = []
    assert fetch("yunet", copy, progress=lines.append) == cache_folder() / "detectors" / "new.onnx"
    assert fetch("yunet", copy, progress=lines.append) == cached()
    assert lines[0].startswith("installed ")
    assert lines[1].endswith("nothing to do")
    assert copy.read_bytes() == OTHER


@pytest.mark.parametrize(
    ("contents", "words"),
    [
        (POINTER, "Git LFS pointer"),
        (b"", "0 bytes"),
        (OTHER[:-1], "1,499 bytes"),
        (RIGHT * 2, "larger"),
        (None, "read"),
    ],
)
def test_wrong_copy(tmp_path: Path, contents: bytes | None, words: str) -> None:
    copy = tmp_path / "copy.onnx"
    if contents is not None:
        copy.write_bytes(contents)
    with pytest.raises(FetchError, match=words) as caught:
        fetch("yunet", copy)
    assert str(copy) in str(caught.value)
    assert in_cache() == []


def test_copy_that_is_a_folder(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="cannot be read"):
        fetch("yunet", tmp_path)


def test_newest_is_used(tmp_path: Path) -> None:
    for contents in (OTHER, RIGHT):
        (tmp_path / "copy").write_bytes(contents)
        fetch("yunet", tmp_path / "copy")
    assert str(cached()).endswith("new.onnx")


def test_altered_cache_is_refused_and_mended(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.write_bytes(OTHER)
    path = fetch("yunet", copy)
    path.write_bytes(OTHER[:-1] + b"!")
    for look in (cached, lambda: fetch("yunet")):
        with pytest.raises(FetchError, match=r"delete it and run: mien fetch yunet") as caught:
            look()
        assert str(path) in str(caught.value)
    assert fetch("yunet", copy) == cached() == path


def test_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "copy").write_bytes(OTHER)
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("MIEN_CACHE", str(tmp_path / "file"))
    with pytest.raises(FetchError, match="MIEN_CACHE"):
        fetch("yunet", tmp_path / "copy")


def test_unknown_name_and_both_sources(tmp_path: Path) -> None:
    for look in (fetch, cached):
        with pytest.raises(FetchError, match=r"'retinaface'.*one of yunet"):
            look("retinaface")
    with pytest.raises(FetchError, match="one of --from and --url"):
        fetch("yunet", tmp_path, "http://127.0.0.1/x")


def test_facts_are_well_formed() -> None:
    for release in RELEASES:
        assert len(bytes.fromhex(release.sha256)) == 32
        assert release.file.endswith(".onnx")
        assert release.licence
        assert release.url is None or release.url.startswith("https://")
    assert len({r.file for r in RELEASES}) == len({r.sha256 for r in RELEASES}) == len(RELEASES)
    assert [r.name for r in RELEASES if r.url] == ["yunet"]


def test_real_file(shared: Path) -> None:
    file = shared / "data" / "models" / "face_detection_yunet_2026may.onnx"
    if not file.is_file():
        pytest.skip(f"there is no {file}")
    path = fetch("yunet", file)
    assert path == cached()
    assert path.name == file.name
    assert path.stat().st_size == RELEASES[1].size


OFFLINE = """
import sys
def refuse(event, arguments):
    if event.startswith(("socket.", "urllib.", "http.", "ftplib.")) and event != "socket.gethostname":
        raise SystemExit(f"touched the network: {event} {arguments}")
sys.addaudithook(refuse)
import mien, mien.bundle, mien.files
from mien import images
from mien.inference import detect, find, releases
assert releases.cached() is None
mien.bundle.available()
list(find.find_images(["."]))
images.read_image(b"P5 1 1 255\\n\\0")
detect.detector("auto")
try:
    releases.fetch("yunet", url="http://127.0.0.1:9/")
except SystemExit:
    print("only fetch did")
"""


def test_nothing_else_touches_the_network(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", OFFLINE], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout.strip()) == (0, "only fetch did"), done.stderr
