"""``mien analyze`` as a user runs it."""

from __future__ import annotations

import csv
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from mien import bundle
from mien.cli import analyze, app
from mien.errors import BundleError, OutputError
from mien.expressions import FER_TINY
from mien.inference.analyze import Analyzer
from mien.plots.evidence import explain
from mien.results import COLUMNS, columns
from tests_support import MOODS, card, hear_interrupts, mien, network, toy


@pytest.fixture
def album(tmp_path: Path, shared: Path) -> Path:
    """A folder with a face, two faces, none, something broken, and what is no picture."""
    folder = tmp_path / "my álbum"
    (folder / "deep er").mkdir(parents=True)
    media = shared / "data" / "media"
    shutil.copy(media / "one-face.jpg", folder / "one.jpg")
    shutil.copy(media / "one-face.jpg", folder / "deep er" / "one.jpg")
    shutil.copy(media / "no-faces.jpg", folder / "deep er" / "none.JPG")
    couple = cv2.imread(str(media / "couple.jpg"))
    cv2.imwrite(str(folder / "couple.png"), cv2.resize(couple, None, fx=0.3, fy=0.3, interpolation=cv2.INTER_AREA))
    (folder / "broken.jpg").write_bytes((media / "one-face.jpg").read_bytes()[:3000])
    (folder / "notes.txt").write_text("not a picture")
    return folder


def test_a_pipe_gets_a_json_line_per_face_and_the_rest_goes_on(album: Path, toy_bundle: Path) -> None:
    done = mien("analyze", album, "--model", toy_bundle, "--detector", "haar", cwd=album)
    assert done.returncode == 1, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert all(tuple(row) == COLUMNS for row in rows)
    by_name: dict[str, list[dict[str, object]]] = {}
    for row in rows:
        by_name.setdefault(os.path.relpath(str(row["source"]), album), []).append(row)
    assert {k: [r["status"] for r in v] for k, v in by_name.items()} == {
        "broken.jpg": ["error"],
        "couple.png": ["ok", "ok"],
        "one.jpg": ["ok"],
        "deep er/none.JPG": ["no face"],
        "deep er/one.jpg": ["ok"],
    }
    assert {(r["detector"], r["model"]) for r in rows} == {("haar", "toy")}
    assert [r["face"] for r in by_name["couple.png"]] == [0, 1]
    assert "broken.jpg" in str(by_name["broken.jpg"][0]["error"])
    assert "Traceback" not in done.stderr


def test_three_formats_have_the_same_columns_and_values(album: Path, toy_bundle: Path, tmp_path: Path) -> None:
    outs = {s: tmp_path / f"out.{s}" for s in ("jsonl", "csv", "parquet")}
    for out in outs.values():
        done = mien("analyze", "*.png", "deep er", "--out", out, "--model", toy_bundle, "--detector", "haar", cwd=album)
        assert done.returncode == 0, done.stderr
        assert done.stdout == "" and str(out) in done.stderr
    rows = [json.loads(line) for line in outs["jsonl"].read_text().splitlines()]
    assert len(rows) == 4
    assert pq.read_table(outs["parquet"]).to_pylist() == rows
    with outs["csv"].open(newline="") as stream:
        reader = csv.DictReader(stream)
        assert tuple(reader.fieldnames or ()) == COLUMNS
        for cells, row in zip(reader, rows, strict=True):
            for name in COLUMNS:
                value = row[name]
                expected = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
                assert cells[name] == expected, name


def test_annotated_pictures_keep_their_folders(album: Path, toy_bundle: Path, tmp_path: Path) -> None:
    drawn = tmp_path / "drawn"
    mien("analyze", album, "--annotate", drawn, "--out", tmp_path / "x.csv", "--model", toy_bundle, cwd=album)
    assert sorted(str(p.relative_to(drawn)) for p in drawn.rglob("*") if p.is_file()) == sorted(
        ["couple.png", "deep er/none.JPG", "deep er/one.jpg", "one.jpg"]
    )
    before, after = (cv2.imread(str(p / "couple.png")) for p in (album, drawn))
    assert before.shape == after.shape
    assert (before != after).any()


