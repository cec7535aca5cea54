"""``mien data plot``: a data set in one picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mien.data.statistics import Statistics
    from mien.plots.dataset import Matrix


def plot(
    store: Annotated[Path, typer.Argument(metavar="STORE", help="A store, or a source file.")],
    out: Annotated[
        Path | None,
        typer.Argument(
            metavar="PICTURE", help="A .png, .pdf or .svg file to make; by default the store's name with .png."
        ),
    ] = None,
    split: Annotated[
        Path | None, typer.Option("--split", metavar="FILE", help="Show the parts of this split instead.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the draw of faces.")] = 0,
    samples: Annotated[int, typer.Option("--samples", min=1, max=100, help="Faces of each class.")] = 8,
) -> None:
    """Draw a data set: shares, grey levels, the mean face and some faces of each class, and agreement with FER+."""
    import numpy as np

    from mien.data import Split, open_faces
    from mien.data.statistics import drawn, statistics
    from mien.plots import dataset, page

    source = store.resolve()
    path = out or Path((source.name if source.is_dir() else source.stem) + ".png")
    page.require(path, "The picture of a data set")  # before the set is read
    faces = open_faces(store)
    parts = None if split is None else Split.load(split)
    found = statistics(faces, parts)
    chosen = drawn(faces, parts, samples, seed)
    levels = [(float("nan"),) * 2 if v is None else (v.mean, v.std) for v in found.label_levels]
    dataset.save(
        path,
        dataset.Overview(
            title=found.provenance.source,
            facts=_facts(found),
            alarm=found.warnings[0] if parts is not None and parts.leaked else "",
            labels=found.vocabulary.labels,
            parts=found.parts,
            counts=found.counts,
            levels=np.array(levels),
            level=(found.level.mean, found.level.std),
            mean_faces=found.mean_faces,
            samples=tuple(faces.faces[at] for at in chosen),
            drawn=f"faces drawn at random, seed {seed}",
            matrix=_matrix(found),
        ),
    )
    typer.echo(f"{path}: {found.n:,} faces, {len(found.vocabulary)} classes")


def _facts(found: Statistics) -> tuple[str, ...]:
    about, split = found.provenance, found.split
    classes = f"{len(found.vocabulary)} classes ({found.vocabulary.name})"
    repeated = "" if found.distinct == found.n else f", {found.distinct:,} of them different"
    size = f"{found.n:,} faces{repeated} · {found.size}×{found.size} grey · {classes}"
    persons = "" if found.subjects is None else f" · {found.subjects:,} persons"
    mapped = f" · labels mapped by {about.vocabulary_map}" if about.vocabulary_map else ""
    joined = f" · with {', '.join(about.joined)}" if about.joined else ""
    lines = [size + persons, f"read by {about.reader}{mapped}{joined} · sha256 {about.sha256[:16]}"]
    if split is not None:
        left_out = "".join(f" · left out: {n:,} {why}" for why, n in found.left_out.items())
        lines.append(f"split {split.name}, seed {split.seed}{left_out}")
    return tuple(lines)


def _matrix(found: Statistics) -> Matrix | None:
    import numpy as np

    from mien.data.agreement import PROTOCOL
    from mien.plots.dataset import Matrix

    if (given := found.agreement) is None:
        return None
    labelled, agreeing = given.labelled, given.agreeing
    share = np.divide(agreeing, labelled, out=np.full(len(labelled), np.nan), where=labelled > 0)
    return Matrix(
        title="FER2013 labels (rows) against the FER+ majority (columns)",
        columns=given.columns,
        counts=given.counts,
        agreeing=share,
        same=given.same,
        share=float("nan") if given.share is None else given.share,
        meaning=f"{agreeing.sum():,} of {labelled.sum():,} faces with a FER+ label agree with FER2013",
        protocol=PROTOCOL,
    )
