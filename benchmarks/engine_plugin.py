"""What the plugin inside InfluxDB costs the database: CPU seconds for each million points.

Rows as the engine gives them, dicts, in WAL flushes of a second at 100,000 points a second; the plugin's text is run
anew for each flush, as the engine does. `--json` prints the figures:

    cpu_s_per_million_points   of points that are told: late ones, a part of each flush
    fresh_cpu_s_per_million    of points that are younger than the lag, and left to the schedules
    scattered_cpu_s_per_million  of points that are spread over ten years
    peak_pending_ranges        what the plugin keeps at most while nobody can be told, in ranges of time
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from influx_lake.engine import influx_lake_changes
from testbed.processing_engine import ProcessingEngine

PER_FLUSH = 100_000
HOUR = 3_600 * 10**9
YEAR = 365 * 24 * HOUR
_UNREACHABLE = "http://127.0.0.1:9"


def rows_at(moment: Callable[[int], int], count: int) -> list[dict[str, Any]]:
    """Rows as the engine makes them: two tags and four fields, and the time in nanoseconds."""
    return [
        {
            "host": f"host_{place % 200}",
            "region": "eu-west-1",
            "usage_user": place * 0.25,
            "usage_system": place * 0.5,
            "processes": place,
            "healthy": True,
            "time": moment(place),
        }
        for place in range(count)
    ]


def measure(flushes: int, moment: Callable[[int], int], tables: int = 10) -> tuple[float, int]:
    """CPU seconds for each million points, and how many ranges of time are kept at most."""
    arguments = {"database": "telemetry", "url": _UNREACHABLE, "younger_than": "300"}
    engine = ProcessingEngine(Path(influx_lake_changes.__file__), arguments)
    rows = rows_at(moment, PER_FLUSH)
    share = PER_FLUSH // tables
    batches = [
        {"table_name": f"table_{table}", "rows": rows[table * share : (table + 1) * share]} for table in range(tables)
    ]
    began, peak = time.process_time(), 0
    for _ in range(flushes):
        engine.writes(batches)
    spent = time.process_time() - began
    peak = max(peak, engine.request({"action": "status"})[1]["pending"])
    return spent / (flushes * PER_FLUSH) * 1e6, peak


def figures(flushes: int) -> dict[str, float]:
    """All of them."""
    now, random_ = time.time_ns(), random.Random(7)
    late = [
        now - (YEAR + random_.randrange(HOUR) if random_.random() < 0.01 else random_.randrange(HOUR))
        for _ in range(PER_FLUSH)
    ]
    scattered = [now - random_.randrange(10 * YEAR) for _ in range(PER_FLUSH)]
    told, _ = measure(flushes, late.__getitem__)
    fresh, _ = measure(flushes, lambda place: now + 60 * 10**9 + place)
    spread, peak = measure(max(1, flushes // 4), scattered.__getitem__)
    return {
        "cpu_s_per_million_points": round(told, 3),
        "fresh_cpu_s_per_million": round(fresh, 3),
        "scattered_cpu_s_per_million": round(spread, 3),
        "peak_pending_ranges": peak,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flushes", type=int, default=20, help="how many seconds of 100,000 points each")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    found = figures(options.flushes)
    if options.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name:30} {value:>10,.3f}")


if __name__ == "__main__":
    main()
