"""REST catalogs as clouds have them: tokens, signatures, prefixes, vended credentials, and what each does not do."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace as changed
from pathlib import Path

import pyarrow as pa
import pytest

from influx_lake.errors import CatalogRefused
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.iceberg.load.replace import replace_window
from influx_lake.iceberg.permissions.scratch_table import ScratchTable
from influx_lake.iceberg.target import TableTarget
from influx_lake_tests.integration.iceberg.catalogs.rest_catalog import rest_catalog
from influx_lake_tests.integration.iceberg.catalogs.rest_front import (
    Answer,
    Configured,
    Refuses,
    Request,
    Rule,
    Signed,
    Tokens,
    Vends,
    quoted,
    refusal,
    rest_front,
)
from influx_lake_tests.integration.iceberg.catalogs.vended_store import vended_store
from influx_lake_tests.integration.iceberg.stores.versitygw import versitygw
from influx_lake_tests.unit.iceberg.staging.test_staged import with_level
from influx_lake_tests.unit.iceberg.tables import PROVENANCE, TARGET, Batches, day, held, replace, rows, table
from testbed.loads import load_of

pytestmark = pytest.mark.slow

Front = Callable[..., str]
ARN = "arn:aws:s3tables:eu-central-1:123456789012:bucket/lake"


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Front]:
    """Serves a catalog with a local warehouse behind a front."""
    local = {"type": "sql", "uri": f"sqlite:///{tmp_path}/c.db", "warehouse": str(tmp_path / "warehouse")}
    with ExitStack() as stack:
        behind = stack.enter_context(rest_catalog(local))
        yield lambda *rules: stack.enter_context(rest_front(behind, *rules))


def slowly(window_rows: pa.RecordBatch, seconds: float, pieces: int) -> Batches:
    """Rows that come in pieces, over some time."""

    def batches() -> Iterator[pa.RecordBatch]:
        size = len(window_rows) // pieces
        for number in range(pieces):
            ready = time.monotonic() + seconds / pieces
            while time.monotonic() < ready:
                pass
            yield window_rows.slice(number * size, size if number < pieces - 1 else None)

    return Batches(window_rows.schema, batches())


LEGACY = {"credential": "lake:s3cret", "oauth2-server-uri": "{uri}/v1/oauth/tokens"}
OAUTH2 = {
    "auth.oauth2.token_url": "{uri}/v1/oauth/tokens",
    "auth.type": "oauth2",
    "auth.oauth2.client_id": "lake",
    "auth.oauth2.client_secret": "s3cret",
    "auth.oauth2.scope": "catalog",
    "auth.oauth2.refresh_margin": "0",
}


def properties_of(uri: str, way: dict[str, str]) -> dict[str, str]:
    return {"type": "rest", "uri": uri, **{name: value.replace("{uri}", uri) for name, value in way.items()}}


@pytest.mark.parametrize("way", [LEGACY, OAUTH2], ids=["credential", "auth"])
def test_tokens_are_renewed_in_the_middle_of_a_load(front: Front, way: dict[str, str]) -> None:
    tokens = Tokens(lifetime=0.4)
    catalog = open_catalog("lake", properties_of(front(tokens), way))
    load = slowly(rows(day(0), 50), seconds=1, pieces=4)

    replace_window(load_of(catalog, TARGET, load, day(0), PROVENANCE))

    assert held(catalog).num_rows == 50
    assert tokens.issued >= 2


def test_a_token_that_the_catalog_takes_no_more_is_renewed_before_its_time(front: Front) -> None:
    tokens = Tokens()
    catalog = open_catalog("lake", properties_of(front(tokens), OAUTH2))
    replace(catalog, day(0), rows(day(0), 5))
    tokens._until.clear()

    replace(catalog, day(1), rows(day(1), 6))

    assert held(catalog).num_rows == 11
    assert tokens.issued >= 2


@pytest.mark.parametrize("way", [LEGACY, OAUTH2], ids=["credential", "auth"])
def test_a_client_that_the_server_of_tokens_does_not_know(front: Front, way: dict[str, str]) -> None:
    uri = front(Tokens(client=("lake", "another")))
    with pytest.raises(CatalogRefused, match="refused access") as refused:
        open_catalog("lake", properties_of(uri, way))
    assert "Check the credentials" in str(refused.value.remedy)


def test_requests_are_signed(front: Front) -> None:
    signed = Signed("s3tables", session_token="st")
    uri = front(signed, Configured(ARN, quoted(ARN)))
    properties = {"type": "rest", "uri": uri, "warehouse": ARN, **SIGNED, "client.session-token": "st"}
    catalog = open_catalog("lake", properties)
    for number in range(2):
        replace(catalog, day(number), rows(day(number), 20))
    assert held(catalog).num_rows == 40
    assert signed.checked > 8
    with pytest.raises(CatalogRefused, match="the signature does not match"):
        open_catalog("lake", {**properties, "client.secret-access-key": "another"})
    with pytest.raises(CatalogRefused, match="not signed for s3tables"):
        open_catalog("lake", {**properties, "rest.signing-name": "glue"})


def refusing(*names: str) -> Refuses:
    """A service that does not take some properties, and names the first of them."""

    def refused(request: Request) -> Answer | None:
        given = request.json.get("properties", {}) if request.path.endswith("/tables") else {}
        found = [name for name in names if name in given]
        return refusal(400, f"Unsupported table property: {found[0]}.", "BadRequestException") if found else None

    return Refuses(refused)


def test_properties_that_nobody_stated_are_left_out_where_they_are_refused(front: Front) -> None:
    refuses = refusing("write.metadata.previous-versions-max", "write.metadata.delete-after-commit.enabled")
    catalog = open_catalog("lake", {"type": "rest", "uri": front(refuses)})
    replace(catalog, day(0), rows(day(0), 5))
    left = table(catalog).properties
    assert refuses.count == 2
    assert not {name for name in left if "metadata.previous" in name or "delete-after" in name}
    assert left["influx-lake.owner"] == PROVENANCE.source


@pytest.mark.parametrize(
    ("name", "remedy"),
    [("team", "Leave it out of the measurement's options"), ("influx-lake.owner", "Have the catalog")],
)
def test_properties_that_are_needed_are_named_where_they_are_refused(front: Front, name: str, remedy: str) -> None:
    catalog = open_catalog("lake", {"type": "rest", "uri": front(refusing(name))})
    target = changed(TARGET, properties={"team": "platform"})
    with pytest.raises(CatalogRefused, match=f"does not take the property `{name}`") as refused:
        replace(catalog, day(0), rows(day(0), 5), target=target)
    assert remedy in str(refused.value.remedy)


def s3_tables(request: Request) -> Answer | None:
    """What S3 Tables refuses: namespaces in others, names in capitals, places of tables, drops without purge."""
    if request.path == "/v1/namespaces" and request.method == "POST" and len(request.json["namespace"]) > 1:
        return refusal(400, "only single-level namespaces are supported", "BadRequestException")
    if request.path.endswith("/tables") and request.method == "POST":
        if request.json["name"] != request.json["name"].lower():
            return refusal(400, "the table name must be in lower case", "BadRequestException")
        if request.json.get("location"):
            return refusal(400, "a location cannot be specified", "BadRequestException")
    purges = "purgerequested=true" in request.query.lower()
    if request.method == "DELETE" and request.is_of_table and not purges:
        return refusal(400, "tables are dropped with purge only", "BadRequestException")
    return None


def unity(request: Request) -> Answer | None:
    """What Unity Catalog refuses: partition fields with a transform, and upkeep that is its own."""
    if not (request.path.endswith("/tables") and request.method == "POST"):
        return None
    fields = (request.json.get("partition-spec") or {}).get("fields", [])
    if any(field["transform"] != "identity" for field in fields):
        return refusal(400, "partition transforms are not supported for managed tables", "BadRequestException")
    own = [name for name in request.json.get("properties", {}) if name.startswith("write.metadata.previous")]
    return refusal(400, f"managed tables do not take {own[0]}", "BadRequestException") if own else None


def biglake(request: Request) -> Answer | None:
    """What BigLake asks of each request: who pays for it."""
    if request.headers.get("x-goog-user-project") != "project":
        return refusal(403, "a quota project is required: x-goog-user-project", "PermissionDenied")
    return None


SIGNED = {
    "rest.sigv4-enabled": "true",
    "rest.signing-name": "s3tables",
    "rest.signing-region": "eu-central-1",
    "client.access-key-id": "AKIDLAKE",
    "client.secret-access-key": "s1gning",
}
CATALOG_OF_GOOGLE = "projects/project/catalogs/bucket"
DIALECTS: dict[str, tuple[tuple[Rule, ...], dict[str, str]]] = {
    "s3 tables": ((Signed("s3tables"), Configured(ARN, quoted(ARN)), Refuses(s3_tables)), {"warehouse": ARN, **SIGNED}),
    "unity": (
        (Tokens(scope="all-apis", path="/oidc/v1/token"), Configured("main", "catalogs/main"), Refuses(unity)),
        {
            "warehouse": "main",
            "credential": "lake:s3cret",
            "oauth2-server-uri": "{uri}/oidc/v1/token",
            "scope": "all-apis",
        },
    ),
    "biglake": (
        (Refuses(biglake), Configured("gs://bucket", CATALOG_OF_GOOGLE)),
        {"warehouse": "gs://bucket", "header.x-goog-user-project": "project", "header.X-Iceberg-Access-Delegation": ""},
    ),
}


@pytest.mark.parametrize("service", DIALECTS)
def test_services_are_loaded_into_by_their_documented_dialects(service: str, front: Front) -> None:
    rules, way = DIALECTS[service]
    catalog = open_catalog("lake", properties_of(front(*rules), way))
    target = changed(TARGET, partition=()) if service == "unity" else TARGET
    for number in range(3):
        replace(catalog, day(number), rows(day(number), 10 + number), target=target)
    replace(catalog, day(1), with_level(rows(day(1), 7)), target=target)
    assert held(catalog).num_rows == 10 + 7 + 12
    with ScratchTable(catalog, TARGET.identifier[:-1]) as scratch:
        assert scratch.choose_location() == "the catalog chooses"
        scratch.make()
        scratch.load()
        scratch.commit()
        assert scratch.drop() == "dropped it"


@pytest.mark.parametrize(
    ("service", "target", "words"),
    [
        ("s3 tables", changed(TARGET, identifier=("a", "b", "cpu")), "only single-level namespaces"),
        ("s3 tables", changed(TARGET, identifier=("telemetry", "CPU")), "must be in lower case"),
        ("unity", TARGET, "partition transforms are not supported"),
    ],
)
def test_what_a_service_refuses_is_said_as_it_says_it(
    service: str, target: TableTarget, words: str, front: Front
) -> None:
    rules, way = DIALECTS[service]
    catalog = open_catalog("lake", properties_of(front(*rules), way))
    began = time.monotonic()
    with pytest.raises(CatalogRefused, match=words):
        replace(catalog, day(0), rows(day(0), 5), target=target)
    assert time.monotonic() - began < 20


def test_defaults_and_overrides_of_the_catalog(front: Front, tmp_path: Path) -> None:
    """What it tells as default yields to lake.yaml; its overrides, another address among them, go before that."""
    elsewhere = front(Configured("", "p"))
    defaults, overrides = {"scope": "theirs", "s3.region": "theirs"}, {"uri": elsewhere, "s3.proxy-uri": "theirs"}
    uri = front(Configured("named", "p", defaults, overrides))
    properties = {"type": "rest", "uri": uri, "warehouse": "named", "s3.region": "ours", "s3.proxy-uri": "ours"}
    catalog = open_catalog("lake", properties)
    told = (catalog.properties["scope"], catalog.properties["s3.region"], catalog.properties["s3.proxy-uri"])
    assert told == ("theirs", "ours", "theirs")
    replace(catalog, day(0), rows(day(0), 5))
    assert held(catalog).num_rows == 5


def test_namespaces_in_others_are_made_first(front: Front) -> None:
    catalog = open_catalog("lake", {"type": "rest", "uri": front()})
    target = changed(TARGET, identifier=("a", "b", "c", "cpu"))
    replace(catalog, day(0), rows(day(0), 5), target=target)
    assert held(catalog, target=target).num_rows == 5


def test_a_missing_namespace_that_may_not_be_made_is_reported_at_once(front: Front) -> None:
    def refused(request: Request) -> Answer | None:
        making = request.method == "POST" and request.path == "/v1/namespaces"
        return refusal(403, "the principal may not create namespaces", "ForbiddenException") if making else None

    refuses = Refuses(refused)
    catalog = open_catalog("lake", {"type": "rest", "uri": front(refuses)})
    with pytest.raises(CatalogRefused, match="may not create namespaces"):
        replace(catalog, day(0), rows(day(0), 5))
    assert refuses.count == 1


def test_columns_are_added_where_the_last_column_has_to_be_told(front: Front) -> None:
    """Nessie 0.99 answers 500 to a new schema without `last-column-id`, which the protocol has made optional since."""

    def refused(request: Request) -> Answer | None:
        added = [each for each in request.json.get("updates", ()) if each["action"] == "add-schema"]
        return refusal(500, "lastColumnId is not set") if any("last-column-id" not in each for each in added) else None

    catalog = open_catalog("lake", {"type": "rest", "uri": front(Refuses(refused))})
    replace(catalog, day(0), rows(day(0), 5))
    replace(catalog, day(1), with_level(rows(day(1), 7)))
    assert table(catalog).metadata.last_column_id == len(table(catalog).schema().fields)
    assert held(catalog).num_rows == 12


@pytest.mark.parametrize("gone", ["renamed", "dropped"])
def test_a_table_that_goes_while_it_is_loaded(front: Front, gone: str) -> None:
    """That window fails with a word of it; the next makes a table of the name, and the other one is left as it is."""
    catalog = open_catalog("lake", {"type": "rest", "uri": front()})
    replace(catalog, day(0), rows(day(0), 5))

    def batches() -> Iterator[pa.RecordBatch]:
        yield rows(day(1), 7)
        if gone == "renamed":
            catalog.rename_table(TARGET.identifier, ("telemetry", "former"))
        else:
            catalog.drop_table(TARGET.identifier)

    load = Batches(rows(day(1), 7).schema, batches())
    with pytest.raises(CatalogRefused, match=r"load the table telemetry\.cpu: the catalog does not have it"):
        replace_window(load_of(catalog, TARGET, load, day(1), PROVENANCE))
    replace(catalog, day(1), rows(day(1), 7))
    assert held(catalog).num_rows == 7
    if gone == "renamed":
        assert held(catalog, target=changed(TARGET, identifier=("telemetry", "former"))).num_rows == 5


@pytest.mark.servers
@pytest.mark.parametrize("told", ["with its end", "without"])
@pytest.mark.parametrize("by_prefix", [True, False], ids=["storage-credentials", "config"])
def test_vended_credentials_expire_in_the_middle_of_a_load(tmp_path: Path, told: str, by_prefix: bool) -> None:
    (tmp_path / "s3").mkdir()
    with ExitStack() as stack:
        root = stack.enter_context(versitygw(tmp_path / "s3"))
        local = {"type": "sql", "uri": f"sqlite:///{tmp_path}/c.db", **root}
        store = stack.enter_context(vended_store(root, lifetime=1, tells_expiry=told == "with its end"))
        vends = Vends(store.vend, by_prefix=by_prefix)
        uri = stack.enter_context(rest_front(stack.enter_context(rest_catalog(local)), vends))
        catalog = open_catalog("lake", {"type": "rest", "uri": uri})
        load = slowly(rows(day(0), 50_000), seconds=4, pieces=5)

        replace_window(load_of(catalog, TARGET, load, day(0), PROVENANCE))
        replace(catalog, day(1), rows(day(1), 20))

        assert held(catalog).num_rows == 50_020
        assert vends.vended > 3
        assert (store.refused > 0) == (told == "without")
