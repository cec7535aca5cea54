"""Everything that there is of a study, for its page: what it asks for, what was measured, what the paper prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mien.errors import StudyError
from mien.evaluation.published import Published
from mien.evaluation.published import load as load_published
from mien.report.numbers import NOTHING
from mien.studies.compared import Compared, Unmeasured, compare
from mien.studies.manifest import PUBLISHED, Finding, Study, load_study
from mien.studies.result import Result, load_result
from mien.studies.wording import Known, check_wording, fill, systems_in


@dataclass(frozen=True)
class Gathered:
    """A study with what was measured for it.

    Attributes:
        folder: Of the study.
        study: What it asks for.
        results: Those that there are, by system.
        damaged: Why a result cannot be read, by system.
        compared: Its comparisons, by name.
        published: The paper's figures; None where there are none.
    """

    folder: Path
    study: Study
    results: dict[str, Result]
    damaged: dict[str, str]
    compared: dict[str, Compared | Unmeasured]
    published: Published | None

    @property
    def name(self) -> str:
        """Of its folder."""
        return self.folder.resolve().name

    def said(self, text: str, besides: str = "") -> str:
        """A sentence of the study with its numbers, or what it waits for.

        Args:
            text: The sentence.
            besides: Another one that is read with it: of both together it is said which runs were shortened.
        """
        found = fill(text, Known(self.study, self.results, self.compared))
        if isinstance(found, Unmeasured):
            return f"{str(found)[0].upper()}{str(found)[1:]}."
        return found + self._shortened(systems_in(text + besides, self.study))

    def explained(self, finding: Finding) -> str:
        """Why a number came out as it did, with its numbers; a dash where that was not measured yet."""
        known = Known(self.study, self.results, self.compared)
        found = [fill(text, known) for text in (finding.measured, finding.explanation)]
        # Of what was not measured an explanation would be a guess.
        return NOTHING if any(isinstance(one, Unmeasured) for one in found) else str(found[1])

    def _shortened(self, systems: Sequence[str]) -> str:
        runs = {name: self.results[name].training for name in systems if name in self.results}
        told = [f"{name}, {run.shortened}" for name, run in runs.items() if run is not None and run.shortened]
        return f" (SHORTENED: {'; '.join(told)}.)" if told else ""


def gather(folder: Path) -> Gathered:
    """Read a study and its results.

    Raises:
        StudyError: The study is damaged, or its wording names what there is not. A damaged result costs only itself.
        DataError: The paper's figures are damaged.
    """
    study = load_study(folder)
    check_wording(study)
    results: dict[str, Result] = {}
    damaged: dict[str, str] = {}
    for system in study.system:
        try:
            found = load_result(folder / system.name, folder.name)
        except StudyError as error:
            damaged[system.name] = error.came
            continue
        if found is not None:
            results[system.name] = found
    compared = {asked.name: compare(asked, results) for asked in study.comparison}
    path = folder / PUBLISHED
    return Gathered(folder, study, results, damaged, compared, load_published(path) if path.is_file() else None)
