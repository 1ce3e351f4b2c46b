"""Servers that tell the truth to all but one question, and what a load from them ends in."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from influx_lake.config.connections import ServerConfig
from influx_lake.errors import SourceError
from influx_lake_tests.unit.sources.lies import truth
from influx_lake_tests.unit.sources.lies.server import Asked, Http, LyingServer, Sent, lying

SOON = 50.0
"""Seconds in which even a slow machine has given up on a server whose time-out is one second: less than lies last."""

Lie = Callable[[bytes, str, LyingServer], Iterable[Sent]]
Outcome = type[SourceError] | tuple[type[SourceError], ...]


@dataclass(frozen=True)
class Speaker:
    """A server that tells the truth to all but the question for rows.

    Attributes:
        config: Makes the configuration of a source that reads it.
        others: What it answers to everything else.
        parts: Its whole answer with the rows, in parts that are whole in themselves.
        kind: The answer's Content-Type.
    """

    config: Callable[..., ServerConfig]
    others: Callable[[Asked], bytes | None]
    parts: Callable[[], list[bytes]]
    kind: str

    @property
    def whole(self) -> bytes:
        return b"".join(self.parts())


SPEAKERS = {
    "influxdb1": Speaker(truth.influxdb1, truth.influxql, truth.influxql_rows, "application/json"),
    "influxdb2": Speaker(truth.influxdb2, truth.influxql, truth.influxql_rows, "application/json"),
    "flux": Speaker(truth.flux, truth.flux_others, truth.flux_rows, "text/csv; charset=utf-8"),
    "influxdb3": Speaker(truth.influxdb3, truth.sql_others, truth.sql_rows, "application/jsonl"),
    "influxdb3-csv": Speaker(truth.influxdb3, truth.sql_others, truth.csv_rows, "text/csv"),
}


def outcome(speaker: Speaker, lie: Lie, **options: Any) -> SourceError | list[dict[str, Any]]:
    """What a load of the window ends in."""

    def answer(asked: Asked) -> Iterator[Sent]:
        truth = speaker.others(asked)
        if truth is not None:
            yield Http(truth, speaker.kind).chunked()
        else:
            yield from lie(speaker.whole, speaker.kind, server)

    with lying(answer) as server:
        began = time.monotonic()
        try:
            return truth.load(speaker.config(server.url, **options))
        except SourceError as error:
            return error
        finally:
            assert time.monotonic() - began < SOON


def fails(speaker: Speaker, lie: Lie, kind: Outcome, says: str, **options: Any) -> None:
    came = outcome(speaker, lie, **options)
    assert isinstance(came, SourceError), f"{len(came)} rows were taken for the truth"
    assert isinstance(came, kind), came
    assert says in str(came), came
    assert came.window == str(truth.WINDOW)
    assert came.remedy
    assert "catalog" not in str(came)


def text(old: str, new: str, times: int = 1) -> Lie:
    """The truth with something else in the place of some of it."""
    return lambda body, kind, server: [Http(body.replace(old.encode(), new.encode(), times), kind).chunked()]
