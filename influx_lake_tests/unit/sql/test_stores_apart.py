"""Tables of object stores on a connection of the user's: what else it reads of them stays as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import duckdb
import pytest
from pyiceberg.io import InputFile, OutputFile
from pyiceberg.io.pyarrow import PyArrowFileIO

from influx_lake.config import load_lake
from influx_lake.errors import ConfigurationError
from influx_lake.frames import scan
from influx_lake.sql.views import attach_lake
from influx_lake_tests.integration.queried_lake import QueriedLake, rows
from influx_lake_tests.unit.iceberg.compaction.deletes import delete_equal, delete_rows


class FolderAsStore(PyArrowFileIO):
    """A store whose endpoint's path is a folder of this disk."""

    def new_input(self, location: str) -> InputFile:
        return super().new_input(self._at(location))

    def new_output(self, location: str) -> OutputFile:
        return super().new_output(self._at(location))

    def delete(self, location: str | InputFile | OutputFile) -> None:
        super().delete(self._at(location if isinstance(location, str) else location.location))

    def _at(self, location: str) -> str:
        return location.replace("s3://", f"{urlsplit(self.properties['s3.endpoint']).path}/")


def stored_lake(folder: Path, days: int, **properties: str) -> QueriedLake:
    folder.mkdir()
    how = {"py-io-impl": f"{__name__}.FolderAsStore", "warehouse": "s3://lake/w", "s3.endpoint": f"http://disk{folder}"}
    lake = QueriedLake(folder, how)
    lake.write()
    table = lake.table()
    if properties:
        with table.transaction() as change:
            change.set_properties(properties)
    for day in range(days):
        table.append(rows(day))
    return lake


def count(relation: Any) -> int:
    [(found,)] = relation.aggregate("count(*)").fetchall()
    return int(found)


def test_the_scheme_stays_the_connections_own(tmp_path: Path) -> None:
    lake = stored_lake(tmp_path / "a", 1)
    [task] = lake.catalog.load_table(("telemetry", "cpu")).scan().plan_files()
    delete_rows(lake.catalog, [(task.file, [1])])
    delete_equal(lake.catalog, task.file, "h2")
    with duckdb.connect() as connection:
        cpu = scan("cpu", lake=lake.config, engine="duckdb", connection=connection)
        assert count(cpu) == 1
        then = lake.catalog.load_table(("telemetry", "cpu")).snapshots()[0].snapshot_id
        assert count(scan("cpu", as_of=then, lake=lake.config, engine="duckdb", connection=connection)) == 3
        # One for the store, however often it is asked; and none for s3.
        [name] = connection.list_filesystems()
        assert name.startswith("influx-lake-")
        with pytest.raises(duckdb.Error, match="no file of a table"):
            connection.sql(f"from read_text('{name}://s3://lake/other/x')").fetchall()


def test_two_stores_have_tables_of_the_same_location(tmp_path: Path) -> None:
    lakes = [stored_lake(tmp_path / name, days) for name, days in (("a", 1), ("b", 2))]
    with duckdb.connect() as connection:
        relations = [scan("cpu", lake=each.config, engine="duckdb", connection=connection) for each in lakes]
        assert [count(each) for each in reversed(relations)] == [6, 3]
        assert [count(each) for each in relations] == [3, 6]
        for each, lake in zip("ab", lakes, strict=True):
            attach_lake(connection, load_lake(lake.config), lake.catalog, database=each)
        assert connection.execute(
            "select (select count(*) from a.telemetry.cpu), (select count(*) from b.telemetry.cpu)"
        ).fetchone() == (3, 6)


def test_a_table_whose_files_lie_elsewhere(tmp_path: Path) -> None:
    elsewhere = {"write.data.path": "s3://fast/cpu"}
    lakes = [stored_lake(tmp_path / name, days, **elsewhere) for name, days in (("a", 1), ("b", 2))]
    connections = [duckdb.connect(), duckdb.connect()]
    relations = [
        scan("cpu", lake=lake.config, engine="duckdb", connection=connection)
        for lake, connection in zip(lakes, connections, strict=True)
    ]
    assert [count(each) for each in relations] == [3, 6]
    with pytest.raises(ConfigurationError, match="of another endpoint"):
        scan("cpu", lake=lakes[0].config, engine="duckdb", connection=connections[1])
    for connection in connections:
        connection.close()
