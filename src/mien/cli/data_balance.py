"""``mien data balance``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.data_split import Seed, Store, print_counts, refuse_existing, show, tell, write

if TYPE_CHECKING:
    from mien.data import FaceSet, Split

WAYS = ("over", "under", "weights", "sampler")


_How = Annotated[
    str,
    typer.Option(
        "--how",
        metavar="|".join(WAYS),
        help="Repeat faces of small classes; leave out faces of large ones; weigh the loss; or draw evenly.",
    ),
]
_SplitFile = Annotated[
    Path | None, typer.Option("--split", metavar="FILE", help="Split whose training part is to be balanced.")
]
_Out = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", help="File to write; named after the split by default.")
]
_Leak = Annotated[
    bool,
    typer.Option(
        "--reproduce-leak",
        help="Balance the whole set before splitting it, to measure that mistake; the result is marked for good.",
    ),
]
_Test = Annotated[float | None, typer.Option("--test", metavar="SHARE", help="With --reproduce-leak; 0.2 by default.")]
_Validation = Annotated[
    float | None,
    typer.Option("--validation", metavar="SHARE", help="With --reproduce-leak: share of the rest; 0.2 by default."),
]


def balance(
    store: Store,
    how: _How,
    split: _SplitFile = None,
    out: _Out = None,
    seed: Seed = 0,
    leak: _Leak = False,
    test: _Test = None,
    validation: _Validation = None,
) -> None:
    """Balance the classes of a split's training part; its other parts stay as they are."""
    from mien.data import open_faces
    from mien.data.balance import balance as balanced
    from mien.data.balance import reproduce_leak
    from mien.data.splits import Split

    if how not in WAYS:
        raise typer.BadParameter(f"there is no way {how!r}; it is one of {', '.join(WAYS)}")
    if leak and split is not None:
        raise typer.BadParameter("--reproduce-leak makes a split of its own: leave out --split")
    if not leak and (test is not None or validation is not None):
        raise typer.BadParameter("--test and --validation go with --reproduce-leak; a split has its parts already")
    if split is not None:
        stem = split.name.removesuffix(".json").removesuffix(".split")
        target = out or split.with_name(f"{stem}.{how}.split.json")
        refuse_existing(target)
        faces, before = open_faces(store), Split.load(split)
        made = balanced(faces, before, how, seed)
        _show(faces, before, made)
    elif leak:
        target = out or Path(f"{store.resolve().stem}.leaked-{how}.split.json")
        refuse_existing(target)
        faces = open_faces(store)
        test, validation = (0.2 if share is None else share for share in (test, validation))
        made = reproduce_leak(faces, how, test, validation, seed)
        show(faces, made)
    else:
        raise _before_splitting(store, open_faces(store), how)
    write(target, [made])


def _show(faces: FaceSet, before: Split, made: Split) -> None:
    """The training part before and after."""
    import numpy as np

    columns = {
        name: np.bincount(faces.labels[faces.positions(s.parts["train"])], minlength=len(faces.vocabulary)).tolist()
        for name, s in (("train before", before), ("after", made))
    }
    if made.balance in ("weights", "sampler"):
        del columns["after"]  # the rows are the same
    typer.echo(made.name)
    print_counts(faces.vocabulary.labels, columns, shares=True)
    if made.balance == "weights":
        typer.echo("weight in the loss: " + ", ".join(f"{label} {w:.3f}" for label, w in made.class_weights.items()))
    elif made.balance == "sampler":
        typer.echo("training will draw every class as often")
    tell(made)


def _before_splitting(store: Path, faces: FaceSet, how: str) -> Exception:
    """The error for balancing a set that is not split yet, with the numbers of this set."""
    import numpy as np

    from mien.errors import DataError

    count = np.bincount(faces.labels, minlength=len(faces.vocabulary))
    present = np.flatnonzero(count)
    small, large = present[count[present].argmin()], present[count[present].argmax()]
    names = faces.vocabulary.labels
    return DataError(
        "no split was given, and balancing comes after splitting",
        "--split FILE",
        f"Over-sampled first, each of the {count[small]:,} faces of {names[small]} would be there about "
        f"{count[large] / count[small]:.1f} times to match the {count[large]:,} of {names[large]}, and the split would "
        "put copies of one face on both sides. The score would then measure what was memorised. Type: "
        f"mien data split {store} --out my.split.json && mien data balance {store} --split my.split.json --how {how}   "
        "(--reproduce-leak does it in the wrong order, and marks the result for good)",
    )
