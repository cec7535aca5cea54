"""The Python interface: anything in, one typed result per image out."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

import mien
from mien import bundle, faces
from mien.errors import BundleError, ImageError, MissingExtraError
from mien.expressions import AFFECTNET, FER2013, FER_TINY, FERPLUS, VALENCE
from mien.inference.analyze import Analyzer
from mien.results import COLUMN_TYPES, COLUMNS, Face, ImageResult, Results, columns
from tests_support import MOODS, toy


@pytest.fixture
def analyzer(toy_bundle: Path) -> Analyzer:
    return Analyzer(toy_bundle, "none")


def png(array: np.ndarray) -> bytes:
    return bytes(cv2.imencode(".png", array)[1])


def test_path_bytes_and_array_agree(analyzer: Analyzer, tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (60, 60, 3), dtype=np.uint8)
    (tmp_path / "a.png").write_bytes(png(picture))
    results = [
        analyzer(tmp_path / "a.png"),
        analyzer(str(tmp_path / "a.png")),
        analyzer(png(picture)),
        analyzer(picture),
        analyzer(picture[:, :, ::-1], colour_order="RGB"),
        analyzer.frame(picture, "x"),
    ]
    for result in results:
        assert isinstance(result, ImageResult)
        assert result.faces == results[0].faces
        assert (result.width, result.height) == (60, 60)
    assert [r.source for r in results[2:]] == ["bytes 0", "array 0", "array 0", "x"]
    face = results[0].faces[0]
    assert sum(face.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert face.confidence == max(face.probabilities.values()) == face.probabilities[face.expression]
    assert face.certain == (face.confidence >= 0.4)


def test_colour_order_matters_and_is_bgr_by_default(analyzer: Analyzer, toy_bundle: Path) -> None:
    """A picture whose blue channel is a ramp and whose red one is its reverse: luma tells the orders apart."""
    ramp = np.tile(np.linspace(0, 255, 48, dtype=np.uint8), (48, 1))
    bgr = np.dstack([ramp, np.zeros_like(ramp), ramp[:, ::-1]])
    luma = np.round(0.114 * ramp + 0.299 * ramp[:, ::-1]).astype(np.uint8)
    scored = bundle.Bundle(toy_bundle).score(luma[None], ["fer2013_probabilities"])["fer2013_probabilities"][0]
    as_bgr, as_rgb = analyzer(bgr), analyzer(bgr, colour_order="RGB")
    np.testing.assert_allclose(list(as_bgr.faces[0].probabilities.values()), scored, atol=2e-3)
    assert np.abs(np.array(list(as_rgb.faces[0].probabilities.values())) - scored).max() > 0.01
    with pytest.raises(ImageError, match="'GBR'.*'BGR' or 'RGB'"):
        analyzer(bgr, colour_order="GBR")  # type: ignore[call-overload]


def test_a_list_gives_a_result_each_in_order_and_one_bad_image_costs_its_own_row(
    analyzer: Analyzer, tmp_path: Path
) -> None:
    (tmp_path / "bad.jpg").write_text("not a picture")
    gray = np.full((48, 48), 99, np.uint8)
    results = analyzer([gray, tmp_path / "bad.jpg", tmp_path / "absent.png", np.zeros((3, 3), float), gray])
    assert isinstance(results, Results)
    assert [r.status for r in results] == ["ok", "error", "error", "error", "ok"]
    assert "bad.jpg" in str(results[1].error) and "float64" in str(results[3].error)
    assert results[0].faces == results[4].faces
    with pytest.raises(ImageError, match=r"bad\.jpg"):
        analyzer(tmp_path / "bad.jpg")


def test_no_face_is_an_empty_list(toy_bundle: Path) -> None:
    result = mien.analyze(np.zeros((200, 200), np.uint8), model=toy_bundle, detector="haar")
    assert result.faces == [] and result.status == "no face" and result.error is None
    assert len(result.rows()) == 1 and result.rows()[0]["status"] == "no face"


def test_what_is_no_picture_is_named(analyzer: Analyzer) -> None:
    for thing, text in (
        (3.5, "float"),
        (np.zeros((0, 4), np.uint8), "shape"),
        (np.zeros((4, 4, 4), np.uint8), "BGR"),
        (np.zeros((4, 4), np.int32), "uint8"),
    ):
        with pytest.raises(ImageError, match=text):
            analyzer(thing)


def test_faces_of_one_image_are_one_batch(toy_bundle: Path, shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    honest = bundle.Bundle.score

    def counted(self: bundle.Bundle, batch: np.ndarray, outputs: list[str]) -> dict[str, np.ndarray]:
        sizes.append(len(batch))
        return honest(self, batch, outputs)

    monkeypatch.setattr(bundle.Bundle, "score", counted)
    result = Analyzer(toy_bundle, "haar")(shared / "data" / "media" / "couple.jpg")
    assert sizes == [2] and len(result.faces) == 2


def test_the_card_s_geometry_is_what_crops(toy_bundle: Path, shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bundle's geometry, not the package's: a model keeps the frame it was measured with."""
    seen: list[np.ndarray] = []
    honest = bundle.Bundle.score
    monkeypatch.setattr(
        bundle.Bundle, "score", lambda self, batch, outputs: (seen.append(batch), honest(self, batch, outputs))[1]
    )
    path = shared / "data" / "media" / "one-face.jpg"
    result = Analyzer(toy_bundle, "haar")(path)
    gray = faces.to_gray(cv2.imread(str(path)))
    x1, y1, x2, y2 = result.faces[0].box
    frame = faces.Frame((x1 + x2) / 2, (y1 + y2) / 2 + 0.05 * (x2 - x1), 1.1 * (x2 - x1))
    assert np.abs(seen[0][0].astype(int) - faces.crop(gray, frame).astype(int)).max() <= 1


