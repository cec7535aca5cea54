"""Results as rows: the same columns for every image of a model, whatever its labels are called."""

from __future__ import annotations

import csv
import io
import json
import pickle

import pytest

from mien.expressions import AFFECTNET, FER2013, FER_TINY, FERPLUS, VALENCE
from mien.results import COLUMN_TYPES, COLUMNS, Face, ImageResult, Results, columns
from tests_support import MOODS

LEADING = "source,status,error,width,height,faces,face,x1,y1,x2,y2,detection_score,expression,confidence,certain"
# What version 0.1.0 wrote, before a model could answer in anything else.
FER2013_HEADER = (
    f"{LEADING},p_angry,p_disgust,p_fear,p_happy,p_sad,p_surprise,p_neutral,ferplus_expression,ferplus_neutral,"
    "ferplus_happiness,ferplus_surprise,ferplus_sadness,ferplus_anger,ferplus_disgust,ferplus_fear,"
    "ferplus_contempt,detector,model"
)


def csv_of(results: Results) -> str:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, results[0].columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(results.rows())
    return stream.getvalue()


def test_the_table_of_a_fer2013_model_is_the_same_byte_for_byte() -> None:
    seven = dict(zip(FER2013.labels, (0.01, 0.02, 0.03, 0.7, 0.04, 0.15, 0.05), strict=True))
    eight = dict(zip(FERPLUS.labels, (0.1, 0.5, 0.1, 0.1, 0.05, 0.05, 0.05, 0.05), strict=True))
    face = Face((1.04, 2.0, 3.0, 4.96), 5.43219, "happy", 0.7, True, seven, eight)
    plain = Face((1.0, 2.0, 3.0, 4.0), None, "happy", 0.7, False, seven)
    results = Results(
        [
            ImageResult("a.jpg", 640, 480, "haar", "m", [face, plain]),
            ImageResult("b.jpg", 640, 480, "haar", "m"),
            ImageResult("c.jpg", 0, 0, "haar", "m", error="c.jpg: broken"),
        ]
    )
    assert csv_of(results) == (
        f"{FER2013_HEADER}\n"
        "a.jpg,ok,,640,480,2,0,1.0,2.0,3.0,5.0,5.4322,happy,0.7,True,0.01,0.02,0.03,0.7,0.04,0.15,0.05,"
        "happiness,0.1,0.5,0.1,0.1,0.05,0.05,0.05,0.05,haar,m\n"
        "a.jpg,ok,,640,480,2,1,1.0,2.0,3.0,4.0,,happy,0.7,False,0.01,0.02,0.03,0.7,0.04,0.15,0.05,,,,,,,,,,haar,m\n"
        f"b.jpg,no face,,640,480,0{',' * 25},haar,m\n"
        f"c.jpg,error,c.jpg: broken,,,0{',' * 25},haar,m\n"
    )


@pytest.mark.parametrize(
    "vocabularies",
    [{"fer2013": FER2013.labels}, {"fer2013": FER2013.labels, "ferplus": FERPLUS.labels, "moods": MOODS}],
)
def test_every_fer2013_model_has_the_same_columns(vocabularies: dict[str, tuple[str, ...]]) -> None:
    assert columns(vocabularies) == COLUMN_TYPES and ",".join(COLUMNS) == FER2013_HEADER


@pytest.mark.parametrize(
    ("name", "labels"),
    [("valence", VALENCE.labels), ("fer-tiny", FER_TINY.labels), ("affectnet", AFFECTNET.labels), ("moods", MOODS)],
)
def test_another_vocabulary_has_a_column_for_each_of_its_labels(name: str, labels: tuple[str, ...]) -> None:
    own = [*LEADING.split(","), *(f"p_{label}" for label in labels)]
    assert [*columns({name: labels})] == [*own, "detector", "model"]
    assert columns({name: labels, "fer2013": FER2013.labels}) == columns({name: labels})
    voted = [f"ferplus_{label}" for label in ("expression", *FERPLUS.labels)]
    both = columns({name: labels, "ferplus": FERPLUS.labels})
    assert [*both] == [*own, *voted, "detector", "model"]
    assert all(both[f"p_{label}"] is float for label in labels) and both["ferplus_expression"] is str


def test_a_model_that_answers_in_ferplus_has_its_labels_once() -> None:
    own = [f"p_{label}" for label in FERPLUS.labels]
    assert [*columns({"ferplus": FERPLUS.labels})] == [*LEADING.split(","), *own, "detector", "model"]


def test_frames_have_the_model_s_columns_also_where_there_is_nothing_in_them() -> None:
    own = tuple(columns({"moods": MOODS}))
    failed = ImageResult("x", 0, 0, "haar", "m", error="x: broken", columns=own)
    assert list(failed.rows()[0]) == list(own) and failed.rows()[0]["p_快乐"] is None
    for frame, n in (
        (Results([], own).to_frame(), 0),
        (Results([failed, failed], own).to_frame(), 2),
        (Results([failed]).to_frame(), 1),
        (failed.to_frame(), 1),
    ):
        assert tuple(frame.columns) == own and len(frame) == n
    assert tuple(Results().to_frame().columns) == COLUMNS
    assert json.loads(Results([], own).to_json()) == []


def test_results_of_two_models_make_one_frame_with_the_columns_of_both() -> None:
    own = tuple(columns({"moods": MOODS}))
    face = Face((0, 0, 1, 1), 1.0, MOODS[0], 0.9, True, dict.fromkeys(MOODS, 0.02) | {MOODS[0]: 0.92})
    mixed = Results([ImageResult("a", 1, 1, "haar", "m"), ImageResult("b", 1, 1, "haar", "o", [face], columns=own)])
    frame = mixed.to_frame()
    assert set(frame.columns) == {*COLUMNS, *own} and frame.loc[1, "p_[red]"] == 0.02
    assert frame.loc[0, [f"p_{label}" for label in MOODS]].isna().all()


def test_a_face_in_other_labels_than_its_columns_is_not_written_without_them() -> None:
    face = Face((0, 0, 1, 1), 1.0, "positive", 0.9, True, {"negative": 0.1, "positive": 0.9})
    with pytest.raises(ValueError, match="p_negative, p_positive: not among the columns of m"):
        ImageResult("a", 1, 1, "haar", "m", [face]).rows()


def test_results_travel_to_another_process_whole() -> None:
    own = tuple(columns({"moods": MOODS}))
    sent = Results([ImageResult("a", 1, 1, "haar", "m", columns=own)], own)
    came = pickle.loads(pickle.dumps(sent))
    assert came == sent and came.columns == own and came[0].rows() == sent[0].rows()
