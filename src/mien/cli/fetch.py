"""``mien fetch``: download a detector, or install a copy of one. The only command that uses the network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def fetch(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What to fetch: yunet, the better face detector.")],
    from_: Annotated[
        Path | None, typer.Option("--from", metavar="FILE", help="Install this copy instead of downloading.")
    ] = None,
    url: Annotated[str | None, typer.Option("--url", help="Download from this address, such as a mirror.")] = None,
) -> None:
    """Download the YuNet face detector (230 kB), or install a copy of it. Its sha256 is checked either way.

    Once it is there, mien uses it in place of OpenCV's Haar cascade.
    """
    from mien.inference import releases

    releases.fetch(name, from_, url, typer.echo)
