"""Faces written out: what is read back is what was written, and other programs read it too."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import io
import json
import resource
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import cv2
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.data import USAGES, FaceSet, Provenance, Split, load, read, recognise, save
from mien.data.export import FORMS, export, folder_name
from mien.errors import DataError, MissingExtraError, OutputError
from mien.expressions import FER2013, Vocabulary
from tests_support import assert_same

NAMES = {"csv": "faces.csv", "folders": "faces", "parquet": "faces.parquet"}
READERS = {"csv": "mien-csv", "folders": "mien-folders", "parquet": "parquet"}
ALL_FORMS = pytest.mark.parametrize("form", FORMS)


def round_trip(faces: FaceSet, folder: Path, form: str) -> FaceSet:
    """What is read back."""
    export(faces, folder / NAMES[form], form)
    return read(folder / NAMES[form], size=faces.size)


def assert_returns(faces: FaceSet, folder: Path, form: str) -> None:
    assert_same(round_trip(faces, folder, form), faces, but=frozenset({"provenance"}))


def odd_set(n: int = 6) -> FaceSet:
    """Everything that a set can have, in values that are hard to write."""
    rng = np.random.default_rng(4)
    texts = ["", "a,b", 'say "x"', "two\nlines", "\r", "é\udcff", " leading", "日本/語 %41.png", "tab\t", "1 2 3"]
    return FaceSet(
        rng.integers(0, 256, (n, 11, 11), dtype=np.uint8),
        (np.arange(n) % 3).astype(np.int8),
        rng.integers(0, 256, (n, 10), dtype=np.uint8),
        rng.permutation(2**31 - 1 - np.arange(n)).astype(np.int32),
        (2 * (np.arange(n) % 2)).astype(np.uint8),
        Provenance("made up", "odd", "1" * 64),
        Vocabulary("odd, quoted\n", ("a/b", "..", "", "never", "NEVER", ".hidden", "100%", "nul\udce9")),
        ("été \udcff", "nobody", 'x,"\n'),
        np.array([texts[i % len(texts)] for i in range(n)], np.str_),
        np.array([texts[-1 - i % len(texts)] for i in range(n)], np.str_),
        {
            "relFCs": rng.normal(size=n),
            "row": np.array([np.nan, np.inf, -np.inf, -0.0, 5e-324, 1.7e308])[np.arange(n) % 6],
            "column_row": np.arange(n) / 3,
            "votes_fear": np.full(n, np.nan),
            "emotion": np.arange(n, dtype=float),
        },
    )


@contextlib.contextmanager
def files_limited_to(count: int) -> Iterator[None]:
    """A disk that is full after so many bytes in a file."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (count, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)


# ---- the same set comes back


@ALL_FORMS
def test_fer2013_with_votes_comes_back(tiny_faces: FaceSet, tmp_path: Path, form: str) -> None:
    assert_returns(tiny_faces, tmp_path, form)
    assert recognise(tmp_path / NAMES[form]).name == READERS[form]


@ALL_FORMS
def test_a_set_with_everything_in_it_comes_back(tmp_path: Path, form: str) -> None:
    assert_returns(odd_set(), tmp_path, form)
    assert_returns(odd_set(20), tmp_path / "more", form)


@ALL_FORMS
def test_the_size_that_was_exported_is_the_default(tmp_path: Path, form: str) -> None:
    faces = odd_set()
    export(faces, tmp_path / NAMES[form], form)
    module = __import__("mien.data.sources", fromlist=["SOURCES"]).SOURCES[READERS[form]]
    from mien.data import Faults, gather

    assert gather(module.read(tmp_path / NAMES[form], None, Faults())).size == 11
    assert read(tmp_path / NAMES[form], size=30).size == 30


@ALL_FORMS
@pytest.mark.parametrize("size", [8, 200, 400])
def test_faces_of_any_size_come_back(tmp_path: Path, form: str, size: int) -> None:
    # The pixels of 200×200 are more characters than Python's csv module takes in a cell.
    faces = np.random.default_rng(size).integers(100, 256, (3, size, size), dtype=np.uint8)
    few = dataclasses.replace(odd_set(3), faces=faces)
    assert_returns(few, tmp_path, form)


