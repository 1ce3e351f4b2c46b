"""influx-lake's plugin for the processing engine of InfluxDB 3: tells which time of which table got points.

One file, which needs Python's own library and nothing else. It moves no rows and asks the database nothing: of each WAL
flush it keeps the times of the points, hour by hour, and tells them

- in a table of the database (`influx_lake_changes`), which influx_lake's sensor reads, or
- where `url` is given, to `influx-lake serve`.

`influx-lake engine install` makes its three triggers: `all_tables`, `every:5s` and `request:...`. Their arguments:

    database             the database's name
    source               what lake.yaml calls it
    table                the table of changes; default influx_lake_changes
    younger_than         points younger than so many seconds are not told: their windows are loaded later anyway
    url                  the address of `influx-lake serve`
    token_variable       the environment variable of the server that holds the token for it
    token_file           or the file that does
    ca_file              certificates to trust, for https
"""

from __future__ import annotations

import bisect
import operator
import threading
import time
from typing import Any

LineBuilder: Any
Ranges = list[list[int]]
Answer = tuple[dict[str, Any], int]

# The engine runs this text anew for each call, and versions before 3.10 run it beside other plugins' names.
INFLUX_LAKE_CHANGES_VERSION = "1"


class InfluxLakeChanges:
    """What a call of a trigger works with; what outlasts it is in the engine's cache, where the triggers share it."""

    BUCKET = 3_600_000_000_000
    # Of a table: more hours than these are told as fewer, longer stretches.
    MOST_RANGES = 1_000
    MOST_ROWS_PER_CALL = 5_000
    TIMEOUT_SECONDS = 10
    LONGEST_PAUSE_SECONDS = 60
    ALIVE_EVERY_SECONDS = 60
    MOST_ANSWER_BYTES = 1_000_000

    def __init__(self, local: Any, args: dict[str, str] | None) -> None:
        args = args or {}
        self.local = local
        self.database = args.get("database") or ""
        self.source = args.get("source") or ""
        self.table = args.get("table") or "influx_lake_changes"
        self.younger_than = int(float(args.get("younger_than") or 0) * 1_000_000_000)
        self.url = (args.get("url") or "").rstrip("/")
        self.token_variable = args.get("token_variable") or "INFLUX_LAKE_TOKEN"
        self.token_file = args.get("token_file")
        self.ca_file = args.get("ca_file")
        self.state = self._state(f"influx_lake_changes/{self.database}/{self.url}")

    def _state(self, key: str) -> dict[str, Any]:
        known: dict[str, Any] | None = self.local.cache.get(key, None, True)
        if known is None:
            known = {
                "lock": threading.Lock(),
                "pending": {},
                "since": time.time_ns(),
                "flushes": 0,
                "points": 0,
                "flushed": None,
                "ticked": None,
                "told": None,
                "changes": 0,
                "failures": 0,
                "next_try": 0.0,
                "row": 0,
                "error": None,
            }
            self.local.cache.put(key, known, None, True)
        return known

    # --- points in ------------------------------------------------------------------------------------------------

    def flush(self, batches: list[Any]) -> None:
        newest = time.time_ns() - self.younger_than
        found: dict[str, Ranges] = {}
        points = 0
        for batch in batches:
            name, rows = self._parts(batch)
            # A trigger on all tables gets what plugins write, too.
            if name == self.table or not rows:
                continue
            points += len(rows)
            ranges = self._ranges(rows, newest)
            if ranges:
                found[name] = self._merged(found[name], ranges) if name in found else ranges
        if points:
            with self.state["lock"]:
                self.state["flushes"] += 1
                self.state["points"] += points
                self.state["flushed"] = time.time_ns()
        if found:
            self.keep(found)
            if not self.url:
                self.write_table()

    @staticmethod
    def _parts(batch: Any) -> tuple[str, list[Any]]:
        if isinstance(batch, dict):
            return batch["table_name"], batch["rows"]
        return batch.table_name, batch.rows

    def _ranges(self, rows: list[Any], newest: int) -> Ranges:
        """The first time, the last time and the number of the points of each hour that has any."""
        try:
            times = list(map(operator.itemgetter("time"), rows))
        except TypeError:
            times = [row.time for row in rows]
        if min(times) > newest:
            return []
        if max(times) > newest:
            times = [moment for moment in times if moment <= newest]
        first, last = min(times), max(times)
        if first // self.BUCKET == last // self.BUCKET:
            return [[first, last, len(times)]]
        times.sort()
        return self._cut(times, self.BUCKET) or self._cut(times, (last - first) // self.MOST_RANGES + 1) or []

    def _cut(self, times: list[int], bucket: int) -> Ranges | None:
        ranges: Ranges = []
        at = 0
        while at < len(times):
            if len(ranges) > self.MOST_RANGES:
                return None
            first = times[at]
            end = bisect.bisect_left(times, (first // bucket + 1) * bucket, at)
            ranges.append([first, times[end - 1], end - at])
            at = end
        return ranges

    def _merged(self, some: Ranges, others: Ranges) -> Ranges:
        joined: Ranges = []
        for first, last, points in sorted(some + others):
            if joined and first // self.BUCKET <= joined[-1][1] // self.BUCKET:
                joined[-1] = [joined[-1][0], max(last, joined[-1][1]), joined[-1][2] + points]
            else:
                joined.append([first, last, points])
        return self._bounded(joined)

    def _bounded(self, ranges: Ranges) -> Ranges:
        """The ranges, of which those with the smallest gaps between them are joined where there are too many."""
        over = len(ranges) - self.MOST_RANGES
        if over <= 0:
            return ranges
        gaps = sorted(range(1, len(ranges)), key=lambda at: ranges[at][0] - ranges[at - 1][1])
        joined_to_previous = set(gaps[:over])
        joined: Ranges = []
        for at, (first, last, points) in enumerate(ranges):
            if at in joined_to_previous:
                joined[-1] = [joined[-1][0], last, joined[-1][2] + points]
            else:
                joined.append([first, last, points])
        return joined

    # --- changes out ----------------------------------------------------------------------------------------------

    def keep(self, found: dict[str, Ranges]) -> None:
        """Note changes that are to be told."""
        with self.state["lock"]:
            pending = self.state["pending"]
            for name, ranges in found.items():
                pending[name] = self._merged(pending[name], ranges) if name in pending else ranges

    def _taken(self) -> dict[str, Ranges]:
        with self.state["lock"]:
            pending: dict[str, Ranges] = self.state["pending"]
            taken: dict[str, Ranges] = {}
            left = self.MOST_ROWS_PER_CALL
            for name in list(pending):
                if left <= 0:
                    break
                ranges = pending[name]
                taken[name], rest = ranges[:left], ranges[left:]
                left -= len(taken[name])
                if rest:
                    pending[name] = rest
                else:
                    del pending[name]
            return taken

    def tick(self) -> None:
        """Tell what is left, and that the plugin is alive."""
        now = time.time_ns()
        alive = self.state["ticked"] is None or now - self.state["ticked"] >= self.ALIVE_EVERY_SECONDS * 10**9
        if self.url:
            if self.state["pending"] or alive:
                self.tell()
        else:
            self.write_table(alive)
        if alive:
            self.state["ticked"] = now

    def write_table(self, alive: bool = False) -> None:
        taken = self._taken()
        rows = [(name, each[0], each[1], each[2]) for name, ranges in taken.items() for each in ranges]
        if alive:
            # A row about itself, of no points, says that the plugin is alive.
            rows.append((self.table, time.time_ns(), time.time_ns(), 0))
        with self.state["lock"]:
            # Rows of one time would replace each other.
            moment = max(time.time_ns(), self.state["row"] + 1)
            self.state["row"] = moment + len(rows)
        try:
            for place, (name, first, last, points) in enumerate(rows):
                line = LineBuilder(self.table)  # noqa: F821 - the engine brings it
                line.string_field("measurement", name).int64_field("first", first).int64_field("last", last)
                self.local.write(line.int64_field("points", points).time_ns(moment + place))
        except Exception as error:
            self._failed(taken, error)
            return
        if rows:
            self._succeeded(taken)

    def tell(self) -> None:
        """Tell `influx-lake serve`, unless it did not answer a short while ago."""
        if time.monotonic() < self.state["next_try"]:
            return
        taken = self._taken()
        changes = [
            {"measurement": name, "first": first, "last": last, "points": points}
            for name, ranges in taken.items()
            for first, last, points in ranges
        ]
        try:
            self._ask("/v1/changes", {"database": self.database, "source": self.source or None, "changes": changes})
        except Exception as error:
            self._failed(taken, error)
            return
        self._succeeded(taken)

    def _succeeded(self, taken: dict[str, Ranges]) -> None:
        with self.state["lock"]:
            self.state["told"] = time.time_ns()
            self.state["changes"] += sum(map(len, taken.values()))
            self.state["failures"], self.state["next_try"], self.state["error"] = 0, 0.0, None

    def _failed(self, taken: dict[str, Ranges], error: Exception) -> None:
        self.keep(taken)
        with self.state["lock"]:
            pause = min(2 ** min(self.state["failures"], 10), self.LONGEST_PAUSE_SECONDS)
            self.state["failures"] += 1
            self.state["next_try"] = time.monotonic() + pause
            self.state["error"] = self._said(error)
        self.local.warn(
            f"influx_lake: changes could not be told, and are kept: {self.state['error']} (again in {pause} s)"
        )

    @staticmethod
    def _said(error: Exception) -> str:
        body = ""
        if hasattr(error, "read"):
            body = error.read(300).decode("utf-8", "replace")
        return f"{type(error).__name__}: {error} {body}".strip()

    def _ask(self, path: str, content: dict[str, Any]) -> tuple[int, Any]:
        """Ask `influx-lake serve`; its status and its answer.

        Raises:
            OSError: It does not answer, or refuses.
        """
        import json
        import ssl
        import urllib.request

        class NoRedirect(urllib.request.HTTPRedirectHandler):
            def redirect_request(self, *_: Any) -> None:
                # The token is for this address.
                return None

        headers = {"Content-Type": "application/json"}
        token = self._token()
        if token:
            headers["Authorization"] = "Bearer " + token
        if not self.url.startswith(("http://", "https://")):
            raise ValueError(f"the argument url is no http address: {self.url}")
        request = urllib.request.Request(  # noqa: S310 - of these schemes alone
            self.url + path, json.dumps(content).encode(), headers, method="POST"
        )
        # Not through a proxy that the database's environment happens to name.
        handlers: list[Any] = [urllib.request.ProxyHandler({}), NoRedirect()]
        if self.url.startswith("https:"):
            handlers.append(urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=self.ca_file)))
        with urllib.request.build_opener(*handlers).open(request, timeout=self.TIMEOUT_SECONDS) as answer:
            said = answer.read(self.MOST_ANSWER_BYTES)
            return answer.status, json.loads(said) if said else None

    def _token(self) -> str:
        import os

        if self.token_file:
            with open(self.token_file, encoding="utf-8") as file:
                return file.read().strip()
        return os.environ.get(self.token_variable, "")

    # --- requests -------------------------------------------------------------------------------------------------

    def request(self, query: dict[str, str] | None, body: bytes) -> Answer:
        import json

        try:
            asked = json.loads(body) if body else {}
        except ValueError:
            return {"error": "the body is no JSON"}, 400
        if not isinstance(asked, dict):
            return {"error": "the body is no JSON object"}, 400
        action = asked.get("action") or (query or {}).get("action") or "status"
        if action == "status":
            return self.status(), 200
        if action == "replicate":
            return self.replicate({**(query or {}), **asked})
        return {"error": f"there is no action {action!r}: ask for status or replicate"}, 400

    def status(self) -> dict[str, Any]:
        state = self.state
        with state["lock"]:
            return {
                "plugin": "influx_lake_changes",
                "version": INFLUX_LAKE_CHANGES_VERSION,
                "database": self.database,
                "source": self.source,
                "tells": self.url or self.table,
                "since": state["since"],
                "flushes": state["flushes"],
                "points": state["points"],
                "flushed": state["flushed"],
                "ticked": state["ticked"],
                "told": state["told"],
                "changes": state["changes"],
                "pending": sum(map(len, state["pending"].values())),
                "failures": state["failures"],
                "error": state["error"],
            }

    def replicate(self, asked: dict[str, Any]) -> Answer:
        """Have windows loaded again: by `influx-lake serve`, or as a change that the table of changes tells."""
        name, bounds = asked.get("measurement"), [asked.get("start"), asked.get("end")]
        if not isinstance(name, str) or not name:
            return {"error": "measurement is missing"}, 400
        try:
            first, end = (self._nanoseconds(text) for text in bounds)
        except (TypeError, ValueError, OverflowError):
            return {"error": "start and end are times, such as 2026-01-31T00:00:00Z"}, 400
        if first >= end:
            return {"error": "start is not before end"}, 400
        if not self.url:
            self.keep({name: [[first, end - 1, 0]]})
            self.write_table()
            return {"status": "noted", "measurement": name}, 202
        wanted = {"measurements": [name], "start": asked["start"], "end": asked["end"]}
        try:
            status, answer = self._ask("/v1/windows", wanted)
        except Exception as error:
            code = getattr(error, "code", None)
            return {"error": self._said(error)}, code if isinstance(code, int) and 400 <= code < 500 else 502
        return (answer if isinstance(answer, dict) else {"answer": answer}), status

    @staticmethod
    def _nanoseconds(text: Any) -> int:
        import datetime

        moment = datetime.datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=datetime.UTC)
        epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
        return (moment - epoch) // datetime.timedelta(microseconds=1) * 1_000


def process_writes(influxdb3_local: Any, table_batches: list[Any], args: dict[str, str] | None = None) -> None:
    """Called by the engine with the points of a WAL flush."""
    InfluxLakeChanges(influxdb3_local, args).flush(table_batches)


def process_scheduled_call(influxdb3_local: Any, call_time: Any, args: dict[str, str] | None = None) -> None:  # noqa: ARG001
    """Called by the engine every few seconds; `call_time` is local and says no zone, so that it is not used."""
    InfluxLakeChanges(influxdb3_local, args).tick()


def process_request(
    influxdb3_local: Any,
    query_parameters: dict[str, str] | None,
    request_headers: dict[str, str],  # noqa: ARG001
    request_body: bytes,
    args: dict[str, str] | None = None,
) -> Answer:
    """Called by the engine for a request: `status`, or `replicate` with measurement, start and end."""
    return InfluxLakeChanges(influxdb3_local, args).request(query_parameters, request_body)
