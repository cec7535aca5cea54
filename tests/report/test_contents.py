"""A report says everything that an evaluation says, in its order, and nothing about what is not there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mien.evaluation.document import Evaluation
from mien.evaluation.measures import Estimate
from mien.report import tables
from mien.report.blocks import Cell, Document, Folded, Listing, Paragraph, Part, Picture, Row, Table, Terms, Warnings
from mien.report.contents import document
from mien.report.gather import Drawn, Subject
from mien.report.numbers import interval, number, share
from report import samples


def subject(evaluation: Evaluation, title: str = "", pictures: tuple[str, ...] = tuple(samples.COLOURS)) -> Subject:
    drawn = {name: Drawn(b"", "png", 9, 9) for name in pictures}
    return Subject(title or evaluation.model.name, Path("run"), evaluation, drawn)


def parts_of(parts: list[Part]) -> Iterator[Part]:
    for part in parts:
        yield part
        yield from parts_of(part.parts)


def blocks_of(report: Document, name: str) -> list[object]:
    return list(next(part for part in parts_of(report.parts) if part.name == name).blocks)


def table(report: Document, name: str) -> Table:
    (found,) = (b for b in report.all_blocks() if isinstance(b, Table) and b.name == name)
    return found


def texts(found: Table) -> list[list[str]]:
    return [[cell.text for cell in row.cells] for row in found.rows]


@pytest.fixture(scope="module")
def report() -> Document:
    return document([subject(samples.evaluation())])


def test_the_order_is_from_the_summary_to_the_words(report: Document) -> None:
    assert report.title == "mien-small on fer2013.parquet"
    assert report.subtitle == "public_test · 400 faces · evaluated 2025-06-01"
    assert [type(block) for block in report.blocks] == [Warnings, Table]
    assert [part.name for part in parts_of(report.parts)] == [
        *("counted", "data", "m1", "m1-scores", "m1-by-class", "m1-confusion", "m1-discrimination", "m1-certainty"),
        *("m1-votes", "m1-groups", "m1-robustness", "m1-mistakes", "m1-training", "m1-again", "m1-further", "terms"),
    ]
    for kind in (Table, Picture):
        names = [b.name for b in report.all_blocks() if isinstance(b, kind)]
        assert len(names) == len(set(names)) > 10


def test_every_picture_stands_once_where_it_belongs(report: Document) -> None:
    where = {
        block.name.removeprefix("m1-"): part.name
        for part in parts_of(report.parts)
        for block in part.blocks
        if isinstance(block, Picture)
    }
    assert where == {
        "classes": "data",
        "recall": "m1-by-class",
        "confusion": "m1-confusion",
        **dict.fromkeys(("roc", "precision-recall"), "m1-discrimination"),
        **dict.fromkeys(("reliability", "selective"), "m1-certainty"),
        "groups": "m1-groups",
        "robustness": "m1-robustness",
        **dict.fromkeys(("mistakes", "evidence", "tsne"), "m1-mistakes"),
        "curves": "m1-training",
        "my-own": "m1-further",
    }
    assert sum(isinstance(b, Picture) for b in report.all_blocks()) == len(samples.COLOURS)


def test_pictures_say_in_numbers_what_they_show(report: Document) -> None:
    alt = {b.name.removeprefix("m1-"): b.alt for b in report.all_blocks() if isinstance(b, Picture)}
    evaluation = samples.evaluation()
    scores = evaluation.scores()
    assert scores is not None
    k = scores.labels
    wrong = [(scores.confusion[i][j], k[i], k[j]) for i in range(7) for j in range(7) if i != j]
    most = max(wrong, key=lambda one: one[0])
    assert f"Most often confused: {most[0]} {most[1]} said to be {most[2]}" in alt["confusion"]
    first = scores.classes[0]
    assert f"{first.label} {number(first.roc_auc.value)}" in alt["roc"]
    assert f"{first.label} {number(first.average_precision.value)}" in alt["precision-recall"]
    assert f"{first.label} {share(first.recall.value)}" in alt["recall"]
    assert number(evaluation.certainty[0].given.error.value) in alt["reliability"]
    assert f"{share(evaluation.certainty[0].accuracy[-1])} of all answers" in alt["selective"]
    assert f"angry {evaluation.data.counts['angry']}" in alt["classes"] and "over 60" in alt["groups"]
    assert "blur 20.0%" in alt["robustness"] and "60 of 60" in alt["curves"] and alt["my-own"] == "Picture: my own."


def test_a_picture_of_another_protocol_is_described_by_it() -> None:
    evaluation = samples.evaluation()
    found = document([subject(evaluation, pictures=("confusion", "confusion-ferplus-majority"))])
    own, plus = (b for b in found.all_blocks() if isinstance(b, Picture))
    assert "360 faces" in plus.alt and "contempt" in plus.alt and "400 faces" in own.alt
    assert plus.caption.endswith("ferplus-majority.") and own.caption.endswith("said.")


def test_the_summary_has_every_protocol_beside_the_commonest_class(report: Document) -> None:
    found = table(report, "summary")
    assert [row[:2] for row in texts(found)] == [["fer2013", "400"], ["ferplus-majority", "360"]]
    scores = samples.evaluation().scores("ferplus-majority")
    assert scores is not None
    names = ("accuracy", "balanced_accuracy", "macro_f1")
    assert texts(found)[1][2:5] == [share(scores.headline[name].value) for name in names]
    assert texts(found)[1][5] == number(scores.headline["log_loss"].value)
    assert texts(found)[1][7] == share(scores.baselines["majority class"]["accuracy"])
    one = scores.headline["accuracy"]
    assert found.rows[1].cells[2].detail == interval(one.low, one.high)


def test_scores_are_those_of_their_subset_and_view(report: Document) -> None:
    evaluation = samples.evaluation()
    found = table(report, "m1-scores-fer2013")
    assert found.columns[1:] == [
        "all faces, n\u00a0=\u00a0400",
        "without identical copies, n\u00a0=\u00a0380",
        "without any copy, n\u00a0=\u00a0370",
        "copies, n\u00a0=\u00a030",
        "majority class",
        "prior guessing",
    ]
    copies = evaluation.scores(subset="copies")
    assert copies is not None
    assert texts(found)[0][4] == share(copies.headline["accuracy"].value)
    views = table(report, "m1-views")
    flip = evaluation.scores("ferplus-majority", "flip")
    assert flip is not None
    assert [row.heading for row in views.rows] == [True, False, False, True, False, False]
    assert texts(views)[5][0] == "mean with the mirrored face"
    assert texts(views)[5][5] == number(flip.headline["log_loss"].value)
    assert "must not be compared" in views.notes[0]


def test_the_confusion_matrix_has_what_a_face_is_in_rows(report: Document) -> None:
    scores = samples.evaluation().scores()
    assert scores is not None
    found = table(report, "m1-confusion-fer2013")
    body = texts(found)
    assert [row[0] for row in body] == [*scores.labels, "answers"] and found.columns[1:-1] == scores.labels
    assert [row[1:-1] for row in body[:-1]] == [[str(n) for n in row] for row in scores.confusion]
    assert [int(row[-1]) for row in body] == [*(sum(row) for row in scores.confusion), 400]
    assert [int(n) for n in body[-1][1:-1]] == [sum(row[j] for row in scores.confusion) for j in range(7)]
    cell = found.rows[0].cells[2]
    assert cell.detail == share(scores.confusion[0][1] / sum(scores.confusion[0]))
    assert cell.shade == scores.confusion[0][1] / sum(scores.confusion[0])
    assert not found.upright and table(report, "m1-confusion-ferplus-majority").upright


def test_certainty_has_temperature_points_and_what_they_were_chosen_on(report: Document) -> None:
    first = samples.evaluation().certainty[0]
    found = table(report, "m1-certainty")
    assert texts(found)[0][3] == number(first.temperature, 2) and "validation, 400 faces" in found.notes[0]
    assert first.scaled is not None
    assert texts(found)[0][1] == number(first.given.error.value)
    assert texts(found)[0][4] == number(first.scaled.error.value)
    points = table(report, "m1-operating-fer2013")
    one = first.points[1]
    assert texts(points)[1] == [
        *("10.0%", share(one.confidence), share(one.held_accuracy), share(one.held_share)),
        *(share(one.accuracy.value), share(one.share.value)),
    ]
    missed = replace(first, points=[replace(one, reached=False)])
    marked = tables.operating_points("m1", missed)
    assert marked is not None
    assert texts(marked)[0][0] == "10.0% *" and "No threshold keeps" in marked.notes[1]
    assert "Right are" in str(blocks_of(report, "m1-certainty")[0])


def test_groups_too_small_to_say_are_marked(report: Document) -> None:
    found = table(report, "m1-group-1")
    assert found.caption == "Scores by age <group>, with 95% intervals"
    assert [row[:2] for row in texts(found)] == [["30 to 60", "140"], ["over 60 *", "10"], ["under 30", "250"]]
    assert found.notes == [f"* over 60: {samples.evaluation().groups[1].warning}"]


def test_votes_and_disturbances(report: Document) -> None:
    votes = samples.evaluation().votes
    assert votes is not None
    found = table(report, "m1-votes")
    assert texts(found)[1][1:] == [number(votes.divergence.value), number(votes.baseline["divergence"])]
    assert texts(found)[3][1] == share(votes.expected_agreement.value)
    disturbed = table(report, "m1-robustness")
    assert [row[0] for row in texts(disturbed)] == ["blur", "noise", "mouth hidden"]
    assert texts(disturbed)[0][1:] == ["60.0%", "50.0%", "40.0%", "30.0%", "20.0%"]
    assert disturbed.rows[0].cells[5].detail == "sigma, px 2.5"
    scores = samples.evaluation().scores()
    assert scores is not None
    assert disturbed.notes == [f"Undisturbed: {share(scores.headline['accuracy'].value)}."]
    assert len(table(report, "m1-robustness-in-full").rows) == 3 + 15


def test_the_recipe_the_command_and_the_machine_are_there(report: Document) -> None:
    listings = [b for b in report.all_blocks() if isinstance(b, Listing)]
    assert [one.language for one in listings] == ["toml", "sh"]
    assert listings[0].text == samples.RECIPE.strip("\n") and listings[1].text == "mien evaluate runs/mien-small"
    folded = [b for b in report.all_blocks() if isinstance(b, Folded)]
    assert "The recipe as run" in [one.title for one in folded]
    made = dict(texts(table(report, "m1-made")))
    assert made["hardware"] == "A Machine, 2 cores" and made["bootstrap"] == "60 draws, seed 0"
    assert made["commit"] == "abc1234" and made["date"] == "2025-06-01"
    training = dict(texts(table(report, "m1-training-facts")))
    assert training["parameters"] == "1,464,719" and training["epochs"] == "60 of 60"
    assert training["time of a face"] == "1.20 ms in batches, on a Machine, 2 cores"
    data = dict(texts(table(report, "data-1")))
    assert data["sha256"] == samples.SHA256 and data["copies looked for in"].startswith("26,615 faces")
    assert ["identical", "20", "5.0%"] in texts(table(report, "counts-1"))


def test_warnings_and_caveats_come_first_and_say_whose_they_are() -> None:
    one = subject(samples.evaluation())
    (single, _) = document([one]).blocks[:2]
    assert isinstance(single, Warnings)
    assert [of for of, _ in single.items] == ["", ""]
    assert single.items[0][1].startswith("fer2013: 80.0%") and single.items[1][1].startswith("The split has no persons")
    (several, *_) = document([one, subject(samples.evaluation(), "other")]).blocks
    assert isinstance(several, Warnings)
    assert [of for of, _ in several.items] == ["mien-small", "mien-small", "other", "other"]
    (none, *_) = document([subject(replace(samples.of_classes(["a", "b"]), warnings=[]), "x")]).blocks
    assert isinstance(none, Warnings)
    assert none.items == [("", "Plain.")]


def test_models_on_other_faces_are_warned_about() -> None:
    first, other = samples.evaluation(), samples.of_classes(["yes", "no"])
    (warnings, *_) = document([subject(first), subject(other)]).blocks
    assert isinstance(warnings, Warnings)
    assert "not evaluated on the same faces" in warnings.items[0][1] and "share no protocol" in warnings.items[1][1]
    moved = replace(first, data=replace(first.data, part="private_test"))
    report = document([subject(first), subject(moved, "moved")])
    (warnings, *_) = report.blocks
    assert isinstance(warnings, Warnings)
    assert "not evaluated on the same faces" in warnings.items[0][1]
    captions = [b.caption for b in report.all_blocks() if isinstance(b, Table) and b.name.startswith("data-")]
    assert captions == ["The data of mien-small", "The data of moved"]


def test_words_are_explained_where_they_are_used(report: Document) -> None:
    (terms,) = (b for b in report.all_blocks() if isinstance(b, Terms))
    words = [term.word for term in terms.items]
    for word in ("95% interval", "Cohen's kappa", "expected calibration error (ECE)", "operating point", "temperature"):
        assert word in words
    assert "60 times" in terms.items[0].meaning
    (fewer,) = (b for b in document([subject(samples.of_classes(["a", "b"]))]).all_blocks() if isinstance(b, Terms))
    left = [term.word for term in fewer.items]
    assert "Cohen's kappa" in left and "operating point" not in left and "temperature" not in left
    assert "copies" not in left and not any(word.startswith("cross-entropy") for word in left)


def test_what_is_not_there_is_not_written_about() -> None:
    given = samples.of_classes(["yes", "no"])
    report = document([subject(given, pictures=())])
    assert [part.name for part in parts_of(report.parts)] == [
        *("counted", "data", "m1", "m1-scores", "m1-by-class", "m1-confusion", "m1-certainty", "m1-training"),
        *("m1-again", "terms"),
    ]
    said = [b.text for b in report.all_blocks() if isinstance(b, Paragraph)]
    assert "No operating points: no faces were held out to choose thresholds on." in said
    assert "How the model was trained is not known." in said
    assert not any(isinstance(b, Listing) for b in report.all_blocks())
    assert "not looked for" in table(report, "counts-1").notes[0]


def test_numbers_that_are_not_defined_are_dashes() -> None:
    given = samples.of_classes(["yes", "no"])
    section = given.sections[0]
    nothing = Estimate(None, None, None, 0)
    emptied = replace(
        section.scores,
        headline=dict.fromkeys(section.scores.headline, nothing),
        classes=[replace(one, recall=nothing, roc_auc=nothing) for one in section.scores.classes],
        confusion=[[0, 0], [0, 0]],
        baselines={},
    )
    bare = replace(given, sections=[replace(section, scores=emptied)], certainty=[])
    report = document([subject(bare)])
    assert texts(table(report, "summary"))[0][2:] == ["–"] * 6
    assert {cell for row in texts(table(report, "m1-scores-own")) for cell in row[1:]} == {"–"}
    assert [row[4] for row in texts(table(report, "m1-classes-own"))] == ["–", "–"]
    assert table(report, "m1-confusion-own").rows[0].cells[1] == Cell("0", "–")


def test_a_table_refuses_a_row_of_another_width() -> None:
    with pytest.raises(ValueError, match="a row of 1 cells in table x of 2 columns"):
        Table("x", "", ["a", "b"], [Row([Cell("1")])])
    Table("x", "", ["a", "b"], [Row([Cell("1")], heading=True)])


def test_pictures_that_could_not_be_shown_are_named() -> None:
    one = replace(subject(samples.of_classes(["a", "b"]), pictures=()), missing=["The picture roc cannot be shown."])
    assert blocks_of(document([one]), "m1-further") == [Paragraph("The picture roc cannot be shown.")]
