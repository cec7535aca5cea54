"""Files are written whole or not at all."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from mien.files import cache_folder, replaced_folder, sha256, staged_file, staged_folder, write_text


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def write_half_a_file(target: Path, error: type[BaseException]) -> None:
    with staged_file(target) as stage:
        stage.write_text("half")
        raise error


def write_half_a_folder(
    target: Path,
    error: type[BaseException],
    staged: Callable[[Path], AbstractContextManager[Path]] = staged_folder,
) -> None:
    with staged(target) as stage:
        (stage / "a").write_text("a")
        raise error


def test_a_staged_file_takes_its_place_when_the_block_succeeds(tmp_path: Path) -> None:
    target = tmp_path / "new" / "report.csv"
    with staged_file(target) as stage:
        assert stage.parent == target.parent
        assert stage.suffix == ".csv"
        stage.write_text("whole")
        assert not target.exists()
    assert target.read_text() == "whole"
    assert names(target.parent) == ["report.csv"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_staged_file_leaves_nothing_behind_when_it_raises(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error):
        write_half_a_file(tmp_path / "report.csv", error)
    assert names(tmp_path) == []


def test_the_old_content_survives_a_block_that_raises(tmp_path: Path) -> None:
    target = tmp_path / "report.csv"
    target.write_text("old")
    with pytest.raises(RuntimeError):
        write_half_a_file(target, RuntimeError)
    assert target.read_text() == "old"
    assert names(tmp_path) == ["report.csv"]


def test_a_staged_file_that_cannot_take_its_place_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "taken" / "inside").mkdir(parents=True)
    with pytest.raises(OSError, match="taken"), staged_file(tmp_path / "taken") as stage:
        stage.write_text("whole")
    assert names(tmp_path) == ["taken"]
    assert names(tmp_path / "taken") == ["inside"]


def test_a_staged_file_can_be_read_by_others(tmp_path: Path) -> None:
    write_text(tmp_path / "card.json", "{}")
    assert stat.S_IMODE((tmp_path / "card.json").stat().st_mode) == 0o644


def test_write_text_replaces_what_was_there(tmp_path: Path) -> None:
    write_text(tmp_path / "log.csv", "a much longer first version\n")
    write_text(tmp_path / "log.csv", "× – é\n")
    assert (tmp_path / "log.csv").read_bytes() == "× – é\n".encode()
    assert names(tmp_path) == ["log.csv"]


def test_write_text_that_is_interrupted_leaves_the_old_text(tmp_path: Path) -> None:
    write_text(tmp_path / "log.csv", "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(tmp_path / "log.csv", "a lone surrogate cannot be written: \ud800")
    assert (tmp_path / "log.csv").read_text() == "old"
    assert names(tmp_path) == ["log.csv"]


def test_a_staged_folder_takes_its_place_when_the_block_succeeds(tmp_path: Path) -> None:
    target = tmp_path / "stores" / "one"
    with staged_folder(target) as stage:
        (stage / "a").write_text("a")
        assert not target.exists()
    assert names(target) == ["a"]
    assert names(tmp_path / "stores") == ["one"]
    assert stat.S_IMODE(target.stat().st_mode) == 0o755


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_staged_folder_leaves_nothing_behind_when_it_raises(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error):
        write_half_a_folder(tmp_path / "one", error)
    assert names(tmp_path) == []


def test_a_folder_with_content_is_not_replaced(tmp_path: Path) -> None:
    target = tmp_path / "one"
    target.mkdir()
    (target / "old").write_text("old")
    with pytest.raises(OSError, match="one"), staged_folder(target) as stage:
        (stage / "new").write_text("new")
    assert names(target) == ["old"]
    assert names(tmp_path) == ["one"]


def test_a_folder_is_replaced_once_the_new_one_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "one"
    for content in ("first", "second"):
        with replaced_folder(target) as stage:
            (stage / content).write_text(content)
        assert names(target) == [content]
        assert names(tmp_path) == ["one"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_folder_stays_where_the_new_one_fails(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "one"
    target.mkdir()
    (target / "old").write_text("old")
    with pytest.raises(error):
        write_half_a_folder(target, error, replaced_folder)
    assert names(target) == ["old"]
    assert names(tmp_path) == ["one"]


def test_a_folder_stays_where_the_new_one_cannot_take_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "one"
    target.mkdir()
    (target / "old").write_text("old")
    replace = Path.replace

    def fails(self: Path, to: Path) -> Path:
        if (self / "new").exists():
            raise OSError("the disk is gone")
        return replace(self, to)

    monkeypatch.setattr(Path, "replace", fails)
    with pytest.raises(OSError, match="the disk is gone"), replaced_folder(target) as stage:
        (stage / "new").write_text("new")
    assert names(target) == ["old"]
    assert names(tmp_path) == ["one"]


def test_sha256_is_the_hash_of_the_content(tmp_path: Path) -> None:
    content = bytes(range(256)) * 1000
    (tmp_path / "f").write_bytes(content)
    assert sha256(tmp_path / "f") == hashlib.sha256(content).hexdigest()


def test_the_cache_is_where_mien_cache_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MIEN_CACHE", str(tmp_path / "mine"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "mine"


def test_without_mien_cache_it_is_in_the_xdg_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("MIEN_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "mien"


@pytest.mark.parametrize("empty", [True, False])
def test_without_either_it_is_in_the_home_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, empty: bool) -> None:
    for name in ("MIEN_CACHE", "XDG_CACHE_HOME"):
        if empty:
            monkeypatch.setenv(name, "")
        else:
            monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "mien"


def test_asking_for_the_cache_does_not_create_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MIEN_CACHE", str(tmp_path / "mine"))
    cache_folder()
    assert names(tmp_path) == []
