"""Write the measured numbers into README.md and the model card, between their markers.

    python benchmarks/document.py [--check]

Everything comes from benchmarks/results/*.json, the shipped card.json and a run of ``mien demo``. ``--check`` writes
nothing and fails if a document differs.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
WEIGHTS = ROOT / "src" / "mien" / "weights" / "mien-small"
DOCUMENTS = (
    ROOT / "README.md",
    WEIGHTS / "MODEL_CARD.md",
    ROOT / "docs" / "bring-your-data.md",
    ROOT / "docs" / "train.md",
    ROOT / "docs" / "evaluate.md",
)
MARKED = re.compile(r"(<!-- numbers: (\w+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)


def result(name: str) -> dict[str, Any]:
    """What a benchmark kept."""
    found: dict[str, Any] = json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text(encoding="utf-8"))
    return found


def card() -> dict[str, Any]:
    """The shipped card."""
    found: dict[str, Any] = json.loads((WEIGHTS / "card.json").read_text(encoding="utf-8"))
    return found


def accuracy() -> str:
    """Both protocols on PublicTest, and what the network is."""
    scores, about = result("score_model")["scores"], card()
    rows = [
        f"| {labels} | PublicTest, n = {s['n']:,} | **{s['value']:.1%}** | {s['low']:.1%} to {s['high']:.1%} |"
        for labels, s in (
            ("FER2013, every face", scores["fer2013"]),
            ("FER+, official majority: single votes dropped, more than half required", scores["ferplus"]),
        )
    ]
    copies = about["training"]["excluded"]["identical to a test face"]
    return "\n".join(
        [
            "| labels | faces | accuracy | 95% interval |",
            "|---|---|---|---|",
            *rows,
            "",
            f"Single view, no test-time augmentation, on the frames that FER2013 gives. The network has "
            f"{about['parameters']:,} parameters and was trained on {about['training']['n']:,} faces of FER2013's "
            f"Training part with FER+ votes, without the {copies} that are byte-identical to a PublicTest face (seed "
            f"{about['training']['seed']}, commit {about['training']['commit']}, {about['training']['epochs']} epochs "
            f"on {about['training']['hardware']}).",
        ]
    )


def recall() -> str:
    """Share recognised by label."""
    scores = result("score_model")["scores"]
    head, line = [], []
    for label, value in scores["fer2013"]["recall"].items():
        head.append(f"{label} (n = {scores['fer2013']['support'][label]})")
        line.append(f"{value:.0%}")
    return "\n".join([f"| {' | '.join(head)} |", "|" + "---|" * len(head), f"| {' | '.join(line)} |"])


def crop() -> str:
    """What detection and cropping cost."""
    found = result("crop_loss_public_test")
    lines = ["| detector | faces missed | accuracy on the given frame | after detect and crop |", "|---|---|---|---|"]
    for key, name in (("haar, measured", "Haar (embedded)"), ("yunet, measured", "YuNet")):
        d = found["detectors"][key]
        lines.append(
            f"| {name} | {d['miss_rate']:.1%} of {found['n']:,} | {d['accuracy_given_frame']:.1%} | "
            f"{d['accuracy_detected']:.1%} |"
        )
    return "\n".join(lines)


def certainty() -> str:
    """What "certain" means."""
    c = card()["calibration"]
    return (
        f'"Certain" means that the calibrated confidence is at least {c["uncertain_below"]:.0%}. Of {c["n"]:,} '
        f"held-out faces {c['share_certain']:.0%} were, and {c['accuracy_when_certain']:.0%} of these were right; "
        f"the rest are reported as uncertain. Expected calibration error on those faces: "
        f"{c['expected_error']['fer2013']:.3f} for FER2013, {c['expected_error']['ferplus']:.3f} for FER+."
    )


def thresholds() -> str:
    """From which confidence it answers, by error rate."""
    kept = result("certainty")
    chosen, tried = card()["calibration"]["thresholds"], kept["tried_on"]
    lines = [
        f"| wrong answers wanted | certain from | certain of {kept['chosen_on']['n']:,} held-out faces | right of "
        f"these | certain of {tried['n']:,} PublicTest faces | right of these (95% interval) |",
        "|---|---|---|---|---|---|",
    ]
    for t, point in zip(chosen, tried["points"], strict=True):
        right = point["accuracy"]
        lines.append(
            f"| at most {t['error_rate']:.0%} | {t['confidence']:.1%} | {t['share']:.1%} | {t['accuracy']:.1%} | "
            f"{point['share']['value']:.1%} | {right['value']:.1%} ({right['low']:.1%} to {right['high']:.1%}) |"
        )
    return "\n".join(lines)


def cost() -> str:
    """Size, time and memory."""
    install, startup, memory = result("base_install"), result("startup"), result("memory")
    return (
        f"The base install takes {install['environment_mb']:.0f} MB in a clean virtual environment, pip and setuptools "
        f"included; the shipped model is {install['weights_mb']:.1f} MB of it. `mien analyze` of one photograph, as a "
        f"whole process, takes {startup['analyze_over_bare_imports']:.1f} times as long as merely importing NumPy, "
        f"OpenCV and ONNX Runtime in the same run. Its peak memory for a folder of 2,000 images is "
        f"{memory['ratio']:.2f} times that for 200."
    )


def audit() -> str:
    """What the audit of FER2013 finds."""
    kept = result("audit")
    found, near = kept["findings"], kept["findings"]["near_identical"]
    across = {c["kind"]: c["faces"] for c in found["across_parts"] if c["parts"] == ["Training", "PublicTest"]}
    copied = sum(faces[1] for faces in across.values())
    return (
        f"On the {kept['n']:,} faces of FER2013's Training and PublicTest it finds {found['identical']['groups']:,} "
        f"groups of identical images with {found['identical']['surplus']:,} surplus copies, "
        f"{found['contradictory']['groups']} of the groups with contradictory labels. {across['identical'][1]} "
        f"PublicTest faces are identical to one of {across['identical'][0]} Training faces. Besides there are "
        f"{near['pairs']:,} pairs of near-identical faces, the same photograph in another crop, size, encoding or "
        f"lightness, {near['mirrored']} of them mirrored; {near['share_across_parts']:.0%} of the pairs cross the "
        f"parts, and {near['contradictory']:,} have different labels. In all, **{copied:,} of the "
        f"{sum(found['parts']['PublicTest'].values()):,} PublicTest faces "
        f"({copied / sum(found['parts']['PublicTest'].values()):.1%}) have a copy in Training.**"
    )


def found_again() -> str:
    """Which made copies the audit finds."""
    kept = result("audit")
    ways = sorted(kept["found_again"].items(), key=lambda item: -item[1])
    lines = [f"| {way} | {share:.1%} |" for way, share in ways]
    return "\n".join([f"| copies made of {kept['copies']:,} faces | found again |", "|---|---|", *lines])


def imports() -> str:
    """How quick the readers are."""
    table, pictures = result("import_csv"), result("import_images")
    ratios = " and ".join(
        f"{v['files']:,} {'/'.join(s.removeprefix('.').upper() for s in v['suffixes'])} files "
        f"{v['times_as_fast']['median']:.1f} times"
        for k, v in pictures.items()
        if k != "machine"
    )
    return (
        f"Kaggle's `fer2013.csv` is imported {table['times_as_fast']['split_and_int']:.1f} times as fast as by pandas "
        f"with `split` and `int`, and {table['times_as_fast']['fromstring']:.1f} times as fast as by pandas with "
        f"`np.fromstring`, though mien also checks every row, hashes the file and writes the store; its peak memory is "
        f"{table['peak_mib']['mien']:.0f} MiB, theirs {table['peak_mib']['split_and_int']:,.0f} and "
        f"{table['peak_mib']['fromstring']:,.0f}. Folders of pictures: {ratios} as fast as a loop with OpenCV."
    )


def unseen() -> str:
    """Accuracy on the faces that have no copy of any kind in Training."""
    scores = result("score_model")["scores"]
    plain, plus = (
        scores[f"{v}, faces with no copy and no near-identical face in Training"] for v in ("fer2013", "ferplus")
    )
    return (
        f"FER2013 has more copies than identical files: `mien data audit` finds near-identical ones of many PublicTest "
        f"faces in Training, which were not known when the network was trained. On the PublicTest faces without any "
        f"copy it scores {plain['value']:.1%} ({plain['low']:.1%} to {plain['high']:.1%}, n = {plain['n']:,}) on "
        f"FER2013's labels and {plus['value']:.1%} ({plus['low']:.1%} to {plus['high']:.1%}, n = {plus['n']:,}) on "
        f"FER+'s."
    )


def training_speed() -> str:
    """How quick an epoch is."""
    kept = result("training_speed")
    return (
        f"An epoch of the convrelu-ann network over {kept['faces']:,} faces, batch 32 as in the paper, on "
        f"{kept['machine']['cores']} cores: {kept['keras_over_mien']:.1f} times as fast as Keras on TensorFlow with "
        f"equal input, {kept['keras_generator_over_mien_augmented']:.1f} times with augmentation, mien's against the "
        f"paper's ImageDataGenerator, {kept['keras_over_mien_best_batches']:.1f} times with the best batch of each; "
        f"and {kept['mien_augmented_over_bare']:.2f} times the time of the bare network on tensors in memory, "
        f"augmentation included (medians of {len(kept['rounds'])} rounds; mien computes in bfloat16 as its recipe "
        f"says, Keras in float32 as the paper's did)."
    )


def svm_tuning() -> str:
    """How long the search for an SVM takes."""
    kept = result("svm_tuning")
    own, other = kept["searches"]["scikit_learn"], kept["searches"].get("intelex", [])
    said = [
        f"A search of {kept['section']['candidates']} candidates × {kept['section']['folds']} folds over "
        f"{own[-1]['rows']:,} rows of {kept['features']} features took {own[-1]['minutes']:.1f} minutes with "
        f"scikit-learn on {kept['machine']['cores']} cores, and grows with the power "
        f"{kept['growth']['scikit_learn']:.1f} of the rows."
    ]
    if other:
        ratio = kept["times_as_fast_with_intelex"]
        said.append(
            f"With scikit-learn-intelex {other[-1]['rows']:,} rows took {other[-1]['minutes']:.1f} minutes, "
            f"{ratio:.2f} times as fast as without at {kept['rows_of_the_comparison']:,} rows; it grows with the power "
            f"{kept['growth']['intelex']:.1f}."
        )
    said += [f"With {way.replace('_', '-')}, {why}." for way, why in kept["not_run"].items() if why]
    return " ".join(said)


def rivals() -> str:
    """Ours beside anyone's, on the same faces."""
    kept = result("rivals")
    compared = {name: c for name, c in kept["comparisons"].items() if "all faces" in name or name.startswith("fer2013")}
    lines = [
        "| accuracy on PublicTest | " + " | ".join(f"{name}, n = {c['n']:,}" for name, c in compared.items()) + " |",
        "|---" * (len(compared) + 1) + "|",
    ]
    for model in next(iter(compared.values()))["models"]:
        found = [c["models"][model]["accuracy"] for c in compared.values()]
        cells = (f"{a['value']:.1%} ({a['low']:.1%} to {a['high']:.1%})" for a in found)
        lines.append(f"| {model} | " + " | ".join(cells) + " |")
    pairs = [pair for c in compared.values() for pair in c["pairs"]]
    ours = [pair for pair in pairs if "mien-small" in (pair["first"], pair["second"])]
    won = sum(pair["better"] == "mien-small" for pair in ours)
    others = [f"{m['times_as_slow_as_mien']:.2g} for {name}" for name, m in kept["models"].items() if "ms_a_face" in m]
    return "\n".join(
        [
            *lines,
            "",
            f"With 95% intervals. In {won} of {len(ours)} comparisons with mien-small, McNemar's test on the same "
            f"faces, corrected for their number (Holm), finds mien-small better (the largest p is "
            f"{max(pair['corrected'] for pair in ours):.1g}). Time for one face on one thread, in the same run, in "
            f"multiples of mien-small's: {' and '.join(others)}; fer takes the quantized one by default. "
            "Under FER+ fer's seven answers go through the map fer2013-to-ferplus, while mien-small learnt FER+ votes "
            "too. What fer's network was trained on is not known.",
        ]
    )


