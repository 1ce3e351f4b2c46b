"""The report on the adoption of a table: findings about its columns, and its windows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from influx_lake.cli.output import Output, counted
from influx_lake.config import Measurement
from influx_lake.iceberg.columns.schema import iceberg_type
from influx_lake.printable import printable_name
from influx_lake.replication.adoption.adopted_window import AdoptedWindow, Outcome
from influx_lake.replication.adoption.adopting import Adoption
from influx_lake.replication.facts import window_facts

if TYPE_CHECKING:
    from influx_lake.config.values.windows import Window

_UNSIGNED = ("long", "decimal(20, 0)")
_ROWS = ("source_rows", "lake_rows", "missing", "doubled", "changed", "gone")


@dataclass(frozen=True, slots=True)
class Finding:
    """A finding about the columns of a table.

    Attributes:
        column: The column; empty for the table as a whole.
        problem: The problem.
        cure: What is done about it.
    """

    column: str
    problem: str
    cure: str

    def __str__(self) -> str:
        name = f"{printable_name(self.column)}: " if self.column else ""
        return f"{name}{self.problem}: {self.cure}"

    def facts(self) -> dict[str, str]:
        """The finding as JSON."""
        return {"column": self.column, "problem": self.problem, "cure": self.cure}


@dataclass(slots=True)
class AdoptedTable:
    """The report on the adoption of a table.

    Attributes:
        measurement: Its measurement.
        into: The new table, where there is one.
        dry_run: Whether nothing is changed.
        drop_copies: Whether duplicate rows that the source does not have are dropped.
        is_missing: Whether the table does not exist.
        has_printed: Whether the findings were printed.
    """

    measurement: Measurement
    into: str | None
    dry_run: bool
    drop_copies: bool = False
    is_missing: bool = False
    has_printed: bool = False
    _is_to_change: bool = False
    _findings: list[Finding] = field(default_factory=list)
    _outside: int = 0
    _outcomes: Counter[Outcome] = field(default_factory=Counter)
    _rows: Counter[str] = field(default_factory=Counter)
    _differing: list[dict[str, Any]] = field(default_factory=list)

    @property
    def differs(self) -> bool:
        """Whether windows have to be loaded, or columns changed."""
        return bool(self._outcomes[Outcome.LOADED]) or self._is_to_change

    def tell(self, adoption: Adoption, windows: Sequence[Window] | None, out: Output) -> None:
        """Print the findings about columns, and the rows outside of all windows.

        Args:
            adoption: The adoption.
            windows: All windows of the measurement; None where only some are adopted.
            out: The output.
        """
        self.has_printed = True
        self._findings = list(findings(adoption))
        self._is_to_change = adoption.is_in_place and (bool(adoption.repair) or adoption.repair.time is not None)
        name = self.measurement.table_name
        if self._findings:
            out.line(f"{self.measurement.name}, table {name}:")
        for each in self._findings:
            out.line(f"  {each}")
        self._outside = adoption.rows_outside(windows) if windows is not None else 0

    def add(self, done: AdoptedWindow, out: Output) -> None:
        """Add a window, and print one that differs."""
        self._outcomes[done.outcome] += 1
        self._rows.update({name: getattr(done.found, name) for name in _ROWS})
        self._rows.update({"kept": done.kept, "copies": done.copies})
        if done.outcome is Outcome.EQUAL:
            return
        facts: dict[str, Any] = {
            "window": str(done.window),
            "outcome": str(done.outcome),
            **{name: getattr(done.found, name) for name in _ROWS},
            "kept": done.kept,
            "copies": done.copies,
            "columns": list(done.found.columns),
            "explanation": done.explanation,
        }
        if done.result is not None:
            facts["load"] = window_facts(done.result)
        self._differing.append(facts)
        sign = {Outcome.LOADED: "→" if self.dry_run else "✓"}.get(done.outcome, "·")
        out.line(f"{sign} {self.measurement.name} {done.window}  {self._outcome_text(done)}: {done.explanation}")

    def _outcome_text(self, done: AdoptedWindow) -> str:
        if done.outcome is Outcome.LOADED:
            return "to be loaded" if self.dry_run else "loaded"
        return {Outcome.KEPT: "kept", Outcome.DONE: "done"}.get(done.outcome, str(done.outcome))

    def summarise(self, out: Output) -> None:
        """Print the summary."""
        name, measurement = self.measurement.table_name, self.measurement
        if self.is_missing:
            out.line(f"{measurement.name}: there is no table {name} yet: influx-lake replicate {measurement.full_name}")
            return
        if not self.has_printed:
            return
        counts = [
            f"{counted(number, 'window')} {what}"
            for outcome, what in (
                (Outcome.EQUAL, "equal"),
                (Outcome.LOADED, "to be loaded" if self.dry_run else "loaded"),
                (Outcome.KEPT, "kept as the source has no more of them"),
                (Outcome.DONE, "loaded before"),
            )
            if (number := self._outcomes[outcome])
        ]
        rows = [
            f"{counted(self._rows[figure], 'row')} {what}"
            for figure, what in (
                ("missing", "missing"),
                ("doubled", "doubled"),
                ("changed", "with other values"),
                ("gone", "not in the source any more"),
                ("copies", "of these copies of others"),
            )
            if self._rows[figure]
        ]
        out.line(f"{measurement.name}, table {name}: {', '.join(counts) or 'no window'}" + _in_brackets(rows))
        if self._outside > 0:
            out.line(
                f"! {counted(self._outside, 'row')} of {name} lie in no window: before `partition.start`, in the "
                "future or without a time. They stay; an earlier `partition: {start: ...}` takes them in"
            )
        if self.into is not None and not self.dry_run and self._outcomes:
            new = ".".join((*measurement.namespace, self.into))
            text = f"{new} has what was loaded, {name} is as it was"
            out.line(f"Next: set `table: {self.into}` for {measurement.key} in lake.yaml; {text}")

    def facts(self) -> dict[str, Any]:
        """The report as JSON."""
        return {
            "measurement": self.measurement.name,
            "table": self.measurement.table_name,
            "into": self.into and ".".join((*self.measurement.namespace, self.into)),
            "table_exists": not self.is_missing,
            "columns": [each.facts() for each in self._findings],
            "windows": {str(outcome): self._outcomes[outcome] for outcome in Outcome},
            "rows": {name: self._rows[name] for name in (*_ROWS, "kept", "copies")},
            "rows_outside": self._outside,
            "differing": self._differing,
        }


def findings(adoption: Adoption) -> Iterator[Finding]:
    """The findings about a table's columns."""
    repair, wanted = adoption.repair, adoption.target.types
    new = not adoption.is_in_place
    if repair.time is not None:
        yield Finding(
            adoption.lake.time,
            f"is a {repair.time}, and time_type says {wanted.time_type}",
            "the new table has it so" if new else f"set time_type: {repair.time}, or load into a new table (--into)",
        )
    for name in repair.optional:
        yield Finding(name, "is required", "the new table takes nulls" if new else "is made optional")
    for name, kind in repair.widened.items():
        yield Finding(name, f"is {repair.types[name]}", f"the new table has {kind}" if new else f"becomes {kind}")
    for name, aside in repair.set_aside.items():
        has = f"a new {name!r} takes its place" if not new else f"the new table has its own {name!r}"
        types, wanted_type = str(repair.types[name]), str(iceberg_type(repair.added[name].type))
        kept = "; `unsigned: long` goes on with the column" if (types, wanted_type) == _UNSIGNED else ""
        yield Finding(
            name,
            f"is {types}, which does not hold the source's {wanted_type}",
            f"stays as {aside!r} for rows that the source no longer has, and {has}{kept}",
        )
    for name in repair.missing:
        yield Finding(name, "is not in the table", "is added by the loads")
    for name in repair.only_there:
        yield Finding(name, "is not in the source", "is null in rows that are loaded")
    if adoption.is_unpartitioned and not new:
        has_partition_spec = adoption.target.partition is not None
        yield Finding(
            "",
            "the table has no partition fields",
            "loads give it those of iceberg_partition"
            if has_partition_spec
            else "`iceberg_partition: [day(time)]` gives it some",
        )


def _in_brackets(parts: Sequence[str]) -> str:
    return f" ({', '.join(parts)})" if parts else ""
