"""Every option x every kind of nonsense: valid, or refused in its own line and in words of ours; the schema agrees."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest

from influx_lake.config import ConfigurationProblems, load_lake
from influx_lake.config.connections import SOURCE_TYPES
from influx_lake.config.lake.alerts import AlertOptions
from influx_lake.config.lake.operation import OperationOptions
from influx_lake.config.measurements.options import MeasurementOptions
from influx_lake.config.report.diagnostics import Problem
from influx_lake_tests.unit.config.lake.nonsense import (
    COMPANIONS,
    RANGES,
    SOURCES,
    Mutation,
    defaults_mutations,
    measurement_mutations,
    ranges,
    section_mutations,
    source_mutations,
)
from influx_lake_tests.unit.config.lake.nonsense_schema import valid_in_schema
from influx_lake_tests.unit.config.lake.nonsense_values import KINDS
from influx_lake_tests.unit.config.lake.nonsense_yaml import Raw, flow, yaml_lines

pytestmark = [pytest.mark.timeout(900), pytest.mark.slow]

WEBHOOK = 'webhook: "https://hooks.example.com/${NOT_A_SECRET}"'
HEAD = ["sources:", '  default: {host: "https://a", database: d}', '  old: {host: "https://a", database: d}']

FOREIGN = re.compile(
    r"pydantic|Input should|validation error|Value error|should be a valid|unable to (parse|interpret)|Traceback|"
    r"NoneType|<class|object at 0x|dict\b|\btuple\b|\bint\(|\bstr\b|\bfloat\(|datetime|timedelta|Decimal|isoformat|"
    r"Exceeds the limit|codec can|unexpected|not supported between|Errno",
)
"""What no message of ours says: words of pydantic and of Python."""

TEXTS = {"null", "empty", "blank", "line break", "carriage return", "tab", "NUL", "control character", "escape"} | {
    "direction", "line separator", "byte order mark", "space without width", "very long",
}  # fmt: skip
PROSE = {"line break", "carriage return", "tab", "very long"}

REFERENCES = {kind for kind in KINDS if "reference" in kind}


@dataclass
class Judged:
    """A mutation, where its lines are, and what was said of it."""

    mutation: Mutation
    document: dict[str, Any]
    first: int
    lines: list[str]
    problems: list[Problem] = field(default_factory=list)

    @property
    def own_line(self) -> int:
        """The line in which the nonsense is written."""
        last = self.first + len(self.lines) - 1
        return next(line for line in range(last, self.first - 1, -1) if self.is_written_in(line))

    def is_written_in(self, line: int) -> bool:
        """Whether a line has an option of that name."""
        written = self.lines[line - self.first].lstrip(" -")
        return written.startswith(f"{self.mutation.entry[-1]}:")


def loaded(path: Path, lines: Iterable[str]) -> list[Problem]:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    try:
        load_lake(path)
    except ConfigurationProblems as problems:
        return list(problems.problems)
    return []


def in_one_file(path: Path, section: str, mutations: Iterable[tuple[Mutation, Any]], head: list[str]) -> list[Judged]:
    """Mutations as entries of one section: each has its own mistakes."""
    lines, judged = list(head), {}
    for number, (mutation, entry) in enumerate(mutations):
        name = f"entry{number:05}"
        if section == "measurements" and mutation.entry[2:] != ("namespace",):
            # Two of them may name one table.
            made = {"namespace": name, **entry}
        else:
            made = entry
        own = yaml_lines(name, made, 1)
        judged[name] = Judged(mutation, {section: {name: made}}, len(lines) + 1, own)
        lines += own
    by_name = defaultdict(list)
    for problem in loaded(path, lines):
        by_name[problem.location[1]].append(problem)
    assert by_name.keys() <= judged.keys()
    for name, each in judged.items():
        each.problems = by_name[name]
    return list(judged.values())


def in_many_files(path: Path, mutations: Iterable[tuple[Mutation, dict[str, Any]]]) -> list[Judged]:
    """Mutations of sections that a lake has once; one of each section at a time, and of each alert."""
    by_slot = defaultdict(list)
    for mutation, document in mutations:
        by_slot[_slot(mutation.entry)].append((mutation, document))
    found = []
    for together in zip_longest(*by_slot.values()):
        lines, judged, alerts = list(HEAD), dict[tuple[str, ...], Judged](), []
        for mutation, document in filter(None, together):
            slot = _slot(mutation.entry)
            if slot[0] == "alerts":
                alerts.append((slot, mutation, document))
                continue
            own = yaml_lines(slot[0], document[slot[0]])
            judged[slot] = Judged(mutation, document, len(lines) + 1, own)
            lines += own
        if alerts:
            # What stands beside all of them, and then each one's own option.
            lines += ["alerts:", *([] if any("webhook" in slot for slot, _, _ in alerts) else [f"  {WEBHOOK}"])]
            for slot, mutation, document in alerts:
                own = yaml_lines(slot[1], document["alerts"][slot[1]], 1)
                judged[slot] = Judged(mutation, document, len(lines) + 1, own)
                lines += own
        for problem in loaded(path, lines):
            judged[_slot(problem.location or ("include",))].problems.append(problem)
        found += judged.values()
    return found


def _slot(entry: tuple[str | int, ...]) -> tuple[str, ...]:
    return tuple(map(str, entry[: 2 if entry[0] == "alerts" else 1]))


def in_defaults(path: Path) -> list[Judged]:
    """Mutations of the defaults, many at a time."""
    found = []
    for mutations, document in defaults_mutations():
        lines = yaml_lines("defaults", document["defaults"])
        problems = loaded(path, [*HEAD, *lines])
        for mutation in mutations:
            mine = [problem for problem in problems if problem.location[: len(mutation.entry)] == mutation.entry]
            found.append(Judged(mutation, document, len(HEAD) + 1, lines, mine))
    return found


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("nonsense")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("NOT_A_SECRET", "of-this-test")
        yield folder / "lake.yaml"


@pytest.fixture(scope="module")
def judged(path: Path) -> list[Judged]:
    found = in_one_file(path, "measurements", measurement_mutations(), [*HEAD, "measurements:"])
    known: set[Any] = set()
    for kind in SOURCES:
        found += in_one_file(path, "sources", source_mutations(kind, known), ["sources:"])
    return found + in_many_files(path, section_mutations())


_IN_A_MEASUREMENT = re.compile(
    r"is not one of the sources|is not a compression_level|shorter than fail|shortest that is|computes nothing|"
    r"is missing: how long a bucket|is not how times are written"
)
"""What is told of options that are right one by one: only of measurements, and only where nothing else is wrong."""


def _is_its_own(problem: Problem, each: Judged) -> bool:
    """Whether a problem is one of the option itself, whatever stands beside it."""
    inside = _inside(each)
    return problem.location[2 : 2 + len(inside)] == inside and not _IN_A_MEASUREMENT.search(problem.message)


def _inside(each: Judged) -> tuple[Any, ...]:
    """The option in its entry, without the section and the entry's name."""
    return each.mutation.entry[2 if each.mutation.entry[0] in ("sources", "measurements") else 1 :]


