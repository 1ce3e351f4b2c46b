"""What is known of a stream, for programs."""

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
    """What is known of each stream of a lake; None of one that never ran.

    Raises:
        CatalogError: The catalog cannot tell.
    """
    found: dict[str, Ledger | None] = {}
    for name, config in streams_of(lake).items():
        table = find_table(catalog, ledger_target(config, name).identifier)
        found[name] = None if table is None else ledger_in(table, name)
    return found


def stream_facts(name: str, ledger: Ledger | None, now: datetime | None = None) -> dict[str, Any]:
    """What is known of a stream: counts, and how far behind it was when it last said so.

    Args:
        name: The stream's name.
        ledger: What is known; None where it never ran.
        now: The present, where it is not this moment.
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
