"""Opens the query engines that tables name, each once, on first use."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from influx_lake.config.maintenance.engines import Engine, EngineConnections
from influx_lake.errors import ConfigurationError
from influx_lake.maintenance.engines.athena import Athena
from influx_lake.maintenance.engines.engine import QueryEngine
from influx_lake.maintenance.engines.spark import Spark
from influx_lake.maintenance.engines.trino import Trino


@dataclass(slots=True)
class Engines:
    """The query engines of a lake; a context that closes their connections.

    Attributes:
        connections: The connection of each.
        catalog: The lake's name of its catalog, which is the default for the engines' name of it.
    """

    connections: EngineConnections
    catalog: str
    _open: dict[Engine, QueryEngine] = field(default_factory=dict)

    def get(self, engine: Engine) -> QueryEngine | None:
        """An engine; None for the process itself.

        Raises:
            ConfigurationError: Its connection is not configured.
        """
        if engine is Engine.OWN:
            return None
        if engine not in self._open:
            self._open[engine] = self._made(engine)
        return self._open[engine]

    def _made(self, engine: Engine) -> QueryEngine:
        spark, trino, athena = self.connections.spark, self.connections.trino, self.connections.athena
        if engine is Engine.SPARK and spark is not None:
            return Spark(spark, spark.catalog or self.catalog)
        if engine is Engine.TRINO and trino is not None:
            return Trino(trino, trino.catalog or self.catalog)
        if engine is Engine.ATHENA and athena is not None:
            return Athena(athena)
        raise ConfigurationError(
            f"{engine} has to maintain a table, and its connection is not configured: see `engines`"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with ExitStack() as closing:
            for engine in self._open.values():
                closing.callback(engine.close)
        self._open.clear()
