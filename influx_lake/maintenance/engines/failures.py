"""Converts the exceptions of query engines' clients to this project's errors."""

from __future__ import annotations

from influx_lake.config.maintenance.engines import Engine
from influx_lake.config.references.secret import redact
from influx_lake.errors import EngineError, EngineUnavailable

_LONGEST = 1_000
_UNREACHABLE = (
    "ConnectionError",
    "ConnectTimeout",
    "ReadTimeout",
    "EndpointConnectionError",
    "TrinoConnectionError",
    "UNAVAILABLE",
    "Http503Error",
    "Http502Error",
    "Http504Error",
)


def engine_failure(engine: Engine, error: Exception, statement: str) -> EngineError:
    """The error for an exception of an engine's client during a statement."""
    name = engine.capitalize()
    # Spark's messages end with a stack trace.
    message = redact(str(error)).split("\n\tat ")[0].split("\nJVM stacktrace")[0].strip()[:_LONGEST]
    text = f"{type(error).__name__}: {message}" if message else type(error).__name__
    chain = {kind.__name__ for kind in type(error).__mro__}
    if chain & set(_UNREACHABLE) or "StatusCode.UNAVAILABLE" in message:
        return EngineUnavailable(
            f"{name} cannot be reached: {text}", remedy=f"See engines.{engine} in lake.yaml, and whether it runs"
        )
    return EngineError(f"{name} did not do it: {text}; it was asked for: {statement}")
