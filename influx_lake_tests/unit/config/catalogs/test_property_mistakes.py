"""Properties of a catalog and of stores that nothing could read are refused in their line."""

from __future__ import annotations

import json
from collections.abc import Callable

import pyiceberg.io
import pytest

from influx_lake.config import ConfigurationProblems, Lake, load_lake
from influx_lake.config.catalogs.options import is_secret_name
from influx_lake.config.catalogs.store_properties import STORE_PROPERTIES
from influx_lake_tests.unit.config.conftest import LakeWriter

WRONG = {
    "s3.endpoint": ["127.0.0.1:9000", "s3.example.com", "htp://x", "http://"],
    "glue.endpoint": ["glue"],
    "s3.proxy-uri": ["proxy:3128"],
    "oauth2-server-uri": ["auth/token"],
    "s3.connect-timeout": ["1m", "soon", "-1", "0", "1_0", "inf"],
    "s3.request-timeout": ["ten"],
    "gcs.oauth2.token-expires-at": ["tomorrow", "1.5", "-1"],
    "glue.max-retries": ["many", "-1", "1.5"],
    "hdfs.port": ["x", "0"],
    "rest-page-size": ["0", "all"],
    "s3.force-virtual-addressing": ["maybe", "2"],
    "rest.sigv4-enabled": ["yep"],
    "hive.hive2-compatible": ["tru"],
    "gcs.session-kwargs": ["[]", "{", "x"],
    "py-io-impl": ["PyArrowFileIO", "a..b"],
    "glue.retry-mode": ["standart"],
    "scan-planning-mode": ["servr"],
    "adls.dfs-storage-scheme": ["ftp"],
    "warehouse": ["s4://bucket/lake", "s3://"],
    "timeout": ["soon", "0s", "-1s", "5"],
}


def catalog_problems(write_lake: LakeWriter, **properties: str) -> dict[str, tuple[int, str]]:
    """What is wrong with properties, by their names, with the distance of its line from that of `catalog:`."""
    lines = [f"  {key}: {json.dumps(value)}" for key, value in properties.items()]
    text = "catalog:\n  type: glue\n" + "\n".join(lines) + "\nsources: {default: {host: h, database: d}}\n"
    try:
        load_lake(write_lake(text))
    except ConfigurationProblems as error:
        return {str(each.location[-1]): (each.place.line, each.message) for each in error.problems}
    return {}


@pytest.mark.parametrize("name", WRONG)
def test_a_property_that_pyiceberg_would_stumble_over_is_refused_in_its_line(name: str, write_lake: LakeWriter) -> None:
    for value in WRONG[name]:
        found = catalog_problems(write_lake, **{"glue.region": "eu-central-1", name: value})
        assert list(found) == [name], value
        assert found[name][0] == 4
        assert "Could not parse" not in found[name][1]


RIGHT = {
    "s3.endpoint": "http://127.0.0.1:9000",
    "s3.proxy-uri": "http://proxy:3128",
    "s3.connect-timeout": "0.5",
    "s3.request-timeout": "60",
    "s3.force-virtual-addressing": "True",
    "glue.max-retries": "0",
    "glue.retry-mode": "adaptive",
    "gcs.session-kwargs": '{"proxy": "http://proxy:3128"}',
    "py-io-impl": "pyiceberg.io.fsspec.FsspecFileIO",
    "a.property.of-the-future": "anything",
    "timeout": "2m",
}


def test_properties_that_are_right_are_taken(write_lake: LakeWriter) -> None:
    assert catalog_problems(write_lake, **RIGHT) == {}


