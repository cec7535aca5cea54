"""``mien hybrid``: a classical classifier on the features of a trained network."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from mien.cli.options import need_hybrid_extra

if TYPE_CHECKING:
    from mien.card import Card
    from mien.data import FaceSet, Split
    from mien.recipe import HeadSection, Recipe
    from mien.training.hybrid import Fitted, Progress

_File = typer.Option("--split", metavar="FILE", help="A split written by mien data; the run's, or the official one.")
_Head = typer.Option("--head", metavar="svm|knn|logistic", help="Which classifier.")
_Kernel = typer.Option("--kernel", metavar="linear|poly|rbf", help="Of the SVM; give it again to search over several.")
_C = typer.Option("--C", help="Of SVM and logistic regression. Given twice: the ends of a range to search.")
_Gamma = typer.Option("--gamma", help="Of poly and rbf; scale if absent. Given twice: the ends of a range to search.")
_Degree = typer.Option("--degree", help="Of poly; give it again to search over several.")
_Neighbours = typer.Option("--neighbours", help="Of knn; give it again to search over several.")
_Candidates = typer.Option("--candidates", help="Settings to draw and compare; 0 takes the first of each.")
_Folds = typer.Option("--folds", help="Of the cross-validation.")
_Rows = typer.Option("--rows", help="Use only so many training rows.")
_Iterations = typer.Option("--iterations", help="Most iterations of one fit.")


def hybrid(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A run folder, an installed model or a bundle.")],
    data: Annotated[Path | None, typer.Option("--data", help="Store or source file; a run's own if absent.")] = None,
    split: Annotated[Path | None, _File] = None,
    recipe: Annotated[Path | None, typer.Option("--recipe", help="Take the table [head] of this recipe.")] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FOLDER", help="RUN/head by default.")] = None,
    head: Annotated[str | None, _Head] = None,
    kernel: Annotated[list[str] | None, _Kernel] = None,
    C: Annotated[list[float] | None, _C] = None,  # noqa: N803  # the name that the literature has for it
    gamma: Annotated[list[float] | None, _Gamma] = None,
    degree: Annotated[list[int] | None, _Degree] = None,
    neighbours: Annotated[list[int] | None, _Neighbours] = None,
    candidates: Annotated[int | None, _Candidates] = None,
    folds: Annotated[int | None, _Folds] = None,
    rows: Annotated[int | None, _Rows] = None,
    iterations: Annotated[int | None, _Iterations] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="The recipe's if absent.")] = None,
    name: Annotated[str, typer.Option("--name", help="Of the bundle.")] = "",
    intelex: Annotated[bool, typer.Option(help="Use scikit-learn-intelex where it is installed.")] = True,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say how long it would take, and stop.")] = False,
) -> None:
    """Fit an SVM, k nearest neighbours or logistic regression on a network's features, as one model bundle.

    Settings are searched by cross-validation inside the training part. FOLDER/bundle is for mien analyze --model,
    FOLDER/search.csv holds every setting that was tried.
    """
    need_hybrid_extra("mien hybrid")
    given: dict[str, Any] = {"kind": head, "kernel": kernel, "C": C, "gamma": gamma, "degree": degree}
    given |= {
        "neighbours": neighbours,
        "candidates": candidates,
        "folds": folds,
        "rows": rows,
        "iterations": iterations,
    }
    plan = _plan(model, recipe, {k: v for k, v in given.items() if v not in (None, [])}, seed)
    folder = out or plan.folder
    if not dry_run:
        _need_free(folder)
    faces, parts = _faces_and_split(plan, data, split)
    show = _Show(dry_run)
    try:
        from mien.training import hybrid as hybrids

        if dry_run:
            typer.echo(hybrids.estimate(plan.network, faces, parts, plan.section, plan.seed, show, intelex))
            return
        fitted = hybrids.fit(plan.network, faces, parts, plan.section, plan.seed, show, intelex)
        parts.save(folder / "split.json")
        if fitted.search:
            hybrids.write_search(fitted.search, folder / "search.csv")
        card = hybrids.export(fitted, folder / "bundle", name)
    except KeyboardInterrupt:
        show.close()
        _leave("interrupted; nothing of the hybrid is kept")
    finally:
        show.close()
    _told(fitted, card, folder / "search.csv", folder / "bundle")


@dataclass(frozen=True)
class _Plan:
    """What the command works on: the run folder or None, its recipe or None, and what follows from them."""

    run: Path | None
    recipe: Recipe | None
    network: Path
    section: HeadSection
    seed: int
    folder: Path


def _plan(model: str, recipe_file: Path | None, given: Mapping[str, Any], seed: int | None) -> _Plan:
    from mien import bundle
    from mien.errors import BundleError
    from mien.recipe import load
    from mien.recipe.head import head_section

    run = Path(model) if (Path(model) / "recipe.toml").is_file() else None
    file = recipe_file or (run and run / "recipe.toml")
    recipe = load(file) if file else None
    # A run whose recipe has a head keeps the network by itself beside the hybrid.
    bundles = [b for b in (run / "network", run / "bundle") if (b / "card.json").is_file()] if run else []
    if run is not None and not bundles:
        raise BundleError(f"{run} has no bundle", "a finished run", f"Finish it with: mien train --resume {run}")
    network = bundles[0] if bundles else bundle.find(model)
    own = {} if recipe is None or recipe.head is None else recipe.head.model_dump(exclude_unset=True)
    if recipe is not None and recipe.data.limit is not None:
        own.setdefault("rows", recipe.data.limit)
    section = head_section({**own, **given}, "mien hybrid")
    if seed is None:
        seed = 0 if recipe is None else recipe.seed
    named = bundle.read_card(network).name
    folder = Path("runs") / f"{named}-{section.kind}" if run is None else run / "head"
    return _Plan(run, recipe, network, section, seed, folder)


def fit_head(run: Path, network: Path, faces: FaceSet, split: Split, recipe: Recipe) -> None:
    """What a recipe's ``[head]`` asks for after training: RUN/head/search.csv and RUN/bundle, the network in both."""
    from mien.training import hybrid as hybrids

    section = recipe.head
    assert section is not None
    if (limit := recipe.data.limit) is not None:
        section = section.model_copy(update={"rows": min(section.rows or limit, limit)})
    show = _Show(quiet=False)
    try:
        fitted = hybrids.fit(network, faces, split, section, recipe.seed, show)
        if fitted.search:
            hybrids.write_search(fitted.search, run / "head" / "search.csv")
        card = hybrids.export(fitted, run / "bundle", recipe.name)
    except KeyboardInterrupt:
        show.close()
        _leave(f"interrupted; the network is kept. Fit anew with: mien train --resume {run}")
    finally:
        show.close()
    _told(fitted, card, run / "head" / "search.csv", run / "bundle")


