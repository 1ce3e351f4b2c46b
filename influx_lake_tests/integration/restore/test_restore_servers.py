"""From each InfluxDB into the lake, and from there into each other one: the databases are equal, value by value."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from influx_lake.cli.entry import run
from influx_lake.config import load_lake
from influx_lake.config.values.source_schema import Role
from influx_lake.config.values.windows import Window, parse_moment
from influx_lake.restore.delivery.batch import BatchWriter
from influx_lake.restore.delivery.refused_points import deliver
from influx_lake.restore.lines.dialect import GO, RUST
from influx_lake.restore.lines.point_batch import PointBatch
from influx_lake.restore.lines.writer import LineWriter
from influx_lake.restore.targets.server import ServerTarget, endpoint_of
from influx_lake.sandbox import Sandbox
from influx_lake.sources import open_source
from testbed.influxdb_servers import ORG, TOKEN, influxdb1, influxdb2

START_NS = 1_767_225_600 * 10**9
TEXTS = ["x", "é ü", "a,b", "c=d", 'say "hi"', "a\\b", "#", "true", "1i", " lead", "trail ", "'"]
MISREAD = [*TEXTS, "\\,", "\\ x", "a\\=", "\\\\ ,"]
"""With these InfluxDB 1 and 2 lose count of quotes, where they cut a body into lines."""
IN_FIELDS = [*TEXTS, "", "\\", "tab\t", '"', '\\"', "\\\\"]
BREAKS = ["two\nlines", "a,b=c 1i\n#", '"\n"']
DAY = Window(parse_moment("2026-01-01"), parse_moment("2026-01-02"))
VERSIONS = ("influxdb1", "influxdb2", "influxdb3")


@dataclass
class Servers:
    """Servers of all versions, each with two databases."""

    write: dict[str, Callable[[str, str], object]]
    options: dict[str, str]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    folder = tmp_path_factory.mktemp("servers")
    with influxdb1(folder / "v1") as one, influxdb2(folder / "v2") as two, Sandbox() as box:
        one.query('CREATE DATABASE "spare"')
        one.query('CREATE RETENTION POLICY "raw data" ON "spare" DURATION INF REPLICATION 1')
        retry = "retry: {budget: 5s}"
        yield Servers(
            {
                "influxdb1": lambda name, lines: one.write(lines),
                "influxdb2": lambda name, lines: two.write(lines),
                "influxdb3": lambda name, lines: box.write("telemetry", lines),
            },
            {
                "influxdb1": f"{{type: influxdb1, host: '{one.url}', database: NAME, {retry}}}",
                "influxdb2": f"{{type: influxdb2, host: '{two.url}', org: {ORG}, bucket: telemetry, "
                f"token: {TOKEN}, {retry}}}",
                "influxdb3": f"{{host: '{box.url}', database: NAME, token: '{box.token}', {retry}}}",
            },
        )


def awkward_points(seed: int, count: int, versions: tuple[str, ...], *, misread: bool) -> PointBatch:
    """Points of every type that both versions hold, with awkward names and texts, gaps and nanoseconds."""
    chance = random.Random(seed)
    texts = MISREAD if misread else TEXTS
    in_fields = IN_FIELDS if misread else [*IN_FIELDS, *BREAKS]

    def column(kind: pa.DataType, make: Callable[[], Any]) -> pa.Array:
        return pa.array([make() if chance.random() < 0.7 else None for _ in range(count)], kind)

    tags = {
        "host": column(pa.string(), lambda: chance.choice(texts)),
        'odd, "tag"=x': column(pa.string(), lambda: chance.choice(texts)),
        "back\\slash": column(pa.string(), lambda: chance.choice(texts)).dictionary_encode(),
    }
    floats = [0.0, -0.0, 5e-324, 1.7976931348623157e308, 0.1, 1e21, 123456789012345680.0, -1e-7]
    fields = [
        ("f", column(pa.float64(), lambda: chance.choice([*floats, chance.uniform(-1e9, 1e9)]))),
        ('fi=eld, "q"', column(pa.int64(), lambda: chance.choice([-(2**63), 2**63 - 1, 0, chance.getrandbits(62)]))),
        ("flag", column(pa.bool_(), lambda: chance.random() < 0.5)),
        ("text", column(pa.string(), lambda: chance.choice(in_fields))),
        ("always", pa.array([chance.random() for _ in range(count)])),
    ]
    if "influxdb1" not in versions:
        fields.append(("u", column(pa.uint64(), lambda: chance.choice([2**64 - 1, 0, chance.getrandbits(64)]))))
    times = pa.array([START_NS + chance.randrange(86_400 * 10**9) for _ in range(count)], pa.int64())
    return PointBatch(times, tags, tuple(fields))


def expected(points: PointBatch) -> list[Any]:
    """The points as plain Python."""
    found = []
    for place in range(len(points)):
        tags = {name: values[place].as_py() for name, values in points.tags.items() if values[place].is_valid}
        fields = {name: _bits(values[place].as_py()) for name, values in points.fields if values[place].is_valid}
        found.append((points.times[place].as_py(), sorted(tags.items()), sorted(fields.items())))
    return sorted(found, key=repr)


def _bits(value: Any) -> Any:
    return struct.pack("<d", value) if isinstance(value, float) else (type(value).__name__, value)


def held(config: Path, source: str, name: str) -> list[Any]:
    """The points that a database has."""
    opened = open_source(load_lake(config).sources[source])
    schema = opened.schema(name)
    fields = [each.name for each in schema.columns if each.role is Role.FIELD]
    with opened.read(schema, DAY) as rows:
        found = [
            PointBatch(
                batch.column("time").cast(pa.int64()),
                {tag: batch.column(tag) for tag in schema.tags},
                tuple((each, batch.column(each)) for each in fields),
            )
            for batch in rows
        ]
    opened.close()
    return sorted((each for batch in found for each in expected(batch)), key=repr)


def write_lake(folder: Path, servers: Servers, source: str, target: str, name: str) -> Path:
    """A lake of a measurement."""
    path = folder / "lake.yaml"
    path.write_text(
        f"sources:\n  default: {servers.options[source].replace('NAME', 'telemetry')}\n"
        f"  spare: {servers.options[target].replace('NAME', 'spare')}\n"
        "catalog: {type: sql, uri: 'sqlite:///./catalog.db', warehouse: ./warehouse}\n"
        f"defaults: {{partition: {{start: 2026-01-01}}}}\nmeasurements:\n  m: {{measurement: '{name}'}}\n"
    )
    return path


@pytest.mark.servers
@pytest.mark.parametrize("source", VERSIONS)
@pytest.mark.parametrize("target", VERSIONS)
@pytest.mark.parametrize("misread", [False, True])
def test_a_round_trip(tmp_path: Path, servers: Servers, source: str, target: str, misread: bool) -> None:
    name = f'{source} to {target}, "odd" #' + (" misread" if misread else "")
    points = awkward_points(len(name), 300, (source, target), misread=misread)
    lines = LineWriter(name, RUST if source == "influxdb3" else GO).lines(points)
    assert not lines.faults
    # One by one, where the server would lose count.
    at_once = 1 if misread and source != "influxdb3" else 1000
    texts = lines.texts.to_pylist()
    for begin in range(0, len(texts), at_once):
        servers.write[source](name, "".join(texts[begin : begin + at_once]))
    config = write_lake(tmp_path, servers, source, target, name)
    assert held(config, "default", name) == expected(points)

    back = f"{name} again"
    range_ = ("--start", "2026-01-01", "--end", "2026-01-02", "-c", str(config))
    assert run(["replicate", "m", *range_]) == 0
    assert run(["restore", "m", "--to", "spare", "--as", back, "--batch-size", "7KB", *range_]) == 0
    assert held(config, "spare", back) == expected(points)


@pytest.mark.servers
@pytest.mark.parametrize("version", VERSIONS)
def test_names_and_texts_of_every_kind(tmp_path: Path, servers: Servers, version: str) -> None:
    chance = random.Random(len(version))
    config = write_lake(tmp_path, servers, version, version, "m")
    target = load_lake(config).sources["spare"]

    def text(most: int = 4) -> str:
        return "".join(chance.choice("ab,= \"\\#é'") for _ in range(chance.randint(1, most)))

    def texts() -> pa.Array:
        return pa.array([chance.choice([None, text(), text(6)]) for _ in range(8)], pa.string())

    looked_at = 0
    for number in range(40):
        name = text(5)
        writer = LineWriter(name, RUST if version == "influxdb3" else GO)
        if writer.fault:
            continue
        times = pa.array(range(START_NS + number * 1000, START_NS + number * 1000 + 8), pa.int64())
        # A name is that of a tag or of a field.
        tags = {f"{text()}t": texts() for _ in range(2)}
        fields = (*((f"{text()}f", texts()) for _ in range(2)), ("z", pa.array([1.5] * 8)))
        points = PointBatch(times, tags, fields)
        [batch] = BatchWriter(DAY, writer, 10**6, 10**6).batches([(0, points)])
        sending = ServerTarget(endpoint_of(target, name))
        assert deliver(batch, sending.send) == []
        sending.close()
        if len(batch):
            wanted = expected(points.take(pa.array(batch.places)))
            first = times[0].as_py()
            assert [each for each in held(config, "spare", name) if first <= each[0] < first + 8] == wanted
            looked_at += len(batch)
    assert looked_at > 100


@pytest.mark.servers
def test_a_retention_policy_of_several(tmp_path: Path, servers: Servers, capsys: pytest.CaptureFixture[str]) -> None:
    name = "policies"
    servers.write["influxdb3"](name, f"policies,host=a f=1.5 {START_NS}\npolicies f=2.5 {START_NS + 1}")
    config = write_lake(tmp_path, servers, "influxdb3", "influxdb1", name)
    config.write_text(config.read_text().replace("database: spare,", 'database: spare, retention_policy: "*",'))
    range_ = ("--start", "2026-01-01", "--end", "2026-01-02", "-c", str(config))
    assert run(["replicate", "m", *range_]) == 0
    assert run(["restore", "m", "--to", "spare", "--as", "raw data.policies", *range_]) == 0
    assert len(held(config, "spare", "raw data.policies")) == 2
    assert run(["restore", "m", "--to", "spare", *range_]) == 2
    assert "Write --as POLICY.MEASUREMENT" in capsys.readouterr().err


@pytest.mark.servers
@pytest.mark.parametrize("target", VERSIONS)
def test_a_database_that_does_not_exist(
    tmp_path: Path, servers: Servers, target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    name = f"nowhere {target}"
    servers.write["influxdb3"](name, f"nowhere\\ {target} f=1.5 {START_NS}")
    config = write_lake(tmp_path, servers, "influxdb3", target, name)
    range_ = ("--start", "2026-01-01", "--end", "2026-01-02", "-c", str(config))
    assert run(["replicate", "m", *range_]) == 0
    config.write_text(
        config.read_text()
        .replace("database: spare", "database: nowhere")
        .replace("bucket: telemetry", "bucket: nowhere")
    )
    code = run(["restore", "m", "--to", "spare", *range_])
    # InfluxDB 3 makes the database.
    assert code == (0 if target == "influxdb3" else 1)
    assert target == "influxdb3" or "Make the database, or bucket" in capsys.readouterr().err


@pytest.mark.servers
@pytest.mark.parametrize("target", ["influxdb1", "influxdb2"])
def test_fields_of_several_types_and_fields_called_like_tags(tmp_path: Path, servers: Servers, target: str) -> None:
    name, week = f"several {target}", 14 * 86_400 * 10**9
    escaped = name.replace(" ", "\\ ")
    # The type of a field is one in each shard.
    servers.write["influxdb1"](name, f"{escaped},host=a host=1.5,load=2i {START_NS}")
    servers.write["influxdb1"](name, f'{escaped},host=b host=2.5,load="high" {START_NS + week}')
    config = write_lake(tmp_path, servers, "influxdb1", target, name)
    config.write_text(config.read_text().replace("}\nmeasurements", ", on_type_conflict: new_column}\nmeasurements"))
    range_ = ("--start", "2026-01-01", "--end", "2026-01-16", "-c", str(config))
    assert run(["replicate", "m", *range_]) == 0
    assert run(["restore", "m", "--to", "spare", "--as", f"{name} again", *range_]) == 0
    opened = open_source(load_lake(config).sources["spare"])
    schema, whole = opened.schema(f"{name} again"), Window(parse_moment("2026-01-01"), parse_moment("2026-01-16"))
    with opened.read(schema, whole) as rows:
        found = [row for batch in rows for row in batch.drop_columns("time").to_pylist()]
    opened.close()
    assert sorted(found, key=repr) == [
        {"host": "a", "host__field": 1.5, "load": 2, "load__string": None},
        {"host": "b", "host__field": 2.5, "load": None, "load__string": "high"},
    ]