def on_a_terminal(*arguments: object, cwd: Path) -> tuple[int, str]:
    """Exit status, and what the command shows on a terminal of 140 columns."""
    master, slave = pty.openpty()
    done = subprocess.Popen(
        [sys.executable, "-m", "mien", *map(str, arguments)],
        cwd=cwd,
        stdout=slave,
        stderr=subprocess.PIPE,
        env={**os.environ, "COLUMNS": "140", "TERM": "dumb"},
    )
    os.close(slave)
    text = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:
            break
        if not part:
            break
        text += part
    return done.wait(60), text.decode()


def test_a_terminal_gets_a_table(album: Path, toy_bundle: Path) -> None:
    status, shown = on_a_terminal(
        "analyze", "one.jpg", "deep er", "broken.jpg", "--model", toy_bundle, "--detector", "haar", cwd=album
    )
    assert status == 1
    assert "expression" in shown and "confidence" in shown and "no face" in shown
    assert "one.jpg" in shown and "broken.jpg" in shown and "{" not in shown


def test_labels_with_odd_characters_survive_every_format(tmp_path: Path) -> None:
    """Commas, quotes and other scripts; and a picture that cannot be read has the same columns."""
    model = toy(tmp_path / "toy", {"moods": MOODS}, 32, only_probabilities=True)
    cv2.imwrite(str(tmp_path / "a.png"), np.random.default_rng(0).integers(0, 256, (40, 40), dtype=np.uint8))
    outs = {s: tmp_path / f"out.{s}" for s in ("jsonl", "csv", "parquet")}
    for out in outs.values():
        done = mien(
            "analyze", "a.png", "absent.png", "--out", out, "--model", model, "--detector", "none", cwd=tmp_path
        )
        assert done.returncode == 1 and "Traceback" not in done.stderr
    expected = columns({"moods": MOODS})
    rows = [json.loads(line) for line in outs["jsonl"].read_text(encoding="utf-8").splitlines()]
    assert [list(row) for row in rows] == [list(expected)] * 2 and rows[0]["expression"] in MOODS
    assert sum(rows[0][f"p_{label}"] for label in MOODS) == pytest.approx(1, abs=1e-4)
    assert rows[1]["status"] == "error" and {rows[1][f"p_{label}"] for label in MOODS} == {None}
    assert pq.read_table(outs["parquet"]).to_pylist() == rows
    with outs["csv"].open(newline="", encoding="utf-8") as stream:
        cells = list(csv.DictReader(stream))
    for label in MOODS:
        assert float(cells[0][f"p_{label}"]) == rows[0][f"p_{label}"] and cells[1][f"p_{label}"] == ""
    assert cells[0]["expression"] == rows[0]["expression"]
    piped = mien("analyze", "a.png", "--model", model, "--detector", "none", cwd=tmp_path).stdout
    assert json.loads(piped) == rows[0]


@pytest.mark.parametrize("certain", [True, False])
def test_a_terminal_shows_any_label_as_it_is(tmp_path: Path, certain: bool) -> None:
    """Rich would take ``[red]`` for a colour and ``:+1:`` for a thumb; of two equal ones the other comes next."""
    labels = (":+1:", "[red]")
    model = toy(tmp_path / "toy", {"signs": labels}, 32)
    changed = json.loads((model / "card.json").read_text())
    changed["calibration"]["uncertain_below"] = 0.0 if certain else 1.1
    (model / "card.json").write_text(json.dumps(changed))
    for i in range(6):
        face = np.random.default_rng(i).integers(0, 30 + 40 * i, (40, 40), dtype=np.uint8)
        cv2.imwrite(str(tmp_path / f"{i}.png"), face)
    _, shown = on_a_terminal("analyze", "*.png", "--model", model, "--detector", "none", cwd=tmp_path)
    lines = [line for line in shown.splitlines() if ".png" in line]
    assert len(lines) == 6
    assert all(label in line for line in lines for label in labels), shown
    assert all(("uncertain" in line) is not certain for line in lines)


