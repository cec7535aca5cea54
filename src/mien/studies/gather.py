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
from mien.studies.result import Result, load_result, out_of_date
from mien.studies.wording import Known, check_wording, fill, systems_in, unsayable


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
        outdated: Why a result is not of what the study asks for now, by system.
    """

    folder: Path
    study: Study
    results: dict[str, Result]
    damaged: dict[str, str]
    compared: dict[str, Compared | Unmeasured]
    published: Published | None
    outdated: dict[str, str]

    @property
    def known(self) -> Known:
        """What its sentences can name."""
        return Known(self.study, self.results, self.compared)

    @property
    def name(self) -> str:
        """Of its folder."""
        return self.folder.resolve().name

    def said(self, text: str, besides: str = "") -> str:
        """A sentence of the study with its numbers, or what it waits for, or what is wrong with it.

        Args:
            text: The sentence.
            besides: Another one that is read with it: of both together it is said which runs were shortened.
        """
        try:
            found = fill(text, self.known)
        except StudyError as error:
            return f"This sentence cannot be filled: {error}"
        if isinstance(found, Unmeasured):
            return f"{str(found)[0].upper()}{str(found)[1:]}."
        return found + self._shortened(systems_in(text + besides, self.study))

    def explained(self, finding: Finding) -> str:
        """Why a number came out as it did, with its numbers; a dash where that was not measured yet."""
        try:
            found = [fill(text, self.known) for text in (finding.measured, finding.explanation)]
        except StudyError:
            return self.said(finding.explanation)
        # Of what was not measured an explanation would be a guess.
        return NOTHING if any(isinstance(one, Unmeasured) for one in found) else str(found[1])

    def warnings(self) -> list[str]:
        """What is wrong with the study and its results, a line each; none of it keeps its page from being written."""
        lines = [f"{self.name}/{system}: its result cannot be read: {why}" for system, why in self.damaged.items()]
        lines += [f"{self.name}/{system}: its result is out of date: {why}" for system, why in self.outdated.items()]
        return lines + [f"{self.name}, {one}" for one in unsayable(self.known)]

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
    published = load_published(path) if path.is_file() else None
    outdated = {name: why for name, found in results.items() if (why := out_of_date(folder, study.named(name), found))}
    return Gathered(folder, study, results, damaged, compared, published, outdated)
