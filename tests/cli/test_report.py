"""``mien report`` as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from mien.cli import report
from mien.errors import DataError, OutputError
from report import samples


def run(*arguments: object) -> Result:
    app = typer.Typer()
    app.command()(report.report)
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture(autouse=True)
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    samples.save(tmp_path / "a" / "evaluation", samples.evaluation())


def test_a_run_becomes_a_page(tmp_path: Path) -> None:
    done = run("a")
    assert done.exit_code == 0, done.output
    assert done.stdout == "report.html: 1 model\n" and done.stderr == ""
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert text.count("<img ") == len(samples.COLOURS) and "<h1>mien-small on fer2013.parquet</h1>" in text


def test_two_become_an_appendix_with_pictures_beside_it(tmp_path: Path) -> None:
    samples.save(tmp_path / "b", samples.evaluation("other", 2.2, 1), 2.2, 1)
    done = run("a", "b", "--out", "paper/app.md", "--title", "Ours")
    assert done.exit_code == 0, done.output
    assert done.stdout == f"{Path('paper/app.md')}: 2 models, 27 pictures in {Path('paper/app-pictures')}\n"
    assert (tmp_path / "paper" / "app.md").read_text(encoding="utf-8").startswith("# Ours\n")
    assert len(list((tmp_path / "paper" / "app-pictures").iterdir())) == 27


def test_pictures_can_be_left_out(tmp_path: Path) -> None:
    assert run("a", "--no-pictures", "--out", "a.md").stdout == "a.md: 1 model\n"
    assert "![" not in (tmp_path / "a.md").read_text(encoding="utf-8") and not (tmp_path / "a-pictures").exists()


def test_data(tmp_path: Path) -> None:
    assert run("a/evaluation", "--out", "a.json").exit_code == 0
    (one,) = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))["evaluations"]
    assert one["model"]["name"] == "mien-small"


def test_a_picture_that_is_gone_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "a" / "evaluation" / "pictures" / "roc.png").unlink()
    done = run("a")
    assert done.exit_code == 0 and done.stdout == "report.html: 1 model\n"
    assert done.stderr.startswith(
        "warning: mien-small: The picture roc cannot be shown: pictures/roc.png: No such file"
    )
    assert "The picture roc cannot be shown" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_mistakes_are_one_clear_message(tmp_path: Path) -> None:
    (tmp_path / "bare").mkdir()
    error = run("bare").exception
    assert isinstance(error, DataError) and error.remedy == "Make one with: mien evaluate bare"
    error = run("absent", "--out", "a.pdf").exception  # the format before anything is read
    assert isinstance(error, OutputError) and "no such format" in str(error)
    assert run().exit_code == 2
    (tmp_path / "a" / "evaluation" / "evaluation.json").write_text("{}")
    error = run("a").exception
    assert isinstance(error, DataError) and "is damaged" in str(error)
    assert not (tmp_path / "report.html").exists()
