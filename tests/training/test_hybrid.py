"""A classifier on a network's features: one graph with it that answers as scikit-learn does, on every row."""

from __future__ import annotations

import csv
import sys
import threading
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("skl2onnx")

from mien import bundle, data
from mien.bundle import Bundle
from mien.data import FaceSet, Provenance, Split
from mien.errors import BundleError, DataError, ExportError, RecipeError
from mien.expressions import FER2013, VALENCE, Vocabulary
from mien.recipe import HeadSection, Recipe
from mien.recipe.head import head_section
from mien.training import hybrid
from mien.training.hybrid import bundling, fitting, graph, heads, tuning
from mien.training.hybrid.tuning import Progress
from tests_support import toy

MOODS = Vocabulary("so-so, maybe", ("très bien 😀", "[red]", "b"))


def drawn(vocabulary: Vocabulary, n: int = 420, noise: float = 60, seed: int = 0, size: int = 48) -> FaceSet:
    """Faces that differ by class and overlap; rows 70%, 15%, 15% Training, PublicTest, PrivateTest."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n) % len(vocabulary))
    mean = np.random.default_rng(1).integers(60, 196, (len(vocabulary), 6, 6))
    coarse = np.clip(mean[labels] + rng.normal(0, noise, (n, 6, 6)), 0, 255).astype(np.uint8)
    return FaceSet(
        np.stack([cv2.resize(c, (size, size), interpolation=cv2.INTER_CUBIC) for c in coarse]),
        labels.astype(np.int8),
        np.zeros((n, 10), np.uint8),
        (1000 + 3 * np.arange(n)).astype(np.int32),
        np.digitize(np.arange(n), [0.7 * n, 0.85 * n]).astype(np.uint8),
        Provenance("made up", "drawn.csv", "0" * 64),
        vocabulary,
    )


def parts_of(faces: FaceSet) -> Split:
    return data.official(faces, 0.2, 0)


def section(**values: Any) -> HeadSection:
    return head_section(values, "a test")


def fitted(network: Path, faces: FaceSet, intelex: bool = False, **values: Any) -> hybrid.Fitted:
    return hybrid.fit(network, faces, parts_of(faces), section(**values), intelex=intelex)


def expected(found: hybrid.Fitted, at: np.ndarray) -> np.ndarray:
    """What scikit-learn answers, on the features of the network by itself."""
    features = found.network.score(np.ascontiguousarray(found.faces.faces[at]), ["features"])["features"]
    return np.asarray(found.pipeline.predict_proba(features.astype(np.float64)))


HEADS: dict[str, dict[str, Any]] = {
    "linear": {},
    "linear, hard": {"C": [1000.0], "iterations": 20_000},
    "poly": {"kernel": ["poly"], "degree": [2], "gamma": [0.3], "C": [10.0]},
    "rbf": {"kernel": ["rbf"]},
    "rbf, nearly linear": {"kernel": ["rbf"], "gamma": [1e-5], "C": [1e4]},
    "knn": {"kind": "knn", "neighbours": [4]},  # an even number: ties
    "logistic": {"kind": "logistic"},
}


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("vocabulary", [VALENCE, FER2013, MOODS], ids=lambda v: str(len(v)))
def test_one_graph_answers_as_scikit_learn_does_on_every_row(
    tmp_path: Path, toy_bundle: Path, vocabulary: Vocabulary, head: str
) -> None:
    faces = drawn(vocabulary)
    found = fitted(toy_bundle, faces, **HEADS[head])
    card = hybrid.export(found, tmp_path / "made")
    made, output = Bundle(tmp_path / "made"), f"{vocabulary.name}_probabilities"
    assert card.outputs == [output, "features"] and card.vocabularies == {vocabulary.name: list(vocabulary.labels)}
    every = np.arange(len(faces))
    scores = made.score(faces.faces, card.outputs)
    np.testing.assert_allclose(scores[output], expected(found, every), atol=1e-6)
    alone = np.concatenate([made.score(faces.faces[i : i + 1], [output])[output] for i in range(40)])
    np.testing.assert_allclose(alone, scores[output][:40], atol=1e-6)
    np.testing.assert_allclose(scores["features"], Bundle(toy_bundle).score(faces.faces, ["features"])["features"])
    assert card.parity <= 1e-6 and scores[output].dtype == np.float32


@pytest.mark.parametrize("head", HEADS)
def test_columns_are_the_labels_in_their_order(toy_bundle: Path, tmp_path: Path, head: str) -> None:
    faces = drawn(MOODS, noise=5)
    hybrid.export(fitted(toy_bundle, faces, **HEADS[head]), tmp_path / "made")
    made = Bundle(tmp_path / "made")
    right = made.score(faces.faces, [made.card.outputs[0]])[made.card.outputs[0]].argmax(axis=1) == faces.labels
    assert right.mean() > 0.9


def test_a_hybrid_is_analysed_with_like_any_other_model(tmp_path: Path, toy_bundle: Path) -> None:
    from mien.inference.analyze import Analyzer

    faces = drawn(VALENCE)
    hybrid.export(fitted(toy_bundle, faces, kernel=["rbf"]), tmp_path / "made")
    cv2.imwrite(str(tmp_path / "face.png"), faces.faces[0])
    face = Analyzer(tmp_path / "made", "none")(tmp_path / "face.png").faces[0]
    assert face.expression in VALENCE.labels and set(face.probabilities) == set(VALENCE.labels)


def test_the_shipped_model_and_another_size_have_hybrids_too(tmp_path: Path) -> None:
    shipped = fitted(bundle.find("mien-small"), drawn(VALENCE, 120))
    assert shipped.raw.shape[1] == 256 and hybrid.export(shipped, tmp_path / "a").parity <= 1e-6
    small = fitted(toy(tmp_path / "toy", {"x": ["a", "b"]}, size=32), drawn(VALENCE, 120, size=32))
    assert hybrid.export(small, tmp_path / "b").input.size == 32


def test_a_linear_machine_keeps_no_face_and_another_keeps_its_own_as_float32(tmp_path: Path, toy_bundle: Path) -> None:
    sizes = {}
    for kernel in ("linear", "rbf"):
        found = fitted(toy_bundle, drawn(FER2013), kernel=[kernel])
        hybrid.export(found, tmp_path / kernel)
        graph_of = onnx.load(tmp_path / kernel / "model.onnx").graph
        sizes[kernel] = {tuple(c.dims): c.data_type for c in graph_of.initializer}
        support = len(fitting.classifier_of(found.pipeline).support_)  # type: ignore[attr-defined]
        assert ((support, 5) in sizes[kernel]) == (kernel == "rbf")
    assert sizes["rbf"][(support, 5)] == onnx.TensorProto.FLOAT


def test_what_is_written_is_one_checked_graph_without_this_machines_folders(tmp_path: Path, toy_bundle: Path) -> None:
    hybrid.export(fitted(toy_bundle, drawn(VALENCE)), tmp_path / "made", "tried")
    body = (tmp_path / "made" / "model.onnx").read_bytes()
    model = onnx.load_model_from_string(body)
    onnx.checker.check_model(model, full_check=True)
    assert [i.name for i in model.graph.input] == ["faces"]
    assert {o.domain: o.version for o in model.opset_import}[""] == 17 and model.ir_version == 8, "those of the network"
    assert not any("logits" in name for node in model.graph.node for name in node.output), "heads that nobody needs"
    assert str(tmp_path).encode() not in body and b"site-packages" not in body
    assert bundle.read_card(tmp_path / "made").name == "tried"


def test_networks_of_other_opsets(tmp_path: Path, toy_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = fitted(toy_bundle, drawn(FER2013), kernel=["rbf"])
    monkeypatch.setattr(graph, "__max_supported_opset__", 15)  # as if the network's were newer than skl2onnx
    assert hybrid.export(found, tmp_path / "newer").parity <= 1e-6
    with pytest.raises(ExportError, match="opset 12; expected 13 or more"):
        graph.head_of(found.pipeline, found.raw, found.rows.labels, 12)


def test_a_head_that_answers_otherwise_in_onnx_is_not_written(
    tmp_path: Path, toy_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = fitted(toy_bundle, drawn(VALENCE))
    found.pipeline["scaler"].mean_ = found.pipeline["scaler"].mean_ + 0.0  # of its own
    head_of = graph.head_of

    def other(pipeline: Any, raw: np.ndarray, labels: np.ndarray, opset: int) -> onnx.ModelProto:
        made = head_of(pipeline, raw, labels, opset)
        pipeline["scaler"].mean_ += 0.1
        return made

    monkeypatch.setattr(bundling, "head_of", other)
    with pytest.raises(ExportError, match="ONNX and scikit-learn differ by .* at most 1e-04"):
        hybrid.export(found, tmp_path / "made")
    assert not (tmp_path / "made").exists()


def test_the_card_tells_where_it_came_from(tmp_path: Path, toy_bundle: Path) -> None:
    faces = drawn(VALENCE)
    card = hybrid.export(fitted(toy_bundle, faces, kernel=["rbf"], gamma=[0.25]), tmp_path / "made")
    assert card.name == "toy-svm" and card.training.data == "drawn.csv" and card.training.sha256 == "0" * 64
    assert card.description.startswith(
        "Support vector machine (rbf kernel, C = 1, gamma = 0.25) on the 5 features of toy, which was trained on none."
    )
    assert tomllib.loads(card.training.recipe) == {"head": {"kernel": ["rbf"], "gamma": [0.25]}}
    assert [s.part for s in card.scores] == ["validation", "public_test"], "PrivateTest is left alone, train is known"
    train, held = (len(parts_of(faces).parts[p]) for p in ("train", "validation"))
    assert card.training.n == train and card.calibration.n == held == card.scores[0].n
    made, at = Bundle(tmp_path / "made"), np.flatnonzero(faces.usage == 1)
    answers = made.score(faces.faces[at], ["valence_probabilities"])["valence_probabilities"].argmax(axis=1)
    assert card.scores[1].value == pytest.approx((answers == faces.labels[at]).mean())
    assert card.score("public_test", "valence") is card.scores[1]


def test_the_networks_recipe_is_kept_and_its_own_head_replaced(toy_bundle: Path) -> None:
    found = fitted(toy_bundle, drawn(VALENCE), kind="logistic")
    recipe = (
        'name = "x"\n[data]\nsource = "a"\nvalidation = 0.1\n[network]\nname = "residual"\nwidths = [8]\nblocks = [1]\n'
    )
    recipe += "[training]\nepochs = 1\nbatch_size = 8\nlearning_rate = 0.1\n"
    for text in (recipe, recipe + "[head]\nC = [9.0]\n"):
        training = replace(found.network.card.training, recipe=text)
        found.network.card = replace(found.network.card, training=training)
        told = tomllib.loads(bundling._recipe(found))
        assert told == {**tomllib.loads(recipe), "head": {"kind": "logistic"}}
        assert Recipe.model_validate(told).head == section(kind="logistic")


def test_what_was_wrong_with_the_network_or_the_split_stays_wrong(tmp_path: Path, toy_bundle: Path) -> None:
    found = fitted(toy_bundle, drawn(VALENCE, 120))
    training = replace(found.network.card.training, leaked="copies", shortened="2 of 9 epochs")
    found.network.card = replace(found.network.card, training=training)
    card = hybrid.export(replace(found, split=replace(found.split, leaked="twins")), tmp_path / "made")
    assert card.training.leaked == "twins; the network toy: copies" and card.training.shortened == "2 of 9 epochs"


# ---- the search


def test_the_search_compares_settings_and_tells_how_far_it_is(tmp_path: Path, toy_bundle: Path) -> None:
    faces, told = drawn(VALENCE, 200), list[Progress]()
    asked = section(kernel=["rbf", "linear", "poly"], C=[0.01, 100.0], gamma=[0.01, 1.0], candidates=9, folds=3)
    found = hybrid.fit(toy_bundle, faces, parts_of(faces), asked, 4, told.append, intelex=False)
    assert len(found.search) == 9 and found.setting == found.search[0].setting
    assert [c.accuracy for c in found.search] == sorted((c.accuracy for c in found.search), reverse=True)
    assert len({c.setting["kernel"] for c in found.search}) == 3
    for c in found.search:
        wanted = {"linear": {"C"}, "rbf": {"C", "gamma"}, "poly": {"C", "gamma", "degree"}}[c.setting["kernel"]]
        assert set(c.setting) == {"kernel", *wanted} and 0.01 <= c.setting["C"] <= 100 and c.seconds > 0
    of_search = [p for p in told if p.stage == "search"]
    assert [p.done for p in of_search] == list(range(28)) and {p.total for p in of_search} == {27}
    assert [p for p in told if p.about] == of_search[:1], "the estimate, before the first fit"
    assert [p.done for p in told if p.stage == "fit"] == [0, 1] and told[0].stage == "features"
    again = hybrid.fit(toy_bundle, faces, parts_of(faces), asked, 4, intelex=False)
    assert [(c.setting, c.accuracy) for c in again.search] == [(c.setting, c.accuracy) for c in found.search]
    hybrid.write_search(found.search, tmp_path / "search.csv")
    rows = list(csv.DictReader((tmp_path / "search.csv").open(encoding="utf-8")))
    assert len(rows) == 9 and float(rows[0]["C"]) == found.setting["C"] and "stopped_fits" in rows[0]


def test_a_search_over_lists_takes_each_setting_once(toy_bundle: Path) -> None:
    asked = section(kernel=["poly"], degree=[1, 2], C=[0.1, 1.0, 10.0], candidates=50, folds=2)
    assert heads.most(asked) == len({tuple(s.items()) for s in heads.drawn(asked, 0)}) == 6
    assert (
        len(fitted(toy_bundle, drawn(VALENCE, 120), kind="knn", neighbours=[1, 3], candidates=9, folds=2).search) == 2
    )


def test_without_a_search_the_first_of_each_is_taken(toy_bundle: Path) -> None:
    assert heads.first(section()) == {"kernel": "linear", "C": 1.0}, "the literature's"
    assert heads.first(section(kernel=["rbf", "poly"], C=[0.1, 9.0])) == {"kernel": "rbf", "C": 0.1, "gamma": "scale"}
    assert heads.first(section(kind="knn", neighbours=[3, 5])) == {"n_neighbors": 3}
    assert fitted(toy_bundle, drawn(VALENCE, 120)).search == ()


def test_faces_that_are_the_same_are_on_one_side_of_a_fold(toy_bundle: Path) -> None:
    faces = drawn(VALENCE, 200)
    split = parts_of(faces)
    train = split.parts["train"]
    over = replace(split, parts={**split.parts, "train": np.sort(np.concatenate([train, train[:60]]))}, balance="over")
    pixels = np.array(faces.faces)
    first, second = faces.positions(train[-2:])
    pixels[first] = pixels[second]
    found = hybrid.fit(toy_bundle, replace(faces, faces=pixels), over, section(), intelex=False)
    assert len(found.rows) == len(train) + 60, "repeated rows count as often as they are there"
    side = tuning.folds(found.rows, 5, 0).test_fold
    for group in np.unique(found.rows.group):
        assert len(set(side[found.rows.group == group])) == 1
    assert len(np.unique(found.rows.group)) < len(train), "pictures are compared, not rows"
    counts = np.array([np.bincount(found.rows.labels[side == i], minlength=2) for i in range(5)])
    assert counts.max(axis=0).tolist() <= (counts.min(axis=0) + 6).tolist()


@pytest.mark.parametrize("head", [{}, {"kind": "logistic"}])
@pytest.mark.parametrize("balance", ["weights", "sampler"])
def test_a_split_that_weighs_its_classes_moves_the_decision(
    toy_bundle: Path, head: dict[str, Any], balance: str
) -> None:
    faces = drawn(VALENCE, 400, noise=160)
    split = parts_of(faces)
    train = split.parts["train"]
    label = faces.labels[faces.positions(train)]
    rare = np.sort(np.concatenate([train[label == 0], train[label == 1][:25]]))
    split = replace(split, parts={**split.parts, "train": rare})
    weights = {"negative": 0.6, "positive": 3.0} if balance == "weights" else {}
    weighed = replace(split, balance=balance, class_weights=weights)
    shares = []
    for one in (split, weighed):
        found = hybrid.fit(toy_bundle, faces, one, section(**head), intelex=False)
        shares.append((expected(found, np.arange(len(faces))).argmax(axis=1) == 1).mean())
    assert shares[1] > shares[0] + 0.1


def test_rows_are_drawn_of_every_class_in_its_share(toy_bundle: Path) -> None:
    faces = drawn(FER2013, 420)
    found = fitted(toy_bundle, faces, rows=70, folds=2)
    assert len(found.rows) == 70 and np.bincount(found.rows.labels).min() >= 8
    assert not np.array_equal(found.raw, hybrid.fit(toy_bundle, faces, parts_of(faces), found.section, 1).raw)


@pytest.mark.filterwarnings("error")
def test_a_fit_that_reaches_its_bound_says_so(tmp_path: Path, toy_bundle: Path) -> None:
    faces = drawn(VALENCE, 200, noise=150)
    found = fitted(toy_bundle, faces, C=[10.0, 1000.0], iterations=20, candidates=2, folds=2)
    assert any("stopped at its bound of 20 iterations" in note for note in found.notes)
    assert "4 of the 4 fits of the search stopped at the bound of 20 iterations." in found.notes
    assert "stopped at its bound" in hybrid.export(found, tmp_path / "made").description
    assert fitted(toy_bundle, faces).notes == ()
    assert fitted(toy_bundle, faces, kind="logistic", iterations=1).notes


# ---- the estimate


def test_the_estimate_is_a_sentence_and_grows_with_the_work(toy_bundle: Path) -> None:
    faces = drawn(FER2013, 420)
    few, many = (
        hybrid.estimate(toy_bundle, faces, parts_of(faces), section(kernel=["rbf"], candidates=n, gamma=[0.1, 1.0]))
        for n in (2, 40)
    )
    assert many.seconds > 3 * few.seconds and set(many.growth) == {"rbf"} and 1 <= many.growth["rbf"] <= 3
    assert "(40 candidates × 5 folds on 235 rows of 5 features" in str(many) and str(many).startswith("about ")
    known = tuning.Estimate(12 * 60 + 8, 20, 5, 10_000, 256, 2, {})
    assert str(known) == "about 12 minutes (20 candidates × 5 folds on 10,000 rows of 256 features, 2 at once)"
    assert (
        str(replace(known, seconds=0.2, candidates=0)) == "about 1 second (one setting on 10,000 rows of 256 features)"
    )
    assert str(replace(known, seconds=9000, at_once=1)).startswith("about 2 hours (20")


def test_the_estimate_follows_the_power_that_time_grows_with(toy_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning, "_seconds", lambda rows, setting, section, own: 1e-6 * len(rows) ** 2)
    monkeypatch.setattr(tuning, "cores", lambda: 4)
    n = 10_000
    rows = tuning.Rows(np.zeros((n, 3)), np.arange(n) % 2, np.arange(n), None, ("a", "b"))
    found = tuning.estimate(rows, section(candidates=20, C=[0.1, 10.0]), 0, heads.library(False))
    assert found.growth == {"linear": 2.0} and found.at_once == 4
    assert found.seconds == pytest.approx(100 * (20 * 5 / 4 + 1 + 5 / 4), rel=0.01)


# ---- ways out


def test_what_the_report_raises_ends_the_search_at_once(toy_bundle: Path) -> None:
    faces, told = drawn(VALENCE, 200), list[Progress]()

    def report(state: Progress) -> None:
        told.append(state)
        if state.stage == "search" and state.done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        hybrid.fit(toy_bundle, faces, parts_of(faces), section(C=[0.1, 9.0], candidates=8000), 0, report, intelex=False)
    assert told[-1].done == 3
    for thread in threading.enumerate():
        if thread.name == "mien-hybrid":
            thread.join(8)  # the next fit to end ends the rest
            assert not thread.is_alive()


def without(faces: FaceSet, label: int, keep: int) -> FaceSet:
    """All but ``keep`` training faces of a label go."""
    gone = np.flatnonzero((faces.labels == label) & (faces.usage == 0))[keep:]
    return faces.take(np.setdiff1d(np.arange(len(faces)), gone))


WRONG: list[tuple[Callable[[FaceSet], FaceSet], Callable[[Split], Split], dict[str, Any], str]] = [
    (lambda f: without(f, 3, 0), lambda s: s, {}, "no face of happy; expected at least one of each class of fer2013"),
    (lambda f: f, lambda s: replace(s, source_sha256="1" * 64), {}, "was made from a source with sha256 1111"),
    (
        lambda f: f,
        lambda s: replace(s, parts={"train": s.parts["train"]}),
        {},
        "has the parts train; expected a part va",
    ),
    (lambda f: f, lambda s: s, {"kind": "knn", "neighbours": [999]}, "999 neighbours; expected at most the 235 rows"),
    (lambda f: f, lambda s: s, {"rows": 14, "folds": 20}, "enough for 20 folds: .* and 20 in all"),
]


@pytest.mark.parametrize(("change", "cut", "head", "complaint"), WRONG)
def test_what_cannot_be_fitted_is_named(
    toy_bundle: Path,
    change: Callable[[FaceSet], FaceSet],
    cut: Callable[[Split], Split],
    head: dict[str, Any],
    complaint: str,
) -> None:
    faces = change(drawn(FER2013))
    with pytest.raises(DataError, match=complaint):
        hybrid.fit(toy_bundle, faces, cut(parts_of(faces)), section(**head), intelex=False)


def test_a_class_with_one_face_cannot_be_cross_validated(toy_bundle: Path) -> None:
    faces = drawn(VALENCE, 200)
    split = parts_of(faces)
    train = split.parts["train"]
    label = faces.labels[faces.positions(train)]
    split = replace(split, parts={**split.parts, "train": np.append(train[label == 0], train[label == 1][:1])})
    with pytest.raises(DataError, match="has 1 different face of positive; expected enough for 5 folds: at least 2"):
        hybrid.fit(toy_bundle, faces, split, section(), intelex=False)


def test_networks_that_do_not_fit_are_named(tmp_path: Path) -> None:
    faces = drawn(VALENCE, 120)
    with pytest.raises(DataError, match=r"faces of 48×48; expected 32×32.* --size 32"):
        fitted(toy(tmp_path / "small", {"x": ["a", "b"]}, size=32), faces)
    with pytest.raises(BundleError, match="a model with the output features"):
        fitted(toy(tmp_path / "bare", {"x": ["a", "b"]}, only_probabilities=True), faces)


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"kind": "forest"}, "kind: input should be 'svm', 'knn' or 'logistic'"),
        ({"C": [3.0, 1.0]}, "C: .*the smaller first"),
        ({"kernel": []}, "kernel: .*at least 1 item"),
        ({"gama": [1.0]}, "gama: extra inputs"),
        ({"folds": 1, "iterations": 0}, "folds: .*; iterations: "),
    ],
)
def test_an_impossible_head_is_a_recipe_error(values: dict[str, Any], complaint: str) -> None:
    with pytest.raises(RecipeError, match=complaint):
        head_section(values, "a test")


# ---- scikit-learn-intelex


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("head", ["linear", "poly", "rbf", "knn", "logistic"])
def test_intelex_fits_and_its_hybrid_is_the_same_kind_of_bundle(tmp_path: Path, toy_bundle: Path, head: str) -> None:
    pytest.importorskip("sklearnex")
    for vocabulary in (VALENCE, FER2013):
        found = fitted(toy_bundle, drawn(vocabulary), intelex=True, **HEADS[head])
        assert found.library.startswith("scikit-learn-intelex 20")
        assert type(fitting.classifier_of(found.pipeline)).__module__.startswith("sklearnex")
        card = hybrid.export(found, tmp_path / f"{vocabulary.name}")
        assert card.parity <= 1e-6 and "Fitted with scikit-learn-intelex 20" in card.description
        score = Bundle(tmp_path / vocabulary.name).score(found.faces.faces, [card.outputs[0]])[card.outputs[0]]
        np.testing.assert_allclose(score, expected(found, np.arange(len(found.faces))), atol=1e-6)


@pytest.mark.filterwarnings("error")
def test_intelex_is_bounded_too(toy_bundle: Path) -> None:
    pytest.importorskip("sklearnex")
    found = fitted(toy_bundle, drawn(FER2013, noise=150), intelex=True, C=[1e6], iterations=2000, folds=2)
    assert any("stopped at its bound of 2,000 iterations" in note for note in found.notes)


def test_intelex_searches_too_and_patches_nothing(toy_bundle: Path) -> None:
    pytest.importorskip("sklearnex")
    from sklearn.svm import SVC

    found = fitted(toy_bundle, drawn(VALENCE, 200), intelex=True, candidates=3, C=[0.1, 9.0], folds=2)
    assert len(found.search) == 3 and SVC.__module__ == "sklearn.svm._classes"


def test_an_intelex_that_does_not_work_is_told_and_done_without(
    toy_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("sklearnex")
    import sklearnex.svm

    monkeypatch.delattr(sklearnex, "svm")
    monkeypatch.setitem(sys.modules, "sklearnex.svm", None)
    found = fitted(toy_bundle, drawn(VALENCE, 120), intelex=True)
    assert found.library.startswith("scikit-learn 1") and "does not work with scikit-learn 1" in found.notes[0]
