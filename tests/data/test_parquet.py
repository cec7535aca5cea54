"""Parquet: FER2013 as it was laid out, and whatever the Hugging Face hub holds; a file or a folder."""

from __future__ import annotations

import json
import os
import struct
import sys
import tracemalloc
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.data import USAGES, FaceSet, Faults, begin, read, recognise
from mien.errors import DataError, MissingExtraError
from mien.expressions import FER2013, FERPLUS_VOTES, RAFDB, VALENCE
from mien.faces import whole
from mien.files import sha256

FACES = np.random.default_rng(11).integers(0, 256, (6, 48, 48), dtype=np.uint8)
FACES[0] = np.arange(48 * 48).reshape(48, 48) % 256  # every value, and rows that differ from columns
LABELS = [3, 0, 6, 1, 5, 2]
USAGE = ["Training", "Training", "PublicTest", "Training", "PrivateTest", "PublicTest"]
VOTES = np.random.default_rng(5).multinomial(10, np.full(10, 0.1), 6)
ROWS = [0, 2, 3, 7, 8, 30000]


def png(face: np.ndarray) -> bytes:
    return cv2.imencode(".png", face)[1].tobytes()


def png_that_claims(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(bytes(100)))
        + chunk(b"IEND", b"")
    )


def columns(**changed: Any) -> dict[str, Any]:
    """Six good rows of FER2013 by column; a column can be replaced, or dropped by None."""
    every = {
        "row": ROWS,
        "image": [{"bytes": png(f), "path": f"{r}.png"} for f, r in zip(FACES, ROWS, strict=True)],
        "emotion": LABELS,
        "usage": USAGE,
        **{f"votes_{name}": VOTES[:, i].tolist() for i, name in enumerate(FERPLUS_VOTES)},
    }
    return {name: values for name, values in {**every, **changed}.items() if values is not None}


@pytest.fixture
def write_parquet(tmp_path: Path) -> Callable[..., Path]:
    def write(**changed: Any) -> Path:
        path = tmp_path / "fer2013.parquet"
        pq.write_table(pa.table(columns(**changed)), path)
        return path

    return write


def one_bad(name: str, value: Any) -> dict[str, list[Any]]:
    """A column whose third value, in row 3 of the source, is another."""
    values = list(columns()[name])
    values[2] = value
    return {name: values}


def image(data: Any) -> dict[str, list[Any]]:
    return one_bad("image", {"bytes": data, "path": "3.png"})


def hub(
    path: Path,
    labels: Sequence[Any],
    names: list[str] | None = None,
    *,
    column: str = "label",
    faces: np.ndarray = FACES,
    **more: Any,
) -> Path:
    """A file as the package datasets writes it: faces in turn, a label for each, its names in the metadata."""
    pictures = [{"bytes": png(faces[i % len(faces)]), "path": None} for i in range(len(labels))]
    kinds = pa.int64() if isinstance(labels[0], int) else None
    table = pa.table({"image": pictures, column: pa.array(labels, kinds), **more})
    if names is not None:
        features = {"image": {"_type": "Image"}, column: {"names": names, "_type": "ClassLabel"}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=100)
    return path


# ---- FER2013 as it was laid out


def test_a_parquet_is_read_exactly(write_parquet: Callable[..., Path]) -> None:
    path = write_parquet()
    found = read(path)
    assert (found.faces == FACES).all()
    assert found.labels.tolist() == LABELS
    assert (found.vocabulary, found.usages) == (FER2013, USAGES)
    assert [USAGES[u] for u in found.usage] == USAGE
    assert found.rows.tolist() == ROWS
    assert (found.votes == VOTES).all()
    assert found.paths is not None and found.paths.tolist() == [f"{r}.png" for r in ROWS]
    assert found.subjects is None and not found.columns
    assert (found.provenance.reader, found.provenance.source) == ("parquet", "fer2013.parquet")
    assert found.provenance.sha256 == sha256(path)


