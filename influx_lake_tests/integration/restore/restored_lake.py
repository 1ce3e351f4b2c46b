"""Lakes whose measurements go from one InfluxDB to another."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from influx_lake.sandbox import Sandbox
from testbed.faulty_proxy import FaultyProxy
from testbed.influxdb_servers import ORG, TOKEN, influxdb1, influxdb2

DAY_NS = 86_400 * 10**9
FIRST_DAY_NS = 1_767_225_600 * 10**9  # 2026-01-01
VERSIONS = ("influxdb1", "influxdb2", "influxdb3")
ODD = "odd, field"
"""A field that the target has with another type, so that it refuses each point with it."""


@dataclass
class Target:
    """An InfluxDB that points are restored into, behind a proxy.

    Attributes:
        options: The entry of `sources` that reaches it.
        write: Writes lines to it, past the proxy.
        proxy: The proxy.
    """

    options: str
    write: Any
    proxy: FaultyProxy


@contextmanager
def target(version: str, folder: Path, seed: int, share: float) -> Iterator[Target]:
    """A server of a version."""
    retry = "retry: {budget: 60s, first_wait: 1ms, longest_wait: 20ms}"
    if version == "influxdb3":
        with Sandbox() as box, FaultyProxy(box.url, seed, share).running() as proxy:
            (folder / "token3").write_text(str(box.token))
            options = (
                f'{{host: "{proxy.url}", database: spare, query_port: {box.port}, token: "${{file:token3}}", {retry}}}'
            )
            yield Target(options, lambda lines: box.write("spare", lines), proxy)
        return
    started = influxdb1(folder / "v1") if version == "influxdb1" else influxdb2(folder / "v2")
    with started as server, FaultyProxy(server.url, seed, share).running() as proxy:
        (folder / "token2").write_text(TOKEN)
        more = "" if version == "influxdb1" else f'org: {ORG}, token: "${{file:token2}}", '
        name = "database" if version == "influxdb1" else "bucket"
        yield Target(f'{{type: {version}, host: "{proxy.url}", {name}: telemetry, {more}{retry}}}', server.write, proxy)


def write_lake(folder: Path, box: Sandbox, target: Target, *, more: str = "") -> None:
    """A lake.yaml with the sandbox as its source, and the target as `spare`."""
    (folder / "token").write_text(str(box.token))
    (folder / "lake.yaml").write_text(
        f"""\
sources:
  default: {{host: "{box.url}", database: telemetry, token: "${{file:token}}"}}
  spare: {target.options}
catalog: {{type: sql, uri: 'sqlite:///./catalog.db', warehouse: ./warehouse}}
defaults: {{partition: {{start: 2026-01-01}}}}
measurements:
  cpu: {{{more}}}
"""
    )


def mixed_lines(count: int, seed: int, *, unsigned: bool, odd_share: float) -> Iterator[tuple[str, bool]]:
    """Lines of every type, with gaps, escapes and nanoseconds, over two days; and whether each has the odd field."""
    chance = random.Random(seed)
    step = 2 * DAY_NS // count
    for number in range(count):
        tags = f",host=h{number % 50}" + (f",odd\\ key=a\\,\\ b\\=é{number % 3}" if number % 4 else "")
        fields = {
            "f": repr(chance.uniform(-1e6, 1e6)) if number % 7 else "-0.0",
            "i": f"{chance.getrandbits(63) - 2**62}i",
            "b": chance.choice(("true", "false")),
            "s": f'"text \\"{number % 11}\\" \\\\ \n,= ü"' if number % 3 == 0 else f'"t{number % 100}"',
            "tiny": repr(chance.random() * 1e-300),
        }
        if unsigned:
            fields["u"] = f"{chance.getrandbits(64)}u"
        kept = [f"{name}={text}" for name, text in fields.items() if chance.random() < 0.7] or ["f=1.5"]
        is_odd = chance.random() < odd_share
        if is_odd:
            kept.append("odd\\,\\ field=1.5")
        yield f"cpu{tags} {','.join(kept)} {FIRST_DAY_NS + number * step + chance.randrange(step)}", is_odd


def command(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """A command on the lake, in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "influx_lake.cli", *arguments, "-c", str(folder / "lake.yaml"), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def told(process: subprocess.Popen[str]) -> dict[str, Any]:
    """What a command tells."""
    out, err = process.communicate(timeout=1200)
    assert out, err
    found = json.loads(out)
    assert isinstance(found, dict)
    return found


def letters(path: str) -> list[str]:
    """The lines of dead letters, without their reasons; strings of theirs may go over several."""
    lines, found = Path(path).read_text().split("\n"), list[str]()
    for line in lines:
        if line.startswith(("#", "cpu")) or not found:
            found.append(line)
        else:
            found[-1] += f"\n{line}"
    return [line.rstrip("\n") for line in found if line and not line.startswith("#")]