def told(cases: Iterable[tuple[Judged, object]]) -> str:
    return "\n".join(f"{each.mutation} ({flow(each.mutation.value)[:40]}): {what}" for each, what in cases)


def test_there_are_thousands(judged: list[Judged]) -> None:
    assert len(judged) > 9_000
    assert sum(bool(each.problems) for each in judged) > 7_000
    # What stands beside an option is there for options that exist.
    options = {".".join(map(str, _inside(each))) for each in judged}
    assert {name for name in COMPANIONS if not any(each.startswith(name) for each in options)} == set()


def test_defaults_refuse_what_a_measurement_refuses(path: Path, judged: list[Judged]) -> None:
    own = {(_inside(each), each.mutation.kind): each for each in judged if each.mutation.entry[0] == "measurements"}
    unlike = []
    for each in in_defaults(path):
        alone = own[_inside(each), each.mutation.kind]
        expected = {problem.message for problem in alone.problems if _is_its_own(problem, alone)}
        said = {problem.message for problem in each.problems if not _IN_A_MEASUREMENT.search(problem.message)}
        if said != expected:
            unlike.append((each, f"{[str(problem) for problem in each.problems]} and not {expected}"))
        if not all(each.is_written_in(problem.place.line) for problem in each.problems):
            unlike.append((each, "in another line"))
    assert not unlike, told(unlike)


def test_what_is_named_twice_in_a_list_is_refused(judged: list[Judged]) -> None:
    wrong = [
        (each, [str(problem) for problem in each.problems])
        for each in judged
        if each.mutation.kind in ("once", "twice")
        and (
            bool(each.problems) != (each.mutation.kind == "twice")
            or not all(re.search(r"twice|has two ", problem.message) for problem in each.problems)
        )
    ]
    assert not wrong, told(wrong)


def test_ends_that_are_reversed_are_refused(judged: list[Judged]) -> None:
    wrong = [
        (each, [str(problem) for problem in each.problems])
        for each in judged
        if each.mutation.kind in ("in order", "reversed") and bool(each.problems) != (each.mutation.kind == "reversed")
    ]
    assert not wrong, told(wrong)
    models = (MeasurementOptions, OperationOptions, AlertOptions, *SOURCE_TYPES.values())
    found = {pair for model in models for pair in ranges(model) if pair[0][0] != "server"}
    assert found <= RANGES.keys()


def test_nothing_is_refused_in_words_of_python(judged: list[Judged]) -> None:
    strange = [
        (each, problem.message)
        for each in judged
        for problem in each.problems
        if FOREIGN.search(problem.message.replace(flow(each.mutation.value), ""))
        or not problem.message.isprintable()
        or len(str(problem)) > 700
    ]
    assert not strange, told(strange)


