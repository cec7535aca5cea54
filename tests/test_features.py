"""mien's features as a step of scikit-learn: real pipelines, copies and pickles."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.utils.estimator_checks import check_estimator

from mien.bundle import Bundle
from mien.errors import BundleError, DataError, ImageError
from mien.expressions import FER2013
from mien.features import FaceFeatures


@pytest.fixture
def faces() -> np.ndarray:
    """Light above or light below, in turn."""
    rng = np.random.default_rng(0)
    found = rng.integers(0, 120, (60, 48, 48)).astype(np.uint8)
    found[0::2, :24] += 120
    found[1::2, 24:] += 60
    return found


def test_columns_are_what_the_model_gives(toy_bundle: Path, faces: np.ndarray) -> None:
    wanted = Bundle(toy_bundle).score(faces, ["features", "fer2013_probabilities", "ferplus_evidence"])
    step = FaceFeatures(toy_bundle, batch_size=7)
    for given in (faces, faces.reshape(60, -1), np.asfortranarray(faces), list(faces)):
        np.testing.assert_allclose(step.transform(given), wanted["features"], rtol=1e-6)
    assert step.transform(faces).dtype == np.float32
    both = FaceFeatures(toy_bundle, outputs=["fer2013_probabilities", "features"])
    np.testing.assert_allclose(both.fit_transform(faces)[:, :7], wanted["fer2013_probabilities"], rtol=1e-6)
    names = both.get_feature_names_out().tolist()
    assert names[:2] == ["fer2013_probabilities_angry", "fer2013_probabilities_disgust"]
    assert names[7:] == [f"features_{i}" for i in range(5)] and len(FER2013) == 7
    maps = FaceFeatures(toy_bundle, outputs="ferplus_evidence").fit_transform(faces)
    np.testing.assert_allclose(maps, wanted["ferplus_evidence"].reshape(60, -1), rtol=1e-6)


def test_paths_are_pictures_of_one_face(tmp_path: Path, toy_bundle: Path, faces: np.ndarray) -> None:
    wide = cv2.copyMakeBorder(faces[1], 0, 0, 10, 10, cv2.BORDER_CONSTANT)
    for name, picture in (("a.png", faces[0]), ("b.png", wide)):
        cv2.imwrite(str(tmp_path / name), picture)
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    step = FaceFeatures(toy_bundle).fit(paths)
    np.testing.assert_allclose(step.transform(paths), step.transform(faces[:2]), rtol=1e-6)
    np.testing.assert_allclose(step.transform(np.array([str(p) for p in paths])), step.transform(faces[:2]), rtol=1e-6)
    with pytest.raises(ImageError, match=r"absent\.png"):
        step.transform([tmp_path / "absent.png"])


def test_in_a_pipeline_with_cross_validation(toy_bundle: Path, faces: np.ndarray) -> None:
    pipeline = make_pipeline(FaceFeatures(toy_bundle), StandardScaler(), LinearSVC())
    assert cross_val_score(pipeline, faces, np.arange(60) % 2, error_score="raise").min() > 0.8


def test_in_a_search_over_its_own_parameters(toy_bundle: Path, faces: np.ndarray) -> None:
    pipeline = make_pipeline(FaceFeatures(toy_bundle), LogisticRegression())
    grid = {"facefeatures__outputs": ["features", "fer2013_probabilities"]}
    search = GridSearchCV(pipeline, grid, cv=2, n_jobs=2, error_score="raise").fit(faces, np.arange(60) % 2)
    assert search.best_score_ > 0.8 and len(search.cv_results_["params"]) == 2


def test_copies_and_pickles_hold_the_name_and_not_the_model(toy_bundle: Path, faces: np.ndarray) -> None:
    step = FaceFeatures(toy_bundle).fit(faces)
    wanted = step.transform(faces)
    body = pickle.dumps(step)
    assert len(body) < 1500
    for copy in (pickle.loads(body), clone(step)):
        assert copy.get_params() == step.get_params()
        np.testing.assert_array_equal(copy.transform(faces), wanted)
    assert pickle.loads(body).n_features_in_ == 2304


def test_a_changed_parameter_is_heeded_and_fit_learns_nothing(toy_bundle: Path, faces: np.ndarray) -> None:
    step = FaceFeatures(toy_bundle)
    before = step.transform(faces)  # without fit
    np.testing.assert_array_equal(step.fit(faces[:3]).transform(faces), before)
    np.testing.assert_allclose(step.transform(faces[::-1]), before[::-1], rtol=1e-6)
    kept, given = faces.copy(), faces.copy()
    given.flags.writeable = False
    step.transform(given)
    assert np.array_equal(faces, kept)
    assert step.set_params(outputs="fer2013_logits").transform(faces).shape == (60, 7)
    assert step.set_params(model="mien-small", outputs="features").transform(faces[:2]).shape == (2, 256)


def test_a_table_with_names_is_given_on_request(toy_bundle: Path, faces: np.ndarray) -> None:
    pytest.importorskip("pandas")
    table = FaceFeatures(toy_bundle).set_output(transform="pandas").fit_transform(faces)
    assert list(table.columns) == [f"features_{i}" for i in range(5)]


@pytest.mark.parametrize(
    ("change", "kind", "complaint"),
    [
        ({"outputs": "feature"}, BundleError, "the output 'feature' of toy; expected one of "),
        ({"outputs": []}, DataError, r"outputs is \[\]"),
        ({"batch_size": 0}, DataError, "batch_size is 0; expected a whole number of 1 or more"),
        ({"model": "absent"}, BundleError, "no model 'absent'"),
    ],
)
def test_impossible_parameters_are_named(
    toy_bundle: Path, faces: np.ndarray, change: dict[str, Any], kind: type[Exception], complaint: str
) -> None:
    step = FaceFeatures(toy_bundle).set_params(**change)
    for call in (step.fit, step.transform):
        with pytest.raises(kind, match=complaint):
            call(faces)


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((3, 48, 48)),
        np.zeros((3, 32, 32), np.uint8),
        np.zeros((3, 100), np.uint8),
        np.zeros((0, 48, 48), np.uint8),
        np.zeros((48, 48), np.uint8)[:0],
        np.zeros((3, 48, 48, 3), np.uint8),
        [],
        [1, 2],
    ],
    ids=lambda w: str(np.shape(w)),
)
def test_what_is_no_face_is_named(toy_bundle: Path, wrong: Any) -> None:
    for call in (FaceFeatures(toy_bundle).fit, FaceFeatures(toy_bundle).transform):
        with pytest.raises(ImageError, match=r"\(N, 48, 48\) or \(N, 2304\) uint8"):
            call(wrong)


# Checks that fit on a table of made-up numbers with 1 to 20 columns, which is no face: they cannot apply.
TABLES = "a face has 2304 columns of uint8, and these are tables of other numbers"


def test_scikit_learns_own_checks_pass_where_they_apply(toy_bundle: Path) -> None:
    found = check_estimator(FaceFeatures(toy_bundle), on_skip=None, on_fail=None)
    passed = {r["check_name"] for r in found if r["status"] == "passed"}
    assert passed >= {
        "check_estimator_cloneable",
        "check_estimator_tags_renamed",
        "check_valid_tag_types",
        "check_estimator_repr",
        "check_no_attributes_set_in_init",
        "check_do_not_raise_errors_in_init_or_set_params",
        "check_mixin_order",
        "check_parameters_default_constructible",
        "check_get_params_invariance",
        "check_set_params",
    }
    for result in found:
        if result["status"] == "failed":
            error: BaseException | None = result["exception"]
            causes = []
            while error is not None:
                causes.append(error)
                error = error.__cause__ or error.__context__
            no_face = any(isinstance(e, ImageError) and "(N, 2304) uint8" in str(e) for e in causes)
            assert no_face, (result["check_name"], TABLES, result["exception"])


def test_without_scikit_learn_it_says_what_to_install() -> None:
    code = "import sys; sys.modules['sklearn'] = None\nfrom mien.features import FaceFeatures"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "MissingExtraError" in done.stderr and "pip install 'mien[hybrid]'" in done.stderr
