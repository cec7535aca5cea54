"""Folders of pictures: what each layout holds is read exactly, what is wrong is named with its file."""

from __future__ import annotations

import csv
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from mien.data import FaceSet, begin, pack, read, recognise
from mien.data.reading import Faults, skipped_file
from mien.errors import DataError
from mien.expressions import AFFECTNET, CKPLUS, FER2013, FER_TINY, RAFDB, VOCABULARIES
from mien.files import sha256

FER2013_FOLDERS = sorted(FER2013.labels)
Make = Callable[[Iterable[str]], dict[str, np.ndarray]]


def face_of(path: str, side: int = 48) -> np.ndarray:
    """The face that ``make`` writes to a path: another one for each."""
    seed = int.from_bytes(hashlib.sha256(path.encode()).digest()[:4], "big")
    return np.random.default_rng(seed).integers(0, 256, (side, side), dtype=np.uint8)


def write(path: Path, picture: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(cv2.imencode(".png", picture)[1]))  # the contents count, not the suffix


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """An empty folder to make a source in."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    return folder


def make(top: Path, paths: Iterable[str]) -> None:
    for path in paths:
        write(top / path, face_of(path))


def read_all(top: Path, kind: str | None = None, skip: bool = False, size: int = 48) -> tuple[FaceSet, list[list[str]]]:
    """The set, and what was skipped."""
    faults = Faults(skip)
    faces = read(top, kind=kind, size=size, faults=faults)
    return faces, [[fault.where, fault.reason] for fault in faults.found]


def assert_reads(faces: FaceSet, expected: dict[str, tuple[str, str]], rows: list[int] | None = None) -> None:
    """Path → label and usage, in the order of rows; each face is the one that lies at its path."""
    assert faces.paths is not None
    assert faces.paths.tolist() == list(expected)
    assert [faces.vocabulary.labels[i] for i in faces.labels] == [label for label, _ in expected.values()]
    assert [faces.usages[i] for i in faces.usage] == [usage for _, usage in expected.values()]
    assert faces.rows.tolist() == (list(range(len(expected))) if rows is None else rows)
    for face, path in zip(faces.faces, faces.paths, strict=True):
        np.testing.assert_array_equal(face, face_of(path), err_msg=path)
    assert not faces.votes.any()


def tree_hash(top: Path, paths: Iterable[str]) -> str:
    lines = "".join(f"{sha256(top / path)}  {path}\n" for path in sorted(paths))
    return hashlib.sha256(lines.encode()).hexdigest()


def stops(top: Path, kind: str | None, *words: str) -> str:
    """What the reading stops with, which holds these words."""
    with pytest.raises(DataError) as caught:
        read(top, kind=kind)
    for word in words:
        assert word in str(caught.value), str(caught.value)
    return str(caught.value)


# ---- FER2013 as folders


def fer2013_paths(names: tuple[str, str, str] = ("Training_5", "PublicTest_7", "PrivateTest_9")) -> dict[str, Any]:
    training, public, private = names
    found = {f"test/{c}/{n}.jpg": c for c in FER2013_FOLDERS for n in sorted({public, private})}
    return found | {f"train/{c}/{training}.jpg": c for c in FER2013_FOLDERS}


def test_fer2013_folders_are_read_with_the_usages_of_the_file_names(top: Path) -> None:
    paths = fer2013_paths()
    make(top, paths)
    assert recognise(top) == ("fer2013-folders", "train and test hold the 7 class folders of FER2013")
    faces, skipped = read_all(top)
    usage = {"Tr": "Training", "Pu": "PublicTest", "Pr": "PrivateTest"}
    assert_reads(faces, {p: (c, usage[p.split("/")[2][:2]]) for p, c in paths.items()})
    assert skipped == []
    assert faces.vocabulary == FER2013
    assert faces.usages == ("Training", "PublicTest", "PrivateTest")
    assert faces.subjects is None and not faces.columns
    assert faces.provenance.reader == "fer2013-folders"
    assert faces.provenance.source == "pictures"
    assert faces.provenance.sha256 == tree_hash(top, paths)


def test_a_training_picture_needs_no_prefix(top: Path) -> None:
    paths = fer2013_paths(("im0", "PublicTest_7", "PrivateTest_9"))
    make(top, paths)
    faces = read(top)
    assert faces.usages == ("Training", "PublicTest", "PrivateTest")
    assert {faces.usages[u] for p, u in zip(faces.paths, faces.usage, strict=True) if "train" in p} == {"Training"}


def test_where_a_test_picture_has_no_prefix_the_folders_are_the_usages(top: Path) -> None:
    paths = fer2013_paths()
    make(top, paths)
    (top / "test/fear/PublicTest_7.jpg").unlink()
    write(top / "test/fear/im7.jpg", face_of("test/fear/im7.jpg"))
    (top / "test").rename(top / "Test")
    faces = read(top)
    assert faces.usages == ("train", "Test")
    assert faces.where("Test").tolist() == list(range(14))  # capitals sort first
    assert faces.where("train").tolist() == list(range(14, 21))


def test_a_prefix_that_contradicts_the_folder_is_a_fault(top: Path) -> None:
    paths = fer2013_paths()
    make(top, [*paths, "train/fear/PublicTest_1.jpg", "test/sad/Training_3.jpg"])
    stops(top, None, "test/sad/Training_3.jpg: by its name it is Training, but it lies in test", "--skip-bad")
    faces, skipped = read_all(top, skip=True)
    assert [where for where, _ in skipped] == ["test/sad/Training_3.jpg", "train/fear/PublicTest_1.jpg"]
    assert "by its name it is PublicTest, but it lies in train" in skipped[1][1]
    every = sorted([*paths, "train/fear/PublicTest_1.jpg", "test/sad/Training_3.jpg"])
    assert faces.rows.tolist() == [i for i, path in enumerate(every) if path in paths]
    assert faces.paths.tolist() == sorted(paths)
    assert faces.usages[0] == "Training"
    assert faces.provenance.sha256 == tree_hash(top, paths)


# ---- FER Tiny


def test_fer_tiny_is_read_with_its_own_spellings(top: Path) -> None:
    paths = {
        f"{split}/{c}/{split}_{c}_{i}.png": (c, split)
        for split in ("test", "train", "validation")
        for c in FER_TINY.labels
        for i in range(2)
    }
    make(top, paths)
    assert recognise(top) == ("fer-tiny", "train, test and validation hold the 13 class folders of FER Tiny")
    faces, _ = read_all(top)
    assert_reads(faces, paths)
    assert faces.vocabulary == FER_TINY
    assert faces.usages == ("train", "test", "validation")
    assert faces.provenance.reader == "fer-tiny"


def test_a_tree_said_to_be_another_says_what_does_not_fit(top: Path) -> None:
    make(top, fer2013_paths())
    stops(top, "fer-tiny", "there is no folder validation", "train, test, validation", "ecstacy", "class-folders")
    shutil.copytree(top / "test", top / "validation")
    stops(top, "fer-tiny", "is no class of fer-tiny")
    stops(top, "fer2013-folders", "the folder validation is no split")
    shutil.rmtree(top / "validation")
    shutil.rmtree(top / "test/fear")
    shutil.rmtree(top / "train/fear")
    stops(top, "fer2013-folders", "no split has the class folder fear")


@pytest.mark.parametrize("kind", ["fer2013-folders", "fer-tiny", "affectnet-hq", "ck+48", "raf-db", "class-folders"])
def test_a_file_is_no_folder(top: Path, kind: str) -> None:
    (top / "fer.csv").write_text("a,b\n")
    stops(top / "fer.csv", kind, "is a file")
    stops(top, kind)
    with pytest.raises(DataError, match="of no kind that mien recognises"):
        recognise(top)


# ---- AffectNet-HQ

LISTED = [  # the folder is the class that it had once
    ("anger/image1.png", "anger", "0.75"),
    ("anger/image2.png", "happy", "0.5"),
    ("contempt/image1.jpg", "contempt", "1"),
    ("happy/image1.png", "surprise", "0.873142"),
    ("surprise/a/deep.png", "neutral", "0.25"),
]


def labels_csv(top: Path, rows: Iterable[tuple[str, ...]], header: str = ",pth,label,relFCs") -> None:
    with (top / "labels.csv").open("w", newline="", encoding="utf-8") as stream:
        stream.write(header + "\n")
        csv.writer(stream).writerows((i, *row) for i, row in enumerate(rows))


def test_affectnet_hq_takes_the_label_of_the_list(top: Path) -> None:
    make(top, (path for path, _, _ in LISTED))
    labels_csv(top, reversed(LISTED))
    assert recognise(top) == ("affectnet-hq", "it has a labels.csv with the columns pth, label and relFCs")
    faces, _ = read_all(top)
    assert_reads(faces, {path: (label, "all") for path, label, _ in LISTED})
    assert faces.vocabulary == AFFECTNET
    assert list(faces.columns) == ["relFCs"]
    assert faces.columns["relFCs"].tolist() == [0.75, 0.5, 1, 0.873142, 0.25]
    assert faces.provenance.sha256 == tree_hash(top, [*(path for path, _, _ in LISTED), "labels.csv"])


def test_affectnet_hq_takes_other_spellings_of_the_same(top: Path) -> None:
    make(top, ["Anger/image1.png", "Happy/image1.png"])
    with (top / "labels.csv").open("wb") as stream:
        stream.write(b"\xef\xbb\xbfLabel, pth ,more,relFCs\r\nAnger,.\\anger\\image1.png,x,0.5\r\n\r\n")
        stream.write(b'" happy","./Happy/image1.png",,1e-1\r\n')
    assert recognise(top).name == "affectnet-hq"
    faces = read(top)
    assert faces.paths.tolist() == ["Anger/image1.png", "Happy/image1.png"]
    assert [AFFECTNET.labels[i] for i in faces.labels] == ["anger", "happy"]
    assert faces.columns["relFCs"].tolist() == [0.5, 0.1]


@pytest.mark.parametrize(
    ("row", "where", "reason"),
    [
        (("anger/image9.png", "anger", "1"), "labels.csv, line 7", "anger/image9.png is not there"),
        (("../pictures/anger/image1.png", "anger", "1"), "labels.csv, line 7", "is not there"),
        (
            ("anger/image2.png", "sad", "1"),
            "labels.csv, line 7",
            "anger/image2.png is there twice, first in labels.csv, line 3",
        ),
        (("sad/new.png", "bored", "1"), "labels.csv, line 7", "the label of sad/new.png is 'bored'"),
        (("sad/new.png", "sad", "high"), "labels.csv, line 7", "relFCs of sad/new.png is 'high'"),
        (("sad/new.png", "sad", "nan"), "labels.csv, line 7", "relFCs of sad/new.png is 'nan'"),
        (("sad/new.png", "sad"), "labels.csv, line 7", "3 cells; expected 4"),
        (None, "sad/new.png", "it is not in labels.csv"),
    ],
)
def test_a_wrong_line_of_affectnet_hq_costs_its_own_row(
    top: Path, row: tuple[str, ...] | None, where: str, reason: str
) -> None:
    make(top, (path for path, _, _ in LISTED))
    write(top / "sad/new.png", face_of("sad/new.png"))
    right = [] if row is None or row[0] == "sad/new.png" else [("sad/new.png", "sad", "1")]
    labels_csv(top, [*LISTED, *([] if row is None else [row]), *right])
    stops(top, None, f"{where}: ", "--skip-bad")
    faces, skipped = read_all(top, skip=True)
    assert skipped[0][0] == where
    assert reason in skipped[0][1]
    # A line that is cut off does not say that its picture is listed.
    assert [w for w, _ in skipped[1:]] == (["sad/new.png"] if reason.startswith("3 cells") else [])
    good = [path for path, _, _ in LISTED]
    rows = [0, 1, 2, 3, 5]  # sad/new.png is 4, wherever its line is
    if right:
        good, rows = sorted([*good, "sad/new.png"]), [0, 1, 2, 3, 4, 5]
    assert faces.paths.tolist() == good
    assert faces.rows.tolist() == rows


def test_affectnet_hq_tells_folders_apart_that_differ_in_case_only(top: Path) -> None:
    make(top, ["Anger/1.png", "anger/1.png"])
    if len(list(top.iterdir())) < 2:
        pytest.skip("this disk does not tell case")
    labels_csv(top, [("Anger/1.png", "sad", "1"), ("anger/1.png", "happy", "1")])
    assert [AFFECTNET.labels[i] for i in read(top).labels] == ["sad", "happy"]


def test_a_list_of_affectnet_hq_that_is_no_csv_is_named(top: Path) -> None:
    make(top, ["anger/image1.png"])
    (top / "labels.csv").write_text(",pth,label,relFCs\n0," + "x" * 200_000 + ",anger,1\n")
    stops(top, None, "labels.csv cannot be read (field larger")
    (top / "labels.csv").write_text("pth,label\nanger/image1.png,anger\n")
    stops(top, "affectnet-hq", "has no labels.csv with the columns pth, label and relFCs")


# ---- CK+48


def test_ck_plus_takes_the_person_from_the_file_name(top: Path) -> None:
    paths = {f"{c}/S0{i}{n}_00{n}_000000{i}.png": (c, "all") for i, c in enumerate(CKPLUS.labels) for n in (1, 3)}
    paths |= {"anger/S999_001_00000018.png": ("anger", "all")}
    paths = dict(sorted(paths.items()))
    make(top, paths)
    assert recognise(top) == (
        "ck+48",
        "it has the 7 class folders of CK+48, and files named after a person, such as S010",
    )
    faces, _ = read_all(top)
    assert_reads(faces, paths)
    assert faces.vocabulary == CKPLUS
    assert faces.subjects is not None
    assert faces.subjects.tolist() == [path.split("/")[1][:4] for path in paths]


def test_a_name_without_a_person_is_a_fault_in_ck_plus(top: Path) -> None:
    make(top, [*(f"{c}/S010_004_00000017.png" for c in CKPLUS.labels), "happy/A1.png", "sadness/_S010_1.png"])
    stops(top, None, "happy/A1.png: the name does not begin with a person", "S010_004_00000017.png", "--skip-bad")
    faces, skipped = read_all(top, skip=True)
    assert [where for where, _ in skipped] == ["happy/A1.png", "sadness/_S010_1.png"]
    assert faces.rows.tolist() == [0, 1, 2, 3, 5, 6, 8]
    assert set(faces.subjects) == {"S010"}


# ---- RAF-DB

RAF = {
    "train_00001": ("happiness", "train"),
    "train_00002": ("surprise", "train"),
    "test_0001": ("neutral", "test"),
    "test_0002": ("anger", "test"),
}
RAF_LINES = ["train_00001.jpg 4", "test_0001.jpg 7", "train_00002.jpg\t1", "", "test_0002.jpg 6 "]


def raf_db(top: Path, list_file: str, pictures: str, end: str, lines: list[str] | None = None) -> dict[str, Any]:
    paths = {f"{pictures}/{name}{end}.jpg": what for name, what in sorted(RAF.items())}
    make(top, paths)
    (top / list_file).parent.mkdir(parents=True, exist_ok=True)
    (top / list_file).write_text("\n".join(RAF_LINES if lines is None else lines) + "\n")
    return paths


@pytest.mark.parametrize(
    ("list_file", "pictures", "end"),
    [
        ("EmoLabel/list_patition_label.txt", "Image/aligned", "_aligned"),
        ("EmoLabel/list_partition_label.txt", "Image/aligned", ""),
        ("list_patition_label.txt", "aligned", "_aligned"),
        ("basic/EmoLabel/list_patition_label.txt", "basic/Image/aligned", "_aligned"),
        ("RAF/basic/EmoLabel/list_patition_label.txt", "RAF/basic/Image/aligned", "_aligned"),
    ],
)
def test_raf_db_is_read_from_its_list(top: Path, list_file: str, pictures: str, end: str) -> None:
    paths = raf_db(top, list_file, pictures, end)
    if not list_file.startswith("RAF"):
        (top / "Image" / "original").mkdir(parents=True, exist_ok=True)
    assert recognise(top) == ("raf-db", f"it has {list_file} and {pictures}")
    faces, _ = read_all(top)
    assert_reads(faces, paths)
    assert faces.vocabulary == RAFDB
    assert faces.usages == ("train", "test")
    assert faces.provenance.sha256 == tree_hash(top, [*paths, list_file])


def test_each_number_of_raf_db_is_its_label(top: Path) -> None:
    names = ["Surprise", "Fear", "Disgust", "Happiness", "Sadness", "Anger", "Neutral"]  # the release's own readme
    make(top, (f"aligned/train_{n}_aligned.jpg" for n in range(1, 8)))
    (top / "list_patition_label.txt").write_text("".join(f"train_{n}.jpg {n}\n" for n in range(1, 8)))
    faces = read(top)
    assert [RAFDB.labels[i] for i in faces.labels] == [name.lower() for name in names]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("train_00009.jpg 4", "Image/aligned/train_00009_aligned.jpg is not there"),
        ("train_00001.jpg 4", "train_00001.jpg is there twice, first in EmoLabel/list_patition_label.txt, line 1"),
        ("train_00003.jpg 8", "the label of train_00003.jpg is '8'"),
        ("train_00003.jpg 0", "the label of train_00003.jpg is '0'"),
        ("train_00003.jpg", "it is 'train_00003.jpg'"),
        ("train_00003.jpg 4 4", "it is 'train_00003.jpg 4 4'"),
        ("val_00003.jpg 4", "it is 'val_00003.jpg 4'"),
    ],
)
def test_a_wrong_line_of_raf_db_costs_its_own_row(top: Path, line: str, reason: str) -> None:
    paths = raf_db(top, "EmoLabel/list_patition_label.txt", "Image/aligned", "_aligned", [*RAF_LINES, line])
    make(top, ["Image/aligned/train_00003_aligned.jpg"])
    where = "EmoLabel/list_patition_label.txt, line 6"
    stops(top, None, f"{where}: ", "--skip-bad")
    faces, skipped = read_all(top, skip=True)
    assert skipped[0][0] == where
    assert reason in skipped[0][1]
    assert faces.paths.tolist() == list(paths)
    assert faces.rows.tolist() == [0, 1, 2, 3]
    unlisted = ["Image/aligned/train_00003_aligned.jpg"] if "the label of" not in reason else []
    assert [where for where, _ in skipped[1:]] == unlisted


# ---- any tree


def test_plain_class_folders_are_their_own_vocabulary(top: Path) -> None:
    paths = {
        "cat/a.PNG": ("cat", "all"),
        "cat/b.png": ("cat", "all"),
        "cat/deep/er/c.jpeg": ("cat", "all"),
        "dog/a.png": ("dog", "all"),
        "Élan/z.webp": ("Élan", "all"),
    }
    make(top, paths)
    for name in ("cat/Thumbs.db", "cat/notes.txt", "dog/png", "dog/.hidden.png", "dog/.git/a.png", "README.md"):
        write(top / name, face_of(name))
    write(top / "__MACOSX/cat/a.png", face_of("x"))
    write(top / "preview.png", face_of("x"))
    assert recognise(top) == ("class-folders", "it holds 3 class folders: cat, dog, Élan")
    faces, skipped = read_all(top)
    assert_reads(faces, paths)
    assert skipped == []
    assert faces.vocabulary.name == "pictures"
    assert faces.vocabulary.labels == ("cat", "dog", "Élan")
    assert faces.usages == ("all",)


@pytest.mark.parametrize(
    "splits",
    [
        ("train", "test"),
        ("Training", "Testing"),
        ("train", "val", "test"),
        ("TRAIN", "valid"),
        ("dev", "test"),
        ("train",),
    ],
)
def test_folders_named_like_splits_are_usages(top: Path, splits: tuple[str, ...]) -> None:
    paths = {f"{split}/{c}/{i}.png": (c, split) for split in splits for c in ("cat", "dog") for i in range(2)}
    del paths[f"{splits[0]}/dog/1.png"], paths[f"{splits[0]}/dog/0.png"]  # a class may be missing from a split
    if len(splits) == 1:
        paths |= {f"{splits[0]}/dog/9.png": ("dog", splits[0])}
    make(top, paths)
    assert recognise(top).name == "class-folders"
    faces, _ = read_all(top)
    assert_reads(faces, dict(sorted(paths.items())))
    assert faces.usages == splits
    assert faces.vocabulary.labels == ("cat", "dog")


def test_folders_of_any_name_with_the_same_classes_are_usages(top: Path) -> None:
    paths = {f"fold{n}/{c}/{i}.png": (c, f"fold{n}") for n in range(3) for c in ("cat", "dog") for i in range(2)}
    make(top, paths)
    faces, _ = read_all(top)
    assert_reads(faces, paths)
    assert faces.usages == ("fold0", "fold1", "fold2")
    make(top, ["fold1/cow/1.png"])  # now they are not the same: the folders are classes
    assert read(top, kind="class-folders").vocabulary.labels == ("fold0", "fold1", "fold2")


def test_expressions_that_are_sorted_further_stay_classes(top: Path) -> None:
    make(top, (f"{c}/{who}/1.png" for c in ("happy", "neutral", "sad", "surprise") for who in ("men", "women")))
    assert recognise(top).name == "class-folders"
    faces = read(top)
    assert faces.vocabulary.name == "four"
    assert faces.usages == ("all",)
    assert len(faces) == 8


def test_a_picture_beside_folders_makes_them_classes(top: Path) -> None:
    make(top, (f"{c}/{who}/1.png" for c in ("ann", "bob") for who in ("near", "far")))
    assert read(top).usages == ("ann", "bob")
    make(top, ["bob/own.png"])
    assert read(top).vocabulary.labels == ("ann", "bob")


@pytest.mark.parametrize("name", VOCABULARIES)
def test_folders_that_are_a_vocabulary_of_ours_are_read_as_it(top: Path, name: str) -> None:
    labels = VOCABULARIES[name].labels
    make(top, (f"{label.upper()}/{i}.png" for label in labels for i in range(2)))
    faces = read(top)
    assert faces.provenance.reader == "class-folders"
    assert faces.vocabulary == VOCABULARIES[name]
    assert [labels[i].upper() for i in faces.labels] == [path.split("/")[0] for path in faces.paths]


def test_a_vocabulary_of_the_users_own_never_has_the_name_of_one_of_ours(top: Path) -> None:
    folder = top / "fer2013"
    make(folder, ["cat/1.png", "dog/1.png"])
    assert read(folder).vocabulary.name == "fer2013-folders"


def test_the_name_of_the_working_folder_is_its_real_one(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(top, ["cat/1.png", "dog/1.png"])
    monkeypatch.chdir(top)
    faces = read(Path())
    assert faces.provenance.source == faces.vocabulary.name == "pictures"
    assert faces.paths.tolist() == ["cat/1.png", "dog/1.png"]


def test_too_many_classes_are_refused(top: Path) -> None:
    make(top, (f"{i:03d}/1.png" for i in range(127)))
    assert len(read(top).vocabulary) == 127
    make(top, ["127/1.png"])
    stops(top, None, "128 class folders", "at most 127")


def test_classes_that_differ_in_case_only_are_refused_unless_they_are_known(top: Path) -> None:
    make(top, ["train/Cat/1.png", "train/dog/1.png", "test/cat/1.png", "test/dog/1.png"])
    stops(top, None, "the class folders Cat and cat differ in case only", "Rename")
    shutil.rmtree(top / "test")
    shutil.rmtree(top / "train")
    make(top, (f"{split}/{c}/1.png" for split in ("train", "dev") for c in FER2013.labels))
    make(top, ["test/Happy/2.png"])
    faces = read(top)
    assert faces.vocabulary == FER2013
    assert (faces.labels == FER2013.index("happy")).sum() == 3


def test_a_tree_without_pictures_says_which_folder_is_empty(top: Path) -> None:
    for name in ("cat", "dog"):
        (top / name).mkdir()
    stops(top, "class-folders", "cat/: there are no pictures in this folder")
    with pytest.raises(DataError, match="no faces could be read"):
        read(top, kind="class-folders", faults=Faults(skip=True))


def test_one_class_is_read_where_it_is_asked_for(top: Path) -> None:
    make(top, ["cat/1.png", "cat/deep/2.png"])
    faces = read(top, kind="class-folders")
    assert faces.vocabulary.labels == ("cat",)
    assert faces.labels.tolist() == [0, 0]


def test_a_folder_beside_the_splits_is_a_fault(top: Path) -> None:
    make(top, ["train/cat/1.png", "train/dog/1.png", "test/1.png", "test/2.png", "docs/scan.png"])
    stops(top, None, "docs/: the folder is no split with class folders, as train is", "Move it elsewhere", "--skip-bad")
    faces, skipped = read_all(top, skip=True)
    assert [where for where, _ in skipped] == ["docs/", "test/"]
    assert faces.paths.tolist() == ["train/cat/1.png", "train/dog/1.png"]


@pytest.mark.parametrize(
    "paths",
    [
        [],
        ["a.png", "b.png"],
        ["one/a.png"],
        ["one/notes.txt", "two/notes.txt"],
        ["pets/cat/1.png", "pets/dog/1.png", "faces/ann/1.png"],  # two data sets
        ["data/pets/cat/1.png", "data/pets/dog/1.png", "data/faces/ann/1.png"],
    ],
)
def test_what_is_no_tree_of_classes_is_not_recognised(top: Path, paths: list[str]) -> None:
    make(top, paths)
    with pytest.raises(DataError, match="of no kind that mien recognises"):
        recognise(top)


# ---- all of them


SOURCES: dict[str, list[str]] = {
    "fer2013-folders": list(fer2013_paths()),
    "fer-tiny": [f"{s}/{c}/1.png" for s in ("train", "test", "validation") for c in FER_TINY.labels],
    "affectnet-hq": [path for path, _, _ in LISTED],
    "ck+48": [f"{c}/S010_004_00000017.png" for c in CKPLUS.labels],
    "class-folders": ["train/cat/1.png", "train/dog/1.png", "test/cat/1.png"],
}


def make_source(kind: str, top: Path) -> list[str]:
    if kind == "raf-db":
        return list(raf_db(top, "EmoLabel/list_patition_label.txt", "Image/aligned", "_aligned"))
    make(top, SOURCES[kind])
    if kind == "affectnet-hq":
        labels_csv(top, LISTED)
    return sorted(SOURCES[kind])


every_kind = pytest.mark.parametrize("kind", [*SOURCES, "raf-db"])


@every_kind
def test_a_source_is_recognised_as_nothing_else(kind: str, top: Path) -> None:
    make_source(kind, top)
    from mien.data.sources import SOURCES as READERS

    found = [name for name, source in READERS.items() if source.recognise(top)]
    assert found[0] == kind
    assert set(found) <= {kind, "class-folders"}


@every_kind
def test_an_archive_unpacked_into_a_folder_of_its_own_is_read_the_same(kind: str, top: Path) -> None:
    paths = make_source(kind, top / "archive")
    (top / "archive.zip").write_bytes(b"PK")
    (top / ".cache").mkdir()
    assert recognise(top).name == kind
    outer, inner = read(top), read(top / "archive")
    assert outer.paths.tolist() == [f"archive/{path}" for path in paths]
    assert inner.paths.tolist() == paths
    np.testing.assert_array_equal(outer.faces, inner.faces)
    np.testing.assert_array_equal(outer.labels, inner.labels)
    np.testing.assert_array_equal(outer.usage, inner.usage)
    np.testing.assert_array_equal(outer.rows, inner.rows)
    assert outer.usages == inner.usages
    assert outer.provenance.source == "pictures"


@every_kind
def test_an_unreadable_picture_costs_its_own_row_and_the_others_keep_theirs(kind: str, top: Path) -> None:
    paths = make_source(kind, top)
    whole, bad = read(top), paths[1]
    (top / bad).write_bytes((top / bad).read_bytes()[:-20])
    stops(top, None, f"{bad}: the PNG is cut off", "expected a whole file", "--skip-bad")
    faces, skipped = read_all(top, skip=True)
    assert skipped == [[bad, "the PNG is cut off: it ends inside a chunk; expected a whole file"]]
    assert faces.paths.tolist() == [path for path in paths if path != bad]
    assert faces.rows.tolist() == [row for row in whole.rows if row != 1]
    kept = whole.take(np.flatnonzero(whole.rows != 1))
    np.testing.assert_array_equal(faces.faces, kept.faces)
    np.testing.assert_array_equal(faces.labels, kept.labels)
    np.testing.assert_array_equal(faces.usage, kept.usage)
    assert list(faces.columns) == list(kept.columns)
    for name, column in kept.columns.items():
        np.testing.assert_array_equal(faces.columns[name], column)
    if kept.subjects is not None:
        assert faces.subjects.tolist() == kept.subjects.tolist()
    lists = [path for path in ("labels.csv", "EmoLabel/list_patition_label.txt") if (top / path).exists()]
    assert faces.provenance.sha256 == tree_hash(top, [*(path for path in paths if path != bad), *lists])


@every_kind
def test_each_kind_of_unreadable_picture_says_what_it_is(kind: str, top: Path) -> None:
    paths = make_source(kind, top)
    damage: dict[str, tuple[bytes, str]] = {
        paths[0]: (b"", "the file is empty"),
        paths[1]: (b"<html>not found</html>", "not a picture that mien reads"),
        paths[2]: (b"P5 30000 30000 255\n" + bytes(100), "900 megapixels"),
    }
    for path, (data, _) in damage.items():
        (top / path).write_bytes(data)
    faults = Faults(skip=True)
    if len(paths) > 3:
        assert len(read(top, faults=faults)) == len(paths) - 3
    else:
        with pytest.raises(DataError, match="no faces could be read"):
            read(top, faults=faults)
    assert [fault.where for fault in faults.found] == list(damage)
    for fault, (_, reason) in zip(faults.found, damage.values(), strict=True):
        assert reason in fault.reason


@pytest.mark.parametrize("kind", ["fer2013-folders", "fer-tiny", "ck+48", "class-folders"])
def test_an_empty_class_folder_is_a_fault_and_a_known_vocabulary_keeps_its_class(kind: str, top: Path) -> None:
    paths = make_source(kind, top)
    folder = Path(paths[0]).parent
    gone = [path for path in paths if Path(path).parent == folder]
    for path in gone:
        (top / path).unlink()
    before = read(top, faults=Faults(skip=True)).vocabulary
    stops(top, kind, f"{folder.as_posix()}/: there are no pictures in this folder", "Remove the folder", "--skip-bad")
    faces, skipped = read_all(top, kind, skip=True)
    assert skipped == [
        [f"{folder.as_posix()}/", "there are no pictures in this folder; expected pictures in every class folder"]
    ]
    assert faces.vocabulary == before
    assert faces.paths.tolist() == [path for path in paths if path not in gone]


def test_an_empty_class_is_left_out_of_a_vocabulary_of_the_users_own(top: Path) -> None:
    make(top, ["train/ant/1.png", "train/cow/1.png", "test/cow/2.png", "test/dog/1.png"])
    (top / "train/bee").mkdir()
    (top / "train/dog").mkdir()
    stops(top, None, "train/bee/: there are no pictures in this folder")
    faces, skipped = read_all(top, skip=True)
    assert [where for where, _ in skipped] == ["train/bee/", "train/dog/"]
    assert faces.vocabulary.labels == ("ant", "cow", "dog")
    assert_reads(
        faces,
        {
            "test/cow/2.png": ("cow", "test"),
            "test/dog/1.png": ("dog", "test"),
            "train/ant/1.png": ("ant", "train"),
            "train/cow/1.png": ("cow", "train"),
        },
    )
    make(top / "seven", (f"{c}/1.png" for c in FER2013.labels if c != "fear"))
    (top / "seven/fear").mkdir()
    assert read(top / "seven", faults=Faults(skip=True)).vocabulary == FER2013


def test_mixed_sizes_and_colours_are_brought_to_one_size(top: Path) -> None:
    rng = np.random.default_rng(3)
    coarse = rng.integers(0, 256, (5, 5, 3), dtype=np.uint8)
    wide = cv2.resize(coarse, (300, 200), interpolation=cv2.INTER_CUBIC)
    from mien.faces import to_gray, whole

    write(top / "cat/1.png", wide)
    write(top / "cat/2.png", to_gray(wide))
    write(top / "cat/3.png", wide.astype(np.uint16) * 257)
    write(top / "dog/1.png", face_of("dog/1.png"))
    write(top / "dog/2.png", rng.integers(0, 256, (7, 5), dtype=np.uint8))
    for size in (48, 32, 224):
        faces = read(top, size=size)
        assert faces.faces.shape == (5, size, size)
        for i in range(3):
            np.testing.assert_array_equal(faces.faces[i], whole(to_gray(wide), size))
        np.testing.assert_array_equal(faces.faces[3], whole(face_of("dog/1.png"), size))


@pytest.mark.parametrize("wrapper", ["", "archive"])
def test_links_that_form_loops_end(top: Path, wrapper: str) -> None:
    source, top = top, top / wrapper
    make(top, ["train/cat/1.png", "train/dog/1.png", "elsewhere/more/2.png", "preview.png", "train/preview.png"])
    shutil.move(top / "elsewhere", source.parent / "elsewhere")
    try:
        (top / "train/cat/loop").symlink_to(top)
        (top / "train/cat/self").symlink_to(top / "train/cat")
        (top / "train/cat/other").symlink_to(top / "train/dog")
        (top / "train/dog/linked").symlink_to(source.parent / "elsewhere")
        (source.parent / "elsewhere/back").symlink_to(top / "train")
        (source.parent / "elsewhere/out").symlink_to(source)
        (top / "train/dog/dead.png").symlink_to(top / "nowhere.png")
        (top / "train/dog/dead").symlink_to(top / "nowhere")
    except OSError:
        pytest.skip("no links here")
    stops(source, None, "train/dog/dead.png: there is no such file")
    faces, skipped = read_all(source, skip=True)
    start = f"{wrapper}/" if wrapper else ""
    assert [where for where, _ in skipped] == [f"{start}train/dog/dead.png"]
    expected = ["train/cat/1.png", "train/dog/1.png", "train/dog/linked/more/2.png"]
    assert faces.paths.tolist() == [f"{start}{path}" for path in expected]


def test_names_that_differ_in_case_only_are_two_files(top: Path) -> None:
    make(top, ["cat/A.png", "cat/a.png", "dog/1.png"])
    if len(list((top / "cat").iterdir())) < 2:
        pytest.skip("this disk does not tell case")
    assert read(top).paths.tolist() == ["cat/A.png", "cat/a.png", "dog/1.png"]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names are text")
def test_a_name_that_is_no_text_is_a_fault(top: Path) -> None:
    odd = os.fsdecode(b"Zo\xeb")
    make(top, ["cat/1.png", "cat/Zoë.png", "dog/1.png", "dog/2.png"])
    shutil.copy(top / "cat/1.png", top / "cat" / f"{odd}.png")
    shutil.copytree(top / "dog", top / "dog" / odd)
    stops(top, None, "cat/Zo\\udceb.png: the name is no text", "expected a name in UTF-8. Rename it.", "--skip-bad")
    faults, store = Faults(skip=True), top.parent / "store"
    faces = pack(begin(top, faults=faults), store, faults)
    assert faces.paths.tolist() == ["cat/1.png", "cat/Zoë.png", "dog/1.png", "dog/2.png"]
    assert [fault.where for fault in faults.found] == ["cat/Zo\\udceb.png", "dog/Zo\\udceb/"]
    (top / "dog").rename(top / odd)
    stops(top, None, "the name of the folder 'Zo\\udceb' is no text")


def test_a_folder_that_may_not_be_read_is_a_fault(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(top, ["cat/1.png", "dog/1.png", "emu/1.png"])
    real = os.scandir

    def scandir(folder: Any) -> Any:
        if Path(folder).name == "dog":
            raise PermissionError(13, "Permission denied")
        return real(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    stops(top, None, "dog/: the folder cannot be read (Permission denied)", "--skip-bad")
    faces, skipped = read_all(top, skip=True)
    assert [where for where, _ in skipped] == ["dog/"]
    assert faces.vocabulary.labels == ("cat", "emu")


def test_what_was_skipped_is_written_beside_the_store(top: Path) -> None:
    make_source("fer2013-folders", top)
    (top / "train/fear/Training_5.jpg").write_bytes(b"")
    (top / "train/sad/Training_5.jpg").unlink()
    faults, store = Faults(skip=True), top.parent / "store"
    faces = pack(begin(top, faults=faults), store, faults)
    rows = list(csv.reader(skipped_file(store).open(encoding="utf-8")))
    assert rows == [
        ["where", "reason"],
        ["train/sad/", "there are no pictures in this folder; expected pictures in every class folder"],
        ["train/fear/Training_5.jpg", "the file is empty (0 bytes); expected a picture"],
    ]
    assert len(faces) == 19


# ---- as they are downloaded


@pytest.fixture(scope="session")
def layouts(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``make_datasets.py`` writes for the first 40 rows of each split."""
    out = tmp_path_factory.mktemp("layouts")
    command = [sys.executable, shared / "tools" / "make_datasets.py", out, "--limit", "40", "--only"]
    subprocess.run([*command, "folders", "tiny", "affectnet-hq"], check=True, capture_output=True)
    return out


