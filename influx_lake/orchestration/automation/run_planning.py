"""Groups due windows of many measurements into few runs."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import dagster as dg

from influx_lake.config import Measurement
from influx_lake.config.values.windows import Scheme, Window
from influx_lake.orchestration.keys import asset_key
from influx_lake.orchestration.recent_runs import RecentRuns
from influx_lake.orchestration.tags import PARTITION, REASON, Reason, partition_tags, subject_tags
from influx_lake.replication.planning.due import DueWindow

MEASUREMENTS_PER_RUN = 25
"""The most measurements of a run: a run takes seconds to start, and loads them in one process."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """The work of one run: the same adjacent windows of several measurements.

    Attributes:
        scheme: The scheme of all of them.
        windows: The windows, oldest first, without a gap between them.
    """

    scheme: Scheme
    windows: tuple[Window, ...]
    measurements: tuple[Measurement, ...]

    @property
    def first_key(self) -> str:
        return self.scheme.key(self.windows[0])

    @property
    def last_key(self) -> str:
        return self.scheme.key(self.windows[-1])


def run_requests(
    due: Iterable[DueWindow],
    reason: Reason,
    recent: RecentRuns,
    *,
    limit: int | None = None,
    job_name: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> list[dg.RunRequest]:
    """The runs for due windows, the newest first, without windows that a run or backfill loads already or that failed a
    short while ago.

    Args:
        due: The windows, of any measurements.
        reason: Why they are loaded.
        recent: The unfinished and failed runs.
        limit: The most runs; the remaining windows stay due.
        job_name: The job, for a sensor that has several.
        tags: More tags for the runs.
    """
    wanted = [each for each in due if not (recent.is_busy(each) or recent.is_pausing(each))]
    chunks = chunks_of(wanted, failures=recent.failures)
    return [request_of(chunk, reason, recent.now, job_name=job_name, tags=tags) for chunk in chunks[:limit]]


def chunks_of(
    due: Iterable[DueWindow],
    *,
    failures: Callable[[DueWindow], int] = lambda due: 0,
    measurements_per_run: int = MEASUREMENTS_PER_RUN,
) -> list[Chunk]:
    """Group windows into runs: adjacent windows, of all measurements that need just these.

    Args:
        due: The windows.
        failures: How often a window failed: each failure halves the number of windows in its run, so that a window
            which cannot be loaded does not keep its neighbours out.
        measurements_per_run: The most measurements of a run.

    Returns:
        The chunks, those with the newest windows first.
    """
    of_measurement: dict[tuple[str, ...], list[DueWindow]] = defaultdict(list)
    for each in due:
        of_measurement[each.measurement.path].append(each)
    alike: dict[tuple[Scheme, tuple[Window, ...]], list[Measurement]] = defaultdict(list)
    for path in sorted(of_measurement):
        windows = {each.window: each for each in of_measurement[path]}
        for stretch in _stretches([windows[window] for window in sorted(windows, reverse=True)], failures):
            measurement = stretch[0].measurement
            alike[measurement.scheme, tuple(each.window for each in reversed(stretch))].append(measurement)
    chunks = [
        Chunk(scheme, windows, tuple(part))
        for (scheme, windows), measurements in alike.items()
        for part in _parts(measurements, measurements_per_run)
    ]
    return sorted(chunks, key=lambda chunk: chunk.windows[-1].end, reverse=True)


def request_of(
    chunk: Chunk,
    reason: Reason,
    moment: datetime,
    *,
    job_name: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> dg.RunRequest:
    """The request for the run that loads a chunk.

    Args:
        chunk: The chunk.
        reason: Why it is loaded.
        moment: The time of the decision. At another time the same chunk gets another run: its windows may be due again.
        job_name: The job, for a sensor that has several.
        tags: More tags.
    """
    first, last = chunk.first_key, chunk.last_key
    names = "\n".join(measurement.full_name for measurement in chunk.measurements)
    digest = hashlib.sha256(names.encode()).hexdigest()[:12]
    return dg.RunRequest(
        run_key=f"{reason}:{chunk.scheme.every}:{first}:{last}:{digest}:{moment.isoformat()}",
        job_name=job_name,
        asset_selection=[asset_key(measurement) for measurement in chunk.measurements],
        partition_key=first if first == last else None,
        tags={
            **(tags or {}),
            **subject_tags([measurement.key for measurement in chunk.measurements], chunk.windows),
            # Dagster stores plain strings only.
            REASON: reason.value,
            # With its tag Dagster does not put the job together to find it: half a second for 10,000 measurements.
            **({PARTITION: first} if first == last else partition_tags(first, last)),
        },
    )


def _stretches(windows: Sequence[DueWindow], failures: Callable[[DueWindow], int]) -> Iterator[list[DueWindow]]:
    """Cut a measurement's windows, newest first, at gaps and at the most windows of a run."""
    stretch: list[DueWindow] = []
    room = 0
    for each in windows:
        own = max(1, each.measurement.windows_per_run >> failures(each))
        if stretch and (len(stretch) >= min(room, own) or each.window.end != stretch[-1].window.start):
            yield stretch
            stretch = []
        room = min(room, own) if stretch else own
        stretch.append(each)
    if stretch:
        yield stretch


def _parts(measurements: Sequence[Measurement], size: int) -> Iterator[Sequence[Measurement]]:
    return (measurements[begin : begin + size] for begin in range(0, len(measurements), size))