def test_everything_that_is_refused_is_refused_in_its_line(judged: list[Judged]) -> None:
    elsewhere = [
        (each, [str(problem) for problem in each.problems])
        for each in judged
        if each.problems
        and each.mutation.entry[0] != "include"
        and not any(_is_there(problem, each) for problem in each.problems)
    ]
    assert not elsewhere, told(elsewhere)


def _is_there(problem: Problem, each: Judged) -> bool:
    if each.mutation.kind == "reversed":
        # Either end may be the wrong one.
        return problem.location[2:] in (each.mutation.entry[2:], each.mutation.value)
    if problem.place.line == each.own_line:
        return True
    # What is not given is missing where it should be.
    inside, option = problem.location[2:], each.mutation.entry[2:]
    return each.mutation.value in (None, {}) and option[: len(inside) - 1] == inside[:-1]


def test_a_slip_is_one_mistake(judged: list[Judged]) -> None:
    several = [
        (each, [str(problem) for problem in each.problems])
        for each in judged
        if len(each.problems) > 1
        and each.mutation.kind != "unknown option"
        and not isinstance(each.mutation.value, dict | list)
        and each.mutation.entry[0] != "alerts"
    ]
    assert not several, told(several)


def test_unreadable_texts_are_valid_nowhere(judged: list[Judged]) -> None:
    accepted = [
        (each, "accepted")
        for each in judged
        if not each.problems
        and each.mutation.kind in (TEXTS | REFERENCES) - {"null"}
        and not (each.mutation.kind in PROSE and each.mutation.entry[-1] in ("description", "condition"))
        and not (each.mutation.kind in PROSE and _is_secret(each))
        # Nothing before a name is what most have.
        and not (each.mutation.kind == "empty" and each.mutation.entry[2] == "prefix")
    ]
    assert not accepted, told(accepted)


def _is_secret(each: Judged) -> bool:
    return each.mutation.entry[-1] in ("token", "password")


def test_numbers_are_written_in_digits(judged: list[Judged]) -> None:
    odd = {"underscore", "hexadecimal", "octal", "leading zero", "binary", "sexagesimal", "infinity", "inf", "nan"} | {
        "not a number", "400 digits", "percent", "huge", "huge exponent", "other digits", "thousands", "plus",
    }  # fmt: skip
    accepted = [
        (each, "accepted")
        for each in judged
        if not each.problems
        and each.mutation.kind in odd
        and "text" not in _types_of(each)
        and each.mutation.entry[-1] not in ("path", "delimiter")
    ]
    assert not accepted, told(accepted)


def _types_of(each: Judged) -> set[str]:
    """Whether any text may stand there, as the schema has it."""
    return {"text"} if valid_in_schema(each.document, "banana") else set()


def test_what_the_loader_takes_the_schema_takes(judged: list[Judged]) -> None:
    unlike = [
        (each, "the loader takes it, the schema does not")
        for each in judged
        if not each.problems and not valid_in_schema(each.document) and not _is_a_text(each)
    ]
    assert not unlike, told(unlike)


def _is_a_text(each: Judged) -> bool:
    """Whether a number stands where a text may, which is what the loader takes it for; or a section says nothing."""
    value = each.mutation.value
    if value is None:
        return True
    return isinstance(value, Raw) and valid_in_schema(each.document, value.text)


BEYOND_A_SCHEMA = TEXTS | REFERENCES | {
    # YAML's notations, and JSON's 1.0, are numbers to an editor.
    "hexadecimal", "octal", "leading zero", "exponent", "plus", "negative zero", "huge exponent", "infinity",
    "not a number", "400 digits", "percent", "huge", "duration without end", "size without end", "list of empties",
}  # fmt: skip
# Options whose texts follow rules that no pattern holds, or that depend on others.
WITH_RULES = re.compile(
    r"host|timezone|start|until|namespace|table$|owners|tags|group|iceberg_partition|sort_by|every|older_than|fields|functions|by$|"
    r"condition|where|erased|formats|between|values|table_properties|source$|lag|within|longer_than|warn|fail|compression_level|"
    r"path|location|staging|index|file$|dbrp|webhook|base_url|webserver|sender|to$|smtp_host|uri|warehouse|include|"
    r"types|sources|brokers|topics|stream|columns|rollups|history|freshness|server|verify|alerts|email|username|password|token|"
    r"certificate|split|patience|kept|confirm_rows|_wait|_query|timeout|spill|catalog.type|key$|bloom_filter|query_port|storage|name$|no_such_option"
)


def test_what_the_schema_takes_the_loader_takes(judged: list[Judged]) -> None:
    unlike = [
        (each, [problem.message for problem in each.problems])
        for each in judged
        if each.problems
        and each.mutation.kind not in BEYOND_A_SCHEMA
        and not WITH_RULES.search(".".join(map(str, each.mutation.entry)))
        and valid_in_schema(each.document)
    ]
    assert not unlike, told(unlike)
