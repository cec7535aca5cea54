"""Each measure against numbers that were counted in another way."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien import bundle, data
from mien.data import FaceSet, Split
from mien.errors import DataError, StudyError
from mien.evaluation.calibration import softmax
from mien.evaluation.copies import find_copies
from mien.evaluation.evaluate import Options, evaluate
from mien.evaluation.intervals import mean_estimate, share_estimate, weights
from mien.evaluation.plan import plan
from mien.expressions import FER2013, FERPLUS
from mien.faces import CropGeometry, crop, frame_of
from mien.inference import detect
from mien.inference.detect import Detection
from mien.recipe import load
from mien.studies.manifest import MEASURE_NAMES, System
from mien.studies.measures import MEASURES, Ran
from mien.studies.measures.layer_table import Row, compared
from mien.studies.measures.loss_parts import expected_loss
from mien.studies.measures.ran import heated, losses, means, occurrences
from mien.studies.result import Quantity
from tests_support import QUICK, TOY_TEMPERATURE, toy

Making = Callable[..., Ran]
PART = "test"


def dimmed(faces: np.ndarray) -> np.ndarray:
    """Light faces are all one to the toy network, and dark ones too: some of each. Copies stay copies."""
    share = dict(zip(map(bytes, faces), np.random.default_rng(3).uniform(0.3, 0.6, len(faces)).tolist(), strict=True))
    return np.stack([(face * share[bytes(face)]).astype(np.uint8) for face in faces])


@pytest.fixture
def making(tmp_path: Path, tiny_faces: FaceSet) -> Making:
    """A run folder around the toy network, evaluated; its split repeats rows in each part and across them."""
    tiny_faces = replace(tiny_faces, faces=dimmed(tiny_faces.faces), votes=np.zeros_like(tiny_faces.votes))
    data.save(tiny_faces, tmp_path / "tiny.store")
    rows = tiny_faces.rows

    def make(*parts: str, recipe: str = QUICK, heads: tuple[str, ...] = ("fer2013",), **changed: object) -> Ran:
        known = {"fer2013": FER2013.labels, "ferplus": FERPLUS.labels}
        folder = tmp_path / "run"
        toy(folder / "bundle", {name: known[name] for name in heads})
        (folder / "recipe.toml").write_text(recipe)
        environment = {"data": str(tmp_path / "tiny.store"), "recipe_folder": str(tmp_path)}
        (folder / "environment.json").write_text(json.dumps(environment))
        chosen = {
            "train": np.sort(np.concatenate([rows[:50], rows[:20], rows[:5]])),
            "validation": rows[50:60],
            "test": np.sort(np.concatenate([rows[40:90], rows[40:45], rows[40:45], rows[70:80]])),
            "public_test": rows[90:],
        }
        values = {"parts": chosen, "balance": "over", "leaked": "on purpose"} | changed
        split = Split("by hand", 0, tiny_faces.provenance.sha256, **values)  # type: ignore[arg-type]
        split.save(folder / "split.json")
        (tmp_path / "study").mkdir()
        evaluated = {p: evaluate(plan(str(folder), part=p), Options(draws=20)) for p in parts or (PART,)}
        system = System(name="by-hand", title="By hand", parts=list(evaluated))
        return Ran(folder, tmp_path / "study", system, load(folder / "recipe.toml"), tiny_faces, split, evaluated)

    return make


def rows_of(ran: Ran, part: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row ids of a part as they are in the split, repeated ones too, their labels and the network's own logits."""
    rows = ran.split.parts[part]
    at = ran.faces.positions(rows)
    logits = bundle.Bundle(ran.folder / "bundle").score(ran.faces.faces[at], ["fer2013_logits"])["fer2013_logits"]
    return rows, ran.faces.labels[at].astype(int), logits.astype(np.float64)


def log_loss(logits: np.ndarray, labels: np.ndarray) -> float:
    return float(np.mean([np.log(np.exp(x).sum()) - x[k] for x, k in zip(logits, labels, strict=True)]))


def near(value: float) -> object:
    return pytest.approx(value, abs=2e-6)  # results have six digits


