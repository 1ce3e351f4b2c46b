"""The command `influx-lake maintain`."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from influx_lake.cli import failures
from influx_lake.cli.interruption import STOPPED, uninterrupted
from influx_lake.cli.options import ConfigOption, JsonOption, Measurements
from influx_lake.cli.output import Output, add_row, counted, output, plain_table

if TYPE_CHECKING:
    from influx_lake.config.maintenance.options import Kind
    from influx_lake.iceberg.maintenance.task import Maintained
    from influx_lake.maintenance.maintain_tables import Outcome


def maintain(
    names: Measurements = None,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="KIND", help="Only this kind, such as compact; may be repeated."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and change nothing.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> int:
    """Maintain tables: compact small files, and remove what is no longer needed.

    Maintains every table of the measurements (by default of all), including roll-ups and quarantines, as configured by
    `maintenance` in lake.yaml. Rows are not changed. The exit code is 1 if something failed.
    """
    from influx_lake.cli.session import open_session
    from influx_lake.maintenance.engines.opening import Engines
    from influx_lake.maintenance.maintain_tables import maintain as maintained
    from influx_lake.maintenance.tables import tables_of

    kinds = [_kind(text) for text in only or ()]
    with output(as_json) as out, open_session(config) as session:
        tables = tables_of(session.lake, session.measurements(names))
        outcomes, run_id = list["Outcome"](), f"cli-{uuid.uuid4()}"
        try:
            with Engines(session.lake.engines, session.lake.catalog.name) as engines:
                for each in maintained(session.catalog, tables, kinds, run_id=run_id, dry_run=dry_run, engines=engines):
                    outcomes.append(each)
                    if each.failure is not None:
                        out.note(f"✗ {each.table.name}, {each.kind}: {failures.of_lake_error(each.failure).text}")
                    elif each.done is not None and each.done.is_something:
                        out.note(f"✓ {each.summary}")
        except STOPPED:
            with uninterrupted():
                out.note("Stopped. What is told above is done, and stays; the next time goes on with the rest.")
            raise
        done = [each.done for each in outcomes if each.done is not None]
        failed = [(each, failures.of_lake_error(each.failure)) for each in outcomes if each.failure is not None]
        _show(out, done, dry_run=dry_run)
        content: dict[str, Any] = {"dry_run": dry_run, "maintained": [_facts(each) for each in outcomes if each.done]}
        if failed:
            out.note(f"{counted(len(failed), 'thing')} could not be done.")
            content["error"] = failed[0][1].facts
            content["failures"] = [
                {"table": each.table.name, "kind": str(each.kind), **failure.facts} for each, failure in failed
            ]
        out.result(content)
        return 1 if failed else 0


def _kind(text: str) -> Kind:
    from influx_lake.config.maintenance.options import Kind

    if text not in tuple(Kind):
        raise typer.BadParameter(f"{text!r} is not one of {', '.join(Kind)}", param_hint="--only")
    return Kind(text)


def _show(out: Output, done: Sequence[Maintained], *, dry_run: bool) -> None:
    if not done:
        out.line("Nothing to do: no table is there yet, or its maintenance is off.")
        return
    figures = ["files", "small", "MB", "snapshots", "manifests"]
    table = plain_table("table", "kind", *figures, "would do" if dry_run else "done", right=figures)
    for each in done:
        add_row(table, *_row(each))
    out.table(table)
    for each in done:
        files = [f"would delete {path}" for path in each.files] if each.dry_run else []
        for remark in (*each.left, *each.statements, *files):
            out.line(f"{each.table}, {each.kind}: {remark}")


def _row(done: Maintained) -> list[str]:
    before, after = done.before, done.after
    return [
        done.table,
        str(done.kind),
        _changed(before.data_files, after.data_files),
        _changed(before.small_files, after.small_files),
        _changed(round(before.data_bytes / 1e6), round(after.data_bytes / 1e6)),
        _changed(before.snapshots, after.snapshots),
        _changed(before.manifests, after.manifests),
        done.summary or "nothing",
    ]


def _changed(before: int, after: int) -> str:
    return f"{before:,}" if before == after else f"{before:,} → {after:,}"


def _facts(outcome: Outcome) -> dict[str, Any]:
    """The result as JSON. Snapshot ids are strings, since they exceed JavaScript's integers."""
    done = outcome.done
    assert done is not None
    return {
        "table": done.table,
        "kind": str(done.kind),
        "before": asdict(done.before),
        "after": asdict(done.after),
        "done": dict(done.done),
        "snapshot_id": None if done.snapshot_id is None else str(done.snapshot_id),
        "left": list(done.left),
        "statements": list(done.statements),
        "files": list(done.files),
        "seconds": round(outcome.seconds, 3),
    }
