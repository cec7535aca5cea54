"""``mien data audit``: what is wrong in a data set, and a split without it."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import numpy as np

    from mien.data import FaceSet, Split
    from mien.data.findings import Audit
    from mien.plots.contact_sheet import Section

_PIPE_WIDTH = 120
_EXAMPLES, _SHOWN = 3, 12
_ALIKE = "From the most to the least alike: structural similarity once one face is laid on the other."


def audit(
    store: Annotated[Path, typer.Argument(help="A store, or a source that mien reads.")],
    split: Annotated[
        Path | None,
        typer.Option("--split", metavar="FILE", help="Look at the parts of this split instead of the source's own."),
    ] = None,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="FILE", help="Write all findings with row ids as JSON.")
    ] = None,
    sheet: Annotated[
        Path | None, typer.Option("--sheet", metavar="FILE", help="Draw the worst findings: a .png, .pdf or .svg file.")
    ] = None,
    clean: Annotated[
        Path | None,
        typer.Option("--fix", metavar="FILE", help="Write a split without them; its test parts stay as published."),
    ] = None,
) -> None:
    """Find copies within and across parts, mirrored ones too, contradictory labels, blank and false faces.

    Near-identical faces are found by a perceptual hash and then structural similarity; the contact sheet is for
    checking them by eye.
    """
    from mien.data import Split, open_faces
    from mien.data.audit import audit as look
    from mien.data.cleaning import fix
    from mien.plots import page

    if sheet is not None:
        page.require(sheet, "The contact sheet of an audit")  # before the set is read
    _refuse_taken(report, clean)
    began = time.perf_counter()
    faces = open_faces(store)
    parts = None if split is None else Split.load(split)
    with _progress() as tell:
        found = look(faces, parts, progress=tell)
    _print_table(found)
    for sentence in _sentences(found):
        _say(sentence)
    typer.echo()
    if report is not None:
        _write(report, lambda path: _write_text(path, json.dumps(found.to_dict(), ensure_ascii=False) + "\n"))
        typer.echo(f"all row ids: {report}")
    if sheet is not None:
        _draw(sheet, faces, found)
        typer.echo(f"contact sheet: {sheet}")
    if clean is not None:
        cleaned = fix(faces, found)
        _write(clean, cleaned.save)
        _print_cleaned(clean, cleaned, store)
    elif found.crossings:
        _say(f"Leave them out with: mien data audit {store} --fix clean.json")
    typer.echo(f"{found.n:,} faces in {time.perf_counter() - began:.1f} s")


def _refuse_taken(report: Path | None, clean: Path | None) -> None:
    from mien.errors import OutputError

    if report is not None and report.is_dir():
        raise OutputError(f"{report} is a folder", "the name of a file")
    if clean is not None and clean.exists():
        raise OutputError(f"{clean} exists already", "a new name", "Remove it, or name another with --fix.")


def _write(path: Path, write: Callable[[Path], None]) -> None:
    from mien.errors import OutputError

    try:
        write(path)
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written ({error.strerror or error})", "room on the disk and a folder you may write to"
        ) from error


def _write_text(path: Path, text: str) -> None:
    from mien.files import write_text

    write_text(path, text)


@contextmanager
def _progress() -> Iterator[Callable[[str, float], None] | None]:
    """A bar on standard error where that is a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda step, share: bar.update(task, description=step, completed=share)


def _say(text: str) -> None:
    from rich.console import Console
    from rich.text import Text

    Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH).print(Text(text))


def _print_table(found: Audit) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH)
    about = found.provenance
    parts = ", ".join(f"{n:,} {p}" for p, n in zip(found.parts, found.counts.sum(axis=1), strict=True))
    of = "" if found.split is None else f", split {found.split.name}"
    console.print(Text(f"{about.source}{of}: {parts}; sha256 {about.sha256[:16]}", "bold"))
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 3, 0, 0))
    for name in ("finding", "count", "share", "rows, for example"):
        right = name in ("count", "share")
        table.add_column(name, justify="right" if right else "left", overflow="fold", no_wrap=name == "finding")
    for finding, count, share, example in _table(found):
        table.add_row(Text(finding), f"{count:,}", share, Text(example), style="" if count else "dim")
    console.print(table)
    console.print()