def test_without_a_row_column_rows_are_numbered_across_batches(
    write_parquet: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mien.data.sources.parquet_files._BATCH", 4)
    reading = begin(write_parquet(row=None))
    chunks = list(reading.chunks)
    assert [len(c.faces) for c in chunks] == [4, 2]
    assert [r for c in chunks for r in c.rows.tolist()] == [0, 1, 2, 3, 4, 5]
    assert (np.concatenate([c.faces for c in chunks]) == FACES).all()


def test_without_votes_columns_votes_are_zero(write_parquet: Callable[..., Path]) -> None:
    found = read(write_parquet(**{f"votes_{name}": None for name in FERPLUS_VOTES}))
    assert found.votes.shape == (6, 10)
    assert not found.votes.any()


def test_columns_in_another_order_and_of_other_kinds_change_nothing(tmp_path: Path) -> None:
    shuffled = dict(reversed(columns().items())) | {
        "note": ["x"] * 6,
        "box": [[1, 2]] * 6,
        "__index_level_0__": [5] * 6,
        "not a name": [1] * 6,
        "sure": [True] * 6,
    }
    pq.write_table(pa.table(shuffled), tmp_path / "other.parquet")
    found = read(tmp_path / "other.parquet")
    assert (found.faces == FACES).all()
    assert (found.votes == VOTES).all()
    assert not found.columns


def test_further_numbers_are_columns_with_nan_for_null(tmp_path: Path) -> None:
    more = {"age": [1, None, 3, 4, 5, 6], "relFCs": pa.array([0.5, float("inf"), 1, 2, 3, None], pa.float32())}
    found = read(hub(tmp_path / "a.parquet", ["a", "b"] * 3, **more))
    assert list(found.columns) == ["age", "relFCs"]
    np.testing.assert_array_equal(found.columns["age"], [1, np.nan, 3, 4, 5, 6])
    np.testing.assert_array_equal(found.columns["relFCs"], [0.5, np.inf, 1, 2, 3, np.nan])


@pytest.mark.parametrize(("column", "named"), [("image", "image"), ("emotion", "label")])
def test_a_missing_parquet_column_is_named(write_parquet: Callable[..., Path], column: str, named: str) -> None:
    with pytest.raises(DataError, match=rf"fer2013\.parquet: the column {named} is missing; it has row, "):
        read(write_parquet(**{column: None}))


def test_a_picture_without_a_path_leaves_all_without(write_parquet: Callable[..., Path]) -> None:
    pictures = columns()["image"]
    pictures[4] = {"bytes": pictures[4]["bytes"], "path": None}
    assert read(write_parquet(image=pictures)).paths is None


def test_pictures_of_any_size_and_colour_are_brought_to_the_size(write_parquet: Callable[..., Path]) -> None:
    tall = np.random.default_rng(2).integers(0, 256, (90, 60), dtype=np.uint8)
    path = write_parquet(**image(png(cv2.cvtColor(tall, cv2.COLOR_GRAY2BGR))))
    found = read(path)
    assert (found.faces[2] == whole(tall)).all()
    assert (found.faces[[0, 1, 3, 4, 5]] == FACES[[0, 1, 3, 4, 5]]).all()
    assert (read(path, size=20).faces[1] == whole(FACES[1], 20)).all()


def test_the_parquet_at_full_size_has_all_its_rows(fer2013: FaceSet) -> None:
    assert {u: int((fer2013.usage == i).sum()) for i, u in enumerate(USAGES)} == {
        "Training": 28655,
        "PublicTest": 3584,
        "PrivateTest": 0,
    }
    assert (np.diff(fer2013.rows) > 0).all()
    assert fer2013.rows[-1] < 28709 + 3589
    assert fer2013.votes.sum(axis=1).max() == 10


# ---- any labelled pictures


@pytest.mark.parametrize("column", ["label", "labels", "emotion"])
def test_numbers_mean_the_names_in_the_metadata(tmp_path: Path, column: str) -> None:
    found = read(hub(tmp_path / "moods.parquet", [1, 0, 2, 1], ["grumpy", "so-so", "bright"], column=column))
    assert (found.vocabulary.name, found.vocabulary.labels) == ("moods", ("grumpy", "so-so", "bright"))
    assert found.labels.tolist() == [1, 0, 2, 1]
    assert found.usages == ("all",) and not found.usage.any()
    assert found.rows.tolist() == [0, 1, 2, 3]
    assert found.paths is None


def test_names_of_a_known_vocabulary_are_put_in_its_order(tmp_path: Path) -> None:
    names = ["Anger", "Disgust", "Fear", "Happiness", "Neutral", "Sadness", "Surprise"]
    found = read(hub(tmp_path / "a.parquet", [0, 4, 6, 3], names))
    assert found.vocabulary == RAFDB
    assert [RAFDB.labels[i] for i in found.labels] == ["anger", "neutral", "surprise", "happiness"]


def test_names_that_are_some_of_a_known_vocabulary_are_their_own(tmp_path: Path) -> None:
    found = read(hub(tmp_path / "a.parquet", [0, 1], ["sad", "happy"]))
    assert (found.vocabulary.name, found.vocabulary.labels) == ("a", ("sad", "happy"))


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int8(), pa.string())])
def test_labels_may_be_text(tmp_path: Path, kind: Any) -> None:
    texts = pa.array(["wow", "meh", "été", "wow"], pa.string()).cast(kind)
    found = read(hub(tmp_path / "a.parquet", texts))
    assert found.vocabulary.labels == ("meh", "wow", "été")
    assert found.labels.tolist() == [1, 0, 2, 1]
    known = read(hub(tmp_path / "b.parquet", pa.array(["Positive", "NEGATIVE", "Positive"]).cast(kind)))
    assert (known.vocabulary, known.labels.tolist()) == (VALENCE, [1, 0, 1])