def test_there_is_a_measure_for_each_name_of_a_manifest() -> None:
    assert tuple(MEASURES) == MEASURE_NAMES


def test_repeated_rows_count_as_often_as_they_occur(making: Making) -> None:
    ran = making()
    found = MEASURES["repeats"](ran, PART)
    rows, labels, logits = rows_of(ran, PART)
    right, seen = logits.argmax(1) == labels, np.isin(rows, ran.split.parts["train"])
    assert (len(rows), len(np.unique(rows)), seen.sum()) == (70, 50, 20) and right[seen].mean() != right[~seen].mean()
    assert (found["rows"].value, found["faces"].value) == (70, 50)
    assert found["accuracy"].value == near(right.mean()) and found["accuracy"].n == 50
    assert found["seen"].value == near(20 / 70) and found["seen"].n == 50
    assert found["accuracy_seen"].value == near(right[seen].mean()) and found["accuracy_seen"].n == 10
    assert found["accuracy_unseen"].value == near(right[~seen].mean()) and found["accuracy_unseen"].n == 40
    assert found["by_heart"].value == near(np.where(seen, True, right).mean()) and found["by_heart"].n == 50
    assert found["log_loss"].value == near(log_loss(logits, labels)) and found["log_loss"].kind == "number"
    for name in ("accuracy", "seen", "accuracy_unseen", "log_loss"):
        one = found[name]
        assert one.low is not None and one.high is not None and one.low < (one.value or 0) < one.high


def test_faces_with_a_copy_in_training_count_as_seen_too(making: Making) -> None:
    ran = making("public_test")
    found = MEASURES["repeats"](ran, "public_test")
    copied = find_copies(ran.faces, ran.split.parts["public_test"], ran.split.parts["train"])
    assert len(copied) >= 3  # positions 95 to 97 are 30, 31 and 31
    assert found["seen"].value == 0 and found["seen"].high == near(share_estimate(0, 30).high or 0)
    assert found["seen_copy"].value == near(len(copied) / 30)
    assert found["accuracy_seen"] == Quantity("share")
    assert found["accuracy_unseen"].value == found["accuracy"].value == found["by_heart"].value
    blind = ran.evaluated["public_test"]
    unlooked = replace(blind.evaluation, data=replace(blind.evaluation.data, copies={}))
    without = replace(ran, evaluated={"public_test": replace(blind, evaluation=unlooked, copies={})})
    assert MEASURES["repeats"](without, "public_test")["seen_copy"] == Quantity("share")


def test_how_often_a_face_of_a_class_occurs(making: Making) -> None:
    ran = making()
    found = MEASURES["repeats"](ran, PART)
    times: dict[str, list[int]] = {}
    every = np.concatenate([ran.split.parts[p] for p in ("train", "validation", "test")]).tolist()
    for row in set(every):
        label = FER2013.labels[ran.faces.labels[ran.faces.positions(np.array([row]))[0]]]
        times.setdefault(label, []).append(every.count(row))
    for label in FER2013.labels:
        assert found[f"copies {label}"].value == near(np.mean(times[label]))
        assert found[f"copies {label}"].n == len(times[label])
    assert len({found[f"copies {label}"].value for label in FER2013.labels}) > 3


def test_a_limited_run_has_seen_no_more_than_it_was_trained_on(making: Making) -> None:
    ran = making(recipe=QUICK.replace("validation = 0.2", "validation = 0.2\nlimit = 14"))
    train = ran.split.parts["train"]
    labels = ran.faces.labels[ran.faces.positions(train)]
    used: list[int] = []
    for k in range(7):
        of_class = train[labels == k].tolist()
        used += of_class[: round(len(of_class) * 14 / 75)]
    assert 5 < len(set(used)) < 20
    found = MEASURES["repeats"](ran, PART)
    assert found["seen"].value == near(np.isin(ran.split.parts[PART], used).mean())


