"""Opening cameras and video files, with errors that say what is wrong with them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import cv2

from mien.errors import VideoError


def open_camera(number: int) -> cv2.VideoCapture:
    """Open a camera by number; VideoError if there is none, it is in use or not permitted."""
    device = Path(f"/dev/video{number}")
    if sys.platform.startswith("linux"):
        if not device.exists():
            here = ", ".join(sorted(p.name.removeprefix("video") for p in Path("/dev").glob("video[0-9]*")))
            raise VideoError(
                f"no camera {number}: {device} does not exist",
                f"one of the cameras {here}" if here else "a camera (this computer shows none)",
                "Connect it, or name a video file: mien live clip.mp4",
            )
        if not os.access(device, os.R_OK | os.W_OK):
            raise VideoError(
                f"no permission to use {device}",
                "a user in its group, usually 'video'",
                'Type: sudo usermod -aG video "$USER", then log out and in again.',
            )
    video = cv2.VideoCapture(number)
    if not video.isOpened():
        raise VideoError(
            f"camera {number} cannot be opened",
            "a camera that no other program uses",
            "Close the programs that use it, allow camera access in the system's privacy settings, or "
            "try another number: mien live 1",
        )
    return video


def open_file(path: Path) -> cv2.VideoCapture:
    """Open a video file; VideoError if it is absent, unreadable or no video."""
    remedy = "Give the path of a video, or the number of a camera: mien live 0"
    if not path.exists():
        raise VideoError(f"no such file: {path}", "a camera number or a video file", remedy)
    if not path.is_file():
        raise VideoError(f"{path} is not a file", "a camera number or a video file", remedy)
    if not os.access(path, os.R_OK):
        raise VideoError(f"no permission to read {path}", "a video file that you may read", "See who may with: ls -l")
    video = cv2.VideoCapture(str(path))
    if not video.isOpened():
        raise VideoError(
            f"{path} cannot be opened as a video",
            "a video file such as .mp4, .avi, .mov or .webm",
            "Is it damaged, cut off or of a rare format? Try: ffmpeg -i FILE new.mp4",
        )
    return video
