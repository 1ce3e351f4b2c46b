"""An embedded stand-in for InfluxDB 3, for first runs, demonstrations and tests.

It is meant for development, not as a database: docs/sandbox.md lists the differences from the real server.
"""

from __future__ import annotations

from influx_lake.errors import MissingExtra

try:
    import datafusion as _datafusion  # noqa: F401
except ImportError as problem:
    raise MissingExtra("the sandbox", "sandbox") from problem

from influx_lake.sandbox.faults import Faults
from influx_lake.sandbox.server import Sandbox

__all__ = ["Faults", "Sandbox"]