def _table(found: Audit) -> Iterator[tuple[str, int, str, str]]:
    """Finding, count, share and examples."""
    near, n = found.near, found.n

    def pairs(kept: np.ndarray) -> str:
        return _some([" ~ ".join(map(str, rows)) for rows in near.rows[kept][: _EXAMPLES + 1].tolist()])

    def groups(given: Sequence[np.ndarray]) -> str:
        return _some([" = ".join(map(str, rows.tolist())) for rows in given[: _EXAMPLES + 1]])

    yield "groups of identical images", len(found.identical), "", groups(found.identical)
    yield "  surplus copies in them", found.surplus, _share(found.surplus, n), ""
    yield "  groups with different labels", len(found.contradictory), "", groups(found.contradictory)
    plain = ~near.mirrored
    yield "near-identical pairs", int(plain.sum()), "", pairs(plain)
    yield "mirrored pairs", int(near.mirrored.sum()), "", pairs(near.mirrored)
    count = len(near)
    yield "  of both, across parts", int(near.crosses.sum()), _share(near.crosses.sum(), count), pairs(near.crosses)
    differ = int(near.contradictory.sum())
    yield "  of both, with different labels", differ, _share(differ, count), pairs(near.contradictory)
    yield "  faces in such pairs", len(near.faces), _share(len(near.faces), n), ""
    size = dict(zip(found.parts, found.counts.sum(axis=1).tolist(), strict=True))
    for crossing in found.crossings:
        for part, other, rows in zip(crossing.parts, crossing.parts[::-1], crossing.rows, strict=True):
            here = found.occurrences(part, rows)
            yield f"{part} also in {other}: {crossing.kind}", here, _share(here, size[part]), _rows(rows)
    if len(found.several):
        yield "rows in more than one part", len(found.several), _share(len(found.several), n), _rows(found.several)
    for part, rows in found.repeated.items():
        yield f"rows repeated in {part}", len(rows), _share(len(rows), n), _rows(rows)
    yield "blank images", len(found.blank), "", _rows(found.blank)
    yield "not a face by FER+ votes", len(found.non_faces), "", _rows(found.non_faces)
    if found.subjects:
        yield "persons in more than one part", len(found.subjects), "", _some(list(found.subjects)[: _EXAMPLES + 1])


def _share(count: int, of: int) -> str:
    return f"{count / of:.1%}" if of and count else ""


def _rows(rows: np.ndarray) -> str:
    return _some([str(row) for row in rows[: _EXAMPLES + 1].tolist()])


def _some(examples: Sequence[str]) -> str:
    return ", ".join(examples[:_EXAMPLES]) + (", …" if len(examples) > _EXAMPLES else "")


def _measured(found: Audit, parts: tuple[str, str]) -> tuple[str, str]:
    """Of two parts the one that scores are made on, and the other."""
    from mien.data.cleaning import is_test

    size = dict(zip(found.parts, found.counts.sum(axis=1).tolist(), strict=True))
    first = max(parts, key=lambda p: (is_test(p), p == "validation", -size[p]))
    return first, parts[1] if first == parts[0] else parts[0]


def _leaks(found: Audit) -> Iterator[tuple[str, str, int, int, str]]:
    """Measured part, other part, faces of the first with a copy in the second, of how many, and of what kinds."""
    from mien.data.findings import IDENTICAL, MIRRORED, NEAR

    size = dict(zip(found.parts, found.counts.sum(axis=1).tolist(), strict=True))
    for parts in dict.fromkeys(c.parts for c in found.crossings):
        part, other = _measured(found, parts)
        rows = {kind: found.crossing(kind, part, other)[0] for kind in (IDENTICAL, NEAR, MIRRORED)}
        counts = {kind: found.occurrences(part, of_kind) for kind, of_kind in rows.items()}
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in counts.items() if count)
        yield part, other, sum(counts.values()), size[part], kinds