def test_of_two_equally_likely_labels_the_other_comes_next(capsys: pytest.CaptureFixture[str]) -> None:
    row = dict.fromkeys(columns({"moods": MOODS})) | {
        "source": "a", "status": "ok", "face": 0, "expression": "[red]", "confidence": 0.5, "certain": True,
        "x1": 1.0, "y1": 1.0, "x2": 2.0, "y2": 2.0, **{f"p_{label}": 0.0 for label in MOODS},
        "p_[red]": 0.5, "p_expression": 0.5,
    }  # fmt: skip
    for answer, other in (("[red]", "expression"), ("expression", "[red]")):
        analyze._print_table([row | {"expression": answer}])
        (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("a ")]
        assert line.split()[2:] == [answer, "50%", other, "50%", "1,", "1,", "2,", "2"]


def test_thirteen_classes_fit_a_terminal(tmp_path: Path) -> None:
    model = toy(tmp_path / "toy", {"fer-tiny": FER_TINY.labels}, 32)
    cv2.imwrite(str(tmp_path / "a.png"), np.random.default_rng(0).integers(0, 256, (40, 40), dtype=np.uint8))
    status, shown = on_a_terminal("analyze", "a.png", "--model", model, "--detector", "none", cwd=tmp_path)
    heading, line = shown.splitlines()[:2]
    assert status == 0 and "confidence" in heading and len(heading) <= 140
    assert sum(label in line for label in FER_TINY.labels) >= 2


def test_what_is_wrong_with_a_model_s_training_is_said_once(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((30, 50), np.uint8))
    body = card({"moods": MOODS})
    said = {}
    for name, wrong in (("whole", {}), ("short", {"shortened": "2 of 100 epochs"}), ("leaked", {"leaked": "copies"})):
        body["training"] = {**card({"moods": MOODS})["training"], **wrong}
        bundle.save(tmp_path / name, network({"moods": MOODS}), body)
        options = ("--model", tmp_path / name, "--detector", "none", "--out", "x.csv")
        said[name] = mien("analyze", "a.png", "a.png", *options, cwd=tmp_path).stderr
    assert "note:" not in said["whole"]
    assert said["short"].count("this model was trained in a shortened run (2 of 100 epochs)") == 1
    assert said["leaked"].count("this model was trained on a leaked split (copies)") == 1
    assert said["short"].count("note:") == said["leaked"].count("note:") == 1


def test_none_takes_the_whole_picture(tmp_path: Path, toy_bundle: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((30, 50), np.uint8))
    done = mien("analyze", "a.png", "--detector", "none", "--model", toy_bundle, cwd=tmp_path)
    row = json.loads(done.stdout)
    assert (row["x1"], row["y1"], row["x2"], row["y2"]) == (10, 0, 40, 30)
    assert row["detection_score"] is None and row["detector"] == "none"


def test_wrong_options_are_one_clear_line(tmp_path: Path, toy_bundle: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((30, 50), np.uint8))
    for arguments, text in (
        (("--model", "absent"), "no model 'absent'"),
        (("--model", toy_bundle, "--detector", "dlib"), "no detector 'dlib'"),
        (("--model", toy_bundle, "--detector", "yunet"), "mien fetch yunet"),
        (("--model", toy_bundle, "--out", "x.txt"), ".jsonl, .csv, .parquet"),
    ):
        done = mien("analyze", "a.png", *arguments, cwd=tmp_path)
        assert done.returncode == 1
        assert done.stderr.startswith("error: ") and text in done.stderr and done.stderr.count("\n") == 1, done.stderr


