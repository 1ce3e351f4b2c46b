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
from influx_lake_tests.integration.iceberg.rest_catalog import rest_catalog
from influx_lake_tests.integration.iceberg.rest_front import (
    Answer,
    Configured,
    Refuses,
    Request,
    Signed,
    Tokens,
    Vends,
    quoted,
    refusal,
    rest_front,
)
from influx_lake_tests.integration.iceberg.vended_store import vended_store
from influx_lake_tests.integration.iceberg.versitygw import versitygw
from influx_lake_tests.unit.iceberg.tables import PROVENANCE, TARGET, Batches, day, held, replace, rows, table
from testbed.loads import load_of

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
    properties = {
        "type": "rest",
        "uri": uri,
        "warehouse": ARN,
        "rest.sigv4-enabled": "true",
        "rest.signing-name": "s3tables",
        "rest.signing-region": "eu-central-1",
        "client.access-key-id": "AKIDLAKE",
        "client.secret-access-key": "s1gning",
        "client.session-token": "st",
    }
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


@pytest.mark.servers
@pytest.mark.slow
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
