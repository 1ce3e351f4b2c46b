"""The journal of requests in a SQLite file: requests, their windows and events are written before they are answered."""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from influx_lake.config.values.windows import Window, from_nanoseconds
from influx_lake.private_folders import OWN_FOLDER
from influx_lake.replication.requests.database import Database
from influx_lake.replication.requests.request import Assigned, Event, Kind, Request, RequestedWindow, Runner, State

FILE = Path(OWN_FOLDER) / "requests.db"
"""The path of the journal, relative to the folder of the lake.yaml."""
_FINAL = tuple(state.value for state in State if state.is_final)
_OPEN = tuple(state.value for state in State if not state.is_final)


class KeyReused(Exception):
    """An idempotency key was used before with another request."""


class Journal:
    """The requests of a lake, for as long as the object is open. Threads and processes may share the file.

    Args:
        path: The file; created, for this user alone, where it does not exist.

    Raises:
        StorageError: It cannot be created, or is not a journal.
    """

    def __init__(self, path: Path) -> None:
        self._database = Database(path)

    @classmethod
    def of(cls, root: Path) -> Journal:
        """The journal of the lake in a folder."""
        return cls(root / FILE)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def add(
        self,
        kind: Kind,
        runner: Runner,
        body: Mapping[str, Any],
        *,
        key: str | None = None,
        fingerprint: str | None = None,
    ) -> tuple[Request, bool]:
        """Keep a request; one whose idempotency key is known is not kept again.

        Args:
            kind: The kind of the request.
            runner: Who executes it: the service's threads, or runs of Dagster.
            body: The request's body, validated.
            key: The idempotency key: requests with the same key are the same request.
            fingerprint: A digest of the request, which a later one with the same key has to match.

        Returns:
            The request, and whether it is new.

        Raises:
            KeyReused: The key was used before with another fingerprint.
            StorageError: It cannot be written.
        """
        with self._database.transaction():
            if key is not None and (known := self._database.one("SELECT * FROM requests WHERE key = ?", key)):
                if known["fingerprint"] != fingerprint:
                    raise KeyReused
                return self._request(known), False
            request = uuid.uuid4().hex
            self._database.do(
                "INSERT INTO requests (id, kind, runner, body, state, created, key, fingerprint) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                request, kind, runner, json.dumps(body), State.WAITING, _now(), key, fingerprint,
            )  # fmt: skip
            self._tell(request, "waiting", {})
            found = self.find(request)
            assert found is not None
            return found, True

    def find(self, request: str) -> Request | None:
        """A request; None where there is none."""
        with self._database.reading():
            row = self._database.one("SELECT * FROM requests WHERE id = ?", request)
            return self._request(row) if row else None

    def has(self, key: str) -> bool:
        """Whether there is a request with this idempotency key."""
        with self._database.reading():
            return self._database.one("SELECT 1 FROM requests WHERE key = ?", key) is not None

    def requests(self, *, state: State | None = None, limit: int = 100, after: str | None = None) -> list[Request]:
        """Requests, newest first.

        Args:
            state: Only requests in this state.
            limit: The most requests.
            after: Only requests older than this one.
        """
        with self._database.reading():
            rows = self._database.all(
                "SELECT * FROM requests WHERE (?1 IS NULL OR state = ?1) AND (?2 IS NULL OR rowid < "
                "(SELECT rowid FROM requests WHERE id = ?2)) ORDER BY rowid DESC LIMIT ?3",
                (state, after, limit),
            )
            return [self._request(row) for row in rows]

    def open(self, runner: Runner | None = None) -> list[Request]:
        """The requests that have not ended, the oldest first."""
        with self._database.reading():
            rows = self._database.all(
                "SELECT * FROM requests WHERE state IN (?1, ?2) AND (?3 IS NULL OR runner = ?3) ORDER BY rowid",
                (*_OPEN, runner),
            )
            return [self._request(row) for row in rows]

    def count_open(self) -> int:
        """How many requests have not ended."""
        with self._database.reading():
            row = self._database.one("SELECT count(*) AS found FROM requests WHERE state IN (?, ?)", *_OPEN)
            return int(row["found"]) if row else 0

    def windows(
        self, request: str, *, state: State | None = None, limit: int = -1, first: int = 0
    ) -> list[RequestedWindow]:
        """The windows of a request, in their order.

        Args:
            request: The request.
            state: Only windows in this state.
            limit: The most windows; negative: all.
            first: The number of the first window.
        """
        with self._database.reading():
            rows = self._database.all(
                "SELECT * FROM windows WHERE request = ?1 AND number >= ?2 AND (?3 IS NULL OR state = ?3) "
                "ORDER BY number LIMIT ?4",
                (request, first, state, limit),
            )
            return [
                RequestedWindow(
                    row["number"],
                    row["measurement"],
                    Window.parse(row["window"]),
                    State(row["state"]),
                    _read(row["facts"]),
                    _read(row["error"]),
                    Assigned(row["run"], row["asset"], row["partition"]) if row["run"] else None,
                )
                for row in rows
            ]

    def events(self, request: str, after: int = 0, limit: int = 1_000) -> list[Event]:
        """The events of a request after a given one, oldest first."""
        with self._database.reading():
            rows = self._database.all(
                "SELECT * FROM events WHERE request = ? AND number > ? ORDER BY number LIMIT ?", (request, after, limit)
            )
            return [Event(row["number"], row["name"], json.loads(row["data"])) for row in rows]

    def begin(self, request: str) -> bool:
        """Record that work on a request begins; False where it has ended meanwhile."""
        with self._database.transaction():
            begun = self._database.do(
                "UPDATE requests SET state = ?, began = coalesce(began, ?) WHERE id = ? AND state IN (?, ?)",
                State.RUNNING, _now(), request, *_OPEN,
            )  # fmt: skip
            if begun:
                self._tell(request, "running", {})
            return begun > 0

    def plan(self, request: str, windows: Iterable[tuple[str, Window]], remarks: Sequence[str] = ()) -> None:
        """Record the windows of a request.

        Args:
            request: The request.
            windows: Its windows, as (measurement, window).
            remarks: Remarks for the client.
        """
        with self._database.transaction():
            rows = [(request, number, name, str(window)) for number, (name, window) in enumerate(windows)]
            self._database.do("DELETE FROM windows WHERE request = ?", request)
            self._database.do_each(
                "INSERT INTO windows (request, number, measurement, window, state) VALUES (?, ?, ?, ?, 'waiting')", rows
            )
            result = {"remarks": list(remarks)} if remarks else None
            self._database.do("UPDATE requests SET planned = 1, result = ? WHERE id = ?", _written(result), request)
            self._tell(request, "planned", {"windows": len(rows)})

    def assign(self, request: str, assigned: Mapping[int, Assigned]) -> None:
        """Record which runs of Dagster load the windows of a request, by the windows' numbers."""
        with self._database.transaction():
            self._database.do_each(
                "UPDATE windows SET run = ?, asset = ?, partition = ? WHERE request = ? AND number = ?",
                [(each.run, each.asset, each.partition, request, number) for number, each in assigned.items()],
            )

    def note(
        self,
        request: str,
        window: RequestedWindow,
        state: State,
        *,
        facts: Mapping[str, Any] | None = None,
        error: Mapping[str, Any] | None = None,
    ) -> None:
        """Record the state of a window of a request."""
        rows = int((facts or {}).get("rows", 0))
        with self._database.transaction():
            changed = self._database.do(
                "UPDATE windows SET state = ?, rows = ?, facts = ?, error = ? "
                "WHERE request = ? AND number = ? AND state <> ?",
                state, rows, _written(facts), _written(error), request, window.number, state,
            )  # fmt: skip
            if changed:
                told = {**_named(window), **(facts or {}), **({"error": error} if error else {})}
                self._tell(request, f"window_{state}", told, window.number)

    def progress(self, request: str, window: RequestedWindow, rows: int) -> None:
        """Record how many rows of a window were read so far; each call replaces the last."""
        with self._database.transaction():
            self._database.do(
                "DELETE FROM events WHERE request = ? AND window = ? AND name = 'progress'", request, window.number
            )
            self._tell(request, "progress", {**_named(window), "rows": rows}, window.number)

    def finish(
        self,
        request: str,
        state: State,
        *,
        result: Mapping[str, Any] | None = None,
        error: Mapping[str, Any] | None = None,
        unless_canceled: bool = False,
    ) -> None:
        """Record how a request ended; windows that were not begun become canceled.

        Args:
            request: The request.
            state: How it ended.
            result: Its result; None keeps what is recorded.
            error: Why it failed.
            unless_canceled: Whether it ends as canceled where it was canceled meanwhile.
        """
        with self._database.transaction():
            if unless_canceled and self._database.one("SELECT 1 FROM requests WHERE id = ? AND canceled", request):
                state = State.CANCELED
            ended = self._database.do(
                "UPDATE requests SET state = ?, ended = ?, result = coalesce(?, result), error = ? "
                "WHERE id = ? AND state IN (?, ?)",
                state, _now(), _written(result), _written(error), request, *_OPEN,
            )  # fmt: skip
            if ended:
                self._database.do(
                    "UPDATE windows SET state = ? WHERE request = ? AND state IN (?, ?)",
                    State.CANCELED, request, *_OPEN,
                )  # fmt: skip
                self._tell(request, state.value, {"error": error} if error else {})

    def cancel(self, request: str) -> bool:
        """Cancel a request: windows that wait are not begun. False where it has ended."""
        with self._database.transaction():
            return (
                self._database.do("UPDATE requests SET canceled = 1 WHERE id = ? AND state IN (?, ?)", request, *_OPEN)
                > 0
            )

    def resume(self) -> list[str]:
        """Reset the requests that were under way when the service stopped to waiting, with their unfinished windows.

        Returns:
            The requests that were under way.
        """
        with self._database.transaction():
            rows = self._database.all(
                "SELECT id FROM requests WHERE runner = ? AND state = ?", (Runner.SERVICE, State.RUNNING)
            )
            for row in rows:
                self._database.do(
                    "UPDATE windows SET state = ? WHERE request = ? AND state = ?",
                    State.WAITING, row["id"], State.RUNNING,
                )  # fmt: skip
                self._database.do("UPDATE requests SET state = ? WHERE id = ?", State.WAITING, row["id"])
                self._tell(row["id"], "resumed", {})
            return [row["id"] for row in rows]

    def forget(self, before: datetime) -> int:
        """Delete the requests that ended before a moment; returns how many."""
        with self._database.transaction():
            return self._database.do(
                "DELETE FROM requests WHERE state IN (?, ?, ?) AND ended < ?", *_FINAL, before.timestamp()
            )

    def _tell(self, request: str, name: str, data: Mapping[str, Any], window: int | None = None) -> None:
        self._database.do(
            "INSERT INTO events (request, name, window, data) VALUES (?, ?, ?, ?)",
            request, name, window, json.dumps(data),
        )  # fmt: skip

    def _request(self, row: sqlite3.Row) -> Request:
        counted = self._database.all(
            "SELECT state, count(*) AS found, sum(rows) AS rows FROM windows WHERE request = ? GROUP BY state",
            (row["id"],),
        )
        return Request(
            id=row["id"],
            kind=Kind(row["kind"]),
            runner=Runner(row["runner"]),
            body=json.loads(row["body"]),
            state=State(row["state"]),
            created=_moment(row["created"]),
            began=_moment(row["began"]) if row["began"] is not None else None,
            ended=_moment(row["ended"]) if row["ended"] is not None else None,
            is_planned=bool(row["planned"]),
            is_canceled=bool(row["canceled"]),
            windows={State(each["state"]): each["found"] for each in counted},
            rows=sum(each["rows"] for each in counted),
            result=_read(row["result"]),
            error=_read(row["error"]),
        )


def _named(window: RequestedWindow) -> dict[str, Any]:
    return {"measurement": window.measurement, "window": str(window.window)}


def _written(content: Mapping[str, Any] | None) -> str | None:
    return None if content is None else json.dumps(content)


def _read(text: str | None) -> dict[str, Any] | None:
    return None if text is None else dict(json.loads(text))


def _now() -> float:
    return datetime.now(UTC).timestamp()


def _moment(seconds: float) -> datetime:
    return from_nanoseconds(int(seconds * 1_000_000) * 1_000)
