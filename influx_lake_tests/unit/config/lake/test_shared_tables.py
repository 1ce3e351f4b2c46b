"""Measurements of one table: who may share it, what it is called, and what is refused, with its line and a remedy."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from influx_lake.config import Lake, load_lake
from influx_lake.config.sources.discovery import Discovered
from influx_lake.config.tables.shared_tables import LongOptions, Share
from influx_lake_tests.unit.config.conftest import LakeWriter


def lake_of(write_lake: LakeWriter, text: str, discovered: Discovered | None = None) -> Lake:
    return load_lake(write_lake(text, sources=True), discovered)


def test_wide_measurements_share_a_table_where_they_say_which_is_whose(write_lake: LakeWriter) -> None:
    lake = lake_of(
        write_lake,
        "defaults: {metadata_columns: [measurement]}\n"
        "measurements: {cpu: {table: host}, mem: {table: host, lag: 1h}, disk: {}}\n",
    )
    cpu, mem, disk = lake.measurements
    assert cpu.share == Share("measurement", "cpu")
    assert mem.share == Share("measurement", "mem")
    assert disk.share == Share("measurement", "disk", is_alone=True)
    assert [each.full_name for each in lake.measurements] == [
        "telemetry.host.cpu",
        "telemetry.host.mem",
        "telemetry.disk",
    ]
    assert lake.find("telemetry.host.mem") is mem


def test_the_column_may_have_another_name(write_lake: LakeWriter) -> None:
    lake = lake_of(
        write_lake,
        "defaults: {metadata_columns: {source_table: measurement}}\nmeasurements: {cpu: {table: h}, mem: {table: h}}\n",
    )
    assert [each.share for each in lake.measurements] == [Share("source_table", "cpu"), Share("source_table", "mem")]


def test_all_measurements_of_the_long_layout_are_one_table(write_lake: LakeWriter) -> None:
    text = "defaults: {layout: {long: {integers: true}}}\nmeasurements: {cpu: {}, mem: {}, disk: {layout: wide}}\n"
    cpu, mem, disk = lake_of(write_lake, text).measurements
    assert cpu.table_name == mem.table_name == "telemetry.all_metrics"
    assert cpu.layout == LongOptions(integers=True)
    assert (disk.table_name, disk.layout, disk.share) == ("telemetry.disk", None, None)
    alone = lake_of(write_lake, "measurements: {cpu: {layout: long, table: metrics}}\n").measurements[0]
    assert (alone.full_name, alone.layout) == ("telemetry.metrics.cpu", LongOptions())


def test_the_matches_of_a_pattern_share_a_table_too(write_lake: LakeWriter) -> None:
    found = Discovered(measurements={"default": ("cpu", "mem")})
    text = "measurements: {'*': {table: host, metadata_columns: [measurement]}}\n"
    lake = lake_of(write_lake, text, found)
    assert [each.full_name for each in lake.measurements] == ["telemetry.host.cpu", "telemetry.host.mem"]
    resolved = lake.resolve({"default": ("cpu", "disk", "mem")})
    assert [each.full_name for each in resolved.measurements][-1] == "telemetry.host.disk"
    assert not resolved.set_aside


LINES = "measurements:\n  cpu: {%s}\n  mem: {%s}\n"


@pytest.mark.parametrize(
    ("cpu", "mem", "message"),
    [
        (
            "table: host",
            "table: host",
            "lake.yaml:4: measurements.mem.table: cpu and mem would both be the table telemetry.host (cpu: "
            "lake.yaml:3): give one of them a `table` of its own, or let them share it: `metadata_columns: "
            "[measurement]` in both",
        ),
        ("table: host, metadata_columns: [measurement]", "table: host", "or let them share it"),
        (
            "table: host, metadata_columns: [measurement]",
            "table: host, metadata_columns: {m: measurement}",
            "cpu and mem share the table telemetry.host, and call the column that tells them apart 'measurement' and "
            "'m' (cpu: lake.yaml:3): give it one name in both",
        ),
        (
            "table: host, metadata_columns: [measurement]",
            "table: host, metadata_columns: [measurement], iceberg_partition: [month(time)]",
            "say different things of it in `iceberg_partition` (cpu: lake.yaml:3): say the same of it in both",
        ),
        (
            "table: host, metadata_columns: [measurement]",
            "table: host, metadata_columns: [measurement], write: {sort_by: [time]}",
            "different things of it in `write.sort_by`",
        ),
        (
            "table: host, metadata_columns: [measurement]",
            "table: host, metadata_columns: [measurement], time_type: timestamp",
            "different things of it in `time_type`",
        ),
        ("layout: long", "layout: {long: {texts: true}}", "different things of it in `layout`"),
        (
            "layout: long, table: host",
            "table: host, metadata_columns: [measurement]",
            "one of them is `layout: long`",
        ),
        (
            "table: host, metadata_columns: [measurement]",
            "table: host, metadata_columns: [measurement], measurement: cpu",
            "are both 'cpu' in its column 'measurement' (cpu: lake.yaml:3): give one of them a `table` of its own",
        ),
        ("layout: tall", "", "lake.yaml:3: measurements.cpu.layout: 'tall' is none of `wide`, `long` and"),
        ("layout: {long: {ints: true}}", "", "measurements.cpu.layout.long.ints: unknown option"),
        ("layout: long, rollups: {hourly: {every: 1h}}", "", "measurements.cpu.rollups: are computed of the fields of"),
        ("layout: long, write: {mode: upsert, key: [host]}", "", "cpu.write.key: is for wide tables"),
        ("layout: long, write: {mode: upsert, merge_fields: true}", "", "cpu.write.merge_fields: is for wide tables"),
        ("layout: long, on_cast_error: quarantine", "", "cpu.on_cast_error: quarantine keeps rows aside whole"),
        (
            "layout: long, write: {sort_by: [host, time]}",
            "",
            "cpu.write.sort_by: names host, which a long table does not have: its columns are time, measurement, tags, "
            "metric_name, metric_value",
        ),
        ("layout: long, iceberg_partition: [tags]", "", "cpu.iceberg_partition: names tags, which is a map"),
        (
            "layout: long, checks: {values: [{column: usage, not_null: true}]}",
            "",
            "names usage, which a long table does not",
        ),
    ],
)
def test_invalid_values(cpu: str, mem: str, message: str, mistakes_of: Callable[..., list[str]]) -> None:
    mistakes = mistakes_of(LINES % (cpu, mem))
    assert any(message in each for each in mistakes), mistakes


def test_a_pattern_does_not_share_a_table_unasked(mistakes_of: Callable[..., list[str]]) -> None:
    [mistake] = mistakes_of("measurements: {'http_*': {table: http}}\n")
    assert "a pattern's matches cannot share a table: leave it out, or let them share it" in mistake