def test_usages_are_those_that_are_there_and_faces_without_are_wrong(tmp_path: Path) -> None:
    found = read(hub(tmp_path / "a.parquet", ["a", "b", "a"], usage=["test", "dev", "test"]))
    assert (found.usages, found.usage.tolist()) == (("dev", "test"), [1, 0, 1])
    kaggle = read(hub(tmp_path / "b.parquet", ["a", "b", "a"], usage=["PublicTest", "Training", "Training"]))
    assert (kaggle.usages, kaggle.usage.tolist()) == (USAGES, [1, 0, 0])
    with pytest.raises(DataError, match="row 1: usage is None; expected dev"):
        read(hub(tmp_path / "c.parquet", ["a", "b"], usage=["dev", None]))


def test_subjects_are_read_and_empty_where_unknown(tmp_path: Path) -> None:
    found = read(hub(tmp_path / "a.parquet", ["a", "b", "a"], subject=["S1", None, "S2"]))
    assert found.subjects is not None and found.subjects.tolist() == ["S1", "", "S2"]


def test_what_belongs_to_a_wrong_row_goes_with_it(tmp_path: Path) -> None:
    path = hub(tmp_path / "a.parquet", [0, 7, 1], ["a", "b"], subject=["S1", "S2", "S3"], age=[1, 2, 3])
    found = read(path, faults=Faults(skip=True))
    assert found.subjects is not None and found.subjects.tolist() == ["S1", "S3"]
    assert found.columns["age"].tolist() == [1, 3]
    assert (found.faces == FACES[[0, 2]]).all()
    assert found.rows.tolist() == [0, 2]


def test_column_names_are_taken_as_they_are(tmp_path: Path) -> None:
    found = read(hub(tmp_path / "a.parquet", ["a", "b"], column_x=[1, 2], emotion=[3, 4], pixels=[5, 6], usage=[7, 8]))
    assert list(found.columns) == ["column_x", "emotion", "pixels", "usage"]


@pytest.mark.parametrize(
    ("labels", "names", "complaint"),
    [
        ([0, 1], None, "the column label holds numbers without names; expected text labels, or .*df.'label'. ="),
        ([0, 1], ["a", "a"], "two labels have one name: a, a"),
        ([0, 1], [], "there are no labels"),
        ([0, 1], [str(i) + "x" for i in range(200)], "200 labels; expected at most 128"),
        ([str(i) for i in range(200)], None, "more than 128 different texts"),
        ([0.5, 1.0], None, "the column label is double; expected whole numbers or text"),
        ([[0], [1]], None, "the column label is list<"),
        (pa.array([None, None], pa.string()), None, "there are no labels"),
    ],
)
def test_labels_that_mean_nothing_are_refused(tmp_path: Path, labels: Any, names: Any, complaint: str) -> None:
    with pytest.raises(DataError, match=complaint) as caught:
        read(hub(tmp_path / "a.parquet", labels, names))
    assert str(tmp_path / "a.parquet") in str(caught.value)


@pytest.mark.parametrize("about", [b"no json", b"[]", b'{"info": 3}', b'{"info":{"features":{"label":{"names":7}}}}'])
def test_metadata_that_is_damaged_names_nothing(tmp_path: Path, about: bytes) -> None:
    path = hub(tmp_path / "a.parquet", [0, 1])
    pq.write_table(pq.read_table(path).replace_schema_metadata({b"huggingface": about}), path)
    with pytest.raises(DataError, match="numbers without names"):
        read(path)


