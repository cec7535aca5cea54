"""A recipe that begins with another: ``extends = "convrelu-ann"``, then only what differs."""

from __future__ import annotations

import difflib
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

from mien.errors import RecipeError

KEY = "extends"


def extends(text: str) -> bool:
    """Whether a recipe's text begins with another recipe; it must be TOML."""
    return KEY in tomllib.loads(text)


def whole(values: dict[str, Any], where: str, base: Path | None, seen: tuple[str, ...] = ()) -> dict[str, Any]:
    """The tables of a recipe with those that it extends.

    A table is taken over field by field; a network of another name, or a table that is given as ``{}``, as a whole.

    Args:
        values: Its own tables.
        where: Its name in errors.
        base: Folder that a file is relative to; None where there is none.
        seen: Recipes that led here, to find a circle.

    Raises:
        RecipeError: There is no such recipe, it is not TOML, or the recipes extend each other in a circle.
    """
    own = dict(values)
    named = own.pop(KEY, None)
    if named is None:
        return own
    if not isinstance(named, str):
        raise RecipeError(f"{where}: extends is {named!r}", "the name of a recipe that ships with mien, or a file")
    path = _file(named, base, where)
    known = (*seen, str(path.resolve()))
    if len(set(known)) < len(known):
        raise RecipeError(f"{where}: recipes extend each other in a circle, through {path}", "a chain with an end")
    try:
        theirs = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RecipeError(f"{where} extends {path}, which cannot be read ({error})", "a recipe in TOML") from error
    return _over(whole(theirs, str(path), path.parent, known), own)


def _over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    found = dict(below)
    for name, value in above.items():
        old: Any = found.get(name)
        other = (
            isinstance(value, dict) and isinstance(old, dict) and value.get("name", old.get("name")) != old.get("name")
        )
        if isinstance(value, dict) and isinstance(old, dict) and value and not other:
            found[name] = old | value
        else:
            found[name] = value
    return found


def _file(named: str, base: Path | None, where: str) -> Path:
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
    path = (base or Path()) / named
    if not path.is_file():
        raise RecipeError(f"{where} extends {path}, and there is no such file", "a recipe, relative to this one")
    return path
