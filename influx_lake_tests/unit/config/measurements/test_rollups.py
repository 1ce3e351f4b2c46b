from __future__ import annotations

from collections.abc import Callable

import pytest

from influx_lake.config import Compression, Lake
from influx_lake.config.measurements.rollups import Aggregate, Percentile

LakeOf = Callable[[str], Lake]
MistakesOf = Callable[..., list[str]]


def test_what_is_not_said_is_decided(lake_of: LakeOf) -> None:
    [cpu] = lake_of(
        """
        defaults: {namespace: plant.raw, write: {compression: gzip, compression_level: 9, bloom_filter: [host]}}
        measurements: {cpu: {owners: [team:a], rollups: {hourly: {every: 1h}}}}
        """
    ).measurements

    [hourly] = cpu.rollups
    assert hourly.table_name == "plant.raw.cpu_hourly"
    assert (hourly.by, dict(hourly.fields)) == (None, {})
    assert hourly.functions == (Aggregate.MEAN, Aggregate.MIN, Aggregate.MAX, Aggregate.COUNT)
    assert (hourly.write.compression, hourly.write.compression_level) == (Compression.GZIP, 9)
    # The measurement's columns are not the roll-up's.
    assert (hourly.write.bloom_filter, hourly.owners) == ((), ("team:a",))


def test_its_own_options_win(lake_of: LakeOf) -> None:
    [cpu] = lake_of(
        """
        defaults: {write: {compression: gzip, compression_level: 9}, tags: {tier: gold, a: b}}
        measurements:
          cpu:
            rollups:
              r:
                every: 15m
                by: []
                fields: {usage: [p99.9, p95, mean]}
                namespace: marts
                table: cpu
                write: {compression: snappy, sort_by: [time]}
                memory_limit: 1GiB
                tags: {tier: silver}
        """
    ).measurements

    [rollup] = cpu.rollups
    assert (rollup.table_name, rollup.by, rollup.functions) == ("marts.cpu", (), ())
    assert rollup.fields == {"usage": (Percentile(99.9), Percentile(95.0), Aggregate.MEAN)}
    assert (rollup.write.compression, rollup.write.compression_level) == (Compression.SNAPPY, None)
    assert (rollup.memory_limit, rollup.tags) == (2**30, {"tier": "silver", "a": "b"})


def test_defaults_are_for_every_measurement_that_does_not_switch_them_off(lake_of: LakeOf) -> None:
    lake = lake_of(
        """
        defaults: {rollups: {hourly: {every: 1h, functions: [mean]}}}
        measurements:
          cpu: {rollups: {daily: {every: day}}}
          mem: {rollups: {hourly: {functions: [max]}}}
          disk: {rollups: {hourly: {enabled: false}}}
        """
    )

    assert {each.key: [(one.name, *map(str, one.functions)) for one in each.rollups] for each in lake.measurements} == {
        "cpu": [("hourly", "mean"), ("daily", "mean", "min", "max", "count")],
        "mem": [("hourly", "max")],
        "disk": [],
    }


def test_every_mistake_has_its_line(mistakes_of: MistakesOf) -> None:
    assert mistakes_of(
        """\
        measurements:
          cpu:
            rollups:
              a: {every: 7m}
              b: {every: 1h, functions: [meen, p100, p0]}
              c: {every: 1h, by: [time]}
              d: {every: 1h, write: {mode: append}}
              e: {every: 1h, memory_limit: 1MB}
              f: {every: 1h, functions: []}
              'g h': {every: 1h}
        """
    ) == [
        "lake.yaml:5: measurements.cpu.rollups.a.every: '7m' is not the length of a bucket: write a part of a day "
        "without remainder, such as 1m, 15m, 1h or 6h, or 1d, 1w or month",
        "lake.yaml:6: measurements.cpu.rollups.b.functions[0]: 'meen' is not one of mean, min, max, count, sum, first, "
        "last and percentiles such as p95 (did you mean mean?)",
        "lake.yaml:6: measurements.cpu.rollups.b.functions[1]: 'p100' is not one of mean, min, max, count, sum, first, "
        "last and percentiles such as p95",
        "lake.yaml:6: measurements.cpu.rollups.b.functions[2]: 'p0' is not one of mean, min, max, count, sum, first, "
        "last and percentiles such as p95",
        "lake.yaml:7: measurements.cpu.rollups.c.by: names `time`, which is what buckets are made of",
        "lake.yaml:8: measurements.cpu.rollups.d.write.mode: unknown option; known: compression, compression_level, "
        "target_file_size, row_group_size, bloom_filter, sort_by",
        "lake.yaml:9: measurements.cpu.rollups.e.memory_limit: '1000000' is less than 64000000",
        "lake.yaml:10: measurements.cpu.rollups.f.functions: names no function: write some, such as [mean, max], or "
        "leave the option out",
        "lake.yaml:11: measurements.cpu.rollups.'g h': 'g h' is not a table's name: letters, digits, _ and - (at "
        "most 200)",
    ]


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("cpu: {rollups: {a: {functions: [mean]}}}", "rollups.a.every: is missing: how long a bucket is"),
        ("cpu: {rollups: {a: {every: 1h, fields: {}}}}", "rollups.a.fields: computes nothing"),
        (
            "cpu: {partition: {every: hour}, rollups: {a: {every: 1d}}}",
            "rollups.a.every: partitions by hour do not hold whole buckets of day",
        ),
        (
            "cpu: {rollups: {a: {every: 1h, write: {compression: snappy, compression_level: 3}}}}",
            "rollups.a.write.compression_level: snappy has no levels",
        ),
        (
            "cpu: {rollups: {a: {every: 1h, table: x}, b: {every: 1h, table: X}}}",
            "the roll-up a of cpu and the roll-up b of cpu would be the tables telemetry.x and telemetry.X, which are",
        ),
        (
            "cpu: {rollups: {a: {every: 1h, table: cpu}}}",
            "cpu and the roll-up a of cpu would both be the table telemetry.cpu",
        ),
        (
            "cpu: {rollups: {a: {every: 1h}}}\n  cpu_a:",
            "the roll-up a of cpu and cpu_a would both be the table telemetry.cpu_a",
        ),
        (
            "cpu: {rollups: {_quarantine: {every: 1h}}}",
            "the roll-up _quarantine of cpu would be the table telemetry.cpu__quarantine, which is the quarantine of",
        ),
        (
            '"c*": {rollups: {a: {every: 1h, table: x}}}',
            "rollups.a.table: a pattern's matches cannot share a roll-up's table",
        ),
    ],
)
def test_contradictions_are_refused(mistakes_of: MistakesOf, text: str, mistake: str) -> None:
    [found] = mistakes_of(f"measurements:\n  {text}\n")

    assert mistake in found
