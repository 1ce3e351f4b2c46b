"""Tables with every option of types and files, and the rows that an engine has to find in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import pyarrow as pa

from influx_lake.config import (
    ColumnNames,
    Measurement,
    Nanoseconds,
    SchemaEvolution,
    TimeType,
    TypeOptions,
    Unsigned,
    WriteMode,
    WriteOptions,
)
from influx_lake.config.tables.file_options import Compression
from influx_lake.config.tables.shared_tables import LongOptions, Share
from influx_lake.config.values.windows import EPOCH, MICROSECOND
from influx_lake.iceberg.load.replace import replace_window
from influx_lake.iceberg.target import Provenance, TableTarget
from influx_lake_tests.integration.typed_lake import START_NS, Row, TypedLake, day, measurement
from testbed.loads import load_of

DAY_NS = 86_400 * 10**9
START_US = START_NS // 1000
LONG_TEXT = "é" * 500_000 + "x" * 48_576
LARGEST = 2**64 - 1


@dataclass(frozen=True)
class Case:
    """What was loaded, the Iceberg types it should have, and its rows (times in microseconds since 1970)."""

    of: Measurement
    types: dict[str, str]
    rows: list[Row]


def telling(rows: Iterable[Row]) -> list[list[tuple[str, str]]]:
    """Rows in an order of their own, as texts that tell 0.0 from -0.0, NaN from null, and an empty text from none."""
    return sorted(sorted((name, repr(_plain(value))) for name, value in row.items()) for row in rows)


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return (value.replace(tzinfo=value.tzinfo or EPOCH.tzinfo) - EPOCH) // MICROSECOND
    return value


def every_value(lake: TypedLake) -> Case:
    """The defaults: nanoseconds kept, unsigned as decimals, odd names, nulls and texts."""
    of = measurement("every")
    lake.write(
        f'every,Host\\ Name=é😀,host=a f=1.5,i={-(2**63)}i,u={LARGEST}u,b=true,s="",a.b=1i,it"s=1i {START_NS + 1}',
        f'every,host=b f=-0.0,i={2**63 - 1}i,u=0u,b=false,s="line\nbreak \\"quoted\\"",Größe=2i {START_NS + 2}',
        f"every,Host=twin,host=c 1st=1.7976931348623157e308 {START_NS + 1000}",
        f"every f=5e-324 {START_NS + 2001}",
    )
    lake.load(of)
    names = ("Host Name", "host", "Host", "f", "i", "u", "b", "s", "a.b", 'it"s', "Größe", "1st")
    empty: Row = dict.fromkeys(names)
    first = {"Host Name": "é😀", "host": "a", "f": 1.5, "i": -(2**63), "u": Decimal(LARGEST), "b": True, "s": ""}
    second = {"host": "b", "f": -0.0, "i": 2**63 - 1, "u": Decimal(0), "b": False, "s": 'line\nbreak "quoted"'}
    third = {"host": "c", "Host": "twin", "1st": 1.7976931348623157e308}
    rows = [
        empty | first | {"a.b": 1, 'it"s': 1, "time": START_US, "time_ns": START_NS + 1},
        empty | second | {"Größe": 2, "time": START_US, "time_ns": START_NS + 2},
        empty | third | {"time": START_US + 1, "time_ns": START_NS + 1000},
        empty | {"f": 5e-324, "time": START_US + 2, "time_ns": START_NS + 2001},
    ]
    types = dict.fromkeys(("Host Name", "host", "Host", "s"), "string")
    types |= dict.fromkeys(("i", "a.b", 'it"s', "Größe", "time_ns"), "long") | {"f": "double", "1st": "double"}
    return Case(of, types | {"time": "timestamptz", "u": "decimal(20, 0)", "b": "boolean"}, rows)


def other_options(lake: TypedLake) -> Case:
    """Times without a zone and cut to microseconds, some before 1970, longs for unsigned, names in snake case."""
    options = TypeOptions(
        nanoseconds=Nanoseconds.TRUNCATE,
        unsigned=Unsigned.LONG,
        time_type=TimeType.TIMESTAMP,
        column_names=ColumnNames.SNAKE,
    )
    of = measurement("other", options)
    lake.write(f"other,Host\\ Name=a ioWait={2**63 - 1}u {START_NS + 1999}", f"other ioWait=0u {START_NS + 5}")
    lake.load(of)
    rows: list[Row] = [
        {"time": START_US + 1, "host_name": "a", "io_wait": 2**63 - 1},
        {"time": START_US, "host_name": None, "io_wait": 0},
    ]
    return Case(of, {"time": "timestamp", "host_name": "string", "io_wait": "long"}, rows)


def asked_types(lake: TypedLake) -> Case:
    """Every type that `types` can ask for."""
    types = {
        "boolean": "boolean",
        "int": "int",
        "long": "long",
        "float": "float",
        "double": "double",
        "decimal": "decimal(38, 2)",
        "string": "string",
    }
    of = measurement("asked", TypeOptions(types=types))
    largest = Decimal("1234567890123.25")
    lake.write(
        f'asked boolean="true",int={2**31 - 1}i,long=7,float=0.5,double=3i,decimal={largest},string=2.5 {START_NS}',
        f'asked boolean="false",int={-(2**31)}i,long=-7,float=-0.0,double=-3i,decimal=-0.5,string=1 {START_NS + 1000}',
    )
    lake.load(of)
    first = {"boolean": True, "int": 2**31 - 1, "long": 7, "float": 0.5, "double": 3.0, "string": "2.5"}
    second = {"boolean": False, "int": -(2**31), "long": -7, "float": -0.0, "double": -3.0, "string": "1"}
    rows: list[Row] = [
        {"time": START_US, **first, "decimal": largest},
        {"time": START_US + 1, **second, "decimal": Decimal("-0.50")},
    ]
    return Case(of, types | {"time": "timestamptz"}, rows)


def evolved(lake: TypedLake) -> Case:
    """Columns added and widened over three windows, one of them done again with other rows."""
    full = SchemaEvolution.FULL

    def with_types(**types: str) -> Measurement:
        return measurement("evolved", TypeOptions(types=types), schema_evolution=full)

    lake.write(f"evolved,host=a n=1i,x=0.5,d=1.5 {START_NS}", f"evolved,host=b n=2i {START_NS + 1000}")
    lake.load(with_types(n="int", x="float", d="decimal(4, 1)"), 0)
    lake.write(f"evolved,host=a,rack=r n={2**40}i,x=0.1,d=12345.5 {START_NS + DAY_NS}")
    of = with_types(n="long", x="double", d="decimal(10, 1)")
    lake.load(of, 1)
    lake.write(f"evolved,host=a n=3i,fresh=true {START_NS + 2 * DAY_NS + 1}")
    lake.load(of, 2)
    lake.write(f"evolved,host=c n=4i {START_NS + 2 * DAY_NS}")
    lake.load(of, 2)
    empty = {"rack": None, "x": None, "d": None, "fresh": None, "time_ns": None}
    wide = {"time": START_US + 86_400_000_000, "host": "a", "rack": "r", "n": 2**40, "x": 0.1, "d": Decimal("12345.5")}
    last, last_us = START_NS + 2 * DAY_NS, START_US + 2 * 86_400_000_000
    rows: list[Row] = [
        empty | {"time": START_US, "host": "a", "n": 1, "x": 0.5, "d": Decimal("1.5")},
        empty | {"time": START_US + 1, "host": "b", "n": 2},
        empty | wide,
        empty | {"time": last_us, "host": "a", "n": 3, "fresh": True, "time_ns": last + 1},
        empty | {"time": last_us, "host": "c", "n": 4, "time_ns": last},
    ]
    types = {"time": "timestamptz", "host": "string", "rack": "string", "n": "long", "x": "double"}
    return Case(of, types | {"d": "decimal(10, 1)", "fresh": "boolean", "time_ns": "long"}, rows)


@dataclass
class _Batch:
    batch: pa.RecordBatch

    @property
    def schema(self) -> pa.Schema:
        return self.batch.schema

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        yield self.batch


def beyond_line_protocol(lake: TypedLake) -> Case:
    """What line protocol cannot say and a column can hold: NaN, the infinities, a text of a megabyte, an empty tag."""
    of = measurement("beyond_line_protocol")
    values = [float("nan"), float("inf"), float("-inf"), None, 0.0, -0.0]
    tags = ["a", "b", "a", None, "", "b"]
    texts = [LONG_TEXT, "", None, "a", "b", LONG_TEXT[::-1]]
    times = [START_NS + i * 1000 for i in range(len(values))]
    columns = {
        "time": pa.array(times, pa.timestamp("ns")),
        "host": pa.array(tags).dictionary_encode(),
        "value": pa.array(values, pa.float64()),
        "s": pa.array(texts),
    }
    target = TableTarget(of.identifier)
    provenance = Provenance(source="test://here/telemetry", run_id="test")
    replace_window(load_of(lake.catalog, target, _Batch(pa.RecordBatch.from_pydict(columns)), day(0), provenance))
    rows: list[Row] = [
        {"time": time // 1000, "host": tag, "value": value, "s": text}
        for time, tag, value, text in zip(times, tags, values, texts, strict=True)
    ]
    return Case(of, {"time": "timestamptz", "host": "string", "value": "double", "s": "string"}, rows)


CASES: list[Callable[[TypedLake], Case]] = [every_value, other_options, asked_types, evolved, beyond_line_protocol]


def packed(lake: TypedLake, codec: Compression) -> Case:
    """Enough rows for pages to be compressed, in one codec."""
    of = measurement(f"packed_{codec}", write=WriteOptions(compression=codec))
    lake.write(*(f'{of.name},host=h{i % 7} value={i / 3},s="{i % 11}" {START_NS + i * 10**6}' for i in range(5000)))
    lake.load(of)
    rows: list[Row] = [
        {"time": START_US + i * 1000, "host": f"h{i % 7}", "value": i / 3, "s": str(i % 11)} for i in range(5000)
    ]
    return Case(of, {"time": "timestamptz", "host": "string", "value": "double", "s": "string"}, rows)


def long_tables(lake: TypedLake) -> tuple[Measurement, list[tuple[str, dict[str, str], str, float | None, str | None]]]:
    """Two measurements in one long table, which is then loaded again in part, and its values as text tells them."""
    layout = LongOptions(texts=True)
    options = {"table": "all_metrics", "layout": layout, "write": WriteOptions(mode=WriteMode.UPSERT)}
    cpu, mem = (measurement(name, **options, share=Share("measurement", name)) for name in ("cpu", "mem"))
    lake.write(
        f'cpu,host=a,Größe=x\\,y usage=1.5,cores=8i,on=true,note="é" {START_NS}',
        f"cpu usage=-0.5 {START_NS + 1000}",
        f"mem,host=a used=9007199254740992i {START_NS}",
    )
    for each in (cpu, mem, cpu):
        lake.load(each)
    tags = {"Größe": "x,y", "host": "a"}
    return cpu, [
        ("cpu", {}, "usage", -0.5, None),
        ("cpu", tags, "cores", 8.0, None),
        ("cpu", tags, "note", None, "é"),
        ("cpu", tags, "on", 1.0, None),
        ("cpu", tags, "usage", 1.5, None),
        ("mem", {"host": "a"}, "used", 2.0**53, None),
    ]
