"""Lists and schemas that are not what was asked for, and names that two things have."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from influx_lake.config.connections import InfluxDB2Config, QueryLanguage
from influx_lake.config.values.read_options import RetryOptions
from influx_lake.errors import LakeError, SchemaConflict, SourceTimeout, StreamBroken, UnexpectedAnswer
from influx_lake.sources import open_reliable_source, open_source
from influx_lake.sources.databases import databases_of
from influx_lake_tests.unit.sources.lies import truth
from influx_lake_tests.unit.sources.lies.server import Answer, Asked, Http, Sent, lying
from influx_lake_tests.unit.sources.lies.speakers import SPEAKERS


def json_answer(content: Any) -> bytes:
    return Http(content if isinstance(content, bytes) else json.dumps(content).encode()).sized()


@pytest.mark.parametrize(
    "answer",
    [
        truth.document([[1, "float"]], ["fieldKey", "fieldType"]),
        truth.document([["n", None]], ["fieldKey", "fieldType"]),
        truth.document([["n"]], ["fieldKey"]),
        truth.document([["n", "decimal"]], ["fieldKey", "fieldType"]),
        b'{"results":[{"statement_id":0,"series":{"name":"cpu"}}]}',
        b'{"results":[{"statement_id":0,"series":["cpu"]}]}',
        b'{"results":[{"statement_id":0,"series":[{"name":"cpu","columns":"fieldKey"}]}]}',
        b'{"results":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
        b"[" * 50_000,
    ],
)
def test_odd_fields(answer: bytes) -> None:
    with lying(lambda _: [Http(answer).sized()]) as server, pytest.raises(UnexpectedAnswer):
        open_source(truth.influxdb1(server.url)).schema("cpu")


@pytest.mark.parametrize(
    "row",
    [[truth.NS, 6, 6], [truth.NS, 6, 6, "6"], [truth.NS, 6, 6, -1], [truth.NS, 6, 6, 6.5], [truth.NS, 6, 6, True]],
)
def test_odd_counts(row: list[Any]) -> None:
    columns = ["time", "count", "count_1", "count_2"][: len(row)]

    def answer(asked: Asked) -> Iterator[Sent]:
        counts = truth.document([row], columns) if asked.statement.startswith("SELECT count") else None
        yield Http(counts or truth.influxql(asked) or b"".join(truth.influxql_rows())).sized()

    with lying(answer) as server, pytest.raises(UnexpectedAnswer, match="counts of 3 fields"):
        open_source(truth.influxdb1(server.url)).count("cpu", truth.WINDOW)


def bucket(**changed: Any) -> dict[str, Any]:
    return {"name": "d", "id": "07", "retentionRules": [], **changed}


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 50_000,
        {"buckets": [{"id": "07"}]},
        {"buckets": [bucket(name=7)]},
        # A page is full, and the next one is the same.
        {"buckets": [bucket(name=f"b{place}") for place in range(100)]},
    ],
)
def test_odd_buckets(content: Any) -> None:
    with lying(lambda _: [json_answer(content)]) as server, pytest.raises(UnexpectedAnswer):
        databases_of(truth.influxdb2(server.url))


@pytest.mark.parametrize(
    "rules", ["7d", ["7d"], [{"shardGroupDurationSeconds": "7d"}], [{"shardGroupDurationSeconds": -1}],
              [{"shardGroupDurationSeconds": 10**30}]]
)  # fmt: skip
def test_odd_retention_rules(rules: Any) -> None:
    def answer(asked: Asked) -> Iterator[Sent]:
        if "buckets" in asked.path:
            yield json_answer({"buckets": [bucket(retentionRules=rules)]})
        else:
            yield Http(truth.flux_others(asked) or b"".join(truth.flux_rows())).sized()

    with lying(answer) as server, pytest.raises(UnexpectedAnswer):
        truth.load(truth.flux(server.url))


@pytest.mark.parametrize("mapping", [{}, {"database": "d"}, {"database": 7, "retention_policy": "a"}])
def test_odd_mappings(mapping: dict[str, Any]) -> None:
    def answer(asked: Asked) -> Iterator[Sent]:
        mappings = {"content": [{"bucketID": "07", **mapping}]}
        yield json_answer({"buckets": [bucket()]} if "buckets" in asked.path else mappings)

    with lying(answer) as server:
        config = InfluxDB2Config(type="influxdb2", host=server.url, org="o", bucket="d", **truth.patient())
        with pytest.raises(UnexpectedAnswer):
            open_source(config).measurements()


def test_no_measurements_in_flux_are_believed_only_of_a_server_that_answers() -> None:
    def silent(_: Asked) -> Iterator[Sent]:
        yield Http(b"\r\n").sized()

    def empty(asked: Asked) -> Iterator[Sent]:
        there = truth.block({"_value": "string"}, [[0, "it answers"]])
        yield Http(there if b"it answers" in asked.body else b"\r\n").sized()

    with lying(silent) as server, pytest.raises(UnexpectedAnswer, match="a query that always has a row returned none"):
        open_source(truth.flux(server.url)).measurements()
    with lying(empty) as server:
        assert open_source(truth.flux(server.url)).measurements() == []


def two_policies(names: dict[str, list[str]]) -> Answer:
    """A server with policies, and the measurements of each."""

    def answer(asked: Asked) -> Iterator[Sent]:
        statement = asked.statement
        if statement.startswith("SHOW RETENTION"):
            yield Http(truth.document([[name] for name in names], ["name"])).sized()
            return
        policy, measurement = statement.rpartition(" FROM ")[2].strip('"').split('"."')
        there = measurement in names[policy]
        fields = [["f", "float"]] if "FIELD" in statement else [["host"]]
        columns = ["fieldKey", "fieldType"] if "FIELD" in statement else ["tagKey"]
        yield Http(truth.document(fields, columns, name=measurement) if there else truth.EMPTY).sized()

    return answer


def test_names_of_policies_and_measurements_that_meet_are_refused() -> None:
    with lying(two_policies({"a.b": ["c", "d"], "a": ["b.c"]})) as server:
        source = open_source(truth.influxdb1(server.url, retention_policy="*"))
        with pytest.raises(SchemaConflict) as caught:
            source.schema("a.b.c")
        assert source.schema("a.b.d").measurement == "a.b.d"
    said = str(caught.value)
    assert "'b.c' of the retention policy 'a'" in said
    assert "'c' of the retention policy 'a.b'" in said
    assert "`retention_policy`" in said


@pytest.mark.parametrize("name", ["influxdb1", "flux"])
def test_a_server_that_never_answers_is_not_asked_for_halves(name: str) -> None:
    """Of a window of a minute six halves of halves might be asked for, each for as long as the time-out."""
    speaker = SPEAKERS[name]

    def answer(asked: Asked) -> Iterator[Sent]:
        told = speaker.others(asked)
        if told is not None:
            yield Http(told, speaker.kind).sized()
        else:
            server.over.wait(60)

    retry = RetryOptions(budget=timedelta(milliseconds=100))
    hasty = {"timeout": timedelta(milliseconds=500), "shortest_query": timedelta(seconds=1), "retry": retry}
    with lying(answer) as server:
        with pytest.raises(SourceTimeout, match=r"no data arrived for 0\.5 s"):
            truth.load(speaker.config(server.url, **hasty))
        asked = [each for each in server.asked if speaker.others(each) is None]
    assert len(asked) == 2


def test_an_endless_list_of_short_documents_is_bounded() -> None:
    more = truth.document([["f", "float"]], ["fieldKey", "fieldType"], more=True)

    def answer(_: Asked) -> Iterator[Sent]:
        yield Http().head()
        while not server.over.is_set():
            yield more * 100

    with lying(answer) as server, pytest.raises(LakeError, match="larger than 1MB"):
        open_reliable_source(truth.influxdb1(server.url, max_document=1_000_000)).measurements()


def test_language_of_flux_needs_its_count() -> None:
    with pytest.raises(ValueError, match="needs confirm_rows"):
        InfluxDB2Config(
            type="influxdb2", host="h", org="o", bucket="b", query_language=QueryLanguage.FLUX, confirm_rows=False
        )
    assert truth.flux("http://127.0.0.1:1").confirm_rows
    assert not truth.influxdb2("http://127.0.0.1:1").confirm_rows


def test_an_empty_answer_for_a_list_is_no_empty_list() -> None:
    for body in (b"", b"\n", b"\r\n\r\n"):
        with lying(lambda _, body=body: [Http(body).sized()]) as server, pytest.raises(StreamBroken):
            open_source(truth.influxdb1(server.url)).measurements()
