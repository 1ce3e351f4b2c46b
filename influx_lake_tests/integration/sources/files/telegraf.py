"""The real Telegraf, run once over line protocol."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

_AGENT = """\
[agent]
  interval = "{interval}"
  flush_interval = "1s"
  omit_hostname = true
[[inputs.file]]
  files = ["in.lp"]
  data_format = "influx"
"""
TIMEOUT_SECONDS = 60


def run_telegraf(folder: Path, lines: str, outputs: str, interval: str = "10s") -> None:
    """Have it read line protocol and write it; skips where there is none.

    Args:
        folder: Where it runs.
        lines: What it reads.
        outputs: The outputs of its configuration; paths are relative to the folder.
        interval: How often it would read, which is also what it rounds times to.
    """
    binary = os.environ.get("INFLUX_LAKE_TEST_TELEGRAF")
    if binary is None or not Path(binary).exists():
        pytest.skip("Telegraf is not built: .ci/telegraf FOLDER, and INFLUX_LAKE_TEST_TELEGRAF=FOLDER/telegraf")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "in.lp").write_text(lines)
    (folder / "telegraf.conf").write_text(_AGENT.format(interval=interval) + outputs)
    command = [binary, "--config", "telegraf.conf", "--once"]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, env={}, check=False
    )
    assert done.returncode == 0, done.stderr
