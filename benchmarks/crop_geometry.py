"""Measure where FER2013's frame lies relative to each detector's box, and write it down as data.

    python benchmarks/crop_geometry.py fer2013.parquet --yunet face_detection_yunet.onnx [--write]

Training faces (none that is identical to a test face, none of validation) are enlarged to several sizes and laid on a
larger gray canvas; where a detector finds exactly one face there, the frame's centre and side are expressed in the
detector's own units (``mien.faces.CropGeometry``). The medians are the geometry; quartiles and miss rates are kept
beside them. ``--write`` replaces src/mien/crop_geometry.json.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import cv2
import numpy as np

from machine import machine, shipped_split
from mien.data import open_faces
from mien.faces import anchor_of
from mien.files import write_text
from mien.inference.detect import Detector, Haar, YuNet

SIDES = (96, 144, 240)  # pixels that the frame takes on the canvas
CANVAS = 2.0  # side of the canvas in frames
ROOT = Path(__file__).resolve().parents[1]


def canvas_of(face: np.ndarray, side: int, at: tuple[int, int], shape: tuple[int, int], gray: int) -> np.ndarray:
    """A (48, 48) face enlarged to ``side`` on an even canvas of (h, w), its corner at (x, y)."""
    canvas = np.full(shape, gray, np.uint8)
    x, y = at
    canvas[y : y + side, x : x + side] = cv2.resize(face, (side, side), interpolation=cv2.INTER_CUBIC)
    return canvas


def measure(detector: Detector, anchor: str, faces: np.ndarray) -> dict[str, object]:
    """Offsets and sides over all faces and sizes, for one detector and anchor."""
    found, shown = [], 0
    for i, face in enumerate(faces):
        side = SIDES[i % len(SIDES)]
        n = round(side * CANVAS)
        corner = (n - side) // 2
        canvas = canvas_of(face, side, (corner, corner), (n, n), int(face.mean()))
        shown += 1
        detections = detector.detect(cv2.cvtColor(canvas, cv2.COLOR_GRAY2BGR), canvas)
        if len(detections) != 1:
            continue
        own = anchor_of(detections[0].box, detections[0].landmarks, anchor)
        centre = corner + side / 2
        turn = np.radians(own.angle)
        right, down = centre - own.x, centre - own.y
        # into the detector's own axes, which turn with the eye line
        found.append(
            (
                (right * np.cos(turn) + down * np.sin(turn)) / own.side,
                (down * np.cos(turn) - right * np.sin(turn)) / own.side,
                side / own.side,
                own.angle,
            )
        )
    table = np.array(found)
    dx, dy, ratio = (float(v) for v in np.median(table[:, :3], axis=0))
    # Faces look both ways alike; a sideways offset would be noise.
    return {
        "geometry": {"anchor": anchor, "dx": 0.0, "dy": round(dy, 4), "side": round(ratio, 4)},
        "n": shown,
        "found_one": len(table),
        "median_dx": round(dx, 4),
        "quartiles": {
            k: [round(float(q), 4) for q in np.percentile(table[:, c], (25, 75))]
            for c, k in enumerate(("dx", "dy", "side", "angle"))
        },
    }


def main() -> None:
    """Measure both detectors, YuNet with both anchors."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--yunet", type=Path, required=True)
    parser.add_argument("--faces", type=int, default=6000)
    parser.add_argument("--yunet-anchor", default="box", choices=("box", "eyes"), help="which one the package uses")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    stored = open_faces(options.data)
    split = shipped_split(stored)
    rows = np.random.default_rng(0).permutation(split.parts["train"])[: options.faces]
    at = stored.positions(rows)
    not_a_face = stored.votes[at, 9] * 2 > stored.votes[at].sum(axis=1)
    faces = stored.faces[at[~not_a_face]]
    yunet = {a: measure(YuNet(options.yunet), a, faces) for a in ("box", "eyes")}
    other = "eyes" if options.yunet_anchor == "box" else "box"
    body = {
        "about": "FER2013's frame relative to a detector's box, measured by benchmarks/crop_geometry.py on Training "
        "faces enlarged to 96, 144 and 240 pixels on an even canvas; quartiles over faces",
        "measured": machine(),
        "data": {"source": stored.provenance.source, "sha256": stored.provenance.sha256},
        "seed": 0,
        "detectors": {"haar": measure(Haar(), "box", faces), "yunet": yunet[options.yunet_anchor]},
        "not_used": {f"yunet_{other}": yunet[other]},
    }
    text = json.dumps(body, indent=2) + "\n"
    print(text)
    if options.write:
        write_text(ROOT / "src" / "mien" / "crop_geometry.json", text)


if __name__ == "__main__":
    main()
