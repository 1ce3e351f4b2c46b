"""The command `influx-lake sql`."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer

from influx_lake.cli.options import ConfigOption, JsonOption, moment, where
from influx_lake.cli.output import Output, add_row, counted, output, plain_table
from influx_lake.cli.results.format import Format
from influx_lake.printable import printable_name

if TYPE_CHECKING:
    from influx_lake.sql.engine import Answer

SHOWN_ROWS = 100


def sql(
    statement: Annotated[str, typer.Argument(metavar="SQL", help="One query, in DuckDB's SQL; - reads it from stdin.")],
    form: Annotated[
        Format | None,
        typer.Option("--format", help="The format. Default: by the extension of --out, else a table."),
    ] = None,
    out_file: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write the rows to this file, all or none of them.")
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="The tables as of this time, tag, branch or snapshot."),
    ] = None,
    live: Annotated[
        bool,
        typer.Option(
            "--live", help="Include rows of the sources that are not loaded yet, transformed as a load would do it."
        ),
    ] = False,
    prefer_live: Annotated[
        bool, typer.Option("--prefer-live", help="The same, but use the lake alone if a source does not answer.")
    ] = False,
    live_since: Annotated[
        datetime | None,
        typer.Option(
            parser=moment,
            metavar="TIME",
            help="How far back to query sources for rows that are not loaded. Default: the newest closed window.",
        ),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Query the lake's tables with DuckDB, read-only."""
    kind = _format(form, out_file, as_json=as_json)
    if live_since is not None and not (live or prefer_live):
        raise typer.BadParameter("it says how far --live, or --prefer-live, goes back", param_hint="--live-since")
    if as_of is not None and (live or prefer_live):
        raise typer.BadParameter("it asks for what was, and --live for what is new", param_hint="--as-of")
    from influx_lake.cli.session import open_session
    from influx_lake.sql.engine import LiveTime, answered

    newest = LiveTime(live_since, lenient=prefer_live) if live or prefer_live else None
    then = where(as_of) if as_of is not None else None
    text = _read_stdin() if statement == "-" else statement
    with (
        output(as_json) as out,
        open_session(config) as session,
        answered(text, session.lake, session.catalog, then, newest) as answer,
    ):
        if out_file is not None:
            _to_file(out, answer, kind, out_file)
        elif as_json:
            _as_object(out, answer)
        elif kind is Format.TABLE:
            _as_table(out, answer)
        else:
            from influx_lake.cli.results.row_writer import write

            write(kind, answer.schema, answer, sys.stdout.buffer)
            sys.stdout.flush()


def _read_stdin() -> str:
    try:
        return sys.stdin.read()
    except UnicodeDecodeError as error:
        raise typer.BadParameter(f"stdin is not {error.encoding}", param_hint="SQL") from None


def _format(form: Format | None, out_file: Path | None, *, as_json: bool) -> Format:
    """The output format.

    Raises:
        BadParameter: The format does not suit the output.
    """
    if out_file is not None:
        by_name = {f".{each.value}": each for each in Format if each is not Format.TABLE}
        found = form or by_name.get(out_file.suffix.lower())
        if found is None or found is Format.TABLE:
            raise typer.BadParameter(
                f"{out_file.name} is written as csv, json or parquet: name one with --format", param_hint="--out"
            )
        if not out_file.absolute().parent.is_dir():
            raise typer.BadParameter(f"there is no folder {out_file.absolute().parent}", param_hint="--out")
        return found
    if as_json and form is not None:
        raise typer.BadParameter("--json has the rows in its object: leave one of them out", param_hint="--format")
    if form is Format.PARQUET and sys.stdout.isatty():
        raise typer.BadParameter("Parquet is nothing for a terminal: name a file with --out", param_hint="--format")
    return form or Format.TABLE


def _as_table(out: Output, answer: Answer) -> None:
    from influx_lake.cli.results.cells import is_number, shown
    from influx_lake.cli.results.row_writer import python_values, unambiguous
    from influx_lake.sql.engine import PLAN

    if answer.schema.names == PLAN:
        for batch in answer:
            for text in batch.column(1).to_pylist():
                out.line(text)
        return
    schema = unambiguous(answer.schema)
    numbers = [field.name for field in schema if is_number(field.type)]
    table, number, is_whole = plain_table(*map(printable_name, schema.names), right=numbers), 0, True
    for batch in answer:
        is_whole = number + len(batch) <= SHOWN_ROWS
        columns = [python_values(values) for values in batch.slice(0, SHOWN_ROWS - number).columns]
        for row in zip(*columns, strict=True):
            add_row(table, *(shown(value, kind) for value, kind in zip(row, schema.types, strict=True)))
        number += min(len(batch), SHOWN_ROWS - number)
        if not is_whole:
            break
    out.table(table)
    out.line(counted(number, "row") if is_whole else f"The first {number} rows: all of them with --format csv or --out")


def _as_object(out: Output, answer: Answer) -> None:
    from influx_lake.cli.results.row_writer import rows_of, unambiguous

    schema = unambiguous(answer.schema)
    rows = [row for batch in answer for row in rows_of(schema, batch)]
    columns = [{"name": field.name, "type": str(field.type)} for field in schema]
    out.result({"columns": columns, "rows": rows})


def _to_file(out: Output, answer: Answer, kind: Format, path: Path) -> None:
    from influx_lake.cli.results.row_writer import write

    with _replacing(path) as file:
        rows = write(kind, answer.schema, answer, file)
    tell = out.note if _is_special(path) else out.line
    tell(f"{counted(rows, 'row')} in {path}")
    out.result({"rows_written": rows, "file": str(path)})


@contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    """A context with a file that replaces the output atomically at its end; pipes and devices are written directly.

    Raises:
        StorageError: It cannot be written.
    """
    from influx_lake.errors import LakeError, StorageError

    try:
        with path.open("wb") if _is_special(path) else _temporary_file_beside(path.resolve()) as file:
            yield file
    except LakeError:
        raise
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror or error}") from error


def _is_special(path: Path) -> bool:
    """Whether the output is a pipe, a device, or standard output under another name."""
    return path.exists() and (not path.is_file() or path.is_relative_to("/dev"))


@contextmanager
def _temporary_file_beside(path: Path) -> Iterator[IO[bytes]]:
    """A temporary file beside the output that replaces it at the end, with the same mode."""
    beside: Path | None = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            beside = Path(file.name)
            yield file.file
        beside.chmod(path.stat().st_mode & 0o7777 if path.exists() else _mode_of_new_files())
        beside.replace(path)
    finally:
        if beside is not None:
            beside.unlink(missing_ok=True)


def _mode_of_new_files() -> int:
    """The default mode of new files, which temporary files do not have."""
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
