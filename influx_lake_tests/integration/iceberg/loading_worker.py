"""Loads windows of one table from a process of its own, and says how long each commit took.

Usage: loading_worker.py CATALOG_PROPERTIES_AS_JSON WINDOW...
"""

from __future__ import annotations

import json
import sys
import time

from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.iceberg.commit import committer
from influx_lake_tests.unit.iceberg.tables import day, replace, rows

ROWS = 40


def main(properties: str, *numbers: str) -> None:
    catalog = open_catalog("lake", json.loads(properties))
    seconds: list[float] = []
    run = committer.Committer.run

    def timed(self: committer.Committer, *arguments: object) -> object:
        began = time.monotonic()
        done = run(self, *arguments)  # type: ignore[arg-type]
        seconds.append(time.monotonic() - began)
        return done

    committer.Committer.run = timed  # type: ignore[method-assign,assignment]
    print("ready", flush=True)
    sys.stdin.readline()
    for number in numbers:
        replace(catalog, day(int(number)), rows(day(int(number)), ROWS + int(number), value=float(number)))
    print(json.dumps(seconds), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
