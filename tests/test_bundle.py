"""Bundles: what is saved is what is loaded, and what was altered is not loaded."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mien import bundle
from mien.bundle import Bundle, available, find, read_card, save
from mien.errors import BundleError
from mien.expressions import FER2013, FER_TINY, FERPLUS, VALENCE
from mien.files import sha256
from tests_support import MOODS, card, network, toy

FACES = np.random.default_rng(0).integers(0, 256, (5, 48, 48), dtype=np.uint8)
FACES[1] //= 4
FACES[2, :24] = 255


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def rewrite_card(folder: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    path = folder / "card.json"
    path.write_text(json.dumps(change(json.loads(path.read_text()))))


# ---- round trip


def test_a_saved_bundle_has_a_network_and_a_card_and_nothing_else(toy_bundle: Path) -> None:
    assert sorted(p.name for p in toy_bundle.iterdir()) == ["card.json", "model.onnx"]
    assert [p.name for p in toy_bundle.parent.iterdir()] == ["toy"]


def within(part: Any, whole: Any) -> bool:
    """Whether every value of ``part`` is in ``whole``, at its place."""
    if isinstance(part, dict):
        return all(k in whole and within(v, whole[k]) for k, v in part.items())
    if isinstance(part, list):
        return len(part) == len(whole) and all(map(within, part, whole))
    return bool(part == whole)


def test_the_card_that_is_read_is_the_card_that_was_saved(
    tmp_path: Path, toy_network: bytes, toy_card: dict[str, Any]
) -> None:
    written = save(tmp_path / "toy", toy_network, toy_card)
    assert read_card(tmp_path / "toy") == written
    assert within(toy_card, asdict(written))
    assert written.format == 1


def test_the_card_carries_the_hash_of_the_network(toy_bundle: Path, toy_network: bytes) -> None:
    assert (toy_bundle / "model.onnx").read_bytes() == toy_network
    assert Bundle(toy_bundle).card.sha256 == sha256(toy_bundle / "model.onnx")


def test_a_score_is_found_by_part_and_vocabulary(toy_bundle: Path) -> None:
    card = read_card(toy_bundle)
    assert card.score("PublicTest", "fer2013") is card.scores[0]
    assert card.score("PublicTest", "ferplus") is None
    assert card.score("PrivateTest", "fer2013") is None


def test_a_score_is_not_taken_for_that_of_a_vocabulary_whose_name_it_begins_with(tmp_path: Path) -> None:
    """``fer``, ``fer-tiny`` and ``fer of my own`` are three; and what is not an accuracy is none."""
    own = {"fer": ("a", "b"), FER_TINY.name: FER_TINY.labels, "fer of my own": ("a", "b")}
    body = card(own)
    (score,) = body["scores"]
    body["scores"] = [
        {**score, "protocol": protocol, "value": value, "metric": metric}
        for protocol, value, metric in (
            ("fern labels, every face", 0.8, "accuracy"),
            ("fer of my own labels, every face", 0.3, "accuracy"),
            ("fer-tiny labels, every face", 0.2, "accuracy"),
            ("fer labels, every face", 0.9, "macro F1"),
            ("fer labels, every face", 0.1, "accuracy"),
        )
    ]
    saved = save(tmp_path / "toy", network(own), body)
    found = {name: saved.score("PublicTest", name) for name in (*own, "fer of")}
    assert {k: v and v.value for k, v in found.items()} == {
        "fer": 0.1,
        "fer-tiny": 0.2,
        "fer of my own": 0.3,
        "fer of": None,
    }


def test_an_existing_folder_is_not_overwritten(toy_bundle: Path, toy_network: bytes, toy_card: dict[str, Any]) -> None:
    before = (toy_bundle / "card.json").read_bytes()
    with pytest.raises(BundleError, match="toy exists already"):
        save(toy_bundle, toy_network, {**toy_card, "name": "other"})
    assert (toy_bundle / "card.json").read_bytes() == before


@pytest.mark.parametrize(
    "changed",
    [
        {"parity": "small"},
        {"extra": 1},
        {"input": {"size": 0}},
        {"format": 2},
        {"vocabularies": {"fer2013": ["happy"]}},
        {"vocabularies": {}},
        {"outputs": ["features"]},
    ],
)
def test_a_bundle_with_a_wrong_card_is_not_written(
    tmp_path: Path, toy_network: bytes, toy_card: dict[str, Any], changed: dict[str, Any]
) -> None:
    with pytest.raises(BundleError):
        save(tmp_path / "bundles" / "toy", toy_network, {**toy_card, **changed})
    assert list((tmp_path / "bundles").iterdir()) == []


# ---- scoring


def test_scores_are_those_of_the_network(toy_bundle: Path) -> None:
    loaded = Bundle(toy_bundle)
    found = loaded.score(FACES, loaded.card.outputs)
    assert {name: values.shape for name, values in found.items()} == {
        "fer2013_logits": (5, 7),
        "fer2013_probabilities": (5, 7),
        "fer2013_evidence": (5, 7, 6, 6),
        "ferplus_logits": (5, 8),
        "ferplus_probabilities": (5, 8),
        "ferplus_evidence": (5, 8, 6, 6),
        "features": (5, 5),
    }
    for v, temperature in loaded.card.calibration.temperature.items():
        assert found[f"{v}_probabilities"] == pytest.approx(softmax(found[f"{v}_logits"] / temperature), abs=1e-5)
        assert found[f"{v}_evidence"].mean(axis=(2, 3)) == pytest.approx(found[f"{v}_logits"], abs=1e-4)
    assert np.ptp(found["fer2013_probabilities"], axis=0).max() > 0.01  # the faces matter


@pytest.mark.parametrize(
    ("vocabularies", "size", "only_probabilities"),
    [
        ({"valence": VALENCE.labels}, 48, True),
        ({"fer-tiny": FER_TINY.labels}, 32, False),
        ({"moods": MOODS, "ferplus": FERPLUS.labels}, 96, False),
        ({"moods": MOODS, "fer2013": FER2013.labels}, 48, True),
    ],
    ids=["probabilities only", "32×32", "96×96 with votes", "two classifiers"],
)
def test_a_bundle_answers_in_any_vocabulary(
    tmp_path: Path, vocabularies: dict[str, tuple[str, ...]], size: int, only_probabilities: bool
) -> None:
    loaded = Bundle(toy(tmp_path / "toy", vocabularies, size, only_probabilities))
    assert loaded.card.primary == next(iter(vocabularies)) and list(loaded.card.vocabularies) == list(vocabularies)
    faces = np.random.default_rng(1).integers(0, 256, (4, size, size), dtype=np.uint8)
    found = loaded.score(faces, loaded.card.outputs)
    for name, labels in vocabularies.items():
        assert loaded.card.vocabularies[name] == list(labels)
        assert found[f"{name}_probabilities"].shape == (4, len(labels))
        assert found[f"{name}_probabilities"].sum(axis=1) == pytest.approx(np.ones(4), abs=1e-5)
        assert (f"{name}_evidence" in found) is not only_probabilities
    if only_probabilities:
        with pytest.raises(
            BundleError, match=f"the output 'features' of toy; expected one of {name}|{loaded.card.primary}_"
        ):
            loaded.score(faces, ["features"])


def test_only_the_outputs_that_were_asked_for_come_back(toy_bundle: Path) -> None:
    found = Bundle(toy_bundle).score(FACES, ["features", "ferplus_probabilities"])
    assert list(found) == ["features", "ferplus_probabilities"]
    assert found["features"].shape == (5, 5)
    assert found["ferplus_probabilities"].shape == (5, 8)


def test_a_batch_scores_as_its_faces_one_by_one(toy_bundle: Path) -> None:
    loaded = Bundle(toy_bundle)
    together = loaded.score(FACES, ["fer2013_probabilities"])["fer2013_probabilities"]
    alone = [loaded.score(FACES[i : i + 1], ["fer2013_probabilities"])["fer2013_probabilities"][0] for i in range(5)]
    assert together == pytest.approx(np.stack(alone), abs=1e-6)


def test_an_unknown_output_is_refused_with_those_there_are(toy_bundle: Path) -> None:
    with pytest.raises(BundleError, match=r"the output 'mood' of toy; expected one of fer2013_logits, "):
        Bundle(toy_bundle).score(FACES, ["features", "mood"])


@pytest.mark.parametrize(
    "faces",
    [
        FACES.astype(np.float32),
        FACES.astype(np.int64),
        FACES[0],
        FACES[:, :47],
        FACES[:, :, :47],
        FACES[:, None],
        np.zeros((2, 96, 96), np.uint8),
    ],
    ids=lambda faces: f"{faces.shape} {faces.dtype}",
)
def test_faces_of_another_shape_or_type_are_refused_with_what_came(toy_bundle: Path, faces: np.ndarray) -> None:
    with pytest.raises(BundleError, match=r"expected \(N, 48, 48\) uint8") as caught:
        Bundle(toy_bundle).score(faces, ["features"])
    assert f"faces of shape {faces.shape} and type {faces.dtype}" in str(caught.value)


def test_no_faces_are_refused(toy_bundle: Path) -> None:
    with pytest.raises(BundleError, match="no faces to score"):
        Bundle(toy_bundle).score(FACES[:0], ["features"])


# ---- altered and damaged bundles


@pytest.mark.parametrize("place", [0, 0.5, -1])
def test_a_flipped_bit_in_the_network_is_found_by_its_hash(toy_bundle: Path, place: float) -> None:
    content = bytearray((toy_bundle / "model.onnx").read_bytes())
    content[int(place * len(content)) if place >= 0 else -1] ^= 1
    (toy_bundle / "model.onnx").write_bytes(content)
    with pytest.raises(BundleError, match=r"model\.onnx has sha256 .*as its card says.*install the bundle again"):
        Bundle(toy_bundle)


def test_a_network_that_was_cut_off_is_found_by_its_hash(toy_bundle: Path) -> None:
    (toy_bundle / "model.onnx").write_bytes((toy_bundle / "model.onnx").read_bytes()[:-1])
    with pytest.raises(BundleError, match="has sha256"):
        Bundle(toy_bundle)


@pytest.mark.parametrize(
    "labels", [FER2013.labels[::-1], FER2013.labels[:-1], (*FER2013.labels, "contempt"), FERPLUS.labels]
)
def test_a_bundle_for_other_labels_is_refused_with_both_sets(toy_bundle: Path, labels: tuple[str, ...]) -> None:
    rewrite_card(toy_bundle, lambda card: {**card, "vocabularies": {**card["vocabularies"], "fer2013": list(labels)}})
    with pytest.raises(BundleError) as caught:
        Bundle(toy_bundle)
    assert f"label set 'fer2013' ({', '.join(labels)})" in str(caught.value)
    assert f"expected {', '.join(FER2013.labels)}" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("moods", ["happy"]),
        ("moods", []),
        ("moods", ["a", "b", "a"]),
        ("moods", ["a", " "]),
        ("moods", ["a", "\ud83d"]),  # half of a character, which no file can hold
        (" ", ["a", "b"]),
    ],
    ids=["one", "none", "twice", "empty", "half", "no name"],
)
def test_labels_that_no_answer_can_be_given_in_are_refused(toy_bundle: Path, name: str, labels: list[str]) -> None:
    outputs = ["ferplus_probabilities", "fer2013_probabilities", f"{name}_probabilities"]
    rewrite_card(
        toy_bundle,
        lambda card: {**card, "vocabularies": {**card["vocabularies"], name: labels}, "outputs": outputs},
    )
    with pytest.raises(BundleError, match=f"label set '{name}'.*expected a name, and two or more labels that differ"):
        Bundle(toy_bundle)


@pytest.mark.parametrize("only_probabilities", [False, True])
def test_a_network_that_does_not_fit_its_card_is_refused_when_it_is_loaded(
    tmp_path: Path, only_probabilities: bool
) -> None:
    """The hash is right: a card was written for another network."""
    options = (48, only_probabilities)
    save(tmp_path / "labels", network({"moods": MOODS}, *options), card({"moods": ("good", "bad")}, *options))
    with pytest.raises(BundleError, match=r"moods_probabilities has the shape \(n, 5\); expected \(n, 2\).* good, bad"):
        _ = Bundle(tmp_path / "labels").session
    save(tmp_path / "size", network({"moods": MOODS}, *options), card({"moods": MOODS}, 64, only_probabilities))
    with pytest.raises(BundleError, match=r"takes faces: .*48, 48\]; expected faces: .*64, 64\]"):
        _ = Bundle(tmp_path / "size").session


@pytest.mark.parametrize("shape", [("n", "k"), (None, None), None], ids=["named", "open", "none"])
def test_a_shape_that_the_network_leaves_open_is_compared_when_faces_are_scored(
    tmp_path: Path, shape: tuple[str | None, ...] | None
) -> None:
    import onnx

    model = onnx.load_from_string(network({"moods": MOODS}, only_probabilities=True))
    node, name = onnx.helper.make_node, "moods_probabilities"
    # A selection, of classes or, where not even the number of axes is known, of axes: it is made when faces come.
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.ones(5 if shape else 2, bool), "every"))
    model.graph.node[-1].output[1] = "inner"
    if shape:
        model.graph.node.append(node("Compress", ["inner", "every"], [name], axis=1))
    else:
        model.graph.node.append(node("Shape", ["inner"], ["lengths"]))
        model.graph.node.append(node("Compress", ["lengths", "every"], ["axes"], axis=0))
        model.graph.node.append(node("Reshape", ["inner", "axes"], [name]))
    del model.graph.output[:]
    model.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape))
    for folder, labels in (("right", MOODS), ("wrong", MOODS[:2])):
        save(tmp_path / folder, model.SerializeToString(), card({"moods": labels}, only_probabilities=True))
    found = Bundle(tmp_path / "right").score(FACES, [name])
    assert found[name].shape == (5, 5)
    with pytest.raises(BundleError, match=r"has the shape \(5, 5\); expected \(n, 2\)"):
        Bundle(tmp_path / "wrong").score(FACES, [name])


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda card: {k: v for k, v in card.items() if k != "calibration"}, "calibration is missing"),
        (lambda card: {**card, "surprise": 1}, "surprise: no such field"),
        (lambda card: {**card, "format": 2}, r"format is 2, not 1.*a card of format 1"),
        (lambda card: {**card, "sha256": "abc"}, "sha256 is 'abc'"),
        (lambda card: {**card, "input": {"size": 48, "colour": "rgb"}}, r"input\.colour is 'rgb'"),
        (
            lambda card: {**card, "crop": {"haar": {"anchor": "nose", "dx": 0, "dy": 0, "side": 1}}},
            r"crop\.haar\.anchor is 'nose'",
        ),
        (
            lambda card: {**card, "crop": {"haar": {"anchor": "box", "dx": 0, "dy": 0, "side": 0}}},
            r"crop\.haar\.side is 0\.0, not positive",
        ),
        (lambda card: {**card, "parameters": "many"}, "parameters is 'many', not int"),
        (lambda card: {**card, "parameters": True}, "parameters is True, not int"),
        (lambda card: {**card, "parity": float("nan")}, "parity is nan, not float"),
        (lambda card: {**card, "scores": [{**card["scores"][0], "n": 1.5}]}, r"scores\.0\.n is 1\.5, not int"),
        (lambda card: {**card, "scores": {}}, r"scores is \{\}"),
        (lambda card: {**card, "training": []}, r"training is \[\], not an object"),
        (
            lambda card: {**card, "outputs": [o for o in card["outputs"] if o != "ferplus_probabilities"]},
            "no ferplus_probabilities",
        ),
        (lambda card: {**card, "vocabularies": {}}, r"vocabularies is \{\}, not at least one"),
        (
            lambda card: {**card, "calibration": {**card["calibration"], "error_rate": 20.0}},
            r"calibration\.error_rate is 20\.0, not between 0 and 1",
        ),
        (
            lambda card: {**card, "calibration": {**card["calibration"], "thresholds": [{"error_rate": 0.1}]}},
            r"calibration\.thresholds\.0\.confidence is missing",
        ),
    ],
    ids=[
        "no calibration",
        "unknown field",
        "other format",
        "no hash",
        "colour",
        "anchor",
        "crop side",
        "text for a number",
        "truth for a number",
        "not a number",
        "half a face",
        "object for a list",
        "list for an object",
        "outputs",
        "vocabulary",
        "error rate",
        "threshold",
    ],
)
def test_a_wrong_card_is_refused_with_the_field(toy_bundle: Path, change: Callable[[Any], Any], complaint: str) -> None:
    rewrite_card(toy_bundle, change)
    with pytest.raises(BundleError, match=complaint) as caught:
        Bundle(toy_bundle)
    assert "card.json" in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [b"", b'{"format": 1, "na', b"[]", b"\xff\xfe\x00", b"null"],
    ids=["empty", "cut", "list", "bytes", "null"],
)
def test_a_damaged_card_is_refused(toy_bundle: Path, content: bytes) -> None:
    (toy_bundle / "card.json").write_bytes(content)
    with pytest.raises(BundleError, match=r"card\.json is damaged"):
        Bundle(toy_bundle)


@pytest.mark.parametrize("name", ["model.onnx", "card.json"])
def test_a_missing_file_is_refused(toy_bundle: Path, name: str) -> None:
    (toy_bundle / name).unlink()
    with pytest.raises(BundleError, match=r"toy is not a model bundle; expected a folder with model\.onnx and card"):
        Bundle(toy_bundle)


def test_what_is_no_network_is_refused_when_it_is_first_used(tmp_path: Path, toy_card: dict[str, Any]) -> None:
    save(tmp_path / "toy", b"this is no network", toy_card)
    loaded = Bundle(tmp_path / "toy")
    with pytest.raises(BundleError, match=r"model\.onnx cannot be loaded"):
        loaded.score(FACES, ["features"])


def test_a_network_without_an_output_that_its_card_names_is_refused(
    tmp_path: Path, toy_network: bytes, toy_card: dict[str, Any]
) -> None:
    save(tmp_path / "toy", toy_network, {**toy_card, "outputs": [*toy_card["outputs"], "mood"]})
    with pytest.raises(BundleError, match="lacks the outputs mood"):
        Bundle(tmp_path / "toy").score(FACES, ["features"])


# ---- thresholds


def with_thresholds(folder: Path, *reached: float, missed: tuple[float, ...] = ()) -> None:
    """A table on the card: the confidence for a rate is 1 less the rate, and of one that was missed 0.99."""
    table = [
        {"error_rate": r, "confidence": 1 - r, "accuracy": 1 - r, "share": r, "reached": True} for r in reached
    ] + [{"error_rate": r, "confidence": 0.99, "accuracy": 0.5, "share": 0.1, "reached": False} for r in missed]
    rewrite_card(folder, lambda card: {**card, "calibration": {**card["calibration"], "thresholds": table}})


@pytest.mark.parametrize(
    ("asked", "rate"), [(0.1, 0.1), (0.05, 0.05), (0.3, 0.3), (0.07, 0.05), (0.29, 0.1), (0.9, 0.3)]
)
def test_the_threshold_of_an_error_rate_is_that_of_the_nearest_that_is_as_strict(
    toy_bundle: Path, asked: float, rate: float
) -> None:
    with_thresholds(toy_bundle, 0.3, 0.05, 0.1, missed=(0.02,))
    found = read_card(toy_bundle).threshold(asked)
    assert (found.error_rate, found.confidence, found.accuracy, found.share) == (rate, 1 - rate, 1 - rate, rate)


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [
        (0.0, "the error rate 0; expected a share between 0 and 1"),
        (1.0, "the error rate 1; expected"),
        (-0.1, "the error rate -0.1; expected"),
        (float("nan"), "the error rate nan; expected"),
        (0.01, "toy has no threshold for an error rate of 0.01; expected at least 0.02"),
        (0.02, "no confidence of toy kept an error rate of 0.02 on its held-out faces; expected at least 0.1, which"),
        (0.07, "no confidence of toy kept an error rate of 0.07"),
    ],
)
def test_an_error_rate_without_a_threshold_is_refused(toy_bundle: Path, asked: float, complaint: str) -> None:
    with_thresholds(toy_bundle, 0.1, 0.3, missed=(0.02, 0.05))
    with pytest.raises(BundleError, match=complaint):
        read_card(toy_bundle).threshold(asked)


def test_a_card_without_thresholds_is_read_and_says_what_to_do(toy_bundle: Path) -> None:
    """As cards were before there were any."""
    assert '"thresholds": []' in (toy_bundle / "card.json").read_text()
    rewrite_card(
        toy_bundle,
        lambda card: {
            **card,
            "calibration": {k: v for k, v in card["calibration"].items() if k not in ("thresholds", "error_rate")},
        },
    )
    found = Bundle(toy_bundle).card
    assert (found.calibration.error_rate, found.calibration.thresholds) == (0.2, [])
    with pytest.raises(BundleError, match="the card of toy has no thresholds .* mien export"):
        found.threshold(0.1)


def test_a_card_whose_every_threshold_was_missed_says_so(toy_bundle: Path) -> None:
    with_thresholds(toy_bundle, missed=(0.1, 0.2))
    with pytest.raises(BundleError, match="kept an error rate of 0.2 on its held-out faces; expected a better model"):
        read_card(toy_bundle).threshold(0.2)


def test_the_shipped_card_has_a_threshold_for_each_rate_and_its_own_among_them() -> None:
    card = read_card(available()["mien-small"])
    own = card.threshold(card.calibration.error_rate)
    assert own.confidence == card.calibration.uncertain_below
    assert (own.accuracy, own.share) == (card.calibration.accuracy_when_certain, card.calibration.share_certain)
    table = card.calibration.thresholds
    assert [t.error_rate for t in table] == [0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3]
    assert all(t.reached and t.accuracy >= 1 - t.error_rate for t in table)
    for values in ([-t.confidence for t in table], [t.share for t in table]):
        assert values == sorted(values)


# ---- finding


@pytest.fixture
def installed(toy_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The toy bundle as ``mine`` in the cache."""
    monkeypatch.setenv("MIEN_CACHE", str(tmp_path / "cache"))
    return Path(shutil.copytree(toy_bundle, tmp_path / "cache" / "models" / "mine"))


