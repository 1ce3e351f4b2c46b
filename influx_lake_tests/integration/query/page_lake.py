"""The lake that the pages of docs/query ask: ten days of `cpu` and `mem`, and the answers to their questions.

The answers are computed from the points themselves, by nobody's engine.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from statistics import fmean
from typing import Any

from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from influx_lake.cli.entry import run
from influx_lake.config import InfluxDB3Config, Secret, load_lake
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.sandbox import Sandbox
from influx_lake.sources.influxdb3 import InfluxDB3Source
from influx_lake_tests.integration.iceberg.catalogs.java_server import apache_rest_catalog
from influx_lake_tests.integration.query.type_tables import make_tables
from influx_lake_tests.integration.typed_lake import TypedLake

START = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 10
STEP = timedelta(minutes=15)
HOSTS = [f"web-{number}" for number in range(1, 9)]
DAY = START + timedelta(days=4)
"""The day that the pages ask for, which was loaded twice: late points came."""
HOST = "web-3"
LAKE = """\
sources:
  default: {{host: "{host}", database: telemetry, token: "${{file:token}}"}}
catalog: {{name: lake, type: rest, uri: "{catalog}"}}
defaults:
  partition: {{every: day, start: 2026-01-01}}
  write: {{sort_by: [host, time]}}
measurements:
  cpu: {{iceberg_partition: [day(time), "bucket(4, host)"]}}
  mem: {{}}
"""
Answer = list[tuple[Any, ...]]


@dataclass(frozen=True)
class Point:
    """A row of `cpu`, and what `mem` has for its host and time."""

    time: datetime
    host: str
    usage_user: float
    requests: int
    used_percent: float

    @property
    def lines(self) -> Iterator[tuple[str, str]]:
        at = int(self.time.timestamp()) * 10**9
        yield "cpu", f"cpu,host={self.host} usage_user={self.usage_user},requests={self.requests}u {at}"
        yield "mem", f"mem,host={self.host} used_percent={self.used_percent} {at}"


def points(*, late: bool) -> list[Point]:
    """The points that come in time, or the late ones: the last two hours of one host's day."""
    found = []
    for number in range(DAYS * (timedelta(days=1) // STEP)):
        time = START + number * STEP
        for place, host in enumerate(HOSTS):
            is_late = host == HOST and DAY + timedelta(hours=22) <= time < DAY + timedelta(days=1)
            if is_late == late:
                values = (number * 7 + place * 13) % 400 / 4, number * 10 + place, (number + place * 5) % 200 / 2
                found.append(Point(time, host, *values))
    return found


@dataclass(frozen=True)
class PageLake:
    """The lake, loaded.

    Attributes:
        folder: Where its lake.yaml is.
        uri: The address of its REST catalog.
        catalog: The same, opened.
        before: The snapshot before the day's second load, as `influx-lake history` names it.
    """

    folder: Path
    uri: str
    catalog: Catalog
    before: str

    def table(self, name: str = "cpu") -> Table:
        return self.catalog.load_table(("telemetry", name))

    def written_for(self, text: str) -> str:
        """A statement of a page, with the addresses and the snapshot of this lake in the place of the page's."""
        text = text.replace("https://catalog.example.com", self.uri).replace("3190349767954805827", self.before)
        return text.replace("/data/lake", f"{self.folder}/apache")


ANSWERS: dict[str, Callable[[], Answer]] = {}
"""By the heading of a page: what its last statement answers."""


def _answers(heading: str) -> Callable[[Callable[[], Answer]], Callable[[], Answer]]:
    def keep(answer: Callable[[], Answer]) -> Callable[[], Answer]:
        ANSWERS[heading] = answer
        return answer

    return keep


def _all() -> list[Point]:
    return points(late=False) + points(late=True)


def _of_day(found: list[Point]) -> list[Point]:
    return [point for point in found if DAY <= point.time < DAY + timedelta(days=1)]


@_answers("Query")
def by_host() -> Answer:
    """Each host's points, mean and sum."""
    found: defaultdict[str, list[Point]] = defaultdict(list)
    for point in _all():
        found[point.host].append(point)
    return sorted(
        (host, len(each), fmean(point.usage_user for point in each), sum(point.requests for point in each))
        for host, each in found.items()
    )


@_answers("Prune by time and tag")
def one_day_of_one_host() -> Answer:
    """How many points, and the largest value."""
    found = [point for point in _of_day(_all()) if point.host == HOST]
    return [(len(found), max(point.usage_user for point in found))]


@_answers("Before a window's load")
def before_the_late_points() -> Answer:
    """The same day and host before the late points came."""
    found = [point for point in _of_day(points(late=False)) if point.host == HOST]
    return [(len(found), max(point.usage_user for point in found))]


@_answers("Join")
def busy_and_full() -> Answer:
    """Each host's points of the day at which both its processors and its memory are busy."""
    found: defaultdict[str, int] = defaultdict(int)
    for point in _of_day(_all()):
        if point.usage_user > 75 and point.used_percent > 50:
            found[point.host] += 1
    return sorted(found.items())


@_answers("Downsample")
def hourly() -> Answer:
    """Each hour of the day of one host: its start, mean and largest value."""
    found: defaultdict[datetime, list[float]] = defaultdict(list)
    for point in _of_day(_all()):
        if point.host == HOST:
            found[point.time.replace(minute=0)].append(point.usage_user)
    return sorted((hour, fmean(values), max(values)) for hour, values in found.items())


@contextmanager
def page_lake(folder: Path) -> Iterator[PageLake]:
    """Make it in a folder, on Apache's REST catalog."""
    with Sandbox() as box, apache_rest_catalog(folder, "file://") as uri:
        config = folder / "lake.yaml"
        config.write_text(LAKE.format(host=box.url, catalog=uri))
        (folder / "token").write_text(str(box.token))
        lake = load_lake(config)
        catalog = open_catalog(lake.catalog.name, lake.catalog.properties())
        _write(box, points(late=False))
        end = f"{START + timedelta(days=DAYS):%Y-%m-%d}"
        _tell(config, "replicate", "--all", "--end", end)
        [newest, *_] = _tell(config, "history", "cpu")["snapshots"]
        _write(box, points(late=True))
        _tell(
            config, "replicate", "--all", "--start", f"{DAY:%Y-%m-%d}", "--end", f"{DAY + timedelta(days=1):%Y-%m-%d}"
        )
        source = InfluxDB3Source(InfluxDB3Config(host=box.url, database="telemetry", token=Secret(str(box.token))))
        make_tables(TypedLake(box, source, catalog))
        source.close()
        yield PageLake(folder, uri, catalog, newest["snapshot_id"])


def _write(box: Sandbox, found: list[Point]) -> None:
    lines: defaultdict[str, list[str]] = defaultdict(list)
    for point in found:
        for measurement, line in point.lines:
            lines[measurement].append(line)
    for each in lines.values():
        box.write("telemetry", "\n".join(each))


def _tell(config: Path, *arguments: str) -> dict[str, Any]:
    told = StringIO()
    with redirect_stdout(told):
        code = run([*arguments, "-c", str(config), "--json"])
    assert code == 0, told.getvalue()
    found = json.loads(told.getvalue())
    assert isinstance(found, dict)
    return found
