"""Maintenance by Trino: the table procedures of its Iceberg connector."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from influx_lake.config.maintenance.engines import Engine, TrinoConfig
from influx_lake.config.maintenance.options import ExpireOptions, Kind, OrphanOptions
from influx_lake.errors import LakeError, MissingExtra
from influx_lake.maintenance.engines.engine import QueryEngine, Work, duration, moment
from influx_lake.maintenance.engines.failures import engine_failure
from influx_lake.sql_quoting import identifier

if TYPE_CHECKING:
    from trino.dbapi import Connection

KEPT = "history.expire.min-snapshots-to-keep"
"""Iceberg's property for the least number of snapshots to keep, whatever their age."""


@dataclass(slots=True)
class Trino(QueryEngine):
    """Trino.

    Attributes:
        config: The connection.
        catalog: The name of the catalog in Trino.
    """

    config: TrinoConfig
    catalog: str
    _connection: Connection | None = None

    engine: ClassVar[Engine] = Engine.TRINO
    kinds: ClassVar[frozenset[Kind]] = frozenset(
        {Kind.COMPACT, Kind.REWRITE_MANIFESTS, Kind.EXPIRE_SNAPSHOTS, Kind.REMOVE_ORPHANS}
    )
    compacts_whole_partitions: ClassVar[bool] = True

    def properties(self, work: Work) -> Mapping[str, str]:
        """The least number of snapshots to keep: every version of the procedure honours the property, and not every one
        has a parameter for it.
        """
        options = work.options.of(work.kind)
        if not isinstance(options, ExpireOptions):
            return {}
        stated = work.table.metadata.properties.get(KEPT, "")
        return {} if stated.isdecimal() and int(stated) >= options.keep_last else {KEPT: str(options.keep_last)}

    def statements(self, work: Work) -> tuple[str, ...]:
        """The procedure's call, after lowering the session's least retention where Trino has one."""
        options = work.options.of(work.kind)
        match work.kind:
            case Kind.COMPACT:
                where = "" if work.during is None else f" WHERE {during(work)}"
                return (self._execute(work, f"optimize(file_size_threshold => '{work.sizes.small}B'){where}"),)
            case Kind.REWRITE_MANIFESTS:
                return (self._execute(work, "optimize_manifests"),)
            case Kind.EXPIRE_SNAPSHOTS:
                assert isinstance(options, ExpireOptions)
                return self._aged(work, "expire_snapshots", options.older_than)
            case _:
                assert isinstance(options, OrphanOptions)
                return self._aged(work, "remove_orphan_files", options.older_than)

    def _aged(self, work: Work, procedure: str, age: timedelta) -> tuple[str, ...]:
        return (
            f"SET SESSION {identifier(self.catalog)}.{procedure}_min_retention = '{duration(age)}'",
            self._execute(work, f"{procedure}(retention_threshold => '{duration(age)}')"),
        )

    def _execute(self, work: Work, procedure: str) -> str:
        # A namespace of several parts is one name to Trino.
        namespace, table = ".".join(work.identifier[:-1]), work.identifier[-1]
        name = ".".join(map(identifier, (self.catalog, namespace, table)))
        return f"ALTER TABLE {name} EXECUTE {procedure}"

    def run(self, statement: str) -> Mapping[str, int]:
        """Run a statement; see `QueryEngine`. Newer versions report figures as rows of name and number."""
        try:
            if self._connection is None:
                self._connection = self._opened()
            cursor = self._connection.cursor()
            cursor.execute(statement)
            return _figures_in(cursor.fetchall())
        except LakeError:
            raise
        except Exception as error:
            raise engine_failure(Engine.TRINO, error, statement) from None

    def _opened(self) -> Connection:
        try:
            from trino.auth import BasicAuthentication, JWTAuthentication
            from trino.dbapi import connect
        except ImportError as error:
            raise MissingExtra("maintenance by Trino", "trino") from error
        import requests

        config, session = self.config, requests.Session()
        if config.tls.cert_file and config.tls.key_file:
            session.cert = (str(config.tls.cert_file), str(config.tls.key_file))
        authentication: BasicAuthentication | JWTAuthentication | None = None
        if config.password:
            authentication = BasicAuthentication(config.user, config.password.reveal())
        elif config.token:
            authentication = JWTAuthentication(config.token.reveal())
        return connect(
            host=config.address.host,
            port=config.address.port,
            http_scheme=config.address.scheme,
            user=config.user,
            source="influx_lake",
            catalog=self.catalog,
            auth=authentication,
            session_properties=dict(config.session),
            http_session=session,
            verify=str(config.tls.ca_file) if config.tls.ca_file else config.tls.verify,
            timezone="UTC",
        )

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None


def during(work: Work) -> str:
    """The interval to compact, as a condition."""
    assert work.during is not None
    column, zone = identifier(work.time_column), work.time_has_zone
    first, end = (moment(at, zone=zone) for at in (work.during.start, work.during.end))
    return f"{column} >= {first} AND {column} < {end}"


def _figures_in(rows: list[Any]) -> dict[str, int]:
    return {
        str(name): int(number)
        for row in rows
        if len(row) == 2
        for name, number in [row]
        if isinstance(name, str) and isinstance(number, int)
    }
