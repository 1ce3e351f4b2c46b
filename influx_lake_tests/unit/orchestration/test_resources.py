from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from influx_lake.config import load_lake
from influx_lake.errors import ConfigurationError
from influx_lake.orchestration.execution.io_manager import IcebergIOManager
from influx_lake.orchestration.resources import IcebergCatalogResource, InfluxDB3Resource, SourceResource

TOKEN = "apiv3_a-token-of-some-length"


def used(resource: dg.ConfigurableResource[Any]) -> Any:
    """The resource as an asset gets it, in a run."""
    seen: list[Any] = []

    @dg.asset(required_resource_keys={"used"})
    def asset(context: dg.AssetExecutionContext) -> None:
        seen.append(context.resources.used)

    assert dg.materialize([asset], resources={"used": resource}).success
    return seen[0]


def test_the_token_of_an_environment_variable_is_used_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TOKEN", TOKEN)

    resource = used(InfluxDB3Resource(host="db.example.com", database="plant", token=dg.EnvVar("MY_TOKEN")))

    assert resource.config().token.reveal() == TOKEN
    assert TOKEN not in repr(resource) + str(resource) + repr(resource.config())


def test_a_reference_is_resolved_when_the_resource_is_used(tmp_path: Path) -> None:
    resource = InfluxDB3Resource(host="localhost", database="plant", token="${file:token}", root=str(tmp_path))
    (tmp_path / "token").write_text(TOKEN)

    assert resource.config().token.reveal() == TOKEN


def test_every_option_of_a_source_reaches_the_resource_and_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_TOKEN", TOKEN)
    lake = tmp_path / "lake.yaml"
    lake.write_text(
        """
        sources:
          default:
            host: https://influxdb.example.com:8443
            database: plant
            token: ${MY_TOKEN}
            tls: {ca_file: ca.pem, cert_file: own.pem, key_file: /own.key}
            query_port: 8082
            timeout: 90s
            connect_timeout: 2500ms
        """
    )
    config = load_lake(lake).sources["default"]

    again = used(SourceResource.of(config, tmp_path)).config()

    assert again.model_dump(exclude={"token"}) == config.model_dump(exclude={"token"})
    assert again.token.reveal() == config.token.reveal() == TOKEN  # type: ignore[attr-defined]


def test_every_option_can_be_given_by_name_and_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"MY_HOST": "https://db:1", "MY_TOKEN": TOKEN, "MY_PORT": "8082"}.items():
        monkeypatch.setenv(name, value)

    resource = InfluxDB3Resource(
        host=dg.EnvVar("MY_HOST"),
        database="plant",
        token=dg.EnvVar("MY_TOKEN"),
        query_port=dg.EnvVar.int("MY_PORT"),
        tls={"verify": False},
        timeout=timedelta(seconds=90),
        retry={"budget": "5m"},
    )

    config = used(resource).config()
    assert (config.host, config.query_port, config.timeout) == ("https://db:1", 8082, timedelta(seconds=90))
    assert config.retry.budget == timedelta(minutes=5)
    assert not config.tls.verify


def test_an_option_that_there_is_not_is_refused_at_once() -> None:
    with pytest.raises(ConfigurationError, match="InfluxDB3Resource cannot be used: there is no option 'hots'"):
        InfluxDB3Resource(hots="db", database="plant")


def test_a_source_of_any_type_takes_an_environment_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TOKEN", TOKEN)
    options = {"type": "influxdb3", "host": "http://127.0.0.1:1", "database": "plant"}

    token = dg.EnvVar("MY_TOKEN")
    for given in (SourceResource(**options, token=token), SourceResource(options=options, secrets={"token": token})):
        resource = used(given)

        assert resource.config().token.reveal() == TOKEN
        assert TOKEN not in repr(resource) + str(resource) + repr(resource.config())
        with resource.open() as source:
            assert source.identity == "influxdb3://127.0.0.1:1/plant"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"type": "influx9", "host": "h", "database": "d"}, "no source of type 'influx9'.*Give one of influxdb3"),
        ({"type": "influxdb3", "host": "h"}, "SourceResource cannot be used: database"),
    ],
)
def test_a_source_with_mistakes_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        SourceResource(options={**options, "token": TOKEN}).config()


def test_opening_contacts_nothing_and_leaving_closes() -> None:
    with InfluxDB3Resource(host="http://127.0.0.1:1", database="plant").open() as source:
        assert source.identity == "influxdb3://127.0.0.1:1/plant"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"host": "ftp://db"}, "host"),
        ({"host": "http://db", "tls": {"verify": False}}, "https"),
        ({"host": "db", "timeout": "soon"}, "timeout"),
    ],
)
def test_a_mistake_says_which_option_is_wrong(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=f"InfluxDB3Resource cannot be used: .*{message}") as caught:
        InfluxDB3Resource(database="plant", token=TOKEN, **options).config()

    assert TOKEN not in str(caught.value)


def test_a_catalog_takes_any_property_and_shows_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3_SECRET", TOKEN)
    resource = used(
        IcebergCatalogResource(
            name="lake",
            properties={
                "type": "sql",
                "uri": "sqlite:///catalog.db",
                "warehouse": "files",
                "s3.secret-access-key": dg.EnvVar("S3_SECRET"),
            },
            root=str(tmp_path),
        )
    )

    catalog = resource.open()

    assert catalog.name == "lake"
    assert catalog.properties["s3.secret-access-key"] == TOKEN
    assert catalog.properties["warehouse"] == str(tmp_path / "files")
    assert (tmp_path / "catalog.db").exists()
    assert TOKEN not in repr(resource) + repr(IcebergIOManager(catalog=resource))


def test_the_io_manager_works_in_definitions_of_somebody_else(
    catalog_resource: IcebergCatalogResource, instance: dg.DagsterInstance
) -> None:
    @dg.asset(partitions_def=dg.DailyPartitionsDefinition("2026-01-01"), io_manager_key="warehouse")
    def theirs(context: dg.AssetExecutionContext) -> pa.Table:
        return pa.table({"time": pa.array([context.partition_time_window.start], pa.timestamp("us", "UTC"))})

    definitions = dg.Definitions(
        [theirs], resources={"warehouse": IcebergIOManager(catalog=catalog_resource, namespace="their.own")}
    )

    job = definitions.resolve_implicit_global_asset_job_def()
    assert job.execute_in_process(partition_key="2026-01-02", instance=instance).success

    assert catalog_resource.open().load_table(("their", "own", "theirs")).scan().to_arrow().num_rows == 1
