"""Windows that Spark loads for Dagster: a process of its own drives it, and tells by Dagster Pipes what it did."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from influx_lake.config import load_lake
from influx_lake.config.values.windows import Window
from influx_lake.errors import ConfigurationError, LakeError, WindowShrank
from influx_lake.orchestration.definitions import build_definitions
from influx_lake.orchestration.spark.job import JobRequest, request_of
from influx_lake.orchestration.spark.results import heard_error, joined, pieces, told_error
from influx_lake_tests.integration.spark.landed_files import lake, land

pytestmark = pytest.mark.servers

CPU = {"json_plain": "{source: json, measurement: cpu}"}


def _loaded(config: Path, keys: tuple[str, str]) -> Any:
    definitions = build_definitions(load_lake(config))
    key = dg.AssetKey(["landed", "json_plain"])
    with dg.DagsterInstance.ephemeral() as instance:
        job = definitions.resolve_implicit_global_asset_job_def()
        return job.execute_in_process(
            asset_selection=[key],
            instance=instance,
            raise_on_error=False,
            tags={"dagster/asset_partition_range_start": keys[0], "dagster/asset_partition_range_end": keys[1]},
        )


def _facts(result: Any) -> list[dict[str, Any]]:
    events = result.get_asset_materialization_events()
    found = [event.materialization for event in events]
    of_loads = ("second", "rate", "bytes", "files", "snapshot")
    return [
        {name: str(value.value) for name, value in each.metadata.items() if not any(word in name for word in of_loads)}
        for each in found
    ]


def test_partitions_have_the_facts_of_their_loads_and_failures_their_reasons(tmp_path: Path) -> None:
    pytest.importorskip("pyspark", reason="Spark is not installed: make engines")
    land(tmp_path)
    found = {}
    for engine in ("own", "spark"):
        result = _loaded(lake(tmp_path, engine, CPU), ("2026-01-02", "2026-01-02"))
        assert result.success, [event.message for event in result.all_events if event.is_failure]
        found[engine] = _facts(result)
    assert len(found["own"]) == 1
    there = [{name: value.replace("/spark/", "/own/") for name, value in each.items()} for each in found["spark"]]
    for here, expected in zip(there, found["own"], strict=True):
        differing = {name: (here.get(name), value) for name, value in expected.items() if here.get(name) != value}
        assert not differing, differing.keys()
        assert here.keys() == expected.keys()
    for file in (tmp_path / "json" / "cpu").rglob("*"):
        if file.is_file():
            file.unlink()
    (tmp_path / "json" / "cpu" / "year=2026" / "month=01" / "day=02" / "hour=03").mkdir(exist_ok=True)
    broken = tmp_path / "json" / "cpu" / "year=2026" / "month=01" / "day=02" / "hour=03" / "a.json"
    broken.write_text("{\n")
    result = _loaded(tmp_path / "spark.yaml", ("2026-01-02", "2026-01-02"))
    assert not result.success
    said = " ".join(str(event.step_failure_data.error) for event in result.all_events if event.is_step_failure)
    assert f"1 line or more cannot be read, where 0 are allowed (max_bad_lines); the first, in {broken}" in said
    assert "Traceback (most recent call last):\n  File" not in said.partition("Stack Trace")[0]


def test_a_request_holds_what_a_measurement_needs_and_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORE_KEY", "hunter2-hunter2")
    config = lake(tmp_path, "spark")
    storage = "storage: {s3.access-key-id: a, s3.secret-access-key: '${STORE_KEY}'}"
    written = config.read_text().replace("format: csv,", f"format: csv, {storage},")
    config.write_text(written)
    read = load_lake(config)
    csv = read.find("csv_cpu")
    window = Window.parse("2026-01-02T00:00:00Z/2026-01-03T00:00:00Z")
    extra = JobRequest.of(read, csv, [window], "a-run").written()
    there = request_of(json.loads(json.dumps(extra)))
    assert there.windows == (window,)
    assert list(there.lake.sources) == ["csv"]
    assert there.lake.measurements == (csv,)
    assert there.lake.source("csv").storage_properties()["s3.secret-access-key"] == "hunter2-hunter2"
    import base64
    import zlib

    assert b"hunter2" not in zlib.decompress(base64.b64decode(extra["request"]))
    with pytest.raises(ConfigurationError, match="Install the same version"):
        request_of({**extra, "version": "0.0.1"})


def test_errors_arrive_with_their_class(tmp_path: Path) -> None:
    error = WindowShrank("fewer rows", remedy="look").about("cpu", "a/b")
    there = heard_error(json.loads(json.dumps(told_error(error))))
    assert type(there) is WindowShrank
    assert str(there) == str(error)
    assert type(heard_error({**told_error(error), "kind": "os"})) is not LakeError


def test_messages_go_in_small_pieces() -> None:
    messages = [{"text": "x" * 50_000 + str(number), "bytes": os.urandom(5_000).hex()} for number in range(3)]
    sent = [piece for message in messages for piece in pieces(message)]
    assert max(len(json.dumps(piece)) for piece in sent) < 4_000
    assert joined(sent) == messages
    assert joined(sent[:-1]) == messages[:2]
