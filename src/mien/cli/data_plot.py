"""``mien data plot``: a data set in one picture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import numpy as np

    from mien.data import FaceSet, Split
    from mien.data.statistics import Statistics
    from mien.plots.augmented import Mixed
    from mien.plots.dataset import Matrix, Overview
    from mien.recipe import AugmentSection
    from mien.training.preview import Mixtures

_EPOCHS = 9  # versions of each face, with --augment


def plot(
    store: Annotated[Path, typer.Argument(metavar="STORE", help="A store, or a source file.")],
    out: Annotated[
        Path | None,
        typer.Argument(
            metavar="PICTURE",
            help="A .png, .pdf or .svg file to make; by default the store's name with .png, or -augmented.png.",
        ),
    ] = None,
    split: Annotated[
        Path | None, typer.Option("--split", metavar="FILE", help="Show the parts of this split instead.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the draw of faces.")] = 0,
    samples: Annotated[
        int, typer.Option("--samples", min=1, max=100, help="Faces of each class; with --augment, faces in all.")
    ] = 8,
    augment: Annotated[
        str | None,
        typer.Option(
            "--augment",
            metavar="RECIPE",
            help="Show some faces as training by this recipe changes them instead, and each change at its limits.",
        ),
    ] = None,
) -> None:
    """Draw a data set: shares, grey levels, the mean face and some faces of each class, and agreement with FER+.

    With --augment: what a recipe's augmentation makes of some faces.
    """
    if augment is not None:
        _augmented(store, out, split, seed, samples, augment)
        return
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
    alarm = found.warnings[0] if parts is not None and parts.leaked else ""
    samples_of = tuple(faces.faces[at] for at in chosen)
    dataset.save(path, _overview(found, samples_of, alarm, f"faces drawn at random, seed {seed}"))
    typer.echo(f"{path}: {found.n:,} faces, {len(found.vocabulary)} classes")


def _overview(found: Statistics, samples: tuple[np.ndarray, ...], alarm: str, drawn: str) -> Overview:
    import numpy as np

    from mien.plots.dataset import Overview

    levels = [(float("nan"),) * 2 if v is None else (v.mean, v.std) for v in found.label_levels]
    return Overview(
        title=found.provenance.source,
        facts=_facts(found),
        alarm=alarm,
        labels=found.vocabulary.labels,
        parts=found.parts,
        counts=found.counts,
        levels=np.array(levels),
        level=(found.level.mean, found.level.std),
        mean_faces=found.mean_faces,
        samples=samples,
        drawn=drawn,
        matrix=_matrix(found),
    )


def _augmented(store: Path, out: Path | None, split: Path | None, seed: int, samples: int, name: str) -> None:
    """Draw what the augmentation of a recipe makes of some faces."""
    import numpy as np

    from mien.cli.options import recipe_file
    from mien.data import Split, open_faces
    from mien.errors import RecipeError
    from mien.plots import augmented, page
    from mien.recipe import load

    source = store.resolve()
    path = out or Path((source.name if source.is_dir() else source.stem) + "-augmented.png")
    page.require(path, "The picture of an augmentation")
    recipe = load(recipe_file(name))  # a slip of the pen is told before torch is loaded
    if not (asked := _asked(recipe.augment)):
        raise RecipeError(
            f"the recipe {recipe.name} changes no pictures", "an [augment] table", "For example, flip = 0.5 in it."
        )
    _need_torch()
    from mien.training import preview

    faces = open_faces(store)
    part = None if split is None else Split.load(split)
    chosen = _in_turn(faces, part, samples, seed)
    shown, rows = faces.faces[chosen], faces.rows[chosen]
    clearest = int(np.abs(shown.mean(axis=(1, 2)) - 127.5).argmin())  # what gets brighter or darker has room to
    before = ", before it mixes them" if recipe.augment.mixup or recipe.augment.cutmix else ""
    names = tuple(faces.vocabulary.labels[label] for label in faces.labels[chosen])
    augmented.save(
        path,
        augmented.Augmented(
            title=f"Augmentation of {recipe.name}",
            facts=(
                asked,
                f"{len(names)} of {len(faces):,} faces of {faces.provenance.source}, drawn at random, seed {seed}",
                f"Training by this recipe, seed {recipe.seed}, sees them just so in its first epochs{before}",
            ),
            labels=faces.vocabulary.labels,
            names=names,
            rows=tuple(rows.tolist()),
            originals=shown,
            versions=preview.versions(shown, rows, recipe, _EPOCHS),
            changes=tuple(
                augmented.Change(one.title, one.pictures, one.captions)
                for one in preview.limits(shown[clearest], recipe.augment)
            ),
            changed=clearest,
            mixed=tuple(_mixed(one, names) for one in preview.mixtures(shown, rows, recipe, _EPOCHS)),
        ),
    )
    typer.echo(f"{path}: {len(names)} faces, as {recipe.name} changes them")


def _need_torch() -> None:
    from importlib.util import find_spec

    from mien.errors import MissingExtraError

    if find_spec("torch") is None:
        raise MissingExtraError("torch", "train", "mien data plot --augment")


def _asked(section: AugmentSection) -> str:
    """What the recipe says about augmentation; empty where it changes nothing."""
    given = section.model_dump(exclude_defaults=True)
    if not given.keys() - {"zoom_apart", "fill"}:
        return ""
    given = {**given, "fill": section.fill}
    return " · ".join(
        f"{field} {value:g}" if isinstance(value, float) else f"{field} {value}".lower()
        for field, value in given.items()
    )


def _in_turn(faces: FaceSet, split: Split | None, count: int, seed: int) -> np.ndarray:
    """Positions of some faces to train on, where that is known: one of each class, then another of each."""
    import numpy as np

    from mien.data import Split
    from mien.data.grouping import part_name
    from mien.data.statistics import drawn

    if split is not None:
        split = replace(split, parts={"train": split.parts["train"]} if "train" in split.parts else split.parts)
    elif len(rows := faces.rows[np.array([part_name(usage) == "train" for usage in faces.usages])[faces.usage]]):
        split = Split("the source's own", seed, faces.provenance.sha256, {"train": rows})
    of_class = drawn(faces, split, count, seed)
    rounds = [[at[k] for at in of_class if k < len(at)] for k in range(count)]
    return np.array([position for one in rounds for position in one][:count], np.int64)


def _mixed(found: Mixtures, names: tuple[str, ...]) -> Mixed:
    from mien.plots.augmented import Mixed

    def said(own: int, partner: int, share: float) -> tuple[str, ...]:
        if names[own] == names[partner]:
            return (f"{names[own]} 100%", f"({share:.0%} + {1 - share:.0%})")
        return (f"{names[own]} {share:.0%}", f"{names[partner]} {1 - share:.0%}")

    captions = map(said, found.own.tolist(), found.partner.tolist(), found.share.tolist())
    return Mixed(found.title, found.pictures, tuple(captions))


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