# ---- folders


def test_a_folder_is_read_as_the_hub_lays_it_out(tmp_path: Path) -> None:
    data, names = tmp_path / "moods" / "data", ["a", "b"]
    hub(data / "train-00001-of-00002.parquet", [0, 0], names, faces=FACES[3:])
    hub(data / "train-00000-of-00002.parquet", [1, 1, 0], names)
    hub(data / "test-00000-of-00001.parquet", [1], names, faces=FACES[5:])
    hub(tmp_path / "moods" / ".cache" / "data" / "x.parquet", [1], names)
    found = read(tmp_path / "moods")
    assert found.usages == ("train", "test")
    assert found.usage.tolist() == [1, 0, 0, 0, 0, 0]
    assert found.rows.tolist() == [0, 1, 2, 3, 4, 5]
    assert found.labels.tolist() == [1, 1, 1, 0, 0, 0]
    assert (found.faces == FACES[[5, 0, 1, 2, 3, 4]]).all()
    assert (found.vocabulary.name, found.provenance.source) == ("moods", "moods")
    files = sorted(data.iterdir())
    lines = "".join(f"{sha256(f)}  data/{f.name}\n" for f in files)
    (tmp_path / "list").write_text(lines)
    assert found.provenance.sha256 == sha256(tmp_path / "list")


@pytest.mark.parametrize(
    ("files", "usages", "usage"),
    [
        (["train/0.parquet", "test/0.parquet"], ("train", "test"), [1, 0]),
        (["default/train/0000.parquet", "default/validation/0000.parquet"], ("train", "validation"), [0, 1]),
        (["Test.parquet", "Training.parquet"], ("Training", "Test"), [1, 0]),
        (["test-0.parquet", "valid-0.parquet", "train-0.parquet"], ("train", "valid", "test"), [2, 0, 1]),
        (["part-0.parquet", "train-0.parquet"], ("all",), [0, 0]),
        (["trainer.parquet"], ("all",), [0]),
        (["0.PARQUET"], ("all",), [0]),
    ],
)
def test_usages_come_from_the_names_of_files_and_folders(
    tmp_path: Path, files: list[str], usages: tuple[str, ...], usage: list[int]
) -> None:
    for file in files:
        hub(tmp_path / "set" / file, [0], ["a", "b"])
    found = read(tmp_path / "set")
    assert (found.usages, found.usage.tolist()) == (usages, usage)


@pytest.mark.parametrize(
    ("name", "usage"),
    [
        ("train-00000-of-00001.parquet", "train"),
        ("validation-0.parquet", "validation"),
        ("test.parquet", "all"),
        ("faces.parquet", "all"),
        ("-.parquet", "all"),
    ],
)
def test_a_single_file_may_be_a_split(tmp_path: Path, name: str, usage: str) -> None:
    assert read(hub(tmp_path / "train" / name, [0], ["a"])).usages == (usage,)


def test_text_labels_are_those_of_all_files(tmp_path: Path) -> None:
    hub(tmp_path / "set" / "test.parquet", ["b", "c"])
    hub(tmp_path / "set" / "train.parquet", ["a", "c"])
    found = read(tmp_path / "set")
    assert found.vocabulary.labels == ("a", "b", "c")
    assert found.labels.tolist() == [1, 2, 0, 2]


@pytest.mark.parametrize(
    ("other", "complaint"),
    [
        ({"names": ["b", "a"]}, r"the names of the labels: \('a', 'b'\) and \('b', 'a'\)"),
        ({"labels": ["a"], "names": None}, "the names of the labels"),
        ({"column": "labels"}, "the label column: label and labels"),
        ({"age": [3]}, r"the number columns: \(\) and \('age',\)"),
        ({"subject": ["x"]}, "having subjects: False and True"),
    ],
)
def test_files_that_differ_are_both_named(tmp_path: Path, other: dict[str, Any], complaint: str) -> None:
    hub(tmp_path / "set" / "one.parquet", [0], ["a", "b"])
    hub(tmp_path / "set" / "two.parquet", **{"labels": [0], "names": ["a", "b"], **other})
    with pytest.raises(DataError, match=rf"one\.parquet and .*two\.parquet differ in {complaint}"):
        read(tmp_path / "set")


