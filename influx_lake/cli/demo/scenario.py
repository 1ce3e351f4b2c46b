"""The steps of the demonstration."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from influx_lake.cli.demo.history import history, late_points, week_before
from influx_lake.cli.demo.http_client import HttpClient
from influx_lake.cli.demo.independent_counts import other_engine
from influx_lake.cli.demo.line_files import read_lines
from influx_lake.cli.demo.machine import MachineSamples
from influx_lake.cli.demo.workspace import DATABASE, Workspace
from influx_lake.cli.output import Output
from influx_lake.cli.progress import meter
from influx_lake.cli.sandboxes import running_sandbox
from influx_lake.cli.session import Session, open_session
from influx_lake.config import Measurement
from influx_lake.config.values.windows import Window
from influx_lake.errors import GuardError
from influx_lake.iceberg.window_result import WindowResult
from influx_lake.replication.discovery import discover_measurements
from influx_lake.replication.window import replicate_window
from influx_lake.rollups.window import roll_up_window
from influx_lake.sql_quoting import identifier

Plan = dict[Measurement, list[Window]]

_SOURCE = "default"
_HOUR = "CAST(date_trunc('hour', time) AS BIGINT)"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one measurement.

    Attributes:
        table: Its table.
        source_rows: The number of rows in the sandbox.
        lake_rows: The number of rows that another engine reads from the table.
        windows: The number of loaded windows.
        columns: The number of the table's columns.
    """

    table: str
    source_rows: int
    lake_rows: int
    windows: int
    columns: int


