"""The tables that docs/query/types.md is about, and what an engine makes of their values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from influx_lake_tests.integration.iceberg.engines.engine_cases import LARGEST, asked_types, long_tables, other_options
from influx_lake_tests.integration.iceberg.engines.spark_session import Spark as Session
from influx_lake_tests.integration.typed_lake import START_NS, TypedLake, measurement

if TYPE_CHECKING:
    from influx_lake_tests.integration.query.engines import Engine

TYPED = ("asked", "other", "odd", "all_metrics")
"""The tables whose columns have, together, every type of the page."""


def make_tables(lake: TypedLake) -> None:
    """Load tables of every type, and one of maps that others wrote."""
    asked_types(lake)
    other_options(lake)
    long_tables(lake)
    lake.write(f"odd a.b=1i,u={LARGEST}u {START_NS}", f"twins,Host=a,host=b value=1 {START_NS}")
    for name in ("odd", "twins"):
        lake.load(measurement(name))
    maps = {"id": [1, 2, 3, 4], "tags": [{"k": "v"}, {}, None, {"k": None}]}
    schema = pa.schema({"id": pa.int64(), "tags": pa.map_(pa.string(), pa.string())})
    lake.catalog.create_table(("telemetry", "maps"), schema).append(pa.table(maps, schema))


def make_foreign_tables(session: Any) -> None:
    """Have Spark write tables, and delete the second of three rows in each of the ways that Iceberg has."""
    spark = Session(session)
    for name, version in (("by_position", 2), ("by_equality", 2), ("by_vector", 3)):
        table = f"lake.telemetry.{name}"
        properties = f"tblproperties ('format-version' = '{version}')"
        spark.run(f"create table {table} (id bigint, host string) using iceberg {properties}")
        spark.merge_on_read(table)
        spark.run(f"insert into {table} select /*+ coalesce(1) */ * from values (1, 'a'), (2, 'b'), (3, 'c')")
    spark.run("delete from lake.telemetry.by_position where id = 2")
    spark.run("delete from lake.telemetry.by_vector where id = 2")
    spark.delete_where_equal("lake.telemetry.by_equality", "host", "b")


def values_seen(engine: Engine) -> dict[str, str]:
    """The page's second table, as an engine has it."""
    maps = {int(row["id"]): _map(row["tags"]) for row in engine.rows("maps")}
    [odd] = engine.rows("odd")
    return {
        "18446744073709551615, unsigned": "exact" if odd["u"] == LARGEST else f"{odd['u']}",
        "columns Host and host": _twins(engine),
        "a column a.b": "a.b" if odd.get("a.b") == 1 else f"{odd}",
        "a map that is null": maps[3],
        "an empty map": maps[2],
        "a null in a map": maps[4],
        "deletes by position": _deleted(engine, "by_position"),
        "deletes by equality": _deleted(engine, "by_equality"),
        "format version 3, deletion vectors": _deleted(engine, "by_vector"),
    }


def _twins(engine: Engine) -> str:
    try:
        [row] = engine.rows("twins")
    except Exception:  # each engine has errors of its own
        return "refused"
    names = [name for name, value in row.items() if value in ("a", "b")]
    return "both" if sorted(names) == ["Host", "host"] else f"the second is {max(names, key=len)}"


def _map(value: Mapping[str, Any] | Iterable[Any] | None) -> str:
    if value is None:
        return "null"
    pairs = value.items() if isinstance(value, Mapping) else value
    found = [tuple(pair.values()) if isinstance(pair, Mapping) else pair for pair in pairs]
    return "empty" if not found else "null" if found[0][1] is None else str(found[0][1])


def _deleted(engine: Engine, name: str) -> str:
    try:
        found = sorted(row["id"] for row in engine.rows(name))
    except Exception:  # each engine has errors of its own
        return "refused"
    return {(1, 3): "applied", (1, 2, 3): "ignored"}[tuple(found)]
