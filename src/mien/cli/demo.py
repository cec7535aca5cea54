"""``mien demo``: the whole way from a photograph to an answer, with a picture that is already on the disk."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mien.cli.options import DetectorName, Model
from mien.weights import DEFAULT

_LONGEST_NAME = 30  # columns of the terminal; what is longer is cut off


def demo(
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Where to write the picture.")] = Path(
        "mien-demo.jpg"
    ),
    model: Model = DEFAULT,
    detector: DetectorName = "auto",
) -> None:
    """Analyse a portrait that comes with matplotlib, and write it with the answer drawn on it."""
    from rich.cells import cell_len, set_cell_size
    from rich.console import Console
    from rich.markup import escape

    from mien.cli.live import note_caveats
    from mien.images import read_image
    from mien.inference.analyze import Analyzer
    from mien.plots.annotate import annotate, write_picture
    from mien.plots.samples import portrait

    path = portrait()
    image = read_image(path)
    analyzer = Analyzer(model, detector)
    result = analyzer.frame(image, path.name)
    calibration = analyzer.card.calibration

    console = Console(highlight=False, emoji=False)
    note_caveats(analyzer.card)
    console.print(
        f"{path.name}: {result.width}×{result.height}, {len(result.faces)} face"
        f"{'' if len(result.faces) == 1 else 's'} found by {result.detector}, scored by {result.model}"
    )
    for i, face in enumerate(result.faces):
        x1, y1, x2, y2 = face.box
        console.print(f"\nface {i} at x {x1:.0f}–{x2:.0f}, y {y1:.0f}–{y2:.0f}")
        width = min(max(8, *map(cell_len, face.probabilities)), _LONGEST_NAME) + 1
        bar = max(1, min(40, console.width - width - 9))
        for label, value in sorted(face.probabilities.items(), key=lambda item: -item[1]):
            name = escape(set_cell_size(label, width - 1))
            console.print(f"  {name} {value:>6.1%} " + "█" * round(value * bar), no_wrap=True, overflow="crop")
        if face.certain:
            console.print(
                f"[bold]{escape(face.expression)}[/bold], certain: {face.confidence:.0%} is above the "
                f"{calibration.uncertain_below:.0%} from which mien answers. Of its answers on held-out faces "
                f"{calibration.accuracy_when_certain:.0%} were right."
            )
        else:
            console.print(
                f"[bold]uncertain[/bold]: {escape(face.expression)} is likeliest, but {face.confidence:.0%} is under "
                f"the {calibration.uncertain_below:.0%} from which mien answers."
            )
    written = write_picture(out, annotate(image, result))
    console.print(f"\npicture written to {written}")