def test_a_face_is_drawn_with_all_its_rows() -> None:
    """Five rows of each face say no more than one: the interval is that over faces."""
    values = np.sort(np.random.default_rng(0).normal(2, 1, 40))
    once, five = np.ones(40), np.full(40, 5)
    found = means({"once": (values, once), "five": (values, five), "none": (values, 0 * once)})
    expected = mean_estimate(values, draws=1000, seed=0)
    for name in ("once", "five"):
        assert found[name].value == pytest.approx(expected.value)
        assert (found[name].low, found[name].high) == pytest.approx((expected.low, expected.high))
    assert (found["none"].value, found["none"].n) == (None, 0)


def test_the_interval_of_a_weighted_mean_is_of_resampled_faces_with_their_rows() -> None:
    values, times = np.random.default_rng(0).normal(2, 1, 40), np.where(np.arange(40) < 10, 3, 1)
    found = means({"odd": (values, times)})["odd"]
    assert found.value == pytest.approx(np.repeat(values, times).mean()) and found.n == 40
    drawn = [np.repeat(values, times * face).mean() for chunk in weights(40, 1000, 0) for face in chunk]
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(drawn, (0.025, 0.975))))


def test_occurrences_of_what_is_there_and_of_what_is_not() -> None:
    assert occurrences(np.array([7, 3, 7, 7, 9]), np.array([9, 1, 7, 11, 3])).tolist() == [1, 0, 3, 0, 1]


@given(st.floats(0.2, 8), st.integers(0, 99))
def test_the_temperature_is_taken_out_exactly(temperature: float, seed: int) -> None:
    logits = np.random.default_rng(seed).normal(0, 3, (5, 4))
    np.testing.assert_allclose(heated(softmax(logits / temperature), temperature), softmax(logits), rtol=1e-6)


def test_a_probability_of_zero_has_no_infinite_loss() -> None:
    hot = heated(np.array([[1.0, 0.0], [0.5, 0.5]], np.float32), 1.5)
    assert np.isfinite(hot).all() and hot[0, 1] < 1e-15 and hot[1].tolist() == [0.5, 0.5]
    found = losses(np.array([[1.0, 0.0], [0.25, 0.75]]), np.array([1, 0]))
    assert found.tolist() == [pytest.approx(52 * math.log(2)), pytest.approx(math.log(4))]


def test_the_parts_of_a_loss(making: Making) -> None:
    ran = making()
    found = MEASURES["loss"](ran, PART)
    _, labels, logits = rows_of(ran, PART)
    own, right = softmax(logits), logits.argmax(1) == labels
    assert found["log_loss"].value == near(log_loss(logits, labels))
    assert found["right"].value == near(log_loss(logits[right], labels[right]))
    assert found["wrong"].value == near(log_loss(logits[~right], labels[~right]))
    assert found["accuracy"].value == near(right.mean())
    assert found["confidence"].value == near(own.max(1).mean())
    assert found["confidence_wrong"].value == near(own.max(1)[~right].mean())
    assert found["temperature"].value == TOY_TEMPERATURE["fer2013"] != 1
    assert found["cooled"].value == near(log_loss(logits / TOY_TEMPERATURE["fer2013"], labels))
    a = right.mean()
    assert found["expected"].value == near(-a * math.log(a) - (1 - a) * math.log((1 - a) / 6))
    assert {k for k, q in found.items() if q.kind == "share"} == {"accuracy", "confidence", "confidence_wrong"}
    assert found["log_loss"].n == 50 and found["right"].n + found["wrong"].n == 50
    assert found["confidence"].low is not None


def test_without_repeats_the_cooled_loss_is_that_of_the_evaluation(making: Making) -> None:
    ran = making("public_test")
    found, scores = MEASURES["loss"](ran, "public_test"), ran.evaluated["public_test"].evaluation.scores()
    assert scores is not None
    assert found["cooled"].value == near(scores.headline["log_loss"].value or 0)
    assert found["accuracy"].value == near(scores.headline["accuracy"].value or 0)


def test_the_yardstick_of_a_loss() -> None:
    assert expected_loss(1 / 7, 7) == pytest.approx(math.log(7))
    assert expected_loss(1.0, 7) == 0 and expected_loss(0.0, 7) == pytest.approx(math.log(6))
    assert expected_loss(0.83, 7) == pytest.approx(0.7605, abs=1e-4)