def test_a_wrong_row_of_a_folder_is_named_with_its_file(tmp_path: Path) -> None:
    hub(tmp_path / "set" / "data" / "one.parquet", [0, 1], ["a", "b"])
    hub(tmp_path / "set" / "data" / "two.parquet", [0, -1], ["a", "b"])
    with pytest.raises(DataError, match=r"set, data/two\.parquet, row 3: label is -1; expected 0 to 1 \(a, b\)"):
        read(tmp_path / "set")


def test_a_damaged_file_of_a_folder_is_named(tmp_path: Path) -> None:
    hub(tmp_path / "set" / "one.parquet", [0, 1], ["a", "b"])
    (tmp_path / "set" / "two.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"two\.parquet cannot be read as parquet"):
        read(tmp_path / "set")


def test_folders_are_recognised_by_what_lies_in_them(tmp_path: Path) -> None:
    deep = tmp_path / "set" / "default" / "train" / "0.parquet"
    hub(deep, [0], ["a"])
    assert recognise(tmp_path / "set") == ("parquet", "it holds parquet files (default/train/0.parquet)")
    assert recognise(deep) == ("parquet", "its name ends in .parquet")
    with pytest.raises(DataError, match="no kind that mien recognises"):
        recognise(tmp_path)  # four levels down
    (tmp_path / "set" / "store.json").touch()
    with pytest.raises(DataError, match="holds no parquet file|no kind that mien recognises|store"):
        read(tmp_path / "set")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty holds no parquet file"):
        read(tmp_path / "empty", kind="parquet")


# ---- what is wrong


def test_some_votes_columns_without_the_others_are_refused(write_parquet: Callable[..., Path]) -> None:
    with pytest.raises(DataError, match="9 votes columns; expected all 10 or none"):
        read(write_parquet(votes_contempt=None))


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        (image(b"no picture at all"), "not a picture"),
        (image(b""), "the image has no bytes; expected an encoded picture"),
        (image(None), "the image has no bytes; expected an encoded picture"),
        (one_bad("image", None), "the image has no bytes"),
        (image(png(FACES[2])[:600]), "the PNG is cut off"),
        (image(png_that_claims(100_000, 100_000)), "100000×100000 pixels"),
        (one_bad("emotion", 9), r"emotion is 9; expected 0 to 6 \(angry, "),
        (one_bad("emotion", -1), "emotion is -1; expected 0 to 6"),
        (one_bad("emotion", None), "emotion is None; expected 0 to 6"),
        (one_bad("usage", "Test"), "usage is 'Test'; expected Training or"),
        (one_bad("usage", None), "usage is None; expected Training or"),
        (one_bad("votes_fear", None), "votes_fear is None; expected a whole number from 0 to 255"),
        (one_bad("votes_fear", 256), "votes_fear is 256; expected a whole number"),
        (one_bad("votes_fear", -1), "votes_fear is -1; expected a whole number"),
        (one_bad("row", 2), "row 2: row 2 is there twice"),
        (one_bad("row", -3), "row 2: row is -3; expected a whole number from 0 to 2147483647"),
        (one_bad("row", 2**31), "row 2: row is 2147483648; expected a whole number"),
        (one_bad("row", None), "row 2: row is None; expected a whole number"),
    ],
)
def test_a_wrong_row_is_named_and_costs_only_itself(
    write_parquet: Callable[..., Path], changed: dict[str, list[Any]], complaint: str
) -> None:
    path = write_parquet(**changed)
    with pytest.raises(DataError, match=complaint) as caught:
        read(path)
    where = "row 2" if "row" in changed else "row 3"
    assert str(caught.value).startswith(f"{path}, {where}: ")
    assert "--skip-bad" in str(caught.value)
    faults = Faults(skip=True)
    rest = read(path, faults=faults)
    assert [f.where for f in faults.found] == [where]
    good = [0, 1, 3, 4, 5]
    assert rest.rows.tolist() == [ROWS[i] for i in good]
    assert (rest.faces == FACES[good]).all()
    assert rest.labels.tolist() == [LABELS[i] for i in good]
    assert [USAGES[u] for u in rest.usage] == [USAGE[i] for i in good]
    assert (rest.votes == VOTES[good]).all()
    assert rest.paths is None or rest.paths.tolist() == [f"{ROWS[i]}.png" for i in good]


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"image": [png(f) for f in FACES]}, "the column image is binary; expected a struct"),
        ({"image": [{"bytes": "text", "path": ""}] * 6}, "the column image is struct<bytes: string"),
        ({"image": [{"bytes": 7, "path": ""}] * 6}, "the column image is struct<bytes: int64"),
        (
            {"image": [{"path": "a.png"}] * 6},
            "the column image is struct<path: string>; expected a struct",
        ),
        ({"emotion": [str(v) for v in LABELS]}, "the column emotion holds numbers as text"),
        ({"votes_fear": ["many"] * 6}, "the column votes_fear is string; expected whole numbers"),
        ({"usage": [1] * 6}, "the column usage is int64; expected text"),
        ({"row": [2**40 + i for i in range(6)]}, "row is 1099511627776"),
        ({"row": pa.array([2**63 + i for i in range(6)], pa.uint64())}, "row is 9223372036854775808"),
        ({"row": ["a", "b", "c", "d", "e", "f"]}, "the column row is string; expected whole numbers"),
        ({"row": [1] * 6}, "row 1 is there twice"),
    ],
)
def test_a_parquet_column_of_the_wrong_kind_is_refused(
    write_parquet: Callable[..., Path], changed: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(DataError, match=complaint):
        read(write_parquet(**changed))


@pytest.mark.parametrize(
    "content", [b"", b"a,b\n1,2\n", b"PAR1" + bytes(40) + b"PAR1", None], ids=["empty", "CSV", "hollow", "cut off"]
)
def test_what_is_not_a_whole_parquet_file_is_refused(write_parquet: Callable[..., Path], content: bytes | None) -> None:
    path = write_parquet()
    path.write_bytes(path.read_bytes()[:-300] if content is None else content)
    with pytest.raises(DataError, match=r"fer2013\.parquet cannot be read as parquet"):
        read(path)


def test_a_parquet_file_without_rows_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table(columns()).slice(0, 0), tmp_path / "none.parquet")
    with pytest.raises(DataError, match=r"none\.parquet has no rows"):
        read(tmp_path / "none.parquet")


