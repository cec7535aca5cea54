"""What a report says, in which order."""

from __future__ import annotations

from collections.abc import Sequence

from mien import __version__
from mien.evaluation.comparison import Comparison
from mien.evaluation.measures import ALL, SINGLE, Scores
from mien.report import comparing, overview, tables
from mien.report.blocks import Block, Document, Folded, Listing, Paragraph, Part, Picture, Table, Warnings
from mien.report.described import alt, base, caption, selective_sentence
from mien.report.gather import Subject
from mien.report.numbers import count, duration, said
from mien.report.terms import terms

# Where the pictures go; those of other names stand under "Further pictures".
_PLACES = {
    "classes": ("classes",),
    "scores": ("scores",),
    "per-class": ("recall",),
    "confusion": ("confusion",),
    "curves": ("roc", "precision_recall"),
    "certainty": ("reliability", "selective"),
    "groups": ("groups",),
    "robustness": ("robustness", "disturbances"),
    "mistakes": ("mistakes", "evidence", "tsne"),
    "training": ("curves",),
}


def document(
    subjects: Sequence[Subject], title: str = "", compared: tuple[Sequence[Comparison], Sequence[str]] = ((), ())
) -> Document:
    """The report about one or several models.

    Args:
        subjects: At least one.
        title: In place of the models' and the data's names.
        compared: What ``comparing.comparisons`` found of several.
    """
    top: list[Block] = [Warnings(_warnings(subjects)), overview.summary(subjects)]
    top += [Paragraph(text) for one in compared[0][:1] for text in comparing.verdicts(one)]
    parts = [_counted(subjects), *(_model(f"m{number}", subject) for number, subject in enumerate(subjects, 1))]
    if any(compared):
        parts.append(comparing.part(*compared))
    parts.append(Part("What the numbers mean", "terms", [terms([s.evaluation for s in subjects])]))
    return Document(title or _title(subjects), overview.span(subjects), top, parts, __version__)


def _title(subjects: Sequence[Subject]) -> str:
    names = [s.title for s in subjects]
    models = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    sources = list(dict.fromkeys(s.evaluation.data.source for s in subjects))
    return f"{models if len(names) <= 4 else f'{len(names)} models'} on {' and '.join(sources)}"


def _warnings(subjects: Sequence[Subject]) -> list[tuple[str, str]]:
    several = len(subjects) > 1
    found = [("", text) for text in overview.mismatches(subjects)]
    for subject in subjects:
        about = subject.title if several else ""
        texts = [*subject.evaluation.warnings, *subject.evaluation.model.caveats]
        found += [(about, _sentence(text)) for text in dict.fromkeys(texts) if text.strip()]
    return found


def _sentence(text: str) -> str:
    """With a capital at its beginning, unless a name stands there, and a full stop at its end."""
    text = text.strip()
    named = not text.split(" ")[0].isalpha()  # a protocol: its name is as it is
    return (text if named else text[0].upper() + text[1:]) + ("" if text.endswith((".", "!", "?")) else ".")


def _counted(subjects: Sequence[Subject]) -> Part:
    """How it was counted: protocols and data."""
    pictures: list[Block] = []
    for _, models in overview.sets_of_faces(subjects):
        number, first = next((i, s) for i, s in enumerate(subjects, 1) if s.title == models[0])
        pictures += _pictures(f"m{number}", first, "classes")
    data = Part("The data", "data", [*overview.data(subjects), *pictures])
    return Part("How it was counted", "counted", [overview.protocols(subjects)], [data])


def _model(of: str, subject: Subject) -> Part:
    parts = [
        Part("Scores", f"{of}-scores", _scores(of, subject)),
        Part("By class", f"{of}-by-class", _by_class(of, subject)),
        Part("Confusion", f"{of}-confusion", _confusion(of, subject)),
        Part("ROC, precision and recall", f"{of}-discrimination", _pictures(of, subject, "curves")),
        Part("How sure it is", f"{of}-certainty", _certainty(of, subject)),
        Part("Against the taggers' votes", f"{of}-votes", _votes(of, subject)),
        Part("By groups", f"{of}-groups", _groups(of, subject)),
        Part("Robustness", f"{of}-robustness", _robustness(of, subject)),
        Part("What it gets wrong", f"{of}-mistakes", _pictures(of, subject, "mistakes")),
        Part("Training and cost", f"{of}-training", _training(of, subject)),
        Part("To have these numbers again", f"{of}-again", _again(of, subject)),
        Part("Further pictures", f"{of}-further", [*_further(of, subject), *map(Paragraph, subject.missing)]),
    ]
    facts = subject.evaluation.model
    lines = {"kind": facts.kind, "source": facts.source, "sha256": facts.sha256, "parameters": count(facts.parameters)}
    table = overview.facts_table(f"{of}-model", f"The model {subject.title}", lines)
    about = [Paragraph(_sentence(facts.description))] if facts.description.strip() else []
    return Part(subject.title, of, [*about, table], [part for part in parts if part.blocks])