def test_a_network_of_votes_is_heated_before_its_answers_are_mapped(making: Making) -> None:
    ran = making("public_test", heads=("ferplus",))
    assert ran.evaluated["public_test"].evaluation.protocols[0].mapped == "ferplus-to-fer2013"
    found = MEASURES["loss"](ran, "public_test")
    assert found["temperature"].value == TOY_TEMPERATURE["ferplus"]
    at = ran.faces.positions(np.sort(ran.split.parts["public_test"]))
    logits = bundle.Bundle(ran.folder / "bundle").score(ran.faces.faces[at], ["ferplus_logits"])["ferplus_logits"]
    own = softmax(logits.astype(np.float64))
    same = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")  # contempt is left out
    order = [FERPLUS.index(label) for label in same]
    own = own[:, order] / own[:, order].sum(axis=1, keepdims=True)
    labels = ran.faces.labels[at]
    assert found["log_loss"].value == near(-np.log(own[np.arange(30), labels]).mean())


def pinned(ran: Ran, part: str, sharpness: float) -> Ran:
    """The same run with answers that are mostly right: the network's plus a share of the truth."""
    done = ran.evaluated[part]
    name = done.evaluation.protocols[0].name
    truth, said = done.answers[name]
    better = replace(said, probabilities=(1 - sharpness) / 7 + sharpness * np.eye(7)[truth.labels])
    return replace(ran, evaluated={part: replace(done, answers={name: (truth, better)}, predictions=[better])})


def test_a_shuffled_report(making: Making) -> None:
    """Answers that are all right, put in another order, agree by chance, and each precision is the class's share."""
    ran = pinned(making("train"), "train", 0.5)
    found = MEASURES["shuffled"](ran, "train")
    rows = np.unique(ran.split.parts["train"])
    labels = ran.faces.labels[ran.faces.positions(rows)].astype(int)
    said = labels[np.random.default_rng(0).permutation(50)]
    assert found["real"].value == 1 and found["real"].n == 50
    assert found["accuracy"].value == near((said == labels).mean()) and (found["accuracy"].value or 1) < 0.4
    shares = np.bincount(labels, minlength=7) / 50
    assert found["expected"].value == near((shares**2).sum())
    for k, label in enumerate(FER2013.labels):
        hits = ((said == k) & (labels == k)).sum()
        assert found[f"share {label}"].value == near(shares[k])
        assert found[f"precision {label}"].value == near(hits / (said == k).sum())
        assert found[f"recall {label}"].value == near(hits / (labels == k).sum())
    assert found["precision happy"].n == (said == FER2013.index("happy")).sum()


def test_precision_and_recall_of_a_shuffled_report_are_not_swapped(making: Making) -> None:
    ran = making()
    found = MEASURES["shuffled"](ran, PART)
    rows = np.unique(ran.split.parts[PART])
    at = ran.faces.positions(rows)
    scores = bundle.Bundle(ran.folder / "bundle").score(ran.faces.faces[at], ["fer2013_logits"])["fer2013_logits"]
    said = scores.argmax(1)[np.random.default_rng(0).permutation(50)]
    labels = ran.faces.labels[at]
    for k, label in enumerate(FER2013.labels):
        hits = ((said == k) & (labels == k)).sum()
        assert found[f"recall {label}"].value == near(hits / (labels == k).sum())
        assert found[f"precision {label}"].n == (said == k).sum()
        assert found[f"share {label}"].value == near((labels == k).mean())
        if not (said == k).any():
            assert found[f"precision {label}"].value is None
    assert found["real"].value == near((scores.argmax(1) == labels).mean())
    support, answered = np.bincount(labels, minlength=7), np.bincount(said, minlength=7)
    assert found["expected"].value == near((support * answered).sum() / 50**2)


def test_what_mien_says_to_shuffled_answers(making: Making, tmp_path: Path) -> None:
    ran = pinned(making(PART), PART, 0.5)
    found = MEASURES["shuffled"](ran, PART)
    assert {found[name].kind for name in ("alarm", "refusal", "refusal_without_rows")} == {"text"}
    assert found["alarm"].text.startswith("The answers ") and "independent of the labels" in found["alarm"].text
    assert found["refusal"].text.startswith("predictions and labels are of different rows: 50 rows to score without")
    assert "(such as 0)" in found["refusal"].text and "the same row ids on both sides" in found["refusal"].text
    assert found["refusal_without_rows"].text.startswith("predictions.csv: no column row among p_")
    assert "in the same order" in found["refusal_without_rows"].text
    assert not any("/" in q.text for q in found.values())


