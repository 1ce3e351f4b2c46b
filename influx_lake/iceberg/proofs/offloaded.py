"""What was deleted at its source because a table was proved to have it: kept in the table, for ever.

It is written before anything is deleted, so that a process that dies in between leaves no time of which nobody knows
that the source may be empty. From then on the table alone is sure to have the rows: no load takes them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from influx_lake.arrow.digests import Digest
from influx_lake.config.tables.shared_tables import Share
from influx_lake.config.values.windows import Window, parse_moment, utc_text
from influx_lake.errors import CatalogRefused, CommitConflict
from influx_lake.iceberg.columns.known_columns import share_of
from influx_lake.iceberg.own_properties import own_properties
from influx_lake.iceberg.proofs.record import name_of

if TYPE_CHECKING:
    from pyiceberg.table import Table
    from pyiceberg.table.metadata import TableMetadata

PROPERTY = "influx-lake.offloaded"
"""The table property: a JSON object, by measurement in a table that holds several."""
TAG_PREFIX = "influx_lake_offload_"
"""What the tags are called that keep what was proved before it was deleted."""
MOST_RANGES = 100
"""How many ranges have digests of their own: those that touch become one without where there are more."""


@dataclass(frozen=True, slots=True)
class Offloaded:
    """A range of windows that is deleted at its source.

    Attributes:
        window: From the start of the first window to the end of the last one.
        at: When it was decided; the oldest of its windows' times.
        rows: How many rows were proved.
        digest: Their digest; empty where it is no longer kept.
        snapshot_id: The snapshot that has them.
        tag: The tag that kept that snapshot.
        source: The identity of the source.
        key: The columns that tell rows apart in the digest; empty for the time and the tags that the table tells.
        left_out: The columns that are not part of the digest.
        is_done: Whether the source was seen to be empty afterwards; until then it may have all, some or none of it.
    """

    window: Window
    at: datetime
    rows: int
    digest: str
    snapshot_id: int
    tag: str
    source: str
    key: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    is_done: bool = False

    def meets(self, window: Window) -> bool:
        """Whether it shares time with a window."""
        return self.window.overlaps(window)


def offloaded_from(table: Table | None) -> tuple[Offloaded, ...]:
    """What was deleted at the source of the rows of a table that are looked at, or may have been, oldest first.

    Raises:
        CatalogRefused: The table no longer tells: others changed its property.
    """
    if table is None:
        return ()
    return tuple(_stated(table.metadata, table.name()).get(name_of(share_of(table)), ()))


def is_offloaded(table: Table | None, window: Window) -> bool:
    """Whether some of a window was deleted at its source, or may have been: the table has rows that nothing else has.

    Args:
        table: The table, under the names that loads know; None where there is none.
        window: The window.
    """
    return any(each.meets(window) for each in offloaded_from(table))


def recording(table: Table, share: Share | None, entries: Iterable[Offloaded]) -> dict[str, str]:
    """The property with what is deleted of a measurement; nothing where it says so already."""
    there = _stated(table.metadata, table.name())
    written = {**there, name_of(share): tuple(sorted(entries, key=lambda each: each.window))}
    if written == there:
        return {}
    found = {name: [_document(each) for each in some] for name, some in written.items() if some}
    return {PROPERTY: json.dumps(found, separators=(",", ":"), ensure_ascii=False)}


def together(entries: Sequence[Offloaded], is_proved: Callable[[Window], bool]) -> tuple[Offloaded, ...]:
    """Ranges that touch as one, where the rows of both have one digest: they are what was proved of the table still.

    Args:
        entries: The ranges.
        is_proved: Whether the table has rows of some time as they were proved.
    """
    found = list[Offloaded]()
    for each in sorted(entries, key=lambda entry: entry.window):
        last = found[-1] if found else None
        both = Window(last.window.start, each.window.end) if last else each.window
        if last is None or not _touch(last, each):
            found.append(each)
        elif last.digest and each.digest and _alike(last, each) and is_proved(both):
            total = Digest.parse(last.rows, last.digest) + Digest.parse(each.rows, each.digest)
            found[-1] = replace(_joined(last, each), digest=str(total))
        elif len(entries) > MOST_RANGES:
            found[-1] = _joined(last, each)
        else:
            found.append(each)
    return tuple(found)


def check_spared(table: Table, window: Window, *, keeps_rows: bool) -> None:
    """See to it that a load does not replace rows that were deleted at their source since it began.

    Args:
        table: The table as it is now, with the rows that are looked at.
        window: What the load would replace.
        keeps_rows: Whether it leaves rows there that it did not bring.

    Raises:
        CommitConflict: It would.
    """
    if not keeps_rows and is_offloaded(table, window):
        raise CommitConflict(
            f"rows of {'.'.join(table.name())} were off-loaded while the window was read: they are deleted at the "
            "source, or being deleted, and the table has the only copy",
            remedy="Run the window again: what the source has is added then, and nothing is replaced",
        )


def _touch(one: Offloaded, other: Offloaded) -> bool:
    return one.window.end == other.window.start and one.is_done and other.is_done and one.source == other.source


def _alike(one: Offloaded, other: Offloaded) -> bool:
    return (one.key, one.left_out) == (other.key, other.left_out)


def _joined(one: Offloaded, other: Offloaded) -> Offloaded:
    newer = other if other.at >= one.at else one
    return replace(
        newer,
        window=Window(one.window.start, other.window.end),
        at=min(one.at, other.at),
        rows=one.rows + other.rows,
        digest="",
    )


def _document(entry: Offloaded) -> dict[str, Any]:
    return {
        "start": utc_text(entry.window.start),
        "end": utc_text(entry.window.end),
        "at": utc_text(entry.at),
        "rows": entry.rows,
        "digest": entry.digest,
        "snapshot": str(entry.snapshot_id),
        "tag": entry.tag,
        "source": entry.source,
        **({"key": list(entry.key)} if entry.key else {}),
        **({"left_out": list(entry.left_out)} if entry.left_out else {}),
        "done": entry.is_done,
    }


def _stated(metadata: TableMetadata, name: tuple[str, ...]) -> Mapping[str, tuple[Offloaded, ...]]:
    try:
        found = json.loads(own_properties(metadata).get(PROPERTY) or "{}")
        return {share: tuple(_read(each) for each in some) for share, some in found.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise CatalogRefused(
            f"the property {PROPERTY} of {'.'.join(name)} is not what was written: which of its rows were deleted at "
            "their source can no longer be told",
            remedy=f"Set {PROPERTY} to what an earlier metadata file of the table has",
        ) from None


def _read(raw: Mapping[str, Any]) -> Offloaded:
    return Offloaded(
        Window(parse_moment(raw["start"]), parse_moment(raw["end"])),
        parse_moment(raw["at"]),
        int(raw["rows"]),
        str(raw["digest"]),
        int(raw["snapshot"]),
        str(raw["tag"]),
        str(raw["source"]),
        tuple(raw.get("key", ())),
        tuple(raw.get("left_out", ())),
        bool(raw["done"]),
    )