@ALL_FORMS
def test_a_memory_mapped_store_comes_back_across_many_chunks(
    tiny_faces: FaceSet, tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mien.data.listing.rows_at_once", lambda size: 7)
    for module in ("mien_csv", "mien_folders", "parquet"):
        monkeypatch.setattr(f"mien.data.sources.{module}.rows_at_once", lambda size: 11)
    save(tiny_faces, tmp_path / "store")
    assert_returns(load(tmp_path / "store"), tmp_path, form)


# What os.fsdecode can give: text, and bytes of no text as half characters; NumPy drops zeros at the end.
TEXTS = st.binary(max_size=5).map(lambda b: b.decode("utf-8", "surrogateescape").rstrip("\0"))
NUMBERS = st.floats(allow_nan=True)


@st.composite
def sets(draw: st.DrawFn) -> FaceSet:
    n, size = draw(st.integers(1, 5)), draw(st.sampled_from([8, 9]))
    labels = draw(st.lists(TEXTS, min_size=1, max_size=5, unique=True))
    usages = draw(st.lists(TEXTS, min_size=1, max_size=4, unique=True))
    names = draw(st.lists(st.sampled_from(["a", "A", "row", "file", "column_", "label", "pixels"]), unique=True))

    def each(values: st.SearchStrategy[object]) -> list[object]:
        return draw(st.lists(values, min_size=n, max_size=n))

    texts = [np.array(each(TEXTS), np.str_) if draw(st.booleans()) else None for _ in range(2)]
    return FaceSet(
        np.random.default_rng(draw(st.integers(0, 9))).integers(0, 256, (n, size, size), dtype=np.uint8),
        np.array(each(st.integers(0, len(labels) - 1)), np.int8),
        np.array(each(st.sampled_from([[0] * 10, [255] * 10, list(range(10))])), np.uint8),
        np.array(draw(st.lists(st.integers(0, 2**31 - 1), min_size=n, max_size=n, unique=True)), np.int32),
        np.array(each(st.integers(0, len(usages) - 1)), np.uint8),
        Provenance("made up", "drawn", "2" * 64),
        Vocabulary(draw(TEXTS), tuple(labels)),
        tuple(usages),
        texts[0],
        texts[1],
        {name: np.array(each(NUMBERS), np.float64) for name in names},
    )


@settings(max_examples=40)
@given(faces=sets())
def test_any_small_set_comes_back(faces: FaceSet, tmp_path_factory: pytest.TempPathFactory) -> None:
    for form in FORMS:
        assert_returns(faces, tmp_path_factory.mktemp("export"), form)


def test_fer2013_at_full_size_comes_back_from_parquet(fer2013: FaceSet, tmp_path: Path) -> None:
    assert_returns(fer2013, tmp_path, "parquet")


@pytest.mark.parametrize("form", ["csv", "folders"])
def test_2000_faces_of_fer2013_come_back(fer2013: FaceSet, tmp_path: Path, form: str) -> None:
    assert_returns(fer2013.take(np.arange(0, 32000, 16)), tmp_path, form)


@ALL_FORMS
def test_faces_are_written_a_few_at_a_time(tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mien.data.listing.rows_at_once", lambda size: 4)
    stream = np.lib.format.open_memmap(tmp_path / "faces.npy", "w+", np.uint8, (128, 200, 200))
    stream[:] = 7
    n = len(stream)
    large = FaceSet(
        stream,
        np.zeros(n, np.int8),
        np.zeros((n, 10), np.uint8),
        np.arange(n, dtype=np.int32),
        np.zeros(n, np.uint8),
        Provenance("made up", "large", "3" * 64),
    )
    tracemalloc.start()
    export(large, tmp_path / NAMES[form], form)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert stream.nbytes > 5e6
    assert peak < 2.5e6


# ---- CSV


def kaggle(n: int = 30) -> FaceSet:
    rng = np.random.default_rng(9)
    return FaceSet(
        rng.integers(0, 256, (n, 48, 48), dtype=np.uint8),
        (np.arange(n) % 7).astype(np.int8),
        np.zeros((n, 10), np.uint8),
        np.arange(n, dtype=np.int32),
        (np.arange(n) % 3).astype(np.uint8),
        Provenance("made up", "kaggle", "4" * 64),
    )


def kaggle_text(faces: FaceSet) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(("emotion", "pixels", "Usage"))
    for face, label, usage in zip(faces.faces, faces.labels, faces.usage, strict=True):
        writer.writerow((label, " ".join(map(str, face.ravel().tolist())), USAGES[usage]))
    return text.getvalue()


def test_kaggle_s_csv_is_written_as_it_was_byte_for_byte(tmp_path: Path) -> None:
    original = tmp_path / "fer2013.csv"
    original.write_text(kaggle_text(kaggle()), newline="")
    export(read(original), tmp_path / "again.csv", "csv")
    assert (tmp_path / "again.csv").read_bytes() == original.read_bytes()
    assert not (tmp_path / "again.csv.json").exists()
    assert_same(read(tmp_path / "again.csv"), kaggle(), but=frozenset({"provenance"}))


@pytest.mark.parametrize(
    "change",
    [
        {"votes": np.eye(30, 10, dtype=np.uint8)},
        {"rows": np.arange(1, 31, dtype=np.int32)},
        {"rows": np.array([1, 0, *range(2, 30)], np.int32)},
        {"usages": (*USAGES, "more")},
        {"vocabulary": Vocabulary("mine", FER2013.labels)},
        {"paths": np.array(["x"] * 30)},
        {"subjects": np.array([""] * 30)},
        {"columns": {"age": np.zeros(30)}},
        {"faces": kaggle().faces[:, :47, :47]},
    ],
    ids=lambda change: ",".join(change),
)
def test_what_kaggle_s_columns_cannot_say_has_a_table_of_its_own(tmp_path: Path, change: dict[str, object]) -> None:
    faces = dataclasses.replace(kaggle(), **change)
    assert_returns(faces, tmp_path, "csv")
    assert (tmp_path / "faces.csv").read_text().startswith("row,label,usage,")
    assert (tmp_path / "faces.csv.json").is_file()


def test_the_table_says_everything_by_name(tmp_path: Path) -> None:
    faces = dataclasses.replace(odd_set(2), votes=np.arange(20, dtype=np.uint8).reshape(2, 10))
    export(faces, tmp_path / "faces.csv", "csv")
    with (tmp_path / "faces.csv").open(newline="", encoding="utf-8", errors="surrogateescape") as stream:
        header, first, *_ = list(csv.reader(stream))
    assert header[:5] == ["row", "label", "usage", "subject", "path"]
    assert header[5:15] == [f"votes_{v}" for v in ["neutral", "happiness", "surprise", "sadness", "anger"]] + [
        f"votes_{v}" for v in ["disgust", "fear", "contempt", "unknown", "nonface"]
    ]
    assert header[15:] == ["relFCs", "column_row", "column_column_row", "column_votes_fear", "column_emotion", "pixels"]
    assert first[:3] == [str(faces.rows[0]), "a/b", "été \udcff"]
    assert first[5:15] == [str(i) for i in range(10)]
    assert first[-1].split(" ") == [str(v) for v in faces.faces[0].ravel()]
    assert json.loads((tmp_path / "faces.csv.json").read_text()) == {
        "format": 1,
        "size": 11,
        "vocabulary": {"name": "odd, quoted\n", "labels": list(faces.vocabulary.labels)},
        "usages": list(faces.usages),
    }


def test_pandas_reads_the_table(tiny_faces: FaceSet, tmp_path: Path) -> None:
    export(tiny_faces, tmp_path / "faces.csv", "csv")
    frame = pd.read_csv(tmp_path / "faces.csv")
    assert frame["row"].tolist() == tiny_faces.rows.tolist()
    assert frame["label"].tolist() == [FER2013.labels[i] for i in tiny_faces.labels]
    assert [int(v) for v in frame["pixels"][3].split()] == tiny_faces.faces[3].ravel().tolist()


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_a_table_that_pandas_wrote_again_is_read(tmp_path: Path, quoting: int) -> None:
    faces = dataclasses.replace(odd_set(6), paths=np.array(["a,b", 'say "x"', "c\nd", "e", "f", "g"]), subjects=None)
    faces = dataclasses.replace(faces, usages=("a", "b", "c"), vocabulary=Vocabulary("moods", ("x", "y", "z")))
    export(faces, tmp_path / "faces.csv", "csv")
    frame = pd.read_csv(tmp_path / "faces.csv")
    frame.to_csv(tmp_path / "pandas.csv", index=False, quoting=quoting)
    assert ",," in (tmp_path / "pandas.csv").read_text() or ',"",' in (tmp_path / "pandas.csv").read_text()
    (tmp_path / "faces.csv.json").rename(tmp_path / "pandas.csv.json")
    assert_same(read(tmp_path / "pandas.csv", size=11), faces, but=frozenset({"provenance"}))


# ---- folders


def test_pictures_lie_under_their_usage_and_label(tiny_faces: FaceSet, tmp_path: Path) -> None:
    no_fear = tiny_faces.take(np.flatnonzero(tiny_faces.labels != 2))
    export(no_fear, tmp_path / "faces", "folders")
    found = sorted(p.relative_to(tmp_path / "faces").as_posix() for p in (tmp_path / "faces").rglob("*.png"))
    assert found == sorted(
        f"{USAGES[u]}/{FER2013.labels[k]}/{r:07d}.png"
        for u, k, r in zip(no_fear.usage, no_fear.labels, no_fear.rows, strict=True)
    )
    for usage in ("Training", "PublicTest"):
        assert {p.name for p in (tmp_path / "faces" / usage).iterdir()} == set(FER2013.labels)
    assert not (tmp_path / "faces" / "PrivateTest").exists()
    picture = cv2.imread(str(tmp_path / "faces" / "Training" / "angry" / "0001000.png"), cv2.IMREAD_UNCHANGED)
    assert (picture == tiny_faces.faces[0]).all()
    listing = pd.read_csv(tmp_path / "faces" / "labels.csv")
    assert listing.columns[:4].tolist() == ["row", "file", "label", "usage"]
    assert listing["file"][0] == "Training/angry/0001000.png"
    assert (tmp_path / "faces").stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("happy", "happy"),
        ("so-so (été)", "so-so (été)"),
        ("a/b", "a%2Fb"),
        ("..", "%2E%2E"),
        (".", "%2E"),
        (".hidden", "%2Ehidden"),
        ("v1.2", "v1.2"),
        ("end.", "end%2E"),
        ("end ", "end%20"),
        ("100%", "100%25"),
        ("a\\b:c\n\0", "a%5Cb%3Ac%0A%00"),
        ("\udcff", "%FF"),
        ("", "%"),
    ],
)
def test_a_name_that_cannot_be_a_folder_is_escaped(name: str, folder: str) -> None:
    assert folder_name(name) == folder
    assert unquote(folder, errors="surrogateescape") == name or (name, folder) == ("", "%")