def test_results_become_json_and_frames(analyzer: Analyzer, tmp_path: Path) -> None:
    results = analyzer([np.full((48, 48), 9, np.uint8), tmp_path / "absent.png"])
    rows = json.loads(results.to_json())
    assert [tuple(r) for r in rows] == [COLUMNS, COLUMNS]
    assert rows[0]["status"] == "ok" and rows[0]["model"] == "toy" and rows[0]["detector"] == "none"
    assert rows[1]["face"] is None and rows[1]["width"] is None
    frame = results.to_frame()
    assert tuple(frame.columns) == COLUMNS and len(frame) == 2
    assert json.loads(results[0].to_json()) == rows[:1]
    for row in rows:
        for column, value in row.items():
            assert value is None or isinstance(value, COLUMN_TYPES[column]), column


@pytest.mark.parametrize(
    ("vocabularies", "size", "only_probabilities"),
    [
        ({"valence": VALENCE.labels}, 48, True),
        ({"fer-tiny": FER_TINY.labels}, 32, False),
        ({"affectnet": AFFECTNET.labels, "ferplus": FERPLUS.labels}, 96, True),
        ({"moods": MOODS, "fer2013": FER2013.labels}, 48, False),
        ({"ferplus": FERPLUS.labels, "fer2013": FER2013.labels}, 48, False),
    ],
    ids=["valence", "fer-tiny", "affectnet with votes", "moods", "ferplus first"],
)
def test_a_model_answers_in_its_first_vocabulary(
    tmp_path: Path, vocabularies: dict[str, tuple[str, ...]], size: int, only_probabilities: bool
) -> None:
    folder = toy(tmp_path / "toy", vocabularies, size, only_probabilities)
    analyzer = Analyzer(folder, "none")
    (tmp_path / "bad.jpg").write_text("not a picture")
    gray = np.random.default_rng(2).integers(0, 256, (size, size), dtype=np.uint8)
    results = analyzer([gray, tmp_path / "bad.jpg"])
    name, labels = next(iter(vocabularies.items()))
    outputs = [f"{v}_probabilities" for v in vocabularies]
    scored = dict(zip(vocabularies, bundle.Bundle(folder).score(gray[None], outputs).values(), strict=True))
    (face,) = results[0].faces
    assert list(face.probabilities) == list(labels)
    np.testing.assert_allclose(list(face.probabilities.values()), scored[name][0], atol=1e-6)
    assert face.expression == labels[scored[name][0].argmax()] and face.confidence == max(face.probabilities.values())
    if name != "ferplus" and "ferplus" in vocabularies:
        assert list(face.ferplus) == list(FERPLUS.labels)
        np.testing.assert_allclose(list(face.ferplus.values()), scored["ferplus"][0], atol=1e-6)
    else:
        assert face.ferplus == {}
    assert analyzer.columns == columns(vocabularies)
    assert [list(row) for row in results.rows()] == [list(analyzer.columns)] * 2
    assert results[1].rows()[0][f"p_{labels[0]}"] is None
    for frame in (results.to_frame(), analyzer([]).to_frame(), analyzer([tmp_path / "bad.jpg"]).to_frame()):
        assert list(frame.columns) == list(analyzer.columns)


