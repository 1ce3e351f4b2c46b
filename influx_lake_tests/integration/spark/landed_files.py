"""Files of every kind that Spark loads from, and a lake.yaml over them, once for each engine."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from influx_lake_tests.unit.sources.influxdb3_parquet.persisted_files import CHUNK_NS, CPU, Node

DAY = datetime(2026, 1, 2, tzinfo=UTC)
DAYS = 1
BOUNDS = ("--start", "2026-01-02", "--end", "2026-01-03")

LAKE = """\
sources:
  json: {{type: landing_zone, path: "./json/{{measurement}}/{dated}", database: landed, timestamp_units: ns{more}}}
  bad: {{type: landing_zone, path: "./bad/{dated}", database: bad, max_bad_lines: 9{more}}}
  csv: {{type: landing_zone, path: "./csv/{dated}", database: tables, format: csv, tags: [host, zone],
        timestamp: at, timestamp_units: us{more}}}
  parquet: {{type: landing_zone, path: "./parquet/{{measurement}}/{dated}", database: columns, format: parquet,
            tags: [host]{more}}}
  lines: {{type: line_protocol, path: ["./lines/*"], database: exported{more}}}
  core: {{type: influxdb3_parquet, location: ./node0, database: served{core}}}
catalog: {{type: sql, uri: "sqlite:///{lake}/catalog.db", warehouse: "{lake}/warehouse"}}
defaults: {{partition: {{start: 2026-01-01}}, lag: 0s, reconcile: off}}
spark: {{master: "local[2]", rows_per_task: 1000}}
measurements:
{measurements}
"""
DATED = "year={year}/month={month}/day={day}/hour={hour}"

MEASUREMENTS = {
    "json_plain": "{source: json, measurement: cpu}",
    "json_long": "{source: json, measurement: cpu, layout: {long: {integers: true, booleans: true, texts: true}}}",
    "json_variants": "{source: json, measurement: odd, on_type_conflict: new_column}",
    "json_quarantined": "{source: json, measurement: odd, on_type_conflict: quarantine}",
    "json_sorted": "{source: json, measurement: cpu, iceberg_partition: ['bucket(3, host)', 'day(time)'], "
    "write: {sort_by: [host, time], bloom_filter: [host], compression: snappy}}",
    "json_shaped": "{source: json, measurement: cpu, rename: {usage: used}, computed: {double: used * 2}, "
    "where: n <> 3, fields: {exclude: [flag]}, types: {n: 'decimal(9, 0)'}, metadata_columns: [window_start, source]}",
    "json_upserted": "{source: json, measurement: cpu, write: {mode: upsert}}",
    "json_joined": "{source: json, measurement: cpu, write: {mode: upsert, key: [host], merge_fields: true}}",
    "json_appended": "{source: json, measurement: cpu, write: {mode: append}}",
    "bad_lines": "{source: bad, measurement: cpu}",
    "csv_cpu": "{source: csv, measurement: cpu}",
    "csv_mem": "{source: csv, measurement: mem, iceberg_partition: [zone]}",
    "parquet_disk": "{source: parquet, measurement: disk}",
    "lines_net": "{source: lines, measurement: net}",
    "lines_disk": "{source: lines, measurement: 'disk,io', unsigned: long}",
    "core_cpu": "{source: core, measurement: cpu}",
}
"""One measurement for each kind of file, type, shape and way of writing."""


def land(folder: Path) -> None:
    """Write a day of all of it."""
    chance = random.Random(7)
    for hour in range(0, 24 * DAYS, 3):
        _json(folder, hour, chance)
        _bad(folder, hour)
        _csv(folder, hour, chance)
        _parquet(folder, hour, chance)
    _lines(folder, chance)
    _core(folder, chance)


def lake(folder: Path, engine: str, measurements: dict[str, str] | None = None) -> Path:
    """A lake.yaml over the files, with a catalog and staging folders of its own."""
    place = folder / engine
    place.mkdir(exist_ok=True)
    listed = [f"  {name}: {options}" for name, options in (measurements or MEASUREMENTS).items()]
    config = folder / f"{engine}.yaml"
    more = f", engine: {engine}, staging: ./{engine}/staging"
    config.write_text(
        LAKE.format(
            dated=DATED,
            more=more,
            core=f", engine: {engine}, index: ./{engine}/index",
            lake=place,
            measurements="\n".join(listed),
        )
    )
    return config


def _folder(base: Path, hour: int) -> Path:
    folder = base / (DAY + timedelta(hours=hour)).strftime("year=%Y/month=%m/day=%d/hour=%H")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _times(hour: int, chance: random.Random, count: int) -> Iterator[int]:
    begin = int((DAY + timedelta(hours=hour)).timestamp()) * 10**9
    return (begin + chance.randrange(3_600_000) * 1_000_000 for _ in range(count))


def _json(folder: Path, hour: int, chance: random.Random) -> None:
    """Values that landed twice, late files, columns that few records have, a field of several types, nanoseconds."""

    def record(name: str, time: int, fields: dict[str, Any], **tags: str) -> str:
        return json.dumps({"name": name, "tags": tags, "fields": fields, "timestamp": time}) + "\n"

    place = _folder(folder / "json" / "cpu", hour)
    times = list(_times(hour, chance, 300))
    for number, part in enumerate((times[:200], times[150:])):
        lines = [
            record(
                "cpu",
                time,
                {
                    "usage": chance.random() * 100,
                    "n": chance.randrange(5),
                    "flag": chance.random() < 0.5,
                    "s": f"ü{n % 7}",
                }
                | ({"rare": n} if n % 97 == 0 else {}),
                **({"host": f"h{n % 11}"} | ({"zone": "a, b"} if n % 3 else {})),
            )
            for n, time in enumerate(part)
        ]
        content = "".join(lines).encode()
        (place / f"part{number}.json{'.gz' if number else ''}").write_bytes(
            gzip.compress(content) if number else content
        )
    late = _folder(folder / "json" / "cpu", hour + 1)
    (late / "late.json").write_text(record("cpu", times[0] + 1, {"usage": -1.5}, host="late"))
    odd: list[Callable[[int], Any]] = [lambda n: n, lambda n: n + 0.5, lambda n: f"text {n}", lambda n: n % 2 == 0]
    lines = [record("odd", time, {"v": odd[n % 4](n), "w": n}, host=f"h{n % 3}") for n, time in enumerate(times[:60])]
    (_folder(folder / "json" / "odd", hour) / "odd.json").write_text("".join(lines))


def _bad(folder: Path, hour: int) -> None:
    place = _folder(folder / "bad", hour) / "a.json"
    begin = int((DAY + timedelta(hours=hour)).timestamp())
    records = [{"name": "cpu", "tags": {}, "fields": {"v": n}, "timestamp": begin + n} for n in range(20)]
    place.write_text("".join(json.dumps(each) + "\n" for each in records) + ("{\n" if hour % 24 == 3 else ""))


def _csv(folder: Path, hour: int, chance: random.Random) -> None:
    lines = ["name,at,host,zone,used,free,note"]
    for n, time in enumerate(_times(hour, chance, 240)):
        name = "cpu" if n % 3 else "mem"
        lines.append(f'{name},{time // 1000},h{n % 5},z{n % 2},{n * 0.1:.1f},{n if n % 4 else ""},"a ""b"", {n % 3}"')
    (_folder(folder / "csv", hour) / "a.csv").write_text("\n".join(lines) + "\n")


def _parquet(folder: Path, hour: int, chance: random.Random) -> None:
    times = sorted(_times(hour, chance, 200))
    columns = {
        "timestamp": pa.array(times, pa.timestamp("ns")),
        "host": pa.array([f"h{n % 4}" for n in range(200)]).dictionary_encode(),
        "used": pa.array([n if n % 5 else None for n in range(200)], pa.uint64()),
        "ratio": pa.array([n / 7 for n in range(200)], pa.float32()),
        "ok": pa.array([n % 2 == 0 for n in range(200)]),
    }
    if hour % 2:
        columns["late_column"] = pa.array([f"x{n}" for n in range(200)])
    pq.write_table(pa.table(columns), _folder(folder / "parquet" / "disk", hour) / "a.parquet")


def _lines(folder: Path, chance: random.Random) -> None:
    (folder / "lines").mkdir()
    for number in range(3):
        lines = ["# INFLUXDB EXPORT", "# CONTEXT-DATABASE: exported", "# CONTEXT-RETENTION-POLICY: autogen"]
        for hour in range(0, 24 * DAYS, 2):
            for n, time in enumerate(_times(hour, chance, 60)):
                unique = time + number * 7 + n
                lines.append(
                    f"net,host=h{n % 6},if=eth\\ {n % 2} in={n}i,out={n * 1.5},up={'t' if n % 2 else 'f'},"
                    f'note="a\\"b\nc" {unique}'
                )
                lines.append(f"disk\\,io,host=h{n % 2} reads={n}u,v={n % 9}i {unique}")
        text = ("\n".join(lines) + "\n").encode()
        name = f"{number}.lp" + (".gz" if number == 1 else "")
        (folder / "lines" / name).write_bytes(gzip.compress(text) if number == 1 else text)


def _core(folder: Path, chance: random.Random) -> None:
    node, columns = Node(folder / "node0"), CPU | {"total": "field::uinteger", "label": "field::string"}
    begin = int(DAY.timestamp()) * 10**9
    for sequence in range(6):
        times = sorted(
            {begin + chance.randrange(DAYS * 144) * CHUNK_NS + chance.randrange(600) * 10**9 for _ in range(400)}
        )
        rows = [
            {"time": time, "host": f"h{n % 3}", "usage": n / 3, "count": n, "total": 2**63 + n, "label": f"l{n % 4}"}
            for n, time in enumerate(times)
        ]
        node.persist(rows, sequence, columns=columns)