@pytest.mark.parametrize("other", ["HAPPY", "hapPy"])
def test_names_that_differ_in_case_only_lie_in_folders_that_differ(other: str) -> None:
    name = folder_name(other, ("sad", "happy"))
    assert name == "".join(f"%{ord(c):02X}" for c in other)
    assert unquote(name) == other
    assert folder_name("e\u0301", ("é",)) == "%65%CC%81"


@given(st.lists(TEXTS, unique=True, max_size=6))
def test_no_two_names_share_a_folder_on_any_system(names: list[str]) -> None:
    folders = [folder_name(name, tuple(names[:i])) for i, name in enumerate(names)]
    assert len({f.casefold() for f in folders}) == len(names)
    for name, folder in zip(names, folders, strict=True):
        assert folder not in (".", "..", "") and "/" not in folder and not folder.startswith(".")
        assert ("" if folder == "%" else unquote(folder, errors="surrogateescape")) == name


# ---- parquet


def test_parquet_has_the_layout_of_the_hub(tmp_path: Path) -> None:
    faces = odd_set()
    export(faces, tmp_path / "faces.parquet", "parquet")
    schema = pq.read_schema(tmp_path / "faces.parquet")
    features = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    assert list(features) == schema.names
    assert features["image"] == {"_type": "Image"}
    assert features["label"] == {"names": list(faces.vocabulary.labels), "_type": "ClassLabel"}
    assert features["usage"] == {"dtype": "string", "_type": "Value"}
    assert features["relFCs"] == {"dtype": "float64", "_type": "Value"}
    assert features["votes_fear"] == {"dtype": "uint8", "_type": "Value"}
    assert schema.field("image").type == pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    assert schema.field("label").type == pa.int64()


