"""One code path from a model to its numbers: they are the right ones, in whatever order and form they come."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest

from mien import bundle, data
from mien.data import FaceSet
from mien.errors import DataError
from mien.evaluation import document
from mien.evaluation.evaluate import Evaluated, Options, evaluate
from mien.evaluation.files import write_predictions
from mien.evaluation.measures import ALL, COPIES, NO_COPY, NO_IDENTICAL, SINGLE
from mien.evaluation.plan import plan
from mien.evaluation.protocols import MAJORITY, PLURALITY, plurality
from mien.evaluation.scores import Predictions
from mien.expressions import FER2013, FERPLUS, Vocabulary, ferplus_majority
from tests_support import toy

QUICK = Options(draws=100)


@pytest.fixture
def store(tmp_path: Path, tiny_faces: FaceSet) -> Path:
    cast = np.random.default_rng(1).multinomial(10, [0.4, 0.3, 0.2, 0.1, 0, 0, 0, 0, 0, 0], 120).astype(np.uint8)
    data.save(dataclasses.replace(tiny_faces, votes=cast), tmp_path / "tiny.store")
    return tmp_path / "tiny.store"


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A bundle that was trained on something else."""
    return toy(tmp_path / "toy", {v.name: v.labels for v in (FER2013, FERPLUS)})


def by_hand(own: Path, store: Path, view: str = SINGLE) -> tuple[FaceSet, dict[str, np.ndarray]]:
    """PublicTest and the probabilities for it, straight from ONNX Runtime."""
    faces = data.load(store)
    test = faces.take(faces.where("PublicTest"))
    names = ["fer2013_probabilities", "ferplus_probabilities"]
    found = bundle.Bundle(own).score(test.faces, names)
    if view == "flip":
        other = bundle.Bundle(own).score(np.ascontiguousarray(test.faces[:, :, ::-1]), names)
        found = {name: (found[name] + other[name]) / 2 for name in names}
    return test, found


def accuracy(done: Evaluated, protocol: str, view: str = SINGLE, subset: str = ALL) -> tuple[float | None, int]:
    scores = done.evaluation.scores(protocol, view, subset)
    assert scores is not None
    return scores.headline["accuracy"].value, scores.n


def test_each_protocol_is_scored_by_its_own_head(own: Path, store: Path) -> None:
    done = evaluate(plan(str(own), store), QUICK)
    test, found = by_hand(own, store)
    assert [p.name for p in done.evaluation.protocols] == ["fer2013", MAJORITY, PLURALITY]
    for protocol, name, labels in (
        ("fer2013", "fer2013", test.labels),
        (MAJORITY, "ferplus", ferplus_majority(test.votes)),
        (PLURALITY, "ferplus", plurality(test.votes)),
    ):
        counted = labels >= 0
        right = found[f"{name}_probabilities"].argmax(axis=1) == labels
        assert accuracy(done, protocol) == (pytest.approx(right[counted].mean()), counted.sum())
    assert done.evaluation.votes is not None and done.evaluation.votes.n == 30
    assert re.fullmatch(r"\d+\.\d\d ms in batches, on .* cores", done.evaluation.model.cost["time of a face"])
    assert done.evaluation.data.counts == dict(
        zip(FER2013.labels, np.bincount(test.labels, minlength=7).tolist(), strict=True)
    )


def test_what_is_written_is_read_again(own: Path, store: Path, tmp_path: Path) -> None:
    done = evaluate(plan(str(own), store), dataclasses.replace(QUICK, command="mien evaluate toy tiny.store"))
    done.evaluation.save(tmp_path)
    assert document.load(tmp_path) == done.evaluation
    assert done.evaluation.made.command == "mien evaluate toy tiny.store" and done.evaluation.made.draws == 100


def test_the_flip_is_reported_apart(own: Path, store: Path) -> None:
    done = evaluate(plan(str(own), store), dataclasses.replace(QUICK, views=("flip", "crops")))
    plain = evaluate(plan(str(own), store), QUICK)
    test, found = by_hand(own, store, "flip")
    right = found["fer2013_probabilities"].argmax(axis=1) == test.labels
    assert accuracy(done, "fer2013", "flip") == (pytest.approx(right.mean()), 30)
    assert accuracy(done, "fer2013") == accuracy(plain, "fer2013")
    assert {s.view for s in done.evaluation.sections} == {"single", "flip", "crops"}
    assert done.evaluation.certainty == plain.evaluation.certainty


