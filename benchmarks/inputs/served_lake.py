"""A lake whose sandbox answers from a process of its own, so that only the lake's CPU is counted."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from influx_lake.config import Measurement, load_lake
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.sources import open_source
from influx_lake.sources.protocol import Source

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

TOKEN = "apiv3_benchmark"
LAKE = """\
sources: {{default: {{host: "{url}", database: {name}, token: {token}}}}}
catalog: {{type: sql, uri: 'sqlite:///./catalog.db', warehouse: ./warehouse}}
measurements: {{{name}: {{partition: {{start: 2026-01-01}}}}}}
"""


@contextmanager
def served_lake(name: str, module: str, arguments: Sequence[str]) -> Iterator[tuple[Measurement, Catalog, Source]]:
    """A lake of one measurement.

    Args:
        name: The measurement, and its database.
        module: The benchmark that serves it: says the sandbox's address, and ends with its stdin.
        arguments: What to call it with.
    """
    command = [sys.executable, "-m", module, *arguments]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server,
    ):
        assert server.stdin is not None
        assert server.stdout is not None
        path = Path(folder, "lake.yaml")
        path.write_text(LAKE.format(url=server.stdout.readline().strip(), name=name, token=TOKEN))
        lake = load_lake(path)
        [measurement] = lake.measurements
        source = open_source(lake.sources["default"])
        yield measurement, open_catalog("lake", lake.catalog.properties()), source
        source.close()
        server.stdin.close()
        server.wait(60)


def medians(work: Callable[[], None], times: int) -> dict[str, float]:
    """Seconds by the clock and of CPU of this process, the medians of some repetitions."""
    costs = []
    for _ in range(times):
        wall, cpu = time.monotonic(), time.process_time()
        work()
        costs.append((time.monotonic() - wall, time.process_time() - cpu))
    walls, cpus = zip(*costs, strict=True)
    return {"wall": round(statistics.median(walls), 3), "cpu": round(statistics.median(cpus), 3)}
