"""A field that has another type in each shard of an InfluxDB 1 or 2."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog

from influx_lake.config import Measurement, OnTypeConflict, TypeOptions
from influx_lake.config.values.read_options import ReadingOptions, RetryOptions
from influx_lake.config.values.windows import Every, Scheme, Window
from influx_lake.errors import SchemaConflict
from influx_lake.replication.window import replicate_window
from influx_lake.sources import open_source
from influx_lake.sources.reliable import ReliableSource
from influx_lake.sources.reliable.limits import ServerLimits
from influx_lake_tests.integration.sources.influxdb_points import START_NS, auto_config, servers
from testbed.influxdb_servers import Server

__all__ = ["servers"]

pytestmark = pytest.mark.servers

ALL_WEEKS = Window(datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 3, 9, tzinfo=UTC))


@pytest.fixture
def conflicting(servers: dict[str, Server]) -> list[Server]:
    """Servers where `mixed.value` has another type in each shard: weeks before, two of them in one window of months."""
    week = 7 * 86_400 * 10**9
    shards = [
        "mixed,t=a value=1.5,ok=1i",
        "mixed,t=a value=7i",
        f"mixed,t=b value={2**53 + 1}i",
        'mixed,t=a value="seven",ok=2i',
        "mixed,t=a value=true",
    ]
    for server in servers.values():
        for place, line in enumerate(shards):
            server.write(f"{line} {START_NS - place * week}")
    return list(servers.values())


def load_mixed(
    server: Server, catalog: Catalog, table: str, policy: str, *, name: str = "mixed", **options: str
) -> pa.Table:
    measurement = Measurement(
        name,
        name,
        "default",
        "telemetry",
        ("lake",),
        table,
        Scheme(Every.WEEK, ALL_WEEKS.start),
        types=TypeOptions(on_type_conflict=OnTypeConflict(policy)),
    )
    source = open_source(server.config(**options))
    try:
        replicate_window(source, catalog, measurement, ALL_WEEKS, run_id="test")
    finally:
        source.close()
    return catalog.load_table(("lake", table)).scan().to_arrow().sort_by("time")


def test_each_type_of_a_field_gets_a_column(conflicting: list[Server], catalog: Catalog) -> None:
    for place, server in enumerate(conflicting):
        rows = load_mixed(server, catalog, f"mixed{place}", "new_column")
        assert rows.column("value").to_pylist() == [None, None, None, 7.0, 1.5]
        assert rows.column("value__long").to_pylist() == [None, None, 2**53 + 1, None, None]
        assert rows.column("value__string").to_pylist() == [None, "seven", None, None, None]
        assert rows.column("value__boolean").to_pylist() == [True, None, None, None, None]
        assert rows.column("ok").to_pylist() == [None, 2, None, None, 1]


def test_a_second_type_of_a_field_stops_the_window(conflicting: list[Server], catalog: Catalog) -> None:
    for place, server in enumerate(conflicting):
        with pytest.raises(SchemaConflict, match=r"'value' is double in some points .* and string in others") as caught:
            load_mixed(server, catalog, f"mixed{place}", "fail")
        assert caught.value.remedy is not None
        assert "new_column" in caught.value.remedy
        assert catalog.load_table(("lake", f"mixed{place}")).current_snapshot() is None


def test_points_of_a_second_type_go_to_quarantine(conflicting: list[Server], catalog: Catalog) -> None:
    for place, server in enumerate(conflicting):
        rows = load_mixed(server, catalog, f"mixed{place}", "quarantine")
        assert rows.column("value").to_pylist() == [7.0, 1.5]
        aside = catalog.load_table(("lake", f"mixed{place}__quarantine")).scan().to_arrow().sort_by("time")
        found = [json.loads(row) for row in aside.column("row").to_pylist()]
        assert [row["value__string"] or row["value__boolean"] or row["value__integer"] for row in found] == [
            True,
            "seven",
            2**53 + 1,
        ]


def test_values_are_counted_whatever_their_types(conflicting: list[Server]) -> None:
    for server in conflicting:
        for config in (server.config(), auto_config(server)):
            retry = RetryOptions(budget=timedelta(0))
            source = ReliableSource(open_source(config), ReadingOptions(confirm_rows=True, retry=retry), ServerLimits())
            for window in (ALL_WEEKS, Window(ALL_WEEKS.start, datetime(2026, 1, 6, tzinfo=UTC))):
                with source.read(source.schema("mixed"), window) as rows:
                    assert sum(batch.num_rows for batch in rows) == (5 if window is ALL_WEEKS else 0)
            source.close()


def test_the_column_that_exists_keeps_its_type(conflicting: list[Server], catalog: Catalog) -> None:
    columns = pa.schema([("time", pa.timestamp("us", "UTC")), ("t", pa.string()), ("value", pa.string())])
    catalog.create_namespace_if_not_exists("lake")
    catalog.create_table(("lake", "mixed"), columns)
    table = catalog.load_table(("lake", "mixed"))
    measurement_source = open_source(conflicting[0].config())
    with table.transaction() as change:
        change.set_properties({"influx-lake.source": measurement_source.identity})
    measurement_source.close()
    rows = load_mixed(conflicting[0], catalog, "mixed", "new_column")
    assert rows.column("value").to_pylist() == [None, "seven", None, None, None]
    assert rows.column("value__double").to_pylist() == [None, None, None, 7.0, 1.5]


def test_flux_reads_a_series_whose_type_changes_within_a_window(servers: dict[str, Server], catalog: Catalog) -> None:
    week = 7 * 86_400 * 10**9
    for place, value in enumerate(['"a"', '""', "1.5", '"b"', "2.5"]):
        servers["2"].write(f"turned value={value} {START_NS - place * week}")
    rows = load_mixed(servers["2"], catalog, "turned", "new_column", name="turned", query_language="flux")
    assert rows.column("value").to_pylist() == [2.5, None, 1.5, None, None]
    assert rows.column("value__string").to_pylist() == [None, "b", None, "", "a"]
