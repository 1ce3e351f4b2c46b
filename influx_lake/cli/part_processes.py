"""Starts processes on this machine that write parts of windows (`influx-lake replicate --jobs`)."""

from __future__ import annotations

import multiprocessing
import signal
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING

from influx_lake.cli.failures import note

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

    from influx_lake.config.values.windows import Window
    from influx_lake.replication.splitting.helpers import PartsWanted

_LAST_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class PartProcesses:
    """Some processes, each of which opens the lake and writes one part after the other.

    Attributes:
        count: How many.
        config: The lake.yaml.
        measurement: The measurement's full name.
        source: The source of its windows, where it is not each one's own.
        branch: The branch that tables are loaded on.
        replacing: Whether rows are replaced whatever the measurement says.
        run_id: Who commits the parts.
    """

    count: int
    config: Path | None
    measurement: str
    source: str | None
    branch: str | None
    replacing: bool
    run_id: str

    @contextmanager
    def help(self, requested_parts: PartsWanted) -> Iterator[Iterator[Window]]:
        """See `Helpers`: all parts are written by the processes, but those that one failed to write."""
        # Not forked: the threads of Arrow and gRPC do not survive that.
        context = multiprocessing.get_context("spawn")
        workers: dict[Connection, SpawnProcess] = {}
        try:
            for _ in range(min(self.count, len(requested_parts.parts))):
                own_end, worker_end = context.Pipe()
                process = context.Process(target=_work, args=(self, requested_parts, worker_end), daemon=True)
                process.start()
                worker_end.close()
                workers[own_end] = process
            yield _handed_out(workers, requested_parts)
        finally:
            for connection, process in workers.items():
                connection.close()
                process.terminate()
            for process in workers.values():
                process.join(_LAST_SECONDS)
                if process.is_alive():
                    process.kill()


def _handed_out(workers: dict[Connection, SpawnProcess], requested_parts: PartsWanted) -> Iterator[Window]:
    """Give each process a part when it is free; what one fails to write is for the caller."""
    left, at_work = deque(requested_parts.parts), dict[Connection, "Window | None"]()
    for connection in workers:
        at_work[connection] = None
    free = deque(workers)
    while at_work:
        while free and left:
            connection = free.popleft()
            at_work[connection] = left.popleft()
            if not _sent(connection, at_work[connection]):
                yield from _lost(workers[connection], at_work.pop(connection))
        if not left and all(part is None for part in at_work.values()):
            return
        for ready in wait([*at_work]):
            assert isinstance(ready, Connection)
            try:
                failure: str | None = ready.recv()
            except (EOFError, OSError):
                yield from _lost(workers[ready], at_work.pop(ready))
                continue
            part, at_work[ready] = at_work[ready], None
            free.append(ready)
            if failure is not None and part is not None:
                note(f"! a process failed to write {part}, which is tried again: {failure}")
                yield part
    yield from left


def _sent(connection: Connection, part: Window | None) -> bool:
    try:
        connection.send(part)
    except OSError:
        return False
    return True


def _lost(process: SpawnProcess, part: Window | None) -> Iterator[Window]:
    process.join(_LAST_SECONDS)
    note(f"! a process that writes parts ended with {process.exitcode}; its part is written again")
    if part is not None:
        yield part


def _work(how: PartProcesses, requested_parts: PartsWanted, tasks: Connection) -> None:
    """What such a process does: parts are received, and each is answered with what kept it from being written."""
    from influx_lake.cli.session import open_session
    from influx_lake.errors import LakeError

    # Ctrl-C reaches all processes of a terminal, and the one that commits ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with open_session(how.config, how.branch, command="influx-lake replicate") as session:
        measurement = session.lake.find(how.measurement)
        if how.replacing:
            measurement = measurement.replacing_all()
        while True:
            try:
                part: Window = tasks.recv()
            except EOFError:
                return
            try:
                session.write_part(
                    measurement,
                    requested_parts.window,
                    part,
                    run_id=how.run_id,
                    source=how.source,
                    with_nanoseconds=requested_parts.with_nanoseconds,
                )
            except LakeError as error:
                tasks.send(str(error))
            else:
                tasks.send(None)
