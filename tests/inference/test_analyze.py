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
from mien.results import COLUMN_TYPES, COLUMNS, Explanation, Face, ImageResult, Results, columns
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


def with_thresholds(folder: Path, confidences: dict[float, float | None]) -> None:
    """Error rate → confidence on the card of a bundle; None for one that was not reached."""
    card = json.loads((folder / "card.json").read_text())
    card["calibration"]["thresholds"] = [
        {"error_rate": rate, "confidence": c or 0.5, "accuracy": 1 - rate, "share": 0.5, "reached": c is not None}
        for rate, c in confidences.items()
    ]
    (folder / "card.json").write_text(json.dumps(card))


def test_an_error_rate_moves_the_threshold_and_nothing_else(toy_bundle: Path) -> None:
    gray = np.random.default_rng(1).integers(0, 256, (48, 48), dtype=np.uint8)
    own = Analyzer(toy_bundle, "none")
    assert own.uncertain_below == own.card.calibration.uncertain_below == 0.4
    raw = bundle.Bundle(toy_bundle).score(gray[None], ["fer2013_probabilities"])["fer2013_probabilities"][0]
    confidence = float(raw.max())
    with_thresholds(toy_bundle, {0.3: confidence - 0.01, 0.2: confidence, 0.1: confidence + 1e-7, 0.05: None})
    answers = {rate: Analyzer(toy_bundle, "none", error_rate=rate) for rate in (0.3, 0.25, 0.2, 0.1, 0.15)}
    assert {r: a.uncertain_below for r, a in answers.items()} == {
        0.3: confidence - 0.01,
        0.25: confidence,
        0.2: confidence,
        0.1: confidence + 1e-7,
        0.15: confidence + 1e-7,
    }
    certain = {rate: analyzer(gray).faces[0].certain for rate, analyzer in answers.items()}
    # at the very confidence of the threshold it is certain, however the confidence is rounded
    assert certain == {0.3: True, 0.25: True, 0.2: True, 0.1: False, 0.15: False}
    (row,), (other,) = own(gray).rows(), answers[0.1](gray).rows()
    assert {k: v for k, v in row.items() if k != "certain"} == {k: v for k, v in other.items() if k != "certain"}
    for rate in (0.3, 0.1):
        assert mien.analyze(gray, toy_bundle, "none", error_rate=rate).faces[0].certain is certain[rate]
    for rate, text in ((0.05, "kept an error rate of 0.05"), (0.01, "no threshold"), (1.5, "between 0 and 1")):
        with pytest.raises(BundleError, match=text):
            Analyzer(toy_bundle, "none", error_rate=rate)


def test_an_error_rate_needs_a_card_with_thresholds(toy_bundle: Path) -> None:
    with pytest.raises(BundleError, match="the card of toy has no thresholds"):
        mien.analyze(np.zeros((48, 48), np.uint8), toy_bundle, "none", error_rate=0.1)


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


# ---- explanations


def test_an_explanation_is_what_the_network_saw_and_adds_up_to_its_logits(toy_bundle: Path, shared: Path) -> None:
    """Each face has its own, and the answers and the tables are the same as without."""
    path = shared / "data" / "media" / "couple.jpg"
    plain, explained = (Analyzer(toy_bundle, "haar", explain=e)(path) for e in (False, True))
    assert explained == plain and explained.rows() == plain.rows() and len(explained.faces) == 2
    assert all(face.explanation is None for face in plain.faces)
    scorer = bundle.Bundle(toy_bundle)
    for face in explained.faces:
        found = face.explanation
        assert found is not None and found.labels == FER2013.labels
        assert found.crop.shape == (48, 48) and found.crop.dtype == np.uint8
        assert found.evidence.shape == (7, 6, 6) and found.evidence.dtype == np.float32
        scored = scorer.score(found.crop[None], ["fer2013_logits", "fer2013_probabilities"])
        np.testing.assert_allclose(found.evidence.mean((1, 2)), scored["fer2013_logits"][0], atol=1e-4)
        np.testing.assert_allclose(list(face.probabilities.values()), scored["fer2013_probabilities"][0], atol=1e-5)
    first, second = (face.explanation for face in explained.faces)
    assert first is not None and second is not None and (first.crop != second.crop).any()


def test_evidence_lies_where_the_picture_differs(toy_bundle: Path) -> None:
    """Each place of the toy's maps sees 8×8 pixels of its own: those that change are where the evidence changes."""
    analyzer = Analyzer(toy_bundle, "none", explain=True)
    before = np.random.default_rng(5).integers(0, 256, (48, 48), dtype=np.uint8)
    after = before.copy()
    after[8:16, 32:40] = 255 - after[8:16, 32:40]
    a, b = (analyzer(face).faces[0].explanation for face in (before, after))
    assert a is not None and b is not None
    np.testing.assert_array_equal(a.crop, before)
    moved = np.abs(a.evidence - b.evidence).max(axis=0) > 1e-6
    assert np.argwhere(moved).tolist() == [[1, 4]]


