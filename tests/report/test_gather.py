"""Evaluations are found and read; a picture that cannot be shown costs only itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mien.errors import DataError
from mien.report.gather import gather, locate
from report import samples


def test_a_run_and_its_evaluation_are_the_same(tmp_path: Path) -> None:
    folder = samples.save(tmp_path / "run" / "evaluation", samples.evaluation())
    assert locate(tmp_path / "run") == locate(folder) == folder
    (found,) = gather([tmp_path / "run"])
    assert found.evaluation == samples.evaluation() and found.title == "mien-small" and found.folder == folder
    assert list(found.pictures) == list(samples.COLOURS) and found.missing == []
    one = found.pictures["roc"]
    assert (one.kind, one.width, one.height) == ("png", 900, 420)
    assert one.data == samples.picture(samples.COLOURS["roc"])


def test_pictures_can_be_left_alone(tmp_path: Path) -> None:
    samples.save(tmp_path / "run" / "evaluation", samples.evaluation())
    assert gather([tmp_path / "run"], pictures=False)[0].pictures == {}


def test_a_folder_without_an_evaluation_says_what_to_type(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with pytest.raises(DataError, match="holds no evaluation") as error:
        gather([tmp_path / "run"])
    assert error.value.remedy == f"Make one with: mien evaluate {tmp_path / 'run'}"
    with pytest.raises(DataError, match="no such folder"):
        gather([tmp_path / "absent"])


def test_no_evaluation_is_read_twice(tmp_path: Path) -> None:
    folder = samples.save(tmp_path / "run" / "evaluation", samples.evaluation())
    with pytest.raises(DataError, match="is the same evaluation as"):
        gather([tmp_path / "run", folder])


def test_models_of_one_name_are_told_apart(tmp_path: Path) -> None:
    given = samples.of_classes(["yes", "no"])
    folders = [tmp_path / "a" / "evaluation", tmp_path / "b" / "evaluation", tmp_path / "c", tmp_path / "d" / "c"]
    for folder in folders:
        samples.save(folder, given)
    assert [s.title for s in gather(folders)] == ["plain (a)", "plain (b)", "plain (c), 1", "plain (c), 2"]


def test_a_picture_that_cannot_be_shown_costs_only_itself(tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(samples.picture((1, 2, 3)))
    folder = samples.save(tmp_path / "run", samples.of_classes(["yes", "no"]))
    pictures = folder / "pictures"
    pictures.mkdir()
    whole = samples.picture((9, 9, 9))
    (pictures / "whole.png").write_bytes(whole)
    (pictures / "cut.png").write_bytes(whole[:-20])
    (pictures / "text.png").write_text("<svg onload='alert(1)'/>")
    (pictures / "bitmap.png").write_bytes(b"BM" + bytes(12) + b"(" + bytes(3) + b"\x01\0\0\0\x01\0\0\0" + bytes(40))
    (pictures / "link.png").symlink_to(secret)
    names = {"roc": "whole", "recall": "cut", "curves": "text", "tsne": "bitmap", "groups": "link", "classes": "absent"}
    files = {name: f"pictures/{file}.png" for name, file in names.items()}
    evaluation = samples.of_classes(["yes", "no"])
    bad = {"confusion": "../secret.png", "mistakes": str(secret), "evidence": "a\0b"}
    replace(evaluation, pictures={**files, **bad}).save(folder)
    (found,) = gather([folder])
    assert list(found.pictures) == ["roc"]
    assert len(found.missing) == len(files) + len(bad) - 1
    outside = [text for text in found.missing if "outside" in text]
    assert [text.split()[2] for text in outside] == ["groups", "confusion", "mistakes"]