def test_rows_that_happen_to_be_places_are_not_refused_and_it_is_said(making: Making) -> None:
    ran = pinned(making(PART), PART, 0.5)
    done = ran.evaluated[PART]
    name = done.evaluation.protocols[0].name
    truth, said = done.answers[name]
    places = np.arange(len(truth.rows), dtype=np.int32)
    moved = (replace(truth, rows=places), replace(said, rows=places))
    faces = replace(ran.faces, rows=np.arange(120, dtype=np.int32))
    still = replace(ran, faces=faces, evaluated={PART: replace(done, answers={name: moved}, predictions=[moved[1]])})
    assert MEASURES["shuffled"](still, PART)["refusal"].text.startswith("no refusal")


def test_one_answer_to_everything_raises_no_alarm_about_order(making: Making) -> None:
    ran = pinned(making(PART), PART, 0.5)
    done = ran.evaluated[PART]
    name = done.evaluation.protocols[0].name
    truth, said = done.answers[name]
    same = replace(said, probabilities=np.tile(np.eye(7)[3], (50, 1)))
    one = replace(ran, evaluated={PART: replace(done, answers={name: (truth, same)}, predictions=[same])})
    assert MEASURES["shuffled"](one, PART)["alarm"].text.startswith("no alarm")


def test_the_shares_of_the_classes(making: Making) -> None:
    ran = making()
    found = MEASURES["shares"](ran, PART)
    labels = dict(zip(ran.faces.rows.tolist(), ran.faces.labels.tolist(), strict=True))
    drawn = [labels[row] for row in set(np.concatenate([ran.split.parts[p] for p in ("train", "validation", "test")]))]
    every = list(labels.values())
    assert (len(drawn), len(every)) == (90, 120)
    for k, label in enumerate(FER2013.labels):
        assert found[f"count {label}"] == Quantity("count", drawn.count(k), n=90)
        assert found[f"share {label}"].value == near(drawn.count(k) / 90)
        assert found[f"set count {label}"] == Quantity("count", every.count(k), n=120)
        assert found[f"set share {label}"].value == near(every.count(k) / 120)
        for part, rows in ran.split.parts.items():
            n = [labels[row] for row in rows].count(k)
            assert found[f"{part} {label}"] == Quantity("count", n, n=len(rows))


MODEL_1 = [
    ("Conv2D", [48, 48, 64], 320),
    ("MaxPooling2D", [24, 24, 64], 0),
    ("Conv2D", [24, 24, 32], 8224),
    ("MaxPooling2D", [12, 12, 32], 0),
    ("Conv2D", [12, 12, 32], 4128),
    ("MaxPooling2D", [6, 6, 32], 0),
    ("Flatten", [1152], 0),
    ("Dense", [512], 590336),
    ("Dense", [7], 3591),
]


def published(layers: list[tuple[str, list[int], int | None]]) -> str:
    rows = [f'[[layer]]\nkind = "{kind}"\nshape = {shape}\n' for kind, shape, _ in layers]
    counts = [f"parameters = {n}\n" if n is not None else "" for *_, n in layers]
    return '[[result]]\nname = "a"\naccuracy = 0.50\nclasses = 7\nn = 10\n' + "".join(
        row + count for row, count in zip(rows, counts, strict=True)
    )


