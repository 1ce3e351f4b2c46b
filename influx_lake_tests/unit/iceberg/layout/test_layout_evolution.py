"""The layout of a table that is there is changed once, whatever the catalog makes of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace as changed

import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import (
    CommitFailedException,
    CommitStateUnknownException,
    ForbiddenError,
    ServiceUnavailableError,
    WaitingForLockException,
)
from sqlalchemy.exc import OperationalError

from influx_lake.config import WriteOptions
from influx_lake.config.tables.sort_order import SortTerm
from influx_lake.config.tables.table_layout import PartitionTerm
from influx_lake.errors import CatalogRefused
from influx_lake.iceberg.commit import committer
from influx_lake_tests.unit.iceberg.interfering import Interfering
from influx_lake_tests.unit.iceberg.tables import TARGET, day, held, replace, rows, table

LAID_OUT = changed(
    TARGET,
    partition=(PartitionTerm("bucket", "host", 4),),
    properties={"team": "platform"},
    write=WriteOptions(sort_by=(SortTerm("host"),)),
)


def is_laid_out(catalog: Catalog) -> bool:
    """Whether the table has the layout, and got it once: day(time) gives way to none, and none to the new field."""
    metadata = table(catalog).metadata
    fields = {field.name for field in table(catalog).spec().fields}
    found = (fields, metadata.properties["team"], len(metadata.partition_specs), len(metadata.sort_orders))
    return found == ({"host_bucket_4"}, "platform", 3, 2)


@pytest.mark.parametrize(
    "fault",
    [
        lambda: CommitFailedException("another writer was first"),
        lambda: WaitingForLockException("locked"),
        lambda: OperationalError("update", None, sqlite3.OperationalError("database is locked")),
        lambda: CommitStateUnknownException("504"),
        lambda: ServiceUnavailableError("503"),
        lambda: ConnectionResetError("the connection broke"),
    ],
)
@pytest.mark.parametrize("happened", [True, False])
def test_an_error_of_the_catalog_is_followed_by_another_try(
    catalog: Catalog, fault: Callable[[], Exception], happened: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(committer, "SETTLING_SECONDS", 0.2)
    replace(catalog, day(0), rows(day(0), 10))
    interfering = Interfering(catalog)
    (interfering.after if happened else interfering.before).extend([fault(), None])
    replace(catalog, day(0), rows(day(0), 10), target=LAID_OUT)
    assert is_laid_out(catalog)
    assert held(catalog).num_rows == 10


def test_a_refusal_is_not_tried_again(catalog: Catalog) -> None:
    replace(catalog, day(0), rows(day(0), 10))
    interfering = Interfering(catalog)
    interfering.before = [ForbiddenError("not yours")]
    with pytest.raises(CatalogRefused, match=r"could not commit .* to telemetry\.cpu"):
        replace(catalog, day(0), rows(day(0), 10), target=LAID_OUT)
    assert interfering.asked == 1
