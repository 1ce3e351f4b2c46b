"""Generates a week of metrics of three hosts, deterministic, with Telegraf's names and types."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from influx_lake.cli.demo.points import Unsigned, Value, point, series

HOSTS = ("web-1", "web-2", "db-1")
DAYS = 7
STEP = timedelta(minutes=1)
_CORES = ("cpu-total", "cpu0", "cpu1", "cpu2", "cpu3")
_DISKS = {"/": ("vda1", 80 << 30), "/data": ("vdb", 500 << 30)}
_INTERFACES = ("eth0", "eth1")
_MEMORY = 16 << 30
_INODE_BYTES = 16_384
_DAY_SECONDS = 86_400
_EPOCH_DAY = 20_454  # 2026-01-01: counters and disks grow from here


def week_before(now: datetime) -> tuple[datetime, datetime]:
    """The interval from midnight (UTC) seven days ago to the start of the current hour."""
    hour = now.replace(minute=0, second=0, microsecond=0)
    return hour.replace(hour=0) - timedelta(days=DAYS), hour


def history(start: datetime, end: datetime) -> Iterator[str]:
    """The line protocol of all hosts, from `start` to before `end`."""
    for host in HOSTS:
        for make in (_cpu, _mem, _disk, _net):
            yield from make(host, start, end)


def late_points(day: datetime) -> Iterator[str]:
    """Two hours of a host that was cut off for a day, with a field that no other host sends."""
    of_host = series("cpu", {"cpu": "cpu-total", "host": "edge-1"})
    noise_at = _noise("late")
    for second in _seconds(day + timedelta(hours=2), day + timedelta(hours=4)):
        noise = noise_at(second)
        fields = _shares(12 + noise.uniform(-4, 4), noise)
        yield point(of_host, {**fields, "frequency_mhz": Unsigned(int(noise.uniform(800, 2_400)))}, second * 10**9)


def _cpu(host: str, start: datetime, end: datetime) -> Iterator[str]:
    for core in _CORES:
        of_core, noise_at = series("cpu", {"cpu": core, "host": host}), _noise("cpu", host, core)
        for second in _seconds(start, end):
            noise = noise_at(second)
            yield point(of_core, _shares(_load(host, second) + noise.uniform(-6, 6), noise), second * 10**9)


def _shares(busy: float, noise: Noise) -> dict[str, Value]:
    """The time of a core by mode, adding up to 100 %."""
    busy = min(99.0, max(0.5, busy))
    system, wait = busy * noise.uniform(0.2, 0.35), busy * noise.uniform(0, 0.06)
    shares = {
        "usage_user": busy - system - wait,
        "usage_system": system,
        "usage_idle": 100 - busy,
        "usage_nice": 0.0,
        "usage_iowait": wait,
        "usage_irq": 0.0,
        "usage_softirq": 0.0,
        "usage_steal": 0.0,
        "usage_guest": 0.0,
        "usage_guest_nice": 0.0,
    }
    return {name: round(share, 4) for name, share in shares.items()}


def _mem(host: str, start: datetime, end: datetime) -> Iterator[str]:
    of_host, noise_at = series("mem", {"host": host}), _noise("mem", host)
    for second in _seconds(start, end):
        noise = noise_at(second)
        used = int(_MEMORY * (0.35 + _load(host, second) / 250 + noise.uniform(-0.01, 0.01)))
        cached, buffered = int((_MEMORY - used) * 0.5), int((_MEMORY - used) * 0.05)
        available = _MEMORY - used
        fields: dict[str, Value] = {
            "total": _MEMORY,
            "available": available,
            "used": used,
            "free": available - cached - buffered,
            "cached": cached,
            "buffered": buffered,
            "active": int(used * 0.8),
            "inactive": int(used * 0.2),
            "available_percent": 100 * available / _MEMORY,
            "used_percent": 100 * used / _MEMORY,
        }
        yield point(of_host, fields, second * 10**9)


def _disk(host: str, start: datetime, end: datetime) -> Iterator[str]:
    for path, (device, total) in _DISKS.items():
        tags = {"device": device, "fstype": "ext4", "host": host, "mode": "rw", "path": path}
        of_disk, noise_at = series("disk", tags), _noise("disk", host, path)
        inodes = total // _INODE_BYTES
        for second in _seconds(start, end):
            grown = 0.3 + (second / _DAY_SECONDS - _EPOCH_DAY) % 365 / 365 * 0.5
            used = int(total * (grown + noise_at(second).uniform(0, 0.002)))
            yield point(of_disk, disk_fields(total, used, inodes, used // (_INODE_BYTES * 4)), second * 10**9)


def disk_fields(total: int, used: int, inodes: int, inodes_used: int) -> dict[str, Value]:
    """Telegraf's fields of a file system."""
    return {
        "total": total,
        "free": total - used,
        "used": used,
        "used_percent": 100 * used / total if total else 0.0,
        "inodes_total": inodes,
        "inodes_free": inodes - inodes_used,
        "inodes_used": inodes_used,
        "inodes_used_percent": 100 * inodes_used / inodes if inodes else 0.0,
    }


def _net(host: str, start: datetime, end: datetime) -> Iterator[str]:
    for interface in _INTERFACES:
        of_interface, noise_at = series("net", {"host": host, "interface": interface}), _noise("net", host, interface)
        for second in _seconds(start, end):
            # Counters since boot only grow: the noise stays below the growth of one step.
            age = second - _EPOCH_DAY * _DAY_SECONDS
            received = age * 40_000 + int(noise_at(second).uniform(0, 1_000_000))
            fields: dict[str, Value] = {
                "bytes_sent": Unsigned(received // 3),
                "bytes_recv": Unsigned(received),
                "packets_sent": Unsigned(received // 2_400),
                "packets_recv": Unsigned(received // 900),
                "err_in": Unsigned(0),
                "err_out": Unsigned(0),
                "drop_in": Unsigned(age // 86_400),
                "drop_out": Unsigned(0),
                "speed": 1_000,
            }
            yield point(of_interface, fields, second * 10**9)


def _seconds(start: datetime, end: datetime) -> range:
    return range(int(start.timestamp()), int(end.timestamp()), int(STEP.total_seconds()))


def _load(host: str, second: int) -> float:
    """The load of a host in per cent: highest in the afternoon, lower at the weekend."""
    hour, weekday = second % _DAY_SECONDS / 3_600, (second // _DAY_SECONDS + 3) % 7
    daily = 25 + 20 * math.sin((hour - 9) / 24 * 2 * math.pi)
    return daily * (0.5 if weekday >= 5 else 1.0) + 5 * HOSTS.index(host)


def _noise(*names: str) -> Callable[[int], Noise]:
    """The noise of a series, one value for each time."""
    base = zlib.crc32(" ".join(names).encode()) << 32
    return lambda second: Noise(base ^ second)


class Noise:
    """A fast pseudo-random generator, seeded for each time: Python's takes too long to be seeded as often."""

    __slots__ = ("_state",)

    def __init__(self, seed: int) -> None:
        self._state = seed
        self.uniform(0, 1)

    def uniform(self, low: float, high: float) -> float:
        """A number from `low` to `high`, by a linear congruential generator whose high bits are good."""
        self._state = (self._state * 0x5851F42D4C957F2D + 0x14057B7EF767814F) & 0xFFFF_FFFF_FFFF_FFFF
        return low + (high - low) * (self._state >> 40) / 0x100_0000
