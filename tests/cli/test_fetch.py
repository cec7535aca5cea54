"""``mien fetch`` on the command line."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from mien.cli.fetch import fetch
from mien.errors import FetchError
from mien.inference import releases

CONTENTS = b"a network" * 50
app = typer.Typer()
app.command("fetch")(fetch)
app.command("other")(lambda: None)  # with two commands, each is called by its name


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MIEN_CACHE", str(tmp_path / "cache"))
    made_up = replace(
        releases.RELEASES[0],
        file="made-up.onnx",
        size=len(CONTENTS),
        sha256=hashlib.sha256(CONTENTS).hexdigest(),
        url="http://127.0.0.1:9/made-up.onnx",
    )
    monkeypatch.setattr(releases, "RELEASES", (made_up,))
    return tmp_path / "cache"


def test_from_a_copy(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "my copy").write_bytes(CONTENTS)
    done = CliRunner().invoke(app, ["fetch", "yunet", "--from", str(tmp_path / "my copy")])
    assert done.exit_code == 0
    assert done.output == (
        f"installed {cache / 'detectors' / 'made-up.onnx'} (450 bytes, licence MIT, "
        "OpenCV Zoo, models/face_detection_yunet)\n"
    )
    again = CliRunner().invoke(app, ["fetch", "yunet"])
    assert again.exit_code == 0
    assert "nothing to do" in again.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["yunet"], r"downloading http://127\.0\.0\.1:9/made-up\.onnx failed.*mien fetch yunet --from FILE"),
        (["yunet", "--url", "http://127.0.0.1:9/mirror"], "downloading http://127.0.0.1:9/mirror failed"),
        (["yunet", "--from", "none.onnx"], r"none\.onnx cannot be read"),
        (["mtcnn"], "'mtcnn'; expected one of yunet"),
    ],
)
def test_failure_is_a_fetch_error(arguments: list[str], words: str) -> None:
    done = CliRunner().invoke(app, ["fetch", *arguments])
    assert isinstance(done.exception, FetchError)
    with pytest.raises(FetchError, match=words):
        raise done.exception


def test_download_names_size_and_licence_before_it_starts() -> None:
    assert "(450 bytes, licence MIT)" in CliRunner().invoke(app, ["fetch", "yunet"]).output


def test_help_and_missing_name() -> None:
    assert "--from" in CliRunner().invoke(app, ["fetch", "--help"], env={"COLUMNS": "120"}).output
    assert CliRunner().invoke(app, ["fetch"]).exit_code == 2
