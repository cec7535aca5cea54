"""Who may import whom, how large a file may be, and how light ``import mien`` is."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "mien"

# A room is a folder or a module at the top of the package. Every room may import itself and the core.
CORE = frozenset(
    {
        *("expressions", "errors", "files", "faces", "bundle", "card", "records", "results", "weights", "headers"),
        *("images", "machine"),
    }
)
ROOMS: dict[str, frozenset[str]] = {
    **dict.fromkeys(CORE, frozenset()),
    "data": frozenset(),
    "evaluation": frozenset({"data", "recipe"}),  # what is evaluated is a set of faces, under a run's split
    "recipe": frozenset(),
    "inference": frozenset(),
    "plots": frozenset(),
    "features": frozenset(),
    "models": frozenset({"recipe"}),  # a network is built from the recipe's network section
    "training": frozenset({"data", "models", "evaluation", "recipe"}),
    "serving": frozenset({"inference"}),
    "cluster": frozenset({"inference"}),
    "report": frozenset({"data", "evaluation", "recipe", "plots"}),
    "studies": frozenset({"data", "evaluation", "recipe", "inference", "plots", "training", "report"}),
    "cli": frozenset(
        {
            *("data", "evaluation", "recipe", "inference", "plots", "training", "serving", "cluster", "features"),
            *("report", "studies"),
        }
    ),
    "__main__": frozenset({"cli"}),
    # The public names; that they are lazy is tested below.
    "__init__": frozenset({"data", "evaluation", "recipe", "inference", "plots", "features"}),
}

# The base install is for every room; whatever else is imported has an owner here.
BASE = frozenset({"numpy", "onnxruntime", "cv2", "typer", "pydantic", "rich"})
TRAINING = frozenset({"training"})
OWNERS: dict[str, frozenset[str]] = {
    **dict.fromkeys(
        ("torch", "torchvision", "torchmetrics", "timm", "lightning", "safetensors", "onnx", "onnxscript"),
        frozenset({"models", "training"}),
    ),
    **dict.fromkeys(
        ("optuna", "sqlalchemy", "skl2onnx", "sklearnex", "joblib", "threadpoolctl", "scipy", "filelock"), TRAINING
    ),
    "matplotlib": frozenset({"plots"}),
    "sklearn": frozenset({"evaluation", "training", "features"}),
    "fastapi": frozenset({"serving"}),
    "starlette": frozenset({"serving"}),
    "uvicorn": frozenset({"serving"}),
    "ray": frozenset({"cluster"}),
}
# Extras that any room may import inside a function, where it can say which extra is missing.
INSIDE_FUNCTIONS = frozenset({"imblearn", "pyarrow", "pandas"})

MOST_LINES_OF_A_FILE = 400
MOST_LINES_OF_A_FUNCTION = 60
# "path" or "path:function" → the reason that a reader would accept.
TOO_LONG_FOR_A_REASON: dict[str, str] = {}

NAMES_THAT_SAY_NOTHING = re.compile(r"utils?|helpers?.*|common.*|const(ant)?s?|misc|managers?|legacy_.*|.*_v\d+")


@dataclass(frozen=True)
class Import:
    """One import.

    Attributes:
        where: File and line.
        room: The room it stands in.
        module: Full dotted name of what is imported.
        place: ``module``, ``function`` or ``typing`` (under ``if TYPE_CHECKING``).
    """

    where: str
    room: str
    module: str
    place: str


def files_of(package: Path) -> list[Path]:
    return sorted(package.rglob("*.py"))


def room_of(package: Path, path: Path) -> str:
    return path.relative_to(package).parts[0].removesuffix(".py")


def nodes_with_place(tree: ast.AST, place: str = "module") -> Iterator[tuple[ast.AST, str]]:
    """All nodes, with where they run."""
    for node in ast.iter_child_nodes(tree):
        yield node, place
        inner = place
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            inner = "function"
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            inner = "typing"
        yield from nodes_with_place(node, inner)


def imports_of(package: Path, path: Path) -> Iterator[Import]:
    """Every import of a file: statements anywhere in it, ``import_module("…")``, and strings that name our modules."""
    inside = ("mien", *path.relative_to(package).with_suffix("").parts)
    folder = inside[:-1]
    for node, place in nodes_with_place(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = list(folder[: len(folder) - node.level + 1]) if node.level else []
            base = ".".join([*start, *([node.module] if node.module else [])])
            names = [f"{base}.{alias.name}" if base == "mien" else base for alias in node.names]
        elif isinstance(node, ast.Constant) and re.fullmatch(r"mien(\.\w+)+", str(node.value)):
            names = [str(node.value)]
        elif (
            isinstance(node, ast.Call)
            and ast.unparse(node.func).endswith(("import_module", "__import__"))
            and node.args
            and isinstance(node.args[0], ast.Constant)
        ):
            names = [str(node.args[0].value)]
        where = f"{path.relative_to(package)}:{getattr(node, 'lineno', 0)}"
        yield from (Import(where, room_of(package, path), name, place) for name in names)


def forbidden(package: Path) -> list[str]:
    """What breaks the tables at the top."""
    rooms_there_are = {room_of(package, path) for path in files_of(package)}
    broken = [f"{room}: not in the table ROOMS" for room in sorted(rooms_there_are - ROOMS.keys())]
    for found in (i for path in files_of(package) for i in imports_of(package, path)):
        top, _, rest = found.module.partition(".")
        line = f"{found.where} imports {found.module}"
        if top == "mien":
            other = rest.partition(".")[0]
            if other not in rooms_there_are:
                continue  # a name of the package itself, such as __version__
            if other not in {found.room, *CORE, *ROOMS.get(found.room, ())}:
                broken.append(f"{line}: {found.room} may not import {other}")
        elif top in OWNERS:
            if found.room not in OWNERS[top]:
                broken.append(f"{line}: only {', '.join(sorted(OWNERS[top]))} may")
        elif top in INSIDE_FUNCTIONS:
            if found.place == "module":
                broken.append(f"{line}: only inside a function")
        elif top not in BASE and top not in sys.stdlib_module_names:
            broken.append(f"{line}: neither in the base install nor in the table OWNERS")
    return broken


def too_long(package: Path) -> dict[str, int]:
    """What is longer than it may be: name → lines."""
    found: dict[str, int] = {}
    for path in files_of(package):
        name, text = str(path.relative_to(package)), path.read_text(encoding="utf-8")
        if (lines := len(text.splitlines())) > MOST_LINES_OF_A_FILE:
            found[name] = lines
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
                lines = node.end_lineno - node.lineno + 1
                if lines > MOST_LINES_OF_A_FUNCTION:
                    found[f"{name}:{node.name}"] = lines
    return found


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)


def blocked(packages: set[str]) -> str:
    """Code that makes these packages look absent."""
    return f"""
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {packages!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
"""


def modules_of(rooms: set[str]) -> list[str]:
    """Dotted names of the modules of these rooms that there are."""
    paths = [p.relative_to(PACKAGE.parent).with_suffix("") for p in files_of(PACKAGE) if room_of(PACKAGE, p) in rooms]
    return [".".join(p.parts).removesuffix(".__init__") for p in paths]


# ---- rules 1 to 3


def test_every_import_follows_the_tables() -> None:
    assert forbidden(PACKAGE) == []


def test_training_and_inference_never_import_each_other() -> None:
    pairs = {
        (i.room, i.module.split(".")[1])
        for path in files_of(PACKAGE)
        for i in imports_of(PACKAGE, path)
        if i.module.startswith("mien.")
    }
    assert ("training", "inference") not in pairs
    assert ("inference", "training") not in pairs
    assert ("training", "data") in pairs  # the search does find pairs


@pytest.mark.parametrize(
    ("path", "code", "complaint"),
    [
        ("inference/a.py", "import torch", "only models, training may"),
        ("inference/a.py", "def f():\n    from torch.nn import functional", "only models, training may"),
        ("data/a.py", "import importlib\nimportlib.import_module('torch.nn')", "only models, training may"),
        ("training/a.py", "def f():\n    from mien.inference import analyze", "training may not import inference"),
        ("inference/a.py", "from mien.training.run import start", "inference may not import training"),
        ("inference/a.py", "from ..training import run", "inference may not import training"),
        ("inference/a.py", "from mien import training", "inference may not import training"),
        ("inference/a.py", "LAZY = {'start': 'mien.training.run'}", "inference may not import training"),
        ("cli/a.py", "import mien.models.residual", "cli may not import models"),
        (
            "faces.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from mien.data import FaceSet",
            "faces may not import data",
        ),
        ("data/a.py", "from mien.evaluation import scores", "data may not import evaluation"),
        ("cli/a.py", "import matplotlib.pyplot", "only plots may"),
        ("inference/a.py", "import fastapi", "only serving may"),
        ("data/a.py", "import ray", "only cluster may"),
        ("data/a.py", "from sklearn.metrics import accuracy_score", "only evaluation, features, training may"),
        ("data/a.py", "import pyarrow.parquet", "only inside a function"),
        ("data/a.py", "import requests", "neither in the base install nor in the table OWNERS"),
        ("gadgets/a.py", "", "gadgets: not in the table ROOMS"),
    ],
)
def test_the_rules_are_not_blind(tmp_path: Path, path: str, code: str, complaint: str) -> None:
    for room in ("inference", "training", "evaluation", "data", "models"):
        (tmp_path / room).mkdir()
        (tmp_path / room / "__init__.py").touch()
    assert forbidden(tmp_path) == []
    (tmp_path / path).parent.mkdir(exist_ok=True)
    (tmp_path / path).write_text(code, encoding="utf-8")
    assert len(broken := forbidden(tmp_path)) == 1
    assert complaint in broken[0]


def test_the_rules_allow_what_the_design_allows(tmp_path: Path) -> None:
    (tmp_path / "inference").mkdir()
    (tmp_path / "inference" / "a.py").write_text(
        "import json\nimport cv2\nfrom mien import __version__\nfrom mien.faces import crop\n"
        "from mien.inference import b\ndef f():\n    import pandas\n",
        encoding="utf-8",
    )
    (tmp_path / "faces.py").touch()
    assert forbidden(tmp_path) == []


# ---- names and lengths


def test_no_module_has_a_name_that_says_nothing() -> None:
    parts = {part.removesuffix(".py") for path in files_of(PACKAGE) for part in path.relative_to(PACKAGE).parts}
    assert [part for part in sorted(parts) if NAMES_THAT_SAY_NOTHING.fullmatch(part)] == []


@pytest.mark.parametrize(
    "name",
    ["utils", "helpers", "helper_functions", "common", "constants", "misc", "manager", "legacy_store", "store_v2"],
)
def test_the_search_for_empty_names_is_not_blind(name: str) -> None:
    assert NAMES_THAT_SAY_NOTHING.fullmatch(name)


def test_no_file_and_no_function_is_too_long() -> None:
    assert {name: n for name, n in too_long(PACKAGE).items() if name not in TOO_LONG_FOR_A_REASON} == {}


def test_no_exception_is_left_that_is_not_needed_any_more() -> None:
    assert TOO_LONG_FOR_A_REASON.keys() - too_long(PACKAGE).keys() == set()


def test_the_search_for_length_is_not_blind(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n" * 401, encoding="utf-8")
    (tmp_path / "b.py").write_text("class A:\n    def f(self):\n" + "        x = 1\n" * 60, encoding="utf-8")
    (tmp_path / "c.py").write_text("def f():\n" + "    x = 1\n" * 59 + "x = 1\n" * 340, encoding="utf-8")
    assert too_long(tmp_path) == {"a.py": 401, "b.py:f": 61}


# ---- import mien

HEAVY = {"torch", "onnxruntime", "cv2", "matplotlib", "pandas", "pyarrow", "sklearn", "lightning"}


def test_import_mien_works_without_any_heavy_package() -> None:
    done = run_python(blocked({*HEAVY, *OWNERS}) + "import mien; print(mien.__version__)")
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", done.stdout.strip())


def test_import_mien_imports_nothing_heavy() -> None:
    heavy = {*HEAVY, *OWNERS, "numpy", "pydantic", "typer"}
    done = run_python(f"import sys, mien; print(sorted({heavy!r} & sys.modules.keys()))")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_import_mien_takes_at_most_a_twentieth_of_a_second() -> None:
    code = "import time; t = time.perf_counter(); import mien; print(time.perf_counter() - t)"
    # Other work on the machine can only add: one quiet moment is enough.
    assert any(float(run_python(code).stdout) <= 0.05 for _ in range(20))


def test_the_base_install_imports_every_room_that_it_has() -> None:
    owned = {room for rooms in OWNERS.values() for room in rooms} - {"evaluation"}
    modules = [*modules_of(set(ROOMS) - owned - {"__main__"}), "mien.plots.annotate"]  # the camera window draws with it
    assert {"mien", "mien.bundle", "mien.data", "mien.data.sources.parquet", "mien.recipe"} <= set(modules)
    done = run_python(
        blocked({*OWNERS, *INSIDE_FUNCTIONS})
        + f"import importlib\nfor name in {modules!r}:\n    importlib.import_module(name)"
    )
    assert done.returncode == 0, done.stderr


EXTRA_OF = {"plots": "matplotlib", "serving": "fastapi", "cluster": "ray"}


@pytest.mark.parametrize("room", [room for room in EXTRA_OF if (PACKAGE / room).is_dir()])
def test_a_room_with_an_extra_needs_no_other_extra(room: str) -> None:
    pytest.importorskip(EXTRA_OF[room])
    modules = modules_of({room})
    others = {name for name, rooms in OWNERS.items() if room not in rooms}
    done = run_python(
        blocked({*others, *INSIDE_FUNCTIONS})
        + f"import importlib\nfor name in {modules!r}:\n    importlib.import_module(name)"
    )
    assert done.returncode == 0, done.stderr