def test_a_column_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    table = pa.table(columns())
    pq.write_table(table.append_column("emotion", table["emotion"]), tmp_path / "twice.parquet")
    with pytest.raises(DataError, match="the column emotion is there twice"):
        read(tmp_path / "twice.parquet")


@pytest.mark.parametrize("absent", ["pyarrow", "pyarrow.parquet"])
def test_without_pyarrow_the_extra_is_named(
    write_parquet: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, absent: str
) -> None:
    path = write_parquet()
    monkeypatch.setitem(sys.modules, absent, None)
    with pytest.raises(MissingExtraError, match=r"fer2013\.parquet needs the package pyarrow") as caught:
        read(path)
    assert "pip install 'mien[table]'" in str(caught.value)


def test_a_large_file_is_never_in_memory_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mien.data.sources.parquet_files._BYTES", 1 << 20)
    # A page of 100 pictures is 6.5 MB, and cannot be had in parts.
    noise = np.random.default_rng(1).integers(0, 256, (400, 256, 256), dtype=np.uint8)  # as PNG 64 kB each
    path = hub(tmp_path / "large.parquet", [0] * 400, ["a"], faces=noise)
    assert path.stat().st_size > 20e6
    tracemalloc.start()
    before = pa.total_allocated_bytes()
    peak = 0
    for chunk in begin(path).chunks:
        assert len(chunk.faces) <= 16
        peak = max(peak, pa.total_allocated_bytes() - before)
    assert peak < 16e6
    assert tracemalloc.get_traced_memory()[1] < 12e6
    tracemalloc.stop()


# ---- damage


def assert_faces_or_an_error(path: Path, rows: int | None = None) -> None:
    """In both modes; where rows are skipped, none is lost."""
    for skip in (False, True):
        faults = Faults(skip)
        try:
            found = read(path, faults=faults)
        except DataError as error:
            assert path.name in str(error)  # noqa: PT017 (an accepted file is as good)
        else:
            assert isinstance(found, FaceSet)
            assert rows is None or len(found) + len(faults.found) == rows


