"""Each kind of source tells its oldest points, and the lake begins there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest

from influx_lake.cli.entry import run
from influx_lake.config import load_lake
from influx_lake.orchestration.definitions import build_definitions
from influx_lake.sandbox import Sandbox
from influx_lake.sources import open_reliable_source, open_source
from testbed.influxdb_servers import Server, influxdb1, influxdb2

FIRST = datetime(2025, 11, 3, 5, 6, 7, 890123, UTC)
FIRST_NS = 1_762_146_367_890_123_456
LINES = (
    f"cpu,host=a busy=1 {FIRST_NS + 10**15}\n"
    f'cpu,host=b state="on" {FIRST_NS}\n'
    f"cpu,host=a busy=2i,ok=true {FIRST_NS + 2 * 10**15}\n"
    f"mem used=1 {FIRST_NS + 10**12}\n"
)
LAKE = """\
sources: {{default: {source}}}
catalog: {{type: sql, uri: 'sqlite:///./catalog.db', warehouse: ./warehouse}}
defaults: {{partition: {{start: first_point}}, namespace: telemetry}}
measurements: {{cpu: {{}}, "m*": {{}}}}
"""


def first_points(config: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """What `discover` says of each measurement."""
    assert run(["discover", "--json", "-c", str(config)]) == 0
    captured = json.loads(capsys.readouterr().out)["sources"]["default"]["matched"]
    return {each["measurement"]: each["start"] for each in captured}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "b.lp").write_text(LINES.replace("busy=2i,ok=true", "busy=2,ok=true"))
    (folder / "a.lp").write_text(f"cpu busy=0.5 {FIRST_NS + 5}\n")
    path = tmp_path / "lake.yaml"
    path.write_text(LAKE.format(source="{type: line_protocol, path: export, database: telemetry}"))
    return path


def test_files_of_line_protocol(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert first_points(files, capsys) == {"cpu": "2025-11-03T00:00:00Z", "mem": "2025-11-03T00:00:00Z"}
    source = open_source(load_lake(files).sources["default"])
    with closing(source):
        assert source.first_time("cpu") == FIRST
        assert source.first_time("nothing") is None
    assert run(["replicate", "cpu", "--end", "2025-11-05", "-c", str(files)]) == 0
    assert "1 window" not in capsys.readouterr().err


@pytest.fixture
def box(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with Sandbox() as box:
        monkeypatch.setenv("BOX_TOKEN", str(box.token))
        times = pa.array([FIRST_NS + 10**15, FIRST_NS], pa.timestamp("ns"))
        for name in ("cpu", "mem"):
            box.load("telemetry", name, pa.table({"time": times, "v": [1.0, 2.0]}))
        yield box


@pytest.fixture
def served(box: Sandbox, tmp_path: Path) -> Path:
    path = tmp_path / "lake.yaml"
    path.write_text(LAKE.format(source=f'{{host: "{box.url}", database: telemetry, token: "${{BOX_TOKEN}}"}}'))
    return path


def test_the_discovery_sensor_asks_for_them(box: Sandbox, served: Path) -> None:
    """Without a hand: what is listed appears with partitions from its first point on, and stays there."""
    definitions = build_definitions(load_lake(served))
    sensor = definitions.get_repository_def().get_sensor_def("discovery")
    with dg.DagsterInstance.ephemeral() as instance:
        repository = definitions.get_repository_def()
        with dg.build_sensor_context(instance, repository_def=repository, resources=definitions.resources) as context:
            said = str(sensor.evaluate_tick(context).skip_message)
    assert "appeared: telemetry.cpu, telemetry.mem" in said
    starts = {each.name: each.scheme.start for each in load_lake(served).measurements}
    assert starts == dict.fromkeys(("cpu", "mem"), datetime(2025, 11, 3, tzinfo=UTC))
    asset = build_definitions(load_lake(served)).resolve_asset_graph().get(dg.AssetKey(["telemetry", "cpu"]))
    assert asset.partitions_def is not None
    assert asset.partitions_def.get_first_partition_key() == "2025-11-03"


def test_until_it_is_known_commands_say_what_to_do(
    box: Sandbox, served: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["replicate", "cpu", "-c", str(served)]) == 2
    assert "influx-lake discover" in capsys.readouterr().err
    assert run(["check", "-c", str(served)]) == 0
    assert "its first point is not known yet" in capsys.readouterr().out
    assert first_points(served, capsys) == dict.fromkeys(("cpu", "mem"), "2025-11-03T00:00:00Z")
    assert run(["check", "-c", str(served)]) == 0
    assert "not known yet" not in capsys.readouterr().out


def test_a_history_that_reaches_further_back_counts(
    box: Sandbox, served: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "old.lp").write_text(f"cpu v=1 {FIRST_NS - 40 * 86_400 * 10**9}\n")
    text = served.read_text().replace(
        "sources: {", "sources: {old: {type: line_protocol, path: old.lp, database: telemetry}, "
    )
    served.write_text(text.replace("cpu: {}", "cpu: {history: {source: old, until: 2025-11-01}}"))
    assert run(["discover", "--json", "-c", str(served)]) == 0
    captured = json.loads(capsys.readouterr().out)["sources"]
    assert {each["measurement"]: each["start"] for each in captured["default"]["matched"]} == {
        "cpu": "2025-09-24T00:00:00Z",
        "mem": "2025-11-03T00:00:00Z",
    }


@pytest.mark.servers
@pytest.mark.parametrize("start", [influxdb1, influxdb2])
def test_real_servers(start: object, tmp_path_factory: pytest.TempPathFactory) -> None:
    with start(tmp_path_factory.mktemp("server")) as server:  # type: ignore[operator]
        assert isinstance(server, Server)
        server.write(LINES.replace("busy=2i,ok=true", "busy=2,ok=true"))
        configs = [server.config()]
        if server.options["type"] == "influxdb2":
            configs.append(server.config(query_language="flux"))
        for config in configs:
            with closing(open_reliable_source(config)) as source:
                assert source.first_time("cpu") == FIRST
                assert source.first_time("mem") == datetime(2025, 11, 3, 5, 22, 47, 890123, UTC)
                assert source.first_time("nothing") is None