def evaluation_cost() -> str:
    """Time and memory of an evaluation."""
    kept = result("evaluation_cost")
    return (
        f"An evaluation of {kept['n']:,} faces with every score, {len(kept['pictures'])} pictures and the search for "
        f"copies among {kept['trained']:,} training faces takes {kept['times_scoring_alone']:.1f} times as long as "
        f"scoring the faces alone, as a whole process on {kept['machine']['cores']} cores, and "
        f"{kept['peak_mib'] / 1024:.1f} GiB."
    )


def further() -> str:
    """More of the shipped model's scores, from ``mien evaluate``."""
    kept = result("mien-small-evaluation")
    shown = {"balanced_accuracy": "balanced accuracy", "macro_f1": "F1, macro", "kappa": "Cohen's kappa"}
    lines = [
        f"| labels | faces | view | accuracy | {' | '.join(shown.values())} | always the commonest class |",
        "|---" * (5 + len(shown)) + "|",
    ]
    for section in kept["sections"]:
        if section["subset"] == "copies":
            continue
        scores, faces = section["scores"], "all" if section["subset"] == "all" else f"with {section['subset']}"
        value = scores["headline"]
        first = value["accuracy"]
        cells = [f"{first['value']:.1%} ({first['low']:.1%} to {first['high']:.1%})"]
        cells += [f"{value[m]['value']:.3f}" if m == "kappa" else f"{value[m]['value']:.1%}" for m in shown]
        cells.append(f"{scores['baselines']['majority class']['accuracy']:.1%}")
        lines.append(f"| {section['protocol']} | {faces}, {scores['n']:,} | {section['view']} | {' | '.join(cells)} |")
    made, protocols = kept["made"], [f"{p['name']}: {p['title']}" for p in kept["protocols"]]
    return "\n".join(
        [
            *lines,
            "",
            f"{'. '.join(protocols)}. Copies are among {kept['data']['trained_on']}. 95% intervals by the bootstrap "
            f"over faces ({made['draws']:,} resamples, seed {made['seed']}); commit {made['commit']}, "
            f"{made['hardware']}.",
        ]
    )


