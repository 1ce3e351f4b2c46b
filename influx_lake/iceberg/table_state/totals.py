"""How much was ever written to a table: counted in a property of the table, in the commits that write it.

So each commit is counted once, whoever makes it and however often it is tried. Rolling back, expiring snapshots and
publishing branches leave properties alone: what was counted never goes back while the table exists.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from influx_lake.iceberg.own_properties import own_properties

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table.metadata import TableMetadata

PROPERTY = "influx-lake.totals"
"""The table property: a JSON object."""
BATCH_BOUNDS = (1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000)
"""The classes of commits by their rows: up to each of these, and more than the last."""


@dataclass(frozen=True, slots=True)
class Totals:
    """What loads wrote to a table since it was made, or since an earlier version that did not count.

    Attributes:
        commits: How many commits of loads it took: of windows, of tails, of roll-ups.
        rows: The rows of the data files that they added, those of files that were split and written again too.
        files: The data files.
        bytes: Their bytes.
        batches: How many commits brought at most each of `BATCH_BOUNDS` rows and more than the one before, and last
            those that brought more.
    """

    commits: int = 0
    rows: int = 0
    files: int = 0
    bytes: int = 0
    batches: tuple[int, ...] = (0,) * (len(BATCH_BOUNDS) + 1)

    def adding(self, files: Iterable[DataFile]) -> Totals:
        """The totals after one more commit that adds files."""
        added = list(files)
        rows = sum(file.record_count for file in added)
        place = bisect_left(BATCH_BOUNDS, rows)
        return Totals(
            self.commits + 1,
            self.rows + rows,
            self.files + len(added),
            self.bytes + sum(file.file_size_in_bytes for file in added),
            tuple(count + (number == place) for number, count in enumerate(self.batches)),
        )

    def __str__(self) -> str:
        return json.dumps([self.commits, self.rows, self.files, self.bytes, list(self.batches)], separators=(",", ":"))


def totals_of(metadata: TableMetadata) -> Totals:
    """What was written to a table; nothing where it does not tell, or others changed what it told."""
    try:
        read = json.loads(own_properties(metadata).get(PROPERTY, "null"))
    except ValueError:
        return Totals()
    if not _is_whole(read):
        return Totals()
    commits, rows, files, size, batches = read
    return Totals(commits, rows, files, size, tuple(batches))


def _is_whole(read: Any) -> bool:
    if not (isinstance(read, list) and len(read) == 5 and isinstance(read[4], list)):
        return False
    counts = [*read[:4], *read[4]]
    is_counted = len(read[4]) == len(BATCH_BOUNDS) + 1 and all(type(count) is int and count >= 0 for count in counts)
    return is_counted and sum(read[4]) == read[0]
