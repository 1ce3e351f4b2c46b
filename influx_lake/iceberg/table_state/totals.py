"""Totals of what loads wrote to a table, kept in a table property, in the commits that write it.

So each commit is counted once, by whatever process and in however many attempts. Rollbacks, expiry of snapshots and
publishing of branches do not change properties: totals never decrease while the table exists.
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
"""Upper bounds of the histogram of commits by rows; a last class has larger commits."""


@dataclass(frozen=True, slots=True)
class Totals:
    """What loads wrote to a table since its creation, or since an earlier version that did not count.

    Attributes:
        commits: Commits of loads: of windows, tails and roll-ups.
        rows: Rows of the data files that they added, including rewritten rows of files that were split.
        files: The number of these files.
        bytes: Their total size.
        batches: The number of commits in each class of `BATCH_BOUNDS`, by rows; the last one counts larger commits.
    """

    commits: int = 0
    rows: int = 0
    files: int = 0
    bytes: int = 0
    batches: tuple[int, ...] = (0,) * (len(BATCH_BOUNDS) + 1)

    def adding(self, files: Iterable[DataFile]) -> Totals:
        """The totals after one more commit, which adds files."""
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
    """The totals of a table; zero where it has none, or another tool changed them."""
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
