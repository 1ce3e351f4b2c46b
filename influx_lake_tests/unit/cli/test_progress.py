"""Progress: a bar on a terminal, lines elsewhere, and nothing of it on stdout."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios

import pytest

from influx_lake.cli.progress import Lines, meter
from influx_lake.config.values.windows import Window
from influx_lake.iceberg.window_load import Progress

WINDOW = Window.parse("2026-01-01T00:00:00Z/2026-01-02T00:00:00Z")
PROGRAM = f"""
import sys
from influx_lake.cli.output import Output
from influx_lake.cli.progress import meter
from influx_lake.config.values.windows import Window
from influx_lake.iceberg.window_load import Progress
out = Output(False)
with meter(2) as shown:
    for _ in range(2):
        shown.begin("cpu", Window.parse("{WINDOW}"))
        shown.update(Progress(1_500_000, 3.0))
        shown.end()
        out.line("a result")
"""


def test_lines_where_stderr_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with meter(1) as shown:
        assert isinstance(shown, Lines)
        shown.begin("cpu", WINDOW)
        shown.update(Progress(1_500_000, 3.0))
        shown.end()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == f"cpu {WINDOW}: 1,500,000 rows so far, 500,000 rows/s\n"


def everything(terminal: int) -> str:
    """What was written to a terminal that nobody else has open any more: Linux ends it with an error."""
    shown = b""
    with os.fdopen(terminal, "rb", buffering=0) as reader, contextlib.suppress(OSError):
        while piece := reader.read(65_536):
            shown += piece
    return shown.decode()


def test_a_bar_on_a_terminal_and_results_in_a_file() -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 160, 0, 0))
    # What says how wide a terminal is comes before the terminal itself.
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "160", "LINES": "40"}
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=theirs, env=environment, check=True
    )
    os.close(theirs)
    shown = everything(ours)
    assert run.stdout.decode() == "a result\na result\n"
    assert "━" in shown
    assert "2/2" in shown
    assert "a result" not in shown
