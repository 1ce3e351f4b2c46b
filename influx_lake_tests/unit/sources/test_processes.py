"""How the source behaves as a guest of a process."""

import signal
import subprocess
import sys
import threading

import pyarrow.flight as fl

from influx_lake_tests.unit.sources.scripted_server import ScriptedServer

HEAVY = ("influxdb_client_3", "pyarrow.flight", "polars", "pandas", "reactivex")


def test_nothing_heavy_is_imported_before_a_source_is_used() -> None:
    program = f"""
import sys
from influx_lake.sources import open_source
from influx_lake.config import InfluxDB3Config
open_source(InfluxDB3Config(host="nowhere.invalid", database="d"))
print([name for name in {HEAVY!r} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_wait_for_rows_can_be_interrupted(server: ScriptedServer) -> None:
    asked, release = threading.Event(), threading.Event()

    def stuck(sql: str, context: fl.ServerCallContext) -> fl.FlightDataStream:
        asked.set()
        release.wait(30)
        raise fl.FlightInternalError("nobody waits any more")

    server.answer = stuck
    program = f"""
from influx_lake.config import InfluxDB3Config
from influx_lake.sources.influxdb3 import InfluxDB3Source
try:
    InfluxDB3Source(InfluxDB3Config(host="http://127.0.0.1:{server.port}", database="telemetry")).measurements()
except KeyboardInterrupt:
    print("interrupted")
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert asked.wait(30)
            process.send_signal(signal.SIGINT)
            output, _ = process.communicate(timeout=20)
        finally:
            release.set()
            process.kill()
    assert output.strip() == "interrupted"
    assert process.returncode == 0
