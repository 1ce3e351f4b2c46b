"""influx-lake's plugin for InfluxDB 3's processing engine: reports which time of which table got points.

One file, which needs only Python's standard library. It moves no rows and runs no queries: for each WAL flush it keeps
the times of the points, hour by hour, and reports them

- in a table of the database (`influx_lake_changes`), which influx_lake's sensor reads, or
- where `url` is given, to `influx-lake serve`.

`influx-lake engine install` makes its three triggers: `all_tables`, `every:5s` and `request:...`. Their arguments:

    database             the database's name
    source               the source's name in lake.yaml
    table                the table of changes; default influx_lake_changes
    younger_than         points younger than so many seconds are not reported: their windows are loaded later anyway
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
    LONGEST_PAUSE_SECONDS = ALIVE_EVERY_SECONDS = 60
    MOST_ANSWER_BYTES = 1_000_000
    # By what was told, and not by who tells it: other changes may be taken.
    REFUSED = (400, 413, 422)
    INT64 = 2**63 - 1

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
                "refused": {},
                "since": time.time_ns(),
                "next_try": 0.0,
                **dict.fromkeys(("flushes", "points", "changes", "failures", "row"), 0),
                **dict.fromkeys(("flushed", "ticked", "told", "error")),
            }
            self.local.cache.put(key, known, None, True)
        return known

    def flush(self, batches: list[Any]) -> None:
        newest = time.time_ns() - self.younger_than
        found: dict[str, Ranges] = {}
        points = 0
        for batch in batches:
            parts = (
                batch if isinstance(batch, dict) else {each: getattr(batch, each) for each in ("table_name", "rows")}
            )
            name, rows = parts["table_name"], parts["rows"]
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

    def _ranges(self, rows: list[Any], newest: int) -> Ranges:
        """The first time, last time and number of points, for each hour that has points."""
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
        """The ranges, merged across the smallest gaps where there are too many."""
        over = len(ranges) - self.MOST_RANGES
        if over <= 0:
            return ranges
        to_previous = set(sorted(range(1, len(ranges)), key=lambda at: ranges[at][0] - ranges[at - 1][1])[:over])
        joined: Ranges = []
        for at, (first, last, points) in enumerate(ranges):
            if at in to_previous:
                joined[-1] = [joined[-1][0], last, joined[-1][2] + points]
            else:
                joined.append([first, last, points])
        return joined

    def keep(self, found: dict[str, Ranges]) -> None:
        """Queue changes to be reported."""
        with self.state["lock"]:
            for name, ranges in found.items():
                kept = self.state["refused" if name in self.state["refused"] else "pending"]
                kept[name] = self._merged(kept[name], ranges) if name in kept else ranges

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
        """Report queued changes, and send a heartbeat."""
        now = time.time_ns()
        alive = self.state["ticked"] is None or now - self.state["ticked"] >= self.ALIVE_EVERY_SECONDS * 10**9
        if self.url:
            if alive and self.state["refused"]:
                with self.state["lock"]:
                    refused, self.state["refused"] = self.state["refused"], {}
                self.keep(refused)
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
                line.string_field("measurement", self._encoded(name)).int64_field("first", first).int64_field(
                    "last", last
                )
                self.local.write(line.int64_field("points", points).time_ns(moment + place))
        except Exception as error:
            self._failed(taken, error)
            return
        if rows:
            self._succeeded(taken)

    @staticmethod
    def _encoded(name: str) -> str:
        """A name, percent-encoded where versions of the engine escape differently; readers of the table decode it."""
        return "".join(f"%{ord(each):02X}" if each in '%"\\' or each < " " else each for each in name)

    def tell(self) -> None:
        """Report to `influx-lake serve`, unless it recently did not answer."""
        if time.monotonic() < self.state["next_try"]:
            return
        waiting = [self._taken()]
        while waiting:
            taken = waiting.pop()
            keys = ("measurement", "first", "last", "points")
            changes = [dict(zip(keys, (name, *each), strict=True)) for name, ranges in taken.items() for each in ranges]
            try:
                self._ask("/v1/changes", {"database": self.database, "source": self.source or None, "changes": changes})
            except Exception as error:
                if getattr(error, "code", None) not in self.REFUSED:
                    self._failed({name: ranges for some in (taken, *waiting) for name, ranges in some.items()}, error)
                    return
                if len(taken) > 1:
                    # What is refused of it must not hold up the others.
                    tables = list(taken.items())
                    waiting += [dict(tables[: len(tables) // 2]), dict(tables[len(tables) // 2 :])]
                else:
                    self._refused(taken, error)
            else:
                self._succeeded(taken)

    def _succeeded(self, taken: dict[str, Ranges]) -> None:
        with self.state["lock"]:
            self.state["told"] = time.time_ns()
            self.state["changes"] += sum(map(len, taken.values()))
            if not self.state["refused"]:
                self.state["failures"], self.state["next_try"], self.state["error"] = 0, 0.0, None

    def _refused(self, taken: dict[str, Ranges], error: Exception) -> None:
        """Put a table's changes off by a minute: the service accepts those of other tables."""
        with self.state["lock"]:
            self.state["refused"].update(taken)
            self.state["failures"] += 1
            self.state["error"] = f"{', '.join(name[:100] for name in taken)}: {self._reason(error)}"
        self.local.warn(f"influx_lake: changes were refused, and are kept: {self.state['error']}")

    def _failed(self, taken: dict[str, Ranges], error: Exception) -> None:
        self.keep(taken)
        with self.state["lock"]:
            pause = min(2 ** min(self.state["failures"], 10), self.LONGEST_PAUSE_SECONDS)
            self.state["failures"] += 1
            self.state["next_try"] = time.monotonic() + pause
            self.state["error"] = self._reason(error)
        self.local.warn(f"influx_lake: changes are kept, and told again in {pause} s: {self.state['error']}")

    @staticmethod
    def _reason(error: Exception) -> str:
        body = error.read(300).decode("utf-8", "replace") if hasattr(error, "read") else ""
        return f"{type(error).__name__}: {error} {body}".strip()

    def _ask(self, path: str, content: dict[str, Any]) -> tuple[int, Any]:
        """Send a request to `influx-lake serve`; returns status and body.

        Raises:
            OSError: It does not answer, or refuses.
        """
        import json
        import urllib.request

        class NoRedirect(urllib.request.HTTPRedirectHandler):
            def redirect_request(self, *_: Any) -> None:
                # The token is for this address.
                return None

        headers = {"Content-Type": "application/json"}
        if token := self._token():
            headers["Authorization"] = "Bearer " + token
        if not self.url.startswith(("http://", "https://")):
            raise ValueError(f"the argument url is no http address: {self.url}")
        request = urllib.request.Request(  # noqa: S310 - of these schemes alone
            self.url + path, json.dumps(content).encode(), headers, method="POST"
        )
        # Not through a proxy that the database's environment happens to name.
        handlers: list[Any] = [urllib.request.ProxyHandler({}), NoRedirect()]
        if self.url.startswith("https:"):
            import ssl  # which not every server's Python has

            handlers.append(urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=self.ca_file)))
        with urllib.request.build_opener(*handlers).open(request, timeout=self.TIMEOUT_SECONDS) as answer:
            body = answer.read(self.MOST_ANSWER_BYTES)
            return answer.status, json.loads(body) if body else None

    def _token(self) -> str:
        import os

        if self.token_file:
            with open(self.token_file, encoding="utf-8") as file:
                return file.read().strip()
        return os.environ.get(self.token_variable, "")

    def request(self, query: dict[str, str] | None, body: bytes) -> Answer:
        import json

        try:
            request = json.loads(body) if body else {}
        except ValueError:
            return {"error": "the body is no JSON"}, 400
        if not isinstance(request, dict):
            return {"error": "the body is no JSON object"}, 400
        action = request.get("action") or (query or {}).get("action") or "status"
        if action == "status":
            return self.status(), 200
        if action == "replicate":
            return self.replicate({**(query or {}), **request})
        return {"error": f"there is no action {action!r}: ask for status or replicate"}, 400

    def status(self) -> dict[str, Any]:
        state = self.state
        with state["lock"]:
            counted = ("since", "flushes", "points", "flushed", "ticked", "told", "changes", "failures", "error")
            return {
                "plugin": "influx_lake_changes",
                "version": INFLUX_LAKE_CHANGES_VERSION,
                "database": self.database,
                "source": self.source,
                "tells": self.url or self.table,
                "pending": sum(map(len, [*state["pending"].values(), *state["refused"].values()])),
                **{name: state[name] for name in counted},
            }

    def replicate(self, request: dict[str, Any]) -> Answer:
        """Have windows loaded again: by `influx-lake serve`, or by a row in the table of changes."""
        name, bounds = request.get("measurement"), [request.get("start"), request.get("end")]
        if not isinstance(name, str) or not name:
            return {"error": "measurement is missing"}, 400
        try:
            first, end = (self._nanoseconds(text) for text in bounds)
        except (TypeError, ValueError, OverflowError):
            return {"error": "start and end are times, such as 2026-01-31T00:00:00Z"}, 400
        if first >= end:
            return {"error": "start is not before end, or no point can lie between them"}, 400
        if not self.url:
            self.keep({name: [[first, end - 1, 0]]})
            self.write_table()
            return {"status": "noted", "measurement": name}, 202
        load = {"measurements": [name], "start": request["start"], "end": request["end"]}
        try:
            status, answer = self._ask("/v1/windows", load)
        except Exception as error:
            code = getattr(error, "code", None)
            return {"error": self._reason(error)}, code if isinstance(code, int) and 400 <= code < 500 else 502
        return (answer if isinstance(answer, dict) else {"answer": answer}), status

    @staticmethod
    def _nanoseconds(text: Any) -> int:
        import datetime

        moment = datetime.datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=datetime.UTC)
        epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
        nanoseconds = (moment - epoch) // datetime.timedelta(microseconds=1) * 1_000
        return max(-InfluxLakeChanges.INT64, min(nanoseconds, InfluxLakeChanges.INT64))


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
