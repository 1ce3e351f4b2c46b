"""A file whose parts several tasks parse, and which of these parts have to be parsed again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from influx_lake.sources.files.parts import END, WHOLE, FilePart, Place
from influx_lake.sources.points.left_out import too_bad
from influx_lake.sources.points.staged_file import FACTS
from influx_lake.sources.points.staging import FileTask
from influx_lake.spark.outcomes import Outcome
from influx_lake.spark.parsing import FileToParse, ParsedFile
from influx_lake.spark.unit_index import UnitIndex, joined


@dataclass(slots=True)
class DividedFile:
    """A file, and the results of parsing its parts.

    All parts are parsed at once, each but the first one from a guess at where its first record begins. A part that
    did not begin where the part before it ended is parsed again from there, until the result equals that of one pass
    over the file.

    Attributes:
        task: Parses the file.
        bad_file: The path on the driver for the file's bad records.
        max_bad_lines: How many bad records are allowed.
        parts: Its parts.
    """

    task: FileTask
    bad_file: Path
    max_bad_lines: int
    parts: list[FilePart]
    _read: dict[int, tuple[int, Outcome]] = field(default_factory=dict)
    _order_by_number: dict[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, task: FileTask, bad_file: Path, max_bad_lines: int, most_bytes: int) -> DividedFile:
        """A file in parts of no more than some bytes, about, where it can be divided."""
        size = task.file.size if task.is_text and task.file.is_seekable else 0
        count = max(1, -(-size // max(1, most_bytes)))
        if count == 1:
            return cls(task, bad_file, max_bad_lines, [WHOLE])
        bounds = [*(size * number // count for number in range(count)), END]
        parts = [FilePart(begin, end) for begin, end in pairwise(bounds)]
        return cls(task, bad_file, max_bad_lines, [replace(parts[0], start=Place()), *parts[1:]])

    def to_parse(self, numbers: Iterator[int]) -> list[FileToParse]:
        """The parts to parse now; none where all were parsed from the right place.

        Args:
            numbers: Gives each a number of its own.
        """
        found = []
        for order, part in self._unread():
            number = next(numbers)
            self._order_by_number[number] = order
            found.append(FileToParse(number, self.task, self.bad_file, part, order))
        return found

    def add_outcomes(self, outcomes: Mapping[int, Outcome]) -> None:
        """Add outcomes of its parts, by number; numbers of other files are passed over."""
        for number in outcomes.keys() & self._order_by_number.keys():
            self._read[self._order_by_number[number]] = number, outcomes[number]

    def numbers(self) -> list[int]:
        """The numbers of the parts that make up the file."""
        return [self._read[order][0] for order, _ in self._places()]

    def outcome(self) -> Outcome:
        """The outcome of the whole file, once no part is left to parse; its value is a `ParsedFile`."""
        outcomes = [self._read[order][1] for order, _ in self._places()]
        if len(outcomes) == 1:
            return outcomes[0]
        files = list(map(_parsed, outcomes))
        bad_lines = b"".join(each.bad_lines for each in files)
        remarks = [remark for each in outcomes for remark in each.remarks]
        if outcomes[-1].error is not None:
            return replace(outcomes[-1], value=ParsedFile(None, bad_lines), remarks=remarks)
        index = joined([each.index for each in files if each.index is not None], bad_lines)
        whole = Outcome.of(lambda: self._checked(index))
        return replace(whole, value=whole.value or ParsedFile(None, bad_lines), remarks=remarks)

    def _checked(self, index: UnitIndex) -> ParsedFile:
        facts, allowed = json.loads(index.files[FACTS]), self.max_bad_lines
        if facts["bad"] > allowed:
            raise too_bad(facts["bad"], allowed, facts, self.bad_file)
        return ParsedFile(index, index.bad_lines)

    def _unread(self) -> Iterator[tuple[int, FilePart]]:
        if not self._read:
            yield from enumerate(self.parts)
            return
        known_facts = set[str]()
        for order, place in self._places():
            outcome = self._read[order][1]
            start = _parsed(outcome).start
            if start is None or not _is_same(start, place, by_line=_names_lines(outcome, known_facts)):
                yield order, replace(self.parts[order], start=place)

    def _places(self) -> Iterator[tuple[int, Place]]:
        """The parts in which records begin, each with the place where it has to begin, as far as that is known.

        A part that was parsed from the wrong place has most likely ended in the right one; if not, the next round
        finds it.
        """
        place = Place()
        for order, part in enumerate(self.parts):
            if place.offset >= part.end:
                continue
            yield order, place
            outcome = self._read[order][1]
            start, end = _parsed(outcome).start, _parsed(outcome).end
            if start is None or end is None:
                # Behind what fails nothing is read.
                return
            context = place.context if end.context == start.context else end.context
            place = Place(end.offset, place.lines + end.lines - start.lines, context)


def _parsed(outcome: Outcome) -> ParsedFile:
    assert isinstance(outcome.value, ParsedFile)
    return outcome.value


def _is_same(one: Place, other: Place, *, by_line: bool) -> bool:
    same = (one.offset, one.context) == (other.offset, other.context)
    return same and (one.lines == other.lines or not by_line)


def _names_lines(outcome: Outcome, known_facts: set[str]) -> bool:
    """Whether the outcome of a part names lines by their numbers.

    Args:
        outcome: The outcome.
        known_facts: The facts that are kept for the first line of a file only, and were met in parts before.
    """
    index = _parsed(outcome).index
    if index is None:
        return True
    facts: dict[str, Any] = json.loads(index.files[FACTS])
    first = "first_empty" not in known_facts and facts.get("first_empty") is not None
    if first:
        known_facts.add("first_empty")
    return first or facts["bad"] > 0


def groups_of(parts: Sequence[FileToParse], most: int) -> list[list[FileToParse]]:
    """Files and parts in groups of about the same size, each in their order."""
    groups: list[list[FileToParse]] = [[] for _ in range(min(most, len(parts)))]
    sizes = [0] * len(groups)
    for each in sorted(parts, key=lambda one: one.size, reverse=True):
        smallest = sizes.index(min(sizes))
        groups[smallest].append(each)
        # A file costs something, however small it is.
        sizes[smallest] += each.size + 2**16
    return [sorted(group, key=lambda one: one.number) for group in groups]
