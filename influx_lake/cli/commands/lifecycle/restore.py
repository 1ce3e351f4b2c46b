"""The command `influx-lake restore`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from influx_lake.cli.interruption import STOPPED
from influx_lake.cli.options import ConfigOption, EndOption, JsonOption, OneMeasurement, StartOption, where
from influx_lake.cli.output import Output, counted, output
from influx_lake.restore.targets.compression import Packing

if TYPE_CHECKING:
    from influx_lake.config.values.windows import Window
    from influx_lake.restore.delivery.rate_limit import Rate
    from influx_lake.restore.outcome import Restored
    from influx_lake.restore.verification import VerifiedWindow

SHOWN = 5
_PROGRESS_SECONDS = 5.0


def _rate(text: str) -> Rate:
    """Parse a rate: points per second, or bytes per second with a unit.

    Raises:
        BadParameter: It is not a rate.
    """
    from influx_lake.config.values.units import parse_number, parse_size
    from influx_lake.restore.delivery.rate_limit import Rate

    try:
        rate = Rate(points=parse_number(text)) if text[-1:].isdigit() else Rate(size=parse_size(text))
    except ValueError:
        raise typer.BadParameter(f"{text!r} is neither points in a second (50000) nor bytes (5MB)") from None
    if not (rate.points or rate.size or 0) > 0:
        raise typer.BadParameter("a rate is above 0")
    return rate


def _size(text: str) -> int:
    from influx_lake.config.values.units import parse_size

    try:
        size = parse_size(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} {error}") from None
    if size < 1:
        raise typer.BadParameter("a batch has at least a byte")
    return size


def restore(
    name: OneMeasurement,
    to: Annotated[
        str,
        typer.Option(
            metavar="SOURCE|FOLDER/",
            help="The target: a source of the lake, to write to its InfluxDB, or a folder, to write files of line "
            "protocol.",
        ),
    ],
    start: StartOption = None,
    end: EndOption = None,
    as_name: Annotated[
        str | None,
        typer.Option("--as", metavar="NAME", help="The measurement's name at the target. Default: the same name."),
    ] = None,
    snapshot: Annotated[
        str | None,
        typer.Option(metavar="SNAPSHOT|TAG|TIME", help="The rows of this snapshot. Default: the current snapshot."),
    ] = None,
    tag: Annotated[str | None, typer.Option(metavar="NAME", help="The rows of this tag's snapshot.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only count points and bytes. The target is not contacted.")
    ] = False,
    rate: Annotated[
        Any | None,
        typer.Option(parser=_rate, metavar="POINTS|SIZE", help="The limit of points, or bytes (5MB), per second."),
    ] = None,
    max_points: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="NUMBER", help="The limit of points for this run. Run the command again for the rest."
        ),
    ] = None,
    concurrency: Annotated[
        int, typer.Option(min=1, max=64, metavar="NUMBER", help="How many requests to send to the server in parallel.")
    ] = 4,
    batch_size: Annotated[
        int, typer.Option(parser=_size, metavar="SIZE", help="The uncompressed size of a request.")
    ] = 1_000_000,
    compression: Annotated[
        Packing, typer.Option(help="The compression of files. Requests always use gzip.")
    ] = Packing.GZIP,
    dead_letters: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The file for points that the target rejects. Default: in .lake/restore."),
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify/--no-verify", help="Read everything back, and compare it value by value.")
    ] = True,
    as_stored: Annotated[
        bool,
        typer.Option(
            "--as-stored", help="Undo no transforms: write the table's values under the table's column names."
        ),
    ] = False,
    into_source: Annotated[
        bool,
        typer.Option("--into-source", help="Also write to windows of the lake's own source that are not empty."),
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Start over instead of continuing an interrupted restore.")
    ] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> int:
    """Write windows of a measurement back to InfluxDB or to line protocol files, and verify them.

    Points keep their original types, tags and nanoseconds. Transforms of lake.yaml are undone; if one cannot be
    undone, the error says why. An interrupted restore continues when you run it again. Rejected points are written to
    a file, each with its reason. The exit code is 1 if points were rejected, or if the target lacks values of the
    lake.
    """
    if snapshot is not None and tag is not None:
        raise typer.BadParameter("--snapshot names another one: give one of them", param_hint="--tag")
    from influx_lake.cli.session import open_session
    from influx_lake.restore.delivery.rate_limit import Rate
    from influx_lake.restore.destination import destination_of
    from influx_lake.restore.options import RestoreOptions
    from influx_lake.restore.restore_run import dry_run as tried
    from influx_lake.restore.restore_run import restore as restored
    from influx_lake.restore.rows.names import declared_by

    with output(as_json) as out, open_session(config) as session:
        measurement = session.lake.find(name)
        options = RestoreOptions(
            start=start,
            end=end,
            name=as_name,
            snapshot=tag if tag is not None else where(snapshot) if snapshot is not None else None,
            as_stored=as_stored,
            into_source=into_source,
            again=again,
            verify=verify,
            concurrency=concurrency,
            batch_bytes=batch_size,
            rate=rate or Rate(),
            max_points=max_points,
            packing=compression,
            dead_letters=dead_letters,
        )
        destination = destination_of(session.lake, measurement, to, Path.cwd())
        progress, began = _Progress(out, measurement.key), time.monotonic()

        def ask() -> Any:
            return session.source(measurement.source).schema(measurement.name)

        declared = declared_by(session.lake, measurement, ask)

        try:
            found = (
                tried(session.catalog, measurement, destination, options, declared)
                if dry_run
                else restored(
                    session.lake, session.catalog, measurement, destination, options, declared, progress.taken
                )
            )
        except STOPPED:
            out.note(
                f"Stopped: {counted(progress.points, 'point')} are written. The same command goes on with the rest."
            )
            raise
        _print_result(out, found, dry_run=dry_run, seconds=time.monotonic() - began)
        out.result(facts(found, dry_run=dry_run))
        return 0 if dry_run or (not found.refused and found.is_equal is not False) else 1


@dataclass(slots=True)
class _Progress:
    """Prints the progress every few seconds."""

    out: Output
    name: str
    points: int = 0
    _began: float = field(default_factory=time.monotonic)
    _last_shown: float = field(default_factory=time.monotonic)

    def taken(self, window: Window, points: int) -> None:
        """Count points that were written."""
        self.points += points
        now = time.monotonic()
        if now - self._last_shown >= _PROGRESS_SECONDS:
            self._last_shown = now
            speed = self.points / (now - self._began)
            self.out.note(f"{self.name} {window}: {counted(self.points, 'point')} so far, {speed:,.0f} points/s")


def _print_result(out: Output, found: Restored, *, dry_run: bool, seconds: float) -> None:
    if found.resumed:
        out.line(f"Gone on with a restore of snapshot {found.snapshot_id} that was stopped.")
    for remark in _remarks(found):
        out.line(f"! {remark}")
    written = f"{counted(found.points, 'point')} ({found.size / 1e6:,.1f} MB of lines) of "
    written += f"{counted(len(found.windows), 'window')}"
    where_to = f"to {found.target}" + ("" if found.name == found.measurement.name else f" as {found.name}")
    if dry_run:
        out.line(f"Would write {written} {where_to}.")
        if found.refused:
            out.line(f"{counted(found.refused, 'point')} more have no form in line protocol.")
        return
    out.line(f"{written} written {where_to} in {seconds:.1f} s.")
    if found.refused:
        out.line(f"✗ {counted(found.refused, 'point')} not taken: see {found.dead_letters} for each with its reason.")
    if not found.complete:
        out.line("The budget is used up: give the command again for the rest.")
    if found.verified is not None:
        _print_verified(out, found.verified, found.refused)


def _remarks(found: Restored) -> Iterator[str]:
    for column, why in found.left_out.items():
        yield f"the column {column} is left out: {why}"
    yield from found.remarks
    if found.not_loaded:
        more = f" and {len(found.not_loaded) - 1:,} more" if len(found.not_loaded) > 1 else ""
        yield f"the lake does not hold {found.not_loaded[0]}{more} as a whole: its rows are written as they are"


def _print_verified(out: Output, verified: Sequence[VerifiedWindow], refused: int) -> None:
    differing = [each for each in verified if not each.is_equal]
    for each in differing[:SHOWN]:
        out.line(f"✗ {each.window}: {'; '.join(each.differences)}")
    if len(differing) > SHOWN:
        out.line(f"  and {counted(len(differing) - SHOWN, 'window')} more")
    if differing:
        out.line(
            f"Read back: {len(differing):,} of {counted(len(verified), 'window')} differ. --again writes them anew."
        )
        return
    but = f", but for {counted(refused, 'point')} not taken" if refused else ""
    out.line(f"Read back: equal value by value, {counted(len(verified), 'window')}{but}.")


def facts(found: Restored, *, dry_run: bool) -> dict[str, Any]:
    """The result of a restore as JSON."""
    return {
        "measurement": found.measurement.name,
        "table": found.measurement.table_name,
        "target": found.target,
        "as": found.name,
        "snapshot_id": str(found.snapshot_id),
        "windows": [str(window) for window in found.windows],
        "not_loaded": [str(window) for window in found.not_loaded],
        "dry_run": dry_run,
        "points": found.points,
        "bytes": found.size,
        "refused": found.refused,
        "dead_letters": None if found.dead_letters is None else str(found.dead_letters),
        "complete": found.complete,
        "resumed": found.resumed,
        "equal": found.is_equal,
        "differing": [
            {"window": str(each.window), "differences": list(each.differences)}
            for each in found.verified or ()
            if not each.is_equal
        ],
        "left_out": found.left_out,
        "remarks": list(found.remarks),
    }
