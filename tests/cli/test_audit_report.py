"""``mien audit-report`` as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from mien.cli import audit_report
from mien.errors import OutputError

app = typer.Typer()
app.command()(audit_report.audit_report)

CLEAN = 'title = "Fine"\naccuracy = 0.850\nn = 200\nclasses = 2\n[confusion]\ncells = [[90, 10], [20, 80]]\n'
DOUBTFUL = "accuracy = 0.50\nn = 100\nclasses = 2\n"
FAULTY = CLEAN.replace("0.850", "0.950")


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    for name, text in {"clean": CLEAN, "doubtful": DOUBTFUL, "faulty": FAULTY, "broken": "accuracy = 75\n"}.items():
        (tmp_path / f"{name}.toml").write_text(text, encoding="utf-8")
    return tmp_path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)))


def test_the_exit_status_tells_faults_alone(desk: Path) -> None:
    assert [run(desk / f"{name}.toml").exit_code for name in ("clean", "doubtful", "faulty")] == [0, 0, 1]
    assert "nothing wrong" in run(desk / "clean.toml").output
    assert run(desk / "doubtful.toml").output.rstrip().endswith("1 doubt")
    assert run(desk / "clean.toml", desk / "faulty.toml").exit_code == 1
    assert run(desk / "faulty.toml", desk / "clean.toml").exit_code == 1


def test_a_finding_has_its_arithmetic_and_the_correct_reading(desk: Path) -> None:
    output = run(desk / "faulty.toml").output
    assert "Fine\n\nresult 1\n  fault  The matrix and the scores contradict each other.\n" in output
    assert "accuracy is printed 0.950 and comes to 0.850." in output and "→ One of the two" in output
    assert "\x1b" not in output


def test_a_bad_file_costs_itself(desk: Path) -> None:
    done = run(desk / "broken.toml", desk / "none.toml", desk / "clean.toml", "--json", desk / "found.json")
    assert done.exit_code == 1
    assert "0.75, not 75" in done.stderr and "none.toml cannot be read" in done.stderr
    assert "nothing wrong" in done.stdout
    assert {row["title"] for row in json.loads((desk / "found.json").read_text(encoding="utf-8"))} == {"Fine"}


def test_json_holds_every_finding(desk: Path) -> None:
    run(desk / "clean.toml", desk / "faulty.toml", "--json", desk / "new" / "found.json")
    rows = json.loads((desk / "new" / "found.json").read_text(encoding="utf-8"))
    assert [list(row) for row in rows] == [
        ["file", "title", "result", "check", "severity", "what", "arithmetic", "reading"]
    ] * len(rows)
    assert [(Path(row["file"]).name, row["check"], row["severity"]) for row in rows][:2] == [
        ("clean.toml", "cells", "fine"), ("clean.toml", "guessing", "fine"),
    ]  # fmt: skip
    assert ("faulty.toml", "cells", "fault") in [(Path(r["file"]).name, r["check"], r["severity"]) for r in rows]
    assert run(desk / "clean.toml", "--json", desk).exception.__class__ is OutputError
    assert run(desk / "clean.toml", "--json", desk / "clean.toml" / "found.json").exception.__class__ is OutputError


def test_a_pipe_gets_lines_that_fit_and_brackets_as_they_are(desk: Path) -> None:
    (desk / "odd.toml").write_text(
        'title = "[bold]T[/bold]"\nname = "[red]odd[/nothing]"\nclasses = ["[a]", "b"]\n'
        + FAULTY.split("\n", 1)[1].replace("classes = 2\n", "")
        + "[report]\nsupport = [3, 4]\n",
        encoding="utf-8",
    )
    output = run(desk / "odd.toml").output
    assert "[bold]T[/bold]" in output and "[red]odd[/nothing]" in output and "support of [a] is printed 3" in output
    lines = output.splitlines()
    assert max(map(len, lines)) <= 120 and all(line == line.rstrip() for line in lines)