def test_a_smile_is_evidence_where_the_mouth_is(shared: Path) -> None:
    """Of the model that ships: a covered mouth costs "happy" most of its evidence, and there; a brow next to none."""
    face = Analyzer(detector="haar", explain=True)(shared / "data" / "media" / "one-face.jpg").faces[0]
    found = face.explanation
    assert face.expression == "happy" and found is not None
    happy = found.labels.index("happy")
    strongest = np.unravel_index(found.of("happy").argmax(), (6, 6))
    assert strongest[0] in (3, 4) and strongest[1] in (2, 3)
    model = bundle.Bundle(bundle.find(bundle.DEFAULT))
    lost = {}
    for part, rows in (("mouth", slice(34, 43)), ("brow", slice(2, 9))):
        covered = found.crop.copy()
        covered[rows, 12:36] = covered.mean()
        lost[part] = (
            found.evidence[happy] - model.score(covered[None], ["fer2013_evidence"])["fer2013_evidence"][0][happy]
        )
    place = np.unravel_index(lost["mouth"].argmax(), (6, 6))
    assert place[0] == 4 and place[1] in (2, 3)  # pixels 32 to 40 of 48
    assert lost["mouth"].sum() > 5 * np.abs(lost["brow"]).sum()


def test_evidence_is_for_a_label_against_the_others_as_likely_as_they_are() -> None:
    maps = np.random.default_rng(0).normal(0, 1, (3, 4, 5)).astype(np.float32)
    logits = np.log([2.0, 1.0, 3.0])
    maps += (logits - maps.mean(axis=(1, 2)))[:, None, None]
    found = Explanation(np.zeros((8, 8), np.uint8), ("a", "b", "c"), maps)
    np.testing.assert_allclose(found.of("a"), maps[0] - maps[1] / 4 - 3 * maps[2] / 4, atol=1e-5)
    np.testing.assert_allclose(found.of("c"), maps[2] - 2 * maps[0] / 3 - maps[1] / 3, atol=1e-5)
    # What is added to all labels says nothing, and of two labels one's evidence is the other's opposite.
    shifted = Explanation(found.crop, found.labels, maps + np.arange(20, dtype=np.float32).reshape(4, 5))
    np.testing.assert_allclose(shifted.of("b"), found.of("b"), atol=1e-4)
    two = Explanation(found.crop, ("a", "b"), maps[:2])
    np.testing.assert_allclose(two.of("a"), -two.of("b"), atol=1e-6)
    # To first order it is what moves the odds of the label.
    change = 1e-3 * np.random.default_rng(1).normal(0, 1, (3, 4, 5))
    weights = np.array([1, -1 / 4, -3 / 4])
    odds = [np.log(e[0] / (e[1] + e[2])) for e in (np.exp((maps + s * change).mean(axis=(1, 2))) for s in (0, 1))]
    assert odds[1] - odds[0] == pytest.approx((weights @ change.mean(axis=(1, 2))), rel=0.01)


def test_evidence_of_large_logits_does_not_overflow() -> None:
    maps = np.zeros((3, 2, 2), np.float32) + np.array([500, 0, -500], np.float32)[:, None, None]
    found = Explanation(np.zeros((8, 8), np.uint8), ("a", "b", "c"), maps)
    assert (found.of("a") == 500).all() and (found.of("c") == -1000).all()


def test_a_model_that_cannot_explain_is_refused_before_any_picture(tmp_path: Path) -> None:
    folder = toy(tmp_path / "toy", {"moods": MOODS}, 48, only_probabilities=True)
    with pytest.raises(BundleError, match=r"toy cannot show where.*mien-small does.*mien models"):
        Analyzer(folder, "none", explain=True)
    assert Analyzer(folder, "none")(np.zeros((48, 48), np.uint8)).faces[0].explanation is None


def test_evidence_that_does_not_fit_the_labels_is_refused(toy_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = bundle.Bundle.score

    def fewer(self: bundle.Bundle, batch: np.ndarray, outputs: list[str]) -> dict[str, np.ndarray]:
        return {k: v[:, :-1] if k.endswith("evidence") else v for k, v in honest(self, batch, outputs).items()}

    monkeypatch.setattr(bundle.Bundle, "score", fewer)
    with pytest.raises(BundleError, match=r"fer2013_evidence has the shape \(1, 6, 6, 6\); expected \(n, 7, h, w\)"):
        Analyzer(toy_bundle, "none", explain=True)(np.zeros((48, 48), np.uint8))
