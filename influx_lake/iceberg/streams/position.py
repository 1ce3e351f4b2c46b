"""The position of a stream in a table: which messages have been added to it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from influx_lake.config.values.windows import Window
from influx_lake.iceberg.columns.known_columns import share_of
from influx_lake.iceberg.failures.translation import catalog_errors
from influx_lake.iceberg.own_properties import is_copied
from influx_lake.iceberg.table_state.coverage import parse_windows
from influx_lake.iceberg.table_state.lineage import Lineage

if TYPE_CHECKING:
    from pyiceberg.table import Table
    from pyiceberg.table.snapshots import Snapshot

SUMMARY = "influx-lake.stream"
"""The property of a snapshot's summary with the position: a rollback also sets it back."""
TIMES = "influx-lake.stream-times"
"""The property of a snapshot's summary: the time ranges of the added points, one for each window."""
PROPERTY = "influx-lake.stream."
"""The prefix of a table property, followed by the stream's name: it outlives the snapshots."""


@dataclass(frozen=True, slots=True)
class StreamPosition:
    """The position of a stream.

    Attributes:
        stream: The name of the stream, which is that of its source in lake.yaml.
        sequence: The sequence number of the addition: higher than that of all earlier ones, to any table.
        offsets: By topic and partition, the offset of the first message that has not been added.
        at_ms: When it was recorded, in milliseconds since 1970.
    """

    stream: str
    sequence: int
    offsets: Mapping[str, Mapping[int, int]]
    at_ms: int = field(default_factory=lambda: time.time_ns() // 1_000_000)

    def facts(self) -> dict[str, Any]:
        """Encode the position as JSON values."""
        offsets = {topic: {str(each): at for each, at in found.items()} for topic, found in self.offsets.items()}
        return {"stream": self.stream, "sequence": self.sequence, "offsets": offsets, "at_ms": self.at_ms}

    @classmethod
    def of_facts(cls, facts: Mapping[str, Any]) -> StreamPosition:
        """Decode a position.

        Raises:
            ValueError, KeyError, TypeError: The value is something else.
        """
        offsets = {
            str(topic): {int(each): int(at) for each, at in found.items()} for topic, found in facts["offsets"].items()
        }
        return cls(str(facts["stream"]), int(facts["sequence"]), offsets, int(facts["at_ms"]))

    def notes(self, share: str | None) -> dict[str, str]:
        """The properties for a snapshot's summary.

        Args:
            share: The measurement of the added rows, where the table holds several.
        """
        return {SUMMARY: _text({**self.facts(), **({} if share is None else {"measurement": share})})}

    def properties(self, table: Table, share: str | None) -> dict[str, str]:
        """The table properties with the position.

        Args:
            table: The table that the commit was planned on.
            share: The measurement of the added rows, where the table holds several.
        """
        return {PROPERTY + self.stream: _text({**_stated(table, self.stream), share or "": self.facts()})}


def position_in(table: Table | None, stream: str) -> StreamPosition | None:
    """The position of a stream in a table's current snapshot; None where the stream has added nothing to it.

    Snapshots record it; where those of the stream have expired, the table property does. A table that was rolled back
    has the position of the snapshot that it was rolled back to.

    Args:
        table: The table; of a shared one, the viewed measurement counts.
        stream: The stream's name.

    Raises:
        StorageError: Earlier metadata files that are needed for it cannot be read.
    """
    snapshot = table.current_snapshot() if table is not None else None
    if table is None or snapshot is None or is_copied(table.metadata):
        return None
    share = share_of(table)
    name = share.value if share else ""
    stated = _read(_stated(table, stream).get(name))
    with catalog_errors(f"find out how far the stream {stream} is in {'.'.join(table.name())}"):
        oldest = snapshot
        for oldest in _line(table, snapshot):
            summary = oldest.summary.additional_properties if oldest.summary else {}
            if (held := _read(_said(summary, stream, name))) is not None:
                return held
        # Older snapshots have expired, and with them their positions; a newer position was rolled back.
        if stated is None or Lineage(table).is_first(oldest):
            return None
        return stated if stated.at_ms <= oldest.timestamp_ms else None


def added_since(table: Table, stream: str, sequence: int) -> Iterator[Window]:
    """The time ranges to which a stream has added points since a position, as far as snapshots are left.

    Args:
        table: The table; of a shared one, the viewed measurement counts.
        stream: The stream's name.
        sequence: The sequence number of the position.
    """
    snapshot, share = table.current_snapshot(), share_of(table)
    for each in _line(table, snapshot) if snapshot is not None else ():
        summary = each.summary.additional_properties if each.summary else {}
        held = _read(_said(summary, stream, share.value if share else ""))
        if held is not None and held.sequence <= sequence:
            return
        if held is not None:
            yield from parse_windows(summary.get(TIMES, ""))


def _line(table: Table, snapshot: Snapshot) -> Iterator[Snapshot]:
    """A snapshot and its ancestors, newest first, as far as the table still has them."""
    there = {each.snapshot_id: each for each in table.metadata.snapshots}
    found: Snapshot | None = snapshot
    while found is not None:
        yield found
        found = None if found.parent_snapshot_id is None else there.get(found.parent_snapshot_id)


def _stated(table: Table, stream: str) -> dict[str, Any]:
    if is_copied(table.metadata):
        return {}
    try:
        found = json.loads(table.metadata.properties.get(PROPERTY + stream, "{}"))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _said(summary: Mapping[str, str], stream: str, name: str) -> Any:
    """The position of a stream and a measurement in a summary."""
    try:
        found = json.loads(summary.get(SUMMARY, "null"))
    except ValueError:
        return None
    if not isinstance(found, dict) or found.get("stream") != stream or found.get("measurement", "") != name:
        return None
    return found


def _read(facts: Any) -> StreamPosition | None:
    try:
        return StreamPosition.of_facts(facts) if isinstance(facts, dict) else None
    except (ValueError, KeyError, TypeError):
        return None


def _text(facts: Mapping[str, Any]) -> str:
    return json.dumps(facts, separators=(",", ":"), sort_keys=True)