def disturbed() -> str:
    """The shipped model on disturbed faces."""
    kept = result("mien-small-evaluation")
    found: dict[str, list[str]] = {}
    for one in kept["disturbed"]:
        found.setdefault(one["corruption"], []).append(f"{one['accuracy']['value']:.1%} at {one['amount']}")
    widest = max((d["accuracy"]["high"] - d["accuracy"]["low"]) / 2 for d in kept["disturbed"])
    return "\n".join(
        [
            "| disturbance | strength 1 | 2 | 3 | 4 | 5 |",
            "|---|---|---|---|---|---|",
            *(f"| {name} | {' | '.join(cells)} |" for name, cells in found.items()),
            "",
            f"Accuracy on FER2013's labels, n = {kept['data']['n']:,}; 95% intervals reach at most {100 * widest:.1f} "
            "points to either side.",
        ]
    )


def demo() -> str:
    """What ``mien demo`` prints."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", "mien", "demo", "--detector", "haar"],
            cwd=folder, capture_output=True, text=True, check=True,
        )  # fmt: skip
    return f"```text\n{done.stdout.rstrip()}\n```"


BLOCKS: dict[str, Callable[[], str]] = {
    "accuracy": accuracy,
    "recall": recall,
    "crop": crop,
    "certainty": certainty,
    "thresholds": thresholds,
    "cost": cost,
    "audit": audit,
    "found": found_again,
    "imports": imports,
    "unseen": unseen,
    "training_speed": training_speed,
    "svm_tuning": svm_tuning,
    "rivals": rivals,
    "evaluation_cost": evaluation_cost,
    "further": further,
    "disturbed": disturbed,
    "demo": demo,
}


def written(text: str) -> str:
    """A document with its marked blocks made anew; the demo's only where it says something else."""

    def made(block: re.Match[str]) -> str:
        body = BLOCKS[block[2]]() + "\n"
        kept = block[2] == "demo" and alike(block[3], body)
        return f"{block[1]}{block[3] if kept else body}{block[4]}"

    return MARKED.sub(made, text)


def alike(one: str, other: str) -> bool:
    """Whether two printed answers differ by rounding only: another processor may give another last digit."""
    number = re.compile(r"\d+(?:\.\d+)?")
    bare = [number.sub("", text.replace("█", "")).split() for text in (one, other)]
    pairs = zip(number.findall(one), number.findall(other), strict=False)
    return bare[0] == bare[1] and all(abs(float(a) - float(b)) <= 1.0 for a, b in pairs)


def main() -> None:
    """Write or check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    stale = []
    for path in DOCUMENTS:
        before = path.read_text(encoding="utf-8")
        after = written(before)
        if before != after:
            stale.append(path.name)
            if not check:
                path.write_text(after, encoding="utf-8")
    if check and stale:
        sys.exit(f"{', '.join(stale)}: numbers differ from what was measured; run python benchmarks/document.py")


if __name__ == "__main__":
    main()