def _scores(of: str, subject: Subject) -> list[Block]:
    evaluation = subject.evaluation
    found = [tables.scores_by_subset(of, evaluation, protocol) for protocol in evaluation.protocols]
    blocks: list[Block] = [table for table in found if table is not None]
    if (views := tables.scores_by_view(of, evaluation)) is not None:
        blocks.append(views)
    return [*blocks, *_pictures(of, subject, "scores")]


def _single(subject: Subject) -> list[tuple[str, Scores]]:
    """The scores that the tables of classes are about: all faces, a single look, each protocol."""
    found = [(p.name, subject.evaluation.scores(p.name, SINGLE, ALL)) for p in subject.evaluation.protocols]
    return [(name, scores) for name, scores in found if scores is not None]


def _first_and_folded(found: Sequence[tuple[str, Table]]) -> list[Block]:
    """The first table, and the others folded away: they say the same about other labels."""
    first: list[Block] = [table for _, table in found[:1]]
    return first + [Folded(f"The same under {name}", [table]) for name, table in found[1:]]


def _by_class(of: str, subject: Subject) -> list[Block]:
    found = [(name, tables.classes(of, name, scores)) for name, scores in _single(subject)]
    return [*_pictures(of, subject, "per-class"), *_first_and_folded(found)]


def _confusion(of: str, subject: Subject) -> list[Block]:
    found = [(name, tables.confusion(of, name, scores)) for name, scores in _single(subject)]
    return [*_pictures(of, subject, "confusion"), *_first_and_folded(found)]


def _certainty(of: str, subject: Subject) -> list[Block]:
    found = subject.evaluation.certainty
    if not found:
        return _pictures(of, subject, "certainty")
    first = found[0]
    points = [(one.protocol, table) for one in found if (table := tables.operating_points(of, one)) is not None]
    held = [] if points else [Paragraph("No operating points: no faces were held out to choose thresholds on.")]
    with_bins = [table for one in found if (table := tables.bins(of, one)).rows]
    bins: list[Block] = [Folded("Numbers of the reliability diagram", list(with_bins))] if with_bins else []
    return [
        Paragraph(
            f"Under {first.protocol} the expected calibration error is {said(first.given.error, 'calibration_error')}. "
            f"{selective_sentence(first)}"
        ),
        *_pictures(of, subject, "certainty"),
        tables.certainty(of, found),
        *held,
        *_first_and_folded(points),
        *bins,
    ]


def _votes(of: str, subject: Subject) -> list[Block]:
    found = subject.evaluation.votes
    return [] if found is None else [tables.votes(of, found)]


def _groups(of: str, subject: Subject) -> list[Block]:
    return [*_pictures(of, subject, "groups"), *tables.groups(of, subject.evaluation.groups)]


def _robustness(of: str, subject: Subject) -> list[Block]:
    found = subject.evaluation.disturbed
    blocks: list[Block] = [*_pictures(of, subject, "robustness")]
    if found:
        scores = subject.evaluation.scores()
        blocks.append(tables.robustness(of, found, scores.headline.get("accuracy") if scores else None))
        blocks.append(Folded("With intervals, and balanced accuracy", [tables.robustness_in_full(of, found)]))
    return blocks


def _training(of: str, subject: Subject) -> list[Block]:
    facts = subject.evaluation.model
    lines = {**facts.training, "parameters": count(facts.parameters), **facts.cost}
    blocks: list[Block] = [overview.facts_table(f"{of}-training-facts", "Training and cost", lines)]
    if not facts.training:
        blocks.append(Paragraph("How the model was trained is not known."))
    blocks += _pictures(of, subject, "training")
    if facts.recipe.strip():
        blocks.append(Folded("The recipe as run", [Listing(facts.recipe.strip("\n"), "toml")]))
    return blocks


def _again(of: str, subject: Subject) -> list[Block]:
    """How to have the numbers again."""
    made = subject.evaluation.made
    lines = {
        "date": made.date,
        "mien": made.version,
        "commit": made.commit or "an installed copy",
        "hardware": made.hardware,
        "bootstrap": f"{count(made.draws)} draws, seed {made.seed}",
        "time": duration(made.seconds),
    }
    command: list[Block] = [Listing(made.command, "sh")] if made.command.strip() else []
    return [*command, overview.facts_table(f"{of}-made", f"How the numbers of {subject.title} were made", lines)]


def _pictures(of: str, subject: Subject, place: str) -> list[Block]:
    wanted = _PLACES[place]
    names = sorted((n for n in subject.pictures if base(n) in wanted), key=lambda n: (wanted.index(base(n)), n))
    return [_picture(of, subject, name) for name in names]


def _further(of: str, subject: Subject) -> list[Block]:
    placed = {name for names in _PLACES.values() for name in names}
    return [_picture(of, subject, name) for name in subject.pictures if base(name) not in placed]


def _picture(of: str, subject: Subject, name: str) -> Picture:
    drawn, evaluation = subject.pictures[name], subject.evaluation
    return Picture(
        f"{of}-{tables.slug(name)}",
        drawn.data,
        drawn.kind,
        drawn.width,
        drawn.height,
        alt(name, evaluation),
        caption(name, evaluation),
    )
