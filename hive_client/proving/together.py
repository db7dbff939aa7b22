"""Several exports beside each other: a number is one paper, an agreement one story, a report billed once.

Each of them may be right by itself, and the same seconds still stand on two: as the same report, or as
another one of the same time, where one file says that a report before it was billed less than the other says.
So all that two files say of a report must be the same, and only one of them may say that it is billed here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from hive_client.proving.checks import Proven, check
from hive_client.proving.located import Document, Path
from hive_client.proving.numbering import in_words, missing_numbers


@dataclass(frozen=True)
class Export:
    """A file that is right by itself."""

    name: str
    document: Document

    @property
    def paper(self) -> dict[str, Any]:
        paper: dict[str, Any] = self.document.root["invoice"]
        return paper

    def place(self, path: Path) -> str:
        return f"{self.name}, byte {self.document.offset(path)}"


@dataclass
class Story:
    """An agreement as the file with most of its reports tells it, and where each of them is billed."""

    export: Export
    path: Path
    evidence: dict[str, Any]
    billed: dict[int, tuple[Export, Path]] = field(default_factory=dict)


class Together:
    """Takes one file after the other: each is checked by itself, then beside those before."""

    def __init__(self, *, earlier_keys: Collection[str] = ()) -> None:
        """`earlier_keys`: as `prove` takes them."""
        self._earlier_keys = earlier_keys
        self._papers: dict[tuple[str, str], Export] = {}
        self._stories: dict[str, Story] = {}
        self._again: list[str] = []

    def add(self, name: str, data: bytes) -> Proven:
        """Raises Wrong at the first thing in it that is not right, or not what a file before it says."""
        export = Export(name, Document(data))
        proven = check(export.document, earlier_keys=self._earlier_keys)
        first = self._papers.setdefault((proven.issuer, proven.number), export)
        if first is export:
            for number, evidence in enumerate(export.document.root["agreements"]):
                self._follow(export, ("agreements", number), evidence)
        elif first.paper == export.paper:
            self._again.append(f"{name} is {proven.number} again, as {first.name}: it counts once")
        else:
            at = ("invoice", "number")
            raise export.document.wrong(at, f"another {proven.kind} has it: {first.place(at)}")
        return proven

    def notes(self) -> Iterator[str]:
        """What is no fault, for there may be files that were not given."""
        yield from self._again
        yield from (f"{numbers} not among these files" for numbers in missing_numbers(self._papers))
        for agreement, story in self._stories.items():
            told = {report["sequence"] for report in story.evidence["reports"]}
            if left := told - story.billed.keys():
                yield f"agreement {agreement}: billed on none of these files: reports {in_words(left)}"

    def _follow(self, export: Export, path: Path, evidence: dict[str, Any]) -> None:
        agreement = evidence["terms"]["agreement_id"]
        told = Story(export, path, evidence)
        story = self._stories.setdefault(agreement, told)
        _must_agree(story, told)
        for number, report in enumerate(evidence["reports"]):
            if report["here"]:
                _bill(story, report["sequence"], export, (*path, "reports", number, "here"))
        if len(evidence["reports"]) > len(story.evidence["reports"]):
            told.billed = story.billed
            self._stories[agreement] = told


def _bill(story: Story, sequence: int, export: Export, at: Path) -> None:
    before, place = story.billed.setdefault(sequence, (export, at))
    if before is not export:
        why = (
            f"report {sequence} is billed twice: {before.paper['number']} has it, too ({before.place(place)})"
        )
        raise export.document.wrong(at, why)


def _must_agree(story: Story, told: Story) -> None:
    """Terms, and each report that both have: as it was signed, and what was billed of it."""
    _must_be_the_same(story, told, ("terms",), story.evidence["terms"], told.evidence["terms"])
    both = zip(story.evidence["reports"], told.evidence["reports"], strict=False)
    for number, (first, second) in enumerate(both):
        _must_be_the_same(story, told, ("reports", number), first, second)


def _must_be_the_same(
    story: Story, told: Story, at: Path, first: dict[str, Any], second: dict[str, Any]
) -> None:
    for name, value in second.items():
        if name != "here" and value != first[name]:
            other = story.export.place((*story.path, *at, name))
            why = f"of the same agreement, another file says {first[name]}: {other}"
            raise told.export.document.wrong((*told.path, *at, name), why)