def test_a_predictions_file_gives_the_same_numbers_in_any_order(own: Path, store: Path, tmp_path: Path) -> None:
    direct = evaluate(plan(str(own), store, part="public_test"), QUICK)
    faces = data.load(store)
    order = np.random.default_rng(0).permutation(120)
    found = bundle.Bundle(own).score(faces.faces[order], ["fer2013_probabilities", "ferplus_probabilities"])
    given = [Predictions(v, faces.rows[order], found[f"{v.name}_probabilities"]) for v in (FER2013, FERPLUS)]
    write_predictions(tmp_path / "p.csv", given, "0" * 64)
    done = evaluate(plan(str(tmp_path / "p.csv"), store), dataclasses.replace(QUICK, copies=False))
    for section in (s for s in direct.evaluation.sections if s.subset == ALL):
        other = done.evaluation.scores(section.protocol)
        assert other is not None
        assert other.confusion == section.scores.confusion
        for name, value in section.scores.headline.items():
            assert other.headline[name].value == pytest.approx(value.value, abs=1e-4, nan_ok=True)
    assert done.evaluation.certainty[0].fitted_on == "validation"


def test_predictions_that_lack_a_face_are_refused(store: Path, tmp_path: Path) -> None:
    faces = data.load(store)
    rows = faces.rows[faces.where("PublicTest")][1:]
    write_predictions(tmp_path / "p.csv", [Predictions(FER2013, rows, np.full((29, 7), 1 / 7))], "0" * 64)
    with pytest.raises(DataError, match=str(faces.rows[faces.where("PublicTest")][0])):
        evaluate(plan(str(tmp_path / "p.csv"), store), QUICK)


def test_predictions_of_rows_that_the_set_does_not_have_are_refused(store: Path, tmp_path: Path) -> None:
    faces = data.load(store)
    rows = np.append(faces.rows, 999999)
    write_predictions(tmp_path / "p.csv", [Predictions(FER2013, rows, np.full((121, 7), 1 / 7))], "0" * 64)
    with pytest.raises(DataError, match=r"p.csv: 1 rows that tiny.csv does not have, such as row 999999"):
        plan(str(tmp_path / "p.csv"), store)


def test_a_planted_shuffle_of_the_rows_changes_the_numbers_and_is_said(store: Path, tmp_path: Path) -> None:
    """Rows under wrong ids: the one mistake that ids alone cannot show."""
    faces = data.load(store)
    rng = np.random.default_rng(0)
    perfect = np.eye(7)[faces.labels] * 0.8 + 0.2 / 7
    wrong = Predictions(FER2013, faces.rows[rng.permutation(120)], perfect)
    write_predictions(tmp_path / "p.csv", [wrong], "0" * 64)
    done = evaluate(plan(str(tmp_path / "p.csv"), store, part="all"), QUICK)
    assert done.alarm == done.evaluation.warnings[0]
    assert done.alarm.startswith("90 of the 120 faces of all are training faces: ")
    assert "independent" in done.evaluation.warnings[1]


def test_copies_among_the_training_faces_are_counted_apart(store: Path, tmp_path: Path, tiny_faces: FaceSet) -> None:
    """Positions 95 to 97 of PublicTest are copies of Training faces: whoever knows those by heart is found out."""
    faces = data.load(store)
    knows = np.full((120, 7), 1 / 7)
    known = np.isin(np.arange(120), [*range(90), 95, 96, 97])
    knows[known] = np.eye(7)[faces.labels[known]]
    write_predictions(tmp_path / "p.csv", [Predictions(FER2013, faces.rows, knows)], "0" * 64)
    done = evaluate(plan(str(tmp_path / "p.csv"), store), QUICK)
    assert done.evaluation.data.copies["identical"] == 3 and set(done.copies) == set(faces.rows[95:98].tolist())
    assert accuracy(done, "fer2013", subset=COPIES) == (1.0, 3)
    assert accuracy(done, "fer2013", subset=NO_COPY)[1] == accuracy(done, "fer2013", subset=NO_IDENTICAL)[1] == 27
    every = accuracy(done, "fer2013")[0]
    assert every is not None and every > (accuracy(done, "fer2013", subset=NO_COPY)[0] or 0)