def test_a_bundle_in_the_cache_is_available_and_found_by_name(installed: Path) -> None:
    assert available()["mine"] == installed
    assert find("mine") == installed
    assert Bundle(find("mine")).card.name == "toy"


def test_a_bundle_is_found_by_its_folder(toy_bundle: Path) -> None:
    assert find(toy_bundle) == toy_bundle
    assert find(str(toy_bundle)) == toy_bundle


def test_an_unknown_model_is_refused_with_the_installed_ones(installed: Path) -> None:
    with pytest.raises(BundleError, match=r"no model 'theirs'; expected an installed name \(.*mine.*\)"):
        find("theirs")


def test_a_folder_without_a_card_is_not_available(installed: Path) -> None:
    (installed / "card.json").unlink()
    assert "mine" not in available()


def test_a_bundle_of_the_package_comes_before_one_of_the_same_name_in_the_cache(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = Path(shutil.copytree(installed, tmp_path / "package" / "weights" / "mine"))
    monkeypatch.setattr(bundle, "files", lambda package: tmp_path / "package")
    assert available() == {"mine": shipped}


def test_every_bundle_that_ships_is_whole() -> None:
    folders = [folder for folder in available().values() if folder.parent.name == "weights"]
    assert folders
    for folder in folders:
        card = Bundle(folder).card
        assert card.name == folder.name and card.training.caveats() == []


def test_what_is_wrong_with_a_training_is_said_in_sentences(tmp_path: Path) -> None:
    body = card({"moods": MOODS})
    body["training"] |= {"leaked": "copies on both sides", "shortened": "2 of 100 epochs"}
    training = save(tmp_path / "toy", network({"moods": MOODS}), body).training
    assert training.shortened == "2 of 100 epochs"
    leaked, shortened = training.caveats()
    assert leaked == "this model was trained on a leaked split (copies on both sides): its scores are worth nothing"
    assert shortened.startswith("this model was trained in a shortened run (2 of 100 epochs)")
    body["training"] = {**body["training"], "leaked": "", "shortened": "", "misscaled": "byte pixels"}
    training = save(tmp_path / "other", network({"moods": MOODS}), body).training
    assert training.misscaled == "byte pixels"
    assert training.caveats() == ["this model's input is misscaled on purpose (byte pixels): do not use it"]
