"""Tails or seals a day from a process of its own, again and again, as soon as it is told to.

Usage: tailing_worker.py CATALOG_PROPERTIES_AS_JSON (tail|seal) TIMES
"""

from __future__ import annotations

import json
import sys
from contextlib import AbstractContextManager, nullcontext

from influx_lake.config.values.windows import Window
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.iceberg.load.replace import replace_window
from influx_lake.iceberg.load.tail import tail_window
from influx_lake_tests.unit.iceberg.tables import PROVENANCE, TARGET, Batches, day, hours, rows, stream
from testbed.loads import load_of


def main(properties: str, what: str, times: str) -> None:
    catalog = open_catalog("lake", json.loads(properties))

    def read(part: Window) -> AbstractContextManager[Batches]:
        # The source's rows of a part: one in every second.
        return nullcontext(stream(rows(part, (part.end_us - part.start_us) // 10**6)))

    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(1, int(times) + 1):
        if what == "tail":
            tail_window(load_of(catalog, TARGET, read, hours(0, 0, number), PROVENANCE), replace_window)
        else:
            replace_window(load_of(catalog, TARGET, stream(rows(day(0), 86_400)), day(0), PROVENANCE))
    print("done", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
