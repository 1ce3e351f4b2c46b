"""Maintenance by Amazon Athena: OPTIMIZE and VACUUM."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from influx_lake.config.maintenance.engines import AthenaConfig, Engine
from influx_lake.config.maintenance.options import Kind
from influx_lake.errors import ConfigurationError, EngineError, LakeError
from influx_lake.maintenance.engines.engine import QueryEngine, Work
from influx_lake.maintenance.engines.failures import engine_failure
from influx_lake.maintenance.engines.trino import during
from influx_lake.sql_quoting import text_literal

if TYPE_CHECKING:
    from dagster_aws.athena import AthenaClient

POLL_SECONDS = 2
MOST_RUNS = 200
"""The most repetitions of a statement that Athena executes partially each time."""

_MORE = re.compile(r"ICEBERG_(OPTIMIZE|VACUUM)_MORE_RUNS_NEEDED")
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")


@dataclass(slots=True)
class Athena(QueryEngine):
    """Maintenance by Athena.

    Attributes:
        config: The connection.
    """

    config: AthenaConfig
    _client: AthenaClient | None = None

    engine: ClassVar[Engine] = Engine.ATHENA
    kinds: ClassVar[frozenset[Kind]] = frozenset({Kind.COMPACT, Kind.EXPIRE_SNAPSHOTS, Kind.REMOVE_ORPHANS})
    compacts_whole_partitions: ClassVar[bool] = True

    def does(self, kind: Kind) -> frozenset[Kind]:
        """VACUUM both expires snapshots and removes orphans."""
        return frozenset({kind} if kind is Kind.COMPACT else {Kind.EXPIRE_SNAPSHOTS, Kind.REMOVE_ORPHANS})

    def statements(self, work: Work) -> tuple[str, ...]:
        """The ALTER TABLE that sets missing options, then OPTIMIZE or VACUUM."""
        name = self._name(work)
        if work.kind is Kind.COMPACT:
            compact = work.options.compact
            assert compact is not None
            options = {
                "write_target_data_file_size_bytes": work.sizes.target,
                "optimize_rewrite_min_data_file_size_bytes": min(work.sizes.small, work.sizes.target - 1),
                "optimize_rewrite_data_file_threshold": compact.min_input_files,
                # Files with delete files are always rewritten.
                "optimize_rewrite_delete_file_threshold": 1,
            }
            where = "" if work.during is None else f" WHERE {during(work)}"
            done = f"OPTIMIZE {name} REWRITE DATA USING BIN_PACK{where}"
        else:
            expire, orphans = work.options.expire_snapshots, work.options.remove_orphans
            assert expire is not None
            assert orphans is not None
            age = max(expire.older_than, orphans.older_than)
            options = {
                "vacuum_max_snapshot_age_seconds": int(age.total_seconds()),
                "vacuum_min_snapshots_to_keep": expire.keep_last,
            }
            done = f"VACUUM {name}"
        properties = work.table.metadata.properties
        setting = ", ".join(
            f"{text_literal(option)} = '{value}'"
            for option, value in options.items()
            if properties.get(option) != str(value)
        )
        return (*([f"ALTER TABLE {name} SET TBLPROPERTIES ({setting})"] if setting else []), done)

    def _name(self, work: Work) -> str:
        """The table's name, unquoted: OPTIMIZE and VACUUM quote differently.

        Raises:
            ConfigurationError: The name would need quotes.
        """
        parts = [*([self.config.catalog] if self.config.catalog else []), *work.identifier]
        if odd := [part for part in parts if _PLAIN.fullmatch(part) is None]:
            raise ConfigurationError(
                f"Athena cannot be asked to maintain {'.'.join(work.identifier)}: it takes names of small "
                f"letters, digits and _ there, not {odd[0]}",
                remedy="Use another `engine` for this table",
            )
        return ".".join(parts)

    def run(self, statement: str) -> Mapping[str, int]:
        """Run a statement, again while Athena reports unfinished work; see `QueryEngine`."""
        from dagster_aws.athena import AthenaError, AthenaTimeout

        for _ in range(MOST_RUNS):
            try:
                if self._client is None:
                    self._client = self._opened()
                self._client.execute_query(statement)  # type: ignore[no-untyped-call]
                return {}
            except LakeError:
                raise
            except AthenaTimeout:
                raise EngineError(
                    f"Athena did not finish within {self.config.timeout}, and continues: {statement}",
                    remedy="Raise engines.athena.timeout, or look at the query there",
                ) from None
            except AthenaError as error:
                if _MORE.search(str(error)) is None:
                    raise engine_failure(Engine.ATHENA, error, statement) from None
            except KeyError:
                # dagster-aws expects a reason for every failure, and a cancelled statement has none.
                raise EngineError(
                    f"the statement was cancelled in Athena: {statement}", remedy="Run the maintenance again"
                ) from None
            except Exception as error:
                raise engine_failure(Engine.ATHENA, error, statement) from None
        raise EngineError(
            f"Athena says after {MOST_RUNS} runs that there is more to do: {statement}",
            remedy="Run the maintenance again: it goes on from there",
        )

    def _opened(self) -> AthenaClient:
        import boto3  # type: ignore[import-untyped]
        from dagster_aws.athena import AthenaClient

        config = self.config
        client = boto3.client(
            "athena",
            region_name=config.region,
            aws_access_key_id=config.aws_access_key_id,
            aws_secret_access_key=config.aws_secret_access_key.reveal() if config.aws_secret_access_key else None,
        )
        polls = max(1, int(config.timeout.total_seconds() / POLL_SECONDS))
        return AthenaClient(  # type: ignore[no-untyped-call]
            client, config.workgroup, polling_interval=POLL_SECONDS, max_polls=polls
        )

    def close(self) -> None:
        """Does nothing: requests are stateless."""
        self._client = None
