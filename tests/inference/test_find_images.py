"""From what people type to files: folders, patterns, links, and what leads nowhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mien.inference.find import Found, find_images


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of pictures; it is the working folder too."""
    for name in (
        "b.jpg",
        "a.JPG",
        "notes.txt",
        ".hidden.jpg",
        "sub/d.png",
        "sub/c.jpeg",
        "sub/deep/e.webp",
        "scan.dat",
        "photo[1].jpg",
        "photo1.jpg",
        "empty/readme.md",
        ".git/f.jpg",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def files(*paths: str | os.PathLike[str]) -> list[str]:
    found = list(find_images(paths))
    assert all(f.error is None for f in found), found
    return [f.path.as_posix() for f in found]


TOP = ["a.JPG", "b.jpg", "photo1.jpg", "photo[1].jpg"]
BELOW = ["sub/c.jpeg", "sub/d.png", "sub/deep/e.webp"]


def test_folder(tree: Path) -> None:
    assert files(".") == TOP + BELOW
    assert files("sub/") == BELOW
    assert files(tree) == [(tree / name).as_posix() for name in TOP + BELOW]
    assert files(".git") == [".git/f.jpg"]


def test_file_as_given(tree: Path) -> None:
    assert files("b.jpg", "scan.dat", Path("notes.txt"), ".hidden.jpg") == [
        "b.jpg",
        "scan.dat",
        "notes.txt",
        ".hidden.jpg",
    ]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.jpg", ["b.jpg", "photo1.jpg", "photo[1].jpg"]),
        ("sub/*", ["sub/c.jpeg", "sub/d.png", "sub/deep/e.webp"]),
        ("*", [*TOP, *BELOW]),
        ("**", [*TOP, *BELOW]),
        ("**/*.??[gG]", ["a.JPG", "b.jpg", "photo1.jpg", "photo[1].jpg", "sub/d.png"]),
        ("**/[de].*", ["sub/d.png", "sub/deep/e.webp"]),
        ("s*/**/e.webp", ["sub/deep/e.webp"]),
        ("*.dat", ["scan.dat"]),
        (".*.jpg", [".hidden.jpg"]),
        ("photo[1].jpg", ["photo[1].jpg"]),
        ("photo[12].jpg", ["photo1.jpg"]),
        ("./sub/../b*", ["sub/../b.jpg"]),
    ],
)
def test_pattern(tree: Path, pattern: str, expected: list[str]) -> None:
    assert sorted(files(pattern)) == sorted(expected)
    assert sorted(files(tree / pattern)) == sorted((tree / e).as_posix() for e in expected)


def test_no_path_twice(tree: Path) -> None:
    assert files(".", ".", "b.jpg", "*.jpg", tree / "sub", "**", "./b.jpg") == TOP + BELOW
    assert files("b.jpg", "sub/d.png", "b.jpg", ".") == [
        "b.jpg",
        "sub/d.png",
        "a.JPG",
        "photo1.jpg",
        "photo[1].jpg",
        "sub/c.jpeg",
        "sub/deep/e.webp",
    ]
    assert files("sub/deep", "sub") == ["sub/deep/e.webp", "sub/c.jpeg", "sub/d.png"]
    assert files("*.dat", "scan.dat") == ["scan.dat"]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("none.jpg", "no such file"),
        ("none/*.jpg", "matches no picture"),
        ("*.gif", "matches no picture"),
        ("emp*", "matches no picture"),
        ("empty", "no pictures in this folder"),
        ("", "an empty path"),
        ("a\0b", "no such file"),
    ],
)
def test_what_leads_nowhere_does_not_stop_the_rest(tree: Path, path: str, words: str) -> None:
    first, second = find_images([path, "b.jpg"])
    assert first.path == Path(path)
    assert words in str(first.error)
    assert second == Found(Path("b.jpg"))


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")
def test_links(tree: Path) -> None:
    (tree / "sub" / "loop").symlink_to(tree)
    (tree / "sub" / "self.jpg").symlink_to(tree / "sub" / "self.jpg")
    (tree / "sub" / "dead.jpg").symlink_to(tree / "none.jpg")
    (tree / "sub" / "twin.jpg").symlink_to(tree / "b.jpg")
    below = ["sub/c.jpeg", "sub/d.png", "sub/dead.jpg", "sub/self.jpg", "sub/twin.jpg", "sub/deep/e.webp"]
    assert files(".") == TOP + below
    assert sorted(files("**/*.jp*g")) == sorted(n for n in (*TOP, *below) if n.endswith(("jpg", "jpeg")))
    (tree / "other").symlink_to(tree / "sub")
    assert files("other") == [f"other/{n.removeprefix('sub/')}" for n in below] + [f"other/loop/{n}" for n in TOP]


def test_folder_that_cannot_be_read(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scandir = os.scandir

    def refuse(path: Path) -> object:
        if Path(path).name == "sub":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    found = list(find_images(["."]))
    assert [f.path.as_posix() for f in found] == [*TOP, "sub"]
    assert "Permission denied" in str(found[-1].error)


def test_lazy(tree: Path) -> None:
    search = find_images([".", "none.jpg"])
    assert next(search).path == Path("a.JPG")
    (tree / "sub" / "late.jpg").write_bytes(b"x")
    assert Path("sub/late.jpg") in [f.path for f in search]
