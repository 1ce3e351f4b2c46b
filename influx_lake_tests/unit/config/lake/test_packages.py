"""Packages that are not installed are named when the lake.yaml is loaded, before anything is read."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from influx_lake.config import Lake

MISSING = {
    "adlfs": [
        (
            'catalog: {uri: "sqlite:///c.db", warehouse: "abfss://c@a.dfs.core.windows.net/w"}',
            "catalog.warehouse",
            "adls",
        ),
        ('catalog: {uri: "https://c/rest", warehouse: w, adls.account-name: a}', "catalog.adls.account-name", "adls"),
        ("sources: {o: {type: line_protocol, path: wasbs://c@a/x, database: d}}", "sources.o.path", "adls"),
        (
            "sources: {o: {type: influxdb3_parquet, location: abfs://c/node, database: d}}",
            "sources.o.location",
            "adls",
        ),
    ],
    "aiohttp": [("sources: {o: {type: line_protocol, path: https://h/x.lp, database: d}}", "sources.o.path", "files")],
    "boto3": [
        ("catalog: {type: glue}", "catalog.type", "glue"),
        ("catalog: {type: dynamodb}", "catalog.type", "glue"),
        ('catalog: {uri: "https://c/rest", rest.sigv4-enabled: true}', "catalog.rest.sigv4-enabled", "glue"),
    ],
    "gcsfs": [
        (
            'catalog: {uri: "sqlite:///c.db", warehouse: gs://b, py-io-impl: pyiceberg.io.fsspec.FsspecFileIO}',
            "catalog.py-io-impl",
            "gcs",
        )
    ],
    "psycopg2": [('catalog: {uri: "postgresql://lake:${PGPASSWORD:-p}@db/lake"}', "catalog.uri", "postgres")],
    "s3fs": [
        (
            'catalog: {uri: "sqlite:///c.db", warehouse: s3://b, s3.server-side-encryption: aws:kms}',
            "catalog.s3.server-side-encryption",
            "s3fs",
        )
    ],
    "thrift": [
        ("catalog: {type: hive, uri: thrift://h:9083}", "catalog.type", "hive"),
        ("catalog: {uri: thrift://h:9083}", "catalog.uri", "hive"),
    ],
}
CASES = [(module, *case) for module, cases in MISSING.items() for case in cases]


@pytest.mark.parametrize(("module", "text", "place", "extra"), CASES)
def test_what_is_missing_is_named(
    module: str,
    text: str,
    place: str,
    extra: str,
    mistakes_of: Callable[..., list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    found = mistakes_of(
        f"{text}\nmeasurements: {{cpu: {{source: o}}}}" if "sources" in text else f"{text}\nmeasurements: {{cpu: }}",
        sources="sources" not in text,
    )
    needs = f"{place}: needs packages that are not installed: pip install 'influx-lake[{extra}]'"
    assert [each.partition(": ")[2] for each in found if needs in each] == [needs]


@pytest.mark.parametrize(("module", "text", "place", "extra"), [case for case in CASES if "sources" not in case[1]])
def test_what_is_there_is_not(
    module: str, text: str, place: str, extra: str, lake_of: Callable[[str], Lake], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", pytest)
    lake_of(f"{text}\nmeasurements: {{cpu: }}")