def test_pandas_reads_the_parquet(tiny_faces: FaceSet, tmp_path: Path) -> None:
    export(tiny_faces, tmp_path / "faces.parquet", "parquet")
    frame = pd.read_parquet(tmp_path / "faces.parquet")
    assert frame["label"].tolist() == tiny_faces.labels.tolist()
    assert frame["usage"].tolist() == [USAGES[u] for u in tiny_faces.usage]
    assert frame["image"][5]["path"] is None
    picture = cv2.imdecode(np.frombuffer(frame["image"][5]["bytes"], np.uint8), cv2.IMREAD_UNCHANGED)
    assert (picture == tiny_faces.faces[5]).all()


def test_text_in_parquet_is_utf_8_and_as_it_is_where_it_can_be(tmp_path: Path) -> None:
    faces = dataclasses.replace(
        odd_set(2), paths=np.array(["100% sure/é.png", "b.png"]), subjects=np.array(["\udcff%", "S2"])
    )
    assert_returns(faces, tmp_path, "parquet")
    table = pq.read_table(tmp_path / "faces.parquet").to_pylist()  # decodes all text
    assert [row["image"]["path"] for row in table] == ["100% sure/é.png", "b.png"]
    assert [row["subject"] for row in table] == ["%FF%25", "S2"]


