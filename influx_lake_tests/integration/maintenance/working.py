"""Loads, tails or maintains one table from a process of its own, again and again, until it is killed or told to stop.

Its folder has the catalog, and a file `stop` once everybody is to end. Each thing that was done is a line of
`done-PID.jsonl` there.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path

from influx_lake.config.maintenance.options import (
    CompactOptions,
    ExpireOptions,
    Kind,
    ManifestOptions,
    MetadataOptions,
    OrphanOptions,
)
from influx_lake.config.values.windows import Window
from influx_lake.errors import LakeError
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.iceberg.load.replace import replace_window
from influx_lake.iceberg.load.tail import tail_window
from influx_lake.iceberg.maintenance.task import TableTask
from influx_lake.maintenance.kinds import KINDS
from influx_lake_tests.unit.iceberg.tables import PROVENANCE, TARGET, Batches, day, hours, rows, stream
from testbed.loads import load_of

DAYS = 3
"""Whose hours are loaded again and again."""
SEALED_DAY, OPEN_DAY = DAYS, DAYS + 1
HOUR_ROWS, SEALED_ROWS = 60, 5_000
SPEED = 60
"""How many seconds of the open window pass in one."""
OPTIONS = {
    Kind.COMPACT: CompactOptions(min_input_files=2, after=timedelta(0)),
    # A load that was planned on a snapshot may find that it, and its files, are gone.
    Kind.EXPIRE_SNAPSHOTS: ExpireOptions(older_than=timedelta(seconds=2), keep_last=3),
    Kind.REMOVE_ORPHANS: OrphanOptions(),
    Kind.REWRITE_MANIFESTS: ManifestOptions(min_manifests=3),
    Kind.METADATA: MetadataOptions(keep_last=20),
}


def properties(folder: Path) -> dict[str, str]:
    """The catalog in a folder."""
    return {"type": "sql", "uri": f"sqlite:///{folder}/catalog.db", "warehouse": str(folder / "warehouse")}


def tailed(part: Window) -> Batches:
    """The source's rows of a part of the open window: one in every second."""
    return stream(rows(part, (part.end_us - part.start_us) // 10**6))


class Worker:
    """One process.

    Args:
        folder: Where everything is.
        began: When all of it began.
    """

    def __init__(self, folder: Path, began: float) -> None:
        self._folder = folder
        self._began = began
        self._catalog = open_catalog("lake", properties(folder))
        self._random = random.Random(os.getpid())

    def loads(self) -> dict[str, object]:
        """Load an hour again; or, now and then, a whole day."""
        if self._random.random() < 0.1:
            return self._load(day(SEALED_DAY), SEALED_ROWS)
        number, hour = self._random.randrange(DAYS), self._random.randrange(24)
        return self._load(hours(number, hour, hour + 1), HOUR_ROWS)

    def tails(self) -> dict[str, object]:
        """Add what the open window has by now."""
        passed = min(int(time.time() - self._began) * SPEED, 86_400)
        start = day(OPEN_DAY).start
        window = Window(start, start + timedelta(seconds=max(passed, 1)))

        def read(part: Window) -> AbstractContextManager[Batches]:
            return nullcontext(tailed(part))

        added = tail_window(load_of(self._catalog, TARGET, read, window, PROVENANCE), replace_window)
        return {"until": window.end_us, "rows": sum(each.rows for each in added)}

    def maintains(self, kind: Kind) -> dict[str, object]:
        """Do a kind of maintenance."""
        task = TableTask(self._catalog, TARGET, "maintenance", datetime.now(UTC))
        return {"kind": str(kind), **KINDS[kind](task, OPTIONS[kind]).done}

    def clears(self) -> dict[str, object]:
        """Do one of the kinds that clear away."""
        return self.maintains(self._random.choice([kind for kind in KINDS if kind in OPTIONS and kind != Kind.COMPACT]))

    def compacts(self) -> dict[str, object]:
        """Compact."""
        return self.maintains(Kind.COMPACT)

    def _load(self, window: Window, count: int) -> dict[str, object]:
        done = replace_window(load_of(self._catalog, TARGET, stream(rows(window, count)), window, PROVENANCE))
        return {"window": str(window), "rows": done.rows, "before": done.previous_rows}

    def run(self, role: str) -> None:
        """Go on with a role until everybody is to end."""
        does: Callable[[], dict[str, object]] = getattr(self, role)
        with (self._folder / f"done-{os.getpid()}.jsonl").open("a", buffering=1) as told:
            while not (self._folder / "stop").exists():
                try:
                    done = does()
                except LakeError as error:
                    done = {"error": f"{type(error).__name__}: {error}"}
                told.write(json.dumps({"role": role, **done}) + "\n")


def work(folder: str, role: str, began: float) -> None:
    """What a process does; the open window grows with the time that passed since `began`, in seconds since 1970."""
    Worker(Path(folder), began).run(role)
