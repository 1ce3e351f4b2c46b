"""Fault injection: makes the sandbox fail as real servers and networks do."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """The gRPC status of an injected failure."""

    UNAVAILABLE = "unavailable"
    INTERNAL = "internal"
    UNAUTHENTICATED = "unauthenticated"
    PERMISSION_DENIED = "permission_denied"
    CANCELLED = "cancelled"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    UNKNOWN = "unknown"


@dataclass
class Faults:
    """The faults to inject, changeable while the server runs. All are off by default.

    Attributes:
        unavailable: Every query is refused with UNAVAILABLE, every HTTP request with 503.
        unauthenticated: Every token is refused.
        file_limit: A query that touches more 10-minute chunks of a measurement than this is refused, as InfluxDB 3 Core
            refuses queries that touch too many Parquet files.
        hidden_before: Rows older than this (nanoseconds) are missing from queries, as after a restart of Core with more
            history than it loads.
        missing: Rows in these windows (nanoseconds, half-open) are missing from the next `missing_queries` queries, as
            while an old Core takes a snapshot.
        missing_queries: How many more queries `missing` applies to.
        stale_updates: A corrected value is visible until it is persisted; then the one that was persisted first wins
            again, as in InfluxDB 3 Core. Fields that the older point lacked stay.
        flush_delay: Seconds from a write to its acknowledgement and visibility (`no_sync`: only to its visibility).
        fail_after_rows: A stream of rows fails with `fail_status` after this many rows.
        fail_status: The status for `fail_after_rows`.
        fail_times: How many more streams `fail_after_rows` and `drop_after_rows` apply to; None for all.
        drop_after_rows: The TCP connection is cut after this many rows were produced.
        batch_delay: Seconds to sleep before each batch of a stream.
    """

    unavailable: bool = False
    unauthenticated: bool = False
    file_limit: int | None = None
    hidden_before: int | None = None
    missing: list[tuple[int, int]] = field(default_factory=list)
    missing_queries: int = 0
    stale_updates: bool = False
    flush_delay: float = 0.0
    fail_after_rows: int | None = None
    fail_status: Status = Status.INTERNAL
    fail_times: int | None = None
    drop_after_rows: int | None = None
    batch_delay: float = 0.0

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    def clear(self) -> None:
        """Switch everything off."""
        self.update(**asdict(Faults()))

    def update(self, **values: Any) -> None:
        """Set several faults at once; JSON values are accepted.

        Raises:
            ValueError: for an unknown fault or status.
        """
        known = {entry.name for entry in fields(self)}
        if unknown := sorted(values.keys() - known):
            raise ValueError(f"unknown fault {', '.join(unknown)}; known are {', '.join(sorted(known))}")
        if "fail_status" in values:
            values["fail_status"] = Status(values["fail_status"])
        if "missing" in values:
            values["missing"] = [(int(start), int(end)) for start, end in values["missing"]]
        with self._lock:
            for name, value in values.items():
                setattr(self, name, value)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def take_missing(self) -> list[tuple[int, int]]:
        """The windows that are hidden from the current query."""
        with self._lock:
            if not self.missing or self.missing_queries <= 0:
                return []
            self.missing_queries -= 1
            return list(self.missing)

    def take_break(self) -> bool:
        """Whether the stream that has reached its breaking point fails."""
        with self._lock:
            if self.fail_times is None:
                return True
            if self.fail_times <= 0:
                return False
            self.fail_times -= 1
            return True
