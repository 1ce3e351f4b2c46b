"""Windows deleted at real InfluxDB 1.8 and 2 servers, through the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pyiceberg.table import Table

from influx_lake.cli.entry import run
from influx_lake.config import load_lake
from influx_lake.errors import MeasurementNotFound
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.iceberg.proofs.offloaded import offloaded_from
from influx_lake.sources import open_source
from influx_lake_tests.integration.cli_lake import DAY_NS, FIRST_DAY_NS, SQLITE
from testbed.influxdb_servers import TOKEN, Server, influxdb1, influxdb2
from testbed.waiting import wait_until

pytestmark = pytest.mark.servers
NAME = 'c"p\\u é'
RANGE = ("--end", "2026-01-05")
LOSSY = "offload: {after: 90d, lossy: true}"
SHARED = "metadata_columns: [measurement]"
"""A table that is to hold several measurements, and holds one."""
LAKE = """\
sources:
  default: {source}
catalog: {catalog}
defaults: {{namespace: telemetry, offload: {{after: 90d, most_windows: 3}}}}
measurements:
  odd: {{measurement: {name}, table: odd}}
  other: {{offload: off}}
"""


@dataclass
class OffloadedLake:
    """A lake of a server, and the commands on it."""

    server: Server
    folder: Path
    capsys: pytest.CaptureFixture[str]

    def tell(self, *arguments: str) -> tuple[int, Any]:
        self.capsys.readouterr()
        code = run([*arguments, "-c", str(self.folder / "lake.yaml"), "--json"])
        said = self.capsys.readouterr()
        assert TOKEN not in said.out + said.err
        return code, json.loads(said.out)

    def there(self, name: str, day: int, days: int = 1) -> int:
        """How many points the server has."""
        from influx_lake.config.values.windows import Window, from_nanoseconds

        source = open_source(load_lake(self.folder / "lake.yaml").source("default"))
        start = FIRST_DAY_NS + day * DAY_NS
        window = Window(from_nanoseconds(start), from_nanoseconds(start + days * DAY_NS))
        try:
            return source.count(name, window)
        except MeasurementNotFound:
            # A server forgets a measurement with its last point.
            return 0
        finally:
            source.close()

    @property
    def table(self) -> Table:
        lake = load_lake(self.folder / "lake.yaml")
        return open_catalog("lake", lake.catalog.properties()).load_table(("telemetry", "odd"))


def lines(name: str, days: range) -> str:
    """Two hosts, and points at both ends of each day: its first nanosecond and its last one."""
    escaped = name.replace(" ", "\\ ")
    moments = [FIRST_DAY_NS + day * DAY_NS + more for day in days for more in (0, 3_600 * 10**9, DAY_NS - 1)]
    return "\n".join(
        f'{escaped},host={host} busy={number}.5,count={number}i,text="é",up=true {moment}'
        for number, moment in enumerate(moments)
        for host in "ab"
    )


@pytest.fixture(params=["1.8", "2"])
def lake(request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[OffloadedLake]:
    opened = influxdb1(tmp_path / "server") if request.param == "1.8" else influxdb2(tmp_path / "server")
    with opened as server:
        (tmp_path / "token").write_text(TOKEN)
        token = {} if request.param == "1.8" else {"token": "${file:token}"}
        text = LAKE.format(source=json.dumps({**server.options, **token}), catalog=SQLITE, name=json.dumps(NAME))
        (tmp_path / "lake.yaml").write_text(text)
        server.write(lines(NAME, range(5)))
        server.write(lines("other", range(5)))
        found = OffloadedLake(server, tmp_path, capsys)
        assert found.tell("replicate", "--all", *RANGE)[0] == 0
        yield found


def test_windows_are_deleted_exactly_and_stay_in_the_lake(lake: OffloadedLake) -> None:
    _, told = lake.tell("offload", "plan", "odd")
    [odd] = told["measurements"]
    assert (odd["windows"], odd["refused"][0]["windows"]) == ([], 4)
    assert "not proved" in odd["refused"][0]["why"]
    assert lake.tell("verify", "odd", "--values", *RANGE)[0] == 0
    code, told = lake.tell("offload", "run", "odd")
    assert (code, told["approved"], len(told["measurements"][0]["windows"])) == (0, False, 3)
    assert lake.there(NAME, 0, 5) == 30
    code, told = lake.tell("offload", "run", "odd", "--yes")
    [odd] = told["measurements"]
    assert [each["outcome"] for each in odd["results"]] == ["deleted"] * 3
    assert (code, odd["waiting"]) == (0, 1)
    assert [lake.there(NAME, day) for day in range(5)] == [0, 0, 0, 6, 6]
    assert lake.there("other", 0, 5) == 30
    assert lake.table.scan().to_arrow().num_rows == 24
    [entry] = offloaded_from(lake.table)
    assert (entry.rows, entry.is_done) == (18, True)
    assert lake.table.metadata.refs[entry.tag].snapshot_id == entry.snapshot_id
    assert lake.tell("verify", "odd", "--values", *RANGE)[0] == 0
    assert lake.tell("offload", "run", "odd", "--yes")[0] == 0
    assert [lake.there(NAME, day) for day in range(5)] == [0, 0, 0, 0, 6]
    # Nothing is taken by a load, of the source that is empty now, whatever the measurement says.
    assert lake.tell("replicate", "odd", *RANGE)[0] == 0
    assert lake.tell("replicate", "odd", "--start", "2026-01-01", *RANGE, "--replace")[0] == 0
    assert lake.table.scan().to_arrow().num_rows == 24


def test_rows_that_others_took_from_such_a_window_are_missed(lake: OffloadedLake) -> None:
    lake.tell("verify", "odd", "--values", *RANGE)
    assert lake.tell("offload", "run", "odd", "--yes")[0] == 0
    lake.table.delete("host = 'a' and time < '2026-01-02T00:00:00+00:00'")
    for how in ([], ["--profile"], ["--values"]):
        code, told = lake.tell("verify", "odd", *how, *RANGE)
        assert code == 1
        assert "no longer holds it as it was proved" in json.dumps(told)


def test_late_points_of_such_a_window_are_added(lake: OffloadedLake) -> None:
    lake.tell("verify", "odd", "--values", *RANGE)
    assert lake.tell("offload", "run", "odd", "--yes")[0] == 0
    escaped = NAME.replace(" ", "\\ ")
    lake.server.write(f"{escaped},host=a count=99i {FIRST_DAY_NS}\n{escaped},host=late count=7i {FIRST_DAY_NS + 5}")
    code, told = lake.tell("verify", "odd", *RANGE)
    [differing] = told["measurements"][0]["differing"]
    assert (code, differing["verdict"]) == (1, "behind")
    assert "2 rows since that the lake does not have" in differing["explanation"]
    assert lake.tell("replicate", "odd", "--start", "2026-01-01", "--end", "2026-01-02")[0] == 0
    rows = lake.table.scan().to_arrow().to_pylist()
    assert len(rows) == 25
    first = min((row for row in rows if row["host"] == "a"), key=lambda row: row["time"])
    assert (first["count"], first["busy"]) == (99, 0.5)
    assert lake.tell("verify", "odd", *RANGE)[0] == 0


def test_points_of_another_retention_policy_keep_a_window_where_it_is(lake: OffloadedLake) -> None:
    if lake.server.options["type"] != "influxdb1":
        pytest.skip("a bucket of InfluxDB 2 is what its measurements are deleted from")
    lake.server.query("CREATE RETENTION POLICY coarse ON telemetry DURATION INF REPLICATION 1")
    lake.server.write(f"{NAME.replace(' ', chr(92) + ' ')},host=a count=1i {FIRST_DAY_NS + DAY_NS}", policy="coarse")
    lake.tell("verify", "odd", "--values", *RANGE)
    [odd] = lake.tell("offload", "run", "odd", "--yes")[1]["measurements"]
    assert [each["outcome"] for each in odd["results"]] == ["deleted"] * 3
    [refused] = odd["refused"]
    assert "'coarse'" in refused["why"]
    assert [lake.there(NAME, day) for day in range(5)] == [0, 6, 0, 0, 6]


def test_a_run_that_is_killed_is_gone_on_with(lake: OffloadedLake) -> None:
    config = lake.folder / "lake.yaml"
    config.write_text(config.read_text().replace("most_windows: 3", "most_windows: 60"))
    days = range(5, 40)
    lake.server.write(lines(NAME, days))
    until = ("--end", "2026-02-10")
    # What is there is not loaded again: its rows in the lake would have changed just now.
    assert lake.tell("replicate", "odd", "--start", "2026-01-05", *until)[0] == 0
    assert lake.tell("verify", "odd", "--values", *until)[0] == 0
    rows = lake.table.scan().to_arrow().num_rows
    arguments = [sys.executable, "-m", "influx_lake.cli", "offload", "run", "odd", "--yes", "-c", str(config)]
    with subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        wait_until(lambda: lake.there(NAME, 3) == 0, "a fourth window that is deleted", 120)
        process.kill()
    assert lake.there(NAME, 0, 40) > 0, "it was killed too late to show anything"
    assert lake.tell("replicate", "odd", "--start", "2026-01-01", "--end", "2026-01-05", "--replace")[0] == 0
    code, told = lake.tell("offload", "run", "odd", "--yes")
    assert (code, told["measurements"][0]["refused"]) == (0, [])
    assert lake.there(NAME, 0, 40) == 0
    assert lake.table.scan().to_arrow().num_rows == rows
    assert all(entry.is_done for entry in offloaded_from(lake.table))
    # The server knows nothing of the measurement any more, and that is as it is to be.
    assert lake.tell("verify", "odd", "--values", *until)[0] == 0


def test_a_measurement_that_its_server_forgot_is_loaded_on(lake: OffloadedLake) -> None:
    assert lake.tell("replicate", "odd", "--start", "2026-01-05", "--end", "2026-01-06")[0] == 0
    assert lake.tell("verify", "odd", "--values", "--end", "2026-01-06")[0] == 0
    assert [lake.tell("offload", "run", "odd", "--yes")[0] for _ in range(2)] == [0, 0]
    assert lake.there(NAME, 0, 5) == 0
    until = ("--end", "2026-01-08")
    for how in ([], ["--start", "2026-01-01", "--replace"]):
        assert lake.tell("replicate", "odd", *how, *until)[0] == 0
    code, told = lake.tell("verify", "odd", "--values", *until)
    assert code == 0, told
    assert lake.tell("offload", "plan", "odd")[0] == 0
    code, told = lake.tell("check")
    assert (code, [each for each in told["checks"] if not each["ok"]]) == (0, [])
    assert lake.table.scan().to_arrow().num_rows == 30
    # Its next point makes it known again.
    escaped = NAME.replace(" ", "\\ ")
    lake.server.write(f"{escaped},host=new busy=1.5 {FIRST_DAY_NS + 6 * DAY_NS}")
    assert lake.tell("replicate", "odd", "--start", "2026-01-07", *until)[0] == 0
    assert lake.table.scan().to_arrow().num_rows == 31


def test_a_measurement_that_was_never_there_is_still_reported(lake: OffloadedLake) -> None:
    config = lake.folder / "lake.yaml"
    config.write_text(config.read_text() + "  never: {}\n")
    code, told = lake.tell("replicate", "never", *RANGE)
    assert code == 1
    assert "there is no measurement 'never'" in json.dumps(told)


@pytest.mark.parametrize(
    "options",
    [
        f"layout: long, {LOSSY}",
        f"types: {{host: date}}, {LOSSY}",
        "rename: {time: at}",
        SHARED,
    ],
)
def test_tables_of_any_shape_are_loaded_on_when_their_server_forgot_the_measurement(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: str
) -> None:
    with influxdb1(tmp_path / "server") as server:
        text = LAKE.format(source=json.dumps(dict(server.options)), catalog=SQLITE, name="cpu")
        config = text.replace("table: odd", f"table: odd, {options}").replace("  other: {offload: off}\n", "")
        (tmp_path / "lake.yaml").write_text(config)
        server.write(lines("cpu", range(3)).replace("host=a", "host=2026-01-01").replace("host=b", "host=2026-01-02"))
        lake, until = OffloadedLake(server, tmp_path, capsys), ("--end", "2026-01-04")
        for command in (["replicate", "odd", *until], ["verify", "--values", *until], ["offload", "run", "--yes"]):
            code, told = lake.tell(*command)
            assert code == 0, told
        assert [each["outcome"] for each in told["measurements"][0]["results"]] == ["deleted"] * 3
        rows = lake.table.scan().to_arrow().num_rows
        for range_ in (until, ("--end", "2026-01-06"), ("--replace", *until)):
            code, told = lake.tell("replicate", "odd", "--start", "2026-01-01", *range_)
            assert code == 0, told
        assert lake.tell("verify", "--values", *until)[0] == 0
        assert lake.tell("certify", "--check")[0] == 0
        assert lake.table.scan().to_arrow().num_rows == rows > 0