@pytest.mark.parametrize("prefix", ["s3", "client", "glue", "dynamodb"])
def test_half_a_pair_of_keys_is_refused(prefix: str, write_lake: LakeWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A", "hunter2")
    monkeypatch.delenv("NOWHERE", raising=False)
    key, secret = f"{prefix}.access-key-id", f"{prefix}.secret-access-key"
    for here, other in ((key, secret), (secret, key)):
        line, message = catalog_problems(write_lake, **{here: "${A}"})[here]
        assert (line, f"`{other}`" in message) == (3, True)
        assert catalog_problems(write_lake, **{here: "${NOWHERE:-}"}) == {}
        assert catalog_problems(write_lake, **{here: "${A}", other: "${A}"}) == {}
    assert catalog_problems(write_lake, **{key: "${A}", "client.secret-access-key": "${A}"}) == {}


def test_what_stores_want_together(write_lake: LakeWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A", "hunter2")
    assert "`adls.client-id`" in catalog_problems(write_lake, **{"adls.tenant-id": "t"})["adls.tenant-id"][1]
    token = {"gcs.oauth2.token": "${A}"}
    assert "`gcs.oauth2.token-expires-at`" in catalog_problems(write_lake, **token)["gcs.oauth2.token"][1]
    assert catalog_problems(write_lake, **token, **{"gcs.oauth2.token-expires-at": "1999999999999"}) == {}
    impl = {"py-catalog-impl": "my.own.Catalog"}
    assert "`type`" in catalog_problems(write_lake, **impl)["py-catalog-impl"][1]


def test_the_moment_at_which_a_token_expires_is_no_secret() -> None:
    assert not is_secret_name("gcs.oauth2.token-expires-at")


def test_the_store_of_files_is_held_to_the_same(write_lake: LakeWriter) -> None:
    text = """\
        sources:
          default:
            type: line_protocol
            path: s3://bucket/x.lp
            database: d
            storage:
              s3.endpoint: 127.0.0.1:9000
              s3.access-key-id: ${A:-}
    """
    with pytest.raises(ConfigurationProblems, match=r"lake.yaml:7: sources.default.storage.*s3.endpoint.*http://"):
        load_lake(write_lake(text))


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("sqlite://", "keeps the catalog in memory"),
        ("sqlite:///", "keeps the catalog in memory"),
        ("sqlite:///:memory:", "keeps the catalog in memory"),
        ("sqlite+pysqlite://", "keeps the catalog in memory"),
        ("sqlite+pysqlite:///:memory:?timeout=3", "keeps the catalog in memory"),
        ("sqlite:///file::memory:?uri=true", "keeps the catalog in memory"),
        ("sqlite:///file:lake?mode=memory&uri=true", "keeps the catalog in memory"),
        ("sqlite:/catalog.db", "needs two, sqlite://"),
        ("postgresql:/db/lake", "needs two, postgresql://"),
    ],
)
@pytest.mark.parametrize("kind", ["", "type: sql, "])
def test_databases_that_keep_no_table(kind: str, uri: str, words: str, mistakes_of: Callable[..., list[str]]) -> None:
    [mistake] = mistakes_of(f'catalog: {{{kind}uri: "{uri}", warehouse: ./w}}\nmeasurements: {{cpu: }}')
    assert mistake.startswith("lake.yaml:2: catalog.uri: ")
    assert words in mistake


@pytest.mark.parametrize(
    "catalog",
    [
        'type: in-memory, uri: "sqlite:///:memory:"',
        'uri: "sqlite:///memory:.db"',
        'uri: "sqlite:////tmp/c.db"',
        'uri: "sqlite:///${FOLDER:-a}/c.db"',
        'uri: "sqlite:///${file:place}"',
    ],
)
def test_databases_that_keep_tables(catalog: str, lake_of: Callable[[str], Lake]) -> None:
    lake_of(f"catalog: {{{catalog}, warehouse: ./w}}\nmeasurements: {{cpu: }}")


@pytest.mark.parametrize("scheme", ["s3", "s3a", "gs", "abfss", "hdfs"])
def test_a_warehouse_with_one_slash(scheme: str, mistakes_of: Callable[..., list[str]]) -> None:
    [mistake] = mistakes_of(
        f'catalog: {{uri: "sqlite:///c.db", warehouse: "{scheme}:/bucket"}}\nmeasurements: {{cpu: }}'
    )
    assert mistake == f"lake.yaml:2: catalog.warehouse: has one slash behind {scheme}: and needs two, {scheme}://"


@pytest.mark.parametrize("warehouse", ["file:/data/lake", "file:///data/lake", "arn:aws:s3tables:x"])
def test_warehouses_that_look_like_slips(warehouse: str, lake_of: Callable[[str], Lake]) -> None:
    lake_of(f'catalog: {{type: rest, uri: "https://c/rest", warehouse: "{warehouse}"}}\nmeasurements: {{cpu: }}')


def test_properties_of_stores_are_pyicebergs() -> None:
    read = {value for name, value in vars(pyiceberg.io).items() if name.isupper() and isinstance(value, str)}
    assert {
        name for name in read if name.partition(".")[0] in {each.partition(".")[0] for each in STORE_PROPERTIES}
    } == {*STORE_PROPERTIES}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("s3.enpoint", "(did you mean s3.endpoint?)"),
        ("S3.Endpoint", "(did you mean s3.endpoint?)"),
        ("s3.secret-acces-key", "(did you mean s3.secret-access-key?)"),
        ("gcs.project_id", "(did you mean gcs.project-id?)"),
        ("foo", "known are properties of adls.*"),
        ("py-io-impl", "known are properties of adls.*"),
    ],
)
def test_storage_has_no_property_that_nothing_reads(
    name: str, words: str, mistakes_of: Callable[..., list[str]]
) -> None:
    value = "x"
    text = f"""
        sources:
          default:
            type: line_protocol
            path: s3://bucket/exports
            database: d
            storage:
              s3.region: eu
              s3.access-key-id: "${{KEY:-k}}"
              {name}: "{value}"
        measurements: {{cpu: }}
        """
    [mistake] = mistakes_of(text, sources=False)
    assert mistake.startswith(
        f"lake.yaml:10: sources.default.storage.{name}: is no property by which a store is reached"
    )
    assert words in mistake
