"""Predictions and labels as files: they come back as they were, under their row ids, or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.errors import DataError
from mien.evaluation.files import read_groups, read_labels, read_predictions, write_labels, write_predictions
from mien.evaluation.protocols import MAJORITY, Truth
from mien.evaluation.scores import Predictions
from mien.expressions import FER2013, FERPLUS, Vocabulary
from tests_support import MOODS

SHA = "ab" * 32
OWN = Vocabulary("moods", MOODS)


def predictions(vocabulary: Vocabulary, rows: list[int], seed: int = 0) -> Predictions:
    found = np.random.default_rng(seed).dirichlet(np.ones(len(vocabulary)), len(rows))
    return Predictions(vocabulary, np.array(rows), found)


@given(seed=st.integers(0, 2**20), rows=st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=9, unique=True))
def test_predictions_come_back_under_their_rows(
    tmp_path_factory: pytest.TempPathFactory, seed: int, rows: list[int]
) -> None:
    path = tmp_path_factory.mktemp("p") / "predictions.csv"
    first, second = predictions(FER2013, rows, seed), predictions(FERPLUS, rows[::-1], seed + 1)
    write_predictions(path, [first, second], SHA)
    found = read_predictions(path, None, SHA)
    assert list(found) == ["fer2013", "ferplus"]
    assert found["fer2013"].rows.tolist() == found["ferplus"].rows.tolist() == rows
    np.testing.assert_allclose(found["fer2013"].probabilities, first.probabilities, atol=1e-6)
    np.testing.assert_allclose(found["ferplus"].probabilities, second.probabilities[::-1], atol=1e-6)


def test_own_labels_come_back_too(tmp_path: Path) -> None:
    write_predictions(tmp_path / "p.csv", [predictions(OWN, [4, 2])], SHA)
    found = read_predictions(tmp_path / "p.csv", OWN)["moods"]
    assert found.vocabulary == OWN and found.rows.tolist() == [4, 2]
    with pytest.raises(DataError, match="probabilities for so-so, maybe"):
        read_predictions(tmp_path / "p.csv")


def test_columns_are_found_by_name_not_by_place(tmp_path: Path) -> None:
    labels = FER2013.labels[::-1]
    cells = ["0.1", "0.4", "0.1", "0.1", "0.1", "0.1", "0.1"]
    text = f"{','.join(f'p_{x}' for x in labels)},note,row\n{','.join(cells)},hm,8\n"
    (tmp_path / "p.csv").write_text(text)
    found = read_predictions(tmp_path / "p.csv")["fer2013"]
    assert found.rows.tolist() == [8] and FER2013.labels[found.probabilities[0].argmax()] == "surprise"


def csv_of(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "p.csv"
    header = "row,data," + ",".join(f"p_{label}" for label in FER2013.labels)
    path.write_text("\n".join((header, *lines)) + "\n")
    return path


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("1,,0.4,0.1,0.1,0.1,0.1,0.1", "line 2: 8 cells"),
        ("1,,0.4,0.1,0.1,0.1,0.1,0.1,half", "line 2: the probability 'half'"),
        ("1,,0.4,0.1,0.1,0.1,0.1,0.1,0.3", "row 1: probabilities that sum to 1.2"),
        ("1,,1.4,-0.4,0,0,0,0,0", "the least -0.4"),
        ("1,,nan,0,0,0,0,0,1", "row 1: probabilities that sum to nan"),
        ("1.5,,1,0,0,0,0,0,0", "the row id '1.5'"),
        ("-1,,1,0,0,0,0,0,0", "the row id '-1'"),
        ("99999999999999999999,,1,0,0,0,0,0,0", "the row id '99999999999999999999'"),
        ("2147483648,,1,0,0,0,0,0,0", "under 2147483648"),
        ("7,,1,0,0,0,0,0,0\n7,,1,0,0,0,0,0,0", "row 7 comes 2 times"),
        ("7,0123456789abcdef,1,0,0,0,0,0,0", "a data set with sha256 0123456789abcdef"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, line: str, complaint: str) -> None:
    with pytest.raises(DataError, match=complaint.replace(".", r"\.")):
        read_predictions(csv_of(tmp_path, line), None, SHA)


def test_files_that_are_none(tmp_path: Path) -> None:
    for name, text, complaint in (
        ("p.txt", "", "is no .csv file"),
        ("a.csv", None, "cannot be read"),
        ("b.csv", "", "nothing in it"),
        ("c.csv", "p_angry,p_happy\n1,0\n", "no column row"),
        ("d.csv", "row,p_angry,p_happy\n1,1,0\n", "probabilities for angry, happy"),
        ("e.csv", "row,row\n1,1\n", "the column row twice"),
        ("f.csv", csv_of(tmp_path).read_text(), "no predictions"),
    ):
        if text is not None:
            (tmp_path / name).write_text(text)
        with pytest.raises(DataError, match=complaint):
            read_predictions(tmp_path / name)


def test_labels_come_back(tmp_path: Path) -> None:
    rows = np.array([9, 4, 6])
    own = Truth("moods", "moods labels, every face", OWN, rows, np.array([2, 0, 4]))
    voted = Truth(MAJORITY, "", FERPLUS, rows, np.array([-1, 7, 0]))
    write_labels(tmp_path / "labels.csv", [own, voted], "test", {4: "near-identical"})
    found = read_labels(tmp_path / "labels.csv", {"moods": OWN})
    assert list(found) == ["moods", MAJORITY]
    for name, truth in (("moods", own), (MAJORITY, voted)):
        assert found[name].rows.tolist() == [9, 4, 6] and found[name].labels.tolist() == truth.labels.tolist()
    assert '4,test,near-identical,"so-so, maybe",contempt' in (tmp_path / "labels.csv").read_text()
    with pytest.raises(DataError, match="the protocol 'moods'"):
        read_labels(tmp_path / "labels.csv")
    (tmp_path / "x.csv").write_text("row,part,copy,fer2013\n1,test,,glad\n")
    with pytest.raises(DataError, match="fer2013 has 'glad'"):
        read_labels(tmp_path / "x.csv")


def test_groups_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "g.csv").write_text("age,row,where\nold,3,in\nyoung,1,out\n")
    rows, columns = read_groups(tmp_path / "g.csv")
    assert rows.tolist() == [3, 1]
    assert {k: v.tolist() for k, v in columns.items()} == {"age": ["old", "young"], "where": ["in", "out"]}
    for text in ("age,where\nold,in\n", "row\n1\n", "row,age\n1,a\n1,b\n"):
        (tmp_path / "g.csv").write_text(text)
        with pytest.raises(DataError):
            read_groups(tmp_path / "g.csv")
