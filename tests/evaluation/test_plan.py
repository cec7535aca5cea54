"""What is evaluated on which faces: never by chance on those that were trained on, and never without saying so."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mien import bundle, data
from mien.data import FaceSet, Split, official, own_split, stratified
from mien.errors import BundleError, DataError
from mien.evaluation.plan import plan
from mien.expressions import FER2013, FERPLUS
from tests_support import MOODS, QUICK, card, network, toy


@pytest.fixture
def store(tmp_path: Path, tiny_faces: FaceSet) -> Path:
    data.save(tiny_faces, tmp_path / "tiny.store")
    return tmp_path / "tiny.store"


def a_run(folder: Path, faces: FaceSet, split: Split, store: Path, recipe: str = QUICK) -> Path:
    """A run folder as training leaves it, around the toy network."""
    folder.mkdir()
    toy(folder / "bundle", {v.name: v.labels for v in (FER2013, FERPLUS)})
    (folder / "recipe.toml").write_text(recipe)
    (folder / "environment.json").write_text(json.dumps({"data": str(store), "recipe_folder": str(folder)}))
    split.save(folder / "split.json")
    return folder


def a_bundle(folder: Path, **training: Any) -> Path:
    of = {v.name: v.labels for v in (FER2013, FERPLUS)}
    fields = card(of)
    fields["training"] = {**fields["training"], **training}
    bundle.save(folder, network(of), fields)
    return folder


def test_a_run_is_evaluated_on_its_own_test_part(tmp_path: Path, tiny_faces: FaceSet, store: Path) -> None:
    split = official(tiny_faces, 0.2, 3)
    found = plan(str(a_run(tmp_path / "run", tiny_faces, split, store)))
    assert found.part == "public_test" and found.split == split.name and found.subject.facts.kind == "run"
    assert found.faces.rows[found.at].tolist() == split.parts["public_test"].tolist()
    assert found.faces.rows[found.held].tolist() == split.parts["validation"].tolist()
    assert found.warnings == ()


def test_a_part_is_named(tmp_path: Path, tiny_faces: FaceSet, store: Path) -> None:
    split = official(tiny_faces, 0.2, 3)
    run = a_run(tmp_path / "run", tiny_faces, split, store)
    chosen = plan(str(run), part="validation")
    assert chosen.faces.rows[chosen.at].tolist() == split.parts["validation"].tolist() and not len(chosen.held)
    assert "validation was used for choosing" in chosen.warnings[0]
    with pytest.raises(DataError, match="has no part exam; expected one of train, validation, public_test"):
        plan(str(run), part="exam")


def test_private_test_is_looked_at_by_name_only(tmp_path: Path, tiny_faces: FaceSet) -> None:
    faces = dataclasses.replace(tiny_faces, usages=("Training", "PrivateTest"))
    data.save(faces, tmp_path / "p.store")
    own = a_bundle(tmp_path / "toy")
    assert plan(str(own), tmp_path / "p.store").part == "validation"
    assert plan(str(own), tmp_path / "p.store", part="private_test").part == "private_test"


def test_a_bundle_is_not_evaluated_on_what_it_was_trained_on(tmp_path: Path, tiny_faces: FaceSet, store: Path) -> None:
    split = official(tiny_faces, 0.2, 7)
    recipe = QUICK.replace("validation = 0.2", "validation = 0.2\nsplit_seed = 7")
    told = a_bundle(tmp_path / "told", sha256="0" * 64, n=len(split.parts["train"]), recipe=recipe)
    found = plan(str(told), store)
    assert found.faces.rows[found.held].tolist() == split.parts["validation"].tolist()
    assert found.trained.tolist() == split.parts["train"].tolist() and found.warnings == ()
    assert found.trained_on == f"the {len(found.trained)} faces of its training part"
    silent = plan(str(a_bundle(tmp_path / "silent", sha256="0" * 64, n=5)), store)
    assert "by a split that its card does not tell" in silent.warnings[0]


HELD = "validation = 0.2\ntest = 0.25\nsplit_seed = 7"


@pytest.mark.parametrize("how", ["", "over", "under", "weights"])
def test_a_bundle_tells_of_the_test_part_that_its_recipe_held_out(
    tmp_path: Path, tiny_faces: FaceSet, store: Path, how: str
) -> None:
    split = own_split(tiny_faces, 0.2, 7, test=0.25, how=how)
    recipe = QUICK.replace("validation = 0.2", f'{HELD}\nbalance = "{how}"')
    own = str(a_bundle(tmp_path / "told", sha256="0" * 64, n=len(split.parts["train"]), recipe=recipe))
    found = plan(own, store)
    assert (found.part, found.split, found.warnings) == ("test", split.name, ())
    assert found.faces.rows[found.at].tolist() == split.parts["test"].tolist()
    assert found.trained.tolist() == np.unique(split.parts["train"]).tolist()
    assert found.faces.rows[found.held].tolist() == split.parts["validation"].tolist()
    assert plan(own, store, part="public_test").warnings == ()


def test_a_bundle_of_a_reproduced_leak_says_so_on_its_own_test_part(tmp_path: Path, tiny_faces: FaceSet) -> None:
    labels = np.where(np.arange(120) % 2, 0, tiny_faces.labels).astype(np.int8)  # one that is frequent
    tiny_faces = dataclasses.replace(tiny_faces, labels=labels)
    data.save(tiny_faces, store := tmp_path / "uneven.store")
    split = own_split(tiny_faces, 0.2, 7, test=0.25, how="over", leak=True)
    recipe = QUICK.replace("validation = 0.2", HELD + '\nbalance = "over"\nreproduce_leak = true')
    n = len(split.parts["train"])
    own = str(a_bundle(tmp_path / "told", sha256="0" * 64, n=n, recipe=recipe, leaked=split.leaked))
    found = plan(own, store)
    rows = np.unique(split.parts["test"])
    known = np.isin(rows, split.parts["train"]).sum()
    assert known and found.part == "test" and found.faces.rows[found.at].tolist() == rows.tolist()
    assert found.warnings[0].startswith(f"{known} of the {len(rows)} faces of test are among those it was trained on")
    assert found.warnings[-1].startswith("the split is leaked (over-sampled before the split")
    assert not np.isin(found.faces.rows[found.held], split.parts["train"]).any()
    sound = plan(own, store, part="public_test")
    assert len(sound.at) == 30 and [w for w in sound.warnings if "trained on" in w] == []


@pytest.mark.parametrize(
    "line", ['split = "mine.json"', "reproduce_leak = true", "fraction = 0.5", "test = 0", 'labels = "ferplus"']
)
def test_a_split_that_a_card_does_not_tell_is_not_made_up(
    tmp_path: Path, tiny_faces: FaceSet, store: Path, line: str
) -> None:
    """A file, what cannot be, a field of another version, a field twice, labels that are not these."""
    n = len(own_split(tiny_faces, 0.2, 7, test=0.25).parts["train"])
    recipe = QUICK.replace("validation = 0.2", f"{HELD}\n{line}")
    found = plan(str(a_bundle(tmp_path / "toy", sha256="0" * 64, n=n, recipe=recipe)), store)
    assert "by a split that its card does not tell" in found.warnings[0]


def test_what_a_bundle_was_trained_on_does_not_depend_on_the_map(
    tmp_path: Path, tiny_faces: FaceSet, store: Path
) -> None:
    """Its split was drawn by the labels of the training."""
    split = own_split(tiny_faces, 0.2, 7, test=0.25)
    recipe = QUICK.replace("validation = 0.2", HELD)
    own = str(a_bundle(tmp_path / "toy", sha256="0" * 64, n=len(split.parts["train"]), recipe=recipe))
    found = plan(own, store, labels_map="fer2013-to-three")
    assert len(found.faces.vocabulary) == 3 and found.trained.tolist() == split.parts["train"].tolist()
    assert set(found.faces.rows[found.at].tolist()) <= set(split.parts["test"].tolist()) and len(found.at) > 5
    assert found.warnings == ()


def test_training_faces_are_never_evaluated_silently(tmp_path: Path, tiny_faces: FaceSet, store: Path) -> None:
    split = official(tiny_faces, 0.2, 3)
    recipe = QUICK.replace("validation = 0.2", "validation = 0.2\nsplit_seed = 3")
    n = len(split.parts["train"])
    own = a_bundle(tmp_path / "toy", sha256="0" * 64, n=n, recipe=recipe)
    assert (
        f"{n} of the {n} faces of train are among those it was trained on"
        in plan(str(own), store, part="train").warnings[0]
    )
    every = plan(str(own), store, part="all")
    assert len(every.at) == 120 and f"{n} of the 120 faces" in every.warnings[0]


def test_a_model_of_another_file_may_know_the_training_faces_of_this_one(tmp_path: Path, store: Path) -> None:
    """The same images in another file have another hash."""
    own = str(a_bundle(tmp_path / "toy", sha256="1" * 64, data="other.csv"))
    found = plan(own, store)
    assert found.part == "public_test" and found.warnings == () and len(found.trained) == 90
    assert found.trained_on == (
        "the 90 training faces of the set; it was trained on another file, other.csv, which may hold some of the same"
    )
    assert "are training faces" in plan(own, store, part="train").warnings[0]


def test_a_set_without_a_split_is_evaluated_whole(tmp_path: Path, tiny_faces: FaceSet) -> None:
    whole = dataclasses.replace(tiny_faces, usage=np.zeros(120, np.uint8), usages=("all",))
    data.save(whole, tmp_path / "w.store")
    own = a_bundle(tmp_path / "toy", sha256="1" * 64)
    found = plan(str(own), tmp_path / "w.store")
    assert (found.part, found.split, len(found.at), len(found.held)) == ("all", "", 120, 0)
    with pytest.raises(DataError, match="which has no split"):
        plan(str(own), tmp_path / "w.store", part="test")


def test_training_rows_are_not_evaluated_because_a_part_is_empty(tmp_path: Path, tiny_faces: FaceSet) -> None:
    odd = dataclasses.replace(tiny_faces, usage=np.where(tiny_faces.usage == 1, 2, 0).astype(np.uint8))
    data.save(odd, tmp_path / "o.store")
    own = str(a_bundle(tmp_path / "toy", sha256="1" * 64))
    with pytest.raises(DataError, match="the split PublicTest is empty.*--part all"):
        plan(own, tmp_path / "o.store")
    assert len(plan(own, tmp_path / "o.store", part="all").at) == 120


def test_another_split_does_not_hide_what_a_run_was_trained_on(
    tmp_path: Path, tiny_faces: FaceSet, store: Path
) -> None:
    """Of as many training faces, too."""
    own = stratified(tiny_faces, 0.25, 0.2, 1)
    others = (stratified(tiny_faces, 0.25, 0.2, seed) for seed in range(2, 50))
    other = next(s for s in others if len(s.parts["train"]) == len(own.parts["train"]))
    other.save(tmp_path / "other.json")
    run = a_run(tmp_path / "run", tiny_faces, own, store)
    found = plan(str(run), split=tmp_path / "other.json")
    known = np.isin(other.parts["test"], own.parts["train"]).sum()
    assert known > 5 and found.trained.tolist() == own.parts["train"].tolist()
    assert found.warnings[0].startswith(
        f"{known} of the {len(found.at)} faces of test are among those it was trained on"
    )
    assert not np.isin(found.faces.rows[found.held], own.parts["train"]).any()


@pytest.mark.parametrize("part", ["all", "validation", "public_test"])
def test_nothing_is_fitted_on_a_face_that_is_evaluated(
    tmp_path: Path, tiny_faces: FaceSet, store: Path, part: str
) -> None:
    run = a_run(tmp_path / "run", tiny_faces, official(tiny_faces, 0.2, 3), store)
    found = plan(str(run), part=part)
    assert not np.isin(found.held, found.at).any()
    assert any("validation was used for choosing" in w for w in found.warnings) == (part != "public_test")


def test_a_map_that_drops_labels_keeps_what_was_trained_on(tmp_path: Path, tiny_faces: FaceSet, store: Path) -> None:
    split = official(tiny_faces, 0.2, 3)
    found = plan(str(a_run(tmp_path / "run", tiny_faces, split, store)), labels_map="fer2013-to-four")
    assert found.trained.tolist() == split.parts["train"].tolist() and len(found.whole) == 120 > len(found.faces)
    assert set(found.faces.rows[found.at].tolist()) < set(split.parts["public_test"].tolist())


def test_a_split_of_another_set_is_refused(tmp_path: Path, tiny_faces: FaceSet, store: Path) -> None:
    other = dataclasses.replace(tiny_faces, provenance=dataclasses.replace(tiny_faces.provenance, sha256="2" * 64))
    official(other, 0.2, 0).save(tmp_path / "s.json")
    with pytest.raises(DataError, match="was made from a source with sha256 2222"):
        plan(str(a_bundle(tmp_path / "toy")), store, split=tmp_path / "s.json")


def test_a_leaked_split_is_said_to_be(tmp_path: Path, tiny_faces: FaceSet, store: Path) -> None:
    split = dataclasses.replace(official(tiny_faces, 0.2, 0), leaked="over-sampled before the split")
    split.save(tmp_path / "s.json")
    found = plan(str(a_bundle(tmp_path / "toy")), store, split=tmp_path / "s.json")
    assert any("the split is leaked (over-sampled before the split)" in w for w in found.warnings)


def test_labels_go_through_the_map_that_the_run_was_trained_with(
    tmp_path: Path, tiny_faces: FaceSet, store: Path
) -> None:
    recipe = QUICK.replace("[data]", '[data]\nlabels = "four"\nmap = "fer2013-to-four"').replace("votes = 1.0\n", "")
    folder = a_run(tmp_path / "run", tiny_faces, official(tiny_faces, 0.2, 0), store, recipe)
    four = {"four": ("happy", "neutral", "sad", "surprise")}
    for file in (folder / "bundle").iterdir():
        file.unlink()
    (folder / "bundle").rmdir()
    toy(folder / "bundle", four)
    found = plan(str(folder))
    assert found.faces.vocabulary.labels == four["four"]
    names = [FER2013.labels[i] for i in tiny_faces.labels[tiny_faces.positions(found.faces.rows[found.at])]]
    assert names == [four["four"][i] for i in found.faces.labels[found.at]] and len(names) < 30
    # A map of one's own choice, for a model that has no recipe.
    own = toy(tmp_path / "four", four)
    assert plan(str(own), store, labels_map="fer2013-to-four").faces.vocabulary.labels == four["four"]


def test_predictions_are_of_this_data_set_and_bring_their_rows(
    tmp_path: Path, tiny_faces: FaceSet, store: Path
) -> None:
    header = "row,data," + ",".join(f"p_{x}" for x in FER2013.labels)
    lines = [f"{row},{'0' * 16},0.4,0.1,0.1,0.1,0.1,0.1,0.1" for row in tiny_faces.rows[90:]]
    (tmp_path / "p.csv").write_text("\n".join([header, *lines]))
    found = plan(str(tmp_path / "p.csv"), store)
    assert found.part == "public_test" and not len(found.held)  # the file has no validation faces
    assert "what it was trained on is not known" in found.trained_on and len(found.trained) == 90
    assert any("not known" in caveat for caveat in found.subject.facts.caveats)
    (tmp_path / "q.csv").write_text("\n".join([header, *lines]).replace("0" * 16, "1" * 16))
    with pytest.raises(DataError, match="a data set with sha256 1111111111111111"):
        plan(str(tmp_path / "q.csv"), store)


def test_what_cannot_be_evaluated(tmp_path: Path, store: Path, tiny_faces: FaceSet) -> None:
    with pytest.raises(DataError, match="no data set to evaluate mien-small on"):
        plan("mien-small")
    with pytest.raises(BundleError, match="no model 'nobody'"):
        plan("nobody", store)
    run = a_run(tmp_path / "run", tiny_faces, official(tiny_faces, 0.2, 0), store)
    (run / "environment.json").write_text("{}")
    with pytest.raises(DataError, match=r"environment.json is missing or damaged"):
        plan(str(run))
    (run / "bundle" / "card.json").unlink()
    with pytest.raises(BundleError, match="has no bundle"):
        plan(str(run), store)


def test_own_labels_need_no_vocabulary_of_miens(tmp_path: Path, tiny_faces: FaceSet) -> None:
    from mien.expressions import Vocabulary

    faces = dataclasses.replace(
        tiny_faces, vocabulary=Vocabulary("moods", MOODS), labels=(tiny_faces.labels % 5).astype(np.int8)
    )
    data.save(faces, tmp_path / "m.store")
    found = plan(str(toy(tmp_path / "moods", {"moods": MOODS})), tmp_path / "m.store")
    assert found.faces.vocabulary.labels == MOODS
