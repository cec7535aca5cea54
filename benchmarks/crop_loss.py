"""What detect → crop costs: PublicTest faces laid on larger canvases, against the frame they were given in.

    python benchmarks/crop_loss.py fer2013.parquet --yunet face_detection_yunet.onnx [--model NAME|PATH]

Every face is enlarged to 60 to 300 pixels and laid at a random place on a larger even canvas. A detector has found it
if the centre of a detection lies inside the face's frame; of several, the surest is taken. Accuracy through
detect → crop is compared with accuracy on the given frame, on the faces that were found.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from machine import keep, shipped_split
from mien import bundle
from mien.data import open_faces
from mien.faces import CropGeometry, crop, frame_of, measured
from mien.inference.detect import Detector, Haar, YuNet
from mien.studies.measures.deployed import grounds

LIMIT = 0.02


def cut(detector: Detector, shape: CropGeometry, pictures: list[Any]) -> tuple[np.ndarray, np.ndarray, int]:
    """Crops of the found faces, which they are, and how many other detections there were."""
    crops, found, others = [], [], 0
    for i, (canvas, (x, y), side) in enumerate(pictures):
        inside = []
        for d in detector.detect(cv2.cvtColor(canvas, cv2.COLOR_GRAY2BGR), canvas):
            cx, cy = (d.box[0] + d.box[2]) / 2, (d.box[1] + d.box[3]) / 2
            if x <= cx < x + side and y <= cy < y + side:
                inside.append(d)
            else:
                others += 1
        if inside:
            best = max(inside, key=lambda d: d.score or 0.0)
            others += len(inside) - 1
            crops.append(crop(canvas, frame_of(best.box, best.landmarks, shape)))
            found.append(i)
    return np.stack(crops), np.array(found), others


def main() -> None:
    """Score every detector and geometry."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--yunet", type=Path, required=True)
    parser.add_argument("--model", default=bundle.DEFAULT)
    parser.add_argument("--faces", type=int)
    parser.add_argument("--part", default="public_test", choices=("public_test", "validation"))
    options = parser.parse_args()
    model = bundle.Bundle(bundle.find(options.model))
    stored = open_faces(options.data)
    rows = shipped_split(stored).parts[options.part][: options.faces]
    at = stored.positions(rows)
    truth = stored.labels[at]
    pictures = list(grounds(stored.faces[at]))

    def answers(faces: np.ndarray) -> np.ndarray:
        parts = [
            model.score(faces[i : i + 256], ["fer2013_probabilities"])["fer2013_probabilities"]
            for i in range(0, len(faces), 256)
        ]
        return np.concatenate(parts).argmax(axis=1)

    given = answers(np.ascontiguousarray(stored.faces[at])) == truth
    shapes = measured()
    cases: dict[str, tuple[Detector, dict[str, Any]]] = {
        "haar": (Haar(), shapes["detectors"]["haar"]),
        "yunet": (YuNet(options.yunet), shapes["detectors"]["yunet"]),
    }
    cases |= {name: (YuNet(options.yunet), shape) for name, shape in shapes["not_used"].items()}
    plain = CropGeometry("box", 0.0, 0.0, 1.0)
    results: dict[str, Any] = {}
    for name, (detector, shape) in cases.items():
        for kind, geometry in (("measured", CropGeometry(**shape["geometry"])), ("bare box", plain)):
            if kind == "bare box" and geometry.anchor != shape["geometry"]["anchor"]:
                continue
            crops, found, others = cut(detector, geometry, pictures)
            right = answers(crops) == truth[found]
            results[f"{name}, {kind}"] = {
                "found": len(found),
                "miss_rate": 1 - len(found) / len(at),
                "other_detections": others,
                "accuracy_given_frame": float(given[found].mean()),
                "accuracy_detected": float(right.mean()),
                "loss": float(given[found].mean() - right.mean()),
            }
    keep(
        f"crop_loss_{options.part}",
        {
            "model": model.card.name,
            "model_sha256": model.card.sha256,
            "data": stored.provenance.source,
            "part": options.part,
            "n": len(at),
            "seed": 0,
            "accuracy_given_frame_all": float(given.mean()),
            "limit": LIMIT,
            "detectors": results,
        },
    )
    for name in ("haar, measured", "yunet, measured"):
        assert results[name]["loss"] <= LIMIT, f"{name} loses {results[name]['loss']:.3f}"


if __name__ == "__main__":
    main()
