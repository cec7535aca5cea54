"""``mien compare``: which of several models is better, and whether that can be said at all."""

from __future__ import annotations

import csv
import io
import json
import sys
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from mien.evaluation.comparison import Comparison, Pair
    from mien.evaluation.folders import Folder
    from mien.evaluation.measures import Estimate
    from mien.report.blocks import Block, Document, Table

_WIDTH = 120  # in a pipe
_MOST_VERDICTS = 3  # in the picture
_SUFFIXES = (".json", ".csv", ".md", ".tex")


class Metric(StrEnum):
    """What models are compared by; as in mien.evaluation.comparison, which is imported later."""

    ACCURACY = "accuracy"
    BALANCED_ACCURACY = "balanced_accuracy"
    MACRO_F1 = "macro_f1"


class Test(StrEnum):
    """How it is decided whether two differ."""

    MCNEMAR = "mcnemar"
    BOOTSTRAP = "bootstrap"


class Correction(StrEnum):
    """For the number of pairs."""

    HOLM = "holm"
    NONE = "none"


_Protocol = typer.Option("--protocol", metavar="NAME", help="Such as ferplus-majority; the first that all share.")
_TestOption = typer.Option("--test", help="McNemar's is for accuracy, and taken for it if absent; else the bootstrap.")
_Common = typer.Option("--common", help="Compare on the rows that all have, where they do not have the same.")
_Out = typer.Option("--out", metavar="FILE", help="Write everything: .json, .csv, .md or .tex.")
_Plot = typer.Option("--plot", metavar="PICTURE", help="Draw bars of the metric: .png, .pdf or .svg.")


def compare(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Two or more folders of evaluated runs, or of evaluations.")
    ],
    protocol: Annotated[str | None, _Protocol] = None,
    metric: Annotated[Metric, typer.Option("--metric", help="What pairs are compared by.")] = Metric.ACCURACY,
    test: Annotated[Test | None, _TestOption] = None,
    correction: Annotated[
        Correction, typer.Option("--correction", help="Of p for the number of pairs.")
    ] = Correction.HOLM,
    common: Annotated[bool, _Common] = False,
    out: Annotated[Path | None, _Out] = None,
    plot: Annotated[Path | None, _Plot] = None,
    draws: Annotated[
        int, typer.Option("--draws", min=100, help="Resamples of the bootstrap; its p takes more if need be.")
    ] = 2000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the bootstrap.")] = 0,
) -> None:
    """Compare evaluated models on the same faces, and say which is better or that they cannot be told apart.

    Predictions are paired by row id. Tests are two-sided, at 5%, corrected for the number of pairs.
    """
    from mien.evaluation.comparison import compare as judge
    from mien.evaluation.folders import Folder, read_compared, shared_protocols
    from mien.report.gather import gather

    _check(runs, out, plot)
    folders = [Folder(s.title, s.folder, s.evaluation) for s in gather(runs, pictures=False)]
    chosen = _chosen(shared_protocols(folders), protocol)
    models = read_compared(folders, chosen)
    found = judge(models, metric.value, None if test is None else test.value, correction.value, common, draws, seed)
    _print(found, folders)
    if out is not None:
        _write(out, found, folders)
    if plot is not None:
        _draw(plot, found, folders)


def _check(runs: Sequence[Path], out: Path | None, plot: Path | None) -> None:
    """Say what is wrong before anything is read."""
    from mien.errors import OutputError
    from mien.evaluation.document import refuse_own

    if len(runs) < 2:
        raise typer.BadParameter("name two or more models")
    if out is not None and (out.suffix.lower() not in _SUFFIXES or out.is_dir()):
        raise OutputError(f"--out {out}: no such format", f"the name of a file ending in {', '.join(_SUFFIXES)}")
    if out is not None:
        refuse_own(out)
    if plot is not None:
        from mien.plots import page

        page.require(plot, "The picture of a comparison")


def _chosen(shared: Sequence[str], named: str | None) -> str:
    from mien.errors import DataError

    if named is not None and named not in shared:
        raise DataError(f"--protocol {named}", f"one that all models share: {', '.join(shared)}")
    return named or shared[0]


def _print(found: Comparison, folders: Sequence[Folder]) -> None:
    """The table of models, two lines for each pair, and how it was done."""
    from rich.console import Console
    from rich.markup import escape

    from mien.report.comparing import method, standings
    from mien.report.numbers import chance, interval, points

    console = Console(highlight=False, emoji=False, width=None if sys.stdout.isatty() else _WIDTH)
    table = standings(found, folders)
    _print_table(console, table)
    several = len(found.pairs) > 1 and found.correction == Correction.HOLM
    for pair in found.pairs:
        ends = interval(pair.difference.low, pair.difference.high)
        told = f"{points(pair.difference.value)} points{f' ({ends})' if ends else ''}; right alone on "
        told += f"{pair.only_first:,} and {pair.only_second:,} faces; p {_equals(chance(pair.p))}"
        told += f", corrected {_equals(chance(pair.corrected))}" if several else ""
        console.print(escape(f"{pair.verdict}."), style="bold" if pair.better else "")
        console.print(escape(f"  {pair.first} – {pair.second}: {told}"), style="dim")
    console.print()
    for note in (*table.notes, *method(found)):
        console.print(escape(note), style="dim")
    for name, warning in _warnings(found, folders):
        console.print(escape(f"{name}: {warning}"), style="red")


