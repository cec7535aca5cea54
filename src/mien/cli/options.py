"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
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
RecipeData = Annotated[
    Path | None, typer.Option("--data", metavar="STORE", help="Store or source file, in place of the recipe's.")
]
SplitFile = Annotated[
    Path | None,
    typer.Option("--split", metavar="FILE", help="A split written by mien data, in place of the official one."),
]
ErrorRate = Annotated[
    float | None,
    typer.Option(
        "--error-rate",
        metavar="RATE",
        help="Say uncertain so often that only this share of the other answers is wrong, such as 0.1, as measured on "
        "the model's held-out faces; its own rate (0.2) if absent. Between two rates on its card the stricter counts.",
        show_default=False,
    ),
]
Threads = Annotated[int, typer.Option("--threads", min=0, help="Threads of the network; 0 lets it choose.")]


def need_train_extra(command: str) -> None:
    """MissingExtraError if what training needs is not installed, without loading it."""
    from importlib.util import find_spec

    from mien.errors import MissingExtraError

    for package in ("torch", "lightning", "onnx"):
        if find_spec(package) is None:
            raise MissingExtraError(package, "train", command)


def need_hybrid_extra(command: str) -> None:
    """The same of what fits classical classifiers."""
    from importlib.util import find_spec

    from mien.errors import MissingExtraError

    for package in ("sklearn", "skl2onnx", "onnx"):
        if find_spec(package) is None:
            raise MissingExtraError(package, "hybrid", command)


def shipped_recipes() -> dict[str, Path]:
    """Files of the recipes that ship with mien, by name."""
    from importlib.resources import files

    return {p.stem: p for p in sorted(Path(str(files("mien"))).joinpath("recipes").glob("*.toml"))}


def recipe_file(name: str) -> Path:
    """A recipe's file, by path or by the name of one that ships; RecipeError naming the nearest if there is none."""
    import difflib

    from mien.errors import RecipeError

    if Path(name).is_file():
        return Path(name)
    shipped = shipped_recipes()
    if name not in shipped:
        near = difflib.get_close_matches(name, shipped, 1)
        hint = f", did you mean {near[0]}?" if near else ""
        raise RecipeError(f"no recipe {name!r}{hint}", f"a .toml file, or one of {', '.join(sorted(shipped))}")
    return shipped[name]


def data_for(file: Path, given: Path | None) -> Path | None:
    """The data set that was given; for a recipe that ships else the file of its name in this folder.

    Raises:
        RecipeError: The recipe ships with mien, and there is no such file.
    """
    from mien.errors import RecipeError
    from mien.recipe import load

    if given is not None or file not in shipped_recipes().values():
        return given
    source = Path(load(file).data.source)
    if not source.exists():
        raise RecipeError(
            f"the recipe {file.stem} needs its data set, and there is no {source} in this folder",
            "a store or a source file",
            f"Name it with --data STORE; make a store with: mien data import SOURCE {source.stem}.store",
        )
    return source