def _sentences(found: Audit) -> Iterator[str]:
    """What the findings mean."""
    for part, other, count, size, kinds in _leaks(found):
        if count:
            yield (
                f"{count:,} of {size:,} {part} faces ({count / size:.1%}) have a copy in {other} ({kinds}): "
                "scores on them measure memory."
            )
    if len(found.several):
        yield f"{_many(len(found.several), 'row is', 'rows are')} in more than one part: resampled before the split."
    if found.contradictory or found.near.contradictory.any():
        groups = _many(len(found.contradictory), "group", "groups")
        differ, near = int(found.near.contradictory.sum()), len(found.near)
        pairs = f" and {differ:,} of {near:,} near-identical pairs ({differ / near:.0%})" if near else ""
        yield f"{groups} of identical images{pairs} have different labels: nothing can be right about all of them."
    if found.surplus:
        yield f"{_many(found.surplus, 'face repeats', 'faces repeat')} another: some count more than once."
    if len(found.blank):
        yield f"{_many(len(found.blank), 'image is', 'images are')} blank."
    if len(found.non_faces):
        yield f"{_many(len(found.non_faces), 'image is', 'images are')} not of a face, by FER+ votes."
    if found.subjects:
        persons = _many(len(found.subjects), "person is", "persons are")
        yield f"{persons} in more than one part: scores measure knowing them."
    if found.near.left_out:
        yield (
            f"At least {found.near.left_out:,} pairs that may be near-identical were not compared, the least alike "
            "ones: too many faces are alike."
        )
    yield from _of_labels(found)


def _many(count: int, one: str, several: str) -> str:
    return f"{count:,} {one if count == 1 else several}"


def _of_labels(found: Audit) -> Iterator[str]:
    labels = found.vocabulary.labels
    for part, counts, effective in zip(found.parts, found.counts, found.effective_classes, strict=True):
        most, least = int(counts.argmax()), int(counts.argmin())
        if counts[most] < 1.05 * counts[least]:
            yield f"{part}: its {len(labels)} classes are equally large, about {counts[most]:,} faces each."
            continue
        share = counts[least] / counts.sum()
        ratio = f"{counts[most] / counts[least]:.1f} times as many as" if counts[least] else "and none of"
        yield (
            f"{part}: {counts[most]:,} {labels[most]}, {ratio} {labels[least]}, which is {share:.1%} of its faces; its "
            f"{len(labels)} classes are as diverse as {effective:.1f} of equal size."
        )
    if found.agreement is not None and found.agreement.share is not None:
        yield (
            f"{found.agreement.share:.1%} of the labels agree with the FER+ majority (official protocol; contempt "
            "counts as disagreement)."
        )


def _print_cleaned(path: Path, cleaned: Split, store: Path) -> None:
    parts = ", ".join(f"{len(rows):,} {part}" for part, rows in cleaned.parts.items())
    typer.echo(f"cleaned split: {path}: {parts}")
    for reason, rows in cleaned.excluded.items():
        typer.echo(f"  {len(rows):>7,} left out: {reason}")
    if "train" in cleaned.parts and "validation" not in cleaned.parts:
        typer.echo(f"draw validation from its train with: mien data split {store} --from {path}")


