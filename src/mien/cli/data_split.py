"""``mien data split``; and the table of a split, which ``mien data balance`` prints too."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mien.data import FaceSet, Split

KINDS = ("official", "stratified", "folds", "subject")


Store = Annotated[Path, typer.Argument(metavar="STORE", help="A store, or a source file.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of the draw.")]
_Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", help="File to write, or folder for folds; STORE.KIND.split.json by default."),
]
_Kind = Annotated[
    str,
    typer.Option(
        "--kind",
        metavar="|".join(KINDS),
        help="The source's own split; drawn by label; k-fold cross-validation; or no person in two parts.",
    ),
]
_Test = Annotated[
    float | None, typer.Option("--test", metavar="SHARE", help="Share of all faces, 0 for none; 0.2 by default.")
]
_Validation = Annotated[
    float | None,
    typer.Option("--validation", metavar="SHARE", help="Share of the rest, 0 for none; 0.2 by default."),
]
_Folds = Annotated[int | None, typer.Option("--folds", metavar="K", help="Number of folds; 5 by default.")]
_BySubject = Annotated[bool, typer.Option("--by-subject", help="Folds without a person in common.")]
_SkipUnknown = Annotated[bool, typer.Option("--skip-unknown", help="Leave out faces whose person is not known.")]
_From = Annotated[
    Path | None,
    typer.Option("--from", metavar="FILE", help="Draw from the training rows of this split; its other parts stay."),
]


def split(
    store: Store,
    out: _Out = None,
    kind: _Kind = "official",
    test: _Test = None,
    validation: _Validation = None,
    k: _Folds = None,
    subjects: _BySubject = False,
    skip_unknown: _SkipUnknown = False,
    seed: Seed = 0,
    earlier: _From = None,
) -> None:
    """Divide a data set into parts, and write them down as row ids with the seed."""
    from mien.data import open_faces
    from mien.data.splits import Split, by_subject, folds, official, stratified

    _refuse_stray(kind, test, k, subjects, skip_unknown, validation)
    target = out or Path(f"{store.resolve().stem}.{kind}.split{'s' if kind == 'folds' else '.json'}")
    refuse_existing(target)
    faces = open_faces(store)
    within = None if earlier is None else Split.load(earlier)
    has = () if within is None else within.parts
    # What an earlier split has already is not drawn again, unless it was asked for.
    test = (0.0 if "test" in has else 0.2) if test is None else test
    validation = (0.0 if "validation" in has else 0.2) if validation is None else validation
    if kind == "folds":
        made = folds(faces, 5 if k is None else k, seed, subjects=subjects, skip_unknown=skip_unknown, within=within)
        _show_folds(faces, made)
    else:
        if kind == "official":
            made = [official(faces, validation, seed, within)]
        elif kind == "stratified":
            made = [stratified(faces, test, validation, seed, within)]
        else:
            made = [by_subject(faces, test, validation, seed, skip_unknown=skip_unknown, within=within)]
        show(faces, made[0])
    write(target, made)


def _refuse_stray(
    kind: str, test: float | None, k: int | None, subjects: bool, skip_unknown: bool, validation: float | None
) -> None:
    """An option that this kind does not heed is an error, not a surprise."""
    if kind not in KINDS:
        raise typer.BadParameter(f"there is no kind {kind!r}; it is one of {', '.join(KINDS)}")
    for option, given, heeded in (
        ("--test", test is not None, ("stratified", "subject")),
        ("--validation", validation is not None, ("official", "stratified", "subject")),
        ("--folds", k is not None, ("folds",)),
        ("--by-subject", subjects, ("folds",)),
        ("--skip-unknown", skip_unknown, ("subject", "folds") if subjects else ("subject",)),
    ):
        if given and kind not in heeded:
            raise typer.BadParameter(f"{option} goes with --kind {' or '.join(heeded)}, not with {kind}")


def refuse_existing(target: Path) -> None:
    """OutputError if there is something of this name already."""
    from mien.errors import OutputError

    if target.exists():
        raise OutputError(f"{target} exists already", "a new name", "Remove it, or name another with --out.")


def write(target: Path, made: list[Split]) -> None:
    """One split to a file, folds to a folder; whole or not at all."""
    from mien.errors import OutputError
    from mien.files import staged_folder

    try:
        if len(made) == 1:
            made[0].save(target)
        else:
            with staged_folder(target) as stage:
                for i, fold in enumerate(made, 1):
                    fold.save(stage / f"fold-{i}.split.json")
    except OSError as error:
        raise OutputError(
            f"{target} cannot be written ({error.strerror or error})",
            "room on the disk and a folder you may write to",
            "Make room, or name another place with --out.",
        ) from error
    inside = "" if len(made) == 1 else f": fold-1.split.json to fold-{len(made)}.split.json"
    typer.echo(f"written to {target}{inside}")


def show(faces: FaceSet, split: Split) -> None:
    """Print how many of each label are in each part, what was left out, and whether it leaks."""
    import numpy as np

    columns = {
        part: np.bincount(faces.labels[faces.positions(rows)], minlength=len(faces.vocabulary))
        for part, rows in split.parts.items()
    }
    typer.echo(f"{split.name}, seed {split.seed}")
    print_counts(faces.vocabulary.labels, {p: count.tolist() for p, count in columns.items()}, shares=True)
    tell(split)


def _show_folds(faces: FaceSet, made: list[Split]) -> None:
    """Print how many of each label each fold tests."""
    import numpy as np

    tested = list(made[0].parts)[1]
    columns = {
        f"fold {i}": np.bincount(
            faces.labels[faces.positions(fold.parts[tested])], minlength=len(faces.vocabulary)
        ).tolist()
        for i, fold in enumerate(made, 1)
    }
    typer.echo(f"{len(made)} folds, seed {made[0].seed}; faces of each label in {tested}")
    print_counts(faces.vocabulary.labels, columns, shares=False)
    tell(made[0])


def tell(split: Split) -> None:
    """Print what was left out, and whether the split leaks."""
    for reason, rows in split.excluded.items():
        if len(rows):
            typer.echo(f"left out: {len(rows):,} {reason}")
    if split.leaked:
        typer.secho(
            f"LEAKED for good: {split.leaked}. Scores made with this split are worth nothing.", fg="red", bold=True
        )


def print_counts(labels: tuple[str, ...], columns: dict[str, list[int]], *, shares: bool) -> None:
    """Print a column of counts for each name, with each label's share of its column, and the sums."""
    cells = [["", *columns]]
    sums = {name: sum(count) for name, count in columns.items()}
    for i, label in enumerate(labels):
        cells.append([label])
        for name, count in columns.items():
            share = f"  {count[i] / max(sums[name], 1):6.1%}" if shares else ""
            cells[-1].append(f"{count[i]:,}{share}")
    cells.append(["all", *(f"{n:,}{' ' * 8 if shares else ''}" for n in sums.values())])
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    for row in cells:
        line = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        typer.echo("   ".join(line).rstrip())
