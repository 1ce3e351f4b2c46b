"""Memory is bounded by `max_document`, whatever a server sends: measured in a process of its own."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from functools import cache

from influx_lake_tests.unit.sources.lies.server import Answer, Asked, Http, Sent, forever, lying
from influx_lake_tests.unit.sources.lies.speakers import SPEAKERS

LIMIT = 8_000_000
MOST = 80_000_000
"""How much more memory a lie may cost than the truth: a few times the limit, a small part of what is sent."""

CHILD = """
import json, resource, sys
from influx_lake.errors import SourceError
from influx_lake_tests.unit.sources.lies import truth
from influx_lake_tests.unit.sources.lies.speakers import SPEAKERS

def most():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

told = []
for name, url in json.loads(sys.argv[1]):
    try:
        truth.load(SPEAKERS[name].config(url, max_document=int(sys.argv[2])))
        told.append(("the truth", most()))
    except SourceError as error:
        told.append((str(error), most()))
print(json.dumps(told))
"""

Tell = Callable[[bytes, str, threading.Event], Iterable[Sent]]


@cache
def growing() -> bytes:
    """A thousand times as large as it seems."""
    return gzip.compress(bytes(200_000_000), 1)


def _truth(body: bytes, kind: str, over: threading.Event) -> Iterator[Sent]:
    yield Http(body, kind).chunked()


def _growing(body: bytes, kind: str, over: threading.Event) -> Iterator[Sent]:
    yield Http(growing(), kind, more=("Content-Encoding: gzip",)).sized()


def _endless(body: bytes, kind: str, over: threading.Event) -> Iterator[Sent]:
    yield Http(kind=kind).head()
    yield body.partition(b"\n")[0][:60]
    yield from forever(b"x" * 100_000, over)


def _answering(name: str, lie: Tell, over: threading.Event) -> Answer:
    speaker = SPEAKERS[name]

    def answer(asked: Asked) -> Iterator[Sent]:
        told = speaker.others(asked)
        yield from (
            [Http(told, speaker.kind).chunked()] if told is not None else lie(speaker.whole, speaker.kind, over)
        )

    return answer


def test_one_document_does_not_fill_the_memory() -> None:
    assert len(growing()) < 1_000_000
    over = threading.Event()
    with ExitStack() as servers:
        servers.callback(over.set)
        asked = [
            (name, servers.enter_context(lying(_answering(name, lie, over))).url)
            for lie in (_truth, _endless, _growing)
            for name in ("influxdb1", "flux", "influxdb3")
        ]
        ran = subprocess.run(
            [sys.executable, "-c", CHILD, json.dumps(asked), str(LIMIT)],
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert ran.returncode == 0, ran.stderr
    document = json.loads(ran.stdout)
    assert [said for said, _ in document[:3]] == ["the truth"] * 3
    for said, memory in document[3:]:
        assert "larger than 8MB" in said
        assert "`max_document`" in said
        assert memory - document[2][1] < MOST
