"""Errors of catalogs and storage: what they mean, and nothing secret in them."""

from __future__ import annotations

import sqlite3
import sys
import traceback
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, event

from influx_lake.config import Secret
from influx_lake.errors import (
    CatalogRefused,
    CatalogUnavailable,
    CommitOutcomeUnknown,
    ConfigurationError,
    MissingExtra,
    StorageError,
)
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.iceberg.load.replace import replace_window
from influx_lake.iceberg.scan.reader import find_table, open_table
from influx_lake_tests.unit.iceberg.tables import PROVENANCE, TARGET, day, held, replace, rows, stream
from testbed.loads import load_of

_TABLES = ("iceberg_tables", "iceberg_namespace_properties")


def test_folders_are_made(tmp_path: Path) -> None:
    catalog = open_catalog(
        "lake", {"type": "sql", "uri": f"sqlite:///{tmp_path}/a/b/c.db", "warehouse": f"{tmp_path}/w"}
    )
    assert replace(catalog, day(0), rows(day(0), 1)).rows == 1


@pytest.mark.parametrize("tables", [["iceberg_tables"], ["iceberg_namespace_properties"], list(_TABLES)], ids=str)
def test_two_that_open_a_new_catalog_at_once_both_can(tmp_path: Path, tables: list[str]) -> None:
    uri = f"sqlite:///{tmp_path}/c.db"

    def make_it_first(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        for name in [name for name in tables if f"CREATE TABLE {name} " in statement]:
            tables.remove(name)
            with closing(sqlite3.connect(tmp_path / "c.db")) as other:
                other.execute(statement)

    event.listen(Engine, "before_cursor_execute", make_it_first)
    try:
        catalog = open_catalog("lake", {"type": "sql", "uri": uri, "warehouse": f"{tmp_path}/w"})
    finally:
        event.remove(Engine, "before_cursor_execute", make_it_first)

    assert not tables
    assert replace(catalog, day(0), rows(day(0), 1)).rows == 1


def test_a_catalog_that_does_not_answer() -> None:
    with pytest.raises(CatalogUnavailable, match="cannot be reached") as raised:
        open_catalog("lake", {"type": "rest", "uri": "http://127.0.0.1:1/"})
    assert "catalog:" in str(raised.value)


@pytest.mark.parametrize("properties", [{"type": "hive", "uri": "thrift://h:1"}, {"uri": "thrift://h:1"}])
def test_hive_without_its_packages_names_the_extra(properties: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyiceberg.catalog.hive", None)
    monkeypatch.delitem(sys.modules, "influx_lake.iceberg.timeouts.hive_catalog", raising=False)
    with pytest.raises(MissingExtra, match=r"pip install 'influx-lake\[hive\]'"):
        open_catalog("lake", properties)


def test_an_unknown_kind_of_catalog_does_not_print_its_properties(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("hush-hush-4711")
    key = Secret("${file:key}", root=tmp_path).reveal()
    with pytest.raises(ConfigurationError) as raised:
        open_catalog("lake", {"uri": "gopher://nowhere", "s3.secret-access-key": key})
    assert "hush-hush-4711" not in "".join(traceback.format_exception(raised.value))


def test_a_warehouse_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "w").write_text("a file is in the way")
    catalog = open_catalog("lake", {"type": "sql", "uri": f"sqlite:///{tmp_path}/c.db", "warehouse": f"{tmp_path}/w"})
    with pytest.raises(StorageError, match=r"create the table telemetry\.cpu"):
        replace(catalog, day(0), rows(day(0), 1))


def test_a_table_that_does_not_exist(tmp_path: Path) -> None:
    catalog = open_catalog("lake", {"type": "sql", "uri": f"sqlite:///{tmp_path}/c.db", "warehouse": f"{tmp_path}/w"})
    assert find_table(catalog, TARGET.identifier) is None
    with pytest.raises(CatalogRefused, match=r"no table telemetry\.cpu"):
        open_table(catalog, TARGET.identifier)


def test_tables_with_alike_names_do_not_share_a_folder(tmp_path: Path) -> None:
    catalog = open_catalog("lake", {"type": "sql", "uri": f"sqlite:///{tmp_path}/c.db", "warehouse": f"{tmp_path}/w"})
    from dataclasses import replace as changed

    names = ["a b", "a_b", "a/b"]
    places = {
        replace(catalog, day(0), rows(day(0), 1), target=changed(TARGET, identifier=("ns", name))).table.location()
        for name in names
    }
    assert len(places) == len(names)


def test_a_commit_that_another_process_locked_out_is_no_success(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/c.db?timeout=0.2"
    catalog = open_catalog("lake", {"type": "sql", "uri": uri, "warehouse": f"{tmp_path}/w"})
    replace(catalog, day(0), rows(day(0), 1))
    with closing(sqlite3.connect(tmp_path / "c.db", isolation_level=None)) as reader:
        reader.execute("begin")
        reader.execute("select * from iceberg_tables").fetchall()
        with pytest.raises((CatalogUnavailable, CommitOutcomeUnknown), match="database is locked"):
            replace_window(
                load_of(
                    catalog, TARGET, stream(rows(day(0), 5)), day(0), PROVENANCE, commit_timeout=timedelta(seconds=1)
                )
            )
    assert len(held(catalog)) == 1
    assert replace(catalog, day(0), rows(day(0), 5)).previous_rows == 1
