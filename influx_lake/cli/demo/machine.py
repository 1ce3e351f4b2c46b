"""Samples this machine's CPU, memory and disks, with Telegraf's names and types."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

from influx_lake.cli.demo.history import disk_fields
from influx_lake.cli.demo.points import Unsigned, Value, point, series
from influx_lake.errors import MissingExtra

SECONDS = 1.0
_CPU_FIELDS = ("user", "system", "idle", "nice", "iowait", "irq", "softirq", "steal", "guest", "guest_nice")
_MEM_FIELDS = ("total", "available", "used", "free", "cached", "buffered", "active", "inactive")


class MachineSamples:
    """Takes a sample every second, in a thread, for the duration of a context."""

    def __init__(self) -> None:
        try:
            import psutil
        except ImportError as error:
            raise MissingExtra("sampling this machine", "demo") from error
        self._psutil = psutil
        self._host = socket.gethostname()
        self._lines: list[str] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="samples", daemon=True)
        self._problem: Exception | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._thread.join()
        if self._problem is not None and problem is None:
            raise self._problem

    def lines(self) -> list[str]:
        """The line protocol of all samples, after the context."""
        return self._lines

    def _run(self) -> None:
        try:
            # The shares of a core's time are those since the call before.
            self._psutil.cpu_times_percent(percpu=True)
            self._psutil.cpu_times_percent()
            while not self._stopping.wait(SECONDS):
                self._lines.extend(self._sample(time.time_ns() // 10**6 * 10**6))
        except Exception as error:
            self._problem = error

    def _sample(self, time_ns: int) -> Iterator[str]:
        yield from self._cpu(time_ns)
        yield self._mem(time_ns)
        yield from self._disk(time_ns)
        yield from self._net(time_ns)

    def _cpu(self, time_ns: int) -> Iterator[str]:
        cores: list[tuple[str, Any]] = [("cpu-total", self._psutil.cpu_times_percent())]
        cores += [(f"cpu{number}", times) for number, times in enumerate(self._psutil.cpu_times_percent(percpu=True))]
        for core, times in cores:
            fields: dict[str, Value] = {f"usage_{name}": float(getattr(times, name, 0.0)) for name in _CPU_FIELDS}
            yield point(series("cpu", {"cpu": core, "host": self._host}), fields, time_ns)

    def _mem(self, time_ns: int) -> str:
        memory = self._psutil.virtual_memory()
        # psutil says `buffers` where Telegraf says `buffered`; not every system has every figure.
        known = {**memory._asdict(), "buffered": getattr(memory, "buffers", 0)}
        fields: dict[str, Value] = {name: int(known.get(name, 0)) for name in _MEM_FIELDS}
        fields["available_percent"] = 100 * memory.available / memory.total
        fields["used_percent"] = 100 * memory.used / memory.total
        return point(series("mem", {"host": self._host}), fields, time_ns)

    def _disk(self, time_ns: int) -> Iterator[str]:
        for path, tags in self._file_systems().items():
            found = os.statvfs(path)
            total, used = found.f_blocks * found.f_frsize, (found.f_blocks - found.f_bfree) * found.f_frsize
            fields = disk_fields(total, used, found.f_files, found.f_files - found.f_ffree)
            yield point(series("disk", {"host": self._host, "path": path, **tags}), fields, time_ns)

    def _file_systems(self) -> dict[str, dict[str, str]]:
        """The readable file systems with their tags; the root where a container lists none."""
        found = {
            each.mountpoint: {
                "device": each.device.removeprefix("/dev/"),
                "fstype": each.fstype,
                "mode": "ro" if "ro" in each.opts.split(",") else "rw",
            }
            for each in self._psutil.disk_partitions()
            if os.access(each.mountpoint, os.R_OK | os.X_OK)
        }
        return found or {"/": {}}

    def _net(self, time_ns: int) -> Iterator[str]:
        speeds = self._psutil.net_if_stats()
        for interface, counters in self._psutil.net_io_counters(pernic=True).items():
            fields: dict[str, Value] = {
                "bytes_sent": Unsigned(counters.bytes_sent),
                "bytes_recv": Unsigned(counters.bytes_recv),
                "packets_sent": Unsigned(counters.packets_sent),
                "packets_recv": Unsigned(counters.packets_recv),
                "err_in": Unsigned(counters.errin),
                "err_out": Unsigned(counters.errout),
                "drop_in": Unsigned(counters.dropin),
                "drop_out": Unsigned(counters.dropout),
                "speed": speeds[interface].speed if interface in speeds else -1,
            }
            yield point(series("net", {"host": self._host, "interface": interface}), fields, time_ns)
