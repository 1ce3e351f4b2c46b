"""The command `influx-lake certify`."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from influx_lake.cli.options import ConfigOption, EndOption, JsonOption, StartOption
from influx_lake.cli.output import Output, add_row, counted, output, plain_table

if TYPE_CHECKING:
    from influx_lake.session import Session


def certify(
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="The output file, .json or .html.")
    ] = None,
    names: Annotated[
        list[str] | None,
        typer.Option(
            "--measurement",
            "-m",
            metavar="MEASUREMENT",
            help="Only this measurement, by name or by table; may be repeated.",
        ),
    ] = None,
    start: StartOption = None,
    end: EndOption = None,
    check: Annotated[
        bool, typer.Option("--check", help="Recompute the digests from the lake and compare them with the proved ones.")
    ] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> int:
    """List the proved ranges with their snapshots, row counts and digests, and what is not proved, and why.

    No source is contacted: `influx-lake verify --values` proves windows. With `--check`, the exit code is 1 if a
    digest differs from the proved one, or cannot be recomputed.
    """
    from influx_lake.cli.session import open_session
    from influx_lake.replication.proof.certificate import failed_checks

    if out is not None and out.suffix.lower() not in (".json", ".html"):
        raise typer.BadParameter(f"{out} is neither .json nor .html", param_hint="--out")
    with output(as_json) as told, open_session(config) as session:
        document = _document(session, names, start, end, check=check)
        if out is not None:
            _write(out, document)
        _show(told, document)
        failed = failed_checks(document)
        for each in failed:
            told.line(f"✗ {each}")
        if out is not None:
            told.line(f"Written to {out}.")
        told.result(document)
        return 1 if failed else 0


def _document(
    session: Session, names: list[str] | None, start: datetime | None, end: datetime | None, *, check: bool
) -> Any:
    from influx_lake.replication.changes.journal import ChangeJournal
    from influx_lake.replication.comparison.verify import closed_windows
    from influx_lake.replication.proof.certificate import certificate, certified

    now, pending = datetime.now(UTC), ChangeJournal.of(session.lake.root).pending()
    entries = [
        certified(session.catalog, each, closed_windows(each, now, start, end), pending, check=check)
        for each in session.measurements(names)
    ]
    return certificate(entries, now, start, end)


def _write(path: Path, document: Any) -> None:
    from influx_lake.replication.proof.certificate_page import page

    text = page(document) if path.suffix.lower() == ".html" else json.dumps(document, indent=2, ensure_ascii=False)
    try:
        path.write_text(text.rstrip() + "\n", encoding="utf-8")
    except OSError as error:
        raise typer.BadParameter(f"{path} cannot be written: {error.strerror}", param_hint="--out") from None


def _show(out: Output, document: Any) -> None:
    table = plain_table("measurement", "table", "windows", "proved", "rows", right=["windows", "proved", "rows"])
    for each in document["measurements"]:
        rows = sum(proof["rows"] for proof in each["proved"])
        cells = f"{each['windows']:,}", f"{each['windows_proved']:,}", f"{rows:,}"
        add_row(table, each["measurement"], each["table"], *cells)
    out.table(table)
    for each in document["measurements"]:
        for part in each["unproved"]:
            span = f"{part['start']}/{part['end']} ({counted(part['windows'], 'window')})"
            out.line(f"! {each['measurement']} {span} is not proved: {part['why']}")
    out.line(f"{document['windows_proved']:,} of {counted(document['windows'], 'window')} proved.")
