"""Ways to object stores that the catalog and sources share by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from influx_lake.config import Lake, load_lake
from influx_lake.orchestration.resources import SourceResource
from influx_lake_tests.unit.config.conftest import LakeWriter

SHARED = """
    storage:
      minio: {s3.endpoint: http://minio:9000, s3.region: "${REGION:-eu}", s3.access-key-id: lake, \
        s3.secret-access-key: "${file:key}"}
    sources:
      default: {type: line_protocol, path: s3://exports/x, database: d, storage: minio}
      landed:
        type: landing_zone
        path: "s3://landed/{measurement}/year={year}"
        database: d
        storage: minio
    catalog: {type: sql, uri: "sqlite:///c.db", warehouse: s3://lake/w, storage: minio, s3.region: us}
    measurements: {cpu: }
    """
PROPERTIES = {
    "s3.endpoint": "http://minio:9000",
    "s3.region": "eu",
    "s3.access-key-id": "lake",
    "s3.secret-access-key": "s3cret",
}


@pytest.fixture
def lake(write_lake: LakeWriter, tmp_path: Path) -> Lake:
    (tmp_path / "key").write_text("s3cret")
    return load_lake(write_lake(SHARED))


def test_the_catalog_and_sources_share_a_store(lake: Lake) -> None:
    """What the catalog says itself goes before it."""
    assert lake.sources["default"].storage_properties() == PROPERTIES  # type: ignore[attr-defined]
    catalog = lake.catalog.properties()
    assert {name: catalog[name] for name in PROPERTIES} == {**PROPERTIES, "s3.region": "us"}
    assert "storage" not in catalog


def test_its_keys_are_shown_nowhere_and_a_written_one_is_warned_of_once(lake: Lake) -> None:
    assert "s3cret" not in repr(lake)
    [warning] = [str(each) for each in lake.warnings]
    assert warning.startswith("lake.yaml:3: storage.minio.s3.access-key-id: a secret is written here")


def test_it_reaches_dagster_by_reference(lake: Lake) -> None:
    resource = SourceResource.of(lake.sources["landed"], lake.root)
    assert "s3cret" not in str(resource.options)
    assert "'lake'" not in str(resource.options)
    assert resource.config().storage_properties() == PROPERTIES  # type: ignore[attr-defined]
    references = lake.catalog.references()
    assert references["s3.secret-access-key"] == "${file:key}"
    assert references["s3.access-key-id"].startswith("${lake:")


@pytest.mark.parametrize(
    ("profiles", "named", "mistake"),
    [
        ("minio: {s3.region: eu}", "mino", "default.storage: 'mino' is no entry of `storage` (did you mean minio?)"),
        ("minio: {s3.region: eu}", "x", "sources.default.storage: 'x' is no entry of `storage`; there are: minio"),
        ("minio: {s3.enpoint: x}", "minio", "storage.minio.s3.enpoint: is no property by which a store is reached"),
        ("minio: {s3.endpoint: x}", "minio", "storage.minio.s3.endpoint: is no address"),
        ("minio: {s3.access-key-id: '${K:-k}', s3.secret-access-key: }", "minio", "storage.minio.s3.secret-access-key"),
        ("minio: {s3.region: '${file:x}'}", "minio", "storage.minio.s3.region: a value from a file or a secret store"),
        ("minio: ", "minio", "storage.minio: must hold properties"),
        ("'a b': {s3.region: eu}", "a b", "storage.'a b': is not a name"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_reported_where_it_is_written(
    profiles: str, named: str, mistake: str, mistakes_of: Callable[..., list[str]]
) -> None:
    source = f"type: line_protocol, path: s3://exports/x, database: d, storage: {named}"
    text = f"storage:\n  {profiles}\nsources: {{default: {{{source}}}}}\nmeasurements: {{cpu: }}"
    [found] = mistakes_of(text, sources=False)
    assert mistake in found


def test_a_catalog_names_one_that_does_not_exist(mistakes_of: Callable[..., list[str]]) -> None:
    [found] = mistakes_of("catalog: {storage: minio}\nmeasurements: {cpu: }")
    assert found == "lake.yaml:2: catalog.storage: 'minio' is no entry of `storage`"


def test_properties_that_are_written_with_a_source_reach_dagster(lake_of: Callable[[str], Lake]) -> None:
    text = "{type: line_protocol, path: s3://x/y, database: d, storage: {s3.endpoint: 'http://m:9000'}}"
    lake = lake_of("measurements: {cpu: }\ncatalog: {name: lake}\n")
    assert lake.path.write_text(f"sources: {{default: {text}}}\nmeasurements: {{cpu: }}\n")
    assert load_lake(lake.path).sources["default"].options()["storage"] == {"s3.endpoint": "http://m:9000"}
