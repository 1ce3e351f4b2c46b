"""Maintenance by Spark: the procedures of Iceberg's extensions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from influx_lake.config.maintenance.engines import Engine, SparkConfig
from influx_lake.config.maintenance.options import ExpireOptions, Kind, OrphanOptions
from influx_lake.errors import EngineError, LakeError, MissingExtra
from influx_lake.maintenance.engines.engine import QueryEngine, Work, moment
from influx_lake.maintenance.engines.failures import engine_failure

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_LARGEST = 1.8
"""Files larger than the target size times this are split, as by Iceberg's own default."""


@dataclass(slots=True)
class Spark(QueryEngine):
    """Spark, by Spark Connect or by a session in this process.

    Attributes:
        config: The connection.
        catalog: The name of the catalog in Spark.
    """

    config: SparkConfig
    catalog: str
    _session: SparkSession | None = None
    _is_ours: bool = False

    engine: ClassVar[Engine] = Engine.SPARK
    kinds: ClassVar[frozenset[Kind]] = frozenset(
        {Kind.COMPACT, Kind.REWRITE_MANIFESTS, Kind.EXPIRE_SNAPSHOTS, Kind.REMOVE_ORPHANS}
    )
    compacts_whole_partitions: ClassVar[bool] = False

    def statements(self, work: Work) -> tuple[str, ...]:
        """The call of the procedure."""
        options = work.options.of(work.kind)
        arguments = {"table": _text(".".join(map(_name, work.identifier)))}
        match work.kind:
            case Kind.COMPACT:
                procedure = "rewrite_data_files"
                arguments |= self._compaction(work)
            case Kind.REWRITE_MANIFESTS:
                procedure = "rewrite_manifests"
            case Kind.EXPIRE_SNAPSHOTS:
                assert isinstance(options, ExpireOptions)
                procedure = "expire_snapshots"
                arguments["older_than"] = moment(work.before(options.older_than))
                arguments["retain_last"] = str(options.keep_last)
            case _:
                assert isinstance(options, OrphanOptions)
                procedure = "remove_orphan_files"
                arguments["older_than"] = moment(work.before(options.older_than))
        listed = ", ".join(f"{name} => {value}" for name, value in arguments.items())
        return (f"CALL {_name(self.catalog)}.system.{procedure}({listed})",)

    def _compaction(self, work: Work) -> dict[str, str]:
        compact = work.options.compact
        assert compact is not None
        options = {
            "target-file-size-bytes": work.sizes.target,
            "min-file-size-bytes": min(work.sizes.small, work.sizes.target - 1),
            "max-file-size-bytes": int(work.sizes.target * _LARGEST) + 1,
            "min-input-files": compact.min_input_files,
            # Files with delete files are always rewritten.
            "delete-file-threshold": 1,
        }
        arguments = {
            # Without it rows of merged files are not sorted, whatever the table's sort order.
            "strategy": _text("sort" if work.table.sort_order().fields else "binpack"),
            "options": f"map({', '.join(f'{_text(name)}, {_text(str(value))}' for name, value in options.items())})",
        }
        if work.during is not None:
            column, zone = _name(work.time_column), work.time_has_zone
            first, end = (_moment(at, zone=zone) for at in (work.during.start, work.during.end))
            arguments["where"] = _text(f"{column} >= {first} and {column} < {end}")
        return arguments

    def run(self, statement: str) -> Mapping[str, int]:
        """Run a statement; see `QueryEngine`."""
        try:
            if self._session is None:
                self._session = self._opened()
            return _figures_in(row.asDict() for row in self._session.sql(statement).collect())
        except LakeError:
            raise
        except Exception as error:
            raise engine_failure(Engine.SPARK, error, statement) from None

    def _opened(self) -> SparkSession:
        try:
            from pyspark.sql import SparkSession
        except ImportError as error:
            raise MissingExtra("maintenance by Spark", "spark") from error
        if self.config.remote is None:
            active = SparkSession.getActiveSession()
            if active is not None:
                return active
        builder = SparkSession.builder
        if self.config.remote is not None:
            token = self.config.token.reveal() if self.config.token else ""
            parameters = "" if "/" in self.config.remote.removeprefix("sc://") else "/"
            builder = builder.remote(self.config.remote + (f"{parameters};token={token}" if token else ""))
        else:
            builder = builder.appName("influx_lake")
        for name, value in self.config.conf.items():
            builder = builder.config(name, value.reveal())
        self._is_ours = True
        return builder.getOrCreate()

    def close(self) -> None:
        """Stop the session, where it was started here."""
        if self._session is not None and self._is_ours:
            self._session.stop()
        self._session = None


def _figures_in(rows: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """The number of files that a procedure reports or lists as deleted."""
    done: dict[str, int] = {}
    for row in rows:
        if "orphan_file_location" in row:
            done["files_removed"] = done.get("files_removed", 0) + 1
        for name, value in row.items():
            if name in _FIGURES and isinstance(value, int):
                done[_FIGURES[name]] = done.get(_FIGURES[name], 0) + value
        if failed := row.get("failed_data_files_count"):
            raise EngineError(
                f"Spark could not rewrite {failed} data files", remedy="Its own log says why; the others are rewritten"
            )
    return done


_FIGURES = {
    "deleted_data_files_count": "data_files_removed",
    "deleted_position_delete_files_count": "position_delete_files_removed",
    "deleted_equality_delete_files_count": "equality_delete_files_removed",
    "deleted_manifest_files_count": "manifests_removed",
    "deleted_manifest_lists_count": "manifest_lists_removed",
    "deleted_statistics_files_count": "statistics_files_removed",
}


def _name(text: str) -> str:
    return "`" + text.replace("`", "``") + "`"


def _text(text: str) -> str:
    """A string literal; Spark processes escapes in it."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _moment(at: Any, *, zone: bool) -> str:
    return moment(at) if zone else moment(at, zone=False).replace("TIMESTAMP", "TIMESTAMP_NTZ", 1)
