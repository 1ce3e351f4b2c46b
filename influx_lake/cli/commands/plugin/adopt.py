"""The command `influx-lake adopt`."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer

from influx_lake.cli.failures import Failure, note_trace, of_lake_error
from influx_lake.cli.interruption import STOPPED, uninterrupted
from influx_lake.cli.options import ConfigOption, EndOption, JsonOption, Measurements, StartOption
from influx_lake.cli.output import Output, output
from influx_lake.errors import LakeError

if TYPE_CHECKING:
    from influx_lake.cli.plugin.adoption_report import AdoptedTable
    from influx_lake.config import Measurement
    from influx_lake.session import Session


def adopt(
    names: Measurements = None,
    everything: Annotated[bool, typer.Option("--all", help="Every measurement of the lake.")] = False,
    start: StartOption = None,
    end: EndOption = None,
    into: Annotated[
        str | None,
        typer.Option(
            metavar="TABLE", help="Load into this new table of the same namespace, and leave the old table unchanged."
        ),
    ] = None,
    drop_copies: Annotated[
        bool,
        typer.Option(
            "--drop-copies",
            help="Keep one copy of rows that are equal in every column and no longer in the source.",
        ),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Compare and report, and change nothing.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> int:
    """Take over tables that other tools filled: windows that differ from the source are loaded again.

    Values are compared, row by row. Rows that the source does not have any more stay, unless on_shrink: replace says
    otherwise. Doing it again goes on where it was stopped. With --dry-run the exit code is 1 where something differs.
    """
    if bool(names) == everything:
        raise typer.BadParameter("name measurements, or give --all", param_hint="MEASUREMENT")
    from influx_lake.cli.plugin.adoption_report import AdoptedTable
    from influx_lake.cli.session import open_session
    from influx_lake.session import check_range

    with output(as_json) as out, open_session(config, command="influx-lake adopt") as session:
        chosen = session.measurements(names)
        if into is not None:
            _check_into(session, chosen, into)
        check_range(chosen, start, end, session.tell)
        tables = [AdoptedTable(each, into, dry_run=dry_run, drop_copies=drop_copies) for each in chosen]
        failed = list[Failure]()
        try:
            _adopt_all(session, tables, out, failed, start, end)
        except STOPPED:
            with uninterrupted():
                out.result({"measurements": [each.facts() for each in tables], "stopped": True})
                out.note("Stopped. The same command goes on: what was loaded stays, and is not loaded again.")
            raise
        finally:
            for each in tables:
                each.summarise(out)
        content: dict[str, object] = {"dry_run": dry_run, "measurements": [each.facts() for each in tables]}
        if failed:
            content |= {"error": failed[0].facts, "failures": [each.facts for each in failed]}
        out.result(content)
        return 1 if failed or (dry_run and any(each.differs for each in tables)) else 0


def _adopt_all(
    session: Session,
    tables: Sequence[AdoptedTable],
    out: Output,
    failed: list[Failure],
    start: datetime | None,
    end: datetime | None,
) -> None:
    now, run_id = datetime.now(UTC), f"adopt-{uuid.uuid4()}"
    for each in tables:
        try:
            _adopt(session, each, out, now, run_id, start, end)
        except LakeError as error:
            # A table that cannot be adopted does not stop the others.
            if error.exit_code != 1 or len(tables) == 1:
                raise
            failed.append(of_lake_error(error.about(each.measurement.name)))
            out.note(f"✗ {failed[-1].text}")
            note_trace(error)


def _adopt(
    session: Session,
    table: AdoptedTable,
    out: Output,
    now: datetime,
    run_id: str,
    start: datetime | None,
    end: datetime | None,
) -> None:
    from influx_lake.replication.adoption.adopting import adoption_of, windows_to_adopt

    measurement = table.measurement
    windows = windows_to_adopt(measurement, now, start, end)
    for source, group in groupby(windows, key=measurement.source_of):
        adoption = adoption_of(
            session.reliable_source(source),
            session.catalog,
            measurement,
            now=now,
            run_id=run_id,
            into=table.into,
            declared=session.identities(measurement),
            dry_run=table.dry_run,
            drop_copies=table.drop_copies,
        )
        if adoption is None:
            table.is_missing = True
            break
        if not table.has_printed:
            table.tell(adoption, windows if start is None and end is None else None, out)
        for window in adoption.windows(list(group)):
            table.add(window, out)


def _check_into(session: Session, chosen: Sequence[Measurement], into: str) -> None:
    from influx_lake.config.values.validated_names import safe_table_name
    from influx_lake.errors import ConfigurationError

    if len(chosen) != 1:
        raise typer.BadParameter("it is for one measurement at a time", param_hint="--into")
    if safe_table_name(into) != into:
        raise typer.BadParameter(f"{into!r} is no name of a table: letters, digits, _ and -", param_hint="--into")
    taken = {identifier: what for each in session.lake.measurements for identifier, what in each.tables}
    target = (*chosen[0].namespace, into)
    if target in taken:
        raise ConfigurationError(
            f"{'.'.join(target)} is the table of {taken[target]} in lake.yaml",
            remedy="Name a table that is nobody's, and set `table` to it afterwards",
        )
