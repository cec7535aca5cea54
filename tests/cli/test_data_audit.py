"""``mien data audit``."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from mien.cli.data_audit import audit
from mien.data import FaceSet, Provenance, Split, save
from mien.data.audit import audit as look
from mien.errors import DataError, MienError, OutputError
from mien.plots.contact_sheet import Sheet

app = typer.Typer()
app.command()(audit)


def run(*arguments: object) -> str:
    """What is printed; mien's own errors come through, as ``mien`` itself catches them."""
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    if isinstance(result.exception, MienError):
        raise result.exception
    assert result.exit_code == 0, result.output
    assert result.stderr == ""  # no bar where there is no terminal
    return result.stdout


def jpeg(face: np.ndarray) -> np.ndarray:
    data = cv2.imencode(".jpg", np.ascontiguousarray(face), [cv2.IMWRITE_JPEG_QUALITY, 80])[1]
    return cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)


@pytest.fixture
def faces() -> FaceSet:
    """60 faces, rows 500 to 559, 40 Training and 20 PublicTest, with one or two of every fault."""
    rng = np.random.default_rng(21)
    coarse = rng.integers(0, 256, (60, 7, 7), dtype=np.uint8)
    pixels = np.stack([cv2.resize(c, (48, 48), interpolation=cv2.INTER_CUBIC) for c in coarse])
    labels, votes = (np.arange(60) % 7).astype(np.int8), np.zeros((60, 10), np.uint8)
    votes[:, 0] = 10
    for copy, original in ((40, 0), (41, 1), (3, 2)):
        pixels[copy], labels[copy] = pixels[original], labels[original]
    labels[3] = (labels[2] + 1) % 7
    pixels[42], pixels[43] = jpeg(pixels[4]), jpeg(pixels[5][:, ::-1])
    pixels[6] = 50
    votes[7], votes[7, 9] = 0, 10
    return FaceSet(
        pixels,
        labels,
        votes,
        np.arange(500, 560, dtype=np.int32),
        (np.arange(60) >= 40).astype(np.uint8),
        Provenance("made up", "sixty.csv", "c" * 64),
    )


@pytest.fixture
def store(faces: FaceSet, tmp_path: Path) -> Path:
    save(faces, tmp_path / "sixty.store")
    return tmp_path / "sixty.store"


def test_findings_are_printed_with_counts_and_rows_and_what_they_mean(store: Path) -> None:
    out = run(store)
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert lines[0] == "sixty.csv: 40 Training, 20 PublicTest; sha256 cccccccccccccccc"
    for line in (
        "groups of identical images 3 500 = 540, 501 = 541, 502 = 503",
        "surplus copies in them 3 5.0%",
        "groups with different labels 1 502 = 503",
        "mirrored pairs 1 505 ~ 543",
        "of both, across parts 2 100.0% 504 ~ 542, 505 ~ 543",
        "Training also in PublicTest: identical 2 5.0% 500, 501",
        "PublicTest also in Training: identical 2 10.0% 540, 541",
        "PublicTest also in Training: near-identical 1 5.0% 542",
        "PublicTest also in Training: mirrored 1 5.0% 543",
        "blank images 1 506",
        "not a face by FER+ votes 1 507",
    ):
        assert line in lines
    said = " ".join(lines)
    assert (
        "4 of 20 PublicTest faces (20.0%) have a copy in Training (2 identical, 1 near-identical, 1 mirrored): "
        "scores on them measure memory."
    ) in said
    assert "1 group of identical images and 2 of 2 near-identical pairs (100%) have different labels" in said
    assert "1 image is blank. 1 image is not of a face, by FER+ votes." in said
    assert "Training: 6 angry, 1.2 times as many as surprise, which is 12.5% of its faces" in said
    assert "agree with the FER+ majority" in said
    assert "--fix clean.json" in said
    assert lines[-1].startswith("60 faces in ") and lines[-1].endswith(" s")
    assert "\x1b" not in out and max(map(len, out.splitlines())) <= 120


