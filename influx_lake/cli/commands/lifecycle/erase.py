"""The command `influx-lake erase`."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from influx_lake.cli.options import ConfigOption, EndOption, JsonOption, StartOption
from influx_lake.cli.output import counted, output

if TYPE_CHECKING:
    from influx_lake.config import Measurement
    from influx_lake.config.measurements.erased import ErasedRows
    from influx_lake.iceberg.erasing.erase import ErasedFrom

SHOWN = 5


def erase(
    measurement: Annotated[
        str, typer.Option("--measurement", "-m", metavar="MEASUREMENT", help="The measurement, by name or by table.")
    ],
    where: Annotated[
        str | None,
        typer.Option(metavar="CONDITION", help="Which rows: SQL (DuckDB) over the table's columns, as in host = 'a'."),
    ] = None,
    start: StartOption = None,
    end: EndOption = None,
    include_tags: Annotated[
        bool, typer.Option("--include-tags", help="Drop branches and tags that contain such rows.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and change nothing.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Permanently erase rows from the table, its snapshots and its files. Loads do not bring them back.

    This cannot be undone. Files with such rows are rewritten without them, every snapshot that contains them is
    dropped, and its files are deleted. Afterwards all files of the table are checked.
    """
    from influx_lake.cli.session import open_session
    from influx_lake.maintenance.erase import erase as erased

    rows = _rows(where, start, end)
    with output(as_json) as out, open_session(config) as session:
        chosen = session.lake.find(measurement)
        run = f"cli-{uuid.uuid4()}"
        found = list(
            erased(session.catalog, session.lake, chosen, rows, run_id=run, dry_run=dry_run, include_refs=include_tags)
        )
        for each in found:
            for line in _lines(each, dry_run=dry_run):
                out.line(line)
        remarks = [] if dry_run else _remarks(chosen, rows)
        for remark in remarks:
            out.line(remark)
        out.result(_facts(found, remarks, dry_run=dry_run))


def _rows(where: str | None, start: object, end: object) -> ErasedRows:
    from pydantic import ValidationError

    from influx_lake.config.measurements.erased import ErasedRows

    try:
        return ErasedRows.model_validate({"where": where, "start": start, "end": end})
    except ValidationError as error:
        lines = error.errors()[0]
        place = next((f"--{part}" for part in lines["loc"] if isinstance(part, str)), "--where")
        raise typer.BadParameter(lines["msg"].removeprefix("Value error, "), param_hint=place) from None


def _lines(each: ErasedFrom, *, dry_run: bool) -> Sequence[str]:
    would = "would be " if dry_run else ""
    lines = [
        f"{each.table}: {counted(each.rows, 'row')} {would}erased, {counted(each.files_rewritten, 'file')} rewritten, "
        f"{counted(each.snapshots_expired, 'snapshot')} dropped, {counted(each.files_deleted, 'file')} deleted "
        f"({each.bytes_deleted:,} bytes); {counted(each.files_checked, 'data file')} looked through"
        + ("" if dry_run else ": none has such a row")
    ]
    if each.refs_dropped:
        lines.append(f"{each.table}: branches and tags {would}dropped: {', '.join(each.refs_dropped)}")
    lines += [f"{each.table}: {remark}" for remark in each.left]
    lines += [f"  had such rows: {path}" for path in each.had_rows[:SHOWN]]
    if len(each.had_rows) > SHOWN:
        lines.append(f"  and {len(each.had_rows) - SHOWN:,} more (--json lists them)")
    return lines


def _remarks(measurement: Measurement, rows: ErasedRows) -> list[str]:
    from influx_lake.maintenance.erase import computed_of

    lines = [
        f"The roll-up {table} still has what was computed of these rows: materialise its partitions again, then run "
        f"influx-lake maintain {measurement.key} --only expire_snapshots"
        for table in computed_of(measurement)
    ]
    if rows not in measurement.erased:
        written = ", ".join(f"{name}: {text!r}" for name, text in rows.model_dump(mode="json").items() if text)
        lines.append(
            "The table remembers it: no load brings them again. To have a table that is made anew leave them out, too, "
            f"add to the measurement in lake.yaml: erased: [{{{written}}}]"
        )
    return lines


def _facts(found: Sequence[ErasedFrom], remarks: Sequence[str], *, dry_run: bool) -> dict[str, Any]:
    return {"dry_run": dry_run, "erased": [asdict(each) for each in found], "remarks": list(remarks)}