@pytest.mark.parametrize("command", ["analyze", "live"])
def test_an_error_rate_says_uncertain_more_often(tmp_path: Path, toy_bundle: Path, command: str) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.random.default_rng(0).integers(0, 256, (48, 48), dtype=np.uint8))
    made = json.loads((toy_bundle / "card.json").read_text())
    made["calibration"]["thresholds"] = [
        {"error_rate": rate, "confidence": c, "accuracy": 1 - rate, "share": 0.5, "reached": True}
        for rate, c in ((0.3, 0.05), (0.1, 0.999))
    ]
    (toy_bundle / "card.json").write_text(json.dumps(made))
    source = str(tmp_path / "a.png")
    if command == "live":
        source = str(tmp_path / "a.avi")
        writer = cv2.VideoWriter(source, cv2.VideoWriter.fourcc(*"MJPG"), 25, (48, 48))
        writer.write(cv2.imread(str(tmp_path / "a.png")))
        writer.release()
    options = ["--detector", "none", "--model", str(toy_bundle), "--out", str(tmp_path / "x.jsonl")]
    options += ["--headless"] if command == "live" else []
    certain = {}
    for rate in ("0.3", "0.1", "0.2"):
        done = CliRunner().invoke(app, [command, source, *options, "--error-rate", rate])
        assert done.exit_code == 0, done.output
        certain[rate] = json.loads((tmp_path / "x.jsonl").read_text())["certain"]
    assert certain == {"0.3": True, "0.1": False, "0.2": False}
    done = CliRunner().invoke(app, [command, source, *options, "--error-rate", "0.05"])
    assert isinstance(done.exception, BundleError) and "expected at least 0.1" in str(done.exception)


