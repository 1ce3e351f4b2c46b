"""Points that are the same in every InfluxDB, and the real servers that hold them."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime

import pytest

from influx_lake.config import Secret
from influx_lake.config.connections import AutoConfig
from influx_lake.config.values.windows import Window
from testbed.influxdb_servers import TOKEN, Server, influxdb1, influxdb2

START = datetime(2026, 3, 1, tzinfo=UTC)
WINDOW = Window(START, datetime(2026, 3, 2, tzinfo=UTC))
START_NS = WINDOW.start_us * 1000
DAY_NS = 86_400 * 10**9
AWKWARD = [
    "",
    " ",
    "null",
    "true",
    "1.5",
    'say "hi"',
    "back\\slash",
    "a],[1",
    "],[1700000000000000000,2",
    "line\nend",
    "tab\there",
    "<a href='x'>&amp;</a>",
    "über, 東京 🦆",
    "'; DROP",
    "a,b",
    "[[1]]",
    '"values":[[',
]
_EQUALS = "\\="
NAME = 'wéird "m", a=b'


def _text(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _tag(value: str) -> str:
    return value.replace(",", "\\,").replace("=", "\\=").replace(" ", "\\ ")


def line_protocol(points: int, *, name: str = NAME, seed: int = 5) -> Iterator[str]:
    """Points with every type that all versions hold, gaps, odd texts and nanoseconds, each series and time once."""
    chance = random.Random(seed)
    step = DAY_NS // points
    for number in range(points):
        tags = f",host=h{number % 7}" + (f",{_tag('odd key')}={_tag('a, b=c')}" if number % 3 else "")
        values = {
            "f": repr(struct.unpack("<d", struct.pack("<q", chance.getrandbits(62)))[0]),
            "whole": f"{float(chance.randrange(10**17))!r}",
            "i": f"{chance.randrange(-(2**63) + 1, 2**63)}i",
            "b": chance.choice(["true", "false"]),
            "s": _text(chance.choice(AWKWARD)),
            _tag('sp ace,="q"'): "1i",
        }
        kept = {key: value for key, value in values.items() if chance.random() > 0.2} or {"i": "0i"}
        fields = ",".join(f"{key}={value}" for key, value in kept.items())
        yield f"{_tag(name).replace(_EQUALS, '=')}{tags} {fields} {START_NS + number * step + number % 1000}"


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Server]]:
    with ExitStack() as stack:
        yield {
            "1.6": stack.enter_context(influxdb1(tmp_path_factory.mktemp("v16"), "1.6")),
            "1.8": stack.enter_context(influxdb1(tmp_path_factory.mktemp("v18"), "1.8")),
            "2": stack.enter_context(influxdb2(tmp_path_factory.mktemp("v2"))),
        }


def auto_config(server: Server) -> AutoConfig:
    return AutoConfig(type="auto", host=server.url, database="telemetry", org="plant", token=Secret(TOKEN))
