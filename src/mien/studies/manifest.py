"""What a study asks for: ``study.toml`` beside the paper's figures and a folder with a recipe for each system."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from mien.errors import StudyError
from mien.recipe import Recipe, load
from mien.recipe.section import Count, Section

FILE, PUBLISHED, NOTES, RECIPE, RESULT = "study.toml", "published.toml", "NOTES.md", "recipe.toml", "result.json"
_NAME = r"^[a-z0-9]+(-[a-z0-9]+)*$"

Name = Annotated[str, Field(pattern=_NAME)]
MeasureName = Literal["training-accuracy", "repeats", "loss", "shuffled", "shares", "layers", "deployment"]
MEASURE_NAMES: tuple[str, ...] = MeasureName.__args__  # type: ignore[attr-defined]


class System(Section):
    """One system of a paper, or a variant that explains one: a folder of the study with a ``recipe.toml``."""

    name: Name
    """Of its folder, and of its run."""
    title: str
    """What it is, in a few words; a row of the study's table."""
    claim: str = ""
    """What the paper prints for it, with its unit and n; empty where the system is ours."""
    parts: list[str] = Field(default=["public_test"], min_length=1)
    """Parts of its split that it is evaluated on; the first is its result."""
    measures: list[str] = Field(default=[])
    """What else is measured: ``NAME`` or ``NAME:PART``, see ``studies.measures``."""
    needs: list[Name] = Field(default=[])
    """Systems that are run before it, since its recipe begins with their weights."""

    @field_validator("measures")
    @classmethod
    def _known(cls, measures: list[str], info: ValidationInfo) -> list[str]:
        for one in measures:
            name, _, part = one.partition(":")
            if name not in MEASURE_NAMES:
                raise ValueError(f"there is no measure {one!r}; there are {', '.join(MEASURE_NAMES)}")
            if part and part not in info.data.get("parts", [part]):
                raise ValueError(f"the measure {one} is of a part that it is not evaluated on; add {part} to its parts")
        return measures


class Comparison(Section):
    """Systems that are compared on the same faces."""

    name: Name
    title: str
    systems: Annotated[list[Name], Field(min_length=2)]
    part: str = "public_test"
    """Part that all of them were evaluated on."""
    sample: Count | None = None
    """Faces that the paper compared them on; how far that many carry is shown too."""


class Finding(Section):
    """A claim of the paper, what was measured here, and why its number came out as it did.

    ``measured`` and ``explanation`` name measured numbers in braces, ``{SYSTEM/GROUP/NAME}``, see ``studies.wording``.
    """

    title: str
    claim: str
    measured: str
    explanation: str


class Picture(Section):
    """A picture of the study's page."""

    name: Name
    kind: Literal["bars", "history"]
    title: str
    systems: Annotated[list[Name], Field(min_length=1)]
    parts: list[str] = Field(default=[])
    """Of ``bars``: a group for each; the first part of each system if empty."""
    sample: Count | None = None
    """Of ``bars``: a further group with the first ``sample`` faces of a draw, and their wider intervals."""


class Study(Section):
    """A study."""

    title: str
    """Of the paper."""
    source: str
    """Authors and year."""
    data: str
    """Source file of the runs, relative to the current folder; ``--data`` overrules it."""
    believe: str
    """Which numbers to believe, in a sentence or two; may name measured numbers."""
    system: Annotated[list[System], Field(min_length=1)]
    """Cheapest first: the order in which they are run."""
    comparison: list[Comparison] = Field(default=[])
    finding: list[Finding] = Field(default=[])
    picture: list[Picture] = Field(default=[])

    @model_validator(mode="after")
    def _consistent(self) -> Study:
        names = [s.name for s in self.system]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"two systems are named {min(twice)}")
        for at, system in enumerate(self.system):
            for needed in system.needs:
                if needed not in names[:at]:
                    raise ValueError(f"{system.name} needs {needed}, which is no system before it")
        groups = [(c.name, c.systems) for c in self.comparison] + [(p.name, p.systems) for p in self.picture]
        for group, systems in groups:
            if len(set(systems)) < len(systems):
                raise ValueError(f"{group} names a system twice")
            for name in systems:
                if name not in names:
                    raise ValueError(f"{group} names {name}, which is no system")
        if clash := {c.name for c in self.comparison} & set(names):
            raise ValueError(f"{min(clash)} is a system and a comparison")
        return self

    def named(self, name: str) -> System:
        """A system by its name."""
        return next(s for s in self.system if s.name == name)


_TABLES: dict[str, type[Section]] = {"system": System, "comparison": Comparison, "finding": Finding, "picture": Picture}


def load_study(folder: Path) -> Study:
    """Read and check a study's ``study.toml``.

    Raises:
        StudyError: It is missing, not TOML, or says something impossible.
    """
    path = folder / FILE
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StudyError(f"{path} cannot be read ({error.strerror})", f"a study with a {FILE}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise StudyError(f"{path} is not TOML ({error})", "a study in TOML") from error
    try:
        return Study.model_validate(values)
    except ValidationError as error:
        problems = [_problem(e, values) for e in error.errors()]
        raise StudyError(f"{path}: {'; '.join(problems)}", "the fields of a study, see docs/studies.md") from error


def _problem(error: Any, values: Mapping[str, Any]) -> str:
    """One of pydantic's errors in a phrase: the table that it is in, and the nearest name where one is unknown."""
    path, where = list(error["loc"]), ""
    kind: type[Section] = Study
    if len(path) > 1 and path[0] in _TABLES:
        row = values[path[0]][path[1]]
        called = (row.get("name") or row.get("title")) if isinstance(row, dict) else None
        where = f"{path[0]} {path[1] + 1}{f' ({called})' if called else ''}: "
        kind, path = _TABLES[path[0]], path[2:]
    field = ".".join(map(str, path))
    if error["type"] == "missing":
        return f"{where}{field} is missing"
    if error["type"] == "extra_forbidden":
        near = difflib.get_close_matches(field, kind.model_fields, 1)
        return f"{where}no such field {field}, {f'did you mean {near[0]}?' if near else _there_are(kind)}"
    message = error["msg"].removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    return where + (f"{field}: {message}" if field else message)


def _there_are(kind: type[Section]) -> str:
    return f"there are {', '.join(kind.model_fields)}"


def recipe_of(folder: Path, system: System) -> Recipe:
    """The recipe of a system of the study in ``folder``; RecipeError where there is none or it is wrong."""
    return load(folder / system.name / RECIPE)


def timeless(recipe: Recipe) -> dict[str, object]:
    """A recipe without what shortens it, and where its data and maps lie: what makes two of them the same system."""
    values = recipe.model_dump()
    values["training"].pop("epochs")
    for field in ("limit", "source"):
        values["data"].pop(field)
    values["data"]["map"] = recipe.data.map and Path(recipe.data.map).name
    return values