def test_the_layers_of_the_run_beside_the_printed_ones(making: Making) -> None:
    ran = making(recipe='name = "m"\n[data]\nsource = "x"\nvalidation = 0.2\n[network]\nname = "model-1"\n'
                 "[training]\nepochs = 1\nbatch_size = 8\nlearning_rate = 1e-3\n")  # fmt: skip
    file = ran.study / "published.toml"
    with pytest.raises(DataError, match="published.toml cannot be read"):
        MEASURES["layers"](ran, PART)
    file.write_text(published(MODEL_1))
    found = MEASURES["layers"](ran, PART)
    assert (found["layers"].value, found["parameters"].value) == (9, 606_599)
    assert found["same"].text == "all 9 layers, shapes and parameters as printed"
    file.write_text(published([("InputLayer", [48, 48, 1], 0), *MODEL_1]))
    assert MEASURES["layers"](ran, PART)["same"].text == "all 9 layers, shapes and parameters as printed"
    file.write_text(published([*MODEL_1[:4], ("Conv2D", [12, 12, 32], 4129), *MODEL_1[5:]]))
    assert MEASURES["layers"](ran, PART)["same"].text == (
        "layer 5 is Conv2D 12 × 12 × 32 with 4,128 parameters, and printed is Conv2D 12 × 12 × 32 with 4,129 parameters"
    )
    file.write_text(published([]))
    assert MEASURES["layers"](ran, PART)["same"].text == "the paper prints no table of layers"


def test_tables_of_layers_that_differ() -> None:
    own = [Row(kind, tuple(shape), n) for kind, shape, n in MODEL_1]
    bare = [replace(row, parameters=None) for row in own]
    assert compared(own, bare) == "all 9 layers, shapes as printed"
    assert compared(own, own[:1] + own[2:6] + own[7:]) == (
        "all 7 printed layers are there, shapes and parameters as printed; besides them it has 1 MaxPooling2D, "
        "1 Flatten"
    )
    assert compared(own, own[:-1]).endswith("besides them it has 1 Dense")
    assert compared(own[:-1], own) == "it has 8 layers, and printed are 9"
    assert compared(own[::-1], own).startswith("layer 1 is Dense 7 with 3,591 parameters, and printed is Conv2D")
    narrow = [*bare[:2], replace(bare[2], shape=(24, 24, 16)), *bare[3:]]
    assert compared(own, narrow).startswith("layer 3 is Conv2D 24 × 24 × 32 with 8,224 parameters, and printed is")


class Planted:
    """Finds what is not the ground, next to a surer thing in the corner and less sure ones; nothing in the first 20."""

    name = "haar"

    def __init__(self) -> None:
        self.seen: list[np.ndarray] = []

    def detect(self, bgr: np.ndarray, gray: np.ndarray) -> list[Detection]:
        self.seen.append(gray)
        far = Detection(np.array([0, 0, 2, 2], np.float32), 99.0)
        if len(self.seen) <= 20:
            return [far]
        y, x = np.nonzero(gray != gray[0, 0])
        box = np.array([x.min(), y.min(), x.max() + 1, y.max() + 1], np.float32)
        middle = (box.reshape(2, 2).mean(axis=0)[None] + [[-4], [4]]).ravel().astype(np.float32)
        return [far, Detection(middle, 1.0), Detection(box, 2.0), Detection(middle + 2, 1.5)]


def test_deployment_scores_what_the_detector_found(making: Making, monkeypatch: pytest.MonkeyPatch) -> None:
    planted = Planted()
    monkeypatch.setitem(detect.DETECTORS, "haar", lambda: planted)
    ran = making()
    found = MEASURES["deployment"](ran, PART)
    rows = np.unique(ran.split.parts[PART])
    at = ran.faces.positions(rows)
    kept = np.arange(50) >= 20
    assert found["n"].value == len(planted.seen) == 50
    assert found["found"].value == near(kept.mean()) and found["found"].n == 50
    model = bundle.Bundle(ran.folder / "bundle")
    direct = model.score(ran.faces.faces[at], ["fer2013_logits"])["fer2013_logits"].argmax(1) == ran.faces.labels[at]
    assert found["accuracy_direct"].value == near(direct[kept].mean()) and found["accuracy_direct"].n == kept.sum()
    crops = []
    for gray in (one for one, good in zip(planted.seen, kept, strict=True) if good):
        y, x = np.nonzero(gray != gray[0, 0])
        box = np.array([x.min(), y.min(), x.max() + 1, y.max() + 1], np.float32)
        crops.append(crop(gray, frame_of(box, None, CropGeometry("box", 0.0, 0.05, 1.1))))
    said = model.score(np.stack(crops), ["fer2013_logits"])["fer2013_logits"].argmax(1)
    assert found["accuracy_found"].value == near((said == ran.faces.labels[at][kept]).mean())
    assert said.tolist() != direct[kept].tolist()


