"""``mien data maps``: the list, and one map."""

from __future__ import annotations

from pathlib import Path

import typer
from typer.testing import CliRunner, Result

from mien.cli import data_maps
from mien.errors import DataError
from mien.expressions import MAPS

app = typer.Typer()
app.command()(data_maps.maps)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)))


def test_every_map_has_a_line_that_fits_a_screen() -> None:
    lines = run().output.splitlines()
    assert [line.split()[0] for line in lines[:-1]] == list(MAPS)
    assert "fer-tiny (13) → valence (2)" in lines[MAPS.index("fer-tiny-to-valence")]
    assert max(map(len, lines)) <= 125
    assert all(line.endswith(".") for line in lines[:-1])
    assert "mien data maps NAME" in lines[-1] and "mien data import SOURCE STORE --map NAME" in lines[-1]


def test_a_map_is_shown_with_what_it_drops_and_why() -> None:
    output = run("ferplus-to-fer2013").output
    assert output.startswith("ferplus-to-fer2013: ferplus (8) → fer2013 (7)\n  neutral     → neutral\n")
    assert "  contempt    dropped\n" in output
    assert "Contempt is dropped: FER2013 has no such label" in " ".join(output.split())
    assert "no face becomes" not in output
    assert "no face becomes contempt\n" in run("fer2013-to-ferplus").output


def test_a_map_of_ones_own_is_shown_too(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('source = ["a", "b"]\ntarget = ["x"]\ndropped = ["b"]\n[map]\na = "x"\n')
    assert run(file).output == "mine: mine-source (2) → mine (1)\n  a   → x\n  b   dropped\n"


def test_a_map_that_is_not_there_is_an_error() -> None:
    error = run("fer2013-to-fore").exception
    assert isinstance(error, DataError) and "did you mean 'fer2013-to-four'" in str(error)
