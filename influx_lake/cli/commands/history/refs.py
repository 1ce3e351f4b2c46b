"""The commands `influx-lake tag` and `influx-lake branch`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from influx_lake.cli.options import ConfigOption, JsonOption, OneTable
from influx_lake.cli.options import where as parsed
from influx_lake.cli.output import add_row, counted, output, plain_table

AtOption = Annotated[
    str | None,
    typer.Option(
        "--at",
        metavar="SNAPSHOT|TAG|TIME",
        help="A snapshot, tag, branch or time. Default: the current snapshot.",
    ),
]
DropOption = Annotated[bool, typer.Option("--drop", help="Remove it.")]


def tag(
    name: OneTable,
    called: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="The tag. Without it, tags are listed.")
    ] = None,
    where: AtOption = None,
    drop: DropOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tag a snapshot of a table, which protects the snapshot and its files from expiry."""
    _ref(name, called, where, config, tag=True, drop=drop, as_json=as_json)


def branch(
    name: OneTable,
    called: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="The branch. Without it, branches are listed.")
    ] = None,
    where: AtOption = None,
    drop: DropOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Create a branch of a table, for loads that readers do not see: `influx-lake replicate --branch`."""
    _ref(name, called, where, config, tag=False, drop=drop, as_json=as_json)


def _ref(
    name: str,
    called: str | None,
    where: str | None,
    config: Path | None,
    *,
    tag: bool,
    drop: bool,
    as_json: bool,
) -> None:
    if called is None and (drop or where is not None):
        raise typer.BadParameter("name it", param_hint="NAME")
    if drop and where is not None:
        raise typer.BadParameter("it is not for --drop", param_hint="--at")
    from influx_lake.cli.session import open_session
    from influx_lake.config.values.windows import utc_text
    from influx_lake.iceberg.history.refs import create_ref, drop_ref, refs_of
    from influx_lake.iceberg.history.rollback import snapshot_at
    from influx_lake.iceberg.scan.reader import open_table

    kind = "tag" if tag else "branch"
    with output(as_json) as out, open_session(config) as session:
        catalog, identifier = session.catalog, session.identifier(name)
        table = ".".join(identifier)
        facts: dict[str, object] = {"table": table}
        if called is not None and drop:
            was = drop_ref(catalog, identifier, called, tag=tag)
            facts |= {"dropped": called, "snapshot_id": None if was is None else str(was)}
            out.line(f"✓ {kind} {called} of {table} dropped")
        elif called is not None:
            found = None if where is None else snapshot_at(open_table(catalog, identifier), parsed(where)).snapshot_id
            made = create_ref(catalog, identifier, called, tag=tag, snapshot_id=found)
            facts |= {"made": called, "snapshot_id": str(made)}
            out.line(f"✓ {kind} {called} of {table}: snapshot {made}")
        else:
            refs = [ref for ref in refs_of(open_table(catalog, identifier)) if ref.is_tag == tag]
            rows = plain_table(kind, "snapshot", "at")
            for ref in refs:
                add_row(rows, ref.name, str(ref.snapshot_id), f"{ref.at:%Y-%m-%d %H:%M:%S}Z" if ref.at else "")
            out.table(rows)
            out.line(f"{counted(len(refs), kind, 'branches' if not tag else None)} of {table}")
            facts[f"{kind}{'s' if tag else 'es'}"] = [
                {"name": ref.name, "snapshot_id": str(ref.snapshot_id), "at": utc_text(ref.at) if ref.at else None}
                for ref in refs
            ]
        out.result(facts)