def test_frames_without_pandas_say_what_to_install(analyzer: Analyzer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'mien\[table\]'"):
        analyzer(np.zeros((9, 9), np.uint8)).to_frame()


def test_bad_models_are_refused(toy_bundle: Path) -> None:
    with pytest.raises(BundleError, match="no model 'absent'"):
        Analyzer("absent")
    body = (toy_bundle / "model.onnx").read_bytes()
    (toy_bundle / "model.onnx").write_bytes(body[:-1] + bytes([body[-1] ^ 1]))
    with pytest.raises(BundleError, match="sha256"):
        Analyzer(toy_bundle)


def test_a_bundle_for_other_labels_is_refused(toy_bundle: Path) -> None:
    card = json.loads((toy_bundle / "card.json").read_text())
    card["vocabularies"]["fer2013"] = ["a", "b", "c", "d", "e", "f", "g"]
    (toy_bundle / "card.json").write_text(json.dumps(card))
    with pytest.raises(BundleError, match=r"label set 'fer2013' \(a, b.*expected angry, disgust"):
        Analyzer(toy_bundle)


def test_an_analyzer_streams(analyzer: Analyzer) -> None:
    """Results come one by one: the second picture is not touched before the first result is taken."""
    asked: list[int] = []

    def pictures() -> object:
        for i in range(3):
            asked.append(i)
            yield np.zeros((48, 48), np.uint8)

    stream = analyzer.stream(pictures())  # type: ignore[arg-type]
    assert asked == []
    next(stream)
    assert asked == [0]


def test_public_names() -> None:
    names = ["Analyzer", "Bundle", "Face", "FaceFeatures", "ImageResult", "MienError", "Results", "analyze"]
    assert mien.__all__ == names
    for name in mien.__all__:
        assert getattr(mien, name) is not None
    assert mien.Face is Face and set(dir(mien)) >= set(mien.__all__)
    with pytest.raises(AttributeError, match="'nothing'.*Analyzer"):
        _ = mien.nothing


def test_a_bundle_in_the_cache_goes_by_its_name(toy_bundle: Path) -> None:
    from mien.files import cache_folder

    shutil.copytree(toy_bundle, cache_folder() / "models" / "toy")
    assert Analyzer("toy", "none").model_name == "toy"


def test_a_network_that_cannot_be_loaded_is_not_each_image_s_fault(tmp_path: Path, toy_card: dict[str, object]) -> None:
    bundle.save(tmp_path / "broken", b"not a network", toy_card)
    with pytest.raises(BundleError, match="cannot be loaded"):
        Analyzer(tmp_path / "broken", "none")([np.zeros((9, 9), np.uint8)])
