"""A recipe that begins with another: ``extends = "convrelu-ann"``, then only what differs."""

from __future__ import annotations

import difflib
import os
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

from mien.errors import RecipeError

KEY = "extends"
# Fields that may name a file or folder, relative to the recipe.
FILES = (("data", "source"), ("data", "split"), ("data", "map"), ("network", "weights"), ("network", "weights_file"))


def extends(text: str) -> bool:
    """Whether a recipe's text begins with another recipe; it must be TOML."""
    return KEY in tomllib.loads(text)


def whole(values: dict[str, Any], where: str, base: Path | None) -> dict[str, Any]:
    """The tables of a recipe with those that it extends.

    A table is taken over field by field; a network of another name, or a table that is given as ``{}``, as a whole.
    A file that the other recipe names is looked for beside this one first, then beside the other.

    Args:
        values: Its own tables.
        where: Its name in errors.
        base: Folder that a file is relative to; the current one if None.

    Raises:
        RecipeError: There is no such recipe, it is not TOML, or the recipes extend each other in a circle.
    """
    base = Path() if base is None else base
    return _whole(values, where, base, base, ())


def _whole(values: dict[str, Any], where: str, folder: Path, top: Path, seen: tuple[Path, ...]) -> dict[str, Any]:
    """The same of a recipe in ``folder`` that the one in ``top`` begins with, by way of those in ``seen``."""
    own = _moved(values, folder, top)
    named = own.pop(KEY, None)
    if named is None:
        return own
    if not isinstance(named, str):
        raise RecipeError(f"{where}: extends is {named!r}", "the name of a recipe that ships with mien, or a file")
    path = _file(named, folder, where)
    if (file := path.resolve()) in seen:
        raise RecipeError(f"{where}: recipes extend each other in a circle, through {path}", "a chain with an end")
    try:
        theirs = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RecipeError(f"{where} extends {path}, which cannot be read ({error})", "a recipe in TOML") from error
    return _over(_whole(theirs, str(path), path.parent, top, (*seen, file)), own)


def _over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    found = dict(below)
    for table, value in above.items():
        old = found.get(table)
        if isinstance(value, dict) and isinstance(old, dict) and value:
            other = table == "network" and value.get("name", old.get("name")) != old.get("name")
            found[table] = value if other else old | value
        else:
            found[table] = value
    return found


def _moved(values: dict[str, Any], folder: Path, top: Path) -> dict[str, Any]:
    """Tables of a recipe in one folder as those of one in another: what lies in the first alone is named from there."""
    found = dict(values)
    for table, field in FILES:
        named = found[table].get(field) if isinstance(found.get(table), dict) else None
        if isinstance(named, str) and not (top / named).exists() and (folder / named).exists():
            found[table] = found[table] | {field: Path(os.path.relpath(folder / named, top)).as_posix()}
    return found


def _file(named: str, folder: Path, where: str) -> Path:
    shipped = Path(str(files("mien"))) / "recipes"
    if not named.endswith(".toml"):
        path = shipped / f"{named}.toml"
        if path.is_file():
            return path
        names = sorted(p.stem for p in shipped.glob("*.toml"))
        near = difflib.get_close_matches(named, names, 1, 0.5)
        hint = f", did you mean {near[0]}?" if near else ""
        raise RecipeError(
            f"{where} extends {named!r}, and no such recipe ships with mien{hint}",
            f"one of {', '.join(names)}, or a file ending in .toml, relative to the recipe",
        )
    path = folder / named
    if not path.is_file():
        raise RecipeError(f"{where} extends {path}, and there is no such file", "a recipe, relative to this one")
    return path