def _leave(message: str) -> NoReturn:
    """Say so and end the process without waiting for the fits that are under way in other threads.

    The usual way out aborts it: a fit that comes back from C++ while the interpreter is being taken down has its thread
    cancelled in the midst of a function that may not throw.
    """
    typer.echo(message, err=True)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(130)


def _need_free(folder: Path) -> None:
    from mien.errors import OutputError

    if (folder / "bundle").exists():
        raise OutputError(f"{folder / 'bundle'} exists already", "a new folder", "Name another with --out.")


def _faces_and_split(plan: _Plan, data: Path | None, split: Path | None) -> tuple[FaceSet, Split]:
    """The faces in the labels that the recipe is for, and their parts."""
    from mien.data import Split, open_faces
    from mien.errors import RecipeError

    if data is None and plan.run is None:
        raise RecipeError("no data set", "--data STORE", "Only a run folder says which one it was trained on.")
    if data is None:
        assert plan.run is not None
        environment = json.loads((plan.run / "environment.json").read_text(encoding="utf-8"))
        data = Path(environment["data"])
    faces = _labelled(open_faces(data), plan)
    if split is None and plan.run is not None:
        own = Split.load(plan.run / "split.json")
        if own.source_sha256 == faces.provenance.sha256:
            return faces, own
    if split is not None:
        found = Split.load(split)
        found.check(faces)
        return faces, found
    return faces, _drawn(plan, faces)


def _labelled(faces: FaceSet, plan: _Plan) -> FaceSet:
    """The faces through the recipe's map, where that is from their labels."""
    from mien.evaluation.plan import mapped_as

    if plan.recipe is None:
        return faces
    base = Path()
    if plan.run is not None:
        begun = json.loads((plan.run / "environment.json").read_text(encoding="utf-8"))
        base = Path(begun.get("recipe_folder", plan.run))
    return mapped_as(plan.recipe, faces, base)


def _drawn(plan: _Plan, faces: FaceSet) -> Split:
    """The official split with the network's own validation part, where it was trained on this very set.

    Otherwise it would be scored on faces that it was trained on.
    """
    from mien import bundle
    from mien.data import official
    from mien.errors import DataError
    from mien.evaluation.plan import trained_split

    if plan.recipe is not None:
        return official(faces, plan.recipe.data.validation, plan.recipe.data.split_seed)
    training = bundle.read_card(plan.network).training
    if training.sha256 != faces.provenance.sha256:
        return official(faces, 0.1, 0)
    if (own := trained_split(training, faces)) is not None:
        return own
    raise DataError(
        f"the network was trained on {faces.provenance.source} itself, by a split that its card does not tell",
        "that split, or the hybrid is scored on faces that the network knows",
        "Give it with --split FILE.",
    )


class _Show:
    """A bar on a terminal; anywhere the estimate, and a line for each stage."""

    def __init__(self, quiet: bool) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._console = Console(stderr=True, highlight=False)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=self._console,
            disable=not sys.stderr.isatty(),
        )
        self._quiet, self._stage = quiet, ""
        self._task = self._bar.add_task("", total=None)
        self._bar.start()

    def __call__(self, state: Progress) -> None:
        names = {"features": "features of the faces", "search": "cross-validation", "fit": "last fit"}
        if state.stage != self._stage:
            self._stage = state.stage
            self._bar.reset(self._task, description=names[state.stage], total=state.total)
        if state.about is not None and not self._quiet:
            self._console.print(str(state.about), soft_wrap=True)
        self._bar.update(self._task, completed=state.done, total=state.total)

    def close(self) -> None:
        """Remove the bar."""
        self._bar.stop()


def _told(fitted: Fitted, card: Card, search: Path, bundle: Path) -> None:
    for caveat in [*card.training.caveats(), *fitted.notes]:
        typer.echo(f"note: {caveat}", err=True)
    typer.echo(fitted.phrase())
    if fitted.search:
        best = fitted.search[0]
        typer.echo(
            f"cross-validation inside train: {best.accuracy:.2%} ± {best.deviation:.2%} over {fitted.section.folds} "
            f"folds, best of {len(fitted.search)} in {search}"
        )
    if fitted.decides is not None:
        typer.echo(f"validation, the SVM's votes before they become probabilities: {fitted.decides:.2%}")
    for s in card.scores:
        typer.echo(f"{s.part}, {s.protocol}: {s.value:.2%} (95% interval {s.low:.2%} to {s.high:.2%}, n = {s.n})")
    typer.echo(f"bundle in {bundle}; use it with: mien analyze PATH --model {bundle}")
