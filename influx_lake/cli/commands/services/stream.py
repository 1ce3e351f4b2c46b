"""The command `influx-lake stream`."""

from __future__ import annotations

import signal
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from influx_lake.cli.options import ConfigOption, JsonOption
from influx_lake.cli.output import output

if TYPE_CHECKING:
    from influx_lake.config import Lake
    from influx_lake.streaming.stream import Stream


def stream(
    name: Annotated[str | None, typer.Argument(help="The source of type kafka. Required if there are several.")] = None,
    available_now: Annotated[
        bool, typer.Option("--available-now", "--once", help="Add the messages that the topics hold now, then exit.")
    ] = False,
    accept_loss: Annotated[
        bool, typer.Option(help="Continue although the topics no longer have some messages that were never added.")
    ] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add the points of Kafka topics to their tables as they arrive, until stopped."""
    from influx_lake.cli.session import open_session
    from influx_lake.streaming.stream import Stream
    from influx_lake.streaming.stream_loop import Running

    with output(as_json) as out, open_session(config, command="influx-lake stream") as session:
        chosen = _chosen(session.lake, name)
        running = Stream(
            session.lake,
            session.catalog,
            chosen,
            f"cli-{uuid.uuid4()}",
            session.identities,
            lambda found: _keep(session.lake, found),
        )
        with _stopped_by_signals() as stopping:
            Running(running, stopping, until_now=available_now, accept_loss=accept_loss, tell=out.line).run()
        out.result(_facts(running))


def _chosen(lake: Lake, name: str | None) -> str:
    from influx_lake.config.report.diagnostics import suggestion
    from influx_lake.errors import ConfigurationError
    from influx_lake.replication.streams.ledger import streams_of

    known = streams_of(lake)
    if name in known:
        return name
    if name is None and len(known) == 1:
        return next(iter(known))
    if not known:
        raise ConfigurationError(
            f"{lake.path.name} has no source of type kafka",
            remedy="Declare it: sources: {events: {type: kafka, brokers: [...], topics: [...], database: ...}}",
        )
    if name is None:
        raise ConfigurationError(f"there are several streams: {', '.join(known)}", remedy="Name one of them")
    raise ConfigurationError(f"{name!r} is no source of type kafka{suggestion(name, known)}", remedy="Name one that is")


def _keep(lake: Lake, found: Any) -> None:
    """Keep the names that patterns match beside lake.yaml, so that what else reads it knows them."""
    from influx_lake.config import read_discovered, write_discovered

    known = read_discovered(lake.root).measurements
    new = {source: {*known.get(source, ()), *names} for source, names in found.items()}
    if any(names - set(known.get(source, ())) for source, names in new.items()):
        write_discovered(lake.root, new)


@contextmanager
def _stopped_by_signals() -> Iterator[threading.Event]:
    """An event that SIGTERM and Ctrl-C set; a second one ends the process."""
    stopping = threading.Event()
    former: dict[int, Any] = {}

    def stop(number: int, *_: object) -> None:
        stopping.set()
        signal.signal(number, former[number])

    for number in (int(signal.SIGTERM), int(signal.SIGINT)):
        former[number] = signal.signal(number, stop)
    try:
        yield stopping
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _facts(stream: Stream) -> dict[str, Any]:
    from influx_lake.replication.streams.facts import stream_facts

    return stream_facts(stream.name, stream.ledger)