def test_without_pyarrow_the_extra_is_named(
    tiny_faces: FaceSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"mien\[table\]"):
        export(tiny_faces, tmp_path / "faces.parquet", "parquet")
    assert list(tmp_path.iterdir()) == []


# ---- splits


def a_split(faces: FaceSet, **changed: object) -> Split:
    whole = {
        "name": "mine",
        "seed": 1,
        "source_sha256": faces.provenance.sha256,
        "parts": {"test": faces.rows[[9, 3]], "train": faces.rows[[50, 40, 41, 5]]},
        "excluded": {"blank": faces.rows[[60]]},
    }
    return Split(**{**whole, **changed})  # type: ignore[arg-type]


@ALL_FORMS
def test_a_split_s_parts_are_the_usages(tiny_faces: FaceSet, tmp_path: Path, form: str) -> None:
    export(tiny_faces, tmp_path / NAMES[form], form, a_split(tiny_faces))
    found = read(tmp_path / NAMES[form])
    at = np.array([3, 5, 9, 40, 41, 50])
    same = frozenset({"provenance", "usage", "usages"})
    assert_same(found, tiny_faces.take(at), but=same)
    assert found.usages == ("test", "train")
    assert [found.usages[u] for u in found.usage] == ["test", "train", "test", "train", "train", "train"]


@ALL_FORMS
def test_a_part_finds_its_faces_whatever_their_order(tiny_faces: FaceSet, tmp_path: Path, form: str) -> None:
    mixed = tiny_faces.take(np.random.default_rng(6).permutation(120))
    parts = {"c": mixed.rows[:50], "a": mixed.rows[50:80], "b": mixed.rows[80:115]}
    export(mixed, tmp_path / NAMES[form], form, a_split(mixed, parts=parts, excluded={}))
    found = read(tmp_path / NAMES[form])
    assert found.rows.tolist() == mixed.rows[:115].tolist()
    assert [found.usages[u] for u in found.usage] == ["c"] * 50 + ["a"] * 30 + ["b"] * 35


def test_rows_that_were_repeated_to_balance_are_written_once(tiny_faces: FaceSet, tmp_path: Path) -> None:
    train = np.repeat(tiny_faces.rows[[5, 40]], [3, 1])
    split = a_split(tiny_faces, parts={"train": train, "test": tiny_faces.rows[[9]]}, balance="over")
    export(tiny_faces, tmp_path / "faces.csv", "csv", split)
    assert read(tmp_path / "faces.csv").rows.tolist() == tiny_faces.rows[[5, 9, 40]].tolist()


