"""``mien hybrid`` as a user runs it."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("skl2onnx")

from mien import bundle, data
from mien.data import FaceSet, official
from mien.expressions import FER2013, VALENCE, VocabularyMap
from tests_support import QUICK, card, hear_interrupts, mien, network, toy

HEAD = '\n[head]\nkernel = ["rbf", "linear"]\nC = [0.1, 10.0]\ncandidates = 3\nfolds = 2\n'
GOOD = ("happy", "surprise", "neutral")


def of_its_own(faces: FaceSet) -> FaceSet:
    """As a set that the toy network was not trained on."""
    return replace(faces, provenance=replace(faces.provenance, sha256="5" * 64))


@pytest.fixture
def run(tmp_path: Path, tiny_faces: FaceSet, toy_bundle: Path) -> Path:
    """A finished run on a store beside it, with another split than a new one would be."""
    tiny_faces = of_its_own(tiny_faces)
    data.save(tiny_faces, tmp_path / "tiny.store")
    folder = tmp_path / "runs" / "quick"
    folder.mkdir(parents=True)
    (folder / "recipe.toml").write_text(QUICK + HEAD)
    (folder / "environment.json").write_text(json.dumps({"data": str(tmp_path / "tiny.store")}))
    official(tiny_faces, 0.3, 9).save(folder / "split.json")
    toy_bundle.rename(folder / "bundle")
    return folder


def test_a_run_brings_its_data_its_split_and_its_head(tmp_path: Path, run: Path, tiny_faces: FaceSet) -> None:
    done = mien("hybrid", run, "--no-intelex", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    n = len(official(tiny_faces, 0.3, 9).parts["train"])
    assert f"(3 candidates × 2 folds on {n} rows of 5 features" in done.stderr and "about " in done.stderr
    assert "cross-validation inside train: " in done.stdout and "best of 3 in " in done.stdout
    assert "validation, fer2013 labels, every face: " in done.stdout and "public_test, " in done.stdout
    assert len(list(csv.reader((run / "head" / "search.csv").open()))) == 4
    made = bundle.read_card(run / "head" / "bundle")
    assert made.training.seed == 5 and made.training.n == n and made.training.split == "official"
    assert (run / "head" / "split.json").read_text() == (run / "split.json").read_text()
    cv2.imwrite(str(tmp_path / "face.png"), tiny_faces.faces[0])
    done = mien("analyze", "face.png", "--detector", "none", "--model", run / "head" / "bundle", cwd=tmp_path)
    assert json.loads(done.stdout)["model"] == "toy-svm", done
    again = mien("hybrid", run, cwd=tmp_path)
    assert again.returncode == 1 and "exists already; expected a new folder. Name another with --out" in again.stderr


def test_options_stand_in_for_the_recipes(tmp_path: Path, run: Path) -> None:
    arguments = ("--head", "knn", "--neighbours", 3, "--candidates", 0, "--out", "made", "--name", "near")
    done = mien("hybrid", run, *arguments, cwd=tmp_path)
    assert done.returncode == 0 and "k nearest neighbours (k = 3)" in done.stdout, done
    assert bundle.read_card(tmp_path / "made" / "bundle").name == "near"
    assert not (tmp_path / "made" / "search.csv").exists()


def test_another_vocabulary_than_the_networks(tmp_path: Path, run: Path, tiny_faces: FaceSet) -> None:
    valence = VocabularyMap("x", FER2013, VALENCE, tuple((k, VALENCE.labels[k in GOOD]) for k in FER2013.labels))
    data.save(data.relabel(of_its_own(tiny_faces), valence), tmp_path / "valence.store")
    done = mien("hybrid", run / "bundle", "--data", "valence.store", "--kernel", "poly", "--out", "made", cwd=tmp_path)
    assert done.returncode == 0 and "public_test, valence labels" in done.stdout, done
    assert bundle.read_card(tmp_path / "made" / "bundle").vocabularies == {"valence": list(VALENCE.labels)}


def test_a_dry_run_says_how_long_and_writes_nothing(tmp_path: Path, run: Path) -> None:
    done = mien("hybrid", run, "--candidates", 20, "--folds", 5, "--dry-run", cwd=tmp_path)
    assert done.returncode == 0 and done.stdout.startswith("about ") and "20 candidates × 5 folds" in done.stdout, done
    assert not (run / "head").exists()


def test_a_network_alone_is_scored_on_its_own_validation_faces(tmp_path: Path, tiny_faces: FaceSet) -> None:
    data.save(tiny_faces, tmp_path / "tiny.store")
    own = official(tiny_faces, 0.3, 9)
    about = card({"fer2013": tiny_faces.vocabulary.labels})
    recipe = 'name = "of another version"\n[data]\nvalidation = 0.3\nsplit_seed = 9\n'
    about["training"] |= {"sha256": "0" * 64, "n": len(own.parts["train"]), "recipe": recipe}
    for name, n in (("known", len(own.parts["train"])), ("unknown", 7)):
        about["training"]["n"] = n
        bundle.save(tmp_path / name, network({"fer2013": tiny_faces.vocabulary.labels}), about)
    done = mien("hybrid", "known", "--data", "tiny.store", "--folds", 2, "--out", "made", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (
        data.Split.load(tmp_path / "made" / "split.json").parts["validation"].tolist()
        == own.parts["validation"].tolist()
    )
    done = mien("hybrid", "unknown", "--data", "tiny.store", cwd=tmp_path)
    assert done.returncode == 1 and "trained on tiny.csv itself" in done.stderr and "--split FILE" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("hybrid", "mien-small"), "--data STORE"),
        (("hybrid", "absent", "--data", "x"), "no model 'absent'"),
        (("hybrid", "mien-small", "--data", "absent"), "absent"),
        (("hybrid", "runs/quick", "--head", "forest"), "'svm', 'knn' or 'logistic'"),
        (("hybrid", "runs/quick", "--C", "9", "--C", "1"), "the smaller first"),
        (("hybrid", "runs/quick", "--split", "absent.json"), "there is no file absent.json"),
        (("hybrid", "runs/quick", "--data", "small.store"), "--size 48"),
        (("hybrid", "runs/begun"), "Finish it with: mien train --resume runs/begun"),
    ],
)
def test_mistakes_are_one_clear_message(
    tmp_path: Path, run: Path, tiny_faces: FaceSet, arguments: tuple[str, ...], text: str
) -> None:
    (tmp_path / "runs" / "begun").mkdir()
    (tmp_path / "runs" / "begun" / "recipe.toml").write_text(QUICK)
    small = FaceSet(
        np.ascontiguousarray(tiny_faces.faces[:, :32, :32]),
        tiny_faces.labels,
        tiny_faces.votes,
        tiny_faces.rows,
        tiny_faces.usage,
        tiny_faces.provenance,
    )
    data.save(small, tmp_path / "small.store")
    done = mien(*arguments, cwd=tmp_path)
    assert done.returncode == 1 and text in done.stderr and done.stderr.count("\n") == 1, done.stderr


def test_ctrl_c_is_heeded_at_once_and_leaves_nothing(tmp_path: Path, run: Path) -> None:
    arguments = ("--candidates", "20000", "--folds", "5", "--no-intelex")
    command = [sys.executable, "-m", "mien", "hybrid", str(run), *arguments]
    with subprocess.Popen(
        command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, preexec_fn=hear_interrupts
    ) as process:
        assert process.stderr is not None
        while "about " not in (line := process.stderr.readline()):
            assert process.poll() is None, line
        time.sleep(1)  # into the fits
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)[1]
    assert process.returncode == 130 and "interrupted; nothing of the hybrid is kept" in said, said
    assert "Traceback" not in said and not (run / "head").exists()


def without(*packages: str) -> str:
    """Code that makes these packages look absent and runs the command."""
    return f"""
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {packages!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
sys.argv[0] = "mien"
from mien.cli import main
main()
"""


def test_it_needs_no_torch(tmp_path: Path, run: Path) -> None:
    code = without("torch", "lightning", "torchvision")
    command = [sys.executable, "-c", code, "hybrid", str(run), "--head", "logistic", "--candidates", "0"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "logistic regression (C = 0.1)" in done.stdout, done.stderr


@pytest.mark.parametrize("package", ["sklearn", "skl2onnx"])
def test_without_the_extra_it_says_what_to_install(tmp_path: Path, package: str) -> None:
    code = f"import sys; sys.modules[{package!r}] = None; sys.argv[0] = 'mien'; from mien.cli import main; main()"
    command = [sys.executable, "-c", code, "hybrid", "mien-small", "--data", "x"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "pip install 'mien[hybrid]'" in done.stderr, done.stderr


def test_a_network_without_a_run_and_other_classes(tmp_path: Path, tiny_faces: FaceSet) -> None:
    data.save(of_its_own(tiny_faces), tmp_path / "tiny.store")
    toy(tmp_path / "moods", {"moods": ["calm", "wild"]})
    done = mien("hybrid", "moods", "--data", "tiny.store", "--head", "logistic", cwd=tmp_path)
    assert done.returncode == 0 and "bundle in runs/toy-logistic/bundle" in done.stdout, done
