"""From a run to a bundle, and the refusal to write one that differs from torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from mien import bundle
from mien.cli import app
from mien.errors import ExportError
from mien.evaluation.calibration import certainty_threshold
from mien.evaluation.cards import ERROR_RATES
from mien.training import export, run
from mien.training.export import Deployed


@pytest.fixture
def finished(quick_recipe: Path, tmp_path: Path) -> run.Run:
    return run.start(quick_recipe, tmp_path / "run", None)


def test_the_bundle_says_what_torch_says(finished: run.Run, tmp_path: Path) -> None:
    card = export.export(finished, tmp_path / "made")
    model = bundle.Bundle(tmp_path / "made")
    faces = np.array(finished.faces.faces[:9])
    out = model.score(faces, card.outputs)
    network = finished.network
    with torch.inference_mode():
        x = torch.from_numpy(faces)[:, None].float() / 255
        logits, maps = network(x), network.maps(x)
    for name, labels in (("fer2013", 7), ("ferplus", 8)):
        np.testing.assert_allclose(out[f"{name}_logits"], logits[name].numpy(), atol=1e-4)
        scaled = np.exp(logits[name].numpy() / card.calibration.temperature[name])
        np.testing.assert_allclose(out[f"{name}_probabilities"], scaled / scaled.sum(1, keepdims=True), atol=1e-4)
        assert out[f"{name}_evidence"].shape == (9, labels, *maps.shape[2:])
        # class evidence is the logits before they are averaged over places
        np.testing.assert_allclose(out[f"{name}_evidence"].mean((2, 3)), out[f"{name}_logits"], atol=1e-4)
    np.testing.assert_allclose(out["features"], maps.mean((2, 3)).numpy(), atol=1e-4)
    assert card.parity <= export.TOLERANCE
    assert card.calibration.error_rate == 0.2
    assert [t.error_rate for t in card.calibration.thresholds] == list(ERROR_RATES)
    assert {(s.part, s.protocol.split()[0]) for s in card.scores} == {
        (p, v) for p in ("validation", "public_test") for v in ("fer2013", "ferplus")
    }
    assert card.training.excluded == {"identical to a test face": 2}
    assert card.crop["haar"].anchor == "box"


def test_scores_on_the_card_are_the_files_own(finished: run.Run, tmp_path: Path) -> None:
    card = export.export(finished, tmp_path / "made")
    at = finished.faces.positions(finished.split.parts["public_test"])
    out = bundle.Bundle(tmp_path / "made").score(np.ascontiguousarray(finished.faces.faces[at]), ["fer2013_logits"])
    right = out["fer2013_logits"].argmax(1) == finished.faces.labels[at]
    score = card.score("public_test", "fer2013")
    assert score is not None and score.value == pytest.approx(right.mean()) and score.n == 30


def test_a_network_that_differs_is_refused(finished: run.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = export.to_onnx

    def altered(deployed: Deployed, size: int) -> bytes:
        with torch.no_grad():
            weight = finished.network.head("fer2013").weight
            weight += 0.05 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(0))
            body = honest(deployed, size)
            weight.copy_(torch.zeros_like(weight))
        return body

    monkeypatch.setattr(export, "to_onnx", altered)
    with pytest.raises(ExportError, match=r"differ by .* in probability; expected at most 1e-04"):
        export.export(finished, tmp_path / "made")
    assert not (tmp_path / "made").exists()


def test_a_network_that_answers_nan_is_refused(finished: run.Run, tmp_path: Path) -> None:
    with torch.no_grad():
        finished.network.head("ferplus").bias.fill_(float("nan"))
    with pytest.raises(ExportError):
        export.export(finished, tmp_path / "made")


def test_a_reopened_run_exports_the_same_network(finished: run.Run, tmp_path: Path) -> None:
    first = export.export(finished, tmp_path / "first")
    again = export.export(run.finished(tmp_path / "run"), tmp_path / "again")
    assert first.sha256 == again.sha256
    assert first.scores == again.scores


def test_the_file_names_no_folder_of_the_machine_that_made_it(finished: run.Run, tmp_path: Path) -> None:
    export.export(finished, tmp_path / "made")
    for file in (tmp_path / "made").iterdir():
        text = file.read_bytes()
        for folder in (str(Path(torch.__file__).parent), str(Path(export.__file__).parent), str(tmp_path)):
            assert folder.encode() not in text, f"{file.name} names {folder}"


def test_an_error_rate_sets_the_threshold_of_certainty(finished: run.Run, tmp_path: Path) -> None:
    folder, out = finished.folder, tmp_path / "made"
    for wrong in ("0", "1", "-0.2", "35"):
        done = CliRunner().invoke(app, ["export", str(folder), str(out), "--error-rate", wrong])
        assert done.exit_code == 2 and "between 0 and 1" in done.output
    done = CliRunner().invoke(app, ["export", str(folder), str(out), "--error-rate", "0.35"])
    assert done.exit_code == 0, done.output
    made = bundle.read_card(out).calibration
    assert made.error_rate == 0.35
    assert [t.error_rate for t in made.thresholds] == [*ERROR_RATES, 0.35]
    at = finished.faces.positions(finished.split.parts["validation"])
    faces = np.ascontiguousarray(finished.faces.faces[at])
    p = bundle.Bundle(out).score(faces, ["fer2013_probabilities"])["fer2013_probabilities"]
    found = certainty_threshold(p, finished.faces.labels[at].astype(int), 0.65)
    assert made.n == len(at) and made.reached == found.reached
    assert made.uncertain_below == pytest.approx(found.confidence, abs=1e-5)
    assert (made.accuracy_when_certain, made.share_certain) == pytest.approx((found.accuracy, found.share))
    said = f"from a confidence of {made.uncertain_below:.1%} on: {made.share_certain:.1%} of the {made.n} held-out"
    assert said in done.output
    assert ("no confidence keeps an error rate of 35.0%" in done.output) is not made.reached