@pytest.mark.parametrize("shared", [[6, 7], [8, 9]], ids=["rows in two parts", "no row in two parts"])
def test_a_leaked_split_is_not_written_out(tiny_faces: FaceSet, tmp_path: Path, shared: list[int]) -> None:
    parts = {"train": tiny_faces.rows[[5, 6, 7]], "test": tiny_faces.rows[shared]}
    leaked = a_split(tiny_faces, parts=parts, excluded={}, leaked="balanced before it was split")
    with pytest.raises(DataError, match="'mine' is leaked: balanced before it was split; expected a sound one"):
        export(tiny_faces, tmp_path / "faces", "folders", leaked)
    assert list(tmp_path.iterdir()) == []


def test_a_split_of_other_data_is_refused(tiny_faces: FaceSet, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="sha256 aaaaaaaaaaaaaaaa"):
        export(tiny_faces, tmp_path / "faces", "folders", a_split(tiny_faces, source_sha256="a" * 64))


# ---- what goes wrong


@ALL_FORMS
def test_what_exists_is_left_alone(tiny_faces: FaceSet, tmp_path: Path, form: str) -> None:
    target = tmp_path / NAMES[form]
    target.mkdir()
    (target / "thesis.txt").write_text("precious")
    with pytest.raises(DataError, match=rf"{NAMES[form]} exists already"):
        export(tiny_faces, target, form)
    assert [p.name for p in tmp_path.rglob("*")] == [NAMES[form], "thesis.txt"]


def test_a_description_that_exists_is_left_alone(tiny_faces: FaceSet, tmp_path: Path) -> None:
    (tmp_path / "faces.csv.json").write_text("precious")
    with pytest.raises(DataError, match=r"faces\.csv\.json exists already"):
        export(tiny_faces, tmp_path / "faces.csv", "csv")
    assert (tmp_path / "faces.csv.json").read_text() == "precious"
    assert len(list(tmp_path.iterdir())) == 1


@ALL_FORMS
@pytest.mark.parametrize("limit", [64, 20_000])
def test_a_full_disk_leaves_nothing(tiny_faces: FaceSet, tmp_path: Path, form: str, limit: int) -> None:
    # As folders no file but labels.csv is large.
    faces = tiny_faces if form != "folders" else dataclasses.replace(tiny_faces, paths=np.array(["x" * 300] * 120))
    with files_limited_to(limit), pytest.raises(OutputError, match=f"{NAMES[form]} cannot be written") as caught:
        export(faces, tmp_path / NAMES[form], form)
    assert "Nothing was left behind" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_csv_that_cannot_take_its_name_leaves_no_description(
    tiny_faces: FaceSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = Path.replace

    def refused(self: Path, target: Path) -> Path:
        if target.suffix == ".csv":
            raise PermissionError(13, "Permission denied")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", refused)
    with pytest.raises(OutputError, match="Permission denied"):
        export(tiny_faces, tmp_path / "faces.csv", "csv")
    assert list(tmp_path.iterdir()) == []


@ALL_FORMS
def test_text_that_utf_8_cannot_say_is_refused(tiny_faces: FaceSet, tmp_path: Path, form: str) -> None:
    for text in ("\ud800", "\udcc3\udca9"):  # half a character of UTF-16; two bytes that together are text
        with pytest.raises(DataError, match=r"tiny\.csv: a label, usage, path or subject is no text"):
            export(dataclasses.replace(tiny_faces, usages=("a", text)), tmp_path / NAMES[form], form)
        with pytest.raises(DataError, match=r"is no text"):
            export(dataclasses.replace(tiny_faces, paths=np.array([text] * 120)), tmp_path / NAMES[form], form)
    assert list(tmp_path.iterdir()) == []


def test_usages_that_repeat_are_refused(tiny_faces: FaceSet, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the usages"):
        export(dataclasses.replace(tiny_faces, usages=("a", "a")), tmp_path / "faces.csv", "csv")


def test_a_form_that_there_is_not_is_refused(tiny_faces: FaceSet, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no form named 'xlsx'; expected one of csv, folders, parquet"):
        export(tiny_faces, tmp_path / "faces.xlsx", "xlsx")