def _draw(path: Path, faces: FaceSet, found: Audit) -> None:
    from mien.plots.contact_sheet import Sheet, save

    about, near = found.provenance, found.near
    parts = " · ".join(f"{n:,} {p}" for p, n in zip(found.parts, found.counts.sum(axis=1), strict=True))
    facts = [f"{parts} · sha256 {about.sha256[:16]}"]
    if found.split is not None:
        facts.append(f"split {found.split.name}, seed {found.split.seed}")
    blank = len(found.blank) + len(found.non_faces)
    worst = sorted(_leaks(found), key=lambda leak: leak[2] / leak[3])[-1:]
    figures = (
        *((f"{n / of:.1%}", f"of {part} has a copy in {other}: {n:,} faces") for part, other, n, of, _ in worst),
        (f"{found.surplus:,}", f"surplus copies, in {len(found.identical):,} groups of identical images"),
        (f"{len(near):,}", f"near-identical pairs, {near.mirrored.sum():,} of them mirrored"),
        (
            f"{near.contradictory.sum():,}",
            f"of these pairs have different labels, and {len(found.contradictory):,} of the groups",
        ),
        (f"{blank:,}", "blank, or not a face by FER+ votes"),
    )
    sections = tuple(_sections(faces, found))
    save(path, Sheet(f"Audit of {about.source}", tuple(facts), figures, found.vocabulary.labels, sections))


def _sections(faces: FaceSet, found: Audit) -> Iterator[Section]:
    """Some findings of each kind, evenly from the most to the least alike."""
    import numpy as np

    from mien.plots.contact_sheet import Cell, Section, Tile, spread

    near, part_of, labels = found.near, _part_of(faces, found.split), found.vocabulary.labels
    place = {row: at for at, row in enumerate(faces.rows.tolist())}
    order = (-near.similarity).argsort(kind="stable")

    def near_pairs(kept: np.ndarray) -> list[tuple[list[int], float]]:
        return [(near.rows[k].tolist(), float(near.similarity[k])) for k in order[kept[order]]]

    def of_groups(groups: Sequence[np.ndarray], what: np.ndarray) -> list[tuple[list[int], float]]:
        """The first face of each group and the first that differs from it, if there is one."""
        chosen = []
        for group in (g.tolist() for g in groups):
            values = what[[place[row] for row in group]]
            if (other := (values != values[0]).argmax()) > 0:
                chosen.append(([group[0], group[other]], 1.0))
        return chosen

    def tile(row: int) -> Tile:
        at = place[row]
        return Tile(faces.faces[at], row, str(part_of[at]), labels[faces.labels[at]])

    plain, across = ~near.mirrored, near.crosses.any()
    differing = [pair for pair in near_pairs(near.contradictory) if len({tile(row).label for row in pair[0]}) > 1]
    no_face = dict.fromkeys((*found.blank.tolist(), *found.non_faces.tolist()))
    in_parts = "two parts" if across else "one part"
    for title, text, chosen in (
        ("Identical, in two parts", "Byte for byte.", of_groups(found.identical, part_of)),
        (f"Near-identical, in {in_parts}", _ALIKE, near_pairs(plain & (near.crosses == across))),
        ("Mirrored", f"{_ALIKE[:-1]}, the other way round.", near_pairs(near.mirrored)),
        ("Identical, with different labels", "", of_groups(found.contradictory, faces.labels)),
        ("Near-identical, with different labels", _ALIKE, differing),
        ("Blank, or not a face by FER+ votes", "", [([row], 1.0) for row in no_face]),
    ):
        shown = [chosen[i] for i in spread(np.array([alike for _, alike in chosen]), _SHOWN)]
        count = f"{len(shown)} of {len(chosen):,}" if len(shown) < len(chosen) else f"all {len(chosen):,}"
        cells = (Cell(tuple(map(tile, rows)), f"similarity {alike:.3f}" if alike < 1 else "") for rows, alike in shown)
        yield Section(f"{title}: {count}", text, tuple(cells))


def _part_of(faces: FaceSet, split: Split | None) -> np.ndarray:
    """(N,) names of the part of each face; of those in several, joined."""
    import numpy as np

    if split is None:
        return np.asarray(np.array(faces.usages, np.str_)[faces.usage])
    names: list[list[str]] = [[] for _ in range(len(faces))]
    for part, rows in split.parts.items():
        for at in np.unique(faces.positions(rows)).tolist():
            names[at].append(part)
    return np.asarray(["+".join(name) for name in names], np.str_)