def test_the_report_is_what_the_library_finds(store: Path, faces: FaceSet, tmp_path: Path) -> None:
    run(store, "--report", tmp_path / "out" / "audit.json")
    body = json.loads((tmp_path / "out" / "audit.json").read_text(encoding="utf-8"))
    assert body == json.loads(json.dumps(look(faces).to_dict()))


def test_the_contact_sheet_shows_the_faces(store: Path, faces: FaceSet, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    run(store, "--sheet", tmp_path / "audit.png")
    page = cv2.imread(str(tmp_path / "audit.png"), cv2.IMREAD_GRAYSCALE)
    assert page is not None and page.shape[1] > 1200
    for at, there in ((0, True), (40, True), (3, True), (42, True), (43, True), (7, True), (9, False), (50, False)):
        large = faces.faces[at].repeat(2, axis=0).repeat(2, axis=1)
        assert (cv2.matchTemplate(page, large, cv2.TM_SQDIFF).min() < 1) == there, at


def test_the_fixed_split_is_written_and_clean(store: Path, faces: FaceSet, tmp_path: Path) -> None:
    out = run(store, "--fix", tmp_path / "clean.json")
    cleaned = Split.load(tmp_path / "clean.json")
    assert {reason: rows.tolist() for reason, rows in cleaned.excluded.items()} == {
        "identical to a test face": [500, 501],
        "near-identical to a test face": [504],
        "mirror image of a test face": [505],
        "identical faces with different labels": [502, 503],
        "blank": [506],
        "not a face by FER+ votes": [507],
    }
    assert cleaned.parts["public_test"].tolist() == list(range(540, 560))
    assert "32 train, 20 public_test" in out and "2 left out: identical to a test face" in out
    assert f"mien data split {store} --from {tmp_path / 'clean.json'}" in out
    again = run(store, "--split", tmp_path / "clean.json")
    assert "scores on them measure memory" not in again and "--fix" not in again
    assert again.startswith("sixty.csv, split the usages of the source, cleaned: 32 train, 20 public_test")


def test_a_leaked_split_is_shown_as_leaked_and_not_fixed(store: Path, faces: FaceSet, tmp_path: Path) -> None:
    parts = {"train": faces.rows[[10, 10, 11, 12]], "test": faces.rows[[10, 13]]}
    leaked = Split("resampled", 0, "c" * 64, parts, balance="over", leaked="over-sampled before the split")
    leaked.save(tmp_path / "leaked.json")
    out = " ".join(run(store, "--split", tmp_path / "leaked.json").split())
    assert "1 of 2 test faces (50.0%) have a copy in train (1 identical)" in out
    assert "1 row is in more than one part: resampled before the split." in out
    assert "train also in test: identical 2 50.0%" in out
    assert "rows repeated in train 1" in out
    with pytest.raises(DataError, match="is leaked"):
        run(store, "--split", tmp_path / "leaked.json", "--fix", tmp_path / "clean.json")
    assert not (tmp_path / "clean.json").exists()


@pytest.mark.parametrize(
    ("measured", "other"),
    [("test", "train"), ("validation", "train"), ("PublicTest", "validation"), ("one", "two")],
)
def test_the_part_that_is_measured_is_named_first(
    store: Path, faces: FaceSet, tmp_path: Path, measured: str, other: str
) -> None:
    # The larger one is measured only if its name says so.
    many, few = faces.rows[[0, 1, 10, 11]], faces.rows[[40, 41]]
    if measured == "one":
        many, few = few, many
    for parts in ({measured: many, other: few}, {other: few, measured: many}):
        Split("made", 0, "c" * 64, parts).save(tmp_path / "parts.json")
        out = " ".join(run(store, "--split", tmp_path / "parts.json").split())
        assert f"2 of {len(many)} {measured} faces ({2 / len(many):.1%}) have a copy in {other} (2 identical)" in out


def test_the_sheet_goes_from_the_most_to_the_least_alike(
    faces: FaceSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib")
    for k in range(14):
        faces.faces[44 + k] = np.clip(jpeg(faces.faces[14 + k]).astype(int) + 2 * k, 0, 255)
    faces.faces[35] = jpeg(faces.faces[36])  # in one part: not shown
    faces.faces[30], faces.labels[30] = faces.faces[0], faces.labels[0]  # 0 and 30 in Training, 40 in PublicTest
    save(faces, tmp_path / "a.store")
    sheets: list[Sheet] = []
    monkeypatch.setattr("mien.plots.contact_sheet.save", lambda path, sheet: sheets.append(sheet))
    run(tmp_path / "a.store", "--sheet", tmp_path / "a.png")
    sections = {section.title: section.cells for section in sheets[0].sections}
    near = sections["Near-identical, in two parts: 12 of 15"]
    alike = [float(cell.note.removeprefix("similarity ")) for cell in near]
    assert alike == sorted(alike, reverse=True) and alike[0] > alike[-1]
    assert all([tile.part for tile in cell.tiles] == ["Training", "PublicTest"] for cell in near)
    identical = sections["Identical, in two parts: all 2"]
    assert [[tile.row for tile in cell.tiles] for cell in identical] == [[500, 540], [501, 541]]
    assert sections["Mirrored: all 1"][0].tiles[1].row == 543
    (contrary,) = sections["Identical, with different labels: all 1"]
    assert [(tile.row, tile.label) for tile in contrary.tiles] == [(502, "fear"), (503, "happy")]
    assert [tile.row for cell in sections["Blank, or not a face by FER+ votes: all 2"] for tile in cell.tiles] == [
        506,
        507,
    ]
    assert sheets[0].figures[0] == ("90.0%", "of PublicTest has a copy in Training: 18 faces")


def test_a_set_without_faults_is_left_in_peace(faces: FaceSet, tmp_path: Path) -> None:
    save(faces.take(np.arange(10, 40)), tmp_path / "clean.store")
    out = run(tmp_path / "clean.store", "--sheet", tmp_path / "a.png", "--fix", tmp_path / "a.json")
    assert "measure memory" not in out and "different labels:" not in out
    assert "30 train" in out and "left out" not in out


def test_what_was_not_compared_is_told(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mien.data.duplicates._COMPARED_AT_LEAST", 0)
    monkeypatch.setattr("mien.data.duplicates._COMPARED_PER_FACE", 0)
    assert "pairs that may be near-identical were not compared" in " ".join(run(store).split())


def test_persons_in_two_parts_are_told(faces: FaceSet, tmp_path: Path) -> None:
    subjects = np.array([f"s{i // 3}" for i in range(60)])  # 39 and 40 are of s13
    save(replace(faces, subjects=subjects), tmp_path / "a.store")
    out = " ".join(run(tmp_path / "a.store").split())
    assert "persons in more than one part 1 s13" in out
    assert "1 person is in more than one part: scores measure knowing them." in out


def test_what_cannot_be_written_is_said_before_the_set_is_read(tmp_path: Path) -> None:
    (tmp_path / "clean.json").write_text("", encoding="utf-8")
    nowhere = tmp_path / "none.store"
    with pytest.raises(OutputError, match=r"clean\.json exists already.*--fix"):
        run(nowhere, "--fix", tmp_path / "clean.json")
    with pytest.raises(OutputError, match="no such format"):
        run(nowhere, "--sheet", tmp_path / "a.gif")
    with pytest.raises(OutputError, match="is a folder"):
        run(nowhere, "--report", tmp_path)
    with pytest.raises(DataError, match="does not exist"):
        run(nowhere)


def test_a_folder_that_cannot_be_written_is_named(store: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    for option in ("--report", "--fix"):
        with pytest.raises(OutputError, match=r"a\.json cannot be written"):
            run(store, option, tmp_path / "file" / "a.json")
