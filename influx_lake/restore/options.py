"""The options of a restore."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from influx_lake.restore.delivery.rate_limit import Rate
from influx_lake.restore.targets.compression import Packing


@dataclass(frozen=True, slots=True)
class RestoreOptions:
    """The options of a restore.

    Attributes:
        start: The start of the range, inclusive; None: the lake's first window.
        end: The end of the range, exclusive; None: the end of its last window.
        name: The measurement's name in the target; None: as in the source.
        snapshot: The snapshot to restore: an id, a tag or branch, or a time; None: the current one.
        as_stored: Whether the table's values are written as they are, without undoing transforms.
        into_source: Whether points may be written into the measurement that the lake is loaded from.
        again: Whether the journal of an earlier attempt is discarded.
        verify: Whether the target is read back and compared.
        concurrency: The most batches under way at once.
        batch_bytes: The largest batch in bytes, uncompressed.
        batch_lines: The most lines of a batch.
        rate: The rate limit.
        max_points: The most points to send in this attempt; None: all.
        packing: The compression of files.
        dead_letters: The file for refused points; None: beside the journal.
    """

    start: datetime | None = None
    end: datetime | None = None
    name: str | None = None
    snapshot: int | str | datetime | None = None
    as_stored: bool = False
    into_source: bool = False
    again: bool = False
    verify: bool = True
    concurrency: int = 4
    batch_bytes: int = 1_000_000
    batch_lines: int = 10_000
    rate: Rate = field(default=Rate())
    max_points: int | None = None
    packing: Packing = Packing.GZIP
    dead_letters: Path | None = None
