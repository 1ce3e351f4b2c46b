"""What is restored, and how."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from influx_lake.restore.delivery.pace import Rate
from influx_lake.restore.targets.packing import Packing


@dataclass(frozen=True, slots=True)
class RestoreOptions:
    """What is restored, and how.

    Attributes:
        start: Not before this; None: from the lake's first window on.
        end: Before this; None: to its last one.
        name: What the measurement is called in the target; None: as in the source.
        snapshot: The snapshot: its id, a tag or branch, or a moment; None: the one that readers get.
        as_stored: Write what the table has as it has it, and undo nothing.
        into_source: Write also where the lake is loaded from, among the points that are there.
        again: Forget what an earlier try wrote, and begin anew.
        verify: Read the target back and compare.
        concurrency: How many batches are under way at once.
        batch_bytes: How many bytes of lines a batch has at most, before it is packed.
        batch_lines: How many lines it has at most.
        rate: How fast points are sent at most.
        max_points: How many points are sent at most, this time; None: all.
        packing: How files are packed.
        dead_letters: The file for points that are not taken; None: beside the journal.
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