def test_every_face_may_have_a_copy_of_one_kind_or_another(own: Path, store: Path) -> None:
    """What is equal to all faces is not taken for the section before."""
    wanted = plan(str(own), store)
    rows = wanted.faces.rows[wanted.at].tolist()
    kinds = {row: "identical" if i < 5 else "near-identical" for i, row in enumerate(rows)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mien.evaluation.evaluate.find_copies", lambda *_: kinds)
        done = evaluate(wanted, QUICK)
    counts = {s.subset: s.scores.n for s in done.evaluation.sections if s.protocol == "fer2013"}
    assert counts == {ALL: 30, NO_IDENTICAL: 25, COPIES: 30}


def test_copies_are_looked_for_among_faces_that_a_map_leaves_out(store: Path, tmp_path: Path) -> None:
    faces = data.load(store)
    write_predictions(tmp_path / "p.csv", [Predictions(FER2013, faces.rows, np.full((120, 7), 1 / 7))], "0" * 64)
    done = evaluate(plan(str(tmp_path / "p.csv"), store, labels_map="fer2013-to-four"), QUICK)
    kept = done.plan.faces.rows[done.plan.at]
    copied = [int(row) for row in faces.rows[95:98] if row in kept]
    assert copied and set(done.copies) == set(copied)


def test_groups_by_columns_of_ones_own(own: Path, store: Path, tmp_path: Path) -> None:
    faces = data.load(store)
    test = faces.rows[faces.where("PublicTest")]
    lines = [f"{row},{'old' if i % 2 else 'young'}" for i, row in enumerate(test[:20])]
    (tmp_path / "g.csv").write_text("\n".join(["row,age", *lines]))
    done = evaluate(plan(str(own), store), dataclasses.replace(QUICK, by=("usage",), groups=tmp_path / "g.csv"))
    found = {(g.column, g.value): g for g in done.evaluation.groups}
    assert found["usage", "PublicTest"].n == 30 and found["age", "old"].n == found["age", "young"].n == 10
    whole = done.evaluation.scores()
    assert whole is not None and found["usage", "PublicTest"].accuracy.value == whole.headline["accuracy"].value
    assert "n = 10" in found["age", "old"].warning
    (tmp_path / "u.csv").write_text(f"row,usage\n{test[0]},mine\n")
    with pytest.raises(DataError, match=r"the column 'usage' is in .*u.csv and in tiny.csv"):
        evaluate(plan(str(own), store), dataclasses.replace(QUICK, groups=tmp_path / "u.csv"))
    with pytest.raises(DataError, match="has no column 'age' to group by; expected one of usage"):
        evaluate(plan(str(own), store), dataclasses.replace(QUICK, by=("age",)))


def test_disturbed_faces(own: Path, store: Path) -> None:
    done = evaluate(plan(str(own), store), dataclasses.replace(QUICK, disturbed=True))
    assert len(done.evaluation.disturbed) >= 50 and {d.strength for d in done.evaluation.disturbed} == {1, 2, 3, 4, 5}
    assert all(d.accuracy.n == 30 for d in done.evaluation.disturbed)


def test_answers_in_other_labels_go_through_a_map_or_are_refused(
    tmp_path: Path, store: Path, tiny_faces: FaceSet
) -> None:
    voted = toy(tmp_path / "voted", {"ferplus": FERPLUS.labels})
    done = evaluate(plan(str(voted), store), QUICK)
    assert [p.mapped for p in done.evaluation.protocols] == ["ferplus-to-fer2013", "", ""]
    names = Vocabulary("colours", ("red", "green", "blue", "white", "black", "grey", "pink"))
    data.save(dataclasses.replace(tiny_faces, vocabulary=names, votes=np.zeros((120, 10), np.uint8)), tmp_path / "c")
    with pytest.raises(DataError, match=r"toy answers in ferplus .*and the labels are colours \(red, green"):
        evaluate(plan(str(voted), tmp_path / "c"), QUICK)


def test_faces_of_another_size_are_brought_to_the_models(tmp_path: Path, store: Path) -> None:
    small = toy(tmp_path / "small", {v.name: v.labels for v in (FER2013, FERPLUS)}, size=32)
    done = evaluate(plan(str(small), store), QUICK)
    assert "the faces of 48 pixels were brought to the 32 that it takes" in done.evaluation.model.caveats