def test_pictures_of_faces_on_a_larger_ground(making: Making, monkeypatch: pytest.MonkeyPatch) -> None:
    planted = Planted()
    monkeypatch.setitem(detect.DETECTORS, "haar", lambda: planted)
    ran = making()
    MEASURES["deployment"](ran, PART)
    faces = ran.faces.faces[ran.faces.positions(np.unique(ran.split.parts[PART]))]
    for gray, face in zip(planted.seen, faces, strict=True):
        assert gray[0, 0] == int(face.mean()) and (gray[0] == gray[0, 0]).all() and (gray[:, -1] == gray[0, 0]).all()
        y, x = np.nonzero(gray != gray[0, 0])
        part = gray[y.min() : y.max() + 1, x.min() : x.max() + 1]
        side = max(part.shape)
        assert 58 <= side <= 300 and 1.3 * side < gray.shape[0] < 2.7 * side
        small = cv2.resize(part, (48, 48), interpolation=cv2.INTER_AREA)
        assert np.corrcoef(small.ravel(), face.ravel())[0, 1] > 0.95
    assert len({gray.shape for gray in planted.seen}) > 40


@pytest.mark.parametrize("most", [14, 11])
def test_deployment_takes_the_first_of_each_class(making: Making, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """Of 50 faces, seven or eight a class: two of each where there may be 14, and not three of some where 11."""
    monkeypatch.setattr("mien.studies.measures.deployed.MOST", most)
    planted = Planted()
    monkeypatch.setitem(detect.DETECTORS, "haar", lambda: planted)
    ran = making()
    assert MEASURES["deployment"](ran, PART)["n"].value == most == len(planted.seen)
    faces = ran.faces.faces[ran.faces.positions(np.unique(ran.split.parts[PART]))]
    assert [gray[0, 0] for gray in planted.seen] == [int(face.mean()) for face in faces[:most]]  # labels come in turn


def test_no_face_is_found_in_a_picture_of_none(making: Making) -> None:
    """The cascade itself, on smooth noise."""
    found = MEASURES["deployment"](making("validation"), "validation")
    assert (found["n"].value, found["found"].value) == (10, 0)
    assert found["accuracy_found"].value is None and found["accuracy_direct"].value is None


def test_haar_finds_most_real_faces(tmp_path: Path, fer2013: FaceSet) -> None:
    """The shipped model behind the cascade is about as good as on the faces as they are."""
    faces = fer2013.take(np.flatnonzero(fer2013.usage == 1)[:40])
    data.save(faces, tmp_path / "some.store")
    folder, half = tmp_path / "run", np.sort(faces.rows)
    folder.mkdir()
    (folder / "bundle").symlink_to(bundle.find(bundle.DEFAULT))
    (folder / "recipe.toml").write_text(QUICK)
    split = Split("by hand", 0, faces.provenance.sha256, {"train": half[:5], "validation": half[5:9], "test": half[9:]})
    split.save(folder / "split.json")
    wanted = plan(str(folder), tmp_path / "some.store", part="test")
    done = {"test": evaluate(wanted, Options(draws=10, copies=False))}
    system = System(name="real", title="Real", parts=["test"])
    ran = Ran(folder, tmp_path, system, load(folder / "recipe.toml"), faces, split, done)
    found = MEASURES["deployment"](ran, "test")
    assert found["n"].value == 31 and (found["found"].value or 0) > 0.6
    assert abs((found["accuracy_found"].value or 0) - (found["accuracy_direct"].value or 0)) < 0.15
    assert (found["accuracy_found"].value or 0) > 0.5


@pytest.mark.parametrize("name", ["repeats", "loss", "shuffled", "deployment"])
def test_a_part_that_was_not_evaluated_is_named(making: Making, name: str) -> None:
    with pytest.raises(StudyError, match="by-hand on validation, which it is not evaluated on; expected one of test"):
        MEASURES[name](making(), "validation")
