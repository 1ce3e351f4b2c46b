"""The request of InfluxData's plugin, as its README gives it."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from influx_lake.config import load_lake
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.sandbox import Sandbox
from influx_lake_tests.integration.iceberg.catalogs.rest_catalog import rest_catalog
from influx_lake_tests.integration.serve.served_lake import ServedLake, followed
from testbed.local_catalog import local_properties

pytestmark = pytest.mark.slow

PATH = "/api/v3/engine/replicate"
FIRST_NS = 1_704_067_200 * 10**9  # 2024-01-01
HOUR_NS = 3_600 * 10**9
TEMPERATURE = """{
    "measurement": "temperature",
    "catalog_configs": {
      "type": "sql",
      "uri": "sqlite:///path/to/catalog.db"
    },
    "included_fields": ["temp_celsius", "humidity", "sensor_id"],
    "namespace": "weather",
    "table_name": "temperature_history",
    "batch_size": "12h",
    "backfill_start": "2024-01-01T00:00:00+00:00",
    "backfill_end": "2024-01-07T00:00:00+00:00"
  }"""
SQLITE = "{type: sql, uri: 'sqlite:///path/to/catalog.db', warehouse: ./warehouse}"
DECLARED = """{temperature: {namespace: weather, table: temperature_history, partition: {start: 2024-01-01}, \
fields: {include: [temp_celsius, humidity]}, tags: {include: [sensor_id]}, duplicates: keep}}"""


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[ServedLake]:
    with Sandbox() as box:
        (tmp_path / "path" / "to").mkdir(parents=True)
        lake = ServedLake(tmp_path, box)
        lines = [
            f"temperature,sensor_id=s1,room=r{hour % 2} temp_celsius={hour}.5,pressure=1i"
            + (f",humidity={hour % 100}i" if hour % 3 else "")
            + f" {FIRST_NS + hour * HOUR_NS}"
            for hour in range(8 * 24)
        ]
        box.write("telemetry", "\n".join(lines))
        yield lake


def write(lake: ServedLake, measurements: str = "{}", replicate: str = "any", catalog: str = SQLITE) -> None:
    lake.write(measurements, f"{{port: 0, replicate: {replicate}}}")
    text = lake.config.read_text()
    begin, end = text.index("catalog: "), text.index("measurements: ")
    lake.config.write_text(f"{text[:begin]}catalog: {catalog}\n{text[end:]}")


def rows_of(lake: ServedLake, table: str) -> list[dict[str, Any]]:
    config = load_lake(lake.config).catalog
    found = open_catalog(config.name, config.properties()).load_table(table)
    rows: list[dict[str, Any]] = found.scan().to_arrow().sort_by("time").to_pylist()
    return rows


def ask(client: httpx.Client, body: str, query: str = "") -> httpx.Response:
    # As curl's -d sends it.
    headers = {"content-type": "application/x-www-form-urlencoded"}
    return client.post(f"{PATH}{query}", content=body, headers=headers)


@pytest.mark.parametrize("measurements", [DECLARED, "{}"], ids=["declared", "any"])
def test_the_readmes_backfill_twice(lake: ServedLake, measurements: str) -> None:
    write(lake, measurements, "declared" if measurements == DECLARED else "any")
    with lake.client() as client:
        for _ in range(2):
            answer = ask(client, TEMPERATURE)
            assert answer.status_code == 200, answer.text
            response = answer.json()
            begin, _, rest = response["message"].partition(" Replication to Iceberg completed with summary: ")
            assert begin.startswith("[")
            summary = ast.literal_eval(rest)
            assert summary == response["summary"]
            assert {name: summary[name] for name in summary if name != "execution_time_seconds"} == {
                "total_batches": 12,
                "total_source_records": 144,
                "total_written_records": 144,
                "source_measurement": "temperature",
                "target_table": "weather.temperature_history",
                "time_range": "2024-01-01T00:00:00+00:00 to 2024-01-07T00:00:00+00:00",
            }
    rows = rows_of(lake, "weather.temperature_history")
    assert len(rows) == 144
    assert sorted(rows[0]) == ["humidity", "sensor_id", "temp_celsius", "time"]
    assert [row["humidity"] for row in rows[:4]] == [None, 1, 2, None]


def test_the_readmes_first_example_makes_its_table(lake: ServedLake, lake_folder: Path) -> None:
    lake.box.write("telemetry", f"cpu,host=server1 usage_user=45.2,usage_system=12.1 {FIRST_NS}")
    with rest_catalog(local_properties(lake_folder)) as uri:
        write(lake, catalog=f"{{type: rest, uri: '{uri}'}}")
        body = json.dumps({"measurement": "cpu", "catalog_configs": {"uri": uri}})
        with lake.client() as client:
            for _ in range(2):
                answer = ask(client, body)
                assert (answer.status_code, answer.json()["summary"]["total_written_records"]) == (200, 1), answer.text
        (row,) = rows_of(lake, "default.cpu")
    assert (row["host"], row["usage_user"], row["usage_system"]) == ("server1", 45.2, 12.1)


def test_an_answer_at_once_is_followed(lake: ServedLake) -> None:
    write(lake)
    with lake.client() as client:
        found = followed(client, ask(client, TEMPERATURE, "?wait=false"))
    assert (found["kind"], found["state"], found["rows"]) == ("replicate", "done", 144)
    assert "catalog_configs" not in found["asked"]
    assert found["result"]["total_batches"] == 12


REFUSED: list[tuple[dict[str, Any], int, str]] = [
    ({"catalog_configs": {"uri": "sqlite:////etc/passwd"}}, 409, "uri"),
    ({"catalog_configs": {"type": "rest", "uri": "http://169.254.169.254/"}}, 409, "lake's catalog"),
    ({"catalog_configs": {"s3.secret-access-key": "minioadmin"}}, 409, "a secret"),
    ({"namespace": "other"}, 409, "weather.temperature_history"),
    ({"table_name": "other"}, 409, "weather.temperature_history"),
    ({"included_fields": ["temp_celsius"]}, 409, "humidity"),
    ({"included_fields": None, "excluded_fields": ["pressure"]}, 409, "room"),
    ({"included_fields": ["nope"]}, 422, "nope"),
    ({"measurement": "nope"}, 404, "does not declare"),
    ({"backfill_end": "2023-01-01T00:00:00Z", "backfill_start": None}, 409, "partition.start"),
    ({"backfill_start": "2024-02-01T00:00:00Z"}, 422, "not before"),
    ({"backfill_start": "2024-01-01T00:00:00"}, 422, "time zone"),
    ({"backfill_start": "2024-13-01"}, 422, "ISO 8601"),
    ({"backfill_end": "9999-12-31T00:00:00Z", "batch_size": "90000w"}, 422, "2262-04-11"),
    ({"batch_size": "12 parsecs"}, 422, "length of time"),
    ({"batch_size": "0s"}, 422, "no time"),
    ({"batch_size": "1s"}, 422, "windows"),
    ({"namespace": "../../etc"}, 422, "namespace"),
    ({"table_name": "a/b"}, 422, "table"),
    ({"window": "1h"}, 422, "window"),
    ({"catalog_configs": "e30="}, 422, "catalog_configs"),
]


def test_what_the_declaration_does_not_allow(lake: ServedLake) -> None:
    write(lake, DECLARED, "declared")
    with lake.client() as client:
        for change, status, said in REFUSED:
            answer = ask(client, json.dumps({**json.loads(TEMPERATURE), **change}))
            assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), change
            assert said in answer.json()["detail"], (change, answer.text)
            assert "minioadmin" not in answer.text


def test_what_is_missing_or_no_json(lake: ServedLake) -> None:
    write(lake)
    with lake.client() as client:
        for body, status in (("", 422), ("{", 400), ("{}", 422), ("[]", 422), ('{"measurement": "cpu"}', 422)):
            assert ask(client, body).status_code == status, body


def test_a_source_that_is_away_or_has_no_such_measurement(lake: ServedLake) -> None:
    write(lake)
    nope = json.dumps({**json.loads(TEMPERATURE), "measurement": "nope"})
    with lake.client() as client:
        answer = ask(client, nope)
        assert (answer.status_code, answer.json()["error"]) == (404, "MeasurementNotFound")
        lake.box.stop()
        answer = ask(client, TEMPERATURE)
        assert (answer.status_code, answer.json()["transient"]) == (503, True)
        assert answer.headers["retry-after"]


def test_a_table_of_the_lake_is_nobody_elses(lake: ServedLake) -> None:
    lake.box.write("telemetry", f"cpu,host=server1 usage_user=45.2 {FIRST_NS}")
    write(lake, DECLARED)
    body = {"measurement": "cpu", "catalog_configs": {}, "namespace": "weather", "table_name": "Temperature_History"}
    with lake.client() as client:
        answer = ask(client, json.dumps(body))
    assert answer.status_code == 409, answer.text


def test_new_columns_are_added_where_they_may_be(lake: ServedLake) -> None:
    write(lake)
    body = {"measurement": "cpu", "catalog_configs": {}, "backfill_start": "2024-01-01T00:00:00Z", "batch_size": "1w"}
    body["backfill_end"] = "2024-01-03T00:00:00Z"
    with lake.client() as client:
        lake.box.write("telemetry", f"cpu,host=a one=1i {FIRST_NS}")
        assert ask(client, json.dumps(body)).status_code == 200
        lake.box.write("telemetry", f"cpu,host=a one=1i,two=2i {FIRST_NS + HOUR_NS}")
        assert (answer := ask(client, json.dumps(body))).status_code == 409, answer.text
        assert ask(client, json.dumps(body | {"auto_update_schema": "true"})).status_code == 200
    assert [row["two"] for row in rows_of(lake, "default.cpu")] == [None, 2]


def test_no_measurement_takes_the_table_of_another(lake: ServedLake) -> None:
    write(lake)
    lake.box.write("telemetry", f"cpu,host=a one=1i {FIRST_NS}")
    lake.box.write("telemetry", f"mem,host=a one=2i {FIRST_NS}")
    body = {"catalog_configs": {}, "namespace": "plant", "table_name": "both"}
    body |= {"backfill_start": "2024-01-01T00:00:00Z", "backfill_end": "2024-01-02T00:00:00Z"}
    with lake.client() as client:
        for name, status in (("cpu", 200), ("mem", 409), ("cpu", 200)):
            answer = ask(client, json.dumps(body | {"measurement": name}))
            assert answer.status_code == status, answer.text
            if status == 409:
                assert "plant.both holds the rows of the measurement cpu" in answer.json()["detail"]
    assert [row["one"] for row in rows_of(lake, "plant.both")] == [1]


@pytest.mark.parametrize("fewer", [{"included_fields": ["one", "host"]}, {"excluded_fields": ["two"]}], ids=str)
def test_fewer_columns_do_not_empty_the_others(lake: ServedLake, fewer: dict[str, Any]) -> None:
    write(lake)
    lake.box.write("telemetry", f"cpu,host=a one=1i,two=2i,three=3i {FIRST_NS}")
    body: dict[str, Any] = {"measurement": "cpu", "catalog_configs": {}, "excluded_fields": ["three"]}
    body |= {"backfill_start": "2024-01-01T00:00:00Z", "backfill_end": "2024-01-02T00:00:00Z"}
    with lake.client() as client:
        # Neither is emptied what the table does not have.
        for asked, status in ((body, 200), (body | {"excluded_fields": None} | fewer, 409), (body, 200)):
            answer = ask(client, json.dumps(asked))
            assert answer.status_code == status, answer.text
            if status == 409:
                assert "two" in answer.json()["detail"]
                assert "three" not in answer.json()["detail"]
    assert [row["two"] for row in rows_of(lake, "default.cpu")] == [2]