def _print_table(console: Console, table: Table) -> None:
    from rich.markup import escape
    from rich.table import Table as Grid

    console.print(escape(f"{table.caption}."), end="\n\n")
    grid = Grid(box=None, pad_edge=False, header_style="bold")
    for i, head in enumerate(table.columns):
        grid.add_column(escape(head), justify="right" if i else "left", vertical="top")
    for row in table.rows:
        cells = (f"{escape(c.text)}\n[dim]{escape(c.detail)}[/dim]" if c.detail else escape(c.text) for c in row.cells)
        grid.add_row(*cells)
    console.print(grid, end="\n\n")


def _equals(written: str) -> str:
    return written if written.startswith("<") else f"= {written}"


def _warnings(found: Comparison, folders: Sequence[Folder]) -> list[tuple[str, str]]:
    """What is wrong with the numbers that are compared, by model; what is about another protocol is left out."""
    told = []
    for folder in folders:
        evaluation = folder.evaluation
        others = tuple(f"{p.name}: " for p in evaluation.protocols if p.name != found.protocol)
        texts = dict.fromkeys([*evaluation.warnings, *evaluation.model.caveats])
        told += [(folder.name, text) for text in texts if not text.startswith(others)]
    return told


def _write(path: Path, found: Comparison, folders: Sequence[Folder]) -> None:
    from mien.errors import OutputError
    from mien.files import write_text

    text = {".json": _json, ".csv": _csv, ".md": _markdown, ".tex": _latex}[path.suffix.lower()](found, folders)
    try:
        write_text(path, text)
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error.strerror})", "a folder you may write to") from error


def _json(found: Comparison, folders: Sequence[Folder]) -> str:
    data = folders[0].evaluation.data
    whole = asdict(found)
    for pair, written in zip(found.pairs, whole["pairs"], strict=True):
        written["verdict"] = pair.verdict
    for folder, written in zip(folders, whole["models"], strict=True):
        facts = folder.evaluation.model
        written |= {"kind": facts.kind, "source": facts.source, "sha256": facts.sha256}
        written["warnings"] = [text for name, text in _warnings(found, folders) if name == folder.name]
    body = {"format": 1, "data": {k: getattr(data, k) for k in ("source", "sha256", "part")}, **whole}
    return json.dumps(body, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _csv(found: Comparison, folders: Sequence[Folder]) -> str:
    """A line for each pair."""
    estimates = {m.name: m.estimates[found.metric] for m in found.models}
    stream = io.StringIO()
    rows = [_line(pair, found, estimates) for pair in found.pairs]
    writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def _line(pair: Pair, found: Comparison, estimates: dict[str, Estimate]) -> dict[str, Any]:
    row: dict[str, Any] = {"protocol": found.protocol, "metric": found.metric, "first": pair.first}
    row |= {"second": pair.second, "n": pair.n}
    named = {"first": estimates[pair.first], "second": estimates[pair.second], "difference": pair.difference}
    for name, one in named.items():
        row |= {f"{name}_value": one.value, f"{name}_low": one.low, f"{name}_high": one.high}
    row |= {k: getattr(pair, k) for k in ("both_right", "only_first", "only_second", "neither")}
    row |= {"test": found.test, "p": pair.p, "correction": found.correction, "corrected": pair.corrected}
    return row | {"better": pair.better, "needed": pair.needed, "verdict": pair.verdict}


def _markdown(found: Comparison, folders: Sequence[Folder]) -> str:
    from mien.report.appendix import markdown

    return markdown(_document(found, folders), "")[0]


def _latex(found: Comparison, folders: Sequence[Folder]) -> str:
    from mien.report.latex import latex

    return latex(_document(found, folders))


def _document(found: Comparison, folders: Sequence[Folder]) -> Document:
    """The comparison as a short report, for the formats that reports have."""
    from mien import __version__
    from mien.report.blocks import Document, Paragraph, Warnings
    from mien.report.comparing import pairs, standings

    data = folders[0].evaluation.data
    title = f"Comparison of {', '.join(m.name for m in found.models)}"
    verdicts = [Paragraph(f"{pair.verdict}.") for pair in found.pairs]
    blocks: list[Block] = [Warnings(_warnings(found, folders)), standings(found, folders), *verdicts, pairs(found)]
    return Document(title, f"{data.source}, {data.part}", blocks, [], __version__)


def _draw(path: Path, found: Comparison, folders: Sequence[Folder]) -> None:
    from mien.evaluation.measures import METRICS
    from mien.plots import bars

    data, measure = folders[0].evaluation.data, METRICS[found.metric].title
    first = folders[0].evaluation.scores(found.protocol)
    majority = None if first is None else first.baselines.get("majority class", {}).get(found.metric)
    shown = []
    for model in found.models:
        one = model.estimates[found.metric]
        ends = None if one.low is None or one.high is None else (one.low, one.high)
        shown.append(bars.Bar(model.name, one.value, ends, baseline=majority))
    told = [f"{pair.verdict}." for pair in found.pairs] if len(found.pairs) <= _MOST_VERDICTS else []
    title = f"{len(shown)} models by {measure}: {data.source}, {data.part}"
    warned = ", ".join(dict.fromkeys(name for name, _ in _warnings(found, folders)))
    told += [f"There are warnings about {warned}: see mien compare."] if warned else []
    facts = (f"{found.title}, n = {found.n:,}", *told)
    bars.save(path, bars.Bars(title, facts, measure, tuple(shown), "always the commonest class"))
    typer.echo(f"{path}: {len(shown)} models", err=True)
