"""Runs a case in a process of its own and says what it cost."""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run of a case cost.

    Attributes:
        wall: Seconds by the clock.
        cpu: Seconds of CPU, user and system, of all threads.
        peak_mb: The process's largest resident size, in MB of a million bytes.
        base_mb: Its size before the case began, with its input when that is made beforehand.
        bytes: Bytes of Parquet written.
    """

    wall: float
    cpu: float
    peak_mb: float
    base_mb: float
    bytes: int

    def report(self) -> None:
        """Print it for the process that asked."""
        print(json.dumps(asdict(self)))


def measured(case: Callable[[], int]) -> Cost:
    """Run a case, which returns how many bytes of Parquet it wrote, in this process."""
    base = resident_mb()
    wall, cpu = time.monotonic(), _cpu_seconds()
    written = case()
    return Cost(time.monotonic() - wall, _cpu_seconds() - cpu, resident_mb(), base, written)


def in_process(module: str, *arguments: str, python: str = sys.executable) -> Cost:
    """Run `python -m module arguments`, which reports a cost."""
    done = subprocess.run([python, "-m", module, *arguments], stdout=subprocess.PIPE, text=True, check=True)
    return Cost(**json.loads(done.stdout.splitlines()[-1]))


def median(costs: list[Cost], figure: str) -> float:
    """The median of one figure over several runs."""
    return statistics.median(getattr(cost, figure) for cost in costs)


def ratio(reference: list[Cost], ours: list[Cost], figure: str) -> float:
    """The reference's median over ours: above 1 we are better."""
    return round(median(reference, figure) / median(ours, figure), 3)


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def resident_mb() -> float:
    """The largest resident size of this process so far, in MB of a million bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
