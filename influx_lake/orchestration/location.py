"""The lake that this process serves."""

from __future__ import annotations

from functools import cache

from influx_lake.config import Lake, load_lake


@cache
def current_lake() -> Lake:
    """The lake of $INFLUX_LAKE_CONFIG, else of ./lake.yaml; read once.

    Raises:
        ConfigurationError: There is none, or it has mistakes.
    """
    return load_lake()