def test_a_folder_without_images_and_a_pattern_without_files_have_rows(tmp_path: Path, toy_bundle: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = mien("analyze", "empty", "*.bmp", "--model", toy_bundle, cwd=tmp_path)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1 and [r["status"] for r in rows] == ["error", "error"]
    assert "empty" in rows[0]["error"] and "*.bmp" in rows[1]["error"]


def test_parquet_without_pyarrow_says_what_to_install(tmp_path: Path, toy_bundle: Path) -> None:
    blocked = (
        "import sys; sys.modules['pyarrow'] = None; sys.argv = ['mien', *sys.argv[1:]]\n"
        "from mien.cli import main; main()"
    )
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((30, 50), np.uint8))
    done = subprocess.run(
        [sys.executable, "-c", blocked, "analyze", "a.png", "--model", str(toy_bundle), "--out", "x.parquet"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1 and "pip install 'mien[table]'" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_keeps_the_rows(tmp_path: Path, toy_bundle: Path, number: signal.Signals) -> None:
    (tmp_path / "many").mkdir()
    for i in range(3000):
        (tmp_path / "many" / f"{i:04}.pgm").write_bytes(b"P5 300 300 255\n" + bytes(90000))
    command = [sys.executable, "-m", "mien", "analyze", "many", "--model", str(toy_bundle), "--detector", "haar"]
    command += ["--out", "x.csv"]
    with subprocess.Popen(
        command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, preexec_fn=hear_interrupts
    ) as process:
        end = time.monotonic() + 60
        while not any(p.stat().st_size > 3000 for p in tmp_path.glob(".x.*.csv")):
            assert process.poll() is None and time.monotonic() < end
            time.sleep(0.05)
        process.send_signal(number)
        said = process.communicate(timeout=30)[1]
    assert process.returncode == 130
    with (tmp_path / "x.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert 0 < len(rows) < 3000 and f"interrupted after {len(rows)} of 3000 images" in said
    assert all(len(row) == len(COLUMNS) and row["model"] == "toy" for row in rows)


def test_a_picture_that_cannot_be_written_stops_the_run_and_keeps_the_rows(tmp_path: Path, toy_bundle: Path) -> None:
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(tmp_path / name), np.zeros((30, 50), np.uint8))
    (tmp_path / "drawn").mkdir()
    (tmp_path / "drawn" / "b.png").mkdir()
    options = ("--detector", "none", "--model", toy_bundle, "--annotate", "drawn", "--out", "x.jsonl")
    done = mien("analyze", "a.png", "b.png", *options, cwd=tmp_path)
    assert done.returncode == 1 and "drawn/b.png cannot be written" in done.stderr
    assert [json.loads(line)["source"] for line in (tmp_path / "x.jsonl").read_text().splitlines()] == ["a.png"]


@pytest.mark.parametrize("drawn", ["pics", "pics/../pics", "link", "pics/sub"])
def test_originals_are_never_overwritten(tmp_path: Path, toy_bundle: Path, drawn: str) -> None:
    (tmp_path / "pics" / "sub").mkdir(parents=True)
    (tmp_path / "link").symlink_to("pics")
    for name in ("a.png", "b.png", "sub/b.png"):  # in pics/sub, the drawn b.png would take another's place
        cv2.imwrite(str(tmp_path / "pics" / name), np.zeros((30, 50), np.uint8))
    before = {p: p.read_bytes() for p in (tmp_path / "pics").rglob("*.png")}
    done = mien("analyze", "pics", "--detector", "none", "--model", toy_bundle, "--annotate", drawn, cwd=tmp_path)
    assert done.returncode == 1 and "would overwrite" in done.stderr and "--annotate drawn" in done.stderr
    assert {p: p.read_bytes() for p in (tmp_path / "pics").rglob("*.png")} == before


# ---- --explain


def in_process(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["analyze", *map(str, arguments)])


def test_explained_pictures_show_each_face_and_the_rows_stay_as_they_are(
    album: Path, toy_bundle: Path, tmp_path: Path
) -> None:
    options = ("--model", toy_bundle, "--detector", "haar", "--out")
    drawn = tmp_path / "explained"
    done = in_process(album, *options, tmp_path / "with.jsonl", "--explain", drawn)
    assert done.exit_code == 1, done.output  # one picture is broken, which costs its own row
    in_process(album, *options, tmp_path / "without.jsonl")
    assert (tmp_path / "with.jsonl").read_text() == (tmp_path / "without.jsonl").read_text()
    # None of the broken one, and none of the one without a face.
    found = {str(p.relative_to(drawn)): cv2.imread(str(p)) for p in drawn.rglob("*") if p.is_file()}
    assert sorted(found) == ["couple.png", "deep er/one.jpg", "one.jpg"]
    assert found["couple.png"].shape[0] > 1.5 * found["one.jpg"].shape[0] > 300
    analyzer = Analyzer(toy_bundle, "haar", explain=True)
    expected = explain(analyzer(album / "couple.png"))
    np.testing.assert_array_equal(found["couple.png"], expected)


def test_both_kinds_of_pictures_are_drawn_side_by_side(tmp_path: Path, toy_bundle: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.random.default_rng(0).integers(0, 256, (60, 60), dtype=np.uint8))
    folders = ("--annotate", tmp_path / "drawn", "--explain", tmp_path / "explained")
    done = in_process(tmp_path / "a.png", "--detector", "none", "--model", toy_bundle, *folders)
    assert done.exit_code == 0, done.output
    drawn, explained = (cv2.imread(str(tmp_path / name / "a.png")) for name in ("drawn", "explained"))
    assert drawn.shape == (60, 60, 3) and explained.shape[1] > 700


@pytest.mark.parametrize(
    ("annotate", "explained"), [("drawn", "drawn"), ("drawn", "drawn/sub"), ("drawn/sub", "drawn/./x/..")]
)
def test_pictures_of_two_kinds_do_not_take_each_other_s_place(
    tmp_path: Path, toy_bundle: Path, annotate: str, explained: str
) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((30, 50), np.uint8))
    folders = ("--annotate", tmp_path / annotate, "--explain", tmp_path / explained)
    done = in_process(tmp_path / "a.png", "--detector", "none", "--model", toy_bundle, *folders)
    assert isinstance(done.exception, OutputError) and "lie in one another" in str(done.exception)
    assert not (tmp_path / "drawn").exists() and done.stdout == ""


def test_explaining_never_overwrites_an_original(tmp_path: Path, toy_bundle: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((30, 50), np.uint8))
    before = (tmp_path / "a.png").read_bytes()
    done = in_process(tmp_path, "--detector", "none", "--model", toy_bundle, "--explain", tmp_path)
    assert isinstance(done.exception, OutputError)
    assert "--explain" in str(done.exception) and "would overwrite" in str(done.exception)
    assert (tmp_path / "a.png").read_bytes() == before


def test_a_model_that_cannot_explain_says_so_before_anything_is_written(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((30, 50), np.uint8))
    model = toy(tmp_path / "toy", {"moods": MOODS}, 32, only_probabilities=True)
    options = ("--model", model, "--detector", "none", "--out", tmp_path / "x.jsonl", "--explain", tmp_path / "drawn")
    done = in_process(tmp_path / "a.png", *options)
    assert isinstance(done.exception, BundleError) and "mien-small" in str(done.exception)
    assert not (tmp_path / "x.jsonl").exists() and not (tmp_path / "drawn").exists()
