"""The state of streams as JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from influx_lake.config import Lake
from influx_lake.config.values.windows import utc_text
from influx_lake.iceberg.scan.reader import find_table
from influx_lake.replication.streams.ledger import Ledger, ledger_in, ledger_target, streams_of

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog


def stream_states(lake: Lake, catalog: Catalog) -> dict[str, Ledger | None]:
    """The ledger of each stream of a lake; None for one that never ran.

    Raises:
        CatalogError: The catalog cannot be reached or refuses.
    """
    found: dict[str, Ledger | None] = {}
    for name, config in streams_of(lake).items():
        table = find_table(catalog, ledger_target(config, name).identifier)
        found[name] = None if table is None else ledger_in(table, name)
    return found


def stream_facts(name: str, ledger: Ledger | None, now: datetime | None = None) -> dict[str, Any]:
    """The state of a stream: its counts, and its lag when the ledger was last written.

    Args:
        name: The stream's name.
        ledger: The ledger; None where the stream never ran.
        now: The present; default: this moment.
    """
    if ledger is None:
        return {"stream": name, "started": False}
    now = now or datetime.now(UTC)
    lags = [(topic, each, lag) for topic, found in sorted(ledger.lags.items()) for each, lag in sorted(found.items())]
    return {
        "stream": name,
        "started": True,
        "messages": ledger.messages,
        "points": ledger.points,
        "dead_letters": ledger.dead_letters,
        "unmatched": dict(ledger.unmatched),
        "outside": ledger.outside,
        "lag_messages": sum(lag.messages for *_, lag in lags),
        "lag_seconds": round(max((lag.seconds(now) for *_, lag in lags), default=0.0), 3),
        "partitions": [
            {"topic": topic, "partition": each, "lag_messages": lag.messages, "lag_seconds": round(lag.seconds(now), 3)}
            for topic, each, lag in lags
        ],
        "caught_up_at": ledger.caught_up_at and utc_text(ledger.caught_up_at),
        "updated_at": utc_text(ledger.written_at),
        "sequence": ledger.position.sequence,
    }
