"""What servers tell of what their data take up: real ones of InfluxDB 1 and 2, and the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from influx_lake.config import InfluxDB3Config, Secret
from influx_lake.config.connections import AutoConfig, SourceConfig
from influx_lake.errors import SourceUnavailable
from influx_lake.sandbox import Sandbox
from influx_lake.sources.usage import usage_of
from testbed.influxdb_servers import DATABASE, Server, influxdb1, influxdb2
from testbed.waiting import wait_until

DAY_NS = 86_400 * 10**9
FIRST_NS = 1_767_225_600 * 10**9
NAME = 'odd "m", a=b'


def queries(config: SourceConfig) -> int:
    found = usage_of(config, []).queries
    assert found is not None
    return found.count


def fill(server: Server) -> None:
    """Five series of `cpu` in twenty days, and two of another."""
    lines = [f"cpu,host=h{n % 5} v={n}i {FIRST_NS + n * DAY_NS // 5}" for n in range(100)]
    lines += [f'odd\\ "m"\\,\\ a=b,host=h{n} v={n}i {FIRST_NS}' for n in range(2)]
    server.write("\n".join(lines))


@pytest.mark.servers
def test_influxdb_1(tmp_path: Path) -> None:
    with influxdb1(tmp_path) as server:
        fill(server)
        config = server.config()
        found = usage_of(config, ["cpu", NAME, "none"])
        assert found.series == 7
        assert {name: each.series for name, each in found.measurements.items()} == {"cpu": 5, NAME: 2, "none": 0}
        assert found.parts is not None
        assert [part.start.day for part in found.parts] == [29, 5, 12, 19]
        assert found.bytes == sum(part.bytes for part in found.parts) > 0
        assert found.queries is not None
        assert found.queries.since is not None
        server.query("SELECT count(v) FROM cpu")
        assert queries(config) > found.queries.count
        assert found.measurements["cpu"].bytes is found.measurements["cpu"].rows is None
        assert {"rows", "bytes by measurement"} == found.not_told.keys()
        auto = AutoConfig(type="auto", host=server.url, database=DATABASE)
        assert usage_of(auto, ["cpu"]).series == 7


@pytest.mark.servers
def test_influxdb_1_of_another_policy_and_without_rights(tmp_path: Path) -> None:
    with influxdb1(tmp_path / "policies") as server:
        fill(server)
        server.query(f'CREATE RETENTION POLICY "kept" ON "{DATABASE}" DURATION INF REPLICATION 1')
        server.write(f"cpu,host=x v=1i {FIRST_NS}", policy="kept")
        assert len(usage_of(server.config(retention_policy="kept"), []).parts or ()) == 1
        everywhere = usage_of(server.config(retention_policy="*"), ["kept.cpu", "autogen.cpu"])
        assert len(everywhere.parts or ()) == 5


@pytest.mark.servers
def test_influxdb_2(tmp_path: Path) -> None:
    with influxdb2(tmp_path) as server:
        fill(server)
        config = server.config()
        for more in ({}, {"query_language": "flux"}):
            found = usage_of(server.config(**more), ["cpu", NAME, "none"])
            assert found.series == 7
            assert {name: each.series for name, each in found.measurements.items()} == {"cpu": 5, NAME: 2, "none": 0}
            assert found.bytes is not None
            assert found.parts is None
            assert found.queries is not None
            assert found.queries.since is not None
            assert "bytes by month" in found.not_told
        server.query("SELECT count(v) FROM cpu")
        before = found.queries.count
        wait_until(lambda: queries(config) > before, "the query is counted")
        nobody = usage_of(server.config(token=Secret("nobody's")), ["cpu"])
        assert nobody.series is None
        assert nobody.bytes is None
        assert "unauthorized" in nobody.not_told["series"]


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Sandbox]:
    with Sandbox(data_dir=tmp_path / "data") as box:
        yield box


def of_box(box: Sandbox, **more: str) -> InfluxDB3Config:
    return InfluxDB3Config(host=box.url, database=DATABASE, token=Secret(str(box.token)), **more)


@pytest.mark.parametrize("protocol", ["flight", "http"])
def test_influxdb_3(box: Sandbox, protocol: str) -> None:
    box.write(DATABASE, "\n".join(f"cpu,host=h{n % 5} v={n}i {FIRST_NS + n * DAY_NS}" for n in range(40)))
    box.write(DATABASE, f"mem used=1i {FIRST_NS}")
    box.store.checkpoint()
    found = usage_of(of_box(box, protocol=protocol), ["cpu", "never"])
    cpu = found.measurements["cpu"]
    assert cpu.rows == 40
    assert cpu.bytes is not None
    assert cpu.bytes > 500
    assert cpu.parts is not None
    assert min(part.start for part in cpu.parts).isoformat() == "2026-01-01T00:00:00+00:00"
    assert found.measurements["never"].bytes is None
    assert found.bytes == cpu.bytes
    assert "bytes of the database" in found.not_told
    assert found.series is None
    assert found.queries is not None
    assert queries(of_box(box, protocol=protocol)) > found.queries.count


def test_a_server_that_is_away_is_no_server_without_figures(box: Sandbox) -> None:
    box.faults.update(unavailable=True)
    with pytest.raises(SourceUnavailable):
        usage_of(of_box(box), ["cpu"])
