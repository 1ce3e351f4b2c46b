"""What pyiceberg wrote, read by engines that are not pyiceberg."""

from __future__ import annotations

from decimal import Decimal

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog

from influx_lake_tests.unit.iceberg.tables import day, hours, replace, rows, table


@pytest.fixture
def lake(catalog: Catalog) -> Catalog:
    """Three days, one of them done twice, a piece of another replaced, a column that came later."""
    for number in range(3):
        replace(catalog, day(number), rows(day(number), 1000))
    replace(catalog, day(1), rows(day(1), 500).append_column("big one", pa.array([2**64 - 1] * 500, pa.uint64())))
    replace(catalog, hours(2, 6, 12), rows(hours(2, 6, 12), 3))
    return catalog


EXPECTED = {
    "rows": 1000 + 500 + 753,
    "hosts": 7,
    "values": 499_500.0 + 124_750.0 + 405_878.0,
    "big": Decimal(2**64 - 1),
}


def test_duckdb(lake: Catalog) -> None:
    import duckdb
    from duckdb_extensions import import_extension

    connection = duckdb.connect()
    for extension in ("avro", "iceberg"):
        import_extension(extension, con=connection)
        connection.load_extension(extension)
    found = connection.sql(
        f"""select count(*), count(distinct host), sum(value), max("big one")
        from iceberg_scan('{table(lake).metadata_location}')"""
    ).fetchone()
    assert found == tuple(EXPECTED.values())


def test_polars(lake: Catalog) -> None:
    import polars as pl

    found = pl.scan_iceberg(table(lake)).select(
        pl.len().alias("rows"),
        pl.col("host").n_unique().alias("hosts"),
        pl.col("value").sum().alias("values"),
        pl.col("big one").max().alias("big"),
    )
    assert found.collect().to_dicts() == [EXPECTED]
