"""A server that is written to all the time, whatever else becomes of it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

import pyarrow as pa
import pyarrow.flight as flight

from influx_lake.sandbox import Sandbox

DATABASE = "telemetry"
HOSTS = 5
HISTORY = timedelta(hours=4)
SECOND = timedelta(seconds=1)
_PACE_SECONDS = 1.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass
class LivingSource:
    """A sandbox with some hours of history, to which a thread adds the present, second by second.

    Attributes:
        folder: Where it keeps its data over an outage.
        measurements: Those that are written. One that is added appears with the next second.
        fields: The fields of their points. One that is added is in the points from then on.
    """

    folder: Path
    measurements: list[str] = field(default_factory=lambda: ["cpu", "mem"])
    fields: list[str] = field(default_factory=lambda: ["value"])

    def __post_init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        self.box = Sandbox(self.folder, port=port)
        now = datetime.now(UTC).replace(microsecond=0)
        self.began = now
        self.first_hour = (now - HISTORY).replace(minute=0, second=0)
        self.until = now
        self._is_up = threading.Lock()
        self._ended = threading.Event()
        self._writer = threading.Thread(target=self._write_on, name="living-source")

    def __enter__(self) -> Self:
        self.box.start()
        history = (self.began - self.first_hour) // timedelta(seconds=30)
        self._write([self.first_hour + timedelta(seconds=30) * index for index in range(history)], self.measurements)
        self._writer.start()
        return self

    def __exit__(self, *problem: object) -> None:
        self.end()
        self.box.stop()

    def end(self) -> None:
        """Nothing more is written."""
        self._ended.set()
        self._writer.join()

    def write_late(self, measurement: str, moment: datetime, *, value: float) -> None:
        """Write a point of the past: a new one, or another value of one that is there."""
        self.box.write(DATABASE, f"{measurement},host=h0 value={value} {_nanoseconds(moment)}")

    def fail_for(self, seconds: float) -> None:
        """Be away. What was to be written meanwhile comes when the server is back, before it answers questions."""
        with self._is_up:
            self.box.stop()
            self._ended.wait(seconds)
            self.box.faults.unavailable = True
            self.box.start()
            self._catch_up()
            self.box.faults.unavailable = False

    def rows(self, measurement: str) -> pa.Table:
        """All rows, as the server gives them to any client."""
        with flight.connect(f"grpc://127.0.0.1:{self.box.flight_port}") as client:
            options = flight.FlightCallOptions(headers=[(b"authorization", f"Bearer {self.box.token}".encode())])
            request = f'{{"database": "{DATABASE}", "sql_query": "SELECT * FROM {measurement}", "query_type": "sql"}}'
            return client.do_get(flight.Ticket(request.encode()), options).read_all()

    def _write_on(self) -> None:
        while not self._ended.wait(_PACE_SECONDS):
            with self._is_up:
                self._catch_up()

    def _catch_up(self) -> None:
        seconds = int(time.time() - self.until.timestamp())
        if seconds > 0:
            self._write([self.until + SECOND * index for index in range(1, seconds + 1)], list(self.measurements))
            self.until += SECOND * seconds

    def _write(self, moments: list[datetime], measurements: list[str]) -> None:
        lines = (line for name in measurements for moment in moments for line in self._points(name, moment))
        self.box.write(DATABASE, "\n".join(lines))

    def _points(self, measurement: str, moment: datetime) -> Iterator[str]:
        second = int(moment.timestamp())
        for host in range(HOSTS):
            values = ",".join(f"{name}={(second * (host + 1)) % 1009 / 8}" for name in self.fields)
            yield f"{measurement},host=h{host} {values} {_nanoseconds(moment)}"


def _nanoseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1_000
