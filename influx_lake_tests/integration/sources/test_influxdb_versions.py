"""The same points in InfluxDB 1.6, 1.8, 2 and 3 become equal Iceberg tables."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog

from influx_lake.cli.entry import run
from influx_lake.config import InfluxDB3Config, Measurement, Secret, TypeOptions
from influx_lake.config.connections import AutoConfig
from influx_lake.config.values.read_options import ReadingOptions, RetryOptions
from influx_lake.config.values.windows import Every, Scheme
from influx_lake.errors import (
    AuthenticationFailed,
    ConfigurationError,
    DatabaseNotFound,
    MeasurementNotFound,
    RowsMissing,
    WindowInterrupted,
)
from influx_lake.replication.window import replicate_window
from influx_lake.sandbox import Sandbox
from influx_lake.sources import Source, open_source
from influx_lake.sources.influxdb3 import InfluxDB3Source
from influx_lake.sources.influxql.chunks import RowChunks
from influx_lake.sources.reliable import ReliableSource
from influx_lake.sources.reliable.limits import ServerLimits
from influx_lake_tests.integration.sources.influxdb_points import (
    NAME,
    START,
    START_NS,
    WINDOW,
    auto_config,
    line_protocol,
    servers,
)
from testbed.influxdb_servers import TOKEN, Server, influxdb1, influxdb2
from testbed.local_catalog import local_catalog

__all__ = ["servers"]

pytestmark = pytest.mark.servers


def loaded(source: Source, catalog: Catalog, table: str, name: str = NAME, **options: str) -> pa.Table:
    """The table after the window was loaded from a source, its rows in order."""
    measurement = Measurement(
        name, name, "default", "telemetry", ("lake",), table, Scheme(Every.DAY, START), types=TypeOptions(**options)
    )
    replicate_window(source, catalog, measurement, WINDOW, run_id="test")
    rows = catalog.load_table(("lake", table)).scan().to_arrow()
    tags = [name for name in rows.column_names if name in ("host", "odd key")]
    rows = rows.select(sorted(rows.column_names))
    return rows.sort_by([(name, "ascending") for name in ("time_ns", *tags)])


def check_equal(
    points: int, servers: dict[str, Server], catalog: Catalog, *, name: str = NAME, flux: bool = False
) -> None:
    lines = list(line_protocol(points, name=name))
    with Sandbox() as box:
        for start in range(0, points, 20_000):
            text = "\n".join(lines[start : start + 20_000])
            box.write("telemetry", text)
            for server in servers.values():
                server.write(text)
        v3 = InfluxDB3Source(InfluxDB3Config(host=box.url, database="telemetry", token=Secret(str(box.token))))
        expected = loaded(v3, catalog, "v3", name)
        v3.close()
    assert expected.num_rows == points
    configs = {version: server.config() for version, server in servers.items()}
    if flux:
        configs["2 flux"] = servers["2"].config(query_language="flux")
    for version, config in configs.items():
        source = open_source(config)
        found = loaded(source, catalog, "v" + version.replace(".", "").replace(" ", ""), name)
        source.close()
        assert found.schema.names == expected.schema.names
        for column in expected.column_names:
            assert found.column(column).equals(expected.column(column)), (version, column)


def test_all_versions_give_the_same_table(servers: dict[str, Server], catalog: Catalog) -> None:
    check_equal(5_000, servers, catalog)


def test_flux_gives_the_same_table(servers: dict[str, Server], catalog: Catalog) -> None:
    check_equal(5_000, {"2": servers["2"]}, catalog, name="in flux", flux=True)


def test_what_flux_misplaces_is_put_right(servers: dict[str, Server], catalog: Catalog) -> None:
    texts = {(host, number): "" if number % host == 0 else f"{number}" for host in (1, 7) for number in range(3_000)}
    servers["2"].write(
        "\n".join(f'moved,host=h{host} s="{text}" {START_NS + number}' for (host, number), text in texts.items())
        # A series with the same tags and one more is another.
        + f'\nmoved,host=h7,rack=r s="" {START_NS}\nmoved,host=h7,rack=r s="x" {START_NS + 5}'
    )
    source = open_source(servers["2"].config(query_language="flux"))
    rows = loaded(source, catalog, "moved", "moved")
    source.close()
    found = {(row["host"], row["rack"], row["time_ns"]): row["s"] for row in rows.to_pylist()}
    expected = {(f"h{host}", None, START_NS + number): text for (host, number), text in texts.items()}
    assert found == {**expected, ("h7", "r", START_NS): "", ("h7", "r", START_NS + 5): "x"}


def test_one_entry_for_many_databases(
    servers: dict[str, Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    v1, v2 = servers["1.8"], servers["2"]
    v1.query('CREATE DATABASE "plant_a"')
    v1.query('CREATE DATABASE "plant_b"')
    for database in ("plant_a", "plant_b"):
        v1.request(f"/write?db={database}", f"cpu v=1 {START_NS}\nmem v=2 {START_NS}".encode())
    v2.write(f"cpu v=3 {START_NS}")
    monkeypatch.setenv("TOKEN_OF_2", TOKEN)
    lake = tmp_path / "lake.yaml"
    lake.write_text(
        f"""
        sources:
          old: {{type: influxdb1, host: "{v1.url}", database: "plant_*"}}
          new: {{type: influxdb2, host: "{v2.url}", org: plant, bucket: ["/^telemetry$/"], token: "${{TOKEN_OF_2}}"}}
        catalog: {{type: sql, uri: "sqlite:///./catalog.db", warehouse: ./warehouse}}
        defaults: {{partition: {{start: 2026-03-01}}}}
        measurements:
          "/^(cpu|mem)$/": {{source: old}}
          cpu: {{source: new}}
        """
    )
    for command in (["discover"], ["check"], ["replicate", "--all", "--start", "2026-03-01", "--end", "2026-03-02"]):
        assert run([*command, "-c", str(lake)]) == 0
    tables = local_catalog(tmp_path)
    expected = {"plant_a.cpu": 1.0, "plant_a.mem": 2.0, "plant_b.cpu": 1.0, "plant_b.mem": 2.0, "telemetry.cpu": 3.0}
    for name, value in expected.items():
        assert tables.load_table(name).scan().to_arrow().column("v").to_pylist() == [value]


def confirmed(server: Server, **options: Any) -> ReliableSource:
    retry = RetryOptions(budget=timedelta(milliseconds=200), first_wait=timedelta(milliseconds=1))
    reading = ReadingOptions(confirm_rows=True, retry=retry)
    return ReliableSource(open_source(server.config(**options)), reading, ServerLimits())


def test_rows_that_got_lost_on_the_way_are_noticed(servers: dict[str, Server], monkeypatch: pytest.MonkeyPatch) -> None:
    losses = 2
    of_answer = RowChunks.batches

    def lossy(self: RowChunks, documents: Iterable[bytes]) -> Iterator[pa.RecordBatch]:
        nonlocal losses
        for batch in of_answer(self, documents):
            yield batch.slice(1) if losses else batch
            losses = max(0, losses - 1)

    monkeypatch.setattr(RowChunks, "batches", lossy)
    for server in servers.values():
        server.write("\n".join(f"lossy,h={n % 3} a={n}i,b={n}.5 {START_NS + n}" for n in range(30)))
        losses, source = 2, confirmed(server)
        with pytest.raises(WindowInterrupted, match="values of 'a'"):
            count_rows(source)
        assert count_rows(source) == 30
        losses = 10**6
        with pytest.raises(WindowInterrupted):
            count_rows(source)
        with pytest.raises(RowsMissing, match=r"29 values of 'a' as integer arrived .* has 30"):
            count_rows(source)
        source.close()


def count_rows(source: Source) -> int:
    with source.read(source.schema("lossy"), WINDOW) as rows:
        return sum(batch.num_rows for batch in rows)


def test_retention_policies_are_part_of_the_name(servers: dict[str, Server]) -> None:
    for version in ("1.6", "1.8"):
        server = servers[version]
        server.query('CREATE RETENTION POLICY "two.years" ON telemetry DURATION 104w REPLICATION 1')
        server.write(f"kept f=1 {START_NS}", policy="two.years")
        server.write(f"kept f=2,g=true {START_NS}")
        every = open_source(server.config(retention_policy="*"))
        assert {"autogen.kept", "two.years.kept"} <= set(every.measurements())
        for name, value in (("autogen.kept", 2.0), ("two.years.kept", 1.0)):
            schema = every.schema(name)
            assert every.count(name, WINDOW) == 1
            with every.read(schema, WINDOW) as rows:
                (batch,) = rows
            assert batch.column("f").to_pylist() == [value]
            assert ("g" in batch.schema.names) is (name == "autogen.kept")
        one = open_source(server.config(retention_policy="two.years"))
        assert one.measurements() == ["kept"]
        default = open_source(server.config())
        assert "kept" in default.measurements()
        assert default.schema("kept").fields == ("f", "g")
        for source in (every, one, default):
            source.close()


def test_a_tag_and_a_field_of_one_name(servers: dict[str, Server]) -> None:
    for server in servers.values():
        server.write(f"twins,x=tag x=5i {START_NS}\ntwins x=6i {START_NS + 1}")
        source = open_source(server.config())
        with source.read(source.schema("twins"), WINDOW) as rows:
            found = [row for batch in rows for row in batch.select(["x", "x__field"]).to_pylist()]
        source.close()
        assert [(row["x"], row["x__field"]) for row in found] == [("tag", 5), (None, 6)]


def test_what_is_missing_has_its_own_error(servers: dict[str, Server]) -> None:
    for server in servers.values():
        source = open_source(server.config())
        with pytest.raises(MeasurementNotFound, match="'no such'"):
            source.schema("no such")
        source.close()
        elsewhere = {"bucket": "nowhere"} if "bucket" in server.options else {"database": "nowhere"}
        source = open_source(server.config(**elsewhere))
        with pytest.raises(DatabaseNotFound, match="nowhere"):
            source.server()
        source.close()


def test_a_bucket_without_a_name_in_influxql(servers: dict[str, Server]) -> None:
    server = servers["2"]
    org = json.loads(server.request("/api/v2/orgs"))["orgs"][0]["id"]
    bucket = json.dumps({"name": "a/b/c", "orgID": org}).encode()
    created = json.loads(server.request("/api/v2/buckets", bucket))
    for mapping in json.loads(server.request(f"/api/v2/dbrps?orgID={org}&bucketID={created['id']}"))["content"]:
        if mapping["bucketID"] == created["id"] and not mapping.get("virtual"):
            raise AssertionError("a bucket has a mapping that nobody made")
    mapping = {"bucketID": created["id"], "orgID": org, "database": "own", "retention_policy": "rp", "default": True}
    server.request("/api/v2/dbrps", json.dumps(mapping).encode())
    server.request("/api/v2/write?org=plant&bucket=a/b/c", f"m f=1 {START_NS}".encode())
    for options in ({"bucket": "a/b/c"}, {"bucket": "a/b/c", "dbrp": "own/rp"}):
        source = open_source(server.config(**options))
        assert source.measurements() == ["m"]
        source.close()


def test_the_version_is_found_out(servers: dict[str, Server]) -> None:
    for server in servers.values():
        server.write(f"found f=1 {START_NS}")
        source, known = open_source(auto_config(server)), open_source(server.config())
        assert source.identity == known.identity
        assert source.server() == known.server()
        assert source.schema("found") == known.schema("found")
        source.close()
        known.close()
    with Sandbox() as box:
        box.write("telemetry", f"found f=1 {START_NS}")
        config = AutoConfig(type="auto", host=box.url, database="telemetry", token=Secret(str(box.token)))
        source = open_source(config)
        assert source.identity.startswith("influxdb3://")
        assert source.measurements() == ["found"]
        source.close()
    with pytest.raises(ConfigurationError, match=r"InfluxDB 2 answers .* org"):
        open_source(AutoConfig(type="auto", host=servers["2"].url, database="telemetry")).server()


def test_wrong_credentials(servers: dict[str, Server], tmp_path: Path) -> None:
    source = open_source(servers["2"].config(token=Secret("not-the-token")))
    with pytest.raises(AuthenticationFailed) as caught:
        source.measurements()
    assert "not-the-token" not in str(caught.value)
    source.close()
    with influxdb1(tmp_path / "auth", "1.8", more="auth-enabled = true") as server:
        user = "CREATE USER root WITH PASSWORD 'a pass:word' WITH ALL PRIVILEGES"
        server.query(user)
        right = server.config(username="root", password=Secret("a pass:word"))
        source = open_source(right)
        with pytest.raises(DatabaseNotFound):
            source.measurements()
        source.close()
        for wrong in ({"username": "root", "password": Secret("wrong-word")}, {}):
            source = open_source(server.config(**wrong))
            with pytest.raises(AuthenticationFailed) as caught:
                source.measurements()
            assert "wrong-word" not in str(caught.value)
            source.close()


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.long
def test_a_million_points_give_the_same_table(catalog: Catalog, tmp_path: Path) -> None:
    with influxdb1(tmp_path / "v18", "1.8") as v18, influxdb2(tmp_path / "v2") as v2:
        check_equal(1_000_000, {"1.8": v18, "2": v2}, catalog)