def small_files() -> list[bytes]:
    """Two rows each, in three layouts and several encodings."""
    small = [{"bytes": png(f[:8, :8] // 255), "path": "é"} for f in FACES[:2]]
    fer = {name: values[:2] for name, values in columns(image=small + small + small).items()}
    hugging = {"info": {"features": {"label": {"names": ["a", "b"], "_type": "ClassLabel"}}}}
    tables = [
        pa.table(fer),
        pa.table({"image": small, "label": [0, 1], "age": [1.5, None]}).replace_schema_metadata(
            {"huggingface": json.dumps(hugging)}
        ),
        pa.table({"image": small, "label": ["x", "é"], "usage": ["u", "v"], "subject": [None, "s"]}),
    ]
    found = []
    for table in tables:
        for how in ({}, {"compression": "none", "use_dictionary": False}, {"compression": "gzip", "row_group_size": 1}):
            sink = pa.BufferOutputStream()
            pq.write_table(table, sink, **how)
            found.append(sink.getvalue().to_pybytes())
    return found


SMALL = small_files()
# Half of the damage falls on the rows, which are far shorter than what describes them.
PLACES = st.tuples(st.floats(0, 1, exclude_max=True), st.booleans())
EDITS = st.lists(st.tuples(PLACES, st.sampled_from([0, 1, 1, 1, 3, 90]), st.binary(max_size=2)), min_size=1, max_size=6)


@given(which=st.integers(0, len(SMALL) - 1), edits=EDITS)
def test_any_damage_to_the_bytes_gives_faces_or_a_data_error_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, which: int, edits: list[tuple[tuple[float, bool], int, bytes]]
) -> None:
    damaged = SMALL[which]
    rows_end = len(damaged) - 8 - int.from_bytes(damaged[-8:-4], "little")
    for (share, in_rows), removed, inserted in edits:
        place = int(share * (rows_end if in_rows else len(damaged)))
        damaged = damaged[:place] + inserted + damaged[place + removed :]
    path = tmp_path_factory.getbasetemp() / "damaged.parquet"
    path.write_bytes(damaged)
    assert_faces_or_an_error(path)


ANY = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.integers(-2, 8),
    st.floats(),
    st.text(max_size=3),
    st.sampled_from(USAGES),
    st.binary(max_size=3),
    st.booleans(),
    st.just({"bytes": png(FACES[0]), "path": "x"}),
    st.just({"bytes": None, "path": None}),
    st.lists(st.integers(0, 3), max_size=2),
)
COLUMN_NAMES = st.sampled_from(["row", "image", "emotion", "label", "usage", "subject", "votes_fear", "age"])


@given(
    changed=st.dictionaries(
        COLUMN_NAMES,
        st.one_of(st.lists(ANY, min_size=6, max_size=6), ANY.map(lambda v: [v] * 6)),
        min_size=1,
        max_size=3,
    )
)
def test_any_values_give_faces_or_a_data_error_and_lose_no_row(
    tmp_path_factory: pytest.TempPathFactory, changed: dict[str, list[Any]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "wrong.parquet"
    table = columns()
    for name, values in changed.items():
        try:
            table[name] = pa.array(values)
        except (pa.ArrowException, OverflowError):  # values of several kinds: keep the good ones of the column
            kept = table.get(name, [None] * 6)
            try:
                table[name] = pa.array([a if type(a) is type(b) else b for a, b in zip(values, kept, strict=True)])
            except (pa.ArrowException, OverflowError):
                continue
    pq.write_table(pa.table(table), path)
    assert_faces_or_an_error(path, 6)


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
def test_text_that_is_no_utf_8_is_kept_or_named(tmp_path: Path) -> None:
    broken = pa.array([b"\xff.png", b"b.png"]).view(pa.string())
    pictures = pa.StructArray.from_arrays([pa.array([png(f) for f in FACES[:2]]), broken], names=["bytes", "path"])
    pq.write_table(pa.table({"image": pictures, "emotion": [0, 1]}), tmp_path / "a.parquet")
    found = read(tmp_path / "a.parquet")
    assert found.paths is not None and found.paths.tolist() == ["\udcff.png", "b.png"]
    usage = pa.array([b"Training", b"\xff"]).view(pa.string())
    pq.write_table(pa.table({"image": pictures, "emotion": [0, 1], "usage": usage}), tmp_path / "b.parquet")
    with pytest.raises(DataError, match="row 1: usage is text that is not UTF-8; expected Training"):
        read(tmp_path / "b.parquet")
