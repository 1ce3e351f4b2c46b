"""Records which time was deleted at its source because it was proved to be in the table: kept in the table for ever.

The record is written before anything is deleted, so that a process that dies in between leaves no time whose absence
at the source is unrecorded. From then on only the table is sure to have the rows: no load removes them.
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
from influx_lake.iceberg.columns.known_columns import is_shared, share_of
from influx_lake.iceberg.own_properties import own_properties
from influx_lake.iceberg.proofs.record import name_of

if TYPE_CHECKING:
    from pyiceberg.table import Table
    from pyiceberg.table.metadata import TableMetadata

PROPERTY = "influx-lake.offloaded"
"""The table property: a JSON object, by measurement where the table holds several."""
TAG_PREFIX = "influx_lake_offload_"
"""The prefix of the tags that keep the proved snapshot."""
MOST_RANGES = 100
"""The largest number of ranges with digests of their own: beyond it, adjacent ranges are merged without a digest."""


@dataclass(frozen=True, slots=True)
class Offloaded:
    """A range of windows that is deleted at its source.

    Attributes:
        window: From the start of the first window to the end of the last one.
        at: When it was decided; of several windows the earliest.
        rows: The number of proved rows.
        digest: Their digest; empty where it is no longer kept.
        snapshot_id: The snapshot that has them.
        tag: The tag that kept that snapshot.
        source: The identity of the source.
        key: The columns that identify rows in the digest; empty for the time and the tags that the table records.
        left_out: The columns that are not part of the digest.
        is_done: Whether the source was verified to be empty afterwards; until then it may have all, some or none of the
            rows.
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
        """Whether it overlaps a window."""
        return self.window.overlaps(window)


def offloaded_from(table: Table | None) -> tuple[Offloaded, ...]:
    """The ranges of a table's viewed rows that were deleted at their source, or may have been, oldest first.

    Raises:
        CatalogRefused: The property is damaged.
    """
    if table is None:
        return ()
    share, stated = share_of(table), _stated(table.metadata, table.name())
    if share is not None:
        return tuple(stated.get(name_of(share), ()))
    # All rows are viewed: a table that was to hold several measurements and holds one has its record by its share.
    found = dict.fromkeys(each for entries in stated.values() for each in entries)
    return tuple(sorted(found, key=lambda each: each.window))


def is_offloaded(table: Table | None, window: Window) -> bool:
    """Whether a part of a window was deleted at its source, or may have been: the table may have the only copy of rows.

    Args:
        table: The table, under the names that loads know; None where there is none.
        window: The window.
    """
    return any(each.meets(window) for each in offloaded_from(table))


def recording(table: Table, share: Share | None, entries: Iterable[Offloaded]) -> dict[str, str]:
    """The property with the deleted ranges of a measurement; empty where the table has it already."""
    there = _stated(table.metadata, table.name())
    others = there if is_shared(table.metadata) else {}
    written = {**others, name_of(share): tuple(sorted(entries, key=lambda each: each.window))}
    if written == there:
        return {}
    found = {name: [_document(each) for each in some] for name, some in written.items() if some}
    return {PROPERTY: json.dumps(found, separators=(",", ":"), ensure_ascii=False)}


def merge_adjacent(entries: Sequence[Offloaded], is_proved: Callable[[Window], bool]) -> tuple[Offloaded, ...]:
    """Merge adjacent ranges where the digest of both can be combined: the table's rows are still those that were
    proved.

    Args:
        entries: The ranges.
        is_proved: Whether the table's rows in a window are still those that were proved.
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
    """Check that a load does not replace rows that were deleted at their source since it began.

    Args:
        table: The table as it is now, with the viewed rows.
        window: The window that the load would replace.
        keeps_rows: Whether it keeps rows that are not among those loaded.

    Raises:
        CommitConflict: It would replace such rows.
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
            f"the property {PROPERTY} of {'.'.join(name)} is damaged: which of its rows were deleted at their source "
            "is unknown",
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