class Demonstration:
    """The demonstration in one folder; a second one in the same folder continues the first.

    Args:
        workspace: The folder.
        out: Gets messages.
    """

    def __init__(self, workspace: Workspace, out: Output) -> None:
        self._workspace = workspace
        self._out = out
        self._run_id = f"demo-{uuid.uuid4()}"

    def run(self, files: Sequence[Path]) -> dict[str, Outcome]:
        """Fill the sandbox, load everything, and count it with another engine.

        Args:
            files: Files of line protocol to add.

        Returns:
            Each measurement's outcome, by name.

        Raises:
            GuardError: A table does not hold what the source does.
            LakeError: A step failed.
        """
        self._workspace.prepare()
        with running_sandbox(self._workspace.sandbox) as box:
            self._workspace.point_to(box)
            self._say(f"A sandbox of InfluxDB 3's protocols listens on {box.url}")
            client = HttpClient(box.url, DATABASE, box.token)
            self._fill(client, files)
            self._declare_loaded(client)
            with open_session(self._workspace.config) as session:
                plan = self._load_all(session, client)
                self._load_again(session, plan)
                self._change_history(session, client)
                self._roll_up(session, plan)
                return self._compare(session, client, plan)

    def _fill(self, client: HttpClient, files: Sequence[Path]) -> None:
        for file in files:
            # The server guesses the precision of a file's timestamps from their magnitude.
            self._say(f"{client.write(read_lines(file), precision='auto'):,} points of {file} written")
        with MachineSamples() as machine:
            start, end = week_before(datetime.now(UTC))
            points = client.write(history(start, end))
        self._say(f"{points:,} points of three made-up hosts from {start:%a %d %b} to {end:%a %d %b %H:%M} UTC written")
        samples = client.write(machine.lines())
        self._say(f"{samples:,} true samples of this machine written")

    def _declare_loaded(self, client: HttpClient) -> None:
        """Add to the lake what the sandbox has from this or an earlier demonstration, each from its first point on."""
        self._workspace.forget_declared()
        with open_session(self._workspace.config) as session:
            measurements = session.source(_SOURCE).measurements()
            new = [name for name in measurements if name not in session.lake.named(_SOURCE)]
        self._workspace.declare({name: _hours(client, name) for name in new})
        with open_session(self._workspace.config) as session:
            discover_measurements(session.lake, session.source)

    def _load_all(self, session: Session, client: HttpClient) -> Plan:
        plan = {each: _windows(each, _hours(client, each.name)) for each in session.measurements(None)}
        count, rows, began = sum(map(len, plan.values())), 0, time.monotonic()
        with meter(count) as shown:
            for measurement, windows in plan.items():
                for window in windows:
                    shown.begin(measurement.name, window)
                    rows += self._load(session, measurement, window).rows
                    shown.end()
        seconds = time.monotonic() - began
        self._say(f"{count} windows of {len(plan)} measurements loaded into Iceberg: {rows:,} rows in {seconds:.1f} s")
        return plan

    def _load_again(self, session: Session, plan: Plan) -> None:
        cpu = session.lake.find("cpu")
        window = plan[cpu][0]
        again = self._load(session, cpu, window)
        if again.rows != again.previous_rows:
            raise GuardError(
                f"it had {again.previous_rows:,} rows, and has {again.rows:,} after it was loaded again",
                measurement="cpu",
                window=str(window),
            )
        self._say(f"cpu of {window.start:%a %d %b} loaded again: {again.rows:,} rows, as before. Nothing doubled")

    def _change_history(self, session: Session, client: HttpClient) -> None:
        cpu = session.lake.find("cpu")
        window = cpu.scheme.window_at(datetime.now(UTC) - timedelta(days=2))
        points = client.write(late_points(window.start))
        result = self._load(session, cpu, window)
        added = result.rows - result.previous_rows
        news = f"{added:,} rows more" if added else "as before: an earlier demo had written them"
        self._say(f"{points:,} late points with a new field came for {window.start:%a %d %b}; loaded again: {news}")

    def _roll_up(self, session: Session, plan: Plan) -> None:
        for measurement, windows in plan.items():
            for rollup in measurement.rollups:
                rows = sum(
                    roll_up_window(session.catalog, measurement, rollup, window, run_id=self._run_id).rows
                    for window in windows
                )
                self._say(f"{rollup.table_name} computed from {measurement.table_name}: {rows:,} rows")

    def _load(self, session: Session, measurement: Measurement, window: Window) -> WindowResult:
        return replicate_window(
            session.reliable_source(measurement.source), session.catalog, measurement, window, run_id=self._run_id
        )

    def _compare(self, session: Session, client: HttpClient, plan: Plan) -> dict[str, Outcome]:
        engine, count = other_engine()
        outcomes = {}
        for measurement, windows in plan.items():
            table = session.catalog.load_table(measurement.identifier)
            [counted] = client.query(f"SELECT count(*) AS rows FROM {identifier(measurement.name)}")  # noqa: S608
            outcomes[measurement.name] = Outcome(
                table=measurement.table_name,
                source_rows=int(counted["rows"]),
                lake_rows=count(table),
                windows=len(windows),
                columns=len(table.schema().columns),
            )
        for name, outcome in outcomes.items():
            if outcome.source_rows != outcome.lake_rows:
                raise GuardError(
                    f"the source holds {outcome.source_rows:,} rows and {outcome.table} {outcome.lake_rows:,}",
                    measurement=name,
                    remedy="Report it, please: this should never happen",
                )
        self._say(f"{engine} reads the tables and counts what the source counts")
        return outcomes

    def _say(self, text: str) -> None:
        self._out.line(f"✓ {text}")


def _hours(client: HttpClient, measurement: str) -> list[int]:
    """The hours in which a measurement has points, in nanoseconds."""
    rows = client.query(f"SELECT DISTINCT {_HOUR} AS hour FROM {identifier(measurement)} ORDER BY hour")  # noqa: S608
    return [int(row["hour"]) for row in rows]


def _windows(measurement: Measurement, hours: list[int]) -> list[Window]:
    """The windows that contain these hours, each once, oldest first."""
    moments = (datetime.fromtimestamp(hour // 10**9, UTC) for hour in hours)
    return list(dict.fromkeys(measurement.scheme.window_at(moment) for moment in moments))
