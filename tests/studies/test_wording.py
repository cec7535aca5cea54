"""Numbers in the sentences of a study: the right one, as it should be written, or what it still waits for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.errors import StudyError
from mien.studies.compared import VALUES, Unmeasured, compare
from mien.studies.result import Quantity, Result
from mien.studies.wording import Known, check_wording, fill, systems_in, unsayable, written
from studies import samples


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Known:
    return made(tmp_path_factory.mktemp("study"), samples.results())


def made(folder: Path, results: dict[str, Result]) -> Known:
    study = samples.study(folder)
    return Known(study, results, {asked.name: compare(asked, results) for asked in study.comparison})


SHARE = Quantity("share", 0.6308, 0.6149, 0.6461, 3584)


@pytest.mark.parametrize(
    ("quantity", "form", "text"),
    [
        (SHARE, "", "63.1% (95% interval 61.5 to 64.6, n\u00a0=\u00a03,584)"),
        (SHARE, "short", "63.1%"),
        (SHARE, "points", "63.1 points"),
        (replace(SHARE, n=0), "", "63.1% (95% interval 61.5 to 64.6)"),
        (Quantity("share", 0.5, n=128), "", "50.0% (n\u00a0=\u00a0128)"),
        (Quantity("number", 0.8123, 0.75, 0.9, 7), "", "0.812 (95% interval 0.750 to 0.900, n\u00a0=\u00a07)"),
        (Quantity("count", 605060.0), "", "605,060"),
        (Quantity("seconds", 7500.0), "", "2\u202fh 5\u202fmin"),
        (Quantity("text", text="as printed"), "short", "as printed"),
        (Quantity("share"), "", "not defined"),
    ],
)
def test_a_number_is_written_as_its_kind_wants(quantity: Quantity, form: str, text: str) -> None:
    assert written(quantity, form) == text


def test_what_is_no_share_has_no_points() -> None:
    with pytest.raises(StudyError, match="a count is to be written in points"):
        written(Quantity("count", 3.0), "points")


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("{plain/parameters} weights", "605,060 weights"),
        ("{plain/training/epochs} of {plain/training/planned}", "4 of 32"),
        ("{plain/training/seconds}, seed {plain/training/seed}", "4\u202fmin 6\u202fs, seed 1234"),
        ("{short/training/shortened}{plain/training/leaked}", "3 of 32 epochs"),
        ("{plain/loss:test/log_loss - plain/public_test/log_loss:short}", "+0.412"),
        ("{plain/training/hardware}", "A Processor, 2 cores"),
        ("{plain/loss:test/log_loss:short}", "0.812"),
        ("{plain/loss:test/why}", "So."),
        ("{plain/test/recall sad:short}", "50.0%"),
        ("{plain/parameters - wrong-input/parameters}", "+604,060"),
        ("{wrong-input/parameters - plain/parameters}", "−604,060"),
        ("{plain/test/majority - plain/public_test/majority:short}", "0.0 points"),
        ("{plain/public_test/log_loss - leaked/public_test/log_loss}", "−0.050"),
        ("{grid/n}, {grid/pairs}, {grid/sample}", "600, 3, 60"),
        ("{grid/winner} before {grid/second}", "As it should be before Over-sample, then split"),
        ("no number\n  in two lines ", "no number in two lines"),
    ],
)
def test_a_placeholder_becomes_its_number(known: Known, text: str, filled: str) -> None:
    assert fill(text, known) == filled


def test_a_part_and_a_system_are_not_taken_for_others(known: Known) -> None:
    for system, parts in (("plain", ("test", "public_test")), ("leaked", ("test", "public_test"))):
        for part in parts:
            wanted = 100 * (known.results[system].parts[part].scores["accuracy"].value or 0)
            assert fill(f"{{{system}/{part}/accuracy:short}}", known) == f"{wanted:.1f}%"


def test_a_difference_of_accuracies_has_an_interval(known: Known) -> None:
    right = {name: known.results[name].parts["public_test"].hits().mean() for name in ("plain", "leaked")}
    change = 100 * (right["leaked"] - right["plain"])
    text = fill("{leaked/public_test/accuracy - plain/public_test/accuracy}", known)
    assert isinstance(text, str)
    assert text.startswith(f"−{-change:.1f} points (95% interval −") and text.endswith("n\u00a0=\u00a0600)")
    assert fill("{leaked/public_test/accuracy - plain/public_test/accuracy:points}", known) == f"{-change:.1f} points"


def test_points_are_said_once(known: Known) -> None:
    short = "{plain/public_test/accuracy - leaked/public_test/accuracy:short}"
    assert fill(f"{short} points more", known) == f"{fill(short, known)} more"
    assert fill("±{grid/half_width_sample} points wide", known) == f"±{fill('{grid/half_width_sample}', known)} wide"
    assert fill("{plain/parameters} points", known) == "605,060 points"
    assert fill("{plain/public_test/majority} points", known) == "40.0% (n\u00a0=\u00a0600) points"


def test_widths_have_no_sign_and_margins_an_interval(known: Known) -> None:
    width, margin = fill("{grid/half_width_sample}", known), fill("{grid/margin}", known)
    assert isinstance(width, str) and isinstance(margin, str)
    assert width[0].isdigit() and width.endswith(" points") and "(" not in width
    assert margin.startswith("+") and " points (95% interval " in margin


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("{later/public_test/accuracy}", ("later",)),
        ("{plain/public_test/accuracy} and {later/parameters}, {later/training/seconds}", ("later",)),
        ("{absent/public_test/accuracy}", ("absent, which could not be run",)),
        ("{later/public_test/accuracy - absent/public_test/accuracy}", ("later", "absent, which could not be run")),
        ("{open/n}", ("later",)),
    ],
)
def test_what_is_missing_is_named(known: Known, text: str, missing: tuple[str, ...]) -> None:
    found = fill(text, known)
    assert found == Unmeasured(missing)
    assert str(found) == f"not measured yet: needs {', '.join(missing)}"


def test_a_measure_that_a_result_was_not_asked_for_is_waited_for(tmp_path: Path) -> None:
    results = samples.results()
    results["plain"] = replace(results["plain"], measures={})
    assert fill("{plain/loss:test/log_loss}", made(tmp_path, results)) == Unmeasured(("loss:test of plain",))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{plain/public_test/no_copy}", "{plain/public_test/no_copy} is not in the result; expected one of accuracy"),
        ("{plain/loss:test/log_los}", "{plain/loss:test/log_los} is not in the result; expected log_loss"),
        ("{plain/parameters:points}", "a count is to be written in points"),
    ],
)
def test_what_no_run_can_fill_is_no_waiting(known: Known, text: str, problem: str) -> None:
    with pytest.raises(StudyError) as caught:
        fill(text, known)
    assert problem in str(caught.value)
    finding = known.study.finding[0].model_copy(update={"explanation": f"So {text}."})
    wrong = replace(known, study=known.study.model_copy(update={"finding": [finding], "believe": text}))
    assert [line.partition(": ")[0] for line in unsayable(wrong)] == ["believe", "finding 'The headline', explanation"]
    assert problem in unsayable(wrong)[0] and unsayable(known) == []


def test_a_comparison_waits_for_all_of_its_systems(tmp_path: Path) -> None:
    results = samples.results()
    del results["wrong-input"]
    assert fill("{grid/apart}", made(tmp_path, results)) == Unmeasured(("wrong-input",))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{plan/public_test/accuracy}", "there is no system and no comparison 'plan'"),
        ("{plain/private_test/accuracy}", "plain has no 'private_test', but training, test, public_test, loss:test"),
        ("{plain/public_test/acuracy}", "a part has accuracy"),
        ("{plain/training/second}", "training has epochs"),
        ("{plain/loss/log_loss}", "plain has no 'loss'"),
        ("{plain/epochs}", "of a system alone there is parameters"),
        ("{grid/best}", "a comparison has n, systems"),
        ("{grid/public_test/n}", "a comparison has"),
        ("{open/sample}", "the comparison open has no sample"),
        ("{open/winner_share}", "the comparison open has no sample"),
        ("{plain/public_test/accuracy:long}", "is no number of a study"),
        ("{plain}", "is no number of a study"),
        ("{}", "is no number of a study"),
        ("{plain/parameters - later/epochs}", "of a system alone there is parameters"),
        ("{plain/parameters - short/parameters - short/parameters}", "is no number of a study"),
        ("{ plain/parameters}", "is no number of a study"),
        ("{plain/parameters:}", "is no number of a study"),
        ("{plain/parameters - }", "is no number of a study"),
        ("a } alone", "a brace stands alone"),
        ("{ {plain/parameters}", "a brace stands alone"),
    ],
)
def test_a_typo_is_found_before_anything_is_measured(tmp_path: Path, text: str, problem: str) -> None:
    toml = samples.STUDY.replace('explanation = "Because."', f'explanation = "{text}"')
    assert toml != samples.STUDY
    with pytest.raises(StudyError, match="finding 'What is to come', explanation: ") as caught:
        check_wording(samples.study(tmp_path, toml))
    assert problem in str(caught.value) and "{SYSTEM/GROUP/NAME}" in str(caught.value)


def test_every_sentence_is_checked(tmp_path: Path) -> None:
    check_wording(samples.study(tmp_path / "right"))
    for at, sentence in enumerate(
        ("Believe {plain", "{plain/public_test/accuracy}; ", "The leak: a loss of {plain/lo")
    ):
        wrong = samples.STUDY.replace(sentence, sentence.replace("{plain", "{plane"))
        with pytest.raises(StudyError, match="'plane'"):
            check_wording(samples.study(tmp_path / str(at), wrong))


def test_every_value_of_a_comparison_can_be_written(known: Known) -> None:
    for name in VALUES:
        text = fill(f"{{grid/{name}}}", known)
        assert isinstance(text, str) and text


def test_numbers_of_two_kinds_have_no_difference(known: Known) -> None:
    with pytest.raises(StudyError, match="is of a share and a count"):
        fill("{plain/public_test/accuracy - plain/parameters}", known)


def test_the_systems_of_a_sentence_are_known(known: Known) -> None:
    text = "{later/parameters} {grid/n} {plain/parameters - short/parameters}"
    assert systems_in(text, known.study) == ["plain", "leaked", "short", "wrong-input", "later"]
    assert systems_in("none", known.study) == []


@given(st.text(alphabet="{}/:- ab\n", max_size=20))
@settings(max_examples=60)
def test_what_is_not_complained_about_can_be_filled(text: str) -> None:
    study = KNOWN.study.model_copy(update={"believe": text, "finding": []})
    try:
        check_wording(study)
    except StudyError:
        return
    assert "{" not in str(fill(text, KNOWN))


def _alone() -> Known:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        return made(Path(folder), {})


KNOWN = _alone()