def test_the_folders_that_people_have_are_fer2013(layouts: Path, fer2013: FaceSet) -> None:
    faces = read(layouts / "folders")
    assert faces.provenance.reader == "fer2013-folders"
    assert faces.usages == fer2013.usages
    assert np.bincount(faces.usage).tolist() == [40, 40]
    numbers = [int(Path(path).stem.split("_")[1]) for path in faces.paths]
    original = fer2013.take(fer2013.positions(np.array(numbers)))
    np.testing.assert_array_equal(faces.labels, original.labels)
    np.testing.assert_array_equal(faces.usage, original.usage)
    assert np.abs(faces.faces.astype(int) - original.faces).mean() < 2  # JPEG


def test_the_stand_ins_are_read_as_what_they_stand_for(layouts: Path) -> None:
    tiny = read(layouts / "tiny")
    assert tiny.provenance.reader == "fer-tiny"
    assert len(tiny) == len(list((layouts / "tiny").rglob("*.png")))
    assert [FER_TINY.labels[i] for i in tiny.labels] == [path.split("/")[1] for path in tiny.paths]
    assert [tiny.usages[i] for i in tiny.usage] == [path.split("/")[0] for path in tiny.paths]
    affectnet = read(layouts / "affectnet-hq")
    assert affectnet.provenance.reader == "affectnet-hq"
    with (layouts / "affectnet-hq" / "labels.csv").open(encoding="utf-8") as stream:
        rows = {row["pth"]: row for row in csv.DictReader(stream)}
    assert affectnet.paths.tolist() == sorted(rows)
    assert [AFFECTNET.labels[i] for i in affectnet.labels] == [rows[path]["label"] for path in affectnet.paths]
    assert affectnet.columns["relFCs"].tolist() == [float(rows[path]["relFCs"]) for path in affectnet.paths]
