"""Processes that are measured: each in the environment of a lake, for itself."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.inputs.many_measurements import ManyMeasurements

_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


def imported(lake: ManyMeasurements) -> float:
    code = "import time; import dagster; print(time.process_time())"
    done = subprocess.run([sys.executable, "-c", code], env=environment(lake), stdout=subprocess.PIPE, check=True)
    return round(float(done.stdout), 3)


def command(lake: ManyMeasurements, name: str) -> dict[str, float]:
    """The seconds that a command takes, and its CPU seconds."""
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    called = [sys.executable, "-m", "influx_lake.cli", name, "-c", str(lake.config)]
    subprocess.run(called, env=environment(lake), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {f"{name}_s": round(time.monotonic() - began, 2), f"{name}_cpu_s": round(spent, 2)}


def bare_load(environment: dict[str, str]) -> float:
    """CPU seconds of a process that builds the bare code location."""
    code = (
        "import time; from benchmarks.scale.bare import defs; defs().get_repository_def(); print(time.process_time())"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, check=True)
    return round(float(done.stdout), 2)


def run_case(lake: ManyMeasurements, name: str, argument: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.scale", "--case", name, argument],
        env=environment(lake),
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def environment(lake: ManyMeasurements) -> dict[str, str]:
    own = {"INFLUX_LAKE_CONFIG": str(lake.config), "DAGSTER_HOME": str(lake.folder / "home")}
    # Compiling all that is imported, each time, would be half of what a process costs.
    return {name: value for name, value in (os.environ | own).items() if name != "PYTHONDONTWRITEBYTECODE"}


def cpu_of(process: int) -> float:
    """The CPU seconds of a process and those that it started and that live."""
    children = [int(pid) for pid in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_A_SECOND + sum(cpu_of(child) for child in children)
