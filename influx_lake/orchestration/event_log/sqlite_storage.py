"""Dagster's SQLite storage, in which a batch of events is written in one transaction."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import groupby
from typing import TYPE_CHECKING, Any, Self

import dagster as dg

# Dagster exports neither. They are not in `dagster_internals`, which is also imported where SQLite is not used.
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME, SqliteEventLogStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from sqlalchemy import NullPool, create_engine

from influx_lake.errors import ConfigurationError
from influx_lake.orchestration.dagster_internals import ConfigurableClassData

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from influx_lake.orchestration.dagster_internals import UserConfigSchema


_OF_ASSETS = {
    dg.DagsterEventType.ASSET_MATERIALIZATION,
    dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
    dg.DagsterEventType.ASSET_OBSERVATION,
}


class BatchedEventLog(SqliteEventLogStorage):
    """Dagster's event log in SQLite, which writes batches in one transaction.

    Dagster hands over the events of a run's partitions in batches (`DAGSTER_EVENT_BATCH_SIZE`). Its own storage opens a
    database four times for each event of a batch and commits as often, which takes longer than loading a small window.
    The databases and their contents are the same.
    """

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._batch = threading.local()
        super().__init__(base_dir, inst_data)

    def store_event_batch(self, events: Sequence[dg.EventLogEntry]) -> None:
        """Write all of the events, or none.

        As with a single event, the run's database is committed before the index over all runs.
        """
        with self._db_lock, ExitStack() as opened:
            self._batch.connections = {INDEX_SHARD_NAME: opened.enter_context(self._opened(INDEX_SHARD_NAME))}
            self._batch.opened = opened
            try:
                for (run_id, alike), some in groupby(events, key=lambda event: (event.run_id, _is_of_asset(event))):
                    if alike:
                        self._store_asset_events(run_id, list(some))
                    else:
                        for event in some:
                            self.store_event(event)
            finally:
                del self._batch.connections, self._batch.opened

    def _store_asset_events(self, run_id: str, events: Sequence[dg.EventLogEntry]) -> None:
        """Store events as `store_event` does, with one statement for all."""
        rows = [self._event_to_row(event) for event in events]
        with self.run_connection(run_id) as connection:
            connection.execute(SqlEventLogStorageTable.insert(), rows)
        with self.index_transaction() as connection:
            insert = SqlEventLogStorageTable.insert()
            ids = connection.scalars(
                insert.returning(SqlEventLogStorageTable.c.id, sort_by_parameter_order=True), rows
            ).all()
            self._store_asset_event_tags(connection, events, ids)
            # The index keeps the newest event of each kind for an asset.
            newest = {(_asset_of(event), event.dagster_event_type): at for at, event in enumerate(events)}
            for at in sorted(newest.values()):
                self._store_asset_event(connection, events[at], ids[at])

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        connections: dict[str, Connection] | None = getattr(self._batch, "connections", None)
        if connections is None:
            with super()._connect(shard) as connection:
                yield connection
            return
        if shard not in connections:
            connections[shard] = self._batch.opened.enter_context(self._opened(shard))
        yield connections[shard]

    @contextmanager
    def _opened(self, shard: str) -> Iterator[Connection]:
        """A database in a transaction, opened as Dagster does, but without its lock, which a batch already holds."""
        engine = create_engine(
            self.conn_string_for_shard(shard),
            poolclass=NullPool,
            connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS},
        )
        if shard not in self._initialized_dbs:
            self._initdb(engine)
            self._initialized_dbs.add(shard)
        with engine.begin() as connection:
            yield connection
        engine.dispose()

    def _has_asset_key_index_cols_on_connection(self, conn: Connection) -> bool:
        # Whether the schema is that of Dagster 1.x. Dagster checks this for each event; once is enough.
        if not (known := getattr(self, "_has_index_columns", False)):
            known = self._has_index_columns = super()._has_asset_key_index_cols_on_connection(conn)
        return known


def _is_of_asset(event: dg.EventLogEntry) -> bool:
    return event.dagster_event_type in _OF_ASSETS and _asset_of(event) is not None


def _asset_of(event: dg.EventLogEntry) -> dg.AssetKey | None:
    return event.get_dagster_event().asset_key


class BatchedSqliteStorage(DagsterSqliteStorage):
    """Dagster's storage in SQLite, in its default files, with a `BatchedEventLog`."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(base_dir, inst_data)
        self._event_log_storage = BatchedEventLog(os.path.join(base_dir, "history", "runs"))

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        """The options in dagster.yaml."""
        return {"base_dir": dg.Field(str, is_required=False, description="Its folder. Default: $DAGSTER_HOME.")}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]) -> Self:
        """Create the storage from dagster.yaml's options.

        Raises:
            ConfigurationError: Neither `base_dir` nor $DAGSTER_HOME is set.
        """
        folder = config_value.get("base_dir") or os.environ.get("DAGSTER_HOME")
        if not folder:
            raise ConfigurationError(
                "Dagster's storage has no folder: DAGSTER_HOME is not set",
                remedy="Set DAGSTER_HOME to the folder of dagster.yaml",
            )
        return cls.from_local(os.path.expanduser(folder), inst_data)
