"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

Model = Annotated[str, typer.Option("--model", metavar="NAME|PATH", help="Installed model or the folder of a bundle.")]
DetectorName = Annotated[
    str,
    typer.Option(
        "--detector",
        metavar="auto|haar|yunet|none",
        help="auto is yunet where it is cached, else haar; none takes the whole picture as the face.",
    ),
]
Threads = Annotated[int, typer.Option("--threads", min=0, help="Threads of the network; 0 lets it choose.")]
